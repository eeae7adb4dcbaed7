"""save, load: the values of variables, and the state of all else that a training run has, in one file. Floor 3.

A file is a safetensors file. Variables lie in it under their full names, so that other programs find them. What is
kept by something with a state (an optimizer, a History, random streams) lies under ``<its name>/<its key>`` where it is
an array, and in the metadata where it is a number; there stands as well which array belongs to whom.

What has a state
----------------
Any object with two methods can be saved and loaded; optimizers, metrics, batches and the like know nothing else of
files, and users' own objects are on a par with them.

``state_dict()``
    A dict, its keys strings, its values arrays, or what fits JSON, or dicts of these. Tuples come back as lists.
``load_state_dict(state)``
    Takes that back, and raises if it does not fit. Should it raise half-way, or something that is loaded with it, it
    is called again with the state from before.

These are optional:

``name``
    What its state is called in the file; without it, the name of its class in small letters.
``prepare_state_dict(state, strict, hyperparameters)``
    Checks only: a `LoadReport`, and a function that puts the state in place and does not fail. It is called instead of
    `load_state_dict`, and nothing has to be led back.
``slot_names``
    If it has this attribute, keys ``<name>/<slot>/<full name of a variable>`` are renamed with the variables.
"""

import json
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from copy import deepcopy
from fnmatch import fnmatchcase
from functools import reduce
from operator import getitem
from typing import Any, NamedTuple

import numpy as np

from . import checkpoint_files as files
from ._version import __version__
from .base import backend, ranks
from .base.errors import close_names
from .base.seeds import global_seed
from .engine.outside import tracer
from .engine.protocol import Operand
from .state.report import LoadReport
from .state.store import VariableStore, matcher
from .state.variable import Variable

__all__ = ["load", "metadata_of", "save"]

_FORMAT = 1
_KEY = "autograd_vs"  # of our table in the metadata

Rename = Mapping[str, str | None] | Callable[[str], str | None]


def save(
    path: "str | os.PathLike[str]", *objects: Any, scope: Any = None, metadata: Mapping[str, Any] | None = None
) -> None:
    """Write variables, and the state of what trains them, into one safetensors file.

    Parameters
    ----------
    path : str or path
        Missing folders are made. An existing file is replaced when the new one is whole and on the disk: a crash or a
        full disk leaves it as it was.
    *objects
        `VariableStore`, `Variable`, layers, optimizers, `ExponentialMovingAverage`, `LossScaler`, `ReduceOnPlateau`,
        `History`, batches of `av.data`, metrics, the module `av.random` (its streams), `numpy.random.Generator`,
        anything else with `state_dict` and `load_state_dict` (see the notes); or lists of these. The name of a thing
        with a state is its attribute `name`, else "random" for the streams, or that of its class ("history",
        "generator"). A dict gives other names: ``{"first": history}``; for a store ``{"teacher": store}`` puts
        "teacher/" before the names of its variables.
    scope : str or compiled regular expression, optional
        Of the variables, only those in this scope (as in `VariableStore.variables`).
    metadata : dict, optional
        Fit for JSON; `load` gives it back as ``report.metadata``.

    Raises
    ------
    ImportError
        If the package safetensors is not there: ``pip install "autograd-vs[train]"``.
    TypeError
        If one of the objects has no state, or a dtype has no place in the format. Nothing is written.
    ValueError
        If there is nothing to save, or two things have the same name. Nothing is written.
    OSError
        If the file cannot be written; what was there is unchanged.

    Notes
    -----
    A variable that several parts of a model share has one name, and is stored once. Complex numbers are stored as
    pairs of floats (a last axis of length 2). Schedules are code and are not stored: what they depend on,
    `iterations`, is. Nor is a learning rate that is a Variable, unless it is among the objects. `EarlyStopping` has no
    state of its own: it asks its History. Of several processes (`DataParallel`) rank 0 writes, and the others do all
    but that; none waits for another.

    Objects of your own have ``state_dict()``, which gives a dict of arrays, of what fits JSON, and of dicts of these;
    and ``load_state_dict(state)``, which takes it back and raises if it does not fit.

    Examples
    --------
    >>> import os, tempfile, optim
    >>> with av.VariableStore() as store:
    ...     w = av.get_variable("w", initializer=[1.0, 2.0])
    >>> optimizer = optim.Adam()
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "run.safetensors")
    ...     av.save(path, store, optimizer, av.random, metadata={"epoch": 3})
    ...     _ = w.assign([0.0, 0.0])
    ...     report = av.load(path, store, optimizer, av.random)
    >>> w.numpy(), report.metadata
    (array([1., 2.], dtype=float32), {'epoch': 3})
    """
    _not_traced("save")
    wanted = _asked(objects)
    if not isinstance(metadata, Mapping | None):
        raise TypeError(f"metadata is a dict, got {metadata!r:.60}")
    fits = matcher(scope)
    arrays: dict[str, np.ndarray] = {}
    pairs: list[str] = []

    def put(name: str, array: Any, what: str) -> None:
        if name in arrays or name == "__metadata__":
            raise ValueError(f"{what} would be stored as {name!r}, a name that is taken: give one of the two another")
        array = backend.to_numpy(array)
        if array.dtype.kind == "c":
            pairs.append(name)
            array = np.stack([array.real, array.imag], -1)
        arrays[name] = array

    for name, v in wanted.variables.items():
        if fits(name):
            put(name, v.array, f"variable {v.name!r}")
    table: dict[str, Any] = {}
    for name, part in wanted.parts.items():
        found: dict[tuple[str, ...], Any] = {}
        values = _without_arrays(name, part.state_dict(), found)
        for keys, value in found.items():
            put(_stored(name, keys), value, f"{'/'.join(keys)!r} of {name!r}")
        table[name] = {"class": _kind(part), "arrays": [*found], "values": values}
    if not arrays and not table:
        raise ValueError("there is nothing to save" + (f" in the scope {scope!r}" if scope is not None else ""))
    ours = {
        "format": _FORMAT,
        "version": __version__,
        "numpy": np.__version__,
        "seeds": {"global": global_seed(), "stores": [store.seed for store in wanted.stores]},
        "objects": table,
        "complex": pairs,
        "metadata": dict(metadata or {}),
    }
    text = _in_json(ours)
    if ranks.is_main():
        files.write(os.fsdecode(path), arrays, {_KEY: text})  # one key: the bytes depend on nothing else


