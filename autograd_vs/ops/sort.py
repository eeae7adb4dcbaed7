"""Sorting. Floor 2."""

import numpy as np

from ..base.backend import NUMPYS
from ..engine.declare import composed, primitive
from ..engine.samples import Sample, arrays, values, zeros
from ..engine.tensor import Tensor
from .index import take_along
from .shape import axis_of, ravel

__all__ = ["sort"]


def _order(a, axis, kind):
    if a.__class__ not in NUMPYS and kind != "stable":
        kind = None  # CuPy's sort is stable always, and knows no other kind
    return a.argsort(axis=axis, kind=kind)


def _along(x, order, axis):
    """`x` in the given order."""
    return take_along.inner(x, order, axis_of(axis, x.ndim))


@primitive(
    vjp={"a": lambda g, order, axis: _along(g, order.argsort(axis=axis), axis)},
    jvp={"a": lambda t, a, axis, kind: _along(t, _order(a, axis, kind), axis)},
    aux={"order": _order}, arity=1, name="sort",
    samples=lambda: [
        Sample(arrays((2, 5), apart=1.0)),
        Sample(arrays((4, 2), apart=1.0), 0),
        Sample(arrays((6, 4), apart=1.0)[::2, ::-2], 0),
        Sample(zeros((0, 2))),
        Sample(values([[1.0, 1.0, 0.0]]), -1, "stable", smooth=False),
    ],
)  # fmt: skip
def _sort(a, axis=-1, kind=None):
    """Elements in rising order along an axis."""
    order = _order(a, axis, kind)
    return take_along.inner(a, order, axis_of(axis, a.ndim)), order


@composed(np.sort, samples=lambda: [Sample(arrays((2, 3), apart=1.0), None), Sample(arrays((2, 3), apart=1.0), axis=0)])
def sort(a, axis=-1, kind=None, order=None, *, stable=None) -> Tensor:
    """Elements in rising order. Each passes its gradient back to where it was, equal ones too.

    Parameters
    ----------
    a : array_like
    axis : int or None, default -1
        None sorts the flattened array.
    kind : str, optional
        As in `numpy.sort`.
    order : None
        Not supported.
    stable : bool, optional
        Keep the order of equal elements.

    Returns
    -------
    Tensor

    Raises
    ------
    ValueError
        If both `kind` and `stable` are given, or there is no such kind.

    Examples
    --------
    >>> av.sort(av.Tensor(np.array([3.0, 1.0, 2.0]))).numpy().tolist()
    [1.0, 2.0, 3.0]
    """
    if order is not None:
        raise TypeError("sort: order= is for structured arrays, which have no gradient")
    if kind is not None and stable is not None:
        raise ValueError("sort: kind= and stable= say the same: give one of them")
    if axis is None:
        a, axis = ravel(a), 0
    return _sort(a, axis, "stable" if stable else kind)
