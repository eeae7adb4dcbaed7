"""Op: a row of the table, and the call that runs it: unwrap, forward, wrap, tell the record. Floor 1.

An op is declared once::

    tanh = op(np.tanh, vjp={"x": lambda g, y: g * (1 - y * y)}, samples=...)

and from that come the public function, NumPy's own function through the protocols, operators and methods, the record
entry, the forward rule, the tests and the row in the docs.

The forward runs on bare arrays; its array arguments come first, attributes after them. The rule for an argument is a
function of ``g``, the gradient of the output, that returns the gradient of the argument. The names of its other
parameters say what to save: an argument's name the argument, ``y`` the output, ``<argument>_shape`` and
``<argument>_dtype`` only those, an attribute's name the attribute. Only what the watched arguments need is saved.

A rule must be linear in `g` and written with operators, methods, NumPy ufuncs and the ``.inner`` form of other ops, so
that it runs on bare arrays at NumPy's speed (the first-order gradient) and on Tensors, where it is recorded itself.
Rules are the transposed Jacobian, without conjugation: for complex values the tape conjugates at its ends, which gives
TensorFlow's and PyTorch's convention. Broadcasting is undone here (`fit`), never in a rule.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..base.backend import as_array, is_writable, namespace
from ..base.dtypes import scalar
from ..base.errors import PrecisionWarning
from . import registry
from .cotangent import Bundle
from .protocol import Operand, install, mark_break
from .record import VARIABLES, active, lease, new_position
from .tensor import Tensor, new_tensor

__all__ = ["Call", "Op", "Rule", "constant", "fit", "op"]

ndarray = np.ndarray
EVERY = -2  # layout code: all operands of a variadic op


class Rule:
    """How to walk back through an op when a given set of its arguments is watched.

    ``keep(y, *arguments)`` gives what the entry saves: for each watched argument the tuple of values that its vjp takes
    after `g`. ``layout`` says for each of them where its value came from: the number of a watched argument, -1 for the
    output, None for what no gradient passes through, `EVERY`, or a function that computes it again from the last tuple.
    """

    __slots__ = ("keep", "keeps_raw", "layout", "op", "vjps", "watched")

    def __init__(self, op, watched, vjps, keep, layout, keeps_raw=()):
        self.op, self.watched, self.vjps, self.keep, self.layout = op, watched, vjps, keep, layout
        self.keeps_raw = keeps_raw  # the arguments whose arrays are saved


class Call:
    """What ran, for listeners other than tapes: the op, its operands, attributes and output."""

    __slots__ = ("attributes", "op", "operands", "options", "output")

    def __init__(self, op, operands, attributes, options, output):
        self.op, self.operands, self.attributes, self.options, self.output = op, operands, attributes, options, output


class Op:
    """A row of the table. Made by `op`; see there for the fields."""

    def __init__(self, name, forward, names, arity, vjps, defaults, options):
        self.name = name
        self.forward = forward
        self.names = names  # of all parameters of the forward, arrays first
        self.arity = arity  # number of array arguments; None: the first argument is a sequence of them
        self.vjps: dict[str, Callable] = vjps
        self.defaults = defaults
        self.elementwise: bool = options.get("elementwise", False)
        self.view: bool = options.get("view", False)
        self.outputs: int | None = options.get("outputs", 1)  # None: as many as the forward returns
        self.jvp = options.get("jvp", {})
        self.linear: str = options.get("linear", "")
        self.aux: dict[str, Callable] = options.get("aux", {})
        self.samples = options.get("samples")
        self.numpy = options.get("numpy")
        self.public: Callable[..., Any] = lambda: None
        self.inner: Callable[..., Any] = lambda: None
        self._rules: dict = {}

    def __repr__(self):
        return f"<Op {self.name}>"

    def rule(self, watched: tuple[int, ...], fitted: bool = False) -> Rule:
        """The rule for the watched arguments; made at first use. With `fitted` it also undoes broadcasting and casts."""
        key = (watched, fitted)
        found = self._rules.get(key)
        if found is None:
            found = self._rules[key] = _make_rule(self, watched, fitted)
        return found


# ---------------------------------------------------------------- rules


def parameters(function) -> tuple[str, ...]:
    """The names of a function's parameters (keyword-only ones too), without importing inspect."""
    code = function.__code__
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]


