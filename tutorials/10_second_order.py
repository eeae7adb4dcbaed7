# %% [markdown]
# # Derivatives of derivatives
#
# A gradient that is computed while a tape listens is a value like any other, so it has a gradient, too. In this
# notebook you will
#
# - take second derivatives in two ways: nested tapes, and functions such as `av.grad`, `av.hessian` and `av.hvp`,
# - minimise a function by Newton's method, beside gradient descent and L-BFGS,
# - measure the curvature of a network's loss while it trains, and see it stop at 2 / learning rate,
# - train a network so that one step of gradient descent adapts it to a new task (MAML),
# - solve a differential equation with a network whose loss has second derivatives in it.

# %%
import matplotlib.pyplot as plt
import numpy as np
from tutorial_data import load_digits

import autograd_vs as av
import optim

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#666666"  # told apart by colour-blind readers, too


def panels(columns, width=7.5, height=3.0):
    return plt.subplots(1, columns, figsize=(width, height), dpi=80, layout="constrained")


# %% [markdown]
# ## 1. Two ways to write it
#
# **Tapes in one another.** The inner `gradient` is called while the outer tape records, so the outer one can
# differentiate it. **Functions of functions.** `av.grad(f)` is the derivative of `f` as a function, and may be given to
# `av.grad` again. Here both give the second derivative of $x^3 \sin x$.


# %%
def f(x):
    return x**3 * av.sin(x)


x = av.Variable(0.7, dtype="float64", name="x")
with av.GradientTape() as outer:
    with av.GradientTape() as inner:
        y = f(x)
    slope = inner.gradient(y, x)  # inside of the outer tape
by_tapes = outer.gradient(slope, x).item()
by_functions = av.grad(av.grad(f))(0.7).item()
by_hand = 6 * 0.7 * np.sin(0.7) + 6 * 0.7**2 * np.cos(0.7) - 0.7**3 * np.sin(0.7)
print(f"tapes {by_tapes:.12f}, functions {by_functions:.12f}, by hand {by_hand:.12f}")
assert np.isclose(by_tapes, by_hand, rtol=1e-12) and np.isclose(by_functions, by_hand, rtol=1e-12)

# %% [markdown]
# The mistake that everybody makes once: the inner gradient is taken when the outer tape is closed already. No path
# leads from that slope to `x`, so the answer is None, and `explain` says what to look for.

# %%
with av.GradientTape() as outer:
    with av.GradientTape() as inner:
        y = f(x)
slope = inner.gradient(y, x)  # too late: nobody records it
print(outer.gradient(slope, x))
print(outer.explain(slope, x))

# %% [markdown]
# For functions of vectors there are two more. `av.hessian(f)(x)` is the whole matrix, at the price of one gradient for
# each of its rows; `av.hvp(f, x, v)` is the matrix times a vector, at the price of a few gradients however many rows
# there are.

# %%
matrix = np.array([[3.0, 1.0, 0.0], [1.0, 2.0, -1.0], [0.0, -1.0, 4.0]])


def bowl(x):
    return 0.5 * x @ matrix @ x + av.sum(av.exp(x))


at, direction = np.array([0.1, -0.2, 0.3]), np.array([1.0, 0.0, -1.0])
hessian = av.hessian(bowl)(at).numpy()
print(hessian)
assert np.allclose(hessian, matrix + np.diag(np.exp(at)))
assert np.allclose(av.hvp(bowl, at, direction).numpy(), hessian @ direction)

# %% [markdown]
# ## 2. Newton's method
#
# Rosenbrock's function has a curved valley: walls that are 2,500 times as curved as its floor. Gradient descent must
# take steps short enough for the walls, and hardly moves along the floor. Newton's method divides by the curvature,
# $x \leftarrow x - H^{-1} g$, and has the right length in every direction. L-BFGS has no Hessian, but guesses it from
# the gradients that it has seen.


# %%
def rosenbrock(p):
    return (1.0 - p[0]) ** 2 + 100.0 * (p[1] - p[0] ** 2) ** 2


start = np.array([-1.2, 1.0])
gradient, second = av.function(av.grad(rosenbrock)), av.function(av.hessian(rosenbrock))
low, high = np.linalg.eigvalsh(second(np.ones(2)).numpy())
print(f"curvatures at the minimum: {low:.2f} and {high:.0f}")


def newton(p, steps=10):
    path = [p]
    for _ in range(steps):
        p = p - np.linalg.solve(second(p).numpy(), gradient(p).numpy())
        path.append(p)
    return np.array(path)


