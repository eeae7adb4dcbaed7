# %% [markdown]
# # Running on a GPU, and in half precision
#
# **State of things, said plainly: nobody has run this package on a GPU yet.** What this notebook says about GPUs is
# what the code is written to do, and what a stand-in for CuPy in the tests shows, which is as strict as CuPy but
# computes on the CPU. There are no timings here, and no claims. If you have a GPU: run this notebook, then
# `make gpu-test` and `make gpu-bench`, and tell us.
#
# It runs without a GPU, too. You will
#
# - put a model onto a device, and move tensors and checkpoints between devices,
# - know what makes the host wait for the device,
# - look at the memory that the way back needs, and lower it,
# - set the precision of matrix products, and train in float16 with a loss scaler (all of that on the CPU).

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from tutorial_data import load_digits

import autograd_vs as av
import optim

BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"  # told apart by colour-blind readers, too
images, labels = load_digits()["train"]


def panels(columns):
    return plt.subplots(1, columns, figsize=(7.5, 3.0), dpi=80, layout="constrained")


# %% [markdown]
# ## 1. Devices
#
# A GPU is used through CuPy: `pip install ".[cuda13]"` (or `cuda12`, one of the two). `av.devices()` lists what is
# there. All below goes to the first GPU if there is one.

# %%
names = [device.name for device in av.devices()]
DEVICE = next((name for name in names if name.startswith("gpu")), "cpu")
print(f"devices: {names}; this notebook computes on {DEVICE}")

# %% [markdown]
# What is missing is said when one asks for it. These are the errors for a GPU where there is none (or no CuPy), and for
# a name of another library:

# %%
for name in ("gpu:7", "cuda:0"):
    try:
        av.device(name)
    except (ImportError, RuntimeError, ValueError) as error:
        print(f"{type(error).__name__}: {error}")

# %% [markdown]
# ## 2. A model lies where its variables were made
#
# `with av.device(name):` says where *host data* goes: initial values, NumPy arrays and lists that become Tensors,
# random numbers, batches. What is computed from an array on a device stays there, and no `with` is needed any more.
# Initial values depend on seed and name, not on the device.


# %%
def network(x):
    with av.variable_scope("net", reuse=av.AUTO_REUSE):
        w1, b1 = av.get_variable("w1", (64, 32)), av.get_variable("b1", (32,), initializer=av.initializers.zeros)
        return av.tanh(x @ w1 + b1) @ av.get_variable("w2", (32, 10))


def make(device):
    store = av.VariableStore(seed=0)
    with store, av.device(device):
        network(images[:1])
    return store, optim.Adam(1e-2)


def train(store, optimizer, steps, device):
    """Losses as Tensors: nobody waits for them."""
    data = av.data.batches((images, labels), 128, shuffle=0, drop_last=True, prefetch=2, device=device)
    variables, losses = store.trainable_variables(), []
    with store, av.device(device):
        while len(losses) < steps:
            for x, y in data:
                with av.GradientTape() as tape:
                    loss = av.nn.softmax_cross_entropy(network(x), y, reduction="mean")
                optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
                losses.append(loss)
    return losses[:steps]


store, optimizer = make(DEVICE)
losses = train(store, optimizer, 27, DEVICE)
print({v.name: v.device for v in store.variables()}, "slots:", optimizer.get_slot(store["net/w1"], "m").device)
numbers = [loss.item() for loss in losses]  # now we wait, once
print(f"loss {numbers[0]:.3f} to {numbers[-1]:.3f}")
assert {v.device for v in store.variables()} == {DEVICE} and numbers[-1] < 0.5 * numbers[0]

# %% [markdown]
# `prefetch=2, device=DEVICE` lets a thread copy the next two batches to the device while the loop computes.
#
# ## 3. Moving
#
# `t.to("cpu")` is an op: its gradient goes back the other way. Of a Variable it gives the value as a Tensor; the
# Variable stays where it is. `t.numpy()` copies to the host. An op of Tensors on two devices is a TypeError that names
# both: nothing moves silently.

# %%
x = av.Variable([1.0, 2.0, 3.0])
with av.GradientTape() as tape:
    there = x.to(DEVICE)
    y = av.sum((there * there).to("cpu"))
