"""RMSprop: steps scaled by a running mean of the squared gradient."""

from typing import Any

import numpy as np

from .optimizer import Optimizer

__all__ = ["RMSprop", "rmsprop_update"]


def rmsprop_update(p, g, square, *others, rho, rest, rate, epsilon, inertia=None):
    """The change of a variable under `RMSprop`: ``delta, square`` and, where they are, ``mean, momentum``.

    `rest` is ``1 - rho``; `inertia` is there with the slot `momentum`, the slot `mean` if centered.
    """
    mean = others[0] if len(others) > (inertia is not None) else None
    momentum = others[-1] if inertia is not None else None
    square *= rho
    square += g * g * rest
    spread = square
    if mean is not None:
        mean *= rho
        mean += g * rest
        spread = np.maximum(square - mean * mean, 0.0)  # rounding may leave less than nothing
    scale = np.sqrt(spread)
    scale += epsilon
    delta = g / scale
    if momentum is not None:
        momentum *= inertia
        momentum += delta
        delta = momentum
    return (delta * rate, *[slot for slot in (square, mean, momentum) if slot is not None])


class RMSprop(Optimizer):
    r"""Each element's step is scaled by a running mean of its squared gradient.

    .. math::

        g_t &= \nabla f(p_{t-1}) + \lambda p_{t-1} \\
        s_t &= \rho s_{t-1} + (1 - \rho) g_t^2, \qquad m_t = \rho m_{t-1} + (1 - \rho) g_t \\
        b_t &= \mu b_{t-1} + \frac{g_t}{\sqrt{s_t} + \epsilon}
        \quad\text{or}\quad \mu b_{t-1} + \frac{g_t}{\sqrt{s_t - m_t^2} + \epsilon} \text{ (centered)} \\
        p_t &= p_{t-1} - \eta b_t

    Parameters
    ----------
    learning_rate : float, function of int, or Variable, default 0.01
        :math:`\eta`; a function gets `iterations` (see `optim.schedules`).
    rho : float, default 0.99
        In [0, 1); PyTorch's `alpha`.
    momentum : float, default 0
        :math:`\mu`, in [0, 1). The slot "momentum" (:math:`b`) is there if it was not 0 at the start.
    epsilon : float, default 1e-8
        Outside of the root, as in PyTorch.
    centered : bool, default False
        Scale by the spread around the mean (slot "mean") in place of the mean square (slot "square").
    weight_decay : float, default 0
        :math:`\lambda`, added to the gradient (L2).
    **common
        `name`, `lazy`, `exclude`, `rates`, clipping and `accumulate_steps`: see `Optimizer`.

    References
    ----------
    Tieleman and Hinton, "Lecture 6.5: RMSProp", COURSERA: Neural Networks for Machine Learning, 2012; Graves,
    "Generating sequences with recurrent neural networks", 2013, equations 38 to 45 (centered, momentum); the form is
    that of ``torch.optim.RMSprop``.

    Examples
    --------
    >>> import autograd_vs as av
    >>> v = av.Variable([1.0, 2.0], name="rmsprop_example")
    >>> RMSprop(0.01).apply_gradients([([1.0, -5.0], v)])
    >>> print(v.numpy().round(3))
    [0.9 2.1]
    """

    hyperparameters = ("rho", "momentum", "epsilon", "weight_decay")
    update = staticmethod(rmsprop_update)

    def __init__(
        self,
        learning_rate: Any = 0.01,
        rho: float = 0.99,
        momentum: float = 0.0,
        epsilon: float = 1e-8,
        centered: bool = False,
        weight_decay: float = 0.0,
        **common: Any,
    ):
        self.rho, self.momentum, self.epsilon, self.weight_decay = rho, momentum, epsilon, weight_decay
        self.centered = centered
        slots = ("square", *(["mean"] if centered else []), *(["momentum"] if momentum else []))
        super().__init__(learning_rate, slots, **common)

    def scalars(self, step: int, rate: float) -> dict[str, float]:
        """The scalar arguments of `rmsprop_update`."""
        scalars = {"rho": self.rho, "rest": 1.0 - self.rho, "rate": rate, "epsilon": self.epsilon}
        if "momentum" in self.slot_names:
            scalars["inertia"] = self.momentum
        return scalars
