"""Updates of many variables at once: packs, blocks, slots. Floor 2; it knows no optimizer and no gradient rule.

Terms
-----
rule    A pure function ``rule(p, g, *slots, **scalars) -> (delta, *slots)`` written with operators: `delta` is what is
        subtracted from the variable. It works element by element, so it does not matter to it whether it gets a whole
        array, a block of one, some rows, several variables laid end to end, or Tensors.
whole   A rule may instead need whole variables (norms, products of matrices): then each is a group by itself, runs at
        once and in its own shape, and its slots may have other shapes (`Slots(shapes=...)`).
slot    An array that an optimizer keeps for a variable ("m"), of the variable's shape. The step count is one, too.
group   Variables of one sort that are always updated together and have taken the same number of steps: their slots lie
        end to end in one flat buffer per slot, their gradients are gathered into one, and the rule runs once. A
        variable of `BLOCK` elements or more is a group by itself, and runs in blocks that fit into the cache.
plan    What is known about one tuple of variables: its groups, and where each gradient goes.

Parameters are never packed: their memory never moves, and two optimizers may share one. When a call updates a part of
a group only, the group splits in two for good (their step counts differ from then on), so the groups are the coarsest
partition under which every call so far is a union of groups.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from operator import attrgetter
from typing import Any

import numpy as np

from ..base import backend
from ..base.dtypes import is_differentiable
from ..engine.cotangent import IndexedSlices
from ..engine.outside import tracer
from ..engine.protocol import Operand
from ..engine.record import active, constrained, watchable, written
from .packs import BLOCK, Cell, Group, Plan, flat
from .variable import Variable

__all__ = ["Slots", "apply_update"]

_PLANS = 64  # tuples of variables that a Slots remembers

# A training step runs these for each of its variables: `map` does so without a bytecode.
array_of = attrgetter("array")
layout_of = attrgetter("shape", "dtype", "__class__")
position_of = attrgetter("own_position")


def apply_update(
    rule: Callable,
    variables: Sequence[Variable],
    gradients: Sequence[Any],
    slots: "Slots",
    scalars: Callable[..., dict[str, float]],
    *,
    reads_value: bool = False,
    rows: bool = False,
    constraints: bool = True,
) -> None:
    """Run the update `rule` of an optimizer on `variables`: packed, in blocks, in place.

    Parameters
    ----------
    rule : function ``(p, g, *slots, **scalars) -> (delta, *slots)``
        Elementwise, written with operators; or, where `slots` has `shapes`, any function of one variable. `p` is the
        value (None unless `reads_value`), `g` the gradient, then one argument per slot. `delta` is subtracted from the
        variable; None leaves the variable as it is. The rule may change its slots and its own temporaries by augmented
        assignment (``m *= beta``: in place on arrays, a new value for Tensors), and must not change `p` and `g`.
    variables : sequence of Variable
        Each once, all trainable.
    gradients : sequence of Tensor, array or IndexedSlices
        Of the variables' shapes; none is None, none is changed.
    slots : Slots
        Where the slots and step counts of these variables live; what is missing starts at zero.
    scalars : function of int
        The scalar arguments of the rule at a variable's n-th update (n = 1, 2, ...): a dict of Python floats. Where
        `slots` sorts the variables, what it says of the variable follows as further arguments.
    reads_value : bool, default False
        Whether the rule needs the values (weight decay does).
    rows : bool, default False
        IndexedSlices update the rows that they name, and nothing else: the rule gets these rows of value and slots,
        each once. Otherwise they count as the dense gradient that they stand for.
    constraints : bool, default True
        Whether the variables' constraints are applied at the end.

    Raises
    ------
    TypeError
        If one of `variables` is no Variable, or a gradient's dtype or device does not fit.
    ValueError
        If a variable occurs twice, is not trainable, has a gradient of another shape, is another object than the one
        that its slots were made for, or differs in shape from the slots that wait for it.
    IndexError
        If IndexedSlices name a row that is not there. In all these cases before anything is changed.
    ConstraintError
        A ValueError: a constraint raised, or gave what does not fit. All other variables are updated and constrained;
        this one holds its new value without its constraint.

    Notes
    -----
    Values that somebody still needs (a tape that has yet to walk, a view) move out first. Half-precision variables have
    float32 slots and are computed in float32; complex ones are computed as pairs of real numbers.

    Examples
    --------
    >>> v = Variable([1.0, 2.0], name="point")
    >>> def descend(p, g, *, rate):
    ...     return (g * rate,)
    >>> apply_update(descend, [v], [np.array([1.0, 1.0])], Slots(()), lambda step: {"rate": 0.5})
    >>> v.numpy().tolist()
    [0.5, 1.5]
    """
    traced_by = tracer()
    if traced_by is not None:
        _follow(traced_by, rule, variables, gradients, slots, scalars, reads_value, rows, constraints)
        return
    plan = slots._plan_of(variables)
    fresh = plan is None
    if plan is None:
        plan = slots._draft(variables)
    written(variables)  # before the gradients are read: one may be a view of a variable, and has moved out now
    sparse = []
    try:
        arrays = [*map(array_of, gradients)]
        fits = [*map(layout_of, arrays)] == plan.layouts and plan.positions <= watchable
    except AttributeError:  # bare arrays, rows
        fits = False
    if not fits:
        arrays = [_checked(g, v, rows) for g, v in zip(gradients, variables, strict=True)]
        sparse = [v for a, v in zip(arrays, variables, strict=True) if a.__class__ is IndexedSlices]
    if fresh or sparse:
        plan = slots._settled(variables, sparse, None if fresh else plan)
    frame = active()
    observers = () if frame is None else frame.observers
    for observer in observers:
        observer.updating(variables, arrays)
    plan.run(rule, arrays, scalars, reads_value, rows)
    if constraints and not constrained.isdisjoint(plan.positions):
        _constrain([v for v in variables if v.constraint is not None])
    for observer in observers:
        observer.updated(variables)


def _follow(traced_by, rule, variables, gradients, slots, scalars, reads_value, rows, constraints) -> None:
    """`apply_update` in a function that is traced: its arithmetic becomes calls of the plan."""
    variables = [*variables]
    written(variables)  # a tape that still needs what they hold gets a copy: a call of the plan
    with traced_by.pause():  # the checks look at values, and make slots
        slots.check(variables)
        for g, v in zip(gradients, variables, strict=True):
            _checked(g, v, rows)
        dense = not any(isinstance(g, IndexedSlices) for g in gradients)
        if dense:
            plan = slots._settled(variables, [], slots._plan_of(variables))
    if not (dense and constrained.isdisjoint(plan.positions) and plan.can_be_followed):
        options = {"reads_value": reads_value, "rows": rows, "constraints": constraints}
        traced_by.outside(
            partial(apply_update, rule, slots=slots, scalars=scalars, **options), (variables, [*gradients])
        )
        return
    arrays = [_cast(g.array if isinstance(g, Operand) else g, v) for g, v in zip(gradients, variables, strict=True)]
    traced_by.rely_on(lambda: plan.valid and constrained.isdisjoint(plan.positions))
    with traced_by.at("update/"):
        plan.follow(traced_by, rule, arrays, slots.names, scalars, reads_value)


class ConstraintError(ValueError):
    """A constraint failed after an update, which was made."""

    updated = True  # an optimizer counts it


class Slots:
    """The slots and step counts of variables, by slot name and full variable name.

    Parameters
    ----------
    names : sequence of str
        The slots that each variable has.
    on_unclaimed : {"raise", "warn", "ignore"}
        What to do when a variable turns up that has no slots, while slots of other names wait.
    sort : function of str, optional
        Full variable name to a tuple; variables with different ones are never packed together, and the function
        `scalars` of `apply_update` gets its items. By default all are alike, with nothing to get.
    shapes : function of a shape, optional
        The shape of a variable to those of its slots, one for each name. The rule then sees variables one by one, whole
        and in their shapes; `IndexedSlices` count as dense gradients, and complex variables are refused. A ValueError
        from it, for a shape that the rule cannot do, is raised before anything is changed. By default slots have the
        shape of the variable, and the rule is elementwise.

    Notes
    -----
    Each variable is known by a weak reference: another object under the same name is an error until `forget`. Slots
    that were put in with `put` wait until a variable of their name is updated for the first time.

    Examples
    --------
    >>> slots = Slots(["m"])
    >>> slots.put("dense/kernel", 3, {"m": np.ones(2)})
    >>> slots.step("dense/kernel"), slots.get("dense/kernel", "m").tolist(), list(slots)
    (3, [1.0, 1.0], ['dense/kernel'])
    """

    def __init__(
        self,
        names: Sequence[str] = (),
        on_unclaimed: str = "raise",
        sort: Callable[[str], tuple] | None = None,
        shapes: Callable[[tuple], Sequence[tuple]] | None = None,
    ):
        self.names = tuple(names)
        self.on_unclaimed = on_unclaimed
        self.sort = sort
        self.shapes = shapes
        self._cells: dict[str, Cell] = {}
        self._groups: dict[str, Group] = {}  # by name as well: cells do not know their group, so nothing is cyclic
        self._waiting: dict[str, tuple[int, dict[str, Any]]] = {}
        self._plans: dict[tuple, Plan] = {}

    def __getstate__(self):
        """For copies and pickles: all slots wait for the variables of their names."""
        waiting = {name: (self.step(name), {slot: self.get(name, slot) for slot in self.names}) for name in self}
        own = {"names": self.names, "on_unclaimed": self.on_unclaimed, "sort": self.sort, "shapes": self.shapes}
        return {"own": own, "waiting": waiting}

    def __setstate__(self, state):
        Slots.__init__(self, **state["own"])
        self._waiting = state["waiting"]

    # ---------------------------------------------------------------- looks
    def __iter__(self) -> Iterator[str]:
        yield from self._cells
        yield from self._waiting

    def __len__(self) -> int:
        return len(self._cells) + len(self._waiting)

    def __contains__(self, name) -> bool:
        return name in self._cells or name in self._waiting

    @property
    def waiting(self) -> tuple[str, ...]:
        """Names whose slots wait for a variable."""
        return tuple(self._waiting)

    def variable(self, name: str) -> Variable | None:
        """The variable that the slots of this name belong to; None where they wait, or where it is gone."""
        cell = self._cells.get(name)
        return None if cell is None else cell.ref()

    def check(self, variables) -> None:
        """Raise what an update of `variables` would raise, whatever the gradients. Changes nothing."""
        if self._plan_of(variables) is None:
            self._draft(variables)

    def step(self, name: str) -> int:
        """How often the variable was updated."""
        return self._groups[name].step if name in self._cells else self._waiting[name][0]

    def get(self, name: str, slot: str) -> Any:
        """A copy of a slot, of the variable's shape.

        Raises
        ------
        KeyError
            If there is none.
        """
        if name in self._cells:
            return backend.copy(self._view(name, slot))
        return backend.copy(self._waiting[name][1][slot])

    # ---------------------------------------------------------------- changes
    def put(self, name: str, step: int, arrays: dict[str, Any]) -> None:
        """Let these slots (one array per slot name) wait for the variable `name`, in place of any that are there."""
        self.forget(name)
        self._waiting[name] = (int(step), {slot: arrays[slot] for slot in self.names})

    def set(self, variable: Variable, step: int, arrays: dict[str, Any]) -> None:
        """Give a variable these slots (copies of one array per slot name) in place of any that it has."""
        self.put(variable._name, step, arrays)
        self._adopt([variable])

    def forget(self, name: str) -> None:
        """Drop the slots of a name, if there are any; the next update starts them at zero."""
        self._waiting.pop(name, None)
        cell = self._cells.pop(name, None)
        if cell is not None:
            group = self._groups.pop(name)
            self._take_out(group, [c for c in group.cells if c is not cell])

    def shapes_of(self, shape: tuple) -> dict[str, tuple]:
        """The shapes of the slots, by name, of a variable of this shape."""
        shapes = [shape] * len(self.names) if self.shapes is None else self.shapes(shape)
        return dict(zip(self.names, shapes, strict=True))

    def view(self, variable: Variable, slot: str):
        """The live slot of a variable, valid until the next update. To be read only."""
        return self._view(variable._name, slot)

    def _view(self, name: str, slot: str):
        return self._groups[name].view(self._cells[name], self.names.index(slot))

    def _take_out(self, group: "Group", cells: list) -> None:
        """Make a group of some cells of `group`."""
        self._drop_plans()
        if cells:
            part = Group(cells, group.step, group, group.sort)
            self._groups.update((cell.name, part) for cell in cells)

    # ---------------------------------------------------------------- plans
    def _plan_of(self, variables) -> "Plan | None":
        try:
            return self._plans.get((*map(position_of, variables),))
        except AttributeError:
            bad = next(v for v in variables if not isinstance(v, Variable))
            raise TypeError(
                f"an optimizer updates Variables, got {type(bad).__name__}: {bad!r}. Pairs are (gradient, variable)"
            ) from None

    def _drop_plans(self) -> None:
        for plan in self._plans.values():
            plan.valid = False
        self._plans.clear()

    def _draft(self, variables) -> "Plan":
        """A plan without groups, after all checks of the variables that do not need the gradients."""
        if any(cell.ref() is None for cell in self._cells.values()):
            self._drop_plans()  # they hold on to the arrays of their variables
        names: dict[str, Variable] = {}
        for v in variables:
            name = v._name
            if not is_differentiable(v.array.dtype):
                raise TypeError(
                    f"variable {v.name!r} has dtype {v.dtype}: only float and complex variables are updated"
                )
            if self.shapes is not None and v.array.dtype.kind == "c":
                raise TypeError(
                    f"variable {v.name!r} has dtype {v.dtype}: this rule sees whole variables, and takes real ones only"
                )
            try:
                self.shapes_of(v.array.shape)
            except ValueError as error:
                raise ValueError(f"variable {v.name!r}: {error}") from None
            if names.setdefault(name, v) is not v:
                raise ValueError(f"two different variables are named {v.name!r}: slots are kept by name")
            cell = self._cells.get(name)
            if cell is not None and cell.ref() is not v:
                raise ValueError(
                    f"this optimizer keeps slots for another variable named {v.name!r} (this one was created at "
                    f"{v.created_at}). A model that was built anew wants a new optimizer; or call "
                    f"optimizer.reset({name!r}) to start its slots anew"
                )
        if len(names) != len(variables):
            twice = next(v.name for i, v in enumerate(variables) if v._name in {u._name for u in variables[:i]})
            raise ValueError(f"variable {twice!r} occurs twice in one update: add its gradients up first")
        self._check_waiting(names)
        return Plan([], variables)

    def _check_waiting(self, variables: dict[str, Variable]) -> None:
        wrong = [
            f"{name!r}: slot {slot!r} has shape {arrays[slot].shape}, the variable {variables[name].shape}"
            for name, (_, arrays) in self._waiting.items()
            if name in variables
            for slot, shape in self.shapes_of(variables[name].shape).items()
            if arrays[slot].shape != shape
        ]
        if wrong:
            raise ValueError(f"loaded slots do not fit: {'; '.join(wrong)}")
        unclaimed = [name for name in self._waiting if name not in variables]
        new = [name for name in variables if name not in self._cells and name not in self._waiting]
        if not (unclaimed and new) or self.on_unclaimed == "ignore":
            return
        from ..base.errors import close_names, user_level

        shown = ", ".join(repr(name) + close_names(name, unclaimed) for name in new[:10])
        text = f"loaded slots are unclaimed ({', '.join(map(repr, unclaimed[:10]))}), and there are none for {shown}"
        if self.on_unclaimed == "raise":
            raise ValueError(
                f"{text}. Rename the variables, or load with strict=False to start these at zero, or drop the "
                "unclaimed slots with optimizer.reset(name)"
            )
        import warnings

        warnings.warn(f"{text}: started at zero", stacklevel=user_level())

    def _settled(self, variables, alone, known) -> "Plan":
        """The plan of `variables` (`known`, if that still holds), in which each of `alone` is a group by itself."""
        self._adopt([v for v in variables if v._name not in self._cells])
        for v in alone:
            self._part([self._cells[v._name]])
        cells = [self._cells[v._name] for v in variables]
        self._part(cells)
        return known if known is not None and self._plans else self._plan(variables, cells)

    def _part(self, cells) -> None:
        """Split the groups of which `cells` are a part only."""
        wanted = set(cells)
        for group in dict.fromkeys(self._groups[cell.name] for cell in cells):
            others = [cell for cell in group.cells if cell not in wanted]
            if others:
                self._take_out(group, others)
                self._take_out(group, [cell for cell in group.cells if cell in wanted])

    def _plan(self, variables, cells) -> "Plan":
        where = {cell: i for i, cell in enumerate(cells)}
        groups = []
        for group in dict.fromkeys(self._groups[cell.name] for cell in cells):
            indices = [where[cell] for cell in group.cells]
            groups.append((group, indices, backend.Pieces(flat(variables[i].array) for i in indices)))
        plan = Plan(groups, variables)
        if len(self._plans) >= _PLANS:
            self._drop_plans()
        self._plans[(*map(position_of, variables),)] = plan
        return plan

    def _adopt(self, variables) -> None:
        """Make the slots of new variables: zeros, or those that wait. Equal ones become one group, up to `BLOCK`."""
        packs: list[tuple[tuple, list]] = []
        open_packs: dict[tuple, list] = {}
        for v in variables:
            step = self._waiting[v._name][0] if v._name in self._waiting else 0
            cell = Cell(v)
            key = (cell.compute, cell.place, step, () if self.sort is None else self.sort(v._name))
            pack = open_packs.get(key)
            if pack is None or sum(c.size for c in pack) + cell.size > BLOCK:
                pack = []
                packs.append((key, pack))
                if cell.size < BLOCK and self.shapes is None:
                    open_packs[key] = pack
            pack.append(cell)
        groups: dict[str, Group] = {}
        for (*_, step, sort), cells in packs:
            shapes = None if self.shapes is None else self.shapes(cells[0].shape)
            group = Group(cells, step, len(self.names), sort, shapes)
            for cell in cells:
                groups[cell.name] = group
                _, arrays = self._waiting.get(cell.name, (0, {}))
                for slot, array in arrays.items():
                    backend.write(group.view(cell, self.names.index(slot)), array)
        # At once: what an interrupt cuts short has made none of these groups.
        self._groups.update(groups)
        self._cells.update({cell.name: cell for _, cells in packs for cell in cells})
        for name in groups:
            self._waiting.pop(name, None)


def _constrain(variables) -> None:
    """Apply the constraints of all `variables`, then raise what the first failure was."""
    failed: tuple[Variable, Exception] | None = None
    for v in variables:
        try:
            v.assign(v.constraint(v))
        except Exception as error:
            failed = failed or (v, error)
    if failed is not None:
        v, cause = failed
        raise ConstraintError(
            f"the constraint of variable {v.name!r} failed: {type(cause).__name__}: {cause} (the update was made: the "
            "variable holds its new value, unconstrained)"
        ) from cause


def _checked(g, v: Variable, rows: bool):
    """The array (or the merged rows) of the gradient `g` of `v`."""
    if not v._trainable:
        raise ValueError(
            f"variable {v.name!r} is not trainable and has a gradient: leave it out, or pass None for its gradient"
        )
    if isinstance(g, IndexedSlices):
        return _checked_rows(g, v, rows)
    a = g.array if isinstance(g, Operand) else backend.placed(g)
    if a.shape != v.array.shape:
        raise ValueError(
            f"the gradient of variable {v.name!r} has shape {a.shape}, the variable {v.shape} "
            f"(created at {v.created_at})"
        )
    if backend.device(a) != v.device:
        raise TypeError(f"the gradient of variable {v.name!r} lies on {backend.device(a)}, the variable on {v.device}")
    return _cast(a, v)


def _checked_rows(g: IndexedSlices, v: Variable, rows: bool):
    values, ids = (a.array if isinstance(a, Operand) else backend.placed(a) for a in (g.values, g.indices))
    if g.dense_shape != v.array.shape or values.shape != (*ids.shape, *v.array.shape[1:]):
        raise ValueError(
            f"the gradient of variable {v.name!r} has {values.shape} values for rows of {g.dense_shape}, the variable "
            f"has shape {v.shape} (created at {v.created_at})"
        )
    low, high = (int(ids.min()), int(ids.max())) if ids.size and not g.inside else (0, 0)
    if low < 0 or (ids.size and high >= v.array.shape[0]):
        raise IndexError(f"the gradient of variable {v.name!r} names rows {low} to {high}, it has {v.array.shape[0]}")
    slices = IndexedSlices(_cast(values, v), ids, g.dense_shape)
    if backend.namespace(values) is not np:
        return slices.totalled() if rows and v.array.size else slices.to_dense()
    merged = slices.merged()
    if (rows or v.array.size >= BLOCK) and v.array.size:
        return merged
    whole = backend.namespace(values).zeros(v.array.shape, v.array.dtype)
    whole[merged.indices] = merged.values
    return whole


def _cast(a, v: Variable):
    if a.dtype == v.array.dtype:
        return a
    if not np.can_cast(a.dtype, v.array.dtype, "same_kind"):
        raise TypeError(f"the gradient of variable {v.name!r} has dtype {a.dtype}, the variable {v.dtype}")
    return a.astype(v.array.dtype)
