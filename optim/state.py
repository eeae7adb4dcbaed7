"""The state of an optimizer under names: the mapping `slots`, and the two ways of `state_dict`.

A key is ``<optimizer>/<slot>/<full variable name>``, or ``<optimizer>/<hyperparameter>``.
"""

from collections.abc import Iterator, Mapping
from math import inf
from typing import Any

import numpy as np

import autograd_vs as av

__all__ = ["Loaded", "SlotMapping", "load", "save"]

SUM = "accumulated"  # the key of gradients that are summed up but not applied yet
ROWS = "accumulated_rows"  # that of the rows which they name, if they name some


class SlotMapping(Mapping):
    """A read-only look at the slots of an optimizer: key to Tensor (a copy of the present value)."""

    def __init__(self, name: str, slots):
        self._name, self._slots = name, slots

    def __getitem__(self, key: str) -> Any:
        prefix, slot, variable = (*str(key).split("/", 2), "", "")[:3]
        if prefix != self._name or slot not in (*self._slots.names, "step") or variable not in self._slots:
            raise KeyError(key)
        if slot == "step":
            return av.Tensor(np.array(self._slots.step(variable)))
        return av.Tensor(self._slots.get(variable, slot))

    def __iter__(self) -> Iterator[str]:
        for variable in self._slots:
            for slot in (*self._slots.names, "step"):
                yield f"{self._name}/{slot}/{variable}"

    def __len__(self) -> int:
        return len(self._slots) * (len(self._slots.names) + 1)

    def __repr__(self):
        lines = [f"  {key}: shape {t.shape}, {t.dtype}" for key, t in self.items()]
        return "\n".join([f"slots of {self._name!r}: {len(lines)}", *lines])


class Loaded:
    """A state that was read and checked, ready to be put in place."""

    def __init__(self, optimizer):
        self.slots, self.sums = optimizer._new_slots(optimizer.slot_names), av.Slots(("gradient",), "ignore")
        self.touched: dict[str, Any] = {}
        self.iterations = self.accumulated = 0
        self.hyperparameters: dict[str, Any] = {}
        self.report = av.LoadReport()


def save(optimizer, slots, sums, touched) -> dict[str, Any]:
    """The `state_dict` of an optimizer."""
    name = optimizer.name
    state: dict[str, Any] = {f"{name}/iterations": optimizer.iterations, f"{name}/accumulated": optimizer.accumulated}
    for what in ("learning_rate", *optimizer.hyperparameters):
        value = getattr(optimizer, what)
        if isinstance(value, (bool, int, float)):
            state[f"{name}/{what}"] = value
    for variable in slots:
        for slot in slots.names:
            state[f"{name}/{slot}/{variable}"] = slots.get(variable, slot)
        state[f"{name}/step/{variable}"] = slots.step(variable)
    for variable in sums:
        state[f"{name}/{SUM}/{variable}"] = sums.get(variable, "gradient")
        if touched[variable] is not None:
            state[f"{name}/{ROWS}/{variable}"] = touched[variable].copy()
    return state


def load(optimizer, state: Mapping[str, Any], strict: bool, hyperparameters: bool) -> Loaded:
    """Read and check a `state_dict`. Changes nothing.

    Raises
    ------
    ValueError
        With `strict`, if something is missing, unexpected or misshapen.
    """
    loaded = Loaded(optimizer)
    report = loaded.report
    found = _sort(optimizer, state, loaded)
    known = {name: optimizer._slots.variable(name) for name in optimizer._slots}
    for variable, parts in found.items():
        _take(optimizer, loaded, variable, parts, known.get(variable))
    started = loaded.iterations or found
    for variable, v in known.items():
        if variable not in found and v is not None and started:
            report.missing.extend(_keys(optimizer, variable))
            if not strict:  # it starts at zero, as the report says
                loaded.slots.put(variable, 0, _zeros(loaded, v))
    if strict and any(v is not None for v in known.values()):
        report.unexpected.extend(report.waiting)  # the variables are there: what none of them takes is a mistake
    if strict and not report.complete:
        from_others = "" if any(key.startswith(optimizer.name + "/") for key in state) or not state else (
            f"\nThe state has no key that begins with {optimizer.name + '/'!r}: was it saved under another name=?"
        )  # fmt: skip
        raise ValueError(
            f"the state does not fit the optimizer {optimizer.name!r} (nothing was changed):\n{report.problems()}"
            f"{_near(report)}{from_others}\nstrict=False loads what fits, and "
            "keeps the slots of unknown names for variables that are not made yet"
        )
    for what, value in loaded.hyperparameters.items():
        if what != "learning_rate":
            optimizer.check(what, value)
        elif not 0 <= value < inf:
            raise ValueError(f"{optimizer.name}/learning_rate in the state is {value!r}")
    loaded.slots.on_unclaimed = "raise" if strict else "warn"
    if not hyperparameters:
        loaded.hyperparameters = {}
    elif "learning_rate" in loaded.hyperparameters and not isinstance(optimizer.learning_rate, float):
        del loaded.hyperparameters["learning_rate"]  # a schedule or a Variable stays
    return loaded


