"""`av.function`: whatever changes between calls, or goes wrong in the middle of one."""

import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest

import autograd_vs as av
import optim
from autograd_vs.base.backend import to_numpy

# ---------------------------------------------------------------- what changes between the calls


def network(seed=0):
    rng = np.random.default_rng(seed)
    w = av.Variable(rng.normal(size=(3, 4)).astype(np.float32), name="w")
    v = av.Variable(rng.normal(size=(4, 1)).astype(np.float32), name="v")
    return w, v


def step_of(variables, optimizer):
    w, v = variables

    def step(x, training=True):
        with av.GradientTape() as tape:
            h = av.nn.dropout(av.tanh(x @ w), 0.25, training=training, stream="drop")
            loss = av.mean(av.square(h @ v))
        gradients = tape.gradient(loss, variables)
        pairs = [(g, v) for g, v in zip(gradients, variables, strict=True) if v.trainable]
        optimizer.apply_gradients(pairs)
        return loss

    return step


def nothing(variables, optimizer):
    pass


def set_attribute(name, value):
    def change(variables, optimizer):
        setattr(optimizer, name, value)

    return change


def load(variables, optimizer):
    state = optimizer.state_dict()
    state = {key: value * 0.5 if "/m/" in key else value for key, value in state.items()}
    optimizer.load_state_dict(state)
    variables[0].assign(variables[0].numpy() * 0.5)


def freeze(variables, optimizer):
    variables[0].trainable = not variables[0].trainable


CHANGES = {
    "nothing": nothing,
    "learning rate": set_attribute("learning_rate", 0.5),
    "schedule": set_attribute("learning_rate", optim.schedules.cosine(0.1, 5)),
    "beta_1": set_attribute("beta_1", 0.5),
    "epsilon": set_attribute("epsilon", 0.1),
    "weight_decay": set_attribute("weight_decay", 0.3),
    "clipnorm": set_attribute("clipnorm", 1e-3),
    "global_clipnorm": set_attribute("global_clipnorm", 1e-3),
    "clipvalue": set_attribute("clipvalue", 1e-4),
    "accumulate_steps": set_attribute("accumulate_steps", 2),
    "iterations": set_attribute("iterations", 100),
    "reset": lambda variables, optimizer: optimizer.reset(),
    "load_state_dict": load,
    "assignment": lambda variables, optimizer: variables[1].assign(np.ones((4, 1))),
    "trainable": freeze,
    "seed": lambda variables, optimizer: av.random.set_seed(7),
    "default dtype": lambda variables, optimizer: av.set_default_dtype("float64"),
    "threads": lambda variables, optimizer: av.set_num_threads(1),
}


@pytest.fixture
def as_it_was(seed):
    state, threads = av.random.get_state(), av.get_num_threads()
    yield
    av.random.set_state(state)
    av.set_default_dtype("float32")
    av.set_num_threads(threads)
    seed(None)


@pytest.mark.parametrize("what", CHANGES)
def test_changes_between_calls_count_as_they_do_eagerly(what, as_it_was):
    found = {}
    begin = av.random.get_state()
    for wrap in (lambda f: f, av.function):
        av.random.set_state(begin)
        av.set_default_dtype("float32")
        with av.VariableStore():
            variables = network()
        optimizer = optim.AdamW(0.1, name="change")
        step = wrap(step_of(variables, optimizer))
        rng, losses = np.random.default_rng(1), []
        for number in range(9):
            if number in (3, 6):
                CHANGES[what](variables, optimizer)
            losses.append(step(rng.normal(size=(5, 3)).astype(np.float32)).numpy())
        slots = {key: to_numpy(value) for key, value in optimizer.state_dict().items()}
        found[wrap is av.function] = [losses, [v.numpy() for v in variables], slots]
    for eager, planned in zip(found[False], found[True], strict=True):
        np.testing.assert_equal(planned, eager)


