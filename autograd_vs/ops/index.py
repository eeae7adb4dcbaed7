"""Indexing: reading at an index, updates at an index that return a new Tensor, gathering and scattering. Floor 2.

An index is an attribute of its op, not an operand. `_settled` brings it into the form that entries keep: a tuple (or
one basic part) in which arrays are integer or bool arrays that nobody writes to, or Tensors of these.
"""

from math import prod

import numpy as np

from ..base.backend import NUMPYS, add_at, as_array, beside, has_values, is_array, is_writable, kernel, namespace
from ..engine.cotangent import IndexedSlices, bare
from ..engine.declare import composed, primitive
from ..engine.op import fit
from ..engine.outside import outside
from ..engine.protocol import Operand, install
from ..engine.record import active
from ..engine.samples import Sample, arrays, integers, values, zeros
from ..engine.tensor import Tensor, as_tensor
from .shape import axis_of, cast, ravel, shape_of

__all__ = ["take", "take_along_axis"]

FULL = slice(None)
BASIC = {int, slice, type(None), type(Ellipsis)}

# ---------------------------------------------------------------- the forms of an index


def _settled(index):
    """An index in the form that entries keep; basic ones come back as they are."""
    if index.__class__ in BASIC:
        return index
    if index.__class__ is tuple:
        for part in index:
            if part.__class__ not in BASIC:
                return tuple(map(_part, index))
        return index
    return (_part(index),)


def _part(part):
    if part.__class__ in BASIC or isinstance(part, np.integer):
        return part
    if isinstance(part, Operand):
        if part.dtype.kind not in "biu":
            raise IndexError(f"an index must be integer or bool, got a {type(part).__name__} of dtype {part.dtype}")
        return part if part.__class__ is Tensor else Tensor(part)
    given = is_array(part)
    array = as_array(part)
    if not given and array.size == 0:
        array = array.astype(np.intp)
    if array.dtype.kind not in "biu":
        raise IndexError(f"an index must be integer or bool, got dtype {array.dtype}")
    return array.copy() if given and active() is not None and is_writable(array) else array


def _bare(index):
    """An index for bare arrays."""
    if index.__class__ is not tuple:
        return index
    return tuple([p.array if p.__class__ is Tensor else p for p in index])


def _is_plain(index) -> bool:
    """Can no element be addressed twice? True for basic indices and bool masks."""
    parts = index if index.__class__ is tuple else (index,)
    return all(p.__class__ in BASIC or isinstance(p, np.integer) or p.dtype.kind == "b" for p in parts)


def _is_rows(index) -> bool:
    """True for one array of integers and nothing else (but full slices)."""
    if index.__class__ is not tuple or not index or index[0].__class__ in BASIC or isinstance(index[0], np.integer):
        return False
    return index[0].dtype.kind in "iu" and all(p is Ellipsis or (p.__class__ is slice and p == FULL) for p in index[1:])


# ---------------------------------------------------------------- reading


def _getitem_samples():
    x = arrays((3, 4, 2))
    rows, columns = values([2, 0, 2]), values([[1], [3]])
    mask = x[..., 0] > 0
    forms = [
        1, -1, slice(None, None, -2), (0, slice(1, 3)), (Ellipsis, 0), (None, 1, None, Ellipsis), (slice(1, 1),),
        (rows, slice(None), 1), (slice(None), rows), (rows, 1), (rows[:2], columns), (rows, slice(None), rows - 2),
        (columns - 1, None, slice(None), values([0, 1])), mask, (mask,), (mask, 0), (slice(None), mask[0]),
        (0, mask[0], 1),
        x > 0, (mask[:, 0], slice(None), 1), (), True, values(False), ([0, 1], [1, 1]), values([[0, 1], [1, 1]]),
    ]  # fmt: skip
    found = [Sample(x, index) for index in forms]
    return [*found, Sample(arrays(()), ()), Sample(x[::2].T, (0, rows - 2)), Sample(arrays((3,), dtype=complex), rows)]


@primitive(
    vjp={"x": lambda g, x_shape, index: scatter_add.inner(g, index, x_shape)},
    linear="each", view=True, name="getitem", samples=_getitem_samples,
)  # fmt: skip
def _getitem(x, index):
    """``x[index]``."""
    return x[_bare(index)]


