"""What several processes do together: `mpiexec -n 4 python tests/on_ranks.py FOLDER` runs each check on all ranks.

`test_distribute.py` starts it. Rank 0 prints one line of JSON: what went wrong on which rank, for each check. A check
compares with the same computation made by this process alone, with the whole batch.
"""

import contextlib
import json
import os
import sys
import traceback
from functools import partial

import numpy as np

import autograd_vs as av
import optim
from autograd_vs.history import History

CHECKS = []
RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((50, 6)), RNG.standard_normal((50, 2))
IDS = RNG.integers(0, 40, (50, 3))


class Alone:
    """One process: what `DataParallel` is without mpiexec, whatever started this one."""

    rank, size, is_main = 0, 1, True

    def average(self, gradients, variables, weight=1.0):
        return gradients

    def mean(self, value, weight=1.0):
        return value

    def broadcast(self, *objects):
        pass

    def synchronized(self, weight=1.0):
        return contextlib.nullcontext()


def check(function):
    CHECKS.append(function)
    return function


def mlp(dtype, norm=False):
    layers = [av.layers.Dense(8, activation=av.nn.tanh, dtype=dtype), av.layers.Dense(2, dtype=dtype)]
    return av.layers.Sequential([layers[0], av.layers.BatchNorm(dtype=dtype), layers[1]] if norm else layers)


def train(strategy, steps, dtype="float64", batch=16, optimizer=None, function=False, norm=False, sparse=False):
    """Train; the losses, and the values of all variables by name."""
    optimizer = optimizer or optim.Adam(0.01, global_clipnorm=0.5)
    arrays = (IDS if sparse else X.astype(dtype), Y.astype(dtype))
    data = av.data.batches(arrays, batch, shuffle=3, shard=strategy)
    with av.VariableStore(seed=1) as store:
        model = mlp(dtype, norm)
        table = av.layers.Embedding(40, 6, dtype=dtype) if sparse else None

        def forward(x, **options):
            return model(av.mean(table(x), axis=1) if sparse else x, **options)

        def step(x, y):
            with av.GradientTape() as tape, strategy.synchronized(len(x)):
                loss = av.sum((forward(x, training=True) - y) ** 2) / max(1, len(x))
            gradients = strategy.average(tape.gradient(loss, variables), variables, weight=len(x))
            if sparse and not function:
                assert any(isinstance(g, av.IndexedSlices) for g in gradients), "rows stay rows"
            optimizer.apply_gradients(zip(gradients, variables, strict=True))
            return strategy.mean(loss, weight=len(x))

        forward(arrays[0][:2], training=False)
        variables = store.trainable_variables()
        strategy.broadcast(store, optimizer)
        step = av.function(step) if function else step
        losses = []
        while len(losses) < steps:
            for x, y in data:
                losses.append(step(x, y).item())
                if len(losses) == steps:
                    break
        if isinstance(strategy, av.distribute.DataParallel):
            strategy.verify(store, optimizer)
        if function:
            assert 0 < step.traces <= 2, f"a plan for each size of batches, got {step.traces}"
        return np.array(losses), {v.name: v.numpy() for v in store.variables()}


def same(found, wanted, tolerance):
    (losses, values), (all_losses, all_values) = found, wanted
    np.testing.assert_allclose(losses, all_losses, atol=tolerance, rtol=tolerance)
    assert values.keys() == all_values.keys()
    for name, value in values.items():
        np.testing.assert_allclose(value, all_values[name], atol=tolerance, rtol=0, err_msg=name)


def raises(kind, function, *parts):
    """The same error on all ranks, which has `parts` in it."""
    try:
        function()
    except kind as error:
        for part in parts:
            assert part in str(error), f"{part!r} is not in {error}"
        return str(error)
    raise AssertionError(f"{kind.__name__} was not raised")


# ---------------------------------------------------------------- the same training


@check
def one_step_in_float32(strategy, folder):
    for function in (False, True):
        run = partial(train, steps=1, dtype="float32", batch=48, optimizer=None, function=function)
        same(run(strategy), run(Alone()), 1e-6)


@check
def fifty_steps_in_float64(strategy, folder):
    """The last batch of each epoch has 2 rows: with four ranks, some have none."""
    for function in (False, True):
        run = partial(train, steps=50, function=function)
        same(run(strategy), run(Alone()), 1e-10)


