"""What ranks tell each other before they add anything up, sums and gathered rows, and gradients packed for it. Floor 3.

Each exchange begins with one short message (`Exchange.agree`): what the rank is about to do, with which variables, at
which step, and with which weight. Where all agree, the sum follows. Where they do not, no rank has changed anything
yet, all of them know, and each raises the same error.
"""

from collections.abc import Sequence
from functools import lru_cache, partial
from itertools import accumulate
from math import inf, prod
from typing import Any, NamedTuple

import numpy as np

from ..base import backend
from ..base.dtypes import is_differentiable
from ..engine.cotangent import IndexedSlices, bare
from ..engine.outside import outside, tracer
from ..engine.tensor import tensor_of

__all__ = ["Average", "Entry", "Exchange", "number", "on_all_ranks", "said", "sum_dtype"]


class Entry(NamedTuple):
    """What a rank says of one of its arrays."""

    name: str
    shape: tuple[int, ...]
    dtype: Any
    kind: str = ""  # of a gradient: "dense", "rows" or "none", which fits both

    def __str__(self):
        return f"{self.dtype} of shape {self.shape}"


@lru_cache(maxsize=256)
def _digest(what: str, facts: tuple) -> int:
    import hashlib

    return int.from_bytes(hashlib.blake2b(repr((what, facts)).encode(), digest_size=8).digest(), "little", signed=True)


def sum_dtype(dtype: Any) -> np.dtype:
    """The dtype in which arrays of a dtype are added up: half precision in float32."""
    return np.dtype(np.float32) if dtype.itemsize < 4 else np.dtype(dtype)


class Exchange:
    """The messages of one strategy, with the checks in front of them.

    Parameters
    ----------
    link : Link
    """

    def __init__(self, link: Any) -> None:
        self.link = link
        self.counted: list[Any] = []  # optimizers, whose iterations are the step
        self._devices: dict[type, Any] = {}

    @property
    def step(self) -> int:
        """The iterations of the optimizers of the latest `broadcast`, added up."""
        return sum(optimizer.iterations for optimizer in self.counted)

    # ---------------------------------------------------------------- agreement
    def agree(self, what: str, entries: tuple[Entry, ...] = (), weight: float = 1.0) -> tuple[float, tuple[str, ...]]:
        """See that all ranks are about to do the same.

        Parameters
        ----------
        what : str
            In words, for errors.
        entries : tuple of Entry
        weight : float

        Returns
        -------
        share : float
            The weight of this rank, divided by the sum of all weights.
        kinds : tuple of str
            Of each entry; "none" only where no rank has a gradient.

        Raises
        ------
        RuntimeError
            If they are not: the same error on all ranks.
        ValueError
            If a weight is negative or not finite, or all are 0: on all ranks.
        """
        row = np.empty(4, np.int64)
        row[0] = _digest(what, tuple([entry[:3] for entry in entries]))
        row[1] = _digest("kinds", tuple([entry.kind for entry in entries]))
        row[2] = self.step
        row[3:].view(np.float64)[0] = weight
        table = self.link.table(row)
        same = (table == table[0]).all(axis=0)
        if not (same[0] and same[2]):
            raise RuntimeError(_difference(self.link.objects((what, entries, self.step))))
        weights = table[:, 3].copy().view(np.float64)
        if not (weights >= 0).all() or not 0 < weights.sum() < inf:
            raise ValueError(f"weights are finite, not negative, and not all 0; those of the ranks are {weights}")
        kinds = tuple([entry.kind for entry in entries])
        if not same[1]:
            kinds = _common_kinds(self.link.objects(kinds), entries)
        return float(weights[self.link.rank] / weights.sum()), kinds

    # ---------------------------------------------------------------- sums and rows
    def add(self, array: Any) -> None:
        """Put the sum over all ranks in the place of an array, which lies in one piece."""
        numbers = array if array.dtype.kind != "c" else array.view(array.real.dtype)
        device = self._device(array)
        if device is not None:
            device.add(numbers)
            return
        on_host = backend.on_host(numbers)
        self.link.add(on_host)
        if on_host is not numbers:
            backend.write(numbers, on_host)

    def join(self, array: Any, counts: Sequence[int]) -> Any:
        """The arrays of all ranks one below the other; rank r has ``counts[r]`` rows."""
        device = self._device(array)
        if device is not None:
            return device.join(array, counts)
        return backend.beside(self.link.join(backend.on_host(array), counts), array)

    def _device(self, array) -> Any:
        """What adds up arrays of this type where they lie; None where they go through the host."""
        kind = type(array)
        if kind not in self._devices:
            module = backend.collectives(kind)
            self._devices[kind] = None if module is None else module.connect(self.link)
        return self._devices[kind]

    def close(self) -> None:
        """No more messages."""
        for device in self._devices.values():
            if device is not None:
                device.close()
        self.link.close()