gradient = tape.gradient(y, x)
print(f"x on {x.device}, its copy on {there.device}, y on {y.device}, gradient on {gradient.device}:", gradient.numpy())
assert gradient.device == "cpu" and gradient.numpy().tolist() == [2, 4, 6]

# %% [markdown]
# **Checkpoints** know no devices. Saved from one, a run goes on on another: here from `DEVICE` on the CPU. (Where both
# are the CPU the losses are the same bits; on two kinds of hardware sums are added up in other orders.)

# %%
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "run.npz"
    av.save(path, store, optimizer)
    on_cpu, its_optimizer = make("cpu")
    print(av.load(path, on_cpu, its_optimizer))
further = [loss.item() for loss in train(store, optimizer, 9, DEVICE)]
moved = [loss.item() for loss in train(on_cpu, its_optimizer, 9, "cpu")]
np.testing.assert_allclose(further, moved, rtol=1e-4)
print(f"after nine more steps: {further[-1]:.6f} on {DEVICE}, {moved[-1]:.6f} on the CPU")

# %% [markdown]
# ## 4. What waits
#
# A GPU works through a queue: an op puts a kernel into it, and returns. As long as nobody asks for a number, the host
# runs ahead. The queue is emptied by whatever needs a value on the host:
#
# | waits | does not wait |
# | --- | --- |
# | `loss.item()`, `loss.numpy()`, `float(loss)`, `print(loss)` | keeping the Tensor in a list |
# | `if loss > 1:` | `av.where(loss > 1, a, b)`; `av.cond` waits for its condition |
# | `bar.set(loss=loss)` of a progress bar, when it draws | `history.log(loss=loss)`: fetched in batches |
# | class numbers or ids that lie on the device: they are checked | ids from the host: checked there |
# | a mask as index, `np.nonzero`, `np.unique`: sizes depend on values | an index of numbers, a slice |
# | `av.debug.check_numerics()`: looks at each op | |
# | `optim.clip_by_global_norm` of Tensors | `optim.Adam(global_clipnorm=1.0)` |
# | `av.random.normal(...)`: drawn on the host, and copied | the mask of `av.nn.dropout` |
#
# `History` takes Tensors as they come:

# %%
history = av.History()
for step, loss in enumerate(train(store, optimizer, 18, DEVICE)):
    history.log(step=step, loss=loss)  # a Tensor
print(f"{len(history['loss'])} losses, the last is {history['loss'][-1]:.4f}")

# %% [markdown]
# Small ops do not fill a GPU: then the host, which puts them into the queue, is what takes the time. That is what
# `@av.function` is for. On a device the calls of a plan are captured as **CUDA graphs** when they run for the second
# time, and from then on a replay puts a whole graph into the queue at once. Elementwise calls are put together to
# kernels, the update of an optimizer to one. What the host must do itself stays between the graphs: counting a step,
# drawing random numbers, checking ids, and what CuPy refuses to capture. The end of `print(f.plan())` says which parts
# there are, and why; on the CPU there are none.

# %%
x, y = av.Tensor(images[:128]).to(DEVICE), av.Tensor(labels[:128]).to(DEVICE)


@av.function
def step(x, y):
    return optimizer.minimize(
        lambda: av.nn.softmax_cross_entropy(network(x), y, reduction="mean"), store.trainable_variables()
    )


with store, av.device(DEVICE):
    for _ in range(3):
        loss = step(x, y)
print(*step.plan().summary(), sep="\n")

# %% [markdown]
# ## 5. Memory
#
# With `av.memory_limit("80%")` an allocation on a GPU that goes beyond it raises MemoryError, with a list of what holds
# the memory (variables, optimizers, tapes, Tensors by name). Most of it is usually what the tape keeps for the way
# back, and that can be looked at anywhere. `av.recompute_grad` keeps a block's inputs only, and runs the block again on
# the way back: memory for time.


# %%
def deep(x, weights, block):
    for pair in zip(weights[::2], weights[1::2], strict=True):
        x = block(x, *pair)
    return av.mean(x * x)


def block(x, w, v):
    return av.tanh(av.tanh(x @ w) @ v)


