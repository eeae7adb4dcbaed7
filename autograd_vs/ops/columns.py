"""The three products of a convolution on bare arrays: of windows and filters, and those of the gradients. Floor 2.

Terms. `x` has the shape (images, *size, channels), filters (*kernel, channels, features), the result `y` (images, *out,
features). A *tap* is a place in the kernel. *Columns* are the windows of `x`, each a row of a matrix that BLAS
multiplies with the filters. All of them at once are as many times larger than `x` as the kernel has taps, so:

- The work is cut into *blocks* (some images, or some rows of one), whose columns stay in the cache. The threads are
  those of BLAS: threads of our own, each with a BLAS of one, are faster by themselves, but in a whole step they meet
  those of BLAS, which wait busily after a product (W4: 62 ms against 42).
- If the taps of the other axes make columns wide enough, those of the first axis are left out of them: the window one
  tap further on is a row further on in the same columns. That saves most of the copying, for ``kernel[0]`` products.
- Rows of columns are ordered (row of `y`, image, rest), so that "some rows further on" is one piece of memory.
- With few channels the columns are transposed in memory: they are then copied in long runs, and BLAS does not mind.

On a GPU the same three functions run, with cuBLAS, and they are the place for another way there: each is one call of a
plan, knows the whole geometry, and may look at `x` to choose. Columns are the default and so far the only way: CuPy has
had no cuDNN since version 14 (cupy#8215), NVIDIA's cudnn-frontend would be a second large library, and for which shapes
it would pay has not been measured.
"""

from itertools import product
from math import prod

import numpy as np

from ..base.backend import kernel, matrix_product, namespace
from .windows import overlap

__all__ = ["FEW", "gather_product", "kernel_product", "scatter_product"]

COLUMNS = 2_400_000  # bytes of columns in a block: enough for two threads, and in the cache that they share
ON_DEVICE = 1 << 28  # the same where there is no such cache, but a launch for each copy
ROWS = 256  # of columns in a block, at least: with fewer BLAS does not reach its speed
WIDE = 64  # numbers in a row of columns, from which on the taps of the first axis may be left out
FEW = 4  # channels, up to which columns are transposed


@kernel
def gather_product(x, filters, strides, low, dilations, out, into=None):
    """``y``: the sum over each window of `x`, times the filters; `low` is the padding in front of `x`."""
    xp = namespace(x)
    features = filters.shape[-1]
    y = xp.empty((len(x), *out, features), x.dtype) if into is None else into
    if not y.size or not filters.size:
        y[...] = 0
        return y
    columns = Columns(x, filters.shape[:-2], strides, low, dilations, out)
    matrices = filters.reshape((columns.shifts, columns.width, features))
    fill = columns.filler()
    for images, rows in columns.blocks:
        target = y[images, rows]
        alone = len(target) == 1  # then the order of the rows is that of `y`
        windows = fill(images, rows)
        if alone:
            total = target.reshape((-1, features))
            matrix_product(windows[0], matrices[0], total)
        else:
            total = matrix_product(windows[0], matrices[0])
        for window, matrix in zip(windows[1:], matrices[1:], strict=True):
            total += matrix_product(window, matrix)
        if not alone:
            target[...] = total.reshape(_swapped(target.shape)).swapaxes(0, 1)
    return y


@kernel
def kernel_product(x, g, kernel, strides, low, dilations):
    """The gradient of the filters: the windows of `x`, transposed, times `g`."""
    xp = namespace(x)
    features = g.shape[-1]
    columns = Columns(x, kernel, strides, low, dilations, g.shape[1:-1])
    total = xp.zeros((columns.shifts, columns.width, features), x.dtype)
    if g.size and total.size:
        fill = columns.filler()
        for images, rows in columns.blocks:
            matrix = g[images, rows].swapaxes(0, 1).reshape((-1, features))
            for window, part in zip(fill(images, rows), total, strict=True):
                part += matrix_product(window.T, matrix)
    return total.reshape((*kernel, x.shape[-1], features))


