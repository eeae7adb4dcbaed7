"""The array library of tracing: NumPy, and every call is noted. Floor 3.

A `Traced` holds the NumPy array that it stands for, so a traced step computes what any other step computes. It is
registered as CuPy is (`base/backend.py`), and the engine does not know that it is there. Mixing it with NumPy arrays is
allowed: those are constants of the plan, copied.

What depends on a value (``bool(t > 0)``, ``t.item()``) cannot be the same in each replay: `TraceError`.
"""

from contextlib import contextmanager
from importlib import import_module
from threading import get_ident
from types import ModuleType
from typing import Any

import numpy as np

from ...base.backend import register_backend
from ...base.errors import user_line
from ...engine.protocol import Operand
from ...engine.record import active
from .numbers import Number, beside_arrays
from .program import Call, Program, mapped, owner_of

__all__ = ["TraceError", "Traced", "Tracer", "bare"]


class TraceError(TypeError):
    """What was asked of a Tensor has no answer while a function is traced."""


class Tracer:
    """Notes the calls of one thread."""

    def __init__(self) -> None:
        self.program = self.root = Program()  # where calls are noted: the whole, or a part of it
        self.thread = get_ident()
        self.paused = False
        self.constants: dict[int, tuple] = {}  # NumPy arrays that came from outside: kept alive, and their copies
        self.errors: dict = {**np.geterr()}
        self.place: tuple[str, str] | None = None  # (what calls count for, the scope that was open): see `at`

    def hears(self) -> bool:
        """Whether calls are noted here and now."""
        return not self.paused and get_ident() == self.thread

    def scope(self) -> str:
        """The name scope that a call made now belongs to."""
        return self._moved(_open_scope())

    def _moved(self, scope: str) -> str:
        """What `scope` counts for: inside of `at`, scopes opened since then count as opened there."""
        if self.place is None:
            return scope
        place, opened = self.place
        return place + scope.removeprefix(opened)

    @contextmanager
    def at(self, place):
        """Calls made meanwhile count for the scope `place`."""
        before, self.place = self.place, (place, _open_scope())
        try:
            yield
        finally:
            self.place = before

    def walking(self, entries, record):
        """The entries of a walk, as an observer of it: each rule counts for the scope of its op."""
        for entry in entries:
            with self.at(self._moved("" if entry[4] is None else entry[4].prefix)):
                yield entry

    def arrived(self, sources, gradients) -> None:
        """Nothing to do: see `walking`."""

    def keep(self, target) -> None:
        """`target` is about to be written."""

    def owner(self, array: np.ndarray) -> "Traced | None":
        """The traced array that owns the memory of `array`."""
        return None

    def wrap(self, array: np.ndarray) -> "Traced":
        """`array`, whose storage is known."""
        return Traced(array, self)

    def new(self, array: np.ndarray, kind: str, label: str = "") -> "Traced":
        """A storage for `array`."""
        (self.program if kind == "result" else self.root).add(array, kind, label)
        return Traced(array, self)

    def known(self, x):
        """Arguments of a call as the program keeps them: arrays with storages."""
        return mapped(self._known, x)

    def _known(self, x):
        if type(x) is Traced:
            if not self.program.knows(x.a):
                raise TraceError(
                    f"a Tensor of shape {x.shape} is used at {user_line()} outside of where it was computed while a "
                    "function was traced: in a branch of av.cond, in the body of av.while_loop, or in another "
                    "function. Return it from there"
                )
            return x.a
        if type(x) is np.ndarray:
            return x if self.program.knows(x) else self.constant(x)
        return x.look() if type(x) is Number else x

    def constant(self, x: np.ndarray) -> np.ndarray:
        """A copy of an array that came from outside."""
        found = self.constants.get(id(x))
        if found is None:
            copy = x.copy()
            self.root.add(copy, "constant", line=user_line())
            found = self.constants[id(x)] = x, copy
        return found[1]

    def note(self, form: str, function, args: tuple, options: dict, out) -> None:
        """One call more in the program."""
        errors = {k: v for k, v in np.geterr().items() if self.errors[k] != v}
        self.program.calls.append(Call(form, function, args, options, out, self.scope(), errors))

    def call(self, form: str, function, args: tuple, options: dict) -> Any:
        """Make a call, note it, and give its result."""
        if isinstance(function, np.ufunc):
            args = beside_arrays(args)
        given, named = bare(args), bare(options)
        y = function(*given, **named)
        if not self.hears():
            return y
        args, options = self.known(args), self.known(options)
        if isinstance(y, tuple):
            parts = [np.asarray(part) for part in y]
            if not any(map(self.program.knows, parts)):
                found = [self.new(part, "result") for part in parts]
                self.note(form, function, args, options, tuple(parts))
                return type(y)(found) if not hasattr(y, "_fields") else type(y)(*found)
            return tuple([self.result(form, _Part(function, i), args, options, part) for i, part in enumerate(y)])
        return self.result(form, function, args, options, y)

    def result(self, form, function, args, options, y):
        """The result `y` of a call: a view of what is known, or something new."""
        if not isinstance(y, (np.ndarray, np.generic)):
            return y
        y = np.asarray(y)
        if self.program.knows(y):
            return Traced(y, self)  # a view costs no call
        traced = self.new(y, "result")
        self.note(form, function, args, options, y)
        return traced

    def write(self, form: str, function, args: tuple, options: dict, target) -> None:
        """Note a call that has written into `target`."""
        if self.hears():
            out = None if form in ("setitem", "change") else self.known(target)
            self.note(form, function, self.known(args), self.known(options), out)


