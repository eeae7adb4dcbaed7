"""Write fft.json: values, gradients and second derivatives of Fourier transforms, from PyTorch.

Run with a Python that has PyTorch::

    python tests/golden/make_fft.py
"""

import json
from pathlib import Path

import numpy as np
import torch

SEED = 20260107
NORMS = ("backward", "ortho", "forward")


def cases(rng):
    """(function, input, sizes, axes, norm): sizes and axes are None, a number, or lists."""

    def real(*shape):
        return rng.normal(size=shape)

    def complex_numbers(*shape):
        return rng.normal(size=shape) + 1j * rng.normal(size=shape)

    for function in ("fft", "ifft", "rfft", "ihfft"):
        for norm, n in zip(NORMS, (None, 3, 7), strict=True):
            yield function, real(5), n, -1, norm
        yield function, real(3, 2), None, 0, "ortho"
    for function in ("fft", "ifft", "irfft", "hfft"):
        for norm, n in zip(NORMS, (None, 4, 7), strict=True):
            yield function, complex_numbers(4), n, -1, norm
        yield function, complex_numbers(3, 2), 5, 0, "backward"
    for function in ("fftn", "ifftn", "rfftn", "irfftn", "fft2", "ifft2", "rfft2", "irfft2"):
        make = complex_numbers if function.startswith("i") else real
        for norm, sizes in zip(NORMS, (None, [1, 4], [3, 2]), strict=True):
            yield function, make(2, 3), sizes, [-2, -1] if sizes else None, norm
        if function.endswith("n"):
            yield function, make(2, 2, 3), None, [2, 0], "backward"


def options(function, sizes, axes, norm):
    found = {"norm": norm}
    several = function.endswith(("n", "2"))
    if sizes is not None:
        found["s" if several else "n"] = sizes
    if axes is not None:
        found["dim"] = axes
    return found


def plain(a):
    """An array as nested lists; of complex numbers: [real parts, imaginary parts]."""
    a = np.asarray(a)
    return {"real": a.real.tolist(), "imag": a.imag.tolist()} if a.dtype.kind == "c" else a.tolist()


def evaluate(function, x, given, rng):
    """The value, a gradient of it with its seed, and a Hessian-vector product of sum(abs(y)**4)."""
    t = torch.tensor(x, requires_grad=True)
    y = getattr(torch.fft, function)(t, **given)
    g = rng.normal(size=y.shape) + (1j * rng.normal(size=y.shape) if y.is_complex() else 0.0)
    (gradient,) = torch.autograd.grad(y, t, torch.tensor(g), retain_graph=True)
    power = ((y * y.conj()).real ** 2).sum()
    (slope,) = torch.autograd.grad(power, t, create_graph=True)
    v = rng.normal(size=x.shape) + (1j * rng.normal(size=x.shape) if slope.is_complex() else 0.0)
    (product,) = torch.autograd.grad(slope, t, torch.tensor(v))
    tensors = {"value": y.detach(), "gradient": gradient, "hvp": product}
    return {"g": g, "v": v} | {name: t.resolve_conj().numpy() for name, t in tensors.items()}


def main():
    rng = np.random.default_rng(SEED)
    lines = []
    for function, x, sizes, axes, norm in cases(rng):
        found = evaluate(function, x, options(function, sizes, axes, norm), rng)
        case = {"function": function, "sizes": sizes, "axes": axes, "norm": norm, "x": plain(x)}
        lines.append(" " + json.dumps(case | {name: plain(value) for name, value in found.items()}))
    header = {"made_by": "tests/golden/make_fft.py", "torch": torch.__version__, "dtype": "float64", "seed": SEED}
    path = Path(__file__).with_name("fft.json")
    path.write_text("{" + json.dumps(header)[1:-1] + ',\n"cases": [\n' + ",\n".join(lines) + "\n]}\n")
    print(f"{path.name}: {path.stat().st_size} bytes, {len(lines)} cases")


if __name__ == "__main__":
    main()
