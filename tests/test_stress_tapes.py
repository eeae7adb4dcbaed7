"""Many at once, deep, long and wide: threads, tasks, generators, a thousand scopes, tapes in tapes, high orders."""

import asyncio
import contextlib
import gc
import math
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import autograd_vs as av
import optim
from autograd_vs.engine import record
from autograd_vs.state import context

# ---------------------------------------------------------------- threads, tasks, generators


def training(seed, shared, steps=6):
    """A run with a store, scopes and a tape of its own, and Variables that others read, too: (names, numbers)."""
    rng = np.random.default_rng(seed)
    x = av.Tensor(rng.normal(size=(4, 2)))
    optimizer = optim.Adam(0.1)
    losses = []
    with av.VariableStore(seed=seed) as store:
        for _ in range(steps):
            with av.variable_scope("net", reuse=av.AUTO_REUSE), av.name_scope(f"run{seed}"), av.GradientTape() as tape:
                with av.variable_scope("inner"):
                    w = av.get_variable("w", (2, 2), np.float64)
                with av.GradientTape() as inner:
                    inner.watch(x)
                    y = av.sum(av.tanh(x @ w) * shared[0]) + av.sum(shared[1])
                g = inner.gradient(y, x)
                loss = av.sum(g * g) + y * y
            gw, g0 = tape.gradient(loss, [w, shared[0]])
            optimizer.apply_gradients([(gw, w)])
            losses.append((loss.item(), float(gw.numpy().sum()), float(g0.numpy().sum())))
        names = [v.name for v in store.variables()]
    return names, losses


def shared_variables():
    return [av.Variable(np.array([0.5, -1.0])), av.Variable(np.ones(3))]


def test_threads_with_stores_and_tapes_of_their_own_share_variables_that_they_read():
    shared = shared_variables()
    want = [training(seed, shared) for seed in range(8)]
    assert len({str(w[1]) for w in want}) == 8
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        barrier = threading.Barrier(8)

        def run(seed):
            barrier.wait()
            return training(seed, shared), record.active(), context.scopes.top()

        for _ in range(3):
            with ThreadPoolExecutor(8) as pool:
                for (found, tape, scope), expected in zip(pool.map(run, range(8)), want, strict=True):
                    assert found == expected
                    assert tape is None and scope is None
    finally:
        sys.setswitchinterval(before)
    gc.collect()
    assert not record.live_records


def test_tasks_that_give_way_to_each_other_inside_of_everything():
    shared = shared_variables()
    want = [training(seed, shared) for seed in range(5)]

    async def run(seed):
        rng = np.random.default_rng(seed)
        x = av.Tensor(rng.normal(size=(4, 2)))
        optimizer = optim.Adam(0.1)
        losses = []
        with av.VariableStore(seed=seed) as store:
            for _ in range(6):
                with av.variable_scope("net", reuse=av.AUTO_REUSE), av.name_scope(f"run{seed}"):
                    await asyncio.sleep(0)
                    with av.GradientTape() as tape:
                        with av.variable_scope("inner"):
                            w = av.get_variable("w", (2, 2), np.float64)
                            await asyncio.sleep(0)
                        with av.GradientTape() as inner:
                            inner.watch(x)
                            await asyncio.sleep(0)
                            y = av.sum(av.tanh(x @ w) * shared[0]) + av.sum(shared[1])
                        g = inner.gradient(y, x)
                        await asyncio.sleep(0)
                        loss = av.sum(g * g) + y * y
                gw, g0 = tape.gradient(loss, [w, shared[0]])
                optimizer.apply_gradients([(gw, w)])
                losses.append((loss.item(), float(gw.numpy().sum()), float(g0.numpy().sum())))
            names = [v.name for v in store.variables()]
        assert record.active() is None
        return names, losses

    async def main():
        return await asyncio.gather(*map(run, range(5)))

    for found, expected in zip(asyncio.run(main()), want, strict=True):
        assert found == expected


def test_a_cancelled_task_leaves_its_neighbours_alone():
    x = av.Tensor(3.0)

    async def stuck():
        with av.VariableStore(), av.variable_scope("a"), av.GradientTape() as tape:
            tape.watch(x)
            await asyncio.sleep(60)

    async def main():
        task = asyncio.create_task(stuck())
        await asyncio.sleep(0)
        with av.GradientTape() as tape:
            tape.watch(x)
            y = x * x
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            z = y * x
        assert record.active() is None and context.scopes.top() is None
        return tape.gradient(z, x).item()

    assert asyncio.run(main()) == 27.0


OPENERS = {
    "tape": lambda: av.GradientTape(),
    "variable scope": lambda: av.variable_scope("g"),
    "name scope": lambda: av.name_scope("g"),
    "store": lambda: av.VariableStore(),
    "accumulator": lambda: av.ForwardAccumulator(av.Tensor(1.0), 1.0),
}


