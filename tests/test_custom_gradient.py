"""custom_gradient and recompute_grad: every promise of their docstrings."""

import gc
import tracemalloc
import weakref

import numpy as np
import pytest

import autograd_vs as av
from autograd_vs.engine import record
from autograd_vs.testing import check_gradients

X = np.array([0.3, -0.7, 1.1])


@av.custom_gradient
def log1pexp(x):
    e = np.exp(x)

    def grad_fn(g):
        return g * (1.0 - 1.0 / (1.0 + e))

    return np.log(1.0 + e), grad_fn


@av.custom_gradient
def times(a, b, power=1):
    """A wrong gradient on purpose, so that one sees whose it is."""

    def grad_fn(g):
        return g * 10.0, g * 100.0

    return a * b**power, grad_fn


# ---------------------------------------------------------------- values and orders


def test_first_order_is_grad_fns():
    with np.errstate(over="ignore"):
        assert av.grad(log1pexp)(1000.0).item() == 1.0
    x = av.Tensor(X)
    with av.GradientTape() as tape:
        tape.watch(x)
        y = log1pexp(x)
    np.testing.assert_allclose(tape.gradient(y, x).numpy(), 1 / (1 + np.exp(-X)))


def test_second_and_third_order_go_through_grad_fn():
    s = 1 / (1 + np.exp(-0.3))
    assert av.grad(av.grad(log1pexp))(0.3).item() == pytest.approx(s * (1 - s), rel=1e-12)
    third = av.grad(av.grad(av.grad(log1pexp)))(0.3).item()
    assert third == pytest.approx(s * (1 - s) * (1 - 2 * s), rel=1e-12)
    check_gradients(log1pexp, [X], order=2)


def test_forward_mode_follows_grad_fn():
    assert av.jvp(times, (2.0, 3.0), (1.0, 0.0))[1].item() == 10.0
    assert av.jvp(times, (2.0, 3.0), (1.0, 2.0))[1].item() == 210.0
    s = 1 / (1 + np.exp(-0.3))
    assert av.hvp(log1pexp, 0.3, 1.0).item() == pytest.approx(s * (1 - s), rel=1e-12)
    assert av.jvp(lambda x: av.jvp(log1pexp, x, 1.0)[1], 0.3, 1.0)[1].item() == pytest.approx(s * (1 - s), rel=1e-12)


def test_outside_of_a_tape():
    y = log1pexp(0.3)
    assert isinstance(y, av.Tensor) and y.item() == pytest.approx(np.log1p(np.exp(0.3)))
    assert y.op.type == "log1pexp"


def test_a_reversal_returns_its_argument_itself():
    @av.custom_gradient
    def reverse(x):
        return x, lambda g: -g

    assert av.grad(lambda x: reverse(x) * 2.0 + x)(1.0).item() == -1.0


def test_persistent_tapes_call_it_once_per_walk():
    calls = []

    @av.custom_gradient
    def f(a, b):
        def grad_fn(g):
            calls.append(1)
            return g * b, g * a

        return a * b, grad_fn

    a, b = av.Tensor(X), av.Tensor(2 * X)
    with av.GradientTape(persistent=True) as tape:
        tape.watch([a, b])
        y = f(a, b)
    for _ in range(3):
        calls.clear()
        ga, gb = tape.gradient(y, [a, b])
        assert len(calls) == 1
        np.testing.assert_allclose(ga.numpy(), 2 * X)
        np.testing.assert_allclose(gb.numpy(), X)
    np.testing.assert_allclose(tape.gradient(y, b).numpy(), X)
    np.testing.assert_allclose(tape.gradient(y, b, output_gradients=2 * X).numpy(), 2 * X * X)
    np.testing.assert_allclose(tape.gradient(y, a, output_gradients=2 * X).numpy(), 4 * X * X)


