"""What HIPS autograd differentiates, by name: `tests/test_coverage.py` asks for the same.

Run it where HIPS autograd and SciPy are installed: ``python tests/golden/make_hips_autograd.py``.
"""

import importlib
import json
import pkgutil
from importlib.metadata import version
from pathlib import Path

import autograd.scipy
from autograd.core import primitive_vjps


def original(f):
    """The function of NumPy or SciPy in it."""
    return getattr(f, "fun", f)


RULES = set(map(original, primitive_vjps))
COMPOSED = "autograd.numpy.numpy_wrapper"  # functions made of others: stack, append, mean, ...
INNER = {"metadata", "parse_einsum_input", "wrap_namespace", "wrap_if_boxes_inside", "primitive", "notrace_primitive"}
OTHERS = {"numpy": ["where"], "numpy.linalg": ["norm"]}  # wrapped otherwise


def differentiable(name: str) -> list[str]:
    """The public functions of a module of HIPS autograd that have a gradient, and that NumPy or SciPy has."""
    theirs = importlib.import_module(name)
    try:
        there = importlib.import_module(name.removeprefix("autograd."))
    except ImportError:  # a distribution, an object of SciPy's module
        parent, _, last = name.removeprefix("autograd.").rpartition(".")
        there = getattr(importlib.import_module(parent), last)
    found = set(OTHERS.get(there.__name__, ())) if hasattr(there, "__name__") else set()
    for key, f in vars(theirs).items():
        if key.startswith("_") or not callable(f) or isinstance(f, type) or not hasattr(there, key):
            continue
        composed = getattr(f, "__module__", "") == COMPOSED and key not in INNER
        if composed or f in primitive_vjps or original(f) in RULES:
            found.add(key)
    return sorted(found)


def main() -> None:
    """Write the file."""
    modules = ["autograd.numpy", "autograd.numpy.linalg", "autograd.numpy.fft"]
    modules += [m.name for m in pkgutil.walk_packages(autograd.scipy.__path__, "autograd.scipy.")]
    functions = {name.removeprefix("autograd."): differentiable(name) for name in modules}
    for name, names in functions.items():  # what a distribution imports for its rules
        if name.startswith("scipy.stats."):
            functions[name] = [n for n in names if n in ("cdf", "entropy", "pdf", "pmf", "sf") or n.startswith("log")]
    about = {"made by": f"make_hips_autograd.py, autograd {version('autograd')}, SciPy {version('scipy')}"}
    functions = {name: names for name, names in functions.items() if names}
    path = Path(__file__).with_name("hips_autograd.json")
    path.write_text(json.dumps(about | functions, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
