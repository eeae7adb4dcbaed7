"""Large arrays in pieces: the same numbers, whatever the size of the pieces and the number of threads."""

import numpy as np
import pytest

import autograd_vs as av
from autograd_vs.base import blocks
from autograd_vs.engine import registry

ROWS = sorted(name for name, row in registry.ops.items() if row.elementwise or "softmax" in name)


@pytest.fixture
def tiny(monkeypatch):
    """Every array is large, and goes through in pieces of three elements."""

    def switch():
        monkeypatch.setattr(blocks, "BLOCK", 3)
        monkeypatch.setattr(blocks, "LARGE", 1)

    return switch


def value_and_gradients(row, sample):
    floats = [av.Tensor(a) for a in sample.args if getattr(a, "dtype", np.dtype(int)).kind in "fc"]
    rest = iter(floats)
    args = [next(rest) if getattr(a, "dtype", np.dtype(int)).kind in "fc" else a for a in sample.args]
    with av.GradientTape() as tape:
        tape.watch(floats)
        y = row.public(*args, **sample.options)
    return [y, *tape.gradient(y, floats, unconnected_gradients="zero")] if floats and sample.smooth else [y]


@pytest.mark.parametrize("name", ROWS)
def test_pieces_give_what_the_whole_gives(name, tiny):
    row = registry.ops[name]
    samples = [s for s in row.samples() if not any(isinstance(a, (list, tuple)) for a in s.args)]
    expected = [value_and_gradients(row, s) for s in samples]
    tiny()
    for sample, whole in zip(samples, expected, strict=True):
        for a, b in zip(value_and_gradients(row, sample), whole, strict=True):
            assert a.dtype == b.dtype and a.shape == b.shape
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-6 if a.dtype.itemsize < 8 else 1e-14, atol=1e-300)


@pytest.mark.parametrize("name", ["exp", "tanh", "sigmoid"])
@pytest.mark.parametrize("shape", [(blocks.LARGE + 7,), (3, blocks.LARGE // 2 + 1)])
def test_large_arrays(name, shape):
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    f = registry.ops[name].public
    small = np.concatenate([f(av.Tensor(part)).numpy() for part in np.array_split(x.ravel(), 50)]).reshape(shape)
    np.testing.assert_array_equal(f(av.Tensor(x)).numpy(), small)
    np.testing.assert_array_equal(f(av.Tensor(x.T)).numpy(), small.T)  # not contiguous: as a whole


def test_several_results_and_arguments_that_are_not_taken_apart(tiny):
    tiny()
    calls = []

    @blocks.in_blocks
    def formula(x, factor, y):
        calls.append(x.size)
        return x * factor + y, x - y

    x, y = np.arange(10.0).reshape(2, 5), np.ones((2, 5))
    up, down = formula(x, np.array(2.0), y)
    np.testing.assert_array_equal(up, 2 * x + 1)
    np.testing.assert_array_equal(down, x - 1)
    assert sorted(calls) == [1, 3, 3, 3]
    calls.clear()
    up, _ = formula(x, 2.0, np.ones(5))  # another shape: as a whole
    np.testing.assert_array_equal(up, 2 * x + 1)
    assert calls == [10]


def test_rows_are_not_cut(tiny):
    tiny()
    sizes = []

    @blocks.in_rows
    def centred(x):
        sizes.append(x.shape)
        return x - x.mean(-1, keepdims=True), x.mean(-1, keepdims=True)

    x = np.random.default_rng(0).normal(size=(2, 4, 2))
    values, means = centred(x)
    np.testing.assert_allclose(values + means, x)
    assert means.shape == (2, 4, 1)
    assert set(sizes) == {(1, 2)}
