# %% [markdown]
# # Coming from TensorFlow, PyTorch or JAX
#
# In this notebook you will
#
# - see one small model five times: written here, in PyTorch, TensorFlow 1, Keras and JAX, with the same losses,
# - find in tables what the thing that you know is called here, and what differs,
# - load weights that PyTorch saved, and go on with a run from a checkpoint of TensorFlow 1, Adam's slots included,
# - read what this package does not have.
#
# The numbers of the others are real: `tutorials/data/make_peers.py` ran in each of the libraries, and wrote its losses
# to a file. What is shown below as theirs is the code of that script.

# %%
import matplotlib.pyplot as plt
import numpy as np
from tutorial_data import FOLDER, load_digits, load_peers, peer_source

import autograd_vs as av
import optim

peers = load_peers()
images, labels = (a[:200] for a in load_digits()["train"])
print({name: peer["version"] for name, peer in peers.items()})

# %% [markdown]
# ## One model, written here
#
# A model is a function. It asks for its variables by name; scopes put prefixes in front of the names. The names are
# those that TensorFlow 1 would give, and `AUTO_REUSE` means what it means there: the first call makes the variables,
# later ones find them.


# %%
def network(x):
    with av.variable_scope("encoder", reuse=av.AUTO_REUSE):
        kernel = av.get_variable("kernel", (64, 32))
        bias = av.get_variable("bias", (32,), initializer=av.initializers.zeros)
        code = np.tanh(x @ kernel + bias)
    with av.variable_scope("head", reuse=av.AUTO_REUSE):
        kernel = av.get_variable("kernel", (32, 10))
        bias = av.get_variable("bias", (10,), initializer=av.initializers.zeros)
        return code @ kernel + bias


store = av.VariableStore(seed=0)
with store:
    network(images)
av.summary(store)

# %% [markdown]
# All five shall start from the same weights: those that PyTorch drew and saved as a safetensors file. Its names are the
# places in a `Sequential`, and its linear layers keep their weights as (outputs, inputs), so names and axes are mapped.
# The report says what was loaded; a name without a place or a shape that does not fit is an error, and then nothing has
# changed.

# %%
RENAME = {"0.weight": "encoder/kernel", "0.bias": "encoder/bias", "2.weight": "head/kernel", "2.bias": "head/bias"}


def load_start():
    return av.load(FOLDER / "pytorch_digits.safetensors", store, rename=RENAME, transpose={"*/kernel": (1, 0)})


load_start()

# %% [markdown]
# And the loop: a tape that records while NumPy computes, gradients that come back in the order of what was asked for,
# an optimizer that gets pairs.


# %%
def train(optimizer, steps=25):
    load_start()
    variables = store.trainable_variables()
    losses = []
    for _ in range(steps):
        with store, av.GradientTape() as tape:
            loss = av.nn.softmax_cross_entropy(network(images), labels, reduction="mean")
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        losses.append(loss.item())
    return losses


ours = {"sgd": train(optim.SGD(0.1, momentum=0.9)), "adam": train(optim.Adam(0.01))}

# %% [markdown]
# ## The same in PyTorch, TensorFlow 1, Keras and JAX
#
# The code of the others, as it ran (with `STEPS = 25`). PyTorch: gradients are kept on the parameters, and must be set
# to zero.

# %%
peer_source("pytorch")

# %% [markdown]
# TensorFlow 1: a graph of symbols first, then a session that runs it. (It still runs, as `tensorflow.compat.v1`.)

# %%
peer_source("tensorflow1")

# %% [markdown]
# TensorFlow 2 with Keras: closest to what is written here. Keras's Adam has another epsilon unless one gives it.

# %%
peer_source("keras")

# %% [markdown]
# JAX with optax: parameters and the optimizer's state go in and come out.

# %%
peer_source("jax")

# %% [markdown]
# ## Do they agree?

# %%
for name, peer in peers.items():
    found = {o: np.abs(np.subtract(ours[o], peer[o])).max() for o in ("sgd", "adam")}
    print(f"{name:<12} largest difference of a loss: SGD {found['sgd']:.0e}, Adam {found['adam']:.0e}")
    np.testing.assert_allclose(ours["sgd"], peer["sgd"], rtol=1e-5)
    np.testing.assert_allclose(ours["adam"][:5], peer["adam"][:5], rtol=1e-5)
    np.testing.assert_allclose(ours["adam"], peer["adam"], rtol=1e-4)

