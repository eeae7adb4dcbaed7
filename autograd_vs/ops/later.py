"""Families of ops that are loaded when first needed, so that the import takes little more time than NumPy's. Floor 2.

A NumPy function that is not in the table yet loads them all (`registry.find`), and so does a name of the package that
is not there yet (``av.median``, ``av.linalg``). What a training loop needs in any case is not here.
"""

from importlib import import_module

from ..engine import registry

__all__ = ["FAMILIES", "family"]

# Where users find their names ("" is the package itself, like ``av.median``), and the files of this folder.
FAMILIES: dict[str, tuple[str, ...]] = {
    "": (),
    "linalg": ("linalg",),
    "nn": ("activations", "erf", "losses", "nn", "normalization"),
    "random": ("continuous", "discrete", "gamma"),
}


def family(name: str):
    """The module of this folder that holds a family."""
    return import_module("." + name, __package__)


def _numpys() -> bool:
    for names in FAMILIES.values():
        for name in names:
            family(name)
    return True


registry.later.append(_numpys)
