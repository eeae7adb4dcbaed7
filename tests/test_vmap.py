"""vmap: against a loop by hand, through gradients in both directions, and what it says when something does not fit."""

import numpy as np
import pytest

import autograd_vs as av
from autograd_vs.testing import check_gradients

RNG = np.random.default_rng(11)
X, Y, W = RNG.normal(size=(4, 3)), RNG.normal(size=(3, 4)), RNG.normal(size=3)


def test_axes_of_arguments_and_results():
    want = np.stack([np.outer(x, y) for x, y in zip(X, Y.T, strict=True)], axis=-1)
    for axes in ((0, 1), [0, -1], (-2, 1)):
        np.testing.assert_allclose(av.vmap(np.outer, axes, out_axes=-1)(av.Tensor(X), Y).numpy(), want)
    np.testing.assert_allclose(av.vmap(np.outer, (0, 1), 1)(X, av.Variable(Y)).numpy(), np.moveaxis(want, -1, 1))
    np.testing.assert_allclose(av.vmap(np.dot, in_axes=(0, None))(X, W).numpy(), X @ W)
    np.testing.assert_allclose(av.vmap(av.vmap(np.multiply, (0, None)), (None, 0))(W, W).numpy(), np.outer(W, W))
    np.testing.assert_allclose(av.vmap(lambda x, s: x * s, (0, None))(X, 2.0).numpy(), X * 2)


def test_nests():
    def f(state, x, scale=1.0):
        assert state["name"] == "a" and state["b"][0].shape == (3,) and x.shape == (3,)
        return {"sum": state["b"][0] + x * scale, "pair": (state["b"][1], 7.0)}

    state = {"b": [X, np.arange(4)], "name": "a"}
    axes = ({"name": None, "b": [0, 0]}, 1)
    y = av.vmap(f, axes, out_axes={"sum": 1, "pair": 0})(state, Y, scale=2.0)
    np.testing.assert_allclose(y["sum"].numpy(), (X + 2 * Y.T).T)
    assert y["pair"][0].numpy().tolist() == [0, 1, 2, 3] and y["pair"][1].numpy().tolist() == [7] * 4
    a, b, nothing = av.vmap(lambda x: (x, [x.sum(), 1], None), out_axes=(0, [0, None], 0))(X)
    assert a.shape == (4, 3) and b[0].shape == (4,) and b[1].item() == 1 and nothing is None


def test_the_gradient_goes_through():
    def f(x, w, y):
        return np.sin(x) @ w + y**2

    check_gradients(lambda x, w, y: av.vmap(f, (0, None, 1))(x, w, y), [X, W, Y])
    w = av.Variable(W)
    with av.GradientTape() as tape:
        loss = av.vmap(lambda x: np.exp(x @ w))(X).sum()
    np.testing.assert_allclose(tape.gradient(loss, w).numpy(), np.exp(X @ W) @ X)
    _, tangent = av.jvp(lambda x: av.vmap(lambda r: (r * r).sum())(x), (X,), (X,))
    np.testing.assert_allclose(tangent.numpy(), 2 * (X * X).sum(1))


def test_grad_jacobian_and_hessian_of_each_example():
    each = av.vmap(av.grad(lambda w, x: np.tanh(x @ w)), in_axes=(None, 0))(W, X)
    np.testing.assert_allclose(each.numpy(), (1 - np.tanh(X @ W)[:, None] ** 2) * X)
    np.testing.assert_allclose(av.vmap(av.jacobian(lambda x: x * x))(X).numpy(), np.stack([np.diag(2 * x) for x in X]))
    np.testing.assert_allclose(av.vmap(av.hessian(lambda x: (x**3).sum()))(X)[2].numpy(), np.diag(6 * X[2]))
    value, g = av.vmap(av.value_and_grad(lambda x: (x * x).sum()))(X)
    np.testing.assert_allclose(value.numpy(), (X * X).sum(1))
    np.testing.assert_allclose(g.numpy(), 2 * X)
    # and the gradient of those gradients
    check_gradients(lambda w, x: av.vmap(av.grad(lambda v, r: np.tanh(r @ v)), (None, 0))(w, x), [W, X])


def test_results_without_a_new_axis():
    w = av.Variable(W)
    with av.GradientTape() as tape:
        y, norm = av.vmap(lambda x: (x @ w, w @ w), out_axes=(0, None))(X)
    assert y.shape == (4,) and norm.shape == ()
    np.testing.assert_allclose(tape.gradient(norm, w).numpy(), 2 * W)
    i, total = av.vmap(lambda i: (i + 1, w @ w), out_axes=(0, None))(np.arange(3))
    assert i.numpy().tolist() == [1, 2, 3] and total.shape == ()
    outer = av.grad(lambda v: av.vmap(lambda x: (x * v, v * v), out_axes=(0, None))(X)[1])(3.0)
    assert outer.item() == 6
    same = np.ones((4, 3))  # equal slices, and yet a result that depends on them
    for f, x in ((np.sum, same), (lambda x: x, same), (np.argmax, np.eye(3)), (lambda x: [2.0, x[0] > 0], X)):
        with pytest.raises(ValueError, match="out_axes is None for a result that depends on the slice"):
            av.vmap(f, out_axes=None)(x)


def test_dtypes_stay():
    y = av.vmap(lambda x: x * 2)(X.astype(np.float32))
    assert y.dtype == np.float32 and av.vmap(np.argmax)(X).dtype.kind == "i"
    assert av.vmap(lambda z: z.real)(X + 1j).dtype == np.float64
    assert av.vmap(np.sum).__name__ == "sum"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: av.vmap(np.add)(X, Y), r"add: sizes differ: 4 along axis 0 of shape \(4, 3\), 3 .* of shape \(3, 4\)"),
        (lambda: av.vmap(np.sum)(2.0), r"shape \(\) and no axis 0; in_axes=None"),
        (lambda: av.vmap(np.sum, 2)(X), r"shape \(4, 3\) and no axis 2"),
        (lambda: av.vmap(np.sum, None)(X), "no argument is cut"),
        (lambda: av.vmap(np.sum)(), "no argument is cut"),
        (lambda: av.vmap(np.sum)(np.zeros((0, 2))), "no slices"),
        (lambda: av.vmap(np.add, (0,))(X, X), r"in_axes: \[0\] does not fit 2 values"),
        (lambda: av.vmap(lambda d: d["a"], ({"b": 0},))({"a": X}), "does not fit a dict of 'a'"),
        (lambda: av.vmap(lambda x: (x, x), out_axes=(0, 0, 0))(X), "out_axes: .* does not fit 2 values"),
        (lambda: av.vmap(lambda x: x[x > 0])(X), r"a result has shape \(\d,\) for slice 0"),
        (lambda: av.vmap(lambda x: x if x[0] > X[0, 0] else (x, x))(np.sort(X, 0)), "differ in structure"),
    ],
)
def test_what_does_not_fit(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_results_that_are_no_numbers():
    with pytest.raises(TypeError, match="array of numbers"):
        av.vmap(lambda x: "text")(X)
