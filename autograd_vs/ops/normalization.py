"""Normalization of each sample: layer_norm, group_norm, instance_norm, rms_norm, l2_normalize. Floor 2.

Layer, group and instance norm are one formula. It looks at `x` in a `shape` that has the axes of a mean apart (`over`):
a group of channels gets an axis of its own. There gamma and beta have the shape `affine`, which broadcasts.
"""

from math import prod

import numpy as np

from ..base.backend import NUMPYS, as_array, namespace, ones
from ..base.blocks import in_rows
from ..base.precision import in_float32
from ..engine.declare import composed, primitive
from ..engine.samples import Sample, arrays, zeros
from ..engine.tensor import Tensor, as_tensor, tensor_of
from .shape import axes_of, axis_of, cast

__all__ = ["group_norm", "instance_norm", "l2_normalize", "layer_norm", "rms_norm"]

ndarray = np.ndarray

# ---------------------------------------------------------------- sums and means


def sum_over(x, over):
    """The sum over the axes `over`, which stay as dimensions of size 1."""
    if x.__class__ in NUMPYS and x.size and over == (*range(len(over)),) and x.flags.c_contiguous:
        rows = x.reshape((-1, prod(x.shape[len(over) :])))  # BLAS sums rows 2 times faster than add.reduce
        return rows.T.dot(ones(len(rows), rows)).reshape((1,) * len(over) + x.shape[len(over) :])
    return x.sum(axis=over, keepdims=True)


def mean_over(x, over):
    """The mean over the axes `over`, which stay as dimensions of size 1."""
    s = sum_over(x, over)
    return s * (s.size / (x.size or 1))


def affine_shape(shape, axes):
    """The shape with which what belongs to the `axes` of an array broadcasts against it."""
    return tuple([n if i in axes else 1 for i, n in enumerate(shape)])


def affine_sum(c, affine, like_shape, like_dtype):
    """The gradient of gamma or beta: `c` summed over the axes along which they broadcast."""
    return cast(sum_over(c, tuple([i for i, n in enumerate(affine) if n == 1])).reshape(like_shape), like_dtype)


def affine_pair(what, x, gamma, beta, wanted):
    """Gamma and beta as Tensors of the shape `wanted`; ones and zeros for None."""
    xp, dtype = namespace(x.array), x.dtype if x.dtype.kind == "f" else np.float64
    gamma = tensor_of(xp.ones(wanted, dtype)) if gamma is None else as_tensor(gamma)
    beta = tensor_of(xp.zeros(wanted, dtype)) if beta is None else as_tensor(beta)
    if gamma.shape != wanted or beta.shape != wanted:
        raise ValueError(f"{what}: gamma {gamma.shape} and beta {beta.shape} must have shape {wanted}, for x {x.shape}")
    return gamma, beta


def spread(x, over, eps):
    """How far each element lies from the mean, and the inverse of the deviation."""
    d = x - mean_over(x, over)
    return d, 1.0 / np.sqrt(mean_over(d * d, over) + eps)


def scaled(z, gamma, beta):
    """``z * gamma + beta`` of bare arrays."""
    y = z * gamma
    if y.dtype != beta.dtype:
        return y + beta
    y += beta
    return y


def standard_x(h, z, r, over):
    """The gradient of what was normalized to `z`, from `h`, that of `z`; `r` is the inverse of the deviation."""
    c = z * mean_over(h * z, over)
    c += mean_over(h, over)
    return (h - c) * r


# ---------------------------------------------------------------- mean 0 and variance 1


def _z(x, shape, over, eps):
    d, r = spread(x.reshape(shape), over, eps)
    return d * r


def _r(x, shape, over, eps):
    return spread(x.reshape(shape), over, eps)[1]


def _standardized(x, shape, over, eps):
    """The normalized `x`, and the inverse of its deviation."""
    d, r = spread(x.reshape(shape), over, eps)
    d *= r
    return d, as_array(r)


def _samples():
    x, gamma, beta = arrays((2, 3, 4), (4,), (4,))
    each = (2, 3, 4), (2,), (1, 1, 4)
    return [
        Sample(x, gamma, beta, *each, 1e-5), Sample(x, *arrays((3, 4), (3, 4)), (2, 3, 4), (1, 2), (1, 3, 4), 0.1),
        Sample(x, gamma, beta, (2, 3, 2, 2), (1, 3), (1, 1, 2, 2), 1e-5),
        Sample(x, gamma, beta, (6, 4), (0,), (1, 4), 1e-5),
        Sample(x.transpose(0, 2, 1), gamma, beta, (2, 2, 2, 3), (2, 3), (1, 2, 2, 1), 1e-5),
        Sample(x[0, 0], gamma, beta, (4,), (0,), (4,), 1e-5),
        Sample(x[:0], gamma, beta, (0, 3, 4), (2,), (1, 1, 4), 1e-5),
        Sample(*[a.astype(np.float32) for a in (x, gamma, beta)], *each, 1e-5, smooth=False),
    ]  # fmt: skip