def test_training_flags_and_surroundings_have_plans_of_their_own():
    f = av.function(lambda x, training: av.nn.dropout(x, 0.5, training=training))
    x = np.ones(50, np.float32)
    for _ in range(2):
        assert f(x, False).numpy().tolist() == [1.0] * 50
        assert set(f(x, True).numpy().tolist()) == {0.0, 2.0}
    assert f.traces == 2


def test_a_store_that_was_reset_makes_new_variables():
    def net(x):
        with av.variable_scope("net", reuse=av.AUTO_REUSE):
            return x * av.get_variable("w", (), initializer=av.initializers.constant(2.0))

    for inner in (False, True):
        store = av.VariableStore()

        def inside(x, store=store):
            with store:
                return net(x)

        f = av.function(inside if inner else net)
        with av.VariableStore() if inner else store:
            assert [f(np.float32([1]))[0].item() for _ in range(2)] == [2.0, 2.0]
            store["net/w"].assign(5.0)
            assert f(np.float32([1]))[0].item() == 5.0
            store.reset()
            assert [f(np.float32([1]))[0].item() for _ in range(2)] == [2.0, 2.0]
            assert f.traces == 2


def test_scopes_and_reuse_count():
    def get():
        return av.get_variable("w", (), initializer=av.initializers.constant(1.0)) * 1.0

    f = av.function(get)
    with av.VariableStore() as store:
        with av.variable_scope("a"):
            f()
        with av.variable_scope("b"):
            f()
        assert [v.name for v in store.variables()] == ["a/w:0", "b/w:0"] and f.traces == 2
        with av.variable_scope("a"), pytest.raises(ValueError, match="exists already"):
            get()
        with av.variable_scope("a", reuse=True):
            store["a/w"].assign(3.0)
            assert f().item() == 3.0


# ---------------------------------------------------------------- errors of floating point


def warned(f, *args):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        f(*args)
    return sorted({str(w.message) for w in caught})


@pytest.mark.host("a kernel of a device does not warn")
def test_a_replay_warns_as_the_eager_step_does():
    f = lambda x: av.log(x) + 1.0 / x  # noqa: E731
    planned, x = av.function(f), np.zeros(2)
    want = warned(f, av.Tensor(x))
    assert len(want) == 3 and "divide by zero encountered in log" in want
    for _ in range(3):
        assert warned(planned, x) == want
    with np.errstate(all="ignore"):
        assert warned(planned, x) == []
    with np.errstate(divide="raise"), pytest.raises(FloatingPointError):
        planned(x)
    assert warned(planned, np.ones(2)) == []


@pytest.mark.host("a kernel of a device does not warn")
def test_errstate_inside_of_a_function_holds_in_replays():
    def f(x):
        with np.errstate(divide="ignore"):
            y = 1.0 / x
        return y, av.sqrt(x - 1.0)

    planned, x = av.function(f), np.zeros(2)
    assert warned(f, av.Tensor(x)) == ["invalid value encountered in sqrt"]
    for _ in range(3):
        assert warned(planned, x) == ["invalid value encountered in sqrt"]
    with np.errstate(all="raise"), pytest.raises(FloatingPointError, match="sqrt"):
        planned(x)
    assert np.geterr()["divide"] == "warn"


def test_ops_that_ignore_errors_do_so_in_replays():
    f = av.function(lambda x: av.logsumexp(x) if hasattr(av, "logsumexp") else av.nn.logsumexp(x))
    x = np.full(3, -np.inf)
    for _ in range(3):
        assert warned(f, x) == []


# ---------------------------------------------------------------- an exception in the middle


class Fault(Exception):
    pass


def updates():
    """A step with writes before, between and after other calls, and an optimizer."""
    with av.VariableStore():
        w, v = network()
        count = av.Variable(0.0, name="count")
    optimizer = optim.SGD(0.1, momentum=0.9, name="fault")

    def step(x):
        count.assign_add(1.0)
        with av.GradientTape() as tape:
            loss = av.sum(av.square(av.tanh(x @ w) @ v))
        optimizer.apply_gradients(zip(tape.gradient(loss, [w, v]), [w, v], strict=True))
        w.assign(w * 0.9)
        return av.sum(w) + loss

    return step, [w, v, count], optimizer


