"""Linear algebra, under the names of `numpy.linalg`. Floor 3; the functions themselves are in `autograd_vs.ops`."""

from .ops.decompositions import cholesky, eig, eigh, eigvals, eigvalsh, lstsq, qr, svd, svdvals
from .ops.linalg import (
    LinAlgError,
    cross,
    det,
    diagonal,
    inv,
    matmul,
    matrix_power,
    matrix_rank,
    matrix_transpose,
    multi_dot,
    outer,
    pinv,
    slogdet,
    solve,
    tensordot,
    tensorinv,
    tensorsolve,
    trace,
    vecdot,
)  # fmt: skip
from .ops.norms import cond, matrix_norm, norm, vector_norm

__all__ = [
    "LinAlgError", "cholesky", "cond", "cross", "det", "diagonal", "eig", "eigh", "eigvals", "eigvalsh", "inv", "lstsq",
    "matmul", "matrix_norm", "matrix_power", "matrix_rank", "matrix_transpose", "multi_dot", "norm", "outer", "pinv",
    "qr", "slogdet", "solve", "svd", "svdvals", "tensordot", "tensorinv", "tensorsolve", "trace", "vecdot",
    "vector_norm",
]  # fmt: skip