def _make_rule(op, watched, fitted) -> Rule:
    if op.arity is None:
        return _variadic_rule(op, watched)
    vjps, parts, layouts, extra = [], [], [], []
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
        if fitted:
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
    prelude = f"[shapes := tuple(a.shape for a in {first}), dtypes := tuple(a.dtype for a in {first})] and "
    keep = eval(f"lambda {', '.join(('y', *op.names))}: {prelude}({''.join(f'({i}, {row}), ' for i in watched)})")
    keep.__defaults__ = op.defaults
    codes = tuple(EVERY if name == first else -1 if name == "y" else None for name in wanted)
    keeps = watched_all if first in wanted else ()
    return Rule(op, watched, (vjp,) * len(watched), keep, ((None, *codes),) * len(watched), keeps)


watched_all = range(1 << 30)  # "every argument", as a container


def _fitted(vjp):
    def fitted_vjp(g, *args):
        return fit(vjp(g, *args[:-2]), args[-2], args[-1])

    return fitted_vjp


_ones: dict = {}


def fit(c, shape, dtype):
    """The gradient `c` of a broadcast (or promoted) argument, brought to the shape and dtype of the argument."""
    if c.shape != shape:
        extra = c.ndim - len(shape)
        if extra == 1 and c.__class__ is ndarray and c.ndim == 2 and c.shape[1:] == shape and c.dtype.char in "fd":
            c = ones(c.shape[0], c).dot(c)  # a bias: BLAS sums rows 2 times faster than add.reduce
        else:
            if extra > 0:
                c = c.sum(axis=tuple(range(extra)))
            axes = tuple(i for i, n in enumerate(shape) if n == 1 and c.shape[i] != 1)
            if axes:
                c = c.sum(axis=axes, keepdims=True)
            if c.shape != shape:  # a rule may return less than the full shape (the gradient of a scalar factor)
                c = registry.ops["broadcast_to"].inner(c, shape)
    if c.dtype != dtype:
        if c.dtype.kind == "c" and dtype.kind != "c":
            c = c.real
        c = c.astype(dtype)
    return c


def ones(n, like):
    """A cached vector of ones of the dtype of the NumPy array `like`; nobody may write to it."""
    key = n, like.dtype
    found = _ones.get(key)
    if found is None:
        if len(_ones) > 64:
            _ones.clear()
        found = _ones[key] = namespace(like).ones(n, like.dtype)
        found.flags.writeable = False
    return found


# ---------------------------------------------------------------- calls
# The cost of a call is the cost of the engine, so its five forms are spelled out: ufuncs of one and of two arguments,
# ops of one and of two arrays with attributes, and everything else. Each does the same: unwrap, forward, wrap, record.


def _unary(op):
    """The call of a ufunc of one argument."""
    forward, name, rule = op.forward, op.name, None

    def call(x):
        try:
            a, k = x.array, x.position
        except AttributeError:
            a, k = unwrap(x, False), 0
        y = forward(a) if a.__class__ is ndarray else getattr(namespace(a), name)(a)
        t = new_tensor(Tensor)
        t.array = y if y.__class__ is ndarray else as_array(y)
        t.source = op
        frame = active()
        if frame is None:
            t.position = 0
            t.mark = None
            return t
        t.mark = mark = frame.mark
        if k < frame.base:
            t.position = 0
            return t
        nonlocal rule
        if rule is None:
            rule = op.rule((0,))
        t.position = out = new_position()
        entry = (rule, out, (k,), rule.keep(t.array, a), mark)
        if frame.plain:
            frame.entries.append(entry)
        else:
            t.position = frame.hear(entry, Call(op, (x,), (), {}, t))
        return t

    def inner(x):
        if x.__class__ is ndarray:
            return forward(x)
        return call(x) if isinstance(x, Operand) else getattr(namespace(x), name)(x)

    return call, inner


