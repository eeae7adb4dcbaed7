# %% [markdown]
# # Plans: faster steps, and where the time goes
#
# `@av.function` turns a training step into a *plan*: a flat list of NumPy calls on memory that is there already. In
# this notebook you will
#
# - make a step faster with one line, and see how much that is worth for which sizes,
# - read a plan, and what its memory looks like,
# - see when a function is traced again and what to do about it,
# - write steps that depend on data, and read the errors that one meets on the way,
# - find out which ops of a model take the time, and find the first NaN.

# %%
import textwrap
import warnings
from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np
from tutorial_data import load_digits

import autograd_vs as av
import optim

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#999999"  # told apart by colour-blind readers, too
images, labels = load_digits()["train"]

# %% [markdown]
# ## 1. One line
#
# A network, its loss, its gradient and its update, as one function. Without `@av.function` it is ordinary Python. With
# it, the first call runs the function as it is and notes each call of NumPy that it makes; all later calls make these
# calls again. The losses of both are equal to the last bit.


# %%
def make_step(hidden):
    """(the step as Python, the same as a plan), each with weights of its own that begin alike."""

    def make():
        with av.VariableStore(seed=0), av.variable_scope("net"):
            w1, w2 = av.get_variable("w1", (64, hidden)), av.get_variable("w2", (hidden, 10))
            b1 = av.get_variable("b1", (hidden,), initializer=av.initializers.zeros)
        variables, optimizer = [w1, b1, w2], optim.Adam(1e-3)

        def step(x, y):
            with av.GradientTape() as tape:
                with av.name_scope("hidden"):
                    h = av.tanh(x @ w1 + b1)
                with av.name_scope("output"):
                    loss = av.nn.softmax_cross_entropy(h @ w2, y, reduction="mean")
            optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
            return loss

        return step

    return make(), av.function(make(), jit=False)  # compiled loops (section 8) may differ in the last bit


x, y = av.Tensor(images[:32]), av.Tensor(labels[:32])
eager, planned = make_step(32)
losses = [[step(x, y).item() for _ in range(50)] for step in (eager, planned)]
print(f"first loss {losses[0][0]:.4f}, last loss {losses[0][-1]:.4f}; equal: {losses[0] == losses[1]}")
assert losses[0] == losses[1]

# %% [markdown]
# How much faster? Other programs use the machine as well, and single times mean little. So take turns, in short bursts;
# compare the fastest bursts within a round; look at the median of the ratios.


# %%
def burst(step, arguments, calls=3):
    begin = perf_counter()
    for _ in range(calls):
        step(*arguments)
    return perf_counter() - begin


def ratios(eager, planned, *arguments, rounds=25):
    """The time of the eager step over that of the plan, in each round: of the fastest of five bursts of each."""
    found = []
    for _ in range(rounds):
        bursts = [[burst(step, arguments) for step in (eager, planned)] for _ in range(5)]
        found.append(np.divide(*np.min(bursts, axis=0)))
    return found


measured = {}
for batch, hidden in ((8, 8), (32, 32), (128, 128), (512, 512)):
    eager, planned = make_step(hidden)
    arguments = av.Tensor(images[:batch]), av.Tensor(labels[:batch])
    eager(*arguments), planned(*arguments)  # the first call traces, and is not counted
    measured[f"{batch} x {hidden}"] = ratios(eager, planned, *arguments)
assert np.median(measured["8 x 8"]) > 1

# %%
figure, ax = plt.subplots(figsize=(7, 3), dpi=80, layout="constrained")
for place, found in enumerate(measured.values()):
    ax.plot(place + np.linspace(-0.15, 0.15, len(found)), found, "o", color=BLUE, alpha=0.4, markersize=4)
    ax.plot([place - 0.25, place + 0.25], [np.median(found)] * 2, color=ORANGE, linewidth=2.5)
    ax.annotate(f"{np.median(found):.1f}", (place + 0.28, np.median(found)), color=ORANGE, va="center")
