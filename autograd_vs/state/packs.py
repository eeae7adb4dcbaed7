"""Packs and blocks: how the update rule of an optimizer runs over many variables. Floor 2; for `update`.

`Cell` is the place of one variable, `Group` the variables that go through the rule together, `Plan` what is known about
one call. The terms are explained in `update`.
"""

from collections import deque
from functools import partial
from itertools import repeat
from operator import is_not
from typing import Any
from weakref import ref

import numpy as np

from ..base import backend
from ..base.threads import share
from ..engine.cotangent import IndexedSlices

__all__ = ["BLOCK", "Cell", "Group", "Plan", "flat"]

BLOCK = 1 << 16  # elements: packs hold at most so many, larger arrays run in pieces of this size (measured: 8k to 128k)

subtract = np.subtract
exhaust: Any = deque(maxlen=0).extend  # runs an iterator for what it does


class Plan:
    """What is known about one tuple of variables, and where the gradient of each goes."""

    __slots__ = ("buffers", "groups", "layouts", "positions", "valid")

    def __init__(self, groups, variables):
        self.groups = groups  # (group, numbers of its variables, their flat memory)
        self.layouts = [(v.array.shape, v.array.dtype, v.array.__class__) for v in variables]
        self.positions = frozenset([v.own_position for v in variables])
        self.valid = True  # until a group of it is parted, or a slot of it put in anew
        self.buffers = {id(v.array) for v in variables}

    def run(self, rule, arrays, scalars, reads_value, rows) -> None:
        """One update by the gradients `arrays`, which fit; with `rows`, IndexedSlices update these rows only."""
        # All gradients are gathered before anything is written: a bare one may lie in another variable's memory.
        gradients = [group.gather([arrays[i] for i in indices], self.buffers) for group, indices, _ in self.groups]
        operands = [group.as_operands(scalars(group.step + 1, *group.sort)) for group, _, _ in self.groups]
        blocks: list[tuple] = []
        for (group, _, values), g, numbers in zip(self.groups, gradients, operands, strict=True):
            if group.shapes is not None:
                group.run_whole(rule, g, values[0], numbers, reads_value)
            elif g.__class__ is IndexedSlices and rows:
                group.run_rows(rule, g, values[0], numbers, reads_value)
            elif group.launch is not None and group.run_fused(rule, g, values, numbers, reads_value):
                pass
            elif g.__class__ is IndexedSlices or group.size > BLOCK:
                blocks += [(group, g, values[0], numbers, block) for block in group.blocks(g)]
            else:
                group.run(rule, g, values, numbers, reads_value)
        if len(blocks) < 16:  # a thread costs more: those of BLAS wait busily for a while on the other processors
            run_blocks(rule, reads_value, blocks)
        else:
            share(partial(run_blocks, rule, reads_value), blocks)
        for group, _, _ in self.groups:
            group.step += 1

    # ---------------------------------------------------------------- as calls of a traced function
    @property
    def can_be_followed(self) -> bool:
        """Whether the arithmetic is that of the variables' own arrays, element by element."""
        cells = [cell for group, _, _ in self.groups for cell in group.cells]
        alike = all(cell.compute == cell.dtype for cell in cells)
        return alike and all(group.shapes is None for group, _, _ in self.groups)

    def follow(self, tracer, rule, arrays, names, scalars, reads_value) -> None:
        """`run`, noted by `tracer`: each replay counts, fills in the scalars, and does the arithmetic."""
        groups = [group for group, _, _ in self.groups]
        with tracer.pause():
            numbers = [group.as_operands(scalars(group.step + 1, *group.sort), always=True) for group in groups]
        before = [group.step for group in groups]
        tracer.on_failure(lambda: exhaust(map(setattr, groups, repeat("step"), before)))
        tracer.outside(partial(_count, groups, scalars), (), writes=[x for d in numbers for x in d.values()])
        gathered = [_joined([arrays[i] for i in indices]) for _, indices, _ in self.groups]
        for (group, _, values), g, operands in zip(self.groups, gathered, numbers, strict=True):
            of = group.cells[0].name + ("" if len(group.cells) == 1 else " ..")
            values = [tracer.live(value) for value in values]
            slots = [tracer.live(slot, f"{name} of {of}") for name, slot in zip(names, group.slots, strict=True)]
            operands = {name: tracer.live(x, name) for name, x in operands.items()}
            kernel = None if group.launch is None else group.fused(rule, values, operands, reads_value)
            if kernel is not None:
                g = g if g.flags.c_contiguous else g.copy()
                value = values[0] if len(values) == 1 else tuple(values)
                _launched(tracer, group, kernel, (value, g, *slots, *operands.values()), (*values, *slots))
                continue
            delta = ruled(rule, _joined(values) if reads_value else None, g, slots, operands)
            if delta is not None:
                exhaust(map(subtract, values, map(delta.__getitem__, group.pieces), values))


