"""`cond`, `while_loop`, `scan`: against Python's own control flow, and as plans against themselves eagerly."""

import os

import numpy as np
import pytest

import autograd_vs as av
import optim
from autograd_vs.base.nest import flatten
from autograd_vs.testing import check_gradients

X = np.array([0.5, 1.5, -0.7])


def values(nest):
    return [None if x is None else x.numpy() for x in flatten(nest)]


def same(got, want):
    got, want = values(got), values(want)
    assert [g is None for g in got] == [w is None for w in want]
    for g, w in zip(got, want, strict=True):
        if w is not None:
            assert g.dtype == w.dtype and g.shape == w.shape
            np.testing.assert_array_equal(g, w)


def both(make, calls):
    """`make` gives (variables, step): eagerly and as a plan the same results and Variables, call after call."""
    state = av.random.get_state()
    variables, step = make()
    eager = [(values(step(*map(av.asarray, args))), values(variables)) for args in calls]
    av.random.set_state(state)
    variables, step = make()
    f = av.function(step)
    for args, (results, held) in zip(calls, eager, strict=True):
        got = f(*args)
        same(got, [None if r is None else av.Tensor(r) for r in results])
        same(variables, [av.Tensor(a) for a in held])
    assert f.traces == 1
    return f


# ---------------------------------------------------------------- cond, eagerly


def piecewise(x):
    return av.cond(av.sum(x) > 0, lambda x: av.sin(x) * x, lambda x: x**3, x)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_cond_is_pythons_if(sign):
    x = av.Tensor(X * sign)
    want = np.sin(X) * X if sign > 0 else -(X**3)
    np.testing.assert_allclose(piecewise(x).numpy(), want)
    check_gradients(piecewise, [x], order=2)


@pytest.mark.parametrize("predicate", [True, np.True_, 1, np.array([2.0]), np.array(1)])
def test_predicates(predicate):
    assert av.cond(predicate, lambda: 1, lambda: 2).item() == 1
    assert av.cond(av.asarray(predicate), lambda: 1, lambda: 2).item() == 1
    assert av.cond(not predicate, lambda: 1, lambda: 2).item() == 2


@pytest.mark.parametrize("predicate", [np.ones(2), np.ones(0), np.array(1j)])
def test_what_decides_is_one_value(predicate):
    with pytest.raises(ValueError, match=r"cond is decided by one bool, got shape .*av\.all"):
        av.cond(av.asarray(predicate), lambda: 1, lambda: 2)


def test_only_one_branch_runs():
    ran = []
    av.cond(True, lambda: ran.append("yes"), lambda: ran.append("no"))
    assert ran == ["yes"]


def test_results_are_tensors():
    v = av.Variable([1.0, 2.0])
    found = av.cond(True, lambda: {"a": 1, "b": (v, None, [np.ones(2)])}, lambda: 0)
    assert found["b"][1] is None and found["a"].item() == 1 and type(found["b"][0]) is av.Tensor
    with pytest.raises(TypeError, match=r"<lambda>.*Tensors, arrays, numbers and None"):
        av.cond(True, lambda: "text", lambda: 0)


def test_operands_count_as_connected():
    x, y, v = av.Tensor(X), av.Tensor(X), av.Variable(X)
    with av.GradientTape(persistent=True) as tape:
        tape.watch([x, y])
        z = av.cond(True, lambda x, rest: x * 2.0, lambda x, rest: x, x, [y, v])
        w = av.while_loop(lambda c: False, lambda c: c, {"x": x, "y": y})["x"]
        u, _ = av.scan(lambda c, row: (c * 2.0, None), x, y)
    same(tape.gradient(z, [x, y, v]), [av.Tensor(np.full(3, 2.0)), av.Tensor(np.zeros(3)), av.Tensor(np.zeros(3))])
    same(tape.gradient(w, [x, y]), [av.Tensor(np.ones(3)), av.Tensor(np.zeros(3))])
    same(tape.gradient(u, [x, y]), [av.Tensor(np.full(3, 8.0)), av.Tensor(np.zeros(3))])


