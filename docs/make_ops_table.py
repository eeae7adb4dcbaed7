"""Write docs/ops.md from the registry: every op, composed function, constant and query.

Run it after adding an op (`python docs/make_ops_table.py`): a test compares the file with what this script makes.
"""

import sys
import warnings
from pathlib import Path

import numpy as np

import autograd_vs as av
from autograd_vs.engine import registry
from autograd_vs.ops.later import FAMILIES, family

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))  # the stand-in for CuPy is there
from on_strict import on_cupy, refused_constants

PAGE = Path(__file__).parent / "ops.md"

TOP = """# Ops

Made by `python docs/make_ops_table.py` from the registry; do not edit. A test compares the two.

NumPy's functions fall into four classes. **Ops** and **composed functions** are differentiable, **constants** work and
pass no gradient, **queries** return what NumPy returns, and everything else refuses Tensors and Variables: a
`TypeError` with the function's name. How to add an op is told in `CONTRIBUTING.md`.

*CuPy*: what became of the samples of each function, their first and second derivatives, on the stand-in for CuPy 14.2
(`tests/strict_array.py`, which `tests/test_cupy_names.py` compares with CuPy itself). **yes**: it runs on the device;
**made of others**: CuPy lacks NumPy's function, and ours is made of those that it has; **waits**: the host must see a
value on the way, at least for some arguments (ids are checked, a mask decides on a shape, coefficients are read);
**no**, **in part**, **value only**: what CuPy lacks is refused by a `NotImplementedError` that names it.
"""
OPS = """
## Ops with rules of their own
*Gradient for*: the arguments that have a rule. *Kind*: **elementwise** ops broadcast, and their Jacobian is diagonal;
**linear** ops are their own forward rule; the others have a forward rule of their own (**jvp**) or get one by
transposing the gradient. **view**: the result may share memory with the argument. *Complex*: "yes" where the tests
check gradients of complex samples, too.

| op | NumPy | gradient for | kind | complex | CuPy |
| --- | --- | --- | --- | --- | --- |
"""
INTERNAL = """
### Parts of others
These are recorded under the names below and are reached through other functions, operators or methods only.

| op | gradient for | kind | complex | CuPy |
| --- | --- | --- | --- | --- |
"""
COMPOSED = """
## Composed functions
Made of the ops above, with no rule of their own (a function of the same name as an op prepares its arguments).

| function | NumPy | CuPy |
| --- | --- | --- |
"""
CONSTANTS = """
## Constants
Integer, bool or step output: they take Tensors, return Tensors, and pass no gradient.

"""
QUERIES = """
## Queries
They take Tensors and return what NumPy returns, also while a tape records.

"""
REACHED_BY = {"getitem": "x[index]", "power_number": "x ** number", "astype": "x.astype(dtype)"} | {
    f"index_{name}": f"x.at[index].{name}(value)" for name in ("set", "add", "multiply", "max", "min")
}


def home(name: str) -> str | None:
    """Where users find a row of the table: ``"av.tanh"``, ``"av.nn.relu"``, ``"av.stats.norm.pdf"``, or None."""
    row = registry.composed[name] if name in registry.composed else registry.ops[name].public
    for prefix in FAMILIES:
        thing = getattr(av, prefix) if prefix else av
        short = name.removeprefix(f"{prefix}.")
        if short.partition(".")[0] not in thing.__all__:
            continue
        for part in short.split("."):
            thing = getattr(thing, part, None)
        if thing is row:
            return f"av.{prefix}.{short}" if prefix else f"av.{name}"
    return None


def kind(row) -> str:
    """What the table says of an op beside its rule."""
    words = [
        "elementwise" if row.elementwise else "",
        "linear" if row.linear else "",
        "jvp" if row.jvp else "",
        "view" if row.view else "",
        "several outputs" if row.outputs != 1 else "",
    ]
    return ", ".join(filter(None, words))


def is_complex(row) -> str:
    """Say "yes" if a sample that is differentiated has complex numbers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        samples = row.samples() if row.samples else []
    arguments = [a for sample in samples if sample.smooth for a in sample.args]
    return "yes" if any(isinstance(a, np.ndarray) and a.dtype.kind == "c" for a in arguments) else ""


def line(*cells: str) -> str:
    """One row of a table."""
    return "| " + " | ".join(cells) + " |\n"


def code(text) -> str:
    """`text` as code, or nothing."""
    return f"`{text}`" if text else ""


def listed(functions) -> str:
    """NumPy functions by name, as one paragraph."""
    return ", ".join(sorted({code(registry.numpy_name(f)) for f in functions})) + ".\n"


def numpy_of(function) -> str:
    """NumPy's name of a function, as code."""
    return code(registry.numpy_name(function)) if function is not None else ""


def page() -> str:
    """The whole of docs/ops.md. SciPy must be there."""
    for names in FAMILIES.values():
        for each in names:
            family(each)
    public, internal, composed = "", "", ""
    for name, row in sorted(registry.ops.items()):
        cells = ", ".join(map(code, row.vjps)), kind(row), is_complex(row), on_cupy(row)
        where = home(name)  # an internal op may have the name of the composed function that prepares its arguments
        if where is not None and not {name, where.removeprefix("av.")} & registry.composed.keys():
            public += line(code(where), numpy_of(row.numpy), *cells)
        else:
            by = f" ({code(REACHED_BY[name])})" if name in REACHED_BY else ""
            internal += line(code(name) + by, *cells)
    for name, call in sorted(registry.composed.items()):
        # av.ravel flattens nests: NumPy's function of that name is reached through np.ravel and the method
        composed += line(code(home(name) or f"x.{name}()"), numpy_of(call.numpy), on_cupy(call))
    return "".join([
        TOP, OPS, public, INTERNAL, internal, COMPOSED, composed,
        CONSTANTS, listed(registry.constants), f"\nNot on CuPy: {listed(refused_constants())}",
        QUERIES, listed(registry.queries),
    ])  # fmt: skip


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"written: docs/{PAGE.name}")
