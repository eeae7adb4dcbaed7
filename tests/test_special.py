"""av.special: stored values of SciPy and HIPS autograd, edges, refusals, loading. Gradient checks: test_ops.py."""

import json
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from strict_array import StrictArray

import autograd_vs as av
from autograd_vs.engine import registry

sp = pytest.importorskip("scipy.special", reason="SciPy is not installed")

ROOT = Path(__file__).parent.parent
GOLDEN = json.loads((Path(__file__).parent / "golden" / "special.json").read_text())["cases"]


def gradients(function, args, places, g=None, **options):
    args = [av.Tensor(np.asarray(a)) if i in places else a for i, a in enumerate(args)]
    sources = [args[i] for i in places]
    with av.GradientTape() as tape:
        tape.watch(sources)
        y = function(*args, **options)
    return y, [c.numpy() for c in tape.gradient(y, sources, output_gradients=g)]


def slope(function, x):
    return gradients(function, [np.asarray(x, float)], [0])[1][0]


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case["function"])
def test_the_values_and_gradients_of_scipy_and_hips(case):
    args = [np.array(a) if isinstance(a, list) else a for a in case["arguments"]]
    options = {k: np.array(v) if isinstance(v, list) and k == "b" else v for k, v in case["options"].items()}
    options = {k: tuple(v) if isinstance(v, list) else v for k, v in options.items()}
    y, found = gradients(getattr(av.special, case["function"]), args, case["places"], np.array(case["g"]), **options)
    np.testing.assert_allclose(y.numpy(), case["value"], rtol=1e-12, atol=1e-14)
    for c, want in zip(found, case["gradients"], strict=True):
        np.testing.assert_allclose(c, want, rtol=1e-11, atol=1e-13)


EXTREMES = json.loads((Path(__file__).parent / "golden" / "special_extremes.json").read_text())["functions"]


@pytest.mark.parametrize("name", EXTREMES)
def test_no_digits_are_lost_where_terms_cancel(name):
    """Value, first and second derivative: relative to mpmath's."""
    function = getattr(av.special, name)
    f = (lambda x: function(1.5, x)) if "boxcox" in name else function
    for x, *want in EXTREMES[name]:
        with np.errstate(over="ignore"):
            t = av.Tensor(x)
            found = [f(t), av.grad(f)(t), av.grad(av.grad(f))(t)]
        for order, (y, w) in enumerate(zip(found, want, strict=True)):
            assert abs(y.item() / w - 1) < (2e-14, 1e-13, 1e-10)[order], (x, order)


# ---------------------------------------------------------------- what SciPy has as a function, not as a ufunc


def test_functions_that_are_no_ufuncs_have_scipys_values():
    x = np.array([[0.3, 1.5, 2.5], [4.0, 0.7, 3.0]])
    b = np.array([[0.5], [-2.0]])
    for n in (0, 1, 4, np.array([1, 2, 3])):
        np.testing.assert_allclose(av.special.polygamma(n, av.Tensor(x)).numpy(), sp.polygamma(n, x), rtol=1e-12)
    for d in (1, 2, 4):
        np.testing.assert_allclose(av.special.multigammaln(av.Tensor(x + 2), d), sp.multigammaln(x + 2, d), rtol=1e-12)
    for axis in (None, 0, -1, (0, 1)):
        for name in ("softmax", "log_softmax"):
            want = getattr(sp, name)(x, axis=axis)
            np.testing.assert_allclose(getattr(av.special, name)(av.Tensor(x), axis).numpy(), want, rtol=1e-12)
        for options in ({}, {"b": b}, {"b": b, "return_sign": True}, {"return_sign": True, "keepdims": True}):
            want = sp.logsumexp(x, axis=axis, **options)
            found = av.special.logsumexp(av.Tensor(x), axis, **options)
            for y, w in zip(*[f if isinstance(f, tuple) else (f,) for f in (found, want)], strict=True):
                np.testing.assert_allclose(y.numpy(), w, rtol=1e-12)
                assert y.shape == np.shape(w)
    np.testing.assert_allclose(av.special.zeta(av.Tensor(x + 1), x), sp.zeta(x + 1, x), rtol=1e-12)
    np.testing.assert_allclose(av.special.zeta(3.0).item(), sp.zeta(3.0), rtol=1e-12)
    for k in (0, -1, 2):
        np.testing.assert_allclose(av.special.lambertw(av.Tensor(x), k).numpy(), sp.lambertw(x, k), rtol=1e-12)
    for given in ((5.0, 2.0), (5, -1), (2, 3), (4.5, 1.5)):
        assert np.isclose(av.special.comb(*given).item(), sp.comb(*given), rtol=1e-12, atol=0)
        want = sp.comb(*given, repetition=True)
        assert np.isclose(av.special.comb(*given, repetition=True).item(), want, rtol=1e-12, atol=0)


