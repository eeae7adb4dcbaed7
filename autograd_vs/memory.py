"""What holds the arrays that lie on a device: for the error of an allocation that found no memory. Floor 3."""

import gc
from typing import Any

from .base.backend import device, is_array, memory_owner
from .base.nest import flatten
from .engine.protocol import op_name
from .engine.record import Record
from .engine.tensor import Tensor
from .state.packs import Group
from .state.variable import Variable

__all__ = ["held"]


def held(name: str) -> list[tuple[int, str]]:
    """(bytes, what it is) of each piece of memory on a device that is held by what this library makes.

    Variables and Tensors by their full names, then what tapes keep for a gradient, by the op, then the slots of
    optimizers, by their variables. Memory that several hold is listed once, in this order.
    """
    seen: dict[int, tuple[int, str]] = {}

    def note(array, words) -> None:
        if is_array(array) and device(array) == name:
            owner = memory_owner(array)
            if id(owner) not in seen:
                seen[id(owner)] = owner.nbytes, words()

    everything = gc.get_objects()
    for kind in (Variable, Tensor, Record, Group):
        for x in everything:
            if x.__class__ is kind:
                _LOOKS[kind](x, note)
    return [*seen.values()]


def _operand(x, note) -> None:
    array: Any = getattr(x, "array", None)  # none yet, while it is made

    def words():
        return f"{type(x).__name__} {getattr(x, 'name', 'in the making')!r}, shape {array.shape}, {array.dtype}"

    note(array, words)


def _record(record, note) -> None:
    for rule, position, _, saved, mark in [*record.entries]:
        for array in flatten(saved):
            note(array, lambda: f"kept by a tape for the gradient of {op_name(rule.op.name, mark, position)!r}")  # noqa: B023


def _group(group, note) -> None:
    names = ", ".join(cell.name for cell in group.cells[:3]) + (", ..." if group.cells[3:] else "")
    for array in (*group.slots, group.gradient, group.value, group.row):
        note(array, lambda: f"of an optimizer, for {names}")


_LOOKS: dict[type, Any] = {Variable: _operand, Tensor: _operand, Record: _record, Group: _group}
