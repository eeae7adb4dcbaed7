"""Which one this is of several processes that train together: who draws, logs and writes. Floor 0.

`autograd_vs.distribute` sets it; a process by itself is rank 0 of 1. Nothing here waits for another process.
"""

__all__ = ["is_main", "set_rank", "stream_suffix"]

_rank = 0


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