def _count(groups, scalars) -> None:
    """One step more for each group, and the scalars of that step in the arrays that the rule gets."""
    numbers = [scalars(group.step + 1, *group.sort) for group in groups]
    for group, of_group in zip(groups, numbers, strict=True):
        if of_group.keys() != group.operands.keys():
            raise RuntimeError(
                f"the rule of an optimizer got the scalars {', '.join(group.operands)} when the function was traced, "
                f"now it would get {', '.join(of_group)}: change what it gets outside of traced functions only, and "
                "make a new function"
            )
    for group, of_group in zip(groups, numbers, strict=True):
        group.fill(of_group)
        group.step += 1


def _on_device(x) -> bool:
    """Whether a scalar of a rule is an array on a device, which a kernel can read."""
    return backend.is_array(x) and x.__class__ not in backend.NUMPYS


def _launched(tracer, group, kernel, arguments, written) -> None:
    """Run a kernel on a group, and let `tracer` note it."""
    from ..base.cuda.elementwise import Launch

    launch = Launch(group.launch, kernel, group.size)
    exhaust(map(tracer.keep, written))
    launch.bound(tracer.known(arguments), ())()
    tracer.write("kernel", launch, arguments, {}, written)


def _joined(arrays):
    """One flat array of them all."""
    return flat(arrays[0]) if len(arrays) == 1 else np.concatenate([*map(flat, arrays)])


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

    `source` is the number of slots, which start at zero, or the group that the cells come from. `sort` is what all of
    the variables have in common (see `Slots`); it goes to `scalars`. `shapes` are those of the slots of a single
    variable that the rule sees as a whole.
    """

    __slots__ = (
        "cells", "gradient", "launch", "operands", "pieces", "row", "shapes", "size", "slots", "sort", "step", "value",
    )  # fmt: skip

    def __init__(self, cells: list[Cell], step: int, source: "int | Group", sort: tuple = (), shapes=None):
        self.cells, self.step, self.sort, self.shapes = cells, step, sort, shapes
        self.size = sum(cell.size for cell in cells)
        self.pieces: list[slice] = []
        self.gradient = self.value = None  # made when they are needed
        self.operands: dict[str, Any] = {}  # the scalars as 0-d arrays, which NumPy takes faster than numbers
        self.launch = backend.launcher(cells[0].xp)  # on a device: what runs the rule as one kernel
        self.row: Any = None  # on a device: the memory that they share, so that they come in one transfer
        if shapes is not None:
            self.slots: list = [cells[0].xp.zeros(shape, cells[0].compute) for shape in shapes]
            return
        slots: list = source.slots if isinstance(source, Group) else [None] * source
        self.slots = [cells[0].xp.zeros(self.size, cells[0].compute) for _ in slots]
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
        if self.shapes is not None:
            return self.slots[slot]
        part = self.slots[slot][cell.start : cell.start + cell.size]
        return (part.view(cell.dtype) if cell.dtype.kind == "c" else part).reshape(cell.shape)

    def gather(self, arrays, own_buffers):
        """The gradients of the group, end to end in one flat array; rows of a single variable as they are."""
        cell = self.cells[0]
        if len(arrays) > 1:
            if cell.dtype.kind == "c":
                arrays = [flat(a) for a in arrays]
            if self.gradient is None:
                self.gradient = cell.xp.empty(self.size, cell.compute)
            cell.xp.concatenate(arrays, None, self.gradient)
            return self.gradient
        if arrays[0].__class__ is IndexedSlices:
            return arrays[0]
        g = flat(arrays[0])
        if id(backend.memory_owner(g)) in own_buffers:
            return g.astype(cell.compute)  # a copy
        return g.astype(cell.compute, copy=False)

    def run(self, rule, g, values, numbers, reads_value) -> None:
        """The rule on all at once: `g` from `gather`, `values` the flat memory of the variables."""
        delta = ruled(rule, self._values(values) if reads_value else None, g, self.slots, numbers)
        if delta is not None:
            # One `subtract(value, delta[piece], value)` for each variable, without a bytecode.
            exhaust(map(subtract, values, map(delta.__getitem__, self.pieces), values))

    def fused(self, rule, values, numbers, reads_value):
        """The rule as one kernel; None where it is not elementwise."""
        from ..base.cuda.updates import update_kernel

        scalars = {name: "array" if _on_device(x) else "number" for name, x in numbers.items()}
        cell, several = self.cells[0], len(values) > 1
        return update_kernel(rule, values[0].dtype, cell.compute, len(self.slots), scalars, reads_value, several)

    def run_fused(self, rule, g, values, numbers, reads_value) -> bool:
        """Run the rule as one kernel, which reads and writes each number once; False where that cannot be done."""
        if g.__class__ is IndexedSlices:
            return False
        kernel = self.fused(rule, values, numbers, reads_value)
        if kernel is None:
            return False
        g = g if g.flags.c_contiguous else g.copy()
        value = values[0] if len(values) == 1 else values
        self.launch(
            kernel, self.size, [value, g, *self.slots, *[x if _on_device(x) else float(x) for x in numbers.values()]]
        )
        return True

    def _values(self, values):
        """The values of the variables, end to end in the dtype of the rule."""
        if len(values) == 1:
            return values[0].astype(self.cells[0].compute, copy=False)
        if self.value is None:
            self.value = self.cells[0].xp.empty(self.size, self.cells[0].compute)
        self.cells[0].xp.concatenate(values, None, self.value)
        return self.value

    def blocks(self, g) -> list[tuple]:
        """The pieces in which a large variable is updated; with rows as gradient, also which rows fall into each."""
        size = BLOCK if self.cells[0].xp is np else self.size  # a device takes it whole
        if g.__class__ is not IndexedSlices:
            step = -(-self.size // -(-self.size // size))  # pieces of equal size
            return [(slice(start, start + step), None) for start in range(0, self.size, step)]
        (cell,) = self.cells
        width = self.size // cell.shape[0]
        height = max(1, size // width)
        tops = range(0, cell.shape[0], height)
        bounds = cell.xp.searchsorted(g.indices, cell.xp.asarray([*tops, cell.shape[0]])).tolist()
        pieces = [slice(top * width, min(top + height, cell.shape[0]) * width) for top in tops]
        return [*zip(pieces, zip(tops, bounds, bounds[1:], strict=False), strict=True)]

    def run_whole(self, rule, g, value, numbers, reads_value) -> None:
        """The rule on one variable in its own shape; rows count as the dense gradient that they stand for."""
        (cell,) = self.cells
        if g.__class__ is IndexedSlices:
            dense = cell.xp.zeros(cell.shape, cell.compute)
            dense[g.indices] = g.values
            g = dense
        p = value.astype(cell.compute, copy=False).reshape(cell.shape) if reads_value else None
        delta = ruled(rule, p, g.reshape(cell.shape), self.slots, numbers)
        if delta is not None:
            subtract(value, flat(delta), value)

    def run_rows(self, rule, g, value, numbers, reads_value) -> None:
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

    def as_operands(self, scalars: dict[str, float], always=False) -> dict[str, Any]:
        """The scalars as 0-d arrays of the group's dtype, where that is NumPy's (Adam of 1,185: 5.0 us against 6.8).

        On a device, where numbers cost no transfer, they stay numbers, unless `always`.
        """
        cell = self.cells[0]
        if cell.xp is not np and not always:
            return scalars
        if self.operands.keys() != scalars.keys():
            if cell.xp is np:
                self.operands = {name: np.empty((), cell.compute) for name in scalars}
            else:
                self.row = cell.xp.empty(len(scalars), cell.compute)
                self.operands = {name: self.row[i : i + 1].reshape(()) for i, name in enumerate(scalars)}
        self.fill(scalars)
        return self.operands

    def fill(self, scalars: dict[str, float]) -> None:
        """Let the 0-d arrays hold these numbers."""
        if self.row is not None:
            backend.write(self.row, np.array([*scalars.values()], self.row.dtype))
            return
        operands = self.operands
        for name, number in scalars.items():
            operands[name][()] = number


def run_blocks(rule, reads_value, blocks) -> None:
    """The rule on some blocks of large variables: each a group, gradient, flat memory of a variable, scalars, part."""
    owner: Any = None
    buffer: Any = None
    for group, g, value, numbers, (piece, rows) in blocks:
        cell = group.cells[0]
        part = value[piece]
        if rows is None:
            gradient = g[piece]
        else:  # the dense gradient that rows stand for: it is never there as a whole
            top, start, stop = rows
            width = group.size // cell.shape[0]
            if owner is not group:
                owner, buffer = group, cell.xp.zeros(max(BLOCK, width, part.size), cell.compute)
            gradient = buffer[: part.size]
            table, ids = gradient.reshape(-1, width), g.indices[start:stop] - top
            table[ids] = flat(g.values[start:stop]).reshape(-1, width)
        p = part.astype(cell.compute, copy=False) if reads_value else None
        delta = ruled(rule, p, gradient, [slot[piece] for slot in group.slots], numbers)
        if delta is not None:
            subtract(part, delta, part)
        if rows is not None:
            table[ids] = 0  # the buffer is all zeros again


def ruled(rule, p, g, slots, numbers):
    """The `delta` of the rule; its new slots are written into `slots` unless it has done so itself."""
    delta, *new = rule(p, g, *slots, **numbers)
    if any(map(is_not, new, slots)) or len(new) != len(slots):
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
