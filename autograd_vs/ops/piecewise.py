"""Activations made of pieces: relu6, hardtanh, hardswish, the shrinkages, prelu, selu, celu. Floor 2.

At a kink the gradient is PyTorch's choice, which each docstring states. They use ufuncs and operators, as those of
activations.py do.
"""

import numpy as np

from ..base.backend import namespace
from ..base.dtypes import refuse_complex
from ..engine.declare import primitive
from ..engine.samples import Sample, arrays, away, elementwise, pairs

__all__ = [
    "celu", "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "prelu", "relu6", "selu", "softshrink", "threshold",
]  # fmt: skip


def _with_options(low, high, cut, *others):
    """The samples of an elementwise function, and others whose arguments after the array are those of `others`."""

    def samples():
        x = arrays((3, 4), low=low, high=high, seed=3)
        return [*elementwise(low, high, cut)(), *(Sample(away(x, kinks), *rest) for kinks, *rest in others)]

    return samples


# ---------------------------------------------------------------- held between bounds


def _hardtanh_x(g, x, min_val, max_val):
    return g * ((x > min_val) & (x < max_val))


@primitive(
    vjp={"x": _hardtanh_x}, elementwise=True,
    samples=_with_options(-3.0, 3.0, (-1.0, 1.0), ((-2.0, 0.5), -2.0, 0.5)),
)  # fmt: skip
def hardtanh(x, min_val=-1.0, max_val=1.0):
    """`x` held between two bounds.

    Parameters
    ----------
    x : array_like, float
    min_val, max_val : float, default -1.0 and 1.0

    Returns
    -------
    Tensor

    Notes
    -----
    The gradient at a bound is 0, as in PyTorch; that of `clip` is 1 there.

    Examples
    --------
    >>> hardtanh(Tensor(np.array([-3.0, 0.5, 2.0]))).tolist()
    [-1.0, 0.5, 1.0]
    """
    return np.minimum(np.maximum(x, min_val), max_val)


@primitive(
    vjp={"x": lambda g, y: g * ((y > 0.0) & (y < 6.0))}, elementwise=True, samples=elementwise(-3.0, 9.0, (0.0, 6.0))
)
def relu6(x):
    """``min(max(x, 0), 6)``; the gradient at 0 and at 6 is 0.

    Parameters
    ----------
    x : array_like, float

    Returns
    -------
    Tensor

    References
    ----------
    A. Krizhevsky, "Convolutional deep belief networks on CIFAR-10", 2010.

    Examples
    --------
    >>> relu6(Tensor(np.array([-1.0, 2.0, 8.0]))).tolist()
    [0.0, 2.0, 6.0]
    """
    return np.minimum(np.maximum(x, 0.0), 6.0)


def _hardsigmoid_x(g, y):
    return g * (((y > 0.0) & (y < 1.0)) * (1.0 / 6.0)).astype(g.dtype)


@primitive(vjp={"x": _hardsigmoid_x}, elementwise=True, samples=elementwise(-5.0, 5.0, (-3.0, 3.0)))
def hardsigmoid(x):
    """A `sigmoid` of straight lines, ``relu6(x + 3) / 6``; the gradient at -3 and at 3 is 0.

    Parameters
    ----------
    x : array_like, float

    Returns
    -------
    Tensor

    Notes
    -----
    PyTorch's slope of 1/6; older versions of Keras have 0.2.

    Examples
    --------
    >>> hardsigmoid(Tensor(np.array([-4.0, 0.0, 4.0]))).tolist()
    [0.0, 0.5, 1.0]
    """
    return np.minimum(np.maximum(x + 3.0, 0.0), 6.0) / 6.0


def _hardswish_x(g, x):
    return g * ((x >= 3.0) + (x * (1.0 / 3.0) + 0.5) * ((x > -3.0) & (x < 3.0)))


@primitive(vjp={"x": _hardswish_x}, elementwise=True, samples=elementwise(-5.0, 5.0, (-3.0, 3.0)))
def hardswish(x):
    """``x * hardsigmoid(x)``; the gradient at -3 is 0, at 3 it is 1.

    Parameters
    ----------
    x : array_like, float

    Returns
    -------
    Tensor

    References
    ----------
    A. Howard et al., "Searching for MobileNetV3", ICCV 2019.

    Examples
    --------
    >>> hardswish(Tensor(np.array([-4.0, 1.5, 4.0]))).tolist()
    [-0.0, 1.125, 4.0]
    """
    return x * (np.minimum(np.maximum(x + 3.0, 0.0), 6.0) / 6.0)


# ---------------------------------------------------------------- zero, or another value, in the middle or below


@primitive(
    vjp={"x": lambda g, x, lambd: g * (np.absolute(x) > lambd)}, elementwise=True,
    samples=_with_options(-2.0, 2.0, (-0.5, 0.5), ((-1.0, 1.0), 1.0)),
)  # fmt: skip
def softshrink(x, lambd=0.5):
    """`x` moved towards 0 by `lambd`, and 0 where that would cross it.

    Parameters
    ----------
    x : array_like, float
    lambd : float, default 0.5
        Not negative.

    Returns
    -------
    Tensor

    Notes
    -----
    The proximal operator of ``lambd * abs(x)``. The gradient where ``abs(x) == lambd`` is 0.

    Examples
    --------
    >>> softshrink(Tensor(np.array([-1.0, 0.25, 2.0]))).tolist()
    [-0.5, 0.0, 1.5]
    """
    refuse_complex("softshrink", x)
    return x - np.minimum(np.maximum(x, -lambd), lambd)


