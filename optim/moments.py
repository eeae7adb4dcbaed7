"""What Adam and its relatives share: running means of the gradient and of its square, and their hyperparameters."""

from typing import Any

from .optimizer import Optimizer

__all__ = ["Moments", "moments"]


def moments(g, m, v, beta_1, beta_2, rest_1, rest_2):
    """The running means ``m, v`` of the gradient and of its square, after `g`; `rest_1` is ``1 - beta_1``."""
    m *= beta_1
    m += g * rest_1
    v *= beta_2
    square = g * g
    square *= rest_2
    v += square
    return m, v


class Moments(Optimizer):
    """Base of `Adam` and its relatives, which says what its parameters are.

    Examples
    --------
    >>> Moments(0.1, 0.5, 0.75, 1e-8, 0.0).scalars(1, 0.1)
    {'beta_1': 0.5, 'beta_2': 0.75, 'rest_1': 0.5, 'rest_2': 0.25, 'epsilon': 1e-08}
    """

    hyperparameters: tuple[str, ...] = ("beta_1", "beta_2", "epsilon", "weight_decay")

    def __init__(
        self,
        learning_rate: Any,
        beta_1: float,
        beta_2: float,
        epsilon: float,
        weight_decay: float,
        slot_names: tuple[str, ...] = ("m", "v"),
        **common: Any,
    ):
        self.beta_1, self.beta_2, self.epsilon, self.weight_decay = beta_1, beta_2, epsilon, weight_decay
        super().__init__(learning_rate, slot_names, **common)

    def scalars(self, step: int, rate: float) -> dict[str, float]:
        """The arguments of `moments`, and `epsilon`."""
        return {
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "rest_1": 1.0 - self.beta_1,
            "rest_2": 1.0 - self.beta_2,
            "epsilon": self.epsilon,
        }
