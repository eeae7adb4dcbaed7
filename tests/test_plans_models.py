"""Whole training steps as plans: after each of ten steps the same results, variables and optimizer state as eagerly.

Models of the tutorials, of every function of `av.nn`, and a step with every optimizer: bit for bit with the exact
passes, to rounding with all.
"""

import contextlib
import importlib.util
import io
import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from test_optim import ANY_SHAPE, ELEMENTWISE

import autograd_vs as av
import optim
from autograd_vs.base.backend import to_numpy
from autograd_vs.base.nest import flatten
from autograd_vs.state.packs import BLOCK

STEPS = 10
TUTORIALS = Path(__file__).parent.parent / "tutorials"


def planned(step):
    """What is held against the eager step."""
    return av.function(exact=True)(step)


def with_all_passes(step):
    """What equals it to rounding."""
    return av.function(step)


def floats(*shape, low=None):
    """A batch of float32; with `low`, none below it."""

    def draw(rng):
        a = rng.normal(size=shape).astype(np.float32)
        return a if low is None else np.abs(a) + np.float32(low)

    return draw


def integers(high, *shape):
    """A batch of numbers of classes, words, ..."""
    return lambda rng: rng.integers(0, high, shape)


def training(loss, optimizer):
    """A training step for all variables that `loss` asks for; the first call makes them."""

    def step(*batch):
        with av.GradientTape() as tape, av.variable_scope("model", reuse=av.AUTO_REUSE):
            value = loss(*batch)
        variables = av.trainable_variables()
        optimizer.apply_gradients(zip(tape.gradient(value, variables), variables, strict=True))
        return value

    return step


def trained(make, batch, wrap):
    """What is there after each of ten steps in a store of its own: names and arrays."""
    rng, rows = np.random.default_rng(1), []
    streams = av.random.get_state()
    with av.VariableStore(seed=0) as store:
        step, *optimizers = make()
        run = wrap(step)
        for _ in range(STEPS):
            results = run(*[draw(rng) for draw in batch])
            row = {f"result {i}": t.numpy() for i, t in enumerate(flatten(results))}
            row |= {v.name: v.numpy() for v in store.variables()}
            for optimizer in optimizers:
                row |= {key: to_numpy(value) for key, value in optimizer.state_dict().items()}
            rows.append(row)
    av.random.set_state(streams)
    assert run is step or run.traces == 1  # else nothing was replayed
    return rows


def same(make, *batch):
    """`make` gives a step and its optimizers, for batches of what `batch` draws."""
    eager, plan = (trained(make, batch, wrap) for wrap in (lambda step: step, planned))
    for number, (want, got) in enumerate(zip(eager, plan, strict=True)):
        assert list(want) == list(got)
        for name, array in want.items():
            assert got[name].dtype == array.dtype
            np.testing.assert_array_equal(got[name], array, err_msg=f"{name}, step {number}")
    for number, (want, got) in enumerate(zip(eager, trained(make, batch, with_all_passes), strict=True)):
        for name, array in want.items():  # what is rounded otherwise grows from step to step
            scale = (1e-6 if number == 0 else 1e-3) * max(1.0, float(np.abs(array).max(initial=0.0)))
            np.testing.assert_allclose(got[name], array, rtol=0, atol=scale, err_msg=f"{name}, step {number}")
    results = [row["result 0"] for row in eager]
    assert np.isfinite(results).all() and len({float(np.sum(r)) for r in results}) > 1, "something is trained"


# ---------------------------------------------------------------- functions of av.nn

MODELS = {}


def model(*batch):
    """Enter a loss into the table, with what its batches are drawn by."""

    def enter(loss):
        MODELS[loss.__name__] = loss, batch
        return loss

    return enter


def weights(name, *shape):
    return av.get_variable(name, shape)


def zeros(name, *shape):
    return av.get_variable(name, shape, initializer=av.initializers.zeros)


def ones(name, *shape):
    return av.get_variable(name, shape, initializer=av.initializers.ones)


