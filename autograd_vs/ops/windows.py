"""Where windows lie on an array: strides, padding, dilations, data formats, for convolutions and pooling. Floor 2."""

from functools import lru_cache
from itertools import product

from ..engine.protocol import Operand
from ..engine.tensor import Tensor
from .shape import moveaxis

__all__ = ["Layout", "numbers", "overlap", "place", "taps"]


class Layout:
    """How the arguments of one function lie: its name, the number of spatial axes, and where the channels are."""

    __slots__ = ("axes", "channels_first", "name")

    def __init__(self, name: str, axes: int, data_format: str):
        last, first = (("NWC", "NCW"), ("NHWC", "NCHW"), ("NDHWC", "NCDHW"))[axes - 1]
        if data_format not in (last, first):
            raise ValueError(f"{name}: data_format is {last!r} or {first!r}, got {data_format!r}")
        self.name, self.axes, self.channels_first = name, axes, data_format == first

    def taken(self, x: Operand) -> Operand:
        """`x` with channels last."""
        if x.ndim != self.axes + 2:
            form = "(images, channels, *size)" if self.channels_first else "(images, *size, channels)"
            raise ValueError(
                f"{self.name}: x has {self.axes + 2} dimensions {form}, got shape {x.shape}; a single one is x[None]"
            )
        return moveaxis(x, 1, -1) if self.channels_first else x

    def given(self, y: Tensor) -> Tensor:
        """The result, in the format that was asked for."""
        return moveaxis(y, -1, 1) if self.channels_first else y

    def numbers(self, value, what: str, least: int = 1) -> tuple[int, ...]:
        """An option as one number for each spatial axis."""
        return numbers(value, self.axes, f"{self.name}: {what}", least)

    def place(self, size, kernel, strides, padding, dilations):
        """The padding in front, and the number of windows, along each axis."""
        return place(size, kernel, strides, padding, dilations, self.name)

    def pairs(self, padding):
        """Explicit padding, in front and behind, along each axis."""
        return _pairs(padding, self.axes, self.name)


def numbers(value, axes: int, what: str, least: int = 1) -> tuple[int, ...]:
    """`value` (one for all axes, or one for each) as a tuple of `axes` integers.

    Raises
    ------
    ValueError
        If there are fewer or more, or one is below `least`.
    """
    found = tuple(value) if isinstance(value, (tuple, list)) else (value,) * axes
    if len(found) != axes or not all(hasattr(n, "__index__") and n >= least for n in found):
        raise ValueError(f"{what} is an integer of at least {least}, or {axes} of them, got {value!r}")
    return tuple([int(n) for n in found])


def place(size, kernel, strides, padding, dilations, name):
    """The padding in front of the array, and the number of windows, along each axis.

    Parameters
    ----------
    size, kernel, strides, dilations : tuple of int
    padding : {"same", "valid"}, int, or one int or pair of ints for each axis
        "same": as many windows as strides; an odd zero goes behind, as in TensorFlow.
    name : str
        Of the function, for messages.

    Raises
    ------
    ValueError
        If the padding is none of these, or no window fits.
    """
    spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    if padding == "same":
        out = [-(-n // s) for n, s in zip(size, strides, strict=True)]
        missing = [max(0, (m - 1) * s + e - n) for m, s, e, n in zip(out, strides, spans, size, strict=True)]
        return tuple([n // 2 for n in missing]), tuple(out)
    pairs = _pairs(padding, len(size), name)
    room = [n + a + b - e for n, (a, b), e in zip(size, pairs, spans, strict=True)]
    if min(room) < 0:
        raise ValueError(
            f"{name}: a window of {tuple(spans)} does not fit into size {tuple(size)} with padding {padding!r}"
        )
    return tuple([a for a, _ in pairs]), tuple([n // s + 1 for n, s in zip(room, strides, strict=True)])


def _pairs(padding, axes, name):
    if padding == "valid":
        return [(0, 0)] * axes
    each = list(padding) if isinstance(padding, (tuple, list)) else [padding] * axes
    pairs = [tuple(p) if isinstance(p, (tuple, list)) else (p, p) for p in each]
    if len(pairs) != axes or not all(len(p) == 2 and all(hasattr(n, "__index__") and n >= 0 for n in p) for p in pairs):
        raise ValueError(
            f'{name}: padding is "same", "valid", an integer, or an integer or a pair of them for each of {axes} axes, '
            f"none negative; got {padding!r}"
        )
    return pairs


@lru_cache(maxsize=512)
def taps(kernel, size, out, strides, low, dilations):
    """Of each tap of the kernel: itself, and the windows that have it inside of the array and where, of all images."""
    return [
        (tap, *((slice(None), *part) for part in overlap(tap, size, out, strides, low, dilations)))
        for tap in product(*map(range, kernel))
    ]


@lru_cache(maxsize=4096)
def overlap(tap, size, out, strides, low, dilations):
    """Where windows have this tap inside of the array: slices of the windows, and of the array."""
    inside, places = [], []
    for t, n, m, s, p, d in zip(tap, size, out, strides, low, dilations, strict=True):
        at = t * d - p  # of the first window
        start = max(0, -(at // s))
        stop = max(start, min(m, (n - 1 - at) // s + 1))
        inside.append(slice(start, stop))
        places.append(slice(start * s + at, max(start * s + at, (stop - 1) * s + at + 1), s))
    return tuple(inside), tuple(places)
