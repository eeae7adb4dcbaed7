# %% [markdown]
# # A training loop from scratch
#
# Nothing here is hidden in a `fit`. After this notebook you can
#
# - write the gradient of a network by hand, and see that the tape gives the same numbers,
# - say what a tape records, and check gradients against differences,
# - write a loop with minibatches and validation, with an optimizer of your own or one from `optim`,
# - find out why a gradient is `None`, and what happens if a variable changes between the loss and its gradient,
# - run a cell of a notebook again without an error.
#
# The data are real handwritten digits (`tutorials/data/README.md`: source and licence).

# %%
import matplotlib.pyplot as plt
import numpy as np
from tutorial_data import load_digits

import autograd_vs as av
import optim

data = load_digits()
(images, labels), (valid_images, valid_labels), (test_images, test_labels) = data.values()
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#666666"  # told apart by colour-blind readers, too


def show_images(rows, titles, limit=None):
    """Images of 64 pixels side by side; with `limit` blue is negative and red positive."""
    _, axes = plt.subplots(1, len(rows), figsize=(7, 1.2), dpi=80, layout="constrained")
    style = {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit} if limit else {"cmap": "gray_r", "vmin": 0, "vmax": 1}
    for ax, row, title in zip(axes, rows, titles, strict=True):
        ax.imshow(row.reshape(8, 8), **style)
        ax.set(xticks=[], yticks=[], title=title)


show_images(images[:10], labels[:10])

# %% [markdown]
# ## 1. A gradient by hand, and by a tape
#
# The simplest classifier: one matrix turns 64 pixels into 10 scores, the softmax turns scores into probabilities, and
# the loss is the mean of `-log(probability of the right digit)`. What is computed inside of the tape can be
# differentiated; a `Variable` is watched by itself. `x` and `labels` are plain NumPy arrays.

# %%
x, y = images[:256], labels[:256]
kernel = av.Variable(np.zeros((64, 10), np.float32), name="kernel")
bias = av.Variable(np.zeros(10, np.float32), name="bias")

with av.GradientTape() as tape:
    scores = x @ kernel + bias
    loss = av.mean(av.nn.softmax_cross_entropy(scores, y))

kernel_gradient, bias_gradient = tape.gradient(loss, [kernel, bias])
assert np.isclose(loss.item(), np.log(10))  # ten equal probabilities
loss, kernel_gradient

# %% [markdown]
# By hand: the derivative of the loss with respect to the scores is `probabilities - one-hot labels`, over the number
# of images. The chain rule takes it through the matrix product and the sum.

# %%
probabilities = np.full((256, 10), 0.1)
at_scores = (probabilities - np.eye(10)[y]) / 256
by_hand = x.T @ at_scores, at_scores.sum(axis=0)

differences = [abs(g.numpy() - h).max() for g, h in zip((kernel_gradient, bias_gradient), by_hand, strict=True)]
assert max(differences) < 1e-7  # float32 has about seven digits
print("largest difference, kernel and bias:", *(f"{d:.1e}" for d in differences))

# %% [markdown]
# The gradient of the kernel has the shape of ten images, so look at it. Where it is blue, more weight makes the loss
# smaller: going down the gradient, each column first becomes a picture of its digit.

# %%
show_images(kernel_gradient.numpy().T, range(10), limit=abs(kernel_gradient.numpy()).max())

# %% [markdown]
# ## 2. A hidden layer
#
# Now a network: a `tanh` between two matrices. By hand that is already a page of algebra, and each change of the model
# means new algebra. In float64 hand and tape differ by rounding only.


# %%
def network(x, w1, b1, w2, b2):
    return np.tanh(x @ w1 + b1) @ w2 + b2  # NumPy functions take Variables and Tensors


def gradient_by_hand(x, y, w1, b1, w2, b2):
    hidden = np.tanh(x @ w1 + b1)
    scores = hidden @ w2 + b2
    exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
    at_scores = (exponentials / exponentials.sum(axis=1, keepdims=True) - np.eye(10)[y]) / len(x)
    at_hidden = at_scores @ w2.T * (1 - hidden**2)  # the derivative of tanh is 1 - tanh**2
    return x.T @ at_hidden, at_hidden.sum(axis=0), hidden.T @ at_scores, at_scores.sum(axis=0)


def cross_entropy(x, y, *weights):
    return av.mean(av.nn.softmax_cross_entropy(network(x, *weights), y))


rng = np.random.default_rng(0)
exact = [rng.normal(0, 0.1, shape) for shape in ((64, 32), (32,), (32, 10), (10,))]
x64 = x.astype(np.float64)

weights = [av.Variable(w) for w in exact]
with av.GradientTape() as tape:
    loss = cross_entropy(x64, y, *weights)
by_tape = [g.numpy() for g in tape.gradient(loss, weights)]

