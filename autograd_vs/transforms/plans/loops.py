"""Runs of arithmetic as one compiled loop, with the extra `[jit]` (numba). Floor 3.

`in_loops` looks into the calls "in pieces": several calls after one another that only calculate become one pass over
memory, whose steps in between are numbers in registers. What NumPy has fast loops for (exponentials, tangents) is left
to it. The source of a loop is made of the calls themselves, and kept in a folder where numba caches what it compiles.

Not exact: a product and a sum may be rounded once instead of twice.
"""

import os
import sys
from functools import lru_cache
from hashlib import sha256
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np

from ...base.backend import address
from .passes import spread
from .pieces import in_pieces
from .program import Call, Program, arrays_in

__all__ = ["compiler", "in_loops"]

SMALL = 1 << 10  # bytes: smaller arrays are not worth a loop
WORTH = 1 << 13  # elements times calls: less is not worth the time to compile
CALCULATES = {
    np.add: "{0} + {1}", np.subtract: "{0} - {1}", np.multiply: "{0} * {1}", np.divide: "{0} / {1}",
    np.negative: "-{0}", np.positive: "{0}", np.absolute: "abs({0})", np.square: "{0} * {0}", np.sqrt: "sqrt({0})",
    np.reciprocal: "{type}(1) / {0}",
    np.maximum: "{0} if {0} >= {1} or {0} != {0} else {1}", np.minimum: "{0} if {0} <= {1} or {0} != {0} else {1}",
    np.greater: "{0} > {1}", np.greater_equal: "{0} >= {1}", np.less: "{0} < {1}", np.less_equal: "{0} <= {1}",
    np.equal: "{0} == {1}", np.not_equal: "{0} != {1}",
    np.ndarray.astype: "{0}", np.ndarray.copy: "{0}", spread: "{0}",
}  # fmt: skip
COMPARES = {np.greater, np.greater_equal, np.less, np.less_equal, np.equal, np.not_equal}
NAMES = {np.dtype(np.float32): "float32", np.dtype(np.float64): "float64", np.dtype(bool): "boolean"}
FAST = {"contract", "reassoc", "nsz"}  # NaN and Inf survive


@lru_cache(maxsize=1)
def compiler():
    """Numba's ``njit``; None where it is not installed, or does not go with this NumPy, of which it warns once."""
    if find_spec("numba") is None:
        return None
    try:
        from numba import njit
    except ImportError as error:  # it lags behind NumPy and Python
        import warnings

        warnings.warn(
            f"numba is installed, but cannot be used: {error}. Functions run without compiled loops", stacklevel=2
        )
        return None
    return njit


def in_loops(program: Program) -> None:
    """Runs of arithmetic, in the calls in pieces and of smaller arrays, become compiled loops, where numba is there."""
    if find_spec("numba") is None:
        return
    in_pieces(program, SMALL)
    calls: list[Call] = []
    for call in program.calls:
        if call.form == "pieces":
            pieces = call.function
            pieces.cuts = _looped(program, pieces)
            calls += [call] if pieces.pays else pieces.calls
        else:
            calls.append(call)
    program.calls = calls


def _looped(program, pieces):
    found, run = [], _Loop(program, pieces)
    for cut in pieces.cuts:
        if not run.takes(cut):
            found += _closed(run)
            run = _Loop(program, pieces)
            if not run.takes(cut):
                found.append(cut)
    return found + _closed(run)


def _closed(run):
    """A loop for the calls of each group that have no array in common with the others: compilers like few arrays."""
    groups: list[tuple[set, list]] = []
    for cut in run.cuts:
        places, cuts = {_place(cut, a) for a in cut.arrays if a.size > 1}, [cut]
        for group in [g for g in groups if g[0] & places]:
            groups.remove(group)
            places, cuts = group[0] | places, group[1] + cuts
        groups.append((places, cuts))
    found = []
    for _, cuts in groups:
        loop = _Loop(run.program, run.pieces)
        for cut in sorted(cuts, key=run.cuts.index):
            loop.takes(cut)
        found += loop.closed()
    return found


