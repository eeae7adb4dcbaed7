"""autograd_vs: automatic differentiation of NumPy code, with variables shared by name and training loops of your own.

The public face: imports and ``__all__``, no logic.
"""

from typing import TYPE_CHECKING

from ._version import __version__

# ruff: noqa: I001  (one block per floor, in their order)
# base
from .base.dtypes import default_dtype, set_default_dtype
from .base.errors import PartialGradientWarning, PrecisionWarning, ScopeWarning
from .base.precision import get_matmul_precision, matmul_precision, set_matmul_precision
from .base.threads import get_num_threads, set_num_threads

# engine
from .engine.cotangent import IndexedSlices
from .engine.forward import ForwardAccumulator
from .engine.outside import outside, tracer
from .engine.protocol import index_of
from .engine.tape import GradientTape
from .engine.tensor import Tensor, asarray

# ops
from .ops.elementwise import (
    abs, absolute, acos, acosh, add, angle, arccos, arccosh, arcsin, arcsinh, arctan, arctan2, arctanh, asin, asinh,
    atan, atan2, atanh, cbrt, clip, conj, conjugate, copysign, cos, cosh, deg2rad, degrees, divide, divmod, exp,
    exp2, expm1, fabs, float_power, fmax, fmin, fmod, hypot, imag, ldexp, log, log10, log1p, log2, logaddexp,
    logaddexp2, maximum, minimum, mod, modf, multiply, nan_to_num, negative, positive, pow, power, rad2deg, radians,
    real, reciprocal, remainder, sin, sinc, sinh, sqrt, square, subtract, tan, tanh, true_divide, where,
)  # fmt: skip
from .ops.constants import (
    all, any, argmax, argmin, argpartition, argsort, argwhere, around, bincount, bitwise_and, bitwise_invert,
    bitwise_left_shift, bitwise_not, bitwise_or, bitwise_right_shift, bitwise_xor, ceil, count_nonzero, digitize,
    empty_like, equal, fix, flatnonzero, floor, floor_divide, full_like, gcd, greater, greater_equal, heaviside,
    invert, isclose, iscomplex, isfinite, isin, isinf, isnan, isneginf, isposinf, isreal, lcm, left_shift, less,
    less_equal, lexsort, logical_and, logical_not, logical_or, logical_xor, nanargmax, nanargmin, nextafter, nonzero,
    not_equal, ones_like, right_shift, rint, round, searchsorted, sign, signbit, spacing, stop_gradient, trunc,
    unravel_index, zeros_like,
)  # fmt: skip
from .ops.reduce import (
    amax, amin, average, cumprod, cumsum, diff, logsumexp, max, mean, min, prod, ptp, std, sum, var,
)  # fmt: skip
from .ops.shape import (
    array_split, astype, atleast_1d, atleast_2d, atleast_3d, broadcast_arrays, broadcast_to, column_stack, concat,
    concatenate, copy, dsplit, dstack, expand_dims, flip, fliplr, flipud, hsplit, hstack, matrix_transpose, meshgrid,
    moveaxis, permute_dims, repeat, reshape, roll, rollaxis, rot90, split, squeeze, stack, swapaxes, tile,
    transpose, tril, triu, unstack, vsplit, vstack,
)  # fmt: skip
from .ops.index import take, take_along_axis
from .ops.products import (
    cross, diag, diagflat, diagonal, dot, inner, kron, matmul, outer, tensordot, trace, vdot, vecdot,
)  # fmt: skip
from .ops.einsum import einsum
from .ops.sort import sort

# state
from .state.policy import Policy
from .state.report import LoadReport
from .state.update import Slots, apply_update
from . import initializers
from .state.scope import (
    AUTO_REUSE, REBUILD, VariableScope, get_variable, get_variable_scope, name_scope, no_regularizer, variable_scope,
)  # fmt: skip
from .state.store import VariableStore, current_store, global_variables, trainable_variables
from .state.template import make_template
from .state.variable import Variable

# transforms, layers, training
from . import testing
from .transforms.control import cond, scan, while_loop
from .transforms.custom import custom_gradient, recompute_grad
from .transforms.function import RetraceWarning, function, run_functions_eagerly
from .transforms.grad import grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp
from .transforms.ravel import ravel
from .transforms.signature import TensorSpec
from .transforms.vmap import vmap
from .history import EarlyStopping, History
from .progress import progress

# What comes when it is asked for (`ops/later.py`); type checkers see it here, and say which names there are not.
if TYPE_CHECKING:
    from .base.devices import device, devices, memory_limit
    from . import data, debug, distribute, fft, layers, linalg, metrics, nn, plot, random
    from .layers import summary
    from . import special as special, stats as stats  # not in __all__: they need SciPy
    from .checkpoint import load, save
    from .checkpoint_manager import CheckpointManager
    from .ops.calculus import (
        convolve, correlate, ediff1d, geomspace, gradient, i0, interp, linspace, logspace, real_if_close, trapezoid,
        unwrap,
    )  # fmt: skip
    from .ops.polynomials import (
        poly, polyadd, polyder, polydiv, polyfit, polyint, polymul, polysub, polyval, roots, vander,
    )  # fmt: skip
    from .ops.rearrange import (
        apply_along_axis, apply_over_axes, bitwise_count, choose, compress, delete, extract, frexp, full, insert,
        isnat, ix_, packbits, pad, piecewise, ravel_multi_index, resize, scatter, unpackbits,
    )  # fmt: skip
    from .ops.sets import intersect1d, partition, setdiff1d, setxor1d, sort_complex, trim_zeros, union1d, unique
    from .ops.statistics import (
        corrcoef, cov, median, nancumprod, nancumsum, nanmax, nanmean, nanmedian, nanmin, nanpercentile, nanprod,
        nanquantile, nanstd, nansum, nanvar, percentile, quantile,
    )  # fmt: skip
