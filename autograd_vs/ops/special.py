"""`scipy.special`: gamma, Bessel and error functions, entropies, their kin. Floor 2; needs SciPy, loaded at first use.

The values are SciPy's (on CuPy arrays `cupyx.scipy.special`'s, which lacks some: NotImplementedError says so). SciPy's
own functions reach these ops as NumPy's do, if they are ufuncs. What exists here already under another name is not
written twice: `expit` is `nn.sigmoid`, `erf` is `nn.erf`.
"""

from math import log as _ln
from math import pi, sqrt
from math import prod as _product
from operator import index
from typing import Any

import numpy as np

from ..base.backend import leading, namespace, special, special_function
from ..engine import registry
from ..engine.cotangent import bare
from ..engine.declare import composed, primitive
from ..engine.op import constant, op
from ..engine.samples import Sample, arrays, away, elementwise, pairs, values, zeros
from ..engine.tensor import Tensor, as_tensor, tensor_of
from .activations import log_softmax as _log_softmax
from .activations import sigmoid, softplus
from .activations import softmax as _softmax
from .constants import rint
from .elementwise import cbrt, exp2, expm1, log1p, power, sinc, where
from .erf import erf, erfc
from .reduce import logsumexp as _logsumexp
from .shape import axes_of, expand_dims
from .smooth import log_sigmoid

__all__ = [
    "airy", "beta", "betainc", "betaincc", "betainccinv", "betaincinv", "betaln", "binom", "boxcox", "boxcox1p", "cbrt",
    "comb", "cosdg", "cosm1", "cotdg", "dawsn", "digamma", "entr", "erf", "erfc", "erfcinv", "erfcx", "erfi", "erfinv",
    "exp1", "exp2", "exp10", "expi", "expit", "expm1", "expn", "exprel", "fresnel", "gamma", "gammainc", "gammaincc",
    "gammainccinv", "gammaincinv", "gammaln", "gammasgn", "huber", "hyp1f1", "hyp2f1", "i0", "i0e", "i1", "i1e",
    "inv_boxcox", "inv_boxcox1p", "iv", "ive", "j0", "j1", "jn", "jv", "k0", "k0e", "k1", "k1e", "kl_div", "kn", "kv",
    "kve", "lambertw", "log1p", "log_expit", "log_ndtr", "log_softmax", "loggamma", "logit", "logsumexp",
    "multigammaln", "ndtr", "ndtri", "ndtri_exp", "owens_t", "poch", "polygamma", "pseudo_huber", "psi", "rel_entr",
    "rgamma", "sinc", "sindg", "softmax", "softplus", "stdtr", "stdtrit", "tandg", "wrightomega", "xlog1py", "xlogy",
    "y0", "y1", "yn", "yv", "zeta",
]  # fmt: skip

sp = special()
LN10, DEGREE = _ln(10.0), pi / 180.0

# ---------------------------------------------------------------- declaring


def _ufunc(name):
    """SciPy's ufunc; `scipy.special` has a wrapper in its place where SCIPY_ARRAY_API is set. None if it is too old."""
    return getattr(getattr(sp, "_ufuncs", sp), name, None) or getattr(sp, name, None)


DOCSTRING = """{summary}

    It is `scipy.special.{name}`, recorded by tapes; SciPy's own function does the same for Tensors.

    Parameters
    ----------
    {names} : array_like, {shape}, {dtype}{constants}

    Returns
    -------
    Tensor

    Examples
    --------
    >>> import scipy.special
    >>> x = np.array({at})
    >>> np.allclose(av.special.{name}({before}av.Tensor(x)), scipy.special.{name}({before}x))
    True
    """


def _special(
    name,
    names,
    summary,
    vjp,
    samples,
    *,
    before="",
    at="[0.25, 0.5]",
    op_name=None,
    complex_numbers=False,
):
    """Declare a ufunc of SciPy's; the example of its docstring has the arguments `before` and, last, `at`."""

    def forward(*args):
        return _run(name, args, complex_numbers)

    # the rules know the arguments by their names
    forward = eval(f"lambda {names}: forward({names})", {"forward": forward})
    wanted = names.split(", ")
    missing = " and ".join(f"`{n}`" for n in wanted if n not in vjp)
    forward.__doc__ = DOCSTRING.format(
        summary=summary, name=name, names=names, before=before, at=at,
        shape="any shape" if len(wanted) == 1 else "shapes that broadcast",
        dtype="float or complex" if complex_numbers else "float",
        constants=f"\n        There is no gradient with respect to {missing}." if missing else "",
    )  # fmt: skip
    return op(_ufunc(name), forward=forward, name=op_name or name, vjp=vjp, elementwise=True, samples=samples)


def _run(name, args, complex_numbers=False):
    """A special function of bare arrays, in their dtype: some of them compute in double precision only.

    Of nothing but Python numbers (a forward rule may ask for that) it is one itself, so that float32 stays float32.
    """
    dtypes = [a.dtype for a in args if hasattr(a, "dtype")]
    if not dtypes:
        return special_function(name, None)(*args).item()
    dtype = dtypes[0] if len(dtypes) == 1 else np.result_type(*dtypes)
    if dtype.kind == "c" and not complex_numbers:
        raise TypeError(f"scipy.special.{name}: there is no gradient for complex numbers here, got {dtype}")
    like = leading(*args)
    try:
        y = special_function(name, like)(*args)
    except NotImplementedError:
        if name not in _LOWER or args[0].__class__ is not float or args[0] != 2.0:
            raise
        y = _order_two(name, like)
    return y.astype(dtype) if dtype.kind == "f" and y.dtype != dtype and y.dtype.kind == "f" else y


_LOWER = {"jv": ("j0", "j1", 1.0), "iv": ("i0", "i1", -1.0), "ive": ("i0e", "i1e", -1.0)}


def _order_two(name, x):
    """The Bessel function of order 2, of the orders 0 and 1, for a library that lacks the general one."""
    zeroth, first, sign = _LOWER[name]
    x = x.astype(np.float64)  # the two parts nearly cancel
    zero = x == 0
    return sign * (2.0 * _run(first, (x,)) / (x + zero) - _run(zeroth, (x,)) * ~zero)


def _whole(name, what, n):
    """The Python integer that `n` is."""
    try:
        return int(n) if isinstance(n, float) and n.is_integer() else index(n)
    except TypeError:
        raise TypeError(f"{name}: {what} is an integer, got {n!r}") from None


