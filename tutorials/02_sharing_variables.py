# %% [markdown]
# # Sharing variables by name
#
# A model is a plain Python function that asks for its weights by name. Whether two calls share weights is said where
# the function is called, not inside of it. After this notebook you can
#
# - share the weights of a function between images, towers, heads, time steps and positions,
# - see in a picture who shares what, and in the error message what was shared by mistake,
# - keep models apart in stores, load a part of one into another, and freeze a part,
# - say what each rule of scopes does: names, reuse, defaults, getters (sections 10 to 13).
#
# Images are real handwritten digits (`tutorials/data/README.md`: source and licence).

# %%
import asyncio
import contextlib
import threading
import warnings
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
from tutorial_data import load_digits

import autograd_vs as av
import optim

rng = np.random.default_rng(0)
digits, labels = load_digits()["train"]
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#666666"  # told apart by colour-blind readers, too

# %% [markdown]
# ## 1. An image filter applied to two images
#
# Two convolutions, each with weights and biases. `get_variable` makes a variable under the open scopes: the names of
# the four are `conv1/weights`, `conv1/biases`, `conv2/weights` and `conv2/biases`.


# %%
def convolve(images, kernel):
    """`images` (n, rows, columns, channels) with `kernel` (height, width, in, out), padded to the same size."""
    height, width, _, out = kernel.shape
    rows, columns = images.shape[1:3]
    padded = av.pad(images, ((0, 0), (height // 2, height // 2), (width // 2, width // 2), (0, 0)))
    windows = [padded[:, i : i + rows, j : j + columns] for i in range(height) for j in range(width)]
    return av.concatenate(windows, axis=-1) @ kernel.reshape(-1, out)


def conv_relu(images, kernel_shape):
    weights = av.get_variable("weights", kernel_shape, initializer=av.initializers.he_normal)
    biases = av.get_variable("biases", kernel_shape[-1:], initializer=av.initializers.zeros)
    return av.nn.relu(convolve(images, weights) + biases)


def image_filter(images):
    with av.variable_scope("conv1"):
        hidden = conv_relu(images, (5, 5, images.shape[-1], 8))
    with av.variable_scope("conv2"):
        return conv_relu(hidden, (5, 5, 8, 8))


image1, image2 = digits[:2].reshape(2, 1, 8, 8, 1)

# %% [markdown]
# Called twice it raises, because it would be a mistake to share (or not to share) by accident. The message says where
# the variable was made, and what one can do.

# %%
with av.VariableStore(seed=0):
    image_filter(image1)
    try:
        image_filter(image2)
    except ValueError as error:
        print(error)
    else:
        raise AssertionError("the second call should have been refused")

# %% [markdown]
# Sharing is asked for by `reuse`. Both results come from the same four variables. A store remembers who asked for each
# variable (`store.readers`), and `av.plot.sharing` draws it: calls on the left, variables on the right, and a line for
# each "this call reads that variable". What several calls share stands on a filled ground. A `name_scope` gives the
# calls their names here; the variables do not take it.

# %%
with av.VariableStore(seed=0) as store:
    with av.name_scope("image1"), av.variable_scope("filters"):
        result1 = image_filter(image1)
    with av.name_scope("image2"), av.variable_scope("filters", reuse=True):
        result2 = image_filter(image2)

av.plot.sharing(store, title="One filter for two images: two calls, four variables")
assert len(store) == 4

# %% [markdown]
# What the filter (with its random first weights) makes of the two digits: the same eight channels, of which four are
# shown.

# %%
figure, axes = plt.subplots(2, 5, figsize=(7, 2.9), dpi=80, layout="constrained")
for row, image, result in zip(axes, (image1, image2), (result1.numpy(), result2.numpy()), strict=True):
    row[0].imshow(image[0, :, :, 0], cmap="gray_r")
    for channel, ax in enumerate(row[1:]):
        ax.imshow(result[0, :, :, channel], cmap="gray_r", vmin=0, vmax=max(result1.max().item(), result2.max().item()))
axes[0, 0].set_title("image")
for channel, ax in enumerate(axes[0, 1:]):
    ax.set_title(f"channel {channel}")
for ax in axes.flat:
    ax.set(xticks=[], yticks=[])

# %% [markdown]
# There are other ways to say the same. One scope can be switched to reuse in the middle; with `AUTO_REUSE` the first
# call makes the variables and the later ones share them, so that one line of code can stand in a loop.

# %%
with av.VariableStore(seed=0) as store:
    with av.variable_scope("filters") as scope:
        first = image_filter(image1)
        scope.reuse_variables()
        second = image_filter(image2)
    for image, expected in ((image1, first), (image2, second)):
        with av.variable_scope("filters", reuse=av.AUTO_REUSE):
            assert np.array_equal(image_filter(image).numpy(), expected.numpy())

assert len(store) == 4 and np.array_equal(second.numpy(), result2.numpy())

# %% [markdown]
# `make_template` says it for a function once and for all: its first call makes, all later ones share. Two templates
# of one name are two sets of variables, `filter` and `filter_1`.

# %%
with av.VariableStore(seed=0) as store:
    one, two = av.make_template("filter", image_filter), av.make_template("filter", image_filter)
    for call, template, image in (("a", one, image1), ("b", one, image2), ("c", two, image1)):
        with av.name_scope(call):
            template(image)

av.plot.sharing(store, title="Two templates of one function: a and b share, c does not")
assert [v.op.name for v in store.variables("filter_1/conv1")] == ["filter_1/conv1/weights", "filter_1/conv1/biases"]

# %% [markdown]
# For comparison, three other ways to write the filter. With plain Variables made inside of the function there are
# eight, in silence:


# %%
def filter_with_plain_variables(images, made):
    for name, shape in (("conv1", (5, 5, 1, 8)), ("conv2", (5, 5, 8, 8))):
        weights = av.Variable(av.initializers.he_normal()(shape), name=f"{name}/weights")
        biases = av.Variable(np.zeros(shape[-1], np.float32), name=f"{name}/biases")
        made += [weights, biases]
        images = av.nn.relu(convolve(images, weights) + biases)
    return images


with av.VariableStore(seed=0):
    made = []
    filter_with_plain_variables(image1, made)
    filter_with_plain_variables(image2, made)

assert len(made) == len({v.name for v in made}) == 8
[v.name for v in made]

# %% [markdown]
# Passing them in works, but every function on the way must know all names and shapes below it. A class hides them,
# and then sharing means passing objects around: an object called twice shares, two objects of one class do not.


# %%
def filter_with_dict(images, variables):
    for name in ("conv1", "conv2"):
        images = av.nn.relu(convolve(images, variables[f"{name}/weights"]) + variables[f"{name}/biases"])
    return images


class Filter:
    def __init__(self, channels):
        self.weights, self.biases = [], []
        for n_in, n_out in pairwise(channels):
            self.weights.append(av.Variable(av.initializers.he_normal()((5, 5, n_in, n_out))))
            self.biases.append(av.Variable(np.zeros(n_out, np.float32)))

    def __call__(self, images):
        for weights, biases in zip(self.weights, self.biases, strict=True):
            images = av.nn.relu(convolve(images, weights) + biases)
        return images


with av.VariableStore(seed=0) as store:
    with av.variable_scope("filters"):
        expected = image_filter(image1)
    by_name = {v.op.name.removeprefix("filters/"): v for v in store.variables("filters")}
    assert np.array_equal(filter_with_dict(image1, by_name).numpy(), expected.numpy())
    one, two = Filter((1, 8, 8)), Filter((1, 8, 8))
    assert np.array_equal(one(image1).numpy(), one(image1).numpy())
    assert one.weights[0] is not two.weights[0] and not np.array_equal(one(image1).numpy(), two(image1).numpy())

# %% [markdown]
# ## 2. A recurrent cell uses one set of weights at every time step
#
# The loop over time is a Python loop. Each step asks for `cell/kernel` and `cell/bias` and gets the same two, so the
# gradient is summed over the steps by itself.


# %%
def lstm_cell(x, state):
    h, c = state
    units = h.shape[-1]
    with av.variable_scope("cell", reuse=av.AUTO_REUSE):
        kernel = av.get_variable("kernel", (x.shape[-1] + units, 4 * units))
        bias = av.get_variable("bias", (4 * units,), initializer=av.initializers.zeros)
    i, f, g, o = av.split(av.concatenate([x, h], axis=-1) @ kernel + bias, 4, axis=-1)
    c = av.nn.sigmoid(f) * c + av.nn.sigmoid(i) * av.tanh(g)
    return av.nn.sigmoid(o) * av.tanh(c), c


def remember(sequences, units=16):
    """The logit of: was the first number of the sequence positive?"""
    state = (np.zeros((len(sequences), units), np.float32),) * 2
    for t in range(sequences.shape[1]):
        with av.name_scope(f"step{t}"):
            state = lstm_cell(sequences[:, t : t + 1], state)
    with av.variable_scope("read", reuse=av.AUTO_REUSE):
        return state[0] @ av.get_variable("kernel", (units, 2))


# %% [markdown]
# The task: eight random numbers, one after the other, and then: was the first one positive? The cell has to keep it
# for seven steps.

# %%
with av.VariableStore(seed=0) as store:
    optimizer, losses = optim.Adam(learning_rate=0.02), []
    for _ in range(150):
        x = rng.standard_normal((64, 8), dtype=np.float32)
        with av.GradientTape() as tape:
            loss = av.mean(av.nn.softmax_cross_entropy(remember(x), (x[:, 0] > 0).astype(int)))
        variables = store.trainable_variables()
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        losses.append(loss.item())

av.plot.sharing(store, title="One cell for eight steps")
assert list(store) == ["cell/kernel", "cell/bias", "read/kernel"]

# %%
_, ax = plt.subplots(figsize=(7, 2.4), dpi=80, layout="constrained")
ax.plot(losses, color=BLUE)
ax.axhline(np.log(2), color=GREY, linestyle=":", label="guessing: log 2")
ax.set(xlabel="step", ylabel="cross-entropy", title="The LSTM learns to remember over eight steps")
ax.legend(frameon=False)
assert losses[-1] < 0.3 < losses[0]

# %% [markdown]
# ## 3. One encoder for two heads, or for two inputs
#
# An autoencoder with a classifier puts two heads on one code. The encoder is asked for twice under one name, once from
# each head.


# %%
def dense(x, units, name):
    with av.variable_scope(name):
        kernel = av.get_variable("kernel", (x.shape[-1], units))
        return x @ kernel + av.get_variable("bias", (units,), initializer=av.initializers.zeros)


def encode(x):
    with av.variable_scope("encoder", reuse=av.AUTO_REUSE):
        return av.tanh(dense(av.tanh(dense(x, 32, "hidden")), 8, "code"))


def reconstruct(x):
    with av.name_scope("reconstruct"):
        code = encode(x)
        with av.variable_scope("decoder", reuse=av.AUTO_REUSE):
            return dense(code, x.shape[-1], "pixels")


def classify(x):
    with av.name_scope("classify"):
        code = encode(x)
        with av.variable_scope("classifier", reuse=av.AUTO_REUSE):
            return dense(code, 10, "logits")


# %% [markdown]
# Both losses reach the encoder: its gradient is the sum of what the two heads want. That can be seen, because the
# gradients of the two losses are those of their sum.

# %%
with av.VariableStore(seed=0) as two_heads:
    x, y = digits[:64], labels[:64]
    with av.GradientTape(persistent=True) as tape:
        pixel_loss = av.nn.mse(reconstruct(x), x)
        class_loss = av.mean(av.nn.softmax_cross_entropy(classify(x), y))
        loss = pixel_loss + class_loss
    shared = two_heads["encoder/code/kernel"]
    of_pixels, of_classes, of_both = (tape.gradient(part, shared).numpy() for part in (pixel_loss, class_loss, loss))

av.plot.sharing(two_heads, title="One encoder, two heads")
assert len(two_heads) == 8 and np.allclose(of_both, of_pixels + of_classes, atol=1e-6)

# %% [markdown]
# **Siamese towers**: two images go through one encoder, and the distance of their codes says whether they are the same
# digit. Here it learns that from pairs: equal digits shall be close, others at a distance of at least 1.


# %%
def distance(x1, x2):
    with av.name_scope("left"):
        code1 = encode(x1)
    with av.name_scope("right"):
        code2 = encode(x2)
    return av.sum((code1 - code2) ** 2, axis=-1)


def pairs(n):
    """Two images each, half of them of one digit; and whether they are."""
    left = rng.integers(0, len(digits), n)
    same = np.arange(n) % 2 == 0
    others = [rng.choice(np.flatnonzero((labels == labels[i]) == s)) for i, s in zip(left, same, strict=True)]
    return digits[left], digits[others], same


with av.VariableStore(seed=0) as store:
    x1, x2, same = pairs(400)
    before = distance(x1, x2).numpy()
    optimizer = optim.Adam(learning_rate=0.005)
    for _ in range(200):
        left, right, equal = pairs(64)
        with av.GradientTape() as tape:
            squares = distance(left, right)
            loss = av.mean(av.where(equal, squares, av.maximum(1 - squares, 0)))
        variables = store.trainable_variables()
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
    after = distance(x1, x2).numpy()
    assert not distance(x1, x1).numpy().any()

av.plot.sharing(store, title="Siamese towers: two inputs, one encoder")
assert len(store) == 4  # one encoder

# %%
figure, axes = plt.subplots(1, 2, figsize=(7, 2.6), dpi=80, layout="constrained", sharey=True)
for ax, values, title in zip(axes, (before, after), ("before training", "after 200 steps"), strict=True):
    bins = np.linspace(0, values.max(), 25)
    ax.hist(values[same], bins, color=BLUE, alpha=0.7, label="the same digit")
    ax.hist(values[~same], bins, color=ORANGE, alpha=0.7, label="two digits")
    ax.set(xlabel="squared distance of the codes", title=title)
axes[0].set_ylabel("pairs")
axes[1].legend(frameon=False)
assert np.median(after[same]) < 0.2 * np.median(after[~same])

# %% [markdown]
# ## 4. An attention matrix applied at every position
#
# The same query, key and value matrices serve all positions, and here two layers as well: "shared" is asked for twice.
# A digit is a sequence of eight rows. No position has weights of its own, so a permuted input gives the permuted
# output.


# %%
def attend(x, width=8):
    with av.variable_scope("shared", reuse=av.AUTO_REUSE):
        queries, keys, values = (x @ av.get_variable(name, (x.shape[-1], width)) for name in ("query", "key", "value"))
    weights = av.nn.softmax(queries @ av.swapaxes(keys, -1, -2) / np.float32(width**0.5), axis=-1)
    return weights @ values, weights


with av.VariableStore(seed=0) as store:
    sequence = digits[:2].reshape(2, 8, 8)
    with av.name_scope("layer1"):
        once, weights = attend(sequence)
    with av.name_scope("layer2"):
        twice, _ = attend(once)
    order = rng.permutation(8)
    with av.name_scope("permuted"):
        permuted, _ = attend(sequence[:, order])

av.plot.sharing(store, title="The same three matrices, in each layer and at each position")
assert len(store) == 3 and twice.shape == (2, 8, 8) and np.allclose(weights.numpy().sum(-1), 1, atol=1e-5)
assert np.allclose(permuted.numpy(), once.numpy()[:, order], atol=1e-5)

# %% [markdown]
# ## 5. Tied input and output embeddings
#
# The table that turns words into vectors is used again, transposed, to score the next word. It gets gradients from
# both ends. The task is to count: the word after 3 is 4, and after 19 comes 0.


# %%
def embed(ids, vocabulary=20, width=8):
    with av.variable_scope("embedding", reuse=av.AUTO_REUSE):
        table = av.get_variable("table", (vocabulary, width), initializer=av.initializers.random_normal(stddev=0.3))
    return av.nn.embedding_lookup(table, ids)


def next_word_logits(ids):
    with av.name_scope("words_in"):
        words = embed(ids)
    with av.name_scope("between"):
        hidden = av.tanh(dense(words, 8, "hidden"))
    with av.name_scope("scores_out"), av.variable_scope("embedding", reuse=True):
        return hidden @ av.get_variable("table").T


with av.VariableStore(seed=0) as store:
    words = np.arange(20)
    optimizer = optim.Adam(learning_rate=0.05)
    for _ in range(200):
        with av.GradientTape() as tape, av.variable_scope("", reuse=av.AUTO_REUSE):
            loss = av.mean(av.nn.softmax_cross_entropy(next_word_logits(words), (words + 1) % 20))
        variables = store.trainable_variables()
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
    with av.variable_scope("", reuse=True):
        predicted = np.argmax(next_word_logits(words).numpy(), axis=-1)

av.plot.sharing(store, title=f"One table for words in and scores out (it counts to twenty: loss {loss:.4f})")
assert list(store) == ["embedding/table", "hidden/kernel", "hidden/bias"]
assert (predicted == (words + 1) % 20).all()

# %% [markdown]
# ## 6. A training loop of one's own
#
# One `Variable` made outside, a step function that reads it on a tape, an optimizer that updates it in place. It is
# the same object in every epoch; at the end its value is read. (`03_training_loop.py` is about such loops.)

# %%
points = rng.uniform(-1, 1, 256).astype(np.float32)
targets = 3 * points + 0.1 * rng.standard_normal(256, dtype=np.float32)
with av.VariableStore():
    slope = av.Variable(0.0, name="slope")
    identity, buffer = id(slope), slope.array
    optimizer = optim.SGD(learning_rate=0.2)

    def step(x, y):
        with av.GradientTape() as tape:
            loss = av.mean((slope * x - y) ** 2)
        optimizer.apply_gradients([(tape.gradient(loss, slope), slope)])
        return loss

    for epoch in range(5):
        losses = [step(points[i : i + 32], targets[i : i + 32]).item() for i in range(0, 256, 32)]
        print(f"epoch {epoch}: loss {np.mean(losses):.4f}")
        assert id(slope) == identity and slope.array is buffer

print(f"learned slope: {slope.item():.3f}")
assert abs(slope.item() - 3) < 0.05

# %% [markdown]
# ## 7. Transfer learning
#
# Pretrained values are assigned to variables that do not train; only what is new is in `trainable_variables()`. The
# encoder first learns to restore digits, without labels; then a new head learns with 100 labels.

# %%
with av.VariableStore(seed=1) as pretrained_store:
    optimizer = optim.Adam(learning_rate=0.005)
    for _ in range(300):
        batch = digits[rng.integers(0, len(digits), 64)]
        with av.GradientTape() as tape:
            loss = av.nn.mse(reconstruct(batch), batch)
        variables = pretrained_store.trainable_variables()
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))

x, y = digits[:100], labels[:100]
with av.VariableStore(seed=0) as store:
    with av.variable_scope("", trainable=False):
        encode(x)
    for variable in store.variables("encoder"):
        variable.assign(pretrained_store[variable.op.name])
    frozen = {v.op.name: v.numpy() for v in store.variables("encoder")}
    optimizer, losses = optim.Adam(learning_rate=0.05), []
    for _ in range(60):
        with av.GradientTape() as tape:
            features = encode(x)
            with av.variable_scope("new", reuse=av.AUTO_REUSE):
                loss = av.mean(av.nn.softmax_cross_entropy(dense(features, 10, "head"), y))
        assert [v.op.name for v in tape.watched_variables()] == ["new/head/kernel", "new/head/bias"]
        variables = store.trainable_variables()
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        losses.append(loss.item())

assert all(np.array_equal(store[name].numpy(), value) for name, value in frozen.items())
assert losses[-1] < 0.5 * losses[0]
print(f"loss of the new head: {losses[0]:.2f} -> {losses[-1]:.2f}; the encoder is frozen")
store

# %% [markdown]
# ## 8. Two stores are two worlds
#
# A `VariableStore` is what a new graph is in TensorFlow: names of its own, counters of its own. The same function
# builds the same names twice, and nothing is shared between them.

# %%
teacher, student = av.VariableStore(seed=0), av.VariableStore(seed=1)
figure, axes = plt.subplots(2, 1, figsize=(7, 3.6), dpi=80, layout="constrained")
for store, name, ax in ((teacher, "teacher", axes[0]), (student, "student", axes[1])):
    with store:
        for image in ("image1", "image2"):
            with av.name_scope(image), av.variable_scope("filters", reuse=av.AUTO_REUSE):
                image_filter(image1)
    av.plot.sharing(store, title=f"the store {name}", ax=ax)

assert list(teacher) == list(student)
assert not set(map(id, teacher.variables())) & set(map(id, student.variables()))

# %% [markdown]
# A store can be entered again. `store.reset()` forgets its variables, or those of a scope: the names are free, and
# objects that you still hold go on working. `reuse=av.REBUILD` forgets what is in a scope while it opens it. Both are
# for a notebook cell that builds a model and is run again: it gets new variables, and no error.

# %%
kept = student["filters/conv1/biases"]
with student:
    for _ in range(2):  # as if the cell was run again
        with av.variable_scope("filters", reuse=av.REBUILD):
            image_filter(image1)
    assert len(student) == 4 and student["filters/conv1/biases"] is not kept
    student.reset()
    assert len(student) == 0

assert kept.assign_add(np.ones(8)).numpy().sum() == 8

# %% [markdown]
# ## 9. A pretrained scope loaded by name into another model
#
# Names make parts of models exchangeable: the encoder of one model is copied into the scope "student/encoder" of
# another. (With files, `av.load(..., scope=, rename=)` does this: `08_transfer.py`.)


# %%
def load_scope(source, scope, target, into):
    """Copy the values of `source`'s variables under `scope` to the variables of the same names under `into`."""
    for variable in source.variables(scope):
        name = into + variable.op.name.removeprefix(scope)
        target[name].assign(variable)
        print(f"{variable.op.name} -> {name}")


with pretrained_store:
    wanted = encode(x).numpy()
with av.VariableStore(seed=2) as store:
    with av.variable_scope("student"):
        before = encode(x).numpy()
        dense(before, 2, "head")
    load_scope(pretrained_store, "encoder", store, "student/encoder")
    with av.variable_scope("student", reuse=True):
        after = encode(x).numpy()

assert np.array_equal(after, wanted) and not np.array_equal(before, wanted)

# %% [markdown]
# ## 10. The rules of names
#
# Scopes nest as directories do. `name` ends in ":0", as in TensorFlow; `op.name` is the full name without it, which
# stores, checkpoints and optimizers use. A **variable scope** is for `get_variable`. A **name scope** is for ops and
# plain `Variable`s, and `get_variable` ignores it. A variable scope opens a name scope of its name, too, unless
# `auxiliary_name_scope=False`.

# %%
with av.VariableStore(seed=0) as store:
    with av.variable_scope("a"):
        with av.variable_scope("b"):
            deep = av.get_variable("v", ())
        with av.name_scope("n"):
            got, made, total = av.get_variable("v", ()), av.Variable(1.0, name="v"), 1.0 + deep
    with av.variable_scope("quiet", auxiliary_name_scope=False):
        silent = 1.0 + deep
    assert av.get_variable("a/w", ()).name == "a/w:0"  # the same as "w" in scope a
    with av.variable_scope("a"), av.variable_scope(""):  # the empty name is the root
        assert av.get_variable("u", ()).name == "u:0"

found = [deep.name, deep.op.name, got.name, made.name, total.name, silent.name]
assert found == ["a/b/v:0", "a/b/v", "a/v:0", "a/n/v:0", "a/n/add:0", "add:0"]
found

# %% [markdown]
# Full names are unique among what lives. A plain `Variable` never fails: it becomes `v_1`. `get_variable` never
# renames, since you asked for that name: what is taken is an error. A name is free again when its Variable is gone.
# Within a tape ops are numbered, and so are name scopes that are opened again; outside nothing counts up, so a loop
# that never ends does not make ever longer names.

# %%
with av.VariableStore(seed=0):
    plain = [av.Variable(1.0, name="v") for _ in range(3)]
    for wrong in ("v", "two words", ""):
        try:
            av.get_variable(wrong, ())
        except ValueError as error:
            print("-", str(error)[:75], "...")
        else:
            raise AssertionError(f"the name {wrong!r} should have been refused")
    with av.GradientTape():
        inside = [(plain[0] + 1.0).name for _ in range(3)]
        for _ in range(2):
            with av.name_scope("part"):
                inside.append((plain[0] + 1.0).name)
    outside = [(plain[0] + 1.0).name for _ in range(3)]

assert [v.name for v in plain] == ["v:0", "v_1:0", "v_2:0"]
assert inside == ["add:0", "add_1:0", "add_2:0", "part/add:0", "part_1/add:0"] and outside == ["add:0"] * 3

# %% [markdown]
# A function that is called many times in one model can let its scope number itself: `default_name`. The count starts
# again each time the parent scope is entered, so a model that is run again gets the same names, and shares them if
# `reuse` says so.


# %%
def block(x):
    with av.variable_scope(None, default_name="block"):
        return av.tanh(x * av.get_variable("scale", (8,), initializer=av.initializers.ones))


def network(x):
    for _ in range(3):
        x = block(x)
    return x


with av.VariableStore(seed=0) as store:
    for call in ("first", "second"):
        with av.name_scope(call), av.variable_scope("net", reuse=av.AUTO_REUSE):
            network(sequence)

av.plot.sharing(store, title="A network of numbered blocks, called twice")
assert list(store) == ["net/block/scale", "net/block_1/scale", "net/block_2/scale"]

# %% [markdown]
# The root scope is never entered anew, so there the count goes on: every further run of the model would make new
# variables that nobody trains. Once training has begun a warning says that, and what to do.

# %%
with av.VariableStore(seed=0) as store, warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    block(sequence)
    store["block/scale"].assign_sub(np.full(8, 0.1, np.float32))  # training
    block(sequence)

assert list(store) == ["block/scale", "block_1/scale"]
assert [w.category for w in caught] == [av.ScopeWarning]
print(caught[0].message)

# %% [markdown]
# ## 11. The rules of reuse
#
# Two lookups give the very same object; what is assigned through one is seen through the other. `reuse=True` wants
# what exists and lists close names otherwise; a shape or dtype that is given must fit.

# %%
with av.VariableStore(seed=0):
    with av.variable_scope("a"):
        v = av.get_variable("kernel", (2, 3))
    with av.variable_scope("a", reuse=True):
        again = av.get_variable("kernel")
        again.assign(np.ones((2, 3)))
        assert again is v and v.numpy().sum() == 6
        for name, shape, dtype in (("kernal", None, None), ("kernel", (3, 2), None), ("kernel", None, "float64")):
            try:
                av.get_variable(name, shape, dtype)
            except ValueError as error:
                print("-", error)
            else:
                raise AssertionError("should have been refused")
    with av.variable_scope("a"):  # the scope may be opened again; the variables in it are another matter
        av.get_variable("bias", (3,))
        try:
            av.get_variable("kernel", (2, 3))
        except ValueError:
            pass
        else:
            raise AssertionError("kernel exists, and this scope does not reuse")

# %% [markdown]
# Inner scopes inherit `reuse` and cannot switch it off; they can only choose between True and AUTO_REUSE.
# `reuse_variables()` holds until the scope is left. It works at the root as well.

# %%
with av.VariableStore():
    seen = {}
    with av.variable_scope("a", reuse=True):
        with av.variable_scope("b", reuse=False) as b:
            seen["False inside of True"] = b.reuse
        with av.variable_scope("b", reuse=av.AUTO_REUSE) as b:
            seen["AUTO_REUSE inside of True"] = b.reuse
    with av.variable_scope("a") as a:
        a.reuse_variables()
        seen["after reuse_variables"] = a.reuse
    with av.variable_scope("a") as a:
        seen["opened again"] = a.reuse
    av.get_variable_scope().reuse_variables()
    with av.variable_scope("a") as a:
        seen["below a root that reuses"] = a.reuse

assert list(seen.values()) == [True, av.AUTO_REUSE, True, False, True]
seen

# %% [markdown]
# `reuse` is None, False, True, `av.AUTO_REUSE` or `av.REBUILD` (section 8). Anything else is refused, before a model
# is built on it.

# %%
for wrong in ("True", 1, "auto"):
    try:
        av.variable_scope("a", reuse=wrong)
    except ValueError as error:
        print("-", error)
    else:
        raise AssertionError("no such reuse")

# %% [markdown]
# A scope that was captured jumps back to its own name from anywhere, and brings its own settings: not the reuse of
# where it is opened. That is how a part deep in a model uses weights of another part. The names of ops stay those of
# the place where it is opened.

# %%
with av.VariableStore(seed=0):
    with av.variable_scope("embedding", initializer=av.initializers.ones) as scope:
        table = av.get_variable("table", (5, 2))
    with av.variable_scope("model"), av.variable_scope("head", reuse=av.AUTO_REUSE):
        with av.variable_scope(scope, reuse=True):
            assert av.get_variable("table") is table
        with av.variable_scope(scope) as opened:
            assert opened.name == "embedding" and opened.reuse is False
            offset = av.get_variable("offset", (2,))
            assert offset.name == "embedding/offset:0" and offset.numpy().sum() == 2  # its name, its initializer
            assert (offset + 1.0).name == "model/head/add:0"
        assert av.get_variable_scope().name == "model/head"
    with av.VariableStore() as other, av.variable_scope(scope):
        assert av.get_variable("table", (5, 2)) is other["embedding/table"] is not table  # a name, looked up in here

# %% [markdown]
# ## 12. What a scope sets for the variables in it
#
# Initializer, dtype, regularizer, constraint, `trainable` and a custom getter are inherited by inner scopes, and
# overridden by theirs and by what a call says. Without any initializer, floats are drawn from Glorot's uniform
# distribution, and integers are zeros. On reuse these settings are ignored: the variable is there already.
# `get_variable_scope().set_initializer(...)` and its kin change them for the rest of a scope.

# %%
constant = av.initializers.constant
with av.VariableStore(seed=0) as store:
    with av.variable_scope("outer", initializer=constant(0.4)) as outer:
        av.get_variable("from_the_scope", ())
        av.get_variable("said_here", (), initializer=constant(0.3))
        av.get_variable("an_array", initializer=np.array([1.0, 2.0]))
        av.get_variable("a_function", (3,), initializer=lambda shape, dtype: np.arange(3, dtype=dtype))
        with av.variable_scope("inner", initializer=constant(0.2), dtype="float64", trainable=False):
            av.get_variable("v", ())
        outer.set_initializer(constant(0.5))
        outer.reuse_variables()
        assert av.get_variable("from_the_scope", initializer=constant(9.0)).item() == np.float32(0.4)
    av.get_variable("count", (), dtype="int64")
    av.get_variable("glorot", (64, 10))

assert [store[f"outer/{name}"].item() for name in ("from_the_scope", "said_here", "inner/v")] == [
    np.float32(0.4), np.float32(0.3), 0.2
]  # fmt: skip
assert abs(store["glorot"].numpy()).max() <= np.sqrt(6 / (64 + 10))
store

# %% [markdown]
# A variable needs a shape, and an initializer must keep to it. What fails leaves nothing half-made behind.

# %%
with av.VariableStore() as nothing:
    for options in ({}, {"shape": (3,), "initializer": lambda shape, dtype: np.zeros(4)}):
        try:
            av.get_variable("v", **options)
        except ValueError as error:
            print("-", error)
        else:
            raise AssertionError("should have been refused")
assert len(nothing) == 0

# %% [markdown]
# Lists come in the order of creation, of a store or of a scope in it. What is set on a variable later counts from the
# next tape on.

# %%
with store:
    assert av.global_variables("outer/inner") == [store["outer/inner/v"]]
    store["outer/said_here"].trainable = False
    trained = [v.op.name for v in av.trainable_variables()]

assert trained == ["outer/from_the_scope", "outer/an_array", "outer/a_function", "glorot"]

# %% [markdown]
# A **regularizer** gives one term per variable, however many calls share it, and none where `no_regularizer` switches
# it off. The terms are computed when they are asked for, on the current tape.

# %%
with av.VariableStore(seed=0) as store:
    with av.variable_scope("filters", regularizer=lambda v: 0.01 * av.sum(v**2)):
        with av.variable_scope("", regularizer=av.no_regularizer):
            av.get_variable("temperature", initializer=1.0)
        image_filter(image1)
    with av.variable_scope("filters", reuse=True):
        image_filter(image2)
    with av.GradientTape() as tape:
        penalty = sum(store.regularization_losses("filters"))
    kernel = store["filters/conv1/weights"]
    gradient = tape.gradient(penalty, kernel)

assert len(store.regularization_losses()) == 4  # two kernels and two biases, though two calls share them
assert np.allclose(gradient.numpy(), 0.02 * kernel.numpy())

# %% [markdown]
# A **custom getter** stands between the model and the store. It may rename, refuse, freeze, or hand out something
# else. Here the same model function, unchanged, runs with running averages of its weights:

# %%
averages = {}


def average(getter, name, *args, **kwargs):
    return averages[name]


with av.VariableStore(seed=0) as store:
    with av.variable_scope("filters"):
        image_filter(image1)
    for v in store.variables():
        averages[v.op.name] = v.numpy() * np.float32(0.5)  # as if from the steps before
    with av.variable_scope("filters", reuse=True, custom_getter=average):
        averaged = image_filter(image1)

assert len(store) == 4
assert np.allclose(averaged.numpy(), 0.25 * result1.numpy(), atol=1e-6)  # both kernels are halved, biases are zero

# %% [markdown]
# ## 13. What happens when something goes wrong, or runs beside
#
# An exception leaves scope, reuse and store as they were before the `with`, so a notebook goes on after a mistake.
# Every thread starts at the root of the default store, and async tasks do not see each other's scopes; a thread that
# works on a model enters its store.

# %%
with av.VariableStore(seed=0) as store:
    with contextlib.suppress(ZeroDivisionError), av.variable_scope("a", reuse=True), av.VariableStore():
        print(1 / 0)
    assert av.current_store() is store and av.get_variable_scope().name == ""

    def work(found):
        found.append((av.get_variable_scope().name, av.current_store() is store))
        with store, av.variable_scope("of_the_thread"):
            found.append(av.get_variable("v", ()).name)

    found = []
    with av.variable_scope("of_the_caller"):
        thread = threading.Thread(target=work, args=(found,))
        thread.start()
        thread.join()

assert found == [("", False), "of_the_thread/v:0"]

# %% [markdown]
# Async tasks, such as two that serve one model, do not see each other's scopes either. (They run in a thread of their
# own here, since a notebook has an event loop already.)


# %%
async def task(name):
    with av.variable_scope(name):
        await asyncio.sleep(0.01)  # the other one is running
        return av.get_variable_scope().name


async def both():
    return await asyncio.gather(task("one"), task("two"))


names = []
thread = threading.Thread(target=lambda: names.extend(asyncio.run(both())))
thread.start()
thread.join()
assert names == ["one", "two"]

# %% [markdown]
# A generator that is suspended inside of a scope would leave it open for whoever called it. That is an error at the
# place where it can be noticed, and the caller's scope stays right. Helpers made with `contextlib.contextmanager` that
# open scopes are fine.


# %%
def suspended():
    with av.variable_scope("inside"):
        yield av.get_variable_scope().name


@contextlib.contextmanager
def tower(name):
    with av.variable_scope("towers"), av.variable_scope(name, reuse=av.AUTO_REUSE):
        yield


with av.VariableStore(seed=0) as store:
    with tower("left"):
        assert av.get_variable("v", ()).name == "towers/left/v:0"
    generator = suspended()
    try:
        with av.variable_scope("outer"):
            next(generator)
    except RuntimeError as error:
        print(error)
    else:
        raise AssertionError("the open generator should have been noticed")
    assert av.get_variable_scope().name == ""
    with contextlib.suppress(RuntimeError):
        generator.close()
