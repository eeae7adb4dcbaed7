"""MPI through mpi4py: who else there is, and the few messages that data-parallel training needs. Floor 3."""

import faulthandler
import logging
import os
import socket
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np

from ..base.ranks import launched
from ..base.threads import get_num_threads, set_num_threads

__all__ = ["WAIT", "Link", "abort_on_error", "connect", "share_cores"]

WAIT = 60.0  # seconds until all ranks have to be here


def connect(comm: Any, wait: float) -> "Link | None":
    """The link to the ranks of a communicator, or to those that ``mpiexec`` started; None for a process by itself.

    Parameters
    ----------
    comm : mpi4py communicator or None
    wait : float
        Seconds until all of them have to be here.

    Raises
    ------
    ImportError
        If this process is one of several, and mpi4py is missing.
    RuntimeError
        If the launcher and mpi4py belong to two implementations of MPI, so that each process believes to be alone.
    """
    if comm is None and not launched() and "mpi4py.MPI" not in sys.modules:
        return None  # nobody started MPI: neither do we
    with _at_most(wait):
        if comm is None:
            comm = _world(launched())
        return Link(comm) if comm is not None and comm.size > 1 else None


def _world(launched: int) -> Any:
    """The communicator of the processes that a launcher started, so many by its word; None if mpi4py is not needed."""
    try:
        from mpi4py import MPI
    except ImportError as error:
        if launched < 2:
            return None
        raise ImportError(
            f"this is one of {launched} processes that a launcher started, and mpi4py, through which they talk, is "
            'missing: pip install "autograd-vs[mpi]"'
        ) from error
    if MPI.COMM_WORLD.size == 1 < launched:
        raise RuntimeError(
            f"the launcher started {launched} processes, and to mpi4py each is alone: mpi4py uses "
            f"{MPI.Get_library_version().splitlines()[0].strip()}. Take the mpiexec of that library "
            '(pip install "autograd-vs[mpi]" puts one beside python), or build mpi4py for the other'
        )
    return MPI.COMM_WORLD


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """End this process where the `with` takes longer: MPI waits for all ranks to begin, and knows none that has ended.

    The watch is one of C, since Python does not run meanwhile.
    """
    faulthandler.dump_traceback_later(seconds, exit=True, file=sys.__stderr__)  # type: ignore[arg-type]
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


class Link:
    """The messages between ranks, through a communicator of mpi4py. All ranks make the same calls in the same order.

    Anything with these attributes and methods can stand in for it (tests).

    Attributes
    ----------
    rank, size : int
    local_rank, local_size : int
        The same among the ranks on this machine.
    """

    def __init__(self, comm: Any) -> None:
        from mpi4py import MPI

        self._mpi, self._comm = MPI, comm.Dup()  # messages of our own never meet those of others
        self.rank, self.size = comm.rank, comm.size
        here = comm.Split_type(MPI.COMM_TYPE_SHARED)
        self.local_rank, self.local_size = here.rank, here.size
        here.Free()

    def table(self, row: np.ndarray) -> np.ndarray:
        """The rows of all ranks, shape (size, len(row)), of one dtype."""
        found = np.empty((self.size, row.size), row.dtype)
        self._comm.Allgather(row, found)
        return found

    def add(self, array: np.ndarray) -> None:
        """Put the sum over all ranks, the same bits on each, in the place of `array`: on the host, in one piece."""
        self._comm.Allreduce(self._mpi.IN_PLACE, array)

    def join(self, array: np.ndarray, counts: Any) -> np.ndarray:
        """The arrays of all ranks one below the other; rank r has ``counts[r]`` rows."""
        array = np.ascontiguousarray(array)
        found = np.empty((int(sum(counts)), *array.shape[1:]), array.dtype)
        width = array.dtype.itemsize * int(np.prod(array.shape[1:]))
        sizes = [int(count) * width for count in counts]
        self._comm.Allgatherv([array.view(np.uint8), self._mpi.BYTE], [found.view(np.uint8), sizes, self._mpi.BYTE])
        return found

    def fill(self, array: np.ndarray) -> None:
        """Put what rank 0 has in the place of `array`, which lies on the host in one piece."""
        self._comm.Bcast([array.reshape(-1).view(np.uint8), self._mpi.BYTE])

    def objects(self, x: Any) -> list:
        """What each rank has for `x`, pickled on the way."""
        return self._comm.allgather(x)

    def share(self, x: Any) -> Any:
        """What rank 0 has for `x`, pickled on the way."""
        return self._comm.bcast(x)

    def abort(self) -> None:
        """End all processes at once."""
        self._comm.Abort(1)

    def close(self) -> None:
        """No more messages. All ranks are there."""
        self._comm.Free()


def share_cores(link: Any) -> Any:
    """Let the ranks that may run on the same cores share them; returns a function that ends this.

    Nothing is done where the environment says how many threads there shall be. Without threadpoolctl only our own
    threads can be limited, and rank 0 says (through logging) how to limit those of products of matrices.
    """
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    place = socket.gethostname(), sorted(cores)
    each, before = max(1, len(place[1]) // link.objects(place).count(place)), get_num_threads()
    if any(name in os.environ for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")):
        return lambda: None
    set_num_threads(min(before, each))
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        if link.rank == 0:
            logging.getLogger("autograd_vs").warning(
                "Ranks of one machine share its cores: start them with OMP_NUM_THREADS=%d, or install threadpoolctl.",
                each,
            )
        return lambda: set_num_threads(before)
    limits = threadpool_limits(each)

    def undo():
        set_num_threads(before)
        limits.restore_original_limits()

    return undo


def abort_on_error(link: Any = None) -> Any:
    """From now on an exception that nobody catches ends all processes; returns a function that ends this.

    MPI knows of a process that raised only when it calls the next function of MPI, which it never does. Without a link
    the process joins the others first, for no other reason.
    """
    before = sys.excepthook

    def hook(kind, error, trace):
        lines = "".join(traceback.format_exception(kind, error, trace))
        who = f"a rank of {launched()}" if link is None else f"rank {link.rank} of {link.size}"
        # One write: lines of several ranks that fail together do not mix.
        sys.stderr.write(f"{who} raised, and all ranks end:\n{lines}")
        sys.stderr.flush()
        sys.stdout.flush()
        if link is not None:
            link.abort()
            return
        with suppress(ImportError, RuntimeError), _at_most(WAIT):  # without MPI nobody waits
            _world(launched()).Abort(1)

    def undo():
        if sys.excepthook is hook:
            sys.excepthook = before

    sys.excepthook = hook
    return undo
