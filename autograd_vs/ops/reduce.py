"""Reductions and running sums. Floor 2.

Names as in NumPy shadow Python's own (`sum`, `max`, `min`) in this module: it uses neither of those.
"""

from math import nan
from math import prod as _product
from typing import Any

import numpy as np

from ..base.backend import NUMPYS, namespace
from ..base.dtypes import is_half
from ..engine import registry
from ..engine.call import Otherwise
from ..engine.cotangent import bare
from ..engine.declare import composed, primitive, reduces
from ..engine.protocol import Operand
from ..engine.samples import Sample, arrays, values, zeros
from ..engine.tensor import Tensor, as_tensor
from .elementwise import where
from .shape import astype, axes_of, axis_of, broadcast_to, cast, concatenate, reshape, valued

__all__ = [
    "amax", "amin", "average", "cumprod", "cumsum", "diff", "logsumexp", "max", "mean", "min", "prod", "ptp", "std",
    "sum", "var",
]  # fmt: skip

ndarray = np.ndarray
add_reduce: Any = np.add.reduce  # half the time of np.sum
_SCALARS: set[Any] = {np.float32, np.float64}  # what NumPy's 0-d arithmetic gives


def spread(g, shape, axis, keepdims):
    """`g`, of a reduced shape, over the shape before the reduction."""
    if axis is not None and not keepdims and g.ndim:
        axes = axes_of(axis, len(shape))
        g = g.reshape(tuple([1 if i in axes else n for i, n in enumerate(shape)]))
    return broadcast_to.inner(g, shape)


def kept(y, shape, axis, keepdims):
    """`y`, of a reduced shape, with dimensions of size 1 where the reduction was."""
    if keepdims or not shape:
        return y
    axes = axes_of(axis, len(shape))
    return y.reshape(tuple([1 if i in axes else n for i, n in enumerate(shape)]))


def _refuse_out(name, out):
    if out is not None:
        raise TypeError(f"{name}: out= is not supported for Tensors; use the Tensor that it returns")


def _otherwise(name):
    """The forward does not take these options: the function of `masked` does."""
    from . import masked

    raise Otherwise(getattr(masked, name))


def reduced(
    low: float = -2.0, high: float = 2.0, apart: float = 0.0, complex_numbers: bool = False, empty: bool = True,
    options: Any = tuple,
):  # fmt: skip
    """Samples of a reduction: over one, several, all and no axes, 0-d, empty, non-contiguous, with options."""

    def samples():
        x = arrays((2, 3, 4), low=low, high=high, apart=apart)
        found = [
            Sample(x),
            Sample(x, 1),
            Sample(x, -1, keepdims=True),
            Sample(x, (0, 2)),
            Sample(x, axis=(2, 0), keepdims=True),
            Sample(x, keepdims=True),
            Sample(x, axis=()),
            Sample(arrays((), low=low, high=high)),
            Sample(x[:, ::-2, ::2].T, 1),
            Sample(x.astype(np.float32), 1, smooth=False),
            *[Sample(x, **given) for given in options()],
        ]
        if empty:
            found.append(Sample(zeros((0, 3)), 0))
        if complex_numbers:
            found.append(Sample(arrays((2, 3), low=low, high=high, dtype=complex), 1))
        return found

    return samples


def _mask():
    return values([[[True], [False], [True]]])


def _narrower():
    return {"axis": 1, "dtype": np.float32, "smooth": False}


def _wider():
    return {"axis": 1, "dtype": np.complex128}


def _begun():
    return [
        {"axis": 1, "where": _mask()},
        {"axis": (0, 2), "initial": 0.75},
        {"initial": 2.5, "where": _mask()[0], "keepdims": True},
        {"where": True, "initial": None},
        _narrower(),
    ]


def _limited():
    return [
        {"axis": 1, "initial": 0.05},
        {"axis": (0, 2), "initial": -1.5, "where": _mask()},
        {"initial": 3.0, "where": _mask()[0], "keepdims": True},
    ]


def _spread_options():
    return [
        {"axis": 1, "where": _mask()},
        {"axis": (0, -1), "where": _mask()[:, :1], "keepdims": True, "ddof": 1},
        {"axis": 0, "correction": 0.5},
        {"axis": (0, 1), "mean": 0.1},
        {"axis": (0, 1), "mean": 0.1, "where": _mask(), "ddof": 2},
        _narrower(),
    ]


