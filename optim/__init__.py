"""optim: optimizers that keep their state by variable name, schedules, clipping.

Stands on the public names of `autograd_vs` only. Formulas are PyTorch's, spellings are TensorFlow's.
"""

from . import schedules
from .adam import Adam, AdamW
from .clipping import clip_by_global_norm, clip_by_norm, clip_by_value
from .optimizer import Optimizer
from .sgd import SGD

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "clip_by_global_norm", "clip_by_norm", "clip_by_value", "schedules"]
