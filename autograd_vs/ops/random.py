"""Random streams keyed by name, counted by call, and the two raw materials: uniforms and normals. Floor 2.

A stream is a name. Its n-th call draws from block n of the Philox generator whose key is a hash of (seed, name), so a
value depends on the seed, the name of the stream and the number of the call in that stream, and on nothing else: not on
other streams, not on how many numbers earlier calls drew, not on the machine. NumPy's global state is never touched.
What is made of the raw numbers: `continuous.py` (with gradients), `discrete.py` (without).
"""

import os
from _thread import allocate_lock  # threading itself costs import time
from collections.abc import Sequence
from functools import partial

import numpy as np

from ..base import ranks, seeds
from ..base.backend import as_array, launcher, namespace
from ..engine.outside import outside, tracing

__all__ = [
    "Shape",
    "as_shape",
    "generator",
    "get_state",
    "normals",
    "set_seed",
    "set_state",
    "uniforms",
    "uniforms_beside",
]

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

    Raises
    ------
    ValueError
        If it is no such state; nothing is changed.
    """
    global _counted_for
    try:
        numbers = [state["seed"], *state["streams"].values()]
        fits = all(type(n) is int and n >= 0 for n in numbers) and all(type(name) is str for name in state["streams"])
    except (TypeError, KeyError, AttributeError):
        fits = False
    if not fits:
        raise ValueError(f"not a state of random streams, {{'seed': int, 'streams': {{name: int}}}}: {state!r}")
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
    tracer = tracing()
    if tracer is not None and tracer.hears():
        return _Traced(stream)  # type: ignore[return-value]  # each replay draws anew
    with _lock:
        seed = _seed()
        count = _counters.get(stream, 0)
        _counters[stream] = count + 1
    return seeds.generator(seed, f"stream:{stream}{ranks.stream_suffix()}", count)


class _Traced:
    """A generator in a function that is traced: its draws are made by each replay, with the next generator."""

    def __init__(self, stream):
        self._stream, self._source = stream, None
        outside(self._begin, draws=True)

    def __getattr__(self, name):
        def draw(*args, **options):
            each = partial(self._draw, name, options)
            each.__qualname__ = f"random.{name}"  # type: ignore[attr-defined]  # in the text of plans
            return outside(each, *args, draws=True)

        return draw

    def filled(self, launch, xp, shape, dtype):
        """What each replay draws on the device."""
        each = partial(self._fill, launch, xp, shape, dtype)
        each.__qualname__ = "random.random"  # type: ignore[attr-defined]
        return outside(each, draws=True)

    def _fill(self, *args):
        return _filled(self._source, *args)

    def _begin(self):
        self._source = generator(self._stream)

    def _draw(self, name, options, *args):
        return as_array(getattr(self._source, name)(*args, **options))


# ---------------------------------------------------------------- raw numbers, on the host


def as_shape(shape) -> tuple[int, ...]:
    """``3`` as ``(3,)``."""
    return (int(shape),) if isinstance(shape, (int, np.integer)) else tuple(shape)


def uniforms(source, shape, dtype=np.float64):
    """Evenly distributed numbers in [0, 1) from a generator."""
    exact = dtype if dtype in (np.float32, np.float64) else np.dtype(np.float32)
    return as_array(source.random(as_shape(shape), dtype=exact)).astype(dtype, copy=False)


def uniforms_beside(like, source, shape, dtype):
    """``source.random(shape, dtype)`` where the array `like` lies: a device makes the same numbers by itself.

    The generator `source` must be new (see `generator`).
    """
    xp = namespace(like)
    launch = launcher(xp)
    if launch is None:
        return xp.asarray(source.random(shape, dtype=dtype))
    return (
        source.filled(launch, xp, shape, dtype)
        if source.__class__ is _Traced
        else _filled(source, launch, xp, shape, dtype)
    )


def _filled(source, launch, xp, shape, dtype):
    from ..base.cuda.philox import uniforms

    out = xp.empty(shape, dtype)
    uniforms(launch, source, out)
    return out


def normals(source, shape):
    """Standard normal numbers from a generator, by the method of Box and Muller."""
    shape = as_shape(shape)
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
