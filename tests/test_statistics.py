"""Statistics, options of reductions, methods of ufuncs, sets: stored values of PyTorch, ties, NaN, errors.

Values and derivatives of each function and option are compared with NumPy's and with differences in test_ops.py.
"""

import functools
import json
import operator
import warnings
from pathlib import Path

import numpy as np
import pytest

import autograd_vs as av
from autograd_vs.engine.samples import arrays
from autograd_vs.testing import check_gradients

GOLDEN = {
    case["name"]: case
    for case in json.loads((Path(__file__).parent / "golden" / "statistics.json").read_text())["cases"]
}
NAN = np.nan


def gradient(f, *xs):
    tensors = [av.Tensor(np.asarray(x, float)) for x in xs]
    with av.GradientTape() as tape:
        tape.watch(tensors)
        y = f(*tensors)
    found = [None if g is None else g.numpy().tolist() for g in tape.gradient(y, tensors)]
    return found if len(found) > 1 else found[0]


def explained(f, x, *rest):
    """The gradient with respect to `x`, and what `explain` says of it."""
    t = av.Tensor(np.asarray(x, float))
    with av.GradientTape(persistent=True) as tape:
        tape.watch(t)
        y = f(t, *rest) * 1.0
    return tape.gradient(y, t), tape.explain(y, t)


def same(got, want, rtol=1e-12):
    """The same values (to rounding), shape and dtype."""
    got = got if isinstance(got, tuple) else (got,)
    want = want if isinstance(want, tuple) else (want,)
    assert len(got) == len(want)
    for y, w in zip(got, want, strict=True):
        assert isinstance(y, av.Tensor) and y.shape == np.shape(w) and y.dtype == np.asarray(w).dtype
        np.testing.assert_allclose(y.numpy(), w, rtol=rtol)


# ---------------------------------------------------------------- PyTorch's values


@pytest.mark.parametrize("name", GOLDEN)
def test_values_and_gradients_are_pytorchs(name):
    case = GOLDEN[name]
    function = operator.attrgetter(case["function"])(np)
    inputs = {key: np.asarray(value) for key, value in case["inputs"].items()}
    tensors = {key: av.Tensor(x) for key, x in inputs.items()}
    sources = {key: tensors[key] for key in case["gradients"]}
    with av.GradientTape() as tape:
        tape.watch(sources)
        y = function(*tensors.values(), **case["options"]) if "." in case["function"] else function(
            **tensors, **case["options"]
        )  # fmt: skip
        loss = (av.nan_to_num(y) * np.asarray(case["g"])).sum()
    np.testing.assert_allclose(y.numpy(), np.asarray(case["value"], float), rtol=1e-12, atol=1e-14)
    for key, g in tape.gradient(loss, sources).items():
        g, want = g.numpy(), np.asarray(case["gradients"][key])
        if key == "q":  # PyTorch: 0 where q hits an element; here the slope to the next one
            place = inputs["q"] * (inputs["a"].shape[case["options"].get("axis") or 0] - 1)
            g = np.where(place % 1 == 0, 0.0, g)
        np.testing.assert_allclose(g, want, rtol=1e-10, atol=1e-12)


# ---------------------------------------------------------------- integers, other dtypes


