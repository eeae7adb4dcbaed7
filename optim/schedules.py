"""Learning rates as pure functions of `iterations`: no state of their own, so a resumed run goes on where it stopped.

Any function of one int is a schedule; these are the usual ones. The first update sees iteration 0.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from math import cos, pi

__all__ = ["Schedule", "constant", "cosine", "exponential_decay", "piecewise", "warm_up"]

Schedule = Callable[[int], float]


def constant(value: float) -> Schedule:
    """The same `value` for ever.

    Examples
    --------
    >>> constant(0.1)(1000)
    0.1
    """
    return lambda iterations: value


def exponential_decay(value: float, steps: int, rate: float, staircase: bool = False) -> Schedule:
    """``value * rate ** (iterations / steps)``; with `staircase` the quotient is cut to an integer.

    Examples
    --------
    >>> schedule = exponential_decay(0.1, steps=100, rate=0.5)
    >>> schedule(0), schedule(200)
    (0.1, 0.025)
    """
    _check_steps(steps)
    return lambda iterations: value * rate ** (iterations // steps if staircase else iterations / steps)


def cosine(value: float, steps: int, final: float = 0.0) -> Schedule:
    """From `value` down to `final` along half a cosine of `steps` iterations, then `final`.

    References
    ----------
    Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017, equation 5 (one period).

    Examples
    --------
    >>> schedule = cosine(0.1, steps=100)
    >>> schedule(0), round(schedule(50), 6), schedule(100), schedule(500)
    (0.1, 0.05, 0.0, 0.0)
    """
    _check_steps(steps)
    return lambda iterations: final + (value - final) * 0.5 * (1.0 + cos(pi * min(iterations / steps, 1.0)))


def piecewise(boundaries: Sequence[int], values: Sequence[float]) -> Schedule:
    """``values[0]`` before iteration ``boundaries[0]``, then ``values[1]`` before ``boundaries[1]``, and so on.

    Raises
    ------
    ValueError
        If there is not one value more than boundaries, or the boundaries do not ascend.

    Examples
    --------
    >>> schedule = piecewise([100, 200], [0.1, 0.01, 0.001])
    >>> schedule(99), schedule(100), schedule(1000)
    (0.1, 0.01, 0.001)
    """
    boundaries, values = list(boundaries), list(values)
    if len(values) != len(boundaries) + 1 or boundaries != sorted(set(boundaries)):
        raise ValueError(
            f"piecewise takes ascending boundaries and one value more than boundaries, got {boundaries} and {values}"
        )
    return lambda iterations: values[bisect_right(boundaries, iterations)]


def warm_up(schedule: Schedule | float, steps: int, start: float = 0.0) -> Schedule:
    """From `start` in a straight line up to the first value of `schedule` in `steps` iterations; then it begins.

    Parameters
    ----------
    schedule : function of int, or float
        What follows; its own iteration 0 is iteration `steps`.
    steps : int, > 0
    start : float, default 0
        The rate of the first update.

    Examples
    --------
    >>> schedule = warm_up(cosine(0.1, steps=100), steps=10)
    >>> schedule(0), schedule(5), schedule(10), round(schedule(60), 6)
    (0.0, 0.05, 0.1, 0.05)
    """
    _check_steps(steps)
    after = schedule if callable(schedule) else constant(schedule)
    peak = after(0)
    return lambda i: start + (peak - start) * (i / steps) if i < steps else after(i - steps)


def _check_steps(steps) -> None:
    if not steps > 0:
        raise ValueError(f"steps must be positive, got {steps!r}")
