"""`scipy.stats`: densities and distribution functions, under SciPy's names and conventions. Floor 2; needs SciPy.

Each is made of ops, on values without `loc` and `scale`. Outside of the support a density is 0 (its logarithm minus
infinity, its gradient 0), and parameters that SciPy does not allow give NaN, as there.
"""

from collections.abc import Callable
from math import inf, pi
from math import log as _ln
from typing import TYPE_CHECKING

import numpy as np

from ..base.backend import namespace
from ..engine.declare import composed
from ..engine.protocol import Operand, is_recorded
from ..engine.samples import Sample, arrays, values, zeros
from ..engine.tensor import Tensor, as_tensor, tensor_of
from .constants import stop_gradient
from .decompositions import cholesky
from .elementwise import where
from .linalg import solve
from .products import diagonal
from .shape import concatenate, expand_dims
from .special import (
    betainc,
    betaincc,
    betainccinv,
    betaincinv,
    betaln,
    expit,
    gammainc,
    gammaincc,
    gammainccinv,
    gammaincinv,
    gammaln,
    log_expit,
    log_ndtr,
    logit,
    ndtr,
    ndtri,
    poch,
    stdtr,
    stdtrit,
    xlog1py,
    xlogy,
)  # fmt: skip

__all__ = [
    "Distribution", "bernoulli", "beta", "binom", "cauchy", "chi2", "dirichlet", "expon", "gamma", "laplace",
    "logistic", "lognorm", "multivariate_normal", "norm", "poisson", "t", "uniform",
]  # fmt: skip

LOG_2PI = _ln(2.0 * pi)


class Distribution:
    """A family of distributions, like `scipy.stats.norm`: its functions, of Tensors.

    The parameters come after the value, in SciPy's order: the shapes, `loc`, `scale`. All of them may be Tensors, of
    shapes that broadcast, and get gradients; an exception (the shapes in most distribution functions) is a TypeError.

    Parameters
    ----------
    name : str
    summary : str

    Attributes
    ----------
    pdf, logpdf : function
        The density and its logarithm; of discrete distributions `pmf` and `logpmf`.
    cdf, sf, logcdf, logsf : function
        The distribution function, one minus it, and their logarithms.
    ppf, isf : function
        The inverses of `cdf` and `sf`.
    entropy : function
        For multivariate distributions.

    Examples
    --------
    >>> av.stats.norm.cdf(av.Tensor(0.0)).item()
    0.5
    """

    pdf: Callable[..., Tensor]
    logpdf: Callable[..., Tensor]
    pmf: Callable[..., Tensor]
    logpmf: Callable[..., Tensor]
    cdf: Callable[..., Tensor]
    sf: Callable[..., Tensor]
    logcdf: Callable[..., Tensor]
    logsf: Callable[..., Tensor]
    ppf: Callable[..., Tensor]
    isf: Callable[..., Tensor]
    entropy: Callable[..., Tensor]

    def __init__(self, name: str, summary: str) -> None:
        self.name, self.__doc__ = name, summary

    def __repr__(self):
        return f"<distribution {self.name}: {', '.join(sorted(self._functions()))}>"

    def _functions(self):
        return [name for name, value in vars(self).items() if callable(value)]

    def has(self, function, samples, name):
        """Take `function` in, under a name."""
        function.__name__ = function.__qualname__ = name
        composed(home=f"stats.{self.name}", samples=samples)(function)
        setattr(self, name, function)

    if not TYPE_CHECKING:

        def __getattr__(self, name):
            raise AttributeError(
                f"stats.{self.name} has no {name!r} here; it has {', '.join(sorted(self._functions()))}", name=name
            )


# ---------------------------------------------------------------- arguments