@pytest.mark.host("SciPy's own functions of NumPy arrays")
def test_no_function_of_scipy_drops_a_gradient():
    """Each of `scipy.special` raises TypeError for a recorded Tensor, or its result is on the tape."""
    x = av.Tensor(np.array([0.5, 2.0]))
    given = {1: (x,), 2: (1, x), 3: (1, 2, x), 4: (1, 2, 1, x), 5: (1, 1, 1, 1, x)}
    seen = set()
    for name in sp.__all__:
        function = getattr(sp, name)
        if not callable(function) or isinstance(function, type) or name in ("geterr", "seterr", "errstate", "test"):
            continue
        for args in [given[function.nin]] if isinstance(function, np.ufunc) else list(given.values())[:4]:
            with av.GradientTape() as tape, np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tape.watch(x)
                try:
                    y = function(*args)
                except (TypeError, ValueError, NotImplementedError) as error:
                    assert not isinstance(function, np.ufunc) or isinstance(error, TypeError), name
                    continue
            for part in y if isinstance(y, (tuple, list)) else [y]:
                assert isinstance(part, av.Tensor), f"{name} gives {part!r}"
            seen.add(name)
            if name not in ("gammasgn", "round"):
                with np.errstate(all="ignore"):
                    assert tape.gradient(y, x) is not None, name
    assert {"gammaln", "jv", "xlogy", "zeta", "lambertw", "log1p", "airy"} <= seen
    assert not {"logsumexp", "softmax", "polygamma", "multigammaln", "comb", "bei"} & seen
    with av.GradientTape() as tape:
        tape.watch(x)
        with pytest.raises(TypeError, match="would drop the gradient"):
            sp.logsumexp(x)


def test_what_hips_autograd_has_is_here():
    names = (
        "beta betainc betaln polygamma psi digamma gamma gammaln gammainc gammaincc gammasgn rgamma multigammaln j0 y0 "
        "j1 y1 jn yn i0 i1 iv ive erf erfc erfinv erfcinv logit expit logsumexp"
    ).split()
    assert set(names) <= set(av.special.__all__)
    assert not [name for name in av.special.__all__ if not hasattr(sp, name)]


# ---------------------------------------------------------------- refusals


def test_orders_and_shapes_have_no_gradient():
    x = av.Tensor(np.array([0.5, 0.8]))
    calls = {
        "jv": lambda v: sp.jv(v, x), "iv": lambda v: av.special.iv(v, 1.0), "gammainc": lambda a: sp.gammainc(a, x),
        "polygamma": lambda n: av.special.polygamma(n, x), "betainc": lambda a: sp.betainc(1.0, a, x),
        "zeta": lambda s: sp.zeta(s + 2, x), "stdtr": lambda df: sp.stdtr(df, x),
        "hyp1f1": lambda a: sp.hyp1f1(a, 1.0, x),
    }  # fmt: skip
    for name, call in calls.items():
        order = av.Tensor(np.array([1.0, 2.0]))
        call(order)  # where nobody asks for a gradient it is a value as any other
        with av.GradientTape() as tape:
            tape.watch(order)
            with pytest.raises(TypeError, match=f"^{name} has no gradient with respect to"):
                call(order)


def test_refusals_name_the_function():
    x = av.Tensor(np.array([0.5]))
    with pytest.raises(TypeError, match=r"^scipy\.special\.bei has no gradient in autograd_vs"):
        sp.bei(x)
    with pytest.raises(TypeError, match=r"^scipy\.special\.stdtridf has .*Did you mean 'stdtrit'"):
        sp.stdtridf(0.5, x)
    with pytest.raises(TypeError, match=r"^scipy\.special\.xlogy\.reduce has no gradient"):
        sp.xlogy.reduce(x)
    with pytest.raises(TypeError, match=r"^scipy\.special\.gammaln: where= is not supported"):
        sp.gammaln(x, where=np.array([True]))
    with pytest.raises(TypeError, match=r"^scipy\.special\.gammaln\(\.\.\., out=\)"):
        sp.gammaln(x, out=np.zeros(1))


def test_complex_numbers_where_there_is_no_rule():
    z = av.Tensor(np.array([0.5 + 0.1j]))
    for function in (av.special.jv, av.special.xlogy):
        with pytest.raises(TypeError, match="complex"):
            function(1.0, z)
    for function in (av.special.erf, av.special.erfc, sp.ndtr, av.special.logsumexp):
        with pytest.raises(TypeError, match="complex"):
            function(z)
    with pytest.raises(TypeError, match="complex"):
        av.special.polygamma(1, z)


