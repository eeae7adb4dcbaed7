"""Running an op: unwrap, forward, wrap, tell the record. Floor 1.

The cost of a call is the cost of the engine, so its six forms are spelled out: ufuncs of one and of two arguments, ops
of one, two and three arrays with attributes, and everything else. Each gives two functions: ``call``, which returns
Tensors, and ``inner``, the form for rules: bare arrays in and out, Tensors in and out.
"""

from itertools import compress
from operator import attrgetter
from typing import Any

import numpy as np

from ..base.backend import arrived, as_array, device, is_array, is_writable, leading, namespace, placed
from ..base.blocks import in_blocks
from ..base.dtypes import scalar
from ..base.errors import PrecisionWarning, user_frame
from . import registry
from .cotangent import Bundle
from .protocol import Operand, describe, is_recorded, operand_types
from .record import NOBODY, active, lease, new_position
from .rule import Rule, parameters
from .tensor import Tensor, new_tensor

__all__ = ["Call", "Otherwise", "announce", "form"]

ndarray = np.ndarray
array_of, position_of = attrgetter("array"), attrgetter("position")


class Call:
    """What ran, for listeners other than tapes: the op, its operands, attributes and output."""

    __slots__ = ("attributes", "op", "operands", "options", "output")

    def __init__(self, op, operands, attributes, options, output):
        self.op, self.operands, self.attributes, self.options, self.output = op, operands, attributes, options, output


class Otherwise(Exception):
    """Raised by the forward of an op of one array: a function made of other ops takes this call.

    For options of rare use: the forward looks at them in any case, and a `try` costs nothing where nothing is raised.
    """

    def __init__(self, function):
        self.function = function

    def run(self, x, attributes, options):
        """What the function makes of the call; its errors do not name this exception."""
        try:
            return self.function(x, *attributes, **options)
        except Exception as error:
            if error.__context__ is self:
                error.__context__ = None
            raise


def _unary(op):
    """The call of a ufunc of one argument."""
    forward, name, rule = in_blocks(op.forward) if op.costly else op.forward, op.name, None
    keeps = parameters(op.vjps["x"])[1:] if "x" in op.vjps else ()
    keeps_x, keeps_y = keeps == ("x",), keeps == ("y",)

    def call(x):
        try:
            a, k = x.array, x.position
        except AttributeError:
            if hasattr(x, "__tensor__"):
                return call(x.__tensor__())
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
        saved = ((t.array,),) if keeps_y else ((a,),) if keeps_x else rule.keep(t.array, a)
        entry = (rule, out, (k,), saved, mark)
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


_BITS = ((), (0,), (1,), (0, 1))