# %%
COLOURS = {"pytorch": "#D55E00", "tensorflow1": "#CC79A7", "keras": "#009E73", "jax": "#E69F00"}
figure, (left, right) = plt.subplots(1, 2, figsize=(7.5, 3.2), dpi=80, layout="constrained")
steps = np.arange(1, 26)
for o, line in (("sgd", "-"), ("adam", "--")):
    left.plot(steps, ours[o], line, color="#0072B2", label=f"here, {o}")
    for offset, (name, peer) in enumerate(peers.items()):
        left.plot(steps[offset::4], peer[o][offset::4], "o", color=COLOURS[name], markersize=5, alpha=0.8)
        if o == "adam":
            apart = np.abs(np.subtract(ours[o], peer[o]))
            right.semilogy(steps, np.maximum(apart, 1e-8), "o-", color=COLOURS[name], markersize=3, label=name)
left.set(title="losses (dots: the others, in turn)", xlabel="step", ylabel="cross-entropy", ylim=(0, 2.5))
left.legend(fontsize=8)
right.set(title="Adam: how far from ours (0 as 1e-8)", xlabel="step", ylabel="difference of the losses")
right.set_ylim(5e-9, 1e-3)
_ = right.legend(fontsize=8, ncols=2, loc="upper center")

# %% [markdown]
# With SGD all five agree to the last digit or two of float32. With Adam we agree as closely with PyTorch, whose formula
# we have; the others are 1e-5 away. Adam divides each gradient by its own size: where a pixel is nearly always white,
# and its gradient close to 0, the place of epsilon and the last bits decide about a step of full length.
#
# ## Dictionaries
#
# What differs in *defaults and formulas* is in [`docs/differences.md`](../docs/differences.md). Here is what things are
# called.
#
# ### From TensorFlow 1
#
# | TensorFlow 1 | here | what differs, and why |
# | --- | --- | --- |
# | `tf.variable_scope`, `get_variable`, `make_template` | `av.` and the same names | the same rules and errors |
# | `tf.placeholder`, `session.run(fetches, feed)` | parameters of a function, its call | all runs when it is called |
# | `tf.global_variables_initializer()` | nothing | a variable has its value at once, from seed and full name |
# | `tf.reset_default_graph()` | `with av.VariableStore() as store:` | a store holds the variables that a graph held |
# | `tf.trainable_variables("scope")` | `store.trainable_variables("scope")` | with `av.` that of the open store |
# | `tf.get_collection(REGULARIZATION_LOSSES)` | `store.regularization_losses()` | computed anew: call it on the tape |
# | `tf.gradients(y, x)` | `tape.gradient(y, x)` | the `with` says what is recorded |
# | `tf.assign(v, x)`, control dependencies | `v.assign(x)` | happens where it stands |
# | `tf.train.MomentumOptimizer(0.1, 0.9)` | `optim.SGD(0.1, momentum=0.9)` | one class, as in PyTorch |
# | `optimizer.minimize(loss)` | `optimizer.minimize(loss_fn, variables)` | takes a function: a loss is but a number |
# | `tf.train.Saver` | `av.save`, `av.load`, `av.CheckpointManager` | one safetensors file; a report of each name |
# | `tf.layers.dense(x, 32)` | `av.layers.dense(x, 32)` | `reuse` is the scope's |
# | `tf.cond`, `tf.while_loop` | `if`, `while`; in an `@av.function` `av.cond`, `av.while_loop` | a carry is one nest |
# | `tf.summary` | `av.History` | a file of lines, plots, `to_tensorboard` |
#
# ### From TensorFlow 2 and Keras
#
# | TensorFlow 2 | here | what differs, and why |
# | --- | --- | --- |
# | `tf.GradientTape` | `av.GradientTape` | the same; beside it `tape.explain(y, x)` says why a gradient is None |
# | `tf.Variable(x)` | `av.Variable(x)` | `assign` before `gradient` is called does not change the gradient |
# | `@tf.function` | `@av.function` | the first call is an ordinary step; no AutoGraph, but `av.cond` |
# | `keras.layers.Layer` | `av.layers.Layer`, with `build`, `call`, `add_weight` | names by scope; give `training=` |
# | `model.compile`, `model.fit` | a loop of yours | with `av.data`, `av.metrics`, `av.History`, `av.EarlyStopping` |
# | `tf.data.Dataset` | `av.data.batches((x, y), 32, shuffle=0, prefetch=2)` | its position goes into a checkpoint |
# | `mixed_precision.set_global_policy` | `av.variable_scope("net", dtype=av.Policy("float16"))` | holds for a scope |
# | `tf.debugging.enable_check_numerics()` | `with av.debug.check_numerics():` | looks at gradients, too |
# | `tf.reduce_mean`, `tf.concat` | `np.mean`, `np.concatenate`, or `av.` | NumPy's names and arguments (`keepdims`) |
# | `tf.clip_by_global_norm` | `optim.clip_by_global_norm`, or `optim.Adam(global_clipnorm=1.0)` | the same formula |
#
# ### From PyTorch
#
# | PyTorch | here | what differs, and why |
# | --- | --- | --- |
# | `loss.backward()`, `p.grad`, `zero_grad()` | `tape.gradient(loss, variables)` | results: nothing is to be cleared |
# | `requires_grad=True` | an `av.Variable`, or `tape.watch(x)` | arrays are constants |
# | `with torch.no_grad():` | nothing, or `with tape.stop_recording():` | only a tape records |
# | `x.detach()` | `av.stop_gradient(x)` | `x.numpy()` is a copy of the values |
# | `backward(retain_graph=True)` | `av.GradientTape(persistent=True)` | said before, not after |
# | `nn.Module`, `nn.Linear(64, 32)` | `av.layers.Layer`, `Dense(32)` | sizes of inputs are found at the first call |
# | `model.train()`, `model.eval()` | `training=True` in the call | nothing to forget |
# | `model.state_dict()`, `torch.save` | `av.save(path, store, optimizer)` | full names; no pickle |
# | weights (outputs, inputs); images NCHW | kernels (inputs, outputs); NHWC | `transpose=` of `av.load` |
# | `x[0] = 1`, `x.add_(1)` | `x.at[0].set(1)`, `x + 1`; `v.assign_add(1)` of a Variable | a Tensor never changes |
# | `torch.compile(step)` | `@av.function` | goes around the whole step, with the optimizer |
# | `clip_grad_norm_(parameters, 1.0)` | `optim.Adam(global_clipnorm=1.0)` | without the 1e-6 in PyTorch's formula |
# | `torch.func.grad`, `jvp`, `hessian`, `vmap` | `av.grad`, `av.jvp`, `av.hessian`, `av.vmap` | `av.vmap` is a loop |
# | `DataLoader(data, 32, shuffle=True)` | `av.data.batches(data, 32, shuffle=0)` | the number is the seed |
# | `torch.amp.GradScaler` | `optim.LossScaler` | the same rule |
#
# ### From JAX
#
# | JAX | here | what differs, and why |
# | --- | --- | --- |
# | `jax.grad`, `jvp`, `vjp`, `jacobian`, `hessian` | `av.` and the same names | complex gradients: the conjugate |
# | `jnp.tanh(x)` | `np.tanh(x)` of a Tensor, or `av.tanh(x)` | NumPy's own functions are recorded |
# | parameters as arguments, optax's states | Variables with names, optimizers with slots | both ways work: see below |
# | `jax.jit(f)` | `@av.function` | may assign to Variables, draw random numbers and run optimizers |
# | `x.at[0].set(1)` | the same | |
# | `jax.random.key`, `split` | `av.random.normal(shape, stream="a")` | seed, stream, number of the call decide |
# | `lax.cond`, `while_loop`, `scan` | `av.cond`, `av.while_loop`, `av.scan` | a plan has the steps of a scan in a row |
# | `jax.checkpoint` | `av.recompute_grad` | random numbers are those of the first run |
# | `jax.custom_vjp` | `av.custom_gradient` | one function that returns the value and its rule |
# | float32 unless `jax_enable_x64` | NumPy's float64; variables are float32 | arrays keep their dtype |
#
# ## Not found? Ask for it
#
# The names of other libraries are known. They raise, and say what to write.

