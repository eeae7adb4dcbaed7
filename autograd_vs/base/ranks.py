"""Which one this is of several processes that train together: who draws, logs and writes. Floor 0.

`autograd_vs.distribute` sets it; a process by itself is rank 0 of 1. Nothing here waits for another process, but what
`across` holds.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

__all__ = ["across", "is_main", "launched", "set_rank", "stream_suffix", "summed_by"]

_rank = 0
# What launchers tell the processes that they start: the names of rank and number.
_LAUNCHERS = {
    "PMI_RANK": "PMI_SIZE",  # MPICH, Intel MPI, Microsoft MPI, Slurm
    "OMPI_COMM_WORLD_RANK": "OMPI_COMM_WORLD_SIZE",  # Open MPI
    "PMIX_RANK": "PMIX_SIZE",  # Slurm and others, with PMIx
    "MV2_COMM_WORLD_RANK": "MV2_COMM_WORLD_SIZE",  # MVAPICH
    "PALS_RANKID": "PALS_SIZE",  # Cray
}

# The sum of a Tensor over all processes that have a part of the batch, as a function; None where the batch is all here.
across: ContextVar[Any] = ContextVar("across", default=None)


@contextmanager
def summed_by(add: Any) -> Iterator[None]:
    """A context in which `across` holds `add`."""
    token = across.set(add)
    try:
        yield
    finally:
        across.reset(token)


def launched() -> int:
    """How many processes a launcher says that it started; 0 where there is none."""
    return max([int(os.environ.get(size, 1)) for rank, size in _LAUNCHERS.items() if rank in os.environ], default=0)


def set_rank(rank: int) -> int:
    """Say which of the processes this is; gives what was said before."""
    global _rank
    before, _rank = _rank, rank
    return before


def is_main() -> bool:
    """Whether this process draws progress bars, and writes files."""
    return _rank == 0


def stream_suffix() -> str:
    """What random streams add to their names, so that processes draw different numbers; rank 0 draws as one alone."""
    return f"\0rank {_rank}" if _rank else ""
