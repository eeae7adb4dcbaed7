"""Parts of sorted arrays: partitions, different values, sets, borders of zeros. Floor 2; loaded at first use.

All values are gathered from the arguments, and gradients go where they came from: of equal elements to the first.
Which elements are taken is a constant.
"""

from typing import Any, NamedTuple

import numpy as np

from ..base.backend import as_array, beside, namespace
from ..engine import registry
from ..engine.declare import composed
from ..engine.protocol import Operand, mark_break
from ..engine.samples import Sample, arrays, values, zeros
from ..engine.tensor import Tensor, as_tensor, tensor_of
from .index import take, take_along
from .shape import astype, axes_of, axis_of, concatenate, ravel, valued
from .sort import sort

__all__ = [
    "intersect1d", "partition", "setdiff1d", "setxor1d", "sort_complex", "trim_zeros", "union1d", "unique",
]  # fmt: skip

# ---------------------------------------------------------------- orders


@composed(
    np.partition,
    samples=lambda: [
        Sample(arrays((2, 3), apart=1.0), 1),
        Sample(arrays((3, 2), apart=1.0), [0, 1], 0),
        Sample(arrays((6, 4), apart=1.0)[::2, ::-2], -2, 0),
        Sample(arrays((3, 1), apart=1.0), 1, None),
        Sample(arrays((3,), apart=1.0).astype(np.float32), 1, smooth=False),
    ],
)
def partition(a, kth, axis=-1, kind="introselect", order=None) -> Tensor:
    """Elements along an axis in such an order that the `kth` is where it would be sorted, smaller ones before it.

    Parameters
    ----------
    a : array_like
    kth : int or sequence of int
    axis : int or None, default -1
        None works on the flattened array.
    kind : {"introselect"}
    order : None
        Not supported.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> av.partition(av.Tensor(np.array([3.0, 1.0, 2.0])), 1).numpy().tolist()
    [1.0, 2.0, 3.0]
    """
    if order is not None:
        raise TypeError("partition: order= is for structured arrays, which have no gradient")
    if kind != "introselect":
        raise ValueError(f"partition: kind must be 'introselect', got {kind!r}")
    if axis is None:
        a, axis = ravel(a), 0
    a = as_tensor(a)
    return take_along(a, a.array.argpartition(kth, axis=axis), axis_of(axis, a.ndim))


@composed(
    np.sort_complex,
    samples=lambda: [
        Sample(arrays((2, 3), apart=1.0)),
        Sample(arrays((4,), dtype=complex)),
        Sample(arrays((3,), apart=1.0).astype(np.complex64), smooth=False),
    ],
)
def sort_complex(a) -> Tensor:
    """Complex numbers in rising order of their real, then of their imaginary parts, along the last axis.

    Parameters
    ----------
    a : array_like
        Real numbers become complex.

    Returns
    -------
    Tensor, complex

    Examples
    --------
    >>> av.sort_complex(av.Tensor(np.array([2.0 + 1j, 1.0, 2.0 - 1j]))).numpy().tolist()
    [(1+0j), (2-1j), (2+1j)]
    """
    y = sort(a)
    if y.dtype.kind == "c":
        return y
    return astype(y, np.complex64 if y.dtype.char in "bhBH" else np.complex128)


# ---------------------------------------------------------------- different values


def _different(ar, axis, equal_nan):
    """(values, indices of the first of each, inverse indices, counts) of `numpy.unique`, as Tensors."""
    a = as_tensor(ar)
    _, index, inverse, counts = namespace(a.array).unique(
        a.array, return_index=True, return_inverse=True, return_counts=True, axis=axis, equal_nan=equal_nan
    )
    found = take(a, index) if axis is None else take(a, index, axis)
    return (found, *map(tensor_of, (index, inverse, counts)))


def _unique_samples():
    x = arrays((2, 3), apart=1.0)
    rows = values([[1.0, 2.0], [0.5, 1.0], [1.0, 2.0]])
    return [
        Sample(x),
        Sample(x, True),
        Sample(x, True, True, True),
        Sample(x, axis=0, return_index=True),
        Sample(x[:, ::-2].T, axis=1),
        Sample(arrays(())),
        Sample(zeros((0,))),
        Sample(rows, True, True, True, smooth=False),
        Sample(rows, True, True, True, 0, smooth=False),
        Sample(values([np.nan, 1.0, np.nan]), return_counts=True, smooth=False),
        Sample(values([np.nan, 1.0, np.nan]), equal_nan=False, smooth=False),
        Sample(arrays((3,), dtype=complex)),
    ]


