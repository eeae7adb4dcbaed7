"""The array library of tracing: NumPy, and every call is noted. Floor 3.

A `Traced` holds the NumPy array that it stands for, so a traced step computes what any other step computes. It is
registered as CuPy is (`base/backend.py`), and the engine does not know that it is there. Mixing it with NumPy arrays is
allowed: those are constants of the plan, copied.

Arrays of any other library are traced by a class of their own (`traced_class`), so that the engine takes the ways that
it takes with them. What is noted is NumPy's functions in any case, and who makes the call there (`Call.by`).

What depends on a value (``bool(t > 0)``, ``t.item()``) cannot be the same in each replay: `TraceError`.
"""

from contextlib import contextmanager
from functools import partial
from importlib import import_module
from threading import get_ident
from types import ModuleType
from typing import Any

import numpy as np

from ...base.backend import address, as_array, is_array, launcher, library_of, namespace, register_backend, view_at
from ...base.errors import user_line
from ...engine.numerics import Observer
from ...engine.protocol import Operand
from ...engine.record import active
from .numbers import Number, beside_arrays
from .program import Call, Program, mapped, owner_of

__all__ = ["TraceError", "Traced", "Tracer", "bare"]


class TraceError(TypeError):
    """What was asked of a Tensor has no answer while a function is traced."""


class Tracer(Observer):
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
        """The entries of a walk: each rule counts for the scope of its op."""
        for entry in entries:
            with self.at(self._moved("" if entry[4] is None else entry[4].prefix)):
                yield entry

    def keep(self, target) -> None:
        """`target` is about to be written."""

    def owner(self, array: np.ndarray) -> "Traced | None":
        """The traced array that owns the memory of `array`."""
        return None

    def wrap(self, array: np.ndarray) -> "Traced":
        """`array`, whose storage is known."""
        return traced_class(array.__class__)(array, self)

    def new(self, array: np.ndarray, kind: str, label: str = "") -> "Traced":
        """A storage for `array`."""
        (self.program if kind == "result" else self.root).add(array, kind, label)
        return self.wrap(array)

    def known(self, x):
        """Arguments of a call as the program keeps them: arrays with storages."""
        return mapped(self._known, x)

    def _known(self, x):
        if isinstance(x, Traced):
            if not self.program.knows(x.a):
                raise TraceError(
                    f"a Tensor of shape {x.shape} is used at {user_line()} outside of where it was computed while a "
                    "function was traced: in a branch of av.cond, in the body of av.while_loop, or in another "
                    "function. Return it from there"
                )
            return x.a
        if is_array(x):
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

    def is_constant(self, x) -> bool:
        """Whether a traced array is the same in each replay, as one that came from outside is."""
        storage = self.root.storages.get(id(owner_of(x.a)))
        return not self.hears() or (storage is not None and storage.kind == "constant")

    def note(self, form: str, function, args: tuple, options: dict, out, by=None) -> None:
        """One call more in the program."""
        errors = {k: v for k, v in np.geterr().items() if self.errors[k] != v}
        self.program.calls.append(Call(form, function, args, options, out, self.scope(), errors, by))

    def call(self, form: str, function, args: tuple, options: dict, by=None) -> Any:
        """Make a call (`by` what makes it, if that is not NumPy), note it, and give its result."""
        if isinstance(function, np.ufunc):
            args = beside_arrays(args)
        given, named = bare(args), bare(options)
        y = (by or function)(*given, **named)
        if not self.hears():
            return y
        args, options = self.known(args), self.known(options)
        if isinstance(y, tuple):
            parts = [*map(as_array, y)]
            if not any(map(self.program.knows, parts)):
                found = [self.new(part, "result") for part in parts]
                self.note(form, function, args, options, tuple(parts), by)
                return type(y)(found) if not hasattr(y, "_fields") else type(y)(*found)
            parts = [_Part(by or function, i) for i in range(len(y))]
            return tuple([self.result(form, part, args, options, one) for part, one in zip(parts, y, strict=True)])
        return self.result(form, function, args, options, y, by)

    def result(self, form, function, args, options, y, by=None):
        """The result `y` of a call: a view of what is known, or something new."""
        if isinstance(y, Traced) or not (is_array(y) or isinstance(y, np.generic)):
            return y
        y = as_array(y)
        if self.program.knows(y):
            return self.wrap(y)  # a view costs no call
        traced = self.new(y, "result")
        self.note(form, function, args, options, y, by)
        return traced

    def write(self, form: str, function, args: tuple, options: dict, target, by=None) -> None:
        """Note a call that has written into `target`."""
        if self.hears():
            out = None if form in ("setitem", "change") else self.known(target)
            self.note(form, function, self.known(args), self.known(options), out, by)


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
    if isinstance(leaf, Traced):
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
    device = property(lambda self: self.a.device)
    T = property(lambda self: self.tracer.wrap(self.a.T))
    mT = property(lambda self: self.tracer.wrap(self.a.mT))
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
            if isinstance(part, Traced) and part.dtype.kind == "b" and not self.tracer.is_constant(part):
                self._refuse()  # how many elements there are depends on the mask
        return _called(self, "__getitem__", (index,), {})

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
            target = bare(inputs[0])
            by = None if target.__class__ is np.ndarray else getattr(namespace(target), ufunc.__name__).at
            return changed(self.tracer, function, inputs, by)
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
        return _called(self, "reshape", shape, options)

    def astype(self, dtype, order="K", casting="unsafe", subok=True, copy=True):
        """As NumPy's."""
        if not copy and self.dtype == dtype:
            return self
        return _called(self, "astype", (np.dtype(dtype),), {})

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
    by = None if x.a.__class__ is np.ndarray else _REDUCED[ufunc]
    if out is not None:
        return into(x.tracer, ufunc.reduce, (x,), options, out, by)
    return x.tracer.call("call", ufunc.reduce, (x,), options, by)


