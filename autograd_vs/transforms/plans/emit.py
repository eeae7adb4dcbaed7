"""A plan: one Python function of the calls of a program, bound to their arrays. Floor 3."""

from functools import partial
from typing import Any

import numpy as np

from ...base.backend import is_array
from ...base.threads import share
from .passes import moved, spread
from .program import Program, mapped

__all__ = ["Emitted", "emit"]


class Emitted:
    """The function `run` that makes all calls, the arrays that it leaves for the user, and its source."""

    def __init__(self, lines, inner, bound, outputs, results):
        self.outputs, self._lines, self._inner, self._bound = outputs, lines, inner, bound
        self.results = results  # the memory of what lies between
        self.source = self._source([*lines, "pass"])
        self.run = _made(self.source, bound)

    def failed_at(self, error: BaseException) -> int:
        """The number of the call from which `error` came; -1 if none was begun, their number if all were made."""
        run, trace = self.run.__code__, error.__traceback__
        while trace is not None and trace.tb_frame.f_code is not run:
            trace = trace.tb_next
        return -1 if trace is None else trace.tb_lineno - run.co_firstlineno - 1

    def _source(self, lines):
        inner = "".join(f"    {line}\n" for line in self._inner)
        body = "\n        ".join(lines)
        return f"def make({', '.join(self._bound)}):\n{inner}    def run():\n        {body}\n    return run\n"

    def part(self, first: int, last: int) -> "Emitted":
        """The calls from the number `first` to the one before `last`."""
        return Emitted(self._lines[first:last], self._inner, self._bound, self.outputs, self.results)

    def steps(self):
        """A function for each call, for the profile."""
        return [_made(self._source([line]), self._bound) for line in self._lines]


class _Errors:
    """``np.errstate``, to be entered again and again."""

    def __init__(self, settings):
        self.settings = settings

    def __enter__(self):
        self.before = np.seterr(**self.settings)

    def __exit__(self, kind, value, trace):
        np.seterr(**self.before)


def _made(source, bound):
    scope: dict = {}
    exec(compile(source, "<plan>", "exec"), scope)
    return scope["make"](**bound)


def emit(program: Program, arrays: dict[int, np.ndarray]) -> Emitted:
    """One Python function of the calls of `program`, with the results in `arrays` (see `place`)."""
    names: dict[int, str] = {}
    bound: dict[str, Any] = {}
    placed: dict[int, np.ndarray] = {}
    keep: list = []  # what was named by its id

    def name(value, letter="c") -> str:
        key = id(value)
        if key not in names:
            names[key] = f"{letter}{len(names)}"
            bound[names[key]] = value
        return names[key]

    def here(x):
        """Where an array lies in the plan; anything else is what it is."""
        if not is_array(x):
            return x
        if id(x) not in placed:
            storage = program.storage(x)
            new = arrays.get(id(storage))
            placed[id(x)] = x if new is None else moved(x, storage.array, new)
            keep.append(x)
        return placed[id(x)]

    there = partial(mapped, here)  # a nest of arguments

    inner: list[str] = []  # functions that the calls in pieces are
    lines = []
    for call in program.calls:
        if call.form == "pieces":
            lanes, calls = call.function.lanes(program, there)
            if len(lanes) == len(lanes[0]) == 1:
                lines.append("; ".join([_line(one, lambda x: x, name) for one in calls]))
                continue
            number = f"pieces{len(inner)}"
            inner += _pieces(lanes, calls, name, number)
            shared = call.function.threads
            lines.append(f"{name(share, 'f')}({number}, {name(lanes)})" if shared else f"{number}({name(lanes)})")
        else:
            line = _line(call, there, name)
            lines.append(f"with {name(_Errors(call.errors), 'e')}: {line}" if call.errors else line)
    return Emitted(lines, inner, bound, [there(a) for a in program.outputs], list(arrays.values()))


def _pieces(lanes, calls, name, number):
    """The lines of the function that takes the arrays of calls in pieces; `calls` are those of the first piece."""
    variables = {id(a): f"k{i}" for i, a in enumerate(lanes[0][0])}

    def inside(value, letter="c"):
        return variables.get(id(value)) or name(value, letter)

    body = [f"            {_line(call, lambda x: x, inside, whole=False)}" for call in calls]
    head = [f"def {number}(lanes):", "    for lane in lanes:", f"        for {', '.join(variables.values())}, in lane:"]
    return [*head, *body]


