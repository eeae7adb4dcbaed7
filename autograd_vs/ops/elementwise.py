"""Elementwise ops: arithmetic, powers, exponentials, trigonometry, selection, complex parts. Floor 2.

Constants in rules are Python numbers: a NumPy float64 scalar would turn a float32 gradient into float64.
``y + (y == 0)`` is `y` with 1 in place of 0: it makes 0 of a gradient that is 0/0, where the formula has a kink.
"""

from math import log as _ln
from math import pi

import numpy as np

from ..base.backend import as_array, beside, is_array, leading, namespace, placed
from ..engine import registry
from ..engine.declare import composed, primitive
from ..engine.op import fit, op
from ..engine.protocol import Operand, install
from ..engine.samples import Sample, arrays, away, elementwise, pairs, values, zeros
from ..engine.tensor import Tensor

__all__ = [
    "abs",
    "absolute",
    "acos",
    "acosh",
    "add",
    "angle",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cbrt",
    "clip",
    "conj",
    "conjugate",
    "copysign",
    "cos",
    "cosh",
    "deg2rad",
    "degrees",
    "divide",
    "divmod",
    "exp",
    "exp2",
    "expm1",
    "fabs",
    "float_power",
    "fmax",
    "fmin",
    "fmod",
    "hypot",
    "imag",
    "ldexp",
    "log",
    "log1p",
    "log2",
    "log10",
    "logaddexp",
    "logaddexp2",
    "maximum",
    "minimum",
    "mod",
    "modf",
    "multiply",
    "nan_to_num",
    "negative",
    "positive",
    "pow",
    "power",
    "rad2deg",
    "radians",
    "real",
    "reciprocal",
    "remainder",
    "sin",
    "sinc",
    "sinh",
    "sqrt",
    "square",
    "subtract",
    "tan",
    "tanh",
    "true_divide",
    "where",
]  # fmt: skip

LN2, LN10 = _ln(2.0), _ln(10.0)

# ---------------------------------------------------------------- arithmetic

add = op(
    np.add, "The sum, ``a + b``.",
    vjp={"a": lambda g: g, "b": lambda g: g},
    operators="__add__ __radd__", samples=pairs(complex_numbers=True),
)  # fmt: skip
subtract = op(
    np.subtract, "The difference, ``a - b``.",
    vjp={"a": lambda g: g, "b": lambda g: -g},
    operators="__sub__ __rsub__", samples=pairs(complex_numbers=True),
)  # fmt: skip
multiply = op(
    np.multiply, "The product, ``a * b``.",
    vjp={"a": lambda g, b: g * b, "b": lambda g, a: g * a},
    operators="__mul__ __rmul__", samples=pairs(complex_numbers=True),
)  # fmt: skip
divide = true_divide = op(
    np.divide, "The quotient, ``a / b``.",
    vjp={"a": lambda g, b: g / b, "b": lambda g, b, y: -g * y / b},
    operators="__truediv__ __rtruediv__", samples=pairs(cut_b=(0.0,), complex_numbers=True),
)  # fmt: skip
remainder = mod = op(
    np.remainder, "The remainder of `a` divided by `b`, with the sign of `b`.",
    vjp={"a": lambda g: g, "b": lambda g, a, b: -g * np.floor_divide(a, b)},
    operators="__mod__ __rmod__", samples=pairs(low=0.2, high=0.9, low_b=1.1, high_b=1.9),
)  # fmt: skip
fmod = op(
    np.fmod, "The remainder of `a` divided by `b`, with the sign of `a`.",
    vjp={"a": lambda g: g, "b": lambda g, a, b: -g * np.trunc(a / b)},
    samples=pairs(2.5, 3.4, 1.75, 2.4),
)  # fmt: skip
negative = op(
    np.negative, "``-x``.", vjp={"x": lambda g: -g}, operators="__neg__", samples=elementwise(complex_numbers=True)
)
positive = op(
    np.positive, "``+x``.", vjp={"x": lambda g: g}, operators="__pos__", samples=elementwise(complex_numbers=True)
)
reciprocal = op(
    np.reciprocal, "``1 / x``.",
    vjp={"x": lambda g, y: -g * y * y}, samples=elementwise(cut=(0.0,), complex_numbers=True),
)  # fmt: skip


