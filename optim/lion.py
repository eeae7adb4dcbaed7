"""Lion: steps of one size, by the sign of a momentum."""

from typing import Any

import numpy as np

from .optimizer import Optimizer

__all__ = ["Lion", "lion_update"]


def lion_update(p, g, m, *, beta_1, beta_2, rest_1, rest_2, rate):
    """The change of a variable under `Lion`: ``delta, m``."""
    delta = np.sign(m * beta_1 + g * rest_1)
    delta *= rate
    m *= beta_2
    m += g * rest_2
    return delta, m


class Lion(Optimizer):
    r"""Each element moves by the learning rate, in the direction of an average of momentum and gradient.

    .. math::

        p_t &= p_{t-1} - \eta \left(\mathrm{sign}(\beta_1 m_{t-1} + (1 - \beta_1) g_t) + \lambda p_{t-1}\right) \\
        m_t &= \beta_2 m_{t-1} + (1 - \beta_2) g_t

    Parameters
    ----------
    learning_rate : float, function of int, or Variable, default 0.0001
        :math:`\eta`, a third to a tenth of Adam's; a function gets `iterations` (see `optim.schedules`).
    beta_1, beta_2 : float, default 0.9 and 0.99
        In [0, 1).
    weight_decay : float, default 0
        :math:`\lambda`, decoupled: multiplied by the learning rate (three to ten times AdamW's).
    **common
        `name`, `lazy`, `exclude`, `rates`, clipping and `accumulate_steps`: see `Optimizer`.

    References
    ----------
    Chen et al., "Symbolic discovery of optimization algorithms", NeurIPS 2023, algorithm 2.

    Examples
    --------
    >>> import autograd_vs as av
    >>> v = av.Variable([1.0, 2.0], name="lion_example")
    >>> Lion(0.1, weight_decay=0.5).apply_gradients([([1.0, -5.0], v)])
    >>> print(v.numpy().round(3))
    [0.85 2.  ]
    """

    hyperparameters = ("beta_1", "beta_2", "weight_decay")
    update = staticmethod(lion_update)
    decoupled_weight_decay = True

    def __init__(
        self,
        learning_rate: Any = 1e-4,
        beta_1: float = 0.9,
        beta_2: float = 0.99,
        weight_decay: float = 0.0,
        **common: Any,
    ):
        self.beta_1, self.beta_2, self.weight_decay = beta_1, beta_2, weight_decay
        super().__init__(learning_rate, ("m",), **common)

    def scalars(self, step: int, rate: float) -> dict[str, float]:
        """The scalar arguments of `lion_update`."""
        return {
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "rest_1": 1.0 - self.beta_1,
            "rest_2": 1.0 - self.beta_2,
            "rate": rate,
        }
