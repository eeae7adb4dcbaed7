"""Continuous distributions, with gradients with respect to their parameters. Floor 2; loaded at first use.

A parameter that is a Tensor or a Variable gets a gradient: the draw is a function of the parameter and of noise that
does not depend on it. Locations and scales by the plain formula; gamma, and what is made of it (beta, Dirichlet,
chi-square, Student's t), by implicit reparameterisation, in `gamma.py`. A Tensor draws the same numbers as an array.

Noise is made on the host in float64, and rounded to the dtype at the end. Parameters on the host are checked; on a
device that would make the host wait, so there only what is needed on the host for the draw (`alpha`, `df`) is.
"""

from math import pi
from typing import Any

import numpy as np

from ..base.backend import as_array, beside, namespace, on_host, placed
from ..base.dtypes import as_dtype, is_differentiable
from ..engine.declare import primitive
from ..engine.protocol import Operand
from ..engine.samples import Sample, arrays, values, zeros
from ..engine.tensor import Tensor, tensor_of
from .elementwise import exp
from .gamma import gamma_at_level
from .products import matmul
from .random import Shape, as_shape, generator, normals, uniforms
from .reduce import logsumexp
from .shape import astype, broadcast_to, broadcasts_to, expand_dims, matrix_transpose

__all__ = [
    "beta", "cauchy", "chi2", "dirichlet", "exponential", "gamma", "gumbel", "laplace", "logistic", "lognormal",
    "multivariate_normal", "normal", "student_t", "truncated_normal", "uniform",
]  # fmt: skip

Parameter = Any  # a number, an array, a Tensor or a Variable


# ---------------------------------------------------------------- ops


def _affine_samples():
    return [
        Sample(*arrays((3, 4), (3, 4), (3, 4))),
        Sample(*arrays((), (4,), (3, 4))),
        Sample(*arrays((3, 1), (1, 4), (3, 4))),
        Sample(*arrays((), (), ())),
        Sample(*arrays((2, 3), (2, 3), (3,))),
        Sample(*arrays((), (3,), (0, 3))),
        Sample(arrays((4, 6))[::2, ::-2].T, *arrays((2,), (3, 2))),
        Sample(*[x.astype(np.float32) for x in arrays((2,), (2,), (2,))], smooth=False),
        Sample(*arrays((2,), (2,), (2,)), "float32", smooth=False),
    ]


@primitive(
    vjp={
        "loc": lambda g: g,
        "scale": lambda g, noise: g * noise.astype(g.dtype),
        "noise": lambda g, scale: g * scale,
    },
    elementwise=True, samples=_affine_samples,
)  # fmt: skip
def affine(loc, scale, noise, dtype=None):
    """``loc + scale * noise``, rounded to a dtype."""
    y = loc + scale * noise
    return y if dtype is None else y.astype(dtype)


def _between_samples():
    low, high = arrays((2, 3), (3,), low=-2.0, high=-1.0)
    u = arrays((2, 3), low=0.1, high=0.9)
    return [
        Sample(low, high + 3.0, u),
        Sample(low, low + 1.0, u),
        Sample(arrays(()), arrays((), low=3.0, high=4.0), u),
        Sample(arrays(()), arrays((), low=3.0, high=4.0), values(u[0, 0])),
        Sample(low[:, ::2].T, values(high[0] + 3.0), u[:, ::2].T),
        Sample(low, high + 3.0, zeros((0, 2, 3))),
        Sample(low, high + 3.0, u[0]),
        Sample(*[x.astype(np.float32) for x in (low, low + 1.0, u)], smooth=False),
    ]


@primitive(
    vjp={
        "low": lambda g, u: g * (1.0 - u),
        "high": lambda g, u: g * u,
        "u": lambda g, low, high: g * (high - low),
    },
    elementwise=True, samples=_between_samples,
)  # fmt: skip
def between(low, high, u):
    """``low + (high - low) * u`` for `u` in [0, 1) and in its dtype, always below `high`."""
    low, high = low.astype(u.dtype), high.astype(u.dtype)
    return np.minimum(low + (high - low) * u, np.nextafter(high, low))  # the product may round up to `high`


