"""Random integers, bools and orders: constants, through which no gradient passes. Floor 2; loaded at first use.

`shuffle`, `permutation` and `choice` of a Tensor's elements do pass the gradient of the elements, and `gumbel_softmax`
is the smooth stand-in for `categorical`.
"""

from math import sqrt
from typing import Any

import numpy as np

from ..base.backend import as_array, beside, namespace, on_host, to_numpy
from ..base.dtypes import is_differentiable
from ..engine.protocol import Operand, mark_break
from ..engine.tensor import Tensor, as_tensor, tensor_of
from .constants import argmax, stop_gradient
from .continuous import NOT_NEGATIVE, POSITIVE, broadcast, float_dtype, gumbels, require
from .index import take
from .random import Shape, as_shape, generator, uniforms
from .reduce import logsumexp
from .shape import astype

__all__ = [
    "bernoulli", "binomial", "categorical", "choice", "gumbel_softmax", "integers", "multinomial", "permutation",
    "poisson", "rademacher", "shuffle",
]  # fmt: skip

PROBABILITY = (lambda a: (a >= 0.0) & (a <= 1.0)), "in [0, 1], as a probability is"
COUNT = (lambda a: (a >= 0) & (a == a // 1)), "whole and not negative"


def _host(function: str, x) -> np.ndarray:
    """A parameter on the host; `explain` will say that no gradient passes."""
    if isinstance(x, Operand):
        mark_break(x, f"{function} passes no gradient")
        return to_numpy(x.array)
    return on_host(as_array(x))


def _distribution(function: str, p: np.ndarray) -> np.ndarray:
    """Probabilities along the last axis: checked, and with sum 1 to the last digit."""
    require(function, "p", p, PROBABILITY)
    if p.ndim < 1 or not p.shape[-1]:
        raise ValueError(f"{function}: p needs at least one probability along its last axis, got shape {p.shape}")
    digits = np.finfo(p.dtype if p.dtype.kind == "f" else np.float64).eps
    p = p.astype(np.float64)
    sums = p.sum(axis=-1, keepdims=True)
    wrong = np.abs(sums - 1.0) > max(sqrt(digits), 1e-8)
    if wrong.any():
        raise ValueError(f"{function}: the probabilities must sum to 1, got a sum of {sums[wrong][0]:.9g}")
    return p / sums


def bernoulli(p: Any = 0.5, shape: Shape | None = None, dtype: Any = bool, stream: str = "") -> Tensor:
    """Ones with probability `p`, else zeros.

    Parameters
    ----------
    p : float or array_like
        The probability of one. No gradient passes.
    shape : int or tuple of int, optional
        That of `p` by default; else `p` broadcasts to it.
    dtype : dtype, default bool
    stream : str, default ""
        The stream that this call counts in.

    Returns
    -------
    Tensor
        A constant.

    Raises
    ------
    ValueError
        If a probability is not in ``[0, 1]``, or `p` does not broadcast to `shape`.

    Examples
    --------
    >>> import autograd_vs as av
    >>> av.random.bernoulli([0.0, 1.0]).tolist()
    [False, True]
    """
    p = _host("bernoulli", p)
    require("bernoulli", "p", p, PROBABILITY)
    shape = broadcast("bernoulli", shape, {"p": p.shape})
    return Tensor(as_array(uniforms(generator(stream), shape) < p).astype(dtype))


def rademacher(shape: Shape = (), dtype: Any = None, stream: str = "") -> Tensor:
    """1 and -1, equally likely.

    Parameters
    ----------
    shape : int or tuple of int
    dtype : dtype, optional
        The default dtype (float32) by default.
    stream : str, default ""
        The stream that this call counts in.

    Returns
    -------
    Tensor
        A constant.

    Examples
    --------
    >>> import autograd_vs as av
    >>> bool((abs(av.random.rademacher(100)) == 1).all())
    True
    """
    dtype = float_dtype("rademacher", dtype) if dtype is None else np.dtype(dtype)
    if dtype.kind in "bu":
        raise TypeError(f"rademacher: dtype {dtype} has no -1")
    ones = generator(stream).integers(0, 2, as_shape(shape), dtype=np.int8)
    return Tensor(as_array(2 * ones - 1).astype(dtype))


def poisson(rate: Any = 1.0, shape: Shape | None = None, dtype: Any = np.int64, stream: str = "") -> Tensor:
    """Counts of independent events that happen `rate` times on average.

    Parameters
    ----------
    rate : float or array_like
        The mean, not negative. No gradient passes.
    shape : int or tuple of int, optional
        That of `rate` by default; else `rate` broadcasts to it.
    dtype : dtype, default int64
    stream : str, default ""
        The stream that this call counts in.

    Returns
    -------
    Tensor
        A constant.

    Raises
    ------
    ValueError
        If a rate is negative (or more than 9e18), or `rate` does not broadcast to `shape`.

    Examples
    --------
    >>> import autograd_vs as av
    >>> av.random.poisson([0.0, 1000.0]).shape
    (2,)
    """
    rate = _host("poisson", rate)
    require("poisson", "rate", rate, NOT_NEGATIVE)
    shape = broadcast("poisson", shape, {"rate": rate.shape})
    return Tensor(as_array(generator(stream).poisson(rate, shape)).astype(dtype))


def binomial(n: Any, p: Any, shape: Shape | None = None, dtype: Any = np.int64, stream: str = "") -> Tensor:
    """How many of `n` independent trials succeed, each with probability `p`.

    Parameters
    ----------
    n : int or array_like
    p : float or array_like
        They broadcast. No gradient passes.
    shape : int or tuple of int, optional
        That of `n` and `p` together by default, to which they broadcast.
    dtype : dtype, default int64
    stream : str, default ""
        The stream that this call counts in.

    Returns
    -------
    Tensor
        A constant.

    Raises
    ------
    ValueError
        If `n` is negative or not whole, `p` not in ``[0, 1]``, or they do not broadcast to `shape`.

    Examples
    --------
    >>> import autograd_vs as av
    >>> av.random.binomial(10, [0.0, 1.0]).tolist()
    [0, 10]
    """
    n, p = _host("binomial", n), _host("binomial", p)
    require("binomial", "n", n, COUNT)
    require("binomial", "p", p, PROBABILITY)
    shape = broadcast("binomial", shape, {"n": n.shape, "p": p.shape})
    return Tensor(as_array(generator(stream).binomial(n.astype(np.int64), p, shape)).astype(dtype))


def multinomial(n: Any, p: Any, shape: Shape | None = None, dtype: Any = np.int64, stream: str = "") -> Tensor:
    """How often each of several classes occurs in `n` independent trials.

    Parameters
    ----------
    n : int or array_like, shape (...)
    p : array_like, shape (..., classes)
        The probabilities of the classes, with sum 1. No gradient passes.
    shape : int or tuple of int, optional
        The shape of the result without the classes; `n` and the rest of `p` broadcast to it.
    dtype : dtype, default int64
    stream : str, default ""
        The stream that this call counts in.

    Returns
    -------
    Tensor, shape (*shape, classes)
        A constant, with sum `n`.

    Raises
    ------
    ValueError
        If `n` is negative or not whole, the probabilities are none, or the shapes do not fit.

    Examples
    --------
    >>> import autograd_vs as av
    >>> av.random.multinomial(10, [0.25, 0.75, 0.0], shape=5).sum(axis=-1).tolist()
    [10, 10, 10, 10, 10]
    """
    n, p = _host("multinomial", n), _distribution("multinomial", _host("multinomial", p))
    require("multinomial", "n", n, COUNT)
    shape = broadcast("multinomial", shape, {"n": n.shape, "p[..., 0]": p.shape[:-1]})
    return Tensor(as_array(generator(stream).multinomial(n.astype(np.int64), p, shape)).astype(dtype))


def categorical(logits: Any, shape: Shape | None = None, axis: int = -1, stream: str = "") -> Tensor:
    """Draw class numbers with the probabilities ``softmax(logits)``.

    Parameters
    ----------
    logits : array_like, shape (..., classes)
        Logarithms of the probabilities, up to a constant; ``-inf`` for a class that never occurs. No gradient passes.
    shape : int or tuple of int, optional
        The shape of the result; it must end in the shape of `logits` without `axis`, which is the default.
    axis : int, default -1
        The axis of the classes.
    stream : str, default ""
        The stream that this call counts in.

    Returns
    -------
    Tensor of int64
        A constant.

    Raises
    ------
    ValueError
        If `shape` does not fit, or no class is possible.

    Examples
    --------
    >>> import autograd_vs as av
    >>> av.random.categorical([[0.0, -1000.0], [-1000.0, 0.0]]).tolist()
    [0, 1]
    """
    logits = _host("categorical", logits).astype(np.float64)
    if not logits.ndim or not logits.shape[axis]:
        raise ValueError(f"categorical: logits of shape {logits.shape} have no classes along axis {axis}")
    logits = logits.swapaxes(axis, -1)
    batch = logits.shape[:-1]
    shape = batch if shape is None else as_shape(shape)
    if shape[len(shape) - len(batch) :] != batch:
        raise ValueError(f"categorical: shape {shape} does not end in {batch}, that of the logits without the classes")
    top = logits.max(axis=-1, keepdims=True)
    if not (np.abs(top) < np.inf).all():
        raise ValueError(f"categorical: the largest logit of each row must be finite, got {top.min()} or {top.max()}")
    weights = np.exp(logits - top)
    edges = weights.cumsum(axis=-1)
    u = uniforms(generator(stream), shape) * edges[..., -1]
    return Tensor((edges[..., :-1] <= u[..., None]).sum(axis=-1, dtype=np.int64))


def gumbel_softmax(logits: Any, temperature: Any = 1.0, hard: bool = False, axis: int = -1, stream: str = "") -> Tensor:
    """A smooth stand-in for one-hot draws of `categorical`, through which gradients pass.

    Parameters
    ----------
    logits : array_like, shape (..., classes)
        Logarithms of the probabilities, up to a constant. They get gradients.
    temperature : float or array_like that broadcasts
        Near 0 the result is nearly one-hot, and the gradients are large. It gets a gradient.
    hard : bool, default False
        Return one-hot vectors, with the gradient of the smooth ones ("straight through").
    axis : int, default -1
        The axis of the classes.
    stream : str, default ""
        The stream that this call counts in.

    Returns
    -------
    Tensor
        Of the shape of `logits`, with sum 1 along `axis`.

    Raises
    ------
    ValueError
        If `temperature` is not positive.

    References
    ----------
    E. Jang, S. Gu, B. Poole, "Categorical reparameterization with Gumbel-softmax", ICLR 2017.
    C. J. Maddison, A. Mnih, Y. W. Teh, "The concrete distribution", ICLR 2017.

    Examples
    --------
    >>> import autograd_vs as av
    >>> av.random.gumbel_softmax([[0.0, -1000.0], [-1000.0, 0.0]], hard=True).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    if not isinstance(temperature, Operand):
        require("gumbel_softmax", "temperature", as_array(temperature), POSITIVE)
    logits = as_tensor(logits)
    if not is_differentiable(logits.dtype):
        logits = astype(logits, float_dtype("gumbel_softmax", None))
    noise = as_array(gumbels(generator(stream), logits.shape)).astype(logits.dtype)
    x = (logits + tensor_of(beside(noise, logits.array))) / temperature
    y = np.exp(x - logsumexp(x, axis=axis, keepdims=True))
    if not hard:
        return y
    classes = (
        namespace(y.array).arange(y.shape[axis]).reshape([-1] + [1] * (-1 - axis if axis < 0 else y.ndim - 1 - axis))
    )
    chosen = argmax(y, axis=axis, keepdims=True) == tensor_of(classes)
    return (y - stop_gradient(y)) + astype(chosen, y.dtype)


def integers(low: int, high: int | None = None, shape: Shape = (), dtype: Any = np.int64, stream: str = "") -> Tensor:
    """Integers in ``[low, high)``, or ``[0, low)`` without `high`, all equally likely.

    Parameters
    ----------
    low, high : int
    shape : int or tuple of int
    dtype : integer dtype, default int64
    stream : str, default ""
        The stream that this call counts in.

    Returns
    -------
    Tensor
        A constant.

    Raises
    ------
    ValueError
        If there is no integer in the interval.

    Examples
    --------
    >>> import autograd_vs as av
    >>> av.random.integers(1, shape=3).tolist()
    [0, 0, 0]
    """
    return Tensor(as_array(generator(stream).integers(low, high, as_shape(shape), dtype=dtype)))


# ---------------------------------------------------------------- orders and choices


def _whole(x) -> int | None:
    """The number that `x` is, if it is an integer and no array of several."""
    if isinstance(x, Operand):
        return int(x) if x.ndim == 0 and x.dtype.kind in "iu" else None
    return int(x) if isinstance(x, (int, np.integer)) else None


def _rows(x, wanted) -> Operand:
    x = x if isinstance(x, Operand) else Tensor(x)  # not `as_tensor`: what is taken from it is a copy anyway
    if not x.ndim:
        raise TypeError(f"{wanted}, got {x.item()!r}")
    return x


def permutation(x: Any, stream: str = "") -> Tensor:
    """The numbers below `x` in random order, or the rows of `x`.

    Parameters
    ----------
    x : int or array_like
        Of an array the first axis is shuffled; its elements get gradients.
    stream : str, default ""
        The stream that this call counts in.

    Returns
    -------
    Tensor

    Raises
    ------
    TypeError
        If `x` is a number that is not whole.

    Examples
    --------
    >>> import autograd_vs as av
    >>> sorted(av.random.permutation(4, stream="data").tolist())
    [0, 1, 2, 3]
    """
    n = _whole(x)
    return shuffle(x, 0, stream) if n is None else Tensor(generator(stream).permutation(n))


def shuffle(x: Any, axis: int = 0, stream: str = "") -> Tensor:
    """The rows of `x` in random order, as a new Tensor.

    Parameters
    ----------
    x : array_like
        Its elements get gradients.
    axis : int, default 0
        The axis of the rows.
    stream : str, default ""
        The stream that this call counts in.

    Returns
    -------
    Tensor

    Raises
    ------
    TypeError
        If `x` is a number.

    Examples
    --------
    >>> import autograd_vs as av
    >>> sorted(av.random.shuffle([3.0, 1.0, 2.0]).tolist())
    [1.0, 2.0, 3.0]
    """
    x = _rows(x, "shuffle: an array is needed")
    order = generator(stream).permutation(x.shape[axis])
    return take(x, tensor_of(beside(order, x.array)), axis)


def choice(a: Any, shape: Shape = (), replace: bool = True, p: Any = None, axis: int = 0, stream: str = "") -> Tensor:
    """Draw from the numbers below `a`, or from the rows of `a`.

    Parameters
    ----------
    a : int or array_like
        The elements of an array get gradients.
    shape : int or tuple of int
        How many to draw.
    replace : bool, default True
        Whether one may be drawn several times.
    p : array_like, shape (n,), optional
        The probability of each row, with sum 1; all equal by default. No gradient passes.
    axis : int, default 0
        The axis of the rows.
    stream : str, default ""
        The stream that this call counts in.

    Returns
    -------
    Tensor
        In the place of `axis` it has `shape`.

    Raises
    ------
    ValueError
        If there is nothing to choose from, too few rows without `replace`, or `p` does not fit.

    Examples
    --------
    >>> import autograd_vs as av
    >>> av.random.choice(np.array([[1.0, 2.0], [3.0, 4.0]]), 3, p=[0.0, 1.0]).tolist()
    [[3.0, 4.0], [3.0, 4.0], [3.0, 4.0]]
    """
    n = _whole(a)
    rows = None
    if n is None:
        rows = _rows(a, "choice: a whole number or an array is needed")
        n = rows.shape[axis]
    shape = as_shape(shape)
    size = 1
    for length in shape:
        size *= length
    if p is not None:
        p = _host("choice", p)
        if p.shape != (n,):
            raise ValueError(f"choice: p of shape ({n},) is needed, got shape {p.shape}")
        p = _distribution("choice", p)
    possible = n if p is None else int((p > 0.0).sum())
    if size and (possible < 1 or (not replace and possible < size)):
        raise ValueError(f"choice: {size} are to be drawn {'' if replace else 'without replacement '}from {possible}")
    found = as_array(generator(stream).choice(n, shape, replace, p)) if size else np.ndarray(shape, np.int64)
    return Tensor(found) if rows is None else take(rows, tensor_of(beside(found, rows.array)), axis)