def _of_order(*orders, low=-3.0, high=3.0, cut=()):
    """Samples of a function of an order, or of several parameters, and an array."""

    def samples():
        first, *others = [order if isinstance(order, tuple) else (order,) for order in orders]
        # (no float32: SciPy itself gives float64 for some functions of a Python number and a float32 array)
        found = [Sample(*first, *s.args) for s in elementwise(low, high, cut)() if s.smooth]
        return found + [Sample(*order, *found[0].args[len(order) :]) for order in others]

    return samples


def _sum(coefficients, t):
    """A polynomial, lowest power first."""
    y = coefficients[-1]
    for c in coefficients[-2::-1]:
        y = y * t + c
    return y


# ---------------------------------------------------------------- the gamma function and its kin

gammaln = _special(
    "gammaln", "x", "The logarithm of the absolute value of the gamma function.",
    {"x": lambda g, x: g * digamma.inner(x)}, elementwise(0.3, 4.0),
)  # fmt: skip
loggamma = _special(
    "loggamma", "x", "The principal branch of the logarithm of the gamma function.",
    {"x": lambda g, x: g * digamma.inner(x)},
    lambda: [*elementwise(0.3, 4.0)(), Sample(arrays((2, 3), low=0.3, dtype=complex), order=1)],
    complex_numbers=True,
)  # fmt: skip
digamma = psi = _special(
    "psi", "x", "The digamma function, the derivative of `gammaln`.",
    {"x": lambda g, x: g * polygamma.inner(1.0, x)}, elementwise(0.3, 4.0), complex_numbers=True,
)  # fmt: skip


def _gamma_samples():
    left, complex_ones = values([-0.5, -1.4]), arrays((2, 3), low=0.3, dtype=complex)
    return [*elementwise(0.5, 4.0)(), Sample(left), Sample(complex_ones, order=1)]


gamma = _special(
    "gamma", "x", "The gamma function.",
    {"x": lambda g, x, y: g * y * digamma.inner(x)},
    _gamma_samples,
    complex_numbers=True,
)  # fmt: skip
rgamma = _special(
    "rgamma", "x", "The reciprocal of the gamma function.",
    {"x": lambda g, x, y: -g * y * digamma.inner(x)},
    _gamma_samples,
    complex_numbers=True,
)  # fmt: skip


@primitive(
    vjp={"x": lambda g, n, x: g * polygamma.inner(n + 1.0, x)}, elementwise=True,
    samples=lambda: [*_of_order(1, 0, 2, low=0.5, high=4.0)(), Sample(1, values([-0.5, -1.4]))],
)  # fmt: skip
def polygamma(n, x):
    """The n-th derivative of the digamma function.

    Parameters
    ----------
    n : int, or array of integers
        There is no gradient with respect to `n`.
    x : array_like, float
        Of a shape that broadcasts with that of `n`.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> round(av.special.polygamma(1, av.Tensor(1.0)).item() * 6 / np.pi**2, 12)
    1.0
    """
    if x.dtype.kind == "c":
        raise TypeError(f"scipy.special.polygamma: there are no values for complex numbers, got {x.dtype}")
    xp = namespace(x)
    n = n if hasattr(n, "dtype") else xp.asarray(n, dtype=x.dtype)
    y = special_function("polygamma", x)(n, x)
    dtype = np.result_type(n.dtype, x.dtype)
    return y.astype(dtype) if dtype.kind == "f" and y.dtype != dtype else y


@composed(home="special", samples=lambda: [Sample(arrays((2, 3), low=1.2, high=4.0), 3), Sample(values(2.5), 1)])
def multigammaln(a, d) -> Tensor:
    """The logarithm of the multivariate gamma function.

    Parameters
    ----------
    a : array_like, float
        Above ``(d - 1) / 2``.
    d : int
        The number of dimensions, positive.

    Returns
    -------
    Tensor

    Raises
    ------
    TypeError, ValueError
        If `d` is no positive integer; ValueError also if `a` is too small.

    Examples
    --------
    >>> np.allclose(av.special.multigammaln(av.Tensor(2.5), 1), av.special.gammaln(2.5))
    True
    """
    a, d = as_tensor(a), _whole("multigammaln", "d, the number of dimensions,", d)
    if d < 1:
        raise ValueError(f"multigammaln: d, the number of dimensions, is positive, got {d}")
    if a.dtype.kind != "f":
        a = a.astype(np.float64)
    if (a.array <= 0.5 * (d - 1)).any():
        raise ValueError(f"multigammaln: a must be above (d - 1) / 2 = {0.5 * (d - 1)}")
    steps = namespace(a.array).arange(d, dtype=a.dtype) * 0.5
    return gammaln(expand_dims(a, -1) - steps).sum(-1) + d * (d - 1) * 0.25 * _ln(pi)


gammasgn = constant(_ufunc("gammasgn"), forward=lambda x: special_function("gammasgn", x)(x))
beta = _special(
    "beta", "a, b", "The beta function.",
    {
        "a": lambda g, a, b, y: g * y * (digamma.inner(a) - digamma.inner(a + b)),
        "b": lambda g, a, b, y: g * y * (digamma.inner(b) - digamma.inner(a + b)),
    },
    pairs(0.5, 3.0), before="1.5, ",
)  # fmt: skip
betaln = _special(
    "betaln", "a, b", "The logarithm of the absolute value of the beta function.",
    {
        "a": lambda g, a, b: g * (digamma.inner(a) - digamma.inner(a + b)),
        "b": lambda g, a, b: g * (digamma.inner(b) - digamma.inner(a + b)),
    },
    pairs(0.5, 3.0), before="1.5, ",
)  # fmt: skip
binom = _special(
    "binom", "n, k", "The binomial coefficient for real arguments.",
    {
        "n": lambda g, n, k, y: g * y * (digamma.inner(n + 1.0) - digamma.inner(n - k + 1.0)),
        "k": lambda g, n, k, y: g * y * (digamma.inner(n - k + 1.0) - digamma.inner(k + 1.0)),
    },
    pairs(3.0, 6.0, 0.2, 2.5), before="3.0, ",
)  # fmt: skip
poch = _special(
    "poch", "a, b", "The Pochhammer symbol, ``gamma(a + b) / gamma(a)``.",
    {
        "a": lambda g, a, b, y: g * y * (digamma.inner(a + b) - digamma.inner(a)),
        "b": lambda g, a, b, y: g * y * digamma.inner(a + b),
    },
    pairs(0.5, 3.0, -0.2, 2.0), before="1.5, ",
)  # fmt: skip


