"""The update rule of an optimizer as one kernel, made of the rule itself: it is called once on symbols. Floor 0."""

from functools import lru_cache, partial
from types import FunctionType

import numpy as np

from .elementwise import Argument, Kernel, NotElementwise, Recorder, Symbol
from .expressions import knows

__all__ = ["update_kernel"]


def update_kernel(rule, dtype, compute, slots: int, scalars, reads_value: bool, several: bool) -> Kernel | None:
    """The kernel that reads value, gradient and slots, and writes value and slots; None for a rule that is no such one.

    Parameters
    ----------
    rule : function ``(p, g, *slots, **scalars) -> (delta, *slots)``
    dtype, compute : dtype
        Of the variables; of gradient and slots, in which the rule computes.
    slots : int
    scalars : dict of str to "number" or "array"
        The scalars, by value or as 0-d arrays.
    reads_value : bool
        Whether the rule gets `p`; None otherwise.
    several : bool
        Whether the value lies in pieces, one for each variable.

    Returns
    -------
    Kernel of (value, gradient, slots in their order, scalars in their order)

    Examples
    --------
    >>> f = np.dtype(np.float32)
    >>> def momentum(p, g, m, *, rate):
    ...     m *= 0.9
    ...     m += g
    ...     return m * rate, m
    >>> print(update_kernel(momentum, f, f, 1, {"rate": "number"}, False, False).body)
    float x0 = a0[i];
    float x1 = a1[i];
    float x2 = a2[i];
    float x3 = (float)a3;
    float x4 = x2 * (float)0.8999999761581421;
    float x5 = x4 + x1;
    float x6 = x5 * x3;
    float x7 = x0 - x6;
    a0[i] = x7;
    a2[i] = x5;
    >>> update_kernel(lambda p, g, *, rate: (g / np.linalg.norm(g),), f, f, 0, {"rate": "number"}, False, False)
    """
    # What a function closes over, or a method finds in its object, may change: such a rule is called each time.
    function, *given = (rule.func, *rule.args) if isinstance(rule, partial) and not rule.keywords else (rule,)
    plain = all(isinstance(f, FunctionType) and f.__closure__ is None for f in (function, *given))
    make = _remembered if plain else _made
    return make(function, tuple(given), dtype, compute, slots, tuple(scalars.items()), reads_value, several)


def _made(function, given, dtype, compute, slots, scalars, reads_value, several):
    if not (knows(np.add, dtype) and knows(np.add, compute)):
        return None
    arguments = [Argument(dtype, "pieces" if several else "array")] + [Argument(compute)] * (1 + slots)
    arguments += [Argument(compute, kind, "0") for _, kind in scalars]
    recorder = Recorder(arguments)
    p, g, *others = recorder.symbols
    p = recorder.converted(p, compute)
    numbers = dict(zip([name for name, _ in scalars], others[slots:], strict=True))
    try:
        delta, *new = function(*given, p if reads_value else None, g, *others[:slots], **numbers)
        if len(new) != slots or not all(isinstance(x, Symbol) for x in new):
            return None
        stores = [(2 + i, x) for i, x in enumerate(new) if x is not others[i]]
        if delta is not None:
            stores.insert(0, (0, p - delta))
    except NotElementwise:
        return None
    return recorder.kernel(stores)


_remembered = lru_cache(maxsize=256)(_made)
