"""A kernel of several steps, element by element: read once, computed in registers, written once. Floor 0.

`Kernel` is what is computed, and its source in CUDA C; who runs it is the business of the library of the arrays
(`backend.launcher`). `Recorder` makes one of a function that is written with operators, by calling it on symbols.
"""

from collections.abc import Callable
from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np

from ..backend import Pieces
from .expressions import PREAMBLE, c_type, computed, converted, expression, knows, literal

__all__ = ["THREADS", "Argument", "Kernel", "Launch", "NotElementwise", "Recorder", "Step", "Value", "loop_dtypes"]

THREADS = 256  # in a block


class Value(NamedTuple):
    """A number in a kernel: that of an argument, or behind these the result of a step."""

    number: int


class Argument(NamedTuple):
    """What a kernel is given.

    kind : "array", "pieces" (arrays that count as one, end to end: `Pieces`) or "number" (a Python float)
    place : of an array, where in it the element ``i`` lies, as an expression of C
    """

    dtype: np.dtype
    kind: str = "array"
    place: str = "i"


class Step(NamedTuple):
    """``function(*operands)`` in `loop` (a dtype, or for each operand), as numbers of `dtype`.

    function : a ufunc or `np.where`; None only converts
    operands : of `Value` and Python numbers
    """

    function: Any
    operands: tuple
    loop: tuple
    dtype: np.dtype


_PIECE = """
template <class T> __device__ T* in_pieces(const long long* table, long long i) {
    long long first = 0, behind = table[0];
    while (behind - first > 1) {
        long long middle = (first + behind) / 2;
        if (table[1 + middle] <= i) first = middle; else behind = middle;
    }
    return (T*)table[2 + table[0] + first] + (i - table[1 + first]);
}
"""


class Kernel:
    """Steps that are computed together for each of a number of elements.

    Parameters
    ----------
    arguments : sequence of Argument
    steps : sequence of Step
    stores : sequence of (number of an argument, Value or number)
        What is written, behind all reading of the same element.
    wide : bool, default True
        Whether there may be more than 2**31 elements.

    Examples
    --------
    >>> f = np.dtype(np.float32)
    >>> halve = Kernel([Argument(f)], [Step(np.multiply, (Value(0), 0.5), (f, f), f)], [(0, Value(1))])
    >>> print(halve.body)
    float x0 = a0[i];
    float x1 = x0 * (float)0.5;
    a0[i] = x1;
    """

    compiled: Any = None  # what a library keeps of it

    def __init__(self, arguments, steps, stores, wide: bool = True):
        self.arguments, self.steps, self.stores = tuple(arguments), tuple(steps), tuple(stores)
        self.wide = wide

    def __eq__(self, other):
        return isinstance(other, Kernel) and self.source == other.source

    def __hash__(self):
        return hash(self.source)

    @property
    def dtypes(self) -> list[np.dtype]:
        """Those of all values."""
        return [*(a.dtype for a in self.arguments), *(s.dtype for s in self.steps)]

    @cached_property
    def body(self) -> str:
        """What is done for one element."""
        used = {x.number for s in self.steps for x in s.operands if isinstance(x, Value)}
        used |= {x.number for _, x in self.stores if isinstance(x, Value)}
        lines, dtypes = [], self.dtypes
        for n, argument in enumerate(self.arguments):
            if n in used:
                lines.append(f"{c_type(argument.dtype)} x{n} = {self._place(n)};")
        for n, step in enumerate(self.steps, len(self.arguments)):
            given = [self._number(x, loop) for x, loop in zip(step.operands, step.loop, strict=True)]
            if step.function is None:
                text = given[0]
            else:
                text = expression(step.function, given, step.loop[-1])
            lines.append(f"{c_type(step.dtype)} x{n} = {self._as_stored(text, step.dtype)};")
        for n, x in self.stores:
            lines.append(f"{self._place(n)} = {self._as_stored(self._number(x, dtypes[n]), dtypes[n])};")
        return "\n".join(lines)

    def _place(self, n):
        argument = self.arguments[n]
        if argument.kind == "number":
            return f"({c_type(argument.dtype)})a{n}"
        if argument.kind == "pieces":
            return f"*in_pieces<{c_type(argument.dtype)}>(a{n}, i)"
        return f"a{n}[{argument.place}]"

    def _number(self, x, dtype):
        """An operand as a number for computing in `dtype`."""
        if not isinstance(x, Value):
            return literal(x, dtype)
        return converted(f"x{x.number}", self.dtypes[x.number], dtype)

    def _as_stored(self, text, dtype):
        if computed(dtype) != c_type(dtype):
            return f"(float)({text})"
        return text if text.isidentifier() or dtype.kind == "f" else f"({c_type(dtype)})({text})"

    @cached_property
    def source(self) -> str:
        """All of it, in CUDA C; the name of the kernel is ``kernel``, its first argument the number of elements."""
        stored = {n for n, _ in self.stores}
        index = "long long" if self.wide else "unsigned"
        parameters = [f"{index} n"]
        for n, (dtype, kind, _) in enumerate(self.arguments):
            constant = "" if n in stored else "const "
            of = {"number": "double", "pieces": "const long long*"}.get(kind, f"{constant}{c_type(dtype)}*")
            parameters.append(f"{of} a{n}")
        pieces = any(argument.kind == "pieces" for argument in self.arguments)
        body = self.body.replace("\n", "\n        ")
        return (
            f'{PREAMBLE}{_PIECE if pieces else ""}extern "C" __global__ void kernel({", ".join(parameters)}) {{\n'
            f"    {index} step = ({index})gridDim.x * blockDim.x;\n"
            f"    for ({index} i = ({index})blockIdx.x * blockDim.x + threadIdx.x; i < n; i += step) {{\n"
            f"        {body}\n    }}\n}}\n"
        )


