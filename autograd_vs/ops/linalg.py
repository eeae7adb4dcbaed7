"""`numpy.linalg`: equations, inverses, determinants, powers, and products under its names. Floor 2.

Loaded at first use (`later.py`), with `decompositions.py` and `norms.py`. Sources of the formulas:

Giles 2008   M. Giles, "An extended collection of matrix derivative results for forward and reverse mode algorithmic
             differentiation", Oxford NA-08/01.
PyTorch      torch/csrc/autograd/FunctionsManual.cpp. Its gradients are the conjugates of what rules take and return.
"""

import operator
from typing import Any

import numpy as np

from ..base.backend import NUMPYS, beside, is_array, namespace
from ..engine import registry
from ..engine.cotangent import bare
from ..engine.declare import composed, primitive
from ..engine.op import constant, fit
from ..engine.protocol import Operand, mark_break
from ..engine.samples import Sample, arrays, eye, values, zeros
from ..engine.tensor import Tensor, as_tensor
from .elementwise import where
from .products import cross as _cross
from .products import diagonal as _diagonal
from .products import dot, matmul, tensordot, vecdot
from .products import outer as _outer
from .products import trace as _trace
from .shape import cast, matrix_transpose, reshape, transpose, valued

__all__ = [
    "cross", "det", "diagonal", "inv", "matmul", "matrix_power", "matrix_rank", "matrix_transpose", "multi_dot",
    "outer", "pinv", "slogdet", "solve", "tensordot", "tensorinv", "tensorsolve", "trace", "vecdot",
]  # fmt: skip

LinAlgError = np.linalg.LinAlgError
SlogdetResult: Any = type(np.linalg.slogdet([[1.0]]))  # NumPy's named tuples have no public name

# ---------------------------------------------------------------- helpers of this file and its neighbours


def mT(x):
    """The last two dimensions exchanged."""
    return x.swapaxes(-1, -2)


def conj(x):
    """The complex conjugate; a real `x` itself."""
    return x.conj() if x.dtype.kind == "c" else x


def mH(x):
    """The conjugate transpose."""
    return conj(mT(x))


def identity(n, like):
    """A bare identity matrix, real, of the precision and library of `like`."""
    like = bare(like)
    return namespace(like).eye(n, dtype=like.real.dtype)


def hermitian(x):
    """The Hermitian part: the `domain` of samples of functions that read one triangle only."""
    return (x + mH(x)) * 0.5


def regular(*shape, dtype: Any = np.float64, seed: int = 0):
    """Sample matrices far from singular ones."""
    return arrays(shape, dtype=dtype, seed=seed) * 0.4 + eye(shape[-1]) * values([1.5, -2.0, 2.5])[: shape[-1]]


# ---------------------------------------------------------------- equations and inverses


def _inv_samples():
    return [
        Sample(regular(3, 3)),
        Sample(regular(2, 2, 2)),
        Sample(regular(2, 2, dtype=complex)),
        Sample(regular(3, 3)[::-1].T),
        Sample(zeros((0, 0))),
        Sample(zeros((0, 2, 2))),
        Sample(regular(2, 2).astype(np.float32), smooth=False),
    ]


@primitive(np.linalg.inv, vjp={"a": lambda g, y: -(mT(y) @ g @ mT(y))}, samples=_inv_samples)  # Giles 2008, 2.2.3
def inv(a):
    """The inverse of square matrices.

    Parameters
    ----------
    a : array_like, shape (..., n, n)

    Returns
    -------
    Tensor, shape (..., n, n)

    Raises
    ------
    numpy.linalg.LinAlgError
        If a matrix is singular or not square. (CuPy does not look, by default.)

    Examples
    --------
    >>> inv(Tensor(np.array([[2.0, 0.0], [0.0, 4.0]]))).numpy().tolist()
    [[0.5, 0.0], [0.0, 0.25]]
    """
    return namespace(a).linalg.inv(a)


def _solve_b(g, a, b_shape, b_dtype):
    """Giles 2008, 2.3.1: the equation with the transposed matrix."""
    c = solve.inner(mT(a), g[..., None])[..., 0] if len(b_shape) == 1 else solve.inner(mT(a), g)
    return fit(c, b_shape, b_dtype)


