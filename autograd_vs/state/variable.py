"""Variable: the one mutable thing. Floor 2.

A Variable says "I am about to be written" (`record.written`); who needs the old value is not its matter. Its memory
never moves, so optimizers, plans and CUDA graphs may hold on to it.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..base import backend
from ..base.dtypes import as_dtype, default_dtype, is_differentiable
from ..base.errors import user_line
from ..engine.protocol import Operand
from ..engine.record import active, constrained, lend, live_variables, reclaim, variable_position, watchable, written
from ..engine.tensor import OpInfo, Tensor
from .context import check_name, current

__all__ = ["Variable"]


class Variable(Operand):
    """A named array that is updated in place, and can be used wherever an array can.

    Parameters
    ----------
    initial_value : array_like, Tensor or function without arguments that returns one
        Copied. Python numbers and lists take the default dtype (float32; integers and bools keep theirs with `dtype`),
        an array keeps its dtype.
    trainable : bool, optional
        Tapes watch it when it is read; optimizers update it. By default True for floats, False for integers and bool;
        those have no gradient with True either.
    name : str, optional
        Taken under the open name scopes and made unique in the current store (`v`, `v_1`, ...); "Variable" by default.
    dtype : dtype, optional
    constraint : function, optional
        Applied by optimizers after each update: gets the Variable, returns the new value.

    Attributes
    ----------
    array : numpy.ndarray or cupy.ndarray
        The live buffer itself: it changes with every assignment, and its memory never moves. `numpy()` copies.
    initializer, regularizer : function or None
        As given to `get_variable`.
    created_at : str
        ``"file:line"`` where it was made.

    Raises
    ------
    TypeError
        If `initial_value` is no array of numbers, or another argument is of the wrong kind.

    Examples
    --------
    >>> v = Variable([1.0, 2.0], name="v")
    >>> v.assign_add([1.0, 1.0])
    Variable('v:0', [2., 3.], shape=(2,), dtype=float32)
    >>> (v * 2).numpy()
    array([4., 6.], dtype=float32)
    """

    __slots__ = (
        "_constraint", "_name", "_trainable", "assigned", "created_at", "initializer", "own_position", "regularizer",
    )  # fmt: skip

    initializer: Any
    regularizer: Callable | None

    def __init__(
        self,
        initial_value: Any,
        trainable: bool | None = None,
        name: str | None = None,
        dtype: Any = None,
        constraint: Callable | None = None,
    ):
        if name is None:
            name = "Variable"
        elif not isinstance(name, str):
            check_name(name)
        check_arguments("Variable", name, trainable, constraint)
        self._build(initial_value, trainable, dtype, constraint)
        self._take_name(_scope_path() + (name or check_name("")))

    def _build(self, initial_value, trainable, dtype, constraint) -> None:
        value = initial_value() if callable(initial_value) and not isinstance(initial_value, Operand) else initial_value
        if isinstance(value, Operand):
            value = value.array
        if dtype is None and not backend.is_array(value) and not isinstance(value, np.generic):
            kind = backend.as_array(value).dtype.kind  # looked at on the host
            dtype = default_dtype() if kind in "biuf" else None
        array = backend.placed(value, None if dtype is None else as_dtype(dtype))
        if not backend.has_numbers(array.dtype):
            raise TypeError(f"a Variable has numbers, its initial value is of dtype {array.dtype}")
        if array is value or array.base is not None or not array.flags.c_contiguous:
            array = array.copy(order="C")  # updates and views of old values count on this order
        self.own_position = variable_position()
        self.array = array
        self._trainable = is_differentiable(self.array.dtype) if trainable is None else bool(trainable)
        self.assigned = False  # `written` makes it True
        self.constraint = constraint
        self.initializer = self.regularizer = None
        self.created_at = user_line()
        live_variables[self.own_position] = self
        lend(self.array)
        self.settle()

    def _take_name(self, full_name: str) -> None:
        """Be called `full_name`, or the next free name of the current store."""
        self._name = current().store.take_name(self, full_name)

    @classmethod
    def _named(cls, full_name: str, value, trainable, dtype, constraint) -> "Variable":
        """A Variable of exactly this full name (without ":0"): the way of `get_variable` and of unpickling."""
        variable = cls.__new__(cls)
        variable._build(value, trainable, dtype, constraint)
        variable._name = full_name
        return variable

    def __del__(self, reclaim=reclaim, watchable=watchable, constrained=constrained):
        array = getattr(self, "array", None)
        if array is not None:
            reclaim(id(array))
            watchable.discard(self.own_position)
            constrained.discard(self.own_position)

    # ---------------------------------------------------------------- what it is
    @property
    def name(self) -> str:
        """The full name with ":0"."""
        return self._name + ":0"

    @property
    def op(self) -> OpInfo:
        """``.op.name`` is the full name without ":0", the key of slots and checkpoints."""
        return OpInfo(self._name, "Variable")

    @property
    def trainable(self) -> bool:
        """Whether tapes watch it by themselves; a change counts from the next tape on."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        check_arguments("Variable", self._name, value)
        self._trainable = bool(value)
        if not value:
            watchable.discard(self.own_position)  # for updates at once
        frame = active()
        if frame is not None and frame.record is not None:
            frame.record.settle_later(self)  # an open tape keeps its view until it closes
        else:
            self.settle()

    @property
    def constraint(self) -> Callable | None:
        """A function of the variable that gives its new value after each update by an optimizer, or None."""
        return self._constraint

    @constraint.setter
    def constraint(self, function: Callable | None) -> None:
        self._constraint = function
        (constrained.discard if function is None else constrained.add)(self.own_position)

    def settle(self) -> None:
        """Take the position that `trainable` asks for: watched, or not. For records."""
        follows = self._trainable and is_differentiable(self.array.dtype)
        self.position = self.own_position if follows else 0
        (watchable.add if follows else watchable.discard)(self.own_position)

    # ---------------------------------------------------------------- writing
    def assign(self, value: Any) -> "Variable":
        """Write `value` into the buffer.

        Parameters
        ----------
        value : array_like or Tensor
            Of the variable's shape; its dtype must convert without changing kind (float64 to float32 does).

        Returns
        -------
        Variable
            Itself.

        Raises
        ------
        ValueError
            If the shape differs.
        TypeError
            If the dtype does not convert (float to integer, complex to float). In both cases nothing is written.
        """
        new = self._checked(value, "assign")
        written((self,))
        if isinstance(value, Operand):
            new = value.array  # a view of this variable has moved out meanwhile
        backend.write(self.array, new)
        return self

    def assign_add(self, delta: Any) -> "Variable":
        """Add `delta` (same shape) to the buffer in place; errors as in `assign`."""
        return self._add(delta, "assign_add", 1)

    def assign_sub(self, delta: Any) -> "Variable":
        """Subtract `delta` (same shape) from the buffer in place; errors as in `assign`."""
        return self._add(delta, "assign_sub", -1)

    def _add(self, delta, what, sign) -> "Variable":
        from ..engine.cotangent import IndexedSlices

        if isinstance(delta, IndexedSlices):
            delta = delta.to_dense()
        new = self._checked(delta, what)
        written((self,))
        if isinstance(delta, Operand):
            new = delta.array
        if self.array.dtype.kind == "b":
            raise TypeError(f"{what}: variable {self.name!r} is bool")
        new = backend.beside(new, self.array)
        (np.add if sign > 0 else np.subtract)(self.array, new, out=self.array, casting="same_kind")
        return self

    def _checked(self, value, what):
        if isinstance(value, Operand):
            new = value.array
        elif backend.is_array(value):
            new = value
        else:
            new = backend.as_array(value)
            if self.array.dtype.kind in "fc" and new.dtype.kind in "biuf":
                new = new.astype(self.array.dtype)
        if new.shape != self.array.shape:
            raise ValueError(
                f"{what}: variable {self.name!r} has shape {self.shape}, the value has shape {new.shape} "
                f"(the variable was created at {self.created_at})"
            )
        if not np.can_cast(new.dtype, self.array.dtype, "same_kind"):
            raise TypeError(
                f"{what}: variable {self.name!r} has dtype {self.dtype}, the value {new.dtype} does not convert to it"
            )
        return new

    def _no_in_place(self, other):
        raise TypeError(
            f"variable {self.name!r} is not changed by +=, -=, *= and the like, which would only rebind the name: "
            "write variable.assign_add(x), variable.assign_sub(x) or variable.assign(variable * x)"
        )

    __iadd__ = __isub__ = __imul__ = __itruediv__ = __ifloordiv__ = __imod__ = __ipow__ = __imatmul__ = _no_in_place

    def __setitem__(self, index, value):
        raise TypeError(
            f"variable {self.name!r} is not changed by v[i] = x: write variable.assign(variable.at[i].set(x)) (or "
            ".add, .multiply, .min, .max)"
        )

    # ---------------------------------------------------------------- looks, copies, pickles
    def __repr__(self):
        if not backend.has_values(self.array):
            return f"Variable({self.name!r}, <traced>, shape={self.shape}, dtype={self.dtype})"
        values = np.array2string(backend.to_numpy(self.array), separator=", ", prefix="Variable(", threshold=200)
        device = "" if self.device == "cpu" else f", device={self.device}"
        frozen = "" if self._trainable else ", trainable=False"
        return f"Variable({self.name!r}, {values}, shape={self.shape}, dtype={self.dtype}{device}{frozen})"

    def __copy__(self):
        return self.__deepcopy__({})

    def __deepcopy__(self, memo):
        copy = Variable.__new__(Variable)
        copy._build(self.array, self._trainable, None, self.constraint)
        copy._take_name(self._name)
        copy.regularizer, copy.initializer = self.regularizer, self.initializer
        memo[id(self)] = copy
        return copy

    def __reduce__(self):
        return _unpickle, (self._name, backend.to_numpy(self.array), self._trainable)


