"""What the arguments of a function are: names for people, and the specs of an input signature. Floor 3."""

from typing import Any

import numpy as np

from ..base.nest import flatten, pack, paths
from ..engine.protocol import Operand
from ..engine.tensor import Tensor

__all__ = ["TensorSpec", "fitted", "leaf_names", "name_of", "specs_of"]


class TensorSpec:
    """Shape and dtype of an argument, for ``function(input_signature=...)``.

    Parameters
    ----------
    shape : sequence of int or None; or None
        None in the place of a size is any size, None in the place of the shape is any shape.
    dtype : dtype, default float32

    Examples
    --------
    >>> TensorSpec((None, 3))
    TensorSpec((None, 3), float32)
    """

    __slots__ = ("dtype", "shape")

    def __init__(self, shape: Any, dtype: Any = np.float32):
        sizes = (shape,) if isinstance(shape, (int, np.integer)) else shape
        self.shape = None if sizes is None else tuple([None if n is None else int(n) for n in sizes])
        self.dtype = np.dtype(dtype)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TensorSpec) and (self.shape, self.dtype) == (other.shape, other.dtype)

    def __hash__(self) -> int:
        return hash((self.shape, self.dtype))

    def __repr__(self) -> str:
        return f"TensorSpec({self.shape}, {self.dtype})"


def specs_of(python_function, input_signature) -> tuple:
    """An input signature, looked over: a nest of specs for each argument.

    Raises
    ------
    TypeError
        If it is no sequence, or there is anything but specs in it.
    """
    name = name_of(python_function)
    if not isinstance(input_signature, (list, tuple)):
        raise TypeError(
            f"{name}: input_signature is a sequence with a nest of TensorSpec for each argument, got "
            f"{input_signature!r:.60}"
        )
    for leaf in flatten(input_signature):
        if not isinstance(leaf, TensorSpec):
            raise TypeError(f"{name}: an input_signature is made of TensorSpec, got {leaf!r:.60} in it")
    return tuple(input_signature)


def fitted(python_function, specs: tuple, args: tuple, options: dict) -> list:
    """The arguments in their order, as Tensors that fit `specs`; TypeError or ValueError where they do not."""
    name = name_of(python_function)
    if options:
        args = _in_order(python_function, args, options)
    if len(args) != len(specs):
        raise TypeError(f"{name} takes the {len(specs)} arguments of its input_signature, got {len(args)}")
    names = _names(python_function, len(args))
    return [_fit(spec, x, f"{name}: argument {label}") for spec, x, label in zip(specs, args, names, strict=True)]


def _fit(spec, x, what: str):
    if isinstance(spec, TensorSpec):
        return _fit_leaf(spec, x, what)
    if isinstance(spec, dict):
        if not isinstance(x, dict) or x.keys() != spec.keys():
            raise TypeError(f"{what} is a dict with the keys {list(spec)} in its input_signature, got {_kind(x)}")
        return {key: _fit(part, x[key], f"{what}[{key!r}]") for key, part in spec.items()}
    if not isinstance(x, (list, tuple)) or len(x) != len(spec):
        raise TypeError(f"{what} is a {type(spec).__name__} of {len(spec)} in its input_signature, got {_kind(x)}")
    return pack(spec, flatten([_fit(part, x[i], f"{what}[{i}]") for i, part in enumerate(spec)]))


def _kind(x) -> str:
    size = (
        f" of {len(x)}" if isinstance(x, (list, tuple)) else f" with the keys {list(x)}" if isinstance(x, dict) else ""
    )
    return f"a {type(x).__name__}{size}"


def _fit_leaf(spec, x, what: str):
    """A Tensor that fits, or the Variable."""
    made = x if isinstance(x, Operand) else _tensor(spec, x, what)
    if made.dtype != spec.dtype:
        raise TypeError(
            f"{what} has dtype {made.dtype}, its input_signature says {spec.dtype}: give it as "
            f"x.astype({str(spec.dtype)!r})"
        )
    shape = made.shape
    sizes_fit = spec.shape is None or (
        len(shape) == len(spec.shape) and all(n in (None, m) for n, m in zip(spec.shape, shape, strict=True))
    )
    if not sizes_fit:
        raise ValueError(f"{what} has shape {shape}, its input_signature says {spec.shape}")
    return made


def _tensor(spec, x, what: str) -> Tensor:
    try:
        array = np.asarray(x)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{what} is no array: {error}") from None
    if not np.can_cast(array.dtype, spec.dtype, "same_kind") and array.size:
        raise TypeError(
            f"{what} has dtype {array.dtype}, which does not convert to {spec.dtype} of its input_signature"
        )
    return Tensor(array.astype(spec.dtype, copy=False))


# ---------------------------------------------------------------- names


def _in_order(python_function, args, options) -> tuple:
    from inspect import signature  # late: it costs import time

    bound = signature(python_function).bind(*args, **options)
    if bound.kwargs:
        name = name_of(python_function)
        raise TypeError(f"{name} has an input_signature: its arguments have an order, {list(bound.kwargs)} have none")
    return bound.args


def name_of(python_function) -> str:
    """What to call a function: its name, or that of its class."""
    return getattr(python_function, "__name__", type(python_function).__name__)


def _names(python_function, count: int) -> list[str]:
    """Names of so many arguments in their order."""
    from inspect import Parameter, signature

    try:
        parameters = list(signature(python_function).parameters.values())
    except (TypeError, ValueError):  # of a function written in C
        parameters = []
    names = [p.name for p in parameters if p.kind in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)]
    rest = next((p.name for p in parameters if p.kind is Parameter.VAR_POSITIONAL), "args")
    return [names[i] if i < len(names) else f"{rest}[{i - len(names)}]" for i in range(count)]


def leaf_names(python_function, args: tuple, options: dict) -> list[str]:
    """What to call each leaf of the arguments: ``x``, ``batch['image']``, ``rest[0]``.

    Examples
    --------
    >>> leaf_names(lambda x, batch: None, (1, {"image": [2, 3]}), {})
    ['x', "batch['image'][0]", "batch['image'][1]"]
    """
    named: Any = dict(zip(_names(python_function, len(args)), args, strict=True)) | options
    return [path for name, part in named.items() for path in paths(name, part)]
