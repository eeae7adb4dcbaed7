"""The stand-in for CuPy against CuPy 14.2 itself, which can be imported, and asked for much, without a GPU.

What cannot be asked there without a GPU (values, and what is refused only by a kernel) waits for `--library cupy`.
"""

import inspect
import os
import re
import subprocess
import sys
from functools import cache, partial

import numpy as np
import pytest
import strict_array
from on_strict import facts, refused_constants, rows
from strict_array import StrictArray, note_calls

cupy = pytest.importorskip("cupy", reason="CuPy is not installed")
pytestmark = [
    pytest.mark.host("looks at CuPy itself"),
    pytest.mark.skipif(not cupy.__version__.startswith("14.2."), reason=f"read from CuPy 14.2, not {cupy.__version__}"),
]

HOMES = {"cupy": (np, cupy), "cupy.linalg": (np.linalg, cupy.linalg), "cupy.fft": (np.fft, cupy.fft)}
of_numpy_24 = pytest.mark.skipif(np.__version__[:4] != "2.4.", reason="the lists were made with NumPy 2.4")


def real(path):
    """What CuPy has under a name such as `"cupy.linalg.inv"`, `"cupy.add.at"`, `"ndarray.sum"`."""
    import cupyx.scipy.special

    thing = {"cupy": cupy, "cupyx": cupyx, "ndarray": cupy.ndarray}[path.partition(".")[0]]
    for part in path.split(".")[1:]:
        thing = getattr(thing, part)
    return thing


# ---------------------------------------------------------------- names and parameters


@of_numpy_24
def test_the_names_that_cupy_lacks():
    assert {n for n in np.__all__ if n[0] != "_" and not hasattr(cupy, n)} == strict_array.MISSING
    assert {n for n in np.linalg.__all__ if not hasattr(cupy.linalg, n)} == strict_array.MISSING_LINALG
    assert all(hasattr(cupy.fft, n) for n in np.fft.__all__)


def test_the_special_functions():
    sp = pytest.importorskip("scipy.special", reason="SciPy is not installed")
    there = {n for n in dir(real("cupyx.scipy.special")) if not n.startswith("_") and hasattr(sp, n)}
    assert there == strict_array.SPECIAL


def named(function):
    """The parameters that can be given by name."""
    parameters = inspect.signature(function).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return None
    return {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}


@of_numpy_24
def test_the_parameters_that_cupy_lacks():
    wrong = []
    for home, (ours, theirs) in HOMES.items():
        for name in sorted(set(ours.__all__) & set(dir(theirs))):
            f, g = getattr(ours, name), getattr(theirs, name)
            if not inspect.isroutine(f) or isinstance(f, np.ufunc) or isinstance(g, (np.ufunc, cupy.ufunc)):
                continue
            try:
                lacks = (named(f) or set()) - (named(g) if named(g) is not None else named(f) or set())
            except (ValueError, TypeError):  # a compiled function without a signature
                continue
            known = strict_array.LACKS.get(name, set()) & (named(f) or set())
            if lacks != known:
                wrong.append(f"{home}.{name} lacks {sorted(lacks)}, the stand-in says {sorted(known)}")
    assert not wrong, "\n".join(wrong)


def methods():
    return {n for n in dir(StrictArray) if n not in ("_a", "__weakref__")}


def test_the_methods():
    """The stand-in has no method that CuPy lacks; of NumPy's, it lacks these, which the library does not use."""
    assert not [n for n in methods() if not hasattr(cupy.ndarray, n)]
    unused = {"byteswap", "choose", "compress", "data", "dump", "dumps", "flat", "put", "tofile"}
    assert {n for n in dir(np.ndarray) if n[0] != "_" and hasattr(cupy.ndarray, n)} - methods() == unused


def signature(path):
    """The signature of something of CuPy; compiled methods have theirs as the first line of their docstring."""
    thing = real(path)
    try:
        return inspect.signature(thing)
    except (ValueError, TypeError):
        found = re.match(r"\w+\.\w+\((.*?)\)(?: ->.*)?$", (thing.__doc__ or "").partition("\n")[0])
        if found is None:
            return None
        parts = [p.strip() for p in found[1].split(",")]
        plain = [re.sub(r"^\w+ (?=\w)", "", p) for p in parts]
        return inspect.signature(eval(f"lambda {', '.join(plain)}: None"))


@pytest.mark.parametrize("name", sorted({n for names in strict_array._METHODS for n in names.split()}))
def test_the_parameters_of_methods(name):
    ours = next(p for names, p in strict_array._METHODS.items() if name in names.split())
    found = signature(f"ndarray.{name}")
    if found is None:
        pytest.skip(f"CuPy does not tell the parameters of {name}")
    assert [p for p in found.parameters if p != "self"] == ours.split()


# ---------------------------------------------------------------- what the library asks for