def running(name, value, start, momentum=0.9):
    """A running average, and its update."""
    average = av.get_variable(name, value.shape, initializer=start, trainable=False)
    average.assign(average * momentum + value * (1 - momentum))
    return average


@model(floats(4, 12, 2))
def windows_of_one_dimension(x):
    h = av.nn.max_pool1d(av.nn.relu(av.nn.conv1d(x, weights("k", 3, 2, 4)) + zeros("b", 4)))
    h = av.nn.avg_pool1d(av.nn.conv1d_transpose(h, weights("t", 3, 3, 4), strides=2), 3, strides=1, padding="same")
    return av.mean(av.square(av.nn.adaptive_avg_pool1d(h, 5)))


@model(floats(3, 9, 8, 2))
def windows_of_two_dimensions(x):
    h = av.nn.max_pool2d(av.nn.relu(av.nn.conv2d(x, weights("k", 3, 3, 2, 4), padding="valid") + zeros("b", 4)), 2)
    h = av.nn.depthwise_conv2d(h, weights("d", 3, 3, 4, 2), dilations=2)
    h = av.nn.conv2d(h, weights("g", 2, 2, 4, 6), groups=2, strides=2)
    h = av.nn.resize(av.nn.conv2d_transpose(h, weights("t", 3, 3, 2, 6), strides=2), (5, 7))
    return av.mean(av.square(av.nn.adaptive_avg_pool2d(av.nn.avg_pool2d(h, 2, strides=1), (2, 3))))


@model(floats(2, 5, 4, 6, 2))
def windows_of_three_dimensions(x):
    h = av.nn.max_pool3d(av.nn.conv3d(x, weights("k", 3, 3, 3, 2, 3)), (1, 2, 2))
    h = av.nn.avg_pool3d(av.nn.conv3d_transpose(h, weights("t", 2, 2, 2, 2, 3), strides=2), 2)
    return av.mean(av.square(av.nn.adaptive_avg_pool3d(h, 2)))


@model(floats(8, 5, 6))
def norms(x):
    h = av.nn.layer_norm(x @ weights("w", 6, 6), ones("g1", 6), zeros("b1", 6))
    h = av.nn.group_norm(h @ weights("v", 6, 6), 3, ones("g2", 6), zeros("b2", 6))
    h = av.nn.instance_norm(h @ weights("u", 6, 6), ones("g3", 6), zeros("b3", 6))
    return av.mean(av.nn.l2_normalize(av.nn.rms_norm(h * h, ones("g4", 6)) @ weights("t", 6, 2)) ** 3)


@model(floats(16, 6), floats(16, 1))
def running_statistics(x, y):
    gamma, beta, h = ones("gamma", 5), zeros("beta", 5), x @ weights("w", 6, 5)
    normal, mean, variance = av.nn.batch_norm_train(h, gamma, beta)
    mean = running("mean", av.stop_gradient(mean), av.initializers.zeros)
    variance = running("variance", av.stop_gradient(variance), av.initializers.ones)
    known = av.nn.batch_norm(h, gamma, beta, mean, variance)
    centre, spread = av.nn.moments(known, axis=0)
    return av.nn.mse(av.tanh(normal) @ weights("v", 5, 1), y) + av.mean(centre * centre + spread)


@model(floats(6, 8))
def dropouts(x):
    h = av.nn.dropout(av.tanh(x @ weights("w", 8, 8)), 0.4, training=True)
    h = av.nn.alpha_dropout(av.nn.selu(h @ weights("v", 8, 8)), 0.2, training=True, stream="other")
    noise = av.random.normal(h.shape, stream="noise")
    return av.mean(av.square(av.nn.dropout(h, 0.5, training=True, noise_shape=(6, 1)) + 0.1 * noise))


@model(integers(7, 4, 5), integers(7, 4, 5))
def tied_embedding(words, following):
    table = weights("table", 7, 4)
    h = av.tanh(av.nn.linear(av.nn.embedding_lookup(table, words), weights("w", 4, 4), zeros("b", 4)))
    rare = av.nn.one_hot(words, 7) @ weights("rare", 7, 1)
    return av.mean(av.nn.softmax_cross_entropy(h @ table.T + rare, following))


