"""Where the results of a plan lie: memory is used again as soon as nobody reads what is in it. Floor 3."""

from typing import Any

import numpy as np

from ...base.backend import address, is_array, namespace, view_at
from .program import Program, arrays_in

__all__ = ["apart", "place"]


LINE = 64  # bytes: each result begins at a cache line


def place(program: Program) -> dict[int, Any]:
    """For each result (by the id of its storage) the array that takes the place of the one of the trace.

    All lie in one piece of memory, the large ones first, each as far in front as those allow that live at the same
    An elementwise ufunc may write over an argument that dies there.

    References
    ----------
    Pisarchyk and Lee, "Efficient memory management for deep neural net inference", 2020 (greedy by size).
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
    shared = {key: key for key in storages}  # the result whose memory it has: its own, or that of an argument
    for number, call in enumerate(program.calls):
        dead = [k for k in dying.get(number, ()) if k in storages and first[k] < number]
        if dead and _may_overwrite(program, call, dead):
            for target in program.writes(call):
                key = id(target)
                fitting = [k for k in dead if storages[k].array.nbytes == target.array.nbytes]
                if key in storages and first[key] == number and fitting:
                    shared[key] = shared[fitting[0]]
                    dead.remove(fitting[0])
    owners: dict[int, list] = {}
    for key, owner in shared.items():
        owners.setdefault(owner, []).append(key)
    begin = np.array([min(first[k] for k in keys) for keys in owners.values()])
    end = np.array([max(last[k] for k in keys) for keys in owners.values()])
    size = np.array([-(-max(1, storages[k].array.nbytes) // LINE) * LINE for k in owners], np.int64)
    offsets = _offsets(begin, end, size)
    nbytes, start = int(max(offsets + size, default=0)), dict(zip(owners, offsets.tolist(), strict=True))
    memory = {xp: _lined_up(nbytes, xp) for xp in {namespace(s.array) for s in storages.values()}}  # one, as a rule
    return {
        key: view_at(s.array, *_behind(memory[namespace(s.array)], start[shared[key]])) for key, s in storages.items()
    }


def apart(program: Program) -> dict[int, Any]:
    """As `place`, but nothing is used again: to see whether the reuse of memory is to blame for something."""
    results = {s for call in program.calls for s in program.writes(call) if s.kind == "result"}
    return {id(s): view_at(s.array, namespace(s.array).empty(max(1, s.array.nbytes), np.uint8), 0) for s in results}


def _offsets(begin, end, size):
    """An offset for each piece of memory, so that those which are in use at the same time do not overlap."""
    offsets = np.zeros_like(size)
    order = np.lexsort((begin, -size))
    for number, i in enumerate(order):
        others = order[:number]
        others = others[(begin[others] <= end[i]) & (begin[i] <= end[others])]
        others = others[np.argsort(offsets[others])]
        free = np.maximum.accumulate(np.concatenate([[0], offsets[others] + size[others]]))  # behind each of them
        gaps = np.concatenate([offsets[others], [np.iinfo(np.int64).max]]) - free
        offsets[i] = free[np.argmax(gaps >= size[i])]
    return offsets


def _lined_up(nbytes, xp):
    """Memory for so many bytes, and where in it the first cache line begins."""
    memory = xp.empty(nbytes + LINE, np.uint8)
    return memory, -address(memory) % LINE


def _behind(memory, offset):
    memory, first = memory
    return memory, first + offset


def _may_overwrite(program, call, dead):
    """Whether each number of the result depends on the numbers at the same place of what dies here only."""
    if call.form == "pieces":
        return bool(dead) and call.function.may_overwrite(program, set(dead))
    if not (isinstance(call.function, np.ufunc) and call.form == "call" and call.function.signature is None):
        return False
    out = call.out
    if not is_array(out) or program.storage(out).kind != "result" or out.size == 1:
        return False  # of one element, NumPy takes twice as long in place
    return all(
        a.shape == out.shape and a.strides == out.strides and a.itemsize == out.itemsize
        and _starts(a, program) and _starts(out, program)
        for a in arrays_in(call.args)
        if id(program.storage(a)) in dead
    )  # fmt: skip


def _starts(a, program):
    owner = program.storage(a).array
    return address(a) == address(owner) and a.nbytes == owner.nbytes