rng = np.random.default_rng(0)
with av.device(DEVICE):
    weights = [av.Variable((rng.standard_normal((64, 64)) / 8).astype("float32"), name=f"w{i}") for i in range(12)]
    x = av.asarray(images[:256])
kept, gradients = {}, []
for name, one in {"everything": block, "recomputed": av.recompute_grad(block)}.items():
    with av.GradientTape(profile=True) as tape:
        loss = deep(x, weights, one)
    kept[name] = tape.profile().total.bytes
    gradients.append(tape.gradient(loss, weights))
print({name: f"{n / 1e6:.2f} MB kept" for name, n in kept.items()})
assert kept["recomputed"] < 0.7 * kept["everything"]
assert all(np.allclose(a.numpy(), b.numpy(), atol=1e-7) for a, b in zip(*gradients, strict=True))

# %% [markdown]
# ## 6. How exact products are
#
# GPUs have units for products of factors that are rounded first. `av.matmul_precision` says how far, for a `with` (or
# `av.set_matmul_precision` for the program): `"highest"`, the default, rounds nothing, `"high"` rounds to TF32 with 11
# bits, `"medium"` to bfloat16 with 8. NumPy has no such products, so on the CPU nothing changes:

# %%
a, b = (rng.standard_normal((256, 256)).astype("float32") for _ in range(2))
with av.matmul_precision("medium"):
    y = av.matmul(a, b)
print(av.get_matmul_precision(), np.array_equal(y.numpy(), av.matmul(a, b).numpy()))

# %% [markdown]
# But one can compute what such a rounding does: cut the factors down to so many bits, and multiply exactly.


# %%
def rounded(x, bits):
    """To so many bits of mantissa, the nearest."""
    mantissa, exponent = np.frexp(x)
    return np.ldexp(np.round(mantissa * 2.0**bits), exponent - bits)


errors = {}
for name, bits in {"highest (24 bits)": 24, "high: TF32 (11)": 11, "medium: bfloat16 (8)": 8}.items():
    errors[name] = []
    for size in (16, 64, 256, 1024):
        a, b = (rng.standard_normal((16, size)), rng.standard_normal((size, 16)))
        off = rounded(a, bits) @ rounded(b, bits) - a @ b
        errors[name].append(np.linalg.norm(off) / np.linalg.norm(a @ b))
    print(f"{name:<22}relative error {errors[name][-1]:.1e}")
assert errors["highest (24 bits)"][-1] < 1e-6 < errors["high: TF32 (11)"][-1] < 1e-3 < 1e-2

# %% [markdown]
# TF32 keeps three digits, bfloat16 two, whatever the size of the matrices: errors of many products cancel. Gradients of
# training are noisier than that in most cases; solutions of equations and second derivatives are not.
#
# ## 7. Half precision
#
# `av.Policy("float16")` as the dtype of a scope: variables stay float32, `get_variable` hands out casts, layers cast
# their input, products and activations are float16. Sums, means, softmax, normalizations and losses are computed in
# float32. Stores, optimizers and checkpoints see float32 only.

# %%
HALVES = ["float16"]
try:
    av.Policy("bfloat16")  # a dtype of the package ml_dtypes: pip install ".[bf16]"
    HALVES.append("bfloat16")
except ImportError as error:
    print(error)


def half_model(policy):
    with av.VariableStore(seed=0) as store, av.variable_scope("net", dtype=policy):
        model = av.layers.Sequential([av.layers.Dense(32, activation="tanh"), av.layers.Dense(10)])
        model(images[:1])
    return store, model


store, model = half_model(av.Policy("float16"))
print("variables:", {v.dtype.name for v in store.variables()}, " activations:", model(images[:2]).dtype)
assert model(images[:2]).dtype == "float16"

# %% [markdown]
# What goes wrong in float16 is small gradients: below 6e-8 they are 0, while their float32 values would still move a
# weight. Here is the gradient that arrives at the first layer's activations, of a loss that is the mean over a large
# batch: many elements are gone. Multiply the loss by 1024 first, and they are back.


