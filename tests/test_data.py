"""Batches: what they hold, their order, the position that is saved and gone on with, the thread, errors."""

import gc
import subprocess
import sys
import threading
import time
from collections import Counter
from itertools import chain, islice
from typing import NamedTuple

import numpy as np
import pytest

import autograd_vs as av
from autograd_vs.base.backend import is_array

DEPTHS = [0, 1, 3]


@pytest.fixture(autouse=True)
def no_thread_is_left_behind():
    yield
    gc.collect()
    assert not threads()


def threads():
    return [t for t in threading.enumerate() if t.name == "autograd_vs batches"]


def lists(data):
    return [batch.tolist() for batch in data]


# ---------------------------------------------------------------- what a batch is


@pytest.mark.parametrize("prefetch", DEPTHS)
def test_batches_of_a_nest(prefetch):
    class Pair(NamedTuple):
        x: object
        y: object

    x, y = np.arange(14.0, dtype=np.float32).reshape(7, 2), np.arange(7)
    data = av.data.batches({"pair": Pair(x, av.Tensor(y)), "more": [x, (y,)]}, 3, prefetch=prefetch)
    assert len(data) == 3
    found = list(data)
    assert [len(batch["pair"].x) for batch in found] == [3, 3, 1]
    for i, batch in enumerate(found):
        assert type(batch["pair"]) is Pair and type(batch["more"]) is list and type(batch["more"][1]) is tuple
        leaves = [batch["pair"].x, batch["pair"].y, batch["more"][0], batch["more"][1][0]]
        for leaf, whole in zip(leaves, [x, y, x, y], strict=True):
            assert type(leaf) is av.Tensor and leaf.dtype == whole.dtype
            np.testing.assert_array_equal(leaf.numpy(), whole[3 * i : 3 * i + 3])


def test_batches_are_copies():
    x = np.zeros(4)
    whole, shuffled = av.data.batches(x, 4), av.data.batches(x, 4, shuffle=0)
    (one,), (other,) = whole, shuffled
    x[:] = 1
    assert one.tolist() == other.tolist() == [0, 0, 0, 0]


def test_memory_maps_and_text(tmp_path):
    whole = np.arange(20.0).reshape(10, 2)
    whole.tofile(tmp_path / "x.bin")
    mapped = np.memmap(tmp_path / "x.bin", dtype=np.float64, mode="r", shape=(10, 2))
    names = np.array([f"image {i}" for i in range(10)])
    for shuffle in (None, 1):
        for x, name in av.data.batches((mapped, names), 4, shuffle=shuffle, prefetch=2):
            numbers = [int(n.removeprefix("image ")) for n in name]
            assert type(name) is np.ndarray and is_array(x.array) and type(x.array) is not np.memmap
            np.testing.assert_array_equal(x.numpy(), whole[numbers])


def test_drop_last():
    assert lists(av.data.batches(np.arange(5), 2, drop_last=True)) == [[0, 1], [2, 3]]
    assert len(av.data.batches(np.arange(5), 2, drop_last=True)) == 2
    assert lists(av.data.batches(iter(range(5)), 2, drop_last=True)) == [[0, 1], [2, 3]]


def test_batches_train_a_model():
    x = np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32)
    w = av.Variable(np.zeros(3, np.float32))
    data = av.data.batches((x, x @ np.array([1, -2, 3], np.float32)), 16, shuffle=0)
    for _ in range(60):
        for part, y in data:
            with av.GradientTape() as tape:
                loss = av.mean(av.square(part @ w - y))
            w.assign_sub(0.2 * tape.gradient(loss, w))
    np.testing.assert_allclose(w.numpy(), [1, -2, 3], atol=1e-4)


# ---------------------------------------------------------------- order


def test_each_epoch_has_an_order_of_its_own_that_only_the_seed_decides():
    data = av.data.batches(np.arange(30), 7, shuffle=5)
    epochs = [[*chain(*lists(data))] for _ in range(3)]
    assert all(sorted(epoch) == list(range(30)) for epoch in epochs)
    assert len({*map(tuple, epochs), tuple(range(30))}) == 4
    other = av.data.batches(np.arange(30), 4, shuffle=5, prefetch=2)  # neither the batch size nor the thread counts
    assert [[*chain(*lists(other))] for _ in range(3)] == epochs
    assert [*chain(*lists(av.data.batches(np.arange(30), 7, shuffle=6)))] != epochs[0]


