"""LossScaler: keeps gradients of half precision from vanishing."""

from collections.abc import Callable, Iterable, Mapping
from math import isfinite
from typing import Any

import numpy as np

import autograd_vs as av

from .clipping import plain

__all__ = ["LossScaler"]


class LossScaler:
    """Multiply the loss before its gradients are taken, and divide them afterwards; leave out steps that overflowed.

    After a step whose gradients are not all finite the scale is multiplied by `backoff`, after `growth_steps` good ones
    in a row by `growth`. The loss is best a float32 (float16 ends at 65504), and variables are best kept in float32 and
    cast for the computation, as `autograd_vs.Policy` does: their gradients come as float32, and nothing is lost in the
    division.

    Parameters
    ----------
    optimizer : Optimizer
        What updates the variables.
    scale : float, default 65536
        The first scale.
    growth, backoff : float, default 2 and 0.5
    growth_steps : int, default 2000

    Attributes
    ----------
    skipped : int
        How many steps were left out.

    Raises
    ------
    ValueError
        If `scale` is not positive, `growth` less than 1, `backoff` not in (0, 1) or `growth_steps` less than 1.

    References
    ----------
    Micikevicius et al., "Mixed precision training", ICLR 2018, section 3.2, in the form of PyTorch's ``GradScaler``.

    Notes
    -----
    In a traced function (`autograd_vs.function`) `scale` and `apply_gradients` are calls that each replay makes on the
    values of its time, so overflows are found, and the scale moves, as in eager steps.

    Examples
    --------
    >>> import optim
    >>> v = av.Variable([1.0], name="scaler_example")
    >>> scaler = LossScaler(optim.SGD(0.5), scale=8.0)
    >>> with av.GradientTape() as tape:
    ...     loss = scaler.scale(av.sum(v * v))
    >>> scaler.apply_gradients([(tape.gradient(loss, v), v)])
    True
    >>> loss.item(), v.item(), scaler.current_scale()
    (8.0, 0.0, 8.0)
    """

    def __init__(
        self,
        optimizer: Any,
        scale: float = 65536.0,
        growth: float = 2.0,
        backoff: float = 0.5,
        growth_steps: int = 2000,
    ):
        if not 0 < scale < float("inf"):
            raise ValueError(f"LossScaler: scale must be positive, got {scale!r}")
        if not growth >= 1 or not 0 < backoff < 1 or growth_steps < 1:
            raise ValueError(
                "LossScaler: growth must be >= 1, backoff in (0, 1) and growth_steps >= 1, got "
                f"{growth!r}, {backoff!r} and {growth_steps!r}"
            )
        self.optimizer, self.growth, self.backoff, self.growth_steps = optimizer, growth, backoff, growth_steps
        self.skipped = 0
        self._scale, self._good = float(scale), 0

    def current_scale(self) -> float:
        """What the loss is multiplied by."""
        return self._scale

    def scale(self, loss: Any) -> Any:
        """The loss times the scale, recorded by a tape; in a traced function times that of each replay."""
        return loss * (self._scale if av.tracer() is None else av.outside(self._scale_as, loss.dtype))

    def apply_gradients(self, pairs: Iterable[tuple[Any, Any]]) -> Any:
        """Divide the gradients by the scale and let the optimizer apply them, if all are finite.

        Returns
        -------
        bool
            Whether there was an update; in a traced function a Tensor of it, which each replay decides anew.

        Raises
        ------
        Exception
            What `Optimizer.apply_gradients` raises. The scale stays as it was then.
        """
        pairs = [*pairs]
        gradients, variables = zip(*pairs, strict=True) if pairs else ((), ())
        tracer = av.tracer()
        if tracer is None:
            return bool(self._apply(variables, gradients))
        state, iterations = self.state_dict(), self.optimizer.iterations

        def undo() -> None:
            self.load_state_dict(state)
            self.optimizer.iterations = iterations

        tracer.on_failure(undo)
        return av.Tensor(av.outside(self._apply, variables, gradients))

    def _scale_as(self, dtype):
        return np.asarray(self._scale, dtype)

    def _apply(self, variables, gradients):
        arrays = [None if g is None else plain([g])[0] for g in gradients]
        share = 1.0 / self._scale
        if not all(map(_finite, arrays)):
            self._scale *= self.backoff
            self._good = 0
            self.skipped += 1
            return np.asarray(False)
        scaled = [None if g is None else g * share for g in arrays]
        self.optimizer.apply_gradients(zip(scaled, variables, strict=True))
        self._good += 1
        if self._good >= self.growth_steps:
            self._good = 0
            if isfinite(self._scale * self.growth):
                self._scale *= self.growth
        return np.asarray(True)

    def minimize(self, loss_fn: Callable[[], Any], variables: Iterable[Any]) -> Any:
        """One training step; returns the loss, not scaled."""
        variables = [*variables]
        with av.GradientTape() as tape:
            loss = loss_fn()
            scaled = self.scale(loss)
        self.apply_gradients(zip(tape.gradient(scaled, variables), variables, strict=True))
        return loss

    def state_dict(self) -> dict[str, Any]:
        """Scale, good steps since it changed, steps left out; the optimizer's state is its own.

        Examples
        --------
        >>> import optim
        >>> LossScaler(optim.SGD(0.1)).state_dict()
        {'scale': 65536.0, 'good': 0, 'skipped': 0}
        """
        return {"scale": self._scale, "good": self._good, "skipped": self.skipped}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave; ValueError, with nothing changed, if it has other keys."""
        if {*state} != {*self.state_dict()} or not 0 < state["scale"] < float("inf"):
            raise ValueError(f"the state of a LossScaler has the keys scale, good and skipped, got {dict(state)!r}")
        self._scale, self._good, self.skipped = float(state["scale"]), int(state["good"]), int(state["skipped"])


def _finite(g) -> bool:
    a = g.values if isinstance(g, av.IndexedSlices) else g
    return a is None or bool(np.isfinite(a).all())