def state_of(variables, optimizer):
    return [v.numpy() for v in variables] + [to_numpy(a) for a in optimizer.state_dict().values()]


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.host("lines of a plan, which runs as graphs elsewhere")
@pytest.mark.parametrize("error", [Fault, KeyboardInterrupt])
def test_an_exception_at_any_line_leaves_all_or_nothing_or_says_so(error):
    import sys

    x, fates = np.ones((2, 3), np.float32), []
    for target in range(200):
        step, variables, optimizer = updates()
        f = av.function(step)
        f(x), f(x)
        plan = next(iter(f._plans.values()))
        first = plan.emitted.run.__code__.co_firstlineno + 1

        def tracing(frame, event, arg, plan=plan, line=first + target):
            if frame.f_code is not plan.emitted.run.__code__:
                return None

            def at_line(frame, event, arg):
                if event == "line" and frame.f_lineno == line:
                    raise error
                return at_line

            return at_line

        before, hooked = state_of(variables, optimizer), sys.gettrace()
        sys.settrace(tracing)
        try:
            f(x)
        except error as caught:
            notes = " ".join(getattr(caught, "__notes__", ()))
        else:
            break
        finally:
            sys.settrace(hooked)
        after = state_of(variables, optimizer)
        whole, whole_variables, whole_optimizer = updates()
        for _ in range(3):
            whole(av.Tensor(x))
        if same(before, after):
            fates.append("nothing")
        elif same(after, state_of(whole_variables, whole_optimizer)):
            fates.append("all")
        else:
            fates.append("some")
            changed = [
                v.name for v, old, new in zip(variables, before, after, strict=False) if not np.array_equal(old, new)
            ]
            assert changed and all(name.removesuffix(":0") in notes for name in changed)
            assert "undefined" in notes and "step" in notes
        assert np.isfinite(f(x).numpy())  # and the next call works
    assert target > 8 and {"nothing", "some"} <= set(fates)
    assert fates == sorted(fates, key=["nothing", "some", "all"].index)


def test_an_interrupt_inside_of_an_optimizer_says_so():
    import sys

    x, target, told = np.ones((2, 3), np.float32), 1, 0
    step, *rest = updates()
    for _ in range(3):
        step(av.Tensor(x))
    whole = state_of(*rest)
    while True:
        step, variables, optimizer = updates()
        f = av.function(step)
        f(x), f(x)
        seen = 0

        def tracing(frame, event, arg, target=target):
            nonlocal seen
            if not any(part in frame.f_code.co_filename for part in ("optim", "state", "<plan>")):
                return None
            if event == "line":
                seen += 1
                if seen == target:
                    raise KeyboardInterrupt
            return tracing

        before, hooked = state_of(variables, optimizer), sys.gettrace()
        sys.settrace(tracing)
        try:
            f(x)
        except KeyboardInterrupt as caught:
            notes = " ".join(getattr(caught, "__notes__", ()))
        else:
            break
        finally:
            sys.settrace(hooked)
        after = state_of(variables, optimizer)
        if not same(before, after) and not same(after, whole):
            told += 1
            changed = [v.name for v, a, b in zip(variables, before, after, strict=False) if (a != b).any()]
            assert all(name.removesuffix(":0") in notes for name in changed), (changed, notes)
            assert "momentum" in notes or "count may have been written" in notes
        target += 3
    assert told > 5


