"""Smooth activations of rarer use: mish, softsign, log_sigmoid, tanhshrink, softmin, glu, swiglu. Floor 2."""

import numpy as np

from ..base.dtypes import refuse_complex
from ..engine.declare import primitive
from ..engine.samples import Sample, arrays, elementwise, pairs
from .activations import _over_axes, _softmax_x, sigmoid, silu, softmax, softplus
from .shape import axis_of, concatenate

__all__ = ["glu", "log_sigmoid", "mish", "softmin", "softsign", "swiglu", "tanhshrink"]


@primitive(vjp={"x": lambda g, y: g * -np.expm1(y)}, elementwise=True, samples=elementwise(-4.0, 4.0))
def log_sigmoid(x):
    """``log(sigmoid(x))``, exact where `sigmoid` would be 0 or 1.

    Parameters
    ----------
    x : array_like, float

    Returns
    -------
    Tensor

    Examples
    --------
    >>> av.nn.log_sigmoid(Tensor(np.array([-1e4, 0.0, 1e4]))).round(6).tolist()
    [-10000.0, -0.693147, 0.0]
    """
    refuse_complex("log_sigmoid", x)
    return np.minimum(x, 0.0) - np.log1p(np.exp(-np.absolute(x)))


def _mish_x(g, x):
    w = np.tanh(softplus.inner(x))
    return g * (w + x * ((1.0 - w * w) * sigmoid.inner(x)))


@primitive(vjp={"x": _mish_x}, elementwise=True, samples=elementwise(-4.0, 4.0))
def mish(x):
    """``x * tanh(softplus(x))``.

    Parameters
    ----------
    x : array_like, float

    Returns
    -------
    Tensor

    References
    ----------
    D. Misra, "Mish: a self regularized non-monotonic activation function", BMVC 2020.

    Examples
    --------
    >>> mish(Tensor(np.array([-1e4, 0.0, 1e4]))).tolist()
    [-0.0, 0.0, 10000.0]
    """
    return x * np.tanh(softplus.op.forward(x))


def _softsign_x(g, x):
    d = np.absolute(x) + 1.0
    return g / d / d


@primitive(vjp={"x": _softsign_x}, elementwise=True, samples=elementwise(cut=(0.0,)))
def softsign(x):
    """``x / (1 + abs(x))``; the gradient at 0 is 1.

    Parameters
    ----------
    x : array_like, float

    Returns
    -------
    Tensor

    References
    ----------
    X. Glorot and Y. Bengio, "Understanding the difficulty of training deep feedforward neural networks", AISTATS 2010.

    Examples
    --------
    >>> softsign(Tensor(np.array([-3.0, 0.0, 1.0]))).tolist()
    [-0.75, 0.0, 0.5]
    """
    refuse_complex("softsign", x)
    return x / (np.absolute(x) + 1.0)


def _tanhshrink_x(g, x):
    t = np.tanh(x)
    return g * (t * t)


@primitive(vjp={"x": _tanhshrink_x}, elementwise=True, samples=elementwise())
def tanhshrink(x):
    """``x - tanh(x)``.

    Parameters
    ----------
    x : array_like, float

    Returns
    -------
    Tensor

    Examples
    --------
    >>> tanhshrink(Tensor(np.array([-1e4, 0.0, 1.0]))).round(6).tolist()
    [-9999.0, 0.0, 0.238406]
    """
    return x - np.tanh(x)


def _softmin_x(g, y, axis):
    return -_softmax_x(g, y, axis)


@primitive(vjp={"x": _softmin_x}, jvp={"x": _softmin_x}, samples=_over_axes)
def softmin(x, axis=-1):
    """``softmax(-x)`` along an axis: the smallest number has the largest share.

    Parameters
    ----------
    x : array_like, float
    axis : int or tuple of int, default -1

    Returns
    -------
    Tensor

    Examples
    --------
    >>> softmin(Tensor(np.array([1e4, 0.0, 0.0]))).tolist()
    [0.0, 0.5, 0.5]
    """
    return softmax.op.forward(-x, axis)


# ---------------------------------------------------------------- one half gates the other


def _halves(x, axis):
    axis = axis_of(axis, x.ndim)
    n = x.shape[axis]
    if n % 2:
        raise ValueError(f"glu cuts axis {axis} in two, and of the shape {x.shape} it has {n} elements, an odd number")
    before = (slice(None),) * axis
    return x[(*before, slice(0, n // 2))], x[(*before, slice(n // 2, n))]


def _glu_x(g, x, axis):
    a, b = _halves(x, axis)
    s = sigmoid.inner(b)
    return concatenate.inner((g * s, g * (a * (s - s * s))), axis)


@primitive(
    vjp={"x": _glu_x},
    samples=lambda: [
        Sample(arrays((3, 4))), Sample(arrays((4, 3)), 0), Sample(arrays((2, 2, 3)), axis=-2), Sample(arrays((6,))),
        Sample(arrays((0, 4))), Sample(arrays((4, 8))[::2, ::-2].T, 0),
        Sample(arrays((2, 4), dtype=np.float32), smooth=False),
    ],
)  # fmt: skip
def glu(x, axis=-1):
    """A gated linear unit: the first half of `x` times the sigmoid of the second half.

    Parameters
    ----------
    x : array_like, float
    axis : int, default -1
        Which axis is cut in two; it has an even size.

    Returns
    -------
    Tensor
        Half as large along `axis`.

    Raises
    ------
    ValueError
        If the size is odd.

    References
    ----------
    Y. N. Dauphin, A. Fan, M. Auli, D. Grangier, "Language modeling with gated convolutional networks", ICML 2017.

    Examples
    --------
    >>> glu(Tensor(np.array([3.0, 5.0, 0.0, 1e4]))).tolist()
    [1.5, 5.0]
    """
    a, b = _halves(x, axis)
    return a * sigmoid.op.forward(b)


def _swiglu_gate(g, gate, value):
    s = sigmoid.inner(gate)
    return g * value * (s * (1.0 + gate * (1.0 - s)))


@primitive(
    vjp={"gate": _swiglu_gate, "value": lambda g, gate: g * silu.inner(gate)}, elementwise=True,
    samples=lambda: [s for s in pairs()() if not isinstance(s.args[0], float)],
)  # fmt: skip
def swiglu(gate, value):
    """``silu(gate) * value``: the gated unit of many transformers.

    Parameters
    ----------
    gate, value : array_like, float, shapes that broadcast
        Two projections of the same input, mostly.

    Returns
    -------
    Tensor

    References
    ----------
    N. Shazeer, "GLU variants improve transformer", arXiv:2002.05202.

    Examples
    --------
    >>> swiglu(Tensor(np.array([0.0, 100.0])), np.array([2.0, 3.0])).tolist()
    [0.0, 300.0]
    """
    return silu.op.forward(gate) * value
