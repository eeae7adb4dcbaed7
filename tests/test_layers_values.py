"""Layers against PyTorch's: outputs, gradients of inputs and weights, running statistics (`golden/layers.json`)."""

import json
from pathlib import Path

import numpy as np
import pytest

import autograd_vs as av

CASES = json.loads((Path(__file__).parent / "golden" / "layers.json").read_text())["cases"]
DIGITS = {"float64": (1e-9, 1e-11), "float32": (2e-4, 2e-5)}


def made(case):
    options = {key: tuple(v) if isinstance(v, list) else v for key, v in case["options"].items()}
    if case["layer"] == "RNN":
        cells, back = [
            [getattr(av.layers, cls)(units, name=name) for cls, units, name in options.pop(key, ())]
            for key in ("cells", "backward")
        ]
        return av.layers.RNN(cells, back or None, **options)
    return getattr(av.layers, case["layer"])(**options)


def ready(case, dtype):
    """The layer with the stored weights, its inputs, what its call takes beside them, its weights by name."""
    inputs = [np.array(x, dtype) for x in case["inputs"]]
    call = {key: np.array(v) if isinstance(v, list) else v for key, v in case["call"].items()}
    with av.variable_scope("m", dtype=dtype):
        layer = made(case)
        layer(*inputs, **{**call, **({"training": False} if "training" in call else {})})
    prefix = layer.variable_scope.name + "/"
    weights = {v.op.name.removeprefix(prefix): v for v in layer.trainable_weights}
    assert set(weights) == set(case["weights"])
    for name, value in case["weights"].items():
        weights[name].assign(np.array(value, dtype))
    return layer, inputs, call, weights


def run(layer, inputs, call, weights, g):
    with av.GradientTape() as tape:
        tape.watch(inputs)
        y = layer(*inputs, **call)
    return y, tape.gradient(y, [*inputs, *weights.values()], output_gradients=g)


def close(got, want, dtype, what):
    rtol, atol = DIGITS[dtype]
    assert got.dtype == dtype, what
    np.testing.assert_allclose(got.numpy(), np.array(want), rtol=rtol, atol=atol, err_msg=what)


@pytest.mark.parametrize("dtype", DIGITS)
@pytest.mark.parametrize("name", CASES)
def test_pytorchs_values(name, dtype):
    case = CASES[name]
    with av.VariableStore(seed=0):
        layer, inputs, call, weights = ready(case, dtype)
        inputs = [av.Tensor(x) for x in inputs]
        y, gradients = run(layer, inputs, call, weights, np.array(case["g"][0], dtype))
    close(y, case["outputs"][0], dtype, f"{name}: output")
    for i, want in enumerate(case["input_gradients"]):
        close(gradients[i], want, dtype, f"{name}: gradient of input {i}")
    for key, got in zip(weights, gradients[len(inputs) :], strict=True):
        close(got, case["gradients"][key], dtype, f"{name}: gradient of {key}")
    for key, want in case["state"].items():
        close(getattr(layer, key), want, dtype, f"{name}: {key}")


@pytest.mark.host("plans are NumPy's")
@pytest.mark.parametrize("name", CASES)
def test_functions_give_the_same(name):
    case = CASES[name]
    found = []
    for wrap in (lambda f: f, av.function):
        with av.VariableStore(seed=0):
            layer, inputs, call, weights = ready(case, "float64")
            g = np.array(case["g"][0])

            @wrap
            def step(inputs, g, layer=layer, call=call, weights=weights):
                return run(layer, inputs, call, weights, g)

            for _ in range(3):
                y, gradients = step([av.Tensor(x) for x in inputs], av.Tensor(g))
            found.append([y.numpy(), *[g.numpy() for g in gradients], *[v.numpy() for v in layer.weights]])
    for eager, replayed in zip(*found, strict=True):
        np.testing.assert_allclose(replayed, eager, rtol=1e-12, atol=1e-14)  # small products of BLAS vary with memory
