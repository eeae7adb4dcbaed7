"""av.stats against SciPy and stored gradients of HIPS autograd; supports, refusals. Gradient checks: test_ops.py."""

import doctest
import json
from pathlib import Path

import numpy as np
import pytest

import autograd_vs as av
from autograd_vs.engine import registry

scipy_stats = pytest.importorskip("scipy.stats", reason="SciPy is not installed")

GOLDEN = json.loads((Path(__file__).parent / "golden" / "stats.json").read_text())["cases"]
FAMILIES = [getattr(av.stats, name) for name in av.stats.__all__ if name != "Distribution"]
FUNCTIONS = [
    pytest.param(family, name, id=f"{family.name}.{name}") for family in FAMILIES for name in family._functions()
]
UNIVARIATE = [p for p in FUNCTIONS if p.values[0].name not in ("dirichlet", "multivariate_normal")]


def found(name):
    family, function = name.split(".")
    return getattr(getattr(av.stats, family), function)


def gradients(function, args, places, g=None):
    args = [av.Tensor(np.asarray(a, float)) if i in places else a for i, a in enumerate(args)]
    sources = [args[i] for i in places]
    with av.GradientTape() as tape:
        tape.watch(sources)
        y = function(*args)
    return y, [c.numpy() for c in tape.gradient(y, sources, output_gradients=g)]


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case["function"])
def test_the_values_and_gradients_of_scipy_and_hips(case):
    args = [np.array(a) if isinstance(a, list) else a for a in case["arguments"]]
    y, got = gradients(found(case["function"]), args, case["places"], np.array(case["g"]))
    np.testing.assert_allclose(y.numpy(), case["value"], rtol=1e-12, atol=1e-14)
    for c, want in zip(got, case["gradients"], strict=True):
        np.testing.assert_allclose(c, want, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("family", "name"), UNIVARIATE)
def test_the_values_are_scipys(family, name):
    """Of the samples, and outside of the support, on its edges, with parameters that are not allowed, with NaN."""
    ours, theirs = getattr(family, name), getattr(getattr(scipy_stats, family.name), name)
    samples = registry.composed[f"stats.{family.name}.{name}"].samples()
    shapes = samples[1].args[1 : 1 + len(samples[1].args) - 1]
    if name in ("pmf", "logpmf") or family.name in ("poisson", "binom", "bernoulli"):
        shapes = [np.asarray(a) for a in samples[2].args[1:]]
        points = np.array([-1.0, 0.0, 1.0, 1.5, 3.0, 6.0, 7.0, np.nan])
    elif name in ("ppf", "isf"):
        points = np.array([-0.1, 0.0, 1e-9, 0.3, 0.5, 0.7, 1 - 1e-9, 1.0, 1.1, np.nan])
    else:
        points = np.array([-np.inf, -40.0, -1.0, -1e-9, 0.0, 1e-9, 0.4, 1.0, 1.0 + 1e-9, 3.0, 40.0, np.inf, np.nan])
    calls = [s.args for s in samples if not any(getattr(a, "dtype", None) == np.float32 for a in s.args)]
    calls += [(points, *shapes), (points, *shapes, 2)]
    if name not in ("pmf", "logpmf") and family.name not in ("poisson", "binom", "bernoulli"):
        calls += [(points, *shapes, 0.5, 2.0), (points, *shapes, 0.0, np.array([[1.0], [-1.0], [0.0], [np.nan]]))]
    for i in range(len(shapes)):
        calls.append((points, *[np.array([[-1.5], [np.nan]]) if i == j else s for j, s in enumerate(shapes)]))
    for args in calls:
        with np.errstate(all="ignore"):
            want = theirs(*args)
            got = ours(*[av.Tensor(a) if isinstance(a, np.ndarray) else a for a in args]).numpy()
        want = np.where(np.abs(want) < 1e-300, 0.0, want)
        np.testing.assert_allclose(got, want, rtol=2e-12, atol=1e-15, err_msg=str(args))


@pytest.mark.parametrize(("family", "name"), FUNCTIONS)
@pytest.mark.host("examples of NumPy arrays")
def test_the_docstring_has_an_example_that_runs(family, name):
    text = getattr(family, name).__doc__
    for section in ("Parameters\n", "Returns\n", "Examples\n"):
        assert section in text, section
    example = doctest.DocTestParser().get_doctest(text, {"np": np, "av": av}, name, None, 0)
    said = []
    runner = doctest.DocTestRunner(verbose=False)
    runner.run(example, out=said.append)
    assert not runner.failures, "".join(said)