# ---------------------------------------------------------------- parameters

POSITIVE = (lambda a: (a > 0.0) & (a < np.inf)), "positive"
NOT_NEGATIVE = (lambda a: a >= 0.0), "not negative"
ANY = None


def require(function: str, name: str, a, condition) -> None:
    """ValueError where an array on the host is not what a parameter must be."""
    holds, words = condition
    wrong = ~holds(a)
    if wrong.any():
        raise ValueError(f"{function}: {name} must be {words}, got {as_array(a)[wrong].reshape(-1)[0].item()!r}")


def broadcast(function: str, shape, shapes: dict[str, tuple[int, ...]]) -> tuple[int, ...]:
    """The shape of the draw: the given one, to which the parameters must broadcast, or theirs together."""
    found = ", ".join(f"{name} {s}" for name, s in shapes.items())
    try:
        together = np.broadcast_shapes(*shapes.values())
    except ValueError:
        raise ValueError(f"{function}: parameters of shapes {found} do not broadcast together") from None
    if shape is None:
        return together
    shape = as_shape(shape)
    if not broadcasts_to(together, shape):
        raise ValueError(f"{function}: parameters of shapes {found} do not broadcast to shape={shape}")
    return shape


def _tensors(function, parameters: dict[str, tuple[Parameter, Any]]) -> list[Operand]:
    """The parameters, each given with its condition, as Tensors of one library. Variables stay what they are.

    On a device only those are checked that must be positive: they are needed on the host for the draw.
    """
    like = next((x.array for x, _ in parameters.values() if isinstance(x, Operand)), None)
    found = []
    for name, (x, condition) in parameters.items():
        if hasattr(x, "__tensor__"):
            x = x.__tensor__()
        a = x.array if isinstance(x, Operand) else as_array(x)
        if a.dtype.kind not in "biu" and (a.dtype.kind == "c" or not is_differentiable(a.dtype)):
            raise TypeError(f"{function}: {name} must be real numbers, got dtype {a.dtype}")
        if condition is POSITIVE or (condition is not None and namespace(a) is np):
            require(function, name, on_host(a), condition)
        found.append(
            x if isinstance(x, Operand) else tensor_of(placed(a.copy()) if like is None else beside(a.copy(), like))
        )
    return found


def _is_number(x) -> bool:
    return x.__class__ is float or x.__class__ is int


def float_dtype(function: str, dtype) -> np.dtype:
    """The dtype of a draw; None is the default dtype."""
    dtype = as_dtype(dtype)
    if dtype.kind == "c" or not is_differentiable(dtype):
        raise TypeError(f"{function}: the numbers are of a float dtype, got {dtype}")
    return dtype


def _cast(x, dtype) -> Tensor:
    return x if x.dtype == dtype else astype(x, dtype)


# ---------------------------------------------------------------- location and scale


def _located(function, draw, shape, loc, scale, dtype, stream, names=("loc", "scale")) -> Tensor:
    """``loc + scale * noise``, the noise by `draw(source, shape)`."""
    dtype = float_dtype(function, dtype)
    if _is_number(loc) and _is_number(scale):
        require(function, names[1], as_array(scale), NOT_NEGATIVE)
        x = draw(generator(stream), () if shape is None else as_shape(shape))
        if scale != 1.0:
            x = x * scale
        if loc != 0.0:
            x = x + loc
        return Tensor(as_array(x).astype(dtype, copy=False))
    loc, scale = _tensors(function, {names[0]: (loc, ANY), names[1]: (scale, NOT_NEGATIVE)})
    shape = broadcast(function, shape, {names[0]: loc.shape, names[1]: scale.shape})
    noise = as_array(draw(generator(stream), shape))
    return affine(loc, scale, tensor_of(beside(noise, loc.array)), dtype)


def _inside(source, shape):
    """Uniforms that are never 0 (nor 1): half of the smallest step stands for it."""
    return np.maximum(uniforms(source, shape), 2.0**-54)


