"""optim: optimizers that keep their state by variable name, schedules, clipping.

Stands on the public names of `autograd_vs` only. Formulas are PyTorch's, spellings are TensorFlow's.
"""

from typing import TYPE_CHECKING

from . import schedules
from .adam import Adam, AdamW
from .clipping import clip_by_global_norm, clip_by_norm, clip_by_value
from .optimizer import Optimizer
from .sgd import SGD

__all__ = [
    "LAMB", "LBFGS", "SGD", "Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "ExponentialMovingAverage",
    "Lion", "Lookahead", "LossScaler", "Muon", "NAdam", "Optimizer", "RAdam", "RMSprop", "ReduceOnPlateau",
    "clip_by_global_norm", "clip_by_norm", "clip_by_value", "schedules",
]  # fmt: skip

# Imported when they are asked for.
_LATER = {
    "Adadelta": "adadelta", "Adagrad": "adagrad", "Adamax": "adamax", "Lion": "lion", "NAdam": "nadam",
    "RAdam": "radam", "RMSprop": "rmsprop", "ReduceOnPlateau": "plateau", "ExponentialMovingAverage": "averages",
    "Lookahead": "averages", "LAMB": "lamb", "Adafactor": "adafactor", "Muon": "muon", "LossScaler": "scaling",
    "LBFGS": "lbfgs",
}  # fmt: skip

if TYPE_CHECKING:  # type checkers shall say which names there are not
    from .adadelta import Adadelta
    from .adafactor import Adafactor
    from .adagrad import Adagrad
    from .adamax import Adamax
    from .averages import ExponentialMovingAverage, Lookahead
    from .lamb import LAMB
    from .lbfgs import LBFGS
    from .lion import Lion
    from .muon import Muon
    from .nadam import NAdam
    from .plateau import ReduceOnPlateau
    from .radam import RAdam
    from .rmsprop import RMSprop
    from .scaling import LossScaler
else:

    def __getattr__(name: str):
        """What is imported late; or AttributeError, with the way to do it here."""
        if name in _LATER:
            from importlib import import_module

            globals()[name] = found = getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
            return found
        from .advice import missing_name

        raise AttributeError(missing_name(name, __all__), name=name)

    def __dir__():
        return sorted({*globals(), *__all__})
