"""Recurrent cells, one step each: simple_rnn_cell, gru_cell, lstm_cell. Floor 2.

The products are `linear`'s; what is elementwise is one op. Layouts and formulas are PyTorch's, with kernels transposed:
(inputs, gates * units), the gates side by side.
"""

import numpy as np

from ..base.backend import repeated
from ..engine.declare import composed, primitive
from ..engine.op import fit
from ..engine.protocol import Operand
from ..engine.samples import Sample, arrays
from ..engine.tensor import Tensor, as_tensor
from .activations import sigmoid
from .elementwise import tanh
from .nn import linear
from .products import matmul
from .shape import concatenate

__all__ = ["gru_cell", "lstm_cell", "simple_rnn_cell"]


def _product(x, kernel, bias):
    return matmul(x, kernel) if bias is None else linear(x, kernel, bias)


def _products(x, h, kernel, recurrent_kernel, bias) -> Tensor:
    """``x @ kernel + bias + h @ recurrent_kernel``, in two entries."""
    z = _product(x, kernel, bias)
    if z.shape[:-1] == h.shape[:-1]:
        return linear(h, recurrent_kernel, z)
    return z + matmul(h, recurrent_kernel)


def _check(cell, gates, x, states, kernel, recurrent_kernel, *biases) -> None:
    """ValueError if the shapes do not fit."""
    units = states[0].shape[-1] if states[0].ndim else 0
    wide = gates * units
    if (
        kernel.shape != (x.shape[-1] if x.ndim else 0, wide) or recurrent_kernel.shape != (units, wide)
        or any([s.shape != states[0].shape for s in states])
        or any([b.shape != (wide,) for b in biases if b is not None])
    ):  # fmt: skip
        shapes = [
            f"x {x.shape}", *(f"state {s.shape}" for s in states), f"kernel {kernel.shape}",
            f"recurrent_kernel {recurrent_kernel.shape}", *(f"bias {b.shape}" for b in biases if b is not None),
        ]  # fmt: skip
        raise ValueError(
            f"{cell}: the shapes do not fit: {', '.join(shapes)}. They are x (..., inputs), states (..., units), "
            f"kernel (inputs, {gates} * units), recurrent_kernel (units, {gates} * units), biases ({gates} * units,)"
        )


def _tensors(*args):
    return [a if a is None else as_tensor(a) for a in args]


def _cell_samples(gates, states, biases):
    def samples():
        shapes = [(2, 3), *[(2, 2)] * states, (3, 2 * gates), (2, 2 * gates), *[(2 * gates,)] * biases]
        given = arrays(*shapes, low=-1.0, high=1.0)
        one = arrays((3,), *[(2,)] * states, *shapes[1 + states :], low=-1.0, high=1.0)
        deep = arrays((2, 1, 3), *[(2, 1, 2)] * states, *shapes[1 + states :], low=-1.0, high=1.0)
        return [
            Sample(*given), Sample(*one), Sample(*deep), Sample(given[0], *one[1 : 1 + states], *given[1 + states :]),
            Sample(*given[:-biases]),
            Sample(*[a.astype(np.float32) for a in given], smooth=False),
        ]  # fmt: skip

    return samples


# ---------------------------------------------------------------- simple


@composed(samples=_cell_samples(1, 1, 1))
def simple_rnn_cell(x, h, kernel, recurrent_kernel, bias=None, activation=tanh) -> Tensor:
    """One step of a simple recurrent network: ``tanh(x @ kernel + bias + h @ recurrent_kernel)``.

    Parameters
    ----------
    x : array_like, shape (..., inputs), float
    h : array_like, shape (..., units), float
        The state before this step; leading dimensions broadcast with those of `x`.
    kernel : array_like, shape (inputs, units)
    recurrent_kernel : array_like, shape (units, units)
    bias : array_like, shape (units,), optional
    activation : function, default tanh

    Returns
    -------
    Tensor, shape (..., units)
        The state after this step.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    References
    ----------
    J. L. Elman, "Finding structure in time", Cognitive Science 14 (1990).

    Examples
    --------
    >>> simple_rnn_cell(Tensor(np.ones((1, 2))), np.zeros((1, 1)), np.ones((2, 1)), np.ones((1, 1))).round(4).tolist()
    [[0.964]]
    """
    x, h, kernel, recurrent_kernel, bias = _tensors(x, h, kernel, recurrent_kernel, bias)
    _check("simple_rnn_cell", 1, x, (h,), kernel, recurrent_kernel, bias)
    return activation(_products(x, h, kernel, recurrent_kernel, bias))


