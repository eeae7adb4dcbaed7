"""Functions of neural networks: activations, softmax, losses, dropout, embeddings, layer norm. Floor 2.

Formulas are stable: no input overflows where the result is finite. They use ufuncs, operators and methods only, which
are several times faster than ``np.where`` and its kin for small arrays, and keep float32 as float32.
"""

from math import pi, sqrt
from typing import Any

import numpy as np

from ..base.backend import as_array, beside, namespace, placed
from ..base.blocks import in_blocks, in_rows
from ..engine.declare import composed, primitive
from ..engine.op import fit
from ..engine.protocol import Operand, operand_types
from ..engine.samples import Sample, arrays, away, elementwise, integers
from ..engine.tensor import Tensor, as_tensor, tensor_of
from .elementwise import multiply
from .index import take
from .products import as_rows, dot
from .random import generator
from .shape import valued

__all__ = [
    "dropout", "elu", "embedding_lookup", "erf", "erfc", "gelu", "l2_loss", "layer_norm", "leaky_relu", "linear",
    "log_softmax", "mse", "relu", "sigmoid", "silu", "softmax", "softmax_cross_entropy", "softplus",
]  # fmt: skip

ndarray = np.ndarray

# ---------------------------------------------------------------- linear


def _linear_x(g, kernel):
    if g.ndim == 2:
        return g.dot(kernel.T)
    return as_rows(g).dot(kernel.T).reshape((*g.shape[:-1], kernel.shape[0]))


def _linear_kernel(g, x):
    if g.__class__ is ndarray and g.ndim == 2:
        return x.T.dot(g)
    return dot.inner(as_rows(x).T, as_rows(g))


def _linear_bias(g, bias_shape, bias_dtype):
    return fit(g, bias_shape, bias_dtype)


def _linear_samples():
    shapes = (3, 4), (4, 2), (2,)
    return [
        Sample(*arrays(*shapes)),
        Sample(*arrays((2, 3, 4), (4, 2), (2,))),
        Sample(*arrays((0, 4), (4, 2), (2,))),
        Sample(*arrays((2, 3, 0), (0, 2), (2,))),
        Sample(*arrays((2, 3, 4), (4, 0), (0,))),
        Sample(arrays((6, 8))[::2, ::-2], arrays((2, 4)).T, arrays((4,))[::2]),
        Sample(*arrays(*shapes, dtype=complex)),
        Sample(*[a.astype(np.float32) for a in arrays(*shapes)], smooth=False),
    ]


@primitive(
    vjp={"x": _linear_x, "kernel": _linear_kernel, "bias": _linear_bias}, stacks="kernel bias", samples=_linear_samples
)
def linear(x, kernel, bias):
    """``x @ kernel + bias`` in one op, which takes two thirds of the time of the two.

    Parameters
    ----------
    x : array_like, shape (..., n), float or complex
    kernel : array_like, shape (n, m)
    bias : array_like, shape (m,)

    Returns
    -------
    Tensor, shape (..., m)

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Examples
    --------
    >>> linear(np.ones((1, 2)), np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([0.5, 0.0])).tolist()
    [[4.5, 6.0]]
    """
    if x.ndim > 2:  # one large product: NumPy's own way takes 40 to 70 times as long
        y = as_rows(x).dot(kernel).reshape((*x.shape[:-1], kernel.shape[1]))
    else:
        y = x.dot(kernel)
    if y.dtype is not bias.dtype:
        return y + bias
    y += bias
    return y


# ---------------------------------------------------------------- activations


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


# ---------------------------------------------------------------- the error function, gelu

_SMALL = (
    (
        1.85777706184603153e-1,
        3.16112374387056560e0,
        1.13864154151050156e2,
        3.77485237685302021e2,
        3.20937758913846947e3,
    ),
    (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3),
)
_MIDDLE = (
    (
        2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594e0, 6.61191906371416295e1,
        2.98635138197400131e2, 8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3,
        1.23033935479799725e3,
    ),
    (
        1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2, 1.62138957456669019e3,
        3.29079923573345963e3, 4.36261909014324716e3, 3.43936767414372164e3, 1.23033935480374942e3,
    ),
)  # fmt: skip
_LARGE = (
    (1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1, 1.25781726111229246e-1,
     1.60837851487422766e-2, 6.58749161529837803e-4),
    (1.0, 2.56852019228982242e0, 1.87295284992346725e0, 5.27905102951428412e-1, 6.05183413124413191e-2,
     2.33520497626869185e-3),
)  # fmt: skip