def _truncated(source, shape):
    z = normals(source, shape)
    flat = z.reshape(-1)
    while (far := (np.abs(flat) > 2.0).nonzero()[0]).size:
        flat[far] = normals(source, far.size)
    return z


def _laplace(source, shape):
    u = _inside(source, shape) - 0.5
    return -np.sign(u) * np.log1p(-2.0 * np.abs(u))


def _logistic(source, shape):
    u = _inside(source, shape)
    return np.log(u) - np.log1p(-u)


def gumbels(source, shape):
    """Standard Gumbel numbers from a generator."""
    return -np.log(-np.log(_inside(source, shape)))


def _cauchy(source, shape):
    return np.tan(pi * (_inside(source, shape) - 0.5))


def _exponential(source, shape):
    return -np.log1p(-uniforms(source, shape))


def uniform(
    shape: Shape | None = None, low: Parameter = 0.0, high: Parameter = 1.0, dtype: Any = None, stream: str = ""
) -> Tensor:
    """Evenly distributed numbers in ``[low, high)``.

    Parameters
    ----------
    shape : int or tuple of int, optional
        That of the parameters together by default.
    low, high : float or array_like that broadcasts to `shape`
        They get gradients.
    dtype : float dtype, optional
        The default dtype (float32) by default.
    stream : str, default ""
        The stream that this call counts in.

    Returns
    -------
    Tensor

    Raises
    ------
    ValueError
        If `high` is less than `low`, or they do not broadcast to `shape`.

    Examples
    --------
    >>> import autograd_vs as av
    >>> x = av.random.uniform((2, 3), -1.0, 1.0)
    >>> x.shape, x.dtype
    ((2, 3), dtype('float32'))
    """
    dtype = float_dtype("uniform", dtype)
    if _is_number(low) and _is_number(high) and low == 0.0 and high == 1.0:
        return Tensor(uniforms(generator(stream), () if shape is None else shape, dtype))
    given = [x.array if isinstance(x, Operand) else as_array(x) for x in (low, high)]
    low, high = _tensors("uniform", {"low": (low, ANY), "high": (high, ANY)})
    shape = broadcast("uniform", shape, {"low": low.shape, "high": high.shape})
    if all(namespace(a) is np for a in given):
        gap = given[1].astype(np.float64) - given[0]
        require("uniform", "high - low", as_array(gap), NOT_NEGATIVE)
    u = uniforms(generator(stream), shape, dtype)
    return between(low, high, tensor_of(beside(u, low.array)))


def normal(
    shape: Shape | None = None, mean: Parameter = 0.0, stddev: Parameter = 1.0, dtype: Any = None, stream: str = ""
) -> Tensor:
    """Normally distributed numbers.

    Parameters
    ----------
    shape : int or tuple of int, optional
        That of the parameters together by default.
    mean, stddev : float or array_like that broadcasts to `shape`
        They get gradients: of a Tensor or Variable the result is ``mean + stddev * noise``, recorded.
    dtype : float dtype, optional
        The default dtype (float32) by default.
    stream : str, default ""
        The stream that this call counts in.

    Returns
    -------
    Tensor

    Raises
    ------
    ValueError
        If `stddev` is negative, or the parameters do not broadcast to `shape`.

    Notes
    -----
    By the method of Box and Muller in float64 (one pair of uniforms gives one pair of normals), so that a device can
    compute the same ones; float32 values are the rounded float64 ones.

    References
    ----------
    G. E. P. Box and M. E. Muller, "A note on the generation of random normal deviates", Ann. Math. Stat. 29 (1958).
    D. P. Kingma and M. Welling, "Auto-encoding variational Bayes", ICLR 2014 (the gradients).

    Examples
    --------
    >>> import autograd_vs as av
    >>> av.random.normal((2, 3), stream="noise").shape
    (2, 3)
    >>> av.grad(lambda mean: av.random.normal((), mean, 0.1))(2.0).item()
    1.0
    """
    return _located("normal", normals, shape, mean, stddev, dtype, stream, ("mean", "stddev"))