@composed(np.unique, samples=_unique_samples)
def unique(
    ar, return_index=False, return_inverse=False, return_counts=False, axis=None, *, equal_nan=True, sorted=True
) -> Any:  # fmt: skip
    """The different values, sorted. The gradient goes to the first element that has each value.

    Parameters
    ----------
    ar : array_like
    return_index, return_inverse, return_counts : bool, default False
        Also return where each value is first; which value each element has; how often each occurs.
    axis : int, optional
        Different sub-arrays along an axis; None works on the flattened array.
    equal_nan : bool, default True
        Whether NaN counts once.
    sorted : bool
        Without meaning here: the result is always sorted.

    Returns
    -------
    Tensor, or a tuple of Tensors if more is asked for

    Notes
    -----
    How many values there are depends on the data: the host waits for a device.

    Examples
    --------
    >>> found, counts = av.unique(av.Tensor(np.array([2.0, 1.0, 2.0])), return_counts=True)
    >>> found.numpy().tolist(), counts.numpy().tolist()
    ([1.0, 2.0], [1, 2])
    """
    found, *more = _different(ar, axis, equal_nan)
    asked = [y for y, wanted in zip(more, (return_index, return_inverse, return_counts), strict=True) if wanted]
    return (found, *asked) if asked else found


class UniqueAll(NamedTuple):
    """What ``np.unique_all`` returns."""

    values: Tensor
    indices: Tensor
    inverse_indices: Tensor
    counts: Tensor


class UniqueCounts(NamedTuple):
    """What ``np.unique_counts`` returns."""

    values: Tensor
    counts: Tensor


class UniqueInverse(NamedTuple):
    """What ``np.unique_inverse`` returns."""

    values: Tensor
    inverse_indices: Tensor


def _same():
    return [Sample(zeros((2, 2)), smooth=False), Sample(values([1.5]))]  # the order of several is NumPy's secret


@registry.for_numpy(np.unique_all, samples=lambda: [Sample(arrays((2, 3), apart=1.0)), *_same()])
def _unique_all(x) -> UniqueAll:
    return UniqueAll(*_different(x, None, False))


@registry.for_numpy(np.unique_counts, samples=lambda: [Sample(arrays((2, 3), apart=1.0)), *_same()])
def _unique_counts(x) -> UniqueCounts:
    found, _, _, counts = _different(x, None, False)
    return UniqueCounts(found, counts)


@registry.for_numpy(np.unique_inverse, samples=lambda: [Sample(arrays((2, 3), apart=1.0)), *_same()])
def _unique_inverse(x) -> UniqueInverse:
    found, _, inverse, _ = _different(x, None, False)
    return UniqueInverse(found, inverse)


@registry.for_numpy(np.unique_values, samples=_same)
def _unique_values(x) -> Tensor:
    return _different(x, None, False)[0]


# ---------------------------------------------------------------- sets


def _two():
    a = values([[3.0, 1.0], [2.0, 7.0]])
    return a, values([2.0, 5.0, 1.0, 2.0])


@composed(
    np.union1d,
    samples=lambda: [Sample(*arrays((2, 3), (2,), apart=1.0)), Sample(*_two(), smooth=False)],
)
def union1d(ar1, ar2) -> Tensor:
    """The values that are in one of two arrays or in both, sorted.

    Parameters
    ----------
    ar1, ar2 : array_like
        The gradient for a value that both have goes to `ar1`.

    Returns
    -------
    Tensor, 1-D

    Examples
    --------
    >>> av.union1d(av.Tensor(np.array([1.0, 3.0])), np.array([2.0, 3.0])).numpy().tolist()
    [1.0, 2.0, 3.0]
    """
    return unique(concatenate([ar1, ar2], None))


def _constant_set(name, ar, other):
    """A set that only says which elements of the other one are taken, as a bare array beside it."""
    if isinstance(ar, Operand):
        mark_break(ar, f"{name} takes its values from the first array")
        ar = ar.array
    return beside(as_array(ar), other.array)


@composed(
    np.intersect1d,
    samples=lambda: [Sample(*_two(), smooth=False), Sample(*_two(), False, True, smooth=False)],
)
def intersect1d(ar1, ar2, assume_unique=False, return_indices=False) -> Any:
    """The values that are in both of two arrays, sorted. They are those of `ar1`: so is the gradient.

    Parameters
    ----------
    ar1, ar2 : array_like
    assume_unique : bool, default False
        No value occurs twice in an array.
    return_indices : bool, default False
        Also return where each value is in `ar1` and `ar2`.

    Returns
    -------
    Tensor, or a tuple of three Tensors

    Examples
    --------
    >>> av.intersect1d(av.Tensor(np.array([3.0, 1.0])), np.array([2.0, 3.0])).numpy().tolist()
    [3.0]
    """
    a = as_tensor(ar1)
    b = _constant_set("intersect1d", ar2, a)
    _, first, second = namespace(a.array).intersect1d(a.array, b, assume_unique, return_indices=True)
    found = take(a, first)
    return (found, tensor_of(first), tensor_of(second)) if return_indices else found


