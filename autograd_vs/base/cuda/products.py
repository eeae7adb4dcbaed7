"""Products of matrices on a GPU: one function, by cuBLAS on the memory as it lies. Floor 0.

CuPy's `matmul` copies both operands of a stack of matrices, computes float16 in float32 there, and has no bfloat16 and
no TF32; and its cuBLAS refuses to run while a CUDA graph is captured. So this calls the library that CuPy has loaded,
with a handle and workspace of its own: transposed operands and strided stacks are read in place, the precision is that
of `matmul_precision`, and it may be captured, once it has run on that stream.

cuBLAS reckons in columns. Memory that is a matrix of rows for us is its transpose there, so it is asked for
``out.T = b.T @ a.T``: what it calls A is our `b`, and "not transposed" means rows one after the other.
"""

import ctypes
import os
import warnings
from _thread import _local
from math import prod
from typing import Any, NamedTuple

import numpy as np

from ..backend import kernel, namespace
from ..precision import get_matmul_precision

__all__ = ["matmul", "product", "why_not"]

# cuda's library_types.h (cudaDataType) and cublas_api.h (cublasComputeType_t), CUDA 12 and 13
_TYPES = {"float32": 0, "float64": 1, "float16": 2, "complex64": 4, "complex128": 5, "bfloat16": 14}
_FLOAT, _DOUBLE = 68, 70  # CUBLAS_COMPUTE_32F, CUBLAS_COMPUTE_64F
_FAST = {"highest": _FLOAT, "high": 77, "medium": 75}  # ..._32F_FAST_TF32, ..._32F_FAST_16BF: of float32 only
_DEFAULT_ALGORITHM = -1  # CUBLAS_GEMM_DEFAULT
_STATUS = {
    1: "NOT_INITIALIZED", 3: "ALLOC_FAILED", 7: "INVALID_VALUE", 8: "ARCH_MISMATCH", 11: "MAPPING_ERROR",
    13: "EXECUTION_FAILED", 14: "INTERNAL_ERROR", 15: "NOT_SUPPORTED", 16: "LICENSE_ERROR",
}  # fmt: skip
_MOST = 2**31 - 1  # sizes are C's int
_WORKSPACE = 32 << 20  # bytes: what NVIDIA recommends for Hopper

# ---------------------------------------------------------------- what the host decides


class Matrix(NamedTuple):
    """How cuBLAS reads a matrix: whether columns lie one after the other, and how far apart they (or rows) begin."""

    transposed: bool
    leading: int


def matrix(shape: tuple[int, ...], strides: tuple[int, ...]) -> Matrix | None:
    """A matrix with these strides, in elements, as cuBLAS reads it; None where only a copy can be read.

    Examples
    --------
    >>> matrix((2, 3), (3, 1)), matrix((2, 3), (1, 2)), matrix((2, 3), (6, 2))
    (Matrix(transposed=False, leading=3), Matrix(transposed=True, leading=2), None)
    """
    for transposed in (False, True):
        (many, within), (step, one) = (shape[::-1], strides[::-1]) if transposed else (shape, strides)
        if (one == 1 or within <= 1) and (step >= max(1, within) or many <= 1):
            return Matrix(transposed, step if many > 1 else max(1, within))
    return None


def batch_stride(shape: tuple[int, ...], strides: tuple[int, ...]) -> int | None:
    """How far apart the matrices of a stack of this shape begin, if that is one number, not negative.

    Examples
    --------
    >>> batch_stride((2, 3), (12, 4)), batch_stride((2, 3), (0, 0)), batch_stride((2, 3), (4, 8)), batch_stride((), ())
    (4, 0, None, 0)
    """
    found = 0
    reached = None  # what the next dimension outwards must have
    for n, step in zip(reversed(shape), reversed(strides), strict=True):
        if n == 1:
            continue
        if reached is None:
            found = step
        elif step != reached:
            return None
        reached = n * step
    return found if found >= 0 else None


def offsets(shape: tuple[int, ...], strides: tuple[int, ...]) -> np.ndarray:
    """Where each matrix of a stack begins, in elements, in the order of a C-ordered stack.

    Examples
    --------
    >>> offsets((2, 3), (1, 10)).tolist()
    [0, 10, 20, 1, 11, 21]
    """
    found = np.zeros((), np.int64)
    for n, step in zip(shape, strides, strict=True):
        found = found[..., None] + np.arange(n, dtype=np.int64) * step
    return found.reshape(-1)


def compute_type(dtype: np.dtype, precision: str) -> int:
    """In what cuBLAS multiplies and adds matrices of `dtype`."""
    if dtype.name in ("float64", "complex128"):
        return _DOUBLE
    return _FAST[precision] if dtype.name in ("float32", "complex64") else _FLOAT


