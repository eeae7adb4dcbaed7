"""Distributions, under the names of `scipy.stats`: ``av.stats.norm.logpdf(x, loc, scale)``. Floor 3; needs SciPy.

The distributions themselves are in `autograd_vs.ops`.
"""

from .ops.distributions import *  # noqa: F403
from .ops.distributions import __all__ as __all__
