"""The error function, and the normal distribution function in both precisions. Floor 2."""

from math import pi, sqrt

import numpy as np

from ..base.backend import kernel, namespace
from ..base.dtypes import refuse_complex
from ..engine.declare import primitive
from ..engine.samples import elementwise

__all__ = ["erf", "erfc", "phi"]

_SMALL = (
    (
        1.85777706184603153e-1,
        3.16112374387056560e0,
        1.13864154151050156e2,
        3.77485237685302021e2,
        3.20937758913846947e3,
    ),
    (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3),
)
_MIDDLE = (
    (
        2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594e0, 6.61191906371416295e1,
        2.98635138197400131e2, 8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3,
        1.23033935479799725e3,
    ),
    (
        1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2, 1.62138957456669019e3,
        3.29079923573345963e3, 4.36261909014324716e3, 3.43936767414372164e3, 1.23033935480374942e3,
    ),
)  # fmt: skip
_LARGE = (
    (1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1, 1.25781726111229246e-1,
     1.60837851487422766e-2, 6.58749161529837803e-4),
    (1.0, 2.56852019228982242e0, 1.87295284992346725e0, 5.27905102951428412e-1, 6.05183413124413191e-2,
     2.33520497626869185e-3),
)  # fmt: skip


def _ratio(coefficients, t):
    """The quotient of two polynomials, highest power first."""
    above, below = coefficients
    p, q = above[0], below[0]
    for a, b in zip(above[1:], below[1:], strict=True):
        p, q = p * t + a, q * t + b
    return p / q


def _erfc_tail(a):
    """``erfc(a)`` for ``a > 0.46875``."""
    xp = namespace(a)
    if xp is not np:  # a mask as an index would wait for the device
        b = np.maximum(a, 4.0)
        t = 1.0 / (b * b)
        far = (1.0 / sqrt(pi) - t * _ratio(_LARGE, t)) / b
        return _squared_away(xp.where(a > 4.0, far, _ratio(_MIDDLE, np.minimum(a, 4.0))), a)
    y = xp.empty(a.shape, a.dtype)
    far = a > 4.0
    near = a <= 4.0
    b = a[near]
    y[near] = _ratio(_MIDDLE, b)
    b = a[far]
    t = 1.0 / (b * b)
    y[far] = (1.0 / sqrt(pi) - t * _ratio(_LARGE, t)) / b
    return _squared_away(y, a)


def _squared_away(y, a):
    """``y * exp(-a * a)`` without the rounding error of ``a * a``."""
    coarse = np.trunc(a * 16.0) / 16.0
    return y * np.exp(-coarse * coarse) * np.exp((coarse - a) * (coarse + a))


@kernel
def _erf(x, complement):
    refuse_complex("erfc" if complement else "erf", x)
    x = x.astype(np.float64) if x.dtype.itemsize != 8 or x.dtype.kind != "f" else x
    a = np.absolute(x)
    xp = namespace(x)
    small = a <= 0.46875
    if xp is not np:
        b = np.minimum(np.maximum(x, -0.46875), 0.46875)
        part = b * _ratio(_SMALL, b * b)
        tail = _erfc_tail(np.minimum(np.maximum(a, 0.46875), 40.0))
        large = (1.0 - np.sign(x)) + np.sign(x) * tail if complement else np.sign(x) * (1.0 - tail)
        return xp.where(small, 1.0 - part if complement else part, large)
    y = xp.empty(x.shape, x.dtype)
    b = x[small]
    part = b * _ratio(_SMALL, b * b)
    y[small] = 1.0 - part if complement else part
    large = a > 0.46875
    b = x[large]
    tail = _erfc_tail(np.minimum(np.absolute(b), 40.0))
    y[large] = (1.0 - np.sign(b)) + np.sign(b) * tail if complement else np.sign(b) * (1.0 - tail)
    y[x != x] = float("nan")
    return y


@primitive(
    vjp={"x": lambda g, x: g * (np.exp(-x * x) * (2.0 / sqrt(pi)))}, elementwise=True, samples=elementwise(-3.0, 3.0)
)
def erf(x):
    """The error function, to the last digit or two in float64.

    Parameters
    ----------
    x : array_like, float

    Returns
    -------
    Tensor

    References
    ----------
    W. J. Cody, "Rational Chebyshev approximations for the error function", Math. Comp. 23 (1969).

    Examples
    --------
    >>> round(erf(Tensor(1.0)).item(), 12)
    0.84270079295
    """
    return _erf(x, False).astype(x.dtype if x.dtype.kind == "f" else np.float64, copy=False)


@primitive(
    vjp={"x": lambda g, x: g * (np.exp(-x * x) * (-2.0 / sqrt(pi)))}, elementwise=True, samples=elementwise(-3.0, 3.0)
)
def erfc(x):
    """``1 - erf(x)``, accurate for large `x`.

    Parameters
    ----------
    x : array_like, float

    Returns
    -------
    Tensor

    References
    ----------
    W. J. Cody, "Rational Chebyshev approximations for the error function", Math. Comp. 23 (1969).

    Examples
    --------
    >>> f"{erfc(Tensor(10.0)).item():.6e}"
    '2.088488e-45'
    """
    return _erf(x, True).astype(x.dtype if x.dtype.kind == "f" else np.float64, copy=False)


# erf in float32: one quotient of polynomials in x * x on [-4, 4] (the one that Eigen and XLA use), error below 4e-7
_ABOVE = (
    -2.72614225801306e-10, 2.77068142495902e-08, -2.10102402082508e-06, -5.69250639462346e-05, -7.34990630326855e-04,
    -2.95459980854025e-03, -1.60960333262415e-02,
)  # fmt: skip
_BELOW = (
    -1.45660718464996e-05,
    -2.13374055278905e-04,
    -1.68282697438203e-03,
    -7.37332916720468e-03,
    -1.42647390514189e-02,
)


def _polynomial(coefficients, t):
    p = coefficients[0]
    for c in coefficients[1:]:
        p = p * t + c
    return p


def phi(x):
    """The distribution function of the standard normal distribution, of a bare array."""
    if x.dtype.itemsize > 4 or x.dtype.kind != "f":
        return 0.5 * _erf(x * -sqrt(0.5), True)
    z = np.minimum(np.maximum(x * sqrt(0.5), -4.0), 4.0)
    t = z * z
    return 0.5 + (0.5 * z) * _polynomial(_ABOVE, t) / _polynomial(_BELOW, t)
