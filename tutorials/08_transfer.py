# %% [markdown]
# # Checkpoints and transfer learning
#
# Images are plenty, labels are few. An encoder learns to remove noise from images of handwritten digits, for which
# nobody has to say which digit it is. Then its weights go into a classifier that has two labelled images of each
# digit. After this notebook you can
#
# - stop a training run anywhere, and go on to the very same bits,
# - save a model, and load one scope of it into another model, under other names if you like,
# - freeze the loaded part, thaw it later with a lower rate, and see what that gains.
#
# The data lie in the repository (`tutorials/data/README.md`: source and licence).

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from tutorial_data import load_digits

import autograd_vs as av
import optim

data = load_digits()
images = data["train"][0]
test_images, test_labels = data["test"]
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#666666"  # told apart by colour-blind readers, too

# %% [markdown]
# ## A task without labels
#
# Noise is added, and three of ten pixels are switched off. Whoever can put that right must know what digits look like.


# %%
def corrupted(clean, rng):
    noise = rng.standard_normal(clean.shape, dtype=np.float32) * np.float32(0.3)
    return np.clip(clean + noise, 0, 1) * (rng.random(clean.shape) < 0.7).astype(np.float32)


def show_images(rows):
    """Rows of images, each with its name in front."""
    columns = len(next(iter(rows.values())))
    size = (0.65 * columns + 0.8, 0.68 * len(rows))
    _, axes = plt.subplots(len(rows), columns, figsize=size, dpi=80, layout="constrained", squeeze=False)
    for line, (name, pictures) in zip(axes, rows.items(), strict=True):
        for ax, picture in zip(line, pictures, strict=True):
            ax.imshow(picture.reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
            ax.set(xticks=[], yticks=[])
        line[0].set_ylabel(name, rotation=0, ha="right", va="center")


clean = test_images[:10]
damaged = corrupted(clean, np.random.default_rng(2))
show_images({"clean": clean, "damaged": damaged})

# %% [markdown]
# ## Two models with one encoder
#
# The encoder's variables lie in the scope `encoder`, wherever it is used. That is all that saving a part, loading a
# part and freezing a part need.


# %%
def dense(x, units, name):
    with av.variable_scope(name):
        kernel = av.get_variable("kernel", (x.shape[-1], units))
        return av.nn.linear(x, kernel, av.get_variable("bias", (units,), initializer=av.initializers.zeros))


def encode(x):
    with av.variable_scope("encoder", reuse=av.AUTO_REUSE):
        return av.nn.relu(dense(av.nn.relu(dense(x, 256, "hidden")), 64, "code"))


def denoise(x):
    code = encode(x)
    with av.variable_scope("decoder", reuse=av.AUTO_REUSE):
        return av.nn.sigmoid(dense(code, 64, "pixels"))


def classify(x):
    code = encode(x)
    with av.variable_scope("classifier", reuse=av.AUTO_REUSE):
        return dense(code, 10, "logits")


# %% [markdown]
# ## A run that stops, and goes on
#
# `CheckpointManager` is given all that the run depends on: variables, optimizer, history, and the generator that draws
# batches and noise. `pretrain` does not know whether it starts or goes on; `restore` does.


# %%
def pretrain(folder, steps, stop_at=None):
    """Learn to remove noise; `stop_at` is where the power fails. (store, manager, history)"""
    store, history, rng = av.VariableStore(seed=0), av.History(), np.random.default_rng(0)
    optimizer = optim.Adam(optim.schedules.cosine(2e-3, steps))
    validation = data["validation"][0]
    test_noise = corrupted(validation, np.random.default_rng(1))
    with store:
        denoise(images[:1])  # makes the variables
        everything = [store, optimizer, history, {"batches": rng}]
        manager = av.CheckpointManager(folder, *everything, step_interval=100, max_to_keep=2, best="error")
        for step in range(manager.restore() or 0, steps):
            if step == stop_at:
                break
            batch = images[rng.integers(0, len(images), 64)]
            noisy = corrupted(batch, rng)
            loss = optimizer.minimize(lambda noisy=noisy, batch=batch: av.nn.mse(denoise(noisy), batch))
            history.log(step=step, loss=loss)
            if (step + 1) % manager.step_interval == 0:
                manager.save(step + 1, error=av.nn.mse(denoise(test_noise), validation))
    return store, manager, history


# %% [markdown]
# The power fails at step 1130. There are checkpoints of the last two hundreds, and of the best step so far.

# %%
folder = tempfile.TemporaryDirectory()
here, STEPS = Path(folder.name), 1500

_, manager, stopped = pretrain(here / "run", STEPS, stop_at=1130)
assert list(manager.checkpoints)[-1] == 1100
print(
    "checkpoints:", ", ".join(path.name for path in sorted((here / "run").iterdir())), "- best step:", manager.best_step
)

# %% [markdown]
# The same call again goes on behind step 1100. Its weights are those of a run that was never stopped, bit for bit, and
# so are all losses in its history. The thirty steps that were lost are done again, with the same batches and the same
# noise, because the state of the generator is in the checkpoint.

# %%
store, manager, history = pretrain(here / "run", STEPS)
through, _, whole = pretrain(here / "other", STEPS)
assert all(np.array_equal(store[name].numpy(), through[name].numpy()) for name in store)
assert np.array_equal(history["loss"], whole["loss"]) and len(history["loss"]) == STEPS

_, ax = plt.subplots(figsize=(7, 2.8), dpi=80, layout="constrained")
ax.plot(whole.smoothed("loss", 0.9), color=GREY, alpha=0.35, linewidth=7, label="never stopped")
ax.plot(stopped.smoothed("loss", 0.9), color=BLUE, label="until the power failed")
ax.plot(np.arange(1100, STEPS), history.smoothed("loss", 0.9)[1100:], color=ORANGE, label="resumed")
ax.axvline(1130, color=GREY, linestyle=":")
ax.set(xlabel="step", ylabel="mean squared error", yscale="log", title="A run that stopped at step 1130, and went on")
ax.legend(frameon=False)
assert np.array_equal(stopped["loss"], whole["loss"][:1130])

# %% [markdown]
# What it has learned, on images that it never saw:

# %%
with store:
    show_images({"clean": clean, "damaged": damaged, "restored": denoise(damaged).numpy()})

# %% [markdown]
# ## One scope into another model
#
# The file is a safetensors file, with the variables under their full names; users of PyTorch and JAX can read it. The
# report says what became of each name.

# %%
pretrained = here / "pretrained.safetensors"
av.save(pretrained, store, metadata={"trained": "to remove noise"})


def classifier(seed, load):
    """A store with a new classifier, its encoder from the file if `load`."""
    model = av.VariableStore(seed=seed)
    with model:
        classify(images[:1])
    return model, av.load(pretrained, model, scope="encoder") if load else None


classifier(1, load=True)[1]

# %% [markdown]
# Nothing fits by accident. A name that is not there, or has another shape, is an error that lists the names, and
# nothing is changed; with `strict=False` it is a line of the report. `rename=` gives parts other names, here for a
# model in which a teacher and a student stand side by side.

# %%
with av.VariableStore(seed=5) as pair:
    for name in ("teacher", "student"):
        with av.variable_scope(name):
            classify(images[:1])

try:
    av.load(pretrained, pair)
except ValueError as error:
    print(str(error).replace(str(here), "")[:300], "...")
else:
    raise AssertionError("the names do not fit")
av.load(pretrained, pair, scope="teacher/encoder", rename={"encoder/": "teacher/encoder/", "decoder/": None})

# %% [markdown]
# ## Frozen, then thawed
#
# A variable that is not trainable is watched by no tape: its ops leave no entries, so nothing of them is walked
# backwards, and no optimizer touches it. Later a second optimizer, with a name of its own, takes the encoder with a
# lower rate.


# %%
def train(model, steps, labelled, optimizers, frozen, history):
    """Train the scopes that `optimizers` names; how many variables the tape watched."""
    for v in model.variables("encoder"):
        v.trainable = not frozen
    x, labels = labelled
    watched = set()

    @av.function  # noted at the first call, replayed by the others
    def step():
        with av.GradientTape() as tape:
            loss = av.nn.softmax_cross_entropy(classify(x), labels, reduction="mean")
        trained = {scope: av.trainable_variables(scope) for scope in optimizers}
        gradients = tape.gradient(loss, trained)
        for scope, optimizer in optimizers.items():
            optimizer.apply_gradients(zip(gradients[scope], trained[scope], strict=True))
        watched.update(v.name for v in tape.watched_variables())
        return loss

    with model:
        for number in range(1, steps + 1):
            history.log(loss=step())
            if number % 10 == 0:
                history.log(test_accuracy=av.metrics.accuracy(classify(test_images), test_labels))
    return len(watched)


def few_labels(seed, each):
    """`each` training images of each digit, and their labels."""
    rng = np.random.default_rng(seed)
    labels = data["train"][1]
    chosen = np.concatenate([rng.permutation(np.flatnonzero(labels == digit))[:each] for digit in range(10)])
    return images[chosen], labels[chosen]


show_images({str(i): row for i, row in enumerate(few_labels(0, 2)[0].reshape(10, 2, 64).swapaxes(0, 1), 1)})

# %% [markdown]
# These twenty images are all that has labels. Four ways to use them, each with three draws of which images have labels,
# because that makes a difference:
#
# - the pretrained encoder, frozen, for 200 steps; then it is thawed, and learns slowly for 100 more,
# - the head alone on an encoder that is frozen as it was made, at random,
# - everything from scratch.


# %%
def thawed(seed, each=2):
    """The pretrained encoder: 200 steps of the head alone, then 100 of both."""
    history, labelled = av.History(), few_labels(seed, each)
    model, _ = classifier(seed + 1, load=True)
    before = {v.name: v.numpy() for v in model.variables("encoder")}
    head, body = optim.Adam(5e-3, name="head"), optim.Adam(2e-4, name="body")
    watched = train(model, 200, labelled, {"classifier": head}, frozen=True, history=history)
    assert watched == 2  # kernel and bias of the head
    assert all(np.array_equal(v.numpy(), before[v.name]) for v in model.variables("encoder"))  # not by one bit
    assert train(model, 100, labelled, {"classifier": head, "encoder": body}, frozen=False, history=history) == 6
    return history


def random_encoder(seed, each=2):
    history, (model, _) = av.History(), classifier(seed + 1, load=False)
    train(model, 300, few_labels(seed, each), {"classifier": optim.Adam(5e-3)}, frozen=True, history=history)
    return history


def scratch(seed, each=2):
    history, (model, _) = av.History(), classifier(seed + 1, load=False)
    train(model, 300, few_labels(seed, each), {"": optim.Adam(2e-3)}, frozen=False, history=history)
    return history


runs = {"pretrained": thawed, "all from scratch": scratch, "random encoder": random_encoder}
runs = {name: [way(seed) for seed in range(3)] for name, way in runs.items()}

# %% [markdown]
# Mean and standard deviation of the three draws. A new head on the pretrained encoder overtakes the training from
# scratch after some forty steps. At step 200 the encoder is thawed: from twenty images it has not much more to learn.

# %%
_, ax = plt.subplots(figsize=(7, 3.4), dpi=80, layout="constrained")
av.plot.compare(runs, "test_accuracy", ax=ax)
ax.axvline(200, ymin=0.35, color=GREY, linestyle=":")
ax.annotate("thawed", (200, 0.45), xytext=(4, 0), textcoords="offset points", color=GREY)
ax.set_title("Test accuracy with two labels of each digit")
assert all(len(history["test_accuracy"]) == 30 for histories in runs.values() for history in histories)

# %%
table = {name: [history.last("test_accuracy") for history in histories] for name, histories in runs.items()}
table["pretrained, head alone"] = [history["test_accuracy"][19] for history in runs["pretrained"]]
for name, results in table.items():
    print(f"{name:<26}{np.mean(results):6.1%}   ({', '.join(f'{r:.1%}' for r in results)})")
means = {name: np.mean(results) for name, results in table.items()}
assert means["pretrained"] > means["all from scratch"] > means["random encoder"]

# %% [markdown]
# ## How much are labels worth?
#
# With more of them pretraining matters less. Here both ways with 1 to 20 labels of each digit: the distance between the
# curves is what the images without labels are worth. With twenty it is gone.

# %%
counts = [1, 2, 5, 20]
gained = {}
_, ax = plt.subplots(figsize=(7, 3), dpi=80, layout="constrained")
for way, name, colour in ((thawed, "pretrained", BLUE), (scratch, "from scratch", ORANGE)):
    accuracy = [[way(seed, each).last("test_accuracy") for seed in range(3)] for each in counts]
    gained[name] = np.mean(accuracy, axis=1)
    ax.plot(counts, gained[name], "o-", color=colour, label=name)
    ax.fill_between(counts, np.min(accuracy, axis=1), np.max(accuracy, axis=1), color=colour, alpha=0.15)
ax.set(xlabel="labelled images of each digit", ylabel="test accuracy", xscale="log")
ax.set_xticks(counts, counts)
ax.minorticks_off()
ax.set_title("Mean of three draws of labels, from the least to the largest")
ax.legend(frameon=False, loc="lower right")

folder.cleanup()
difference = gained["pretrained"] - gained["from scratch"]
assert difference[0] > 0.05 and abs(difference[-1]) < 0.03
