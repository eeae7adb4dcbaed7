"""Shapes: reshaping, transposing, broadcasting, joining, splitting, repeating; copies and casts. Floor 2."""

from collections.abc import Callable
from itertools import pairwise
from math import prod
from typing import Any, TypeVar

import numpy as np

from ..base.backend import namespace
from ..base.dtypes import is_differentiable
from ..engine import registry
from ..engine.declare import composed, primitive
from ..engine.op import fit
from ..engine.protocol import Operand, install, mark_break
from ..engine.samples import Sample, arrays, zeros
from ..engine.tensor import Tensor, as_tensor, tensor_of

__all__ = [
    "array_split", "astype", "atleast_1d", "atleast_2d", "atleast_3d", "broadcast_arrays", "broadcast_to",
    "column_stack",
    "concat", "concatenate", "copy", "dsplit", "dstack", "expand_dims", "flip", "fliplr", "flipud", "hsplit", "hstack",
    "matrix_transpose", "meshgrid", "moveaxis", "permute_dims", "ravel", "repeat", "reshape", "roll",
    "rollaxis", "rot90",
    "split", "squeeze", "stack", "swapaxes", "tile", "transpose", "tril", "triu", "unstack", "vsplit", "vstack",
]  # fmt: skip


def axis_of(axis: Any, ndim: int) -> int:
    """`axis` counted from the front.

    Raises
    ------
    numpy.exceptions.AxisError
        If there is no such axis.
    """
    if not -ndim <= axis < ndim:
        raise np.exceptions.AxisError(axis, ndim)
    return axis + ndim if axis < 0 else axis


def axes_of(axis: Any, ndim: int) -> tuple[int, ...]:
    """The axes that `axis` (None: all; a number; a tuple) means, counted from the front."""
    if axis is None:
        return tuple(range(ndim))
    axes = tuple(axis_of(i, ndim) for i in axis) if isinstance(axis, (tuple, list)) else (axis_of(axis, ndim),)
    if len(set(axes)) != len(axes):
        raise ValueError(f"an axis is repeated in {axis}")
    return axes


F = TypeVar("F")


def shown_as(plain) -> Callable[[F], F]:
    """Say that help() shows the signature of `plain`, without what a function takes only to refuse it clearly."""

    def mark(function):
        function.__wrapped__ = plain
        return function

    return mark


# ---------------------------------------------------------------- the same elements in another shape


def _reshape_vjp(g, a_shape, order):
    return g.reshape(a_shape) if order == "C" else reshape.inner(g, a_shape, order)


@primitive(
    np.reshape, vjp={"a": _reshape_vjp}, linear="each", view=True,
    samples=lambda: [
        Sample(arrays((2, 6)), (3, 4)),
        Sample(arrays((2, 6)), -1),
        Sample(arrays((2, 3, 2)), (3, -1), "F"),
        Sample(arrays(()), (1, 1)),
        Sample(zeros((0, 3)), (3, 0, 2)),
        Sample(arrays((4, 6))[::2, ::3].T, (4,)),
        Sample(arrays((2, 2), dtype=complex), 4),
    ],
)  # fmt: skip
def reshape(a, shape, order="C", copy=None):
    """The same elements in another shape; also ``t.reshape(2, 3)``.

    Parameters
    ----------
    a : array_like
    shape : int or tuple of int
        One of them may be -1: whatever remains.
    order : {"C", "F"}
        Whether the last or the first index runs fastest.
    copy : bool, optional
        Without meaning here.

    Returns
    -------
    Tensor

    Raises
    ------
    ValueError
        If the number of elements differs; for another order ("A" depends on the memory, which the gradient does not
        share).

    Examples
    --------
    >>> av.reshape(av.Tensor(np.arange(6.0)), (2, -1)).shape
    (2, 3)
    """
    if order == "C":
        return a.reshape(shape)
    if order != "F":
        raise ValueError(f"reshape: order is 'C' or 'F', got {order!r}; t.ravel(order) takes 'A' and 'K', too")
    return a.reshape(shape, order=order)


@shown_as(lambda self, *shape, order="C", copy=None: None)
def _reshape_method(self, *shape, order="C", copy=None, **named):
    """The same elements in another shape: ``t.reshape(2, 3)`` or ``t.reshape((2, 3))``."""
    if named:
        if shape or set(named) != {"shape"}:
            raise TypeError(f"reshape takes a shape, order= and copy=, got {', '.join(named)}= as well")
        shape = (named["shape"],)
    if order == "A":
        order = _in_memory(self)
    return reshape(self, shape[0] if len(shape) == 1 else shape, order)


def _in_memory(a) -> str:
    """What the order "A" means for a Tensor."""
    return "F" if a.array.flags.fnc else "C"


install("reshape", _reshape_method)


@composed(
    np.ravel,
    methods="ravel flatten",
    samples=lambda: [
        Sample(arrays((2, 3))),
        Sample(arrays(())),
        Sample(arrays((2, 3)), "F"),
        *(
            Sample(x, order, smooth=False)
            for x in (arrays((2, 3)).T, arrays((2, 3, 4)).transpose(1, 0, 2))
            for order in "AK"
        ),
    ],
)
def ravel(a, order="C") -> Tensor:
    """All elements in one dimension.

    Parameters
    ----------
    a : array_like
    order : {"C", "F", "A", "K"}
        Whether the last or the first index runs fastest; "A": as they lie in memory if that is one of these, else "C";
        "K": as they lie in memory.

    Returns
    -------
    Tensor, shape (a.size,)

    Examples
    --------
    >>> av.ravel(av.Tensor(np.ones((2, 3)))).shape
    (6,)
    """
    if order == "K":
        a = as_tensor(a)
        steps = [abs(n) for n in a.array.strides]
        a, order = transpose(a, sorted(range(a.ndim), key=lambda i: -steps[i])), "C"
    elif order == "A":
        a = as_tensor(a)
        order = _in_memory(a)
    return reshape(a, -1, order)