def _ratio(coefficients, t):
    """The quotient of two polynomials, highest power first."""
    above, below = coefficients
    p, q = above[0], below[0]
    for a, b in zip(above[1:], below[1:], strict=True):
        p, q = p * t + a, q * t + b
    return p / q


def _erfc_tail(a):
    """``erfc(a)`` for ``a > 0.46875``."""
    xp = namespace(a)
    if xp is not np:  # a mask as an index would wait for the device
        b = np.maximum(a, 4.0)
        t = 1.0 / (b * b)
        far = (1.0 / sqrt(pi) - t * _ratio(_LARGE, t)) / b
        return _squared_away(xp.where(a > 4.0, far, _ratio(_MIDDLE, np.minimum(a, 4.0))), a)
    y = xp.empty(a.shape, a.dtype)
    far = a > 4.0
    near = a <= 4.0
    b = a[near]
    y[near] = _ratio(_MIDDLE, b)
    b = a[far]
    t = 1.0 / (b * b)
    y[far] = (1.0 / sqrt(pi) - t * _ratio(_LARGE, t)) / b
    return _squared_away(y, a)


def _squared_away(y, a):
    """``y * exp(-a * a)`` without the rounding error of ``a * a``."""
    coarse = np.trunc(a * 16.0) / 16.0
    return y * np.exp(-coarse * coarse) * np.exp((coarse - a) * (coarse + a))


def _erf(x, complement):
    if x.dtype.kind == "c":
        raise TypeError(f"erf{'c' * complement}: complex numbers are not supported, got {x.dtype}")
    x = x.astype(np.float64) if x.dtype.itemsize != 8 or x.dtype.kind != "f" else x
    a = np.absolute(x)
    xp = namespace(x)
    small = a <= 0.46875
    if xp is not np:
        b = np.minimum(np.maximum(x, -0.46875), 0.46875)
        part = b * _ratio(_SMALL, b * b)
        tail = _erfc_tail(np.minimum(np.maximum(a, 0.46875), 40.0))
        large = (1.0 - np.sign(x)) + np.sign(x) * tail if complement else np.sign(x) * (1.0 - tail)
        return xp.where(small, 1.0 - part if complement else part, large)
    y = xp.empty(x.shape, x.dtype)
    b = x[small]
    part = b * _ratio(_SMALL, b * b)
    y[small] = 1.0 - part if complement else part
    large = a > 0.46875
    b = x[large]
    tail = _erfc_tail(np.minimum(np.absolute(b), 40.0))
    y[large] = (1.0 - np.sign(b)) + np.sign(b) * tail if complement else np.sign(b) * (1.0 - tail)
    y[x != x] = float("nan")
    return y


@primitive(
    vjp={"x": lambda g, x: g * (np.exp(-x * x) * (2.0 / sqrt(pi)))}, elementwise=True, samples=elementwise(-3.0, 3.0)
)
def erf(x):
    """The error function, to the last digit or two in float64.

    Parameters
    ----------
    x : array_like, float

    Returns
    -------
    Tensor

    References
    ----------
    W. J. Cody, "Rational Chebyshev approximations for the error function", Math. Comp. 23 (1969).

    Examples
    --------
    >>> round(erf(Tensor(1.0)).item(), 12)
    0.84270079295
    """
    return _erf(x, False).astype(x.dtype if x.dtype.kind == "f" else np.float64, copy=False)