def load(
    path: "str | os.PathLike[str] | Mapping[str, Any]",
    *objects: Any,
    scope: Any = None,
    rename: Rename | None = None,
    transpose: Mapping[str, Any] | None = None,
    strict: bool = True,
    cast: bool = False,
    hyperparameters: bool = True,
) -> LoadReport:
    """Put what is in a file into variables, and into what trains them, by name.

    All is read and checked before anything is changed.

    Parameters
    ----------
    path : str, path or mapping
        A safetensors file, by whatever program, or an ``.npz`` file. Or the arrays themselves by name, such as
        ``{name: t.numpy() for name, t in model.state_dict().items()}`` of PyTorch.
    *objects
        As in `save`. What is in the file and is not asked for is left alone; with a whole store, each variable in the
        file must have its place.
    scope : str or compiled regular expression, optional
        Of the variables here, only those in this scope; others in the file are not unexpected.
    rename : dict or function, optional
        Names in the file to names here: ``{"encoder/": "pretrained/encoder/"}``. What ends in "/" or "." (or is empty)
        stands for all names that begin so, the longest that fits is taken; None leaves a name out. A function gets each
        name in the file, and returns the one here or None. Slots of optimizers are renamed with their variables. A
        ":0" at the end of a name, there or here, means nothing.
    transpose : dict, optional
        Names here, or patterns of them (``"*/kernel"``), to the order of axes as in `numpy.transpose`, or to a function
        of the array. The first that fits is taken. ``(1, 0)`` turns PyTorch's linear weights into kernels,
        ``(2, 3, 1, 0)`` those of its convolutions.
    strict : bool, default True
        Raise if something is missing, unexpected or mismatched. Otherwise what fits is loaded, and the report says what
        did not.
    cast : bool, default False
        Let values take the variables' dtypes if the kind is the same (float64 to float32).
    hyperparameters : bool, default True
        Take over learning rates and the like of optimizers, too. False keeps the present ones.

    Returns
    -------
    LoadReport
        With the names here, and what `save` got as ``metadata``.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no checkpoint, or not a whole one; if names, shapes or dtypes do not fit (with `strict`); if `scope`
        or an entry of `rename` or `transpose` fits nothing. Nothing is changed then.
    TypeError
        If `rename` maps anything but names, `transpose` is no dict, or what a mapping holds is no array. Nothing is
        changed then.
    ImportError
        If the package safetensors is not there.

    Notes
    -----
    Variables are written in place, so functions that were traced go on with the new values. Make the variables first
    (call the model once); slots of optimizers wait for variables that are not there yet.

    What becomes one variable here is combined before: PyTorch's LSTM has two biases, of which `LSTMCell` holds the sum
    (its gates have the same order). ``weights = safetensors.numpy.load_file(path)`` gives a dict to do so in, which is
    then loaded in place of the path. bfloat16 is that of the package ml_dtypes; where that is not installed, float32.

    Examples
    --------
    >>> with av.VariableStore() as store, av.variable_scope("fc"):
    ...     kernel = av.get_variable("kernel", (2, 1))
    >>> weights = {"fc.weight": np.array([[1.0, 2.0]], np.float32)}
    >>> av.load(weights, store, rename={"fc.weight": "fc/kernel"}, transpose={"*/kernel": (1, 0)})
    LoadReport: 1 loaded, 1 renamed
      renamed (found under another name): fc.weight -> fc/kernel
    >>> kernel.numpy().tolist()
    [[1.0], [2.0]]
    """
    _not_traced("load")
    wanted = _asked(objects)
    if isinstance(path, Mapping):
        where, arrays = getattr(path, "path", "the mapping"), path
    else:
        where = os.fsdecode(path)
        arrays = files.read(where)
    ours = _ours(where, arrays)
    renamed, turned = _Renaming(rename), _Turning(transpose)
    report = LoadReport(metadata=ours["metadata"])
    values = _matched(where, arrays, ours, wanted, scope, renamed, turned, report, cast)
    states = {}
    for name, part in wanted.parts.items():
        if name not in ours["objects"]:
            report.missing.append(f"{name} (the {_kind(part)})")
        else:
            states[name] = renamed.slots(part, _state_in(where, arrays, ours, name))
    renamed.check(arrays)
    if strict and not report.complete:
        there = ", ".join(ours["objects"])
        raise ValueError(
            f"{where} does not fit (nothing was changed):\n{report.problems()}{_near(report)}"
            + (f"\nBeside variables it has the state of: {there or 'nothing'}" if wanted.parts else "")
            + "\nVariables are made by calling the model once; rename={'in the file': 'here'} maps names, cast=True "
            "converts dtypes, scope= takes a part, strict=False loads what fits"
        )
    for more in _put(where, values, wanted.parts, states, strict, hyperparameters):
        report = report.merge(more)
    return report


