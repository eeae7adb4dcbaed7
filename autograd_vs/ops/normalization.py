"""Normalization by mean and variance. Floor 2."""

import numpy as np

from ..base.backend import as_array
from ..engine.declare import composed, primitive
from ..engine.samples import Sample, arrays
from ..engine.tensor import Tensor, as_tensor

__all__ = ["layer_norm"]


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
