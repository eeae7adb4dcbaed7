"""NumPy functions through which no gradient passes, and those that only ask. Floor 2.

Constants have integer, bool or step output: they take Tensors and return Tensors. Queries return what NumPy returns.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..base.backend import as_array, beside, namespace, on_host
from ..base.nest import map_nest
from ..engine import registry
from ..engine.declare import composed, reduces
from ..engine.op import constant, op
from ..engine.protocol import Operand, mark_break, refuse_if_recorded
from ..engine.samples import Sample, arrays, integers, pairs, values, zeros
from ..engine.tensor import Tensor, as_tensor, tensor_of
from .index import scatter_rows
from .shape import astype, broadcast_to

__all__ = [
    "all",
    "any",
    "argmax",
    "argmin",
    "argpartition",
    "argsort",
    "argwhere",
    "around",
    "bincount",
    "bitwise_and",
    "bitwise_invert",
    "bitwise_left_shift",
    "bitwise_not",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "ceil",
    "count_nonzero",
    "digitize",
    "empty_like",
    "equal",
    "fix",
    "flatnonzero",
    "floor",
    "floor_divide",
    "full_like",
    "gcd",
    "greater",
    "greater_equal",
    "heaviside",
    "invert",
    "isclose",
    "iscomplex",
    "isfinite",
    "isin",
    "isinf",
    "isnan",
    "isneginf",
    "isposinf",
    "isreal",
    "lcm",
    "left_shift",
    "less",
    "less_equal",
    "lexsort",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "nanargmax",
    "nanargmin",
    "nextafter",
    "nonzero",
    "not_equal",
    "ones_like",
    "right_shift",
    "rint",
    "round",
    "searchsorted",
    "sign",
    "signbit",
    "spacing",
    "stop_gradient",
    "trunc",
    "unravel_index",
    "zeros_like",
]  # fmt: skip

# ---------------------------------------------------------------- comparisons and logic

equal = constant(np.equal)
not_equal = constant(np.not_equal)
less = constant(np.less, "__lt__")
less_equal = constant(np.less_equal, "__le__")
greater = constant(np.greater, "__gt__")
greater_equal = constant(np.greater_equal, "__ge__")


def _of_truths(function):
    """Of complex numbers, too, which CuPy's logical functions do not take."""

    def logical(*args, **options):
        return function(*[a != 0 if getattr(a, "dtype", None) in _COMPLEX else a for a in args], **options)

    return logical


_COMPLEX = (np.complex64, np.complex128)
logical_and, logical_or, logical_xor, logical_not = (
    constant(f, forward=_of_truths(f)) for f in (np.logical_and, np.logical_or, np.logical_xor, np.logical_not)
)
bitwise_and = constant(np.bitwise_and, "__and__ __rand__")
bitwise_or = constant(np.bitwise_or, "__or__ __ror__")
bitwise_xor = constant(np.bitwise_xor, "__xor__ __rxor__")
invert = bitwise_not = bitwise_invert = constant(np.invert, "__invert__")
left_shift = bitwise_left_shift = constant(np.left_shift, "__lshift__ __rlshift__")
right_shift = bitwise_right_shift = constant(np.right_shift, "__rshift__ __rrshift__")
isclose = constant(np.isclose)
isin = constant(np.isin)
isfinite = constant(np.isfinite)
isinf = constant(np.isinf)
isnan = constant(np.isnan)
isneginf = constant(np.isneginf)
isposinf = constant(np.isposinf)
isreal = constant(np.isreal)
iscomplex = constant(np.iscomplex)


def _logical(name):
    """`any` or `all` of bare arrays; other libraries than NumPy do not know `where`."""

    def logical(a, axis=None, out=None, keepdims=False, *, where=True):
        if out is not None:
            raise TypeError(f"{name}: out= is not supported for Tensors; use the Tensor that it returns")
        a = as_array(a)
        if where is not True:
            where = beside(as_array(where), a)
            if where.dtype.kind != "b" or np.broadcast_shapes(a.shape, where.shape) != a.shape:
                raise TypeError(
                    f"{name}: where= must be bool and broadcast to shape {a.shape}, got {where.dtype}, {where.shape}"
                )
            a = (a != 0) & where if name == "any" else (a != 0) | ~where
        return getattr(a, name)(axis=axis, keepdims=keepdims)

    return logical


