"""`numpy.linalg`'s decompositions: Cholesky, QR, eigenvalues, singular values; least squares. Floor 2.

Rules take and return the conjugates of PyTorch's gradients (engine/op.py), so a V^H of a paper is a V^T here. What a
library is free to choose (the phase of an eigenvector, the basis of a complement) is taken to stay as it is: gradients
of losses that do not depend on the choice are right. Sources of the formulas:

Giles 2008     M. Giles, "An extended collection of matrix derivative results for forward and reverse mode algorithmic
               differentiation", Oxford NA-08/01.
Townsend 2016  J. Townsend, "Differentiating the singular value decomposition".
Seeger 2017    M. Seeger et al., "Auto-differentiating linear algebra", arXiv:1710.08717.
Walter 2010    S. F. Walter, L. Lehmann, "Algorithmic differentiation of linear algebra functions with application in
               optimum experimental design", arXiv:1001.1654.
PyTorch        torch/csrc/autograd/FunctionsManual.cpp.
"""

from typing import Any

import numpy as np

from ..base.backend import NUMPYS, namespace
from ..engine.cotangent import bare
from ..engine.declare import composed, primitive
from ..engine.samples import Sample, arrays, eye, values, zeros
from ..engine.tensor import Tensor, as_tensor, tensor_of
from .elementwise import absolute, where
from .index import take_along
from .linalg import LinAlgError, conj, hermitian, identity, mH, mT, pinv_vjp, pseudoinverse, regular, solve, tolerance
from .products import diagonal
from .shape import cast, concatenate

__all__ = ["cholesky", "eig", "eigh", "eigvals", "eigvalsh", "lstsq", "qr", "svd", "svdvals"]

# NumPy's named tuples have no public names.
_ONE = [[1.0]]
EigResult: Any = type(np.linalg.eig(_ONE))
EighResult: Any = type(np.linalg.eigh(_ONE))
QRResult: Any = type(np.linalg.qr(_ONE))
SVDResult: Any = type(np.linalg.svd(_ONE))


def _projectors(v):
    """``v_i v_i^H`` of each column: what does not depend on phases."""
    return v[..., :, None, :] * conj(v)[..., None, :, :]


def _half_lower(x):
    """The lower triangle, with half of the diagonal."""
    x = bare(x)
    n = x.shape[-1]
    ones = namespace(x).ones((n, n), dtype=x.real.dtype)
    return namespace(x).tril(ones) - 0.5 * identity(n, x)


def _gaps(w, one):
    """``w_j - w_i``, and `one` on the diagonal."""
    return w[..., None, :] - w[..., :, None] + one


# ---------------------------------------------------------------- Cholesky


def _cholesky_vjp(g, y, a_dtype):
    """Seeger 2017, section 3.2 (and PyTorch's cholesky_backward): L^-H phi(L^H g) L^-1, its Hermitian part."""
    yt = mT(y)
    p = (yt @ g) * _half_lower(g)
    return cast(mH(solve.inner(yt, mH(solve.inner(yt, (p + mH(p)) * 0.5)))), a_dtype)


def _positive(*shape, dtype: Any = np.float64):
    a = arrays(shape, dtype=dtype)
    return a @ a.conj().swapaxes(-1, -2) + eye(shape[-1])


def _positive_samples():
    found = [_positive(3, 3), _positive(2, 2, 2), _positive(3, 3, dtype=complex), _positive(4, 4)[::2, ::2].T]
    return [
        *(Sample(a, domain=hermitian) for a in [*found, zeros((0, 0)), zeros((0, 2, 2))]),
        Sample(_positive(2, 2).astype(np.float32), smooth=False),
    ]


@primitive(vjp={"a": _cholesky_vjp}, name="cholesky", samples=_positive_samples)
def _cholesky(a):
    """The lower triangular factor."""
    return namespace(a).linalg.cholesky(a)


