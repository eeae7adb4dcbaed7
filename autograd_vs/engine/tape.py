"""GradientTape: listens while it is open, then walks its entries backwards. Floor 1; it knows no op by name.

How `gradient` works
--------------------
1. Find the positions of the targets and sources (a value that was watched in several records has several).
2. Forwards over the entries: which positions does any source reach? A source that reaches no target gets None.
3. Backwards over the entries, once: the gradient that has arrived at an entry's output goes through its vjps to those
   inputs that a source reaches, and adds up there. A gradient is stored as it comes the first time (one vjp may hand
   the same array to two inputs), added out of place the second time, in place from then on (that sum is ours).
4. If somebody else listens to these entries (an outer tape, an accumulator, this tape itself inside its own `with`),
   the saved arrays become Tensors with their positions again, so the rules are recorded as any other ops are.

A tape that is not persistent lets go of each entry as it is consumed, if no other tape needs it.
"""

import sys
from itertools import islice
from math import prod
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.backend import is_array, namespace
from ..base.dtypes import is_differentiable
from ..base.errors import line_of, place
from ..base.nest import flatten, pack
from .cotangent import bare
from .outside import tracing
from .protocol import Operand, describe, is_recorded, operand_types
from .record import (
    VARIABLES,
    Frame,
    Mark,
    Record,
    active,
    frames,
    live_variables,
    new_position,
    watchable,
)
from .tensor import Tensor, tensor_of
from .walk import (
    accumulate,
    bone,
    check_unconnected,
    finish,
    lifter,
    ones_like,
    reached,
    scan,
    to_dense,
    zeros,
)

if TYPE_CHECKING:
    from .profile import Profile

__all__ = ["GradientTape"]

ndarray = np.ndarray
position_of = attrgetter("position")
PORTION = 1000  # entries


