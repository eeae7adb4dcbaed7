"""Write `lbfgs.json`: parameters after each call of PyTorch's L-BFGS, float64, with and without line search.

The problems stand here and, once more, in `tests/test_optim_lbfgs.py`. Run with a Python that has PyTorch::

    python tests/golden/make_lbfgs.py
"""

import math
import platform

import numpy as np
import torch
from torch.optim.lbfgs import _strong_wolfe
from writer import write

SEED = 20260301
rng = np.random.default_rng(SEED)
X, LABELS = rng.normal(size=(30, 4)), (rng.random(30) < 0.4).astype(float)

SCALES = torch.tensor([1.0, 10.0, 200.0, 3000.0], dtype=torch.float64)


def rosenbrock(p):
    return (1.0 - p["x"][0]) ** 2 + 100.0 * (p["x"][1] - p["x"][0] ** 2) ** 2


def quadratic(p):
    return (SCALES * (p["x"] - 1.0) ** 2).sum()


def logistic(p):
    z = torch.tanh(torch.tensor(X) @ p["kernel"] + p["bias"]) @ p["head"] + p["offset"]
    fit = torch.nn.functional.softplus(z) - torch.tensor(LABELS) * z
    return fit.mean() + 0.01 * sum((p[name] ** 2).sum() for name in ("kernel", "bias", "head", "offset"))


START = {
    "rosenbrock": {"x": [-1.2, 1.0]},
    "quadratic": {"x": [2.0, -1.0, 0.5, 3.0]},
    "logistic": {
        "kernel": rng.normal(size=(4, 3)).tolist(),
        "bias": [0.0, 0.1, -0.1],
        "head": rng.normal(size=3).tolist(),
        "offset": 0.2,
    },
}
# name: (problem, calls, arguments as PyTorch spells them)
WOLFE = {"line_search_fn": "strong_wolfe", "history_size": 10, "max_eval": 40}  # PyTorch cuts a line search off by it
CASES = {
    "rosenbrock, one iteration a call": (rosenbrock, 30, WOLFE | {"max_iter": 1}),
    "rosenbrock": (rosenbrock, 3, WOLFE | {"max_iter": 12}),
    "rosenbrock, ends by itself": (rosenbrock, 3, WOLFE | {"max_iter": 30}),
    "rosenbrock, no line search": (rosenbrock, 15, {"lr": 0.2, "max_iter": 2, "max_eval": 9, "history_size": 5}),
    "quadratic": (quadratic, 12, WOLFE | {"max_iter": 1}),
    "quadratic, two pairs": (quadratic, 20, WOLFE | {"max_iter": 1, "history_size": 2}),
    "quadratic, no line search": (quadratic, 6, {"lr": 0.5, "max_iter": 4, "history_size": 10}),
    "logistic": (logistic, 4, WOLFE | {"max_iter": 8}),
    "logistic, small first steps": (logistic, 10, WOLFE | {"lr": 0.05, "max_iter": 2}),
    "logistic, no line search": (logistic, 4, {"lr": 0.8, "max_iter": 5, "history_size": 3}),
}


def run(loss, calls, arguments):
    p = {name: torch.tensor(v, dtype=torch.float64, requires_grad=True) for name, v in START[loss.__name__].items()}
    optimizer = torch.optim.LBFGS(list(p.values()), **arguments)

    def closure():
        optimizer.zero_grad()
        value = loss(p)
        value.backward()
        return value

    losses, after = [], []
    for _ in range(calls):
        losses.append(optimizer.step(closure).item())
        after.append({name: v.detach().tolist() for name, v in p.items()})
    return {"problem": loss.__name__, "arguments": arguments, "losses": losses, "after": after}


# Functions of one variable, and their slopes, for the line search alone: the steps that it tries. The first is (5.1) of
# More and Thuente, 1994.
LINES = {
    "flat": (lambda t: -t / (t**2 + 2), lambda t: (t**2 - 2) / (t**2 + 2) ** 2),
    "steep": (lambda t: math.exp(5 * t) - 90 * t, lambda t: 5 * math.exp(5 * t) - 90),
    "power": (lambda t: (t - 1) ** 8 - 1, lambda t: 8 * (t - 1) ** 7),
    "waves": (lambda t: t * t - 4 * t - math.sin(9 * t) / 2, lambda t: 2 * t - 4 - 4.5 * math.cos(9 * t)),
    "kink": (lambda t: 20 * max(t - 0.37, 0.0) ** 1.25 - t, lambda t: 25 * max(t - 0.37, 0.0) ** 0.25 - 1),
}


def steps(line, first):
    value, slope = LINES[line]
    tried = []

    def at(x, t, d):
        tried.append(float(t))
        return value(float(t)), torch.tensor([slope(float(t))], dtype=torch.float64)

    one = torch.ones(1, dtype=torch.float64)
    start = torch.tensor([slope(0.0)], dtype=torch.float64)
    found = _strong_wolfe(at, None, first, one, value(0.0), start, start.dot(one), tolerance_change=0.0)
    return {"line": line, "first": first, "tried": tried, "found": float(found[2])}


header = {
    "searches": [steps(line, first) for line in LINES for first in (0.001, 0.1, 1.0, 3.0, 10.0)],
    "torch": torch.__version__, "numpy": np.__version__, "python": platform.python_version(), "seed": SEED,
    "start": START, "inputs": {"x": X.tolist(), "labels": LABELS.tolist()},
}  # fmt: skip
write(__file__, header, {name: run(*case) for name, case in CASES.items()})