@composed(
    np.linalg.cholesky, home="linalg",
    samples=lambda: [
        Sample(_positive(2, 2), domain=hermitian),
        Sample(_positive(2, 3, 3), upper=True, domain=hermitian),
        Sample(_positive(3, 3, dtype=complex), upper=True, domain=hermitian),
    ],
)  # fmt: skip
def cholesky(a, /, *, upper=False) -> Tensor:
    """The triangular factor of Hermitian, positive definite matrices: ``a = L @ L^H``.

    Parameters
    ----------
    a : array_like, shape (..., n, n)
        Only its lower triangle is read, or the upper one.
    upper : bool, default False
        Whether to return ``L^H``, of the upper triangle of `a`.

    Returns
    -------
    Tensor, shape (..., n, n)

    Raises
    ------
    numpy.linalg.LinAlgError
        If a matrix is not positive definite. (CuPy does not look, by default.)

    Notes
    -----
    The gradient is Hermitian, as PyTorch's: that along changes of `a` which keep it Hermitian.

    References
    ----------
    M. Seeger et al., "Auto-differentiating linear algebra", arXiv:1710.08717, section 3.2.

    Examples
    --------
    >>> cholesky(Tensor(np.array([[4.0, 2.0], [2.0, 2.0]]))).numpy().tolist()
    [[2.0, 0.0], [1.0, 1.0]]
    """
    return mH(_cholesky(mH(as_tensor(a)))) if upper else _cholesky(a)


# ---------------------------------------------------------------- QR


def _thin(q, g, k):
    """The first k columns of q, and their gradient: the others turn with them, so that they stay orthogonal."""
    if q.shape[-1] == k:
        return q, g
    first, rest = q[..., :k], q[..., k:]
    return first, None if g is None else g[..., :k] - conj(rest) @ (mH(g[..., k:]) @ conj(first))


def _plus(a, b):
    """The sum of two terms of which one may be missing."""
    return b if a is None else a if b is None else a + b


def _qr_vjp(g, factors, a_dtype):
    """Walter 2010, section 3.3, Seeger 2017, section 3.3; for complex matrices as PyTorch: the diagonal of R is real.

    A wide matrix is a square one with columns to the right of it, of which R has Q^H times them.
    """
    gq, gr = g.parts
    q, r = factors
    k = min(q.shape[-2], r.shape[-1])
    q, gq = _thin(q, gq, k)
    square, right = r[..., :k, :k], r[..., :k, k:]
    wide, inside, g_right = right.shape[-1] > 0, None, None
    if gr is not None:
        inside = gr[..., :k, :k] @ mT(square)
        if wide:
            g_right = conj(q) @ gr[..., k:]
            gq = _plus(gq, conj(q) @ (conj(right) @ mH(gr[..., k:])))
    if gq is not None:
        inside = _plus(inside, -(mT(q) @ gq))
    inside = inside * mT(_half_lower(inside))
    c = mT(solve.inner(square, mT(_plus(gq, conj(q) @ (inside + mH(inside))))))
    if wide:
        if g_right is None:
            g_right = namespace(bare(c)).zeros((*c.shape[:-1], right.shape[-1]), c.dtype)
        c = concatenate.inner((c, g_right), -1)
    return cast(c, a_dtype)


def _qr_seen(parts):
    """R, the thin Q, and the projector on the complement."""
    q, r = parts
    k = min(q.shape[-2], r.shape[-1])
    rest = q[..., k:]
    return [q[..., :k], r, rest @ mH(rest)]


def _qr_samples():
    complete = arrays((4, 2)), arrays((3, 1), dtype=complex), arrays((2, 3, 2))
    return [
        *(Sample(arrays(shape)) for shape in ((3, 3), (4, 2), (2, 4), (1, 1), (2, 3, 2), (2, 2, 3))),
        *(Sample(arrays(shape, dtype=complex)) for shape in ((3, 3), (4, 2), (2, 4))),
        *(Sample(a, "complete", seen=_qr_seen) for a in complete),
        Sample(arrays((2, 3)), "complete"),
        Sample(arrays((6, 4))[::2, ::-2]),
        *(Sample(zeros(shape)) for shape in ((0, 0), (3, 0), (0, 2), (0, 3, 2))),
        Sample(arrays((3, 2)).astype(np.float32), smooth=False),
    ]


@primitive(
    vjp={"a": _qr_vjp}, outputs=2, aux={"factors": lambda a, mode: _qr.inner(a, mode)}, name="qr", samples=_qr_samples
)
def _qr(a, mode="reduced"):
    """An orthonormal and an upper triangular factor."""
    factors = tuple(namespace(a).linalg.qr(a, mode))
    return factors, factors


