"""Write `nn_layers.json`: PyTorch's float64 values and gradients of what `nn.json` does not hold, by family.

Activations of rarer use, normalizations, attention, recurrent cells, resizing; ordinary and extreme inputs, kinks and
variance 0. Each case is as in `make_nn.py`, with a list of values where there are several outputs. All inputs are
float32 numbers, so that a run in float32 starts from the same ones. Run with a Python that has PyTorch::

    python tests/golden/make_nn_layers.py
"""

import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

SEED = 20260104


def first(x, axis):
    """The channels in the second place, where PyTorch wants them."""
    return x.movedim(axis, 1)


def group_norm(x, groups, gamma=None, beta=None, axis=-1, eps=1e-5):
    return F.group_norm(first(x, axis), groups, gamma, beta, eps).movedim(1, axis)


def instance_norm(x, gamma=None, beta=None, axis=-1, eps=1e-5):
    return F.instance_norm(first(x, axis), weight=gamma, bias=beta, eps=eps).movedim(1, axis)


def batch_norm(x, gamma, beta, mean, variance, axis=-1, eps=1e-5):
    y = F.batch_norm(first(x, axis), mean.detach(), variance.detach(), gamma, beta, False, eps=eps)
    return y.movedim(1, axis)


def batch_norm_train(x, gamma, beta, axis=-1, eps=1e-5):
    y = F.batch_norm(first(x, axis), None, None, gamma, beta, True, eps=eps)
    others = [i for i in range(x.ndim) if i != axis % x.ndim]
    variance, mean = torch.var_mean(x, others, correction=0)
    return y.movedim(1, axis), mean, variance


def moments(x, axis):
    variance, mean = torch.var_mean(x, axis, correction=0)
    return mean, variance


def attention(q, k, v, mask=None, causal=False, scale=None):
    if causal and mask is not None:
        below = torch.ones(q.shape[-2], k.shape[-2], dtype=bool).tril()
        mask = mask & below if mask.dtype == torch.bool else mask.masked_fill(~below, -torch.inf)
        causal = False
    shared = q.ndim > 2 and q.shape[-3] != k.shape[-3]
    return F.scaled_dot_product_attention(q, k, v, mask, is_causal=causal, scale=scale, enable_gqa=shared)


def weights(kernel, recurrent_kernel, *biases):
    return kernel.T, recurrent_kernel.T, *biases


def lstm_cell(x, h, c, kernel, recurrent_kernel, bias):
    return torch._VF.lstm_cell(x, (h, c), *weights(kernel, recurrent_kernel, bias, torch.zeros_like(bias)))


def gru_cell(x, h, kernel, recurrent_kernel, bias, recurrent_bias):
    return torch._VF.gru_cell(x, h, *weights(kernel, recurrent_kernel, bias, recurrent_bias))


def simple_rnn_cell(x, h, kernel, recurrent_kernel, bias):
    return torch._VF.rnn_tanh_cell(x, h, *weights(kernel, recurrent_kernel, bias, torch.zeros_like(bias)))


MODES = {"bilinear": ("linear", "bilinear", "trilinear"), "bicubic": (None, "bicubic")}


def resize(x, size, method="bilinear", align_corners=False, data_format="NHWC"):
    if data_format == "NHWC":
        x = x.movedim(-1, 1)
    mode = MODES[method][x.ndim - 3] if method in MODES else method
    y = F.interpolate(x, tuple(size), mode=mode, align_corners=align_corners if method in MODES else None)
    return y.movedim(1, -1) if data_format == "NHWC" else y


