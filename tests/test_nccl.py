"""Sums over GPUs: with a stand-in that has NCCL's signatures, on the host's memory, in threads; and on a GPU."""

import ctypes
from threading import Barrier, Thread

import numpy as np
import pytest

import autograd_vs as av
from autograd_vs.base.cuda import collectives

SIZES = {0: 1, 1: 1, 2: 4, 3: 4, 4: 8, 5: 8, 6: 2, 7: 4, 8: 8, 9: 2}  # bytes, by ncclDataType_t
NAMES = {7: np.float32, 8: np.float64}


class FakeNccl:
    """`cupy.cuda.nccl` for threads: `NcclCommunicator` with the parameters of CuPy 14.2, on addresses of the host."""

    def __init__(self, size):
        self.barrier, self.sent = Barrier(size, timeout=10), [None] * size

    def get_unique_id(self):
        return b"x" * 128

    def NcclCommunicator(self, ndev, commId, rank):
        assert (len(commId), ndev) == (128, len(self.sent))
        return FakeCommunicator(self, rank)


class FakeCommunicator:
    def __init__(self, world, rank):
        self.world, self.rank, self.open = world, rank, True

    def _exchange(self, sendbuf, nbytes):
        assert self.open
        self.world.sent[self.rank] = ctypes.string_at(sendbuf, nbytes)
        self.world.barrier.wait()
        found = list(self.world.sent)
        self.world.barrier.wait()
        return found

    def allReduce(self, sendbuf, recvbuf, count, datatype, op, stream):
        assert (op, stream) == (0, 42)
        parts = self._exchange(sendbuf, count * SIZES[datatype])
        total = np.sum([np.frombuffer(part, NAMES[datatype]) for part in parts], axis=0)
        ctypes.memmove(recvbuf, total.tobytes(), total.nbytes)

    def allGather(self, sendbuf, recvbuf, count, datatype, stream):
        assert stream == 42
        parts = self._exchange(sendbuf, count * SIZES[datatype])
        assert len({len(part) for part in parts}) == 1
        ctypes.memmove(recvbuf, b"".join(parts), sum(map(len, parts)))

    def destroy(self):
        self.open = False


class FakeLink:
    def __init__(self, rank, size, shared):
        self.rank, self.size, self._shared = rank, size, shared

    def share(self, x):
        if self.rank == 0:
            self._shared["x"] = x
        self._shared["barrier"].wait()
        return self._shared["x"]


def on_threads(size, work):
    """``work(communicator, rank)`` on each of `size` ranks."""
    world, shared, errors = FakeNccl(size), {"barrier": Barrier(size, timeout=10)}, []

    def run(rank):
        try:
            found = collectives.Nccl(FakeLink(rank, size, shared), world, lambda: 42)
            work(found, rank)
            found.close()
        except BaseException as error:  # raised below, in the main thread
            errors.append(error)

    threads = [Thread(target=run, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for error in errors:
        raise error


@pytest.mark.host("the stand-in for NCCL works on the host's memory")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sums(dtype):
    def work(nccl, rank):
        array = np.arange(5, dtype=dtype) * (rank + 1)
        nccl.add(array)
        assert array.tolist() == (np.arange(5) * 6).tolist()

    on_threads(3, work)


@pytest.mark.host("the stand-in for NCCL works on the host's memory")
@pytest.mark.parametrize("counts", [[2, 0, 3], [1, 1, 1], [0, 0, 0]])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.complex64])
def test_rows(counts, dtype):
    whole = np.arange(2 * sum(counts)).reshape(-1, 2).astype(dtype)
    ends = np.cumsum([0, *counts])

    def work(nccl, rank):
        found = nccl.join(whole[ends[rank] : ends[rank + 1]], counts)
        assert found.dtype == dtype and found.tolist() == whole.tolist()

    on_threads(3, work)


def test_the_numbers_of_ncclDataType_t():
    """Against CuPy's own names for them, where it finds NCCL."""
    nccl = pytest.importorskip("cupy.cuda.nccl", reason="CuPy is not installed")
    if not nccl.available:
        pytest.skip("CuPy finds no NCCL")
    assert collectives._TYPES == {"float32": nccl.NCCL_FLOAT32, "float64": nccl.NCCL_FLOAT64}
    assert (collectives._BYTES, collectives._SUM) == (nccl.NCCL_UINT8, nccl.NCCL_SUM)


@pytest.mark.gpu
def test_one_gpu():
    """A communicator of one rank: NCCL takes no two on one GPU."""
    cupy = pytest.importorskip("cupy")

    class Link:
        rank, size = 0, 1

        def objects(self, x):
            return [x]

        def share(self, x):
            return x

    nccl = collectives.connect(Link())
    a = cupy.arange(6, dtype="float32").reshape(3, 2)
    nccl.add(a)
    assert cupy.asnumpy(a).ravel().tolist() == [*range(6)]
    assert cupy.asnumpy(nccl.join(a, [3])).tolist() == cupy.asnumpy(a).tolist()
    nccl.close()
    assert av.distribute.DataParallel().size == 1