any = constant(np.any, methods="any", forward=_logical("any"))
all = constant(np.all, methods="all", forward=_logical("all"))
count_nonzero = constant(np.count_nonzero)
reduces(np.logical_or, any)
reduces(np.logical_and, all)

# ---------------------------------------------------------------- steps

floor = constant(np.floor, "__floor__")
ceil = constant(np.ceil, "__ceil__")
trunc = constant(np.trunc, "__trunc__")
fix = constant(np.fix)
rint = constant(np.rint)
round = constant(np.round, methods="round")
around = constant(np.around)
sign = constant(np.sign)
signbit = constant(np.signbit)
heaviside = op(  # a step in `a`, and `b` at it
    np.heaviside, "0 where `a` is negative, 1 where it is positive, and `b` where it is 0.",
    vjp={"a": lambda g: g * 0.0, "b": lambda g, a: g * (a == 0)},
    samples=lambda: [
        *pairs(cut=(0.0,))(),
        Sample(values([-1, 0, 1, 0], np.int8), arrays((4,))),
        Sample(values([0, 2], np.int8), arrays((3, 1))),
    ],
)  # fmt: skip
floor_divide = constant(np.floor_divide, "__floordiv__ __rfloordiv__")
nextafter = constant(np.nextafter)


def _spacing(x, **options):
    """`np.spacing`, which CuPy lacks."""
    if namespace(x) is np:
        return np.spacing(x, **options)
    size = np.absolute(x)
    return np.copysign(np.nextafter(size, np.inf) - size, x)


spacing = constant(np.spacing, forward=_spacing)

# ---------------------------------------------------------------- where something lies, and integers

argmax = constant(np.argmax, methods="argmax")
argmin = constant(np.argmin, methods="argmin")
nanargmax = constant(np.nanargmax)
nanargmin = constant(np.nanargmin)
argsort = constant(np.argsort, methods="argsort")
argpartition = constant(np.argpartition, methods="argpartition")
lexsort = constant(np.lexsort)
searchsorted = constant(np.searchsorted, methods="searchsorted")
digitize = constant(np.digitize)
nonzero: Callable[..., tuple[Tensor, ...]] = constant(np.nonzero, methods="nonzero")  # type: ignore[assignment]
flatnonzero = constant(np.flatnonzero)
argwhere = constant(np.argwhere)
unravel_index: Callable[..., tuple[Tensor, ...]] = constant(np.unravel_index)  # type: ignore[assignment]
gcd = constant(np.gcd)
lcm = constant(np.lcm)


@composed(
    np.bincount,
    samples=lambda: [
        Sample(integers((6,), 0, 4), arrays((6,))),
        Sample(integers((6,), 0, 4), arrays((6,)), 7),
    ],
)
def bincount(x, weights=None, minlength=0) -> Tensor:
    """How often each integer occurs, from 0 on; with weights, their sum for each integer.

    Parameters
    ----------
    x : array_like, 1-D, non-negative integers
    weights : array_like, of the shape of `x`, optional
        The gradient goes to them.
    minlength : int, default 0
        The least number of sums.

    Returns
    -------
    Tensor, 1-D
        Integers; float64 if there are weights.

    Raises
    ------
    ValueError
        If an integer is negative, or the shapes do not fit.

    Examples
    --------
    >>> av.bincount(np.array([0, 2, 2]), weights=av.Tensor(np.array([1.0, 2.0, 3.0]))).numpy().tolist()
    [1.0, 0.0, 5.0]
    """
    if not isinstance(weights, Operand):
        return _bincount(as_tensor(x), weights if weights is None else as_tensor(weights), minlength)
    ids = as_tensor(x).array
    if not ids.size:
        ids = ids.astype(np.intp)
    if ids.dtype.kind not in "iub":
        raise TypeError(f"bincount: integers are needed, got dtype {ids.dtype}")
    ids = ids.astype(np.intp, copy=False)
    if ids.ndim != 1 or weights.shape != ids.shape:
        raise ValueError(
            f"bincount: integers of shape {ids.shape}, weights of shape {weights.shape}: not 1-D, or unlike"
        )
    if minlength < 0 or (ids.size and int(ids.min()) < 0):
        raise ValueError("bincount: the integers and minlength must not be negative")
    n = int(ids.max()) + 1 if ids.size else 0
    return scatter_rows(astype(weights, np.float64), ids, (n if n > minlength else minlength,))