def _line(call, there, name, whole=True) -> str:
    """One call as a line of Python; not `whole` if it is made for other pieces of its arrays as well."""
    args, out = [there(a) for a in call.args], there(call.out)
    options = {k: there(v) for k, v in call.options.items()}
    function = call.function

    def given():
        return ", ".join([_value(a, name) for a in args] + [f"{k}={_value(v, name)}" for k, v in options.items()])

    if call.form == "kernel":
        return f"{name(function.bound(args, out), 'k')}()"
    if isinstance(out, tuple) and call.form in ("outside", "block"):
        return f"{name(function.into(args, out), 'o')}()"
    if call.form == "outside":
        run = f"{name(function.bound(args), 'o')}()"
        return run if call.out is None else f"{name(np.copyto, 'f')}({name(out, 'b')}, {run})"
    if call.form == "loop":
        stored = [a for a in out if not any(a is x for x in args)]
        return f"{name(function, 'f')}({', '.join(name(a, 'b') for a in [*args, *stored])})"
    if call.form == "setitem":
        return f"{name(args[0], 'b')}[{name(args[1])}] = {_value(args[2], name)}"
    if call.form == "change":
        return f"{name(call.by, 'f')}({', '.join(_value(a, name) for a in args)})"
    if isinstance(out, tuple):
        return f"{name(_copy_all, 'f')}({name(out)}, {name(call.by, 'f')}({given()}))"
    if function in _FILLED:
        return "pass" if function is np.empty else f"{name(out.fill, 'f')}({_value(_FILLED[function](args), name)})"
    if not isinstance(out, np.ndarray):
        return _elsewhere(call, out, name, given)
    if isinstance(function, np.ufunc) and not options:
        weak = [_strong(a, args) for a in args] if function in _ARITHMETIC else args
        if whole and function.signature is None:
            weak = [_bare(a) if isinstance(a, np.ndarray) and a.size == 1 < out.size else a for a in weak]
        keyword = "out=" if function in (np.maximum, np.minimum) else ""  # by position that is deprecated
        begin = f"{name(function, 'f')}({', '.join(_value(a, name) for a in weak)}, {keyword}"
        if whole and out.size == 1 and any(a is out for a in args):  # in place, of one element, takes twice as long
            spare = name(np.empty_like(out), "b")
            return f"{begin}{spare}); {name(out, 'b')}[...] = {spare}"
        return f"{begin}{name(out, 'b')})"
    if function is spread:
        return f"{name(np.copyto, 'f')}({name(out, 'b')}, {_value(args[0], name)}, 'unsafe')"
    owner = getattr(function, "__self__", None)
    if isinstance(owner, np.ufunc) and function.__name__ == "reduce":
        axis, dtype, keepdims = (options.get(k) for k in ("axis", "dtype", "keepdims"))
        rest = "" if not keepdims else ", True"
        return f"{name(function, 'f')}({name(args[0], 'b')}, {axis!r}, {_value(dtype, name)}, {name(out, 'b')}{rest})"
    if function is np.dot and out.flags.c_contiguous and out.ndim:
        return f"{name(function, 'f')}({name(args[0], 'b')}, {name(args[1], 'b')}, {name(out, 'b')})"
    if function in (np.ndarray.astype, np.ndarray.copy, np.ndarray.reshape, np.ndarray.ravel, np.ndarray.flatten):
        source = args[0] if function in (np.ndarray.astype, np.ndarray.copy) else function(*args, **options)
        if source is args[0] or np.may_share_memory(source, args[0]):
            return f"{name(np.copyto, 'f')}({name(out, 'b')}, {name(source, 'b')}, 'unsafe')"
    if function is np.where and len(args) == 3 and args[0].dtype == bool:  # `out` is none of them
        copy, target = name(np.copyto, "f"), name(out, "b")
        yes, no = _value(args[1], name), _value(args[2], name)
        return f"{copy}({target}, {no}, 'unsafe'); {copy}({target}, {yes}, 'unsafe', {name(args[0], 'b')})"
    if function is np.vdot and out.dtype.kind == "f" and args[0].flags.c_contiguous and args[1].flags.c_contiguous:
        flat = [name(a.reshape(-1), "b") for a in args]  # the same product of BLAS
        return f"{name(np.dot, 'f')}({flat[0]}, {flat[1]}, {name(out, 'b')})"
    if (function, call.form) in _WITH_OUT or call.form == "into":
        return f"{name(function, 'f')}({given()}, out={name(out, 'b')})"
    if getattr(function, "fills", False):
        return f"{name(function, 'f')}({given()}, into={name(out, 'b')})"
    return f"{name(_copy, 'f')}({name(out, 'b')}, {name(function, 'f')}({given()}))"


def _elsewhere(call, out, name, given) -> str:
    """One call on arrays of another library than NumPy, as a line of Python."""
    function, by = call.function, name(call.by, "f")
    elementwise = isinstance(function, np.ufunc) and function.signature is None
    if call.form == "into" or elementwise or getattr(function, "__name__", "") == "reduce":
        return f"{by}({given()}, out={name(out, 'b')})"
    return f"{name(_copy, 'f')}({name(out, 'b')}, {by}({given()}))"


_FILLED: dict[Any, Any] = {
    np.empty: None, np.zeros: lambda args: 0, np.ones: lambda args: 1, np.full: lambda args: args[1],
}  # fmt: skip
_ARITHMETIC = {
    np.add, np.subtract, np.multiply, np.divide, np.maximum, np.minimum, np.greater, np.greater_equal, np.less,
    np.less_equal, np.equal, np.not_equal,
}  # fmt: skip
_WITH_OUT = {(np.concatenate, "call"), (np.stack, "call"), (np.matmul, "call")}


def _copy(target, value):
    """Into memory of the shape that there was in the trace."""
    if value.shape != target.shape:
        raise RuntimeError(
            f"a result has shape {value.shape} where it had {target.shape} when the function was traced: its shape "
            "depends on values. Take this part out of the function"
        )
    np.copyto(target, value)


def _copy_all(targets, values):
    for target, value in zip(targets, values, strict=True):
        _copy(target, value)


def _value(x, name) -> str:
    if x is None or x is True or x is False or (x.__class__ in (int, float) and x == x and abs(x) < 1e300):
        return repr(x)
    return name(x)


def _bare(a):
    """An array of one element without dimensions: NumPy takes it faster beside a larger one."""
    return a.reshape(())


def _strong(x, others):
    """A Python number beside float arrays, as a 0-d array of their dtype: NumPy takes it faster."""
    if x.__class__ in (int, float):
        dtypes = {a.dtype for a in others if is_array(a)}
        if len(dtypes) == 1 and next(iter(dtypes)).kind == "f":
            return np.array(x, next(iter(dtypes)))
    return x
