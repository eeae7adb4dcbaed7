"""Products of matrices."""

import numpy as np

from ..engine.op import op


def matmul(a, b):
    return a.dot(b) if a.ndim == 2 and b.ndim == 2 else np.matmul(a, b)


matmul = op(np.matmul, forward=matmul, vjp={"a": lambda g, b: g @ b.T, "b": lambda g, a: a.T @ g}, linear="each", operators="__matmul__ __rmatmul__")
