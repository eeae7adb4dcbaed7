"""An array library for tests, as strict as CuPy: NumPy inside, and none of NumPy's leniency outside.

`StrictArray` stands for `cupy.ndarray`, `strict` for the module `cupy`. What they take, refuse and lack was read from
CuPy's sources (main of 2026-08: `_core/core.pyx`, `_core/_kernel.pyx`, `_core/_routines_indexing.pyx`) and from CuPy
14.2.0 itself: `dir(cupy)` against `numpy.__all__`, signatures against NumPy 2.4's, and the texts of its errors.

- No implicit conversion: ``np.asarray(x)`` raises. Functions and ufuncs refuse NumPy arrays and lists; Python numbers
  and NumPy scalars are welcome. Operators and protocols stand back for foreign types, as CuPy's do.
- Results are 0-d arrays where NumPy returns scalars.
- Integer arrays as indices wrap round instead of raising. NumPy arrays and lists are allowed as indices, and cost an
  upload. An assignment of two different values to one element raises: CuPy stores any one of them.
- What CuPy lacks is not there: functions, parameters, ``ufunc.at`` and ``reduce`` of most ufuncs, writeable flags.
- What makes the host wait for the device is counted, and so is what goes up to it: see `forbid_transfers`.
- Its memory can be limited: `pool`. `StrictDevices` makes it the device "gpu:0" (`register_devices`).

It does not imitate streams, several devices, and the order of float sums.
"""

import inspect
from contextlib import contextmanager
from functools import wraps
from weakref import WeakValueDictionary

import numpy as np
from kernels import by_numpy

from autograd_vs.base.backend import Pieces, address, register_backend, special, view_at
from autograd_vs.base.cuda.graphs import refuses
from autograd_vs.base.devices import Device, Devices, watched

__all__ = [
    "AmbiguousAssignment",
    "OutOfMemoryError",
    "StrictArray",
    "StrictDevices",
    "Transfer",
    "count_transfers",
    "forbid_transfers",
    "note_calls",
    "on_device",
    "pool",
    "strict",
]

# ---------------------------------------------------------------- transfers


class AmbiguousAssignment(AssertionError):
    """An assignment whose result CuPy does not define."""


class Transfer(Exception):
    """Data went between host and device where none may."""


_listeners: list = []


def _note(what, up=False):
    for listen in _listeners:
        listen(f"{'up' if up else 'down'}: {what}")


@contextmanager
def count_transfers():
    """Collect the transfers inside, as texts: ``"down: item"`` made the host wait, ``"up: asarray"`` copied to it."""
    seen: list = []
    _listeners.append(seen.append)
    try:
        yield seen
    finally:
        _listeners.remove(seen.append)


@contextmanager
def forbid_transfers(uploads=True):
    """A transfer inside raises `Transfer` where it happens; if somebody catches that, once more at the end.

    With ``uploads=False`` only what makes the host wait.
    """
    seen = []

    def refuse(what):
        if uploads or what.startswith("down"):
            seen.append(what)
            raise Transfer(what)

    _listeners.append(refuse)
    try:
        yield
    finally:
        _listeners.remove(refuse)
    if seen:
        raise Transfer(f"somebody caught it: {seen}")


# ---------------------------------------------------------------- what is asked of the library

_callers: list = []


@contextmanager
def note_calls(listen):
    """Tell ``listen(name, args, kwargs, result)`` of each call that succeeds; names: `"cupy.exp"`, `"ndarray.sum"`."""
    _callers.append(listen)
    try:
        yield
    finally:
        _callers.remove(listen)


def _told(name, function):
    """`function`, whose calls `note_calls` hears of."""

    @wraps(function, updated=())
    def call(*args, **kwargs):
        result = function(*args, **kwargs)
        for listen in _callers:
            listen(name, args, kwargs, result)
        return result

    return call


# ---------------------------------------------------------------- the array

SCALARS = (bool, int, float, complex, np.generic)


class Place:
    id = 0


class OutOfMemoryError(MemoryError):
    """As that of `cupy.cuda.memory`."""


class Pool:
    """The memory of the device: arrays that own theirs count, and an allocation beyond the limit raises."""

    limit = None

    def __init__(self):
        self.allocator = self.allocate  # may be set to another one

    def used(self):
        return sum(array.nbytes for array in list(_owners.values()))

    def allocate(self, size):
        if self.limit is not None and size + self.used() > self.limit:
            raise OutOfMemoryError(
                f"Out of memory allocating {size:,} bytes (allocated so far: {self.used():,} bytes, limit set to: "
                f"{self.limit:,} bytes)."
            )


pool = Pool()


