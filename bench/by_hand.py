"""What the floors share: packed parameters, and Adam in blocked passes.

A floor is a training step as NumPy allows it at best: derivatives by hand, every result written into a buffer that is
there already. It calls functions of `np`, no methods and no operators on large arrays, so that `spent` sees them.
"""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np

BLOCK = 1 << 16  # elements: the passes over a block find it in the cache
LEARNING_RATE, BETA_1, BETA_2, EPSILON = 1e-3, 0.9, 0.999, 1e-8


def blocks(size, block=BLOCK):
    """Slices of equal length, at most a block each, that cover ``range(size)``."""
    count = -(-size // block)
    edges = [size * i // count for i in range(count + 1)]
    return [slice(start, stop) for start, stop in pairwise(edges)]


def packed(arrays, names):
    """One buffer with these arrays side by side, and the dictionary of the views of it."""
    buffer = np.empty(sum(arrays[name].size for name in names), np.float32)
    views, start = {}, 0
    for name in names:
        stop = start + arrays[name].size
        views[name] = buffer[start:stop].reshape(arrays[name].shape)
        views[name][...] = arrays[name]
        start = stop
    return buffer, views


def adam_scalars(count):
    """Of step `count`, from 1: what m / (sqrt(v) + epsilon) is multiplied by, and its epsilon.

    The moments are kept without their factors ``1 - beta``: two passes less.
    """
    root = ((1 - BETA_2) / (1 - BETA_2**count)) ** 0.5
    return LEARNING_RATE * (1 - BETA_1) / (1 - BETA_1**count) / root, EPSILON / root


class Adam:
    """Adam in ten in-place passes a block, on as many threads as asked."""

    def __init__(self, parameters, threads=1):
        self.count = 0
        self.m, self.v = ([np.zeros(p.size, np.float32) for p in parameters] for _ in "mv")
        places = [(i, place) for i, p in enumerate(parameters) for place in blocks(p.size)]
        self.pool = ThreadPoolExecutor(threads) if threads > 1 else None
        self.shares = []  # of each thread: (number of the parameter, where in it, p, m, v, scratch)
        for start in range(threads):
            scratch = np.empty(BLOCK, np.float32)
            share = []
            for i, place in places[start::threads]:
                arrays = (a.reshape(-1)[place] for a in (parameters[i], self.m[i], self.v[i]))
                share.append((i, place, *arrays, scratch[: place.stop - place.start]))
            self.shares.append(share)

    def step(self, gradients):
        """A gradient of None is zero (who has a few rows of one adds them to the moments before)."""
        self.count += 1
        rate, epsilon = adam_scalars(self.count)

        def update(share):
            for i, place, p, m, v, scratch in share:
                np.multiply(m, BETA_1, out=m)
                np.multiply(v, BETA_2, out=v)
                if gradients[i] is not None:
                    g = gradients[i].reshape(-1)[place]
                    np.add(m, g, out=m)
                    np.multiply(g, g, out=scratch)
                    np.add(v, scratch, out=v)
                np.sqrt(v, out=scratch)
                np.add(scratch, epsilon, out=scratch)
                np.divide(m, scratch, out=scratch)
                np.multiply(scratch, rate, out=scratch)
                np.subtract(p, scratch, out=p)

        if self.pool:
            list(self.pool.map(update, self.shares))
        else:
            update(self.shares[0])


def get_rows(table, rows, out):
    np.take(table, rows, axis=0, out=out, mode="clip")  # "raise" would take a buffer of its own


def add_rows(table, rows, values, scratch):
    """`rows` are unique."""
    get_rows(table, rows, scratch)
    np.add(scratch, values, out=scratch)
    set_rows(table, rows, scratch)


def set_rows(table, rows, values):
    np.ndarray.__setitem__(table, rows, values)  # a call of np, so that `Spent` sees it
