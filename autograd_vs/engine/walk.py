"""The parts of a walk over entries: reachability, the reverse scan, lifting, sums and results. Floor 1.

`GradientTape._walk` puts them together; the top of tape.py tells the whole in four steps.
"""

from operator import itemgetter

import numpy as np

from ..base.backend import is_array, memory_owner, namespace
from .cotangent import IndexedSlices, dense
from .protocol import Operand
from .record import VARIABLES, lease, lent
from .rule import EVERY
from .tensor import Tensor, new_tensor, tensor_of

__all__ = [
    "accumulate",
    "bone",
    "check_unconnected",
    "finish",
    "lifted",
    "lifter",
    "ones_like",
    "reached",
    "scan",
    "to_dense",
    "zeros",
]

ndarray = np.ndarray


def reached(entries, windows, sources) -> set[int]:
    """The positions that any of `sources` reaches in the windows, themselves included."""
    needed = set(sources)
    add = needed.add
    for start, stop, *_ in windows:
        for entry in entries[start:stop]:
            for p in entry[2]:
                if p in needed:
                    add(entry[1])
                    break
    return needed


def scan(entries, grads, owned, needed=None, inner=(), lift=None) -> None:
    """Step 3: pull the gradients in `grads` back through `entries`, which come with the last one first.

    Parameters
    ----------
    entries : iterable of entries, the last one first
    grads : dict of int to gradient, by position; taken out as they are used
    owned : set of int
        Positions whose gradient was made here, so that it may be added to in place.
    needed : set of int, optional
        The positions that count; None: all.
    inner : set of int
        Sources that are outputs of entries: what arrives there is kept.
    lift : function, optional
        Puts Tensors in the place of what an entry saved (`lifter`).
    """
    done = {}
    postponed: dict[tuple, list] = {}
    arrived = grads.pop
    for entry in entries:
        rule, out, inputs, saved, _ = entry
        g = arrived(out, None)
        if g is None:
            continue
        if g.__class__ is not ndarray:
            g = dense(g)
        if inner and out in inner:
            done[out] = g
        if lift is not None:
            saved = lift(entry)
        if len(inputs) == 1:  # spelled out: most entries are of this kind, and the loop below costs 100 ns to begin
            p, vjp, args = inputs[0], rule.vjps[0], saved[0]
            if needed is None or p in needed:
                if p not in grads:
                    grads[p] = vjp(g, args[0]) if len(args) == 1 else vjp(g, *args)  # `*` takes 40 ns
                elif vjp in rule.stacks and p >= VARIABLES and lift is None and g.ndim == 2:
                    postpone(postponed, grads, owned, p, vjp, g, args)
                else:
                    accumulate(grads, owned, p, vjp(g, *args), lift is not None)
            continue
        for vjp, p, args in zip(rule.vjps, inputs, saved):  # noqa: B905 - the keyword takes 0.1 us
            if needed is None or p in needed:
                if p not in grads:
                    grads[p] = vjp(g, args[0]) if len(args) == 1 else vjp(g, *args)  # `*` takes 40 ns
                elif vjp in rule.stacks and p >= VARIABLES and lift is None and g.ndim == 2:
                    postpone(postponed, grads, owned, p, vjp, g, args)
                else:
                    accumulate(grads, owned, p, vjp(g, *args), lift is not None)
    for (p, vjp), uses in postponed.items():
        stacked(grads, owned, p, vjp, uses)
    grads.update(done)


ROWS = 512  # as many together make a product efficient, and fit into the cache


def postpone(postponed, grads, owned, p, vjp, g, args) -> None:
    """Put off what one more use of the Variable at `p` adds to its gradient, until there are `ROWS` rows of such uses.

    An RNN of 50 steps so has one product for the gradient of its kernel, not 50 small ones and as many sums. What was
    saved in the memory of a Variable is used at once: a custom gradient may write to that Variable before the end.
    """
    if any(is_array(a) and id(memory_owner(a)) in lent for a in args):
        accumulate(grads, owned, p, vjp(g, *args), False)
        return
    uses = postponed.setdefault((p, vjp), [])
    uses.append((g, args))
    if len(g) * len(uses) >= ROWS:
        stacked(grads, owned, p, vjp, uses)
        uses.clear()


def stacked(grads, owned, p, vjp, uses) -> None:
    """Add up the gradients of several uses, from their rows one below the other."""
    if not uses:
        return
    (g, args), xp = uses[0], namespace(uses[0][0])
    if len(uses) > 1:
        g = xp.concatenate([g for g, _ in uses])
        columns = zip(*[args for _, args in uses], strict=True)
        args = [xp.concatenate(column) if is_array(column[0]) else column[0] for column in columns]
    accumulate(grads, owned, p, vjp(g, *args), False)


