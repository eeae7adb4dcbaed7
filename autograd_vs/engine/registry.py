"""The table: which NumPy function is which op. Floor 1, the lowest file of the engine.

Four classes of NumPy functions: differentiable (`functions`), constant (integer, bool or step output: they work and
pass no gradient), query (`np.shape`, `np.allclose`: they just work) and refused (everything else: a TypeError by name).
`ops` holds every `Op` by name, `composed` the functions made of several ops; the tests, the docs table and the plans
find them there by themselves.
"""

from collections.abc import Callable
from typing import Any

from ..base.errors import close_names

__all__ = ["composed", "constants", "functions", "numpy_name", "ops", "queries", "refusal"]

ops: dict[str, Any] = {}
composed: dict[str, Any] = {}
functions: dict[Callable, Callable] = {}
constants: dict[Callable, Callable] = {}
queries: set[Callable] = set()


def numpy_name(function) -> str:
    """``"np.linalg.norm"`` and the like, for messages."""
    module = getattr(function, "__module__", None) or "numpy"
    return f"{module.replace('numpy', 'np', 1)}.{getattr(function, '__name__', function)}"


def refusal(function, detail: str = "") -> TypeError:
    """The error for a NumPy function that has no gradient here."""
    name = getattr(function, "__name__", str(function))
    known = {f.__name__ for f in (*functions, *constants, *queries)}
    return TypeError(
        f"{numpy_name(function)}{detail} has no gradient in autograd_vs, so it refuses Tensors and Variables rather "
        f"than drop the gradient.{close_names(name, known)} If no gradient is wanted, pass `x.numpy()`; to write one, "
        "see `autograd_vs.custom_gradient`."
    )
