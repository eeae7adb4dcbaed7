"""What a traced function does beside calling NumPy: each replay does it again. Floor 1."""

from contextvars import ContextVar
from typing import Any

__all__ = ["outside", "tracer", "tracing"]

_tracer: ContextVar[Any] = ContextVar("tracer", default=None)
tracing = _tracer.get  # the tracer that follows this thread or task, or None


def outside(function, *args, writes=None, draws: bool = False):
    """Call ``function(*args)``; where a function is being traced, at each of its replays as well.

    For what calls of NumPy do not show: the step of an optimizer, a random draw.

    Parameters
    ----------
    function : function
        Gets the arguments, with Tensors and arrays as they are then. It returns None, or an array of the same shape and
        dtype each time. It may write the Variables among its arguments, and no others.
    *args :
        Nests of Tensors, arrays and anything else.
    writes : sequence of array, optional
        The memory that it may change, of Variables or `live` (see `tracer`); by default that of the Variables among its
        arguments.
    draws : bool, default False
        Whether it has no effect but on random streams. Where a branch or the body of a loop is traced (`cond`,
        `while_loop`), such a function is called, and the streams go back; any other one is called by replays only, must
        return None, and can write nothing.

    Returns
    -------
    what the function returns

    Examples
    --------
    >>> outside(len, [1, 2])
    2
    """
    found = _tracer.get()
    return function(*args) if found is None else found.outside(function, args, writes, draws)


def tracer():
    """What notes the calls of NumPy that this thread makes right now, because it traces a function; else None.

    Returns
    -------
    Tracer or None
        With ``rely_on(condition)`` (the trace holds while ``condition()`` is true; it is asked before each replay),
        ``on_failure(undo)`` (``undo()`` is called should the trace fail), ``live(array, label)`` (the array as traced
        code must see memory that outlives the call), ``pause()`` (a context in which nothing is noted) and
        ``at(place)`` (one in which calls count for the scope `place`).

    Examples
    --------
    >>> tracer() is None
    True
    """
    found = _tracer.get()
    return found if found is not None and found.hears() else None


def set_tracer(tracer):
    """Let `tracer` follow this thread or task; gives what `reset_tracer` takes."""
    return _tracer.set(tracer)


def reset_tracer(token) -> None:
    """End what `set_tracer` began."""
    _tracer.reset(token)