@pytest.mark.parametrize(
    "call",
    [
        np.nansum, np.nanprod, np.nanmean, np.nanstd, np.nanvar, np.nanmax, np.nanmin, np.nancumsum, np.nancumprod,
        np.median, np.nanmedian, np.cov, np.corrcoef, np.average, np.unique, np.sort_complex, np.ptp,
        lambda a: np.quantile(a, 0.3, axis=1), lambda a: np.quantile(a, 1, axis=1), lambda a: np.quantile(a, [0, 1]),
        lambda a: np.percentile(a, [10, 60], axis=0), lambda a: np.nanpercentile(a, 30, method="lower"),
        lambda a: np.quantile(a, 0.4, method="inverted_cdf", weights=a), lambda a: np.partition(a, 1, axis=0),
        lambda a: np.average(a, 1, [1, 2, 3], returned=True), lambda a: np.sum(a, initial=1.5),
        lambda a: np.max(a, initial=2.5, where=a > 4), lambda a: np.min(a, initial=3, where=a > 4, axis=0),
        lambda a: np.mean(a, where=a > 2), lambda a: np.var(a, mean=2.0), lambda a: np.std(a, where=a > 2, axis=1),
        lambda a: np.add.reduceat(a, [0, 1]), lambda a: np.maximum.accumulate(a, axis=1),
        lambda a: np.multiply.outer(a, a[0]), lambda a: np.union1d(a, a + 1), lambda a: np.setdiff1d(a, a[:1]),
        lambda a: np.trim_zeros(a[0] - 3), lambda a: np.unique_all(a)[0],
    ],
)  # fmt: skip
@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.float16])
def test_other_dtypes(call, dtype):
    a = np.array([[3, 1, 7], [5, 3, 9]], dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        want, got = call(a), call(av.Tensor(a))
    same(got, want, 2e-3 if dtype is np.float16 else 1e-12)


# ---------------------------------------------------------------- NaN

BROKEN = [[1.0, NAN, 3.0], [NAN, NAN, NAN], [2.0, 5.0, 1.0]]
EMPTY = [
    (np.nanmean, "Mean of empty slice"),
    (np.nanvar, "Degrees of freedom <= 0 for slice."),
    (np.nanstd, "Degrees of freedom <= 0 for slice."),
    (np.nanmax, "All-NaN slice encountered"),
    (np.nanmin, "All-NaN slice encountered"),
    (np.nanmedian, "All-NaN slice encountered"),
    (functools.partial(np.nanquantile, q=0.3), "All-NaN slice encountered"),
    (functools.partial(np.nanpercentile, q=[30, 40], method="nearest"), "All-NaN slice encountered"),
]


@pytest.mark.parametrize(("function", "words"), EMPTY)
def test_slices_of_nothing_but_nan_have_no_gradient(function, words):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        g = np.asarray(gradient(lambda t: av.nan_to_num(function(t, axis=1)).sum(), BROKEN))
        expected = function(np.asarray(BROKEN), axis=1)
        np.testing.assert_allclose(function(av.Tensor(np.asarray(BROKEN)), axis=1).numpy(), expected)
    assert not g[1].any() and g[0, 1] == 0 and np.isfinite(g).all() and g[2].any()


@pytest.mark.host("a device is not asked")
@pytest.mark.parametrize(("function", "words"), EMPTY)
def test_slices_of_nothing_but_nan_warn_as_in_numpy(function, words):
    for x in (np.asarray(BROKEN), av.Tensor(np.asarray(BROKEN))):
        with pytest.warns(RuntimeWarning) as caught:
            function(x, axis=1)
        assert {str(w.message) for w in caught} == {words}
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        function(av.Tensor(np.asarray(BROKEN)), axis=None)


def test_sums_and_products_take_nan_as_nothing():
    x = [2.0, NAN, 3.0]
    assert gradient(np.nansum, x) == [1.0, 0.0, 1.0]
    assert gradient(np.nanprod, x) == [3.0, 0.0, 2.0]
    assert gradient(lambda t: np.nancumprod(t)[1:].sum(), x) == [4.0, 0.0, 2.0]
    assert gradient(lambda t: np.nancumsum(t).sum(), x) == [3.0, 0.0, 1.0]
    assert np.nansum(av.Tensor(np.array([NAN]))).item() == 0 and gradient(np.nansum, [NAN]) == [0.0]
    assert gradient(np.nanmax, [2.0, NAN, 2.0]) == [0.5, 0.0, 0.5]
    assert gradient(np.nanmin, [-np.inf, NAN, 1.0]) == [1.0, 0.0, 0.0]
    with pytest.raises(TypeError, match=r"nanmean: .*float64 dtype= must be float"):
        np.nanmean(av.Tensor(np.asarray(x)), dtype=int)
    with pytest.raises(ValueError, match="nanmax: where= needs initial="):
        np.nanmax(av.Tensor(np.asarray(x)), where=[True, False, True])


def test_a_nan_makes_medians_and_quantiles_nan():
    x = av.Tensor(np.asarray(BROKEN))
    for y in (np.median(x, axis=0), np.quantile(x, 0.2, axis=0), np.percentile(x, 100, axis=0, method="lower")):
        assert np.isnan(y.numpy()).all()
    assert gradient(lambda t: av.nan_to_num(np.quantile(t, 0.25, axis=1)).sum(), BROKEN)[2] == [0.5, 0.0, 0.5]
    _, g = gradient(lambda t, q: av.nan_to_num(np.quantile(t, q, axis=1)).sum(), BROKEN, 0.25)
    assert g == 2.0  # a NaN in other rows does not reach it


# ---------------------------------------------------------------- medians and quantiles


def test_of_equal_elements_one_gets_the_gradient():
    x = [1.0, 2.0, 2.0, 2.0, 0.0]
    for f in (np.median, np.nanmedian, lambda t: np.quantile(t, 0.5), lambda t: np.partition(t, 2)[2]):
        g = gradient(f, x)
        assert sorted(g) == [0, 0, 0, 0, 1] and g[0] == g[4] == 0
    assert gradient(lambda t: np.sort(t, stable=True)[2], x) == [0, 1, 0, 0, 0]
    assert gradient(lambda t: np.sort(t, kind="stable")[4], x) == [0, 0, 0, 1, 0]
    g = gradient(np.median, [3.0, 3.0, 3.0, 3.0])
    assert sorted(g) == [0, 0, 0.5, 0.5]


def test_q_has_a_gradient_where_the_method_interpolates():
    x = np.array([0.0, 1.0, 4.0, 9.0])
    assert gradient(lambda q: np.quantile(x, q), 0.5) == 9.0  # 3 places over the whole, from 1 to 4
    assert gradient(lambda q: np.percentile(x, q), [50.0, 90.0]) == [0.09, 0.15]
    assert gradient(lambda q: np.quantile(x, q), [0.0, 1.0]) == [3.0, 0.0]
    assert gradient(lambda q: np.quantile(x, q, method="weibull"), [0.01, 0.99]) == [0.0, 0.0]  # outside
    for method in ("lower", "nearest", "midpoint", "averaged_inverted_cdf"):
        g, text = explained(lambda q, method=method: np.quantile(x, q, method=method), 0.4)
        assert g is None and "step function of q" in text


def test_weights_of_quantiles_are_constants():
    x = np.array([3.0, 1.0, 2.0])
    take = functools.partial(np.quantile, method="inverted_cdf")
    g, text = explained(lambda w: take(x, 0.5, weights=w), [1.0, 5.0, 1.0])
    assert g is None and "step function of the weights" in text
    assert gradient(lambda t: take(t, 0.5, weights=[1.0, 5.0, 1.0]), x) == [0.0, 1.0, 0.0]
    x = arrays((2, 3, 4), apart=1.0)
    w = np.abs(x) + 0.1
    flat = take(x.swapaxes(0, 1).reshape(3, 8), 0.4, axis=1, weights=w.swapaxes(0, 1).reshape(3, 8))
    same(take(av.Tensor(x), 0.4, axis=(0, 2), weights=w), flat)  # NumPy 2.1 has a bug there
    holes = av.Tensor(np.array([[NAN, 1.0, 2.0], [NAN, NAN, NAN]]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        y = np.nanquantile(holes, [0.0, 1.0], axis=1, method="inverted_cdf", weights=[9.0, 1.0, 1.0])
    np.testing.assert_array_equal(y.numpy(), [[1.0, NAN], [2.0, NAN]])


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda t: np.quantile(t, 1.5), ValueError, r"quantile: q must lie in \[0, 1\], got 1.5"),
        (lambda t: np.percentile(t, [-1, 5]), ValueError, r"percentile: q must lie in \[0, 100\]"),
        (lambda t: np.nanquantile(t, NAN), ValueError, "nanquantile: q must lie"),
        (lambda t: np.quantile(t, np.zeros((1, 1, 1))), ValueError, "a number or 1-D"),
        (lambda t: np.quantile(t, 0.5, method="best"), ValueError, "no method 'best'; there are linear, "),
        (lambda t: np.quantile(t, 0.5, weights=[1, 2]), ValueError, "only the method 'inverted_cdf'"),
        (
            lambda t: np.quantile(t, 0.5, 0, method="inverted_cdf", weights=[1, -2]),
            ValueError,
            "weights must not be negative",
        ),
        (lambda t: np.quantile(t, 0.5, 0, method="inverted_cdf", weights=[0, 0]), ValueError, "all zero"),
        (lambda t: np.quantile(t, 0.5, method="inverted_cdf", weights=[1, 1]), TypeError, "need axis="),
        (lambda t: np.quantile(t, 0.5, 0, method="inverted_cdf", weights=[1]), ValueError, "fit neither"),
        (lambda t: np.quantile(t * 1j, 0.5), TypeError, "complex numbers have no order"),
        (lambda t: np.quantile(t[:0], 0.5), IndexError, "no element"),
        (lambda t: np.median(t, axis=2), np.exceptions.AxisError, "axis 2"),
        (lambda t: np.median(t, out=np.zeros(())), TypeError, "median: out="),
        (lambda t: np.cov(t[None]), ValueError, "at most 2 dimensions"),
        (lambda t: np.cov(t, ddof=0.5), ValueError, "ddof must be an integer"),
        (lambda t: np.cov(t, fweights=[0.5, 1]), TypeError, "fweights must be integers"),
        (lambda t: np.cov(t, fweights=[-1, 1]), ValueError, "fweights must not be negative"),
        (lambda t: np.cov(t, aweights=[1, 2, 3]), RuntimeError, r"aweights of shape \(3,\) for 2 observations"),
        (lambda t: np.average(t, 0, [1, 2, 3]), ValueError, "average: weights of shape .* fit neither"),
        (lambda t: np.average(t, weights=[1, 2]), TypeError, "average: .*need axis="),
        (lambda t: np.partition(t, 0, order="f"), TypeError, "structured"),
        (lambda t: np.sort(t, order="f"), TypeError, "structured"),
        (lambda t: np.partition(t, 0, kind="quick"), ValueError, "introselect"),
        (lambda t: np.sort(t, kind="stable", stable=True), ValueError, "give one"),
        (lambda t: np.trim_zeros(t, "x"), ValueError, "trim must be"),
    ],
)
def test_mistakes_are_named(call, error, words):
    with pytest.raises(error, match=words):
        call(av.Tensor(np.arange(4.0).reshape(2, 2)))


