"""`numpy.fft`: discrete Fourier transforms. Floor 2; loaded at first use (`later.py`).

Three ops transform along axes as long as they are: complex to complex, real to half of a complex spectrum, and back.
The matrix of a transform is symmetric, so the rule of each is a transform again. Sizes (`n`, `s`), which crop or pad
first, and axes that occur twice are made of these.
"""

from operator import index
from typing import Any

import numpy as np

from ..base.backend import namespace
from ..engine.cotangent import bare
from ..engine.declare import composed, primitive
from ..engine.samples import Sample, arrays, zeros
from ..engine.tensor import Tensor, as_tensor
from .elementwise import conjugate
from .rearrange import pad
from .shape import axis_of, cast, roll, valued

__all__ = [
    "fft", "fft2", "fftn", "fftshift", "hfft", "ifft", "ifft2", "ifftn", "ifftshift", "ihfft", "irfft", "irfft2",
    "irfftn", "rfft", "rfft2", "rfftn",
]  # fmt: skip

# The norm with which the transform the other way is scaled in the same way.
_SWAPPED = {None: "forward", "backward": "forward", "forward": "backward", "ortho": "ortho"}

# ---------------------------------------------------------------- the three transforms


def _complex_samples():
    x, z = arrays((2, 3, 4)), arrays((2, 3), dtype=complex)
    return [
        Sample(x, (1,), False, "backward"),
        Sample(x, (2, 0), True, "ortho"),
        Sample(z, (0, 1), False, "forward"),
        Sample(z[:, ::-2], (1,), True, "backward"),
        Sample(zeros((0, 3)), (1,), False, "backward"),
        Sample(z.astype(np.complex64), (0,), False, "ortho", smooth=False),
    ]


@primitive(
    vjp={"a": lambda g, a_dtype, axes, inverse, norm: cast(_complex.inner(g, axes, inverse, norm), a_dtype)},
    linear="each", name="fft_complex", samples=_complex_samples,
)  # fmt: skip
def _complex(a, axes, inverse, norm):
    """The transform along different axes, or the inverse one."""
    fft = namespace(a).fft
    if len(axes) == 1:
        return (fft.ifft if inverse else fft.fft)(a, None, axes[0], norm)
    return (fft.ifftn if inverse else fft.fftn)(a, None, axes, norm)


