"""Complex numbers: values and gradients are PyTorch's (stored), which are TensorFlow's, too."""

import json
from pathlib import Path

import numpy as np
import pytest

import autograd_vs as av

GOLDEN = json.loads((Path(__file__).parent / "golden" / "complex.json").read_text())["cases"]
CALLS = {  # what is spelled in another way than name(*arguments, **options)
    "einsum": lambda a, b, first: av.einsum(first, a, b),
    "power": lambda a, b=None, n=None: a**n if b is None else av.power(a, b),
    "where": lambda a, b, condition: av.where(av.real(a) > 0, a, b),
}


def array(stored):
    shape, kind, numbers = stored
    numbers = [complex(*n) for n in numbers] if kind == "complex" else numbers
    return np.array(numbers, complex if kind == "complex" else float).reshape(shape)


@pytest.mark.parametrize("number", range(len(GOLDEN)), ids=lambda i: f"{GOLDEN[i]['function']}-{i}")
def test_pytorchs_values(number):
    case = GOLDEN[number]
    function = CALLS.get(case["function"]) or getattr(av, case["function"])
    tensors = [av.Tensor(array(a)) for a in case["arguments"]]
    with av.GradientTape() as tape:
        tape.watch(tensors)
        y = function(*tensors, **case["options"])
    found = tape.gradient(y, tensors, output_gradients=array(case["g"]).astype(y.dtype))
    np.testing.assert_allclose(y.numpy(), array(case["value"]), rtol=1e-11, atol=1e-12)
    for got, stored in zip(found, case["gradients"], strict=True):
        want = array(stored)
        assert got.dtype == want.dtype
        np.testing.assert_allclose(got.numpy(), want, rtol=1e-10, atol=1e-11 * np.abs(want).max())


def test_it_is_the_direction_of_steepest_ascent():
    """For a real loss the gradient is dL/du + i dL/dv."""
    z = np.array([0.3 - 0.4j, 1.2 + 0.5j])

    def loss(t):
        return av.sum(av.abs(av.exp(t) * t) ** 2)

    gradient = av.grad(loss)(z).numpy()
    for h in (1e-6, 1e-6j):
        for i in range(2):
            step = np.zeros(2, complex)
            step[i] = h
            slope = (loss(z + step).item() - loss(z - step).item()) / 2e-6
            assert abs((gradient[i].real if h == 1e-6 else gradient[i].imag) - slope) < 1e-6
    assert loss(z + 1e-4 * gradient).item() > loss(z).item()