def _binary(op):
    """The call of a ufunc of two arguments: they broadcast, and Python numbers are weak."""
    forward, name = op.forward, op.name
    rules = [None] * 8  # by: a watched + 2 * b watched + 4 * shapes or dtypes differ

    def call(a, b):
        number = raw = False
        cls = a.__class__
        if cls is Tensor:
            xa, ka = a.array, a.position
        else:
            xa, ka, number, raw = operand(a)
        cls = b.__class__
        if cls is Tensor:
            xb, kb = b.array, b.position
        elif cls is float and not number:
            xb, kb, number = scalar(b, xa), 0, True
        else:
            xb, kb, number_b, raw_b = operand(b)
            raw = raw or raw_b
            if number_b:
                xb = as_array(b) if number else scalar(b, xa)
                number = cls is not complex
        if xa.__class__ in NUMBERS:
            number = xa.__class__ is not complex
            xa = scalar(a, xb)
        y = forward(xa, xb) if xa.__class__ is ndarray else getattr(namespace(xb if number else xa), name)(xa, xb)
        t = new_tensor(Tensor)
        t.array = y if y.__class__ is ndarray else as_array(y)
        t.source = op
        frame = active()
        if frame is None:
            t.position = 0
            t.mark = None
            return t
        t.mark = mark = frame.mark
        base = frame.base
        which = (ka >= base) + 2 * (kb >= base)
        if not which:
            t.position = 0
            return t
        if not number and (xa.shape != xb.shape or xa.dtype is not xb.dtype):
            which += 4
            if xa.dtype is not xb.dtype:
                note_precision(a, b, t)
        rule = rules[which]
        if rule is None:
            rule = rules[which] = op.rule(((), (0,), (1,), (0, 1))[which & 3], which > 3)
        if raw:
            xa, xb = protect(rule, (a, b), (xa, xb))
        t.position = out = new_position()
        inputs = (ka, kb) if which & 3 == 3 else (ka,) if which & 1 else (kb,)
        entry = (rule, out, inputs, rule.keep(t.array, xa, xb), mark)
        if frame.plain:
            frame.entries.append(entry)
        else:
            t.position = frame.hear(entry, Call(op, (a, b), (), {}, t))
        return t

    def inner(a, b):
        if isinstance(a, Operand) or isinstance(b, Operand):
            return call(a, b)
        return forward(a, b)

    return call, inner


def _one(op):
    """The call of an op of one array, and attributes."""
    forward, view, rule = op.forward, op.view, None

    def call(x, *attributes, **options):
        try:
            a, k = x.array, x.position
        except AttributeError:
            a, k = unwrap(x, view), 0
        y = forward(a, *attributes, **options)
        t = new_tensor(Tensor)
        t.array = y if y.__class__ is ndarray else as_array(y)
        t.source = op
        if view:
            lease(t)
        frame = active()
        if frame is None:
            t.position = 0
            t.mark = None
            return t
        t.mark = mark = frame.mark
        if k < frame.base:
            t.position = 0
            return t
        nonlocal rule
        if rule is None:
            rule = op.rule((0,))
        t.position = out = new_position()
        entry = (rule, out, (k,), rule.keep(t.array, a, *attributes, **options), mark)
        if frame.plain:
            frame.entries.append(entry)
        else:
            t.position = frame.hear(entry, Call(op, (x,), attributes, options, t))
        return t

    def inner(x, *attributes, **options):
        if isinstance(x, Operand):
            return call(x, *attributes, **options)
        return forward(x, *attributes, **options)

    return call, inner


