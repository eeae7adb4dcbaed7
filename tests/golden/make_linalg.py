"""Write `linalg.json`: PyTorch's float64 and complex128 values and gradients of linear algebra functions.

Each case holds the inputs, keyword arguments as NumPy spells them, the value of a loss and its gradient for each input.
The losses weigh every element of what does not depend on a library's choices: signs and phases of eigenvectors, bases
of complements. Complex arrays are written as [real parts, imaginary parts]. Run with a Python that has PyTorch::

    python tests/golden/make_linalg.py

`LOSSES` speak of NumPy's functions by name; the tests run the same expressions on ours, through `Maths`.
"""

import json
from pathlib import Path

import numpy as np

SEED = 20260214

# What a loss is made of. `m` has the functions; x, y are the inputs, w(shape) fixed real weights.
LOSSES = {
    "inv": lambda m, x: m.real(m.w(m.inv(x))),
    "pinv": lambda m, x: m.real(m.w(m.pinv(x))),
    "det": lambda m, x: m.real(m.w(m.det(x))),
    "slogdet": lambda m, x: m.real(m.w(m.slogdet(x)[0])) + m.w(m.slogdet(x)[1]),
    "solve": lambda m, x, y: m.real(m.w(m.solve(x, y))),
    "tensorsolve": lambda m, x, y: m.real(m.w(m.tensorsolve(x, y))),
    "tensorinv": lambda m, x: m.real(m.w(m.tensorinv(x, 2))),
    "lstsq": lambda m, x, y: m.real(m.w(m.lstsq(x, y)[0])),
    "cholesky": lambda m, x: m.real(m.w(m.cholesky(m.hermitian(x)))),
    "cholesky_upper": lambda m, x: m.real(m.w(m.cholesky_upper(m.hermitian(x)))),
    "cholesky_raw": lambda m, x: m.real(m.w(m.cholesky(x))),
    "qr": lambda m, x: m.real(m.w(m.qr(x)[0])) + m.real(m.w(m.qr(x)[1] * (0.5 + 0.25j if m.is_complex(x) else 0.5))),
    "eigh": lambda m, x: m.w(m.eigh(x)[0]) + m.real(m.w(m.projectors(m.eigh(x)[1]))),
    "eigvalsh": lambda m, x: m.w(m.eigvalsh(x)),
    "eig": lambda m, x: m.real(m.w(m.rising(*m.eig(x)))),
    "eigvals": lambda m, x: m.real(m.w(m.rising(m.eigvals(x)))),
    "svd": lambda m, x: m.w(m.svd(x)[1]) + m.real(m.w(m.pairs(*m.svd(x)))) + m.real(m.w(m.projectors(m.svd(x)[0]))),
    "svdvals": lambda m, x: m.w(m.svdvals(x)),
    "matrix_power": lambda m, x, n: m.real(m.w(m.matrix_power(x, n))),
    "multi_dot": lambda m, x, y, z: m.real(m.w(m.multi_dot([x, y, z]))),
    "cross": lambda m, x, y: m.real(m.w(m.cross(x, y))),
    "cond": lambda m, x, p: m.w(m.cond(x, p)),
    "vector_norm": lambda m, x, p: m.w(m.vector_norm(x, p)),
    "matrix_norm": lambda m, x, p: m.w(m.matrix_norm(x, p)),
}


def weights(shape):
    """Fixed numbers, none of them special."""
    n = int(np.prod(shape, dtype=int))
    return (np.cos(1.7 * np.arange(n) + 0.3) + 0.1).reshape(shape)


def draw(rng, shape, kind):
    x = rng.normal(size=shape)
    return x + 1j * rng.normal(size=shape) if kind == "complex" else x


