"""Packs and blocks: how the update rule of an optimizer runs over many variables. Floor 2; for `update`.

`Cell` is the place of one variable, `Group` the variables that go through the rule together, `Plan` what is known about
one call. The terms are explained in `update`.
"""

from typing import Any
from weakref import ref

import numpy as np

from ..base import backend
from ..engine.cotangent import IndexedSlices

__all__ = ["BLOCK", "Cell", "Group", "Plan", "flat", "host_dtype"]

BLOCK = 1 << 16  # elements: packs hold at most so many, larger arrays run in pieces of this size (measured: 8k to 128k)

subtract = np.subtract


class Plan:
    """Where the gradients of one tuple of variables go.

    `dtypes` are for comparison by identity with those of NumPy arrays: None where a variable lies elsewhere.
    """

    __slots__ = ("buffers", "dtypes", "groups", "shapes")

    def __init__(self, groups, shapes, dtypes, buffers):
        self.groups, self.shapes, self.dtypes, self.buffers = groups, shapes, dtypes, buffers

    def run(self, rule, arrays, scalars, reads_value, rows) -> None:
        """One update by the gradients `arrays`, which fit; with `rows`, IndexedSlices update these rows only."""
        # All gradients are gathered before anything is written: a bare one may lie in another variable's memory.
        gradients = [group.gather([arrays[i] for i in indices], self.buffers) for group, indices, _ in self.groups]
        for (group, _, values), g in zip(self.groups, gradients, strict=True):
            group.run(rule, g, values, scalars, reads_value, rows)


class Cell:
    """What a group knows of one of its variables."""

    __slots__ = ("compute", "dtype", "name", "place", "ref", "shape", "size", "start", "xp")

    def __init__(self, variable):
        array = variable.array
        self.name, self.ref = variable._name, ref(variable)
        self.shape, self.dtype, self.size = array.shape, array.dtype, array.size * (2 if array.dtype.kind == "c" else 1)
        self.xp, self.place = backend.namespace(array), backend.device(array)
        self.compute = compute_dtype(array.dtype)
        self.start = 0