@model(floats(6, 3, 2), floats(3, 1))
def cells(x, y):
    h1 = h2 = h3 = c = np.zeros((3, 4), np.float32)
    for x_t in x:
        h1, c = av.nn.lstm_cell(x_t, h1, c, weights("lk", 2, 16), weights("lr", 4, 16), zeros("lb", 16))
        h2 = av.nn.gru_cell(h1, h2, weights("gk", 4, 12), weights("gr", 4, 12), zeros("gb", 12), zeros("gc", 12))
        h3 = av.nn.simple_rnn_cell(h2, h3, weights("rk", 4, 4), weights("rr", 4, 4), zeros("rb", 4))
    return av.nn.mse(av.concatenate([h1, h2, h3], -1) @ weights("out", 12, 1), y)


@model(floats(2, 5, 8))
def attention(x):
    def heads(name):
        return av.transpose(av.reshape(x @ weights(name, 8, 8), (2, 5, 2, 4)), (0, 2, 1, 3))

    q, k, v = map(heads, "qkv")
    causal = av.nn.scaled_dot_product_attention(q, k, v, causal=True)
    near = np.abs(np.subtract.outer(np.arange(5), np.arange(5))) < 3
    masked = av.nn.scaled_dot_product_attention(q, k, causal, near, rate=0.25, training=True, stream="attention")
    learned = av.nn.scaled_dot_product_attention(q, k, masked, zeros("mask", 5, 5))
    return av.nn.mse(av.reshape(av.transpose(learned, (0, 2, 1, 3)), (2, 5, 8)) @ weights("o", 8, 8), x)


def plain(name):
    return lambda x: getattr(av.nn, name)(x)


ACTIVATIONS = {
    name: plain(name)
    for name in (
        "celu", "elu", "erf", "erfc", "gelu", "glu", "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu",
        "log_sigmoid", "log_softmax", "mish", "relu", "relu6", "selu", "sigmoid", "silu", "softmax", "softmin",
        "softplus", "softshrink", "softsign", "tanh", "tanhshrink",
    )
} | {
    "gelu, approximate": lambda x: av.nn.gelu(x, approximate=True),
    "prelu": lambda x: av.nn.prelu(x, av.get_variable("slope", (), initializer=av.initializers.constant(0.1))),
    "swiglu": lambda x: av.nn.swiglu(x, x @ weights("gate", 6, 6)),
    "threshold": lambda x: av.nn.threshold(x, 0.1, -0.2),
}  # fmt: skip


@model(floats(5, 4))
def activations(x):
    h = x @ weights("in", 4, 6)
    return av.sum(av.stack([av.mean(f(h + zeros(f"b_{i}", 6)) ** 2) for i, f in enumerate(ACTIVATIONS.values())]))


@model(floats(6, 4), floats(6, 5), integers(5, 6), integers(2, 6))
def losses(x, y, labels, sides):
    scores, other = x @ weights("w", 4, 5), av.tanh(x @ weights("v", 4, 5))
    positive, signs = y * y + 0.1, av.asarray(np.float32([-1, 1]))[sides]
    p, q = av.nn.softmax(scores), av.nn.softmax(other)
    logits, sequences = av.reshape(scores, (3, 2, 5)), np.array([[1, 2], [3, 0]])  # two in three steps of time
    parts = [
        av.nn.binary_cross_entropy(p, q), av.nn.cosine_embedding(scores, other, signs),
        av.nn.cosine_similarity(scores, other), av.nn.ctc_loss(logits, sequences, None, np.array([2, 1])),
        av.nn.gaussian_nll(scores, y, av.exp(other)), av.nn.hinge(scores[:, 0], signs), av.nn.huber(scores, y, 0.5),
        av.nn.kl_divergence(p, q), av.nn.l2_loss(other), av.nn.log_cosh(scores, y), av.nn.mae(scores, y),
        av.nn.margin_ranking(scores[:, 0], other[:, 0], signs, margin=0.3), av.nn.mse(other, y),
        av.nn.multi_margin(scores, labels), av.nn.nll(av.nn.log_softmax(other), labels, ignore=0),
        av.nn.poisson_nll(scores, positive), av.nn.sigmoid_cross_entropy(scores, av.nn.sigmoid(y)),
        av.nn.sigmoid_focal(scores, av.nn.sigmoid(y)), av.nn.smooth_l1(other, y, 0.3),
        av.nn.softmax_cross_entropy(scores, labels, label_smoothing=0.1), av.nn.softmax_cross_entropy(scores, p),
        av.nn.squared_hinge(other[:, 0], signs), av.nn.triplet_margin(scores, other, y, swap=True),
    ]  # fmt: skip
    return av.sum(av.stack([av.mean(part) for part in parts]))


