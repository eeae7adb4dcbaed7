"""Resizing of signals, images and volumes: interpolation along one axis after the other. Floor 2.

Each output of an axis is a sum of a few inputs (`taps`) with weights: a sparse matrix, which is never formed. Its
transpose, the gradient, adds the weighted outputs up at the inputs.
"""

import numpy as np

from ..base.backend import namespace
from ..engine.declare import composed, primitive
from ..engine.samples import Sample, arrays
from ..engine.tensor import Tensor, as_tensor
from .index import scatter_rows
from .shape import valued

__all__ = ["resize"]

_TAPS = {"nearest": 1, "nearest-exact": 1, "linear": 2, "cubic": 4}
_ALIASES = {"bilinear": "linear", "trilinear": "linear", "bicubic": "cubic"}
_LAST, _FIRST = ("NHWC", "NWC", "NDHWC"), ("NCHW", "NCW", "NCDHW")


def _taps(xp, n, size, method, align_corners, dtype):
    """For each tap: which of `n` inputs each of `size` outputs takes, and with which weight (None: 1)."""
    out = xp.arange(size)
    if method == "nearest":
        return [(out * n // size, None)]
    if method == "nearest-exact":
        return [((2 * out + 1) * n // (2 * size), None)]
    where = out * ((n - 1) / max(1, size - 1)) if align_corners else (out + 0.5) * (n / size) - 0.5
    if method == "linear":
        where = np.maximum(where, 0.0)
    below = np.floor(where)
    t = where - below
    first = below.astype(np.intp)
    weights = (1.0 - t, t) if method == "linear" else _cubic(t)
    start = 0 if method == "linear" else -1
    return [((first + (i + start)).clip(0, n - 1), w.astype(dtype)) for i, w in enumerate(weights)]


def _cubic(t, a=-0.75):
    """The weights of the four neighbours, by the distance `t` from the second (R. Keys, 1981)."""

    def near(s):
        return ((a + 2.0) * s - (a + 3.0)) * s * s + 1.0

    def far(s):
        return ((a * s - 5.0 * a) * s + 8.0 * a) * s - 4.0 * a

    return far(t + 1.0), near(t), near(1.0 - t), far(2.0 - t)


def _weight_dtype(x):
    return x.real.dtype if x.dtype.kind in "fc" else np.float64


def _along(w, axis, ndim):
    return w.reshape((-1,) + (1,) * (ndim - axis - 1))


_SAMPLES = [
    (2, 5, "linear", False), (1, 7, "linear", True), (1, 2, "linear", False), (1, 7, "cubic", False),
    (0, 3, "cubic", True), (1, 5, "nearest", False), (1, 2, "nearest", False), (2, 7, "nearest-exact", False),
    (1, 1, "linear", True),
]  # fmt: skip


@primitive(
    vjp={"x": lambda g, x_shape, axis, method, align_corners: _unresized.inner(
        g, axis, x_shape[axis], method, align_corners
    )},
    linear="each", name="resize",
    samples=lambda: [
        *(Sample(arrays((2, 3, 2)), *rest) for rest in _SAMPLES),
        Sample(arrays((6, 4))[::2, ::-2].T, 1, 4, "linear", False),
        Sample(arrays((2, 3), dtype=complex), 1, 4, "linear", False), Sample(arrays((0, 3)), 1, 4, "cubic", False),
        Sample(arrays((2, 3), dtype=np.float32), 1, 4, "cubic", False, smooth=False),
    ],
)  # fmt: skip
def _resized(x, axis, size, method, align_corners):
    """`x` with `size` elements along one axis."""
    y = None
    for taken, weights in _taps(namespace(x), x.shape[axis], size, method, align_corners, _weight_dtype(x)):
        part = x.take(taken, axis)
        if weights is None:
            return part
        part = part * _along(weights, axis, x.ndim)
        if y is None:
            y = part
        else:
            y += part
    return y


@primitive(
    vjp={"g": lambda g, g_shape, axis, method, align_corners: _resized.inner(
        g, axis, g_shape[axis], method, align_corners
    )},
    linear="each", arity=1, name="unresize",
    samples=lambda: [
        *(Sample(arrays((2, 3, 2)), *rest) for rest in _SAMPLES), Sample(arrays((0, 3)), 1, 4, "linear", False),
    ],
)  # fmt: skip
def _unresized(g, axis, n, method, align_corners):
    """The transpose of `resize`: what each of `n` inputs has given, added up."""
    xp = namespace(g)
    rows = g.swapaxes(0, axis)
    taps = _taps(xp, n, g.shape[axis], method, align_corners, _weight_dtype(g))
    parts = [rows if w is None else rows * _along(w, 0, g.ndim) for _, w in taps]
    taken = xp.concatenate([indices for indices, _ in taps])
    return scatter_rows.op.forward(xp.concatenate(parts), taken, (n, *rows.shape[1:])).swapaxes(0, axis)


@composed(
    home="nn",
    samples=lambda: [
        Sample(arrays((1, 3, 2, 1)), (4, 5)), Sample(arrays((2, 3, 2)), 4),
        Sample(arrays((1, 2, 3)), 5, data_format="NCHW"),
        Sample(arrays((1, 2, 3, 2)), (3, 3), "bicubic", align_corners=True), Sample(arrays((1, 2, 3, 1)), (2, 3)),
        Sample(arrays((1, 2, 2, 2, 1)), (3, 1, 2), "trilinear"), Sample(arrays((1, 3, 2, 1)), (4, 5), "nearest"),
        Sample(arrays((1, 3, 2, 1)), (4, 5), "nearest-exact"),
    ]
)  # fmt: skip
def resize(x, size, method="bilinear", align_corners=False, data_format="NHWC") -> Tensor:
    """Signals, images or volumes brought to another size by interpolation.

    Parameters
    ----------
    x : array_like, shape (batch, ..., channels), float
        With one or more spatial dimensions.
    size : int or tuple of int
        The new size: one number for each spatial dimension, or one for all of them.
    method : {"bilinear", "nearest", "nearest-exact", "bicubic"}
        "linear" and "trilinear" mean "bilinear", "cubic" means "bicubic", in any number of dimensions. "nearest" takes
        the input that the left edge of the output falls into, as in PyTorch and TensorFlow 1; "nearest-exact" that of
        its centre, as in TensorFlow 2.
    align_corners : bool, default False
        Whether the centres of the first and last elements stay where they are (True), or the outer edges (False).
        Without meaning for "nearest".
    data_format : {"NHWC", "NCHW"}
        Where the channels are: last, or in the place 1. Names for other ranks (NWC, NCDHW) are taken, too.

    Returns
    -------
    Tensor

    Raises
    ------
    ValueError
        If an argument is none of these, or `size` does not fit `x`.

    Notes
    -----
    PyTorch's ``F.interpolate`` without antialiasing; the cubic coefficient is -0.75. When an image becomes smaller,
    each output still looks at its 2 or 4 neighbours only.

    References
    ----------
    R. G. Keys, "Cubic convolution interpolation for digital image processing", IEEE Trans. ASSP 29 (1981).

    Examples
    --------
    >>> resize(Tensor(np.array([[[0.0], [1.0]]])), 4).numpy()[0, :, 0].tolist()
    [0.0, 0.25, 0.75, 1.0]
    """
    x = as_tensor(x)
    method = _ALIASES.get(method, method)
    if method not in _TAPS:
        raise ValueError(f"resize: method is one of {', '.join([*_TAPS, *_ALIASES])}, got {method!r}")
    if align_corners and method.startswith("nearest"):
        raise ValueError("resize: align_corners=True has no meaning for the nearest element")
    if data_format not in _LAST + _FIRST:
        raise ValueError(f"resize: data_format is one of {', '.join(_LAST + _FIRST)}, got {data_format!r}")
    axes = range(1, x.ndim - 1) if data_format in _LAST else range(2, x.ndim)
    sizes = (size,) * len(axes) if not hasattr(size, "__len__") else tuple(size)
    if x.ndim < 3 or len(sizes) != len(axes) or any(n < 1 for n in sizes) or not all(x.shape[i] for i in axes):
        raise ValueError(f"resize: size {size} does not fit x of shape {x.shape} in the format {data_format}")
    for axis, n in zip(axes, sizes, strict=True):
        if n != x.shape[axis]:
            x = _resized(x, axis, int(n), method, bool(align_corners))
    return valued(x)
