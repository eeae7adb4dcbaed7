"""Elementwise calls on a device as kernels of our own: one launch and one pass over memory for many calls. Floor 3.

`in_kernels` is the pass. Calls of one number of elements are put together where nothing between them has to stay
between them; what only they read is a number in a register, and has no memory. Each step rounds as the call did, so
results are those of the calls one by one. Programs on NumPy's arrays are left as they are (`pieces.py`, `loops.py`).
"""

from math import prod
from typing import Any

import numpy as np

from ...base.backend import address, is_array, launcher, namespace
from ...base.cuda.elementwise import Argument, Kernel, Launch, Step, Value, loop_dtypes
from ...base.cuda.expressions import knows
from .passes import spread
from .program import Call, Program, arrays_in

__all__ = ["in_kernels"]

REACH = 32  # how many calls and kernels a call may be moved over
MOST = 64  # calls in one kernel: a thread has so many registers only
CONVERSIONS = (np.ndarray.astype, np.ndarray.copy, spread)


def in_kernels(program: Program) -> None:
    """Elementwise calls on arrays of a library that runs our kernels become kernels."""
    if not any(launcher(namespace(a)) for call in program.calls for a in arrays_in(call.out)):
        return
    items: list[_Item] = []
    for call in program.calls:
        item = _Item(program, call, _parsed(call))
        if not (_joins_earlier(item, items) or _joins_later(item, items)):
            items.append(item)
    users: dict[int, set[int]] = {}  # by the id of a storage: which items use it
    for number, item in enumerate(items):
        for key in item.reads | item.writes:
            users.setdefault(key, set()).add(number)
    seen_outside = {key for key, some in users.items() if len(some) > 1}
    seen_outside |= {id(program.storage(a)) for a in program.outputs}
    program.calls = [call for item in items for call in item.calls(seen_outside)]


def _joins_earlier(new, items) -> bool:
    """Put a call into a kernel before it, if it can be made there."""
    for item in reversed(items[-REACH:] if new.run else []):
        if item.takes(new):
            return True
        if item.must_not_pass(new):
            return False
    return False


def _joins_later(new, items) -> bool:
    """Put a call into a kernel before it that can as well be made here."""
    for number in range(len(items) - 1, max(-1, len(items) - 1 - REACH), -1):
        item = items[number]
        if new.run and item.run and not any(map(item.must_not_pass, items[number + 1 :])) and item.takes(new):
            items.append(items.pop(number))
            return True
    return False


class _Parsed:
    """An elementwise call: a function (None: it converts) of operands, and where its result goes."""

    def __init__(self, call, function, operands, out):
        self.call, self.function, self.operands, self.out, self.size = call, function, operands, out, out.size
        self.patterns: list[Any] = [_pattern(x, out.shape) if is_array(x) else None for x in operands]
        self.target: Any = _pattern(out, out.shape)
        dtypes = [x.dtype if is_array(x) or isinstance(x, np.generic) else x for x in operands]
        self.loop: Any
        if function is None:
            self.loop = (dtypes[0] if isinstance(dtypes[0], np.dtype) else out.dtype,)
            self.dtype = out.dtype
        elif function is np.where:
            self.loop, self.dtype = (np.dtype(bool), out.dtype, out.dtype), out.dtype
        else:
            found = loop_dtypes(function, dtypes)
            self.loop, self.dtype = (None, None) if found is None else (found[:-1], found[-1])

    @property
    def fits(self) -> bool:
        """Whether a kernel can do it."""
        arrays = [x for x in self.operands if is_array(x)]
        return (
            self.loop is not None
            and all(knows(np.equal, a.dtype) for a in (*arrays, self.out))
            and all(namespace(a) is namespace(self.out) for a in arrays)
            and all(is_array(x) or isinstance(x, (bool, int, float, np.generic)) for x in self.operands)
            and all(p is not None for x, p in zip(self.operands, self.patterns, strict=True) if is_array(x))
            and self.target is not None
            and all(stride for _, stride in self.target)
        )


def _parsed(call) -> _Parsed | None:
    """The call as one that a kernel can make, or None."""
    function, operands, out = call.function, call.args, call.out
    if call.form == "setitem" and call.args[1] is ...:
        function, operands, out = None, call.args[2:], call.args[0]
    elif call.form not in ("call", "into", "method"):
        return None
    elif function in CONVERSIONS:
        function, operands = None, call.args[:1]
    elif call.options or not (isinstance(function, np.ufunc) or (function is np.where and len(operands) == 3)):
        return None
    if not is_array(out) or launcher(namespace(out)) is None or not out.size:
        return None
    parsed = _Parsed(call, function, operands, out)
    return parsed if parsed.fits else None


def _pattern(a, shape) -> tuple | None:
    """Where the elements of `a`, broadcast to `shape`, lie: pairs (length, stride in elements), one for each loop.

    Neighbours that are one loop are joined, so it tells of the elements in their order, and not of the shape. None for
    what goes backwards, or lies askew.
    """
    strides: tuple = (0,) * (len(shape) - a.ndim) + tuple(
        0 if n == 1 else s for n, s in zip(a.shape, a.strides, strict=True)
    )
    if a.ndim > len(shape) or any(s < 0 or s % a.itemsize for s in strides):
        return None
    loops: list[tuple[int, int]] = []
    for n, stride in zip(shape, strides, strict=True):
        stride //= a.itemsize
        if n == 1:
            continue
        if loops and loops[-1][1] == n * stride:
            loops[-1] = loops[-1][0] * n, stride
        else:
            loops.append((n, stride))
    return tuple(loops) if any(stride for _, stride in loops) else ()