class _Part:
    """One of several outputs of a function, of which some are views of arguments."""

    def __init__(self, function, number):
        self.function, self.number = function, number
        self.__name__ = f"{getattr(function, '__name__', function)}[{number}]"

    def __call__(self, *args, **options):
        return self.function(*args, **options)[self.number]


def _open_scope() -> str:
    frame = active()
    return "" if frame is None or frame.mark is None else frame.mark.prefix


def bare(x):
    """A nest with NumPy arrays in the place of traced ones, and floats in that of Numbers."""
    return mapped(_bare, x)


def _bare(leaf):
    if type(leaf) is Traced:
        return leaf.a
    return leaf.look() if type(leaf) is Number else leaf


class Traced:
    """An array whose uses are noted."""

    __slots__ = ("__weakref__", "a", "tracer")
    __array_priority__ = 50

    def __init__(self, a: np.ndarray, tracer: Tracer):
        self.a, self.tracer = a, tracer

    shape = property(lambda self: self.a.shape)
    dtype = property(lambda self: self.a.dtype)
    ndim = property(lambda self: self.a.ndim)
    size = property(lambda self: self.a.size)
    nbytes = property(lambda self: self.a.nbytes)
    itemsize = property(lambda self: self.a.itemsize)
    strides = property(lambda self: self.a.strides)
    flags = property(lambda self: self.a.flags)
    T = property(lambda self: Traced(self.a.T, self.tracer))
    mT = property(lambda self: Traced(self.a.mT, self.tracer))
    real = property(lambda self: self.tracer.call("call", np.real, (self,), {}))
    imag = property(lambda self: self.tracer.call("call", np.imag, (self,), {}))

    @property
    def base(self):
        """The array that owns the memory, as the tracer knows it; None if this one does."""
        owner = owner_of(self.a)
        return None if owner is self.a else self.tracer.owner(owner)

    # ---------------------------------------------------------------- values that differ from replay to replay
    def _refuse(self, *args, **options):
        if not self.tracer.hears():
            raise TypeError(
                f"this Tensor ({self!r}) was left over from a function that was traced: it has no values any more, "
                f"and was used at {user_line()}. Return it from the function to use it outside"
            )
        raise TraceError(
            f"a value of a Tensor was asked for at {user_line()} while a function is traced: it differs from call to "
            "call, and what is decided by it would be fixed. Use av.where(condition, a, b) for a choice, "
            "av.cond(condition, f, g, *operands) where only one of two shall be computed, av.while_loop(condition, "
            "body, init) for a loop; return the value from the function to look at it, or take this part out of the "
            "function"
        )

    __bool__ = nonzero = __float__ = __int__ = __index__ = __complex__ = item = tolist = __array__ = _refuse
    tobytes = __format__ = _refuse

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __repr__(self):
        return f"<traced {self.dtype}{list(self.shape)}>"

    def __len__(self):
        return len(self.a)

    def __getitem__(self, index):
        for part in index if isinstance(index, tuple) else (index,):
            if part.__class__ is Traced and part.dtype.kind == "b" and self.tracer.hears():
                self._refuse()  # how many elements there are depends on the mask
        return self.tracer.call("method", np.ndarray.__getitem__, (self, index), {})

    def __setitem__(self, index, value):
        self.tracer.keep(self)
        self.a[bare(index)] = bare(value)
        self.tracer.write("setitem", None, (self, index, value), {}, self)

    def fill(self, value):
        """Set all elements."""
        self[...] = value

    # ---------------------------------------------------------------- NumPy's protocols
    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        if any(isinstance(x, Operand) for x in inputs):
            return NotImplemented
        function = ufunc if method == "__call__" else getattr(ufunc, method)
        if method == "at":
            return changed(self.tracer, function, inputs)
        out = options.pop("out", None)
        if out is None:
            return self.tracer.call("call", function, inputs, options)
        if len(out) != 1:
            raise TraceError(f"{ufunc.__name__}(out=) with several outputs cannot be traced")
        return into(self.tracer, function, inputs, options, out[0])

    def __array_function__(self, function, types, args, options):
        return called(self.tracer, function, args, options)

    __hash__ = object.__hash__

    # ---------------------------------------------------------------- methods
    def reshape(self, *shape, **options):
        """As NumPy's."""
        return self.tracer.call("method", np.ndarray.reshape, (self, *shape), options)

    def astype(self, dtype, order="K", casting="unsafe", subok=True, copy=True):
        """As NumPy's."""
        if not copy and self.dtype == dtype:
            return self
        return self.tracer.call("method", np.ndarray.astype, (self, np.dtype(dtype)), {})

    def dot(self, b):
        """As NumPy's."""
        return self.tracer.call("call", np.dot, (self, b), {})

    def sum(self, axis=None, dtype=None, out=None, keepdims=False):
        """As NumPy's, by the ufunc."""
        return _reduced(self, np.add, axis, dtype, out, keepdims)

    def prod(self, axis=None, dtype=None, out=None, keepdims=False):
        """As NumPy's, by the ufunc."""
        return _reduced(self, np.multiply, axis, dtype, out, keepdims)

    def max(self, axis=None, out=None, keepdims=False):
        """As NumPy's, by the ufunc."""
        return _reduced(self, np.maximum, axis, None, out, keepdims)

    def min(self, axis=None, out=None, keepdims=False):
        """As NumPy's, by the ufunc."""
        return _reduced(self, np.minimum, axis, None, out, keepdims)