@composed(home="special", samples=lambda: [Sample(arrays((3,), low=3.0, high=5.0), arrays((3,), low=0.3, seed=1))])
def comb(N, k, *, exact=False, repetition=False) -> Tensor:
    """The number of ways to take `k` of `N` things, for real arguments: 0 unless ``0 <= k <= N``.

    Parameters
    ----------
    N, k : array_like, shapes that broadcast, float
    exact : False
        Integers of any length are not Tensors.
    repetition : bool, default False
        The same thing may be taken again: ``comb(N + k - 1, k)``.

    Returns
    -------
    Tensor

    Raises
    ------
    TypeError
        With ``exact=True``.

    Examples
    --------
    >>> comb(av.Tensor(5.0), 2.0).item()
    10.0
    """
    if exact:
        raise TypeError("comb: exact=True gives Python integers, which have no gradient: use scipy.special.comb")
    if repetition:
        return comb(N + k - 1, k)
    y = binom(N, k)
    N, k = bare(as_tensor(N)), bare(as_tensor(k))
    return where((0 <= k) & (k <= N), y, 0.0)


def _beta_density(a, b, x):
    """``x**(a - 1) * (1 - x)**(b - 1) / beta(a, b)``."""
    return np.exp(xlogy.inner(a - 1.0, x) + xlog1py.inner(b - 1.0, -x) - betaln.inner(a, b))


def _gamma_density(a, x):
    """``x**(a - 1) * exp(-x) / gamma(a)``."""
    return np.exp(xlogy.inner(a - 1.0, x) - x - gammaln.inner(a))


_of_two = ((0.5, 1.5), (2.0, 3.0), (1.0, 1.0))
betainc = _special(
    "betainc", "a, b, x", "The regularized incomplete beta function.",
    {"x": lambda g, a, b, x: g * _beta_density(a, b, x)}, _of_order(*_of_two, low=0.1, high=0.9), before="1.5, 2.0, ",
)  # fmt: skip
betaincc = _special(
    "betaincc", "a, b, x", "One minus `betainc`.",
    {"x": lambda g, a, b, x: -g * _beta_density(a, b, x)}, _of_order(*_of_two, low=0.1, high=0.9), before="1.5, 2.0, ",
)  # fmt: skip
betaincinv = _special(
    "betaincinv", "a, b, p", "The inverse of `betainc` with respect to `x`.",
    {"p": lambda g, a, b, y: g / _beta_density(a, b, y)}, _of_order(*_of_two, low=0.2, high=0.8), before="1.5, 2.0, ",
)  # fmt: skip
betainccinv = _special(
    "betainccinv", "a, b, p", "The inverse of `betaincc` with respect to `x`.",
    {"p": lambda g, a, b, y: -g / _beta_density(a, b, y)}, _of_order(*_of_two, low=0.2, high=0.8), before="1.5, 2.0, ",
)  # fmt: skip
gammainc = _special(
    "gammainc", "a, x", "The regularized lower incomplete gamma function.",
    {"x": lambda g, a, x: g * _gamma_density(a, x)}, _of_order(1.5, 1.0, 3.0, low=0.3, high=4.0), before="1.5, ",
)  # fmt: skip
gammaincc = _special(
    "gammaincc", "a, x", "The regularized upper incomplete gamma function, one minus `gammainc`.",
    {"x": lambda g, a, x: -g * _gamma_density(a, x)}, _of_order(1.5, 1.0, 3.0, low=0.3, high=4.0), before="1.5, ",
)  # fmt: skip
gammaincinv = _special(
    "gammaincinv", "a, p", "The inverse of `gammainc` with respect to `x`.",
    {"p": lambda g, a, y: g / _gamma_density(a, y)}, _of_order(1.5, 3.0, low=0.2, high=0.8), before="1.5, ",
)  # fmt: skip
gammainccinv = _special(
    "gammainccinv", "a, p", "The inverse of `gammaincc` with respect to `x`.",
    {"p": lambda g, a, y: -g / _gamma_density(a, y)}, _of_order(1.5, 3.0, low=0.2, high=0.8), before="1.5, ",
)  # fmt: skip


@primitive(
    vjp={"q": lambda g, x, q: -g * x * zeta.inner(x + 1.0, q)}, elementwise=True,
    samples=_of_order(2.0, 3.5, low=0.5, high=3.0), name="zeta",
)  # fmt: skip
def _zeta(x, q):
    """The Hurwitz zeta function."""
    return _run("zeta", (x, q))


@composed(home="special", samples=_of_order(2.0, 3.5, low=0.5, high=3.0))
def zeta(x, q=1.0) -> Tensor:
    """The Hurwitz zeta function, the sum of ``(k + q)**-x`` over ``k >= 0``; with ``q=1`` Riemann's.

    Parameters
    ----------
    x : array_like, float
        Above 1. There is no gradient with respect to `x`.
    q : array_like, float, default 1.0

    Returns
    -------
    Tensor

    Examples
    --------
    >>> round(av.special.zeta(2.0).item() * 6 / np.pi**2, 12)
    1.0
    """
    return _zeta(x, q)


zeta.inner = _zeta.inner

# ---------------------------------------------------------------- Bessel functions
# Orders have no simple derivative. Where a rule needs the order 2 it says 2.0, a Python number: see `_order_two`.


def _right(*orders):
    """Samples on the right of the pole at 0."""
    return _of_order(*orders, low=0.5, high=4.0)


