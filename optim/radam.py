"""RAdam: Adam that starts as plain momentum, until its second moment can be trusted."""

from math import sqrt
from typing import Any

import numpy as np

from .moments import Moments, moments

__all__ = ["RAdam", "radam_update"]


def radam_update(p, g, m, v, *, plain, rectified, epsilon, **means):
    """The change of a variable under `RAdam`: ``delta, m, v``.

    `plain` is the rate of momentum alone, `rectified` that of Adam's step: one of them is 0. `means` are the
    arguments of `moments`.
    """
    m, v = moments(g, m, v, **means)
    scale = np.sqrt(v)
    scale += epsilon
    delta = rectified / scale
    delta += plain
    delta *= m
    return delta, m, v


class RAdam(Moments):
    r"""Adaptive moments, rectified: the scaling begins when the running mean of squares has a finite variance.

    .. math::

        g_t &= \nabla f(p_{t-1}) + \lambda p_{t-1}, \qquad
        \rho_t = \rho_\infty - \frac{2 t \beta_2^t}{1 - \beta_2^t}, \qquad \rho_\infty = \frac{2}{1 - \beta_2} - 1 \\
        m_t &= \beta_1 m_{t-1} + (1 - \beta_1) g_t, \qquad v_t = \beta_2 v_{t-1} + (1 - \beta_2) g_t^2, \qquad
        \hat m_t = \frac{m_t}{1 - \beta_1^t} \\
        p_t &= p_{t-1} - \eta \hat m_t \sqrt{\frac{(\rho_t - 4)(\rho_t - 2) \rho_\infty}
        {(\rho_\infty - 4)(\rho_\infty - 2) \rho_t}} \frac{\sqrt{1 - \beta_2^t}}{\sqrt{v_t} + \epsilon}
        \text{ if } \rho_t > 5, \quad \text{else } p_{t-1} - \eta \hat m_t

    Parameters
    ----------
    learning_rate : float, function of int, or Variable, default 0.001
        :math:`\eta`; a function gets `iterations` (see `optim.schedules`).
    beta_1, beta_2, weight_decay :
        As in `Adam`, with its defaults.
    epsilon : float, default 1e-8
        Outside of the root of the moment that is not bias-corrected, as in PyTorch.
    decoupled_weight_decay : bool, default False
        The variable shrinks by :math:`\eta \lambda p` in place of the decay in the gradient, as in `AdamW`.
    **common
        `name`, `lazy`, `exclude`, `rates`, clipping and `accumulate_steps`: see `Optimizer`.

    References
    ----------
    Liu et al., "On the variance of the adaptive learning rate and beyond", ICLR 2020, algorithm 2, in the form of
    ``torch.optim.RAdam`` (:math:`\rho_t > 5` where the paper has 4).

    Examples
    --------
    >>> import autograd_vs as av
    >>> v = av.Variable([1.0, 2.0], name="radam_example")
    >>> RAdam(0.1).apply_gradients([([1.0, -5.0], v)])
    >>> print(v.numpy().round(3))
    [0.9 2.5]
    """

    hyperparameters = (*Moments.hyperparameters, "decoupled_weight_decay")
    update = staticmethod(radam_update)

    def __init__(
        self,
        learning_rate: Any = 1e-3,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
        decoupled_weight_decay: bool = False,
        **common: Any,
    ):
        self.decoupled_weight_decay = decoupled_weight_decay
        super().__init__(learning_rate, beta_1, beta_2, epsilon, weight_decay, **common)

    def rectification(self, step: int) -> float:
        """The factor under the root at update `step`, its root taken; 0 as long as the step is not scaled."""
        longest = 2.0 / (1.0 - self.beta_2) - 1.0
        length = longest - 2.0 * step * self.beta_2**step / (1.0 - self.beta_2**step)
        if length <= 5.0:
            return 0.0
        return sqrt((length - 4.0) * (length - 2.0) * longest / ((longest - 4.0) * (longest - 2.0) * length))

    def scalars(self, step: int, rate: float) -> dict[str, float]:
        """The scalar arguments of `radam_update`, bias corrections folded in."""
        factor, rate = self.rectification(step), rate / (1.0 - self.beta_1**step)
        return super().scalars(step, rate) | {
            "plain": 0.0 if factor else rate,
            "rectified": rate * factor * sqrt(1.0 - self.beta_2**step),
        }
