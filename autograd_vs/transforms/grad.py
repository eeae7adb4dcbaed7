"""Derivatives of functions: grad, value_and_grad, vjp, jvp, jacobian, hessian, hvp. Floor 3.

Each of them gives the function fresh Tensors (`fresh`) that nobody else knows, so derivatives nest without mixing up
whose variable is whose: an inner derivative never sees what the outer one holds of the same array.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from ..base.dtypes import is_differentiable
from ..base.nest import flatten, pack
from ..engine.forward import ForwardAccumulator
from ..engine.op import op
from ..engine.protocol import Operand
from ..engine.tape import GradientTape
from ..engine.tensor import Tensor, as_tensor, tensor_of

__all__ = ["grad", "hessian", "hvp", "jacobian", "jvp", "value_and_grad", "vjp"]


def _same(x):
    return x


alias = op(
    summary="The same value under another identity; its gradient passes unchanged.", name="alias", forward=_same,
    linear="each", view=True, vjp={"x": lambda g: g},
)  # fmt: skip


# ---------------------------------------------------------------- first order


def value_and_grad(f: Callable, argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable:
    """The function that computes `f` and its gradient at once.

    Parameters
    ----------
    f : function
        Returns a real scalar (a Tensor of shape ()), or with `has_aux` a pair of that and anything.
    argnums : int or tuple of int, default 0
        The positional arguments to differentiate with respect to. Each is a Python float, an array, a Tensor, a
        Variable, or a nest of them; floats and complex numbers only.
    has_aux : bool, default False
        `f` returns ``(y, aux)``; `aux` comes back as it is.

    Returns
    -------
    function
        Takes what `f` takes and returns ``(y, gradient)``, or ``((y, aux), gradient)``. The gradient has the structure
        of the argument, with Tensors of its shapes and dtypes; with a tuple of `argnums` it is a tuple of these. An
        argument on which `f` does not depend has zeros.

    Raises
    ------
    TypeError
        If an argument to differentiate is an integer, or no number at all; if `f` returns something else than a real
        Tensor.
    ValueError
        If `f` returns more than one number: use `jacobian` or `vjp`.

    Examples
    --------
    >>> import autograd_vs as av
    >>> y, g = av.value_and_grad(lambda x: x * x)(3.0)
    >>> y.item(), g.item()
    (9.0, 6.0)
    """
    name = name_of(f)

    @wraps(f)
    def value_and_gradient(*args, **kwargs):
        args, chosen, sources = _differentiable_arguments(args, argnums, name)
        with GradientTape() as tape:
            tape.watch(sources)
            y, aux = _with_aux(f(*args, **kwargs), has_aux, name)
        _check_scalar(y, name)
        gradient = pack(chosen, tape.gradient(y, sources, unconnected_gradients="zero"))
        return ((y, aux) if has_aux else y), gradient

    return value_and_gradient


def grad(f: Callable, argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable:
    """The function that computes the gradient of `f`.

    Parameters
    ----------
    f, argnums, has_aux :
        As in `value_and_grad`.

    Returns
    -------
    function
        Takes what `f` takes and returns the gradient, or ``(gradient, aux)``.

    Raises
    ------
    TypeError, ValueError
        As in `value_and_grad`.

    Notes
    -----
    Python floats are float64 here. For complex arguments the gradient follows TensorFlow and PyTorch: it points where
    `f` grows fastest.

    Examples
    --------
    >>> import numpy as np
    >>> import autograd_vs as av
    >>> av.grad(np.sin)(0.0).item()
    1.0
    >>> av.grad(av.grad(lambda x: x * x * x))(2.0).item()
    12.0
    """
    both = value_and_grad(f, argnums, has_aux)

    @wraps(f)
    def gradient(*args, **kwargs):
        value, g = both(*args, **kwargs)
        return (g, value[1]) if has_aux else g

    return gradient


def vjp(f: Callable, *primals: Any, has_aux: bool = False) -> tuple:
    """The value of `f`, and the function that multiplies vectors with its transposed Jacobian.

    Parameters
    ----------
    f : function
        Returns a Tensor or a nest of them, or with `has_aux` a pair of that and anything.
    *primals :
        The arguments of `f`, as in `value_and_grad`.
    has_aux : bool, default False

    Returns
    -------
    y : what `f` returns
    pullback : function
        Takes gradients of `y` (same structure and shapes; ones if left out) and returns the tuple of the gradients of
        the arguments. Can be called any number of times, and keeps the intermediate values of `f` alive.
    aux :
        Only with `has_aux`.

    Raises
    ------
    TypeError
        If an argument is an integer, or no number at all; if `f` returns something that is no Tensor.

    Examples
    --------
    >>> import numpy as np
    >>> import autograd_vs as av
    >>> y, pullback = av.vjp(lambda a, b: a * b, np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    >>> [g.tolist() for g in pullback(np.array([1.0, 10.0]))]
    [[3.0, 40.0], [1.0, 20.0]]
    """
    name = name_of(f)
    args, _, sources = _differentiable_arguments(primals, tuple(range(len(primals))), name)
    with GradientTape(persistent=True) as tape:
        tape.watch(sources)
        y, aux = _with_aux(f(*args), has_aux, name)
    _check_tensors(y, name)

    def pullback(g=None):
        if isinstance(g, list) and isinstance(y, Operand):
            g = as_tensor(g)
        return pack(args, tape.gradient(y, sources, output_gradients=g, unconnected_gradients="zero"))

    return (y, pullback, aux) if has_aux else (y, pullback)


def jvp(f: Callable, primals: Any, tangents: Any) -> tuple:
    """The value of `f`, and its derivative along a direction: the Jacobian times the tangents, by forward mode.

    Parameters
    ----------
    f : function
        Returns a Tensor or a nest of them.
    primals : tuple or list
        The arguments of `f`, as in `value_and_grad`. A single argument that is no tuple and no list may stand alone.
    tangents : like primals
        The direction, of the same shapes.

    Returns
    -------
    y : what `f` returns
    tangent : nest like y, of Tensors
        Zeros where `y` does not depend on the primals.

    Raises
    ------
    TypeError
        If an argument is an integer, or no number at all; if `f` returns something that is no Tensor.
    ValueError
        If the structures or shapes of primals and tangents differ.

    Examples
    --------
    >>> import numpy as np
    >>> import autograd_vs as av
    >>> y, t = av.jvp(np.sin, (0.0,), (2.0,))
    >>> t.item()
    2.0
    """
    name = name_of(f)
    primals, tangents = _as_arguments(primals), _as_arguments(tangents)
    args, _, sources = _differentiable_arguments(primals, tuple(range(len(primals))), name)
    with ForwardAccumulator(sources, flatten(tangents)) as accumulator:
        y = f(*args)
    _check_tensors(y, name)
    return y, accumulator.jvp(y, unconnected_gradients="zero")


# ---------------------------------------------------------------- matrices, second order


def jacobian(f: Callable, argnums: int | tuple[int, ...] = 0, mode: str | None = None) -> Callable:
    """The function that computes the Jacobian of `f`: all derivatives of all outputs.

    Parameters
    ----------
    f : function
        Returns a Tensor or a nest of them.
    argnums : int or tuple of int, default 0
        As in `value_and_grad`.
    mode : {None, "forward", "reverse"}
        Forward costs a run of `f` for each number in the arguments, reverse a walk back for each number in the output.
        By default forward where the outputs outnumber the arguments; then `f` runs once more, to find out.

    Returns
    -------
    function
        Takes what `f` takes and returns Tensors of shape ``y.shape + x.shape``, in the structure of `y`, and within it
        that of the arguments.

    Raises
    ------
    TypeError
        If an argument is an integer, or no number at all; if `f` returns something that is no Tensor; if it is complex
        and `mode` is "forward".
    ValueError
        If `mode` is none of the above.

    Notes
    -----
    Where an argument is complex, row i is the gradient of the real part of output i, as TensorFlow's and PyTorch's
    tapes give it. Where only the output is complex, the Jacobian is complex.

    Examples
    --------
    >>> import numpy as np
    >>> import autograd_vs as av
    >>> av.jacobian(lambda x: x * x)(np.array([1.0, 2.0])).tolist()
    [[2.0, 0.0], [0.0, 4.0]]
    """
    if mode not in (None, "forward", "reverse"):
        raise ValueError(f"mode is None, 'forward' or 'reverse', got {mode!r}")
    name = name_of(f)

    @wraps(f)
    def jacobian_function(*args, **kwargs):
        args, chosen, sources = _differentiable_arguments(args, argnums, name)
        complex_argument = any(x.dtype.kind == "c" for x in sources)
        if mode == "forward" and complex_argument:
            raise TypeError(f"jacobian of {name}: a complex argument needs reverse mode")
        if mode == "forward":
            return _forward_jacobian(f, args, kwargs, chosen, sources, name)
        with GradientTape(persistent=True) as tape:
            tape.watch(sources)
            y = f(*args, **kwargs)
        outputs = _check_tensors(y, name)
        if mode is None and not complex_argument:
            complex_output = any(o.dtype.kind == "c" for o in outputs)
            if complex_output or _count(outputs) > _count(sources):
                del tape
                return _forward_jacobian(f, args, kwargs, chosen, sources, name)
        rows = [tape.jacobian(o, sources, unconnected_gradients="zero") for o in outputs]
        return pack(y, [pack(chosen, row) for row in rows])

    return jacobian_function


def _forward_jacobian(f, args, kwargs, chosen, sources, name):
    """One run of `f` for each number in the sources; column by column."""
    from ..ops.shape import stack  # late: the families may import each other in any order

    columns: list[list] = [[] for _ in sources]
    y = None
    for i, x in enumerate(sources):
        for j in range(x.size):
            directions = [_zeros_like(s) for s in sources]
            directions[i] = _one_hot(x, j)
            with ForwardAccumulator(sources, directions) as accumulator:
                y = f(*args, **kwargs)
            _check_tensors(y, name)
            columns[i].append(flatten(accumulator.jvp(y, unconnected_gradients="zero")))
    if y is None:
        y = f(*args, **kwargs)
    parts = []
    for n, o in enumerate(_check_tensors(y, name)):
        row = []
        for x, column in zip(sources, columns, strict=True):
            shape = (*o.shape, *x.shape)
            row.append(stack([c[n] for c in column], o.ndim).reshape(shape) if column else _zeros(o, shape))
        parts.append(pack(chosen, row))
    return pack(y, parts)


def hessian(f: Callable, argnums: int | tuple[int, ...] = 0) -> Callable:
    """The function that computes the Hessian of `f`: the matrix of its second derivatives.

    Parameters
    ----------
    f : function
        Returns a real scalar.
    argnums : int or tuple of int, default 0
        As in `value_and_grad`.

    Returns
    -------
    function
        Takes what `f` takes and returns Tensors of shape ``x.shape + x.shape``; for a nest of arguments, the structure
        of the arguments within that of the arguments.

    Raises
    ------
    TypeError, ValueError
        As in `value_and_grad`.

    Examples
    --------
    >>> import numpy as np
    >>> import autograd_vs as av
    >>> av.hessian(lambda x: np.sum(x * x * x))(np.array([1.0, 2.0])).tolist()
    [[6.0, 0.0], [0.0, 12.0]]
    """
    return jacobian(grad(f, argnums), argnums, mode="reverse")


def hvp(f: Callable, primals: Any, v: Any) -> Any:
    """The Hessian of `f` times a vector, forward over reverse: at the cost of a few gradients, without the matrix.

    Parameters
    ----------
    f : function
        Returns a real scalar.
    primals : tuple or list
        The arguments of `f`. A single argument that is no tuple and no list may stand by itself.
    v : like primals
        The vector, of the same shapes.

    Returns
    -------
    like primals, of Tensors

    Raises
    ------
    TypeError, ValueError
        As in `value_and_grad` and `jvp`.

    Examples
    --------
    >>> import numpy as np
    >>> import autograd_vs as av
    >>> x, v = np.array([1.0, 2.0]), np.array([1.0, 0.0])
    >>> av.hvp(lambda x: np.sum(x * x * x), (x,), (v,))[0].tolist()
    [6.0, 0.0]
    """
    args = _as_arguments(primals)
    _, tangent = jvp(grad(f, tuple(range(len(args)))), args, _as_arguments(v))
    return pack(primals, flatten(tangent))


# ---------------------------------------------------------------- small parts


def name_of(f) -> str:
    return getattr(f, "__name__", None) or repr(f)


def _as_arguments(primals) -> tuple:
    return tuple(primals) if isinstance(primals, (tuple, list)) else (primals,)


def fresh(x, where: str) -> Tensor:
    """A Tensor of `x` that no tape watches by name yet, recorded as a copy of `x` by those that follow `x`."""
    if isinstance(x, Operand) or hasattr(x, "__tensor__"):
        x = as_tensor(x)
    else:
        x = as_tensor(_number(x, where))
    if not is_differentiable(x.dtype):
        raise TypeError(
            f"{where} has dtype {x.dtype}, and only float and complex values have derivatives: write 2.0 for 2, or "
            "x.astype(float)"
        )
    return alias(x)


def _number(x, where):
    from ..base.backend import as_array

    try:
        return as_array(x)
    except TypeError as error:
        raise TypeError(f"{where} is no array of numbers: {error}") from None


def _differentiable_arguments(args, argnums, name):
    """(arguments with fresh Tensors, those chosen by `argnums` in their structure, their leaves)."""
    numbers = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    args = list(args)
    places = []
    for n in numbers:
        if not -len(args) <= n < len(args):
            raise TypeError(f"{name} got {len(args)} positional arguments, and is to be differentiated by number {n}")
        places.append(n % len(args))
    if len(set(places)) != len(places):
        raise ValueError(f"argnums {argnums!r} names an argument of {name} twice")
    for n in places:
        leaves = [fresh(x, f"argument {n} of {name}") for x in flatten(args[n])]
        args[n] = pack(args[n], leaves)
    chosen = args[places[0]] if isinstance(argnums, int) else tuple(args[n] for n in places)
    return tuple(args), chosen, flatten(chosen)


def _with_aux(result, has_aux, name):
    if not has_aux:
        return result, None
    if not isinstance(result, tuple) or len(result) != 2:
        raise TypeError(f"with has_aux=True {name} must return a pair (y, aux), it returned {type(result).__name__}")
    return result


def _check_tensors(y, name) -> list:
    leaves = flatten(y)
    for leaf in leaves:
        if not isinstance(leaf, Operand):
            raise TypeError(
                f"{name} returned a {type(leaf).__name__}, which is no Tensor and carries no derivative: compute it "
                "from the arguments with this library's or NumPy's functions"
            )
        if not is_differentiable(leaf.dtype):
            raise TypeError(f"{name} returned a value of dtype {leaf.dtype}, which has no derivative")
    return leaves


def _check_scalar(y, name) -> None:
    if isinstance(y, (tuple, list, dict)):
        raise TypeError(
            f"{name} returned a {type(y).__name__}; grad needs one scalar. Use has_aux=True for a pair (y, aux), "
            "jacobian or vjp for several outputs"
        )
    _check_tensors(y, name)
    if y.shape != ():
        raise ValueError(f"grad needs a scalar, {name} returned shape {y.shape}: use jacobian or vjp, or take the sum")
    if y.dtype.kind == "c":
        raise TypeError(f"grad needs a real output, {name} returned {y.dtype}: take .real or abs() of it, or use vjp")


def _count(tensors) -> int:
    return sum(x.size for x in tensors)


def _zeros(like, shape) -> Tensor:
    from ..base.backend import namespace

    return tensor_of(namespace(like.array).zeros(shape, like.dtype))


def _zeros_like(x) -> Tensor:
    return _zeros(x, x.shape)


def _one_hot(x, j) -> Tensor:
    t = _zeros_like(x)
    t.array.reshape(-1)[j] = 1
    return t
