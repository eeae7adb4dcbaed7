"""Samples: example arguments that stand beside each op, for the tests. Floor 1; nothing is computed at import.

An op's ``samples=`` is a function that returns a list of `Sample`, made by one of the helpers here, or a lambda. All
numbers come from generators with fixed seeds. `cut` is for what a gradient check must stay away from (kinks, poles).
"""

from typing import Any

import numpy as np

__all__ = ["Sample", "arrays", "away", "elementwise", "eye", "integers", "pairs", "values", "zeros"]

eye, values, zeros = np.eye, np.array, np.zeros  # under names of their own: samples are made on the host


class Sample:
    """One call: arguments, keyword options, and what the checks may ask of it.

    Parameters
    ----------
    args :
        The positional arguments, as the op takes them (float and complex arrays are differentiated).
    smooth : bool
        False where a derivative does not exist or is not what differences see: the forward only is checked.
    order : int
        The highest order of derivatives that exists here.
    domain : function, optional
        Of each differentiated argument, for gradient checks: brings what is one step away to where the op is defined
        (Hermitian matrices).
    seen : function, optional
        Of the result, for gradient checks: what does not depend on the library's choice (of an eigenvector's sign).
    options :
        Keyword arguments.
    """

    __slots__ = ("args", "domain", "options", "order", "seen", "smooth")

    def __init__(self, *args, smooth: bool = True, order: int = 2, domain: Any = None, seen: Any = None, **options):
        self.args, self.options, self.smooth, self.order = args, options, smooth, order
        self.domain, self.seen = domain, seen

    def __repr__(self):
        return f"Sample({', '.join([*map(_short, self.args), *(f'{k}={_short(v)}' for k, v in self.options.items())])})"


def _short(x) -> str:
    if isinstance(x, (list, tuple)):
        return "[" + ", ".join(map(_short, x)) + "]"
    return f"{x.dtype}{list(x.shape)}" if isinstance(x, np.ndarray) else repr(x)


def arrays(*shapes, low: float = -2.0, high: float = 2.0, dtype: Any = np.float64, seed: int = 0, apart: float = 0.0):
    """Arrays of the given shapes, evenly drawn from ``[low, high)``; with `apart` no two values are near each other."""
    rng = np.random.default_rng([seed, len(shapes)])

    def draw(shape):
        values = rng.uniform(low, high, shape)
        if apart:
            order = rng.permutation(values.size).reshape(shape)
            values = low + (order + rng.uniform(0.2, 0.8, shape)) * ((high - low) / max(1, values.size))
        return values

    found = [
        np.asarray(draw(s) + 1j * draw(s) if np.dtype(dtype).kind == "c" else draw(s)).astype(dtype) for s in shapes
    ]
    return found[0] if len(found) == 1 else found


def integers(shape, low: int, high: int, seed: int = 0) -> np.ndarray:
    """Integers drawn from ``[low, high)``."""
    return np.random.default_rng(seed).integers(low, high, shape)


def away(x, points=(0.0,), distance: float = 0.1) -> np.ndarray:
    """`x` with the values within `distance` of any of `points` moved out to it."""
    for p in points:
        near = np.abs(x - p) < distance
        x = np.where(near, p + np.where(x < p, -distance, distance), x)
    return np.asarray(x)


def elementwise(low: float = -2.0, high: float = 2.0, cut=(), complex_numbers: bool = False):
    """Samples of a function of one array: 2-D, 0-d, empty and non-contiguous, complex ones where it has them."""

    def samples():
        x = away(arrays((3, 4), low=low, high=high), cut)
        found = [
            Sample(x),
            Sample(away(arrays((), low=low, high=high, seed=1), cut)),
            Sample(np.zeros((0, 3))),
            Sample(away(arrays((4, 6), low=low, high=high, seed=2), cut)[::2, ::-2].T),
            Sample(x.astype(np.float32), smooth=False),
        ]
        if complex_numbers:
            found.append(Sample(arrays((2, 3), low=max(low, 0.2), high=high, dtype=complex)))
        return found

    return samples


def pairs(
    low: float = -2.0, high: float = 2.0, low_b=None, high_b=None, cut=(), cut_b=(), complex_numbers: bool = False
):
    """Samples of a function of two arrays: same shape, broadcast, 0-d, empty, a Python number on either side."""
    low_b, high_b = low if low_b is None else low_b, high if high_b is None else high_b

    def samples():
        def a(shape, seed):
            return away(arrays(shape, low=low, high=high, seed=seed), cut)

        def b(shape, seed):
            return away(arrays(shape, low=low_b, high=high_b, seed=seed + 50), cut_b)

        number = float(b((), 9))
        found = [
            Sample(a((3, 4), 0), b((3, 4), 0)),
            Sample(a((3, 4), 1), b((4,), 1)),
            Sample(a((3, 1), 2), b((2, 1, 4), 2)),
            Sample(a((), 3), b((2, 3), 3)),
            Sample(a((), 4), b((), 4)),
            Sample(np.zeros((0, 3)), b((3,), 5)),
            Sample(a((4, 6), 6)[::2, ::-2].T, b((3, 2), 6)),
            Sample(a((2, 3), 7), number),
            Sample(float(a((), 8)), b((2, 3), 8)),
        ]
        if complex_numbers:
            z = arrays((2, 3), low=max(low, 0.2), high=high, dtype=complex)
            w = arrays((3,), low=max(low_b, 0.2), high=high_b, dtype=complex, seed=1)
            found += [Sample(z, w), Sample(z, b((2, 3), 10)), Sample(a((2, 3), 11), w), Sample(a((3,), 12), 0.5 + 1j)]
        return found

    return samples