def _reduced(x, ufunc, axis, dtype, out, keepdims):
    options = {"axis": axis, "dtype": dtype, "keepdims": keepdims}
    if out is not None:
        return into(x.tracer, ufunc.reduce, (x,), options, out)
    return x.tracer.call("call", ufunc.reduce, (x,), options)


def _method(name):
    of_numpy = getattr(np.ndarray, name)

    def method(self, *args, **options):
        return self.tracer.call("method", of_numpy, (self, *args), options)

    method.__name__ = name
    return method


for _name in (
    "all any argmax argmin argpartition argsort clip conj conjugate copy cumprod cumsum diagonal flatten mean "
    "ravel repeat round searchsorted squeeze std swapaxes take trace transpose var view"
).split():
    setattr(Traced, _name, _method(_name))


def _operator(ufunc, swapped=False, in_place=False):
    def operator(self, other):
        if isinstance(other, Operand):
            return NotImplemented
        if in_place:
            return into(self.tracer, ufunc, (self, other), {}, self)
        return self.tracer.call("call", ufunc, (other, self) if swapped else (self, other), {})

    return operator


_OPERATORS = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "matmul": np.matmul, "truediv": np.true_divide,
    "floordiv": np.floor_divide, "mod": np.remainder, "pow": np.power, "lshift": np.left_shift,
    "rshift": np.right_shift, "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor,
}  # fmt: skip
_COMPARISONS = {
    "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal, "eq": np.equal, "ne": np.not_equal,
}  # fmt: skip
for _name, _ufunc in (_OPERATORS | _COMPARISONS).items():
    setattr(Traced, f"__{_name}__", _operator(_ufunc))
