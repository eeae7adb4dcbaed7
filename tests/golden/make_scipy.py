"""Write `special.json` and `stats.json`: values and gradients of special functions and distributions.

The values are SciPy's, the gradients those of the autograd package of HIPS, in float64. Each case holds the function by
its name in `scipy.special` or `scipy.stats`, the arguments (lists are arrays), the options, the value, the weights `g`
that the value is multiplied with before it is summed, and for each differentiable argument its place and the gradient
of that sum. Run with a Python that has both packages (``pip install autograd scipy``)::

    python tests/golden/make_scipy.py
"""

import importlib
import json
from importlib.metadata import version
from pathlib import Path

import autograd.numpy as anp
import numpy as np
from autograd import grad

SEED = 20260901


def special(rng):
    """(name, arguments, options, places of the differentiable arguments)."""

    def between(low, high, shape=(2, 3)):
        return rng.uniform(low, high, shape)

    for name in ("gamma", "gammaln", "psi", "digamma", "rgamma"):
        yield name, [between(0.3, 5.0)], {}, [0]
    yield "gamma", [np.array([-0.5, -1.3, -2.7])], {}, [0]
    for n in (0, 1, 3):
        yield "polygamma", [n, between(0.3, 5.0)], {}, [1]
    yield "multigammaln", [between(1.5, 5.0), 3], {}, [0]
    for name in ("beta", "betaln"):
        yield name, [between(0.3, 4.0), between(0.3, 4.0, (3,))], {}, [0, 1]
    yield "betainc", [1.5, 0.7, between(0.05, 0.95)], {}, [2]
    for name in ("gammainc", "gammaincc"):
        yield name, [2.5, between(0.1, 6.0)], {}, [1]
    for name in ("j0", "j1", "i0", "i1"):
        yield name, [between(-6.0, 6.0)], {}, [0]
    for name in ("y0", "y1"):
        yield name, [between(0.3, 8.0)], {}, [0]
    for name in ("jn", "yn", "iv", "ive"):
        yield name, [2, between(0.3, 6.0)], {}, [1]
        yield name, [0, between(0.3, 6.0)], {}, [1]
    for name in ("erf", "erfc"):
        yield name, [between(-3.0, 3.0)], {}, [0]
    yield "erfinv", [between(-0.95, 0.95)], {}, [0]
    yield "erfcinv", [between(0.05, 1.95)], {}, [0]
    yield "logit", [between(0.05, 0.95)], {}, [0]
    yield "expit", [between(-6.0, 6.0)], {}, [0]
    yield "logsumexp", [between(-3.0, 3.0)], {}, [0]
    yield "logsumexp", [between(-3.0, 3.0)], {"axis": 1, "keepdims": True}, [0]
    yield "logsumexp", [between(-3.0, 3.0)], {"axis": (0, 1)}, [0]
    yield "logsumexp", [between(-3.0, 3.0)], {"axis": 0, "b": [[0.5], [2.0]]}, [0]


def stats(rng):
    """The same for distributions: ``"norm.pdf"``."""
    x, loc, scale = rng.normal(size=(2, 3)) * 2, rng.normal(size=3), rng.uniform(0.5, 2.0, (2, 1))
    for function in ("pdf", "cdf", "sf", "logpdf", "logcdf", "logsf"):
        yield f"norm.{function}", [x, loc, scale], {}, [0, 1, 2]
        yield f"norm.{function}", [x], {}, [0]
    yield "norm.logcdf", [np.array([-30.0, -8.0, 0.0, 8.0])], {}, [0]
    df = rng.uniform(1.0, 5.0, 3)
    for function in ("pdf", "logpdf"):
        yield f"t.{function}", [x, df, loc, scale], {}, [0, 1, 2, 3]
    for function in ("cdf", "logcdf"):
        yield f"t.{function}", [x, 2.5, loc, 1.3], {}, [0, 2]
    share, a, b = rng.uniform(0.05, 0.95, (2, 3)), rng.uniform(0.5, 3.0, 3), rng.uniform(0.5, 3.0, (2, 1))
    for function in ("pdf", "logpdf"):
        yield f"beta.{function}", [share, a, b], {}, [0, 1, 2]
    yield "beta.cdf", [share, 1.5, 0.7], {}, [0]
    positive = rng.uniform(0.1, 6.0, (2, 3))
    for function in ("pdf", "logpdf"):
        yield f"gamma.{function}", [positive, a], {}, [0, 1]
        yield f"chi2.{function}", [positive, 3.0], {}, [0]
    yield "gamma.cdf", [positive, 2.5], {}, [0]
    yield "chi2.cdf", [positive, 3.0], {}, [0]
    for function in ("pmf", "logpmf"):
        yield f"poisson.{function}", [np.array([[0, 1, 2], [3, 7, 12]]), rng.uniform(0.3, 6.0, 3)], {}, [1]
    yield "poisson.cdf", [np.array([[0, 1, 2], [3, 7, 12]]), rng.uniform(0.3, 6.0, 3)], {}, [1]
    shares, alpha = rng.dirichlet(np.ones(4)), rng.uniform(0.5, 3.0, 4)
    for function in ("pdf", "logpdf"):
        yield f"dirichlet.{function}", [shares, alpha], {}, [0, 1]
    root = rng.normal(size=(3, 3))
    rows, mean, cov = rng.normal(size=(4, 3)), rng.normal(size=3), root @ root.T + np.eye(3)
    for function in ("pdf", "logpdf"):
        yield f"multivariate_normal.{function}", [rows, mean, cov], {}, [0, 1, 2]
        yield f"multivariate_normal.{function}", [rows[0], mean, cov], {}, [0, 1, 2]
    yield "multivariate_normal.entropy", [mean, cov], {}, [1]


def found(package, name):
    """The function of HIPS autograd, ``norm.pdf`` being one of a module."""
    *home, function = name.split(".")
    return getattr(importlib.import_module(".".join([f"autograd.scipy.{package}", *home])), function)


def listed(x):
    return np.asarray(x).tolist()


def evaluate(package, name, args, options, places, rng):
    function = found(package, name)
    given = [np.asarray(a, float) if i in places else a for i, a in enumerate(args)]
    options = {key: np.asarray(value) if isinstance(value, list) else value for key, value in options.items()}
    value = function(*given, **options)
    g = rng.normal(size=np.shape(value))
    gradients = [grad(lambda *a: anp.sum(g * function(*a, **options)), argnum=i)(*given) for i in places]
    return listed(value), listed(g), [listed(c) for c in gradients]


def write(package, cases, rng):
    lines = []
    for name, args, options, places in cases:
        value, g, gradients = evaluate(package, name, args, options, places, rng)
        case = {
            "function": name, "arguments": [listed(a) for a in args], "options": options, "value": value, "g": g,
            "places": places, "gradients": gradients,
        }  # fmt: skip
        lines.append(json.dumps(case))
    header = {
        "made_by": "tests/golden/make_scipy.py", "scipy": version("scipy"), "autograd": version("autograd"),
        "dtype": "float64", "seed": SEED,
    }  # fmt: skip
    path = Path(__file__).with_name(f"{package}.json")
    path.write_text("{" + json.dumps(header)[1:-1] + ',\n"cases": [\n' + ",\n".join(lines) + "\n]}\n")
    print(f"{path.name}: {path.stat().st_size} bytes, {len(lines)} cases")


if __name__ == "__main__":
    rng = np.random.default_rng(SEED)
    write("special", list(special(rng)), rng)
    write("stats", list(stats(rng)), rng)