class StrictDevices(Devices):
    """What `register_devices` takes: one device, which begins copies in one call and ends them in another."""

    def __init__(self):
        pool.allocator = watched(pool.allocate, OutOfMemoryError, lambda: "gpu:0")

    def found(self):
        return [Device("gpu:0", "strict stand-in", 1 << 30)]

    def check(self, number):
        if number:
            raise RuntimeError(f"there is no 'gpu:{number}': 1 GPU, numbered from 0")

    def put(self, array, number):
        return strict.asarray(array)

    def limit(self, size, number):
        before, pool.limit = pool.limit, size
        return before


class Flags:
    """Three flags and no more: CuPy does not know read-only arrays."""

    def __init__(self, flags):
        self.c_contiguous, self.f_contiguous, self.owndata = flags.c_contiguous, flags.f_contiguous, flags.owndata
        self.fnc, self.forc = flags.fnc, flags.forc

    def __getitem__(self, name):
        return {"C_CONTIGUOUS": self.c_contiguous, "F_CONTIGUOUS": self.f_contiguous, "OWNDATA": self.owndata}[name]


_owners: WeakValueDictionary = WeakValueDictionary()  # id of a NumPy array that owns its memory -> its wrapper


class StrictArray:
    """A wrapper around one NumPy array, which nobody else holds."""

    __slots__ = ("__weakref__", "_a", "base")
    __array_priority__ = 100
    device = Place()

    def __init__(self, array):
        self._a = array
        owner = array.base
        while isinstance(owner, np.ndarray) and isinstance(owner.base, np.ndarray):
            owner = owner.base
        self.base = None if owner is None else _owners.get(id(owner))
        if owner is None:
            pool.allocator(array.nbytes)
            _owners[id(array)] = self

    # ------------------------------------------------ what it is
    shape = property(lambda self: self._a.shape)
    dtype = property(lambda self: self._a.dtype)
    ndim = property(lambda self: self._a.ndim)
    size = property(lambda self: self._a.size)
    nbytes = property(lambda self: self._a.nbytes)
    itemsize = property(lambda self: self._a.itemsize)
    strides = property(lambda self: self._a.strides)
    flags = property(lambda self: Flags(self._a.flags))
    T = property(lambda self: wrap(self._a.T))
    mT = property(lambda self: wrap(self._a.mT))

    @property
    def real(self):
        return wrap(self._a.real)

    @real.setter
    def real(self, value):
        self._a.real = bare(value)

    @property
    def imag(self):
        return wrap(self._a.imag)

    @imag.setter
    def imag(self, value):
        self._a.imag = bare(value)

    # ------------------------------------------------ the ways out, which wait
    def get(self):
        _note("get")
        return self._a.copy()

    def item(self):
        _note("item")
        if self.size != 1:
            raise ValueError("can only convert an array of size 1 to a Python scalar")
        return self._a.item()

    def tolist(self):
        _note("tolist")
        return self._a.tolist()

    def tobytes(self, order="C"):
        return self.get().tobytes(order)

    def __bool__(self):
        _note("bool")
        return bool(self._a)

    def __float__(self):
        _note("float")
        return float(self._a)

    def __int__(self):
        _note("int")
        return int(self._a)

    def __complex__(self):
        _note("complex")
        return complex(self._a)

    def __repr__(self):
        return repr(self.get())

    def __str__(self):
        return str(self.get())

    def __format__(self, spec):
        return format(self.get(), spec)

    def __reduce__(self):
        return on_device, (self.get(),)

    def __array__(self, dtype=None, copy=None):
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. Please use `.get()` to construct a NumPy array "
            "explicitly."
        )

    # ------------------------------------------------ containers
    def __len__(self):
        if not self.ndim:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    def __iter__(self):
        if not self.ndim:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(self.shape[0]))

    def __getitem__(self, index):
        parts, advanced = _settled(index, self.shape)
        found = self._a[parts]
        return wrap(found.copy() if advanced and isinstance(found, np.ndarray) else found)

    def __setitem__(self, index, value):
        parts, advanced = _settled(index, self.shape)
        if isinstance(value, StrictArray):
            value = value._a
        elif advanced and isinstance(value, (np.ndarray, list)):
            value = _up(value, "setitem", self.dtype)
        elif not isinstance(value, SCALARS):
            raise ValueError(f"non-scalar {type(value).__module__}.{type(value).__name__} cannot be used for fill")
        if advanced and any(isinstance(p, np.ndarray) and p.dtype.kind != "b" for p in parts):
            _assign(self._a, parts, value)
        else:
            self._a[parts] = value

    # ------------------------------------------------ NumPy's protocols
    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        out = kwargs.get("out")
        if out is not None:
            if len(out) != 1:
                raise ValueError("The 'out' parameter must have exactly one array value")
            kwargs["out"] = out[0]
        if method not in ("__call__", "outer", "at", "reduce", "accumulate", "reduceat"):
            return NotImplemented
        function = getattr(strict, ufunc.__name__, None)
        if function is None or not hasattr(function, method):
            return NotImplemented
        if not all(isinstance(x, (*SCALARS, StrictArray, np.ndarray)) for x in (*inputs, *(out or ()))):
            return NotImplemented
        if ufunc.__name__ in ("greater", "greater_equal", "less", "less_equal", "equal", "not_equal"):
            inputs = [x.item() if isinstance(x, np.ndarray) and not x.ndim else x for x in inputs]
        return (function if method == "__call__" else getattr(function, method))(*inputs, **kwargs)

    def __array_function__(self, function, types, args, kwargs):
        module = strict
        try:
            for part in function.__module__.split(".")[1:]:
                module = getattr(module, part)
            own = getattr(module, function.__name__)
        except AttributeError:
            return NotImplemented
        if own is function or not all(issubclass(t, (StrictArray, np.ndarray)) for t in types):
            return NotImplemented
        return own(*args, **kwargs)

    # ------------------------------------------------ operators
    __hash__ = object.__hash__

    def __eq__(self, other):
        if not _stands_back(self, other) and (other is None or type(other).__eq__ is object.__eq__):
            return strict.zeros(self.shape, bool)
        return _operated(np.equal, self, other)

    def __ne__(self, other):
        if not _stands_back(self, other) and (other is None or type(other).__ne__ is object.__ne__):
            return strict.ones(self.shape, bool)
        return _operated(np.not_equal, self, other)

    def __pow__(self, other):
        if type(other) in (int, float) and other == 2:
            return strict.square(self, dtype=None if self.dtype.kind in "ifc" else np.result_type(self.dtype, other))
        return _operated(np.power, self, other)

    def __neg__(self):
        return strict.negative(self)

    def __pos__(self):
        return strict.positive(self)

    def __abs__(self):
        return strict.absolute(self)

    def __invert__(self):
        return strict.invert(self)

    def __divmod__(self, other):
        return _operated(np.divmod, self, other)

    def __copy__(self):
        return self.copy()

    def __deepcopy__(self, memo):
        return self.copy()

    def reshape(self, *shape, order="C", copy=None):
        return wrap(self._a.reshape(*shape, order=order))

    def transpose(self, *axes):
        return wrap(self._a.transpose(*axes))

    def nonzero(self):
        _note("nonzero")
        if not self.ndim:
            raise ValueError(
                "Calling nonzero on 0d arrays is not allowed. Use cp.atleast_1d(scalar).nonzero() instead."
            )
        return wrap(self._a.nonzero())

    def take(self, indices, axis=None, out=None):
        if not isinstance(indices, (StrictArray, *SCALARS)):
            indices = wrap(_up(indices, "take", int))
        n = self.size if axis is None else self.shape[axis]
        return apply(
            np.ndarray.take, "take", (self, indices), {"axis": axis, "out": out, "mode": "wrap" if n else "raise"}
        )

    def repeat(self, repeats, axis=None):
        if not isinstance(repeats, int):
            _note("repeat by an array")
        return wrap(self._a.repeat(repeats._a if isinstance(repeats, StrictArray) else repeats, axis))

    def view(self, dtype=None, type=None):
        if type is not None:
            raise NotImplementedError("views of another type of array")
        return wrap(self._a if dtype is None else self._a.view(dtype))

    def fill(self, value):
        if np.shape(bare(value) if isinstance(value, StrictArray) else value):
            raise ValueError(f"non-scalar {type(value)} cannot be used for fill")
        self._a.fill(bare(value) if isinstance(value, StrictArray) else value)


