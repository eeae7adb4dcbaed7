"""Tracing: a function runs once, as ever, on arrays that note what is done with them. Floor 3."""

import sys
import threading
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from ...base.nest import flatten, map_nest, pack
from ...engine import call
from ...engine.cotangent import IndexedSlices
from ...engine.outside import reset_tracer, set_tracer
from ...engine.protocol import Operand, read_arrays_through
from ...engine.record import lend, reclaim, written
from ...engine.tensor import Tensor, tensor_of
from ...state.context import current
from ..signature import leaf_names
from .limits import given_anew, random_states, refuse_iterators, warn_of_random_numbers
from .numbers import Number
from .program import owner_of
from .traced import Traced, Tracer, scope

__all__ = ["Trace", "trace"]

_one_at_a_time = threading.Lock()  # `read_arrays_through` is one for all threads


class Trace(Tracer):
    """A tracer that knows the Variables, and what happens outside of NumPy."""

    def __init__(self):
        super().__init__()
        self.variables: dict[int, Any] = {}  # by the id of the buffer
        self.owners: dict[int, Traced] = {}  # the arrays that own memory, by the id of the NumPy array
        self.stores: dict[int, tuple] = {}  # stores that were opened inside, and what they held
        self.around = current().store
        self.names: list[str] = []  # of the leaves of the arguments
        self.given: list[tuple] = []  # (array, number of the leaf of the arguments that it takes)
        self.floats: dict[int, Number] = {}  # the floats among the leaves
        self.filled: dict[tuple, tuple] = {}  # (id of a Number, dtype) -> (the Number, its traced 0-d array)
        self.looked: dict[int, str] = {}  # the floats whose values were asked for, and where
        self.read_by: dict[int, dict[int, str]] = {}  # a Variable's array -> calls before each op that read it: scope
        self.before: dict[int, tuple] = {}  # memory that outlives the call, and what it held when the trace began
        self.undone: list[Any] = []  # functions that put back what else the trace has changed
        self.conditions: list[Any] = []  # functions of nothing: where one is false, the trace does not hold any more

    def new(self, array, kind, label=""):
        """A storage, and the array that owns it."""
        found = super().new(array, kind, label)
        self.owners[id(owner_of(array))] = found
        return found

    def owner(self, array):
        """The traced array that owns the memory of `array`."""
        return self.owners.get(id(array))

    # ---------------------------------------------------------------- arguments
    def take(self, leaf, number: int, name: str):
        """What the function gets for a leaf of its arguments."""
        if leaf.__class__ is Tensor or leaf.__class__ is np.ndarray:
            found = self.new(leaf.array.copy() if leaf.__class__ is Tensor else leaf.copy(), "input", name)
            self.given.append((found.a, number))
            return tensor_of(found)
        if leaf.__class__ is float:
            leaf = self.floats[number] = Number(leaf, self, number)
        return leaf

    def number(self, number, dtype):
        """The traced 0-d array of a Number, which each replay fills."""
        key = id(number), dtype
        if key not in self.filled:
            self.filled[key] = number, self.new(np.array(number.now(), dtype), "input", number.name)
        return self.filled[key][1]

    # ---------------------------------------------------------------- Tensors and Variables
    def read(self, x, array):
        """What ``x.array`` is while the function runs."""
        if not self.hears():
            return array.a if array.__class__ is Traced and array.tracer is self else array
        if hasattr(x, "own_position"):
            found = self.state(x, array)
            if sys._getframe(2).f_globals["__name__"] == call.__name__:  # an op, not somebody who asks for the shape
                self.read_by.setdefault(id(found.a), {})[len(self.program.calls)] = scope()
            return found
        return self.constant_of(array) if array.__class__ is np.ndarray else array

    def uses(self) -> dict[int, tuple[str, ...]]:
        """For each Variable, by the id of its array, the scope of each op that read it."""
        return {key: tuple([*self.read_by.get(key, {}).values()]) for key in self.variables}

    def state(self, variable, array):
        """The traced array of a Variable."""
        if array.__class__ is Traced:  # one made here, of what was computed here: from now on it has memory of its own
            array = array.a.copy()
            variable.array = array
        found = self.owners.get(id(array))
        if found is None or id(array) not in self.variables:
            self.variables[id(array)] = variable
            store = current().store
            if store is not self.around:
                self.stores[id(store)] = store, store.content
            found = self.new(array, "state", getattr(variable, "_name", ""))
            lend(found)
        return found

    def live(self, array, label=""):
        """The traced array of memory that outlives the call: a slot of an optimizer, a scalar of its rule."""
        known = self.program.storage(array) if self.program.knows(array) else self.program.add(array, "state")
        known.label = known.label or label
        return Traced(array, self)

    def rely_on(self, condition) -> None:
        """The trace holds as long as ``condition()`` is true."""
        self.conditions.append(condition)

    def on_failure(self, undo) -> None:
        """Should the trace fail, call ``undo()``."""
        self.undone.append(undo)

    def constant_of(self, array):
        """The traced array of a Tensor that came from outside."""
        if self.program.knows(array):
            return Traced(array, self)
        return Traced(self.constant(array), self)

    def keep(self, target) -> None:
        """`target` is about to be written: whoever needs what a Variable holds gets a copy, we too."""
        owner = owner_of(target.a if target.__class__ is Traced else target)
        storage = self.program.storages.get(id(owner))
        if storage is not None and storage.kind == "state" and id(owner) not in self.before:
            self.before[id(owner)] = owner, owner.copy()
            if id(owner) in self.variables:
                with self.pause():
                    written([self.variables[id(owner)]])

    def roll_back(self) -> None:
        """Variables and slots get back what they held."""
        for array, value in self.before.values():
            array[...] = value
        for undo in reversed(self.undone):
            undo()

    def tell(self, error) -> None:
        """Note on `error`, which ended the trace, what is not undone."""
        called = [c.name for c in self.program.calls if c.form == "outside" and c.function.variables]
        if called:
            error.add_note(
                f"while a function was traced: its Variables have been given back what they held, but what "
                f"{', '.join(dict.fromkeys(called))} changed beside them (slots and step counts of an optimizer) has "
                "not been undone. Load a checkpoint if that matters"
            )

    @contextmanager
    def pause(self):
        """Nothing is noted meanwhile, and arrays are those of NumPy."""
        before, self.paused = self.paused, True
        try:
            yield
        finally:
            self.paused = before

    def end(self) -> None:
        """Nobody's memory is ours any more; Variables that were made meanwhile have their names by now."""
        self.paused = True
        for key, variable in self.variables.items():
            self.program.storages[key].label = variable._name
        for found in self.owners.values():
            reclaim(id(found))

    def forget(self) -> None:
        """Let go of the arrays of the trace; what is left of it may live on in somebody's list."""
        self.owners.clear()
        self.constants.clear()
        self.before.clear()
        self.undone.clear()
        self.variables = {}
        for part in (self.program.calls, self.program.storages, self.program.outputs):
            part.clear()

    # ---------------------------------------------------------------- Python functions
    def outside(self, function, args, writes=None):
        """Call a Python function on what the arguments are now, and note it.

        `writes` lists the memory that it changes; by default that may be any Variable's.
        """
        if not self.hears():
            return function(*args)
        if writes is None:  # a tape of the function that needs what they hold gets a copy: a call of the plan
            written([x for x in flatten(args) if hasattr(x, "own_position")])
        known = [leaf for x in args for leaf in map(self.inner, _leaves(x))]
        arrays = tuple([a for a in known if a is not None])
        with self.pause():
            for array in [v.array for v in self.variables.values()] if writes is None else map(self.live, writes):
                self.keep(array)
            y = function(*[_plain(_with(x, iter(map(_bare_array, _leaves(x))))) for x in args])
        held_by = Outsider(function, args, writes)
        out = None
        if isinstance(y, np.ndarray):
            out = self.new(y, "result").a
        elif y is not None:
            raise TypeError(f"outside: the function returns an array or None, got {type(y).__name__}")
        self.note("outside", held_by, arrays, {}, out)
        return None if out is None else self.wrap(out)

    def inner(self, leaf):
        """The array of a leaf, known to the program; None if it has none."""
        array = leaf.array if leaf.__class__ is Tensor else leaf
        return self.known(array) if array.__class__ in (Traced, np.ndarray) else None