# ---------------------------------------------------------------- sums and means


@primitive(
    np.sum, vjp={"a": lambda g, a_shape, a_dtype, axis, keepdims: cast(spread(g, a_shape, axis, keepdims), a_dtype)},
    linear="each", methods="sum", samples=reduced(complex_numbers=True, options=lambda: [*_begun(), _wider()]),
)  # fmt: skip
def sum(a, axis=None, dtype=None, out=None, keepdims=False, initial=None, where=None):
    """The sum over all elements, or along axes.

    Parameters
    ----------
    a : array_like
    axis : int or tuple of int, optional
    dtype : dtype, optional
        In which to add; by default as in NumPy.
    out : None
        Not supported.
    keepdims : bool, default False
        Leave the reduced dimensions at size 1.
    initial : float or 0-d Tensor, optional
        What to add to; gradients reach it.
    where : array_like, bool, optional
        Take only these elements; of a shape that broadcasts to that of `a`.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> av.sum(av.Tensor(np.ones((2, 3))), axis=0).numpy().tolist()
    [2.0, 2.0, 2.0]
    """
    if out is not None or initial is not None or where is not None:
        _otherwise("sum")
    if dtype is None and is_half(a.dtype):
        return a.sum(axis=axis, dtype=np.float32, keepdims=keepdims).astype(a.dtype)
    if a.__class__ in NUMPYS:
        return add_reduce(a, axis, dtype, None, keepdims)
    return a.sum(axis=axis, dtype=dtype, keepdims=keepdims)


reduces(np.add, sum)


def _count(shape, axis):
    """How many elements a reduction takes together."""
    return _product(shape) if axis is None else _product([shape[i] for i in axes_of(axis, len(shape))])


def _mean_vjp(g, a_shape, a_dtype, axis, keepdims):
    count = _count(a_shape, axis) or 1
    if axis is None and not keepdims and (g.__class__ in NUMPYS or g.__class__ in _SCALARS) and g.dtype is a_dtype:
        y = namespace(g).empty(a_shape, a_dtype)  # a loss: a third of the time of the general way
        y.fill(g / count)
        return y
    return cast(spread(g / count, a_shape, axis, keepdims), a_dtype)


@primitive(
    np.mean, vjp={"a": _mean_vjp}, linear="each", methods="mean",
    samples=reduced(
        empty=False, complex_numbers=True,
        options=lambda: [
            {"axis": 1, "where": _mask()}, {"axis": (0, 1), "where": _mask(), "keepdims": True}, _narrower(), _wider(),
        ],
    ),
)  # fmt: skip
def mean(a, axis=None, dtype=None, out=None, keepdims=False, where=None):
    """The mean of all elements, or along axes.

    Parameters
    ----------
    a : array_like
    axis : int or tuple of int, optional
    dtype : dtype, optional
        In which to compute; by default as in NumPy.
    out : None
        Not supported.
    keepdims : bool, default False
        Leave the reduced dimensions at size 1.
    where : array_like, bool, optional
        Take only these elements; of a shape that broadcasts to that of `a`.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> av.mean(av.Tensor(np.array([1.0, 2.0, 6.0]))).item()
    3.0
    """
    if out is not None or where is not None:
        _otherwise("mean")
    if a.__class__ in NUMPYS and dtype is None and a.dtype.char in "fd" and a.size:
        if axis is None and not keepdims:
            return add_reduce(a, None) / a.size
        return add_reduce(a, axis, None, None, keepdims) / _count(a.shape, axis)  # a quarter of the time of a.mean
    if dtype is None and is_half(a.dtype):
        return a.mean(axis=axis, dtype=np.float32, keepdims=keepdims).astype(a.dtype)
    return a.mean(axis=axis, dtype=dtype, keepdims=keepdims)


def _deviation(a, axis):
    d = a - a.mean(axis=axis, keepdims=True)
    return d.conj() if d.dtype.kind == "c" else d


def _var_vjp(g, a, axis, ddof, keepdims):
    n = _count(a.shape, axis) - ddof
    g = g * (2.0 / n if n > 0 else nan)
    return cast(kept(g, a.shape, axis, keepdims) * _deviation(a, axis), a.dtype)


