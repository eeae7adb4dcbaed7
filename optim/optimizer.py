"""Optimizer: what all optimizers share. The formula of each is a pure function in a file of its own."""

import os
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from math import inf
from operator import attrgetter
from types import NoneType
from typing import Any

import numpy as np

import autograd_vs as av

from . import advice
from .clipping import check_limit, clip_by_global_norm, clip_by_norm, clip_by_value, plain
from .patterns import Patterns
from .state import SlotMapping, load, save

__all__ = ["Optimizer"]


class Optimizer:
    """Base of the optimizers: pairs gradients with variables, keeps the state of each variable under its name.

    Parameters
    ----------
    learning_rate : float, function of int, or Variable
        A number, a pure function of `iterations` (see `optim.schedules`), or a Variable that somebody else sets
        (`minimize` leaves it out of the variables that it finds by itself).
    slot_names : sequence of str
        The arrays that the update rule keeps for each variable.
    name : str, default the name of the class in lower case
        The first part of the keys in `slots` and in checkpoints. Two optimizers in one checkpoint need distinct names.
    lazy : bool, default False
        `IndexedSlices` change the rows that they name only, slots and weight decay included. By default they count as
        the dense gradient that they stand for: all rows move, as momentum and decay have it. (Where rows without a
        gradient would not move anyway, they are left alone in both cases.)
    clipnorm, clipvalue, global_clipnorm : float, optional
        Clip each gradient by its norm, by value, or all of them by their common norm, before the update. One of them
        at most. See `clip_by_norm`, `clip_by_value`, `clip_by_global_norm`.
    accumulate_steps : int, default 1
        Sum the gradients of so many calls of `apply_gradients`, then update once with their mean. Variables with None
        in all of these calls are left alone. Where all were `IndexedSlices`, their mean is rows, too.
    exclude : sequence of str, default ()
        Patterns of the full names of variables that weight decay leaves alone: ``["bias", "norm"]``.
    rates : mapping of str to float, optional
        Patterns of full names, and what the learning rate is multiplied by: ``{"^encoder/": 0.1}``. The first that
        fits counts. Patterns are regular expressions that are looked for anywhere in the name (`re.search`).

    Attributes
    ----------
    iterations : int
        How many updates there have been; what a schedule gets.
    slots : mapping
        ``"adam/m/dense/kernel"`` to a Tensor with the present value (a copy); ``"adam/step/dense/kernel"`` to the
        number of updates of this variable.

    Raises
    ------
    ValueError
        If a hyperparameter is out of its range, the name is empty or has a "/", more than one kind of clipping is asked
        for, or a pattern is none.
    TypeError
        If an argument is not known (the error says how it is spelled here), or is no number.

    Notes
    -----
    To write an optimizer, derive from this class, name its slots, set `update` to a pure function
    ``(p, g, *slots, **scalars) -> (delta, *slots)`` (see `autograd_vs.apply_update`) and compute its scalars.
    `hyperparameters` says which attributes are checked, saved and loaded: none is negative, and those that `below_one`
    names are less than 1. If one of them is `weight_decay`, the gradient that `update` gets has so many times the
    variable in it; or, where `decoupled_weight_decay` is True, the step gets that, times the learning rate, afterwards.
    `docs/examples/add_an_optimizer.py` is a worked example.

    >>> import numpy as np
    >>> def sign_update(p, g, *, rate):
    ...     return (np.sign(g) * rate,)
    >>> class SignDescent(Optimizer):
    ...     update = staticmethod(sign_update)
    ...     def scalars(self, step, rate):
    ...         return {"rate": rate}
    >>> v = av.Variable([1.0, 2.0], name="sign_example")
    >>> SignDescent(0.5).apply_gradients([([0.1, -7.0], v)])
    >>> v.numpy().tolist()
    [0.5, 2.5]
    """

    hyperparameters: tuple[str, ...] = ()
    below_one: tuple[str, ...] = ("beta_1", "beta_2", "rho", "momentum", "decay")  # of all optimizers
    update: Callable
    weight_decay: float = 0.0
    decoupled_weight_decay: bool = False
    reads_value: bool = False  # whether `update` needs the values without weight decay, too
    slot_shapes: Callable | None = None  # for an update that needs whole variables: `shapes` of `Slots`
    constraints: bool = True  # whether those of the variables are applied after an update

    def __init__(
        self,
        learning_rate: Any,
        slot_names: Iterable[str] = (),
        *,
        name: str | None = None,
        lazy: bool = False,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        accumulate_steps: int = 1,
        exclude: Iterable[str] = (),
        rates: Mapping[str, float] | None = None,
        **unknown: Any,
    ):
        if unknown:
            raise TypeError(advice.unknown_arguments(type(self), unknown, learning_rate))
        name = type(self).__name__.lower() if name is None else name
        if not isinstance(name, str) or not name or "/" in name:
            raise ValueError(f"the name of an optimizer is a word without '/', got {name!r}")
        if sum(limit is not None for limit in (clipnorm, clipvalue, global_clipnorm)) > 1:
            raise ValueError("give one of clipnorm, clipvalue and global_clipnorm at most")
        for what, limit in {"clipnorm": clipnorm, "clipvalue": clipvalue, "global_clipnorm": global_clipnorm}.items():
            if limit is not None:
                check_limit(what, limit)
        if not isinstance(accumulate_steps, (int, np.integer)) or accumulate_steps < 1:
            raise ValueError(f"accumulate_steps must be an integer >= 1, got {accumulate_steps!r}")
        if lazy and self.slot_shapes is not None:
            raise ValueError(
                f"{type(self).__name__} needs whole variables: it cannot update some rows only (lazy=True)"
            )
        self.name, self.lazy = name, lazy
        self.learning_rate = learning_rate
        self.clipnorm, self.clipvalue, self.global_clipnorm = clipnorm, clipvalue, global_clipnorm
        self.accumulate_steps = int(accumulate_steps)
        self.iterations = 0
        self.accumulated = 0  # calls since the last update
        self._sort = Patterns(exclude, rates) if exclude or rates else None
        self._slots = self._new_slots(slot_names)
        self._sums = av.Slots(("gradient",), "ignore")
        self._touched: dict[str, Any] = {}  # the rows that were added to, by variable; None: a dense gradient was
        self._warned: set[tuple] = set()
        for what in self.hyperparameters:
            self.check(what, getattr(self, what))

    # ---------------------------------------------------------------- what an optimizer says of itself
    def scalars(self, step: int, rate: float) -> dict[str, float]:
        """The scalar arguments of `update` at a variable's `step`-th one (from 1) with the learning rate `rate`."""
        return {"learning_rate": rate}

    def _all_scalars(self, rate: float, step: int, share: float = 1.0, decays: bool = True) -> dict[str, float]:
        """`scalars` and weight decay, where the learning rate is `share` times `rate`."""
        scalars = self.scalars(step, rate * share)
        if decays and self.weight_decay:
            if self.decoupled_weight_decay:
                scalars["shrink"] = rate * share * self.weight_decay
            else:
                scalars["decay"] = self.weight_decay
        return scalars

    @property
    def rule(self) -> Callable:
        """`update` and weight decay, which is left out where there is none."""
        return partial(decayed, self.update) if self.weight_decay else self.update

    def _new_slots(self, names: Iterable[str], on_unclaimed: str = "raise") -> av.Slots:
        return av.Slots(tuple(names), on_unclaimed, self._sort, self.slot_shapes)

    @property
    def slot_names(self) -> tuple[str, ...]:
        """The slots of each variable."""
        return self._slots.names

    @property
    def row_wise(self) -> bool:
        """Whether `IndexedSlices` change the rows that they name only."""
        return self.lazy

    @property
    def learning_rate(self) -> Any:
        """The learning rate: a number, a schedule or a Variable, as it was given."""
        return self._learning_rate

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        if type(value) is av.Tensor:
            self._set_rate(value)  # refused in a function that is traced: it would be a view of a plan's memory
        else:
            av.outside(self._set_rate, value)  # there each replay sets it

    def _set_rate(self, value) -> None:
        if not callable(value):
            recorded = isinstance(value, (av.Variable, av.Tensor))
            given = value.item() if hasattr(value, "item") and value.size == 1 else value
            try:
                if isinstance(value, (str, bytes)) or getattr(value, "size", 1) != 1:
                    raise TypeError
                number = float(given)
            except (TypeError, ValueError):
                raise TypeError(advice.what_is_no_number(type(self), value)) from None
            if not 0 <= number < inf:
                raise ValueError(
                    f"{type(self).__name__}: learning_rate must be finite and not negative, got {number!r}"
                )
            value = value if recorded else number
        self._learning_rate = value

    def current_rate(self, variable: Any = None) -> float:
        """The learning rate of the next update.

        Parameters
        ----------
        variable : Variable or str, optional
            Or its full name: the rate for this one, by `rates`.

        Raises
        ------
        ValueError
            If a schedule or a Variable gives a number that is negative or not finite.
        TypeError
            If a schedule gives no number.

        Examples
        --------
        >>> Optimizer(lambda iterations: 0.1 / (1 + iterations), name="any").current_rate()
        0.1
        >>> Optimizer(0.5, name="any", rates={"^encoder/": 0.1}).current_rate("encoder/kernel")
        0.05
        """
        if variable is not None and self._sort is not None:
            return self.current_rate() * self._sort(_full_name(variable))[0]
        rate = self._learning_rate
        if rate.__class__ is float:
            return rate
        number = rate(self.iterations) if callable(rate) else rate.item()
        try:
            fits = bool(0 <= number < inf)
            number = float(number)
        except (TypeError, ValueError):
            raise TypeError(f"{self._at_iteration()} is a number, got {number!r}") from None
        if not fits:
            raise ValueError(f"{self._at_iteration()} must be finite and not negative, got {number!r}")
        return number

    def _at_iteration(self) -> str:
        return f"{type(self).__name__} {self.name!r}: the learning rate at iteration {self.iterations}"

    def check(self, what: str, value: Any) -> None:
        """Say whether `value` can be the hyperparameter `what`.

        Raises
        ------
        ValueError
            If it is negative, not finite, or 1 and more where `below_one` names it.
        TypeError
            If it is no number.
        """
        high = 1 if what in self.below_one else inf
        try:
            fits = bool(0 <= value < high)
        except (TypeError, ValueError):
            raise TypeError(f"{type(self).__name__}: {what} is a number in [0, {high}), got {value!r}") from None
        if not fits:
            raise ValueError(f"{type(self).__name__}: {what} must be in [0, {high}), got {value!r}")

    # ---------------------------------------------------------------- updates
    def __dir__(self) -> list[str]:
        """What there is: not the names that only say what to write here instead."""
        return [name for name in object.__dir__(self) if name not in advice.ON_OPTIMIZERS or hasattr(self, name)]

    def apply_gradients(self, pairs: Iterable[tuple[Any, Any]]) -> None:
        """Update variables by their gradients, in place.

        Parameters
        ----------
        pairs : iterable of (gradient, Variable)
            A gradient is a Tensor, an array, `IndexedSlices` or None. Gradients are not changed.

        Raises
        ------
        ValueError
            If all gradients are None or there are no pairs; if a variable occurs twice; if a gradient has another
            shape; if a variable is frozen (``trainable`` is False) and has a gradient; if the slots under its name
            were made for another variable (see `reset`) or do not fit; after a strict load, if a variable has no
            loaded slots while others are unclaimed; if a constraint raises or gives what does not fit.
        TypeError
            If one of the variables is no Variable, or a gradient's dtype or device does not fit.
        IndexError
            If rows are named that are not there. All pairs are checked before anything is changed; only where a
            constraint fails, which is applied to the new value, the update has been made and counts.

        Warns
        -----
        PartialGradientWarning
            Some gradients are None: those variables are left as they are. Once per optimizer and set of variables;
            not for frozen variables.
        """
        gradients, variables = unzipped(pairs)
        if not gradients or NoneType in map(type, gradients):
            pairs = [*zip(gradients, variables, strict=True)]
            present = [pair for pair in pairs if pair[0] is not None]
            self._report_absent([v for g, v in pairs if g is None], present)
            gradients, variables = zip(*present, strict=True)
        tracer = av.tracer()
        if tracer is not None:
            self._tell(tracer)
        if self.accumulate_steps > 1:
            av.outside(self._accumulate, variables, gradients)  # what it does depends on the call
        elif self._clips:
            av.outside(self._apply, variables, gradients)  # looks at values
        else:
            self._apply(variables, gradients)

    def _tell(self, tracer) -> None:
        """Say what a trace takes as it is, and how to undo what the update counts."""
        fixed = ("_slots", "lazy", "accumulate_steps", "clipnorm", "clipvalue", "global_clipnorm")
        traits_of, numbers = attrgetter(*fixed, *self.hyperparameters), len(fixed)
        traits, iterations = traits_of(self), self.iterations

        def holds():
            now = traits_of(self)
            if now == traits:
                return True
            # other numbers are only scalars of the rule, but what was zero may have been left out
            alike = [*map(bool, now[numbers:])] == [*map(bool, traits[numbers:])]
            return alike and now[:numbers] == traits[:numbers]

        tracer.rely_on(holds)
        tracer.on_failure(lambda: setattr(self, "iterations", iterations))

    @property
    def _clips(self) -> bool:
        return self.global_clipnorm is not None or self.clipnorm is not None or self.clipvalue is not None

    def _scalars_now(self, step: int, *sort) -> dict[str, float]:
        return self._all_scalars(self.current_rate(), step, *sort)

    def _count(self) -> None:
        self.iterations += 1

    def _apply(self, variables, gradients) -> None:
        if self._clips:
            gradients = self._clipped(plain(gradients))
        tracer = av.tracer()
        if tracer is None:
            rate = self.current_rate()  # a schedule may raise: nothing is changed then
            scalars: Any = partial(self._all_scalars, rate)
        else:  # each replay asks
            with tracer.pause():
                self.current_rate()
            scalars = self._scalars_now
        try:
            av.apply_update(
                self.rule,
                variables,
                gradients,
                self._slots,
                scalars,
                reads_value=self.reads_value or self.weight_decay != 0,
                rows=self.row_wise,
                constraints=self.constraints,
            )
        except Exception as error:
            if getattr(error, "updated", False):  # raised after the update, by a constraint or `check_numerics`
                self.iterations += 1
            raise
        av.outside(self._count, writes=())

    def _accumulate(self, variables, gradients) -> None:
        self._slots.check(variables)
        last = self.accumulated + 1 >= self.accumulate_steps
        if last:
            self.current_rate()  # a schedule may raise: nothing is added up then
        av.apply_update(_add_up, variables, gradients, self._sums, _no_scalars, rows=True, constraints=False)
        for g, v in zip(gradients, variables, strict=True):
            self._touch(_full_name(v), g)
        self.accumulated += 1
        if not last:
            return
        known = [v for v in map(self._sums.variable, self._sums) if v is not None and v.trainable]
        try:
            self._apply(known, [self._mean(v) for v in known])
        finally:  # whatever happens, the next call starts a new sum
            self._sums, self._touched = av.Slots(("gradient",), "ignore"), {}
            self.accumulated = 0

    def _touch(self, name: str, g) -> None:
        """Note the rows to which `g` was added."""
        before = self._touched.get(name, ())
        if before is None or not isinstance(g, av.IndexedSlices):
            self._touched[name] = None
            return
        ids = av.positive(g.indices).array
        self._touched[name] = np.concatenate([before, ids]) if len(before) else ids

    def _mean(self, v) -> Any:
        """The mean of the gradients that were accumulated for a variable."""
        total, ids, share = self._sums.view(v, "gradient"), self._touched[_full_name(v)], 1.0 / self.accumulate_steps
        if ids is None:
            return total * share
        if isinstance(ids, np.ndarray):
            ids = np.unique(ids)
            return av.IndexedSlices(total.take(ids, 0) * share, ids, v.shape)
        # On a device nobody waits for the number of different rows: where one comes again, it counts as zero.
        ids = np.sort(ids)
        first = np.ones_like(ids, dtype=bool)
        first[1:] = ids[1:] != ids[:-1]
        once = first.reshape(-1, *[1] * (v.ndim - 1)).astype(total.dtype)
        return av.IndexedSlices(total.take(ids, 0) * (once * share), ids, v.shape, inside=True)

    def minimize(self, loss_fn: Callable[[], Any], variables: Any = None) -> Any:
        """Compute the loss under a tape, its gradients, and update: one training step.

        Parameters
        ----------
        loss_fn : function without arguments
            Returns the loss, a Tensor.
        variables : sequence of Variable, optional
            By default all trainable variables that `loss_fn` reads, but not the learning rate if that is one.

        Returns
        -------
        Tensor
            The loss before the update.

        Raises
        ------
        ValueError
            If the loss depends on none of the variables; and as `apply_gradients` does.
        TypeError
            If `loss_fn` is a loss and no function.

        Examples
        --------
        >>> import optim
        >>> v = av.Variable(3.0, name="minimize_example")
        >>> optimizer = optim.SGD(0.1)
        >>> optimizer.minimize(lambda: v * v, [v]).item(), round(v.item(), 2)
        (9.0, 2.4)
        """
        loss, variables, gradients = self._recorded(loss_fn, variables)
        self.apply_gradients(zip(gradients, variables, strict=True))
        return loss

    def _recorded(self, loss_fn, variables) -> tuple[Any, list, list]:
        """The loss, the variables (None: those that it reads), and their gradients."""
        if not callable(loss_fn):
            raise TypeError(
                f"minimize takes a function that computes the loss, got {type(loss_fn).__name__}: call "
                "minimize(lambda: ...), so that the computation is recorded; or take tape.gradient(loss, variables) "
                "and apply_gradients"
            )
        with av.GradientTape() as tape:
            loss = loss_fn()
        if variables is None:
            variables = [v for v in tape.watched_variables() if v is not self._learning_rate]
        elif isinstance(variables, av.Variable):
            variables = [variables]
        variables = list(variables)
        return loss, variables, tape.gradient(loss, variables)

    def _clipped(self, gradients) -> list:
        if self.global_clipnorm is not None:
            return clip_by_global_norm(gradients, self.global_clipnorm)[0]
        if self.clipnorm is not None:
            return clip_by_norm(gradients, self.clipnorm)
        return clip_by_value(gradients, self.clipvalue)  # type: ignore[arg-type]

    def _report_absent(self, absent, present) -> None:
        for v in absent:
            if not isinstance(v, av.Variable):
                raise TypeError(
                    f"an optimizer updates Variables, got {type(v).__name__}: {v!r}. Pairs are (gradient, variable)"
                )
        if not present:
            if not absent:
                raise ValueError("apply_gradients got no pairs of gradient and variable")
            names = ", ".join(v.name for v in absent[:10]) + (" ..." if len(absent) > 10 else "")
            raise ValueError(
                f"all gradients are None: the target depends on none of the variables ({names}). "
                "tape.explain(target, variable) says where the path breaks"
            )
        names_key = tuple(v.name for v in absent if v.trainable)
        if names_key and names_key not in self._warned:
            self._warned.add(names_key)
            warnings.warn(
                f"no gradient for {', '.join(names_key)}: left as they are. tape.explain(target, variable) says where "
                "the path breaks",
                av.PartialGradientWarning,
                stacklevel=_callers_level(),
            )

    # ---------------------------------------------------------------- state
    @property
    def slots(self) -> Mapping[str, Any]:
        """The state of all variables: a read-only mapping from ``"adam/m/dense/kernel"`` to a Tensor (a copy).

        Examples
        --------
        >>> import optim
        >>> v = av.Variable([1.0], name="slots_example")
        >>> optimizer = optim.Adam()
        >>> optimizer.apply_gradients([([1.0], v)])
        >>> list(optimizer.slots)
        ['adam/m/slots_example', 'adam/v/slots_example', 'adam/step/slots_example']
        """
        return SlotMapping(self.name, self._slots)

    def get_slot(self, variable: Any, slot: str) -> Any:
        """A slot of a variable: a Tensor with the present value, which later updates do not change.

        Parameters
        ----------
        variable : Variable or str
            Or its full name (without ":0").
        slot : str
            One of `slot_names`, or "step".

        Raises
        ------
        KeyError
            If the optimizer has no such slot, or the variable has not been updated yet.
        """
        name = _full_name(variable)
        if slot not in (*self.slot_names, "step"):
            raise KeyError(f"{self.name!r} has no slot {slot!r}: it has {', '.join((*self.slot_names, 'step'))}")
        if name not in self._slots:
            raise KeyError(f"{self.name!r} has no slots for {name!r}: they appear at its first update")
        return self.slots[f"{self.name}/{slot}/{name}"]

    def reset(self, variable: Any = None) -> None:
        """Forget the slots and the step count of one variable, or of all.

        Parameters
        ----------
        variable : Variable or str, optional
            Or its full name. Its next update starts at zero. By default all state is dropped, `iterations` too.

        Raises
        ------
        KeyError
            If there are no slots of that name.

        Examples
        --------
        >>> import optim
        >>> v = av.Variable([1.0], name="reset_example")
        >>> optimizer = optim.Adam()
        >>> optimizer.apply_gradients([([1.0], v)])
        >>> optimizer.reset("reset_example")
        >>> len(optimizer.slots)
        0
        """
        if variable is None:
            self._slots, self._sums = self._new_slots(self.slot_names), av.Slots(("gradient",), "ignore")
            self.iterations, self.accumulated, self._touched = 0, 0, {}
            return
        name = _full_name(variable)
        if name not in self._slots and name not in self._sums:
            raise KeyError(f"{self.name!r} has no slots for {name!r}")
        self._slots.forget(name)
        self._sums.forget(name)
        self._touched.pop(name, None)

    def state_dict(self) -> dict[str, Any]:
        """All state, as copies: slots, step counts, `iterations`, hyperparameters that are numbers.

        Returns
        -------
        dict
            Flat: ``"adam/m/dense/kernel"`` to an array, ``"adam/step/dense/kernel"``, ``"adam/iterations"``,
            ``"adam/learning_rate"`` and so on to a Python number. Works before the first update, too. A schedule is
            code, and a Variable is saved by itself: neither is in it.

        Examples
        --------
        >>> import optim
        >>> sorted(optim.SGD(0.1).state_dict())  # doctest: +NORMALIZE_WHITESPACE
        ['sgd/accumulated', 'sgd/iterations', 'sgd/learning_rate', 'sgd/momentum', 'sgd/nesterov', 'sgd/weight_decay']
        """
        return save(self, self._slots, self._sums, self._touched)

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True, hyperparameters: bool = True) -> Any:
        """Take over the state of a `state_dict`, matched by name only.

        Parameters
        ----------
        state : mapping
            As `state_dict` gives it.
        strict : bool, default True
            Raise if something is missing, unexpected or misshapen; and if later a new variable turns up without loaded
            slots while loaded ones are unclaimed. Otherwise such variables start at zero (with a warning). An optimizer
            that has updated nothing yet expects any variable; later, names that it does not know are unexpected.
        hyperparameters : bool, default True
            Take over the hyperparameters, too. False keeps the present ones.

        Returns
        -------
        LoadReport
            Slots of variables that this optimizer has not met wait for them, and are listed as `waiting`. A strict load
            into an optimizer that has met no variable yet, and any load with ``strict=False``, may have some.

        Raises
        ------
        ValueError
            With `strict`: the first ten names of each kind. Nothing is changed then.
        TypeError
            If `state` is no mapping.

        Examples
        --------
        >>> import optim
        >>> v = av.Variable([1.0], name="load_example")
        >>> first, second = optim.Adam(), optim.Adam()
        >>> first.apply_gradients([([1.0], v)])
        >>> second.load_state_dict(first.state_dict()).waiting
        ['adam/m/load_example', 'adam/v/load_example', 'adam/step/load_example']
        >>> second.apply_gradients([([1.0], v)])
        >>> second.get_slot(v, "step").item()
        2
        """
        if not isinstance(state, Mapping):
            raise TypeError(f"load_state_dict takes the mapping that state_dict() gives, got {type(state).__name__}")
        report, put = self.prepare_state_dict(state, strict, hyperparameters)
        put()
        return report

    def prepare_state_dict(
        self, state: Mapping[str, Any], strict: bool = True, hyperparameters: bool = True
    ) -> tuple[Any, Callable[[], None]]:
        """The first half of `load_state_dict`, which reads and checks: its report, and a function for the second half.

        So several things can take over their states all together, or not at all.
        """
        parts = load(self, state, strict, hyperparameters)
        return parts.report, partial(self._install, parts)

    def _install(self, parts) -> None:
        self._slots, self._sums, self._touched = parts.slots, parts.sums, parts.touched
        self.iterations, self.accumulated = parts.iterations, parts.accumulated
        for what, value in parts.hyperparameters.items():
            setattr(self, what, value)

    def __repr__(self):
        rate = self._learning_rate
        shown = getattr(rate, "__qualname__", getattr(rate, "name", rate))
        others = "".join(f", {what}={getattr(self, what)!r}" for what in self.hyperparameters)
        return (
            f"<{type(self).__name__} {self.name!r}: learning_rate={shown}{others}; {self.iterations} iterations, "
            f"{len(self._slots)} variables>"
        )


