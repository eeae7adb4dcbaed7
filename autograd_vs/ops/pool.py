"""Pooling: the largest or the mean of each window. Floor 2.

A window is taken tap by tap: each tap of all windows is one strided view of the array, so a window of 2 x 2 costs four
passes, which run over some images at a time, so that they stay in the cache. The ops take channels last.
"""

from math import prod

import numpy as np

from ..base.backend import kernel, namespace
from ..base.dtypes import is_half
from ..base.threads import share
from ..engine.declare import composed, primitive
from ..engine.protocol import Operand
from ..engine.samples import Sample, arrays, zeros
from ..engine.tensor import Tensor, as_tensor, tensor_of
from .products import tensordot
from .shape import moveaxis
from .windows import Layout, taps

__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "avg_pool1d", "avg_pool2d", "avg_pool3d",
    "max_pool1d", "max_pool2d", "max_pool3d",
]  # fmt: skip

NUMBERS = 1 << 16  # of an array in a block of images


def _over_images(work, x):
    """``work(images)`` for blocks of images, on several threads if there are many."""

    def each(blocks):
        for images in blocks:
            work(images)

    step = max(1, NUMBERS // max(1, prod(x.shape[1:])))
    blocks = [slice(i, i + step) for i in range(0, len(x), step)]
    if namespace(x) is not np:
        work(slice(None))
    elif len(blocks) < 8:
        each(blocks)
    else:
        share(each, blocks)


# ---------------------------------------------------------------- the largest


def _max_samples():
    x = arrays((2, 5, 3), apart=1.0)
    return [
        Sample(x, (2,), (2,), (0,), (1,), (2,)),
        Sample(x, (3,), (1,), (1,), (1,), (5,)),
        Sample(x, (2,), (1,), (0,), (2,), (3,)),
        Sample(arrays((1, 4, 5, 2), apart=1.0), (2, 3), (2, 1), (0, 1), (1, 1), (2, 5)),
        Sample(arrays((1, 2, 4, 3, 1), apart=1.0), (2, 2, 2), (1, 2, 1), (0, 0, 0), (1, 1, 1), (1, 2, 2)),
        Sample(arrays((6, 8, 2), apart=1.0)[::3, ::-2].swapaxes(0, 1), (2,), (2,), (0,), (1,), (1,)),
        Sample(zeros((0, 4, 2)), (2,), (2,), (0,), (1,), (2,)),
        Sample(x.astype(np.float32), (2,), (2,), (0,), (1,), (2,), smooth=False),
    ]


@kernel
def _largest(x, window, strides, low, dilations, out):
    """The largest of each window, and the number of the first tap that is it."""
    xp = namespace(x)
    y = xp.empty((len(x), *out, x.shape[-1]), x.dtype)
    winner = xp.zeros(y.shape, np.uint8 if prod(window) <= 256 else np.int32)
    where = taps(window, x.shape[1:-1], out, strides, low, dilations)
    least = np.iinfo(x.dtype).min if x.dtype.kind in "iu" else -np.inf
    everywhere = all(s == slice(0, m) for s, m in zip(where[0][1][1:], out, strict=True))

    def work(images):
        source, values, numbers = x[images], y[images], winner[images]
        if everywhere:
            values[...] = source[where[0][2]]
        else:
            values[...] = least
        for i, (_, inside, places) in enumerate(where[everywhere:], everywhere):
            a, best, number = source[places], values[inside], numbers[inside]
            larger = a > best
            np.maximum(a, best, out=best)
            # Later taps have larger numbers: the largest of those that won so far is the one that did so last.
            np.maximum(number, larger * number.dtype.type(i), out=number)

    _over_images(work, x)
    return y, winner


def _winner(x, window, strides, low, dilations, out):
    array = x.array if isinstance(x, Operand) else x
    found = _largest(array, window, strides, low, dilations, out)[1]
    return tensor_of(found) if isinstance(x, Operand) else found


@primitive(
    vjp={
        "x": lambda g, winner, window, strides, low, dilations, x_shape: unpool.inner(
            g, winner, window, strides, low, dilations, x_shape[1:-1]
        )
    },
    jvp={
        "x": lambda t, x, window, strides, low, dilations, out: chosen.inner(
            t, _winner(x, window, strides, low, dilations, out), window, strides, low, dilations, out
        )
    },
    aux={"winner": _winner}, samples=_max_samples,
)  # fmt: skip
def max_pool(x, window, strides, low, dilations, out):
    """The largest of each window."""
    return _largest(x, window, strides, low, dilations, out)


def _unpool_samples():
    found = []
    for s in _max_samples():
        x, *geometry, _ = s.args
        y, winner = _largest(*s.args)
        found.append(Sample(y + y.dtype.type(0.5), winner, *geometry, x.shape[1:-1], smooth=s.smooth))
    return found


def _chosen_samples():
    found = []
    for s in _max_samples():
        x, *geometry = s.args
        found.append(Sample(x, _largest(x, *geometry)[1], *geometry, smooth=s.smooth))
    return found


@primitive(
    vjp={
        "a": lambda g, winner, window, strides, low, dilations, a_shape: chosen.inner(
            g, winner, window, strides, low, dilations, a_shape[1:-1]
        )
    },
    arity=2, linear="each", samples=_unpool_samples,
)  # fmt: skip
def unpool(a, winner, window, strides, low, dilations, size):
    """The transpose of `chosen`: each window gives its value to its winner, in an array of that size."""
    x = namespace(a).zeros((len(a), *size, a.shape[-1]), a.dtype)
    where = taps(window, size, a.shape[1:-1], strides, low, dilations)
    apart = all(s >= (k - 1) * d + 1 for k, s, d in zip(window, strides, dilations, strict=True))

    def work(images):
        target, values, numbers = x[images], a[images], winner[images]
        for i, (_, inside, places) in enumerate(where):
            won = numbers[inside] == i
            if apart:
                np.multiply(values[inside], won, out=target[places])
            else:
                target[places] += values[inside] * won

    _over_images(work, x)
    return x


@primitive(
    vjp={
        "x": lambda g, winner, window, strides, low, dilations, x_shape: unpool.inner(
            g, winner, window, strides, low, dilations, x_shape[1:-1]
        )
    },
    arity=2, linear="each", samples=_chosen_samples,
)  # fmt: skip
def chosen(x, winner, window, strides, low, dilations, out):
    """Of each window the value at the winner."""
    y = namespace(x).zeros((len(x), *out, x.shape[-1]), x.dtype)
    where = taps(window, x.shape[1:-1], out, strides, low, dilations)

    def work(images):
        source, values, numbers = x[images], y[images], winner[images]
        for i, (_, inside, places) in enumerate(where):
            values[inside] += source[places] * (numbers[inside] == i)

    _over_images(work, x)
    return y


# ---------------------------------------------------------------- the mean


def _sum_samples():
    return [Sample(*s.args, smooth=s.smooth) for s in _max_samples()] + [
        Sample(arrays((2, 5, 3), dtype=complex), (3,), (2,), (1,), (1,), (3,)),
    ]


def _spread_samples():
    found = []
    for s in _sum_samples():
        x, window, *geometry, out = s.args
        y = sum_pool.op.forward(x, window, *geometry, out)
        found.append(Sample(y, window, *geometry, x.shape[1:-1], smooth=s.smooth))
    return found


@primitive(
    vjp={
        "x": lambda g, window, strides, low, dilations, x_shape: sum_unpool.inner(
            g, window, strides, low, dilations, x_shape[1:-1]
        )
    },
    linear="each", samples=_sum_samples,
)  # fmt: skip
def sum_pool(x, window, strides, low, dilations, out):
    """The sum of each window."""
    y = namespace(x).zeros((len(x), *out, x.shape[-1]), x.dtype)
    where = taps(window, x.shape[1:-1], out, strides, low, dilations)

    def work(images):
        source, values = x[images], y[images]
        for _, inside, places in where:
            values[inside] += source[places]

    _over_images(work, x)
    return y


@primitive(
    vjp={
        "a": lambda g, window, strides, low, dilations, a_shape: sum_pool.inner(
            g, window, strides, low, dilations, a_shape[1:-1]
        )
    },
    linear="each", samples=_spread_samples,
)  # fmt: skip
def sum_unpool(a, window, strides, low, dilations, size):
    """The transpose of `sum_pool`: each window gives its value to all of its places, in an array of that size."""
    x = namespace(a).zeros((len(a), *size, a.shape[-1]), a.dtype)
    where = taps(window, size, a.shape[1:-1], strides, low, dilations)

    def work(images):
        target, values = x[images], a[images]
        for _, inside, places in where:
            target[places] += values[inside]

    _over_images(work, x)
    return x


def _counts(window, size, out, strides, low, dilations):
    """For each axis, how many taps of each window along it lie inside of the array."""
    return [
        [sum(0 <= i * s - p + t * d < n for t in range(k)) for i in range(m)]
        for k, n, m, s, p, d in zip(window, size, out, strides, low, dilations, strict=True)
    ]


# ---------------------------------------------------------------- the public functions


def _placed(layout, x, size, strides, padding, dilations):
    """`x` with channels last, and the geometry of the windows."""
    x = layout.taken(as_tensor(x))
    window = layout.numbers(size, "size")
    strides = window if strides is None else layout.numbers(strides, "strides")
    dilations = layout.numbers(dilations, "dilations")
    low, out = layout.place(x.shape[1:-1], window, strides, padding, dilations)
    if any(p >= (k - 1) * d + 1 for p, k, d in zip(low, window, dilations, strict=True)):
        raise ValueError(f"{layout.name}: padding {padding!r} leaves windows of size {window} with nothing but zeros")
    return x, (window, strides, low, dilations, out)


def _max_pooled(layout, x, size, strides, padding, dilations) -> Tensor:
    x, geometry = _placed(layout, x, size, strides, padding, dilations)
    if x.dtype.kind not in "fiu" and not is_half(x.dtype):
        raise TypeError(f"{layout.name}: numbers that can be compared are needed, got dtype {x.dtype}")
    return layout.given(max_pool(x, *geometry))


def _avg_pooled(layout, x, size, strides, padding, dilations, count_padding) -> Tensor:
    x, geometry = _placed(layout, x, size, strides, padding, dilations)
    window, strides, low, dilations, out = geometry
    total = sum_pool(x, *geometry)
    if count_padding:
        return layout.given(total / float(prod(window)))
    counts = _counts(window, x.shape[1:-1], out, strides, low, dilations)
    if all(len(set(along)) == 1 for along in counts):
        return layout.given(total / float(prod(along[0] for along in counts)))
    xp = namespace(total.array)
    for axis, along in enumerate(counts, 1):
        total = total / xp.asarray(along, dtype=total.dtype).reshape((-1,) + (1,) * (total.ndim - 1 - axis))
    return layout.given(total)


def _adapted(layout, x, output_size) -> Tensor:
    x = as_tensor(x)
    layout.taken(x)
    sizes = layout.numbers(output_size, "output_size")
    for i, m in enumerate(sizes, 2 if layout.channels_first else 1):
        n = x.shape[i]
        if n < 1:
            raise ValueError(f"{layout.name}: x has shape {x.shape}: there is nothing to take the mean of")
        mean = namespace(x.array).zeros((m, n), x.dtype)
        for j in range(m):
            start, stop = j * n // m, -(-(j + 1) * n // m)
            mean[j, start:stop] = 1 / (stop - start)
        x = moveaxis(tensordot(x, mean, axes=([i], [1])), -1, i)
    return x


def _public_samples(axes, **options):
    def samples():
        size = (5, 4, 3)[:axes]
        x, first = arrays((2, *size, 2), (2, 2, *size), apart=1.0)
        return [
            Sample(x, 2, **options),
            Sample(x, 2, 1, "same", **options),
            Sample(x, 3, 2, 1, **options),
            Sample(first, (2, 1, 2)[:axes], padding=((0, 1), (0, 0), (1, 0))[:axes], dilations=(2, 1, 1)[:axes],
                   data_format=("NCW", "NCHW", "NCDHW")[axes - 1], **options),
        ]  # fmt: skip

    return samples


def _adaptive_samples(axes):
    def samples():
        x, first = arrays((2, *(5, 4, 3)[:axes], 2), (2, 2, *(5, 4, 3)[:axes]))
        return [
            Sample(x, 1),
            Sample(x, (3, 2, 3)[:axes]),
            Sample(first, 2, data_format=("NCW", "NCHW", "NCDHW")[axes - 1]),
        ]

    return samples


@composed(samples=_public_samples(1))
def max_pool1d(x, size=2, strides=None, padding="valid", dilations=1, data_format="NWC") -> Tensor:
    """The largest of each window, along one axis.

    Parameters
    ----------
    x : array_like, shape (images, width, channels), float
        With ``data_format="NCW"``: (images, channels, width).
    size : int or tuple of int, default 2
        Of the window.
    strides : int or tuple of int, optional
        Steps between windows; `size` by default.
    padding : {"same", "valid"}, int, or an int or pair of ints for each axis, default "valid"
        What lies outside of `x` is never the largest.
    dilations : int or tuple of int, default 1
        Steps between the taps of a window.
    data_format : {"NWC", "NCW"}

    Returns
    -------
    Tensor, shape (images, out width, channels), or with channels first

    Raises
    ------
    ValueError
        If no window fits, a window could lie in the padding only, or an option is none of these.

    Examples
    --------
    >>> max_pool1d(np.arange(4.0).reshape(1, 4, 1)).reshape(2).tolist()
    [1.0, 3.0]
    """
    layout = Layout("max_pool1d", 1, data_format)
    return _max_pooled(layout, x, size, strides, padding, dilations)


@composed(samples=_public_samples(2))
def max_pool2d(x, size=2, strides=None, padding="valid", dilations=1, data_format="NHWC") -> Tensor:
    """The largest of each window, along height and width.

    Parameters
    ----------
    x : array_like, shape (images, height, width, channels), float
        With ``data_format="NCHW"``: (images, channels, height, width).
    size : int or pair of int, default 2
        Of the window.
    strides : int or pair of int, optional
        Steps between windows; `size` by default.
    padding : {"same", "valid"}, int, or an int or pair of ints for each axis, default "valid"
        What lies outside of `x` is never the largest.
    dilations : int or pair of int, default 1
        Steps between the taps of a window.
    data_format : {"NHWC", "NCHW"}

    Returns
    -------
    Tensor, shape (images, out height, out width, channels), or with channels first

    Raises
    ------
    ValueError
        If no window fits, a window could lie in the padding only, or an option is none of these.

    Notes
    -----
    If several places are the largest, the gradient goes to the first one of them, as in PyTorch. NaN wins, and gets no
    gradient.

    Examples
    --------
    >>> max_pool2d(np.arange(16.0).reshape(1, 4, 4, 1)).reshape(2, 2).tolist()
    [[5.0, 7.0], [13.0, 15.0]]
    """
    layout = Layout("max_pool2d", 2, data_format)
    return _max_pooled(layout, x, size, strides, padding, dilations)


@composed(samples=_public_samples(3))
def max_pool3d(x, size=2, strides=None, padding="valid", dilations=1, data_format="NDHWC") -> Tensor:
    """The largest of each window, along depth, height and width.

    Parameters
    ----------
    x : array_like, shape (images, depth, height, width, channels), float
        With ``data_format="NCDHW"``: (images, channels, depth, height, width).
    size : int or three of them, default 2
        Of the window.
    strides : int or three of them, optional
        Steps between windows; `size` by default.
    padding : {"same", "valid"}, int, or an int or pair of ints for each axis, default "valid"
        What lies outside of `x` is never the largest.
    dilations : int or three of them, default 1
        Steps between the taps of a window.
    data_format : {"NDHWC", "NCDHW"}

    Returns
    -------
    Tensor, shape (images, out depth, out height, out width, channels), or with channels first

    Raises
    ------
    ValueError
        If no window fits, a window could lie in the padding only, or an option is none of these.

    Examples
    --------
    >>> max_pool3d(np.arange(64.0).reshape(1, 4, 4, 4, 1)).ravel().tolist()
    [21.0, 23.0, 29.0, 31.0, 53.0, 55.0, 61.0, 63.0]
    """
    layout = Layout("max_pool3d", 3, data_format)
    return _max_pooled(layout, x, size, strides, padding, dilations)


@composed(samples=_public_samples(1))
def avg_pool1d(x, size=2, strides=None, padding="valid", dilations=1, count_padding=False, data_format="NWC") -> Tensor:
    """The mean of each window, along one axis.

    Parameters
    ----------
    x : array_like, shape (images, width, channels), float
        With ``data_format="NCW"``: (images, channels, width).
    size : int or tuple of int, default 2
        Of the window.
    strides : int or tuple of int, optional
        Steps between windows; `size` by default.
    padding : {"same", "valid"}, int, or an int or pair of ints for each axis, default "valid"
        Places outside of `x`, which count as zeros; "same": as in `conv2d`.
    dilations : int or tuple of int, default 1
        Steps between the taps of a window.
    count_padding : bool, default False
        Divide by all places of a window, as PyTorch does by default, and not by those inside of `x`, as TensorFlow.
    data_format : {"NWC", "NCW"}

    Returns
    -------
    Tensor, shape (images, out width, channels), or with channels first

    Raises
    ------
    ValueError
        If no window fits, a window could lie in the padding only, or an option is none of these.

    Examples
    --------
    >>> avg_pool1d(np.arange(4.0).reshape(1, 4, 1)).reshape(2).tolist()
    [0.5, 2.5]
    """
    layout = Layout("avg_pool1d", 1, data_format)
    return _avg_pooled(layout, x, size, strides, padding, dilations, count_padding)


@composed(samples=_public_samples(2))
def avg_pool2d(
    x, size=2, strides=None, padding="valid", dilations=1, count_padding=False, data_format="NHWC"
) -> Tensor:
    """The mean of each window, along height and width.

    Parameters
    ----------
    x : array_like, shape (images, height, width, channels), float
        With ``data_format="NCHW"``: (images, channels, height, width).
    size : int or pair of int, default 2
        Of the window.
    strides : int or pair of int, optional
        Steps between windows; `size` by default.
    padding : {"same", "valid"}, int, or an int or pair of ints for each axis, default "valid"
        Places outside of `x`, which count as zeros; "same": as in `conv2d`.
    dilations : int or pair of int, default 1
        Steps between the taps of a window.
    count_padding : bool, default False
        Divide by all places of a window, as PyTorch does by default, and not by those inside of `x`, as TensorFlow.
    data_format : {"NHWC", "NCHW"}

    Returns
    -------
    Tensor, shape (images, out height, out width, channels), or with channels first

    Raises
    ------
    ValueError
        If no window fits, a window could lie in the padding only, or an option is none of these.

    Examples
    --------
    >>> avg_pool2d(np.arange(16.0).reshape(1, 4, 4, 1)).reshape(2, 2).tolist()
    [[2.5, 4.5], [10.5, 12.5]]
    """
    layout = Layout("avg_pool2d", 2, data_format)
    return _avg_pooled(layout, x, size, strides, padding, dilations, count_padding)


@composed(samples=_public_samples(3))
def avg_pool3d(
    x, size=2, strides=None, padding="valid", dilations=1, count_padding=False, data_format="NDHWC"
) -> Tensor:
    """The mean of each window, along depth, height and width.

    Parameters
    ----------
    x : array_like, shape (images, depth, height, width, channels), float
        With ``data_format="NCDHW"``: (images, channels, depth, height, width).
    size : int or three of them, default 2
        Of the window.
    strides : int or three of them, optional
        Steps between windows; `size` by default.
    padding : {"same", "valid"}, int, or an int or pair of ints for each axis, default "valid"
        Places outside of `x`, which count as zeros; "same": as in `conv2d`.
    dilations : int or three of them, default 1
        Steps between the taps of a window.
    count_padding : bool, default False
        Divide by all places of a window, as PyTorch does by default, and not by those inside of `x`, as TensorFlow.
    data_format : {"NDHWC", "NCDHW"}

    Returns
    -------
    Tensor, shape (images, out depth, out height, out width, channels), or with channels first

    Raises
    ------
    ValueError
        If no window fits, a window could lie in the padding only, or an option is none of these.

    Examples
    --------
    >>> avg_pool3d(np.arange(64.0).reshape(1, 4, 4, 4, 1)).ravel().tolist()
    [10.5, 12.5, 18.5, 20.5, 42.5, 44.5, 50.5, 52.5]
    """
    layout = Layout("avg_pool3d", 3, data_format)
    return _avg_pooled(layout, x, size, strides, padding, dilations, count_padding)


@composed(samples=_adaptive_samples(1))
def adaptive_avg_pool1d(x, output_size, data_format="NWC") -> Tensor:
    """The mean of windows at places and of sizes such that there are `output_size`, along one axis.

    Parameters
    ----------
    x : array_like, shape (images, width, channels), float
        With ``data_format="NCW"``: (images, channels, width).
    output_size : int or tuple of int
        Window `i` of `m` over `n` places goes from ``floor(i * n / m)`` to ``ceil((i + 1) * n / m)``, as in PyTorch.
    data_format : {"NWC", "NCW"}

    Returns
    -------
    Tensor, shape (images, *output_size, channels), or with channels first

    Raises
    ------
    ValueError
        If `x` has another number of dimensions, or no elements to take the mean of.

    Examples
    --------
    >>> adaptive_avg_pool1d(np.ones((2, 5, 3)), 2).shape
    (2, 2, 3)
    """
    return _adapted(Layout("adaptive_avg_pool1d", 1, data_format), x, output_size)


@composed(samples=_adaptive_samples(2))
def adaptive_avg_pool2d(x, output_size, data_format="NHWC") -> Tensor:
    """The mean of windows at places and of sizes such that there are `output_size`, along height and width.

    Parameters
    ----------
    x : array_like, shape (images, height, width, channels), float
        With ``data_format="NCHW"``: (images, channels, height, width).
    output_size : int or pair of int
        Window `i` of `m` over `n` places goes from ``floor(i * n / m)`` to ``ceil((i + 1) * n / m)``, as in PyTorch.
    data_format : {"NHWC", "NCHW"}

    Returns
    -------
    Tensor, shape (images, *output_size, channels), or with channels first

    Raises
    ------
    ValueError
        If `x` has another number of dimensions, or no elements to take the mean of.

    Examples
    --------
    >>> adaptive_avg_pool2d(np.ones((2, 5, 5, 3)), 2).shape
    (2, 2, 2, 3)
    """
    return _adapted(Layout("adaptive_avg_pool2d", 2, data_format), x, output_size)


@composed(samples=_adaptive_samples(3))
def adaptive_avg_pool3d(x, output_size, data_format="NDHWC") -> Tensor:
    """The mean of windows at places and of sizes such that there are `output_size`, along depth, height and width.

    Parameters
    ----------
    x : array_like, shape (images, depth, height, width, channels), float
        With ``data_format="NCDHW"``: (images, channels, depth, height, width).
    output_size : int or three of them
        Window `i` of `m` over `n` places goes from ``floor(i * n / m)`` to ``ceil((i + 1) * n / m)``, as in PyTorch.
    data_format : {"NDHWC", "NCDHW"}

    Returns
    -------
    Tensor, shape (images, *output_size, channels), or with channels first

    Raises
    ------
    ValueError
        If `x` has another number of dimensions, or no elements to take the mean of.

    Examples
    --------
    >>> adaptive_avg_pool3d(np.ones((2, 5, 5, 5, 3)), 2).shape
    (2, 2, 2, 2, 3)
    """
    return _adapted(Layout("adaptive_avg_pool3d", 3, data_format), x, output_size)
