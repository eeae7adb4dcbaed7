"""save, load: the values of variables, and the state of all else that a training run has, in one file. Floor 3.

A file is a safetensors file. Variables lie in it under their full names, so that other programs find them. What is
kept by something with a state (an optimizer, a History, random streams) lies under ``<its name>/<its key>`` where it is
an array, and in the metadata where it is a number; there stands as well which array belongs to whom.
"""

import json
import os
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

import numpy as np

from . import checkpoint_files as files
from ._version import __version__
from .base import backend
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
        `VariableStore`, `Variable`, optimizers, `History`, the module `av.random` (its streams),
        `numpy.random.Generator`, anything else with `state_dict` and `load_state_dict`; or lists of these. The name of
        a thing with a state is its attribute `name`, else "random" for the streams, or that of its class ("history",
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
    `iterations`, is. Nor is a learning rate that is a Variable, unless it is among the objects.

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
    wanted = _collect(objects)
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
        values, keys = {}, []
        for key, value in _state_of(part).items():
            if isinstance(value, (Operand, np.generic)) or backend.is_array(value):
                keys.append(key)
                value = value.array if isinstance(value, Operand) else value
                put(_stored(name, key), backend.as_array(value), f"{key!r} of {name!r}")
            else:
                values[key] = value
        table[name] = {"class": type(part).__name__, "arrays": keys, "values": values}
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
    files.write(os.fspath(path), arrays, {_KEY: _in_json(ours)})  # one key: the bytes depend on nothing else


def load(
    path: "str | os.PathLike[str] | Mapping[str, Any]",
    *objects: Any,
    scope: Any = None,
    rename: Rename | None = None,
    transpose: Mapping[str, Any] | None = None,
    strict: bool = True,
    cast: bool = False,
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
        name in the file, and returns the one here or None. Slots of optimizers are renamed with their variables.
    transpose : dict, optional
        Names here, or patterns of them (``"*/kernel"``), to the order of axes as in `numpy.transpose`, or to a function
        of the array. The first that fits is taken. ``(1, 0)`` turns PyTorch's linear weights into kernels,
        ``(2, 3, 1, 0)`` those of its convolutions.
    strict : bool, default True
        Raise if something is missing, unexpected or mismatched. Otherwise what fits is loaded, and the report says what
        did not.
    cast : bool, default False
        Let values take the variables' dtypes if the kind is the same (float64 to float32).

    Returns
    -------
    LoadReport
        With the names here, and what `save` got as ``metadata``.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no checkpoint, or not a whole one; if names, shapes or dtypes do not fit (with `strict`); if an entry
        of `rename` or `transpose` fits nothing. Nothing is changed then.
    ImportError
        If the package safetensors is not there.

    Notes
    -----
    Variables are written in place, so functions that were traced go on with the new values. Make the variables first
    (call the model once); slots of optimizers wait for variables that are not there yet.

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
    wanted = _collect(objects)
    arrays = path if isinstance(path, Mapping) else files.read(os.fspath(path))
    where = getattr(arrays, "path", "the archive" if arrays is not path else "the mapping")
    return _place(where, arrays, wanted, matcher(scope), rename, transpose, strict, cast)


def _place(where, arrays, wanted, fits, rename, transpose, strict, cast) -> LoadReport:
    ours = _ours(where, arrays)
    renamed = _Renaming(rename)
    report = LoadReport(metadata=ours["metadata"])
    taken = {_stored(name, key) for name, part in ours["objects"].items() for key in part["arrays"]}
    values = _matched(where, arrays, ours, wanted, fits, renamed, _Turning(transpose), taken, report, cast)
    states = {}
    for name, part in wanted.parts.items():
        found = ours["objects"].get(name)
        if found is None:
            report.missing.append(f"{name} (the {type(part).__name__})")
        else:
            state = {key: _array_of(where, arrays, ours, _stored(name, key)) for key in found["arrays"]}
            states[name] = renamed.slots(part, state | found["values"])
    renamed.check()
    if strict and not report.complete:
        there = ", ".join(ours["objects"])
        raise ValueError(
            f"{where} does not fit (nothing was changed):\n{report.problems()}{_near(report)}"
            + (f"\nBeside variables it has the state of: {there or 'nothing'}" if wanted.parts else "")
            + "\nVariables are made by calling the model once; rename={'in the file': 'here'} maps names, cast=True "
            "converts dtypes, scope= takes a part, strict=False loads what fits"
        )
    for more in _put_parts(where, wanted.parts, states, strict):
        report = report.merge(more)
    for v, value in values:
        v.assign(value)
    return report


# ---------------------------------------------------------------- what is asked for


class _Wanted(NamedTuple):
    variables: dict[str, Variable]
    parts: dict[str, Any]  # what has a state, by name
    stores: list[VariableStore]


def _collect(objects: Iterable[Any]) -> _Wanted:
    wanted = _Wanted({}, {}, [])
    for each in objects:
        _add(wanted, each, None)
    if not (wanted.variables or wanted.parts or wanted.stores):
        raise ValueError("say what: a store, variables, an optimizer, a History, av.random")
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
    else:
        key = name or _name_of(each)
        if wanted.parts.setdefault(key, each) is not each:
            raise ValueError(
                f"two objects are named {key!r}: give optimizers distinct name=, others a name in a dict, "
                f"{{'other_{key}': ...}}"
            )


def _name_of(part: Any) -> str:
    if not (_has(part, "state_dict", "load_state_dict") or _is_streams(part) or isinstance(part, np.random.Generator)):
        raise TypeError(
            f"{type(part).__name__} has no state that could be saved or loaded: {part!r}. Take stores, variables, "
            "optimizers, History, av.random, a numpy.random.Generator, or what has state_dict and load_state_dict"
        )
    if _is_streams(part):
        return "random"
    name = getattr(part, "name", None)
    return name if isinstance(name, str) and name else type(part).__name__.lower()


def _has(part: Any, *methods: str) -> bool:
    return all(callable(getattr(part, method, None)) for method in methods)


def _is_streams(part: Any) -> bool:
    return getattr(part, "__name__", None) == f"{__package__}.random"


def _stored(name: str, key: str) -> str:
    """The name in the file of an array in the state of `name`: keys of optimizers begin with their names already."""
    return key if key.startswith(name + "/") else f"{name}/{key}"


# ---------------------------------------------------------------- what has a state


def _state_of(part: Any) -> Mapping[str, Any]:
    if isinstance(part, np.random.Generator):
        return _plain(part.bit_generator.state)
    return part.get_state() if _is_streams(part) else part.state_dict()


def _put_parts(where: str, parts: dict[str, Any], states: dict[str, Any], strict: bool) -> list[LoadReport]:
    """Give each part its state; all of them, or none.

    Those that can check a state first (`prepare_state_dict`) do so; the others load, and are led back if one raises.
    """
    reports, commits, done = [], [], []
    checked = {name for name in states if _has(parts[name], "prepare_state_dict")}
    name = ""
    try:
        for name in sorted(states, key=lambda name: name not in checked):
            part = parts[name]
            if name in checked:
                more, commit = part.prepare_state_dict(states[name], strict)
                reports.append(more)
                commits.append(commit)
            else:
                before = _state_of(part)
                _put_state(name, part, states[name])
                done.append((name, part, before))
                reports.append(LoadReport(loaded=[name]))
    except BaseException as error:
        for other, part, before in reversed(done):
            _put_state(other, part, before)
        if isinstance(error, (ValueError, TypeError, LookupError, AttributeError, OverflowError)):
            raise ValueError(
                f"{where}: the state of {name!r} cannot be loaded (nothing was changed): {error}"
            ) from error
        raise
    for commit in commits:
        commit()
    return reports


def _put_state(name: str, part: Any, state: Mapping[str, Any]) -> None:
    if _is_streams(part):
        part.set_state(state)
    elif isinstance(part, np.random.Generator):
        new = _alike(name, part.bit_generator.state, state)
        type(part.bit_generator)(0).state = new  # a state that it does not take is refused there
        part.bit_generator.state = new
    else:
        part.load_state_dict(state)


def _plain(state: Any) -> Any:
    """Nested dicts with lists in place of arrays, which go into the metadata."""
    if isinstance(state, dict):
        return {key: _plain(value) for key, value in state.items()}
    return state.tolist() if isinstance(state, np.ndarray) else state


def _alike(name: str, model: Any, state: Any) -> Any:
    """`state` with arrays where `model` has some."""
    if isinstance(model, dict):
        if not isinstance(state, dict) or state.keys() != model.keys():
            raise ValueError(f"the state of {name!r} is of another kind of generator")
        return {key: _alike(name, model[key], state[key]) for key in model}
    if isinstance(model, str) and model != state:
        raise ValueError(f"the state of {name!r} is that of {state}, the generator here is {model}")
    return np.array(state, model.dtype) if isinstance(model, np.ndarray) else state


# ---------------------------------------------------------------- names, shapes, dtypes


class _Renaming:
    """Names in the file to names here."""

    def __init__(self, rename: Rename | None):
        self._rename = {} if rename is None else rename
        self._unused = set() if callable(self._rename) else set(self._rename)

    def __call__(self, name: str) -> str | None:
        if callable(self._rename):
            return self._rename(name)
        prefixes = [old for old in self._rename if (not old or old[-1] in "/.") and name.startswith(old)]
        old = name if name in self._rename else max(prefixes, key=len, default=None)
        if old is None:
            return name
        self._unused.discard(old)
        new = self._rename[old]
        return None if new is None else new + name[len(old) :]

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

    def check(self) -> None:
        if self._unused:
            listed = ", ".join(map(repr, sorted(self._unused)))
            raise ValueError(f"rename: no name in the file fits {listed}; it goes from names in the file to names here")


class _Turning:
    """Arrays of the file in the layout that they have here."""

    def __init__(self, transpose: Mapping[str, Any] | None):
        self._turns = transpose or {}
        self._unused = set(self._turns)

    def __call__(self, name: str, array: np.ndarray) -> np.ndarray:
        pattern = next((p for p in self._turns if fnmatchcase(name, p)), None)
        if pattern is None:
            return array
        self._unused.discard(pattern)
        turn = self._turns[pattern]
        try:
            return np.asarray(turn(array)) if callable(turn) else np.transpose(array, turn)
        except (ValueError, TypeError) as error:
            raise ValueError(f"transpose: {turn!r} does not fit {name!r} of shape {array.shape}: {error}") from error

    def check(self) -> None:
        if self._unused:
            raise ValueError(f"transpose: no variable that is loaded fits {', '.join(map(repr, sorted(self._unused)))}")


def _matched(where, arrays, ours, wanted, fits, renamed, turned, taken, report, cast) -> list[tuple[Variable, Any]]:
    """The variables and their new values; `report` gets what became of each name."""
    here: dict[str, str] = {}
    for there in arrays:
        name = None if there in taken else renamed(there)
        if name is not None and here.setdefault(name, there) != there:
            raise ValueError(f"{where}: {here[name]!r} and {there!r} would both be {name!r}")
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
        if there != name:
            report.renamed.append(f"{there} -> {name}")
    turned.check()
    if wanted.stores:
        report.unexpected.extend(there for name, there in here.items() if fits(name))
    return values


def _array_of(where: str, arrays: Mapping[str, Any], ours: dict[str, Any], name: str) -> np.ndarray:
    array = arrays[name]
    array = backend.to_numpy(array.array if isinstance(array, Operand) else backend.as_array(array))
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
            and all(isinstance(key, str) and _stored(name, key) in arrays for key in part["arrays"])
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