@pytest.mark.parametrize("function", [
    piecewise,
    lambda x: av.while_loop(lambda c: av.sum(c) < 20.0, lambda c: c * c + 1.0, x),
    lambda x: av.scan(lambda c, row: (c * row + 1.0, c), 0.3, x),
])  # fmt: skip
def test_forward_mode(function):
    x, t = av.Tensor(X), av.Tensor(np.array([0.3, -0.2, 1.0]))
    with av.ForwardAccumulator(x, t) as forward:
        y = function(x)
    y0, tangent = av.jvp(lambda x: function(x), (x,), (t,))
    same(y, y0)
    eps = 1e-6
    more, less = values(function(x + eps * t)), values(function(x - eps * t))
    for got, other, a, b in zip(values(forward.jvp(y)), values(tangent), more, less, strict=True):
        np.testing.assert_allclose(got, (a - b) / (2 * eps), rtol=1e-6, atol=1e-8)
        np.testing.assert_array_equal(got, other)


# ---------------------------------------------------------------- while_loop and scan, eagerly


def newton(a):
    """The square root, and how many steps it took."""

    def step(c):
        return {"n": c["n"] + 1, "x": 0.5 * (c["x"] + a / c["x"])}

    return av.while_loop(lambda c: av.abs(c["x"] * c["x"] - a) > 1e-12, step, {"n": 0, "x": a})


def test_while_loop_is_pythons_while():
    found = newton(av.Tensor(7.0))
    assert found["n"].item() == 6 and abs(found["x"].item() - 7**0.5) < 1e-14
    assert abs(av.grad(lambda a: newton(a)["x"])(7.0).item() - 0.5 / 7**0.5) < 1e-12
    check_gradients(
        lambda x: av.while_loop(lambda c: av.sum(c) < 30.0, lambda c: c * c + x, x), [av.Tensor(X)], order=2
    )


def test_zero_trips_and_a_limit():
    assert av.while_loop(lambda c: False, lambda c: c / 0, 3).item() == 3
    assert av.while_loop(lambda c: True, lambda c: c + 1, 3, maximum_iterations=4).item() == 7
    assert av.while_loop(lambda c: True, lambda c: c + 1, 3, maximum_iterations=0).item() == 3
    for wrong in (-1, 2.0, True):
        with pytest.raises(ValueError, match="maximum_iterations is an integer from 0 on"):
            av.while_loop(lambda c: True, lambda c: c, 3, maximum_iterations=wrong)


def test_scan_is_pythons_for():
    rng = np.random.default_rng(0)
    h, xs, w = rng.normal(size=2), rng.normal(size=(4, 2)), rng.normal(size=(2, 2))

    def run(h, xs, w, reverse=False):
        def step(h, x):
            h = av.tanh(h @ w + x)
            return h, {"h": h, "sum": av.sum(h), "none": None}

        return av.scan(step, h, xs, reverse=reverse)

    for reverse in (False, True):
        last, ys = run(h, xs, w, reverse)
        want, state = [], h
        for x in xs[::-1] if reverse else xs:
            state = np.tanh(state @ w + x)
            want.append(state)
        want = np.array(want[::-1] if reverse else want)
        np.testing.assert_allclose(ys["h"].numpy(), want)
        np.testing.assert_allclose(ys["sum"].numpy(), want.sum(1))
        np.testing.assert_allclose(last.numpy(), want[0 if reverse else -1])
        assert ys["none"] is None
    check_gradients(lambda h, xs, w: run(h, xs, w)[1]["h"], [av.Tensor(a) for a in (h, xs, w)], order=2)


def test_scan_without_xs():
    last, ys = av.scan(lambda c, x: (c * 2, c), 1, None, length=5)
    assert last.item() == 32 and ys.numpy().tolist() == [1, 2, 4, 8, 16]


