"""Tracing: a function runs once, as ever, on arrays that note what is done with them. Floor 3."""

import sys
import threading
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from ...base.backend import beside, is_array, placed, see_arrays_through
from ...base.errors import user_line
from ...base.nest import flatten, map_nest, pack
from ...engine import call
from ...engine.cotangent import IndexedSlices
from ...engine.outside import reset_tracer, set_tracer
from ...engine.protocol import Operand, read_arrays_through
from ...engine.record import lend, reclaim, written
from ...engine.tensor import Tensor, tensor_of
from ...state.context import current
from ..signature import leaf_names
from .limits import generators_of, given_anew, random_states, refuse_iterators, warn_of_random_numbers
from .numbers import Number
from .program import Call, Program, owner_of
from .traced import Traced, TraceError, Tracer

__all__ = ["Trace", "trace"]

_one_at_a_time = threading.Lock()  # `read_arrays_through` is one for all threads


class Trace(Tracer):
    """A tracer that knows the Variables, and what happens outside of NumPy."""

    def __init__(self):
        super().__init__()
        self.variables: dict[int, Any] = {}  # by the id of the buffer
        self.parts: list[Program] = []  # the programs in the program
        self.positions: set[int] = set()  # of the Variables
        self.owners: dict[int, Traced] = {}  # the arrays that own memory, by the id of the NumPy array
        self.stores: dict[int, tuple] = {}  # stores that were opened inside, and what they held
        self.around = current().store
        self.names: list[str] = []  # of the leaves of the arguments
        self.given: list[tuple] = []  # (array, number of the leaf of the arguments that it takes)
        self.floats: dict[int, Number] = {}  # the floats among the leaves
        self.filled: dict[tuple, tuple] = {}  # (id of a Number, dtype) -> (the Number, its traced 0-d array)
        self.looked: dict[int, str] = {}  # the floats whose values were asked for, and where
        self.read_by: dict[int, dict] = {}  # a Variable's array -> where in the program an op read it: scope
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
    def argument(self, leaf, number: int, name: str):
        """What the function gets for a leaf of its arguments."""
        if leaf.__class__ is Tensor or is_array(leaf):
            array = leaf.array if leaf.__class__ is Tensor else placed(leaf)
            found = self.new(array.copy(), "input", name)
            self.given.append((found.a, number))
            return tensor_of(found)
        if leaf.__class__ is float:
            leaf = self.floats[number] = Number(leaf, self, number)
        return leaf

    def number(self, number, dtype, like):
        """The traced 0-d array of a Number in the library of `like`, which each replay fills."""
        like = like.a if isinstance(like, Traced) else like
        key = id(number), dtype, like.__class__
        if key not in self.filled:
            array = beside(np.array(number.now(), dtype), like)
            self.filled[key] = number, self.new(array, "input", number.name)
        return self.filled[key][1]

    # ---------------------------------------------------------------- Tensors and Variables
    def read(self, x, array):
        """What ``x.array`` is while the function runs."""
        if not self.hears():
            return array.a if isinstance(array, Traced) and array.tracer is self else array
        if hasattr(x, "own_position"):
            found = self.state(x, array)
            if sys._getframe(2).f_globals["__name__"] == call.__name__:  # an op, not somebody who asks for the shape
                place = id(self.program), len(self.program.calls)
                self.read_by.setdefault(id(found.a), {})[place] = self.scope()
            return found
        return array if isinstance(array, Traced) else self.constant_of(array)

    def see(self, array):
        """What a raw array from outside is, that is not NumPy's."""
        return self.constant_of(array) if self.hears() and not isinstance(array, Traced) else array

    def uses(self) -> dict[int, tuple[str, ...]]:
        """For each Variable, by the id of its array, the scope of each op that read it."""
        return {key: tuple([*self.read_by.get(key, {}).values()]) for key in self.variables}

    def state(self, variable, array):
        """The traced array of a Variable."""
        if isinstance(array, Traced):
            if id(array.a) not in self.variables:
                if variable.own_position in self.positions:
                    return array  # what it held in the past, or holds for a while (`engine/past.py`)
                array = self.wrap(array.a.copy())  # made here, of what was computed here: it has memory of its own
            variable.array = array = array.a
        found = self.owners.get(id(array))
        if found is None or id(array) not in self.variables:
            self.variables[id(array)] = variable
            store = current().store
            if store is not self.around:
                self.stores[id(store)] = store, store.content
            self.positions.add(variable.own_position)
            found = self.new(array, "state", getattr(variable, "_name", ""))
            lend(found)
        return found

    def live(self, array, label=""):
        """The traced array of memory that outlives the call: a slot of an optimizer, a scalar of its rule."""
        if not self.program.knows(array):
            self.root.add(array, "state")
        known = self.root.storages.get(id(owner_of(array)))
        if known is not None:
            known.label = known.label or label
        return self.wrap(array)

    def rely_on(self, condition) -> None:
        """The trace holds as long as ``condition()`` is true."""
        self.conditions.append(condition)

    def on_failure(self, undo) -> None:
        """Should the trace fail, call ``undo()``."""
        self.undone.append(undo)

    def constant_of(self, array):
        """The traced array of a Tensor that came from outside."""
        return self.wrap(array if self.program.knows(array) else self.constant(array))

    def keep(self, target) -> None:
        """`target` is about to be written: whoever needs what a Variable holds gets a copy, we too."""
        owner = owner_of(target.a if isinstance(target, Traced) else target)
        storage = self.root.storages.get(id(owner))
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
        outside: list[Any] = [c for c in self.root.calls if c.form == "outside"]
        called = [c.name for c in outside if getattr(c.function, "variables", ())]
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

    # ---------------------------------------------------------------- programs in the program
    @contextmanager
    def part(self, program=None):
        """The calls made meanwhile go to a program of their own (or to this one), which is a part of the one here."""
        outer = self.program
        if program is None:
            program = Program(outer)
            self.parts.append(program)
        self.program = program
        try:
            yield program
        finally:
            self.program = outer

    def take(self, array):
        """`array` as what a part is given each time that it runs."""
        self.program.add(array, "input")
        found = self.owners[id(array)] = self.wrap(array)
        return found

    def block(self, block, args, outs):
        """Note that `block` (`parts.py`) is run on `args` and fills `outs`, and run it."""
        args, outs = tuple(map(self.known, args)), tuple(outs)
        found = [self.new(a, "result") for a in outs]
        self.program.calls.append(Call("outside" if block.effects else "block", block, args, {}, outs, self.scope()))
        with self.pause():
            if self.program is self.root:
                block.into(args, outs)()
            else:  # what stands around it runs to be noted only, maybe on values that make no sense here
                block.guess(args, outs)
        return found

    def end(self) -> None:
        """Nobody's memory is ours any more, and Variables hold NumPy's arrays; by now they have their names."""
        for key, variable in self.variables.items():
            variable.array = variable.array.a
            self.root.storages[key].label = variable._name
        self.paused = True
        for found in self.owners.values():
            reclaim(id(found))

    def forget(self) -> None:
        """Let go of the arrays of the trace; what is left of it may live on in somebody's list."""
        self.owners.clear()
        self.constants.clear()
        self.before.clear()
        self.undone.clear()
        self.variables = {}
        for program in (self.program, *self.parts):
            for part in (program.calls, program.storages, program.outputs):
                part.clear()

    # ---------------------------------------------------------------- Python functions
    def outside(self, function, args, writes=None, draws=False):
        """Call a Python function on what the arguments are now, and note it.

        `writes` lists the memory that it changes; by default that may be that of the Variables among the arguments. In
        a branch or the body of a loop, of which nobody knows yet whether it runs, only `draws` are called.
        """
        if not self.hears():
            return function(*args)
        known = [leaf for x in args for leaf in map(self.inner, _leaves(x))]
        arrays = tuple([a for a in known if a is not None])
        writes = () if draws else writes
        variables = [leaf for x in args for leaf in flatten(x) if hasattr(leaf, "own_position")]
        inside = self.program is not self.root
        if inside and (variables or writes):
            _refuse(function)
        y = None
        if draws or not inside:
            if writes is None:  # a tape of the function that needs what they hold gets a copy: a call of the plan
                written(variables)
            for array in [v.array for v in variables] if writes is None else map(self.live, writes):
                self.keep(array)
            with self.pause():
                y = function(*[_plain(_with(x, iter(map(_bare_array, _leaves(x))))) for x in args])
        held_by = Outsider(function, args, writes)
        out = None
        if is_array(y):
            out = self.new(y, "result").a
        elif y is not None:
            raise TypeError(f"outside: the function returns an array or None, got {type(y).__name__}")
        self.note("outside", held_by, arrays, {}, out)
        return None if out is None else self.wrap(out)

    def inner(self, leaf):
        """The array of a leaf, known to the program; None if it has none."""
        array = leaf.array if leaf.__class__ is Tensor else leaf
        return self.known(array) if is_array(array) else None


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