ax.axhline(1, color=GREY, linewidth=1)
ax.set(title="eager step / plan (dots: rounds, bars: medians)", xlabel="size of the batch x hidden units")
ax.set(ylabel="ratio of the times", ylim=(0, 2 * max(map(np.median, measured.values()))), xlim=(-0.5, 3.6))
_ = ax.set_xticks(range(len(measured)), measured)

# %% [markdown]
# What a plan saves is Python's share: tapes, rules, scopes, checks. With small arrays that is most of the step; with
# large ones NumPy's arithmetic takes the time, which stays as it is. (These are the ratios of the machine that made
# this notebook. [`bench/`](../bench) has measurements of whole models beside other libraries.)
#
# ## 2. What a plan is
#
# `plan()` shows it: the scope of each call, the buffer in which its result lies, the call. Forward pass, gradient and
# Adam's update are one list; nothing is left of the tape. Below are the memory, the Variables that are read and
# written, and what the trace cost.

# %%
planned.plan()

# %% [markdown]
# How to read it:
#
# - Arguments and Variables have their names, `t4` is the result of a call, `c25` a constant. `m of net/w1 ..` is a slot
#   of the optimizer: those of all variables lie end to end, and are updated together.
# - `t27[512]@32768` is a part of `t27`, from element 32,768 on: gradients are computed where the optimizer wants them.
# - `in pieces` are several elementwise calls (here the sum and tanh) over pieces of a large array that stay in the
#   cache.
# - A buffer such as `b0` is used again as soon as nobody needs what it holds.
#
# `plan()` is an object with numbers, so a test of yours may hold a step to them:

# %%
plan = planned.plan()
print(f"{len(plan)} calls; it writes {plan.variables(written=True)}")
print(f"results in {plan.peak_bytes:,} bytes; without reuse it would be {plan.bytes_without_reuse:,}")
assert plan.peak_bytes < plan.bytes_without_reuse
assert {name.split(":")[0] for name in plan.variables(written=True)} >= {"net/w1", "net/b1", "net/w2"}

# %% [markdown]
# `draw` makes a picture of a plan, by scopes. A Variable that several ops read has a colour: here two branches share
# their weights. The plan has noticed, and computes one product of both inputs, laid end to end, in place of two.

# %%
with av.VariableStore(seed=0):
    kernel = av.get_variable("kernel", (64, 16))


@av.function
def closeness(left, right):
    with av.name_scope("left"):
        a = av.tanh(left @ kernel)
    with av.name_scope("right"):
        b = av.tanh(right @ kernel)
    with av.name_scope("compare"):
        return av.mean(av.square(a - b))


closeness(images[:8], images[8:16])
closeness.plan().draw()

# %% [markdown]
# The memory is that of the plan: results that you get are copies, which costs little. For large ones
# `@av.function(copy_outputs=False)` hands out views instead, which the next call writes over.
#
# ## 3. One plan for each kind of arguments
#
# Shapes and dtypes of arrays are in the plan, and so is the value of each Python integer, string or bool. So other
# shapes and other values are traced anew. `traces` counts; a Python float may change freely.


# %%
@av.function
def scaled_sum(x, scale):
    return scale * av.sum(x)


def traces_after(*calls):
    before = scaled_sum.traces
    for call in calls:
        scaled_sum(*call)
    return scaled_sum.traces - before


ones = np.ones(5)
print("three floats:  ", traces_after(*[(ones, 0.1 * n) for n in range(3)]))
print("three integers:", traces_after(*[(ones, n) for n in range(3)]))
print("three lengths: ", traces_after(*[(np.ones(n), 1.0) for n in (5, 6, 7)]), "(one of them is known)")
print("all that again:", traces_after(*[(np.ones(n), 1.0) for n in (5, 6, 7)], *[(ones, n) for n in range(3)]))
assert scaled_sum.traces == 1 + 3 + 2

# %% [markdown]
# If that happens again and again, a `RetraceWarning` says which argument is new in what way:

# %%
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for n in range(20, 30):
        scaled_sum(np.ones(n), 1.0)
