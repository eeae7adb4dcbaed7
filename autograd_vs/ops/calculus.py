"""Signals, differences, interpolation, evenly spaced numbers, polynomials. Floor 2; loaded at first use (`later.py`).

Coefficients of polynomials stand highest power first, as in `numpy.polyval`. What depends on values (how many leading
zeros a product of polynomials loses) is looked up on the host, as NumPy does.
"""

from math import pi
from operator import index
from typing import Any

import numpy as np

from ..base.backend import as_array, beside, namespace, on_host
from ..engine.cotangent import bare
from ..engine.declare import composed, primitive
from ..engine.protocol import Operand
from ..engine.samples import Sample, arrays, elementwise, values, zeros
from ..engine.tensor import Tensor, as_tensor, tensor_of
from .constants import floor, stop_gradient
from .elementwise import conjugate, exp, log, power, where
from .index import scatter_rows
from .products import matmul
from .reduce import diff
from .shape import (
    astype,
    axes_of,
    axis_of,
    cast,
    concatenate,
    expand_dims,
    moveaxis,
    pad,
    ravel,
    reshape,
    stack,
    valued,
)

__all__ = [
    "convolve", "correlate", "ediff1d", "geomspace", "gradient", "i0", "interp", "linspace", "logspace", "poly",
    "polyadd", "polyder", "polydiv", "polyfit", "polyint", "polymul", "polysub", "polyval", "real_if_close", "roots",
    "trapezoid", "unwrap", "vander",
]  # fmt: skip

NUMBERS = {bool, int, float, complex}


def _operands(*given):
    """All as operands; numbers and lists go to the library of the first array among them."""
    found = [as_tensor(x) if hasattr(x, "dtype") else x for x in given]
    like = next((x.array for x in found if isinstance(x, Operand)), None)
    if like is None:
        return [*map(as_tensor, given)]
    return [x if isinstance(x, Operand) else as_tensor(beside(as_array(x), like)) for x in found]


def _of_dtype(x, dtype):
    """`x` in a dtype, which it mostly has."""
    return x if x.dtype == dtype else astype(x, dtype)


def _inexact(x):
    """`x`, with integers as float64."""
    x = as_tensor(x)
    return x if x.dtype.kind in "fc" else astype(x, np.float64)


def _real_dtype(dtype):
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
    a, v = [_vector("convolve", x, 0) for x in _operands(a, v)]
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
    a, v = [_vector("correlate", x) for x in _operands(a, v)]
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
    x, xp, fp = _operands(x, xp, fp)
    if xp.ndim != 1 or fp.ndim != 1 or xp.size != fp.size or not xp.size:
        raise ValueError(
            f"interp: xp and fp must be vectors of the same length, not empty; got shapes {xp.shape} and {fp.shape}"
        )
    if "c" in (x.dtype.kind, xp.dtype.kind):
        raise TypeError(f"interp: x and xp must be real, got dtypes {x.dtype} and {xp.dtype}")
    x, xp = _of_dtype(x, np.float64), _of_dtype(xp, np.float64)
    fp = _of_dtype(fp, np.complex128 if fp.dtype.kind == "c" else np.float64)
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
    h = _inexact(h)
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
    y = _of_dtype(y, f.dtype)
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
    f, *positions = _operands(f, *[h for h in varargs if np.ndim(h)])
    f, axes = _inexact(f), axes_of(axis, f.ndim)
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
    y, x = (as_tensor(y), None) if x is None else _operands(y, x)
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
        _, x = _operands(ary, x)
        if not np.can_cast(x.dtype, ary.dtype, "same_kind"):
            raise TypeError(f"ediff1d: {name} has dtype {x.dtype}, which does not fit into {ary.dtype}")
        part = _of_dtype(ravel(x), ary.dtype)
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
        p = _of_dtype(p, np.result_type(p.dtype, period))
    return _unwrap(p, discont, axis_of(axis, p.ndim), period)


# ---------------------------------------------------------------- evenly spaced numbers