def _binary(op):
    """The call of a ufunc of two arguments: they broadcast, and Python numbers are weak."""
    forward, name = op.forward, op.name
    rules = [None] * 16  # by: a watched + 2 * b watched + 4 * a is broadcast or promoted + 8 * b is

    def call(a, b):
        if b.__class__ is float and a.__class__ in operand_types:
            xa, ka, kb = a.array, a.position, 0
            xb, number, raw = scalar(b, xa), True, False
        else:
            try:
                xa, ka, xb, kb = a.array, a.position, b.array, b.position
                number = raw = False
            except AttributeError:
                xa, ka, xb, kb, number, raw = pair(a, b)
        try:
            y = forward(xa, xb) if xa.__class__ is ndarray else getattr(namespace(leading(xa, xb)), name)(xa, xb)
        except Exception as error:
            refuse_mixed(op.name, (a, b), (xa, xb), error)
            raise
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
        watched = which = (ka >= base) + 2 * (kb >= base)
        if not which:
            t.position = 0
            return t
        if not number and (xa.shape != xb.shape or xa.dtype is not xb.dtype):
            which += 4 * (xa.shape != y.shape or xa.dtype is not y.dtype)
            which += 8 * (xb.shape != y.shape or xb.dtype is not y.dtype)
            if xa.dtype is not xb.dtype:
                note_precision((a, b), t)
        rule = rules[which]
        if rule is None:
            rule = rules[which] = op.rule(_BITS[watched], _BITS[which >> 2])
        if raw:
            xa, xb = protect(rule, (a, b), (xa, xb))
        t.position = out = new_position()
        inputs = (ka,) if watched == 1 else (ka, kb) if watched == 3 else (kb,)
        entry = (rule, out, inputs, rule.constant or rule.keep(t.array, xa, xb), mark)
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

    def call(x=ABSENT, *attributes, **options):
        try:
            a, k = x.array, x.position
        except AttributeError:
            if x is ABSENT:
                return call(*named(op, 0, options), *attributes, **options)
            if hasattr(x, "__tensor__"):
                return call(x.__tensor__(), *attributes, **options)
            a, k = unwrap(x, view), 0
        try:
            y = forward(a, *attributes, **options)
        except Otherwise as other:
            return other.run(x, attributes, options)
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
    forward = op.forward
    many, inner = _many(op)
    rules = [None] * 4  # by: a watched + 2 * b watched

    def call(*args, **options):
        try:
            a, b = args
            xa, xb, ka, kb = a.array, b.array, a.position, b.position
        except (ValueError, AttributeError):  # attributes, raw arrays
            operands = wrapped(args) if len(args) == 2 else None
            return many(*args, **options) if operands is None else call(*operands, **options)
        if options:
            return many(*args, **options)
        try:
            y = forward(xa, xb)
        except Exception as error:
            refuse_mixed(op.name, args, (xa, xb), error)
            raise
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
        rule = rules[which]
        if rule is None:
            rule = rules[which] = op.rule(_BITS[which])
        if xa.dtype is not xb.dtype:
            note_precision(args, t)
        t.position = out = new_position()
        inputs = (ka, kb) if which == 3 else (ka,) if which == 1 else (kb,)
        entry = (rule, out, inputs, rule.keep(t.array, xa, xb), mark)
        if frame.plain:
            frame.entries.append(entry)
        else:
            t.position = frame.hear(entry, Call(op, args, (), {}, t))
        return t

    return (many if op.view else call), inner


def _three(op):
    """The call of an op of three arrays, and attributes, that is not elementwise."""
    forward = op.forward
    many, inner = _many(op)
    rules = [None] * 8  # by: a watched + 2 * b watched + 4 * c watched

    def call(*args, **options):
        try:
            a, b, c = args
            xa, xb, xc, ka, kb, kc = a.array, b.array, c.array, a.position, b.position, c.position
        except (ValueError, AttributeError):  # attributes, raw arrays
            operands = wrapped(args) if len(args) == 3 else None
            return many(*args, **options) if operands is None else call(*operands, **options)
        if options:
            return many(*args, **options)
        try:
            y = forward(xa, xb, xc)
        except Exception as error:
            refuse_mixed(op.name, args, (xa, xb, xc), error)
            raise
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
        which = (ka >= base) + 2 * (kb >= base) + 4 * (kc >= base)
        if not which:
            t.position = 0
            return t
        rule = rules[which]
        if rule is None:
            rule = rules[which] = op.rule(tuple([i for i in range(3) if which >> i & 1]))
        if xa.dtype is not xb.dtype or xb.dtype is not xc.dtype:
            note_precision(args, t)
        t.position = out = new_position()
        inputs = (ka, kb, kc) if which == 7 else (kb, kc) if which == 6 else (*compress((ka, kb, kc), _THREE[which]),)
        entry = (rule, out, inputs, rule.keep(t.array, xa, xb, xc), mark)
        if frame.plain:
            frame.entries.append(entry)
        else:
            t.position = frame.hear(entry, Call(op, args, (), {}, t))
        return t

    return (many if op.view else call), inner


_THREE = [(which & 1, which & 2, which & 4) for which in range(8)]


