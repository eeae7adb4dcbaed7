"""Programs inside of a program: what a branch, or the body of a loop, does. Floor 3.

A `Part` is a program that depends on arrays only: what it reads of the program around it (`captured`), and what it is
given each time that it runs (`inputs`). It writes to neither. A block (`Choice`, `Loop`, `Reverse`) is the function of
one call: it decides at each replay which part runs, and how often.
"""

from itertools import count

import numpy as np

from ...base.backend import namespace
from ...base.errors import user_line
from ...ops.random import get_state
from . import plan
from .emit import Emitted, emit
from .memory import place
from .program import Program, arrays_in, owner_of
from .traced import TraceError

__all__ = ["Choice", "Loop", "Part", "Reverse"]


class Part:
    """The closed `program`, with its `outputs`, and the `inputs` that whoever runs it fills in."""

    def __init__(self, program: Program, outputs, inputs=()):
        self.program, self.inputs, self.changed = program, [*inputs], False
        program.outputs = [*outputs]
        seen = [a for call in program.calls for a in arrays_in((call.args, call.options, call.out))]
        owners = {id(owner): owner for owner in map(owner_of, seen + program.outputs)}
        self.captured = [owner for key, owner in owners.items() if key not in program.storages]
        for owner in self.captured:
            program.add(owner, "input")
        for call in program.calls:
            if any(storage.kind == "input" for storage in program.writes(call)):
                raise TraceError(
                    f"{call.name} in a branch of av.cond or the body of av.while_loop, traced at {user_line()}, writes "
                    "to memory from outside of it. There, assign to Variables only, and run optimizers outside"
                )
        self.effects = any(call.form == "outside" for call in program.calls)

    def ready(self, places: dict[int, np.ndarray]) -> Emitted:
        """Made to run; `places` says where captured arrays and inputs lie, by their ids."""
        program = self.program
        if not self.changed:
            self.changed = True
            for change in plan.chosen() if program.passes is None else program.passes:
                change(program)
        given = {id(program.storage(a)): places[id(a)] for a in self.captured + self.inputs}
        return emit(program, {**place(program), **given})


class Block:
    """What the three blocks share: parts, and an order of the arguments that come before captured arrays."""

    def __init__(self, name: str, **parts: Part):
        self.__name__, self.parts = name, parts  # by what they are for
        self.writes = ()  # no memory but its results
        self.effects = any(part.effects for part in parts.values())
        self.captured = [*{id(a): a for part in parts.values() for a in part.captured}.values()]

    def places(self, captured, inputs=()):
        """Where captured arrays lie, and new memory for the inputs, which all parts share."""
        found = {id(a): namespace(a).empty_like(a) for a in inputs}
        return found | {id(a): place for a, place in zip(self.captured, captured, strict=True)}


class Choice(Block):
    """``cond``: args are the predicate and captured arrays, outs what both parts give."""

    def __init__(self, yes: Part, no: Part):
        super().__init__("cond", yes=yes, no=no)

    def into(self, args, outs):
        """The function that makes the call, where its arguments and results lie there."""
        places = self.places(args[1:])
        (yes, took), (no, left) = [
            (found.run, found.outputs) for found in [part.ready(places) for part in self.parts.values()]
        ]
        predicate = args[0]

        def run():
            if predicate.item():
                yes()
                copy_all(outs, took)
            else:
                no()
                copy_all(outs, left)

        return run

    def guess(self, args, outs):
        """Fill `outs` with values that may stand there."""
        copy_all(outs, self.parts["yes" if args[0].item() else "no"].program.outputs)


class Loop(Block):
    """``while_loop``: args are the initial carries and captured arrays, outs the last carries and how often it ran.

    keeps : whether the carries are kept for a `Reverse`, at each replay in the same memory
    """

    def __init__(self, test: Part, body: Part, most: int | None, keeps: bool):
        super().__init__("while_loop", test=test, body=body)
        self.most, self.keeps = most, keeps
        self.kept: list[list[np.ndarray]] = []
        self.states: list[dict] = []  # of the random streams

    def into(self, args, outs):
        """The function that makes the call, where its arguments and results lie there."""
        inputs = self.parts["body"].inputs
        init, places = args[: len(inputs)], self.places(args[len(inputs) :], inputs)
        test, body = [part.ready(places) for part in self.parts.values()]
        carry = [places[id(a)] for a in inputs]
        *last, trips = outs
        self.kept, self.states = [], []
        kept, states = self.kept, self.states
        keep = keeper(kept, states if self.effects else None) if self.keeps else None
        go_on, after, most = test.outputs[0], body.outputs, self.most

        def run():
            copy_all(carry, init)
            for n in count():
                if n == most:
                    break
                test.run()
                if not go_on.item():
                    break
                if keep is not None:
                    keep(n, carry)
                body.run()
                copy_all(carry, after)
            copy_all(last, carry)
            trips[...] = n

        return run

    def guess(self, args, outs):
        """Fill `outs` with values that may stand there."""
        copy_all(outs[:-1], args)
        outs[-1][...] = 0


class Reverse(Block):
    """The way back through a `Loop`: args are how often it ran, gradients of the last carries, and captured arrays.

    Inputs of its part are the carries of one run of the body, the gradients after it, and the sums of the gradients of
    what the body reads from outside; its outputs are the gradients before it, and the new sums.
    """

    def __init__(self, body: Part, loop: Loop, gradients: int, drawing):
        super().__init__("while_loop_back", body=body)
        self.loop, self.gradients, self.drawing = loop, gradients, drawing

    def into(self, args, outs):
        """The function that makes the call, where its arguments and results lie there."""
        part, first = self.parts["body"], 1 + self.gradients
        trips, given, places = args[0], args[1:first], self.places(args[first:], part.inputs)
        body = part.ready(places)
        inputs = [places[id(a)] for a in part.inputs]
        carry, running = inputs[: -len(outs)], inputs[-len(outs) :]
        kept, states, drawing, after = self.loop.kept, self.loop.states, self.drawing, body.outputs

        def run():
            copy_all(running, given)
            for total in running[len(given) :]:
                total.fill(0)
            for n in range(trips.item() - 1, -1, -1):
                if states:
                    drawing.state = states[n]
                copy_all(carry, kept[n])
                body.run()
                copy_all(running, after)
            copy_all(outs, running)

        return run

    def guess(self, args, outs):
        """Fill `outs` with values that may stand there."""
        for out in outs:
            out.fill(0)


def keeper(kept, states):
    """A function that keeps carries by number, in memory that is there from the last replay."""

    def keep(n, carry):
        if n == len(kept):
            kept.append([a.copy() for a in carry])
        else:
            copy_all(kept[n], carry)
        if states is not None:
            states[n:] = [get_state()]

    return keep


def copy_all(targets, sources):
    """Each source into its target; there may be more sources."""
    for target, source in zip(targets, sources, strict=False):
        np.copyto(target, source)