@check
def rows_stay_rows(strategy, folder):
    for function in (False, True):
        for make in (lambda: optim.SGD(0.05), lambda: optim.Adam(0.01, lazy=True, global_clipnorm=0.1)):
            found = train(strategy, 10, optimizer=make(), function=function, sparse=True)
            same(found, train(Alone(), 10, optimizer=make(), function=function, sparse=True), 1e-10)


@check
def batch_norm_of_the_whole_batch(strategy, folder):
    for function in (False, True):
        run = partial(train, steps=10, batch=9, function=function, norm=True)
        same(run(strategy), run(Alone()), 1e-10)


@check
def batch_norm_that_runs_again(strategy, folder):
    """The second run of `recompute_grad` is in the walk, outside of the `with`."""

    def gradients(strategy, rows):
        x = X[rows]
        with av.VariableStore(seed=0) as store:
            model = mlp("float64", norm=True)
            model(X[:2], training=False)
            variables = store.trainable_variables()
            again = av.recompute_grad(lambda x: model(x, training=True))

            def step(x):
                with av.GradientTape() as tape, strategy.synchronized(len(x)):
                    loss = av.sum(again(x) ** 2) / len(x)
                return strategy.average(tape.gradient(loss, variables), variables, weight=len(x))

            return [g.numpy() for run in (step, av.function(step)) for g in run(x)]

    first = 3 + strategy.rank
    mine = slice(0, 3) if strategy.is_main else slice(sum(range(3, first)), sum(range(3, first + 1)))
    found, wanted = gradients(strategy, mine), gradients(Alone(), slice(0, sum(range(3, 3 + strategy.size))))
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)


@check
def numbers_of_rows_that_vary(strategy, folder):
    """In a plan, too: all ranks together may have more rows than when it was traced."""
    v = av.Variable(np.zeros((50, 2)), name="table")
    optimizer = optim.SGD(1.0)

    @av.function
    def step(ids):
        with av.GradientTape() as tape:
            loss = av.sum(av.nn.embedding_lookup(v, ids))
        optimizer.apply_gradients([(strategy.average([tape.gradient(loss, v)], [v])[0], v)])

    for number in (1, 4, 2):
        v.assign(np.zeros((50, 2)))
        step(np.arange(3) if strategy.is_main else np.arange(3, 3 + number + strategy.rank))
        wanted = np.zeros(50)
        wanted[:3] += 1
        for rank in range(1, strategy.size):
            wanted[3 : 3 + number + rank] += 1
        np.testing.assert_allclose(v.numpy()[:, 0], -wanted / strategy.size)

    @av.function
    def halved(ids):
        with av.GradientTape() as tape:
            loss = av.sum(av.nn.embedding_lookup(v, ids))
        return strategy.average([tape.gradient(loss, v)], [v])[0] * 0.5

    raises(TypeError, lambda: halved(np.arange(3)), "handed to an optimizer only")


@check
def arrays_of_another_library(strategy, folder):
    """Those of the stand-in for CuPy, which nobody else adds up: they go through the host."""
    from strict_array import StrictArray

    from autograd_vs.base import backend

    before = backend.place_host_data(StrictArray)
    try:
        for function in (False, True):
            run = partial(train, steps=4, function=function, sparse=True, norm=True)
            same(run(strategy), run(Alone()), 1e-10)
        v = av.Variable(np.zeros(2, "f"), name="v")
        found = strategy.average([av.Tensor(np.full(2, strategy.rank + 1.0, "f"))], [v])[0]
        assert type(found.array) is StrictArray and strategy.mean(av.Tensor(np.ones(2))).tolist() == [1.0, 1.0]
        strategy.broadcast(v)
        # And where something adds them up on the device, as NCCL does, that is asked.
        asked = []
        backend._collectives[StrictArray] = OnDevice(asked)
        strategy._exchange._devices.clear()
        same(train(strategy, 2, sparse=True), train(Alone(), 2, sparse=True), 1e-10)
        assert set(asked) == {"add", "join"}
    finally:
        backend._collectives[StrictArray] = None
        strategy._exchange._devices.clear()
        backend.place_host_data(before)