def _norm(name):
    """The op of a normalization with scale and shift."""

    @primitive(
        vjp={
            "x": lambda g, gamma, z, r, x_shape, shape, over, affine: (
                standard_x(g.reshape(shape) * gamma.reshape(affine), z, r, over).reshape(x_shape)
            ),
            "gamma": lambda g, z, gamma_shape, gamma_dtype, shape, affine: (
                affine_sum(g.reshape(shape) * z, affine, gamma_shape, gamma_dtype)
            ),
            "beta": lambda g, beta_shape, beta_dtype, shape, affine: (
                affine_sum(g.reshape(shape), affine, beta_shape, beta_dtype)
            ),
        },
        aux={"z": _z, "r": _r}, name=name, samples=_samples,
    )  # fmt: skip
    def norm(x, gamma, beta, shape, over, affine, eps):
        z, r = _standardized(x, shape, over, eps)
        return scaled(z, gamma.reshape(affine), beta.reshape(affine)).reshape(x.shape), z, r

    return norm


_layer_norm, _group_norm, _instance_norm = _norm("layer_norm"), _norm("group_norm"), _norm("instance_norm")


@primitive(
    vjp={"x": lambda g, z, r, x_shape, shape, over: standard_x(g.reshape(shape), z, r, over).reshape(x_shape)},
    aux={"z": _z, "r": _r}, name="standardize",
    samples=lambda: [Sample(s.args[0], *s.args[3:5], s.args[6], smooth=s.smooth) for s in _samples()],
)  # fmt: skip
def _standardize(x, shape, over, eps):
    """Any of them without scale and shift."""
    z, r = _standardized(x, shape, over, eps)
    return z.reshape(x.shape), z, r


def _normalized(norm, x, gamma, beta, wanted, shape, over, affine, eps) -> Tensor:
    if gamma is None and beta is None:
        return _standardize(x, shape, over, eps)
    return norm(x, *affine_pair(norm.__name__, x, gamma, beta, wanted), shape, over, affine, eps)


def _layer_norm_samples():
    x, gamma, beta = arrays((2, 3, 4), (4,), (4,))
    return [
        Sample(x, gamma, beta), Sample(x, *arrays((3,), (3,)), 1), Sample(x, *arrays((3, 4), (3, 4)), (1, 2), eps=0.1),
        Sample(x[0, 0], gamma, beta), Sample(x), Sample(x, gamma, axis=-1), Sample(x, None, beta),
        Sample(*[a.astype(np.float32) for a in (x, gamma, beta)], smooth=False),
    ]  # fmt: skip