def truncated_normal(
    shape: Shape | None = None, mean: Parameter = 0.0, stddev: Parameter = 1.0, dtype: Any = None, stream: str = ""
) -> Tensor:
    """Normally distributed numbers, those more than two standard deviations off drawn again.

    Parameters
    ----------
    shape, mean, stddev, dtype, stream :
        As in `normal`.

    Returns
    -------
    Tensor
        Within ``mean - 2 * stddev`` and ``mean + 2 * stddev``. Its own standard deviation is 0.88 `stddev`.

    Examples
    --------
    >>> import autograd_vs as av
    >>> bool((abs(av.random.truncated_normal(1000)) <= 2).all())
    True
    """
    return _located("truncated_normal", _truncated, shape, mean, stddev, dtype, stream, ("mean", "stddev"))


def lognormal(
    shape: Shape | None = None, mean: Parameter = 0.0, stddev: Parameter = 1.0, dtype: Any = None, stream: str = ""
) -> Tensor:
    """Numbers whose logarithm is normally distributed: ``exp(normal(shape, mean, stddev))``.

    Parameters
    ----------
    shape, mean, stddev, dtype, stream :
        As in `normal`; mean and standard deviation are those of the logarithm.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> import autograd_vs as av
    >>> bool((av.random.lognormal(1000) > 0).all())
    True
    """
    return exp(_located("lognormal", normals, shape, mean, stddev, dtype, stream, ("mean", "stddev")))


def laplace(
    shape: Shape | None = None, loc: Parameter = 0.0, scale: Parameter = 1.0, dtype: Any = None, stream: str = ""
) -> Tensor:
    """Numbers of density ``exp(-abs(x - loc) / scale) / (2 * scale)``.

    Parameters
    ----------
    shape : int or tuple of int, optional
        That of the parameters together by default.
    loc, scale : float or array_like that broadcasts to `shape`
        They get gradients; `scale` is not negative.
    dtype : float dtype, optional
        The default dtype (float32) by default.
    stream : str, default ""
        The stream that this call counts in.

    Returns
    -------
    Tensor

    Raises
    ------
    ValueError
        If `scale` is negative, or the parameters do not broadcast to `shape`.

    Examples
    --------
    >>> import autograd_vs as av
    >>> av.random.laplace((2, 3), scale=[1.0, 2.0, 3.0]).shape
    (2, 3)
    """
    return _located("laplace", _laplace, shape, loc, scale, dtype, stream)


def logistic(
    shape: Shape | None = None, loc: Parameter = 0.0, scale: Parameter = 1.0, dtype: Any = None, stream: str = ""
) -> Tensor:
    """Numbers whose distribution function is ``sigmoid((x - loc) / scale)``.

    Parameters
    ----------
    shape, loc, scale, dtype, stream :
        As in `laplace`.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> import autograd_vs as av
    >>> av.random.logistic(5, loc=2.0).shape
    (5,)
    """
    return _located("logistic", _logistic, shape, loc, scale, dtype, stream)


def gumbel(
    shape: Shape | None = None, loc: Parameter = 0.0, scale: Parameter = 1.0, dtype: Any = None, stream: str = ""
) -> Tensor:
    """Numbers whose distribution function is ``exp(-exp(-(x - loc) / scale))``.

    Parameters
    ----------
    shape, loc, scale, dtype, stream :
        As in `laplace`.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> import autograd_vs as av
    >>> logits = np.log([0.1, 0.9])
    >>> av.argmax(logits + av.random.gumbel((1000, 2)), axis=1).shape  # the same as `categorical`
    (1000,)
    """
    return _located("gumbel", gumbels, shape, loc, scale, dtype, stream)


def cauchy(
    shape: Shape | None = None, loc: Parameter = 0.0, scale: Parameter = 1.0, dtype: Any = None, stream: str = ""
) -> Tensor:
    """Numbers of density ``1 / (pi * scale * (1 + ((x - loc) / scale)**2))``; they have no mean.

    Parameters
    ----------
    shape, loc, scale, dtype, stream :
        As in `laplace`.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> import autograd_vs as av
    >>> av.random.cauchy().shape
    ()
    """
    return _located("cauchy", _cauchy, shape, loc, scale, dtype, stream)