j0 = _special(
    "j0", "x", "The Bessel function of the first kind of order 0.",
    {"x": lambda g, x: -g * j1.inner(x)}, elementwise(-3.0, 5.0),
)  # fmt: skip
j1 = _special(
    "j1", "x", "The Bessel function of the first kind of order 1.",
    {"x": lambda g, x: g * (0.5 * (j0.inner(x) - jv.inner(2.0, x)))}, elementwise(-3.0, 5.0),
)  # fmt: skip
jv = jn = _special(
    "jv", "v, x", "The Bessel function of the first kind of real order.",
    {"x": lambda g, v, x: g * (0.5 * (jv.inner(v - 1.0, x) - jv.inner(v + 1.0, x)))}, _right(2, 0, 1.5), before="1.5, ",
)  # fmt: skip
y0 = _special(
    "y0", "x", "The Bessel function of the second kind of order 0.",
    {"x": lambda g, x: -g * y1.inner(x)}, elementwise(0.5, 5.0),
)  # fmt: skip
y1 = _special(
    "y1", "x", "The Bessel function of the second kind of order 1.",
    {"x": lambda g, x, y: g * (y0.inner(x) - y / x)}, elementwise(0.5, 5.0),
)  # fmt: skip
yn = _special(
    "yn", "n, x", "The Bessel function of the second kind of integer order.",
    {"x": lambda g, n, x: g * (0.5 * (yn.inner(n - 1, x) - yn.inner(n + 1, x)))}, _right(2, 0, 1), before="2, ",
)  # fmt: skip
yv = _special(
    "yv", "v, x", "The Bessel function of the second kind of real order.",
    {"x": lambda g, v, x: g * (0.5 * (yv.inner(v - 1.0, x) - yv.inner(v + 1.0, x)))}, _right(2, 0, 1.5), before="1.5, ",
)  # fmt: skip
i0 = _special(
    "i0", "x", "The modified Bessel function of the first kind of order 0.",
    {"x": lambda g, x: g * i1.inner(x)}, elementwise(), op_name="special.i0",
)  # fmt: skip
i1 = _special(
    "i1", "x", "The modified Bessel function of the first kind of order 1.",
    {"x": lambda g, x: g * (0.5 * (i0.inner(x) + iv.inner(2.0, x)))}, elementwise(),
)  # fmt: skip
iv = _special(
    "iv", "v, x", "The modified Bessel function of the first kind of real order.",
    {"x": lambda g, v, x: g * (0.5 * (iv.inner(v - 1.0, x) + iv.inner(v + 1.0, x)))}, _right(2, 0, 1.5), before="1.5, ",
)  # fmt: skip
i0e = _special(
    "i0e", "x", "``exp(-abs(x)) * i0(x)``.",
    {"x": lambda g, x, y: g * (i1e.inner(x) - np.sign(x) * y)}, elementwise(cut=(0.0,)),
)  # fmt: skip
i1e = _special(
    "i1e", "x", "``exp(-abs(x)) * i1(x)``.",
    {"x": lambda g, x, y: g * (0.5 * (i0e.inner(x) + ive.inner(2.0, x)) - np.sign(x) * y)}, elementwise(cut=(0.0,)),
)  # fmt: skip
ive = _special(
    "ive", "v, x", "``exp(-abs(x)) * iv(v, x)``.",
    {"x": lambda g, v, x, y: g * (0.5 * (ive.inner(v - 1.0, x) + ive.inner(v + 1.0, x)) - np.sign(x) * y)},
    _right(2, 0, 1.5), before="1.5, ",
)  # fmt: skip
k0 = _special(
    "k0", "x", "The modified Bessel function of the second kind of order 0.",
    {"x": lambda g, x: -g * k1.inner(x)}, elementwise(0.5, 4.0),
)  # fmt: skip
k1 = _special(
    "k1", "x", "The modified Bessel function of the second kind of order 1.",
    {"x": lambda g, x, y: -g * (k0.inner(x) + y / x)}, elementwise(0.5, 4.0),
)  # fmt: skip
k0e = _special("k0e", "x", "``exp(x) * k0(x)``.", {"x": lambda g, x, y: g * (y - k1e.inner(x))}, elementwise(0.5, 4.0))
k1e = _special(
    "k1e", "x", "``exp(x) * k1(x)``.",
    {"x": lambda g, x, y: g * (y - k0e.inner(x) - y / x)}, elementwise(0.5, 4.0),
)  # fmt: skip
kn = _special(
    "kn", "n, x", "The modified Bessel function of the second kind of integer order.",
    {"x": lambda g, n, x: g * (-0.5 * (kn.inner(n - 1, x) + kn.inner(n + 1, x)))}, _right(2, 0, 1), before="2, ",
)  # fmt: skip
kv = _special(
    "kv", "v, x", "The modified Bessel function of the second kind of real order.",
    {"x": lambda g, v, x: g * (-0.5 * (kv.inner(v - 1.0, x) + kv.inner(v + 1.0, x)))}, _right(2, 0, 1.5),
    before="1.5, ",
)  # fmt: skip
kve = _special(
    "kve", "v, x", "``exp(x) * kv(v, x)``.",
    {"x": lambda g, v, x, y: g * (y - 0.5 * (kve.inner(v - 1.0, x) + kve.inner(v + 1.0, x)))}, _right(2, 0, 1.5),
    before="1.5, ",
)  # fmt: skip


def _airy(part, derivative):
    name = ("ai", "ai_slope", "bi", "bi_slope")[part]
    return op(
        forward=lambda x: special_function("airy", x)(x)[part], name=f"airy_{name}", vjp={"x": derivative},
        elementwise=True, samples=elementwise(-3.0, 2.0),
    )  # fmt: skip


_ai, _ai_slope = _airy(0, lambda g, x: g * _ai_slope.inner(x)), _airy(1, lambda g, x: g * x * _ai.inner(x))
_bi, _bi_slope = _airy(2, lambda g, x: g * _bi_slope.inner(x)), _airy(3, lambda g, x: g * x * _bi.inner(x))