class Like:
    """An array of which only this is known: shape, dtype, and whether it lay in C order."""

    def __init__(self, array):
        self.shape, self.dtype = array.shape, array.dtype

    def __repr__(self):
        return f"{self.dtype}{list(self.shape)}"


def sketch(x):
    """`x` with a `Like` for each array of the stand-in."""
    if isinstance(x, StrictArray):
        return Like(x)
    if isinstance(x, (list, tuple)):
        return type(x)(map(sketch, x))
    return x


@cache
def asked():
    """All that the samples, and their first and second derivatives, ask of the library: ``{text: (call, an op)}``."""
    calls: dict = {}

    def listen(name, args, kwargs, result):
        call = name, tuple(map(sketch, args)), {k: sketch(v) for k, v in kwargs.items()}, sketch(result)
        calls.setdefault(repr(call[:3]), (*call, key))

    for key, row in rows().items():  # noqa: B007  what `listen` notes
        facts(row, listen)
    key = "constants"
    with note_calls(listen):
        refused_constants()
    return list(calls.values())


def told(name, args, kwargs, key):
    parts = [*map(repr, args), *(f"{k}={v!r}" for k, v in kwargs.items())]
    return f"{key}: {name}({', '.join(parts)})"


def test_every_call_fits_the_signature_of_cupy():
    assert len(asked()) > 2000
    wrong, seen = [], 0
    for name, args, kwargs, _, key in asked():
        try:
            found = signature(name)
        except AttributeError as error:
            wrong.append(f"{told(name, args, kwargs, key)}: {error}")
            continue
        if found is None or isinstance(real(name), cupy.ufunc):
            continue
        try:
            found.bind(*args, **kwargs)
            seen += 1
        except TypeError as error:
            wrong.append(f"{told(name, args, kwargs, key)}: {error}")
    assert not wrong, "\n".join(wrong)
    assert seen > 500


KINDS = {"b": 0, "i": 1, "u": 1, "f": 2, "c": 2}


def loop_of(ufunc, operands, dtype=None):
    """CuPy's own choice of a loop; Python numbers are weak beside arrays of their kind (`ufunc.__call__` there)."""
    if dtype is not None:
        return (ufunc._out_ops or ufunc._ops)._guess_routine_from_dtype(np.dtype(dtype))
    weak = tuple(type(x) if type(x) in (int, float, complex) else False for x in operands)
    dtypes = tuple(np.dtype(x.dtype) if hasattr(x, "dtype") else np.dtype(type(x)) for x in operands)
    strong = [KINDS[d.kind] for d, w in zip(dtypes, weak, strict=True) if not w]
    if not strong or max(strong) < max([KINDS[d.kind] for d, w in zip(dtypes, weak, strict=True) if w], default=9):
        weak = (False,) * len(dtypes)
    return ufunc._ops._guess_routine_from_in_types(dtypes, weak)


def test_every_ufunc_has_a_loop_for_its_dtypes():
    """CuPy's own choice of a loop, and the dtypes that come out of it."""
    wrong, seen = [], 0
    for name, args, kwargs, result, key in asked():
        ufunc = real(name)
        if not isinstance(ufunc, cupy.ufunc):
            continue
        seen += 1
        loop = loop_of(ufunc, args[: ufunc.nin], kwargs.get("dtype"))
        outputs = result if isinstance(result, tuple) else (result,)
        if loop is None:
            wrong.append(f"{told(name, args, kwargs, key)}: CuPy has no loop among {ufunc.types}")
        elif kwargs.get("out") is None and len(args) == ufunc.nin:
            got = [np.dtype(t) for t in loop.out_types]
            if got != [y.dtype for y in outputs]:
                wrong.append(f"{told(name, args, kwargs, key)}: CuPy gives {got}, the stand-in {outputs}")
    assert not wrong, "\n".join(wrong)
    assert seen > 500


SOME = "?bBhilefdFD"


def tried(choose, n):
    """The output dtypes that `choose` gives for `n` operands of one dtype, for each dtype; None where it refuses."""
    found = {}
    for char in SOME:
        try:
            found[char] = "".join(np.dtype(t).char for t in choose((np.dtype(char),) * n))
        except TypeError:
            found[char] = None
    return found


def test_dtypes():
    """What NumPy's ufuncs take, CuPy's take, and the same comes out; CuPy's refuse some, which the stand-in refuses."""
    refused = set()
    for name in sorted(set(dir(np)) & set(dir(cupy))):
        f, g = getattr(np, name), getattr(cupy, name)
        if not (isinstance(f, np.ufunc) and isinstance(g, cupy.ufunc)):
            continue

        def of_cupy(dtypes, g=g):
            loop = g._ops._guess_routine_from_in_types(dtypes)
            if loop is None:
                raise TypeError
            return loop.out_types

        def of_numpy(dtypes, f=f):
            return f.resolve_dtypes((*dtypes, *(None,) * f.nout))[f.nin :]

        ours, theirs = tried(of_numpy, f.nin), tried(of_cupy, f.nin)
        for char in SOME:
            if theirs[char] is None and ours[char] is not None:
                refused.add((name, char))
            elif ours[char] is not None:
                assert ours[char] == theirs[char], (name, char)
    assert refused == {(name, char) for name in strict_array.REAL & set(dir(np)) for char in "FD"}