FUNCTIONS = {
    "celu": lambda x, alpha=1.0: F.celu(x, alpha), "glu": lambda x, axis=-1: F.glu(x, axis),
    "hardshrink": lambda x, lambd=0.5: F.hardshrink(x, lambd), "hardsigmoid": lambda x: F.hardsigmoid(x),
    "hardswish": lambda x: F.hardswish(x),
    "hardtanh": lambda x, min_val=-1.0, max_val=1.0: F.hardtanh(x, min_val, max_val),
    "log_sigmoid": lambda x: F.logsigmoid(x), "mish": lambda x: F.mish(x), "prelu": lambda x, slope: F.prelu(x, slope),
    "relu6": lambda x: F.relu6(x), "selu": lambda x: F.selu(x), "softmin": lambda x, axis=-1: F.softmin(x, axis),
    "softshrink": lambda x, lambd=0.5: F.softshrink(x, lambd), "softsign": lambda x: F.softsign(x),
    "swiglu": lambda gate, value: F.silu(gate) * value, "tanh": lambda x: torch.tanh(x),
    "tanhshrink": lambda x: F.tanhshrink(x), "threshold": lambda x, threshold, value: F.threshold(x, threshold, value),
    "batch_norm": batch_norm, "batch_norm_train": batch_norm_train, "group_norm": group_norm,
    "instance_norm": instance_norm, "l2_normalize": lambda x, axis=-1: F.normalize(x, dim=axis), "moments": moments,
    "layer_norm": lambda x, gamma=None, beta=None, eps=1e-5: F.layer_norm(x, x.shape[-1:], gamma, beta, eps),
    "rms_norm": lambda x, gamma=None, eps=None: F.rms_norm(x, x.shape[-1:], gamma, eps),
    "scaled_dot_product_attention": attention, "lstm_cell": lstm_cell, "gru_cell": gru_cell,
    "simple_rnn_cell": simple_rnn_cell, "resize": resize,
}  # fmt: skip


def activations(rng):
    """(name, function, inputs, keyword arguments); the same below."""
    x = rng.normal(size=(3, 4)) * 2
    ends = [1e-8, 0.25, 0.5, 1.0, 2.5, 3.0, 6.0, 40.0, 800.0, 1e4]
    wide = np.array([*(-v for v in reversed(ends)), 0.0, *ends])
    for name in (
        "celu hardshrink hardsigmoid hardswish hardtanh log_sigmoid mish relu6 selu softshrink softsign tanh tanhshrink"
    ).split():
        yield f"{name}_random", name, {"x": x}, {}
        yield f"{name}_extreme", name, {"x": wide}, {}
    yield "celu_alpha", "celu", {"x": wide}, {"alpha": 0.5}
    yield "hardtanh_bounds", "hardtanh", {"x": wide}, {"min_val": -2.5, "max_val": 0.5}
    yield "softshrink_lambd", "softshrink", {"x": wide}, {"lambd": 1.0}
    yield "hardshrink_lambd", "hardshrink", {"x": wide}, {"lambd": 1.0}
    yield "threshold_extreme", "threshold", {"x": wide}, {"threshold": 1.0, "value": -5.0}
    yield "prelu_channels", "prelu", {"x": x, "slope": rng.normal(size=4)}, {}
    yield "prelu_extreme", "prelu", {"x": wide, "slope": np.array([0.25])}, {}
    yield "glu_random", "glu", {"x": x}, {"axis": -1}
    yield "glu_first_axis", "glu", {"x": rng.normal(size=(4, 3))}, {"axis": 0}
    yield "glu_extreme", "glu", {"x": np.stack([wide[::-1], wide], 1)}, {}
    yield "swiglu_random", "swiglu", {"gate": x, "value": rng.normal(size=(3, 4))}, {}
    yield "swiglu_extreme", "swiglu", {"gate": wide, "value": rng.normal(size=wide.shape)}, {}
    yield "softmin_random", "softmin", {"x": x}, {}
    yield "softmin_extreme", "softmin", {"x": np.array([[1e4, 0.0, -1e4], [1e4, 1e4, 1e4 + 1]])}, {"axis": -1}


