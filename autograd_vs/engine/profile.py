"""``GradientTape(profile=True)``: what ops take, forwards and backwards, op by op and scope by scope. Floor 1."""

from time import perf_counter

from ..base.backend import is_array, memory_owner
from ..base.tables import as_html, as_text
from .numerics import Checked, Observer
from .outside import tracing
from .record import active, lent

__all__ = ["Profile", "Stopwatch"]


class Row:
    """What an op took in a scope, or all of them together: calls, seconds, bytes."""

    __slots__ = ("bytes", "calls", "seconds_back", "seconds_forward")

    def __init__(self, calls=0, seconds_forward=0.0, seconds_back=0.0, bytes=0):
        self.calls, self.seconds_forward, self.seconds_back, self.bytes = calls, seconds_forward, seconds_back, bytes

    @property
    def seconds(self) -> float:
        """Forwards and backwards."""
        return self.seconds_forward + self.seconds_back

    def __add__(self, other):
        return Row(*[getattr(self, name) + getattr(other, name) for name in _FIELDS])

    def cells(self) -> tuple[str, ...]:
        """The numbers as text."""
        times = f"{1e6 * self.seconds_forward:.0f}", f"{1e6 * self.seconds_back:.0f}"
        return f"{self.calls:,}", *times, f"{self.bytes:,}"


_FIELDS = ("calls", "seconds_forward", "seconds_back", "bytes")


class Profile:
    """What `GradientTape.profile` returns: printed, a table.

    Attributes
    ----------
    ops : dict from (scope, op) to row
        A row has `calls`, `seconds_forward`, `seconds_back`, `seconds` (of both) and `bytes`.
    scopes : dict from scope to row
        The sums over the ops of each scope; ``""`` is where there is none.
    total : row
    """

    def __init__(self, ops: dict[tuple[str, str], Row]):
        self.ops = {key: row + Row() for key, row in ops.items()}  # copies: the tape may go on
        self.scopes: dict[str, Row] = {}
        for (scope, _), row in ops.items():
            self.scopes[scope] = self.scopes.get(scope, Row()) + row
        self.total = sum(self.scopes.values(), Row())

    def _rows(self) -> list[tuple]:
        rows: list[tuple] = [("scope", "op", "calls", "us forward", "us back", "bytes kept")]
        for scope, row in _slowest(self.scopes):
            rows.append((scope or "(none)", "", *row.cells()))
            rows += [("", op, *row.cells()) for (s, op), row in _slowest(self.ops) if s == scope]
        return [*rows, ("total", "", *self.total.cells())]

    def __str__(self):
        return as_text(self._rows(), right=range(2, 6))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return as_html(self._rows())


def _slowest(rows):
    return sorted(rows.items(), key=lambda item: -item[1].seconds)


class Stopwatch(Observer):
    """Takes the time of ops, from the end of the one before, and of their rules."""

    def __init__(self):
        if tracing() is not None:
            raise RuntimeError(
                "a tape inside of an av.function cannot take times, as plans run without tapes: print "
                "f.profile(arguments), or call f.python_function"
            )
        self.rows: dict[tuple[str, str], Row] = {}
        self.timed: dict[tuple, Checked] = {}  # by rule and row: the same rule, timed
        self.seen: set[int] = set()  # the ids of the memory that entries keep
        self.walks = 0  # how many rules are being run, one in another
        self.since = 0.0

    def clear(self) -> None:
        """Forget what was seen so far."""
        for known in (self.rows, self.timed, self.seen):
            known.clear()

    def start(self) -> None:
        """The time of the next op begins now."""
        self.since = perf_counter()

    def hear(self, entry, call) -> None:
        """An op ran: the time since the one before is its time."""
        now = perf_counter()
        rule, _, _, saved, mark = entry
        row = self._row(rule, mark)
        row.calls += 1
        if not self.walks:  # else it is part of a rule, which is timed itself
            row.seconds_forward += now - self.since
        if active().tapes:  # it is kept
            row.bytes += sum([self._new_bytes(a) for a in _arrays(saved)])
        self.since = perf_counter()

    def walking(self, entries, record):
        """The entries with rules that are timed."""
        for rule, out, inputs, saved, mark in entries:
            row = self._row(rule, mark)
            timed = self.timed.get((rule, row))
            if timed is None:
                timed = self.timed[rule, row] = Checked(rule, [TimedVjp(vjp, row, self) for vjp in rule.vjps])
                timed.stacks = rule.stacks
            yield timed, out, inputs, saved, mark

    def _row(self, rule, mark) -> Row:
        return self.rows.setdefault((mark.path.rstrip("/") if mark is not None else "", rule.op.name), Row())

    def _new_bytes(self, array) -> int:
        """The bytes of the memory of an array, if it is not counted yet; that of a Variable is there in any case."""
        owner = memory_owner(array)
        if id(owner) in self.seen or id(owner) in lent:
            return 0
        self.seen.add(id(owner))
        return getattr(owner, "nbytes", array.nbytes)


class TimedVjp:
    """A vjp that adds the time that it takes to a row. It is equal to the vjp: a walk stacks uses of equal ones."""

    __slots__ = ("row", "vjp", "watch")

    def __init__(self, vjp, row, watch):
        self.vjp, self.row, self.watch = vjp, row, watch

    def __call__(self, g, *args):
        watch = self.watch
        watch.walks += 1
        begin = perf_counter()
        try:
            return self.vjp(g, *args)
        finally:
            watch.since = perf_counter()
            watch.walks -= 1
            if not watch.walks:  # else it is part of another rule
                self.row.seconds_back += watch.since - begin

    def __eq__(self, other):
        return self.vjp == getattr(other, "vjp", other)

    def __hash__(self):
        return hash(self.vjp)


def _arrays(saved):
    if saved.__class__ is tuple:
        for part in saved:
            yield from _arrays(part)
    elif is_array(saved):
        yield saved