_bincount = constant(np.bincount)
del registry.constants[np.bincount]

# ---------------------------------------------------------------- new arrays like another

zeros_like = constant(np.zeros_like)
ones_like = constant(np.ones_like)
empty_like = constant(np.empty_like)
_full_like = constant(np.full_like)
del registry.constants[np.full_like]


@composed(
    np.full_like,
    samples=lambda: [
        Sample(zeros((2, 3)), arrays((3,))),
        Sample(zeros((2, 3)), arrays(()), shape=(2,)),
        Sample(zeros((2,), np.float32), arrays(()), float),
    ],
)
def full_like(a, fill_value, dtype=None, order="K", subok=True, shape=None, **options) -> Tensor:
    """An array of the shape and dtype of another one, filled with a value; the gradient goes to that value.

    Parameters
    ----------
    a : array_like
    fill_value : array_like, of a shape that broadcasts
    dtype : dtype, optional
        That of `a` by default.
    order, subok
        Without meaning here.
    shape : int or tuple of int, optional
        That of `a` by default.
    **options
        As in `numpy.full_like`.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> av.full_like(np.zeros(2), av.Tensor(3.0)).numpy().tolist()
    [3.0, 3.0]
    """
    if not isinstance(fill_value, Operand):
        return _full_like(a, fill_value, dtype=dtype, shape=shape, **options)
    a = as_tensor(a)
    return broadcast_to(astype(fill_value, a.dtype if dtype is None else dtype), a.shape if shape is None else shape)


# ---------------------------------------------------------------- questions

registry.metadata.update([
    np.shape, np.ndim, np.size, np.iscomplexobj, np.isrealobj, np.result_type, np.can_cast, np.common_type,
    np.may_share_memory, np.shares_memory,
])  # fmt: skip
registry.queries.update([
    *registry.metadata, np.allclose, np.array_equal, np.array_equiv, np.array2string, np.array_repr,
    np.array_str,
    np.min_scalar_type, np.save, np.savez, np.savez_compressed, np.savetxt, np.einsum_path, np.histogram,
    np.histogram_bin_edges,
])  # fmt: skip


def _counted(function, weights, *args):
    """A histogram of NumPy's as a query, for counts are steps; refused where `weights` would lose a gradient."""
    if isinstance(weights, Operand):
        refuse_if_recorded(
            weights,
            f"np.{function.__name__}(weights=), in the place of which there is av.bincount(ids, weights), ",
        )
    return function(*map_nest(_array, args), weights=_array(weights))


def _histogram(a, bins=10, range=None, density=None, weights=None):
    return _counted(np.histogram, weights, a, bins, range, density)


def _histogram2d(x, y, bins=10, range=None, density=None, weights=None):
    return _counted(np.histogram2d, weights, x, y, bins, range, density)


def _histogramdd(sample, bins=10, range=None, density=None, weights=None):
    return _counted(np.histogramdd, weights, sample, bins, range, density)


def _array(x):
    return on_host(x.array if isinstance(x, Operand) else x)


registry.queries.remove(np.histogram)
registry.for_numpy(np.histogram)(_histogram)
registry.for_numpy(np.histogram2d)(_histogram2d)
registry.for_numpy(np.histogramdd)(_histogramdd)

# ---------------------------------------------------------------- on purpose


def stop_gradient(x: Any) -> Any:
    """The same value, through which no gradient passes.

    Parameters
    ----------
    x : Tensor or Variable, or nest of them
        Anything else in the nest stays as it is.

    Returns
    -------
    nest like x
        Tensors that no tape follows.

    Examples
    --------
    >>> av.grad(lambda x: x * av.stop_gradient(x))(3.0).item()
    3.0
    """
    return map_nest(_stopped, x)


def _stopped(x):
    if not isinstance(x, Operand):
        return x
    mark_break(x, "stop_gradient")
    if hasattr(x, "assign"):  # the value of a variable as it is now
        return tensor_of(x.array.copy())
    return tensor_of(x.array)