def _at_index(self, index):
    """``t[index]`` with every form of index that NumPy has; Tensors may be indices."""
    if index.__class__ not in BASIC:
        index = _beside(_settled(index), self.array)
        if _is_rows(index) and self.ndim:
            return _take(self, index[0], 0, "raise" if self.array.__class__ in NUMPYS else "wrap")
    return _getitem(self, index)


def _beside(index, a):
    """A settled index with its arrays in the library of the array `a`: lists and masks from the host go up once.

    CuPy wraps indices that are out of range round, so they are checked here: those from the host without any wait.
    """
    if a.__class__ in NUMPYS or index.__class__ is not tuple:
        return index
    taken = sum(_taken(p) for p in index)
    axis = 0
    for part in index:
        if part is Ellipsis:
            axis += a.ndim - taken
            continue
        if hasattr(part, "dtype") and part.dtype.kind in "iu" and axis < a.ndim:
            check_range(part, a.shape[axis], axis)
        axis += _taken(part)
    return tuple([beside(p, a) if is_array(p) else p for p in index])


def _taken(part) -> int:
    """How many axes a part of an index stands for."""
    if part is None or part is Ellipsis:
        return 0
    return part.ndim if hasattr(part, "dtype") and part.dtype.kind == "b" else 1


def check_range(indices, n, axis) -> None:
    """IndexError unless the integers are in ``[-n, n)``."""
    a = indices.array if isinstance(indices, Operand) else indices
    if not has_values(a):
        outside(check_range, a, n, axis)
        return
    if a.size and bool(((a < -n) | (a >= n)).any()):
        raise IndexError(f"an index is out of bounds for axis {axis} of size {n}")


install("__getitem__", _at_index)
_getitem.op.public = _at_index


def _scatter_samples():
    return [
        Sample(arrays((2, 3)), (slice(None), 1), (2, 4, 3)),
        Sample(arrays((3,)), (values([1, 1, 0]),), (4,)),
        Sample(arrays((2, 2)), (values([[1, 1], [0, -1]]), 0), (3, 2)),
    ]


@primitive(
    vjp={"g": lambda g, index: _getitem.inner(g, index)}, arity=1, linear="each", name="scatter_add",
    samples=_scatter_samples,
)  # fmt: skip
def scatter_add(g, index, shape):
    """Zeros of `shape` to which `g` is added at the index: the gradient of reading there."""
    xp = namespace(g)
    y = xp.zeros(shape, g.dtype)
    if _is_plain(index):
        y[_bare(index)] = g
    else:
        add_at(y, _bare(index), g)
    return y


# ---------------------------------------------------------------- rows


@primitive(
    vjp={"values": lambda g, indices: _take.inner(g, indices, 0, "wrap")}, arity=1, linear="each", name="scatter_rows",
    samples=lambda: [
        Sample(arrays((3, 2)), values([1, 1, 3]), (4, 2)),
        Sample(arrays((2, 2, 2)), values([0, 2]), (3, 2, 2)),
        Sample(arrays((4,)), values([0, 0, 1, 0]), (2,)),
        Sample(zeros((0, 2)), zeros(0, int), (3, 2)),
    ],
)  # fmt: skip
def scatter_rows(values, indices, shape):
    """Zeros of `shape` to whose rows ``indices[i]`` the ``values[i]`` are added: `IndexedSlices` made dense."""
    indices = indices.array if isinstance(indices, Operand) else indices
    if values.ndim > 1 and indices.size > 1 and values.__class__ in NUMPYS:
        return _rows_added(values, indices, shape)
    y = namespace(values).zeros(shape, values.dtype)
    add_at(y, indices, values)
    return y


@kernel
def _rows_added(values, indices, shape):
    """Sorted by row, then summed run by run: several times faster than ``add.at`` for rows of numbers."""
    xp = namespace(values)
    y = xp.zeros(shape, values.dtype)
    order = indices.argsort(kind="stable")
    rows = indices[order]
    starts = xp.flatnonzero(xp.concatenate((xp.ones(1, bool), rows[1:] != rows[:-1])))
    if starts.size == rows.size:
        y[indices] = values
    else:
        y[rows[starts]] = np.add.reduceat(values[order], starts, 0)
    return y