def test_the_order_is_that_of_the_named_philox_stream():
    key = __import__("hashlib").blake2b(b"5\0data.batches", digest_size=16).digest()
    for epoch in (0, 1):
        bits = np.random.Philox(key=int.from_bytes(key, "little"), counter=epoch << 64)
        data = av.data.batches(np.arange(30), 30, shuffle=5)
        data.load_state_dict({**data.state_dict(), "epoch": epoch})
        assert lists(data) == [np.random.Generator(bits).permutation(30).tolist()]


def test_true_takes_the_global_seed(seed):
    seed(11)
    assert lists(av.data.batches(np.arange(9), 9, shuffle=True)) == lists(av.data.batches(np.arange(9), 9, shuffle=11))
    seed(None)
    one = av.data.batches(np.arange(50), 50, shuffle=True)
    other = av.data.batches(np.arange(50), 50, shuffle=True)
    other.load_state_dict(one.state_dict())
    assert lists(one) == lists(other)
    assert lists(av.data.batches(np.arange(9), 9, shuffle=False)) == [list(range(9))]


# ---------------------------------------------------------------- position


def source(kind):
    x = np.random.default_rng(0).normal(size=(23, 2))
    if kind == "arrays":
        return av.data.batches(x, 4, shuffle=3), av.data.batches(x, 4, shuffle=3, prefetch=2)
    if kind == "function":
        return av.data.batches(lambda: iter(x), 4), av.data.batches(lambda: (row for row in x), 4, prefetch=2)
    return av.data.batches(map(tuple, x), None), av.data.batches((tuple(row) for row in x), None, prefetch=3)


@pytest.mark.parametrize("kind", ["arrays", "function"])
@pytest.mark.parametrize("stop", range(1, 13))
def test_a_run_that_is_stopped_anywhere_goes_on_as_one_that_is_not(kind, stop):
    def run(data, steps, seen, saved=None):
        while data.epoch < 2:
            for batch in data:
                seen.append((data.epoch, batch.numpy().tobytes()))
                if data.epoch * 6 + data.batch == steps:
                    return data.state_dict()
            seen.append("validated")
        return None

    whole, first, second = [], [], []
    assert run(source(kind)[0], None, whole) is None
    state = run(source(kind)[1], stop, first)
    data = source(kind)[stop % 2]
    data.load_state_dict({name: np.array(value) for name, value in state.items()})
    run(data, None, second)
    assert first + second == whole and len(whole) == 14


@pytest.mark.parametrize("prefetch", DEPTHS)
def test_a_loop_goes_on_behind_break_and_error(prefetch):
    for data in (
        av.data.batches(np.arange(12), 2, shuffle=1, prefetch=prefetch),
        av.data.batches(iter(range(12)), 2, prefetch=prefetch),
    ):
        seen = []
        for batch in data:
            seen += batch.tolist()
            break
        with pytest.raises(RuntimeError, match="mine"):
            for batch in data:
                seen += batch.tolist()
                raise RuntimeError("mine")
        assert (data.epoch, data.batch) == (0, 2)
        seen += [*chain(*lists(data))]
        assert sorted(seen) == list(range(12)) and (data.epoch, data.batch) == (1, 0)


def test_rewind():
    data = av.data.batches(np.arange(12), 2, shuffle=1, prefetch=1)
    first = next(iter(data)).tolist()
    data.rewind()
    assert lists(data)[0] == first


@pytest.mark.parametrize("prefetch", DEPTHS)
def test_the_newest_loop_is_the_one(prefetch):
    data = av.data.batches(np.arange(12), 2, prefetch=prefetch)
    old = iter(data)
    assert next(old).tolist() == [0, 1]
    new = iter(data)
    assert next(new).tolist() == [2, 3]
    with pytest.raises(RuntimeError, match="another loop"):
        next(old)
    assert next(new).tolist() == [4, 5]
    data.rewind()
    with pytest.raises(RuntimeError, match="rewound"):
        next(new)
    with pytest.raises(RuntimeError, match="two loops at once"):
        list(zip(data, data, strict=True))


