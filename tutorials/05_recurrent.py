# %% [markdown]
# # Recurrent networks: one cell for all time steps
#
# The sun has more spots in some years than in others, and people have counted them since 1700. Here a recurrent network
# learns to forecast the next year. You will be able to write a recurrent cell as a plain function, see that it is *one*
# cell however long the series is, train `av.layers.RNN` with three kinds of cells as one plan, compare the forecasts
# with what linear regression gives, and look at the gradient on its way back through time.
#
# The data lie in the repository (`tutorials/data/README.md`: source and licence).

# %%
import matplotlib.pyplot as plt
import numpy as np
from tutorial_data import load_sunspots

import autograd_vs as av
import optim

plt.rcParams.update({"figure.figsize": (7, 3), "figure.dpi": 80, "figure.constrained_layout.use": True})
BLUE, ORANGE, GREEN, WINE, GREY = "#0072B2", "#D55E00", "#009E73", "#882255", "#777777"

years, spots = load_sunspots()

# %% [markdown]
# ## 1. The series
#
# The numbers swing with a period of about eleven years, rise faster than they fall, and no two peaks are of one height.
# We train on the years to 1900, choose by the next forty, and judge by the years from 1941 on: they have the
# highest peaks of all, so a model has to go beyond what it has seen.

# %%
train_years, validation_years, test_years = years <= 1900, (years > 1900) & (years <= 1940), years > 1940

_, ax = plt.subplots()
for part, color, label in (
    (train_years, GREY, "training"),
    (validation_years, GREEN, "validation"),
    (test_years, BLUE, "test"),
):
    ax.plot(years[part], spots[part], color=color, label=label)
ax.set(title="Sunspots, mean of each year", xlabel="year", ylabel="number of spots", ylim=(0, 240))
ax.legend(ncols=3, loc="upper left")
assert train_years.sum() == 201 and spots[test_years].max() > 1.2 * spots[train_years].max()

# %% [markdown]
# High numbers scatter more than low ones. The square root makes the scatter about even, and a factor brings the numbers
# near 1; all models below work on that scale, and all errors are in numbers of spots.

# %%
series = (np.sqrt(spots) / 10).astype(np.float32)


def to_spots(z):
    return (10 * np.maximum(z, 0)) ** 2


def error(forecast, part):
    """Root mean square error, in spots, over some of the years."""
    return float(np.sqrt(np.mean((forecast[part] - spots[part]) ** 2)))


# %% [markdown]
# ## 2. A cell is a function that asks for its variables by name
#
# One step takes the number of this year and the state so far, and gives the new state. The loop over the years is a
# loop in Python. Each turn asks for `model/cell/kernel` and gets the same variable: that is all that "shared" means.


# %%
UNITS = 16


def plain_cell(x, h):
    kernel = av.get_variable("kernel", (x.shape[-1], UNITS))
    recurrent = av.get_variable("recurrent_kernel", (UNITS, UNITS), initializer=av.initializers.orthogonal)
    bias = av.get_variable("bias", (UNITS,), initializer=av.initializers.zeros)
    return av.tanh(x @ kernel + h @ recurrent + bias)


def last_state(x, scope_of_step):
    """The state behind x (batch, steps, 1); `scope_of_step` says in which scope a step finds its variables."""
    h = np.zeros((len(x), UNITS), np.float32)
    for t in range(x.shape[1]):
        with av.variable_scope(scope_of_step(t), reuse=av.AUTO_REUSE):
            h = plain_cell(x[:, t], h)
    return h


thirty = np.stack([series[i : i + 30] for i in range(8)])[..., None]  # eight stretches of 30 years

store = av.VariableStore(seed=0)
with store:
    shared = last_state(thirty, lambda t: "model/cell")
store

# %% [markdown]
# Thirty steps, three variables. With a scope of its own for each step there would be ninety. We give these copies
# the same values: the result is the same, and the gradient of a shared variable is the *sum* of the gradients of its
# copies. Nobody has to write that sum, the tape does it, because the variable was used thirty times.

# %%
with store, av.GradientTape() as tape:
    loss = av.mean(av.square(last_state(thirty, lambda t: "model/cell")))
