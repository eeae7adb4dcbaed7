"""Policy: variables in one dtype, computation in another. Floor 2."""

from typing import Any

import numpy as np

from ..base.dtypes import as_dtype, is_differentiable, is_half

__all__ = ["Policy", "cast", "split"]

_KERAS = {"mixed_float16": "float16", "mixed_bfloat16": "bfloat16"}


class Policy:
    """In which dtype variables are kept, and in which what is made of them is computed: mixed precision.

    As the `dtype` of a `variable_scope` it holds for the layers and variables inside, up to a scope or layer with a
    dtype of its own: ``dtype="float32"`` switches it off.

    Parameters
    ----------
    compute : dtype
        "float16" or "bfloat16" for mixed precision; Keras' "mixed_float16" and "mixed_bfloat16" mean the same.
        "bfloat16" needs the package ml_dtypes, the extra ``[bf16]``.
    variables : dtype, optional
        By default float32 for half precision, else `compute`.

    Attributes
    ----------
    compute_dtype, variable_dtype : numpy.dtype
        As Keras names them.

    Raises
    ------
    TypeError
        If one is no float dtype.
    ValueError
        If variables have fewer bits than the computation.
    ImportError
        For bfloat16 without ml_dtypes.

    Notes
    -----
    Variables are made, updated and saved in `variables`, optimizers keep their slots in it, and gradients by variables
    arrive in it. Handed out are casts, which a tape records:

    - `get_variable` returns the cast Tensor. Call it where you compute, inside of the tape: what was cast before a tape
      was opened is a constant to it. What is asked for with a `dtype` of its own, or with ``trainable=False`` (running
      averages, counters), comes as the Variable itself. The Variables of a store are in ``store.variables()``.
    - A layer holds its Variables, and casts them and its first argument when it is called (`Layer.cast`). Its result is
      of the compute dtype.

    What would lose too much does not depend on the policy: given half precision, softmax, the normalizations, sums and
    means are computed in float32 and rounded once, and losses return float32. Other functions of your own code follow
    NumPy: float32 with float16 is float32, so cast what comes in.

    Gradients of float16 below 6e-8 are 0: scale the loss (``optim.LossScaler``). bfloat16 has the range of float32 and
    needs none.

    References
    ----------
    Micikevicius et al., "Mixed precision training", ICLR 2018. Keras' ``mixed_precision.Policy``.

    Examples
    --------
    >>> import autograd_vs as av
    >>> with av.VariableStore() as store, av.variable_scope("net", dtype=av.Policy("float16")):
    ...     with av.GradientTape() as tape:
    ...         w = av.get_variable("w", initializer=[1.0, 2.0])
    ...         loss = av.sum(w * w)
    >>> v = store["net/w"]
    >>> w.dtype, v.dtype, tape.gradient(loss, v).dtype
    (dtype('float16'), dtype('float32'), dtype('float32'))
    """

    __slots__ = ("compute_dtype", "variable_dtype")

    def __init__(self, compute: Any, variables: Any = None):
        compute = _float("compute", _KERAS.get(compute, compute) if isinstance(compute, str) else compute)
        if variables is None:
            variables = np.float32 if is_half(compute) else compute
        self.compute_dtype, self.variable_dtype = compute, _float("variables", variables)
        if self.variable_dtype.itemsize < compute.itemsize:
            raise ValueError(f"{self!r}: variables have at least the precision of the computation")

    def __repr__(self):
        return f"Policy(compute={self.compute_dtype.name!r}, variables={self.variable_dtype.name!r})"

    def __eq__(self, other):
        return isinstance(other, Policy) and self._key() == other._key()

    def __hash__(self):
        return hash(self._key())

    def _key(self):
        return self.compute_dtype, self.variable_dtype


def _float(what, dtype) -> np.dtype:
    try:
        found = as_dtype(dtype)
    except TypeError:
        found = None
    if dtype is None or found is None or not (found.kind == "f" or is_half(found)):
        raise TypeError(f"Policy: {what} is a float dtype, such as 'float16' or 'float32', got {dtype!r}")
    return found


def split(dtype: Any) -> tuple[np.dtype | None, np.dtype | None]:
    """What the `dtype` of a scope says of its variables and, where this is another one, of the computation."""
    if isinstance(dtype, Policy):
        mixed = dtype.compute_dtype != dtype.variable_dtype
        return dtype.variable_dtype, dtype.compute_dtype if mixed else None
    return None if dtype is None else as_dtype(dtype), None


def cast(x: Any, dtype: np.dtype) -> Any:
    """An array, Tensor or Variable of floats in this dtype; other numbers as they are."""
    has = x.dtype
    return x.astype(dtype) if has != dtype and has.kind != "c" and is_differentiable(has) else x