def test_arguments_that_are_not_understood():
    x = av.Tensor(np.array([0.5]))
    with pytest.raises(ValueError, match="multigammaln: a must be above"):
        av.special.multigammaln(x, 2)
    with pytest.raises(ValueError, match="positive, got 0"):
        av.special.multigammaln(x, 0)
    with pytest.raises(TypeError, match=r"is an integer, got 1\.5"):
        av.special.multigammaln(x, 1.5)
    with pytest.raises(TypeError, match="is an integer"):
        av.special.lambertw(x, x)
    with pytest.raises(TypeError, match="exact=True"):
        av.special.comb(5, 2, exact=True)


# ---------------------------------------------------------------- edges


def test_logarithms_of_zero():
    zeros = np.zeros(2)
    _, (a, b) = gradients(av.special.xlogy, [zeros, np.array([0.0, 2.0])], [0, 1])
    assert a.tolist() == [0.0, np.log(2.0)] and b.tolist() == [0.0, 0.0]
    _, (a, b) = gradients(av.special.xlog1py, [zeros, np.array([-1.0, 1.0])], [0, 1])
    assert a.tolist() == [0.0, np.log(2.0)] and b.tolist() == [0.0, 0.0]
    with np.errstate(divide="ignore"):
        assert slope(av.special.entr, [0.0, 1.0]).tolist() == [np.inf, -1.0]
    for function, want in ((av.special.rel_entr, [0.0, 0.0]), (av.special.kl_div, [1.0, 1.0])):
        _, (b,) = gradients(function, [zeros, np.array([0.0, 2.0])], [1])
        assert b.tolist() == want


def test_huber_at_the_joint():
    _, (delta, r) = gradients(av.special.huber, [np.array([1.0, 1.0]), np.array([1.0, -3.0])], [0, 1])
    assert delta.tolist() == [0.0, 2.0] and r.tolist() == [1.0, -1.0]


def test_bessel_functions_at_zero():
    assert slope(av.special.j1, 0.0) == 0.5 and slope(av.special.i1, 0.0) == 0.5
    assert slope(lambda x: av.special.jv(0, x), 0.0) == 0
    for function in (av.special.j1, av.special.i1):
        assert slope(lambda x, f=function: av.grad(f)(x), 0.0) == 0
    assert slope(av.special.i0e, 0.0) == 0


def test_orders_as_arrays():
    v, x = np.array([[0], [1], [3]]), np.array([0.5, 2.0])
    y, (c,) = gradients(av.special.jv, [v, x], [1])
    np.testing.assert_allclose(y.numpy(), sp.jv(v, x), rtol=1e-12)
    np.testing.assert_allclose(c, sp.jvp(v, x).sum(0), rtol=1e-12)
    _, (c,) = gradients(av.special.polygamma, [v, x], [1])
    np.testing.assert_allclose(c, sp.polygamma(v + 1, x).sum(0), rtol=1e-12)
    _, (c,) = gradients(av.special.expn, [v, x], [1])
    assert np.isfinite(c).all()


def test_sums_of_exponentials_with_factors():
    a, b = np.array([1e4, 2.0, -1e4]), np.array([0.0, 2.0, 1.0])
    y, (ga, gb) = gradients(av.special.logsumexp, [a, None, b], [0, 2])
    assert np.isclose(y.item(), 2.0 + np.log(2.0), rtol=1e-14)
    assert ga.tolist() == [0.0, 1.0, 0.0]
    assert gb[0] > 1e300 and np.allclose(gb[1:], [0.5, 0.0])  # a factor of 0 has a slope, too
    nothing = np.full(3, -np.inf)
    y, (ga,) = gradients(lambda t: av.special.logsumexp(t, b=b), [nothing], [0])
    assert y.item() == -np.inf and ga.tolist() == [0.0, 0.0, 0.0]
    assert np.isnan(av.special.logsumexp(av.Tensor(np.zeros(2)), b=np.array([1.0, -2.0])).item())
    assert av.special.logsumexp([1, 1]).dtype == np.float64


