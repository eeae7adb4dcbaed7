"""Elementwise calls over large arrays, piece by piece: what lies between them stays in the cache. Floor 3.

`in_pieces` is the pass. A run of calls is cut along the leading dimensions of its arrays, into as many rows as all of
them allow; a piece is some of these rows. Results that only the run itself reads are never there as a whole: they have
the memory of one piece, in each of the lanes, which threads share.
"""

import os
from functools import partial
from itertools import pairwise
from math import gcd, prod

import numpy as np

from ...base.backend import address
from .passes import spread
from .program import Call, Program, arrays_in, mapped

__all__ = ["Pieces", "in_pieces"]

# In bytes, of the largest array of a call; measured on the workloads of bench/ (docs/architecture.md, "Plans").
PIECE = 1 << 18  # of a piece
LARGE = 1 << 20  # smaller arrays stay in the cache anyway
SHARED = 1 << 16  # smaller ones are not worth a thread, however many they are
THREADS_FROM = 1 << 24  # of all calls together: less is not worth a thread
BESIDE_BLAS = 1 << 29  # the same where the plan has products: the threads of BLAS wait busily for the next one
PRODUCTS = (np.dot, np.matmul, np.vdot, np.tensordot, np.einsum, np.inner)
CONVERSIONS = (np.ndarray.astype, np.ndarray.copy, spread)


def in_pieces(program: Program, least: int | None = None) -> None:
    """Runs of elementwise calls, and of reductions along the last axes, over large arrays become one call each.

    With `least` that is done with all arrays of so many bytes.
    """
    blas = any(call.function in PRODUCTS or hasattr(call.function, "fills") for call in program.calls)
    threads_from = BESIDE_BLAS if blas else THREADS_FROM
    kept: list[Call] = []
    run = _Run(program, least, threads_from)
    for call in program.calls:
        cut = _cut(call)
        if cut is not None and run.takes(cut):
            continue
        kept += run.calls()
        run = _Run(program, least, threads_from)
        if cut is None or not run.takes(cut):
            kept.append(call)
    program.calls = kept + run.calls()
    users: dict[int, set] = {}  # by the id of a storage: the calls that use it
    for call in program.calls:
        inside = call.function.calls if call.form == "pieces" else [call]
        for storage in {s for c in inside for s in program.reads(c) + program.writes(c)}:
            users.setdefault(id(storage), set()).add(id(call))
    handed_out = {id(program.storage(a)) for a in program.outputs}
    for call in program.calls:
        if call.form == "pieces":
            _settle(program, call, users, handed_out)


class Cut:
    """A call whose arrays are taken apart at their first `axes` dimensions, which have `rows` rows together."""

    flat = False  # whether its pieces are flat

    def __init__(self, call: Call, shape, axes: int):
        self.call, self.shape, self.axes, self.rows = call, shape, axes, prod(shape[:axes])
        self.arrays = [*arrays_in(call.args), call.out]
        self.largest = max(a.nbytes for a in self.arrays)

    def of(self, a) -> "Cut":
        """What says how the array is taken apart."""
        return self

    def apart(self, a) -> bool:
        """Whether `a` is taken apart; else each piece gets the whole of it."""
        return a is self.call.out or _apart(a, self.shape, self.axes)

    def piece(self, a, start: int, stop: int):
        """The rows from `start` to `stop` of an array that is taken apart."""
        return a.reshape((self.rows, *a.shape[self.axes :]))[start:stop]

    def whole(self, a):
        """An array that is not taken apart, for pieces: they have one dimension in the place of `axes`."""
        return a.reshape(a.shape[max(0, a.ndim - len(self.shape) + self.axes) :])

    def options(self) -> dict:
        """The options of the call on a piece."""
        options = dict(self.call.options)
        if options.get("axis") is not None:
            axis = options["axis"]
            moved = [i % len(self.shape) - self.axes + 1 for i in (axis if isinstance(axis, tuple) else (axis,))]
            options["axis"] = tuple(moved) if isinstance(axis, tuple) else moved[0]
        return options


def _apart(a, shape, axes):
    if a.ndim != len(shape) or a.shape[:axes] != shape[:axes]:
        return False
    return a.flags.c_contiguous or (
        axes == 1 and a.dtype.kind != "c"
    )  # NumPy rounds strided complex products otherwise


def _same_for_all(a, shape, axes):
    return len(shape) - a.ndim + next((i for i, n in enumerate(a.shape) if n > 1), a.ndim) >= axes


