"""Products of vectors, matrices and tensors; diagonals. Floor 2.

2-D products are spelled ``a.dot(b)``, which costs half of `np.matmul` for small matrices, forwards and in the rules.
"""

from math import prod as _size

import numpy as np

from ..base.backend import NUMPYS, matrix_product, namespace
from ..engine import registry
from ..engine.declare import composed, primitive
from ..engine.op import fit
from ..engine.samples import Sample, arrays
from ..engine.tensor import Tensor, as_tensor
from .shape import axes_of, axis_of, cast, moveaxis, ravel, reshape

__all__ = [
    "cross", "diag", "diagflat", "diagonal", "dot", "inner", "kron", "matmul", "outer", "tensordot", "trace", "vdot",
    "vecdot",
]  # fmt: skip

ndarray = np.ndarray

# ---------------------------------------------------------------- matmul


def as_rows(a):
    """`a` with its leading dimensions as one (a reshape to -1 cannot count rows without elements)."""
    return a.reshape((_size(a.shape[:-1]), a.shape[-1]))


def _matmul_a(g, b, a_shape, a_dtype):
    if g.ndim == 2 and b.ndim == 2:
        c = g.dot(b.T) if g.__class__ in NUMPYS else matrix_product(g, b.T)
        if c.dtype is a_dtype:
            return c
    elif b.ndim == 1:
        c = g[..., None] * b
    elif len(a_shape) == 1:
        c = matmul.inner(b, g[..., None])[..., 0]
    elif b.ndim == 2:
        c = matrix_product(as_rows(g), b.T).reshape(a_shape)
    else:
        c = matmul.inner(g, b.swapaxes(-1, -2))
    return c if c.dtype is a_dtype and c.shape == a_shape else fit(c, a_shape, a_dtype)


def _matmul_b(g, a, b_shape, b_dtype):
    if g.ndim == 2 and a.ndim == 2:
        c = a.T.dot(g) if g.__class__ in NUMPYS else dot.inner(a.T, g)
        if c.dtype is b_dtype:
            return c
    elif a.ndim == 1:
        c = g * a if len(b_shape) == 1 else a[:, None] * g[..., None, :]
    elif len(b_shape) == 1:
        c = dot.inner(as_rows(a).T, g.reshape((-1,)))
    elif len(b_shape) == 2:
        c = dot.inner(as_rows(a).T, as_rows(g))
    else:
        c = matmul.inner(a.swapaxes(-1, -2), g)
    return c if c.dtype is b_dtype and c.shape == b_shape else fit(c, b_shape, b_dtype)


def _products(*shapes):
    def samples():
        found = [Sample(*arrays(*pair, seed=i)) for i, pair in enumerate(shapes)]
        a, b = arrays((4, 6), (4, 6), seed=99)
        found.append(Sample(a[::2, ::2], b[::2, ::2].T))
        found.append(Sample(*arrays((2, 3), (3, 2), dtype=complex)))
        found.append(Sample(arrays((2, 3), dtype=complex), arrays((3, 2))))
        found.append(Sample(arrays((2, 3)), arrays((3, 2), dtype=complex)))
        found.append(Sample(*[x.astype(np.float32) for x in arrays((2, 3), (3, 2))], smooth=False))
        return found

    return samples


