"""Layers: functions with variables of their own, named by scopes. Floor 3.

`Layer` says what a layer is, `functional` how each of them is a function that shares by name.
"""

from typing import TYPE_CHECKING

from .attention import KeyValueCache, MultiHeadAttention, TransformerBlock, multi_head_attention, transformer_block
from .base import Layer, functional
from .container import Sequential
from .conv import (
    AvgPool1D,
    AvgPool2D,
    Conv1D,
    Conv1DTranspose,
    Conv2D,
    Conv2DTranspose,
    DepthwiseConv2D,
    GlobalAvgPool,
    GlobalMaxPool,
    MaxPool1D,
    MaxPool2D,
    avg_pool1d,
    avg_pool2d,
    conv1d,
    conv1d_transpose,
    conv2d,
    conv2d_transpose,
    depthwise_conv2d,
    global_avg_pool,
    global_max_pool,
    max_pool1d,
    max_pool2d,
)  # fmt: skip
from .dense import Dense, Dropout, Embedding, Flatten, dense, dropout, embedding, flatten
from .norm import BatchNorm, GroupNorm, LayerNorm, RMSNorm, batch_norm, group_norm, layer_norm, rms_norm
from .recurrent import RNN, GRUCell, LSTMCell, SimpleRNNCell, gru_cell, lstm_cell, rnn, simple_rnn_cell
from .table import Summary, summary

__all__ = [
    "RNN",
    "AvgPool1D",
    "AvgPool2D",
    "BatchNorm",
    "Conv1D",
    "Conv1DTranspose",
    "Conv2D",
    "Conv2DTranspose",
    "Dense",
    "DepthwiseConv2D",
    "Dropout",
    "Embedding",
    "Flatten",
    "GRUCell",
    "GlobalAvgPool",
    "GlobalMaxPool",
    "GroupNorm",
    "KeyValueCache",
    "LSTMCell",
    "Layer",
    "LayerNorm",
    "MaxPool1D",
    "MaxPool2D",
    "MultiHeadAttention",
    "RMSNorm",
    "Sequential",
    "SimpleRNNCell",
    "Summary",
    "TransformerBlock",
    "avg_pool1d",
    "avg_pool2d",
    "batch_norm",
    "conv1d",
    "conv1d_transpose",
    "conv2d",
    "conv2d_transpose",
    "dense",
    "depthwise_conv2d",
    "dropout",
    "embedding",
    "flatten",
    "functional",
    "global_avg_pool",
    "global_max_pool",
    "group_norm",
    "gru_cell",
    "layer_norm",
    "lstm_cell",
    "max_pool1d",
    "max_pool2d",
    "multi_head_attention",
    "rms_norm",
    "rnn",
    "simple_rnn_cell",
    "summary",
    "transformer_block",
]  # fmt: skip

if not TYPE_CHECKING:  # type checkers shall say which names there are not

    def __getattr__(name):
        from .._migration import layers_advice

        raise AttributeError(layers_advice(name, __all__), name=name)