def descent(p, rate=1e-3, steps=5000):
    path = [p]
    for _ in range(steps):
        p = p - rate * gradient(p).numpy()
        path.append(p)
    return np.array(path)


def lbfgs(p, steps=60):
    v, optimizer = av.Variable(p), optim.LBFGS(max_iter=1)
    path = [p]
    for _ in range(steps):
        optimizer.minimize(lambda: rosenbrock(v), [v])
        path.append(v.numpy())
        if optimizer.result.status.startswith("tolerance"):
            break
    return np.array(path)


paths = {"gradient descent": descent(start), "L-BFGS": lbfgs(start), "Newton": newton(start)}
for name, path in paths.items():
    print(f"{name:<17}{len(path) - 1:>5} steps, loss {rosenbrock(path[-1]):.1e}")
assert rosenbrock(paths["Newton"][-1]) < 1e-20 and rosenbrock(paths["L-BFGS"][-1]) < 1e-10
assert rosenbrock(paths["gradient descent"][-1]) > 1e-3

# %%
figure, (left, right) = panels(2, height=3.4)
across, up = np.meshgrid(np.linspace(-1.6, 1.6, 200), np.linspace(-3.5, 2.0, 200))
left.contour(across, up, np.log10(1e-3 + rosenbrock((across, up))), 14, colors="#bbbbbb", linewidths=0.7)
looks = {"gradient descent": (GREY, "-", ""), "L-BFGS": (BLUE, "-", "o"), "Newton": (ORANGE, "--", "s")}
for name, path in paths.items():
    colour, line, marker = looks[name]
    left.plot(*path.T, line, color=colour, marker=marker, markersize=3.5, linewidth=1.4, label=name)
    losses = [max(rosenbrock(p), 1e-22) for p in path]
    right.loglog(range(1, len(path) + 1), losses, line, color=colour, marker=marker, markersize=3.5, label=name)
left.plot(1, 1, "*", color="black", markersize=11)
left.set(title="paths from (-1.2, 1) to the star", xlabel="first coordinate", ylabel="second coordinate")
left.set(xlim=(-1.6, 1.6), ylim=(-3.5, 2.0))
right.set(title="loss (drawn down to 1e-22)", xlabel="points so far", ylabel="value of Rosenbrock's function")
_ = right.legend(fontsize=8, loc="lower right")

# %% [markdown]
# Newton's method jumps from the starting point's side straight to the other one, far up the wall (the square at the
# bottom, where the function is 1,400), and is done four steps later: it does not care whether the function rises on the
# way. L-BFGS never rises, and needs some thirty steps. Gradient descent is still on its way after 5,000. For real work
# take `optim.LBFGS` where there is no noise, or Newton steps with a line search.
#
# ## 3. How curved is the loss of a network?
#
# A network with 1,210 numbers has a Hessian of 1.5 million, and the ones in use have far more numbers. But the largest
# eigenvalue needs products with vectors only: multiply, normalise, repeat (*power iteration*). `av.hvp` takes nests, so
# the vector has the structure of the parameters.

# %%
images, labels = load_digits()["train"]
images, targets = images[:300] - images[:300].mean(axis=0), np.eye(10, dtype="float32")[labels[:300]]


def make_parameters():
    with av.VariableStore(seed=0):
        zeros = av.initializers.zeros
        w1, w2 = av.get_variable("w1", (64, 16)), av.get_variable("w2", (16, 10))
        b1, b2 = av.get_variable("b1", (16,), initializer=zeros), av.get_variable("b2", (10,), initializer=zeros)
    return w1, b1, w2, b2


def error(w1, b1, w2, b2):
    return 0.5 * av.mean(av.sum(av.square(av.tanh(images @ w1 + b1) @ w2 + b2 - targets), axis=1))


def power_iteration(product, vector, steps):
    """(largest eigenvalue, its vector) of the symmetric matrix that `product` multiplies by."""
    for _ in range(steps):
        image = [a.numpy() for a in product(vector)]
        eigenvalue = sum(np.vdot(a, b) for a, b in zip(vector, image, strict=True))
        length = np.sqrt(sum(np.vdot(a, a) for a in image))
        vector = [a / length for a in image]
    return float(eigenvalue), vector


def random_vector(parameters):
    rng = np.random.default_rng(0)
    vector = [rng.standard_normal(v.shape, dtype="float32") for v in parameters]
    return [a / np.sqrt(sum(np.vdot(b, b) for b in vector)) for a in vector]


