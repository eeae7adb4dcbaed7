"""`function`: a training step that is traced once for each kind of arguments, and replayed as a plan. Floor 3."""

from _thread import RLock  # threading itself costs import time
from functools import update_wrapper
from typing import Any

import numpy as np

from ..base.dtypes import default_dtype
from ..base.errors import user_line
from ..base.nest import flatten
from ..engine.outside import tracing
from ..engine.protocol import Operand
from ..engine.record import NOBODY, active
from ..engine.tensor import Tensor
from ..state.context import current

__all__ = ["Function", "RetraceWarning", "function", "run_functions_eagerly"]

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
    """A function that runs as a plan; made by `function`."""

    __name__: str

    def __init__(self, python_function):
        self.python_function = python_function
        update_wrapper(self, python_function)
        self.traces = 0  # how often it was traced
        self._plans: dict[Any, Any] = {}
        self._lock = RLock()

    def __get__(self, instance, owner=None):
        """As a method: a function of its own for each instance."""
        if instance is None:
            return self
        bound = Function(self.python_function.__get__(instance, owner))
        try:
            setattr(instance, self.python_function.__name__, bound)
        except AttributeError:  # no place for it
            pass
        return bound

    def __call__(self, *args, **options):
        """Run it: a plan if there is one for such arguments, else a trace, which is an ordinary run, too."""
        frame = active()
        if _eagerly or tracing() is not None or (frame is not None and frame.base < NOBODY):
            return self.python_function(*args, **options)  # somebody else follows every op
        key, leaves = _signature(args, options)
        with self._lock:
            plan = self._plans.get(key)
            if plan is None or not plan.holds():
                return self._trace(key, args, options)
            return plan(leaves)

    def _trace(self, key, args, options):
        from .plans.plan import made

        self.traces += 1
        if self.traces >= MANY and self.traces & (self.traces - 1) == 0:
            self._warn(key)
        result, plan = made(self.python_function, args, options)
        while len(self._plans) >= PLANS:
            del self._plans[next(iter(self._plans))]
        self._plans[key] = plan
        return result

    def _warn(self, key):
        import warnings

        others = list(self._plans)
        warnings.warn(
            f"{self.__name__} is traced for the {self.traces}th time, at {user_line()}: {_difference(key, others)}. "
            "Each kind of arguments has a plan of its own; pass what changes from call to call as a Tensor or an array "
            "of one shape and dtype",
            RetraceWarning,
            stacklevel=4,
        )

    # ---------------------------------------------------------------- looks
    def plan(self) -> str:
        """The calls of the latest plan, as text: scope, result, function, arguments."""
        return self._latest().text

    def profile(self, *args, **options) -> str:
        """Run it once with these arguments, which have a plan, and say how many microseconds each call takes.

        Raises
        ------
        ValueError
            If there is no plan for such arguments yet.
        """
        key, leaves = _signature(args, options)
        with self._lock:
            plan = self._plans.get(key)
            if plan is None:
                raise ValueError(f"{self.__name__} has no plan for such arguments: call it once")
            return plan.profile(leaves)

    def _latest(self):
        if not self._plans:
            raise ValueError(f"{self.__name__} has no plan yet: call it once")
        return list(self._plans.values())[-1]


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
        return Tensor, leaf.array.shape, leaf.array.dtype
    if cls is np.ndarray:
        return Tensor, leaf.shape, leaf.dtype
    if isinstance(leaf, Operand):
        return cls, id(leaf), leaf  # a Variable: this very one
    try:
        hash(leaf)
    except TypeError:
        raise TypeError(
            f"an argument of a traced function is a Tensor, an array, a Variable, or can be hashed; got {leaf!r:.60} "
            f"({cls.__name__})"
        ) from None
    return cls, leaf


def _ambient():
    """What a trace bakes in beside its arguments."""
    frame = current()
    return frame.store, frame.scope.name, frame.defaults.reuse, default_dtype()


def _difference(key, others):
    """What of `key` is new."""
    if len(key) < 6:
        return "the store, the scope or the default dtype changed"
    structure, kinds = key[:2]
    alike = [o for o in others if len(o) == len(key) and o[0] == structure]
    if not alike:
        return "the structure of its arguments changed"
    found = [
        f"argument {i} is {_shown(kind)}, it was {_shown(other)}"
        for i, (kind, other) in enumerate(zip(kinds, alike[-1][1], strict=True))
        if kind != other
    ]
    return "; ".join(found) or "the store, the scope or the default dtype changed"


def _shown(kind):
    return f"a Tensor of shape {kind[1]} and dtype {kind[2]}" if kind[0] is Tensor else repr(kind[1])


def function(python_function) -> Function:
    """Trace a function once for each kind of arguments, and replay what it did as a flat plan.

    The first call runs the function as it is, and notes every call of NumPy that its ops, their gradients and its
    updates made. Later calls make these calls again, on memory that is there already, without Python in between.

    Parameters
    ----------
    python_function : function
        Of nests of Tensors, arrays, Variables and Python values that can be hashed. What it does beside computing with
        Tensors and updating Variables (printing, lists that grow) happens at the trace only.

    Returns
    -------
    Function
        To be called like the function. `plan()` shows the latest plan, `profile()` times it line by line.

    Raises
    ------
    TypeError
        At the trace, where the function asks for a value: ``if t > 0``, ``t.item()``, ``t.numpy()``.

    Notes
    -----
    There is a plan for each structure of the arguments, shape and dtype of each array, value of anything else, and for
    the open store and scope. Where a tape or accumulator is open around the call, the function runs eagerly. Results
    are those of the eager function bit for bit. Arrays from outside that the function uses are constants, copied;
    Variables and optimizers are looked at anew in each call, and random streams go on.

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
    """
    return Function(python_function)
