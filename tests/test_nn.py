"""av.nn against stored PyTorch values, math.erf, and its own promises. Gradient checks by differences: test_ops.py."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

import autograd_vs as av

GOLDEN = json.loads((Path(__file__).parent / "golden" / "nn.json").read_text())["cases"]
ACTIVATIONS = [
    "relu",
    "leaky_relu",
    "elu",
    "sigmoid",
    "softplus",
    "silu",
    "gelu",
    "erf",
    "erfc",
    "softmax",
    "log_softmax",
]


def gradients(function, inputs, g, arguments):
    tensors = {k: av.Tensor(v) if v.dtype.kind == "f" else v for k, v in inputs.items()}
    sources = {k: t for k, t in tensors.items() if isinstance(t, av.Tensor)}
    with av.GradientTape() as tape:
        tape.watch(sources)
        y = function(**tensors, **arguments)
    return y, tape.gradient(y, sources, output_gradients=g)


@pytest.mark.parametrize("name", GOLDEN)
def test_pytorchs_values(name):
    case = GOLDEN[name]
    function = getattr(av.nn, case["function"])
    inputs = {k: np.array(v) for k, v in case["inputs"].items()}
    y, found = gradients(function, inputs, np.array(case["g"]), case["arguments"])
    # layer_norm far from zero: the mean of numbers near 1e4 loses four digits, there as here
    rtol, atol = (1e-8, 1e-8) if "far_from_zero" in name else (1e-12, 1e-13)
    np.testing.assert_allclose(y.numpy(), case["value"], rtol=rtol, atol=atol)
    assert set(found) == set(case["gradients"])
    for key, want in case["gradients"].items():
        scale = max(1.0, np.abs(want).max())
        np.testing.assert_allclose(found[key].numpy(), want, rtol=rtol, atol=atol * scale, err_msg=key)


# ---------------------------------------------------------------- activations


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_float32_stays_float32(name, shape):
    x = av.Tensor(np.full(shape, 0.5, np.float32) if shape else np.array(0.5, np.float32))
    function = getattr(av.nn, name)
    if not shape and "softmax" in name:
        return
    with av.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = function(x)
        g = tape.gradient(y, x)
    assert (y.dtype, g.dtype, tape.gradient(g, x, unconnected_gradients="zero").dtype) == (np.float32,) * 3


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_extreme_inputs_give_no_warning_and_no_nan(name):
    for dtype in (np.float32, np.float64):
        x = av.Tensor(np.array([-1e30, -1e4, -100.0, 0.0, 100.0, 1e4, 1e30], dtype))
        with av.GradientTape() as tape, np.errstate(under="ignore", over="ignore"):
            tape.watch(x)
            y = getattr(av.nn, name)(x)
        with np.errstate(over="ignore", under="ignore"):
            g = tape.gradient(y, x)
        assert np.isfinite(y.numpy()).all()
        assert name in ("silu", "gelu") or np.isfinite(g.numpy()).all()  # x * x overflows in the slope


def test_relu_and_its_kin_have_gradient_zero_at_zero():
    x = av.Tensor(np.array([0.0, -0.0]))
    assert av.jacobian(av.nn.relu)(x).tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_erf_and_erfc_to_the_last_digits():
    x = np.concatenate([np.linspace(-6, 6, 1001), np.linspace(-26, 26, 501), [0.46875, -0.46875, 4.0, -4.0, 1e-300]])
    erf = np.array([math.erf(v) for v in x])
    erfc = np.array([math.erfc(v) for v in x])
    np.testing.assert_allclose(av.nn.erf(x).numpy(), erf, rtol=1e-15, atol=0)
    np.testing.assert_allclose(av.nn.erfc(x).numpy(), erfc, rtol=2e-15, atol=1e-300)
    assert np.isnan(av.nn.erf(np.array([np.nan])).numpy()).all()
    assert av.nn.erfc(np.array([np.inf, -np.inf])).tolist() == [0.0, 2.0]


def test_gelu_in_float32_is_accurate():
    x = np.linspace(-9, 9, 2001).astype(np.float32)
    want = [float(v) * 0.5 * math.erfc(-float(v) * math.sqrt(0.5)) for v in x]
    y = av.nn.gelu(x)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y.numpy(), want, rtol=2e-6, atol=1e-6)
    np.testing.assert_allclose(av.nn.gelu(x, approximate="tanh").numpy(), want, atol=1e-3)
    with pytest.raises(ValueError, match="approximate"):
        av.nn.gelu(x, approximate="sigmoid")


def test_gelu_keeps_its_tail_in_float64():
    assert av.nn.gelu(-12.0).item() == pytest.approx(-12.0 * 0.5 * math.erfc(12.0 * math.sqrt(0.5)), rel=1e-13)


# ---------------------------------------------------------------- softmax and losses


def test_softmax_sums_to_one_over_several_axes():
    y = av.nn.softmax(np.arange(24.0).reshape(2, 3, 4) * 1e3, axis=(0, 2)).numpy()
    np.testing.assert_allclose(y.sum(axis=(0, 2)), 1.0)


def test_cross_entropy_is_stable_and_its_gradient_exact():
    logits = np.array([[1e4, 0.0, -1e4], [0.0, 1e4, 1e4]])
    x = av.Tensor(logits)
    with av.GradientTape() as tape:
        tape.watch(x)
        loss = av.nn.softmax_cross_entropy(x, np.array([2, 1]))
    assert loss.numpy()[0] == 2e4
    np.testing.assert_allclose(loss.numpy()[1], np.log(2.0))
    np.testing.assert_allclose(tape.gradient(loss, x).numpy(), [[1.0, 0.0, -1.0], [0.0, -0.5, 0.5]])


def test_cross_entropy_one_hot_is_the_integer_one():
    logits, labels = np.random.default_rng(0).normal(size=(4, 3)), np.array([0, 2, 1, 1])
    want = av.nn.softmax_cross_entropy(logits, labels).numpy()
    for one_hot in (np.eye(3)[labels], np.eye(3, dtype=int)[labels], np.eye(3, dtype=bool)[labels]):
        np.testing.assert_allclose(av.nn.softmax_cross_entropy(logits, one_hot).numpy(), want, rtol=1e-14)
    swapped = av.nn.softmax_cross_entropy(logits.T, labels, axis=0).numpy()
    np.testing.assert_allclose(swapped, want, rtol=1e-14)


def test_cross_entropy_labels():
    x, soft = av.Tensor(np.ones((2, 3), np.float32)), av.Tensor(np.full((2, 3), 1 / 3))
    with av.GradientTape(persistent=True) as tape:
        tape.watch([x, soft])
        loss = av.nn.softmax_cross_entropy(x, soft)
        of_ids = av.nn.softmax_cross_entropy(x, np.argmax(x, axis=1))
    assert loss.dtype == np.float32
    np.testing.assert_allclose(tape.gradient(loss, soft).numpy(), np.full((2, 3), np.log(3.0)), rtol=1e-6)
    assert tape.gradient(of_ids, soft) is None
    with pytest.raises(IndexError, match="class 3 is out of range"):
        av.nn.softmax_cross_entropy(x, np.array([0, 3]))
    with pytest.raises(IndexError, match="class -1 is out of range"):
        av.nn.softmax_cross_entropy(x, np.array([0, -1]))
    with pytest.raises(ValueError, match=r"labels of shape \(3,\)"):
        av.nn.softmax_cross_entropy(x, np.array([0, 1, 2]))
    with pytest.raises(ValueError, match="dtype float64"):
        av.nn.softmax_cross_entropy(x, np.array([0.0, 1.0]))
    with pytest.raises(ValueError, match="axis 2"):
        av.nn.softmax_cross_entropy(x, np.array([0, 1]), axis=2)


def test_cross_entropy_is_one_entry():
    w = av.Variable(np.zeros((2, 3)))
    with av.GradientTape() as tape:
        av.nn.softmax_cross_entropy(w, np.array([0, 1]))
    assert len(tape._record.entries) == 1


def test_mse_refuses_to_broadcast():
    with pytest.raises(ValueError, match=r"\(3, 1\), the target \(3,\)"):
        av.nn.mse(np.ones((3, 1)), np.ones(3))
    x = av.Variable(np.array([1.0, 2.0], np.float32))
    assert av.nn.mse(x, 0).dtype == av.nn.mse(x, 0.5).dtype == np.float32
    assert av.nn.mse(x, [1, 3]).item() == 0.5


def test_losses_of_float32_and_float64_mixed():
    a, b = av.Tensor(np.array([1.0, 2.0], np.float32)), av.Tensor(np.array([0.0, 0.0]))
    with av.GradientTape() as tape:
        tape.watch([a, b])
        y = av.nn.mse(a * 1.0, b)
    ga, gb = tape.gradient(y, [a, b])
    assert (ga.dtype, gb.dtype) == (np.float32, np.float64)


# ---------------------------------------------------------------- dropout, embeddings, layer norm


def test_dropout(seed):
    av.random.set_seed(5)
    x = av.Tensor(np.ones((200, 50), np.float32))
    assert av.nn.dropout(x, 0.3, training=False) is x
    assert av.nn.dropout(x, 0.0, training=True) is x
    with av.GradientTape() as tape:
        tape.watch(x)
        y = av.nn.dropout(x, 0.3, training=True)
    values = y.numpy()
    assert y.dtype == np.float32
    assert set(np.unique(values)) == {np.float32(0.0), np.float32(1 / 0.7)}
    assert abs((values == 0).mean() - 0.3) < 0.02
    np.testing.assert_array_equal(tape.gradient(y, x).numpy(), values)
    assert (av.nn.dropout(x, 1.0, training=True).numpy() == 0).all()
    for rate in (-0.1, 1.1):
        with pytest.raises(ValueError, match="probability of dropping"):
            av.nn.dropout(x, rate, training=True)
    with pytest.raises(TypeError, match="training"):
        av.nn.dropout(x, 0.5)


def test_dropout_masks_follow_seed_and_stream(seed):
    def masks():
        av.random.set_seed(7)
        x = np.ones(64)
        return [av.nn.dropout(x, 0.5, training=True, stream=s).numpy() for s in ("a", "b", "a")]

    first, again = masks(), masks()
    assert all((p == q).all() for p, q in zip(first, again, strict=True))
    assert not (first[0] == first[1]).all() and not (first[0] == first[2]).all()


def test_embedding_gradient_stays_rows():
    table = av.Variable(np.arange(8.0).reshape(4, 2))
    with av.GradientTape() as tape:
        y = av.nn.embedding_lookup(table, [[1, 1], [3, 0]])
    assert y.shape == (2, 2, 2)
    g = tape.gradient(y, table)
    assert isinstance(g, av.IndexedSlices)
    assert g.to_dense().tolist() == [[1.0, 1.0], [2.0, 2.0], [0.0, 0.0], [1.0, 1.0]]


def test_embedding_ids_are_checked():
    table = av.Variable(np.zeros((4, 2)))
    for wrong in (4, -1):
        with pytest.raises(IndexError, match=f"id {wrong} is out of range: there are 4"):
            av.nn.embedding_lookup(table, np.array([0, wrong]))
    with pytest.raises(TypeError, match="float64"):
        av.nn.embedding_lookup(table, np.array([0.0]))
    assert av.nn.embedding_lookup(table, []).shape == (0, 2)


def test_layer_norm_over_other_axes():
    x = np.random.default_rng(0).normal(3.0, 2.0, size=(2, 3, 4))
    y = av.nn.layer_norm(x, np.ones((3, 4)), np.zeros((3, 4)), axis=(1, 2)).numpy()
    np.testing.assert_allclose(y.mean(axis=(1, 2)), 0.0, atol=1e-12)
    y = av.nn.layer_norm(x, np.full(3, 2.0), np.ones(3), axis=1).numpy()
    np.testing.assert_allclose(y.mean(axis=1), 1.0, atol=1e-12)
    with pytest.raises(ValueError, match="layer_norm"):
        av.nn.layer_norm(x, np.ones(4), np.zeros(3))


def test_other_array_libraries():
    from strict_array import StrictArray

    x = av.Tensor(StrictArray(np.array([[0.3, -0.2, 1.0], [5.0, -5.0, 0.1]])))
    labels = StrictArray(np.array([0, 2]))

    def loss(x):
        h = av.nn.relu(x) + av.nn.gelu(x) + av.nn.sigmoid(x) + av.nn.softplus(x) + av.nn.silu(x) + av.nn.elu(x)
        h = h + av.nn.leaky_relu(x) + av.nn.softmax(x) + av.nn.log_softmax(x) + av.nn.gelu(x, "tanh")
        return av.nn.softmax_cross_entropy(h, labels).sum() + av.nn.mse(h, 0.5) + av.nn.l2_loss(h)

    y, g = av.value_and_grad(loss)(x)
    labels = np.array([0, 2])
    want, want_g = av.value_and_grad(loss)(x.numpy())
    np.testing.assert_allclose(y.numpy(), want.numpy(), rtol=1e-14)
    np.testing.assert_allclose(g.numpy(), want_g.numpy(), rtol=1e-13)
    assert isinstance(g.array, StrictArray)


def test_linear_refuses_a_kernel_that_is_no_matrix():
    for x, kernel in ((np.ones((2, 3)), np.ones(3)), (np.ones((2, 3)), np.ones((1, 3, 2))), (1.0, np.ones((1, 1)))):
        with pytest.raises(ValueError, match=r"linear: x of shape \(\.\.\., n\)"):
            av.nn.linear(x, kernel, np.ones(1))


def test_what_is_real_refuses_complex_numbers():
    z = av.Tensor(np.array([1.0 + 1j]))
    for f in (av.nn.softplus, av.nn.gelu, av.nn.l2_loss, lambda z: av.nn.mse(z, z)):
        with pytest.raises(TypeError, match="real numbers are needed, got dtype complex128"):
            f(z)
