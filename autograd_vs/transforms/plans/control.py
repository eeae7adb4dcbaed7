"""`cond` and `while_loop` in a function that is traced: blocks of the plan, each one entry of the tape. Floor 3.

A branch or body is run once to be traced, as a part of the program. What it reads of arrays around it the part finds by
itself (`Part.captured`), so that each replay has the values of that replay; which of those a tape follows it hears
(`Followed`). It has no effects: what is assigned to Variables goes to memory of its own (`engine/past.py`), and comes
out as one more result, assigned after the block; random streams go back to where they were. The block itself, with
effects, is then run on the values of the trace.

The gradient of a block is a block: that of `cond` a `cond` of the gradients of both, which may be differentiated again.
"""

from contextlib import nullcontext

import numpy as np

from ...base.backend import copy, namespace
from ...base.dtypes import is_differentiable
from ...base.nest import flatten, pack
from ...engine.outside import tracing
from ...engine.past import Back, Past
from ...engine.protocol import Operand
from ...engine.record import NOBODY, VARIABLES, Readings, active, new_position
from ...engine.tensor import Tensor, asarray, tensor_of
from ...engine.walk import to_dense, zeros
from ...ops.random import get_state, set_state
from .. import control
from ..custom import Again, Drawing, announced, operands_of
from ..grad import alias
from .parts import Choice, Loop, Part, Reverse
from .program import owner_of
from .traced import TraceError, bare

__all__ = ["cond", "while_loop"]


class Followed(Readings):
    """Notes which values from before it was opened are read by ops inside, and are watched."""

    def __init__(self):
        super().__init__(alone=True)
        self.start = new_position()
        self.operands: dict[int, Operand] = {}  # by position, in order of reading

    def follows(self, position) -> bool:
        """As those around it do."""
        return self.frame.below.watches(position)

    def hear(self, entry, call) -> None:
        """Note what is read."""
        for p, i in zip(entry[2], entry[0].watched, strict=True):
            self.note(p, call.operands[i])

    def note(self, position, x) -> None:
        """`x`, known by this position, counts if it is from outside."""
        if position < self.start or position >= VARIABLES:
            self.operands.setdefault(position, x)


class Ran:
    """What one run of a function did, as a part of the program that is still open to more outputs."""

    def __init__(self, tracer, function, buffers=(), carried=()):
        """Run `function` on Tensors of the `buffers`, of which the last ones are what the `carried` Variables hold."""
        self.tracer, self.name = tracer, control.name_of(function)
        held = Past()
        back = Back(held, undo=True)
        frame = active()
        seen = Followed() if frame is not None and frame.base < NOBODY else None
        with tracer.part() as self.program:
            self.inputs = [tracer.take(a) for a in buffers]
            count = len(buffers) - len(carried)
            for v, t in zip(carried, self.inputs[count:], strict=True):
                held.note(v, t)
            try:
                with back, seen or nullcontext(), np.errstate(all="ignore"):
                    self.result = control.tensors(function(*map(tensor_of, self.inputs[:count])), self.name)
                    self.leaves = [x for x in flatten(self.result) if x is not None]
                    if seen is not None:
                        for x in self.leaves:
                            if seen.frame.watches(x.position):
                                seen.note(x.position, x)
                    self.outputs = [self._output(x.array) for x in self.leaves]
                    self.assigned = {
                        p: (v, v.array)
                        for p, (v, _) in back.away.items()
                        if v.array is not held.values.get(p, _none)[1]
                    }
            finally:  # an interrupt may come as `with` is left
                back.leave()
        self.followed = [] if seen is None else [*seen.operands.values()]

    def _output(self, array):
        array = self.tracer.known(array)
        inside = any(owner_of(array) is owner_of(t.a) for t in self.inputs)
        return self.tracer.wrap(array).copy().a if inside else array  # inputs are written while outputs are read

    def part(self, variables=()):
        """The part, whose outputs are the leaves of the result and what the Variables hold at the end."""
        with self.tracer.part(self.program):
            last = [self._output(self.assigned.get(v.own_position, (v, v.array))[1]) for v in variables]
        return Part(self.program, self.outputs + last, [t.a for t in self.inputs])


_none = None, None


