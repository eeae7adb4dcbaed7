"""A pool of threads for work on large NumPy arrays: NumPy lets go of the interpreter while it computes. Floor 0.

The pool is made when it is first needed, and anew in a forked child. A worker runs in a copy of the caller's context,
so that `numpy.errstate` and the like hold there, too.
"""

import os
from collections.abc import Callable, Sequence
from contextvars import copy_context
from itertools import pairwise
from typing import Any

__all__ = ["get_num_threads", "set_num_threads", "share"]

_number: int | None = None
_pool: Any = None


def get_num_threads() -> int:
    """How many threads work on updates of large variables: what `set_num_threads` said.

    By default the environment's ``OMP_NUM_THREADS``, or else as many as there are processors for this process.
    """
    global _number
    if _number is None:
        asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
        here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        _number = int(asked) if asked.isdigit() and int(asked) > 0 else here
    return _number


def set_num_threads(number: int) -> None:
    """Let so many threads work on updates of large variables; results do not depend on it.

    NumPy's matrix products have threads of their own, which are not changed (``OPENBLAS_NUM_THREADS``, threadpoolctl).

    Raises
    ------
    ValueError
        If `number` is no positive integer.

    Examples
    --------
    >>> import autograd_vs as av
    >>> before = av.get_num_threads()
    >>> av.set_num_threads(1)
    >>> av.get_num_threads()
    1
    >>> av.set_num_threads(before)
    """
    global _number
    if isinstance(number, bool) or number != int(number) or number < 1:
        raise ValueError(f"the number of threads is a positive integer, got {number!r}")
    _number = int(number)
    _drop()


def share(function: Callable[[Sequence], None], items: Sequence) -> None:
    """Run ``function(part)`` on consecutive parts of `items`, each in a thread; the first one in this thread.

    Returns when all are done, and raises what one of them raised.
    """
    number = min(get_num_threads(), len(items))
    if number < 2:
        function(items)
        return
    bounds = [len(items) * i // number for i in range(number + 1)]
    first, *others = [items[i:j] for i, j in pairwise(bounds)]
    futures = [_workers().submit(copy_context().run, function, part) for part in others]
    try:
        function(first)
    finally:
        errors = [future.exception() for future in futures]  # waits for them
    for error in errors:
        if error is not None:
            raise error


def _workers() -> Any:
    global _pool
    if _pool is None:
        from concurrent.futures import ThreadPoolExecutor

        _pool = ThreadPoolExecutor(get_num_threads() - 1, "autograd_vs")
    return _pool


def _drop() -> None:
    """Forget the pool: its threads end by themselves when they are idle."""
    global _pool
    if _pool is not None:
        _pool.shutdown(wait=False)
    _pool = None


def _forget() -> None:
    global _pool
    _pool = None  # the threads are not there in a forked child


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