@primitive(
    np.var, vjp={"a": _var_vjp}, methods="var",
    samples=reduced(empty=False, complex_numbers=True, options=_spread_options),
)  # fmt: skip
def var(
    a,
    axis=None,
    dtype=None,
    out=None,
    ddof=0,
    keepdims=False,
    where=None,
    mean=None,
    correction=None,
):
    """The variance of all elements, or along axes.

    Parameters
    ----------
    a : array_like
    axis : int or tuple of int, optional
    dtype : dtype, optional
        In which to compute.
    out : None
        Not supported.
    ddof : float, default 0
        The sum of squares is divided by the number of elements minus this.
    keepdims : bool, default False
    where : array_like, bool, optional
        Take only these elements; of a shape that broadcasts to that of `a`.
    mean : array_like, optional
        The mean, if it is known, of the shape that it has with ``keepdims=True``; gradients reach it.
    correction : float, optional
        Another name of `ddof`.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> av.var(av.Tensor(np.array([1.0, 3.0]))).item()
    1.0
    """
    if out is not None or where is not None or mean is not None or correction is not None:
        _otherwise("var")
    return a.var(axis=axis, dtype=dtype, ddof=ddof, keepdims=keepdims)


def _std_vjp(g, a, y, axis, ddof, keepdims):
    n = _count(a.shape, axis) - ddof
    g = g / ((n if n > 0 else nan) * (y + (y == 0)))
    return cast(kept(g, a.shape, axis, keepdims) * _deviation(a, axis), a.dtype)


@primitive(
    np.std, vjp={"a": _std_vjp}, methods="std",
    samples=reduced(empty=False, complex_numbers=True, options=_spread_options),
)  # fmt: skip
def std(
    a,
    axis=None,
    dtype=None,
    out=None,
    ddof=0,
    keepdims=False,
    where=None,
    mean=None,
    correction=None,
):
    """The standard deviation of all elements, or along axes; its gradient is 0 where all are equal.

    Parameters
    ----------
    a : array_like
    axis : int or tuple of int, optional
    dtype : dtype, optional
        In which to compute.
    out : None
        Not supported.
    ddof : float, default 0
        The sum of squares is divided by the number of elements minus this.
    keepdims : bool, default False
    where : array_like, bool, optional
        Take only these elements; of a shape that broadcasts to that of `a`.
    mean : array_like, optional
        The mean, if it is known, of the shape that it has with ``keepdims=True``; gradients reach it.
    correction : float, optional
        Another name of `ddof`.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> av.std(av.Tensor(np.array([1.0, 3.0]))).item()
    1.0
    """
    if out is not None or where is not None or mean is not None or correction is not None:
        _otherwise("std")
    return a.std(axis=axis, dtype=dtype, ddof=ddof, keepdims=keepdims)


def weights_of(name, weights, shape, axis):
    """Weights as a Tensor that broadcasts to `shape`: they have that shape, or its sizes along the axes."""
    weights = as_tensor(weights)
    if weights.shape == shape:
        return weights
    if axis is None:
        raise TypeError(f"{name}: weights of shape {weights.shape} for an array of shape {shape} need axis=")
    axes = axes_of(axis, len(shape))
    if weights.shape != tuple([shape[i] for i in axes]):
        raise ValueError(
            f"{name}: weights of shape {weights.shape} fit neither the shape of the array, {shape}, nor its axis {axis}"
        )
    order = sorted(range(len(axes)), key=axes.__getitem__)
    return weights.transpose(order).reshape(tuple([n if i in axes else 1 for i, n in enumerate(shape)]))


def _average_samples():
    x = arrays((2, 3))
    w = arrays((2, 3), low=0.5, seed=1)
    return [
        Sample(x),
        Sample(x, 1, values([1.0, 2.0, 3.0])),
        Sample(x, None, w),
        Sample(x, -1, w, keepdims=True),
        Sample(arrays((2, 3, 2)), (2, 0), arrays((2, 2), low=0.5, seed=2), True),
        Sample(x, 0, returned=True),
        Sample(x.astype(np.float32), 1, values([1, 2, 3]), smooth=False),
        Sample(arrays((3,), dtype=complex), 0, w[0], True),
    ]


