"""Adadelta: steps in the units of the variable, from running means of squared gradients and squared changes."""

from typing import Any

import numpy as np

from .optimizer import Optimizer

__all__ = ["Adadelta", "adadelta_update"]


def adadelta_update(p, g, square, change, *, rho, rest, rate, epsilon):
    """The change of a variable under `Adadelta`: ``delta, square, change``."""
    square *= rho
    square += g * g * rest
    delta = np.sqrt(change + epsilon)
    delta /= np.sqrt(square + epsilon)
    delta *= g
    change *= rho
    change += delta * delta * rest
    return delta * rate, square, change


class Adadelta(Optimizer):
    r"""Steps whose size is that of earlier changes of the variable, so that no rate has to be found.

    .. math::

        g_t &= \nabla f(p_{t-1}) + \lambda p_{t-1}, \qquad s_t = \rho s_{t-1} + (1 - \rho) g_t^2 \\
        d_t &= \frac{\sqrt{c_{t-1} + \epsilon}}{\sqrt{s_t + \epsilon}} g_t, \qquad
        c_t = \rho c_{t-1} + (1 - \rho) d_t^2, \qquad p_t = p_{t-1} - \eta d_t

    Parameters
    ----------
    learning_rate : float, function of int, or Variable, default 1.0
        :math:`\eta`; 1 is the paper's form. A function gets `iterations` (see `optim.schedules`).
    rho : float, default 0.9
        In [0, 1).
    epsilon : float, default 1e-6
        Inside of both roots. It sets the size of the first steps.
    weight_decay : float, default 0
        :math:`\lambda`, added to the gradient (L2).
    **common
        `name`, `lazy`, `exclude`, `rates`, clipping and `accumulate_steps`: see `Optimizer`.

    References
    ----------
    Zeiler, "ADADELTA: an adaptive learning rate method", 2012, algorithm 1, in the form of ``torch.optim.Adadelta``.

    Examples
    --------
    >>> import autograd_vs as av
    >>> v = av.Variable([1.0, 2.0], name="adadelta_example")
    >>> Adadelta(epsilon=0.01).apply_gradients([([1.0, -5.0], v)])
    >>> print(v.numpy().round(3))
    [0.698 2.316]
    """

    hyperparameters = ("rho", "epsilon", "weight_decay")
    update = staticmethod(adadelta_update)

    def __init__(
        self,
        learning_rate: Any = 1.0,
        rho: float = 0.9,
        epsilon: float = 1e-6,
        weight_decay: float = 0.0,
        **common: Any,
    ):
        self.rho, self.epsilon, self.weight_decay = rho, epsilon, weight_decay
        super().__init__(learning_rate, ("square", "change"), **common)

    def scalars(self, step: int, rate: float) -> dict[str, float]:
        """The scalar arguments of `adadelta_update`."""
        return {"rho": self.rho, "rest": 1.0 - self.rho, "rate": rate, "epsilon": self.epsilon}
