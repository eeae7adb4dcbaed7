"""Write `optimizers.json`: 50 steps of PyTorch's optimizers, float64, on a problem that plain formulas reproduce.

The loss is ``sum(c * sin(p) + 0.1 * d * p**2)`` over all parameters, so the gradient that both sides feed in is
``c * cos(p) + 0.2 * d * p``, written out below and not taken from autograd. Run with a Python that has PyTorch::

    python tests/golden/make_optimizers.py
"""

import json
import platform
from pathlib import Path

import numpy as np
import torch

SEED = 20260102
SHAPES = {"kernel": (3, 4), "bias": (4,), "scale": ()}
STEPS = (1, 2, 10, 50)

# name: (class, arguments as PyTorch spells them)
CASES = {
    "sgd": (torch.optim.SGD, {"lr": 0.05}),
    "sgd_momentum": (torch.optim.SGD, {"lr": 0.05, "momentum": 0.9}),
    "sgd_nesterov": (torch.optim.SGD, {"lr": 0.05, "momentum": 0.9, "nesterov": True}),
    "sgd_weight_decay": (torch.optim.SGD, {"lr": 0.05, "weight_decay": 0.1}),
    "sgd_nesterov_weight_decay": (
        torch.optim.SGD,
        {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
    ),
    "adam": (torch.optim.Adam, {"lr": 1e-3}),
    "adam_large_steps": (torch.optim.Adam, {"lr": 0.1, "betas": (0.8, 0.95), "eps": 1e-6}),
    "adam_amsgrad": (torch.optim.Adam, {"lr": 0.1, "amsgrad": True}),
    "adam_weight_decay": (torch.optim.Adam, {"lr": 0.1, "weight_decay": 0.1}),
    "adamw": (torch.optim.AdamW, {"lr": 1e-3}),
    "adamw_large_steps": (torch.optim.AdamW, {"lr": 0.1, "weight_decay": 0.1}),
    "adamw_amsgrad": (torch.optim.AdamW, {"lr": 0.1, "amsgrad": True}),
    "adagrad": (torch.optim.Adagrad, {"lr": 0.1}),
    "adagrad_all": (
        torch.optim.Adagrad,
        {"lr": 0.2, "lr_decay": 0.05, "weight_decay": 0.1, "initial_accumulator_value": 0.3, "eps": 1e-3},
    ),
    "rmsprop": (torch.optim.RMSprop, {"lr": 0.01}),
    "rmsprop_momentum": (torch.optim.RMSprop, {"lr": 0.01, "alpha": 0.9, "momentum": 0.8}),
    "rmsprop_centered": (torch.optim.RMSprop, {"lr": 0.01, "centered": True, "eps": 1e-4}),
    "rmsprop_all": (
        torch.optim.RMSprop,
        {"lr": 0.01, "alpha": 0.95, "momentum": 0.5, "centered": True, "weight_decay": 0.1},
    ),
    "adadelta": (torch.optim.Adadelta, {}),
    "adadelta_all": (torch.optim.Adadelta, {"lr": 0.5, "rho": 0.8, "eps": 1e-2, "weight_decay": 0.1}),
    "adamax": (torch.optim.Adamax, {"lr": 0.05}),
    "adamax_all": (torch.optim.Adamax, {"lr": 0.1, "betas": (0.8, 0.9), "eps": 1e-2, "weight_decay": 0.1}),
    "nadam": (torch.optim.NAdam, {"lr": 0.05}),
    "nadam_all": (
        torch.optim.NAdam,
        {"lr": 0.02, "betas": (0.8, 0.95), "eps": 1e-4, "weight_decay": 0.1, "momentum_decay": 0.5},
    ),
    "nadam_decoupled": (torch.optim.NAdam, {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    "radam": (torch.optim.RAdam, {"lr": 0.05}),
    "radam_all": (torch.optim.RAdam, {"lr": 0.1, "betas": (0.8, 0.9), "eps": 1e-4, "weight_decay": 0.1}),
    "radam_decoupled": (torch.optim.RAdam, {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    "adafactor": (torch.optim.Adafactor, {"lr": 0.05}),
    "adafactor_all": (
        torch.optim.Adafactor,
        {"lr": 0.5, "beta2_decay": -0.6, "eps": (1e-4, 0.1), "d": 1.2, "weight_decay": 0.1},
    ),
    "muon": (torch.optim.Muon, {"lr": 0.02}),
    "muon_plain": (torch.optim.Muon, {"lr": 0.02, "momentum": 0.8, "nesterov": False, "weight_decay": 0.0}),
}
ONLY = {torch.optim.Muon: ("kernel",)}  # takes matrices
OURS = {"lr": "learning_rate", "eps": "epsilon", "alpha": "rho", "lr_decay": "rate_decay", "d": "clip_threshold"}


def our_spelling(arguments):
    ours = {OURS.get(name, name): value for name, value in arguments.items() if name not in ("betas", "beta2_decay")}
    if "beta2_decay" in arguments:
        ours["moment_decay"] = -arguments["beta2_decay"]
        ours["epsilon_1"], ours["epsilon_2"] = ours.pop("epsilon")
    if "betas" in arguments:
        ours["beta_1"], ours["beta_2"] = arguments["betas"]
    return ours


def problem():
    rng = np.random.default_rng(SEED)
    kinds = {"initial": lambda shape: rng.normal(size=shape), "c": lambda shape: rng.normal(size=shape)}
    kinds["d"] = lambda shape: rng.uniform(0.5, 2.0, size=shape)
    return {kind: {name: np.asarray(draw(shape)) for name, shape in SHAPES.items()} for kind, draw in kinds.items()}


def gradient(p, c, d):
    return c * np.cos(p) + 0.2 * d * p


def run(make, arguments, values):
    names = ONLY.get(make, values["initial"])
    params = {name: torch.nn.Parameter(torch.tensor(values["initial"][name])) for name in names}
    # foreach=False is the loop over tensors that the formulas are documented by
    loop = {} if make is torch.optim.Muon else {"foreach": False}
    optimizer = make(params.values(), **loop, **arguments)
    stored = {}
    for step in range(1, max(STEPS) + 1):
        for name, param in params.items():
            g = gradient(param.detach().numpy(), values["c"][name], values["d"][name])
            param.grad = torch.tensor(np.asarray(g))
        optimizer.step()
        if step in STEPS:
            stored[str(step)] = {name: param.detach().numpy().tolist() for name, param in params.items()}
    return stored


def main():
    torch.set_default_dtype(torch.float64)  # NAdam keeps a product in it
    torch.Tensor.bfloat16 = torch.Tensor.clone  # Muon's iteration in float64
    values = problem()
    cases = {}
    for name, (make, arguments) in CASES.items():
        cases[name] = {
            "optimizer": make.__name__,
            "arguments": our_spelling(arguments),
            "torch_arguments": arguments,
            "params_after_step": run(make, arguments, values),
        }
    content = {
        "made_by": "tests/golden/make_optimizers.py",
        "torch": torch.__version__,
        "numpy": np.__version__,
        "machine": platform.machine(),
        "dtype": "float64",
        "gradient": "c * cos(p) + 0.2 * d * p",
        "seed": SEED,
        "problem": {kind: {name: a.tolist() for name, a in parts.items()} for kind, parts in values.items()},
        "cases": cases,
    }
    path = Path(__file__).with_name("optimizers.json")
    path.write_text(json.dumps(content, indent=1) + "\n")
    print(f"{path}: {path.stat().st_size} bytes, {len(cases)} cases")


if __name__ == "__main__":
    main()
