"""Fourier transforms: PyTorch's stored values, sizes and axes of every kind, what is refused."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

import autograd_vs as av
from autograd_vs.testing import check_gradients

GOLDEN = json.loads((Path(__file__).parent / "golden" / "fft.json").read_text())
CASES = GOLDEN["cases"]
NORMS = ("backward", "ortho", "forward")


def read(x):
    """What `plain` of golden/make_fft.py wrote."""
    return np.array(x["real"]) + 1j * np.array(x["imag"]) if isinstance(x, dict) else np.array(x)


def called(case, module):
    several = case["function"].endswith(("n", "2"))
    options = {"norm": case["norm"]}
    if case["sizes"] is not None:
        options["s" if several else "n"] = case["sizes"]
    if case["axes"] is not None:
        options["axes" if several else "axis"] = case["axes"]
    return lambda x: getattr(module, case["function"])(x, **options)


def gradient(f, x, g=None):
    with av.GradientTape() as tape:
        tape.watch(x)
        y = f(x)
    return tape.gradient(y, x, output_gradients=g)


@pytest.mark.parametrize("module", [av.fft, np.fft], ids=["av", "np"])
@pytest.mark.parametrize("case", CASES, ids=[f"{i}-{c['function']}" for i, c in enumerate(CASES)])
def test_values_and_derivatives_are_pytorchs(case, module):
    f = called(case, module)
    x = av.Tensor(read(case["x"]))
    np.testing.assert_allclose(f(x).numpy(), read(case["value"]), rtol=1e-12, atol=1e-12)
    got = gradient(f, x, av.Tensor(read(case["g"])))
    assert got.dtype == x.dtype
    np.testing.assert_allclose(got.numpy(), read(case["gradient"]), rtol=1e-12, atol=1e-12)

    def slope(t):
        y = f(t)
        return gradient(lambda t: ((f(t) * np.conj(f(t))).real ** 2).sum(), t), y

    with av.GradientTape() as tape:
        tape.watch(x)
        first, _ = slope(x)
    product = tape.gradient(first, x, output_gradients=av.Tensor(read(case["v"])))
    np.testing.assert_allclose(product.numpy(), read(case["hvp"]), rtol=1e-10, atol=1e-10)


def sample(shape, kind):
    rng = np.random.default_rng(3)
    return rng.normal(size=shape) + (1j * rng.normal(size=shape) if kind is complex else 0.0)


REAL_INPUT = ("rfft", "ihfft", "rfftn", "rfft2")


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("function", ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"])
def test_curved_functions_of_one_axis(function, norm):
    """Second derivatives of the transforms themselves are 0: those of their squares show that rules are recorded."""
    f = getattr(av.fft, function)
    for kind, n, m in itertools.product((float, complex), (None, 1, 2, 3, 4, 5), (3, 4)):
        if kind is float or function not in REAL_INPUT:
            check_gradients(lambda x, n=n: np.abs(f(x, n, norm=norm)) ** 2 * 0.1, [sample((m,), kind)])


@pytest.mark.parametrize("function", ["fftn", "ifftn", "rfftn", "irfftn"])
def test_curved_functions_of_axes_that_occur_twice(function):
    f, kind = getattr(av.fft, function), float if function in REAL_INPUT else complex
    x = sample((3, 2), kind)
    for axes, s in (((0, 0), None), ((0, 0), (4, 2)), ((0, 0), (2, 4)), ((0, 1, -2), (2, 3, 5)), ((-1, 0, 1), None)):
        np.testing.assert_allclose(f(x, s, axes).numpy(), getattr(np.fft, function)(x, s, axes), atol=1e-14)
        check_gradients(lambda t, s=s, axes=axes: np.abs(f(t, s, axes)) ** 2 * 0.1, [x])


def test_single_precision_stays():
    x, z = av.Tensor(np.ones((4, 4), np.float32)), av.Tensor(np.ones((4, 3), np.complex64))
    for name in ("fft", "ifft", "rfft", "ihfft", "fft2", "ifft2", "fftn", "ifftn", "rfftn", "rfft2"):
        f = getattr(av.fft, name)
        assert f(x).dtype == np.complex64, name
        assert gradient(lambda t, f=f: np.abs(f(t)), x).dtype == np.float32, name
    for name in ("irfft", "hfft", "irfftn", "irfft2"):
        f = getattr(av.fft, name)
        assert f(z).dtype == np.float32, name
        assert gradient(f, z).dtype == np.complex64, name
    assert gradient(lambda t: np.abs(av.fft.fft(t)), z).dtype == np.complex64


def test_numbers_that_cannot_count_have_gradient_0():
    """The imaginary parts of the first and last number of half a spectrum, and what is cropped."""
    g = gradient(av.fft.irfft, av.Tensor(sample((4,), complex)), av.Tensor(sample((6,), float))).numpy()
    assert g[0].imag == g[3].imag == 0 and (g[1:3].imag != 0).all()
    g = gradient(lambda x: np.abs(av.fft.fft(x, 3)), av.Tensor(sample((5,), float))).numpy()
    assert (g[3:] == 0).all() and (g[:3] != 0).all()


def test_integers_are_transformed():
    assert av.fft.fft([1, 2, 3]).dtype == np.complex128
    np.testing.assert_allclose(np.fft.rfft(av.Tensor(np.arange(5))).numpy(), np.fft.rfft(np.arange(5)))


def test_sizes_without_axes_are_those_of_the_last_ones():
    x = sample((2, 3, 4), float)
    with pytest.warns(DeprecationWarning, match="axes"):
        want = np.fft.fftn(x, (5, 2))
    np.testing.assert_allclose(av.fft.fftn(x, (5, 2)).numpy(), want, atol=1e-14)
    np.testing.assert_allclose(
        av.fft.irfftn(x, (3, None), (0, 1)).numpy(), np.fft.irfftn(x, (3, 4), (0, 1)), atol=1e-14
    )
    assert av.fft.irfftn(x, (-1, -1), (0, 1)).shape == (2, 3, 4)


def test_no_axes_change_nothing():
    v = av.Variable(np.ones((2, 2)), dtype=float)
    y, shifted, scalar = av.fft.fftn(v, axes=()), av.fft.fftshift(v, ()), av.fft.fftshift(av.Tensor(1.0))
    v.assign(np.zeros((2, 2)))
    assert all(isinstance(t, av.Tensor) for t in (y, shifted, scalar))
    assert y.numpy().tolist() == shifted.numpy().tolist() == [[1.0, 1.0], [1.0, 1.0]]


@pytest.mark.parametrize("n", [1, 2, 5, 6])
def test_shifts_undo_each_other(n):
    x = sample((n, 3), float)
    np.testing.assert_array_equal(av.fft.ifftshift(av.fft.fftshift(x)).numpy(), x)
    np.testing.assert_array_equal(av.fft.fftshift(av.fft.fftfreq(n)).numpy(), np.sort(np.fft.fftfreq(n)))
    assert av.fft.rfftfreq(n).shape == (n // 2 + 1,)


@pytest.mark.host("NumPy's fftfreq makes its array on the host")
def test_the_spacing_of_frequencies_has_a_gradient():
    d = av.Tensor(0.5)
    np.testing.assert_allclose(gradient(lambda d: np.fft.rfftfreq(4, d).sum(), d).numpy(), -3 / 4 / 0.25)


def test_a_filter_learns_its_spectrum():
    """Gradient descent through rfft and irfft finds the transfer function of a known filter."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=16)
    kernel = np.zeros(16)
    kernel[:3] = [0.5, 0.25, -0.25]
    want = np.fft.irfft(np.fft.rfft(x) * np.fft.rfft(kernel))
    spectrum = av.Variable(np.zeros(9, complex), dtype=np.complex128)
    scale = np.abs(np.fft.rfft(x)) ** 2
    for _ in range(60):
        with av.GradientTape() as tape:
            y = np.fft.irfft(np.fft.rfft(x) * spectrum)
            loss = ((y - want) ** 2).sum() * 4.0
        spectrum.assign(spectrum - tape.gradient(loss, spectrum) / scale)
    found = np.fft.rfft(kernel)
    np.testing.assert_allclose(spectrum.numpy()[1:-1], found[1:-1], atol=1e-6)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda x: np.fft.fft(x, out=np.zeros((2, 3), complex)), TypeError, "fft: out= .*Tensor that it returns"),
        (lambda x: np.fft.fft(np.ones(3), out=x), TypeError, "fft: out="),
        (lambda x: np.fft.irfft2(x, out=np.zeros((2, 3))), TypeError, "irfft2: out="),
        (lambda x: np.fft.fft(x, norm="unit"), ValueError, "fft: norm must be 'backward', 'ortho'.*'unit'"),
        (lambda x: np.fft.hfft(x, norm="unit"), ValueError, "hfft: norm must be"),
        (lambda x: np.fft.fft(x, 0), ValueError, "fft: n=0 data points"),
        (lambda x: np.fft.fft(x, -1), ValueError, "fft: n=-1 data points"),
        (lambda x: np.fft.fft(x, 2.0), TypeError, "integer"),
        (lambda x: np.fft.fft(x[:, :0]), ValueError, "fft: 0 data points along axis 1"),
        (lambda x: np.fft.irfft(x[:, :1]), ValueError, "irfft: 0 data points"),
        (lambda x: np.fft.fft(x[0, 0]), IndexError, "axis"),
        (lambda x: np.fft.fft(x, axis=2), IndexError, "axis 2"),
        (lambda x: np.fft.fftn(x, axes=(0, 2)), IndexError, "axis 2"),
        (lambda x: np.fft.fftn(x, (2,), (0, 1)), ValueError, r"fftn: 1 sizes \(s=\(2,\)\) for 2 axes"),
        (lambda x: np.fft.rfftn(x, axes=()), IndexError, "rfftn: at least one axis"),
        (lambda x: np.fft.rfft(x * 1j), TypeError, r"rfft: real numbers .*complex128; av\.fft\.fft"),
        (lambda x: np.fft.rfft2(x * 1j), TypeError, "rfft2: real numbers"),
        (lambda x: np.fft.fftshift(x, 2), IndexError, "axis 2"),
    ],
)
def test_errors(call, error, words):
    with pytest.raises(error, match=words):
        call(av.Tensor(np.ones((2, 3))))


def test_lists_of_recorded_tensors_are_arrays():
    x = av.Tensor(np.array([1.0, 2.0]))
    with av.GradientTape() as tape:
        tape.watch(x)
        y = av.real(av.fft.fft([x[0], x[1]]))
    np.testing.assert_allclose(y.numpy(), [3.0, -1.0])
    np.testing.assert_allclose(tape.gradient(y, x, np.array([1.0, 10.0])).numpy(), [11.0, -9.0])
