# %% [markdown]
# # Checkpoints and transfer learning
#
# An encoder is trained on the handwritten digits 0 to 4, with checkpoints on the way; the run is stopped and resumed.
# Then its weights are loaded, by scope, into a model for the digits 5 to 9, of which it sees ten of each. They are
# frozen while a new head is trained, and go on with a lower rate after that.
#
# The data lie in the repository (`tutorials/data/README.md`: source and licence).

# %%
import sys
import tempfile
from pathlib import Path

import numpy as np

import autograd_vs as av
import optim

sys.path.insert(0, str(Path(__file__).parent))
from digits_data import load_digits

# %% [markdown]
# ## A model and its training
#
# The encoder's variables lie in the scope `encoder`, those of a classifier in a scope of its own. That is all that saving
# a part, loading a part and freezing a part need.


# %%
def dense(x, units, name):
    with av.variable_scope(name):
        kernel = av.get_variable("kernel", (x.shape[-1], units))
        return av.nn.linear(x, kernel, av.get_variable("bias", (units,), initializer=av.initializers.zeros))


def encode(images):
    with av.variable_scope("encoder", reuse=av.AUTO_REUSE):
        return av.nn.relu(dense(av.nn.relu(dense(images, 128, "hidden")), 32, "code"))


def classify(images, head):
    code = encode(images)
    with av.variable_scope(head, reuse=av.AUTO_REUSE):
        return dense(code, 5, "logits")


def train_step(optimizers, images, labels, head):
    """One update: each optimizer takes the variables of its scope, as far as they are trainable."""
    with av.GradientTape() as tape:
        loss = av.nn.softmax_cross_entropy(classify(images, head), labels, reduction="mean")
    trained = {scope: av.trainable_variables(scope) for scope in optimizers}
    gradients = tape.gradient(loss, trained)
    for scope, optimizer in optimizers.items():
        if trained[scope]:
            optimizer.apply_gradients(zip(gradients[scope], trained[scope], strict=True))
    return loss, len(tape.watched_variables())


def accuracy(images, labels, head):
    return float(np.mean(np.argmax(classify(images, head).numpy(), axis=1) == labels))


def halves():
    """The data of the digits 0 to 4, and of 5 to 9 (with labels from 0)."""
    data = load_digits()
    low, high = {}, {}
    for name, (images, labels) in data.items():
        low[name] = images[labels < 5], labels[labels < 5]
        high[name] = images[labels >= 5], labels[labels >= 5] - 5
    return low, high


low, high = halves()

# %% [markdown]
# ## A run that stops, and goes on
#
# `CheckpointManager` is given everything that the run depends on: variables, optimizer, history, and the generator that
# shuffles the data. `pretrain` does not know whether it starts or goes on; `restore` does.


# %%
def pretrain(folder, steps, stop_at=None):
    """Train on 0 to 4; `stop_at` is where the power fails."""
    store, history, rng = av.VariableStore(seed=0), av.History(), np.random.default_rng(0)
    optimizer = optim.Adam(optim.schedules.cosine(2e-3, steps))
    images, labels = low["train"]
    with store:
        classify(images[:1], "low")  # makes the variables
        manager = av.CheckpointManager(
            folder, store, optimizer, history, {"shuffle": rng}, step_interval=50, max_to_keep=2, best="error", mode="min"
        )
        for step in range(manager.restore() or 0, steps):
            if step == stop_at:
                return store, manager, history
            batch = rng.integers(0, len(images), 64)
            loss, _ = train_step({"": optimizer}, images[batch], labels[batch], "low")
            history.log(step=step, loss=loss)
            if (step + 1) % manager.step_interval == 0:
                manager.save(step + 1, error=1 - accuracy(*low["validation"], "low"))
    return store, manager, history


def same(a, b):
    return all(np.array_equal(a[name].numpy(), b[name].numpy()) for name in a)


folder = tempfile.TemporaryDirectory()
pretrained = Path(folder.name) / "pretrained.safetensors"
STEPS = 400

store, manager, history = pretrain(Path(folder.name) / "run", STEPS, stop_at=330)
print(f"stopped at step 330; checkpoints of steps {list(manager.checkpoints)}, the best is {manager.best_step}")
store, manager, history = pretrain(Path(folder.name) / "run", STEPS)
through, _, whole = pretrain(Path(folder.name) / "other", STEPS)
assert same(store, through) and np.array_equal(history["loss"], whole["loss"])
print(f"resumed: the same bits as the run that was not stopped, {len(history['loss'])} losses in its history")
with store:
    print(f"test accuracy on 0 to 4: {accuracy(*low['test'], 'low'):.1%}")

# %% [markdown]
# ## One scope into another model
#
# The file is a safetensors file, with the variables under their full names; PyTorch and JAX users can read it. The
# report says what became of each name.

# %%
av.save(pretrained, store, metadata={"trained_on": "digits 0 to 4"})

rng = np.random.default_rng(1)
images, labels = high["train"]
few = np.concatenate([rng.permutation(np.flatnonzero(labels == digit))[:10] for digit in range(5)])
images, labels = images[few], labels[few]

model = av.VariableStore(seed=1)
with model:
    classify(images, "high")
report = av.load(pretrained, model, scope="encoder")
print(report, report.metadata)

# %% [markdown]
# ## Frozen, then thawed
#
# A variable that is not trainable is watched by no tape: its ops leave no entries, so nothing of them is walked backwards,
# and no optimizer touches it. Later, a second optimizer takes the encoder with a lower rate.


# %%
def fine_tune(store, steps, optimizers, frozen):
    for v in store.variables("encoder"):
        v.trainable = not frozen
    with store:
        for _ in range(steps):
            _, watched = train_step(optimizers, images, labels, "high")
        return accuracy(*high["test"], "high"), watched


before = {v.name: v.numpy() for v in model.variables("encoder")}
head = optim.Adam(5e-3, name="head")
frozen_accuracy, watched = fine_tune(model, 200, {"high": head}, frozen=True)
assert all(np.array_equal(v.numpy(), before[v.name]) for v in model.variables("encoder"))
print(f"head alone:         test accuracy on 5 to 9 {frozen_accuracy:.1%}; the tape watches {watched} variables")

body = optim.Adam(2e-4, name="body")
tuned_accuracy, watched = fine_tune(model, 100, {"high": head, "encoder": body}, frozen=False)
print(f"encoder thawed:     test accuracy on 5 to 9 {tuned_accuracy:.1%}; the tape watches {watched} variables")

# %% [markdown]
# The same head on an encoder that has seen nothing, for comparison: frozen as it is, and trained from scratch.

# %%
random = av.VariableStore(seed=1)
with random:
    classify(images, "high")
random_accuracy, _ = fine_tune(random, 200, {"high": optim.Adam(5e-3)}, frozen=True)
print(f"a random encoder:   test accuracy on 5 to 9 {random_accuracy:.1%}")

scratch = av.VariableStore(seed=1)
with scratch:
    classify(images, "high")
scratch_accuracy, _ = fine_tune(scratch, 300, {"": optim.Adam(5e-3)}, frozen=False)
print(f"all from scratch:   test accuracy on 5 to 9 {scratch_accuracy:.1%}")
assert max(frozen_accuracy, tuned_accuracy) > random_accuracy

folder.cleanup()