def _many(op):
    """The call of any op: several or a sequence of arrays, several outputs, auxiliary outputs."""
    arity, forward, outputs, n_aux, view = op.arity, op.forward, op.outputs, len(op.aux), op.view
    sequence, elementwise = arity is None, op.elementwise and outputs == 1
    single = outputs == 1 and not n_aux
    rules: dict[tuple, Rule] = {}  # by what is watched: a bool for each argument

    def call(*args, **options):
        if sequence:
            if not args:
                return call(*named(op, 0, options), **options)
            operands, attributes = tuple(args[0]), args[1:]
        elif len(args) == arity:
            operands, attributes = args, ()
        else:
            operands, attributes = args[:arity], args[arity:]
            if len(operands) < arity:
                return call(*operands, *named(op, len(operands), options), *attributes, **options)
        try:
            arrays, positions, raw = [*map(array_of, operands)], [*map(position_of, operands)], False
        except AttributeError:
            arrays, positions, raw = unwrapped(operands)
            if raw and op.elementwise:
                arrays = weak(operands, arrays)
        try:
            y = forward(arrays, *attributes, **options) if sequence else forward(*arrays, *attributes, **options)
        except Exception as error:
            refuse_mixed(op.name, operands, arrays, error)
            raise
        aux = ()
        if not single:
            if n_aux:
                y, *aux = y
            if outputs != 1:
                y = tuple([as_array(part) for part in y])
        if y.__class__ is not ndarray and outputs == 1:
            y = as_array(y)
        frame = active()
        watched = () if frame is None else (*map(frame.base.__le__, positions),)
        if True not in watched:
            mark = None if frame is None else frame.mark
            if outputs != 1:
                return _several(op, y, mark)
            t = _result(op, y, 0, mark)
            if view:
                lease(t)
            return t
        rule = rules.get(watched)
        if rule is None or elementwise:
            numbers = tuple([i for i, w in enumerate(watched) if w])
            fitted: tuple[int, ...] = ()
            if elementwise:
                fitted = tuple([i for i in numbers if arrays[i].shape != y.shape or arrays[i].dtype is not y.dtype])
            rule = op.rule(numbers, fitted)
            if not sequence:
                rules[watched] = rule
        if raw:
            arrays = protect(rule, operands, arrays)
        saved = rule.keep(y, *aux, *((arrays,) if sequence else arrays), *attributes, **options)
        out = new_position()
        entry = (rule, out, (*compress(positions, watched),), saved, frame.mark)
        if outputs != 1:
            return _several_recorded(op, y, frame, entry, Call(op, operands, attributes, options, None))
        t = _result(op, y, out, frame.mark)
        if not sequence:
            note_precision(operands, t)
        if frame.plain:
            frame.entries.append(entry)
        else:
            t.position = frame.hear(entry, Call(op, operands, attributes, options, t))
        if view:
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


def _several(op, arrays, mark):
    """The Tensors of an op with several outputs."""
    tensors = tuple([_result(op, y, 0, mark) for y in arrays])
    if op.view:
        for t in tensors:
            lease(t)
    return tensors


def _several_recorded(op, arrays, frame, entry, call):
    """The same, recorded: the entry gives a hidden value, and each output is an item of it."""
    tensors = call.output = _several(op, arrays, frame.mark)
    for t in tensors:
        t.position = new_position()
    hidden = entry[1]
    if frame.plain:
        frame.entries.append(entry)
    else:
        hidden = frame.hear(entry, call)
    for i, t in enumerate(tensors):
        if not hidden:
            t.position = 0
        elif frame.tapes:
            frame.entries.append((_item_rule, t.position, (hidden,), ((i, len(tensors)),), frame.mark))
    return tensors


