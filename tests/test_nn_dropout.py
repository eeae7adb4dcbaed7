"""Dropout of whole channels, alpha_dropout, one_hot."""

import numpy as np
import pytest

import autograd_vs as av


def test_noise_of_another_shape(seed):
    x = av.Tensor(np.ones((4, 3, 3, 50), np.float32))
    with av.GradientTape() as tape:
        tape.watch(x)
        y = av.nn.dropout(x, 0.5, training=True, noise_shape=(None, 1, 1, None))
    values = y.numpy()
    assert y.shape == x.shape and y.dtype == np.float32
    assert (values == values[:, :1, :1]).all() and set(np.unique(values)) == {0.0, 2.0}
    assert (tape.gradient(y, x).numpy() == values).all()
    same = av.nn.dropout(x, 0.5, training=True, noise_shape=(4, 3, 3, 50)).numpy()
    assert not (same == same[:, :1, :1]).all()


@pytest.mark.parametrize("shape", [(4,), (1, 2), (3, 4, 1)])
@pytest.mark.parametrize("training", [True, False])
def test_noise_that_does_not_fit(shape, training):
    with pytest.raises(ValueError, match=r"noise_shape .* does not fit x of shape \(3, 4\)"):
        av.nn.dropout(np.ones((3, 4)), 0.5, training=training, noise_shape=shape)


def test_alpha_dropout_keeps_mean_and_variance(seed):
    av.random.set_seed(1)
    x = av.Tensor(np.random.default_rng(0).normal(size=200_000))
    with av.GradientTape() as tape:
        tape.watch(x)
        y = av.nn.alpha_dropout(x, 0.3, training=True)
    values, g = y.numpy(), tape.gradient(y, x).numpy()
    assert abs(values.mean()) < 0.01 and abs(values.std() - 1.0) < 0.01
    dropped = g == 0
    assert abs(dropped.mean() - 0.3) < 0.01
    # PyTorch's formula: a * (x or -1.7581) + b
    low = 1.7580993408473766
    a = ((low**2 * 0.3 + 1.0) * 0.7) ** -0.5
    np.testing.assert_allclose(g[~dropped], a, rtol=1e-14)
    np.testing.assert_allclose(values[dropped], -low * a + low * a * 0.3, rtol=1e-12)
    np.testing.assert_allclose(values[~dropped], (a * x.numpy() + low * a * 0.3)[~dropped], rtol=1e-12, atol=1e-15)


def test_alpha_dropout_at_its_ends(seed):
    x = av.Tensor(np.ones(5, np.float32))
    assert av.nn.alpha_dropout(x, 0.5, training=False) is x and av.nn.alpha_dropout(x, 0.0, training=True) is x
    assert av.nn.alpha_dropout(x, 0.5, training=True).dtype == np.float32
    assert av.nn.alpha_dropout(x, 1.0, training=True).tolist() == [0.0] * 5
    with pytest.raises(ValueError, match="alpha_dropout: rate"):
        av.nn.alpha_dropout(x, 2.0, training=True)
    with pytest.raises(TypeError, match="training"):
        av.nn.alpha_dropout(x, 0.5)


# ---------------------------------------------------------------- one_hot


def test_one_hot():
    y = av.nn.one_hot([2, 0], 3)
    assert y.dtype == np.float32 and y.tolist() == [[0, 0, 1], [1, 0, 0]]
    assert av.nn.one_hot(1, 2).tolist() == [0.0, 1.0]
    ids = av.Tensor(np.array([[0, 1], [2, 1]]))
    for axis, where in ((0, 0), (1, 1), (-1, 2), (-2, 1)):
        want = np.moveaxis(np.eye(3)[ids.numpy()], -1, where)
        assert (av.nn.one_hot(ids, 3, axis=axis).numpy() == want).all()
    smooth = av.nn.one_hot(np.array([1]), 3, on_value=0.8, off_value=0.1, dtype="float64")
    assert smooth.tolist() == [[0.1, 0.8, 0.1]]
    assert av.nn.one_hot(np.array([1, 0]), 2, bool).tolist() == [[False, True], [True, False]]


def test_a_number_that_is_no_class_has_no_element_on():
    assert av.nn.one_hot(np.array([-1, 3, 1]), 3).numpy().sum(-1).tolist() == [0.0, 0.0, 1.0]
    assert av.nn.one_hot(np.array([200], np.uint8), 300).numpy()[0].argmax() == 200
    assert av.nn.one_hot([], 3).shape == (0, 3)


def test_one_hot_refuses_what_are_no_class_numbers():
    with pytest.raises(TypeError, match="one_hot: ids must be integers, got dtype float64"):
        av.nn.one_hot(np.array([1.0]), 3)
    with pytest.raises(np.exceptions.AxisError):
        av.nn.one_hot(np.array([1]), 3, axis=2)


def test_one_hot_labels_are_those_of_the_loss():
    logits, labels = np.random.default_rng(0).normal(size=(4, 3)), np.array([0, 2, 1, 1])
    by_vector = av.nn.softmax_cross_entropy(logits, av.nn.one_hot(labels, 3))
    np.testing.assert_allclose(by_vector.numpy(), av.nn.softmax_cross_entropy(logits, labels).numpy(), rtol=1e-6)
