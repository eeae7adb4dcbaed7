"""`numpy.linalg`: norms, products under its names. Floor 2; loaded at first use (`later.py`)."""

import numpy as np

from ..engine import registry
from ..engine.declare import composed
from ..engine.samples import Sample, arrays, zeros
from ..engine.tensor import Tensor, as_tensor
from .elementwise import where
from .products import diagonal, matmul, outer, tensordot, trace, vecdot
from .shape import axes_of, matrix_transpose, reshape

__all__ = ["norm"]

# ---------------------------------------------------------------- products, which `numpy` has too

registry.functions[np.linalg.matmul] = matmul
registry.functions[np.linalg.tensordot] = tensordot
registry.functions[np.linalg.vecdot] = vecdot
registry.functions[np.linalg.matrix_transpose] = matrix_transpose


@registry.for_numpy(np.linalg.outer, samples=lambda: [Sample(*arrays((2,), (3,)))])
def _outer(x1, x2, /) -> Tensor:
    """`outer` of two vectors."""
    x1, x2 = as_tensor(x1), as_tensor(x2)
    if x1.ndim != 1 or x2.ndim != 1:
        raise ValueError(f"outer: two 1-D arrays are needed, got {x1.ndim} and {x2.ndim} dimensions")
    return outer(x1, x2)


@registry.for_numpy(
    np.linalg.diagonal, samples=lambda: [Sample(arrays((2, 3, 3))), Sample(arrays((2, 3, 4)), offset=-1)]
)
def _diagonal(x, /, *, offset=0) -> Tensor:
    """`diagonal` of the last two dimensions."""
    return diagonal(x, offset, -2, -1)


@registry.for_numpy(np.linalg.trace, samples=lambda: [Sample(arrays((2, 3, 3))), Sample(arrays((2, 3)), offset=1)])
def _trace(x, /, *, offset=0, dtype=None) -> Tensor:
    """`trace` of the last two dimensions."""
    return trace(x, offset, -2, -1, dtype)


def _euclidean(x, axis, keepdims):
    """The root of the sum of squares, with gradient 0 at 0."""
    squares = ((x * x.conj()).real if x.dtype.kind == "c" else x * x).sum(axis, keepdims=keepdims)
    zero = squares.array == 0
    return where(zero, squares, np.sqrt(where(zero, 1.0, squares)))


def _extreme(x, ord, axis, keepdims):
    return x.max(axis, keepdims=keepdims) if ord > 0 else x.min(axis, keepdims=keepdims)


def _norm_samples():
    x = arrays((2, 3), apart=1.0)
    z = arrays((2, 3), dtype=complex)
    return [
        *[Sample(x, None, axis, keepdims) for axis in (None, 0, -1, (1, 0)) for keepdims in (False, True)],
        *[Sample(x, order, 1) for order in (1, 2, np.inf, -np.inf)],
        *[Sample(x[0], order) for order in (1, 2, np.inf)],
        *[Sample(x, order) for order in ("fro", 1, -1, np.inf, -np.inf)],
        Sample(x, 1, (1, 0), keepdims=True),
        Sample(arrays((2, 2, 3)), "fro", (0, 2)),
        Sample(arrays((2, 2, 3))),
        Sample(z),
        Sample(z, 2, 1),
        Sample(zeros((2, 3)), None, 1, smooth=False),
        Sample(x.astype(np.float32), smooth=False),
    ]


@composed(np.linalg.norm, home="linalg", samples=_norm_samples)
def norm(x, ord=None, axis=None, keepdims=False) -> Tensor:
    """The norm of vectors (2, 1, inf, -inf) or matrices (Frobenius, 1, -1, inf, -inf); its gradient is 0 at 0.

    Parameters
    ----------
    x : array_like, shape (...)
    ord : {None, "fro", 1, 2, -1, inf, -inf}
    axis : int, pair of ints or None
        One axis: of vectors; two: of matrices; None: all of a 1-D or 2-D array.
    keepdims : bool, default False

    Returns
    -------
    Tensor

    Examples
    --------
    >>> norm(Tensor(np.array([3.0, 4.0]))).item()
    5.0
    """
    x = as_tensor(x)
    if x.dtype.kind not in "fc":
        x = x.astype(np.float64)
    if ord is None and (axis is None or not isinstance(axis, tuple) or len(axis) < 3):
        return _euclidean(x, axis, keepdims)
    if axis is None and x.ndim > 2:
        raise ValueError("norm: an array of more than two dimensions needs axis=")
    axes = axes_of(axis, x.ndim)
    if len(axes) == 1:
        if ord == 2:
            return _euclidean(x, axes, keepdims)
        if ord == 1:
            return np.abs(x).sum(axes, keepdims=keepdims)
        if ord in (np.inf, -np.inf):
            return _extreme(np.abs(x), ord, axes, keepdims)
    elif len(axes) == 2:
        if ord == "fro":
            return _euclidean(x, axes, keepdims)
        if ord in (1, -1, np.inf, -np.inf):
            added, compared = axes if ord in (1, -1) else axes[::-1]
            y = _extreme(np.abs(x).sum(added, keepdims=True), ord, compared, True)
            return y if keepdims else reshape(y, [n for i, n in enumerate(y.shape) if i not in axes])
    else:
        raise ValueError(f"norm: axis must be one axis or two, got {axis}")
    raise TypeError(
        f"np.linalg.norm: ord={ord!r} over {len(axes)} dimensions has no gradient in autograd_vs; there are None, 1, "
        "2, inf and -inf for vectors, and None, 'fro', 1, -1, inf and -inf for matrices"
    )
