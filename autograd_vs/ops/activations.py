"""Activations: relu and its kin, gelu, softmax. Floor 2.

Formulas are stable: no input overflows where the result is finite. They use ufuncs, operators and methods only, which
are several times faster than ``np.where`` and its kin for small arrays, and keep float32 as float32.
"""

from math import pi, sqrt

import numpy as np

from ..base.backend import as_array
from ..base.blocks import in_blocks, in_rows
from ..base.dtypes import refuse_complex
from ..base.precision import in_float32
from ..engine.declare import composed, primitive
from ..engine.samples import Sample, arrays, away, elementwise
from ..engine.tensor import Tensor
from .erf import erfc, phi

__all__ = ["elu", "gelu", "leaky_relu", "log_softmax", "relu", "sigmoid", "silu", "softmax", "softplus"]


@primitive(vjp={"x": lambda g, y: g * (y > 0)}, elementwise=True, samples=elementwise(cut=(0.0,)))
def relu(x):
    """The positive part, ``max(x, 0)``; the gradient at 0 is 0.

    Parameters
    ----------
    x : array_like, float

    Returns
    -------
    Tensor

    References
    ----------
    V. Nair and G. E. Hinton, "Rectified linear units improve restricted Boltzmann machines", ICML 2010.

    Examples
    --------
    >>> relu(Tensor(np.array([-1.0, 2.0]))).tolist()
    [0.0, 2.0]
    """
    return np.maximum(x, 0.0)


def _leaky_rule(g, x, negative_slope):
    return g * (x > 0) + g * negative_slope * (x <= 0)


@primitive(
    vjp={"x": _leaky_rule}, elementwise=True,
    samples=lambda: [*elementwise(cut=(0.0,))(), Sample(away(arrays((2, 3))), 0.2), Sample(away(arrays((2, 3))), 1.5)],
)  # fmt: skip
def leaky_relu(x, negative_slope=0.01):
    """`x` where it is positive, else ``negative_slope * x``.

    Parameters
    ----------
    x : array_like, float
    negative_slope : float, default 0.01
        PyTorch's default; TensorFlow's is 0.2.

    Returns
    -------
    Tensor

    References
    ----------
    A. L. Maas, A. Y. Hannun, A. Y. Ng, "Rectifier nonlinearities improve neural network acoustic models", ICML 2013.

    Examples
    --------
    >>> leaky_relu(Tensor(np.array([-1.0, 2.0])), 0.5).tolist()
    [-0.5, 2.0]
    """
    return np.maximum(x, 0.0) + np.minimum(x, 0.0) * negative_slope


def _elu_rule(g, x, alpha):
    return g * (x > 0) + g * alpha * (np.exp(np.minimum(x, 0.0)) * (x <= 0))


@primitive(
    vjp={"x": _elu_rule}, elementwise=True,
    samples=lambda: [*elementwise(cut=(0.0,))(), Sample(away(arrays((2, 3))), 0.5)],
)  # fmt: skip
def elu(x, alpha=1.0):
    """`x` where it is positive, else ``alpha * (exp(x) - 1)``.

    Parameters
    ----------
    x : array_like, float
    alpha : float, default 1.0

    Returns
    -------
    Tensor

    References
    ----------
    D.-A. Clevert, T. Unterthiner, S. Hochreiter, "Fast and accurate deep network learning by exponential linear units
    (ELUs)", ICLR 2016.

    Examples
    --------
    >>> elu(Tensor(np.array([-1000.0, 2.0]))).tolist()
    [-1.0, 2.0]
    """
    return np.maximum(x, 0.0) + np.expm1(np.minimum(x, 0.0)) * alpha


# exp() stays finite up to here, by the size of a number in bytes
_LARGEST = {2: 11.0, 4: 88.0, 8: 709.0}


@in_blocks
def _sigmoid_x(g, y):
    c = y - y * y
    c *= g
    return c


