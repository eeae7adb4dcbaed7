"""optim: optimizers that keep their state by variable name, schedules, clipping.

Stands on the public names of `autograd_vs` only. Formulas are PyTorch's, spellings are TensorFlow's.
"""

from typing import TYPE_CHECKING

from . import schedules
from .adam import Adam, AdamW
from .clipping import clip_by_global_norm, clip_by_norm, clip_by_value
from .optimizer import Optimizer
from .sgd import SGD

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "clip_by_global_norm", "clip_by_norm", "clip_by_value", "schedules"]

if not TYPE_CHECKING:  # type checkers shall say which names there are not

    def __getattr__(name: str):
        """AttributeError, with the way to do it here."""
        from .advice import missing_name

        raise AttributeError(missing_name(name, __all__), name=name)