class Outsider:
    """A Python function in a program, and the nest of its arguments, whose arrays a plan fills in."""

    def __init__(self, function, args, writes):
        self.function, self.args, self.writes = function, args, writes
        self.__name__ = getattr(function, "__qualname__", None) or getattr(function, "func", function).__qualname__

    @property
    def variables(self):
        """The Variables that it is handed, and may write, where it does not say what it writes."""
        leaves = [leaf for x in self.args for leaf in flatten(x)] if self.writes is None else []
        return [leaf for leaf in leaves if hasattr(leaf, "own_position")]

    def bound(self, arrays):
        """The call around `arrays`, which lie where the plan has them."""
        arrays = iter(arrays)
        args = [_with(x, arrays) for x in self.args]
        if any(type(leaf) is Number for x in args for leaf in flatten(x)):
            return lambda: self.function(*map(_plain, args))
        return partial(self.function, *args)


def _leaves(x):
    """The leaves of a nest, with the parts of rows."""
    return [part for leaf in flatten(x) for part in ([leaf.values, leaf.indices] if _rows(leaf) else [leaf])]


def _rows(x):
    return x.__class__ is IndexedSlices


def _bare_array(leaf):
    array = leaf.array if leaf.__class__ is Tensor else leaf
    return array.a if array.__class__ is Traced else array if array.__class__ is np.ndarray else None


