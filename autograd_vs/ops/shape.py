"""Shapes."""

import numpy as np

from ..base.backend import namespace
from ..engine.op import fit, op, constant


def broadcast_to(x, shape):
    y = namespace(x).empty(shape, x.dtype)
    y[...] = x
    return y


broadcast_to = op(np.broadcast_to, forward=broadcast_to, vjp={"x": lambda g, x_shape, x_dtype: fit(g, x_shape, x_dtype)}, linear="each")


def reshape(x, shape):
    return x.reshape(shape)


reshape = op(np.reshape, forward=reshape, vjp={"x": lambda g, x_shape: g.reshape(x_shape)}, linear="each", view=True, methods="reshape")


def transpose(x, axes=None):
    return x.transpose(axes)


transpose = op(np.transpose, forward=transpose, vjp={"x": lambda g, axes: g.transpose(axes)}, linear="each", view=True, methods="transpose")
from ..engine.protocol import Operand
Operand.T = property(lambda self: transpose(self))

def astype(x, dtype):
    return x.astype(dtype)

astype = op(forward=astype, vjp={"x": lambda g, x_dtype: g.astype(x_dtype)}, linear="each", methods="astype")

def stack(arrays, axis=0):
    return namespace(arrays[0]).stack(arrays, axis)

stack = op(np.stack, forward=stack, arity="sequence", vjp={"arrays": lambda g, i, axis: g[(slice(None),)*axis+(i,)]}, linear="all")
def concatenate(arrays, axis=0):
    return namespace(arrays[0]).concatenate(arrays, axis)

concatenate = op(np.concatenate, forward=concatenate, arity="sequence", vjp={"arrays": lambda g, i, arrays_shapes, axis: g}, linear="all")
equal = constant(np.equal)
floor = constant(np.floor)