def _refuse(function):
    name = getattr(function, "__qualname__", None) or getattr(getattr(function, "func", None), "__qualname__", function)
    raise TraceError(
        f"{name} may write to Variables or slots, at {user_line()}, in a branch of av.cond or the body of "
        "av.while_loop while a function is traced. Run optimizers outside of it: return the gradients, or zeros"
    )


def _leaves(x):
    """The leaves of a nest, with the parts of rows."""
    return [part for leaf in flatten(x) for part in ([leaf.values, leaf.indices] if _rows(leaf) else [leaf])]


def _rows(x):
    return x.__class__ is IndexedSlices


def _bare_array(leaf):
    array = leaf.array if leaf.__class__ is Tensor else leaf
    return array.a if isinstance(array, Traced) else array if is_array(array) else None


def _with(x, arrays):
    """The nest `x` with `arrays` in the place of its own; None among them stands for what has none."""

    def one(leaf):
        if leaf.__class__ is Tensor:
            return tensor_of(_next(arrays))
        return _next(arrays) if is_array(leaf) else leaf

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


def trace(function, args, options, passes=None):
    """Run ``function(*args, **options)``, whose Tensors, arrays and floats are inputs; `passes` are for parts of it.

    Returns
    -------
    (Trace, the result as a nest of Tensors of traced arrays and other values)
    """
    with _one_at_a_time:
        return _traced(function, args, options, passes)


def _traced(function, args, options, passes):
    found = Trace()
    found.root.passes = passes
    names = found.names = leaf_names(function, args, options)
    token = set_tracer(found)
    read_arrays_through(found.read)
    see_arrays_through(found.see)
    try:
        with found.pause():
            given = [found.argument(leaf, n, names[n]) for n, leaf in enumerate(flatten((args, options)))]
        traced_args, traced_options = pack((args, options), given)
        try:
            refuse_iterators(function, given, names)
            generators = generators_of(function, given, names)
            before = random_states(generators)
            result = function(*traced_args, **traced_options)
            warn_of_random_numbers(function, before, generators)
            result = map_nest(partial(given_anew, function), result)
            found.known([a for a in map(array_of, flatten(result)) if a is not None])
            return found, result
        except BaseException as error:
            found.paused = True
            found.roll_back()
            found.tell(error)
            raise
    finally:
        found.paused = False
        found.end()
        read_arrays_through(None)
        see_arrays_through(None)
        reset_tracer(token)


def array_of(leaf: Any) -> Any:
    """The traced array of a result, or None."""
    array = leaf.array if isinstance(leaf, Operand) else leaf
    return array if isinstance(array, Traced) else None
