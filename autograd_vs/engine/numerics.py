"""The first NaN or Inf, forwards and backwards, for tapes with ``check_numerics=True`` and `debug`. Floor 1."""

from weakref import WeakKeyDictionary

import numpy as np

from ..base.backend import is_array, namespace, to_numpy
from ..base.dtypes import is_differentiable
from ..base.errors import line_of, place, user_frame, user_line
from .cotangent import Bundle, IndexedSlices, bare
from .protocol import Operand, describe
from .record import VARIABLES, Frame, active, frames, live_variables, new_position
from .rule import Rule

__all__ = ["Checked", "Numerics", "Observer", "Watch"]


MANY = 10_000


class Observer:
    """Who looks at what is computed (`Frame.observers`), and changes nothing of it."""

    def hear(self, entry, call) -> None:
        """An op ran."""

    def walking(self, entries, record):
        """A tape walks back: the entries that it takes, which may have other rules than those given here."""
        return entries

    def arrived(self, sources, gradients) -> None:
        """It found these gradients."""

    def updating(self, variables, gradients) -> None:
        """An optimizer is about to update variables: by arrays, or rows."""

    def updated(self, variables) -> None:
        """It has done so."""


class UpdateError(FloatingPointError):
    """An update made a Variable bad."""

    updated = True  # an optimizer counts it


class Numerics(Observer):
    """An observer that raises FloatingPointError at the first NaN, or Inf where `inf` is true."""

    def __init__(self, inf: bool = True):
        self.inf = inf
        # Where the ops ran that a tape recorded: by record, by position of the output: code, instruction.
        self.places: WeakKeyDictionary = WeakKeyDictionary()
        self.behind: dict[int, frozenset] = {}  # without a record: the variables that the latest outputs depend on
        self.back: tuple = ()  # the entry (and its record) whose gradient is being computed

    def hear(self, entry, call) -> None:
        """Look at what an op gave."""
        record = active().record
        if record is None:
            self.behind[entry[1]] = frozenset().union(*map(self._variables, entry[2]))
            if len(self.behind) > MANY:
                del self.behind[next(iter(self.behind))]
        elif not self.back:
            user = user_frame()
            self.places.setdefault(record, {})[entry[1]] = user.f_code, user.f_lasti
        for y in call.output if isinstance(call.output, tuple) else (call.output,):
            bad = self.found(y)
            if bad and not is_mask(y, call.operands):
                self.refuse_output(bad, entry, call, record)

    def walking(self, entries, record):
        """The entries of a walk with rules that look at what arrives, and at what they give."""
        for entry in entries:
            rule, out, inputs, saved, mark = entry
            vjps = [self._checked(vjp, p, entry, record) for vjp, p in zip(rule.vjps, inputs, strict=True)]
            yield Checked(rule, vjps), out, inputs, saved, mark

    def _checked(self, vjp, p, entry, record):
        def run(g, *args):
            outer, self.back = self.back, (entry, record)
            try:
                bad = self.found(g)
                if bad:
                    where = f"the gradient that arrives at the output of {self._op(entry, record)}"
                    why = "a sum of finite ones, or an output gradient that was given"
                    raise FloatingPointError(f"{where} has the first {bad}, as {why}{self._walked(entry, record)}")
                c = vjp(g, *args)
                bad = self.found(c)
            finally:
                self.back = outer
            if bad:
                variable = live_variables.get(p) if p >= VARIABLES else None
                to = "" if variable is None else f", with respect to {describe(variable)},"
                raise FloatingPointError(
                    f"the gradient of {self._op(entry, record)}{to} has the first {bad}{self._walked(entry, record)}"
                )
            return c

        return run

    def arrived(self, sources, gradients) -> None:
        """Look at what a walk returns: the sums of what the rules gave."""
        for x, g in zip(sources, gradients, strict=True):
            bad = self.found(g)
            if bad:
                raise FloatingPointError(
                    f"the gradient with respect to {describe(x)} has the first {bad}, as a sum of finite ones, at "
                    f"{user_line()}"
                )

    def updating(self, variables, gradients) -> None:
        """Look at what an optimizer is about to use."""
        for v, g in zip(variables, gradients, strict=True):
            for what, x in ((describe(v), v), (f"the gradient for {describe(v)}", g)):
                bad = self.found(x)
                if bad:
                    raise FloatingPointError(
                        f"{what} has {bad}; nothing has been updated by the update at {user_line()}"
                    )

    def updated(self, variables) -> None:
        """Look at what it made of them."""
        for v in variables:
            bad = self.found(v)
            if bad:
                raise UpdateError(
                    f"the update at {user_line()} gave {describe(v)} the first {bad}, by a finite gradient: a lower "
                    "learning rate, or clipping, may help; load the last checkpoint"
                )

    # ---------------------------------------------------------------- looking
    def found(self, x) -> str:
        """What there is in an array, a Tensor or a gradient that should not be, in words; "" if there is nothing."""
        if x is None:
            return ""
        if x.__class__ is Bundle:
            return next((bad for part in x.parts if (bad := self.found(part))), "")
        if x.__class__ is IndexedSlices:
            return self.found(x.values)
        a = bare(x)
        if not is_differentiable(a.dtype):
            return ""
        xp = namespace(a)
        wrong = ~xp.isfinite(a) if self.inf else xp.isnan(a)
        if not bool(wrong.any()):
            return ""
        nan = bool(xp.isnan(a).any())
        kind = "NaN" if nan else "Inf"
        if a.ndim == 0:
            return kind
        where = to_numpy(xp.isnan(a) if nan else wrong)
        first = tuple(int(i[0]) for i in where.nonzero())
        return f"{kind} (in {int(where.sum())} of {where.size} elements, the first at {list(first)})"

    # ---------------------------------------------------------------- words
    def refuse_output(self, bad, entry, call, record) -> None:
        """The error for a forward op."""
        kind, _, elements = bad.partition(" ")
        name = (entry[4].prefix if entry[4] is not None else "") + call.op.name
        inputs = []
        for x in call.operands:
            text = describe(x) if isinstance(x, Operand) else f"{x!r:.60}"
            before = self.found(x) if isinstance(x, Operand) else ""
            made = getattr(x, "source", None) is not None and f", as {x.source.name} gave it"
            inputs.append(text + (f" (which has {before} already{made or ''})" if before else ""))
        words = f"{name} gave the first {kind} at {user_line()}{elements and ' ' + elements}"
        if self.back:
            words += f", while the gradient of {self._op(*self.back)} was computed"
        raise FloatingPointError(f"{words}; its inputs: {', '.join(inputs)}{self._upstream(record, entry[2])}")

    def _op(self, entry, record) -> str:
        rule, out, _, _, mark = entry
        name = (mark.prefix if mark is not None else "") + rule.op.name
        made = self.places.get(record, {}).get(out)
        return name if made is None else f"{name} (at {place(made[0].co_filename, line_of(*made))})"

    def _walked(self, entry, record) -> str:
        return f"; the tape walks back at {user_line()}{self._upstream(record, entry[2])}"

    def _variables(self, p) -> frozenset:
        """The positions of the variables that the value at `p` depends on, where there is no record."""
        return frozenset((p,)) if p >= VARIABLES else self.behind.get(p, frozenset())

    def _upstream(self, record, positions, most=5) -> str:
        """The variables that the values at `positions` depend on, in words."""
        needed = set(positions).union(*map(self._variables, positions))
        for _, out, inputs, _, _ in reversed(record.entries) if record is not None else ():
            if out in needed:
                needed.update(inputs)
        names = [repr(live_variables[p].name) for p in sorted(needed) if p >= VARIABLES and p in live_variables]
        if not names:
            return ""
        more = f" and {len(names) - most} more" if len(names) > most else ""
        return f"; it depends on the variables {', '.join(names[:most])}{more}"


