"""Adam and AdamW: steps scaled by running moments of the gradient."""

from math import sqrt
from typing import Any

import numpy as np

from .moments import Moments, moments

__all__ = ["Adam", "AdamW", "adam_update"]


def adam_update(p, g, m, v, v_max=None, *, beta_1, beta_2, rest_1, rest_2, rate, epsilon):
    """The change of a variable under `Adam`: ``delta, m, v`` (and ``v_max`` with AMSGrad).

    The first four scalars are those of `moments`. Both bias corrections are folded: `rate` is ``learning_rate *
    sqrt(1 - beta_2**t) / (1 - beta_1**t)``, `epsilon` is ``epsilon * sqrt(1 - beta_2**t)``.
    """
    m, v = moments(g, m, v, beta_1, beta_2, rest_1, rest_2)
    if v_max is not None:
        v_max = np.maximum(v_max, v)
    scale = np.sqrt(v if v_max is None else v_max)
    scale += epsilon
    delta = m / scale
    delta *= rate
    return (delta, m, v) if v_max is None else (delta, m, v, v_max)


class Adam(Moments):
    r"""Adaptive moments: each element's step is scaled by the running mean and spread of its gradient.

    .. math::

        g_t &= \nabla f(p_{t-1}) + \lambda p_{t-1} \\
        m_t &= \beta_1 m_{t-1} + (1 - \beta_1) g_t, \qquad v_t = \beta_2 v_{t-1} + (1 - \beta_2) g_t^2 \\
        p_t &= p_{t-1} - \eta \frac{m_t / (1 - \beta_1^t)}{\sqrt{v_t / (1 - \beta_2^t)} + \epsilon}

    with :math:`t` the number of updates of the variable (a variable that joins late starts at 1).

    Parameters
    ----------
    learning_rate : float, function of int, or Variable, default 0.001
        :math:`\eta`; a function gets `iterations` (see `optim.schedules`).
    beta_1, beta_2 : float, default 0.9 and 0.999
        In [0, 1).
    epsilon : float, default 1e-8
        Outside of the root of the bias-corrected moment, as in PyTorch.
    weight_decay : float, default 0
        :math:`\lambda`, added to the gradient (L2); `AdamW` has the decoupled form.
    amsgrad : bool, default False
        Take the largest :math:`v` so far in the root (slot "v_max").
    **common
        `name`, `lazy`, `exclude`, `rates`, clipping and `accumulate_steps`: see `Optimizer`.

    References
    ----------
    Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015, algorithm 1; Reddi, Kale and Kumar, "On the
    convergence of Adam and beyond", ICLR 2018 (AMSGrad); the form is that of ``torch.optim.Adam``.

    Examples
    --------
    >>> import autograd_vs as av
    >>> v = av.Variable([1.0, 2.0], name="adam_example")
    >>> optimizer = Adam(0.1)
    >>> optimizer.apply_gradients([([1.0, -5.0], v)])
    >>> print(v.numpy().round(3), optimizer.get_slot(v, "m").numpy().round(3))
    [0.9 2.1] [ 0.1 -0.5]
    """

    update = staticmethod(adam_update)

    def __init__(
        self,
        learning_rate: Any = 1e-3,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        **common: Any,
    ):
        self.amsgrad = amsgrad
        slots = ("m", "v", "v_max") if amsgrad else ("m", "v")
        super().__init__(learning_rate, beta_1, beta_2, epsilon, weight_decay, slots, **common)

    def scalars(self, step: int, rate: float) -> dict[str, float]:
        """The scalar arguments of `adam_update`, bias corrections folded in."""
        scalars = super().scalars(step, rate)
        correction = sqrt(1.0 - self.beta_2**step)
        scalars["rate"] = rate * correction / (1.0 - self.beta_1**step)
        scalars["epsilon"] *= correction
        return scalars


class AdamW(Adam):
    r"""Adam with decoupled weight decay: the variable shrinks by :math:`\eta \lambda p` beside Adam's step.

    .. math:: p_t = p_{t-1} - \eta \left(\frac{\hat m_t}{\sqrt{\hat v_t} + \epsilon} + \lambda p_{t-1}\right)

    Parameters
    ----------
    learning_rate, beta_1, beta_2, epsilon, amsgrad :
        As in `Adam`.
    weight_decay : float, default 0.01
        :math:`\lambda`, multiplied by the learning rate.
    **common
        `name`, `lazy`, `exclude`, `rates`, clipping and `accumulate_steps`: see `Optimizer`.

    References
    ----------
    Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019, in the form of ``torch.optim.AdamW``.

    Examples
    --------
    >>> import autograd_vs as av
    >>> v = av.Variable([1.0, 2.0], name="adamw_example")
    >>> AdamW(0.1, weight_decay=0.5).apply_gradients([([1.0, -5.0], v)])
    >>> print(v.numpy().round(3))
    [0.85 2.  ]
    """

    decoupled_weight_decay = True

    def __init__(
        self,
        learning_rate: Any = 1e-3,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        **common: Any,
    ):
        super().__init__(learning_rate, beta_1, beta_2, epsilon, weight_decay, amsgrad, **common)
