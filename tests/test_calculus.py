"""Signals, differences, interpolation, spaced numbers, polynomials: JAX's stored values, edges, what is refused."""

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import autograd_vs as av
from autograd_vs.testing import check_gradients

GOLDEN = json.loads((Path(__file__).parent / "golden" / "calculus.json").read_text())
CASES = GOLDEN["cases"]


def read(x):
    """What `plain` of golden/make_calculus.py wrote."""
    return np.array(x["real"]) + 1j * np.array(x["imag"]) if isinstance(x, dict) else np.array(x)


def gradients(f, *args, g=None):
    """The gradients of f(*args) with respect to all Tensors among them."""
    sources = [x for x in args if isinstance(x, av.Tensor)]
    with av.GradientTape() as tape:
        tape.watch(sources)
        y = f(*args)
    found = tape.gradient(y, sources, output_gradients=g, unconnected_gradients="zero")
    return [c.numpy() for c in found]


def tensor(*values, dtype=float):
    return av.Tensor(np.array(values, dtype))


@pytest.mark.parametrize("module", [av, np], ids=["av", "np"])
@pytest.mark.parametrize("case", CASES, ids=[f"{i}-{c['function']}" for i, c in enumerate(CASES)])
def test_values_and_gradients_are_jaxs(case, module):
    def f(*args):
        y = getattr(module, case["function"])(*args, **case["options"])
        y = y[0] if isinstance(y, tuple) else y
        return y[np.argsort(y)] if case["function"] == "roots" else y

    args = [av.Tensor(read(x)) for x in case["arguments"]]
    np.testing.assert_allclose(f(*args).numpy(), read(case["value"]), rtol=1e-10, atol=1e-12)
    got = gradients(f, *args, g=av.Tensor(read(case["g"])))
    for c, want in zip(got, case["gradients"], strict=True):
        np.testing.assert_allclose(c, read(want), rtol=1e-9, atol=1e-11)


# ---------------------------------------------------------------- convolution


@pytest.mark.host("measures NumPy's memory")
def test_a_long_convolution_needs_no_matrix():
    a, v = av.Tensor(np.ones(100_000)), av.Tensor(np.ones(1_000))
    tracemalloc.start()
    try:
        found = [gradients(lambda a, v, mode=mode: av.convolve(a, v, mode).sum(), a, v) for mode in ("same", "valid")]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20e6, f"{peak / 1e6:.0f} MB"
    assert found[1][0][5_000] == 1_000 and found[1][1][7] == 99_001


def test_a_convolution_of_numbers_and_of_lists():
    assert av.convolve(2.0, tensor(1.0, 3.0)).numpy().tolist() == [2.0, 6.0]
    assert np.convolve(tensor(1.0, 3.0), [1, -1]).numpy().tolist() == [1.0, 2.0, -3.0]
    x = av.Tensor(np.ones(3, np.float32))
    assert av.correlate(x, x).dtype == np.float32
    assert gradients(av.correlate, x, av.Tensor(np.ones(2)))[0].dtype == np.float32


# ---------------------------------------------------------------- interpolation


def test_interpolation_at_the_data_points_and_beyond():
    xp, fp = tensor(0.0, 1.0, 3.0), tensor(0.0, 2.0, 8.0)
    x = tensor(-1.0, 0.0, 1.0, 3.0, 4.0)
    assert av.interp(x, xp, fp).numpy().tolist() == [0.0, 0.0, 2.0, 8.0, 8.0]
    to_x, to_xp, to_fp = gradients(av.interp, x, xp, fp)
    assert to_x.tolist() == [0.0, 2.0, 3.0, 3.0, 0.0]  # the slope to the right, at the last point that to the left
    assert to_xp.tolist() == [-2.0, -3.0, -3.0]
    assert to_fp.tolist() == [2.0, 1.0, 2.0]