def _ends(*ends):
    """The ends of a sequence as operands of one dtype, the one that NumPy computes with."""
    found = _operands(*ends)
    kinds: list[Any] = [x if x.__class__ in NUMBERS else t.dtype for x, t in zip(ends, found, strict=True)]
    dtype = np.result_type(*kinds)
    return [_of_dtype(t, dtype if dtype.kind in "fc" else np.dtype(np.float64)) for t in found]


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
        y = astype(floor(y), dtype) if np.dtype(dtype).kind in "iu" else _of_dtype(y, np.dtype(dtype))
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
        start, stop, base = _operands(start, stop, base)
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
    start, stop = _of_dtype(start, work), _of_dtype(stop, work)
    # Along the shorter way round 0, as NumPy does: `start` is turned to the positive numbers and back.
    turn = start / abs(start) if work.kind == "c" else stop_gradient(start / abs(start))
    first, last = (start / turn).real, stop / turn
    y, _ = _spaced("geomspace", _of_dtype(log(first), work), log(last), num, endpoint)
    y = exp(y) * turn
    xp, upright = namespace(y.array), (-1,) + (1,) * (y.ndim - 1)
    steps = xp.arange(y.shape[0]).reshape(upright)
    if y.shape[0]:
        y = where(steps == 0, start, y)
    if y.shape[0] > 1 and endpoint:
        y = where(steps == y.shape[0] - 1, stop, y)
    if axis != 0:
        y = moveaxis(y, 0, axis)
    return y if dtype is None else _of_dtype(y, np.dtype(dtype))


# ---------------------------------------------------------------- values and coefficients of polynomials


def _falling(p, n):
    """The exponents n, n - 1, ..., 1 beside the array `p`, in the dtype of its real numbers."""
    return namespace(bare(p)).arange(n, 0, -1, dtype=_real_dtype(p.dtype))


def _vander_x(g, x, N, increasing):
    if N < 2:
        return (g * 0.0).sum(1) if N else x * 0.0
    g = g if increasing else g[:, ::-1]
    return (g[:, 1:] * _falling(g, N - 1)[::-1] * _vander.inner(x, N - 1, True)).sum(1)


@primitive(
    vjp={"x": _vander_x}, name="vander",
    samples=lambda: [
        Sample(values([0.0, 0.5, -1.5]), 4, False),
        Sample(arrays((2,)), 3, True),
        Sample(arrays((2,)), 1, True),
        Sample(arrays((2,)), 0, True),
        Sample(arrays((2,), dtype=complex), 3, False),
        Sample(arrays((2,)).astype(np.float32), 3, True, smooth=False),
    ],
)  # fmt: skip
def _vander(x, N, increasing):
    """The powers 0 to N - 1 of a vector, as columns."""
    y = namespace(x).ones((x.shape[0], N), x.dtype)
    y[:, 1:] = x[:, None]
    y = y.cumprod(axis=1)
    return y if increasing else y[:, ::-1]


@composed(
    np.vander,
    samples=lambda: [
        Sample(values([0.0, 0.5, -1.5])),
        Sample(arrays((3,)), 2, True),
        Sample(arrays((3,)), N=0),
        Sample(zeros(0), 2),
        Sample(arrays((2,)).astype(np.float32), 3, smooth=False),
    ],
)
def vander(x, N=None, increasing=False) -> Tensor:
    """The Vandermonde matrix: powers of `x` as columns.

    Parameters
    ----------
    x : array_like, shape (n,)
    N : int, optional
        The number of columns, by default n.
    increasing : bool, default False
        Whether the first column has the power 0, not the last one.

    Returns
    -------
    Tensor, shape (n, N), at least of double precision, as in NumPy

    Raises
    ------
    ValueError
        If `x` is not 1-D.

    Examples
    --------
    >>> av.vander(av.Tensor(np.array([2.0, 3.0])), 3).numpy().tolist()
    [[4.0, 2.0, 1.0], [9.0, 3.0, 1.0]]
    """
    x = as_tensor(x)
    if x.ndim != 1:
        raise ValueError(f"vander: a vector is needed, got shape {x.shape}")
    return _vander(_of_dtype(x, np.promote_types(x.dtype, int)), x.size if N is None else index(N), increasing)


def _moments(g, x, n):
    """The sums of g * x**k for k from n - 1 down to 0."""
    if not n:
        return g.reshape(-1)[:0]
    sums = []
    for _ in range(n):
        sums.append(g.sum())
        g = g * x
    return stack.inner(sums[::-1], 0)


def _polyval_x(g, p, x):
    n = p.shape[0] - 1
    return cast(g * _polyval.inner(p[:-1] * _falling(p, n), x), x.dtype)


