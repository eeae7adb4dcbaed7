"""Write `windows.json`: PyTorch's float64 values and gradients of convolutions and pooling.

Arguments are spelled as ours, arrays lie as ours (channels last; filters *kernel, channels, features); the functions
here bring them to PyTorch's order. Run with a Python that has PyTorch::

    python tests/golden/make_windows.py
"""

import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

SEED = 20261121
CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


def first(x):
    return x.movedim(-1, 1)


def last(y):
    return y.movedim(1, -1)


def conv(x, filters, strides=1, padding="same", dilations=1, groups=1):
    axes = x.ndim - 2
    return last(
        CONV[axes](
            first(x), filters.movedim((-1, -2), (0, 1)), stride=strides, dilation=dilations, groups=groups,
            padding=0 if padding == "valid" else padding,
        )
    )  # fmt: skip


def conv_transpose(x, filters, strides=1, padding=0, dilations=1, groups=1, output_padding=0):
    axes = x.ndim - 2
    return last(
        TRANSPOSED[axes](
            first(x), filters.movedim((-1, -2), (0, 1)), stride=strides, dilation=dilations, groups=groups,
            padding=padding, output_padding=output_padding,
        )
    )  # fmt: skip


def max_pool(x, size=2, strides=None, padding=0, dilations=1):
    axes = x.ndim - 2
    pool = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}[axes]
    return last(pool(first(x), size, stride=strides, padding=padding, dilation=dilations))


def avg_pool(x, size=2, strides=None, padding=0, count_padding=False):
    axes = x.ndim - 2
    pool = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}[axes]
    return last(pool(first(x), size, stride=strides, padding=padding, count_include_pad=count_padding))


def adaptive_avg_pool(x, output_size):
    pool = {1: F.adaptive_avg_pool1d, 2: F.adaptive_avg_pool2d, 3: F.adaptive_avg_pool3d}[x.ndim - 2]
    return last(pool(first(x), output_size))


def cases():
    """(our function, PyTorch's, shapes of the inputs, kind of numbers, keyword arguments, those of PyTorch only)."""
    for axes in (1, 2, 3):
        size, kernel = ((7,), (5, 6), (4, 3, 5))[axes - 1], (3, 2, 3)[:axes]
        images = 2 if axes < 3 else 1
        x, small = (images, *size, 3), (images, *(4, 3, 2)[:axes], 4)

        def inputs(x, *filters, kernel=kernel):
            return {"x": x, "filters": (*kernel, *filters)}

        for name, shapes, options in (
            (f"conv{axes}d", inputs(x, 3, 4, kernel=(3,) * axes), {}),
            (f"conv{axes}d", inputs(x, 3, 4), {"padding": "valid"}),
            (f"conv{axes}d", inputs(x, 3, 4), {"strides": 2, "padding": 1}),
            (f"conv{axes}d", inputs(x, 3, 4), {"dilations": 2, "padding": [2, 1, 2][:axes]}),
            (f"conv{axes}d", inputs((*x[:-1], 1), 1, 4), {"strides": 3, "padding": "valid"}),
            (f"conv{axes}d", inputs((*x[:-1], 4), 2, 4), {"groups": 2, "padding": 1}),
            (f"conv{axes}d", inputs((*x[:-1], 4), 1, 8), {"groups": 4, "padding": 1, "strides": 2}),
        ):
            yield name, conv, shapes, "normal", options, {}
        sized = [(m - 1) * 3 + k - 2 + 1 for m, k in zip(small[1:-1], kernel, strict=True)]
        for options, theirs in (
            ({"strides": 2, "padding": 1}, {}),
            ({"dilations": 2, "padding": 0}, {}),
            ({"strides": 3, "padding": 1, "output_size": sized}, {"output_padding": 1}),
        ):
            yield f"conv{axes}d_transpose", conv_transpose, inputs(small, 3, 4), "normal", options, theirs
        options = {"strides": 2, "padding": 0, "groups": 2}
        yield f"conv{axes}d_transpose", conv_transpose, inputs(small, 2, 4), "normal", options, {}
        for kind in ("normal", "tied", "zeros"):
            yield f"max_pool{axes}d", max_pool, {"x": x}, kind, {}, {}
            yield f"max_pool{axes}d", max_pool, {"x": x}, kind, {"size": 3, "strides": 2, "padding": 1}, {}
        yield f"max_pool{axes}d", max_pool, {"x": x}, "normal", {"size": 2, "strides": 1, "dilations": 2}, {}
        yield f"avg_pool{axes}d", avg_pool, {"x": x}, "normal", {}, {}
        for count in (False, True):
            options = {"size": 3, "strides": 2, "padding": 1, "count_padding": count}
            yield f"avg_pool{axes}d", avg_pool, {"x": x}, "normal", options, {}
        for output in (1, 2, 3):
            yield f"adaptive_avg_pool{axes}d", adaptive_avg_pool, {"x": x}, "normal", {"output_size": output}, {}
    # wide enough for the taps of the first axis to be left out of the columns
    for options in ({}, {"dilations": 2, "padding": 2}):
        yield "conv2d", conv, {"x": (1, 4, 3, 22), "filters": (3, 3, 22, 2)}, "normal", options, {}


def drawn(rng, shape, kind):
    """The inputs are not stored: the test draws them again."""
    normal = rng.normal(size=shape)
    return {"normal": normal, "tied": np.round(normal * 2), "zeros": normal * 0}[kind]


def evaluate(function, inputs, arguments, rng):
    tensors = {name: torch.tensor(value, requires_grad=True) for name, value in inputs.items()}
    value = function(**tensors, **arguments)
    g = rng.normal(size=value.shape)
    torch.sum(value * torch.tensor(g)).backward()
    return value.detach().numpy(), {name: t.grad.numpy() for name, t in tensors.items()}


def rounded(array):
    """Digits enough for a comparison to 1e-12."""
    return [float(f"{v:.13g}") for v in np.asarray(array).ravel()]


def main():
    stored = []
    for number, (name, function, shapes, kind, arguments, theirs) in enumerate(cases()):
        rng = np.random.default_rng([SEED, number])
        inputs = {key: drawn(rng, shape, kind) for key, shape in shapes.items()}
        given = {k: v for k, v in arguments.items() if k != "output_size" or function is adaptive_avg_pool} | theirs
        value, gradients = evaluate(function, inputs, given, rng)
        stored.append({
            "function": name, "arguments": arguments, "shapes": shapes, "kind": kind,
            "value": [list(value.shape), rounded(value)],
            "gradients": {key: rounded(array) for key, array in gradients.items()},
        })  # fmt: skip
    header = {"made_by": "tests/golden/make_windows.py", "torch": torch.__version__, "dtype": "float64", "seed": SEED}
    path = Path(__file__).with_name("windows.json")
    lines = [f" {json.dumps(case)}" for case in stored]
    path.write_text("{" + json.dumps(header)[1:-1] + ',\n"cases": [\n' + ",\n".join(lines) + "\n]}\n")
    print(f"{path.name}: {path.stat().st_size} bytes, {len(stored)} cases")


if __name__ == "__main__":
    main()