def is_mask(y, operands) -> bool:
    """Whether all that is not finite in an output is -Inf, and some was put in as such: scores that are masked."""
    a = bare(y)
    return bool((namespace(a).isfinite(a) | (a == -np.inf)).all()) and any(map(_has_mask, operands))


def _has_mask(x) -> bool:
    """Whether there is -Inf in an operand; in that of a Variable none is on purpose."""
    if isinstance(x, (list, tuple)):
        return any(map(_has_mask, x))
    if isinstance(x, (float, np.floating)):
        return bool(x == -np.inf)
    a = x.array if isinstance(x, Operand) and not hasattr(x, "assign") else x
    return is_array(a) and is_differentiable(a.dtype) and bool((a == -np.inf).any())


class Checked(Rule):
    """A rule with other vjps, none of which is put off."""

    __slots__ = ()

    def __init__(self, rule, vjps):
        self.op, self.watched, self.vjps, self.keep, self.layout = rule.op, rule.watched, vjps, rule.keep, rule.layout
        self.keeps_raw, self.constant, self.stacks = rule.keeps_raw, rule.constant, frozenset()


class Watch:
    """A `with` in which an observer hears every op that depends on a trainable Variable, or on what a tape watches."""

    def __init__(self, observer):
        self.observer = observer
        self._frame: Frame | None = None

    def __enter__(self):
        if self._frame is not None:
            raise RuntimeError("this watch is open already: a second one needs an object of its own")
        below = active()
        self._frame = frame = Frame.over(below, observers=(*(below.observers if below else ()), self.observer))
        frame.base = min(frame.base, new_position())
        frames.push(frame)
        return self

    def __exit__(self, kind, value, trace):
        frame, self._frame = self._frame, None
        frames.leave(frame, quiet=kind is not None)
