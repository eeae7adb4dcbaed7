"""Batches of arrays and of examples, in an order that can be saved in the middle and gone on with. Floor 3."""

import atexit
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from operator import index
from threading import Condition, Thread, current_thread
from typing import Any

import numpy as np

from .base.backend import as_array, beside, has_numbers, is_array, namespace
from .base.devices import copies, name_of
from .base.nest import flatten, map_nest, pack, paths
from .base.seeds import generator, global_seed
from .engine.outside import tracing
from .engine.protocol import Operand
from .engine.tensor import tensor_of

__all__ = ["Batches", "batches"]

END: Any = object()
WHOLE = 0, 1  # the part of a process by itself


def batches(
    arrays: Any,
    batch_size: int | None,
    shuffle: int | bool | None = None,
    drop_last: bool = False,
    prefetch: int = 0,
    device: Any = None,
    shard: Any = None,
) -> "Batches":
    """Cut arrays into batches, epoch after epoch.

    Parameters
    ----------
    arrays : array, or nest of arrays (dict, list, tuple), all of one length
        Of NumPy or CuPy, Tensors, memory maps. Or the examples one by one: any iterable that is no list, tuple or
        dict, or a function that returns one, called at the start of each epoch; or what has a length and gives the
        example of a number, as PyTorch's datasets do. An example is an array, a number or a nest of them, and a batch
        has them stacked.
    batch_size : int, >= 1
        None, for an iterable: what it gives are batches already.
    shuffle : int >= 0, bool, default None
        A seed: each epoch has an order of its own, which depends on the seed and the number of the epoch only. True
        takes the global seed (`autograd_vs.random.set_seed`), or one from the system where none is set. None and False
        keep the order.
    drop_last : bool, default False
        Leave out a last batch that is smaller than the others.
    prefetch : int, default 0
        How many batches a thread makes ahead: of use where they come from a disk, are computed, or go to a device. The
        thread ends with the loop, however that ends.
    device : str or Device, optional
        Where the batches shall lie, as in `autograd_vs.device`; by default where host data goes when the epoch
        begins. To a GPU batches go through pinned host memory, on a stream of their own; with `prefetch` the thread
        does that, beside what the loop computes.
    shard : DataParallel or (int, int), optional
        Give this process its rows of each batch only: rank r of n those from ``rows * r // n`` on, up to
        ``rows * (r + 1) // n``. A pair is (r, n). `batch_size` is that of the whole batch, all ranks get as many
        batches, and order and position are those of all, whatever n is. A last batch of few rows may have none
        for some ranks, shape (0, ...). Of an iterable each process takes all examples, and keeps its own.

    Returns
    -------
    Batches
        ``for x, y in data`` is one epoch (or what is left of it, see `Batches`). A batch has the structure of `arrays`,
        with Tensors, shape (batch_size, ...), on `device`; arrays of text and objects stay NumPy's. It is a
        copy: later writes to `arrays` do not reach it.

    Raises
    ------
    TypeError
        If a leaf is no array, `batch_size`, `shuffle` or `prefetch` are no integers.
    ValueError
        If lengths differ, there is nothing in them, or `drop_last` would leave out everything; for a `batch_size` below
        1; for `shuffle` of an iterable. In the loop: if examples differ in structure or shape, or an iterator is used
        up. What an iterable raises comes out of the loop, too.
    ImportError, RuntimeError
        If there is no such device.

    Examples
    --------
    >>> x, y = np.arange(10.0).reshape(5, 2), np.arange(5)
    >>> data = batches((x, y), 2)
    >>> len(data), [labels.tolist() for _, labels in data]
    (3, [[0, 1], [2, 3], [4]])
    >>> [batch["y"].tolist() for batch in batches({"y": y}, 2, shuffle=0, drop_last=True)]
    [[4, 2], [0, 1]]
    >>> [batch.tolist() for batch in batches((i * i for i in range(5)), 2)]
    [[0, 1], [4, 9], [16]]
    """
    if batch_size is not None or isinstance(arrays, (list, tuple, dict)) or is_array(arrays):
        _check_count("batch_size", batch_size, 1)
    _check_count("prefetch", prefetch, 0)
    part = _part(shard)
    if part[1] > 1 and shuffle is True and global_seed() is None:
        raise ValueError(
            "shuffle=True without a seed would be another order in each process: pass a seed, shuffle=0, or call "
            "av.random.set_seed"
        )
    seed = _seed_of(shuffle)
    device = None if device is None else name_of(device)
    if isinstance(arrays, (list, tuple, dict, Operand)) or is_array(arrays):
        return Batches(_Arrays(arrays, batch_size, seed, bool(drop_last), part), int(prefetch), device)
    if not callable(arrays) and not isinstance(arrays, Iterable) and not _is_dataset(arrays):
        raise TypeError(
            f"batches takes arrays, a nest of them, or an iterable of examples, got {arrays!r:.60} "
            f"({type(arrays).__name__})"
        )
    if seed is not None:
        raise ValueError(
            "shuffle needs arrays: an iterable gives its examples in its own order. Shuffle where they come from, or "
            "make arrays of them"
        )
    return Batches(_Examples(arrays, batch_size, bool(drop_last), part), int(prefetch), device)