def _reducing(name, takes_dtype):
    def reduce(x, axis=None, dtype=None, keepdims=False, out=None):
        options = {"dtype": dtype} if takes_dtype else {}
        return getattr(x, name)(axis=axis, out=out, keepdims=keepdims, **options)

    return reduce


_REDUCED = {  # by other libraries than NumPy
    np.add: _reducing("sum", True), np.multiply: _reducing("prod", True),
    np.maximum: _reducing("max", False), np.minimum: _reducing("min", False),
}  # fmt: skip


def _called(x, name, args, options):
    """Note a call of a method of a traced array."""
    own = x.a.__class__
    by = None if own is np.ndarray else getattr(own, name)
    return x.tracer.call("method", getattr(np.ndarray, name), (x, *args), options, by)


def _method(name):
    def method(self, *args, **options):
        return _called(self, name, args, options)

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


def into(tracer, function, args, options, out, by=None):
    """A call that writes into `out`, which it gives back."""
    tracer.keep(out)
    args = beside_arrays(args)
    (by or function)(*bare(args), out=bare(out), **bare(options))
    tracer.write("into", function, args, options, out, by)
    return out


def changed(tracer, function, args, by=None):
    """A call that changes its first argument."""
    tracer.keep(args[0])
    (by or function)(*bare(args))
    tracer.write("change", function, args, {}, None, by)


def called(tracer, function, args, options, by=None):
    """A NumPy function, with ``out=`` or without."""
    if function in (np.nonzero, np.flatnonzero, np.argwhere) and tracer.hears():
        args[0]._refuse()
    out = options.pop("out", None)
    if out is None:
        return tracer.call("call", function, args, options, by)
    return into(tracer, function, args, options, out, by)


# ---------------------------------------------------------------- the module


