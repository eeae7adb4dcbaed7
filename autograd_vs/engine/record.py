"""What is being recorded: records, frames, entries, and who is told when a variable is written. Floor 1.

Terms
-----
position   An integer that names a value: an op's output, a watched Tensor, a Variable. One counter for the process
           hands them out, so a position is never used twice. 0 means "not watched by anyone".
record     The flat list of entries that the tapes nested in one another share. A tape is a window on it.
entry      ``(rule, output position, input positions, saved, mark)``: one op that ran on something watched. `saved` has,
           for each watched input, the tuple of arrays and attributes that its vjp asks for: always bare arrays. Where a
           gradient must be differentiable itself, the walk puts Tensors with their positions back in their place.
frame      What is open in this thread or task now: the record, the tapes and other listeners that hear ops, the name
           scope. Only `drop` changes one; the top one is read once per op.
mark       The name scope in which an op ran.

Is a value watched? ``value.position >= frame.base``: a record's base is higher than all positions before it, so values
of an earlier record fail the test by themselves; the positions of trainable Variables lie above all others and pass
it whenever something listens (`NOBODY` is above those). A position from another thread's record may pass as well: its
op is recorded for nothing, and no gradient goes astray, because positions are unique.

The memory of a Variable never moves. When one is about to be written, `written` gives a copy of the old value to those
who still need it: entries of records that a tape has yet to walk, and Tensors that are views of the buffer.
"""

from itertools import count
from typing import Any
from weakref import WeakValueDictionary, ref

from ..base.backend import copy, is_array, memory_owner, same_view
from ..base.stack import Stack
from .past import about_to_write, is_past

__all__ = [
    "NOBODY", "VARIABLES", "Apart", "Frame", "Mark", "Readings", "Record", "active", "constrained", "frames", "lease",
    "lend", "lent", "live_records", "live_variables", "new_position", "reclaim", "variable_position", "waits",
    "watchable", "written",
]  # fmt: skip

VARIABLES = 1 << 61  # positions of Variables start here
NOBODY = 1 << 62  # the base of a frame in which nothing listens

new_position = count(1).__next__
variable_position = count(VARIABLES).__next__

frames = Stack("tape or scope")
active = frames.top


class Mark:
    """A name scope as the ops in it see it: the prefix of their names, and the record that numbers them.

    `path` is the prefix without the numbers that records give to scopes opened again: plain Variables take it.
    """

    __slots__ = ("path", "prefix", "record")

    def __init__(self, prefix: str, record, path: str | None = None):
        self.prefix, self.record = prefix, record
        self.path = prefix if path is None else path

    @classmethod
    def on(cls, record, below: "Mark | Record | None") -> "Mark | Record":
        """The mark of a frame over one with the mark `below`, for ops that go to `record`."""
        if below is None:
            return record
        return below if below.record is record else cls(below.prefix, record, below.path)


class Record:
    """The entries that nested tapes share, and what must be known when one of them walks.

    It is the `Mark` of its own outermost scope.
    """

    __slots__ = ("__weakref__", "_notes", "base", "entries", "moved", "owners", "unsettled", "walkers")

    prefix = path = ""
    record = property(lambda self: self)

    def __init__(self):
        self.base = new_position()
        self.entries: list[tuple] = []
        self.owners: set[int] = set()  # ids of the tapes that may still walk the entries
        self.walkers = 0  # how many these are
        self.moved: dict[int, tuple] | None = None  # id(tensor) -> (weak reference, positions it had before)
        self.unsettled: list | None = None  # variables that settle when the outermost tape closes
        self._notes: dict | None = None

    # What few records need is made when it is asked for. (By properties: `__getattr__` slows all other attributes.)

    @property
    def breaks(self) -> list[tuple]:
        """(what cut the path, input position, line), for `explain`."""
        return self._note("breaks", list)

    @property
    def scope_counts(self) -> dict[str, int]:
        """How often each name scope was opened."""
        return self._note("scope_counts", dict)

    @property
    def scope_paths(self) -> dict[str, str]:
        """The path without the numbers of each numbered prefix."""
        return self._note("scope_paths", dict)

    def _note(self, name, make):
        if self._notes is None:
            self._notes = {}
        return self._notes.setdefault(name, make())

    def attract(self, x) -> None:
        """Give `x` a position that this record follows, and keep the one by which earlier records know it."""
        if hasattr(x, "settle"):  # a Variable has one position for life
            x.position = x.own_position
            self.settle_later(x)
        elif x.position < self.base:
            if x.position:
                for other in [r for r in tuple(live_records) if r.base <= x.position]:
                    other.moved = other.moved or {}
                    known = other.moved.get(id(x))
                    others = known[1] if known is not None and known[0]() is x else ()
                    other.moved[id(x)] = (ref(x), (*others, x.position))
            x.position = new_position()

    def settle_later(self, variable) -> None:
        """`variable` was watched by name, or its `trainable` was set: let it settle when the outermost tape closes."""
        if self.unsettled is None:
            self.unsettled = []
        self.unsettled.append(variable)

    # An interrupt may come between any two lines, so both can be said twice: the last word counts.

    def claim(self, tape) -> None:
        """`tape` may walk the entries."""
        self.owners.add(id(tape))
        self.walkers = len(self.owners)
        if self not in live_records:
            live_records.append(self)

    def release(self, tape) -> None:
        """`tape` will not walk any more; after the last one the arrays are let go."""
        self.owners.discard(id(tape))
        if not self.owners:
            self.entries.clear()
            if self in live_records:
                live_records.remove(self)
        self.walkers = len(self.owners)

    def settle(self) -> None:
        """Nothing listens any more: variables switched or watched in between take their own state back."""
        for variable in self.unsettled or ():
            variable.settle()
        self.unsettled = None