# CuPy's methods and their parameters; other methods of NumPy's arrays are not there.
_METHODS = {
    "all any": "axis out keepdims", "max min": "axis out keepdims", "argmax argmin": "axis out dtype keepdims",
    "argpartition partition": "kth axis", "argsort sort": "axis kind", "astype": "dtype order casting subok copy",
    "clip": "min max out", "conj conjugate": "", "copy": "order", "cumprod cumsum": "axis dtype out",
    "diagonal": "offset axis1 axis2", "dot": "b out", "flatten ravel": "order",
    "mean prod sum": "axis dtype out keepdims", "round": "decimals out", "searchsorted": "v side sorter",
    "squeeze": "axis", "std var": "axis dtype out ddof keepdims", "swapaxes": "axis1 axis2",
    "trace": "offset axis1 axis2 dtype out",
}  # fmt: skip


def _method(name, parameters):
    parameters = parameters.split()
    of_numpy = getattr(np.ndarray, name)

    def method(self, *args, **kwargs):
        if len(args) > len(parameters) or not set(kwargs) <= set(parameters[len(args) :]):
            raise TypeError(f"{name}() takes {parameters}, got {len(args)} and {list(kwargs)}")
        given = dict(zip(parameters, args, strict=False)) | kwargs
        if name == "dot" and not isinstance(args[0], StrictArray):
            raise TypeError(f"Argument 'b' has incorrect type (expected cupy.ndarray, got {type(args[0])})")
        if name == "searchsorted" and not isinstance(given["v"], (StrictArray, int, float, complex)):
            raise NotImplementedError("Only python scalars or ndarrays are supported for v")
        if name == "astype" and not (given.pop("casting", None) is None and given.pop("subok", None) is None):
            raise TypeError("casting is not supported yet")
        if name.startswith("arg") and given.get("dtype", 0) is None:
            del given["dtype"]
        first = [given.pop(p) for p in parameters[: len(args)] if p in given and not name.startswith("arg")]
        return apply(of_numpy, name, (self, *first), given)

    method.__name__ = name
    return method