class _Module(ModuleType):
    """NumPy's functions (or those of one of its modules) for traced arrays of the library that `module` belongs to."""

    def __init__(self, module, numpys):
        super().__init__(f"traced {numpys.__name__}")
        self._module, self._numpys = module, numpys

    def __getattr__(self, name):
        value, of_numpy = getattr(self._module, name), getattr(self._numpys, name, None)
        if isinstance(of_numpy, ModuleType):
            found: Any = _Module(value, of_numpy)
        elif isinstance(of_numpy, (type, np.ufunc)) or not callable(value) or name in _PLAIN:
            found = of_numpy  # ufuncs dispatch
        else:
            found = _function(of_numpy or value, value)
        setattr(self, name, found)
        return found


_PLAIN = "dtype errstate result_type can_cast finfo iinfo broadcast_shapes issubdtype promote_types".split()


def _function(of_numpy, value):
    by = None if value is of_numpy else value

    def call(*args, **options):
        tracer = _current()
        if tracer is None:
            return value(*bare(args), **bare(options))
        return called(tracer, of_numpy, args, options, by)

    call.__name__ = of_numpy.__name__
    return call


def _current():
    from ...engine.outside import tracing

    return tracing()


class _Library(_Module):
    """The functions of a library for traced arrays."""

    def __init__(self, module, array_type):
        super().__init__(module, np)
        self._array_type = array_type

    def asarray(self, x, dtype=None, **options):
        """As NumPy's; of a list or an array it is a constant."""
        if isinstance(x, Traced):
            if x.a.__class__ is not self._array_type:  # from another library
                x = x.tracer.call("call", np.asarray, (x,), {}, self._module.asarray)
            return x if dtype is None or x.dtype == dtype else x.astype(dtype)
        tracer, array = _current(), self._module.asarray(bare(x), dtype)
        if tracer is None or not tracer.hears() or not (is_array(x) or isinstance(x, (list, tuple))):
            return array  # of a number: it may be kept for other traces, and becomes a constant where it is used
        return tracer.new(array.copy(), "constant")

    def array(self, x, dtype=None, **options):
        """As NumPy's: a copy."""
        if isinstance(x, Traced) and (dtype is None or x.dtype == dtype):
            return x.astype(x.dtype)
        return self.asarray(x, dtype)

    def ascontiguousarray(self, x):
        """As NumPy's."""
        return x if x.flags.c_contiguous else x.copy(order="C")


class _Special(ModuleType):
    """SciPy's special functions (those of another library, if `module` is): the ufuncs among them dispatch."""

    def __init__(self, module):
        super().__init__("traced special")
        self._module = module

    def __getattr__(self, name):
        value = getattr(self._module(), name)
        return value if isinstance(value, np.ufunc) else _function(value, value)


def _refused(x):
    return x._refuse()


def _kernel(traced, function, args, options):
    """A function that computes on memory in ways of its own is one call; `traced` is one of its arguments."""
    return traced.tracer.call("call", function, args, options)


def _register(traced, array_type, library, special_functions):
    module, _ = library_of(array_type)
    register_backend(
        traced,
        library,
        _refused,
        address=lambda x: address(x.a),
        view_at=lambda like, owner, offset: like.tracer.wrap(view_at(like.a, bare(owner), offset)),
        special=special_functions,
        kernels=_kernel,
        like=array_type,
        launch=launcher(module) and (lambda *call: launcher(module)(*call)),
    )


def traced_class(array_type: type) -> type:
    """The class whose arrays stand for those of `array_type`."""
    found = _classes.get(array_type)
    if found is None:
        found = _classes[array_type] = type(f"Traced{array_type.__name__}", (Traced,), {"__slots__": ()})
        module, functions = library_of(array_type)
        _register(found, array_type, _Library(module, array_type), _Special(functions))
    return found


_classes: dict[type, type] = {np.ndarray: Traced}
numpy_traced: Any = _Library(np, np.ndarray)
_register(Traced, np.ndarray, numpy_traced, _Special(partial(import_module, "scipy.special")))
