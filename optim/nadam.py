"""NAdam: Adam with Nesterov's momentum."""

from math import sqrt
from typing import Any

import numpy as np

from .moments import Moments, moments

__all__ = ["NAdam", "nadam_update"]


def nadam_update(p, g, m, v, *, now, ahead, epsilon, **means):
    """The change of a variable under `NAdam`: ``delta, m, v``.

    `now` and `ahead` are the rates of gradient and momentum; they and `epsilon` hold the bias corrections. `means` are
    the arguments of `moments`.
    """
    m, v = moments(g, m, v, **means)
    scale = np.sqrt(v)
    scale += epsilon
    delta = g * now
    delta += m * ahead
    delta /= scale
    return delta, m, v


class NAdam(Moments):
    r"""Adaptive moments with Nesterov's momentum, which grows over the first steps.

    .. math::

        g_t &= \nabla f(p_{t-1}) + \lambda p_{t-1}, \qquad \mu_t = \beta_1 (1 - \tfrac12 0.96^{t \psi}) \\
        m_t &= \beta_1 m_{t-1} + (1 - \beta_1) g_t, \qquad v_t = \beta_2 v_{t-1} + (1 - \beta_2) g_t^2 \\
        \hat m_t &= \frac{\mu_{t+1} m_t}{1 - \prod_{i=1}^{t+1} \mu_i} + \frac{(1 - \mu_t) g_t}{1 - \prod_{i=1}^t \mu_i},
        \qquad p_t = p_{t-1} - \eta \frac{\hat m_t}{\sqrt{v_t / (1 - \beta_2^t)} + \epsilon}

    The product of the :math:`\mu_i` is computed from the number of updates: there is no state of it.

    Parameters
    ----------
    learning_rate : float, function of int, or Variable, default 0.002
        :math:`\eta`; a function gets `iterations` (see `optim.schedules`).
    beta_1, beta_2, epsilon, weight_decay :
        As in `Adam`, with its defaults.
    momentum_decay : float, default 0.004
        :math:`\psi`.
    decoupled_weight_decay : bool, default False
        The variable shrinks by :math:`\eta \lambda p` in place of the decay in the gradient, as in `AdamW`.
    **common
        `name`, `lazy`, `exclude`, `rates`, clipping and `accumulate_steps`: see `Optimizer`.

    References
    ----------
    Dozat, "Incorporating Nesterov momentum into Adam", ICLR 2016 workshop, algorithm 2, in the form of
    ``torch.optim.NAdam``.

    Examples
    --------
    >>> import autograd_vs as av
    >>> v = av.Variable([1.0, 2.0], name="nadam_example")
    >>> NAdam(0.1).apply_gradients([([1.0, -5.0], v)])
    >>> print(v.numpy().round(3))
    [0.894 2.106]
    """

    hyperparameters = (*Moments.hyperparameters, "momentum_decay", "decoupled_weight_decay")
    update = staticmethod(nadam_update)

    def __init__(
        self,
        learning_rate: Any = 2e-3,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        **common: Any,
    ):
        self.momentum_decay, self.decoupled_weight_decay = momentum_decay, decoupled_weight_decay
        super().__init__(learning_rate, beta_1, beta_2, epsilon, weight_decay, **common)

    def momentum(self, step: int) -> float:
        r""":math:`\mu_t` at update `step`."""
        return self.beta_1 * (1.0 - 0.5 * 0.96 ** (step * self.momentum_decay))

    def momentum_product(self, step: int) -> float:
        r""":math:`\prod_{i=1}^t \mu_i`, up to where one minus it is one."""
        product = 1.0
        for i in range(1, step + 1):
            product *= self.momentum(i)
            if product < 1e-17:
                break
        return product

    def scalars(self, step: int, rate: float) -> dict[str, float]:
        """The scalar arguments of `nadam_update`, bias corrections folded in."""
        correction = sqrt(1.0 - self.beta_2**step)
        product, following = self.momentum_product(step), self.momentum(step + 1)
        return super().scalars(step, rate) | {
            "now": rate * correction * (1.0 - self.momentum(step)) / (1.0 - product),
            "ahead": rate * correction * following / (1.0 - product * following),
            "epsilon": self.epsilon * correction,
        }
