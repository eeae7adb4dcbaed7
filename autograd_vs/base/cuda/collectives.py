"""Sums and gathered rows over several processes with a GPU each, by NCCL through CuPy. Floor 0.

Ranks find each other through the `Link` (MPI) that they have anyway. What NCCL does is put on CuPy's current stream:
the host does not wait, and calls on that stream that come later see the results.
"""

import socket
from collections.abc import Sequence
from typing import Any

from ..backend import address, namespace

__all__ = ["Nccl", "connect"]

# nccl.h, ncclDataType_t and ncclRedOp_t: of all versions from 2 on
_TYPES = {"float32": 7, "float64": 8}
_BYTES, _SUM = 1, 0


def connect(link: Any) -> "Nccl":
    """The communicator of all ranks, each with the device that is current in it now.

    Raises
    ------
    ImportError
        If CuPy finds no NCCL.
    RuntimeError
        If two ranks have the same GPU, which NCCL does not take.
    """
    import cupy
    from cupy.cuda import nccl

    if not nccl.available:
        raise ImportError(
            "arrays on GPUs are added up by NCCL, which CuPy does not find: "
            'pip install "autograd-vs[cuda13]" (or cuda12), which brings nvidia-nccl'
        )
    places = link.objects((socket.gethostname(), cupy.cuda.Device().pci_bus_id))
    for rank, place in enumerate(places):
        if place in places[:rank]:
            raise RuntimeError(
                f"ranks {places.index(place)} and {rank} have the same GPU, {place[1]} of {place[0]}: begin with "
                'with av.device(f"gpu:{strategy.local_rank}"), and start no more ranks than there are GPUs'
            )
    return Nccl(link, nccl, lambda: cupy.cuda.get_current_stream().ptr)


class Nccl:
    """Sums and gathered rows, of arrays on the devices of all ranks.

    Parameters
    ----------
    link : Link
    nccl : module
        `cupy.cuda.nccl`.
    stream : function
        Gives the address of the current stream.
    """

    def __init__(self, link: Any, nccl: Any, stream: Any) -> None:
        self.size, self._stream = link.size, stream
        name = link.share(nccl.get_unique_id() if link.rank == 0 else None)
        self._comm = nccl.NcclCommunicator(link.size, name, link.rank)

    def add(self, array: Any) -> None:
        """Put the sum over all ranks in the place of a real array, which lies in one piece."""
        here = address(array)
        self._comm.allReduce(here, here, array.size, _TYPES[array.dtype.name], _SUM, self._stream())

    def join(self, array: Any, counts: Sequence[int]) -> Any:
        """The arrays of all ranks one below the other; rank r has ``counts[r]`` rows."""
        xp, most = namespace(array), int(max(counts))
        if not most:
            return array
        mine = xp.zeros((most, *array.shape[1:]), array.dtype)  # NCCL gathers as much from each
        mine[: len(array)] = array
        found = xp.empty((self.size, *mine.shape), array.dtype)
        self._comm.allGather(address(mine), address(found), mine.nbytes, _BYTES, self._stream())
        return xp.concatenate([found[rank, : int(count)] for rank, count in enumerate(counts)])

    def close(self) -> None:
        """No more messages."""
        self._comm.destroy()