@composed(np.average, samples=_average_samples)
def average(a, axis=None, weights=None, returned=False, *, keepdims=False) -> Any:
    """The weighted mean.

    Parameters
    ----------
    a : array_like
    axis : int or tuple of int, optional
    weights : array_like, of the shape of `a`, or of its sizes along `axis`
        Gradients reach them.
    returned : bool, default False
        Also return the sum of the weights.
    keepdims : bool, default False

    Returns
    -------
    Tensor, or a pair of Tensors

    Raises
    ------
    TypeError, ValueError
        If the shapes do not fit.
    ZeroDivisionError
        If weights sum to zero; on a device, where to look would be to wait, the result is infinite or NaN.

    Examples
    --------
    >>> av.average(av.Tensor(np.array([1.0, 2.0])), weights=np.array([3.0, 1.0])).item()
    1.25
    """
    a = as_tensor(a)
    if weights is None:
        y = mean(a, axis, keepdims=keepdims)
        total = as_tensor(namespace(a.array).asarray(_count(a.shape, axis), y.dtype))
    else:
        weights = weights_of("average", weights, a.shape, axis)
        dtype = np.result_type(a.dtype, weights.dtype, *([np.float64] if a.dtype.kind in "biu" else []))
        total = sum(weights, axis, dtype, keepdims=keepdims)
        if namespace(total.array) is np and not total.array.all():
            raise ZeroDivisionError("average: weights sum to zero, so there is no mean")
        y = sum(astype(a, dtype) * weights, axis, keepdims=keepdims) / total
    return (y, broadcast_to(total, y.shape)) if returned else y


# ---------------------------------------------------------------- products


def _prod_vjp(g, a, axis, keepdims):
    """Each element's factor is the product of all others: those before it times those after it."""
    shape = a.shape
    axes = axes_of(axis if shape else None, len(shape))  # NumPy takes the axis of a 0-d array for its only number
    rest = tuple([i for i in range(len(shape)) if i not in axes])
    order = rest + axes
    n = _product([shape[i] for i in axes])
    rows = a.transpose(order).reshape((*[shape[i] for i in rest], n))
    others = _before(rows) * _before(rows[..., ::-1])[..., ::-1]
    back = tuple([order.index(i) for i in range(len(shape))])
    others = others.reshape(tuple([shape[i] for i in order])).transpose(back)
    return cast(kept(g, shape, axis, keepdims) * others, a.dtype)


def _before(rows):
    """Along the last axis, the product of all elements before each."""
    first = rows[..., :1]
    first = namespace(bare(first)).ones(first.shape, first.dtype)
    return cumprod.inner(concatenate.inner((first, rows[..., :-1]), -1), -1)


def _prod_samples():
    x = arrays((2, 3), low=0.5)
    zero, zeros = x.copy(), x.copy()
    zero[0, 1] = 0
    zeros[0, :2] = 0
    ordinary = reduced(0.5, 2.0, complex_numbers=True, options=_begun)()
    return [*ordinary, Sample(zero, 1), Sample(zeros, 1), Sample(zeros)]


@primitive(np.prod, vjp={"a": _prod_vjp}, methods="prod", samples=_prod_samples)
def prod(a, axis=None, dtype=None, out=None, keepdims=False, initial=None, where=None):
    """The product of all elements, or along axes. The gradient is right where elements are 0, too.

    Parameters
    ----------
    a : array_like
    axis : int or tuple of int, optional
    dtype : dtype, optional
        In which to multiply.
    out : None
        Not supported.
    keepdims : bool, default False
    initial : float or 0-d Tensor, optional
        The first factor; gradients reach it.
    where : array_like, bool, optional
        Take only these elements; of a shape that broadcasts to that of `a`.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> av.prod(av.Tensor(np.array([2.0, 3.0]))).item()
    6.0
    """
    if out is not None or initial is not None or where is not None:
        _otherwise("prod")
    return a.prod(axis=axis, dtype=dtype, keepdims=keepdims)


reduces(np.multiply, prod)

# ---------------------------------------------------------------- extremes


def _extreme_vjp(g, a, y, axis, keepdims):
    """Elements that share the extreme share the gradient."""
    hit = a == kept(y, a.shape, axis, keepdims)
    count = hit.sum(axis=axis, dtype=g.dtype, keepdims=True)
    return hit * (kept(g, a.shape, axis, keepdims) / count)