def cases(rng):
    """(name, loss, inputs, arguments)."""
    for kind in ("real", "complex"):

        def a(*shape, kind=kind):
            return draw(rng, shape, kind)

        def regular(*shape, a=a):
            return a(*shape) + 3.0 * np.eye(shape[-1])

        def positive(*shape, a=a):
            x = a(*shape)
            return x @ x.conj().swapaxes(-1, -2) + np.eye(shape[-1])

        def hermitian(*shape, a=a):
            x = a(*shape)
            return x + x.conj().swapaxes(-1, -2)

        for name in ("inv", "det", "slogdet", "eigvals", "eig"):
            yield f"{name}_{kind}", name, [regular(3, 3)], []
            yield f"{name}_{kind}_stack", name, [regular(2, 3, 3)], []
        yield f"solve_{kind}", "solve", [regular(3, 3), a(3)], []
        yield f"solve_{kind}_stack", "solve", [regular(2, 3, 3), a(2, 3, 2)], []
        yield f"tensorsolve_{kind}", "tensorsolve", [regular(4, 4).reshape(2, 2, 4), a(2, 2)], []
        yield f"tensorinv_{kind}", "tensorinv", [regular(4, 4).reshape(2, 2, 4)], []
        for shape in ((4, 2), (2, 4)):
            yield f"pinv_{kind}_{shape}", "pinv", [a(*shape)], []
            yield f"lstsq_{kind}_{shape}", "lstsq", [a(*shape), a(shape[0], 2)], []
            yield f"qr_{kind}_{shape}", "qr", [a(*shape)], []
            yield f"svd_{kind}_{shape}", "svd", [a(*shape)], []
            yield f"svdvals_{kind}_{shape}", "svdvals", [a(*shape)], []
        low = a(4, 2) @ a(2, 3)
        yield f"pinv_{kind}_low_rank", "pinv", [low], []
        for name in ("qr", "svd"):
            yield f"{name}_{kind}_square", name, [a(3, 3)], []
            yield f"{name}_{kind}_stack", name, [a(2, 3, 2)], []
        for name in ("cholesky", "cholesky_upper", "cholesky_raw"):
            if (name, kind) != ("cholesky_raw", "complex"):  # PyTorch leaves imaginary parts on the diagonal there
                yield f"{name}_{kind}", name, [positive(3, 3)], []
        yield f"cholesky_{kind}_stack", "cholesky", [positive(2, 2, 2)], []
        for name in ("eigh", "eigvalsh"):
            yield f"{name}_{kind}", name, [hermitian(3, 3)], []
            yield f"{name}_{kind}_stack", name, [hermitian(2, 2, 2)], []
        for n in (0, 1, 2, 5, -1, -3):
            yield f"matrix_power_{kind}_{n}", "matrix_power", [regular(3, 3)], [n]
        yield f"multi_dot_{kind}", "multi_dot", [a(2, 4), a(4, 1), a(1, 3)], []
        yield f"cross_{kind}", "cross", [a(2, 3), a(2, 3)], []
        for p in (2, 1, 3, 0.5, 1.5, -1, -2.5, "inf", "-inf"):
            yield f"vector_norm_{kind}_{p}", "vector_norm", [a(2, 4)], [p]
        for p in ("fro", "nuc", 2, -2, 1, -1, "inf", "-inf"):
            yield f"matrix_norm_{kind}_{p}", "matrix_norm", [a(2, 3)], [p]
            yield f"cond_{kind}_{p}", "cond", [regular(3, 3)], [p]
    yield "eigvalsh_equal", "eigvalsh", [np.eye(3)], []
    yield "svdvals_equal", "svdvals", [np.diag([2.0, -2.0, 1.0])], []
    for name in ("vector_norm", "matrix_norm"):
        yield f"{name}_zero", name, [np.zeros((2, 2))], [2 if name == "vector_norm" else "fro"]


class Maths:
    """The functions of the losses, in PyTorch."""

    def __init__(self):
        import torch

        self.torch, self.linalg = torch, torch.linalg
        for name in (
            "inv", "pinv", "det", "slogdet", "solve", "tensorsolve", "tensorinv", "lstsq", "cholesky", "qr", "eigh",
            "eigvalsh", "eig", "eigvals", "svdvals", "matrix_power", "multi_dot", "cross",
        ):  # fmt: skip
            setattr(self, name, getattr(self.linalg, name))

    def w(self, x):
        return (x * self.torch.tensor(weights(tuple(x.shape)))).sum()

    def real(self, x):
        return x.real if x.is_complex() else x

    def is_complex(self, x):
        return x.is_complex()

    def hermitian(self, x):
        return (x + x.mH) / 2

    def cholesky_upper(self, x):
        return self.linalg.cholesky(x, upper=True)

    def svd(self, x):
        return self.linalg.svd(x, full_matrices=False)

    def projectors(self, v):
        return v[..., :, None, :] * v.conj()[..., None, :, :]

    def pairs(self, u, s, vh):
        return u[..., :, None, :] * vh.mT[..., None, :, :]

    def rising(self, w, v=None):
        """Eigenvalues (and projectors) in the order of the real parts, then of the imaginary ones."""
        order = np.argsort(np.round(w.detach().numpy(), 9), axis=-1)
        order = self.torch.tensor(order)
        values = self.torch.take_along_dim(w, order, -1)
        if v is None:
            return values
        p = self.projectors(v)
        p = self.torch.take_along_dim(p, order[..., None, None, :], -1)
        return values[..., None, None, :] * 0.5 + p

    def vector_norm(self, x, p):
        return self.linalg.vector_norm(x, float(p), dim=-1)

    def matrix_norm(self, x, p):
        return self.linalg.matrix_norm(x, p if p in ("fro", "nuc") else float(p))

    def cond(self, x, p):
        """Not PyTorch's own: the gradient of that fails for most p ("modified by an inplace operation")."""
        if p in (2, -2):
            return self.linalg.cond(x, p)
        return self.matrix_norm(x, p) * self.matrix_norm(self.linalg.inv(x), p)


def written(x):
    x = np.asarray(x)
    return {"complex": [x.real.tolist(), x.imag.tolist()]} if x.dtype.kind == "c" else x.tolist()


def gradient(t):
    """The gradient of a tensor; zeros where none arrived."""
    return np.zeros(t.shape) if t.grad is None else t.grad.resolve_conj().numpy()


def main():
    m, rng, stored = Maths(), np.random.default_rng(SEED), {}
    for name, loss, inputs, arguments in cases(rng):
        tensors = [m.torch.tensor(x, requires_grad=True) for x in inputs]
        value = LOSSES[loss](m, *tensors, *arguments)
        if value.requires_grad:
            value.backward()
        stored[name] = {
            "loss": loss,
            "inputs": [written(x) for x in inputs],
            "arguments": arguments,
            "value": value.item(),
            "gradients": [written(gradient(t)) for t in tensors],
        }
    header = {"made_by": "tests/golden/make_linalg.py", "torch": m.torch.__version__, "seed": SEED}
    path = Path(__file__).with_name("linalg.json")
    lines = [f" {json.dumps(name)}: {json.dumps(case)}" for name, case in stored.items()]
    path.write_text("{" + json.dumps(header)[1:-1] + ',\n"cases": {\n' + ",\n".join(lines) + "\n}}\n")
    print(f"{path}: {path.stat().st_size} bytes, {len(stored)} cases")


if __name__ == "__main__":
    main()
