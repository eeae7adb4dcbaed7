"""Adamax: Adam with the largest recent gradient in place of the mean square."""

from typing import Any

import numpy as np

from .moments import Moments

__all__ = ["Adamax", "adamax_update"]


def adamax_update(p, g, m, norm, *, beta_1, rest_1, beta_2, rate, epsilon):
    """The change of a variable under `Adamax`: ``delta, m, norm``; `rate` holds the bias correction."""
    m *= beta_1
    m += g * rest_1
    norm *= beta_2
    norm = np.maximum(norm, np.abs(g) + epsilon)
    delta = m / norm
    delta *= rate
    return delta, m, norm


class Adamax(Moments):
    r"""Adaptive moments, with a maximum that fades in place of the mean square.

    .. math::

        g_t &= \nabla f(p_{t-1}) + \lambda p_{t-1}, \qquad m_t = \beta_1 m_{t-1} + (1 - \beta_1) g_t \\
        u_t &= \max(\beta_2 u_{t-1}, |g_t| + \epsilon), \qquad
        p_t = p_{t-1} - \frac{\eta}{1 - \beta_1^t} \frac{m_t}{u_t}

    Parameters
    ----------
    learning_rate : float, function of int, or Variable, default 0.002
        :math:`\eta`; a function gets `iterations` (see `optim.schedules`).
    beta_1, beta_2, weight_decay :
        As in `Adam`, with its defaults.
    epsilon : float, default 1e-8
        Added to the size of the gradient, as in PyTorch.
    **common
        `name`, `lazy`, `exclude`, `rates`, clipping and `accumulate_steps`: see `Optimizer`.

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

    update = staticmethod(adamax_update)

    def __init__(
        self,
        learning_rate: Any = 2e-3,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
        **common: Any,
    ):
        super().__init__(learning_rate, beta_1, beta_2, epsilon, weight_decay, ("m", "norm"), **common)

    def scalars(self, step: int, rate: float) -> dict[str, float]:
        """The scalar arguments of `adamax_update`."""
        return {
            "beta_1": self.beta_1,
            "rest_1": 1.0 - self.beta_1,
            "beta_2": self.beta_2,
            "rate": rate / (1.0 - self.beta_1**step),
            "epsilon": self.epsilon,
        }