@primitive(
    np.matmul, vjp={"a": _matmul_a, "b": _matmul_b}, linear="each", stacks="b", operators="__matmul__ __rmatmul__",
    samples=_products(
        ((2, 3), (3, 4)), ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((2, 2, 3), (3, 2)), ((2, 2, 3), (3,)),
        ((3,), (2, 3, 2)), ((2, 2, 3), (2, 3, 2)), ((2, 3), (2, 3, 2)), ((2, 1, 2, 3), (3, 3, 2)),
        ((1, 2, 3), (2, 3, 2)),
        ((0, 3), (3, 2)), ((2, 0), (0, 3)), ((2, 0), (0,)), ((0, 3), (3,)), ((0,), (0, 2)), ((2, 3, 0), (0, 2)),
        ((2, 3, 0), (0,)), ((2, 0, 3), (3, 2)), ((2, 2, 3), (3, 0)), ((2, 3, 0), (2, 0, 2)),
    ),
)  # fmt: skip
def matmul(a, b):
    """The matrix product, also ``a @ b``; leading dimensions broadcast.

    Parameters
    ----------
    a : array_like, shape (..., n, k) or (k,)
    b : array_like, shape (..., k, m) or (k,)

    Returns
    -------
    Tensor, shape (..., n, m), without the dimensions that 1-D arguments lack

    Raises
    ------
    ValueError
        If the inner dimensions differ, or an argument is 0-d.

    Examples
    --------
    >>> av.matmul(av.Tensor(np.ones((2, 3))), np.ones((3, 4))).shape
    (2, 4)
    """
    if b.ndim == 2:
        if a.ndim == 2:
            return a.dot(b) if a.__class__ in NUMPYS else matrix_product(a, b)
        if a.ndim > 2 and a.shape[-1] == b.shape[0]:  # one large product instead of many small ones
            return matrix_product(as_rows(a), b).reshape((*a.shape[:-1], b.shape[1]))
    return matrix_product(a, b)


# ---------------------------------------------------------------- dot and tensordot


def _dot_a(g, b, a_shape, a_dtype):
    if g.ndim == 2 and b.ndim == 2 and len(a_shape) == 2:
        c = g.dot(b.T) if g.__class__ in NUMPYS else matrix_product(g, b.T)
    elif b.ndim == 0 or not a_shape:
        c = g * b
    else:
        free = g.ndim - len(a_shape) + 1  # the dimensions that b brought
        axes = [i for i in range(b.ndim) if i != max(b.ndim - 2, 0)]
        c = tensordot.inner(g, b, (tuple(range(g.ndim - free, g.ndim)), tuple(axes)))
    return c if c.dtype is a_dtype and c.shape == a_shape else fit(c, a_shape, a_dtype)


def _dot_b(g, a, b_shape, b_dtype):
    if g.ndim == 2 and a.ndim == 2 and len(b_shape) == 2:
        c = a.T.dot(g) if g.__class__ in NUMPYS else dot.inner(a.T, g)
    elif a.ndim == 0 or not b_shape:
        c = g * a
    else:
        rest = tuple(range(a.ndim - 1))
        c = tensordot.inner(a, g, (rest, rest))
        if len(b_shape) > 2:
            c = c.transpose((*range(1, len(b_shape) - 1), 0, len(b_shape) - 1))
    return c if c.dtype is b_dtype and c.shape == b_shape else fit(c, b_shape, b_dtype)


@primitive(
    np.dot, vjp={"a": _dot_a, "b": _dot_b}, linear="each", methods="dot",
    samples=_products(
        ((2, 3), (3, 4)), ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((2, 2, 3), (3, 2)), ((2, 3), (2, 3, 2)),
        ((), (2, 3)),
        ((2,), ()), ((), ()), ((2, 2, 3), (3,)), ((3,), (2, 3, 2)), ((2, 2, 3), (2, 3, 2)),
    ),
)  # fmt: skip
def dot(a, b):
    """The sum of products over the last dimension of `a` and the last but one of `b`; with 0-d arrays their product.

    Parameters
    ----------
    a : array_like, shape (..., k)
    b : array_like, shape (..., k, m) or (k,)

    Returns
    -------
    Tensor

    Notes
    -----
    With more than two dimensions it is not `matmul`: leading dimensions do not broadcast, all pairs are formed.

    Examples
    --------
    >>> av.dot(av.Tensor(np.array([1.0, 2.0])), np.array([3.0, 4.0])).item()
    11.0
    """
    if a.ndim > 2 and b.ndim == 2 and a.shape[-1] == b.shape[0]:  # one large product: NumPy does not do this by itself
        return matrix_product(as_rows(a), b).reshape((*a.shape[:-1], b.shape[1]))
    return matrix_product(a, b) if a.ndim == b.ndim == 2 else a.dot(b)


def contracted(axes, a_ndim, b_ndim):
    """The axes of `tensordot`, counted from the front."""
    if isinstance(axes, (int, np.integer)):
        return tuple(range(a_ndim - axes, a_ndim)), tuple(range(axes))
    axes_a, axes_b = axes
    axes_a, axes_b = axes_of(axes_a, a_ndim), axes_of(axes_b, b_ndim)
    if len(axes_a) != len(axes_b):
        raise ValueError(f"tensordot: {len(axes_a)} axes of the first array, {len(axes_b)} of the second")
    return axes_a, axes_b