parameters = make_parameters()
product = av.function(lambda v: av.hvp(error, parameters, v))
largest, _ = power_iteration(product, random_vector(parameters), 100)

# %% [markdown]
# For once we can afford the whole matrix, to see whether that is right: one row of the Hessian is one gradient of a
# gradient, 1,210 of them. `av.ravel` makes one vector of all parameters and a function that leads back.

# %%
flat, unravel = av.ravel(parameters)
whole = av.hessian(lambda v: error(*unravel(v)))(flat).numpy()
eigenvalues = np.linalg.eigvalsh(whole)
print(f"power iteration {largest:.5f}, of the whole matrix {eigenvalues[-1]:.5f}")
print(f"{np.sum(eigenvalues > 1)} of {len(flat):,} eigenvalues are larger than 1, {np.sum(eigenvalues < 0)} negative")
assert np.isclose(largest, eigenvalues[-1], rtol=1e-3)

# %% [markdown]
# Why one wants to know: on a parabola of curvature $c$ gradient descent with a rate $r$ shrinks for $c < 2/r$ and
# explodes beyond. Networks are no parabolas, but look what happens when one is trained with all data in each step, at
# three rates.


# %%
def train(rate, steps=3000, every=60):
    """(losses of all steps, largest eigenvalue at every so many)"""
    parameters, optimizer = make_parameters(), optim.SGD(rate)
    step = av.function(lambda: optimizer.minimize(lambda: error(*parameters), parameters))
    product = av.function(lambda v: av.hvp(error, parameters, v))
    losses, sharpness, vector = [], [], random_vector(parameters)
    for n in range(steps):
        if n % every == 0:
            largest, vector = power_iteration(product, vector, 100 if n == 0 else 15)  # goes on where it was
            sharpness.append(largest)
        losses.append(step().item())
    return losses, sharpness


runs = {rate: train(rate) for rate in (0.2, 0.5, 0.8)}

# %%
figure, (left, right) = panels(2)
for (rate, (losses, sharpness)), colour in zip(runs.items(), (BLUE, GREEN, ORANGE), strict=True):
    left.plot(losses, color=colour, linewidth=1, label=f"rate {rate}")
    right.plot(np.arange(len(sharpness)) * 60, sharpness, color=colour, label=f"rate {rate}")
    if rate > 0.2:
        right.axhline(2 / rate, color=colour, linestyle=":", linewidth=1.5)
        right.text(3000, 2 / rate + 0.05, f"2 / {rate}", color=colour, ha="right", va="bottom", fontsize=9)
left.set(title="training error", xlabel="step", ylabel="squared error", yscale="log")
right.set(title="largest eigenvalue of the Hessian", xlabel="step", ylabel="curvature", ylim=(2, 6.2))
_ = left.legend(fontsize=8)
for rate in (0.5, 0.8):
    assert np.isclose(np.mean(runs[rate][1][-10:]), 2 / rate, rtol=0.15)
assert max(runs[0.2][1]) < 2 / 0.2

# %% [markdown]
# Left to itself the curvature grows as training goes on (rate 0.2, which would allow 10). With larger rates it grows up
# to 2 / rate, and then stays there: training sits at the edge at which it would explode, and its error goes down in
# jumps. This is the *edge of stability* (Cohen and others, 2021).
#
# ## 4. Learning to learn: MAML with nested tapes
#
# A *task* is a sine wave of some amplitude and phase, of which one sees ten points. No network can know the wave
# beforehand; but it can begin from where **one step of gradient descent** on ten points gets close. MAML (Finn and
# others, 2017) looks for such a beginning: its loss is what remains *after* the step, so its gradient goes through the
# step, and through the gradient in it.
#
# Each task needs weights of its own after the step. `broadcast_to` gives the shared ones a first dimension for the
# tasks, and the products of matrices then run for all tasks at once.

# %%
TASKS, SHOTS, STEP = 16, 10, 0.01


def make_network(name):
    with av.VariableStore(seed=0), av.variable_scope(name):
        shapes = [(1, 40), (1, 40), (40, 40), (1, 40), (40, 1), (1, 1)]
        kinds = [{}, {"initializer": av.initializers.zeros}] * 3
        return [av.get_variable(f"p{i}", s, **kind) for i, (s, kind) in enumerate(zip(shapes, kinds, strict=True))]


def predict(x, p):
    h = av.nn.relu(x @ p[0] + p[1])
    h = av.nn.relu(h @ p[2] + p[3])
    return h @ p[4] + p[5]


