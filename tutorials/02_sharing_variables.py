# %% [markdown]
# # Sharing variables by name
#
# A model is a plain Python function that asks for its weights by name. Whether two calls share weights is said where
# the function is called, not inside of it. This tutorial goes through the situations in which one wants that.

# %%
from itertools import pairwise

import numpy as np

import autograd_vs as av
import optim

rng = np.random.default_rng(0)


def show(store):
    print(store, "\n")


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
        hidden = conv_relu(images, (5, 5, 3, 8))
    with av.variable_scope("conv2"):
        return conv_relu(hidden, (5, 5, 8, 8))


image1, image2 = (rng.standard_normal((1, 12, 12, 3), dtype=np.float32) for _ in range(2))

# %% [markdown]
# Called twice it raises, because it would be a mistake to share (or not to share) by accident. The message says where
# the variable was made, and what one can do.

# %%
with av.VariableStore(seed=0):
    image_filter(image1)
    try:
        image_filter(image2)
    except ValueError as error:
        print(error, "\n")
    else:
        raise AssertionError("the second call should have been refused")

# %% [markdown]
# Sharing is asked for by `reuse`. Both results come from the same four variables:

# %%
with av.VariableStore(seed=0) as store:
    with av.variable_scope("filters"):
        result1 = image_filter(image1)
    with av.variable_scope("filters", reuse=True):
        result2 = image_filter(image2)
        again = image_filter(image1)
    assert len(store) == 4
    assert np.array_equal(result1.numpy(), again.numpy())
    show(store)

    with av.variable_scope("filters") as scope:  # the same with one scope, switched in the middle
        scope.reuse_variables()
        assert np.array_equal(image_filter(image2).numpy(), result2.numpy())

# %% [markdown]
# With `AUTO_REUSE` the first call makes the variables and the later ones share them, so that the same line of code
# can stand in a loop. `make_template` does that for a function once and for all:

# %%
with av.VariableStore(seed=0) as store:
    for image in (image1, image2, image1):
        with av.variable_scope("filters", reuse=av.AUTO_REUSE):
            result = image_filter(image)
    assert len(store) == 4 and np.array_equal(result.numpy(), result1.numpy())

    filters = av.make_template("template", image_filter)
    filters(image1)
    filters(image2)
    assert [v.op.name for v in filters.variables] == [
        "template/conv1/weights", "template/conv1/biases", "template/conv2/weights", "template/conv2/biases",
    ]  # fmt: skip

# %% [markdown]
# For comparison, three other ways to write it. With plain Variables made inside of the function there would be eight:


# %%
def filter_with_plain_variables(images, made):
    for name, shape in (("conv1", (5, 5, 3, 8)), ("conv2", (5, 5, 8, 8))):
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
    print("eight variables:", ", ".join(v.op.name for v in made), "\n")

# %% [markdown]
# Passing them in works, but every function on the way must know all names and shapes below it. A class hides them,
# and then sharing means passing objects around:


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
    # 8. A layer object called twice shares; two objects of one class do not.
    one, two = Filter((3, 8, 8)), Filter((3, 8, 8))
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
        state = lstm_cell(sequences[:, t : t + 1], state)
    with av.variable_scope("read", reuse=av.AUTO_REUSE):
        return state[0] @ av.get_variable("kernel", (units, 2))


with av.VariableStore(seed=0) as store:
    optimizer = optim.Adam(learning_rate=0.02)
    for step in range(150):
        x = rng.standard_normal((64, 8), dtype=np.float32)
        labels = (x[:, 0] > 0).astype(int)
        with av.GradientTape() as tape:
            loss = av.mean(av.nn.softmax_cross_entropy(remember(x), labels))
        variables = store.trainable_variables()
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        if step % 50 == 49:
            print(f"LSTM over 8 steps, after {step + 1} updates: loss {loss:.3f}")
    assert [v.op.name for v in store.variables()] == ["cell/kernel", "cell/bias", "read/kernel"]
    assert loss.item() < 0.3
    print()


# %% [markdown]
# ## 3. One encoder for two inputs, or for two heads
#
# A siamese network compares two inputs in the same code space; an autoencoder with a classifier puts two heads on one
# code. In both the encoder is asked for twice under one name. `store.readers` tells who asked.


# %%
def dense(x, units, name):
    with av.variable_scope(name):
        kernel = av.get_variable("kernel", (x.shape[-1], units))
        return x @ kernel + av.get_variable("bias", (units,), initializer=av.initializers.zeros)


def encode(x):
    with av.variable_scope("encoder", reuse=av.AUTO_REUSE):
        return av.tanh(dense(av.tanh(dense(x, 16, "hidden")), 4, "code"))


def distance(x1, x2):
    return av.sum((encode(x1) - encode(x2)) ** 2, axis=-1)


def reconstruct(x):
    with av.name_scope("reconstruction"):
        code = encode(x)
    with av.variable_scope("decoder", reuse=av.AUTO_REUSE):
        return dense(code, x.shape[-1], "out")


def classify(x):
    with av.name_scope("classification"):
        code = encode(x)
    with av.variable_scope("classifier", reuse=av.AUTO_REUSE):
        return dense(code, 3, "logits")