def cond(predicate, functions, operands):
    """See `autograd_vs.cond`; `predicate` is a traced array without dimensions."""
    tracer, state = tracing(), get_state()
    predicate, taken = predicate.copy(), 0 if predicate.a else 1  # what it is a view of may change meanwhile
    arguments: tuple = (operands, {})
    leaves = operands_of(arguments)
    args = pack(arguments, [tensor_of(x.array) if isinstance(x, Tensor) else x for x in leaves])[0]
    again = Again(arguments, leaves, nullcontext())
    ran = []
    for i, function in enumerate(functions):
        try:
            ran.append(Ran(tracer, _applied(function, args)))
        except TraceError:
            raise
        except Exception as error:
            if i == taken:
                raise
            raise TraceError(
                f"cond: {control.name_of(function)}, which is not taken, raised {type(error).__name__}: {error}. While "
                "a function is traced both branches are run once, on the values of that call: let it bear all values, "
                "as with np.clip, or av.where around what it computes with"
            ) from error
        finally:
            set_state(state)
    found = control.differences(ran[0].result, ran[1].result)
    if found:
        names = " and ".join(map(control.name_of, functions))
        raise ValueError(f"cond: {names} must return the same structure, shapes and dtypes: {found}")
    variables = [*{p: v for r in ran for p, (v, _) in r.assigned.items()}.values()]
    choice = Choice(*[r.part(variables) for r in ran])
    if choice.effects:
        again.drawing = Drawing()
    outs = [namespace(a).empty_like(a) for a in choice.parts["no" if taken else "yes"].program.outputs]
    results = tracer.block(choice, [predicate, *choice.captured], outs)
    results, last = results[: len(ran[0].leaves)], results[len(ran[0].leaves) :]
    tensors = [x for x in leaves if isinstance(x, Tensor)]
    others = _others(ran, [x for x in leaves if isinstance(x, Operand) and not isinstance(x, Tensor)])

    def pull(gs, arrays):
        inputs = _aliases(arrays)
        n = len(inputs)

        def back_through(function):
            def gradients(*xs):
                return _gradients(again, function, xs[:n], others, xs[n:])

            return gradients

        found = iter(control.cond(tensor_of(predicate), *map(back_through, functions), *inputs, *gs))
        return [next(found) if is_differentiable(x.dtype) else None for x in (*inputs, *others)]

    y = _announced("cond", ran[0].result, results, tensors, others, pull)
    _assign(variables, last)
    return y


def while_loop(cond_fn, body_fn, init, most):
    """See `autograd_vs.while_loop`."""
    tracer, state = tracing(), get_state()
    carry = control.tensors(init, "init")
    leaves = [x for x in flatten(carry) if x is not None]
    again = Again(((carry,), {}), flatten(carry), nullcontext())
    variables: dict = {}

    def of_carry(function):
        def run(*tensors):
            return function(_filled(carry, tensors))

        run.__qualname__ = control.name_of(function)
        return run

    while True:  # until it is known which Variables are assigned: they are part of what is carried on
        carried = [*variables.values()]
        buffers = [copy(tracer.known(x.array)) for x in (*leaves, *carried)]
        try:
            test = Ran(tracer, of_carry(_tested(cond_fn)), buffers, carried)
            body = Ran(tracer, of_carry(body_fn), buffers, carried)
        finally:
            set_state(state)
        control.following(carry, body.result, "while_loop:", body_fn)
        if test.assigned:
            names = ", ".join(repr(v.name) for v, _ in test.assigned.values())
            raise TraceError(f"while_loop: {control.name_of(cond_fn)} assigns {names}; do this in the body")
        if body.assigned.keys() <= variables.keys():
            break
        variables |= {p: v for p, (v, _) in body.assigned.items()}

    frame = active()
    listening = frame is not None and frame.base < NOBODY
    loop = Loop(test.part(), body.part(carried), most, listening and tracer.program is tracer.root)
    if loop.effects:
        again.drawing = Drawing()
    given = [x.array for x in (*leaves, *carried)]
    outs = [namespace(a).empty_like(a) for a in loop.parts["body"].inputs]
    *results, trips = tracer.block(loop, [*given, *loop.captured], [*outs, np.zeros((), np.int64)])
    results, last = results[: len(leaves)], results[len(leaves) :]
    others = _others([body])

    def pull(gs, arrays):
        inputs = _aliases(arrays)
        loop.keeps = True
        sources = [x for x in (*inputs, *others) if is_differentiable(x.dtype)]
        frame = active()
        if frame is not None and frame.base < NOBODY:
            found = differentiable_way_back(inputs, gs, sources[len(gs) :])
        else:
            found = way_back([g.array for g in gs], sources)
        found = iter(found)
        return [next(found) if is_differentiable(x.dtype) else None for x in (*inputs, *others)]

    def way_back(gs, sources):
        tracer, state = tracing(), get_state()
        n = len(leaves) + len(carried)

        def step(*tensors):
            past = Past()
            past.values.update(again.past.values)
            for v, t in zip(carried, tensors[len(leaves) :], strict=False):
                past.values[v.own_position] = v, t.array
            before, sums = tensors[n : n + len(gs)], tensors[n + len(gs) :]
            found = _gradients(again, body_fn, tensors[: len(leaves)], others, before, past)
            return [*found[: len(gs)], *[a + b for a, b in zip(sums, found[len(gs) :], strict=True)]]

        like = [*gs, *[x.array for x in sources[len(gs) :]]]
        buffers = [namespace(a).empty_like(a) for a in loop.parts["body"].inputs] + [
            namespace(a).zeros(a.shape, a.dtype) for a in bare(like)
        ]
        for buffer, a in zip(buffers, loop.parts["body"].inputs, strict=False):
            buffer[...] = a
        try:
            part = Ran(tracer, step, buffers).part()
        finally:
            set_state(state)
        block = Reverse(part, loop, len(gs), again.drawing)
        outs = [namespace(a).empty_like(a) for a in part.program.outputs]
        return map(tensor_of, tracer.block(block, [trips, *gs, *block.captured], outs))

    def differentiable_way_back(inputs, gs, others):
        """With each carry computed anew from the first."""
        if carried or loop.effects:
            raise TraceError(
                "while_loop: second derivatives and forward mode in a traced function need a body that neither assigns "
                "to Variables nor draws random numbers; take them eagerly, or take this part out of the loop"
            )

        def step(state):
            n, gs, sums = state
            n = n - 1
            _, tensors = control.while_loop(
                lambda c: c[0] < n,
                lambda c: (c[0] + 1, [x for x in flatten(body_fn(_filled(carry, c[1]))) if x is not None]),
                (n * 0, inputs),
            )
            found = _gradients(again, body_fn, tensors, others, gs)
            return n, found[: len(gs)], [a + b for a, b in zip(sums, found[len(gs) :], strict=True)]

        _, gs, sums = control.while_loop(
            lambda state: state[0] > 0, step, (tensor_of(trips), gs, [zeros(x) for x in others])
        )
        return [*gs, *sums]

    y = _announced("while_loop", carry, results, leaves, others, pull)
    _assign(carried, last)
    return y