def _extreme_samples():
    ties = values([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])
    return [*reduced(apart=1.0, empty=False, options=_limited)(), Sample(ties, 1, smooth=False)]


@primitive(np.max, vjp={"a": _extreme_vjp}, methods="max", samples=_extreme_samples)
def max(a, axis=None, out=None, keepdims=False, initial=None, where=None):
    """The largest element, or the largest along axes. Elements that share it share the gradient equally.

    Parameters
    ----------
    a : array_like
    axis : int or tuple of int, optional
    out : None
        Not supported.
    keepdims : bool, default False
    initial : float or 0-d Tensor, optional
        A value that takes part; needed with `where`, and for no elements; gradients reach it.
    where : array_like, bool, optional
        Take only these elements; of a shape that broadcasts to that of `a`.

    Returns
    -------
    Tensor

    Raises
    ------
    ValueError
        If there is no element, or there is `where` but no `initial`.

    Examples
    --------
    >>> av.max(av.Tensor(np.array([[1.0, 5.0], [7.0, 3.0]])), axis=1).numpy().tolist()
    [5.0, 7.0]
    """
    if out is not None or initial is not None or where is not None:
        _otherwise("max")
    return a.max(axis=axis, keepdims=keepdims)


@primitive(np.min, vjp={"a": _extreme_vjp}, methods="min", samples=_extreme_samples)
def min(a, axis=None, out=None, keepdims=False, initial=None, where=None):
    """The smallest element, or the smallest along axes. Elements that share it share the gradient equally.

    Parameters
    ----------
    a : array_like
    axis : int or tuple of int, optional
    out : None
        Not supported.
    keepdims : bool, default False
    initial : float or 0-d Tensor, optional
        A value that takes part; needed with `where`, and for no elements; gradients reach it.
    where : array_like, bool, optional
        Take only these elements; of a shape that broadcasts to that of `a`.

    Returns
    -------
    Tensor

    Raises
    ------
    ValueError
        If there is no element, or there is `where` but no `initial`.

    Examples
    --------
    >>> av.min(av.Tensor(np.array([[1.0, 5.0], [7.0, 3.0]])), axis=1).numpy().tolist()
    [1.0, 3.0]
    """
    if out is not None or initial is not None or where is not None:
        _otherwise("min")
    return a.min(axis=axis, keepdims=keepdims)


amax, amin = max, min
registry.functions[np.amax], registry.functions[np.amin] = max, min
reduces(np.maximum, max)
reduces(np.minimum, min)


@composed(np.ptp, samples=reduced(apart=1.0, empty=False))
def ptp(a, axis=None, out=None, keepdims=False) -> Tensor:
    """The largest element minus the smallest, of all or along axes.

    Parameters
    ----------
    a : array_like
    axis : int or tuple of int, optional
    out : None
        Not supported.
    keepdims : bool, default False

    Returns
    -------
    Tensor

    Examples
    --------
    >>> av.ptp(av.Tensor(np.array([1.0, 5.0]))).item()
    4.0
    """
    _refuse_out("ptp", out)
    return max(a, axis, None, keepdims) - min(a, axis, None, keepdims)


def _logsumexp_vjp(g, x, y, axis, keepdims):
    y = kept(where.inner(y == -np.inf, 0.0, y), x.shape, axis, keepdims)
    return kept(g, x.shape, axis, keepdims) * np.exp(x - y)


def _logsumexp_samples():
    return [*reduced(empty=False)(), Sample(values([[1000.0, 999.0], [-np.inf, 0.5]]), 1, smooth=False)]


@primitive(vjp={"x": _logsumexp_vjp}, samples=_logsumexp_samples)
def logsumexp(x, axis=None, keepdims=False):
    """``log(sum(exp(x)))`` over all elements or along axes, without overflow.

    Parameters
    ----------
    x : array_like, float
    axis : int or tuple of int, optional
    keepdims : bool, default False

    Returns
    -------
    Tensor

    Examples
    --------
    >>> print(f"{av.logsumexp(av.Tensor(np.array([1000.0, 1000.0]))):.4f}")
    1000.6931
    """
    xp = namespace(x)
    top = x.max(axis=axis, keepdims=True)
    top = xp.where(xp.isfinite(top), top, 0)  # a shift by an infinity would give NaN
    with np.errstate(divide="ignore"):  # of nothing but minus infinities
        y = xp.log(xp.exp(x - top).sum(axis=axis, keepdims=True)) + top
    return y if keepdims else y.reshape(x.sum(axis=axis).shape if axis is not None else ())