@pytest.mark.parametrize(
    "name",
    "nansum nanprod nanmean nanvar nanstd nanmax nanmin nancumsum nancumprod median nanmedian ptp cumsum".split(),
)
def test_nothing_is_written_to_out(name):
    with pytest.raises(TypeError, match=f"{name}: out= is not supported"):
        getattr(np, name)(av.Tensor(np.ones(2)), out=np.zeros(()))
    for name in ("quantile", "nanquantile", "percentile", "nanpercentile"):
        with pytest.raises(TypeError, match=f"^{name}: out= is not supported"):
            getattr(np, name)(av.Tensor(np.ones(2)), 0.5, out=np.zeros(()))


# ---------------------------------------------------------------- covariances and averages


@pytest.mark.host("a device is not asked")
def test_too_few_observations():
    with pytest.warns(RuntimeWarning, match="Degrees of freedom <= 0"), np.errstate(all="ignore"):
        assert np.isnan(np.cov(av.Tensor(np.ones((2, 1)))).numpy()).all()
    with pytest.raises(ZeroDivisionError, match="weights sum to zero"):
        np.average(av.Tensor(np.ones(2)), weights=[1.0, -1.0])


def test_correlations_of_one_line_are_1_and_their_gradient_is_0():
    x = np.array([[1.0, 2.0, 4.0, 4.7], [0.1, 0.2, 0.4, 0.47]])
    y = np.corrcoef(av.Tensor(x)).numpy()
    assert (np.abs(y) <= 1).all()
    np.testing.assert_allclose(gradient(np.corrcoef, x), 0, atol=1e-14)
    check_gradients(np.corrcoef, [x])  # of second order, too: holding the values in [-1, 1] cuts nothing off


