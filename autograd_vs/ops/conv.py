"""Convolutions in one, two and three dimensions, and their transposes. Floor 2.

Three ops, each linear in both of its arguments, are each other's gradients: `conv`, `conv_transpose` (the gradient of
`conv` with respect to its input) and `conv_filters` (that with respect to the filters). They take channels last, and
every option as one number for each spatial axis; the public functions bring their arguments to that form. How they are
computed is told in `columns.py`.
"""

from math import prod
from typing import Any

import numpy as np

from ..base.backend import kernel, namespace
from ..base.threads import share
from ..engine.declare import composed, primitive
from ..engine.samples import Sample, arrays
from ..engine.tensor import Tensor, as_tensor
from .columns import FEW, gather_product, kernel_product, scatter_product
from .shape import astype, reshape
from .windows import Layout, taps

__all__ = [
    "conv1d", "conv1d_transpose", "conv2d", "conv2d_transpose", "conv3d", "conv3d_transpose", "depthwise_conv2d",
]  # fmt: skip

# ---------------------------------------------------------------- the three ops
# Geometry: strides, low (the padding in front), dilations: a number for each axis; groups; the size of the result.


def _conv_samples():
    one = (1,), (0,), (1,), 1
    found = [
        Sample(*arrays((2, 5, 3), (2, 3, 4)), *one, (4,)),
        Sample(*arrays((2, 5, 1), (3, 1, 2)), (2,), (1,), (1,), 1, (3,)),
        Sample(*arrays((2, 5, 2), (2, 2, 2)), (1,), (1,), (2,), 1, (4,)),
        Sample(*arrays((1, 6, 4), (2, 2, 4)), (3,), (0,), (1,), 2, (2,)),
        Sample(*arrays((2, 4, 3), (3, 1, 3)), (1,), (1,), (1,), 3, (4,)),
        Sample(*arrays((2, 4, 2), (2, 1, 4)), (2,), (1,), (1,), 2, (3,)),
        Sample(*arrays((1, 4, 4, 2), (3, 2, 2, 3)), (1, 1), (1, 0), (1, 1), 1, (4, 3)),
        Sample(*arrays((2, 3, 5, 1), (2, 2, 1, 2)), (2, 1), (0, 1), (1, 2), 1, (1, 5)),
        Sample(*arrays((1, 2, 3, 2, 1), (2, 1, 2, 1, 2)), (1, 2, 1), (0, 0, 1), (1, 1, 1), 1, (1, 2, 3)),
        Sample(*arrays((0, 4, 2), (2, 2, 3)), *one, (3,)),
        Sample(arrays((6, 8, 2))[::3, ::-2].swapaxes(0, 1), arrays((2, 2, 3), seed=1)[::-1], *one, (1,)),
        Sample(*arrays((2, 4, 2), (2, 2, 3), dtype=complex), *one, (3,)),
        Sample(*[a.astype(np.float32) for a in arrays((2, 5, 3), (2, 3, 4))], *one, (4,), smooth=False),
    ]
    return found


def _samples_with(of):
    """The samples of an op, with what comes in the place of its first and second argument, and its size."""

    def samples():
        found = []
        for s in _conv_samples():
            x, filters, *geometry, out = s.args
            y = conv.op.forward(x, filters, *geometry, out)
            found.append(Sample(*of(x, filters, y, geometry), smooth=s.smooth))
        return found

    return samples


@primitive(
    vjp={
        "x": lambda g, filters, strides, low, dilations, groups, x_shape: conv_transpose.inner(
            g, filters, strides, low, dilations, groups, x_shape[1:-1]
        ),
        "filters": lambda g, x, strides, low, dilations, groups, filters_shape: conv_filters.inner(
            x, g, strides, low, dilations, groups, filters_shape[:-2]
        ),
    },
    linear="each", samples=_conv_samples,
)  # fmt: skip
def conv(x, filters, strides, low, dilations, groups, out):
    """For each of `out` windows of `x` the products with the filters, summed."""
    if groups == 1:
        return gather_product(x, filters, strides, low, dilations, out)
    if filters.shape[-2] == 1:
        return _by_channel(x, filters, strides, low, dilations, out)
    parts = _parts(filters.shape, groups)
    return _joined([
        gather_product(x[..., c], filters[..., f], strides, low, dilations, out) for c, f in parts
    ])  # fmt: skip