def check_arguments(kind: str, name: Any, trainable: Any = None, constraint: Any = None, regularizer: Any = None):
    """TypeError, with the `kind` of thing and its name, for what cannot be these arguments; None always can."""
    if trainable is not None and not isinstance(trainable, (bool, np.bool_, int)):
        raise TypeError(f"{kind} {name!r}: trainable is True or False, got {trainable!r}")
    if constraint is not None and not callable(constraint):
        raise TypeError(
            f"{kind} {name!r}: a constraint is a function of the variable that returns its new value "
            f"(constraint=lambda v: av.clip(v, -1, 1)), got {constraint!r}"
        )
    if regularizer is not None and not callable(regularizer):
        raise TypeError(
            f"{kind} {name!r}: a regularizer is a function of the variable that returns a term of the loss "
            f"(regularizer=lambda v: 0.1 * av.nn.l2_loss(v)), got {regularizer!r}"
        )


def _scope_path() -> str:
    """The open name scopes, without the numbers that records give them."""
    frame = active()
    return "" if frame is None or frame.mark is None else frame.mark.path


def _unpickle(name, array, trainable):
    """An unpickled Variable belongs to no store and keeps its exact name."""
    return Variable._named(name, array, trainable, None, None)


def read(variable: Variable) -> Tensor:
    """The present value as a Tensor that later assignments do not change."""
    return variable + 0