def _absolute_vjp(g, x, y):
    """The rule of a modulus: the sign of `x`, and 0 at 0."""
    if x.dtype.kind != "c":
        return g * np.sign(x)
    return g * (x.conj() / (y + (y == 0)))


def _absolute_jvp(t, x, y):
    if x.dtype.kind != "c":
        return t * np.sign(x)
    return (t * (x.conj() / (y + (y == 0)))).real


absolute = abs = op(
    np.absolute, "The absolute value; the gradient at 0 is 0.",
    vjp={"x": _absolute_vjp}, jvp={"x": _absolute_jvp}, operators="__abs__",
    samples=elementwise(cut=(0.0,), complex_numbers=True),
)  # fmt: skip
fabs = op(
    np.fabs, "The absolute value of real numbers; the gradient at 0 is 0.",
    vjp={"x": lambda g, x: g * np.sign(x)}, samples=elementwise(cut=(0.0,)),
)  # fmt: skip
copysign = op(
    np.copysign, "The absolute value of `a` with the sign of `b`, which is a constant.",
    vjp={"a": lambda g, a, b: g * (np.sign(a) * np.copysign(1.0, b)), "b": lambda g: g * 0.0},
    samples=pairs(cut=(0.0,), cut_b=(0.0,)),
)  # fmt: skip


@composed(np.divmod, operators="__divmod__", samples=lambda: [Sample(arrays((3, 2), low=0.2, high=0.9), 1.1)])
def divmod(a, b) -> tuple[Tensor, Tensor]:
    """Quotient, rounded down, and remainder.

    Parameters
    ----------
    a, b : array_like, shapes that broadcast, float

    Returns
    -------
    tuple of Tensor
        ``(a // b, a % b)``; the first is a constant.

    Examples
    --------
    >>> q, r = av.divmod(av.Tensor(7.5), 2.0)
    >>> q.item(), r.item()
    (3.0, 1.5)
    """
    return a // b, remainder(a, b)


# ---------------------------------------------------------------- powers


def _power_a(g, a, b):
    unit = (a == 0) & (b == 0)  # the derivative of x**0 is 0 at 0 too: no 0 * inf
    return g * b * power.inner(a, b - 1 + unit)


def _power_b(g, a, y):
    return g * y * np.log(a + (a == 0))  # 0 at a base of 0


power = op(
    np.power,
    "`a` to the power `b`; the gradients at a base of 0 are 0 with respect to the exponent, and for x**0.",
    vjp={"a": _power_a, "b": _power_b},
    samples=pairs(low=0.3, high=2.0, low_b=-2.0, high_b=3.0, complex_numbers=True),
)
float_power = op(
    np.float_power, "`a` to the power `b`, in float64 at least.",
    vjp={"a": _power_a, "b": _power_b}, samples=pairs(low=0.3, high=2.0, low_b=-2.0, high_b=3.0),
)  # fmt: skip


def _pow_samples():
    x = arrays((2, 3), low=0.3)
    signed = away(arrays((3,), seed=1))
    return [Sample(x, n) for n in (3, -2, 1.5, 0, 4)] + [
        Sample(signed, 3),
        Sample(signed, -3),
        Sample(zeros(2), 3),
        Sample(zeros(2), 0),
        Sample(values(1.5), 3),
        Sample(zeros((0, 2)), 3),
        Sample(arrays((2,), low=0.3, dtype=complex), 3),
        Sample(x.astype(np.float32), 1.5, smooth=False),
    ]


@primitive(
    vjp={"x": lambda g, x, n: g * 0.0 if n == 0 else g * (n * _to_number(x, n - 1))},
    elementwise=True, samples=_pow_samples, name="power_number",
)  # fmt: skip
def _power_number(x, n):
    """`x` to the power of a Python number."""
    return x**n


def _to_number(x, n):
    """``x ** n`` for a Python number, by the cheapest op: also the form for rules."""
    if n == 2:
        return np.square(x)
    if n == 1:
        return x
    if n == 0.5:
        return np.sqrt(x)
    if n == -1 and x.dtype.kind in "fc":
        return np.reciprocal(x)
    return _power_number.inner(x, n)


def _pow_operator(x, n):
    """``x ** n``."""
    if n.__class__ is int or n.__class__ is float:
        if n == 2:
            return square(x)
        if n == 1:
            return positive(x)
        if n == 0.5:
            return sqrt(x)
        if n == -1 and x.dtype.kind in "fc":
            return reciprocal(x)
        return _power_number(x, n)
    return power(x, n)


