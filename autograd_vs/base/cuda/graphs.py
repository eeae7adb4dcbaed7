"""Calls that CuPy makes, captured once as a CUDA graph and launched as one. Floor 0.

While a stream is captured nothing runs: what is launched there becomes the graph, with the addresses and numbers that
it has. So the calls must neither wait for the device, nor copy between it and the host; the memory that they allocate
comes from a pool that lives as long as the graph. CuPy lets no library with handles of its own be captured
(`refuses`). See "Graphs" in docs/architecture.md for what of this waits to be run on a GPU.
"""

from collections.abc import Callable
from typing import Any

__all__ = ["capture", "refuses"]

_PRODUCTS = "dot matmul tensordot einsum inner vdot kron convolve correlate linalg"
_WAITING = "nonzero flatnonzero argwhere unique histogram bincount piecewise roots allclose array_equal"


def refuses(function: Any) -> str:
    """Why a NumPy function cannot be part of a graph, where CuPy makes it; "" if it can."""
    name, module = getattr(function, "__name__", ""), getattr(function, "__module__", "") or ""
    if name in _PRODUCTS.split() or module.endswith("linalg"):
        return "CuPy does not capture cuBLAS and cuSOLVER"
    if module.endswith("random"):
        return "CuPy does not capture cuRAND"
    return "it waits for the device" if name in _WAITING.split() else ""


def capture(run: Callable[[], None]) -> Callable[[], None]:
    """A function that launches, on the stream that is current then, what ``run()`` launches now.

    Raises
    ------
    Exception
        What CuPy raises where a call cannot be captured; nothing has run then.
    """
    import cupy

    stream, pool = cupy.cuda.Stream(non_blocking=True), cupy.cuda.MemoryPool()
    stream.begin_capture()
    try:
        with cupy.cuda.using_allocator(pool.malloc), stream:
            run()
    except BaseException:
        try:
            stream.end_capture()
        except cupy.cuda.runtime.CUDARuntimeError:
            pass  # the capture was ended by what went wrong, which is the error to tell
        raise
    graph = stream.end_capture()

    def launch(pool=pool) -> None:  # the graph knows addresses only: its memory stays
        graph.launch(cupy.cuda.get_current_stream())

    return launch