differences = [abs(a - b).max() for a, b in zip(by_tape, gradient_by_hand(x64, y, *exact), strict=True)]
assert max(differences) < 1e-14
print("largest difference for each of the four:", *(f"{d:.0e}" for d in differences))

# %% [markdown]
# ## 3. What a tape records
#
# Each op on something that is watched leaves an entry: its rule, and the arrays that the rule needs later. `gradient`
# goes through the entries from the last to the first. With `profile=True` the tape shows what it holds. Nothing is
# recorded of `x64.mean()`: no variable is in it.

# %%
with av.GradientTape(profile=True) as tape:
    x64.mean()
    loss = cross_entropy(x64, y, *weights)
tape.gradient(loss, weights)
profile = tape.profile()
profile

# %% [markdown]
# A tape is used up by `gradient`, which frees the arrays; `persistent=True` keeps them for more than one. What happens
# inside of `tape.stop_recording()` leaves no entries. A variable with `trainable=False` is not watched, unless
# `tape.watch` names it.

# %%
frozen = av.Variable(2.0, trainable=False, name="frozen")
free = av.Variable(3.0, name="free")
with av.GradientTape(persistent=True) as tape:
    product = frozen * free
    with tape.stop_recording():
        unseen = free**2
assert [v.name for v in tape.watched_variables()] == ["free:0"]
tape.gradient(product, free).item(), tape.gradient(product, frozen), tape.gradient(unseen, free)

# %% [markdown]
# ## 4. Checking a gradient against differences
#
# A third opinion, which needs no algebra: change one number a little, and see how the loss changes. How little? With
# large steps the loss is not straight, with small ones rounding takes over. The best step lies in between, and depends
# on the function; the tape needs none.


# %%
def loss_at(change):
    moved = [exact[0].copy(), *exact[1:]]
    moved[0][30, 5] += change
    return cross_entropy(x64, y, *moved).item()


steps = 10.0 ** np.arange(-12, 0.5, 0.5)
errors = [abs((loss_at(h) - loss_at(-h)) / (2 * h) - by_tape[0][30, 5]) for h in steps]

_, ax = plt.subplots(figsize=(7, 2.8), dpi=80, layout="constrained")
ax.loglog(steps, errors, "o-", color=BLUE)
ax.set(xlabel="step h", ylabel="difference from the tape", title="Central differences: curvature right, rounding left")
assert min(errors) < 1e-9 < min(errors[0], errors[-1])

# %% [markdown]
# `av.testing.check_gradients` does this for whole functions, in random directions, with a better formula, and for
# second derivatives as well. It is the test for a gradient that you write yourself. Here one of two is wrong:


# %%
@av.custom_gradient
def swish(x):
    s = 1 / (1 + np.exp(-x))
    return x * s, lambda g: g * (s + x * s * (1 - s))


@av.custom_gradient
def wrong_swish(x):
    s = 1 / (1 + np.exp(-x))
    return x * s, lambda g: g * (s + x * (1 - s))


point = rng.normal(size=5)
av.testing.check_gradients(lambda *w: cross_entropy(x64[:8], y[:8], *w), exact)
av.testing.check_gradients(swish, (point,), modes=["reverse"])
try:
    av.testing.check_gradients(wrong_swish, (point,), modes=["reverse"])
except AssertionError as error:
    print(error)
else:
    raise ArithmeticError("the wrong gradient should have been noticed")

# %% [markdown]
# ## 5. The loop
#
# The variables lie in a store, under names. An epoch goes through all images once, in a new order, 64 at a time; the
# last ones that do not fill a batch are left for another epoch. After each epoch the loss on the validation images,
# which the optimizer never sees, says how well it generalizes. (`av.data.batches` shuffles and cuts for you, and its
# state can be saved.)


# %%
def new_model(seed=0):
    """A store with the four variables of the network; the same seed gives the same numbers."""
    with av.VariableStore(seed=seed) as store:
        for name, shape in (("hidden", (64, 32)), ("scores", (32, 10))):
            with av.variable_scope(name):
                av.get_variable("kernel", shape)
                av.get_variable("bias", shape[1:], initializer=av.initializers.zeros)
    return store


def run(store, update, epochs=30, seed=0):
    """Train; `update(gradients, variables)` changes the variables. The History of losses and accuracies."""
    variables, rng, history = store.trainable_variables(), np.random.default_rng(seed), av.History()
    for epoch in range(epochs):
        order = rng.permutation(len(images))
        for rows in np.split(order[:1152], 18):
            with av.GradientTape() as tape:
                loss = cross_entropy(images[rows], labels[rows], *variables)
            update(tape.gradient(loss, variables), variables)
            history.log(epoch=epoch, loss=loss)
        valid_loss = cross_entropy(valid_images, valid_labels, *variables)
        accuracy = np.mean(network(valid_images, *variables).numpy().argmax(axis=1) == valid_labels)
        history.log(epoch=epoch, val_loss=valid_loss, val_accuracy=accuracy)
    return history


