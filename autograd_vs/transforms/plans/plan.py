"""From a trace to a plan that can be called. Floor 3."""

import time
from typing import Any, NamedTuple

import numpy as np

from ...base.nest import flatten, map_nest, pack
from ...engine.cotangent import IndexedSlices
from ...engine.protocol import Operand
from ...engine.record import watchable, written
from ...engine.tensor import Tensor, tensor_of
from .algebra import simplify
from .emit import emit
from .memory import place
from .passes import drop_unused, fold_constants, join_in_place, merge_equal, split_versions
from .pieces import in_pieces
from .products import stack_products
from .trace import array_of, trace

__all__ = ["Plan", "made"]

EXACT = [split_versions, fold_constants, simplify, merge_equal, drop_unused, join_in_place, in_pieces]  # in this order
PASSES = [split_versions, stack_products, *EXACT[1:]]
HOLE: Any = object()  # in the place of each array of a result


class Plan:
    """What one trace became: call it with the leaves of the arguments."""

    def __init__(self, emitted, inputs, result, variables, direct, conditions, program, rebuild):
        self.emitted, self.inputs, self.result = emitted, inputs, result
        self.run, self.outputs = emitted.run, emitted.outputs
        self.alone = len(self.outputs) == 1 and result is HOLE
        self.written = direct  # the Variables to which calls of the plan write
        self.positions = [v.own_position for v in variables]
        self.variables = variables
        self.flags = [*map(watchable.__contains__, self.positions)]
        self.conditions = conditions
        self.rebuild = rebuild
        # Not the program itself: it holds every array of the trace.
        lines = program.lines({})
        self.text, self.lines = "\n".join(line for rows in lines for line in rows), [rows[0] for rows in lines]
        self.scopes = [call.scope for call in program.calls]

    def holds(self) -> bool:
        """Whether the Variables are as trainable as they were, and all else that the trace relied on is as it was."""
        if [*map(watchable.__contains__, self.positions)] != self.flags:
            return False
        for condition in self.conditions:
            if not condition():
                return False
        return True

    def __call__(self, leaves):
        """Run it."""
        self._take(leaves)
        self.run()
        if self.alone:
            return tensor_of(self.outputs[0].copy())
        found = iter([tensor_of(a.copy()) for a in self.outputs])
        return self.rebuild(pack(self.result, [next(found) if x is HOLE else x for x in flatten(self.result)]))

    def _take(self, leaves):
        for target, number in self.inputs:
            leaf = leaves[number]
            np.copyto(target, leaf.array if isinstance(leaf, Operand) else leaf)
        if self.written:
            written(self.written)

    def profile(self, leaves) -> str:
        """Run it once, timed line by line: microseconds, and the share of each name scope."""
        self._take(leaves)
        scopes: dict[str, float] = {}
        rows = []
        for scope, line, step in zip(self.scopes, self.lines, self.emitted.steps(), strict=True):
            start = time.perf_counter()
            step()
            taken = (time.perf_counter() - start) * 1e6
            scopes[scope] = scopes.get(scope, 0.0) + taken
            rows.append(f"{taken:9.1f}  {line}")
        total = sum(scopes.values())
        shares = [f"{taken:9.1f}  {scope or '(no scope)'}" for scope, taken in scopes.items()]
        return "\n".join([*rows, f"{total:9.1f}  together", "by scope:", *shares])


def made(python_function, args, options):
    """The result of one call, and the plan for the next ones."""
    found, result = trace(python_function, args, options)
    result, rebuild = _opened(result)
    program, leaves = found.program, flatten(result)
    arrays = [array_of(x) for x in leaves]
    values = [x if a is None else tensor_of(a.a.copy()) for a, x in zip(arrays, leaves, strict=True)]
    program.outputs = [a.a for a in arrays if a is not None]
    for change in PASSES:
        change(program)
    places = [s.array for s in program.storages.values() if s.kind == "input"]
    given = [i for i, x in enumerate(flatten((args, options))) if x.__class__ in (Tensor, np.ndarray)]
    touched = dict.fromkeys(s for call in program.calls for s in program.writes(call) if s.kind == "state")
    plan = Plan(
        emit(program, place(program)),
        list(zip(places, given, strict=True)),
        pack(result, [x if a is None else HOLE for a, x in zip(arrays, leaves, strict=True)]),
        list(found.variables.values()),
        [found.variables[id(s.array)] for s in touched if id(s.array) in found.variables],
        found.conditions,
        program,
        rebuild,
    )
    found.forget()
    return rebuild(pack(result, values)), plan


def _opened(result):
    """The result with rows of gradients as tuples of their parts, and what puts them together again."""
    if not any(isinstance(x, IndexedSlices) for x in flatten(result)):
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
    return x


def _same(x):
    return x
