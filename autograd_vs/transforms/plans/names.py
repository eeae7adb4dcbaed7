"""What the names that a traced function reads from outside of it are bound to. Floor 3."""

from collections.abc import Callable, Iterator
from dis import get_instructions
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from ..function import Function

__all__ = ["same_names"]

_ABSENT = object()
_OUTSIDE = "_GLOBAL", "_DEREF"  # how instructions end that read or bind what is not local


def same_names(function: Any) -> Callable[[], bool]:
    """Whether the globals, and variables of functions around it, that a function reads are bound as they are now.

    A cell of a notebook that is run again binds its names anew, `net` to a new model; a plan of the old one would go
    on training that. Functions of the same module that it calls by name are followed. Names that these functions bind
    themselves are not looked at: by replays they are not bound.

    Examples
    --------
    >>> def scaled(x):
    ...     return x * factor
    >>> factor = 2.0
    >>> as_it_was = same_names(scaled)
    >>> as_it_was()
    True
    >>> factor = 3.0
    >>> as_it_was()
    False
    """
    found = _Found()
    function = _plain(function)
    if function is not None:
        found.follow(function, function.__globals__, set())
    return found.condition()


class _Found:
    """Where the names of a function are bound, and to what."""

    def __init__(self):
        self.bound: list[tuple[str, Any, Any]] = []  # how a name is read in its place, the place, what it is bound to

    def condition(self) -> Callable[[], bool]:
        """One expression, which a call of a plan does not feel; a loop over seven names took 0.6 us of it."""
        values = {f"{kind}{i}": x for i, (_, *two) in enumerate(self.bound) for kind, x in zip("pv", two, strict=True)}
        same = " and ".join(f"p{i}{read} is v{i}" for i, (read, *_) in enumerate(self.bound)) or "True"
        text = f"def same():\n try:\n  return {same}\n except (KeyError, ValueError):\n  return False  # unbound"
        exec(compile(text, "<names of a traced function>", "exec"), values)
        return values["same"]

    def follow(self, function, space, seen) -> None:
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
                self.bound.append((f"[{name!r}]", space, value))
                values.append(value)
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            value = _content(cell)
            if name not in bound and value is not _ABSENT:
                self.bound.append((".cell_contents", cell, value))
                values.append(value)
        for value in values:
            called = _plain(value)
            if called is not None:
                self.follow(called, space, seen)


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