def test_averages_return_the_sum_of_the_weights():
    x, w = arrays((2, 3)), np.array([1.0, 2.0, 0.5])
    same(np.average(av.Tensor(x), 1, w, returned=True), np.average(x, 1, w, returned=True))
    same(np.average(av.Tensor(x), returned=True), np.average(x, returned=True))
    same(
        np.average(av.Tensor(x), (1, 0), x.T + 3, returned=True, keepdims=True),
        np.average(x, (1, 0), x.T + 3, returned=True, keepdims=True),
    )
    assert gradient(lambda w: np.average(np.array([1.0, 3.0]), weights=w), [1.0, 1.0]) == [-0.5, 0.5]


# ---------------------------------------------------------------- options of reductions

REDUCTIONS = [np.sum, np.prod, np.max, np.min, np.add.reduce, np.multiply.reduce, np.maximum.reduce, np.minimum.reduce]
REDUCTIONS += [np.logaddexp.reduce]


@pytest.mark.parametrize("reduction", REDUCTIONS, ids=lambda f: getattr(f, "__qualname__", repr(f)))
@pytest.mark.parametrize("options", [{}, {"axis": -1}, {"axis": (0, 2)}, {"axis": 1, "keepdims": True}, {"axis": ()}])
def test_options_of_reductions(reduction, options):
    x = arrays((2, 3, 2), low=0.5, apart=1.0)
    mask = np.array([[True], [False], [True]])
    for more in ({"initial": 1.1}, {"initial": 1.1, "where": mask}, {"initial": 1.1, "where": x > 0.9}):
        same(reduction(av.Tensor(x), **options, **more), reduction(x, **options, **more))

    def f(t, start):
        return reduction(t, **options, initial=start, where=mask)

    check_gradients(f, [x, np.array(1.13)])


