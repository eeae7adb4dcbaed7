"""Muon: momentum of matrices, made orthogonal."""

from math import sqrt
from typing import Any

import numpy as np

from .optimizer import Optimizer

__all__ = ["Muon", "muon_update", "orthogonalized"]

_STEPS, _A, _B, _C = 5, 3.4445, -4.7750, 2.0315  # of Newton and Schulz, tuned to be steep at zero


def orthogonalized(matrix):
    """Near to ``u @ vh`` of the singular value decomposition: a matrix whose singular values are about 0.7 to 1.2.

    Examples
    --------
    >>> singular = np.linalg.svd(orthogonalized(np.array([[3.0, 1.0], [0.5, 0.2], [1.0, 4.0]])))[1]
    >>> bool(0.5 < singular.min() and singular.max() < 1.5)
    True
    """
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / np.maximum(np.sqrt((x * x).sum()), 1e-7)
    for _ in range(_STEPS):
        gram = x @ x.T
        x = x * _A + (gram * _B + gram @ gram * _C) @ x
    return x.T if tall else x


def muon_update(p, g, momentum, *, rest, rate, ahead=None):
    """The change of a whole matrix under `Muon`: ``delta, momentum``; `ahead` is for Nesterov's form."""
    momentum += (g - momentum) * rest
    delta = orthogonalized(momentum if ahead is None else g + (momentum - g) * ahead)
    delta = delta * (rate * sqrt(max(1.0, g.shape[0] / g.shape[1])))
    return delta, momentum


class Muon(Optimizer):
    r"""Momentum whose singular values are all brought to about one: for the matrices of hidden layers.

    .. math::

        b_t &= \mu b_{t-1} + (1 - \mu) g_t, \qquad
        u_t = b_t \quad\text{or}\quad \mu b_t + (1 - \mu) g_t \text{ (Nesterov)} \\
        p_t &= p_{t-1} - \eta \left(\sqrt{\max(1, n / m)} \, \mathrm{NS}_5(u_t) + \lambda p_{t-1}\right)

    for matrices of shape :math:`(n, m)`, with five steps of a Newton-Schulz iteration. Biases, embeddings and the last
    layer go to another optimizer (`AdamW`).

    Parameters
    ----------
    learning_rate : float, function of int, or Variable, default 0.001
        :math:`\eta`; a function gets `iterations` (see `optim.schedules`).
    momentum : float, default 0.95
        :math:`\mu`, in [0, 1).
    nesterov : bool, default True
        Take Nesterov's form.
    weight_decay : float, default 0.1
        :math:`\lambda`, decoupled.
    **common
        `name`, `exclude`, `rates`, clipping and `accumulate_steps`: see `Optimizer`. A variable that is no matrix is a
        ValueError of `apply_gradients`.

    References
    ----------
    Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024, in the form of ``torch.optim.Muon``,
    whose iteration runs in bfloat16; here it is in the dtype of the variable.

    Examples
    --------
    >>> import autograd_vs as av
    >>> v = av.Variable([[3.0, 4.0], [1.0, 2.0]], name="muon_example")
    >>> Muon(0.1, weight_decay=0).apply_gradients([([[5.0, 0.0], [0.0, 5.0]], v)])
    >>> print(v.numpy()[0].round(1))
    [2.9 4. ]
    """

    hyperparameters = ("momentum", "nesterov", "weight_decay")
    update = staticmethod(muon_update)
    decoupled_weight_decay = True

    def __init__(
        self,
        learning_rate: Any = 1e-3,
        momentum: float = 0.95,
        nesterov: bool = True,
        weight_decay: float = 0.1,
        **common: Any,
    ):
        self.momentum, self.nesterov, self.weight_decay = momentum, nesterov, weight_decay
        super().__init__(learning_rate, ("momentum",), **common)

    @staticmethod
    def slot_shapes(shape: tuple) -> list[tuple]:
        """The momentum has the shape of the matrix."""
        if len(shape) != 2:
            raise ValueError(f"Muon updates matrices, this is of shape {shape}: give it to another optimizer, as AdamW")
        return [shape]

    def scalars(self, step: int, rate: float) -> dict[str, float]:
        """The scalar arguments of `muon_update`."""
        scalars = {"rest": 1.0 - self.momentum, "rate": rate}
        if self.nesterov:
            scalars["ahead"] = self.momentum
        return scalars