# ---------------------------------------------------------------- what else a step may do


@model(floats(520, 256))
def large_arrays(x):
    """They are computed in pieces."""
    h = av.nn.layer_norm(av.nn.gelu(av.nn.linear(x, weights("w", 256, 260), zeros("b", 260))), ones("g", 260))
    h = av.nn.softmax(h) * av.nn.sigmoid(h) + av.exp(-h * h) * av.log1p(h * h) * av.tanh(h)
    return av.mean(av.square(h @ weights("v", 260, 3)) + av.sin(h[:, :3]))


@model(floats(6, 4), floats(6, 1))
def penalty_of_the_gradient(x, y):
    x, w, v = av.Tensor(x), weights("w", 4, 5), weights("v", 5, 1)
    with av.GradientTape() as tape:
        tape.watch(x)
        out = av.tanh(x @ w) @ v
    return av.nn.mse(out, y) + 0.1 * av.mean(av.square(tape.gradient(out, x)))


@model(floats(6, 4), floats(6, 1))
def recomputed_layers(x, y):
    layer = av.recompute_grad(lambda h, w: av.tanh(h @ w))
    return av.nn.mse(layer(layer(x, weights("w", 4, 5)), weights("v", 5, 1)), y)


@model(floats(6, 4))
def own_gradient(x):
    @av.custom_gradient
    def clipped(h):
        return h * 1.0, lambda g: av.clip(g, -0.01, 0.01)

    return av.mean(av.exp(clipped(x @ weights("w", 4, 3))))


@model(floats(8, 3), integers(3, 8))
def recurrences_of_weights(x, ids):
    """One variable read, gathered from and indexed; sorting, cumulative sums, linear algebra."""
    w = weights("w", 3, 3)
    a = w @ w.T + 2.0 * np.eye(3, dtype=np.float32)
    solved = av.linalg.solve(a, x.T) + av.linalg.inv(a) @ w[ids].T
    spread = av.cumsum(av.sort(solved, axis=0), axis=1)
    return av.mean(spread**2) + av.linalg.slogdet(a)[1] + av.max(av.linalg.pinv(w[:2])) + av.sum(w[0] * w[:, 1])


@pytest.mark.parametrize("name", MODELS)
def test_models(name):
    loss, batch = MODELS[name]

    def make():
        optimizer = optim.Adam(0.01)
        return training(loss, optimizer), optimizer

    same(make, *batch)


def test_every_function_of_nn_is_in_a_model():
    used = set(re.findall(r"av\.nn\.(\w+)\(", Path(__file__).read_text())) | set(ACTIVATIONS)
    assert not set(av.nn.__all__) - used


DTYPES = {"float16": 1e-2, "float64": 0.0, "complex64": 0.0}


@pytest.mark.parametrize("dtype", DTYPES)
def test_other_dtypes(dtype):
    def loss(x):
        w = av.get_variable("w", (4, 4), dtype=dtype)
        h = av.abs(av.tanh(av.asarray(x).astype(dtype) @ w))
        return av.mean(av.square(h + DTYPES[dtype]))

    def make():
        optimizer = optim.Adam(0.01)
        return training(loss, optimizer), optimizer

    same(make, floats(5, 4))


