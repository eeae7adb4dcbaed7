"""Kernels without a GPU: their steps in NumPy, and their sources compiled for the processor.

`by_numpy` is what the strict stand-in (`strict_array.py`) runs kernels with. `by_compiler` builds the source that a GPU
would get with a C++ compiler, with one thread in the place of the grid, and runs it on the same arrays.
"""

import ctypes
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import numpy as np

from autograd_vs.base.backend import Pieces, address
from autograd_vs.base.cuda.elementwise import Value

__all__ = ["COMPILER", "SHIMS", "by_compiler", "by_numpy", "compiled"]

COMPILER = shutil.which("g++") or shutil.which("c++")


def _bare(x):
    return getattr(x, "_a", x)


def _elements(x, place, size, new=None):
    """The elements of an array that an expression of C names, one for each thread; with `new` they become these."""
    a = _bare(x)
    where = np.broadcast_to(eval(place.replace("/", "//"), {"i": np.arange(size)}), (size,))
    reach = int(where.max()) + 1 if size else 0
    line = np.lib.stride_tricks.as_strided(a, (reach,), (a.itemsize,))
    if new is not None:
        line[where] = new
    return line[where]


def by_numpy(kernel, size, arguments):
    """Run a kernel step by step; one that is written by hand says what it gives."""
    if not hasattr(kernel, "steps"):
        _bare(arguments[-1])[...] = kernel.twin(size, arguments).reshape(arguments[-1].shape)
        return
    values = []
    for (dtype, kind, place), x in zip(kernel.arguments, arguments, strict=True):
        if kind == "number":
            values.append(np.array(x, dtype))
        elif kind == "pieces":
            values.append(np.concatenate([_bare(a) for a in x]))
        else:
            assert _bare(x).dtype == dtype, "an argument of another dtype"
            values.append(_elements(x, place, size).copy())

    def number(x, dtype):
        return np.asarray(values[x.number] if isinstance(x, Value) else x).astype(dtype)

    with np.errstate(all="ignore"):
        for step in kernel.steps:
            given = [number(x, dtype) for x, dtype in zip(step.operands, step.loop, strict=True)]
            y = given[0] if step.function is None else step.function(*given)
            values.append(np.asarray(y).astype(step.dtype))
        for n, x in kernel.stores:
            y = number(x, kernel.arguments[n].dtype)
            if kernel.arguments[n].kind == "pieces":
                start = 0
                for a in arguments[n]:
                    _bare(a)[...] = y[start : start + a.size]
                    start += a.size
            else:
                _elements(arguments[n], kernel.arguments[n].place, size, y)


# ---------------------------------------------------------------- with a C++ compiler

SHIMS = """
#include <math.h>
#define __device__
#define __global__
#define __restrict__
struct shim_t { unsigned x, y, z; };
static const shim_t gridDim = {1, 1, 1}, blockDim = {1, 1, 1}, blockIdx = {0, 0, 0}, threadIdx = {0, 0, 0};
"""


@cache
def compiled(source, shims=SHIMS):
    """The functions of a source of CUDA C, for the processor."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kernel.cpp"
        path.write_text(shims + source)
        command = [COMPILER, "-std=c++17", "-O0", "-fwrapv", "-ffp-contract=off", "-shared", "-fPIC", "-w"]
        done = subprocess.run([*command, "-o", f"{path}.so", path], capture_output=True, text=True)
        assert done.returncode == 0, f"{done.stderr}\n{source}"
        return ctypes.CDLL(f"{path}.so")


def by_compiler(kernel, size, arguments):
    """Run the source of a kernel on NumPy's arrays, or those of the stand-in."""
    given, kept = [(ctypes.c_longlong if kernel.wide else ctypes.c_uint)(size)], []
    for x in arguments:
        if isinstance(x, Pieces):
            kept.append(x.numbers())
            given.append(ctypes.c_void_p(address(kept[-1])))
        elif isinstance(x, (int, float)):
            given.append(ctypes.c_double(x))
        elif isinstance(x, np.uint64):
            given.append(ctypes.c_ulonglong(int(x)))
        else:
            given.append(ctypes.c_void_p(address(x)))
    compiled(kernel.source).kernel(*given)