def test_several_outputs():
    seen = []

    @av.custom_gradient
    def f(x):
        def grad_fn(ga, gb):
            seen.append((ga.shape, gb.tolist()))
            return ga * 5.0 + gb * 7.0

        return {"a": x * 1.0, "b": np.sum(x)}, grad_fn

    assert av.grad(lambda x: np.sum(f(x)["a"]))(X).tolist() == [5.0, 5.0, 5.0]
    assert seen == [((3,), 0.0)]  # zeros where no gradient arrives
    np.testing.assert_allclose(av.grad(lambda x: np.sum(f(x)["a"]) * f(x)["b"])(X).numpy(), 12.0 * X.sum())
    np.testing.assert_allclose(av.jvp(f, X, np.ones(3))[1]["b"].numpy(), 7.0 * 3)


def test_complex_gradients_are_as_a_tape_returns_them():
    @av.custom_gradient
    def square(z):
        return z * z, lambda g: g * np.conj(2.0 * z)

    z = np.array([1.0 + 2.0j, 0.5 - 1.0j])
    plain = av.grad(lambda z: np.sum((z * z * (2.0 + 1.0j)).real))(z)
    custom = av.grad(lambda z: np.sum((square(z) * (2.0 + 1.0j)).real))(z)
    np.testing.assert_allclose(custom.numpy(), plain.numpy())
    np.testing.assert_allclose(av.jvp(square, z, z)[1].numpy(), 2 * z * z)


def test_gradients_take_the_dtype_of_the_argument():
    @av.custom_gradient
    def f(x):
        return x * 1.0, lambda g: g.astype(np.float64) * 2.0

    assert av.grad(lambda x: np.sum(f(x)))(X.astype(np.float32)).dtype == np.float32

    @av.custom_gradient
    def raw(x):
        return np.sum(x), lambda g: np.array([1.0, 2.0, 3.0])

    assert av.grad(raw)(X).tolist() == [1.0, 2.0, 3.0]


# ---------------------------------------------------------------- arguments


def test_keywords_work_in_any_order():
    with av.GradientTape(persistent=True) as tape:
        a, b = av.Tensor(2.0), av.Tensor(3.0)
        tape.watch([a, b])
        calls = [times(a, b), times(a, b=b), times(b=b, a=a), times(a, b, 1), times(a, power=1, b=b)]
    for y in calls:
        assert [g.item() for g in tape.gradient(y, [a, b])] == [10.0, 100.0]


def test_numbers_and_options_may_be_left_out_or_not():
    @av.custom_gradient
    def f(x, n, mode="fast"):
        return x * n, lambda g: (g * 1.0, None, None)

    @av.custom_gradient
    def short(x, n, mode="fast"):
        return x * n, lambda g: g * 1.0

    for function in (f, short):
        assert av.grad(lambda x, fn=function: fn(x, 3, "slow"))(2.0).item() == 1.0
        assert av.grad(lambda x, fn=function: fn(x, mode="slow", n=3))(2.0).item() == 1.0


def test_a_python_float_stays_weak():
    @av.custom_gradient
    def scaled(x, factor):
        return x * factor, lambda g: (g * factor, None)

    assert scaled(av.Tensor(X.astype(np.float32)), 2.0).dtype == np.float32


def test_a_nest_as_argument():
    @av.custom_gradient
    def f(params, x):
        def grad_fn(g):
            return {"w": g * x, "b": g}, g * params["w"]

        return params["w"] * x + params["b"], grad_fn

    g, gx = av.grad(f, (0, 1))({"w": 2.0, "b": 1.0}, 3.0)
    assert (g["w"].item(), g["b"].item(), gx.item()) == (3.0, 1.0, 2.0)

    @av.custom_gradient
    def only(pair):
        return pair[0] * pair[1], lambda g: [g * pair[1], g * pair[0]]

    assert [t.item() for t in av.grad(only)([2.0, 3.0])] == [3.0, 2.0]


def test_none_is_no_gradient():
    @av.custom_gradient
    def f(a, b):
        return a * b, lambda g: (None, g * a)

    a, b = av.Tensor(2.0), av.Tensor(3.0)
    with av.GradientTape(persistent=True) as tape:
        tape.watch([a, b])
        y = f(a, b)
        z = f(a, b) + a
    assert tape.gradient(y, a) is None
    assert tape.gradient(y, b).item() == 2.0
    assert tape.gradient(z, a).item() == 1.0
    assert av.jvp(f, (2.0, 3.0), (1.0, 0.0))[1].item() == 0.0


