"""grad, value_and_grad, vjp, jvp, jacobian, hessian, hvp, ravel: values, nesting, structure, refusals."""

from collections import namedtuple

import numpy as np
import pytest

import autograd_vs as av

RNG = np.random.default_rng(0)
X = RNG.normal(size=3)


def smooth(x):
    return np.sum(np.tanh(x) * np.exp(x * 0.5)) * np.sum(x * x)


def differences(f, x, step=1e-6):
    """Central differences of `f` along each element of `x`, on the last axis."""
    columns = []
    for i in range(x.size):
        d = np.zeros(x.size)
        d[i] = step
        d = d.reshape(x.shape)
        columns.append((np.asarray(f(x + d)) - np.asarray(f(x - d))) / (2 * step))
    return np.stack(columns, -1)


# ---------------------------------------------------------------- first order


def test_python_floats_are_float64():
    g = av.grad(np.sin)(1.0)
    assert isinstance(g, av.Tensor) and g.dtype == np.float64 and g.shape == ()
    assert g.item() == np.cos(1.0)


@pytest.mark.parametrize(
    "x",
    [
        X, X.astype(np.float32), av.Tensor(X), [1.0, 2.0], {"a": 1.0, "b": (X, [av.Tensor(2.0)])},
        namedtuple("Pair", "w b")(X, 1.0), np.float64(2.0),
    ],
)  # fmt: skip
def test_the_gradient_has_the_structure_of_the_argument(x):
    from autograd_vs.base.nest import flatten, map_nest

    def f(x):
        return sum(np.sum(leaf * leaf) for leaf in flatten(x))

    g = av.grad(f)(x)
    assert type(g) is (type(x) if isinstance(x, (list, tuple, dict)) else av.Tensor)
    for leaf, given in zip(flatten(g), flatten(map_nest(lambda v: v, x)), strict=True):
        given = given.numpy() if isinstance(given, av.Tensor) else np.asarray(given)
        assert isinstance(leaf, av.Tensor) and leaf.dtype == given.dtype
        np.testing.assert_array_equal(leaf.numpy(), 2 * given)


def test_a_variable_as_argument():
    v = av.Variable([1.0, 2.0])
    value, g = av.value_and_grad(lambda x: np.sum(x * x))(v)
    v.assign([5.0, 5.0])
    assert value.item() == 5.0
    assert g.tolist() == [2.0, 4.0] and g.dtype == np.float32


def test_argnums():
    def f(a, b, *, scale):
        return a * b * b * scale

    assert av.grad(f)(2.0, 3.0, scale=1.0).item() == 9.0
    assert av.grad(f, 1)(2.0, 3.0, scale=2.0).item() == 24.0
    assert av.grad(f, -1)(2.0, 3.0, scale=1.0).item() == 12.0
    assert [g.item() for g in av.grad(f, (1, 0))(2.0, 3.0, scale=1.0)] == [12.0, 9.0]
    assert len(av.grad(f, (1,))(2.0, 3.0, scale=1.0)) == 1
    with pytest.raises(TypeError, match="f got 2 positional arguments"):
        av.grad(f, 2)(2.0, 3.0, scale=1.0)
    with pytest.raises(ValueError, match="twice"):
        av.grad(f, (0, -2))(2.0, 3.0, scale=1.0)


def test_the_other_arguments_come_through_untouched():
    marker = object()
    seen = []
    av.grad(lambda x, m, k=None: seen.extend([m, k]) or x * x)(1.0, marker, k=3)
    assert seen == [marker, 3]


def test_has_aux():
    (y, aux), g = av.value_and_grad(lambda x: (x * x, "more"), has_aux=True)(3.0)
    assert (y.item(), aux, g.item()) == (9.0, "more", 6.0)
    g, aux = av.grad(lambda x: (x * x, x), has_aux=True)(3.0)
    assert aux.item() == 3.0
    with pytest.raises(TypeError, match="pair"):
        av.grad(lambda x: x * x, has_aux=True)(3.0)
    y, pullback, aux = av.vjp(lambda x: (x * x, 7), 3.0, has_aux=True)
    assert aux == 7 and pullback()[0].item() == 6.0


def test_no_path_gives_zeros():
    assert av.grad(lambda a, b: a * 1.0, 1)(av.Tensor(1.0), X).tolist() == [0.0, 0.0, 0.0]
    assert av.hessian(lambda x: np.sum(x))(X).tolist() == np.zeros((3, 3)).tolist()
    assert av.jvp(lambda x: np.floor(x) * 1.0, (X,), (X,))[1].tolist() == [0.0, 0.0, 0.0]


def test_names_and_docstrings_stay():
    assert av.grad(smooth).__name__ == "smooth"
    assert av.grad(np.sin)(0.0).item() == 1.0  # a ufunc has no module