def test_small_floats_stay_small():
    for dtype in (np.float16, np.float32):
        for call in (
            sp.gammaln, lambda x: sp.jv(2, x), lambda x: av.special.polygamma(1, x), lambda x: sp.betainc(2, 1.5, x),
            lambda x: av.special.logsumexp(x, b=2.0), lambda x: av.special.multigammaln(x + 1, 2), sp.log_ndtr,
            lambda x: sp.expn(2, x), lambda x: av.special.zeta(2.0, x), lambda x: av.special.softmax(x),
        ):  # fmt: skip
            x = av.Tensor(np.array([0.5, 0.75], dtype))
            with av.GradientTape() as tape:
                tape.watch(x)
                y = call(x)
            assert y.dtype == dtype and tape.gradient(y, x).dtype == dtype


def test_the_sign_of_gamma_is_a_constant():
    x = av.Tensor(np.array([0.5, -0.5]))
    with av.GradientTape() as tape:
        tape.watch(x)
        signs = sp.gammasgn(x), av.special.gammasgn(x)
        rounded = sp.round(x)
    assert [s.numpy().tolist() for s in signs] == [[1.0, -1.0]] * 2
    assert rounded.numpy().tolist() == [0.0, 0.0]
    assert tape.gradient([*signs, rounded], x) is None


# ---------------------------------------------------------------- other libraries, loading

LACKING = {
    "airy", "betaincc", "betainccinv", "dawsn", "erfi", "fresnel", "hyp1f1", "hyp2f1", "iv", "ive", "jn", "jv", "kn",
    "kv", "kve", "ndtri_exp", "owens_t", "stdtr", "stdtrit", "wrightomega", "yv",
}  # fmt: skip


def test_what_cupy_lacks():
    """All other functions have values and first gradients there."""
    lacking = set()
    for name in av.special.__all__:
        function = getattr(av.special, name)
        row = registry.composed.get(f"special.{name}") or getattr(function, "op", None)
        if row is None:
            continue
        try:
            for sample in row.samples()[:2]:
                args = [av.Tensor(StrictArray(a)) if isinstance(a, np.ndarray) else a for a in sample.args]
                with av.GradientTape() as tape:
                    tape.watch([a for a in args if isinstance(a, av.Tensor)])
                    y = function(*args, **sample.options)
                assert tape.gradient(y, next(a for a in args if isinstance(a, av.Tensor))) is not None
        except NotImplementedError as error:
            assert str(error).startswith("scipy.special.") and "on the host" in str(error)
            lacking.add(name)
    assert lacking == LACKING


def test_the_order_two_stands_in_where_a_library_has_no_general_one():
    x = np.array([0.0, 0.3, 2.5, 7.0])
    for name in ("jv", "iv", "ive"):
        np.testing.assert_allclose(
            getattr(av.special, name).inner(2.0, StrictArray(x)).get(), getattr(sp, name)(2, x), rtol=1e-12, atol=1e-15
        )


def run(code):
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.host("runs a process of its own")
def test_scipy_comes_when_it_is_asked_for():
    said = run(
        "import sys, numpy as np, autograd_vs as av; t = av.Tensor(np.ones(2)); np.sort(t)\n"
        "try: np.linalg.nothing\nexcept AttributeError: pass\n"
        "try: np.subtract.reduce(t)\nexcept TypeError: print('refused')\n"
        "print('scipy' in sys.modules, 'autograd_vs.ops.special' in sys.modules)\n"
        "import scipy.special; print(scipy.special.gammaln(t).dtype, 'autograd_vs.ops.distributions' in sys.modules)"
    )
    assert said == ["refused", "False", "False", "float64", "False"]


@pytest.mark.host("runs a process of its own")
def test_without_scipy_everything_else_works():
    said = run(
        "import sys; sys.modules['scipy'] = None\n"
        "import numpy as np, autograd_vs as av; print(av.grad(lambda x: np.tanh(x))(0.0).item())\n"
        "for name in ('special', 'stats'):\n"
        "    try: getattr(av, name)\n"
        "    except ImportError as error: print('autograd-vs[scipy]' in str(error))\n"
    )
    assert said == ["1.0", "True", "True"]


@pytest.mark.host("runs a process of its own")
def test_scipys_array_api_mode_drops_nothing():
    said = run(
        "import os; os.environ['SCIPY_ARRAY_API'] = '1'\n"
        "import numpy as np, scipy.special as sp, autograd_vs as av; t = av.Tensor(np.ones(2))\n"
        "print(sp.gammaln(t).dtype, type(sp.gammaln(t)).__name__)\n"
        "with av.GradientTape() as tape:\n"
        "    tape.watch(t)\n"
        "    try: sp.gammaln(t)\n"
        "    except TypeError: print('refused')\n"
        "    y = av.special.digamma(t)\n"
        "print(tape.gradient(y, t).shape)\n"
    )
    assert said[:3] == ["float64", "Tensor", "refused"]