def test_a_raw_batch_may_change_afterwards():
    @av.custom_gradient
    def f(w, batch):
        return np.sum(w * batch), lambda g: (g * batch, None)

    batch, w = X.copy(), av.Variable(np.ones(3))
    with av.GradientTape() as tape:
        y = f(w, batch)
    batch[:] = 100.0
    np.testing.assert_array_equal(tape.gradient(y, w).numpy(), X)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_wrong_count_names_the_function(count):
    @av.custom_gradient
    def broken(a, b):
        return a * b, lambda g: (g,) * count

    with pytest.raises(ValueError, match=rf"broken returned {count} gradients for 2 arguments \(a, b\)"):
        av.grad(broken, (0, 1))(2.0, 3.0)


def test_other_mistakes_name_the_function_too():
    @av.custom_gradient
    def no_pair(x):
        return x * 1.0

    @av.custom_gradient
    def wrong_shape(x):
        return x * 1.0, lambda g: np.sum(g)

    @av.custom_gradient
    def no_tensor(x):
        return "text", lambda g: g

    with pytest.raises(TypeError, match=r"no_pair .* must return \(y, grad_fn\)"):
        no_pair(1.0)
    with pytest.raises(TypeError, match="no_tensor must return Tensors"):
        no_tensor(1.0)
    with pytest.raises(ValueError, match=r"wrong_shape returned shape \(\) for 'x', which has shape \(3,\)"):
        av.jacobian(wrong_shape)(X)


def test_what_is_no_function():
    for wrap in (av.custom_gradient, av.recompute_grad):
        with pytest.raises(TypeError, match=rf"{wrap.__name__} takes a function, got int"):
            wrap(3)


@pytest.mark.parametrize(
    ("grad_fn", "message"),
    [
        (lambda: 1.0, r"of odd must take 1 gradient \(one for each output\): .*takes 0 positional"),
        (lambda a, b: a, r"of odd must take 1 gradient \(one for each output\): .*missing 1 required"),
        (lambda g: "text", r"of odd must return an array of shape \(3,\) for 'x', or None: it returned 'text' \(str\)"),
        (lambda g: g + len(3), r"^object of type 'int' has no len"),  # type errors inside are its own
    ],
)
def test_a_wrong_gradient_function_names_the_function(grad_fn, message):
    @av.custom_gradient
    def odd(x):
        return x * 1.0, grad_fn

    x = av.Tensor(X)
    with av.GradientTape() as tape:
        tape.watch(x)
        y = odd(x)
    with pytest.raises(TypeError, match=message):
        tape.gradient(y, x)


def test_integer_arguments_get_none():
    @av.custom_gradient
    def pick(x, i):
        return x[i], lambda g: (np.zeros(3), None)

    assert av.grad(pick)(X, np.array(1)).tolist() == [0.0, 0.0, 0.0]


# ---------------------------------------------------------------- variables


def test_a_variable_as_argument_keeps_the_value_that_was_read():
    @av.custom_gradient
    def square(v):
        return v * v, lambda g: g * 2.0 * v

    v = av.Variable(np.array([1.0, 2.0]))
    with av.GradientTape() as tape:
        y = square(v)
    v.assign([50.0, 50.0])
    assert tape.gradient(y, v).tolist() == [2.0, 4.0]


def test_variables_read_inside_need_a_parameter():
    w = av.Variable(np.array(2.0), name="hidden")

    @av.custom_gradient
    def f(x):
        return x * w, lambda g: g * w

    with (
        av.GradientTape(),
        pytest.raises(TypeError, match=r"f reads the variables 'hidden.*:0'.* must take variables="),
    ):
        f(av.Tensor(1.0))
    w.trainable = False
    with av.GradientTape():
        f(av.Tensor(1.0))


