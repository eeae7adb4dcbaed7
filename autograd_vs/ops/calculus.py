"""Signals, differences, interpolation, evenly spaced numbers. Floor 2; loaded at first use (`later.py`)."""

from math import pi
from operator import index
from typing import Any

import numpy as np

from ..base.backend import as_array, beside, namespace
from ..engine.cotangent import bare
from ..engine.declare import composed, primitive
from ..engine.protocol import Operand
from ..engine.samples import Sample, arrays, elementwise, values, zeros
from ..engine.tensor import Tensor, as_tensor, tensor_of
from .constants import floor, stop_gradient
from .elementwise import conjugate, exp, log, power, where
from .index import scatter_rows
from .reduce import diff
from .shape import (
    astype,
    axes_of,
    axis_of,
    cast,
    concatenate,
    expand_dims,
    moveaxis,
    ravel,
    reshape,
    valued,
)

__all__ = [
    "convolve", "correlate", "ediff1d", "geomspace", "gradient", "i0", "interp", "linspace", "logspace",
    "real_if_close", "trapezoid", "unwrap",
]  # fmt: skip

NUMBERS = {bool, int, float, complex}


def operands(*given):
    """All as operands; numbers and lists go to the library of the first array among them."""
    found = [as_tensor(x) if hasattr(x, "dtype") else x for x in given]
    like = next((x.array for x in found if isinstance(x, Operand)), None)
    if like is None:
        return [*map(as_tensor, given)]
    return [x if isinstance(x, Operand) else as_tensor(beside(as_array(x), like)) for x in found]


def of_dtype(x, dtype):
    """`x` in a dtype, which it mostly has."""
    return x if x.dtype == dtype else astype(x, dtype)


def inexact(x):
    """`x`, with integers as float64."""
    x = as_tensor(x)
    return x if x.dtype.kind in "fc" else astype(x, np.float64)


def real_dtype(dtype):
    """The dtype of the parts of complex numbers; of others itself."""
    return np.finfo(dtype).dtype if dtype.kind in "fc" else dtype


def _slice(x, axis, start, stop):
    return x[(slice(None),) * axis + (slice(start, stop),)]


def _upright(x, axis, ndim):
    """The vector `x` along one axis of `ndim`."""
    return reshape(x, tuple([-1 if i == axis else 1 for i in range(ndim)]))


# ---------------------------------------------------------------- convolution


def _convolve_a(g, v, a_dtype, mode):
    v = v[::-1]
    return cast(_convolve.inner(g, v, "valid") if mode == "full" else _convolve.inner(g, v, "full"), a_dtype)


def _convolve_v(g, a, v_dtype, mode):
    if mode == "full":
        return cast(_convolve.inner(g, a[::-1], "valid"), v_dtype)
    return cast(_convolve.inner(a, g[::-1], "valid")[::-1], v_dtype)


def _convolve_samples():
    x, z = arrays((5,), (3,)), arrays((4,), (2,), dtype=complex)
    return [
        *[Sample(*x, mode) for mode in ("full", "valid")],
        Sample(arrays((6,))[::-2], arrays((3,), seed=1), "valid"),
        Sample(*z, "full"),
        Sample(x[0], z[1], "valid"),
        Sample(z[0], x[1], "full"),
        Sample(*[a.astype(np.float32) for a in x], "full", smooth=False),
    ]


@primitive(
    vjp={"a": _convolve_a, "v": _convolve_v}, linear="each", name="convolve", samples=_convolve_samples,
)  # fmt: skip
def _convolve(a, v, mode):
    """The convolution of two vectors; for "valid" `a` must not be the shorter one."""
    return namespace(a).convolve(a, v, mode)


def _vector(name, x, least=1):
    """The operand `x` as a vector that is not empty."""
    if not least <= x.ndim <= 1:
        raise ValueError(f"{name}: 1-D arrays are needed, got shape {x.shape}")
    if not x.size:
        raise ValueError(f"{name}: an empty array has nothing to multiply")
    return reshape(x, (1,)) if x.ndim == 0 else x


def _folded(name, a, v, mode, start) -> Tensor:
    """The full convolution, what of it needs no zeros around ("valid"), or of the longer one's size from `start` on."""
    if mode not in ("full", "same", "valid"):
        raise ValueError(f"{name}: mode must be 'full', 'same' or 'valid', got {mode!r}")
    if a.size < v.size:
        a, v = v, a
    if mode != "same":
        return _convolve(a, v, mode)
    return _convolve(a, v, "full")[start : start + a.size]