@primitive(
    vjp={
        "a": lambda g, filters, strides, low, dilations, groups, a_shape: conv.inner(
            g, filters, strides, low, dilations, groups, a_shape[1:-1]
        ),
        "filters": lambda g, a, strides, low, dilations, groups, filters_shape: conv_filters.inner(
            g, a, strides, low, dilations, groups, filters_shape[:-2]
        ),
    },
    linear="each",
    samples=_samples_with(lambda x, filters, y, geometry: (y, filters, *geometry, x.shape[1:-1])),
)  # fmt: skip
def conv_transpose(a, filters, strides, low, dilations, groups, size):
    """What each window gives back to an array of that size: the gradient of `conv` with respect to `x`."""
    if groups == 1:
        return _spread_product(a, filters, strides, low, dilations, size)
    if filters.shape[-2] == 1:
        return _by_channel_back(a, filters, strides, low, dilations, groups, size)
    parts = _parts(filters.shape, groups)
    return _joined([
        _spread_product(a[..., f], filters[..., f], strides, low, dilations, size) for _, f in parts
    ])  # fmt: skip


@primitive(
    vjp={
        "x": lambda g, a, strides, low, dilations, groups, x_shape: conv_transpose.inner(
            a, g, strides, low, dilations, groups, x_shape[1:-1]
        ),
        "a": lambda g, x, strides, low, dilations, groups, a_shape: conv.inner(
            x, g, strides, low, dilations, groups, a_shape[1:-1]
        ),
    },
    linear="each",
    samples=_samples_with(lambda x, filters, y, geometry: (x, y, *geometry, filters.shape[:-2])),
)  # fmt: skip
def conv_filters(x, a, strides, low, dilations, groups, kernel):
    """The sum over all windows of `x`, times `a`: the gradient of `conv` with respect to its filters."""
    if groups == 1:
        return kernel_product(x, a, kernel, strides, low, dilations)
    if x.shape[-1] == groups:
        return _by_channel_filters(x, a, kernel, strides, low, dilations)
    channels, features = x.shape[-1] // groups, a.shape[-1] // groups
    return _joined([
        kernel_product(
            x[..., i * channels : (i + 1) * channels], a[..., i * features : (i + 1) * features],
            kernel, strides, low, dilations,
        )
        for i in range(groups)
    ])  # fmt: skip


def _spread_product(y, filters, strides, low, dilations, size):
    if prod(strides) > 1 or filters.shape[-2] <= FEW:
        return scatter_product(y, filters, strides, low, dilations, size)
    # With strides of 1 each place of `x` gathers from windows of `y`: the same product, with the filters turned round,
    # and faster than adding up what was scattered, except where it leaves BLAS few columns.
    kernel = filters.shape[:-2]
    turned = filters[(slice(None, None, -1),) * len(kernel)].swapaxes(-1, -2)
    before = tuple([(k - 1) * d - p for k, d, p in zip(kernel, dilations, low, strict=True)])
    return gather_product(y, turned, strides, before, dilations, size)


def _parts(shape, groups):
    """The channels and the features of each group."""
    channels, features = shape[-2], shape[-1] // groups
    return [(slice(i * channels, (i + 1) * channels), slice(i * features, (i + 1) * features)) for i in range(groups)]


def _joined(parts):
    return namespace(parts[0]).concatenate(parts, axis=-1)


# ---------------------------------------------------------------- one channel to a group: products element by element

NUMBERS = 1 << 16  # in a block of images, which then stays in the cache