@composed(_ufunc("airy"), home="special", samples=elementwise(-3.0, 2.0))
def airy(x) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The Airy functions and their derivatives.

    Parameters
    ----------
    x : array_like, any shape, float

    Returns
    -------
    tuple of Tensor
        ``(Ai, Ai', Bi, Bi')``.

    Examples
    --------
    >>> ai, *_ = av.special.airy(av.Tensor(0.0))
    >>> round(ai.item(), 6)
    0.355028
    """
    return _ai(x), _ai_slope(x), _bi(x), _bi_slope(x)


# ---------------------------------------------------------------- error functions, the normal distribution

# From here on series stand in for differences that would lose as many digits as the square of this has.
FAR, FAR_LEFT = 15.0, -50.0
_ASYMPTOTIC = [_product(range(1, 2 * k + 2, 2)) / 2.0**k for k in range(12)]  # of 1 / (2 x**2), DLMF 7.12.1
_ALTERNATING = [(-1) ** k * c for k, c in enumerate(_ASYMPTOTIC)]


def _erfcx_vjp(g, x, y):
    near = 2.0 * (x * y) - 2.0 / sqrt(pi)
    if x.dtype.kind == "c":
        return g * near
    far = x > FAR
    t = np.reciprocal(where.inner(far, x, 1.0))
    t = t * t
    return g * where.inner(far, (-1.0 / sqrt(pi)) * t * _sum(_ALTERNATING, t), near)


def _dawsn_vjp(g, x, y):
    near = 1.0 - 2.0 * (x * y)
    if x.dtype.kind == "c":
        return g * near
    far = np.absolute(x) > FAR
    t = np.reciprocal(where.inner(far, x, 1.0))
    t = t * t
    return g * where.inner(far, -0.5 * t * _sum(_ASYMPTOTIC, t), near)


def _with_complex(low, high):
    return lambda: [*elementwise(low, high)(), Sample(arrays((2, 3), low=0.2, high=1.2, dtype=complex))]


erfcx = _special(
    "erfcx", "x", "``exp(x**2) * erfc(x)``.", {"x": _erfcx_vjp}, _with_complex(-2.0, 4.0), complex_numbers=True
)
erfi = _special(
    "erfi", "x", "The imaginary error function, ``-1j * erf(1j * x)``.",
    {"x": lambda g, x: g * (np.exp(x * x) * (2.0 / sqrt(pi)))}, _with_complex(-1.5, 1.5), complex_numbers=True,
)  # fmt: skip
dawsn = _special("dawsn", "x", "Dawson's integral.", {"x": _dawsn_vjp}, _with_complex(-3.0, 3.0), complex_numbers=True)
erfinv = _special(
    "erfinv", "x", "The inverse of `erf`.",
    {"x": lambda g, y: g * (np.exp(y * y) * (0.5 * sqrt(pi)))}, elementwise(-0.8, 0.8),
)  # fmt: skip
erfcinv = _special(
    "erfcinv", "x", "The inverse of `erfc`.",
    {"x": lambda g, y: g * (np.exp(y * y) * (-0.5 * sqrt(pi)))}, elementwise(0.2, 1.8),
)  # fmt: skip


def _normal_density(x):
    return np.exp(-0.5 * (x * x)) * (1.0 / sqrt(2.0 * pi))


def _mills_vjp(g, x, y):
    """``-y * (x + y)``; far to the left ``x + y`` by its series in 1/x."""
    far = x < FAR_LEFT
    w = -np.reciprocal(where.inner(far, x, -1.0))
    series = w * _sum((1.0, -2.0, 10.0, -74.0, 706.0), w * w)
    return -g * y * where.inner(far, series, x + y)


@primitive(vjp={"x": _mills_vjp}, elementwise=True, name="normal_hazard", samples=elementwise(-4.0, 3.0))
def _hazard(x):
    """The density of the standard normal distribution over its distribution function, the slope of `log_ndtr`."""
    return sqrt(2.0 / pi) / _run("erfcx", (x * -sqrt(0.5),))


ndtr = _special(
    "ndtr", "x", "The distribution function of the standard normal distribution.",
    {"x": lambda g, x: g * _normal_density(x)}, elementwise(-3.0, 3.0),
)  # fmt: skip
log_ndtr = _special(
    "log_ndtr", "x", "The logarithm of `ndtr`, accurate far to the left.",
    {"x": lambda g, x: g * _hazard.inner(x)}, elementwise(-4.0, 3.0),
)  # fmt: skip
ndtri = _special(
    "ndtri", "p", "The inverse of `ndtr`.",
    {"p": lambda g, y: g * (np.exp(0.5 * (y * y)) * sqrt(2.0 * pi))}, elementwise(0.1, 0.9),
)  # fmt: skip
ndtri_exp = _special(
    "ndtri_exp", "x", "The inverse of `log_ndtr`.", {"x": lambda g, y: g / _hazard.inner(y)}, elementwise(-4.0, -0.2),
    at="[-0.5, -0.25]",
)  # fmt: skip


def _owens_h(g, h, a):
    return g * _normal_density(h) * (-0.5 * erf.inner(a * h * sqrt(0.5)))


def _owens_a(g, h, a):
    s = 1.0 + a * a
    return g * np.exp(-0.5 * (h * h * s)) / s * (0.5 / pi)


owens_t = _special("owens_t", "h, a", "Owen's T function.", {"h": _owens_h, "a": _owens_a}, pairs(), before="1.5, ")


def _t_density(df, t):
    return np.exp(-0.5 * (df + 1.0) * np.log1p(t * t / df) - betaln.inner(0.5 * df, 0.5)) / np.sqrt(df)


stdtr = _special(
    "stdtr", "df, t", "The distribution function of Student's t distribution.",
    {"t": lambda g, df, t: g * _t_density(df, t)}, _of_order(2.5, 1.0, 10.0), before="2.5, ",
)  # fmt: skip
stdtrit = _special(
    "stdtrit", "df, p", "The inverse of `stdtr` with respect to `t`.",
    {"p": lambda g, df, y: g / _t_density(df, y)}, _of_order(2.5, 1.0, 10.0, low=0.2, high=0.8), before="2.5, ",
)  # fmt: skip


def _fresnel(part, derivative):
    return op(
        forward=lambda x: special_function("fresnel", x)(x)[part], name=f"fresnel_{'sc'[part]}",
        vjp={"x": lambda g, x: g * derivative(x * x * (0.5 * pi))}, elementwise=True, samples=elementwise(),
    )  # fmt: skip


_fresnel_s, _fresnel_c = _fresnel(0, np.sin), _fresnel(1, np.cos)


@composed(_ufunc("fresnel"), home="special", samples=elementwise())
def fresnel(x) -> tuple[Tensor, Tensor]:
    """The Fresnel integrals: of ``sin(pi t**2 / 2)`` and ``cos(pi t**2 / 2)`` from 0 to `x`.

    Parameters
    ----------
    x : array_like, any shape, float

    Returns
    -------
    tuple of Tensor

    Examples
    --------
    >>> s, c = av.special.fresnel(av.Tensor(np.inf))
    >>> s.item(), c.item()
    (0.5, 0.5)
    """
    return _fresnel_s(x), _fresnel_c(x)


# ---------------------------------------------------------------- logistic functions, entropies, losses

expit = sigmoid
logit = _special(
    "logit", "x", "The logarithm of the odds, ``log(x / (1 - x))``.",
    {"x": lambda g, x: g / (x * (1.0 - x))}, elementwise(0.1, 0.9),
)  # fmt: skip
log_expit = log_sigmoid


def _both_zero(a, b):
    """Where ``a * log(b)`` is 0 by definition."""
    return (a == 0) & (b == 0)


xlogy = _special(
    "xlogy", "a, b", "``a * log(b)``, and 0 where `a` is 0; where both are 0 the gradients are 0, too.",
    {
        "a": lambda g, a, b: g * np.log(b + _both_zero(a, b)),
        "b": lambda g, a, b: g * (a / (b + _both_zero(a, b))),
    },
    lambda: [*pairs(-2.0, 2.0, 0.3, 2.0)(), Sample(values([0.0, 0.5]), values([0.5, 2.0]))], before="1.5, ",
)  # fmt: skip
xlog1py = _special(
    "xlog1py", "a, b", "``a * log1p(b)``, and 0 where `a` is 0; where `b` is -1, too, the gradients are 0.",
    {
        "a": lambda g, a, b: g * np.log1p(b + _both_zero(a, b + 1.0)),
        "b": lambda g, a, b: g * (a / (1.0 + b + _both_zero(a, b + 1.0))),
    },
    lambda: [*pairs(-2.0, 2.0, -0.7, 2.0)(), Sample(values([0.0, 0.5]), values([0.5, 2.0]))], before="1.5, ",
)  # fmt: skip
entr = _special(
    "entr", "x", "The entropy of an element, ``-x * log(x)``; 0 at 0, where the gradient is infinite.",
    {"x": lambda g, x: -g * (np.log(x) + 1.0)}, elementwise(0.2, 2.0),
)  # fmt: skip
rel_entr = _special(
    "rel_entr", "a, b", "The relative entropy of elements, ``a * log(a / b)``.",
    {
        "a": lambda g, a, b: g * (np.log(a / b) + 1.0),
        "b": lambda g, a, b: -g * (a / (b + _both_zero(a, b))),
    },
    pairs(0.3, 2.0), before="1.5, ",
)  # fmt: skip
kl_div = _special(
    "kl_div", "a, b", "The Kullback-Leibler divergence of elements, ``a * log(a / b) - a + b``.",
    {
        "a": lambda g, a, b: g * np.log(a / b),
        "b": lambda g, a, b: g * (1.0 - a / (b + _both_zero(a, b))),
    },
    pairs(0.3, 2.0), before="1.5, ",
)  # fmt: skip


def _huber_samples():
    r = away(arrays((2, 3), seed=1), (-1.0, 1.0))
    delta = values([0.5, 1.0, 1.5])
    near = [away(r, (-d, d)) for d in (0.5, 1.5)]
    return [
        Sample(values(1.0), r), Sample(1.0, r), Sample(delta[:, None], values([0.1, -0.8, 1.2, -1.8])),
        Sample(delta, values(-0.7)), Sample(values(0.5), values(0.7)), Sample(values(0.5), near[0].T),
        Sample(1.5, near[1][:, ::2]), Sample(zeros((0, 3)), delta), Sample(1.0, r.astype(np.float32), smooth=False),
    ]  # fmt: skip


def _huber_delta(g, delta, r):
    above = np.absolute(r) - delta
    return g * above * (above > 0)


def _pseudo_huber_delta(g, delta, r):
    q = r / delta
    q = q * q
    s = np.sqrt(1.0 + q)
    above = q / (s + 1.0)  # s - 1
    return g * delta * above * above / s


def _pseudo_huber_r(g, delta, r):
    q = r / delta
    return g * r / np.sqrt(1.0 + q * q)


huber = _special(
    "huber", "delta, r", "Huber's loss: ``r**2 / 2`` up to `delta`, and linear from there on.",
    {"delta": _huber_delta, "r": lambda g, delta, r: g * np.sign(r) * np.minimum(np.absolute(r), delta)},
    _huber_samples, before="0.4, ", op_name="special.huber",
)  # fmt: skip
pseudo_huber = _special(
    "pseudo_huber", "delta, r", "The smooth Huber loss, ``delta**2 * (sqrt(1 + (r / delta)**2) - 1)``.",
    {"delta": _pseudo_huber_delta, "r": _pseudo_huber_r}, pairs(0.5, 2.0, -2.0, 2.0), before="0.4, ",
)  # fmt: skip


def _over(function, x, axis):
    """SciPy's softmax and log_softmax are over all elements by default."""
    return function(x, tuple(range(x.ndim)) if axis is None else axis)