x1, x2 = (rng.standard_normal((32, 8), dtype=np.float32) for _ in range(2))
with av.VariableStore(seed=0) as store:
    assert distance(x1, x2).shape == (32,)
    assert not distance(x1, x1).numpy().any()
    assert len(store) == 4  # one encoder
    with av.GradientTape() as tape:
        loss = av.nn.mse(reconstruct(x1), x1) + av.mean(av.nn.softmax_cross_entropy(classify(x1), np.arange(32) % 3))
    gradients = tape.gradient(loss, {v.op.name: v for v in store.trainable_variables()})
    assert len(store) == 8 and all(g is not None for g in gradients.values())
    for name, readers in store.readers.items():
        print(f"{name:24} {store[name].shape!s:9} read by", ", ".join(r for r in readers if ">" not in r) or "one call")
    assert set(store.readers["encoder/code/bias"]) > {"reconstruction/encoder/code", "classification/encoder/code"}
    print()

# %% [markdown]
# ## 4. An attention matrix applied at every position
#
# The same query, key and value matrices serve all positions, and here two layers as well: "shared" is asked for
# twice.


# %%
def attend(x, width=8):
    with av.variable_scope("shared", reuse=av.AUTO_REUSE):
        queries, keys, values = (x @ av.get_variable(name, (x.shape[-1], width)) for name in ("query", "key", "value"))
    weights = av.nn.softmax(queries @ av.swapaxes(keys, -1, -2) / np.float32(width**0.5), axis=-1)
    return weights @ values, weights


with av.VariableStore(seed=0) as store:
    sequence = rng.standard_normal((2, 10, 8), dtype=np.float32)
    once, weights = attend(sequence)
    twice, _ = attend(once)
    assert len(store) == 3 and twice.shape == (2, 10, 8) and np.allclose(weights.numpy().sum(-1), 1, atol=1e-5)
    order = rng.permutation(10)  # no position has weights of its own: a permuted input gives the permuted output
    permuted, _ = attend(sequence[:, order])
    assert np.allclose(permuted.numpy(), once.numpy()[:, order], atol=1e-5)
    print("attention:", ", ".join(store), "\n")

# %% [markdown]
# ## 5. Tied input and output embeddings
#
# The table that turns words into vectors is used again, transposed, to score the next word. It gets gradients from
# both ends.


# %%
def embed(ids, vocabulary=20, width=8):
    with av.variable_scope("embedding", reuse=av.AUTO_REUSE):
        table = av.get_variable("table", (vocabulary, width), initializer=av.initializers.random_normal(stddev=0.3))
    return av.nn.embedding_lookup(table, ids)


def next_word_logits(ids):
    hidden = av.tanh(dense(embed(ids), 8, "hidden"))
    with av.variable_scope("embedding", reuse=True):
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
    assert list(store) == ["embedding/table", "hidden/kernel", "hidden/bias"]
    assert (predicted == (words + 1) % 20).all()
    print(f"tied embeddings count to twenty: loss {loss:.4f}\n")

# %% [markdown]
# ## 6. A training loop of one's own
#
# One `Variable` made outside, a step function that reads it on a tape, an optimizer that updates it in place. It is
# the same object in every epoch; at the end its value is read.

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
    print(f"learned slope: {slope.item():.3f}\n")
    assert abs(slope.item() - 3) < 0.05

# %% [markdown]
# ## 7. Transfer learning
#
# Pretrained values are assigned to variables that do not train; only what is new is in `trainable_variables()`.

# %%
with av.VariableStore(seed=1) as pretrained_store:
    pretrained_features = encode(x1)

with av.VariableStore(seed=0) as store:
    with av.variable_scope("", trainable=False):
        encode(x1)
    for variable in store.variables("encoder"):
        variable.assign(pretrained_store[variable.op.name])
    features = encode(x1)
    with av.variable_scope("new"):
        dense(features, 3, "head")
    assert [v.op.name for v in store.trainable_variables()] == ["new/head/kernel", "new/head/bias"]

    frozen = {v.op.name: v.numpy() for v in store.variables("encoder")}
    optimizer = optim.Adam(learning_rate=0.05)
    labels = (x1[:, 0] > 0).astype(int)
    first_loss = None
    for _ in range(60):
        with av.GradientTape() as tape:
            features = encode(x1)
            with av.variable_scope("new", reuse=True):
                loss = av.mean(av.nn.softmax_cross_entropy(dense(features, 3, "head"), labels))
        first_loss = first_loss or loss.item()
        assert [v.op.name for v in tape.watched_variables()] == ["new/head/kernel", "new/head/bias"]
        variables = store.trainable_variables()
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
    assert np.array_equal(encode(x1).numpy(), pretrained_features.numpy())
    assert all(np.array_equal(store[name].numpy(), value) for name, value in frozen.items())
    assert loss.item() < first_loss
    print(f"transfer: loss {first_loss:.3f} -> {loss:.3f} with a frozen encoder")
    show(store)

# %% [markdown]
# ## 9. A pretrained scope loaded by name into another model
#
# Names make parts of models exchangeable: the encoder of one model is copied into the scope "student/encoder" of
# another.


# %%
def load_scope(source, scope, target, into):
    """Copy the values of `source`'s variables under `scope` to the variables of the same names under `into`."""
    for variable in source.variables(scope):
        name = into + variable.op.name.removeprefix(scope)
        target[name].assign(variable)
        print(f"{variable.op.name} -> {name}")


with av.VariableStore(seed=2) as store:
    with av.variable_scope("student"):
        before = encode(x1)
        dense(before, 2, "head")
    load_scope(pretrained_store, "encoder", store, "student/encoder")
    with av.variable_scope("student", reuse=True):
        after = encode(x1)
    assert not np.array_equal(before.numpy(), after.numpy())
    assert np.array_equal(after.numpy(), pretrained_features.numpy())