@composed(
    np.linalg.qr, home="linalg",
    samples=lambda: [
        Sample(arrays((3, 2))),
        Sample(arrays((3, 2)), mode="r"),
        Sample(arrays((2, 3)), "complete"),
        Sample(arrays((3, 2)), "complete", seen=_qr_seen),
    ],
)  # fmt: skip
def qr(a, mode="reduced") -> Any:
    """The factors of ``a = Q @ R``: orthonormal columns, and an upper triangle.

    Parameters
    ----------
    a : array_like, shape (..., m, n)
    mode : {"reduced", "complete", "r"}
        Q and R have ``k = min(m, n)`` columns and rows, or m; or R alone is returned.

    Returns
    -------
    QRResult of Tensors, ``.Q`` of shape (..., m, k) and ``.R`` of shape (..., k, n); with "r" one Tensor

    Raises
    ------
    TypeError
        If `mode` is "raw": Householder reflectors have no gradient here.
    numpy.linalg.LinAlgError
        By the gradient, if the first k columns are not independent.

    Notes
    -----
    The last ``m - n`` columns of a complete Q are any basis of the complement. Gradients of losses that depend on its
    span only are right; others follow the basis that turns least.

    References
    ----------
    S. F. Walter, L. Lehmann, "Algorithmic differentiation of linear algebra functions with application in optimum
    experimental design", arXiv:1001.1654, section 3.3.
    M. Seeger et al., "Auto-differentiating linear algebra", arXiv:1710.08717, section 3.3.

    Examples
    --------
    >>> q, r = qr(Tensor(np.array([[3.0, 1.0], [4.0, 2.0]])))
    >>> np.allclose(q @ r, [[3.0, 1.0], [4.0, 2.0]])
    True
    """
    if mode == "raw":
        raise TypeError("qr: mode='raw' has no gradient; 'reduced', 'complete' and 'r' have. Or pass x.numpy()")
    if mode not in ("reduced", "complete", "r"):
        raise ValueError(f"qr: mode must be 'reduced', 'complete' or 'r', got {mode!r}")
    return _qr(a)[1] if mode == "r" else QRResult(*_qr(a, mode))


# ---------------------------------------------------------------- eigenvalues of Hermitian matrices


def _eigh_vjp(g, factors, a_dtype):
    """Giles 2008, 3.1, in the form of PyTorch's linalg_eig_backward for Hermitian matrices."""
    gw, gv = g.parts
    w, v = factors
    vt, one = mT(v), identity(w.shape[-1], w)
    inside = None if gw is None else gw[..., None, :] * one
    if gv is not None:
        x = vt @ gv
        inside = _plus(inside, (x - mH(x)) * (0.5 * (1.0 - one)) / _gaps(w, one))
    return cast(conj(v) @ inside @ vt, a_dtype)


def _eigh_seen(parts):
    return [parts[0], _projectors(parts[1])]


def _eigh_samples():
    found = [hermitian(a) for a in (arrays((3, 3)), arrays((2, 2, 2)), arrays((6, 6))[::2, ::2], arrays((1, 1)))]
    z = hermitian(arrays((3, 3), dtype=complex))
    lower = arrays((3, 3))
    return [
        *(Sample(a, domain=hermitian, seen=_eigh_seen) for a in [*found, z, zeros((0, 0)), zeros((0, 2, 2))]),
        Sample(found[0], "U", domain=hermitian, seen=_eigh_seen),
        Sample(lower, "L", smooth=False),
        Sample(lower, "U", smooth=False),
        Sample(found[0].astype(np.float32), smooth=False),
    ]


@primitive(
    vjp={"a": _eigh_vjp}, outputs=2, aux={"factors": lambda a, UPLO: _eigh.inner(a, UPLO)}, name="eigh",
    samples=_eigh_samples,
)  # fmt: skip
def _eigh(a, UPLO="L"):
    """Eigenvalues in rising order, and eigenvectors as columns."""
    factors = tuple(namespace(a).linalg.eigh(a, UPLO))
    return factors, factors


def _triangle(name, UPLO):
    if not isinstance(UPLO, str) or UPLO.upper() not in ("L", "U"):
        raise ValueError(f"{name}: UPLO must be 'L' or 'U', got {UPLO!r}")
    return UPLO.upper()


