"""Write `losses.json`: PyTorch's float64 values and gradients of losses, at ordinary and at extreme inputs.

Each case is as in `nn.json` (see `make_nn.py`). Arguments that are lists of numbers (weights) are arrays without a
gradient. All inputs are float32 numbers, so that one file serves both dtypes. Run with a Python that has PyTorch::

    python tests/golden/make_losses.py
"""

import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

SEED = 20260104


def rows(loss, x, labels, axis, class_weights=None, **options):
    """A loss of PyTorch's that wants the classes on axis 1, of flat rows."""
    x = x.movedim(axis, -1)
    shape = x.shape[:-1]
    if labels.is_floating_point():
        labels = labels.movedim(axis, -1).reshape(-1, x.shape[-1])
    else:
        labels = labels.reshape(-1)
    weight = None if class_weights is None else torch.tensor(class_weights, dtype=torch.float64)
    y = loss(x.reshape(-1, x.shape[-1]), labels, weight=weight, **options)
    return y.reshape(shape) if y.ndim else y


def softmax_cross_entropy(logits, labels, axis=-1, ignore=-100, reduction="none", **options):
    return rows(F.cross_entropy, logits, labels, axis, ignore_index=ignore, reduction=reduction, **options)


def nll(log_probabilities, labels, axis=-1, ignore=-100, reduction="none", **options):
    return rows(F.nll_loss, log_probabilities, labels, axis, ignore_index=ignore, reduction=reduction, **options)


def sigmoid_cross_entropy(logits, labels, pos_weight=None, reduction="none"):
    weight = None if pos_weight is None else torch.tensor(pos_weight, dtype=torch.float64)
    return F.binary_cross_entropy_with_logits(logits, labels.double(), pos_weight=weight, reduction=reduction)


def sigmoid_focal(logits, labels, alpha, gamma):
    """As torchvision.ops.sigmoid_focal_loss writes it."""
    p, t = torch.sigmoid(logits), labels.double()
    entropy = F.binary_cross_entropy_with_logits(logits, t, reduction="none")
    p_t = p * t + (1 - p) * (1 - t)
    balance = 1.0 if alpha is None else alpha * t + (1 - alpha) * (1 - t)
    return balance * entropy * (1 - p_t) ** gamma


def kl_divergence(p, q, axis, logs=False):
    return F.kl_div(q if logs else q.log(), p, reduction="none", log_target=logs).sum(axis)


def ctc_loss(logits, labels, input_lengths, label_lengths, blank=0, zero_infinity=False):
    log_probabilities = torch.log_softmax(logits, -1)
    input_lengths, label_lengths = torch.tensor(input_lengths), torch.tensor(label_lengths)
    return F.ctc_loss(
        log_probabilities, labels, input_lengths, label_lengths, blank, reduction="none", zero_infinity=zero_infinity
    )


def multi_margin(scores, labels, margin=1.0, power=1, class_weights=None, reduction="none"):
    weight = None if class_weights is None else torch.tensor(class_weights, dtype=torch.float64)
    return F.multi_margin_loss(scores, labels, p=power, margin=margin, weight=weight, reduction=reduction)


def poisson_nll(prediction, target, log_input=True, full=False, reduction="mean"):
    return F.poisson_nll_loss(prediction, target, log_input=log_input, full=full, reduction=reduction)


def gaussian_nll(prediction, target, variance, full=False, reduction="mean"):
    return F.gaussian_nll_loss(prediction, target, variance, full=full, reduction=reduction)


