"""`numpy.linalg`'s norms and condition numbers. Floor 2.

Where a norm has a kink (at 0, and where sizes tie for an extreme) its gradient is 0, or shared.
"""

from typing import Any

import numpy as np

from ..base.backend import namespace
from ..engine.declare import composed
from ..engine.samples import Sample, arrays, eye, values, zeros
from ..engine.tensor import Tensor, as_tensor
from .decompositions import svdvals
from .elementwise import where
from .linalg import LinAlgError, identity, inv, regular, square
from .shape import axes_of, moveaxis, reshape

__all__ = ["cond", "matrix_norm", "norm", "vector_norm"]

INF = np.inf

# ---------------------------------------------------------------- vectors


def _euclidean(x, axes, keepdims):
    """The root of the sum of squares, with gradient 0 at 0."""
    squares = ((x * x.conj()).real if x.dtype.kind == "c" else x * x).sum(axes, keepdims=keepdims)
    zero = squares.array == 0
    return where(zero, squares, np.sqrt(where(zero, 1.0, squares)))


def _extreme(x, ord, axes, keepdims):
    """The largest or smallest; the largest of nothing is 0, as in NumPy."""
    if ord > 0 and not all(x.shape[i] for i in axes):
        return x.sum(axes, keepdims=keepdims)
    return x.max(axes, keepdims=keepdims) if ord > 0 else x.min(axes, keepdims=keepdims)


def _power(x, p, axes, keepdims):
    """``sum(|x|**p)**(1/p)``: elements of 0 have gradient 0, and with a negative p make the norm 0."""
    sizes = np.abs(x)
    zero = sizes.array == 0
    powers = where(zero, 1.0, sizes) ** p
    total = where(zero, 0.0, powers).sum(axes, keepdims=keepdims)
    nothing = total.array == 0
    if p < 0:
        nothing = nothing | zero.any(axis=axes, keepdims=keepdims)
    return where(nothing, 0.0, where(nothing, 1.0, total) ** (1.0 / p))


def _vectors(name, x, ord, axes, keepdims):
    """The norms of vectors along axes."""
    if ord is None or ord == 2:
        return _euclidean(x, axes, keepdims)
    if isinstance(ord, str):
        raise ValueError(f"{name}: ord={ord!r} is for matrices; for vectors it is a number, inf or -inf")
    if ord in (INF, -INF):
        return _extreme(np.abs(x), ord, axes, keepdims)
    if ord == 0:  # how many are not 0: a step function
        return (x != 0).astype(x.array.real.dtype).sum(axes, keepdims=keepdims)
    if ord == 1:
        return np.abs(x).sum(axes, keepdims=keepdims)
    return _power(x, float(ord), axes, keepdims)


# ---------------------------------------------------------------- matrices


def _matrices(name, x, ord, axes, keepdims):
    """The norms of matrices along two axes."""
    if ord in (None, "fro", "f"):
        return _euclidean(x, axes, keepdims)
    if ord in (1, -1, INF, -INF):
        added, compared = axes if ord in (1, -1) else axes[::-1]
        sums = np.abs(x).sum(added, keepdims=True)
        y = _extreme(sums, ord, (compared,), True)
    elif ord in (2, -2, "nuc"):
        s = svdvals(moveaxis(x, axes, (-2, -1)))
        y = s.sum(-1) if ord == "nuc" else _extreme(s, ord, (s.ndim - 1,), False)
    else:
        raise ValueError(f"{name}: ord of matrices is 'fro', 'nuc', 1, -1, 2, -2, inf or -inf, got {ord!r}")
    return reshape(y, [1 if i in axes else n for i, n in enumerate(x.shape) if keepdims or i not in axes])


def _floats(x):
    x = as_tensor(x)
    return x if x.dtype.kind in "fc" else x.astype(np.float64)


