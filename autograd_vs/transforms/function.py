"""`function`: a training step that is traced once for each kind of arguments, and replayed as a plan. Floor 3."""

from _thread import RLock  # threading itself costs import time
from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import partial, update_wrapper
from typing import Any, overload

import numpy as np

from ..base.backend import home, is_array
from ..base.dtypes import default_dtype
from ..base.errors import user_line
from ..base.nest import flatten
from ..base.precision import get_matmul_precision
from ..engine.outside import tracing
from ..engine.protocol import Operand
from ..engine.record import NOBODY, active
from ..engine.tensor import Tensor
from ..state.context import current
from .signature import fitted, leaf_names, name_of, specs_of

__all__ = ["Function", "RetraceWarning", "SignedFunction", "function", "run_functions_eagerly"]

PLANS = 64  # of one function; the oldest goes when there are more
MANY = 8  # traces, from which on each power of two is worth a warning
_eagerly = False


class RetraceWarning(UserWarning):
    """A function is traced again and again, which costs more than it gains."""


def run_functions_eagerly(eagerly: bool) -> None:
    """Let every `function` run as the plain Python function that it is, from now on: for debugging.

    Parameters
    ----------
    eagerly : bool

    Examples
    --------
    >>> run_functions_eagerly(True)
    >>> run_functions_eagerly(False)
    """
    global _eagerly
    _eagerly = bool(eagerly)


class Function:
    """A function that runs as a plan; made by `function`.

    Parameters
    ----------
    python_function : function
    **settings :
        What `plans.plan.made` takes: ``copy_outputs``, ``exact``, ``fast_math``, ``jit``, ``without``.

    Attributes
    ----------
    traces : int
        How often it was traced.
    """

    __name__: str

    def __init__(self, python_function, **settings):
        _check(python_function)
        self.python_function, self._settings = python_function, settings
        update_wrapper(self, python_function)
        self.__name__ = name_of(python_function)
        self.traces = 0
        self._plans: dict[Any, Any] = {}
        self._lock = RLock()

    def __get__(self, instance, owner=None):
        """As a method: a function of its own for each instance, which holds it."""
        if instance is None:
            return self
        name, kept = self.python_function.__name__, getattr(instance, "__dict__", {})
        if getattr(type(instance), name, None) is not self:  # a subclass has a method of that name, and calls this one
            name = self.python_function.__qualname__
        if name not in kept:
            kept[name] = self.alike(self.python_function.__get__(instance, owner))
        return kept[name]

    def alike(self, python_function: Callable) -> "Function":
        """A function with the same options, of another Python function with the same parameters."""
        return type(self)(python_function, **self._settings)

    def __deepcopy__(self, memo):
        """Of the function only: plans belong to the Variables that it was traced with."""
        return self.alike(deepcopy(self.python_function, memo))

    def __call__(self, *args, **options):
        """Run it: a plan if there is one for such arguments, else a trace, which is an ordinary run, too."""
        frame = active()
        if _eagerly or tracing() is not None or (frame is not None and frame.base < NOBODY):
            return self.python_function(*args, **options)  # somebody else follows every op
        key, leaves = _signature(args, options)
        with self._lock:
            try:
                plan = self._plans.get(key)
            except TypeError:
                raise self._unfit(leaves, args, options) from None
            if plan is None or not plan.holds():
                return self._otherwise(plan, key, leaves, args, options)
            return plan(leaves)

    def _otherwise(self, known, key, leaves, args, options):
        """Where there is no plan by the key alone."""
        if known.__class__ is Conditional:
            plan = known.find(leaves)
            if plan is not None:
                return plan(leaves)
        from .plans.plan import made

        self.traces += 1
        if self.traces >= MANY and self.traces & (self.traces - 1) == 0:
            self._warn(known, key, args, options)
        result, plan = made(self.python_function, args, options, **self._settings)
        if known.__class__ is Conditional or plan.looked or plan.stores:
            plan = (known if known.__class__ is Conditional else Conditional()).more(plan, leaves)
        self._plans.pop(key, None)
        while len(self._plans) >= PLANS:
            del self._plans[next(iter(self._plans))]
        self._plans[key] = plan  # the latest is last
        return result

    def _unfit(self, leaves, args, options) -> TypeError:
        for name, leaf in zip(self._names(args, options), leaves, strict=True):
            try:
                hash(_kind(leaf))
            except TypeError:
                return TypeError(
                    f"{self.__name__}: argument {name} is {leaf!r:.60} ({type(leaf).__name__}). An argument is a "
                    "Tensor, an array, a Variable, a nest of them (dict, list, tuple), or can be hashed"
                )
        raise AssertionError("all arguments can be hashed")

    def _names(self, args, options) -> list[str]:
        return leaf_names(self.python_function, args, options)

    def _warn(self, known, key, args, options):
        from .plans.limits import warn

        if known.__class__ is Conditional and known.lines:
            named = [(self._names(args, options)[n], line) for n, line in known.lines.items()]
            why = "; ".join(f"the value of argument {name} is asked for at {line}" for name, line in named)
        else:
            why = _difference(key, list(self._plans), self._names(args, options))
        warn(
            f"{self.__name__} is traced for the {self.traces}th time, at {user_line()}: {why}. Each kind of arguments "
            "has a plan of its own; pass what changes from call to call as a Tensor or an array of one shape and dtype",
            RetraceWarning,
        )

    # ---------------------------------------------------------------- looks
    def plan(self) -> Any:
        """The latest plan, to be looked at.

        Returns
        -------
        Look
            ``print(f.plan())`` shows its calls (scope, buffer of the result, result, function, arguments), the
            constants that were copied, and what it costs in calls, memory and time. A notebook shows a table.
            ``f.plan().draw("step.svg")`` makes a picture.

        Raises
        ------
        ValueError
            If it has not been called yet.

        Examples
        --------
        >>> double = function(lambda x: x * 2.0)
        >>> _ = double(np.zeros(3))
        >>> print(str(double.plan()).splitlines()[0])
          b0  t1: float64[3] = multiply(x, 2.0)
        """
        if not self._plans:
            raise ValueError(f"{self.__name__} has no plan yet: call it once")
        plan = list(self._plans.values())[-1]
        return (plan.latest() if plan.__class__ is Conditional else plan).look

    def profile(self, *args, **options) -> Any:
        """Run it once with these arguments, which have a plan, and say how many microseconds each call takes.

        Returns
        -------
        Profile
            To be printed: a line for each call, and the sum for each name scope. A notebook shows a table.

        Raises
        ------
        ValueError
            If there is no plan for such arguments yet.
        """
        key, leaves = _signature(args, options)
        with self._lock:
            plan = self._plans.get(key)
            if plan.__class__ is Conditional:
                plan = plan.find(leaves)
            if plan is None:
                raise ValueError(f"{self.__name__} has no plan for such arguments: call it once")
            return plan.profile(leaves)


