"""SGD: gradient descent, with momentum."""

from typing import Any

from .optimizer import Optimizer

__all__ = ["SGD", "sgd_update"]


def sgd_update(p, g, momentum=None, *, learning_rate, inertia=None, lookahead=None):
    """The change of a variable under `SGD`: ``delta, momentum`` (without momentum only ``delta``).

    `lookahead` is the inertia again, for Nesterov's form.
    """
    if momentum is None:
        return (g * learning_rate,)
    momentum *= inertia
    momentum += g
    step = momentum if lookahead is None else g + momentum * lookahead
    return step * learning_rate, momentum


class SGD(Optimizer):
    r"""Gradient descent, optionally with momentum.

    .. math::

        g_t &= \nabla f(p_{t-1}) + \lambda p_{t-1} \\
        b_t &= \mu b_{t-1} + g_t \\
        p_t &= p_{t-1} - \eta b_t \quad\text{or}\quad p_{t-1} - \eta (g_t + \mu b_t) \text{ (Nesterov)}

    Parameters
    ----------
    learning_rate : float, function of int, or Variable, default 0.01
        :math:`\eta`; a function gets `iterations` (see `optim.schedules`).
    momentum : float, default 0
        :math:`\mu`, in [0, 1). The slot "momentum" (:math:`b`) is there if it was not 0 at the start.
    nesterov : bool, default False
        Take Nesterov's form; needs momentum.
    weight_decay : float, default 0
        :math:`\lambda`, added to the gradient (L2).
    **common
        `name`, `lazy`, `exclude`, `rates`, clipping and `accumulate_steps`: see `Optimizer`.

    References
    ----------
    Sutskever et al., "On the importance of initialization and momentum in deep learning", ICML 2013, in the form of
    ``torch.optim.SGD`` (the learning rate multiplies the whole step).

    Examples
    --------
    >>> import autograd_vs as av
    >>> v = av.Variable([1.0, 2.0], name="sgd_example")
    >>> optimizer = SGD(0.1, momentum=0.9)
    >>> for _ in range(2):
    ...     optimizer.apply_gradients([([1.0, 1.0], v)])
    >>> print(v.numpy().round(2), optimizer.get_slot(v, "momentum").numpy().round(2))
    [0.71 1.71] [1.9 1.9]
    """

    hyperparameters = ("momentum", "nesterov", "weight_decay")
    update = staticmethod(sgd_update)

    def __init__(
        self,
        learning_rate: Any = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        **common: Any,
    ):
        if nesterov and not momentum:
            raise ValueError("SGD(nesterov=True) needs momentum > 0")
        self.momentum, self.nesterov, self.weight_decay = momentum, nesterov, weight_decay
        super().__init__(learning_rate, ("momentum",) if momentum else (), **common)

    @property
    def row_wise(self) -> bool:
        """Rows without a gradient would not change anyway."""
        return self.lazy or not (self.slot_names or self.weight_decay)

    def scalars(self, step: int, rate: float) -> dict[str, float]:
        """The scalar arguments of `sgd_update`."""
        scalars = {"learning_rate": rate}
        if self.slot_names:
            scalars["inertia"] = self.momentum
            if self.nesterov:
                scalars["lookahead"] = self.momentum
        return scalars