print(caught[0].category.__name__, str(caught[0].message).partition(": ")[2], sep="\n")
assert caught[0].category is av.RetraceWarning

# %% [markdown]
# Three ways out: leave out the last, smaller batch (`av.data.batches(..., drop_last=True)`); fill sequences up to one
# of a few lengths; pass a number that changes as a float or a Tensor. `input_signature` says what is allowed at all,
# and what does not fit is an error instead of a trace:


# %%
@av.function(input_signature=[av.TensorSpec((None, 64), "float32")])
def brightness(x):
    return av.mean(x)


try:
    brightness(images[0])
except ValueError as error:
    print(error)

# %% [markdown]
# ## 4. What depends on data
#
# A plan has no `if`. A function that looks at a value while it is traced is refused, and the error says what to write:


# %%
@av.function
def clip(gradient, limit):
    norm = av.sqrt(av.sum(gradient**2))
    if norm > limit:
        gradient = gradient * (limit / norm)
    return gradient


try:
    clip(av.Tensor([3.0, 4.0]), av.Tensor(1.0))
except TypeError as error:
    print(str(error).partition(" at ")[0], "...", str(error).partition("fixed. ")[2])

# %% [markdown]
# `av.cond(condition, f, g, *operands)` is an `if` that a plan keeps: both branches are in it, and each call runs one.


# %%
@av.function
def clip(gradient, limit):
    norm = av.sqrt(av.sum(gradient**2))
    return av.cond(norm > limit, lambda g: g * (limit / norm), lambda g: g, gradient)


small, large = av.Tensor([0.3, 0.4]), av.Tensor([3.0, 4.0])
print(clip(large, av.Tensor(1.0)).numpy(), clip(small, av.Tensor(1.0)).numpy(), f"{clip.traces} trace")
assert clip.traces == 1
print(str(clip.plan()).partition("\n\n")[0])

# %% [markdown]
# `av.while_loop(condition, body, start)` runs as often as the data say, here Newton's method for a square root. Beside
# the root it counts its steps. Loops and branches have gradients.


# %%
@av.function
def root(a):
    def off(carry):
        x, _ = carry
        return av.abs(x * x - a) > 1e-6 * a

    return av.while_loop(off, lambda carry: (0.5 * (carry[0] + a / carry[0]), carry[1] + 1), (a + 0.0, 0))


for a in (2.0, 2e6):
    x, steps = root(av.Tensor(a))
    print(f"root of {a:g}: {x.item():.6g} after {steps.item()} steps, traces: {root.traces}")
print("slope at 4:", av.grad(lambda a: root.python_function(a)[0])(4.0).item())
assert root.traces == 1

# %% [markdown]
# `av.scan(f, start, xs)` carries a value along an array, and stacks what comes out: a running average, a recurrent
# network. The number of steps is known from the shape, so the plan has them one after the other.


# %%
@av.function
def smoothed(xs):
    def step(mean, x):
        mean = 0.8 * mean + 0.2 * x
        return mean, mean

    return av.scan(step, xs[0], xs)[1]


noisy = np.sin(np.linspace(0, 6, 40)) + 0.3 * np.random.default_rng(0).standard_normal(40)
found = smoothed(noisy).numpy()
print(f"{len(smoothed.plan())} calls for {len(noisy)} steps")
by_hand = [noisy[0]]
for value in noisy[1:]:
    by_hand.append(0.8 * by_hand[-1] + 0.2 * value)
assert np.allclose(found, by_hand)

# %% [markdown]
# ## 5. What a plan does not see
#
# A plan makes *NumPy's calls on Tensors and Variables* again, and nothing else. Four things surprise at first:
#
# | in the function | happens | write instead |
# | --- | --- | --- |
# | `print(loss)`, `list.append`, attributes | at the trace only | return it, and print it outside |
# | a NumPy array from outside | is copied: a constant of the plan | pass it, or make it an `av.Variable` |
# | `np.random`, or a generator of your own | the numbers of the trace once more | `av.random`, whose streams go on |
# | a Python number from outside | that of the trace | pass it as a float |