@pytest.mark.parametrize("opener", OPENERS)
@pytest.mark.parametrize("end", ["finished", "closed", "thrown into", "collected"])
def test_generators_that_suspend_inside(opener, end):
    """Within one step that is fine; across steps it is an error, or is put right by the `with` around."""

    def values():
        with OPENERS[opener]():
            for i in range(3):
                yield av.Tensor(float(i)) * 2.0

    with av.VariableStore(), av.variable_scope("around"):
        assert [y.item() for y in values()] == [0.0, 2.0, 4.0]
        assert av.get_variable_scope().name == "around"
        generator = values()
        next(generator)
        if end == "finished":
            assert len(list(generator)) == 2
        elif end == "closed":
            generator.close()
        elif end == "thrown into":
            with pytest.raises(KeyError):
                generator.throw(KeyError("x"))
        else:
            del generator
            gc.collect()
        assert av.get_variable_scope().name == "around"
        v = av.get_variable("v", ())
        assert v.name == "around/v:0"
    assert record.active() is None

    left = values()
    with contextlib.suppress(RuntimeError):  # the `with` that ends too early says so
        with av.GradientTape() as tape, av.VariableStore():
            next(left)
    left.close()
    assert record.active() is None and context.scopes.top() is None
    x = av.Tensor(2.0)
    with av.GradientTape() as tape:
        tape.watch(x)
        y = x * x
    assert tape.gradient(y, x).item() == 4.0


# ---------------------------------------------------------------- deep


def test_a_thousand_scopes_within_each_other():
    depth = 1000
    with av.VariableStore() as store, contextlib.ExitStack() as stack:
        for i in range(depth):
            stack.enter_context(av.variable_scope("s" if i % 2 else "t"))
        v = av.get_variable("v", ())
        assert v.name == "/".join("s" if i % 2 else "t" for i in range(depth)) + "/v:0"
        assert av.Variable(0.0, name="plain").name.count("/") == depth
        av.get_variable_scope().reuse_variables()
        assert av.get_variable("v") is v
        with av.variable_scope(""):
            assert av.get_variable_scope().name == ""
    assert store.variables("t/s") == [v]
    assert record.active() is None and context.scopes.top() is None


def test_a_thousand_name_scopes_and_an_exception_at_the_bottom():
    x = av.Tensor(2.0)
    with pytest.raises(KeyError), av.GradientTape() as tape, contextlib.ExitStack() as stack:
        tape.watch(x)
        for _ in range(1000):
            stack.enter_context(av.name_scope("n"))
        y = x * x
        assert y.op.name == "n/" * 1000 + "multiply"
        raise KeyError
    assert tape.gradient(y, x).item() == 4.0
    assert record.active() is None


def derivatives(f, x, order):
    """All derivatives up to `order`, each tape closed before its gradient is taken."""
    found = []

    def take(n):
        if n == 0:
            return f(x)
        with av.GradientTape() as tape:
            tape.watch(x)
            y = take(n - 1)
        g = tape.gradient(y, x, unconnected_gradients="zero")  # beyond the degree of a polynomial there is no path
        found.append(g.item())
        return g

    take(order)
    return found