class Launch:
    """A kernel and what runs it, for so many elements: one call of a plan. A tuple of arrays counts as one array."""

    def __init__(self, launch, kernel: Kernel, size: int):
        self.launch, self.kernel, self.size = launch, kernel, size
        names = [*dict.fromkeys([step.function.__name__ for step in kernel.steps if step.function is not None])]
        self.__name__ = f"kernel of {', '.join(names[:6]) or 'copies'}{' ..' if len(names) > 6 else ''}"

    def bound(self, read, written):
        """A function of nothing that runs it: on what it reads, then on what it only writes, first in `written`."""
        given = [Pieces(x) if isinstance(x, tuple) else x for x in read]
        fresh = written[: len(self.kernel.arguments) - len(given)]
        return partial(self.launch, self.kernel, self.size, [*given, *fresh])


def loop_dtypes(ufunc, operands) -> tuple | None:
    """The dtypes in which a ufunc computes with `operands` (dtypes, Python numbers), then that of its result.

    None where there is no such loop, or no expression for it.

    Examples
    --------
    >>> [str(d) for d in loop_dtypes(np.multiply, [np.dtype(np.float32), 2.0])]
    ['float32', 'float32', 'float32']
    """
    if ufunc.nout != 1 or ufunc.signature is not None:
        return None
    given = tuple(
        [type(x) if type(x) in (int, float) else np.dtype(bool) if x.__class__ is bool else x for x in operands]
    )
    try:
        found = ufunc.resolve_dtypes((*given, None))
    except TypeError:
        return None
    return found if all(knows(ufunc, dtype) for dtype in found[:-1]) and len(set(found[:-1])) == 1 else None


# ---------------------------------------------------------------- from a function


class NotElementwise(TypeError):
    """A function does something else than arithmetic on single elements."""


