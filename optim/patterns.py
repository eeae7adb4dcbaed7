"""Patterns of variable names: which weight decay leaves alone, and whose learning rate is another one."""

import re
from collections.abc import Iterable, Mapping

__all__ = ["Patterns"]


class Patterns:
    """What an optimizer's `exclude` and `rates` say of a variable, by its full name.

    Parameters
    ----------
    exclude : iterable of str
        Regular expressions; a variable with one of them in its name does not decay.
    rates : mapping of str to float, optional
        Regular expression to factor of the learning rate; the first that is found in the name counts.

    Raises
    ------
    TypeError
        If `exclude` is a single string, `rates` no mapping, a pattern no string or a factor no number.
    ValueError
        If a pattern is no regular expression, or a factor is negative.

    Examples
    --------
    >>> patterns = Patterns(["bias", "norm"], {"^encoder/": 0.1})
    >>> patterns("encoder/layer_norm/scale"), patterns("head/kernel")
    ((0.1, False), (1.0, True))
    """

    def __init__(self, exclude: Iterable[str] = (), rates: Mapping[str, float] | None = None):
        if isinstance(exclude, (str, bytes)):
            raise TypeError(f"exclude is a list of patterns, got the string {exclude!r}: write [{exclude!r}]")
        if rates is not None and not isinstance(rates, Mapping):
            raise TypeError(f"rates is a mapping from patterns to factors, got {type(rates).__name__}")
        self._exclude = [_compiled("exclude", pattern) for pattern in exclude]
        self._rates = [(_compiled("rates", pattern), _factor(pattern, x)) for pattern, x in (rates or {}).items()]

    def __call__(self, name: str) -> tuple[float, bool]:
        """The factor of the learning rate, and whether weight decay applies."""
        factor = next((factor for pattern, factor in self._rates if pattern.search(name)), 1.0)
        return factor, not any(pattern.search(name) for pattern in self._exclude)


def _compiled(what: str, pattern) -> re.Pattern:
    if not isinstance(pattern, str):
        raise TypeError(f"{what} takes patterns of variable names, which are strings, got {pattern!r}")
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{what}: {pattern!r} is no regular expression: {error}") from None


def _factor(pattern: str, factor) -> float:
    try:
        number = float(factor)
    except (TypeError, ValueError):
        raise TypeError(f"rates[{pattern!r}] is a factor of the learning rate, got {factor!r}") from None
    if not 0 <= number < float("inf"):
        raise ValueError(f"rates[{pattern!r}] is a factor of the learning rate and not negative, got {number!r}")
    return number
