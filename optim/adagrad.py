"""Adagrad: steps scaled by all squared gradients so far."""

from typing import Any

import numpy as np

from .optimizer import Optimizer

__all__ = ["Adagrad", "adagrad_update"]


def adagrad_update(p, g, total, *, rate, epsilon, initial=None):
    """The change of a variable under `Adagrad`: ``delta, total``."""
    total += g * g
    scale = np.sqrt(total if initial is None else total + initial)
    scale += epsilon
    delta = g / scale
    delta *= rate
    return delta, total


class Adagrad(Optimizer):
    r"""Each element's step is scaled by the root of the sum of its squared gradients.

    .. math::

        g_t &= \nabla f(p_{t-1}) + \lambda p_{t-1}, \qquad s_t = s_{t-1} + g_t^2 \\
        p_t &= p_{t-1} - \frac{\eta}{1 + (t - 1) \gamma} \frac{g_t}{\sqrt{s_0 + s_t} + \epsilon}

    Parameters
    ----------
    learning_rate : float, function of int, or Variable, default 0.01
        :math:`\eta`; a function gets `iterations` (see `optim.schedules`).
    rate_decay : float, default 0
        :math:`\gamma`: the rate falls with the number of updates of the variable.
    initial_accumulator_value : float, default 0
        :math:`s_0`. The slot "total" (:math:`s`) is without it.
    epsilon : float, default 1e-10
        Outside of the root, as in PyTorch.
    weight_decay : float, default 0
        :math:`\lambda`, added to the gradient (L2).
    **common
        `name`, `lazy`, `exclude`, `rates`, clipping and `accumulate_steps`: see `Optimizer`.

    References
    ----------
    Duchi, Hazan and Singer, "Adaptive subgradient methods for online learning and stochastic optimization", JMLR 2011,
    in the form of ``torch.optim.Adagrad``.

    Examples
    --------
    >>> import autograd_vs as av
    >>> v = av.Variable([1.0, 2.0], name="adagrad_example")
    >>> optimizer = Adagrad(0.1)
    >>> for _ in range(2):
    ...     optimizer.apply_gradients([([1.0, -5.0], v)])
    >>> print(v.numpy().round(3), optimizer.get_slot(v, "total").numpy())
    [0.829 2.171] [ 2. 50.]
    """

    hyperparameters = ("rate_decay", "initial_accumulator_value", "epsilon", "weight_decay")
    update = staticmethod(adagrad_update)

    def __init__(
        self,
        learning_rate: Any = 0.01,
        rate_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        epsilon: float = 1e-10,
        weight_decay: float = 0.0,
        **common: Any,
    ):
        self.rate_decay, self.initial_accumulator_value = rate_decay, initial_accumulator_value
        self.epsilon, self.weight_decay = epsilon, weight_decay
        super().__init__(learning_rate, ("total",), **common)

    @property
    def row_wise(self) -> bool:
        """Rows without a gradient would not change anyway."""
        return self.lazy or not self.weight_decay

    def scalars(self, step: int, rate: float) -> dict[str, float]:
        """The scalar arguments of `adagrad_update`."""
        scalars = {"rate": rate / (1.0 + (step - 1) * self.rate_decay), "epsilon": self.epsilon}
        if self.initial_accumulator_value:
            scalars["initial"] = self.initial_accumulator_value
        return scalars