@pytest.mark.parametrize(
    ("f", "x", "error", "words"),
    [
        (np.sin, 1, TypeError, "int64.*2.0 for 2"),
        (np.sin, np.arange(3), TypeError, "only float and complex"),
        (lambda x: x, {"a": None}, TypeError, "argument 0 .* no array of numbers"),
        (lambda x: x, "text", TypeError, "no array of numbers"),
        (lambda x: x * 2.0, X, ValueError, "jacobian or vjp"),
        (lambda x: (x, x), 1.0, TypeError, "has_aux"),
        (lambda x: 3.0, 1.0, TypeError, "no Tensor"),
        (lambda x: x.item(), 1.0, TypeError, "carries no derivative"),
        (lambda x: np.argmax(x), X, TypeError, "int64"),
        (lambda x: x * 1j, 1.0, TypeError, "real output"),
    ],
)
def test_refusals(f, x, error, words):
    with pytest.raises(error, match=words):
        av.grad(f)(x)


def test_nothing_stays_open_when_the_function_raises():
    def bad(x):
        raise KeyError("inside")

    for transform in (av.grad, av.jacobian, av.hessian):
        with pytest.raises(KeyError):
            transform(bad)(1.0)
    with pytest.raises(KeyError):
        av.jvp(bad, 1.0, 1.0)  # the seals in conftest.py look for what is left open


def test_complex_arguments_follow_tensorflow_and_pytorch():
    z = np.array([1.0 + 2.0j, -0.5j])
    g = av.grad(lambda z: np.sum((z * np.conj(z)).real))(z)
    np.testing.assert_allclose(g.numpy(), 2 * z)
    g = av.grad(lambda z: np.sum((z * z).real))(z)
    np.testing.assert_allclose(g.numpy(), 2 * np.conj(z))


# ---------------------------------------------------------------- vjp, jvp


def test_pullback_several_times_and_later():
    y, pullback = av.vjp(lambda a, b: (a * b, a + b), X, 2.0)
    assert len(y) == 2
    for scale in (1.0, 3.0):
        ga, gb = pullback((np.ones(3) * scale, np.zeros(3)))
        np.testing.assert_allclose(ga.numpy(), 2.0 * scale * np.ones(3))
        assert gb.item() == pytest.approx(scale * X.sum())
    assert [g.shape for g in pullback()] == [(3,), ()]
    with pytest.raises(ValueError, match="output_gradients"):
        pullback(np.ones(3))


def test_a_pullback_is_linear_and_differentiable_in_its_argument():
    _, pullback = av.vjp(np.tanh, X)
    matrix = av.jacobian(lambda g: pullback(g)[0])(np.ones(3))
    np.testing.assert_allclose(matrix.numpy(), np.diag(1 - np.tanh(X) ** 2))


def test_jvp_is_the_jacobian_times_the_tangent():
    def f(x, w):
        return np.tanh(x @ w), np.sum(x)

    w, dx, dw = RNG.normal(size=(3, 2)), RNG.normal(size=3), RNG.normal(size=(3, 2))
    (y, _), (ty, ts) = av.jvp(f, (X, w), (dx, dw))
    step = 1e-6
    up, down = f(X + step * dx, w + step * dw), f(X - step * dx, w - step * dw)
    np.testing.assert_allclose(y.numpy(), f(X, w)[0])
    np.testing.assert_allclose(ty.numpy(), (up[0] - down[0]) / (2 * step), rtol=1e-8)
    assert ts.item() == pytest.approx(dx.sum())


def test_jvp_takes_a_single_argument_without_a_tuple():
    assert av.jvp(np.sin, 0.0, 2.0)[1].item() == 2.0
    y, t = av.jvp(lambda p: p["a"] * p["b"], {"a": 2.0, "b": 3.0}, {"a": 1.0, "b": 0.0})
    assert (y.item(), t.item()) == (6.0, 3.0)
    with pytest.raises(ValueError, match="tangent"):
        av.jvp(np.sin, (X,), (1.0,))
    with pytest.raises(ValueError, match="2 tangents"):
        av.jvp(np.sin, (X,), (X, X))


def test_vjp_and_jvp_agree():
    def f(x):
        return np.cumsum(np.exp(x) * x)

    t, g = RNG.normal(size=3), RNG.normal(size=3)
    forward = av.jvp(f, X, t)[1].numpy() @ g
    reverse = av.vjp(f, X)[1](g)[0].numpy() @ t
    assert forward == pytest.approx(reverse, rel=1e-12)


# ---------------------------------------------------------------- matrices


@pytest.mark.parametrize("mode", [None, "forward", "reverse"])
@pytest.mark.parametrize("outputs", [1, 2, 5])
def test_jacobian(mode, outputs):
    w = RNG.normal(size=(3, outputs))

    def f(x):
        return np.tanh(x @ w) * np.sum(x)

    found = av.jacobian(f, mode=mode)(X)
    assert found.shape == (outputs, 3)
    np.testing.assert_allclose(found.numpy(), differences(f, X), rtol=1e-7, atol=1e-8)


