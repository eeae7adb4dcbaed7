"""A training step on arrays that refuse to mix with NumPy's, as CuPy's do (`strict_array.py` stands in for them)."""

import numpy as np
import pytest
from strict_array import StrictArray, strict

import autograd_vs as av
import optim
from autograd_vs.base import backend


def on_device(array):
    return StrictArray(np.array(array))


def model_arrays():
    rng = np.random.default_rng(0)
    shapes = [(3, 8), (8,), (8, 4), (4,)]
    return [rng.standard_normal(s) for s in shapes], rng.standard_normal((5, 3)), rng.integers(0, 4, 5)


def train(place, optimizer, steps=5):
    parameters, x, labels = model_arrays()
    w1, b1, w2, b2 = variables = [av.Variable(place(p), name=n) for p, n in zip(parameters, "abcd", strict=True)]
    x, labels = av.Tensor(place(x)), av.Tensor(place(labels))
    losses = []
    for _ in range(steps):
        with av.GradientTape() as tape:
            logits = av.nn.relu(x @ w1 + b1) @ w2 + b2
            loss = av.mean(av.nn.softmax_cross_entropy(logits, labels)) + 0.1 * av.sum(av.square(w1.T[1]))
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        losses.append(loss.item())
    return losses, variables


@pytest.mark.parametrize(
    "make", [lambda: optim.SGD(0.1, momentum=0.9), lambda: optim.Adam(0.01), lambda: optim.AdamW(0.01)]
)
def test_a_training_step_on_another_array_library(make):
    expected, on_host = train(np.array, make())
    found, variables = train(on_device, make())
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    for v, w in zip(variables, on_host, strict=True):
        assert isinstance(v.array, StrictArray), "a variable left its device"
        np.testing.assert_allclose(v.numpy(), w.numpy(), rtol=1e-12)


def test_gradients_stay_on_the_device():
    v = av.Variable(on_device([[1.0, 2.0], [3.0, 4.0]]))
    with av.GradientTape() as outer:
        with av.GradientTape() as inner:
            y = av.sum(av.tanh(v) * v)
        g = inner.gradient(y, v)
        z = av.sum(g * g)
    h = outer.gradient(z, v)
    for t in (y, g, h):
        assert isinstance(t.array, StrictArray)
    host = av.Variable(v.numpy())
    with av.GradientTape() as outer:
        with av.GradientTape() as inner:
            y = av.sum(av.tanh(host) * host)
        z = av.sum(av.square(inner.gradient(y, host)))
    np.testing.assert_allclose(h.numpy(), outer.gradient(z, host).numpy(), rtol=1e-12)


def test_the_old_value_moves_out_on_the_device_too():
    v = av.Variable(on_device([[1.0, 2.0], [3.0, 4.0]]))
    row, turned = v[1], v.T
    with av.GradientTape() as tape:
        y = av.sum(v * v.T)
    v.assign(v * 0.0)
    np.testing.assert_array_equal(row.numpy(), [3.0, 4.0])
    np.testing.assert_array_equal(turned.numpy(), [[1.0, 3.0], [2.0, 4.0]])
    np.testing.assert_array_equal(tape.gradient(y, v).numpy(), [[2.0, 6.0], [4.0, 8.0]])


@pytest.mark.host("about NumPy arrays that stay on the host, beside a device")
def test_mixing_is_refused():
    with pytest.raises(TypeError, match="Unsupported type"):
        av.Tensor(on_device([1.0])) + np.ones(1)
    with pytest.raises(TypeError, match="Implicit conversion"):
        np.asarray(on_device([1.0]))


def test_the_namespace_of_an_array():
    assert backend.namespace(on_device([1.0])) is strict
    assert backend.namespace(np.ones(1)) is np
    assert av.Tensor(on_device([1.0])).numpy().tolist() == [1.0]


BYTES = np.random.default_rng(0).integers(0, 256, (3, 5)).astype(np.uint8)
REALS = np.array([1.0, -1.0, 0.0, np.inf, np.nan, -3e10, 1e-310])


@pytest.mark.parametrize(
    ("function", "x", "options"),
    [(np.unpackbits, BYTES, o) for o in (
        {}, {"axis": 0}, {"axis": 1, "count": 17}, {"axis": 0, "count": -3}, {"count": 200}, {"count": 0},
        {"axis": -1, "bitorder": "little"},
    )]
    + [(np.packbits, BYTES > 99, o) for o in ({}, {"axis": 0}, {"axis": -1, "bitorder": "little"})]
    + [(np.spacing, REALS, {}), (np.spacing, REALS.astype(np.float32), {})]
    + [(f, np.array([[1j, 0, 2.0], [0, 0, np.nan]]), {}) for f in (np.logical_not, np.any, np.all)],
)  # fmt: skip
def test_what_cupy_lacks_is_made_of_others(function, x, options):
    with np.errstate(all="ignore"):
        want, got = function(x, **options), function(av.Tensor(on_device(x)), **options)
    assert got.device == "gpu:0" and got.dtype == np.asarray(want).dtype
    np.testing.assert_array_equal(got.numpy(), want)
    assert not av.logical_and(av.Tensor(on_device([1j, 0])), av.Tensor(on_device([0j, 1]))).numpy().any()


def test_second_derivatives_of_what_was_set_on_a_device():
    x = av.Variable(on_device([1.0, 2.0, 3.0]))
    with av.GradientTape() as outer:
        with av.GradientTape() as inner:
            y = av.sum(x.at[1].set(x[0]) ** 3)
        g = inner.gradient(y, x)
    assert g.device == "gpu:0" and g.numpy().tolist() == [6.0, 0.0, 27.0]
    assert outer.gradient(g, x).numpy().tolist() == [12.0, 0.0, 18.0]
