"""Warnings of our own and the wording that errors share. Floor 0.

Errors are built-in types (ValueError, TypeError, RuntimeError); only warnings have categories of their own, so that
users who turn warnings into errors can pick.
"""

import os
import sys

__all__ = [
    "PartialGradientWarning", "PrecisionWarning", "ScopeWarning", "close_names", "line_of", "place", "user_frame",
    "user_level", "user_line",
]  # fmt: skip

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_OURS = _PACKAGE + os.sep, os.path.join(os.path.dirname(_PACKAGE), "optim", "")


class PrecisionWarning(UserWarning):
    """A float32 Variable met a float64 array, and the result is float64."""


class PartialGradientWarning(UserWarning):
    """Some of the variables handed to an optimizer have no gradient."""


class ScopeWarning(UserWarning):
    """A scope is used in a way that will surprise later (a default name at the root, say)."""


def user_frame():
    """The innermost frame outside of this library."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_OURS):
        frame = frame.f_back
    return frame


def user_level() -> int:
    """The `stacklevel` with which ``warnings.warn`` names the innermost caller outside of this library."""
    target, frame, level = user_frame(), sys._getframe(1), 1
    while frame is not target and frame.f_back is not None:
        frame, level = frame.f_back, level + 1
    return level


def user_line() -> str:
    """``"file:line"`` of the innermost caller outside of this library."""
    frame = user_frame()
    return place(frame.f_code.co_filename, frame.f_lineno)


def place(file: str, line: int) -> str:
    """``"file:line"``; ``"In[3]:line"`` for a cell of a notebook, whose file has a name that says nothing.

    Examples
    --------
    >>> place("model.py", 12)
    'model.py:12'
    """
    ipython = sys.modules.get("IPython")
    if ipython is not None and ("ipykernel_" in file or "ipython-input" in file):
        shell = ipython.get_ipython()
        cell = shell and shell.compile.format_code_name(file)
        file = cell[1] if cell else file
    return f"{file}:{line}"


def line_of(code, instruction: int) -> int:
    """The line of an instruction (a frame's `f_lasti`): who may never need the line keeps these two, which are free."""
    lines = (line for start, stop, line in code.co_lines() if start <= instruction < stop)
    return next(lines, None) or code.co_firstlineno


def close_names(name: str, names, most: int = 3) -> str:
    """``" Did you mean 'a', 'b'?"`` for the nearest of `names`, or an empty string."""
    import difflib  # late: 5 ms at import

    found = difflib.get_close_matches(name, list(names), n=most, cutoff=0.5)
    return f" Did you mean {', '.join(map(repr, found))}?" if found else ""