# ---------------------------------------------------------------- what they share


def _applied(function, args):
    def run():
        return function(*args)

    run.__qualname__ = control.name_of(function)
    return run


def _tested(cond_fn):
    def test(carry):
        found = control.decision(cond_fn(carry), control.name_of(cond_fn))
        return asarray(found) if found.__class__ is bool else tensor_of(found)

    test.__qualname__ = control.name_of(cond_fn)
    return test


def _filled(nest, tensors):
    """The nest with these Tensors in the place of its own; None stays."""
    tensors = iter(tensors)
    return pack(nest, [None if x is None else next(tensors) for x in flatten(nest)])


def _aliases(arrays):
    return [alias(a if isinstance(a, Operand) else tensor_of(a)) for a in arrays]


def _others(ran, variables=()) -> list:
    """What is read and followed, beside what was given as an argument (of which `variables` were given as they are)."""
    frame = active()
    given = {v.position: v for v in variables if frame is not None and v.position >= frame.base}
    return [*(given | {x.position: x for r in ran for x in r.followed}).values()]


def _gradients(again, function, inputs, others, gs, past=None):
    """Those of the differentiable ones of `inputs` and `others`; `gs` are those of the differentiable results."""

    def run(*args):
        leaves = flatten(control.tensors(function(*args), control.name_of(function)))
        return [x for x in leaves if x is not None and is_differentiable(x.dtype)]

    found = again.gradients(run, inputs, others, gs, past)
    return [
        zeros(x) if g is None else to_dense(g)
        for x, g in zip((*inputs, *others), found, strict=True)
        if is_differentiable(x.dtype)
    ]


def _announced(name, nest, results, tensors, others, pull):
    """The nest with the traced arrays `results`, as the output of one entry of the tape, if there is one."""
    frame = active()
    if frame is None or frame.base == NOBODY:
        return _filled(nest, map(tensor_of, results))
    found = [*map(tensor_of, results)]
    places = [i for i, x in enumerate(found) if is_differentiable(x.dtype)]
    arrays = tuple([x.array for x in tensors])
    for i, t in zip(
        places, announced(name, [found[i] for i in places], [*tensors, *others], pull, arrays), strict=True
    ):
        found[i] = t
    return _filled(nest, found)


def _assign(variables, arrays) -> None:
    for v, a in zip(variables, arrays, strict=True):
        v.assign(tensor_of(a))
