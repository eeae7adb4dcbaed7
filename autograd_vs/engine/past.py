"""What Variables held at a moment: for functions that run again, or later, as if no time had passed. Floor 1.

A `Past` costs nothing until a Variable is about to be written; then it gets the old value. `Back` is the ``with`` in
which the Variables hold what they held at a Past. A Past made inside of such a ``with`` belongs to it: it hears only
of what happens there, and at the end that the Variables return to the present.
"""

from weakref import WeakValueDictionary

from ..base.backend import copy
from ..base.stack import Stack

__all__ = ["Back", "Past", "about_to_write", "is_past"]

_open = Stack("return to the values of a function's first run")
_present: WeakValueDictionary = WeakValueDictionary()  # the Pasts that belong to no `Back`, by id


class Past:
    """From its making on it gets the old value of each Variable that is written."""

    __slots__ = ("__weakref__", "values")

    def __init__(self):
        self.values: dict[int, tuple] = {}  # own position -> (variable, array that nobody writes any more)
        back = _open.top()
        (_present if back is None else back.pasts)[id(self)] = self

    def note(self, variable, array) -> None:
        """`variable` held `array` up to now; the earliest word counts."""
        self.values.setdefault(variable.own_position, (variable, array))


class Back:
    """A ``with`` in which the Variables are as they were at `past`.

    With `undo`, what is assigned inside is seen inside only. Without, it is assigned to the present value, and the
    Variable stays in the present from there on.
    """

    __slots__ = ("away", "below", "past", "pasts", "undo")

    def __init__(self, past: Past, undo: bool):
        self.past, self.undo = past, undo
        self.below: Back | None = None
        self.away: dict[int, tuple] = {}  # own position -> (variable, its array outside)
        self.pasts: WeakValueDictionary = WeakValueDictionary()  # made inside

    def __enter__(self):
        self.below = _open.top()
        try:
            for p, (variable, array) in list(self.past.values.items()):
                self.away[p] = variable, variable.array
                variable.array = array
            _open.push(self)
        except BaseException:  # an interrupt: nobody will call __exit__
            self.leave()
            raise

    def __exit__(self, kind, value, trace):
        try:
            _open.pop(self, quiet=kind is not None)
        finally:
            self.leave()

    def leave(self) -> None:
        """Be in the present for certain. Where an interrupt cut this short, the next call brings it to its end."""
        _open.pop(self, quiet=True)
        for p in list(self.away):
            self.bring(p)
        outside = _present if self.below is None else self.below.pasts
        for past in _alive(self.pasts):
            outside[id(past)] = past

    def bring(self, position) -> None:
        """The Variable at `position` takes its value outside."""
        variable, array = self.away[position]
        for past in _alive(self.pasts):
            past.note(variable, variable.array)
        variable.array = array
        del self.away[position]


def is_past() -> bool:
    """Whether some Past is open, or was noted."""
    return _open.top() is not None or bool(_present.data)  # type: ignore[attr-defined]


def about_to_write(variables) -> list[Past] | None:
    """The Pasts that must get the present values of `variables`; None if those have gone to new memory already."""
    pasts: list[Past] = []
    back = _open.top()
    if back is None and not _present.data:  # type: ignore[attr-defined]  # the dict inside: its own len() is slow
        return pasts  # the usual case: 0.8 us less for each step
    while back is not None:
        pasts += _alive(back.pasts)
        if back.undo:
            for v in variables:
                back.away.setdefault(v.own_position, (v, v.array))
                for past in pasts:
                    past.note(v, v.array)
                v.array = copy(v.array)
            return None
        for v in variables:
            if v.own_position in back.away:
                for past in pasts:
                    past.note(v, v.array)
                back.bring(v.own_position)
        back = back.below
    return pasts + _alive(_present)


def _alive(pasts) -> list:
    return [past for past in [r() for r in pasts.valuerefs()] if past is not None]
