"""Families of ops that are loaded when first needed, so that the import takes little more time than NumPy's. Floor 2.

A NumPy function that is not in the table yet loads them all (`registry.find`), and so does a name of the package that
is not there yet (``av.median``, ``av.linalg``). What a training loop needs in any case is not here. The families that
need SciPy come when they are asked for, and when a program that imported `scipy.special` itself gives it a Tensor.
"""

import sys
from importlib import import_module

from ..engine import registry
from ..engine.protocol import install

__all__ = ["FAMILIES", "METHODS", "NEED_SCIPY", "family"]

# Where users find their names ("" is the package itself, like ``av.median``), and the files of this folder.
FAMILIES: dict[str, tuple[str, ...]] = {
    "": ("calculus", "polynomials", "rearrange", "sets", "statistics", "ufuncs"),
    "fft": ("fft",),
    "linalg": ("decompositions", "linalg", "norms"),
    "nn": (
        "activations",
        "attention",
        "batch_norm",
        "cells",
        "conv",
        "ctc",
        "erf",
        "losses",
        "margins",
        "nn",
        "normalization",
        "piecewise",
        "pool",
        "regression",
        "resize",
        "smooth",
    ),
    "random": ("continuous", "discrete", "gamma"),
    "special": ("special",),
    "stats": ("distributions",),
}
NEED_SCIPY = {"special", "stats"}

# Methods of Tensors and Variables that these files install, and the file of each.
METHODS = {"choose": "rearrange", "compress": "rearrange"}


def family(name: str):
    """The module of this folder that holds a family."""
    return import_module("." + name, __package__)


def _numpys() -> bool:
    for home, names in FAMILIES.items():
        if home not in NEED_SCIPY:
            for name in names:
                family(name)
    family("coverage")  # why what is still not there is refused
    return True


def _scipys() -> bool:
    if "scipy.special" not in sys.modules:
        return False
    family("special")
    return True


def _method(name: str):
    """What stands in the place of a method until its file is loaded, which installs the real one."""

    def call(self, *args, **kwargs):
        family(METHODS[name])
        return getattr(self, name)(*args, **kwargs)

    return call


for _name in METHODS:
    install(_name, _method(_name))
registry.later += [_numpys, _scipys]