FUNCTIONS = {
    "softmax_cross_entropy": softmax_cross_entropy,
    "nll": nll,
    "sigmoid_cross_entropy": sigmoid_cross_entropy,
    "binary_cross_entropy": lambda probabilities, labels: F.binary_cross_entropy(
        probabilities, labels.double(), reduction="none"
    ),
    "sigmoid_focal": sigmoid_focal,
    "kl_divergence": kl_divergence,
    "mse": lambda prediction, target, reduction="mean": F.mse_loss(prediction, target, reduction=reduction),
    "mae": lambda prediction, target, reduction="mean": F.l1_loss(prediction, target, reduction=reduction),
    "huber": lambda prediction, target, delta=1.0, reduction="mean": F.huber_loss(
        prediction, target, delta=delta, reduction=reduction
    ),
    "smooth_l1": lambda prediction, target, beta=1.0, reduction="mean": F.smooth_l1_loss(
        prediction, target, beta=beta, reduction=reduction
    ),
    "poisson_nll": poisson_nll,
    "gaussian_nll": gaussian_nll,
    "hinge": lambda scores, labels: (1 - labels * scores).clamp_min(0),
    "multi_margin": multi_margin,
    "margin_ranking": lambda a, b, labels, margin=0.0: F.margin_ranking_loss(
        a, b, labels, margin=margin, reduction="none"
    ),
    "triplet_margin": lambda anchor, positive, negative, margin=1.0, swap=False, reduction="mean": (
        F.triplet_margin_loss(anchor, positive, negative, margin=margin, swap=swap, reduction=reduction)
    ),
    "cosine_similarity": lambda a, b, axis: F.cosine_similarity(a, b, dim=axis),
    "cosine_embedding": lambda a, b, labels, margin=0.0: F.cosine_embedding_loss(
        a, b, labels, margin=margin, reduction="none"
    ),
    "ctc_loss": ctc_loss,
}
SPREAD = np.array([[1e4, 0.0, -1e4, 1.0], [-1e4, -1e4, -1e4, 1 - 1e4], [1e4, 1e4, 1e4 - 1, 0.0], [0.0, 0, 0, 0]])
WIDE = np.array([-1e4, -800.0, -40.0, -5.0, -0.125, 0.0, 0.125, 0.5, 5.0, 40.0, 800.0, 1e4])


def of_classes(rng):
    x, name = rng.normal(size=(4, 5)) * 2, "softmax_cross_entropy"
    soft = rng.dirichlet(np.ones(5), size=4)
    numbers, some = np.array([0, 4, 2, 2]), np.array([0, -100, 2, -100])
    w = [0.5, 2.0, 1.5, 0.25, 3.0]
    for key, labels, options in (
        ("smooth", numbers, {"label_smoothing": 0.125}),
        ("weights", numbers, {"class_weights": w}),
        ("both", numbers, {"class_weights": w, "label_smoothing": 0.125}),
        ("both_mean", numbers, {"class_weights": w, "label_smoothing": 0.125, "reduction": "mean"}),
        ("ignored", some, {"ignore": -100}),
        ("ignored_mean", some, {"ignore": -100, "reduction": "mean", "class_weights": w}),
        ("ignored_smooth_mean", some, {"ignore": -100, "reduction": "mean", "label_smoothing": 0.25}),
        ("ignored_class_sum", numbers, {"ignore": 2, "reduction": "sum", "class_weights": w}),
        ("soft_smooth", soft, {"label_smoothing": 0.125}),
        ("soft_weights", soft, {"class_weights": w, "label_smoothing": 0.125}),
        ("soft_mean", soft, {"reduction": "mean"}),
    ):
        yield f"{name}_{key}", name, {"logits": x, "labels": labels}, options
    y = rng.normal(size=(2, 5, 3))
    labels = np.array([[0, 1, 4], [3, 3, 1]])
    yield f"{name}_axis", name, {"logits": y, "labels": labels}, {"axis": 1, "class_weights": w, "label_smoothing": 0.5}
    extreme = {"logits": SPREAD, "labels": np.array([2, 3, 0, 1])}
    yield f"{name}_extreme", name, extreme, {"class_weights": w[:4], "label_smoothing": 0.25}
    yield f"{name}_extreme_weights", name, extreme, {"class_weights": w[:4], "reduction": "mean"}
    logs = np.log(rng.dirichlet(np.ones(5), size=4))
    yield "nll_random", "nll", {"log_probabilities": logs, "labels": numbers}, {}
    yield "nll_weights", "nll", {"log_probabilities": logs, "labels": numbers}, {"class_weights": w}
    yield (
        "nll_mean", "nll", {"log_probabilities": logs, "labels": some},
        {"class_weights": w, "ignore": -100, "reduction": "mean"},
    )  # fmt: skip
    yield "nll_extreme", "nll", {"log_probabilities": SPREAD, "labels": np.array([2, 3, 0, 1])}, {}
    name = "multi_margin"
    for key, options in (
        ("random", {}),
        ("square", {"power": 2, "margin": 0.5}),
        ("weights", {"class_weights": w}),
        ("mean", {"reduction": "mean"}),
    ):
        yield f"{name}_{key}", name, {"scores": x, "labels": numbers}, options
    yield f"{name}_extreme", name, {"scores": SPREAD, "labels": np.array([2, 3, 0, 1])}, {"margin": 0.75}