class OnDevice:
    """What `base/cuda/collectives.py` is for CuPy, for the stand-in: module and communicator in one."""

    def __init__(self, asked):
        self.asked = asked

    def connect(self, link):
        self.link = link
        return self

    def add(self, array):
        self.asked.append("add")
        host = array.get()
        self.link.add(host)
        array[...] = type(array)(host)

    def join(self, array, counts):
        self.asked.append("join")
        return type(array)(self.link.join(array.get(), counts))


# ---------------------------------------------------------------- single calls


@check
def dtypes(strategy, folder):
    n, rank = strategy.size, strategy.rank
    for dtype in ("float16", "float32", "float64", "complex64", "complex128"):
        v, w = av.Variable(np.zeros((3, 2), dtype), name="v"), av.Variable(np.zeros((), "float64"), name="w")
        g = np.full((3, 2), rank + 1, dtype) * (1j if "complex" in dtype else 1)
        a, b = strategy.average([av.Tensor(g.astype(dtype)), np.float64(rank) + np.zeros(())], [v, w], weight=rank + 1)
        weights = np.arange(1, n + 1)
        wanted = (weights * weights).sum() / weights.sum() * (1j if "complex" in dtype else 1)
        assert a.dtype == dtype and b.dtype == "float64" and b.shape == ()
        np.testing.assert_allclose(
            a.numpy(), np.full((3, 2), wanted).astype(dtype), rtol=1e-3 if dtype == "float16" else 1e-6
        )
        np.testing.assert_allclose(b.item(), (weights * (weights - 1)).sum() / weights.sum())
        assert strategy.mean(g[0]).dtype == dtype
    for value in (rank, np.int8(rank), np.array([rank, rank])):
        np.testing.assert_allclose(strategy.mean(value).numpy(), (n - 1) / 2)
    assert strategy.mean(rank == 0).item() == 1 / n
    raises(TypeError, lambda: strategy.all_reduce(np.ones(2, int)), "int64")
    # Float16 is added up in float32: 2048 + 1 is 2048 in float16.
    v = av.Variable(np.zeros(1, "float16"), name="half")
    g = np.array([2048.0 if rank == 0 else 4.0], "float16")
    total = strategy.average([g], [v])[0].item() * n
    assert abs(total - (2048 + 4 * (n - 1))) <= 2, total
    rows = av.IndexedSlices(np.full((1, 2), 0.1 * (rank + 1), "float16"), np.array([1]), (3, 2))
    found = strategy.average([rows], [av.Variable(np.zeros((3, 2), "float16"), name="table")])[0]
    assert found.dtype == "float16" and found.indices.tolist() == [1]
    np.testing.assert_allclose(found.values[0, 0], np.mean(0.1 * np.arange(1, n + 1)), rtol=2e-3)


@check
def structures(strategy, folder):
    v, w = av.Variable([1.0, 2.0], name="v"), av.Variable([[3.0]], name="w")
    found = strategy.average({"a": np.ones(2, "f"), "b": [np.full((1, 1), strategy.rank, "f")]}, {"a": v, "b": [w]})
    assert found["a"].tolist() == [1.0, 1.0] and found["b"][0].item() == (strategy.size - 1) / 2


@check
def gradients_that_some_have(strategy, folder):
    """None is zero where another rank has a gradient, and None where no rank has; weight 0 does not count."""
    v, w, u = (av.Variable(np.zeros((4, 2)), name=name) for name in "vwu")
    mine = strategy.rank == 1
    rows = av.IndexedSlices(np.ones((2, 2)), np.array([3, 3]), (4, 2)) if mine else None
    a, b, c = strategy.average([np.ones((4, 2)) if mine else None, None, rows], [v, w, u])
    np.testing.assert_allclose(a.numpy(), 1 / strategy.size)
    assert b is None and c.indices.tolist() == [3]
    np.testing.assert_allclose(c.values, 2 / strategy.size)
    nan = np.full((4, 2), np.nan if mine else 1.0)
    a, b = strategy.average([nan, nan], [v, w], weight=0 if mine else 2.5)
    assert (a.numpy() == 1).all() and (b.numpy() == 1).all()
    assert strategy.mean(np.nan if mine else 3.0, weight=0 if mine else 7).item() == 3.0
    raises(ValueError, lambda: strategy.average([a], [v], weight=0), "not all 0")
    raises(ValueError, lambda: strategy.average([a], [v], weight=-1 if mine else 1), "not negative")