@primitive(
    vjp={"p": lambda g, x, p_shape, p_dtype: cast(_moments(g, x, p_shape[0]), p_dtype), "x": _polyval_x},
    arity=2, name="polyval",
    samples=lambda: [
        Sample(*arrays((4,), (2, 3))),
        Sample(*arrays((1,), (3,))),
        Sample(*arrays((3,), ())),
        Sample(arrays((3,)), zeros((0, 2))),
        Sample(*arrays((3,), (2,), dtype=complex)),
        Sample(arrays((3,)), arrays((2,), dtype=complex)),
        Sample(arrays((3,), dtype=complex), arrays((2,))),
        Sample(*[a.astype(np.float32) for a in arrays((3,), (2,))], smooth=False),
    ],
)  # fmt: skip
def _polyval(p, x):
    """The polynomial with the coefficients `p` at `x`."""
    y = namespace(x).zeros_like(x)
    for i in range(p.shape[0]):
        y = y * x + p[i]
    return y


@composed(
    np.polyval,
    samples=lambda: [
        Sample(*arrays((4,), (2, 3))),
        Sample([1.0, 2.0], arrays((3,))),
        Sample(arrays((3,)), 0.5),
        Sample(zeros(0), arrays((2,))),
        Sample(*arrays((3, 2), (2,))),
        Sample(arrays((3,)), values([1, 2])),
    ],
)
def polyval(p, x) -> Tensor:
    """The values of a polynomial.

    Parameters
    ----------
    p : array_like, shape (n,)
        Its coefficients, highest power first.
    x : array_like, any shape

    Returns
    -------
    Tensor, of the shape of `x`

    Examples
    --------
    >>> av.polyval([3.0, 0.0, 1.0], av.Tensor(np.array([0.0, 2.0]))).numpy().tolist()
    [1.0, 13.0]
    """
    if isinstance(x, np.poly1d):
        raise TypeError("polyval: there is no composition of polynomials here; x must be an array")
    p, x = _operands(p, x)
    if p.ndim == 1 and p.size:
        return _polyval(p, x)
    y = x * 0
    for i in range(len(p)):
        y = y * x + p[i]
    return y


def _coefficients(name, p):
    """The operand `p` as a vector."""
    if p.ndim > 1:
        raise ValueError(f"{name}: coefficients are a vector, got shape {p.shape}")
    return reshape(p, (1,)) if p.ndim == 0 else p


def _aligned(name, a, b):
    """Coefficients with zeros before the shorter ones."""
    a, b = [_coefficients(name, p) for p in _operands(a, b)]
    n = max(a.size, b.size)
    return [pad(p, (n - p.size, 0)) if p.size < n else p for p in (a, b)]


def _pairs_of_polynomials():
    return [
        Sample(*arrays((3,), (3,))),
        Sample(*arrays((2,), (4,))),
        Sample(arrays((3,)), 2.0),
        Sample([1, 2], arrays((1,))),
        Sample(arrays((3,), dtype=complex), arrays((2,))),
    ]


@composed(np.polyadd, samples=_pairs_of_polynomials)
def polyadd(a1, a2) -> Tensor:
    """The sum of two polynomials.

    Parameters
    ----------
    a1, a2 : array_like, 1-D
        Coefficients, highest power first.

    Returns
    -------
    Tensor, 1-D

    Examples
    --------
    >>> av.polyadd(av.Tensor(np.array([1.0, 2.0])), [9.0, 5.0, 4.0]).numpy().tolist()
    [9.0, 6.0, 6.0]
    """
    a1, a2 = _aligned("polyadd", a1, a2)
    return a1 + a2


@composed(np.polysub, samples=_pairs_of_polynomials)
def polysub(a1, a2) -> Tensor:
    """The difference of two polynomials.

    Parameters
    ----------
    a1, a2 : array_like, 1-D
        Coefficients, highest power first.

    Returns
    -------
    Tensor, 1-D

    Examples
    --------
    >>> av.polysub(av.Tensor(np.array([1.0, 2.0])), [9.0, 5.0, 4.0]).numpy().tolist()
    [-9.0, -4.0, -2.0]
    """
    a1, a2 = _aligned("polysub", a1, a2)
    return a1 - a2


def _trimmed(p, least=0.0):
    """Coefficients without the leading ones that are not larger than `least`; at least one stays."""
    if not p.size:
        return pad(p, (0, 1))
    large = ~(np.absolute(on_host(p.array)) <= least)
    return p[int(large.argmax()) if large.any() else p.size - 1 :]


