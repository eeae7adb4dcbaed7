# %% [markdown]
# # Layers
#
# A layer is a function with variables of its own. It takes them from `get_variable` in a scope of its own, so what was
# said about names and sharing holds for layers as well. After this notebook you can
#
# - build a convolutional network from layers, train it, and look inside of it,
# - share layers, freeze them, and write your own,
# - run cells along sequences, in both directions, with masks, and attention step by step with a cache.
#
# The images are real handwritten digits (`tutorials/data/README.md`: source and licence).

# %%
import matplotlib.pyplot as plt
import numpy as np
from tutorial_data import load_digits

import autograd_vs as av
import optim

digits = load_digits()
images, labels = digits["train"]
images = images.reshape(-1, 8, 8, 1)
valid_images, valid_labels = digits["validation"]
valid_images = valid_images.reshape(-1, 8, 8, 1)
test_images, test_labels = digits["test"]
test_images = test_images.reshape(-1, 8, 8, 1)

layers = av.layers
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#666666"  # told apart by colour-blind readers, too


def show_images(pictures, titles=(), columns=8, **style):
    lines = -(-len(pictures) // columns)
    size = (0.85 * columns, (0.85 + 0.25 * any(titles)) * lines)
    _, axes = plt.subplots(lines, columns, figsize=size, dpi=80, layout="constrained")
    for ax in axes.flat:
        ax.axis("off")
    for ax, picture in zip(axes.flat, pictures, strict=False):
        ax.imshow(picture, **{"cmap": "gray_r"} | style)
    for ax, title in zip(axes.flat, titles, strict=False):
        ax.set_title(title, fontsize=10)


# %% [markdown]
# ## 1. A network in one expression
#
# `Sequential` runs layers and functions one after the other. Variables are made at the first call, when the shapes are
# known. `training=` goes to the layers that take it. The table says what there is, and under which name.

# %%
av.random.set_seed(0)
model = layers.Sequential([
    layers.Conv2D(16, 3, activation="relu"),
    layers.BatchNorm(),
    layers.MaxPool2D(2),
    layers.Conv2D(32, 3, activation="relu"),
    layers.GlobalAvgPool(),
    layers.Dropout(0.2),
    layers.Dense(10),
])  # fmt: skip
model(images[:1], training=False)
av.summary(model)

# %% [markdown]
# ## 2. A training loop
#
# The same tape and optimizer as with any variables, and the step may be a plan: `av.function` notes what the first
# call does, and replays it. The history has the loss of each step, and what the validation images say after each epoch.

# %%
optimizer = optim.Adam(3e-3)


@av.function
def train(x, y):
    with av.GradientTape() as tape:
        loss = av.nn.softmax_cross_entropy(model(x, training=True), y, reduction="mean")
    weights = model.trainable_weights
    optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
    return loss


def epochs(number, history):
    for epoch in range(number):
        order = rng.permutation(len(images))
        for rows in np.split(order[:1152], 18):
            history.log(epoch=epoch, loss=train(images[rows], labels[rows]))
        logits = model(valid_images, training=False)
        loss = av.nn.softmax_cross_entropy(logits, valid_labels, reduction="mean")
        history.log(epoch=epoch, val_loss=loss, val_accuracy=av.metrics.accuracy(logits, valid_labels))


rng, history = np.random.default_rng(0), av.History()
epochs(20, history)

# %% [markdown]
# In the first epochs the accuracy on the validation images lags far behind: in training `BatchNorm` takes the mean and
# variance of the batch, and else its running averages, which have to settle first.

# %%
_, axes = plt.subplots(1, 2, figsize=(7.5, 3), dpi=80, layout="constrained")
history.plot("loss", "val_loss", ax=axes[0], smoothing=0.8)
history.plot("val_accuracy", ax=axes[1])
assert history.last("val_accuracy") > 0.9

# %% [markdown]
# On the test images, which were used for nothing so far: what is taken for what, and a few of the mistakes.

# %%
probabilities = av.nn.softmax(model(test_images, training=False)).numpy()
confusions = av.metrics.ConfusionMatrix(10)
confusions.update(probabilities, test_labels)
_, ax = plt.subplots(figsize=(4.2, 3.8), dpi=80, layout="constrained")
confusions.plot(ax=ax)
assert np.trace(confusions.result()) > 0.9 * len(test_labels)

# %%
answers = probabilities.argmax(axis=1)
wrong = np.flatnonzero(answers != test_labels)[:8]
show_images(test_images[wrong, :, :, 0], [f"{test_labels[i]} as {answers[i]}" for i in wrong])

# %% [markdown]
# ## 3. Inside of the network
#
# A `Sequential` can be indexed and sliced. The first layer has 16 filters of 3x3 pixels (red: ink wanted, blue: not
# wanted), of which eight are shown; below is what each of them makes of one image. Some answer to edges from one side,
# some to strokes.

# %%
filters = model[0].weights[0].numpy()  # "sequential/conv2d/kernel"
limit = abs(filters).max()
show_images(filters[:, :, 0].transpose(2, 0, 1)[:8], range(8), cmap="RdBu_r", vmin=-limit, vmax=limit)

# %%
answer = model[0](test_images[3:4]).numpy()[0]
show_images([test_images[3, :, :, 0], *answer.transpose(2, 0, 1)[:8]], ["image", *range(8)], columns=9, vmin=0)
assert answer.shape == (8, 8, 16)

# %% [markdown]
# ## 4. Names and sharing
#
# One layer, called twice, shares; two layers of one class get `dense` and `dense_1` in the scope where they are first
# called. The functional form, `av.layers.dense`, shares by name, as `reuse=` says. The last column of the table says
# which calls share.

# %%
with av.VariableStore(seed=0) as store:
    encoder = layers.Dense(4, activation="tanh")
    with av.variable_scope("siamese"):
        with av.name_scope("left"):
            left = encoder(images[:2].reshape(2, 64))
        with av.name_scope("right"):
            right = encoder(images[2:4].reshape(2, 64))
        similarity = layers.Dense(1)(left * right)
    with av.variable_scope("siamese", reuse=True):
        same = layers.dense(images[:2].reshape(2, 64), 4, activation="tanh", name="dense")

assert np.array_equal(left.numpy(), same.numpy()) and len(store) == 4
av.summary(store)

# %% [markdown]
# ## 5. A layer of one's own
#
# `build` makes the variables, `call` computes. Layers in attributes, lists and dicts belong to it. This one adds what
# its steps compute to its input, times a number that is 0 at first: so it begins as the identity, however many of them
# lie above one another (the idea is ReZero's, <https://arxiv.org/abs/2003.04887>).


# %%
class Residual(layers.Layer):
    def __init__(self, units, **options):
        super().__init__(**options)
        self.steps = [layers.Dense(units, activation="relu"), layers.Dense(units)]

    def build(self, shape):
        self.scale = self.add_weight("scale", (), initializer=av.initializers.zeros)

    def call(self, x):
        y = x
        for step in self.steps:
            y = step(y)
        return x + self.scale * y


class Plain(Residual):
    def build(self, shape):
        """No scale."""

    def call(self, x):
        for step in self.steps:
            x = step(x)
        return x


with av.VariableStore(seed=0):
    block = Residual(64)
    y = block(images[:2].reshape(2, 64))

assert np.array_equal(y.numpy(), images[:2].reshape(2, 64))
av.summary(block)

# %% [markdown]
# Twenty-five such blocks are fifty matrices deep. With the sum they learn at once; the same matrices simply one after
# the other learn nothing in this time.


# %%
def train_deep(block, steps=150):
    history, rng = av.History(), np.random.default_rng(0)
    with av.VariableStore(seed=0):
        deep = layers.Sequential([*(block(64) for _ in range(25)), layers.Dense(10)])
        deep(images[:1].reshape(-1, 64))  # makes the variables
        optimizer = optim.Adam(2e-3)

        @av.function
        def step(x, y):
            loss_of = lambda: av.nn.softmax_cross_entropy(deep(x), y, reduction="mean")  # noqa: E731
            return optimizer.minimize(loss_of, deep.trainable_weights)

        for _ in range(steps):
            rows = rng.integers(0, len(images), 64)
            history.log(loss=step(images[rows].reshape(-1, 64), labels[rows]))
    return history


runs = {"x + scale * steps(x)": train_deep(Residual), "steps(x)": train_deep(Plain)}
_, ax = plt.subplots(figsize=(7, 2.8), dpi=80, layout="constrained")
av.plot.compare(runs, "loss", ax=ax, smoothing=0.8)
ax.set_title("Twenty-five blocks above one another")
residual, plain = (run.smoothed("loss", 0.8)[-1] for run in runs.values())
assert residual < 0.5 * plain

# %% [markdown]
# ## 6. Freezing
#
# `trainable = False` freezes a layer and all below it: tapes do not watch its variables, so they cost no gradient, and
# `trainable_weights` leaves them out. A frozen `BatchNorm` keeps its running averages. Here all but the last layer is
# frozen, and one more step is taken. `train` is a plan, and notices.

# %%
for layer in model[:6]:
    if isinstance(layer, layers.Layer):
        layer.trainable = False
before = [v.numpy() for v in model.weights]
train(images[:64], labels[:64])
changed = [v.name for v, old in zip(model.weights, before, strict=True) if not np.array_equal(v.numpy(), old)]
assert changed == ["sequential/dense/kernel:0", "sequential/dense/bias:0"]
changed

# %% [markdown]
# ## 7. Sequences
#
# An image as a sequence: eight rows, from top to bottom. `RNN` runs a cell along them. A mask leaves steps out, so one
# call can have sequences of several lengths: here some are cut off at random, and the network has to do with fewer
# rows.

# %%
sequences, test_sequences = images.reshape(-1, 8, 8), test_images.reshape(-1, 8, 8)


class Reader(layers.Layer):
    def __init__(self, backward=None, **options):
        super().__init__(**options)
        self.rnn = layers.RNN(layers.GRUCell(32), backward=backward)
        self.head = layers.Dense(10)

    def call(self, x, lengths):
        return self.head(self.rnn(x, mask=np.arange(8) < lengths[:, None]))


with av.VariableStore(seed=0):
    reader = Reader()
    reader(sequences[:2], np.array([8, 5]))
    optimizer, rng = optim.Adam(5e-3), np.random.default_rng(0)

    @av.function
    def read(x, lengths, y):
        loss_of = lambda: av.nn.softmax_cross_entropy(reader(x, lengths), y, reduction="mean")  # noqa: E731
        return optimizer.minimize(loss_of, reader.trainable_weights)

    for _ in range(1500):
        rows = rng.integers(0, len(images), 64)
        read(sequences[rows], rng.integers(2, 9, 64), labels[rows])

# %% [markdown]
# How many rows must it see? After five of the eight it is right most of the time, and the last two rows add nothing:
# by then most digits can be told apart.

# %%
seen = np.arange(1, 9)
found = [av.metrics.accuracy(reader(test_sequences, np.full(300, n)), test_labels).item() for n in seen]
_, ax = plt.subplots(figsize=(7, 2.6), dpi=80, layout="constrained")
ax.plot(seen, found, "o-", color=BLUE)
ax.axhline(0.1, color=GREY, linestyle=":", label="guessing")
ax.set(xlabel="rows seen", ylabel="test accuracy", ylim=(0, 1.02), title="A GRU reads digits from top to bottom")
ax.legend(frameon=False)
assert found[-1] > 0.85 and found[0] < 0.5

# %% [markdown]
# With `backward=` a second cell runs from the last step to the first, and both outputs lie side by side. What is masked
# has no influence at all: a sequence of five steps gives the same in a batch of longer ones as alone.

# %%
with av.VariableStore(seed=0):
    both = layers.RNN(layers.GRUCell(6), backward=layers.GRUCell(6))
    together = both(sequences[:4], mask=np.arange(8) < np.array([[8], [5], [8], [3]])).numpy()
    assert together.shape == (4, 12)
    assert np.allclose(together[1], both(sequences[1:2, :5])[0].numpy(), atol=1e-6)

# %% [markdown]
# A causal attention block can go step by step: a cache keeps the keys and values of the steps before. The result is
# that of the whole sequence at once. The cache has a fixed length, so one plan is traced for all steps.

# %%
with av.VariableStore(seed=0):
    block = layers.TransformerBlock(heads=2)
    whole = block(sequences[:4], causal=True).numpy()

    @av.function
    def advance(row, cache):
        return block(row, causal=True, cache=cache)

    cache = block.make_cache(sequences[:4], length=8)
    for step in range(8):
        y, cache = advance(sequences[:4, step : step + 1], cache)
        assert np.allclose(y[:, 0].numpy(), whole[:, step], atol=1e-5)
    assert advance.traces == 1

print(f"{cache.used.item()} steps by {advance.traces} plan")
