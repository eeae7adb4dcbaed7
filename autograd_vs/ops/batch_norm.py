"""Normalization over a batch: batch_norm with known statistics, batch_norm_train with those of the batch, moments.

Floor 2. Running averages are the caller's: two variables that are not trained, and an assignment. Where the batch is
spread over several processes, `ranks.across` adds up over them.
"""

from math import prod

import numpy as np

from ..base.backend import as_array, repeated
from ..base.precision import in_float32
from ..base.ranks import across
from ..engine.declare import composed, primitive
from ..engine.outside import tracer
from ..engine.samples import Sample, arrays
from ..engine.tensor import Tensor, as_tensor
from .normalization import affine_pair, affine_shape, affine_sum, mean_over, scaled, spread, standard_x
from .shape import axes_of, broadcast_to, cast, concatenate

__all__ = ["batch_norm", "batch_norm_counted", "batch_norm_train", "moments"]

# ---------------------------------------------------------------- with given statistics


def _inverse(variance, eps):
    return 1.0 / np.sqrt(variance + eps)


def _known_mean(g, gamma, variance, mean_shape, mean_dtype, affine, eps):
    return affine_sum(g, affine, mean_shape, mean_dtype) * -(gamma * _inverse(variance, eps))


def _known_variance(g, x, gamma, mean, variance, affine, eps):
    r = _inverse(variance, eps)
    c = affine_sum(g * (x - mean.reshape(affine)), affine, variance.shape, variance.dtype)
    return c * (gamma * (r * r * r) * -0.5)


def _known_gamma(g, x, mean, variance, gamma_shape, gamma_dtype, affine, eps):
    c = affine_sum(g * (x - mean.reshape(affine)), affine, gamma_shape, gamma_dtype)
    return cast(c * _inverse(variance, eps), gamma_dtype)


def _known_samples():
    x = arrays((2, 3, 4))
    gamma, beta, mean = arrays((4,), (4,), (4,), seed=1)
    variance = arrays((4,), low=0.5, high=2.0, seed=2)
    last = gamma, beta, mean, variance
    return [
        Sample(x, *last, (1, 1, 4), 1e-5), Sample(x, *[a[:3] for a in last], (1, 3, 1), 0.1),
        Sample(x[..., ::-1].T, *last, (4, 1, 1), 1e-5), Sample(x[:0], *last, (1, 1, 4), 1e-5),
        Sample(x[0], *last, (1, 4), 1e-5),
        Sample(*[a.astype(np.float32) for a in (x, *last)], (1, 1, 4), 1e-5, smooth=False),
    ]  # fmt: skip


@primitive(
    vjp={
        "x": lambda g, gamma, variance, affine, eps: g * (gamma * _inverse(variance, eps)).reshape(affine),
        "gamma": _known_gamma,
        "beta": lambda g, beta_shape, beta_dtype, affine: affine_sum(g, affine, beta_shape, beta_dtype),
        "mean": _known_mean,
        "variance": _known_variance,
    },
    name="batch_norm", samples=_known_samples,
)  # fmt: skip
def _batch_norm(x, gamma, beta, mean, variance, affine, eps):
    """The normalized `x`; `affine` is the shape with which the others broadcast against it."""
    return scaled(x - mean.reshape(affine), (gamma * _inverse(variance, eps)).reshape(affine), beta.reshape(affine))


def _wanted(what, x, axis):
    """The axes of the channels, all others, and the shape of the channels."""
    axes = tuple(sorted(axes_of(axis, x.ndim)))
    if len(axes) == x.ndim:
        raise ValueError(f"{what}: x of shape {x.shape} has no axis but those of the channels, {axis}")
    return axes, tuple([i for i in range(x.ndim) if i not in axes]), tuple([x.shape[i] for i in axes])


@composed(
    samples=lambda: [
        Sample(arrays((2, 3)), None, None, arrays((3,)), arrays((3,), low=0.5)),
        Sample(arrays((2, 3, 2)), *arrays((3,), (3,), (3,), seed=3), arrays((3,), low=0.5), axis=1, eps=0.1),
    ]
)
@in_float32()
def batch_norm(x, gamma, beta, mean, variance, eps=1e-5, axis=-1) -> Tensor:
    """Each channel shifted and scaled by a given mean and variance: the form for inference.

    ``gamma * (x - mean) / sqrt(variance + eps) + beta``. For training: `batch_norm_train`.

    Parameters
    ----------
    x : array_like, shape (..., channels), float
    gamma, beta : array_like, shape (channels,), float, or None
    mean, variance : array_like, shape (channels,), float
        Mostly the running averages of what `batch_norm_train` gave.
    eps : float, default 1e-5
    axis : int or tuple of int, default -1
        Where the channels are: 1 for PyTorch's layout. Not the axes of the mean, unlike in `layer_norm`.

    Returns
    -------
    Tensor

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Notes
    -----
    Gradients pass to all five arrays.

    References
    ----------
    S. Ioffe and C. Szegedy, "Batch normalization: accelerating deep network training by reducing internal covariate
    shift", ICML 2015.

    Examples
    --------
    >>> x = Tensor(np.array([[1.0, 20.0], [3.0, 40.0]]))
    >>> batch_norm(x, None, None, np.array([2.0, 30.0]), np.array([1.0, 100.0])).round(4).tolist()
    [[-1.0, -1.0], [1.0, 1.0]]
    """
    x = as_tensor(x)
    axes, _, wanted = _wanted("batch_norm", x, axis)
    gamma, beta = affine_pair("batch_norm", x, gamma, beta, wanted)
    mean, variance = as_tensor(mean), as_tensor(variance)
    if mean.shape != wanted or variance.shape != wanted:
        raise ValueError(
            f"batch_norm: mean {mean.shape} and variance {variance.shape} must have shape {wanted}, for axis {axis} of "
            f"{x.shape}"
        )
    return _batch_norm(x, gamma, beta, mean, variance, affine_shape(x.shape, axes), eps)