def test_variables_get_their_gradients():
    w, b = av.Variable(np.array(2.0)), av.Variable(np.array(1.0))
    seen = []

    @av.custom_gradient
    def f(x):
        def grad_fn(g, variables):
            seen.append([v is u for v, u in zip(variables, (w, b), strict=True)])
            return g * 7.0, [g * x, g * 3.0]

        return x * w + b, grad_fn

    x = av.Tensor(5.0)
    with av.GradientTape() as tape:
        tape.watch(x)
        y = f(x)
    assert [g.item() for g in tape.gradient(y, [x, w, b])] == [7.0, 5.0, 3.0]
    assert seen == [[True, True]]

    @av.custom_gradient
    def short(x):
        return x * w, lambda g, variables: (g, [])

    with av.GradientTape() as tape:
        y = short(x)
    with pytest.raises(ValueError, match="short returned 0 gradients for 1 variables"):
        tape.gradient(y, w)


def test_nested_custom_functions_tell_their_variables():
    w = av.Variable(np.array(2.0))

    @av.custom_gradient
    def inner(x):
        return x * w, lambda g, variables: (g * w, [g * x])

    @av.custom_gradient
    def outer(x):
        return inner(x), lambda g: g

    with av.GradientTape(), pytest.raises(TypeError, match="outer reads the variables"):
        outer(av.Tensor(1.0))


@pytest.mark.parametrize("trainable", [True, False])
@pytest.mark.parametrize("persistent", [True, False])
def test_grad_fn_sees_variables_as_they_were(trainable, persistent):
    u = av.Variable(2.0, trainable=trainable)

    @av.custom_gradient
    def f(x):
        if trainable:
            return x * u, lambda g, variables: (g * u, [g * x])
        return x * u, lambda g: g * u

    x = av.Tensor(np.float32(3.0))
    with av.GradientTape(persistent=persistent) as tape:
        tape.watch(x)
        y = f(x)
        u.assign(5.0)
        z = f(x)
    u.assign(100.0)
    gx, gu = tape.gradient([y, z], [x, u])
    assert gx.item() == 7.0 and (gu.item() == 6.0 if trainable else gu is None)
    assert u.item() == 100.0
    if persistent:
        u.assign(200.0)
        assert [tape.gradient(t, x).item() for t in (y, z)] == [2.0, 5.0] and u.item() == 200.0


def test_what_grad_fn_assigns_stays():
    calls, last = av.Variable(0, trainable=False), av.Variable(0.0, trainable=False)

    @av.custom_gradient
    def spy(x):
        def grad_fn(g):
            calls.assign_add(1)
            last.assign(g)
            return g

        return x * 1.0, grad_fn

    x = av.Tensor(np.float32(3.0))
    with av.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = spy(2.0 * spy(spy(x)))
    for count in (3, 6):
        assert tape.gradient(y, x).item() == 2.0
        assert calls.item() == count and last.item() == 2.0


def test_second_order_sees_variables_as_they_were():
    u = av.Variable(2.0)

    @av.custom_gradient
    def f(x):
        return x * x * u, lambda g, variables: (g * 2.0 * x * u, [g * x * x])

    x = av.Tensor(np.float32(3.0))
    with av.GradientTape(persistent=True) as outer:
        outer.watch(x)
        with av.GradientTape() as inner:
            inner.watch(x)
            y = f(x)
        u.assign(100.0)
        g = inner.gradient(y, x)
    u.assign(200.0)
    assert g.item() == 12.0
    assert [t.item() for t in outer.gradient(g, [x, u])] == [4.0, 6.0]


def test_closures_die_with_the_tape():
    class Big:
        pass

    def run():
        big = Big()

        @av.custom_gradient
        def f(x):
            return x * 1.0, lambda g: g * (1.0 if big else 0.0)

        return weakref.ref(big), f

    gc.collect()
    gc.disable()
    try:
        alive, f = run()
        x = av.Tensor(1.0)
        with av.GradientTape() as tape:
            tape.watch(x)
            y = f(x)
        del f
        assert alive() is not None
        tape.gradient(y, x)
        assert alive() is None
        alive, f = run()
        with av.GradientTape(persistent=True) as tape:
            tape.watch(x)
            y = f(x)
        tape.gradient(y, x)
        del f, tape
        assert alive() is None
    finally:
        gc.enable()


# ---------------------------------------------------------------- recompute_grad


def block(x):
    return np.tanh(np.sin(x) * x) + np.exp(x * 0.1)


