"""How CuPy compiles kernels and runs them, on its current stream. Floor 0; nothing here is run without CuPy."""

import numpy as np

from ..backend import Pieces
from .elementwise import THREADS, Kernel

__all__ = ["OPTIONS", "launch"]

# Products and sums are rounded one by one, as in kernels of their own: what memory can bring takes longer anyway.
OPTIONS = ("--fmad=false",)
MOST = 1 << 20  # blocks: each thread takes several elements where there are more


def launch(kernel: Kernel, size: int, arguments) -> None:
    """Run `kernel` on `size` elements; the arguments are arrays of CuPy, `Pieces` of such, and numbers."""
    if not size:
        return
    import cupy

    if kernel.compiled is None:
        kernel.compiled = cupy.RawKernel(kernel.source, "kernel", OPTIONS)
    count = np.int64(size) if kernel.wide else np.uint32(size)
    blocks = min(MOST, -(-size // THREADS))
    kernel.compiled((blocks,), (THREADS,), (count, *map(_given, arguments)))


def _given(x):
    if isinstance(x, Pieces):
        if x.table is None:
            import cupy

            x.table = cupy.asarray(x.numbers())
        return x.table
    return np.float64(x) if isinstance(x, (int, float)) else x