def _logaddexp_reduce(x, axis=None, keepdims=False, initial=None, where=None):
    if initial is None and where is None:
        return logsumexp(x, axis, keepdims)
    from .masked import logsumexp as with_options

    return with_options(x, axis, keepdims, initial, where)


reduces(np.logaddexp, _logaddexp_reduce)

# ---------------------------------------------------------------- running sums and products


def reverse(x, axis):
    """`x` in the reverse order along an axis."""
    return x[(slice(None),) * axis + (slice(None, None, -1),)]


def _cumsum_vjp(g, a_shape, a_dtype, axis):
    if axis is None or not a_shape:
        return cast(g[::-1].cumsum(0)[::-1].reshape(a_shape), a_dtype)
    axis = axis_of(axis, len(a_shape))
    return cast(reverse(reverse(g, axis).cumsum(axis), axis), a_dtype)


def _running_samples():
    return [
        Sample(arrays((2, 3), low=0.3), 0),
        Sample(arrays((2, 3), low=0.3), -1),
        Sample(arrays((2, 3), low=0.3)),
        Sample(arrays((4, 6), low=0.3)[::2, ::-2].T, 1),
        Sample(zeros((0, 3)), 0),
        Sample(arrays((3,), low=0.3, dtype=complex), 0),
        Sample(arrays((3,), low=0.3).astype(np.float32), 0, smooth=False),
    ]


@primitive(np.cumsum, vjp={"a": _cumsum_vjp}, linear="each", methods="cumsum", samples=_running_samples)
def cumsum(a, axis=None, dtype=None, out=None):
    """The sums of all elements up to each.

    Parameters
    ----------
    a : array_like
    axis : int, optional
        None works on the flattened array.
    dtype : dtype, optional
        In which to add.
    out : None
        Not supported.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> av.cumsum(av.Tensor(np.array([1.0, 2.0, 3.0]))).numpy().tolist()
    [1.0, 3.0, 6.0]
    """
    _refuse_out("cumsum", out)
    return a.cumsum(axis=axis, dtype=dtype)


def _running_total(g, axis):
    """The sums of all elements from each on."""
    return reverse(reverse(g, axis).cumsum(axis), axis)


def _cumprod_vjp(g, a, y, axis):
    """Element i takes part in all products from i on.

    Where no zero is in the way the others are ``y / a``. At the first zero of a row they are the products with a 1 in
    its place; before it the quotient holds, behind it they are all 0. Where this is differentiated and a row has two
    zeros, the square table of all products stands in.
    """
    if axis is None or not a.shape:
        return _cumprod_vjp(g, a.reshape(-1), y, 0).reshape(a.shape)
    axis = axis_of(axis, a.ndim)
    zero = a == 0
    if hasattr(a, "position") and (zero.array.sum(axis=axis) > 1).any():
        return _cumprod_table(g, a, axis)
    first = zero & (zero.cumsum(axis) == 1)
    quotient = _running_total(g * y, axis) / where.inner(zero, 1.0, a)
    at_zero = _running_total(g * cumprod.inner(where.inner(first, 1.0, a), axis), axis)
    return cast(where.inner(first, at_zero, quotient), a.dtype)


def _cumprod_table(g, a, axis):
    """The gradient as a sum over the square table (factor i left out, product up to j)."""
    n = a.shape[axis]
    rows = a.swapaxes(axis, -1)
    xp = namespace(a.array)
    own = xp.eye(n, dtype=bool)
    products = cumprod.inner(where.inner(own, 1.0, rows[..., None, :]), -1)  # (..., i, j)
    upper = where.inner(xp.triu(xp.ones((n, n), bool)), products, 0.0)
    return (upper * g.swapaxes(axis, -1)[..., None, :]).sum(-1).swapaxes(axis, -1)


def _cumprod_samples():
    x = arrays((2, 4), low=0.5)
    zero, zeros = x.copy(), x.copy()
    zero[0, 1] = 0
    zeros[0, 1:3] = 0
    return [*_running_samples(), Sample(zero, 1), Sample(zeros, 1), Sample(zeros)]


