# %% [markdown]
# # Handwritten digits with a shared encoder
#
# One encoder, written as a plain function that asks for its weights by name, serves two heads: a classifier, and a
# decoder that removes noise. The training loop is our own: a `GradientTape`, an optimizer, a progress bar. After this
# notebook you know how such a program looks from end to end, and you can
#
# - write a model as functions that share variables by name,
# - train two heads at once, and watch the loss,
# - look at what came out: restored images, mistakes, learned filters, and the space of codes.
#
# Run it with `make demo`. The data lie in the repository (`tutorials/data/README.md`: source and licence).

# %%
import numpy as np
from tutorial_data import load_digits

import autograd_vs as av
import optim

store = av.VariableStore()  # the variables of this model: a world of names of its own

# %% [markdown]
# ## The data
#
# 1797 images of 8x8 pixels. The classifier sees them as they are. The decoder gets them through a bad line, with noise,
# and has to give back the clean ones. In training each image is also moved by up to one pixel, at random, so that
# position does not matter.


# %%
def shifted(images, rng):
    """Each image moved by up to one pixel in both directions."""
    padded = np.pad(images.reshape(-1, 8, 8), ((0, 0), (1, 1), (1, 1)))
    rows, columns = rng.integers(0, 3, (2, len(images)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (8, 8), axis=(1, 2))
    return windows[np.arange(len(images)), rows, columns].reshape(-1, 64)


def corrupted(images, rng):
    """Gaussian noise of standard deviation 0.3, clipped to the range of a pixel."""
    noise = rng.standard_normal(images.shape, dtype=np.float32) * np.float32(0.3)
    return np.clip(images + noise, 0, 1)


def show_images(rows, titles=(), **style):
    """Rows of 64-pixel images, each row with its name in front; the figure."""
    import matplotlib.pyplot as plt

    columns = len(next(iter(rows.values())))
    size = (0.7 * columns + 0.8, 0.75 * len(rows) + 0.4 * any(titles))
    figure, axes = plt.subplots(len(rows), columns, figsize=size, dpi=80, layout="constrained", squeeze=False)
    for line, (name, images) in zip(axes, rows.items(), strict=True):
        for ax, image in zip(line, images, strict=True):
            ax.imshow(image.reshape(8, 8), **{"cmap": "gray_r", "vmin": 0, "vmax": 1} | style)
            ax.set(xticks=[], yticks=[])
        line[0].set_ylabel(name, rotation=0, ha="right", va="center")
    for ax, title in zip(axes[0], titles, strict=False):
        ax.set_title(title)
    return figure


# %% [markdown]
# The first ten test images. (What stands under `if __name__ == "__main__"` runs in a notebook and in a script, but not
# where somebody imports the functions.)

# %%
if __name__ == "__main__":
    test_images, test_labels = load_digits()["test"]
    noisy = corrupted(test_images, np.random.default_rng(0))
    show_images({"clean": test_images[:10], "noisy": noisy[:10]}, test_labels[:10])

# %% [markdown]
# ## The model
#
# `get_variable` makes a variable the first time its full name is asked for. With `reuse=av.AUTO_REUSE` the second call
# of `encode` finds the variables of the first: `encoder/hidden/kernel` is one object, whoever asks.


# %%
def dense(x, units, name):
    """x @ kernel + bias, with the two variables `<scope>/<name>/kernel` and `/bias`."""
    with av.variable_scope(name):
        kernel = av.get_variable("kernel", (x.shape[-1], units))
        bias = av.get_variable("bias", (units,), initializer=av.initializers.zeros)
    return x @ kernel + bias


def encode(images, training):
    with av.variable_scope("encoder", reuse=av.AUTO_REUSE):
        hidden = av.nn.relu(dense(images, 256, "hidden"))
        return av.nn.relu(dense(av.nn.dropout(hidden, 0.3, training=training), 64, "code"))


def classify(images, training=False):
    code = encode(images, training)
    with av.variable_scope("classifier", reuse=av.AUTO_REUSE):
        return dense(code, 10, "logits")


def denoise(images, training=False):
    code = encode(images, training)
    with av.variable_scope("decoder", reuse=av.AUTO_REUSE):
        return av.nn.sigmoid(dense(av.nn.relu(dense(code, 256, "hidden")), 64, "pixels"))


# %% [markdown]
# ## The training step
#
# What is computed inside the tape can be differentiated. Both losses reach the encoder, so its gradient is the sum of
# what the two heads want. The optimizer updates the variables in place and keeps its moments by their names.


# %%
def train_step(optimizer, images, noisy, labels):
    with av.GradientTape() as tape:
        class_loss = av.mean(av.nn.softmax_cross_entropy(classify(images, training=True), labels))
        pixel_loss = av.nn.mse(denoise(noisy, training=True), images)
        loss = class_loss + 3.0 * pixel_loss
    variables = av.trainable_variables()
    optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
    return class_loss


def evaluate(images, labels):
    """(accuracy, cross-entropy, mean squared error of the denoised images)"""
    logits = classify(images)
    rng = np.random.default_rng(0)
    restored = denoise(corrupted(images, rng))
    accuracy = np.mean(np.argmax(logits.numpy(), axis=1) == labels)
    loss = av.mean(av.nn.softmax_cross_entropy(logits, labels))
    return float(accuracy), loss.item(), av.nn.mse(restored, images).item()


# %% [markdown]
# ## The loop
#
# `main` trains for 200 epochs, says how good the model is on the test images, prints which head reads which variable,
# and draws the loss.


# %%
def print_shared(store):
    """The table of variables, and which head reads each (`store.readers` knows the calls by which it was asked for)."""
    print(f"{'variable':<26}{'shape':<12}read by")
    for variable in store.variables():
        calls = " ".join(store.readers[variable.op.name])
        heads = [head for head in ("classify", "denoise") if f"{head}:" in calls]
        print(f"{variable.op.name:<26}{variable.shape!s:<12}{', '.join(heads)}")
    shared = sum(v.size for v in store.variables("encoder"))
    numbers = sum(v.size for v in store.variables())
    print(f"{numbers:,} numbers, of which {shared:,} in the encoder are shared by both heads")


def main(seed=0, epochs=200, batch_size=64, plot="out/loss.png", quiet=False):
    """Train, print what happened, and return (test accuracy, pixel error restored, pixel error of the mean image)."""
    data = load_digits()
    (images, labels), (test_images, test_labels) = data["train"], data["test"]
    rng = np.random.default_rng(seed)
    av.random.set_seed(seed)
    history = av.History()
    steps = len(images) // batch_size  # in an epoch; what is left over comes in another one
    optimizer = optim.Adam(optim.schedules.cosine(2e-3, epochs * steps))

    store.reset()  # it may run again
    with store:
        epochs_bar = range(epochs) if quiet else av.progress(range(epochs), desc="epochs")
        for epoch in epochs_bar:
            order = rng.permutation(len(images))
            for start in range(0, steps * batch_size, batch_size):
                batch = order[start : start + batch_size]
                moved = shifted(images[batch], rng)
                loss = train_step(optimizer, moved, corrupted(moved, rng), labels[batch])
                history.log(loss=loss)
            accuracy, validation_loss, _ = evaluate(*data["validation"])
            history.log(epoch=epoch, validation_accuracy=accuracy, validation_loss=validation_loss)
            if not quiet:
                epochs_bar.set(loss=loss, accuracy=accuracy)

        accuracy, test_loss, pixel_error = evaluate(test_images, test_labels)
        mean_error = float(np.mean((test_images - images.mean(axis=0)) ** 2))
        if not quiet:
            print(f"\ntest accuracy {accuracy:.2%}, cross-entropy {test_loss:.3f}")
            print(f"pixel error of the restored images {pixel_error:.4f} (of the mean image: {mean_error:.4f})\n")
            print_shared(store)
        if plot:
            history.plot("loss", "validation_loss", "validation_accuracy", path=plot, smoothing=0.9)
            print(f"\nloss curve: {plot}")
    av.random.set_seed(None)
    return accuracy, pixel_error, mean_error


# %% [markdown]
# The loss on the training images is noisy, since each step sees 64 of them. The loss on the validation images lies
# below: they are not moved about, and dropout is off when nobody trains.

# %%
if __name__ == "__main__":
    main()

# %% [markdown]
# ## What the decoder restores
#
# Same images, same noise as above. Within `with store:` the functions of the model find the trained variables.

# %%
if __name__ == "__main__":
    with store:
        restored = denoise(noisy).numpy()
        logits = classify(test_images).numpy()
    figure = show_images({"clean": test_images[:10], "noisy": noisy[:10], "restored": restored[:10]}, test_labels[:10])
    figure.savefig("out/restored.png")
    print("restored images: out/restored.png")
    assert np.mean((restored - test_images) ** 2) < 0.75 * np.mean((noisy - test_images) ** 2)

# %% [markdown]
# ## What the classifier gets wrong
#
# Rows are digits, columns are answers. Below, those that are not on the diagonal, with what the classifier said
# instead, and how sure it was.

# %%
if __name__ == "__main__":
    import matplotlib.pyplot as plt

    confusions = av.metrics.ConfusionMatrix(10)
    confusions.update(logits, test_labels)
    _, ax = plt.subplots(figsize=(4.2, 3.8), dpi=80, layout="constrained")
    confusions.plot(ax=ax)

# %%
if __name__ == "__main__":
    probabilities = av.nn.softmax(logits).numpy()
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != test_labels)
    answers = probabilities.argmax(axis=1)[wrong]
    for row, answer in zip(wrong, answers, strict=True):
        print(f"image {row}: {test_labels[row]}, read as {answer}, {probabilities[row, answer]:.0%} sure")
    titles = [f"{test_labels[row]} as {answer}" for row, answer in zip(wrong, answers, strict=True)]
    show_images({"wrong": test_images[wrong]}, titles)
    assert len(wrong) <= 0.04 * len(test_labels)