def test_masks_hide_what_they_leave_out():
    x = [1.0, NAN, np.inf, 4.0]
    mask = [True, False, False, True]
    assert gradient(lambda t: np.sum(t, where=mask), x) == [1, 0, 0, 1]
    assert gradient(lambda t: np.prod(t, where=mask), x) == [4, 0, 0, 1]
    assert gradient(lambda t: np.mean(t, where=mask), x) == [0.5, 0, 0, 0.5]
    assert gradient(lambda t: np.max(t, where=mask, initial=0.0), x) == [0, 0, 0, 1]
    assert gradient(lambda t: np.var(t, where=mask), x) == [-1.5, 0, 0, 1.5]
    assert gradient(lambda t: np.std(t, where=mask), x) == [-0.5, 0, 0, 0.5]
    t = av.Tensor(np.array([1.0, -2.0]))
    assert t.sum(where=t > 0).item() == 1 and t.mean(where=t < 0).item() == -2  # masks that are Tensors
    assert t.any(where=t > 5).item() is False and t.all(where=t > 0).item() is True
    assert np.logical_or.reduce(t > 0, where=[False, True]).item() is False


def test_initial_takes_part():
    assert gradient(lambda a, i: np.max(a, initial=i), [1.0, 2.0], 3.0) == [[0, 0], 1]
    assert gradient(lambda a, i: np.max(a, initial=i), [1.0, 3.0], 3.0) == [[0, 0.5], 0.5]
    assert gradient(lambda a, i: np.prod(a, initial=i), [2.0, 5.0], 3.0) == [[15, 6], 10]
    empty = np.zeros((0, 3))
    for reduction in (np.max, np.min, np.nanmax):
        for options in ({}, {"axis": 0}, {"axis": 0, "keepdims": True}, {"axis": 1}):
            same(reduction(av.Tensor(empty), initial=2.0, **options), reduction(empty, initial=2.0, **options))
    assert gradient(lambda i: np.max(av.Tensor(empty), axis=0, initial=i), 2.0) == 3.0
    assert np.sum(av.Tensor(np.ones(2, np.float32)), initial=np.float64(0.5)).dtype == np.float32
    with pytest.raises(ValueError, match="max: where= needs initial="):
        np.max(av.Tensor(np.ones(2)), where=[True, False])
    with pytest.raises(ValueError, match="sum: initial= must be one number"):
        np.sum(av.Tensor(np.ones(2)), initial=np.ones(2))
    with pytest.raises(TypeError, match="sum: initial= is complex"):
        np.sum(av.Tensor(np.ones(2)), initial=1j)
    with pytest.raises(TypeError, match="sum: where= must be bool, got dtype float64"):
        np.sum(av.Tensor(np.ones(2)), where=np.ones(2))
    with pytest.raises(ValueError, match="does not broadcast"):
        np.sum(av.Tensor(np.ones(2)), where=np.ones((3, 2), bool))


