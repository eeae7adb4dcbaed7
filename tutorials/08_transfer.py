# %% [markdown]
# # Checkpoints and transfer learning
#
# Images are plenty, labels are few. An encoder learns to remove noise from images of handwritten digits, for which
# nobody has to say which digit it is; that run is stopped, and resumed from its checkpoint. Then the encoder's weights
# are loaded, by scope, into a classifier that has two labelled images of each digit. They are frozen while its head is
# trained, and go on with a lower rate after that.
#
# The data lie in the repository (`tutorials/data/README.md`: source and licence).

# %%
import tempfile
from pathlib import Path

import numpy as np
from tutorial_data import load_digits

import autograd_vs as av
import optim

data = load_digits()
images = data["train"][0]

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
def corrupted(clean, rng):
    noise = rng.standard_normal(clean.shape, dtype=np.float32) * np.float32(0.3)
    return np.clip(clean + noise, 0, 1) * (rng.random(clean.shape) < 0.7).astype(np.float32)


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


folder = tempfile.TemporaryDirectory()
here, STEPS = Path(folder.name), 1500

_, manager, _ = pretrain(here / "run", STEPS, stop_at=1130)
print(
    f"stopped at step 1130; there are checkpoints of steps {list(manager.checkpoints)}, the best is {manager.best_step}"
)
store, manager, history = pretrain(here / "run", STEPS)
through, _, whole = pretrain(here / "other", STEPS)
assert all(np.array_equal(store[name].numpy(), through[name].numpy()) for name in store)
assert np.array_equal(history["loss"], whole["loss"])
print(f"resumed: the bits of the run that was not stopped, and all {len(history['loss'])} losses in its history\n")

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


print(classifier(1, load=True)[1])

# %% [markdown]
# ## Frozen, then thawed
#
# A variable that is not trainable is watched by no tape: its ops leave no entries, so nothing of them is walked
# backwards, and no optimizer touches it. Later a second optimizer, with a name of its own, takes the encoder with a
# lower rate.


# %%
def train(model, steps, labelled, optimizers, frozen):
    """Train the scopes that `optimizers` names; (accuracy on the test images, how many variables the tape watched)."""
    for v in model.variables("encoder"):
        v.trainable = not frozen
    x, labels = labelled
    with model:
        for _ in range(steps):
            with av.GradientTape() as tape:
                loss = av.nn.softmax_cross_entropy(classify(x), labels, reduction="mean")
            trained = {scope: av.trainable_variables(scope) for scope in optimizers}
            gradients = tape.gradient(loss, trained)
            for scope, optimizer in optimizers.items():
                optimizer.apply_gradients(zip(gradients[scope], trained[scope], strict=True))
        predicted = np.argmax(classify(data["test"][0]).numpy(), axis=1)
    return float(np.mean(predicted == data["test"][1])), len(tape.watched_variables())


def few_labels(seed, each=2):
    rng = np.random.default_rng(seed)
    labels = data["train"][1]
    chosen = np.concatenate([rng.permutation(np.flatnonzero(labels == digit))[:each] for digit in range(10)])
    return images[chosen], labels[chosen]


table = {"head alone": [], "then the encoder, slowly": [], "head on a random encoder": [], "all from scratch": []}
for seed in range(3):  # which images have labels makes a difference
    labelled = few_labels(seed)

    model, _ = classifier(seed + 1, load=True)
    before = {v.name: v.numpy() for v in model.variables("encoder")}
    head = optim.Adam(5e-3, name="head")
    result, watched = train(model, 200, labelled, {"classifier": head}, frozen=True)
    table["head alone"].append(result)
    assert all(np.array_equal(v.numpy(), before[v.name]) for v in model.variables("encoder"))  # not by one bit
    assert watched == 2  # kernel and bias of the head

    body = optim.Adam(2e-4, name="body")
    result, watched = train(model, 100, labelled, {"classifier": head, "encoder": body}, frozen=False)
    table["then the encoder, slowly"].append(result)
    assert watched == 6

    model, _ = classifier(seed + 1, load=False)
    table["head on a random encoder"].append(train(model, 200, labelled, {"classifier": optim.Adam(5e-3)}, True)[0])
    model, _ = classifier(seed + 1, load=False)
    table["all from scratch"].append(train(model, 300, labelled, {"": optim.Adam(2e-3)}, False)[0])

print("\ntest accuracy with two labels of each digit, three draws of labels")
for name, results in table.items():
    print(f"{name:<26}{np.mean(results):6.1%}   ({', '.join(f'{r:.1%}' for r in results)})")
means = {name: np.mean(results) for name, results in table.items()}
assert means["then the encoder, slowly"] > means["all from scratch"] > means["head on a random encoder"]

folder.cleanup()