class _Loop:
    """Cuts after one another that can be one loop. It can be used as a cut is, once it is closed."""

    flat = True  # its arrays come flat
    axes = -1

    def __init__(self, program, pieces):
        self.program, self.pieces, self.rows = program, pieces, pieces.rows
        self.cuts: list = []
        self.size = self.width = 0  # elements of the arrays; of a row, where something is the same for all rows

    # ---------------------------------------------------------------- what belongs to it
    def takes(self, cut) -> bool:
        """Take one more, if it fits."""
        call = cut.call
        if (
            call.function not in CALCULATES
            or call.form not in ("call", "into", "method")
            or call.out.dtype not in NAMES
        ):
            return False
        if self.cuts and call.out.size != self.size:
            return False
        width = self.width
        for a in arrays_in(call.args):
            kind, of = _kind(cut, a)
            if kind is None or a.dtype not in NAMES or (of and width and of != width):
                return False
            width = of or width
        self.cuts.append(cut)
        self.size, self.width = call.out.size, width
        return True

    def closed(self) -> list:
        """The loop alone, or its cuts where it is not worth it."""
        if len(self.cuts) < 2 or self.size * len(self.cuts) < WORTH or compiler() is None:
            return self.cuts
        self._of = {id(a): cut for cut in self.cuts for a in cut.arrays}
        source, read, stored = _Source(self.cuts, self.width).written(self._is_needed)
        self.call = Call("loop", kernel(source), tuple(read), {}, tuple(stored), self.cuts[0].call.scope)
        self.arrays = [*read, *stored]
        self.largest = self.cuts[0].largest
        return [self]

    def _is_needed(self, a) -> bool:
        """Whether a result is read behind the loop."""
        key = id(self.program.storage(a))
        cuts = self.pieces.cuts
        later = cuts[cuts.index(self.cuts[-1]) + 1 :]
        return key not in self.pieces.inner or any(
            id(self.program.storage(b)) == key for cut in later for b in arrays_in(cut.call.args)
        )

    # ---------------------------------------------------------------- as a cut
    def of(self, a):
        """The cut that says how the array is taken apart."""
        return self._of[id(a)]

    def apart(self, a) -> bool:
        """Whether `a` is taken apart."""
        return self.of(a).apart(a)

    def options(self) -> dict:
        """A loop has none."""
        return {}


def _place(cut, a):
    """What is one number in one turn of the loop: an element of this array, read in this way."""
    kind, _ = _kind(cut, a)
    return address(a), a.nbytes, a.dtype.str, kind