def _together(what, given):
    """The arguments as Tensors; Python numbers and integers in the float dtype of the others."""
    given = [x if x.__class__ in (int, float) else as_tensor(x) for x in given]
    operands = [x for x in given if isinstance(x, Operand)]
    dtypes = {x.dtype for x in operands if x.dtype.kind not in "biu"}
    if any(d.kind != "f" for d in dtypes):
        raise TypeError(f"{what}: the arguments are real numbers, got {', '.join(sorted(d.name for d in dtypes))}")
    dtype = np.result_type(*dtypes) if dtypes else np.dtype(np.float64)

    def lifted(x):
        if isinstance(x, Operand):
            return x if x.dtype.kind == "f" else x.astype(dtype)
        return tensor_of(namespace(operands[0].array).asarray(x, dtype=dtype)) if operands else as_tensor(float(x))

    return [lifted(x) for x in given]


def _constant(what, name, x):
    """`x`, which only takes steps: a gradient with respect to it has no meaning."""
    if isinstance(x, Operand) and is_recorded(x):
        raise TypeError(
            f"{what} has no gradient with respect to {name!r}, which takes steps: pass av.stop_gradient({name})"
        )
    return stop_gradient(x)


def _is(value, x):
    return x.__class__ in (int, float) and x == value


def _checked(y, ok):
    """`y`, and NaN where the parameters are not allowed."""
    if ok is None or (namespace(ok) is np and ok.all()):
        return y
    return where(ok, y, np.nan)


def _both(a, b):
    return b if a is None else a if b is None else a & b


def _named(name, parameters, run):
    """The function of a distribution, with a signature of its own."""
    names = ", ".join(p.partition("=")[0] for p in parameters.split(", "))
    call = eval(f"lambda {parameters}: run({names})", {"run": run})
    call.__code__ = call.__code__.replace(co_name=name, co_qualname=name)
    return call


DOCSTRING = """{summary}

    It is `scipy.stats.{distribution}.{name}`, of Tensors.

    Parameters
    ----------
    {parameters} : array_like, shapes that broadcast, float{constants}

    Returns
    -------
    Tensor

    Examples
    --------
    >>> import scipy.stats
    >>> np.allclose(av.stats.{distribution}.{name}({example}), scipy.stats.{distribution}.{name}({example}))
    True
    """
SUMMARIES = {
    "pdf": "The density.",
    "logpdf": "The logarithm of the density.",
    "pmf": "The probability.",
    "logpmf": "The logarithm of the probability.",
    "cdf": "The distribution function: the probability of a value up to `x`.",
    "sf": "The probability of a value above `x`, one minus `cdf`.",
    "logcdf": "The logarithm of `cdf`.",
    "logsf": "The logarithm of `sf`.",
    "ppf": "The inverse of `cdf`: the value that is exceeded with probability ``1 - q``.",
    "isf": "The inverse of `sf`: the value that is exceeded with probability `q`.",
}

# ---------------------------------------------------------------- continuous distributions


# Values below and above the support.
EDGES = {
    "pdf": (0.0, 0.0), "logpdf": (-inf, -inf), "cdf": (0.0, 1.0), "sf": (1.0, 0.0), "logcdf": (-inf, 0.0),
    "logsf": (0.0, -inf),
}  # fmt: skip