def _tensordot_a(g, b, a_shape, a_dtype, axes):
    """Sum over what `b` brought, then every dimension back to its place."""
    axes_a, axes_b = contracted(axes, len(a_shape), b.ndim)
    free_a = [i for i in range(len(a_shape)) if i not in axes_a]
    free_b = [i for i in range(b.ndim) if i not in axes_b]
    c = tensordot.inner(g, b, (tuple(range(len(free_a), g.ndim)), tuple(free_b)))
    order = free_a + [axes_a[axes_b.index(j)] for j in sorted(axes_b)]
    return cast(c.transpose(tuple(order.index(i) for i in range(len(a_shape)))), a_dtype)


def _tensordot_b(g, a, b_shape, b_dtype, axes):
    axes_a, axes_b = contracted(axes, a.ndim, len(b_shape))
    free_a = [i for i in range(a.ndim) if i not in axes_a]
    free_b = [i for i in range(len(b_shape)) if i not in axes_b]
    c = tensordot.inner(a, g, (tuple(free_a), tuple(range(len(free_a)))))
    order = [axes_b[axes_a.index(i)] for i in sorted(axes_a)] + free_b
    return cast(c.transpose(tuple(order.index(i) for i in range(len(b_shape)))), b_dtype)


@primitive(
    np.tensordot, vjp={"a": _tensordot_a, "b": _tensordot_b}, arity=2, linear="each",
    samples=lambda: [
        Sample(*arrays((2, 3, 4), (3, 4, 2))),
        Sample(*arrays((2, 3), (4, 3)), ((1,), (1,))),
        Sample(*arrays((2, 3, 4), (4, 5, 2)), ((0, 2), (2, 0))),
        Sample(*arrays((2,), (3,)), 0),
        Sample(*arrays((2, 3), (3, 2)), 1),
        Sample(*arrays((2, 3), (2, 3)), axes=([0, 1], [0, 1])),
        Sample(*arrays((2, 3), (3, 2), dtype=complex), (1, 0)),
        Sample(arrays((2, 3)), arrays((3, 2), dtype=complex), 1),
    ],
)  # fmt: skip
def tensordot(a, b, axes=2):
    """The sum of products over some axes of both arrays.

    Parameters
    ----------
    a, b : array_like
    axes : int or pair of (sequences of) int, default 2
        A number: the last ones of `a` and the first ones of `b`. A pair: these of `a` with those of `b`.

    Returns
    -------
    Tensor
        The other dimensions of `a`, then those of `b`.

    Examples
    --------
    >>> av.tensordot(av.Tensor(np.ones((2, 3))), np.ones((3, 4)), axes=1).shape
    (2, 4)
    """
    axes_a, axes_b = contracted(axes, a.ndim, b.ndim)
    free_a = [i for i in range(a.ndim) if i not in axes_a]
    free_b = [i for i in range(b.ndim) if i not in axes_b]
    inner_a, inner_b = [a.shape[i] for i in axes_a], [b.shape[i] for i in axes_b]
    if inner_a != inner_b:
        raise ValueError(f"tensordot: axes {axes_a} of shape {a.shape} do not match axes {axes_b} of shape {b.shape}")
    k, outer_a, outer_b = _size(inner_a), [a.shape[i] for i in free_a], [b.shape[i] for i in free_b]
    rows = a.transpose((*free_a, *axes_a)).reshape((_size(outer_a), k))
    columns = b.transpose((*axes_b, *free_b)).reshape((k, _size(outer_b)))
    return matrix_product(rows, columns).reshape((*outer_a, *outer_b))


# ---------------------------------------------------------------- other products


