"""From a trace to a plan that can be called. Floor 3."""

import os
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from ...base.backend import is_array, write
from ...base.nest import flatten, map_nest, pack
from ...engine.cotangent import IndexedSlices
from ...engine.protocol import Operand
from ...engine.record import waits, watchable, written
from ...engine.tensor import tensor_of
from ..signature import name_of
from .algebra import half_angles, simplify
from .emit import emit
from .graphs import graphed
from .kernels import in_kernels
from .look import Look, Profile, looked_at
from .loops import compiler, in_loops
from .memory import apart, place
from .names import same_names
from .passes import drop_unused, fold_constants, join_in_place, merge_equal, split_versions
from .pieces import in_pieces
from .products import stack_products, stack_sums
from .trace import array_of, trace

__all__ = ["Plan", "chosen", "made"]

PASSES = [  # in this order
    split_versions, half_angles, stack_products, stack_sums, fold_constants, simplify, merge_equal, drop_unused,
    join_in_place, in_kernels, in_pieces, in_loops,
]  # fmt: skip
ROUND = {stack_products, stack_sums, in_loops}  # otherwise than the eager step
HOLE: Any = object()  # in the place of each array of a result


class Plan:
    """What one trace became: call it with the leaves of the arguments."""

    look: Look  # what it looks like; the program itself holds every array of the trace

    def __init__(self, emitted, graphs, inputs, result, variables, direct, rebuild, copies, look, found):
        self.emitted, self.inputs, self.result, self.look = emitted, inputs, result, look
        self.runner = emitted if graphs is None else graphs  # what makes the calls
        self.run, self.busy = self.runner.run, False
        self.fill = np.copyto if all(a.__class__ is np.ndarray for a, _ in inputs) else write
        self.outputs = emitted.outputs
        self.handed = [*map(_given, self.outputs, copies)]
        self.alone = len(self.outputs) == 1 and result is HOLE
        self.written = direct  # the Variables to which calls of the plan write
        self.positions = [v.own_position for v in variables]
        self.variables = variables
        self.trainable = frozenset([p for p in self.positions if p in watchable])
        self.others = frozenset(self.positions) - self.trainable
        self.conditions = found.conditions
        self.rebuild = rebuild
        self.looked = {**found.looked}  # the floats among the leaves for whose values only this is the plan, and where
        self.stores = [*found.stores.values()]  # stores whose Variables it knows by name, and what they held
        self.floats = [*found.floats.items()]  # Numbers by the leaves that they take
        self.filled = [(number, traced.a) for number, traced in found.filled.values()]

    def holds(self) -> bool:
        """Whether the Variables are as trainable as they were, and all else that the trace relied on is as it was."""
        if not (self.trainable <= watchable and self.others.isdisjoint(watchable)):
            return False
        for condition in self.conditions:
            if not condition():
                return False
        return True

    def __call__(self, leaves):
        """Run it."""
        if self.busy:
            raise RuntimeError(
                f"{self.look.name} is called by a Python function that its own plan calls (av.outside): its memory is "
                f"in use. Call {self.look.name}.python_function there"
            )
        self._take(leaves)
        self.busy = True
        try:
            self.run()
        except BaseException as error:
            self._explain(error, self.runner.failed_at(error))
            raise
        finally:
            self.busy = False
        if self.alone:
            return tensor_of(self.handed[0]())
        found = iter([tensor_of(hand()) for hand in self.handed])
        return self.rebuild(pack(self.result, [next(found) if x is HOLE else x for x in flatten(self.result)]))

    def _take(self, leaves):
        fill = self.fill
        for target, number in self.inputs:
            leaf = leaves[number]
            fill(target, leaf.array if isinstance(leaf, Operand) else leaf)
        if waits() and self.written:
            written(self.written)

    def profile(self, leaves) -> Profile:
        """Run it once, timed call by call."""
        self._take(leaves)
        times = []
        for number, step in enumerate(self.emitted.steps()):
            start = perf_counter()
            try:
                step()
            except BaseException as error:
                self._explain(error, number)
                raise
            times.append((perf_counter() - start) * 1e6)
        return Profile(self.look, times)

    def _explain(self, error, number: int) -> None:
        """Note on `error`, which ended the call of this number, which Variables it has left undefined."""
        rows, places = self.look.rows, self.look.places

        def written(some):
            names = [places[n].name for row in some for n in row.writes if places[n].kind in ("variable", "state")]
            return [*dict.fromkeys([*names, *(name for row in some for name in row.touched)])]

        before, here, after = written(rows[:number]), written(rows[number : number + 1]), written(rows[number + 1 :])
        if here or (before and after):
            done = [*dict.fromkeys([*before, *here])]
            left = [name for name in after if name not in done]
            error.add_note(
                f"{self.look.name} was ended in call {number + 1} of {len(rows)} of its plan, {rows[number].function}: "
                f"{', '.join(done)} may have been written"
                + (f", {', '.join(left)} not yet" if left else "")
                + ". These are undefined now: assign them, or load a checkpoint, before you go on"
            )