def test_what_lies_outside_has_gradients():
    x, xp, fp = tensor(-1.0, 0.5, 4.0, 5.0), tensor(0.0, 1.0), tensor(2.0, 4.0)
    left, right = av.Tensor(7.0), av.Tensor(9.0)
    y = av.interp(x, xp, fp, left, right)
    assert y.numpy().tolist() == [7.0, 3.0, 9.0, 9.0]
    found = gradients(av.interp, x, xp, fp, left, right)
    assert [c.tolist() for c in found] == [[0.0, 2.0, 0.0, 0.0], [-1.0, -1.0], [0.5, 0.5], 1.0, 2.0]


def test_interpolation_with_a_period_that_is_learned():
    xp, fp = np.array([0.3, 2.9, 1.2]), np.array([1.0, -2.0, 0.5])
    x = np.array([-0.4, 0.9, 7.3, 5.1])
    period = av.Tensor(3.4)
    np.testing.assert_allclose(av.interp(x, xp, fp, period=period).numpy(), np.interp(x, xp, fp, period=3.4))
    check_gradients(lambda *args: av.interp(*args[:3], period=args[3]), [x, xp, fp, np.array(3.4)])


def test_interpolation_of_few_or_odd_points():
    assert gradients(av.interp, tensor(0.0, 2.0), tensor(2.0), tensor(5.0))[2].tolist() == [2.0]
    assert np.isnan(av.interp(tensor(np.nan), [0.0, 1.0], [0.0, 1.0]).numpy()).all()
    x = tensor(0.0, 0.5, 1.0)
    for fp in ([np.inf, 1.0], [1.0, np.inf]):
        np.testing.assert_array_equal(av.interp(x, [0.0, 1.0], fp).numpy(), np.interp([0.0, 0.5, 1.0], [0.0, 1.0], fp))
    single = av.Tensor(np.ones(2, np.float32))
    assert np.interp(0.5, [0, 1], single).dtype == np.float64
    assert gradients(lambda f: av.interp(0.5, [0, 1], f), single)[0].dtype == np.float32


# ---------------------------------------------------------------- differences and integrals


def test_slopes_have_gradients_to_the_spacing():
    f, x = np.array([0.5, -1.0, 2.0, 0.3, 0.9]), np.array([0.0, 0.5, 1.2, 3.0, 3.1])
    for edge_order in (1, 2):
        check_gradients(lambda f, x, n=edge_order: av.gradient(f, x, edge_order=n), [f, x])
        check_gradients(lambda f, h, n=edge_order: av.gradient(f, h, edge_order=n), [f, np.array(0.3)])
    # the positions are evenly spaced, but each is an argument of its own
    check_gradients(lambda x: np.gradient(f, x), [np.arange(5.0)])
    np.testing.assert_allclose(av.gradient(f, tensor(*range(5))).numpy(), np.gradient(f), rtol=1e-14)


def test_slopes_of_integers_and_of_0_d_arrays():
    assert av.gradient([1, 2, 4]).dtype == np.float64
    assert np.gradient(av.Tensor(1.0)) == () == av.gradient(av.Tensor(np.ones((2, 2))), axis=())
    assert av.gradient(av.Tensor(np.ones((2, 3), np.float32)), 2.0, np.arange(3.0))[1].dtype == np.float32


def test_the_step_of_an_integral_has_a_gradient():
    y = np.array([1.0, 3.0, 2.0])
    check_gradients(lambda y, dx: av.trapezoid(y, dx=dx), [y, np.array(0.5)])
    check_gradients(lambda y, dx: np.trapezoid(y, dx=dx), [y, np.array(0.5)])


def test_integers_are_unwrapped():
    x = np.array([0, 3, 7, 1])
    y = av.unwrap(x, period=4)
    assert y.dtype == np.unwrap(x, period=4).dtype and y.numpy().tolist() == np.unwrap(x, period=4).tolist()
    single = av.Tensor(np.array([0.0, 4.0], np.float32))
    y = av.unwrap(single, period=np.float64(3.0))
    assert y.dtype == np.float64
    assert gradients(lambda p: av.unwrap(p, period=np.float64(3.0)), single)[0].dtype == np.float32