model = new_model()
optimizer = optim.SGD(learning_rate=0.5)
history = run(model, lambda gradients, variables: optimizer.apply_gradients(zip(gradients, variables, strict=True)))
model

# %% [markdown]
# `History.plot` draws what was logged; `loss` and `val_loss` get one colour. At first both fall together. Later the
# loss on the validation images hardly changes, while that on the training images, which the network has seen again and
# again, goes on falling: more epochs would only widen that gap.

# %%
figure, axes = plt.subplots(1, 2, figsize=(7.5, 3), dpi=80, layout="constrained")
history.plot("loss", "val_loss", ax=axes[0], smoothing=0.8, log=True)
history.plot("val_accuracy", ax=axes[1])
assert history.last("val_accuracy") > 0.93

# %% [markdown]
# What has it learned? The first kernel has 32 columns of 64 numbers, which are images again. Each hidden unit compares
# the image with its picture: red pixels for, blue ones against.

# %%
show_images(model["hidden/kernel"].numpy().T[:10], [f"unit {i}" for i in range(10)], limit=1.0)

# %% [markdown]
# And where is it wrong? A confusion matrix has a row for each digit and a column for each answer.

# %%
confusions = av.metrics.ConfusionMatrix(10)
confusions.update(network(test_images, *model.variables()), test_labels)
figure, ax = plt.subplots(figsize=(4.2, 3.8), dpi=80, layout="constrained")
confusions.plot(ax=ax)
assert np.trace(confusions.result()) > 0.93 * len(test_labels)

# %% [markdown]
# ## 6. An optimizer by hand
#
# Gradient descent is one line, momentum is two. Adam divides by the size of recent gradients. Each is written here in
# NumPy, and takes the same steps as its namesake in `optim`, whose state lies under the names of the variables and can
# be saved.


# %%
class Momentum:
    def __init__(self, rate, momentum):
        self.rate, self.momentum, self.speed = rate, momentum, {}

    def __call__(self, gradients, variables):
        for g, v in zip(gradients, variables, strict=True):
            self.speed[v.name] = self.momentum * self.speed.get(v.name, 0) + g.numpy()
            v.assign_sub(self.rate * self.speed[v.name])


class Adam:
    def __init__(self, rate, beta_1=0.9, beta_2=0.999, epsilon=1e-8):
        self.rate, self.betas, self.epsilon = rate, (beta_1, beta_2), epsilon
        self.moments, self.step = {}, 0

    def __call__(self, gradients, variables):
        (b1, b2), self.step = self.betas, self.step + 1
        for g, v in zip(gradients, variables, strict=True):
            m, s = self.moments.get(v.name, (0, 0))
            m, s = b1 * m + (1 - b1) * g.numpy(), b2 * s + (1 - b2) * g.numpy() ** 2
            self.moments[v.name] = m, s
            unbiased = m / (1 - b1**self.step), s / (1 - b2**self.step)
            v.assign_sub(self.rate * unbiased[0] / (np.sqrt(unbiased[1]) + self.epsilon))


def from_optim(optimizer):
    return lambda gradients, variables: optimizer.apply_gradients(zip(gradients, variables, strict=True))


runs, models = {}, {}
for name, update in {
    "SGD": from_optim(optim.SGD(0.1)),
    "momentum by hand": Momentum(0.1, 0.9),
    "momentum of optim": from_optim(optim.SGD(0.1, momentum=0.9)),
    "Adam by hand": Adam(0.005),
    "Adam of optim": from_optim(optim.Adam(0.005)),
}.items():
    models[name] = new_model()
    runs[name] = run(models[name], update, epochs=10)

# %% [markdown]
# In the picture the curves by hand (broad, pale) lie under those of `optim`. Here momentum takes the very same steps,
# and Adam differs in the seventh digit of the loss, which is the rounding of float32.

# %%
_, ax = plt.subplots(figsize=(7, 3), dpi=80, layout="constrained")
styles = {"SGD": (GREY, 1.5, 1), "momentum": (BLUE, 1.5, 1), "Adam": (ORANGE, 1.5, 1)}
for name, history in runs.items():
    colour, width, alpha = styles[name.split()[0]]
    if "by hand" in name:
        width, alpha = 7, 0.3
    ax.plot(1 + history.epochs("val_loss"), history["val_loss"], color=colour, lw=width, alpha=alpha, label=name)
ax.set(xlabel="epoch", ylabel="validation loss", yscale="log", ylim=(0.1, 5), title="Five runs from one start")
ax.legend(frameon=False, ncols=2)
for name in ("momentum", "Adam"):
    assert np.allclose(runs[f"{name} by hand"]["loss"], runs[f"{name} of optim"]["loss"], rtol=1e-4)
    assert runs[f"{name} of optim"].last("val_loss") < runs["SGD"].last("val_loss")