class SignedFunction(Function):
    """A function whose arguments are checked against an input signature, and made Tensors of it."""

    def __init__(self, python_function, *, input_signature, **settings):
        super().__init__(python_function, **settings)
        self.input_signature = specs_of(python_function, input_signature)

    def alike(self, python_function: Callable) -> "Function":
        """A function with the same options, of another Python function with the same parameters."""
        return type(self)(python_function, input_signature=self.input_signature, **self._settings)

    def __call__(self, *args, **options):
        """Run it on arguments that fit."""
        return super().__call__(*fitted(self.python_function, self.input_signature, args, options))

    def profile(self, *args, **options):
        """As for any `Function`."""
        return super().profile(*fitted(self.python_function, self.input_signature, args, options))


class Conditional:
    """Plans of one key that need a second look.

    The function has looked at the values of Python floats, or opens a store, which may have been reset since.
    """

    def __init__(self):
        self.lines: dict[int, str] = {}  # the numbers of these floats among the leaves: where they were looked at
        self.plans: dict[tuple, Any] = {}

    def holds(self) -> bool:
        """Not without the second look."""
        return False

    def find(self, leaves):
        """The plan for these values, or None."""
        plan = self.plans.get(self._values(leaves))
        if plan is None or any(store.content is not content for store, content in plan.stores):
            return None
        return plan if plan.holds() else None

    def latest(self):
        """The plan that was made last."""
        return list(self.plans.values())[-1]

    def more(self, plan, leaves) -> "Conditional":
        """With one plan more."""
        if not plan.looked.keys() <= self.lines.keys():  # plans that are known by fewer values are made again
            self.lines = {**self.lines, **plan.looked}
            self.plans.clear()
        self.plans.pop(self._values(leaves), None)
        while len(self.plans) >= PLANS:
            del self.plans[next(iter(self.plans))]
        self.plans[self._values(leaves)] = plan
        return self

    def _values(self, leaves):
        return tuple([repr(leaves[n]) for n in self.lines])  # 0.0 and -0.0 are two, and each nan is one


