"""Polynomials as `numpy.polyval` has them: vectors of coefficients, highest power first. Floor 2; loaded at first use.

What depends on values (how many leading zeros a product loses) is looked up on the host, as NumPy does.
"""

from operator import index
from typing import Any

import numpy as np

from ..base.backend import beside, namespace, on_host
from ..engine.cotangent import bare
from ..engine.declare import composed, primitive
from ..engine.samples import Sample, arrays, values, zeros
from ..engine.tensor import Tensor, as_tensor, tensor_of
from .calculus import convolve, inexact, of_dtype, operands, real_dtype
from .decompositions import lstsq
from .rearrange import pad
from .shape import (
    astype,
    cast,
    concatenate,
    reshape,
    stack,
    valued,
)

__all__ = [
    "poly", "polyadd", "polyder", "polydiv", "polyfit", "polyint", "polymul", "polysub", "polyval", "roots",
    "vander",
]  # fmt: skip

# ---------------------------------------------------------------- values and coefficients of polynomials


def _falling(p, n):
    """The exponents n, n - 1, ..., 1 beside the array `p`, in the dtype of its real numbers."""
    return namespace(bare(p)).arange(n, 0, -1, dtype=real_dtype(p.dtype))


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
    return _vander(of_dtype(x, np.promote_types(x.dtype, int)), x.size if N is None else index(N), increasing)


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
    p, x = operands(p, x)
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
    a, b = [_coefficients(name, p) for p in operands(a, b)]
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
    a1, a2 = [_trimmed(_coefficients("polymul", p)) for p in operands(a1, a2)]
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
    u, v = [inexact(_coefficients("polydiv", p)) for p in operands(u, v)]
    if not u.size or not v.size:
        raise ValueError("polydiv: a polynomial has at least one coefficient")
    quotient = []
    for _ in range(u.size - v.size + 1):
        factor = u[:1] / v[:1]
        quotient.append(factor)
        u = u[1:] - pad(factor * v[1:], (0, u.size - v.size))
    dtype = np.result_type(u.dtype, v.dtype)
    q = concatenate(quotient) if quotient else tensor_of(namespace(u.array).zeros(1, dtype))
    return q, _trimmed(of_dtype(u, dtype), 1e-8)


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
    p, constants = (as_tensor(p), None) if k is None else operands(p, k)
    if m == 0:
        return valued(p)
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
    x, y, *factors = [inexact(t) for t in operands(x, y, *([] if w is None else [w]))]
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
    c = lstsq(of_dtype(powers / scale, dtype), of_dtype(columns, dtype), rcond)[0] / reshape(scale, (-1, 1))
    return reshape(c, (order, *y.shape[1:]))