class PlanOfFloats(Plan):
    """A plan whose arguments have Python floats among them."""

    def _take(self, leaves):
        super()._take(leaves)
        for position, number in self.floats:
            number.value = leaves[position]
        for number, array in self.filled:
            array[...] = number.now()


def _given(array, copied: bool):
    """What gives the user an output: a copy, or a view that cannot be written."""
    if copied:
        return array.copy
    view = array.view()
    view.flags.writeable = False
    return view.view


def chosen(exact: bool = False, without=(), jit: bool | None = None, fast_math: bool = False) -> list:
    """The passes that run: all, or the exact ones; some may be left out by name.

    Raises
    ------
    ValueError
        If there is no pass of such a name, or options contradict one another.
    ImportError
        If loops are asked for, and numba is not there.
    """
    names = [*(change.__name__ for change in PASSES), "place"]
    without = (without,) if isinstance(without, str) else tuple(without)
    for name in without:
        if name not in names:
            raise ValueError(f"function(without=...): there is no pass {name!r}. The passes are {', '.join(names)}")
    if exact and (jit or fast_math):
        raise ValueError("function: exact=True goes without jit=True and fast_math=True, which round otherwise")
    if jit and compiler() is None:
        raise ImportError("function(jit=True) needs numba: pip install 'autograd-vs[jit]'")
    if jit is None and os.environ.get("AUTOGRAD_VS_JIT") == "0":
        jit = False
    left_out = {*without, *((change.__name__ for change in ROUND) if exact else ())}
    left_out |= set() if fast_math else {half_angles.__name__}
    left_out |= {in_loops.__name__} if jit is False else set()
    return [change for change in PASSES if change.__name__ not in left_out]


def made(python_function, args, options, *, copy_outputs=True, without=(), **settings):
    """The result of one call, and the plan for the next ones; for the options see `function`."""
    start, passes = perf_counter(), chosen(without=without, **settings)
    found, result = trace(python_function, args, options, passes)
    traced = perf_counter()
    result, rebuild = _opened(result)
    found.rely_on(same_names(python_function))
    program, leaves = found.program, flatten(result)
    arrays = [array_of(x) for x in leaves]
    values = [x if a is None else tensor_of(a.a.copy()) for a, x in zip(arrays, leaves, strict=True)]
    program.outputs = [a.a for a in arrays if a is not None]
    for change in passes:
        change(program)
    placed = (apart if "place" in without else place)(program)
    touched = dict.fromkeys(s for call in program.calls for s in program.writes(call) if s.kind == "state")
    emitted = emit(program, placed)
    graphs = graphed(program, emitted)
    plan = (PlanOfFloats if found.floats else Plan)(
        emitted,
        graphs,
        found.given,
        pack(result, [x if a is None else HOLE for a, x in zip(arrays, leaves, strict=True)]),
        list(found.variables.values()),
        [found.variables[id(s.array)] for s in touched if id(s.array) in found.variables],
        rebuild,
        [copy_outputs or program.storage(a).kind == "state" for a in program.outputs],
        looked_at(name_of(python_function), program, placed, found.uses()),
        found,
    )
    found.forget()
    if graphs is not None:
        plan.look.more = graphs.notes
    plan.look.trace_seconds, plan.look.compile_seconds = traced - start, perf_counter() - traced
    return rebuild(pack(result, values)), plan


def _opened(result):
    """The result with rows of gradients as tuples of their parts, and what puts them together again.

    NumPy arrays in it are given as copies.
    """
    if not any(isinstance(x, IndexedSlices) or is_array(x) for x in flatten(result)):
        return result, _same

    def opened(x):
        return _Rows(x.values, x.indices, x.dense_shape, x.inside) if isinstance(x, IndexedSlices) else x

    return map_nest(opened, result), _closed


class _Rows(NamedTuple):
    values: Any
    indices: Any
    dense_shape: Any
    inside: Any


def _closed(x):
    if isinstance(x, _Rows):
        return IndexedSlices(x.values, x.indices, x.dense_shape, x.inside)
    if isinstance(x, dict):
        return {k: _closed(part) for k, part in x.items()}
    if isinstance(x, (list, tuple)):
        return type(x)(*map(_closed, x)) if hasattr(x, "_fields") else type(x)(map(_closed, x))
    return x.copy() if is_array(x) else x


def _same(x):
    return x
