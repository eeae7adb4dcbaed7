"""What makes the host wait for a device, or copies to it, in a training step: nothing, where it can be helped.

The arrays are those of `strict_array.py`, which raise where CuPy would wait. `KNOWN` at the end lists what is left.
"""

import numpy as np
import pytest
import silent
from strict_array import StrictArray, Transfer, count_transfers, forbid_transfers, on_device, strict

import autograd_vs as av
import optim
from autograd_vs.base import backend
from autograd_vs.history import History


@pytest.fixture(autouse=True)
def host_data_goes_to_the_device():
    before = backend.place_host_data(StrictArray)
    yield
    backend.place_host_data(before)


def on(*shape, seed=0, scale=0.5, dtype=np.float32):
    return av.Variable((np.random.default_rng([seed, *shape]).standard_normal(shape) * scale).astype(dtype))


def steps(loss_of, variables, optimizer, number=3, warm=2, uploads=True):
    """Train: the first steps make plans, slots and kept constants; the later ones run under `forbid_transfers`."""
    losses = []

    def step():
        with av.GradientTape() as tape:
            loss = loss_of()
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        losses.append(loss)

    for _ in range(warm):
        step()
    with forbid_transfers(uploads):
        for _ in range(number):
            step()
    values = [loss.item() for loss in losses]
    assert np.isfinite(values).all() and values[-1] != values[0], "it trains"
    return values


OPTIMIZERS = {
    "sgd": lambda **o: optim.SGD(0.05, **o),
    "momentum": lambda **o: optim.SGD(0.05, momentum=0.9, nesterov=True, weight_decay=1e-3, **o),
    "adam": lambda **o: optim.Adam(0.01, **o),
    "amsgrad": lambda **o: optim.Adam(0.01, amsgrad=True, **o),
    "adamw": lambda **o: optim.AdamW(0.01, **o),
    "schedule": lambda **o: optim.Adam(optim.schedules.exponential_decay(0.01, 10, 0.9), **o),
    "clipnorm": lambda **o: optim.Adam(0.01, clipnorm=0.1, **o),
    "clipvalue": lambda **o: optim.SGD(0.05, clipvalue=0.01, **o),
    "global_clipnorm": lambda **o: optim.AdamW(0.01, global_clipnorm=0.1, **o),
    "accumulation": lambda **o: optim.Adam(0.01, accumulate_steps=2, **o),
    "accumulation and clipping": lambda **o: optim.SGD(0.05, accumulate_steps=2, global_clipnorm=0.1, **o),
}


def mlp():
    w1, b1, w2, b2 = variables = [on(3, 8), on(8), on(8, 4, seed=1), on(4)]
    x = av.Tensor(np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32))
    target = av.Tensor(np.random.default_rng(1).standard_normal((5, 4)).astype(np.float32))

    def loss_of():
        h = av.tanh(av.nn.linear(x, w1, b1))
        y = av.nn.layer_norm(h @ w2, b2 + 1.0, b2)
        return av.nn.mse(av.nn.gelu(y), target) + 0.01 * sum(av.nn.l2_loss(w) for w in (w1, w2))

    return loss_of, variables


@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_a_training_step_does_not_wait(name):
    steps(*mlp(), OPTIMIZERS[name](), number=4)


@pytest.mark.parametrize("soft", [False, True])
def test_a_classifier(soft):
    """Class numbers from the host are checked there; the device is not asked."""
    w, b = variables = [on(3, 4), on(4)]
    x = av.Tensor(np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32))
    labels = np.array([0, 1, 2, 3, 0])
    given = av.Tensor(np.eye(4, dtype=np.float32)[labels]) if soft else labels
    steps(lambda: av.mean(av.nn.softmax_cross_entropy(x @ w + b, given)), variables, optim.Adam(0.01), uploads=soft)


