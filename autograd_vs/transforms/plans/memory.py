"""Where the results of a plan lie: memory is used again as soon as nobody reads what is in it. Floor 3."""

import numpy as np

from .program import Program, arrays_in

__all__ = ["apart", "place"]


def apart(program: Program) -> dict[int, np.ndarray]:
    """As `place`, but nothing is used again: to see whether the reuse of memory is to blame for something."""
    return {
        id(s): _array_in(np.empty(max(1, s.array.nbytes), np.uint8), s.array)
        for s in program.storages.values()
        if s.kind == "result"
    }


def place(program: Program) -> dict[int, np.ndarray]:
    """For each result (by the id of its storage) the array that takes the place of the one of the trace.

    An elementwise ufunc may write over an argument that dies there; everything else gets memory that is free.
    """
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    storages = {}
    for number, call in enumerate(program.calls):
        for storage in program.reads(call) + program.writes(call):
            if storage.kind == "result":
                first.setdefault(id(storage), number)
                last[id(storage)] = number
                storages[id(storage)] = storage
    for a in program.outputs:
        last[id(program.storage(a))] = len(program.calls)
    dying: dict[int, list] = {}
    for key, number in last.items():
        dying.setdefault(number, []).append(key)
    free: list[np.ndarray] = []  # blocks of bytes
    blocks: dict[int, np.ndarray] = {}
    arrays: dict[int, np.ndarray] = {}
    for number, call in enumerate(program.calls):
        dead = [k for k in dying.get(number, ()) if k in blocks]
        if _may_overwrite(program, call, dead):
            free += [blocks[k] for k in dead]
            dead = []
        for target in program.writes(call):
            key = id(target)
            if key in storages and key not in blocks:
                blocks[key] = block = _taken(free, target.array.nbytes)
                arrays[key] = _array_in(block, target.array)
                dead += [key] if last[key] == number else []
        free += [blocks[k] for k in dead]
    return arrays


def _may_overwrite(program, call, dead):
    """Whether each number of the result depends on the numbers at the same place of what dies here only."""
    if call.form == "pieces":
        return bool(dead) and call.function.may_overwrite(program, set(dead))
    if not (isinstance(call.function, np.ufunc) and call.form == "call" and call.function.signature is None):
        return False
    out = call.out
    if not isinstance(out, np.ndarray) or program.storage(out).kind != "result":
        return False
    return all(
        a.shape == out.shape and a.strides == out.strides and a.itemsize == out.itemsize
        and _starts(a, program) and _starts(out, program)
        for a in arrays_in(call.args)
        if id(program.storage(a)) in dead
    )  # fmt: skip


def _starts(a, program):
    owner = program.storage(a).array
    return a.__array_interface__["data"][0] == owner.__array_interface__["data"][0] and a.nbytes == owner.nbytes


def _taken(free, nbytes):
    """The smallest free block that is large enough, and not far too large; else a new one."""
    fitting = [b for b in free if nbytes <= b.nbytes <= max(4096, 2 * nbytes)]
    if not fitting:
        return np.empty(max(1, nbytes), np.uint8)
    best = min(fitting, key=lambda b: b.nbytes)
    free[:] = [b for b in free if b is not best]
    return best


def _array_in(block, like):
    return np.ndarray(like.shape, like.dtype, block, 0, like.strides)