def _cut(call) -> Cut | None:
    """How a call can be taken apart, into as many rows as possible."""
    out = call.out
    if call.form not in ("call", "into", "method") or not isinstance(out, np.ndarray) or call.errors:
        return None
    if not out.flags.c_contiguous or not out.size or out.dtype.kind == "c":
        return None  # complex products are rounded in another way at the end of an array
    owner = getattr(call.function, "__self__", None)
    if isinstance(call.function, np.ufunc) and call.function.signature is None and not call.options:
        shape, most = out.shape, out.ndim
    elif isinstance(owner, np.ufunc) and call.function.__name__ == "reduce" and call.form == "call":
        shape, most = call.args[0].shape, _axes_left(call)
    elif call.function in CONVERSIONS:
        shape, most = out.shape, out.ndim
    else:
        return None
    arrays = arrays_in(call.args)
    for axes in range(most, 0, -1):
        if all(_apart(a, shape, axes) or _same_for_all(a, shape, axes) for a in arrays):
            return Cut(call, shape, axes)
    return None


def _axes_left(call):
    """How many leading axes a reduction leaves alone, if it reduces all others."""
    a, axis = call.args[0], call.options.get("axis", 0)
    if set(call.options) - {"axis", "dtype", "keepdims"} or axis is None or len(call.args) > 1:
        return 0
    gone = sorted(i % a.ndim for i in (axis if isinstance(axis, tuple) else (axis,)))
    return gone[0] if gone and gone == list(range(gone[0], a.ndim)) else 0


class _Run:
    """Calls one after the other that are taken apart together."""

    def __init__(self, program, least, threads_from):
        self.program, self.least, self.threads_from = program, least, threads_from
        self.cuts: list[Cut] = []
        self.rows = self.largest = 0
        self.used: dict[int, set] = {}  # where in a storage, by its id, the arrays lie; None: not taken apart
        self.written: set[int] = set()

    def takes(self, cut: Cut) -> bool:
        """Take one more, if it fits."""
        rows, largest = gcd(self.rows, cut.rows), max(self.largest, cut.largest)
        if largest // rows > PIECE or (cut.largest < (self.least or SHARED) and rows != self.rows):
            return False
        used = {key: set(places) for key, places in self.used.items()}
        for a in cut.arrays:
            whole = cut.apart(a) and a.flags.c_contiguous
            place = (address(a), a.nbytes) if whole else None
            used.setdefault(id(self.program.storage(a)), set()).add(place)
        written = self.written | {id(self.program.storage(cut.call.out))}
        if any(len(used[key]) > 1 or None in used[key] for key in written):
            return False  # a piece of one call would need what another piece of an earlier one gives
        self.cuts.append(cut)
        self.rows, self.largest, self.used, self.written = rows, largest, used, written
        return True

    def calls(self) -> list[Call]:
        """What becomes of the calls: one for all of them, where that pays."""
        calls = [cut.call for cut in self.cuts]
        threads = sum(cut.largest for cut in self.cuts) >= self.threads_from
        if not threads and (len(calls) < 2 or (self.least is None and self.largest < LARGE)):
            return calls
        return [Call("pieces", Pieces(self.cuts, self.rows, self.largest, threads), (), {}, None, calls[0].scope)]


def _settle(program, call, users, handed_out):
    """Find what only the pieces see; the rest are the arguments and results of the call."""
    pieces = call.function
    for inside in pieces.calls:
        for storage in program.writes(inside):
            if storage.kind == "result" and len(users[id(storage)]) == 1 and id(storage) not in handed_out:
                pieces.inner.add(id(storage))

    def outer(arrays):
        return tuple({id(a): a for a in arrays if id(program.storage(a)) not in pieces.inner}.values())

    call.args = (outer([a for inside in pieces.calls for a in arrays_in(inside.args)]),)
    call.out = outer([inside.out for inside in pieces.calls])


