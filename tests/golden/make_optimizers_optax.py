"""Write `optimizers_optax.json`: Optax's trajectories of what PyTorch lacks, on the problem of `optimizers.json`.

Run with a Python that has JAX and Optax, after `make_optimizers.py`::

    python tests/golden/make_optimizers_optax.py
"""

import json
from pathlib import Path

import jax
import numpy as np
import optax
from writer import write

jax.config.update("jax_enable_x64", True)
STEPS = (1, 2, 10, 50)

# name: (our class, our arguments, Optax's optimizer)
CASES = {
    "lion": ("Lion", {"learning_rate": 0.01}, optax.lion(0.01, weight_decay=0.0)),
    "lion_all": (
        "Lion",
        {"learning_rate": 0.02, "beta_1": 0.8, "beta_2": 0.95, "weight_decay": 0.1},
        optax.lion(0.02, b1=0.8, b2=0.95, weight_decay=0.1),
    ),
    "lamb": ("LAMB", {"learning_rate": 0.02}, optax.lamb(0.02)),
    "lamb_all": (
        "LAMB",
        {"learning_rate": 0.05, "beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-3, "weight_decay": 0.1},
        optax.lamb(0.05, b1=0.8, b2=0.95, eps=1e-3, weight_decay=0.1),
    ),
}


def run(optimizer, problem):
    params = {name: np.array(a, np.float64) for name, a in problem["initial"].items()}
    c, d = ({name: np.array(a, np.float64) for name, a in problem[kind].items()} for kind in "cd")
    state, stored = optimizer.init(params), {}
    for step in range(1, max(STEPS) + 1):
        gradients = {name: c[name] * np.cos(p) + 0.2 * d[name] * p for name, p in params.items()}
        changes, state = optimizer.update(gradients, state, params)
        params = {name: p + np.asarray(changes[name]) for name, p in params.items()}
        if step in STEPS:
            stored[str(step)] = {name: p.tolist() for name, p in params.items()}
    return stored


def main():
    problem = json.loads(Path(__file__).with_name("optimizers.json").read_text())["problem"]
    cases = {
        name: {"optimizer": kind, "arguments": arguments, "params_after_step": run(optimizer, problem)}
        for name, (kind, arguments, optimizer) in CASES.items()
    }
    write(__file__, {"optax": optax.__version__, "jax": jax.__version__, "dtype": "float64"}, cases)


if __name__ == "__main__":
    main()