for _name in ("__getitem__", "__setitem__", "fill", "nonzero", "repeat", "reshape", "take", "transpose", "view"):
    setattr(StrictArray, _name, _told(f"ndarray.{_name}", getattr(StrictArray, _name)))
for _names, _parameters in _METHODS.items():
    for _name in _names.split():
        setattr(StrictArray, _name, _told(f"ndarray.{_name}", _method(_name, _parameters)))


def _stands_back(x, other):
    """CuPy's `_should_use_rop`."""
    ufunc = getattr(other, "__array_ufunc__", _stands_back)
    if ufunc is not _stands_back:
        return ufunc is None
    return x.__array_priority__ < getattr(other, "__array_priority__", 0)


def _operated(ufunc, x, other):
    if isinstance(other, StrictArray):
        return getattr(strict, ufunc.__name__)(x, other)
    return NotImplemented if _stands_back(x, other) else ufunc(x, other)


_OPERATORS = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "matmul": np.matmul, "truediv": np.true_divide,
    "floordiv": np.floor_divide, "mod": np.remainder, "pow": np.power, "lshift": np.left_shift,
    "rshift": np.right_shift, "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor, "lt": np.less,
    "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal,
}  # fmt: skip


def _install(name, ufunc):
    if name != "pow":
        setattr(StrictArray, f"__{name}__", lambda self, other: _operated(ufunc, self, other))
    if name in ("lt", "le", "gt", "ge"):
        return
    setattr(
        StrictArray,
        f"__r{name}__",
        lambda self, other: NotImplemented if _stands_back(self, other) else ufunc(other, self),
    )
    if name != "matmul":  # CuPy has no __imatmul__
        setattr(StrictArray, f"__i{name}__", lambda self, other: getattr(strict, ufunc.__name__)(self, other, self))


for _name, _ufunc in _OPERATORS.items():
    _install(_name, _ufunc)


# ---------------------------------------------------------------- indices


def _up(x, what, dtype=None):
    """Host data as an array inside: an upload, unless it is a number."""
    array = np.asarray(x, dtype)
    if array.ndim:
        _note(what, up=True)
    if array.dtype.kind not in "biufc":
        raise ValueError(f"Unsupported dtype {array.dtype}")
    return array


def _settled(index, shape):
    """``(index, has it arrays)`` for the array inside: integer arrays wrapped round, masks counted as waits."""
    parts = []
    for part in index if isinstance(index, tuple) else (index,):
        if part is None or part is Ellipsis or isinstance(part, slice):
            parts.append(part)
        elif isinstance(part, StrictArray):
            parts.append(part._a)
        elif isinstance(part, (bool, np.bool_)):
            parts.append(np.asarray(part))
        elif np.isscalar(part):
            parts.append(int(part))
        elif isinstance(part, (list, tuple, np.ndarray)):
            array = _up(part, "index")
            parts.append(array.astype(np.int32) if not array.size and isinstance(part, list) else array)
        else:
            raise IndexError(f"only integers, slices and arrays are valid indices, got {type(part)}")
    for part in parts:
        if isinstance(part, slice):
            for bound in (part.start, part.stop, part.step):
                if isinstance(bound, StrictArray):
                    raise TypeError("slice indices must be integers or None or have an __index__ method")
    advanced = any(isinstance(p, np.ndarray) for p in parts)
    if not advanced:
        return tuple(parts), False
    taken = sum(p.ndim if isinstance(p, np.ndarray) and p.dtype.kind == "b" else p not in (None, Ellipsis)
                if not isinstance(p, np.ndarray) else 1 for p in parts)  # fmt: skip
    axis, settled = 0, []
    for part in parts:
        if part is Ellipsis:
            axis += len(shape) - taken
        elif isinstance(part, np.ndarray) and part.dtype.kind == "b":
            _note("mask")
            axis += part.ndim
        elif isinstance(part, np.ndarray):
            if part.dtype.kind not in "iu":
                raise IndexError(f"arrays used as indices must be of integer or boolean type. (actual: {part.dtype})")
            if axis < len(shape) and shape[axis]:
                part = part.astype(np.int64) % shape[axis]
            axis += 1
        elif part is not None:
            axis += 1
        settled.append(part)
    return tuple(settled), True