def test_differences_as_numpy_takes_them():
    x = np.array([1.0, 4.0, 9.0])
    t = av.Tensor(x)
    np.testing.assert_array_equal(av.diff(t, prepend=t).numpy(), np.diff(x, prepend=x))
    np.testing.assert_array_equal(av.diff(t, prepend=t, append=0.0).numpy(), np.diff(x, prepend=x, append=0.0))
    np.testing.assert_array_equal(av.diff(t, append=t).numpy(), np.diff(x, append=x))
    np.testing.assert_array_equal(av.diff(t, 0, prepend=0.0).numpy(), np.diff(x, 0, prepend=0.0))
    assert gradients(lambda t: av.diff(t, prepend=t) * np.arange(5.0), t)[0].tolist() == [-1.0, -2.0, 3.0]
    assert np.diff(av.Tensor(np.array([True, False, False]))).numpy().tolist() == [True, False]
    flat = av.ediff1d(np.array([1, 4]), to_begin=np.int8(3))
    assert flat.dtype == np.int64 and flat.numpy().tolist() == [3, 3]


# ---------------------------------------------------------------- evenly spaced numbers


def test_the_ends_are_exact_and_have_gradients():
    start, stop = av.Tensor(0.1), av.Tensor(0.7)
    for f in (np.linspace, np.geomspace):
        y = f(start, stop, 8)
        assert y.numpy()[0] == 0.1 and y.numpy()[-1] == 0.7
        found = gradients(lambda a, b, f=f: f(a, b, 8)[::7], start, stop)
        np.testing.assert_allclose(found, [1.0, 1.0], rtol=1e-12)
    weights = np.array([1.0, 10.0, 100.0])
    assert [c.item() for c in gradients(lambda a, b: av.linspace(a, b, 3) * weights, start, stop)] == [6.0, 105.0]
    found = gradients(lambda a, b: av.linspace(a, b, 3, endpoint=False) * weights, start, stop)
    np.testing.assert_allclose(found, [1 + 20 / 3 + 100 / 3, 10 / 3 + 200 / 3])


def test_steps_and_dtypes():
    start = av.Tensor(0.5)
    y, step = np.linspace(start, 2.0, 4, retstep=True)
    assert step.item() == 0.5 and y.shape == (4,)
    assert gradients(lambda a: np.linspace(a, 2.0, 4, retstep=True)[1], start)[0] == pytest.approx(-1 / 3)
    assert np.isnan(av.linspace(start, 2.0, 1, retstep=True)[1].item())
    whole = av.linspace(start, 2.0, 4, dtype=int)
    assert whole.dtype == int and whole.numpy().tolist() == [0, 1, 1, 2]
    with av.GradientTape() as tape:
        tape.watch(start)
        y = av.linspace(start, 2.0, 4, dtype=int) * 1.0
    assert tape.gradient(y, start) is None and "floor" in tape.explain(y, start)
    single = av.Tensor(np.float32(1.0))
    assert av.linspace(single, 2, 3).dtype == np.float32 and av.linspace(single, np.float64(2), 3).dtype == np.float64
    assert av.geomspace(single, 2.0, 3).dtype == np.float64
    assert gradients(lambda a: av.geomspace(a, 2.0, 3), single)[0].dtype == np.float32
    assert av.linspace(0, 1, 3).numpy().tolist() == [0.0, 0.5, 1.0]


def test_a_quotient_of_negative_or_complex_numbers():
    for ends in ((-1.0, -8.0), (1.0, 1j), (-1 + 1j, 3.0), (1e-300, 1e300)):
        want = np.geomspace(*ends, 5)
        np.testing.assert_allclose(av.geomspace(*map(av.Tensor, ends), 5).numpy(), want, rtol=1e-12)
    with np.errstate(invalid="ignore"):
        assert np.isnan(av.geomspace(-1.0, av.Tensor(1.0), 3).numpy()[1])


# ---------------------------------------------------------------- polynomials