@pytest.mark.parametrize("prefetch", DEPTHS)
def test_many_broken_loops_cost_nothing(prefetch):
    data = av.data.batches(np.arange(300), 1, prefetch=prefetch)
    assert [next(iter(data)).item() for _ in range(300)] == list(range(300))
    assert list(data) == []
    assert data.epoch == 1


def test_state_has_the_seed_and_refuses_what_it_does_not_fit():
    x = np.arange(10)
    state = av.data.batches(x, 3, shuffle=7).state_dict()
    assert {name: value.item() for name, value in state.items()} == {
        "epoch": 0, "batch": 0, "examples": 10, "batch_size": 3, "drop_last": 0, "seed": 7,
    }  # fmt: skip
    for other, words in [
        (av.data.batches(x, 2, shuffle=7), "batch_size=3, here it is 2"),
        (av.data.batches(x[1:], 3, shuffle=7), "examples=10, here it is 9"),
        (av.data.batches(x, 3, shuffle=7, drop_last=True), "drop_last=0, here it is 1"),
        (av.data.batches(x, 3), "saved with shuffle, these batches are made without"),
    ]:
        before = other.state_dict()
        with pytest.raises(ValueError, match=words):
            other.load_state_dict({**state, "batch": 1})
        assert other.state_dict() == before
    data = av.data.batches(x, 3, shuffle=7)
    with pytest.raises(ValueError, match="keys"):
        data.load_state_dict({"epoch": 1})
    with pytest.raises(ValueError, match="no position: epoch 0, batch -1"):
        data.load_state_dict({**state, "batch": -1})
    data.load_state_dict({**state, "seed": np.array(9)})
    assert lists(data) == lists(av.data.batches(x, 3, shuffle=9))


# ---------------------------------------------------------------- iterables


def test_examples_are_stacked():
    examples = [{"x": np.full(2, i, np.float32), "y": i, "name": f"n{i}"} for i in range(5)]
    found = list(av.data.batches(iter(examples), 2, prefetch=2))
    assert [batch["x"].tolist() for batch in found] == [[[0, 0], [1, 1]], [[2, 2], [3, 3]], [[4, 4]]]
    assert found[0]["x"].dtype == np.float32 and found[0]["y"].tolist() == [0, 1]
    assert found[1]["name"].tolist() == ["n2", "n3"]
    rows = av.data.batches(lambda: (av.Tensor(np.array([i, i])) for i in range(3)), 3)
    assert lists(rows) == lists(rows) == [[[0, 0], [1, 1], [2, 2]]]


def test_examples_by_their_numbers():
    """A dataset as PyTorch's users write it: it need not raise behind its end."""

    class Squares:
        def __len__(self):
            return 5

        def __getitem__(self, i):
            return np.array([i, i * i]), i % 2

    data = av.data.batches(Squares(), 2)
    assert len(data) == 3
    for _ in range(2):
        assert [(x.tolist(), y.tolist()) for x, y in data] == [
            ([[0, 0], [1, 1]], [0, 1]),
            ([[2, 4], [3, 9]], [0, 1]),
            ([[4, 16]], [0]),
        ]


def test_length_of_iterables():
    assert len(av.data.batches(range(5), 2)) == 3
    assert len(av.data.batches(range(5), 2, drop_last=True)) == 2
    assert len(av.data.batches(range(5), None)) == 5
    with pytest.raises(TypeError, match="len"):
        len(av.data.batches((i for i in range(5)), 2))


def test_ready_batches():
    ready = [(np.ones((2, 3)), np.ones(2)), (np.ones((1, 3)), np.ones(1))]
    data = av.data.batches(lambda: iter(ready), None, prefetch=1)
    assert [(x.shape, y.shape) for x, y in data] == [((2, 3), (2,)), ((1, 3), (1,))]
    assert [type(x) for x, _ in data] == [av.Tensor] * 2