@pytest.mark.parametrize("name", ["norm", "gamma", "beta", "lognorm", "expon", "laplace"])
def test_the_density_is_the_slope_of_the_distribution_function(name):
    family = getattr(av.stats, name)
    shapes = {"gamma": (2.5,), "beta": (2.5, 1.5), "lognorm": (0.8,)}.get(name, ())
    x = av.Tensor(np.array([0.1, 0.3, 0.8]))
    with av.GradientTape(persistent=True) as tape:
        tape.watch(x)
        p, q = family.cdf(x, *shapes, 0.05, 1.5), family.sf(x, *shapes, 0.05, 1.5)
        back = family.ppf(p, *shapes, 0.05, 1.5), family.isf(q, *shapes, 0.05, 1.5)
    density = family.pdf(x, *shapes, 0.05, 1.5).numpy()
    np.testing.assert_allclose(tape.gradient(p, x).numpy(), density, rtol=1e-11)
    np.testing.assert_allclose(tape.gradient(q, x).numpy(), -density, rtol=1e-11)
    for y in back:
        np.testing.assert_allclose(y.numpy(), x.numpy(), rtol=1e-11)
        np.testing.assert_allclose(tape.gradient(y, x).numpy(), 1.0, rtol=1e-9)


def test_outside_of_the_support_nothing_is_learnt():
    x, a, scale = np.array([-1.0, 0.5]), np.array(2.5), np.array(1.5)
    _, (gx, ga, gs) = gradients(lambda x, a, s: av.stats.gamma.logpdf(x, a, 0.0, s), [x, a, scale], [0, 1, 2])
    _, (hx, ha, hs) = gradients(lambda x, a, s: av.stats.gamma.logpdf(x, a, 0.0, s), [x[1:], a, scale], [0, 1, 2])
    assert gx[0] == 0 and gx[1] == hx[0] and np.allclose(ga, ha) and np.allclose(gs, hs)
    for function in (av.stats.uniform.cdf, av.stats.beta.cdf):
        shapes = (0.5, 0.5) if function is av.stats.beta.cdf else ()
        _, (c,) = gradients(lambda x, f=function, s=shapes: f(x, *s), [np.array([-1.0, 2.0])], [0])
        assert c.tolist() == [0.0, 0.0]


def test_the_middle_of_laplace():
    _, (c,) = gradients(av.stats.laplace.cdf, [0.0], [0])
    assert c == 0.5


def test_tails_keep_their_digits():
    for x in (-40.0, -1e4):
        _, (c,) = gradients(av.stats.norm.logcdf, [x], [0])
        assert np.isclose(c, -x, rtol=1e-3) and c > -x
        assert np.isclose(av.stats.norm.logsf(-x).item(), scipy_stats.norm.logsf(-x), rtol=1e-12)
    assert av.stats.expon.logsf(1e5).item() == -1e5
    assert np.isclose(av.stats.cauchy.logpdf(1e200).item(), -2 * np.log(1e200) - np.log(np.pi), rtol=1e-12)


def test_float32_stays_float32_beside_numbers():
    x = av.Tensor(np.array([0.3, 0.6], np.float32))
    k = np.array([0, 1])
    calls = [
        lambda: av.stats.norm.logpdf(x, 0.5, 2.0), lambda: av.stats.norm.logpdf(0.5, x), lambda: av.stats.t.pdf(x, 3),
        lambda: av.stats.gamma.logpdf(1, x), lambda: av.stats.gamma.cdf(x, 2.0), lambda: av.stats.beta.ppf(x, 2, 1.5),
        lambda: av.stats.poisson.logpmf(k, x), lambda: av.stats.binom.pmf(k, 3, x), lambda: av.stats.chi2.sf(x, 3),
        lambda: av.stats.lognorm.logcdf(x, 0.5), lambda: av.stats.dirichlet.logpdf(x, x),
    ]  # fmt: skip
    for call in calls:
        with av.GradientTape() as tape:
            tape.watch(x)
            y = call()
        assert y.dtype == np.float32 and tape.gradient(y, x).dtype == np.float32


def test_what_has_no_gradient_is_refused():
    t = av.Tensor(np.array([1.0, 2.0]))
    calls = {
        "stdtr has no gradient with respect to 'df'": lambda: av.stats.t.cdf(0.5, t),
        "gammainc has no gradient with respect to 'a'": lambda: av.stats.gamma.cdf(0.5, t),
        r"stats\.poisson\.logpmf has no gradient with respect to 'k'": lambda: av.stats.poisson.logpmf(t, 1.5),
        r"stats\.poisson\.pmf has no gradient with respect to 'loc'": lambda: av.stats.poisson.pmf(1, 1.5, t),
        r"stats\.binom\.cdf has no gradient with respect to 'n'": lambda: av.stats.binom.cdf(1, t, 0.5),
        r"stats\.norm\.pdf: the arguments are real numbers, got complex128": lambda: av.stats.norm.pdf(t * 1j),
        r"allow_singular=True": lambda: av.stats.multivariate_normal.pdf(t, allow_singular=True),
        r"logpdf\(\) missing 1 required positional argument: 'a'": lambda: av.stats.gamma.logpdf(t),
    }
    for message, call in calls.items():
        with av.GradientTape() as tape:
            tape.watch(t)
            with pytest.raises(TypeError, match=message):
                call()
    assert np.isfinite(av.stats.poisson.logpmf(t, 1.5).numpy()).all()  # where nobody asks for a gradient
    with pytest.raises(AttributeError, match=r"stats\.norm has no 'rvs' here; it has cdf, isf"):
        av.stats.norm.rvs()