def _ranks(numbers) -> str:
    return ("rank " if len(numbers) == 1 else "ranks ") + ", ".join(map(str, numbers))


def said(found: Sequence[Any]) -> str:
    """What each rank has, in words.

    Examples
    --------
    >>> said([3, 4, 3])
    '3 on ranks 0, 2; 4 on rank 1'
    """
    by_value: dict[str, list[int]] = {}
    for rank, value in enumerate(found):
        by_value.setdefault(str(value), []).append(rank)
    return "; ".join(f"{value} on {_ranks(ranks)}" for value, ranks in by_value.items())


def _difference(requests: list[tuple[str, tuple[Entry, ...], int]]) -> str:
    """What ranks disagree in, in words."""
    whats, lists, steps = zip(*requests, strict=True)
    if len(set(whats)) > 1:
        return (
            f"the ranks do not do the same: {said(whats)}. Each rank has to make the same calls of its strategy, in "
            "the same order: shard the data with av.data.batches(..., shard=strategy), so that all make as many steps"
        )
    if len(set(steps)) > 1:
        return (
            f"the ranks are not at the same step (iterations of the optimizers): {said(steps)}. Let all load the same "
            "checkpoint, or call strategy.broadcast(store, optimizer) after rank 0 has"
        )
    names = list(dict.fromkeys(entry.name for entries in lists for entry in entries))
    by_name = [{entry.name: entry for entry in entries} for entries in lists]
    wrong = []
    for name in names:
        found = [entries[name]._replace(kind="") if name in entries else "missing" for entries in by_name]
        if len(set(found)) > 1:
            wrong.append(f"{name!r}: {said(found)}")
    if wrong:
        more = f"\n... and {len(wrong) - 10} more" if len(wrong) > 10 else ""
        return f"{whats[0]}: the variables differ between the ranks:\n" + "\n".join(wrong[:10]) + more
    orders = [", ".join(entry.name for entry in entries) for entries in lists]
    return f"{whats[0]}: the variables come in another order: {said(orders)}"


def _common_kinds(lists: list[tuple[str, ...]], entries) -> tuple[str, ...]:
    """What each gradient is, where some ranks have none."""
    common, wrong = [], []
    for entry, kinds in zip(entries, zip(*lists, strict=True), strict=True):
        there = {kind for kind in kinds if kind != "none"}
        if len(there) > 1:
            wrong.append(f"{entry.name!r}: {said(kinds)}")
        common.append(max(there, default="none"))
    if wrong:
        raise RuntimeError("gradients are rows on some ranks and dense on others:\n" + "\n".join(wrong[:10]))
    return tuple(common)


# ---------------------------------------------------------------- gradients


class Average:
    """One call of `DataParallel.average`: which gradients there are, and where their averages come.

    In a function that is traced, `_begin`, `_add` and `_gather` are calls of the plan, with the buffers of the trace.
    """

    def __init__(self, exchange: Exchange, gradients: Sequence[Any], variables: Sequence[Any]) -> None:
        self._exchange, self._gradients, self._variables = exchange, gradients, variables
        self._entries = tuple(map(_entry, gradients, variables))
        self._share = 0.0
        self._kinds: tuple[str, ...] = ()
        self._packs: Any = None  # of the dense gradients
        self._rows: dict[int, Gathered] = {}

    def results(self, weight: Any) -> list:
        """The averages, in the order of the gradients."""
        on_all_ranks(self._begin, weight)
        tracing = tracer()
        found: list[Any] = [None] * len(self._entries)
        for pack in self._packs:
            outside(partial(self._add, pack), [self._gradients[i] for i in pack.members], writes=[pack.buffer])
            total = pack.buffer if tracing is None else tracing.live(pack.buffer, "average")
            for i, piece in zip(pack.members, pack.pieces, strict=True):
                own = self._variables[i].dtype
                part = total[piece].reshape(self._entries[i].shape)
                found[i] = tensor_of(part if part.dtype == own else part.astype(own))
        for i, into in self._rows.items():
            g = self._gradients[i]
            outside(partial(self._gather, into), None if g is None else (g.values, g.indices), writes=())
            found[i] = into if tracing is not None else IndexedSlices(into.values, into.indices, into.shape, True)
        self._gradients = self._variables = ()  # a plan keeps this object, and shall not keep them
        return found

    def _begin(self, weight) -> np.ndarray:
        """See that all ranks are here, with the same variables; the first time, make what the results lie in."""
        share, kinds = self._exchange.agree("average the gradients", self._entries, number(weight))
        if self._packs is None:
            self._kinds = kinds
            self._prepare()
        elif kinds != self._kinds:
            names = [e.name for e, new, old in zip(self._entries, kinds, self._kinds, strict=True) if new != old]
            raise RuntimeError(
                f"{', '.join(names)}: whether any rank has a gradient is not as it was when this function was traced: "
                "pass zeros for a gradient that some calls do not have"
            )
        self._share = share
        return np.zeros(())  # it has run

    def _prepare(self) -> None:
        groups: dict[tuple, list[int]] = {}
        for i, kind in enumerate(self._kinds):
            like = self._variables[i].array
            if kind == "dense":
                groups.setdefault((backend.namespace(like), sum_dtype(like.dtype)), []).append(i)
            elif kind == "rows":
                self._rows[i] = Gathered(like[:0], backend.beside(np.zeros(0, np.int64), like), like.shape, True)
        self._packs = [
            _Pack(members, xp, dtype, [self._entries[i].shape for i in members])
            for (xp, dtype), members in groups.items()
        ]

    def _add(self, pack, gradients) -> None:
        """Pack the gradients, times the share of this rank, and add up the packs of all."""
        buffer = pack.buffer
        xp, share = backend.namespace(buffer), buffer.dtype.type(self._share)
        for piece, g in zip(pack.pieces, gradients, strict=True):
            if g is None or not share:  # gradients of no rows may be NaN
                buffer[piece] = 0
            else:
                xp.multiply(bare(g).reshape(-1), share, out=buffer[piece])
        self._exchange.add(buffer)

    def _gather(self, into, rows) -> None:
        """Gather the rows of all ranks, times their shares, into `into`."""
        dtype = into.dtype
        values, indices = into.none
        if rows is not None and self._share:
            merged = IndexedSlices(rows[0], rows[1], into.shape).merged()
            values, indices = merged.values, merged.indices
        values = values.astype(sum_dtype(dtype)) * sum_dtype(dtype).type(self._share)
        counts = self._exchange.link.table(np.array([len(indices)])).ravel()
        values, indices = self._exchange.join(values, counts), self._exchange.join(indices.astype(np.int64), counts)
        if values.dtype != dtype:  # rows that several ranks have are added up before they are rounded
            merged = IndexedSlices(values, indices, into.shape).merged()
            values, indices = merged.values.astype(dtype), merged.indices
        into.put(values, indices)