@in_blocks
def _sigmoid(x):
    e = -x
    e = np.exp(np.minimum(e, _LARGEST.get(e.dtype.itemsize, 709.0)))
    e += 1.0
    return np.reciprocal(e)


@primitive(vjp={"x": _sigmoid_x}, elementwise=True, samples=elementwise(-4.0, 4.0))
def sigmoid(x):
    """The logistic function, ``1 / (1 + exp(-x))``, accurate in both tails.

    Parameters
    ----------
    x : array_like, float

    Returns
    -------
    Tensor

    Examples
    --------
    >>> av.nn.sigmoid(Tensor(np.array([-1000.0, 0.0, 1000.0]))).round(12).tolist()
    [0.0, 0.5, 1.0]
    """
    return _sigmoid(x)


@primitive(vjp={"x": lambda g, y: g * -np.expm1(-y)}, elementwise=True, samples=elementwise(-4.0, 4.0))
def softplus(x):
    """``log(1 + exp(x))``, a smooth `relu`, without overflow.

    Parameters
    ----------
    x : array_like, float

    Returns
    -------
    Tensor

    References
    ----------
    C. Dugas et al., "Incorporating second-order functional knowledge for better option pricing", NIPS 2000.

    Examples
    --------
    >>> softplus(Tensor(np.array([-1000.0, 1000.0]))).tolist()
    [0.0, 1000.0]
    """
    refuse_complex("softplus", x)
    return np.maximum(x, 0.0) + np.log1p(np.exp(-np.absolute(x)))


def _silu_rule(g, x):
    s = sigmoid.inner(x)
    return g * (s * (1.0 + x * (1.0 - s)))


@primitive(vjp={"x": _silu_rule}, elementwise=True, samples=elementwise(-4.0, 4.0))
def silu(x):
    """``x * sigmoid(x)``, also called swish.

    Parameters
    ----------
    x : array_like, float

    Returns
    -------
    Tensor

    References
    ----------
    S. Elfwing, E. Uchibe, K. Doya, "Sigmoid-weighted linear units for neural network function approximation in
    reinforcement learning", Neural Networks 107 (2018).

    Examples
    --------
    >>> silu(Tensor(np.array([0.0, 1000.0]))).tolist()
    [0.0, 1000.0]
    """
    return x * sigmoid.op.forward(x)


# ---------------------------------------------------------------- gelu


def _gelu_rule(g, x, cdf):
    return g * (cdf + x * (np.exp(x * x * -0.5) * (1.0 / sqrt(2.0 * pi))))


@primitive(
    vjp={"x": _gelu_rule}, jvp={"x": lambda t, x: _gelu_rule(t, x, _normal_cdf(x))}, elementwise=True,
    name="gelu_exact", aux={"cdf": lambda x: _normal_cdf(x)}, samples=elementwise(-4.0, 4.0),
)  # fmt: skip
def _gelu_exact(x):
    refuse_complex("gelu", x)
    cdf = as_array(phi(x))
    return x * cdf, cdf


def _normal_cdf(x):
    return 0.5 * erfc.inner(x * -sqrt(0.5))


@in_blocks
def _gelu_tanh_rule(g, x, t):
    slope = x * x
    slope *= 3.0 * 0.044715 * sqrt(2.0 / pi)
    slope += sqrt(2.0 / pi)
    slope *= 1.0 - t * t
    slope *= x
    slope += t
    slope += 1.0
    slope *= 0.5
    return g * slope


@in_blocks
def _gelu_inner(x):
    inner = x * x
    inner *= 0.044715 * sqrt(2.0 / pi)
    inner += sqrt(2.0 / pi)
    inner *= x
    return np.tanh(inner)


@primitive(
    vjp={"x": _gelu_tanh_rule}, jvp={"x": lambda t, x: _gelu_tanh_rule(t, x, _gelu_inner(x))}, elementwise=True,
    name="gelu_tanh", aux={"t": lambda x: _gelu_inner(x)}, samples=elementwise(-4.0, 4.0),
)  # fmt: skip
def _gelu_tanh(x):
    return _gelu_tanh_value(x)