@composed(
    np.linalg.eigh,
    home="linalg",
    samples=lambda: [Sample(hermitian(arrays((2, 2))), UPLO="u", domain=hermitian, seen=_eigh_seen)],
)
def eigh(a, UPLO="L") -> Any:
    """Eigenvalues, in rising order, and eigenvectors of Hermitian matrices.

    Parameters
    ----------
    a : array_like, shape (..., n, n)
    UPLO : {"L", "U"}
        Which triangle of `a` is read.

    Returns
    -------
    EighResult of Tensors
        ``.eigenvalues`` of shape (..., n), real, and ``.eigenvectors`` of shape (..., n, n), columns of length 1.

    Notes
    -----
    The gradient is Hermitian, as PyTorch's: that along changes of `a` which keep it Hermitian.

    An eigenvector is determined up to its sign, or its phase. Gradients of losses that do not depend on it are right.
    Where two eigenvalues are equal their eigenvectors have no derivatives: a loss that depends on eigenvectors then has
    a gradient of infinities or NaN. A loss of the eigenvalues alone has a finite one; it is right for functions that
    are symmetric in equal eigenvalues.

    References
    ----------
    M. Giles, "An extended collection of matrix derivative results for forward and reverse mode algorithmic
    differentiation", Oxford NA-08/01, section 3.1.

    Examples
    --------
    >>> w, v = eigh(Tensor(np.array([[2.0, 0.0], [0.0, 1.0]])))
    >>> w.numpy().tolist()
    [1.0, 2.0]
    """
    return EighResult(*_eigh(a, _triangle("eigh", UPLO)))


def _eigvalsh_vjp(g, a, a_dtype, UPLO):
    """Giles 2008, 3.1. The eigenvectors are computed here, so that a call without gradients does not pay for them."""
    v = _eigh.inner(a, UPLO)[1]
    return cast((conj(v) * g[..., None, :]) @ mT(v), a_dtype)


@primitive(
    vjp={"a": _eigvalsh_vjp}, name="eigvalsh",
    samples=lambda: [Sample(*s.args, smooth=s.smooth, domain=s.domain) for s in _eigh_samples()],
)  # fmt: skip
def _eigvalsh(a, UPLO="L"):
    """Eigenvalues in rising order."""
    return namespace(a).linalg.eigvalsh(a, UPLO)


@composed(np.linalg.eigvalsh, home="linalg", samples=lambda: [Sample(hermitian(arrays((3, 3))), "u", domain=hermitian)])
def eigvalsh(a, UPLO="L") -> Tensor:
    """Eigenvalues of Hermitian matrices, in rising order.

    Parameters
    ----------
    a : array_like, shape (..., n, n)
    UPLO : {"L", "U"}
        Which triangle of `a` is read.

    Returns
    -------
    Tensor, shape (..., n), real

    Notes
    -----
    The gradient is Hermitian, and finite where eigenvalues are equal: see `eigh`.

    Examples
    --------
    >>> eigvalsh(Tensor(np.array([[2.0, 0.0], [0.0, 1.0]]))).numpy().tolist()
    [1.0, 2.0]
    """
    return _eigvalsh(a, _triangle("eigvalsh", UPLO))


# ---------------------------------------------------------------- eigenvalues of any square matrices


def _phases(v):
    """Row k of `v` over its element in column j, as column j: k is the component of the j-th eigenvector that is real.

    LAPACK makes the largest component real (?geev), which fixes the phase of a complex eigenvector.
    """
    a = bare(v)
    xp = namespace(a)
    size = xp.abs(a) * (1.0 + 9.0 * (a.imag == 0))
    rows = take_along.inner(v, size.argmax(axis=-2)[..., None], -2)
    return mT(rows / diagonal.inner(rows, 0, -2, -1)[..., None])


def _eig_vjp(g, factors, a_dtype):
    """Giles 2008, 3.1, for eigenvectors of length 1 (PyTorch's linalg_eig_backward), with phases as LAPACK's."""
    gw, gv = g.parts
    w, v = factors
    vt, one = mT(v), identity(w.shape[-1], w)
    inside = None if gw is None else gw[..., None, :] * one
    if gv is not None:
        x = vt @ gv
        own = diagonal.inner(x, 0, -2, -1)[..., None, :]
        if v.dtype.kind != "c":
            x = x - own * (vt @ v)
        elif v.size:
            x = x - own.real * (vt @ conj(v)) - own.imag * 1j * _phases(v)
        inside = _plus(inside, x * (1.0 - one) / _gaps(w, one))
    return cast(solve.inner(vt, inside @ vt), a_dtype)