install("flat", property(ravel, doc="All elements in one dimension: what NumPy's iterator gives one by one."))


@composed(
    np.squeeze, methods="squeeze",
    samples=lambda: [*(Sample(arrays((1, 3, 1)), axis) for axis in (None, 0, (0, -1))), Sample(arrays(()))],
)  # fmt: skip
def squeeze(a, axis=None) -> Tensor:
    """Without the dimensions of size 1 (all of them, or those of `axis`).

    Parameters
    ----------
    a : array_like
    axis : int or tuple of int, optional

    Returns
    -------
    Tensor

    Raises
    ------
    ValueError
        If a dimension of `axis` has another size.

    Examples
    --------
    >>> av.squeeze(av.Tensor(np.ones((1, 3, 1)))).shape
    (3,)
    """
    shape = shape_of(a)
    if axis is None:
        return reshape(a, tuple(n for n in shape if n != 1))
    axes = axes_of(axis, len(shape))
    if [i for i in axes if shape[i] != 1]:
        raise ValueError(f"squeeze: axis {axis} of shape {shape} has not size 1")
    return reshape(a, tuple(n for i, n in enumerate(shape) if i not in axes))


def valued(x) -> Tensor:
    """`x` as a Tensor: what would be a Variable itself becomes a copy of its present value, with the gradient."""
    x = as_tensor(x)
    return x if isinstance(x, Tensor) else copy(x)


def shape_of(a) -> tuple[int, ...]:
    """The shape of anything array-like."""
    return a.shape if hasattr(a, "shape") else as_tensor(a).shape