@composed(
    np.polymul,
    samples=lambda: [*_pairs_of_polynomials(), Sample([0.0, 0.0, 1.0, 2.0], arrays((2,))), Sample([0.0], arrays((2,)))],
)
def polymul(a1, a2) -> Tensor:
    """The product of two polynomials.

    Parameters
    ----------
    a1, a2 : array_like, 1-D
        Coefficients, highest power first.

    Returns
    -------
    Tensor, 1-D

    Notes
    -----
    As in NumPy leading zeros are cut off first, so their gradient is 0. `convolve` keeps them.

    Examples
    --------
    >>> av.polymul(av.Tensor(np.array([1.0, 2.0])), [1.0, -2.0]).numpy().tolist()
    [1.0, 0.0, -4.0]
    """
    a1, a2 = [_trimmed(_coefficients("polymul", p)) for p in _operands(a1, a2)]
    return convolve(a1, a2)


@composed(
    np.polydiv,
    samples=lambda: [
        Sample(arrays((5,)), values([2.0, -1.0, 0.5])),
        Sample(arrays((2,)), values([2.0, -1.0, 0.5])),
        Sample(arrays((3,)), values([2.0])),
        Sample(arrays((4,), dtype=complex), values([2.0, 1.0])),
        Sample([1, 2, 3], arrays((2,))),
    ],
)
def polydiv(u, v) -> tuple[Tensor, Tensor]:
    """Quotient and remainder of two polynomials.

    Parameters
    ----------
    u : array_like, 1-D
        Coefficients of the dividend, highest power first.
    v : array_like, 1-D
        Coefficients of the divisor; the first one is not 0.

    Returns
    -------
    tuple of Tensor
        As in NumPy the remainder lacks leading coefficients of 1e-8 and less.

    Examples
    --------
    >>> q, r = av.polydiv(av.Tensor(np.array([1.0, 0.0, -3.0])), [1.0, -2.0])
    >>> q.numpy().tolist(), r.numpy().tolist()
    ([1.0, 2.0], [1.0])
    """
    u, v = [_inexact(_coefficients("polydiv", p)) for p in _operands(u, v)]
    if not u.size or not v.size:
        raise ValueError("polydiv: a polynomial has at least one coefficient")
    quotient = []
    for _ in range(u.size - v.size + 1):
        factor = u[:1] / v[:1]
        quotient.append(factor)
        u = u[1:] - pad(factor * v[1:], (0, u.size - v.size))
    dtype = np.result_type(u.dtype, v.dtype)
    q = concatenate(quotient) if quotient else tensor_of(namespace(u.array).zeros(1, dtype))
    return q, _trimmed(_of_dtype(u, dtype), 1e-8)


@composed(
    np.polyder,
    samples=lambda: [
        Sample(arrays((4,))),
        Sample(arrays((4,)), 2),
        Sample(arrays((4,)), 0),
        Sample(arrays((2,)), 3),
        Sample(arrays((3,), dtype=complex)),
    ],
)
def polyder(p, m=1) -> Tensor:
    """The derivative of a polynomial.

    Parameters
    ----------
    p : array_like, 1-D
        Coefficients, highest power first.
    m : int, default 1
        How often.

    Returns
    -------
    Tensor, 1-D

    Raises
    ------
    ValueError
        If `m` is negative.

    Examples
    --------
    >>> av.polyder(av.Tensor(np.array([1.0, 2.0, 3.0]))).numpy().tolist()
    [2.0, 2.0]
    """
    p, m = _coefficients("polyder", as_tensor(p)), int(m)
    if m < 0:
        raise ValueError(f"polyder: the order must not be negative, got {m} (see polyint)")
    for _ in range(m):
        p = p[:-1] * namespace(p.array).arange(p.size - 1, 0, -1)
    return valued(p)


@composed(
    np.polyint,
    samples=lambda: [
        Sample(arrays((3,))),
        Sample(arrays((3,)), 2, 1.5),
        Sample(arrays((3,)), 2, values([0.5, -1.0])),
        Sample(arrays((3,)), 0),
        Sample(zeros(0)),
    ],
)
def polyint(p, m=1, k=None) -> Tensor:
    """The integral of a polynomial.

    Parameters
    ----------
    p : array_like, 1-D
        Coefficients, highest power first.
    m : int, default 1
        How often.
    k : array_like, optional
        The constants of integration, one for all or one for each time; 0 by default.

    Returns
    -------
    Tensor, 1-D

    Raises
    ------
    ValueError
        If `m` is negative, or there are too few constants.

    Examples
    --------
    >>> av.polyint(av.Tensor(np.array([2.0, 2.0])), k=5.0).numpy().tolist()
    [1.0, 2.0, 5.0]
    """
    p, constants = (as_tensor(p), None) if k is None else _operands(p, k)
    p, m = _coefficients("polyint", p), int(m)
    if m < 0:
        raise ValueError(f"polyint: the order must not be negative, got {m} (see polyder)")
    if constants is not None:
        constants = _coefficients("polyint", constants)
        if constants.size != 1 and constants.size < m:
            raise ValueError(f"polyint: {constants.size} constants of integration for {m} times")
    for i in range(m):
        p = p / namespace(p.array).arange(p.size, 0, -1)
        if constants is None:
            p = pad(p, (0, 1))
        else:
            p = concatenate([p, constants if constants.size == 1 else constants[i : i + 1]])
    return valued(p)


