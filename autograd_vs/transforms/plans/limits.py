"""What a function must not do while it is traced, because no replay could do it again. Floor 3."""

import sys
import warnings
from typing import Any

import numpy as np

from ...base.errors import place, user_frame
from ...base.nest import flatten
from ...engine.cotangent import IndexedSlices
from ...engine.protocol import Operand
from ..signature import name_of
from .numbers import Number
from .traced import Traced, TraceError

__all__ = [
    "generators_of", "given_anew", "named_at", "random_states", "refuse_iterators", "warn", "warn_of_random_numbers",
]  # fmt: skip


FRESH = {"np.random": 623, "random": 624}  # the positions of generators that have not been drawn from


def refuse_iterators(function, leaves, names) -> None:
    """TraceError for an argument that gives something else each time it is asked."""
    for leaf, name in zip(leaves, names, strict=True):
        if hasattr(leaf, "__next__"):
            raise TraceError(
                f"{named_at(function)}: argument {name} is {leaf!r:.60}, which would be asked while the function is "
                "traced only, and not by later calls: pass what it gives, next(...)"
            )


def given_anew(function, leaf):
    """A leaf of a result, if each replay can give it."""
    if type(leaf) is Number:
        return leaf.look()
    name = named_at(function)
    for runs_by_itself in ("__next__", "__await__", "__anext__"):
        if hasattr(leaf, runs_by_itself):
            raise TraceError(
                f"{name} returns {leaf!r:.60}, which can be used up once and would be the same in each call: return "
                "what it gives, list(...), or let the function run eagerly"
            )
    if not isinstance(leaf, Operand) and not isinstance(leaf, IndexedSlices) and hasattr(leaf, "__dict__"):
        if any(isinstance(getattr(part, "array", part), Traced) for part in flatten(list(vars(leaf).values()))):
            raise TraceError(
                f"{name} returns a {type(leaf).__name__} with Tensors in it, which would be those of the trace in each "
                "call: return them in a dict, list, tuple or named tuple, and put them together outside"
            )
    return leaf


def warn_of_random_numbers(function, before: dict, generators: dict) -> None:
    """Warn where random numbers of `random_states` were drawn since `before`."""
    after = random_states(generators)
    moved = [name for name, state in after.items() if before.get(name, (state[0], FRESH.get(name))) != state]
    if moved:
        warn(
            f"{named_at(function)} draws from {' and '.join(moved)} while it is traced: each further call would "
            "get the same numbers again. Draw with av.random (its streams go on), or draw outside and pass the numbers "
            "as arguments"
        )


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """A warning at the user's line."""
    frame = user_frame()
    warnings.warn_explicit(message, category, frame.f_code.co_filename, frame.f_lineno)


def named_at(function) -> str:
    """The name of a Python function, and where it stands."""
    code = getattr(function, "__code__", None)
    return name_of(function) + ("" if code is None else f" ({place(code.co_filename, code.co_firstlineno)})")


def generators_of(function, leaves, names) -> dict[str, Any]:
    """NumPy's generators among the arguments, and those that the function names, by what to call them."""
    if "numpy.random" not in sys.modules:
        return {}
    seen = dict(zip(names, leaves, strict=True)) | _named_in(getattr(function, "__func__", function))
    kinds = np.random.Generator, np.random.RandomState
    return {f"the generator {name!r}": x for name, x in seen.items() if isinstance(x, kinds)}


def _named_in(function) -> dict[str, Any]:
    """The globals and the variables around it that a Python function names."""
    code, around = getattr(function, "__code__", None), getattr(function, "__globals__", {})
    if code is None:
        return {}
    found = {name: around.get(name) for name in code.co_names}
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # it has no value yet
            pass
    return found


def random_states(generators: dict[str, Any]) -> dict[str, Any]:
    """What these, and NumPy's and Python's global generators, where they are loaded, are at: (keys, position)."""
    found: dict[str, Any] = {}
    for name, generator in generators.items():
        bits = getattr(generator, "bit_generator", None) or generator._bit_generator  # the latter of a RandomState
        found[name] = repr(bits.state), 0
    if "numpy.random" in sys.modules:
        state: Any = np.random.get_state(legacy=False)["state"]
        position = state.get("pos", FRESH["np.random"])  # other generators than NumPy's default have none
        found["np.random"] = {k: np.asarray(v).tolist() for k, v in state.items() if k != "pos"}, position
    if "random" in sys.modules:
        *keys, position = sys.modules["random"].getstate()[1]
        found["random"] = keys, position
    return found