def exponential(shape: Shape | None = None, scale: Parameter = 1.0, dtype: Any = None, stream: str = "") -> Tensor:
    """Numbers of density ``exp(-x / scale) / scale``, from 0 on.

    Parameters
    ----------
    shape, scale, dtype, stream :
        As in `laplace`; `scale` is the mean, the inverse of the rate.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> import autograd_vs as av
    >>> bool((av.random.exponential(1000, 3.0) >= 0).all())
    True
    """
    return _located("exponential", _exponential, shape, 0.0, scale, dtype, stream)


def multivariate_normal(
    mean: Parameter, cov: Parameter | None = None, shape: Shape | None = None, *, scale_tril: Parameter | None = None,
    dtype: Any = None, stream: str = "",
) -> Tensor:  # fmt: skip
    """Normally distributed vectors.

    Parameters
    ----------
    mean : array_like, shape (..., n)
    cov : array_like, shape (..., n, n)
        The covariance, positive definite; its lower triangle is used.
    shape : int or tuple of int, optional
        How many vectors, the shape of the result without n: that of the parameters by default, to which they broadcast.
    scale_tril : array_like, shape (..., n, n)
        In the place of `cov` a matrix L with ``L @ L.T`` for covariance. All parameters get gradients.
    dtype, stream :
        As in `normal`.

    Returns
    -------
    Tensor, shape (*shape, n)

    Raises
    ------
    TypeError
        If not exactly one of `cov` and `scale_tril` is given.
    ValueError
        If the shapes do not fit, or `cov` is not positive definite.

    Examples
    --------
    >>> import autograd_vs as av
    >>> av.random.multivariate_normal(np.zeros(2), [[1.0, 0.5], [0.5, 1.0]], shape=10).shape
    (10, 2)
    """
    dtype = float_dtype("multivariate_normal", dtype)
    if (cov is None) is (scale_tril is None):
        raise TypeError("multivariate_normal: exactly one of cov and scale_tril is needed")
    name = "cov" if scale_tril is None else "scale_tril"
    given = cov if scale_tril is None else scale_tril
    mean, matrix = _tensors("multivariate_normal", {"mean": (mean, ANY), name: (given, ANY)})
    if mean.ndim < 1 or matrix.ndim < 2 or matrix.shape[-2:] != 2 * mean.shape[-1:]:
        raise ValueError(
            f"multivariate_normal: mean of shape (..., n) and {name} of shape (..., n, n) are needed, got "
            f"{mean.shape} and {matrix.shape}"
        )
    batch = broadcast("multivariate_normal", shape, {"mean[..., 0]": mean.shape[:-1], f"{name}[..., 0, 0]":
                                                     matrix.shape[:-2]})  # fmt: skip
    matrix = _cast(matrix, np.float64)
    if scale_tril is None:
        a = matrix.array
        factor: Any = np.linalg.cholesky if isinstance(given, Operand) else namespace(a).linalg.cholesky
        matrix = factor(matrix) if isinstance(given, Operand) else tensor_of(factor(a))
    z = tensor_of(beside(normals(generator(stream), (*batch, mean.shape[-1])), mean.array))
    if matrix.ndim == 2:
        moved = matmul(z, matrix_transpose(matrix))
    else:
        moved = matmul(matrix, expand_dims(z, -1))[..., 0]
    return _cast(mean + moved, dtype)


# ---------------------------------------------------------------- gamma, and what is made of it


