"""Every sample of a row of the registry on the stand-in for CuPy: what it asks of CuPy, where it waits, is refused.

`test_cupy_names.py` compares what was asked with CuPy itself; `docs/make_ops_table.py` writes the rest down.
"""

import re
import warnings
from contextlib import ExitStack, suppress

import numpy as np
from strict_array import MISSING, MISSING_LINALG, SPECIAL, StrictArray, count_transfers, note_calls, on_device

import autograd_vs as av
from autograd_vs.base.nest import flatten
from autograd_vs.engine import registry
from autograd_vs.ops.later import FAMILIES, family

# The ways to say that CuPy has not got something.
LACKING = (NotImplementedError, TypeError, AttributeError)


def rows() -> dict:
    """All rows of the registry with samples, those of SciPy's functions, too: ``{"op tanh": row, ...}``."""
    registry.load()
    with suppress(ImportError):  # SciPy is an extra
        for names in FAMILIES.values():
            for name in names:
                family(name)
    composed = registry.composed | registry.numpy_only
    found = {f"op {n}": row for n, row in registry.ops.items()} | {f"composed {n}": c for n, c in composed.items()}
    return {key: row for key, row in found.items() if row.samples}


class Facts:
    """What became of the samples of one row: `waits` and `refused` hold texts, ``ran`` how far the samples got."""

    def __init__(self):
        self.ran = {"value": 0, "gradient": 0, "second": 0}
        self.waits: set[str] = set()
        self.refused: dict[str, set[str]] = {"value": set(), "gradient": set(), "second": set()}


def _tensors(arg):
    def one(x):
        if not isinstance(x, np.ndarray):
            return x
        return av.Tensor(on_device(x)) if x.dtype.kind in "fc" else on_device(x)

    if isinstance(arg, (list, tuple)):
        return type(arg)(_tensors(x) for x in arg)
    return one(arg)


def facts(row, listen=None) -> Facts:
    """Value, first and second derivative of each sample; `listen` is told of each call (`strict_array.note_calls`)."""
    found = Facts()
    function = row.public if hasattr(row, "public") else row
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        stack.enter_context(np.errstate(all="ignore"))
        if listen is not None:
            stack.enter_context(note_calls(listen))
        for sample in row.samples() if row.samples else ():
            _sample(function, sample, found)
    return found


def _sample(function, sample, found):
    args = [_tensors(a) for a in sample.args]
    sources = [t for t in flatten(args) if isinstance(t, av.Tensor)]
    stage = "value"
    try:
        with av.GradientTape() as outer, av.GradientTape() as inner, count_transfers() as seen:
            outer.watch(sources)
            inner.watch(sources)
            y = function(*args, **sample.options)
            assert all(isinstance(t.array, StrictArray) for t in flatten(y) if isinstance(t, av.Tensor)), "left"
            found.ran[stage] += 1
            targets = [t for t in flatten(y) if isinstance(t, av.Tensor) and t.dtype.kind in "fc"]
            if not (sources and targets):
                return
            stage = "gradient"
            first = [g for g in inner.gradient(targets, sources) if g is not None]
            found.ran[stage] += 1
            if not first or sample.order < 2 or not sample.smooth:
                return
            stage = "second"
            outer.gradient([av.sum(av.real(g * av.conj(g))) for g in first], sources)
            found.ran[stage] += 1
    except LACKING as error:
        found.refused[stage].add(str(error).partition("\n")[0])
    finally:
        found.waits |= {text.removeprefix("down: ") for text in seen if text.startswith("down")}


def constant_arguments(function) -> tuple:
    """Arguments for a function of `registry.constants`."""
    x = np.array([[0.5, -1.5, 2.0], [3.0, 0.0, 1.0]])
    integers = np.array([[4, 6, 3], [2, 1, 5]])
    name = function.__name__
    special = {
        "searchsorted": (np.sort(x[0]), x[1]), "digitize": (x[0], np.array([0.0, 1.0])), "isin": (x, x[:1]),
        "unravel_index": (np.array([1, 5]), (2, 3)), "lexsort": (x,),
        "argpartition": (x, 1), "isclose": (x, x + 1e-12), "bitwise_count": (integers,), "packbits": (integers > 2,),
        "unpackbits": (integers.astype(np.uint8), -1),
        "ravel_multi_index": ((integers[0] - 3, integers[1] - 1), (4, 5)),
        "isnat": (np.array(["2026-01-01", "NaT"], "datetime64[D]"),),
    }  # fmt: skip
    if name in special:
        return special[name]
    if any(w in name for w in ("bitwise", "gcd", "lcm", "shift", "invert")):
        return (integers,) if name in ("invert", "bitwise_invert") else (integers, integers[::-1] % 3)
    return (x,) if not isinstance(function, np.ufunc) or function.nin == 1 else (x, x[::-1] + 0.5)


def refused_constants() -> list:
    """The functions of `registry.constants` that do not run on the stand-in."""

    def runs(function):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                function(*map(_everything, constant_arguments(function)))
        except (*LACKING, ValueError):
            return False
        return True

    return [f for f in registry.constants if isinstance(f, np.ufunc) or f.__module__[:5] == "numpy" if not runs(f)]


def _everything(arg):
    if isinstance(arg, (list, tuple)):
        return type(arg)(map(_everything, arg))
    return av.Tensor(on_device(arg)) if isinstance(arg, np.ndarray) else arg


# ---------------------------------------------------------------- in words


def lacks(name: str) -> bool:
    """Say whether CuPy lacks a function, by its name in NumPy or SciPy: ``"np.block"``, ``"scipy.special.jv"``."""
    home, _, short = name.rpartition(".")
    if home == "scipy.special":
        return short not in SPECIAL
    return short in (MISSING_LINALG if home == "np.linalg" else MISSING)


def _what(refusal: str) -> str:
    """What a NotImplementedError of `backend.special_function` says is lacking."""
    name, is_complex = re.match(r"(scipy\.special\.\w+) has no equivalent for (complex )?arrays", refusal).groups()
    return f"`{name}`" + (" for complex numbers" if is_complex else "")


def on_cupy(row) -> str:
    """What docs/ops.md says of a row: does it run on CuPy, and how."""
    found = facts(row)
    for stage, word in (("value", ""), ("gradient", "value only"), ("second", "first derivative only")):
        if found.refused[stage]:
            how = word or ("in part" if found.ran[stage] else "no")
            return f"{how}: CuPy has no {' and no '.join(sorted(map(_what, found.refused[stage])))}"
    name = registry.numpy_name(row.numpy) if row.numpy is not None else ""
    made = "made of others" if name and lacks(name) else "yes"
    return f"{made}, waits" if found.waits else made