ACTIVATIONS = ["elu", "gelu", "leaky_relu", "relu", "sigmoid", "silu", "softmax", "log_softmax", "softplus", "erf"]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name, dtype):
    w = on(6, dtype=dtype)
    steps(lambda: av.sum(av.square(getattr(av.nn, name)(w) - 0.3)), [w], optim.SGD(0.05))


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("rows", [7, 70_000])
@pytest.mark.parametrize("name", ["sgd", "momentum", "adam", "adamw", "accumulation", "clipnorm", "global_clipnorm"])
def test_rows_of_a_table(name, rows, lazy):
    """Ids from the host; an index occurs twice; dense and lazy updates; the table may be larger than a block."""
    table = on(rows, 2)
    ids = np.array([1, 5, 1, 0])
    steps(
        lambda: av.sum(av.square(av.nn.embedding_lookup(table, ids) - 1.0)),
        [table], OPTIMIZERS[name](lazy=lazy), number=4, uploads=False,
    )  # fmt: skip


def test_dropout_uploads_its_mask_and_does_not_wait():
    w = on(8)
    steps(lambda: av.sum(av.square(av.nn.dropout(w, 0.5, training=True) - 0.3)), [w], optim.SGD(0.05), uploads=False)


@pytest.mark.parametrize(
    "f",
    [
        lambda w: av.sum(av.square(w[1:, ::2])), lambda w: av.sum(w.T[0] * w[:, 0]),
        lambda w: av.sum(av.where(w > 0, w, 0.1 * w) ** 2), lambda w: av.sum(av.clip(w, -1.0, 1.0) ** 2),
        lambda w: av.sum(av.concatenate([w, w * 2.0]) ** 2), lambda w: av.sum(av.stack([w, w]).mean(axis=0) ** 2),
        lambda w: av.logsumexp(w) + av.std(w) + av.max(w), lambda w: av.sum(av.maximum(w, 0.0) ** 2 / (w**2 + 1.0)),
        lambda w: av.sum(av.einsum("ij,kj->ik", w, w) ** 2), lambda w: av.sum(av.pad(w, 1) ** 2),
        lambda w: av.sum(av.sort(w, axis=1)[:, 0] ** 2), lambda w: av.sum(av.cumsum(w, axis=0) ** 2),
        lambda w: av.sum(av.repeat(w, 2, axis=0) ** 2), lambda w: av.sum(w.at[0].set(0.0) ** 2),
        lambda w: av.sum(av.roll(w, 1) * w),
        lambda w: av.sum(av.diff(w, axis=0) ** 2), lambda w: av.sum(av.prod(w, axis=1)),
        lambda w: av.sum(np.linalg.norm(w, axis=1)), lambda w: av.sum(av.split(w, 2)[0] ** 2),
        lambda w: av.sum(av.tril(w) ** 2), lambda w: av.sum(av.astype(w, np.float64) ** 2), lambda w: av.var(w),
    ],
)  # fmt: skip
def test_ops(f):
    w = on(4, 4, scale=1.0)
    steps(lambda: f(w), [w], optim.SGD(0.01))


def test_higher_derivatives():
    w = on(3, 3)

    def penalty():
        with av.GradientTape() as tape:
            y = av.sum(av.tanh(w) ** 3)
        return y + av.sum(av.square(tape.gradient(y, w)))

    steps(penalty, [w], optim.Adam(0.01))


def test_logging_does_not_wait(tmp_path):
    loss_of, variables = mlp()
    optimizer = optim.Adam(0.01)
    history = History(tmp_path / "log.jsonl")
    with forbid_transfers():
        for _ in range(5):
            history.log(loss=optimizer.minimize(loss_of, variables))
    with count_transfers() as seen:
        assert len(history["loss"]) == 5
    assert seen, "they are fetched when asked for"


def test_a_constraint_and_assignments():
    w = av.Variable(np.ones((2, 2)), constraint=lambda v: av.clip(v, -0.5, 0.5))
    steps(lambda: av.sum(av.square(w + av.sum(w) * 0.1)), [w], optim.SGD(0.3), number=1, warm=2)
    with forbid_transfers():
        before = w[0]
        w.assign(w * 2.0)
        w.assign_add(w)
        w.assign_sub(av.stack([before, before]))


