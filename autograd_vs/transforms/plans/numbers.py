"""Python floats among the arguments of a traced function: they may differ from call to call. Floor 3.

While a function is traced, a `Number` stands in the place of each float. Beside an array it becomes a 0-d array of that
array's dtype, which each replay fills; arithmetic with other numbers gives Numbers that each replay computes anew.
Whoever wants the value itself (``if rate > 0.1``, ``math.sqrt(rate)``, ``f"{rate}"``, NumPy) has to ask by one of
Python's special methods, and gets it: then the plan is one for this value. So a value never gets into a plan unnoticed.
(A subclass of float would not do: functions written in C read its value and ask nobody. What is left is ``type(rate) is
float``, which says no.)
"""

import math
import operator
import sys
from typing import Any

import numpy as np

from ...base.errors import user_line

__all__ = ["Number", "beside_arrays"]

# Who knows what it is. For everybody else it is a float, and to ask for its class is to look.
_KNOWING = ("autograd_vs.engine.", "autograd_vs.base.nest", "autograd_vs.base.backend", __package__)
_LOOKING = "weak"  # of engine.call: it puts floats into the dtype of other arguments by their values


class Number:
    """A Python float that differs from call to call; looks like one.

    value : what it is in this call; None for what is computed of others
    leaf : the number of the argument among the leaves; -1 for what is computed
    """

    __slots__ = ("function", "leaf", "parts", "tracer", "value")

    def __init__(self, value, tracer, leaf: int = -1, function: Any = None, parts: tuple = ()):
        self.value, self.tracer, self.leaf, self.function, self.parts = value, tracer, leaf, function, parts

    def now(self) -> float:
        """What it is in this call, for replays."""
        if self.function is None:
            return self.value
        return self.function(*[part.now() if type(part) is Number else part for part in self.parts])

    def look(self) -> float:
        """What it is; from now on the plan is one for this value."""
        line = user_line()
        for leaf in self.leaves():
            self.tracer.looked.setdefault(leaf, line)
        return self.now()

    def leaves(self) -> list[int]:
        """The arguments that it depends on."""
        if self.function is None:
            return [self.leaf]
        return [leaf for part in self.parts if type(part) is Number for leaf in part.leaves()]

    @property
    def name(self) -> str:
        """For people."""
        return self.tracer.names[self.leaf] if self.leaf >= 0 else ""

    def beside(self, array, dtype=None):
        """A 0-d array in the library of `array` that takes its dtype, as a Python float does, or this one."""
        if not self.tracer.hears():
            return self.now()
        return self.tracer.number(self, np.result_type(array.dtype if dtype is None else dtype, 1.0), array)

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        if any(
            hasattr(type(x), "__array_ufunc__") and not isinstance(x, (np.ndarray, np.generic, Number)) for x in inputs
        ):
            return NotImplemented  # a Tensor's or a traced array's affair
        return getattr(ufunc, method)(*[x.look() if type(x) is Number else x for x in inputs], **options)

    @property  # type: ignore[misc]
    def __class__(self):
        caller = sys._getframe(1)
        if caller.f_globals.get("__name__", "").startswith(_KNOWING):
            if not caller.f_code.co_qualname.startswith(_LOOKING):
                return Number
        self.look()
        return float


def beside_arrays(args: tuple) -> tuple:
    """The arguments of a ufunc, with Numbers as they are beside the arrays."""
    if not any(type(x) is Number for x in args):
        return args
    arrays = [x for x in args if type(x) is not Number and hasattr(x, "dtype")]
    if not arrays:
        return args
    dtype = np.result_type(*[x.dtype for x in arrays], *[x for x in args if type(x) in (int, float, complex)])
    return tuple([x.beside(arrays[0], dtype) if type(x) is Number else x for x in args])


def _computed(function, swapped=False):
    def method(self, *others):
        if not all(type(x) in (int, float, bool, Number) for x in others):
            return NotImplemented
        parts = (*others, self) if swapped else (self, *others)
        made = Number(None, self.tracer, function=function, parts=parts)
        return made if self.tracer.hears() and type(made.now()) is float else made.look()

    return method


for _name in "add sub mul truediv floordiv mod pow".split():
    setattr(Number, f"__{_name}__", _computed(getattr(operator, _name)))
    setattr(Number, f"__r{_name}__", _computed(getattr(operator, _name), swapped=True))
for _name, _function in {"neg": operator.neg, "pos": operator.pos, "abs": abs}.items():
    setattr(Number, f"__{_name}__", _computed(_function))


def _looking(function):
    def method(self, *args, **options):
        return function(self.look(), *args, **options)

    return method


for _name in (
    "bool float int trunc round floor ceil divmod rdivmod eq ne lt le gt ge hash repr str format getnewargs "
    "copy deepcopy reduce reduce_ex complex array"
).split():
    _special: Any = {
        "copy": lambda x: x, "deepcopy": lambda x, memo: x, "reduce": lambda x: (float, (x,)), "complex": complex,
        "reduce_ex": lambda x, protocol: (float, (x,)), "array": np.array,
        "floor": math.floor, "ceil": math.ceil,
    }.get(_name)  # fmt: skip
    setattr(Number, f"__{_name}__", _looking(_special or getattr(float, f"__{_name}__")))
for _name in "is_integer hex as_integer_ratio conjugate".split():
    setattr(Number, _name, _looking(getattr(float, _name)))
for _name in ("real", "imag"):
    setattr(Number, _name, property(_looking(lambda x, _name=_name: getattr(x, _name))))