pow = power
square = op(np.square, "``x * x``.", vjp={"x": lambda g, x: (g + g) * x}, samples=elementwise(complex_numbers=True))
sqrt = op(
    np.sqrt, "The square root. Its derivative at 0 is infinite, as in NumPy.",
    vjp={"x": lambda g, y: g * 0.5 / y}, samples=elementwise(low=0.2, complex_numbers=True),
)  # fmt: skip
cbrt = op(
    np.cbrt, "The cube root.", costly=True, vjp={"x": lambda g, y: g / (3.0 * y * y)}, samples=elementwise(cut=(0.0,))
)

# ---------------------------------------------------------------- exponentials and logarithms

exp = op(
    np.exp,
    "The exponential function.",
    costly=True,
    vjp={"x": lambda g, y: g * y},
    samples=elementwise(complex_numbers=True),
)
exp2 = op(
    np.exp2,
    "2 to the power `x`.",
    costly=True,
    vjp={"x": lambda g, y: g * (LN2 * y)},
    samples=elementwise(complex_numbers=True),
)
expm1 = op(
    np.expm1, "``exp(x) - 1``, exact for small `x`.", costly=True,
    vjp={"x": lambda g, y: g * (y + 1.0)}, samples=elementwise(complex_numbers=True),
)  # fmt: skip
log = op(
    np.log, "The natural logarithm.", costly=True,
    vjp={"x": lambda g, x: g / x}, samples=elementwise(low=0.2, complex_numbers=True),
)  # fmt: skip
log2 = op(
    np.log2, "The logarithm to base 2.", costly=True,
    vjp={"x": lambda g, x: g / (LN2 * x)}, samples=elementwise(low=0.2, complex_numbers=True),
)  # fmt: skip
log10 = op(
    np.log10, "The logarithm to base 10.", costly=True,
    vjp={"x": lambda g, x: g / (LN10 * x)}, samples=elementwise(low=0.2, complex_numbers=True),
)  # fmt: skip
log1p = op(
    np.log1p, "``log(1 + x)``, exact for small `x`.", costly=True,
    vjp={"x": lambda g, x: g / (x + 1.0)}, samples=elementwise(low=-0.8, complex_numbers=True),
)  # fmt: skip


def _less(a, y):
    """``a - y``, and 0 where they are equal: infinite logarithms subtract to 0, not to NaN."""
    return where.inner(a == y, 0.0, a - y)


logaddexp = op(
    np.logaddexp, "``log(exp(a) + exp(b))`` without overflow.",
    vjp={"a": lambda g, a, y: g * np.exp(_less(a, y)), "b": lambda g, b, y: g * np.exp(_less(b, y))}, samples=pairs(),
)  # fmt: skip
logaddexp2 = op(
    np.logaddexp2, "``log2(2**a + 2**b)`` without overflow.",
    vjp={"a": lambda g, a, y: g * np.exp2(_less(a, y)), "b": lambda g, b, y: g * np.exp2(_less(b, y))}, samples=pairs(),
)  # fmt: skip


@primitive(
    np.ldexp, vjp={"x": lambda g, n, x_shape, x_dtype: fit(ldexp.inner(g, n), x_shape, x_dtype)},
    arity=1, linear="each",
    samples=lambda: [
        Sample(arrays((2, 3)), values([1, -2, 0])), Sample(arrays(()), 3), Sample(arrays((1,)), values([[1], [2]]))
    ],
)  # fmt: skip
def ldexp(x, n):
    """``x * 2**n`` for integers `n`.

    Parameters
    ----------
    x : array_like, float
    n : int, or integer array, of a shape that broadcasts with that of `x`

    Returns
    -------
    Tensor

    Examples
    --------
    >>> av.ldexp(av.Tensor(3.0), 2).item()
    12.0
    """
    n = n.array if isinstance(n, Operand) else n
    x = beside(as_array(x), n) if is_array(n) and not is_array(x) else x
    return namespace(x).ldexp(x, beside(n, x) if is_array(n) else n)


# ---------------------------------------------------------------- trigonometric and hyperbolic functions

