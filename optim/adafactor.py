"""Adafactor: second moments of matrices as rows and columns, steps in proportion to the variable."""

from typing import Any

import numpy as np

from .optimizer import Optimizer

__all__ = ["Adafactor", "adafactor_update"]


def adafactor_update(p, g, row, column, full, *, rest, relative, epsilon_2, limit, epsilon_1=None):
    """The change of a whole variable under `Adafactor`: ``delta, row, column, full``.

    `rest` is what the moments take of the present gradient, `relative` the step for a variable of size 1.
    """
    tiny = np.finfo(g.dtype).eps if epsilon_1 is None else epsilon_1
    squares = g * g
    if g.ndim > 1:
        row += (squares.mean(-1, keepdims=True) - row) * rest
        column += (squares.mean(-2, keepdims=True) - column) * rest
        estimate = row * column / np.maximum(row.mean(-2, keepdims=True), tiny)
    else:
        full += (squares - full) * rest
        estimate = full
    step = g / np.sqrt(np.maximum(estimate, tiny * tiny))
    size = np.maximum(np.sqrt((p * p).mean()), epsilon_2)
    delta = step * (relative * size / np.maximum(np.sqrt((step * step).mean()) / limit, 1))
    return delta, row, column, full


class Adafactor(Optimizer):
    r"""Steps scaled by a second moment that is kept as one row and one column of each matrix.

    .. math::

        R_t &= R_{t-1} + t^{-c} (\overline{g_t^2}^{\text{ in rows}} - R_{t-1}), \qquad
        C_t = C_{t-1} + t^{-c} (\overline{g_t^2}^{\text{ in columns}} - C_{t-1}), \qquad
        \hat V_t = \frac{R_t C_t}{\max(\overline{R_t}, \epsilon_1)} \\
        u_t &= \frac{g_t}{\sqrt{\max(\hat V_t, \epsilon_1^2)}}, \qquad
        \alpha_t = \max(\epsilon_2, \mathrm{rms}(p_{t-1})) \min(\eta, t^{-1/2}) \\
        p_t &= (1 - \eta \lambda) p_{t-1} - \alpha_t \frac{u_t}{\max(1, \mathrm{rms}(u_t) / d)}

    Of a vector or a scalar the whole moment is kept (slot "full"); of more than two axes, the last two are factored.

    Parameters
    ----------
    learning_rate : float, function of int, or Variable, default 0.01
        :math:`\eta`; a function gets `iterations` (see `optim.schedules`).
    moment_decay : float, default 0.8
        :math:`c`: the moments forget less and less.
    epsilon_1 : float, default 0
        0 stands for the resolution of the dtype.
    epsilon_2 : float, default 0.001
        Variables that are smaller move as if they were of this size.
    clip_threshold : float, default 1
        :math:`d`.
    weight_decay : float, default 0
        :math:`\lambda`, decoupled.
    **common
        `name`, `exclude`, `rates`, clipping and `accumulate_steps`: see `Optimizer`.

    References
    ----------
    Shazeer and Stern, "Adafactor: adaptive learning rates with sublinear memory cost", ICML 2018, algorithms 4 and 5,
    in the form of ``torch.optim.Adafactor``.

    Examples
    --------
    >>> import autograd_vs as av
    >>> v = av.Variable([[3.0, 4.0], [1.0, 2.0]], name="adafactor_example")
    >>> optimizer = Adafactor(0.1)
    >>> optimizer.apply_gradients([([[1.0, 1.0], [1.0, 1.0]], v)])
    >>> print(v.numpy()[0].round(3), optimizer.get_slot(v, "row").shape)
    [2.726 3.726] (2, 1)
    """

    hyperparameters = ("moment_decay", "epsilon_1", "epsilon_2", "clip_threshold", "weight_decay")
    update = staticmethod(adafactor_update)
    decoupled_weight_decay = True
    reads_value = True

    def __init__(
        self,
        learning_rate: Any = 1e-2,
        moment_decay: float = 0.8,
        epsilon_1: float = 0.0,
        epsilon_2: float = 1e-3,
        clip_threshold: float = 1.0,
        weight_decay: float = 0.0,
        **common: Any,
    ):
        self.moment_decay, self.epsilon_1, self.epsilon_2 = moment_decay, epsilon_1, epsilon_2
        self.clip_threshold, self.weight_decay = clip_threshold, weight_decay
        super().__init__(learning_rate, ("row", "column", "full"), **common)

    @staticmethod
    def slot_shapes(shape: tuple) -> list[tuple]:
        """A row and a column of matrices, all of the rest; what is not needed is empty."""
        if len(shape) < 2:
            return [(0,), (0,), shape]
        return [(*shape[:-1], 1), (*shape[:-2], 1, shape[-1]), (0,)]

    def scalars(self, step: int, rate: float) -> dict[str, float]:
        """The scalar arguments of `adafactor_update`."""
        scalars = {
            "rest": step**-self.moment_decay,
            "relative": min(rate, step**-0.5),
            "epsilon_2": self.epsilon_2,
            "limit": self.clip_threshold,
        }
        if self.epsilon_1:
            scalars["epsilon_1"] = self.epsilon_1
        return scalars
