"""Elements elsewhere: borders, scattering, choosing, inserting and deleting, functions along axes. Floor 2.

Loaded at first use (`later.py`). Nearly all of it is composed of `take`, `concatenate` and updates at an index, which
are differentiable any number of times. Positions are worked out on the host, where the user wrote them.
"""

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from ..base.backend import as_array, beside, copy, is_array, namespace, on_host
from ..base.dtypes import is_differentiable
from ..engine import registry
from ..engine.declare import composed, primitive
from ..engine.op import constant
from ..engine.protocol import Operand, install, mark_break
from ..engine.samples import Sample, arrays, values, zeros
from ..engine.tensor import Tensor, as_tensor, tensor_of
from .elementwise import ldexp, where
from .index import check_range, index_set, places_along, take, take_along_axis
from .reduce import max as largest
from .reduce import mean
from .reduce import min as smallest
from .shape import (
    astype,
    axis_of,
    broadcast_arrays,
    broadcast_to,
    concatenate,
    expand_dims,
    moveaxis,
    ravel,
    reshape,
    shape_of,
    stack,
    tile,
    valued,
)
from .sort import sort

__all__ = [
    "apply_along_axis", "apply_over_axes", "bitwise_count", "choose", "compress", "delete", "extract", "frexp", "full",
    "insert", "isnat", "ix_", "packbits", "pad", "piecewise", "ravel_multi_index", "resize", "scatter", "unpackbits",
]  # fmt: skip


def _no_out(name, out):
    if out is not None:
        raise TypeError(f"{name}: out= is not supported for Tensors; use the Tensor that it returns")


def _with_gradients(x) -> bool:
    """Say whether there is a Tensor or a Variable in a nest of lists."""
    return any(map(_with_gradients, x)) if isinstance(x, (list, tuple)) else isinstance(x, Operand)


def _joined(x, a) -> Operand:
    """A number, an array, or lists of these and of Tensors, as one Tensor beside the array `a`."""
    if _with_gradients(x) and not isinstance(x, Operand):
        return stack(broadcast_arrays(*[_joined(part, a) for part in x]))
    if isinstance(x, Operand) or hasattr(x, "__tensor__"):
        return as_tensor(x)
    array = beside(as_array(x), a)
    return tensor_of(copy(array) if array is x else array)


# ---------------------------------------------------------------- borders


def _pairs(x, ndim, what):
    """The array `x`, which is on the host, as ((before, after), ...) for each axis."""
    try:
        pairs = namespace(x).broadcast_to(x, (ndim, 2)).tolist()
    except ValueError:
        raise ValueError(f"pad: {what} of shape {x.shape} does not broadcast to ({ndim}, 2)") from None
    return tuple(map(tuple, pairs))


def _widths(pad_width, ndim):
    """((before, after), ...) for each axis."""
    if isinstance(pad_width, dict):
        by_axis: list = [(0, 0)] * ndim
        for axis, width in pad_width.items():
            by_axis[axis_of(axis, ndim)] = (width, width) if isinstance(width, (int, np.integer)) else tuple(width)
        pad_width = by_axis
    if isinstance(pad_width, Operand):
        pad_width = pad_width.array
    widths = as_array(on_host(pad_width))
    if widths.dtype.kind not in "iu" and widths.size:
        raise TypeError(f"pad: pad_width must be integers, got dtype {widths.dtype}")
    if widths.size and widths.min() < 0:
        raise ValueError(f"pad: pad_width must not be negative, got {widths.tolist()}; slices cut off: t[1:-1]")
    return _pairs(widths, ndim, "pad_width") if ndim else ()


@primitive(
    vjp={
        "array": lambda g, array_shape, widths: g[
            tuple(slice(a, a + n) for (a, _), n in zip(widths, array_shape, strict=True))
        ]
    },
    jvp={"array": lambda t, widths: _pad_constant.inner(t, widths, 0)}, name="pad_constant",
    samples=lambda: [
        Sample(arrays((2, 3)), ((1, 0), (2, 1)), 0.5),
        Sample(arrays((3,)), ((0, 2),), 0),
        Sample(zeros((0, 2)), ((1, 2), (0, 0)), 0),
        Sample(arrays(()), (), 0),
    ],
)  # fmt: skip
def _pad_constant(array, widths, value):
    """Padded with numbers."""
    return namespace(array).pad(array, widths, constant_values=value) if widths else array.copy()


def _bordered(array, axis, left, right):
    """`array` between two borders; None where there is none."""
    return concatenate([part for part in (left, array, right) if part is not None], axis)


def _of_width(array, axis, width):
    return (*array.shape[:axis], width, *array.shape[axis + 1 :])


def _pad_with(array, widths, ends):
    """Constants that have gradients: `ends` of shape (ndim, 2)."""
    for axis, pair in enumerate(widths):
        borders = [
            broadcast_to(astype(ends[axis, i], array.dtype), _of_width(array, axis, width)) if width else None
            for i, width in enumerate(pair)
        ]
        array = _bordered(array, axis, *borders)
    return array


def _pad_ramp(array, widths, ends):
    """From the values `ends`, of shape (ndim, 2), outside to those of the edge."""
    for axis, pair in enumerate(widths):
        borders: list = []
        for i, width in enumerate(pair):
            if not width:
                borders.append(None)
                continue
            xp = namespace(array.array)
            way = (xp.arange(width) / width).astype(array.array.real.dtype)  # 0 at the outer end
            way = (way if i == 0 else way[::-1]).reshape((1,) * axis + (-1,) + (1,) * (array.ndim - axis - 1))
            edge = array[(slice(None),) * axis + (slice(0, 1) if i == 0 else slice(-1, None),)]
            end = astype(ends[axis, i], array.dtype)
            borders.append(end + (edge - end) * way)
        array = _bordered(array, axis, *borders)
    return array


