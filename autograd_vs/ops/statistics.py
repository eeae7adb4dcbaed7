"""Statistics: functions that leave NaN out, medians and quantiles, covariances. Floor 2; loaded at first use.

Order statistics are gathered: of equal elements one gets the gradient, as in `sort`. A weighted or discrete quantile is
a step function of `q` and of the weights, through which no gradient passes.
"""

from math import prod as _product

import numpy as np

from ..base.backend import as_array, beside, namespace, on_host
from ..engine.call import Otherwise
from ..engine.declare import composed, primitive
from ..engine.protocol import Operand, mark_break
from ..engine.samples import Sample, arrays, values, zeros
from ..engine.tensor import Tensor, as_tensor, tensor_of
from . import masked
from .elementwise import fmax, fmin
from .elementwise import where as select
from .index import take_along
from .masked import counted, mask_of, over, refuse_out, rooted, variance, warn
from .products import diagonal, matmul
from .reduce import average, cumprod, cumsum, kept, max, mean, min, weights_of
from .shape import astype, axes_of, concatenate, matrix_transpose, moveaxis, reshape, squeeze, transpose

__all__ = [
    "corrcoef", "cov", "median", "nancumprod", "nancumsum", "nanmax", "nanmean", "nanmedian", "nanmin", "nanpercentile",
    "nanprod", "nanquantile", "nanstd", "nansum", "nanvar", "percentile", "quantile",
]  # fmt: skip

# ---------------------------------------------------------------- without NaN


def _with_nan(apart=0.0, low=-2.0):
    x = arrays((2, 3, 4), low=low, apart=apart)
    x[0, 0, 1] = x[1, 2, 0] = x[1, 1, 3] = np.nan
    return x


def _nan_samples(apart=0.0, low=-2.0, complex_numbers=True, options=({"where": True},), empty=False):
    """Samples of a reduction that leaves NaN out; the last ones with further options."""

    def samples():
        x = _with_nan(apart, low)
        whole = values([[np.nan, np.nan, np.nan], [1.0, np.nan, 2.5]])
        found = [
            Sample(x),
            Sample(x, 1),
            Sample(x, -1, keepdims=True),
            Sample(x, axis=(2, 0)),
            Sample(x[:, ::-2, ::2].T, axis=(0, -1), keepdims=True),
            Sample(x, axis=(), smooth=False),
            Sample(arrays((), low=low)),
            Sample(x.astype(np.float32), 1, smooth=False),
            Sample(whole, 1, smooth=False),
            *[Sample(x, **given) for given in options],
        ]
        if empty:
            found.append(Sample(zeros((0, 3)), 0))
        if complex_numbers:
            found.append(Sample(values([[1 + 2j, np.nan, 0.5 - 1j], [0.3j, 2.0, -1 + 0.5j]]), 1))
        return found

    return samples


def _present(name, a, where=None):
    """`a` as a Tensor, and the mask of its elements that are not NaN and are in `where`; None: all are."""
    a = as_tensor(a)
    mask = mask_of(name, where, a)
    if a.dtype.kind in "fc":
        number = ~np.isnan(a.array)
        mask = number if mask is None else number & mask
    return a, mask


_MASK = values([[[True], [False], [True]]])
_NARROWER = {"axis": 1, "dtype": np.float32, "smooth": False}
_OPTIONS = (
    {"axis": 1, "where": _MASK},
    {"axis": (0, 2), "initial": 0.75},
    {"initial": 2.5, "where": _MASK, "keepdims": True},
)


@composed(np.nansum, samples=_nan_samples(options=(*_OPTIONS, _NARROWER), empty=True))
def nansum(a, axis=None, dtype=None, out=None, keepdims=False, initial=None, where=None) -> Tensor:
    """The sum of the elements that are not NaN; the gradient at NaN is 0.

    Parameters
    ----------
    a : array_like
    axis : int or tuple of int, optional
    dtype : dtype, optional
        In which to add.
    out : None
        Not supported.
    keepdims : bool, default False
    initial : float or 0-d Tensor, optional
        What to add to.
    where : array_like, bool, optional
        Take only these elements.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> av.nansum(av.Tensor(np.array([1.0, np.nan, 2.0]))).item()
    3.0
    """
    refuse_out("nansum", out)
    a, mask = _present("nansum", a, where)
    return masked.sum(a, axis, dtype, None, keepdims, initial, mask)


@composed(np.nanprod, samples=_nan_samples(low=0.5, options=(*_OPTIONS, _NARROWER), empty=True))
def nanprod(a, axis=None, dtype=None, out=None, keepdims=False, initial=None, where=None) -> Tensor:
    """The product of the elements that are not NaN; the gradient at NaN is 0.

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
        The first factor.
    where : array_like, bool, optional
        Take only these elements.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> av.nanprod(av.Tensor(np.array([2.0, np.nan, 3.0]))).item()
    6.0
    """
    refuse_out("nanprod", out)
    a, mask = _present("nanprod", a, where)
    return masked.prod(a, axis, dtype, None, keepdims, initial, mask)


def _inexact(name, a, dtype):
    if dtype is not None and np.dtype(dtype).kind not in "fc":
        raise TypeError(f"{name}: for an array of dtype {a.dtype} dtype= must be float or complex, got {dtype}")