def test_the_special_functions_for_complex_numbers():
    sp = pytest.importorskip("scipy.special", reason="SciPy is not installed")
    module = real("cupyx.scipy.special")
    pairs = {n: (getattr(sp, n), getattr(module, n)) for n in strict_array.SPECIAL}
    lacking = {
        n for n, (f, g) in pairs.items()
        if isinstance(f, np.ufunc) and isinstance(g, cupy.ufunc)
        and any("D->" in t for t in f.types) and not any("D->" in t for t in g.types)
    }  # fmt: skip
    assert lacking == strict_array.REAL - set(dir(np))


# ---------------------------------------------------------------- arrays without a device


@pytest.fixture(scope="module")
def made():
    """Make arrays of CuPy's type in the host's memory: whatever looks at values fails, and all before that runs."""
    if cupy.is_available():
        pytest.skip("there is a GPU: `pytest --library cupy` runs the calls themselves")
    keep, before = [], cupy.cuda.get_allocator()

    def memory(size):
        keep.append(np.zeros(max(size, 1), np.uint8))
        lies = cupy.cuda.UnownedMemory(keep[-1].ctypes.data, keep[-1].nbytes, keep[-1], 0)
        return cupy.cuda.MemoryPointer(lies, 0)

    def of(x):
        if isinstance(x, Like):
            return cupy.ndarray(x.shape, x.dtype, memory(int(np.prod(x.shape)) * x.dtype.itemsize))
        return type(x)(map(of, x)) if isinstance(x, (list, tuple)) else x

    cupy.cuda.set_allocator(memory)
    yield of
    cupy.cuda.set_allocator(before)


def on_the_way_to_the_device(call):
    """True if `call` came as far as to need a driver or one of CUDA's libraries."""
    try:
        call()
    except (cupy.cuda.runtime.CUDARuntimeError, ImportError):
        return True
    return False


def test_cupy_takes_what_the_library_asks(made):
    """Python's half of CuPy checks the arguments of each call, up to the first kernel."""
    wrong, started, finished = [], 0, 0
    for name, args, kwargs, _, key in asked():
        call = partial(real(name), *made(args), **{k: made(v) for k, v in kwargs.items()})
        try:
            if on_the_way_to_the_device(call):
                started += 1
            else:
                finished += 1
        except Exception as error:
            wrong.append(f"{told(name, args, kwargs, key)}: {type(error).__name__}: {error}")
    assert not wrong, "\n".join(wrong)
    assert started > 1000 and finished > 100


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_cupy_refuses_what_the_stand_in_refuses(made):
    """No call of the list comes to an end; what needs a driver before it looks at its arguments shows nothing."""
    from test_strict_array import REFUSED

    refused = 0
    for words, calls in REFUSED.items():
        for call in calls:
            a = made(Like(np.ones(3)))
            try:
                assert on_the_way_to_the_device(partial(call, a)), f"{words}: CuPy takes it"
            except (TypeError, NotImplementedError):
                refused += 1
    assert refused > 10


def test_transfers_of_cupys_arrays_are_told(made):
    """In a process of its own, since the hooks stay."""
    program = """
import cupy, numpy as np, on_gpu
seen = []
def note(what, up=False):
    seen.append(what)
    raise KeyError(what)
on_gpu.tell_of_transfers(cupy, note, {"unique", "flatnonzero"})
host = np.zeros(8)
pointer = cupy.cuda.MemoryPointer(cupy.cuda.UnownedMemory(host.ctypes.data, 64, host, 0), 0)
a, mask = cupy.ndarray((1,), float, pointer), cupy.ndarray((1,), bool, pointer)
asked = [bool, float, int, complex, str, repr, cupy.asnumpy, cupy.unique, cupy.where, lambda a: a.get(),
         lambda a: a.item(), lambda a: a.tolist(), lambda a: a[mask], lambda a: a.__setitem__(mask, 0), "{:}".format,
         lambda a: cupy.asarray(np.ones(3)), lambda a: a.nonzero(), lambda a: cupy.array([1, 2])]
for ask in asked:
    try:
        ask(a)
    except KeyError:
        pass
a[0:1], a.reshape(1, 1)
print(len(asked), len(seen), seen)
"""
    path = os.pathsep.join([os.path.dirname(__file__), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    number, seen = done.stdout.split()[:2]
    assert number == seen == "18", done.stdout
