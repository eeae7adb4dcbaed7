"""Normalizations with their scale and shift: of batches, layers, groups; root mean square. Floor 3."""

from typing import Any

import numpy as np

from .. import nn
from ..engine.outside import tracer
from ..engine.tensor import Tensor, asarray
from ..ops.batch_norm import batch_norm_counted
from ..ops.constants import stop_gradient
from ..ops.shape import axes_of
from ..state.initializers import ones, zeros
from .base import Layer, check_input, check_training, functional

__all__ = [
    "BatchNorm", "GroupNorm", "LayerNorm", "RMSNorm", "batch_norm", "group_norm", "layer_norm", "rms_norm",
]  # fmt: skip


class _Norm(Layer):
    """What they share: ``gamma`` and ``beta``, of the shape of some axes."""

    gamma: Any = None
    beta: Any = None

    def __init__(
        self, axis: Any = -1, eps: float | None = 1e-5, scale: bool = True, center: bool = True, **options: Any
    ):
        super().__init__(**options)
        self.axis = tuple(axis) if isinstance(axis, list) else axis
        self.eps, self.scale, self.center = eps, scale, center

    def build(self, shape: Any) -> None:
        """Make ``gamma`` and ``beta``, as far as they are wanted."""
        wanted = self._wanted(shape)
        if self.scale:
            self.gamma = self.add_weight("gamma", wanted, initializer=ones)
        if self.center:
            self.beta = self.add_weight("beta", wanted, initializer=zeros)

    def _wanted(self, shape) -> tuple[int, ...]:
        """The sizes of the axes `axis`, in their order."""
        check_input(self, shape, "(batch, ...)")
        try:
            return tuple([shape[a] for a in sorted(axes_of(self.axis, len(shape)))])
        except (ValueError, TypeError) as error:
            raise ValueError(f"{type(self).__name__}: axis {self.axis} of an array of shape {shape}: {error}") from None


class BatchNorm(_Norm):
    """Each channel brought to mean 0 and variance 1 over the batch, then scaled and shifted; keeps running averages.

    Parameters
    ----------
    axis : int or tuple of int, default -1
        Where the channels are: 1 for PyTorch's layout.
    momentum : float, default 0.1
        The weight of the new batch in the running averages, as in PyTorch: ``running += momentum * (new - running)``.
        (Keras' momentum 0.99 is ``momentum=0.01`` here.)
    eps : float, default 1e-5
    scale, center : bool, default True
        Whether there are ``gamma`` and ``beta``.
    **options
        `name`, `trainable`, `dtype`: see `Layer`.

    Raises
    ------
    ValueError
        While training, if there is only one value per channel.

    Notes
    -----
    Variables: ``gamma``, ``beta``, and two that are never trained, ``moving_mean`` and ``moving_variance`` (PyTorch's
    ``running_mean``, ``running_var``: the unbiased variance). They start with 0 and 1.

    Frozen (``trainable=False``) it uses its running averages and leaves them as they are, whatever `training` says, as
    in Keras.

    References
    ----------
    S. Ioffe and C. Szegedy, "Batch normalization: accelerating deep network training by reducing internal covariate
    shift", ICML 2015.

    Examples
    --------
    >>> with av.VariableStore():
    ...     norm = av.layers.BatchNorm()
    ...     y = norm(np.array([[1.0, 20.0], [3.0, 40.0]]), training=True)
    >>> y.numpy().round(3).tolist(), norm.moving_mean.numpy().round(3).tolist()
    ([[-1.0, -1.0], [1.0, 1.0]], [0.2..., 3.0])
    """

    def __init__(
        self, axis: Any = -1, momentum: float = 0.1, eps: float = 1e-5, scale: bool = True, center: bool = True,
        **options: Any,
    ):  # fmt: skip
        super().__init__(axis, eps, scale, center, **options)
        self.momentum = momentum

    def build(self, shape: Any) -> None:
        """Make the variables, of as many elements as there are channels."""
        super().build(shape)
        wanted = self._wanted(shape)
        self.moving_mean = self.add_weight("moving_mean", wanted, initializer=zeros, trainable=False)
        self.moving_variance = self.add_weight("moving_variance", wanted, initializer=ones, trainable=False)

    def call(self, x: Any, *, training: bool | None) -> Tensor:
        """Normalized by the batch if `training`, which moves the running averages; else by these."""
        check_training(self, training)
        trains, tracing = self.trainable, tracer()
        if tracing is not None:
            tracing.rely_on(lambda: self.trainable is trains)
        if not (training and trains):
            known = self.moving_mean, self.moving_variance
            return nn.batch_norm(x, self.gamma, self.beta, *known, eps=self.eps, axis=self.axis)
        x = asarray(x)
        y, mean, variance, count = batch_norm_counted(x, self.gamma, self.beta, self.eps, self.axis)
        if count.__class__ is int and count == 1:  # a Tensor where the batch is spread over several processes
            raise ValueError(
                f"BatchNorm: one value per channel, in x of shape {x.shape}, has no variance to train with"
            )
        self._move(self.moving_mean, mean)
        self._move(self.moving_variance, variance, count / _at_least_one(count - 1))
        return y

    def _move(self, average, new, scale=1.0) -> None:
        m = self.momentum
        average.assign(average * (1.0 - m) + stop_gradient(new) * (m * scale))


