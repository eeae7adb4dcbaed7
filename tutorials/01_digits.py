# %% [markdown]
# # Handwritten digits with a shared encoder
#
# One encoder, written as a plain function that asks for its weights by name, serves two heads: a classifier, and a
# decoder that removes noise. The training loop is our own: a `GradientTape`, an optimizer, a progress bar.
#
# Run it with `make demo`. The data lie in the repository (`tutorials/data/README.md`: source and licence).

# %%
import numpy as np
from tutorial_data import load_digits

import autograd_vs as av
import optim

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


def shifted(images, rng):
    """Each image moved by up to one pixel in both directions."""
    padded = np.pad(images.reshape(-1, 8, 8), ((0, 0), (1, 1), (1, 1)))
    rows, columns = rng.integers(0, 3, (2, len(images)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (8, 8), axis=(1, 2))
    return windows[np.arange(len(images)), rows, columns].reshape(-1, 64)


def evaluate(images, labels):
    """(accuracy, cross-entropy, mean squared error of the denoised images)"""
    logits = classify(images)
    rng = np.random.default_rng(0)
    restored = denoise(corrupted(images, rng))
    accuracy = np.mean(np.argmax(logits.numpy(), axis=1) == labels)
    loss = av.mean(av.nn.softmax_cross_entropy(logits, labels))
    return float(accuracy), loss.item(), av.nn.mse(restored, images).item()


def corrupted(images, rng):
    """Gaussian noise of standard deviation 0.3, clipped to the range of a pixel."""
    noise = rng.standard_normal(images.shape, dtype=np.float32) * np.float32(0.3)
    return np.clip(images + noise, 0, 1)


# %% [markdown]
# ## The loop


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
    steps = len(images) // batch_size
    optimizer = optim.Adam(optim.schedules.cosine(2e-3, epochs * steps))

    with av.VariableStore() as store:  # variables of our own, whatever ran before
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


if __name__ == "__main__":
    main()