@pytest.mark.parametrize(("xs", "length"), [
    (None, None), (np.ones((3, 2)), 4), ([np.ones(3), np.ones(2)], None), (np.ones(()), None), (np.ones((0, 2)), None),
])  # fmt: skip
def test_the_length_of_a_scan(xs, length):
    with pytest.raises(ValueError, match="scan: the first dimensions"):
        av.scan(lambda c, x: (c, c), 0.0, xs, length=length)


def test_what_a_body_must_keep():
    start = {"a": np.ones(2), "b": (1.0,)}
    for wrong, said in [
        (lambda c: {"a": c["a"][:1], "b": c["b"]}, r"\['a'\] is \(\(2,\), 'float64'\), and \(\(1,\), 'float64'\)"),
        (lambda c: {"a": c["a"], "b": (1,)}, r"\['b'\]\[0\] is .*'float64'.*'int64'"),
        (lambda c: {"a": c["a"]}, r"\['b'\] is tuple, and nothing"),
        (lambda c: {"a": c["a"], "b": [1.0]}, r"\['b'\] is tuple, and list"),
    ]:
        wrong.__qualname__ = "body"
        with pytest.raises(ValueError, match=f"while_loop: body changes what it carries on.*{said}"):
            av.while_loop(lambda c: True, wrong, start)
        with pytest.raises(ValueError, match=f"scan: body changes.*{said}"):
            body = lambda c, x, wrong=wrong: (wrong(c), None)  # noqa: E731
            body.__qualname__ = "body"
            av.scan(body, start, None, length=2)
    with pytest.raises(TypeError, match=r"must return \(carry, y\), it returned Tensor"):
        av.scan(lambda c, x: c, 0.0, np.ones(2))
    with pytest.raises(
        ValueError, match=r"scan: the y of .* changes .*\(\(1,\), 'float64'\), and \(\(2,\), 'float64'\)"
    ):
        av.scan(lambda n, x: (n + 1, np.ones(n.item())), 1, np.ones(2))


# ---------------------------------------------------------------- plans


SIGNS = [(X,), (-X,), (X + 1.0,), (-X,), (-2 * X,), (X,)]


def test_each_replay_decides():
    both(lambda: ([], piecewise), SIGNS)


def test_gradients_of_operands_and_of_what_is_closed_over():
    def make():
        v, w = av.Variable(X * 2, name="v"), av.Variable(X - 1, name="w")

        def step(x):
            with av.GradientTape() as tape:
                tape.watch(x)
                h, k = av.exp(x * 0.1), x * 2.0
                y = av.cond(
                    av.sum(x) > 0, lambda x, k: {"y": av.sin(x * v) * h}, lambda x, k: {"y": av.cos(x) * w * h}, x, k
                )
                loss = av.sum(y["y"] ** 2)
            return loss, tape.gradient(loss, [x, h, k, v, w], unconnected_gradients="zero")

        return [v, w], step

    both(make, SIGNS)


def test_what_is_closed_over_goes_on_being_followed():
    def step(x):
        with av.GradientTape(persistent=True) as tape:
            tape.watch(x)
            h = av.exp(x)
            y = av.cond(av.sum(x) > 0, lambda: h * x, lambda: h * h)
            with tape.stop_recording():
                first = tape.gradient(y, [x, h])
            z = h * y
        return first, tape.gradient(y, h), tape.gradient(z, [x, h])

    both(lambda: ([], step), SIGNS)


def test_the_untaken_variable_has_zeros_in_a_plan():
    v, w = av.Variable(2.0, dtype=float), av.Variable(3.0, dtype=float)

    def step(x):
        with av.GradientTape() as tape:
            y = av.cond(x > 0, lambda: v * x, lambda: w * x)
        return tape.gradient(y, [v, w])

    f = av.function(step)
    assert [g.item() for g in f(av.Tensor(1.0))] == [1.0, 0.0] and [g.item() for g in f(av.Tensor(-2.0))] == [0.0, -2.0]