gradient = tape.gradient(loss, store["model/cell/recurrent_kernel"])

with av.VariableStore() as copies:
    last_state(thirty, lambda t: f"step_{t}")  # makes the variables
    for v in copies.variables():
        v.assign(store["model/cell/" + v.op.name.partition("/")[2]])
    with av.GradientTape() as tape:
        loss = av.mean(av.square(last_state(thirty, lambda t: f"step_{t}")))
    of_copies = tape.gradient(loss, [copies[f"step_{t}/recurrent_kernel"] for t in range(30)])

print(f"{len(store)} variables shared, {len(copies)} copies")
assert len(store) == 3 and len(copies) == 90
assert np.allclose(gradient.numpy(), sum(g.numpy() for g in of_copies), atol=1e-6)

# %% [markdown]
# ## 3. The same cell as a layer
#
# `av.layers.SimpleRNNCell` is this function as an object. In the scope `model`, which is reused, a cell named `cell`
# finds our three variables. `av.layers.RNN` runs a cell along time, and `av.scan` does so with any function: carry in,
# carry out, with time as the first axis. All three give the same states.

# %%
with store:
    with av.variable_scope("model", reuse=True):
        cell = av.layers.SimpleRNNCell(UNITS, name="cell")
        cell(thirty[:, 0])  # a layer takes its place at its first call
    by_rnn = av.layers.RNN(cell)(thirty)
    start = np.zeros((len(thirty), UNITS), np.float32)
    by_scan, states = av.scan(lambda h, x: cell(x, h), start, thirty.swapaxes(0, 1))

assert len(store) == 3  # nothing new was made
assert np.allclose(by_rnn.numpy(), shared.numpy(), atol=1e-6)
assert np.allclose(by_scan.numpy(), shared.numpy(), atol=1e-6)
states.shape

# %% [markdown]
# ## 4. What has to be beaten
#
# Two forecasts without a network. *Persistence* says that the next year is like this one. *Linear autoregression* takes
# a weighted sum of the last `p` years, with weights by least squares; `p` is the one that does best on the validation
# years. These are a few lines of NumPy, and they are hard to beat.


# %%
def lags(z, p):
    """(years, p + 1): the p years before each year, newest first, and a 1; the first p rows lack years."""
    columns = [np.concatenate([np.zeros(k, z.dtype), z[:-k]]) for k in range(1, p + 1)]
    return np.stack([*columns, np.ones_like(z)], axis=1)


def fit(p):
    rows = train_years & (np.arange(len(years)) >= p)
    return np.linalg.lstsq(lags(series, p)[rows], series[rows])[0]


autoregressions = {p: to_spots(lags(series, p) @ fit(p)) for p in range(1, 21)}
p = min(autoregressions, key=lambda p: error(autoregressions[p], validation_years))
baselines = {
    "mean of the training years": np.full(len(years), spots[train_years].mean()),
    "persistence": np.concatenate([spots[:1], spots[:-1]]),
    f"linear, {p} years": autoregressions[p],
}
for name, forecast in baselines.items():
    print(f"{name:<28}validation {error(forecast, validation_years):5.1f}   test {error(forecast, test_years):5.1f}")
linear = baselines[f"linear, {p} years"]
assert error(linear, test_years) < 0.6 * error(baselines["persistence"], test_years)

# %% [markdown]
# ## 5. Training
#
# The network is a cell along time and a dense layer on each state. It reads stretches of 36 years, and at each of them
# forecasts the next one; the first twelve do not count, since the state has seen little by then. The step is a plan
# (`@av.function`): its Python loop over the years ran once, while it was traced.


# %%
class Forecaster(av.layers.Layer):
    def __init__(self, cell):
        self.rnn = av.layers.RNN(cell, return_sequences=True, return_state=True)
        self.head = av.layers.Dense(1)

    def call(self, z, state=None):
        """The number that follows each one of z (batch, years), and the state behind them."""
        states, state = self.rnn(z[..., None], initial_state=state)
        return self.head(states)[..., 0], state