sin = op(
    np.sin, "The sine.", costly=True, vjp={"x": lambda g, x: g * np.cos(x)}, samples=elementwise(complex_numbers=True)
)
cos = op(
    np.cos,
    "The cosine.",
    costly=True,
    vjp={"x": lambda g, x: -g * np.sin(x)},
    samples=elementwise(complex_numbers=True),
)
tan = op(
    np.tan, "The tangent.", costly=True, vjp={"x": lambda g, y: g * (1.0 + y * y)},
    samples=elementwise(-1.2, 1.2, complex_numbers=True)
)  # fmt: skip
arcsin = asin = op(
    np.arcsin, "The inverse sine, in radians.", costly=True,
    vjp={"x": lambda g, x: g / np.sqrt(1.0 - x * x)}, samples=elementwise(-0.8, 0.8, complex_numbers=True),
)  # fmt: skip
arccos = acos = op(
    np.arccos, "The inverse cosine, in radians.", costly=True,
    vjp={"x": lambda g, x: -g / np.sqrt(1.0 - x * x)}, samples=elementwise(-0.8, 0.8, complex_numbers=True),
)  # fmt: skip
arctan = atan = op(
    np.arctan, "The inverse tangent, in radians.", costly=True,
    vjp={"x": lambda g, x: g / (1.0 + x * x)}, samples=elementwise(complex_numbers=True),
)  # fmt: skip


def _over_squares(g, p, a, b):
    """``g * p / (a**2 + b**2)``, and 0 where both are 0."""
    squares = a * a + b * b
    return g * p / (squares + (squares == 0))


arctan2 = atan2 = op(
    np.arctan2, "The angle of the point (`b`, `a`), in radians; the gradients at (0, 0) are 0.",
    vjp={"a": lambda g, a, b: _over_squares(g, b, a, b), "b": lambda g, a, b: -_over_squares(g, a, a, b)},
    samples=pairs(cut=(0.0,), cut_b=(0.0,)),
)  # fmt: skip
hypot = op(
    np.hypot, "``sqrt(a**2 + b**2)`` without overflow; the gradients at (0, 0) are 0.",
    vjp={"a": lambda g, a, y: g * a / (y + (y == 0)), "b": lambda g, b, y: g * b / (y + (y == 0))},
    samples=pairs(cut=(0.0,), cut_b=(0.0,)),
)  # fmt: skip
deg2rad = op(np.deg2rad, "Degrees to radians.", vjp={"x": lambda g: g * (pi / 180)}, samples=elementwise(-90, 90))
radians = op(np.radians, "Degrees to radians.", vjp={"x": lambda g: g * (pi / 180)}, samples=elementwise(-90, 90))
rad2deg = op(np.rad2deg, "Radians to degrees.", vjp={"x": lambda g: g * (180 / pi)}, samples=elementwise())
degrees = op(np.degrees, "Radians to degrees.", vjp={"x": lambda g: g * (180 / pi)}, samples=elementwise())
sinh = op(
    np.sinh,
    "The hyperbolic sine.",
    costly=True,
    vjp={"x": lambda g, x: g * np.cosh(x)},
    samples=elementwise(complex_numbers=True),
)
cosh = op(
    np.cosh,
    "The hyperbolic cosine.",
    costly=True,
    vjp={"x": lambda g, x: g * np.sinh(x)},
    samples=elementwise(complex_numbers=True),
)


def _tanh_x(g, y):
    c = g * y
    c *= y
    return g - c


tanh = op(
    np.tanh, "The hyperbolic tangent.", costly=True,
    vjp={"x": _tanh_x}, methods="tanh", samples=elementwise(-1.5, 1.5, complex_numbers=True),
)  # fmt: skip
arcsinh = asinh = op(
    np.arcsinh, "The inverse hyperbolic sine.", costly=True,
    vjp={"x": lambda g, x: g / np.sqrt(x * x + 1.0)}, samples=elementwise(complex_numbers=True),
)  # fmt: skip
arccosh = acosh = op(
    np.arccosh, "The inverse hyperbolic cosine.", costly=True,
    vjp={"x": lambda g, x: g / (np.sqrt(x - 1.0) * np.sqrt(x + 1.0))},
    samples=elementwise(1.2, 3.0, complex_numbers=True),
)  # fmt: skip
arctanh = atanh = op(
    np.arctanh, "The inverse hyperbolic tangent.", costly=True,
    vjp={"x": lambda g, x: g / (1.0 - x * x)}, samples=elementwise(-0.8, 0.8, complex_numbers=True),
)  # fmt: skip