# ---------------------------------------------------------------- with the statistics of the batch


def _train_x(g, gamma, z, r, over):
    of_y, of_mean, of_variance = g.parts
    count = z.size // (r.size or 1)
    c = None if of_y is None else standard_x(of_y * gamma.reshape(r.shape), z, r, over)
    if of_mean is not None:
        m = of_mean.reshape(r.shape) * (1.0 / count)
        c = broadcast_to.inner(m, z.shape) if c is None else c + m
    if of_variance is not None:
        v = z * (of_variance.reshape(r.shape) * (2.0 / count) / r)
        c = v if c is None else c + v
    return c


def _train_gamma(g, z, r, gamma_shape, gamma_dtype):
    c = g.parts[0]
    return None if c is None else affine_sum(c * z, r.shape, gamma_shape, gamma_dtype)


def _train_beta(g, r, beta_shape, beta_dtype):
    c = g.parts[0]
    return None if c is None else affine_sum(c, r.shape, beta_shape, beta_dtype)


def _train_z(x, over, eps):
    d, r = spread(x, over, eps)
    return d * r


def _train_samples():
    x, gamma, beta = arrays((2, 3, 4), (4,), (4,))
    return [
        Sample(x, gamma, beta, (0, 1), 1e-5), Sample(x, *arrays((3,), (3,)), (0, 2), 0.1),
        Sample(x[:, ::-1, ::2].T, *arrays((3,), (3,)), (0, 2), 0.1), Sample(x[0], gamma, beta, (0,), 0.1),
        Sample(*arrays((3, 4), (4,), (4,), dtype=np.float32), (0,), 0.5, smooth=False),
    ]  # fmt: skip


@primitive(
    vjp={"x": _train_x, "gamma": _train_gamma, "beta": _train_beta},
    aux={"z": _train_z, "r": lambda x, over, eps: spread(x, over, eps)[1]},
    outputs=3, name="batch_norm_train", samples=_train_samples,
)  # fmt: skip
def _batch_norm_train(x, gamma, beta, over, eps):
    """The value, mean and variance of the batch; the normalized `x`, and the inverse of its deviation."""
    mean = mean_over(x, over)
    z = x - mean
    variance = as_array(mean_over(z * z, over))
    r = _inverse(variance, eps)
    z *= r
    y = scaled(z, gamma.reshape(r.shape), beta.reshape(r.shape))
    return (y, mean.reshape(gamma.shape), variance.reshape(gamma.shape)), z, r


@composed(
    samples=lambda: [
        Sample(arrays((3, 2))), Sample(*arrays((2, 3, 2), (2,), (2,))),
        Sample(*arrays((2, 3, 2), (3,)), axis=1, eps=0.1),
    ]
)  # fmt: skip
@in_float32()
def batch_norm_train(x, gamma=None, beta=None, eps=1e-5, axis=-1) -> tuple[Tensor, Tensor, Tensor]:
    """Each channel brought to mean 0 and variance 1 over the batch, then scaled and shifted: the form for training.

    The gradient passes through the statistics, too.

    Parameters
    ----------
    x : array_like, shape (..., channels), float
    gamma, beta : array_like, shape (channels,), float, optional
    eps : float, default 1e-5
    axis : int or tuple of int, default -1
        Where the channels are: 1 for PyTorch's layout. Mean and variance are those over all other axes.

    Returns
    -------
    y : Tensor
    mean, variance : Tensor, shape (channels,)
        Of this batch; the variance is the biased one. For running averages PyTorch multiplies it by ``n / (n - 1)``,
        with `n` values per channel.

    Raises
    ------
    ValueError
        If the shapes do not fit, or there are no values to take a mean of.

    Notes
    -----
    Inside of `DataParallel.synchronized` the batch is that of all ranks together.

    References
    ----------
    S. Ioffe and C. Szegedy, "Batch normalization: accelerating deep network training by reducing internal covariate
    shift", ICML 2015.

    Examples
    --------
    >>> y, mean, variance = batch_norm_train(Tensor(np.array([[1.0, 20.0], [3.0, 40.0]])))
    >>> y.round(4).tolist(), mean.tolist(), variance.tolist()
    ([[-1.0, -1.0], [1.0, 1.0]], [2.0, 30.0], [1.0, 100.0])

    The running averages are variables that are not trained:

    >>> running = av.Variable(np.zeros(2), trainable=False)
    >>> running.assign(0.9 * running + 0.1 * mean).numpy().round(4).tolist()
    [0.2, 3.0]
    """
    return batch_norm_counted(x, gamma, beta, eps, axis)[:3]