class GradientTape:
    """Records what is computed inside its ``with``, for gradients by reverse-mode differentiation.

    Parameters
    ----------
    persistent : bool, default False
        Allow more than one call of `gradient` and its kin; the entries stay until the tape is gone.
    watch_accessed_variables : bool, default True
        Watch every trainable Variable that is read. Otherwise only what `watch` names.
    check_numerics : bool, default False
        Raise FloatingPointError at the first recorded op that gives a NaN or an Inf, or whose gradient does, with its
        name (`debug.check_numerics`, for this tape only).
    profile : bool, default False
        Take the times of ops and of their rules, for `profile`.

    Notes
    -----
    Tapes nest to any depth; a gradient taken inside another tape is differentiable itself. The gradient is that at the
    values which the forward pass read, whatever is assigned to variables afterwards.

    Examples
    --------
    >>> import autograd_vs as av
    >>> x = av.Variable(3.0)
    >>> with av.GradientTape() as tape:
    ...     y = x * x
    >>> tape.gradient(y, x).item()
    6.0
    """

    def __init__(
        self,
        persistent: bool = False,
        watch_accessed_variables: bool = True,
        check_numerics: bool = False,
        profile: bool = False,
    ):
        self.persistent = persistent
        self.watches_variables = watch_accessed_variables
        self.watched: dict[int, Any] = {}  # position -> what was watched by name
        self._looks = check_numerics, profile
        self._stopwatch = _stopwatch() if profile else None
        self._observers: tuple = (self._stopwatch,) if profile else ()
        if check_numerics:
            self._observers += (_numerics(),)
        self._record: Record | None = None
        self._windows: list[list] = []  # [first entry, end or None, first position, end or None]
        self._frame: Frame | None = None
        self._used_at: tuple | None = None  # where a tape that is not persistent was used up: code, instruction
        self._skeleton: list | None = None

    # ---------------------------------------------------------------- recording
    def __enter__(self) -> "GradientTape":
        if self._frame is not None:
            raise RuntimeError("this tape is recording already: a tape cannot be entered twice at once")
        below = active()
        if self._used_at is not None:  # used up before: it starts anew
            self.__init__(self.persistent, self.watches_variables, *self._looks)  # type: ignore[misc]
        record = self._record
        if record is None:
            record = self._record = Record() if below is None or below.record is None else below.record
            record.claim(self)
        elif below is not None and below.record is not record and (below.tapes or below.listeners):
            raise RuntimeError(
                "this tape has recorded before, outside of the tape (or accumulator) that is open now, which would not "
                "hear what it records: use a new tape here"
            )
        if self.watched:
            for x in tuple(self.watched.values()):
                record.attract(x)
                self.watched[x.position] = x  # another tape may have given it another position
        if below is None:
            frame = Frame(None, record, (self,), (), Mark.on(record, None), self._observers)
        else:
            tapes = (*below.tapes, self) if below.record is record else (self,)
            observers = (*below.observers, *self._observers)
            frame = Frame(below, record, tapes, below.listeners, Mark.on(record, below.mark), observers)
        try:
            self._frame = frame
            frames.push(frame)
            self._windows.append([len(record.entries), None, new_position(), None])
            if self._stopwatch is not None:
                self._stopwatch.start()
            return self
        except BaseException:  # an interrupt: nobody will call __exit__
            frames.replace(below)
            self._frame = None
            raise

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None:
        frame = self._frame
        try:
            self._close()
            self._frame = None
            frames.pop(frame, quiet=kind is not None)
        except BaseException:  # an interrupt before the end; what is closed already stays as it is
            self._frame = None
            frames.pop(frame, quiet=True)
            raise
        finally:
            record = self._record
            if record.unsettled is not None:  # type: ignore[union-attr]
                below = active()
                if below is None or below.record is not record:
                    record.settle()  # type: ignore[union-attr]

    def _open_window(self) -> None:
        self._windows.append([len(self._record.entries), None, new_position(), None])  # type: ignore[union-attr]

    def _close(self) -> None:
        if self._windows:
            window = self._windows[-1]
            if window[1] is None:
                window[1], window[3] = len(self._record.entries), new_position()  # type: ignore[union-attr]

    def __del__(self):
        record = getattr(self, "_record", None)  # an interrupted __init__ has none
        if record is not None and record.walkers:
            record.release(self)

    def watch(self, tensor: Any) -> None:
        """Record what is computed from `tensor`: a Tensor, a Variable, or a nest of them.

        Raises
        ------
        TypeError
            If it is a bare array (wrap it: ``x = av.Tensor(a)``), or has an integer or bool dtype.
        RuntimeError
            If the tape is not recording.

        Examples
        --------
        >>> x = Tensor(3.0)
        >>> with GradientTape() as tape:
        ...     tape.watch(x)
        ...     y = np.exp(x)
        >>> round(tape.gradient(y, x).item(), 3)
        20.086
        """
        for x in flatten(tensor):
            if not isinstance(x, Operand):
                raise TypeError(
                    f"watch takes Tensors and Variables, got {type(x).__name__}: wrap the array first, "
                    "`x = av.Tensor(a)`, and compute with x"
                )
            if not is_differentiable(x.dtype):
                raise TypeError(f"cannot watch {describe(x)}: only float and complex values have gradients")
            if self._frame is None:
                raise RuntimeError("watch works while the tape records: call it inside of `with tape:`")
            self._record.attract(x)  # type: ignore[union-attr]
            self.watched[x.position] = x

    def stop_recording(self) -> "_Pause":
        """A context manager: this tape does not hear what is computed inside.

        Examples
        --------
        >>> x = Tensor(2.0)
        >>> with GradientTape(persistent=True) as tape:
        ...     tape.watch(x)
        ...     y = x * x
        ...     with tape.stop_recording():
        ...         dx = tape.gradient(y, x)
        >>> dx.item()
        4.0

        Raises
        ------
        RuntimeError
            If the tape is not recording.
        """
        if self._frame is None:
            raise RuntimeError("stop_recording works while the tape records: call it inside of `with tape:`")
        return _Pause(self)

    def reset(self) -> None:
        """Forget all that was recorded and watched so far; inside the ``with`` the tape goes on recording."""
        recording = self._frame is not None and bool(self._windows) and self._windows[-1][1] is None
        if self._record is not None and self._record.walkers == 1 and self._used_at is None:
            self._record.entries.clear()
        self._windows.clear()
        self.watched.clear()
        self._skeleton = None
        if self._stopwatch is not None:
            self._stopwatch.clear()
        if self._used_at is not None and self._record is not None:
            self._record.claim(self)
            self._used_at = None
        if recording:
            self._open_window()

    def watched_variables(self) -> tuple:
        """The trainable Variables that were read while it recorded, and those watched by name, in order of reading."""
        seen = {p: x for p, x in self.watched.items() if p >= VARIABLES}
        if self.watches_variables:
            for _, _, inputs, _ in self._bones() if self._skeleton is None else self._skeleton:
                for p in inputs:
                    if p >= VARIABLES and p not in seen and p in live_variables:
                        seen[p] = live_variables[p]
        return tuple(seen.values())

    # ---------------------------------------------------------------- gradients
    def gradient(
        self, target: Any, sources: Any, output_gradients: Any = None, unconnected_gradients: str = "none"
    ) -> Any:
        """The gradient of the sum of the elements of `target` with respect to `sources`.

        Parameters
        ----------
        target : Tensor, or nest of Tensors
            Several targets are summed.
        sources : Tensor or Variable, or nest of them
        output_gradients : nest like target, optional
            The gradient that arrives at each target (shape of the target); ones by default.
        unconnected_gradients : {"none", "zero"}
            What stands for a source from which no path leads to the target.

        Returns
        -------
        nest like sources
            Tensors of the sources' shape and dtype; `IndexedSlices` for a Variable of which only rows were gathered;
            None (or zeros) where there is no path: `explain` says why.

        Raises
        ------
        RuntimeError
            If the tape is not persistent and was used up before; the message says where.
        TypeError
            If a source or target is no Tensor or Variable, or has an integer dtype.
        ValueError
            If `output_gradients` do not fit, or `unconnected_gradients` is neither "none" nor "zero".
        """
        if unconnected_gradients != "none":
            check_unconnected(unconnected_gradients)
        leaves, places, positions = self._sources(sources)
        seeds = self._seeds(target, output_gradients)
        if self._used_at is not None:
            self._raise_used("gradient")
        if self.persistent:
            results = self._walk(seeds, leaves, places, positions, False)
        else:
            if self._frame is not None:
                self._close()
            try:
                results = self._walk(seeds, leaves, places, positions, True)
            finally:
                self._use_up(sys._getframe(1))
        if unconnected_gradients == "zero":
            results = [zeros(x) if g is None else g for g, x in zip(results, leaves, strict=True)]
        return results if sources is leaves else results[0] if sources is leaves[0] else pack(sources, results)

    def jacobian(
        self, target: Any, sources: Any, unconnected_gradients: str = "none", chunk_size: int | None = None
    ) -> Any:
        """The Jacobian of `target` with respect to each source: shape ``target.shape + source.shape``.

        Parameters
        ----------
        target : Tensor
        sources : Tensor or Variable, or nest of them
        unconnected_gradients : {"none", "zero"}
        chunk_size : int, optional
            How many one-hot output gradients are made at a time (memory: ``chunk_size * target.size`` numbers);
            by default as many as fit into a million numbers.

        Returns
        -------
        nest like sources, of Tensors

        Notes
        -----
        One walk per element of the target. Works once on a tape that is not persistent. Where outputs outnumber inputs,
        `autograd_vs.jacobian` takes forward mode instead.

        Examples
        --------
        >>> x = Tensor(np.array([1.0, 2.0]))
        >>> with GradientTape() as tape:
        ...     tape.watch(x)
        ...     y = x * x
        >>> tape.jacobian(y, x).numpy().tolist()
        [[2.0, 0.0], [0.0, 4.0]]
        """
        if isinstance(target, (list, tuple, dict)):
            raise TypeError("jacobian takes one target; call it once for each (persistent=True)")
        _check_targets([target])
        y = target
        return self._rows(y, sources, unconnected_gradients, y.size, (), chunk_size, sys._getframe(1))

    def batch_jacobian(
        self, target: Any, source: Any, unconnected_gradients: str = "none", chunk_size: int | None = None
    ) -> Any:
        """The Jacobians of each row of `target` with respect to the same row of `source`.

        Parameters
        ----------
        target : Tensor, shape (batch, ...)
        source : Tensor or Variable, shape (batch, ...)
            Row i of the target may depend on row i of the source only.
        unconnected_gradients, chunk_size :
            As in `jacobian`.

        Returns
        -------
        Tensor
            Of shape ``(batch, *target.shape[1:], *source.shape[1:])``.

        Raises
        ------
        ValueError
            If the first dimensions differ, or there is none.

        Examples
        --------
        >>> x = Tensor(np.array([[1.0, 2.0], [3.0, 4.0]]))
        >>> with GradientTape() as tape:
        ...     tape.watch(x)
        ...     y = x * x
        >>> tape.batch_jacobian(y, x).numpy().tolist()
        [[[2.0, 0.0], [0.0, 4.0]], [[6.0, 0.0], [0.0, 8.0]]]
        """
        _check_targets([target])
        y = target
        if source.__class__ not in operand_types:
            raise TypeError(f"batch_jacobian takes one source, a Tensor or a Variable, got {type(source).__name__}")
        if not y.shape or not source.shape or y.shape[0] != source.shape[0]:
            raise ValueError(
                f"batch_jacobian needs one batch size first in both: target {y.shape}, source {source.shape}"
            )
        size = prod(y.shape[1:])
        return self._rows(y, source, unconnected_gradients, size, y.shape[:1], chunk_size, sys._getframe(1))

    def _rows(self, y, sources, unconnected, rows, batch, chunk_size, caller):
        """`rows` walks with one-hot output gradients (the same one in each row of the `batch`), stacked."""
        check_unconnected(unconnected)
        leaves, places, positions = self._sources(sources)
        if self._used_at is not None:
            self._raise_used("jacobian")
        if not self.persistent:
            self._close()
        if chunk_size is not None and (not isinstance(chunk_size, int) or chunk_size < 1):
            raise ValueError(f"chunk_size is a positive integer or None, got {chunk_size!r}")
        chunk = chunk_size or max(1, 1_000_000 // max(1, y.size))
        xp = namespace(y.array)
        columns: list[list] = [[] for _ in leaves]
        try:
            for start in range(0, rows, chunk):
                for i, row in enumerate(range(start, min(start + chunk, rows))):
                    if i == 0:
                        one_hot = xp.zeros((min(chunk, rows - start), *batch, rows), y.dtype)
                        for j in range(len(one_hot)):
                            one_hot[j, ..., start + j] = 1
                    seeds = [(y, one_hot[row - start].reshape(y.shape))]
                    found = self._walk(seeds, leaves, places, positions, False)
                    for column, g, x in zip(columns, found, leaves, strict=True):
                        column.append(to_dense(zeros(x) if g is None and unconnected == "zero" else g))
        finally:
            if not self.persistent:
                self._use_up(caller)
        results = [self._stack(column, y, x, batch, unconnected) for column, x in zip(columns, leaves, strict=True)]
        return results[0] if sources is leaves[0] else pack(sources, results)

    def _stack(self, column, y, x, batch, unconnected) -> Tensor | None:
        from .registry import ops

        if any(g is None for g in column):
            return None
        inner = x.shape[1:] if batch else x.shape
        if not column:  # a target without elements
            return None if unconnected == "none" else tensor_of(namespace(x.array).zeros((*y.shape, *inner), x.dtype))
        rows = ops["stack"].public(column, len(batch))
        return rows.reshape((*y.shape, *inner))

    # ---------------------------------------------------------------- the walk
    def _walk(self, seeds, leaves, places, sources, consume):
        """Gradients of the seeded targets with respect to `leaves`, None where no path leads."""
        record = self._record
        if record is None:
            return [None] * len(leaves)
        entries, windows = record.entries, self._windows
        # Where all that can be watched is asked for, as in most training steps, a source reaches every entry.
        everything = record.walkers == 1 and not self.watched and sources >= watchable
        needed = None if everything else reached(entries, windows, sources)
        frame = active()
        lift = None
        observers = self._observers
        if frame is not None:
            observers = frame.observers if self._frame is not None else (*observers, *frame.observers)
            listening = self._listening(frame)
            if listening or any([isinstance(g, Operand) and is_recorded(g) for _, g in seeds]):
                lift = lifter(listening)
        tracer = tracing()
        if tracer is not None:
            observers = (*observers, tracer)
        grads: dict[int, Any] = {}
        owned: set[int] = set()
        for target, g in seeds:
            if g.__class__ is not ndarray or lift is not None:
                g = bare(g) if lift is None else g if isinstance(g, Operand) else tensor_of(g)
            if g.dtype.kind == "c":
                g = g.conj()
            for p in self._positions(target):
                if needed is None or p in needed:
                    accumulate(grads, owned, p, g, lift is not None)
        inner = {p for p in sources if p < VARIABLES} if places.__class__ is list else ()
        # A tape that is used up lets go of its entries on the way, if no other needs them, in portions.
        alone = consume and record.walkers == 1
        bones: list[tuple] = []
        for start, stop, *_ in reversed(windows):
            size = len(entries)
            if stop is None:
                stop = size
            while alone and stop == size and stop - start > PORTION:
                stop -= PORTION
                portion = islice(reversed(entries), PORTION)
                scan(_observed(portion, observers, record), grads, owned, needed, inner, lift)
                bones += map(bone, islice(reversed(entries), PORTION))
                del entries[stop:]
                size = stop
            portion = islice(reversed(entries), size - stop, size - start)
            scan(_observed(portion, observers, record), grads, owned, needed, inner, lift)
        results = finish(leaves, places, grads)
        for observer in observers:
            observer.arrived(leaves, results)
        if consume:
            bones.reverse()
            self._skeleton = self._bones() + bones  # for `explain`, and `watched_variables`
        return results

    def _listening(self, frame):
        """The tapes (and other listeners, as this tape) that hear ops now and share this record."""
        if frame.record is not self._record or frame.base > frame.record.base:  # type: ignore[union-attr]  # it has one
            return ()
        tapes = frame.tapes
        if self._frame is not None and not self.persistent:
            tapes = tuple([t for t in tapes if t is not self])
        return (*tapes, self) if frame.listeners else tapes  # an accumulator heard all that this tape did

    def _covers(self, position) -> bool:
        """Whether the op that gave the value at `position` ran while this tape recorded."""
        return any(w[2] <= position and (w[3] is None or position < w[3]) for w in self._windows)

    def _bones(self):
        """The entries without their arrays: what `explain` needs after the tape was used up."""
        if self._record is None:
            return []
        entries = self._record.entries
        return [b for start, stop, *_ in self._windows for b in map(bone, entries[start:stop])]

    # ---------------------------------------------------------------- positions and checks
    def _positions(self, x) -> tuple[int, ...]:
        """All positions under which this record may know `x`."""
        if x.position and not (self._record is not None and self._record.moved):
            return (x.position,)
        if hasattr(x, "settle"):  # a frozen Variable
            return (x.own_position,)
        moved = self._record.moved.get(id(x)) if self._record is not None and self._record.moved else None
        return (x.position, *moved[1]) if moved is not None and moved[0]() is x else (x.position,)

    def _follows(self, p) -> bool:
        if p in self.watched:
            return True
        if p >= VARIABLES:
            return self.watches_variables
        return self._covers(p)

    def _sources(self, sources):
        """The sources as a list, for each the position (or positions) at which the tape follows it, and all these.

        The positions come as a tuple if all sources are trainable Variables.
        """
        auto = self.watches_variables
        if auto and sources.__class__ is list:  # the usual case, without a bytecode per source
            try:
                positions = (*map(position_of, sources),)
            except AttributeError:  # something else, or a nest
                positions = (0,)
            if positions and watchable.issuperset(positions):
                return sources, positions, set(positions)
        leaves = flatten(sources)
        places: list = []
        every = set()
        for x in leaves:
            if x.__class__ not in operand_types:
                raise TypeError(f"a source must be a Tensor or a Variable, got {x!r} ({type(x).__name__})"[:400])
            p = x.position
            if auto and p >= VARIABLES:  # a trainable Variable
                places.append(p)
                every.add(p)
                continue
            if not is_differentiable(x.dtype):
                raise TypeError(
                    f"{describe(x)} is no source of gradients: its dtype is not float or complex; cast it first"
                )
            places.append([p for p in self._positions(x) if self._follows(p)])
            every.update(places[-1])
        if not leaves:
            raise ValueError(
                "no sources: the nest of sources is empty. Variables are there from the moment they are made: a layer "
                "has none before its first call, a store none before get_variable was called in it"
            )
        return leaves, places, every

    def _seeds(self, target, output_gradients) -> list:
        """Pairs of a target and the gradient that arrives at it."""
        if output_gradients is None and target.__class__ is Tensor and target.array.dtype.char in "fd":
            return [(target, ones_like(target.array))]
        targets = [target] if target.__class__ in operand_types else flatten(target)
        _check_targets(targets)
        if output_gradients is None:
            return [(y, ones_like(y.array)) for y in targets]
        given = flatten(output_gradients)
        if len(given) != len(targets):
            raise ValueError(f"{len(given)} output_gradients for {len(targets)} targets")
        seeds = []
        for y, g in zip(targets, given, strict=True):
            if g is None:
                g = ones_like(y.array)
            elif not isinstance(g, Operand):
                g = namespace(y.array).array(g)  # a copy: it may be the gradient itself, and the user writes to his
            if g.shape != y.shape:
                raise ValueError(
                    f"an output gradient has shape {g.shape}, its target {describe(y)} has shape {y.shape}"
                )
            seeds.append((y, g if g.dtype == y.dtype else g.astype(y.dtype)))
        return seeds

    def _raise_used(self, what) -> None:
        code, instruction = self._used_at  # type: ignore[misc]
        where = place(code.co_filename, line_of(code, instruction))
        raise RuntimeError(
            f"{what}: this tape is used up. It is not persistent, and its entries were let go at {where}. Either "
            "run the forward pass again under a new tape (in a notebook: the cell with `with av.GradientTape()`), or "
            "make it GradientTape(persistent=True)."
        )

    def _use_up(self, caller) -> None:
        self._used_at = (caller.f_code, caller.f_lasti)
        if self._record is None:
            return
        if self._frame is not None:  # inside its own `with`: stop hearing, as TensorFlow does
            frame = active()
            while frame is not None and frame is not self._frame.below:
                frame.drop(self)
                frame = frame.below
        self._record.release(self)

    # ---------------------------------------------------------------- in words
    def explain(self, target: Any, source: Any) -> str:
        """Say in words how `target` depends on `source` in what this tape recorded, or where the path broke.

        Parameters
        ----------
        target : Tensor
        source : Tensor or Variable

        Returns
        -------
        str

        Examples
        --------
        >>> x = Tensor(np.array([0.5, 1.5]))
        >>> with GradientTape() as tape:
        ...     tape.watch(x)
        ...     y = np.floor(x) * 2.0
        >>> print(tape.explain(y, x))  # doctest: +ELLIPSIS
        No gradient: x (Tensor ...) was read, but the path stops there: floor passes no gradient (at ...).
        """
        from .explain import explain

        return explain(self, target, source)

    def profile(self) -> "Profile":
        """What the ops took that were recorded so far, and their rules in calls of `gradient`: time and memory.

        Returns
        -------
        Profile
            Printed, a table by scope and op, what takes longest first. `ops`, `scopes` and `total` have the numbers.

        Raises
        ------
        RuntimeError
            If the tape was made without ``profile=True``.

        Notes
        -----
        "us forward": microseconds from the end of the op before (or from where the tape was opened) to the end of this
        one. What you do in between, on arrays that nobody watches, say, is part of it, so the sum is the time of the
        forward pass. "us back": microseconds in the rules, which is most of the time of `gradient`; those of tapes
        inside count, too. On a device both are until the work is under way. "bytes kept": memory of arrays that are
        kept for the rules, counted where it is kept first; that of Variables does not count. An op with several
        outputs has a second row, "item", for the way back.

        Of a `function` prints ``f.profile(arguments)`` the calls of its plan.

        Examples
        --------
        >>> x = Tensor(np.ones(100))
        >>> with GradientTape(profile=True) as tape:
        ...     tape.watch(x)
        ...     y = np.sum(np.tanh(x))
        >>> dx = tape.gradient(y, x)
        >>> print(tape.profile())  # doctest: +SKIP
        scope   op    calls  us forward  us back  bytes kept
        (none)            2          31       12         800
                tanh      1          20        7         800
                sum       1          11        5           0
        total             2          31       12         800
        >>> tape.profile().ops["", "tanh"].calls
        1
        """
        from .profile import Profile

        if self._stopwatch is None:
            raise RuntimeError("profile: this tape takes no times; make it GradientTape(profile=True)")
        return Profile(self._stopwatch.rows)


class _Pause:
    """`GradientTape.stop_recording`: one tape does not hear; the others do."""

    def __init__(self, tape):
        self.tape = tape

    def __enter__(self):
        below = active()
        self.frame = Frame.over(below, tapes=tuple(t for t in below.tapes if t is not self.tape))
        self.tape._close()
        try:
            frames.push(self.frame)
        except BaseException:  # an interrupt: nobody will call __exit__
            frames.leave(self.frame, quiet=True)
            self.tape._open_window()
            raise

    def __exit__(self, kind, value, trace):
        try:
            frames.leave(self.frame, quiet=kind is not None)
        finally:
            self.tape._open_window()


def _stopwatch():
    from .profile import Stopwatch

    return Stopwatch()


def _numerics():
    from .numerics import Numerics

    return Numerics()


def _observed(entries, observers, record):
    """The entries of a walk as the observers hand them on."""
    for observer in observers:
        entries = observer.walking(entries, record)
    return entries


def _check_targets(targets) -> None:
    for y in targets:
        if y.__class__ not in operand_types:
            left = is_array(y) or isinstance(y, (float, np.generic))
            hint = ": it left the tape when it was converted" if left else ""
            raise TypeError(f"the target must be a Tensor computed inside the tape, got {type(y).__name__}{hint}")
        if y.array.dtype.kind not in "fc" and not is_differentiable(y.dtype):
            raise TypeError(f"the target {describe(y)} has no gradient: its dtype is not float or complex")
    if not targets:
        raise ValueError("no targets: the nest of targets is empty")
