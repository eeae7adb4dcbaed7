"""Special functions, under the names of `scipy.special`, which must be installed. Floor 3.

The functions themselves are in `autograd_vs.ops`.
"""

from .ops.special import *  # noqa: F403
from .ops.special import __all__ as __all__