class Group:
    """Variables that go through the rule together: flat buffers, one per slot and one for the gradients.

    `source` is the number of slots, which start at zero, or the group that the cells come from.
    """

    __slots__ = ("cells", "gradient", "numbers", "pieces", "size", "slots", "step", "value")

    def __init__(self, cells: list[Cell], step: int, source: "int | Group"):
        self.cells, self.step = cells, step
        self.size = sum(cell.size for cell in cells)
        self.pieces: list[slice] = []
        self.gradient = self.value = None  # made when they are needed
        self.numbers: dict[str, Any] = {}  # scalar name -> 0-d array: NumPy takes it faster than a Python float
        slots: list = source.slots if isinstance(source, Group) else [None] * source
        self.slots: list = [cells[0].xp.zeros(self.size, cells[0].compute) for _ in slots]
        start = 0
        for cell in cells:
            piece = slice(start, start + cell.size)
            if isinstance(source, Group):
                for new, old in zip(self.slots, slots, strict=True):
                    new[piece] = old[cell.start : cell.start + cell.size]
            self.pieces.append(piece)
            cell.start, start = start, piece.stop

    def view(self, cell: Cell, slot: int):
        """The part of a slot's buffer that belongs to `cell`, in the shape of its variable."""
        part = self.slots[slot][cell.start : cell.start + cell.size]
        return (part.view(cell.dtype) if cell.dtype.kind == "c" else part).reshape(cell.shape)

    def _gathered(self, flats, buffer):
        xp, dtype = self.cells[0].xp, self.cells[0].compute
        if len(flats) == 1:
            return flats[0] if flats[0].dtype == dtype else flats[0].astype(dtype)
        if buffer is None:
            buffer = xp.empty(self.size, dtype)
        xp.concatenate(flats, 0, buffer)
        return buffer

    def gather(self, arrays, own_buffers):
        """The gradients of the group, end to end in one flat array; rows of a single variable as they are."""
        if len(arrays) == 1:
            if arrays[0].__class__ is IndexedSlices:
                return arrays[0]
            g = flat(arrays[0])
            shared = id(backend.memory_owner(g)) in own_buffers
            return self._gathered([g.copy() if shared else g], None)
        flats = [a.ravel() for a in arrays] if self.cells[0].dtype.kind != "c" else [flat(a) for a in arrays]
        self.gradient = self._gathered(flats, self.gradient)
        return self.gradient

    def run(self, rule, g, values, scalars, reads_value, rows) -> None:
        """One update: `g` from `gather`, `values` the flat memory of the variables."""
        step = self.step + 1
        numbers = self._as_operands(scalars(step))
        sparse = g.__class__ is IndexedSlices
        if sparse and rows:
            self._run_rows(rule, g, values[0], numbers, reads_value)
        elif sparse or self.size > BLOCK:
            pieces = self._scattered(g) if sparse else self._blocks(g)
            self._run_blocks(rule, pieces, values[0], numbers, reads_value)
        else:
            p = None
            if reads_value:
                p = self._gathered(values, self.value)
                self.value = p if len(values) > 1 else None
            delta = ruled(rule, p, g, self.slots, numbers)
            if delta is not None:
                for value, piece in zip(values, self.pieces, strict=True):
                    subtract(value, delta[piece], value)
        self.step = step

    def _run_blocks(self, rule, pieces, value, numbers, reads_value) -> None:
        for piece, g in pieces:
            part = value[piece]
            p = self._gathered([part], None) if reads_value else None
            delta = ruled(rule, p, g, [slot[piece] for slot in self.slots], numbers)
            if delta is not None:
                subtract(part, delta, part)

    def _blocks(self, g):
        """The flat gradient `g` in pieces that fit into the cache."""
        for start in range(0, self.size, BLOCK):
            piece = slice(start, start + BLOCK)
            yield piece, g[piece]

    def _scattered(self, g):
        """The dense gradient that the rows `g` stand for, in the same way: it is never there as a whole."""
        (cell,) = self.cells
        width = self.size // cell.shape[0]
        height = max(1, BLOCK // width)
        values = flat(g.values).reshape(-1, width)
        buffer = cell.xp.zeros((height, width), cell.compute)
        tops = range(0, cell.shape[0], height)
        bounds = cell.xp.searchsorted(g.indices, cell.xp.asarray([*tops, cell.shape[0]])).tolist()
        for top, start, stop in zip(tops, bounds, bounds[1:], strict=False):
            here = g.indices[start:stop] - top
            buffer[here] = values[start:stop]
            rows = min(height, cell.shape[0] - top)
            yield slice(top * width, (top + rows) * width), buffer[:rows].reshape(-1)
            buffer[here] = 0

    def _run_rows(self, rule, g, value, numbers, reads_value) -> None:
        """The rule on the rows in `g`: each is there once, or several times with equal values (`totalled`)."""
        ids, (cell,) = g.indices, self.cells
        width = self.size // cell.shape[0]
        rows = value.reshape(-1, width)
        slots = [slot.reshape(-1, width) for slot in self.slots]
        old, parts = rows.take(ids, 0), [slot.take(ids, 0) for slot in slots]  # faster than rows[ids]
        p = old.astype(cell.compute, copy=False) if reads_value else None
        delta = ruled(rule, p, flat(g.values).reshape(-1, width).astype(cell.compute, copy=False), parts, numbers)
        for slot, part in zip(slots, parts, strict=True):
            slot[ids] = part
        if delta is not None:
            old -= delta
            rows[ids] = old

    def _as_operands(self, scalars: dict[str, float]) -> dict[str, Any]:
        """The scalars as 0-d arrays of the group's dtype, where that is NumPy's (Adam of 1,185: 5.0 us against 6.8)."""
        if self.cells[0].xp is not np:
            return scalars
        numbers = self.numbers
        for name, number in scalars.items():
            kept = numbers.get(name)
            if kept is None or kept[0] != number:
                array = np.array(number, self.cells[0].compute) if kept is None else kept[1]
                array[()] = number
                numbers[name] = (number, array)
        return {name: numbers[name][1] for name in scalars}


def host_dtype(array):
    """The dtype of a NumPy array, to be compared by identity; None for other arrays, which are looked at closer."""
    return array.dtype if array.__class__ is np.ndarray else None


def ruled(rule, p, g, slots, numbers):
    """The `delta` of the rule; its new slots are written into `slots` unless it has done so itself."""
    delta, *new = rule(p, g, *slots, **numbers)
    for old, value in zip(slots, new, strict=True):
        if value is not old:
            old[...] = value
    return delta


def compute_dtype(dtype: np.dtype) -> np.dtype:
    """The real dtype in which variables of `dtype` are updated: float32 for half precision, pairs for complex."""
    if dtype.kind == "c":
        return np.dtype(f"f{dtype.itemsize // 2}")
    return np.dtype(np.float32) if dtype.itemsize < 4 else dtype


def flat(a):
    """`a` as one row of real numbers: a view where its memory allows."""
    row = a.reshape(-1)
    return row.view(compute_dtype(a.dtype)) if a.dtype.kind == "c" else row