def _two(op):
    """The call of an op of two arrays, and attributes, that is not elementwise."""
    forward, view = op.forward, op.view
    rules = [None] * 4  # by: a watched + 2 * b watched

    def call(a, b, *attributes, **options):
        raw = False
        if a.__class__ is Tensor:
            xa, ka = a.array, a.position
        else:
            xa, ka, number, raw = operand(a)
            if number:
                xa = as_array(a)
        if b.__class__ is Tensor:
            xb, kb = b.array, b.position
        else:
            xb, kb, number, raw_b = operand(b)
            raw = raw or raw_b
            if number:
                xb = as_array(b)
        y = forward(xa, xb, *attributes, **options)
        t = new_tensor(Tensor)
        t.array = y if y.__class__ is ndarray else as_array(y)
        t.source = op
        if view:
            lease(t)
        frame = active()
        if frame is None:
            t.position = 0
            t.mark = None
            return t
        t.mark = mark = frame.mark
        base = frame.base
        which = (ka >= base) + 2 * (kb >= base)
        if not which:
            t.position = 0
            return t
        rule = rules[which]
        if rule is None:
            rule = rules[which] = op.rule(((), (0,), (1,), (0, 1))[which])
        if xa.dtype is not xb.dtype:
            note_precision(a, b, t)
        if raw:
            xa, xb = protect(rule, (a, b), (xa, xb))
        t.position = out = new_position()
        inputs = (ka, kb) if which == 3 else (ka,) if which == 1 else (kb,)
        entry = (rule, out, inputs, rule.keep(t.array, xa, xb, *attributes, **options), mark)
        if frame.plain:
            frame.entries.append(entry)
        else:
            t.position = frame.hear(entry, Call(op, (a, b), attributes, options, t))
        return t

    def inner(a, b, *attributes, **options):
        if isinstance(a, Operand) or isinstance(b, Operand):
            return call(a, b, *attributes, **options)
        return forward(a, b, *attributes, **options)

    return call, inner


def _many(op):
    """The call of any op: several or a sequence of arrays, several outputs, auxiliary outputs."""
    arity, forward, outputs, n_aux = op.arity, op.forward, op.outputs, len(op.aux)

    def call(*args, **options):
        sequence = arity is None
        operands = tuple(args[0]) if sequence else args[:arity]
        if not sequence and len(operands) < arity:
            raise TypeError(f"{op.name} takes {arity} arrays ({', '.join(op.names[:arity])}), got {len(operands)}")
        attributes = args[1:] if sequence else args[arity:]
        arrays = [x.array if isinstance(x, Operand) else unwrap(x, False) for x in operands]
        if op.elementwise:
            arrays = weak(operands, arrays)
        positions = [x.position if isinstance(x, Operand) else 0 for x in operands]
        y = forward(arrays, *attributes, **options) if sequence else forward(*arrays, *attributes, **options)
        aux = ()
        if n_aux:
            y, *aux = y
        y = as_array(y) if outputs == 1 else tuple(map(as_array, y))
        frame = active()
        mark = frame.mark if frame is not None else None
        out, record = 0, None
        if frame is not None:
            watched = tuple(i for i, k in enumerate(positions) if k >= frame.base)
            if watched:
                fitted = op.elementwise and any(a.shape != y.shape or a.dtype is not y.dtype for a in arrays)
                rule = op.rule(watched, fitted)
                arrays = protect(rule, operands, arrays)
                saved = rule.keep(y, *aux, *((arrays,) if sequence else arrays), *attributes, **options)
                out = new_position()
                entry = (rule, out, tuple(positions[i] for i in watched), saved, mark)
                record = frame
        if outputs != 1:
            return _several(op, y, record, out and entry, Call(op, operands, attributes, options, None))
        t = _result(op, y, out, mark)
        if record is not None:
            if record.plain:
                record.entries.append(entry)
            else:
                t.position = record.hear(entry, Call(op, operands, attributes, options, t))
        if op.view:
            lease(t)
        return t

    def inner(*args, **options):
        operands = args[0] if arity is None else args[:arity]
        if any(isinstance(x, Operand) for x in operands):
            return call(*args, **options)
        y = forward(*args, **options)
        return y[0] if n_aux else y

    return call, inner


def _result(op, y, position, mark):
    t = new_tensor(Tensor)
    t.array, t.source, t.position, t.mark = y, op, position, mark
    return t


def _several(op, arrays, frame, entry, call):
    """The Tensors of an op with several outputs: its entry gives one hidden value, from which each output is an item."""
    tensors = tuple(_result(op, y, 0, frame.mark if frame is not None else None) for y in arrays)
    for t in tensors:
        if op.view:
            lease(t)
    if frame is not None:
        for t in tensors:
            t.position = new_position()
        call.output = tensors
        hidden = entry[1]
        if frame.plain:
            frame.entries.append(entry)
        elif not frame.hear(entry, call):
            hidden = 0
        for i, t in enumerate(tensors):
            if not hidden:
                t.position = 0
            elif frame.tapes:
                frame.entries.append((_item_rule, t.position, (hidden,), ((i, len(tensors)),), frame.mark))
    return tensors