def test_untaken_branches_do_not_run():
    ran = []

    def step(x):
        def noted(name):
            av.outside(ran.append, name)
            return x * 2.0

        return av.cond(x > 0, lambda: noted("yes"), lambda: noted("no"))

    f = av.function(step)
    for x in (1.0, -1.0, -1.0, 1.0):
        f(av.Tensor(x))
    assert ran == ["yes", "no", "no", "yes"]


def test_a_predicate_that_is_a_variable_is_that_of_then():
    def make():
        flag = av.Variable(True, dtype=bool)

        def step(x):
            with av.GradientTape() as tape:
                tape.watch(x)
                y = av.cond(flag, lambda: x * 2.0, lambda: x * 3.0)
                flag.assign(np.logical_not(flag))
            return tape.gradient(y, x)

        return [flag], step

    both(make, SIGNS)


def test_assignments_in_branches():
    def make():
        v, w = av.Variable(X, name="v"), av.Variable(1, dtype=int, name="w")

        def yes(x):
            before = v * x
            v.assign_add(x)
            v.assign(v * 0.5)
            return before + v

        def no(x):
            w.assign(w + 1)
            return x * w * v

        def step(x):
            view = v[:1]
            with av.GradientTape() as tape:
                tape.watch(x)
                z = v * v
                y = av.cond(av.sum(x) > 0, yes, no, x) + z
            gradients = tape.gradient(y, [x, v])
            return y, gradients, view, v + 0.0, w + 0

        return [v, w], step

    both(make, SIGNS)


def test_what_the_untaken_branch_assigns_at_the_trace_is_forgotten():
    v = av.Variable([1.0, 2.0])

    @av.function
    def step(x):
        return av.cond(x > 0, lambda: x * 1.0, lambda: (v.assign([7.0, 7.0]), x)[1])

    buffer = v.array
    step(av.Tensor(1.0))
    assert v.numpy().tolist() == [1.0, 2.0]
    step(av.Tensor(-1.0))
    assert v.numpy().tolist() == [7.0, 7.0] and v.array is buffer and step.traces == 1


def test_random_draws_in_branches():
    def make():
        def step(x):
            with av.GradientTape() as tape:
                tape.watch(x)
                y = av.cond(
                    av.sum(x) > 0,
                    lambda x: av.nn.dropout(x, 0.5, training=True, stream="drop") * x,
                    lambda x: x * av.random.normal((3,), stream="noise"),
                    x,
                )
            return y, tape.gradient(y, x), av.random.uniform((2,), stream="drop")

        return [], step

    both(make, SIGNS)


def test_nested():
    def make():
        v = av.Variable(X)

        def inner(x):
            def body(c):
                return c[0] + 1, av.cond(c[0] % 2 == 0, lambda x: av.sin(x) + v, lambda x: x * 0.7, c[1])

            return av.while_loop(lambda c: c[0] < 4, body, (0, x))[1]

        def step(x):
            with av.GradientTape() as tape:
                tape.watch(x)
                y = av.cond(x[0] > 0, inner, lambda x: av.cond(x[1] > -1.5, lambda: x * x, lambda: x * v), x)
            return y, tape.gradient(y, [x, v], unconnected_gradients="zero")

        return [v], step

    both(make, [*SIGNS, (X * [-1, 3, 1],), (X * [-1, -3, 1],)])


def test_second_order_in_a_plan():
    def step(x):
        with av.GradientTape() as outer:
            outer.watch(x)
            with av.GradientTape() as inner:
                inner.watch(x)
                y = av.sum(piecewise(x * 1.0) ** 2)
            g = inner.gradient(y, x)
            s = av.sum(g * g)
        return g, outer.gradient(s, x)

    f = av.function(step)
    for (x,) in SIGNS:
        for got, want in zip(f(x), step(av.Tensor(x)), strict=True):
            np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-13, atol=1e-14)
    assert f.traces == 1


TRIPS = [(np.array(a),) for a in (7.0, 1.0, 2.0, 1e6, 0.3, 7.0)]