def test_jacobian_picks_forward_mode_where_outputs_outnumber_inputs():
    runs = []

    def f(x, n):
        runs.append(1)
        return np.tanh(x)[None] * np.ones((n, 1))

    for n, want in ((1, 1), (4, 1 + 3)):  # once, or once more for each input
        runs.clear()
        assert av.jacobian(f)(X, n).shape == (n, 3, 3)
        assert len(runs) == want
    runs.clear()
    av.jacobian(f, mode="reverse")(X, 4)
    assert len(runs) == 1
    with pytest.raises(ValueError, match="mode"):
        av.jacobian(f, mode="backwards")


def test_jacobian_of_nests():
    def f(p, s):
        return {"y": p["a"] * s, "z": [np.sum(p["a"]) * p["b"]]}

    for mode in (None, "forward", "reverse"):
        found = av.jacobian(f, (0, 1), mode=mode)({"a": X, "b": 2.0}, 3.0)
        (ya, ys), (za, zs) = found["y"], found["z"][0]
        np.testing.assert_allclose(ya["a"].numpy(), 3.0 * np.eye(3))
        assert ya["b"].tolist() == [0.0, 0.0, 0.0]
        np.testing.assert_allclose(ys.numpy(), X)
        np.testing.assert_allclose(za["a"].numpy(), [2.0, 2.0, 2.0])
        assert za["b"].item() == pytest.approx(X.sum()) and zs.item() == 0.0


def test_jacobian_keeps_dtypes_and_takes_empty_arrays():
    assert av.jacobian(lambda x: np.concatenate([x, x]))(X.astype(np.float32)).dtype == np.float32
    assert av.jacobian(lambda x: np.concatenate([x, np.ones(2)]))(np.zeros(0)).shape == (2, 0)
    assert av.jacobian(lambda x: x[:0], mode="reverse")(X).shape == (0, 3)


def test_jacobian_with_complex_values():
    found = av.jacobian(lambda x: np.exp(1j * x))(np.array([0.5, 1.0]))
    np.testing.assert_allclose(found.numpy(), np.diag(1j * np.exp(1j * np.array([0.5, 1.0]))))
    z = np.array([1.0 + 2.0j])
    np.testing.assert_allclose(av.jacobian(lambda z: z * z)(z).numpy(), [np.conj(2 * z)])
    with pytest.raises(TypeError, match="reverse"):
        av.jacobian(lambda z: z * z, mode="forward")(z)


# ---------------------------------------------------------------- higher orders


def test_third_derivative_of_sin():
    third = av.grad(av.grad(av.grad(np.sin)))
    for x in (-1.0, 0.0, 0.3):
        assert third(x).item() == pytest.approx(-np.cos(x), rel=1e-14)


def test_fourth_derivative_in_any_mixture():
    def reverse(f):
        return av.grad(f)

    def forward(f):
        return lambda x: av.jvp(f, x, 1.0)[1]

    def f(x):
        return np.exp(x * x)

    want = None
    for pattern in range(16):
        g = f
        for bit in range(4):
            g = reverse(g) if pattern >> bit & 1 else forward(g)
        value = g(0.4).item()
        want = want or value
        assert value == pytest.approx(want, rel=1e-12), f"{pattern:04b}"
    x = 0.4
    assert want == pytest.approx((16 * x**4 + 48 * x**2 + 12) * np.exp(x * x), rel=1e-12)


