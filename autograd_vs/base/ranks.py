"""Which one this is of several processes that train together: who draws, logs and writes. Floor 0.

`autograd_vs.distribute` sets it; a process by itself is rank 0 of 1. Nothing here waits for another process, but what
`across` holds.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

__all__ = ["across", "is_main", "set_rank", "stream_suffix", "summed_by"]

_rank = 0

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