def normalizations(rng):
    image = rng.normal(size=(2, 3, 2, 4))
    gamma, beta = rng.normal(size=(2, 4))
    affine = {"gamma": gamma, "beta": beta}
    kinds = {
        "random": image,
        "far_from_zero": image + 1e4,
        "large": image * 1e4,
        "constant": np.full((2, 3, 2, 4), 3.0),
    }
    for kind, x in kinds.items():
        yield f"group_norm_{kind}", "group_norm", {"x": x, **affine}, {"groups": 2}
        yield f"instance_norm_{kind}", "instance_norm", {"x": x, **affine}, {"eps": 1e-3}
        yield f"batch_norm_train_{kind}", "batch_norm_train", {"x": x, **affine}, {"eps": 1e-5}
        yield f"rms_norm_{kind}", "rms_norm", {"x": x, "gamma": gamma}, {"eps": 1e-5}
        yield f"layer_norm_{kind}", "layer_norm", {"x": x}, {"eps": 1e-5}
        yield f"l2_normalize_{kind}", "l2_normalize", {"x": x}, {}
    yield "group_norm_second_axis", "group_norm", {"x": rng.normal(size=(2, 4, 3)), **affine}, {"groups": 2, "axis": 1}
    yield "group_norm_plain", "group_norm", {"x": image}, {"groups": 1}
    yield "instance_norm_plain", "instance_norm", {"x": rng.normal(size=(2, 3, 5))}, {"axis": 1}
    yield "batch_norm_train_second_axis", "batch_norm_train", {"x": rng.normal(size=(2, 4, 3)), **affine}, {"axis": 1}
    statistics = {"mean": rng.normal(size=4), "variance": rng.uniform(0.5, 2.0, size=4)}
    yield "batch_norm_random", "batch_norm", {"x": image, **affine, **statistics}, {}
    yield "batch_norm_second_axis", "batch_norm", {"x": rng.normal(size=(2, 4, 3)), **affine, **statistics}, {"axis": 1}
    known = {"mean": np.zeros(4), "variance": np.zeros(4)}
    yield "batch_norm_variance_0", "batch_norm", {"x": image, **affine, **known}, {"eps": 1e-5}
    yield "rms_norm_plain", "rms_norm", {"x": image}, {"eps": 1e-2}
    yield "rms_norm_zero", "rms_norm", {"x": np.zeros((2, 4)), "gamma": gamma}, {"eps": 1e-5}
    yield "l2_normalize_first_axis", "l2_normalize", {"x": rng.normal(size=(3, 2))}, {"axis": 0}
    yield "moments_last", "moments", {"x": rng.normal(size=(2, 5))}, {"axis": -1}
    yield "moments_several", "moments", {"x": image}, {"axis": [0, 1, 2]}


def attentions(rng):
    name = "scaled_dot_product_attention"
    q, k, v = rng.normal(size=(2, 2, 3, 4)), rng.normal(size=(2, 2, 5, 4)), rng.normal(size=(2, 2, 5, 3))
    three = {"q": q, "k": k, "v": v}
    some = rng.uniform(size=(3, 5)) > 0.4
    some[:, 0] = True
    yield "attention_plain", name, three, {}
    yield "attention_causal", name, three, {"causal": True}
    yield "attention_scale", name, three, {"scale": 0.25}
    yield "attention_bools", name, {**three, "mask": some}, {}
    yield "attention_bools_causal", name, {**three, "mask": some}, {"causal": True}
    yield "attention_added", name, {**three, "mask": rng.normal(size=(2, 1, 3, 5))}, {}
    yield "attention_added_causal", name, {**three, "mask": rng.normal(size=(2, 2, 3, 5))}, {"causal": True}
    yield "attention_large", name, {"q": q * 100, "k": k * 100, "v": v}, {}
    yield "attention_no_heads", name, {"q": q[0, 0], "k": k[0, 0], "v": v[0, 0]}, {}
    many = rng.normal(size=(1, 4, 3, 2))
    yield "attention_shared", name, {"q": many, "k": k[:1, :, :, :2], "v": v[:1]}, {"causal": True}
    yield "attention_one_key_head", name, {"q": many, "k": k[:1, :1, :, :2], "v": v[:1, :1]}, {}