def test_a_trace_that_fails_says_what_is_not_undone():
    step, variables, optimizer = updates()
    before = [v.numpy() for v in variables]

    @av.function
    def f(x):
        step(x)
        raise Fault

    with pytest.raises(Fault) as caught:
        f(np.ones((2, 3), np.float32))
    assert same(before, [v.numpy() for v in variables])
    assert optimizer.iterations == 0 and not hasattr(caught.value, "__notes__")
    assert not any(np.any(slot) for key, slot in optimizer.state_dict().items() if "/momentum/" in key)
    optimizer.clipnorm = 1.0  # that looks at values, and is done by a Python function
    with pytest.raises(Fault) as caught:
        f(np.ones((2, 3), np.float32))
    assert same(before, [v.numpy() for v in variables])
    (note,) = caught.value.__notes__
    assert "given back what they held, but what Optimizer._apply changed beside them" in note


def test_ids_out_of_range_change_nothing_or_say_so():
    table, count = av.Variable(np.ones((4, 2), np.float32), name="table"), av.Variable(0.0, name="calls")

    @av.function
    def f(ids):
        y = av.sum(av.nn.embedding_lookup(table, ids))
        count.assign_add(1.0)
        return y

    f(np.array([0, 1])), f(np.array([1, 2]))
    with pytest.raises(IndexError) as caught:
        f(np.array([0, 9]))
    assert count.item() == 2.0 and not hasattr(caught.value, "__notes__")

    @av.function
    def g(ids):
        count.assign_add(1.0)
        y = av.sum(av.nn.embedding_lookup(table, ids))
        table.assign(table * 2.0)
        return y

    g(np.array([0, 1])), g(np.array([1, 2]))
    with pytest.raises(IndexError) as caught:
        g(np.array([0, 9]))
    (note,) = caught.value.__notes__
    assert "calls may have been written, table not yet" in note and "load a checkpoint" in note
    assert g(np.array([0, 1])).item() == 4.0 * 4.0


def test_an_error_in_a_trace_gives_variables_back_and_the_next_call_works():
    v, fail = av.Variable([1.0, 2.0]), [True]

    @av.function
    def f(x):
        v.assign(v * 10.0)
        with av.GradientTape() as tape, av.name_scope("deep"):
            y = av.sum(v * x)
            if fail:
                raise Fault
        return tape.gradient(y, v)

    for _ in range(2):
        with pytest.raises(Fault):
            f(np.ones(2, np.float32))
        assert v.numpy().tolist() == [1.0, 2.0]
    fail.clear()
    for k in (10.0, 100.0):
        assert f(np.ones(2, np.float32)).numpy().tolist() == [1.0, 1.0] and v.numpy().tolist() == [k, 2 * k]


# ---------------------------------------------------------------- threads, recursion, what runs bit by bit


def test_threads_train_together():
    """Each call is whole: the sum of all updates is there, and each result belongs to its own argument."""
    total, wrong = av.Variable(np.zeros(4)), []

    @av.function
    def add(x):
        total.assign_add(x)
        return x * 2.0, av.sum(x)

    add(np.zeros(4))

    def work(i):
        for k in range(30):
            x = np.full(4, float(i + k))
            double, s = add(x)
            if double.numpy().tolist() != (2 * x).tolist() or s.item() != x.sum():
                wrong.append((i, k))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong and total.numpy().tolist() == [float(sum(i + k for i in range(6) for k in range(30)))] * 4


def test_a_function_may_call_itself():
    @av.function
    def power(x, n):
        return x if n == 0 else power(x, n - 1) * x

    for _ in range(2):
        assert power(np.array([2.0]), 3).item() == 16.0
    assert power.traces == 1


def test_a_replay_is_not_begun_again_in_the_middle():
    again = [False]

    def callback():
        if again[0]:
            f(np.ones(2))

    @av.function
    def f(x):
        y = x + 1.0
        av.outside(callback)
        return y * 2.0

    f(np.ones(2)), f(np.ones(2))
    again[0] = True
    with pytest.raises(RuntimeError, match=r"its own plan calls.*python_function"):
        f(np.ones(2))
    again[0] = False
    assert f(np.ones(2)).numpy().tolist() == [4.0, 4.0]