@in_blocks
def _gelu_tanh_value(x):
    t = as_array(_gelu_inner(x))
    y = t + 1.0
    y *= x
    y *= 0.5
    return y, t


@composed(samples=lambda: [Sample(arrays((2, 3))), Sample(arrays((2, 3)), "tanh"), Sample(arrays((2, 3)), True)])
def gelu(x, approximate=False) -> Tensor:
    """The Gaussian error linear unit, ``x * P(X <= x)`` for a standard normal `X`.

    Parameters
    ----------
    x : array_like, float
    approximate : {False, True, "none", "tanh"}
        True or "tanh" takes ``0.5 * x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3)))`` instead, which is off by
        up to 0.0005.

    Returns
    -------
    Tensor

    Raises
    ------
    ValueError
        If `approximate` is something else.

    References
    ----------
    D. Hendrycks and K. Gimpel, "Gaussian error linear units (GELUs)", arXiv:1606.08415.

    Examples
    --------
    >>> gelu(Tensor(np.array([-1.0, 0.0, 1.0]))).round(6).tolist()
    [-0.158655, 0.0, 0.841345]
    """
    if approximate in (True, "tanh"):
        return _gelu_tanh(x)
    if approximate in (False, "none"):
        return _gelu_exact(x)
    raise ValueError(f"gelu: approximate is False or 'none', True or 'tanh', got {approximate!r}")


# ---------------------------------------------------------------- softmax


def _over_axes():
    x = arrays((2, 3, 4))
    return [
        Sample(x), Sample(x, 0), Sample(x, 1), Sample(x, axis=(0, 2)), Sample(x[:, ::-1, ::2].T),
        Sample(arrays((0, 3))), Sample(x.astype(np.float32), smooth=False),
    ]  # fmt: skip


@in_float32()
def _softmax_x(g, y, axis):
    return _softmax_rows_x(g, y) if axis == -1 or axis == y.ndim - 1 else y * (g - (g * y).sum(axis, keepdims=True))


@in_rows
def _softmax_rows_x(g, y):
    c = g * y
    c -= y * c.sum(-1, keepdims=True)
    return c


@in_rows
def _softmax_rows(x):
    e = x - x.max(-1, keepdims=True)
    np.exp(e, e)
    e /= e.sum(-1, keepdims=True)
    return e


@primitive(vjp={"x": _softmax_x}, jvp={"x": _softmax_x}, samples=_over_axes)
def softmax(x, axis=-1):
    """``exp(x) / sum(exp(x))`` along an axis, without overflow.

    Parameters
    ----------
    x : array_like, float
    axis : int or tuple of int, default -1

    Returns
    -------
    Tensor

    Examples
    --------
    >>> softmax(Tensor(np.array([1e4, 1e4, 0.0]))).tolist()
    [0.5, 0.5, 0.0]
    """
    return _softmax(x, axis)


@in_float32()
def _softmax(x, axis):
    if axis == -1 or axis == x.ndim - 1:
        return _softmax_rows(x)
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


@in_float32()
def _log_softmax(x, axis):
    z = x - x.max(axis=axis, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=axis, keepdims=True))


@in_float32()
def _log_softmax_x(g, y, axis):
    return g - np.exp(y) * g.sum(axis=axis, keepdims=True)


@primitive(
    vjp={"x": _log_softmax_x},
    jvp={"x": in_float32()(lambda t, y, axis: t - (np.exp(y) * t).sum(axis=axis, keepdims=True))},
    samples=_over_axes,
)
def log_softmax(x, axis=-1):
    """The logarithm of `softmax`, exact where that would be 0.

    Parameters
    ----------
    x : array_like, float
    axis : int or tuple of int, default -1

    Returns
    -------
    Tensor

    Examples
    --------
    >>> log_softmax(Tensor(np.array([1e4, 0.0]))).tolist()
    [0.0, -10000.0]
    """
    return _log_softmax(x, axis)
