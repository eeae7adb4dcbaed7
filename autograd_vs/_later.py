"""Names of the package that come when they are asked for: modules of functions, and functions of rare use. Floor 3."""

import sys
from importlib import import_module
from typing import Any

from ._migration import missing
from .base import backend
from .base.ranks import launched
from .ops.later import FAMILIES, family

__all__ = ["module_getattr"]

# Names that are no ops: the module that it is, or that has it.
HOMES = {
    "CheckpointManager": "checkpoint_manager", "data": "data", "debug": "debug", "device": "base.devices",
    "devices": "base.devices", "distribute": "distribute", "layers": "layers", "load": "checkpoint",
    "memory_limit": "base.devices", "metrics": "metrics", "plot": "plot", "save": "checkpoint", "summary": "layers",
}  # fmt: skip

if launched() > 1:  # one process of several, which may fail before it knows of the others, and shall end them, too
    import_module(".distribute.mpi", __package__).abort_on_error()
backend.held = lambda name: import_module(".memory", __package__).held(name)  # for errors of memory, which are rare


def module_getattr(name: str) -> Any:
    """``__getattr__`` of the package: a module or function that was left for later, or AttributeError with advice."""
    package = sys.modules[__package__]
    if name in HOMES:
        module = import_module("." + HOMES[name], __package__)
        if name != HOMES[name]:
            setattr(package, name, getattr(module, name))
        return getattr(package, name)
    if name in FAMILIES and name:
        return import_module("." + name, __package__)
    if not name.startswith("_"):
        for each in FAMILIES[""]:
            module = family(each)
            if name in module.__all__:
                setattr(package, name, getattr(module, name))
                return getattr(module, name)
    raise missing(name, package)