# ---------------------------------------------------------------- LSTM


# sigmoid(z) is tanh(z / 2) / 2 + 1/2: one tanh for all four gates, and a slope of (y + tail) (1 - y) for each.
_SCALE, _SHIFT, _TAIL = (0.5, 0.5, 1.0, 0.5), (0.5, 0.5, 0.0, 0.5), (0.0, 0.0, 1.0, 0.0)


def _per_gate(numbers, z):
    return repeated(numbers, z.shape[-1] // 4, z)


def _quarters(a):
    n = a.shape[-1] // 4
    return a[..., :n], a[..., n : 2 * n], a[..., 2 * n : 3 * n], a[..., 3 * n :]


def _lstm_gates(z):
    i, f, g, o = _quarters(z)
    return concatenate.inner((sigmoid.inner(i), sigmoid.inner(f), np.tanh(g), sigmoid.inner(o)), -1)


def _lstm_t(z, c):
    i, f, g, _ = _quarters(_lstm_gates(z))
    return np.tanh(f * c + i * g)


def _lstm_slope(z, c):
    """The derivative of h by the new c."""
    o, t = _quarters(_lstm_gates(z))[3], _lstm_t(z, c)
    return o - o * t * t


def _lstm_total(g, slope):
    """The gradient of the new c, with what comes through h."""
    of_h, of_c = g.parts
    if of_h is None:
        return of_c
    total = of_h * slope
    if of_c is not None:
        total += of_c
    return total


def _lstm_c(g, gates, slope, c_shape, c_dtype):
    return fit(_lstm_total(g, slope) * _quarters(gates)[1], c_shape, c_dtype)


def _lstm_z(g, c, gates, t, slope, z_shape, z_dtype):
    return fit(_lstm_parts(g, c, gates, t, slope), z_shape, z_dtype)


def _lstm_parts(g, c, gates, t, slope):
    of_h, total = g.parts[0], _lstm_total(g, slope)
    i, f, g, o = _quarters(gates)
    if isinstance(total, Operand) or isinstance(gates, Operand):
        last = o * 0.0 if of_h is None else of_h * t * (o - o * o)
        return concatenate.inner(
            (total * g * (i - i * i), total * c * (f - f * f), total * i * (1.0 - g * g), last), -1
        )
    d = gates + _per_gate(_TAIL, gates)
    rest = 1.0 - gates
    d *= rest
    of_i, of_f, of_g, of_o = _quarters(rest)  # its memory is free now
    np.multiply(total, g, of_i)
    np.multiply(total, c, of_f)
    np.multiply(total, i, of_g)
    if of_h is None:
        of_o[...] = 0.0
    else:
        np.multiply(of_h, t, of_o)
    d *= rest
    return d


@primitive(
    vjp={"z": _lstm_z, "c": _lstm_c},
    aux={"gates": _lstm_gates, "t": _lstm_t, "slope": _lstm_slope}, outputs=2, name="lstm",
    samples=lambda: [
        Sample(*arrays((3, 8), (3, 2))), Sample(*arrays((4,), (1,))), Sample(*arrays((2, 3, 4), (2, 3, 1))),
        Sample(arrays((16, 6))[::2, ::-2].T, arrays((2, 3)).T), Sample(*arrays((0, 4), (0, 1))),
        Sample(*arrays((2, 8), (2, 2), dtype=np.float32), smooth=False),
    ],
)  # fmt: skip
def _lstm(z, c):
    """The new h and c; the gates, the tanh of the new c, the derivative of h by it."""
    scale = _per_gate(_SCALE, z)
    gates = z * scale
    np.tanh(gates, gates)
    gates *= scale
    gates += _per_gate(_SHIFT, z)
    i, f, g, o = _quarters(gates)
    new = f * c
    new += i * g
    t = np.tanh(new)
    h = o * t
    slope = h * t
    np.subtract(o, slope, slope)
    return (h, new), gates, t, slope


@composed(samples=_cell_samples(4, 2, 1))
def lstm_cell(x, h, c, kernel, recurrent_kernel, bias=None) -> tuple[Tensor, Tensor]:
    """One step of a long short-term memory.

    With ``i, f, g, o`` the four parts of ``x @ kernel + bias + h @ recurrent_kernel``::

        c = sigmoid(f) * c + sigmoid(i) * tanh(g)
        h = sigmoid(o) * tanh(c)

    Parameters
    ----------
    x : array_like, shape (..., inputs), float
    h, c : array_like, shape (..., units), float
        Output and memory before this step; leading dimensions broadcast with those of `x`.
    kernel : array_like, shape (inputs, 4 * units)
        The columns of the gates i, f, g, o one after the other: PyTorch's ``weight_ih.T``.
    recurrent_kernel : array_like, shape (units, 4 * units)
        PyTorch's ``weight_hh.T``.
    bias : array_like, shape (4 * units,), optional
        The sum of PyTorch's two. To start with an open forget gate, give its part (f, the second) the value 1.

    Returns
    -------
    h, c : Tensor, shape (..., units)
        Output and memory after this step.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    References
    ----------
    S. Hochreiter and J. Schmidhuber, "Long short-term memory", Neural Computation 9 (1997); F. A. Gers, J. Schmidhuber,
    F. Cummins, "Learning to forget: continual prediction with LSTM", Neural Computation 12 (2000).

    Examples
    --------
    >>> h, c = lstm_cell(Tensor(np.ones((1, 2))), np.zeros((1, 1)), np.ones((1, 1)), np.ones((2, 4)), np.ones((1, 4)))
    >>> h.round(4).tolist(), c.round(4).tolist()
    ([[0.8271]], [[1.7299]])
    """
    x, h, c, kernel, recurrent_kernel, bias = _tensors(x, h, c, kernel, recurrent_kernel, bias)
    _check("lstm_cell", 4, x, (h, c), kernel, recurrent_kernel, bias)
    return _lstm(_products(x, h, kernel, recurrent_kernel, bias), c)  # type: ignore[return-value]  # it has two


# ---------------------------------------------------------------- GRU


def _thirds(a):
    n = a.shape[-1] // 3
    return a[..., :n], a[..., n : 2 * n], a[..., 2 * n :]


def _gru_gates(zx, zh):
    """The gates r and z, side by side."""
    n = zx.shape[-1] // 3
    return sigmoid.inner(zx[..., : 2 * n] + zh[..., : 2 * n])


def _gru_slopes(zx, zh, h):
    """The derivatives of the new h by the three parts of `zx`."""
    n = h.shape[-1]
    gates = _gru_gates(zx, zh)
    r, z, of_h = gates[..., :n], gates[..., n:], zh[..., 2 * n :]
    new = np.tanh(zx[..., 2 * n :] + r * of_h)
    return _slopes(r, z, new, of_h, h - new)


def _slopes(r, z, new, of_h, d):
    last = (1.0 - z) * (1.0 - new * new)
    return concatenate.inner((last * of_h * (r - r * r), d * (z - z * z), last), -1)


def _gru_parts(g, slopes):
    return (slopes.reshape((*g.shape[:-1], 3, g.shape[-1])) * g[..., None, :]).reshape(slopes.shape)


def _gru_zx(g, slopes, zx_shape, zx_dtype):
    return fit(_gru_parts(g, slopes), zx_shape, zx_dtype)


def _gru_zh(g, gates, slopes, zh_shape, zh_dtype):
    n, c = g.shape[-1], _gru_parts(g, slopes)
    r = gates[..., :n]
    if isinstance(c, Operand):
        c = concatenate.inner((c[..., : 2 * n], c[..., 2 * n :] * r), -1)
    else:
        last = c[..., 2 * n :]
        last *= r
    return fit(c, zh_shape, zh_dtype)


def _gru_h(g, gates, h_shape, h_dtype):
    return fit(g * gates[..., g.shape[-1] :], h_shape, h_dtype)


@primitive(
    vjp={"zx": _gru_zx, "zh": _gru_zh, "h": _gru_h},
    aux={"gates": _gru_gates, "slopes": _gru_slopes}, name="gru",
    samples=lambda: [
        Sample(*arrays((3, 6), (3, 6), (3, 2))), Sample(*arrays((3,), (3,), (1,))),
        Sample(*arrays((2, 1, 6), (2, 1, 6), (2, 1, 2))), Sample(*arrays((0, 3), (0, 3), (0, 1))),
        Sample(arrays((12, 6))[::2, ::-2].T, arrays((3, 6)), arrays((2, 3)).T),
        Sample(*arrays((2, 6), (2, 6), (2, 2), dtype=np.float32), smooth=False),
    ],
)  # fmt: skip
def _gru(zx, zh, h):
    """The new h; the gates, and the derivatives by the parts of `zx`."""
    n = h.shape[-1]
    gates = _gru_gates(zx, zh)
    r, z, of_h = gates[..., :n], gates[..., n:], zh[..., 2 * n :]
    new = np.tanh(r * of_h + zx[..., 2 * n :])
    d = h - new
    slopes = _slopes(r, z, new, of_h, d)
    d *= z
    d += new
    return d, gates, slopes


@composed(samples=_cell_samples(3, 1, 2))
def gru_cell(x, h, kernel, recurrent_kernel, bias=None, recurrent_bias=None) -> Tensor:
    """One step of a gated recurrent unit, with the reset gate after the product (as PyTorch and cuDNN have it).

    With ``xr, xz, xn`` the three parts of ``x @ kernel + bias`` and ``hr, hz, hn`` those of
    ``h @ recurrent_kernel + recurrent_bias``::

        r, z = sigmoid(xr + hr), sigmoid(xz + hz)
        n = tanh(xn + r * hn)
        h = (1 - z) * n + z * h

    Parameters
    ----------
    x : array_like, shape (..., inputs), float
    h : array_like, shape (..., units), float
        The state before this step; leading dimensions broadcast with those of `x`.
    kernel : array_like, shape (inputs, 3 * units)
        The columns of r, z, n one after the other: PyTorch's ``weight_ih.T``. (Keras has z, r, n.)
    recurrent_kernel : array_like, shape (units, 3 * units)
        PyTorch's ``weight_hh.T``.
    bias, recurrent_bias : array_like, shape (3 * units,), optional

    Returns
    -------
    Tensor, shape (..., units)
        The state after this step.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    References
    ----------
    K. Cho et al., "Learning phrase representations using RNN encoder-decoder for statistical machine translation",
    EMNLP 2014.

    Examples
    --------
    >>> gru_cell(Tensor(np.ones((1, 2))), np.zeros((1, 1)), np.ones((2, 3)), np.ones((1, 3))).round(4).tolist()
    [[0.1149]]
    """
    x, h, kernel, recurrent_kernel, bias, recurrent_bias = _tensors(
        x, h, kernel, recurrent_kernel, bias, recurrent_bias
    )
    _check("gru_cell", 3, x, (h,), kernel, recurrent_kernel, bias, recurrent_bias)
    zx, zh = _product(x, kernel, bias), _product(h, recurrent_kernel, recurrent_bias)
    return _gru(zx, zh, h)
