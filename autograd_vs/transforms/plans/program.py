"""A program: the calls that a traced function made, and the memory that they used. Floor 3."""

from typing import Any

import numpy as np

from ...base.backend import is_array
from ...base.nest import map_nest

__all__ = ["Call", "Program", "Storage", "arrays_in", "mapped", "owner_of"]


def owner_of(array: Any) -> Any:
    """The array that owns the memory of `array`, through whatever lies between (`as_strided`, `broadcast_to`)."""
    owner, below = array, array.base
    while below is not None:
        if is_array(below):
            owner = below
        below = getattr(below, "base", None)
    return owner


class Storage:
    """A piece of memory: an array that owns it, and what it is for.

    kind : "result" (of a call), "constant", "state" (a Variable: it outlives the replay) or "input".
    line : where in the user's code an array from outside was met.
    """

    __slots__ = ("array", "kind", "label", "line")

    def __init__(self, array: np.ndarray, kind: str, label: str = "", line: str = ""):
        self.array, self.kind, self.label, self.line = array, kind, label, line


class Call:
    """One call: ``out = function(*args, **options)``, or one that writes into memory that is there.

    Arguments are arrays (with a storage each, see `Program.storage`), nests of them, and anything else.

    form : how it is spelled in a plan
        "call" (a function that gives `out`, an array or a tuple of them), "method" (of the first argument),
        "into" (with ``out=``, into `out`), "setitem" (``args[0][args[1]] = args[2]``), "change" (of the first
        argument), "kernel" (of our own, on a device), "outside" (a Python function, with effects), "pieces" (calls that
        are taken apart together), "block"
        (programs inside of this one: `parts.py`; such a function has `into`, which binds it to where its arguments and
        results lie. With effects it is "outside").
    errors : what of `np.geterr()` was set around this call, as by ``with np.errstate(divide="ignore")``; mostly nothing
    by : what makes the call, where the arrays are those of another library: `function` is NumPy's in any case
    """

    __slots__ = ("args", "by", "errors", "form", "function", "options", "out", "scope")

    def __init__(
        self, form: str, function: Any, args: tuple, options: dict, out: Any, scope="", errors: Any = None, by=None
    ):
        self.form, self.function, self.args, self.options, self.out = form, function, args, options, out
        self.scope, self.errors, self.by = scope, errors, by or function

    @property
    def name(self) -> str:
        """What it calls, for people."""
        if self.form == "setitem":
            return "setitem"
        owner = getattr(self.function, "__self__", None)
        name = getattr(self.function, "__name__", str(self.function))
        return f"{owner.__name__}.{name}" if isinstance(owner, np.ufunc) else name


class Program:
    """Calls in their order, storages by the arrays that own them; maybe a part of another program."""

    def __init__(self, outer: "Program | None" = None):
        self.outer = outer
        self.passes: Any = outer.passes if outer is not None else None  # for parts of this one; None: all
        self.calls: list[Call] = []
        self.storages: dict[int, Storage] = {}  # by the id of the owner, which they keep alive
        self.outputs: list[np.ndarray] = []  # what the function returned

    def add(self, array: np.ndarray, kind: str, label: str = "", line: str = "") -> Storage:
        """The storage of `array`, which is new here."""
        owner = owner_of(array)
        storage = self.storages[id(owner)] = Storage(owner, kind, label, line)
        return storage

    def storage(self, array: np.ndarray) -> Storage:
        """The storage that `array` lies in."""
        return self.storages[id(owner_of(array))]

    def knows(self, array) -> bool:
        """Whether `array` lies in a storage of this program, or of one that this one is a part of."""
        owner, program = id(owner_of(array)), self
        while owner not in program.storages:
            if program.outer is None:
                return False
            program = program.outer
        return True

    # ---------------------------------------------------------------- what a call reads and writes
    def reads(self, call: Call) -> list[Storage]:
        """The storages whose contents the call depends on."""
        found = [self.storage(a) for a in arrays_in((call.args, call.options))]
        if call.form == "setitem":  # the target is written, not read
            found = [self.storage(a) for a in arrays_in(call.args[1:])]
        return found

    def writes(self, call: Call) -> list[Storage]:
        """The storages that the call writes to."""
        target = call.args[0] if call.form in ("setitem", "change") else call.out
        return [self.storage(a) for a in arrays_in(target)]

    def changes(self, call: Call) -> list[Storage]:
        """What a Python function may write to: any memory that outlives the replay, unless it says."""
        if call.form != "outside":
            return []
        if call.function.writes is None:
            return [s for s in self.storages.values() if s.kind == "state"]
        return [self.storage(a) for a in call.function.writes]

    def defines(self, call: Call) -> bool:
        """Whether the call fills the whole of a result: nothing that was there before is seen after it."""
        if call.form not in ("call", "method", "block") or call.out is None:
            return False
        return all(a.nbytes == self.storage(a).array.nbytes for a in arrays_in(call.out))


def mapped(change, x):
    """The nest `x`, which may have slices in it, with ``change(leaf)`` for each leaf."""

    def one(leaf):
        if type(leaf) is slice:
            return slice(change(leaf.start), change(leaf.stop), change(leaf.step))
        return change(leaf)

    return map_nest(one, x)


def arrays_in(x) -> list[np.ndarray]:
    """The arrays in a nest."""
    if is_array(x):
        return [x]
    if isinstance(x, (list, tuple)):
        return [a for part in x for a in arrays_in(part)]
    if isinstance(x, dict):
        return [a for part in x.values() for a in arrays_in(part)]
    if isinstance(x, slice):
        return arrays_in((x.start, x.stop, x.step))
    return []