def test_generators_and_coroutines_are_refused():
    def generator(x):
        yield x

    async def coroutine(x):
        return x

    async def both(x):
        yield x

    for f in (generator, coroutine, both):
        with pytest.raises(TypeError, match=f"{f.__name__} is a generator or a coroutine.*between two"):
            av.function(f)
    with pytest.raises(TypeError, match="takes a function, got 3"):
        av.function(3)
    for f in (lambda x: iter([x]), lambda x: {"a": map(str, [x])}, lambda x: generator(x)):
        with pytest.raises(TypeError, match=r"<lambda> \(.*test_function_safety\.py:\d+\) returns <.*used up once"):
            av.function(f)(np.ones(2))


def test_arguments_that_do_not_fit_are_named():
    f = av.function(lambda x, options: x)
    with pytest.raises(TypeError, match=r"<lambda>: argument options\['a'\] is \{1\} \(set\).*can be hashed"):
        f(np.ones(2), {"a": {1}})
    with pytest.raises(TypeError, match=r"<lambda> \(.*\): argument options is <list_iterator.*pass what it gives"):
        f(np.ones(2), iter([1]))


def test_async_tasks_call_functions():
    import asyncio

    f = av.function(lambda x: av.sum(x * 2.0))

    async def task(i):
        found = []
        for k in range(3):
            found.append(f(np.full(2, float(i + k))).item())
            await asyncio.sleep(0)
        return found

    async def together():
        return await asyncio.gather(*(task(i) for i in range(3)))

    assert asyncio.run(together()) == [[4.0 * (i + k) for k in range(3)] for i in range(3)]


def test_results_that_hold_tensors_out_of_sight_are_refused():
    class Result:
        def __init__(self, loss):
            self.loss = loss

    v = av.Variable([1.0])

    @av.function
    def f(x):
        v.assign(v + 1.0)
        return Result(x * 2.0)

    with pytest.raises(TypeError, match=r"f \(.*:\d+\) returns a Result with Tensors in it.*named tuple"):
        f(np.ones(2))
    assert v.numpy().tolist() == [1.0]


@pytest.fixture
def global_random_numbers():
    import random

    states = np.random.get_state(), random.getstate()
    yield random
    np.random.set_state(states[0])
    random.setstate(states[1])


def test_global_random_numbers_are_warned_of(global_random_numbers):
    x, random = np.ones(2), global_random_numbers
    for draw, name in ((np.random.rand, "np.random"), (random.random, "random")):
        f = av.function(lambda x, draw=draw: x * draw())
        with pytest.warns(
            UserWarning, match=rf"<lambda> \(.*test_function_safety.py:\d+\) draws from {name}.*av.random"
        ):
            f(x)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        av.function(lambda x: x * av.random.uniform((2,)))(x)
        f(x)


GENERATOR = np.random.default_rng(0)


def test_generators_that_are_drawn_from_are_warned_of():
    x, inner, old = np.ones(2), np.random.Generator(np.random.MT19937(0)), np.random.RandomState(0)

    class Net:
        @av.function
        def call(self, x):
            return x * inner.normal()

    traced = {
        "GENERATOR": lambda: av.function(lambda x: x * GENERATOR.normal())(x),
        "inner": lambda: Net().call(x),
        "old": lambda: av.function(lambda x: x * old.normal())(x),
        "rng": lambda: av.function(lambda x, rng: x * rng.normal())(x, np.random.default_rng(1)),
    }
    for name, call in traced.items():
        with pytest.warns(UserWarning, match=rf"draws from the generator '{name}' while it is traced.*av.random"):
            call()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        av.function(lambda x, rng: x * len(repr((GENERATOR, inner, rng))))(x, old)  # named, not drawn from

        def outer():
            f = av.function(lambda x: later + x if x.ndim > 1 else x)
            return f(x), later  # without a value

        with pytest.raises(NameError):
            outer()
            later = 1


