"""`function`: a training step that is traced once for each kind of arguments, and replayed as a plan. Floor 3."""

import threading
from functools import update_wrapper
from typing import Any

import numpy as np

from ..base.backend import copy
from ..base.dtypes import default_dtype
from ..base.nest import flatten, pack
from ..engine.outside import tracing
from ..engine.protocol import Operand
from ..engine.record import NOBODY, active, watchable, written
from ..engine.tensor import Tensor, tensor_of

__all__ = ["Function", "function"]


class Function:
    """A function that runs as a plan: see `function`."""

    def __init__(self, python_function):
        self.python_function = python_function
        update_wrapper(self, python_function)
        self._plans: dict[Any, Any] = {}
        self._lock = threading.RLock()

    def __call__(self, *args, **options):
        frame = active()
        if tracing() is not None or (frame is not None and frame.base < NOBODY):
            return self.python_function(*args, **options)  # somebody else follows every op
        leaves = flatten((args, options)) if args or options else ()
        key = (_structure((args, options)), (*map(_kind, leaves),), *_ambient()) if leaves else _ambient()
        with self._lock:
            plan = self._plans.get(key)
            if plan is None or not plan.holds():
                result, self._plans[key] = _traced(self.python_function, args, options)
                return result
            return plan(leaves)

    def plan(self) -> str:
        """The latest plan, as text."""
        return list(self._plans.values())[-1].text


class Plan:
    """What one trace became."""

    def __init__(self, run, inputs, outputs, result, written_variables, variables, text):
        self.run, self.inputs, self.outputs, self.result = run, inputs, outputs, result
        self.written = written_variables
        self.variables = variables
        self.positions = [v.own_position for v in variables]
        self.flags = [*map(watchable.__contains__, self.positions)]
        self.text = text

    def holds(self) -> bool:
        """Whether the variables are as trainable as they were."""
        return [*map(watchable.__contains__, self.positions)] == self.flags

    def __call__(self, leaves):
        if self.inputs:
            for target, number in self.inputs:
                leaf = leaves[number]
                np.copyto(target, leaf.array if isinstance(leaf, Operand) else leaf)
        if self.written:
            written(self.written)
        self.run()
        if self.result.__class__ is _Single:
            return tensor_of(self.outputs[0].copy())
        found = iter([tensor_of(a.copy()) for a in self.outputs])
        return pack(self.result, [next(found) if x is _HOLE else x for x in flatten(self.result)])


class _Single:
    pass


_HOLE = object()
_SINGLE = _Single()


def _structure(nest):
    if isinstance(nest, (list, tuple)):
        return (type(nest), *map(_structure, nest))
    if isinstance(nest, dict):
        return (dict, *((k, _structure(v)) for k, v in nest.items()))
    return None


def _kind(leaf):
    """What a plan depends on of one argument."""
    if leaf.__class__ is Tensor or leaf.__class__ is np.ndarray:
        a = leaf.array if leaf.__class__ is Tensor else leaf
        return Tensor, a.shape, a.dtype
    if isinstance(leaf, Operand):
        return id(leaf), leaf  # a Variable: this one
    return leaf.__class__, leaf


def _ambient():
    """What a trace bakes in beside its arguments."""
    from ..state.context import current

    frame = current()
    return id(frame.store), frame.scope.name, frame.defaults.reuse, default_dtype()


def _traced(python_function, args, options):
    """Run the function once, and make a plan of what it did."""
    from .plans.emit import emit
    from .plans.memory import place
    from .plans.passes import drop_unused, fold_constants, merge_equal, split_versions
    from .plans.trace import array_of, trace

    found, result = trace(python_function, args, options)
    program = found.program
    leaves = flatten(result)
    arrays = [array_of(x) for x in leaves]
    program.outputs = [a.a for a in arrays if a is not None]
    values = [tensor_of(copy(a.a)) if a is not None else x for a, x in zip(arrays, leaves, strict=True)]
    split_versions(program)
    fold_constants(program)
    merge_equal(program)
    drop_unused(program)
    used = {id(s) for call in program.calls for s in program.reads(call)}
    touched = dict.fromkeys(s for call in program.calls for s in program.writes(call))
    direct = [found.variables[id(s.array)] for s in touched if s.kind == "state"]
    run, outputs, source = emit(program, place(program))
    places = [s.array for s in program.storages.values() if s.kind == "input"]
    given = [i for i, leaf in enumerate(flatten((args, options))) if leaf.__class__ in (Tensor, np.ndarray)]
    inputs = [
        (a, i) for a, i in zip(places, given, strict=True) if id(program.storage(a)) in used
        or any(np.may_share_memory(a, o) for o in outputs)
    ]  # fmt: skip
    single = len(leaves) == 1 and result is leaves[0] and arrays[0] is not None
    shape = (
        _SINGLE
        if single
        else pack(result, [_HOLE if a is not None else x for a, x in zip(arrays, leaves, strict=True)])
    )
    plan = Plan(run, inputs, outputs, shape, direct, list(found.variables.values()), program.text() + "\n\n" + source)
    return pack(result, values), plan


def function(python_function) -> Function:
    """Trace a function once for each kind of arguments, and replay what it did as a flat plan.

    Parameters
    ----------
    python_function : function

    Returns
    -------
    Function

    Examples
    --------
    >>> @function
    ... def double(x):
    ...     return x * 2.0
    >>> double(np.ones(2)).numpy().tolist(), double(np.zeros(2)).numpy().tolist()
    ([2.0, 2.0], [0.0, 0.0])
    """
    return Function(python_function)
