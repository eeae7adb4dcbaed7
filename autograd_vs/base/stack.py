"""The per-task stack: what is open in this thread or async task right now. Floor 0.

One immutable linked frame per open ``with``; the top lies in a context variable, so threads start empty, async tasks
inherit and then go their own way, and nothing is shared that could be torn. `Stack.pop` checks that the frames are
closed in the reverse order of opening; where they are not, the caller's frame is restored before the error is raised.
"""

from contextvars import ContextVar
from typing import Any

__all__ = ["Stack"]


class Stack:
    """A stack of frames; a frame is any object with an attribute ``below`` (the frame under it, or None)."""

    def __init__(self, name: str):
        self._top: ContextVar[Any] = ContextVar(name, default=None)
        self.top = self._top.get  # bound once: reading it costs 18 ns
        self.push = self._top.set  # opens a frame, whose ``below`` must be the present top
        self.name = name
        self.after_disorder = lambda: None  # for a stack whose frames belong to frames of this one

    def replace(self, frame) -> None:
        """Put `frame` in the place of the top (same ``below``)."""
        self._top.set(frame)

    def leave(self, frame, quiet: bool = False) -> None:
        """`pop`, at whose end `frame` is closed even where an interrupt comes before it."""
        try:
            self.pop(frame, quiet)
        except BaseException:  # disorder, in which case there is nothing left to do, or an interrupt
            self.pop(frame, quiet=True)
            raise

    def pop(self, frame, quiet: bool = False) -> None:
        """Close `frame`.

        Raises
        ------
        RuntimeError
            If `frame` is not the top: something opened inside is still open, or it was closed already.
            The frame below `frame` is on top again in the first case; nothing changes in the second. With
            `quiet` (an exception is on its way out already) the state is restored and nothing is raised.
        """
        top = self._top.get()
        if top is frame:
            self._top.set(frame.below)
            return
        inner = top
        while inner is not None and inner is not frame:
            inner = inner.below
        if inner is frame:
            self._top.set(frame.below)  # type: ignore[union-attr]  # a frame, not None
            self.after_disorder()
        if quiet:
            return
        what = "something opened inside of it is still open" if inner is frame else "it is not open here any more"
        raise RuntimeError(
            f"a {self.name} was closed out of order: {what} (top of the stack: {top!r}). A generator that suspends "
            "inside a `with` does this: close it before the surrounding `with` ends, or open it within one step."
        )