@kernel
def scatter_product(g, filters, strides, low, dilations, size, into=None):
    """The gradient of `x`, of that `size`: what each window got, added up where windows overlap."""
    xp = namespace(g)
    kernel, (channels, features) = filters.shape[:-2], filters.shape[-2:]
    out = g.shape[1:-1]
    x = xp.zeros((len(g), *size, channels), g.dtype) if into is None else into
    if into is not None:
        into[...] = 0
    if not g.size or not filters.size:
        return x
    matrix = filters.reshape((-1, features)).T
    taps = list(product(*map(range, kernel)))
    bytes_of_tap = prod(out) * channels * g.dtype.itemsize
    step = max(1, _limit(xp) // (bytes_of_tap * len(taps)))  # images
    together = min(len(taps), max(1, _limit(xp) // (bytes_of_tap * step)))  # taps

    for start in range(0, len(g), step):
        images = slice(start, start + step)
        rows, target = g[images].reshape((-1, features)), x[images]
        for first in range(0, len(taps), together):
            some = taps[first : first + together]
            found = matrix_product(rows, matrix[:, first * channels : (first + len(some)) * channels])
            found = found.reshape((len(target), *out, len(some), channels))
            for i, tap in enumerate(some):
                inside, places = overlap(tap, size, out, strides, low, dilations)
                target[(slice(None), *places)] += found[(slice(None), *inside, i)]
    return x


class Columns:
    """How the windows of `x` are cut into blocks, and laid out in each."""

    def __init__(self, x, kernel, strides, low, dilations, out):
        channels = x.shape[-1]
        rest = kernel[1:]
        apart = kernel[0] > 1 and strides[0] == 1 and prod(rest) * channels >= WIDE
        self.x, self.out = x, out
        self.geometry = strides, low, dilations
        self.shifts = kernel[0] if apart else 1
        self.taps = list(product((0,) if apart else range(kernel[0]), *map(range, rest)))
        self.width = len(self.taps) * channels
        self.step = dilations[0]  # rows from one shift to the next
        self.more = (self.shifts - 1) * self.step  # rows of columns, beyond those of `y`
        self.blocks = self._blocks()

    def _blocks(self):
        count, height = len(self.x), self.out[0]
        of_row = max(1, prod(self.out[1:]))
        bytes_of_row = of_row * max(1, self.width) * self.x.dtype.itemsize
        limit = _limit(namespace(self.x))
        images = max(1, limit // (bytes_of_row * (height + self.more)), min(count, ROWS // (of_row * height)))
        rows = height
        if images == 1:
            rows = max(1, min(height, max(limit // bytes_of_row - self.more, ROWS // of_row)))
        return [
            (slice(i, min(i + images, count)), slice(j, min(j + rows, height)))
            for i in range(0, count, images)
            for j in range(0, height, rows)
        ]

    def filler(self):
        """A function that lays out the windows of a block, in a buffer of its own: a matrix for each shift."""
        x, channels = self.x, self.x.shape[-1]
        xp = namespace(x)
        columns = None
        filled: list = []

        def fill(images, rows):
            nonlocal columns, filled
            height = rows.stop - rows.start
            shape = (height + self.more, images.stop - images.start, *self.out[1:])
            if columns is None or columns.shape[:-2] != shape:
                filled = []
                if channels <= FEW:
                    columns = xp.moveaxis(xp.empty((len(self.taps), channels, *shape), x.dtype), (0, 1), (-2, -1))
                else:
                    columns = xp.empty((*shape, len(self.taps), channels), x.dtype)
            block = x[images].swapaxes(0, 1)
            overlaps = [self._overlap(tap, rows.start, shape[0]) for tap in self.taps]
            borders = [inside for inside, _ in overlaps]
            if borders != filled:  # beyond them there are zeros: from the last block, if it had the same ones
                columns[...] = 0
                filled = borders
            for i, (inside, (first, *others)) in enumerate(overlaps):
                columns[(inside[0], slice(None), *inside[1:], i)] = block[(first, slice(None), *others)]
            length = height * prod(shape[1:])
            return [
                columns[k * self.step : k * self.step + height].reshape((length, self.width))
                for k in range(self.shifts)
            ]

        return fill

    def _overlap(self, tap, first, height):
        strides, low, dilations = self.geometry
        low = (low[0] - first * strides[0], *low[1:])
        return overlap(tap, self.x.shape[1:-1], (height, *self.out[1:]), strides, low, dilations)


def _swapped(shape):
    return (shape[1], shape[0], *shape[2:])


def _limit(xp) -> int:
    return COLUMNS if xp is np else ON_DEVICE