def test_recompute_gives_the_same_gradients_to_any_order():
    again = av.recompute_grad(block)
    for transform in (av.grad, lambda f: lambda x: av.jvp(f, x, 1.0)[1]):
        f, g = block, again
        for _ in range(3):
            f, g = transform(f), transform(g)
            assert g(0.5).item() == pytest.approx(f(0.5).item(), rel=1e-12)
    check_gradients(again, [X], order=2)


def test_recompute_of_nests_and_keywords():
    @av.recompute_grad
    def f(p, scale=1.0, *, shift):
        return {"y": p["w"] * scale, "n": [np.sum(p["w"]) * p["b"] + shift]}

    def loss(p, shift):
        out = f(p, shift=shift)
        return np.sum(out["y"]) * out["n"][0]

    g, gs = av.grad(loss, (0, 1))({"w": X, "b": 2.0}, 0.5)
    total = X.sum()
    np.testing.assert_allclose(g["w"].numpy(), 2.0 * total + 0.5 + total * 2.0)
    assert g["b"].item() == pytest.approx(total * total) and gs.item() == pytest.approx(total)


def test_recompute_reads_variables_as_they_were():
    w = av.Variable(np.array([1.0, 2.0, 3.0]))
    x = av.Tensor(X)

    def layer(x):
        return np.sum(np.tanh(x * w) * w)

    with av.GradientTape() as tape:
        tape.watch(x)
        y = layer(x)
    want = tape.gradient(y, [x, w])
    for persistent in (False, True):
        with av.GradientTape(persistent=persistent) as tape:
            tape.watch(x)
            y = av.recompute_grad(layer)(x)
        w.assign(np.zeros(3))
        for _ in range(1 + persistent):
            for found, g in zip(tape.gradient(y, [x, w]), want, strict=True):
                np.testing.assert_allclose(found.numpy(), g.numpy(), rtol=1e-14)
        assert w.tolist() == [0.0, 0.0, 0.0]
        w.assign([1.0, 2.0, 3.0])


def test_second_order_with_respect_to_a_variable_read_inside():
    w = av.Variable(np.array([1.0, 2.0, 3.0]))

    def second(layer):
        with av.GradientTape() as outer:
            with av.GradientTape() as inner:
                y = layer(av.Tensor(X))
            g = inner.gradient(y, w)
            z = np.sum(g * g)
        return outer.gradient(z, w).numpy()

    def layer(x):
        return np.sum(np.tanh(x * w) * w)

    np.testing.assert_allclose(second(av.recompute_grad(layer)), second(layer), rtol=1e-12)


def test_recompute_draws_the_same_dropout_mask(seed):
    av.random.set_seed(3)

    def layer(x):
        return np.sum(av.nn.dropout(np.tanh(x), 0.5, training=True))

    x = av.Tensor(np.linspace(-1, 1, 64))
    results = []
    for f in (layer, av.recompute_grad(layer), av.recompute_grad(av.recompute_grad(layer))):
        av.random.set_seed(3)
        with av.GradientTape() as tape:
            tape.watch(x)
            y = f(x)
        av.random.uniform(5)  # something else draws in between
        g = tape.gradient(y, x).numpy()
        results.append((y.item(), g.tolist(), av.random.uniform().item()))
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("where", ["root", "scope", "default name"])
def test_recompute_finds_the_variables_of_the_first_run(where):
    """The walk runs outside of the scope in which the function was called, or in another store."""

    def layer(x):
        with av.variable_scope(None, "blk"):
            w = av.get_variable("w", (), np.float64, av.initializers.ones())
        return np.sum(np.tanh(x * w * av.get_variable("v", (), np.float64, av.initializers.ones())))

    found = []
    for f in (layer, av.recompute_grad(layer), av.recompute_grad(av.recompute_grad(layer))):
        x = av.Tensor(X)
        with av.VariableStore() as store:
            with av.variable_scope(None, "blk"):
                pass  # the next one is "blk_1"
            with av.GradientTape() as outer:
                outer.watch(x)
                if where == "root":
                    y = f(x)
                else:
                    scope = ("net",) if where == "scope" else (None, "net")
                    with av.GradientTape() as tape, av.variable_scope(*scope), av.variable_scope(None, "blk"):
                        y = f(x)
                        with av.variable_scope(None, "blk"):
                            pass
                    y = np.sum(tape.gradient(y, store.variables())[0] ** 2)
        with av.VariableStore() as other:
            g = outer.gradient(y, [x, *store.variables()])
        assert len(other) == 0
        found.append(([v.name for v in store.variables()], [d.tolist() for d in g]))
        assert len(found[-1][0]) == 2
    for names, values in found[1:]:
        assert names == found[0][0]
        for value, want in zip(values, found[0][1], strict=True):
            np.testing.assert_allclose(value, want, rtol=1e-12)


