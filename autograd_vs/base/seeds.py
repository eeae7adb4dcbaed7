"""Seeds: the one global seed, and counter-based generators keyed by (seed, name). Floor 0.

NumPy's global random state is never touched. A value depends on the seed and on a name only (the full name of a
variable, the name of a random stream), never on the order in which things are made.
"""

import numpy as np

__all__ = ["generator", "global_seed", "seeded", "set_seed", "stream_key"]

_seed: int | None = None
_times = 0


def set_seed(seed: int | None) -> None:
    """Set the global seed (an integer >= 0); None goes back to a seed drawn from the system.

    Raises
    ------
    TypeError, ValueError
        If `seed` is not an integer, or is negative.
    """
    global _seed, _times
    if seed is not None:
        if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
            raise TypeError(f"a seed is an integer, got {seed!r}")
        if seed < 0:
            raise ValueError(f"a seed is not negative, got {seed}")
        seed = int(seed)
    _seed = seed
    _times += 1


def global_seed() -> int | None:
    """The seed given to `set_seed`, or None."""
    return _seed


def seeded() -> int:
    """How many times `set_seed` was called: who counts draws begins again when it grows."""
    return _times


def stream_key(seed: int, name: str) -> int:
    """The 128-bit Philox key of a name: a hash of seed and whole name, separators included.

    Examples
    --------
    >>> stream_key(0, "ab/c") != stream_key(0, "a/bc")
    True
    """
    import hashlib  # late: import cost

    return int.from_bytes(hashlib.blake2b(f"{seed}\0{name}".encode(), digest_size=16).digest(), "little")


def generator(seed: int, name: str, counter: int = 0) -> "np.random.Generator":
    """NumPy's Philox generator of a name, at the `counter`-th block of 2**64 numbers.

    Examples
    --------
    >>> generator(1, "w").random() == generator(1, "w").random()
    True
    """
    return np.random.Generator(np.random.Philox(key=stream_key(seed, name), counter=counter << 64))
