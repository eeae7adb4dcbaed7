"""Control flow that depends on data: cond, while_loop, scan. Floor 3.

Eagerly they are Python's ``if``, ``while`` and ``for``: tapes and accumulators follow what runs, as ever. In a function
that is traced the first two become blocks of the plan (`plans/control.py`), where each replay decides anew.
"""

from collections.abc import Callable
from typing import Any

from ..base.backend import as_array, has_values, namespace
from ..base.dtypes import is_differentiable
from ..base.nest import flatten, map_nest, pack
from ..engine.outside import tracing
from ..engine.protocol import Operand, is_recorded
from ..engine.tensor import Tensor, asarray, tensor_of
from ..ops.shape import stack
from .custom import announced

__all__ = ["cond", "scan", "while_loop"]


def cond(predicate: Any, true_fn: Callable, false_fn: Callable, *operands: Any) -> Any:
    """What one of two functions returns, of which only that one runs.

    Parameters
    ----------
    predicate : bool, or Tensor or array of one element, of dtype bool, integer or float
    true_fn, false_fn : function
        Of the operands. Each returns a nest of Tensors, arrays, numbers and None. They may use Tensors and Variables
        from around them, and assign to Variables.
    *operands : nests of Tensors, Variables and anything else

    Returns
    -------
    nest of Tensors
        Differentiable with respect to the operands and everything that the function uses. The gradient of an operand
        that it does not use is zero, not None.

    Raises
    ------
    TypeError, ValueError
        If `predicate` is no single value, or something else than Tensors, arrays, numbers and None is returned.
        Where a function is traced: if the two differ in structure, shapes or dtypes of what they return, or one of them
        runs an optimizer.

    Notes
    -----
    Within `function` both are traced, on the values of the first call, and each call then runs one of them. What the
    other one assigns or draws has no effect. To be differentiated the chosen one runs once more, with the same random
    numbers; so both are traced several times, and must not depend on Python values that change meanwhile. There, a
    Variable that only the other one reads has a gradient of zeros, which eagerly is None: make it an operand, and it is
    zeros in both. Gradients of rows come dense, and where several uses of one value add up they do so in another order
    than eagerly.

    Examples
    --------
    >>> import numpy as np
    >>> import autograd_vs as av
    >>> root = lambda x: cond(x > 0, np.sqrt, lambda x: -x, x)
    >>> root(av.Tensor(4.0)).item(), root(av.Tensor(-4.0)).item(), av.grad(root)(4.0).item()
    (2.0, 4.0, 0.25)
    >>> planned = av.function(root)
    >>> planned(av.Tensor(4.0)).item(), planned(av.Tensor(-4.0)).item(), planned.traces
    (2.0, 4.0, 1)
    """
    decided = decision(predicate, "cond")
    if decided.__class__ is not bool:
        from .plans.control import cond as in_a_plan

        return in_a_plan(decided, (true_fn, false_fn), operands)
    chosen = true_fn if decided else false_fn
    return _connected("cond", tensors(chosen(*operands), name_of(chosen)), operands)


def while_loop(cond_fn: Callable, body_fn: Callable, init: Any, maximum_iterations: int | None = None) -> Any:
    """Run a function on its own result for as long as a condition holds.

    Parameters
    ----------
    cond_fn : function
        Of the carry; returns one bool.
    body_fn : function
        Of the carry; returns the next one, of the same structure, shapes and dtypes. Both may use Tensors and Variables
        from around them; `body_fn` may assign to Variables.
    init : nest of Tensors, Variables, arrays and numbers
        The first carry. Numbers become Tensors (int64, float64).
    maximum_iterations : int, optional
        Stop after so many, whatever the condition says.

    Returns
    -------
    nest of Tensors
        The last carry, differentiable with respect to `init` (zeros where a part has no influence) and everything that
        `body_fn` uses. All carries are kept for the gradient.

    Raises
    ------
    TypeError, ValueError
        If `body_fn` changes the structure, a shape or a dtype of the carry, the condition is no single value, or
        `maximum_iterations` is no integer from 0 on. Where a function is traced: if `body_fn` runs an optimizer, or
        `cond_fn` assigns.

    Notes
    -----
    Within `function` both are traced, on the values of the first call, and each call then runs as often as its data
    say. For the gradient each run of the body is made once more, from the carry that was kept; sums over its runs are
    added up in another order than eagerly, gradients of rows come dense. Second derivatives in a
    traced function run the body n²/2 times for n iterations; they are refused if the body assigns or draws.

    Examples
    --------
    >>> import autograd_vs as av
    >>> def power(x, n):
    ...     return while_loop(lambda c: c[0] < n, lambda c: (c[0] + 1, c[1] * x), (0, 1.0))[1]
    >>> power(av.Tensor(2.0), 5).item(), av.grad(power)(2.0, 5).item()
    (32.0, 80.0)
    """
    most = maximum_iterations
    if most is not None and (not isinstance(most, int) or isinstance(most, bool) or most < 0):
        raise ValueError(f"while_loop: maximum_iterations is an integer from 0 on, or None, got {most!r}")
    tracer = tracing()
    if tracer is not None and tracer.hears():
        from .plans.control import while_loop as in_a_plan

        return in_a_plan(cond_fn, body_fn, init, most)
    carry, n = tensors(init, "init"), 0
    while n != most and decision(cond_fn(carry), name_of(cond_fn)):
        carry = following(carry, tensors(body_fn(carry), name_of(body_fn)), "while_loop:", body_fn)
        n += 1
    return _connected("while_loop", carry, init)


