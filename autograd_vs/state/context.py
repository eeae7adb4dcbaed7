"""What is open here: the frames of variable scopes and stores, and the name scopes for ops. Floor 2; nothing public.

A variable scope is a frame on `scopes`, and a name scope is a frame of the engine, on `frames`: it is the ops that take
its name. Frames are immutable and belong to one thread or async task. Where the user changes an open scope
(`reuse_variables`, `set_initializer`), and where a scope counts the default names in it, the frame is put back changed;
so each frame is found again by who opened it.
"""

import re
from typing import Any, NamedTuple

from ..base.stack import Stack
from ..engine.record import Frame, Mark, active, frames

__all__ = [
    "ScopeAgain", "ScopeDefaults", "ScopeFrame", "changed", "check_name", "close_scope", "counts_at_store", "current",
    "frame_of", "join", "open_names", "opened_once_more", "opened_whole", "replaced", "same_names", "scopes",
]  # fmt: skip

scopes = Stack("variable scope or store")
bottom: Any = None  # the root of the default store: scope.py makes it

_ALLOWED = re.compile(r"[A-Za-z0-9.][A-Za-z0-9_.\\/>-]*")


class ScopeDefaults(NamedTuple):
    """What a scope says about the variables that are asked for in it; inherited by the scopes inside."""

    reuse: Any = False
    initializer: Any = None
    regularizer: Any = None
    constraint: Any = None
    dtype: Any = None
    trainable: Any = None
    custom_getter: Any = None
    compute: Any = None  # the dtype that variables are cast to, where that is another one: see `policy.py`


class ScopeFrame(NamedTuple):
    """One open scope or store."""

    below: "ScopeFrame | None"
    opener: Any  # the object whose `with` it is; None for a root
    scope: Any  # the VariableScope that users hold
    defaults: ScopeDefaults
    store: Any
    opened: dict  # how often each scope was opened inside; never changed in place
    names: Frame | None  # the engine's frame that was opened with it; None for a root
    loose: bool = False  # inside of a default name at the root

    def __repr__(self):
        return f"<{self.scope!r} of {self.store!r}>"


def changed(values, **changes):
    """A copy of a named tuple that differs in `changes`.

    What `_replace` does, but by way of a list: its tuples come from one of CPython's free lists and go to another,
    which then grows to 2,000 of them and looks like a leak.
    """
    fields = [changes.get(name, value) for name, value in zip(values._fields, values, strict=True)]
    return type(values)(*fields)


def current() -> ScopeFrame:
    """The innermost frame; the root of the default store where nothing is open."""
    return scopes.top() or bottom


def frame_of(scope) -> ScopeFrame | None:
    """The frame in which `scope` is open here, or None."""
    frame = scopes.top()
    while frame is not None and frame.scope is not scope:
        frame = frame.below
    return bottom if frame is None and bottom.scope is scope else frame


def replaced(frame: ScopeFrame, **changes) -> None:
    """Put a changed copy in the place of an open `frame`, however deep it lies."""
    above = []
    top = scopes.top()
    while top is not None and top is not frame:
        above.append(top)
        top = top.below
    new = changed(frame, **changes)
    for other in reversed(above):
        new = changed(other, below=new)
    scopes.replace(new)


def close_scope(opener, quiet: bool) -> None:
    """Close what `opener` opened last, and the name scope that belongs to it.

    Raises
    ------
    RuntimeError
        If it is not the innermost one: see `Stack.pop`. With `quiet` never.
    """
    frame = None
    try:
        frame = _opened_by(opener)
        if frame is not None:
            frame.scope.left_with(frame.defaults)
            frames.pop(frame.names, quiet)
        scopes.pop(opener if frame is None else frame, quiet)
    except BaseException:  # disorder, or an interrupt before the end; what is closed already stays as it is
        frame = frame or _opened_by(opener)
        if frame is not None:
            frames.pop(frame.names, quiet=True)
            scopes.pop(frame, quiet=True)
        raise


def _opened_by(opener) -> ScopeFrame | None:
    """What `opener` opened last."""
    frame = scopes.top()
    while frame is not None and frame.opener is not opener:
        frame = frame.below
    return frame


def opened_whole(opening):
    """What `opening()` returns; where an error or an interrupt stops it halfway, what it had opened is closed again."""
    names, scope = active(), scopes.top()
    try:
        return opening()
    except BaseException:
        frames.replace(names)
        scopes.replace(scope)
        raise