@pytest.mark.host("SciPy's own functions of NumPy arrays")
def test_scipys_own_distributions_drop_no_gradient():
    x = av.Tensor(np.array([0.5, 2.0]))
    with av.GradientTape() as tape:
        tape.watch(x)
        for call in (
            lambda: scipy_stats.norm.logpdf(x), lambda: scipy_stats.gamma.logpdf(1.0, x),
            lambda: scipy_stats.norm(x, 1.0).cdf(0.0), lambda: scipy_stats.multivariate_normal.logpdf(x),
        ):  # fmt: skip
            with pytest.raises(TypeError, match="would drop the gradient"):
                call()
    np.testing.assert_allclose(scipy_stats.norm.logpdf(x), av.stats.norm.logpdf(x), rtol=1e-12)


# ---------------------------------------------------------------- several variables


def test_dirichlet():
    rng = np.random.default_rng(5)
    alpha = np.array([0.5, 2.0, 1.5])
    rows = rng.dirichlet(alpha + 1, 4).T
    for x in (rows, rows[:, 0], rows[:-1], rows[:-1, 0]):
        for name in ("pdf", "logpdf"):
            got = getattr(av.stats.dirichlet, name)(av.Tensor(x), alpha)
            want = getattr(scipy_stats.dirichlet, name)(x, alpha)
            np.testing.assert_allclose(got.numpy(), want, rtol=1e-12)
            assert got.shape == np.shape(want)
    beyond = np.array([[0.5, -0.1], [0.3, 0.6], [0.2, 0.5]])
    y, (gx, _) = gradients(av.stats.dirichlet.logpdf, [beyond, alpha], [0, 1])
    assert y.numpy()[1] == -np.inf and (gx[:, 1] == 0).all() and (gx[:, 0] != 0).all()
    with pytest.raises(ValueError, match="has as many rows, or one less"):
        av.stats.dirichlet.logpdf(rows, np.ones(5))


def covariance(n=3):
    a = np.random.default_rng(7).normal(size=(n, n))
    return a @ a.T + np.eye(n)


def test_multivariate_normal_has_scipys_values():
    rng = np.random.default_rng(8)
    mean, cov = rng.normal(size=3), covariance()
    theirs = scipy_stats.multivariate_normal
    cases = [
        (rng.normal(size=3), mean, cov), (rng.normal(size=(4, 3)), mean, cov), (rng.normal(size=(2, 4, 3)), mean, cov),
        (rng.normal(size=(4, 3)), None, cov), (rng.normal(size=(4, 3)), mean, 2.0),
        (rng.normal(size=3), mean, cov[0] ** 2),
        (rng.normal(size=4),), (np.array(0.5), 1.0, 2.0), (rng.normal(size=(1, 3)), mean, cov),
    ]  # fmt: skip
    for args in cases:
        for name in ("pdf", "logpdf"):
            got = getattr(av.stats.multivariate_normal, name)(
                *[av.Tensor(a) if isinstance(a, np.ndarray) else a for a in args]
            )
            want = getattr(theirs, name)(*args)
            np.testing.assert_allclose(got.numpy(), want, rtol=1e-11)
            assert got.shape == np.shape(want)
    got = av.stats.multivariate_normal.entropy(mean, av.Tensor(cov))
    np.testing.assert_allclose(got.numpy(), theirs.entropy(mean, cov), rtol=1e-12)


def test_multivariate_normal_by_differences():
    mean, cov = np.array([0.3, -0.5, 1.0]), covariance()
    x = np.random.default_rng(9).normal(size=(2, 3))
    mvn = av.stats.multivariate_normal
    av.testing.check_gradients(lambda x, m, c: mvn.logpdf(x, m, c @ c.T), [x, mean, cov])
    av.testing.check_gradients(lambda x, v: mvn.pdf(x, None, v), [x, np.array([1.0, 2.0, 0.5])])
    av.testing.check_gradients(lambda v: mvn.logpdf(np.array([0.5, 1.0]), cov=v), [np.array(1.5)])
    _, (c,) = gradients(mvn.logpdf, [x, mean, cov], [2])
    np.testing.assert_allclose(c, c.T, rtol=1e-12)


def test_multivariate_normal_looks_at_the_shapes():
    mvn = av.stats.multivariate_normal
    with pytest.raises(ValueError, match=r"got shapes \(2,\) and \(3, 3\)"):
        mvn.logpdf(np.zeros(2), np.zeros(2), av.Tensor(np.eye(3)))
    with pytest.raises(ValueError, match=r"got shapes \(2, 2\)"):
        mvn.logpdf(np.zeros(2), np.zeros((2, 2)), av.Tensor(np.eye(2)))
