"""Write `schedules.json`: the learning rates of PyTorch's schedulers, iteration by iteration.

Run with a Python that has PyTorch::

    python tests/golden/make_schedules.py
"""

import torch
from torch.optim import lr_scheduler
from writer import write

STEPS = 40

# name: (our function, our arguments, PyTorch's scheduler of an optimizer with the rate 0.5, made with it)
CASES = {
    "constant": ("constant", {"value": 0.5}, lambda o: lr_scheduler.ConstantLR(o, factor=1.0)),
    "exponential": (
        "exponential_decay",
        {"value": 0.5, "steps": 1, "rate": 0.9},
        lambda o: lr_scheduler.ExponentialLR(o, 0.9),
    ),
    "staircase": (
        "exponential_decay",
        {"value": 0.5, "steps": 7, "rate": 0.3, "staircase": True},
        lambda o: lr_scheduler.StepLR(o, 7, 0.3),
    ),
    "cosine": (
        "cosine",
        {"value": 0.5, "steps": 39, "final": 0.1},
        lambda o: lr_scheduler.CosineAnnealingLR(o, 39, eta_min=0.1),
    ),
    "restarts": (
        "cosine_restarts",
        {"value": 0.5, "steps": 9, "final": 0.05},
        lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 9, eta_min=0.05),
    ),
    "restarts_longer": (
        "cosine_restarts",
        {"value": 0.5, "steps": 5, "factor": 2},
        lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 5, T_mult=2),
    ),
    "line": ("polynomial", {"value": 0.5, "steps": 30}, lambda o: lr_scheduler.PolynomialLR(o, 30)),
    "polynomial": (
        "polynomial",
        {"value": 0.5, "steps": 30, "power": 2.5},
        lambda o: lr_scheduler.PolynomialLR(o, 30, power=2.5),
    ),
    "piecewise": (
        "piecewise",
        {"boundaries": [4, 11, 30], "values": [0.5, 0.25, 0.125, 0.0625]},
        lambda o: lr_scheduler.MultiStepLR(o, [4, 11, 30], 0.5),
    ),
    "warm_up": (
        "warm_up",
        {"schedule": 0.5, "steps": 10, "start": 0.05},
        lambda o: lr_scheduler.LinearLR(o, start_factor=0.1, total_iters=10),
    ),
    "one_cycle": (
        "one_cycle",
        {"value": 0.5, "steps": 40},
        lambda o: lr_scheduler.OneCycleLR(o, 0.5, total_steps=40),
    ),
    "one_cycle_all": (
        "one_cycle",
        {"value": 0.5, "steps": 40, "warm": 0.4, "start_factor": 5.0, "final_factor": 20.0},
        lambda o: lr_scheduler.OneCycleLR(o, 0.5, total_steps=40, pct_start=0.4, div_factor=5.0, final_div_factor=20.0),
    ),
}
PLATEAUS = {
    "plateau": {"factor": 0.5, "patience": 2},
    "plateau_max": {"factor": 0.1, "patience": 1, "mode": "max", "minimum": 0.02, "cooldown": 2, "threshold": 0.05},
}
VALUES = [3.0, 2.5, 2.5, 2.4999, 2.6, 2.0, 2.1, 2.2, 2.3, 2.4, 2.5, 2.2, 2.1, 1.9, 1.9, 1.9, 1.9, 1.9, 1.9, 1.9, 1.0]
TORCHS = {"minimum": "min_lr"}


def optimizer():
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5, momentum=0.9)


def rates(make):
    o = optimizer()
    scheduler, found = make(o), []
    for _ in range(STEPS):
        found.append(o.param_groups[0]["lr"])
        o.step()
        if len(found) < STEPS:
            scheduler.step()
    return found


def plateau(arguments):
    o = optimizer()
    scheduler = lr_scheduler.ReduceLROnPlateau(o, **{TORCHS.get(k, k): v for k, v in arguments.items()})
    found = []
    for value in VALUES:
        scheduler.step(value)
        found.append(o.param_groups[0]["lr"])
    return found


FINITE = [1, 1, 1, 1, 0, 1, 1, 0, 0, 1, 1, 1, 1, 1, 1, 0, 1]


def scales(arguments):
    p = torch.nn.Parameter(torch.zeros(1))
    o = torch.optim.SGD([p], lr=0.5)
    scaler = torch.amp.GradScaler("cpu", **arguments)
    found = []
    for finite in FINITE:
        p.grad = scaler.scale(torch.ones(1)) * (1.0 if finite else float("inf"))
        scaler.step(o)
        scaler.update()
        found.append([scaler.get_scale(), p.item()])
    return found


def main():
    cases = {
        name: {"schedule": ours, "arguments": arguments, "rates": rates(make)}
        for name, (ours, arguments, make) in CASES.items()
    }
    for name, arguments in PLATEAUS.items():
        cases[name] = {"schedule": None, "arguments": arguments, "values": VALUES, "rates": plateau(arguments)}
    torchs = {"init_scale": 16.0, "growth_factor": 2.0, "backoff_factor": 0.25, "growth_interval": 3}
    ours = dict(zip(("scale", "growth", "backoff", "growth_steps"), torchs.values(), strict=True))
    cases["scaler"] = {"schedule": "none", "arguments": ours, "finite": FINITE, "scales": scales(torchs)}
    write(__file__, {"torch": torch.__version__, "rate": 0.5}, cases)


if __name__ == "__main__":
    main()
