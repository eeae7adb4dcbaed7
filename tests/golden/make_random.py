"""Write `random.json`: SciPy's distribution functions, and how gamma-distributed numbers move with their parameter.

`distributions` has mean, variance and some quantiles (or, of integers, values of the distribution function) of each
distribution, with the arguments as we spell them. The rest is about gamma: for alpha from 0.01 to 1e6 and levels u from
1e-6 to 1 - 1e-6 the quantile z, slope and curvature of log(z) as a function of alpha at the same level, by differences
of SciPy's quantile function, the slope by mpmath with 40 digits, and PyTorch's. Run it first with a Python that has
SciPy, then with one that has PyTorch and mpmath::

    python tests/golden/make_random.py
"""

import json
from pathlib import Path

import numpy as np

PATH = Path(__file__).with_name("random.json")
ALPHAS = [0.01, 0.03, 0.1, 0.3, 0.7, 1.0, 1.5, 2.5, 4.0, 8.0, 20.0, 60.0, 200.0, 1e3, 1e4, 1e6]
LEVELS = [1e-6, 1e-3, 0.05, 0.25, 0.5, 0.75, 0.95, 0.999, 1 - 1e-6]
# Difference quotients with an error of step**8.
STENCIL = {1: 4 / 5, 2: -1 / 5, 3: 4 / 105, 4: -1 / 280}
SECOND = {0: -205 / 72, 1: 8 / 5, 2: -1 / 5, 3: 8 / 315, 4: -1 / 560}
POINTS = [0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99]


def distributions():
    from scipy import stats

    known = {
        "uniform": (stats.uniform(-1.0, 4.0), {"low": -1.0, "high": 3.0}),
        "normal": (stats.norm(1.0, 2.0), {"mean": 1.0, "stddev": 2.0}),
        "truncated_normal": (stats.truncnorm(-2.0, 2.0, 1.0, 2.0), {"mean": 1.0, "stddev": 2.0}),
        "lognormal": (stats.lognorm(0.5, scale=np.exp(0.3)), {"mean": 0.3, "stddev": 0.5}),
        "laplace": (stats.laplace(1.0, 2.0), {"loc": 1.0, "scale": 2.0}),
        "logistic": (stats.logistic(1.0, 2.0), {"loc": 1.0, "scale": 2.0}),
        "gumbel": (stats.gumbel_r(1.0, 2.0), {"loc": 1.0, "scale": 2.0}),
        "cauchy": (stats.cauchy(1.0, 2.0), {"loc": 1.0, "scale": 2.0}),
        "exponential": (stats.expon(scale=3.0), {"scale": 3.0}),
        "gamma": (stats.gamma(0.3, scale=2.0), {"alpha": 0.3, "scale": 2.0}),
        "gamma of large alpha": (stats.gamma(40.0), {"alpha": 40.0}),
        "chi2": (stats.chi2(3.0), {"df": 3.0}),
        "student_t": (stats.t(5.0, 1.0, 2.0), {"df": 5.0, "loc": 1.0, "scale": 2.0}),
        "beta": (stats.beta(0.5, 2.0), {"a": 0.5, "b": 2.0}),
        "poisson": (stats.poisson(3.5), {"rate": 3.5}),
        "binomial": (stats.binom(12, 0.3), {"n": 12, "p": 0.3}),
        "bernoulli": (stats.bernoulli(0.2), {"p": 0.2}),
        "rademacher": (stats.rv_discrete(values=([-1, 1], [0.5, 0.5]))(), {}),
        "integers": (stats.randint(2, 9), {"low": 2, "high": 9}),
    }
    found = {}
    for name, (d, arguments) in known.items():
        whole = hasattr(d.dist, "pmf")
        x = np.arange(-1, 12) if whole else d.ppf(POINTS)
        mean, variance = (None, None) if name == "cauchy" else map(float, d.stats("mv"))
        found[name] = {
            "arguments": arguments, "mean": mean, "variance": variance, "x": x.tolist(), "cdf": d.cdf(x).tolist()
        }  # fmt: skip
    return found


def by_scipy():
    import scipy
    from scipy.special import gammaincinv

    alpha, u = (x.ravel() for x in np.meshgrid(ALPHAS, LEVELS, indexing="ij"))
    z = gammaincinv(alpha, u)
    kept = z > 1e-250
    alpha, u, z = alpha[kept], u[kept], z[kept]
    h = 0.02 * alpha / np.maximum(1.0, np.sqrt(alpha) / 4)

    def ell(k):
        return np.log(gammaincinv(alpha + k * h, u))

    slope = sum(c * (ell(k) - ell(-k)) for k, c in STENCIL.items()) / h
    h = 3 * h  # rounding counts more
    curvature = (SECOND[0] * ell(0) + sum(c * (ell(k) + ell(-k)) for k, c in SECOND.items() if k)) / h**2
    return {
        "scipy": scipy.__version__, "distributions": distributions(), "alpha": alpha, "level": u, "z": z,
        "slope": slope, "curvature": curvature,
    }  # fmt: skip


def by_pytorch(alpha, z):
    import torch

    alpha, z = torch.tensor(alpha, dtype=torch.float64), torch.tensor(z, dtype=torch.float64)
    return {"pytorch": torch.__version__, "slope_pytorch": (torch._standard_gamma_grad(alpha, z) / z).numpy()}


def by_mpmath(alpha, z):
    import mpmath as mp

    mp.mp.dps = 40

    def slope(a, x):
        """-(dF/dalpha) / (dF/dz) / z, from the integral of log(t) over the side of z that is shorter."""
        a, x = mp.mpf(a), mp.mpf(x)
        ell, digamma = mp.log(x), mp.psi(0, a)
        sign = -1 if ell < digamma else 1
        width = 1 / max(abs(x - a), mp.sqrt(x))
        if sign < 0:
            width = min(width, 1 / a)
        ends = [mp.mpf(0)]
        while a * sign * ends[-1] - x * mp.expm1(sign * ends[-1]) > -90:
            ends.append(ends[-1] * 2 + width / 2)
        return sign * float(
            mp.quad(lambda v: mp.exp(a * sign * v - x * mp.expm1(sign * v)) * (ell - digamma + sign * v), ends)
        )

    return {"mpmath": mp.__version__, "slope_mpmath": [slope(a, x) for a, x in zip(alpha, z, strict=True)]}


def main():
    try:
        stored = by_scipy()
    except ImportError:
        stored = json.loads(PATH.read_text())
        stored |= by_pytorch(stored["alpha"], stored["z"]) | by_mpmath(stored["alpha"], stored["z"])
    lines = [f" {json.dumps(k)}: {json.dumps(v if isinstance(v, dict) else np.asarray(v).tolist())}"
             for k, v in stored.items()]  # fmt: skip
    PATH.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(f"{PATH.name}: {PATH.stat().st_size} bytes, {len(stored['z'])} points")


if __name__ == "__main__":
    main()