def test_recompute_can_be_nested():
    f = av.recompute_grad(lambda x: av.recompute_grad(block)(av.recompute_grad(block)(x)) * x)
    plain = lambda x: block(block(x)) * x  # noqa: E731
    for order in range(1, 4):
        a, b = f, plain
        for _ in range(order):
            a, b = av.grad(a), av.grad(b)
        assert a(0.5).item() == pytest.approx(b(0.5).item(), rel=1e-11)


def test_recompute_saves_no_intermediates():
    n, depth = 20_000, 12
    w = av.Variable(np.full(n, 0.5))

    def layer(x):
        for _ in range(10):
            x = np.tanh(x * w)
        return x

    def peak(layer):
        x = av.Tensor(np.ones(n))
        tracemalloc.start()
        with av.GradientTape() as tape:
            tape.watch(x)
            y = x
            for _ in range(depth):
                y = layer(y)
            y = np.sum(y)
        held = tracemalloc.get_traced_memory()[0]
        g = tape.gradient(y, [x, w])
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return held, top, g

    held, top, g = peak(layer)
    held_less, top_less, g_less = peak(av.recompute_grad(layer))
    one = n * 8
    assert held > one * 10 * depth  # the plain tape keeps every tanh, and more
    assert held_less < one * (depth + 2)  # the other one keeps the input of each layer
    assert top_less < one * (depth + 2 + 40) < 0.5 * top
    for a, b in zip(g, g_less, strict=True):
        np.testing.assert_allclose(b.numpy(), a.numpy(), rtol=1e-12)


def test_recompute_outside_of_a_tape_runs_once():
    runs = []
    f = av.recompute_grad(lambda x: runs.append(1) or x * x)
    f(av.Tensor(2.0))
    assert len(runs) == 1
    assert av.grad(f)(2.0).item() == 4.0
    assert len(runs) == 3


def test_recompute_copies_raw_batches():
    f = av.recompute_grad(lambda x, batch: np.sum(np.exp(x * batch)))
    batch, x = X.copy(), av.Tensor(1.0)
    with av.GradientTape() as tape:
        tape.watch(x)
        y = f(x, batch)
    batch[:] = 0.0
    assert tape.gradient(y, x).item() == pytest.approx(np.sum(X * np.exp(X)))


def test_recompute_of_what_has_no_path():
    f = av.recompute_grad(lambda x: np.floor(x))
    x = av.Tensor(1.5)
    with av.GradientTape() as tape:
        tape.watch(x)
        y = f(x) * x
    assert tape.gradient(y, x).item() == 1.0


def test_recompute_sees_variables_that_are_not_trainable_as_they_were():
    s, w, x = av.Variable(2.0, trainable=False), av.Variable(3.0), av.Tensor(np.float32(1))
    flag = av.Variable(True, trainable=False)  # no gradient follows it, and no op of a tape
    f = av.recompute_grad(lambda x: x * s * w if flag else x)
    with av.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = f(x)
    for now in (100.0, 200.0):
        s.assign(now)
        flag.assign(False)
        assert [g.item() for g in tape.gradient(y, [x, w])] == [6.0, 2.0]
        assert s.item() == now and not flag