# ---------------------------------------------------------------- what is asked for


class _Wanted(NamedTuple):
    variables: dict[str, Variable]
    parts: dict[str, Any]  # what has a state, by name
    stores: list[VariableStore]


def collect(objects: Iterable[Any]) -> _Wanted:
    """What objects hold, by name.

    Raises
    ------
    TypeError, ValueError
        If one has no state, or two have one name.
    """
    wanted = _Wanted({}, {}, [])
    for each in objects:
        _add(wanted, each, None)
    return wanted._replace(parts={name: _with_state(part) for name, part in wanted.parts.items()})


def _asked(objects: Iterable[Any]) -> _Wanted:
    wanted = collect(objects)
    if not (wanted.variables or wanted.parts or wanted.stores):
        raise ValueError(
            "there is nothing in what was given that could be saved or loaded: a layer has no variables before its "
            "first call (call it once, with data), a store none before get_variable. What there may be: stores, "
            "variables, layers, optimizers, a History, av.random"
        )
    return wanted


def _add(wanted: _Wanted, each: Any, name: str | None) -> None:
    """Take in one object; `name` is the one that a dict gives it."""
    if isinstance(each, Variable):
        key = name or each.op.name
        if wanted.variables.setdefault(key, each) is not each:
            raise ValueError(f"two variables are named {key!r}: name one with a dict, {{'other': variable}}")
    elif isinstance(each, VariableStore):
        wanted.stores.append(each)
        for v in each.variables():
            _add(wanted, v, name and f"{name}/{v.op.name}")
    elif isinstance(each, (list, tuple)):
        for one in each:
            _add(wanted, one, name and f"{name}/{one.op.name}" if isinstance(one, Variable) else name)
    elif isinstance(each, Mapping):
        for key, one in each.items():
            _add(wanted, one, key)
    elif not hasattr(each, "state_dict") and isinstance(getattr(each, "weights", None), list):  # a layer
        _add(wanted, each.weights, name)
    else:
        key = name or _name_of(_with_state(each))
        if wanted.parts.setdefault(key, each) is not each:
            raise ValueError(
                f"two objects are named {key!r}: give optimizers distinct name=, others a name in a dict, "
                f"{{'other_{key}': ...}}"
            )


