"""What the names that a traced function reads from outside of it are bound to. Floor 3."""

from collections.abc import Iterator
from dis import get_instructions
from types import CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from ..function import Function

__all__ = ["Names"]

_ABSENT = object()
_OUTSIDE = "_GLOBAL", "_DEREF"  # how instructions end that read or bind what is not local


class Names:
    """The globals, and variables of functions around it, that a function reads: called, whether all are as they were.

    A cell of a notebook that is run again binds its names anew, `net` to a new model; a plan of the old one would go
    on training that. Functions of the same module that it calls by name are followed. Names that these functions bind
    themselves are not looked at: by replays they are not bound.

    Examples
    --------
    >>> def scaled(x):
    ...     return x * factor
    >>> factor = 2.0
    >>> as_it_was = Names(scaled)
    >>> as_it_was()
    True
    >>> factor = 3.0
    >>> as_it_was()
    False
    """

    def __init__(self, function: Any):
        self.globals: list[tuple[dict, str, Any]] = []
        self.cells: list[tuple[CellType, Any]] = []
        function = _plain(function)
        if function is not None:
            self._follow(function, function.__globals__, set())

    def __call__(self) -> bool:
        """Say whether each name is still bound to the same object."""
        for space, name, value in self.globals:
            if space.get(name, _ABSENT) is not value:
                return False
        for cell, value in self.cells:
            if _content(cell) is not value:
                return False
        return True

    def _follow(self, function, space, seen) -> None:
        if function.__globals__ is not space or function in seen:
            return
        seen.add(function)
        used = {(i.opname, i.argval) for i in _instructions(function.__code__) if i.opname.endswith(_OUTSIDE)}
        bound = {name for what, name in used if not what.startswith("LOAD")}
        read = {name for what, name in used if what == "LOAD_GLOBAL"}
        values = []
        for name in sorted(read - bound):
            value = space.get(name, _ABSENT)
            if value is not _ABSENT and not isinstance(value, ModuleType):  # those of Python, modules
                self.globals.append((space, name, value))
                values.append(value)
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            if name not in bound:
                self.cells.append((cell, _content(cell)))
                values.append(_content(cell))
        for value in values:
            called = _plain(value)
            if called is not None:
                self._follow(called, space, seen)


def _content(cell) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # it has no value
        return _ABSENT


def _plain(x) -> FunctionType | None:
    """The Python function of a function, a method, or a traced function."""
    if isinstance(x, Function):
        x = x.python_function
    x = x.__func__ if isinstance(x, MethodType) else x
    return x if isinstance(x, FunctionType) else None


def _instructions(code) -> Iterator:
    """Those of a function, and of the functions that are written in it."""
    yield from get_instructions(code)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _instructions(constant)