class _Continuous:
    """A continuous distribution by its formulas, of values without `loc` and `scale` and the shapes."""

    def __init__(self, name, shapes, support, valid, formulas):
        self.name, self.shapes, self.support, self.valid, self.formulas = name, shapes, support, valid, formulas

    def arguments(self, function, x, shapes, loc, scale):
        """Value, shapes, loc and scale (None where they change nothing), and where they are allowed (None: all)."""
        moved = [None if _is(0, loc) else loc, None if _is(1, scale) else scale]
        what = f"stats.{self.name}.{function}"
        x, *rest = _together(what, [x, *shapes, *(m for m in moved if m is not None)])
        shapes, rest = rest[: len(shapes)], rest[len(shapes) :]
        scale = None if moved[1] is None else rest.pop()
        loc = None if moved[0] is None else rest.pop()
        ok = None if scale is None else scale.array > 0
        if self.valid is not None:
            ok = _both(ok, self.valid(*[s.array for s in shapes]))
        return x, shapes, loc, scale, ok

    def value(self, function, x, shapes, loc, scale):
        """The formula in the support, and other values below and above it."""
        x, shapes, loc, scale, ok = self.arguments(function, x, shapes, loc, scale)
        z = x if loc is None else x - loc
        z = z if scale is None else z / scale
        low, high = self.support
        raw = z.array
        below = raw < low if low > -inf else None
        above = raw > high if high < inf else None
        if below is not None:
            z = where(below, 0.5, z)  # inside of every support: the formula stays finite, and so does its gradient
        if above is not None:
            z = where(above, 0.5, z)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            y = self.formulas["logpdf" if function == "pdf" else function](z, *shapes)
            if function in ("pdf", "logpdf"):
                y = y if scale is None else y - np.log(scale)
                y = np.exp(y) if function == "pdf" else y
        if below is not None:
            y = where(below, EDGES[function][0], y)
        if above is not None:
            y = where(above, EDGES[function][1], y)
        return _checked(y, ok)

    def inverse(self, function, q, shapes, loc, scale):
        q, shapes, loc, scale, ok = self.arguments(function, q, shapes, loc, scale)
        ok = _both((q.array >= 0) & (q.array <= 1), ok)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            y = self.formulas[function](q, *shapes)
            y = y if scale is None else y * scale
            y = y if loc is None else y + loc
        return _checked(y, ok)

    def run(self, function):
        compute = self.inverse if function in ("ppf", "isf") else self.value

        def call(x, *parameters):
            *shapes, loc, scale = parameters
            return compute(function, x, shapes, loc, scale)

        return call


def _continuous(
    name, summary, shapes="", *, support=(-inf, inf), valid=None, inner=(-2.0, 2.0), example=(), cdf_shapes=False,
    **formulas,
):  # fmt: skip
    """Declare a continuous distribution.

    `inner` are bounds of values for the samples, `example` values of the shapes there; `cdf_shapes` says that the
    distribution function has gradients with respect to the shapes.
    """
    names = shapes.split()
    cdf, sf = formulas["cdf"], formulas["sf"]
    formulas = {
        "logcdf": lambda z, *s: np.log(cdf(z, *s)), "logsf": lambda z, *s: np.log(sf(z, *s)), **formulas,
    }  # fmt: skip
    rules = _Continuous(name, names, support, valid, formulas)
    found = Distribution(name, f"{summary}\n\n    See `Distribution`; it is `scipy.stats.{name}`.\n    ")
    for function in SUMMARIES:
        if function not in formulas and function != "pdf":
            continue
        first = "q" if function in ("ppf", "isf") else "x"
        call = _named(function, ", ".join([first, *names, "loc=0", "scale=1"]), rules.run(function))
        held = names if not cdf_shapes and function not in ("pdf", "logpdf") else []
        call.__doc__ = DOCSTRING.format(
            summary=SUMMARIES[function], distribution=name, name=function,
            parameters=", ".join([first, *names, "loc, scale"]),
            constants=f"\n        There is no gradient with respect to {' and '.join(f'`{n}`' for n in held)}."
            if held else "",
            example=", ".join(map(str, [0.25, *example])),
        )  # fmt: skip
        found.has(call, _samples(function, inner, example, bool(held), support), function)
    return found


def _samples(function, inner, example, held, support):
    """Samples of a function of a continuous distribution; shapes without gradients are Python numbers there."""
    inverse = function in ("ppf", "isf")

    def samples():
        low, high = (0.15, 0.85) if inverse else inner
        z = arrays((3, 4), low=low, high=high)
        spread = arrays((4,), low=0.9, high=1.1, seed=3)
        given = [e if held else e * spread for e in example]
        loc, scale = arrays((3, 1), low=-0.5, high=0.5, seed=1), arrays((4,), low=0.6, high=1.5, seed=2)
        x = z if inverse else z * scale + loc
        found = [
            Sample(x, *given, loc, scale), Sample(z, *example), Sample(z[::2, ::-2].T, *example, 0.0, 1.0),
            Sample(arrays((), low=low, high=high), *example, 0, values(1.5)),
            Sample(zeros((0, 4)), *given), Sample(z.astype(np.float32), *example, smooth=False),
        ]  # fmt: skip
        if not inverse and support != (-inf, inf):
            outside = values([-1.0, 0.5, 2.0, 0.25])
            found.append(Sample(outside, *example, smooth=not function.startswith("log")))
        return found

    return samples


