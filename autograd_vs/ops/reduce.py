"""Reductions."""

import numpy as np

from ..engine.op import op
from .shape import broadcast_to


def sum(x, axis=None, dtype=None, keepdims=False):
    return x.sum(axis=axis, dtype=dtype, keepdims=keepdims)


def _spread(g, shape, axis, keepdims):
    if g.ndim and not keepdims and axis is not None:
        axes = sorted(a % len(shape) for a in (axis if isinstance(axis, tuple) else (axis,)))
        g = g.reshape(tuple(1 if i in axes else n for i, n in enumerate(shape)))
    return broadcast_to.inner(g, shape)


sum = op(np.sum, forward=sum, vjp={"x": lambda g, x_shape, axis, keepdims: _spread(g, x_shape, axis, keepdims)}, linear="each", methods="sum", reduces=(np.add, "reduce"))


def mean(x, axis=None, dtype=None, keepdims=False):
    return x.mean(axis=axis, dtype=dtype, keepdims=keepdims)


mean = op(np.mean, forward=mean, vjp={"x": lambda g, x_shape, y_shape, axis, keepdims: _spread(g * (_size(y_shape) / _size(x_shape)), x_shape, axis, keepdims)}, linear="each", methods="mean")


def _size(shape):
    n = 1
    for k in shape:
        n *= k
    return n