def _weighted(g, n, axis, weight):
    """`g`, half of a spectrum of `n` numbers, times a weight for those that stand for two."""
    w = namespace(bare(g)).full(n // 2 + 1, weight, np.finfo(g.dtype).dtype)
    w[0] = 1.0
    if n % 2 == 0:
        w[-1] = 1.0
    return g * w.reshape((-1,) + (1,) * (g.ndim - 1 - axis))


def _real_vjp(g, a_shape, a_dtype, axis, norm):
    """The real part of the transform of `g`, with zeros for the other half: the inverse of its conjugate gives that."""
    n = a_shape[axis]
    return cast(_real_inverse.inner(_weighted(np.conjugate(g), n, axis, 0.5), n, axis, _SWAPPED[norm]), a_dtype)


@primitive(
    vjp={"a": _real_vjp}, linear="each", name="fft_real",
    samples=lambda: [
        *[Sample(arrays((2, n)), 1, "backward") for n in (1, 2, 3, 4, 5)],
        Sample(arrays((4, 2)), 0, "ortho"),
        Sample(arrays((6, 3))[::2].T, 1, "forward"),
        Sample(arrays((3, 0)), 0, "backward"),
        Sample(arrays((2, 4)).astype(np.float32), 1, "backward", smooth=False),
    ],
)  # fmt: skip
def _real(a, axis, norm):
    """The first half of the spectrum of real numbers."""
    return namespace(a).fft.rfft(a, None, axis, norm)


def _real_inverse_vjp(g, a_dtype, n, axis, norm):
    return cast(_weighted(np.conjugate(_real.inner(g, axis, _SWAPPED[norm])), n, axis, 2.0), a_dtype)


@primitive(
    vjp={"a": _real_inverse_vjp}, linear="each", name="fft_real_inverse",
    samples=lambda: [
        *[Sample(arrays((2, n // 2 + 1), dtype=complex), n, 1, "backward") for n in (1, 2, 3, 4, 5)],
        Sample(arrays((3, 2), dtype=complex), 4, 0, "ortho"),
        Sample(arrays((3, 2)), 5, 0, "forward"),
        Sample(zeros((0, 2), complex), 3, 1, "backward"),
        Sample(arrays((2, 3), dtype=np.complex64), 4, 1, "backward", smooth=False),
    ],
)  # fmt: skip
def _real_inverse(a, n, axis, norm):
    """The `n` real numbers whose spectrum begins with ``a[: n // 2 + 1]``."""
    return namespace(a).fft.irfft(a, n, axis, norm)


# ---------------------------------------------------------------- sizes, axes and their order


def _prepared(name, a, norm, out):
    """`a` as an operand, if the options are in order."""
    if out is not None:
        raise TypeError(f"{name}: out= is not supported for Tensors; use the Tensor that it returns")
    if norm not in _SWAPPED:
        raise ValueError(f"{name}: norm must be 'backward', 'ortho' or 'forward', got {norm!r}")
    return as_tensor(a)


def _steps(name, shape, s, axes, from_half=False):
    """[(axis, size), ...] in the order of `axes`; `from_half`: the last axis holds half of a spectrum."""
    if axes is None:
        axes = range(len(shape)) if s is None else range(-len(s), 0)
    axes = [axis_of(i, len(shape)) for i in axes]
    sizes = [-1] * len(axes) if s is None else list(s)
    if len(sizes) != len(axes):
        raise ValueError(f"{name}: {len(sizes)} sizes (s={s}) for {len(axes)} axes")
    if from_half and sizes and (s is None or sizes[-1] is None):
        sizes[-1] = 2 * (shape[axes[-1]] - 1)
    sizes = [shape[axis] if n is None or n == -1 else index(n) for axis, n in zip(axes, sizes, strict=True)]
    for axis, n in zip(axes, sizes, strict=True):
        if n < 1:
            raise ValueError(f"{name}: {n} data points along axis {axis} of shape {shape}: at least one is needed")
    return list(zip(axes, sizes, strict=True))


def _step(name, shape, n, axis, from_half=False):
    """(axis, size) of a transform along one axis, the only one of `_steps`."""
    if n is not None and index(n) < 1:
        raise ValueError(f"{name}: n={n} data points: at least one is needed")
    return _steps(name, shape, None if n is None else (n,), (axis,), from_half)[0]


def _sized(a, steps):
    """`a` cropped, or padded with zeros, to the sizes along their (different) axes."""
    sizes = list(a.shape)
    for axis, n in steps:
        sizes[axis] = n
    if any(n < m for n, m in zip(sizes, a.shape, strict=True)):
        a = a[tuple([slice(n) for n in sizes])]
    if a.shape != tuple(sizes):
        a = pad(a, [(0, n - m) for n, m in zip(sizes, a.shape, strict=True)])
    return a


def _transformed(a, steps, inverse, norm) -> Tensor:
    """Complex transforms, one step after the other; at once where the axes differ."""
    axes = [axis for axis, _ in steps]
    if not axes:
        return valued(a)
    if len(set(axes)) == len(axes):
        return _complex(_sized(a, steps), tuple(axes[::-1]), inverse, norm)  # NumPy's order: the last axis first
    for step in steps:
        a = _complex(_sized(a, [step]), (step[0],), inverse, norm)
    return a


def _half(name, a, step, norm) -> Tensor:
    if a.dtype.kind == "c":
        raise TypeError(f"{name}: real numbers are needed, got dtype {a.dtype}; av.fft.fft and av.fft.fftn take those")
    return _real(_sized(a, [step]), step[0], norm)


def _whole(a, step, norm) -> Tensor:
    axis, n = step
    return _real_inverse(_sized(a, [(axis, n // 2 + 1)]), n, axis, norm)


def _last(name, steps):
    """The steps before the last one, and that."""
    if not steps:
        raise IndexError(f"{name}: at least one axis is needed")
    return steps[:-1], steps[-1]


def _one_axis(real=True, half=False):
    """Samples of a transform along one axis: sizes, norms, axes; of real and complex numbers."""

    def samples():
        found = []
        if real:
            x = arrays((3, 4))
            found = [
                *[Sample(x, n) for n in (None, 1, 3, 6)],
                Sample(x, 5, 0, "ortho"),
                Sample(x, None, -2, "forward"),
                Sample(arrays((6, 4))[::2, ::-1].T, 2, norm="backward"),
                Sample(arrays((5,))),
                Sample(zeros((0, 3))),
                Sample(x.astype(np.float32), smooth=False),
            ]
        if half or not real:
            z = arrays((2, 3), dtype=complex)
            found += [
                *[Sample(z, n) for n in (None, 1, 2, 4, 5, 7)],
                Sample(z, 4, 0, "ortho"),
                Sample(z, norm="forward"),
            ]
            found.append(Sample(z.astype(np.complex64), smooth=False))
        return found

    return samples


def _several_axes(real=True, half=False):
    """Samples of a transform along several axes: sizes, norms, axes that occur twice."""

    def samples():
        kinds: list[Any] = [float] if real else []
        if half or not real:
            kinds.append(complex)
        found = []
        for kind in kinds:
            x = arrays((3, 4, 2), dtype=kind)
            found += [
                Sample(x),
                Sample(x, (2, 6), (0, 1)),
                Sample(x, axes=(-1, 0), norm="ortho"),
                Sample(x, (-1, 3), (2, 1), "forward"),
                Sample(x, axes=(1, 1)),
                Sample(x, (2, 5, 3), (1, 0, 1)),
                Sample(x, axes=(1,)),
                Sample(x.astype(np.float32 if kind is float else np.complex64), smooth=False),
            ]
        return found

    return samples


# ---------------------------------------------------------------- one axis


@composed(np.fft.fft, home="fft", samples=_one_axis(half=True))
def fft(a, n=None, axis=-1, norm=None, out=None) -> Tensor:
    """The discrete Fourier transform, ``y[k] = sum(a[j] * exp(-2j * pi * j * k / n))``.

    Parameters
    ----------
    a : array_like, float or complex
        The gradient of real numbers is real.
    n : int, optional
        The number of points: `a` is cropped, or padded with zeros at the end. By default its size along `axis`.
    axis : int, default -1
    norm : {"backward", "ortho", "forward"}, default "backward"
        Which transforms are scaled: the inverse ones by 1/n, both by 1/sqrt(n), the others by 1/n.
    out : None
        Not supported.

    Returns
    -------
    Tensor, complex

    Raises
    ------
    ValueError
        If `n` is less than 1, or there is no such norm.

    Examples
    --------
    >>> av.fft.fft(av.Tensor(np.array([1.0, 0.0, 0.0]))).numpy()
    array([1.+0.j, 1.+0.j, 1.+0.j])
    """
    a = _prepared("fft", a, norm, out)
    return _transformed(a, [_step("fft", a.shape, n, axis)], False, norm)


@composed(np.fft.ifft, home="fft", samples=_one_axis(half=True))
def ifft(a, n=None, axis=-1, norm=None, out=None) -> Tensor:
    """The inverse of `fft`.

    Parameters
    ----------
    a : array_like, float or complex
    n : int, optional
        The number of points; see `fft`.
    axis : int, default -1
    norm : {"backward", "ortho", "forward"}, default "backward"
    out : None
        Not supported.

    Returns
    -------
    Tensor, complex

    Examples
    --------
    >>> av.fft.ifft(av.Tensor(np.array([1.0, 1.0]))).numpy()
    array([1.+0.j, 0.+0.j])
    """
    a = _prepared("ifft", a, norm, out)
    return _transformed(a, [_step("ifft", a.shape, n, axis)], True, norm)


@composed(np.fft.rfft, home="fft", samples=_one_axis())
def rfft(a, n=None, axis=-1, norm=None, out=None) -> Tensor:
    """The first half of the Fourier transform of real numbers; the second is its conjugate.

    Parameters
    ----------
    a : array_like, float
    n : int, optional
        The number of points; see `fft`.
    axis : int, default -1
    norm : {"backward", "ortho", "forward"}, default "backward"
    out : None
        Not supported.

    Returns
    -------
    Tensor, complex, of size ``n // 2 + 1`` along `axis`

    Raises
    ------
    TypeError
        If `a` is complex.

    Examples
    --------
    >>> av.fft.rfft(av.Tensor(np.array([1.0, 2.0, 1.0]))).numpy().shape
    (2,)
    """
    a = _prepared("rfft", a, norm, out)
    return _half("rfft", a, _step("rfft", a.shape, n, axis), norm)


@composed(np.fft.irfft, home="fft", samples=_one_axis(half=True))
def irfft(a, n=None, axis=-1, norm=None, out=None) -> Tensor:
    """The inverse of `rfft`.

    Parameters
    ----------
    a : array_like, complex
        The first half of a spectrum, of which ``n // 2 + 1`` numbers are used. The imaginary parts of the first one,
        and of the last one if `n` is even, count for nothing and have gradient 0.
    n : int, optional
        The number of points of the result, by default the even one, ``2 * (a.shape[axis] - 1)``.
    axis : int, default -1
    norm : {"backward", "ortho", "forward"}, default "backward"
    out : None
        Not supported.

    Returns
    -------
    Tensor, float, of size `n` along `axis`

    Examples
    --------
    >>> x = av.Tensor(np.array([1.0, 2.0, 4.0]))
    >>> av.fft.irfft(av.fft.rfft(x), 3).numpy().round(6).tolist()
    [1.0, 2.0, 4.0]
    """
    a = _prepared("irfft", a, norm, out)
    return _whole(a, _step("irfft", a.shape, n, axis, True), norm)


@composed(np.fft.hfft, home="fft", samples=_one_axis(half=True))
def hfft(a, n=None, axis=-1, norm=None, out=None) -> Tensor:
    """The real spectrum of a signal of which the first half is given; the second is its conjugate, reversed.

    Parameters
    ----------
    a : array_like, complex
    n : int, optional
        The number of points of the result, by default ``2 * (a.shape[axis] - 1)``.
    axis : int, default -1
    norm : {"backward", "ortho", "forward"}, default "backward"
    out : None
        Not supported.

    Returns
    -------
    Tensor, float, of size `n` along `axis`

    Examples
    --------
    >>> av.fft.hfft(av.Tensor(np.array([1.0, 0.5j]))).numpy().shape
    (2,)
    """
    a = _prepared("hfft", a, norm, out)
    return _whole(conjugate(a), _step("hfft", a.shape, n, axis, True), _SWAPPED[norm])


@composed(np.fft.ihfft, home="fft", samples=_one_axis())
def ihfft(a, n=None, axis=-1, norm=None, out=None) -> Tensor:
    """The inverse of `hfft`.

    Parameters
    ----------
    a : array_like, float
    n : int, optional
        The number of points; see `fft`.
    axis : int, default -1
    norm : {"backward", "ortho", "forward"}, default "backward"
    out : None
        Not supported.

    Returns
    -------
    Tensor, complex, of size ``n // 2 + 1`` along `axis`

    Examples
    --------
    >>> av.fft.ihfft(av.Tensor(np.array([1.0, 2.0, 3.0, 2.0]))).numpy().real.tolist()
    [2.0, -0.5, 0.0]
    """
    a = _prepared("ihfft", a, norm, out)
    return conjugate(_half("ihfft", a, _step("ihfft", a.shape, n, axis), _SWAPPED[norm]))


# ---------------------------------------------------------------- several axes


def _complex_along(name, a, s, axes, inverse, norm, out) -> Tensor:
    a = _prepared(name, a, norm, out)
    return _transformed(a, _steps(name, a.shape, s, axes)[::-1], inverse, norm)


def _real_along(name, a, s, axes, norm, out) -> Tensor:
    a = _prepared(name, a, norm, out)
    steps, last = _last(name, _steps(name, a.shape, s, axes))
    return _transformed(_half(name, a, last, norm), steps[::-1], False, norm)


def _real_inverse_along(name, a, s, axes, norm, out) -> Tensor:
    a = _prepared(name, a, norm, out)
    steps, last = _last(name, _steps(name, a.shape, s, axes, True))
    return _whole(_transformed(a, steps, True, norm), last, norm)


@composed(np.fft.fftn, home="fft", samples=_several_axes(half=True))
def fftn(a, s=None, axes=None, norm=None, out=None) -> Tensor:
    """The Fourier transform along several axes.

    Parameters
    ----------
    a : array_like, float or complex
    s : sequence of int, optional
        The numbers of points along `axes`; -1 means the size of `a`. Without `axes` they are those of the last axes.
    axes : sequence of int, optional
        All by default. An axis that occurs twice is transformed twice, the last of `axes` first.
    norm : {"backward", "ortho", "forward"}, default "backward"
    out : None
        Not supported.

    Returns
    -------
    Tensor, complex

    Raises
    ------
    ValueError
        If `s` and `axes` have different lengths, or a number of points is less than 1.

    Examples
    --------
    >>> av.fft.fftn(av.Tensor(np.ones((2, 3))), s=(4, 4), axes=(0, 1)).shape
    (4, 4)
    """
    return _complex_along("fftn", a, s, axes, False, norm, out)


@composed(np.fft.ifftn, home="fft", samples=_several_axes(half=True))
def ifftn(a, s=None, axes=None, norm=None, out=None) -> Tensor:
    """The inverse of `fftn`.

    Parameters
    ----------
    a : array_like, float or complex
    s : sequence of int, optional
    axes : sequence of int, optional
    norm : {"backward", "ortho", "forward"}, default "backward"
    out : None
        Not supported.

    Returns
    -------
    Tensor, complex

    Examples
    --------
    >>> av.fft.ifftn(av.Tensor(np.ones((2, 2)))).numpy().real.tolist()
    [[1.0, 0.0], [0.0, 0.0]]
    """
    return _complex_along("ifftn", a, s, axes, True, norm, out)


@composed(np.fft.rfftn, home="fft", samples=_several_axes())
def rfftn(a, s=None, axes=None, norm=None, out=None) -> Tensor:
    """The Fourier transform of real numbers along several axes: `rfft` along the last of them, `fft` along the others.

    Parameters
    ----------
    a : array_like, float
    s : sequence of int, optional
    axes : sequence of int, optional
    norm : {"backward", "ortho", "forward"}, default "backward"
    out : None
        Not supported.

    Returns
    -------
    Tensor, complex

    Raises
    ------
    TypeError
        If `a` is complex.

    Examples
    --------
    >>> av.fft.rfftn(av.Tensor(np.ones((4, 4)))).shape
    (4, 3)
    """
    return _real_along("rfftn", a, s, axes, norm, out)


@composed(np.fft.irfftn, home="fft", samples=_several_axes(half=True))
def irfftn(a, s=None, axes=None, norm=None, out=None) -> Tensor:
    """The inverse of `rfftn`.

    Parameters
    ----------
    a : array_like, complex
    s : sequence of int, optional
        The numbers of points of the result; for the last axis by default ``2 * (a.shape[axis] - 1)``.
    axes : sequence of int, optional
    norm : {"backward", "ortho", "forward"}, default "backward"
    out : None
        Not supported.

    Returns
    -------
    Tensor, float

    Examples
    --------
    >>> av.fft.irfftn(av.Tensor(np.ones((4, 3), complex))).shape
    (4, 4)
    """
    return _real_inverse_along("irfftn", a, s, axes, norm, out)


@composed(np.fft.fft2, home="fft", samples=_several_axes(half=True))
def fft2(a, s=None, axes=(-2, -1), norm=None, out=None) -> Tensor:
    """`fftn` along the last two axes.

    Parameters
    ----------
    a : array_like, float or complex
    s : sequence of int, optional
    axes : sequence of int, default (-2, -1)
    norm : {"backward", "ortho", "forward"}, default "backward"
    out : None
        Not supported.

    Returns
    -------
    Tensor, complex

    Examples
    --------
    >>> av.fft.fft2(av.Tensor(np.ones((5, 2, 3)))).shape
    (5, 2, 3)
    """
    return _complex_along("fft2", a, s, axes, False, norm, out)


@composed(np.fft.ifft2, home="fft", samples=_several_axes(half=True))
def ifft2(a, s=None, axes=(-2, -1), norm=None, out=None) -> Tensor:
    """`ifftn` along the last two axes.

    Parameters
    ----------
    a : array_like, float or complex
    s : sequence of int, optional
    axes : sequence of int, default (-2, -1)
    norm : {"backward", "ortho", "forward"}, default "backward"
    out : None
        Not supported.

    Returns
    -------
    Tensor, complex

    Examples
    --------
    >>> av.fft.ifft2(av.Tensor(np.ones((2, 2)))).numpy().real.tolist()
    [[1.0, 0.0], [0.0, 0.0]]
    """
    return _complex_along("ifft2", a, s, axes, True, norm, out)


@composed(np.fft.rfft2, home="fft", samples=_several_axes())
def rfft2(a, s=None, axes=(-2, -1), norm=None, out=None) -> Tensor:
    """`rfftn` along the last two axes.

    Parameters
    ----------
    a : array_like, float
    s : sequence of int, optional
    axes : sequence of int, default (-2, -1)
    norm : {"backward", "ortho", "forward"}, default "backward"
    out : None
        Not supported.

    Returns
    -------
    Tensor, complex

    Examples
    --------
    >>> av.fft.rfft2(av.Tensor(np.ones((5, 4, 4)))).shape
    (5, 4, 3)
    """
    return _real_along("rfft2", a, s, axes, norm, out)


@composed(np.fft.irfft2, home="fft", samples=_several_axes(half=True))
def irfft2(a, s=None, axes=(-2, -1), norm=None, out=None) -> Tensor:
    """`irfftn` along the last two axes.

    Parameters
    ----------
    a : array_like, complex
    s : sequence of int, optional
    axes : sequence of int, default (-2, -1)
    norm : {"backward", "ortho", "forward"}, default "backward"
    out : None
        Not supported.

    Returns
    -------
    Tensor, float

    Examples
    --------
    >>> av.fft.irfft2(av.Tensor(np.ones((5, 4, 3), complex))).shape
    (5, 4, 4)
    """
    return _real_inverse_along("irfft2", a, s, axes, norm, out)


# ---------------------------------------------------------------- the order of the frequencies


def _shifted(x, axes, sign) -> Tensor:
    x = as_tensor(x)
    if axes is None:
        axes = range(x.ndim)
    axes = tuple([axis_of(i, x.ndim) for i in (axes if hasattr(axes, "__iter__") else (axes,))])
    return roll(x, tuple([sign * (x.shape[i] // 2) for i in axes]), axes) if axes else valued(x)


def _shift_samples():
    return [
        Sample(arrays((3, 4))),
        Sample(arrays((3, 4)), 0),
        Sample(arrays((3, 5, 2)), (-2, 0)),
        Sample(arrays((5,), dtype=complex)),
        Sample(zeros((0, 2))),
    ]


@composed(np.fft.fftshift, home="fft", samples=_shift_samples)
def fftshift(x, axes=None) -> Tensor:
    """The frequency 0 moved from the front to the middle.

    Parameters
    ----------
    x : array_like
    axes : int or sequence of int, optional
        All by default.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> av.fft.fftshift(av.Tensor(np.arange(5.0))).numpy().tolist()
    [3.0, 4.0, 0.0, 1.0, 2.0]
    """
    return _shifted(x, axes, 1)


@composed(np.fft.ifftshift, home="fft", samples=_shift_samples)
def ifftshift(x, axes=None) -> Tensor:
    """The inverse of `fftshift`.

    Parameters
    ----------
    x : array_like
    axes : int or sequence of int, optional
        All by default.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> av.fft.ifftshift(av.Tensor(np.array([3.0, 4.0, 0.0, 1.0, 2.0]))).numpy().tolist()
    [0.0, 1.0, 2.0, 3.0, 4.0]
    """
    return _shifted(x, axes, -1)
