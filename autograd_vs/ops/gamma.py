"""The derivative of gamma-distributed numbers with respect to the parameter of their distribution. Floor 2.

A number `z` drawn from Gamma(alpha) belongs to a level `u` of the distribution function, ``F(alpha, z) = u``. Held at
that level it moves with alpha by ``dz/dalpha = -(dF/dalpha) / (dF/dz)``: implicit reparameterisation. Here it is
``r = dl/dalpha`` with ``l = log(z)``, because `z` itself underflows for small alpha. With the digamma function ``psi``

    dF/dalpha = integral of t**(alpha - 1) exp(-t) (log(t) - psi(alpha)) / Gamma(alpha) over t from 0 to z,

the same with the other sign over t from z to infinity, and ``t = z exp(v)``

    r = integral of exp(alpha v - z (exp(v) - 1)) (l - psi(alpha) + v) over v from 0 to -infinity or to +infinity.

Both are equal. To -infinity where ``l < psi(alpha)``, to +infinity elsewhere, the integrand keeps its sign, so nothing
cancels, and it falls at least like a bell: a Gauss-Legendre rule up to where ``exp`` has fallen to ``exp(-FALL)`` has
11 correct digits. For small `z` the power series of the first integral takes its place. In this form the derivatives
with respect to alpha and l, of every order, are of the same kind (`_slope_ell`), so gradients of gradients exist, too.

Reference: M. Figurnov, S. Mohamed, A. Mnih, "Implicit reparameterization gradients", NeurIPS 2018.
"""

from math import comb, factorial, log

import numpy as np

from ..base.backend import namespace
from ..base.dtypes import refuse_complex
from ..engine.declare import primitive
from ..engine.samples import Sample, arrays, values

__all__ = ["gamma_at_level", "gamma_slope", "polygamma"]

# The positive nodes of the Gauss-Legendre rule of 24 points on [-1, 1], and their weights.
NODES = (
    (0.06405689286260563, 0.12793819534675202), (0.1911188674736163, 0.12583745634682825),
    (0.3150426796961634, 0.1216704729278033), (0.4337935076260451, 0.11550566805372552),
    (0.5454214713888396, 0.10744427011596556), (0.6480936519369755, 0.09761865210411393),
    (0.7401241915785544, 0.0861901615319532), (0.820001985973903, 0.07334648141108016),
    (0.8864155270044011, 0.05929858491543636), (0.9382745520027328, 0.04427743881741941),
    (0.9747285559713095, 0.02853138862893356), (0.9951872199970213, 0.01234122979998869),
)  # fmt: skip
FALL = 37.0
SMALL = 2.0  # up to this z the series is used
TERMS = 26  # of it: 2**26 / 26! is 2e-19
BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6)


# ---------------------------------------------------------------- polygamma


def _psi(x, n):
    """The n-th derivative of digamma in float64, for x > 0: its recurrence up to 12, its asymptotic series there."""
    y = 0.0
    f = (-1.0) ** n * factorial(n)
    for _ in range(12):
        low = x < 12.0
        y = y - low * (f / x ** (n + 1))
        x = x + low
    if n == 0:
        s = np.log(x) - 0.5 / x
    else:
        s = -f / n / x**n - 0.5 * f / x ** (n + 1)
    square, power = 1.0 / (x * x), 1.0 / x**n
    for k, b in enumerate(BERNOULLI, 1):
        power = power * square
        s = s - ((-1.0) ** n * b * factorial(2 * k + n - 1) / factorial(2 * k)) * power
    return y + s


@primitive(
    vjp={"x": lambda g, x, n: g * polygamma.inner(x, n + 1)}, elementwise=True, name="gamma_psi",
    samples=lambda: [
        *[Sample(arrays((2, 3), low=0.5, high=20.0), n) for n in (0, 1, 2)],
        Sample(arrays((), low=0.5)),
        Sample(arrays((4, 3), low=0.5)[::2].T, 0),
        Sample(arrays((0, 2))),
        Sample(arrays((2, 3), low=0.5, high=20.0).astype(np.float32), 1, smooth=False),
    ],
)  # fmt: skip
def polygamma(x, n=0):
    """The n-th derivative of the digamma function, for positive `x`."""
    refuse_complex("gamma_psi", x)
    return _psi(x.astype(np.float64), n).astype(x.dtype)


# ---------------------------------------------------------------- the slope


