"""Plateau: a controller that lowers the learning rate when a number stops getting better."""

from collections.abc import Mapping
from math import inf, isnan
from typing import Any

__all__ = ["ReduceOnPlateau"]


class ReduceOnPlateau:
    """Multiply the learning rate of an optimizer by `factor` when a number has stopped getting better.

    Parameters
    ----------
    optimizer : Optimizer
        Its learning rate is a number, or a Variable, which is assigned to.
    factor : float, default 0.1
        In (0, 1).
    patience : int, default 10
        So many calls without progress are let pass; the next one lowers the rate.
    minimum : float, default 0
        The rate does not fall below it.
    threshold : float, default 1e-4
        Progress is a change by more than this part of the best value.
    mode : {"min", "max"}
        Whether smaller or larger is better.
    cooldown : int, default 0
        So many calls after the rate was lowered do not count.

    Attributes
    ----------
    best : float
        The best value so far.

    Raises
    ------
    ValueError
        If an argument is out of its range.
    TypeError
        If the learning rate is a schedule: it says what the rate is at each iteration already; or if `optimizer` is
        none.

    References
    ----------
    PyTorch's ``ReduceLROnPlateau`` (relative threshold).

    Examples
    --------
    >>> import optim
    >>> optimizer = optim.SGD(0.1)
    >>> plateau = ReduceOnPlateau(optimizer, factor=0.5, patience=1)
    >>> [plateau.update(loss) for loss in (3.0, 2.0, 2.0, 2.0, 1.0)]
    [False, False, False, True, False]
    >>> optimizer.current_rate()
    0.05
    """

    def __init__(
        self,
        optimizer: Any,
        factor: float = 0.1,
        patience: int = 10,
        minimum: float = 0.0,
        threshold: float = 1e-4,
        mode: str = "min",
        cooldown: int = 0,
    ):
        if not hasattr(optimizer, "learning_rate"):
            raise TypeError(f"ReduceOnPlateau takes an optimizer, got {type(optimizer).__name__}: {optimizer!r}")
        if callable(optimizer.learning_rate):
            raise TypeError(
                f"the learning rate of {optimizer.name!r} is a schedule, which says the rate at each iteration: give "
                "the optimizer a number or a Variable for ReduceOnPlateau to change"
            )
        if not 0 < factor < 1:
            raise ValueError(f"factor must be in (0, 1), got {factor!r}")
        if mode not in ("min", "max"):
            raise ValueError(f"mode must be 'min' or 'max', got {mode!r}")
        for what, number in {
            "patience": patience,
            "minimum": minimum,
            "threshold": threshold,
            "cooldown": cooldown,
        }.items():
            if not number >= 0:
                raise ValueError(f"{what} must not be negative, got {number!r}")
        self.optimizer, self.factor, self.patience, self.minimum = optimizer, factor, patience, minimum
        self.threshold, self.mode, self.cooldown = threshold, mode, cooldown
        self.best = inf if mode == "min" else -inf
        self._waited = self._resting = 0

    def update(self, value: Any) -> bool:
        """Take the value of an epoch (a number or a Tensor of one); True if the rate was lowered."""
        number = float(value)
        better = number < self.best * (1 - self.threshold) if self.mode == "min" else (
            number > self.best * (1 + self.threshold)
        )  # fmt: skip
        if better:
            self.best = number
        self._waited = 0 if better else self._waited + 1
        if self._resting:
            self._resting -= 1
            self._waited = 0
        if self._waited <= self.patience:
            return False
        self._waited, self._resting = 0, self.cooldown
        return self._lower()

    def _lower(self) -> bool:
        optimizer, rate = self.optimizer, self.optimizer.current_rate()
        lower = max(rate * self.factor, self.minimum)
        if not lower < rate:
            return False
        if isinstance(optimizer.learning_rate, float):
            optimizer.learning_rate = lower
        else:
            optimizer.learning_rate.assign(lower)
        return True

    def state_dict(self) -> dict[str, float]:
        """What has been seen: the best value, calls without progress, calls of the cooldown that are left.

        The learning rate is in the state of the optimizer, or of the Variable.

        Examples
        --------
        >>> import optim
        >>> ReduceOnPlateau(optim.SGD(0.1)).state_dict()
        {'best': inf, 'waited': 0, 'resting': 0}
        """
        return {"best": self.best, "waited": self._waited, "resting": self._resting}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave.

        Raises
        ------
        ValueError
            If it has other keys, or its `best` is NaN. Nothing is changed then.
        """
        if {*state} != {*self.state_dict()} or isnan(state["best"]):
            raise ValueError(
                f"the state of a ReduceOnPlateau has the keys best, waited and resting, got {dict(state)!r}"
            )
        self.best, self._waited, self._resting = float(state["best"]), int(state["waited"]), int(state["resting"])