_SQUARES = -0.5 * LOG_2PI

norm = _continuous(
    "norm", "The normal distribution.",
    logpdf=lambda z: -0.5 * (z * z) + _SQUARES, cdf=ndtr, sf=lambda z: ndtr(-z), logcdf=log_ndtr,
    logsf=lambda z: log_ndtr(-z), ppf=ndtri, isf=lambda q: -ndtri(q),
)  # fmt: skip
t = _continuous(
    "t", "Student's t distribution, with `df` degrees of freedom.", "df",
    logpdf=lambda z, df: (
        np.log(poch(0.5 * df, 0.5)) - 0.5 * (np.log(df) + _ln(pi)) - 0.5 * (df + 1.0) * np.log1p(z * z / df)
    ),
    cdf=lambda z, df: stdtr(df, z), sf=lambda z, df: stdtr(df, -z), ppf=lambda q, df: _t_inverse(q, df),
    isf=lambda q, df: -_t_inverse(q, df), valid=lambda df: df > 0, example=(2.5,),
)  # fmt: skip
beta = _continuous(
    "beta", "The beta distribution, with exponents ``a - 1`` and ``b - 1``.", "a b",
    logpdf=lambda z, a, b: xlog1py(b - 1.0, -z) + xlogy(a - 1.0, z) - betaln(a, b),
    cdf=lambda z, a, b: betainc(a, b, z), sf=lambda z, a, b: betaincc(a, b, z),
    ppf=lambda q, a, b: betaincinv(a, b, q), isf=lambda q, a, b: betainccinv(a, b, q),
    valid=lambda a, b: (a > 0) & (b > 0), support=(0.0, 1.0), inner=(0.2, 0.8), example=(2.5, 1.5),
)  # fmt: skip
gamma = _continuous(
    "gamma", "The gamma distribution, with exponent ``a - 1``.", "a",
    logpdf=lambda z, a: xlogy(a - 1.0, z) - z - gammaln(a),
    cdf=lambda z, a: gammainc(a, z), sf=lambda z, a: gammaincc(a, z),
    ppf=lambda q, a: gammaincinv(a, q), isf=lambda q, a: gammainccinv(a, q),
    valid=lambda a: a > 0, support=(0.0, inf), inner=(0.4, 4.0), example=(2.5,),
)  # fmt: skip
chi2 = _continuous(
    "chi2", "The chi-squared distribution, with `df` degrees of freedom.", "df",
    logpdf=lambda z, df: xlogy(0.5 * df - 1.0, z) - 0.5 * z - gammaln(0.5 * df) - (0.5 * _ln(2.0)) * df,
    cdf=lambda z, df: gammainc(0.5 * df, 0.5 * z), sf=lambda z, df: gammaincc(0.5 * df, 0.5 * z),
    ppf=lambda q, df: 2.0 * gammaincinv(0.5 * df, q), isf=lambda q, df: 2.0 * gammainccinv(0.5 * df, q),
    valid=lambda df: df > 0, support=(0.0, inf), inner=(0.4, 4.0), example=(3.5,),
)  # fmt: skip
expon = _continuous(
    "expon", "The exponential distribution.",
    logpdf=lambda z: -z, cdf=lambda z: -np.expm1(-z), sf=lambda z: np.exp(-z), logsf=lambda z: -z,
    ppf=lambda q: -np.log1p(-q), isf=lambda q: -np.log(q), support=(0.0, inf), inner=(0.2, 3.0),
)  # fmt: skip
uniform = _continuous(
    "uniform", "The uniform distribution between `loc` and ``loc + scale``.",
    logpdf=lambda z: z * 0.0, cdf=lambda z: z, sf=lambda z: 1.0 - z, ppf=lambda q: q * 1.0, isf=lambda q: 1.0 - q,
    support=(0.0, 1.0), inner=(0.2, 0.8),
)  # fmt: skip
laplace = _continuous(
    "laplace", "The Laplace distribution.",
    logpdf=lambda z: -np.abs(z) - _ln(2.0), cdf=lambda z: _laplace(z), sf=lambda z: _laplace(-z),
    ppf=lambda q: _laplace_inverse(q), isf=lambda q: -_laplace_inverse(q), inner=(0.2, 3.0),
)  # fmt: skip
cauchy = _continuous(
    "cauchy", "The Cauchy distribution.",
    logpdf=lambda z: -2.0 * np.log(np.hypot(z, 1.0)) - _ln(pi), cdf=lambda z: np.arctan2(1.0, -z) * (1.0 / pi),
    sf=lambda z: np.arctan2(1.0, z) * (1.0 / pi), ppf=lambda q: _cauchy_inverse(q), isf=lambda q: -_cauchy_inverse(q),
)  # fmt: skip
logistic = _continuous(
    "logistic", "The logistic distribution.",
    logpdf=lambda z: log_expit(z) + log_expit(-z), cdf=expit, sf=lambda z: expit(-z), logcdf=log_expit,
    logsf=lambda z: log_expit(-z), ppf=logit, isf=lambda q: -logit(q),
)  # fmt: skip
lognorm = _continuous(
    "lognorm", "The log-normal distribution: ``log(x)`` has deviation `s`.", "s",
    logpdf=lambda z, s: _lognorm(z, s),
    cdf=lambda z, s: ndtr(np.log(z) / s), sf=lambda z, s: ndtr(-np.log(z) / s),
    logcdf=lambda z, s: log_ndtr(np.log(z) / s), logsf=lambda z, s: log_ndtr(-np.log(z) / s),
    ppf=lambda q, s: np.exp(s * ndtri(q)), isf=lambda q, s: np.exp(-s * ndtri(q)),
    valid=lambda s: s > 0, support=(0.0, inf), inner=(0.4, 3.0), example=(0.8,), cdf_shapes=True,
)  # fmt: skip