@composed(samples=_layer_norm_samples)
@in_float32()
def layer_norm(x, gamma=None, beta=None, axis=-1, eps=1e-5) -> Tensor:
    """Each sample brought to mean 0 and variance 1 over some axes, then scaled and shifted.

    ``gamma * (x - mean) / sqrt(variance + eps) + beta``, with the mean and the (biased) variance over `axis`.

    Parameters
    ----------
    x : array_like, float
    gamma, beta : array_like, float, optional
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
    x = as_tensor(x)
    axes = tuple(sorted(axes_of(axis, x.ndim)))
    wanted = tuple([x.shape[i] for i in axes])
    return _normalized(_layer_norm, x, gamma, beta, wanted, x.shape, axes, affine_shape(x.shape, axes), eps)


@composed(
    samples=lambda: [
        Sample(*arrays((2, 3, 4), (4,), (4,))[:1], 2), Sample(arrays((2, 3, 4)), 2, *arrays((4,), (4,))),
        Sample(arrays((2, 4, 2, 3)), 2, *arrays((4,), (4,)), 1), Sample(arrays((2, 4)), 1, arrays((4,)), eps=0.1),
        Sample(arrays((2, 3, 4)), 4),
    ]
)  # fmt: skip
@in_float32()
def group_norm(x, groups, gamma=None, beta=None, axis=-1, eps=1e-5) -> Tensor:
    """Each sample brought to mean 0 and variance 1 within each group of channels, then scaled and shifted.

    Parameters
    ----------
    x : array_like, shape (batch, ..., channels), float
    groups : int
        Divides the number of channels. 1: `layer_norm` over all axes but the first; as many as there are channels:
        `instance_norm`.
    gamma, beta : array_like, shape (channels,), float, optional
    axis : int, default -1
        Where the channels are: 1 for PyTorch's layout. Not 0, which is the batch.
    eps : float, default 1e-5

    Returns
    -------
    Tensor

    Raises
    ------
    ValueError
        If `groups` does not divide the channels, or shapes do not fit.

    References
    ----------
    Y. Wu and K. He, "Group normalization", ECCV 2018.

    Examples
    --------
    >>> group_norm(Tensor(np.array([[1.0, 3.0, 10.0, 30.0]])), 2).round(4).tolist()
    [[-1.0, 1.0, -1.0, 1.0]]
    """
    x = as_tensor(x)
    i = _channels("group_norm", x, axis)
    n = x.shape[i]
    if groups < 1 or n % groups:
        raise ValueError(f"group_norm: {groups} groups do not divide the {n} channels on axis {axis} of {x.shape}")
    shape = (*x.shape[:i], groups, n // groups, *x.shape[i + 1 :])
    over = tuple([j for j in range(1, len(shape)) if j != i])
    return _normalized(_group_norm, x, gamma, beta, (n,), shape, over, affine_shape(shape, (i, i + 1)), eps)


@composed(
    samples=lambda: [
        Sample(arrays((2, 3, 4))), Sample(*arrays((2, 3, 2, 4), (4,), (4,))),
        Sample(*arrays((2, 4, 3), (4,), (4,)), 1, eps=0.1),
    ]
)  # fmt: skip
@in_float32()
def instance_norm(x, gamma=None, beta=None, axis=-1, eps=1e-5) -> Tensor:
    """Each channel of each sample brought to mean 0 and variance 1, then scaled and shifted.

    Parameters
    ----------
    x : array_like, shape (batch, ..., channels), float
    gamma, beta : array_like, shape (channels,), float, optional
    axis : int, default -1
        Where the channels are: 1 for PyTorch's layout. Not 0, which is the batch.
    eps : float, default 1e-5

    Returns
    -------
    Tensor

    Raises
    ------
    ValueError
        If shapes do not fit, or `x` has no axes but those of the batch and the channels.

    References
    ----------
    D. Ulyanov, A. Vedaldi, V. Lempitsky, "Instance normalization: the missing ingredient for fast stylization",
    arXiv:1607.08022.

    Examples
    --------
    >>> instance_norm(Tensor(np.array([[[1.0, 10.0], [3.0, 30.0]]]))).round(4).tolist()
    [[[-1.0, -1.0], [1.0, 1.0]]]
    """
    x = as_tensor(x)
    i = _channels("instance_norm", x, axis)
    over = tuple([j for j in range(1, x.ndim) if j != i])
    if not over:
        raise ValueError(f"instance_norm: x of shape {x.shape} has nothing to take a mean over")
    affine = affine_shape(x.shape, (i,))
    return _normalized(_instance_norm, x, gamma, beta, (x.shape[i],), x.shape, over, affine, eps)


def _channels(what, x, axis) -> int:
    """The axis of the channels, counted from the front."""
    i = axis_of(axis, x.ndim)
    if not i:
        raise ValueError(f"{what}: the channels of x {x.shape} cannot be on axis {axis}, which is that of the batch")
    return i


# ---------------------------------------------------------------- mean square 1


def _root(x, axes, eps):
    return 1.0 / np.sqrt(mean_over(x * x, axes) + eps)


@in_rows
def _rms_rows(x, eps):
    r = 1.0 / np.sqrt(mean_over(x * x, (x.ndim - 1,)) + eps)
    return x * r, r


@in_rows
def _rms_rows_x(h, x, r):
    z = x * r
    c = z * mean_over(h * z, (h.ndim - 1,))
    return (h - c) * r


def _rms_x(h, x, r, axes):
    if axes == (x.ndim - 1,):
        return _rms_rows_x(h, x, r)
    z = x * r
    return (h - z * mean_over(h * z, axes)) * r


def _rms(x, axes, eps):
    if axes == (x.ndim - 1,):
        return _rms_rows(x, eps)
    r = as_array(_root(x, axes, eps))
    return x * r, r


def _rms_samples():
    x, gamma = arrays((2, 3, 4), (4,))
    return [
        Sample(x, gamma, (2,), 1e-5), Sample(x, arrays((3,)), (1,), 0.1), Sample(x, arrays((3, 4)), (1, 2), 1e-5),
        Sample(x[:, ::-1, ::2].T, arrays((2,)), (0,), 1e-5), Sample(x[0, 0], gamma, (0,), 1e-5),
        Sample(x[:0], gamma, (2,), 1e-5),
        Sample(x.astype(np.float32), gamma.astype(np.float32), (2,), 1e-5, smooth=False),
    ]  # fmt: skip


@primitive(
    vjp={
        "x": lambda g, x, gamma, r, axes: _rms_x(g * gamma.reshape(affine_shape(x.shape, axes)), x, r, axes),
        "gamma": lambda g, x, r, gamma_shape, gamma_dtype, axes: (
            affine_sum(g * (x * r), affine_shape(x.shape, axes), gamma_shape, gamma_dtype)
        ),
    },
    aux={"r": _root}, name="rms_norm", samples=_rms_samples,
)  # fmt: skip
def _rms_norm(x, gamma, axes, eps):
    z, r = _rms(x, axes, eps)
    return z * gamma.reshape(affine_shape(x.shape, axes)), r


@primitive(
    vjp={"x": _rms_x}, aux={"r": _root}, name="rms_standardize",
    samples=lambda: [Sample(s.args[0], *s.args[2:], smooth=s.smooth) for s in _rms_samples()],
)  # fmt: skip
def _rms_standardize(x, axes, eps):
    """`rms_norm` without scale."""
    return _rms(x, axes, eps)


@composed(
    samples=lambda: [
        Sample(*arrays((2, 3, 4), (4,))), Sample(arrays((2, 3))), Sample(*arrays((2, 3, 4), (2, 4)), (2, 0), eps=0.1),
        Sample(*[a.astype(np.float32) for a in arrays((2, 3), (3,))], smooth=False),
    ]
)  # fmt: skip
@in_float32()
def rms_norm(x, gamma=None, axis=-1, eps=None) -> Tensor:
    """Each sample brought to a mean square of 1 over some axes, then scaled.

    ``gamma * x / sqrt(mean(x**2) + eps)``.

    Parameters
    ----------
    x : array_like, float
    gamma : array_like, float, optional
        Of the shape that `x` has on `axis`.
    axis : int or tuple of int, default -1
    eps : float, optional
        By default, as in PyTorch, the machine epsilon of the dtype: 1.2e-7 in float32.

    Returns
    -------
    Tensor

    Raises
    ------
    ValueError
        If the shapes do not fit.

    References
    ----------
    B. Zhang and R. Sennrich, "Root mean square layer normalization", NeurIPS 2019.

    Examples
    --------
    >>> rms_norm(Tensor(np.array([3.0, -3.0]))).round(4).tolist()
    [1.0, -1.0]
    """
    x = as_tensor(x)
    axes = tuple(sorted(axes_of(axis, x.ndim)))
    if eps is None:
        eps = float(np.finfo(x.dtype if x.dtype.kind == "f" else np.float64).eps)
    if gamma is None:
        return _rms_standardize(x, axes, eps)
    gamma, wanted = as_tensor(gamma), tuple([x.shape[i] for i in axes])
    if gamma.shape != wanted:
        raise ValueError(f"rms_norm: gamma {gamma.shape} must have shape {wanted}, for axis {axis} of {x.shape}")
    return _rms_norm(x, gamma, axes, eps)


def _norm_of(x, axes, eps):
    return np.sqrt(np.maximum((x * x).sum(axis=axes, keepdims=True), eps * eps))


@primitive(
    vjp={"x": lambda g, y, n, axes, eps: (g - y * (g * y * (n > eps)).sum(axis=axes, keepdims=True)) / n},
    aux={"n": _norm_of}, name="l2_normalize",
    samples=lambda: [
        Sample(arrays((2, 3, 4)), (2,), 1e-12), Sample(arrays((2, 3, 4)), (0, 2), 1e-12),
        Sample(arrays((4, 6))[::2, ::-2].T, (0,), 1e-12), Sample(arrays((2, 3)), (1,), 10.0),
        Sample(zeros((0, 3)), (1,), 1e-12), Sample(arrays((3,), dtype=np.float32), (0,), 1e-12, smooth=False),
    ],
)  # fmt: skip
def _l2_normalize(x, axes, eps):
    n = as_array(_norm_of(x, axes, eps))
    return x / n, n


@composed(samples=lambda: [Sample(arrays((2, 3))), Sample(arrays((2, 3)), None), Sample(arrays((2, 3, 2)), (0, -1))])
@in_float32()
def l2_normalize(x, axis=-1, eps=1e-12) -> Tensor:
    """`x` divided by its Euclidean norm along an axis.

    Parameters
    ----------
    x : array_like, float
    axis : int, tuple of int, or None, default -1
        None: all axes.
    eps : float, default 1e-12
        The smallest norm that is divided by: a vector of zeros stays one, and its gradient is finite.

    Returns
    -------
    Tensor

    Raises
    ------
    TypeError
        If `x` is complex.

    Notes
    -----
    PyTorch's ``F.normalize``. TensorFlow compares its epsilon with the square of the norm.

    Examples
    --------
    >>> l2_normalize(Tensor(np.array([[3.0, 4.0], [0.0, 0.0]]))).tolist()
    [[0.6, 0.8], [0.0, 0.0]]
    """
    x = as_tensor(x)
    if x.dtype.kind == "c":
        raise TypeError("l2_normalize takes real numbers; write x / av.linalg.norm(x, axis=axis, keepdims=True)")
    return _l2_normalize(x, axes_of(axis, x.ndim), float(eps))
