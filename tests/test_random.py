"""av.random: streams, counters, state, distributions."""

import json
import threading

import numpy as np
import pytest

import autograd_vs as av

DRAWS = {
    "normal": lambda stream="": av.random.normal((3, 2), stream=stream),
    "uniform": lambda stream="": av.random.uniform((3, 2), stream=stream),
    "truncated_normal": lambda stream="": av.random.truncated_normal((3, 2), stream=stream),
    "bernoulli": lambda stream="": av.random.bernoulli(0.5, (8, 8), stream=stream),
    "categorical": lambda stream="": av.random.categorical(np.zeros((16, 9)), stream=stream),
    "permutation": lambda stream="": av.random.permutation(50, stream=stream),
    "integers": lambda stream="": av.random.integers(0, 10**6, (3, 2), stream=stream),
}


@pytest.fixture(autouse=True)
def seeded(seed):
    state = av.random.get_state()
    av.random.set_seed(11)
    yield
    av.random.set_state(state)


# ---------------------------------------------------------------- streams


@pytest.mark.parametrize("name", DRAWS)
def test_a_value_depends_on_seed_stream_and_call(name):
    draw = DRAWS[name]
    first, second, other = draw().numpy(), draw().numpy(), draw("other").numpy()
    assert isinstance(draw(), av.Tensor)
    assert not np.array_equal(first, second) and not np.array_equal(first, other)
    av.random.set_seed(11)
    np.testing.assert_array_equal(draw("other").numpy(), other)  # in another order
    np.testing.assert_array_equal(draw().numpy(), first)
    np.testing.assert_array_equal(draw().numpy(), second)
    av.random.set_seed(12)
    assert not np.array_equal(draw().numpy(), first)


def test_how_much_an_earlier_call_drew_does_not_matter():
    av.random.normal(10_000)
    a = av.random.uniform(3).numpy()
    av.random.set_seed(11)
    av.random.integers(5)
    np.testing.assert_array_equal(av.random.uniform(3).numpy(), a)


def test_the_numbers_are_the_same_in_every_process_and_release():
    """Stored values: a change of them changes everybody's experiments."""
    got = [
        av.random.uniform(2, dtype="float64").tolist(), av.random.normal(2, dtype="float64").tolist(),
        av.random.integers(1000, shape=3).tolist(), av.random.permutation(5).tolist(),
    ]  # fmt: skip
    assert got[2:] == STORED[2:]
    np.testing.assert_allclose(got[0], STORED[0], rtol=1e-15)
    np.testing.assert_allclose(got[1], STORED[1], rtol=1e-12)


STORED = [
    [0.2631231969039115, 0.8568419780936201],
    [0.3103642926782493, 0.6304680243035883],
    [866, 200, 995],
    [2, 3, 4, 0, 1],
]


def test_state_there_and_back_through_json():
    av.random.normal(stream="a")
    av.random.normal(stream="b")
    state = json.loads(json.dumps(av.random.get_state()))
    assert state == {"seed": 11, "streams": {"a": 1, "b": 1}}
    want = [av.random.normal(stream=s).item() for s in "aabc"]
    av.random.set_seed(99)
    av.random.normal(stream="a")
    av.random.set_state(state)
    assert [av.random.normal(stream=s).item() for s in "aabc"] == want


def test_without_a_seed_it_is_drawn_once_and_shown():
    av.random.set_seed(None)
    a = av.random.uniform(2, dtype="float64").numpy()
    state = av.random.get_state()
    av.random.set_state({**state, "streams": {}})
    np.testing.assert_array_equal(av.random.uniform(2, dtype="float64").numpy(), a)
    av.random.set_seed(None)
    assert not np.array_equal(av.random.uniform(2, dtype="float64").numpy(), a)
    assert av.random.get_state()["seed"] != state["seed"]


def test_threads_never_draw_the_same():
    found = []

    def work():
        found.extend(av.random.uniform(dtype="float64").item() for _ in range(200))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(set(found)) == 800
    assert av.random.get_state()["streams"] == {"": 800}


def test_seeds_are_checked():
    for wrong, error in ((-1, ValueError), (1.5, TypeError), (True, TypeError), ("1", TypeError)):
        with pytest.raises(error, match="a seed is"):
            av.random.set_seed(wrong)


def test_numpys_state_is_not_touched_and_not_used():
    before = np.random.get_state()[1].copy()
    a = av.random.normal(3).numpy()
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    np.random.seed(1)
    try:
        av.random.set_seed(11)
        np.testing.assert_array_equal(av.random.normal(3).numpy(), a)
    finally:
        np.random.set_state(("MT19937", before, 624, 0, 0.0))


# ---------------------------------------------------------------- distributions


