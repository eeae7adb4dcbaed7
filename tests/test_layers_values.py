"""Layers against PyTorch's: outputs, gradients of inputs and weights, running statistics (`golden/layers.json`)."""

import json
from pathlib import Path

import numpy as np
import pytest

import autograd_vs as av
from autograd_vs.base.nest import flatten

CASES = json.loads((Path(__file__).parent / "golden" / "layers.json").read_text())["cases"]
DIGITS = {"float64": (1e-10, 1e-12), "float32": (2e-4, 2e-5)}


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
    inputs = [np.array(x) for x in case["inputs"]]
    inputs = [x.astype(dtype) if x.dtype.kind == "f" else x for x in inputs]
    call = {key: np.array(v) if isinstance(v, list) else v for key, v in case["call"].items()}
    with av.variable_scope("m", dtype=dtype):
        layer = made(case)
        called(case, layer, inputs, {**call, **({"training": False} if "training" in call else {})})
    prefix = layer.variable_scope.name + "/"
    weights = {v.op.name.removeprefix(prefix): v for v in layer.trainable_weights}
    assert set(weights) == set(case["weights"])
    for name, value in case["weights"].items():
        weights[name].assign(np.array(value, dtype))
    return layer, inputs, call, weights


def called(case, layer, inputs, call):
    """The outputs, one after the other."""

    def nest(numbers):
        return tuple(map(nest, numbers)) if isinstance(numbers, list) else inputs[numbers]

    if "initial" in case:
        y = layer(inputs[0], **{"initial_state" if case["layer"] == "RNN" else "state": nest(case["initial"])}, **call)
    else:
        y = layer(*inputs, **call)
    return flatten(layer.attend(y) if case.get("tied") else y)


def run(case, layer, inputs, call, weights, g):
    floats = [x for x in inputs if x.dtype.kind == "f"]
    with av.GradientTape() as tape:
        tape.watch(floats)
        y = called(case, layer, inputs, call)
    return y, tape.gradient(y, [*floats, *weights.values()], output_gradients=g)


def dense(value):
    return value.to_dense() if isinstance(value, av.IndexedSlices) else value


def close(got, want, dtype, what):
    rtol, atol = DIGITS[dtype]
    got = dense(got)
    assert got.dtype == dtype, what
    np.testing.assert_allclose(got.numpy(), np.array(want), rtol=rtol, atol=atol, err_msg=what)


@pytest.mark.parametrize("dtype", DIGITS)
@pytest.mark.parametrize("name", CASES)
def test_pytorchs_values(name, dtype):
    case = CASES[name]
    with av.VariableStore(seed=0):
        layer, inputs, call, weights = ready(case, dtype)
        inputs = [av.Tensor(x) for x in inputs]
        ys, gradients = run(case, layer, inputs, call, weights, [np.array(g, dtype) for g in case["g"]])
    for i, (y, want) in enumerate(zip(ys, case["outputs"], strict=True)):
        close(y, want, dtype, f"{name}: output {i}")
    n = len(case["input_gradients"])
    for i, (got, want) in enumerate(zip(gradients[:n], case["input_gradients"], strict=True)):
        close(got, want, dtype, f"{name}: gradient of input {i}")
    for key, got in zip(weights, gradients[n:], strict=True):
        close(got, case["gradients"][key], dtype, f"{name}: gradient of {key}")
    for key, want in case["state"].items():
        close(getattr(layer, key), want, dtype, f"{name}: {key}")


@pytest.mark.parametrize("name", CASES)
def test_functions_give_the_same(name):
    case = CASES[name]
    found = []
    for wrap in (lambda f: f, av.function):
        with av.VariableStore(seed=0):
            layer, inputs, call, weights = ready(case, "float64")
            g = [np.array(g) for g in case["g"]]

            @wrap
            def step(inputs, g, layer=layer, call=call, weights=weights):
                return run(case, layer, inputs, call, weights, g)

            for _ in range(3):
                ys, gradients = step([av.Tensor(x) for x in inputs], [av.Tensor(each) for each in g])
            found.append([dense(each).numpy() for each in [*ys, *gradients, *layer.weights]])
    for eager, replayed in zip(*found, strict=True):
        np.testing.assert_allclose(replayed, eager, rtol=1e-12, atol=1e-14)  # small products of BLAS vary with memory