def _eig_seen(parts):
    """Eigenvalues, and products of eigenvectors that do not depend on their signs, but on their phases."""
    w, v = parts
    return [w, v[..., :, None, :] * v[..., None, :, :]]


def _eig_samples():
    turning = values([[0.5, -1.0, 0.3], [1.2, 0.4, 0.2], [0.1, 0.7, -1.0]])  # two eigenvalues are complex
    straight = values([[2.0, 0.5, -0.3], [0.2, -1.0, 0.4], [0.1, 0.3, 0.5]])  # all are real
    found = straight, turning, arrays((3, 3), dtype=complex), arrays((2, 2, 2), dtype=complex, seed=3)
    return [
        *(Sample(a, seen=_eig_seen) for a in (*found, values([straight, straight.T]), values([[0.5]]))),
        Sample(zeros((0, 0))),
        Sample(zeros((0, 2, 2))),
        Sample(straight.astype(np.float32), smooth=False),
    ]


@primitive(vjp={"a": _eig_vjp}, outputs=2, aux={"factors": lambda a: _eig.inner(a)}, name="eig", samples=_eig_samples)
def _eig(a):
    """Eigenvalues, and eigenvectors as columns."""
    factors = tuple(namespace(a).linalg.eig(a))
    return factors, factors


@composed(np.linalg.eig, home="linalg", samples=lambda: _eig_samples()[:3])
def eig(a) -> Any:
    """Eigenvalues and eigenvectors of square matrices.

    Parameters
    ----------
    a : array_like, shape (..., n, n)

    Returns
    -------
    EigResult of Tensors
        ``.eigenvalues`` of shape (..., n), in no order, and ``.eigenvectors`` of shape (..., n, n), columns of
        length 1. Both are complex, or real where `a` and all eigenvalues are real. (CuPy's are complex always.)

    Raises
    ------
    numpy.linalg.LinAlgError
        By the gradient, if there are fewer than n independent eigenvectors.

    Notes
    -----
    The gradient takes the phase of an eigenvector as LAPACK chooses it: the largest component is real. Losses that do
    not depend on phases have the gradient that PyTorch gives.

    Where two eigenvalues are equal their eigenvectors have no derivatives: a loss that depends on eigenvectors then has
    a gradient of infinities or NaN. A loss of the eigenvalues alone has a finite one, if there are n eigenvectors; it
    is right for functions that are symmetric in equal eigenvalues.

    References
    ----------
    M. Giles, "An extended collection of matrix derivative results for forward and reverse mode algorithmic
    differentiation", Oxford NA-08/01, section 3.1.

    Examples
    --------
    >>> eig(Tensor(np.array([[0.0, -1.0], [1.0, 0.0]]))).eigenvalues.numpy().tolist()
    [1j, -1j]
    """
    return EigResult(*_eig(a))


@composed(np.linalg.eigvals, home="linalg", samples=lambda: [Sample(*s.args, smooth=s.smooth) for s in _eig_samples()])
def eigvals(a) -> Tensor:
    """Eigenvalues of square matrices.

    Parameters
    ----------
    a : array_like, shape (..., n, n)

    Returns
    -------
    Tensor, shape (..., n)
        In no order; complex, or real where `a` and all eigenvalues are real. (CuPy's are complex always.)

    Notes
    -----
    The eigenvectors, which the gradient needs, are computed at once: LAPACK may order the eigenvalues otherwise without
    them. For equal eigenvalues see `eig`.

    Examples
    --------
    >>> eigvals(Tensor(np.array([[0.0, -1.0], [1.0, 0.0]]))).numpy().tolist()
    [1j, -1j]
    """
    return _eig(a)[0]


# ---------------------------------------------------------------- singular values