def _sinc_vjp(g, x, y):
    """The derivative of sinc; near 0 by its series, where the quotient would lose its digits (8 terms of u < 0.1)."""
    u = pi * x
    near = np.absolute(u) < 0.1
    safe = where.inner(near, 1.0, x)
    far = (np.cos(pi * safe) - where.inner(near, 0.0, y)) / safe
    v = where.inner(near, u, 0.0)
    s = v * v
    series = v * (-1 / 3 + s * (1 / 30 - s * (1 / 840 - s * (1 / 45360)))) * pi
    return g * where.inner(near, series, far)


@primitive(
    np.sinc, vjp={"x": _sinc_vjp}, elementwise=True,
    samples=lambda: [*elementwise()(), Sample(values([0.0, 1e-9, -0.01, 0.0316, 0.033, 1.0]))],
)  # fmt: skip
def sinc(x):
    """``sin(pi x) / (pi x)``, and 1 at 0.

    Parameters
    ----------
    x : array_like, any shape, float

    Returns
    -------
    Tensor

    Examples
    --------
    >>> av.sinc(av.Tensor(np.array([0.0, 0.5]))).numpy().round(4).tolist()
    [1.0, 0.6366]
    """
    return namespace(x).sinc(x)


# ---------------------------------------------------------------- the larger, the smaller, one or the other


def _won(g, a, b):
    """`g` where `a` is larger, half of it where they are equal: PyTorch's choice."""
    return g * (a > b) + (g * 0.5) * (a == b)


def _won_over_nan(g, a, b):
    return g * ((a > b) | (b != b)) + (g * 0.5) * (a == b)


TIES = "Where both are equal each gets half of the gradient."
maximum = op(
    np.maximum, f"The larger of `a` and `b`; NaN if either is. {TIES}",
    vjp={"a": lambda g, a, b: _won(g, a, b), "b": lambda g, a, b: _won(g, b, a)}, samples=pairs(),
)  # fmt: skip
minimum = op(
    np.minimum, f"The smaller of `a` and `b`; NaN if either is. {TIES}",
    vjp={"a": lambda g, a, b: _won(g, b, a), "b": lambda g, a, b: _won(g, a, b)}, samples=pairs(),
)  # fmt: skip
fmax = op(
    np.fmax, f"The larger of `a` and `b`, or the one that is not NaN. {TIES}",
    vjp={"a": lambda g, a, b: _won_over_nan(g, a, b), "b": lambda g, a, b: _won_over_nan(g, b, a)}, samples=pairs(),
)  # fmt: skip
fmin = op(
    np.fmin, f"The smaller of `a` and `b`, or the one that is not NaN. {TIES}",
    vjp={"a": lambda g, a, b: _won_over_nan(g, -a, -b), "b": lambda g, a, b: _won_over_nan(g, -b, -a)}, samples=pairs(),
)  # fmt: skip


def _where_samples():
    mask = values([[True, False, True], [False, False, True]])
    z = arrays((2, 3), dtype=complex)
    return [
        Sample(mask, *arrays((2, 3), (2, 3))),
        Sample(mask, *arrays((3,), ())),
        Sample(mask[0], *arrays((2, 1), (3,))),
        Sample(mask, arrays((2, 3)), 0.0),
        Sample(values(True), 1.5, arrays((2,))),
        Sample(zeros((0, 3), bool), zeros((0, 3)), 1.0),
        Sample(mask, z, arrays((2, 3))),
        Sample(mask, arrays((2, 3)).astype(np.float32), 0.5, smooth=False),
    ]


@primitive(
    vjp={
        "a": lambda g, condition: where.inner(condition, g, 0.0),
        "b": lambda g, condition: where.inner(condition, 0.0, g),
    },
    elementwise=True, samples=_where_samples, name="where",
)  # fmt: skip
def _select(condition, a, b):
    """`a` where `condition` holds, else `b`."""
    return namespace(leading(condition, a, b)).where(condition, a, b)


