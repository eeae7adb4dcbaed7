"""Linear algebra, under the names of `numpy.linalg`. Floor 3; the functions themselves are in `autograd_vs.ops`."""

from .ops.linalg import norm

__all__ = ["norm"]
