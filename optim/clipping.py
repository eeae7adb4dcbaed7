"""Clipping of gradients: by value, by norm, by the norm of all together.

Arrays are clipped as arrays; Tensors by ops, so that a tape may follow (a gradient step inside of a loss).
"""

from math import isfinite, sqrt
from typing import Any

import numpy as np

import autograd_vs as av

__all__ = ["check_limit", "clip_by_global_norm", "clip_by_norm", "clip_by_value", "plain"]


def clip_by_value(gradients, limit: float) -> list:
    """Each element of each gradient cut to ``[-limit, limit]``; of complex ones the real and the imaginary part.

    Parameters
    ----------
    gradients : sequence of Tensor, array, IndexedSlices or None
    limit : float, > 0

    Returns
    -------
    list
        Of the kinds given; None stays None, rows stay rows (with each index once). Gradients flow through Tensors.

    Raises
    ------
    ValueError
        If the limit is not positive.
    TypeError
        If it is no number, or `gradients` is a single one.

    Examples
    --------
    >>> clip_by_value([np.array([3.0, -0.5]), None], 1.0)
    [array([ 1. , -0.5]), None]
    """
    check_limit("limit", limit)
    return [_changed(g, lambda a: _cut(a, limit)) for g in _all_merged(gradients)]


def clip_by_norm(gradients, max_norm: float) -> list:
    """Each gradient scaled down to the L2 norm `max_norm` where its own is larger.

    Parameters
    ----------
    gradients : sequence of Tensor, array, IndexedSlices or None
    max_norm : float, > 0

    Returns
    -------
    list
        Of the kinds given; None stays None, rows stay rows (with each index once). Gradients flow through Tensors.

    Raises
    ------
    ValueError
        If the limit is not positive.
    TypeError
        If it is no number, or `gradients` is a single one.

    Examples
    --------
    >>> clip_by_norm([np.array([3.0, 4.0]), np.array([0.1])], 1.0)
    [array([0.6, 0.8]), array([0.1])]
    """
    check_limit("max_norm", max_norm)
    return [g if g is None else _scaled(g, max_norm, _root(_squares(g))) for g in _all_merged(gradients)]