def _filter_samples():
    z = arrays((4,), (3,), dtype=complex)
    return [
        *[Sample(*arrays((5,), (2,)), mode) for mode in ("full", "same", "valid")],
        *[Sample(*arrays((2,), (5,)), mode) for mode in ("full", "same", "valid")],
        *[Sample(*arrays((4,), (4,)), mode) for mode in ("same", "valid")],
        Sample(*arrays((4,), (3,)), "same"),
        Sample(*z, "full"),
        Sample(*z[::-1], "same"),
        Sample(z[0], arrays((2,)), "valid"),
        Sample(arrays((3,)), [0.5, 1.0]),
    ]


@composed(np.convolve, samples=lambda: [*_filter_samples(), Sample(arrays(()), arrays((2,)))])
def convolve(a, v, mode="full") -> Tensor:
    """The convolution of two vectors, ``y[k] = sum(a[i] * v[k - i])``; the product of polynomials.

    Parameters
    ----------
    a : array_like, shape (n,), float or complex
    v : array_like, shape (m,), float or complex
    mode : {"full", "same", "valid"}
        All n + m - 1 sums; the middle ones, as many as the longer vector has; or those of all elements of the shorter.

    Returns
    -------
    Tensor, 1-D

    Raises
    ------
    ValueError
        If an argument is empty or has several dimensions, or there is no such mode.

    Examples
    --------
    >>> av.convolve(av.Tensor(np.array([1.0, 2.0, 3.0])), np.array([1.0, -1.0])).numpy().tolist()
    [1.0, 1.0, 1.0, -3.0]
    """
    a, v = [_vector("convolve", x, 0) for x in operands(a, v)]
    return _folded("convolve", a, v, mode, (min(a.size, v.size) - 1) // 2)


@composed(np.correlate, samples=_filter_samples)
def correlate(a, v, mode="valid") -> Tensor:
    """The cross-correlation of two vectors, ``c[k] = sum(a[i + k] * conj(v[i]))``.

    Parameters
    ----------
    a : array_like, shape (n,), float or complex
    v : array_like, shape (m,), float or complex
    mode : {"valid", "same", "full"}
        As in `convolve`.

    Returns
    -------
    Tensor, 1-D

    Raises
    ------
    ValueError
        If an argument is empty or not 1-D, or there is no such mode.

    Examples
    --------
    >>> av.correlate(av.Tensor(np.array([1.0, 2.0, 4.0])), np.array([1.0, -1.0])).numpy().tolist()
    [-1.0, -2.0]
    """
    a, v = [_vector("correlate", x) for x in operands(a, v)]
    start = (v.size - 1) // 2 if a.size >= v.size else a.size // 2  # NumPy turns the shorter one round
    return _folded("correlate", a, (conjugate(v) if v.dtype.kind == "c" else v)[::-1], mode, start)


# ---------------------------------------------------------------- interpolation


def _interval(x, xp):
    """Where each of `x` lies: its interval's ends, whether it is inside of all, how far it is from end to end."""
    a, points = bare(x), bare(xp)
    n = points.shape[0]
    left = (points.searchsorted(a, side="right") - 1).clip(0, max(n - 2, 0))
    right = np.minimum(left + 1, n - 1)
    inside = (a >= points[0]) & (a <= points[-1])
    width = xp[right] - xp[left]
    width = width + (width == 0)
    above = (a > points[-1]).astype(points.dtype)
    return left, right, inside, width, where.inner(inside, (x - xp[left]) / width, above)


def _spread(c, t, left, right, n):
    """`c` shared out between the two ends of its interval."""
    near, far = (c * (1.0 - t)).reshape(-1), (c * t).reshape(-1)
    return scatter_rows.inner(near, left.reshape(-1), (n,)) + scatter_rows.inner(far, right.reshape(-1), (n,))


def _interp_x(g, x, xp, fp):
    left, right, inside, width, _ = _interval(x, xp)
    return cast(g * inside * ((fp[right] - fp[left]) / width), x.dtype)


def _interp_xp(g, x, xp, fp):
    left, right, inside, width, t = _interval(x, xp)
    return _spread(cast(-(g * inside * ((fp[right] - fp[left]) / width)), xp.dtype), t, left, right, xp.shape[0])


def _interp_fp(g, x, xp, fp_dtype):
    left, right, _, _, t = _interval(x, xp)
    return cast(_spread(g, t, left, right, xp.shape[0]), fp_dtype)


def _interp_samples():
    points = values([-1.0, 0.0, 0.7, 2.0])
    x = values([[-1.6, -0.4, 0.3], [1.1, 1.9, 2.5]])
    return [
        Sample(x, points, arrays((4,))),
        Sample(x[::-1, 1:], points, arrays((4,), dtype=complex)),
        Sample(values(0.4), points, arrays((4,))),
        Sample(zeros((0, 2)), points, arrays((4,))),
        Sample(values([0.5, 3.5]), values([2.0]), values([5.0])),
        Sample(*[a.astype(np.float32) for a in (x, points, arrays((4,)))], smooth=False),
    ]


@primitive(
    vjp={"x": _interp_x, "xp": _interp_xp, "fp": _interp_fp}, name="interp", samples=_interp_samples,
)  # fmt: skip
def _interp(x, xp, fp):
    """Linear interpolation, constant outside."""
    return namespace(x).interp(x, xp, fp).astype(np.result_type(x.dtype, xp.dtype, fp.dtype))


def _interp_options():
    points, f = values([-1.0, 0.0, 0.7, 2.0]), arrays((4,))
    x = values([-1.6, -0.4, 0.3, 1.1, 2.5])
    return [
        *_interp_samples(),
        Sample(x, points, f, -3.0, 4.0),
        Sample(x, points, f, values(0.5)),
        Sample(x, points, f, right=0.0),
        Sample(x[:4] + 4.0, points[[2, 0, 3, 1]], f, period=4.5),
        Sample(x[:4], points, f + 1j * f[::-1], period=-3.75),
        Sample(0.3, [0.0, 1.0], f[:2]),
    ]


@composed(np.interp, samples=_interp_options)
def interp(x, xp, fp, left=None, right=None, period=None) -> Tensor:
    """Linear interpolation between data points, with gradients to all of them.

    Parameters
    ----------
    x : array_like, any shape, float
        Where to interpolate. At a data point the gradient is the slope to its right, at the last one that to its left.
    xp : array_like, shape (n,), float
        The data points, rising; nobody checks.
    fp : array_like, shape (n,), float or complex
        The values there.
    left, right : number or Tensor, optional
        The values before the first point and after the last; by default those of these points.
    period : number or Tensor, optional
        Of `x`; `xp` then need not rise, and `left` and `right` are ignored.

    Returns
    -------
    Tensor, of the shape of `x`, float64 or complex128
        NumPy interpolates in double precision only.

    Raises
    ------
    ValueError
        If `xp` and `fp` are not vectors of the same length, or empty, or `period` is 0.

    Examples
    --------
    >>> xp, fp = np.array([0.0, 1.0, 3.0]), av.Tensor(np.array([0.0, 2.0, 4.0]))
    >>> av.interp([0.5, 2.0, 9.0], xp, fp).numpy().tolist()
    [1.0, 3.0, 4.0]
    """
    x, xp, fp = operands(x, xp, fp)
    if xp.ndim != 1 or fp.ndim != 1 or xp.size != fp.size or not xp.size:
        raise ValueError(
            f"interp: xp and fp must be vectors of the same length, not empty; got shapes {xp.shape} and {fp.shape}"
        )
    if "c" in (x.dtype.kind, xp.dtype.kind):
        raise TypeError(f"interp: x and xp must be real, got dtypes {x.dtype} and {xp.dtype}")
    x, xp = of_dtype(x, np.float64), of_dtype(xp, np.float64)
    fp = of_dtype(fp, np.complex128 if fp.dtype.kind == "c" else np.float64)
    if period is not None:
        return _interp(*_around(x, xp, fp, period))
    below, above = x.array < xp.array[0], x.array > xp.array[-1]
    y = _interp(x, xp, fp)
    if left is not None:
        y = where(below, left, y)
    return y if right is None else where(above, right, y)


def _around(x, xp, fp, period):
    """Periodic data points within one period, sorted, with one more on each side."""
    if not isinstance(period, Operand) and period == 0:
        raise ValueError("interp: the period must not be 0")
    period = abs(period)
    x, xp = x % period, xp % period
    order = xp.array.argsort()
    xp, fp = xp[order], fp[order]
    return x, concatenate([xp[-1:] - period, xp, xp[:1] + period]), concatenate([fp[-1:], fp, fp[:1]])


# ---------------------------------------------------------------- differences and integrals


def _gradient_samples():
    f, z = arrays((3, 4)), arrays((4,), dtype=complex)
    x, y = values([0.0, 0.5, 2.0, 2.2]), values([-1.0, 0.0, 1.5])
    return [
        Sample(f),
        Sample(f, 0.5, axis=0),
        Sample(f, values(0.5), edge_order=2),
        Sample(f, 2.0, x, edge_order=2),
        Sample(f, y, x),
        Sample(f, x, y, axis=(-1, 0), edge_order=2),
        Sample(z, x),
        Sample(arrays((2,)), 3.0),
        Sample(values([1, 4, 9]), values([0.0, 1.0, 3.0])),
        Sample(f.astype(np.float32), x, axis=1, smooth=False),
    ]


def _along(h, n, axis):
    """A spacing of `np.gradient`: a number as it is, positions as their differences."""
    if np.ndim(h) == 0:
        return h
    h = inexact(h)
    if h.ndim != 1:
        raise ValueError(f"gradient: a spacing is a number or a vector of positions, got shape {h.shape}")
    if h.size != n:
        raise ValueError(f"gradient: {h.size} positions for {n} elements along axis {axis}")
    return h[1:] - h[:-1]


def _even(f, h, edge_order, at):
    """First, inner and last slopes where the spacing is a number."""
    inner = (at(2, None) - at(0, -2)) / (2.0 * h)
    if edge_order == 1:
        return (at(1, 2) - at(0, 1)) / h, inner, (at(-1, None) - at(-2, -1)) / h
    first = at(0, 1) * (-1.5 / h) + at(1, 2) * (2.0 / h) + at(2, 3) * (-0.5 / h)
    return first, inner, at(-3, -2) * (0.5 / h) + at(-2, -1) * (-2.0 / h) + at(-1, None) * (1.5 / h)


def _uneven(f, d, edge_order, at):
    """The same for distances `d`: slopes of the parabola through three neighbours."""
    p, q = d[:-1], d[1:]
    inner = at(0, -2) * (-q / (p * (p + q))) + at(1, -1) * ((q - p) / (p * q)) + at(2, None) * (p / (q * (p + q)))
    if edge_order == 1:
        return (at(1, 2) - at(0, 1)) / d[:1], inner, (at(-1, None) - at(-2, -1)) / d[-1:]
    a, b, c = at(0, 1), at(1, 2), at(2, 3)
    p, q = d[:1], d[1:2]
    first = a * (-(2.0 * p + q) / (p * (p + q))) + b * ((p + q) / (p * q)) - c * (p / (q * (p + q)))
    a, b, c = at(-3, -2), at(-2, -1), at(-1, None)
    p, q = d[-2:-1], d[-1:]
    last = a * (q / (p * (p + q))) - b * ((q + p) / (p * q)) + c * ((2.0 * q + p) / (q * (p + q)))
    return first, inner, last


def _slope(f, h, axis, edge_order):
    if f.shape[axis] < edge_order + 1:
        raise ValueError(
            f"gradient: {f.shape[axis]} elements along axis {axis}, at least {edge_order + 1} are needed for "
            f"edge_order={edge_order}"
        )
    # The axis goes to the end, where vectors of distances lie.
    last = f.ndim - 1
    f = f if axis == last else moveaxis(f, axis, last)
    formula = _even if np.ndim(h) == 0 else _uneven
    y = concatenate(formula(f, h, edge_order, lambda start, stop: _slice(f, last, start, stop)), -1)
    y = of_dtype(y, f.dtype)
    return y if axis == last else moveaxis(y, last, axis)


@composed(np.gradient, samples=_gradient_samples)
def gradient(f, *varargs, axis=None, edge_order=1) -> Any:
    """Slopes of sampled values by differences: central ones inside, one-sided ones at both ends.

    Parameters
    ----------
    f : array_like, float or complex
    *varargs : numbers or vectors
        One number for all axes, or for each axis a number or the positions of the samples. They may be Tensors and
        have gradients.
    axis : int or tuple of int, optional
        All by default.
    edge_order : {1, 2}
        The order of accuracy at the ends.

    Returns
    -------
    Tensor, or a tuple of Tensors if there are several axes

    Raises
    ------
    ValueError
        If there are too few elements, or positions do not fit.
    TypeError
        If the number of spacings is not 0, 1, or that of the axes.

    Examples
    --------
    >>> av.gradient(av.Tensor(np.array([0.0, 1.0, 4.0, 9.0]))).numpy().tolist()
    [1.0, 2.0, 4.0, 5.0]
    """
    f, *positions = operands(f, *[h for h in varargs if np.ndim(h)])
    f, axes = inexact(f), axes_of(axis, f.ndim)
    varargs = tuple([positions.pop(0) if np.ndim(h) else h for h in varargs]) or (1.0,)
    if len(varargs) == 1 and np.ndim(varargs[0]) == 0:
        varargs = varargs * len(axes)
    if len(varargs) != len(axes):
        raise TypeError(f"gradient: {len(varargs)} spacings for {len(axes)} axes")
    if edge_order not in (1, 2):
        raise ValueError(f"gradient: edge_order must be 1 or 2, got {edge_order}")
    steps = [_along(h, f.shape[i], i) for h, i in zip(varargs, axes, strict=True)]
    found = tuple([_slope(f, h, i, edge_order) for h, i in zip(steps, axes, strict=True)])
    return found[0] if len(found) == 1 else found


@composed(
    np.trapezoid,
    samples=lambda: [
        Sample(arrays((2, 4))),
        Sample(arrays((2, 4)), dx=0.5, axis=0),
        Sample(arrays((2, 4)), values([0.0, 0.5, 2.0, 2.2])),
        Sample(arrays((4, 2)), values([0.0, 0.5, 2.0, 2.2]), axis=0),
        Sample(*arrays((2, 4), (2, 4)), axis=-2),
        Sample(*arrays((3,), (2, 3))),
        Sample(arrays((3,), dtype=complex), arrays((3,))),
        Sample(arrays((2, 1))),
        Sample(values([1, 2, 4]), arrays((3,))),
        Sample(arrays((4,)).astype(np.float32), smooth=False),
    ],
)
def trapezoid(y, x=None, dx=1.0, axis=-1) -> Tensor:
    """The integral of sampled values by the trapezoidal rule.

    Parameters
    ----------
    y : array_like, float or complex
    x : array_like, optional
        The positions of the samples: a vector, or an array that broadcasts with `y`.
    dx : number or Tensor, default 1
        The distance between samples, where there is no `x`.
    axis : int, default -1

    Returns
    -------
    Tensor

    Examples
    --------
    >>> av.trapezoid(av.Tensor(np.array([1.0, 2.0, 3.0])), x=np.array([4.0, 6.0, 8.0])).item()
    8.0
    """
    y, x = (as_tensor(y), None) if x is None else operands(y, x)
    place = axis_of(axis, y.ndim)
    if x is None:
        d = dx
    else:
        d = _upright(x[1:] - x[:-1], place, y.ndim) if x.ndim == 1 else diff(x, axis=axis)
    return (d * (_slice(y, place, 1, None) + _slice(y, place, None, -1)) / 2.0).sum(axis)


@composed(
    np.ediff1d,
    samples=lambda: [
        Sample(arrays((2, 3))),
        Sample(arrays((3,)), 2.0, [0.5, 1.5]),
        Sample(arrays((3,)), None, arrays((2, 2), seed=1)),
        Sample(zeros(0), 1.0),
    ],
)
def ediff1d(ary, to_end=None, to_begin=None) -> Tensor:
    """Differences of neighbours in the flattened array.

    Parameters
    ----------
    ary : array_like
    to_end, to_begin : array_like, optional
        Numbers to put after and before the differences.

    Returns
    -------
    Tensor, 1-D

    Raises
    ------
    TypeError
        If these numbers do not fit the dtype of `ary`.

    Examples
    --------
    >>> av.ediff1d(av.Tensor(np.array([1.0, 4.0, 9.0])), to_begin=0.0).numpy().tolist()
    [0.0, 3.0, 5.0]
    """
    ary = ravel(ary)
    parts = [ary[1:] - ary[:-1]]
    for name, x in (("to_begin", to_begin), ("to_end", to_end)):
        if x is None:
            continue
        _, x = operands(ary, x)
        if not np.can_cast(x.dtype, ary.dtype, "same_kind"):
            raise TypeError(f"ediff1d: {name} has dtype {x.dtype}, which does not fit into {ary.dtype}")
        part = of_dtype(ravel(x), ary.dtype)
        parts = [part, *parts] if name == "to_begin" else [*parts, part]
    return parts[0] if len(parts) == 1 else concatenate(parts)


@primitive(
    vjp={"p": lambda g: g}, jvp={"p": lambda t: t}, name="unwrap",
    samples=lambda: [
        Sample(values([[0.2, 3.4, -2.9, 9.0], [1.0, -4.0, 0.5, 0.7]]), None, -1, 2 * pi),
        Sample(values([0.2, 3.4, -2.9, 9.0]).astype(np.float32), None, 0, 2 * pi, smooth=False),
    ],
)  # fmt: skip
def _unwrap(p, discont, axis, period):
    """`p` plus whole periods."""
    return namespace(p).unwrap(p, discont, axis, period=period)


@composed(
    np.unwrap,
    samples=lambda: [
        Sample(values([[0.2, 3.4, -2.9, 9.0], [1.0, -4.0, 0.5, 0.7]])),
        Sample(values([[0.2, 3.4, -2.9, 9.0], [1.0, -4.0, 0.5, 0.7]]), 5.0, 0),
        Sample(values([0.1, 0.8, 0.4, 2.7]), period=1.0),
        Sample(zeros((0, 2)), axis=0),
        Sample(values([0.1, 4.0], np.float32), smooth=False),
    ],
)
def unwrap(p, discont=None, axis=-1, *, period=2 * pi) -> Tensor:
    """Angles made continuous: whole periods are added where neighbours differ by more than half of one.

    Parameters
    ----------
    p : array_like, float
        The gradient passes as it is: what is added does not change with `p`.
    discont : float, optional
        The least difference that counts as a jump; at least half a period.
    axis : int, default -1
    period : float, default 2 pi

    Returns
    -------
    Tensor

    Raises
    ------
    TypeError
        If `discont` or `period` is a Tensor.

    Examples
    --------
    >>> av.unwrap(av.Tensor(np.array([0.0, 0.75, 1.5])), period=1.0).numpy().tolist()
    [0.0, -0.25, -0.5]
    """
    for name, value in (("discont", discont), ("period", period)):
        if isinstance(value, Operand):
            raise TypeError(f"unwrap: there is no gradient with respect to {name}=; pass a number, {name}.item()")
    p = as_tensor(p)
    if p.dtype.kind == "f":
        p = of_dtype(p, np.result_type(p.dtype, period))
    return _unwrap(p, discont, axis_of(axis, p.ndim), period)


# ---------------------------------------------------------------- evenly spaced numbers


def _ends(*ends):
    """The ends of a sequence as operands of one dtype, the one that NumPy computes with."""
    found = operands(*ends)
    kinds: list[Any] = [x if x.__class__ in NUMBERS else t.dtype for x, t in zip(ends, found, strict=True)]
    dtype = np.result_type(*kinds)
    return [of_dtype(t, dtype if dtype.kind in "fc" else np.dtype(np.float64)) for t in found]


def _spaced(name, start, stop, num, endpoint):
    """(numbers along a new first axis, step) of two operands of one dtype."""
    num = index(num)
    if num < 0:
        raise ValueError(f"{name}: the number of samples must not be negative, got {num}")
    parts = num - 1 if endpoint else num
    xp, delta = namespace(start.array), stop - start
    upright = (-1,) + (1,) * delta.ndim
    step = delta / parts if parts > 0 else None
    y = xp.arange(num, dtype=delta.dtype).reshape(upright) * (delta if step is None else step) + start
    if endpoint and num > 1:
        y = where((xp.arange(num) == num - 1).reshape(upright), stop, y)
    return y, step


def _linspace_samples():
    return [
        Sample(arrays(()), 2.0, 5),
        Sample(-1.0, arrays((2,)), 4, endpoint=False, axis=-1),
        Sample(*arrays((2, 1), (3,)), 3, axis=1),
        Sample(*arrays((), ()), 4, retstep=True),
        Sample(*arrays((), ()), 1),
        Sample(*arrays((), ()), 0),
        Sample(*arrays((2,), (), dtype=complex), 3),
        Sample(values(0), arrays(()), 3),
        Sample(arrays(()).astype(np.float32), 1.0, 3, smooth=False),
        Sample(arrays(()), 1.0, 3, dtype=np.float32, smooth=False),
    ]


@composed(np.linspace, samples=_linspace_samples)
def linspace(start, stop, num=50, endpoint=True, retstep=False, dtype=None, axis=0, *, device=None) -> Any:
    """Evenly spaced numbers between two ends, with gradients to both.

    Parameters
    ----------
    start, stop : array_like
        Numbers, or arrays that broadcast.
    num : int, default 50
        How many.
    endpoint : bool, default True
        Whether `stop` is the last one.
    retstep : bool, default False
        Also return the step.
    dtype : dtype, optional
        Through integers no gradient passes.
    axis : int, default 0
        Where the numbers lie in the result, if the ends are arrays.
    device : None or "cpu"
        As in NumPy; without meaning here.

    Returns
    -------
    Tensor, or a pair of Tensors

    Raises
    ------
    ValueError
        If `num` is negative.

    Examples
    --------
    >>> av.linspace(0.0, av.Tensor(1.0), 5).numpy().tolist()
    [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    if device not in (None, "cpu"):
        raise ValueError(f"linspace: device must be None or 'cpu', got {device!r}: the result lies where its ends lie")
    start, stop = _ends(start, stop)
    y, step = _spaced("linspace", start, stop, num, endpoint)
    if axis != 0:
        y = moveaxis(y, 0, axis)
    if dtype is not None:
        y = astype(floor(y), dtype) if np.dtype(dtype).kind in "iu" else of_dtype(y, np.dtype(dtype))
    if not retstep:
        return y
    return y, tensor_of(namespace(y.array).asarray(np.nan)) if step is None else step


@composed(
    np.logspace,
    samples=lambda: [
        Sample(arrays(()), 1.5, 4),
        Sample(arrays((2,)), arrays((), seed=1), 3, False, axis=1),
        Sample(arrays(()), 1.0, 3, True, values(2.0)),
        Sample(arrays(()), 1.0, 3, True, values([2.0, 3.0])),
        Sample(0.0, 1.0, 3, True, values([2.0, 3.0]), None, -1),
        Sample(arrays(()), 1.0, 3, dtype=np.float32, smooth=False),
    ],
)
def logspace(start, stop, num=50, endpoint=True, base=10.0, dtype=None, axis=0) -> Tensor:
    """Powers of `base` with evenly spaced exponents.

    Parameters
    ----------
    start, stop : array_like
        The first exponent and the last.
    num : int, default 50
    endpoint : bool, default True
        Whether ``base**stop`` is the last one.
    base : array_like, default 10
        An array has an axis more than the result for each number of it.
    dtype : dtype, optional
    axis : int, default 0
        Where the powers lie in the result, if the arguments are arrays.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> av.logspace(0.0, av.Tensor(2.0), 3).numpy().tolist()
    [1.0, 10.0, 100.0]
    """
    if np.ndim(base):
        start, stop, base = operands(start, stop, base)
    start, stop = _ends(start, stop)
    if np.ndim(base):
        ndim = max(start.ndim, stop.ndim, base.ndim)
        start, stop, base = [reshape(x, (1,) * (ndim - x.ndim) + x.shape) for x in (start, stop, base)]
        base = expand_dims(base, axis)
    y, _ = _spaced("logspace", start, stop, num, endpoint)
    y = power(base, moveaxis(y, 0, axis) if axis != 0 else y)
    return y if dtype is None else astype(y, dtype)


@composed(
    np.geomspace,
    samples=lambda: [
        Sample(arrays((), low=0.5), 30.0, 4),
        Sample(-2.0, values([-3.0, -0.1]), 3, axis=1),
        Sample(values([1.0, -2.0]), values([[8.0, -1.0]]), 4, False),
        Sample(*arrays((2,), (2,), low=0.5, dtype=complex), 3),
        Sample(values(1.0), values(2j), 4),
        Sample(values(2.0), 3.0, 1),
        Sample(values(2.0), 3.0, 0),
        Sample(values(1, np.int64), values(1000.0), 4),
        Sample(values(2.0, np.float32), 3.0, 3, dtype=np.float32, smooth=False),
    ],
)
def geomspace(start, stop, num=50, endpoint=True, dtype=None, axis=0) -> Tensor:
    """Numbers with a constant quotient between two ends.

    Parameters
    ----------
    start, stop : array_like
        Not 0; real ones of the same sign.
    num : int, default 50
    endpoint : bool, default True
        Whether `stop` is the last one.
    dtype : dtype, optional
    axis : int, default 0
        Where the numbers lie in the result, if the ends are arrays.

    Returns
    -------
    Tensor, at least of double precision, if there is no `dtype`

    Raises
    ------
    ValueError
        If an end is 0.

    Examples
    --------
    >>> av.geomspace(1.0, av.Tensor(1000.0), 4).numpy().round(9).tolist()
    [1.0, 10.0, 100.0, 1000.0]
    """
    start, stop = _ends(start, stop)
    if any(namespace(x.array) is np and bool((x.array == 0).any()) for x in (start, stop)):
        raise ValueError("geomspace: the ends must not be 0")
    work = np.result_type(start.dtype, np.float64 if dtype is None else np.result_type(dtype, 0.0))
    start, stop = of_dtype(start, work), of_dtype(stop, work)
    # Along the shorter way round 0, as NumPy does: `start` is turned to the positive numbers and back.
    turn = start / abs(start) if work.kind == "c" else stop_gradient(start / abs(start))
    first, last = (start / turn).real, stop / turn
    y, _ = _spaced("geomspace", of_dtype(log(first), work), log(last), num, endpoint)
    y = exp(y) * turn
    xp, upright = namespace(y.array), (-1,) + (1,) * (y.ndim - 1)
    steps = xp.arange(y.shape[0]).reshape(upright)
    if y.shape[0]:
        y = where(steps == 0, start, y)
    if y.shape[0] > 1 and endpoint:
        y = where(steps == y.shape[0] - 1, stop, y)
    if axis != 0:
        y = moveaxis(y, 0, axis)
    return y if dtype is None else of_dtype(y, np.dtype(dtype))


# ---------------------------------------------------------------- the modified Bessel function, real numbers

# sqrt(x) * exp(-x) * I1(x) for x > 8, as a Chebyshev series in 32 / x - 2, computed from the power series in 50 digits;
# the same form as Cephes has (Moshier 1989, Methods and Programs for Mathematical Functions).
_I1_LARGE = (
    7.517313219219004e-18, 4.414346892475619e-18, -4.650305709445141e-17, -3.209525791047657e-17,
    2.9626290015866564e-16, 3.308202306643791e-16, -1.880354775466536e-15, -3.8144030723496664e-15,
    1.042027698408835e-14, 4.272440016711245e-14, -2.1015418427714147e-14, -4.083551111092226e-13,
    -7.198551776245929e-13, 2.035628544147091e-12, 1.4125807436613782e-11, 3.2526035830154884e-11,
    -1.8974958123505413e-11, -5.589743462196584e-10, -3.835380385964237e-09, -2.6314688468895196e-08,
    -2.512236237870209e-07, -3.882564808877691e-06, -0.00011058893876262371, -0.009761097491361469,
    0.7785762350182801,
)  # fmt: skip


def _bessel_i1_over_x(x, terms):
    """I1(x) / x by its power series, whose terms are all positive: 24 for 0 <= x <= 8."""
    q = x * x * 0.25
    y = q * 0.0
    for k in range(terms, 0, -1):
        y = (y + 1.0) * q * (1.0 / (k * (k + 1)))
    return (y + 1.0) * 0.5


def _bessel_i1_large(x):
    u = 32.0 / x - 2.0
    b, before, last = 0.0, 0.0, 0.0
    for c in _I1_LARGE:
        last, before = before, b
        b = u * before - last + c
    return np.exp(x) * ((b - last) * 0.5) / np.sqrt(x)


def _bessel_i1_x(g, x, y):
    """I0(x) - I1(x) / x; the quotient by its series near 0, where its own derivatives would lose their digits."""
    near = np.absolute(x) < 0.5
    quotient = y / where.inner(near, 1.0, x)
    return g * (_bessel_i0.inner(x) - where.inner(near, _bessel_i1_over_x(where.inner(near, x, 0.0), 8), quotient))


@primitive(
    vjp={"x": _bessel_i1_x}, elementwise=True, name="bessel_i1",
    samples=lambda: [*elementwise()(), Sample(values([0.0, -1e-9, 7.9, 8.5, -20.0]))],
)  # fmt: skip
def _bessel_i1(x):
    """The modified Bessel function of the first kind, of order 1."""
    xp, a = namespace(x), np.absolute(x)
    small = np.minimum(a, 8.0)
    y = xp.where(a <= 8.0, small * _bessel_i1_over_x(small, 24), _bessel_i1_large(np.maximum(a, 8.0)))
    return xp.where(x < 0, -y, y)


@primitive(
    vjp={"x": lambda g, x: g * _bessel_i1.inner(x)}, elementwise=True, name="bessel_i0",
    samples=lambda: [*elementwise()(), Sample(values([0.0, -1e-9, 7.9, 8.5, -20.0]))],
)  # fmt: skip
def _bessel_i0(x):
    """The modified Bessel function of the first kind, of order 0."""
    return namespace(x).i0(x)


@composed(np.i0, samples=lambda: [*elementwise()(), Sample(values([0.0, 7.9, 8.5, -20.0]))])
def i0(x) -> Tensor:
    """The modified Bessel function of the first kind, of order 0.

    Parameters
    ----------
    x : array_like, any shape, float

    Returns
    -------
    Tensor

    Raises
    ------
    TypeError
        If `x` is complex.

    Examples
    --------
    >>> print(f"{av.i0(av.Tensor(1.0)):.6f}")
    1.266066
    """
    x = inexact(x)
    if x.dtype.kind == "c":
        raise TypeError(f"i0: real numbers are needed, got dtype {x.dtype}")
    return _bessel_i0(x)


@composed(
    np.real_if_close,
    samples=lambda: [
        Sample(values([1.0 + 0.0j, 2.0 - 1e-20j]), smooth=False),
        Sample(arrays((2, 3), dtype=complex)),
        Sample(arrays((2, 3)), 50),
        Sample(values([1.0 + 1e-3j]), tol=0.1, smooth=False),
    ],
)
def real_if_close(a, tol=100) -> Tensor:
    """The real parts of complex numbers, if all imaginary parts are next to 0; else the numbers as they are.

    Parameters
    ----------
    a : array_like
    tol : float, default 100
        What counts as 0: as a multiple of the machine precision if it is more than 1.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> av.real_if_close(av.Tensor(np.array([2.0 + 1e-15j]))).numpy().tolist()
    [2.0]
    """
    a = as_tensor(a)
    if a.dtype.kind != "c":
        return valued(a)
    if tol > 1:
        tol = float(np.finfo(a.dtype).eps) * tol
    return a.real if bool((np.absolute(a.array.imag) < tol).all()) else valued(a)