@pytest.mark.host("runs in a process of its own, on NumPy")
@pytest.mark.parametrize(("draw", "warned"), [("av.get_variable('v', (2,))", 0), ("np.random.rand(2)", 1)])
def test_a_generator_that_is_loaded_in_a_trace_has_not_been_drawn_from(draw, warned):
    program = f"""
import sys, warnings, numpy as np, autograd_vs as av
f = av.function(lambda x: x * {draw})
assert "numpy.random" not in sys.modules
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    f(np.ones(2, np.float32))
assert len(caught) == {warned}, [str(w.message) for w in caught]
assert "numpy.random" in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)


# ---------------------------------------------------------------- results


def test_results_are_never_overwritten():
    v = av.Variable([1.0, 2.0], dtype=float)

    @av.function
    def f(x):
        y = x * 2.0
        v.assign_add(x)
        return {"y": y, "again": y, "view": y[:1], "turned": av.stack([y, y]).T, "x": x, "v": v, "read": v + 0.0}

    kept = []
    for k in range(4):
        got = f(np.full(2, float(k)))
        values = {name: part.numpy() for name, part in got.items()}
        assert values["y"].tolist() == [2.0 * k] * 2 == values["again"].tolist()
        assert values["view"].tolist() == [2.0 * k] and values["turned"].tolist() == [[2.0 * k] * 2] * 2
        assert got["v"] is v and values["read"].tolist() == v.numpy().tolist()
        kept.append((got, values))
    for got, values in kept:
        for name, value in values.items():
            if name != "v":
                np.testing.assert_array_equal(got[name].numpy(), value)


def test_arrays_and_lists_that_come_back_are_fresh():
    f = av.function(lambda x: (np.zeros(2), [x], "word"))
    f(np.ones(1))
    zeros, rest, word = f(np.ones(1))
    zeros[:], rest[:] = 5.0, []
    again, rest, word = f(np.ones(1))
    assert again.tolist() == [0.0, 0.0] and rest[0].item() == 1.0 and word == "word"


def test_a_tensor_left_over_from_a_trace_says_so():
    kept = []
    f = av.function(lambda x: kept.append(x * 2.0) or x)
    f(np.ones(2))
    with pytest.raises(TypeError, match=r"left over.*test_function_safety\.py:\d+.*Return it"):
        kept[0].numpy()


# ---------------------------------------------------------------- names from outside


def test_names_from_outside_that_are_bound_anew_are_read_anew():
    w, rate = av.Variable([1.0, 2.0]), 2.0

    def scaled(v):
        return v * rate

    @av.function
    def f(x):
        return x + (lambda: scaled(w))()

    x = np.zeros(2, np.float32)
    assert [f(x).numpy().tolist() for _ in range(2)] == [[2.0, 4.0]] * 2 and f.traces == 1
    w = av.Variable([5.0, 7.0])  # a cell of a notebook that is run again
    assert f(x).numpy().tolist() == [10.0, 14.0]
    rate = 3.0  # in a function that it calls
    assert f(x).numpy().tolist() == f(x).numpy().tolist() == [15.0, 21.0] and f.traces == 3


def test_globals_that_are_bound_anew_are_read_anew():
    names = {"np": np, "av": av, "data": np.ones(2)}
    exec("@av.function\ndef f(x):\n    return helper(x) * data\ndef helper(x):\n    return x + 1.0", names)
    f, x = names["f"], np.ones(2)
    assert [f(x).numpy().tolist() for _ in range(2)] == [[2.0, 2.0]] * 2
    names["data"] = np.full(2, 5.0)
    assert f(x).numpy().tolist() == [10.0, 10.0]
    exec("def helper(x):\n    return x - 1.0", names)
    assert f(x).numpy().tolist() == f(x).numpy().tolist() == [0.0, 0.0] and f.traces == 3


def test_names_that_the_function_binds_itself_do_not_count():
    traces = 0

    @av.function
    def f(x):
        nonlocal traces
        traces += 1
        return x * 2.0

    for _ in range(3):
        f(np.ones(2))
        traces += 10
    assert traces == 31 and f.traces == 1
