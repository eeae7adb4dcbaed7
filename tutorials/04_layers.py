# %% [markdown]
# # Layers
#
# A layer is a function with variables of its own. It takes them from `get_variable` in a scope of its own, so what was
# said about names and sharing holds for layers as well. This tutorial trains a small convolutional network on
# handwritten digits, then looks at names, sharing, freezing, layers of one's own and sequences.

# %%
import numpy as np
from tutorial_data import load_digits

import autograd_vs as av
import optim

digits = load_digits()
images, labels = digits["train"]
images = images.reshape(-1, 8, 8, 1)
test_images, test_labels = digits["test"]
test_images = test_images.reshape(-1, 8, 8, 1)

# %% [markdown]
# ## 1. A network in one expression
#
# `Sequential` runs layers and functions one after the other. Variables are made at the first call, when the shapes are
# known. `training=` goes to the layers that take it.

# %%
av.random.set_seed(0)
layers = av.layers
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
print(av.summary(model))

# %% [markdown]
# ## 2. A training loop
#
# The same tape and optimizer as with any variables, and the step may be a plan.

# %%
optimizer = optim.Adam(3e-3)


@av.function
def train(x, y):
    with av.GradientTape() as tape:
        loss = av.nn.softmax_cross_entropy(model(x, training=True), y, reduction="mean")
    weights = model.trainable_weights
    optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
    return loss


def accuracy():
    return float(np.mean(model(test_images, training=False).numpy().argmax(1) == test_labels))


rng = np.random.default_rng(0)
for epoch in range(10):
    order = rng.permutation(len(images))
    losses = [train(images[rows], labels[rows]).item() for rows in np.split(order[:1152], 18)]
    print(f"epoch {epoch + 1}: loss {np.mean(losses):.3f}, accuracy on the test set {accuracy():.3f}")
assert accuracy() > 0.9

# %% [markdown]
# ## 3. Names and sharing
#
# One layer, called twice, shares; two layers of one class get `dense` and `dense_1` in the scope where they are first
# called. The functional form, `av.layers.dense`, shares by name, as `reuse=` says.

# %%
with av.VariableStore(seed=0) as store:
    with av.variable_scope("siamese"):
        encoder = layers.Dense(4, activation="tanh")
        left, right = encoder(images[:2].reshape(2, 64)), encoder(images[2:4].reshape(2, 64))
        similarity = layers.Dense(1)(left * right)
    with av.variable_scope("siamese", reuse=True):
        same = layers.dense(images[:2].reshape(2, 64), 4, activation="tanh", name="dense")
    print(av.summary(store))
    assert np.array_equal(left.numpy(), same.numpy()) and len(store) == 4

# %% [markdown]
# ## 4. A layer of one's own
#
# `build` makes the variables, `call` computes. Layers in attributes, lists and dicts belong to it.


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


with av.VariableStore(seed=0):
    block = Residual(64)
    y = block(images[:2].reshape(2, 64))
    print([v.name for v in block.weights])
    assert np.array_equal(y.numpy(), images[:2].reshape(2, 64))  # the scale starts with 0

# %% [markdown]
# ## 5. Freezing
#
# `trainable = False` freezes a layer and all below it: tapes do not watch its variables, so they cost no gradient, and
# `trainable_weights` leaves them out. A frozen `BatchNorm` keeps its running averages.

# %%
for layer in model[:6]:
    if isinstance(layer, layers.Layer):
        layer.trainable = False
before = [v.numpy() for v in model.weights]
loss = train(images[:64], labels[:64])
changed = [v.name for v, old in zip(model.weights, before, strict=True) if not np.array_equal(v.numpy(), old)]
print("changed by a step:", changed)
assert changed == ["sequential/dense/kernel:0", "sequential/dense/bias:0"]

# %% [markdown]
# ## 6. Sequences
#
# The rows of an image as a sequence. `RNN` runs cells along time, here in both directions; a mask leaves steps out. A
# causal attention block can go step by step: a cache keeps the keys and values of the steps before. It has a fixed
# length, so one plan is traced for all steps.

# %%
rows = images[:4].reshape(4, 8, 8)
with av.VariableStore(seed=0):
    rnn = layers.RNN(layers.GRUCell(6), backward=layers.GRUCell(6))
    lengths = np.array([8, 5, 8, 3])
    last = rnn(rows, mask=np.arange(8) < lengths[:, None]).numpy()
    assert np.allclose(last[3], rnn(rows[3:, :3])[0].numpy(), atol=1e-6)

    block = layers.TransformerBlock(heads=2)
    whole = block(rows, causal=True).numpy()

    @av.function
    def advance(row, cache):
        return block(row, causal=True, cache=cache)

    cache = block.make_cache(rows, length=8)
    for step in range(8):
        y, cache = advance(rows[:, step : step + 1], cache)
        assert np.allclose(y[:, 0].numpy(), whole[:, step], atol=1e-5)
    print(f"{cache.used.item()} steps by {advance.traces} plan")
    assert advance.traces == 1
