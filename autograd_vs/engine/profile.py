"""`GradientTape.profile`: what the way back takes, op by op and scope by scope, as text. Floor 1."""

from time import perf_counter

from ..base.backend import is_array, memory_owner
from .numerics import Checked
from .record import Apart, lent

__all__ = ["profile"]


def profile(tape, target, sources) -> str:
    """See `GradientTape.profile`."""
    if sources is None:
        sources = [*tape.watched_variables(), *(x for x in tape.watched.values() if not hasattr(x, "settle"))]
    leaves, places, positions = tape._sources(sources)
    watch = Stopwatch()
    with Apart():  # nobody records this walk
        tape._walk(tape._seeds(target, None), leaves, places, positions, False, (watch,))
    rows: dict[tuple, list] = {}
    seen: set[int] = set()
    for start, stop, *_ in tape._windows:
        for rule, out, _, saved, mark in tape._record.entries[start:stop]:
            scope = mark.prefix.rstrip("/") if mark is not None else ""
            for key in ((scope, rule.op.name), (scope, None), (None, None)):
                row = rows.setdefault(key, [0, 0.0, 0])
                row[0] += 1
                row[1] += watch.seconds.get(out, 0.0)
            size = sum(_new_bytes(a, seen) for a in _arrays(saved))
            for key in ((scope, rule.op.name), (scope, None), (None, None)):
                rows[key][2] += size
    total = rows.pop((None, None), [0, 0.0, 0])
    lines = [("scope", "op", "entries", "us back", "bytes kept")]
    for scope, (entries, seconds, size) in _slowest({s: row for (s, op), row in rows.items() if op is None}):
        lines.append((scope or "(none)", "", f"{entries:,}", f"{1e6 * seconds:.0f}", f"{size:,}"))
        ops = {op: row for (s, op), row in rows.items() if s == scope and op is not None}
        for op, (entries, seconds, size) in _slowest(ops):
            lines.append(("", op, f"{entries:,}", f"{1e6 * seconds:.0f}", f"{size:,}"))
    lines.append(("total", "", f"{total[0]:,}", f"{1e6 * total[1]:.0f}", f"{total[2]:,}"))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        f"{scope:<{widths[0]}}  {op:<{widths[1]}}  "
        + "  ".join(f"{text:>{width}}" for text, width in zip(numbers, widths[2:], strict=True))
        for scope, op, *numbers in lines
    )


def _slowest(rows):
    return sorted(rows.items(), key=lambda item: -item[1][1])


def _arrays(saved):
    if saved.__class__ is tuple:
        for part in saved:
            yield from _arrays(part)
    elif is_array(saved):
        yield saved


def _new_bytes(array, seen) -> int:
    """The bytes of the memory of an array, if nobody has counted it yet; that of a Variable is there in any case."""
    owner = memory_owner(array)
    if id(owner) in seen or id(owner) in lent:
        return 0
    seen.add(id(owner))
    return getattr(owner, "nbytes", array.nbytes)


class Stopwatch:
    """An observer of a walk that takes the time of each entry, by the position of its output."""

    def __init__(self):
        self.seconds: dict[int, float] = {}

    def walking(self, entries, record):
        """The entries with rules that are timed."""
        for rule, out, inputs, saved, mark in entries:
            yield Checked(rule, [self._timed(vjp, out) for vjp in rule.vjps]), out, inputs, saved, mark

    def _timed(self, vjp, out):
        def run(g, *args):
            begin = perf_counter()
            c = vjp(g, *args)
            self.seconds[out] = self.seconds.get(out, 0.0) + perf_counter() - begin
            return c

        return run

    def arrived(self, sources, gradients) -> None:
        """Nothing to do."""