for _name, _ufunc in _OPERATORS.items():
    setattr(Traced, f"__r{_name}__", _operator(_ufunc, swapped=True))
    setattr(Traced, f"__i{_name}__", _operator(_ufunc, in_place=True))
for _name, _ufunc in {"neg": np.negative, "pos": np.positive, "abs": np.absolute, "invert": np.invert}.items():
    setattr(Traced, f"__{_name}__", lambda self, _ufunc=_ufunc: self.tracer.call("call", _ufunc, (self,), {}))


def into(tracer, function, args, options, out):
    """A call that writes into `out`, which it gives back."""
    tracer.keep(out)
    args = beside_arrays(args)
    given = bare(args)
    if isinstance(function, np.ufunc):
        function(*given, out=(bare(out),), **bare(options))
    else:
        function(*given, out=bare(out), **bare(options))
    tracer.write("into", function, args, options, out)
    return out


def changed(tracer, function, args):
    """A call that changes its first argument."""
    tracer.keep(args[0])
    function(*bare(args))
    tracer.write("change", function, args, {}, None)


def called(tracer, function, args, options):
    """A NumPy function, with ``out=`` or without."""
    if function in (np.nonzero, np.flatnonzero, np.argwhere) and tracer.hears():
        args[0]._refuse()
    out = options.pop("out", None)
    if out is None:
        return tracer.call("call", function, args, options)
    return into(tracer, function, args, options, out)


# ---------------------------------------------------------------- the module


class _Module(ModuleType):
    """NumPy's functions (or those of one of its modules) for traced arrays."""

    def __init__(self, module):
        super().__init__(f"traced {module.__name__}")
        self._module = module

    def __getattr__(self, name):
        value = getattr(self._module, name)
        if isinstance(value, ModuleType):
            found: Any = _Module(value)
        elif isinstance(value, (type, np.ufunc)) or not callable(value) or name in _PLAIN:
            found = value
        else:
            found = _function(value)
        setattr(self, name, found)
        return found


_PLAIN = "dtype errstate result_type can_cast finfo iinfo broadcast_shapes issubdtype promote_types".split()
_MAKES = "zeros ones empty full arange eye identity linspace tri".split()


def _function(of_numpy):
    def call(*args, **options):
        tracer = _current()
        if tracer is None:
            return of_numpy(*bare(args), **bare(options))
        return called(tracer, of_numpy, args, options)

    call.__name__ = of_numpy.__name__
    return call


def _current():
    from ...engine.outside import tracing

    return tracing()


numpy_traced: Any = _Module(np)


def _asarray(x, dtype=None, **options):
    tracer = _current()
    if x.__class__ is Traced:
        return x if dtype is None or x.dtype == dtype else x.astype(dtype)
    array = np.asarray(bare(x), dtype)
    if tracer is None or not tracer.hears() or not isinstance(x, (np.ndarray, list, tuple)):
        return array  # of a number: it may be kept for other traces, and becomes a constant where it is used
    return tracer.new(array.copy(), "constant")


numpy_traced.asarray = _asarray
numpy_traced.array = lambda x, dtype=None, **options: (
    x.astype(x.dtype) if x.__class__ is Traced and (dtype is None or x.dtype == dtype) else _asarray(x, dtype)
)
numpy_traced.ascontiguousarray = lambda x: x if x.flags.c_contiguous else x.copy(order="C")


def _refused(x):
    return x._refuse()


def _same_view(view, old, new):
    from ...base.backend import same_view

    return Traced(same_view(view.a, bare(old), bare(new)), view.tracer)


def _kernel(traced, function, args, options):
    """A function that computes on memory in ways of its own is one call; `traced` is one of its arguments."""
    return traced.tracer.call("call", function, args, options)


class _Special(ModuleType):
    """SciPy's special functions: the ufuncs among them dispatch."""

    def __getattr__(self, name):
        value = getattr(import_module("scipy.special"), name)
        return value if isinstance(value, np.ufunc) else _function(value)


register_backend(Traced, numpy_traced, _refused, _same_view, _Special("traced scipy.special"), kernels=_kernel)