# %%
shift, generator = np.array([1.0, 2.0, 3.0]), np.random.default_rng(0)


@av.function
def surprising(x):
    return x + shift, generator.normal(size=3), av.random.normal((3,), stream="tutorial")


av.random.set_seed(0)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    first = surprising(np.zeros(3))
shift[:] = 100
second = surprising(np.zeros(3))
print("the array from outside: ", first[0].numpy(), second[0].numpy())
print("a generator of our own: ", first[1].round(2), second[1].round(2))
print("a stream of av.random:  ", first[2].numpy().round(2), second[2].numpy().round(2))
print("\nthe warning:", textwrap.fill(str(caught[0].message), 110))
assert second[0].numpy()[0] == 1 and np.array_equal(first[1], second[1])
assert not np.array_equal(first[2].numpy(), second[2].numpy())

# %% [markdown]
# The plan lists the constants that it copied, and where:

# %%
print(str(surprising.plan()).partition("\n\n")[2].partition("\nsurprising")[0])

# %% [markdown]
# Some things run eagerly even though the function is decorated: calls inside of an open tape (so the tape sees the ops;
# put the tape *into* the function), inside of `av.debug.check_numerics()`, and all calls after
# `av.run_functions_eagerly(True)`, which is the switch for debugging with `print` and breakpoints.

# %%
with av.GradientTape() as tape:
    w = av.Variable([1.0, 2.0])
    total = scaled_sum(w, 3.0)
before = scaled_sum.traces
print(tape.gradient(total, w).numpy(), "and no trace")
assert scaled_sum.traces == before

# %% [markdown]
# ## 6. Where the time goes
#
# Of a plan, `profile` takes the time of each call; here the five slowest of the step above, with 512 hidden units. What
# else runs on the machine spoils single times, so we look several times and take the fastest run.

# %%
times = min([planned.profile(*arguments) for _ in range(10)], key=lambda times: times.total)
slowest = sorted(zip(times.times, times.look.rows, strict=True), key=lambda pair: -pair[0])[:5]
print(f"{'share':>6}  {'scope':<9} call")
for taken, row in slowest:
    print(f"{taken / times.total:6.1%}  {row.scope:<9} {row.call:.80}")

# %% [markdown]
# Before there is a plan, a tape can take the times: `GradientTape(profile=True)` asks for them, `tape.profile()` is a
# table by scope and op, with the bytes that each op keeps for the way back. A network with convolutions:

# %%
with av.VariableStore(seed=0):
    model = av.layers.Sequential([
        av.layers.Conv2D(16, 3, activation="relu"),
        av.layers.MaxPool2D(2),
        av.layers.Conv2D(32, 3, activation="relu"),
        av.layers.Flatten(),
        av.layers.Dense(10),
    ])  # fmt: skip
    pictures = images[:256].reshape(-1, 8, 8, 1)
    model(pictures)


def profiled():
    with av.GradientTape(profile=True) as tape:
        loss = av.nn.softmax_cross_entropy(model(pictures), labels[:256], reduction="mean")
    tape.gradient(loss, model.trainable_weights)
    return tape.profile()


profiles = [profiled() for _ in range(15)]
min(profiles, key=lambda profile: profile.total.seconds)

# %%
fastest = [min((p.ops[key] for p in profiles), key=lambda row: row.seconds) for key in profiles[0].ops]
rows = sorted(zip(profiles[0].ops, fastest, strict=True), key=lambda pair: pair[1].seconds)[-8:]
names = [f"{scope.split('/')[-1] or '(none)'}: {op}" for (scope, op), _ in rows]
forward = [1e3 * row.seconds_forward for _, row in rows]
back = [1e3 * row.seconds_back for _, row in rows]
figure, ax = plt.subplots(figsize=(7, 3), dpi=80, layout="constrained")
ax.barh(names, forward, color=BLUE, label="forwards")
ax.barh(names, back, left=forward, color=ORANGE, label="backwards")
ax.set(title="the eight slowest ops, and their scopes", xlabel="time (ms), fastest of 15")
_ = ax.legend(loc="lower right")
assert rows[-1][0][1] == "conv"

