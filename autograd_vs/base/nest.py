"""Nests: any mix of dicts, lists, tuples and named tuples, with leaves. Floor 0."""

from itertools import repeat
from typing import Any

__all__ = ["flatten", "map_nest", "pack", "paths"]


def flatten(nest: Any) -> list:
    """The leaves of a nest, in order (dicts in their own order; None is a leaf).

    Examples
    --------
    >>> flatten({"a": 1, "b": [2, (3,)]})
    [1, 2, 3]
    """
    if not isinstance(nest, (list, tuple, dict)):
        return [nest]
    leaves: list = []
    for part in nest.values() if isinstance(nest, dict) else nest:
        if isinstance(part, (list, tuple, dict)):
            leaves += flatten(part)
        else:
            leaves.append(part)
    return leaves


def pack(nest: Any, leaves) -> Any:
    """A nest of the structure of `nest` with `leaves` in place of its own.

    Examples
    --------
    >>> pack({"a": 1, "b": [2, (3,)]}, "xyz")
    {'a': 'x', 'b': ['y', ('z',)]}
    """
    if nest.__class__ is list and not any(map(isinstance, nest, repeat((list, tuple, dict)))):
        return list(leaves)  # flat, as in `tape.gradient(loss, variables)`
    return _pack(nest, iter(leaves))


def map_nest(function, nest: Any) -> Any:
    """`function` of every leaf, in the same structure.

    Examples
    --------
    >>> map_nest(abs, [-1, {"a": -2}])
    [1, {'a': 2}]
    """
    return pack(nest, map(function, flatten(nest)))


def paths(name: str, nest: Any) -> list[str]:
    """What to call each leaf of a nest that is called `name`.

    Examples
    --------
    >>> paths("batch", {"image": 1, "ids": [2, 3]})
    ["batch['image']", "batch['ids'][0]", "batch['ids'][1]"]
    """
    if isinstance(nest, (list, tuple, dict)):
        keys = nest if isinstance(nest, dict) else range(len(nest))
        parts = nest.values() if isinstance(nest, dict) else nest
        return [leaf for key, part in zip(keys, parts, strict=True) for leaf in paths(f"{name}[{key!r}]", part)]
    return [name]


def _pack(nest, leaves):
    if isinstance(nest, dict):
        return {key: _pack(part, leaves) for key, part in nest.items()}
    if isinstance(nest, tuple) and hasattr(nest, "_fields"):
        return type(nest)(*(_pack(part, leaves) for part in nest))
    if isinstance(nest, (list, tuple)):
        return type(nest)(_pack(part, leaves) for part in nest)
    return next(leaves)