# %%
for text in (
    "av.placeholder", "av.reduce_mean", "av.no_grad", "av.Tensor(1.0).backward", "av.Tensor(1.0).unsqueeze",
    "av.nn.BCEWithLogitsLoss", "optim.MomentumOptimizer", "optim.Adam(lr=0.01)",
):  # fmt: skip
    try:
        eval(text)
    except (AttributeError, TypeError) as error:
        print(text, "   " + str(error)[:150], sep="\n")
    else:
        raise AssertionError(text)

# %% [markdown]
# ## As in JAX: without names and variables
#
# Parameters may be any nest of arrays, handed in and out. The five steps of SGD with momentum once more, as a function
# of functions:

# %%
load_start()
p = {name: store[name].numpy() for name in ("encoder/kernel", "encoder/bias", "head/kernel", "head/bias")}


def compute_loss(p):
    logits = av.tanh(images @ p["encoder/kernel"] + p["encoder/bias"]) @ p["head/kernel"] + p["head/bias"]
    return av.nn.softmax_cross_entropy(logits, labels, reduction="mean")


momentum, losses = {name: np.zeros_like(a) for name, a in p.items()}, []
for _ in range(5):
    loss, gradients = av.value_and_grad(compute_loss)(p)
    momentum = {name: 0.9 * momentum[name] + gradients[name].numpy() for name in p}
    p = {name: p[name] - 0.1 * momentum[name] for name in p}
    losses.append(loss.item())