def _solve_a(g, a, y, a_shape, a_dtype, b_shape):
    if len(b_shape) == 1:
        g, y = g[..., None], y[..., None]
    return fit(-(solve.inner(mT(a), g) @ mT(y)), a_shape, a_dtype)


def _solve_samples():
    a, z = regular(3, 3), regular(2, 2, dtype=complex)
    return [
        Sample(a, arrays((3,))),
        Sample(a, arrays((3, 2))),
        Sample(regular(2, 3, 3), arrays((3,))),
        Sample(regular(2, 3, 3), arrays((3, 2))),
        Sample(a, arrays((2, 3, 1))),
        Sample(regular(2, 1, 3, 3), arrays((3, 3, 2))),
        Sample(z, arrays((2, 1), dtype=complex)),
        Sample(z, arrays((2,))),
        Sample(a, arrays((3,), dtype=complex)),
        Sample(a, zeros((3, 0))),
        Sample(zeros((0, 0)), zeros((0,))),
        Sample(zeros((0, 2, 2)), zeros((0, 2, 1))),
        Sample(a.astype(np.float32), arrays((3,)).astype(np.float32), smooth=False),
    ]


@primitive(np.linalg.solve, vjp={"a": _solve_a, "b": _solve_b}, samples=_solve_samples)
def solve(a, b):
    """The solution `x` of ``a @ x = b``.

    Parameters
    ----------
    a : array_like, shape (..., n, n)
    b : array_like, shape (n,) or (..., n, k)
        One right side, or matrices of them; leading dimensions broadcast.

    Returns
    -------
    Tensor, shape (..., n) or (..., n, k)

    Raises
    ------
    numpy.linalg.LinAlgError
        If a matrix is singular or not square. (CuPy does not look, by default.)

    Examples
    --------
    >>> solve(Tensor(np.array([[2.0, 0.0], [0.0, 4.0]])), np.array([1.0, 1.0])).numpy().tolist()
    [0.5, 0.25]
    """
    xp = namespace(a)
    if a.__class__ not in NUMPYS and b.ndim > 1 and a.shape[:-2] != b.shape[:-2]:  # CuPy's does not broadcast
        lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        a, b = xp.broadcast_to(a, lead + a.shape[-2:]), xp.broadcast_to(b, lead + b.shape[-2:])
    return xp.linalg.solve(a, b)


@composed(
    np.linalg.tensorsolve, home="linalg",
    samples=lambda: [
        Sample(regular(3, 3).reshape(3, 1, 3), arrays((3, 1))),
        Sample(arrays((2, 3, 6)) + eye(6).reshape(2, 3, 6) * 6, arrays((2, 3))),
        Sample(arrays((2, 4, 2)) + eye(4).reshape(2, 4, 2) * 6, arrays((4,)), (0, 2)),
    ],
)  # fmt: skip
def tensorsolve(a, b, axes=None) -> Tensor:
    """The solution `x` of ``tensordot(a, x, x.ndim) = b``.

    Parameters
    ----------
    a : array_like, shape b.shape + Q
        As many elements in the dimensions of `b` as in the others, Q.
    b : array_like
    axes : tuple of int, optional
        Axes of `a` that are moved to its end first.

    Returns
    -------
    Tensor, shape Q

    Raises
    ------
    numpy.linalg.LinAlgError
        If `a` is singular, or the numbers of elements differ.

    Examples
    --------
    >>> a = np.eye(6).reshape(2, 3, 6)
    >>> tensorsolve(Tensor(a), np.ones((2, 3))).shape
    (6,)
    """
    a, b = as_tensor(a), as_tensor(b)
    if axes is not None:
        order = list(range(a.ndim))
        for k in axes:
            order.remove(k)
            order.append(k)
        a = transpose(a, tuple(order))
    shape = a.shape[-(a.ndim - b.ndim) :]  # NumPy's, also where the two have as many dimensions
    n = 1
    for k in shape:
        n *= k
    if a.size != n * n:
        raise LinAlgError(f"tensorsolve: a has shape {a.shape}, which is not that of b, {b.shape}, and as many again")
    return reshape(solve(reshape(a, (n, n)), reshape(b, (n,))), shape)