def _kind(cut, a):
    """How a call reads an array ("all", "one", "row", "column"; None: as no loop can), and the width of a row."""
    shape = cut.call.out.shape
    if not a.flags.c_contiguous:
        return None, 0
    if a.size == 1:
        return "one", 0
    if a.shape == shape:
        return "all", 0
    if not cut.apart(a):
        bare = cut.whole(a).shape
        while bare and bare[0] == 1:
            bare = bare[1:]
        return ("row", a.size) if bare == shape[len(shape) - len(bare) :] else (None, 0)
    lead = next(i for i, (n, m) in enumerate(zip(a.shape, shape, strict=True)) if n != m)
    return ("column", cut.call.out.size // a.size) if set(a.shape[lead:]) == {1} else (None, 0)


class _Source:
    """The source of a loop: one function of the flat arrays that it reads, then of those that it writes."""

    def __init__(self, cuts, width):
        self.cuts, self.width = cuts, width
        self.values: dict[tuple, str] = {}  # by the place of an array: the name of the number that is there now
        self.parameters: dict[tuple, str] = {}
        self.read: dict[tuple, np.ndarray] = {}
        self.before: list[str] = []  # lines before the loop, of a row, of an element
        self.of_row: list[str] = []
        self.body: list[str] = []

    def written(self, is_needed):
        """The source, the arrays that are read, and those that are stored."""
        for number, cut in enumerate(self.cuts):
            call = cut.call
            arrays = arrays_in(call.args)
            dtype = np.result_type(*arrays) if call.out.dtype == bool and arrays else call.out.dtype
            operands = call.args[:1] if call.function in (np.ndarray.astype, np.ndarray.copy, spread) else call.args
            names = [self._operand(cut, x, NAMES[dtype]) for x in operands]
            type_ = NAMES[call.out.dtype]
            value = CALCULATES[call.function].format(*names, type=type_)
            self.body.append(f"v{number} = {value}" if call.out.dtype == bool else f"v{number} = {type_}({value})")
            self.values[_place(cut, call.out)] = f"v{number}"
        stored = {_place(cut, cut.call.out): cut.call.out for cut in self.cuts if is_needed(cut.call.out)}
        for place in stored:
            self.body.append(f"{self._parameter(place)}[i] = {self.values[place]}")
        size = f"{self._parameter(next(iter(stored)))}.size"
        lines = [f"def loop({', '.join(self.parameters.values())}):", *[f"    {line}" for line in self.before]]
        if self.width:
            lines += [f"    for r in range({size} // width):", *[f"        {line}" for line in self.of_row]]
            lines += ["        for j in range(width):", "            i = r * width + j"]
            lines += [f"            {line}" for line in self.body]
        else:
            lines += [f"    for i in range({size}):", *[f"        {line}" for line in self.body]]
        # Each parameter is one array.
        return "\n".join(lines) + "\n", [*self.read.values()], [self.read.get(k, a) for k, a in stored.items()]

    def _parameter(self, place):
        return self.parameters.setdefault(place, f"a{len(self.parameters)}")

    def _operand(self, cut, x, type_):
        if not isinstance(x, np.ndarray):
            return f"{type_}({_number(x)})"
        place = _place(cut, x)
        if place not in self.values:
            parameter, value = self._parameter(place), f"x{len(self.parameters)}"
            self.read[place] = x
            kind, width = _kind(cut, x)
            lines = {"one": self.before, "column": self.of_row}.get(kind, self.body)
            index = {"one": "0", "all": "i", "row": "j", "column": "r"}[kind]
            if kind == "row":
                self.before.append(f"width = {parameter}.size")
            if kind == "column":
                self.before.append(f"width = {width}")
            lines.append(f"{value} = {parameter}[{index}]")
            self.values[place] = value
        name = self.values[place]
        return name if NAMES[x.dtype] == type_ else f"{type_}({name})"


def _number(x) -> str:
    x = float(x)
    return repr(x) if np.isfinite(x) else {"inf": "inf", "-inf": "-inf"}.get(repr(x), "nan")


# ---------------------------------------------------------------- numba


@lru_cache(maxsize=1024)
def kernel(source: str):
    """The compiled function of a source; numba keeps it on disk where there is a folder that can be written."""
    njit = compiler()
    text = f"from math import inf, nan, sqrt\n\nfrom numba import boolean, float32, float64\n\n\n{source}"
    path = _kept(text)
    if path is None:
        scope: dict = {}
        exec(compile(text, "<loop>", "exec"), scope)
        function = scope["loop"]
    else:
        spec = spec_from_file_location(path.stem, path)
        assert spec is not None and spec.loader is not None
        module = sys.modules[path.stem] = module_from_spec(spec)  # numba looks for it there
        spec.loader.exec_module(module)
        function = module.loop
    return njit(nogil=True, error_model="numpy", fastmath=FAST, cache=path is not None)(function)


def _kept(text: str) -> Path | None:
    """The file of a source, in ``AUTOGRAD_VS_CACHE`` or the user's folder for caches; None if it cannot be written."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(os.environ.get("AUTOGRAD_VS_CACHE") or Path(home) / "autograd_vs") / "loops"
    path = folder / f"loop_{sha256(text.encode()).hexdigest()[:24]}.py"
    if path.exists():  # numba's cache goes by its time
        return path
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile("w", dir=folder, suffix=".tmp", delete=False) as file:
            file.write(text)
        os.replace(file.name, path)  # whole or not at all
    except OSError:
        return None
    return path
