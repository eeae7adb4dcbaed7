"""LAMB: Adam's step, scaled to the size of the variable."""

from collections.abc import Callable
from typing import Any

import numpy as np

from .moments import Moments, moments

__all__ = ["LAMB", "lamb_update"]


def lamb_update(p, g, m, v, *, correct_1, correct_2, rate, epsilon, shrink=None, **means):
    """The change of a whole variable under `LAMB`: ``delta, m, v``; `shrink` is ``rate * weight_decay``.

    `means` are the arguments of `moments`.
    """
    m, v = moments(g, m, v, **means)
    delta = (m * correct_1) / (np.sqrt(v * correct_2) + epsilon)
    delta *= rate
    if shrink is not None:
        delta += p * shrink
    size, step = np.sqrt((p * p).sum()), np.sqrt((delta * delta).sum())
    known = (size > 0) & (step > 0)
    delta *= np.where(known, rate * size / np.where(known, step, 1), 1)
    return delta, m, v


class LAMB(Moments):
    r"""Adam's step with decoupled decay; its length is the learning rate times the norm of the variable.

    .. math::

        u_t &= \frac{\hat m_t}{\sqrt{\hat v_t} + \epsilon} + \lambda p_{t-1} \\
        p_t &= p_{t-1} - \eta \frac{\lVert p_{t-1} \rVert}{\lVert u_t \rVert} u_t

    with the moments of `Adam`; the quotient counts as 1 where one of the norms is 0.

    Parameters
    ----------
    learning_rate : float, function of int, or Variable, default 0.001
        :math:`\eta`; a function gets `iterations` (see `optim.schedules`).
    beta_1, beta_2 : float, default 0.9 and 0.999
        In [0, 1).
    epsilon : float, default 1e-6
        Outside of the root.
    weight_decay : float, default 0
        :math:`\lambda`.
    **common
        `name`, `exclude`, `rates`, clipping and `accumulate_steps`: see `Optimizer`.

    References
    ----------
    You et al., "Large batch optimization for deep learning: training BERT in 76 minutes", ICLR 2020, algorithm 2 with
    :math:`\phi` the identity, in the form of ``optax.lamb``.

    Examples
    --------
    >>> import autograd_vs as av
    >>> v = av.Variable([3.0, 4.0], name="lamb_example")
    >>> LAMB(0.1).apply_gradients([([1.0, 1.0], v)])
    >>> print(v.numpy().round(3))
    [2.646 3.646]
    """

    update = staticmethod(lamb_update)
    decoupled_weight_decay = True
    reads_value = True

    def __init__(
        self,
        learning_rate: Any = 1e-3,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-6,
        weight_decay: float = 0.0,
        **common: Any,
    ):
        super().__init__(learning_rate, beta_1, beta_2, epsilon, weight_decay, **common)

    @property
    def rule(self) -> Callable:
        """The update itself, which has the decay in the step whose norm it takes."""
        return self.update

    @staticmethod
    def slot_shapes(shape: tuple) -> list[tuple]:
        """The moments have the shape of the variable."""
        return [shape, shape]

    def scalars(self, step: int, rate: float) -> dict[str, float]:
        """The scalar arguments of `lamb_update`."""
        return super().scalars(step, rate) | {
            "correct_1": 1.0 / (1.0 - self.beta_1**step),
            "correct_2": 1.0 / (1.0 - self.beta_2**step),
            "rate": rate,
        }
