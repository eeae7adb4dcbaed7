"""Transfer learning: pretrain, save, load one scope elsewhere, freeze, train the head, unfreeze with a lower rate."""

import numpy as np
import pytest

import autograd_vs as av
import optim

pytest.importorskip("safetensors", reason="checkpoints need the extra [train]")


def encoder(x):
    with av.variable_scope("encoder", reuse=av.AUTO_REUSE):
        for i, units in enumerate((16, 16, 8)):
            with av.variable_scope(f"layer{i}"):
                kernel = av.get_variable("kernel", (x.shape[-1], units))
                x = np.tanh(
                    av.nn.linear(x, kernel, av.get_variable("bias", (units,), initializer=av.initializers.zeros))
                )
    return x


def head(code, name, units):
    with av.variable_scope(name, reuse=av.AUTO_REUSE):
        kernel = av.get_variable("kernel", (code.shape[-1], units))
        return av.nn.linear(code, kernel, av.get_variable("bias", (units,), initializer=av.initializers.zeros))


def data(seed, classes):
    """Points and their classes, which are told by the angle in a plane that both tasks share."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((120, 6)).astype(np.float32)
    plane = x @ np.random.default_rng(0).standard_normal((6, 2)).astype(np.float32)
    angle = np.arctan2(plane[:, 0], plane[:, 1])
    return av.Tensor(x), av.Tensor(((angle + np.pi) / (2 * np.pi) * classes).astype(np.int64) % classes)


def loss_of(x, labels, name, units):
    return av.nn.softmax_cross_entropy(head(encoder(x), name, units), labels, reduction="mean")


def train(store, optimizer, task, steps, name, units, variables=None):
    """`variables`: a function that gives those that are trained; by default all that are trainable."""
    losses = []
    with store:
        for _ in range(steps):
            with av.GradientTape() as tape:
                loss = loss_of(*task, name, units)
            trained = store.trainable_variables() if variables is None else variables()
            optimizer.apply_gradients(zip(tape.gradient(loss, trained), trained, strict=True))
            losses.append(loss.item())
    return losses


def bits(store, scope):
    return {v.name: v.numpy().tobytes() for v in store.variables(scope)}


@pytest.fixture
def pretrained(tmp_path):
    store = av.VariableStore(seed=0)
    losses = train(store, optim.Adam(0.02), data(1, 4), 60, "four", 4)
    assert losses[-1] < 0.5 * losses[0]
    av.save(tmp_path / "pretrained", store)
    return tmp_path / "pretrained", store


def new_model(path):
    """A model with another head, its encoder from the file."""
    store = av.VariableStore(seed=9)
    task = data(2, 3)
    with store:
        loss_of(*task, "three", 3)
    report = av.load(path, store, scope="encoder")
    assert report.complete and len(report.loaded) == 6
    return store, task


def freeze(store, scope, trainable=False):
    for v in store.variables(scope):
        v.trainable = trainable


def test_the_whole_story(pretrained):
    path, old = pretrained
    store, task = new_model(path)
    assert bits(store, "encoder") == bits(old, "encoder")
    before = bits(store, "encoder"), bits(store, "three")

    freeze(store, "encoder")
    optimizer = optim.AdamW(0.02, weight_decay=0.1, name="head")
    first = train(store, optimizer, task, 30, "three", 3)
    assert bits(store, "encoder") == before[0], "a frozen weight has changed"
    assert all(now != then for now, then in zip(bits(store, "three").values(), before[1].values(), strict=True))
    assert {key.split("/", 2)[2].split("/")[0] for key in optimizer.slots} == {"three"}

    freeze(store, "encoder", True)
    slow = optim.AdamW(0.002, weight_decay=0.1, name="body")

    class Both:
        def apply_gradients(self, pairs):
            pairs = list(pairs)
            for each, scope in ((slow, "encoder/"), (optimizer, "three/")):
                each.apply_gradients([(g, v) for g, v in pairs if v.name.startswith(scope)])

    start = {v.name: v.numpy() for v in store.variables()}
    second = train(store, Both(), task, 1, "three", 3)
    moved = {name: np.abs(store[name].numpy() - value).max() for name, value in start.items()}
    assert 0 < max(moved[name] for name in moved if name.startswith("encoder/")) < 0.0025  # Adam's step is the rate
    second += train(store, Both(), task, 40, "three", 3)
    assert first[-1] < first[0] and second[-1] < first[-1]
    assert bits(store, "encoder") != before[0]


def test_one_optimizer_with_a_lower_rate_for_the_old_scope_goes_on_in_another_process(pretrained, tmp_path):
    """Saved while the encoder was frozen, loaded into a model where it is not: its slots begin, the head's go on."""
    path, _ = pretrained
    store, task = new_model(path)
    freeze(store, "encoder")
    first = optim.Adam(0.02, rates={"^encoder/": 0.125})
    train(store, first, task, 10, "three", 3)
    before = bits(store, "")
    av.save(tmp_path / "frozen", store, first)

    ends = []
    for again in (False, True):
        if again:
            store, task = new_model(path)
            first = optim.Adam(0.02, rates={"^encoder/": 0.125})
            av.load(tmp_path / "frozen", store, first)
            assert bits(store, "") == before
        freeze(store, "encoder", True)
        start = {v.name: v.numpy() for v in store.variables()}
        train(store, first, task, 1, "three", 3)
        for v in store.variables():
            steps = first.get_slot(v, "step").item()
            assert steps == (1 if v.name.startswith("encoder/") else 11)
            if steps == 1:  # Adam's first step is the rate times the sign (Kingma and Ba, 2015, section 2.1)
                moved = np.abs(v.numpy() - start[v.name])
                assert 0 < moved.max() <= 0.0025 * 1.001 and np.median(moved) > 0.0024
        train(store, first, task, 5, "three", 3)
        ends.append(bits(store, ""))
    assert ends[0] == ends[1]