# ---------------------------------------------------------------- what has a state


def _with_state(each: Any) -> Any:
    """What has `state_dict` and `load_state_dict` for an object: as a rule, itself."""
    if isinstance(each, np.random.Generator):
        return _Generator(each)
    if getattr(each, "__name__", None) == f"{__package__}.random":
        return _Streams(each)
    if all(callable(getattr(each, method, None)) for method in ("state_dict", "load_state_dict")):
        return each
    raise TypeError(
        f"{type(each).__name__} has no state that could be saved or loaded: {each!r}. Take stores, variables, layers, "
        "optimizers, History, av.random, a numpy.random.Generator, or what has state_dict and load_state_dict"
    )


class _Streams:
    name = "random"

    def __init__(self, random: Any):
        self.state_dict, self.load_state_dict = random.get_state, random.set_state


class _Generator:
    name = "generator"

    def __init__(self, generator: np.random.Generator):
        self._bits = generator.bit_generator

    def state_dict(self) -> Mapping[str, Any]:
        return self._bits.state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        _check_alike(self._bits.state, state)
        self._bits.state = state


_LARGEST = {"has_uint32": 1, "buffer_pos": 4, "pos": 624}  # positions in arrays: of Philox, of MT19937


def _check_alike(mine: Any, state: Any, key: str = "") -> None:
    """Raise unless `state` may be given to NumPy, which takes others, too, and reads outside of its arrays then."""
    if isinstance(mine, dict) and isinstance(state, dict) and mine.keys() == state.keys():
        for each in mine:
            _check_alike(mine[each], state[each], each)
    elif isinstance(mine, np.ndarray) and isinstance(state, np.ndarray):
        if (mine.shape, mine.dtype) != (state.shape, state.dtype):
            raise ValueError(f"{key!r} is {state.dtype} {state.shape} in the state, {mine.dtype} {mine.shape} here")
    elif type(mine) is not type(state) or isinstance(mine, dict) or (isinstance(mine, str) and mine != state):
        raise ValueError(f"the generator here is another one: {key!r} is {state!r} in the state, {mine!r} here")
    elif isinstance(mine, int) and not 0 <= state <= _LARGEST.get(key, state):
        raise ValueError(f"{key!r} cannot be {state!r}")


def _name_of(part: Any) -> str:
    name = getattr(part, "name", None)
    return name if isinstance(name, str) and name else _kind(part).lower()


def _kind(part: Any) -> str:
    return type(part).__name__.lstrip("_")


def _stored(name: str, keys: Iterable[str]) -> str:
    """The name in the file of an array in the state of `name`: keys of optimizers begin with their names already."""
    key = "/".join(keys)
    return key if key.startswith(name + "/") else f"{name}/{key}"


def _without_arrays(name: str, state: Any, arrays: dict[tuple[str, ...], Any], *keys: str) -> dict[str, Any]:
    """A copy of a state without the arrays, which go to `arrays` by the keys that lead to them."""
    if not isinstance(state, Mapping) or not all(isinstance(key, str) for key in state):
        raise TypeError(f"the state of {name!r} is no dict with strings as keys: {state!r:.200}")
    rest = {}
    for key, value in state.items():
        if isinstance(value, (Operand, np.generic)) or backend.is_array(value):
            arrays[*keys, key] = backend.as_array(value.array if isinstance(value, Operand) else value)
        else:
            nested = isinstance(value, Mapping)
            rest[key] = _without_arrays(name, value, arrays, *keys, key) if nested else value
    return rest


def _state_in(where: str, arrays: Mapping[str, Any], ours: dict[str, Any], name: str) -> dict[str, Any]:
    """The state of `name` as `state_dict` gave it."""
    found = ours["objects"][name]
    state = found["values"]
    try:
        for *keys, last in found["arrays"]:
            reduce(getitem, keys, state)[last] = _array_of(where, arrays, ours, _stored(name, [*keys, last]))
    except (TypeError, LookupError) as error:
        raise ValueError(f"{where}: its table of objects leads nowhere in the state of {name!r}") from error
    return state