class ScopeAgain:
    """For a function that runs a second time, later: a ``with`` in which scope and store are those of its making.

    Default names count on from where they were. By default all variables are there, so they are found and not made.

    Attributes
    ----------
    scope, store :
        Those of its making.
    reuse : False, True or AUTO_REUSE
        What holds there from the next opening on.
    compute : numpy.dtype or None
        What variables are cast to there.
    """

    __slots__ = ("_defaults", "_loose", "_opened", "compute", "reuse", "scope", "store")

    def __init__(self, reuse=True):
        frame = current()
        self.scope, self.store, self.reuse = frame.scope, frame.store, reuse  # not the frame: it knows the open tapes
        self._defaults, self._opened, self._loose = frame.defaults, opened_in(frame), frame.loose
        self.compute = frame.defaults.compute

    def __enter__(self):
        return opened_whole(self._open)

    def _open(self):
        defaults = changed(self._defaults, reuse=self.reuse)
        scope = type(self.scope)(self.scope.name, self.scope.original_name_scope, defaults)
        top, names = scopes.top(), same_names()
        frame = ScopeFrame(top, self, scope, defaults, self.store, self._opened, names, self._loose)
        scopes.push(frame)

    def __exit__(self, kind, value, trace):
        close_scope(self, quiet=kind is not None)


def counts_at_store(frame: ScopeFrame) -> bool:
    """Say whether scopes opened in `frame` count in its store: the root is never entered anew."""
    return frame.scope.name == "" and frame.opener.__class__ is not ScopeAgain


def opened_in(frame: ScopeFrame) -> dict:
    """How often each scope was opened in `frame` up to now."""
    if not counts_at_store(frame):
        return frame.opened
    with frame.store.lock:
        return dict(frame.store.opened)


def _tidy() -> None:
    """A tape or name scope was closed out of order: scopes inside of it that are still open go with it."""
    alive = set()
    below = active()
    while below is not None:
        alive.add(below)
        below = below.below
    frame = top = scopes.top()
    while frame is not None and frame.names is not None and frame.names not in alive:
        frame = frame.below
    if frame is not top:
        scopes.replace(frame)


frames.after_disorder = _tidy


# ---------------------------------------------------------------- names


def check_name(full_name: str, what: str = "variable") -> str:
    r"""`full_name` itself if it is allowed.

    Raises
    ------
    TypeError
        If it is no string.
    ValueError
        If it does not match ``[A-Za-z0-9.][A-Za-z0-9_.\\/>-]*``, or is reserved.
    """
    if not isinstance(full_name, str):
        raise TypeError(f"the name of a {what} is a string, got {full_name!r} ({type(full_name).__name__})")
    if not _ALLOWED.fullmatch(full_name) or "__metadata__" in full_name.split("/"):
        hint = f" (write {full_name[:-2]!r}: the ':0' is added)" if full_name.endswith(":0") else ""
        raise ValueError(
            f"{full_name!r} cannot be the name of a {what}{hint}: a name begins with a letter, a digit or a dot, goes "
            "on with those or with any of _ - / \\ >, and '__metadata__' is taken by checkpoints"
        )
    return full_name


def join(prefix: str, name: str) -> str:
    """``prefix/name``, or `name` at the root."""
    return f"{prefix}/{name}" if prefix else name


def opened_once_more(opened: dict, name: str | None, default_name: str | None) -> str:
    """Count in `opened` that `name` is opened; without one, the first free of the default name, with "_1", "_2", ..."""
    if name is None:
        name = str(default_name)
        following = "\0" + name  # no name: where to go on looking
        number = opened.get(following, 1)
        while name in opened:
            name = f"{default_name}_{number}"
            number += 1
        opened[following] = number
    opened[name] = opened.get(name, 0) + 1
    return name


def open_names(name: str | None) -> Frame:
    """Open the name scope `name` for ops: under the open one; the root if it is empty, absolute if it ends in "/"."""
    below = active()
    mark = below.mark if below is not None else None
    record = below.record if below is not None else None
    if not name:
        prefix = path = ""
    elif name.endswith("/"):
        prefix = check_name(name, "scope")
        path = record.scope_paths.get(prefix, prefix) if record is not None else prefix
    else:
        prefix = check_name((mark.prefix if mark else "") + name, "scope") + "/"
        path = (mark.path if mark else "") + name + "/"
        if record is not None:
            prefix = _numbered(record, prefix)
            record.scope_paths[prefix] = path
    return _pushed(Frame.over(below, mark=Mark(prefix, record, path)))


def same_names() -> Frame:
    """Open nothing new for ops: the frame only goes with that of a variable scope, so that both are closed together."""
    return _pushed(Frame.over(active()))


def _pushed(frame):
    frames.push(frame)
    return frame


def _numbered(record, prefix: str) -> str:
    """Within a record a name scope that was opened before gets a number: ``foo_1/``."""
    counts = record.scope_counts
    count = counts.get(prefix, 0)
    counts[prefix] = count + 1
    if not count:
        return prefix
    numbered = f"{prefix[:-1]}_{count}/"
    while numbered in counts:
        count += 1
        numbered = f"{prefix[:-1]}_{count}/"
    counts[prefix], counts[numbered] = count + 1, 1
    return numbered
