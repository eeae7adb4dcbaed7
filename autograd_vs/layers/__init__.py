"""Layers: functions with variables of their own, named by scopes. Floor 3.

`Layer` says what a layer is, `functional` how each of them is a function that shares by name.
"""

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
from .table import Summary, summary

__all__ = [
    "AvgPool1D", "AvgPool2D", "BatchNorm", "Conv1D", "Conv1DTranspose", "Conv2D", "Conv2DTranspose", "Dense",
    "DepthwiseConv2D", "Dropout", "Embedding", "Flatten", "GlobalAvgPool", "GlobalMaxPool", "GroupNorm", "Layer",
    "LayerNorm", "MaxPool1D", "MaxPool2D", "RMSNorm", "Sequential", "Summary", "avg_pool1d", "avg_pool2d",
    "batch_norm", "conv1d", "conv1d_transpose", "conv2d", "conv2d_transpose", "dense", "depthwise_conv2d", "dropout",
    "embedding", "flatten", "functional", "global_avg_pool", "global_max_pool", "group_norm", "layer_norm",
    "max_pool1d", "max_pool2d", "rms_norm", "summary",
]  # fmt: skip