def _log_gammas(source, alpha, shape) -> Tensor:
    """Logarithms of gamma-distributed numbers in float64; the numbers themselves underflow for small alpha.

    Where alpha is less than 1 as those of Gamma(alpha + 1), times a uniform number to the power 1 / alpha.
    """
    values = on_host(alpha.array).astype(np.float64)
    small = values < 1.0
    ell = np.log(source.standard_gamma(values + small, shape))
    if small.any():
        ell = ell - source.standard_exponential(shape) * (small / values)
    alpha = _cast(alpha, np.float64)
    if alpha.shape != shape:
        alpha = broadcast_to(alpha, shape)
    return gamma_at_level(alpha, beside(as_array(ell), alpha.array))


def gamma(
    alpha: Parameter, scale: Parameter = 1.0, shape: Shape | None = None, dtype: Any = None, stream: str = ""
) -> Tensor:
    """Numbers of density ``x**(alpha - 1) * exp(-x / scale)``, up to a factor.

    Parameters
    ----------
    alpha, scale : float or array_like that broadcasts to `shape`
        The parameter of the shape of the density (positive), and the scale, the inverse of the rate. They get
        gradients.
    shape : int or tuple of int, optional
        That of the parameters together by default.
    dtype : float dtype, optional
        The default dtype (float32) by default.
    stream : str, default ""
        The stream that this call counts in.

    Returns
    -------
    Tensor

    Raises
    ------
    ValueError
        If `alpha` is not positive, `scale` is negative, or they do not broadcast to `shape`.

    Notes
    -----
    The numbers are made by NumPy on the host. The gradient for `alpha` says how a number moves with alpha while its
    level (the value of the distribution function) stays: implicit reparameterisation. It is exact to ten digits in
    float64, and has derivatives itself.

    References
    ----------
    G. Marsaglia and W. W. Tsang, "A simple method for generating gamma variables", ACM TOMS 26 (2000).
    M. Figurnov, S. Mohamed, A. Mnih, "Implicit reparameterization gradients", NeurIPS 2018.

    Examples
    --------
    >>> import autograd_vs as av
    >>> alpha = av.Variable([0.5, 5.0])
    >>> with av.GradientTape() as tape:
    ...     mean = av.random.gamma(alpha, shape=(20_000, 2)).mean(axis=0)
    >>> tape.gradient(mean, alpha).round(1).tolist()  # the mean of a gamma distribution is alpha
    [1.0, 1.0]
    """
    dtype = float_dtype("gamma", dtype)
    plain = _is_number(scale) and scale == 1.0
    alpha, scale = _tensors("gamma", {"alpha": (alpha, POSITIVE), "scale": (scale, NOT_NEGATIVE)})
    shape = broadcast("gamma", shape, {"alpha": alpha.shape, "scale": scale.shape})
    y = np.exp(_log_gammas(generator(stream), alpha, shape))
    return _cast(y if plain else y * scale, dtype)


def chi2(df: Parameter, shape: Shape | None = None, dtype: Any = None, stream: str = "") -> Tensor:
    """Sums of the squares of `df` standard normal numbers.

    Parameters
    ----------
    df : float or array_like that broadcasts to `shape`
        The degrees of freedom, positive. It gets a gradient.
    shape, dtype, stream :
        As in `gamma`.

    Returns
    -------
    Tensor

    Raises
    ------
    ValueError
        If `df` is not positive, or does not broadcast to `shape`.

    Examples
    --------
    >>> import autograd_vs as av
    >>> bool((av.random.chi2(3, shape=1000) > 0).all())
    True
    """
    dtype = float_dtype("chi2", dtype)
    (df,) = _tensors("chi2", {"df": (df, POSITIVE)})
    shape = broadcast("chi2", shape, {"df": df.shape})
    return _cast(np.exp(_log_gammas(generator(stream), _cast(df, np.float64) * 0.5, shape)) * 2.0, dtype)


