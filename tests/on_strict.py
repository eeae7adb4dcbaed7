"""Every sample of a row of the registry on the stand-in for CuPy: what it asks of CuPy, where it waits, is refused.

`test_cupy_names.py` compares what was asked with CuPy itself; `docs/make_ops_table.py` writes the rest down.
"""

import warnings
from contextlib import ExitStack, suppress

import numpy as np
from strict_array import StrictArray, count_transfers, note_calls, on_device

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