def waves(rng, tasks, points):
    """Sines of amplitude 0.1 to 5 and any phase up to pi: x and y, of shape (tasks, points, 1)."""
    amplitude, phase = rng.uniform(0.1, 5, (tasks, 1, 1)), rng.uniform(0, np.pi, (tasks, 1, 1))
    x = rng.uniform(-5, 5, (tasks, points, 1))
    return x.astype("float32"), (amplitude * np.sin(x - phase)).astype("float32")


def adapted(parameters, x, y, steps=1):
    """Weights for each task, after steps of gradient descent on its points."""
    p = [av.broadcast_to(v, (len(x), *v.shape)) for v in parameters]
    for _ in range(steps):
        with av.GradientTape() as inner:
            inner.watch(p)
            loss = av.sum(av.mean(av.square(predict(x, p) - y), axis=(1, 2)))  # a sum: tasks do not mix
        p = [w - STEP * g for w, g in zip(p, inner.gradient(loss, p), strict=True)]
    return p


beginning, ordinary = make_network("maml"), make_network("ordinary")
optimizer, other = optim.Adam(5e-3), optim.Adam(5e-3)


@av.function
def meta_step(x, y):
    with av.GradientTape() as outer:
        p = adapted(beginning, x[:, :SHOTS], y[:, :SHOTS])
        loss = av.mean(av.square(predict(x[:, SHOTS:], p) - y[:, SHOTS:]))  # points that the step has not seen
    optimizer.apply_gradients(zip(outer.gradient(loss, beginning), beginning, strict=True))
    return loss


@av.function
def ordinary_step(x, y):
    return other.minimize(lambda: av.mean(av.square(predict(x, ordinary) - y)), ordinary)


rng, curves = np.random.default_rng(0), ([], [])
for _ in range(3000):
    x, y = waves(rng, TASKS, 2 * SHOTS)
    curves[0].append(meta_step(x, y))  # Tensors: nobody needs the numbers yet
    curves[1].append(ordinary_step(x, y))

# %% [markdown]
# The second network saw the same waves, and was trained without the inner step. Both now get ten points of 200 new
# waves and up to ten steps of gradient descent.

# %%
x, y = waves(np.random.default_rng(1), 200, SHOTS + 40)
errors = {}
for name, parameters in {"MAML": beginning, "ordinary training": ordinary}.items():
    after = [adapted(parameters, x[:, :SHOTS], y[:, :SHOTS], steps) for steps in (0, 1, 10)]
    errors[name] = [av.mean(av.square(predict(x[:, SHOTS:], p) - y[:, SHOTS:])).item() for p in after]
    print(
        f"{name:<18}", "error", "  ".join(f"{e:.2f} after {n}" for e, n in zip(errors[name], (0, 1, 10), strict=True))
    )
assert errors["MAML"][1] < 0.5 * errors["ordinary training"][1] and errors["MAML"][0] > 1

# %%
wave = np.linspace(-5, 5, 200, dtype="float32").reshape(1, -1, 1)
seen = np.random.default_rng(3).uniform(-5, 5, (1, SHOTS, 1)).astype("float32")
figure, axes = panels(2)
for ax, (name, parameters) in zip(axes, {"MAML": beginning, "ordinary training": ordinary}.items(), strict=True):
    ax.plot(wave.ravel(), 3 * np.sin(wave.ravel() - 1), color="black", linewidth=1, label="the wave")
    ax.plot(seen.ravel(), 3 * np.sin(seen.ravel() - 1), "o", color="black", markersize=4, label="ten points")
    for steps, colour, line in ((0, GREY, ":"), (1, ORANGE, "--"), (10, BLUE, "-")):
        p = adapted(parameters, seen, 3 * np.sin(seen - 1), steps)
        label = "before" if steps == 0 else f"after {steps} step{'s' * (steps > 1)}"
        ax.plot(wave.ravel(), predict(wave, p).numpy().ravel(), line, color=colour, linewidth=1.6, label=label)
    ax.set(title=name, xlabel="x", ylabel="y", ylim=(-4, 8))
_ = axes[0].legend(fontsize=8, ncols=2, loc="upper center")

# %% [markdown]
# Before the step neither network knows anything: both draw close to the mean of all waves. One step on ten points takes
# the first network most of the way; the second one, which is as good before, has half of its error left after ten.
#
# ## 5. A differential equation: `av.grad` in a loss
#
# How does heat spread along a rod whose ends are kept at 0? The temperature $u(x, t)$ obeys $u_t = k\,u_{xx}$. A
# network can be that function: `av.grad` gives its derivatives with respect to its *inputs*, at as many points as one
# likes, and the loss asks that the equation hold, beside the temperature at the beginning and at the ends. For this
# start the exact solution is known, so that we can look how far it is off.

