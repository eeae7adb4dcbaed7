"""Functions with a gradient of their own: custom_gradient, and recompute_grad, which is one. Floor 3.

Both run the function, then `announce` its result as the output of an op with one entry: what that entry saves is a
`Pullback`, which knows how to get all gradients at once, and hands them out one by one as the walk asks for them.
Closures live in what the entry saves, so they die with the tape.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from ..base.backend import is_array, namespace, placed
from ..base.dtypes import is_differentiable
from ..base.nest import flatten, map_nest, pack
from ..base.ranks import across, summed_by
from ..engine.call import announce
from ..engine.cotangent import Bundle, IndexedSlices
from ..engine.op import Op
from ..engine.outside import outside
from ..engine.past import Back, Past
from ..engine.protocol import Operand
from ..engine.record import NOBODY, Apart, Readings, active, new_position
from ..engine.rule import EVERY, Rule, parameters
from ..engine.tape import GradientTape
from ..engine.tensor import Tensor, as_tensor
from ..ops.random import get_state, set_state
from ..state.context import ScopeAgain
from .grad import alias

__all__ = ["custom_gradient", "recompute_grad"]


def custom_gradient(f: Callable) -> Callable:
    """Give a function a gradient of its own.

    Parameters
    ----------
    f : function
        Returns ``(y, grad_fn)``. `y` is a Tensor, or a nest of them. ``grad_fn(*gs)`` takes the gradient of each Tensor
        in `y` (zeros where none arrives) and returns one gradient for each argument of `f`, in the order of its
        signature, however they were passed; None for an argument without gradient. Arguments that are no arrays
        (numbers, strings, None) may be left out.

    Returns
    -------
    function
        Takes what `f` takes and returns `y`. Arrays come to `f` as Tensors.

    Raises
    ------
    TypeError
        If `f` is no function, or does not return a pair; if `f` reads trainable Variables that are not among its
        arguments while a tape records, and `grad_fn` has no parameter ``variables``: with it, `grad_fn` gets the list
        of them, and returns ``(gradients of the arguments, gradients of the variables)``. When a tape walks back: if
        `grad_fn` does not take one parameter for each Tensor in `y`, or returns something that is no array.
    ValueError
        When a tape walks back: if `grad_fn` returns too few or too many gradients, or one of a wrong shape.

    Notes
    -----
    What `grad_fn` computes is differentiable itself, through its arguments and through Tensors of `f` that it uses.
    Variables that it reads have the values that they had when `f` returned; what it assigns is assigned for good.
    Complex gradients are as a tape returns them (TensorFlow's and PyTorch's convention). Forward mode works where
    `grad_fn` is linear in its arguments.

    Examples
    --------
    >>> import numpy as np
    >>> import autograd_vs as av
    >>> @av.custom_gradient
    ... def log1pexp(x):  # the plain gradient is NaN for large x
    ...     e = np.exp(x)
    ...     def grad_fn(g):
    ...         return g * (1.0 - 1.0 / (1.0 + e))
    ...     return np.log(1.0 + e), grad_fn
    >>> with np.errstate(over="ignore"):
    ...     av.grad(log1pexp)(1000.0).item()
    1.0
    """
    name = _name_of(f, "custom_gradient")

    @wraps(f)
    def with_custom_gradient(*args, **kwargs):
        bound = _bind(f, args, kwargs)
        originals = [x for argument in bound for x in argument.leaves]
        args = tuple(map(_as_argument, args))
        kwargs = {key: _as_argument(value) for key, value in kwargs.items()}
        frame = active()
        if frame is None or frame.base == NOBODY:
            y, _ = _pair(f(*args, **kwargs), name)
            return map_nest(lambda leaf: announce(_plain(name), _array(leaf, name), (), (), ()), y)
        with Readings() as readings:
            pair = f(*args, **kwargs)
        y, grad_fn = _pair(pair, name)
        variables = [v for v in readings.variables.values() if not any(v is x for x in originals)]
        if variables and not _takes(grad_fn, "variables"):
            raise TypeError(
                f"{name} reads the variables {', '.join(repr(v.name) for v in variables)}, which are not among its "
                "arguments: its gradient function must take variables=, and return (gradients of arguments, gradients "
                "of variables)"
            )

        past = Past()

        def pull(gs, arrays):
            back = Back(past, undo=False)
            try:
                with back:
                    return _call_grad_fn(grad_fn, gs, bound, variables, name)
            finally:  # an interrupt may come as `with` is left
                back.leave()

        return announced(name, y, [x for x in originals if isinstance(x, Operand)] + variables, pull, ())

    return with_custom_gradient


def recompute_grad(f: Callable) -> Callable:
    """Save memory: keep only the arguments of a function for its gradient, and compute the rest again.

    Parameters
    ----------
    f : function
        Returns a Tensor or a nest of them.

    Returns
    -------
    function
        Takes and returns the same. A tape keeps its arguments and the Variables that it reads, and nothing in between;
        when the tape walks back, `f` runs once more.

    Notes
    -----
    The second run sees what the first one saw: all Variables as they were when it began, its variable scope and store
    (so `get_variable` finds what the first run made), and the same random numbers of `autograd_vs.random` (dropout
    masks). What it assigns is forgotten when it ends, so a moving average moves once. It must not run an optimizer. Can
    be nested, and differentiated to any order.

    Examples
    --------
    >>> import numpy as np
    >>> import autograd_vs as av
    >>> block = av.recompute_grad(lambda x: np.tanh(np.tanh(x)))
    >>> round(av.grad(block)(0.5).item(), 6)
    0.639808
    """
    name = _name_of(f, "recompute_grad")

    @wraps(f)
    def recomputed(*args, **kwargs):
        frame = active()
        if frame is None or frame.base == NOBODY:
            return map_nest(lambda leaf: announce(_plain(name), _array(leaf, name), (), (), ()), f(*args, **kwargs))
        leaves = operands_of((args, kwargs))
        again, tensors = Again((args, kwargs), leaves, Drawing()), [x for x in leaves if isinstance(x, Tensor)]
        del leaves
        with Readings(alone=True) as readings:
            y = f(*args, **kwargs)
        followed = [
            *readings.variables.values(),
            *(x for x in (*again.others, *flatten(y)) if _is_followed_variable(x, frame)),
        ]
        variables = list({id(v): v for v in followed}.values())

        def pull(gs, arrays):
            inputs = [alias(a if isinstance(a, Operand) else Tensor(a)) for a in arrays]
            return again.gradients(f, inputs, variables, gs)

        return announced(name, y, [*tensors, *variables], pull, tuple(x.array for x in tensors))

    return recomputed


def _name_of(f, what):
    if not callable(f):
        raise TypeError(f"{what} takes a function, got {type(f).__name__}")
    return getattr(f, "__name__", None) or type(f).__name__


def operands_of(arguments) -> list:
    """The leaves, with Tensors in the place of arrays."""
    return [x if isinstance(x, Operand) or not is_array(x) else as_tensor(x) for x in flatten(arguments)]


class Again:
    """What a function needs to run once more, later, for its gradients, as if no time had passed.

    It is made before the first run. Of the ``(args, kwargs)`` with these `leaves` it keeps all but the Tensors.
    """

    def __init__(self, arguments, leaves, drawing):
        self.past, self.scope, self.drawing, self.across = Past(), ScopeAgain(), drawing, across.get()
        self.structure = map_nest(lambda x: None, arguments)
        self.places = [i for i, x in enumerate(leaves) if isinstance(x, Tensor)]
        self.others = [None if isinstance(x, Tensor) else x for x in leaves]

    def gradients(self, f, inputs, others, gs, past=None) -> list:
        """The gradient of each of `inputs` (Tensors, in the places of those that there were) and of `others`, or None.

        others : list of Variables and Tensors that `f` reads, beside its arguments
        gs : the gradients of the leaves of what `f` returns
        past : another one than its own
        """
        leaves = list(self.others)
        for i, x in zip(self.places, inputs, strict=True):
            leaves[i] = x
        args, kwargs = pack(self.structure, leaves)
        sources = [x for x in (*inputs, *others) if is_differentiable(x.dtype)]
        moved = []
        back = Back(past or self.past, undo=True)
        try:
            with back, self.drawing, self.scope, summed_by(self.across), GradientTape() as tape:
                base = active().base
                for x in sources:
                    if 0 < x.position < base:  # another record, which goes on, knows it by this position
                        moved.append((x, x.position))
                        x.position = new_position()
                    else:
                        tape.watch(x)
                outputs = flatten(f(*args, **kwargs))
            pairs = [(o, g) for o, g in zip(outputs, gs, strict=True) if _is_target(o)]
            if not pairs or not sources:
                return [None] * (len(inputs) + len(others))
            grads = iter(tape.gradient([o for o, _ in pairs], sources, [g for _, g in pairs]))
            return [next(grads) if is_differentiable(x.dtype) else None for x in (*inputs, *others)]
        finally:  # an interrupt may come as `with` is left
            back.leave()
            for x, position in moved:
                x.position = position


def _is_followed_variable(x, frame) -> bool:
    return hasattr(x, "assign") and x.position >= frame.base


def _is_target(o) -> bool:
    return isinstance(o, Operand) and is_differentiable(o.dtype)


class Drawing:
    """The random streams as they are when it is made; while open, they go on from there once more."""

    def __init__(self):
        self.state: Any = None
        self._now: Any = None
        outside(self._note, writes=())

    def _note(self):
        self.state = get_state()

    def __enter__(self):
        outside(self._go_back, writes=())

    def _go_back(self):
        self._now = get_state()
        set_state(self.state)

    def __exit__(self, kind, value, trace):
        outside(self._return, writes=())

    def _return(self):
        set_state(self._now)


# ---------------------------------------------------------------- the entry


class Pullback:
    """What the entry saves: gets the gradients of all operands with one call of `pull`, and hands them out singly.

    ``pull(gs, arrays)`` takes Tensors and returns a gradient or None for each operand. The walk asks for the operands
    in ascending order, with the same `g` for each; what it has not asked for is forgotten at the next `g`.
    """

    __slots__ = ("g", "operands", "outputs", "pull", "results")

    def __init__(self, pull, operands, outputs):
        self.pull = pull
        self.operands = [(x.shape, x.dtype) for x in operands]
        self.outputs = outputs  # (shape, dtype, zeros of its library) of each
        self.g = self.results = None

    def __call__(self, i, g, recorded, arrays):
        """The gradient of operand `i`; in a walk that nobody records it is computed apart, on constants."""
        if self.g is not g or self.results is None or i not in self.results:
            if recorded:
                results = self._gradients(g, arrays)
            else:
                apart = Apart()
                try:
                    with apart:
                        results = self._gradients(g, arrays)
                except BaseException:
                    apart.leave()
                    raise
            self.g, self.results = g, dict(enumerate(results))
        c = self.results.pop(i)
        for j in [j for j in self.results if j <= i]:
            del self.results[j]
        if not self.results:
            self.g = self.results = None
        if recorded or c is None:
            return c
        if c.__class__ is IndexedSlices:
            return IndexedSlices(_bare(c.values), _bare(c.indices), c.dense_shape)
        return c.array

    def _gradients(self, g, arrays):
        parts = g.parts if isinstance(g, Bundle) else (g,)
        gs = []
        for part, (shape, dtype, xp_zeros) in zip(parts, self.outputs, strict=True):
            if part is None:
                part = xp_zeros(shape, dtype)
            part = part if isinstance(part, Operand) else Tensor(part)
            gs.append(part.conj() if part.dtype.kind == "c" else part)
        found = self.pull(gs, arrays)
        return [None if c is None else _fitted(c, dtype) for c, (_, dtype) in zip(found, self.operands, strict=True)]


def _fitted(c, dtype):
    """A gradient as rules return it: of the dtype of the operand, not conjugated."""
    if c.__class__ is IndexedSlices:
        return IndexedSlices(_fitted(as_tensor(c.values), dtype), c.indices, c.dense_shape)
    if c.dtype != dtype:
        c = (c.real if c.dtype.kind == "c" and dtype.kind != "c" else c).astype(dtype)
    return c.conj() if dtype.kind == "c" else c


class _CustomOp(Op):
    """The op of one function; its rule is made for any set of watched operands."""

    def __init__(self, name, outputs):
        super().__init__(name, None, ("operands",), None, {}, None, {"outputs": outputs, "view": True})

    def rule(self, watched, fitted=False) -> Rule:
        found = self._rules.get(watched)
        if found is None:
            vjps = tuple(_vjp_of(i) for i in watched)
            layout = (None, _recorded, EVERY)
            found = self._rules[watched] = Rule(self, watched, vjps, None, (layout,) * len(watched))
        return found


def _vjp_of(i):
    return lambda g, pullback, recorded, arrays: pullback(i, g, recorded, arrays)


def _recorded(extra) -> bool:
    """In the place of the saved False where the walk is recorded."""
    return True


_ops: dict[tuple[str, Any], _CustomOp] = {}


def _plain(name, outputs: int | None = 1) -> _CustomOp:
    found = _ops.get((name, outputs))
    if found is None:
        if len(_ops) > 1024:  # names may be made up at run time
            _ops.clear()
        found = _ops[name, outputs] = _CustomOp(name, outputs)
    return found


def announced(name, y, operands, pull, arrays):
    """The nest `y` as Tensors that the tape knows as outputs of one entry with these operands."""
    frame = active()
    leaves = [_array(leaf, name) for leaf in flatten(y)]
    watched = tuple(i for i, x in enumerate(operands) if x.position >= frame.base and is_differentiable(x.dtype))
    saved: Any = ()
    if watched:
        outputs = [(a.shape, a.dtype, namespace(a).zeros) for a in leaves]
        saved = ((Pullback(pull, operands, outputs), False, arrays),) * len(watched)
    if isinstance(y, (tuple, list, dict)):
        return pack(y, announce(_plain(name, None), tuple(leaves), operands, watched, saved))
    return announce(_plain(name), leaves[0], operands, watched, saved)


# ---------------------------------------------------------------- arguments and their gradients


class _Argument:
    """One argument as it was passed: its leaves, and whether it stands for an array."""

    __slots__ = ("leaves", "name", "optional")

    def __init__(self, name, value, keyword_only=False):
        self.name = name
        self.leaves = flatten(value)
        arrays = any(isinstance(x, Operand) or is_array(x) or hasattr(x, "__tensor__") for x in self.leaves)
        self.optional = keyword_only or not arrays


def _bind(f, args, kwargs) -> list[_Argument]:
    """The arguments in the order of the signature."""
    if not kwargs:
        code = getattr(f, "__code__", None)
        names = parameters(f)[: code.co_argcount] if code is not None else ()
        return [_Argument(names[i] if i < len(names) else f"argument {i}", x) for i, x in enumerate(args)]
    import inspect  # late: import time

    signature = inspect.signature(f)
    bound = []
    for name, value in signature.bind(*args, **kwargs).arguments.items():
        kind = signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_POSITIONAL:
            bound += [_Argument(f"{name}[{i}]", x) for i, x in enumerate(value)]
        elif kind is inspect.Parameter.VAR_KEYWORD:
            bound += [_Argument(key, x, True) for key, x in value.items()]
        else:
            bound.append(_Argument(name, value, kind is inspect.Parameter.KEYWORD_ONLY))
    return bound


def _as_argument(value):
    """What `f` gets: Tensors for arrays, a Tensor with the present value for a Variable."""
    leaves = flatten(value)
    if not any(isinstance(x, Operand) or is_array(x) or hasattr(x, "__tensor__") for x in leaves):
        return value
    return pack(value, [_as_leaf(x) for x in leaves])


def _as_leaf(x):
    if hasattr(x, "assign"):
        return alias(x)
    return as_tensor(x) if is_array(x) or hasattr(x, "__tensor__") else x


def _pair(pair, name):
    if not isinstance(pair, tuple) or len(pair) != 2 or not callable(pair[1]):
        raise TypeError(f"{name} has a custom gradient: it must return (y, grad_fn), it returned {type(pair).__name__}")
    return pair


def _array(leaf, name):
    try:
        return leaf.array if isinstance(leaf, Operand) else placed(leaf)
    except TypeError:
        raise TypeError(f"{name} must return Tensors, it returned a {type(leaf).__name__}") from None


def _takes(function, parameter) -> bool:
    code = getattr(function, "__code__", None)
    if code is not None:
        return parameter in parameters(function) or bool(code.co_flags & 0x08)
    import inspect  # late: import time

    known = inspect.signature(function).parameters
    return parameter in known or any(p.kind is p.VAR_KEYWORD for p in known.values())


def _call_grad_fn(grad_fn, gs, bound, variables, name):
    """The gradient or None of each operand: the Operands among the arguments, then the variables."""
    of_variables: Any = ()
    if variables:
        both = _called(grad_fn, gs, {"variables": list(variables)}, name)
        if not isinstance(both, (tuple, list)) or len(both) != 2:
            raise ValueError(
                f"the gradient function of {name} must return (gradients of arguments, gradients of variables)"
            )
        returned, of_variables = both
        of_variables = [of_variables] if not isinstance(of_variables, (tuple, list)) else of_variables
        if len(of_variables) != len(variables):
            names = ", ".join(repr(v.name) for v in variables)
            raise ValueError(
                f"the gradient function of {name} returned {len(of_variables)} gradients for {len(variables)} "
                f"variables ({names})"
            )
    else:
        returned = _called(grad_fn, gs, {}, name)
    grads = []
    for argument, part in _matched(returned, bound, name):
        parts = [None] * len(argument.leaves) if part is None else flatten(part)
        if len(parts) != len(argument.leaves):
            raise ValueError(
                f"the gradient function of {name} returned {len(parts)} gradients for the {len(argument.leaves)} "
                f"arrays in {argument.name!r}"
            )
        for x, c in zip(argument.leaves, parts, strict=True):
            if isinstance(x, Operand):
                grads.append(_checked(c, x, argument.name, name))
    return grads + [_checked(c, v, v.name, name) for v, c in zip(variables, of_variables, strict=True)]


def _called(grad_fn, gs, options, name):
    try:
        return grad_fn(*gs, **options)
    except TypeError as error:
        import inspect  # late: import time

        try:
            inspect.signature(grad_fn).bind(*gs, **options)
        except TypeError:
            wanted = " and ".join([f"{len(gs)} gradient{'s' * (len(gs) > 1)} (one for each output)", *options])
            raise TypeError(f"the gradient function of {name} must take {wanted}: {error}") from None
        except ValueError:  # a built-in without a signature
            pass
        raise


def _matched(returned, bound, name):
    """Pairs of an argument and the gradient returned for it."""
    parts = list(returned) if isinstance(returned, (tuple, list)) else [returned]
    needed = [a for a in bound if not a.optional]
    for group in (bound, needed):
        if len(group) == 1 and isinstance(returned, (tuple, list)) and len(parts) == len(group[0].leaves) > 1:
            parts = [returned]  # one argument that is a nest, and its gradients
        if len(parts) == len(group):
            found = {id(a): part for a, part in zip(group, parts, strict=True)}
            return [(a, found.get(id(a))) for a in bound]
    names = ", ".join(a.name for a in bound)
    raise ValueError(
        f"the gradient function of {name} returned {len(parts)} gradients for {len(bound)} arguments ({names})"
    )


def _checked(c, x, argument, name):
    if c is None:
        return None
    if c.__class__ is not IndexedSlices:
        try:
            c = c if isinstance(c, Operand) else Tensor(c)
        except TypeError:
            raise TypeError(
                f"the gradient function of {name} must return an array of shape {x.shape} for {argument!r}, or None: "
                f"it returned {c!r:.40} ({type(c).__name__})"
            ) from None
    if c.shape != x.shape:
        raise ValueError(
            f"the gradient function of {name} returned shape {c.shape} for {argument!r}, which has shape {x.shape}"
        )
    return c


def _bare(x):
    return x.array if isinstance(x, Operand) else x
