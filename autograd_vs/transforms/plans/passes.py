"""Passes over a program: what need not be computed, or not twice, or not again. Floor 3.

Each takes a program and changes its calls. They are exact: the results are the same bit for bit.
"""

from collections import Counter
from typing import Any

import numpy as np

from .program import Call, Program, arrays_in

__all__ = ["PASSES", "chosen", "drop_unused", "fold_constants", "merge_equal", "moved", "split_versions"]


def split_versions(program: Program) -> None:
    """What writes over the whole of a result gives one of its own: then each is written once, and has one meaning."""
    instead: dict[int, Any] = {}
    for call in program.calls:
        into = call.form == "into" and isinstance(call.function, np.ufunc) and not call.options
        target: Any = program.writes(call)[0] if into else None
        whole = into and target.kind == "result" and call.out.nbytes == target.array.nbytes and call.out.size
        if instead:
            call.args, call.options = _replaced(program, call.args, instead), _replaced(program, call.options, instead)
            if call.out is not None and not whole:
                call.out = _replaced(program, call.out, instead)
        if whole and call.out.flags.c_contiguous:
            fresh = np.empty_like(call.out)
            instead[id(target)] = program.add(fresh, "result")
            for key, storage in instead.items():
                if storage is target:
                    instead[key] = instead[id(target)]
            call.form, call.out = "call", fresh
        elif whole:
            call.out = _replaced(program, call.out, instead)
    program.outputs = [_replaced(program, a, instead) for a in program.outputs]


def fold_constants(program: Program) -> None:
    """What depends on constants only is one."""
    written = _writes(program)
    kept = []
    for call in program.calls:
        targets = program.writes(call)
        if (
            program.defines(call)
            and isinstance(call.out, np.ndarray)
            and written[id(targets[0])] == 1
            and all(s.kind == "constant" for s in program.reads(call))
            and call.out.flags.writeable
            and not any(np.may_share_memory(targets[0].array, out) for out in program.outputs)
        ):
            targets[0].kind = "constant"
            with np.errstate(all="ignore"):  # the trace has warned
                call.out[...] = call.function(*call.args, **call.options)  # its memory may hold something else by now
        else:
            kept.append(call)
    program.calls = kept


def drop_unused(program: Program) -> None:
    """Calls whose results nobody reads."""
    needed = {id(program.storage(a)) for a in program.outputs}
    kept = []
    for call in reversed(program.calls):
        targets = program.writes(call)
        if call.form == "outside" or any(s.kind == "state" or id(s) in needed for s in targets):
            if program.defines(call):
                needed.difference_update(map(id, targets))
            needed.update(id(s) for s in program.reads(call))
            kept.append(call)
    program.calls = kept[::-1]


def merge_equal(program: Program) -> None:
    """The same function of the same arrays is called once; what is written to meanwhile is not the same any more."""
    written = _writes(program)
    versions: Counter = Counter()  # how often each storage was written so far
    seen: dict[Any, Call] = {}
    instead: dict[int, Any] = {}  # id of a storage -> the one that has the same contents
    kept = []
    for call in program.calls:
        if instead:
            call.args, call.options = _replaced(program, call.args, instead), _replaced(program, call.options, instead)
        targets = program.writes(call)
        if call.form == "outside":  # it may write to any state
            versions.update(id(s) for s in program.storages.values() if s.kind == "state")
        once = program.defines(call) and all(written[id(s)] == 1 for s in targets)
        key = _key(program, call, versions) if once else None
        first = seen.get(key) if key is not None else None
        if first is not None and all(map(_same_layout, arrays_in(first.out), arrays_in(call.out))):
            instead.update(zip(map(id, targets), program.writes(first), strict=True))
            continue
        if key is not None:
            seen[key] = call
        versions.update(map(id, targets))
        kept.append(call)
    program.calls = kept
    program.outputs = [_replaced(program, a, instead) for a in program.outputs]


def _writes(program):
    return Counter(id(s) for call in program.calls for s in program.writes(call))


def _same_layout(a, b):
    return a.shape == b.shape and a.strides == b.strides and a.dtype == b.dtype


def _replaced(program, x, instead):
    """A nest with arrays in the storages that are used instead of theirs."""
    if isinstance(x, np.ndarray):
        storage = instead.get(id(program.storage(x)))
        return x if storage is None else moved(x, program.storage(x).array, storage.array)
    if isinstance(x, (list, tuple)):
        return type(x)(_replaced(program, part, instead) for part in x)
    if isinstance(x, dict):
        return {k: _replaced(program, part, instead) for k, part in x.items()}
    return x


def moved(view: np.ndarray, old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """The view of the memory of `new` that lies there as `view` lies in that of `old`."""
    if view is old:
        return new
    if not view.size:
        return view
    offset = view.__array_interface__["data"][0] - old.__array_interface__["data"][0]
    return np.ndarray(view.shape, view.dtype, _bytes(new), offset, view.strides)


def _bytes(a):
    """The memory of an array that owns it, as bytes."""
    if a.flags.c_contiguous:
        return a.reshape(-1).view(np.uint8)
    return a.T.reshape(-1).view(np.uint8) if a.flags.f_contiguous else np.lib.stride_tricks.as_strided(
        a, (a.size,), (a.itemsize,)
    ).view(np.uint8)  # fmt: skip


def _key(program, call, versions):
    """What a call computes, or None if that cannot be said by a key."""

    def part(x):
        if isinstance(x, np.ndarray):
            storage = program.storage(x)
            offset = x.__array_interface__["data"][0] - storage.array.__array_interface__["data"][0]
            return "array", id(storage), offset, x.shape, x.strides, x.dtype.str, versions[id(storage)]
        if isinstance(x, (list, tuple)):
            return (type(x), *map(part, x))
        if isinstance(x, dict):
            return tuple((k, part(v)) for k, v in sorted(x.items()))
        if isinstance(x, slice):
            return "slice", part(x.start), part(x.stop), part(x.step)
        return type(x), x if x == x else repr(x), repr(x)

    try:
        key = (call.form, call.function, part(call.args), part(call.options))
        hash(key)
    except TypeError:
        return None
    return key


PASSES = [split_versions, fold_constants, merge_equal, drop_unused]  # in this order; one that is not exact says so


def chosen(exact: bool = False, without=()) -> list:
    """The passes that run: all, or the exact ones; some may be left out by name.

    Raises
    ------
    ValueError
        If there is no pass of such a name.
    """
    names = [*(change.__name__ for change in PASSES), "place"]
    for name in (without,) if isinstance(without, str) else without:
        if name not in names:
            raise ValueError(f"function(without=...): there is no pass {name!r}. The passes are {', '.join(names)}")
    return [c for c in PASSES if c.__name__ not in without and not (exact and not getattr(c, "exact", True))]
