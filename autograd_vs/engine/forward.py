"""ForwardAccumulator: listens while it is open, and pushes tangents forward through every op it hears. Floor 1.

The tangent of an op's output is the sum over its followed arguments of Jacobian times tangent. In order of preference:
the op's own `jvp` rule; the vjp where the Jacobian is diagonal (elementwise ops); the forward where the op is linear in
the argument; else the vjp transposed: it is linear in its `g`, so its own gradient with respect to `g` is the jvp.

Tangents are computed as any other values are: tapes and accumulators opened outside hear them, so forward over forward,
forward over reverse and reverse over forward all give higher derivatives.
"""

from typing import Any

from ..base.dtypes import is_differentiable
from ..base.nest import flatten, pack
from . import registry
from .cotangent import Bundle
from .protocol import Operand, describe
from .record import Frame, Mark, Record, active, frames
from .rule import parameters
from .tape import GradientTape
from .tensor import Tensor, tensor_of
from .walk import check_unconnected, lifted, zeros

__all__ = ["ForwardAccumulator"]


class ForwardAccumulator:
    """Jacobian-vector products by forward-mode differentiation.

    Parameters
    ----------
    primals : Tensor or Variable, or nest of them
        What to differentiate with respect to.
    tangents : nest like primals
        The direction, with the shapes and dtypes of the primals.

    Raises
    ------
    ValueError
        If the structures or shapes differ.
    TypeError
        If a primal is no Tensor or Variable, or has an integer dtype.

    Examples
    --------
    >>> x = Tensor(3.0)
    >>> with ForwardAccumulator(x, Tensor(1.0)) as acc:
    ...     y = x * x
    >>> acc.jvp(y).item()
    6.0
    """

    def __init__(self, primals: Any, tangents: Any):
        self._primals, directions = flatten(primals), flatten(tangents)
        if len(self._primals) != len(directions):
            raise ValueError(f"{len(self._primals)} primals, but {len(directions)} tangents")
        self._directions = []
        for x, t in zip(self._primals, directions, strict=True):
            if not isinstance(x, Operand):
                raise TypeError(
                    f"a primal must be a Tensor or a Variable, got {type(x).__name__}: wrap it, `av.Tensor(a)`"
                )
            if not is_differentiable(x.dtype):
                raise TypeError(f"{describe(x)} has no tangent: its dtype is not float or complex")
            t = t if isinstance(t, Operand) else Tensor(t)
            if t.shape != x.shape:
                raise ValueError(f"the tangent of {describe(x)} has shape {t.shape}")
            self._directions.append(t if t.dtype == x.dtype else t.astype(x.dtype))
        for i, x in enumerate(self._primals):
            if any(x is other for other in self._primals[:i]):
                raise ValueError(
                    f"{describe(x)} is given twice as a primal: give it once, with the sum of its tangents"
                )
        self._tangents: dict[int, Operand] = {}
        self._frame: Frame | None = None
        self._record: Record | None = None

    def __enter__(self) -> "ForwardAccumulator":
        if self._frame is not None:
            raise RuntimeError("this accumulator is open already")
        below = active()
        self._record = (below.record if below is not None else None) or Record()
        self._record.claim(self)
        for x, t in zip(self._primals, self._directions, strict=True):
            self._record.attract(x)
            self._tangents[x.position] = t
        mark = Mark.on(self._record, below.mark if below is not None else None)
        self._frame = Frame.over(
            below, record=self._record, listeners=(*(below.listeners if below else ()), self), mark=mark
        )
        try:
            frames.push(self._frame)
            return self
        except BaseException:  # an interrupt: nobody will call __exit__
            frames.replace(below)
            self._frame = None
            raise

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None:
        frame = self._frame
        try:
            self._frame = None
            frames.pop(frame, quiet=kind is not None)
        except BaseException:  # an interrupt before the end; what is closed already stays as it is
            self._frame = None
            frames.pop(frame, quiet=True)
            raise
        finally:
            below = active()
            record = self._record
            if record is not None:
                if below is None or below.record is not record:
                    record.settle()
                record.release(self)

    def __del__(self):
        if getattr(self, "_record", None) is not None:
            self._record.release(self)  # type: ignore[union-attr]

    def jvp(self, primals: Any, unconnected_gradients: str = "none") -> Any:
        """The tangents of what was computed inside: the Jacobian times the direction.

        Parameters
        ----------
        primals : Tensor, or nest of Tensors
        unconnected_gradients : {"none", "zero"}
            What stands for a value that does not depend on the primals.

        Returns
        -------
        nest like primals, of Tensors with the shapes and dtypes of the primals

        Raises
        ------
        ValueError
            If `unconnected_gradients` is neither "none" nor "zero".
        """
        check_unconnected(unconnected_gradients)
        found = []
        for y in flatten(primals):
            if not isinstance(y, Operand):
                raise TypeError(f"jvp takes Tensors computed inside of the accumulator, got {type(y).__name__}")
            p = y.own_position if hasattr(y, "settle") else y.position  # type: ignore[attr-defined]  # a Variable
            t = self._tangents.get(p)
            found.append(zeros(y) if t is None and unconnected_gradients == "zero" else t)
        return pack(primals, found)

    # ---------------------------------------------------------------- listening
    def follows(self, position: int) -> bool:
        """Say whether there is a tangent for the value at `position`."""
        return position in self._tangents

    def hear(self, entry, call) -> None:
        """Push the tangents of an op's inputs to its outputs."""
        rule, out, inputs, _, _ = entry
        tangents = self._tangents
        here = [(n, i) for n, i in enumerate(rule.watched) if inputs[n] in tangents]
        if not here:
            return
        below = active()
        # The tangent's own ops are heard by tapes and by the accumulators opened before this one.
        before = below.listeners[: below.listeners.index(self)] if self in below.listeners else ()
        frame = Frame.over(below, listeners=before)
        frames.push(frame)
        try:
            parts = [_push(call, rule, entry, n, i, tangents[inputs[n]]) for n, i in here]
            outputs = call.output if isinstance(call.output, tuple) else None
            if outputs is None:
                total = _total(parts)
                if total is not None:
                    tangents[out] = _as(call.output, total)
            else:
                for j, y in enumerate(outputs):
                    total = _total([part[j] for part in parts if part is not None])
                    if total is not None:
                        tangents[y.position] = _as(y, total)
        finally:
            frames.pop(frame, quiet=True)