def _index(pattern) -> str:
    """A pattern as an expression of C."""
    terms, inner = [], 1
    for number, (n, stride) in enumerate(reversed(pattern)):
        term = "i" if inner == 1 else f"i / {inner}"
        term += f" % {n}" if number < len(pattern) - 1 else ""
        if stride:
            terms.append(term if stride == 1 else f"({term}) * {stride}")
        inner *= n
    return " + ".join(terms) or "0"


class _Item:
    """A call that stays what it is, or elementwise calls that become one kernel."""

    def __init__(self, program: Program, call: Call, parsed: _Parsed | None):
        self.program, self.call = program, call
        self.run = [] if parsed is None else [parsed]
        self.reads = {id(s) for s in program.reads(call)}
        self.writes = {id(s) for s in program.writes(call) + program.changes(call)}
        self.places: dict[int, set] = {}  # by the id of a storage: where in it the calls of the run read and write
        if parsed is not None:
            self._use(parsed, self.places)

    def must_not_pass(self, other: "_Item") -> bool:
        """Whether the order of the two counts."""
        if "outside" in (other.call.form, self.call.form):
            return True
        return not (self.writes.isdisjoint(other.reads | other.writes) and self.reads.isdisjoint(other.writes))

    def takes(self, new: "_Item") -> bool:
        """Take one call more, if each element of its result depends on the same element of what is written here."""
        (parsed,) = new.run
        if not self.run or self.run[0].size != parsed.size or len(self.run) == MOST:
            return False
        if namespace(self.run[0].out) is not namespace(parsed.out):
            return False
        places = {key: set(some) for key, some in self.places.items()}
        self._use(parsed, places)
        writes = self.writes | new.writes
        if any(len(places[key]) > 1 for key in writes):
            return False  # an element would need what another thread writes
        self.run.append(parsed)
        self.places, self.writes, self.reads = places, writes, self.reads | new.reads
        return True

    def _use(self, parsed, places):
        for a, pattern in [*zip(parsed.operands, parsed.patterns, strict=True), (parsed.out, parsed.target)]:
            if is_array(a):
                places.setdefault(id(self.program.storage(a)), set()).add(_place(a, pattern))

    # ---------------------------------------------------------------- the kernel
    def calls(self, seen_outside: set[int]) -> list[Call]:
        """The calls that it becomes; of results that are not in `seen_outside` it keeps nothing."""
        if not self.run or (len(self.run) == 1 and isinstance(self.call.function, np.ufunc)):
            return [self.call]
        arrays: dict[tuple, Any] = {}  # by place: the arguments of the kernel, first those that it reads
        patterns: dict[tuple, tuple] = {}
        written: dict[tuple, Value] = {}
        for parsed in self.run:
            for a, pattern in zip(parsed.operands, parsed.patterns, strict=True):
                if is_array(a) and _place(a, pattern) not in patterns:
                    arrays[_place(a, pattern)] = a
                    patterns[_place(a, pattern)] = pattern
            patterns.setdefault(_place(parsed.out, parsed.target), parsed.target)
        read = len(arrays)
        for parsed in self.run:
            storage, place = self.program.storage(parsed.out), _place(parsed.out, parsed.target)
            if storage.kind != "result" or id(storage) in seen_outside:
                arrays.setdefault(place, parsed.out)
        values: dict[tuple, Value] = {place: Value(n) for n, place in enumerate(arrays)}
        steps: list[Step] = []

        def noted(step):
            steps.append(step)
            return Value(len(arrays) + len(steps) - 1)

        for parsed in self.run:
            operands = tuple(
                [
                    x if pattern is None else values[_place(x, pattern)]
                    for x, pattern in zip(parsed.operands, parsed.patterns, strict=True)
                ]
            )
            value = noted(Step(parsed.function, operands, parsed.loop, parsed.dtype))
            if parsed.dtype != parsed.out.dtype:
                value = noted(Step(None, (value,), (parsed.dtype,), parsed.out.dtype))
            place = _place(parsed.out, parsed.target)
            values[place] = written[place] = value
        numbers = {place: n for n, place in enumerate(arrays)}
        stores = [(numbers[place], value) for place, value in written.items() if place in numbers]
        if not stores:
            return []
        arguments = [Argument(a.dtype, "array", _index(patterns[place])) for place, a in arrays.items()]
        size = self.run[0].size
        reach = max(1 + sum((n - 1) * stride for n, stride in pattern) for pattern in patterns.values())
        kernel = Kernel(arguments, steps, stores, wide=max(size, reach) >= 1 << 31)
        launch = Launch(launcher(namespace(self.run[0].out)), kernel, size)
        given = tuple(arrays.values())
        out = (*given[read:], *[given[n] for n, _ in stores if n < read])
        return [Call("kernel", launch, given[:read], {}, out, self.call.scope)]


def _place(a, pattern) -> tuple:
    """What is one number in one thread: an element of this array, read in this way."""
    return address(a), pattern, a.dtype.str, prod(n for n, _ in pattern)
