"""Large arrays in pieces: what a formula needs in between stays in the cache, and threads share the work. Floor 0."""

from functools import wraps
from math import prod

import numpy as np

from .threads import share

__all__ = ["LARGE", "in_blocks", "in_rows"]

BLOCK = 1 << 15  # elements
LARGE = 4 * BLOCK  # smaller arrays go through as they are
THREADS_FROM = 24  # pieces; with fewer the busy threads of BLAS cost more than another thread gains

ndarray = np.ndarray


def in_blocks(formula):
    """`formula`, which is elementwise, with large NumPy arrays taken in pieces.

    The formula, which stays known as ``.formula``, gives an array, or a tuple of arrays. Arguments that are no arrays,
    or 0-d, are the same for all pieces; where shapes differ, or memory is not contiguous, nothing is taken apart.
    """

    @wraps(formula)
    def call(first, *others):
        if first.__class__ is not ndarray or first.size < LARGE:
            return formula(first, *others)
        return _spread(first, *others, formula=formula, axes=first.ndim)

    call.formula = formula  # type: ignore[attr-defined]
    return call


def in_rows(formula):
    """The same for a formula that treats each row along the last axis by itself, and keeps that axis."""

    @wraps(formula)
    def call(first, *others):
        if first.__class__ is not ndarray or first.size < LARGE:
            return formula(first, *others)
        return _spread(first, *others, formula=formula, axes=first.ndim - 1)

    call.formula = formula  # type: ignore[attr-defined]
    return call


def _spread(*args, formula, axes):
    """The formula piece by piece; the first `axes` of the arrays are taken apart."""
    shape = args[0].shape
    apart = [a.__class__ is ndarray and a.ndim > 0 for a in args]
    if any(cut and (a.shape[:axes] != shape[:axes] or not a.flags.c_contiguous) for a, cut in zip(args, apart)):  # noqa: B905
        return formula(*args)
    rows = prod(shape[:axes])
    step = max(1, BLOCK // prod(shape[axes:]))
    flat = [a.reshape((rows, *a.shape[axes:])) if cut else a for a, cut in zip(args, apart, strict=True)]

    def piece(start):
        found = formula(*[a[start : start + step] if cut else a for a, cut in zip(flat, apart, strict=True)])
        return found if found.__class__ is tuple else (found,)

    def work(starts):
        for start in starts:
            for output, part in zip(outputs, piece(start), strict=True):
                output[start : start + step] = part

    first = piece(0)
    outputs = [np.empty((rows, *y.shape[1:]), y.dtype) for y in first]
    for output, part in zip(outputs, first, strict=True):
        output[:step] = part
    others = range(step, rows, step)
    if len(others) < THREADS_FROM:
        work(others)
    else:
        share(work, others)
    found = tuple([output.reshape((*shape[:axes], *output.shape[1:])) for output in outputs])
    return found if len(found) > 1 else found[0]