@composed(
    np.inner,
    samples=lambda: [
        Sample(*arrays(*p))
        for p in (((3,), (3,)), ((2, 3), (4, 3)), ((2, 2, 3), (3,)), ((), (3,)), ((2, 3), (2, 2, 3)))
    ],
)
def inner(a, b) -> Tensor:
    """The sum of products over the last dimensions of both arrays, without conjugation.

    Parameters
    ----------
    a : array_like, shape (..., k)
    b : array_like, shape (..., k)

    Returns
    -------
    Tensor
        The leading dimensions of `a`, then those of `b`.

    Examples
    --------
    >>> av.inner(av.Tensor(np.ones((2, 3))), np.ones((4, 3))).shape
    (2, 4)
    """
    a, b = as_tensor(a), as_tensor(b)
    return a * b if a.ndim == 0 or b.ndim == 0 else tensordot(a, b, ((-1,), (-1,)))


@composed(
    np.outer, samples=lambda: [Sample(*arrays((2,), (3,))), Sample(*arrays((2, 2), (3,))), Sample(*arrays((), (3,)))]
)
def outer(a, b, out=None) -> Tensor:
    """The products of all pairs of elements.

    Parameters
    ----------
    a : array_like, n elements
    b : array_like, m elements
    out : None
        Not supported.

    Returns
    -------
    Tensor, shape (n, m)

    Examples
    --------
    >>> av.outer(av.Tensor(np.array([1.0, 2.0])), np.array([3.0, 4.0])).numpy().tolist()
    [[3.0, 4.0], [6.0, 8.0]]
    """
    if out is not None:
        raise TypeError("outer: out= is not supported for Tensors; use the Tensor that it returns")
    return reshape(a, (-1, 1)) * reshape(b, (1, -1))


@composed(
    np.vdot,
    samples=lambda: [
        Sample(*arrays((3,), (3,))),
        Sample(*arrays((2, 3), (2, 3), dtype=complex)),
        Sample(*arrays((), ())),
    ],
)
def vdot(a, b) -> Tensor:
    """The sum of ``conj(a) * b`` over all elements.

    Parameters
    ----------
    a, b : array_like, of the same number of elements

    Returns
    -------
    Tensor, 0-d

    Examples
    --------
    >>> av.vdot(av.Tensor(np.array([1.0j, 1.0])), np.array([1.0j, 1.0])).item()
    (2+0j)
    """
    a = ravel(a)
    return dot(a.conj() if a.dtype.kind == "c" else a, ravel(b))


@composed(np.vecdot, samples=lambda: [Sample(*arrays((2, 3), (3,))), Sample(*arrays((2, 3), (2, 3), dtype=complex))])
def vecdot(x1, x2, /, *, axis=-1) -> Tensor:
    """The sum of ``conj(x1) * x2`` along one axis; the others broadcast.

    Parameters
    ----------
    x1, x2 : array_like
    axis : int, default -1

    Returns
    -------
    Tensor

    Examples
    --------
    >>> av.vecdot(av.Tensor(np.ones((2, 3))), np.ones(3)).numpy().tolist()
    [3.0, 3.0]
    """
    x1 = as_tensor(x1)
    return ((x1.conj() if x1.dtype.kind == "c" else x1) * x2).sum(axis)


@composed(
    np.kron,
    samples=lambda: [
        Sample(*arrays((2, 2), (2, 3))),
        Sample(*arrays((2,), (3,))),
        Sample(*arrays((2,), (2, 3))),
        Sample(*arrays((), (2,))),
    ],
)
def kron(a, b) -> Tensor:
    """The Kronecker product: `b` in every place of `a`, times the element there.

    Parameters
    ----------
    a, b : array_like

    Returns
    -------
    Tensor
        Each size is the product of those of `a` and `b`.

    Examples
    --------
    >>> av.kron(av.Tensor(np.array([1.0, 10.0])), np.array([1.0, 2.0])).numpy().tolist()
    [1.0, 2.0, 10.0, 20.0]
    """
    a, b = as_tensor(a), as_tensor(b)
    ndim = a.ndim if a.ndim > b.ndim else b.ndim
    shape_a, shape_b = (1,) * (ndim - a.ndim) + a.shape, (1,) * (ndim - b.ndim) + b.shape
    product = reshape(a, tuple(n for k in shape_a for n in (k, 1))) * reshape(
        b, tuple(n for k in shape_b for n in (1, k))
    )
    return reshape(product, tuple(m * n for m, n in zip(shape_a, shape_b, strict=True)))