def _svd_vjp(g, factors, a_dtype):
    """Townsend 2016, section 2, and for complex matrices PyTorch's svd_backward. V has the columns; V^H is returned."""
    gu, gs, gvh = g.parts
    u, s, vh = factors
    m, n, k = u.shape[-2], vh.shape[-1], s.shape[-1]
    u, gu = _thin(u, gu, k)
    v, gv = _thin(mH(vh), None if gvh is None else mH(gvh), k)
    ut, vt, one = mT(u), mT(v), identity(k, s)
    inside, outside = None if gs is None else gs[..., None, :] * one, None
    turn = None  # how U and V turn each other's phases
    over_gaps = None
    if gu is not None or gv is not None:
        over_gaps = (1.0 - one) / (_gaps(s, 0.0) * (s[..., None, :] + s[..., :, None]) + one)  # of the squares
    if gu is not None:
        x = ut @ gu
        skew = x - mH(x)
        inside, turn = _plus(inside, skew * over_gaps * s[..., None, :]), skew
        if m > k:
            outside = ((gu - conj(u) @ x) / s[..., None, :]) @ vt
    if gv is not None:
        x = vt @ gv
        skew = x - mH(x)
        inside, turn = _plus(inside, skew * over_gaps * s[..., :, None]), _plus(turn, -skew)
        if n > k:
            outside = _plus(outside, conj(u) @ (mH(gv - conj(v) @ x) / s[..., :, None]))
    if turn is not None and turn.dtype.kind == "c":
        inside = inside + turn * one * (0.25 / (s + (s == 0)))[..., None, :]
    return cast(_plus(conj(u) @ inside @ vt, outside), a_dtype)


def _svd_seen(parts):
    """Singular values, the products of pairs of singular vectors, and the projectors on the complements."""
    u, s, vh = parts
    k = s.shape[-1]
    v = mH(vh)
    left, right = u[..., k:], v[..., k:]
    pairs = u[..., :, None, :k] * conj(v)[..., None, :, :k]
    return [s, pairs, _projectors(u[..., :k]), left @ mH(left), right @ mH(right)]


def _svd_samples():
    shapes = (3, 3), (4, 2), (2, 4), (2, 3, 2), (2, 2, 3), (1, 1)
    return [
        *(Sample(arrays(shape), False, seen=_svd_seen) for shape in shapes),
        *(Sample(arrays(shape, dtype=complex), False, seen=_svd_seen) for shape in shapes[:3]),
        Sample(arrays((4, 2)), True, seen=_svd_seen),
        Sample(arrays((2, 4)), True, seen=_svd_seen),
        Sample(arrays((3, 1), dtype=complex), True, seen=_svd_seen),
        Sample(arrays((6, 4))[::2, ::-2], False, seen=_svd_seen),
        *(Sample(zeros(shape), False) for shape in ((0, 0), (0, 3, 2))),
        Sample(zeros((2, 0)), True, smooth=False),
        Sample(arrays((3, 2)).astype(np.float32), False, smooth=False),
    ]


@primitive(
    vjp={"a": _svd_vjp}, outputs=3, aux={"factors": lambda a, full_matrices: _svd.inner(a, full_matrices)}, name="svd",
    samples=_svd_samples,
)  # fmt: skip
def _svd(a, full_matrices=True):
    """Left singular vectors, singular values in falling order, right singular vectors as rows, conjugated."""
    factors = tuple(namespace(a).linalg.svd(a, full_matrices))
    return factors, factors


def _svdvals_vjp(g, x, x_dtype):
    """Townsend 2016, section 2; at a singular value of 0, a kink, it is 0. The vectors are computed here, if needed."""
    u, s, vh = _svd.inner(x, False)
    return cast((conj(u) * (g * np.sign(s))[..., None, :]) @ conj(vh), x_dtype)


@primitive(
    vjp={"x": _svdvals_vjp}, name="svdvals",
    samples=lambda: [Sample(s.args[0], smooth=s.smooth) for s in _svd_samples()],
)  # fmt: skip
def _svdvals(x):
    """Singular values in falling order."""
    return namespace(x).linalg.svd(x, compute_uv=False)