@composed(
    np.setdiff1d,
    samples=lambda: [
        Sample(arrays((2, 3), apart=1.0), values([9.0])),
        Sample(*_two(), smooth=False),
        Sample(values([2.0, 1.0, 5.0]), values([1.0]), True, smooth=False),
    ],
)
def setdiff1d(ar1, ar2, assume_unique=False) -> Tensor:
    """The values of `ar1` that are not in `ar2`, sorted.

    Parameters
    ----------
    ar1, ar2 : array_like
        No gradient reaches `ar2`.
    assume_unique : bool, default False
        No value occurs twice; the order stays as it is.

    Returns
    -------
    Tensor, 1-D

    Examples
    --------
    >>> av.setdiff1d(av.Tensor(np.array([3.0, 1.0])), np.array([2.0, 3.0])).numpy().tolist()
    [1.0]
    """
    a = ravel(ar1) if assume_unique else unique(ar1)
    b = _constant_set("setdiff1d", ar2, a)
    return a[~namespace(a.array).isin(a.array, b)]


@composed(
    np.setxor1d,
    samples=lambda: [
        Sample(*arrays((2, 3), (2,), apart=1.0)),
        Sample(*_two(), smooth=False),
        Sample(values([2.0, 1.0]), values([1.0, 0.5]), True, smooth=False),
    ],
)
def setxor1d(ar1, ar2, assume_unique=False) -> Tensor:
    """The values that are in one of two arrays and not in both, sorted.

    Parameters
    ----------
    ar1, ar2 : array_like
    assume_unique : bool, default False
        No value occurs twice in an array.

    Returns
    -------
    Tensor, 1-D

    Examples
    --------
    >>> av.setxor1d(av.Tensor(np.array([3.0, 1.0])), np.array([2.0, 3.0])).numpy().tolist()
    [1.0, 2.0]
    """
    parts = [ar1, ar2] if assume_unique else [unique(ar1), unique(ar2)]
    a = sort(concatenate(parts, None))
    x, xp = a.array, namespace(a.array)
    edge = xp.ones(1, bool)
    new = xp.concatenate((edge, x[1:] != x[:-1], edge)) if x.size else xp.zeros(1, bool)
    return a[new[1:] & new[:-1]]


# ---------------------------------------------------------------- zeros at the border


def _inside(x, axis):
    """(first, last) place along an axis where a bare array is not zero; (0, -1) where there is none."""
    others = tuple([i for i in range(x.ndim) if i != axis])
    places = namespace(x).flatnonzero((x != 0).any(axis=others))
    return (int(places[0]), int(places[-1])) if places.size else (0, -1)


@composed(
    np.trim_zeros,
    samples=lambda: [
        Sample(values([0.0, 0, 1.5, 0, 2, 0]), smooth=False),
        Sample(values([0.0, 0, 1.5, 0, 2, 0]), "f", smooth=False),
        Sample(values([0.0, 0, 1.5, 0, 2, 0]), "b", smooth=False),
        Sample(zeros(3), smooth=False),
        Sample(arrays((4,))),
    ],
)
def trim_zeros(filt, trim="fb", axis=None) -> Tensor:
    """Without the zeros at the border.

    Parameters
    ----------
    filt : array_like
    trim : {"fb", "f", "b"}
        Where to cut: in front, behind, or both.
    axis : int or tuple of int, optional
        Along which axes; None means all.

    Returns
    -------
    Tensor

    Notes
    -----
    The shape of the result depends on the data: the host waits for a device.

    Examples
    --------
    >>> av.trim_zeros(av.Tensor(np.array([0.0, 1.0, 2.0, 0.0]))).numpy().tolist()
    [1.0, 2.0]
    """
    trim = trim.lower()
    if trim not in ("fb", "bf", "f", "b"):
        raise ValueError(f"trim_zeros: trim must be made of 'f' and 'b', got {trim!r}")
    a = as_tensor(filt)
    axes = axes_of(axis, a.ndim)
    if not axes:
        return valued(a)
    index = []
    for i in range(a.ndim):
        first, last = _inside(a.array, i) if i in axes else (0, a.shape[i] - 1)
        nothing = last < first
        index.append(slice(first if "f" in trim or nothing else 0, last + 1 if "b" in trim or nothing else None))
    return a[tuple(index)]