def _put(where, values, parts, states, strict, hyperparameters) -> list[LoadReport]:
    """Put new values into variables and states into parts: all of them, or none."""
    reports, commits = [], []
    with ExitStack() as undo:
        for name, state in states.items():
            part = parts[name]
            try:
                if hasattr(part, "prepare_state_dict"):
                    report, commit = part.prepare_state_dict(state, strict, hyperparameters)
                    commits.append(commit)
                else:
                    undo.callback(_lead_back, where, name, part, deepcopy(part.state_dict()))
                    part.load_state_dict(state)
                    report = LoadReport(loaded=[name])
            except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RuntimeError) as error:
                raise ValueError(
                    f"{where}: the state of {name!r} cannot be loaded (nothing was changed): {error}"
                ) from error
            reports.append(report)
        for v, value in values:
            undo.callback(v.assign, v.numpy())
            v.assign(value)
        for commit in commits:
            commit()
        undo.pop_all()
    return reports


def _lead_back(where: str, name: str, part: Any, state: Any) -> None:
    try:
        part.load_state_dict(state)
    except Exception as error:
        raise ValueError(
            f"{where}: a load has failed, and {name!r} does not take back the state that it had: {error}"
        ) from error


# ---------------------------------------------------------------- names, shapes, dtypes


class _Renaming:
    """Names in the file to names here."""

    def __init__(self, rename: Rename | None):
        rules = {} if rename is None else rename
        if not callable(rules):
            if not isinstance(rules, Mapping):
                raise TypeError(f"rename is a dict or a function, got {type(rules).__name__}")
            for old, new in rules.items():
                if not isinstance(old, str) or not (new is None or isinstance(new, str)):
                    raise TypeError(f"rename maps names in the file to names here, or to None; got {old!r}: {new!r}")
            rules = {_plain(old): new for old, new in rules.items()}
        self._rules, self._unused = rules, set() if callable(rules) else set(rules)

    def __call__(self, name: str) -> str | None:
        if callable(self._rules):
            new = self._rules(name)
            if not (new is None or isinstance(new, str)):
                raise TypeError(f"rename: {self._rules!r} of {name!r} is {new!r}; it must be a name or None")
            return new and _plain(new)
        name = _plain(name)
        prefixes = [old for old in self._rules if (not old or old[-1] in "/.") and name.startswith(old)]
        old = name if name in self._rules else max(prefixes, key=len, default=None)
        if old is None:
            return name
        self._unused.discard(old)
        new = self._rules[old]
        return new if new is None else _plain(new + name[len(old) :])

    def slots(self, part: Any, state: dict[str, Any]) -> dict[str, Any]:
        """The state of an optimizer, its keys ``<name>/<slot>/<variable>`` with the variables' names here."""
        if not hasattr(part, "slot_names"):
            return state
        renamed = {}
        for key, value in state.items():
            *slot, variable = key.split("/", 2)
            new = self(variable) if len(slot) == 2 else variable
            if new is not None:
                renamed["/".join([*slot, new])] = value
        return renamed

    def check(self, names: Iterable[str]) -> None:
        """Raise if a rule fits none of the names in the file."""
        for old in sorted(self._unused):
            below = next((f"{old}{end}" for end in "/." if any(name.startswith(old + end) for name in names)), None)
            hint = f"; {below!r} stands for all names that begin so" if below else ""
            raise ValueError(
                f"rename: no name in the file fits {old!r}; it goes from names in the file to names here{hint}"
            )


def _plain(name: str) -> str:
    """A full name: that of a variable has ":0" at its end."""
    return name.removesuffix(":0")


class _Turning:
    """Arrays of the file in the layout that they have here."""

    def __init__(self, transpose: Mapping[str, Any] | None):
        if not isinstance(transpose, Mapping | None):
            raise TypeError(f"transpose maps names here to orders of axes, got {transpose!r:.60}")
        self._turns = {_plain(pattern): turn for pattern, turn in (transpose or {}).items()}
        self._unused = set(self._turns)

    def __call__(self, name: str, array: np.ndarray) -> np.ndarray:
        pattern = next((p for p in self._turns if fnmatchcase(name, p)), None)
        if pattern is None:
            return array
        self._unused.discard(pattern)
        turn = self._turns[pattern]
        try:
            return np.asarray(turn(array)) if callable(turn) else np.transpose(array, turn)
        except (ValueError, TypeError, LookupError) as error:
            raise ValueError(f"transpose: {turn!r} does not fit {name!r} of shape {array.shape}: {error}") from error

    def check(self) -> None:
        if self._unused:
            raise ValueError(f"transpose: no variable that is loaded fits {', '.join(map(repr, sorted(self._unused)))}")