def in_elements(a: Any) -> tuple[int, ...]:
    """The strides of an array, of which none is between two elements."""
    return tuple([step // a.itemsize for step in a.strides])


def readable(a: Any) -> Any:
    """`a`, or a C-ordered copy where cuBLAS cannot read its matrices."""
    aligned = not any([step % a.itemsize for step in a.strides])
    return a if aligned and matrix(a.shape[-2:], in_elements(a)[-2:]) is not None else a.copy(order="C")


# ---------------------------------------------------------------- cuBLAS


class Cublas:
    """A loaded library, with a handle and workspace for each thread, device and stream.

    Parameters
    ----------
    library : ctypes.CDLL
    xp : module
        Whose arrays it works on.
    place : function
        ``() -> (device, stream)``, the numbers of the current ones.
    """

    def __init__(self, library: Any, xp: Any, place: Any):
        self.xp, self.place = xp, place
        pointer, number, long = ctypes.c_void_p, ctypes.c_int, ctypes.c_longlong
        self._create = self._function(library.cublasCreate_v2, ctypes.POINTER(pointer))
        self._set_stream = self._function(library.cublasSetStream_v2, pointer, pointer)
        self._set_workspace = self._function(library.cublasSetWorkspace_v2, pointer, pointer, ctypes.c_size_t)
        start = (pointer, *[number] * 5, pointer)  # handle, operations, m, n, k, alpha
        whole = (pointer, number, number)  # array, type, leading
        strided = (*whole, long)
        self._strided = self._function(
            library.cublasGemmStridedBatchedEx, *start, *strided, *strided, pointer, *strided, *[number] * 3
        )
        self._batched = self._function(
            library.cublasGemmBatchedEx, *start, *whole, *whole, pointer, *whole, *[number] * 3
        )
        self._of_thread = _local()
        self._offsets: dict[Any, Any] = {}

    def _function(self, function, *argtypes):
        function.argtypes, function.restype = argtypes, ctypes.c_int

        def call(*args):
            status = function(*args)
            if status:
                raise RuntimeError(f"{function.__name__} failed: CUBLAS_STATUS_{_STATUS.get(status, status)}")

        return call

    def _handle(self, place) -> Any:
        handles = self._of_thread.__dict__.setdefault("handles", {})
        if place not in handles:
            handle = ctypes.c_void_p()
            self._create(ctypes.byref(handle))
            workspace = self.xp.empty(_WORKSPACE, np.uint8)
            self._set_stream(handle, place[1])  # takes the workspace back to cuBLAS' own, so it comes first
            self._set_workspace(handle, _address(workspace), _WORKSPACE)
            handles[place] = handle, workspace
        return handles[place][0]

    def multiply(self, a: Any, b: Any, out: Any, alpha: float, beta: float, compute: int) -> None:
        """``out = alpha * a @ b + beta * out`` of `readable` stacks of one shape and dtype."""
        place, kind, batch = self.place(), _TYPES[out.dtype.name], out.shape[:-2]
        scalar = _scalar(out.dtype, compute)
        operands: Any = [(x, matrix(x.shape[-2:], in_elements(x)[-2:]), in_elements(x)[:-2]) for x in (b, a, out)]
        steps = [batch_stride(batch, strides) for _, _, strides in operands]
        start = (
            self._handle(place), *[int(form.transposed) for _, form, _ in operands[:2]],
            out.shape[-1], out.shape[-2], a.shape[-1],
        )  # fmt: skip
        if None in steps:
            parts = [(self._pointers(x, strides, place), kind, form.leading) for x, form, strides in operands]
            call, first = self._batched, [(_address(p), *rest) for p, *rest in parts]
        else:
            call = self._strided
            first = [(_address(x), kind, form.leading, n) for (x, form, _), n in zip(operands, steps, strict=True)]
        one, two, three = first
        call(*start, scalar(alpha), *one, *two, scalar(beta), *three, prod(batch), compute, _DEFAULT_ALGORITHM)

    def _pointers(self, x, strides, place) -> Any:
        """The addresses of the matrices of a stack, on the device."""
        key = x.shape[:-2], strides, x.itemsize, place[0]
        found = self._offsets.get(key)
        if found is None:
            if len(self._offsets) > 256:
                self._offsets.clear()
            found = self._offsets[key] = self.xp.asarray(offsets(x.shape[:-2], strides) * x.itemsize)
        return found + _address(x)


def _scalar(dtype, compute):
    """What makes alpha and beta: in the type that is computed in."""
    part = ctypes.c_double if compute == _DOUBLE else ctypes.c_float
    if dtype.kind != "c":
        return lambda value: ctypes.byref(part(value))
    return lambda value: ctypes.byref((part * 2)(value.real, value.imag))


def _address(a) -> int:
    return a.data.ptr if hasattr(a.data, "ptr") else a.ctypes.data


_loaded: Any = None  # a Cublas, or the words why there is none


def loaded() -> Any:
    """The `Cublas` of the library that CuPy has loaded, or the words why there is none."""
    global _loaded
    if _loaded is None:
        _loaded = _load()
    return _loaded


def _load() -> Any:
    try:
        import cupy
        from cupy_backends.cuda.libs import cublas  # noqa: F401  (loads it)
    except ImportError as error:
        return f"CuPy cannot load cuBLAS ({str(error).partition(chr(10))[0]})"

    def place():
        return cupy.cuda.runtime.getDevice(), cupy.cuda.get_current_stream().ptr

    for version in (13, 12):
        try:
            library = ctypes.CDLL(f"libcublas.so.{version}", mode=os.RTLD_NOLOAD | os.RTLD_NOW)
        except OSError:
            continue
        return Cublas(library, cupy, place)
    return "CuPy's cuBLAS is neither libcublas.so.13 nor libcublas.so.12"


# ---------------------------------------------------------------- the product


def why_not(a: Any, b: Any) -> str | None:
    """In words, why the product of two arrays is left to CuPy's `matmul`; None where it is not.

    Examples
    --------
    >>> why_not(np.ones((2, 2), int), np.ones((2, 2), int))
    'cuBLAS has no products of int64'
    """
    dtype = np.result_type(a.dtype, b.dtype)
    if dtype.name not in _TYPES:
        return f"cuBLAS has no products of {dtype}"
    if max(*a.shape, *b.shape, *in_elements(a)[-2:], *in_elements(b)[-2:]) > _MOST:
        return f"a size or stride is above {_MOST}"
    found = loaded()
    return found if isinstance(found, str) else None


@kernel
def product(a: Any, b: Any, precision: str = "highest", into: Any = None) -> Any:
    """``a @ b`` of two arrays on one GPU, of any number of dimensions, as `numpy.matmul`.

    Parameters
    ----------
    a, b : cupy.ndarray
    precision : {"highest", "high", "medium"}
        See `matmul_precision`.
    into : cupy.ndarray, optional
        A C-ordered array to write the result to.
    """
    reason = why_not(a, b)
    if reason is not None:
        if not reason.startswith("cuBLAS has no"):  # integers are no surprise
            warnings.warn(f"products of matrices are CuPy's, in full precision: {reason}", RuntimeWarning, stacklevel=2)
        return namespace(a).matmul(a, b) if into is None else namespace(a).matmul(a, b, out=into)
    if a.ndim > 1 and b.ndim > 1:
        return matmul(a, b, into, precision=precision)
    rows, columns = a[None] if a.ndim == 1 else a, b[:, None] if b.ndim == 1 else b
    shape = np.broadcast_shapes(rows.shape[:-2], columns.shape[:-2]) + a.shape[-2:-1] + b.shape[1:][-1:]
    found = matmul(rows, columns, precision=precision).reshape(shape)
    if into is None:
        return found
    into[...] = found
    return into


def matmul(
    a: Any, b: Any, out: Any = None, *, alpha: float = 1.0, beta: float = 0.0, precision: str | None = None,
    cublas: "Cublas | None" = None,
) -> Any:  # fmt: skip
    """``alpha * a @ b + beta * out`` of stacks of matrices; leading dimensions broadcast.

    Nothing is copied but operands whose matrices have no stride of 1, or a negative one, and what has another dtype
    than the result. A stack whose matrices do not begin at equal distances (heads that were split off and moved to the
    front) goes by pointers.

    Parameters
    ----------
    a : cupy.ndarray, shape (..., n, k)
    b : cupy.ndarray, shape (..., k, m)
    out : cupy.ndarray, shape (..., n, m), optional
        To be written, and read if `beta` is not 0: rows have a stride of 1.
    alpha, beta : float, default 1 and 0
    precision : {"highest", "high", "medium"}, optional
        By default `get_matmul_precision`.
    cublas : Cublas, optional
        By default that of CuPy.

    Raises
    ------
    ValueError
        If the shapes or dtypes do not fit, or `out` cannot be written by cuBLAS.
    RuntimeError
        If cuBLAS fails; its status is named.
    """
    cublas = loaded() if cublas is None else cublas
    xp = cublas.xp
    dtype = np.result_type(a.dtype, b.dtype)
    if a.shape[-1] != b.shape[-2]:
        raise ValueError(f"matmul: a {a.shape} and b {b.shape}: the inner dimensions {a.shape[-1]} and {b.shape[-2]}")
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    shape = (*batch, a.shape[-2], b.shape[-1])
    if out is None:
        out = xp.empty(shape, dtype)
        beta = 0.0
    elif out.shape != shape or out.dtype != dtype:
        raise ValueError(f"matmul: out has shape {out.shape} and dtype {out.dtype}, the product {shape} and {dtype}")
    if not out.size:
        return out
    form = matrix(out.shape[-2:], in_elements(out)[-2:])
    if form is None or form.transposed:
        raise ValueError(f"matmul: out has strides {out.strides}: its rows must lie one after the other")
    if not a.shape[-1]:
        out[...] = out * beta if beta else 0
        return out
    a, b = [readable(x.astype(dtype, copy=False)) for x in (a, b)]
    a, b = xp.broadcast_to(a, (*batch, *a.shape[-2:])), xp.broadcast_to(b, (*batch, *b.shape[-2:]))
    precision = get_matmul_precision() if precision is None else precision
    cublas.multiply(a, b, out, alpha, beta, compute_type(dtype, precision))
    return out