@primitive(
    vjp={"x": lambda g, x: g * (np.exp(-x * x) * (-2.0 / sqrt(pi)))}, elementwise=True, samples=elementwise(-3.0, 3.0)
)
def erfc(x):
    """``1 - erf(x)``, accurate for large `x`.

    Parameters
    ----------
    x : array_like, float

    Returns
    -------
    Tensor

    References
    ----------
    W. J. Cody, "Rational Chebyshev approximations for the error function", Math. Comp. 23 (1969).

    Examples
    --------
    >>> f"{erfc(Tensor(10.0)).item():.6e}"
    '2.088488e-45'
    """
    return _erf(x, True).astype(x.dtype if x.dtype.kind == "f" else np.float64, copy=False)


# erf in float32: one quotient of polynomials in x * x on [-4, 4] (the one that Eigen and XLA use), error below 4e-7
_ABOVE = (
    -2.72614225801306e-10, 2.77068142495902e-08, -2.10102402082508e-06, -5.69250639462346e-05, -7.34990630326855e-04,
    -2.95459980854025e-03, -1.60960333262415e-02,
)  # fmt: skip
_BELOW = (
    -1.45660718464996e-05,
    -2.13374055278905e-04,
    -1.68282697438203e-03,
    -7.37332916720468e-03,
    -1.42647390514189e-02,
)


def _polynomial(coefficients, t):
    p = coefficients[0]
    for c in coefficients[1:]:
        p = p * t + c
    return p


def _phi(x):
    """The distribution function of the standard normal distribution, of a bare array."""
    if x.dtype.itemsize > 4 or x.dtype.kind != "f":
        return 0.5 * _erf(x * -sqrt(0.5), True)
    z = np.minimum(np.maximum(x * sqrt(0.5), -4.0), 4.0)
    t = z * z
    return 0.5 + (0.5 * z) * _polynomial(_ABOVE, t) / _polynomial(_BELOW, t)


def _gelu_rule(g, x, cdf):
    return g * (cdf + x * (np.exp(x * x * -0.5) * (1.0 / sqrt(2.0 * pi))))


@primitive(
    vjp={"x": _gelu_rule}, jvp={"x": lambda t, x: _gelu_rule(t, x, _normal_cdf(x))}, elementwise=True,
    name="gelu_exact", aux={"cdf": lambda x: _normal_cdf(x)}, samples=elementwise(-4.0, 4.0),
)  # fmt: skip
def _gelu_exact(x):
    cdf = as_array(_phi(x))
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
    if axis == -1 or axis == x.ndim - 1:
        return _softmax_rows(x)
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


@primitive(
    vjp={"x": lambda g, y, axis: g - np.exp(y) * g.sum(axis=axis, keepdims=True)},
    jvp={"x": lambda t, y, axis: t - (np.exp(y) * t).sum(axis=axis, keepdims=True)}, samples=_over_axes,
)  # fmt: skip
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
    z = x - x.max(axis=axis, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=axis, keepdims=True))


# ---------------------------------------------------------------- losses


def _cell(labels, axis, shape):
    """The index of the labelled element of each row along `axis` of an array of `shape`."""
    xp = namespace(labels)
    axis %= len(shape)
    rest = shape[:axis] + shape[axis + 1 :]
    parts: list[Any] = [
        xp.arange(n).reshape(tuple(n if j == i else 1 for j in range(len(rest)))) for i, n in enumerate(rest)
    ]
    return (*parts[:axis], labels, *parts[axis:])


def _one_hot(labels, axis, like):
    y = namespace(labels).zeros(like.shape, like.dtype)
    y[_cell(labels, axis, like.shape)] = 1
    return y


def _over(g, axis, shape):
    """`g` with a dimension of size 1 in the place of the axis that was summed."""
    axis %= len(shape)
    return g.reshape((*shape[:axis], 1, *shape[axis + 1 :]))


def _cross_entropy_slope(probabilities, labels, axis):
    """The derivative by the logits."""
    if labels.dtype.kind in "iu":
        if isinstance(probabilities, Operand):
            return probabilities - _one_hot(labels, axis, probabilities)
        slope = probabilities.copy()
        slope[_cell(labels, axis, slope.shape)] -= 1
        return slope
    return probabilities * labels.sum(axis=axis, keepdims=True) - labels


