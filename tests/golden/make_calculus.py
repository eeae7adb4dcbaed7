"""Write calculus.json: values and gradients of signals, differences, interpolation and polynomials from JAX, Bessel
functions from SciPy.

Run with a Python that has both::

    JAX_ENABLE_X64=1 python tests/golden/make_calculus.py
"""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import scipy
import scipy.special

SEED = 20260108


def cases(rng):
    """(function, arguments, options); float and complex arrays are differentiated."""

    def normal(*shape):
        return rng.normal(size=shape)

    def complex_numbers(*shape):
        return rng.normal(size=shape) + 1j * rng.normal(size=shape)

    for function in ("convolve", "correlate"):
        for mode in ("full", "same", "valid"):
            yield function, (normal(5), normal(3)), {"mode": mode}
            yield function, (normal(2), normal(4)), {"mode": mode}
            yield function, (complex_numbers(3), complex_numbers(2)), {"mode": mode}
    rising = np.array([-1.0, 0.0, 0.7, 2.0])
    x = np.array([-1.6, -0.4, 0.3, 1.1, 1.9, 2.5])
    yield "interp", (x, rising, normal(4)), {}
    yield "interp", (x, rising, normal(4)), {"left": -3.0, "right": 0.5}
    yield "interp", (x * 3 + 0.1, rising, normal(4)), {"period": 3.7}
    yield "gradient", (normal(5),), {}
    yield "gradient", (normal(3, 4), np.array(0.5)), {"axis": 1}
    yield "gradient", (normal(4), rising), {}
    yield "trapezoid", (normal(2, 4),), {"dx": 0.3}
    yield "trapezoid", (normal(2, 4), rising), {}
    yield "trapezoid", (normal(4, 2), normal(4, 2)), {"axis": 0}
    yield "unwrap", (np.array([0.2, 3.4, -2.9, 9.0]),), {}
    yield "ediff1d", (normal(2, 3),), {}
    yield "diff", (normal(2, 4),), {"n": 2, "axis": -1}
    yield "linspace", (normal(2), normal()), {"num": 4}
    yield "linspace", (normal(), normal(2)), {"num": 3, "endpoint": False, "axis": 1}
    yield "logspace", (normal(), normal()), {"num": 4}
    yield "geomspace", (np.array(0.5), np.array([3.0, 9.0])), {"num": 4}
    yield "vander", (normal(3),), {"N": 4}
    yield "vander", (np.array([-0.4, 1.5]),), {"N": 3, "increasing": True}
    yield "polyval", (normal(4), normal(2, 2)), {}
    yield "polyval", (complex_numbers(3), complex_numbers(2)), {}
    yield "polyadd", (normal(2), normal(4)), {}
    yield "polysub", (normal(4), normal(2)), {}
    yield "polymul", (normal(3), normal(2)), {}
    yield "polydiv", (normal(5), normal(3)), {}
    yield "polyder", (normal(4),), {"m": 2}
    yield "polyint", (normal(3),), {"m": 2}
    yield "poly", (normal(4),), {}
    points = np.array([-1.0, 0.2, 0.7, 2.0])  # JAX gives NaN for powers of 0
    yield "polyfit", (points, normal(4)), {"deg": 2}
    yield "polyfit", (np.append(points, 2.6), normal(5, 2)), {"deg": 1}
    yield "roots", (np.array([2.0, -3.0, -5.0, 1.0]),), {}
    yield "cumprod", (np.array([1.5, 0.0, -2.0, 0.0, 3.0]),), {}
    yield "prod", (np.array([[1.5, 0.0, -2.0], [0.0, 0.0, 3.0]]),), {"axis": 1}


def plain(a):
    """An array as nested lists; of complex numbers: both parts."""
    a = np.asarray(a)
    return {"real": a.real.tolist(), "imag": a.imag.tolist()} if a.dtype.kind == "c" else a.tolist()


def evaluate(function, arguments, options, rng):
    """Value, seed and gradients; the conjugates make of JAX's convention that of PyTorch and TensorFlow."""

    def call(*args):
        y = getattr(jnp, function)(*args, **options)
        if function == "roots":  # sorted, and real as NumPy's are
            return jnp.sort(y.real)
        return y[0] if isinstance(y, (tuple, list)) else y

    value, back = jax.vjp(call, *map(jnp.asarray, arguments))
    g = rng.normal(size=value.shape)
    if jnp.iscomplexobj(value):
        g = g + 1j * rng.normal(size=value.shape)
    return value, g, [np.conj(c) for c in back(jnp.asarray(np.conj(g)).astype(value.dtype))]


def main():
    rng = np.random.default_rng(SEED)
    lines = []
    for function, arguments, options in cases(rng):
        value, g, gradients = evaluate(function, arguments, options, rng)
        case = {"function": function, "arguments": [*map(plain, arguments)], "options": options}
        case |= {"value": plain(value), "g": plain(g), "gradients": [*map(plain, gradients)]}
        lines.append(" " + json.dumps(case))
    x = np.array([-30.0, -8.5, -1.0, -1e-3, 0.0, 1e-8, 0.3, 0.49, 0.51, 2.0, 5.0, 7.99, 8.01, 12.0, 50.0, 300.0, 700.0])
    bessel = {"x": x, "i0": scipy.special.i0(x), "i1": scipy.special.i1(x), "i1_slope": scipy.special.ivp(1, x)}
    header = {
        "made_by": "tests/golden/make_calculus.py", "jax": jax.__version__, "scipy": scipy.__version__,
        "dtype": "float64", "seed": SEED, "bessel": {name: plain(a) for name, a in bessel.items()},
    }  # fmt: skip
    path = Path(__file__).with_name("calculus.json")
    path.write_text("{" + json.dumps(header)[1:-1] + ',\n"cases": [\n' + ",\n".join(lines) + "\n]}\n")
    print(f"{path.name}: {path.stat().st_size} bytes, {len(lines)} cases")


if __name__ == "__main__":
    main()
