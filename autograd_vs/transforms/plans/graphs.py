"""Plans on a device: runs of calls are captured once, as graphs that it makes by itself. Floor 3.

What the host has to do stays between the graphs: Python functions (a step counted, numbers drawn), what gets arrays of
the host, and what the library cannot capture, each with a reason that ``print(f.plan())`` tells. A graph is captured
when a part has run once: by then its kernels are compiled.
"""

from collections import Counter
from itertools import groupby
from typing import Any

import numpy as np

from ...base.backend import graphs, is_array
from .program import Call, arrays_in

__all__ = ["Graphs", "graphed", "why_not"]

FEWEST = 2  # calls that are worth a graph


def graphed(program, emitted):
    """The calls of a program as graphs, where all results lie in a library that captures; else None."""
    types = {a.__class__ for call in program.calls for a in arrays_in(call.out)} - {np.ndarray}
    library = graphs(types.pop()) if len(types) == 1 else None
    if library is None:
        return None
    return Graphs(emitted, [why_not(call, library.refuses) for call in program.calls], library)


def why_not(call: Call, refuses) -> str:
    """Why a call cannot be part of a graph; "" if it can. ``refuses(function)`` is what the library says."""
    if call.form in ("outside", "block"):
        return "Python decides"
    if any(isinstance(a, np.ndarray) for a in arrays_in((call.args, call.options, call.out))):
        return "an array of the host"
    if (call.function is np.ndarray.__getitem__ or call.form in ("setitem", "change")) and _waits(call.args[1]):
        return "it waits for the device"
    return refuses(call.function)


def _waits(index) -> bool:
    """Whether an index has a mask in it, or a list, which goes to the device first."""
    parts = index if isinstance(index, tuple) else (index,)
    return any(isinstance(part, list) or (is_array(part) and part.dtype.kind == "b") for part in parts)


class Graphs:
    """The calls of a plan as graphs, and what is between them.

    Parameters
    ----------
    emitted : Emitted
    reasons : list of str
        Of `why_not`, for each call.
    library : module
        ``rehearse(run)`` makes the calls of ``run()``, ``capture(run)`` gives a function that launches their graph
        (`base/cuda/graphs.py`).
    """

    def __init__(self, emitted, reasons: list[str], library):
        self.reasons, self.parts = reasons, []
        for whole, numbers in groupby(range(len(reasons)), key=lambda n: not reasons[n]):
            first, *rest = numbers
            last = rest[-1] if rest else first
            worth = whole and last - first + 1 >= FEWEST
            self.parts.append(_Part(emitted, first, last + 1, library if worth else None))
        self.now: Any = None

    def run(self) -> None:
        """Make all calls."""
        for part in self.parts:
            self.now = part
            part.run()

    def failed_at(self, error: BaseException) -> int:
        """The number of the call from which `error` came, or of the first of its graph."""
        return -1 if self.now is None else self.now.failed_at(error)

    def notes(self) -> list[str]:
        """For people: what is captured, what stays between, and why."""
        graphs = [part for part in self.parts if part.library is not None and not part.note]
        refused = [part.note for part in self.parts if part.note]
        between = Counter(reason for reason in self.reasons if reason)
        words = ", ".join(f"{count} ({reason})" for reason, count in between.items())
        inside = sum(part.last - part.first for part in graphs)
        lines = [f"graphs: {len(graphs)} of {inside} calls together" + (f"; calls between: {words}" if words else "")]
        return [*lines, *(f"  not captured: {note}" for note in refused)]


class _Part:
    """Calls after one another that become a graph, or (without a `library`) stay what they are."""

    def __init__(self, emitted, first: int, last: int, library):
        self.first, self.last, self.library = first, last, library
        self.inner = emitted.part(first, last)
        self.note = ""  # why it was not captured
        self.run = self.inner.run if library is None else self._rehearse

    def _rehearse(self) -> None:
        self.library.rehearse(self.inner.run)
        self.run = self._capture

    def _capture(self) -> None:
        try:
            self.run = self.library.capture(self.inner.run)
        except Exception as error:  # nothing has run: it goes on as it did
            self.run, self.note = self.inner.run, f"calls {self.first + 1} to {self.last}: {error}"
        self.run()

    def failed_at(self, error) -> int:
        return self.first + max(0, self.inner.failed_at(error))
