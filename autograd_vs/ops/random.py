"""Random numbers: streams keyed by name, counted by call. Floor 2.

A stream is a name. Its n-th call draws from block n of the Philox generator whose key is a hash of (seed, name), so a
value depends on the seed, the name of the stream and the number of the call in that stream, and on nothing else: not on
other streams, not on how many numbers earlier calls drew, not on the machine. NumPy's global state is never touched.
"""

import os
from _thread import allocate_lock  # threading itself costs import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..base import seeds
from ..base.backend import as_array
from ..base.dtypes import as_dtype
from ..engine.protocol import Operand
from ..engine.tensor import Tensor

__all__ = [
    "bernoulli", "categorical", "generator", "get_state", "integers", "normal", "permutation", "set_seed", "set_state",
    "truncated_normal", "uniform",
]  # fmt: skip

Shape = int | Sequence[int]

_lock = allocate_lock()
_counters: dict[str, int] = {}  # calls so far, by stream
_counted_for: int | None = None  # the seed for which they were counted
_system_seed: int | None = None  # drawn once, where no seed was set


# ---------------------------------------------------------------- seed and state


def set_seed(seed: int | None) -> None:
    """Set the global seed, and start all streams from the beginning.

    Parameters
    ----------
    seed : int or None
        Not negative. None goes back to a seed drawn from the system.

    Raises
    ------
    TypeError, ValueError
        If `seed` is not an integer, or is negative.

    Notes
    -----
    Initial values of variables depend on this seed and on their full name; so does everything here, on the stream's
    name and the number of the call.

    Examples
    --------
    >>> import autograd_vs as av
    >>> av.random.set_seed(1)
    >>> a = av.random.uniform()
    >>> av.random.set_seed(1)
    >>> a.item() == av.random.uniform().item()
    True
    >>> av.random.set_seed(None)
    """
    global _system_seed
    seeds.set_seed(seed)
    with _lock:
        _counters.clear()
        _system_seed = None


def get_state() -> dict:
    """The state of all streams: the seed in use, and the number of calls of each stream.

    Returns
    -------
    dict
        ``{"seed": int, "streams": {name: int}}``, fit for JSON; for `set_state`.

    Examples
    --------
    >>> import autograd_vs as av
    >>> state = av.random.get_state()
    >>> a = av.random.normal()
    >>> av.random.set_state(state)
    >>> a.item() == av.random.normal().item()
    True
    """
    with _lock:
        return {"seed": _seed(), "streams": dict(_counters)}


def set_state(state: dict) -> None:
    """Take the streams back to a state from `get_state`.

    Parameters
    ----------
    state : dict
        Sets the global seed, too, where it is another one.
    """
    global _counted_for
    with _lock:
        if _seed() != state["seed"]:
            seeds.set_seed(state["seed"])
            _counted_for = state["seed"]
        _counters.clear()
        _counters.update(state["streams"])


def _seed() -> int:
    """The seed in use; the counters start again where somebody set another one."""
    global _counted_for, _system_seed
    seed = seeds.global_seed()
    if seed is None:
        if _system_seed is None:
            _system_seed = int.from_bytes(os.urandom(6), "little")
        seed = _system_seed
    if seed != _counted_for:
        _counters.clear()
        _counted_for = seed
    return seed


def generator(stream: str = "") -> "np.random.Generator":  # a string: NumPy imports its random module at first use
    """NumPy's generator of the next call in a stream, for a distribution that is not here.

    Parameters
    ----------
    stream : str, default ""
        The name of the stream; the call counts in it.

    Returns
    -------
    numpy.random.Generator

    Examples
    --------
    >>> import autograd_vs as av
    >>> bool(av.random.generator("weather").gamma(2.0) > 0)
    True
    """
    with _lock:
        seed = _seed()
        count = _counters.get(stream, 0)
        _counters[stream] = count + 1
    return seeds.generator(seed, f"stream:{stream}", count)


# ---------------------------------------------------------------- distributions


def uniform(shape: Shape = (), low: float = 0.0, high: float = 1.0, dtype: Any = None, stream: str = "") -> Tensor:
    """Evenly distributed numbers in ``[low, high)``.

    Parameters
    ----------
    shape : int or tuple of int
    low, high : float or array_like that broadcasts to `shape`
    dtype : float dtype, optional
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
    >>> x = av.random.uniform((2, 3), -1.0, 1.0)
    >>> x.shape, x.dtype
    ((2, 3), dtype('float32'))
    """
    dtype = as_dtype(dtype)
    x = _uniform(generator(stream), shape, dtype)
    if not _is(low, 0.0) or not _is(high, 1.0):
        low, high = _bare(low).astype(dtype), _bare(high).astype(dtype)
        x = low + (high - low) * x
        x = np.minimum(x, np.nextafter(high, low))  # the product may round up to `high`
    return Tensor(x)


def normal(shape: Shape = (), mean: float = 0.0, stddev: float = 1.0, dtype: Any = None, stream: str = "") -> Tensor:
    """Normally distributed numbers.

    Parameters
    ----------
    shape : int or tuple of int
    mean, stddev : float or array_like that broadcasts to `shape`
        For gradients with respect to them write ``mean + stddev * normal(shape)``.
    dtype : float dtype, optional
        The default dtype (float32) by default.
    stream : str, default ""
        The stream that this call counts in.

    Returns
    -------
    Tensor
        A constant.

    Notes
    -----
    By the method of Box and Muller in float64 (one pair of uniforms gives one pair of normals), so that a device can
    compute the same ones; float32 values are the rounded float64 ones.

    References
    ----------
    G. E. P. Box and M. E. Muller, "A note on the generation of random normal deviates", Ann. Math. Stat. 29 (1958).

    Examples
    --------
    >>> import autograd_vs as av
    >>> av.random.normal((2, 3), stream="noise").shape
    (2, 3)
    """
    z = _normal(generator(stream), shape)
    return Tensor(_scaled(z, mean, stddev, as_dtype(dtype)))


