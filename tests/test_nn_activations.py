"""Activations of rarer use: PyTorch's values, the kinks, large numbers. Gradient checks by differences: test_ops.py."""

import numpy as np
import pytest
import stored

import autograd_vs as av

ONE_ARRAY = (
    "celu hardshrink hardsigmoid hardswish hardtanh log_sigmoid mish relu6 selu softmin softshrink softsign tanh "
    "tanhshrink"
).split()


def slope(function, x, *args):
    t = av.Tensor(np.array(x))
    with av.GradientTape() as tape:
        tape.watch(t)
        y = function(t, *args)
    return tape.gradient(y, t).tolist()


@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("name", stored.names("activations"))
def test_pytorchs_values(name, dtype):
    # PyTorch's hardsigmoid has 1/6 as a float32 number in its gradient
    stored.compare(name, dtype, 1e3 if name.startswith("hardsigmoid") and dtype is np.float64 else 1.0)


def test_kinks_as_documented():
    assert slope(av.nn.relu6, [0.0, 6.0]) == slope(av.nn.hardtanh, [-1.0, 1.0]) == [0.0, 0.0]
    assert slope(av.nn.hardsigmoid, [-3.0, 3.0]) == [0.0, 0.0]
    assert slope(av.nn.hardswish, [-3.0, 3.0]) == [0.0, 1.0]
    assert slope(av.nn.softshrink, [-0.5, 0.5]) == slope(av.nn.hardshrink, [-0.5, 0.5]) == [0.0, 0.0]
    assert slope(av.nn.threshold, [2.0], 2.0, 5.0) == [0.0]
    assert slope(av.nn.prelu, [0.0], 0.25) == [0.25]
    assert slope(av.nn.celu, [0.0], 0.5) == slope(av.nn.softsign, [0.0]) == [1.0]
    np.testing.assert_allclose(slope(av.nn.selu, [0.0]), [1.7580993408473766], rtol=1e-15)


@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("name", ONE_ARRAY)
def test_large_numbers_give_no_nan(name, dtype):
    x = av.Tensor(np.array([-1e30, -1e4, -100.0, 0.0, 100.0, 1e4, 1e30], dtype))
    with np.errstate(over="ignore", under="ignore"), av.GradientTape() as tape:
        tape.watch(x)
        y = getattr(av.nn, name)(x)
        g = tape.gradient(y, x)
    assert y.dtype == g.dtype == dtype
    assert np.isfinite(y.numpy()).all() and np.isfinite(g.numpy()).all()


@pytest.mark.parametrize("name", [n for n in ONE_ARRAY if n != "softmin"])
def test_float32_stays_float32_without_dimensions(name):
    x = av.Variable(0.25)
    with av.GradientTape(persistent=True) as tape:
        y = getattr(av.nn, name)(x)
        g = tape.gradient(y, x)
    assert y.dtype == g.dtype == tape.gradient(g, x, unconnected_gradients="zero").dtype == np.float32


def test_each_is_one_entry():
    x = av.Variable(np.ones((2, 4)))
    with av.GradientTape() as tape:
        for name in ONE_ARRAY:
            getattr(av.nn, name)(x)
        av.nn.glu(x), av.nn.swiglu(x, x), av.nn.prelu(x, x), av.nn.threshold(x, 0.5, 0.0)
    assert len(tape._record.entries) == len(ONE_ARRAY) + 4


def test_small_values_keep_their_digits():
    x = np.array([-30.0, -700.0])
    np.testing.assert_allclose(av.nn.log_sigmoid(-x).numpy(), -np.exp(x), rtol=1e-12)
    np.testing.assert_allclose(av.nn.mish(x).numpy(), x * np.exp(x), rtol=1e-12)
    np.testing.assert_allclose(slope(av.nn.log_sigmoid, -x), np.exp(x), rtol=1e-12)


def test_tanh_is_the_one_of_the_package():
    assert av.nn.tanh is av.tanh


def test_softmin_over_several_axes():
    x = np.random.default_rng(0).normal(size=(2, 3, 4))
    y = av.nn.softmin(x, axis=(0, 2)).numpy()
    np.testing.assert_allclose(y.sum(axis=(0, 2)), 1.0)
    np.testing.assert_allclose(y, av.nn.softmax(-x, axis=(0, 2)).numpy(), rtol=1e-15)


def test_a_slope_for_each_channel():
    x = av.Tensor(np.array([[[-1.0, 2.0], [-3.0, -4.0]]]))
    w = av.Variable(np.array([0.5, 0.25]))
    with av.GradientTape() as tape:
        y = av.nn.prelu(x, w)
    assert y.tolist() == [[[-0.5, 2.0], [-1.5, -1.0]]]
    assert tape.gradient(y, w).tolist() == [-4.0, -4.0]


def test_threshold_lets_nan_pass():
    assert np.isnan(av.nn.threshold(np.array([np.nan]), 0.0, 1.0).item())
    assert av.nn.threshold(av.Variable([1.0, 3.0]), 2, 7).dtype == np.float32


def test_glu_needs_an_even_number():
    with pytest.raises(ValueError, match=r"glu cuts axis 0 in two, and of the shape \(3, 2\) it has 3 elements"):
        av.nn.glu(np.ones((3, 2)), 0)
    with pytest.raises(np.exceptions.AxisError):
        av.nn.glu(np.ones((2, 2)), 2)


def test_swiglu_of_two_projections():
    x, kernel = np.array([[1.0, -1.0]]), av.Variable(np.array([[0.5, 1.0], [0.25, -1.0]]))
    with av.GradientTape() as tape:
        gate, value = av.split(x @ kernel, 2, axis=-1)
        y = av.nn.swiglu(gate, value)
    np.testing.assert_allclose(y.numpy(), [[0.25 / (1 + np.exp(-0.25)) * 2.0]])
    assert tape.gradient(y, kernel).shape == (2, 2)
    assert av.nn.swiglu(av.Variable([1.0]), 2.0).dtype == np.float32