def _signature(args, options):
    """What there is a plan for each of, and the leaves of the arguments."""
    if not args and not options:
        return _ambient(), ()
    leaves = flatten((args, options))
    return (_structure((args, options)), (*map(_kind, leaves),), *_ambient()) if leaves else _ambient(), leaves


def _structure(nest):
    if isinstance(nest, (list, tuple)):
        return (type(nest), *map(_structure, nest))
    if isinstance(nest, dict):
        return (dict, *((k, _structure(v)) for k, v in nest.items()))
    return None


def _kind(leaf):
    """What a plan depends on of one argument."""
    cls = leaf.__class__
    if cls is Tensor:
        leaf = leaf.array
        return leaf.__class__, leaf.shape, leaf.dtype
    if cls is np.ndarray or is_array(leaf):
        return cls, leaf.shape, leaf.dtype
    if cls is float:
        return cls
    if isinstance(leaf, Operand):
        return cls, id(leaf), leaf  # a Variable: this very one
    if isinstance(leaf, (float, complex)):
        return cls, repr(leaf)  # 0.0 and -0.0 are equal
    return cls, leaf


def _ambient():
    """What a trace bakes in beside its arguments; `_AROUND` says it in words."""
    frame = current()
    given = frame.defaults
    around = frame.store.content, frame.scope.name, given.reuse, default_dtype(), given.dtype, given.compute
    return *around, get_matmul_precision(), home()


def _check(python_function):
    """TypeError for what does not run to its end when it is called."""
    if not callable(python_function):
        raise TypeError(f"function takes a function, got {python_function!r:.60} ({type(python_function).__name__})")
    flags = getattr(getattr(python_function, "__code__", None), "co_flags", 0)
    if flags & 0x2A0:  # of a generator, a coroutine, both
        raise TypeError(
            f"{python_function.__name__} is a generator or a coroutine, which runs bit by bit and cannot be traced: "
            "make a function of the computation between two `yield`s or `await`s, and call that from it"
        )


def _difference(key, others, names):
    """What of `key` is new."""
    structure, kinds = key[:2] if len(key) > len(_AROUND) else ((), ())
    alike = [o for o in others if len(o) == len(key) and (not kinds or o[0] == structure)]
    if not alike:
        return "the structure of its arguments changed"
    last = alike[-1]
    found = [
        f"argument {name} is {_shown(kind)}, it was {_shown(other)}"
        for name, kind, other in zip(names, kinds, last[1] if kinds else (), strict=True)
        if kind != other
    ]
    around = zip(_AROUND, key[-len(_AROUND) :], last[-len(_AROUND) :], strict=True)
    found += [what.format(new, old) for what, new, old in around if new != old]
    return "; ".join(found) or (
        "what its Variables or optimizers were at the trace (trainable, which slots) changed, or a name that it reads "
        "from outside is bound to something else"
    )


_AROUND = (  # in the order of `_ambient`
    "the current store is another one, or was reset",
    "the open scope is {!r}, it was {!r}",
    "reuse is {!r}, it was {!r}",
    "the default dtype is {}, it was {}",
    "the dtype of the open scope is {}, it was {}",
    "the open scope computes in {}, it was {}",
    "the matmul precision is {!r}, it was {!r}",
    "host data goes to {}, it went to {}",
)


def _shown(kind):
    if kind is float:
        return "a float"
    if len(kind) == 3 and isinstance(kind[-1], np.dtype):
        return f"a Tensor of shape {kind[1]} and dtype {kind[2]}"
    return f"{kind[-1]!r:.60}"


