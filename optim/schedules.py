"""Learning rates as pure functions of `iterations`: no state of their own, so a resumed run goes on where it stopped.

Any function of one int is a schedule; these are the usual ones. The first update sees iteration 0. They can be pickled,
say what they are, and are checked when they are made: TypeError if an argument is no number, ValueError if one
that must be positive is not, or the rate at iteration 0 is negative or not finite.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import wraps
from math import cos, inf, pi, sqrt
from typing import Any, ParamSpec

__all__ = [
    "Schedule", "constant", "cosine", "cosine_restarts", "exponential_decay", "inverse_square_root", "one_cycle",
    "piecewise", "polynomial", "warm_up",
]  # fmt: skip

#: A learning rate as a function of how many updates there have been.
Schedule = Callable[[int], float]
Arguments = ParamSpec("Arguments")


class Made:
    """A schedule and the call that made it, which it shows, and which makes it again from a pickle."""

    def __init__(self, make: Callable, arguments: tuple, keywords: dict[str, Any], schedule: Schedule):
        self._call, self._schedule = (make, arguments, keywords), schedule

    def __call__(self, iterations: int) -> float:
        return self._schedule(iterations)

    def __reduce__(self):
        return _again, self._call

    def __repr__(self):
        make, arguments, keywords = self._call
        return f"{make.__name__}({', '.join([*map(repr, arguments), *(f'{k}={v!r}' for k, v in keywords.items())])})"


def _again(make, arguments, keywords) -> Schedule:
    return make(*arguments, **keywords)


def _made(make: Callable[Arguments, Schedule]) -> Callable[Arguments, Schedule]:
    """The function `make`, whose schedules are `Made`."""

    @wraps(make)
    def made(*arguments: Arguments.args, **keywords: Arguments.kwargs) -> Schedule:
        schedule = Made(made, arguments, keywords, None)  # type: ignore[arg-type]
        try:
            schedule._schedule = make(*arguments, **keywords)
            first = schedule(0)
            fits = float(first) < inf and first >= 0
        except TypeError as error:
            raise TypeError(f"{schedule!r} is no schedule: {error}") from None
        if not fits:
            raise ValueError(f"{schedule!r}: a learning rate is finite and not negative, got {first!r} at iteration 0")
        return schedule

    return made


@_made
def constant(value: float) -> Schedule:
    """The same `value` for ever.

    Parameters
    ----------
    value : float

    Examples
    --------
    >>> constant(0.1)(1000)
    0.1
    """
    return lambda iterations: value


@_made
def exponential_decay(value: float, steps: int, rate: float, staircase: bool = False) -> Schedule:
    """``value * rate ** (iterations / steps)``; with `staircase` the quotient is cut to an integer.

    Parameters
    ----------
    value : float
        The first rate.
    steps : int, > 0
        In so many iterations the rate is multiplied by `rate`.
    rate : float, > 0
    staircase : bool, default False
        All at once in place of bit by bit.

    References
    ----------
    Keras' ``ExponentialDecay``; PyTorch's ``ExponentialLR`` has ``steps=1``, ``StepLR`` the staircase.

    Examples
    --------
    >>> schedule = exponential_decay(0.1, steps=100, rate=0.5)
    >>> schedule(0), schedule(200)
    (0.1, 0.025)
    """
    _check_positive(steps=steps, rate=rate)
    return lambda iterations: value * rate ** (iterations // steps if staircase else iterations / steps)


@_made
def cosine(value: float, steps: int, final: float = 0.0) -> Schedule:
    """From `value` down to `final` along half a cosine of `steps` iterations, then `final`.

    Parameters
    ----------
    value : float
        The first rate.
    steps : int, > 0
    final : float, default 0

    References
    ----------
    Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017, equation 5 (one period).

    Examples
    --------
    >>> schedule = cosine(0.1, steps=100)
    >>> schedule(0), round(schedule(50), 6), schedule(100), schedule(500)
    (0.1, 0.05, 0.0, 0.0)
    """
    _check_positive(steps=steps)
    return lambda iterations: final + (value - final) * 0.5 * (1.0 + cos(pi * min(iterations / steps, 1.0)))


@_made
def piecewise(boundaries: Sequence[int], values: Sequence[float]) -> Schedule:
    """``values[0]`` before iteration ``boundaries[0]``, then ``values[1]`` before ``boundaries[1]``, and so on.

    Parameters
    ----------
    boundaries : sequence of int
        Ascending.
    values : sequence of float
        One more than boundaries.

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


@_made
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
    _check_positive(steps=steps)
    after = schedule if callable(schedule) else constant(schedule)
    peak = after(0)
    return lambda i: start + (peak - start) * (i / steps) if i < steps else after(i - steps)