@primitive(
    vjp={
        "a": lambda g, b, a_shape, a_dtype: fit(_cross.inner(b, g), a_shape, a_dtype),
        "b": lambda g, a, b_shape, b_dtype: fit(_cross.inner(g, a), b_shape, b_dtype),
    },
    linear="each", name="cross",
    samples=lambda: [
        Sample(*arrays((3,), (3,))),
        Sample(*arrays((2, 3), (4, 1, 3))),
        Sample(*arrays((0, 3), (3,))),
        Sample(arrays((2, 3)), arrays((2, 3), dtype=complex)),
    ],
)  # fmt: skip
def _cross(a, b):
    """The vector products of 3-dimensional vectors along the last axis."""
    return namespace(a).cross(a, b)


@composed(
    np.cross,
    samples=lambda: [
        Sample(*arrays((3,), (2, 3))),
        Sample(*arrays((3, 2), (3, 4, 1)), 0, 0, 1),
        Sample(*arrays((2, 3, 2), (3, 2)), axis=-2),
    ],
)
def cross(a, b, axisa=-1, axisb=-1, axisc=-1, axis=None) -> Tensor:
    """The vector product of vectors of three components; the other dimensions broadcast.

    Parameters
    ----------
    a, b : array_like, shape (..., 3)
    axisa, axisb : int, default -1
        The axes of the components.
    axisc : int, default -1
        The axis of the components in the result.
    axis : int, optional
        Stands for all three.

    Returns
    -------
    Tensor

    Raises
    ------
    ValueError
        If a vector has not three components. Those of two went out of NumPy with 2.5.

    Examples
    --------
    >>> av.cross(av.Tensor(np.array([1.0, 0.0, 0.0])), np.array([0.0, 1.0, 0.0])).numpy().tolist()
    [0.0, 0.0, 1.0]
    """
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = as_tensor(a), as_tensor(b)
    axisa, axisb = axis_of(axisa, a.ndim), axis_of(axisb, b.ndim)
    if a.shape[axisa] != 3 or b.shape[axisb] != 3:
        raise ValueError(
            f"cross: vectors have 3 components, these have {a.shape[axisa]} and {b.shape[axisb]}; of 2 it is "
            "a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]"
        )
    return moveaxis(_cross(moveaxis(a, axisa, -1), moveaxis(b, axisb, -1)), -1, axisc)


# ---------------------------------------------------------------- diagonals


def _place(shape, offset, axis1, axis2):
    """Axes counted from the front, and the slices of the square block whose diagonal is meant."""
    axis1, axis2 = axis_of(axis1, len(shape)), axis_of(axis2, len(shape))
    first, second = (-offset, 0) if offset < 0 else (0, offset)
    return axis1, axis2, first, second


@primitive(
    vjp={"g": lambda g, offset, axis1, axis2: diagonal.inner(g, offset, axis1, axis2)}, arity=1, linear="each",
    name="on_diagonal",
    samples=lambda: [
        Sample(arrays((2,)), (2, 3), 1, 0, 1),
        Sample(arrays((3, 1)), (2, 3, 3), -1, 0, 2),
        Sample(arrays((2,)), (2, 2), 0, 1, 0),
    ],
)  # fmt: skip
def on_diagonal(g, shape, offset, axis1, axis2):
    """Zeros of `shape` with `g` on a diagonal: the gradient of `diagonal`."""
    y = namespace(g).zeros(shape, g.dtype)
    axis1, axis2, first, second = _place(shape, offset, axis1, axis2)
    view = y.transpose((*[i for i in range(len(shape)) if i not in (axis1, axis2)], axis1, axis2))
    places = namespace(g).arange(g.shape[-1])
    view[..., places + first, places + second] = g
    return y