def test_errors_of_options_do_not_speak_of_the_detour():
    with pytest.raises(ValueError) as caught:
        np.sum(av.Tensor(np.ones(2)), initial=np.ones(2))
    assert caught.value.__context__ is None


def test_a_known_mean():
    x = arrays((2, 3))
    known = x.mean(1, keepdims=True)
    for function in (np.var, np.std, np.nanvar, np.nanstd):
        same(function(av.Tensor(x), 1, mean=known, ddof=1), function(x, 1, mean=known, ddof=1))
        got = gradient(lambda t, f=function: f(t, 1, mean=t.mean(1, keepdims=True)), x)  # the gradient of both
        np.testing.assert_allclose(got, gradient(lambda t, f=function: f(t, 1), x))
        check_gradients(lambda t, m, f=function: f(t, 1, mean=m, where=[True, True, False]), [x, known + 0.3])
        with pytest.raises(ValueError, match="correction= is another name of ddof="):
            function(av.Tensor(x), ddof=1, correction=1)


def test_no_degree_of_freedom_is_no_crash():
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for f in (np.var, np.std):
            assert np.isnan(gradient(lambda t, f=f: f(t, ddof=1), [3.0])).all()
            assert np.isnan(f(av.Tensor(np.ones(2)), where=[True, False], ddof=1).item())
        assert np.isnan(np.mean(av.Tensor(np.ones(2)), where=[False, False]).item())


@pytest.mark.host("a device is not asked")
def test_empty_masks_warn_as_in_numpy():
    t = av.Tensor(np.ones(2))
    with np.errstate(all="ignore"):
        for f, words in ((np.mean, "Mean of empty slice"), (np.var, "Degrees of freedom <= 0")):
            with pytest.warns(RuntimeWarning, match=words):
                f(t, where=[False, False])


@pytest.mark.parametrize("function", [np.sum, np.prod, np.mean, np.var, np.std, np.cumsum, np.cumprod])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_dtypes_of_reductions(function, dtype):
    x = arrays((2, 3), low=0.5).astype(np.float32)
    t = av.Tensor(x)
    with av.GradientTape() as tape:
        tape.watch(t)
        y = function(t, axis=1, dtype=dtype)
    assert y.dtype == function(x, axis=1, dtype=dtype).dtype
    assert tape.gradient(y, t).dtype == np.float32


# ---------------------------------------------------------------- methods of ufuncs