def test_leading_zeros_of_a_product_are_cut_off():
    p, q = tensor(0.0, 1.0, 2.0), tensor(1.0, -1.0)
    assert np.polymul(p, q).numpy().tolist() == np.polymul([0.0, 1.0, 2.0], [1.0, -1.0]).tolist()
    assert gradients(av.polymul, p, q)[0].tolist() == [0.0, 0.0, 0.0]  # the coefficients of q add up to 0
    assert gradients(lambda p, q: av.polymul(p, q) * np.array([1.0, 2.0, 4.0]), p, q)[0].tolist() == [0.0, -1.0, -2.0]
    assert av.polymul([], q).numpy().tolist() == [0.0, 0.0]


@pytest.mark.parametrize("u, v", [([1.0, 0.0, -1.0], [1.0, 1.0]), ([2.0, 4.0], [2.0]), ([1.0], [1.0, 2.0, 3.0])])
def test_remainders_are_as_short_as_numpys(u, v):
    for got, want in zip(av.polydiv(tensor(*u), tensor(*v)), np.polydiv(u, v), strict=True):
        np.testing.assert_allclose(got.numpy(), want, atol=1e-15)


def test_constants_of_integration_have_gradients():
    check_gradients(lambda p, k: av.polyint(p, 2, k), [np.array([1.0, -2.0]), np.array([0.5, 3.0])])
    check_gradients(lambda p, k: av.polyint(p, 2, k), [np.array([1.0, -2.0]), np.array(0.5)])
    assert av.polyint(np.array([2, 2])).dtype == np.float64


def test_values_of_odd_polynomials():
    x = tensor(1.0, 2.0)
    assert av.polyval([], x).numpy().tolist() == [0.0, 0.0]
    assert np.polyval(np.poly1d([1.0, 0.0, -1.0]), x).numpy().tolist() == [0.0, 3.0]
    assert np.poly1d([1.0, 0.0, -1.0])(x).numpy().tolist() == [0.0, 3.0]
    rows = np.array([[1.0, 2.0], [3.0, 4.0]])
    np.testing.assert_array_equal(av.polyval(rows, x).numpy(), np.polyval(rows, x.numpy()))
    single = av.Tensor(np.ones(2, np.float32))
    assert av.polyval(single, single).dtype == np.float32
    assert [c.dtype for c in gradients(av.polyval, single, x)] == [np.float32, np.float64]


def test_polynomials_of_roots():
    assert av.poly(np.array([1.0 + 1j, 1.0 - 1j])).numpy().tolist() == [1.0, -2.0, 2.0]
    assert av.poly(tensor(1j, 2.0, dtype=complex)).dtype == np.complex128
    assert av.poly([]).item() == 1.0 and av.poly([2]).numpy().tolist() == [1.0, -2.0]
    pair = av.Tensor(np.array([1.0 + 2.0j, 1.0 - 2.0j]))
    (found,) = gradients(lambda z: av.poly(z)[-1], pair)  # the product of the roots, abs(z)**2
    np.testing.assert_allclose(found, [1 + 2j, 1 - 2j])
    zeros = np.array([0.5, -1.0, 2.0])
    check_gradients(lambda z: np.sort(av.roots(av.poly(z)).real), [zeros])


def test_roots_move_as_the_implicit_function_theorem_says():
    p = np.array([1.0, -3.0, 2.0])
    (found,) = gradients(lambda p: av.roots(p)[0], av.Tensor(p))  # at 2: -(4, 2, 1) / p'(2)
    np.testing.assert_allclose(found, [-4.0, -2.0, -1.0])
    (found,) = gradients(lambda p: np.roots(p)[0], tensor(0.0, 1.0, -2.0))  # a leading zero: one root less
    np.testing.assert_allclose(found, [-4.0, -2.0, -1.0])
    (found,) = gradients(lambda p: av.roots(p)[-1], tensor(1.0, -3.0, 0.0))  # the root at 0
    np.testing.assert_allclose(found, [0.0, 0.0, 1 / 3])
    with np.errstate(all="ignore"):
        (found,) = gradients(lambda p: av.roots(p)[0], tensor(1.0, 0.0, 0.0))
    assert not np.isfinite(found[-1])  # a double root moves like a square root