# %%
K = 0.1


def exact(x, t):
    slow, fast = np.exp(-K * np.pi**2 * t), np.exp(-9 * K * np.pi**2 * t)
    return slow * np.sin(np.pi * x) + 0.5 * fast * np.sin(3 * np.pi * x)


with av.VariableStore(seed=0) as heat, av.variable_scope("heat", dtype="float64"):
    network = av.layers.Sequential([
        av.layers.Dense(24, activation="tanh"),
        av.layers.Dense(24, activation="tanh"),
        av.layers.Dense(1),
    ])  # fmt: skip
    network(np.zeros((1, 2)))


def u(x, t):
    return network(av.concatenate([x, t], axis=1))


def total(x, t):
    return av.sum(u(x, t))  # each point has its own inputs, so the gradient of the sum has the derivative at each


u_x, u_t = av.grad(total, 0), av.grad(total, 1)
u_xx = av.grad(lambda x, t: av.sum(u_x(x, t)), 0)

rng = np.random.default_rng(0)
points = av.Variable(rng.uniform(0, 1, (2, 500, 1)), trainable=False)  # so that a plan sees when they change
line, ends = np.linspace(0, 1, 50)[:, None], np.linspace(0, 1, 25)[:, None]


@av.function
def loss():
    x, t = points[0], points[1]
    equation = u_t(x, t) - K * u_xx(x, t)
    beginning = u(line, 0 * line) - exact(line, 0.0)
    left, right = u(0 * ends, ends), u(0 * ends + 1, ends)
    rest = av.mean(beginning**2) + av.mean(left**2) + av.mean(right**2)
    return av.mean(equation**2) + 10.0 * rest


# %% [markdown]
# There is no noise in this loss, so L-BFGS gets far. `loss` is an `av.function`, which makes a plan of it and its
# gradient: three derivatives in one another become a flat list of NumPy calls. Notebook 09 shows what that means.
#
# Every 80 iterations the points are drawn anew, so that the network cannot obey the equation at some points and do as
# it likes between them. (Of nine draws of 400 to 700 points that stayed, eight ended closer than this and one 19
# percent off, at as small a loss.)

# %%
grid_x, grid_t = (a.reshape(-1, 1) for a in np.meshgrid(np.linspace(0, 1, 101), np.linspace(0, 1, 51)))
truth = exact(grid_x, grid_t)


def relative_error():
    return float(np.linalg.norm(u(grid_x, grid_t).numpy() - truth) / np.linalg.norm(truth))


solver, progress = optim.LBFGS(max_iter=80), [(0, relative_error())]
for _ in range(30):
    points.assign(rng.uniform(0, 1, points.shape))
    solver.minimize(loss, network.trainable_weights)
    progress.append((solver.iterations, relative_error()))
print(f"loss {solver.result.loss:.1e}, relative error of the temperature {progress[-1][1]:.2%}")
assert progress[-1][1] < 0.02

# %%
found = u(grid_x, grid_t).numpy()
figure, (left, right) = panels(2)
for time, colour in ((0.0, GREY), (0.1, GREEN), (0.3, BLUE), (1.0, ORANGE)):
    here = np.isclose(grid_t, time)
    left.plot(grid_x[here], truth[here], color=colour, linewidth=3, alpha=0.4)
    left.plot(grid_x[here], found[here], "--", color=colour, label=f"t = {time}")
left.set(
    title="temperature (wide: exact, dashed: network)", xlabel="place x", ylabel="temperature u", ylim=(-0.05, 1.6)
)
left.legend(fontsize=8, ncols=2, loc="upper center")
right.semilogy(*zip(*progress, strict=True), color=BLUE)
right.set(title="distance from the exact solution", xlabel="iterations of L-BFGS", ylabel="relative error")
_ = right.grid(alpha=0.3)

# %% [markdown]
# ## What to remember
#
# - A gradient is differentiated if it is computed inside of the outer tape, or inside of the function that you give to
#   `av.grad`. There is no flag to set.
# - Ask for `av.hvp` before you ask for `av.hessian`.
# - Second derivatives make many small ops; `@av.function` takes away what each of them costs in Python.
# - An op whose second derivative does not exist says so by name ([`docs/ops.md`](../docs/ops.md)); relu's is 0, so a
#   network that shall solve a differential equation wants tanh.