for _name in advice.ON_OPTIMIZERS:
    setattr(Optimizer, _name, (advice.Elsewhere if _name == "lr" else advice.Absent)(_name))


def unzipped(pairs: Iterable[tuple[Any, Any]]) -> tuple[tuple, tuple]:
    """The gradients and the variables of pairs; TypeError if they are none."""
    try:
        pairs = [*pairs]
        gradients, variables = zip(*pairs, strict=True) if pairs else ((), ())
        return gradients, variables
    except (TypeError, ValueError) as error:
        given, alone = type(pairs).__name__, isinstance(pairs, list) and [p for p in pairs if is_value(p)]
        if not alone and (error.__traceback__ is None or error.__traceback__.tb_next is not None):
            raise  # from inside of an iterator
        what = f"{type(alone[0]).__name__}s alone" if alone else f"{given}: {error}"
        raise TypeError(
            "apply_gradients takes pairs (gradient, variable), as in zip(gradients, variables, strict=True), got "
            f"{what}"
        ) from None


def is_value(x: Any) -> bool:
    """Whether it is a Tensor or a Variable."""
    return isinstance(x, (av.Tensor, av.Variable))


def decayed(update, p, g, *slots, decay=None, shrink=None, **scalars):
    """The rule `update` with weight decay: `decay` times `p` joins the gradient, `shrink` times `p` the step."""
    if decay is not None:
        g = g + p * decay
    delta, *slots = update(p, g, *slots, **scalars)
    if shrink is not None:
        step = p * shrink
        step += delta
        delta = step
    return (delta, *slots)


def _add_up(p, g, total):
    total += g
    return None, total


def _no_scalars(step: int) -> dict[str, float]:
    return {}


def _full_name(variable) -> str:
    return variable if isinstance(variable, str) else variable.op.name


def _callers_level() -> int:
    """The `stacklevel` with which ``warnings.warn`` names the innermost caller outside of this package."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_FOLDER):
        frame, level = frame.f_back, level + 1
    return level


_FOLDER = os.path.dirname(os.path.abspath(__file__)) + os.sep