def test_a_fit_has_gradients_to_the_points():
    x, y = np.array([-1.0, 0.2, 0.9, 2.0, 2.5]), np.array([0.3, -1.0, 0.7, 2.0, 1.0])
    w = np.array([1.0, 0.5, 2.0, 1.0, 3.0])
    check_gradients(lambda x, y, w: av.polyfit(x, y, 2, w=w), [x, y, w])
    check_gradients(lambda x: np.polyfit(x, y, 4), [x], rtol=1e-5, atol=1e-5)  # through all points
    exact = av.polyval(av.polyfit(x, y, 4), x)
    np.testing.assert_allclose(exact.numpy(), y, atol=1e-10)
    single = av.Tensor(x.astype(np.float32))
    assert gradients(lambda x: av.polyfit(x, y, 1), single)[0].dtype == np.float32


def test_powers_at_0():
    x = tensor(0.0, 2.0)
    with av.GradientTape() as outer:
        outer.watch(x)
        with av.GradientTape() as tape:
            tape.watch(x)
            y = np.vander(x, 4)
        first = tape.gradient(y, x)
    second = outer.gradient(first, x)
    assert first.numpy().tolist() == [1.0, 17.0] and second.numpy().tolist() == [2.0, 14.0]


# ---------------------------------------------------------------- other functions


def test_bessel_functions_are_scipys():
    known = {name: np.array(values) for name, values in GOLDEN["bessel"].items()}
    x = av.Tensor(known["x"])
    np.testing.assert_allclose(np.i0(x).numpy(), known["i0"], rtol=1e-14)
    with av.GradientTape() as outer:
        outer.watch(x)
        with av.GradientTape() as tape:
            tape.watch(x)
            y = av.i0(x)
        first = tape.gradient(y, x)
    np.testing.assert_allclose(first.numpy(), known["i1"], rtol=2e-15)
    np.testing.assert_allclose(outer.gradient(first, x).numpy(), known["i1_slope"], rtol=2e-14)
    single = av.Tensor(known["x"][:-2].astype(np.float32))
    (found,) = gradients(av.i0, single)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, known["i1"][:-2], rtol=3e-6)
    assert av.i0([0, 1]).dtype == np.float64


def test_real_if_all_are_close():
    near, far = tensor(1.0, 2.0 + 1e-15j, dtype=complex), tensor(1.0, 2.0 + 1e-3j, dtype=complex)
    assert np.real_if_close(near).dtype == float and np.real_if_close(far).dtype == complex
    assert np.real_if_close(far, 1e-2).dtype == float
    assert gradients(av.real_if_close, near)[0].tolist() == [1.0, 1.0]
    v = av.Variable([1.0], dtype=float)
    y = av.real_if_close(v)
    v.assign([2.0])
    assert isinstance(y, av.Tensor) and y.item() == 1.0