@pytest.mark.parametrize("wrap", [av.recompute_grad, lambda f: av.recompute_grad(av.recompute_grad(f))])
@pytest.mark.parametrize("persistent", [True, False])
def test_recompute_forgets_what_the_second_run_assigns(wrap, persistent):
    m, w, x = av.Variable(0.0, trainable=False), av.Variable(2.0), av.Tensor(np.float32(3.0))

    @wrap
    def counted(x):
        m.assign_add(1.0)
        return x * w * m

    @wrap
    def twice(x):
        y = x * w
        w.assign_add(1.0)
        return y * w

    with av.GradientTape(persistent=persistent) as tape:
        tape.watch(x)
        y = counted(x)
        z = counted(x)
    for _ in range(1 + persistent):
        assert [g.item() for g in tape.gradient([y, z], [x, w])] == [6.0, 9.0]
        assert m.item() == 2.0
    assert w.item() == 2.0
    with av.GradientTape(persistent=persistent) as tape:
        tape.watch(x)
        y = twice(x)
    for _ in range(1 + persistent):
        assert [g.item() for g in tape.gradient(y, [x, w])] == [6.0, 15.0]
        assert w.item() == 3.0


def test_recompute_with_assignments_to_any_order():
    def run(wrap):
        m, w, x = av.Variable(1.0, trainable=False), av.Variable(2.0), av.Tensor(np.float32(3.0))

        @wrap
        def inner(x):
            m.assign_add(1.0)
            return np.tanh(x * w * m * 0.1)

        @wrap
        def f(x):
            y = inner(x)
            m.assign(m * 2.0)
            return inner(y) * x

        with av.GradientTape() as outer:
            outer.watch(x)
            with av.GradientTape() as inner_tape:
                inner_tape.watch(x)
                y = f(x)
            m.assign_add(7.0)
            g = inner_tape.gradient(y, x)
            m.assign_add(7.0)
        m.assign_add(7.0)
        return [t.item() for t in (y, g, *outer.gradient(g, [x, w]), m)]

    assert run(av.recompute_grad) == pytest.approx(run(lambda f: f), rel=1e-6)


def test_recompute_of_variables_as_arguments():
    for trainable in (True, False):
        v = av.Variable(2.0, trainable=trainable)

        @av.recompute_grad
        def f(a, b, x):
            y = a * b * x
            a.assign_add(1.0)
            return y

        x = av.Tensor(np.float32(5.0))
        with av.GradientTape() as tape:
            tape.watch(x)
            y = f(v, v, x)
        v.assign(100.0)
        gx, gv = tape.gradient(y, [x, v])
        assert gx.item() == 4.0 and (gv.item() == 20.0 if trainable else gv is None)
        assert v.item() == 100.0


def test_recompute_returns_tensors():
    v, w = av.Variable(2.0), av.Variable(3.0)
    f = av.recompute_grad(lambda x: (x, [w]))
    y, [z] = f(v)
    v.assign(50.0)
    assert type(y) is type(z) is av.Tensor and (y.item(), z.item()) == (2.0, 3.0)
    v.assign(2.0)
    with av.GradientTape() as tape:
        y, [z] = f(v)
        total = 5.0 * y + 7.0 * z
    assert type(y) is type(z) is av.Tensor
    assert [g.item() for g in tape.gradient(total, [v, w])] == [5.0, 7.0]


def test_old_values_are_let_go_with_the_tape():
    s, big = av.Variable(2.0, trainable=False), av.Variable(np.zeros(100_000), trainable=False)
    f = av.recompute_grad(lambda x: x * s)
    x = av.Tensor(np.float32(1.0))

    def held(persistent):
        tracemalloc.start()
        with av.GradientTape(persistent=persistent) as tape:
            tape.watch(x)
            y = f(f(x))
        big.assign(np.ones(100_000))
        big.assign(np.ones(100_000))
        alive = tracemalloc.get_traced_memory()[0]
        tape.gradient(y, x)
        del tape
        left = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        return alive, left

    for persistent in (True, False):
        alive, left = held(persistent)
        assert 800_000 < alive < 900_000 and left < 50_000  # one copy, whoever wants it


def test_nested_in_forward_mode_nothing_stays_alive():
    inner = av.recompute_grad(lambda x: av.sin(x) * x)
    outer = av.recompute_grad(lambda x: inner(x) * x)
    x = av.Tensor([0.5, 1.5])
    before = len(record.live_records)
    with av.ForwardAccumulator(x, x) as forward:
        y = outer(x)
    forward.jvp(y)
    del forward, y
    gc.collect()
    assert len(record.live_records) == before