# ---------------------------------------------------------------- the guard itself


@pytest.mark.parametrize(
    "wait",
    [
        float, int, bool, complex, str, repr, lambda a: a.item(), lambda a: a.get(), lambda a: a.tolist(),
        lambda a: a.reshape(1).nonzero(), lambda a: a.reshape(1)[a.reshape(1) > 0], lambda a: f"{a:.2f}",
        lambda a: strict.unique(a), lambda a: strict.where(a.reshape(1)), lambda a: a.reshape(1).tobytes(),
        lambda a: strict.asarray([1, 2]), lambda a: a.reshape(1)[[0]], lambda a: strict.asarray(np.ones(2)),
        lambda a: backend.to_numpy(a), lambda a: av.Tensor(a).numpy(), lambda a: av.Tensor(np.ones(2)),
        lambda a: av.Tensor(a).item(), lambda a: np.allclose(av.Tensor(a), 1.0),
    ],
)  # fmt: skip
def test_a_transfer_is_noticed(wait):
    a = on_device(1.0)
    wait(a)
    with pytest.raises(Transfer), forbid_transfers():
        wait(a)
    with pytest.raises(Transfer, match="caught"), forbid_transfers():
        try:
            wait(a)
        except Transfer:
            pass


def test_silent_transfers_are_refused():
    """`--forbid-transfers`: what the library does of itself raises, what was asked for does not."""
    x = av.Tensor(on_device([1.0, 2.0]))
    with silent.forbidden():
        assert x.numpy().tolist() == [1.0, 2.0] and x[0].item() == 1.0 and "1." in repr(x)
        assert float(x.array[0]) == 1.0, "the test itself"
        av.nn.embedding_lookup(TABLE, IDS)
        with pytest.raises(Transfer, match=r"silently, at autograd_vs/\w+/\w+\.py:\d+ in"):
            av.nonzero(x)
        with pytest.raises(Transfer, match="mask, silently"):
            x[x > 1]


# ---------------------------------------------------------------- what is left

TABLE = av.Variable(on_device(np.ones((4, 2))))
IDS = av.Tensor(on_device(np.array([1, 1])))
LOGITS = av.Tensor(on_device(np.ones((3, 2, 2))))
KNOWN = {
    "ids on the device are checked there": (lambda: av.nn.embedding_lookup(TABLE, IDS), ["down: int"]),
    "class numbers on the device, too": (lambda: av.nn.softmax_cross_entropy(TABLE[:2], IDS), ["down: int"]),
    "labels of ctc_loss": (
        lambda: av.nn.ctc_loss(LOGITS, IDS.reshape(2, 1), IDS, IDS),
        ["down: bool", "down: bool", "down: int", "down: bool"],
    ),
    "those from the host are checked there": (
        lambda: av.nn.ctc_loss(LOGITS, np.array([[1], [1]])), ["up: asarray"] * 3,
    ),
    "indices of take": (lambda: av.take(TABLE, IDS, axis=0), ["down: bool"]),
    "a mask as an index": (lambda: TABLE[TABLE > 0], ["down: mask"]),
    "nonzero": (lambda: av.nonzero(TABLE), ["down: nonzero"]),
    "dropout draws its mask on the device": (lambda: av.nn.dropout(TABLE, 0.5, training=True), []),
    "other random numbers are drawn on the host": (lambda: av.random.normal((2,)), ["up: asarray"]),
}  # fmt: skip


@pytest.mark.parametrize("what", list(KNOWN))
def test_known_transfers(what):
    """Exactly these: whoever removes one takes it off the list, here and in docs/architecture.md."""
    call, expected = KNOWN[what]
    call()
    with count_transfers() as seen:
        call()
    assert seen == expected