def _norm_samples():
    x, v = arrays((2, 3), apart=1.0), values([0.5, -1.5, 2.5, -0.8])
    z = arrays((2, 3), dtype=complex)
    orders = 1, 2, 3, 0.5, 1.5, -1, -2, -0.5, INF, -INF
    matrix = "fro", "nuc", 1, -1, 2, -2, INF, -INF
    return [
        *[Sample(x, None, axis, keepdims) for axis in (None, 0, -1, (1, 0)) for keepdims in (False, True)],
        *[Sample(v, order) for order in orders],
        *[Sample(x, order, 0, True) for order in (3, -2, INF)],
        *[Sample(x, order) for order in matrix],
        *[Sample(arrays((2, 2, 3), apart=1.0), order, (2, 0)) for order in matrix],
        *[Sample(z, order, 1) for order in (2, 1, 3, -1.5, INF)],
        *[Sample(z, order) for order in matrix],
        Sample(x, 1, (1, 0), keepdims=True),
        Sample(x, "nuc", (-1, 0), keepdims=True),
        Sample(arrays((2, 2, 3))),
        Sample(v, 0, smooth=False),
        Sample(arrays(()), None),
        Sample(zeros((2, 3)), None, 1, smooth=False),
        Sample(zeros((0, 3)), 2, 0),
        Sample(zeros((2, 3)), 3, 1, smooth=False),
        Sample(zeros((2, 3)), -3, 1, smooth=False),
        *[Sample(x.astype(np.float32), order, smooth=False) for order in (None, "nuc", 1)],
        Sample(x.astype(np.float32), 3, 0, smooth=False),
    ]


@composed(np.linalg.norm, home="linalg", samples=_norm_samples)
def norm(x, ord=None, axis=None, keepdims=False) -> Tensor:
    """The norm of vectors or matrices.

    Parameters
    ----------
    x : array_like
    ord : optional
        Of vectors a number, inf, -inf, or 0, the number of nonzero elements; 2 by default. Of matrices "fro", the
        default, "nuc", 1, -1, 2, -2, inf or -inf, as in `numpy.linalg.norm`.
    axis : int, pair of ints or None
        One axis: of vectors; two: of matrices; None: of a vector or a matrix, or without `ord` of all elements.
    keepdims : bool, default False

    Returns
    -------
    Tensor, real

    Raises
    ------
    ValueError
        If there is no such norm.

    Notes
    -----
    The gradient is 0 where the norm is 0, and at elements that are 0. Elements that tie for an extreme share it. For 2,
    -2 and "nuc" the second derivative is finite only where singular values differ.

    Examples
    --------
    >>> norm(Tensor(np.array([3.0, 4.0]))).item()
    5.0
    """
    x = _floats(x)
    if axis is None and ord is None:
        return _euclidean(x, None, keepdims)
    axes = axes_of(axis, x.ndim)
    if len(axes) == 1:
        return _vectors("norm", x, ord, axes, keepdims)
    if len(axes) == 2:
        return _matrices("norm", x, ord, axes, keepdims)
    if axis is None:
        raise ValueError(f"norm: ord= of an array of {x.ndim} dimensions needs axis=")
    raise ValueError(f"norm: axis must be one axis or two, got {axis}")


@composed(
    np.linalg.vector_norm, home="linalg",
    samples=lambda: [
        Sample(arrays((2, 3))),
        Sample(arrays((2, 3)), axis=0, ord=3),
        Sample(arrays((2, 3, 2)), axis=(0, 2), ord=1.5, keepdims=True),
        Sample(arrays((2, 3), dtype=complex), axis=-1, keepdims=True),
        Sample(arrays((2, 3), apart=1.0), ord=INF, keepdims=True),
        Sample(arrays((2, 3)), ord=0, smooth=False),
        Sample(arrays((2, 3), apart=1.0), axis=(1,), ord=-INF),
    ],
)  # fmt: skip
def vector_norm(x, /, *, axis=None, keepdims=False, ord=2) -> Tensor:
    """The norm of all elements, or of those along axes, as one vector.

    Parameters
    ----------
    x : array_like
    axis : int or tuple of int, optional
    keepdims : bool, default False
    ord : number, inf or -inf, default 2

    Returns
    -------
    Tensor, real

    Raises
    ------
    ValueError
        If there is no such norm.

    Notes
    -----
    For kinks see `norm`.

    Examples
    --------
    >>> vector_norm(Tensor(np.ones((2, 2))), ord=1).item()
    4.0
    """
    x = _floats(x)
    return _vectors("vector_norm", x, ord, axes_of(axis, x.ndim), keepdims)