# %% [markdown]
# The convolutions take most of it, so there is little to gain by looking elsewhere. Such a table also shows what should
# not be there: an op in float64, a product that is computed twice, a scope that was thought to be frozen.
#
# ## 7. When a number goes wrong
#
# Plans look at no values. `av.debug.check_numerics()` around the calls runs the steps eagerly, and raises at the first
# NaN or Inf, forwards or backwards, with the op, its line and the Variables behind it. This square root is fine at 0,
# and its slope is not:

# %%
with av.VariableStore(seed=0), av.variable_scope("norm"):
    scale = av.get_variable("scale", (3,), initializer=av.initializers.ones)


@av.function
def distance_step(x):
    with av.GradientTape() as tape:
        loss = av.sum(av.sqrt(av.sum((scale * x) ** 2, axis=1)))
    return tape.gradient(loss, scale)


points = np.array([[1.0, 2.0, 2.0], [0.0, 0.0, 0.0]], dtype="float32")
with np.errstate(all="ignore"):
    print("gradient:", distance_step(points).numpy())
    try:
        with av.debug.check_numerics():
            distance_step(points)
    except FloatingPointError as error:
        print(textwrap.fill(str(error), 110))
    else:
        raise AssertionError("a gradient of Inf passed")

# %% [markdown]
# `av.debug.gradient_norms` shows where gradients vanish or explode, scope by scope. In a network of eight layers with
# sigmoids the first layer hardly learns; with relu and a wider start (`he_normal`) the gradient arrives:


# %%
def norms_of(activation, initializer):
    with av.VariableStore(seed=0) as deep, av.GradientTape() as tape:
        h = images[:64]
        for n in range(8):
            with av.variable_scope(f"layer{n}", initializer=initializer):
                h = activation(h @ av.get_variable("kernel", (64, 64)))
        loss = av.nn.softmax_cross_entropy(h, labels[:64], reduction="mean")
    return av.debug.gradient_norms(tape.gradient(loss, deep.variables()), deep.variables())


vanishing = norms_of(av.nn.sigmoid, av.initializers.glorot_uniform)
arriving = norms_of(av.nn.relu, av.initializers.he_normal)
print(vanishing)
print(f"\nfirst layer over last, sigmoid: {vanishing['layer0'] / vanishing['layer7']:.0e}")
print(f"first layer over last, relu:    {arriving['layer0'] / arriving['layer7']:.2f}")
assert vanishing["layer0"] < 1e-3 * vanishing["layer7"] and arriving["layer0"] > 0.1 * arriving["layer7"]

# %% [markdown]
# ## 8. Compiled loops
#
# With `pip install ".[jit]"` (numba) a plan also compiles runs of elementwise arithmetic to loops, so that an array is
# read once for several calls. It is used where it is installed; `jit=False` leaves it out, `jit=True` insists:

# %%
try:
    compiled = av.function(jit=True)(lambda x: av.tanh(x) * 2.0 + 1.0)
    print("numba is here:", compiled(np.zeros(3)).numpy())
except ImportError as error:
    print(error)

# %% [markdown]
# `exact=True` leaves out everything that changes the order of a sum, so that a plan has the bits of the eager step in
# any case; `without=("in_loops",)` leaves out one pass, to find out what a difference comes from. The passes and their
# order are in [`docs/architecture.md`](../docs/architecture.md), what each op costs in
# [`docs/costs.md`](../docs/costs.md).
#
# ## What to remember
#
# - Put the tape, the gradient and the update into one function, and `@av.function` on it.
# - Pass what changes. What is not passed is a constant, unless it is a Variable.
# - Same shapes, same plan. Look at `f.traces` when a loop is slow.
# - Measure before you change anything: `f.profile`, `GradientTape(profile=True)`.
