"""The one home of NumPy's protocols: how Tensors and Variables answer to NumPy. Floor 1.

`Operand` has no maths of its own. The ops install their operators and methods on it (`install`), and NumPy's functions
find them through the registry. What would drop a gradient silently (``np.array([t])``, ``float(t)`` while a tape
records `t`) raises here.
"""

import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.backend import device, has_values, on_host, to_numpy
from ..base.dtypes import is_differentiable
from ..base.errors import user_line
from ..base.nest import map_nest
from . import registry
from .record import active

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .tensor import Tensor

__all__ = [
    "At", "Operand", "index_of", "install", "is_recorded", "mark_break", "op_name", "operand_types", "reductions",
]  # fmt: skip

# (ufunc, "reduce") -> function: np.add.reduce is sum. (None, "outer") -> what takes the ufunc first, for all others.
reductions: dict[tuple[Any, str], Any] = {}


operand_types: set[Any] = set()  # Tensor, Variable: `x.__class__ in operand_types` is 3 times faster than isinstance


class Operand:
    """What Tensor and Variable share: one array, the position by which records know it, and NumPy's manners."""

    __slots__ = ("__weakref__", "array", "position")
    __array_priority__ = 1000.0

    array: Any
    position: int

    def __init_subclass__(cls) -> None:
        operand_types.add(cls)

    # ---------------------------------------------------------------- what it is
    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array."""
        return self.array.shape

    @property
    def dtype(self) -> np.dtype:
        """The dtype of the array."""
        return self.array.dtype

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return self.array.ndim

    @property
    def size(self) -> int:
        """The number of elements."""
        return self.array.size

    @property
    def nbytes(self) -> int:
        """The size of the array in bytes."""
        return self.array.nbytes

    @property
    def itemsize(self) -> int:
        """The size of one element in bytes."""
        return self.array.itemsize

    @property
    def strides(self) -> tuple[int, ...]:
        """How many bytes lie between neighbours along each axis."""
        return self.array.strides

    @property
    def flags(self) -> Any:
        """How the array lies in memory."""
        return self.array.flags

    @property
    def device(self) -> str:
        """Where the array lies: "cpu", "gpu:0", ..."""
        return device(self.array)

    def to(self, device: Any) -> "Tensor":
        """The value on another device, recorded: its gradient comes back to where the value lies.

        A Tensor that is there already is returned as it is. A Variable stays where it was made, as its memory never
        moves: this is its present value there, always a new Tensor. (For a model on another device, make its variables
        inside of ``with av.device(...)``; checkpoints load on any device.)

        Parameters
        ----------
        device : str or Device
            "cpu", "gpu:0", ..., or one of `autograd_vs.devices()`.

        Raises
        ------
        TypeError, ValueError, ImportError, RuntimeError
            As `autograd_vs.device` does: if that is no device, or there is none such.

        Examples
        --------
        >>> t = av.Tensor([1.0, 2.0])
        >>> t.to("cpu") is t
        True
        """
        from ..base.devices import name_of

        name, here = name_of(device), self.device
        if name != here:
            return registry.ops["to"].public(self, name, here)
        return registry.ops["to"].public(self) if hasattr(self, "assign") else self  # type: ignore[return-value]

    def to_device(self, device: Any, /, *, stream: Any = None) -> "Tensor":
        """`to` under the name of the array API standard; `stream` must be None."""
        if stream is not None:
            raise ValueError(
                f"to_device copies on CuPy's current stream: open `with stream:` around it, got {stream!r}"
            )
        return self.to(device)

    def _repr_html_(self) -> str | None:
        """What it is, its range and its values, for notebooks; None where it is traced and has no values."""
        if not has_values(self.array):
            return None
        from ..base.tables import array_as_html

        named = hasattr(self, "assign") or getattr(self, "source", None) is not None
        facts = [f"shape {self.shape}", str(self.dtype), self.device]
        if not getattr(self, "trainable", True):
            facts.append("not trainable")
        facts = [self.name, *facts] if named else facts  # type: ignore[attr-defined]
        return array_as_html(type(self).__name__, facts, to_numpy(self.array))

    # ---------------------------------------------------------------- the ways out of the tape
    def numpy(self) -> np.ndarray:
        """A copy of the value as a NumPy array. No gradient passes; works while a tape records, too."""
        mark_break(self, "converted to NumPy by .numpy()")
        return to_numpy(self.array)

    def item(self, *args: Any) -> Any:
        """The value as a Python number (of a 0-d or one-element array, or at the given index)."""
        mark_break(self, "converted to a Python number by .item()")
        return on_host(self.array).item(*args)  # CuPy's own takes no index

    def tolist(self) -> Any:
        """The values as nested Python lists."""
        mark_break(self, "converted to lists by .tolist()")
        return self.array.tolist()

    def tobytes(self, order: Any = "C") -> bytes:
        """The values as bytes."""
        mark_break(self, "converted to bytes by .tobytes()")
        return to_numpy(self.array).tobytes(order)

    def tofile(self, fid: Any, sep: str = "", format: str = "%s") -> None:
        """Write the values to a file, as `numpy.ndarray.tofile` does."""
        mark_break(self, "written by .tofile()")
        to_numpy(self.array).tofile(fid, sep, format)

    def dump(self, file: Any) -> None:
        """Pickle the values, as a NumPy array, into a file."""
        mark_break(self, "pickled")
        to_numpy(self.array).dump(file)

    def dumps(self) -> bytes:
        """The pickle of the values, as a NumPy array."""
        mark_break(self, "pickled")
        return to_numpy(self.array).dumps()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        refuse_if_recorded(self, "converting it to a NumPy array")
        if copy is False:
            raise ValueError(f"{describe(self)} gives NumPy copies only: leave copy=False out, or read t.array")
        array = to_numpy(self.array)  # always a copy: what came out cannot change this value
        return array if dtype is None else array.astype(dtype, copy=False)

    def __dlpack__(self, **kwargs):
        refuse_if_recorded(self, "exporting it over DLPack")
        return self.array.__dlpack__(**kwargs)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()

    def __float__(self) -> float:
        refuse_if_recorded(self, "float()")
        return float(self.array)

    def __complex__(self) -> complex:
        refuse_if_recorded(self, "complex()")
        return complex(self.array)

    def __int__(self) -> int:
        mark_break(self, "converted to an integer by int()")
        return int(self.array)

    def __index__(self) -> int:
        return on_host(self.array).__index__()  # CuPy's arrays have none

    def __bool__(self) -> bool:
        if self.array.size != 1:
            raise ValueError(
                f"the truth value of {describe(self)} is ambiguous: use .any() or .all(). (`x in sequence` and "
                "sequence.index(x) compare element by element, too: av.index_of(x, sequence) finds the object itself.)"
            )
        return bool(self.array)

    def __round__(self, digits: int | None = None) -> Any:
        mark_break(self, "rounded to a Python number by round()")
        return round(self.array.item(), digits)

    # ---------------------------------------------------------------- containers
    def __len__(self) -> int:
        return len(self.array)

    def __iter__(self) -> "Iterator[Tensor]":
        if self.ndim == 0:
            raise TypeError("iteration over a 0-d value")
        return (self[i] for i in range(len(self.array)))

    def __contains__(self, value: Any) -> bool:
        return bool((self.array == value).any())  # CuPy's arrays would compare one by one

    def __delitem__(self, index):
        raise TypeError(f"{describe(self)} has a fixed size: elements are not deleted; take those you want, t[mask]")

    def __setitem__(self, index, value):
        raise TypeError(
            f"{describe(self)} cannot be changed in place by t[i] = v: write `t = t.at[i].set(v)` (or .add .multiply "
            ".min .max), which returns a new Tensor and is differentiable"
        )

    @property
    def at(self) -> "At":
        """Updates at an index that return a new Tensor: ``t.at[i].set(v)``, ``.add .multiply .min .max``."""
        return At(self)

    # ---------------------------------------------------------------- identity and looks
    __hash__ = object.__hash__

    def __eq__(self, other: Any) -> "Tensor":  # type: ignore[override]  # element by element
        # Where the other side says that it compares by itself (pytest.approx), or is nothing like an array, let it.
        if other is None or isinstance(other, str):
            return NotImplemented
        if getattr(type(other), "__array_ufunc__", True) is None:
            return on_host(self.array) == other
        return registry.constants[np.equal](self, other)

    def __ne__(self, other: Any) -> "Tensor":  # type: ignore[override]
        if other is None or isinstance(other, str):
            return NotImplemented
        if getattr(type(other), "__array_ufunc__", True) is None:
            return on_host(self.array) != other
        return registry.constants[np.not_equal](self, other)

    def __format__(self, spec: str) -> str:
        if not spec or not has_values(self.array):
            return str(self)
        return format(self.array.item() if self.ndim == 0 else to_numpy(self.array), spec)

    def __str__(self) -> str:
        return str(to_numpy(self.array)) if has_values(self.array) else repr(self)

    if TYPE_CHECKING:  # what the ops install here; tests/test_typing.py compares
        # fmt: off
        def __add__(self, other: Any, /) -> Tensor: ...
        def __sub__(self, other: Any, /) -> Tensor: ...
        def __mul__(self, other: Any, /) -> Tensor: ...
        def __truediv__(self, other: Any, /) -> Tensor: ...
        def __floordiv__(self, other: Any, /) -> Tensor: ...
        def __mod__(self, other: Any, /) -> Tensor: ...
        def __pow__(self, other: Any, /) -> Tensor: ...
        def __matmul__(self, other: Any, /) -> Tensor: ...
        def __and__(self, other: Any, /) -> Tensor: ...
        def __or__(self, other: Any, /) -> Tensor: ...
        def __xor__(self, other: Any, /) -> Tensor: ...
        def __lshift__(self, other: Any, /) -> Tensor: ...
        def __rshift__(self, other: Any, /) -> Tensor: ...
        def __radd__(self, other: Any, /) -> Tensor: ...
        def __rsub__(self, other: Any, /) -> Tensor: ...
        def __rmul__(self, other: Any, /) -> Tensor: ...
        def __rtruediv__(self, other: Any, /) -> Tensor: ...
        def __rfloordiv__(self, other: Any, /) -> Tensor: ...
        def __rmod__(self, other: Any, /) -> Tensor: ...
        def __rpow__(self, other: Any, /) -> Tensor: ...
        def __rmatmul__(self, other: Any, /) -> Tensor: ...
        def __rand__(self, other: Any, /) -> Tensor: ...
        def __ror__(self, other: Any, /) -> Tensor: ...
        def __rxor__(self, other: Any, /) -> Tensor: ...
        def __rlshift__(self, other: Any, /) -> Tensor: ...
        def __rrshift__(self, other: Any, /) -> Tensor: ...
        def __divmod__(self, other: Any, /) -> tuple[Tensor, Tensor]: ...
        def __rdivmod__(self, other: Any, /) -> tuple[Tensor, Tensor]: ...
        def __lt__(self, other: Any, /) -> Tensor: ...
        def __le__(self, other: Any, /) -> Tensor: ...
        def __gt__(self, other: Any, /) -> Tensor: ...
        def __ge__(self, other: Any, /) -> Tensor: ...
        def __pos__(self) -> Tensor: ...
        def __neg__(self) -> Tensor: ...
        def __abs__(self) -> Tensor: ...
        def __invert__(self) -> Tensor: ...
        def __floor__(self) -> Tensor: ...
        def __ceil__(self) -> Tensor: ...
        def __trunc__(self) -> Tensor: ...
        def __getitem__(self, index: Any, /) -> Tensor: ...
        @property
        def T(self) -> Tensor: ...
        @property
        def mT(self) -> Tensor: ...
        @property
        def flat(self) -> Tensor: ...
        @property
        def real(self) -> Tensor: ...
        @property
        def imag(self) -> Tensor: ...
        def all(self, axis: Any = None, *, keepdims: bool = False, where: Any = True) -> Tensor: ...
        def any(self, axis: Any = None, *, keepdims: bool = False, where: Any = True) -> Tensor: ...
        def argmax(self, axis: int | None = None, *, keepdims: bool = False) -> Tensor: ...
        def argmin(self, axis: int | None = None, *, keepdims: bool = False) -> Tensor: ...
        def argpartition(
            self, kth: Any, axis: int | None = -1, kind: Any = "introselect", order: None = None
        ) -> Tensor: ...
        def argsort(
            self, axis: int | None = -1, kind: Any = None, order: None = None, *, stable: bool | None = None
        ) -> Tensor: ...
        def astype(
            self, dtype: Any, order: str = "K", casting: Any = "unsafe", subok: bool = True, copy: bool = True
        ) -> Tensor: ...
        def choose(self, choices: Any, out: None = None, mode: str = "raise") -> Tensor: ...
        def clip(
            self, a_min: Any = None, a_max: Any = None, out: None = None, *, min: Any = None, max: Any = None
        ) -> Tensor: ...
        def compress(self, condition: Any, axis: int | None = None, out: None = None) -> Tensor: ...
        def conj(self) -> Tensor: ...
        def conjugate(self) -> Tensor: ...
        def copy(self, order: str = "C") -> Tensor: ...
        def cumprod(self, axis: Any = None, dtype: Any = None, out: None = None) -> Tensor: ...
        def cumsum(self, axis: Any = None, dtype: Any = None, out: None = None) -> Tensor: ...
        def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor: ...
        def dot(self, b: Any) -> Tensor: ...
        def flatten(self, order: str = "C") -> Tensor: ...
        def max(
            self, axis: Any = None, out: None = None, keepdims: bool = False, initial: Any = None, where: Any = None
        ) -> Tensor: ...
        def mean(
            self, axis: Any = None, dtype: Any = None, out: None = None, keepdims: bool = False, where: Any = None
        ) -> Tensor: ...
        def min(
            self, axis: Any = None, out: None = None, keepdims: bool = False, initial: Any = None, where: Any = None
        ) -> Tensor: ...
        def nonzero(self) -> tuple[Tensor, ...]: ...
        def prod(
            self, axis: Any = None, dtype: Any = None, out: None = None, keepdims: bool = False, initial: Any = None,
            where: Any = None
        ) -> Tensor: ...
        def ravel(self, order: str = "C") -> Tensor: ...
        def repeat(self, repeats: Any, axis: int | None = None) -> Tensor: ...
        def reshape(self, *shape: Any, order: str = "C", copy: Any = None) -> Tensor: ...
        def round(self, decimals: int = 0) -> Tensor: ...
        def searchsorted(self, v: Any, side: Any = "left", sorter: Any = None) -> Tensor: ...
        def squeeze(self, axis: Any = None) -> Tensor: ...
        def std(
            self, axis: Any = None, dtype: Any = None, out: None = None, ddof: float = 0, keepdims: bool = False,
            where: Any = None, mean: Any = None, correction: float | None = None
        ) -> Tensor: ...
        def sum(
            self, axis: Any = None, dtype: Any = None, out: None = None, keepdims: bool = False, initial: Any = None,
            where: Any = None
        ) -> Tensor: ...
        def swapaxes(self, axis1: int, axis2: int) -> Tensor: ...
        def take(self, indices: Any, axis: int | None = None, out: None = None, mode: str = "raise") -> Tensor: ...
        def tanh(self) -> Tensor: ...
        def trace(
            self, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: None = None
        ) -> Tensor: ...
        def transpose(self, *axes: Any) -> Tensor: ...
        def var(
            self, axis: Any = None, dtype: Any = None, out: None = None, ddof: float = 0, keepdims: bool = False,
            where: Any = None, mean: Any = None, correction: float | None = None
        ) -> Tensor: ...
        # fmt: on

    # ---------------------------------------------------------------- NumPy's protocols
    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        if method == "__call__" and not kwargs:
            function = registry.functions.get(ufunc) or registry.find(ufunc)
            if function is not None:
                return function(*inputs)
        return _ufunc_with_options(ufunc, method, inputs, kwargs)

    def __array_function__(self, function, types, args, kwargs):
        known = registry.functions.get(function) or registry.find(function)
        if known is not None:
            return known(*args, **kwargs)
        if function in registry.queries:
            bare = _bare if function in registry.metadata else _on_host
            return function(*map_nest(bare, args), **map_nest(bare, kwargs))
        raise registry.refusal(function)


_array = Operand.__dict__["array"]  # the slot


def read_arrays_through(reader) -> None:
    """Let ``x.array`` of every Tensor and Variable be ``reader(x, array)`` from now on; None: the array itself again.

    What traces a function so sees every array that is used, and nobody has a branch for it.
    """
    new = _array if reader is None else property(lambda x: reader(x, _array.__get__(x)), _array.__set__)
    setattr(Operand, "array", new)  # noqa: B010  (type checkers know it as a slot)


class At:
    """``t.at[index]``: see `Operand.at`."""

    __slots__ = ("index", "tensor")

    def __init__(self, tensor, index=None):
        self.tensor, self.index = tensor, index

    def __getitem__(self, index: Any) -> "At":
        return At(self.tensor, index)

    def _update(self, how, value):
        return registry.ops["index_" + how].public(self.tensor, value, self.index)

    def set(self, value: Any) -> "Tensor":
        """A new Tensor with `value` at the index."""
        return self._update("set", value)

    def add(self, value: Any) -> "Tensor":
        """A new Tensor with `value` added at the index; an index that occurs twice adds twice."""
        return self._update("add", value)

    def multiply(self, value: Any) -> "Tensor":
        """A new Tensor multiplied by `value` at the index."""
        return self._update("multiply", value)

    def min(self, value: Any) -> "Tensor":
        """A new Tensor with the smaller of it and `value` at the index."""
        return self._update("min", value)

    def max(self, value: Any) -> "Tensor":
        """A new Tensor with the larger of it and `value` at the index."""
        return self._update("max", value)


def index_of(x: Any, sequence) -> int | None:
    """Where the very object `x` stands in `sequence`; None where it does not.

    ``x in sequence`` and ``sequence.index(x)`` compare Tensors and Variables element by element, as NumPy's arrays.

    Examples
    --------
    >>> a, b = av.Variable([1.0, 2.0]), av.Variable([1.0, 2.0])
    >>> index_of(b, [a, b]), index_of(b, [a])
    (1, None)
    """
    return next((i for i, other in enumerate(sequence) if other is x), None)


def install(name: str, function) -> None:
    """Make `function` the operator or method `name` of Tensors and Variables."""
    setattr(Operand, name, function)


def is_recorded(x: Operand) -> bool:
    """Say whether a tape or another listener follows `x` right now."""
    frame = active()
    return frame is not None and frame.watches(x.position) and is_differentiable(x.array.dtype)


def mark_break(x: Operand, what: str) -> None:
    """Note, where somebody follows `x`, that no gradient passes here: `tape.explain` will say it."""
    frame = active()
    if frame is not None and x.position >= frame.base and frame.record is not None:
        frame.record.breaks.append((what, x.position, user_line()))


def refuse_if_recorded(x: Operand, what: str) -> None:
    """TypeError where `what` would drop the gradient of `x` silently."""
    if is_recorded(x) and not _only_shown(x):
        raise TypeError(
            f"{what} would drop the gradient of {describe(x)}, which a tape is recording. Use this library's or "
            f"NumPy's functions on the Tensor itself ({_instead()}); if no gradient is wanted, say so with t.numpy(), "
            "t.item() or av.stop_gradient(t)."
        )


def _instead() -> str:
    """What the one who converts a Tensor may write."""
    frame = sys._getframe(3)
    while frame is not None and frame.f_globals.get("__name__", "").startswith("numpy."):
        if isinstance(frame.f_locals.get("self"), np.vectorize):
            return "av.vmap(f)(t) for np.vectorize(f)(t)"
        frame = frame.f_back  # type: ignore[assignment]
    return "av.asarray([t, u]) for np.array([t, u]), av.asarray(t) for np.asarray(t), av.exp(t) for math.exp(t)"


_VIEWERS = ("_pytest", "logging", "matplotlib", "numpy.testing")  # they compare, print and draw, and compute no more


def _only_shown(x: Operand) -> bool:
    """Say whether the one who converts `x` is among the `_VIEWERS`; if so, `explain` will know of it."""
    frame = sys._getframe(3)  # the caller of `__array__` or `__float__`
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        viewer = next((v for v in _VIEWERS if module == v or module.startswith(v + ".")), None)
        if viewer is not None:
            mark_break(x, f"shown to {viewer}")
            return True
        if not module.startswith("numpy."):
            return False
        frame = frame.f_back  # type: ignore[assignment]
    return False


def describe(x: Operand) -> str:
    """A few words that name `x` in a message."""
    return f"{type(x).__name__} {x.name!r} of shape {x.shape} and dtype {x.dtype}"  # type: ignore[attr-defined]


def op_name(name: str, mark, position: int) -> str:
    """The full name of the op that made a Tensor: its scope, and its number within the record while that is there."""
    if mark is None:
        return name
    full = mark.prefix + name
    if mark.record is None or not position:
        return full
    earlier = 0
    for rule, out, _, _, other in mark.record.entries:
        if out == position:
            return f"{full}_{earlier}" if earlier else full
        if other is not None and other.prefix + rule.op.name == full:
            earlier += 1
    return full


def _bare(x):
    return x.array if isinstance(x, Operand) else x


def _on_host(x):
    return on_host(x.array) if isinstance(x, Operand) else on_host(x) if hasattr(x, "dtype") else x


_WHERE = (
    "; without out= NumPy leaves the other elements undefined: write av.where(mask, {}(t), otherwise), and where that "
    "would give NaN or an infinity outside of the mask, av.where(mask, t, harmless) in the place of t"
)


def _says_nothing(option, value) -> bool:
    """True for the default of an option of ufuncs."""
    return value.__class__ in (bool, str) and value == {"where": True, "casting": "same_kind", "order": "K"}.get(option)


def _ufunc_with_options(ufunc, method, inputs, kwargs):
    out = kwargs.pop("out", None)
    if out is not None and not (out[0] is inputs[0] and len(out) == 1 and not isinstance(out[0], Operand)):
        raise TypeError(
            f"{registry.numpy_name(ufunc)}(..., out=) cannot write a Tensor's result into an array that nobody "
            "records; use the Tensor that it returns. For a Variable there are assign, assign_add and assign_sub."
        )
    # `array += tensor` arrives as out=(array,): the name on the left becomes a Tensor.
    if method == "__call__":
        function = registry.find(ufunc)
        if function is None:
            raise registry.refusal(ufunc)
        dtype = kwargs.pop("dtype", None)
        kwargs = {key: value for key, value in kwargs.items() if not _says_nothing(key, value)}
        if kwargs:
            raise TypeError(
                f"{registry.numpy_name(ufunc)}: {', '.join(f'{key}=' for key in kwargs)} is not supported for Tensors"
                + (_WHERE.format(ufunc.__name__) if "where" in kwargs else "")
            )
        if dtype is not None:
            inputs = [registry.ops["astype"].public(x, dtype) for x in inputs]
        return function(*inputs)
    function = reductions.get((ufunc, method))
    if function is None:
        registry.load()
        function = reductions.get((ufunc, method))
        if function is None and (None, method) in reductions:
            return reductions[None, method](ufunc, *inputs, **kwargs)
    if function is None:
        raise registry.refusal(ufunc, f".{method}")
    return function(*inputs, **kwargs)
