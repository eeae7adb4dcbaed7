"""What a traced function does beside calling NumPy: each replay does it again. Floor 1."""

from contextvars import ContextVar
from typing import Any

__all__ = ["outside", "tracing"]

_tracer: ContextVar[Any] = ContextVar("tracer", default=None)
tracing = _tracer.get  # the tracer that follows this thread or task, or None


def outside(function, *args, draws: bool = False):
    """Call ``function(*args)``; where a function is being traced, at each of its replays as well.

    For what calls of NumPy do not show: the step of an optimizer, a random draw.

    Parameters
    ----------
    function : function
        Gets the arguments, with Tensors and arrays as they are then. It returns None, or an array of the same shape and
        dtype each time. It may write the Variables among its arguments, and no others.
    *args :
        Nests of Tensors, arrays and anything else.
    draws : bool, default False
        Whether it has no effect but on random streams. Where a branch or the body of a loop is traced (`cond`,
        `while_loop`), such a function is called, and the streams go back; any other one is called by replays only, must
        return None, and cannot take Variables.

    Returns
    -------
    what the function returns

    Examples
    --------
    >>> outside(len, [1, 2])
    2
    """
    tracer = _tracer.get()
    return function(*args) if tracer is None else tracer.outside(function, args, draws)


def set_tracer(tracer):
    """Let `tracer` follow this thread or task; gives what `reset_tracer` takes."""
    return _tracer.set(tracer)


def reset_tracer(token) -> None:
    """End what `set_tracer` began."""
    _tracer.reset(token)