@composed(np.linalg.svdvals, home="linalg", samples=lambda: [Sample(arrays((2, 3)))])
def svdvals(x, /) -> Tensor:
    """Singular values, in falling order.

    Parameters
    ----------
    x : array_like, shape (..., m, n)

    Returns
    -------
    Tensor, shape (..., min(m, n)), real

    Notes
    -----
    The gradient is finite where singular values are equal, and right for functions that are symmetric in them. At a
    singular value of 0 it is 0.

    Examples
    --------
    >>> svdvals(Tensor(np.array([[3.0, 0.0], [0.0, -4.0]]))).numpy().tolist()
    [4.0, 3.0]
    """
    return _svdvals(x)


def _hermitian_svd(a, compute_uv):
    """By eigenvalues, as NumPy does it: singular values are their sizes, and the signs go to V."""
    if not compute_uv:
        s = absolute(_eigvalsh(a))
        return take_along(s, (-s.array).argsort(axis=-1), -1)
    w, u = _eigh(a)
    order = namespace(w.array).abs(w.array).argsort(axis=-1)[..., ::-1]
    w, u = take_along(w, order, -1), take_along(u, order[..., None, :], -1)
    sign = where(w.array < 0, -1.0, 1.0).astype(w.dtype)
    return SVDResult(u, w * sign, mH(u * sign[..., None, :]))


@composed(
    np.linalg.svd, home="linalg",
    samples=lambda: [
        Sample(arrays((3, 2)), seen=_svd_seen),
        Sample(arrays((3, 2)), full_matrices=False, seen=_svd_seen),
        Sample(arrays((3, 2)), compute_uv=False),
        Sample(hermitian(arrays((3, 3))), hermitian=True, domain=hermitian, seen=_svd_seen),
        Sample(hermitian(arrays((2, 3, 3))), hermitian=True, compute_uv=False, domain=hermitian),
    ],
)  # fmt: skip
def svd(a, full_matrices=True, compute_uv=True, hermitian=False) -> Any:
    """The singular value decomposition, ``a = (U * S) @ Vh``.

    Parameters
    ----------
    a : array_like, shape (..., m, n)
    full_matrices : bool, default True
        Whether U and Vh are square, or have ``k = min(m, n)`` columns and rows.
    compute_uv : bool, default True
        With False the singular values alone are returned.
    hermitian : bool, default False
        Whether `a` is known to be Hermitian; only its lower triangle is read then.

    Returns
    -------
    SVDResult of Tensors
        ``.U`` of shape (..., m, k or m), ``.S`` of shape (..., k), falling, and ``.Vh`` of shape (..., k or n, n).
        Without `compute_uv` the Tensor of the singular values.

    Notes
    -----
    A pair of singular vectors is determined up to a common sign, or phase; the columns of a square U (rows of Vh)
    beyond the k-th are any basis of the complement. Gradients of losses that do not depend on these choices are right.

    Where two singular values are equal their vectors have no derivatives, nor have those of a singular value of 0 if
    `a` is not square: a loss that depends on singular vectors then has a gradient of infinities or NaN. One of the
    singular values alone has a finite gradient: see `svdvals`.

    References
    ----------
    J. Townsend, "Differentiating the singular value decomposition", 2016.

    Examples
    --------
    >>> svd(Tensor(np.array([[3.0, 0.0], [0.0, -4.0]]))).S.numpy().tolist()
    [4.0, 3.0]
    """
    if hermitian:
        return _hermitian_svd(as_tensor(a), compute_uv)
    return SVDResult(*_svd(a, bool(full_matrices))) if compute_uv else _svdvals(a)


# ---------------------------------------------------------------- least squares


def _columns(b):
    return b[..., None] if b.ndim == 1 else b


def _lstsq_b(g, a, b, b_dtype, rcond):
    """The solution is ``pinv(a) @ b``; at the minimum the residuals change with b alone."""
    gx, g_residuals, _ = g.parts
    c = None
    y = pseudoinverse.inner(a, rcond, False)
    if gx is not None:
        c = mT(y) @ _columns(gx)
    if g_residuals is not None and g_residuals.size:
        columns = _columns(b)
        c = _plus(c, conj(columns - a @ (y @ columns)) * (2.0 * g_residuals))
    return None if c is None else cast(c.reshape(b.shape), b_dtype)