def test_a_loop_takes_as_many_steps_as_its_data_say():
    def make():
        def step(a):
            with av.GradientTape() as tape:
                tape.watch(a)
                found = newton(a)
            return found, tape.gradient(found["x"], a)

        return [], step

    f = both(make, TRIPS)
    seen = [f(*a)[0]["n"].item() for a in TRIPS]
    assert len(set(seen)) > 3 and 0 in seen


def test_a_loop_with_variables_that_are_read_and_assigned():
    def make():
        v, count = av.Variable([[0.5, 0.1], [0.2, 0.3]], dtype=float), av.Variable(0, dtype=int)

        def body(c):
            n, x = c
            count.assign_add(1)
            v.assign(v * 0.9)
            return n - 1, av.tanh(x @ v)

        def step(n, x):
            with av.GradientTape() as tape:
                tape.watch(x)
                z = av.sum(v * v)
                _, y = av.while_loop(lambda c: c[0] > 0, body, (n, x))
                loss = av.sum(y**2) + z
            return loss, tape.gradient(loss, [x, v])

        return [v, count], step

    x = np.random.default_rng(0).normal(size=(2, 2))
    close_to_eager(make, [(np.array(n), x + n) for n in (2, 0, 5, 1, 2)])


def close_to_eager(make, calls, rtol=1e-14):
    """As `both`, where the parts of a sum are added up in another order."""
    state = av.random.get_state()
    variables, step = make()
    eager = [(values(step(*map(av.asarray, args))), values(variables)) for args in calls]
    av.random.set_state(state)
    variables, step = make()
    f = av.function(step)
    for args, (results, held) in zip(calls, eager, strict=True):
        for got, want in zip(values(f(*args)) + values(variables), results + held, strict=True):
            np.testing.assert_allclose(got, want, rtol=rtol, atol=rtol)
    assert f.traces == 1


def test_random_draws_in_a_loop():
    def make():
        def step(n, x):
            with av.GradientTape() as tape:
                tape.watch(x)
                _, y = av.while_loop(
                    lambda c: c[0] > 0, lambda c: (c[0] - 1, av.nn.dropout(c[1], 0.3, training=True) * c[1]), (n, x)
                )
            return y, tape.gradient(y, x), av.random.uniform()

        return [], step

    both(make, [(np.array(n), np.linspace(0.5, 1.5, 6)) for n in (2, 0, 4, 1)])


def test_second_order_of_a_loop_in_a_plan():
    def step(n, x):
        with av.GradientTape() as outer:
            outer.watch(x)
            with av.GradientTape() as inner:
                inner.watch(x)
                y = av.while_loop(lambda c: c[0] > 0, lambda c: (c[0] - 1, av.sin(c[1]) * x + c[1]), (n, x))[1]
            g = inner.gradient(y, x)
        return y, g, outer.gradient(g, x, unconnected_gradients="zero")

    f = av.function(step)
    for n in (2, 3, 0, 4):
        for got, want in zip(f(np.array(n), X), step(av.Tensor(n), av.Tensor(X)), strict=True):
            np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-13, atol=1e-14)
    assert f.traces == 1


def test_carries_that_change_places():
    both(
        lambda: ([], lambda n, a, b: av.while_loop(
            lambda c: c["n"] > 0, lambda c: {"n": c["n"] - 1, "a": c["b"], "b": c["a"], "t": c["t"].T},
            {"n": n, "a": a, "b": b, "t": np.arange(4.0).reshape(2, 2)},
        )),
        [(np.array(n), X, X + 1) for n in (0, 1, 2, 3)],
    )  # fmt: skip