@composed(np.nanmean, samples=_nan_samples(options=({"axis": 1, "where": _MASK}, _NARROWER)))
def nanmean(a, axis=None, dtype=None, out=None, keepdims=False, *, where=None) -> Tensor:
    """The mean of the elements that are not NaN; NaN and a RuntimeWarning where there is none.

    Parameters
    ----------
    a : array_like
    axis : int or tuple of int, optional
    dtype : dtype, optional
        In which to compute.
    out : None
        Not supported.
    keepdims : bool, default False
    where : array_like, bool, optional
        Take only these elements.

    Returns
    -------
    Tensor

    Notes
    -----
    On a device nothing warns: to look would be to wait.

    Examples
    --------
    >>> av.nanmean(av.Tensor(np.array([1.0, np.nan, 2.0]))).item()
    1.5
    """
    refuse_out("nanmean", out)
    a, mask = _present("nanmean", a, where)
    if a.dtype.kind not in "fc":
        return masked.mean(a, axis, dtype, None, keepdims, mask)
    _inexact("nanmean", a, dtype)
    count = counted(a, mask, axis, keepdims)
    total = masked.sum(a, axis, dtype, None, keepdims, None, mask)
    return _nan_where(count == 0, over(total, count + (count == 0)), "Mean of empty slice")


def _nan_where(bad, y, text):
    """NaN, with gradient 0, and a warning where `bad`."""
    if namespace(bad) is np:
        if not bad.any():
            return y
        warn(text)
    return select(bad, np.nan, y)


_SPREAD = (
    {"axis": (1, 2), "where": _MASK},
    {"axis": (0, 2), "ddof": 1, "keepdims": True},
    {"axis": 1, "correction": 0.5},
    {"axis": (0, 1), "mean": values([[[0.3, -0.2, 0.1, 0.4]]])},
    _NARROWER,
)


def _nan_variance(name, a, axis, dtype, ddof, keepdims, where, mean, correction):
    a, mask = _present(name, a, where)
    if a.dtype.kind not in "fc":
        return masked.var(a, axis, dtype, None, ddof, keepdims, mask, mean, correction)
    _inexact(name, a, dtype)
    ddof = masked.freedom(name, ddof, correction)
    y, left = variance(a, axis, dtype, ddof, keepdims, mask, mean, least=1)
    return _nan_where(left <= 0, y, "Degrees of freedom <= 0 for slice.")


@composed(np.nanvar, samples=_nan_samples(options=_SPREAD))
def nanvar(
    a, axis=None, dtype=None, out=None, ddof=0, keepdims=False, *, where=None, mean=None, correction=None
) -> Tensor:  # fmt: skip
    """The variance of the elements that are not NaN; NaN and a RuntimeWarning where there are too few.

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
        Take only these elements.
    mean : array_like, optional
        The mean, of the shape that it has with ``keepdims=True``.
    correction : float, optional
        Another name of `ddof`.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> av.nanvar(av.Tensor(np.array([1.0, np.nan, 3.0]))).item()
    1.0
    """
    refuse_out("nanvar", out)
    return _nan_variance("nanvar", a, axis, dtype, ddof, keepdims, where, mean, correction)


@composed(np.nanstd, samples=_nan_samples(options=_SPREAD))
def nanstd(
    a, axis=None, dtype=None, out=None, ddof=0, keepdims=False, *, where=None, mean=None, correction=None
) -> Tensor:  # fmt: skip
    """The standard deviation of the elements that are not NaN; its gradient is 0 where these are equal.

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
        Take only these elements.
    mean : array_like, optional
        The mean, of the shape that it has with ``keepdims=True``.
    correction : float, optional
        Another name of `ddof`.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> av.nanstd(av.Tensor(np.array([1.0, np.nan, 3.0]))).item()
    1.0
    """
    refuse_out("nanstd", out)
    return rooted(_nan_variance("nanstd", a, axis, dtype, ddof, keepdims, where, mean, correction))


def _nan_extreme_vjp(g, a, y, axis, keepdims):
    """Elements that share the extreme share the gradient; NaN has none of it."""
    hit = a == kept(y, a.shape, axis, keepdims)
    count = hit.sum(axis=axis, dtype=g.dtype, keepdims=True)
    return hit * (kept(g, a.shape, axis, keepdims) / (count + (count == 0)))


def _nan_extreme(name, ufunc, a, axis, keepdims):
    xp = namespace(a)
    if xp is not np:
        return getattr(xp, name)(a, axis=axis, keepdims=keepdims)
    y = ufunc.reduce(a, axis=axis, keepdims=keepdims)
    if np.isnan(y).any():
        warn("All-NaN slice encountered")
    return y


def _masked_nan_extreme(name, reduction, ufunc, sign):
    def reduced(a, axis=None, out=None, keepdims=False, initial=None, where=None):
        refuse_out(name, out)
        a, mask = _present(name, a, where)
        if initial is None and where is not None and where is not True:
            raise ValueError(f"{name}: where= needs initial=, the result where no element is taken")
        if initial is None:
            return (nanmax if sign > 0 else nanmin)(a, axis, None, keepdims)
        return masked.extreme(name, reduction, ufunc, sign, a, axis, keepdims, initial, mask)

    return reduced