# %% [markdown]
# ## What the encoder looks for
#
# Each of the 256 columns of `encoder/hidden/kernel` has a number for each pixel, so it is an image, too: red where a
# unit wants ink, blue where it wants none. Many look for a stroke at a certain place. Here are the ten that carry most
# weight to the code.

# %%
if __name__ == "__main__":
    kernel = store["encoder/hidden/kernel"].numpy()
    weight = np.linalg.norm(kernel, axis=0) * np.linalg.norm(store["encoder/code/kernel"].numpy(), axis=1)
    strongest = np.argsort(-weight)[:10]
    limit = abs(kernel[:, strongest]).max()
    show_images({"hidden": kernel.T[strongest]}, strongest, cmap="RdBu_r", vmin=-limit, vmax=limit)

# %% [markdown]
# ## The space of codes
#
# The encoder turns 64 pixels into a code of 64 numbers. Its two directions of largest spread (from a singular value
# decomposition) make a map of the test images: equal digits mostly lie together, although the map knows of no label.

# %%
if __name__ == "__main__":
    with store:
        code = encode(test_images, training=False).numpy()
    centred = code - code.mean(axis=0)
    spread = np.linalg.svd(centred, full_matrices=False)[2][:2]
    figure, ax = plt.subplots(figsize=(7, 4.2), dpi=80, layout="constrained")
    for (across, up), digit in zip(centred @ spread.T, test_labels, strict=True):
        ax.text(across, up, digit, color=plt.cm.viridis(digit / 10), ha="center", va="center", fontsize=9)
    low, high = (centred @ spread.T).min(axis=0) - 1, (centred @ spread.T).max(axis=0) + 1
    ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), xlabel="first direction", ylabel="second direction")
    ax.set_title("The codes of 300 test images, in two of their 64 dimensions")