def _at_least_one(count):
    return max(1, count) if count.__class__ is int else np.maximum(count, 1)


class LayerNorm(_Norm):
    """Each sample brought to mean 0 and variance 1 over some axes, then scaled and shifted: `av.nn.layer_norm`.

    Parameters
    ----------
    axis : int or tuple of int, default -1
        The axes of mean and variance, and of ``gamma`` and ``beta``.
    eps : float, default 1e-5
    scale, center : bool, default True
        Whether there are ``gamma`` and ``beta`` (PyTorch's ``weight`` and ``bias``).
    **options
        `name`, `trainable`, `dtype`: see `Layer`.

    References
    ----------
    J. L. Ba, J. R. Kiros, G. E. Hinton, "Layer normalization", 2016.

    Examples
    --------
    >>> with av.VariableStore():
    ...     av.layers.LayerNorm()(np.array([[1.0, 3.0], [20.0, 40.0]])).numpy().round(3).tolist()
    [[-1.0, 1.0], [-1.0, 1.0]]
    """

    def call(self, x: Any) -> Tensor:
        """The normalized `x`."""
        return nn.layer_norm(x, self.gamma, self.beta, axis=self.axis, eps=self.eps)


class GroupNorm(_Norm):
    """Each sample brought to mean 0 and variance 1 within each group of channels: `av.nn.group_norm`.

    Parameters
    ----------
    groups : int, default 32
        Divides the number of channels; as many as there are channels: instance normalization.
    axis : int, default -1
        Where the channels are.
    eps : float, default 1e-5
    scale, center : bool, default True
        Whether there are ``gamma`` and ``beta`` (PyTorch's ``weight`` and ``bias``).
    **options
        `name`, `trainable`, `dtype`: see `Layer`.

    References
    ----------
    Y. Wu and K. He, "Group normalization", ECCV 2018.

    Examples
    --------
    >>> with av.VariableStore():
    ...     av.layers.GroupNorm(2)(np.array([[1.0, 3.0, 20.0, 40.0]])).numpy().round(3).tolist()
    [[-1.0, 1.0, -1.0, 1.0]]
    """

    def __init__(
        self, groups: int = 32, axis: int = -1, eps: float = 1e-5, scale: bool = True, center: bool = True,
        **options: Any,
    ):  # fmt: skip
        super().__init__(axis, eps, scale, center, **options)
        self.groups = groups

    def call(self, x: Any) -> Tensor:
        """The normalized `x`."""
        return nn.group_norm(x, self.groups, self.gamma, self.beta, axis=self.axis, eps=self.eps)


class RMSNorm(_Norm):
    """Each sample brought to a mean square of 1 over some axes, then scaled: `av.nn.rms_norm`.

    Parameters
    ----------
    axis : int or tuple of int, default -1
    eps : float, optional
        By default the machine epsilon of the dtype of `x`, as in PyTorch.
    scale : bool, default True
        Whether there is ``gamma`` (PyTorch's ``weight``).
    **options
        `name`, `trainable`, `dtype`: see `Layer`.

    References
    ----------
    B. Zhang and R. Sennrich, "Root mean square layer normalization", NeurIPS 2019.

    Examples
    --------
    >>> with av.VariableStore():
    ...     av.layers.RMSNorm()(np.array([[3.0, 3.0], [-2.0, 2.0]])).numpy().round(3).tolist()
    [[1.0, 1.0], [-1.0, 1.0]]
    """

    def __init__(self, axis: Any = -1, eps: float | None = None, scale: bool = True, **options: Any):
        super().__init__(axis, eps, scale, False, **options)

    def call(self, x: Any) -> Tensor:
        """The normalized `x`."""
        return nn.rms_norm(x, self.gamma, axis=self.axis, eps=self.eps)


batch_norm = functional(BatchNorm)
layer_norm = functional(LayerNorm)
group_norm = functional(GroupNorm)
rms_norm = functional(RMSNorm)