def _assign(a, parts, value):
    """``a[parts] = value``; where two different values go to one element CuPy stores any one, and this raises."""
    places = np.arange(a.size).reshape(a.shape)[parts]
    given = np.broadcast_to(np.asarray(value, a.dtype) if not isinstance(value, np.ndarray) else value, places.shape)
    a[parts] = value
    if places.size and not np.array_equal(a.reshape(-1)[places], given.astype(a.dtype), equal_nan=a.dtype.kind in "fc"):
        raise AmbiguousAssignment("several values for one element: which one stays is undefined in CuPy")


# ---------------------------------------------------------------- the module


def bare(x):
    """What is inside; NumPy arrays themselves are refused, as CuPy refuses them."""
    if isinstance(x, StrictArray):
        return x._a
    if isinstance(x, np.ndarray):
        raise TypeError(f"Unsupported type {type(x)}")
    if isinstance(x, (list, tuple)):
        return type(x)([bare(i) for i in x])
    return x


def wrap(y):
    if isinstance(y, np.ndarray):
        found = _owners.get(id(y))
        if found is not None and found._a is y:
            return found
        array = StrictArray(y)
        # What NumPy gives as a view of an array of its own has an owner nobody else sees: CuPy's would be that owner.
        return array if array.base is not None or y.base is None else StrictArray(y.copy(order="K"))
    if isinstance(y, np.generic):
        return StrictArray(np.asarray(y))
    return tuple([wrap(i) for i in y]) if isinstance(y, tuple) else [wrap(i) for i in y] if isinstance(y, list) else y


def apply(function, name, args, kwargs):
    out = kwargs.get("out")
    if out is not None and not isinstance(out, StrictArray):
        raise TypeError(f"{name}: out= must be an array of this library, got {type(out)}")
    y = function(*[bare(a) for a in args], **{k: bare(v) for k, v in kwargs.items()})
    return out if out is not None else wrap(y)


def on_device(x, dtype=None):
    """A StrictArray with a copy of the NumPy array (list, number) `x`."""
    return StrictArray(np.array(x, dtype))


# Names of `numpy` which CuPy 14.2.0 lacks (`numpy.__all__` against `dir(cupy)`), and of `numpy.linalg`;
# `test_cupy_names.py` compares them, and what follows, with CuPy where that can be imported.
MISSING = set(
    "asmatrix block bmat busday_count busday_offset datetime_as_string datetime_data einsum_path frompyfunc fromregex "
    "geomspace getbufsize geterr geterrcall histogram_bin_edges info insert is_busday isnat matvec nanpercentile "
    "nanquantile nested_iters polyder polydiv polyint setbufsize seterr seterrcall spacing unstack vecdot vecmat "
    "False_ ScalarType True_ busdaycalendar bytes_ char character clongdouble complex256 core ctypeslib "
    "datetime64 dtypes emath errstate f2py flexible float128 get_include little_endian longdouble ma matrix memmap "
    "ndenumerate nditer object_ rec recarray record sctypeDict show_runtime str_ strings test timedelta64 typecodes "
    "void".split()
)
MISSING_LINALG = set("svdvals multi_dot trace diagonal outer tensordot matrix_norm vector_norm vecdot".split())
# Parameters which CuPy's functions lack, or call by another name.
_LACKS = {
    "all any": "where", "amax amin max min nanmax nanmin": "initial where",
    "prod sum nanprod nansum": "initial where", "mean nanmean": "where",
    "std var nanstd nanvar": "where mean correction",
    "argpartition partition": "kind order", "argsort sort": "order stable", "clip": "min max", "take": "mode",
    "count_nonzero": "keepdims", "lexsort": "axis", "isin": "kind", "unique": "sorted",
    "broadcast_to broadcast_arrays copy": "subok", "percentile quantile": "weights", "trim_zeros": "axis",
    "arange array asarray asanyarray empty eye full linspace ones zeros empty_like full_like ones_like zeros_like":
        "device like ndmax object",
    "concat concatenate stack": "arrays", "flip fliplr flipud rot90": "m", "histogram": "a", "reshape": "shape",
    "fft ifft fft2 ifft2 fftn ifftn rfft irfft rfft2 irfft2 rfftn irfftn hfft ihfft": "out",
    "take_along_axis": "arr", "unravel_index": "shape", "indices": "sparse", "cov": "m", "corrcoef": "x",
    "cholesky": "upper", "pinv": "hermitian rtol", "svd": "hermitian", "matrix_rank": "A hermitian rtol",
    "ascontiguousarray asfortranarray identity require tri": "like", "astype fftfreq rfftfreq": "device",
    "array_str matrix_power": "a", "delete": "obj", "ediff1d": "ary", "extract": "arr",
    "intersect1d union1d": "ar1 ar2",
    "load": "encoding fix_imports max_header_size", "show_config": "mode", "unpackbits": "count",
}  # fmt: skip
LACKS = {name: set(parameters.split()) for names, parameters in _LACKS.items() for name in names.split()}
RENAMED = {"A", "a", "ar1", "ar2", "arr", "arrays", "ary", "m", "obj", "shape", "x"}  # those only by keyword
# Functions that look at values before they return.
WAITING = set(
    "flatnonzero argwhere unique unique_all unique_counts unique_inverse unique_values bincount delete extract "
    "compress intersect1d setdiff1d setxor1d union1d in1d isin average histogram histogram2d histogramdd array2string "
    "array_repr array_str save savez savez_compressed savetxt trim_zeros select choose".split()
)
SEQUENCES = set(
    "concatenate concat stack hstack vstack dstack column_stack einsum meshgrid broadcast_arrays result_type lexsort "
    "select ix_ savez savez_compressed common_type broadcast".split()
)
SHAPES = set(
    "zeros ones empty full broadcast_shapes indices ndindex tri unravel_index ravel_multi_index fromfunction dtype "
    "can_cast promote_types asarray array asanyarray".split()
)


