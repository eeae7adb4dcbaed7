"""Clipping of gradients: by value, by norm, by the norm of all together."""

from math import isfinite, sqrt
from typing import Any

import numpy as np

import autograd_vs as av

__all__ = ["clip_by_global_norm", "clip_by_norm", "clip_by_value"]


def clip_by_value(gradients, limit: float) -> list:
    """Each element of each gradient cut to ``[-limit, limit]``.

    Parameters
    ----------
    gradients : sequence of Tensor, array, IndexedSlices or None
    limit : float, > 0

    Returns
    -------
    list
        Of the kinds given; None stays None, rows stay rows (with each index once).

    Examples
    --------
    >>> clip_by_value([np.array([3.0, -0.5]), None], 1.0)
    [array([ 1. , -0.5]), None]
    """
    _check(limit, "limit")
    return [_changed(g, lambda a: a.clip(-limit, limit)) for g in map(_merged, gradients)]


def clip_by_norm(gradients, max_norm: float) -> list:
    """Each gradient scaled down to the L2 norm `max_norm` where its own is larger.

    Parameters
    ----------
    gradients : sequence of Tensor, array, IndexedSlices or None
    max_norm : float, > 0

    Returns
    -------
    list
        Of the kinds given; None stays None, rows stay rows (with each index once).

    Examples
    --------
    >>> clip_by_norm([np.array([3.0, 4.0]), np.array([0.1])], 1.0)
    [array([0.6, 0.8]), array([0.1])]
    """
    _check(max_norm, "max_norm")
    return [g if g is None else _scaled(g, max_norm, sqrt(_squares(g))) for g in map(_merged, gradients)]


def clip_by_global_norm(gradients, max_norm: float) -> tuple[list, float]:
    r"""All gradients scaled by one factor, so that their common L2 norm is at most `max_norm`.

    .. math:: g_i \leftarrow g_i \frac{c}{\max(c, n)}, \qquad n = \sqrt{\sum_i \lVert g_i \rVert^2}

    Parameters
    ----------
    gradients : sequence of Tensor, array, IndexedSlices or None
        None counts as nothing; rows with the same index are added up before the norm is taken.
    max_norm : float, > 0

    Returns
    -------
    clipped : list
        Of the kinds given; None stays None, rows stay rows (with each index once).
    norm : float
        The norm before clipping. Where it is Inf or NaN, all that comes back is NaN.

    References
    ----------
    Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks", ICML 2013.

    Examples
    --------
    >>> clipped, norm = clip_by_global_norm([np.array([3.0]), None, np.array([4.0])], 1.0)
    >>> clipped, norm
    ([array([0.6]), None, array([0.8])], 5.0)
    """
    _check(max_norm, "max_norm")
    merged = [_merged(g) for g in gradients]
    norm = sqrt(sum(_squares(g) for g in merged if g is not None))
    return [g if g is None else _scaled(g, max_norm, norm) for g in merged], norm


def _check(limit, what) -> None:
    if not limit > 0:
        raise ValueError(f"{what} must be positive, got {limit!r}")


def _merged(g: Any):
    return g.merged() if isinstance(g, av.IndexedSlices) else g


def _bare(g):
    if isinstance(g, (av.Tensor, av.Variable)):
        return g.array
    return g if hasattr(g, "dtype") else np.asarray(g)


def _squares(g) -> float:
    flat = _bare(g.values if isinstance(g, av.IndexedSlices) else g).reshape(-1)
    if flat.dtype.kind == "c":
        return float((flat.conj() @ flat).real)
    if flat.dtype.itemsize < 4:  # half precision: squares overflow at 256
        flat = flat.astype(np.float32)
    return float(flat @ flat)


def _scaled(g, max_norm: float, norm: float):
    if norm <= max_norm:
        return g
    factor = max_norm / norm if isfinite(norm) else float("nan")
    return _changed(g, lambda a: a * factor)


def _changed(g, change):
    if g is None:
        return None
    if isinstance(g, av.IndexedSlices):
        return av.IndexedSlices(change(_bare(g.values)), g.indices, g.dense_shape)
    return av.Tensor(change(g.array)) if isinstance(g, av.Tensor) else change(_bare(g))