np.testing.assert_allclose(losses, peers["jax"]["sgd"][:5], rtol=1e-5)
print(losses)

# %% [markdown]
# ## From a checkpoint of TensorFlow 1
#
# A checkpoint is arrays under names, which `tf.train.load_checkpoint(path)` reads; kept as an `.npz` file, it needs no
# TensorFlow any more:
# ```python
# reader = tf.train.load_checkpoint(path)
# np.savez("model.npz", **{name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()})
# ```
# This one was written by the script above after 20 steps of Adam. Beside the variables it holds Adam's slots, and
# powers of the two betas, from which it knows the step.

# %%
with np.load(FOLDER / "tensorflow1_digits.npz") as file:
    arrays = dict(file)
for name, array in arrays.items():
    print(f"{name:<22}", array.shape)

# %% [markdown]
# The names are ours already, so only the slots are to be left out of `av.load`: a rename function returns None for
# them. (A map from prefix to prefix, such as `{"model/encoder/": "encoder/"}`, is the usual case.) The slots have
# another spelling here, `adam/m/encoder/kernel`, and go to the optimizer.

# %%
names = [v.op.name for v in store.variables()]
report = av.load(arrays, store, rename=lambda name: name if name in names else None)
print(report)

step = round(np.log(arrays["beta1_power"]) / np.log(0.9)) - 1
optimizer = optim.Adam(0.01)
state = optimizer.state_dict() | {"adam/iterations": step}
for name in names:
    state |= {f"adam/m/{name}": arrays[f"{name}/Adam"], f"adam/v/{name}": arrays[f"{name}/Adam_1"]}
    state[f"adam/step/{name}"] = step
optimizer.load_state_dict(state)

# %% [markdown]
# Both go on for five steps, TensorFlow 1 in its session and we from its file:


# %%
def go_on(optimizer, steps):
    with store:
        return [
            optimizer.minimize(lambda: av.nn.softmax_cross_entropy(network(images), labels, reduction="mean")).item()
            for _ in range(steps)
        ]


theirs = peers["tensorflow1"]["adam"][20:]
continued = go_on(optimizer, 5)
for a, b in zip(theirs, continued, strict=True):
    print(f"TensorFlow 1 {a:.6f}, here {b:.6f}")
np.testing.assert_allclose(continued, theirs, rtol=1e-5)

# %% [markdown]
# ## What you will miss
#
# - **A model zoo.** There are no pretrained models; there is `av.load` for weights of others.
# - **Compilers and their hardware.** A plan is NumPy's calls one by one (with the extra `[jit]`, numba's loops for
#   arithmetic). No TPUs, no fusion of products of matrices; a GPU only through CuPy, see notebook 11.
# - **Speed of large convolutions**, and `vmap` that makes batched ops of a function: ours is a loop.
# - **`fit`, callbacks, a `Trainer`**: the loop is yours.
# - **Export**: no ONNX, SavedModel or TorchScript. Weights leave as safetensors or `.npz`.
# - **Sparse tensors** (but for the rows of an embedding's gradient), quantisation, ragged tensors, string tensors.
# - **A stable API**: before 1.0 a minor release may change it.
#
# The README says what to use when, and what is still to come.