# %% [markdown]
# ## 7. A variable that changes between loss and gradient
#
# An update between the forward pass and `gradient` is a classic trap: the rule of a product needs the *old* value of
# the other factor. Here the promise is that the gradient is always the one at the values that the forward pass read.

# %%
w = av.Variable(3.0, name="w")
with av.GradientTape() as tape:
    y_of_w = w**2
w.assign(100.0)
assert tape.gradient(y_of_w, w).item() == 6.0  # 2 * 3, not 2 * 100
w

# %% [markdown]
# That makes loops safe in which parts take turns. Here the head is updated first, and the gradient of the body, whose
# rule reads the head's kernel, is taken from the same tape afterwards. It is that of one joint gradient.

# %%
store = new_model()
body, head = store.variables("hidden"), store.variables("scores")
with av.GradientTape(persistent=True) as tape:
    loss = cross_entropy(x, y, *body, *head)
joint = [g.numpy() for g in tape.gradient(loss, body)]

optimizer = optim.SGD(learning_rate=1.0)
optimizer.apply_gradients(zip(tape.gradient(loss, head), head, strict=True))  # changes the head in place
late = [g.numpy() for g in tape.gradient(loss, body)]
assert all(np.array_equal(a, b) for a, b in zip(joint, late, strict=True))

# %% [markdown]
# ## 8. A gradient that is `None`
#
# `None` says: there is no path from this variable to the loss. That is often a mistake in the model, so it is not
# silently zero. `tape.explain` says where the path broke.

# %%
a, other = av.Variable(1.5, name="a"), av.Variable(1.0, name="other")
outside = np.exp(a)
cases = {
    "rounding": lambda: np.round(a) * 2.0,
    "stop_gradient": lambda: av.stop_gradient(a) * 2.0,
    "as NumPy's numbers": lambda: a.numpy() * other,
    "made before the tape": lambda: outside * other,
    "not in it at all": lambda: other * 2.0,
    "a path": lambda: np.exp(a) * other,
}
for words, case in cases.items():
    with av.GradientTape() as tape:
        target = case()
    gradient = tape.gradient(target, a)
    print(f"{words}: {gradient if gradient is None else gradient.item()}\n    {tape.explain(target, a)}")
    assert (gradient is None) == (words != "a path")

# %% [markdown]
# Zeros in the place of `None` can be had on request. An optimizer that gets nothing but `None` raises, because then
# nothing would be learned.

# %%
with av.GradientTape(persistent=True) as tape:
    rounded = np.round(a)
assert tape.gradient(rounded, a, unconnected_gradients="zero").item() == 0
try:
    optim.SGD(0.1).apply_gradients([(tape.gradient(rounded, a), a)])
except ValueError as error:
    print(error)
else:
    raise AssertionError("a step without any gradient should be refused")

# %% [markdown]
# ## 9. Running a cell again
#
# In a notebook cells are run again. A cell that makes variables by name fails the second time, since the names exist,
# and the message says what to do: `reuse=av.REBUILD` makes new variables each time, `reuse=av.AUTO_REUSE` goes on with
# those that are there, and what they have learned. A function that makes a new store, as `new_model` above, may run as
# often as you like.


# %%
def the_cell(reuse=None):
    with av.variable_scope("again", reuse=reuse):
        return av.get_variable("w", (2,))


with av.VariableStore() as store:
    first = the_cell()
    try:
        the_cell()
    except ValueError as error:
        print(error)
    else:
        raise AssertionError("the name exists")
    assert the_cell(av.AUTO_REUSE) is first
    assert the_cell(av.REBUILD) is not first and len(store) == 1

# %% [markdown]
# ## 10. The same step, as a plan
#
# When the loop is right, `av.function` makes it fast: the step is run once and noted, and from then on replayed as a
# list of NumPy calls. The losses are the same to the last bit.

# %%
eager, planned = new_model(), new_model()
losses = {}
for name, store in (("eager", eager), ("plan", planned)):
    optimizer, variables = optim.Adam(0.005), store.trainable_variables()

    def step(x, y, optimizer=optimizer, variables=tuple(variables)):
        with av.GradientTape() as tape:
            loss = cross_entropy(x, y, *variables)
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss

    step = av.function(step) if name == "plan" else step
    losses[name] = [step(images[i : i + 64], labels[i : i + 64]).item() for i in range(0, 1152, 64)]

assert losses["eager"] == losses["plan"]
print(f"{len(losses['plan'])} steps, loss {losses['plan'][0]:.3f} -> {losses['plan'][-1]:.3f}, twice the same bits")