def _sort(optimizer, state, loaded) -> dict[str, dict[str, Any]]:
    """The slots in `state` by variable; the rest goes into `loaded`."""
    found: dict[str, dict[str, Any]] = {}
    for key, value in state.items():
        prefix, what, variable = (*key.split("/", 2), "", "")[:3]
        if prefix != optimizer.name:
            loaded.report.unexpected.append(key)
        elif variable and what in (*optimizer.slot_names, "step"):
            found.setdefault(variable, {})[what] = value
        elif variable and what == SUM:
            loaded.sums.put(variable, 0, {"gradient": _array(value)})
            loaded.touched.setdefault(variable, None)
            loaded.report.loaded.append(key)
        elif variable and what == ROWS:
            loaded.touched[variable] = _array(value)
            loaded.report.loaded.append(key)
        elif not variable and what in ("iterations", "accumulated"):
            setattr(loaded, what, _count(key, value))
            loaded.report.loaded.append(key)
        elif not variable and what in ("learning_rate", *optimizer.hyperparameters):
            loaded.hyperparameters[what] = _number(key, value)
            loaded.report.loaded.append(key)
        else:
            loaded.report.unexpected.append(key)
    return found


def _take(optimizer, loaded, variable: str, parts: dict[str, Any], v) -> None:
    """Put the slots of one variable into `loaded`, if they are all there and fit the variable `v` (None: not known)."""
    report = loaded.report
    keys = _keys(optimizer, variable)
    absent = [key for key, what in zip(keys, (*optimizer.slot_names, "step"), strict=True) if what not in parts]
    report.missing.extend(absent)
    arrays = {slot: _array(parts[slot]) for slot in optimizer.slot_names if slot in parts}
    shapes = {a.shape for a in arrays.values()} if optimizer.slot_shapes is None else ()
    fitting = {} if v is None else loaded.slots.shapes_of(v.shape)
    wrong = []
    for slot, a in arrays.items():
        if v is not None and (a.shape != fitting[slot] or not np.can_cast(a.dtype, v.dtype, "same_kind")):
            key = f"{optimizer.name}/{slot}/{variable}"
            wrong.append(f"{key} is {a.dtype} {a.shape}, the variable {v.dtype} {v.shape}")
    if v is None and len(shapes) > 1:
        wrong.append(f"{optimizer.name}/*/{variable} has slots of different shapes {sorted(shapes)}")
    report.mismatched.extend(wrong)
    if absent or wrong:
        if v is not None:
            loaded.slots.put(variable, 0, _zeros(loaded, v))
        return
    loaded.slots.put(variable, _count(keys[-1], parts["step"]), arrays)
    (report.waiting if v is None else report.loaded).extend(keys)


def _zeros(loaded, v) -> dict[str, Any]:
    return {slot: np.zeros(shape, v.dtype) for slot, shape in loaded.slots.shapes_of(v.shape).items()}


def _keys(optimizer, variable: str) -> list[str]:
    return [f"{optimizer.name}/{slot}/{variable}" for slot in (*optimizer.slot_names, "step")]


def _number(key: str, value) -> Any:
    """What a state holds under `key`, where it must be one number."""
    array = np.asarray(value)
    if array.ndim or array.dtype.kind not in "biuf":
        raise ValueError(f"{key} in the state is no number: {value!r} (nothing was changed)")
    return array.item()


def _count(key: str, value) -> int:
    number = _number(key, value)
    if not 0 <= number < inf or number != int(number):
        raise ValueError(f"{key} in the state is no count: {value!r} (nothing was changed)")
    return int(number)


def _array(value):
    """A copy: the state that was loaded from may change later."""
    return av.asarray(value).array


def _near(report) -> str:
    """Which missing name may be meant by which waiting one."""
    from difflib import get_close_matches  # late: 5 ms

    pairs = [(key, get_close_matches(key, report.waiting + report.unexpected, 1)) for key in report.missing[:10]]
    return "".join(f"\n  is {match[0]!r} meant for {key!r}?" for key, match in pairs if match)
