"""Comparing with the stored values of PyTorch in `golden/nn_layers.json`, for the tests of each family of `av.nn`."""

import json
from pathlib import Path

import numpy as np

import autograd_vs as av

CASES = json.loads((Path(__file__).parent / "golden" / "nn_layers.json").read_text())["cases"]
DIGITS = {np.float64: (1e-10, 1e-12), np.float32: (1e-5, 2e-6)}


def names(family):
    return [name for name, case in CASES.items() if case["family"] == family]


def compare(name, dtype=np.float64, factor=1.0):
    """Value and gradients of a case against the stored ones; `factor` loosens the tolerance."""
    case = CASES[name]
    inputs = {k: np.array(v) for k, v in case["inputs"].items()}
    inputs = {k: av.Tensor(v.astype(dtype) if v.dtype.kind == "f" else v) for k, v in inputs.items()}
    sources = {k: inputs[k] for k in case["gradients"]}
    arguments = {k: tuple(v) if isinstance(v, list) else v for k, v in case["arguments"].items()}
    with av.GradientTape() as tape, np.errstate(under="ignore"):
        tape.watch(sources)
        y = getattr(av.nn, case["function"])(**inputs, **arguments)
        ys = list(y) if isinstance(y, tuple) else [y]
    with np.errstate(under="ignore"):
        found = tape.gradient(ys, sources, output_gradients=[np.array(g).astype(dtype) for g in case["g"]])
    for i, (got, want) in enumerate(zip(ys, case["values"], strict=True)):
        _compare(got, np.array(want), dtype, factor, f"{name}: output {i}")
    for key, want in case["gradients"].items():
        _compare(found[key], np.array(want), dtype, factor, f"{name}: gradient of {key}")


def _compare(got, want, dtype, factor, what):
    assert got.dtype == dtype and got.shape == want.shape, what
    rtol, atol = DIGITS[dtype]
    scale = max(1.0, float(np.median(np.abs(want)))) if want.size else 1.0
    np.testing.assert_allclose(got.numpy(), want, rtol=rtol * factor, atol=atol * factor * scale, err_msg=what)
