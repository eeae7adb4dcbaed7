"""A stand-in for CuPy on machines without a GPU: NumPy inside, and as strict as CuPy about what it takes.

No implicit conversion to NumPy, no mixing with NumPy arrays, 0-d arrays where NumPy returns scalars, and the same
manners with foreign types: its ufunc and function protocols stand back for a Tensor. `StrictArray` is registered with
the engine through the same hook as CuPy.
"""

from weakref import WeakValueDictionary

import numpy as np

from autograd_vs.base.backend import register_backend, same_view

BLOCKED = {"__array_interface__", "__array_struct__", "__buffer__", "__cuda_array_interface__"}


class StrictArray:
    """A wrapper around one NumPy array."""

    def __init__(self, array):
        self._a = np.asarray(array)
        if self._a.base is None:
            _owners[id(self._a)] = self

    def __array__(self, *args, **kwargs):
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()`.")

    def get(self):
        return self._a.copy()

    def item(self, *args):
        return self._a.item(*args)

    @property
    def base(self):
        return _owners.get(id(self._a.base))

    @property
    def T(self):
        return wrap(self._a.T)

    @property
    def real(self):
        return wrap(self._a.real)

    @property
    def imag(self):
        return wrap(self._a.imag)

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        if not all(known(x) for x in inputs):
            return NotImplemented
        return apply(getattr(ufunc, method), inputs, kwargs)

    def __array_function__(self, function, types, args, kwargs):
        if not all(issubclass(t, (StrictArray, np.ndarray)) for t in types):
            return NotImplemented
        return apply(function, args, kwargs)

    def __getattr__(self, name):
        if name in BLOCKED or name.startswith("__array"):
            raise AttributeError(name)
        value = getattr(self._a, name)
        return (lambda *a, **k: apply(value, a, k)) if callable(value) else value

    def __len__(self):
        return len(self._a)

    def __getitem__(self, index):
        return wrap(self._a[bare(index)])

    def __setitem__(self, index, value):
        self._a[bare(index)] = bare(value)

    def __bool__(self):
        return bool(self._a)

    def __float__(self):
        return float(self._a)

    def __int__(self):
        return int(self._a)

    def __index__(self):
        return self._a.__index__()

    __hash__ = object.__hash__


_owners: WeakValueDictionary = WeakValueDictionary()  # id of a NumPy array that owns its memory -> its wrapper


def known(x):
    return isinstance(x, (StrictArray, int, float, complex, bool)) or x is None


def bare(x):
    """The NumPy array inside; NumPy arrays themselves are refused, as CuPy refuses them."""
    if isinstance(x, StrictArray):
        return x._a
    if isinstance(x, np.ndarray):
        raise TypeError(f"Unsupported type {type(x)}")
    if isinstance(x, (list, tuple)):
        return type(x)(map(bare, x))
    return x


def wrap(y):
    if isinstance(y, (np.ndarray, np.generic)):
        return StrictArray(y)
    return tuple(map(wrap, y)) if isinstance(y, tuple) else [wrap(i) for i in y] if isinstance(y, list) else y


def apply(function, args, kwargs):
    return wrap(function(*map(bare, args), **{k: bare(v) for k, v in kwargs.items()}))


def _operator(name):
    def method(self, other):
        if getattr(type(other), "__array_ufunc__", None) is not None and not isinstance(
            other, (StrictArray, np.ndarray, np.generic)
        ):
            return NotImplemented
        return wrap(getattr(self._a, name)(bare(other)))

    return method


for _name in "add sub mul truediv floordiv mod pow matmul and or xor lt le gt ge eq ne".split():
    setattr(StrictArray, f"__{_name}__", _operator(f"__{_name}__"))
    if _name not in ("lt", "le", "gt", "ge", "eq", "ne"):
        setattr(StrictArray, f"__r{_name}__", _operator(f"__r{_name}__"))
for _name in ("neg", "pos", "abs", "invert"):
    setattr(StrictArray, f"__{_name}__", lambda self, _n=f"__{_name}__": wrap(getattr(self._a, _n)()))
for _name in ("iadd", "isub", "imul", "itruediv"):

    def _in_place(self, other, _n=f"__{_name}__"):
        getattr(self._a, _n)(bare(other))
        return self

    setattr(StrictArray, f"__{_name}__", _in_place)


class _Module:
    """The namespace: NumPy's functions, on StrictArrays only."""

    ndarray = StrictArray

    def __init__(self, module):
        self._module = module

    def asarray(self, x, dtype=None):
        return (
            x
            if isinstance(x, StrictArray) and dtype in (None, x.dtype)
            else StrictArray(np.array(x._a if isinstance(x, StrictArray) else x, dtype))
        )

    array = asarray

    def __getattr__(self, name):
        value = getattr(self._module, name)
        if type(value).__name__ == "module":
            return _Module(value)
        if isinstance(value, type) or not callable(value):
            return value
        if isinstance(value, np.ufunc):
            return _Ufunc(value)
        return lambda *a, **k: apply(value, a, k)


class _Ufunc:
    def __init__(self, ufunc):
        self._ufunc = ufunc

    def __call__(self, *args, **kwargs):
        return apply(self._ufunc, args, kwargs)

    def __getattr__(self, name):
        value = getattr(self._ufunc, name)
        return (lambda *a, **k: apply(value, a, k)) if callable(value) else value


strict = _Module(np)
register_backend(StrictArray, strict, StrictArray.get, lambda view, old, new: wrap(same_view(view._a, old._a, new._a)))
