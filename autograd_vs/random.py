"""Random numbers that depend on the seed, the name of a stream and the number of the call, and on nothing else.

Every function takes ``stream=``: a name, "" by default. Two streams never disturb each other, so an extra draw in the
data pipeline leaves the dropout masks as they are. See `autograd_vs.ops.random` for how it works.

Parameters of continuous distributions may be Tensors and Variables, and get gradients; through bools, integers and
orders no gradient passes, and `GradientTape.explain` says so.
"""

from .ops.continuous import (
    beta,
    cauchy,
    chi2,
    dirichlet,
    exponential,
    gamma,
    gumbel,
    laplace,
    logistic,
    lognormal,
    multivariate_normal,
    normal,
    student_t,
    truncated_normal,
    uniform,
)
from .ops.discrete import (
    bernoulli,
    binomial,
    categorical,
    choice,
    gumbel_softmax,
    integers,
    multinomial,
    permutation,
    poisson,
    rademacher,
    shuffle,
)
from .ops.random import generator, get_state, set_seed, set_state

__all__ = [
    "bernoulli", "beta", "binomial", "categorical", "cauchy", "chi2", "choice", "dirichlet", "exponential", "gamma",
    "generator", "get_state", "gumbel", "gumbel_softmax", "integers", "laplace", "logistic", "lognormal", "multinomial",
    "multivariate_normal", "normal", "permutation", "poisson", "rademacher", "set_seed", "set_state", "shuffle",
    "student_t", "truncated_normal", "uniform",
]  # fmt: skip
