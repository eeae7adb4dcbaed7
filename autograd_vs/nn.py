"""Functions of neural networks, by their usual names. Floor 3.

The functions themselves are in `autograd_vs.ops`. They have no variables of their own: those come from `get_variable`.
"""

from typing import TYPE_CHECKING

from .ops.activations import elu, gelu, leaky_relu, log_softmax, relu, sigmoid, silu, softmax, softplus
from .ops.attention import scaled_dot_product_attention
from .ops.batch_norm import batch_norm, batch_norm_train, moments
from .ops.cells import gru_cell, lstm_cell, simple_rnn_cell
from .ops.elementwise import tanh
from .ops.erf import erf, erfc
from .ops.losses import l2_loss, mse, softmax_cross_entropy
from .ops.nn import alpha_dropout, dropout, embedding_lookup, linear, one_hot
from .ops.normalization import group_norm, instance_norm, l2_normalize, layer_norm, rms_norm
from .ops.piecewise import celu, hardshrink, hardsigmoid, hardswish, hardtanh, prelu, relu6, selu, softshrink, threshold
from .ops.resize import resize
from .ops.smooth import glu, log_sigmoid, mish, softmin, softsign, swiglu, tanhshrink

__all__ = [
    "alpha_dropout", "batch_norm", "batch_norm_train", "celu", "dropout", "elu", "embedding_lookup", "erf", "erfc",
    "gelu", "glu", "group_norm", "gru_cell", "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "instance_norm",
    "l2_loss", "l2_normalize", "layer_norm", "leaky_relu", "linear", "log_sigmoid", "log_softmax", "lstm_cell",
    "mish", "moments", "mse", "one_hot", "prelu", "relu", "relu6", "resize", "rms_norm",
    "scaled_dot_product_attention", "selu", "sigmoid", "silu", "simple_rnn_cell", "softmax",
    "softmax_cross_entropy", "softmin", "softplus", "softshrink", "softsign", "swiglu", "tanh", "tanhshrink",
    "threshold",
]  # fmt: skip

if not TYPE_CHECKING:  # type checkers shall say which names there are not

    def __getattr__(name):
        from ._migration import nn_advice

        raise AttributeError(nn_advice(name, __all__), name=name)
