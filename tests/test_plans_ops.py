"""Every op of the table, and its gradient, as a plan: bit for bit what it is eagerly."""

import warnings

import numpy as np
import pytest
from test_ops import ROWS, floats, function_of, sampled

import autograd_vs as av
from autograd_vs.base.nest import flatten
from autograd_vs.transforms.plans import loops, pieces


def places(x):
    """The float arrays of a nest."""
    if isinstance(x, (list, tuple)):
        return [a for part in x for a in places(part)]
    return [x] if floats(x) else []


def filled(x, arrays):
    if isinstance(x, (list, tuple)):
        return type(x)([filled(part, arrays) for part in x]) if places(x) else x
    return next(arrays) if floats(x) else x


def both(key, sample):
    function = function_of(ROWS[key])

    def step(*tensors):
        with av.GradientTape() as tape:
            tape.watch(tensors)
            y = function(*filled(list(sample.args), iter(tensors)), **sample.options)
        ys = [t for t in (y if isinstance(y, tuple) else (y,))]
        targets = [t for t in ys if t.dtype.kind in "fc"]
        gradients = tape.gradient(targets, list(tensors), unconnected_gradients="zero") if targets and tensors else []
        return [*ys, *gradients]

    return step


# Their shapes, or what is done, depend on values.
VALUES = {
    "op index_multiply", "op lstsq", "op roots", "composed bincount", "composed choose", "composed compress",
    "composed cov", "composed extract", "composed ix_", "composed piecewise", "composed setdiff1d", "composed setxor1d",
    "composed linalg.lstsq", "composed nanpercentile", "composed nanquantile", "composed percentile", "composed poly",
    "composed polydiv", "composed polymul", "composed quantile", "composed real_if_close", "composed scatter",
    "composed special.multigammaln",
    "composed trim_zeros",
}  # fmt: skip


@pytest.mark.parametrize("key", sorted(VALUES))
def test_what_depends_on_values_is_refused(key):
    """At the trace, or at a later call that another shape comes out of."""
    if key.endswith("lstsq"):
        pytest.skip("the shape of the residuals is that of the trace")
    refused = 0
    for sample in sampled(key):
        given = [av.Tensor(np.array(a)) for a in places(list(sample.args))]
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            try:
                av.function(both(key, sample))(*given)
            except TypeError as error:
                assert "traced" in str(error)
                refused += 1
    assert refused


def interpreted(source):
    """A loop in Python: it rounds as NumPy does."""
    scope = {"float32": np.float32, "float64": np.float64, "sqrt": np.sqrt, "inf": np.inf, "nan": np.nan}
    exec(source, scope)
    return scope["loop"]


OF_NUMPY = pytest.mark.host("takes NumPy's arrays apart")


@pytest.mark.parametrize(
    "how", ["whole", pytest.param("in pieces", marks=OF_NUMPY), pytest.param("in loops", marks=OF_NUMPY)]
)
@pytest.mark.parametrize("key", [key for key in ROWS if key not in VALUES])
def test_a_plan_gives_what_the_eager_call_gives(key, how, monkeypatch):
    if how != "whole":  # of so few elements that the small arrays of the samples are taken apart, by threads
        monkeypatch.setattr(pieces, "LARGE", 16)
        monkeypatch.setattr(pieces, "SHARED", 16)
        monkeypatch.setattr(pieces, "PIECE", 32)
        monkeypatch.setattr(pieces, "THREADS_FROM", 48)
        monkeypatch.setattr(pieces, "BESIDE_BLAS", 48)
    if how == "in loops":
        monkeypatch.setattr(loops, "WORTH", 2)
        monkeypatch.setattr(loops, "kernel", interpreted)
        monkeypatch.setattr(loops, "SMALL", 2)
        monkeypatch.setattr(loops, "compiler", lambda: True)
        monkeypatch.setattr(loops, "find_spec", lambda name: True)
    for sample in sampled(key):
        step = both(key, sample)
        given = places(list(sample.args))
        plan = av.function(step)
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            for shift in (0.0, 0.0, 0.03):
                tensors = [av.Tensor(np.array(a + a.dtype.type(shift), order="C")) for a in given]
                want = step(*tensors)
                got = plan(*tensors)
                for w, g in zip(flatten(want), flatten(got), strict=True):
                    assert g.dtype == w.dtype and g.shape == w.shape, sample
                    np.testing.assert_array_equal(g.numpy(), w.numpy(), err_msg=repr(sample))
