"""Data-parallel training: several processes, each with its part of a batch, make one step together. Floor 3.

`strategy.py` is what a user has; `exchange.py` is what ranks tell each other, and how they find out that they disagree;
`mpi.py` is the one file that imports mpi4py. What is summed on GPUs goes through NCCL (`base/cuda/collectives.py`).
"""

from .strategy import DataParallel

__all__ = ["DataParallel"]