class _Module:
    """The namespace: what CuPy has of NumPy's functions, on StrictArrays only."""

    ndarray = StrictArray
    _own = ("asarray", "asanyarray", "array", "ascontiguousarray")

    def __init__(self, module, missing, path):
        self._module, self._missing, self._path = module, missing, path
        for name in self._own:
            setattr(self, name, _told(f"{path}.{name}", getattr(self, name)))

    def asarray(self, x, dtype=None, order=None, copy=None):
        if isinstance(x, StrictArray):
            return x if dtype is None or x.dtype == dtype else x.astype(dtype)
        if isinstance(x, (list, tuple)) and any(isinstance(i, StrictArray) for i in x):
            return self.stack([self.asarray(i) for i in x]).astype(dtype or x[0].dtype)
        return StrictArray(np.array(_up(x, "asarray", dtype)))

    asanyarray = asarray

    def array(self, x, dtype=None, copy=True, order="K"):
        y = self.asarray(x, dtype)
        return y.copy() if y is x and copy else y

    def ascontiguousarray(self, a, dtype=None):
        return wrap(np.ascontiguousarray(bare(a), dtype))

    def __getattr__(self, name):
        if name in self._missing or name.startswith("_"):
            raise AttributeError(f"module 'cupy' has no attribute {name!r}")
        value = getattr(self._module, name)
        if name in ("linalg", "fft") and type(value).__name__ == "module":
            kind, missing = (_Linalg, MISSING_LINALG) if name == "linalg" else (_Module, set())
            found = kind(value, missing, f"{self._path}.{name}")
        elif isinstance(value, type) or not callable(value) or name in ("printoptions", "issubdtype"):
            if type(value).__name__ == "module":
                raise AttributeError(f"the stand-in has no {name}")
            return value
        else:
            found = _callable(value, f"{self._path}.{name}")
        setattr(self, name, found)
        return found


def _callable(function, path):
    """A function of NumPy or SciPy as one of the library, known there as `path`."""
    if isinstance(function, np.ufunc):
        return Ufunc(function, path)
    return _told(path, _function(function, path.rpartition(".")[2]))


class _Linalg(_Module):
    """``cupy.linalg`` (`linalg/_solve.py`, `_decomposition.py`, `_eigenvalue.py`): where it is not NumPy's."""

    _own = ("solve", "eig", "eigvals", "eigh", "lstsq")

    def __getattr__(self, name):
        found = super().__getattr__(name)
        if name in ("inv", "solve", "cholesky"):
            found = _unchecked(found)
        setattr(self, name, found)
        return found

    def solve(self, a, b):
        """No broadcasting of stacks."""
        if b.ndim > 1 and a.shape[:-1] != b.shape[:-1]:
            raise ValueError("a must have (..., M, M) shape and b must have (..., M, K) for multidimensional b")
        return _unchecked(_function(np.linalg.solve, "solve"))(a, b)

    def eig(self, a):
        """Complex results always."""
        w, v = apply(np.linalg.eig, "eig", (a,), {})
        dtype = np.result_type(w.dtype, np.complex64)
        return w.astype(dtype), v.astype(dtype)

    def eigvals(self, a):
        return self.eig(a)[0]

    def eigh(self, a, UPLO="L"):
        if UPLO not in ("L", "U"):
            raise ValueError("UPLO argument must be 'L' or 'U'")
        return apply(np.linalg.eigh, "eigh", (a, UPLO), {})

    def lstsq(self, a, b, rcond=None):
        """The rank is an array; the host waits for it to see whether there are residuals."""
        if a.shape[0] > a.shape[1]:
            _note("lstsq")
        return apply(np.linalg.lstsq, "lstsq", (a, b, rcond), {})