bone = itemgetter(0, 1, 2, 4)  # an entry without its arrays: what `explain` and `watched_variables` need


def accumulate(grads, owned, p, c, lifted) -> None:
    """Add the gradient `c` to that at the position `p`; in place only into arrays made here (`owned`)."""
    old = grads.get(p)
    if old is None:
        grads[p] = c
    elif c is None:  # a custom gradient may say that there is none
        return
    elif p in owned and old.__class__ is ndarray and not lifted and old.dtype == c.dtype and old.ndim:
        old += c
    else:
        grads[p] = old + c
        owned.add(p)


def lifter(listening):
    """Step 4, for the entries that one of the `listening` tapes covers; the others' values are constants."""

    def lift(entry):
        rule, out, inputs, saved, _ = entry
        if any(tape._covers(out) for tape in listening):
            return lifted(rule, saved, inputs, out)
        return lifted(rule, saved, (0,) * len(inputs), 0)

    return lift


def lifted(rule, saved, inputs, out):
    """`saved` with Tensors where a gradient passes, so that the rule itself is recorded."""

    def lift(value, code):
        if code is None or value is None:
            return value
        if code == EVERY:
            where = dict(zip(rule.watched, inputs, strict=True))
            return tuple([_at(a, where.get(i, 0)) for i, a in enumerate(value)])
        return _at(value, out if code == -1 else inputs[code])

    values = [
        tuple([v if callable(code) else lift(v, code) for v, code in zip(args, codes, strict=True)])
        for args, codes in zip(saved, rule.layout, strict=True)
    ]
    extra = values[-1]
    return [
        tuple([code(extra) if callable(code) else v for v, code in zip(args, codes, strict=True)])
        for args, codes in zip(values[: len(inputs)], rule.layout, strict=False)
    ]


def _at(array, position) -> Tensor:
    t = tensor_of(array)
    t.position = position
    return t


def check_unconnected(value) -> None:
    """ValueError if `value` is no choice of ``unconnected_gradients``."""
    if value not in ("none", "zero"):
        raise ValueError(f"unconnected_gradients must be 'none' or 'zero', got {value!r}")


def finish(leaves, places, grads) -> list:
    """The gradients of the sources, from those at their positions, as the user gets them; None where none arrived."""
    results: list = []
    for x, p in zip(leaves, places):  # noqa: B905
        if p.__class__ is int:
            g = grads.get(p)
            # The usual case, spelled out: 0.3 us less for each variable of a step.
            if g.__class__ is ndarray and g.dtype is x.array.dtype and g.dtype.char in "fd":
                t = new_tensor(Tensor)
                t.array = g
                t.position = 0
                t.source = t.mark = None
                if g.base is not None or id(g) in lent:  # a rule may hand out the very buffer of a variable
                    lease(t)
                results.append(t)
                continue
        else:
            g = None
            for one in p:
                part = grads.get(one)
                if part is not None:
                    g = part if g is None else g + part
        results.append(None if g is None else _finished(x, g))
    return results


def _finished(x, g):
    """`g` as a Tensor (rows: IndexedSlices) of the dtype of its source, conjugated."""
    if g.__class__ is IndexedSlices:
        if not hasattr(x, "settle"):  # only Variables have rows
            return _finished(x, g.to_dense())
        indices = g.indices if isinstance(g.indices, Operand) else tensor_of(g.indices)
        return IndexedSlices(_finished(x, g.values), indices, g.dense_shape, g.inside)
    dtype = x.array.dtype
    if g.dtype is not dtype:
        if g.dtype.kind == "c" and dtype.kind != "c":
            g = g.real
        g = g.astype(dtype)
    if dtype.kind == "c":
        g = g.conj()
    if isinstance(g, Operand):
        return g
    g = tensor_of(g)
    lease(g)
    return g


def to_dense(g):
    """A gradient as a Tensor: `IndexedSlices` spread out, arrays wrapped; None stays None."""
    if g.__class__ is IndexedSlices:
        g = g.to_dense()
    return g if g is None or isinstance(g, Operand) else tensor_of(g)


def ones_like(a):
    """The seed of a walk; that of a scalar loss on the host is kept."""
    if a.ndim or a.__class__ is not ndarray:
        return namespace(a).ones(a.shape, a.dtype)
    found = _seeds.get(a.dtype)
    if found is None:
        found = _seeds[a.dtype] = namespace(a).ones((), a.dtype)
        found.flags.writeable = False
    return found


_seeds: dict = {}


def zeros(x) -> Tensor:
    """Zeros of the shape and dtype of `x`, in its library."""
    return tensor_of(namespace(x.array).zeros(x.shape, x.dtype))
