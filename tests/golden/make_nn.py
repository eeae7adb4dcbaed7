"""Write `nn.json`: PyTorch's float64 values and gradients of neural-network functions, ordinary and extreme inputs.

Each case holds the inputs by our argument names, keyword arguments as we spell them, the value, the weights `g` that
the value is multiplied with before it is summed (so that every element of the gradient is tested on its own), and the
gradient of that sum for each float input. Run with a Python that has PyTorch::

    python tests/golden/make_nn.py
"""

import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

SEED = 20260103


def cross_entropy_rows(logits, labels, axis=-1):
    """Per-sample losses, the class axis moved to where PyTorch wants it: second."""
    logits = logits.movedim(axis, -1)
    if labels.is_floating_point():
        labels = labels.movedim(axis, -1)
        rows = F.cross_entropy(
            logits.reshape(-1, logits.shape[-1]), labels.reshape(-1, logits.shape[-1]), reduction="none"
        )
    else:
        rows = F.cross_entropy(logits.reshape(-1, logits.shape[-1]), labels.reshape(-1), reduction="none")
    return rows.reshape(logits.shape[:-1])


FUNCTIONS = {
    "relu": lambda x: F.relu(x),
    "gelu": lambda x, approximate: F.gelu(x, approximate="tanh" if approximate else "none"),
    "sigmoid": lambda x: torch.sigmoid(x),
    # not F.softplus: it turns linear at 20, which is off by 2e-9 there
    "softplus": lambda x: torch.logaddexp(x, torch.zeros_like(x)),
    "softmax": lambda x, axis: F.softmax(x, dim=axis),
    "log_softmax": lambda x, axis: F.log_softmax(x, dim=axis),
    "softmax_cross_entropy": cross_entropy_rows,
    "mse": lambda prediction, target: F.mse_loss(prediction, target),
    "layer_norm": lambda x, gamma, beta, eps: F.layer_norm(x, gamma.shape, gamma, beta, eps),
}


def cases(rng):
    """(name, function, inputs, keyword arguments)."""
    x = rng.normal(size=(3, 5)) * 2
    wide = np.array([-1e4, -800.0, -40.0, -5.0, -1e-8, 0.0, 1e-8, 0.5, 5.0, 40.0, 800.0, 1e4])
    tails = np.array([-40.0, -12.0, -6.0, -3.0, -1e-8, 0.0, 1e-8, 0.5, 3.0, 6.0, 12.0, 40.0])
    for name in ("relu", "sigmoid", "softplus"):
        yield f"{name}_random", name, {"x": x}, {}
        yield f"{name}_extreme", name, {"x": wide[wide != 0] if name == "relu" else wide}, {}
    for kind, approximate in (("exact", False), ("tanh", True)):
        yield f"gelu_{kind}_random", "gelu", {"x": x}, {"approximate": approximate}
        yield f"gelu_{kind}_extreme", "gelu", {"x": tails}, {"approximate": approximate}

    spread = np.array([[1e4, 0.0, -1e4, 1.0], [-1e4, -1e4, -1e4, -1e4 + 1], [1e4, 1e4, 1e4 - 1, 0.0], [0.0, 0, 0, 0]])
    for name in ("softmax", "log_softmax"):
        yield f"{name}_random", name, {"x": x}, {"axis": -1}
        yield f"{name}_first_axis", name, {"x": rng.normal(size=(4, 2, 3))}, {"axis": 0}
        yield f"{name}_extreme", name, {"x": spread}, {"axis": -1}

    name = "softmax_cross_entropy"
    soft = rng.dirichlet(np.ones(5), size=3)
    yield f"{name}_integer", name, {"logits": x, "labels": np.array([0, 4, 2])}, {"axis": -1}
    yield f"{name}_one_hot", name, {"logits": x, "labels": np.eye(5)[[0, 4, 2]]}, {"axis": -1}
    yield f"{name}_soft", name, {"logits": x, "labels": soft}, {"axis": -1}
    yield (
        f"{name}_batches",
        name,
        {"logits": rng.normal(size=(2, 3, 4)), "labels": np.array([[0, 1, 2], [3, 0, 1]])},
        {"axis": -1},
    )
    yield (
        f"{name}_middle_axis",
        name,
        {"logits": rng.normal(size=(2, 4, 3)), "labels": np.array([[0, 1, 2], [3, 0, 1]])},
        {"axis": 1},
    )
    yield f"{name}_extreme_integer", name, {"logits": spread, "labels": np.array([2, 3, 0, 1])}, {"axis": -1}
    yield f"{name}_extreme_soft", name, {"logits": spread, "labels": rng.dirichlet(np.ones(4), size=4)}, {"axis": -1}

    yield "mse_random", "mse", {"prediction": x, "target": rng.normal(size=(3, 5))}, {}
    yield "mse_extreme", "mse", {"prediction": x * 1e8, "target": rng.normal(size=(3, 5))}, {}

    scale, shift = rng.normal(size=5), rng.normal(size=5)
    batch = rng.normal(size=(2, 3, 5))
    for kind, value in (
        ("random", batch),
        ("far_from_zero", batch + 1e4),
        ("tiny", batch * 1e-6),
        ("constant_rows", np.ones((2, 5))),
    ):
        yield f"layer_norm_{kind}", "layer_norm", {"x": value, "gamma": scale, "beta": shift}, {"eps": 1e-5}


def evaluate(function, inputs, arguments, rng):
    tensors = {name: torch.tensor(value) for name, value in inputs.items()}
    for tensor in tensors.values():
        tensor.requires_grad_(tensor.is_floating_point())
    value = FUNCTIONS[function](**tensors, **arguments)
    g = rng.normal(size=value.shape)
    torch.sum(value * torch.tensor(g)).backward()
    gradients = {name: t.grad.numpy().tolist() for name, t in tensors.items() if t.grad is not None}
    return value.detach().numpy().tolist(), np.asarray(g).tolist(), gradients


def main():
    rng = np.random.default_rng(SEED)
    stored = {}
    for name, function, inputs, arguments in cases(rng):
        value, g, gradients = evaluate(function, inputs, arguments, rng)
        stored[name] = {
            "function": function,
            "inputs": {key: np.asarray(array).tolist() for key, array in inputs.items()},
            "arguments": arguments,
            "value": value,
            "g": g,
            "gradients": gradients,
        }
    header = {"made_by": "tests/golden/make_nn.py", "torch": torch.__version__, "dtype": "float64", "seed": SEED}
    path = Path(__file__).with_name("nn.json")
    lines = [f" {json.dumps(name)}: {json.dumps(case)}" for name, case in stored.items()]
    head = json.dumps(header)[1:-1]
    path.write_text("{" + head + ',\n"cases": {\n' + ",\n".join(lines) + "\n}}\n")
    print(f"{path}: {path.stat().st_size} bytes, {len(stored)} cases")


if __name__ == "__main__":
    main()