def test_an_iterator_gives_one_epoch():
    data = av.data.batches(iter(range(4)), 2)
    assert lists(data) == [[0, 1], [2, 3]]
    with pytest.raises(ValueError, match="gives its examples once"):
        next(iter(data))


def test_an_iterable_that_is_shorter_than_its_position():
    data = av.data.batches(range(20), 2)
    state = {**data.state_dict(), "batch": np.array(6)}
    assert lists_after(av.data.batches(range(13), 2), state) == [[12]]
    assert lists_after(av.data.batches(range(11), 2), state) == []  # it ended with a smaller batch
    with pytest.raises(ValueError, match="go on behind batch 6, but the iterable ends after 10 examples"):
        lists_after(av.data.batches(range(10), 2), state)
    whole = {**state, "drop_last": np.array(1)}
    assert lists_after(av.data.batches(range(15), 2, drop_last=True), whole) == [[12, 13]]
    with pytest.raises(ValueError, match="behind batch 6, but the iterable ends after 11 examples"):
        lists_after(av.data.batches(range(11), 2, drop_last=True), whole)


def lists_after(data, state):
    data.load_state_dict(state)
    return lists(data)


def test_examples_that_do_not_fit_together():
    with pytest.raises(ValueError, match=r"example\['x'\] has shape \(3,\) in example 4 and \(2,\) in example 3"):
        list(av.data.batches([{"x": np.ones(2)}] * 4 + [{"x": np.ones(3)}] and _ragged(), 3))
    with pytest.raises(ValueError, match=r"example 1 has another structure than example 0: .*'y'.* against .*'x'"):
        list(av.data.batches(iter([{"x": 1}, {"y": 1}]), 2))
    with pytest.raises(TypeError, match=r"example\[0\] \(number 1\)"):
        list(av.data.batches(iter([(1,), (None,)]), 2))


def _ragged():
    return ({"x": np.ones(2 if i < 4 else 3)} for i in range(6))


# ---------------------------------------------------------------- the thread


def test_a_thread_makes_batches_ahead_and_no_more_than_asked():
    made = []

    def examples():
        for i in range(10):
            made.append((i, threading.current_thread().name))
            yield i

    data = av.data.batches(examples, 1, prefetch=3)
    loop = iter(data)
    assert made == [] and not threads(), "nothing happens before the first batch is asked for"
    assert next(loop).tolist() == [0]
    until(lambda: len(made) == 4)
    time.sleep(0.02)
    assert len(made) == 4 and {name for _, name in made} == {"autograd_vs batches"}
    assert next(loop).tolist() == [1]
    until(lambda: len(made) == 5)
    loop.close()
    assert not threads()
    assert [*chain(*lists(data))] == list(range(2, 10))
    assert Counter(i for i, _ in made) == Counter(range(10)), "each example is asked for once"


def until(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.001)


@pytest.mark.parametrize("prefetch", DEPTHS)
def test_errors_of_the_source_come_out_of_the_loop_behind_what_was_made(prefetch):
    class Broken(Exception):
        pass

    faults = [3]

    def examples():
        for i in range(6):
            if i in faults:
                raise Broken(f"at {i}")
            yield i

    data = av.data.batches(examples, 1, prefetch=prefetch)
    seen = []
    with pytest.raises(Broken, match="at 3") as caught:
        for batch in data:
            seen.append(batch.item())
    assert seen == [0, 1, 2] and caught.traceback[-1].name == "examples"
    assert (data.epoch, data.batch) == (0, 3) and not threads()
    faults.clear()
    assert lists(data) == [[3], [4], [5]], "once mended it goes on where it broke"
    faults.append(2)
    loop = iter(data)
    next(loop)
    loop.close()
    with pytest.raises(Broken, match="at 2"):  # an error that a broken loop had not seen yet
        list(data)


@pytest.mark.parametrize("how", ["break", "error", "close", "collected", "forgotten"])
def test_the_thread_ends_with_the_loop(how):
    data = av.data.batches(np.arange(1000), 1, prefetch=2)
    if how == "break":
        for _ in data:
            assert len(threads()) == 1
            break
    elif how == "error":
        with pytest.raises(RuntimeError):
            for _ in data:
                raise RuntimeError
    elif how == "close":
        loop = iter(data)
        next(loop)
        loop.close()
    elif how == "collected":
        loop = iter(data)
        next(loop)
        cycle = [loop]
        cycle.append(cycle)
        del loop, cycle, data
        gc.collect()
    else:
        loop = islice(iter(data), 3)
        next(loop)
        del loop
    assert not threads()