STRETCH, WARM, STEPS = 36, 12, 600
stretches = np.lib.stride_tricks.sliding_window_view(series[train_years], STRETCH + 1)


def trained(cell, seed):
    """(model, losses, training plan)"""
    store = av.VariableStore(seed=seed)
    with store:
        model = Forecaster(cell(UNITS))
        model(stretches[:1])  # makes the variables
    optimizer = optim.Adam(optim.schedules.cosine(1e-2, STEPS))
    history = av.History()

    @av.function
    def step(batch):
        with av.GradientTape() as tape:
            forecast, _ = model(batch[:, :-1])
            loss = av.nn.mse(forecast[:, WARM:], batch[:, 1 + WARM :])
        weights = model.trainable_weights
        optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        return loss

    rng = np.random.default_rng(seed)
    for _ in range(STEPS):
        history.log(loss=step(stretches[rng.integers(0, len(stretches), 32)]))
    return model, history, step


def one_step(model):
    """The forecast of each year from all those before it."""
    return to_spots(np.concatenate([series[:1], model(series[None, :-1])[0].numpy()[0]]))


CELLS = {"RNN": av.layers.SimpleRNNCell, "GRU": av.layers.GRUCell, "LSTM": av.layers.LSTMCell}
COLORS = {"RNN": BLUE, "GRU": ORANGE, "LSTM": GREEN}  # as those of av.plot
runs = {name: [trained(cell, seed) for seed in range(3)] for name, cell in CELLS.items()}
models = {name: [model for model, _, _ in made] for name, made in runs.items()}

_, ax = plt.subplots()
losses = {name: [history for _, history, _ in made] for name, made in runs.items()}
av.plot.compare(losses, "loss", ax=ax, log=True, smoothing=0.9)
for histories in losses.values():
    assert all(h["loss"][-20:].mean() < 0.3 * h["loss"][:20].mean() for h in histories)

# %% [markdown]
# All three come down to about the same loss; the LSTM takes longest. Its gates are three more cells side by side, so it
# has four times the numbers of the simple cell, and still one set of them for all years. The plan has no loop any more:
# 36 steps forwards and back, and the update, are one list of calls.

# %%
for name, made in runs.items():
    _, _, step = made[0]
    numbers = sum(v.size for v in models[name][0].weights)
    print(f"{name:<5}{numbers:5d} numbers,{len(step.plan().rows):5d} calls in a step")
[v.name for v in models["LSTM"][0].weights]

# %% [markdown]
# ## 6. One year ahead
#
# Each network gets three seeds: with so few years the seed makes a difference, and one number would say little. We also
# print what linear regression would have reached, had we known the best `p` for the test years.

# %%
PARTS = (validation_years, test_years)
errors = {name: [[error(one_step(m), part) for part in PARTS] for m in made] for name, made in models.items()}
one_year = {name: np.mean(found, axis=0) for name, found in errors.items()}

print("root mean square error, in spots")
print(f"{'':<28}validation    test")
for name in models:
    cells = [f"{mean:5.1f} ± {std:.1f}" for mean, std in zip(one_year[name], np.std(errors[name], axis=0), strict=True)]
    print(f"{name + ', three seeds':<28}{cells[0]:<14}{cells[1]}")
best = min(autoregressions, key=lambda p: error(autoregressions[p], test_years))
for text, forecast in ((f"linear, {p} years", linear), (f"linear, {best}, in hindsight", autoregressions[best])):
    print(f"{text:<28}{error(forecast, validation_years):5.1f}         {error(forecast, test_years):5.1f}")

_, ax = plt.subplots()
ax.plot(years[test_years], spots[test_years], "o", ms=3, color="black", label="counted")
mean_of_seeds = np.mean([one_step(m) for m in models["LSTM"]], axis=0)
ax.plot(years[test_years], mean_of_seeds[test_years], color=GREEN, label="LSTM, mean of three")
ax.plot(years[test_years], linear[test_years], "--", color=WINE, label=f"linear, {p} years")
ax.set(title="Forecasts one year ahead", xlabel="year", ylabel="number of spots", ylim=(0, 270))
ax.legend(ncols=3, loc="upper right")
for name in models:
    assert one_year[name][1] < 0.7 * error(baselines["persistence"], test_years)
    assert 0.75 * error(linear, test_years) < one_year[name][1] < 1.2 * error(linear, test_years)