def student_t(
    df: Parameter, loc: Parameter = 0.0, scale: Parameter = 1.0, shape: Shape | None = None, dtype: Any = None,
    stream: str = "",
) -> Tensor:  # fmt: skip
    """Student's t: a standard normal number over the root of an independent ``chi2(df) / df``, moved and scaled.

    Parameters
    ----------
    df, loc, scale : float or array_like that broadcasts to `shape`
        The degrees of freedom (positive), the location, the scale (not negative). They get gradients.
    shape, dtype, stream :
        As in `gamma`.

    Returns
    -------
    Tensor

    Raises
    ------
    ValueError
        If `df` is not positive, `scale` is negative, or they do not broadcast to `shape`.

    Examples
    --------
    >>> import autograd_vs as av
    >>> av.random.student_t(4.0, shape=(2, 3)).shape
    (2, 3)
    """
    dtype = float_dtype("student_t", dtype)
    parameters = {"df": (df, POSITIVE), "loc": (loc, ANY), "scale": (scale, NOT_NEGATIVE)}
    df, loc, scale = _tensors("student_t", parameters)
    shape = broadcast("student_t", shape, {"df": df.shape, "loc": loc.shape, "scale": scale.shape})
    source = generator(stream)
    half = _cast(df, np.float64) * 0.5
    z = tensor_of(beside(normals(source, shape), df.array))
    with np.errstate(over="ignore"):  # few degrees of freedom: infinity is right
        z = z * np.exp((np.log(half) - _log_gammas(source, half, shape)) * 0.5)
    return affine(loc, scale, z, dtype)


def beta(a: Parameter, b: Parameter, shape: Shape | None = None, dtype: Any = None, stream: str = "") -> Tensor:
    """Numbers of density ``x**(a - 1) * (1 - x)**(b - 1)``, up to a factor, between 0 and 1.

    Parameters
    ----------
    a, b : float or array_like that broadcasts to `shape`
        Positive. They get gradients.
    shape, dtype, stream :
        As in `gamma`.

    Returns
    -------
    Tensor
        ``x / (x + y)`` of two gamma-distributed numbers.

    Raises
    ------
    ValueError
        If `a` or `b` is not positive, or they do not broadcast to `shape`.

    Examples
    --------
    >>> import autograd_vs as av
    >>> x = av.random.beta(0.5, 2.0, shape=1000)
    >>> bool(((x >= 0) & (x <= 1)).all())
    True
    """
    dtype = float_dtype("beta", dtype)
    a, b = _tensors("beta", {"a": (a, POSITIVE), "b": (b, POSITIVE)})
    shape = broadcast("beta", shape, {"a": a.shape, "b": b.shape})
    source = generator(stream)
    x, y = _log_gammas(source, a, shape), _log_gammas(source, b, shape)
    return _cast(np.exp(x - np.logaddexp(x, y)), dtype)


def dirichlet(alpha: Parameter, shape: Shape | None = None, dtype: Any = None, stream: str = "") -> Tensor:
    """Vectors of positive numbers with sum 1: gamma-distributed numbers over their sum.

    Parameters
    ----------
    alpha : array_like, shape (..., n)
        Positive. It gets a gradient.
    shape : int or tuple of int, optional
        How many vectors, the shape of the result without n; `alpha` broadcasts to it, and it is that of `alpha` by
        default.
    dtype, stream :
        As in `gamma`.

    Returns
    -------
    Tensor, shape (*shape, n)

    Raises
    ------
    ValueError
        If `alpha` is not positive, or its shape does not fit.

    Examples
    --------
    >>> import autograd_vs as av
    >>> x = av.random.dirichlet([0.5, 1.0, 2.0], shape=10)
    >>> x.shape, bool((abs(x.sum(axis=-1) - 1) < 1e-6).all())
    ((10, 3), True)
    """
    dtype = float_dtype("dirichlet", dtype)
    (alpha,) = _tensors("dirichlet", {"alpha": (alpha, POSITIVE)})
    if alpha.ndim < 1 or not alpha.shape[-1]:
        raise ValueError(f"dirichlet: alpha of shape (..., n) with n > 0 is needed, got shape {alpha.shape}")
    batch = broadcast("dirichlet", shape, {"alpha[..., 0]": alpha.shape[:-1]})
    x = _log_gammas(generator(stream), alpha, (*batch, alpha.shape[-1]))
    return _cast(np.exp(x - logsumexp(x, axis=-1, keepdims=True)), dtype)
