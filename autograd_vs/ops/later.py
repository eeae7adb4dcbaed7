"""Families of ops that are loaded when first needed, so that the import takes little more time than NumPy's. Floor 2.

A NumPy function that is not in the table yet loads them all (`registry.find`), and so does a name of the package that
is not there yet (``av.median``, ``av.linalg``). What a training loop needs in any case is not here. The families that
need SciPy come when they are asked for, and when a program that imported `scipy.special` itself gives it a Tensor.
"""

import sys
from importlib import import_module

from ..engine import registry

__all__ = ["FAMILIES", "NEED_SCIPY", "family"]

# Where users find their names ("" is the package itself, like ``av.median``), and the files of this folder.
FAMILIES: dict[str, tuple[str, ...]] = {
    "": ("calculus", "polynomials", "sets", "statistics", "ufuncs"),
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
    "special": ("special",),
    "stats": ("distributions",),
}
NEED_SCIPY = {"special", "stats"}


def family(name: str):
    """The module of this folder that holds a family."""
    return import_module("." + name, __package__)


def _numpys() -> bool:
    for home, names in FAMILIES.items():
        if home not in NEED_SCIPY:
            for name in names:
                family(name)
    return True


def _scipys() -> bool:
    if "scipy.special" not in sys.modules:
        return False
    family("special")
    return True


registry.later += [_numpys, _scipys]
