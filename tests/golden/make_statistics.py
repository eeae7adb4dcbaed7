"""Write `statistics.json`: PyTorch's float64 values and gradients of medians, quantiles, covariances and running ops.

Each case holds NumPy's function by name, its inputs, keyword arguments as NumPy spells them, the value, the weights `g`
that the value is multiplied with before it is summed, and the gradient of that sum for each float input. Where the
conventions differ (PyTorch's median of an even number is the lower of the two in the middle) there is no case. Run with
a Python that has PyTorch::

    python tests/golden/make_statistics.py
"""

import json
from pathlib import Path

import numpy as np
import torch

SEED = 20260211


def whole(function):
    """A function of PyTorch's over one axis, or over all elements."""

    def call(a, axis=None, keepdims=False):
        if axis is None:
            return function(a.reshape(-1), 0, False)
        return function(a, axis, keepdims)

    return call


def quantiles(function):
    return lambda a, q, axis=None, method="linear", keepdims=False: function(
        a, q, dim=axis, keepdim=keepdims, interpolation=method
    )


FUNCTIONS = {
    "median": whole(lambda a, axis, keep: torch.median(a, axis, keep).values),
    "nanmedian": whole(lambda a, axis, keep: torch.nanmedian(a, axis, keep).values),
    "quantile": quantiles(torch.quantile),
    "nanquantile": quantiles(torch.nanquantile),
    "nansum": lambda a, axis=None, keepdims=False: torch.nansum(a, dim=axis, keepdim=keepdims),
    "nanmean": lambda a, axis=None, keepdims=False: torch.nanmean(a, dim=axis, keepdim=keepdims),
    "cov": lambda m, ddof=1, fweights=None, aweights=None: torch.cov(
        m, correction=ddof, fweights=fweights, aweights=aweights
    ),
    "corrcoef": lambda x: torch.corrcoef(x),
    "cumprod": lambda a, axis: torch.cumprod(a, axis),
    "maximum.accumulate": lambda a, axis: torch.cummax(a, axis).values,
    "minimum.accumulate": lambda a, axis: torch.cummin(a, axis).values,
}


def cases(rng):
    """(name, function, inputs, keyword arguments)."""
    x = rng.normal(size=(3, 5))
    holes = x.copy()
    holes[rng.random(x.shape) < 0.2] = np.nan
    full = holes.copy()
    full[1] = np.nan
    for axis in (None, 0, -1):
        yield f"median_{axis}", "median", {"a": x}, {"axis": axis}
    yield "median_keepdims", "median", {"a": x}, {"axis": 1, "keepdims": True}
    odd = x.copy()
    odd[:, ::3] = np.nan  # three of five are left
    yield "nanmedian", "nanmedian", {"a": odd}, {"axis": 1}
    q = np.array([0.0, 0.13, 0.45, 0.86, 1.0])
    for method in ("linear", "lower", "higher", "nearest", "midpoint"):
        yield f"quantile_{method}", "quantile", {"a": x, "q": q}, {"axis": 1, "method": method}
        yield f"nanquantile_{method}", "nanquantile", {"a": holes, "q": q}, {"axis": 1, "method": method}
    yield "quantile_all", "quantile", {"a": x, "q": np.array(0.37)}, {}
    yield "quantile_keepdims", "quantile", {"a": x, "q": q}, {"axis": -1, "keepdims": True}
    yield "quantile_nan", "quantile", {"a": full, "q": q[1:3]}, {"axis": 0}
    for axis in (None, 0, 1):
        yield f"nansum_{axis}", "nansum", {"a": full}, {"axis": axis}
        yield f"nanmean_{axis}", "nanmean", {"a": holes}, {"axis": axis}
    m = rng.normal(size=(4, 6))
    frequency, weight = np.array([1, 3, 2, 1, 1, 2]), rng.uniform(0.2, 2.0, 6)
    yield "cov", "cov", {"m": m}, {}
    yield "cov_one", "cov", {"m": m[0]}, {}
    yield "cov_ddof", "cov", {"m": m}, {"ddof": 0}
    yield "cov_fweights", "cov", {"m": m, "fweights": frequency}, {}
    yield "cov_aweights", "cov", {"m": m, "aweights": weight}, {}
    yield "cov_weights", "cov", {"m": m, "fweights": frequency, "aweights": weight}, {"ddof": 2}
    yield "corrcoef", "corrcoef", {"x": m}, {}
    zeros = m.copy()
    zeros[0, 2] = zeros[1, 1] = zeros[1, 4] = zeros[2, 0] = 0.0
    yield "cumprod_zeros", "cumprod", {"a": zeros}, {"axis": 1}
    ties = np.round(rng.normal(size=(3, 8)))
    for name in ("maximum.accumulate", "minimum.accumulate"):
        yield f"{name}_random", name, {"a": x}, {"axis": 1}
        yield f"{name}_ties", name, {"a": ties}, {"axis": 1}


def listed(x):
    """Arrays as nested lists."""
    return x.tolist() if isinstance(x, (np.ndarray, torch.Tensor)) else x


def main():
    """Compute all cases and write the file."""
    rng = np.random.default_rng(SEED)
    found = []
    for name, function, inputs, options in cases(rng):
        tensors = {key: torch.tensor(value) for key, value in inputs.items()}
        sources = {key: t.requires_grad_() for key, t in tensors.items() if t.is_floating_point()}
        y = FUNCTIONS[function](**tensors, **options)
        g = torch.tensor(rng.uniform(0.5, 1.5, tuple(y.shape)))
        gradients = torch.autograd.grad((torch.nan_to_num(y) * g).sum(), list(sources.values()), allow_unused=True)
        found.append({
            "name": name, "function": function, "inputs": {k: listed(v) for k, v in inputs.items()},
            "options": options, "value": listed(y.detach()), "g": listed(g),
            "gradients": {k: listed(v) for k, v in zip(sources, gradients, strict=True) if v is not None},
        })  # fmt: skip
    path = Path(__file__).with_name("statistics.json")
    header = {"made by": f"make_statistics.py, torch {torch.__version__}, float64 on the CPU", "seed": SEED}
    rows = ",\n".join(json.dumps(case) for case in found)
    path.write_text(f'{{"about": {json.dumps(header)},\n"cases": [\n{rows}\n]}}\n', encoding="utf-8")
    print(f"written: {path.name}, {len(found)} cases")


if __name__ == "__main__":
    main()