def truncated_normal(
    shape: Shape = (), mean: float = 0.0, stddev: float = 1.0, dtype: Any = None, stream: str = ""
) -> Tensor:
    """Normally distributed numbers, those more than two standard deviations off drawn again.

    Parameters
    ----------
    shape, mean, stddev, dtype, stream :
        As in `normal`.

    Returns
    -------
    Tensor
        A constant, within ``mean - 2 * stddev`` and ``mean + 2 * stddev``. Its own standard deviation is 0.88 `stddev`.

    Examples
    --------
    >>> import autograd_vs as av
    >>> bool((abs(av.random.truncated_normal(1000)) <= 2).all())
    True
    """
    source = generator(stream)
    z = _normal(source, shape)
    flat = z.reshape(-1)
    while (far := (np.abs(flat) > 2.0).nonzero()[0]).size:
        flat[far] = _normal(source, far.size)
    return Tensor(_scaled(z, mean, stddev, as_dtype(dtype)))


def bernoulli(p: Any = 0.5, shape: Shape | None = None, dtype: Any = bool, stream: str = "") -> Tensor:
    """Ones with probability `p`, else zeros.

    Parameters
    ----------
    p : float or array_like
        The probability of one.
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
        If a probability is not in ``[0, 1]``.

    Examples
    --------
    >>> import autograd_vs as av
    >>> av.random.bernoulli([0.0, 1.0]).tolist()
    [False, True]
    """
    p = _bare(p)
    if not bool(((p >= 0) & (p <= 1)).all()):
        raise ValueError("bernoulli: a probability is not in [0, 1]")
    u = _uniform(generator(stream), p.shape if shape is None else shape, np.dtype(np.float64))
    return Tensor((u < p).astype(dtype))


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
        If `shape` does not fit.

    Examples
    --------
    >>> import autograd_vs as av
    >>> av.random.categorical([[0.0, -1000.0], [-1000.0, 0.0]]).tolist()
    [0, 1]
    """
    logits = logits.numpy() if isinstance(logits, Operand) else as_array(logits)
    logits = logits.astype(np.float64).swapaxes(axis, -1)
    batch = logits.shape[:-1]
    shape = batch if shape is None else _as_shape(shape)
    if shape[len(shape) - len(batch) :] != batch:
        raise ValueError(f"categorical: shape {shape} does not end in {batch}, that of the logits without the classes")
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    edges = weights.cumsum(axis=-1)
    u = _uniform(generator(stream), shape, np.dtype(np.float64)) * edges[..., -1]
    return Tensor((edges[..., :-1] <= u[..., None]).sum(axis=-1, dtype=np.int64))


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

    Examples
    --------
    >>> import autograd_vs as av
    >>> av.random.integers(1, shape=3).tolist()
    [0, 0, 0]
    """
    return Tensor(as_array(generator(stream).integers(low, high, _as_shape(shape), dtype=dtype)))


def permutation(x: Any, stream: str = "") -> Tensor:
    """The numbers below `x` in random order, or the rows of `x`.

    Parameters
    ----------
    x : int or array_like
        Of an array the first axis is shuffled. No gradient passes.
    stream : str, default ""
        The stream that this call counts in.

    Returns
    -------
    Tensor
        A constant.

    Examples
    --------
    >>> import autograd_vs as av
    >>> sorted(av.random.permutation(4, stream="data").tolist())
    [0, 1, 2, 3]
    """
    source = generator(stream)
    if isinstance(x, (int, np.integer)):
        return Tensor(source.permutation(int(x)))
    array = x.numpy() if isinstance(x, Operand) else as_array(x)
    return Tensor(array[source.permutation(len(array))])


# ---------------------------------------------------------------- small parts


def _as_shape(shape) -> tuple[int, ...]:
    return (int(shape),) if isinstance(shape, (int, np.integer)) else tuple(shape)


def _is(x, number) -> bool:
    return isinstance(x, (int, float)) and x == number


def _bare(x):
    return as_array(x, None if not isinstance(x, (int, float)) else np.dtype(np.float64))


def _uniform(source, shape, dtype):
    exact = dtype if dtype in (np.float32, np.float64) else np.dtype(np.float32)
    return as_array(source.random(_as_shape(shape), dtype=exact)).astype(dtype, copy=False)


def _normal(source, shape):
    shape = _as_shape(shape)
    n = 1
    for size in shape:
        n *= size
    u = source.random((2, (n + 1) // 2))
    r = np.sqrt(-2.0 * np.log1p(-u[0]))  # u is in [0, 1)
    angle = u[1] * (2.0 * np.pi)
    z = u.reshape(-1)
    half = r.size
    np.multiply(r, np.cos(angle), z[:half])
    np.multiply(r, np.sin(angle), z[half:])
    return z[:n].reshape(shape)


def _scaled(z, mean, stddev, dtype):
    if not _is(stddev, 1.0):
        z = z * _bare(stddev)
    if not _is(mean, 0.0):
        z = z + _bare(mean)
    return as_array(z).astype(dtype, copy=False)
