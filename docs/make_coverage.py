"""Write docs/coverage.md: what becomes of every public function of NumPy, and of every method of its arrays.

Run it after adding an op (`python docs/make_coverage.py`). It reads the registry and the lists of
`autograd_vs/ops/coverage.py`; a test wants every function in exactly one class.
"""

import types
from pathlib import Path

import numpy as np

import autograd_vs as av
from autograd_vs.engine import registry
from autograd_vs.engine.protocol import Operand
from autograd_vs.ops import coverage

PAGE = Path(__file__).parent / "coverage.md"
MODULES = {"numpy": np, "numpy.linalg": np.linalg, "numpy.fft": np.fft}
METHODS = "methods of arrays"

TOP = """# Coverage of NumPy

Made by `python docs/make_coverage.py` with NumPy {version}; do not edit. What becomes of every public function of NumPy
that gets a Tensor or a Variable, and of every public method and attribute of its arrays:

- **differentiable**: recorded by tapes, with a gradient;
- **piecewise constant**: integer, bool or step output; works on Tensors and passes no gradient;
- **just works**: a question about shapes, dtypes or values, input and output, or a function that takes no array to
  differentiate (creation, settings);
- **refused**: a `TypeError` (of a method: an `AttributeError`) with the reason. Nothing is dropped in silence.

The names are NumPy's; nearly all are names of `av`, `av.linalg` or `av.fft`, too ([ops.md](ops.md)).

| | differentiable | piecewise constant | just works | refused | together |
| --- | --- | --- | --- | --- | --- |
"""
CLASSES = ("differentiable", "piecewise constant", "just works", "refused")
SAME = {"T": "transpose", "mT": "matrix_transpose", "flat": "ravel", "flatten": "ravel"}  # methods as functions


def functions(module) -> list[str]:
    """The public functions of a module of NumPy."""
    found = {name: getattr(module, name) for name in module.__all__ if not name.startswith("_")}
    return sorted(n for n, f in found.items() if callable(f) and not isinstance(f, (type, types.ModuleType)))


def classes_of(home: str, name: str) -> list[str]:
    """The classes in which a function stands: exactly one, if all is well."""
    function = getattr(MODULES[home], name)
    listed = f"{home.removeprefix('numpy')}.{name}".lstrip(".")
    answers = getattr(registry.functions.get(function), "samples", True) is None  # a query with code of its own
    return [
        *["differentiable"] * (function in registry.functions and not answers),
        *["piecewise constant"] * (function in registry.constants),
        *["just works"] * (function in registry.queries or answers),
        *["just works"] * (listed in (*coverage.CREATION, *coverage.FILES, *coverage.TYPES, *coverage.SETTINGS)),
        *["refused"] * (listed in coverage.REFUSED),
    ]


def methods() -> list[str]:
    """The public methods and attributes of NumPy's arrays."""
    return sorted(name for name in dir(np.ndarray) if not name.startswith("_"))


def class_of_method(name: str) -> str:
    """The class of a method or attribute; "" if Tensors have nothing of the name."""
    found = vars(Operand).get(name)
    if found is None:
        return ""
    if hasattr(type(found), "advice"):
        return "refused"
    function = getattr(np, SAME.get(name, name), None)
    if function in registry.constants:
        return "piecewise constant"
    return "differentiable" if function in registry.functions else "just works"


def reason_of_method(name: str) -> str:
    """What the AttributeError says."""
    return vars(Operand)[name].advice


def table() -> dict[str, dict[str, list[str]]]:
    """The names by family and class."""
    registry.load()
    found = {}
    for home, module in MODULES.items():
        by_class: dict[str, list[str]] = {kind: [] for kind in CLASSES}
        for name in functions(module):
            for kind in classes_of(home, name)[:1]:
                by_class[kind].append(name)
        found[home] = by_class
    found[METHODS] = {kind: [n for n in methods() if class_of_method(n) == kind] for kind in CLASSES}
    return found


def row(cells) -> str:
    """One row of a table."""
    return "| " + " | ".join(map(str, cells)) + " |\n"


def named(names, before: str = "") -> str:
    """Names as code, as one paragraph."""
    return ", ".join(f"`{before}{name}`" for name in names) + ".\n" if names else "None.\n"


def page() -> str:
    """The whole of docs/coverage.md."""
    found = table()
    counts = {home: [len(by_class[kind]) for kind in CLASSES] for home, by_class in found.items()}
    text = TOP.format(version=version())
    for home, numbers in counts.items():
        text += row([home, *numbers, sum(numbers)])
    together = [sum(column) for column in zip(*counts.values(), strict=True)]
    text += row(["together", *together, sum(together)])
    for home, by_class in found.items():
        text += f"\n## {home}\n"
        for kind in CLASSES[:-1]:
            text += f"\n### {home}: {kind}\n{named(by_class[kind])}"
        text += f"\n### {home}: refused\n"
        reasons: dict[str, list[str]] = {}
        for name in by_class["refused"]:
            listed = f"{home.removeprefix('numpy')}.{name}".lstrip(".")
            reason = reason_of_method(name) if home == METHODS else coverage.REFUSED[listed]
            reasons.setdefault(reason, []).append(name)
        text += "| names | why, and what to write |\n| --- | --- |\n" if reasons else "None.\n"
        for reason, names in reasons.items():
            text += row([", ".join(f"`{name}`" for name in names), reason.replace("|", "\\|")])
    return text


def version() -> str:
    """NumPy's, without the last number."""
    return ".".join(np.__version__.split(".")[:2])


if __name__ == "__main__":
    assert av.__file__
    PAGE.write_text(page(), encoding="utf-8")
    print(f"written: docs/{PAGE.name}")