class Pieces:
    """What a call of form "pieces" does."""

    __name__ = "in pieces"

    def __init__(self, cuts: list[Cut], rows: int, largest: int, threads: bool):
        self.cuts, self.rows, self.threads = cuts, rows, threads
        self.inner: set[int] = set()  # ids of the storages that only the pieces see
        step = -(-rows // -(-largest // PIECE))
        step += -step % 64 if step > 1024 else 0  # whole cache lines
        self.bounds = [(start, min(start + step, rows)) for start in range(0, rows, step)]

    @property
    def calls(self) -> list[Call]:
        """The calls, on the whole of their arrays."""
        return [cut.call for cut in self.cuts]

    @property
    def pays(self) -> bool:
        """Whether it is worth more than the calls one after the other."""
        return len(self.bounds) > 1 or any(cut.flat for cut in self.cuts)

    def may_overwrite(self, program: Program, dead: set[int]) -> bool:
        """Whether results may lie where the storages `dead` do, which are read here for the last time."""
        results = [
            (i, a) for i, c in enumerate(self.cuts) for a in arrays_in(c.call.out) if not self._inner(program, a)
        ]
        first = results[0][0]
        for i, cut in enumerate(self.cuts):
            if any(id(program.storage(a)) in dead for a in arrays_in(cut.call.out)):
                return False
            for a in arrays_in(cut.call.args):
                if id(program.storage(a)) in dead and not (
                    i <= first
                    and cut.apart(a)
                    and a.flags.c_contiguous
                    and all(a.nbytes == y.nbytes for _, y in results)
                ):
                    return False
        return isinstance(self.cuts[first].call.function, np.ufunc)  # a compiled loop is slow where arrays overlap

    def _inner(self, program, a) -> bool:
        return id(program.storage(a)) in self.inner

    # ---------------------------------------------------------------- memory and code
    def _scratch(self, program) -> tuple[dict[int, int], list[int]]:
        """For each inner storage the number of its scratch array; and the bytes of a row of each of these."""
        last = {id(program.storage(a)): i for i, cut in enumerate(self.cuts) for a in cut.arrays}
        free: list[int] = []
        widths: list[int] = []
        numbers: dict[int, int] = {}
        for i, cut in enumerate(self.cuts):
            dying = [
                k for k in {id(program.storage(a)) for a in arrays_in(cut.call.args)} if k in numbers and last[k] == i
            ]
            outs = arrays_in(cut.call.out)
            width = outs[0].nbytes // self.rows
            in_place = isinstance(cut.call.function, np.ufunc) and all(
                a.nbytes // self.rows == width
                for a in [*outs, *arrays_in(cut.call.args)]
                if a is outs[0] or id(program.storage(a)) in dying
            )
            if in_place:
                free += [numbers[k] for k in dying]
            for a in outs:
                key, width = id(program.storage(a)), a.nbytes // self.rows
                if key in self.inner and key not in numbers:
                    fitting = [n for n in free if widths[n] == width]
                    if fitting:
                        free.remove(fitting[0])
                    else:
                        widths.append(width)
                    numbers[key] = fitting[0] if fitting else len(widths) - 1
            if not in_place:
                free += [numbers[k] for k in dying]
        return numbers, widths

    def lanes(self, program: Program, there) -> tuple[list[list[list]], list[Call]]:
        """For each lane the arrays of its pieces, and the calls on those of the very first piece.

        `there` says where an array of the program lies in the plan.
        """
        numbers, widths = self._scratch(program)
        arrays = {self._key(cut, a): (cut, a) for cut in self.cuts for a in cut.arrays if cut.apart(a)}
        count = min(os.cpu_count() or 1, len(self.bounds)) if self.threads else 1
        lanes = []
        for begin, end in pairwise([len(self.bounds) * i // count for i in range(count + 1)]):
            bounds = self.bounds[begin:end]
            most = max(stop - start for start, stop in bounds)
            scratch = [np.empty(width * most, np.uint8) for width in widths]

            def piece(cut, a, start, stop, scratch=scratch):
                number, own = numbers.get(id(program.storage(a))), cut.of(a)
                times = own.rows // self.rows
                if number is None:
                    x = own.piece(there(a), start * times, stop * times)
                else:
                    x = np.ndarray(((stop - start) * times, *a.shape[own.axes :]), a.dtype, scratch[number])
                return x.reshape(-1) if cut.flat else x

            lanes.append([[piece(cut, a, *bound) for cut, a in arrays.values()] for bound in bounds])
        first = dict(zip(arrays, lanes[0][0], strict=True))

        def on_first(cut, a):
            if not isinstance(a, np.ndarray):
                return a
            if cut.apart(a):
                return first[self._key(cut, a)]
            return there(a).reshape(-1) if cut.flat else cut.whole(there(a))

        calls = []
        for cut in self.cuts:
            call, out = cut.call, mapped(partial(on_first, cut), cut.call.out)
            args = mapped(partial(on_first, cut), call.args)
            if call.function is spread:
                args = args[0], out.shape, out.dtype
            calls.append(Call(call.form, call.function, args, cut.options(), out, call.scope))
        return lanes, calls

    @staticmethod
    def _key(cut, a):
        return address(a), a.shape, a.strides, a.dtype.str, cut.axes, cut.flat