def test_constraints_and_minimize():
    def make():
        optimizer = optim.Adam(0.3, global_clipnorm=1.0)
        w = av.get_variable("w", (3, 1), constraint=lambda v: av.clip(v, -0.5, 0.5))

        def step(x, y):
            return optimizer.minimize(lambda: av.nn.mse(x @ w, y), [w])

        return step, optimizer

    same(make, floats(5, 3), floats(5, 1))


def test_two_optimizers_take_turns_on_one_tape():
    def make():
        one, other = optim.SGD(0.1, momentum=0.9), optim.Adam(0.01, name="other")
        w, v = weights("w", 3, 4), weights("v", 4, 1)

        def step(x, y):
            with av.GradientTape(persistent=True) as tape:
                loss = av.nn.mse(av.tanh(x @ w) @ v, y)
            one.apply_gradients([(tape.gradient(loss, v), v)])
            other.apply_gradients([(tape.gradient(loss, w), w)])  # as it was before the update of v
            return {"loss": loss, "after": av.nn.mse(av.tanh(x @ w) @ v, y)}

        return step, one, other

    same(make, floats(5, 3), floats(5, 1))


def test_assignments_under_an_open_tape():
    def make():
        w = weights("w", 3, 4)

        def step(x):
            with av.GradientTape(persistent=True) as tape:
                row, y = w[0], av.tanh(x @ w)
                w.assign(w * 0.9)
                loss = av.sum(y * y) + av.sum(row * w[0])
            gradient = tape.gradient(loss, w)
            w.assign_sub(0.1 * gradient)
            return [loss, gradient, row, tape.gradient(y, w)]

        return (step,)

    same(make, floats(5, 3))


def test_several_updates_in_a_step():
    def make():
        one, lazy = optim.Adam(0.1, clipnorm=0.5), optim.Adam(0.1, lazy=True, name="lazy")
        w, table = weights("w", 3, 4), weights("table", 6, 4)

        def step(x, ids):
            for _ in range(3):
                with av.GradientTape(persistent=True) as tape:
                    h = av.nn.dropout(av.tanh(x @ w), 0.3, training=True)
                    loss = av.sum((av.nn.embedding_lookup(table, ids) - h) ** 2)
                one.apply_gradients([(tape.gradient(loss, w), w)])
                lazy.apply_gradients([(tape.gradient(loss, table), table)])
            return [loss, tape.gradient(loss, w)]  # at what the variables were

        return step, one, lazy

    same(make, floats(5, 3), integers(6, 5))


# ---------------------------------------------------------------- optimizers

OPTIONS = {
    "alone": {},
    "clipped by norm": {"clipnorm": 0.05},
    "clipped by value": {"clipvalue": 0.01},
    "clipped together": {"global_clipnorm": 0.1},
    "accumulated": {"accumulate_steps": 3},
    "accumulated, clipped": {"accumulate_steps": 2, "global_clipnorm": 0.1},
}
RATES = {
    "constant": lambda: optim.schedules.constant(0.02),
    "cosine": lambda: optim.schedules.cosine(0.02, 7, 0.001),
    "exponential": lambda: optim.schedules.exponential_decay(0.02, 3, 0.5, staircase=True),
    "piecewise": lambda: optim.schedules.piecewise([2, 5], [0.02, 0.01, 0.005]),
    "warm_up": lambda: optim.schedules.warm_up(optim.schedules.cosine(0.02, 5), 4),
    "cosine_restarts": lambda: optim.schedules.cosine_restarts(0.02, 2, factor=2),
    "inverse_square_root": lambda: optim.schedules.inverse_square_root(0.02, 4),
    "one_cycle": lambda: optim.schedules.one_cycle(0.02, 8),
    "polynomial": lambda: optim.schedules.polynomial(0.02, 5, power=2.0),
    "variable": lambda: av.Variable(0.02, trainable=False),
}