@composed(
    np.poly,
    samples=lambda: [
        Sample(arrays((3,))),
        Sample(arrays((2,), dtype=complex)),
        Sample(values([1.0 + 1.0j, 1.0 - 1.0j]), smooth=False),
    ],
)
def poly(seq_of_zeros) -> Tensor:
    """The coefficients of the polynomial with the given roots, and 1 as the first of them.

    Parameters
    ----------
    seq_of_zeros : array_like, 1-D

    Returns
    -------
    Tensor, 1-D
        Real where complex roots come in conjugate pairs.

    Raises
    ------
    TypeError
        For a matrix.

    Examples
    --------
    >>> av.poly(av.Tensor(np.array([1.0, 2.0]))).numpy().tolist()
    [1.0, -3.0, 2.0]
    """
    zeros = as_tensor(seq_of_zeros)
    if zeros.ndim == 2 and zeros.shape[0] == zeros.shape[1] != 0:
        raise TypeError("poly: the characteristic polynomial of a matrix has no gradient here; pass its eigenvalues")
    if zeros.ndim > 1:
        raise ValueError(f"poly: roots are a vector, got shape {zeros.shape}")
    zeros = reshape(zeros, (-1,))
    if zeros.dtype.char not in "fdgFDG":
        zeros = astype(zeros, np.float64)
    xp = namespace(zeros.array)
    if not zeros.size:
        return tensor_of(xp.asarray(1.0))
    p: Any = tensor_of(xp.ones(1, zeros.dtype))
    for i in range(zeros.size):
        p = pad(p, (0, 1)) - pad(p * zeros[i : i + 1], (1, 0))
    return p.real if zeros.dtype.kind == "c" and _in_pairs(zeros.array) else p


def _in_pairs(zeros):
    """Say whether complex numbers are the same as their conjugates, in some order."""
    a = on_host(zeros).copy()
    b = a.conj()
    a.sort()
    b.sort()
    return bool((a == b).all())


def _roots_p(g, p, y):
    """From dr = -dp(r) / p'(r) at each root r."""
    n = p.shape[0]
    slope = _polyval.inner(p[:-1] * _falling(p, n - 1), y)
    return cast(_moments(-g / slope, y, n), p.dtype)


def _roots_samples():
    return [
        Sample(values([2.0, -3.0, -5.0, 1.0])),
        Sample(values([1.0, 0.5, 2.0, 3.0])),
        Sample(values([1.0 + 1.0j, 2.0, 0.5j])),
        Sample(values([1.0, -3.0, 2.0, 0.0])),
        Sample(values([0.0, 2.0, -1.0]), smooth=False),
        Sample(values([2.0, -3.0, -5.0], np.float32), smooth=False),
    ]


@primitive(np.roots, vjp={"p": _roots_p}, samples=_roots_samples)
def roots(p):
    """The roots of a polynomial.

    Parameters
    ----------
    p : array_like, 1-D
        Coefficients, highest power first. Leading zeros are cut off.

    Returns
    -------
    Tensor, 1-D
        Real or complex, as the values are.

    Notes
    -----
    The gradient comes from the implicit function theorem; it is infinite at multiple roots. They are computed on the
    host, wherever `p` lies.

    Examples
    --------
    >>> av.roots(av.Tensor(np.array([1.0, -3.0, 2.0]))).numpy().tolist()
    [2.0, 1.0]
    """
    a = on_host(p)
    return beside(namespace(a).roots(a), p)


# ---------------------------------------------------------------- fitting


def _conjugate(x):
    return np.conjugate(x) if x.dtype.kind == "c" else x


def _solution_b(g, a, b_dtype, rcond):
    return cast(_solution.inner(a.swapaxes(0, 1), g, rcond), b_dtype)