# %%
def gradient_at_hidden(scale, dtype):
    rng = np.random.default_rng(1)
    w1, w2 = (rng.standard_normal(shape) * 0.2 for shape in ((64, 32), (32, 10)))
    x = av.Tensor(images[:1024].astype(dtype))
    with av.GradientTape() as tape:
        hidden = av.tanh(x @ av.Tensor(w1.astype(dtype)))
        tape.watch(hidden)
        loss = av.nn.softmax_cross_entropy(hidden @ av.Tensor(w2.astype(dtype)), labels[:1024], reduction="mean")
        loss = loss * (scale * 1e-3)  # a small weight, as of one loss among others
    return np.abs(tape.gradient(loss, hidden).numpy().astype("float64")) / scale


exact, plain, scaled = (gradient_at_hidden(*case) for case in ((1.0, "float64"), (1.0, "float16"), (1024.0, "float16")))
for name, g in {"float16": plain, "float16, loss times 1024": scaled}.items():
    print(f"{name:<26}{np.mean(g == 0):6.1%} zeros, off by {np.linalg.norm(g - exact) / np.linalg.norm(exact):.1%}")
assert np.mean(plain == 0) > 0.1 > np.mean(scaled == 0)

# %% [markdown]
# `optim.LossScaler` does that for a training loop: it multiplies the loss, divides the gradients, leaves out a step
# whose gradients overflowed and then halves its scale; after many good steps it doubles it. To see it work we start
# with a scale that is much too high, and let it grow after 40 good steps (the default is 2,000).


# %%
def train_half(policy, scaler, steps=200):
    store, model = half_model(policy)
    data = av.data.batches((images, labels), 128, shuffle=0, drop_last=True)
    losses, scales, variables = [], [], store.trainable_variables()
    while len(losses) < steps:
        for x, y in data:
            with av.GradientTape() as tape:
                loss = av.nn.softmax_cross_entropy(model(x), y, reduction="mean")
                raised = scaler.scale(loss)
            scales.append(scaler.current_scale())
            scaler.apply_gradients(zip(tape.gradient(raised, variables), variables, strict=True))
            losses.append(loss.item())
    return losses[:steps], scales[:steps]


with np.errstate(over="ignore", invalid="ignore"):  # the overflows that the scaler is there for
    scaler = optim.LossScaler(optim.Adam(3e-3), scale=2.0**26, growth_steps=40)
    runs = {"float16": train_half(av.Policy("float16"), scaler)}
runs["float32"] = train_half("float32", optim.LossScaler(optim.Adam(3e-3), scale=1.0))
if "bfloat16" in HALVES:  # has the range of float32: no scaling needed
    runs["bfloat16"] = train_half(av.Policy("bfloat16"), optim.LossScaler(optim.Adam(3e-3), scale=1.0))
print(f"steps left out: {scaler.skipped}; scale at the end {scaler.current_scale():,.0f}")
print({name: f"{np.mean(losses[-9:]):.4f}" for name, (losses, _) in runs.items()})
assert scaler.skipped > 0
assert np.isclose(np.mean(runs["float16"][0][-9:]), np.mean(runs["float32"][0][-9:]), rtol=0.2)

# %%
figure, (left, right) = panels(2)
for (name, (losses, _)), colour in zip(runs.items(), (ORANGE, BLUE, GREEN), strict=False):
    left.plot(losses, color=colour, label=name, linewidth=1.5, alpha=0.8)
left.set(title="training loss", xlabel="step", ylabel="cross-entropy")
left.legend()
right.semilogy(runs["float16"][1], color=ORANGE, drawstyle="steps-post", base=2)
right.set(title="scale of the loss (float16)", xlabel="step", ylabel="scale")
_ = right.grid(alpha=0.3)

# %% [markdown]
# The scale falls until no gradient overflows; meanwhile the weights stay as they are, so float16 begins some steps
# later and then goes as float32 does. NumPy computes float16 slowly, so on the CPU half precision shows what it does,
# and saves nothing.
#
# ## What to remember
#
# - `with av.device(name):` around what *makes* things; computation follows its operands.
# - Keep losses as Tensors, log them with `History`, and let `@av.function` take the whole step.
# - Keep products exact until you know that you need not; with float16, scale the loss.
# - And once more: none of this has been tried on a GPU. The code is there to be tried: `make gpu-test`.
