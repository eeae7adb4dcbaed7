"""What a function must not do while it is traced, because no replay could do it again. Floor 3."""

import sys
import warnings
from contextlib import contextmanager
from typing import Any

import numpy as np

from ...base.nest import flatten
from ...engine.cotangent import IndexedSlices
from ...engine.protocol import Operand
from .numbers import Number
from .traced import Traced, TraceError

__all__ = ["array_of", "given_anew", "unmoved_random_numbers"]


def given_anew(function, leaf):
    """A leaf of a result, if each replay can give it."""
    if type(leaf) is Number:
        return leaf.look()
    name = getattr(function, "__name__", "the function")
    for runs_by_itself in ("__next__", "__await__", "__anext__"):
        if hasattr(leaf, runs_by_itself):
            raise TraceError(
                f"{name} returns {leaf!r:.60}, which can be used up once and would be the same in each call: return "
                "what it gives, list(...), or let the function run eagerly"
            )
    if not isinstance(leaf, Operand) and not isinstance(leaf, IndexedSlices) and hasattr(leaf, "__dict__"):
        if any(array_of(part) is not None for part in flatten(list(vars(leaf).values()))):
            raise TraceError(
                f"{name} returns a {type(leaf).__name__} with Tensors in it, which would be those of the trace in each "
                "call: return them in a dict, list, tuple or named tuple, and put them together outside"
            )
    return leaf


@contextmanager
def unmoved_random_numbers(function):
    """Warn where NumPy's or Python's global random numbers are drawn meanwhile."""
    before = _random_states()
    yield
    moved = [name for name, state in _random_states().items() if before.get(name) != state]
    if moved:
        code = getattr(function, "__code__", None)
        where = "" if code is None else f" ({code.co_filename}:{code.co_firstlineno})"
        warnings.warn(
            f"{getattr(function, '__name__', 'a function')}{where} draws from {' and '.join(moved)} while it is "
            "traced: each further call would get the same numbers again. Draw with av.random (its streams go on), or "
            "draw outside and pass the numbers as arguments",
            stacklevel=9,
        )


def _random_states():
    """What NumPy's and Python's global generators are at, as far as they are loaded."""
    found: dict[str, Any] = {}
    if "numpy.random" in sys.modules:
        state: Any = np.random.get_state(legacy=False)
        found["np.random"] = {**state, "state": {k: np.asarray(v).tolist() for k, v in state["state"].items()}}
    if "random" in sys.modules:
        found["random"] = sys.modules["random"].getstate()
    return found


def array_of(leaf: Any) -> Any:
    """The traced array of a result, or None."""
    return leaf.array if isinstance(leaf, Operand) and leaf.array.__class__ is Traced else None