@composed(
    np.linalg.tensorinv, home="linalg",
    samples=lambda: [
        Sample(arrays((2, 3, 6)) + eye(6).reshape(2, 3, 6) * 6),
        Sample((arrays((4, 2, 2)) + eye(4).reshape(4, 2, 2) * 6), 1),
    ],
)  # fmt: skip
def tensorinv(a, ind=2) -> Tensor:
    """The inverse of ``x -> tensordot(a, x, a.ndim - ind)``.

    Parameters
    ----------
    a : array_like
        As many elements in the first `ind` dimensions as in the others.
    ind : int, default 2

    Returns
    -------
    Tensor, shape a.shape[ind:] + a.shape[:ind]

    Raises
    ------
    ValueError
        If `ind` is not positive.
    numpy.linalg.LinAlgError
        If `a` is singular, or not square in this sense.

    Examples
    --------
    >>> tensorinv(Tensor(np.eye(6).reshape(2, 3, 6))).shape
    (6, 2, 3)
    """
    a = as_tensor(a)
    if ind <= 0:
        raise ValueError(f"tensorinv: ind must be positive, got {ind}")
    n = 1
    for k in a.shape[ind:]:
        n *= k
    return reshape(inv(reshape(a, (n, a.size // n if n else 0))), a.shape[ind:] + a.shape[:ind])


def tolerance(x, name):
    """A tolerance as a number or bare array: the result is a step function of it, so no gradient passes."""
    if isinstance(x, Operand):
        mark_break(x, f"{name} is a step function of its tolerances")
        return x.array
    return x


def pinv_vjp(g, a, y):
    """Golub & Pereyra 1973, eq. 4.12, transposed; right where the rank stays the same (PyTorch: pinv_backward)."""
    gt, yh = mT(g), mH(y)
    turned = (gt - a @ (y @ gt)) @ (y @ yh) + (yh @ y) @ (gt - (gt @ y) @ a)
    return conj(turned) - mT(y @ gt @ y)


def _pinv_samples():
    low = arrays((3, 1)) * arrays((1, 2), seed=1)
    return [
        Sample(arrays((3, 2)), 1e-15, False),
        Sample(arrays((2, 3)), 1e-15, False),
        Sample(arrays((2, 3, 2)), 1e-10, False),
        Sample(arrays((3, 2), dtype=complex), 1e-15, False),
        Sample(arrays((2, 3), dtype=complex), 1e-15, False),
        Sample(regular(3, 3), 1e-15, False),
        Sample(regular(2, 2) + regular(2, 2).T, 1e-15, True, domain=hermitian),
        Sample(low, 1e-12, False, smooth=False),
        Sample(zeros((0, 2)), 1e-15, False),
        Sample(zeros((0, 3, 2)), 1e-15, False),
        Sample(arrays((3, 2)).astype(np.float32), 1e-6, False, smooth=False),
    ]


@primitive(vjp={"a": lambda g, a, y, a_dtype: cast(pinv_vjp(g, a, y), a_dtype)}, name="pinv", samples=_pinv_samples)
def pseudoinverse(a, rcond, is_hermitian):
    """The pseudoinverse, with singular values up to `rcond` times the largest as zeros."""
    if is_array(rcond):
        rcond = beside(rcond, a)
    inverse = namespace(a).linalg.pinv
    return inverse(a, rcond, is_hermitian) if a.__class__ in NUMPYS else inverse(a, rcond)  # CuPy's has no hermitian=


_DEFAULT: Any = object()


@composed(
    np.linalg.pinv, home="linalg",
    samples=lambda: [
        Sample(arrays((3, 2))),
        Sample(arrays((3, 2)), rtol=None),
        Sample(arrays((2, 3, 2)), rcond=values([1e-3, 1e-4])),
        Sample(arrays((2, 3)), rtol=1e-4),
    ],
)  # fmt: skip
def pinv(a, rcond=None, hermitian=False, *, rtol=_DEFAULT) -> Tensor:
    """The (Moore-Penrose) pseudoinverse.

    Parameters
    ----------
    a : array_like, shape (..., m, n)
    rcond : float or array_like, shape (...), default 1e-15
        Singular values up to `rcond` times the largest are taken for zeros.
    hermitian : bool, default False
        Whether `a` is known to be Hermitian.
    rtol : float, array_like or None, optional
        The same as `rcond`; None is the precision of the dtype times the larger size.

    Returns
    -------
    Tensor, shape (..., n, m)

    Raises
    ------
    ValueError
        If both `rcond` and `rtol` are given.

    Notes
    -----
    The gradient is that along changes which keep the rank. Where the rank is not full nearly all others change it, and
    the pseudoinverse is not continuous there.

    References
    ----------
    G. Golub, V. Pereyra, "The differentiation of pseudo-inverses and nonlinear least squares problems whose variables
    separate", SIAM J. Numer. Anal. 10 (1973), eq. 4.12.

    Examples
    --------
    >>> pinv(Tensor(np.array([[2.0], [0.0]]))).numpy().tolist()
    [[0.5, 0.0]]
    """
    a = as_tensor(a)
    if rcond is None:
        rcond = 1e-15 if rtol is _DEFAULT else rtol
        if rcond is None:
            rcond = max(a.shape[-2:]) * float(np.finfo(a.dtype if a.dtype.kind in "fc" else float).eps)
    elif rtol is not _DEFAULT:
        raise ValueError("pinv: rcond= and rtol= mean the same; give one of them")
    return pseudoinverse(a, tolerance(rcond, "pinv"), hermitian)


# ---------------------------------------------------------------- determinants
# The gradient of `det` is the matrix of cofactors. It is made of the singular values, without a division by any of
# them, so that it is right for singular matrices, too; so is its own derivative:
# cof(U S V^H) = cof(U) cof(S) cof(V^H), cof(U) = det(U) conj(U) for unitary U, cof(S)_ii = prod of the s_j, j != i.


def _factored(a):
    """``(det(U) det(V^H), U, s, V^H)`` of a bare matrix."""
    linalg = namespace(a).linalg
    u, s, vh = linalg.svd(a, full_matrices=False)
    return (linalg.det(u) * linalg.det(vh))[..., None, None], u, s, vh


def _parts(s):
    """Which values are zero, how many, all with 1 in the place of zeros, and their product."""
    zero = s == 0
    others = s + zero
    return zero, zero.sum(-1, keepdims=True), others, others.prod(-1, keepdims=True)


def _det_samples(order=2):
    singular = arrays((3, 1)) * arrays((1, 3), seed=1) + eye(3) * [0.5, 0.0, 0.0]
    return [
        *map(Sample, (regular(3, 3), regular(2, 2, 2), eye(3), regular(3, 3, dtype=complex), zeros((0, 0)))),
        *(Sample(eye(len(d)) * d, order=order) for d in ([1.0, 2.0, 0.0], [0.0, 2.0, 0.0], [0.0] * 3, [0.0] * 2)),
        Sample(singular, order=order),
        Sample(values([[0.5]])),
        Sample(regular(3, 3).astype(np.float32), smooth=False),
    ]


def _cofactor_samples():
    """The second derivative of the cofactors, the third of the determinant, exists for regular matrices only."""
    return _det_samples(order=1)


@primitive(vjp={"a": lambda g, a: _turned_cofactors.inner(a, g)}, name="cofactors", samples=_cofactor_samples)
def _cofactors(a):
    """The derivative of the determinant: the transposed adjugate."""
    c, u, s, vh = _factored(a)
    zero, count, others, product = _parts(s)
    minors = product / others * (count - zero == 0)
    return c * (conj(u) * minors[..., None, :]) @ conj(vh)


def _third(g, a, t):
    """The third derivative of the determinant along `g` and `t`, of regular matrices; from det(a + e) by Jacobi."""
    b = inv.inner(a)
    x, y = b @ t, b @ g
    one = identity(a.shape[-1], a)
    tx, ty, txy = (_diagonal.inner(m, 0, -2, -1).sum(-1)[..., None, None] for m in (x, y, x @ y))
    inside = (tx * ty - txy) * one - x * ty - y * tx + x @ y + y @ x
    return det.inner(a)[..., None, None] * mT(inside @ b)


@primitive(
    vjp={"a": _third, "t": lambda g, a: _turned_cofactors.inner(a, g)}, name="turned_cofactors",
    samples=lambda: [
        Sample(regular(3, 3), arrays((3, 3))),
        Sample(regular(2, 2, 2), arrays((2, 2, 2))),
        Sample(regular(3, 3, dtype=complex), arrays((3, 3), dtype=complex)),
    ],
)  # fmt: skip
def _turned_cofactors(a, t):
    """How the cofactors of `a` change along `t`: the second derivative of the determinant."""
    c, u, s, vh = _factored(a)
    zero, count, others, product = _parts(s)
    xp = namespace(a)
    one = identity(a.shape[-1], a)
    left = count[..., None] - zero[..., None, :] - zero[..., :, None]
    pairs = product[..., None] / (others[..., None, :] * others[..., :, None]) * (left == 0) * (1.0 - one)
    inside = mH(u) @ t @ mH(vh)
    on = xp.matmul(pairs, xp.diagonal(inside, 0, -2, -1)[..., None])
    return c * (conj(u) @ (on * one - pairs * mT(inside))) @ conj(vh)


@primitive(
    np.linalg.det, vjp={"a": lambda g, a: g[..., None, None] * _cofactors.inner(a)}, samples=_det_samples
)  # Giles 2008, 2.2.4, by cofactors
def det(a):
    """The determinant of square matrices.

    Parameters
    ----------
    a : array_like, shape (..., n, n)

    Returns
    -------
    Tensor, shape (...)

    Notes
    -----
    First and second derivatives are right for singular matrices, too; they are made of a singular value decomposition.
    Where the determinant over- or underflows so do they: `slogdet` is for that.

    Examples
    --------
    >>> print(f"{det(Tensor(np.array([[2.0, 1.0], [0.0, 4.0]]))):.3f}")
    8.000
    """
    return namespace(a).linalg.det(a)


def _slogdet_vjp(g, a):
    """The differential is tr(a^-1 da): the real part is that of the logarithm, the other turns a complex sign."""
    g_sign, g_log = g.parts
    scale = g_log
    if g_sign is not None and a.dtype.kind == "c":
        turn = (g_sign * _slogdet.inner(a)[0]).imag * 1j
        scale = turn if scale is None else scale + turn
    return None if scale is None else scale[..., None, None] * mT(inv.inner(a))


@primitive(
    vjp={"a": _slogdet_vjp}, outputs=2, name="slogdet",
    samples=lambda: [
        Sample(regular(3, 3)),
        Sample(regular(2, 2, 2)),
        Sample(regular(2, 2, dtype=complex)),
        Sample(zeros((0, 0))),
    ],
)  # fmt: skip
def _slogdet(a):
    """Sign and logarithm of the absolute value of the determinant."""
    return namespace(a).linalg.slogdet(a)


@composed(np.linalg.slogdet, home="linalg", samples=lambda: [Sample(regular(3, 3))])
def slogdet(a) -> Any:
    """Sign and logarithm of the absolute value of the determinant.

    Parameters
    ----------
    a : array_like, shape (..., n, n)

    Returns
    -------
    SlogdetResult of Tensors, each of shape (...)
        ``.sign``, a complex number of size 1 for complex matrices, and ``.logabsdet``.

    Raises
    ------
    numpy.linalg.LinAlgError
        By the gradient, if a matrix is singular: its logarithm is minus infinity.

    Notes
    -----
    The sign of a real matrix is a step function, and passes no gradient.

    Examples
    --------
    >>> sign, logarithm = slogdet(Tensor(np.array([[1.0, 0.0], [0.0, -1.0]])))
    >>> sign.item(), logarithm.item()
    (-1.0, 0.0)
    """
    return SlogdetResult(*_slogdet(a))


matrix_rank = constant(np.linalg.matrix_rank)

# ---------------------------------------------------------------- products


@composed(
    np.linalg.matrix_power, home="linalg",
    samples=lambda: [
        *(Sample(regular(3, 3), n) for n in (0, 1, 2, 3, 6, -1, -2, -3)),
        Sample(regular(2, 2, 2), 5),
        Sample(regular(2, 2, dtype=complex), -2),
        Sample(zeros((0, 0)), 2),
        Sample(regular(2, 2).astype(np.float32), 4, smooth=False),
    ],
)  # fmt: skip
def matrix_power(a, n) -> Tensor:
    """Square matrices to a whole power; a negative one is that of the inverse.

    Parameters
    ----------
    a : array_like, shape (..., m, m)
    n : int

    Returns
    -------
    Tensor, shape (..., m, m)

    Raises
    ------
    TypeError
        If `n` is no integer.
    numpy.linalg.LinAlgError
        If a matrix is not square, or is singular and `n` negative.

    Examples
    --------
    >>> matrix_power(Tensor(np.array([[1.0, 1.0], [0.0, 1.0]])), 5).numpy().tolist()
    [[1.0, 5.0], [0.0, 1.0]]
    """
    a = as_tensor(a)
    square("matrix_power", a)
    n = operator.index(n)
    if n == 0:
        xp = namespace(a.array)
        return where(xp.zeros(a.shape, bool), a, xp.eye(a.shape[-1], dtype=a.dtype))
    if n < 0:
        a, n = inv(a), -n
    power: Any = None
    while True:  # a, a^2, a^4, ...: those of the binary digits of n
        n, bit = divmod(n, 2)
        if bit:
            power = a if power is None else matmul(power, a)
        if not n:
            return valued(power)
        a = matmul(a, a)


def square(name, a):
    """LinAlgError unless `a` is a matrix, or a stack of them, with as many rows as columns."""
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise LinAlgError(f"{name}: square matrices are needed, got an array of shape {a.shape}")


def _chain(sizes):
    """Where to split the product of matrices of the shapes (sizes[i], sizes[i + 1]), for each run (i, j) of them."""
    n = len(sizes) - 1
    cost, split = {(i, i): 0 for i in range(n)}, {}
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            cost[i, j], split[i, j] = min(
                (cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k) for k in range(i, j)
            )
    return split


@composed(
    np.linalg.multi_dot, home="linalg",
    samples=lambda: [
        Sample(arrays((2, 3), (3, 4))),
        Sample(arrays((2, 3), (3, 4), (4, 2))),
        Sample(arrays((3,), (3, 4), (4, 1), (1, 2))),
        Sample(arrays((2, 3), (3, 4), (4,))),
        Sample(arrays((3,), (3, 2), (2,))),
        Sample(arrays((4, 1), (1, 4), (4, 2), (2, 3), dtype=complex)),
    ],
)  # fmt: skip
def multi_dot(arrays, *, out=None) -> Tensor:
    """The product of several matrices, in the order that takes the fewest multiplications.

    Parameters
    ----------
    arrays : sequence of array_like
        Matrices; the first and the last may be vectors.
    out : None
        Not supported.

    Returns
    -------
    Tensor

    Raises
    ------
    ValueError
        If there are fewer than two.
    numpy.linalg.LinAlgError
        If one is not a matrix.

    References
    ----------
    Cormen et al., "Introduction to Algorithms", chapter 15.2.

    Examples
    --------
    >>> multi_dot([Tensor(np.ones((2, 3))), np.ones((3, 4)), np.ones(4)]).numpy().tolist()
    [12.0, 12.0]
    """
    if out is not None:
        raise TypeError("multi_dot: out= is not supported for Tensors; use the Tensor that it returns")
    factors = [as_tensor(a) for a in arrays]
    if len(factors) < 2:
        raise ValueError(f"multi_dot: at least two arrays are needed, got {len(factors)}")
    if len(factors) == 2:
        return dot(*factors)
    shape = factors[0].shape[:-1] + factors[-1].shape[1:]
    if factors[0].ndim == 1:
        factors[0] = reshape(factors[0], (1, -1))
    if factors[-1].ndim == 1:
        factors[-1] = reshape(factors[-1], (-1, 1))
    for i, a in enumerate(factors):
        if a.ndim != 2:
            raise LinAlgError(f"multi_dot: matrices are needed, array {i} has {a.ndim} dimensions")
    split = _chain([*(a.shape[0] for a in factors), factors[-1].shape[1]])

    def product(i, j):
        return factors[i] if i == j else dot(product(i, split[i, j]), product(split[i, j] + 1, j))

    return reshape(product(0, len(factors) - 1), shape)


@composed(
    np.linalg.cross,
    home="linalg",
    samples=lambda: [Sample(*arrays((3,), (3,))), Sample(*arrays((3, 2), (3, 2)), axis=0)],
)
def cross(x1, x2, /, *, axis=-1) -> Tensor:
    """The vector product of vectors of three components.

    Parameters
    ----------
    x1, x2 : array_like
    axis : int, default -1
        The axis of the components.

    Returns
    -------
    Tensor

    Raises
    ------
    ValueError
        If a vector has not three components.

    Examples
    --------
    >>> cross(Tensor(np.array([1.0, 0.0, 0.0])), np.array([0.0, 1.0, 0.0])).numpy().tolist()
    [0.0, 0.0, 1.0]
    """
    return _cross(x1, x2, axis=axis)


@composed(np.linalg.outer, home="linalg", samples=lambda: [Sample(*arrays((2,), (3,)))])
def outer(x1, x2, /) -> Tensor:
    """The products of all pairs of elements of two vectors.

    Parameters
    ----------
    x1 : array_like, shape (n,)
    x2 : array_like, shape (m,)

    Returns
    -------
    Tensor, shape (n, m)

    Raises
    ------
    ValueError
        If one is not a vector.

    Examples
    --------
    >>> outer(Tensor(np.array([1.0, 2.0])), np.array([3.0, 4.0])).numpy().tolist()
    [[3.0, 4.0], [6.0, 8.0]]
    """
    x1, x2 = as_tensor(x1), as_tensor(x2)
    if x1.ndim != 1 or x2.ndim != 1:
        raise ValueError(f"outer: two 1-D arrays are needed, got {x1.ndim} and {x2.ndim} dimensions")
    return _outer(x1, x2)


@composed(
    np.linalg.diagonal, home="linalg",
    samples=lambda: [Sample(arrays((2, 3, 3))), Sample(arrays((2, 3, 4)), offset=-1)],
)  # fmt: skip
def diagonal(x, /, *, offset=0) -> Tensor:
    """The elements on a diagonal of matrices.

    Parameters
    ----------
    x : array_like, shape (..., m, n)
    offset : int, default 0
        0 is the main diagonal; larger ones lie above it.

    Returns
    -------
    Tensor, shape (..., k)

    Examples
    --------
    >>> diagonal(Tensor(np.array([[1.0, 2.0], [3.0, 4.0]]))).numpy().tolist()
    [1.0, 4.0]
    """
    return _diagonal(x, offset, -2, -1)


@composed(np.linalg.trace, home="linalg", samples=lambda: [Sample(arrays((2, 3, 3))), Sample(arrays((2, 3)), offset=1)])
def trace(x, /, *, offset=0, dtype=None) -> Tensor:
    """The sum of a diagonal of matrices.

    Parameters
    ----------
    x : array_like, shape (..., m, n)
    offset : int, default 0
        0 is the main diagonal; larger ones lie above it.
    dtype : dtype, optional
        In which to add.

    Returns
    -------
    Tensor, shape (...)

    Examples
    --------
    >>> trace(Tensor(np.array([[1.0, 2.0], [3.0, 4.0]]))).item()
    5.0
    """
    return _trace(x, offset, -2, -1, dtype)


registry.functions[np.linalg.matmul] = matmul
registry.functions[np.linalg.tensordot] = tensordot
registry.functions[np.linalg.vecdot] = vecdot
registry.functions[np.linalg.matrix_transpose] = matrix_transpose
