"""Adamax: Adam with the largest recent gradient in place of the mean square."""

from typing import Any

import numpy as np

from .optimizer import Optimizer

__all__ = ["Adamax", "adamax_update"]


def adamax_update(p, g, m, norm, *, beta_1, rest_1, beta_2, rate, epsilon, decay=None):
    """The change of a variable under `Adamax`: ``delta, m, norm``; `rate` holds the bias correction."""
    if decay is not None:
        g = g + p * decay
    m *= beta_1
    m += g * rest_1
    norm *= beta_2
    norm = np.maximum(norm, np.abs(g) + epsilon)
    delta = m / norm
    delta *= rate
    return delta, m, norm


class Adamax(Optimizer):
    r"""Adaptive moments, with a maximum that fades in place of the mean square.

    .. math::

        g_t &= \nabla f(p_{t-1}) + \lambda p_{t-1}, \qquad m_t = \beta_1 m_{t-1} + (1 - \beta_1) g_t \\
        u_t &= \max(\beta_2 u_{t-1}, |g_t| + \epsilon), \qquad
        p_t = p_{t-1} - \frac{\eta}{1 - \beta_1^t} \frac{m_t}{u_t}

    Parameters
    ----------
    learning_rate : float, function of int, or Variable, default 0.002
        :math:`\eta`; a function gets `iterations` (see `optim.schedules`).
    beta_1, beta_2 : float, default 0.9 and 0.999
        In [0, 1).
    epsilon : float, default 1e-8
        Added to the size of the gradient, as in PyTorch.
    weight_decay : float, default 0
        :math:`\lambda`, added to the gradient (L2).
    lazy : bool, default False
        `IndexedSlices` change the rows that they name only, the slots "m" and "norm" included.
    name, exclude, rates, clipnorm, clipvalue, global_clipnorm, accumulate_steps :
        See `Optimizer`.

    References
    ----------
    Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015, algorithm 2, in the form of
    ``torch.optim.Adamax``.

    Examples
    --------
    >>> import autograd_vs as av
    >>> v = av.Variable([1.0, 2.0], name="adamax_example")
    >>> Adamax(0.1).apply_gradients([([1.0, -5.0], v)])
    >>> print(v.numpy().round(3))
    [0.9 2.1]
    """

    hyperparameters = ("beta_1", "beta_2", "epsilon", "weight_decay")
    update = staticmethod(adamax_update)

    def __init__(
        self,
        learning_rate: Any = 2e-3,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
        lazy: bool = False,
        *,
        name: str = "adamax",
        **common: Any,
    ):
        self.beta_1, self.beta_2, self.epsilon, self.weight_decay = beta_1, beta_2, epsilon, weight_decay
        super().__init__(learning_rate, ("m", "norm"), name=name, lazy=lazy, **common)
        self.check_range("beta_1", 0, 1)
        self.check_range("beta_2", 0, 1)
        self.check_range("epsilon", 0, float("inf"))

    def scalars(self, step: int, rate: float) -> dict[str, float]:
        """The scalar arguments of `adamax_update`."""
        return {
            "beta_1": self.beta_1,
            "rest_1": 1.0 - self.beta_1,
            "beta_2": self.beta_2,
            "rate": rate / (1.0 - self.beta_1**step),
            "epsilon": self.epsilon,
        }