def test_training_with_decisions():
    def make():
        rng = np.random.default_rng(0)
        w, b = av.Variable(rng.normal(size=(3, 4)), name="w"), av.Variable(np.zeros(4), name="b")
        v = av.Variable(rng.normal(size=(4, 1)), name="v")
        optimizer = optim.Adam(0.05)

        def step(x, y):
            with av.GradientTape() as tape:
                h = av.cond(av.mean(x) > 0, lambda h: av.tanh(h), lambda h: av.nn.relu(h) * 0.5, x @ w + b)
                loss = av.nn.mse(h @ v, y)
                loss = loss + av.cond(loss > 1.0, lambda: 0.1 * av.sum(v * v), lambda: loss * 0.0)
            gradients = tape.gradient(loss, [w, b, v])
            large = av.sqrt(av.sum(av.stack([av.sum(g * g) for g in gradients])))
            gradients = av.cond(large > 0.5, lambda g: [x * (0.5 / large) for x in g], lambda g: g, gradients)
            optimizer.apply_gradients(zip(gradients, [w, b, v], strict=True))
            return loss, large

        return [w, b, v], step

    rng = np.random.default_rng(1)
    both(make, [(rng.normal(size=(5, 3)), rng.normal(size=(5, 1)) * s) for s in (1, 3, 0.1, 2, 0.5, 1, 1, 0.2)])


def test_under_recompute_grad():
    def make():
        v = av.Variable(X)

        @av.recompute_grad
        def block(x):
            y = av.cond(av.sum(x) > 0, lambda: av.sin(x) * v, lambda: x * x)
            return av.while_loop(lambda c: av.sum(c) < 5.0, lambda c: c * c + 1.0, y)

        def step(x):
            with av.GradientTape() as tape:
                tape.watch(x)
                y = block(x)
                v.assign(v * 1.1)
            return y, tape.gradient(y, [x, v], unconnected_gradients="zero")

        return [v], step

    both(make, SIGNS)


def test_tapes_and_functions_inside():
    double = av.function(lambda x: x * 2.0)

    def slope(x):
        with av.GradientTape() as tape:
            tape.watch(x)
            y = double(av.sum(x**3))
        return tape.gradient(y, x)

    def step(x):
        with av.GradientTape() as tape:
            tape.watch(x)
            y = av.cond(av.sum(x) > 0, slope, double, x)
        return y, tape.gradient(y, x)

    both(lambda: ([], step), SIGNS)


def test_variables_made_in_a_branch():
    def net(x):
        with av.variable_scope("net", reuse=av.AUTO_REUSE):
            return x * av.get_variable("w", (3,), initializer=av.initializers.constant(2.0), dtype=float)

    with av.VariableStore() as store:

        def step(x):
            with av.GradientTape() as tape:
                y = av.cond(av.sum(x) > 0, net, lambda x: x, x)
            return y, tape.gradient(y, av.current_store().variables())

        f = av.function(step)
        same(f(-X), [av.Tensor(-X), av.Tensor(np.zeros(3))])
        (w,) = store.variables()
        w.assign([3.0, 3.0, 3.0])
        same(f(X), [av.Tensor(X * 3.0), av.Tensor(X)])
        assert f.traces == 1


def test_forward_mode_in_a_plan():
    def step(n, x, t):
        with av.ForwardAccumulator(x, t) as forward:
            y = av.cond(av.sum(x) > 0, lambda x: av.sin(x) * x, lambda x: x**3, x)
            z = av.while_loop(lambda c: c[0] > 0, lambda c: (c[0] - 1, c[1] * x), (n, x))[1]
        return y, forward.jvp(y), z, forward.jvp(z)

    f = av.function(step)
    for n, (x,) in enumerate(SIGNS):
        for got, want in zip(f(np.array(n), x, X), step(av.Tensor(n), av.Tensor(x), av.Tensor(X)), strict=True):
            np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-13)
    assert f.traces == 1


def test_arrays_and_tensors_from_outside_are_copied():
    a, t = X.copy(), av.Tensor(X)
    f = av.function(lambda x: av.cond(x > 0, lambda: x * a, lambda: x * t))
    f(av.Tensor(1.0))
    a[:] = 0
    np.testing.assert_array_equal(f(av.Tensor(2.0)).numpy(), 2 * X)
    np.testing.assert_array_equal(f(av.Tensor(-2.0)).numpy(), -2 * X)


