"""ravel: a nest of arrays as one flat vector, the bridge to scipy.optimize and its kin. Floor 3."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..base.backend import as_array, to_numpy
from ..base.dtypes import is_differentiable
from ..base.nest import flatten, map_nest, pack
from ..engine.cotangent import IndexedSlices
from ..engine.protocol import Operand, refuse_if_recorded
from ..engine.registry import ops
from ..engine.tensor import Tensor

__all__ = ["ravel"]


def ravel(nest: Any) -> tuple[np.ndarray, Callable]:
    """A nest as one flat float64 vector, and the function that turns such vectors into nests again.

    Parameters
    ----------
    nest :
        Any nest of floats, float arrays, Tensors, Variables (or `IndexedSlices`, as gradients are).

    Returns
    -------
    flat : numpy.ndarray, shape (n,), float64
    unravel : function
        Takes a vector of this length (an array, or a Tensor: it is differentiable) and returns the nest, with Tensors
        of the shapes and dtypes of the leaves. The order is that of the nest.

    Raises
    ------
    TypeError
        If a leaf is None, integer or complex, or a tape is recording it.
    ValueError
        In `unravel`, if the length differs.

    Examples
    --------
    A function of a nest under ``scipy.optimize.minimize(value_and_slope, start, jac=True)``:

    >>> import numpy as np
    >>> import autograd_vs as av
    >>> start, unravel = av.ravel({"a": np.array([1.0, 2.0]), "b": 3.0})
    >>> start
    array([1., 2., 3.])
    >>> loss = av.value_and_grad(lambda p: np.sum(p["a"] * p["a"]) + p["b"])
    >>> def value_and_slope(flat):
    ...     value, gradient = loss(unravel(flat))
    ...     return value.item(), av.ravel(gradient)[0]
    >>> value_and_slope(start)
    (8.0, array([2., 4., 1.]))
    """
    arrays = [_leaf(x) for x in flatten(nest)]
    flat = np.empty(sum(a.size for a in arrays))
    pieces = []
    start = 0
    for a in arrays:
        stop = start + a.size
        flat[start:stop] = to_numpy(a).reshape(-1)
        pieces.append((start, stop, a.shape, a.dtype))
        start = stop
    structure = map_nest(lambda x: None, nest)
    length = start

    def unravel(flat):
        flat = flat if isinstance(flat, Operand) else Tensor(np.array(flat, np.float64))
        if flat.shape != (length,):
            raise ValueError(f"unravel takes a vector of shape ({length},), got {flat.shape}")
        reshape, astype = ops["reshape"].public, ops["astype"].public
        leaves = [reshape(flat[start:stop], shape) for start, stop, shape, _ in pieces]
        return pack(
            structure,
            [x if x.dtype == dtype else astype(x, dtype) for x, (*_, dtype) in zip(leaves, pieces, strict=True)],
        )

    return flat, unravel


def _leaf(x):
    if isinstance(x, IndexedSlices):
        x = x.to_dense()
    if isinstance(x, Operand):
        refuse_if_recorded(x, "ravel")
        x = x.array
    if x is None:
        raise TypeError("ravel: a leaf is None; gradients have zeros with unconnected_gradients='zero'")
    x = as_array(x)
    if not is_differentiable(x.dtype) or x.dtype.kind == "c":
        raise TypeError(f"ravel takes float arrays, a leaf has dtype {x.dtype}")
    return x
