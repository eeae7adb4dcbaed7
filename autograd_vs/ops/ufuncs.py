"""Methods of ufuncs that are no reduction of `reduce.py`: `outer`, running extremes, `add.reduceat`. Floor 2.

Loaded at first use (`later.py`). ``ufunc.at`` is refused: it writes into its argument.
"""

import numpy as np

from ..base.backend import NUMPYS, as_array, beside, namespace
from ..engine import registry
from ..engine.protocol import Operand, mark_break, reductions
from ..engine.tensor import Tensor, as_tensor, tensor_of
from .index import scatter_rows, take, take_along
from .shape import astype, axis_of, moveaxis, reshape

__all__: list[str] = []

# ---------------------------------------------------------------- any ufunc


def _outer(ufunc, a, b, **options):
    """``ufunc.outer``: the ufunc of each element of `a` with each of `b`."""
    if registry.find(ufunc) is None:
        raise registry.refusal(ufunc, ".outer")
    a, b = as_tensor(a), as_tensor(b)
    return ufunc(reshape(a, a.shape + (1,) * b.ndim), b, **options)


def _of_constants(method):
    """A method of comparisons and other ufuncs through which no gradient passes: NumPy's, on bare arrays."""

    def run(ufunc, *inputs, **options):
        if ufunc not in registry.constants:
            raise registry.refusal(ufunc, f".{method}")
        for x in inputs:
            if isinstance(x, Operand):
                mark_break(x, f"{ufunc.__name__}.{method} passes no gradient")
        return tensor_of(getattr(ufunc, method)(*map(_bare, inputs), **{k: _bare(v) for k, v in options.items()}))

    return run


def _bare(x):
    return x.array if isinstance(x, Operand) else x


reductions[None, "outer"] = _outer
for _method in ("reduce", "accumulate", "reduceat"):
    reductions[None, _method] = _of_constants(_method)

# ---------------------------------------------------------------- running extremes


def _scan(ufunc, a, axis):
    """``ufunc.accumulate`` of a bare array. CuPy has it for sums and products only: there in log2(n) steps."""
    if a.__class__ in NUMPYS:
        return ufunc.accumulate(a, axis)
    front, step = (slice(None),) * axis, 1
    while step < a.shape[axis]:
        joined = ufunc(a[(*front, slice(step, None))], a[(*front, slice(None, -step))])
        a = namespace(a).concatenate((a[(*front, slice(None, step))], joined), axis)
        step *= 2
    return a


def _running_extreme(ufunc):
    def running(a, axis=0, dtype=None) -> Tensor:
        """The largest (smallest) of all up to each. Of equal ones the last gets the gradient, as in PyTorch."""
        a = as_tensor(a) if dtype is None else astype(a, dtype)
        x, axis = a.array, axis_of(axis, a.ndim)
        xp = namespace(x)
        n = x.shape[axis]
        places = xp.arange(n).reshape(tuple([-1 if i == axis else 1 for i in range(x.ndim)]))
        attained = (x == _scan(ufunc, x, axis)) | (x != x)  # NaN is the largest and the smallest
        return take_along(a, _scan(np.maximum, xp.where(attained, places, 0), axis), axis)

    return running


reductions[np.maximum, "accumulate"] = _running_extreme(np.maximum)
reductions[np.minimum, "accumulate"] = _running_extreme(np.minimum)

# ---------------------------------------------------------------- sums of slices


def _add_reduceat(a, indices, axis=0, dtype=None) -> Tensor:
    """``np.add.reduceat``: sums from each index to the next one, or one element where the next is not larger."""
    a = as_tensor(a) if dtype is None else astype(a, dtype)
    if a.dtype.kind in "biu":
        a = astype(a, namespace(a.array).zeros(0, a.dtype).sum().dtype)
    axis, x = axis_of(axis, a.ndim), a.array
    xp, n = namespace(x), x.shape[axis]
    starts = beside(as_array(_bare(indices)), x)
    if starts.ndim != 1 or (starts.size and starts.dtype.kind not in "iu"):
        raise ValueError(f"add.reduceat: the indices must be 1-D integers, got {starts.dtype} of shape {starts.shape}")
    starts = starts.astype(np.intp)
    if starts.size and bool(((starts < 0) | (starts >= n)).any()):
        raise IndexError(f"add.reduceat: an index is out of bounds for axis {axis} of size {n}")
    ends = xp.concatenate((starts[1:], xp.full(1, n))) if starts.size else starts
    sizes = xp.where(ends > starts, ends - starts, 1)
    before = xp.cumsum(sizes) - sizes
    rows = xp.repeat(xp.arange(starts.size), sizes)
    places = xp.arange(rows.size) - before[rows] + starts[rows]
    front = moveaxis(a, axis, 0)
    return moveaxis(scatter_rows(take(front, places, 0), rows, (starts.size, *front.shape[1:])), 0, axis)


reductions[np.add, "reduceat"] = _add_reduceat
