"""Dtypes: the default float, weak Python scalars, and what counts as differentiable. Floor 0."""

import numpy as np

from .backend import namespace

__all__ = ["as_dtype", "default_dtype", "is_differentiable", "is_half", "refuse_complex", "scalar", "set_default_dtype"]

_default = np.dtype(np.float32)
_scalars: dict = {}  # (number, dtype, array type) -> 0-d array: what `scalar` has made
_FLOATS = {
    np.dtype(np.float16),
    np.dtype(np.float32),
    np.dtype(np.float64),
    np.dtype(np.complex64),
    np.dtype(np.complex128),
}


def default_dtype() -> np.dtype:
    """The dtype that Python numbers and lists take in a Variable, and `get_variable`'s default: float32."""
    return _default


def set_default_dtype(dtype) -> None:
    """Make `dtype` (a float dtype) the default of new variables.

    Raises
    ------
    TypeError
        If `dtype` is not a float dtype.

    Examples
    --------
    >>> set_default_dtype("float64"); default_dtype()
    dtype('float64')
    >>> set_default_dtype("float32")
    """
    global _default
    dtype = np.dtype(dtype)
    if dtype.kind != "f":
        raise TypeError(f"the default dtype must be a float dtype, got {dtype}")
    _default = dtype


def as_dtype(dtype) -> np.dtype:
    """`dtype` as a NumPy dtype; None is the default dtype.

    Raises
    ------
    ImportError
        For "bfloat16", which NumPy lacks, if the package ml_dtypes is not installed.
    """
    if isinstance(dtype, str) and dtype == "bfloat16":
        try:
            from ml_dtypes import bfloat16
        except ImportError as error:
            raise ImportError(
                f"bfloat16 is a dtype of ml_dtypes, which cannot be imported here ({error}): "
                'pip install "autograd-vs[bf16]"'
            ) from error
        dtype = np.dtype(bfloat16)
        _FLOATS.add(dtype)
    return _default if dtype is None else np.dtype(dtype)


def is_differentiable(dtype) -> bool:
    """True for float and complex dtypes (bfloat16 of ml_dtypes included).

    Examples
    --------
    >>> is_differentiable(np.dtype("float32")), is_differentiable(np.dtype("int64"))
    (True, False)
    """
    return dtype.kind in "fc" or dtype.name.startswith(("bfloat", "float"))


def is_half(dtype) -> bool:
    """True for the floats of two bytes, float16 and bfloat16: sums and exponentials of them need more digits.

    Examples
    --------
    >>> is_half(np.dtype("float16")), is_half(np.dtype("float32")), is_half(np.dtype("int16"))
    (True, False, False)
    """
    return dtype.itemsize == 2 and (dtype.kind == "f" or dtype.name == "bfloat16")


def refuse_complex(name: str, *arrays) -> None:
    """TypeError where a formula that holds for real numbers only would compute something of complex ones."""
    for a in arrays:
        if getattr(a, "dtype", np.dtype(float)).kind == "c":
            raise TypeError(f"{name}: real numbers are needed, got dtype {a.dtype}")


def scalar(value, like):
    """A Python number as a weak operand beside the array `like`: a cached 0-d array of its float dtype.

    NumPy takes twice as long with a Python float as with a 0-d array (858 against 450 ns for 16 elements). Where
    `like` is not a float array, or the number would not survive, the number itself comes back and NumPy decides.
    """
    dtype = like.dtype
    key = (value, dtype, like.__class__)
    cached = _scalars.get(key)
    if cached is not None and value.__class__ is not bool:
        return cached
    if value.__class__ is complex:  # it may change the dtype, so it is an array like any other
        return namespace(like).asarray(value, dtype=np.result_type(dtype, value))
    if dtype not in _FLOATS or value == 0:  # 0.0 and -0.0 are one key of a dict
        return value
    if value.__class__ is int and not -(2**53) <= value <= 2**53:
        return value
    if len(_scalars) >= 4096:  # a learning rate that changes at each step must not grow this for ever
        _scalars.clear()
    cached = _scalars[key] = namespace(like).asarray(value, dtype=dtype)
    return cached