def _take_vjp(g, indices, a_shape, axis, mode):
    n = a_shape[axis]
    indices = indices if indices.dtype == np.intp else indices.astype(np.intp)  # n may not fit into 8 bits
    if mode == "clip":
        indices = indices.clip(0, n - 1)
    elif mode == "wrap":
        indices = indices % n
    else:
        indices = indices + (indices < 0) * n
    if axis:
        lead = axis_of(axis, len(a_shape))
        g = g.transpose((*range(lead, lead + indices.ndim), *range(lead), *range(lead + indices.ndim, g.ndim)))
        rows = (n, *a_shape[:lead], *a_shape[lead + 1 :])
        dense = scatter_rows.inner(g.reshape((prod(indices.shape), *rows[1:])), indices.reshape(-1), rows)
        return dense.transpose((*range(1, lead + 1), 0, *range(lead + 1, len(a_shape))))
    if isinstance(indices, Operand):
        indices = indices.array
    size = prod(indices.shape)
    return IndexedSlices(g.reshape((size, *a_shape[1:])), indices.reshape(-1), a_shape, True)


def _take_samples():
    ids = integers((2, 2), -3, 3)
    return [
        Sample(arrays((3, 2)), values([0, 2, 2]), 0),
        Sample(arrays((3, 2)), ids, 0),
        Sample(arrays((2, 3, 2)), ids, 1),
        Sample(arrays((2, 3)), values(1), -1),
        Sample(arrays((4,)), values([5, -9]), 0, "wrap"),
        Sample(arrays((4,)), values([5, -9, 5]), 0, "clip"),
        Sample(arrays((3, 2)), zeros(0, int), 0),
    ]


@primitive(
    vjp={"a": _take_vjp}, arity=2, jvp={"a": lambda t, indices, axis, mode: _take.inner(t, indices, axis, mode)},
    name="take",
    samples=_take_samples,
)  # fmt: skip
def _take(a, indices, axis, mode="raise"):
    """Sub-arrays of `a` along an axis."""
    if a.__class__ in NUMPYS:
        return a.take(indices, axis, None, mode)
    n = a.shape[axis]
    if mode == "raise":  # CuPy wraps round instead
        check_range(indices, n, axis)
    indices = indices.astype(np.intp, copy=False)
    return a.take(indices % n if mode != "clip" else indices.clip(0, n - 1), axis)


@composed(
    np.take,
    methods="take",
    samples=lambda: [
        Sample(arrays((2, 3)), values([5, 0])),
        Sample(arrays((2, 3)), 1, 1),
        Sample(arrays((0, 3)), values([2, 0]), 1),
        Sample(arrays((2, 3)), values([5, -9]), 0, mode="wrap"),
        Sample(arrays(()), values([5, -9]), 0, mode="wrap"),
    ],
)
def take(a, indices, axis=None, out=None, mode="raise") -> Tensor:
    """The sub-arrays of `a` at `indices` along an axis: ``a[..., indices, ...]``.

    Parameters
    ----------
    a : array_like
    indices : array_like, int
    axis : int, optional
        None works on the flattened array.
    out : None
        Not supported.
    mode : {"raise", "wrap", "clip"}
        What becomes of indices out of bounds.

    Returns
    -------
    Tensor

    Raises
    ------
    IndexError
        If an index is out of bounds and `mode` is "raise".

    Notes
    -----
    Along axis 0 the gradient for a Variable is an `IndexedSlices`: its cost does not depend on the number of rows.

    Examples
    --------
    >>> av.take(av.Tensor(np.array([[1.0], [2.0]])), np.array([1, 1]), axis=0).numpy().tolist()
    [[2.0], [2.0]]
    """
    if out is not None:
        raise TypeError("take: out= is not supported for Tensors; use the Tensor that it returns")
    if not isinstance(indices, Operand):
        indices = as_array(indices)
        if not indices.size:
            indices = indices.astype(np.intp)
    if indices.dtype.kind not in "iu":
        raise IndexError(f"take: indices must be integers, got dtype {indices.dtype}")
    if axis is None or not shape_of(a):
        a, axis = ravel(a), 0 if axis is None else axis_of(axis, 1)
    if isinstance(a, Operand) and a.array.__class__ not in NUMPYS:
        if mode == "raise":
            check_range(indices, a.shape[axis], axis)
            mode = "wrap"
        indices = indices if isinstance(indices, Operand) else beside(indices, a.array)
    return _take(a, indices, axis, mode)