def test_python_ends_in_the_middle_of_a_loop():
    code = (
        "import numpy as np, autograd_vs as av\n"
        "loop = iter(av.data.batches((i for i in range(10**9)), 2, prefetch=2))\n"
        "print(next(loop).tolist())\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "[0, 1]\n", "")


def test_the_thread_does_not_hear_of_the_tape_of_the_loop():
    v = av.Variable(2.0)
    data = av.data.batches(lambda: (v * float(i) for i in range(3)), 1, prefetch=2)
    with av.GradientTape() as tape:
        total = sum([av.sum(batch) for batch in data], start=av.Tensor(0.0))
    assert total.item() == 6.0 and tape.gradient(total, v) is None


# ---------------------------------------------------------------- with the rest


def test_progress_bar(capsys):
    pytest.importorskip("tqdm")
    data = av.data.batches(np.arange(10), 2, prefetch=1)
    for _ in data:
        break
    seen = lists(av.progress(data, "epoch 1"))
    assert seen == [[2, 3], [4, 5], [6, 7], [8, 9]]
    shown = capsys.readouterr().err
    assert "epoch 1: 100%" in shown and "5/5" in shown and "1/5" in shown, "a resumed epoch does not begin at 0"


def test_a_loop_inside_of_a_function_is_refused():
    data = av.data.batches(np.arange(4.0), 2)

    @av.function
    def f(x):
        for batch in data:
            x = x + batch
        return x

    with pytest.raises(RuntimeError, match=r"inside of an av\.function"):
        f(np.zeros(2))


# ---------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("args", "options", "error", "words"),
    [
        (({"x": np.ones(3), "y": [np.ones(4)]}, 2), {}, ValueError, r"arrays\['x'\] has 3, arrays\['y'\]\[0\] has 4"),
        ((np.ones((0, 2)), 2), {}, ValueError, "have 0 examples"),
        ((np.ones(3), 4), {"drop_last": True}, ValueError, "leaves out all 3, batch_size is 4"),
        (([], 4), {}, ValueError, "nest of arrays is empty"),
        ((np.ones(3), 0), {}, ValueError, "batch_size is an integer >= 1, got 0"),
        ((np.ones(3), -2), {}, ValueError, "got -2"),
        ((np.ones(3), 2.0), {}, TypeError, "batch_size is an integer >= 1, got 2.0"),
        ((np.ones(3), True), {}, TypeError, "got True"),
        ((np.ones(3), None), {}, TypeError, "got None"),
        ((np.ones(3), 2), {"shuffle": -1}, ValueError, "shuffle .a seed. is an integer >= 0, got -1"),
        ((np.ones(3), 2), {"shuffle": "yes"}, TypeError, "got 'yes'"),
        ((np.ones(3), 2), {"shuffle": 1 << 63}, ValueError, r"2\*\*63"),
        ((np.ones(3), 2), {"prefetch": -1}, ValueError, "prefetch"),
        ((np.ones(()), 2), {}, ValueError, r"arrays has shape \(\)"),
        (([1, 2, 3], 2), {}, TypeError, r"arrays\[0\] is 1 \(int\), not an array"),
        ((np.ma.ones(3), 2), {}, TypeError, "arrays: a MaskedArray has rules of its own"),
        ((3, 2), {}, TypeError, "an iterable of examples, got 3"),
        ((iter("ab"), 2), {"shuffle": 0}, ValueError, "shuffle needs arrays"),
    ],
)
def test_errors(args, options, error, words):
    with pytest.raises(error, match=words):
        av.data.batches(*args, **options)


def test_an_empty_iterable():
    with pytest.raises(ValueError, match="gave 0 examples"):
        list(av.data.batches(iter([]), 2))
    with pytest.raises(ValueError, match="gave 3 examples"):
        list(av.data.batches(range(3), 4, drop_last=True, prefetch=1))