def _median(x, axis):
    """Along one axis, which stays with size 1; NaN where there is one."""
    n = x.shape[axis]
    rising = sort(x, axis)
    before = (slice(None),) * axis
    middle = mean(rising[(*before, slice((n - 1) // 2, n // 2 + 1))], axis, keepdims=True)
    if x.dtype.kind == "c" or not n:
        return middle
    last = rising[(*before, slice(-1, None))]
    return where(last.array != last.array, last, middle)


_STATISTICS: dict[str, Callable] = {
    "maximum": lambda x, axis: largest(x, axis, keepdims=True),
    "mean": lambda x, axis: mean(x, axis, keepdims=True),
    "median": _median,
    "minimum": lambda x, axis: smallest(x, axis, keepdims=True),
}


def _pad_statistic(array, widths, mode, stat_length):
    lengths: Any = ((None, None),) * array.ndim
    if stat_length is not None:
        given = as_array(on_host(stat_length.array if isinstance(stat_length, Operand) else stat_length))
        if given.size and given.min() < 0:
            raise ValueError(f"pad: stat_length must not be negative, got {given.tolist()}")
        lengths = _pairs(given.round().astype(np.intp), array.ndim, "stat_length")
    for axis, (pair, length) in enumerate(zip(widths, lengths, strict=True)):
        n = array.shape[axis]
        counts = [n if k is None or k > n else k for k in length]
        if 0 in counts and mode in ("maximum", "minimum"):
            raise ValueError(f"pad: stat_length of 0 has no {mode}")
        first, last = slice(0, counts[0]), slice(n - counts[1], None)
        borders = []
        for part, width in zip((first, last), pair, strict=True):
            value = _STATISTICS[mode](array[(slice(None),) * axis + (part,)], axis) if width else None
            borders.append(None if value is None else broadcast_to(value, _of_width(array, axis, width)))
        array = _bordered(array, axis, *borders)
    return array


def _pad_by_index(array, widths, mode):
    """The modes in which each element of the border is an element of the array."""
    xp = namespace(array.array)
    for axis, pair in enumerate(widths):
        if any(pair):
            array = take(array, xp.pad(xp.arange(array.shape[axis]), pair, mode), axis)
    return array


def _pad_odd(array, widths, mode):
    """Reflected through the edges as points: twice the edge minus what is opposite, as often as needed.

    Along an axis that is linear: each element of the result is a multiple of the first element, one of the last, and
    one of the element that even reflection puts there. NumPy's own result for unit vectors says which, so the bends of
    its iteration are ours in each of its versions.
    """
    xp = namespace(array.array)
    for axis, pair in enumerate(widths):
        n = array.shape[axis]
        if not any(pair):
            continue
        if n == 1:  # NumPy's: nothing to reflect
            array = _pad_by_index(array, [pair if i == axis else (0, 0) for i in range(array.ndim)], "edge")
            continue
        number = xp.arange(n)
        of_first = xp.pad((number == 0) * 1, pair, mode, reflect_type="odd")
        of_last = xp.pad((number == n - 1) * 1, pair, mode, reflect_type="odd")
        inner = xp.pad(number, pair, mode)
        of_inner = (1 - of_first - of_last) * ((inner > 0) & (inner < n - 1))

        def along(x, axis=axis, array=array):
            return x.astype(array.array.real.dtype).reshape((1,) * axis + (-1,) + (1,) * (array.ndim - axis - 1))

        before = (slice(None),) * axis
        first, last = array[(*before, slice(0, 1))], array[(*before, slice(-1, None))]
        array = take(array, inner, axis) * along(of_inner) + first * along(of_first) + last * along(of_last)
    return array


_PAD_OPTIONS = {
    "constant": ("constant_values",), "edge": (), "empty": (), "linear_ramp": ("end_values",),
    "maximum": ("stat_length",), "mean": ("stat_length",), "median": ("stat_length",), "minimum": ("stat_length",),
    "reflect": ("reflect_type",), "symmetric": ("reflect_type",), "wrap": (),
}  # fmt: skip


def _pad_samples():
    x, y = arrays((3, 4), apart=1.0), arrays((2, 3), apart=1.0, seed=1)
    wide = ((4, 7), (0, 5))
    ends = ((0.5, -1.0), (2.0, 0.25))
    return [
        Sample(y, 1),
        Sample(y, ((1, 2), (0, 1)), constant_values=0.5),
        Sample(y, 1, constant_values=ends),
        *(Sample(x, ((1, 2), (2, 1)), mode) for mode in ("edge", "reflect", "symmetric", "wrap")),
        *(Sample(y, wide, mode) for mode in ("edge", "reflect", "symmetric", "wrap")),
        *(Sample(y, wide, mode, reflect_type="odd") for mode in ("reflect", "symmetric")),
        Sample(arrays((5,)), (9, 13), "reflect", reflect_type="odd"),
        Sample(arrays((1, 2)), 3, "reflect", reflect_type="odd"),
        Sample(arrays((1, 2)), 3, "symmetric"),
        Sample(y, wide, "linear_ramp"),
        Sample(y, 2, "linear_ramp", end_values=ends),
        *(Sample(x, ((2, 1), (0, 3)), mode) for mode in _STATISTICS),
        *(Sample(x, 2, mode, stat_length=((1, 2), (3, 9))) for mode in _STATISTICS),
        Sample(x[::-2, ::2].T, ((1, 0), (0, 2)), "median"),
        Sample(arrays((3,)), (0, 5), "wrap"),
        Sample(arrays((3,)), 0, "edge"),
        Sample(zeros((0, 2)), ((0, 0), (1, 1)), "edge"),
        Sample(zeros((0, 2)), 1),
        Sample(arrays((2,), dtype=complex), (2, 3), "reflect", reflect_type="odd"),
        Sample(arrays((2,), dtype=complex), 2, "linear_ramp", end_values=1.0),
        Sample(y.astype(np.float32), 2, "linear_ramp", end_values=0.5, smooth=False),
        Sample(y.astype(np.float32), 2, "reflect", reflect_type="odd", smooth=False),
        Sample(y.astype(np.float32), 2, "median", smooth=False),
    ]  # fmt: skip


@composed(np.pad, samples=_pad_samples)
def pad(array, pad_width, mode="constant", **kwargs) -> Tensor:
    """An array with a border.

    Parameters
    ----------
    array : array_like
    pad_width : int, pair of int, sequence of pairs, or dict of axis to these
        How many elements to put before and after, along each axis.
    mode : str, default "constant"
        What to put there. "constant": numbers; "edge": the last element; "linear_ramp": a ramp from `end_values` to the
        last element; "maximum", "mean", "median", "minimum" of the `stat_length` last elements; "reflect" and
        "symmetric": the array reflected, without or with its last element; "wrap": the other end of it; "empty":
        nothing in particular (here zeros).
    constant_values, end_values : array_like, shape that broadcasts to (ndim, 2), default 0
        For "constant" and "linear_ramp": a value for each end of each axis. Tensors get gradients.
    stat_length : int, pair of int or sequence of pairs, optional
        All elements of the axis by default.
    reflect_type : {"even", "odd"}
        "odd" reflects through the edge as a point: twice the edge minus the element opposite.

    Returns
    -------
    Tensor

    Raises
    ------
    TypeError
        If `mode` is a function: those of `numpy.pad` write into the border in place.
    ValueError
        If there is no such mode, or an option does not belong to it.

    Notes
    -----
    Axes are padded one after the other, as in NumPy; corners belong to the last one. Equal largest or smallest elements
    share their gradient.

    Examples
    --------
    >>> av.pad(av.Tensor(np.array([1.0, 2.0])), 1).numpy().tolist()
    [0.0, 1.0, 2.0, 0.0]
    >>> av.pad(av.Tensor(np.array([1.0, 2.0, 4.0])), 3, "reflect", reflect_type="odd").numpy().tolist()
    [-4.0, -2.0, 0.0, 1.0, 2.0, 4.0, 6.0, 7.0, 8.0]
    """
    if callable(mode):
        raise TypeError(
            "pad: a function as mode writes into the border in place, where no gradient can follow. Make the border "
            "and write av.concatenate([before, t, after], axis)"
        )
    if mode not in _PAD_OPTIONS:
        raise ValueError(f"pad: there is no mode {mode!r}; there are {', '.join(_PAD_OPTIONS)}")
    for option in kwargs:
        if option not in _PAD_OPTIONS[mode]:
            known = ", ".join(_PAD_OPTIONS[mode]) or "no option"
            raise ValueError(f"pad: {option}= does not belong to the mode {mode!r}, which takes {known}")
    array = as_tensor(array)
    widths = _widths(pad_width, array.ndim)
    if mode in ("constant", "empty"):
        value = kwargs.get("constant_values", 0)
        if not _is_arrays(value) and not isinstance(value, (list, tuple)):
            return _pad_constant(array, widths, value)
        return valued(_pad_with(array, widths, broadcast_to(_joined(value, array.array), (array.ndim, 2))))
    for axis, pair in enumerate(widths):
        if any(pair) and not array.shape[axis]:
            raise ValueError(f"pad: axis {axis} is empty, which only 'constant' and 'empty' can pad")
    how = kwargs.get("reflect_type", "even")
    if how not in ("even", "odd"):
        raise ValueError(f"pad: reflect_type is 'even' or 'odd', got {how!r}")
    ends = kwargs.get("end_values", 0)
    if not array.size:
        array = _pad_constant(array, widths, 0)
    elif not is_differentiable(array.dtype) and not _with_gradients(ends):
        array = tensor_of(namespace(array.array).pad(array.array, widths, mode, **kwargs))  # rounded as in NumPy
    elif mode == "linear_ramp":
        array = _pad_ramp(array, widths, broadcast_to(_joined(ends, array.array), (array.ndim, 2)))
    elif mode in _STATISTICS:
        array = _pad_statistic(array, widths, mode, kwargs.get("stat_length"))
    else:
        array = (_pad_odd if how == "odd" else _pad_by_index)(array, widths, mode)
    return valued(array)


# ---------------------------------------------------------------- scattering


def _scatter_samples():
    x, ids = arrays((3, 4), apart=1.0), values([[0, 3], [1, 1], [-1, 0]])
    u = arrays((3, 2), seed=1, apart=0.5)
    return [
        *(Sample(x, ids, u, 1, mode) for mode in ("set", "add", "multiply", "min", "max")),
        Sample(x, ids[:1], u[:1], -1),
        Sample(x, values([[2, 0, 1, 2]]), arrays((1, 4), seed=2), 0, "add"),
        Sample(x, ids, u[:, :1], 1, "add"),
        Sample(x, ids, arrays((), seed=3), 1, "multiply"),
        *(Sample(x, values([[5, 0], [-1, 5]]), arrays((2,), seed=4), None, mode) for mode in ("set", "add")),
        Sample(x, 7, 0.5),
        Sample(x, ids, u.astype(np.float32), 1, smooth=False),
        Sample(arrays((2, 3), dtype=complex), values([[0], [2]]), arrays((2, 1), dtype=complex), 1, "add"),
    ]


@composed(samples=_scatter_samples)
def scatter(a, indices, updates, axis=None, mode="set") -> Tensor:
    """A new Tensor: `a`, changed by `updates` at the places `indices`; `numpy.put_along_axis` that writes nowhere.

    Parameters
    ----------
    a : array_like
    indices : array_like, int
        With an `axis`: as for `take_along_axis`, of as many dimensions as `a`, the others than `axis` broadcasting.
        With None: of any shape, into the flattened array. Negative ones count from the end.
    updates : array_like
        Of a shape that broadcasts to that of the places. (`numpy.put` repeats and cuts off; this raises.)
    axis : int or None
    mode : {"set", "add", "multiply", "min", "max"}
        What is done with `a` there. Where an index occurs several times, "set" keeps the last update, the others take
        all of them.

    Returns
    -------
    Tensor, of the shape of `a`
        Differentiable in `a` and `updates`. Its dtype is that of `a`, unless the updates do not fit in there (floats
        into integers, complex numbers into floats).

    Raises
    ------
    IndexError
        If an index is out of bounds, or no integer.
    ValueError
        If the shapes do not fit, or there is no such mode.

    See Also
    --------
    take_along_axis : reads at such places.

    Notes
    -----
    ``t.at[index].set(values)`` and its kin do the same for every form of index. Equal candidates for an extreme share
    the gradient.

    Examples
    --------
    >>> x = av.Tensor(np.zeros((2, 3)))
    >>> av.scatter(x, np.array([[2], [0]]), 1.0, axis=1).numpy().tolist()
    [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    >>> av.scatter(x, [0, 0, 5], np.array([1.0, 2.0, 3.0]), mode="add").numpy().tolist()
    [[3.0, 0.0, 0.0], [0.0, 0.0, 3.0]]
    """
    if mode not in ("set", "add", "multiply", "min", "max"):
        raise ValueError(f"scatter: mode is 'set', 'add', 'multiply', 'min' or 'max', got {mode!r}")
    a = as_tensor(a)
    ids = _whole(indices, a, "scatter")
    if axis is None:
        rows, index, shape, n = reshape(a, -1), (ids,), ids.shape, a.size
    else:
        axis = axis_of(axis, a.ndim)
        if ids.ndim != a.ndim:
            raise ValueError(f"scatter: indices have {ids.ndim} dimensions, the array has {a.ndim}")
        rows, index, n = a, places_along(ids, axis, a.shape), a.shape[axis]
        shape = _common("indices", ids.shape, tuple(1 if i == axis else k for i, k in enumerate(a.shape)), a.shape)
    check_range(ids, n, axis or 0)
    if hasattr(updates, "shape") or isinstance(updates, (list, tuple)):
        updates = _joined(updates, a.array)
        if _common("updates", updates.shape, shape, a.shape) != shape:
            raise ValueError(f"scatter: updates of shape {updates.shape} do not broadcast to {shape}, the indices'")
    y = registry.ops["index_" + mode].public(rows, updates, index)
    return reshape(y, a.shape)


def _common(what, shape, other, whole):
    try:
        return np.broadcast_shapes(shape, other)
    except ValueError:
        raise ValueError(
            f"scatter: {what} of shape {shape} do not broadcast with {other}, for an array of shape {whole}"
        ) from None


def _whole(indices, a, name):
    """Indices as an integer array beside that of the Tensor `a`."""
    ids = indices.array if isinstance(indices, Operand) else as_array(indices)
    if not ids.size:
        ids = ids.astype(np.intp)
    if ids.dtype.kind not in "iu":
        raise IndexError(f"{name}: indices must be integers, got dtype {ids.dtype}")
    return beside(ids, a.array)


# ---------------------------------------------------------------- choosing


def _choose_samples():
    a, choices = values([[0, 1, 2], [2, 2, 1]]), arrays((2, 3), (3,), ())
    return [
        Sample(a, choices),
        Sample(a[0], choices, None, "clip"),
        Sample(a - 1, choices, mode="wrap"),
        Sample(a + 1, choices, mode="clip"),
        Sample(a, arrays((3, 2, 3))),
        Sample(values(1), arrays((3, 2))),
        Sample(zeros((0,), int), arrays((1,), (1,))),
    ]


@composed(np.choose, methods="choose", samples=_choose_samples)
def choose(a, choices, out=None, mode="raise") -> Tensor:
    """For each place the element of that one of several arrays whose number stands there.

    Parameters
    ----------
    a : array_like, int
        Numbers from 0 to ``len(choices) - 1``.
    choices : sequence of array_like, or array_like
        All broadcast with `a`. Gradients go to them.
    out : None
        Not supported.
    mode : {"raise", "wrap", "clip"}
        What becomes of other numbers.

    Returns
    -------
    Tensor

    Raises
    ------
    ValueError
        If a number is out of range and `mode` is "raise".

    Examples
    --------
    >>> av.choose([1, 0, 1], [av.Tensor(np.zeros(3)), av.Tensor(np.array([1.0, 2.0, 3.0]))]).numpy().tolist()
    [1.0, 0.0, 3.0]
    """
    _no_out("choose", out)
    if mode not in ("raise", "wrap", "clip"):
        raise ValueError(f"choose: mode is 'raise', 'wrap' or 'clip', got {mode!r}")
    if isinstance(choices, Operand) or is_array(choices):
        choices = as_tensor(choices)
        n, inner = choices.shape[0], choices.shape[1:]
    else:
        choices = list(map(as_tensor, choices))
        n, inner = len(choices), np.broadcast_shapes(*[c.shape for c in choices])
    if not n:
        raise ValueError("choose: there is nothing to choose from")
    first = choices.array if isinstance(choices, Operand) else choices[0].array
    number = a.array if isinstance(a, Operand) else as_array(a)
    if number.dtype.kind not in "iub":
        raise TypeError(f"choose: the first argument must be integers, got dtype {number.dtype}")
    number = beside(number, first).astype(np.intp)
    shape = np.broadcast_shapes(number.shape, inner)
    if mode == "wrap":
        number = number % n
    elif mode == "clip":
        number = number.clip(0, n - 1)
    elif number.size and bool(((number < 0) | (number >= n)).any()):
        raise ValueError(f"choose: a number is out of range for {n} choices; mode='wrap' and 'clip' allow that")
    if isinstance(choices, Operand):
        choices = broadcast_to(reshape(choices, (n, *(1,) * (len(shape) - len(inner)), *inner)), (n, *shape))
    else:
        choices = stack([broadcast_to(c, shape) for c in choices])
    number = broadcast_to.inner(number, shape)
    return reshape(take_along_axis(choices, number.reshape((1, *shape)), 0), shape)


def _true_places(condition, a, name, flat=False):
    """Where the values of a 1-D condition are true, as an array beside that of `a`."""
    if isinstance(condition, Operand):
        mark_break(condition, f"the condition of {name} passes no gradient")
        condition = condition.array
    mask = beside(as_array(condition), a.array)
    if flat:
        mask = mask.reshape(-1)
    if mask.ndim != 1:
        raise ValueError(f"{name}: the condition must be 1-D, got shape {mask.shape}")
    return mask.nonzero()[0]


@composed(
    np.compress,
    samples=lambda: [
        Sample([True, False, True], arrays((3, 2)), 0),
        Sample(values([0, 1]), arrays((2, 3)), -1),
        Sample(values([False, True, True, False]), arrays((2, 3))),
        Sample([False], arrays((2, 3)), axis=0),
    ],
)
def compress(condition, a, axis=None, out=None) -> Tensor:
    """The sub-arrays along an axis for which a condition holds.

    Parameters
    ----------
    condition : array_like, 1-D, bool
        It may be shorter than the axis: the rest is left out.
    a : array_like
    axis : int, optional
        None works on the flattened array.
    out : None
        Not supported.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> av.compress([True, False, True], av.Tensor(np.array([1.0, 2.0, 3.0]))).numpy().tolist()
    [1.0, 3.0]
    """
    _no_out("compress", out)
    a = as_tensor(a)
    return take(a, _true_places(condition, a, "compress"), axis)


def _compress_method(self, condition, axis=None, out=None):
    """The sub-arrays along an axis for which a condition holds: `compress`."""
    return compress(condition, self, axis, out)


install("compress", _compress_method)


@composed(
    np.extract,
    samples=lambda: [
        Sample(values([[True, False, True], [False, False, True]]), arrays((2, 3))),
        Sample(values([1, 0]), arrays((3,))),
    ],
)
def extract(condition, arr) -> Tensor:
    """The elements for which a condition holds, in one dimension: ``t[mask]``.

    Parameters
    ----------
    condition : array_like, bool
    arr : array_like, of the same size

    Returns
    -------
    Tensor, 1-D

    Examples
    --------
    >>> x = av.Tensor(np.array([1.0, -2.0, 3.0]))
    >>> av.extract(x > 0, x).numpy().tolist()
    [1.0, 3.0]
    """
    arr = as_tensor(arr)
    return take(arr, _true_places(condition, arr, "extract", flat=True))


def _square(x):
    return x * x


def _scaled(x, factor, shift=0.0):
    return x * factor + shift


def _piecewise_samples():
    x = arrays((2, 3), apart=1.0)
    return [
        Sample(x, [x < 0, x >= 0], [_square, np.exp]),
        Sample(x, [x > 1, x > 0], [2.0, np.sin, _square]),
        Sample(x[0], x[0] > 0, [_square, -1.0]),
        Sample(values(0.5), [True, False], [_square, np.exp]),
        Sample(values(0.5), True, [_square, 0.0]),
        Sample(x, [x > 0], [_scaled], 3.0, shift=0.5),
        Sample(x, [x > 9], [_square]),
    ]


@composed(np.piecewise, samples=_piecewise_samples)
def piecewise(x, condlist, funclist, *args, **kw) -> Tensor:
    """A function in pieces: each is computed for those elements only where its condition holds.

    Parameters
    ----------
    x : array_like
    condlist : sequence of array_like of the shape of `x`, bool
        Where several hold the last one counts. (One condition may stand alone.)
    funclist : sequence of functions or values
        As many as conditions, or one more for where none holds; zeros there without it. A function gets a Tensor of the
        elements in one dimension, then ``*args`` and ``**kw``. Values may be Tensors, and get gradients.
    *args, **kw
        For the functions.

    Returns
    -------
    Tensor, of the shape and dtype of `x`

    Notes
    -----
    Unlike with `where`, no branch sees arguments that are not its own: a gradient there cannot be NaN.

    Examples
    --------
    >>> x = av.Tensor(np.array([-1.0, 4.0]))
    >>> np.piecewise(x, [x < 0, x >= 0], [0.0, np.sqrt]).numpy().tolist()
    [0.0, 2.0]
    """
    x = as_tensor(x)
    one = not isinstance(condlist, (list, tuple)) and not (_is_arrays(condlist) and condlist.ndim > x.ndim)
    if one or (x.ndim and not isinstance(condlist[0], (list, tuple)) and not _is_arrays(condlist[0])):
        condlist = [condlist]
    masks = []
    for condition in condlist:
        if isinstance(condition, Operand):
            mark_break(condition, "a condition of piecewise passes no gradient")
            condition = condition.array
        masks.append(beside(as_array(condition), x.array).astype(bool))
    if len(funclist) == len(masks) + 1:
        rest = masks[0]
        for mask in masks[1:]:
            rest = rest | mask
        masks.append(~rest)
    if len(funclist) != len(masks):
        n = len(masks)
        raise ValueError(f"piecewise: {n} conditions need {n} or {n + 1} functions, got {len(funclist)}")
    y: Any = tensor_of(namespace(x.array).zeros(x.shape, x.dtype))
    for mask, function in zip(masks, funclist, strict=True):
        part = function
        if callable(function):
            elements = x[mask]
            if not elements.size:
                continue
            part = function(elements, *args, **kw)
        y = index_set(y, astype(_joined(part, x.array), x.dtype), mask)
    return y


def _is_arrays(x) -> bool:
    return isinstance(x, Operand) or is_array(x)


# ---------------------------------------------------------------- inserting, deleting, resizing


def _flat_or(arr, axis):
    """``(array, axis from the front)``: the flattened array for None."""
    arr = as_tensor(arr)
    return (ravel(arr), 0) if axis is None else (arr, axis_of(axis, arr.ndim))


def _host_index(obj):
    """Positions as the user wrote them: a slice, or an array on the host."""
    if isinstance(obj, slice):
        return obj
    index = as_array(on_host(obj.array if isinstance(obj, Operand) else obj))
    return index if index.size else index.astype(np.intp)


def _insert_samples():
    x = arrays((3, 2))
    return [
        Sample(x, 1, arrays((2,), seed=1), 0),
        Sample(x, -1, arrays((), seed=2), 1),
        Sample(x, 2, arrays((3,), seed=3), 1),
        Sample(x, [1], arrays((2, 2), seed=4), 0),
        Sample(x, [1], arrays((3, 2), seed=4), 1),
        Sample(x, [2, 0, 2], arrays((3, 2), seed=5), 0),
        Sample(x, values([1, -1]), arrays((3, 1), seed=6), 1),
        Sample(x, slice(0, 3, 2), arrays((2,), seed=7), 0),
        Sample(x, 2, 0.5),
        Sample(x, [0, 6], arrays((2,), seed=8)),
        Sample(arrays((3,)), 3, arrays((2,), seed=9)),
        Sample(x, zeros(0, int), 1.0, 0),
        Sample(arrays((2, 3, 2)), 1, arrays((2, 2), seed=10), 1),
    ]


@composed(np.insert, samples=_insert_samples)
def insert(arr, obj, values, axis=None) -> Tensor:
    """An array with values put in before given positions.

    Parameters
    ----------
    arr : array_like
    obj : int, slice, sequence of int, or 1-D array of bools
        Before which elements; counted in `arr`.
    values : array_like
        Broadcast to the shape of what is put in. They get gradients, too.
    axis : int, optional
        None works on the flattened array.

    Returns
    -------
    Tensor, of the dtype of `arr`

    Raises
    ------
    IndexError
        If a position is out of bounds.
    ValueError
        If the values do not broadcast.

    Examples
    --------
    >>> av.insert(av.Tensor(np.array([1.0, 2.0])), 1, [5.0, 6.0]).numpy().tolist()
    [1.0, 5.0, 6.0, 2.0]
    """
    arr, axis = _flat_or(arr, axis)
    n, before = arr.shape[axis], (slice(None),) * axis
    places = _host_index(obj)
    xp = namespace(None)
    if isinstance(places, slice):
        places = xp.arange(n)[places]
    elif places.dtype.kind == "b" and places.ndim == 1:
        places = places.nonzero()[0]
    if places.ndim > 1 or places.dtype.kind == "b":
        raise ValueError(f"insert: positions must be 0-d or 1-D, got shape {places.shape}")
    if places.dtype.kind not in "iu":
        raise IndexError(f"insert: positions must be integers, got dtype {places.dtype}")
    if places.size and (places.min() < -n or places.max() > n):
        raise IndexError(f"insert: position {obj} is out of bounds for axis {axis} of size {n}")
    places = places + (places < 0) * n
    new = astype(_joined(values, arr.array), arr.dtype)
    if places.size == 1:
        new = reshape(new, (1,) * (arr.ndim - new.ndim) + new.shape)
        if not places.ndim:  # as in t[:, 0] = new, where the axis is not there
            new = moveaxis(new, 0, axis)
        place, count = int(places.reshape(-1)[0]), new.shape[axis]
        new = broadcast_to(new, _of_width(arr, axis, count))
        return concatenate([arr[(*before, slice(None, place))], new, arr[(*before, slice(place, None))]], axis)
    count = places.size
    order = places.argsort(kind="stable")
    taken = places[order] + xp.arange(count)
    source, old = xp.zeros(n + count, np.intp), xp.ones(n + count, bool)
    old[taken] = False
    source[old] = xp.arange(n)
    source[taken] = n + order
    return take(concatenate([arr, broadcast_to(new, _of_width(arr, axis, count))], axis), source, axis)


@composed(
    np.delete,
    samples=lambda: [
        Sample(arrays((3, 2)), 1, 0),
        Sample(arrays((3, 2)), -1, -1),
        Sample(arrays((4, 2)), [3, 0, -1], 0),
        Sample(arrays((2, 5)), slice(None, None, 2), 1),
        Sample(arrays((2, 5)), slice(3, 0, -1), 1),
        Sample(arrays((3, 2)), values([True, False, True]), 0),
        Sample(arrays((3, 2)), [1, 4]),
        Sample(arrays((3, 2)), [], 0),
    ],
)
def delete(arr, obj, axis=None) -> Tensor:
    """An array without the sub-arrays at given positions.

    Parameters
    ----------
    arr : array_like
    obj : int, slice, sequence of int, or 1-D array of bools
        What to leave out.
    axis : int, optional
        None works on the flattened array.

    Returns
    -------
    Tensor

    Raises
    ------
    IndexError
        If a position is out of bounds.

    Examples
    --------
    >>> av.delete(av.Tensor(np.array([1.0, 2.0, 3.0])), 1).numpy().tolist()
    [1.0, 3.0]
    """
    arr, axis = _flat_or(arr, axis)
    n = arr.shape[axis]
    places = _host_index(obj)
    if not isinstance(places, slice) and places.dtype.kind == "b" and places.shape != (n,):
        raise ValueError(f"delete: bools of shape {places.shape} do not fit axis {axis} of size {n}")
    keep = namespace(None).ones(n, bool)
    keep[places] = False
    return take(arr, keep.nonzero()[0], axis)


@composed(
    np.resize,
    samples=lambda: [
        Sample(arrays((2, 3)), (3, 3)),
        Sample(arrays((2, 3)), 4),
        Sample(arrays((2,)), (3, 1, 2)),
        Sample(arrays(()), (2,)),
        Sample(arrays((2,)), (0, 2)),
        Sample(zeros((0,)), (2, 2)),
    ],
)
def resize(a, new_shape) -> Tensor:
    """The elements of an array in another shape, from the start again where they are too few.

    Parameters
    ----------
    a : array_like
    new_shape : int or tuple of int

    Returns
    -------
    Tensor
        Zeros if `a` has no elements.

    Examples
    --------
    >>> av.resize(av.Tensor(np.array([1.0, 2.0, 3.0])), (2, 2)).numpy().tolist()
    [[1.0, 2.0], [3.0, 1.0]]
    """
    a = as_tensor(a)
    shape = tuple(new_shape) if isinstance(new_shape, (tuple, list)) else (new_shape,)
    size = prod(shape)
    if [n for n in shape if n < 0]:
        raise ValueError(f"resize: sizes must not be negative, got {shape}")
    if not a.size:
        return tensor_of(namespace(a.array).zeros(shape, a.dtype))
    return reshape(tile(ravel(a), -(-size // a.size) or 1)[:size], shape)


@composed(samples=lambda: [Sample((2, 3), arrays(())), Sample((2, 3), arrays((3,))), Sample(2, arrays((2,)), float)])
def full(shape, fill_value, dtype=None) -> Tensor:
    """A new array filled with a value, through which the gradient goes: `numpy.full` of a Tensor.

    Parameters
    ----------
    shape : int or tuple of int
    fill_value : array_like, of a shape that broadcasts
    dtype : dtype, optional
        That of `fill_value` by default.

    Returns
    -------
    Tensor

    Notes
    -----
    ``np.full(shape, t)`` never asks `t` (there is no array among the arguments that NumPy looks at), and raises while
    a tape records it.

    Examples
    --------
    >>> av.full((2, 2), av.Tensor(3.0)).numpy().tolist()
    [[3.0, 3.0], [3.0, 3.0]]
    """
    value = as_tensor(fill_value)
    return broadcast_to(value if dtype is None else astype(value, dtype), shape)


@composed(
    np.ix_,
    samples=lambda: [Sample(arrays((2,)), values([0, 2])), Sample(values([True, False, True]), arrays((2,)), zeros(0))],
)
def ix_(*args) -> tuple[Tensor, ...]:
    """Open grids of 1-D arrays: ``t[av.ix_(rows, columns)]`` is the sub-matrix of these rows and columns.

    Parameters
    ----------
    *args : array_like, 1-D
        Integers, or bools: the places where they are true.

    Returns
    -------
    tuple of Tensor

    Examples
    --------
    >>> [i.shape for i in av.ix_([0, 2], [True, False, True])]
    [(2, 1), (1, 2)]
    """
    grids = []
    for i, x in enumerate(args):
        t = as_tensor(x)
        if t.ndim != 1:
            raise ValueError(f"ix_: argument {i} must be 1-D, got shape {t.shape}")
        if t.dtype.kind == "b":
            t = tensor_of(t.array.nonzero()[0])
        elif not t.size and not _is_arrays(x):
            t = astype(t, np.intp)
        grids.append(reshape(t, (1,) * i + (t.size,) + (1,) * (len(args) - i - 1)))
    return tuple(grids)


# ---------------------------------------------------------------- functions along axes


def _outer_products(x):
    return x[:, None] * x


@composed(
    np.apply_along_axis,
    samples=lambda: [
        Sample(np.sum, 0, arrays((2, 3))),
        Sample(_square, 1, arrays((2, 3))),
        Sample(_outer_products, 1, arrays((2, 3, 2))),
        Sample(_outer_products, -2, arrays((2, 3))),
        Sample(_scaled, -1, arrays((3,)), 2.0, shift=1.0),
    ],
)
def apply_along_axis(func1d, axis, arr, *args, **kwargs) -> Tensor:
    """A function of 1-D arrays, applied to each one along an axis.

    Parameters
    ----------
    func1d : function
        Gets a Tensor of shape ``(arr.shape[axis],)``, then ``*args`` and ``**kwargs``; returns a Tensor or array of any
        one shape. It may read other Tensors and Variables: the gradient goes to these, too.
    axis : int
    arr : array_like
    *args, **kwargs
        For the function.

    Returns
    -------
    Tensor
        Of the shape of `arr`, with the shape of the results in the place of `axis`.

    Raises
    ------
    ValueError
        If there is no 1-D array to apply it to.

    See Also
    --------
    vmap : the same over any axes of several arguments.

    Notes
    -----
    It is a loop, as NumPy's: for large arrays write what takes an axis, or broadcasts.

    Examples
    --------
    >>> av.apply_along_axis(np.prod, 1, av.Tensor(np.array([[1.0, 2.0], [3.0, 4.0]]))).numpy().tolist()
    [2.0, 12.0]
    """
    arr = as_tensor(arr)
    axis = axis_of(axis, arr.ndim)
    rows = moveaxis(arr, axis, -1)
    lead = rows.shape[:-1]
    if not prod(lead):
        raise ValueError(f"apply_along_axis: nothing to apply it to in an array of shape {arr.shape}, axis {axis}")
    rows = reshape(rows, (prod(lead), rows.shape[-1]))
    results = [_joined(func1d(rows[i], *args, **kwargs), arr.array) for i in range(len(rows))]
    several = stack(results)
    inner = several.shape[1:]
    several = reshape(several, lead + inner)
    return moveaxis(several, range_of(len(lead), len(inner)), range_of(axis, len(inner)))


def range_of(start, count):
    """The axes from `start` on."""
    return tuple(range(start, start + count))


@composed(
    np.apply_over_axes,
    samples=lambda: [
        Sample(np.sum, arrays((2, 3, 2)), (0, -1)),
        Sample(np.cumsum, arrays((2, 3)), 1),
        Sample(np.mean, arrays((2, 3)), [0, 1]),
    ],
)
def apply_over_axes(func, a, axes) -> Tensor:
    """A function of an array and an axis, applied for one axis after the other.

    Parameters
    ----------
    func : function
        Called as ``func(a, axis)``; its result has as many dimensions as `a`, or one less, which is put back.
    a : array_like
    axes : int or sequence of int

    Returns
    -------
    Tensor, of as many dimensions as `a`

    Raises
    ------
    ValueError
        If a result has another number of dimensions.

    Examples
    --------
    >>> av.apply_over_axes(np.sum, av.Tensor(np.ones((2, 3, 4))), (0, 2)).shape
    (1, 3, 1)
    """
    y = a = as_tensor(a)
    for axis in axes if isinstance(axes, (tuple, list)) or _is_arrays(axes) else (axes,):
        axis = axis_of(int(axis), a.ndim)
        z = _joined(func(y, axis), a.array)
        if z.ndim == a.ndim - 1:
            z = expand_dims(z, axis)
        if z.ndim != a.ndim:
            raise ValueError(f"apply_over_axes: the function made shape {z.shape} of {shape_of(y)} along axis {axis}")
        y = z
    return valued(y)


# ---------------------------------------------------------------- bits


@composed(
    np.frexp,
    samples=lambda: [
        Sample(arrays((2, 3), low=1.1, high=1.9)),
        Sample(values([-40.0, 0.3, 5e-300, 0.0]), order=1, smooth=False),
        Sample(values([3.0, -0.7])),
        Sample(arrays((), low=2.1, high=3.9)),
        Sample(zeros((0, 2))),
        Sample(values([3.0, -0.7], np.float32), smooth=False),
    ],
)
def frexp(x) -> tuple[Tensor, Tensor]:
    """The mantissa, of size in [0.5, 1), and the exponent of 2.

    Parameters
    ----------
    x : array_like, float

    Returns
    -------
    mantissa : Tensor
        ``x / 2**exponent``; its gradient is that of this formula for a constant exponent.
    exponent : Tensor, int
        Passes no gradient.

    Examples
    --------
    >>> mantissa, exponent = av.frexp(av.Tensor(6.0))
    >>> mantissa.item(), exponent.item()
    (0.75, 3)
    """
    x = as_tensor(x)
    exponent = np.frexp(x.array)[1]
    mark_break(x, "the exponent of frexp passes no gradient")
    return ldexp(x, -exponent), tensor_of(exponent)


bitwise_count = constant(np.bitwise_count)
isnat = constant(np.isnat)


def _bits(function):
    """`np.packbits` or `np.unpackbits`; CuPy's know no axis and no count, so there they get rows of whole bytes."""

    def along(a, axis=None, *count, bitorder="big", **options):
        xp = namespace(a)
        if xp is np:
            return function(a, axis, *count, bitorder=bitorder, **options)
        rows = a.reshape(-1) if axis is None else xp.moveaxis(a, axis, -1)
        if function is np.packbits:
            rows = _to_length(xp, rows, -(-rows.shape[-1] // 8) * 8)
        y = getattr(xp, function.__name__)(rows, bitorder=bitorder).reshape(*rows.shape[:-1], -1)
        for n in (*count, *options.values()):
            if n is not None:
                y = _to_length(xp, y, n if n >= 0 else y.shape[-1] + n)
        return y if axis is None else xp.moveaxis(y, -1, axis)

    return along


def _to_length(xp, rows, n):
    """Rows of `n` elements: what is too much is cut off, what is missing is 0."""
    rows = rows[..., :n]
    return xp.pad(rows, [(0, 0)] * (rows.ndim - 1) + [(0, n - rows.shape[-1])])


packbits = constant(np.packbits, forward=_bits(np.packbits))
unpackbits = constant(np.unpackbits, forward=_bits(np.unpackbits))
ravel_multi_index = constant(np.ravel_multi_index)

registry.metadata.update([np.diag_indices_from, np.tril_indices_from, np.triu_indices_from])
registry.queries.update([np.diag_indices_from, np.tril_indices_from, np.triu_indices_from])