def _cross_entropy_labels(g, logits, axis):
    return _over(g, axis, logits.shape) * -log_softmax.inner(logits, axis)


def _cross_entropy_samples():
    x, labels = arrays((2, 3, 4)), integers((2, 3), 0, 4)
    soft = arrays((2, 3, 4), low=0.1, high=1.0, seed=1)
    return [
        Sample(x, labels), Sample(x, integers((2, 4), 0, 3), 1), Sample(x, integers((3, 4), 0, 2), axis=0),
        Sample(x, soft), Sample(x, soft, 1), Sample(x[0, 0], integers((), 2, 3)),
        Sample(x.transpose(2, 0, 1)[::2], integers((2, 2), 0, 3)),
        Sample(arrays((0, 3)), integers((0,), 0, 3)), Sample(x.astype(np.float32), labels, smooth=False),
    ]  # fmt: skip


@primitive(
    vjp={
        "logits": lambda g, probabilities, labels, axis: (
            _cross_entropy_slope(probabilities, labels, axis) * _over(g, axis, probabilities.shape)
        ),
        "labels": _cross_entropy_labels,
    },
    jvp={
        "logits": lambda t, logits, labels, axis: (
            (_cross_entropy_slope(softmax(logits, axis), labels, axis) * t).sum(axis=axis)
        ),
        "labels": lambda t, logits, axis: -(t * log_softmax(logits, axis)).sum(axis=axis),
    },
    aux={"probabilities": lambda logits, axis: softmax.inner(logits, axis)}, name="softmax_cross_entropy",
    samples=_cross_entropy_samples,
)  # fmt: skip
def _cross_entropy(logits, labels, axis=-1):
    """The loss of each row, and the probabilities."""
    z = logits - logits.max(axis=axis, keepdims=True)
    if labels.dtype.kind in "iu":
        of_label = z[_cell(labels, axis, z.shape)]
        e = np.exp(z)
        s = e.sum(axis=axis, keepdims=True)
        loss = np.log(s).reshape(of_label.shape) - of_label
    else:
        e = np.exp(z)
        s = e.sum(axis=axis, keepdims=True)
        loss = (labels * (np.log(s) - z)).sum(axis=axis)
    return loss, e / s


@composed(samples=lambda: [*_cross_entropy_samples(), Sample(arrays((2, 3)), integers((2, 3), 0, 2))])
def softmax_cross_entropy(logits, labels, axis=-1) -> Tensor:
    """The cross-entropy of labels and ``softmax(logits)``: the loss of each row, in one op.

    Parameters
    ----------
    logits : array_like, float, shape (..., classes, ...)
    labels : array_like
        Class numbers, integers of the shape of `logits` without `axis`; or probabilities (one-hot or soft) of the shape
        of `logits`. No gradient passes to integers.
    axis : int, default -1
        The axis of the classes.

    Returns
    -------
    Tensor, shape of `logits` without `axis`
        ``log(sum(exp(logits))) - logits[label]``, or ``-sum(labels * log_softmax(logits))``. Take its mean for a loss.

    Raises
    ------
    ValueError
        If the shapes do not fit.
    IndexError
        If a class number is out of range.

    Notes
    -----
    Stable for logits of any size. The gradient is ``softmax(logits) - labels``, from the probabilities of the forward.

    Examples
    --------
    >>> softmax_cross_entropy(Tensor(np.array([[1e4, 0.0], [0.0, 0.0]])), np.array([1, 0])).round(4).tolist()
    [10000.0, 0.6931]
    """
    logits = as_tensor(logits)
    shape = logits.shape
    if not -len(shape) <= axis < len(shape):
        raise ValueError(f"softmax_cross_entropy: axis {axis} is out of range for logits of shape {shape}")
    i = axis % len(shape)
    labels = labels if isinstance(labels, Operand) else as_array(labels)  # checked where it lies, then placed
    if labels.shape == shape:
        if labels.dtype != logits.dtype:
            labels = labels.astype(logits.dtype)
        return _cross_entropy(logits, labels, axis)
    if labels.dtype.kind not in "iu" or labels.shape != shape[:i] + shape[i + 1 :]:
        raise ValueError(
            f"softmax_cross_entropy: labels of shape {labels.shape} and dtype {labels.dtype} do not fit logits of "
            f"shape {shape} with classes on axis {axis}: they are class numbers of shape {shape[:i] + shape[i + 1 :]}, "
            f"or probabilities of shape {shape}"
        )
    ids = labels.array if isinstance(labels, Operand) else labels
    _check_ids(ids, shape[i], "softmax_cross_entropy: class")
    return _cross_entropy(logits, placed(ids), axis)