@pytest.mark.parametrize(
    "ufunc",
    [np.add, np.subtract, np.multiply, np.divide, np.power, np.maximum, np.hypot, np.arctan2, np.logaddexp, np.fmod],
    ids=lambda f: f.__name__,
)
def test_outer(ufunc):
    a, b = arrays((2, 3), (4,), low=1.0, apart=0.5)
    same(ufunc.outer(av.Tensor(a), b), ufunc.outer(a, b))
    same(ufunc.outer(b, av.Tensor(a), dtype=np.float64), ufunc.outer(b, a))
    same(ufunc.outer(av.Tensor(a), 2.0), ufunc.outer(a, 2.0))
    check_gradients(ufunc.outer, [a, b], order=1 if ufunc is np.fmod else 2)


def test_outer_of_comparisons_and_of_what_has_no_rule():
    a = np.array([1.0, 2.0])
    same(np.less.outer(av.Tensor(a), a), np.less.outer(a, a))
    same(np.divmod.outer(av.Tensor(a), a), np.divmod.outer(a, a))
    with pytest.raises(TypeError, match="has no gradient"):
        np.frompyfunc(max, 2, 1).outer(av.Tensor(a), a)


@pytest.mark.parametrize("ufunc", [np.maximum, np.minimum], ids=lambda f: f.__name__)
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_running_extremes(ufunc, axis):
    x = arrays((5, 6), apart=1.0)
    broken = x.copy()
    broken[1, 2] = NAN
    for a in (x, broken, np.round(x), x.T, x[:0], x.astype(int)):
        same(ufunc.accumulate(av.Tensor(a), axis=axis), ufunc.accumulate(a, axis=axis))
    check_gradients(lambda t: ufunc.accumulate(t, axis=axis), [x])


@pytest.mark.parametrize("indices", [[0, 2], [0, 2, 1, 3], [2, 0], [1, 1, 1], []])
@pytest.mark.parametrize("axis", [0, 1])
def test_add_reduceat(indices, axis):
    x = arrays((4, 5))
    indices = np.array(indices, int)
    same(np.add.reduceat(av.Tensor(x), indices, axis), np.add.reduceat(x, indices, axis))
    if indices.size:
        check_gradients(lambda t: np.add.reduceat(t, indices, axis), [x])
    for wrong, error in (([9], IndexError), ([-1], IndexError), ([[0]], ValueError), ([0.5], ValueError)):
        with pytest.raises(error, match=r"add\.reduceat"):
            np.add.reduceat(av.Tensor(x), wrong, axis)


def test_what_ufuncs_still_refuse():
    t = av.Tensor(np.ones(3))
    for call in (
        lambda: np.multiply.reduceat(t, [0]), lambda: np.subtract.reduce(t), lambda: np.divide.accumulate(t),
        lambda: np.add.at(t, 0, 1.0), lambda: np.exp(t, where=t > 0), lambda: np.add.reduce(t, out=np.zeros(())),
    ):  # fmt: skip
        with pytest.raises(TypeError, match=r"has no gradient|not supported|cannot write"):
            call()
    assert np.exp(t, where=True, casting="same_kind", order="K").shape == (3,)


@pytest.mark.host("CuPy has no such methods")
def test_methods_of_constants_are_numpys():
    a = np.array([[True, False], [True, True]])
    for call in (np.logical_xor.reduce, np.logical_and.accumulate, np.logical_or.accumulate, np.bitwise_and.reduce):
        same(call(av.Tensor(a), axis=1), call(a, axis=1))


# ---------------------------------------------------------------- parts and sets


def test_partitions_hold_what_they_promise():
    x = np.random.default_rng(3).normal(size=(4, 50))
    for kth in (0, 20, -1, [5, 30]):
        y = np.partition(av.Tensor(x), kth, axis=1).numpy()
        np.testing.assert_array_equal(np.sort(y), np.sort(x))
        for k in np.ravel(kth):
            assert (y[:, k] == np.sort(x)[:, k]).all() and (y[:, :k] <= y[:, [k]]).all()
    g = gradient(lambda t: (np.partition(t, 2) * np.arange(5.0)).sum(), [4.0, 0.0, 3.0, 1.0, 2.0])
    assert g[4] == 2 and sorted(g) == [0, 1, 2, 3, 4]


