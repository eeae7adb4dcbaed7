"""Rules: what an entry keeps and how to walk back through it. Floor 1; made from an op's vjps.

The names of a vjp's parameters after ``g`` say what to save: an argument's name the argument, ``y`` the output,
``<argument>_shape`` and ``<argument>_dtype`` only those, an attribute's name the attribute. Only what the watched
arguments need is saved. Broadcasting and promotion are undone here (`fit`), never in a vjp.
"""

import numpy as np

from ..base.backend import NUMPYS, ones
from ..base.precision import widened
from . import registry

__all__ = ["EVERY", "Rule", "fit", "make_rule", "parameters"]

ndarray = np.ndarray
EVERY = -2  # layout code: all operands of a variadic op


class Rule:
    """How to walk back through an op when a given set of its arguments is watched.

    ``keep(y, *arguments)`` gives what the entry saves: for each watched argument the tuple of values that its vjp takes
    after `g`. ``layout`` says for each of them where its value came from: the number of a watched argument, -1 for the
    output, None for what no gradient passes through, `EVERY`, or a function that computes it again from the last tuple.
    """

    __slots__ = ("constant", "keep", "keeps_raw", "layout", "op", "stacks", "vjps", "watched")

    def __init__(self, op, watched, vjps, keep, layout, keeps_raw=()):
        self.op, self.watched, self.vjps, self.keep, self.layout = op, watched, vjps, keep, layout
        self.keeps_raw = keeps_raw  # the arguments whose arrays are saved
        self.stacks = frozenset([vjp for i, vjp in zip(watched, vjps, strict=True) if i in op.stacks])
        self.constant = (
            None if any(layout) else tuple(() for _ in watched)
        )  # what is saved, where no vjp asks for anything


def parameters(function) -> tuple[str, ...]:
    """The names of a function's parameters (keyword-only ones too), without importing inspect."""
    code = getattr(function, "formula", function).__code__  # `in_blocks` keeps it
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]


def make_rule(op, watched, fitted) -> Rule:
    """The rule of `op` for the `watched` arguments; for the `fitted` ones it undoes broadcasting and promotion."""
    if op.arity is None:
        return _variadic_rule(op, watched)
    extra: list[tuple] = []
    vjps, parts, layouts = [], [], []
    kept_arrays = set()
    for i in watched:
        name = op.names[i]
        vjp = op.vjps.get(name)
        if vjp is None:
            raise TypeError(
                f"{op.name} has no gradient with respect to {name!r}: pass av.stop_gradient({name}) or its .numpy()"
            )
        texts, codes = [], []
        for wanted in parameters(vjp)[1:]:
            text, code = _saved(op, wanted, watched, extra)
            texts.append(text)
            codes.append(code)
            if text in op.names[: op.arity]:
                kept_arrays.add(op.names.index(text))
        if i in fitted:
            texts += [f"{name}.shape", f"{name}.dtype"]
            codes += [None, None]
            vjp = _fitted(vjp)
        vjps.append(vjp)
        parts.append("(" + "".join(t + ", " for t in texts) + ")")
        layouts.append(tuple(codes))
    if extra:  # what the auxiliary outputs are computed again from, where gradients must be differentiable
        parts.append("(" + "".join(t + ", " for t, _ in extra) + ")")
        layouts.append(tuple(code for _, code in extra))
        kept_arrays |= {op.names.index(t) for t, _ in extra if t in op.names[: op.arity]}
    keep = eval(f"lambda {', '.join(('y', *op.aux, *op.names))}: ({''.join(p + ', ' for p in parts)})")
    keep.__defaults__ = op.defaults
    return Rule(op, watched, tuple(vjps), keep, tuple(layouts), tuple(kept_arrays))


def _saved(op, wanted, watched, extra):
    """The expression that saves what a rule calls `wanted`, and where its value comes from."""
    if wanted == "y":
        return "y", -1
    if wanted in op.aux:
        for source in parameters(op.aux[wanted]):
            item = _saved(op, source, watched, extra)
            if item not in extra:
                extra.append(item)
        names = [_saved(op, source, watched, extra)[0] for source in parameters(op.aux[wanted])]
        order = [[t for t, _ in extra].index(name) for name in names]
        return wanted, lambda values: op.aux[wanted](*(values[i] for i in order))
    if wanted in op.names:
        i = op.names.index(wanted)
        return wanted, watched.index(i) if i in watched else None
    for suffix in ("_shape", "_dtype"):
        if wanted.endswith(suffix) and wanted.removesuffix(suffix) in (*op.names[: op.arity], "y"):
            return f"{wanted.removesuffix(suffix)}.{suffix[1:]}", None
    raise TypeError(f"the rule of {op.name} asks for {wanted!r}, which is none of y, {', '.join(op.names)}")


def _variadic_rule(op, watched) -> Rule:
    (vjp,) = op.vjps.values()
    first = op.names[0]
    wanted = parameters(vjp)[2:]
    known = {first: first, first + "_shapes": "shapes", first + "_dtypes": "dtypes"}
    texts = [known.get(name, name) for name in wanted]
    row = "".join(t + ", " for t in texts)
    prelude = f"[shapes := tuple([a.shape for a in {first}]), dtypes := tuple([a.dtype for a in {first}])] and "
    keep = eval(f"lambda {', '.join(('y', *op.names))}: {prelude}({''.join(f'({i}, {row}), ' for i in watched)})")
    keep.__defaults__ = op.defaults
    codes = tuple(EVERY if name == first else -1 if name == "y" else None for name in wanted)
    keeps = watched_all if first in wanted else ()
    return Rule(op, watched, (vjp,) * len(watched), keep, ((None, *codes),) * len(watched), keeps)


watched_all = range(1 << 30)  # "every argument", as a container


def _fitted(vjp):
    wanted = len(parameters(vjp)) - 1
    if wanted == 0:  # most of those that broadcast, spelled out
        return lambda g, shape, dtype: fit(vjp(g), shape, dtype)
    if wanted == 1:
        return lambda g, x, shape, dtype: fit(vjp(g, x), shape, dtype)
    return lambda g, *args: fit(vjp(g, *args[:-2]), args[-2], args[-1])


def fit(c, shape, dtype):
    """The gradient `c` of a broadcast (or promoted) argument, brought to the shape and dtype of the argument."""
    if c.__class__ in NUMPYS and c.dtype is dtype and dtype.char in "fd" and c.ndim > 1 and c.shape[-1:] == shape:
        if c.ndim == 2:
            return c.T.dot(ones(len(c), c))  # a bias: BLAS sums rows 2 to 8 times faster than add.reduce
        if c.flags.c_contiguous and 0 < c.size <= MANY * shape[0]:
            c = c.reshape((-1, shape[0]))
            return c.T.dot(ones(len(c), c))
    if c.shape != shape:
        c = widened(c)  # for its sums
        extra = c.ndim - len(shape)
        # (Tuples are made of lists: one made of a generator lands on another free list than it came from, which looks
        # like a leak of 2,000 tuples to whoever measures memory.)
        if extra > 0:
            c = c.sum(axis=tuple(range(extra)))
        axes = tuple([i for i, n in enumerate(shape) if n == 1 and c.shape[i] != 1])
        if axes:
            c = c.sum(axis=axes, keepdims=True)
        if c.shape != shape:  # a rule may return less than the full shape (the gradient of a scalar factor)
            c = registry.ops["broadcast_to"].inner(c, shape)
    if c.dtype != dtype:
        if c.dtype.kind == "c" and dtype.kind != "c":
            c = c.real
        c = c.astype(dtype)
    return c


MANY = 1 << 17  # rows, for which ones are kept