def _check_ids(ids, n, what) -> None:
    """IndexError that names the first number which is not in ``[0, n)``."""
    # As unsigned numbers negative ones are large: one reduction finds both.
    if ids.size and int((ids.view(f"u{ids.dtype.itemsize}") if ids.dtype.kind == "i" else ids).max()) >= n:
        wrong = ids[(ids < 0) | (ids >= n)].reshape(-1)[0]
        raise IndexError(f"{what} {int(wrong)} is out of range: there are {n}, numbered from 0")


def _mse_prediction(g, prediction, target, prediction_dtype):
    d = prediction - target
    scale = 2.0 / (d.size or 1)
    d *= g.item() * scale if g.__class__ is ndarray else g * scale
    return d if d.dtype == prediction_dtype else d.astype(prediction_dtype)


def _mse_target(g, prediction, target, target_dtype):
    return _mse_prediction(g, target, prediction, target_dtype)


def _mse_samples():
    a, b = arrays((3, 4), (3, 4))
    return [
        Sample(a, b), Sample(arrays(()), arrays((), seed=1)),
        Sample(arrays((4, 6))[::2, ::-2].T, arrays((3, 2), seed=1)),
        Sample(a.astype(np.float32), b.astype(np.float32), smooth=False), Sample(a, b.astype(np.float32), smooth=False),
    ]  # fmt: skip


@primitive(
    vjp={"prediction": _mse_prediction, "target": _mse_target},
    jvp={
        "prediction": lambda t, prediction, target: (
            _mse_prediction(1.0, prediction, target, t.dtype).ravel() @ t.ravel()
        ),
        "target": lambda t, prediction, target: _mse_target(1.0, prediction, target, t.dtype).ravel() @ t.ravel(),
    },
    name="mse", samples=_mse_samples,
)  # fmt: skip
def _mse(prediction, target):
    """The mean of the squared differences."""
    d = prediction - target
    return as_array(namespace(d).vdot(d, d) * (1.0 / d.size))


@composed(samples=lambda: [*_mse_samples(), Sample(arrays((2, 3)), 0.5)])
def mse(prediction, target) -> Tensor:
    """The mean squared error, ``mean((prediction - target)**2)``.

    Parameters
    ----------
    prediction, target : array_like, float, of one shape
        Nothing broadcasts, except a single number: a mean over all pairs of (n, 1) and (n,) is a popular mistake.

    Returns
    -------
    Tensor, shape ()

    Raises
    ------
    ValueError
        If the shapes differ.

    Examples
    --------
    >>> mse(Tensor(np.array([1.0, 2.0])), np.array([1.0, 4.0])).item()
    2.0
    """
    if prediction.__class__ not in operand_types or target.__class__ not in operand_types:
        prediction = as_tensor(prediction)
        if isinstance(target, (int, float)):
            target = namespace(prediction.array).full(prediction.shape, target, prediction.dtype)
        elif not isinstance(target, Operand):
            target = placed(target)
            if target.dtype.kind in "biu":
                target = target.astype(prediction.dtype)
    if prediction.shape != target.shape:
        raise ValueError(
            f"mse: the prediction has shape {prediction.shape}, the target {target.shape}; reshape one of them"
        )
    return _mse(prediction, target)