def _matched(where, arrays, ours, wanted, scope, renamed, turned, report, cast) -> list[tuple[Variable, Any]]:
    """The variables and their new values; `report` gets what became of each name."""
    taken = {_stored(name, keys) for name, part in ours["objects"].items() for keys in part["arrays"]}
    here: dict[str, str] = {}
    for there in arrays:
        name = None if there in taken else renamed(there)
        if name is not None and here.setdefault(name, there) != there:
            raise ValueError(f"{where}: {here[name]!r} and {there!r} would both be {name!r}")
    fits = matcher(scope)
    if scope is not None and not any(map(fits, wanted.variables)):
        raise ValueError(f"no variable here is in the scope {scope!r}: make them first (call the model once)")
    values = []
    for name, v in wanted.variables.items():
        if not fits(name):
            continue
        there = here.pop(name, None)
        if there is None:
            report.missing.append(name)
            continue
        value = turned(name, _array_of(where, arrays, ours, there))
        same = value.dtype == v.dtype or (cast and np.can_cast(value.dtype, v.dtype, "same_kind"))
        if value.shape != v.shape or not same:
            report.mismatched.append(f"{name} is {value.dtype} {value.shape} in the file, {v.dtype} {v.shape} here")
            continue
        values.append((v, value.astype(v.dtype, copy=False)))
        report.loaded.append(name)
        if _plain(there) != name:
            report.renamed.append(f"{there} -> {name}")
    turned.check()
    if wanted.stores:
        report.unexpected.extend(
            there if _plain(there) == name else f"{there} -> {name}" for name, there in here.items() if fits(name)
        )
    return values


def _array_of(where: str, arrays: Mapping[str, Any], ours: dict[str, Any], name: str) -> np.ndarray:
    array = arrays[name]
    try:
        array = backend.to_numpy(array.array if isinstance(array, Operand) else backend.as_array(array))
    except TypeError as error:
        raise TypeError(f"{where}: {name!r}: {error}") from error
    if name not in ours["complex"]:
        return array
    if array.dtype not in (np.float32, np.float64) or array.shape[-1:] != (2,):
        raise ValueError(f"{where}: {name!r} is said to be complex, and is no array of pairs of floats")
    return array.view(np.result_type(array.dtype, np.complex64)).reshape(array.shape[:-1])


def _near(report: LoadReport) -> str:
    """Which name in the file may be meant by a missing one."""
    hints = [(name, close_names(name, report.unexpected, 1)) for name in report.missing[:10]]
    return "".join(f"\n  {name!r}:{hint}" for name, hint in hints if hint)


# ---------------------------------------------------------------- metadata


def _in_json(table: dict[str, Any]) -> str:
    try:
        return json.dumps(table)
    except (TypeError, ValueError) as error:
        raise TypeError(f"the metadata and the state of objects must be arrays, or fit for JSON: {error}") from error


def _ours(where: str, arrays: Mapping[str, Any]) -> dict[str, Any]:
    """Our table in the metadata of a file, checked; an empty one for files of other programs.

    Raises
    ------
    ValueError
        If it is damaged, or of a version that is not known here.
    """
    text = arrays.metadata.get(_KEY) if isinstance(arrays, files.TensorFile) else None
    if text is None:
        return {"objects": {}, "complex": [], "metadata": {}}
    try:
        ours = json.loads(text)
        if ours["format"] != _FORMAT:
            raise ValueError(f"it is of format {ours['format']}, and {_FORMAT} is known here (version {__version__})")
        kinds = {"objects": dict, "complex": list, "metadata": dict}
        whole = all(isinstance(ours[key], kind) for key, kind in kinds.items()) and all(
            isinstance(part["values"], dict)
            and all(isinstance(keys, list) and keys and _stored(name, keys) in arrays for keys in part["arrays"])
            for name, part in ours["objects"].items()
        )
        if not whole:
            raise ValueError("it does not agree with the arrays")
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ValueError(f"{where}: its table of objects cannot be used ({type(error).__name__}: {error})") from error
    return ours


def metadata_of(file: files.TensorFile) -> dict[str, Any]:
    """What `save` was given as ``metadata``."""
    return _ours(file.path, file)["metadata"]


def _not_traced(what: str) -> None:
    if tracer() is not None:
        raise RuntimeError(f"av.{what} belongs outside of a function that is traced: call it between two steps")