def places_along(indices, axis, shape):
    """The index that pairs each element of `indices` with its own place along all axes but `axis`; they broadcast."""
    xp = namespace(indices)
    return tuple(
        indices if i == axis else xp.arange(n).reshape(tuple(-1 if j == i else 1 for j in range(len(shape))))
        for i, n in enumerate(shape)
    )


def _take_along_vjp(g, indices, arr_shape, axis):
    if isinstance(indices, Operand):
        indices = indices.array
    return scatter_add.inner(g, places_along(indices, axis_of(axis, len(arr_shape)), arr_shape), arr_shape)


@primitive(
    vjp={"arr": _take_along_vjp}, arity=2, name="take_along_axis",
    jvp={"arr": lambda t, indices, axis: take_along.inner(t, indices, axis)},
    samples=lambda: [
        Sample(arrays((2, 4)), values([[0, 0], [3, 1]]), 1),
        Sample(arrays((3, 2)), values([[2, -1]]), 0),
        Sample(arrays((2, 3, 2)), values([[[1], [0], [1]]]), -1),
        Sample(arrays((1, 4)), values([[0, 3], [1, 1]]), 1),
    ],
)  # fmt: skip
def take_along(arr, indices, axis):
    """Elements of `arr` along an axis, by an index for each place."""
    return arr[places_along(indices, axis_of(axis, arr.ndim), arr.shape)]


@composed(np.take_along_axis, samples=lambda: [Sample(arrays((2, 3)), values([5, 0, 0]), None)])
def take_along_axis(arr, indices, axis=-1) -> Tensor:
    """Elements along an axis, by an index for each place, as `argsort` and `argmax` (with keepdims) give them.

    Parameters
    ----------
    arr : array_like
    indices : array_like, int
        Of as many dimensions as `arr`; the others than `axis` broadcast.
    axis : int or None
        None works on the flattened array.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> x = av.Tensor(np.array([[3.0, 1.0, 2.0]]))
    >>> av.take_along_axis(x, np.argsort(x), axis=1).numpy().tolist()
    [[1.0, 2.0, 3.0]]
    """
    arr, indices = as_tensor(arr), as_tensor(indices)
    if indices.dtype.kind not in "iu":
        raise IndexError(f"take_along_axis: indices must be integers, got dtype {indices.dtype}")
    if axis is None:
        arr, axis = ravel(arr), 0
    if arr.ndim != indices.ndim:
        raise ValueError(f"take_along_axis: indices have {indices.ndim} dimensions, the array has {arr.ndim}")
    if arr.array.__class__ not in NUMPYS:
        check_range(indices, arr.shape[axis], axis)
    return take_along(arr, indices, axis)


# ---------------------------------------------------------------- updates: t.at[i].set(v) and its kin
# The public form of each settles the index and makes `value` an array; the rules see (x, value, index).


def _updated(a, value, index, how):
    """A copy of `a`, changed at the index."""
    fits = np.can_cast(value.dtype, a.dtype, "same_kind")
    xp = namespace(a)
    y = xp.empty(a.shape, a.dtype if fits else np.result_type(a.dtype, value.dtype))
    y[...] = a
    index = _bare(index)
    if a.ndim == 1 and index.__class__ is tuple and len(index) == 1 and 0 < value.ndim < getattr(index[0], "ndim", 0):
        value = xp.broadcast_to(value, index[0].shape)  # NumPy's ufunc.at reads beyond its end (2.1 to 2.5)
    how(y, index, value)
    return y


def _assign(y, index, value):
    xp = namespace(y)
    if _is_plain(index):
        y[index] = value
        return
    if xp is np:  # the last one in C order: NumPy goes in the order of the memory where all arrays agree on another
        y[tuple([p.copy() if hasattr(p, "flags") and not p.flags.c_contiguous else p for p in index])] = value
        return
    last, places = _last(y.shape, index, xp)  # CuPy would store any one of several values for an element
    if places.size:
        value = xp.broadcast_to(value, places.shape).reshape(-1)
        y[...] = xp.where(last < 0, y, value[last].astype(y.dtype, copy=False))