@composed(home="special", samples=lambda: [Sample(arrays((2, 3))), Sample(arrays((2, 3)), 0), Sample(arrays(()))])
def softmax(x, axis=None) -> Tensor:
    """``exp(x) / sum(exp(x))`` over all elements or along axes.

    Parameters
    ----------
    x : array_like, float
    axis : int or tuple of int, optional
        All by default, as in SciPy; `nn.softmax` takes the last one.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> av.special.softmax(av.Tensor(np.zeros((2, 2)))).tolist()
    [[0.25, 0.25], [0.25, 0.25]]
    """
    return _over(_softmax, as_tensor(x), axis)


@composed(home="special", samples=lambda: [Sample(arrays((2, 3))), Sample(arrays((2, 3)), 0), Sample(arrays(()))])
def log_softmax(x, axis=None) -> Tensor:
    """The logarithm of `softmax`.

    Parameters
    ----------
    x : array_like, float
    axis : int or tuple of int, optional
        All by default, as in SciPy; `nn.log_softmax` takes the last one.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> av.special.log_softmax(av.Tensor(np.array([1e4, 0.0]))).tolist()
    [0.0, -10000.0]
    """
    return _over(_log_softmax, as_tensor(x), axis)


_LARGEST = {2: 11.0, 4: 88.0, 8: 709.0}  # exp() stays finite up to here, by the size of a number in bytes


def _logsumexp_samples():
    x, b = arrays((2, 3, 4)), arrays((2, 3, 4), low=0.2, seed=1)
    return [
        Sample(x), Sample(x, 1, keepdims=True), Sample(x, (0, 2), b), Sample(x, None, b), Sample(x, -1, b[0]),
        Sample(x, 1, b, True), Sample(arrays(()), None, values(0.5)), Sample(x, 1, -b, return_sign=True),
        Sample(x, 0, return_sign=True), Sample(x.astype(np.float32), 1, b.astype(np.float32), smooth=False),
    ]  # fmt: skip