def of_yes_and_no(rng):
    x, soft, hard = rng.normal(size=(3, 4)) * 3, rng.uniform(size=(3, 4)), rng.integers(0, 2, size=(3, 4))
    name = "sigmoid_cross_entropy"
    ends = np.arange(12) % 2
    for key, labels in (("soft", soft), ("hard", hard)):
        yield f"{name}_{key}", name, {"logits": x, "labels": labels}, {}
        yield f"{name}_{key}_positive", name, {"logits": x, "labels": labels}, {"pos_weight": [0.5, 1.0, 2.0, 8.0]}
        yield f"sigmoid_focal_{key}", "sigmoid_focal", {"logits": x, "labels": labels}, {"alpha": 0.25, "gamma": 2.0}
        yield (
            f"sigmoid_focal_{key}_plain",
            "sigmoid_focal",
            {"logits": x, "labels": labels},
            {"alpha": None, "gamma": 1.5},
        )
    for key, labels in (("no_yes", ends), ("yes_no", 1 - ends), ("soft", np.full(12, 0.25))):
        yield f"{name}_extreme_{key}", name, {"logits": WIDE, "labels": labels}, {}
        yield f"{name}_extreme_{key}_positive", name, {"logits": WIDE, "labels": labels}, {"pos_weight": [3.0]}
    yield f"{name}_sum", name, {"logits": x, "labels": soft}, {"reduction": "sum"}
    name = "binary_cross_entropy"
    p = rng.uniform(size=(3, 4))
    yield f"{name}_soft", name, {"probabilities": p, "labels": soft}, {}
    edges = {"probabilities": np.array([0.0, 0.0, 1.0, 1.0, 0.5, 2.0**-100]), "labels": np.array([0, 1, 0, 1, 1, 1])}
    yield f"{name}_edges", name, edges, {}
    yield "hinge_random", "hinge", {"scores": x, "labels": 2 * hard - 1}, {}


def of_distributions(rng):
    p, q = rng.dirichlet(np.ones(4), size=3), rng.dirichlet(np.ones(4), size=3)
    yield "kl_divergence_random", "kl_divergence", {"p": p, "q": q}, {"axis": -1}
    yield "kl_divergence_axis", "kl_divergence", {"p": p, "q": q}, {"axis": 0}
    yield "kl_divergence_logs", "kl_divergence", {"p": np.log(p), "q": np.log(q)}, {"axis": -1, "logs": True}
    far = {"p": SPREAD[:2] - 1e4, "q": SPREAD[2:] - 2e4}
    yield "kl_divergence_extreme", "kl_divergence", far, {"axis": -1, "logs": True}


def of_targets(rng):
    x, y = rng.normal(size=(3, 4)) * 2, rng.normal(size=(3, 4))
    close = {"prediction": x, "target": y}
    far = {"prediction": WIDE, "target": np.zeros(12)}
    for name, options in (("mse", {}), ("mae", {}), ("huber", {"delta": 0.75}), ("smooth_l1", {"beta": 0.75})):
        for reduction in ("mean", "none", "sum"):
            yield f"{name}_{reduction}", name, close, {**options, "reduction": reduction}
        yield f"{name}_extreme", name, far, {**options, "reduction": "none"}
    # at the kinks: a difference of 0, of delta and of -delta
    kinks = {"prediction": np.array([0.0, 0.75, -0.75]), "target": np.zeros(3)}
    for name, options in (
        ("mae", {}),
        ("huber", {"delta": 0.75}),
        ("smooth_l1", {"beta": 0.75}),
        ("smooth_l1", {"beta": 0.0}),
    ):
        yield f"{name}_kinks_{options.get('beta', 1)}", name, kinks, {**options, "reduction": "none"}
    counts, rate = rng.poisson(3.0, size=(3, 4)) * 1.0, rng.uniform(0.1, 5.0, size=(3, 4))
    yield "poisson_nll_log", "poisson_nll", {"prediction": x, "target": counts}, {"reduction": "none"}
    yield "poisson_nll_rate", "poisson_nll", {"prediction": rate, "target": counts}, {"log_input": False}
    yield "poisson_nll_full", "poisson_nll", {"prediction": x, "target": counts}, {"full": True}
    far = {"prediction": np.array([-1e4, -30.0, 0.0, 30.0]), "target": np.array([0.0, 1e4, 7.0, 1e9])}
    yield "poisson_nll_extreme", "poisson_nll", far, {"reduction": "none"}
    variance = rng.uniform(0.1, 3.0, size=(3, 4))
    yield "gaussian_nll_random", "gaussian_nll", {**close, "variance": variance}, {"reduction": "none"}
    yield "gaussian_nll_full", "gaussian_nll", {**close, "variance": variance}, {"full": True}
    small = {"prediction": x[0], "target": y[0], "variance": np.array([0.0, 2.0**-30, 2.0**-10, 1e8])}
    yield "gaussian_nll_small", "gaussian_nll", small, {"reduction": "none"}