def test_assignments_between_calls_are_seen():
    v = av.Variable(X)
    f = av.function(lambda x: av.cond(x > 0, lambda: v * x, lambda: v + x))
    f(av.Tensor(1.0))
    v.assign(X * 5)
    np.testing.assert_array_equal(f(av.Tensor(2.0)).numpy(), X * 5 * 2)
    np.testing.assert_array_equal(f(av.Tensor(-2.0)).numpy(), X * 5 - 2)


def test_a_result_that_nobody_needs_is_not_decided():
    f = av.function(lambda x: (av.cond(x > 0, lambda: av.sin(x), lambda: x), x * 2.0)[1])
    f(av.Tensor(1.0))
    assert "cond" not in f.plan()
    g = av.function(lambda x: av.cond(x > 0, lambda: av.sin(x), lambda: x))
    g(av.Tensor(1.0))
    assert "= cond(" in g.plan() and "yes:" in g.plan() and "sin(" in g.plan() and "cond" in g.profile(av.Tensor(-1.0))


@pytest.mark.host("memory of NumPy's arrays")
def test_a_loop_allocates_what_is_new_only():
    import tracemalloc

    def step(n, x):
        with av.GradientTape() as tape:
            tape.watch(x)
            y = av.while_loop(lambda c: c[0] > 0, lambda c: (c[0] - 1, av.tanh(c[1]) * 1.1), (n, x))[1]
        return av.sum(tape.gradient(y, x))

    f, x = av.function(step), av.Tensor(np.ones((64, 64)))
    for n in (5, 5, 3):
        f(av.Tensor(n), x)
    tracemalloc.start()
    f(av.Tensor(5), x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6000  # an array of 64 x 64 has 32768 bytes


def random_program(seed):
    """Variables, and a step of random expressions: choices and loops in one another, assignments, draws."""
    variables = [av.Variable(np.random.default_rng(i).normal(size=3), name=f"v{i}") for i in range(3)]
    variables[2].trainable = seed % 3 > 0

    def expression(rng, known, depth):
        def pick():
            return known[rng.integers(len(known))]

        def inner(*more, seed):
            there = [*known, *more]
            for s in (seed, seed + 1):
                there.append(expression(np.random.default_rng(s), [*there], depth - 1))
            return there[-1]

        v, kind = variables[rng.integers(3)], rng.integers(10 if depth else 6)
        if kind == 0:
            return av.sin(pick()) * pick()
        if kind == 1:
            return av.tanh(pick() - pick())[::-1] * 0.7
        if kind == 2:
            return pick() * v + pick()
        if kind == 3:
            v.assign(av.tanh(v * 0.9 + pick() * 0.1))
            return pick() * v
        if kind == 4:
            return av.nn.dropout(pick(), 0.4, training=True, stream="drop")
        if kind == 5:
            return pick() * av.random.uniform((3,), stream="noise")
        one, other = map(int, rng.integers(1 << 30, size=2))
        if kind == 9:
            _, last = av.while_loop(
                lambda c: av.logical_and(c[0] < 4, av.sum(av.abs(c[1])) > 0.5),
                lambda c: (c[0] + 1, av.tanh(inner(c[1], seed=one)) + 0.3 * c[1]), (0, pick()),
            )  # fmt: skip
            return last
        return av.cond(
            av.sum(pick()) > rng.normal() * 0.3,
            lambda *xs: inner(*xs, seed=one) + 0.0, lambda *xs: inner(*xs, seed=other) + 0.0, pick(), pick(),
        )  # fmt: skip

    def step(x, y):
        with av.GradientTape() as tape:
            tape.watch([x, y])
            rng, known = np.random.default_rng(seed), [x, y]
            for _ in range(4):
                known.append(expression(rng, [*known], 2))
            loss = av.sum(known[-1] * known[-2])
        trainable = [v for v in variables if v.trainable]
        return loss, tape.gradient(loss, [x, y, *trainable], unconnected_gradients="zero")

    return variables, step


@pytest.mark.parametrize("seed", range(int(os.environ.get("AUTOGRAD_VS_EXAMPLES", "16"))))
def test_random_programs(seed):
    rng = np.random.default_rng(seed)
    calls = [(rng.normal(size=3), rng.normal(size=3)) for _ in range(5)]
    close_to_eager(lambda: random_program(seed), calls, rtol=1e-10)


# ---------------------------------------------------------------- mistakes


def test_branches_that_differ():
    for wrong, said in [
        (lambda x: x[:2], r"the result is \(\(3,\), 'float64'\), and \(\(2,\), 'float64'\)"),
        (lambda x: (x,), r"the result is .*, and tuple"),
        (lambda x: x.astype("float32"), r".*'float64'.*'float32'"),
    ]:

        def no(x, wrong=wrong):
            return wrong(x)

        def yes(x):
            return x * 2.0

        f = av.function(lambda x, yes=yes, no=no: av.cond(x[0] > 0, yes, no, x))
        with pytest.raises(ValueError, match=rf"cond: .*yes and .*no must return the same .*: {said}"):
            f(X)


def test_an_optimizer_in_a_branch_is_refused():
    v, optimizer = av.Variable([1.0, 2.0]), optim.SGD(0.1)

    def update():
        optimizer.apply_gradients([(np.ones(2, np.float32), v)])
        return 1

    f = av.function(lambda x: av.cond(x > 0, update, lambda: 0))
    for _ in range(2):
        with pytest.raises(TypeError, match="optimizers outside"):
            f(av.Tensor(1.0))
    assert v.numpy().tolist() == [1.0, 2.0] and optimizer.iterations == 0


def test_what_leaves_a_branch_by_other_ways_is_refused():
    def step(x):
        kept = []
        y = av.cond(x > 0, lambda: (kept.append(x * 2.0), x)[1], lambda: x)
        return y + kept[0]

    with pytest.raises(TypeError, match=r"outside of where it was computed.*Return it from there"):
        av.function(step)(av.Tensor(1.0))

    def given_back(x):
        kept = []
        av.while_loop(lambda c: c < 3, lambda c: (kept.append(c * 2.0), c + 1)[1], x)
        return kept[0]

    with pytest.raises(TypeError, match="outside of where it was computed"):
        av.function(given_back)(av.Tensor(1.0))


@pytest.mark.host("CuPy does not look whether a matrix is singular")
def test_a_branch_that_cannot_bear_the_values_of_the_trace():
    table = av.Variable(np.eye(3))

    def step(i):
        return av.cond(i < 3, lambda: np.linalg.inv(table * 0.0)[0], lambda: table[0])

    with pytest.raises(TypeError, match=r"cond: .*, which is not taken, raised LinAlgError.*av\.where"):
        av.function(step)(av.Tensor(5))
    with pytest.raises(np.linalg.LinAlgError):
        av.function(step)(av.Tensor(1))


def test_ids_are_checked_where_they_are_used():
    table = av.Variable(np.arange(3.0))
    f = av.function(lambda i: av.cond(i < 3, lambda: av.nn.embedding_lookup(table, i), lambda: i * 1.0))
    assert [f(av.Tensor(i)).item() for i in (2, 7, 3)] == [2.0, 7.0, 3.0]
    g = av.function(lambda i, p: av.cond(p, lambda: av.nn.embedding_lookup(table, i), lambda: i * 1.0))
    assert g(av.Tensor(1), av.Tensor(True)).item() == 1.0 and g(av.Tensor(8), av.Tensor(False)).item() == 8.0
    with pytest.raises(IndexError):
        g(av.Tensor(8), av.Tensor(True))


def test_a_condition_does_not_assign():
    v = av.Variable(1.0)
    f = av.function(lambda x: av.while_loop(lambda c: v.assign_add(1.0) < c, lambda c: c, x))
    with pytest.raises(TypeError, match=r"assigns 'Variable.*do this in the body"):
        f(av.Tensor(1.0))
    assert v.item() == 1.0


def test_asking_for_a_value_names_cond():
    with pytest.raises(TypeError, match=r"traced.*av\.cond.*av\.while_loop"):
        av.function(lambda x: x if x > 0 else -x)(av.Tensor(1.0))