class _Pack:
    """Dense gradients of one dtype, end to end in one buffer."""

    def __init__(self, members: list[int], xp: Any, dtype: Any, shapes: list[tuple]) -> None:
        ends = list(accumulate(map(prod, shapes)))
        self.members, self.buffer = members, xp.empty(ends[-1], dtype)
        self.pieces = [slice(start, stop) for start, stop in zip([0, *ends], ends, strict=False)]


class Gathered(IndexedSlices):
    """Rows of all ranks in a plan, whose number may differ from call to call: an optimizer may have them, no op."""

    __slots__ = ("_rows", "none")

    def __init__(self, values, indices, dense_shape, inside) -> None:
        self.none = self._rows = values, indices
        self.dense_shape, self.inside = tuple(dense_shape), inside

    def put(self, values, indices) -> None:
        """The rows of this call."""
        self._rows = values, indices

    def _now(self):
        if tracer() is not None:
            raise TypeError(
                "in a function that is traced, averaged rows (IndexedSlices) can be handed to an optimizer only: how "
                "many rows all ranks have together differs from call to call. Change them before strategy.average, by "
                "options of the optimizer (global_clipnorm=...), or average outside of the function"
            )
        return self._rows

    @property
    def values(self):
        """The rows."""
        return self._now()[0]

    @property
    def indices(self):
        """Their numbers."""
        return self._now()[1]

    @property
    def dtype(self) -> Any:
        """The dtype of the rows."""
        return self.none[0].dtype


def _entry(g, v) -> Entry:
    if g is not None and tuple(g.shape) != v.shape:
        raise ValueError(f"the gradient of variable {v.name!r} has shape {tuple(g.shape)}, the variable {v.shape}")
    if not is_differentiable(v.dtype):
        raise TypeError(f"variable {v.name!r} has dtype {v.dtype}: only float and complex ones have gradients")
    kind = "none" if g is None else "rows" if isinstance(g, IndexedSlices) else "dense"
    return Entry(v.op.name, v.shape, v.dtype, kind)


def on_all_ranks(function: Any, *args: Any) -> Any:
    """What ``function(*args)`` gives, an array; each replay of a traced function calls it, too.

    Raises
    ------
    RuntimeError
        In a branch, or the body of a loop, that is traced: ranks could take different ones.
    """
    found = outside(function, *args, writes=())
    if found is None:
        raise RuntimeError(
            "a strategy was called in a branch of av.cond or the body of av.while_loop while a function is traced: "
            "ranks that decide otherwise would make other calls. Call it outside of them"
        )
    return found


def number(weight) -> float:
    """A weight as a float."""
    if hasattr(weight, "dtype") or hasattr(weight, "position"):
        weight = backend.on_host(bare(weight)).item()
    return float(weight)