@primitive(
    vjp={"x": lambda g, x, lambd: g * (np.absolute(x) > lambd)}, elementwise=True,
    samples=_with_options(-2.0, 2.0, (-0.5, 0.5), ((-1.0, 1.0), 1.0)),
)  # fmt: skip
def hardshrink(x, lambd=0.5):
    """`x` where its absolute value is larger than `lambd`, else 0.

    Parameters
    ----------
    x : array_like, float
    lambd : float, default 0.5
        Not negative.

    Returns
    -------
    Tensor

    Notes
    -----
    The gradient where ``abs(x) == lambd`` is 0.

    Examples
    --------
    >>> hardshrink(Tensor(np.array([-1.0, 0.25, 2.0]))).tolist()
    [-1.0, 0.0, 2.0]
    """
    return x * (np.absolute(x) > lambd)


@primitive(
    vjp={"x": lambda g, x, threshold: g * (x > threshold)}, elementwise=True,
    samples=lambda: [
        Sample(away(a, (0.5,)), 0.5, -3.0)
        for a in (arrays((3, 4)), arrays(()), arrays((0, 3)), arrays((4, 6))[::2, ::-2].T)
    ] + [Sample(arrays((3,), dtype=np.float32), 0.0, 1.0, smooth=False)],
)  # fmt: skip
def threshold(x, threshold, value):
    """`x` where it is larger than `threshold`, else `value`; the gradient at the threshold is 0.

    Parameters
    ----------
    x : array_like, float
    threshold, value : float

    Returns
    -------
    Tensor

    Examples
    --------
    >>> threshold(Tensor(np.array([0.25, 1.0, 2.0])), 1.0, -1.0).tolist()
    [-1.0, -1.0, 2.0]
    """
    return namespace(x).where(x <= threshold, value, x)


# ---------------------------------------------------------------- another slope below zero


@primitive(
    vjp={
        "x": lambda g, x, slope: g * (x > 0.0) + g * slope * (x <= 0.0),
        "slope": lambda g, x: g * np.minimum(x, 0.0),
    },
    elementwise=True, samples=pairs(cut=(0.0,)),
)  # fmt: skip
def prelu(x, slope):
    """`x` where it is positive, else ``slope * x``, with a slope that is learned.

    Parameters
    ----------
    x : array_like, float
    slope : array_like, float
        Of a shape that broadcasts: one number, or one for each channel where these are the last dimension.

    Returns
    -------
    Tensor

    Notes
    -----
    The gradient at 0 is `slope` for `x`.

    References
    ----------
    K. He, X. Zhang, S. Ren, J. Sun, "Delving deep into rectifiers", ICCV 2015.

    Examples
    --------
    >>> prelu(Tensor(np.array([[-2.0, 4.0], [-2.0, -4.0]])), np.array([0.5, 0.25])).tolist()
    [[-1.0, 4.0], [-1.0, -1.0]]
    """
    return np.maximum(x, 0.0) + np.minimum(x, 0.0) * slope


_ALPHA, _SCALE = 1.6732632423543772, 1.0507009873554805  # the fixed point of mean 0 and variance 1


def _selu_x(g, x):
    return g * ((x > 0.0) * _SCALE + np.exp(np.minimum(x, 0.0)) * ((x <= 0.0) * (_SCALE * _ALPHA))).astype(g.dtype)


@primitive(vjp={"x": _selu_x}, elementwise=True, samples=elementwise(cut=(0.0,)))
def selu(x):
    """``1.0507 * elu(x, 1.6733)``, which keeps mean 0 and variance 1 from layer to layer.

    Parameters
    ----------
    x : array_like, float

    Returns
    -------
    Tensor

    Notes
    -----
    The gradient at 0 is that from the left, 1.7581.

    References
    ----------
    G. Klambauer, T. Unterthiner, A. Mayr, S. Hochreiter, "Self-normalizing neural networks", NIPS 2017.

    Examples
    --------
    >>> selu(Tensor(np.array([-1e4, 0.0, 1.0]))).round(4).tolist()
    [-1.7581, 0.0, 1.0507]
    """
    return np.maximum(x, 0.0) * _SCALE + np.expm1(np.minimum(x, 0.0)) * (_SCALE * _ALPHA)


def _celu_x(g, x, alpha):
    return g * (x > 0.0) + g * (np.exp(np.minimum(x, 0.0) / alpha) * (x <= 0.0))


@primitive(vjp={"x": _celu_x}, elementwise=True, samples=_with_options(-2.0, 2.0, (0.0,), ((0.0,), 0.5)))
def celu(x, alpha=1.0):
    """`x` where it is positive, else ``alpha * (exp(x / alpha) - 1)``: an `elu` whose slope is continuous.

    Parameters
    ----------
    x : array_like, float
    alpha : float, default 1.0
        Positive.

    Returns
    -------
    Tensor

    References
    ----------
    J. T. Barron, "Continuously differentiable exponential linear units", arXiv:1704.07483.

    Examples
    --------
    >>> celu(Tensor(np.array([-1e4, 0.0, 1.0])), 0.5).tolist()
    [-0.5, 0.0, 1.0]
    """
    return np.maximum(x, 0.0) + np.expm1(np.minimum(x, 0.0) / alpha) * alpha
