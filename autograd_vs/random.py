"""Random numbers that depend on the seed, the name of a stream and the number of the call, and on nothing else.

Every function takes ``stream=``: a name, "" by default. Two streams never disturb each other, so an extra draw in the
data pipeline leaves the dropout masks as they are. See `autograd_vs.ops.random` for how it works.
"""

from .ops.random import (
    bernoulli,
    categorical,
    generator,
    get_state,
    integers,
    normal,
    permutation,
    set_seed,
    set_state,
    truncated_normal,
    uniform,
)

__all__ = [
    "bernoulli", "categorical", "generator", "get_state", "integers", "normal", "permutation", "set_seed", "set_state",
    "truncated_normal", "uniform",
]  # fmt: skip