def test_unique_sends_gradients_to_the_first_of_each():
    x = [[2.0, 1.0, 2.0], [1.0, 5.0, 5.0]]
    assert gradient(lambda t: (np.unique(t) * np.array([1.0, 10, 100])).sum(), x) == [[10, 1, 0], [0, 100, 0]]
    found = np.unique_all(av.Tensor(np.asarray(x)))
    assert found._fields == np.unique_all(np.asarray(x))._fields
    assert all(isinstance(t, av.Tensor) for t in found) and found.counts.numpy().tolist() == [2, 2, 2]
    same(np.unique(av.Tensor(np.asarray(x)), return_inverse=True), np.unique(np.asarray(x), return_inverse=True))
    assert np.unique_counts(av.Tensor(np.asarray(x))).values.shape == (3,)
    assert np.unique_inverse(av.Tensor(np.asarray(x))).inverse_indices.shape == (2, 3)
    assert np.sort(np.unique_values(av.Tensor(np.asarray(x)))).numpy().tolist() == [1, 2, 5]


def test_sets_send_gradients_to_where_values_come_from():
    a, b = [3.0, 1.0, 2.0], [2.0, 7.0]
    weights = np.array([1.0, 10.0, 100.0, 1000.0])
    assert gradient(lambda a, b: (np.union1d(a, b) * weights).sum(), a, b) == [[100, 1, 10], [0, 1000]]
    assert gradient(lambda a, b: (np.setxor1d(a, b) * weights[:3]).sum(), a, b) == [[10, 1, 0], [0, 100]]
    assert gradient(lambda a: np.intersect1d(a, np.array(b)).sum(), a) == [0, 0, 1]
    assert gradient(lambda a: np.setdiff1d(a, np.array(b)).sum(), a) == [1, 1, 0]
    for f in (np.intersect1d, np.setdiff1d):
        g, text = explained(lambda b, f=f: f(np.array(a), b), b)
        assert g is None and "takes its values from the first array" in text


def test_zeros_at_the_border():
    x = np.zeros((4, 5))
    x[1:3, 2:4] = [[1.0, 0.0], [0.0, 2.0]]
    assert np.array_equal(av.trim_zeros(av.Tensor(x)), x[1:3, 2:4])
    assert np.array_equal(av.trim_zeros(av.Tensor(x), "f", 0), x[1:])
    assert np.array_equal(av.trim_zeros(av.Tensor(x), "b", (1,)), x[:, :4])
    assert av.trim_zeros(av.Tensor(np.zeros(3)), "f").shape == (0,)
    assert gradient(lambda t: np.trim_zeros(t).sum(), [0.0, 2.0, 0.0, 1.0, 0.0]) == [0, 1, 1, 1, 0]


def test_histograms_are_queries():
    x, y = np.array([0.1, 0.6, 0.9]), np.array([1.0, 2.0, 2.5])
    w = av.Variable([1.0, 2.0, 3.0], dtype=float)
    t, u = av.Tensor(x), av.Tensor(y)
    for got, want in (
        (np.histogram2d(t, u, bins=2, weights=w), np.histogram2d(x, y, bins=2, weights=w.numpy())),
        (np.histogram2d(t, u, [2, 3], None, True), np.histogram2d(x, y, [2, 3], None, True)),
    ):
        for g, e in zip(got, want, strict=True):
            np.testing.assert_allclose(g, e)
    counts, edges = np.histogramdd((t, u), bins=(2, 2))
    np.testing.assert_allclose(counts, np.histogramdd((x, y), bins=(2, 2))[0])
    assert len(edges) == 2
    with av.GradientTape() as tape:
        tape.watch(t)
        assert np.histogram2d(t, u, bins=2)[0].sum() == 3
        for call in (lambda: np.histogram2d(t, u, weights=w), lambda: np.histogramdd((t, u), weights=w)):
            with pytest.raises(TypeError, match=r"np\.histogram(2d|dd)\(weights=\).*bincount"):
                call()