_item = Op("item", None, ("x", "i", "n"), 1, {}, None, {})
_item_rule = Rule(
    _item, (0,), (lambda g, i, n: Bundle(g if j == i else None for j in range(n)),), None, ((None, None),)
)


# ---------------------------------------------------------------- operands

NUMBERS = {float, int, bool, complex}  # weak: they take the dtype of the other operand


def operand(x):
    """(array, position, is a Python number, is a raw array) of an argument; a number's array is the number itself."""
    cls = x.__class__
    if cls in NUMBERS:
        return x, 0, True, False
    if cls is ndarray:
        return x, 0, False, True
    if isinstance(x, Operand):
        return x.array, x.position, False, False
    return unwrap(x, False), 0, False, True


def unwrap(x, view):
    """The array of an argument that is no Tensor; what a view op may return a view of is copied, if it is writable."""
    if isinstance(x, Operand):
        return x.array
    if hasattr(x, "__tensor__"):
        return x.__tensor__().array
    if isinstance(x, (list, tuple)) and any(isinstance(i, Operand) for i in x):
        return registry.ops["stack"].public(x).array if not active() else _refuse_list(x)
    a = as_array(x)
    return a.copy() if view and a is x and is_writable(a) else a


def _refuse_list(x):
    raise TypeError(
        "a list of Tensors is not an array: use av.stack([...]) or av.concatenate([...]), which are differentiable"
    )


def weak(operands, arrays):
    """Python numbers among the operands, in the dtype of the other ones."""
    others = [a for x, a in zip(operands, arrays, strict=True) if x.__class__ not in NUMBERS]
    if not others or len(others) == len(arrays):
        return arrays
    dtype = np.result_type(*(a.dtype for a in others))
    return [
        as_array(scalar(x, others[0]), np.result_type(dtype, x)) if x.__class__ in NUMBERS else a
        for x, a in zip(operands, arrays, strict=True)
    ]


def protect(rule, operands, arrays):
    """Copies of the raw writable arrays among the operands that an entry keeps: batch buffers are used again."""
    return [
        a.copy() if i in rule.keeps_raw and not isinstance(x, Operand) and hasattr(a, "flags") and is_writable(a) else a
        for i, (x, a) in enumerate(zip(operands, arrays, strict=True))
    ]


_warned: set = set()


def note_precision(a, b, y) -> None:
    """Warn, once per line of the user's, where a float32 Variable meets a float64 array."""
    for this, other in ((a, b), (b, a)):
        if (
            isinstance(this, Operand)
            and this.position >= VARIABLES
            and this.dtype == np.float32
            and y.dtype == np.float64
        ):
            from ..base.errors import user_line

            line = user_line()
            if line not in _warned:
                _warned.add(line)
                import warnings

                warnings.warn(
                    f"float32 variable {this.name!r} meets a float64 value at {line}: the result is float64, at twice "  # type: ignore[attr-defined]
                    "the cost. Make the data float32 (x.astype(np.float32)), or the variable float64.",
                    PrecisionWarning,
                    stacklevel=4,
                )
            return


# ---------------------------------------------------------------- declarations