def announce(op, arrays, operands, watched, saved):
    """The Tensors of an op that ran elsewhere and gave `arrays` (one, or a tuple), recorded as its output.

    `saved` is, for each of the `watched` operands, what the op's rule takes. With none watched they are constants.
    """
    frame = active()
    mark = frame.mark if frame is not None else None
    if not watched:
        return _several(op, arrays, mark) if isinstance(arrays, tuple) else _leased(_result(op, arrays, 0, mark))
    call = Call(op, operands, (), {}, None)
    entry = (op.rule(watched), new_position(), tuple([operands[i].position for i in watched]), saved, mark)
    if isinstance(arrays, tuple):
        return _several_recorded(op, arrays, frame, entry, call)
    t = call.output = _leased(_result(op, arrays, entry[1], mark))
    if frame.plain:
        frame.entries.append(entry)
    else:
        t.position = frame.hear(entry, call)
    return t


def _leased(t):
    lease(t)
    return t


class _Item:
    """The pseudo op that takes one output out of several."""

    name = "item"
    stacks = ()


_item_rule = Rule(
    _Item, (0,), (lambda g, i, n: Bundle(g if j == i else None for j in range(n)),), None, ((None, None),)
)


# ---------------------------------------------------------------- operands

ABSENT = object()  # stands for an array argument that was not given by position


def named(op, first, options):
    """The array arguments from the number `first` on, which must be in `options` by their names; taken out of there."""
    wanted = op.names[first : 1 if op.arity is None else op.arity]
    missing = [name for name in wanted if name not in options]
    if missing:
        raise TypeError(f"{op.name}() is missing {', '.join(map(repr, missing))}: it takes {', '.join(op.names)}")
    return [options.pop(name) for name in wanted]


def unwrapped(operands):
    """(arrays, positions, is any of them raw) of the operands of an op."""
    arrays, positions, raw = [], [], False
    for x in operands:
        if x.__class__ not in operand_types and hasattr(x, "__tensor__"):
            x = x.__tensor__()
        if isinstance(x, Operand):
            arrays.append(x.array)
            positions.append(x.position)
        else:
            arrays.append(unwrap(x, False))
            positions.append(0)
            raw = True
    return arrays, positions, raw


NUMBERS: set[Any] = {float, int, bool, complex}  # weak: they take the dtype of the other operand


def pair(a, b):
    """Array and position of `a`, then of `b`; is one of them a Python number, is one a raw array."""
    xa, ka, beside, raw = operand(a)
    xb, kb, beside_b, raw_b = operand(b)
    number = False
    if beside_b:
        xb = placed(b) if beside else beside_b(b, xa)
        number = b.__class__ is not complex
    if beside:
        number = xa.__class__ is not complex
        xa = beside(a, xb)
    return xa, ka, xb, kb, number, raw or raw_b


def operand(x):
    """(array, position, what makes an array of it, is a raw array) of an argument.

    A Python number has no array but beside another one, whose dtype it takes: the third is a function of both.
    """
    if isinstance(x, Operand):
        return x.array, x.position, None, False
    if x.__class__ in NUMBERS:
        return x, 0, scalar, False
    if x.__class__ in arrived:
        if x.dtype.kind in "OSU":
            _refuse_objects(x)
        return placed(x), 0, None, True
    if hasattr(x, "__tensor__"):
        t = x.__tensor__()
        return t.array, t.position, None, False
    if hasattr(x, "beside"):
        return x, 0, type(x).beside, False
    return unwrap(x, False), 0, None, True


def refuse_mixed(name, operands, arrays, error) -> None:
    """TypeError that names two of the operands, where they lie on different devices and `error` came of it."""
    placed_at = [(x, a, device(a)) for x, a in zip(operands, arrays, strict=True) if is_array(a)]
    other = next((row for row in placed_at if row[2] != placed_at[0][2]), None)
    if other is None:
        return
    (x, a, here), (y, b, there) = placed_at[0], other
    on = there if here == "cpu" else here
    raise TypeError(
        f"{name}: {_what(x, a)} lies on {here!r}, {_what(y, b)} on {there!r}, and an op computes on one device: move "
        f"one of them (x.to({on!r}) of a Tensor passes gradients, of a Variable gives its value), or make both inside "
        f"of `with av.device({on!r}):`, where host data goes to {on!r}"
    ) from error


