"""Looking for what went wrong: the first NaN or Inf, the size of gradients. Floor 3."""

from typing import Any

import numpy as np

from .base.backend import namespace
from .base.nest import flatten
from .base.tables import as_text
from .engine.cotangent import IndexedSlices, bare
from .engine.numerics import Numerics, Watch
from .engine.outside import tracing

__all__ = ["GradientNorms", "check_numerics", "gradient_norms"]


def check_numerics(inf: bool = True) -> Watch:
    """Raise at the first NaN or Inf that is computed inside of a ``with``, forwards or backwards.

    Parameters
    ----------
    inf : bool, default True
        False: at a NaN only.

    Returns
    -------
    context manager
        To be opened around anything: training loops, tapes, calls of `gradient`. It holds for its thread or task.

    Raises
    ------
    FloatingPointError
        Inside, at once, where an op gives a NaN or Inf, its gradient does, or gradients add up to one. The message has
        the op with its scope, the line that called it (for a gradient also the one that asked for it), its inputs and
        which of them are bad already, and the Variables behind it. Also where an optimizer is given a gradient that is
        bad, and, behind its update, where that made a Variable so; in all other cases nothing has been assigned.
    RuntimeError
        If it is opened inside of a function that is traced (`function`).

    Notes
    -----
    Looked at is what depends on a trainable Variable or on what a tape watches; other values where they enter there, as
    inputs. ``-inf`` among these is taken for a mask (of an attention's scores, say), which ops may hand on; what they
    make of it, if that is a NaN or ``+inf``, raises.

    While it is open, a `function` that is called runs eagerly, each op waits for its device, and the gradients of the
    uses of one Variable are added one by one, which may change their last bits. Nothing is paid for it while it is not
    open.

    Examples
    --------
    >>> import autograd_vs as av
    >>> v = av.Variable([1.0, 0.0], name="v")
    >>> with np.errstate(all="ignore"), check_numerics(), av.GradientTape() as tape:
    ...     y = av.sqrt(v)
    ...     tape.gradient(y, v)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    FloatingPointError: the gradient of sqrt (at ...), with respect to Variable 'v:0' of shape (2,) and dtype float32, \
    has the first Inf (in 1 of 2 elements, the first at [1]); the tape walks back at ...
    """
    if tracing() is not None:
        raise RuntimeError(
            "check_numerics cannot look at values while a function is traced: open it around the call, which then runs "
            "eagerly"
        )
    return Watch(Numerics(inf))


def gradient_norms(gradients: Any, variables: Any, depth: int | None = None) -> "GradientNorms":
    """The size of gradients, scope by scope: where they vanish, explode, or do not arrive.

    Parameters
    ----------
    gradients : nest of Tensor, IndexedSlices or None
        As `GradientTape.gradient` returns them.
    variables : nest of Variable
        Of the same length.
    depth : int, >= 1, optional
        Put scopes together by their first `depth` names; by default each scope stands for itself.

    Returns
    -------
    GradientNorms
        A dict from scope (``"encoder/dense"``, ``""`` for variables without one) to the Euclidean norm of all gradients
        in it, a float. Printed it is a table. ``total`` is the norm of all.

    Raises
    ------
    TypeError, ValueError
        If a variable has no name, there are not as many gradients as variables, a shape differs, or `depth` is less
        than 1.

    Examples
    --------
    >>> import autograd_vs as av
    >>> with av.VariableStore():
    ...     with av.variable_scope("dense"):
    ...         w, b = (av.get_variable(n, (2,), initializer=av.initializers.ones) for n in "wb")
    >>> norms = gradient_norms([av.Tensor(np.array([3.0, 4.0])), None], [w, b])
    >>> norms["dense"], norms.total
    (5.0, 5.0)
    >>> print(norms)
    scope  norm  largest  parameters  without gradient
    dense     5        4           4  b
    total     5        4           4
    """
    gradients, variables = flatten(gradients), flatten(variables)
    if len(gradients) != len(variables):
        raise ValueError(f"{len(gradients)} gradients for {len(variables)} variables")
    if depth is not None and depth < 1:
        raise ValueError(f"depth is an integer >= 1 or None, got {depth!r}")
    rows: dict[str, _Row] = {}
    for g, v in zip(gradients, variables, strict=True):
        if not isinstance(getattr(v, "name", None), str) or not hasattr(v, "assign"):
            raise TypeError(f"variables have names, got {v!r:.60} ({type(v).__name__}): are the arguments in order?")
        if g is not None and tuple(g.shape) != tuple(v.shape):
            raise ValueError(f"the gradient of {v.name!r} has shape {tuple(g.shape)}, the variable {tuple(v.shape)}")
        scopes = v.name.partition(":")[0].split("/")
        rows.setdefault("/".join(scopes[:-1][:depth]), _Row()).add(g, v, scopes[-1])
    return GradientNorms(rows)


class _Row:
    """The gradients of one scope."""

    def __init__(self):
        self.square, self.largest, self.parameters, self.without = 0.0, 0.0, 0, []

    def add(self, g, variable, name) -> None:
        """Add the gradient of one variable."""
        self.parameters += variable.size
        if g is None:
            self.without.append(name)
            return
        a = bare(g.merged().values if isinstance(g, IndexedSlices) else g)
        if a.size:
            sizes = namespace(a).abs(a).astype(np.float64)
            self.square += float((sizes * sizes).sum())
            self.largest = float(np.maximum(self.largest, float(sizes.max())))  # NaN stays


class GradientNorms(dict):
    """What `gradient_norms` returns: the norm of each scope.

    Attributes
    ----------
    total : float
        The norm of all gradients together.
    """

    def __init__(self, rows):
        super().__init__({scope: float(np.sqrt(row.square)) for scope, row in rows.items()})
        self.total = float(np.sqrt(sum(row.square for row in rows.values())))
        self._rows = rows

    def __str__(self):
        lines = [("scope", "norm", "largest", "parameters", "without gradient")]
        for scope, row in self._rows.items():
            lines.append((scope or "(none)", *_figures(self[scope], row), ", ".join(row.without)))
        every = _Row()
        every.largest = float(np.max([row.largest for row in self._rows.values()], initial=0.0))
        every.parameters = sum(row.parameters for row in self._rows.values())
        lines.append(("total", *_figures(self.total, every), ""))
        return as_text(lines, right=(1, 2, 3))


def _figures(norm, row) -> tuple[str, str, str]:
    return f"{norm:.4g}", f"{row.largest:.4g}", f"{row.parameters:,}"