def _unchecked(function):
    """By default CuPy does not look whether a matrix was singular, or not positive definite: anything comes back."""

    def call(a, *b):
        try:
            return function(a, *b)
        except np.linalg.LinAlgError as error:
            if "quare" in str(error) or "dimension" in str(error):
                raise
            like = a if not b else a[..., 0] if b[0].ndim == 1 else b[0]
            return like * float("nan")

    return call


def _function(function, name):
    lacks = LACKS.get(name, ())
    try:
        signature = inspect.signature(function) if lacks else None
    except ValueError:  # older NumPys do not tell that of their compiled functions
        signature = None

    def call(*args, **kwargs):
        given = set(kwargs) & set(lacks)
        if lacks and signature is not None:
            given |= set(signature.bind(*args, **kwargs).arguments) & (set(lacks) - RENAMED)
        if given:
            raise TypeError(f"{name}() got an unexpected keyword argument {sorted(given)}")
        if name in WAITING or (name == "where" and len(args) + len(kwargs) == 1):
            _note(name)
        if name not in SEQUENCES and name not in SHAPES:
            for i, x in enumerate((*args, *kwargs.values())):
                if isinstance(x, (list, tuple)) and (not i or not _only_integers(x)):
                    raise TypeError(f"{name}: Unsupported type {type(x)}")
        if name in ("packbits", "unpackbits") and (*args[1:2], kwargs.get("axis"))[0] is not None:
            raise NotImplementedError("axis option is not supported yet")
        if name == "lexsort" and not isinstance(args[0], StrictArray):
            raise AttributeError("'tuple' object has no attribute 'ndim'")
        if name in ("take", "repeat", "nonzero", "searchsorted"):
            return getattr(StrictArray, name)(*args, **kwargs)
        if name == "clip":
            return getattr(StrictArray, name)(*args, **kwargs)
        if name in ("vdot", "dot", "inner", "outer", "tensordot", "kron") and not all(
            isinstance(x, StrictArray) for x in args[:2]
        ):
            raise TypeError(f"{name}: expected cupy.ndarray, got {[type(x) for x in args[:2]]}")
        if name == "concatenate" and len(args) > 2:
            args, kwargs = args[:2], {"out": args[2]}
        y = apply(function, name, args, kwargs)
        if name in ("allclose", "array_equal", "array_equiv", "count_nonzero"):
            y = y if isinstance(y, StrictArray) else StrictArray(np.asarray(y))
        return y

    call.__name__ = name
    return call


def _only_integers(x):
    return all(
        x is None or isinstance(x, (int, np.integer, str)) or (isinstance(x, tuple) and _only_integers(x)) for x in x
    )


_AT = {"add": "ilIL" + "qQ" + "efd", "subtract": "iI", "maximum": "ilILqQfd", "minimum": "ilILqQfd",
       "bitwise_and": "ilILqQ", "bitwise_or": "ilILqQ", "bitwise_xor": "ilILqQ"}  # fmt: skip
_REDUCE = {"add": ("sum", "cumsum"), "multiply": ("prod", "cumprod")}