def _what(x, a) -> str:
    return describe(x) if isinstance(x, Operand) else f"an array of shape {a.shape} and dtype {a.dtype}"


def unwrap(x, view):
    """The array of an argument that is no Tensor; what a view op may return a view of is copied, if it is writable."""
    if isinstance(x, Operand):
        return x.array
    if isinstance(x, (list, tuple)) and any(isinstance(i, Operand) for i in x):
        return registry.ops["stack"].public(x).array if not any(map(is_recorded, x)) else _refuse_list(x)
    a = placed(x)
    if a.dtype.kind in "OSU":
        _refuse_objects(a)
    return a.copy() if view and a is x and is_writable(a) else a


def _refuse_objects(a):
    what = "Python objects" if a.dtype.kind == "O" else "text"
    raise TypeError(
        f"cannot compute with an array of {what} (dtype {a.dtype}): make it one of numbers, or, where Tensors are in "
        "it, a Tensor: av.stack(list(a))"
    )


def _refuse_list(x):
    raise TypeError(
        "a list of Tensors is not an array: use av.asarray([...]), av.stack([...]) or av.concatenate([...]), which are "
        "differentiable"
    )


def weak(operands, arrays):
    """Python numbers among the operands, in the dtype of the other ones."""
    others = [a for x, a in zip(operands, arrays, strict=True) if x.__class__ not in NUMBERS]
    if not others or len(others) == len(arrays):
        return arrays
    dtype = np.result_type(*(a.dtype for a in others))

    def made(x):
        x = x.__class__(x)  # a float that may differ in each replay of a plan gives its value
        return namespace(others[0]).asarray(scalar(x, others[0]), dtype=np.result_type(dtype, x))

    return [made(x) if x.__class__ in NUMBERS else a for x, a in zip(operands, arrays, strict=True)]


def protect(rule, operands, arrays):
    """`arrays`, with copies of the raw writable ones among the operands that an entry keeps: buffers are used again."""
    arrays = [*arrays]
    for i, x in enumerate(operands):
        if x.__class__ not in operand_types and i in rule.keeps_raw and not isinstance(x, Operand):
            a = arrays[i]
            if hasattr(a, "flags") and is_writable(a):
                arrays[i] = a.copy()
    return arrays


def wrapped(args):
    """The arguments with Tensors in the place of arrays, copied if they may be recorded and changed.

    None if there is anything else among them.
    """
    frame = active()
    found = []
    for x in args:
        if x.__class__ in arrived and x.dtype.kind not in "OSU":
            kept = frame is not None and frame.base < NOBODY and is_writable(x)
            found.append(_result(None, x.copy() if kept else x, 0, None))
        elif x.__class__ in operand_types:
            found.append(x)
        else:
            return None
    return found


_warned: set = set()


def note_precision(operands, y) -> None:
    """Warn, once per line of the user's, where a float32 Variable meets a float64 array."""
    if y.dtype != np.float64:
        return
    for this in operands:
        if hasattr(this, "own_position") and this.dtype == np.float32:
            frame = user_frame()
            line = frame.f_code.co_filename, frame.f_lineno
            if line not in _warned:
                _warned.add(line)
                import warnings

                warnings.warn_explicit(
                    f"float32 variable {this.name!r} meets a float64 value: the result is float64, at twice the cost. "
                    "Make the data float32 (x.astype(np.float32)), or the variable float64.",
                    PrecisionWarning,
                    *line,
                    registry=frame.f_globals.setdefault("__warningregistry__", {}),
                )
            return


def form(row):
    """Which of the six calls fits an op."""
    if isinstance(row.forward, np.ufunc):
        return _unary if row.arity == 1 else _binary
    if row.outputs == 1 and not row.aux and not (row.elementwise and row.arity != 1):
        return {1: _one, 2: _two, 3: _three}.get(row.arity, _many)
    return _many
