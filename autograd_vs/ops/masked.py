"""Reductions with the options of rare use: `where`, `initial`, `mean`, `correction`. Floor 2; loaded at first use.

The ops of `reduce.py` hand over here when one of these is given. Elements that a mask leaves out are replaced by what
changes nothing (0 in a sum), so neither they nor their gradients count, whatever they are.
"""

import warnings
from typing import Any

import numpy as np

from ..base.backend import as_array, beside, namespace
from ..base.errors import user_frame
from ..engine.protocol import Operand
from ..engine.tensor import as_tensor, tensor_of
from . import reduce
from .elementwise import add, logaddexp, maximum, minimum, multiply
from .elementwise import where as select
from .shape import astype, axes_of, broadcast_to

__all__ = ["counted", "extreme", "freedom", "mask_of", "over", "refuse_out", "rooted", "variance", "warn"]


def warn(text: str) -> None:
    """A RuntimeWarning of NumPy's words at the line of the user's."""
    frame = user_frame()
    warnings.warn_explicit(
        text,
        RuntimeWarning,
        frame.f_code.co_filename,
        frame.f_lineno,
        registry=frame.f_globals.setdefault("__warningregistry__", {}),
    )


def refuse_out(name: str, out) -> None:
    """TypeError where `out` is given."""
    if out is not None:
        raise TypeError(f"{name}: out= is not supported for Tensors; use the Tensor that it returns")


def mask_of(name: str, where, a) -> Any:
    """The option `where` as a bare array beside the Tensor `a`; None where all elements are taken."""
    if where is None or where is True:
        return None
    mask = where.array if isinstance(where, Operand) else as_array(where)
    if mask.dtype.kind != "b":
        raise TypeError(f"{name}: where= must be bool, got dtype {mask.dtype}: write mask != 0")
    if mask.ndim > a.ndim or np.broadcast_shapes(a.shape, mask.shape) != a.shape:
        raise ValueError(f"{name}: where= of shape {mask.shape} does not broadcast to that of the array, {a.shape}")
    return beside(mask, a.array)


def counted(a, mask, axis, keepdims):
    """How many elements a reduction of the Tensor `a` takes: a number, or a bare array where there is a mask."""
    if mask is None:
        return reduce._count(a.shape, axis)
    return namespace(mask).broadcast_to(mask, a.shape).sum(axis=axis, keepdims=keepdims)


def _is(condition) -> bool:
    """Whether a condition holds anywhere, where that is known without waiting for a device."""
    return bool(condition) if not hasattr(condition, "any") else namespace(condition) is np and bool(condition.any())


def over(total, count):
    """A Tensor divided by a count, in its own dtype."""
    if hasattr(count, "dtype"):
        count = tensor_of(count.astype(total.array.real.dtype))
    return total / count


def _first(name, initial, y):
    """The option `initial` as a 0-d operand of the dtype of the result `y`."""
    if not isinstance(initial, Operand):
        initial = as_tensor(as_array(initial) if namespace(y.array) is np else namespace(y.array).asarray(initial))
    if initial.ndim:
        raise ValueError(f"{name}: initial= must be one number, got shape {initial.shape}")
    if initial.dtype.kind == "c" and y.dtype.kind != "c":
        raise TypeError(f"{name}: initial= is complex, and the result is not ({y.dtype})")
    return astype(initial, y.dtype)


def _begun(name, y, initial, ufunc):
    return y if initial is None else ufunc(y, _first(name, initial, y))


def sum(a, axis=None, dtype=None, out=None, keepdims=False, initial=None, where=None):
    """`reduce.sum` with its options."""
    refuse_out("sum", out)
    a = as_tensor(a)
    mask = mask_of("sum", where, a)
    y = reduce.sum(a if mask is None else select(mask, a, 0), axis, dtype, keepdims=keepdims)
    return _begun("sum", y, initial, add)


def prod(a, axis=None, dtype=None, out=None, keepdims=False, initial=None, where=None):
    """`reduce.prod` with its options."""
    refuse_out("prod", out)
    a = as_tensor(a)
    mask = mask_of("prod", where, a)
    y = reduce.prod(a if mask is None else select(mask, a, 1), axis, dtype, keepdims=keepdims)
    return _begun("prod", y, initial, multiply)


def _lowest(dtype, sign):
    """What is below (`sign` 1) or above (-1) all numbers of a dtype."""
    if dtype.kind == "b":
        return sign < 0
    if dtype.kind in "iu":
        return int(np.iinfo(dtype).min if sign > 0 else np.iinfo(dtype).max)
    return complex(-sign * np.inf, -sign * np.inf) if dtype.kind == "c" else -sign * np.inf