_EXTREME = (
    {"axis": 1, "initial": -0.1},
    {"axis": (0, 2), "initial": 0.2, "where": _MASK},
    {"where": True, "keepdims": True},
)


@primitive(
    np.nanmax, vjp={"a": _nan_extreme_vjp},
    samples=_nan_samples(apart=1.0, complex_numbers=False, options=_EXTREME),
)  # fmt: skip
def nanmax(a, axis=None, out=None, keepdims=False, initial=None, where=None):
    """The largest of the elements that are not NaN; NaN and a RuntimeWarning where there is none.

    Parameters
    ----------
    a : array_like
    axis : int or tuple of int, optional
    out : None
        Not supported.
    keepdims : bool, default False
    initial : float or 0-d Tensor, optional
        A value that takes part; needed with `where`.
    where : array_like, bool, optional
        Take only these elements.

    Returns
    -------
    Tensor

    Raises
    ------
    ValueError
        If there is no element, or there is `where` but no `initial`.

    Examples
    --------
    >>> av.nanmax(av.Tensor(np.array([1.0, np.nan, 2.0]))).item()
    2.0
    """
    if out is not None or initial is not None or where is not None:
        raise Otherwise(_masked_nan_extreme("nanmax", max, fmax, 1))
    return _nan_extreme("nanmax", np.fmax, a, axis, keepdims)


@primitive(
    np.nanmin, vjp={"a": _nan_extreme_vjp},
    samples=_nan_samples(apart=1.0, complex_numbers=False, options=_EXTREME),
)  # fmt: skip
def nanmin(a, axis=None, out=None, keepdims=False, initial=None, where=None):
    """The smallest of the elements that are not NaN; NaN and a RuntimeWarning where there is none.

    Parameters
    ----------
    a : array_like
    axis : int or tuple of int, optional
    out : None
        Not supported.
    keepdims : bool, default False
    initial : float or 0-d Tensor, optional
        A value that takes part; needed with `where`.
    where : array_like, bool, optional
        Take only these elements.

    Returns
    -------
    Tensor

    Raises
    ------
    ValueError
        If there is no element, or there is `where` but no `initial`.

    Examples
    --------
    >>> av.nanmin(av.Tensor(np.array([1.0, np.nan, 2.0]))).item()
    1.0
    """
    if out is not None or initial is not None or where is not None:
        raise Otherwise(_masked_nan_extreme("nanmin", min, fmin, -1))
    return _nan_extreme("nanmin", np.fmin, a, axis, keepdims)


def _running_samples():
    x = _with_nan(low=0.5)[0]
    return [
        Sample(x, 0),
        Sample(x, -1),
        Sample(x),
        Sample(x.T[::2], 1),
        Sample(zeros((0, 3)), 0),
        Sample(values([1.0 + 1j, np.nan, 2.0]), 0),
        Sample(x.astype(np.float32), 0, smooth=False),
        Sample(x, 1, np.float32, smooth=False),
    ]


@composed(np.nancumsum, samples=_running_samples)
def nancumsum(a, axis=None, dtype=None, out=None) -> Tensor:
    """The sums of all elements up to each that are not NaN; the gradient at NaN is 0.

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
    >>> av.nancumsum(av.Tensor(np.array([1.0, np.nan, 2.0]))).numpy().tolist()
    [1.0, 1.0, 3.0]
    """
    refuse_out("nancumsum", out)
    a, mask = _present("nancumsum", a)
    return cumsum(a if mask is None else select(mask, a, 0.0), axis, dtype)


@composed(np.nancumprod, samples=_running_samples)
def nancumprod(a, axis=None, dtype=None, out=None) -> Tensor:
    """The products of all elements up to each that are not NaN; the gradient at NaN is 0.

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
    >>> av.nancumprod(av.Tensor(np.array([2.0, np.nan, 3.0]))).numpy().tolist()
    [2.0, 2.0, 6.0]
    """
    refuse_out("nancumprod", out)
    a, mask = _present("nancumprod", a)
    return cumprod(a if mask is None else select(mask, a, 1.0), axis, dtype)


# ---------------------------------------------------------------- order statistics


def _rows(a, axis):
    """A Tensor or bare array with the reduced axes last, as one dimension."""
    axes = axes_of(axis, a.ndim)
    rest = tuple([i for i in range(a.ndim) if i not in axes])
    shape = (*[a.shape[i] for i in rest], _product([a.shape[i] for i in axes]))
    return (a if rest + axes == tuple(range(a.ndim)) else a.transpose(rest + axes)).reshape(shape)


def _kept_shape(shape, axis, keepdims):
    """The shape of a reduction's result."""
    axes = axes_of(axis, len(shape))
    return tuple([1 if i in axes else n for i, n in enumerate(shape) if keepdims or i not in axes])


def _order(x, places=None):
    """The order of the rows of a bare array, right at the given places at least (None: at all)."""
    if places is None or namespace(x) is not np:  # CuPy's argpartition sorts all
        return x.argsort(axis=-1)
    return x.argpartition(sorted(set(places)), axis=-1)


def _nan_last(x, order, index):
    """`index` into the rows of `x`, and to the NaN where there is one: it is the last in `order`."""
    if x.dtype.kind not in "fc":
        return index
    last = order[..., -1:]
    return namespace(x).where(np.isnan(take_along.inner(x, last, -1)), last, index)