def test_layers_are_frozen_as_a_whole(tmp_path):
    """The story in layers: what is frozen keeps its bits, running statistics too, and leaves no entries on the tape."""
    x, labels = data(2, 3)

    def build(seed, units):
        store = av.VariableStore(seed=seed)
        with store:
            parts = [av.layers.Dense(16), av.layers.BatchNorm(), av.layers.Dense(8, activation=av.nn.relu)]
            encode = av.layers.Sequential(parts, name="encoder")
            classify = av.layers.Dense(units, name="head")
            classify(encode(x, training=False))
        return store, encode, classify

    def step(store, encode, classify, optimizer):
        with store, av.GradientTape() as tape:
            loss = av.nn.softmax_cross_entropy(classify(encode(x, training=True)), labels, reduction="mean")
            entries = len(tape._record.entries)
        variables = encode.trainable_weights + classify.trainable_weights
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return entries, len(variables)

    old, *layers = build(0, 3)
    for _ in range(5):
        whole = step(old, *layers, optim.Adam(0.01))
    av.save(tmp_path / "old", layers[0])

    new, encode, classify = build(1, 3)
    assert av.load(tmp_path / "old", encode).complete
    assert bits(new, "encoder") == bits(old, "encoder")
    encode.trainable = False
    frozen = step(new, encode, classify, optim.AdamW(0.01, weight_decay=0.1))
    assert bits(new, "encoder") == bits(old, "encoder") and bits(new, "head") != bits(old, "head")
    with new:
        code = encode(x, training=False)
        with av.GradientTape() as tape:
            av.nn.softmax_cross_entropy(classify(code), labels, reduction="mean")
            assert frozen == (len(tape._record.entries), 2)
    encode.trainable = True
    assert step(new, encode, classify, optim.Adam(0.01)) == whole and whole[0] > frozen[0] and whole[1] == 8


def test_a_pretrained_encoder_with_few_steps_beats_one_from_scratch(pretrained):
    path, _ = pretrained
    store, task = new_model(path)
    freeze(store, "encoder")
    scratch = av.VariableStore(seed=9)
    with scratch:
        loss_of(*task, "three", 3)
    freeze(scratch, "encoder")
    ends = [train(s, optim.Adam(0.02), task, 40, "three", 3)[-1] for s in (store, scratch)]
    assert ends[0] < 0.8 * ends[1]


def entries(store, task):
    """The names of the ops that a tape keeps of one loss."""
    with store, av.GradientTape() as tape:
        loss_of(*task, "three", 3)
        return [entry[0].op.name for entry in tape._record.entries]


def test_frozen_weights_cost_no_gradient_work(pretrained):
    path, _ = pretrained
    store, task = new_model(path)
    whole = entries(store, task)
    freeze(store, "encoder")
    frozen = entries(store, task)
    with store:
        code = encoder(task[0])
        with av.GradientTape() as tape:
            av.nn.softmax_cross_entropy(head(code, "three", 3), task[1], reduction="mean")
            alone = [entry[0].op.name for entry in tape._record.entries]
    assert frozen == alone and len(whole) == len(alone) + 6  # three layers, of two ops each

    # One frozen layer below trained ones costs its own gradient only; above them, the gradient passes through.
    freeze(store, "encoder", True)
    freeze(store, "encoder/layer0")
    assert len(entries(store, task)) == len(whole) - 2
    freeze(store, "encoder/layer0", True)
    freeze(store, "encoder/layer2")
    assert len(entries(store, task)) == len(whole)


def products(store, task, scope):
    """How many products of matrices a traced step makes, forward and backward, with `scope` frozen."""
    freeze(store, "", True)
    freeze(store, scope)
    optimizer = optim.SGD(0.1)

    @av.function
    def step(x, labels):
        with store, av.GradientTape() as tape:
            loss = loss_of(x, labels, "three", 3)
        variables = store.trainable_variables()
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss

    step(*task)
    return str(step.plan()).count("dot(")


@pytest.mark.host("rules have other calls elsewhere")
def test_nor_do_they_in_a_plan(pretrained):
    path, _ = pretrained
    store, task = new_model(path)
    # A layer: forward, the gradients of kernel, bias (with ones) and input; that of the data is not asked for.
    assert products(store, task, "nothing") == 4 * 4 - 1
    before = bits(store, "encoder")
    assert products(store, task, "encoder") == 4 + 2  # forward, and the head's kernel and bias
    assert bits(store, "encoder") == before


def test_freezing_between_calls_of_a_traced_step_holds_at_once(pretrained):
    path, _ = pretrained
    store, task = new_model(path)
    optimizer = optim.AdamW(0.05, weight_decay=0.1)

    @av.function
    def step(x, labels):
        with store, av.GradientTape() as tape:
            loss = loss_of(x, labels, "three", 3)
        variables = store.trainable_variables()
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss

    step(*task)
    freeze(store, "encoder")
    before = bits(store, "encoder")
    step(*task), step(*task)
    assert bits(store, "encoder") == before
    freeze(store, "encoder", True)
    step(*task)
    assert all(now != then for now, then in zip(bits(store, "encoder").values(), before.values(), strict=True))