def test_hessian_against_differences():
    h = av.hessian(smooth)(X).numpy()
    np.testing.assert_allclose(h, h.T, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(h, differences(lambda x: av.grad(smooth)(x).numpy(), X), rtol=1e-7, atol=1e-8)
    by_forward = av.jacobian(av.grad(smooth), mode="forward")(X).numpy()
    np.testing.assert_allclose(h, by_forward, rtol=1e-12, atol=1e-13)


def test_hessian_of_several_arguments():
    def f(a, b):
        return np.sum(a * a) * b + b * b * b

    (aa, ab), (ba, bb) = av.hessian(f, (0, 1))(X, 2.0)
    np.testing.assert_allclose(aa.numpy(), 4.0 * np.eye(3))
    np.testing.assert_allclose(ab.numpy(), 2 * X)
    np.testing.assert_allclose(ba.numpy(), 2 * X)
    assert bb.item() == pytest.approx(12.0)


def test_hvp():
    v = RNG.normal(size=3)
    want = av.hessian(smooth)(X).numpy() @ v
    np.testing.assert_allclose(av.hvp(smooth, (X,), (v,))[0].numpy(), want, rtol=1e-12)
    np.testing.assert_allclose(av.hvp(smooth, X, v).numpy(), want, rtol=1e-12)
    a, b = av.hvp(lambda a, b: np.sum(a * a) * b, [X, 2.0], [v, 1.0])
    np.testing.assert_allclose(a.numpy(), 4.0 * v + 2.0 * X)
    assert b.item() == pytest.approx(2.0 * X @ v)


def test_no_confusion_between_levels():
    """The inner derivative sees the outer variable as a constant (Siskind and Pearlmutter, 2005)."""
    for inner in (lambda f: av.grad(f), lambda f: lambda x: av.jvp(f, x, 1.0)[1]):
        for outer in (lambda f: av.grad(f), lambda f: lambda x: av.jvp(f, x, 1.0)[1]):
            assert outer(lambda x, d=inner: x * d(lambda y: x + y)(x))(3.0).item() == 1.0
            assert outer(lambda x, d=inner: x * d(lambda y: x * y)(2.0))(3.0).item() == 6.0


def test_inside_a_tape():
    w = av.Variable(np.array([1.0, 2.0]), name="w")
    with av.GradientTape() as tape:
        slope = av.grad(lambda x: np.sum(np.sin(x * w)))(np.array([0.5, 0.25]))
        loss = np.sum(slope * slope)
    g = tape.gradient(loss, w)

    def expected(w):
        x = np.array([0.5, 0.25])
        return np.sum((w * np.cos(w * x)) ** 2)

    np.testing.assert_allclose(g.numpy(), differences(expected, np.array([1.0, 2.0])), rtol=1e-8)


def test_a_variable_as_argument_inside_a_tape():
    w = av.Variable(np.array([1.0, 2.0]))
    with av.GradientTape() as tape:
        loss = np.sum(av.grad(lambda v: np.sum(v * v * v))(w))
    np.testing.assert_allclose(tape.gradient(loss, w).numpy(), [6.0, 12.0])


def test_a_tape_inside_a_transform():
    def f(x):
        with av.GradientTape() as tape:
            tape.watch(x)
            y = x * x * x
        return tape.gradient(y, x)

    assert av.grad(f)(2.0).item() == 12.0
    assert av.jvp(f, 2.0, 1.0)[1].item() == 12.0


def test_raw_arguments_may_change_afterwards():
    x = X.copy()
    _, pullback = av.vjp(lambda x: x * x, x)
    x[:] = 100.0
    np.testing.assert_allclose(pullback()[0].numpy(), 2 * X)


def test_memory_goes_without_the_garbage_collector():
    import gc
    import weakref

    kept = []

    def f(x):
        t = np.tanh(x)
        kept.append(weakref.ref(t))
        return np.sum(t * t)

    gc.disable()
    try:
        av.grad(f)(X)
        av.hvp(f, X, X)
        assert all(r() is None for r in kept)
    finally:
        gc.enable()


# ---------------------------------------------------------------- ravel


def test_ravel_there_and_back():
    v = av.Variable(np.ones((2, 2), np.float32))
    nest = {"v": v, "rest": (X, [2.0])}
    flat, unravel = av.ravel(nest)
    assert flat.dtype == np.float64 and type(flat) is np.ndarray
    np.testing.assert_array_equal(flat, [1, 1, 1, 1, *X, 2.0])
    back = unravel(flat)
    flat[:] = 0.0  # scipy writes into its vectors
    assert back["v"].dtype == np.float32 and back["v"].shape == (2, 2) and back["v"].numpy().all()
    np.testing.assert_array_equal(back["rest"][0].numpy(), X)
    assert back["rest"][1][0].item() == 2.0


def test_unravel_is_differentiable():
    flat, unravel = av.ravel({"a": X, "b": 2.0})
    g = av.grad(lambda flat: np.sum(unravel(flat)["a"]) * unravel(flat)["b"])(flat)
    np.testing.assert_allclose(g.numpy(), [2.0, 2.0, 2.0, X.sum()])


def test_ravel_refusals():
    _, unravel = av.ravel([X])
    with pytest.raises(ValueError, match=r"\(3,\), got \(4,\)"):
        unravel(np.zeros(4))
    for nest, words in (({"a": None}, "unconnected_gradients"), ([1], "int64"), ([1j], "complex")):
        with pytest.raises(TypeError, match=words):
            av.ravel(nest)
    v = av.Variable([1.0])
    with av.GradientTape(), pytest.raises(TypeError, match="ravel would drop the gradient"):
        av.ravel([v])


def test_ravel_of_row_gradients():
    table = av.Variable(np.ones((3, 1)))
    with av.GradientTape() as tape:
        y = av.nn.embedding_lookup(table, np.array([1, 1]))
    assert av.ravel([tape.gradient(y, table)])[0].tolist() == [0.0, 2.0, 0.0]