@primitive(np.cumprod, vjp={"a": _cumprod_vjp}, methods="cumprod", samples=_cumprod_samples)
def cumprod(a, axis=None, dtype=None, out=None):
    """The products of all elements up to each. The gradient is right where elements are 0, too.

    Parameters
    ----------
    a : array_like
    axis : int, optional
        None works on the flattened array.
    dtype : dtype, optional
        In which to multiply.
    out : None
        Not supported.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> av.cumprod(av.Tensor(np.array([1.0, 2.0, 3.0]))).numpy().tolist()
    [1.0, 2.0, 6.0]
    """
    _refuse_out("cumprod", out)
    return a.cumprod(axis=axis, dtype=dtype)


reduces(np.add, cumsum, "accumulate")
reduces(np.multiply, cumprod, "accumulate")


def _beside(x, a):
    """A number as an array of the library of `a`."""
    return x if isinstance(x, Operand) else namespace(a.array).asarray(x)


@composed(
    np.diff,
    samples=lambda: [
        Sample(arrays((2, 4))),
        Sample(arrays((4, 2)), 2, 0),
        Sample(arrays((2, 3)), prepend=0.0, append=1.5),
        Sample(arrays((2, 3)), 2, -1, *arrays((2, 1), (2, 2))),
        Sample(arrays((2, 3)), 0, 1, arrays((2, 1))),
        Sample(arrays((2, 3)), 0),
    ],
)
def diff(a, n=1, axis=-1, prepend=None, append=None) -> Tensor:
    """Differences of neighbours along an axis.

    Parameters
    ----------
    a : array_like
    n : int, default 1
        How often.
    axis : int, default -1
    prepend, append : array_like, optional
        Values to put before and after `a` first.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> av.diff(av.Tensor(np.array([1.0, 4.0, 9.0]))).numpy().tolist()
    [3.0, 5.0]
    """
    if n < 0:
        raise ValueError(f"diff: the order must not be negative, got {n}")
    a = as_tensor(a)
    if n == 0:  # NumPy returns `a` without what would stand around it
        return valued(a)
    axis = axis_of(axis, a.ndim)
    edge = (*a.shape[:axis], 1, *a.shape[axis + 1 :])
    head, tail = [
        [] if x is None else [broadcast_to(_beside(x, a), edge) if np.ndim(x) == 0 else x] for x in (prepend, append)
    ]
    if head or tail:
        a = concatenate([*head, a, *tail], axis)
    front = (slice(None),) * axis
    for _ in range(n):
        late, early = a[(*front, slice(1, None))], a[(*front, slice(None, -1))]
        a = late ^ early if a.dtype.kind == "b" else late - early
    return a


def _running(x, axis, dtype, out, include_initial, run, first):
    """`cumsum` or `cumprod` by the rules of the array API."""
    x = as_tensor(x)
    x = x if x.ndim else reshape(x, (1,))
    if axis is None and x.ndim != 1:
        raise ValueError(f"cumulative_{run.__name__[3:]}: an array of {x.ndim} dimensions needs axis=")
    axis = axis_of(0 if axis is None else axis, x.ndim)
    y = run(x, axis, dtype, out)
    if not include_initial:
        return y
    edge = namespace(y.array).full((*y.shape[:axis], 1, *y.shape[axis + 1 :]), first, y.dtype)
    return concatenate([edge, y], axis)


def _cumulative_samples():
    return [
        Sample(arrays((3,), low=0.3)),
        Sample(arrays((2, 3), low=0.3), axis=-1, include_initial=True),
        Sample(arrays((2, 3), low=0.3), axis=0),
        Sample(arrays((), low=0.3)),
    ]


@registry.for_numpy(np.cumulative_sum, samples=_cumulative_samples)
def _cumulative_sum(x, /, *, axis=None, dtype=None, out=None, include_initial=False) -> Tensor:
    return _running(x, axis, dtype, out, include_initial, cumsum, 0)


@registry.for_numpy(np.cumulative_prod, samples=_cumulative_samples)
def _cumulative_prod(x, /, *, axis=None, dtype=None, out=None, include_initial=False) -> Tensor:
    return _running(x, axis, dtype, out, include_initial, cumprod, 1)
