"""Passes over a program: what need not be computed, or not twice, or not again. Floor 3.

Each takes a program and changes its calls. They are exact: the results are the same bit for bit.
"""

from collections import Counter
from typing import Any

import numpy as np

from ...base.backend import address, is_array, namespace, view_at
from .program import Call, Program, arrays_in, mapped

__all__ = [
    "drop_unused",
    "fold_constants",
    "join_in_place",
    "merge_equal",
    "moved",
    "replaced",
    "split_versions",
    "spread",
    "writes",
]


def split_versions(program: Program) -> None:
    """What writes over the whole of a result gives one of its own: then each is written once, and has one meaning."""
    instead: dict[int, Any] = {}
    for call in program.calls:
        out = _overwritten(program, call)
        target = None if out is None else program.storage(out)
        if instead:
            call.args, call.options = replaced(program, call.args, instead), replaced(program, call.options, instead)
            if call.out is not None and target is None:
                call.out = replaced(program, call.out, instead)
        if target is None:
            continue
        if call.form == "setitem":
            call.function, call.args = spread, (call.args[2], out.shape, out.dtype)
            call.by = spread
        fresh = namespace(out).empty_like(out)
        program.add(fresh, "result")
        for key, array in instead.items():
            if array is target.array:
                instead[key] = fresh
        instead[id(target)] = fresh
        call.form, call.out = "call", fresh
    program.outputs = [replaced(program, a, instead) for a in program.outputs]


def _overwritten(program, call):
    """The array that the call writes over, if that is all of a result, and it could as well write elsewhere."""
    if call.form == "into" and isinstance(call.function, np.ufunc) and not call.options:
        out = call.out
    elif call.form == "setitem" and call.args[1] is ... and not isinstance(call.args[2], (list, tuple)):
        out = call.args[0]
    else:
        return None
    target = program.storage(out)
    whole = target.kind == "result" and out.nbytes == target.array.nbytes and out.size and out.flags.c_contiguous
    return out if whole else None


def spread(value, shape, dtype):
    """An array of this shape and dtype with `value` all over it."""
    return np.broadcast_to(value, shape).astype(dtype)


def fold_constants(program: Program) -> None:
    """What depends on constants only is one."""
    written = writes(program)
    kept = []
    for call in program.calls:
        targets = program.writes(call)
        if (
            program.defines(call)
            and is_array(call.out)
            and written[id(targets[0])] == 1
            and all(s.kind == "constant" for s in program.reads(call))
            and getattr(call.out.flags, "writeable", True)  # other libraries have no read-only arrays
            and not any(targets[0] is program.storage(out) for out in program.outputs)
        ):
            targets[0].kind = "constant"
            with np.errstate(all="ignore"):  # the trace has warned
                call.out[...] = call.by(*call.args, **call.options)  # its memory may hold something else by now
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
    written = writes(program)
    versions: Counter = Counter()  # how often each storage was written so far
    seen: dict[Any, Call] = {}
    instead: dict[int, Any] = {}  # id of a storage -> the array of the one that has the same contents
    kept = []
    for call in program.calls:
        if instead:
            call.args, call.options = replaced(program, call.args, instead), replaced(program, call.options, instead)
        targets = program.writes(call)
        versions.update(map(id, program.changes(call)))
        once = program.defines(call) and all(written[id(s)] == 1 for s in targets)
        key = _key(program, call, versions) if once else None
        first = seen.get(key) if key is not None else None
        if first is not None and all(map(_same_layout, arrays_in(first.out), arrays_in(call.out))):
            instead.update(zip(map(id, targets), [s.array for s in program.writes(first)], strict=True))
            continue
        if key is not None:
            seen[key] = call
        versions.update(map(id, targets))
        kept.append(call)
    program.calls = kept
    program.outputs = [replaced(program, a, instead) for a in program.outputs]


def join_in_place(program: Program) -> None:
    """What is joined to one array is computed where it belongs in there, and not copied."""
    written = writes(program)
    defined = {id(program.storage(c.out)): c for c in program.calls if program.defines(c) and is_array(c.out)}
    instead: dict[int, Any] = {}  # id of a storage -> the array in which it lies from now on
    dropped: dict[int, list] = {}  # by the id of a call that joins: the copies that are left of it
    for call in program.calls:
        if (
            call.function is not np.concatenate
            or not program.defines(call)
            or written[id(program.storage(call.out))] > 1
        ):
            continue
        rest, moved_any = [], False
        for part, place in zip(call.args[0], _places(call), strict=True):
            storage = program.storage(part)
            if (
                storage.kind == "result" and id(storage) in defined and written[id(storage)] == 1
                and id(storage) not in instead and program.storage(call.out) is not storage
                and part.dtype == place.dtype and part.nbytes == storage.array.nbytes
                and part.flags.c_contiguous and storage.array.flags.c_contiguous and place.flags.c_contiguous
            ):  # fmt: skip
                instead[id(storage)] = place.reshape(storage.array.shape)
                moved_any = True
            else:
                rest.append(Call("setitem", None, (place, ..., part.reshape(place.shape)), {}, None, call.scope))
        if moved_any:
            dropped[id(call)] = rest
    for key in reversed(instead):  # the place itself may be a part of something larger, which came later
        instead[key] = replaced(program, instead[key], instead)
    program.calls = [c for call in program.calls for c in dropped.get(id(call), [call])]
    for call in program.calls:
        call.args, call.options = replaced(program, call.args, instead), replaced(program, call.options, instead)
        call.out = replaced(program, call.out, instead)
    program.outputs = [replaced(program, a, instead) for a in program.outputs]


def _places(call):
    """Where the parts of a concatenation lie in its result."""
    axis = call.args[1] if len(call.args) > 1 else call.options.get("axis", 0)
    places, start = [], 0
    for part in call.args[0]:
        stop = start + (part.size if axis is None else part.shape[axis])
        places.append(
            call.out[start:stop]
            if axis is None
            else call.out[(slice(None),) * (axis % part.ndim) + (slice(start, stop),)]
        )
        start = stop
    return places


def writes(program: Program) -> Counter:
    """How many calls write to each storage, by its id."""
    return Counter(id(s) for call in program.calls for s in program.writes(call))


def _same_layout(a, b):
    return a.shape == b.shape and a.strides == b.strides and a.dtype == b.dtype


def replaced(program, x, instead):
    """A nest with arrays in the storages that are used instead of theirs."""

    def one(leaf):
        new = instead.get(id(program.storage(leaf))) if is_array(leaf) else None
        return leaf if new is None else moved(leaf, program.storage(leaf).array, new)

    return mapped(one, x)


def moved(view: Any, old: Any, new: Any) -> Any:
    """The view of the memory of `new` that lies there as `view` lies in that of `old`."""
    if view is old and view.shape == new.shape and view.strides == new.strides:
        return new
    return view_at(view, new, address(view) - address(old)) if view.size else view


def _key(program, call, versions):
    """What a call computes, or None if that cannot be said by a key."""

    def part(x):
        if is_array(x):
            storage = program.storage(x)
            offset = address(x) - address(storage.array)
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