def _solution_a(g, a, b, y, rcond):
    """The derivative of the pseudoinverse at constant rank (Golub and Pereyra 1973, SIAM J. Numer. Anal. 10, 413)."""
    across = a.swapaxes(0, 1)
    z = _solution.inner(across, g, rcond)
    h = _solution.inner(a, _conjugate(z), rcond)
    w = _solution.inner(across, _conjugate(y), rcond)
    missed, outside = b - matmul.inner(a, y), g - matmul.inner(across, z)
    c = matmul.inner(_conjugate(missed), h.swapaxes(0, 1)) + matmul.inner(w, _conjugate(outside).swapaxes(0, 1))
    return cast(c - matmul.inner(z, y.swapaxes(0, 1)), a.dtype)


@primitive(
    vjp={"a": _solution_a, "b": _solution_b}, name="least_squares",
    samples=lambda: [
        Sample(*arrays((4, 2), (4, 1)), 1e-12),
        Sample(*arrays((2, 3), (2, 2)), 1e-12),
        Sample(*arrays((3, 2), (3, 1), dtype=complex), 1e-12),
        Sample(*[x.astype(np.float32) for x in arrays((4, 2), (4, 1))], 1e-6, smooth=False),
    ],
)  # fmt: skip
def _solution(a, b, rcond):
    """The shortest of the least-squares solutions of ``a @ y = b``."""
    return namespace(a).linalg.lstsq(a, b, rcond)[0]


def _fits():
    x = values([-1.0, -0.3, 0.4, 1.1, 2.0])
    y, w = arrays((5,)), values([1.0, 2.0, 0.5, 1.0, 3.0])
    return [
        Sample(x, y, 1),
        Sample(x, y, 3),
        Sample(x, y, 0),
        Sample(x, y, 2, None, False, w),
        Sample(x, arrays((5, 2)), 2, None, False, w),
        Sample([0, 1, 2, 4], arrays((4,)), 1),
        Sample(x.astype(np.float32), y.astype(np.float32), 1, smooth=False),
    ]


@composed(np.polyfit, samples=_fits)
def polyfit(x, y, deg, rcond=None, full=False, w=None, cov=False) -> Tensor:
    """The polynomial of a given degree that is next to data points, by least squares.

    Parameters
    ----------
    x : array_like, shape (n,)
    y : array_like, shape (n,) or (n, k)
    deg : int
    rcond : float, optional
        What is small among the singular values, relative to the largest; by default n times the machine precision.
    full, cov : False
        Not supported.
    w : array_like, shape (n,), optional
        Factors of the deviations.

    Returns
    -------
    Tensor, shape (deg + 1,) or (deg + 1, k)
        Coefficients, highest power first; with gradients to `x`, `y` and `w`.

    Raises
    ------
    TypeError
        If shapes do not fit, or for `full` and `cov`.
    ValueError
        If `deg` is negative.

    Notes
    -----
    NumPy's warning of points that do not determine the coefficients is not given; the gradient then holds for changes
    that keep the rank.

    Examples
    --------
    >>> av.polyfit([0.0, 1.0, 2.0], av.Tensor(np.array([1.0, 3.0, 5.0])), 1).numpy().round(9).tolist()
    [2.0, 1.0]
    """
    if full or cov:
        raise TypeError("polyfit: full= and cov= are not supported for Tensors; only the coefficients have gradients")
    x, y, *factors = [_inexact(t) for t in _operands(x, y, *([] if w is None else [w]))]
    order = int(deg) + 1
    if order < 1:
        raise ValueError(f"polyfit: the degree must not be negative, got {deg}")
    if x.ndim != 1 or not x.size:
        raise TypeError(f"polyfit: x must be a vector, not empty; got shape {x.shape}")
    if y.ndim not in (1, 2) or y.shape[0] != x.size:
        raise TypeError(f"polyfit: y must have shape ({x.size},) or ({x.size}, k), got {y.shape}")
    rcond = x.size * float(np.finfo(x.dtype).eps) if rcond is None else rcond
    powers, columns = vander(x, order), reshape(y, (x.size, -1))
    if w is not None:
        (w,) = factors
        if w.shape != x.shape:
            raise TypeError(f"polyfit: w must have shape {x.shape}, got {w.shape}")
        w = reshape(w, (-1, 1))
        powers, columns = powers * w, columns * w
    dtype = np.result_type(powers.dtype, columns.dtype)
    scale = np.sqrt((powers * powers).sum(0))
    c = _solution(_of_dtype(powers / scale, dtype), _of_dtype(columns, dtype), rcond) / reshape(scale, (-1, 1))
    return reshape(c, (order, *y.shape[1:]))


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
    x = _inexact(x)
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