def _half_samples(nan):
    def samples():
        x = arrays((2, 3, 4), apart=1.0)
        broken = x.copy()
        broken[0, 0, 1] = broken[1, 2] = np.nan
        found = [
            Sample(x),
            Sample(x, 1),
            Sample(x, -1, keepdims=True),
            Sample(x, axis=(2, 0)),
            Sample(x, axis=(1, 2), keepdims=True),
            Sample(x, axis=()),
            Sample(arrays(())),
            Sample(x[:, ::-2, ::2].T, 1),
            Sample(x.astype(np.float32), 1, smooth=False),
            Sample(broken, 2, smooth=False),
            Sample(zeros((0, 3)), 1),
            Sample(arrays((2, 3), dtype=complex), 1),
        ]
        if nan:
            found += [Sample(_with_nan(1.0), axis) for axis in (None, 0, (0, 2))]
        return found

    return samples


@composed(np.median, samples=_half_samples(False))
def median(a, axis=None, out=None, overwrite_input=False, keepdims=False) -> Tensor:
    """The median: the middle element, or the mean of the two in the middle; NaN where there is a NaN.

    Parameters
    ----------
    a : array_like
    axis : int or tuple of int, optional
    out : None
        Not supported.
    overwrite_input : bool
        Without meaning here.
    keepdims : bool, default False

    Returns
    -------
    Tensor

    Notes
    -----
    PyTorch's `median` of an even number of elements is the lower one of the two in the middle.

    Examples
    --------
    >>> av.median(av.Tensor(np.array([1.0, 7.0, 2.0, 4.0]))).item()
    3.0
    """
    refuse_out("median", out)
    a = as_tensor(a)
    rows = _rows(a, axis)
    x, n = rows.array, rows.shape[-1]
    if n:
        places = [(n - 1) // 2, n // 2] if n % 2 == 0 else [n // 2]
        order = _order(x, [*places, n - 1])
        rows = take_along(rows, _nan_last(x, order, order[..., places[0] : places[-1] + 1]), -1)
    return reshape(mean(rows, -1), _kept_shape(a.shape, axis, keepdims))


@composed(np.nanmedian, samples=_half_samples(True))
def nanmedian(a, axis=None, out=None, overwrite_input=False, keepdims=False) -> Tensor:
    """The median of the elements that are not NaN; NaN and a RuntimeWarning where there is none.

    Parameters
    ----------
    a : array_like
    axis : int or tuple of int, optional
    out : None
        Not supported.
    overwrite_input : bool
        Without meaning here.
    keepdims : bool, default False

    Returns
    -------
    Tensor

    Examples
    --------
    >>> av.nanmedian(av.Tensor(np.array([1.0, np.nan, 2.0, 4.0]))).item()
    2.0
    """
    refuse_out("nanmedian", out)
    a = as_tensor(a)
    if a.dtype.kind not in "fc":
        return median(a, axis, keepdims=keepdims)
    if not a.size:
        return nanmean(a, axis, keepdims=keepdims)
    rows = _rows(a, axis)
    x = rows.array
    n = (~np.isnan(x)).sum(axis=-1, keepdims=True)
    places = namespace(x).concatenate(((n - (n > 0)) // 2, n // 2), -1)
    y = mean(take_along(rows, take_along.inner(_order(x), places, -1), -1), -1)
    return reshape(_nan_where(n[..., 0] == 0, y, "All-NaN slice encountered"), _kept_shape(a.shape, axis, keepdims))


def _between(alpha, beta):
    """Hyndman and Fan's family of places between two elements."""
    return lambda n, q: n * q + (alpha + q * (1 - alpha - beta)) - 1


def _stepped(place, stays):
    """The place after, or the one at hand where `stays` (of the fraction and the place)."""
    below = np.floor(place)
    return np.maximum(below + 1 - stays(place - below, below), 0)


# Where a quantile lies among n sorted elements. These interpolate between two of them ...
_CONTINUOUS = {
    "linear": lambda n, q: (n - 1) * q,
    "interpolated_inverted_cdf": _between(0, 1),
    "hazen": _between(0.5, 0.5),
    "weibull": _between(0, 0),
    "median_unbiased": _between(1 / 3.0, 1 / 3.0),
    "normal_unbiased": _between(3 / 8.0, 3 / 8.0),
}
# ... these go half way or to the end of it: with the share of the second element, by the place between the two ...
_HALF = {
    "midpoint": lambda n, q: 0.5 * (np.floor((n - 1) * q) + np.ceil((n - 1) * q)),
    "averaged_inverted_cdf": lambda n, q: n * q - 1,
}
_SHARE = {"midpoint": lambda part: 0.5 * (part != 0), "averaged_inverted_cdf": lambda part: 1.0 - 0.5 * (part == 0)}
# ... and these take one.
_DISCRETE = {
    "lower": lambda n, q: np.floor((n - 1) * q),
    "higher": lambda n, q: np.ceil((n - 1) * q),
    "nearest": lambda n, q: np.rint((n - 1) * q),
    "inverted_cdf": lambda n, q: _stepped(n * q - 1, lambda part, below: part == 0),
    "closest_observation": lambda n, q: _stepped(n * q - 1.5, lambda part, below: (part == 0) & (below % 2 == 1)),
}
_METHODS = _CONTINUOUS | _HALF | _DISCRETE


def _held(place, n):
    """A place as an integer, held among n elements (where there are none: at the first)."""
    return np.maximum(np.minimum(place, n - 1), 0).astype(np.intp)


def _weighted_index(name, rows, order, weights, q, present):
    """The places in `order` whose share of the weights, with all before, is first to reach `q`."""
    xp = namespace(rows)
    w = take_along.inner(weights if present is None else xp.where(present, weights, 0), order, -1)
    total = w.sum(axis=-1, keepdims=True, dtype=np.float64)
    if present is not None:
        total = total + ~present.any(axis=-1, keepdims=True)
    if bool(((w < 0) | ~(np.isfinite(total) & (total > 0))).any()):
        raise ValueError(f"{name}: weights must not be negative, NaN, infinite or all zero")
    cdf = w.cumsum(axis=-1, dtype=np.float64)
    cdf = cdf / np.maximum(cdf[..., -1:], np.finfo(np.float64).tiny)
    if q.dtype.kind == "f":
        cdf = cdf.astype(q.dtype)
    reached = (xp.where(cdf == 0, -1, cdf)[..., None, :] < q[:, None]).sum(axis=-1)
    return np.minimum(reached, rows.shape[-1] - 1)


class _Quantiles:
    """What the four functions share. `q` is in [0, 1], flat, beside the array; `taped` is the same as a Tensor."""

    def __init__(self, name, a, q, axis, method, keepdims, weights, most, ignores_nan):
        if a.dtype.kind == "c":
            raise TypeError(f"{name}: complex numbers have no order, got dtype {a.dtype}")
        if method not in _METHODS:
            raise ValueError(f"{name}: there is no method {method!r}; there are {', '.join(_METHODS)}")
        if weights is not None and method != "inverted_cdf":
            raise ValueError(f"{name}: only the method 'inverted_cdf' takes weights, got {method!r}")
        self.name, self.a, self.axis, self.method, self.keepdims = name, a, axis, method, keepdims
        self.weak = q.__class__ in (int, float)
        scale = namespace(a.array).asarray(most, a.dtype if a.dtype.kind == "f" else None)
        taped = q if isinstance(q, Operand) else None
        plain = as_array(q if taped is None else taped.array)
        host = on_host(plain)
        if host.ndim > 2:
            raise ValueError(f"{name}: q must be a number or 1-D, got shape {host.shape}")
        if host.dtype.kind not in "biuf" or not bool(((host >= 0) & (host <= most)).all()):
            raise ValueError(f"{name}: q must lie in [0, {most}], got {host}")
        self.shape = host.shape
        q = beside(plain, a.array).reshape(-1)
        self.taped = None if taped is None else reshape(taped, -1)
        if most != 1:
            q, self.taped = q / scale, None if self.taped is None else self.taped / tensor_of(scale)
        self.q = q
        self.present = None
        self.rows = _rows(a, axis)
        if ignores_nan and a.dtype.kind == "f":
            self.present = ~np.isnan(self.rows.array)
        self.weights: Operand | None = None
        if weights is not None:
            w = weights if isinstance(weights, Operand) else tensor_of(beside(as_array(weights), a.array))
            self.weights = weights_of(name, w, a.shape, axis)
            if isinstance(weights, Operand):
                mark_break(weights, f"{name} takes one element: a step function of the weights")

    def result(self):
        x, present = self.rows.array, self.present
        n = x.shape[-1] if present is None else present.sum(axis=-1, keepdims=True)
        if not x.shape[-1]:
            raise IndexError(f"{self.name}: there is no element along axis {self.axis} of shape {self.a.shape}")
        if self.weights is not None:
            y = self._weighted(self.weights.array)
        else:
            count = n if present is None else n.astype(self.q.dtype)
            place = _METHODS[self.method](count, self.q)
            if self.method in _DISCRETE or place.dtype.kind in "iu":
                y = self._taken(_held(place, n))
            else:
                y = self._interpolated(place, n, count)
        if present is not None:
            y = _nan_where(n == 0, y, "All-NaN slice encountered")
        y = y if self.shape else reshape(y, y.shape[:-1])
        if self.shape:
            y = moveaxis(y, -1, 0)
        return reshape(y, self.shape + _kept_shape(self.a.shape, self.axis, self.keepdims))

    def _order(self, *places):
        x = self.rows.array
        if self.present is not None or namespace(x) is not np:
            return _order(x)
        return _order(x, [int(i) for part in places for i in part] + [x.shape[-1] - 1])

    def _at(self, order, places):
        """The elements of the rows at places in their order."""
        x = self.rows.array
        if self.present is not None:
            y = take_along(self.rows, take_along.inner(order, places, -1), -1)
            bad = ~self.present.any(axis=-1, keepdims=True)
            return y if namespace(bad) is np and not bad.any() else select(bad, 0.0, y)  # no NaN where it has no part
        index = order[..., places] if places.ndim == 1 else take_along.inner(order, places, -1)
        return take_along(self.rows, _nan_last(x, order, index), -1)

    def _stops(self):
        if self.taped is not None:
            mark_break(self.taped, f"{self.name} with method {self.method!r} is a step function of q")

    def _taken(self, places):
        self._stops()
        return self._at(self._order(places), places)

    def _weighted(self, weights):
        self._stops()
        x = self.rows.array
        order = _order(x)
        weights = _rows(namespace(x).broadcast_to(weights, self.a.shape), self.axis)
        return self._at(order, _weighted_index(self.name, x, order, weights, self.q, self.present))

    def _interpolated(self, place, n, count):
        below = np.floor(place)
        outside = (place >= n - 1) | (place < 0)
        low, high = _held(below, n), _held(below + ~outside, n)
        order = self._order(low, high)
        a, b = self._at(order, low), self._at(order, high)
        part = place - below
        if self.method in _HALF:
            self._stops()
            part = _SHARE[self.method](part)
        elif self.taped is not None:
            part = _METHODS[self.method](count if count.__class__ is int else tensor_of(count), self.taped) - below
        bare = part.array if isinstance(part, Operand) else part
        upper = bare >= 0.5  # from the nearer end, as NumPy does
        step = part - upper
        if not isinstance(step, Operand):
            dtype = a.dtype if self.weak and a.dtype.kind == "f" else self.q.dtype if self.q.dtype.kind == "f" else None
            step = tensor_of(step if dtype is None else step.astype(dtype))
        gap = b - a
        if self.taped is not None:  # a result that is NaN says nothing of q
            gap = select(np.isnan(a.array), 0.0, gap)
        return select(upper, b, a) + gap * step


def _quantile_samples(most, nan):
    def samples():
        x = arrays((2, 3, 4), apart=1.0)
        q = values([0.17, 0.88, 0.31]) * most
        broken = x.copy()
        broken[0, 0, 1] = broken[1, 2] = np.nan
        found = [
            Sample(x, 0.3 * most),
            Sample(x, q, 1),
            Sample(x, q, -1, keepdims=True),
            Sample(x, q[:2], axis=(2, 0)),
            Sample(x, 0.7 * most, axis=(1, 2), keepdims=True),
            Sample(x, [[0.25 * most, 0.5 * most]], 0),
            Sample(x, values(0.4 * most), ()),
            Sample(x[:, ::-2, ::2].T, q, 1),
            *[Sample(x[0], q, 1, method=method) for method in _CONTINUOUS],
            *[Sample(x[0], 0.37 * most, 1, method=method) for method in (*_HALF, *_DISCRETE)],
            *[Sample(x[0], [0.0, 0.25 * most, 0.5 * most, most], 1, method=method) for method in _METHODS],
            Sample(x[0], 0.37 * most, 1, method="inverted_cdf", weights=values([[1.0, 2.0, 0.5, 0.0]] * 3)),
            Sample(x, [0.0, 0.5 * most, most], 1, method="inverted_cdf", weights=arrays((2, 3, 4), low=0.2)),
            Sample(x.astype(np.float32), 0.3 * most, 1, smooth=False),
            Sample(x.astype(np.float32), q.astype(np.float32), 1, smooth=False),
            Sample(x.astype(np.float32), q, 1, smooth=False),
            Sample(broken, q, 2, smooth=False),
            Sample(broken, 0.5 * most, 2, method="lower", smooth=False),
            Sample(broken, [0.5 * most], 2, method="inverted_cdf", weights=arrays((2, 3, 4), low=0.2), smooth=False),
        ]
        if nan:
            found += [Sample(_with_nan(1.0), q, axis) for axis in (None, 0, (0, 2))]
            found += [Sample(_with_nan(1.0), 0.37 * most, (0, 2), method=method) for method in _METHODS]
        return found

    return samples


@composed(np.quantile, samples=_quantile_samples(1, False))
def quantile(
    a, q, axis=None, out=None, overwrite_input=False, method="linear", keepdims=False, *, weights=None
) -> Tensor:  # fmt: skip
    """Quantiles: the values below which a share `q` of the elements lies; NaN where there is a NaN.

    Parameters
    ----------
    a : array_like, real
    q : float or array_like of at most 2 dimensions, in [0, 1]
        Gradients reach it, if the method interpolates; where it hits an element, it is the slope to the next one.
    axis : int or tuple of int, optional
    out : None
        Not supported.
    overwrite_input : bool
        Without meaning here.
    method : str, default "linear"
        Any of `numpy.quantile`. "linear", "hazen", "weibull", "median_unbiased", "normal_unbiased" and
        "interpolated_inverted_cdf" interpolate; the others are step functions of `q`.
    keepdims : bool, default False
    weights : array_like, optional
        Of the shape of `a`, or of its sizes along `axis`; for the method "inverted_cdf". No gradient passes.

    Returns
    -------
    Tensor
        The dimensions of `q` come first.

    Raises
    ------
    ValueError
        If `q` is out of range, the method is unknown or takes no weights, or weights are negative or all zero.
    TypeError
        If `a` is complex.

    References
    ----------
    R. J. Hyndman and Y. Fan, "Sample quantiles in statistical packages", The American Statistician 50 (1996).

    Examples
    --------
    >>> av.quantile(av.Tensor(np.array([1.0, 7.0, 2.0])), [0.25, 1.0]).numpy().tolist()
    [1.5, 7.0]
    """
    refuse_out("quantile", out)
    return _Quantiles("quantile", as_tensor(a), q, axis, method, keepdims, weights, 1, False).result()


@composed(np.percentile, samples=_quantile_samples(100, False))
def percentile(
    a, q, axis=None, out=None, overwrite_input=False, method="linear", keepdims=False, *, weights=None
) -> Tensor:  # fmt: skip
    """Quantiles with `q` in percent: see `quantile`.

    Parameters
    ----------
    a : array_like, real
    q : float or array_like of at most 2 dimensions, in [0, 100]
    axis : int or tuple of int, optional
    out : None
        Not supported.
    overwrite_input : bool
        Without meaning here.
    method : str, default "linear"
    keepdims : bool, default False
    weights : array_like, optional

    Returns
    -------
    Tensor
        The dimensions of `q` come first.

    Raises
    ------
    ValueError, TypeError
        As in `quantile`.

    Examples
    --------
    >>> av.percentile(av.Tensor(np.array([1.0, 7.0, 2.0])), 25).item()
    1.5
    """
    refuse_out("percentile", out)
    return _Quantiles("percentile", as_tensor(a), q, axis, method, keepdims, weights, 100, False).result()


def _nan_quantile(name, a, q, axis, method, keepdims, weights, most):
    a = as_tensor(a)
    found = _Quantiles(name, a, q, axis, method, keepdims, weights, most, True)
    return found.result() if a.size else nanmean(a, axis, keepdims=keepdims)


@composed(np.nanquantile, samples=_quantile_samples(1, True))
def nanquantile(
    a, q, axis=None, out=None, overwrite_input=False, method="linear", keepdims=False, *, weights=None
) -> Tensor:  # fmt: skip
    """Quantiles of the elements that are not NaN; NaN and a RuntimeWarning where there is none. See `quantile`.

    Parameters
    ----------
    a : array_like, real
    q : float or array_like of at most 2 dimensions, in [0, 1]
    axis : int or tuple of int, optional
    out : None
        Not supported.
    overwrite_input : bool
        Without meaning here.
    method : str, default "linear"
    keepdims : bool, default False
    weights : array_like, optional

    Returns
    -------
    Tensor
        The dimensions of `q` come first.

    Raises
    ------
    ValueError, TypeError
        As in `quantile`.

    Examples
    --------
    >>> av.nanquantile(av.Tensor(np.array([1.0, np.nan, 2.0])), 0.25).item()
    1.25
    """
    refuse_out("nanquantile", out)
    return _nan_quantile("nanquantile", a, q, axis, method, keepdims, weights, 1)


@composed(np.nanpercentile, samples=_quantile_samples(100, True))
def nanpercentile(
    a, q, axis=None, out=None, overwrite_input=False, method="linear", keepdims=False, *, weights=None
) -> Tensor:  # fmt: skip
    """Quantiles, with `q` in percent, of the elements that are not NaN: see `quantile`.

    Parameters
    ----------
    a : array_like, real
    q : float or array_like of at most 2 dimensions, in [0, 100]
    axis : int or tuple of int, optional
    out : None
        Not supported.
    overwrite_input : bool
        Without meaning here.
    method : str, default "linear"
    keepdims : bool, default False
    weights : array_like, optional

    Returns
    -------
    Tensor
        The dimensions of `q` come first.

    Raises
    ------
    ValueError, TypeError
        As in `quantile`.

    Examples
    --------
    >>> av.nanpercentile(av.Tensor(np.array([1.0, np.nan, 2.0])), 25).item()
    1.25
    """
    refuse_out("nanpercentile", out)
    return _nan_quantile("nanpercentile", a, q, axis, method, keepdims, weights, 100)


# ---------------------------------------------------------------- covariances


def _variables(name, m, rowvar, dtype):
    """Observations as a matrix with one row for each variable."""
    m = as_tensor(m)
    if m.ndim > 2:
        raise ValueError(f"{name}: at most 2 dimensions are possible, got shape {m.shape}")
    if m.ndim < 2:
        return astype(reshape(m, (1, m.size)), dtype)
    return astype(m if rowvar else transpose(m), dtype)


def _cov_weights(kind, weights, m):
    """`fweights` or `aweights` as float64, beside the observations `m`, checked."""
    n = m.shape[1]
    w = weights if isinstance(weights, Operand) else tensor_of(beside(as_array(weights), m.array))
    w = w if w.dtype == np.float64 else astype(w, np.float64)
    if w.shape != (n,):
        raise RuntimeError(f"cov: {kind} of shape {w.shape} for {n} observations")
    x = w.array
    if bool((x < 0).any()):
        raise ValueError(f"cov: {kind} must not be negative")
    if kind == "fweights" and bool((x != np.rint(x)).any()):
        raise TypeError("cov: fweights must be integers")
    return w


def _cov_samples():
    x = arrays((3, 5))
    y = arrays((2, 5), seed=1)
    frequency, weight = values([1, 2, 1, 3, 2]), arrays((5,), low=0.5, seed=2)
    return [
        Sample(x),
        Sample(x, y),
        Sample(x[0], y[0]),
        Sample(x, y[0]),
        Sample(x[0]),
        Sample(x.T, y.T, rowvar=False),
        Sample(x.T, rowvar=False, bias=True),
        Sample(x, ddof=2),
        Sample(x, fweights=frequency),
        Sample(x, None, True, False, None, None, weight),
        Sample(x, y, True, True, None, frequency, weight),
        Sample(x, None, True, False, 2, frequency, weight),
        Sample(x[:, ::-2].T, rowvar=False),
        Sample(arrays((2, 4), dtype=complex)),
        Sample(x.astype(np.float32), smooth=False),
        Sample(x.astype(np.float32), dtype=np.float32, smooth=False),
        Sample(zeros((0, 3))),
    ]


@composed(np.cov, samples=_cov_samples)
def cov(m, y=None, rowvar=True, bias=False, ddof=None, fweights=None, aweights=None, *, dtype=None) -> Tensor:
    """The covariance matrix of variables.

    Parameters
    ----------
    m : array_like, shape (variables, observations) or (observations,)
    y : array_like, optional
        Further variables with as many observations.
    rowvar : bool, default True
        Each row is a variable; otherwise each column.
    bias : bool, default False
        Divide by the number of observations, not by one less.
    ddof : int, optional
        Divide by the number of observations minus this.
    fweights : array_like of int, shape (observations,), optional
        How often each observation counts.
    aweights : array_like, shape (observations,), optional
        Weights of the observations; gradients reach them.
    dtype : dtype, optional
        At least float64 by default.

    Returns
    -------
    Tensor, shape (variables, variables), 0-d for one variable

    Raises
    ------
    ValueError
        If there are more than two dimensions, `ddof` is no integer, or weights are negative.
    TypeError
        If `fweights` are no integers.
    RuntimeError
        If weights do not fit.

    Examples
    --------
    >>> av.cov(av.Tensor(np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]))).numpy().tolist()
    [[1.0, -1.0], [-1.0, 1.0]]
    """
    if ddof is not None and ddof != int(ddof):
        raise ValueError(f"cov: ddof must be an integer, got {ddof}")
    m = as_tensor(m)
    y = None if y is None else as_tensor(y)
    if dtype is None:
        dtype = np.result_type(m.dtype, np.float64, *([] if y is None else [y.dtype]))
    x = _variables("cov", m, rowvar, dtype)
    if not x.shape[0]:
        return tensor_of(namespace(m.array).zeros((0, 0), np.float64))
    if y is not None:
        x = concatenate([x, _variables("cov", y, rowvar or (y.ndim == 2 and y.shape[0] == 1), dtype)], 0)
    ddof = (0 if bias else 1) if ddof is None else ddof
    w = None if fweights is None else _cov_weights("fweights", fweights, x)
    a = None if aweights is None else _cov_weights("aweights", aweights, x)
    if a is not None:
        w = a if w is None else w * a
    middle, total = average(x, 1, w, True)
    total = total[0].real
    if w is None:
        left = x.shape[1] - ddof
    elif ddof == 0:
        left = total
    else:
        left = total - ddof * ((w * a).sum() / total if a is not None else 1.0)
    if _none_left(left):
        warn("Degrees of freedom <= 0 for slice")
        left = 0.0
    x = x - middle[:, None]
    weighted = x if w is None else x * w
    return squeeze(astype(matmul(x, matrix_transpose(weighted).conj()) / left, dtype))


def _none_left(left) -> bool:
    """Say whether no degrees of freedom are left, where that is known without waiting for a device."""
    if isinstance(left, Operand):
        return namespace(left.array) is np and bool(left.array <= 0)
    return left <= 0


def _corrcoef_samples():
    x = arrays((3, 5))
    return [
        Sample(x),
        Sample(x, arrays((2, 5), seed=1)),
        Sample(x.T, rowvar=False),
        Sample(x[0], x[1]),
        Sample(x[0]),
        Sample(arrays((2, 4), dtype=complex)),
        Sample(x.astype(np.float32), smooth=False),
        Sample(x.astype(np.float32), dtype=np.float32, smooth=False),
        Sample(values([[1.0, 2.0, 4.0], [2.0, 4.0, 8.0]])),
    ]


@composed(np.corrcoef, samples=_corrcoef_samples)
def corrcoef(x, y=None, rowvar=True, *, dtype=None) -> Tensor:
    """The correlation coefficients of variables.

    Parameters
    ----------
    x : array_like, shape (variables, observations) or (observations,)
    y : array_like, optional
        Further variables with as many observations.
    rowvar : bool, default True
        Each row is a variable; otherwise each column.
    dtype : dtype, optional
        At least float64 by default.

    Returns
    -------
    Tensor, shape (variables, variables), 0-d for one variable

    Notes
    -----
    Values are held in [-1, 1] against rounding; gradients do not notice that.

    Examples
    --------
    >>> av.corrcoef(av.Tensor(np.array([[1.0, 2.0, 4.0], [3.0, 2.0, 1.0]]))).numpy().round(3).tolist()
    [[1.0, -0.982], [-0.982, 1.0]]
    """
    c = cov(x, y, rowvar, dtype=dtype)
    if not c.ndim:
        return c / c
    deviation = np.sqrt(diagonal(c).real)
    c = c / deviation[:, None] / deviation[None, :]
    held = c.array.real.clip(-1, 1)
    if c.dtype.kind == "c":
        held = held + 1j * c.array.imag.clip(-1, 1)
    return c + tensor_of((held - c.array).astype(c.dtype))