def _blocks(x, y):
    """Slices of images."""
    step = max(1, NUMBERS // max(1, prod(x.shape[1:]), prod(y.shape[1:])))
    return [slice(i, i + step) for i in range(0, len(x), step)]


@kernel
def _by_channel(x, filters, strides, low, dilations, out):
    kernel, channels = filters.shape[:-2], x.shape[-1]
    weights = filters.reshape((*kernel, channels, filters.shape[-1] // channels))
    y = namespace(x).zeros((len(x), *out, *weights.shape[-2:]), x.dtype)
    where = taps(kernel, x.shape[1:-1], out, strides, low, dilations)

    def work(blocks):
        for images in blocks:
            for tap, inside, places in where:
                y[images][inside] += x[images][places][..., None] * weights[tap]

    share(work, _blocks(x, y))
    return y.reshape((len(x), *out, filters.shape[-1]))


@kernel
def _by_channel_back(y, filters, strides, low, dilations, channels, size):
    kernel, out, several = filters.shape[:-2], y.shape[1:-1], filters.shape[-1] // channels
    weights = filters.reshape((*kernel, channels, several))
    y = y.reshape((*y.shape[:-1], channels, several))
    x = namespace(y).zeros((len(y), *size, channels), y.dtype)
    where = taps(kernel, size, out, strides, low, dilations)

    def work(blocks):
        for images in blocks:
            for tap, inside, places in where:
                part = y[images][inside] * weights[tap]
                x[images][places] += part[..., 0] if several == 1 else part.sum(axis=-1)

    share(work, _blocks(x, y))
    return x


@kernel
def _by_channel_filters(x, y, kernel, strides, low, dilations):
    channels, several = x.shape[-1], y.shape[-1] // x.shape[-1]
    filters = namespace(x).zeros((*kernel, channels, several), x.dtype)
    parts = y.reshape((*y.shape[:-1], channels, several))
    blocks = _blocks(x, y)

    def work(some):  # each thread has taps of its own, and adds in the order of the images
        for images in blocks:
            for tap, inside, places in some:
                found = x[images][places][..., None] * parts[images][inside]
                filters[tap] += found.sum(axis=tuple(range(found.ndim - 2)))

    share(work, taps(kernel, x.shape[1:-1], y.shape[1:-1], strides, low, dilations))
    return filters.reshape((*kernel, 1, channels * several))


# ---------------------------------------------------------------- the public functions


def _convolved(layout, x, filters, strides, padding, dilations, groups) -> Tensor:
    x, filters = _promoted(layout.taken(as_tensor(x)), as_tensor(filters))
    strides, dilations = layout.numbers(strides, "strides"), layout.numbers(dilations, "dilations")
    *kernel, channels, features = _checked(layout, filters, groups)
    if x.shape[-1] != channels * groups or features % groups:
        raise ValueError(
            f"{layout.name}: x has {x.shape[-1]} channels, filters of shape {filters.shape} (*kernel, channels, "
            f"features) take {channels * groups} with groups={groups}, and features are a multiple of the groups"
        )
    low, out = layout.place(x.shape[1:-1], kernel, strides, padding, dilations)
    return layout.given(conv(x, filters, strides, low, dilations, groups, out))


def _transposed(layout, x, filters, strides, padding, dilations, groups, output_size) -> Tensor:
    x, filters = _promoted(layout.taken(as_tensor(x)), as_tensor(filters))
    strides, dilations = layout.numbers(strides, "strides"), layout.numbers(dilations, "dilations")
    *kernel, _, features = _checked(layout, filters, groups)
    if x.shape[-1] != features or features % groups:
        raise ValueError(
            f"{layout.name}: x has {x.shape[-1]} channels, filters of shape {filters.shape} (*kernel, channels of the "
            f"result / groups, channels of x) take {features}, which must be a multiple of groups={groups}"
        )
    if output_size is None:
        size = _natural_size(layout, x.shape[1:-1], kernel, strides, padding, dilations)
    else:
        size = layout.numbers(output_size, "output_size")
    low, out = layout.place(size, kernel, strides, padding, dilations)
    if out != x.shape[1:-1]:
        raise ValueError(
            f"{layout.name}: from size {size} strides {strides} and padding {padding!r} lead to {out}, but x has size "
            f"{x.shape[1:-1]}: no convolution goes that way"
        )
    return layout.given(conv_transpose(x, filters, strides, low, dilations, groups, size))


def _natural_size(layout, out, kernel, strides, padding, dilations):
    """The size that a convolution has come from: the least one, or that of TensorFlow where padding is by name."""
    if padding == "same":
        return tuple([m * s for m, s in zip(out, strides, strict=True)])
    spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    if padding == "valid":
        return tuple([m * s + max(e - s, 0) for m, s, e in zip(out, strides, spans, strict=True)])
    pairs = layout.pairs(padding)
    return tuple([(m - 1) * s + e - a - b for m, s, e, (a, b) in zip(out, strides, spans, pairs, strict=True)])


def _checked(layout, filters, groups):
    if filters.ndim != layout.axes + 2:
        raise ValueError(
            f"{layout.name}: filters have {layout.axes + 2} dimensions (*kernel, channels, features), got shape "
            f"{filters.shape}"
        )
    if not (hasattr(groups, "__index__") and groups >= 1):
        raise ValueError(f"{layout.name}: groups is a positive integer, got {groups!r}")
    return filters.shape


def _promoted(x, filters):
    if x.dtype == filters.dtype:
        return x, filters
    dtype = np.result_type(x.dtype, filters.dtype)
    return astype(x, dtype), astype(filters, dtype)


def _public_samples(axes, transposed=False):
    """Ordinary arguments in both formats, with each kind of padding."""

    def samples():
        size, kernel = (5, 4, 3)[:axes], (3, 2, 2)[:axes]
        x, filters = arrays((2, *size, 3 if transposed else 2), (*kernel, 2, 3))
        first = arrays((2, x.shape[-1], *size), seed=1)
        each: Any = {"padding": ((1, 1), (0, 1), (1, 0))[:axes], "data_format": ("NCW", "NCHW", "NCDHW")[axes - 1]}
        if transposed:
            sized = tuple([2 * n - 1 for n in size])
            grouped = Sample(x[..., :2], filters[..., :2], groups=2, strides=2, output_size=sized)
        else:
            grouped = Sample(x, filters[..., :1, :2], groups=2, dilations=(1, 2, 1)[:axes])
        return [
            Sample(x, filters), Sample(x, filters, 2, "valid"), Sample(x, filters, padding=1),
            Sample(first, filters, **each), grouped,
        ]  # fmt: skip

    return samples


@composed(samples=_public_samples(1))
def conv1d(x, filters, strides=1, padding="same", dilations=1, groups=1, data_format="NWC") -> Tensor:
    """A convolution along one axis.

    Parameters
    ----------
    x : array_like, shape (images, width, channels), float or complex
        With ``data_format="NCW"``: (images, channels, width).
    filters : array_like, shape (kernel width, channels / groups, features)
        They are not turned round: it is a cross-correlation, as in all frameworks.
    strides, dilations : int or tuple of int, default 1
        Steps between windows, and between the taps of a window.
    padding : {"same", "valid"}, int, or an int or pair of ints for each axis, default "same"
        Zeros around `x`. "same": ``ceil(size / stride)`` windows, the odd zero behind; "valid": none.
    groups : int, default 1
        Channels and features are cut into so many groups, each convolved by itself; as many as channels: depthwise.
    data_format : {"NWC", "NCW"}

    Returns
    -------
    Tensor, shape (images, out width, features), or with channels first

    Raises
    ------
    ValueError
        If shapes do not fit, no window fits, or an option is none of these.

    Examples
    --------
    >>> conv1d(np.ones((1, 5, 1)), np.ones((3, 1, 2)), padding="valid").shape
    (1, 3, 2)
    """
    layout = Layout("conv1d", 1, data_format)
    return _convolved(layout, x, filters, strides, padding, dilations, groups)


@composed(samples=_public_samples(1, transposed=True))
def conv1d_transpose(
    x, filters, strides=1, padding="same", dilations=1, groups=1, output_size=None, data_format="NWC"
) -> Tensor:
    """The transpose of `conv1d`: what the gradient of its input is computed by; with strides it makes arrays larger.

    Parameters
    ----------
    x : array_like, shape (images, width, channels), float or complex
        With ``data_format="NCW"``: (images, channels, width).
    filters : array_like, shape (kernel width, features / groups, channels)
        Those of the convolution that goes the other way, as in TensorFlow.
    strides, padding, dilations, groups, data_format
        Those of that convolution: see `conv1d`.
    output_size : int or tuple of int, optional
        The size of the result, where several lead to that of `x`. By default ``size * strides`` with "same",
        TensorFlow's with "valid", and the least one (PyTorch's without ``output_padding``) with explicit padding.

    Returns
    -------
    Tensor, shape (images, out width, features), or with channels first

    Raises
    ------
    ValueError
        If shapes do not fit, or no convolution leads from `output_size` to the size of `x`.

    Examples
    --------
    >>> conv1d_transpose(np.ones((1, 5, 1)), np.ones((3, 2, 1)), strides=2).shape
    (1, 10, 2)
    """
    layout = Layout("conv1d_transpose", 1, data_format)
    return _transposed(layout, x, filters, strides, padding, dilations, groups, output_size)


@composed(samples=_public_samples(2))
def conv2d(x, filters, strides=1, padding="same", dilations=1, groups=1, data_format="NHWC") -> Tensor:
    """A convolution of images.

    Parameters
    ----------
    x : array_like, shape (images, height, width, channels), float or complex
        With ``data_format="NCHW"``: (images, channels, height, width).
    filters : array_like, shape (kernel height, kernel width, channels / groups, features)
        They are not turned round: it is a cross-correlation, as in all frameworks.
    strides, dilations : int or pair of int, default 1
        Steps between windows, and between the taps of a window.
    padding : {"same", "valid"}, int, or an int or pair of ints for each axis, default "same"
        Zeros around `x`. "same": ``ceil(size / stride)`` windows, the odd zero behind; "valid": none.
    groups : int, default 1
        Channels and features are cut into so many groups, each convolved by itself; as many as channels: depthwise.
    data_format : {"NHWC", "NCHW"}

    Returns
    -------
    Tensor, shape (images, out height, out width, features), or with channels first

    Raises
    ------
    ValueError
        If shapes do not fit, no window fits, or an option is none of these.

    Notes
    -----
    It is computed as products of matrices, in blocks that stay in the cache: the memory for them is bounded, whatever
    the sizes.

    Examples
    --------
    >>> conv2d(np.ones((1, 5, 5, 1)), np.ones((3, 3, 1, 2)), padding="valid").shape
    (1, 3, 3, 2)
    """
    layout = Layout("conv2d", 2, data_format)
    return _convolved(layout, x, filters, strides, padding, dilations, groups)


@composed(samples=_public_samples(2, transposed=True))
def conv2d_transpose(
    x, filters, strides=1, padding="same", dilations=1, groups=1, output_size=None, data_format="NHWC"
) -> Tensor:
    """The transpose of `conv2d`: what the gradient of its input is computed by; with strides it makes arrays larger.

    Parameters
    ----------
    x : array_like, shape (images, height, width, channels), float or complex
        With ``data_format="NCHW"``: (images, channels, height, width).
    filters : array_like, shape (kernel height, kernel width, features / groups, channels)
        Those of the convolution that goes the other way, as in TensorFlow.
    strides, padding, dilations, groups, data_format
        Those of that convolution: see `conv2d`.
    output_size : int or pair of int, optional
        The size of the result, where several lead to that of `x`. By default ``size * strides`` with "same",
        TensorFlow's with "valid", and the least one (PyTorch's without ``output_padding``) with explicit padding.

    Returns
    -------
    Tensor, shape (images, out height, out width, features), or with channels first

    Raises
    ------
    ValueError
        If shapes do not fit, or no convolution leads from `output_size` to the size of `x`.

    Examples
    --------
    >>> conv2d_transpose(np.ones((1, 5, 5, 1)), np.ones((3, 3, 2, 1)), strides=2).shape
    (1, 10, 10, 2)
    """
    layout = Layout("conv2d_transpose", 2, data_format)
    return _transposed(layout, x, filters, strides, padding, dilations, groups, output_size)


@composed(samples=_public_samples(3))
def conv3d(x, filters, strides=1, padding="same", dilations=1, groups=1, data_format="NDHWC") -> Tensor:
    """A convolution of volumes.

    Parameters
    ----------
    x : array_like, shape (images, depth, height, width, channels), float or complex
        With ``data_format="NCDHW"``: (images, channels, depth, height, width).
    filters : array_like, shape (kernel depth, kernel height, kernel width, channels / groups, features)
        They are not turned round: it is a cross-correlation, as in all frameworks.
    strides, dilations : int or three of them, default 1
        Steps between windows, and between the taps of a window.
    padding : {"same", "valid"}, int, or an int or pair of ints for each axis, default "same"
        Zeros around `x`. "same": ``ceil(size / stride)`` windows, the odd zero behind; "valid": none.
    groups : int, default 1
        Channels and features are cut into so many groups, each convolved by itself; as many as channels: depthwise.
    data_format : {"NDHWC", "NCDHW"}

    Returns
    -------
    Tensor, shape (images, out depth, out height, out width, features), or with channels first

    Raises
    ------
    ValueError
        If shapes do not fit, no window fits, or an option is none of these.

    Examples
    --------
    >>> conv3d(np.ones((1, 5, 5, 5, 1)), np.ones((3, 3, 3, 1, 2)), padding="valid").shape
    (1, 3, 3, 3, 2)
    """
    layout = Layout("conv3d", 3, data_format)
    return _convolved(layout, x, filters, strides, padding, dilations, groups)


@composed(samples=_public_samples(3, transposed=True))
def conv3d_transpose(
    x, filters, strides=1, padding="same", dilations=1, groups=1, output_size=None, data_format="NDHWC"
) -> Tensor:
    """The transpose of `conv3d`: what the gradient of its input is computed by; with strides it makes arrays larger.

    Parameters
    ----------
    x : array_like, shape (images, depth, height, width, channels), float or complex
        With ``data_format="NCDHW"``: (images, channels, depth, height, width).
    filters : array_like, shape (kernel depth, kernel height, kernel width, features / groups, channels)
        Those of the convolution that goes the other way, as in TensorFlow.
    strides, padding, dilations, groups, data_format
        Those of that convolution: see `conv3d`.
    output_size : int or three of them, optional
        The size of the result, where several lead to that of `x`. By default ``size * strides`` with "same",
        TensorFlow's with "valid", and the least one (PyTorch's without ``output_padding``) with explicit padding.

    Returns
    -------
    Tensor, shape (images, out depth, out height, out width, features), or with channels first

    Raises
    ------
    ValueError
        If shapes do not fit, or no convolution leads from `output_size` to the size of `x`.

    Examples
    --------
    >>> conv3d_transpose(np.ones((1, 5, 5, 5, 1)), np.ones((3, 3, 3, 2, 1)), strides=2).shape
    (1, 10, 10, 10, 2)
    """
    layout = Layout("conv3d_transpose", 3, data_format)
    return _transposed(layout, x, filters, strides, padding, dilations, groups, output_size)


@composed(
    samples=lambda: [
        Sample(*arrays((2, 4, 5, 3), (3, 2, 3, 1))),
        Sample(*arrays((2, 4, 5, 2), (2, 2, 2, 3)), 2, "valid"),
        Sample(*arrays((1, 2, 4, 3), (3, 2, 2, 1)), dilations=(1, 2), data_format="NCHW"),
    ],
)
def depthwise_conv2d(x, filters, strides=1, padding="same", dilations=1, data_format="NHWC") -> Tensor:
    """A convolution of each channel by itself: `conv2d` with as many groups as channels.

    Parameters
    ----------
    x : array_like, shape (images, height, width, channels)
    filters : array_like, shape (kernel height, kernel width, channels, multiplier)
    strides, padding, dilations, data_format
        As in `conv2d`.

    Returns
    -------
    Tensor, shape (images, out height, out width, channels * multiplier), or with channels first

    Raises
    ------
    ValueError
        As `conv2d` does.

    Examples
    --------
    >>> depthwise_conv2d(np.ones((1, 4, 4, 3)), np.ones((2, 2, 3, 2))).shape
    (1, 4, 4, 6)
    """
    filters = as_tensor(filters)
    if filters.ndim != 4:
        raise ValueError(
            f"depthwise_conv2d: filters have the shape (height, width, channels, multiplier), got {filters.shape}"
        )
    height, width, channels, several = filters.shape
    grouped = reshape(filters, (height, width, 1, channels * several))
    return _convolved(
        Layout("depthwise_conv2d", 2, data_format), x, grouped, strides, padding, dilations, max(1, channels)
    )