def _last(shape, index, xp):
    """The number of the last value that goes to each element (-1 where none does), and the numbers of all values."""
    last = xp.full(shape, -1)
    places = xp.arange(prod(last[index].shape)).reshape(last[index].shape)
    xp.maximum.at(last, index, places)
    return last, places


def _winners(shape, index, xp):
    """Which values are kept where an index occurs several times and one is set: the last; None if that cannot be."""
    if _is_plain(index):
        return None
    index = _bare(index)
    last, places = _last(shape, index, xp)
    return last[index] == places


def _set_value_vjp(g, value_shape, value_dtype, index, x_shape):
    taken = _getitem.inner(g, index)
    winners = _winners(x_shape, index, namespace(bare(taken)))
    if winners is not None:
        taken = taken * winners
    return fit(taken, value_shape, value_dtype)


def _update_samples(multiply=False):
    def samples():
        x = arrays((3, 4), apart=1.0)
        found = [
            Sample(x, arrays((4,), seed=1), 1),
            Sample(x, arrays((), seed=2), (slice(None), slice(None, None, 2))),
            Sample(x, arrays((3, 1), seed=3), (slice(None), slice(1, 3))),
            Sample(x, arrays((2,), seed=4), (values([2, 0]), values([1, 1]))),
            Sample(x, values(0.7), (x > 0,)),
            Sample(arrays(()), arrays((), seed=5), ()),
        ]
        if not multiply:
            found.append(Sample(x, arrays((3, 4), seed=6, apart=0.5), (values([1, 1, 0]),)))
            found.append(Sample(x[0], arrays((2,), seed=7, apart=0.5), (values([[1, 0], [3, 1], [1, 2]]),)))
        return found

    return samples


def _zero(like):
    """Zero of the dtype and the library of `like`, which may be a Tensor."""
    return namespace(bare(like)).zeros((), like.dtype)


@primitive(
    vjp={
        "x": lambda g, x_dtype, index: cast(_index_set.inner(g, _zero(g), index), x_dtype),
        "value": _set_value_vjp,
    },
    jvp={
        "x": lambda t, index: _index_set.inner(t, _zero(t), index),
        "value": lambda t, x_shape, index: _spread_out(t, index, x_shape),
    },
    name="index_set", samples=_update_samples(),
)  # fmt: skip
def _index_set(x, value, index):
    """`x` with `value` at the index; where an index occurs twice the last one stays."""
    return _updated(x, value, index, _assign)


def _spread_out(t, index, shape):
    """The tangent of a value that was set: zeros elsewhere."""
    zeros = namespace(t.array).zeros(shape, t.dtype)
    return _index_set.inner(zeros, t, index)


@primitive(
    vjp={
        "x": lambda g, x_dtype: cast(g, x_dtype),
        "value": lambda g, value_shape, value_dtype, index: fit(_getitem.inner(g, index), value_shape, value_dtype),
    },
    jvp={
        "x": lambda t: t,
        "value": lambda t, x_shape, index: _index_add.inner(namespace(t.array).zeros(x_shape, t.dtype), t, index),
    },
    name="index_add", samples=_update_samples(),
)  # fmt: skip
def _index_add(x, value, index):
    """`x` with `value` added at the index, once for each time that it occurs."""
    return _updated(x, value, index, add_at)


def _multiply_at(y, index, value):
    y[index] *= value


@primitive(
    vjp={
        "x": lambda g, value, x_dtype, index: cast(_index_multiply.inner(g, value, index), x_dtype),
        "value": lambda g, x, value_shape, value_dtype, index: fit(
            _getitem.inner(g, index) * _getitem.inner(x, index), value_shape, value_dtype
        ),
    },
    jvp={
        "x": lambda t, value, index: _index_multiply.inner(t, value, index),
        "value": lambda t, x, index: scatter_add.inner(t * _getitem.inner(x, index), index, x.shape),
    },
    name="index_multiply", samples=_update_samples(multiply=True),
)  # fmt: skip
def _index_multiply(x, value, index):
    """`x` multiplied by `value` at an index that names each element at most once."""
    return _updated(x, value, index, _multiply_at)