SERIES = {
    "exp": (lambda x: av.exp(x), 0.3, lambda n, x: math.exp(x), 12, 1e-12),
    "exp of a multiple": (lambda x: av.exp(x * -2.0), 0.3, lambda n, x: (-2.0) ** n * math.exp(-2 * x), 10, 1e-12),
    "sin": (lambda x: av.sin(x), 0.7, lambda n, x: math.sin(x + n * math.pi / 2), 12, 1e-12),
    "cos": (lambda x: av.cos(x * 0.5), 0.7, lambda n, x: 0.5**n * math.cos(0.5 * x + n * math.pi / 2), 10, 1e-12),
    "power": (lambda x: x**9, 1.1, lambda n, x: math.perm(9, n) * x ** (9 - n) if n <= 9 else 0.0, 10, 1e-11),
    "product": (
        lambda x: x * x * x * x * x * x, 1.3, lambda n, x: math.perm(6, n) * x ** (6 - n) if n <= 6 else 0.0, 7, 1e-11,
    ),
    "reciprocal": (lambda x: 1.0 / x, 1.5, lambda n, x: (-1) ** n * math.factorial(n) * x ** -(n + 1), 8, 1e-10),
    "log": (
        lambda x: av.log(x), 1.5, lambda n, x: (-1) ** (n - 1) * math.factorial(n - 1) * x**-n, 8, 1e-10,
    ),
    "square root": (
        lambda x: av.sqrt(x), 1.5,
        lambda n, x: math.prod(0.5 - k for k in range(n)) * x ** (0.5 - n), 7, 1e-9,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SERIES)
def test_high_orders_against_closed_forms(name):
    f, x, closed, order, rtol = SERIES[name]
    found = derivatives(f, av.Tensor(x), order)
    want = [closed(n, x) for n in range(1, order + 1)]
    np.testing.assert_allclose(found, want, rtol=rtol, atol=1e-12)


def test_twenty_five_persistent_tapes_within_each_other():
    """Each gives the gradient of the same value, again and again, while the others are open and after."""
    depth = 25
    x, v = av.Tensor(np.array([0.3, -0.8])), av.Variable(np.array(2.0))
    tapes = [av.GradientTape(persistent=True) for _ in range(depth)]
    with contextlib.ExitStack() as stack:
        for tape in tapes:
            stack.enter_context(tape)
            tape.watch(x)
        y = av.sum(av.sin(x) * v)
        inside = tapes[depth // 2].gradient(y, [x, v])
    for gx, gv in (inside, *(tape.gradient(y, [x, v]) for tape in tapes for _ in range(2))):
        np.testing.assert_allclose(gx.numpy(), 2 * np.cos([0.3, -0.8]), rtol=1e-15)
        assert gv.item() == pytest.approx(np.sin([0.3, -0.8]).sum())
    second = tapes[0].gradient(inside[0], x)  # the gradient that was taken inside is recorded
    np.testing.assert_allclose(second.numpy(), -2 * np.sin([0.3, -0.8]), rtol=1e-15)
    del tapes, tape, stack
    gc.collect()
    assert not record.live_records


def test_forward_over_forward_over_reverse():
    x = av.Tensor(0.4)
    with contextlib.ExitStack() as stack:
        accumulators = [stack.enter_context(av.ForwardAccumulator(x, av.Tensor(1.0))) for _ in range(4)]
        with av.GradientTape() as tape:
            tape.watch(x)
            y = av.sin(x * x)
        g = tape.gradient(y, x)
        for accumulator in reversed(accumulators):
            g = accumulator.jvp(g)

    def fifth(x, h=0.02):  # by differences of the closed form of the fourth derivative
        def fourth(x):
            s, c = math.sin(x * x), math.cos(x * x)
            return (16 * x**4 - 12) * s - 48 * x * x * c

        return (8 * (fourth(x + h) - fourth(x - h)) - (fourth(x + 2 * h) - fourth(x - 2 * h))) / (12 * h)

    assert g.item() == pytest.approx(fifth(0.4), rel=1e-4)


# ---------------------------------------------------------------- long and wide


def test_a_long_chain_needs_no_recursion():
    """Each op with its number in the record; the limit of recursion is far below the length."""
    n = 30_000
    x, v = av.Tensor(1.0), av.Variable(np.array(1.0))
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(300)
    try:
        with av.GradientTape(persistent=True) as tape:
            tape.watch(x)
            y = x
            for _ in range(n):
                y = y + v
            z = y * y
        gx, gv = tape.gradient(z, [x, v])
        assert gx.item() == 2.0 * (n + 1) and gv.item() == 2.0 * (n + 1) * n
        assert tape.gradient(z, x).item() == gx.item()
        del tape, y, z
        gc.collect()
    finally:
        sys.setrecursionlimit(before)


def test_second_order_through_a_long_chain():
    n = 1500
    x = av.Tensor(1.0)
    with av.GradientTape() as outer:
        outer.watch(x)
        with av.GradientTape() as inner:
            inner.watch(x)
            y = x
            for _ in range(n):
                y = av.sin(y)
        g = inner.gradient(y, x)
    second = outer.gradient(g, x).item()
    value, first, want = 1.0, 1.0, 0.0
    for _ in range(n):  # by hand: (value, first, second) of sin of what came before
        s, c = math.sin(value), math.cos(value)
        value, first, want = s, c * first, c * want - s * first * first
    assert g.item() == pytest.approx(first, rel=1e-9) and second == pytest.approx(want, rel=1e-9)


def test_a_wide_tape():
    """One value read ten thousand times, two thousand sources, one op of two thousand arguments."""
    x = av.Tensor(np.array([1.0, 2.0]))
    with av.GradientTape() as tape:
        tape.watch(x)
        y = sum(x * float(i) for i in range(10_000))
    np.testing.assert_array_equal(tape.gradient(y, x).numpy(), [49_995_000.0] * 2)

    variables = [av.Variable(np.array(float(i)), name="wide") for i in range(2000)]
    with av.GradientTape() as tape:
        y = av.sum(av.stack(variables) * np.arange(2000.0))
    for i, g in enumerate(tape.gradient(y, variables)):
        assert g.item() == i
    with av.GradientTape() as tape:
        y = av.sum(av.concatenate([v.reshape(1) for v in variables]) ** 2)
    found = tape.gradient(y, {"all": variables, "one": variables[7]})
    assert [g.item() for g in found["all"]] == [2.0 * i for i in range(2000)] and found["one"].item() == 14.0


def test_nothing_outlives_its_tape():
    """No reference cycle keeps arrays: they go at once, without the garbage collector."""
    gc.collect()
    gc.disable()
    try:
        x = av.Tensor(np.ones(3))
        with av.GradientTape(persistent=True) as tape:
            tape.watch(x)
            h = av.exp(x)
            with av.GradientTape() as inner:
                inner.watch(h)
                y = av.recompute_grad(lambda z: av.sin(z) * z)(h)
            g = inner.gradient(y, h)
            z = av.sum(g * y)
        tape.gradient(z, x)
        held = [weakref.ref(t) for t in (h, y, g, z, tape, inner)]
        del h, y, g, z, tape, inner
        assert [r() for r in held] == [None] * 6
        assert not record.live_records
    finally:
        gc.enable()