@composed(
    np.linalg.matrix_norm, home="linalg",
    samples=lambda: [
        Sample(arrays((2, 2, 3))),
        *(Sample(arrays((2, 2, 3), apart=1.0), ord=order, keepdims=True) for order in ("nuc", 2, 1, -INF)),
    ],
)  # fmt: skip
def matrix_norm(x, /, *, keepdims=False, ord="fro") -> Tensor:
    """The norm of matrices.

    Parameters
    ----------
    x : array_like, shape (..., m, n)
    keepdims : bool, default False
    ord : {"fro", "nuc", 1, -1, 2, -2, inf, -inf}

    Returns
    -------
    Tensor, shape (...), real

    Raises
    ------
    ValueError
        If there is no such norm.

    Notes
    -----
    For kinks see `norm`.

    Examples
    --------
    >>> matrix_norm(Tensor(np.diag([3.0, 4.0])), ord="nuc").item()
    7.0
    """
    return norm(x, ord, (-2, -1), keepdims)


# ---------------------------------------------------------------- condition numbers


def _ratio(a, b):
    """``a / b`` of sizes; infinite where `b` is 0."""
    zero = b.array == 0
    return where(zero, INF, a / where(zero, 1.0, b))


@composed(
    np.linalg.cond, home="linalg",
    samples=lambda: [
        *(Sample(regular(3, 3), p) for p in (None, 2, -2, "fro", "nuc", 1, -1, INF, -INF)),
        Sample(arrays((2, 3))),
        Sample(regular(2, 2, 2), 1),
        Sample(regular(2, 2, dtype=complex)),
        Sample(zeros((2, 2)), 1, smooth=False),
        Sample(zeros((2, 2)), -2, smooth=False),
        Sample(eye(2) * [1.0, 0.0], smooth=False),
        Sample(regular(2, 2).astype(np.float32), 1, smooth=False),
        Sample(regular(2, 2).astype(np.float32), smooth=False),
    ],
)  # fmt: skip
def cond(x, p=None) -> Tensor:
    """The condition number: the norm of a matrix times that of its inverse.

    Parameters
    ----------
    x : array_like, shape (..., m, n)
        Square, unless `p` is 2 or -2.
    p : {None, 2, -2, "fro", "nuc", 1, -1, inf, -inf}
        Which norm. By default 2: the largest singular value over the smallest.

    Returns
    -------
    Tensor, shape (...), real
        Infinite for singular matrices, with gradient 0.

    Raises
    ------
    numpy.linalg.LinAlgError
        If `x` is empty, or not square where it must be.

    Examples
    --------
    >>> cond(Tensor(np.diag([2.0, 4.0]))).item()
    2.0
    """
    x = _floats(x)
    if x.ndim < 2 or not x.shape[-1] or not x.shape[-2]:
        raise LinAlgError(f"cond: matrices with elements are needed, got an array of shape {x.shape}")
    if p is None or p in (2, -2):
        s = svdvals(x)
        return _ratio(s[..., -1], s[..., 0]) if p == -2 else _ratio(s[..., 0], s[..., -1])
    square("cond", x)
    xp: Any = namespace(x.array)
    with np.errstate(all="ignore"):
        singular = ~xp.isfinite(xp.linalg.slogdet(x.array)[1])
    regular = where(singular[..., None, None], identity(x.shape[-1], x.array), x)
    y = matrix_norm(regular, ord=p) * matrix_norm(inv(regular), ord=p)
    return where(singular, xp.where(xp.isnan(x.array).any(axis=(-2, -1)), xp.nan, INF).astype(y.dtype), y)
