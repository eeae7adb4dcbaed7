"""Normalizations: PyTorch's values, variance 0, gradients through statistics, absent scales, errors."""

import numpy as np
import pytest
import stored

import autograd_vs as av

RNG = np.random.default_rng(0)
X = RNG.normal(2.0, 3.0, size=(2, 3, 4))
GAMMA, BETA = RNG.normal(size=(2, 4))


def tolerance(name, dtype):
    if "far_from_zero" not in name:
        return 1.0
    # In float32 numbers near 1e4 have three digits behind the point; PyTorch's group_norm is off by 3e-8 in float64.
    return 3e3 if dtype is np.float32 else 3e4 if name.startswith("group") else 10.0


@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("name", stored.names("normalization"))
def test_pytorchs_values(name, dtype):
    stored.compare(name, dtype, tolerance(name, dtype))


@pytest.mark.parametrize(
    "normalize",
    [
        lambda x, *affine: av.nn.layer_norm(x, *affine), lambda x, *affine: av.nn.group_norm(x, 2, *affine),
        lambda x, *affine: av.nn.instance_norm(x, *affine), lambda x, *affine: av.nn.batch_norm_train(x, *affine)[0],
        lambda x, *affine: av.nn.batch_norm(x, *(affine or (None, None)), np.zeros(4, x.dtype), np.ones(4, x.dtype)),
    ],
    ids=["layer", "group", "instance", "batch_train", "batch"],
)  # fmt: skip
def test_scale_and_shift_may_be_absent(normalize):
    ones, zeros = np.ones(4), np.zeros(4)
    want = normalize(X, ones, zeros).numpy()
    np.testing.assert_allclose(normalize(X).numpy(), want, rtol=1e-14)
    np.testing.assert_allclose(normalize(X, GAMMA, None).numpy(), want * GAMMA, rtol=1e-13)
    np.testing.assert_allclose(normalize(X, None, BETA).numpy(), want + BETA, rtol=1e-13, atol=1e-14)
    assert normalize(X.astype(np.float32), None, BETA.astype(np.float32)).dtype == np.float32


def entries(function):
    x, gamma, beta = av.Variable(X), av.Variable(GAMMA), av.Variable(BETA)
    with av.GradientTape() as tape:
        function(x, gamma, beta)
    return len(tape._record.entries)


def test_each_is_one_entry():
    assert entries(lambda x, gamma, beta: av.nn.layer_norm(x, gamma, beta)) == 1
    assert entries(lambda x, gamma, beta: av.nn.group_norm(x, 2, gamma, beta)) == 1
    assert entries(lambda x, gamma, beta: av.nn.instance_norm(x, gamma, beta)) == 1
    assert entries(lambda x, gamma, beta: av.nn.rms_norm(x, gamma)) == 1
    assert entries(lambda x, gamma, beta: av.nn.l2_normalize(x)) == 1
    assert entries(lambda x, gamma, beta: av.nn.batch_norm(x, gamma, beta, GAMMA, GAMMA**2)) == 1
    # one for the op, and one for each output
    assert entries(lambda x, gamma, beta: av.nn.batch_norm_train(x, gamma, beta)) == 4
    assert entries(lambda x, gamma, beta: av.nn.moments(x, 0)) == 3


def test_groups_lie_between_layer_and_instance_norm():
    whole = av.nn.group_norm(X, 1, GAMMA, BETA).numpy()
    np.testing.assert_allclose((whole - BETA) / GAMMA, av.nn.layer_norm(X, axis=(1, 2)).numpy(), rtol=1e-12)
    np.testing.assert_allclose(av.nn.group_norm(X, 4).numpy(), av.nn.instance_norm(X).numpy(), rtol=1e-12)
    first = av.nn.group_norm(X.transpose(0, 2, 1), 2, GAMMA, BETA, axis=1).numpy()
    np.testing.assert_allclose(first.transpose(0, 2, 1), av.nn.group_norm(X, 2, GAMMA, BETA).numpy(), rtol=1e-12)


def test_equal_values_give_the_shift_and_finite_gradients():
    x = av.Tensor(np.full((3, 4), 5.0))
    for f in (
        lambda x: av.nn.layer_norm(x, GAMMA, BETA), lambda x: av.nn.batch_norm_train(x, GAMMA, BETA)[0],
        lambda x: av.nn.group_norm(x, 2, GAMMA, BETA),
    ):  # fmt: skip
        g = av.grad(lambda x, f=f: (f(x) * X[0]).sum())(x)
        np.testing.assert_allclose(f(x).numpy(), np.broadcast_to(BETA, (3, 4)))
        assert np.isfinite(g.numpy()).all()


# ---------------------------------------------------------------- batch norm


def test_training_and_inference_agree():
    y, mean, variance = av.nn.batch_norm_train(X, GAMMA, BETA)
    np.testing.assert_allclose(mean.numpy(), X.mean((0, 1)), rtol=1e-14)
    np.testing.assert_allclose(variance.numpy(), X.var((0, 1)), rtol=1e-14)
    np.testing.assert_allclose(av.nn.batch_norm(X, GAMMA, BETA, mean, variance).numpy(), y.numpy(), rtol=1e-13)
    np.testing.assert_allclose(av.nn.batch_norm(X, GAMMA, BETA, mean, variance, 1e-5).numpy(), y.numpy(), rtol=1e-13)


