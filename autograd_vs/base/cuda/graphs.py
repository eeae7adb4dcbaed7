"""Calls that CuPy makes, captured once as a CUDA graph and launched as one. Floor 0.

While a stream is captured nothing runs: what is launched there becomes the graph, with the addresses and numbers that
it has. So the calls must neither wait for the device, nor copy between it and the host; the memory that they allocate
comes from a pool that lives as long as the graph. CuPy lets no library with handles of its own be captured
(`refuses`); products by `products.py` are. What of this waits to be run on a GPU: docs/architecture.md, "Graphs".
"""

from _thread import get_ident
from collections.abc import Callable
from typing import Any

__all__ = ["capture", "refuses", "rehearse"]

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


def rehearse(run: Callable[[], None]) -> None:
    """Call ``run()`` on the stream that is captured later: kernels are compiled, cuBLAS gets a workspace."""
    import cupy

    stream, outer = _stream(), cupy.cuda.get_current_stream()
    stream.wait_event(outer.record())
    with stream:
        run()
    outer.wait_event(stream.record())


def capture(run: Callable[[], None]) -> Callable[[], None]:
    """A function that launches, on the stream that is current then, what ``run()`` launches now.

    Raises
    ------
    Exception
        What CuPy raises where a call cannot be captured; nothing has run then.
    """
    import cupy

    stream, pool = _stream(), cupy.cuda.MemoryPool()
    stream.synchronize()
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


_streams: dict[tuple[int, int], Any] = {}  # by device and thread: one that is captured


def _stream() -> Any:
    import cupy

    place = cupy.cuda.Device().id, get_ident()
    if place not in _streams:
        _streams[place] = cupy.cuda.Stream(non_blocking=True)
    return _streams[place]