def _lstsq_a(g, a, b, a_dtype, rcond):
    """Golub & Pereyra 1973 by way of the pseudoinverse; at the minimum the residuals do not change with x."""
    gx, g_residuals, gs = g.parts
    c, y, columns = None, pseudoinverse.inner(a, rcond, False), _columns(b)
    if gx is not None:
        c = pinv_vjp(_columns(gx) @ mT(columns), a, y)
    if g_residuals is not None and g_residuals.size:
        x = y @ columns
        c = _plus(c, (conj(columns - a @ x) * (-2.0 * g_residuals)) @ mT(x))
    if gs is not None:
        c = _plus(c, _svdvals_vjp(gs, a, a.dtype))
    return None if c is None else cast(c, a_dtype)


def _lstsq_samples():
    z, w = arrays((3, 2), (3,), dtype=complex)
    return [
        Sample(*arrays((4, 2), (4,)), 1e-12),
        Sample(*arrays((4, 2), (4, 3)), 1e-12),
        Sample(*arrays((2, 4), (2, 3)), 1e-12),
        Sample(regular(3, 3), arrays((3,)), 1e-12),
        Sample(z, w, 1e-12),
        Sample(z, arrays((3, 1)), 1e-12),
        Sample(arrays((3, 2)), w, 1e-12),
        Sample(arrays((3, 1)) * arrays((1, 2), seed=1), arrays((3,)), 1e-6, smooth=False),
        Sample(*(x.astype(np.float32) for x in arrays((4, 2), (4,))), 1e-6, smooth=False),
    ]


@primitive(vjp={"a": _lstsq_a, "b": _lstsq_b}, outputs=3, name="lstsq", samples=_lstsq_samples)
def _lstsq(a, b, rcond):
    """Solutions, sums of squared residuals where NumPy has them, singular values."""
    x, residuals, _, s = namespace(a).linalg.lstsq(a, b, rcond)
    return x, residuals, s


@composed(
    np.linalg.lstsq, home="linalg", samples=lambda: [Sample(*s.args[:2], smooth=s.smooth) for s in _lstsq_samples()]
)
def lstsq(a, b, rcond=None) -> Any:
    """The solutions `x` of least squares: ``norm(a @ x - b)`` is smallest, and of those `x` itself.

    Parameters
    ----------
    a : array_like, shape (m, n)
    b : array_like, shape (m,) or (m, k)
    rcond : float, optional
        Singular values up to `rcond` times the largest are taken for zeros; by default the precision times the larger
        size. A negative one stands for the precision.

    Returns
    -------
    x : Tensor, shape (n,) or (n, k)
    residuals : Tensor, shape (1,), (k,), or (0,) if the rank is less than n or m is not larger than n
        The sums of squares of ``b - a @ x``.
    rank : Tensor, 0-d, int
        A constant.
    s : Tensor, shape (min(m, n),)
        The singular values of `a`.

    Raises
    ------
    numpy.linalg.LinAlgError
        If `a` is no matrix, or the numbers of rows differ.

    Notes
    -----
    If the rank is less than ``min(m, n)`` the gradient is that along changes of `a` which keep the rank: see `pinv`.

    References
    ----------
    G. Golub, V. Pereyra, "The differentiation of pseudo-inverses and nonlinear least squares problems whose variables
    separate", SIAM J. Numer. Anal. 10 (1973).

    Examples
    --------
    >>> x, residuals, rank, s = lstsq(Tensor(np.array([[1.0], [1.0]])), np.array([1.0, 3.0]))
    >>> print(f"{x.item():.3f} {residuals.item():.3f} {rank.item()} {s.item():.3f}")
    2.000 2.000 1 1.414
    """
    a, b, rcond = as_tensor(a), as_tensor(b), tolerance(rcond, "lstsq")
    if a.ndim != 2 or b.ndim not in (1, 2) or a.shape[0] != b.shape[0]:
        raise LinAlgError(f"lstsq: a matrix and as many right sides are needed, got shapes {a.shape} and {b.shape}")
    double = a.array.__class__ in NUMPYS or a.dtype.kind not in "fc"  # NumPy's computes in double precision
    eps = float(np.finfo(np.float64 if double else a.dtype).eps)
    if rcond is None:
        rcond = eps * max(a.shape)
    elif rcond < 0:
        rcond = eps
    x, residuals, s = _lstsq(a, b, rcond)
    rank = (s.array > rcond * s.array[:1]).sum().astype(np.int32)
    return x, residuals, tensor_of(rank), s
