"""NumPy or CuPy: the one file (with `cuda/` beside it, when there is one) that knows there are two. Floor 0.

Everything above asks here for the namespace of an array, its device, copies, and the memory it lies in. CuPy is never
imported by us: an array of a type not seen before names its own library. `register_backend` takes any other library
that speaks NumPy's language (the tests use a strict stand-in). SciPy's special functions are found here, too.

Arrays stay where they are, and what is computed from them stays there, too: `as_array`. What a user hands over from the
host (NumPy arrays, lists, numbers given to Tensor, Variable or an op) goes through `placed`: to the device that is open
in this thread or task (`devices.py`). Where none is it stays NumPy's, unless `place_host_data` names another library.
"""

import sys
from functools import wraps
from importlib import import_module
from typing import Any

import numpy as np

from .stack import Stack

__all__ = [
    "NUMPYS", "Pieces", "add_at", "address", "arrived", "as_array", "beside", "collectives", "copy", "device", "graphs",
    "has_numbers", "has_values", "home", "is_array", "is_writable", "kernel", "launcher", "leading", "library_of",
    "matrix_product", "memory_owner", "namespace", "on_host", "ones", "open_place", "place_host_data", "placed",
    "places", "register_backend", "repeated", "same_view", "see_arrays_through", "special", "special_function",
    "to_numpy", "view_at", "write",
]  # fmt: skip


# The C library gives the memory of a freed array of more than 128 kB back to the system, and the next one comes with
# pages that the system has to zero: a third of a training step of medium size. Freeing one of almost 32 MB (never
# touched, so it costs nothing) teaches glibc to keep up to 64 MB, by its dynamic threshold: see mallopt(3).
np.empty((1 << 25) - (1 << 16), np.uint8)


def _numpy_address(a):
    return a.__array_interface__["data"][0]


def _numpy_view(like, owner, offset):
    return np.ndarray(like.shape, like.dtype, _bytes(owner), offset, like.strides)


def _cupy_address(a):
    return a.data.ptr


def _cupy_view(like, owner, offset):
    first = _bytes(owner)[offset : offset + like.itemsize].view(like.dtype)
    return namespace(owner).lib.stride_tricks.as_strided(first, like.shape, like.strides)  # it looks at no bounds


def _bytes(owner):
    """The memory of an array that owns it, as bytes."""
    if owner.flags.c_contiguous:
        return owner.reshape(-1).view(np.uint8)
    strides = owner.strides
    in_order = owner.transpose(sorted(range(owner.ndim), key=lambda axis: -strides[axis]))
    return in_order.reshape(-1).view(np.uint8)  # no copy: an array that owns its memory has no gaps


_namespaces: dict[Any, Any] = {np.ndarray: np}
NUMPYS: set[Any] = {np.ndarray}  # types whose arrays are NumPy's in all but what they say of it: see `register_backend`
_kernels: dict[Any, Any] = {}  # by type: how a function marked by `kernel` runs
_to_numpy: dict[type, Any] = {np.ndarray: np.array}
_graphs: dict[type, Any] = {}  # by type: the module that captures, its name, or None
_collectives: dict[type, Any] = {}  # by type: the module that adds up over processes, its name, or None
_address: dict[type, Any] = {np.ndarray: _numpy_address}
_view_at: dict[type, Any] = {np.ndarray: _numpy_view}
_products: dict[Any, Any] = {}  # by type: the function of `matrix_product`, where it is not the library's own
_launchers: dict[Any, Any] = {}  # by namespace: see `launcher`
_special: dict[Any, Any] = {np: "scipy.special"}  # by namespace: a module, or its name until it is needed


def register_backend(
    array_type: type,
    module: Any,
    to_numpy: Any,
    address: Any,
    view_at: Any,
    special: Any = None,
    kernels: Any = None,
    like: Any = None,
    graphs: Any = None,
    products: Any = None,
    launch: Any = None,
    collectives: Any = None,
) -> None:
    """Make arrays of `array_type` usable.

    Parameters
    ----------
    array_type : type
    module : module
        NumPy's functions for them.
    to_numpy : function
        Copies an array to the host.
    address, view_at : function
        See `address` and `view_at`.
    special : module or str, optional
        The functions of `scipy.special` for them, or the name of that module.
    kernels : function, optional
        For arrays that hold those of another type and note what is done with them: how to run a `kernel`, as
        ``kernels(array, function, args, options)``.
    like : type, optional
        The type that they hold. If that is NumPy's, everything else is done with them as with NumPy's (`NUMPYS`).
    graphs : module or str, optional
        Where runs of calls can be captured: what has ``capture(run)`` and ``refuses(function)`` (`cuda/graphs.py` says
        what these are), or the name of such a module.
    products : function, optional
        ``products(a, b, into)``: see `matrix_product`.
    launch : function, optional
        What runs a kernel of our own on them, as ``launch(kernel, size, arguments)`` (`cuda/elementwise.py`).
    collectives : module or str, optional
        What adds them up over several processes where they lie (`cuda/collectives.py`), or the name of such a module.
    """
    _namespaces[array_type] = module
    _special[module] = special
    _to_numpy[array_type] = to_numpy
    _address[array_type], _view_at[array_type] = address, view_at
    _graphs[array_type], _collectives[array_type] = graphs, collectives
    products = products or _products.get(like)
    if products is not None:
        _products[array_type] = products
    if launch is not None:
        _launchers[module] = launch
    if like is np.ndarray:
        NUMPYS.add(array_type)
    if kernels is not None:
        _kernels[array_type] = kernels