class Batches:
    """What `batches` returns: iterate over it once for each epoch.

    Attributes
    ----------
    epoch : int
        The number of the epoch, from 0.
    batch : int
        How many batches of this epoch were handed out.

    Notes
    -----
    These two numbers are the position, and a loop goes on from there: after `load_state_dict`, and also after a loop
    that was left by ``break`` or an exception. `rewind` goes back to the start of the epoch. A batch counts as soon as
    the loop gets it, so what is saved inside of the loop, behind the training step, goes on with the next one. A state
    of the end of an epoch gives one empty loop, upon which the next epoch begins, as it does without saving.

    A second loop over the same object ends the first, which raises RuntimeError when it is asked again.

    Examples
    --------
    >>> data = batches(np.arange(6), 2, shuffle=3)
    >>> for batch in data:
    ...     state = data.state_dict()
    ...     break
    >>> rest = [batch.tolist() for batch in data]
    >>> again = batches(np.arange(6), 2, shuffle=3)
    >>> again.load_state_dict(state)
    >>> again.epoch, again.batch, [batch.tolist() for batch in again] == rest
    (0, 1, True)
    >>> again.epoch, again.batch
    (1, 0)
    """

    def __init__(self, source: "_Arrays | _Examples", prefetch: int, device: str | None = None) -> None:
        self.epoch = self.batch = 0
        self._source, self._prefetch, self._device = source, prefetch, device
        self._rest: Iterator | None = None  # of the epoch that is under way
        self._loop: Any = None  # what the newest loop takes its batches from
        self._copies: Any = None  # how those of the epoch under way come to their device

    def __len__(self) -> int:
        """How many batches an epoch has."""
        return self._source.count()

    def __iter__(self) -> Iterator[Any]:
        if tracing() is not None:
            raise RuntimeError(
                "a loop over batches inside of an av.function would see the batches of the trace in each call: loop "
                "outside, and pass the batch as an argument"
            )
        self._end_loop()
        if self._rest is None:
            self._copies = copies(self._device)
            stream = self._started(self._source.stream(self.epoch, self.batch), self._copies)
            self._rest = _Ahead(stream, self._prefetch) if self._prefetch else stream
        mine, copied = islice(self._rest, None), self._copies
        self._loop = mine
        try:
            if isinstance(self._rest, _Ahead):
                self._rest.open()
            while True:
                self._check_newest(mine)
                found = next(mine, END)
                if found is END:
                    break
                self.batch += 1
                nest, started = found
                yield pack(nest, map(_wrapped, copied.finish(started)))
            self._end_loop()
            self.epoch, self.batch, self._rest = self.epoch + 1, 0, None
        except GeneratorExit:
            raise
        except BaseException:
            if self._loop is mine:
                self._end_loop()
                self._rest = None  # a generator that raised is at its end
            raise
        finally:
            if self._loop is mine:
                self._end_loop()

    @staticmethod
    def _started(stream, copies):
        """Batches on their way to where they shall lie: (a nest of the structure, what `Copies.finish` needs)."""
        for batch in stream:
            yield batch, copies.start(flatten(batch))

    def _check_newest(self, loop) -> None:
        if self._loop is not loop:
            raise RuntimeError(
                "another loop over these batches has begun (or they were rewound, or got a state): two loops at once "
                "need two `av.data.batches(...)`"
            )

    def _end_loop(self) -> None:
        self._loop = None
        if isinstance(self._rest, _Ahead):
            self._rest.close()

    def rewind(self) -> None:
        """Go back to the first batch of this epoch."""
        self._go_to(self.epoch, 0)

    def _go_to(self, epoch: int, batch: int) -> None:
        self._end_loop()
        self._rest = None
        self.epoch, self.batch = epoch, batch

    def state_dict(self) -> dict[str, np.ndarray]:
        """The position, and what it depends on, as int64 arrays of shape (); -1 stands for "none" and "unknown"."""
        return {
            name: np.array(-1 if value is None else value, np.int64)
            for name, value in {"epoch": self.epoch, "batch": self.batch, **self._source.facts()}.items()
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to the position of a `state_dict`, and take over its seed.

        The first examples of an epoch of an iterable are asked for again, and left out.

        Raises
        ------
        ValueError
            If it is no such state, or was saved with another batch size, number of examples, `drop_last`, or with
            `shuffle` where there is none here (or the other way round); nothing has been changed.
        """
        mine = self.state_dict()
        if state.keys() != mine.keys():
            raise ValueError(f"a state of batches has the keys {sorted(mine)}, got {sorted(state)}")
        given = {name: int(value) for name, value in state.items()}
        for name in ("examples", "batch_size", "drop_last"):
            if given[name] != mine[name]:
                raise ValueError(
                    f"the state was saved with {name}={given[name]}, here it is {mine[name]}: its position "
                    f"(epoch {given['epoch']}, batch {given['batch']}) would mean other examples"
                )
        if (given["seed"] < 0) != (mine["seed"] < 0):
            saved, here = ("without", "with") if given["seed"] < 0 else ("with", "without")
            raise ValueError(f"the state was saved {saved} shuffle, these batches are made {here}")
        if min(given["epoch"], given["batch"]) < 0:
            raise ValueError(f"no position: epoch {given['epoch']}, batch {given['batch']}")
        self._source.seed = given["seed"] if given["seed"] >= 0 else None
        self._go_to(given["epoch"], given["batch"])

    def __repr__(self) -> str:
        facts = ", ".join(f"{name}={value}" for name, value in self._source.facts().items())
        return f"<batches at epoch {self.epoch}, batch {self.batch}: {facts}>"


class _Arrays:
    """A nest of arrays of one length."""

    def __init__(self, nest, batch_size, seed, drop_last, part):
        names = paths("arrays", nest)
        self.part = part
        self.nest, self.seed, self.batch_size, self.drop_last = nest, seed, batch_size, drop_last
        self.leaves = [_checked(name, leaf) for name, leaf in zip(names, flatten(nest), strict=True)]
        if not self.leaves:
            raise ValueError("no arrays: the nest of arrays is empty")
        lengths = {name: len(leaf) for name, leaf in zip(names, self.leaves, strict=True)}
        if len(set(lengths.values())) > 1:
            found = ", ".join(f"{name} has {length}" for name, length in lengths.items())
            raise ValueError(f"arrays of one length are needed, one row for each example: {found}")
        self.examples = len(self.leaves[0])
        if self.count() == 0:
            too_few = f": drop_last leaves out all {self.examples}, batch_size is {batch_size}" if self.examples else ""
            raise ValueError(f"no batch: the arrays have {self.examples} examples{too_few}")

    def count(self) -> int:
        """How many batches an epoch has."""
        return (self.examples if self.drop_last else self.examples + self.batch_size - 1) // self.batch_size

    def facts(self) -> dict:
        """What a position depends on."""
        sizes = {"examples": self.examples, "batch_size": self.batch_size, "drop_last": self.drop_last}
        return {**sizes, "seed": self.seed}

    def stream(self, epoch: int, start: int):
        """The batches of an epoch, from the number `start` on."""
        order = None
        if self.seed is not None:
            order = generator(self.seed, "data.batches", epoch).permutation(self.examples)
        for i in range(start, self.count()):
            first = i * self.batch_size
            mine = _share(min(self.batch_size, self.examples - first), self.part)
            where: Any = slice(first + mine.start, first + mine.stop)
            if order is not None:
                where = order[where]
            yield pack(self.nest, [_rows(leaf, where) for leaf in self.leaves])


class _Examples:
    """Examples that come one by one."""

    seed = None

    def __init__(self, source, batch_size, drop_last, part):
        self.source, self.batch_size, self.drop_last, self.part = source, batch_size, drop_last, part
        self.begun = False

    def count(self) -> int:
        """How many batches an epoch has, if the iterable knows its length."""
        examples = len(self.source)  # TypeError: Python says which type has none
        if self.batch_size is None:
            return examples
        return (examples if self.drop_last else examples + self.batch_size - 1) // self.batch_size

    def facts(self) -> dict:
        """What a position depends on."""
        return {"examples": None, "batch_size": self.batch_size, "drop_last": self.drop_last, "seed": None}

    def stream(self, epoch: int, start: int):
        """The batches of an epoch, from the number `start` on."""
        source = self.source() if callable(self.source) else self.source
        examples = iter(source) if isinstance(source, Iterable) else (source[i] for i in range(len(source)))
        if examples is self.source:
            if self.begun:
                raise ValueError(
                    f"{self.source!r:.60} is an iterator, which gives its examples once: pass what makes one, as a "
                    "generator function or an object with __iter__, for a second epoch or another position"
                )
            self.begun = True
        skipped = start * (self.batch_size or 1)
        found = sum(1 for _ in islice(examples, skipped))
        if found < skipped - (self.batch_size or 1) + 1 or (found < skipped and self.drop_last):
            raise ValueError(
                f"epoch {epoch} should go on behind batch {start}, but the iterable ends after {found} examples: it is "
                "not the one that the state was saved with"
            )
        number, handed_out = found, bool(found)
        if self.batch_size is None:
            for batch in examples:
                handed_out = True
                leaves = [_leaf("a batch", leaf) for leaf in flatten(batch)]
                yield pack(batch, [self._mine(leaf) for leaf in leaves])
        else:
            while group := list(islice(examples, self.batch_size)):
                if len(group) == self.batch_size or not self.drop_last:
                    handed_out = True
                    yield map_nest(self._mine, _stacked(group, number))
                number += len(group)
        if not handed_out:
            raise ValueError(f"no batch: the iterable of epoch {epoch} gave {number} examples")

    def _mine(self, array):
        """The rows of this process."""
        return array if self.part == WHOLE else array[_share(len(array), self.part)]


class _Ahead:
    """An iterator over what another one gives, which a thread asks ahead while it is open."""

    def __init__(self, iterator: Iterator, depth: int) -> None:
        self._iterator, self._depth = iterator, depth
        self._items: Any = deque()  # of (item, None) and (None, error)
        self._ended = False
        self._thread: Any = None
        self._open: Any = None  # the thread that shall go on
        self._changed = Condition()

    def open(self) -> None:
        """Start the thread."""
        self.close()
        if not self._ended:
            # A daemon: Python does not wait for it at its end, where `close` is called first.
            self._thread = self._open = Thread(target=self._work, name="autograd_vs batches", daemon=True)
            atexit.register(self.close)
            self._thread.start()

    def close(self) -> None:
        """End the thread, behind the item that it is at. What it has made stays for the next one."""
        with self._changed:
            self._open = None
            self._changed.notify_all()
        # The garbage collector may run in the thread itself; one that an interrupt kept from its start ends at once.
        if self._thread is not None and self._thread is not current_thread() and self._thread.is_alive():
            self._thread.join()
        self._thread = None
        atexit.unregister(self.close)

    def _work(self) -> None:
        while True:
            with self._changed:
                while len(self._items) >= self._depth and self._open is current_thread():
                    self._changed.wait(0.1)  # an interrupt may have kept the loop from saying so
                if self._open is not current_thread():
                    return
            try:
                found: Any = next(self._iterator), None
            except StopIteration:
                found = None
            except BaseException as error:  # raised in the loop, by `__next__`
                found = None, error
            with self._changed:
                if found is not None:
                    self._items.append(found)
                self._ended = found is None or found[1] is not None
                self._changed.notify_all()
                if self._ended:
                    return

    def __iter__(self) -> "_Ahead":
        return self

    def __next__(self) -> Any:
        with self._changed:
            while not (self._items or self._ended):
                self._changed.wait()
            if not self._items:
                raise StopIteration
            item, error = self._items.popleft()
            self._changed.notify_all()
        if error is None:
            return item
        try:
            raise error
        finally:
            del error  # it knows this frame


# ---------------------------------------------------------------- leaves


def _is_dataset(x) -> bool:
    """Whether it gives examples by their numbers."""
    return hasattr(x, "__len__") and hasattr(x, "__getitem__")


def _check_count(name: str, value: Any, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} is an integer >= {least}, got {value!r:.60}")
    if value < least:
        raise ValueError(f"{name} is an integer >= {least}, got {value}")


def _part(shard) -> tuple[int, int]:
    """(rank, number of processes) of what `shard` says."""
    if shard is None:
        return WHOLE
    try:
        rank, size = shard if isinstance(shard, tuple) else (shard.rank, shard.size)
        fits = 0 <= index(rank) < index(size)
    except (TypeError, ValueError, AttributeError):
        raise TypeError(f"shard is a DataParallel, or (rank, number of ranks), got {shard!r:.60}") from None
    if not fits:
        raise ValueError(f"shard: a rank is in [0, {size}), got {rank}")
    return index(rank), index(size)


def _share(rows: int, part: tuple[int, int]) -> slice:
    """The rows of a batch that a process gets."""
    rank, size = part
    return slice(rows * rank // size, rows * (rank + 1) // size)


def _seed_of(shuffle) -> int | None:
    if shuffle is None or shuffle is False:
        return None
    if shuffle is True:
        known = global_seed()
        return int(np.random.SeedSequence().generate_state(1)[0]) if known is None else known
    _check_count("shuffle (a seed)", shuffle, 0)
    if shuffle >= 1 << 63:
        raise ValueError(f"shuffle (a seed) is less than 2**63, got {shuffle}")
    return int(shuffle)


def _leaf(name: str, leaf):
    """The array of a leaf."""
    if isinstance(leaf, Operand):
        return leaf.array
    if isinstance(leaf, str) or (is_array(leaf) and not has_numbers(leaf.dtype)):  # text, objects
        return np.asarray(leaf)
    try:
        return as_array(leaf)
    except TypeError as error:
        raise TypeError(f"{name}: {error}") from None


def _checked(name: str, leaf):
    """The array of a leaf that has a row for each example."""
    if not isinstance(leaf, Operand) and not is_array(leaf):
        raise TypeError(
            f"{name} is {leaf!r:.60} ({type(leaf).__name__}), not an array: make it one (np.asarray). A list, tuple or "
            "dict is a nest of arrays; examples one by one come as iter(examples)"
        )
    array = _leaf(name, leaf)
    if array.ndim == 0:
        raise ValueError(f"{name} has shape (): an array with a row for each example is needed")
    return array


def _rows(array, where):
    """A copy of the rows `where`."""
    return array[where].copy() if where.__class__ is slice else namespace(array).take(array, beside(where, array), 0)


def _wrapped(array):
    return tensor_of(array) if has_numbers(array.dtype) else array


def _stacked(examples: list, number: int):
    """One batch of a list of examples, the first of which has this number in its epoch."""
    names = paths("example", examples[0])
    columns: list[list] = [[] for _ in names]
    for i, example in enumerate(examples):
        if paths("example", example) != names:
            raise ValueError(
                f"example {number + i} has another structure than example {number}: "
                f"{', '.join(paths('example', example))} against {', '.join(names)}"
            )
        for name, column, leaf in zip(names, columns, flatten(example), strict=True):
            column.append(_leaf(f"{name} (number {number + i})", leaf))
            if column[-1].shape != column[0].shape:
                raise ValueError(
                    f"{name} has shape {column[-1].shape} in example {number + i} and {column[0].shape} in example "
                    f"{number}: examples of one shape are needed for a batch (pad them)"
                )
    return pack(examples[0], [namespace(column[0]).stack(column) for column in columns])
