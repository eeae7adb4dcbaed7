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
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.backend import placed
from ..base.blocks import in_blocks
from . import registry
from .call import form, refuse_mixed, unwrap
from .protocol import Operand, install, mark_break, reductions
from .rule import Rule, fit, make_rule, parameters
from .tensor import Tensor, tensor_of

if TYPE_CHECKING:
    from typing import ParamSpec, Protocol, TypeVar

    P = ParamSpec("P")
    R_co = TypeVar("R_co", covariant=True)

    class Function(Protocol[P, R_co]):
        """The public function of an op, as type checkers see it."""

        __name__: str
        op: Any  # the `Op`
        inner: Callable[..., Any]

        def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...


__all__ = ["Op", "constant", "fit", "op"]


class Op:
    """A row of the table. Made by `op`; see there for the fields."""

    def __init__(self, name, forward, names, arity, vjps, defaults, options):
        self.name = name
        self.forward = forward
        self.names = names  # of all parameters of the forward, arrays first
        self.arity = arity  # number of array arguments; None: the first argument is a sequence of them
        self.stacks = [names.index(n) for n in options.get("stacks", "").split()]
        self.costly: bool = options.get("costly", False)
        self.vjps: dict[str, Callable] = {n: in_blocks(f) for n, f in vjps.items()} if self.costly else vjps
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

    def rule(self, watched: tuple[int, ...], fitted: tuple[int, ...] = ()) -> Rule:
        """The rule for the watched arguments; made at first use. For the `fitted` ones it undoes broadcasting too."""
        key = (watched, fitted)
        found = self._rules.get(key)
        if found is None:
            found = self._rules[key] = make_rule(self, watched, fitted)
        return found


def op(
    function=None, summary="", *, vjp, forward=None, name=None, arity: int | str | None = 0, operators="", methods="",
    reduces=None, **options,
) -> "Function[..., Tensor]":  # fmt: skip
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
    costly : bool
        Takes long for each element, as a sine does: large arrays are taken in pieces, on several threads. For
        elementwise ops of one array.
    stacks : str
        Names of arguments whose gradient is a sum over the rows of `g` and of other arguments, as that of the kernel
        in ``x @ kernel``: the gradients of several uses of one Variable are then computed at once, of the rows of all.
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
    names: tuple[str, ...]
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
    call, inner = form(row)(row)
    # Code of its own: the interpreter's inline caches see the types of one op only, and tracebacks say its name.
    call.__code__ = call.__code__.replace(co_name=name, co_qualname=name)
    call.__name__ = call.__qualname__ = name
    call.__module__ = "autograd_vs"
    call.__doc__ = (None if isinstance(forward, np.ufunc) else forward.__doc__) or _docstring(row, summary)
    if not isinstance(forward, np.ufunc):
        call.__wrapped__ = forward  # its signature, for help()
    call.op, call.inner = row, inner
    row.public, row.inner = call, inner
    if name in registry.ops:
        raise ValueError(f"there is an op {name!r} already")
    registry.ops[name] = row
    if function is not None:
        registry.functions[function] = call
    if reduces is not None:
        reductions[reduces] = call
    for special in operators.split():
        install(special, _swapped(call) if special.startswith("__r") else call)
    for method in methods.split():
        install(method, call)
    return call


def constant(function, operators: str = "", methods: str = "", forward=None) -> Callable[..., Tensor]:
    """Declare a NumPy function with integer, bool or step output: it works on Tensors and passes no gradient.

    `forward` is what runs on bare arrays, where that is not NumPy's function itself.
    """
    runs = forward or function

    def call(*args, **options):
        watched = []

        def bare(x):
            if isinstance(x, Operand):
                watched.append(x)
                return x.array
            if isinstance(x, (list, tuple)):
                return type(x)(map(bare, x))
            return placed(x) if isinstance(x, np.ndarray) else x

        if isinstance(function, np.ufunc):
            args = tuple([unwrap(x, False) if isinstance(x, (list, tuple)) else x for x in args])
        arrays = [*map(bare, args)]
        try:
            y = runs(*arrays, **{key: bare(value) for key, value in options.items()})
        except Exception as error:
            refuse_mixed(call.__name__, args, arrays, error)
            raise
        for x in watched:
            mark_break(x, f"{call.__name__} passes no gradient")
        return tuple([tensor_of(part) for part in y]) if isinstance(y, tuple) else tensor_of(y)

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


UFUNC_DOCSTRING = """{summary}

    It is `numpy.{name}`, recorded by tapes; NumPy's own function does the same for Tensors.

    Parameters
    ----------
    {names} : array_like, {shape}, float

    Returns
    -------
    Tensor

    Examples
    --------
    >>> x = np.array({x})
    >>> np.array_equal(av.{name}(av.Tensor(x){more}), np.{name}(x{more}))
    True
    """


def _docstring(row, summary):
    """The docstring of an op that is a ufunc, with an example that runs; other ops without one are internal."""
    if not isinstance(row.forward, np.ufunc):
        return summary or row.name
    several = len(row.names) > 1
    return UFUNC_DOCSTRING.format(
        summary=summary,
        name=row.name,
        names=", ".join(row.names),
        shape="shapes that broadcast" if several else "any shape",
        x="[1.25, 1.5]" if row.name == "arccosh" else "[0.25, 0.5]",
        more=", 2.0" if several else "",
    )
