"""The table: which NumPy function is which op. Floor 1, the lowest file of the engine.

Four classes of NumPy functions: differentiable (`functions`), constant (integer, bool or step output: they work and
pass no gradient), query (`np.shape`, `np.allclose`: they just work) and refused (everything else: a TypeError by name).
`ops` holds every `Op` by name, `composed` the functions made of several ops; the tests, the docs table and the plans
find them there by themselves. `numpy_only` are composed functions under NumPy's name only (``np.block(t)``).

Families that most programs never use are loaded when a function is not found (`later`): the import stays quick.
"""

import sys
from collections.abc import Callable
from typing import Any

__all__ = [
    "composed", "constants", "find", "for_numpy", "functions", "later", "load", "metadata", "numpy_name", "numpy_only",
    "ops", "queries", "reasons", "refusal",
]  # fmt: skip

ops: dict[str, Any] = {}
composed: dict[str, Any] = {}
numpy_only: dict[str, Any] = {}
functions: dict[Callable, Callable] = {}
constants: dict[Callable, Callable] = {}
queries: set[Callable] = set()
metadata: set[Callable] = set()  # the queries of shapes and dtypes; the others look at values, on the host
reasons: dict[str, str] = {}  # "np.median" -> why it is refused, and what to write: filled by `ops/coverage.py`
later: list[Callable[[], bool]] = []  # each loads a family of ops, and says whether that is done for good


def load() -> None:
    """Load the families of ops that were left for later."""
    for family in later[:]:
        if family() and family in later:
            later.remove(family)


def find(function) -> Callable | None:
    """What runs in the place of NumPy's `function`: differentiable or constant; None if there is nothing."""
    found = functions.get(function) or constants.get(function)
    if found is None and later and function not in queries:
        load()
        found = functions.get(function) or constants.get(function)
    return found


def for_numpy(function, *, samples: Any = None):
    """Declare what is made of other ops and has no name of its own in the package; None: this NumPy lacks it."""

    def declare(call):
        if function is not None:
            call.numpy, call.samples = function, samples
            numpy_only[numpy_name(function)] = functions[function] = call
        return call

    return declare


def numpy_name(function) -> str:
    """``"np.linalg.norm"``, ``"scipy.special.gammaln"`` and the like, for messages."""
    name = getattr(function, "__name__", str(function))
    module = getattr(function, "__module__", None)
    if module is None:  # SciPy's ufuncs do not say where they live; the ones with an underscore stand behind functions
        homes = [sys.modules.get(home) for home in ("scipy.special", "scipy.special._ufuncs")]
        if any(getattr(home, name, None) is function for home in homes):
            return f"scipy.special.{name.removeprefix('_')}"
    return f"{(module or 'numpy').replace('numpy', 'np', 1)}.{name}"


def refusal(function, detail: str = "") -> TypeError:
    """The error for a function of NumPy or SciPy that has no gradient here."""
    load()
    return TypeError(
        f"{numpy_name(function)}{detail} has no gradient in autograd_vs, so it refuses Tensors and Variables rather "
        f"than drop the gradient.{_hint(function, detail)} If no gradient is wanted, pass `x.numpy()`; to write one, "
        "see `autograd_vs.custom_gradient`."
    )


def _hint(function, detail: str) -> str:
    """What to write instead: by `reasons`, or the name of a neighbour that is really near."""
    name = numpy_name(function)
    if name + detail in reasons:
        return f" {reasons[name + detail]}"
    if detail:  # a ufunc's method: a function of a like name is no help
        return ""
    from difflib import get_close_matches  # late: 5 ms at import

    ours = name.startswith("scipy.special.")
    known = {f.__name__ for f in (*functions, *constants, *queries) if numpy_name(f).startswith("scipy.") is ours}
    near = get_close_matches(name.rpartition(".")[2], sorted(known), n=3, cutoff=0.7)
    return f" Did you mean {', '.join(map(repr, near))}?" if near else ""