def clip_by_global_norm(gradients, max_norm: float) -> tuple[list, Any]:
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
        Of the kinds given; None stays None, rows stay rows (with each index once). Gradients flow through Tensors.
    norm : float
        The norm before clipping. A Tensor where a tape records one of the gradients (then arrays that are scaled by it
        become Tensors, too), and where arrays lie on a device, which is not waited for. Where it is Inf or NaN, all
        that comes back is NaN.

    Raises
    ------
    ValueError
        If the limit is not positive.
    TypeError
        If it is no number, or `gradients` is a single one.

    References
    ----------
    Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks", ICML 2013.

    Examples
    --------
    >>> clipped, norm = clip_by_global_norm([np.array([3.0]), None, np.array([4.0])], 1.0)
    >>> clipped, norm
    ([array([0.6]), None, array([0.8])], 5.0)
    """
    check_limit("max_norm", max_norm)
    merged = _all_merged(gradients)
    norm = _root(sum(_squares(g) for g in merged if g is not None))
    clipped = [g if g is None else _scaled(g, max_norm, norm) for g in merged]
    return clipped, av.Tensor(norm) if _is_array(norm) else norm


def plain(gradients) -> list:
    """The gradients with arrays for Tensors: an update is not recorded."""
    return [g.array if g.__class__ is av.Tensor else _plain(g) for g in gradients]


def _plain(g):
    return g.merged() if isinstance(g, av.IndexedSlices) else _bare(g)


def check_limit(what: str, limit: Any) -> None:
    """ValueError unless `limit` is positive, TypeError if it is no number."""
    try:
        fits = bool(limit > 0)
    except (TypeError, ValueError):
        raise TypeError(f"{what} is a positive number, got {limit!r}") from None
    if not fits:
        raise ValueError(f"{what} must be positive, got {limit!r}")


def _all_merged(gradients) -> list:
    if hasattr(gradients, "shape") or isinstance(gradients, av.IndexedSlices):
        raise TypeError(f"clipping takes a sequence of gradients, got one {type(gradients).__name__}: write [gradient]")
    return [_merged(g) for g in gradients]


def _merged(g: Any):
    """`g` as an array or a Tensor, or its rows with each index once; Variables as Tensors, which stay as they are."""
    if g is None or g.__class__ is np.ndarray:
        return g
    if isinstance(g, av.IndexedSlices):
        if not isinstance(g.values, av.Tensor):
            return g.merged()
        ids, places = np.unique(_bare(g.indices), return_inverse=True)
        tail = g.dense_shape[1:]
        sums = av.IndexedSlices(g.values, places.reshape(-1), (ids.size, *tail)).to_dense()  # recorded
        return av.IndexedSlices(sums, ids, g.dense_shape)
    if isinstance(g, av.Variable):
        return av.positive(g)
    return g if isinstance(g, av.Tensor) else _bare(g)


def _bare(g):
    if isinstance(g, (av.Tensor, av.Variable)):
        return g.array
    return g if hasattr(g, "dtype") and not isinstance(g, np.generic) else np.asarray(g)


def _squares(g):
    """The sum of the squares of the absolute values: a float, a 0-d array on a device, or a Tensor of Tensors."""
    a = g.values if isinstance(g, av.IndexedSlices) else g
    if a.dtype.itemsize < 4:  # half precision: squares overflow at 256
        a = a.astype(np.float32)
    if isinstance(a, av.Tensor):
        return av.vdot(a, a).real if a.dtype.kind == "c" else av.vdot(a, a)
    flat = a.reshape(-1)
    squares = (flat.conj() @ flat).real if flat.dtype.kind == "c" else flat @ flat
    return float(squares) if isinstance(a, np.ndarray) else squares  # a device is not waited for


def _root(squares):
    """The square root: a Tensor only where a tape records `squares`."""
    if isinstance(squares, av.Tensor):
        try:
            squares = float(squares)
        except TypeError:  # so a Tensor says that its gradient would be lost
            return av.sqrt(squares)
    return np.sqrt(squares) if _is_array(squares) else sqrt(squares)


def _is_array(x) -> bool:
    """True for a 0-d array on a device."""
    return hasattr(x, "dtype") and not isinstance(x, (av.Tensor, np.generic))


def _scaled(g, max_norm: float, norm):
    if _is_array(
        norm
    ):  # the same without asking how large it is; the difference is 0, or NaN where the norm is not finite
        factor = ((norm - norm) + max_norm) / np.maximum(norm, max_norm)
        return _changed(g, lambda a: _times(a, factor))
    size = norm.item() if isinstance(norm, av.Tensor) else norm
    if size <= max_norm:
        return g
    factor = max_norm / norm if isfinite(size) else float("nan")
    return _changed(g, lambda a: _times(a, factor))


def _times(a, factor):
    if isinstance(factor, float):
        return a * factor
    product = (av.asarray(a) if isinstance(factor, av.Tensor) else a) * factor
    # The factor is of the widest gradient's dtype: each keeps its own.
    return product if product.dtype == a.dtype or a.dtype.kind not in "fc" else product.astype(a.dtype)


def _cut(a, limit: float):
    if a.dtype.kind != "c":
        return av.clip(a, -limit, limit) if isinstance(a, av.Tensor) else a.clip(-limit, limit)
    if isinstance(a, av.Tensor):
        return av.clip(a.real, -limit, limit) + 1j * av.clip(a.imag, -limit, limit)
    cut = a.copy()
    cut.real, cut.imag = a.real.clip(-limit, limit), a.imag.clip(-limit, limit)
    return cut


def _changed(g, change):
    if isinstance(g, av.IndexedSlices):
        return av.IndexedSlices(change(g.values), g.indices, g.dense_shape, g.inside)
    return g if g is None else change(g)