@_made
def cosine_restarts(value: float, steps: int, factor: float = 1.0, final: float = 0.0, shrink: float = 1.0) -> Schedule:
    """Half a cosine from `value` down to `final` in `steps` iterations, again and again.

    Parameters
    ----------
    value : float
        The rate at the first start.
    steps : int, > 0
        Length of the first period.
    factor : float, >= 1, default 1
        Each period is so many times as long as the one before it.
    final : float, default 0
        What each period falls to.
    shrink : float, default 1
        Each period starts at so many times the value of the one before it.

    Returns
    -------
    function of int

    Raises
    ------
    ValueError
        If `steps` is not positive, or `factor` less than 1.

    References
    ----------
    Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017, equation 5; PyTorch's
    ``CosineAnnealingWarmRestarts``.

    Examples
    --------
    >>> schedule = cosine_restarts(0.1, steps=100, factor=2)
    >>> schedule(0), round(schedule(50), 6), schedule(100), round(schedule(200), 6), schedule(300)
    (0.1, 0.05, 0.1, 0.05, 0.1)
    """
    _check_positive(steps=steps)
    if not factor >= 1:
        raise ValueError(f"factor must be 1 or more, got {factor!r}")

    def schedule(iterations: int) -> float:
        period, length, position = 0, float(steps), float(iterations)
        if factor == 1:
            period, position = iterations // steps, float(iterations % steps)
        while position >= length:
            position -= length
            length *= factor
            period += 1
        return final + (value * shrink**period - final) * 0.5 * (1.0 + cos(pi * position / length))

    return schedule


@_made
def polynomial(value: float, steps: int, final: float = 0.0, power: float = 1.0) -> Schedule:
    """``final + (value - final) * (1 - iterations / steps) ** power`` for `steps` iterations, then `final`.

    Parameters
    ----------
    value : float
        The first rate.
    steps : int, > 0
    final : float, default 0
    power : float, > 0, default 1
        1 is a straight line.

    References
    ----------
    PyTorch's ``PolynomialLR`` (with `final` 0), Keras' ``PolynomialDecay``.

    Examples
    --------
    >>> schedule = polynomial(0.1, steps=100, power=2)
    >>> schedule(0), schedule(50), schedule(500)
    (0.1, 0.025, 0.0)
    """
    _check_positive(steps=steps, power=power)
    return lambda iterations: final + (value - final) * (1.0 - min(iterations / steps, 1.0)) ** power


@_made
def inverse_square_root(value: float, steps: int) -> Schedule:
    r"""In a straight line up to `value` in `steps` iterations, then down as the root of their number.

    .. math:: \eta_i = v \min\left(\frac{i + 1}{n}, \sqrt{\frac{n}{i + 1}}\right)

    with :math:`v` the `value` and :math:`n` the `steps`; iteration :math:`i` from 0 is the paper's step :math:`i + 1`.

    Parameters
    ----------
    value : float
        The highest rate.
    steps : int, > 0
        It is reached after so many iterations.

    References
    ----------
    Vaswani et al., "Attention is all you need", NIPS 2017, equation 3, where the peak is
    :math:`(d_{model} n)^{-1/2}`.

    Examples
    --------
    >>> schedule = inverse_square_root(0.1, steps=100)
    >>> schedule(49), schedule(99), schedule(399)
    (0.05, 0.1, 0.05)
    """
    _check_positive(steps=steps)
    return lambda iterations: value * min((iterations + 1) / steps, sqrt(steps / (iterations + 1)))


@_made
def one_cycle(
    value: float, steps: int, warm: float = 0.3, start_factor: float = 25.0, final_factor: float = 1e4
) -> Schedule:
    """Up to `value` and down to almost nothing, both along half a cosine, in `steps` iterations in all.

    Parameters
    ----------
    value : float
        The highest rate.
    steps : int, > 1
    warm : float, default 0.3
        The part of the iterations in which the rate grows.
    start_factor : float, default 25
        The first rate is `value` divided by it.
    final_factor : float, default 10000
        The last rate, which stays, is the first one divided by it.

    Returns
    -------
    function of int

    Raises
    ------
    ValueError
        If `steps` or a factor is not positive, or the rate would not grow for an iteration, and fall for another one.

    References
    ----------
    Smith and Topin, "Super-convergence: very fast training of neural networks using large learning rates", 2018, in the
    form of PyTorch's ``OneCycleLR`` (two phases, cosine).

    Examples
    --------
    >>> schedule = one_cycle(1.0, steps=101, warm=0.5, start_factor=10, final_factor=100)
    >>> [round(schedule(i), 3) for i in (0, 25, 50, 75, 100, 1000)]
    [0.1, 0.557, 1.0, 0.493, 0.001, 0.001]
    """
    _check_positive(steps=steps, start_factor=start_factor, final_factor=final_factor)
    top, last = warm * steps - 1.0, steps - 1.0
    if not 0.0 < top < last:
        raise ValueError(f"one_cycle rises for warm * steps - 1 iterations and then falls, got {top!r} of {last!r}")
    first = value / start_factor

    def schedule(iterations: int) -> float:
        i = min(iterations, last)
        if i <= top:
            return _half_cosine(first, value, i / top)
        return _half_cosine(value, first / final_factor, (i - top) / (last - top))

    return schedule


def _check_positive(**numbers: float) -> None:
    for what, number in numbers.items():
        if not number > 0:
            raise ValueError(f"{what} must be positive, got {number!r}")


def _half_cosine(start: float, end: float, part: float) -> float:
    return end + (start - end) / 2.0 * (1.0 + cos(pi * part))