def extreme(name, reduction, ufunc, sign, a, axis, keepdims, initial, where):
    """`max` and `min` (`sign` 1 and -1) with their options; `ufunc` is the same of two."""
    a = as_tensor(a)
    mask = mask_of(name, where, a)
    if initial is None:
        if mask is not None:
            raise ValueError(
                f"{name}: where= needs initial=, the result where no element is taken; "
                f"{_lowest(np.dtype(float), sign)} changes nothing"
            )
        return reduction(a, axis, keepdims=keepdims)
    initial = _first(name, initial, a)
    if not a.size:
        axes = axes_of(axis, a.ndim)
        sizes = [1 if i in axes else n for i, n in enumerate(a.shape) if keepdims or i not in axes]
        return broadcast_to(initial, tuple(sizes))
    if mask is not None:
        a = select(mask, a, _lowest(a.dtype, sign))
    return ufunc(reduction(a, axis, keepdims=keepdims), initial)


def max(a, axis=None, out=None, keepdims=False, initial=None, where=None):
    """`reduce.max` with its options."""
    refuse_out("max", out)
    return extreme("max", reduce.max, maximum, 1, a, axis, keepdims, initial, where)


def min(a, axis=None, out=None, keepdims=False, initial=None, where=None):
    """`reduce.min` with its options."""
    refuse_out("min", out)
    return extreme("min", reduce.min, minimum, -1, a, axis, keepdims, initial, where)


def _inexact(a, dtype):
    """The dtype in which a mean is computed."""
    return np.dtype(np.float64) if dtype is None and a.dtype.kind in "biu" else dtype


def mean(a, axis=None, dtype=None, out=None, keepdims=False, where=None):
    """`reduce.mean` with its options."""
    refuse_out("mean", out)
    a = as_tensor(a)
    mask = mask_of("mean", where, a)
    if mask is None:
        return reduce.mean(a, axis, dtype, keepdims=keepdims)
    count = counted(a, mask, axis, keepdims)
    if _is(count == 0):
        warn("Mean of empty slice")
    half = a.dtype == np.float16 and dtype is None
    total = sum(a, axis, np.float32 if half else _inexact(a, dtype), keepdims=keepdims, where=mask)
    y = over(total, count)
    return y.astype(np.float16) if half else y


def variance(a, axis, dtype, ddof, keepdims, mask, mean=None, least=0):
    """The variance of the elements in the mask (None: all), and the count less `ddof`, held from `least` on."""
    if a.dtype.kind in "biu":
        a = a.astype(np.float64)
    if mean is None:
        count = counted(a, mask, axis, True)
        mean = over(sum(a, axis, dtype, keepdims=True, where=mask), count + (count == 0))
    elif not isinstance(mean, (Operand, int, float)):
        mean = tensor_of(beside(as_array(mean), a.array))
    d = a - mean
    if mask is not None:
        d = select(mask, d, 0.0)
    squares = (d * d.conj()).real if d.dtype.kind == "c" else np.square(d)
    left = counted(a, mask, axis, keepdims) - ddof
    held = left * (left > 0) + least * (left <= 0)
    return over(reduce.sum(squares, axis, dtype, keepdims=keepdims), held), left


def rooted(v):
    """The square root of a variance; its gradient at 0 is 0."""
    zero = v.array == 0
    return select(zero, 0.0, np.sqrt(select(zero, 1.0, v)))


def freedom(name, ddof, correction):
    """`ddof`, or `correction` in its place."""
    if correction is not None and ddof != 0:
        raise ValueError(f"{name}: correction= is another name of ddof=: give one of them")
    return ddof if correction is None else correction


def var(a, axis=None, dtype=None, out=None, ddof=0, keepdims=False, where=None, mean=None, correction=None):
    """`reduce.var` with its options."""
    refuse_out("var", out)
    a, ddof = as_tensor(a), freedom("var", ddof, correction)
    mask = mask_of("var", where, a)
    if mask is None and mean is None:
        return reduce.var(a, axis, dtype, None, ddof, keepdims)
    if _is(counted(a, mask, axis, False) <= ddof):
        warn("Degrees of freedom <= 0 for slice")
    return variance(a, axis, dtype, ddof, keepdims, mask, mean)[0]


def std(a, axis=None, dtype=None, out=None, ddof=0, keepdims=False, where=None, mean=None, correction=None):
    """`reduce.std` with its options."""
    refuse_out("std", out)
    a, ddof = as_tensor(a), freedom("std", ddof, correction)
    if mean is None and mask_of("std", where, a) is None:
        return reduce.std(a, axis, dtype, None, ddof, keepdims)
    return rooted(var(a, axis, dtype, None, ddof, keepdims, where, mean))


def logsumexp(x, axis=None, keepdims=False, initial=None, where=None):
    """`reduce.logsumexp` with the options of ``np.logaddexp.reduce``."""
    x = as_tensor(x)
    mask = mask_of("logaddexp.reduce", where, x)
    y = reduce.logsumexp(x if mask is None else select(mask, x, -np.inf), axis, keepdims)
    return _begun("logaddexp.reduce", y, initial, logaddexp)
