"""Write `complex.json`: PyTorch's complex128 values and gradients of functions of complex numbers.

Each case is a function by our name, its arguments (complex numbers as pairs), the value, and the gradient that
``y.backward(g)`` gives for each argument. Run with a Python that has PyTorch::

    python tests/golden/make_complex.py
"""

import json
from functools import partial
from pathlib import Path

import numpy as np
import torch

SEED = 20261121
UNARY = (
    "exp log log10 log2 log1p expm1 sin cos tan sinh cosh tanh arcsin arccos arctan arcsinh arccosh arctanh sqrt "
    "square reciprocal negative positive abs angle real imag conj"
).split()


def along(function):
    return lambda a, axis: function(a, dim=axis)


def matrix_products(rng):
    def z(*shape):
        return rng.normal(size=shape) + 1j * rng.normal(size=shape)

    shapes = {"matmul": ((2, 3), (3, 2)), "outer": ((2,), (3,)), "kron": ((2, 2), (1, 2))}
    for name, pair in [*shapes.items(), ("matmul", ((2, 2, 3), (3,)))]:
        yield name, getattr(torch, name), [z(*s) for s in pair], {}
    yield "dot", torch.dot, [z(3), z(3)], {}
    yield "vdot", torch.vdot, [z(3), z(3)], {}
    yield "einsum", lambda a, b: torch.einsum("ij,kj->ik", a, b), [z(2, 3), z(2, 3)], {"first": "ij,kj->ik"}
    yield "tensordot", lambda a, b, axes: torch.tensordot(a, b, dims=axes), [z(2, 3), z(3, 2)], {"axes": 1}


def cases(rng):
    """(our name, PyTorch's function, arguments, keyword arguments)."""

    def z(*shape, low=-1.5, high=1.5):
        return rng.uniform(low, high, shape) + 1j * rng.uniform(low, high, shape)

    for name in UNARY:
        theirs = name.replace("arc", "a")  # asin and its kin
        yield name, getattr(torch, theirs), [z(2, 3)], {}
    for name in ("add", "subtract", "multiply", "divide"):
        yield name, getattr(torch, name), [z(2, 3), z(3)], {}
        yield name, getattr(torch, name), [z(2, 3), rng.normal(size=(2, 1))], {}
        yield name, getattr(torch, name), [rng.normal(size=3), z(2, 3)], {}
    yield "power", torch.pow, [z(2, 3), z(3)], {}
    yield "power", torch.pow, [z(2, 3), rng.normal(size=3)], {}
    yield "power", lambda a, n: torch.pow(a, n), [z(2, 3)], {"n": 3}
    yield "where", lambda a, b: torch.where(a.real > 0, a, b), [z(2, 3), z(2, 3)], {"condition": True}
    for name in ("sum", "mean", "prod"):
        yield name, getattr(torch, name), [z(2, 3)], {}
    for name in ("sum", "mean", "prod", "cumsum", "cumprod"):
        yield name, along(getattr(torch, name)), [z(2, 3)], {"axis": 1}
    for name in ("var", "std"):
        yield name, partial(getattr(torch, name), correction=0), [z(2, 3)], {}
    yield from matrix_products(rng)


def pairs(a):
    """Complex numbers as pairs, real ones as they are."""
    a = np.asarray(a)
    return [[v.real, v.imag] for v in a.ravel().tolist()] if np.iscomplexobj(a) else a.ravel().tolist()


def stored(a):
    a = np.asarray(a)
    return [list(a.shape), "complex" if np.iscomplexobj(a) else "float", pairs(a)]


def main():
    rng = np.random.default_rng(SEED)
    lines = []
    for name, function, arguments, options in cases(rng):
        tensors = [torch.tensor(a, requires_grad=True) for a in arguments]
        given = {k: v for k, v in options.items() if k not in ("first", "condition")}
        y = function(*tensors, **given)
        g = rng.normal(size=y.shape) + (1j * rng.normal(size=y.shape) if y.is_complex() else 0)
        y.backward(torch.tensor(g).to(y.dtype))
        case = {
            "function": name, "arguments": [stored(a) for a in arguments], "options": options,
            "value": stored(y.detach().resolve_conj().numpy()), "g": stored(g),
            "gradients": [stored(t.grad.resolve_conj().numpy()) for t in tensors],
        }  # fmt: skip
        lines.append(" " + json.dumps(case))
    header = {"made_by": "tests/golden/make_complex.py", "torch": torch.__version__, "seed": SEED}
    path = Path(__file__).with_name("complex.json")
    path.write_text("{" + json.dumps(header)[1:-1] + ',\n"cases": [\n' + ",\n".join(lines) + "\n]}\n")
    print(f"{path.name}: {path.stat().st_size} bytes, {len(lines)} cases")


if __name__ == "__main__":
    main()