@in_float32()
def batch_norm_counted(x, gamma, beta, eps, axis) -> tuple:
    """`batch_norm_train`, and how many values per channel there were."""
    x, add, traced = as_tensor(x), across.get(), tracer()
    if traced is not None and getattr(add, "opened_in", None) is not traced:
        traced.rely_on(lambda: (across.get() is None) is (add is None))
    axes, over, wanted = _wanted("batch_norm_train", x, axis)
    gamma, beta = affine_pair("batch_norm_train", x, gamma, beta, wanted)
    count = prod([x.shape[i] for i in over])
    if add is None:
        if not x.size:
            raise ValueError(f"batch_norm_train: x of shape {x.shape} has no values to take a mean of")
        return *_batch_norm_train(x, gamma, beta, over, eps), count
    # Added up over all processes: first the values and how many there are, then squares. This one may have no rows.
    affine, own = affine_shape(x.shape, axes), repeated((count,), 1, x.array)
    sums = add(concatenate((x.sum(axis=over).reshape(-1), own)))
    count = sums[-1]
    mean = (sums[:-1] / count).reshape(wanted)
    rest = x - mean.reshape(affine)
    variance = add((rest * rest).sum(axis=over)) / count
    return _batch_norm(x, gamma, beta, mean, variance, affine, eps), mean, variance, count


# ---------------------------------------------------------------- moments


def _moments_x(g, x, over):
    of_mean, of_variance = g.parts
    kept = affine_shape(x.shape, [i for i in range(x.ndim) if i not in over])
    scale = 1.0 / max(1, prod([x.shape[i] for i in over]))
    c = None if of_mean is None else broadcast_to.inner(of_mean.reshape(kept) * scale, x.shape)
    if of_variance is None:
        return c
    v = (x - mean_over(x, over)) * (of_variance.reshape(kept) * (2.0 * scale))
    return v if c is None else c + v


@primitive(
    vjp={"x": _moments_x}, outputs=2, name="moments",
    samples=lambda: [
        Sample(arrays((2, 3, 4)), (0, 1), False), Sample(arrays((2, 3, 4)), (2,), True),
        Sample(arrays((3,)), (0,), False), Sample(arrays((4, 6))[::2, ::-2].T, (1,), False),
        Sample(arrays((2, 3), dtype=np.float32), (1,), True, smooth=False),
    ],
)  # fmt: skip
def _moments(x, over, keepdims):
    """Mean and variance over the axes `over`."""
    mean = mean_over(x, over)
    d = x - mean
    variance = mean_over(d * d, over)
    if not keepdims:
        shape = [n for i, n in enumerate(x.shape) if i not in over]
        mean, variance = mean.reshape(shape), variance.reshape(shape)
    return mean, variance


@composed(
    samples=lambda: [
        Sample(arrays((2, 3))), Sample(arrays((2, 3)), 0), Sample(arrays((2, 3, 2)), (0, -1), keepdims=True),
        Sample(arrays(())),
    ]
)  # fmt: skip
@in_float32(narrow=False)
def moments(x, axis=None, keepdims=False) -> tuple[Tensor, Tensor]:
    """The mean and the (biased) variance, in one op.

    Parameters
    ----------
    x : array_like, float
    axis : int, tuple of int, or None
        Over which axes; None: all.
    keepdims : bool, default False
        Leave these axes, with size 1.

    Returns
    -------
    mean, variance : Tensor

    Raises
    ------
    TypeError
        If `x` is complex.
    ValueError
        If there are no values to take a mean of.

    Examples
    --------
    >>> mean, variance = moments(Tensor(np.array([[1.0, 3.0], [2.0, 6.0]])), axis=1)
    >>> mean.tolist(), variance.tolist()
    ([2.0, 4.0], [1.0, 4.0])
    """
    x = as_tensor(x)
    over = axes_of(axis, x.ndim)
    if x.dtype.kind == "c":
        raise TypeError("moments takes real numbers; av.mean and av.var take complex ones")
    if not prod([x.shape[i] for i in over]):
        raise ValueError(f"moments: there are no values to take a mean of, over axis {axis} of shape {x.shape}")
    return _moments(x, over, keepdims)  # type: ignore[return-value]  # it has two