class Recorder:
    """Notes the steps of a function of numbers.

    Examples
    --------
    >>> f = np.dtype(np.float64)
    >>> recorder = Recorder([Argument(f), Argument(f)])
    >>> x, y = recorder.symbols
    >>> kernel = recorder.kernel([(0, np.sqrt(x * x + y))])
    >>> print(kernel.body)
    double x0 = a0[i];
    double x1 = a1[i];
    double x2 = x0 * x0;
    double x3 = x2 + x1;
    double x4 = sqrt(x3);
    a0[i] = x4;
    """

    def __init__(self, arguments):
        self.arguments, self.steps = [*arguments], []
        self.symbols = [Symbol(self, Value(n), a.dtype) for n, a in enumerate(self.arguments)]

    def note(self, function, operands):
        """The result of one step more."""
        if not all(isinstance(x, (Symbol, bool, int, float, np.bool_, np.number)) for x in operands):
            raise NotElementwise(f"{function.__name__} of {', '.join(type(x).__name__ for x in operands)}")
        dtypes = [x.dtype if isinstance(x, (Symbol, np.generic)) else x for x in operands]
        if function is np.where:
            result = next((d for d in dtypes[1:] if isinstance(d, np.dtype)), None)
            others = [x.dtype for x in operands[1:] if isinstance(x, Symbol)]
            if result is None or any(d != result for d in others):
                raise NotElementwise("np.where of several dtypes, or of numbers only")
            loop: Any = (np.dtype(bool), result, result, result)
        else:
            loop = loop_dtypes(function, dtypes)
        if loop is None:
            raise NotElementwise(f"there is no expression of {function.__name__} for these dtypes")
        values = tuple([x.value if isinstance(x, Symbol) else x for x in operands])
        return self._noted(Step(function, values, loop[:-1], loop[-1]))

    def converted(self, x, dtype):
        """A symbol as one of another dtype."""
        return x if x.dtype == dtype else self._noted(Step(None, (x.value,), (dtype,), dtype))

    def _noted(self, step):
        self.steps.append(step)
        return Symbol(self, Value(len(self.arguments) + len(self.steps) - 1), step.dtype)

    def kernel(self, stores, wide: bool = True) -> Kernel:
        """What was noted, with the symbols (or numbers) `stores` written into arguments."""
        stores = [(n, x.value if isinstance(x, Symbol) else x) for n, x in stores]
        return Kernel(self.arguments, self.steps, stores, wide)


class Symbol(np.lib.mixins.NDArrayOperatorsMixin):
    """A number that is not known yet. All that is asked of it is noted, or raises `NotElementwise`."""

    __slots__ = ("dtype", "recorder", "value")
    shape: tuple = ()
    ndim = 0

    def __init__(self, recorder, value: Value, dtype: np.dtype):
        self.recorder, self.value, self.dtype = recorder, value, dtype

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        out = options.pop("out", None)
        if method != "__call__" or options:
            raise NotElementwise(f"{ufunc.__name__}.{method} with {', '.join(options) or 'no options'}")
        if out is not None and not (len(out) == 1 and out[0] is inputs[0] and isinstance(out[0], Symbol)):
            raise NotElementwise(f"{ufunc.__name__} with out=")
        found = self.recorder.note(ufunc, inputs)
        if out is None:
            return found
        return self.recorder.converted(found, self.dtype)

    def __array_function__(self, function, types, args, options):
        known: dict[Any, Callable] = {
            np.where: lambda condition, yes, no: self.recorder.note(np.where, (condition, yes, no)),
            np.clip: lambda x, low, high: np.minimum(np.maximum(x, low), high),
            np.zeros_like: lambda x: x * 0,
        }
        if function not in known or options:
            raise NotElementwise(f"{function.__name__} is not elementwise, or has options")
        return known[function](*args)

    def astype(self, dtype, copy=True):
        """As NumPy's."""
        return self.recorder.converted(self, np.dtype(dtype))

    def _refuse(self, *args):
        raise NotElementwise("a number of the arrays is asked for")

    __bool__ = __float__ = __int__ = __index__ = __complex__ = __array__ = __len__ = __iter__ = __getitem__ = _refuse

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        raise NotElementwise(f"its attribute {name!r} is asked for")
