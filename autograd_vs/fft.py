"""Fourier transforms, under the names of `numpy.fft`. Floor 3; the functions themselves are in `autograd_vs.ops`.

`fftfreq` and `rfftfreq` are NumPy's own: they return arrays, or a Tensor for the spacing `d` of a Tensor.
"""

from numpy.fft import fftfreq, rfftfreq

from .ops.fft import (
    fft,
    fft2,
    fftn,
    fftshift,
    hfft,
    ifft,
    ifft2,
    ifftn,
    ifftshift,
    ihfft,
    irfft,
    irfft2,
    irfftn,
    rfft,
    rfft2,
    rfftn,
)

__all__ = [
    "fft", "fft2", "fftfreq", "fftn", "fftshift", "hfft", "ifft", "ifft2", "ifftn", "ifftshift", "ihfft", "irfft",
    "irfft2", "irfftn", "rfft", "rfft2", "rfftfreq", "rfftn",
]  # fmt: skip