@composed(home="special", samples=_logsumexp_samples)
def logsumexp(a, axis=None, b=None, keepdims=False, return_sign=False) -> Any:
    """``log(sum(b * exp(a)))`` over all elements or along axes, without overflow.

    Parameters
    ----------
    a : array_like, float
    axis : int or tuple of int, optional
    b : array_like, float, of a shape that broadcasts with that of `a`, optional
        Factors; they may be negative or 0, and get gradients.
    keepdims : bool, default False
    return_sign : bool, default False
        Also return the sign of the sum, and the logarithm of its modulus. Without it a negative sum gives NaN.

    Returns
    -------
    Tensor, or a pair of Tensors

    Raises
    ------
    TypeError
        For complex numbers.

    Examples
    --------
    >>> y, sign = av.special.logsumexp(av.Tensor(np.array([1e4, 1e4])), b=np.array([1.0, -2.0]), return_sign=True)
    >>> y.item(), sign.item()
    (10000.0, -1.0)
    """
    a = as_tensor(a)
    if a.dtype.kind in "biu":
        a = a.astype(np.float64)
    if b is None and not return_sign and a.dtype.kind == "f":
        return _logsumexp(a, axis, keepdims)
    xp = namespace(a.array)
    b = 1.0 if b is None else b
    b = tensor_of(xp.asarray(b, dtype=a.dtype)) if b.__class__ in (int, float) else as_tensor(b)
    if "c" in (a.dtype.kind, b.dtype.kind):
        raise TypeError("logsumexp: complex numbers are not supported for Tensors; write av.log(av.sum(b * av.exp(a)))")
    # The largest exponent that counts is taken out: the value does not depend on it, so it is a constant.
    zero = b.array == 0
    top = xp.where(zero, -np.inf, a.array).max(axis=axis, keepdims=True)
    top = xp.where(xp.isfinite(top), top, 0).astype(a.dtype)
    z = a - top
    limit = _LARGEST.get(a.dtype.itemsize, 709.0)
    z = where(zero & (z.array > limit), limit, z)  # factors of 0 may stand beside exponents of any size
    s = (b * np.exp(z)).sum(axis, keepdims=True)
    nothing = s.array == 0
    y = where(nothing, -np.inf, np.log(np.abs(where(nothing, 1.0, s)))) + top
    sign = np.sign(s)
    if not return_sign:
        y = where(s.array < 0, np.nan, y)
    if not keepdims:
        axes = axes_of(axis, s.ndim)
        shape = [n for i, n in enumerate(s.shape) if i not in axes]
        y, sign = y.reshape(shape), sign.reshape(shape)
    return (y, sign) if return_sign else y


# ---------------------------------------------------------------- exponentials, powers, angles


def _exprel_vjp(g, x, y):
    """``(exp(x) - y) / x``; near 0 by its series, where the quotient would lose its digits."""
    near = np.absolute(x) < 0.1
    far = (np.exp(x) - y) / where.inner(near, 1.0, x)
    return g * where.inner(near, _sum(_EXPREL, where.inner(near, x, 0.0)), far)


_EXPREL = [1.0 / 2, 1.0 / 3, 1.0 / 8, 1.0 / 30, 1.0 / 144, 1.0 / 840, 1.0 / 5760, 1.0 / 45360, 1.0 / 403200]


exprel = _special(
    "exprel", "x", "``expm1(x) / x``, and 1 at 0.", {"x": _exprel_vjp},
    lambda: [*elementwise()(), Sample(values([0.0, 1e-9, -0.01, 0.098, 0.102]))],
)  # fmt: skip
exp10 = _special("exp10", "x", "10 to the power `x`.", {"x": lambda g, y: g * (LN10 * y)}, elementwise(-1.0, 1.0))
exp1 = _special(
    "exp1", "x", "The exponential integral, of ``exp(-t) / t`` from `x` to infinity.",
    {"x": lambda g, x: -g * np.exp(-x) / x}, _with_complex(0.5, 4.0), complex_numbers=True,
)  # fmt: skip
expi = _special(
    "expi", "x", "The exponential integral, of ``exp(t) / t`` from minus infinity to `x`.",
    {"x": lambda g, x: g * np.exp(x) / x}, _with_complex(0.5, 3.0), complex_numbers=True,
)  # fmt: skip


def _expn_vjp(g, n, x, y):
    """``-expn(n - 1, x)``, which has a closed form up to the order 1 and is not defined below 0."""
    low = n <= 1
    closed = (np.exp(-x) + (1.0 - n) * y) / x
    return -g * where.inner(low, closed, expn.inner((n - 1) * (n > 1), x))


expn = _special(
    "expn", "n, x", "The exponential integral of integer order, of ``exp(-x t) / t**n`` from 1 to infinity.",
    {"x": _expn_vjp}, _right(2, 0, 1, 3), before="2, ",
)  # fmt: skip
boxcox = _special(
    "boxcox", "x, lmbda", "The Box-Cox transform: ``(x**lmbda - 1) / lmbda``, the logarithm where `lmbda` is 0.",
    {
        "x": lambda g, x, lmbda: g * power.inner(x, lmbda - 1.0),
        "lmbda": lambda g, x, lmbda: _boxcox_lmbda(g, np.log(x), lmbda),
    },
    lambda: [*pairs(0.3, 2.0, -2.0, 2.0)(), Sample(values([0.5, 1.5, 2.0]), values([0.0, 1e-9, 0.01]))],
    before="1.5, ",
)  # fmt: skip
boxcox1p = _special(
    "boxcox1p", "x, lmbda", "The Box-Cox transform of ``1 + x``.",
    {
        "x": lambda g, x, lmbda: g * np.exp((lmbda - 1.0) * np.log1p(x)),
        "lmbda": lambda g, x, lmbda: _boxcox_lmbda(g, np.log1p(x), lmbda),
    },
    lambda: [*pairs(-0.7, 2.0, -2.0, 2.0)(), Sample(values([0.5, 1.5, 2.0]), values([0.0, 1e-9, 0.01]))],
    before="1.5, ",
)  # fmt: skip


