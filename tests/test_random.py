"""av.random: streams, counters, state, distributions."""

import json
import threading
from pathlib import Path

import numpy as np
import pytest
from strict_array import StrictArray, forbid_transfers

import autograd_vs as av
from autograd_vs.ops.gamma import gamma_at_level, gamma_slope
from autograd_vs.testing import check_gradients

GOLDEN = json.loads((Path(__file__).parent / "golden" / "random.json").read_text())

DRAWS = {
    "normal": lambda stream="": av.random.normal((3, 2), stream=stream),
    "uniform": lambda stream="": av.random.uniform((3, 2), stream=stream),
    "truncated_normal": lambda stream="": av.random.truncated_normal((3, 2), stream=stream),
    "bernoulli": lambda stream="": av.random.bernoulli(0.5, (8, 8), stream=stream),
    "categorical": lambda stream="": av.random.categorical(np.zeros((16, 9)), stream=stream),
    "permutation": lambda stream="": av.random.permutation(50, stream=stream),
    "integers": lambda stream="": av.random.integers(0, 10**6, (3, 2), stream=stream),
    "lognormal": lambda stream="": av.random.lognormal((3, 2), stream=stream),
    "laplace": lambda stream="": av.random.laplace((3, 2), stream=stream),
    "logistic": lambda stream="": av.random.logistic((3, 2), stream=stream),
    "gumbel": lambda stream="": av.random.gumbel((3, 2), stream=stream),
    "cauchy": lambda stream="": av.random.cauchy((3, 2), stream=stream),
    "exponential": lambda stream="": av.random.exponential((3, 2), stream=stream),
    "gamma": lambda stream="": av.random.gamma([0.3, 3.0], shape=(3, 2), stream=stream),
    "beta": lambda stream="": av.random.beta(2.0, 3.0, (3, 2), stream=stream),
    "chi2": lambda stream="": av.random.chi2(3.0, (3, 2), stream=stream),
    "student_t": lambda stream="": av.random.student_t(3.0, shape=(3, 2), stream=stream),
    "dirichlet": lambda stream="": av.random.dirichlet(np.ones(3), (2,), stream=stream),
    "multivariate_normal": lambda stream="": av.random.multivariate_normal(np.zeros(2), np.eye(2), stream=stream),
    "rademacher": lambda stream="": av.random.rademacher((8, 8), stream=stream),
    "poisson": lambda stream="": av.random.poisson(1e6, (3, 2), stream=stream),
    "binomial": lambda stream="": av.random.binomial(10**6, 0.5, (3, 2), stream=stream),
    "multinomial": lambda stream="": av.random.multinomial(10**6, [0.5, 0.2, 0.3], (2,), stream=stream),
    "choice": lambda stream="": av.random.choice(10**6, 5, stream=stream),
    "shuffle": lambda stream="": av.random.shuffle(np.arange(50), stream=stream),
    "gumbel_softmax": lambda stream="": av.random.gumbel_softmax(np.zeros((4, 9)), stream=stream),
}


def test_every_distribution_is_in_the_table():
    others = {"generator", "get_state", "set_state", "set_seed"}
    assert set(DRAWS) == set(av.random.__all__) - others


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


FIRST = {
    "normal": [1.142139, -1.0903091, -1.3819263],
    "uniform": [0.20286655, 0.68896699, 0.71963316],
    "truncated_normal": [1.142139, -1.0903091, -1.3819263],
    "bernoulli": [False, True, False],
    "categorical": [6, 4, 5],
    "permutation": [34, 7, 48],
    "integers": [202866, 688966, 719633],
    "lognormal": [3.1334636, 0.33611259, 0.2510944],
    "laplace": [0.47470906, -0.10087857, 0.31861115],
    "logistic": [0.79529434, -0.1925067, 0.55986315],
    "gumbel": [0.98735207, 0.2306394, 0.79430503],
    "cauchy": [0.6748656, -0.15188116, 0.45690203],
    "exponential": [1.1678562, 0.60151905, 1.0117583],
    "gamma": [0.41529256, 2.3717813, 0.0064364243],
    "beta": [0.41394678, 0.30534565, 0.2999835],
    "chi2": [3.6274114, 1.9509319, 1.6928372],
    "student_t": [2.1290212, -2.0636797, -0.84540164],
    "dirichlet": [0.037012156, 0.10724179, 0.85574603],
    "multivariate_normal": [-1.4593842, 0.45377353],
    "rademacher": [-1.0, -1.0, 1.0],
    "poisson": [1000554, 1000392, 1000048],
    "binomial": [500504, 499954, 500244],
    "multinomial": [500504, 199767, 299729],
    "choice": [202866, 688966, 719633],
    "shuffle": [34, 7, 48],
    "gumbel_softmax": [0.12962491, 0.06082083, 0.10686838],
}  # fmt: skip