def _t_inverse(q, df):
    return where(q.array == 0, -inf, stdtrit(df, q))  # SciPy's stdtrit gives plus infinity there


def _laplace(z):
    upper = z.array > 0
    tail = 0.5 * np.exp(where(upper, -z, z))
    return where(upper, 1.0 - tail, tail)


def _laplace_inverse(q):
    upper = q.array > 0.5
    return where(upper, -np.log(2.0 * (1.0 - q)), np.log(2.0 * q))


def _cauchy_inverse(q):
    upper = q.array > 0.5
    y = 1.0 / np.tan(pi * where(upper, 1.0 - q, q))
    return where(upper, y, -y)


def _lognorm(z, s):
    """Minus infinity at 0."""
    zero = z.array == 0
    log = np.log(where(zero, 1.0, z))
    u = log / s
    return where(zero, -inf, -0.5 * (u * u) - np.log(s) - log + _SQUARES)


# ---------------------------------------------------------------- discrete distributions


def _discrete(name, summary, shapes, *, constants="", valid, top=None, logpmf, cdf, sf, example, inner=5):
    """Declare a discrete distribution on 0, 1, ... up to `top`, a function of the shapes."""
    names, held = shapes.split(), ["k", *constants.split(), "loc"]

    def arguments(function, k, given, loc):
        what = f"stats.{name}.{function}"
        given = [_constant(what, n, g) if n in held else g for n, g in zip(names, given, strict=True)]
        k, loc = _constant(what, "k", k), _constant(what, "loc", loc)
        k, *given = _together(what, [k if _is(0, loc) else as_tensor(k) - loc, *given])
        return k, given, valid(*[g.array for g in given]), None if top is None else top(*[g.array for g in given])

    def mass(function, k, *parameters):
        *shapes, loc = parameters
        k, given, ok, last = arguments(function, k, shapes, loc)
        raw = k.array
        impossible = (raw < 0) | (raw > np.floor(raw))  # not where it is NaN
        if last is not None:
            impossible = impossible | (raw > last)
        k = where(impossible, 0.0, k)
        with np.errstate(divide="ignore", invalid="ignore"):
            y = logpmf(k, *given)
        y = _checked(where(impossible, -inf, y), ok)
        return y if function == "logpmf" else np.exp(y)

    def cumulative(function, k, *parameters):
        *shapes, loc = parameters
        k, given, ok, last = arguments(function, k, shapes, loc)
        k = np.floor(k)
        below, above = k.array < 0, None if last is None else k.array >= last
        inside = where(below if above is None else below | above, 0.0, k)
        with np.errstate(divide="ignore", invalid="ignore"):
            y = (cdf if function == "cdf" else sf)(inside, *given)
        y = where(below, 0.0 if function == "cdf" else 1.0, y)
        if above is not None:
            y = where(above, 1.0 if function == "cdf" else 0.0, y)
        return _checked(y, ok)

    def samples(function):
        k = values([[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]) % inner
        given = [e if n in held else e * arrays((4,), low=0.9, high=1.1, seed=3) for n, e in zip(names, example)]  # noqa: B905
        single = [e if n in held else values(e) for n, e in zip(names, example)]  # noqa: B905
        return [
            Sample(k, *given), Sample(k[0] + 2, *single, 2), Sample(1, *single), Sample(k[:0], *given),
            Sample(values([-1, 0, 1, 100]), *single, smooth=function != "logpmf"),
            Sample(k, *[g.astype(np.float32) if hasattr(g, "dtype") else g for g in given], smooth=False),
        ]  # fmt: skip

    found = Distribution(name, f"{summary}\n\n    See `Distribution`; it is `scipy.stats.{name}`.\n    ")
    for function, run in {"pmf": mass, "logpmf": mass, "cdf": cumulative, "sf": cumulative}.items():
        call = _named(function, ", ".join(["k", *names, "loc=0"]), lambda *args, f=function, run=run: run(f, *args))
        call.__doc__ = DOCSTRING.format(
            summary=SUMMARIES[function].replace("`x`", "`k`"), distribution=name, name=function,
            parameters=", ".join(["k", *names, "loc"]), example=", ".join(map(str, [1, *example])),
            constants=f"\n        There is no gradient with respect to {', '.join(f'`{h}`' for h in held)}.",
        )  # fmt: skip
        found.has(call, lambda f=function: samples(f), function)
    return found


def _integral(n):
    return n == np.floor(n)


def _choices(k, n, p):
    ways = gammaln(n + 1.0) - (gammaln(k + 1.0) + gammaln(n - k + 1.0))
    return ways + xlogy(k, p) + xlog1py(n - k, -p)


poisson = _discrete(
    "poisson", "The Poisson distribution of mean `mu`.", "mu",
    logpmf=lambda k, mu: xlogy(k, mu) - gammaln(k + 1.0) - mu,
    cdf=lambda k, mu: gammaincc(k + 1.0, mu), sf=lambda k, mu: gammainc(k + 1.0, mu),
    valid=lambda mu: mu >= 0, example=(1.5,),
)  # fmt: skip
binom = _discrete(
    "binom", "The binomial distribution: `n` trials of probability `p`.", "n p", constants="n",
    logpmf=_choices, cdf=lambda k, n, p: betainc(n - k, k + 1.0, 1.0 - p),
    sf=lambda k, n, p: betainc(k + 1.0, n - k, p),
    valid=lambda n, p: (n >= 0) & _integral(n) & (p >= 0) & (p <= 1), top=lambda n, p: n, example=(6, 0.4),
)  # fmt: skip
bernoulli = _discrete(
    "bernoulli", "The Bernoulli distribution: 1 with probability `p`, else 0.", "p",
    logpmf=lambda k, p: xlogy(k, p) + xlog1py(1.0 - k, -p), cdf=lambda k, p: 1.0 - p + 0.0 * k,
    sf=lambda k, p: p + 0.0 * k, valid=lambda p: (p >= 0) & (p <= 1), top=lambda p: 1.0, example=(0.4,), inner=2,
)  # fmt: skip

# ---------------------------------------------------------------- multivariate distributions


def _squeezed(y):
    """SciPy's results of one row are numbers."""
    return y.reshape(tuple([n for n in y.shape if n != 1]))


dirichlet = Distribution("dirichlet", "The Dirichlet distribution.\n\n    It is `scipy.stats.dirichlet`.\n    ")


def _dirichlet_samples():
    x, alpha = arrays((3, 4), low=0.1, high=0.5), arrays((3,), low=0.5, high=3.0, seed=1)
    return [
        Sample(x, alpha), Sample(x[:, 0], alpha), Sample(x[:2], alpha), Sample(x.T[:3].T, alpha),
        Sample(x.astype(np.float32), alpha.astype(np.float32), smooth=False),
    ]  # fmt: skip


def _dirichlet_logpdf(x, alpha):
    """The logarithm of the density.

    Parameters
    ----------
    x : array_like, float, shape (k,) or (k, n)
        Shares that sum to 1 along the first axis; the last one may be left out. Nobody looks whether they do: the
        gradient is that of the formula, in all directions.
    alpha : array_like, float, shape (k,)
        Positive.

    Returns
    -------
    Tensor, shape () or (n,)

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Examples
    --------
    >>> round(av.stats.dirichlet.logpdf(np.array([0.25, 0.75]), av.Tensor(np.ones(2))).item(), 12)
    0.0
    """
    x, alpha = _together("stats.dirichlet.logpdf", [x, alpha])
    if alpha.ndim != 1 or x.ndim == 0 or x.shape[0] not in (alpha.shape[0], alpha.shape[0] - 1):
        raise ValueError(
            f"dirichlet: alpha of shape {alpha.shape} is a vector, and x of shape {x.shape} has as many rows, or one "
            "less"
        )
    if x.shape[0] < alpha.shape[0]:
        x = concatenate([x, 1.0 - x.sum(0, keepdims=True)], 0)
    beyond = (x.array < 0) | (x.array > 1)
    x = where(beyond, 0.5, x)
    log_beta = gammaln(alpha).sum() - gammaln(alpha.sum())
    with np.errstate(divide="ignore"):
        y = xlogy(alpha - 1.0, x.T).T.sum(0) - log_beta
    return _checked(_squeezed(where(beyond.any(axis=0), -inf, y)), (alpha.array > 0).all())


def _dirichlet_pdf(x, alpha):
    """The density: see `logpdf`.

    Parameters
    ----------
    x : array_like, float, shape (k,) or (k, n)
    alpha : array_like, float, shape (k,)

    Returns
    -------
    Tensor, shape () or (n,)

    Examples
    --------
    >>> round(av.stats.dirichlet.pdf(np.array([0.25, 0.75]), av.Tensor(np.ones(2))).item(), 12)
    1.0
    """
    return np.exp(_dirichlet_logpdf(x, alpha))


dirichlet.has(_dirichlet_logpdf, _dirichlet_samples, "logpdf")
dirichlet.has(_dirichlet_pdf, _dirichlet_samples, "pdf")

multivariate_normal = Distribution(
    "multivariate_normal", "The multivariate normal distribution.\n\n    It is `scipy.stats.multivariate_normal`.\n    "
)


def _factor(what, mean, cov, dtypes_of=()):
    """Mean and other arguments as Tensors, the Cholesky factor of the covariance, and its logarithmic determinant."""
    given = _together(what, [cov, *([] if mean is None else [mean]), *dtypes_of])
    cov, mean = given[0], None if mean is None else given[1]
    others = given[len(given) - len(dtypes_of) :]
    dim = mean.size if mean is not None else cov.shape[0] if cov.ndim else 1
    if (mean is not None and mean.ndim > 1) or cov.ndim > 2 or cov.shape[1:] not in ((), (dim,)):
        raise ValueError(
            f"{what}: the mean is a vector of length n, the covariance a number, n variances or a symmetric matrix of "
            f"shape (n, n), got shapes {() if mean is None else mean.shape} and {cov.shape}"
        )
    if cov.ndim < 2:
        diagonal_ones = namespace(cov.array).eye(dim, dtype=cov.dtype)
        cov = (expand_dims(cov, -1) if cov.ndim else cov) * diagonal_ones
    if cov.shape != (dim, dim):
        raise ValueError(f"{what}: a mean of length {dim} and a covariance of shape {cov.shape} do not fit")
    # Half of each of the two equal elements: the gradient is symmetric, too.
    factor = cholesky(0.5 * (cov + cov.T))
    return mean, others, dim, factor, 2.0 * np.log(diagonal(factor)).sum()


def _not_singular(what, allow_singular):
    if allow_singular:
        raise TypeError(f"{what}: allow_singular=True has no gradient: a singular covariance has no density")


def _multivariate_logpdf(x, mean=None, cov=1, allow_singular=False):
    """The logarithm of the density.

    Parameters
    ----------
    x : array_like, float, shape (..., n)
    mean : array_like, float, shape (n,), optional
        Zeros by default.
    cov : array_like, float, default 1
        A symmetric matrix of shape (n, n), n variances, or one for all.
    allow_singular : False

    Returns
    -------
    Tensor, shape (...)
        Without dimensions of size 1, as in SciPy.

    Raises
    ------
    ValueError
        If the shapes do not fit.
    numpy.linalg.LinAlgError
        If the covariance is not positive definite.

    Notes
    -----
    The gradient with respect to `cov` is symmetric.

    Examples
    --------
    >>> round(av.stats.multivariate_normal.logpdf(av.Tensor(np.zeros(2)), np.zeros(2)).item(), 6)
    -1.837877
    """
    what = "stats.multivariate_normal.logpdf"
    _not_singular(what, allow_singular)
    mean, (x,), dim, factor, log_determinant = _factor(what, mean, cov, [x])
    if x.ndim < 2:
        x = x.reshape((-1, 1) if dim == 1 else (1, -1))
    if x.shape[-1] != dim:
        raise ValueError(f"{what}: values of shape {x.shape} do not fit {dim} dimensions")
    d = x if mean is None else x - mean
    u = solve(factor, d.reshape((-1, dim)).T)
    y = -0.5 * ((u * u).sum(0) + log_determinant + dim * LOG_2PI)
    return _squeezed(y.reshape(d.shape[:-1]))


def _multivariate_pdf(x, mean=None, cov=1, allow_singular=False):
    """The density: see `logpdf`.

    Parameters
    ----------
    x : array_like, float, shape (..., n)
    mean : array_like, float, shape (n,), optional
    cov : array_like, float, default 1
    allow_singular : False

    Returns
    -------
    Tensor, shape (...)

    Examples
    --------
    >>> round(av.stats.multivariate_normal.pdf(av.Tensor(np.zeros(2)), np.zeros(2), 1 / (2 * np.pi)).item(), 12)
    1.0
    """
    return np.exp(_multivariate_logpdf(x, mean, cov, allow_singular))


def _multivariate_entropy(mean=None, cov=1):
    """The entropy, which does not depend on the mean.

    Parameters
    ----------
    mean : array_like, float, shape (n,), optional
    cov : array_like, float, default 1
        As in `logpdf`.

    Returns
    -------
    Tensor, shape ()

    Examples
    --------
    >>> round(av.stats.multivariate_normal.entropy(cov=av.Tensor(1.0)).item(), 6)
    1.418939
    """
    _, _, dim, _, log_determinant = _factor("stats.multivariate_normal.entropy", mean, cov)
    return 0.5 * (log_determinant + dim * (1.0 + LOG_2PI))


def _multivariate_samples():
    x, mean = arrays((2, 3), (3,))
    cov = values([[2.0, 0.5, 0.0], [0.5, 1.0, 0.1], [0.0, 0.1, 1.0]])
    return [
        Sample(x, mean, values([1.0, 2.0, 0.5])), Sample(x[0], None, cov), Sample(x[:, 0], values(0.5), values(1.5)),
        Sample(x[:, ::-1], mean),
    ]  # fmt: skip


multivariate_normal.has(_multivariate_logpdf, _multivariate_samples, "logpdf")
multivariate_normal.has(_multivariate_pdf, _multivariate_samples, "pdf")
multivariate_normal.has(
    _multivariate_entropy, lambda: [Sample(*s.args[1:]) for s in _multivariate_samples()[:3]], "entropy"
)