def op(
    function=None, summary="", *, vjp, forward=None, name=None, arity: int | str | None = 0, operators="", methods="",
    reduces=None, **options,
):  # fmt: skip
    """Declare an op, and return its public function.

    Parameters
    ----------
    function : NumPy function, optional
        The function that it is for NumPy's protocols; a ufunc is the forward as well.
    summary : str
        The first line of the docstring (a forward with a docstring of its own needs none).
    vjp : dict of str to function
        For each differentiable argument its rule; see the top of this file.
    forward : function, optional
        What runs on bare arrays. Array arguments first, then attributes.
    arity : int or "sequence"
        Number of array arguments; by default up to the last one that has a rule. With "sequence" the first argument is
        a sequence of arrays, and the rule takes ``(g, i, ...)``: the gradient of the i-th; it may ask for
        ``<argument>_shapes`` and ``<argument>_dtypes``.
    operators, methods : str
        Names, separated by spaces, under which Tensors have it. ``__radd__`` and its kin get their arguments swapped.
    reduces : (ufunc, method)
        It is what this method of a ufunc does (``(np.add, "reduce")`` is `sum`).
    elementwise : bool
        Broadcasts; its Jacobian is diagonal, so that the vjp is the jvp too.
    linear : str
        "each": linear in each array argument by itself; "all": in all of them together. The forward gives the jvp.
    jvp : dict of str to function
        A forward rule where neither applies: ``(t, ...)`` as in vjp. Without one the vjp is transposed.
    view : bool
        The result may be a view of the argument.
    outputs : int or None
        Number of outputs if not one (the rule's `g` is then a `Bundle`); None if it depends on the call.
    aux : dict of str to function
        Further outputs of the forward that only rules see, each with a function that computes it again from arguments.
    samples : list of Sample, or function that returns one
        Example arguments for the tests.

    Returns
    -------
    function
        With ``.op`` (the `Op`) and ``.inner``: the form for rules, bare arrays in and out, Tensors in and out.
    """
    forward = forward or function
    name = name or forward.__name__
    if isinstance(forward, np.ufunc):
        names, defaults = (("x",), ("a", "b"))[forward.nin - 1], None
        options.setdefault("elementwise", True)
    else:
        names, defaults = parameters(forward), forward.__defaults__
    if arity == "sequence":
        arity = None
    elif arity == 0:
        arity = max(names.index(n) for n in vjp) + 1
    row = Op(name, forward, names, arity, vjp, defaults, {**options, "numpy": function})
    call, inner = _form(row)(row)
    call.__name__ = call.__qualname__ = name
    call.__module__ = "autograd_vs"
    call.__doc__ = (None if isinstance(forward, np.ufunc) else forward.__doc__) or _docstring(row, summary)
    if not isinstance(forward, np.ufunc):
        call.__wrapped__ = forward  # its signature, for help()
    call.op, call.inner = row, inner  # type: ignore[attr-defined]
    row.public, row.inner = call, inner
    if name in registry.ops:
        raise ValueError(f"there is an op {name!r} already")
    registry.ops[name] = row
    if function is not None:
        registry.functions[function] = call
    if reduces is not None:
        from .protocol import reductions

        reductions[reduces] = call
    for special in operators.split():
        install(special, _swapped(call) if special.startswith("__r") else call)
    for method in methods.split():
        install(method, call)
    return call


def _form(row):
    """Which of the five calls fits an op."""
    if isinstance(row.forward, np.ufunc):
        return _unary if row.arity == 1 else _binary
    if row.outputs == 1 and not row.aux and not (row.elementwise and row.arity != 1):
        return {1: _one, 2: _two}.get(row.arity, _many)
    return _many


def constant(function, operators: str = "", methods: str = ""):
    """Declare a NumPy function with integer, bool or step output: it works on Tensors and passes no gradient."""

    def call(*args, **options):
        watched = []

        def bare(x):
            if isinstance(x, Operand):
                watched.append(x)
                return x.array
            if isinstance(x, (list, tuple)):
                return type(x)(map(bare, x))
            return x

        y = function(*map(bare, args), **{key: bare(value) for key, value in options.items()})
        for x in watched:
            mark_break(x, f"{call.__name__} passes no gradient")
        return tuple(map(Tensor, y)) if isinstance(y, tuple) else Tensor(y)

    call.__name__ = call.__qualname__ = function.__name__
    call.__module__ = "autograd_vs"
    call.__doc__ = f"NumPy's `{function.__name__}` of Tensors; a constant: no gradient passes. Returns a Tensor."
    registry.constants[function] = call
    for name in operators.split():
        install(name, _swapped(call) if name.startswith("__r") else call)
    for name in methods.split():
        install(name, call)
    return call


def _swapped(call):
    def reflected(self, other):
        return call(other, self)

    return reflected


def _docstring(row, summary):
    """The docstring of an op that is a ufunc."""
    shape = "any shape" if len(row.names) == 1 else "shapes that broadcast"
    return (
        f"{summary or row.name}\n\n    The same as `numpy.{row.name}`, elementwise and differentiable.\n\n    Parameters\n"
        f"    ----------\n    {', '.join(row.names)} : array_like, {shape}, float or complex\n\n    Returns\n    -------\n"
        "    Tensor\n    "
    )