class Ufunc:
    """A universal function: arrays of this library and numbers, `out`, `dtype` and `casting`."""

    def __init__(self, ufunc, path):
        self._ufunc, self.__name__, self._path = ufunc, ufunc.__name__, path
        self.nin, self.nout, self.nargs = ufunc.nin, ufunc.nout, ufunc.nargs
        self._real = self.__name__ in REAL
        self.types = [t for t in ufunc.types if not (self._real and {"F", "D"} & set(t))]

    def __call__(self, *args, **options):
        result = self._applied(*args, **options)
        for listen in _callers:
            listen(self._path, args, options, result)
        return result

    def _applied(self, *args, out=None, dtype=None, casting="same_kind", **wrong):
        if wrong:
            raise TypeError(f"Wrong arguments {wrong}")
        if not self.nin <= len(args) <= self.nargs:
            raise TypeError(f"Wrong number of arguments for '{self.__name__}'")
        args, outs = args[: self.nin], args[self.nin :]
        if out is None and outs:
            out = outs[0] if len(outs) == 1 else outs
        out = out[0] if isinstance(out, tuple) and len(out) == 1 else out
        if self.__name__ == "matmul" and not all(isinstance(x, StrictArray) for x in args):
            raise TypeError(f"matmul: expected cupy.ndarray, got {[type(x) for x in args]}")
        for x in (*args, *((out,) if out is not None else ())):
            if not isinstance(x, (StrictArray, *SCALARS)):
                raise TypeError(f"Unsupported type {type(x)}")
        if self._real and any(getattr(x, "dtype", np.dtype(bool)).kind == "c" for x in args):
            raise TypeError(f"Wrong type ({[x.dtype for x in args]}) of arguments for {self.__name__}")
        options = {"casting": casting} | ({} if dtype is None else {"dtype": dtype})
        return apply(self._ufunc, self.__name__, args, options if out is None else options | {"out": out})

    def at(self, a, indices, b=None):
        codes = _AT.get(self.__name__)
        if codes is None:
            raise NotImplementedError(f"`cupy_{self.__name__}.at` is not supported yet")
        parts, advanced = _settled(indices, a.shape)
        if not isinstance(b, (StrictArray, *SCALARS)):
            if not advanced:
                raise TypeError(f"Unsupported type {type(b)}")
            b = wrap(_up(b, f"{self.__name__}.at", a.dtype))
        arrays = [p for p in parts if isinstance(p, np.ndarray)]
        if advanced and not (len(arrays) == 1 and arrays[0].dtype.kind == "b") and a.dtype.char not in codes:
            raise TypeError(f"cupy.{self.__name__}.at does not support {a.dtype} as data type")
        self._ufunc.at(a._a, parts, np.asarray(bare(b)).astype(a.dtype))
        for listen in _callers:
            listen(f"{self._path}.at", (a, indices, b), {}, None)

    def __getattr__(self, name):
        if name in ("reduce", "accumulate", "reduceat", "outer") and self.__name__ != "matmul":
            return _told(f"{self._path}.{name}", lambda *args, **kwargs: self._other(name, *args, **kwargs))
        raise AttributeError(f"'cupy._core._kernel.ufunc' object has no attribute {name!r}")

    def _other(self, method, array, *args, **kwargs):
        if method == "outer":
            return apply(self._ufunc.outer, self.__name__, (array, *args), kwargs)
        if method == "reduceat" and self.__name__ == "add":
            return apply(np.add.reduceat, "reduceat", (array, *args), kwargs)
        if self.__name__ not in _REDUCE or method == "reduceat":
            raise NotImplementedError(f"`cupy_{self.__name__}.{method}` is not supported yet")
        if not args:
            kwargs.setdefault("axis", 0)
        return getattr(array, _REDUCE[self.__name__][method == "accumulate"])(*args, **kwargs)


# What `cupyx.scipy.special` has of SciPy's functions (`__init__.py` there, main of 2026-08).
SPECIAL = set(
    "bdtr bdtrc bdtri beta betainc betaincinv betaln binom boxcox boxcox1p cbrt chdtr chdtrc chdtri cosdg cosm1 cotdg "
    "digamma ellipeinc ellipj ellipk ellipkinc ellipkm1 entr erf erfc erfcinv erfcx erfinv exp1 exp10 exp2 expi expit "
    "expm1 expn exprel fdtr fdtrc fdtri gamma gammainc gammaincc gammainccinv gammaincinv gammaln gammasgn gdtr gdtrc "
    "huber i0 i0e i1 i1e inv_boxcox inv_boxcox1p j0 j1 k0 k0e k1 k1e kl_div lambertw log1p log_expit log_ndtr "
    "log_softmax loggamma logit logsumexp lpmv multigammaln nbdtr nbdtrc nbdtri ndtr ndtri pdtr pdtrc pdtri poch "
    "polygamma pseudo_huber psi radian rel_entr rgamma round shichi sici sinc sindg softmax sph_harm_y spherical_yn "
    "tandg wright_bessel xlog1py xlogy y0 y1 yn zeta zetac".split()
)
# Ufuncs that refuse complex numbers, which NumPy's and SciPy's take.
REAL = set("logical_and logical_not logical_or logical_xor erf erfc erfcx exp1 expi log_ndtr ndtr".split())


class _Special:
    """The module `cupyx.scipy.special`, on StrictArrays; it needs SciPy only when a function is asked for."""

    def __getattr__(self, name):
        if name not in SPECIAL:
            raise AttributeError(f"module 'cupyx.scipy.special' has no attribute {name!r}")
        value = getattr(special(), name)
        found = _callable(value, f"cupyx.scipy.special.{name}")
        setattr(self, name, found)
        return found


class Graphs:
    """Stands for `autograd_vs.base.cuda.graphs`: what is captured may neither wait nor copy, and runs when launched."""

    refuses = staticmethod(refuses)

    @staticmethod
    def rehearse(run):
        run()

    @staticmethod
    def capture(run):
        def launch():
            with forbid_transfers():
                run()

        return launch


def launch(kernel, size, arguments):
    """Run a kernel of our own; CuPy's would read the memory of a NumPy array at its address on the host."""
    for x in arguments:
        for a in x if isinstance(x, Pieces) else (x,):
            if isinstance(a, np.ndarray):
                raise TypeError(f"Unsupported type {type(a)}")
    by_numpy(kernel, size, arguments)


strict = _Module(np, MISSING, "cupy")
register_backend(
    StrictArray,
    strict,
    StrictArray.get,
    lambda a: address(a._a),
    lambda like, owner, offset: wrap(view_at(like._a, owner._a, offset)),
    special=_Special(),
    graphs=Graphs,
    launch=launch,
)
