"""Declaring ops otherwise than by `op(...)`: as a decorator of the forward, and as functions made of ops. Floor 1."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from . import registry
from .op import op
from .protocol import install, reductions
from .tensor import Tensor

if TYPE_CHECKING:
    from typing import ParamSpec, TypeVar

    from .op import Function

    P = ParamSpec("P")
    R = TypeVar("R")

__all__ = ["composed", "primitive", "reduces"]


@overload
def primitive(
    function: Any = None, summary: str = "", *, outputs: Literal[1] = 1, **declaration: Any
) -> "Callable[[Callable[P, Any]], Function[P, Tensor]]": ...
@overload
def primitive(
    function: Any = None, summary: str = "", *, outputs: int | None, **declaration: Any
) -> "Callable[[Callable[P, Any]], Function[P, tuple[Tensor, ...]]]": ...
def primitive(function=None, summary="", **declaration):
    """`op` as a decorator of the forward: ``@primitive(np.sum, vjp={...})`` over ``def sum(a, axis=None, ...)``."""

    def declare(forward):
        return op(function, summary, forward=forward, **declaration)

    return declare


def composed(
    function: Any = None, *, methods: str = "", operators: str = "", samples: Any = None, home: str = ""
) -> "Callable[[Callable[P, R]], Function[P, R]]":
    """Declare what is made of other ops: a decorator that registers its function for NumPy's `function`.

    `methods`, `operators` and `samples` are as in `op`; the tests find the function in ``registry.composed``. `home` is
    the module under `av` where users find it, if it is not `av` itself ("linalg"; its key is then "linalg.norm").
    """

    def declare(call):
        call.__module__ = "autograd_vs"
        call.numpy, call.samples = function, samples
        key = f"{home}.{call.__name__}" if home else call.__name__
        if key in registry.composed:
            raise ValueError(f"there is a composed function {key!r} already")
        registry.composed[key] = call
        if function is not None:
            registry.functions[function] = call
        for special in operators.split():
            install(special, call)
        for method in methods.split():
            install(method, call)
        return call

    return declare


def reduces(ufunc: np.ufunc, call, method: str = "reduce") -> None:
    """Say that ``ufunc.reduce`` (or another of its methods) is `call`; a ufunc's own default is the first axis."""
    takes_dtype = not hasattr(call, "op") or "dtype" in call.op.names

    def reduction(a, axis=0, dtype=None, out=None, keepdims=False, **options):
        if keepdims:
            options["keepdims"] = keepdims
        if dtype is not None and takes_dtype:
            options["dtype"] = dtype
        elif dtype is not None:
            a = registry.ops["astype"].public(a, dtype)
        if out is not None:
            options["out"] = out
        return call(a, axis=axis, **options)

    reductions[ufunc, method] = reduction