def test_dtypes_and_shapes():
    assert av.random.normal().shape == () and av.random.normal().dtype == np.float32
    assert av.random.uniform(3).shape == (3,)
    for dtype in (np.float16, np.float32, np.float64):
        for draw in (av.random.normal, av.random.uniform, av.random.truncated_normal):
            assert draw((2, 3), dtype=dtype).dtype == dtype
            assert draw((0, 3), dtype=dtype).shape == (0, 3)
    av.set_default_dtype("float64")
    assert av.random.normal().dtype == np.float64
    av.set_default_dtype("float32")
    assert av.random.integers(3, shape=2, dtype=np.int32).dtype == np.int32
    assert av.random.bernoulli(0.5, (2,), dtype=np.float32).dtype == np.float32


def test_float32_normals_are_the_rounded_float64_ones():
    single = av.random.normal(100).numpy()
    av.random.set_seed(11)
    np.testing.assert_array_equal(single, av.random.normal(100, dtype="float64").numpy().astype(np.float32))


def test_moments():
    n = 200_000
    z = av.random.normal(n, 3.0, 2.0, dtype="float64").numpy()
    assert abs(z.mean() - 3.0) < 0.02 and abs(z.std() - 2.0) < 0.02
    z = (z - 3.0) / 2.0
    assert abs((z**3).mean()) < 0.03 and abs((z**4).mean() - 3.0) < 0.08
    assert abs(np.corrcoef(z[:-1], z[1:])[0, 1]) < 0.01 and abs(np.corrcoef(z[: n // 2], z[n // 2 :])[0, 1]) < 0.01
    t = av.random.truncated_normal(n, 1.0, 0.5).numpy()
    assert abs(t.mean() - 1.0) < 0.01 and abs(t.std() - 0.5 * 0.87962566) < 0.01
    assert t.min() >= 0.0 and t.max() <= 2.0
    u = av.random.uniform(n, -1.0, 3.0).numpy()
    assert abs(u.mean() - 1.0) < 0.02 and abs(u.var() - 16 / 12) < 0.02
    assert u.min() >= -1.0 and u.max() < 3.0
    assert abs(av.random.bernoulli(0.2, n).numpy().mean() - 0.2) < 0.01
    counts = np.bincount(av.random.integers(2, 7, n).numpy())
    assert (counts[:2] == 0).all() and np.allclose(counts[2:] / n, 0.2, atol=0.01)


def test_uniform_never_reaches_its_upper_end():
    x = av.random.uniform(10_000, 0.0, 1e-3, dtype="float16").numpy()
    assert (x < np.float16(1e-3)).all()
    assert av.random.uniform((2, 2), [0.0, 10.0], [1.0, 11.0]).numpy()[:, 1].min() >= 10.0


def test_parameters_may_be_arrays():
    z = av.random.normal((20_000, 2), [0.0, 5.0], [1.0, 0.1], dtype="float64").numpy()
    np.testing.assert_allclose(z.mean(0), [0.0, 5.0], atol=0.03)
    np.testing.assert_allclose(z.std(0), [1.0, 0.1], atol=0.03)
    assert av.random.bernoulli([0.0, 1.0], (5, 2)).numpy().tolist() == [[False, True]] * 5
    with pytest.raises(ValueError, match="probability"):
        av.random.bernoulli(1.5)


def test_categorical():
    p = np.array([[0.1, 0.2, 0.7], [0.5, 0.0, 0.5]])
    with np.errstate(divide="ignore"):
        logits = np.log(p) + 100.0
    found = av.random.categorical(logits, (50_000, 2))
    assert found.shape == (50_000, 2) and found.dtype == np.int64
    for column, want in zip(found.numpy().T, p, strict=True):
        np.testing.assert_allclose(np.bincount(column, minlength=3) / 50_000, want, atol=0.01)
    assert av.random.categorical(logits.T, axis=0).shape == (2,)
    assert av.random.categorical(av.Tensor(logits)).shape == (2,)
    with pytest.raises(ValueError, match=r"\(2, 5\) does not end in \(2,\)"):
        av.random.categorical(logits, (2, 5))


def test_permutation():
    assert sorted(av.random.permutation(100).tolist()) == list(range(100))
    rows = np.arange(12).reshape(6, 2)
    shuffled = av.random.permutation(rows).numpy()
    assert sorted(shuffled.tolist()) == rows.tolist() and rows[0, 0] == 0
    assert not np.array_equal(shuffled, rows)


def test_results_are_constants():
    x = av.Tensor(np.zeros(2))
    with av.GradientTape() as tape:
        tape.watch(x)
        y = x + av.random.normal(2)
        with pytest.raises(TypeError, match="drop the gradient"):
            av.random.normal(2, mean=x)
    assert tape.gradient(y, x).tolist() == [1.0, 1.0]