# ---------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda x: np.convolve(x, x[:0]), ValueError, "convolve: an empty array"),
        (lambda x: np.convolve(x[None], x), ValueError, "convolve: 1-D arrays"),
        (lambda x: np.convolve(x, x, "most"), ValueError, "convolve: mode must be 'full'.*'most'"),
        (lambda x: np.correlate(x, x[0]), ValueError, "correlate: 1-D arrays"),
        (lambda x: np.correlate(x, x, "most"), ValueError, "correlate: mode"),
        (lambda x: np.interp(x, x, x[:1]), ValueError, r"interp: xp and fp .*\(3,\) and \(1,\)"),
        (lambda x: np.interp(x, x[:0], x[:0]), ValueError, "interp: xp and fp"),
        (lambda x: np.interp(x, x[None], x[None]), ValueError, "interp: xp and fp"),
        (lambda x: np.interp(x, x, x, period=0), ValueError, "interp: the period"),
        (lambda x: np.interp(x * 1j, x, x), TypeError, "interp: x and xp must be real.*complex128"),
        (lambda x: np.gradient(x[:1]), ValueError, "gradient: 1 elements along axis 0, at least 2"),
        (lambda x: np.gradient(x[:2], edge_order=2), ValueError, "at least 3"),
        (lambda x: np.gradient(x, edge_order=3), ValueError, "edge_order must be 1 or 2, got 3"),
        (lambda x: np.gradient(x, 1.0, 2.0), TypeError, "gradient: 2 spacings for 1 axes"),
        (lambda x: np.gradient(x, x[:2]), ValueError, "gradient: 2 positions for 3 elements"),
        (lambda x: np.gradient(x, x[None]), ValueError, "gradient: a spacing is"),
        (lambda x: np.gradient(x[None], axis=(0, 0)), ValueError, "repeated"),
        (lambda x: np.gradient(x, axis=1), ValueError, "axis 1"),
        (lambda x: np.trapezoid(x, axis=1), ValueError, "axis 1"),
        (lambda x: np.unwrap(x[0]), ValueError, "axis"),
        (lambda x: av.unwrap(x, period=av.Tensor(3.0)), TypeError, r"unwrap: .*period=; .*period\.item"),
        (lambda x: np.unwrap(x, av.Tensor(4.0)), TypeError, "discont="),
        (lambda x: av.ediff1d(np.arange(3), x), TypeError, "ediff1d: to_end has dtype float64"),
        (lambda x: np.diff(x, -1), ValueError, "negative"),
        (lambda x: np.linspace(x, 1.0, -1), ValueError, "linspace: .*negative, got -1"),
        (lambda x: np.logspace(x, 1.0, -1), ValueError, "logspace: .*negative"),
        (lambda x: np.linspace(x, 1.0, 2.5), TypeError, "integer"),
        (lambda x: np.linspace(x, 1.0, 3, device="gpu"), ValueError, "linspace: device"),
        (lambda x: np.vander(x[None]), ValueError, "vander: a vector"),
        (lambda x: np.polyval(x, np.poly1d([1.0, 2.0])), TypeError, "polyval: .*composition"),
        (lambda x: np.polyadd(x[None], x), ValueError, "polyadd: coefficients are a vector"),
        (lambda x: np.polydiv(x, x[:0]), ValueError, "polydiv: "),
        (lambda x: np.polyder(x, -1), ValueError, "polyder: .*negative"),
        (lambda x: np.polyint(x, -1), ValueError, "polyint: .*negative"),
        (lambda x: np.polyint(x, 3, [1.0, 2.0]), ValueError, "polyint: 2 constants of integration for 3"),
        (lambda x: av.poly(np.eye(2)), TypeError, "poly: .*eigenvalues"),
        (lambda x: av.poly(np.ones((2, 3))), ValueError, "poly: roots are a vector"),
        (lambda x: np.polyfit(x, x, 1, full=True), TypeError, "polyfit: full= and cov="),
        (lambda x: np.polyfit(x, x, -1), ValueError, "polyfit: .*negative"),
        (lambda x: np.polyfit(x[None], x, 1), TypeError, "polyfit: x must be a vector"),
        (lambda x: np.polyfit(x, x[:2], 1), TypeError, r"polyfit: y must have shape \(3,\)"),
        (lambda x: np.polyfit(x, x, 1, w=x[:2]), TypeError, "polyfit: w must have shape"),
        (lambda x: np.i0(x * 1j), TypeError, "i0: real numbers"),
    ],
)
def test_errors(call, error, words):
    with pytest.raises(error, match=words):
        call(tensor(1.0, 2.0, 4.0))


@pytest.mark.host("on a device nobody waits to see it")
def test_a_quotient_of_0_is_an_error():
    with pytest.raises(ValueError, match="geomspace: the ends must not be 0"):
        np.geomspace(av.Tensor(0.0), 1.0)