def _shares(g, x, value, y, index):
    """`g` divided by how many of the candidates for each element are equal to the extreme."""
    ties = (value == _getitem.inner(y, index)).astype(g.dtype)
    return g / _index_add.inner((x == y).astype(g.dtype), ties, index)


def _extreme_rules():
    return {
        "x": lambda g, x, value, y, x_dtype, index: cast(_shares(g, x, value, y, index) * (x == y), x_dtype),
        "value": lambda g, x, value, y, value_shape, value_dtype, index: fit(
            _getitem.inner(_shares(g, x, value, y, index), index) * (value == _getitem.inner(y, index)),
            value_shape,
            value_dtype,
        ),
    }


@primitive(vjp=_extreme_rules(), name="index_max", samples=_update_samples())
def _index_max(x, value, index):
    """The larger of `x` and `value` at the index; equal candidates share the gradient."""
    return _updated(x, value, index, lambda y, i, v: namespace(y).maximum.at(y, i, v))


@primitive(vjp=_extreme_rules(), name="index_min", samples=_update_samples())
def _index_min(x, value, index):
    """The smaller of `x` and `value` at the index; equal candidates share the gradient."""
    return _updated(x, value, index, lambda y, i, v: namespace(y).minimum.at(y, i, v))


def _rounds(shape, index, xp):
    """For each value at an index: the flat place that it goes to, and how many values before it go there."""
    flat = xp.arange(prod(shape)).reshape(shape)[_bare(index)]
    order = flat.reshape(-1).argsort(kind="stable")
    rows = flat.reshape(-1)[order]
    run = xp.arange(rows.size)
    first = xp.concatenate((xp.ones(1, bool), rows[1:] != rows[:-1])) if rows.size else xp.ones(0, bool)
    group = xp.cumsum(first) - 1  # the k-th different element
    start = xp.zeros(rows.size, run.dtype)
    xp.maximum.at(start, group, run * first)
    number = xp.empty(rows.size, run.dtype)
    number[order] = run - start[group]
    return flat, number.reshape(flat.shape)


def _multiplied(x, value, index):
    """`index_multiply` where an element may occur several times: one round for each time."""
    if _is_plain(index):
        return _index_multiply(x, value, index)
    value = as_tensor(value)
    flat, number = _rounds(x.shape, index, namespace(x.array))
    if not number.size or not number.any():
        return _index_multiply(x, value, index)
    factors = (value + namespace(flat).zeros(flat.shape, value.dtype)).reshape(-1)
    y = x.reshape(-1)
    for i in range(int(number.max()) + 1):
        mask = (number == i).reshape(-1)
        y = _index_multiply(y, factors[mask], (flat.reshape(-1)[mask],))
    return y.reshape(x.shape)


def _public(op, name):
    """The form of an update that `t.at[...]` calls: it takes any index and any value."""

    def update(x, value, index):
        x = as_tensor(x)
        index = _beside(_settled(index), x.array)
        if value.__class__ in (float, int, bool, complex):
            value = namespace(x.array).asarray(value, np.result_type(x.dtype, value))
        return op(x, value, index)

    update.__name__ = update.__qualname__ = name
    update.__doc__ = f"`x` with an update at an index: ``x.at[index].{name.removeprefix('index_')}(value)``."
    return update


index_set = _public(_index_set, "index_set")
index_add = _public(_index_add, "index_add")
index_multiply = _public(_multiplied, "index_multiply")
index_min = _public(_index_min, "index_min")
index_max = _public(_index_max, "index_max")
for _op, _call in (
    (_index_set, index_set), (_index_add, index_add), (_index_multiply, index_multiply), (_index_min, index_min),
    (_index_max, index_max),
):  # fmt: skip
    _op.op.public = _call


def check_ids(ids, n, what) -> None:
    """IndexError that names the first number which is not in ``[0, n)``."""
    if not has_values(ids):
        outside(check_ids, ids, n, what)
        return
    # As unsigned numbers negative ones are large: one reduction finds both.
    if ids.size and int((ids.view(f"u{ids.dtype.itemsize}") if ids.dtype.kind == "i" else ids).max()) >= n:
        wrong = ids[(ids < 0) | (ids >= n)].reshape(-1)[0]
        raise IndexError(f"{what} {int(wrong)} is out of range: there are {n}, numbered from 0")
