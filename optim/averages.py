"""Averages of weights: an exponential moving average to evaluate with, and Lookahead's slow weights."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import autograd_vs as av

from .optimizer import Optimizer, unzipped
from .state import load

__all__ = ["ExponentialMovingAverage", "Lookahead", "average_update", "lookahead_update"]


def average_update(p, g, average, *, rest):
    """Move `average` towards the value `g`, and leave the variable alone: ``None, average``."""
    average += (g - average) * rest
    return None, average


def lookahead_update(p, g, slow, *, rest):
    """Move `slow` towards the value `g`, and the variable to `slow`: ``delta, slow``."""
    slow += (g - slow) * rest
    return g - slow, slow


def _no_rate(iterations: int) -> float:
    return 0.0  # a schedule: it is not part of the state


class _ExponentialMovingAverage(Optimizer):
    """Keeps the averages by name, as an optimizer keeps its slots. The "gradient" of a variable is its value."""

    hyperparameters = ("decay",)
    update = staticmethod(average_update)
    constraints = False

    def __init__(self, decay: float, name: str):
        self.decay = decay
        super().__init__(_no_rate, ("average",), name=name)

    def scalars(self, step: int, rate: float) -> dict[str, float]:
        """The first value is the average as it is."""
        return {"rest": 1.0 - self.decay if step > 1 else 1.0}


class ExponentialMovingAverage:
    r"""A running mean of the values of variables, which often do better than the last values.

    .. math:: a_1 = p_1, \qquad a_t = \beta a_{t-1} + (1 - \beta) p_t

    Parameters
    ----------
    variables : iterable of Variable
        Float variables. Those that are frozen at an update are left out of it.
    decay : float, default 0.999
        :math:`\beta`, in [0, 1).
    name : str, default "ema"
        The first part of the keys in `state_dict`. Two averages in one checkpoint need distinct names.

    Raises
    ------
    ValueError
        If there are no variables, or `decay` is out of its range.
    TypeError
        If one of them is no Variable.

    References
    ----------
    Polyak and Juditsky, "Acceleration of stochastic approximation by averaging", 1992; the form is that of PyTorch's
    ``AveragedModel`` with ``get_ema_multi_avg_fn``.

    Examples
    --------
    >>> import numpy as np
    >>> v = av.Variable([0.0], name="ema_example")
    >>> ema = ExponentialMovingAverage([v], decay=0.75)
    >>> for value in (0.0, 4.0):
    ...     _ = v.assign([value])
    ...     ema.update()
    >>> with ema.swapped():
    ...     print(v.numpy())
    [1.]
    >>> print(v.numpy(), ema.average(v).numpy())
    [4.] [1.]
    """

    def __init__(self, variables: Iterable[Any], decay: float = 0.999, name: str = "ema"):
        self.variables = [variables] if isinstance(variables, av.Variable) else [*variables]
        if not self.variables:
            raise ValueError("ExponentialMovingAverage got no variables")
        for v in self.variables:
            if not isinstance(v, av.Variable):
                raise TypeError(f"ExponentialMovingAverage takes Variables, got {type(v).__name__}: {v!r}")
        self._kept = _ExponentialMovingAverage(decay, name)
        self._is_swapped = False
        self.name, self.slot_names = name, self._kept.slot_names

    def update(self) -> None:
        """Take the present values in: to be called after each step of the optimizer, in a traced function, too.

        Raises
        ------
        RuntimeError
            While the averages are swapped in.
        """
        if self._is_swapped:
            raise RuntimeError("the variables hold their averages: update() is called outside of `with ema.swapped()`")
        pairs = [(v, v) for v in self.variables if v.trainable]
        if pairs:
            self._kept.apply_gradients(pairs)

    def average(self, variable: Any) -> Any:
        """The average of a variable (or of a full name): a Tensor, which later updates do not change.

        Raises
        ------
        KeyError
            If it has none, as before the first `update`.
        """
        return self._kept.get_slot(variable, "average")

    @contextmanager
    def swapped(self) -> Iterator[None]:
        """Within the block the variables hold their averages; afterwards what they held before, whatever happened.

        Raises
        ------
        RuntimeError
            If they are swapped already, nothing was averaged yet, or a function is being traced.
        """
        averaged = [v for v in self.variables if v.op.name in self._kept._slots]
        if self._is_swapped or not averaged or av.tracer() is not None:
            why = "they are swapped already" if self._is_swapped else "update() was never called"
            raise RuntimeError(
                f"cannot swap averages in: {why if av.tracer() is None else 'not in a function that is traced'}"
            )
        averages = [self.average(v).astype(v.dtype) for v in averaged]
        before = [v.array.copy() for v in averaged]
        self._is_swapped = True
        try:
            for v, value in zip(averaged, averages, strict=True):
                v.assign(value)
            yield
        finally:
            for v, value in zip(averaged, before, strict=True):
                v.assign(value)
            self._is_swapped = False

    def state_dict(self) -> dict[str, Any]:
        """The averages, the numbers of updates and the decay, by name: ``"ema/average/dense/kernel"``."""
        return self._kept.state_dict()

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True, hyperparameters: bool = True) -> Any:
        """Take over what `state_dict` gave; as `Optimizer.load_state_dict`."""
        return self._kept.load_state_dict(state, strict, hyperparameters)

    def prepare_state_dict(self, state: Mapping[str, Any], strict: bool = True, hyperparameters: bool = True) -> Any:
        """The first half of `load_state_dict`, which only checks; as `Optimizer.prepare_state_dict`."""
        return self._kept.prepare_state_dict(state, strict, hyperparameters)

    def __repr__(self):
        return f"<ExponentialMovingAverage {self.name!r}: decay={self._kept.decay}; {len(self.variables)} variables>"


class Lookahead(Optimizer):
    r"""Slow weights that follow an optimizer's: every so often they go a part of the way, and it goes on from there.

    .. math:: \phi \leftarrow \phi + \alpha (p - \phi), \quad p \leftarrow \phi \quad\text{each } k \text{ updates}

    Parameters
    ----------
    optimizer : Optimizer
        What updates the variables; its state is part of this one's.
    steps : int, default 5
        :math:`k`.
    alpha : float, default 0.5
        In (0, 1].
    name : str, default "lookahead"
        The first part of the keys of the slot "slow" (:math:`\phi`, at first the values before the first update).

    Raises
    ------
    ValueError
        If `steps` is no integer from 1, `alpha` not in (0, 1], or both optimizers have the same name.
    TypeError
        If `optimizer` is none.

    References
    ----------
    Zhang et al., "Lookahead optimizer: k steps forward, 1 step back", NeurIPS 2019, algorithm 1.

    Examples
    --------
    >>> import optim
    >>> v = av.Variable([1.0], name="lookahead_example")
    >>> optimizer = Lookahead(optim.SGD(0.25), steps=2)
    >>> for _ in range(2):
    ...     optimizer.apply_gradients([([1.0], v)])
    ...     print(v.numpy())
    [0.75]
    [0.75]
    """

    hyperparameters = ("steps", "alpha")
    update = staticmethod(lookahead_update)

    def __init__(self, optimizer: Optimizer, steps: int = 5, alpha: float = 0.5, *, name: str = "lookahead"):
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"Lookahead takes an optimizer, got {type(optimizer).__name__}")
        if optimizer.name == name:
            raise ValueError(f"Lookahead and its optimizer are both named {name!r}: give one of them another name=")
        self.optimizer, self.steps, self.alpha = optimizer, steps, alpha
        self._last = optimizer.iterations  # the update of `optimizer` that was followed last
        super().__init__(optimizer.learning_rate, ("slow",), name=name)

    def check(self, what: str, value: Any) -> None:
        """ValueError unless `steps` is an integer from 1, `alpha` in (0, 1]."""
        super().check(what, value)
        if what == "steps" and (value < 1 or value != int(value)):
            raise ValueError(f"Lookahead: steps must be an integer >= 1, got {value!r}")
        if what == "alpha" and not 0 < value <= 1:
            raise ValueError(f"Lookahead: alpha must be in (0, 1], got {value!r}")

    @property
    def learning_rate(self) -> Any:
        """The learning rate of the optimizer."""
        return self.optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        self.optimizer.learning_rate = value

    @property
    def _learning_rate(self) -> Any:
        return self.optimizer._learning_rate

    def current_rate(self, variable: Any = None) -> float:
        """The learning rate of the optimizer's next update."""
        return self.optimizer.current_rate(variable)

    def scalars(self, step: int, rate: float) -> dict[str, float]:
        """The scalar argument of `lookahead_update`; at first the slow weights are the values."""
        return {"rest": self.alpha if step > 1 else 1.0}

    def apply_gradients(self, pairs: Iterable[tuple[Any, Any]]) -> None:
        """Let the optimizer update the variables; then, every `steps` times, go back to the slow weights."""
        pairs = [*zip(*unzipped(pairs), strict=True)]
        updated = [v for g, v in pairs if g is not None and isinstance(v, av.Variable)]
        av.outside(self._begin, updated)
        self.optimizer.apply_gradients(pairs)
        av.outside(self._follow, updated)

    def _begin(self, variables) -> None:
        new = [(v, v) for v in variables if v.trainable and v.op.name not in self._slots]
        if new:
            super().apply_gradients(new)

    def _follow(self, variables) -> None:
        now = self.optimizer.iterations
        if now != self._last and now % self.steps == 0:
            known = {v.op.name: v for v in map(self._slots.variable, self._slots) if v is not None}
            known.update((v.op.name, v) for v in variables)
            super().apply_gradients([(v, v) for v in known.values() if v.trainable])
        self._last = now

    def state_dict(self) -> dict[str, Any]:
        """The slow weights, and the state of the optimizer."""
        state = super().state_dict()
        del state[f"{self.name}/learning_rate"]
        return self.optimizer.state_dict() | state

    def prepare_state_dict(self, state: Mapping[str, Any], strict: bool = True, hyperparameters: bool = True) -> Any:
        """As `Optimizer.prepare_state_dict`, for the state of both; if one does not fit, neither is changed."""
        own = {key: value for key, value in state.items() if key.startswith(f"{self.name}/")}
        rest = {key: value for key, value in state.items() if key not in own}
        parts = load(self, own, strict, hyperparameters)
        report, put = self.optimizer.prepare_state_dict(rest, strict, hyperparameters)
        for what in ("loaded", "waiting", "missing", "unexpected", "mismatched"):
            getattr(report, what).extend(getattr(parts.report, what))

        def put_both() -> None:
            put()
            self._install(parts)
            self._last = self.optimizer.iterations

        return report, put_both

    def reset(self, variable: Any = None) -> None:
        """Forget the slow weights and the optimizer's state of one variable, or of all."""
        super().reset(variable)
        self.optimizer.reset(variable)
        self._last = self.optimizer.iterations