def _integral(alpha, ell, n):
    """The n-th derivative of r, for z >= 2, by the integral."""
    z = np.exp(ell)
    levels = [-_psi(alpha, j) for j in range(n + 1)]
    levels[0] = ell + levels[0]
    sign = 1.0 - 2.0 * (levels[0] < 0.0)
    away = sign * (z - alpha)
    # Newton's method for where z (exp(v) - 1) - alpha v is FALL: the left side is convex in v, so that from the second
    # step on it comes from the far side, and never stops too early. At first a bell, or the least slope.
    end = ((away * away + (2.0 * FALL) * z) ** 0.5 - away) / z
    end = np.maximum(end, (sign < 0.0) * (FALL / alpha))
    for _ in range(5):
        v = sign * end
        end = end - (z * np.expm1(v) - alpha * v - FALL) / (sign * (z * np.exp(v) - alpha))
    half = sign * (0.5 * end)
    total = 0.0
    for node, weight in NODES:
        for x in (1.0 - node, 1.0 + node):
            v = half * x
            p = v + levels[0]  # Leibniz' rule, by Horner's
            for j in range(1, n + 1):
                p = p * v + comb(n, j) * levels[j]
            total = total + weight * np.exp(alpha * v - z * np.expm1(v)) * p
    return total * half


def _series(alpha, ell, n):
    """The n-th derivative of r, for z <= 2, by the power series in z.

    ``r = -exp(z) ((l - psi(alpha + 1)) A + B)``, A the sum of ``(-z)**k / k! / (alpha + k)``, and B that of
    ``(-z)**k / k! (1 / (alpha (alpha + k)) - 1 / (alpha + k)**2)`` from k = 1 on: psi(alpha + 1) - 1 / alpha stands for
    psi(alpha), and the large terms of small alpha are gone.
    """
    z = np.exp(ell)
    levels = [-_psi(alpha + 1.0, j) for j in range(n + 1)]
    levels[0] = ell + levels[0]
    f = [(-1.0) ** m * factorial(m) for m in range(n + 2)]  # the m-th derivative of 1 / x is f[m] / x**(m + 1)
    first = f[n] / alpha ** (n + 1)
    a, b, factor = [0.0] * (n + 1), 0.0, 1.0
    for k in range(TERMS):
        inverse = 1.0 / (alpha + k)
        for m in range(n + 1):
            a[m] = a[m] + factor * (f[m] * inverse ** (m + 1))
        if k:
            last = f[n] * inverse ** (n + 1)
            b = b + factor * ((first - last) / k + f[n + 1] * inverse ** (n + 2))
        factor = factor * z * (-1.0 / (k + 1))
    return -np.exp(z) * (b + sum(comb(n, j) * levels[j] * a[n - j] for j in range(n + 1)))


def _slope_ell(g, alpha, ell, y, n):
    """By ``dr/dl = psi(alpha) - l + (z - alpha) r``, differentiated n times for alpha."""
    slope = polygamma.inner(alpha, n) + (np.exp(ell) - alpha) * y
    if n == 0:
        return g * (slope - ell)
    return g * (slope - gamma_slope.inner(alpha, ell, n - 1) * float(n))


def _slope_samples():
    def pair(*shapes, low=0.5, seed=0):
        alpha, ell = arrays(*shapes, low=low, high=6.0, seed=seed)
        return alpha, values(ell * 0.6 - 1.5)

    return [
        *[Sample(*pair((3, 4), (3, 4)), n) for n in (0, 1, 2)],
        Sample(*pair((), ()), 0),
        Sample(*pair((2, 1), (3,)), 0),
        Sample(*pair((0, 2), (0, 2)), 0),
        Sample(*[x[::2].T for x in pair((4, 3), (4, 3))], 0),
        Sample(*[x.astype(np.float32) for x in pair((2, 3), (2, 3))], 0, smooth=False),
    ]


@primitive(
    vjp={"alpha": lambda g, alpha, ell, n: g * gamma_slope.inner(alpha, ell, n + 1), "ell": _slope_ell},
    elementwise=True, samples=_slope_samples,
)  # fmt: skip
def gamma_slope(alpha, ell, n=0):
    """How the logarithm `ell` of a gamma-distributed number moves with alpha; its n-th derivative for alpha."""
    refuse_complex("gamma_slope", alpha, ell)
    dtype = np.result_type(alpha.dtype, ell.dtype)
    alpha, ell = alpha.astype(np.float64), ell.astype(np.float64)
    edge = log(SMALL)
    small = _series(alpha, np.minimum(ell, edge), n)
    large = _integral(alpha, np.maximum(ell, edge), n)
    return namespace(ell).where(ell < edge, small, large).astype(dtype)


def _moves(g, alpha, y):
    return g * gamma_slope.inner(alpha, y)


@primitive(vjp={"alpha": _moves}, jvp={"alpha": _moves})
def gamma_at_level(alpha, ell):
    """`ell`, the logarithm of a number drawn from Gamma(alpha), that moves with alpha at its level."""
    return ell
