"""Elementwise ops: arithmetic, powers, exponentials, trigonometry. Floor 2."""

import numpy as np

from ..engine.op import op

add = op(np.add, "a + b.", vjp={"a": lambda g: g, "b": lambda g: g}, operators="__add__ __radd__")
subtract = op(np.subtract, "a - b.", vjp={"a": lambda g: g, "b": lambda g: -g}, operators="__sub__ __rsub__")
multiply = op(np.multiply, "a * b.", vjp={"a": lambda g, b: g * b, "b": lambda g, a: g * a}, operators="__mul__ __rmul__")
divide = op(
    np.divide, "a / b.", vjp={"a": lambda g, b: g / b, "b": lambda g, b, y: -g * y / b}, operators="__truediv__ __rtruediv__"
)
negative = op(np.negative, "-x.", vjp={"x": lambda g: -g}, operators="__neg__")
square = op(np.square, "x * x.", vjp={"x": lambda g, x: g * x * 2.0})
tanh = op(np.tanh, "Hyperbolic tangent.", vjp={"x": lambda g, y: g * (1.0 - y * y)}, methods="tanh")
exp = op(np.exp, "Exponential.", vjp={"x": lambda g, y: g * y})
log = op(np.log, "Natural logarithm.", vjp={"x": lambda g, x: g / x})
sin = op(np.sin, "Sine.", vjp={"x": lambda g, x: g * np.cos(x)})
cos = op(np.cos, "Cosine.", vjp={"x": lambda g, x: -g * np.sin(x)})