def launcher(xp) -> Any:
    """What runs kernels of our own on arrays of the library `xp`; None where calls of the library are all there is."""
    return _launchers.get(xp)


def has_values(a) -> bool:
    """False where the values of the array `a` are those of one run of many: it is traced."""
    return a.__class__ not in _kernels


def kernel(function):
    """Mark a function of arrays that computes on NumPy's memory in ways of its own: one step for who traces it.

    With a parameter ``into`` it can be told to write its result there, into an array of the right shape.
    """
    function.fills = "into" in function.__code__.co_varnames[: function.__code__.co_argcount]

    @wraps(function)
    def call(*args, **options):
        for x in args:
            run = _kernels.get(x.__class__)
            if run is not None:
                return run(x, function, args, options)
        return function(*args, **options)

    return call


def _find_cupy(cls: type) -> bool:
    if cls.__module__.partition(".")[0] != "cupy" or "cupy" not in sys.modules:
        return False
    cupy = sys.modules["cupy"]
    from .cuda.launch import launch

    register_backend(
        cupy.ndarray,
        cupy,
        cupy.asnumpy,
        _cupy_address,
        _cupy_view,
        "cupyx.scipy.special",
        graphs="graphs",
        collectives="collectives",
        products=_cupy_product,
        launch=launch,
    )
    return cls is cupy.ndarray


def _cupy_product(a, b, into):
    from .cuda.products import product
    from .precision import get_matmul_precision

    return product(a, b, get_matmul_precision(), into)  # asked here: a plan has the precision of its trace


def matrix_product(a, b, into=None):
    """``a @ b``, also of stacks of matrices: the one place where products on a GPU get their precision.

    `into` is an array to write the result to, where neither has more than two dimensions.
    """
    found = _products.get(a.__class__)
    if found is not None:
        return found(a, b, into)
    if a.ndim > 2 or b.ndim > 2:
        return namespace(a).matmul(a, b)
    return a.dot(b) if into is None else a.dot(b, into)


def is_array(x) -> bool:
    """True for arrays of NumPy and of the registered libraries; not for NumPy scalars."""
    cls = x.__class__
    return cls in _namespaces or isinstance(x, np.ndarray) or _find_cupy(cls)


def namespace(a):
    """The module (numpy, cupy, ...) whose functions take the array `a`; numpy for scalars."""
    module = _namespaces.get(a.__class__)
    if module is None:
        module = _namespaces[a.__class__] if _find_cupy(a.__class__) else np
    return module


def leading(*operands) -> Any:
    """Of the operands of one call the array whose library makes it: a traced one before others, a number last."""
    first = operands[0]
    if all([x.__class__ is first.__class__ for x in operands]):
        return first
    return min(operands, key=lambda x: (not is_array(x), has_values(x)))


def graphs(array_type: type) -> Any:
    """What captures calls on arrays of a type as graphs (see `register_backend`); None where nothing does."""
    return _module(_graphs, array_type)


def collectives(array_type: type) -> Any:
    """What adds up arrays of a type over several processes, where they lie; None: they go through the host."""
    return _module(_collectives, array_type)


def _module(table: dict, array_type: type) -> Any:
    found = table.get(array_type)
    if isinstance(found, str):
        found = table[array_type] = import_module(f"{__package__}.cuda.{found}")
    return found


def library_of(array_type: type) -> tuple[Any, Any]:
    """The module for arrays of a type that is known, and a function that gives their module of special functions."""
    module = _namespaces[array_type]
    return module, lambda: _special_of(module)


def special(a: Any = None) -> Any:
    """The module of special functions for the array `a`: `scipy.special` (for numbers, too), `cupyx.scipy.special`.

    Raises
    ------
    ImportError
        If SciPy is not installed.
    """
    return _special_of(namespace(a))


