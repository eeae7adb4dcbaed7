"""`av.function`: what a plan does is what the eager function does, whatever happens between the calls."""

import threading
import warnings

import numpy as np
import pytest

import autograd_vs as av
import optim


def model(seed=0, units=8):
    rng = np.random.default_rng(seed)
    w = av.Variable(rng.normal(size=(3, units)).astype(np.float32) * 0.5, name="w")
    b = av.Variable(np.zeros(units, np.float32), name="b")
    v = av.Variable(rng.normal(size=(units, 1)).astype(np.float32) * 0.5, name="v")
    return [w, b, v]


def stepper(variables, optimizer):
    w, b, v = variables

    def step(x, y):
        with av.GradientTape() as tape:
            loss = av.nn.mse(av.tanh(x @ w + b) @ v, y)
        gradients = tape.gradient(loss, variables)
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return {"loss": loss, "norm": av.sqrt(av.sum(gradients[0] ** 2)), "name": "step"}

    return step


def batches(count=6, size=5):
    rng = np.random.default_rng(1)
    return [
        (rng.normal(size=(size, 3)).astype(np.float32), rng.normal(size=(size, 1)).astype(np.float32))
        for _ in range(count)
    ]


@pytest.mark.parametrize(
    "make",
    [
        lambda: optim.SGD(0.1, momentum=0.9),
        lambda: optim.Adam(optim.schedules.cosine(0.01, 5)),
        lambda: optim.AdamW(0.01, weight_decay=0.1),
        lambda: optim.Adam(0.01, global_clipnorm=0.1),
        lambda: optim.Adam(0.01, accumulate_steps=2),
    ],
)
def test_training_is_the_same_bit_for_bit(make):
    eager, planned = model(), model()
    one, other = stepper(eager, make()), av.function(stepper(planned, make()))
    for x, y in batches():
        want, got = one(x, y), other(x, y)
        assert got["name"] == "step"
        for key in ("loss", "norm"):
            assert got[key].numpy() == want[key].numpy()
    for a, b in zip(eager, planned, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    assert other.traces == 1


def test_results_are_not_overwritten_by_the_next_call():
    double = av.function(lambda x: x * 2.0)
    first = double(np.ones(3))
    second = double(np.full(3, 2.0))
    third = double(np.full(3, 3.0))
    assert first.numpy().tolist() == [2.0] * 3 and second.numpy().tolist() == [4.0] * 3
    assert third.numpy().tolist() == [6.0] * 3


def test_an_argument_given_back_is_a_copy():
    same = av.function(lambda x: (x, x.T, x[0]))
    a = np.arange(6.0).reshape(2, 3)
    same(a)
    results = same(a + 1)
    same(a * 0)
    for got, want in zip(results, (a + 1, (a + 1).T, a[0] + 1), strict=True):
        np.testing.assert_array_equal(got.numpy(), want)


def test_there_is_a_plan_for_each_kind_of_arguments():
    seen = []

    @av.function
    def f(x, options, scale=1):
        seen.append(x.shape)
        return x * options["factor"] * scale

    x = np.ones(3)
    assert f(x, {"factor": 2}).numpy().tolist() == [2, 2, 2]
    assert f(x + 1, {"factor": 2}).numpy().tolist() == [4, 4, 4]
    assert len(seen) == 1
    assert f(x, {"factor": 3}).numpy().tolist() == [3, 3, 3]
    assert f(x, {"factor": 2}, scale=2).numpy().tolist() == [4, 4, 4]
    assert f(np.ones(2), {"factor": 2}).numpy().tolist() == [2, 2]
    assert f(np.ones(3, np.float32), {"factor": 2}).dtype == np.float32
    assert f(x, {"factor": av.Tensor(np.array(5.0))}).numpy().tolist() == [5, 5, 5]
    assert f(x, {"factor": av.Tensor(np.array(6.0))}).numpy().tolist() == [6, 6, 6]
    assert len(seen) == 6 == f.traces


def test_assignments_between_calls_are_seen():
    v = av.Variable([1.0, 2.0])
    f = av.function(lambda: v * 3.0)
    f()
    v.assign([5.0, 6.0])
    assert f().numpy().tolist() == [15.0, 18.0]


def test_assignments_inside_are_made_by_each_call():
    v, count = av.Variable([1.0, 2.0], dtype=float), av.Variable(0, dtype=int)

    @av.function
    def f(x):
        before = v + 0
        v.assign_add(x)
        count.assign(count + 1)
        return before, v * 10.0

    for i in range(1, 4):
        before, after = f(np.ones(2))
        assert before.numpy().tolist() == [float(i), float(i + 1)]
        assert after.numpy().tolist() == [10.0 * (i + 1), 10.0 * (i + 2)]
        assert count.item() == i


def test_who_holds_an_old_value_keeps_it():
    v = av.Variable([1.0, 2.0], dtype=float)

    @av.function
    def double():
        v.assign(v * 2.0)

    for _ in range(3):
        view, before = v[:1], v.numpy()
        with av.GradientTape() as tape:
            y = v * v
        double()
        assert view.numpy().tolist() == before[:1].tolist()
        np.testing.assert_array_equal(tape.gradient(y, v).numpy(), 2 * before)
        np.testing.assert_array_equal(v.numpy(), 2 * before)


def test_variables_made_at_the_first_call():
    def net(x):
        with av.variable_scope("net", reuse=av.AUTO_REUSE):
            w = av.get_variable("w", (2, 2), initializer=av.initializers.constant(2.0))
        return x @ w

    with av.VariableStore() as store:
        f = av.function(net)
        x = np.ones((1, 2), np.float32)
        assert f(x).numpy().tolist() == [[4.0, 4.0]]
        assert f(x * 2).numpy().tolist() == [[8.0, 8.0]]
        (w,) = store.variables()
        assert type(w.array) is type(av.Tensor(0.0).array)
        w.assign(np.ones((2, 2)))
        assert f(x).numpy().tolist() == [[2.0, 2.0]] and f.traces == 1
    with av.VariableStore():  # another one has variables of its own
        assert f(x).numpy().tolist() == [[4.0, 4.0]] and f.traces == 2


def test_random_streams_go_on():
    def draw(x):
        noise = av.random.normal((3,), stream="noise")
        return av.nn.dropout(x, 0.5, training=True, stream="drop") + noise

    x = av.Tensor(np.ones(3, np.float32))
    before = av.random.get_state()
    want = [draw(x).numpy() for _ in range(4)]
    av.random.set_state(before)
    f = av.function(draw)
    got = [f(x).numpy() for _ in range(4)]
    np.testing.assert_array_equal(got, want)
    assert not np.array_equal(want[0], want[1])


def test_a_generator_is_made_where_it_is_asked_for():
    def draw(x):
        first, second = av.random.generator("one"), av.random.generator("one")
        return second.normal(size=3) * x, first.normal(size=3)

    state = av.random.get_state()
    want = [[np.asarray(a) for a in draw(2.0)] for _ in range(3)]
    av.random.set_state(state)
    f = av.function(draw)
    np.testing.assert_array_equal([[np.asarray(t) for t in f(av.Tensor(2.0))] for _ in range(3)], want)


def test_what_is_computed_again_draws_the_same_numbers():
    @av.recompute_grad
    def block(x):
        return av.nn.dropout(x, 0.5, training=True, stream="again") * x

    def step(x):
        with av.GradientTape() as tape:
            tape.watch(x)
            y = av.sum(block(x))
        return y, tape.gradient(y, x)

    x = av.Tensor(np.arange(1.0, 9.0))
    state = av.random.get_state()
    want = [[t.numpy() for t in step(x)] for _ in range(4)]
    av.random.set_state(state)
    f = av.function(step)
    for a, b in zip(want, [[t.numpy() for t in f(x)] for _ in range(4)], strict=True):
        np.testing.assert_array_equal(a[0], b[0])
        np.testing.assert_array_equal(a[1], b[1])


@pytest.mark.parametrize("inside", [False, True])
def test_what_is_computed_again_sees_the_variables_of_then(inside):
    def made():
        v = av.Variable([1.0, 2.0], dtype=float)

        @av.recompute_grad
        def block(x):
            if inside:
                v.assign_add(x)
            return x * v * v

        def step(x):
            with av.GradientTape() as tape:
                tape.watch(x)
                y = block(x)
                v.assign(v * 2.0)
            return (*tape.gradient(y, [x, v]), v + 0)

        return v, step

    (a, eager), (b, planned) = made(), made()
    f, buffer = av.function(planned), b.array
    for i in range(1, 4):
        x = av.Tensor(np.full(2, float(i)))
        for want, got in zip(eager(x), f(x), strict=True):
            np.testing.assert_array_equal(want.numpy(), got.numpy())
    np.testing.assert_array_equal(a.numpy(), b.numpy())
    assert b.array is buffer and f.traces == 1


def test_old_values_are_those_of_then_after_an_optimizer():
    def made():
        w, optimizer = av.Variable([1.0, 2.0], dtype=float), optim.SGD(0.1)
        again = av.recompute_grad(lambda x: av.sum(av.nn.dropout(x, 0.5, training=True, stream="then") * w * w))

        def step(x):
            with av.GradientTape(persistent=True) as tape:
                y = av.sum(w * w * x) + again(x)
            first = tape.gradient(y, w)
            optimizer.apply_gradients([(first, w)])
            return first, tape.gradient(y, w), w + 0

        return step

    state = av.random.get_state()
    eager = made()
    want = [[t.numpy() for t in eager(av.Tensor(np.full(2, float(i))))] for i in range(4)]
    av.random.set_state(state)
    f = av.function(made())
    for i in range(4):
        np.testing.assert_array_equal([t.numpy() for t in f(np.full(2, float(i)))], want[i])


def test_a_frozen_variable_is_noticed():
    w, v = av.Variable(2.0), av.Variable(3.0)

    @av.function
    def f():
        with av.GradientTape() as tape:
            y = w * w + v
        return tape.gradient(y, [w, v])

    assert [g.item() for g in f()] == [4.0, 1.0]
    v.trainable = False
    g, none = f()
    assert g.item() == 4.0 and none is None
    v.trainable = True
    assert [g.item() for g in f()] == [4.0, 1.0]


def test_higher_orders_and_nested_tapes():
    def f(x):
        with av.GradientTape() as outer:
            outer.watch(x)
            with av.GradientTape() as inner:
                inner.watch(x)
                y = av.sum(x**3)
            first = inner.gradient(y, x)
            s = av.sum(first * first)
        return first, outer.gradient(s, x)

    g = av.function(f)
    for x in (np.array([1.0, 2.0]), np.array([-1.0, 3.0])):
        for a, b in zip(f(av.Tensor(x)), g(av.Tensor(x)), strict=True):
            np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_an_outer_tape_follows_every_op():
    v = av.Variable([1.0, 2.0])
    f = av.function(lambda: av.sum(v * v))
    f()
    with av.GradientTape() as tape:
        y = f()
    assert tape.gradient(y, v).numpy().tolist() == [2.0, 4.0]


def test_functions_in_functions_are_parts_of_them():
    inner = av.function(lambda x: x * 2.0)
    outer = av.function(lambda x: inner(x) + 1.0)
    assert outer(np.ones(2)).numpy().tolist() == [3.0, 3.0] == outer(np.ones(2)).numpy().tolist()
    assert inner.traces == 0


def test_rows_of_an_embedding():
    rng = np.random.default_rng(0)
    start = rng.normal(size=(50, 4)).astype(np.float32)

    def made(wrap):
        table, optimizer = av.Variable(start), optim.SGD(0.1)

        def step(ids):
            with av.GradientTape() as tape:
                loss = av.sum(av.nn.embedding_lookup(table, ids) ** 2)
            gradient = tape.gradient(loss, table)
            assert isinstance(gradient, av.IndexedSlices)
            optimizer.apply_gradients([(gradient, table)])
            return loss

        return table, wrap(step)

    (a, eager), (b, planned) = made(lambda f: f), made(av.function)
    for _ in range(4):
        ids = rng.integers(0, 50, 6)
        assert eager(ids).numpy() == planned(ids).numpy()
    np.testing.assert_array_equal(a.numpy(), b.numpy())
    with pytest.raises(IndexError):
        planned(np.array([0, 1, 2, 3, 4, 50]))


def test_constant_rows_are_made_dense():
    f = av.function(lambda ids: av.IndexedSlices(av.Tensor(np.ones((3, 2))), ids, (3, 2)).to_dense())
    for ids in ([0, 0, 2], [1, 2, 1]):
        assert f(np.array(ids)).numpy()[:, 0].tolist() == np.bincount(ids, minlength=3).tolist()


def test_rows_are_handed_out_anew():
    table = av.Variable(np.ones((5, 2), np.float32))

    def f(ids):
        with av.GradientTape() as tape:
            y = av.sum(av.nn.embedding_lookup(table, ids) ** 2)
        return {"loss": y, "rows": [tape.gradient(y, table)]}

    g = av.function(f)
    for ids in ([1, 1, 3], [0, 2, 4], [2, 2, 2]):
        (got,), (want,) = g(np.array(ids))["rows"], f(np.array(ids))["rows"]
        assert isinstance(got, av.IndexedSlices)
        np.testing.assert_array_equal(got.to_dense().numpy(), want.to_dense().numpy())


def test_printing_never_refuses():
    seen, v = [], av.Variable([1.0, 2.0], name="shown")

    @av.function
    def f(x):
        seen.append(f"{x} {x:.3f} {v!r} {x[0]:.2f}")
        return x

    f(np.ones(2))
    assert seen[0].count("<traced>") == 4 and "'shown:0'" in seen[0]


def test_a_shape_that_changes_is_noticed():
    f = av.function(lambda x: np.unique(x))
    assert f(np.array([1.0, 2.0, 2.0])).numpy().tolist() == [1.0, 2.0]
    with pytest.raises(RuntimeError, match=r"shape \(1,\) where it had \(2,\).*depends on values"):
        f(np.array([2.0, 2.0, 2.0]))


@pytest.mark.parametrize(
    "ask",
    [
        lambda t: t[t > 0], lambda t: np.nonzero(t)[0] * 1.0,
        lambda t: t if t[0] > 0 else -t, lambda t: t * t.numpy(), lambda t: t * t[0].item(), lambda t: t * float(t[0]),
        lambda t: np.asarray(t), lambda t: t[: int(t[0])],
    ],
)  # fmt: skip
def test_what_depends_on_values_is_refused(ask):
    f = av.function(ask)
    with pytest.raises(TypeError, match=r"traced.*av\.where"):
        f(np.ones(3))
    assert (av.Tensor(np.ones(3)) * 2).numpy().tolist() == [2, 2, 2]  # and nothing is left behind


def test_a_trace_that_fails_changes_nothing():
    v = av.Variable([1.0, 2.0])

    @av.function
    def f(x):
        v.assign(v * 10.0)
        raise KeyError("mine")

    for _ in range(2):
        with pytest.raises(KeyError, match="mine"):
            f(np.ones(2))
        assert v.numpy().tolist() == [1.0, 2.0] and type(v.array) is type(av.Tensor(0.0).array)
    assert (v + 1).numpy().tolist() == [2.0, 3.0]


def test_arrays_from_outside_are_copied():
    a = np.ones(2)
    f = av.function(lambda x: x + a)
    f(np.zeros(2))
    a[:] = 5
    assert f(np.zeros(2)).numpy().tolist() == [1.0, 1.0]


def test_threads_take_turns():
    f = av.function(lambda x: av.sum(av.exp(x) * x))
    want = {i: f(np.full(100, i / 10)).item() for i in range(8)}
    wrong = []

    def work(i):
        for _ in range(50):
            if f(np.full(100, i / 10)).item() != want[i]:
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_other_threads_run_while_one_traces():
    v, start, go_on = av.Variable([1.0, 2.0]), threading.Event(), threading.Event()
    found = []

    @av.function
    def f(x):
        y = x * v
        start.set()
        go_on.wait(5)
        return y + v

    def other():
        start.wait(5)
        found.append((v * 2.0).numpy())
        with av.GradientTape() as tape:
            y = av.sum(v * v)
        found.append(tape.gradient(y, v).numpy())
        go_on.set()

    thread = threading.Thread(target=other)
    thread.start()
    assert f(np.ones(2, np.float32)).numpy().tolist() == [2.0, 4.0]
    thread.join()
    assert [a.tolist() for a in found] == [[2.0, 4.0], [2.0, 4.0]]
    assert len(f.plan()) == 2


def test_threads_trace_one_after_the_other():
    v, wrong = av.Variable(np.ones(50)), []

    def work(i):
        for k in range(10):
            f = av.function(lambda x, i=i: av.sum(av.exp(x * v) * float(i)))
            x = np.full(50, k / 10)
            for _ in range(2):
                if abs(f(x).item() - 50 * i * np.exp(k / 10)) > 1e-9 * i * 200:
                    wrong.append((i, k))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(1, 7)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong and type(v.array) is type(av.Tensor(0.0).array)


def test_many_traces_are_worth_a_warning():
    f = av.function(lambda x, n: x * n)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for n in range(7):
            f(np.ones(2), n)
    with pytest.warns(av.RetraceWarning, match=r"the 8th time, at .*test_function\.py:\d+: argument n is 7, it was 6"):
        f(np.ones(2), 7)


def test_eagerly():
    calls = []
    f = av.function(lambda x: calls.append(1) or x * 2.0)
    av.run_functions_eagerly(True)
    try:
        f(np.ones(2)), f(np.ones(2))
    finally:
        av.run_functions_eagerly(False)
    assert len(calls) == 2 and f.traces == 0


def test_methods():
    class Net:
        def __init__(self, scale):
            self.scale = scale

        @av.function
        def __call__(self, x):
            return x * self.scale

        @av.function
        def twice(self, x):
            return x * self.scale * 2.0

    a, b = Net(2.0), Net(3.0)
    for _ in range(2):
        assert a.twice(np.ones(1)).item() == 4.0 and b.twice(np.ones(1)).item() == 6.0
        assert a(np.ones(1)).item() == 2.0


def test_the_plan_and_its_profile_can_be_read():
    variables = model()
    f = av.function(stepper(variables, optim.Adam()))
    with pytest.raises(ValueError, match="no plan yet"):
        f.plan()
    x, y = batches()[0]
    with av.name_scope("train"):
        f(x, y)
    text = str(f.plan())
    assert "tanh" in text and "Adam" not in text.splitlines()[0] and "m of w .." in text and "train/" in text
    with av.name_scope("train"):
        profile = str(f.profile(x, y))
    assert profile.count("\n") >= len(f.plan()) + 2 and "together" in profile and "train/" in profile


@pytest.mark.host("memory of NumPy's arrays")
def test_a_plan_allocates_only_what_it_hands_out():
    import tracemalloc

    v = av.Variable(np.ones((64, 64)))
    f = av.function(lambda x: av.sum(av.tanh(x @ v) * 2.0 + x))
    x = av.Tensor(np.ones((64, 64)))
    for _ in range(3):
        f(x)
    tracemalloc.start()
    f(x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3000  # an array of 64 x 64 has 32768 bytes


def test_memory_is_used_again():
    def chain(x):
        for _ in range(20):
            x = av.tanh(x @ x.T) + 0.1
        return av.sum(x)

    f = av.function(chain)
    f(np.ones((16, 16)))
    assert len(f.plan().buffers) <= 3


@pytest.mark.parametrize("rows", [100, 700])  # calls over large arrays are made in pieces
def test_a_plan_lets_go_of_the_arrays_of_its_trace(rows):
    import tracemalloc

    def chain(x):
        for _ in range(30):
            x = av.tanh(x) + 0.1
        return av.sum(x)

    f, x = av.function(chain), np.ones((rows, 100))
    f(np.ones((rows, 101)))  # modules are loaded
    f._plans.clear()
    tracemalloc.start()
    f(x)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert held < 6 * x.nbytes  # the input, two results, and what is not arrays; the trace had 60


def test_equal_calls_are_made_once():
    f = av.function(lambda x: av.sin(x) + av.sin(x) * av.sin(x))
    f(np.ones(3))
    f(np.ones(3))
    assert str(f.plan()).count("sin(") == 1


def test_what_is_not_needed_is_not_computed():
    f = av.function(lambda x: (av.exp(x), av.sin(x))[1])
    f(np.ones(3))
    assert "exp" not in f.plan() and "sin" in f.plan()


def test_constants_are_computed_once():
    a = av.Tensor(np.ones((3, 3)))
    f = av.function(lambda x: x + av.exp(a) @ a)
    f(np.ones(3))
    assert "exp" not in f.plan() and len(f.plan()) == 1


def test_stop_gradient_of_a_variable_reads_it_at_each_call():
    v = av.Variable([1.0, 2.0])

    @av.function
    def step(x):
        before = av.stop_gradient(v)
        v.assign_add(x)
        return before, v + 0

    for _ in range(3):
        old = v.numpy()
        before, after = step(av.Tensor(np.ones(2, np.float32)))
        assert before.numpy().tolist() == old.tolist() and after.numpy().tolist() == (old + 1).tolist()