@composed(np.where, samples=_where_samples)
def where(condition, x=None, y=None) -> Tensor:
    """Choose from `x` where `condition` holds, and from `y` elsewhere.

    Parameters
    ----------
    condition : array_like, bool
        A constant: no gradient passes through it.
    x, y : array_like, shapes that broadcast with that of `condition`
        The gradient reaches only what was chosen: an infinite derivative on the other side does no harm here, but the
        ops before it may have turned it into NaN (``where(x > 0, log(where(x > 0, x, 1)), 0)`` is the way round).

    Returns
    -------
    Tensor
        Without `x` and `y` a tuple of integer Tensors: where `condition` is nonzero.

    Raises
    ------
    TypeError
        If only one of `x` and `y` is given.

    Examples
    --------
    >>> x = av.Tensor(np.array([-1.0, 2.0]))
    >>> av.where(x > 0, x, 0.0).numpy().tolist()
    [0.0, 2.0]
    """
    if x is None or y is None:
        if x is not y:
            raise TypeError("where takes both x and y, or neither")
        from .constants import nonzero

        return nonzero(condition)  # type: ignore[return-value]  # NumPy's second function of that name
    if condition.dtype.kind != "b" if hasattr(condition, "dtype") else condition.__class__ is not bool:
        condition = condition != 0 if isinstance(condition, Operand) else placed(condition).astype(bool)
    return _select(condition, x, y)


where.inner = _select.inner


def _select_samples():
    x = arrays((2, 3))
    return [
        Sample([x > 1, x < 0], [arrays((2, 3), seed=1), arrays((3,), seed=2)], 0.5),
        Sample([x > 0], [arrays((2, 3), seed=1)]),
    ]


@registry.for_numpy(np.select, samples=_select_samples)
def _choose(condlist, choicelist, default=0) -> Tensor:
    """For each element the first choice whose condition holds."""
    if len(condlist) != len(choicelist) or not len(condlist):
        raise ValueError(f"select: {len(condlist)} conditions for {len(choicelist)} choices")
    y = default
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        if as_array(condition.array if isinstance(condition, Operand) else condition).dtype.kind != "b":
            raise TypeError("select: conditions must be arrays of bools")
        y = where(condition, choice, y)
    return y


def _clip_samples():
    x = away(arrays((3, 4), low=-3, high=3), (-1.0, 1.5))
    return [
        Sample(x, -1.0, 1.5),
        Sample(x, values([-1.0, -1.2, -0.5, -1.1]), values([[1.5]] * 3)),
        Sample(x[::2].T, -1.0, values(1.5)),
        Sample(x[0], values([[-1.0], [-1.2]]), 1.5),
        Sample(x.astype(np.float32), -1.0, 1.5, smooth=False),
        Sample(zeros((0, 2)), 0.0, 1.0),
    ]


@primitive(
    vjp={
        "x": lambda g, x, low, high: g * ((x >= low) & (x <= high)),
        "low": lambda g, x, low, high: g * ((x < low) & (low <= high)),
        "high": lambda g, x, low, high: g * ((x > high) | (low > high)),
    },
    elementwise=True, samples=_clip_samples, name="clip",
)  # fmt: skip
def _clip(x, low, high):
    """`x` held between `low` and `high`."""
    return x.clip(low, high)


@composed(np.clip, methods="clip", samples=_clip_samples)
def clip(a, a_min=None, a_max=None, out=None, *, min=None, max=None) -> Tensor:
    """Hold values between two bounds.

    Parameters
    ----------
    a : array_like, float
    a_min, a_max (also min, max) : array_like or None
        The bounds, of shapes that broadcast with `a`; None means no bound. Bounds may be Tensors and get gradients.
    out : None
        Not supported.

    Returns
    -------
    Tensor

    Notes
    -----
    The gradient passes where ``a_min <= a <= a_max``, bounds included, as in PyTorch.

    Examples
    --------
    >>> av.clip(av.Tensor(np.array([-2.0, 0.5, 2.0])), -1.0, 1.0).numpy().tolist()
    [-1.0, 0.5, 1.0]
    """
    if out is not None:
        raise TypeError("clip: out= is not supported for Tensors; use the Tensor that it returns")
    low, high = a_min if min is None else min, a_max if max is None else max
    if low is None and high is None:
        return positive(a)
    if low is None or high is None:
        dtype = a.dtype if hasattr(a, "dtype") else as_array(a).dtype
        limits = np.iinfo(dtype) if dtype.kind in "iu" else None
        low = (-np.inf if limits is None else int(limits.min)) if low is None else low
        high = (np.inf if limits is None else int(limits.max)) if high is None else high
    return _clip(a, low, high)


