"""Threads for large updates: every block once, the same bits, errors arrive, contexts and forks."""

import os
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest

import autograd_vs as av
import optim
from autograd_vs.base import threads
from autograd_vs.state.packs import BLOCK


@pytest.fixture
def number():
    before = av.get_num_threads()
    yield av.set_num_threads
    av.set_num_threads(before)


@pytest.mark.parametrize("workers", [1, 2, 3, 7])
@pytest.mark.parametrize("size", [1, 2, 5, 40])
def test_every_item_once_in_consecutive_parts(workers, size, number):
    number(workers)
    parts = []
    threads.share(parts.append, range(size))
    parts.sort(key=lambda part: part[0])
    assert [i for part in parts for i in part] == list(range(size))
    assert len(parts) == min(workers, size)


def test_parts_run_in_threads_of_their_own(number):
    number(3)
    barrier = threading.Barrier(3, timeout=20)  # passes only if three threads wait at once
    threads.share(lambda part: barrier.wait(), range(3))


@pytest.mark.parametrize("bad", [0, 1, 2])
def test_an_error_arrives_after_all_parts_are_done(bad, number):
    number(3)
    done = []

    def work(part):
        if bad in part:
            raise KeyError(f"part {bad}")
        done.append(list(part))

    with pytest.raises(KeyError, match=f"part {bad}"):
        threads.share(work, range(3))
    assert sorted(done) == [[i] for i in range(3) if i != bad]


def test_workers_run_in_the_context_of_the_caller(number):
    number(2)
    with np.errstate(divide="raise"), pytest.raises(FloatingPointError):
        threads.share(lambda part: np.ones(3) / np.array([1.0, 0.0, part[0]]) if part[0] else None, range(2))


def test_numbers_that_are_none():
    for wrong in (0, -1, 1.5, True):
        with pytest.raises(ValueError, match="positive integer"):
            av.set_num_threads(wrong)


def updated(make, workers, rows):
    av.set_num_threads(workers)
    rng = np.random.default_rng(0)
    shapes = [(2 * BLOCK + 17,), (300, 700), (5,), (BLOCK // 8, 24)]
    with av.VariableStore(seed=0):
        variables = [av.Variable(rng.standard_normal(s), name=f"v{i}") for i, s in enumerate(shapes)]
        optimizer = make()
        for _ in range(3):
            gradients = [rng.standard_normal(s) for s in shapes]
            if rows:
                ids = rng.integers(0, shapes[3][0], 500)
                gradients[3] = av.IndexedSlices(rng.standard_normal((500, 24)), ids, shapes[3])
            optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return [v.numpy() for v in variables] + [
            optimizer.get_slot(v, s).numpy() for v in variables for s in optimizer.slot_names
        ]


@pytest.mark.parametrize("rows", [False, True], ids=["dense", "rows"])
@pytest.mark.parametrize(
    "make",
    [lambda: optim.SGD(0.1, momentum=0.9), lambda: optim.Adam(0.01), lambda: optim.AdamW(0.01, weight_decay=0.1)],
    ids=["sgd", "adam", "adamw"],
)
def test_results_do_not_depend_on_the_number_of_threads(make, rows, number):
    alone = updated(make, 1, rows)
    for workers in (2, 3):
        for a, b in zip(alone, updated(make, workers, rows), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_forked_child_has_a_pool_of_its_own():
    script = """
        import os, warnings, numpy as np, autograd_vs as av, optim
        av.set_num_threads(2)
        v = av.Variable(np.ones(400_000, np.float32))
        optimizer = optim.SGD(0.5)
        optimizer.apply_gradients([(np.ones(400_000, np.float32), v)])
        warnings.simplefilter("ignore")  # newer Pythons warn of a fork with threads
        child = os.fork()
        optimizer.apply_gradients([(np.ones(400_000, np.float32), v)])
        good = bool((v.numpy() == 0.0).all())
        if child == 0:
            os._exit(0 if good else 1)
        assert good and os.waitpid(child, 0)[1] == 0
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True, timeout=60)


def test_the_default_follows_the_environment():
    script = "import autograd_vs as av; print(av.get_num_threads())"
    for asked, expected in (("3", "3"), ("2,1", "2")):
        environment = os.environ | {"OMP_NUM_THREADS": asked}
        found = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
        )
        assert found.stdout.strip() == expected