def scan(f: Callable, init: Any, xs: Any, length: int | None = None, reverse: bool = False) -> Any:
    """Carry a value along the first axis of arrays, and stack what comes out at each step.

    Parameters
    ----------
    f : function
        ``f(carry, x) -> (carry, y)``, with x the slices of `xs`. The carry keeps its structure, shapes and dtypes.
    init : nest of Tensors, Variables, arrays and numbers
    xs : nest of Tensors, Variables and arrays with the same first dimension, or None with a `length`
    length : int, optional
        How many steps; needed where `xs` is None.
    reverse : bool, default False
        From the last slice to the first; the y of a slice lies in its place nevertheless.

    Returns
    -------
    (last carry, nest of y stacked along a new first axis)

    Raises
    ------
    TypeError, ValueError
        If lengths differ or there is none or it is 0, if `f` returns no pair, or changes the structure, a shape or a
        dtype of the carry or of y.

    Notes
    -----
    The number of steps is known from shapes, so this is a loop in Python; in a traced function the plan has the calls
    of all steps, one after the other.

    Examples
    --------
    >>> import numpy as np
    >>> import autograd_vs as av
    >>> total, sums = scan(lambda c, x: (c + x, c + x), 0.0, np.array([1.0, 2.0, 3.0]))
    >>> total.item(), sums.numpy().tolist()
    (6.0, [1.0, 3.0, 6.0])
    """
    columns = [asarray(x) for x in flatten(xs) if x is not None]
    lengths = {x.shape[0] if x.shape else None for x in columns} | ({length} if length is not None else set())
    if len(lengths) != 1 or not all(isinstance(n, int) and n > 0 for n in lengths):
        raise ValueError(
            f"scan: the first dimensions of xs have shapes {[x.shape for x in columns]}, with length={length}: they "
            "must be one number of 1 or more"
        )
    steps: Any = lengths.pop()
    carry, ys = tensors(init, "init"), []
    for i in range(steps)[:: -1 if reverse else 1]:
        slices = iter([x[i] for x in columns])
        found = f(carry, map_nest(lambda x, slices=slices: None if x is None else next(slices), xs))
        if not isinstance(found, tuple) or len(found) != 2:
            raise TypeError(f"scan: {name_of(f)} must return (carry, y), it returned {type(found).__name__}")
        carry = following(carry, tensors(found[0], name_of(f)), "scan:", f)
        ys.append(tensors(found[1], name_of(f)))
        following(ys[0], ys[-1], "scan: the y of", f)
    rows = zip(*map(flatten, ys[:: -1 if reverse else 1]), strict=True)
    stacked = pack(ys[0], [None if row[0] is None else stack(row) for row in rows])
    return _connected("scan", (carry, stacked), (init, xs))


# ---------------------------------------------------------------- what they share


def name_of(function) -> str:
    """For messages."""
    return getattr(function, "__qualname__", None) or type(function).__name__


def decision(predicate, where):
    """True or False; in a function that is traced the array that decides, unless it is a plain value."""
    array = predicate.array if isinstance(predicate, Operand) else as_array(predicate)
    if array.size != 1 or array.dtype.kind not in "biuf":
        raise ValueError(
            f"{where} is decided by one bool, got shape {array.shape} and dtype {array.dtype}: use av.all(t) or "
            "av.any(t)"
        )
    return bool(array) if has_values(array) else array.reshape(())


def tensors(nest, where):
    """The nest with Tensors in the place of arrays, numbers and Variables; None stays."""

    def one(x):
        if x is None or x.__class__ is Tensor:
            return x
        try:
            return asarray(x)
        except TypeError as error:
            raise TypeError(f"{where}: Tensors, arrays, numbers and None are passed on, {error}") from None

    return map_nest(one, nest)


def kinds(nest) -> dict:
    """The shape and dtype of each leaf, by where it stands in the nest."""

    def walk(part, path):
        if not isinstance(part, (dict, list, tuple)):
            found[path] = None if part is None else (part.shape, str(part.dtype))
            return
        found[path] = type(part).__name__
        for key, value in part.items() if isinstance(part, dict) else enumerate(part):
            walk(value, f"{path}[{key!r}]")

    found: dict = {}
    walk(nest, "")
    return found


def differences(first, second) -> str:
    """Where two nests differ in structure, shape or dtype, in words; empty if they do not."""
    a, b = kinds(first), kinds(second)
    missing = "nothing"
    return "; ".join(
        f"{path or 'the result'} is {a.get(path, missing)}, and {b.get(path, missing)}"
        for path in {**a, **b}
        if a.get(path, missing) != b.get(path, missing)
    )


def following(carry, after, what, function):
    """`after`, which must be of the kind of `carry`."""
    found = differences(carry, after)
    if found:
        raise ValueError(f"{what} {name_of(function)} changes what it carries on: before and after, {found}")
    return after


def _connected(name, y, operands):
    """`y`, with gradients of zeros for those operands that have no influence on it."""
    followed = [x for x in flatten(operands) if isinstance(x, Operand) and is_recorded(x)]
    leaves = flatten(y)
    places = [i for i, x in enumerate(leaves) if x is not None and is_differentiable(x.dtype)]
    if not followed or not places:
        return y
    none = [(namespace(x.array).zeros, x.shape, x.dtype) for x in followed]

    def pull(gs, arrays):
        return [*gs, *[tensor_of(zeros(shape, dtype)) for zeros, shape, dtype in none]]

    outputs = [leaves[i] for i in places]
    for i, t in zip(places, announced(name, outputs, [*outputs, *followed], pull, ()), strict=True):
        leaves[i] = t
    return pack(y, leaves)
