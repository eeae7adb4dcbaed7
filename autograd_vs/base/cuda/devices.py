"""CuPy's devices: which there are, arrays to and from them, limits, and copies ahead of a loop. Floor 0."""

from collections import deque
from typing import Any

import numpy as np

from ..backend import has_numbers, on_host
from ..devices import Copies, Device, Devices, watched

__all__ = ["kind"]


def _cupy() -> Any:
    try:
        import cupy
    except ImportError as error:
        raise ImportError(
            f"a GPU needs CuPy, which cannot be imported here ({error}): pip install "
            '"autograd-vs[cuda13]" (driver 580 or newer) or "autograd-vs[cuda12]", one of the two'
        ) from error
    return cupy


def _count(cupy) -> int:
    """How many devices there are; RuntimeError where the driver does not say."""
    try:
        return cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise RuntimeError(
            f"CuPy {cupy.__version__} is installed and sees no GPU ({error}): `nvidia-smi` must list one in this "
            "machine or container (docker run --gpus all), with a driver that is new enough for this CuPy, and "
            "CUDA_VISIBLE_DEVICES must not hide it"
        ) from error


class _Gpus(Devices):
    def __init__(self) -> None:
        self._allocator: Any = None

    def found(self):
        try:
            cupy = _cupy()
            about = [cupy.cuda.runtime.getDeviceProperties(i) for i in range(_count(cupy))]
        except Exception:  # no CuPy, no driver, a broken installation: `check` says which
            return []
        return [Device(f"gpu:{i}", p["name"].decode(), int(p["totalGlobalMem"])) for i, p in enumerate(about)]

    def check(self, number):
        cupy = _cupy()
        count = _count(cupy)
        if number >= count:
            raise RuntimeError(
                f"there is no 'gpu:{number}': CuPy sees {count} GPU{'s' * (count != 1)}, numbered from 0 "
                "(CUDA_VISIBLE_DEVICES may hide others); av.devices() lists them"
            )
        if self._allocator is None:  # errors of an allocation that fails say what the memory is taken by
            self._allocator = watched(
                cupy.cuda.get_allocator(),
                cupy.cuda.memory.OutOfMemoryError,
                lambda: f"gpu:{cupy.cuda.runtime.getDevice()}",
            )
            cupy.cuda.set_allocator(self._allocator)

    def put(self, array, number):
        cupy = _cupy()
        with cupy.cuda.Device(number):
            return cupy.asarray(array if isinstance(array, cupy.ndarray) else on_host(array))

    def current(self, number):
        return _cupy().cuda.Device(number)

    def copies(self, number):
        return _PinnedCopies(_cupy(), number)

    def limit(self, size, number):
        cupy = _cupy()
        pool = cupy.get_default_memory_pool()
        with cupy.cuda.Device(number):
            before = pool.get_limit()
            pool.set_limit(size=size or 0)
        return before or None


class _PinnedCopies(Copies):
    """Through pinned host memory, on a stream of their own, beside what the loop computes.

    The memory on the device belongs to the copying stream. A block of it that the loop let go of may be given out again
    while the loop's stream still reads it; so a copy waits for what that stream had been told by the time at which its
    block was there, and the loop's stream waits for the copy.
    """

    def __init__(self, cupy, number: int) -> None:
        self._cupy, self._number = cupy, number
        with cupy.cuda.Device(number):
            self._stream = cupy.cuda.Stream(non_blocking=True)
            self._loop = cupy.cuda.get_current_stream()
        self._pinned: deque = deque()  # (event behind the copy, pinned array): kept until the copy is done

    def start(self, arrays):
        with self._cupy.cuda.Device(self._number), self._stream:
            while self._pinned and self._pinned[0][0].done:
                self._pinned.popleft()
            pairs = [self._pair(a) for a in arrays]
            self._stream.wait_event(self._loop.record())
            for pinned, array in pairs:
                if pinned is not None:
                    array.set(pinned, self._stream)
            copied = self._stream.record()
            self._pinned.extend((copied, pinned) for pinned, _ in pairs if pinned is not None)
            return [array for _, array in pairs], copied

    def finish(self, started):
        arrays, copied = started
        with self._cupy.cuda.Device(self._number):
            self._loop = self._cupy.cuda.get_current_stream()
            self._loop.wait_event(copied)
        return arrays

    def _pair(self, array):
        """(the array in pinned memory, memory for it on the device); (None, itself) where there is nothing to copy."""
        import cupyx

        if not has_numbers(array.dtype):
            return None, array  # text, which stays on the host
        if not isinstance(array, np.ndarray) or not array.size:
            return None, self._cupy.asarray(array)  # of a GPU: from another one it comes at once
        pinned = cupyx.empty_pinned(array.shape, array.dtype)
        pinned[...] = array
        return pinned, self._cupy.empty(array.shape, array.dtype)


kind = _Gpus()
