"""``python -m autograd_vs``: versions, what NumPy multiplies with, and what would make it faster."""

import ctypes
import platform
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from ._version import __version__
from .base.threads import get_num_threads

OLD = {"Haswell", "Zen", "Sandybridge", "Nehalem", "Prescott"}  # kernels of OpenBLAS without AVX-512


def openblas_core() -> str | None:
    """The processor for which OpenBLAS has chosen its kernels; None where NumPy has another BLAS, or does not tell."""
    folder = Path(np.__file__).parent.parent / "numpy.libs"
    for path in folder.glob("*openblas*"):
        library = ctypes.CDLL(str(path))
        for name in ("scipy_openblas_get_corename64_", "openblas_get_corename64_", "openblas_get_corename"):
            function = getattr(library, name, None)
            if function is not None:
                function.restype = ctypes.c_char_p
                return function().decode()
    return None


def has_avx512() -> bool:
    """Whether the processor has AVX-512, as far as Linux says."""
    try:
        return "avx512dq" in Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False


def lines() -> list[str]:
    """What to print."""
    core = openblas_core()
    found = [
        f"autograd_vs {__version__}, Python {platform.python_version()}, NumPy {np.__version__}",
        f"OpenBLAS kernels: {core or 'unknown (another BLAS, or one that does not tell)'}; threads for updates: "
        f"{get_num_threads()}",
        f"numba (the extra [jit], compiled loops in functions): {'yes' if find_spec('numba') else 'no'}",
    ]
    if core in OLD and has_avx512():
        found.append(
            f"This processor has AVX-512, and OpenBLAS takes its kernels for {core}, which have not. Matrix products "
            "may be 1.6 to 1.9 times as fast with OPENBLAS_CORETYPE=SkylakeX in the environment, before Python starts."
        )
    return found


if __name__ == "__main__":
    print("\n".join(lines()))
