"""Compiled loops, with numba: training steps as with NumPy alone, to rounding; what is compiled is kept on disk.

What the source of a loop says is tested for every op without numba, in `test_plans_ops.py`.
"""

import os
import subprocess
import sys

import numpy as np
import pytest

import autograd_vs as av
import optim
from autograd_vs.transforms.plans import loops

pytestmark = pytest.mark.host("passes over NumPy's arrays")
numba = pytest.importorskip("numba", reason="the extra [jit] is not installed")


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AUTOGRAD_VS_CACHE", str(tmp_path))
    loops.kernel.cache_clear()
    yield
    loops.kernel.cache_clear()


def training(jit, optimizer, steps=4, units=40):
    rng = np.random.default_rng(0)
    with av.VariableStore():
        w = av.Variable(rng.normal(size=(20, units)).astype(np.float32) * 0.3, name="w")
        b = av.Variable(np.zeros(units, np.float32), name="b")

    @av.function(jit=jit)
    def step(x, y):
        with av.GradientTape() as tape:
            h = x @ w + b
            h = av.nn.relu(h) * 0.5 + h * h * 0.1 - av.maximum(h, 0.3)
            loss = av.nn.mse(av.nn.softmax(h), y)
        optimizer.apply_gradients(zip(tape.gradient(loss, [w, b]), [w, b], strict=True))
        return loss

    x, y = rng.normal(size=(600, 20)).astype(np.float32), rng.normal(size=(600, units)).astype(np.float32)
    losses = [step(x, y).item() for _ in range(steps)]
    return losses, w.numpy(), b.numpy()


@pytest.mark.parametrize("make", [optim.Adam, lambda: optim.SGD(0.1, momentum=0.9), lambda: optim.AdamW(0.01)])
def test_steps_are_those_without_loops_to_rounding(make):
    for a, b in zip(training(False, make()), training(True, make()), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    assert "loop_" in "".join(os.listdir(os.environ["AUTOGRAD_VS_CACHE"] + "/loops"))


def test_large_arrays_nan_and_threads():
    x = np.random.default_rng(0).normal(size=(1500, 700)).astype(np.float32)
    x[3, 5], x[7, 8], x[9, 9] = np.nan, np.inf, -np.inf

    def f(x, b):
        y = (x * 2.0 + b) * x - av.square(x)
        return av.where(y > 0, av.sqrt(av.maximum(y, 0.0)), y / 3.0), av.maximum(y, 1.0), y < 0.5

    b = np.arange(700, dtype=np.float32)
    before = av.get_num_threads()
    try:
        for number in (1, 2):
            av.set_num_threads(number)
            jitted = av.function(jit=True)(f)
            with np.errstate(invalid="ignore"):
                jitted(x * 0, b)
                got, want = jitted(x, b), f(av.Tensor(x), av.Tensor(b))
            for a, c in zip(got, want, strict=True):
                np.testing.assert_allclose(a.numpy(), c.numpy(), rtol=2e-5, atol=1e-5)
    finally:
        av.set_num_threads(before)


def test_another_process_finds_what_was_compiled(tmp_path):
    program = """
import numpy as np, autograd_vs as av
from autograd_vs.transforms.plans import loops
f = av.function(jit=True)(lambda x: (x * 2.0 + 1.0) * x - 3.0)
x = np.arange(20_000, dtype="float32")
f(x)
assert f(x).numpy()[2] == 7.0
import glob, os, sys
print(len(glob.glob(os.environ["AUTOGRAD_VS_CACHE"] + "/loops/__pycache__/*.nbc")))
"""
    environment = {**os.environ, "AUTOGRAD_VS_CACHE": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    found = [
        subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    ]
    assert found == ["1\n", "1\n"]


def test_a_folder_that_cannot_be_written(monkeypatch):
    monkeypatch.setenv("AUTOGRAD_VS_CACHE", "/proc/no/such/folder")
    f = av.function(jit=True)(lambda x: (x * 2.0 + 1.0) * x)
    x = np.arange(20_000, dtype=np.float32)
    f(x)
    np.testing.assert_array_equal(f(x).numpy(), (x * 2.0 + 1.0) * x)