@primitive(
    vjp={"x": lambda g, x: g * x}, jvp={"x": lambda t, x: x.ravel() @ t.ravel()},
    samples=lambda: [
        Sample(arrays((3, 4))), Sample(arrays(())), Sample(arrays((0, 3))), Sample(arrays((4, 6))[::2, ::-2].T),
        Sample(arrays((3,), dtype=np.float32), smooth=False),
    ],
)  # fmt: skip
def l2_loss(x):
    """Half the sum of the squares, ``sum(x**2) / 2``.

    Parameters
    ----------
    x : array_like, float

    Returns
    -------
    Tensor, shape ()

    Notes
    -----
    TensorFlow's `tf.nn.l2_loss`: its gradient is `x`.

    Examples
    --------
    >>> l2_loss(Tensor(np.array([3.0, 4.0]))).item()
    12.5
    """
    return as_array(namespace(x).vdot(x, x) * 0.5)


# ---------------------------------------------------------------- layers


@composed()
def dropout(x, rate, *, training, stream="") -> Tensor:
    """Zeros in the place of random elements while training; the others are scaled up, so that the mean stays.

    Parameters
    ----------
    x : array_like, float
    rate : float
        The probability that an element is dropped, in ``[0, 1]``.
    training : bool
        Where False, the value of `x` comes back. There is no default: a forgotten switch is hard to find.
    stream : str, default ""
        The random stream of `autograd_vs.random` that the mask is drawn from.

    Returns
    -------
    Tensor
        Of the dtype of `x`: ``x / (1 - rate)`` where an element stays.

    Raises
    ------
    ValueError
        If `rate` is not in ``[0, 1]``.

    References
    ----------
    N. Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", JMLR 15 (2014).

    Examples
    --------
    >>> dropout(Tensor(np.ones(3)), 0.5, training=False).tolist()
    [1.0, 1.0, 1.0]
    >>> sorted(set(dropout(Tensor(np.ones(100)), 0.5, training=True).tolist()))
    [0.0, 2.0]
    """
    x = valued(x)
    rate = float(rate)
    if not 0.0 <= rate <= 1.0:
        raise ValueError(f"dropout: rate is the probability of dropping an element, in [0, 1], got {rate}")
    if not training or rate == 0.0:
        return x
    kept = generator(stream).random(x.shape, dtype=np.float32) >= rate
    mask = kept * x.dtype.type(1.0 / (1.0 - rate) if rate < 1.0 else 0.0)
    return multiply(x, tensor_of(namespace(x.array).asarray(mask)))


@composed(samples=lambda: [Sample(arrays((4, 3)), integers((2, 3), 0, 4)), Sample(arrays((4,)), integers((), 2, 3))])
def embedding_lookup(table, ids) -> Tensor:
    """Rows of a table.

    Parameters
    ----------
    table : array_like, shape (rows, ...), float
    ids : array_like, int
        Numbers of rows, each in ``[0, rows)``. No gradient passes.

    Returns
    -------
    Tensor, shape (*ids.shape, *table.shape[1:])

    Raises
    ------
    IndexError
        If an id is out of range, negative ones included; the message names it.
    TypeError
        If `ids` are not integers.

    Notes
    -----
    The gradient for a Variable is an `IndexedSlices`: its cost does not depend on the number of rows in the table.

    Examples
    --------
    >>> embedding_lookup(Tensor(np.array([[0.0, 1.0], [2.0, 3.0]])), np.array([1, 1])).tolist()
    [[2.0, 3.0], [2.0, 3.0]]
    """
    table = as_tensor(table)
    ids = ids.array if isinstance(ids, Operand) else as_array(ids)
    if not ids.size:
        ids = ids.astype(np.intp)
    if ids.dtype.kind not in "iu":
        raise TypeError(f"embedding_lookup: ids must be integers, got dtype {ids.dtype}")
    _check_ids(ids, table.shape[0], "embedding_lookup: id")
    mode = "raise" if namespace(table.array) is np else "wrap"  # they are in range; elsewhere "raise" would look again
    return take(table, beside(ids, table.array), axis=0, mode=mode)


def _axes(axis, ndim) -> tuple[int, ...]:
    return tuple(sorted(a % ndim for a in (axis if isinstance(axis, tuple) else (axis,))))