def _special_of(xp) -> Any:
    module = _special.get(xp)
    if isinstance(module, str):
        try:
            module = _special[xp] = import_module(module)
        except ImportError as error:
            raise ImportError(
                "the special functions and distributions are SciPy's, which cannot be imported here "
                f'({error}): pip install "autograd-vs[scipy]"'
            ) from error
    return module


def special_function(name: str, a: Any) -> Any:
    """The special function `name` for the array `a`.

    Raises
    ------
    NotImplementedError
        If the library of `a` has none, or none for complex numbers: CuPy lacks some of SciPy's.
    """
    function = getattr(special(a), name, None)
    is_complex = namespace(a) is not np and a.dtype.kind == "c"
    if function is None or (is_complex and not any("D->" in t for t in getattr(function, "types", ["D->"]))):
        kind = "complex arrays" if function is not None else "arrays"
        raise NotImplementedError(
            f"scipy.special.{name} has no equivalent for {kind} of type {type(a).__name__} on {device(a)}: compute it "
            "on the host, with a Tensor of x.numpy()"
        )
    return function


_SCALARS = {np.float32, np.float64}


def as_array(x, dtype=None):
    """`x` as an array of its own library, without copying one; numbers, lists and NumPy scalars become NumPy arrays.

    Raises
    ------
    TypeError
        If `x` cannot be an array of numbers (None, a string, ragged lists, objects), or is an array with rules of its
        own, which would be lost: a masked one, or a `np.matrix`.
    """
    cls = x.__class__
    if cls in _SCALARS and dtype is None:  # what a reduction over all axes gives
        return np.asarray(x)
    if cls is np.ndarray or cls in _namespaces or (not isinstance(x, np.ndarray) and _find_cupy(cls)):
        return x if dtype is None or x.dtype == dtype else x.astype(dtype)
    if isinstance(x, np.ndarray) and (hasattr(x, "filled") or isinstance(x, np.matrix)):
        raise TypeError(
            f"a {type(x).__name__} has rules of its own, which do not hold for Tensors: pass np.asarray(m), or "
            "m.filled(value) where a mask counts (av.where(mask, value, t) does the same for Tensors)"
        )
    try:
        array = np.asarray(x, dtype=dtype)
    except ValueError as error:
        raise TypeError(f"cannot make an array of {x!r}: {error}") from None
    if not has_numbers(array.dtype):
        raise TypeError(f"cannot make an array of numbers of {x!r} ({type(x).__name__})")
    return array


arrived: set[Any] = {np.ndarray}  # types of arrays that are where host data goes; the fast test of `placed`


def held(name: str) -> list[tuple[int, str]]:
    """What lies on the device `name`, each with its bytes. The floors above put `memory.py` in the place of this."""
    return []


places = Stack("device")  # the devices that are open, each with `put`, which brings a host array there (None: NumPy's)
_home: type = np.ndarray  # where host data goes outside of them
_upload: Any = None  # what brings a NumPy array there, if that is not NumPy
_one_place = True  # no device was ever opened, so that it is the same everywhere


def place_host_data(array_type: type = np.ndarray) -> type:
    """Let host data go to the library of `array_type` from now on (NumPy at first); returns where it went before.

    It holds in all threads, outside of the devices that are open there.
    """
    global _home, _upload
    before, _home = _home, array_type
    if _one_place:
        arrived.clear()
        arrived.add(array_type)
    _upload = None if array_type is np.ndarray else _namespaces[array_type].asarray
    return before


def open_place(place) -> None:
    """Let host data go to `place`, a frame for `places`, in this thread or task until it leaves them."""
    global _one_place
    _one_place = False
    arrived.clear()  # from now on it depends on who asks
    places.push(place)


def home() -> Any:
    """Where host data goes here: the name of the open device, or a type of arrays."""
    place = places.top()
    return _home if place is None else place.name


def _as_it_is(array):
    return array


_seen: Any = _as_it_is  # how arrays of other libraries than NumPy, raw ones, are seen: see `see_arrays_through`


def see_arrays_through(look) -> None:
    """Let ``look(array)`` say what becomes of raw arrays that are not NumPy's when a user hands them over.

    For who traces: CuPy does not dispatch to it, as NumPy does. With None they stay what they are.
    """
    global _seen
    _seen = look or _as_it_is


def placed(x, dtype=None):
    """`x`, which comes from a user, as an array: of its own library, or of the one that host data goes to.

    Raises
    ------
    TypeError
        As `as_array` does.
    """
    if x.__class__ in arrived and dtype is None:
        return x if _upload is None else _seen(x)
    array = as_array(x, dtype)
    if not (isinstance(array, np.ndarray) or array.__class__ in NUMPYS):
        return _seen(array)
    place = places.top()
    put = _upload if place is None else place.put
    if put is None or not has_numbers(array.dtype):
        return array
    noted = _kernels.get(array.__class__)
    return _seen(put(array)) if noted is None else noted(array, put, (array,), {})