def cells(rng):
    def uniform(*shape):
        return rng.uniform(-1.0, 1.0, shape)

    x, h, c = uniform(2, 3), uniform(2, 4), uniform(2, 4)
    for kind, scale in (("random", 1.0), ("extreme", 1e3)):
        for name, gates in (("simple_rnn_cell", 1), ("gru_cell", 3), ("lstm_cell", 4)):
            n = 4 * gates
            inputs = {"x": x * scale, "h": h}
            if gates == 4:
                inputs["c"] = c
            inputs |= {"kernel": uniform(3, n), "recurrent_kernel": uniform(4, n), "bias": uniform(n)}
            if gates == 3:
                inputs["recurrent_bias"] = uniform(n)
            yield f"{name}_{kind}", name, inputs, {}


def resizes(rng):
    x = rng.normal(size=(1, 3, 4, 2))
    for method in ("nearest", "nearest-exact", "bilinear", "bicubic"):
        for kind, size in (("up", [5, 7]), ("down", [2, 3]), ("mixed", [1, 9])):
            for corners in (False, True) if method.startswith("b") else (False,):
                name = f"resize_{method}_{kind}{'_corners' * corners}"
                yield name, "resize", {"x": x}, {"size": size, "method": method, "align_corners": corners}
    yield "resize_signal", "resize", {"x": rng.normal(size=(2, 4, 2))}, {"size": [7]}
    yield "resize_volume", "resize", {"x": rng.normal(size=(1, 2, 3, 2, 1))}, {"size": [3, 2, 4]}
    yield (
        "resize_channels_first",
        "resize",
        {"x": rng.normal(size=(1, 2, 3, 4))},
        {"size": [4, 4], "data_format": "NCHW"},
    )


FAMILIES = {
    "activations": activations, "normalization": normalizations, "attention": attentions, "cells": cells,
    "resize": resizes,
}  # fmt: skip
CONSTANT = {"batch_norm": ("mean", "variance")}  # PyTorch gives no gradient for these


def single(value):
    """Float numbers that float32 has, too."""
    value = np.asarray(value)
    return value.astype(np.float32).astype(np.float64) if value.dtype.kind == "f" else value


def evaluate(function, inputs, arguments, rng):
    tensors = {name: torch.tensor(value) for name, value in inputs.items()}
    for name, tensor in tensors.items():
        tensor.requires_grad_(tensor.is_floating_point() and name not in CONSTANT.get(function, ()))
    value = FUNCTIONS[function](**tensors, **arguments)
    values = value if isinstance(value, tuple) else (value,)
    g = [single(rng.normal(size=v.shape)) for v in values]
    sum(torch.sum(v * torch.tensor(w)) for v, w in zip(values, g, strict=True)).backward()
    gradients = {name: t.grad.numpy().tolist() for name, t in tensors.items() if t.grad is not None}
    return [v.detach().numpy().tolist() for v in values], [w.tolist() for w in g], gradients


def main():
    lines = []
    for family, cases in FAMILIES.items():
        rng = np.random.default_rng([SEED, len(lines)])
        for name, function, inputs, arguments in cases(rng):
            inputs = {key: single(value) for key, value in inputs.items()}
            values, g, gradients = evaluate(function, inputs, arguments, rng)
            case = {
                "family": family,
                "function": function,
                "inputs": {key: value.tolist() for key, value in inputs.items()},
                "arguments": arguments,
                "values": values,
                "g": g,
                "gradients": gradients,
            }
            lines.append(f" {json.dumps(name)}: {json.dumps(case)}")
    header = {"made_by": "tests/golden/make_nn_layers.py", "torch": torch.__version__, "dtype": "float64", "seed": SEED}
    path = Path(__file__).with_name("nn_layers.json")
    path.write_text("{" + json.dumps(header)[1:-1] + ',\n"cases": {\n' + ",\n".join(lines) + "\n}}\n")
    print(f"{path}: {path.stat().st_size} bytes, {len(lines)} cases")


if __name__ == "__main__":
    main()
