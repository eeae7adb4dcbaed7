"""Checking gradients against differences: what the tests of this package use, for your own functions too. Floor 3."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .base.backend import as_array, is_array, to_numpy
from .base.dtypes import is_differentiable
from .base.nest import flatten, pack
from .engine.forward import ForwardAccumulator
from .engine.protocol import Operand
from .engine.tape import GradientTape
from .engine.tensor import Tensor

__all__ = ["check_gradients"]

# How far a gradient may be from the difference quotient, relative to it, and in absolute terms. The quotient itself is
# taken in double precision, whatever the dtype of the arguments.
TOLERANCES = {"float64": (1e-6, 1e-8), "float32": (1e-3, 1e-4), "float16": (3e-2, 3e-2)}


def check_gradients(
    f: Callable,
    args: Any,
    order: int = 2,
    *,
    modes: Sequence[str] = ("reverse", "forward"),
    rtol: float | None = None,
    atol: float | None = None,
    step: float = 1e-3,
    seed: int = 0,
) -> None:
    """Compare the gradients of a function with difference quotients along random directions.

    Parameters
    ----------
    f : function
        Takes Tensors where `args` has arrays; returns a Tensor or a nest of Tensors. It must give the same result each
        time (no dropout without a fixed stream).
    args : list or tuple, or a single argument
        The arguments: float and complex arrays, Tensors, Variables (their values), Python floats, nests of these; with
        respect to them the gradient is checked. Everything else (integer arrays, strings, None) is passed on as it is.
    order : int, default 2
        Up to which order of derivatives. Order 2 checks the gradient of a random projection of the gradient.
    modes : sequence of {"reverse", "forward"}
        Tapes, forward accumulators, or both.
    rtol, atol : float, optional
        Tolerances; by default 1e-6 and 1e-8 for float64, 1e-3 and 1e-4 for float32.
    step : float, default 1e-3
        Of the difference quotient, which has four points and an error of ``step**4``: arguments must lie farther than
        two steps (times a random direction of size one) away from kinks and poles.
    seed : int, default 0
        Of the random directions.

    Raises
    ------
    AssertionError
        If a gradient is wrong. It names the order, the mode, the argument, and the largest error.
    TypeError
        If no argument is float or complex, or no output is.

    Notes
    -----
    For complex arguments the gradient is that of TensorFlow and PyTorch: the direction of steepest ascent.

    Examples
    --------
    >>> import autograd_vs as av
    >>> check_gradients(lambda x, y: av.sin(x * y), (np.array([0.5, 1.0]), 2.0))
    >>> check_gradients(np.sin, np.array([0.5, 1.0]))
    """
    if not isinstance(args, (list, tuple)):
        args = (args,)
    leaves = [_plain(x) for x in flatten(list(args))]
    places = [i for i, x in enumerate(leaves) if is_array(x) and is_differentiable(x.dtype)]
    if not places:
        raise TypeError("check_gradients: none of the arguments is a float or complex array")

    def call(tensors):
        full = list(leaves)
        for i, t in zip(places, tensors, strict=True):
            full[i] = t
        found = [
            y for y in flatten(f(*pack(list(args), full))) if isinstance(y, Operand) and is_differentiable(y.dtype)
        ]
        if not found:
            raise TypeError("check_gradients: the function returns no float or complex Tensor")
        return found

    check = _Check(modes, rtol, atol, step, np.random.default_rng(seed), _names(args, leaves, places))
    check.run(call, [leaves[i] for i in places], 1, order)


def _plain(x):
    """An argument as a bare array, where it is one; Python floats become float64."""
    if isinstance(x, Operand):
        return x.array
    if isinstance(x, (float, complex, np.generic)) and not isinstance(x, bool):
        return as_array(x)
    return x


def _names(args, leaves, places):
    """What to call the checked leaves: "argument 0", or "argument 0, leaf 2"."""
    names = []
    for i, arg in enumerate(args):
        inside = flatten(arg)
        names += [f"argument {i}" if len(inside) == 1 else f"argument {i}, leaf {j}" for j in range(len(inside))]
    return [names[i] for i in places]


class _Check:
    """The settings of one check, and the comparisons."""

    def __init__(self, modes, rtol, atol, step, rng, names):
        self.modes, self.rtol, self.atol, self.step, self.rng, self.names = modes, rtol, atol, step, rng, names

    def run(self, call, arrays, order, highest):
        """Check this order, then the function that returns the gradients of a random projection."""
        values = _evaluate(call, arrays)
        weights = [self._like(y) for y in values]
        directions = [self._like(x) for x in arrays]
        slopes = [self._slopes(call, arrays, j, v) for j, v in enumerate(directions)]
        if "reverse" in self.modes:
            self._reverse(call, arrays, weights, directions, slopes, order)
        if "forward" in self.modes:
            self._forward(call, arrays, directions, slopes, order)
        if order < highest:
            self.run(_gradients_of(call, weights), arrays, order + 1, highest)

    def _like(self, a):
        """Random numbers of the shape and kind of `a`, of size about one."""
        x = self.rng.uniform(0.5, 1.0, a.shape) * self.rng.choice((-1.0, 1.0), a.shape)
        if a.dtype.kind == "c":
            x = x + 1j * self.rng.uniform(-1.0, 1.0, a.shape)
        return np.asarray(x)

    def _slopes(self, call, arrays, j, v):
        """The derivative of each output along `v` in the j-th argument, by differences in double precision."""
        double = [to_numpy(x).astype(np.result_type(x.dtype, np.float64)) for x in arrays]

        def at(h):
            return _evaluate(call, [x + h * v if i == j else x for i, x in enumerate(double)])

        h = self.step
        points = [at(h), at(-h), at(2 * h), at(-2 * h)]
        return [(8 * (a - b) - (c - d)) / (12 * h) for a, b, c, d in zip(*points, strict=True)]

    def _reverse(self, call, arrays, weights, directions, slopes, order):
        tensors = [Tensor(x) for x in arrays]
        with GradientTape() as tape:
            tape.watch(tensors)
            ys = call(tensors)
        seeds = [Tensor(w.astype(y.dtype)) for w, y in zip(weights, ys, strict=True)]
        grads = tape.gradient(ys, tensors, output_gradients=seeds, unconnected_gradients="zero")
        for name, x, v, g, dy in zip(self.names, arrays, directions, grads, slopes, strict=True):
            g = g.numpy()
            if g.shape != x.shape or g.dtype != x.dtype:
                raise AssertionError(
                    f"{name}, order {order}: the gradient has shape {g.shape} and dtype {g.dtype}, "
                    f"the argument {x.shape} and {x.dtype}"
                )
            want = sum((w.conj() * d).real.sum() for w, d in zip(weights, dy, strict=True))
            self._compare((g.conj() * v).real.sum(), want, x.dtype, f"{name}, order {order}, reverse mode")

    def _forward(self, call, arrays, directions, slopes, order):
        for j, (name, x, v, dy) in enumerate(zip(self.names, arrays, directions, slopes, strict=True)):
            tensors = [Tensor(x) for x in arrays]
            with ForwardAccumulator(tensors[j], Tensor(v.astype(x.dtype))) as accumulator:
                ys = call(tensors)
            for k, (y, d) in enumerate(zip(ys, dy, strict=True)):
                t = accumulator.jvp(y, unconnected_gradients="zero").numpy()
                self._compare(t, d, x.dtype, f"{name}, order {order}, forward mode, output {k}")

    def _compare(self, got, want, dtype, what):
        real = np.dtype(dtype.char.lower()) if dtype.kind == "c" else dtype
        rtol, atol = TOLERANCES.get(real.name, TOLERANCES["float16"])
        rtol = rtol if self.rtol is None else self.rtol
        atol = atol if self.atol is None else self.atol
        error = np.abs(np.asarray(got) - want)
        bad = ~(error <= atol + rtol * np.abs(want))
        if bad.any():
            worst = np.unravel_index(np.argmax(np.where(bad, np.nan_to_num(error, nan=np.inf), -1.0)), error.shape)
            found, slope = np.asarray(got)[worst], np.asarray(want)[worst]
            raise AssertionError(
                f"wrong gradient: {what}: {found:.10g} where differences give {slope:.10g} "
                f"(largest error {error[worst]:.3g}, tolerance {rtol:g} relative + {atol:g})"
            )


def _evaluate(call, arrays) -> list[np.ndarray]:
    return [y.numpy() for y in call([Tensor(x) for x in arrays])]


def _gradients_of(call, weights) -> Any:
    """The function that returns the gradients of the projection of `call` on `weights`, differentiable itself."""

    def gradients(tensors):
        with GradientTape() as tape:
            tape.watch(tensors)
            ys = call(tensors)
        seeds = [Tensor(w.astype(y.dtype)) for w, y in zip(weights, ys, strict=True)]
        return tape.gradient(ys, tensors, output_gradients=seeds, unconnected_gradients="zero")

    return gradients