def broadcasts_to(shape: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether an array of a shape can be repeated to one of another shape."""
    try:
        return np.broadcast_shapes(shape, other) == other
    except ValueError:
        return False


@composed(
    np.expand_dims, samples=lambda: [Sample(arrays((2, 3)), 1), Sample(arrays((2,)), (0, -1)), Sample(arrays(()), 0)]
)
def expand_dims(a, axis) -> Tensor:
    """With new dimensions of size 1, at the places `axis` of the result.

    Parameters
    ----------
    a : array_like
    axis : int or tuple of int

    Returns
    -------
    Tensor

    Examples
    --------
    >>> av.expand_dims(av.Tensor(np.ones((2, 3))), -1).shape
    (2, 3, 1)
    """
    shape = shape_of(a)
    ndim = len(shape) + (len(axis) if isinstance(axis, (tuple, list)) else 1)
    axes, sizes = axes_of(axis, ndim), iter(shape)
    return reshape(a, tuple(1 if i in axes else next(sizes) for i in range(ndim)))


def _few_dimensions():
    return [Sample(arrays(s)) for s in ((), (2,), (2, 3), (2, 1, 2), (0,))]


def _grown(arys, grow):
    """Each array in the shape that `grow` makes of its own."""
    found = tuple(reshape(a, grow(shape_of(a))) for a in arys)
    return found[0] if len(found) == 1 else found


@composed(np.atleast_1d, samples=_few_dimensions)
def atleast_1d(*arys) -> Any:
    """Arrays with at least one dimension.

    Parameters
    ----------
    *arys : array_like

    Returns
    -------
    Tensor, or a tuple of Tensors if there are several arguments

    Examples
    --------
    >>> av.atleast_1d(av.Tensor(2.0)).shape
    (1,)
    """
    return _grown(arys, lambda s: s or (1,))


@composed(np.atleast_2d, samples=_few_dimensions)
def atleast_2d(*arys) -> Any:
    """Arrays with at least two dimensions; new ones stand in front.

    Parameters
    ----------
    *arys : array_like

    Returns
    -------
    Tensor, or a tuple of Tensors if there are several arguments

    Examples
    --------
    >>> av.atleast_2d(av.Tensor(2.0)).shape
    (1, 1)
    """
    return _grown(arys, lambda s: (1,) * (2 - len(s)) + s)


@composed(np.atleast_3d, samples=_few_dimensions)
def atleast_3d(*arys) -> Any:
    """Arrays with at least three dimensions; a matrix gets a last one.

    Parameters
    ----------
    *arys : array_like

    Returns
    -------
    Tensor, or a tuple of Tensors if there are several arguments

    Examples
    --------
    >>> av.atleast_3d(av.Tensor(2.0)).shape
    (1, 1, 1)
    """
    return _grown(arys, lambda s: ((1, 1, 1), (1, *s, 1), (*s, 1))[len(s)] if len(s) < 3 else s)


# ---------------------------------------------------------------- the order of the dimensions


def _transpose_vjp(g, axes):
    if axes is None:
        return g.transpose()
    back = [0] * len(axes)
    for i, axis in enumerate(axes):
        back[axis] = i
    return g.transpose(back)


@primitive(
    np.transpose, vjp={"a": _transpose_vjp}, linear="each", view=True,
    samples=lambda: [
        Sample(arrays((2, 3))),
        Sample(arrays((2, 3, 4)), (1, 2, 0)),
        Sample(arrays((2, 3, 4)), (-1, 0, -2)),
        Sample(arrays(())),
        Sample(zeros((0, 3))),
    ],
)  # fmt: skip
def transpose(a, axes=None):
    """The dimensions in another order: reversed, or as `axes` says; also ``t.T`` and ``t.transpose(1, 0)``.

    Parameters
    ----------
    a : array_like
    axes : tuple of int, optional
        A permutation: dimension i of the result is dimension ``axes[i]`` of `a`.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> av.transpose(av.Tensor(np.ones((2, 3, 4))), (1, 2, 0)).shape
    (3, 4, 2)
    """
    return a.transpose() if axes is None else a.transpose(axes)


permute_dims = transpose


def _transpose_method(self, *axes):
    """The dimensions reversed, or in the order of `axes`: ``t.transpose(1, 0)`` or ``t.transpose((1, 0))``."""
    return transpose(self, axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes or None)


install("transpose", _transpose_method)
install("T", property(transpose, doc="The dimensions reversed."))


@composed(
    np.swapaxes, methods="swapaxes", samples=lambda: [Sample(arrays((2, 3, 4)), 0, -1), Sample(arrays((2, 3)), 1, 1)]
)
def swapaxes(a, axis1, axis2) -> Tensor:
    """Two dimensions exchanged.

    Parameters
    ----------
    a : array_like
    axis1, axis2 : int

    Returns
    -------
    Tensor

    Examples
    --------
    >>> av.swapaxes(av.Tensor(np.ones((2, 3, 4))), 0, -1).shape
    (4, 3, 2)
    """
    ndim = len(shape_of(a))
    axis1, axis2 = axis_of(axis1, ndim), axis_of(axis2, ndim)
    axes = list(range(ndim))
    axes[axis1], axes[axis2] = axis2, axis1
    return transpose(a, tuple(axes))


@composed(np.matrix_transpose, samples=lambda: [Sample(arrays((2, 3))), Sample(arrays((2, 3, 4)))])
def matrix_transpose(x) -> Tensor:
    """The last two dimensions exchanged; also ``t.mT``.

    Parameters
    ----------
    x : array_like, shape (..., m, n)

    Returns
    -------
    Tensor, shape (..., n, m)

    Examples
    --------
    >>> av.matrix_transpose(av.Tensor(np.ones((2, 3, 4)))).shape
    (2, 4, 3)
    """
    return swapaxes(x, -1, -2)


install("mT", property(matrix_transpose, doc="The last two dimensions exchanged."))


@composed(
    np.moveaxis,
    samples=lambda: [
        Sample(arrays((2, 3, 4)), 0, -1),
        Sample(arrays((2, 3, 4)), (0, 1), (-1, 0)),
        Sample(arrays((2, 3)), [0], [1]),
    ],
)
def moveaxis(a, source, destination) -> Tensor:
    """Dimensions moved to other places; the others keep their order.

    Parameters
    ----------
    a : array_like
    source, destination : int or sequence of int

    Returns
    -------
    Tensor

    Examples
    --------
    >>> av.moveaxis(av.Tensor(np.ones((2, 3, 4))), 0, -1).shape
    (3, 4, 2)
    """
    ndim = len(shape_of(a))
    source, destination = axes_of(source, ndim), axes_of(destination, ndim)
    if len(source) != len(destination):
        raise ValueError(f"moveaxis: {len(source)} axes to move, {len(destination)} places")
    order = [i for i in range(ndim) if i not in source]
    for place, axis in sorted(zip(destination, source, strict=True)):
        order.insert(place, axis)
    return transpose(a, tuple(order))


@composed(np.rollaxis, samples=lambda: [Sample(arrays((2, 3, 4)), 2), Sample(arrays((2, 3, 4)), 0, 3)])
def rollaxis(a, axis, start=0) -> Tensor:
    """The dimension `axis` moved to stand before `start`; `moveaxis` says it more clearly.

    Parameters
    ----------
    a : array_like
    axis, start : int

    Returns
    -------
    Tensor

    Examples
    --------
    >>> av.rollaxis(av.Tensor(np.ones((2, 3, 4))), 2).shape
    (4, 2, 3)
    """
    ndim = len(shape_of(a))
    axis, start = axis_of(axis, ndim), start + ndim if start < 0 else start
    return moveaxis(a, axis, start - 1 if axis < start else start)


# ---------------------------------------------------------------- broadcasting


@primitive(
    np.broadcast_to, vjp={"array": lambda g, array_shape, array_dtype: fit(g, array_shape, array_dtype)}, linear="each",
    samples=lambda: [
        Sample(arrays((3,)), (2, 3)),
        Sample(arrays((2, 1)), (4, 2, 3)),
        Sample(arrays(()), (2,)),
        Sample(arrays((2, 3)), (2, 3)),
        Sample(zeros((1, 0)), (2, 0)),
    ],
)  # fmt: skip
def broadcast_to(array, shape):
    """An array of a larger shape, in which `array` is repeated. A copy, so that it costs its full memory.

    Parameters
    ----------
    array : array_like
    shape : int or tuple of int

    Returns
    -------
    Tensor

    Raises
    ------
    ValueError
        If `array` does not broadcast to `shape`.

    Examples
    --------
    >>> av.broadcast_to(av.Tensor(np.array([1.0, 2.0])), (2, 2)).numpy().tolist()
    [[1.0, 2.0], [1.0, 2.0]]
    """
    y = namespace(array).empty(shape, array.dtype)
    y[...] = array
    return y


@composed(np.broadcast_arrays, samples=lambda: [Sample(*arrays((3, 1), (2,)))])
def broadcast_arrays(*args) -> tuple[Tensor, ...]:
    """Arrays brought to their common shape.

    Parameters
    ----------
    *args : array_like

    Returns
    -------
    tuple of Tensor

    Examples
    --------
    >>> [t.shape for t in av.broadcast_arrays(av.Tensor(np.ones((2, 1))), av.Tensor(np.ones(3)))]
    [(2, 3), (2, 3)]
    """
    shape = np.broadcast_shapes(*map(shape_of, args))
    return tuple(broadcast_to(a, shape) for a in args)


@composed(np.meshgrid, samples=lambda: [Sample(*arrays((3,), (2,))), Sample(*arrays((3,), (2,)), indexing="ij")])
def meshgrid(*xi, indexing="xy", sparse=False, copy=True) -> tuple[Tensor, ...]:
    """Coordinate grids from coordinates.

    Parameters
    ----------
    *xi : array_like, 1-D
    indexing : {"xy", "ij"}
    sparse : bool
        Leave the grids at size 1 where they are constant.
    copy : bool
        Without meaning here.

    Returns
    -------
    tuple of Tensor

    Examples
    --------
    >>> x, y = av.meshgrid(av.Tensor(np.arange(3.0)), av.Tensor(np.arange(2.0)))
    >>> x.shape
    (2, 3)
    """
    if indexing not in ("xy", "ij"):
        raise ValueError(f"meshgrid: indexing must be 'xy' or 'ij', got {indexing!r}")
    n = len(xi)
    places = [1, 0, *range(2, n)] if indexing == "xy" and n > 1 else list(range(n))
    grids = [reshape(x, tuple(-1 if i == place else 1 for i in range(n))) for x, place in zip(xi, places, strict=True)]
    return tuple(grids) if sparse else broadcast_arrays(*grids)


# ---------------------------------------------------------------- joining


def cast(g, dtype):
    """The gradient `g` for an argument of another dtype."""
    if g.dtype == dtype:
        return g
    if g.dtype.kind == "c" and dtype.kind != "c":
        g = g.real
    return g.astype(dtype)


def _concatenate_vjp(g, i, arrays_shapes, arrays_dtypes, axis):
    if axis is None:
        start, shape = sum(map(prod, arrays_shapes[:i])), arrays_shapes[i]
        return cast(g[start : start + prod(shape)].reshape(shape), arrays_dtypes[i])
    axis = axis_of(axis, g.ndim)
    start = sum(s[axis] for s in arrays_shapes[:i])
    part = g[(slice(None),) * axis + (slice(start, start + arrays_shapes[i][axis]),)]
    return cast(part, arrays_dtypes[i])


def _joinable(axis=0, several=((2, 3), (2, 3))):
    def samples():
        found = arrays(*several)
        return [
            Sample(found, axis),
            Sample([found[0], found[1].astype(np.float32).astype(np.float64) + 0j], axis),
            Sample([found[0], found[0]], axis),
            Sample([found[0][..., ::-1]], axis),
        ]

    return samples


@primitive(
    np.concatenate, arity="sequence", vjp={"arrays": _concatenate_vjp}, linear="all",
    samples=lambda: [
        *_joinable()(),
        Sample(arrays((2, 3), (2, 1), (2, 0)), -1),
        Sample(arrays((2, 2), (3,), ()), None),
        Sample(arrays((2,), (3,))),
    ],
)  # fmt: skip
def concatenate(arrays, axis=0):
    """Arrays joined along an axis that they have.

    Parameters
    ----------
    arrays : sequence of array_like
        Of the same shape, but for `axis`.
    axis : int or None, default 0
        None joins the flattened arrays.

    Returns
    -------
    Tensor

    Raises
    ------
    ValueError
        If shapes do not match, or there is nothing to join.

    Examples
    --------
    >>> av.concatenate([av.Tensor(np.ones(2)), np.zeros(1)]).numpy().tolist()
    [1.0, 1.0, 0.0]
    """
    return namespace(arrays[0] if arrays else None).concatenate(arrays, axis)


concat = concatenate


@primitive(
    np.stack, arity="sequence", linear="all", samples=_joinable(1),
    vjp={
        "arrays": lambda g, i, arrays_dtypes,
        axis: cast(g[(slice(None),) * axis_of(axis, g.ndim) + (i,)], arrays_dtypes[i])
    },
)  # fmt: skip
def stack(arrays, axis=0):
    """Arrays of one shape, joined along a new axis.

    Parameters
    ----------
    arrays : sequence of array_like
    axis : int, default 0
        Where the new axis lies in the result.

    Returns
    -------
    Tensor

    Raises
    ------
    ValueError
        If the shapes differ, or there is nothing to stack.

    Examples
    --------
    >>> av.stack([av.Tensor(np.ones(2)), av.Tensor(np.zeros(2))], axis=1).shape
    (2, 2)
    """
    return namespace(arrays[0] if arrays else None).stack(arrays, axis)


@composed(np.vstack, samples=lambda: [Sample(arrays((2,), (2,))), Sample(arrays((1, 3), (2, 3)))])
def vstack(tup) -> Tensor:
    """Arrays joined along the first axis, 1-D ones as rows.

    Parameters
    ----------
    tup : sequence of array_like

    Returns
    -------
    Tensor

    Examples
    --------
    >>> av.vstack([av.Tensor(np.ones(2)), av.Tensor(np.zeros(2))]).shape
    (2, 2)
    """
    return concatenate([atleast_2d(a) for a in tup], 0)


@composed(np.hstack, samples=lambda: [Sample(arrays((2,), (3,))), Sample(arrays((2, 1), (2, 3)))])
def hstack(tup) -> Tensor:
    """Arrays joined along the second axis, 1-D ones along their only one.

    Parameters
    ----------
    tup : sequence of array_like

    Returns
    -------
    Tensor

    Examples
    --------
    >>> av.hstack([av.Tensor(np.ones(2)), av.Tensor(np.zeros(2))]).shape
    (4,)
    """
    parts = [atleast_1d(a) for a in tup]
    return concatenate(parts, 0 if parts and parts[0].ndim == 1 else 1)


@composed(np.dstack, samples=lambda: [Sample(arrays((2,), (2,))), Sample(arrays((1, 3, 1), (1, 3, 2)))])
def dstack(tup) -> Tensor:
    """Arrays joined along the third axis.

    Parameters
    ----------
    tup : sequence of array_like

    Returns
    -------
    Tensor

    Examples
    --------
    >>> av.dstack([av.Tensor(np.ones(2)), av.Tensor(np.zeros(2))]).shape
    (1, 2, 2)
    """
    return concatenate([atleast_3d(a) for a in tup], 2)


@composed(np.column_stack, samples=lambda: [Sample(arrays((2,), (2, 2)))])
def column_stack(tup) -> Tensor:
    """1-D arrays as the columns of a matrix; 2-D ones are joined as they are.

    Parameters
    ----------
    tup : sequence of array_like

    Returns
    -------
    Tensor

    Examples
    --------
    >>> av.column_stack([av.Tensor(np.ones(2)), av.Tensor(np.zeros(2))]).shape
    (2, 2)
    """
    return concatenate([reshape(a, (-1, 1)) if len(shape_of(a)) < 2 else a for a in tup], 1)


@registry.for_numpy(
    np.append,
    samples=lambda: [Sample(*arrays((2, 3), (2,))), Sample(*arrays((2, 3), (1, 3)), 0), Sample(arrays((3,)), 1.5)],
)
def _append(arr, values, axis=None) -> Tensor:
    """Two arrays joined, flattened if `axis` is None."""
    if axis is not None:
        return concatenate([arr, values], axis)
    arr = ravel(arr)
    if not isinstance(values, Operand):  # numbers and lists go where `arr` is
        values = namespace(arr.array).asarray(values)
    return concatenate([arr, ravel(values)], 0)


def _depth(nest, path="arrays"):
    """How deep the lists are: the same everywhere."""
    if not isinstance(nest, list):
        return 0
    if not nest:
        raise ValueError(f"block: {path} is an empty list")
    depths = {_depth(x, f"{path}[{i}]") for i, x in enumerate(nest)}
    if len(depths) > 1:
        raise ValueError(f"block: lists of different depths in {path}")
    return 1 + depths.pop()


@registry.for_numpy(
    np.block,
    samples=lambda: [
        Sample([[arrays((2, 2)), arrays((2, 1))], [arrays((1, 2)), arrays((1, 1))]]),
        Sample([arrays((2,)), arrays((3,))]),
        Sample(arrays((2,))),
    ],
)
def _block(arrays) -> Tensor:
    """Nested lists of arrays joined: the innermost lists along the last axis, the others before it."""

    def dimensions(nest):
        return max(map(dimensions, nest)) if isinstance(nest, list) else len(shape_of(nest))

    def join(nest, axis):
        if isinstance(nest, list):
            return concatenate([join(x, axis + 1) for x in nest], axis)
        shape = shape_of(nest)
        return reshape(nest, (1,) * (ndim - len(shape)) + shape)

    depth = _depth(arrays)
    ndim = max(depth, dimensions(arrays))
    return valued(join(arrays, -depth))


# ---------------------------------------------------------------- splitting


def _split_vjp(g, y_shapes, axis):
    """The parts put together; zeros for outputs that nobody used."""
    some = next(p for p in g.parts if p is not None)
    xp, dtype = namespace(some.array if isinstance(some, Operand) else some), some.dtype
    return concatenate.inner(
        [xp.zeros(shape, dtype) if p is None else p for p, shape in zip(g.parts, y_shapes, strict=True)], axis
    )


def _sections(ary_shape, indices_or_sections, axis):
    """The shapes of the parts."""
    n = ary_shape[axis]
    if isinstance(indices_or_sections, (int, np.integer)):
        parts = int(indices_or_sections)
        if parts <= 0:
            raise ValueError("the number of sections must be larger than 0")
        sizes = [n // parts + (i < n % parts) for i in range(parts)]
    else:
        ends = [0, *(slice(None, int(i)).indices(n)[1] for i in indices_or_sections), n]
        sizes = [b - a for a, b in pairwise(ends)]
        if any(k < 0 for k in sizes):  # NumPy gives parts that overlap
            raise ValueError(
                f"split: the places {list(indices_or_sections)} do not rise (of {n} elements); take parts that overlap "
                "by slices, x[a:b]"
            )
    return [(*ary_shape[:axis], k, *ary_shape[axis + 1 :]) for k in sizes]


@primitive(
    np.array_split,
    vjp={
        "ary": lambda g, ary_shape, indices_or_sections, axis: _split_vjp(
            g, _sections(ary_shape, indices_or_sections, axis_of(axis, len(ary_shape))), axis
        )
    },
    outputs=None, view=True, linear="each",
    samples=lambda: [
        Sample(arrays((5, 2)), 3),
        Sample(arrays((2, 5)), [1, 3], 1),
        Sample(arrays((4,)), 2, -1),
    ],
)  # fmt: skip
def array_split(ary, indices_or_sections, axis=0):
    """An array cut along an axis, into parts that may differ in size by one.

    Parameters
    ----------
    ary : array_like
    indices_or_sections : int or sequence of int
        The number of parts, or where to cut (rising).
    axis : int, default 0

    Returns
    -------
    tuple of Tensor

    Raises
    ------
    ValueError
        If the places where to cut do not rise.

    Examples
    --------
    >>> [t.shape for t in av.array_split(av.Tensor(np.arange(5.0)), 2)]
    [(3,), (2,)]
    """
    axis = axis_of(axis, ary.ndim)
    before, parts, start = (slice(None),) * axis, [], 0
    for shape in _sections(ary.shape, indices_or_sections, axis):
        stop = start + shape[axis]
        parts.append(ary[(*before, slice(start, stop))])
        start = stop
    return tuple(parts)


@composed(np.split, samples=lambda: [Sample(arrays((4, 6)), 2), Sample(arrays((4, 6)), (1, 4), axis=1)])
def split(ary, indices_or_sections, axis=0) -> tuple[Tensor, ...]:
    """An array cut along an axis into equal parts, or at given places.

    Parameters
    ----------
    ary : array_like
    indices_or_sections : int or sequence of int
        The number of parts, or where to cut (rising).
    axis : int, default 0

    Returns
    -------
    tuple of Tensor

    Raises
    ------
    ValueError
        If a number of parts does not divide the size, or the places do not rise.

    Examples
    --------
    >>> [t.shape for t in av.split(av.Tensor(np.arange(6.0)), [1, 3])]
    [(1,), (2,), (3,)]
    """
    n = shape_of(ary)[axis]
    if isinstance(indices_or_sections, (int, np.integer)) and n % indices_or_sections:
        raise ValueError(
            f"split: {n} elements do not split into {indices_or_sections} equal parts; array_split allows that"
        )
    return array_split(ary, indices_or_sections, axis)


def _split_along(ary, indices_or_sections, axis, least):
    ndim = len(shape_of(ary))
    if ndim < least:
        raise ValueError(f"an array of at least {least} dimensions is needed, got {ndim}")
    return split(ary, indices_or_sections, axis if ndim > axis else 0)


@composed(np.hsplit, samples=lambda: [Sample(arrays((4, 6, 2)), 2)])
def hsplit(ary, indices_or_sections) -> tuple[Tensor, ...]:
    """`split` along the second axis, or the only one.

    Parameters
    ----------
    ary : array_like, at least 1-D
    indices_or_sections : int or sequence of int

    Returns
    -------
    tuple of Tensor

    Examples
    --------
    >>> [t.shape for t in av.hsplit(av.Tensor(np.ones((2, 4))), 2)]
    [(2, 2), (2, 2)]
    """
    return _split_along(ary, indices_or_sections, 1, 1)


@composed(np.vsplit, samples=lambda: [Sample(arrays((4, 6, 2)), 2)])
def vsplit(ary, indices_or_sections) -> tuple[Tensor, ...]:
    """`split` along the first axis.

    Parameters
    ----------
    ary : array_like, at least 2-D
    indices_or_sections : int or sequence of int

    Returns
    -------
    tuple of Tensor

    Examples
    --------
    >>> [t.shape for t in av.vsplit(av.Tensor(np.ones((4, 2))), 2)]
    [(2, 2), (2, 2)]
    """
    return _split_along(ary, indices_or_sections, 0, 2)


@composed(np.dsplit, samples=lambda: [Sample(arrays((4, 6, 2)), 2)])
def dsplit(ary, indices_or_sections) -> tuple[Tensor, ...]:
    """`split` along the third axis.

    Parameters
    ----------
    ary : array_like, at least 3-D
    indices_or_sections : int or sequence of int

    Returns
    -------
    tuple of Tensor

    Examples
    --------
    >>> [t.shape for t in av.dsplit(av.Tensor(np.ones((1, 1, 4))), 2)]
    [(1, 1, 2), (1, 1, 2)]
    """
    return _split_along(ary, indices_or_sections, 2, 3)


@composed(np.unstack, samples=lambda: [Sample(arrays((3, 2))), Sample(arrays((3, 2)), axis=1)])
def unstack(x, /, *, axis=0) -> tuple[Tensor, ...]:
    """The sub-arrays along an axis: the opposite of `stack`.

    Parameters
    ----------
    x : array_like, at least 1-D
    axis : int, default 0

    Returns
    -------
    tuple of Tensor

    Examples
    --------
    >>> [t.shape for t in av.unstack(av.Tensor(np.ones((2, 3))), axis=1)]
    [(2,), (2,), (2,)]
    """
    shape = shape_of(x)
    if not shape:
        raise ValueError("unstack needs an array of at least one dimension")
    axis = axis_of(axis, len(shape))
    inner = shape[:axis] + shape[axis + 1 :]
    return tuple(reshape(part, inner) for part in array_split(x, shape[axis], axis)) if shape[axis] else ()


# ---------------------------------------------------------------- repeating, rolling, flipping


@composed(
    np.repeat, methods="repeat",
    samples=lambda: [
        Sample(arrays((2, 3)), 2),
        Sample(arrays((2, 3)), 2, 1),
        Sample(arrays((2, 3)), [1, 0, 2], -1),
        Sample(arrays(()), 3),
    ],
)  # fmt: skip
def repeat(a, repeats, axis=None) -> Tensor:
    """Each element (or sub-array along `axis`) several times in a row.

    Parameters
    ----------
    a : array_like
    repeats : int, or integers of the size of that axis
    axis : int, optional
        None works on the flattened array.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> av.repeat(av.Tensor(np.array([1.0, 2.0])), 2).numpy().tolist()
    [1.0, 1.0, 2.0, 2.0]
    """
    if axis is None:
        a, axis = ravel(a), 0
    shape = shape_of(a)
    axis = axis_of(axis, len(shape))
    if not isinstance(repeats, (int, np.integer)):
        from .index import take

        a = as_tensor(a)
        xp = namespace(a.array)
        repeats = repeats.array if isinstance(repeats, Operand) else xp.asarray(repeats)
        return take(a, xp.repeat(xp.arange(shape[axis]), repeats), axis)
    spread = broadcast_to(expand_dims(a, axis + 1), (*shape[: axis + 1], int(repeats), *shape[axis + 1 :]))
    return reshape(spread, (*shape[:axis], shape[axis] * int(repeats), *shape[axis + 1 :]))


@composed(
    np.tile,
    samples=lambda: [
        Sample(arrays((2, 3)), 2),
        Sample(arrays((2,)), (3, 1, 2)),
        Sample(arrays(()), (2,)),
        Sample(arrays((2, 1, 2)), (2, 1)),
    ],
)
def tile(A, reps) -> Tensor:
    """The whole array several times along each axis.

    Parameters
    ----------
    A : array_like
    reps : int or tuple of int
        How often along each axis; counted from the last one.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> av.tile(av.Tensor(np.array([1.0, 2.0])), (2, 2)).shape
    (2, 4)
    """
    shape = shape_of(A)
    reps = tuple(reps) if isinstance(reps, (tuple, list, np.ndarray)) else (reps,)
    ndim = max(len(shape), len(reps))
    shape, reps = (1,) * (ndim - len(shape)) + shape, (1,) * (ndim - len(reps)) + tuple(map(int, reps))
    apart = reshape(A, tuple(n for size in shape for n in (1, size)))
    spread = broadcast_to(apart, tuple(n for pair in zip(reps, shape, strict=True) for n in pair))
    return reshape(spread, tuple(r * n for r, n in zip(reps, shape, strict=True)))


def _back(shift):
    return tuple(-s for s in shift) if isinstance(shift, (tuple, list)) else -shift


@primitive(
    np.roll, vjp={"a": lambda g, shift, axis: roll.inner(g, _back(shift), axis)}, linear="each",
    samples=lambda: [
        Sample(arrays((2, 3)), 1),
        Sample(arrays((2, 3)), -2, 1),
        Sample(arrays((2, 3)), (1, 2), (0, 1)),
        Sample(zeros((0, 2)), 1, 0),
    ],
)  # fmt: skip
def roll(a, shift, axis=None):
    """Elements moved along an axis; those that fall off come in at the other end.

    Parameters
    ----------
    a : array_like
    shift : int or tuple of int
    axis : int or tuple of int, optional
        None works on the flattened array.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> av.roll(av.Tensor(np.arange(4.0)), 1).numpy().tolist()
    [3.0, 0.0, 1.0, 2.0]
    """
    return namespace(a).roll(a, shift, axis)


@composed(
    np.flip, samples=lambda: [Sample(arrays((2, 3))), Sample(arrays((2, 3)), 1), Sample(arrays((2, 3, 2)), (0, -1))]
)
def flip(m, axis=None) -> Tensor:
    """Elements in the reverse order along one, several or all axes.

    Parameters
    ----------
    m : array_like
    axis : int or tuple of int, optional

    Returns
    -------
    Tensor

    Examples
    --------
    >>> av.flip(av.Tensor(np.arange(3.0))).numpy().tolist()
    [2.0, 1.0, 0.0]
    """
    m = as_tensor(m)
    axes = axes_of(axis, m.ndim)
    return m[tuple(slice(None, None, -1) if i in axes else slice(None) for i in range(m.ndim))]


@composed(np.fliplr, samples=lambda: [Sample(arrays((2, 3)))])
def fliplr(m) -> Tensor:
    """Columns in the reverse order: `flip` along axis 1.

    Parameters
    ----------
    m : array_like

    Returns
    -------
    Tensor

    Examples
    --------
    >>> av.fliplr(av.Tensor(np.array([[1.0, 2.0], [3.0, 4.0]]))).numpy().tolist()
    [[2.0, 1.0], [4.0, 3.0]]
    """
    return flip(m, 1)


@composed(np.flipud, samples=lambda: [Sample(arrays((2, 3)))])
def flipud(m) -> Tensor:
    """Rows in the reverse order: `flip` along axis 0.

    Parameters
    ----------
    m : array_like

    Returns
    -------
    Tensor

    Examples
    --------
    >>> av.flipud(av.Tensor(np.array([[1.0, 2.0], [3.0, 4.0]]))).numpy().tolist()
    [[3.0, 4.0], [1.0, 2.0]]
    """
    return flip(m, 0)


@composed(
    np.rot90, samples=lambda: [*(Sample(arrays((2, 3)), k) for k in range(-1, 5)), Sample(arrays((2, 3, 4)), 1, (2, 0))]
)
def rot90(m, k=1, axes=(0, 1)) -> Tensor:
    """Turned by `k` quarters of a circle in the plane of two axes, from the first to the second.

    Parameters
    ----------
    m : array_like, at least 2-D
    k : int, default 1
    axes : pair of int

    Returns
    -------
    Tensor

    Examples
    --------
    >>> av.rot90(av.Tensor(np.array([[1.0, 2.0]]))).numpy().tolist()
    [[2.0], [1.0]]
    """
    first, second = axes_of(tuple(axes), len(shape_of(m)))
    k %= 4
    if k == 0:
        return valued(m)
    if k == 2:
        return flip(m, (first, second))
    return swapaxes(flip(m, second), first, second) if k == 1 else flip(swapaxes(m, first, second), second)


# ---------------------------------------------------------------- triangles


def _triangles():
    return [
        Sample(arrays((3, 4))), Sample(arrays((2, 3, 3)), 1), Sample(arrays((3, 3)), -1), Sample(arrays((0, 2))),
        Sample(arrays((3,)), 1),
    ]  # fmt: skip


def _of_rows(g, m_shape):
    """NumPy makes a square of one row: then its copies go back into one."""
    return g if len(m_shape) > 1 else g.sum(axis=0)


@primitive(
    np.tril, vjp={"m": lambda g, m_shape, k: _of_rows(tril.inner(g, k), m_shape)}, linear="each", samples=_triangles
)
def tril(m, k=0):
    """Zeros above the `k`-th diagonal.

    Parameters
    ----------
    m : array_like, shape (..., rows, columns)
    k : int, default 0
        0 is the main diagonal; larger ones lie above it.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> av.tril(av.Tensor(np.ones((2, 2)))).numpy().tolist()
    [[1.0, 0.0], [1.0, 1.0]]
    """
    return namespace(m).tril(m, k)


@primitive(
    np.triu, vjp={"m": lambda g, m_shape, k: _of_rows(triu.inner(g, k), m_shape)}, linear="each", samples=_triangles
)
def triu(m, k=0):
    """Zeros below the `k`-th diagonal.

    Parameters
    ----------
    m : array_like, shape (..., rows, columns)
    k : int, default 0
        0 is the main diagonal; larger ones lie above it.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> av.triu(av.Tensor(np.ones((2, 2)))).numpy().tolist()
    [[1.0, 1.0], [0.0, 1.0]]
    """
    return namespace(m).triu(m, k)


# ---------------------------------------------------------------- copies and casts


@primitive(np.copy, vjp={"a": lambda g: g}, linear="each", methods="copy", samples=lambda: [Sample(arrays((2, 3)))])
def copy(a, order="C"):
    """A Tensor with the same values: of a Variable its present value.

    Parameters
    ----------
    a : array_like
    order : {"C", "F", "A", "K"}
        How they lie in memory.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> v = av.Variable(1.0)
    >>> before = av.copy(v)
    >>> (v.assign(2.0) - before).item()
    1.0
    """
    return a.copy(order)


@primitive(
    vjp={"x": lambda g, x_dtype: cast(g, x_dtype)}, linear="each", name="astype",
    samples=lambda: [Sample(arrays((2, 3)), np.float32, smooth=False), Sample(arrays((2, 3)), np.complex128)],
)  # fmt: skip
def _astype(x, dtype):
    """`x` in another dtype."""
    return x.astype(dtype)


@composed(np.astype, samples=lambda: [Sample(arrays((3, 2)), np.float64)])
def astype(x, dtype, /, *, copy=True) -> Tensor:
    """The values in another dtype. Through integers and bools no gradient passes.

    Parameters
    ----------
    x : array_like
    dtype : dtype
    copy : bool
        Without meaning here.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> av.astype(av.Tensor(np.array([1.7])), np.int32).numpy()
    array([1], dtype=int32)
    """
    dtype = np.dtype(dtype)
    if is_differentiable(dtype):
        return _astype(x, dtype)
    x = as_tensor(x)
    mark_break(x, f"a cast to {dtype} passes no gradient")
    return tensor_of(x.array.astype(dtype))


def _astype_method(self, dtype, order="K", casting="unsafe", subok=True, copy=True):
    """The values in another dtype; `order`, `subok` and `copy` have no meaning here."""
    if casting != "unsafe" and not np.can_cast(self.dtype, dtype, casting):
        raise TypeError(f"astype: {self.dtype} to {np.dtype(dtype)} is no {casting!r} cast")
    return astype(self, dtype)


install("astype", _astype_method)
registry.ops["astype"].public = astype


@primitive(
    name="to", vjp={"a": lambda g, device, back: _to.inner(g, back, device)}, linear="each",
    samples=lambda: [Sample(arrays((2, 3)))],
)  # fmt: skip
def _to(a, device=None, back=None):
    """A copy on a device (`Operand.to`), by None where it lies; the gradient goes to the device `back` it came from."""
    from ..base.devices import moved

    return moved(a, device)