@composed(
    np.nan_to_num, samples=lambda: [Sample(arrays((3, 2))), Sample(arrays(())), Sample(arrays((4, 6))[::2, ::-2])]
)
def nan_to_num(x, copy=True, nan=0.0, posinf=None, neginf=None) -> Tensor:
    """Replace NaN by a number, and infinities by large finite ones; the gradient there is 0.

    Parameters
    ----------
    x : array_like, float
    copy : bool
        Without meaning here: the result is always new.
    nan, posinf, neginf : float
        What to put in their place; by default 0 and the largest numbers of the dtype.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> av.nan_to_num(av.Tensor(np.array([np.nan, 1.0]))).numpy().tolist()
    [0.0, 1.0]
    """
    x = x if isinstance(x, Operand) else positive(x)
    a = x.array
    xp = namespace(a)
    return where(xp.isfinite(a), x, xp.nan_to_num(a, nan=nan, posinf=posinf, neginf=neginf))


# ---------------------------------------------------------------- complex numbers
# Rules give the transposed Jacobian without conjugation: for real u, v in z = u + iv the gradient is (d/du - i d/dv).


def _as_complex(g, dtype):
    return g if dtype.kind != "c" else g.astype(dtype)


conjugate = conj = op(
    np.conjugate, "The complex conjugate.",
    vjp={"x": lambda g: np.conjugate(g)}, jvp={"x": lambda t: np.conjugate(t)},
    methods="conj conjugate", samples=elementwise(complex_numbers=True),
)  # fmt: skip


def _complex_samples():
    return [Sample(arrays((2, 3))), *(Sample(arrays(s, dtype=complex, low=0.2)) for s in ((2, 3), (), (0, 2)))]


@primitive(
    np.real, vjp={"val": lambda g, val_dtype: _as_complex(g, val_dtype)}, jvp={"val": lambda t: t.real},
    view=True, elementwise=True, samples=_complex_samples,
)  # fmt: skip
def real(val):
    """The real part, also as ``t.real``.

    Parameters
    ----------
    val : array_like, any shape, float or complex

    Returns
    -------
    Tensor

    Examples
    --------
    >>> av.real(av.Tensor(1.0 + 2.0j)).item()
    1.0
    """
    return val.real


@primitive(
    np.imag, vjp={"val": lambda g, val_dtype: g * -1j if val_dtype.kind == "c" else g * 0.0},
    jvp={"val": lambda t: t.imag},
    view=True, elementwise=True, samples=_complex_samples,
)  # fmt: skip
def imag(val):
    """The imaginary part, also as ``t.imag``.

    Parameters
    ----------
    val : array_like, any shape, float or complex

    Returns
    -------
    Tensor

    Examples
    --------
    >>> av.imag(av.Tensor(1.0 + 2.0j)).item()
    2.0
    """
    y = val.imag
    return y if val.dtype.kind == "c" and val.size else y.copy()  # nothing of another array is left in it


def _angle_vjp(g, z, deg):
    if z.dtype.kind != "c":
        return g * 0.0
    u, v = z.real, z.imag
    squares = u * u + v * v
    return g * (-1j * (180 / pi if deg else 1.0)) * z.conj() / (squares + (squares == 0))


@primitive(
    np.angle, vjp={"z": _angle_vjp}, arity=1, samples=_complex_samples,
)  # fmt: skip
def angle(z, deg=False):
    """The angle of complex numbers, in radians (degrees with `deg`); the gradient at 0 is 0.

    Parameters
    ----------
    z : array_like, any shape, float or complex
    deg : bool, default False

    Returns
    -------
    Tensor

    Examples
    --------
    >>> av.angle(av.Tensor(1.0j), deg=True).item()
    90.0
    """
    return namespace(z).angle(z, deg)


@composed(np.modf, samples=lambda: [Sample(arrays((3, 2), low=1.1, high=1.9))])
def modf(x) -> tuple[Tensor, Tensor]:
    """The fractional and the integral part (a constant).

    Parameters
    ----------
    x : array_like, any shape, float

    Returns
    -------
    tuple of Tensor

    Examples
    --------
    >>> [t.item() for t in av.modf(av.Tensor(-1.5))]
    [-0.5, -1.0]
    """
    from .constants import trunc

    whole = trunc(x)
    return subtract(x, whole), whole


install("__pow__", _pow_operator)
install("__rpow__", lambda self, other: power(other, self))
install("__rdivmod__", lambda self, other: divmod(other, self))
install("real", property(real, doc="The real part."))
install("imag", property(imag, doc="The imaginary part."))
