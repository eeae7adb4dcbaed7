"""Convolutions, their transposes, and pooling. Floor 3."""

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import nn
from ..engine.tensor import Tensor, asarray
from ..ops.reduce import max as maximum_over
from ..ops.reduce import mean
from ..ops.shape import reshape
from ..state.initializers import zeros
from .base import Layer, activation_of, check_input, check_options, functional

__all__ = [
    "AvgPool1D", "AvgPool2D", "Conv1D", "Conv1DTranspose", "Conv2D", "Conv2DTranspose", "DepthwiseConv2D",
    "GlobalAvgPool", "GlobalMaxPool", "MaxPool1D", "MaxPool2D", "avg_pool1d", "avg_pool2d", "conv1d",
    "conv1d_transpose", "conv2d", "conv2d_transpose", "depthwise_conv2d", "global_avg_pool", "global_max_pool",
    "max_pool1d", "max_pool2d",
]  # fmt: skip


class _Convolution(Layer):
    """A convolution of any kind: ``kernel``, ``bias``, and the options of the function in `av.nn`."""

    rank: int
    function: Callable

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: Any = "same",
        activation: Callable | str | None = None,
        use_bias: bool = True,
        kernel_initializer: Any = None,
        bias_initializer: Any = zeros,
        *,
        data_format: str | None = None,
        name: str | None = None,
        trainable: bool = True,
        dtype: Any = None,
        **geometry: Any,
    ):
        super().__init__(name=name, trainable=trainable, dtype=dtype)
        self.filters, self.use_bias, self.bias = filters, use_bias, None
        self.kernel_size = tuple(kernel_size) if isinstance(kernel_size, (tuple, list)) else (kernel_size,) * self.rank
        if len(self.kernel_size) != self.rank or not all(
            [isinstance(k, (int, np.integer)) and k > 0 for k in self.kernel_size]
        ):
            raise ValueError(
                f"{type(self).__name__}: kernel_size is an integer above 0, or {self.rank} of them, got {kernel_size!r}"
            )
        check_options(self, self.function, geometry)
        self.groups = geometry.get("groups", 1)
        places = "DHW"[-self.rank :]
        layout = f"N{places}C" if data_format is None else data_format
        if layout not in (f"N{places}C", f"NC{places}"):
            raise ValueError(f"{type(self).__name__}: data_format is 'N{places}C' or 'NC{places}', got {data_format!r}")
        self.geometry = {"strides": strides, "padding": padding, "data_format": layout, **geometry}
        self.activation = activation_of(activation, self)
        self.kernel_initializer, self.bias_initializer = kernel_initializer, bias_initializer

    @property
    def _channels_first(self) -> bool:
        return self.geometry["data_format"].startswith("NC")

    def build(self, shape: Any) -> None:
        """Make ``kernel`` and ``bias``."""
        if len(shape) != self.rank + 2:
            raise ValueError(f"{type(self).__name__} takes arrays of {self.rank + 2} dimensions, got shape {shape}")
        channels = shape[1] if self._channels_first else shape[-1]
        kernel, features = self._shapes(channels)
        self.kernel = self.add_weight("kernel", kernel, initializer=self.kernel_initializer)
        if self.use_bias:
            self.bias = self.add_weight("bias", (features,), initializer=self.bias_initializer)

    def _shapes(self, channels):
        """The shape of the kernel, and how many features come out."""
        if channels % self.groups or self.filters % self.groups:
            raise ValueError(
                f"{type(self).__name__}: {channels} channels and {self.filters} filters do not both fall into "
                f"groups={self.groups}"
            )
        return (*self.kernel_size, channels // self.groups, self.filters), self.filters

    def call(self, x: Any) -> Tensor:
        """The features of `x`."""
        y, bias = self.function(x, self.cast(self.kernel), **self.geometry), self.cast(self.bias)
        if bias is not None:
            y = y + (reshape(bias, (-1, *[1] * self.rank)) if self._channels_first else bias)
        return self.cast(self.activation(y))


class Conv1D(_Convolution):
    """A convolution along one axis, with bias and activation: `av.nn.conv1d`.

    Parameters
    ----------
    filters : int
        How many features come out.
    kernel_size : int or tuple of int
    strides : int or tuple of int, default 1
    padding : {"same", "valid"}, int, or an int or pair of ints for each axis, default "same"
    activation : function or str, optional
        A function, or its name in `av.nn`.
    use_bias : bool, default True
    kernel_initializer, bias_initializer : optional
        By default the scope's or glorot_uniform, and zeros.
    dilations, groups : int, default 1
    data_format : {"NWC", "NCW"}
    **options
        `name`, `trainable`, `dtype`: see `Layer`.

    Raises
    ------
    ValueError, TypeError
        If an option is none, or of another form; at the first call if `x` has not three dimensions (four for images),
        or channels or filters do not fall into groups.

    Notes
    -----
    Variables: ``kernel`` of shape (width, channels / groups, filters), PyTorch's ``weight.transpose(2, 1, 0)``;
    ``bias``.

    Examples
    --------
    >>> with av.VariableStore():
    ...     av.layers.Conv1D(4, 3)(np.ones((2, 5, 3))).shape
    (2, 5, 4)
    """

    rank = 1
    function = staticmethod(nn.conv1d)


class Conv2D(_Convolution):
    """A convolution of images, with bias and activation: `av.nn.conv2d`.

    Parameters
    ----------
    filters, kernel_size, strides, padding, activation, use_bias, kernel_initializer, bias_initializer :
        As in `Conv1D`, with an int or a pair for the two axes; so are `dilations` and `groups`.
    data_format : {"NHWC", "NCHW"}
    **options
        `name`, `trainable`, `dtype`: see `Layer`.

    Notes
    -----
    Variables: ``kernel`` of shape (height, width, channels / groups, filters), PyTorch's
    ``weight.transpose(2, 3, 1, 0)``; ``bias``.

    Examples
    --------
    >>> with av.VariableStore():
    ...     av.layers.Conv2D(4, 3, strides=2, activation="relu")(np.ones((2, 6, 6, 3))).shape
    (2, 3, 3, 4)
    """

    rank = 2
    function = staticmethod(nn.conv2d)


class _Transposed(_Convolution):
    """A transposed convolution, whose kernel has the features before the channels."""

    def _shapes(self, channels):
        super()._shapes(channels)
        return (*self.kernel_size, self.filters // self.groups, channels), self.filters


class Conv1DTranspose(_Transposed):
    """The transpose of `Conv1D`, with bias and activation: `av.nn.conv1d_transpose`.

    Parameters
    ----------
    filters, kernel_size, strides, padding, activation, use_bias, kernel_initializer, bias_initializer :
        As in `Conv1D`; so are `dilations` and `groups`.
    output_size : int, optional
        As in `av.nn.conv1d_transpose`.
    data_format : {"NWC", "NCW"}
    **options
        `name`, `trainable`, `dtype`: see `Layer`.

    Notes
    -----
    Variables: ``kernel`` of shape (width, filters / groups, channels), PyTorch's ``weight.transpose(2, 1, 0)``;
    ``bias``.

    Examples
    --------
    >>> with av.VariableStore():
    ...     av.layers.Conv1DTranspose(4, 3, strides=2)(np.ones((2, 5, 3))).shape
    (2, 10, 4)
    """

    rank = 1
    function = staticmethod(nn.conv1d_transpose)


class Conv2DTranspose(_Transposed):
    """The transpose of `Conv2D`, with bias and activation: `av.nn.conv2d_transpose`.

    Parameters
    ----------
    filters, kernel_size, strides, padding, activation, use_bias, kernel_initializer, bias_initializer :
        As in `Conv2D`; so are `dilations` and `groups`.
    output_size : int or pair of int, optional
        As in `av.nn.conv2d_transpose`.
    data_format : {"NHWC", "NCHW"}
    **options
        `name`, `trainable`, `dtype`: see `Layer`.

    Notes
    -----
    Variables: ``kernel`` of shape (height, width, filters / groups, channels), PyTorch's
    ``weight.transpose(2, 3, 1, 0)``; ``bias``.

    Examples
    --------
    >>> with av.VariableStore():
    ...     av.layers.Conv2DTranspose(4, 3, strides=2)(np.ones((2, 5, 5, 3))).shape
    (2, 10, 10, 4)
    """

    rank = 2
    function = staticmethod(nn.conv2d_transpose)


class DepthwiseConv2D(_Convolution):
    """A convolution of each channel by itself, with bias and activation: `av.nn.depthwise_conv2d`.

    Parameters
    ----------
    kernel_size : int or pair of int
    depth_multiplier : int, default 1
        How many features come from each channel.
    strides, padding, activation, use_bias, kernel_initializer, bias_initializer, dilations, data_format
        As in `Conv2D`.
    **options
        `name`, `trainable`, `dtype`: see `Layer`.

    Notes
    -----
    Variables: ``kernel`` of shape (height, width, channels, multiplier), PyTorch's
    ``weight.reshape(channels, multiplier, height, width).transpose(2, 3, 0, 1)``; ``bias``.

    Examples
    --------
    >>> with av.VariableStore():
    ...     av.layers.DepthwiseConv2D(3, 2)(np.ones((2, 5, 5, 3))).shape
    (2, 5, 5, 6)
    """

    rank = 2
    function = staticmethod(nn.depthwise_conv2d)

    def __init__(self, kernel_size: Any, depth_multiplier: int = 1, *args: Any, **options: Any):
        super().__init__(depth_multiplier, kernel_size, *args, **options)

    def _shapes(self, channels):
        return (*self.kernel_size, channels, self.filters), channels * self.filters


# ---------------------------------------------------------------- pooling


class _Pool(Layer):
    """A layer without variables that hands its options to a function of `av.nn`."""

    function: Callable

    def __init__(
        self, size: Any = 2, strides: Any = None, padding: Any = "valid", *, name: str | None = None, **geometry: Any
    ):
        super().__init__(name=name)
        check_options(self, self.function, geometry)
        self.geometry = {"size": size, "strides": strides, "padding": padding, **geometry}

    def call(self, x: Any) -> Tensor:
        """One value for each window."""
        return self.function(x, **self.geometry)


class MaxPool1D(_Pool):
    """The largest of each window: `av.nn.max_pool1d`.

    Parameters
    ----------
    size, strides, padding, dilations, data_format :
        As in `av.nn.max_pool1d`, with the same defaults.
    name : str, optional
        See `Layer`.

    Examples
    --------
    >>> av.layers.MaxPool1D(2)(np.ones((1, 4, 3))).shape
    (1, 2, 3)
    """

    function = staticmethod(nn.max_pool1d)


class MaxPool2D(_Pool):
    """The largest of each window: `av.nn.max_pool2d`.

    Parameters
    ----------
    size, strides, padding, dilations, data_format :
        As in `av.nn.max_pool2d`, with the same defaults.
    name : str, optional
        See `Layer`.

    Examples
    --------
    >>> av.layers.MaxPool2D(2)(np.ones((1, 4, 4, 3))).shape
    (1, 2, 2, 3)
    """

    function = staticmethod(nn.max_pool2d)


class AvgPool1D(_Pool):
    """The mean of each window: `av.nn.avg_pool1d`.

    Parameters
    ----------
    size, strides, padding, dilations, count_padding, data_format :
        As in `av.nn.avg_pool1d`, with the same defaults.
    name : str, optional
        See `Layer`.

    Examples
    --------
    >>> av.layers.AvgPool1D(2)(np.ones((1, 4, 3))).shape
    (1, 2, 3)
    """

    function = staticmethod(nn.avg_pool1d)


class AvgPool2D(_Pool):
    """The mean of each window: `av.nn.avg_pool2d`.

    Parameters
    ----------
    size, strides, padding, dilations, count_padding, data_format :
        As in `av.nn.avg_pool2d`, with the same defaults.
    name : str, optional
        See `Layer`.

    Examples
    --------
    >>> av.layers.AvgPool2D(2)(np.ones((1, 4, 4, 3))).shape
    (1, 2, 2, 3)
    """

    function = staticmethod(nn.avg_pool2d)


class _GlobalPool(Layer):
    """A reduction over all axes but those of batch and channels."""

    function: Callable

    def __init__(self, channels_first: bool = False, *, name: str | None = None):
        super().__init__(name=name)
        self.channels_first = channels_first

    def call(self, x: Any) -> Tensor:
        """One value for each channel of each sample."""
        x = asarray(x)
        form = "(batch, channels, ..., places)" if self.channels_first else "(batch, places, ..., channels)"
        check_input(self, x.shape, form)
        return self.function(x, axis=tuple(range(2, x.ndim) if self.channels_first else range(1, x.ndim - 1)))


class GlobalAvgPool(_GlobalPool):
    """The mean over all places, of any number of axes: one number for each channel of each sample.

    Parameters
    ----------
    channels_first : bool, default False
        Whether the channels come before the places.
    name : str, optional
        See `Layer`.

    Examples
    --------
    >>> av.layers.GlobalAvgPool()(np.ones((1, 4, 4, 3))).shape
    (1, 3)
    """

    function = staticmethod(mean)


class GlobalMaxPool(_GlobalPool):
    """The largest over all places, of any number of axes: one number for each channel of each sample.

    Parameters
    ----------
    channels_first : bool, default False
        Whether the channels come before the places.
    name : str, optional
        See `Layer`.

    Examples
    --------
    >>> av.layers.GlobalMaxPool()(np.ones((1, 4, 4, 3))).shape
    (1, 3)
    """

    function = staticmethod(maximum_over)


conv1d = functional(Conv1D)
conv2d = functional(Conv2D)
conv1d_transpose = functional(Conv1DTranspose)
conv2d_transpose = functional(Conv2DTranspose)
depthwise_conv2d = functional(DepthwiseConv2D)
max_pool1d = functional(MaxPool1D)
max_pool2d = functional(MaxPool2D)
avg_pool1d = functional(AvgPool1D)
avg_pool2d = functional(AvgPool2D)
global_avg_pool = functional(GlobalAvgPool)
global_max_pool = functional(GlobalMaxPool)