@primitive(
    np.diagonal, linear="each", view=True, methods="diagonal",
    vjp={"a": lambda g, a_shape, offset, axis1, axis2: on_diagonal.inner(g, a_shape, offset, axis1, axis2)},
    samples=lambda: [
        Sample(arrays((3, 3))),
        Sample(arrays((2, 4)), 1),
        Sample(arrays((2, 3, 3)), -1, 1, 2),
        Sample(arrays((3, 2, 3)), 0, 2, 0),
        Sample(arrays((2, 2)), 5),
    ],
)  # fmt: skip
def diagonal(a, offset=0, axis1=0, axis2=1):
    """The elements on a diagonal, as the last dimension.

    Parameters
    ----------
    a : array_like, at least 2-D
    offset : int, default 0
        0 is the main diagonal; larger ones lie above it.
    axis1, axis2 : int
        The rows and columns.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> av.diagonal(av.Tensor(np.array([[1.0, 2.0], [3.0, 4.0]]))).numpy().tolist()
    [1.0, 4.0]
    """
    return a.diagonal(offset, axis1, axis2)


@composed(
    np.trace,
    methods="trace",
    samples=lambda: [Sample(arrays((3, 3))), Sample(arrays((2, 3)), -1), Sample(arrays((2, 2, 3)), 0, 1, 2)],
)
def trace(a, offset=0, axis1=0, axis2=1, dtype=None, out=None) -> Tensor:
    """The sum of a diagonal.

    Parameters
    ----------
    a : array_like, at least 2-D
    offset : int, default 0
    axis1, axis2 : int
        The rows and columns.
    dtype : dtype, optional
        In which to add.
    out : None
        Not supported.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> av.trace(av.Tensor(np.array([[1.0, 2.0], [3.0, 4.0]]))).item()
    5.0
    """
    if out is not None:
        raise TypeError("trace: out= is not supported for Tensors; use the Tensor that it returns")
    return diagonal(a, offset, axis1, axis2).sum(-1, dtype)


@composed(
    np.diag,
    samples=lambda: [Sample(arrays((3,))), Sample(arrays((2,)), -1), Sample(arrays((3, 4))), Sample(arrays((3, 2)), 1)],
)
def diag(v, k=0) -> Tensor:
    """The diagonal of a matrix, or the matrix with a diagonal.

    Parameters
    ----------
    v : array_like, 1-D or 2-D
    k : int, default 0
        0 is the main diagonal; larger ones lie above it.

    Returns
    -------
    Tensor

    Raises
    ------
    ValueError
        If `v` has another number of dimensions.

    Examples
    --------
    >>> av.diag(av.Tensor(np.array([1.0, 2.0]))).numpy().tolist()
    [[1.0, 0.0], [0.0, 2.0]]
    """
    v = as_tensor(v)
    if v.ndim == 2:
        return diagonal(v, k)
    if v.ndim != 1:
        raise ValueError(f"diag: input must be 1-D or 2-D, got {v.ndim} dimensions")
    n = v.size + (k if k > 0 else -k)
    return on_diagonal(v, (n, n), k, 0, 1)


@composed(np.diagflat, samples=lambda: [Sample(arrays((2, 2))), Sample(arrays((2,)), 1)])
def diagflat(v, k=0) -> Tensor:
    """The matrix with all elements of `v` on a diagonal.

    Parameters
    ----------
    v : array_like
    k : int, default 0

    Returns
    -------
    Tensor

    Examples
    --------
    >>> av.diagflat(av.Tensor(np.ones((2, 2)))).shape
    (4, 4)
    """
    return diag(ravel(v), k)


# ---------------------------------------------------------------- under NumPy's names only


@registry.for_numpy(  # since NumPy 2.2
    getattr(np, "matvec", None),
    samples=lambda: [Sample(*arrays((2, 3), (3,))), Sample(*arrays((2, 1, 2, 3), (4, 3)))],
)
def _matvec(x1, x2, /) -> Tensor:
    """Matrices times vectors; leading dimensions broadcast."""
    return matmul(x1, as_tensor(x2)[..., None])[..., 0]


@registry.for_numpy(  # since NumPy 2.2
    getattr(np, "vecmat", None),
    samples=lambda: [
        Sample(*arrays((2,), (2, 3))),
        Sample(*arrays((4, 2), (3, 1, 2, 3))),
        Sample(*arrays((2,), (2, 3), dtype=complex)),
    ],
)
def _vecmat(x1, x2, /) -> Tensor:
    """Conjugated vectors times matrices; leading dimensions broadcast."""
    x1 = as_tensor(x1)
    return matmul((x1.conj() if x1.dtype.kind == "c" else x1)[..., None, :], x2)[..., 0, :]