# %% [markdown]
# All forecasts know the cycle, and are far better than persistence. The networks with gates are somewhat better than
# the linear forecast, but not by more than the choice of `p` makes: with 201 numbers to learn from, a handful of
# weights found by one call of `lstsq` are a serious rival. Whoever shows a network without this line shows little.
#
# ## 7. Running freely
#
# A forecast of more than a year feeds on itself: each forecast is the next input. The state is all that the network
# knows of the past, so the function below reads a hundred years once, and then goes on from the state, one step at a
# time. It starts behind each year from 1940 to 1986 at once, as a batch.

# %%
AHEAD, PAST = 22, 100
origins = np.arange(np.flatnonzero(test_years)[0], len(years) - AHEAD + 1)  # the first year to forecast
pasts = np.stack([series[i - PAST : i] for i in origins])
futures = np.stack([spots[i : i + AHEAD] for i in origins])


def run_freely(model, past, ahead):
    """(batch, ahead): what follows `past` (batch, years)."""

    @av.function
    def advance(z, state):
        return model(z, state)

    forecasts, state = model(past)
    found = [forecasts[:, -1:]]
    for _ in range(ahead - 1):
        z, state = advance(found[-1], state)
        found.append(z)
    return to_spots(av.concatenate(found, axis=1).numpy())


def run_linear(weights, past, ahead):
    z = past
    for _ in range(ahead):
        newest_first = z[:, : -len(weights) : -1]
        z = np.concatenate([z, newest_first @ weights[:-1, None] + weights[-1]], axis=1)
    return to_spots(z[:, -ahead:])


free = {name: [run_freely(m, pasts, AHEAD) for m in made] for name, made in models.items()}
free_linear = run_linear(fit(p), pasts, AHEAD)


def by_years_ahead(forecasts):
    return np.sqrt(np.mean((forecasts - futures) ** 2, axis=0))


_, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), width_ratios=(3, 2))
shown = np.arange(len(years) - 68, len(years))
left.plot(years[shown], spots[shown], "o", ms=3, color="black", label="counted")
left.plot(years[shown], run_freely(models["LSTM"][0], pasts[:1], 68)[0], color=GREEN, label="LSTM, first seed")
left.plot(years[shown], run_linear(fit(p), pasts[:1], 68)[0], "--", color=WINE, label=f"linear, {p} years")
left.set(title="Running freely from 1941 on", xlabel="year", ylabel="number of spots", ylim=(0, 260))
left.legend(ncols=2, loc="upper right", fontsize="small")
ahead = np.arange(1, AHEAD + 1)
curves = {name: np.mean([by_years_ahead(f) for f in found], axis=0) for name, found in free.items()}
for (name, curve), style in zip(curves.items(), ("-", "-.", "-"), strict=True):
    right.plot(ahead, curve, style, color=COLORS[name], label=name)
right.plot(ahead, by_years_ahead(free_linear), "--", color=WINE, label="linear")
right.plot(ahead, by_years_ahead(np.full_like(futures, spots[train_years].mean())), ":", color=GREY, label="mean")
right.set(title=f"Error, {len(origins)} starts", xlabel="years ahead", ylabel="root mean square, spots", ylim=(0, None))
right.legend(fontsize="small", ncols=2)
swing = {"LSTM": np.ptp(run_freely(models["LSTM"][0], pasts[:1], 68)[0, -11:])}
swing["linear"] = np.ptp(run_linear(fit(p), pasts[:1], 68)[0, -11:])
print(", ".join(f"{name}: swings by {width:.0f} spots in the last cycle" for name, width in swing.items()))
assert swing["LSTM"] > 3 * swing["linear"]
assert all(curve[10:].mean() < by_years_ahead(free_linear)[10:].mean() for curve in curves.values())