@check
def weights_that_are_computed(strategy, folder):
    """The number of rows that a mask leaves, in a function, too: what comes differs from call to call."""
    v, n = av.Variable(np.zeros(3), name="v"), strategy.size
    values = np.random.default_rng(8).standard_normal((n, 4, 3))

    def step(x, mask):
        with av.GradientTape() as tape:
            rows = av.sum((x - v) ** 2, axis=1)
            loss = av.sum(rows * mask) / av.maximum(av.sum(mask), 1.0)
        return strategy.average([tape.gradient(loss, v)], [v], weight=av.sum(mask))[0]

    traced = av.function(step)
    for seed in range(3):
        masks = (np.random.default_rng(seed).random((n, 4)) < 0.5) * 1.0
        masks[0, 0], masks[-1] = 1.0, 0.0
        wanted = -2 * (values * masks[:, :, None]).sum((0, 1)) / masks.sum()
        for each in (step, traced):
            found = each(values[strategy.rank], masks[strategy.rank])
            np.testing.assert_allclose(found.numpy(), wanted, atol=1e-12)
    assert traced.traces == 1


@check
def scaled_losses(strategy, folder):
    """A gradient that overflows on one rank is no step on any."""
    v, optimizer = av.Variable(np.ones(2, "f"), name="v"), optim.SGD(0.5)
    scaler = optim.LossScaler(optimizer, scale=8.0)
    for bad in (True, False):
        with av.GradientTape() as tape:
            loss = scaler.scale(av.sum(v * (np.inf if bad and strategy.rank == 1 else 1.0)))
        gradients = strategy.average(tape.gradient(loss, [v]), [v])
        scaler.apply_gradients(zip(gradients, [v], strict=True))
    strategy.verify(v, optimizer, scaler)
    assert v.numpy().tolist() == [0.5, 0.5] and optimizer.iterations == 1


@check
def a_strategy_that_is_closed(strategy, folder):
    from mpi4py import MPI

    from autograd_vs.base import ranks

    with av.distribute.DataParallel(MPI.COMM_WORLD) as inner:
        assert inner.mean(float(inner.rank)).item() == (inner.size - 1) / 2
    assert ranks.is_main() == inner.is_main == strategy.is_main, "the outer one still holds"
    raises(RuntimeError, lambda: inner.mean(1.0), "was closed")


@check
def results_are_kept(strategy, folder):
    """Earlier results are not written over, eager or in a plan; and are the same bits on all ranks."""
    v = av.Variable(np.zeros(1000), name="v")
    noise = np.random.default_rng(strategy.rank).standard_normal((3, 1000))
    for step in (lambda g: strategy.average([g], [v])[0], av.function(lambda g: strategy.average([g], [v])[0])):
        found = [step(g) for g in noise]
        copies = [f.numpy().copy() for f in found]
        step(noise[0] * 0)
        assert all((f.numpy() == c).all() for f, c in zip(found, copies, strict=True))
        assert len({c.tobytes() for c in copies}) == 3
        all_copies = strategy._exchange.link.objects([c.tobytes() for c in copies])
        assert all(each == all_copies[0] for each in all_copies)


@check
def sums_with_gradients(strategy, folder):
    """Against the same sum over the parts of all ranks, in one process."""
    n, rank = strategy.size, strategy.rank
    parts = np.random.default_rng(5).standard_normal((n, 3))
    weights = np.arange(1.0, n + 1)
    scale = np.arange(1.0, 4.0)

    def loss(x, total, r):
        return av.sum(x * total * scale) * (r + 1.0)

    with av.GradientTape() as tape:
        x = av.Variable(parts, name="all")
        total = av.sum(x, axis=0)
        whole = sum(loss(x[r], total, r) * weights[r] for r in range(n)) / weights.sum()
    wanted = tape.gradient(whole, x).numpy()[rank]
    for run in (lambda f: f, av.function):

        @run
        def step(x, weight=weights[rank]):
            with av.GradientTape() as tape:
                tape.watch(x)
                found = loss(x, strategy.all_reduce(x, weight=weight), rank)
            return strategy.all_reduce(x), tape.gradient(found, x)

        for _ in range(2):
            total, found = step(av.Tensor(parts[rank]))
            np.testing.assert_allclose(total.numpy(), parts.sum(0))
            np.testing.assert_allclose(found.numpy() * weights[rank] / weights.sum(), wanted)
    raises(
        NotImplementedError,
        lambda: av.grad(lambda a: av.sum(av.grad(lambda b: av.sum(strategy.all_reduce(b * b) ** 2))(a)))(parts[rank]),
    )