def _with(x, arrays):
    """The nest `x` with `arrays` in the place of its own; None among them stands for what has none."""

    def one(leaf):
        if leaf.__class__ is Tensor:
            return tensor_of(_next(arrays))
        return _next(arrays) if leaf.__class__ in (Traced, np.ndarray) else leaf

    def whole(leaf):
        if _rows(leaf):
            return IndexedSlices(one(leaf.values), one(leaf.indices), leaf.dense_shape, leaf.inside)
        return one(leaf)

    return pack(x, [whole(leaf) for leaf in flatten(x)]) if isinstance(x, (list, tuple, dict)) else whole(x)


def _plain(x):
    """The nest `x` with floats in the place of Numbers: what they are in this call."""
    if not any(type(leaf) is Number for leaf in flatten(x)):
        return x
    return map_nest(lambda leaf: leaf.now() if type(leaf) is Number else leaf, x)


def _next(arrays):
    for a in arrays:
        if a is not None:
            return a
    raise AssertionError("fewer arrays than places")


def trace(function, args, options):
    """Run ``function(*args, **options)``, whose Tensors, arrays and floats are inputs.

    Returns
    -------
    (Trace, the result as a nest of Tensors of traced arrays and other values)
    """
    with _one_at_a_time:
        return _traced(function, args, options)


def _traced(function, args, options):
    found = Trace()
    names = found.names = leaf_names(function, args, options)
    token = set_tracer(found)
    read_arrays_through(found.read)
    try:
        with found.pause():
            given = [found.take(leaf, n, names[n]) for n, leaf in enumerate(flatten((args, options)))]
        traced_args, traced_options = pack((args, options), given)
        try:
            refuse_iterators(function, given, names)
            before = random_states()
            result = function(*traced_args, **traced_options)
            warn_of_random_numbers(function, before)
            return found, map_nest(partial(given_anew, function), result)
        except BaseException as error:
            found.paused = True
            found.roll_back()
            found.tell(error)
            raise
    finally:
        read_arrays_through(None)
        reset_tracer(token)
        found.end()


def array_of(leaf: Any) -> Any:
    """The traced array of a result, or None."""
    array = leaf.array if isinstance(leaf, Operand) else leaf
    return array if array.__class__ is Traced else None
