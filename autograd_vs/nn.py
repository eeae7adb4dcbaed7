"""Functions of neural networks, by their usual names. Floor 3.

The functions themselves are in `autograd_vs.ops`. They have no variables of their own: those come from `get_variable`.
"""

from typing import TYPE_CHECKING

from .ops.activations import elu, gelu, leaky_relu, log_softmax, relu, sigmoid, silu, softmax, softplus
from .ops.conv import (
    conv1d,
    conv1d_transpose,
    conv2d,
    conv2d_transpose,
    conv3d,
    conv3d_transpose,
    depthwise_conv2d,
)
from .ops.erf import erf, erfc
from .ops.losses import l2_loss, mse, softmax_cross_entropy
from .ops.nn import dropout, embedding_lookup, linear
from .ops.normalization import layer_norm
from .ops.pool import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    avg_pool1d,
    avg_pool2d,
    avg_pool3d,
    max_pool1d,
    max_pool2d,
    max_pool3d,
)

__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "avg_pool1d", "avg_pool2d", "avg_pool3d",
    "conv1d", "conv1d_transpose", "conv2d", "conv2d_transpose", "conv3d", "conv3d_transpose", "depthwise_conv2d",
    "dropout", "elu", "embedding_lookup", "erf", "erfc", "gelu", "l2_loss", "layer_norm", "leaky_relu", "linear",
    "log_softmax", "max_pool1d", "max_pool2d", "max_pool3d", "mse", "relu", "sigmoid", "silu", "softmax",
    "softmax_cross_entropy", "softplus",
]  # fmt: skip

if not TYPE_CHECKING:  # type checkers shall say which names there are not

    def __getattr__(name):
        from ._migration import nn_advice

        raise AttributeError(nn_advice(name, __all__), name=name)