def words(ids, y):
    """Rows of an embedding, small variables, and one that is updated in blocks."""
    h = av.mean(av.nn.embedding_lookup(weights("table", 30, 8), ids), axis=1)
    h = av.tanh(av.nn.linear(h, weights("wide", 8, BLOCK // 8 + 1), zeros("b", BLOCK // 8 + 1)))
    return av.nn.mse(h @ weights("w", BLOCK // 8 + 1, 1) + zeros("c", 1), y)


def same_words(make_optimizer):
    def make():
        optimizer = make_optimizer()
        return training(words, optimizer), optimizer

    same(make, integers(30, 4, 3), floats(4, 1))


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("name", ANY_SHAPE)
def test_optimizers(name, options):
    same_words(lambda: ANY_SHAPE[name](**OPTIONS[options]))


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("name", [name for name in ELEMENTWISE if "adam" in name])
def test_lazy_optimizers(name, options):
    same_words(lambda: ELEMENTWISE[name](lazy=True, **OPTIONS[options]))


@pytest.mark.parametrize("make", [optim.SGD, optim.Adam, optim.AdamW])
@pytest.mark.parametrize("rate", RATES)
def test_learning_rates(rate, make):
    same_words(lambda: make(RATES[rate]()))


def test_schedules_are_all_here():
    assert set(optim.schedules.__all__) <= {*RATES, "exponential_decay", "Schedule"}


# ---------------------------------------------------------------- tutorials


@pytest.fixture(scope="module")
def digits():
    spec = importlib.util.spec_from_file_location("digits", TUTORIALS / "01_digits.py")
    module, path = importlib.util.module_from_spec(spec), list(sys.path)
    spec.loader.exec_module(module)
    sys.path[:] = path
    return module


def test_the_digits(digits):
    def make():
        optimizer = optim.Adam(optim.schedules.cosine(2e-3, 20))
        return lambda *batch: digits.train_step(optimizer, *batch), optimizer

    same(make, floats(16, 64, low=0), floats(16, 64), integers(10, 16))


@pytest.fixture(scope="module")
def sharing():
    """What the second tutorial defines; it trains and draws while it is imported."""
    pytest.importorskip("matplotlib").use("Agg")
    with contextlib.redirect_stdout(io.StringIO()), av.VariableStore():
        names = runpy.run_path(str(TUTORIALS / "02_sharing_variables.py"))
    names["plt"].close("all")
    return names


def filters(t, one, other):
    with av.variable_scope("filters", reuse=av.AUTO_REUSE):
        return av.nn.mse(t["image_filter"](one), t["image_filter"](other))


def transfer(t, x):
    with av.variable_scope("", trainable=False):
        features = t["encode"](x)
    return av.nn.mse(t["dense"](features, 3, "head"), x[:, :3])


def cross_entropy(logits, labels):
    return av.mean(av.nn.softmax_cross_entropy(logits, labels))


SHARING = {
    "filters": (filters, floats(1, 6, 6, 3), floats(1, 6, 6, 3)),
    "lstm": (lambda t, x, y: cross_entropy(t["remember"](x), y), floats(8, 5), integers(2, 8)),
    "siamese": (lambda t, a, b: av.mean(t["distance"](a, b)), floats(8, 6), floats(8, 6)),
    "heads": (
        lambda t, x, y: av.nn.mse(t["reconstruct"](x), x) + cross_entropy(t["classify"](x), y),
        floats(8, 6), integers(3, 8),
    ),
    "attention": (lambda t, x: av.mean(t["attend"](t["attend"](x)[0])[0] ** 2), floats(2, 5, 8)),
    "tied": (lambda t, x: cross_entropy(t["next_word_logits"](x), (x + 1) % 20), integers(20, 9)),
    "transfer": (transfer, floats(8, 6)),
}  # fmt: skip


@pytest.mark.parametrize("name", SHARING)
def test_shared_variables(name, sharing):
    loss, *batch = SHARING[name]

    def make():
        optimizer = optim.Adam(0.02)
        return training(lambda *arrays: loss(sharing, *arrays), optimizer), optimizer

    same(make, *batch)
