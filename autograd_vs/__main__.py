"""``python -m autograd_vs``: what a bug report needs to say, and what would make this installation faster."""

import ctypes
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from ._version import __version__
from .base.devices import devices
from .base.threads import get_num_threads

OLD = {"Haswell", "Zen", "Sandybridge", "Nehalem", "Prescott"}  # kernels of OpenBLAS without AVX-512
EXTRAS = (
    "cupy", "cupy-cuda12x", "cupy-cuda13x", "numba", "scipy", "ml_dtypes", "safetensors", "matplotlib", "tqdm",
    "mpi4py",
)  # fmt: skip
VARIABLES = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_CORETYPE", "CUDA_VISIBLE_DEVICES",
    "CUPY_TF32",
)  # fmt: skip


def openblas(*names: str, result: Any) -> Any:
    """What the first function of these names says in NumPy's OpenBLAS; None where NumPy has another BLAS."""
    for path in (Path(np.__file__).parent.parent / "numpy.libs").glob("*openblas*"):
        library = ctypes.CDLL(str(path))
        for name in names:
            function = getattr(library, name, None)
            if function is not None:
                function.restype = result
                return function()
    return None


def openblas_core() -> str | None:
    """The processor for which OpenBLAS has chosen its kernels; None where NumPy has another BLAS, or does not tell."""
    names = ("scipy_openblas_get_corename64_", "openblas_get_corename64_", "openblas_get_corename")
    found = openblas(*names, result=ctypes.c_char_p)
    return None if found is None else found.decode()


def blas() -> str:
    """NumPy's BLAS, its kernels and threads."""
    built: dict[str, Any] = np.show_config(mode="dicts") or {}  # type: ignore[assignment]
    about = built.get("Build Dependencies", {}).get("blas", {})
    names = ("scipy_openblas_get_num_threads64_", "openblas_get_num_threads64_", "openblas_get_num_threads")
    facts = [f"{about.get('name', 'unknown')} {about.get('version', '')}".strip()]
    core, threads = openblas_core(), openblas(*names, result=ctypes.c_int)
    return ", ".join(facts + [f"kernels for {core}"] * (core is not None) + [f"threads {threads}"] * bool(threads))


def has_avx512() -> bool:
    """Whether the processor has AVX-512, as far as Linux says."""
    try:
        return "avx512dq" in Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False


def installed(name: str) -> str | None:
    """The version of a distribution, or None."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def lines() -> list[str]:
    """What to print."""
    extras = [f"{name} {found}" for name in EXTRAS if (found := installed(name))]
    settings = [f"{name}={os.environ[name]}" for name in VARIABLES if name in os.environ]
    places = [str(place).strip("<>") for place in devices()]
    core = openblas_core()
    said = [
        f"autograd_vs {__version__}, in {Path(__file__).parent}",
        f"Python {platform.python_version()}, {platform.platform()}, {os.cpu_count()} processors",
        f"NumPy {np.__version__}, BLAS: {blas()}",
        f"threads for updates of large variables: {get_num_threads()}",
        f"devices: {', '.join(places)}",
        f"extras: {', '.join(extras) or 'none'}",
        f"environment: {', '.join(settings) or 'nothing set that matters here'}",
    ]
    if core in OLD and has_avx512():
        said.append(
            f"This processor has AVX-512, and OpenBLAS takes its kernels for {core}, which have not. Matrix products "
            "may be 1.6 to 1.9 times as fast with OPENBLAS_CORETYPE=SkylakeX in the environment, before Python starts."
        )
    return said


if __name__ == "__main__":
    print("\n".join(lines()))
