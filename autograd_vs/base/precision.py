"""How exact products of matrices are on a GPU, as one setting; half precision widened where it must be. Floor 0.

The setting is read by `base/cuda/products.py` only: NumPy's products have the precision of their dtype.
"""

from functools import wraps
from typing import Any, NamedTuple

import numpy as np

from .dtypes import is_half
from .stack import Stack

__all__ = ["get_matmul_precision", "in_float32", "matmul_precision", "set_matmul_precision", "widened"]

_NAMES = {  # PyTorch's names, and JAX's
    "highest": "highest", "high": "high", "medium": "medium",
    "float32": "highest", "tensorfloat32": "high", "bfloat16": "medium",
}  # fmt: skip
_default = "highest"
_open = Stack("matmul_precision")


class _Frame(NamedTuple):
    below: Any
    precision: str


def _checked(precision) -> str:
    found = _NAMES.get(precision) if isinstance(precision, str) else None
    if found is None:
        raise ValueError(
            f"a matmul precision is 'highest' (float32), 'high' (TF32) or 'medium' (bfloat16), got {precision!r}"
        )
    return found


def get_matmul_precision() -> str:
    """The precision that holds here: "highest", "high" or "medium".

    Examples
    --------
    >>> import autograd_vs as av
    >>> with av.matmul_precision("tensorfloat32"):
    ...     av.get_matmul_precision()
    'high'
    >>> av.get_matmul_precision()
    'highest'
    """
    frame = _open.top()
    return _default if frame is None else frame.precision


def set_matmul_precision(precision: str) -> None:
    """Set the precision of products of float32 matrices where no `matmul_precision` is open, in all threads.

    Parameters
    ----------
    precision : str
        As in `matmul_precision`. At first it is "highest".

    Raises
    ------
    ValueError
        If it is none of these; nothing is changed.

    Examples
    --------
    >>> import autograd_vs as av
    >>> av.set_matmul_precision("high")
    >>> av.get_matmul_precision()
    'high'
    >>> av.set_matmul_precision("highest")
    """
    global _default
    _default = _checked(precision)


class matmul_precision:
    """In this ``with``, and this thread or async task, products of float32 matrices on a GPU are as exact as this says.

    Parameters
    ----------
    precision : {"highest", "high", "medium"}
        "highest": the factors as they are, 24 bits each. "high": rounded to TF32, 11 bits. "medium": to bfloat16, 8
        bits. Sums are float32 in each. JAX's names "float32", "tensorfloat32" and "bfloat16" mean the same.

    Raises
    ------
    ValueError
        If it is none of these.

    Notes
    -----
    On the CPU it changes nothing: NumPy multiplies float32 as float32. Products of other dtypes have their own
    precision: float16 and bfloat16 always add up in float32, float64 stays float64. A plan of `function` has the
    precision that held when it was traced, and there is one for each. Gradients are products like others: what counts
    is where `tape.gradient` is called. `set_matmul_precision` sets it for the whole program.

    References
    ----------
    PyTorch's ``torch.set_float32_matmul_precision``, JAX's ``jax.default_matmul_precision``.

    Examples
    --------
    >>> import autograd_vs as av
    >>> with av.matmul_precision("high"):
    ...     y = av.matmul(np.ones((2, 3), "float32"), np.ones((3, 2), "float32"))
    >>> y.numpy().tolist()
    [[3.0, 3.0], [3.0, 3.0]]
    """

    def __init__(self, precision: str):
        self._precision = _checked(precision)
        self._frames: list[_Frame] = []

    def __enter__(self) -> str:
        frame = _Frame(_open.top(), self._precision)
        self._frames.append(frame)
        _open.push(frame)
        return self._precision

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None:
        _open.leave(self._frames.pop(), quiet=kind is not None)


# ---------------------------------------------------------------- half precision


def in_float32(narrow=True):
    """Decorate a formula that would lose too much in half precision, or overflow: it is computed in float32.

    What decides is the first argument; the others go along. The result, or the first of several, is rounded to its
    dtype once, unless `narrow` is False. Takes bare arrays (rules, forwards) and Tensors (functions made of ops), where
    the casts are recorded.
    """

    def decorate(formula):
        @wraps(formula)
        def call(*args, **options):
            dtype = getattr(args[0] if args else next(iter(options.values()), None), "dtype", None)
            if dtype is None or not is_half(dtype):
                return formula(*args, **options)
            found = formula(*map(widened, args), **{name: widened(x) for name, x in options.items()})
            if not narrow:
                return found
            return (found[0].astype(dtype), *found[1:]) if isinstance(found, tuple) else found.astype(dtype)

        call.formula = getattr(formula, "formula", formula)  # type: ignore[attr-defined]  # its parameters, for rules
        return call

    return decorate


def widened(x: Any) -> Any:
    """`x`, in float32 if it is of half precision."""
    dtype = getattr(x, "dtype", None)
    return x.astype(np.float32) if dtype is not None and is_half(dtype) else x