@overload
def function(python_function: Callable, /) -> Function: ...
@overload
def function(
    *, input_signature: Any = None, copy_outputs: bool = True, exact: bool = False, fast_math: bool = False,
    jit: bool | None = None, without: Sequence[str] = (),
) -> Callable[[Callable], Function]: ...  # fmt: skip
def function(
    python_function=None, /, *,
    input_signature=None, copy_outputs=True, exact=False, fast_math=False, jit=None, without=(),
):  # fmt: skip
    """Trace a function once for each kind of arguments, and replay what it did as a flat plan.

    The first call runs the function as it is, and notes every call of NumPy that its ops, their gradients and its
    updates made. Later calls make these calls again, on memory that is there already, without Python in between.

    Parameters
    ----------
    python_function : function
        Of nests of Tensors, arrays, Variables and Python values that can be hashed. What it does beside computing with
        Tensors and updating Variables (printing, lists that grow, attributes that it sets) happens at the trace only,
        and Python values that it finds in attributes, lists and dicts are those of the trace. Where a name that it
        reads from outside (a global, a variable of the function around it) is bound to something else, as by a cell of
        a notebook that is run again, it is traced anew.
    input_signature : sequence of nests of TensorSpec, optional
        What each argument is. Arrays, lists and numbers become Tensors of the dtype that is given; what does not fit
        is refused. None in a shape is any size: there is a plan for each that comes.
    copy_outputs : bool, default True
        False: results are views that cannot be written, and the next call (from any thread) writes over them. The
        first call gives copies in any case.
    exact : bool, default False
        Leave out the passes that change the order of sums and the like: results are those of the eager function bit
        for bit.
    fast_math : bool, default False
        Take sines and cosines of float64 arrays from the tangent of half the angle: several times faster, and a few
        units in the last place off.
    jit : bool, optional
        Compile arithmetic to loops with numba (the extra ``[jit]``): True wants it, False does without. By default it
        is used where it is installed, unless ``AUTOGRAD_VS_JIT=0`` stands in the environment. What is compiled is kept
        in ``~/.cache/autograd_vs`` (or ``AUTOGRAD_VS_CACHE``).
    without : sequence of str, default ()
        Names of passes to leave out, to find out what a difference comes from; "place" is the reuse of memory.

    Returns
    -------
    Function
        To be called like the function. `plan()` shows the latest plan, `profile()` times it call by call. With
        options only, a decorator that makes one.

    Raises
    ------
    TypeError
        For a generator or a coroutine. At the trace, where the function asks for a value: ``if t > 0``, ``t.item()``,
        ``t.numpy()``; where it returns what cannot be given anew by each call, as an iterator. At a call, where an
        argument cannot be hashed, or is of another dtype or structure than the signature says.
    ValueError
        At a call, where an argument has another shape than the signature says. For a pass that is not there, and for
        `exact` with `jit` or `fast_math`.
    ImportError
        If `jit` is True, and numba is not there.

    Notes
    -----
    There is a plan for each structure of the arguments, shape and dtype of each array, value of anything else, and for
    the open store and scope. A Python float may differ from call to call; where the function looks at its value
    (``if rate > 0``, ``math.sqrt(rate)``) there is a plan for each value. Where a tape or accumulator is open around
    the call, the function runs eagerly. Arrays from outside that the function uses are constants, copied and listed by
    `plan()`; Variables and optimizers are looked at anew in each call, and random streams go on.

    An exception in the middle of a call (an interrupt, ids out of range) leaves all Variables as they were or all
    updated, or says in a note which ones are undefined. A trace that fails gives Variables back what they held.

    Examples
    --------
    >>> import autograd_vs as av, optim
    >>> w = av.Variable([1.0, 2.0])
    >>> optimizer = optim.SGD(0.5)
    >>> @function
    ... def step(x):
    ...     with av.GradientTape() as tape:
    ...         loss = av.sum(av.square(w - x))
    ...     optimizer.apply_gradients([(tape.gradient(loss, w), w)])
    ...     return loss
    >>> step(np.zeros(2, "float32")).item(), step(np.ones(2, "float32")).item(), w.numpy().tolist()
    (5.0, 2.0, [1.0, 1.0])

    >>> @function(input_signature=[av.TensorSpec((None, 2))])
    ... def total(x):
    ...     return av.sum(x)
    >>> total([[1, 2], [3, 4]]).item()
    10.0
    >>> total([1, 2])
    Traceback (most recent call last):
    ...
    ValueError: total: argument x has shape (2,), its input_signature says (None, 2)
    """
    passes = {"exact": exact, "fast_math": fast_math, "jit": jit, "without": without}
    settings = {"copy_outputs": copy_outputs, **passes}
    if exact or fast_math or jit or without:
        from .plans.plan import chosen

        chosen(**passes)
    if input_signature is None:
        make: Any = partial(Function, **settings)
    else:
        make = partial(SignedFunction, input_signature=input_signature, **settings)
    return make if python_function is None else make(python_function)