def of_vectors(rng):
    a, b, c = (rng.normal(size=(4, 3)) for _ in range(3))
    signs = np.array([1, -1, 1, -1])
    yield "cosine_similarity_random", "cosine_similarity", {"a": a, "b": b}, {"axis": -1}
    yield "cosine_similarity_first", "cosine_similarity", {"a": a, "b": b}, {"axis": 0}
    yield "cosine_similarity_broadcast", "cosine_similarity", {"a": a[:, None], "b": b[None]}, {"axis": 2}
    odd = {"a": np.array([[0.0, 0.0], [1e4, 1e4], [1e-3, 0.0]]), "b": np.array([[1.0, 2.0], [-1e4, 1e4], [0.0, 0.0]])}
    yield "cosine_similarity_zeros", "cosine_similarity", odd, {"axis": 1}
    yield "cosine_embedding_random", "cosine_embedding", {"a": a, "b": b, "labels": signs}, {"margin": 0.25}
    yield "margin_ranking_random", "margin_ranking", {"a": a[:, 0], "b": b[:, 0], "labels": signs}, {"margin": 0.5}
    three = {"anchor": a, "positive": b, "negative": c}
    for key, options in (
        ("mean", {}),
        ("swap", {"swap": True, "margin": 2.0, "reduction": "none"}),
        ("sum", {"reduction": "sum"}),
    ):
        yield f"triplet_margin_{key}", "triplet_margin", three, options
    far = {"anchor": a * 1e4, "positive": b * 1e4, "negative": a * 1e4}
    yield "triplet_margin_extreme", "triplet_margin", far, {"reduction": "none"}


def of_sequences(rng):
    x = rng.normal(size=(7, 4, 5))
    labels = np.array([[1, 2, 3, 4], [2, 2, 2, 1], [3, 1, 1, 1], [1, 1, 1, 1]])
    for key, options in (
        ("full", {"input_lengths": [7, 7, 7, 7], "label_lengths": [4, 4, 4, 4]}),
        ("ragged", {"input_lengths": [7, 5, 3, 6], "label_lengths": [4, 3, 1, 0]}),
        ("tight", {"input_lengths": [4, 6, 6, 7], "label_lengths": [4, 4, 4, 4]}),
        ("impossible", {"input_lengths": [3, 7, 7, 6], "label_lengths": [4, 4, 2, 4], "zero_infinity": True}),
    ):
        yield f"ctc_loss_{key}", "ctc_loss", {"logits": x, "labels": labels}, options
    lengths = {"input_lengths": [7, 7, 6, 7], "label_lengths": [2, 3, 1, 2]}
    yield "ctc_loss_blank", "ctc_loss", {"logits": x, "labels": (labels - 1) % 4}, {**lengths, "blank": 4}
    yield "ctc_loss_steep", "ctc_loss", {"logits": x * 10, "labels": labels}, lengths
    yield "ctc_loss_extreme", "ctc_loss", {"logits": np.round(x * 1e4), "labels": labels}, lengths
    long = rng.integers(1, 4, size=(2, 12))
    lengths = {"input_lengths": [40, 30], "label_lengths": [12, 8]}
    yield "ctc_loss_long", "ctc_loss", {"logits": rng.normal(size=(40, 2, 4)), "labels": long}, lengths


def cases(rng):
    """(name, function, inputs, keyword arguments)."""
    for family in (of_classes, of_yes_and_no, of_distributions, of_targets, of_vectors, of_sequences):
        for name, function, inputs, arguments in family(rng):
            single = {
                k: v.astype(np.float32).astype(np.float64) if v.dtype.kind == "f" else v for k, v in inputs.items()
            }
            yield name, function, single, arguments


def evaluate(function, inputs, arguments, rng):
    tensors = {name: torch.tensor(value) for name, value in inputs.items()}
    for tensor in tensors.values():
        tensor.requires_grad_(tensor.is_floating_point())
    value = FUNCTIONS[function](**tensors, **arguments)
    g = np.round(rng.normal(size=value.shape) * 8) / 8 + 0.0625  # float32 numbers, too
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
    header = {"made_by": "tests/golden/make_losses.py", "torch": torch.__version__, "dtype": "float64", "seed": SEED}
    path = Path(__file__).with_name("losses.json")
    lines = [f" {json.dumps(name)}: {json.dumps(case)}" for name, case in stored.items()]
    head = json.dumps(header)[1:-1]
    path.write_text("{" + head + ',\n"cases": {\n' + ",\n".join(lines) + "\n}}\n")
    print(f"{path}: {path.stat().st_size} bytes, {len(stored)} cases")


if __name__ == "__main__":
    main()
