"""Functions of neural networks, by their usual names. Floor 3.

The functions themselves are in `autograd_vs.ops`. They have no variables of their own: those come from `get_variable`.
"""

from typing import TYPE_CHECKING

from .ops.activations import elu, gelu, leaky_relu, log_softmax, relu, sigmoid, silu, softmax, softplus
from .ops.attention import scaled_dot_product_attention
from .ops.batch_norm import batch_norm, batch_norm_train, moments
from .ops.cells import gru_cell, lstm_cell, simple_rnn_cell
from .ops.conv import conv1d, conv1d_transpose, conv2d, conv2d_transpose, conv3d, conv3d_transpose, depthwise_conv2d
from .ops.ctc import ctc_loss
from .ops.elementwise import tanh
from .ops.erf import erf, erfc
from .ops.losses import (
    binary_cross_entropy,
    kl_divergence,
    nll,
    sigmoid_cross_entropy,
    sigmoid_focal,
    softmax_cross_entropy,
)  # fmt: skip
from .ops.margins import (
    cosine_embedding,
    cosine_similarity,
    hinge,
    margin_ranking,
    multi_margin,
    squared_hinge,
    triplet_margin,
)  # fmt: skip
from .ops.nn import alpha_dropout, dropout, embedding_lookup, linear, one_hot
from .ops.normalization import group_norm, instance_norm, l2_normalize, layer_norm, rms_norm
from .ops.piecewise import celu, hardshrink, hardsigmoid, hardswish, hardtanh, prelu, relu6, selu, softshrink, threshold
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
)  # fmt: skip
from .ops.regression import gaussian_nll, huber, l2_loss, log_cosh, mae, mse, poisson_nll, smooth_l1
from .ops.resize import resize
from .ops.smooth import glu, log_sigmoid, mish, softmin, softsign, swiglu, tanhshrink

__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "alpha_dropout", "avg_pool1d",
    "avg_pool2d", "avg_pool3d", "batch_norm", "batch_norm_train", "binary_cross_entropy", "celu", "conv1d",
    "conv1d_transpose", "conv2d", "conv2d_transpose", "conv3d", "conv3d_transpose", "cosine_embedding",
    "cosine_similarity", "ctc_loss", "depthwise_conv2d", "dropout", "elu", "embedding_lookup", "erf", "erfc",
    "gaussian_nll", "gelu", "glu", "group_norm", "gru_cell", "hardshrink", "hardsigmoid", "hardswish", "hardtanh",
    "hinge", "huber", "instance_norm", "kl_divergence", "l2_loss", "l2_normalize", "layer_norm", "leaky_relu",
    "linear", "log_cosh", "log_sigmoid", "log_softmax", "lstm_cell", "mae", "margin_ranking", "max_pool1d",
    "max_pool2d", "max_pool3d", "mish", "moments", "mse", "multi_margin", "nll", "one_hot", "poisson_nll", "prelu",
    "relu", "relu6", "resize", "rms_norm", "scaled_dot_product_attention", "selu", "sigmoid",
    "sigmoid_cross_entropy", "sigmoid_focal", "silu", "simple_rnn_cell", "smooth_l1", "softmax",
    "softmax_cross_entropy", "softmin", "softplus", "softshrink", "softsign", "squared_hinge", "swiglu", "tanh",
    "tanhshrink", "threshold", "triplet_margin",
]  # fmt: skip

for _name in __all__:
    globals()[_name].__qualname__ = f"nn.{_name}"  # where pickles find them: in the package, as all functions

if not TYPE_CHECKING:  # type checkers shall say which names there are not

    def __getattr__(name):
        from ._migration import nn_advice

        raise AttributeError(nn_advice(name, __all__), name=name)