@pytest.mark.parametrize("name", FIRST)
def test_the_first_numbers_of_a_stream_are_these(name):
    """Stored ones, too. What NumPy's generators make by rejection may change with NumPy; then these must follow."""
    np.testing.assert_allclose(DRAWS[name]("pinned").numpy().ravel()[:3], FIRST[name], rtol=1e-6)


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


SAMPLES = 40_000


@pytest.mark.parametrize("name", GOLDEN["distributions"])
def test_the_distribution_is_scipys(name):
    """The distance of the distribution functions (Kolmogorov and Smirnov's), mean and variance, all at a fixed seed."""
    stored = GOLDEN["distributions"][name]
    function = name.split()[0]
    x = getattr(av.random, function)(shape=SAMPLES, **stored["arguments"]).numpy().astype(np.float64)
    below = (x[:, None] <= np.array(stored["x"])).mean(axis=0)
    assert np.abs(below - stored["cdf"]).max() < 1.6 / np.sqrt(SAMPLES)
    if stored["mean"] is not None:
        assert abs(x.mean() - stored["mean"]) < 4 * np.sqrt(stored["variance"] / SAMPLES)
        squares = (x - stored["mean"]) ** 2
        assert abs(squares.mean() - stored["variance"]) <= 4 * squares.std() / np.sqrt(SAMPLES)
    x = np.arctan(x)  # Cauchy's have no variance
    assert abs(np.corrcoef(x[1:], x[:-1])[0, 1]) < 4 / np.sqrt(SAMPLES)


