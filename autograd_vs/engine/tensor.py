"""Tensor: one array and the position by which records know it. Floor 1."""

from typing import Any

import numpy as np

from ..base.backend import as_array, beside, copy, has_numbers, has_values, placed, to_numpy
from ..base.nest import flatten
from . import registry
from .protocol import Operand, mark_break, op_name

__all__ = ["OpInfo", "Tensor", "as_tensor", "asarray", "new_tensor", "tensor_of"]


class OpInfo:
    """The op that made a Tensor: ``.name`` with its scopes (no ":0"), ``.type`` without."""

    __slots__ = ("name", "type")

    def __init__(self, name: str, type: str):
        self.name, self.type = name, type

    def __repr__(self):
        return f"<op {self.name!r}>"


class Tensor(Operand):
    """A value: one NumPy or CuPy array that nobody writes to.

    Parameters
    ----------
    a : array, any dtype and device
        Wrapped without copying: the caller promises not to write to it while a tape lives (`asarray` copies). Numbers
        and lists become NumPy arrays with NumPy's dtypes.

    Attributes
    ----------
    array : numpy.ndarray or cupy.ndarray
        The array itself, to be read only.

    Raises
    ------
    TypeError
        If `a` cannot be an array of numbers.

    Examples
    --------
    >>> t = Tensor(np.array([1.0, 2.0]))
    >>> t.shape, t.dtype
    ((2,), dtype('float64'))
    >>> t
    Tensor([1., 2.], shape=(2,), dtype=float64)
    """

    __slots__ = ("mark", "source")

    def __init__(self, a: Any) -> None:
        if isinstance(a, Operand):
            mark_break(a, "wrapped once more by Tensor()")
            a = a.numpy() if hasattr(a, "assign") else a.array
        self.array = placed(a)
        if not has_numbers(self.array.dtype):
            hint = " (where Tensors are in it: av.stack(list(a)))" if self.array.dtype.kind == "O" else ""
            raise TypeError(f"a Tensor has numbers, got an array of dtype {self.array.dtype}{hint}")
        self.position = 0
        self.source = self.mark = None

    @property
    def op(self) -> OpInfo:
        """The op that made it."""
        type = "tensor" if self.source is None else self.source.name
        return OpInfo(op_name(type, self.mark, self.position), type)

    @property
    def name(self) -> str:
        """The name of its op with the number of the output, ``"scope/add:0"``."""
        return self.op.name + ":0"

    def __repr__(self):
        if not has_values(self.array):
            return f"Tensor(<traced>, shape={self.shape}, dtype={self.dtype})"
        values = np.array2string(to_numpy(self.array), separator=", ", prefix="Tensor(", threshold=200)
        device = "" if self.device == "cpu" else f", device={self.device}"
        name = "" if self.source is None else f", name={self.name!r}"
        return f"Tensor({values}, shape={self.shape}, dtype={self.dtype}{device}{name})"

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        mark_break(self, "copied by copy.deepcopy()")
        return Tensor(copy(self.array))

    def __reduce__(self):
        mark_break(self, "pickled")
        return Tensor, (to_numpy(self.array),)


new_tensor = Tensor.__new__


def tensor_of(result) -> Tensor:
    """A Tensor of an array (or NumPy scalar) that was computed: it stays in its library, wherever host data goes."""
    t = new_tensor(Tensor)
    t.array, t.position, t.source, t.mark = as_array(result), 0, None, None
    return t


def as_tensor(x) -> Operand:
    """`x` itself if it is a Tensor or a Variable, else a Tensor of it; a writable array is copied."""
    if isinstance(x, Operand):
        return x
    if hasattr(x, "__tensor__"):
        return x.__tensor__()
    return asarray(x)


def asarray(x: Any, dtype: Any = None) -> Tensor:
    """A Tensor with its own copy of `x`: later writes to `x` do not reach it.

    Parameters
    ----------
    x : array_like
        An array of NumPy or CuPy, a number, a Tensor or a Variable; or a nest of lists of them, where numpy.array would
        take one of numbers: Tensors in it keep their gradients.
    dtype : dtype, optional
        NumPy's choice by default. In a list with Tensors Python's numbers do not count.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> batch = np.zeros(2)
    >>> t = asarray(batch)
    >>> batch[:] = 1
    >>> t.numpy().tolist()
    [0.0, 0.0]
    >>> angle = Tensor(np.array(0.0))
    >>> asarray([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]).tolist()
    [[1.0, -0.0], [0.0, 1.0]]
    """
    if isinstance(x, Operand):
        if dtype is None or x.dtype == dtype:
            return x if isinstance(x, Tensor) else x + 0
        return x.astype(dtype)
    if isinstance(x, (list, tuple)):
        leaves = flatten(x)
        first = next((leaf for leaf in leaves if isinstance(leaf, Operand)), None)
        if first is not None:
            return _stacked(x, dtype or np.result_type(*map(_kind, leaves)), first.array)
    array = placed(x, dtype)
    return Tensor(copy(array) if array is x else array)


def _kind(x):
    return x if isinstance(x, (bool, int, float, complex)) else x.dtype if hasattr(x, "dtype") else as_array(x).dtype


def _stacked(x, dtype, like) -> Tensor:
    """Lists as axes: `x` with Tensors in it as one Tensor, in the library of `like`."""
    if isinstance(x, (list, tuple)):
        return registry.ops["stack"].public([_stacked(part, dtype, like) for part in x])
    if isinstance(x, Operand):
        return asarray(x, dtype)
    return Tensor(beside(as_array(x), like).astype(dtype))