@check
def metrics(strategy, folder):
    labels, scores = RNG.integers(0, 2, 20), np.random.default_rng(6).random(20)
    labels = np.random.default_rng(7).integers(0, 2, 20)
    mine = slice(20 * strategy.rank // strategy.size, 20 * (strategy.rank + 1) // strategy.size)
    for metric in (av.metrics.Accuracy(), av.metrics.AUC(), av.metrics.ConfusionMatrix(2), av.metrics.Mean()):
        whole = type(metric)(2) if isinstance(metric, av.metrics.ConfusionMatrix) else type(metric)()
        for each, part in ((whole, slice(None)), (metric, mine)):
            if isinstance(each, av.metrics.Mean) and not isinstance(each, av.metrics.Accuracy):
                each.update(scores[part])
            else:
                each.update(
                    scores[part] if isinstance(each, av.metrics.AUC) else (scores[part] > 0.5) * 1, labels[part]
                )
        before = metric.state_dict()
        for _ in range(2):
            np.testing.assert_allclose(strategy.merge(metric).result(), whole.result())
        assert all((before[key] == value).all() for key, value in metric.state_dict().items())
    kind = av.metrics.Mean if strategy.is_main else av.metrics.Accuracy
    raises(RuntimeError, lambda: strategy.merge(kind()), "merge Mean", "merge Accuracy")


@check
def random_streams(strategy, folder):
    """Masks differ, states and initial values do not."""
    av.random.set_seed(4)
    draw = av.function(lambda x: av.nn.dropout(x, 0.5, training=True))
    for f in (lambda x: av.nn.dropout(x, 0.5, training=True), draw, draw):
        masks = strategy._exchange.link.objects(f(np.ones(64)).numpy().tobytes())
        assert len(set(masks)) == strategy.size
    states = strategy._exchange.link.objects(av.random.get_state())
    assert all(state == states[0] for state in states)
    strategy.verify(av.random)
    av.random.set_seed(None)


@check
def shards(strategy, folder):
    for given in (X, iter_of(X)):
        for shuffle in (None, 3) if given is X else (None,):
            parts = [np.asarray(b) for b in av.data.batches(given, 7, shuffle=shuffle, shard=strategy)]
            whole = [np.asarray(b) for b in av.data.batches(given, 7, shuffle=shuffle)]
            everyone = strategy._exchange.link.objects(parts)
            for i, batch in enumerate(whole):
                np.testing.assert_array_equal(np.concatenate([each[i] for each in everyone]), batch)
                assert max(len(each[i]) for each in everyone) - min(len(each[i]) for each in everyone) <= 1
    raises(ValueError, lambda: av.data.batches(X, 7, shuffle=True, shard=strategy), "pass a seed")
    data = av.data.batches(X, 7, shuffle=3, shard=strategy)
    next(iter(data))
    alone = av.data.batches(X, 7, shuffle=3)
    alone.load_state_dict(data.state_dict())
    strategy.verify(data)


def iter_of(x):
    return lambda: iter(x)


# ---------------------------------------------------------------- disagreement


@check
def variables_that_differ(strategy, folder):
    odd = strategy.rank == strategy.size - 1
    last = strategy.size - 1

    def average(shape=(3, 2), name="w", dtype="float32", rows=False, extra=()):
        variables = [av.Variable(np.zeros(s, d), name=n) for n, s, d in [(name, shape, dtype), *extra]]
        gradients = [np.ones(v.shape, v.dtype) for v in variables]
        if rows:
            gradients[0] = av.IndexedSlices(gradients[0][:1], np.array([0]), shape)
        with av.VariableStore():
            return strategy.average(gradients, variables)

    where = f"rank {last}"
    messages = [
        raises(RuntimeError, lambda: average((4, 2) if odd else (3, 2)), "'w'", "(4, 2)", "(3, 2)", where),
        raises(RuntimeError, lambda: average(name="w" if odd else "v"), "'w'", "'v'", "missing", where),
        raises(RuntimeError, lambda: average(dtype="float64" if odd else "float32"), "float64", "float32", where),
        raises(RuntimeError, lambda: average(rows=odd), "'w'", "rows", "dense", where),
        raises(RuntimeError, lambda: average(extra=[("b", (2,), "f")] if odd else []), "'b'", "missing", where),
    ]
    a, b = av.Variable([1.0], name="a"), av.Variable([1.0], name="b")
    order = [a, b] if odd else [b, a]
    messages.append(
        raises(RuntimeError, lambda: strategy.average([np.ones(1, "f")] * 2, order), "another order", "a, b")
    )
    other = strategy.mean if odd else (lambda x: strategy.average([np.ones(1, "f")], [a]))
    messages.append(raises(RuntimeError, lambda: other(1.0), "do not do the same", "mean", "average", where))
    everyone = strategy._exchange.link.objects(messages)
    assert all(each == everyone[0] for each in everyone), "the same on all ranks"
    assert strategy.average([np.ones(1, "f")], [a])[0].item() == 1, "and it goes on"


@check
def steps_that_differ(strategy, folder):
    v, optimizer = av.Variable([1.0], name="v"), optim.SGD(0.1)
    strategy.broadcast(v, optimizer)
    if strategy.rank == 1:
        optimizer.apply_gradients([(np.ones(1, "f"), v)])
    raises(RuntimeError, lambda: strategy.average([np.ones(1, "f")], [v]), "not at the same step", "1 on rank 1")
    raises(RuntimeError, lambda: strategy.verify(v), "not at the same step")
    strategy._exchange.counted.clear()  # as if the optimizer were gone
    raises(RuntimeError, lambda: strategy.verify(v), "variable v", "rank 1")


@check
def values_of_rank_0(strategy, folder):
    with av.VariableStore(seed=strategy.rank) as store:
        model = mlp("float32")
        model(X[:2].astype("f"))
        raises(RuntimeError, lambda: strategy.verify(store), "variable sequential/dense/kernel")
        optimizer = optim.Adam(0.1 * (strategy.rank + 1))
        if strategy.is_main:
            optimizer.apply_gradients([(np.ones(v.shape, "f"), v) for v in store.variables()])
        history = History()
        history.log(loss=float(strategy.rank))
        strategy.broadcast(store, optimizer, history)
        assert optimizer.iterations == 1 and optimizer.learning_rate == 0.1 and history.last("loss") == 0.0
        strategy.verify(store, optimizer, history)
        sums = strategy._exchange.link.objects([float(v.numpy().sum()) for v in store.variables()])
        assert all(each == sums[0] for each in sums)


@check
def not_in_a_trace(strategy, folder):
    v = av.Variable([1.0], name="v")
    calls = (lambda a: strategy.average([a], [v])[0], strategy.mean, strategy.all_reduce)
    for call in calls:
        branch = av.function(lambda a, call=call: av.cond(av.sum(a) > 0, call, lambda a: a, a))
        raises(RuntimeError, lambda branch=branch: branch(np.ones(1, "f")), "in a branch of av.cond")
    for call in (lambda: strategy.broadcast(v), lambda: strategy.verify(v), strategy.barrier):
        raises(
            RuntimeError, lambda call=call: av.function(lambda x: (call(), x))(np.ones(1)), "inside of an av.function"
        )


@check
def cores_are_shared(strategy, folder):
    """Unless the environment says how many threads there are, as it does in this run."""
    import threadpoolctl

    from autograd_vs.distribute.mpi import share_cores

    before, names = av.get_num_threads(), ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    saved = {name: os.environ.pop(name) for name in names if name in os.environ}
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:
        av.set_num_threads(64)
        undo = share_cores(strategy._exchange.link)
        each = max(1, cores // strategy.size)
        assert av.get_num_threads() == each
        assert all(pool["num_threads"] <= each for pool in threadpoolctl.threadpool_info())
        undo()
        assert av.get_num_threads() == 64
    finally:
        os.environ.update(saved)
        av.set_num_threads(before)
    assert share_cores(strategy._exchange.link)() is None and av.get_num_threads() == before


# ---------------------------------------------------------------- who writes


@check
def only_rank_0_writes(strategy, folder):
    place = os.path.join(folder, f"rank{strategy.rank}")  # a folder for each: nobody else can have written there
    v = av.Variable([1.0], name="v")
    av.save(os.path.join(place, "a.safetensors"), v)
    manager = av.CheckpointManager(os.path.join(place, "many"), v, max_to_keep=1)
    paths = [manager.save(step) for step in (1, 2)]
    assert all(paths)
    history = History(os.path.join(place, "log.jsonl"))
    history.log(loss=1.0)
    history.close()
    assert history["loss"].tolist() == [1.0]
    written = sorted(os.path.relpath(os.path.join(d, f), place) for d, _, fs in os.walk(place) for f in fs)
    wanted = ["a.safetensors", "log.jsonl", "many/ckpt-0000000002.safetensors"] if strategy.is_main else []
    assert written == wanted, written
    assert list(av.progress(range(3), "steps")) == [0, 1, 2]
    others = os.path.join(folder, f"removed{strategy.rank}")
    os.makedirs(others)
    manager = av.CheckpointManager(others, v, max_to_keep=1)
    for step in (1, 2):
        open(os.path.join(others, f"ckpt-{step:010d}.safetensors"), "w").close()
    manager.save(3)
    assert list(manager.checkpoints) == ([3] if strategy.is_main else [1, 2]), "rank 0 removes, too"


@check
def a_checkpoint_for_any_number(strategy, folder):
    """Leaves one of 13 steps, in the middle of an epoch, and the values after 20: `test_distribute` goes on from it."""
    run(strategy, os.path.join(folder, "resumed"), 13)
    values = run(strategy, os.path.join(folder, "resumed"), 20)
    if strategy.is_main:
        np.savez(os.path.join(folder, "after20.npz"), **values)


def run(strategy, folder, steps):
    """Go on from the last checkpoint in `folder` up to `steps`, and save; the values of all variables."""
    with av.VariableStore(seed=1) as store:
        model, optimizer = mlp("float64", norm=True), optim.Adam(0.01, global_clipnorm=0.5)
        data = av.data.batches((X, Y), 16, shuffle=3, shard=strategy)
        model(X[:2], training=False)
        manager = av.CheckpointManager(folder, store, optimizer, data, max_to_keep=None)
        done = manager.restore(manager.latest_checkpoint and max(s for s in manager.checkpoints if s < steps)) or 0
        variables = store.trainable_variables()
        strategy.broadcast(store, optimizer)
        while done < steps:
            for x, y in data:
                with av.GradientTape() as tape, strategy.synchronized(len(x)):
                    loss = av.sum((model(x, training=True) - y) ** 2) / max(1, len(x))
                gradients = strategy.average(tape.gradient(loss, variables), variables, weight=len(x))
                optimizer.apply_gradients(zip(gradients, variables, strict=True))
                done += 1
                if done == steps:
                    break
        manager.save(steps)
        strategy.barrier() if isinstance(strategy, av.distribute.DataParallel) else None
        return {v.name: v.numpy() for v in store.variables()}


# ---------------------------------------------------------------- all of them


def together(strategy):
    """Wait for all ranks, wherever a check has left them."""
    while True:
        try:
            return strategy.barrier()
        except RuntimeError:
            pass


def main(folder, *names):
    strategy = av.distribute.DataParallel()
    found = {}
    for function in CHECKS:
        if names and function.__name__ not in names:
            continue
        wrong = None
        try:
            function(strategy, folder)
        except Exception:
            wrong = traceback.format_exc()
        strategy._exchange.counted.clear()
        together(strategy)
        everyone = strategy._exchange.link.objects(wrong)
        found[function.__name__] = {rank: text for rank, text in enumerate(everyone) if text is not None}
    if strategy.is_main:
        print("FOUND", json.dumps({"size": strategy.size, "checks": found}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