def _affine_shape(shape, axis):
    """The shape with which gamma and beta broadcast against `x`."""
    axes = _axes(axis, len(shape))
    return tuple(n if i in axes else 1 for i, n in enumerate(shape))


def _mean_over(x, axis):
    s = x.sum(axis=axis, keepdims=True)
    return s * (s.size / (x.size or 1))


def _inverse_deviation(x, axis, eps):
    d = x - _mean_over(x, axis)
    return 1.0 / np.sqrt(_mean_over(d * d, axis) + eps)


def _layer_norm_x(g, gamma, z, r, axis):
    h = g * gamma.reshape(_affine_shape(g.shape, axis))
    return (h - _mean_over(h, axis) - z * _mean_over(h * z, axis)) * r


def _layer_norm_affine(g, shape, axis):
    """`g` summed over all axes but `axis`."""
    axes = _axes(axis, g.ndim)
    others = tuple(i for i in range(g.ndim) if i not in axes)
    return (g.sum(axis=others) if others else g).reshape(shape)


def _layer_norm_samples():
    x, gamma, beta = arrays((2, 3, 4), (4,), (4,))
    return [
        Sample(x, gamma, beta), Sample(x, *arrays((3,), (3,)), 1), Sample(x, *arrays((3, 4), (3, 4)), (1, 2), eps=0.1),
        Sample(x[0, 0], gamma, beta), Sample(*[a.astype(np.float32) for a in (x, gamma, beta)], smooth=False),
    ]  # fmt: skip


@primitive(
    vjp={
        "x": _layer_norm_x,
        "gamma": lambda g, z, gamma_shape, axis: _layer_norm_affine(g * z, gamma_shape, axis),
        "beta": lambda g, beta_shape, axis: _layer_norm_affine(g, beta_shape, axis),
    },
    aux={
        "z": lambda x, axis, eps: (x - _mean_over(x, axis)) * _inverse_deviation(x, axis, eps),
        "r": _inverse_deviation,
    },
    name="layer_norm", samples=_layer_norm_samples,
)  # fmt: skip
def _layer_norm(x, gamma, beta, axis=-1, eps=1e-5):
    """The value, the normalized `x`, and the inverse of its deviation."""
    shape = _affine_shape(x.shape, axis)
    d = x - _mean_over(x, axis)
    r = as_array(1.0 / np.sqrt(_mean_over(d * d, axis) + eps))
    z = d * r
    return z * gamma.reshape(shape) + beta.reshape(shape), z, r


@composed(samples=_layer_norm_samples)
def layer_norm(x, gamma, beta, axis=-1, eps=1e-5) -> Tensor:
    """Each sample brought to mean 0 and variance 1 over some axes, then scaled and shifted.

    ``gamma * (x - mean) / sqrt(variance + eps) + beta``, with the mean and the (biased) variance over `axis`.

    Parameters
    ----------
    x : array_like, float
    gamma, beta : array_like, float
        Of the shape that `x` has on `axis`.
    axis : int or tuple of int, default -1
    eps : float, default 1e-5

    Returns
    -------
    Tensor

    Raises
    ------
    ValueError
        If the shapes do not fit.

    References
    ----------
    J. L. Ba, J. R. Kiros, G. E. Hinton, "Layer normalization", arXiv:1607.06450.

    Examples
    --------
    >>> layer_norm(Tensor(np.array([1.0, 3.0])), np.ones(2), np.zeros(2)).round(4).tolist()
    [-1.0, 1.0]
    """
    x, gamma, beta = as_tensor(x), as_tensor(gamma), as_tensor(beta)
    wanted = tuple(x.shape[i] for i in _axes(axis, x.ndim))
    if gamma.shape != wanted or beta.shape != wanted:
        raise ValueError(
            f"layer_norm: gamma {gamma.shape} and beta {beta.shape} must have shape {wanted}, for axis {axis} of "
            f"{x.shape}"
        )
    return _layer_norm(x, gamma, beta, axis, eps)