class Frame:
    """One open `with` of a tape, an accumulator, a pause or a name scope, and what an op must know of those below."""

    __slots__ = ("base", "below", "entries", "listeners", "mark", "observers", "plain", "record", "tapes")

    entries: Any  # of the record; None without one
    record: Any

    def __init__(self, below, record=None, tapes=(), listeners=(), mark=None, observers=()):
        self.below = below
        self.record, self.tapes, self.listeners, self.mark = record, tapes, listeners, mark
        self.observers = observers  # who only looks at what is computed: no gradient passes there, no record is needed
        if record is not None and (tapes or listeners):
            self.base = record.base
        else:
            self.base = below.base if observers and below is not None else NOBODY
        self.entries = record.entries if record is not None else None
        # Plain: an op with an input above the base is appended to the entries, and nobody else is to be asked or told.
        self.plain = False
        if not listeners and not observers:
            for tape in tapes:
                if tape.watches_variables:
                    self.plain = True
                    break

    def drop(self, tape) -> None:
        """`tape` is used up inside of its own ``with``: nothing more is recorded for it."""
        self.tapes = tuple(t for t in self.tapes if t is not tape)
        self.base = self.record.base if self.tapes or self.listeners or self.observers else NOBODY
        self.plain = not (self.listeners or self.observers) and any(t.watches_variables for t in self.tapes)

    def __repr__(self):
        scope = (
            f"the name scope {self.mark.prefix!r}" if self.mark is not None and self.mark.prefix else "no name scope"
        )
        tapes = f", {len(self.tapes)} open tape{'s' * (len(self.tapes) > 1)}" if self.tapes else ""
        return f"<{scope}{tapes}>"

    @classmethod
    def over(cls, below, **changes):
        """A frame on top of `below` (which may be None) that differs from it in `changes`."""
        names = ("record", "tapes", "listeners", "mark", "observers")
        fields = {name: getattr(below, name) for name in names} if below else {}
        return cls(below, **{**fields, **changes})

    def watches(self, position: int) -> bool:
        """Say whether any tape or listener here follows the value at `position`."""
        if position < self.base:
            return False
        if self.plain:
            return True
        if position < VARIABLES:
            return bool(self.tapes or self.listeners)
        return any(t.watches_variables or position in t.watched for t in self.tapes) or any(
            listener.follows(position) for listener in self.listeners
        )

    def hear(self, entry, call) -> int:
        """Record `entry` where a tape wants it, tell the other listeners, return the position. Off the fast path."""
        _, out, inputs, _, _ = entry
        followed = any(map(self.watches, inputs))
        if followed and self.tapes:
            self.entries.append(entry)
        for listener in (*self.listeners, *self.observers) if followed else self.observers:
            listener.hear(entry, call)
        return out if followed or not (self.tapes or self.listeners) else 0


