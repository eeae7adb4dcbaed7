"""vmap: a function of one example as a function of a batch. Floor 3.

A loop over slices and a `stack` of the results: right for every function, as often differentiable as that is. A tape
records ops on arrays, not a program that could be batched, so it costs what the loop costs.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from ..base.dtypes import is_differentiable
from ..base.nest import flatten, pack
from ..engine.protocol import Operand
from ..engine.tape import GradientTape
from ..engine.tensor import as_tensor
from ..ops.shape import axis_of, stack, unstack
from .grad import name_of

__all__ = ["vmap"]


def vmap(f: Callable, in_axes: Any = 0, out_axes: Any = 0) -> Callable:
    """The function that applies `f` to each slice of its arguments, and stacks the results.

    Parameters
    ----------
    f : function
        Of one example: gets Tensors, returns a Tensor, a number, an array or a nest of them.
    in_axes : int, None, or nest of them, default 0
        Along which axis each positional argument is cut; None hands it over whole. One for all arguments, or a tuple
        (list) with an entry for each; an entry may be a nest like its argument, as far down as axes differ.
    out_axes : int, None, or nest of them, default 0
        Where the new axis lies in each result. None: a result that is the same for all slices, and has no new axis.

    Returns
    -------
    function
        Takes what `f` takes. Keyword arguments are handed over whole.

    Raises
    ------
    ValueError
        If the sizes along the axes differ, or there is nothing to cut; if results have other shapes or structures for
        other slices; if `in_axes` or `out_axes` do not fit; if a result with None in `out_axes` depends on the slice.

    See Also
    --------
    apply_along_axis : the same for one axis of one array, under NumPy's name.

    Notes
    -----
    It has the interface of JAX's `vmap`, and is a loop: `f` runs once for each slice, in Python. Its worth is that any
    `f` will do, `grad` and `jacobian` of something included. For speed write ops that broadcast or take an axis.
    `np.vectorize` cannot do this for Tensors: it calls `f` with bare numbers.

    Examples
    --------
    >>> import numpy as np
    >>> import autograd_vs as av
    >>> x, w = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1.0, 10.0])
    >>> av.vmap(np.dot, in_axes=(0, None))(x, w).tolist()
    [21.0, 43.0]

    The gradient for each example by itself:

    >>> av.vmap(av.grad(lambda w, x: np.sum(w * x) ** 2), in_axes=(None, 0))(w, x).tolist()
    [[42.0, 84.0], [258.0, 344.0]]
    """
    name = name_of(f)

    @wraps(f)
    def mapped(*args, **kwargs):
        leaves = flatten(list(args))
        axes = _axes(list(in_axes) if isinstance(in_axes, tuple) else in_axes, list(args), f"{name}: in_axes")
        cut, size = _slices(leaves, axes, name)

        def call(i):
            y = f(*pack(list(args), [x if c is None else c[i] for x, c in zip(leaves, cut, strict=True)]), **kwargs)
            return y, flatten(y)

        if None in flatten(out_axes):
            sources = [c[0] for c in cut if c is not None and is_differentiable(c[0].dtype)]
            with GradientTape(persistent=True, watch_accessed_variables=False) as tape:
                tape.watch(sources)
                y, first = call(0)
        else:
            tape, sources = None, []
            y, first = call(0)
        places = _axes(out_axes, y, f"{name}: out_axes")
        for leaf, place in zip(first, places, strict=True):
            if place is None and _depends(tape, leaf, sources):
                raise ValueError(f"vmap of {name}: out_axes is None for a result that depends on the slice")
        del tape
        rows = [first]
        for i in range(1, size):
            other, row = call(i)
            if not _same_structure(y, other):
                raise ValueError(f"vmap of {name}: the results for slices 0 and {i} differ in structure")
            rows.append(row)
        results = zip(*rows, strict=True)
        return pack(y, [_together(parts, place, name) for parts, place in zip(results, places, strict=True)])

    return mapped


def _axes(axes, nest, what):
    """The axis for each leaf of a nest: `axes` is a nest like its upper part."""
    if axes is None or isinstance(axes, int):
        return [axes] * len(flatten(nest))
    if isinstance(axes, dict) and isinstance(nest, dict) and set(axes) == set(nest):
        return [axis for key, part in nest.items() for axis in _axes(axes[key], part, what)]
    if isinstance(axes, (list, tuple)) and isinstance(nest, (list, tuple)) and len(axes) == len(nest):
        return [axis for a, part in zip(axes, nest, strict=True) for axis in _axes(a, part, what)]
    raise ValueError(f"vmap of {what}: {axes!r} does not fit {_outline(nest)}")


def _outline(nest) -> str:
    if isinstance(nest, dict):
        return f"a dict of {', '.join(map(repr, nest))}"
    return f"{len(nest)} values" if isinstance(nest, (list, tuple)) else f"a {type(nest).__name__}"


def _slices(leaves, axes, name):
    """The slices of each leaf (None: handed over whole), and how many there are."""
    cut: list = []
    found = None
    for number, (leaf, axis) in enumerate(zip(leaves, axes, strict=True)):
        if axis is None or leaf is None:
            cut.append(None)
            continue
        x = as_tensor(leaf)
        try:
            axis = axis_of(axis, x.ndim)
        except ValueError:
            raise ValueError(
                f"vmap of {name}: value {number} of the arguments has shape {x.shape} and no axis {axis}; in_axes=None "
                "hands it over whole"
            ) from None
        size = x.shape[axis]
        if found is None:
            found = size, axis, x.shape
        elif size != found[0]:
            raise ValueError(
                f"vmap of {name}: sizes differ: {found[0]} along axis {found[1]} of shape {found[2]}, {size} along "
                f"axis {axis} of shape {x.shape}"
            )
        cut.append(unstack(x, axis=axis))
    if found is None:
        raise ValueError(f"vmap of {name}: no argument is cut; in_axes must be a number for one at least")
    if not found[0]:
        raise ValueError(f"vmap of {name}: there are no slices (shape {found[2]}), so nothing says what the result is")
    return cut, found[0]


def _depends(tape, leaf, sources) -> bool:
    """Say whether a gradient passes from a result to a slice."""
    if not sources or not isinstance(leaf, Operand) or not is_differentiable(leaf.dtype):
        return False
    return any(leaf is x for x in sources) or any(g is not None for g in tape.gradient(leaf, sources))


def _same_structure(a, b) -> bool:
    if isinstance(a, dict):
        return isinstance(b, dict) and list(a) == list(b) and all(_same_structure(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(_same_structure, a, b))
    return not isinstance(b, (list, tuple, dict)) and (a is None) is (b is None)


def _together(parts, axis, name):
    """The results of all slices as one."""
    if parts[0] is None:
        return None
    tensors = [as_tensor(part) for part in parts]
    shape = tensors[0].shape
    for i, t in enumerate(tensors):
        if t.shape != shape:
            raise ValueError(f"vmap of {name}: a result has shape {shape} for slice 0, {t.shape} for slice {i}")
    if axis is not None:
        return stack(tensors, axis_of(axis, len(shape) + 1))
    first = tensors[0].array
    if not all(bool(((t.array == first) | (t.array != t.array)).all()) for t in tensors):
        raise ValueError(f"vmap of {name}: out_axes is None for a result that depends on the slice")
    return tensors[0]
