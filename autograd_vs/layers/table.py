"""summary: the variables of a model or store as a table. Floor 3."""

from typing import Any, NamedTuple

from ..base.tables import as_html, as_text
from ..state.store import VariableStore
from ..state.variable import Variable
from .base import Layer

__all__ = ["Row", "Summary", "summary"]


class Row(NamedTuple):
    """One line of a summary: a variable, or a layer without variables of its own."""

    name: str
    layer: str
    shape: tuple[int, ...] | None
    dtype: str
    parameters: int
    trainable: bool | None
    shared: tuple[str, ...]


class Summary:
    """What `summary` gives: a table in notebooks and when it is printed.

    Attributes
    ----------
    rows : list of Row
        With `name`, `layer` (its class), `shape`, `dtype`, `parameters`, `trainable` and `shared`: who else uses it.
    parameters, trainable_parameters, size_in_bytes : int
        Of all variables, each counted once.
    """

    def __init__(self, title: str, rows: list[Row], variables: list[Variable]):
        self.title, self.rows = title, rows
        self.parameters = sum([v.size for v in variables])
        self.trainable_parameters = sum([v.size for v in variables if v.trainable])
        self.size_in_bytes = sum([v.array.nbytes for v in variables])

    def _cells(self) -> list[tuple[str, ...]]:
        rows = [
            (
                row.name, row.layer, "" if row.shape is None else str(row.shape), row.dtype,
                "" if row.shape is None else f"{row.parameters:,}",
                "" if row.trainable is None else "yes" if row.trainable else "no", ", ".join(row.shared),
            )
            for row in self.rows
        ]  # fmt: skip
        return [("name", "layer", "shape", "dtype", "parameters", "trainable", "shared with"), *rows]

    def _total(self) -> str:
        n, of_these = self.parameters, self.trainable_parameters
        return f"{n:,} parameters, {of_these:,} of them trainable, {self.size_in_bytes:,} bytes"

    def __str__(self):
        return "\n".join([self.title, as_text(self._cells(), right=(4,)), self._total()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return as_html(self._cells(), self.title, self._total())


def summary(model: Any) -> Summary:
    """The variables of a layer or store: names, shapes, how many numbers, what is shared.

    Parameters
    ----------
    model : Layer or VariableStore
        Layers without variables have a row as well. A layer that is not built yet has no variables to show.

    Returns
    -------
    Summary
        Printed, or as the value of a notebook's cell, a table. *Shared with* names, for a layer, the other layers that
        hold the same variable; for a store, who asks for it (`VariableStore.readers`), where there are several.

    Raises
    ------
    TypeError
        If `model` is neither.

    Examples
    --------
    >>> with av.VariableStore() as store:
    ...     model = av.layers.Sequential([av.layers.Dense(8), av.nn.relu, av.layers.Dropout(0.1), av.layers.Dense(2)])
    ...     y = model(np.ones((5, 3)), training=False)
    >>> print(av.summary(model))
    Sequential 'sequential'
    name                       layer    shape   dtype    parameters  trainable  shared with
    sequential/dense/kernel    Dense    (3, 8)  float32          24  yes
    sequential/dense/bias      Dense    (8,)    float32           8  yes
    sequential/dropout         Dropout
    sequential/dense_1/kernel  Dense    (8, 2)  float32          16  yes
    sequential/dense_1/bias    Dense    (2,)    float32           2  yes
    50 parameters, 50 of them trainable, 200 bytes
    """
    if isinstance(model, Layer):
        return _of_layer(model)
    if isinstance(model, VariableStore):
        readers = {name: tuple(found) if len(found) > 1 else () for name, found in model.readers.items()}
        variables = model.variables()
        rows = [_row(v, "", readers.get(v.op.name, ())) for v in variables]
        return Summary(repr(model), rows, variables)
    raise TypeError(f"summary takes a layer or a VariableStore, got {model!r}")


def _of_layer(model: Layer) -> Summary:
    rows, seen = [], set()
    holders: dict[int, list[Layer]] = {}
    for layer in model.tree():
        for v in layer.own_weights:
            holders.setdefault(id(v), []).append(layer)
    for layer in model.tree():
        own = layer.own_weights
        if not own and not layer.layers:
            rows.append(Row(_path(layer), type(layer).__name__, None, "", 0, None, ()))
        for v in own:
            if id(v) not in seen:
                rows.append(_row(v, type(layer).__name__, tuple([_path(h) for h in holders[id(v)][1:]])))
                seen.add(id(v))
    rows += [_row(v, "", ()) for v in model.weights if id(v) not in seen]
    return Summary(
        f"{type(model).__name__} {_path(model)!r}" + ("" if model.built else ", not built"), rows, model.weights
    )


def _path(layer: Layer) -> str:
    return layer.name if layer._place is None else layer._place.scope.name


def _row(v: Variable, layer: str, shared: tuple[str, ...]) -> Row:
    return Row(v.op.name, layer, tuple(v.shape), str(v.dtype), int(v.size), v.trainable, shared)