def _total(parts):
    parts = [p for p in parts if p is not None]
    total = parts[0] if parts else None
    for p in parts[1:]:
        total = total + p
    return total


def _as(y, t) -> Operand:
    t = t if isinstance(t, Operand) else Tensor(t)
    if t.shape != y.shape:
        t = registry.ops["broadcast_to"].public(t, y.shape)
    return t if t.dtype == y.dtype else t.astype(y.dtype)


def _push(call, rule, entry, n, i, t):
    """The part of the output's tangent that comes from argument `i`, the n-th watched one."""
    op = call.op
    name = op.names[i if op.arity is not None else 0]
    y = call.output
    if name in op.jvp:
        return op.jvp[name](t, *_arguments(op, op.jvp[name], call, i))
    if op.elementwise:
        return op.vjps[name](t, *_arguments(op, op.vjps[name], call, i))
    if op.linear == "each" and op.arity is not None:
        operands = [t if j == i else x for j, x in enumerate(call.operands)]
        return op.public(*operands, *call.attributes, **call.options)
    if op.linear == "all" and op.arity is None:
        operands = [t if j == i else _zeros_of(x) for j, x in enumerate(call.operands)]
        return op.public(operands, *call.attributes, **call.options)
    return _transposed(op, rule, entry, n, t, y)


def _arguments(op, function, call, i):
    """The values that a forward rule asks for, as the operands themselves."""
    values = dict(zip(op.names, (*call.operands, *call.attributes), strict=False))
    values.update(call.options)
    defaults = op.defaults or ()
    for name, default in zip(op.names[len(op.names) - len(defaults) :], defaults, strict=True):
        values.setdefault(name, default)
    values["y"] = call.output
    for name in op.names[: op.arity]:
        x = values[name]
        if hasattr(x, "shape"):
            values[name + "_shape"], values[name + "_dtype"] = x.shape, x.dtype
    return [values[name] for name in parameters(function)[1:]]


def _zeros_of(x):
    return zeros(x) if isinstance(x, Operand) else Tensor(x * 0)


def _transposed(op, rule, entry, n, t, y):
    """Jacobian times tangent from the vjp alone: it is linear in `g`, so its gradient for `g` is the answer.

    (Jamie Townsend, "A new trick for calculating Jacobian vector products", 2017.)
    """
    _, out, inputs, saved, _ = entry
    outputs = y if isinstance(y, tuple) else (y,)
    dummies = [tensor_of(zeros(o).array) for o in outputs]
    args = lifted(rule, saved, inputs, out)[n]
    with GradientTape(persistent=True, watch_accessed_variables=False) as tape:
        tape.watch(dummies)
        g = Bundle(dummies) if isinstance(y, tuple) else dummies[0]
        pulled = rule.vjps[n](g, *args)
        if pulled is None:  # a custom gradient may say that there is none
            return None
        if not isinstance(pulled, Operand):
            pulled = pulled.to_dense()
        t = t if pulled.dtype == t.dtype else t.astype(pulled.dtype)
        found = tape.gradient(pulled, dummies, output_gradients=t.conj() if t.dtype.kind == "c" else t)
    found = [None if f is None else f.conj() if f.dtype.kind == "c" else f for f in found]
    return found if isinstance(y, tuple) else found[0] if found[0] is not None else zeros(outputs[0])