def test_vectors():
    n = 40_000
    p = np.array([0.5, 0.2, 0.3])
    counts = av.random.multinomial(10, p, n).numpy()
    assert (counts.sum(-1) == 10).all() and counts.dtype == np.int64
    np.testing.assert_allclose(counts.mean(0), 10 * p, atol=0.05)
    np.testing.assert_allclose(np.cov(counts.T), 10 * (np.diag(p) - np.outer(p, p)), atol=0.05)
    assert av.random.multinomial([[1], [5]], [p, p[::-1]]).sum(-1).tolist() == [[1, 1], [5, 5]]

    alpha = np.array([0.5, 2.0, 3.5])
    x = av.random.dirichlet(alpha, n, dtype="float64").numpy()
    np.testing.assert_allclose(x.sum(-1), 1.0, rtol=1e-12)
    m = alpha / 6
    np.testing.assert_allclose(x.mean(0), m, atol=0.005)
    np.testing.assert_allclose(np.cov(x.T), (np.diag(m) - np.outer(m, m)) / 7, atol=0.002)

    cov = np.array([[2.0, -0.6], [-0.6, 0.5]])
    for options in ({"cov": cov}, {"scale_tril": np.linalg.cholesky(cov)}, {"cov": [cov, cov]}):
        z = av.random.multivariate_normal([1.0, -1.0], shape=(n // 2, 2), dtype="float64", **options).numpy()
        assert z.shape == (n // 2, 2, 2)
        z = z.reshape(-1, 2)
        np.testing.assert_allclose(z.mean(0), [1.0, -1.0], atol=0.03)
        np.testing.assert_allclose(np.cov(z.T), cov, atol=0.04)
    assert av.random.multivariate_normal(np.zeros((4, 1, 2)), [cov] * 3).shape == (4, 3, 2)


def test_choice():
    n = 20_000
    x = av.random.choice(4, n).numpy()
    np.testing.assert_allclose(np.bincount(x) / n, 0.25, atol=0.015)
    x = av.random.choice(4, (n, 1), p=[0.1, 0.0, 0.4, 0.5]).numpy()
    assert x.shape == (n, 1)
    np.testing.assert_allclose(np.bincount(x.ravel()) / n, [0.1, 0.0, 0.4, 0.5], atol=0.015)
    assert sorted(av.random.choice(5, 5, replace=False).tolist()) == [0, 1, 2, 3, 4]
    assert sorted(av.random.choice(3, 2, replace=False, p=[0.5, 0.0, 0.5]).tolist()) == [0, 2]
    table = np.arange(6.0).reshape(2, 3)
    assert av.random.choice(table, (4, 5), axis=1).shape == (2, 4, 5)
    assert av.random.choice(table, axis=-1, p=np.array([0, 0, 1], np.float32)).tolist() == [2.0, 5.0]
    assert av.random.choice(av.Tensor(np.array(1)), 2).tolist() == [0, 0]
    assert av.random.choice(np.zeros((0, 2)), 0).shape == (0, 2)


def test_shuffling():
    counts = {}
    for _ in range(1200):
        order = tuple(av.random.shuffle([0, 1, 2]).tolist())
        counts[order] = counts.get(order, 0) + 1
    assert len(counts) == 6 and min(counts.values()) > 150 and max(counts.values()) < 250
    x = np.arange(12).reshape(3, 4)
    y = av.random.shuffle(x, axis=1).numpy()
    assert sorted(y.T.tolist()) == x.T.tolist() and not np.array_equal(x, y)
    assert sorted(av.random.permutation(av.Tensor(np.array(3))).tolist()) == [0, 1, 2]


def test_gumbel_softmax_is_a_smooth_categorical():
    p = np.array([0.2, 0.5, 0.3])
    logits = np.tile(np.log(p), (20_000, 1))
    hard = av.random.gumbel_softmax(logits, 0.7, hard=True).numpy()
    assert set(np.unique(hard)) == {0.0, 1.0} and (hard.sum(-1) == 1).all()
    np.testing.assert_allclose(hard.mean(0), p, atol=0.015)
    av.random.set_seed(11)
    soft = av.random.gumbel_softmax(logits, 0.7).numpy()
    np.testing.assert_allclose(soft.sum(-1), 1.0)
    assert (soft.argmax(-1) == hard.argmax(-1)).all() and soft.max() < 1
    assert av.random.gumbel_softmax(logits[0].astype(np.float32)).dtype == np.float32
    assert av.random.gumbel_softmax(np.zeros((3, 2), int), hard=True, axis=0).sum(0).tolist() == [1.0, 1.0]


def test_draws_are_finite_where_uniforms_are_0():
    class Zeros:
        def random(self, shape, dtype=np.float64):
            return np.zeros(shape, dtype)

    from autograd_vs.ops import continuous as d

    for draw in (d._laplace, d._logistic, d.gumbels, d._cauchy, d._exponential):
        assert np.isfinite(draw(Zeros(), (2,))).all()


# ---------------------------------------------------------------- parameters


LOCATED = {
    "uniform": ("low", "high"), "normal": ("mean", "stddev"), "truncated_normal": ("mean", "stddev"),
    "lognormal": ("mean", "stddev"), "laplace": ("loc", "scale"), "logistic": ("loc", "scale"),
    "gumbel": ("loc", "scale"), "cauchy": ("loc", "scale"), "exponential": ("scale",),
}  # fmt: skip
GAMMAS = {"gamma": ("alpha", "scale"), "chi2": ("df",), "student_t": ("df", "loc", "scale"), "beta": ("a", "b")}


def call(name, values, **options):
    av.random.set_seed(11)
    return getattr(av.random, name)(**dict(zip((LOCATED | GAMMAS)[name], values, strict=True)), **options)


@pytest.mark.parametrize("name", LOCATED | GAMMAS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_tensors_draw_the_same_as_numbers(name, dtype):
    numbers = [0.5, 1.5, 0.25][: len((LOCATED | GAMMAS)[name])]
    want = call(name, numbers, shape=(2, 3), dtype=dtype)
    assert want.dtype == dtype and want.shape == (2, 3)
    for make in (
        np.float64, lambda x: [x], lambda x: np.full((1, 3), x), lambda x: av.Tensor(np.array(x)),
        lambda x: av.Variable(np.full(3, x, np.float32)),
    ):  # fmt: skip
        got = call(name, list(map(make, numbers)), shape=(2, 3), dtype=dtype)
        assert got.dtype == dtype
        np.testing.assert_array_equal(got.numpy(), want.numpy())
    shapes = [(2, 1), (3,), ()]
    got = call(name, [np.full(s, x) for x, s in zip(numbers, shapes, strict=False)], dtype=dtype)
    if len(numbers) > 1:
        np.testing.assert_array_equal(got.numpy(), want.numpy())
    mixed = [av.Tensor(np.array(numbers[0], np.float32)), *numbers[1:]]
    np.testing.assert_array_equal(call(name, mixed, shape=(2, 3), dtype=dtype).numpy(), want.numpy())


def test_parameters_broadcast_or_say_that_they_do_not():
    r = av.random
    for wrong, words in (
        (lambda: r.normal((2, 2), mean=np.zeros(3)), r"normal: .* mean \(3,\), stddev \(\) do not .* shape=\(2, 2\)"),
        (lambda: r.normal((), mean=np.zeros(3)), r"do not broadcast to shape=\(\)"),
        (lambda: r.laplace(None, np.zeros(3), np.ones(2)), r"loc \(3,\), scale \(2,\) do not broadcast together"),
        (lambda: r.uniform(2, np.zeros(3)), r"uniform: .*low \(3,\)"),
        (lambda: r.gamma(np.ones(3), shape=2), r"gamma: .*alpha \(3,\)"),
        (lambda: r.beta(np.ones(3), np.ones(2)), r"beta: .*a \(3,\), b \(2,\)"),
        (lambda: r.dirichlet(np.ones((2, 3)), 3), r"dirichlet: .*alpha\[\.\.\., 0\] \(2,\) .*shape=\(3,\)"),
        (lambda: r.poisson(np.ones(3), 2), r"poisson: .*rate \(3,\)"),
        (lambda: r.bernoulli(np.ones(3), 2), r"bernoulli: .*p \(3,\)"),
        (lambda: r.multinomial([1, 2, 3], [[0.5, 0.5]] * 2), r"multinomial: .*n \(3,\), p\[\.\.\., 0\] \(2,\)"),
        (lambda: r.multivariate_normal(np.zeros(3), np.eye(2)), r"\(3,\) and \(2, 2\)"),
        (lambda: r.multivariate_normal(np.zeros(2), np.eye(2), (3, 4)).reshape(5), "reshape|size"),
        (lambda: r.multivariate_normal(np.zeros((3, 2)), np.eye(2), 2), r"mean\[\.\.\., 0\] \(3,\)"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=words):
            wrong()


@pytest.mark.host("values on a device are not looked at")
def test_parameters_are_checked():
    r = av.random
    for wrong, words in (
        (lambda: r.normal(stddev=-1.0), r"normal: stddev must be not negative, got -1\.0"),
        (lambda: r.normal(stddev=[1.0, -2.0]), r"stddev .* got -2\.0"),
        (lambda: r.truncated_normal(stddev=-1), "truncated_normal: stddev"),
        (lambda: r.lognormal(stddev=-1), "lognormal: stddev"),
        (lambda: r.cauchy(scale=float("nan")), "cauchy: scale must be not negative, got nan"),
        (lambda: r.exponential(scale=-1.0), "exponential: scale"),
        (lambda: r.uniform(2, 1.0, 0.0), r"uniform: high - low must be not negative, got -1\.0"),
        (lambda: r.uniform(2, [0, 3.0], [1.0, 1]), r"uniform: high - low must be not negative, got -2\.0"),
        (lambda: r.gamma(0.0), r"gamma: alpha must be positive, got 0\.0"),
        (lambda: r.gamma(np.inf), "gamma: alpha must be positive, got inf"),
        (lambda: r.gamma(1.0, scale=-1.0), "gamma: scale"),
        (lambda: r.beta(1.0, -1.0), "beta: b"),
        (lambda: r.chi2([1, 0]), "chi2: df .* got 0"),
        (lambda: r.student_t(-1.0), "student_t: df"),
        (lambda: r.dirichlet([1.0, 0.0]), "dirichlet: alpha"),
        (lambda: r.dirichlet(1.0), r"dirichlet: alpha of shape .* got shape \(\)"),
        (lambda: r.poisson(-0.5), "poisson: rate must be not negative, got -0.5"),
        (lambda: r.binomial(-1, 0.5), "binomial: n must be whole"),
        (lambda: r.binomial(1.5, 0.5), r"binomial: n must be whole and not negative, got 1\.5"),
        (lambda: r.binomial(1, 1.5), "binomial: p .* probability"),
        (lambda: r.multinomial(1, [0.5, 0.6]), r"must sum to 1, got a sum of 1\.1"),
        (lambda: r.multinomial(1, []), "at least one probability"),
        (lambda: r.bernoulli([0.5, -0.5]), "bernoulli: p .* got -0.5"),
        (lambda: r.choice(3, p=[0.5, 0.5, 0.5]), r"choice: the probabilities must sum to 1, got a sum of 1\.5"),
        (lambda: r.choice(3, p=[0.5, 0.5]), r"choice: p of shape \(3,\) is needed, got shape \(2,\)"),
        (lambda: r.choice(3, 4, replace=False), "4 are to be drawn without replacement from 3"),
        (lambda: r.choice(3, 3, replace=False, p=[0.5, 0.5, 0]), "3 are to be drawn without replacement from 2"),
        (lambda: r.choice(0), "1 are to be drawn from 0"),
        (lambda: r.categorical(np.zeros((2, 0))), "no classes"),
        (lambda: r.categorical([-np.inf, -np.inf]), "finite, got -inf"),
        (lambda: r.gumbel_softmax(np.zeros(2), 0.0), "temperature must be positive"),
        (lambda: r.multivariate_normal(np.zeros(2), -np.eye(2)), "[Pp]ositive"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=words):
            wrong()
    for wrong, words in (
        (lambda: r.normal(dtype=int), "normal: .* float dtype, got int64"),
        (lambda: r.gamma(1.0, dtype=complex), "gamma: .* float dtype, got complex128"),
        (lambda: r.normal(mean=1j), "normal: mean must be real numbers, got dtype complex128"),
        (lambda: r.rademacher(dtype=np.uint8), "uint8 has no -1"),
        (lambda: r.shuffle(3), "array is needed, got 3"),
        (lambda: r.permutation(2.5), r"array is needed, got 2\.5"),
        (lambda: r.multivariate_normal(np.zeros(2)), "exactly one of cov and scale_tril"),
        (lambda: r.multivariate_normal(np.zeros(2), np.eye(2), scale_tril=np.eye(2)), "exactly one"),
    ):  # fmt: skip
        with pytest.raises(TypeError, match=words):
            wrong()
    assert av.random.get_state()["streams"] == {"": 1} or not av.random.get_state()["streams"]


# ---------------------------------------------------------------- gradients


@pytest.mark.parametrize("name", LOCATED)
def test_gradients_of_location_and_scale(name):
    values = [np.array([[0.3], [-0.4]]), np.array([0.9, 1.2, 1.9])][-len(LOCATED[name]) :]
    check_gradients(lambda *parameters: call(name, parameters, dtype="float64"), values)


def test_gradients_of_vectors():
    mean, factor = np.array([[0.5, -0.3]] * 3), np.array([[1.2, 0.0], [0.3, 0.8]])

    def draw(mean, factor):
        av.random.set_seed(11)
        return av.random.multivariate_normal(mean, scale_tril=factor, dtype="float64")

    check_gradients(draw, [mean, factor])
    check_gradients(draw, [mean, np.stack([factor] * 3)])


def test_gradients_through_the_covariance():
    cov = np.array([[1.2, 0.3], [0.3, 0.8]])
    try:
        np.linalg.cholesky(av.Tensor(cov))
    except TypeError:
        pytest.skip("np.linalg.cholesky has no gradient yet")

    def draw(mean, cov):
        av.random.set_seed(11)
        return av.random.multivariate_normal(mean, (cov + cov.T) / 2, dtype="float64")

    check_gradients(draw, [np.zeros((3, 2)), cov])


def gradients(f, *arrays):
    xs = [av.Tensor(np.asarray(a)) for a in arrays]
    with av.GradientTape() as tape:
        tape.watch(xs)
        y = f(*xs)
    return [g.numpy() for g in tape.gradient(y, xs)]


def test_the_slope_of_gamma_numbers():
    """At a fixed level: mpmath's 40 digits, differences of SciPy's quantile function, PyTorch's own approximation."""
    alpha, ell = np.array(GOLDEN["alpha"]), av.Tensor(np.log(GOLDEN["z"]))
    (got,) = gradients(lambda a: gamma_at_level(a, ell.array), alpha)
    np.testing.assert_allclose(got, GOLDEN["slope_mpmath"], rtol=1e-11)
    np.testing.assert_allclose(got, GOLDEN["slope"], rtol=3e-8)
    likely = (np.array(GOLDEN["level"]) > 1e-4) & (np.array(GOLDEN["level"]) < 0.9999)
    np.testing.assert_allclose(got[likely], np.array(GOLDEN["slope_pytorch"])[likely], rtol=2e-3)
    single = gamma_slope(av.Tensor(alpha.astype(np.float32)), ell.astype(np.float32))
    assert single.dtype == np.float32


def test_the_curvature_of_gamma_numbers():
    ell = av.Tensor(np.log(GOLDEN["z"])).array
    (got,) = gradients(lambda a: av.grad(lambda a: gamma_at_level(a, ell).sum())(a), GOLDEN["alpha"])
    np.testing.assert_allclose(got, GOLDEN["curvature"], rtol=3e-7)


def test_slopes_at_the_ends():
    """Far below any float: log(z) is nearly log(u * gamma(alpha + 1)) / alpha. And beyond all tables."""
    for alpha, ell in ((1e-3, -2000.0), (1e-6, -3e6), (0.5, -1e4)):
        near_zero = -(ell + np.euler_gamma if alpha < 0.1 else ell - 0.03648997397857652) / alpha
        got = gamma_slope(av.Tensor(np.array(alpha)), np.array(ell)).item()
        assert abs(got / near_zero - 1) < 1e-5
    for alpha in (1e8, 1e10):
        assert abs(gamma_slope(np.array(alpha), np.log(alpha)).item() * alpha - 1) < 1e-6


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gamma_draws_have_the_slope_of_their_level(dtype):
    alpha, scale = np.array([0.05, 0.7, 3.0, 200.0], dtype), np.array([[2.0], [0.5]], dtype)
    found = []

    def draw(alpha, scale):
        av.random.set_seed(11)
        found.append(av.random.gamma(alpha, scale, dtype=dtype))
        return found[0]

    by_alpha, by_scale = gradients(draw, alpha, scale)
    assert by_alpha.dtype == by_scale.dtype == found[0].dtype == dtype
    z = call("gamma", [alpha, scale], dtype="float64").numpy() / scale
    rtol = 1e-5 if dtype == "float32" else 1e-10
    np.testing.assert_allclose(by_scale, z.sum(axis=1, keepdims=True), rtol=rtol)
    slope = z * gamma_slope(np.broadcast_to(alpha, (2, 4)).astype(float), np.log(z)).numpy()
    np.testing.assert_allclose(by_alpha, (slope * scale).sum(axis=0), rtol=rtol)


def test_gradients_of_expectations():
    """What the gradients must be on average: the derivatives of known moments."""
    n = 40_000
    r = av.random
    f8 = {"dtype": "float64", "shape": n}
    (g,) = gradients(lambda a: (av.log(r.gamma(a, **f8)) ** 2).mean(), 2.5)
    assert abs(g - 0.4534) < 0.02  # 2 psi psi' + psi''
    (g,) = gradients(lambda df: (r.chi2(df, **f8) ** 2).mean(), 3.0)
    assert abs(g - 8.0) < 0.2  # of df**2 + 2 df
    a, b = 0.7, 2.0
    ga, gb = gradients(lambda a, b: r.beta(a, b, **f8).mean(), a, b)
    assert abs(ga - b / (a + b) ** 2) < 0.005 and abs(gb + a / (a + b) ** 2) < 0.005
    (g,) = gradients(lambda df: (r.student_t(df, **f8) ** 2).mean(), 12.0)
    assert abs(g + 0.02) < 0.002  # of df / (df - 2)
    alpha = np.array([0.5, 1.5, 3.0])
    (g,) = gradients(lambda a: r.dirichlet(a, **f8)[:, 0].mean(), alpha)
    np.testing.assert_allclose(g, [4.5 / 25, -0.5 / 25, -0.5 / 25], atol=0.003)
    (g,) = gradients(lambda a: r.dirichlet(a, **f8).sum(-1).mean(), alpha)
    np.testing.assert_allclose(g, 0.0, atol=1e-12)
    assert float(gradients(lambda p: r.gumbel_softmax(p, 0.1)[:, 1].mean(), np.zeros((n, 2)))[0][:, 1].sum()) > 0.2


def test_composed_gradients_have_derivatives():
    """Forward mode, and order 2, of what is made of gamma: forward over reverse and reverse over reverse agree."""
    for f in (
        lambda a: call("beta", [a, a * 0.5], dtype="float64"),
        lambda a: call("student_t", [a, a, a * 2], dtype="float64"),
        lambda a: (av.random.set_seed(11), av.random.dirichlet(a, dtype="float64") * np.arange(3.0))[1],
    ):
        x, v = np.array([0.4, 1.0, 6.0]), np.array([1.0, -0.5, 2.0])
        (g,) = gradients(lambda a, f=f: f(a).sum(), x)
        _, t = av.jvp(lambda a, f=f: f(a).sum(), (x,), (v,))
        np.testing.assert_allclose(t.item(), g @ v, rtol=1e-10)
        h = av.hessian(lambda a, f=f: av.sin(f(a)).sum())(x).numpy()
        np.testing.assert_allclose(h, h.T, rtol=1e-8, atol=1e-12)
        np.testing.assert_allclose(
            av.hvp(lambda a, f=f: av.sin(f(a)).sum(), (x,), (v,))[0].numpy(), h @ v, rtol=1e-8, atol=1e-12
        )


def test_tiny_alpha_gives_no_nan():
    for dtype in ("float32", "float64"):
        for alpha in (1e-4, 1e-2):
            a = np.full((500, 3), alpha)
            for f in (
                lambda t, dtype=dtype: av.random.gamma(t, dtype=dtype),
                lambda t, dtype=dtype: av.random.beta(t, t, dtype=dtype),
                lambda t, dtype=dtype: av.random.dirichlet(t, dtype=dtype) ** 2,
            ):
                (g,) = gradients(f, a)
                assert np.isfinite(g).all()
                assert np.isfinite(f(a).numpy()).all()
            np.testing.assert_allclose(av.random.dirichlet(a, dtype=dtype).numpy().sum(-1), 1.0, rtol=1e-6)
            assert set(av.random.beta(a, a).numpy().round(3).ravel()) >= {0.0, 1.0}


def test_draws_are_drawn_again_by_recompute_grad():
    want = gradients(lambda a: call("gamma", [a, 2.0]) ** 2, 3.0)
    av.random.set_seed(11)
    assert gradients(av.recompute_grad(lambda a: av.random.gamma(a, 2.0) ** 2), 3.0) == want


def test_elements_that_are_chosen_or_shuffled_get_gradients():
    x, w = np.arange(5.0), np.array([1.0, 10.0, 100.0, 1e3, 1e4])
    for draw in (av.random.shuffle, av.random.permutation):
        av.random.set_seed(11)
        order = draw(np.arange(5)).numpy()

        def weighted(t, draw=draw):
            av.random.set_seed(11)
            return (draw(t) * w).sum()

        (g,) = gradients(weighted, x)
        assert g[order].tolist() == w.tolist()
    (g,) = gradients(lambda t: av.random.choice(t, 7).sum(), x)
    assert g.sum() == 7
    v = av.Variable(x)
    with av.GradientTape() as tape:
        y = av.random.choice(v, (2, 3), p=np.eye(5)[3]).sum()
    assert tape.gradient(y, v).to_dense().numpy().tolist() == [0, 0, 0, 6, 0]


def test_constants_say_that_no_gradient_passes():
    p = av.Variable([0.25, 0.75])
    for name, draw in {
        "bernoulli": lambda: av.random.bernoulli(p, dtype=np.float32),
        "poisson": lambda: av.random.poisson(p, dtype=np.float32),
        "binomial": lambda: av.random.binomial(3, p, dtype=np.float32),
        "multinomial": lambda: av.random.multinomial(3, p, dtype=np.float32),
        "categorical": lambda: av.random.categorical(p).astype(np.float32),
        "choice": lambda: av.random.choice(np.ones(2), 3, p=p),
    }.items():
        with av.GradientTape() as tape:
            y = draw() * 2.0
        assert tape.gradient(y, p) is None
        assert f"{name} passes no gradient" in tape.explain(y, p)
    x = av.Tensor(np.zeros(2))
    with av.GradientTape() as tape:
        tape.watch(x)
        y = x + av.random.normal(2)
    assert tape.gradient(y, x).tolist() == [1.0, 1.0]


# ---------------------------------------------------------------- another array library


def test_draws_are_where_their_parameters_are():
    def place(x):
        return av.Tensor(StrictArray(np.asarray(x)))

    for name, names in (LOCATED | GAMMAS).items():
        values = [np.array([0.5, 0.75]), np.array([[1.5]]), np.array(0.25)][: len(names)]
        want = call(name, values, dtype="float64").numpy()
        w = np.linspace(1.0, 2.0, want.size).reshape(want.shape)
        expected = gradients(lambda *p, name=name, w=w: (call(name, p, dtype="float64") * w).sum(), *values)
        xs = list(map(place, values))
        with av.GradientTape() as tape:
            tape.watch(xs)
            y = call(name, xs, dtype="float64")
            loss = (y * place(w)).sum()
        assert isinstance(y.array, StrictArray)
        np.testing.assert_allclose(y.numpy(), want, rtol=1e-12)
        for g, e in zip(tape.gradient(loss, xs), expected, strict=True):
            assert isinstance(g.array, StrictArray)
            np.testing.assert_allclose(g.numpy(), e, rtol=1e-12)
    for y in (
        av.random.dirichlet(place([1.0, 2.0])), av.random.shuffle(place([1.0, 2.0])),
        av.random.choice(place([1.0, 2.0]), 3), av.random.gumbel_softmax(place([1.0, 2.0]), hard=True),
        av.random.multivariate_normal(place([0.0, 1.0]), np.eye(2)), av.random.normal(3, place([0.0]), 1.5),
    ):  # fmt: skip
        assert isinstance(y.array, StrictArray)
    for y in (av.random.bernoulli(place([0.5])), av.random.poisson(place([2.0])), av.random.categorical(place([2.0]))):
        assert y.shape in ((), (1,))


def test_locations_and_scales_on_a_device_make_nobody_wait():
    loc, scale = (av.Tensor(StrictArray(np.ones(3))) for _ in range(2))
    with forbid_transfers(uploads=False), av.GradientTape() as tape:
        tape.watch([loc, scale])
        for name in LOCATED:
            y = getattr(av.random, name)((2, 3), *[loc, scale][-len(LOCATED[name]) :])
        loss = y.sum()
        tape.gradient(loss, [loc, scale])