else:
    from ._later import module_getattr as __getattr__  # noqa: F401


def __dir__() -> list[str]:
    return [*__all__, "special", "stats"]  # not in `__all__`: a star import shall not need SciPy


__all__ = [  # noqa: RUF022
    "AUTO_REUSE", "CheckpointManager", "EarlyStopping", "ForwardAccumulator", "GradientTape", "History",
    "IndexedSlices", "LoadReport",
    "PartialGradientWarning", "Policy", "PrecisionWarning", "REBUILD", "RetraceWarning", "ScopeWarning", "Slots",
    "Tensor", "TensorSpec", "Variable",
    "VariableScope", "VariableStore", "__version__", "abs", "absolute", "acos", "acosh", "add", "all", "amax",
    "amin", "angle", "any", "apply_along_axis", "apply_over_axes", "apply_update", "arccos", "arccosh", "arcsin",
    "arcsinh", "arctan", "arctan2", "arctanh", "argmax", "argmin", "argpartition", "argsort", "argwhere", "around",
    "array_split", "asarray", "asin", "asinh", "astype", "atan", "atan2", "atanh", "atleast_1d", "atleast_2d",
    "atleast_3d", "average", "bincount", "bitwise_and", "bitwise_count", "bitwise_invert", "bitwise_left_shift",
    "bitwise_not", "bitwise_or", "bitwise_right_shift", "bitwise_xor", "broadcast_arrays", "broadcast_to", "cbrt",
    "ceil", "choose", "clip", "column_stack", "compress", "concat", "concatenate", "cond", "conj", "conjugate",
    "convolve", "copy", "copysign", "corrcoef", "correlate", "cos", "cosh", "count_nonzero", "cov", "cross",
    "cumprod", "cumsum", "current_store", "custom_gradient", "data", "debug", "default_dtype", "deg2rad", "degrees",
    "delete", "device", "devices", "diag", "diagflat", "distribute",
    "diagonal", "diff", "digitize", "divide", "divmod", "dot", "dsplit", "dstack", "ediff1d", "einsum",
    "empty_like", "equal", "exp", "exp2", "expand_dims", "expm1", "extract", "fabs", "fft", "fix", "flatnonzero",
    "flip", "fliplr", "flipud", "float_power", "floor", "floor_divide", "fmax", "fmin", "fmod", "frexp", "full",
    "full_like", "function", "gcd", "geomspace", "get_matmul_precision", "get_num_threads", "get_variable",
    "get_variable_scope",
    "global_variables", "grad", "gradient", "greater", "greater_equal", "heaviside", "hessian", "hsplit", "hstack",
    "hvp", "hypot", "i0", "imag", "index_of", "initializers", "inner", "insert", "interp", "intersect1d", "invert",
    "isclose", "iscomplex", "isfinite", "isin", "isinf", "isnan", "isnat", "isneginf", "isposinf", "isreal", "ix_",
    "jacobian", "jvp", "kron", "layers", "lcm", "ldexp", "left_shift", "less", "less_equal", "lexsort", "linalg",
    "linspace", "load",
    "log", "log10", "log1p", "log2", "logaddexp", "logaddexp2", "logical_and", "logical_not", "logical_or",
    "logical_xor", "logspace", "logsumexp", "make_template", "matmul", "matmul_precision", "matrix_transpose",
    "max", "maximum", "mean", "median", "memory_limit", "meshgrid", "metrics", "min", "minimum", "mod", "modf",
    "moveaxis", "multiply", "name_scope", "nan_to_num",
    "nanargmax", "nanargmin", "nancumprod", "nancumsum", "nanmax", "nanmean", "nanmedian", "nanmin",
    "nanpercentile", "nanprod", "nanquantile", "nanstd", "nansum", "nanvar", "negative", "nextafter", "nn",
    "no_regularizer", "nonzero", "not_equal", "ones_like", "outer", "outside", "packbits", "pad", "partition",
    "percentile", "permute_dims", "piecewise", "plot", "poly", "polyadd", "polyder", "polydiv", "polyfit", "polyint",
    "polymul", "polysub", "polyval", "positive", "pow", "power", "prod", "progress", "ptp", "quantile", "rad2deg",
    "radians", "random", "ravel", "ravel_multi_index", "real", "real_if_close", "reciprocal", "recompute_grad",
    "remainder", "repeat", "reshape", "resize", "right_shift", "rint", "roll", "rollaxis", "roots", "rot90",
    "round", "run_functions_eagerly", "save", "scan", "scatter", "searchsorted", "set_default_dtype",
    "set_matmul_precision", "set_num_threads",
    "setdiff1d", "setxor1d", "sign", "signbit", "sin", "sinc", "sinh", "sort", "sort_complex", "spacing", "split",
    "sqrt", "square", "squeeze", "stack", "std", "stop_gradient", "subtract", "sum", "summary", "swapaxes", "take",
    "take_along_axis", "tan", "tanh", "tensordot", "testing", "tile", "trace", "tracer", "trainable_variables",
    "transpose",
    "trapezoid", "tril", "trim_zeros", "triu", "true_divide", "trunc", "union1d", "unique", "unpackbits",
    "unravel_index", "unstack", "unwrap", "value_and_grad", "vander", "var", "variable_scope", "vdot", "vecdot",
    "vjp", "vmap", "vsplit", "vstack", "where", "while_loop", "zeros_like",
]  # fmt: skip