def has_numbers(dtype) -> bool:
    """False for the dtypes of objects, strings and records, which `as_array` lets pass in arrays that are there."""
    return dtype.kind in "biufcmM" or dtype.name.startswith(("bfloat", "float"))


def to_numpy(a) -> np.ndarray:
    """A copy of `a` on the host, as a NumPy array."""
    return _to_numpy.get(a.__class__, np.array)(a)


def copy(a):
    """A C-ordered copy in the same library."""
    return a.copy()


def on_host(a) -> Any:
    """`a` itself if it is on the host, else a copy there."""
    return a if namespace(a) is np else to_numpy(a)


def beside(a, other) -> Any:
    """`a` in the library of the array `other`; itself where it is there already."""
    xp = namespace(other)
    return a if namespace(a) is xp else to_numpy(a) if xp is np else xp.asarray(a)


def write(target, value) -> None:
    """Write `value` (broadcastable) into the memory of `target`, from the host or from the same device."""
    target[...] = beside(value, target)


def add_at(target, index, values) -> None:
    """``np.add.at``: an element that the index names twice receives both values."""
    xp = namespace(target)
    if xp is np or target.dtype.kind != "c":
        xp.add.at(target, index, values)
    else:  # CuPy adds no complex numbers there
        xp.add.at(target.real, index, values.real)
        xp.add.at(target.imag, index, values.imag)


def device(a) -> str:
    """``"cpu"``, or ``"gpu:0"`` and so on."""
    if namespace(a) is np:
        return "cpu"
    place = getattr(a, "device", None)
    return f"gpu:{place.id}" if hasattr(place, "id") else str(place)  # type: ignore[union-attr]  # CuPy's has


def is_writable(a) -> bool:
    """False only if nobody can write to the memory of `a`: the whole chain of its bases is read-only."""
    while a is not None:
        flags = getattr(a, "flags", None)
        if flags is None or getattr(flags, "writeable", True):
            return True
        a = getattr(a, "base", None)
    return False


def memory_owner(a):
    """The array that owns the memory of `a`: `a` itself, or the array that it is a view of."""
    base = getattr(a, "base", None)
    return a if base is None else base


def same_view(view, old, new):
    """The view of `new` that lies in it as `view` lies in `old` (`new` is a C-ordered copy of the C-ordered `old`)."""
    if view is old:
        return new
    if not view.size:
        return view.copy()  # nothing to look at, and an offset that may lie outside
    return view_at(view, new, address(view) - address(old))


def address(a) -> int:
    """Where the first element of the array `a` lies in memory, as a number of bytes."""
    return _address.get(a.__class__, _numpy_address)(a)


def view_at(like, owner, offset: int):
    """An array of the shape, dtype and strides of `like` in the memory of `owner`, `offset` bytes from its start.

    `owner` owns its memory, and is of the library of `like`; so the result knows whose memory it has (`memory_owner`).
    """
    return _view_at.get(like.__class__, _numpy_view)(like, owner, offset)


class Pieces(tuple):
    """Flat arrays of one dtype that a kernel sees as one, end to end, where they lie."""

    table: Any = None  # what a library keeps of them

    def numbers(self) -> np.ndarray:
        """How many there are, where each begins and the last one ends, and their addresses."""
        bounds = np.cumsum([0, *(a.size for a in self)])
        return np.array([len(self), *bounds, *map(address, self)], np.int64)


_ONE = (1,)
_rows: dict[Any, Any] = {}


def ones(n, like):
    """A cached vector of ones of the dtype of the NumPy array `like`; nobody may write to it."""
    found = _rows.get((_ONE, n, like.dtype))
    return _row(_ONE, n, like.dtype) if found is None else found


def repeated(numbers: tuple, n: int, like):
    """A cached row of each of `numbers` `n` times, of the dtype and library of `like`; nobody may write to it."""
    found = _rows.get((numbers, n, like.dtype))
    if found is None:
        found = _row(numbers, n, like.dtype)
    if like.__class__ in NUMPYS:
        return found
    if not has_values(like):
        return beside(found, like)
    there = numbers, n, like.dtype, device(like)  # sent once
    held = _rows.get(there)
    return _kept(there, beside(found, like)) if held is None else held


def _row(numbers, n, dtype):
    found = _kept((numbers, n, dtype), np.repeat(np.array(numbers, dtype), n))
    found.flags.writeable = False
    return found


def _kept(key, row):
    if len(_rows) > 64:
        _rows.clear()
    _rows[key] = row
    return row