def test_gradients_through_the_statistics_alone():
    x, gamma = av.Tensor(X), av.Tensor(GAMMA)
    with av.GradientTape(persistent=True) as tape:
        tape.watch([x, gamma])
        _, mean, variance = av.nn.batch_norm_train(x, gamma)
        loss = (mean * BETA).sum() + (variance * GAMMA).sum()
        same = (av.mean(x, (0, 1)) * BETA).sum() + (av.var(x, (0, 1)) * GAMMA).sum()
    np.testing.assert_allclose(tape.gradient(loss, x).numpy(), tape.gradient(same, x).numpy(), rtol=1e-12)
    assert not np.any(tape.gradient(loss, gamma, unconnected_gradients="zero").numpy())
    of_mean = tape.gradient(mean, x).numpy()
    np.testing.assert_allclose(of_mean, np.full(X.shape, 1 / 6), rtol=1e-14)
    np.testing.assert_allclose(tape.gradient(variance, x).numpy(), (X - X.mean((0, 1))) / 3, rtol=1e-12)


def test_running_averages(seed):
    mean, variance = av.Variable(np.zeros(4), trainable=False), av.Variable(np.ones(4), trainable=False)
    for _ in range(200):
        _, m, v = av.nn.batch_norm_train(X)
        mean.assign(0.9 * mean + 0.1 * m)
        variance.assign(0.9 * variance + 0.1 * v)
    y = av.nn.batch_norm(X, None, None, mean, variance).numpy()
    np.testing.assert_allclose(y.mean((0, 1)), 0.0, atol=1e-6)
    np.testing.assert_allclose(y.std((0, 1)), 1.0, atol=1e-4)


def test_a_frozen_layer_still_passes_gradients():
    x, mean = av.Tensor(X), av.Variable(np.zeros(4), trainable=False)
    with av.GradientTape() as tape:
        tape.watch(x)
        y = av.nn.batch_norm(x, GAMMA, None, mean, np.full(4, 3.0), eps=1.0)
    np.testing.assert_allclose(tape.gradient(y, x).numpy(), np.broadcast_to(GAMMA / 2, X.shape), rtol=1e-14)


# ---------------------------------------------------------------- rms, length, moments


def test_rms_norm_takes_the_epsilon_of_the_dtype():
    tiny = np.full(4, 1e-4, np.float32)
    want = 1e-4 / np.sqrt(1e-8 + np.finfo(np.float32).eps)
    np.testing.assert_allclose(av.nn.rms_norm(tiny).numpy(), want, rtol=1e-6)
    np.testing.assert_allclose(av.nn.rms_norm(tiny.astype(float)).numpy(), 1.0, rtol=1e-6)
    both = av.nn.rms_norm(X, np.ones((3, 4)), axis=(1, 2)).numpy()
    np.testing.assert_allclose((both**2).mean((1, 2)), 1.0, rtol=1e-12)


def test_rms_norm_of_large_arrays_in_pieces():
    x, gamma = RNG.normal(size=(3000, 64)), RNG.normal(size=64)
    slope = av.grad(lambda x: (av.nn.rms_norm(x, gamma) ** 3).sum())
    whole = slope(x).numpy()
    for part in (slice(0, 100), slice(2900, 3000)):
        np.testing.assert_allclose(whole[part], slope(x[part]).numpy(), rtol=1e-12)


def test_the_length_of_zero():
    x = av.Tensor(np.array([[0.0, 0.0], [3.0, 4.0]]))
    with av.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = av.nn.l2_normalize(x, eps=1e-3)
        g = tape.gradient(y, x)
    assert y.tolist() == [[0.0, 0.0], [0.6, 0.8]]
    np.testing.assert_allclose(g.numpy()[0], 1e3)
    assert np.isfinite(tape.gradient(g, x).numpy()).all()
    np.testing.assert_allclose(av.nn.l2_normalize(x, axis=None).numpy(), x.numpy() / 5)


def test_moments():
    mean, variance = av.nn.moments(X, axis=(0, -1), keepdims=True)
    assert mean.shape == variance.shape == (1, 3, 1)
    np.testing.assert_allclose(variance.numpy(), X.var((0, 2), keepdims=True), rtol=1e-13)
    mean, variance = av.nn.moments(av.Variable([1.0, 3.0]))
    assert (mean.item(), variance.item(), mean.dtype) == (2.0, 1.0, np.float32)


# ---------------------------------------------------------------- errors


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: av.nn.group_norm(X, 3), "group_norm: 3 groups do not divide the 4 channels"),
        (lambda: av.nn.group_norm(X, 0), "group_norm: 0 groups"),
        (lambda: av.nn.group_norm(X, 2, axis=0), "group_norm: the channels .* cannot be on axis 0"),
        (lambda: av.nn.group_norm(X, 2, np.ones(3)), r"group_norm: gamma \(3,\) and beta \(4,\) must have"),
        (lambda: av.nn.instance_norm(X[0]), "instance_norm: x .* has nothing to take a mean over"),
        (lambda: av.nn.batch_norm(X, None, None, np.zeros(3), np.ones(4)), r"batch_norm: mean \(3,\) and"),
        (lambda: av.nn.batch_norm_train(X, None, np.ones((1, 4))), r"batch_norm_train: gamma \(4,\) and beta \(1, 4\)"),
        (lambda: av.nn.batch_norm_train(X[0, 0]), "batch_norm_train: x .* has no axis but those of the channels"),
        (lambda: av.nn.batch_norm_train(X[:0]), "no values"),
        (lambda: av.nn.rms_norm(X, np.ones(3)), r"rms_norm: gamma \(3,\) must have shape \(4,\)"),
        (lambda: av.nn.moments(X[:0], 0), "moments: there are no values"),
        (lambda: av.nn.layer_norm(X, axis=(2, -1)), "an axis is repeated"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_complex_numbers_are_refused():
    for function, words in ((av.nn.moments, "av.mean and av.var"), (av.nn.l2_normalize, "norm")):
        with pytest.raises(TypeError, match=words):
            function(X * 1j)