class Readings:
    """Notes which watched Variables the ops inside of its `with` read. Needs a frame in which somebody listens.

    With `alone` nobody else hears these ops, and nothing of them is recorded.
    """

    __slots__ = ("alone", "frame", "variables")

    def __init__(self, alone: bool = False):
        self.alone = alone
        self.variables: dict[int, object] = {}  # by position, in order of reading

    def __enter__(self):
        below = active()
        others = {"tapes": (), "listeners": (self,)} if self.alone else {"listeners": (*below.listeners, self)}
        self.frame = Frame.over(below, **others)
        frames.push(self.frame)
        return self

    def __exit__(self, kind, value, trace):
        frames.leave(self.frame, quiet=kind is not None)
        self.frame = None  # it knows this listener: a cycle would keep its tapes alive

    def follows(self, position) -> bool:
        """Only Variables."""
        return position >= VARIABLES

    def hear(self, entry, call) -> None:
        """Note the Variables among the inputs."""
        for p in entry[2]:
            if p >= VARIABLES and p in live_variables:
                self.variables[p] = live_variables[p]


class Apart:
    """A `with` in which nobody listens; tapes opened inside have a record of their own."""

    __slots__ = ("frame",)

    def __init__(self):
        self.frame = None

    def __enter__(self):
        self.frame = Frame.over(active(), record=None, tapes=(), listeners=())
        frames.push(self.frame)

    def __exit__(self, kind, value, trace):
        frames.leave(self.frame, quiet=kind is not None)

    def leave(self) -> None:
        """Be out of it for certain, after an interrupt at the end of the `with`."""
        if self.frame is not None:
            frames.pop(self.frame, quiet=True)


live_records: list[Record] = []  # those that a tape may still walk
live_variables: WeakValueDictionary = WeakValueDictionary()  # by position
watchable: set[int] = set()  # the positions of those that are trainable: what a tape may watch by itself
constrained: set[int] = set()  # the positions of those that have a constraint
_leased: set[int] = set()  # the buffers with such views
# id of a variable's buffer -> weak references to the Tensors that are views of it
lent: dict[int, list] = {}


def lend(buffer) -> None:
    """From now on `buffer` is the memory of a Variable."""
    lent[id(buffer)] = []


def reclaim(key: int, lent=lent, leased=_leased) -> None:
    """Forget the buffer with id `key`, which is gone. (Defaults: it is called while Python shuts down, too)."""
    lent.pop(key, None)
    leased.discard(key)


def lease(tensor) -> None:
    """Note that `tensor` may be a view of a Variable, so that it keeps its value when the Variable is written."""
    array = tensor.array
    key = id(array if array.base is None else array.base)
    leases = lent.get(key)
    if leases is not None:
        _leased.add(key)
        if len(leases) > 32 and len(leases) & (len(leases) - 1) == 0:  # at powers of two: drop what is dead
            leases[:] = [r for r in leases if r() is not None]
        leases.append(ref(tensor))


def waits() -> bool:
    """Whether somebody may need what a Variable holds once it is written over."""
    return bool(live_records or _leased or is_past())


def written(variables) -> None:
    """Tell everyone that the buffers of `variables` are about to be written: whoever needs an old value gets a copy."""
    for variable in variables:
        variable.assigned = True  # a store warns about some new names once training has begun
    pasts = about_to_write(variables)
    if pasts is None or not (pasts or live_records or _leased):
        return
    old: dict[int, object] = {}

    def move(array):
        owner = memory_owner(array)
        if id(owner) not in buffers:
            return array
        if id(owner) not in old:
            old[id(owner)] = copy(owner)
        return same_view(array, owner, old[id(owner)])

    buffers = {id(v.array) for v in variables}
    for past in pasts:
        for v in variables:
            if v.own_position not in past.values:
                past.note(v, move(v.array))
    # Over a copy: other threads, and the garbage collector in this one, take records away meanwhile.
    for record in tuple(live_records):
        _move_saved(record.entries, buffers, move)
    for key in buffers:
        leases = lent.get(key)
        if leases:
            for tensor in [r() for r in leases]:
                if tensor is not None:
                    tensor.array = move(tensor.array)
            leases.clear()
            _leased.discard(key)
    old.clear()  # `_move_saved` leaves a cycle that knows it


def _move_saved(entries, buffers, move):
    def touched(value):
        if value.__class__ is tuple:
            return any(map(touched, value))
        return is_array(value) and id(memory_owner(value)) in buffers

    def moved(value):
        if value.__class__ is tuple:
            return tuple(map(moved, value))
        return move(value) if is_array(value) else value

    for index, entry in enumerate(tuple(entries)):
        rule, out, inputs, saved, mark = entry
        if touched(saved):
            new = rule, out, inputs, moved(saved), mark
            try:
                if entries[index] is entry:
                    entries[index] = new
            except IndexError:  # let go meanwhile: nobody needs it
                return