# %% [markdown]
# Here the two differ. A linear recursion can only fade (or grow without end), and fades to its mean. The network keeps
# swinging with the right period by itself, and is the better forecast ten and twenty years ahead. It does not know how
# high the peaks of the twentieth century are, and after some cycles the phase is luck. All errors grow fast in the
# first four years, and little after that.
#
# ## 8. The gradient on its way back
#
# How much does the forecast of this year depend on the number of `k` years ago? The tape says it: watch the
# input, and look at the gradient of the last forecast's loss for each year. On its way back it is multiplied, at each
# step, by `recurrent_kernel` and the slope of tanh in a simple cell, and in an LSTM by the forget gate, which is
# `sigmoid(forget_bias)` at first: 0.5, 0.73 or 0.95.


# %%
def gradients_back(model, z):
    """The norm of the gradient of the last forecast's loss with respect to each input: (years,)."""
    x = av.Tensor(z[:, :-1])
    with av.GradientTape() as tape:
        tape.watch(x)
        forecast, _ = model(x)
        loss = av.nn.mse(forecast[:, -1], z[:, -1])
    return np.linalg.norm(tape.gradient(loss, x).numpy(), axis=0)


LONG, SEEDS = 60, 5
sixty = np.lib.stride_tricks.sliding_window_view(series[train_years], LONG + 1)
back = np.arange(LONG)
new_cells = {
    "LSTM, forget bias 3": lambda: av.layers.LSTMCell(UNITS, forget_bias=3.0),
    "RNN, 1.5 x orthogonal": lambda: av.layers.SimpleRNNCell(
        UNITS, recurrent_initializer=av.initializers.orthogonal(1.5)
    ),
    "RNN, orthogonal": lambda: av.layers.SimpleRNNCell(UNITS),
    "LSTM, forget bias 1": lambda: av.layers.LSTMCell(UNITS, forget_bias=1.0),
    "LSTM, forget bias 0": lambda: av.layers.LSTMCell(UNITS),
}


def new_model(cell, seed):
    store = av.VariableStore(seed=seed)
    with store:
        model = Forecaster(cell())
        model(sixty[:1])
    return model


def typical(group):
    """Norms of the gradient, of the nearest year first and as a share of that; the geometric mean over models."""
    norms = np.stack([gradients_back(model, sixty)[::-1] for model in group])
    return np.exp(np.mean(np.log(norms / norms[:, :1]), axis=0))


new = {name: typical([new_model(cell, seed) for seed in range(SEEDS)]) for name, cell in new_cells.items()}
after = {name: typical(group) for name, group in models.items()}

_, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), sharey=True)
for (name, curve), style in zip(new.items(), ("-", ":", "-", "-.", "--"), strict=True):
    left.semilogy(back, curve, style, color=COLORS[name[:4].strip(",")], label=name)
for (name, curve), style in zip(after.items(), ("-", "-.", "--"), strict=True):
    right.semilogy(back, curve, style, color=COLORS[name], label=name)
left.set(title="New", xlabel="years back", ylabel="gradient, share of the last year's")
right.set(title="Trained", xlabel="years back")
left.legend(fontsize="small")
right.legend(fontsize="small", loc="lower left")
for name, curve in new.items():
    print(f"{name:<24}{curve[50]:.0e} of the gradient is left after 50 years")
assert new["LSTM, forget bias 0"][50] < 1e-8 < new["RNN, orthogonal"][50] < 1e-1 < new["LSTM, forget bias 3"][50]
assert all(1e-9 < curve[50] < 1e-2 for curve in after.values())

# %% [markdown]
# In a new network it is the initial values that decide: an LSTM whose gate starts half open forgets within a dozen
# years, one whose gate starts wide open still has a third of the gradient after fifty, and so has a simple cell whose
# matrix is 1.5 times an orthogonal one. (For long memories, start with an open gate: `forget_bias=1.0` or more.)
# Training on this series then brings all three cells near one another: how far back to look is now decided by the data.
#
# **To try**: `STRETCH = 60`, a list of two cells in `RNN`, `backward=` (why is it no use in a forecast?), or a cell of
# your own: a layer with `call(x, state)` and `zero_state(x)`.