def _boxcox_lmbda(g, log, lmbda):
    u = lmbda * log
    return _exprel_vjp(g * log * log, u, exprel.inner(u))


def _slope_of_root(x, lmbda):
    """The derivative of ``log1p(lmbda * x) / lmbda`` with respect to `lmbda`; near 0 by its series."""
    u = lmbda * x
    near = np.absolute(u) < 0.02
    v, w = where.inner(near, u, 0.0), where.inner(near, 1.0, u)
    far = (u / (1.0 + u) - np.log1p(u)) / (w * w)
    return x * x * where.inner(near, _sum(_ROOT, v), far)


_ROOT = [-((-1.0) ** k) * (k + 1) / (k + 2) for k in range(10)]

inv_boxcox = _special(
    "inv_boxcox", "x, lmbda", "The inverse of `boxcox`.",
    {
        "x": lambda g, x, lmbda, y: g * y / (1.0 + lmbda * x),
        "lmbda": lambda g, x, lmbda, y: g * y * _slope_of_root(x, lmbda),
    },
    lambda: [*pairs(0.2, 2.0, 0.3, 2.0)(), Sample(values([0.5, -1.5, 2.0]), values([0.0, 1e-9, 0.005]))],
    before="1.5, ",
)  # fmt: skip
inv_boxcox1p = _special(
    "inv_boxcox1p", "x, lmbda", "The inverse of `boxcox1p`.",
    {
        "x": lambda g, x, lmbda, y: g * (y + 1.0) / (1.0 + lmbda * x),
        "lmbda": lambda g, x, lmbda, y: g * (y + 1.0) * _slope_of_root(x, lmbda),
    },
    lambda: [*pairs(0.2, 2.0, 0.3, 2.0)(), Sample(values([0.5, -1.5, 2.0]), values([0.0, 1e-9, 0.005]))],
    before="1.5, ",
)  # fmt: skip
cosm1 = _special(
    "cosm1", "x", "``cos(x) - 1``, exact for small `x`.", {"x": lambda g, x: -g * np.sin(x)}, elementwise()
)
sindg = _special(
    "sindg", "x", "The sine of an angle in degrees.",
    {"x": lambda g, x: g * (DEGREE * cosdg.inner(x))}, elementwise(-180.0, 180.0),
)  # fmt: skip
cosdg = _special(
    "cosdg", "x", "The cosine of an angle in degrees.",
    {"x": lambda g, x: g * (-DEGREE * sindg.inner(x))}, elementwise(-180.0, 180.0),
)  # fmt: skip
tandg = _special(
    "tandg", "x", "The tangent of an angle in degrees.",
    {"x": lambda g, y: g * (DEGREE * (1.0 + y * y))}, elementwise(-60.0, 60.0),
)  # fmt: skip
cotdg = _special(
    "cotdg", "x", "The cotangent of an angle in degrees.",
    {"x": lambda g, y: g * (-DEGREE * (1.0 + y * y))}, elementwise(20.0, 160.0),
)  # fmt: skip

# ---------------------------------------------------------------- hypergeometric functions, Lambert's W

hyp1f1 = _special(
    "hyp1f1", "a, b, x", "The confluent hypergeometric function.",
    {"x": lambda g, a, b, x: g * (a / b) * hyp1f1.inner(a + 1.0, b + 1.0, x)},
    _of_order((0.5, 1.5), (1.0, 2.0), (2.5, 1.2), low=-2.0, high=2.0), before="0.5, 1.5, ",
)  # fmt: skip
hyp2f1 = _special(
    "hyp2f1", "a, b, c, x", "Gauss's hypergeometric function.",
    {"x": lambda g, a, b, c, x: g * (a * b / c) * hyp2f1.inner(a + 1.0, b + 1.0, c + 1.0, x)},
    _of_order((0.5, 1.5, 2.5), (1.0, 1.0, 2.0), low=-0.8, high=0.7), before="0.5, 1.5, 2.5, ",
)  # fmt: skip
wrightomega = _special(
    "wrightomega", "x", "Wright's omega function, the solution of ``y + log(y) == x``.",
    {"x": lambda g, y: g * (y / (1.0 + y))}, _with_complex(-2.0, 2.0), complex_numbers=True,
)  # fmt: skip


def _lambertw_samples():
    return [
        Sample(arrays((2, 3), low=0.2, dtype=complex)), Sample(arrays((), low=0.2, dtype=complex), -1),
        Sample(zeros((0, 2), complex)), Sample(arrays((4, 6), low=0.3, dtype=complex)[::2, ::-2].T, 1),
    ]  # fmt: skip


@primitive(
    vjp={"z": lambda g, y: g * np.exp(-y) / (1.0 + y)}, elementwise=True, name="lambertw", samples=_lambertw_samples
)
def _lambertw(z, k=0, tol=1e-8):
    """Lambert's W of complex numbers."""
    return special_function("lambertw", z)(z, k, tol).astype(z.dtype)


@composed(home="special", samples=lambda: [*_lambertw_samples(), Sample(arrays((2, 3), low=0.2))])
def lambertw(z, k=0, tol=1e-8) -> Tensor:
    """Lambert's W, the solution of ``w * exp(w) == z``, always complex.

    Parameters
    ----------
    z : array_like, float or complex
    k : int, default 0
        The branch.
    tol : float, default 1e-8

    Returns
    -------
    Tensor, complex

    Raises
    ------
    TypeError
        If `k` is not one integer.

    Examples
    --------
    >>> w = av.special.lambertw(av.Tensor(1.0)).real
    >>> round((w * av.exp(w)).item(), 12)
    1.0
    """
    z, k = as_tensor(z), _whole("lambertw", "k, the branch,", k)
    return _lambertw(z if z.dtype.kind == "c" else z.astype(np.result_type(z.dtype, np.complex64)), k, float(tol))


# ---------------------------------------------------------------- SciPy's names for what is here already

_ALREADY = {
    "erf": erf, "erfc": erfc, "expit": sigmoid, "exp2": exp2, "expm1": expm1, "log1p": log1p, "cbrt": cbrt,
    "log_expit": log_sigmoid, "_zeta": zeta, "_lambertw": lambertw,  # behind functions that are no ufuncs
}  # fmt: skip
registry.functions.update({_ufunc(name): call for name, call in _ALREADY.items() if _ufunc(name) is not None})
registry.constants[_ufunc("round")] = rint
