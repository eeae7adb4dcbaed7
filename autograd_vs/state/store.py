"""VariableStore: who is called what. From names to Variables, and the making of new ones. Floor 2.

A store does not know where in the model it is asked: `scope.py` brings full names and what the open scopes say.
"""

import os
import sys
import weakref
from _thread import RLock  # `threading` itself costs import time
from typing import Any, NamedTuple

import numpy as np

from ..base import backend
from ..base.dtypes import as_dtype, is_differentiable
from ..base.errors import ScopeWarning, close_names, line_of
from ..base.seeds import global_seed
from ..base.tables import as_html, as_text
from ..engine.protocol import Operand
from ..engine.record import active
from . import context
from .initializers import drawing, glorot_uniform, zeros
from .variable import Variable

__all__ = ["VariableSpec", "VariableStore", "current_store", "global_variables", "matcher", "trainable_variables"]


class VariableSpec(NamedTuple):
    """What `get_variable` asks for, with the scope's defaults filled in."""

    shape: Any = None
    dtype: Any = None
    initializer: Any = None
    regularizer: Any = None
    reuse: Any = False
    trainable: Any = None
    constraint: Any = None


class VariableStore:
    """The variables made by `get_variable`, by name. A ``with`` on it is what a new graph is in TensorFlow.

    Inside ``with store:`` names are looked up in this store, and scopes start at the root: nothing outside is seen or
    touched, so that the same model can be built again. A store can be entered again, inside of other stores too, and
    from several threads; a default store is there where none is open.

    Parameters
    ----------
    seed : int, optional
        Initial values depend on it and on the full name of the variable only. By default the seed of
        `av.random.set_seed`, or one drawn from the system, which `store.seed` shows.

    Notes
    -----
    Plain Variables take their names from the current store, but it does not hold them: the name is free when they are
    gone, and they are not listed. ``len(store)``, ``name in store``, ``store[name]`` and iteration over the names work
    as in a dict, in the order of creation.

    Examples
    --------
    >>> import autograd_vs as av
    >>> with av.VariableStore(seed=0) as store:
    ...     w = av.get_variable("dense/kernel", (2, 3))
    >>> store["dense/kernel"] is w, len(store), "kernel" in store
    (True, 1, False)
    >>> print(store)
    VariableStore(seed=0): 1 variable, 6 numbers
    name          shape   dtype    size  trainable
    dense/kernel  (2, 3)  float32     6  yes
    """

    def __init__(self, seed: int | None = None):
        if seed is not None and (isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0):
            raise ValueError(f"the seed of a store is an integer >= 0, got {seed!r}")
        self._seed = None if seed is None else int(seed)
        self._drawn: int | None = None  # the seed from the system, once it was needed
        self.lock = RLock()
        self._clear()

    def _clear(self) -> None:
        self.content = object()  # another one after each `reset`: who knows Variables by name looks again
        self._variables: dict[str, Variable] = {}
        self._plain: weakref.WeakValueDictionary[str, Variable] = weakref.WeakValueDictionary()
        # Full name -> the name scope, or the `_callers`, of each reader: a dict for its order, and to have each once.
        self._readers: dict[str, dict[Any, None]] = {}
        self.templates: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()  # template -> reuse at its next call
        self.opened: dict[str, int] = {}  # how often each scope was opened at the root
        self._warned = False

    def reset(self, scope: Any = None) -> None:
        """Forget all variables and counts: the names are free again. Objects that others still hold keep working.

        With `scope`, as in `variables`, only what is in it, as ``variable_scope(name, reuse=av.REBUILD)`` does.

        Examples
        --------
        >>> import autograd_vs as av
        >>> with av.VariableStore() as store:
        ...     old = av.get_variable("v", initializer=[1.0])
        ...     store.reset()
        ...     new = av.get_variable("v", initializer=[2.0])
        >>> old.name, old.numpy(), new.name, new.numpy()
        ('v:0', array([1.], dtype=float32), 'v:0', array([2.], dtype=float32))
        """
        wanted = matcher(scope)
        with self.lock:
            if not scope:
                self._clear()
                return
            self.forget(self.variables(scope))
            for name in [name for name in self._plain if wanted(name)]:
                del self._plain[name]
            for template in [t for t in self.templates if wanted(t.variable_scope.name + "/")]:
                del self.templates[template]
            self.opened = {name: n for name, n in self.opened.items() if not (name[:1] == "\0" or wanted(name + "/"))}

    def forget(self, variables) -> None:
        """Forget these variables: their names are free again."""
        with self.lock:
            self.content = object()
            for name in [variable.op.name for variable in variables]:
                del self._variables[name]
                self._readers.pop(name, None)

    @property
    def seed(self) -> int:
        """The seed of the initial values."""
        if self._seed is not None:
            return self._seed
        seed = global_seed()
        if seed is not None:
            return seed
        if self._drawn is None:
            self._drawn = int(np.random.SeedSequence().entropy) & (2**63 - 1)  # type: ignore[arg-type]
        return self._drawn

    # ---------------------------------------------------------------- what is in it
    def __getitem__(self, name: str) -> Variable:
        found = self._variables.get(name.removesuffix(":0"))
        if found is None:
            plain = self._plain.get(name)
            hint = f" (a plain Variable has it, made at {plain.created_at})" if plain is not None else ""
            raise KeyError(f"no variable {name!r} in this store{hint}.{close_names(name, self._variables)}")
        return found

    def __contains__(self, name) -> bool:
        return isinstance(name, str) and name.removesuffix(":0") in self._variables

    def __len__(self) -> int:
        return len(self._variables)

    def __bool__(self) -> bool:
        return True  # an empty store is a store

    def __iter__(self):
        return iter(list(self._variables))

    def variables(self, scope: Any = None) -> list[Variable]:
        """The variables made by `get_variable`, in the order of creation.

        Parameters
        ----------
        scope : str or compiled regular expression, optional
            A name prefix that ends at a "/" (``"a"`` takes in ``a/b/v``, but neither ``ab/v`` nor ``a``), or an
            expression that matches from the beginning of the full name without ":0".

        Returns
        -------
        list of Variable

        Examples
        --------
        >>> import autograd_vs as av
        >>> with av.VariableStore() as store:
        ...     for name in ("a/v", "ab/v"):
        ...         v = av.get_variable(name, ())
        >>> [v.name for v in store.variables("a")]
        ['a/v:0']
        """
        wanted = matcher(scope)
        return [v for name, v in list(self._variables.items()) if wanted(name)]

    def trainable_variables(self, scope: Any = None) -> list[Variable]:
        """As `variables`, without those that are not trainable."""
        return [v for v in self.variables(scope) if v.trainable]

    def regularization_losses(self, scope: Any = None) -> list[Any]:
        """The regularization terms: one per variable with a regularizer, however often it is shared.

        They are evaluated now, on the tape that is open now. `scope` is as in `variables`.

        Returns
        -------
        list of Tensor

        Examples
        --------
        >>> import autograd_vs as av
        >>> with av.VariableStore() as store:
        ...     v = av.get_variable("v", initializer=[3.0], regularizer=lambda v: v * v)
        >>> store.regularization_losses()[0].numpy()
        array([9.], dtype=float32)
        """
        terms = [v.regularizer(v) for v in self.variables(scope) if v.regularizer is not None]
        return [term for term in terms if term is not None]

    @property
    def readers(self) -> dict[str, list[str]]:
        """Who asked `get_variable` for each variable: full name to the name scopes, or else the calling functions.

        A name scope stands for itself if it is not just the scope of the variable; otherwise the functions that led to
        the call, outermost first, each with its line.
        """
        return {name: [*dict.fromkeys(map(_in_words, self._readers.get(name, ())))] for name in self._variables}

    # ---------------------------------------------------------------- looks
    def _rows(self):
        """Those of the table: first the head, then each variable."""
        named = list(self._variables.items())
        rows = [(n, str(v.shape), str(v.dtype), str(v.size), "yes" if v.trainable else "no") for n, v in named]
        return [("name", "shape", "dtype", "size", "trainable"), *rows]

    def __repr__(self):
        n = len(self)
        size = sum(v.size for v in list(self._variables.values()))
        return f"VariableStore(seed={self.seed}): {n} variable{'s' * (n != 1)}, {size} numbers"

    def __str__(self):
        return f"{self!r}\n{as_text(self._rows(), right=(3,))}"

    def _repr_html_(self):
        return as_html(self._rows(), caption=repr(self))

    # ---------------------------------------------------------------- with
    def __enter__(self) -> "VariableStore":
        return context.opened_whole(self._open)

    def _open(self) -> "VariableStore":
        from .scope import VariableScope

        scope, defaults = VariableScope("", ""), context.ScopeDefaults()
        names = context.open_names(None)
        context.scopes.push(context.ScopeFrame(context.scopes.top(), self, scope, defaults, self, {}, names))
        return self

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None:
        context.close_scope(self, quiet=kind is not None)

    # ---------------------------------------------------------------- for get_variable
    def get(self, name: str, spec: VariableSpec, loose: bool = False) -> Variable:
        """The variable of this full name, found or made as ``spec.reuse`` says.

        `loose`: it is asked for under a default name at the root.
        """
        found = self._variables.get(name)
        if found is None:
            context.check_name(name)
            with self.lock:
                found = self._variables.get(name)  # another thread may have made it meanwhile
                if found is None:
                    return self._make(name, spec, loose)
        if spec.reuse is False:
            raise ValueError(self._exists(found))
        _check_fit(found, spec)
        return found

    def _make(self, name, spec, loose) -> Variable:
        plain = self._plain.get(name)
        if plain is not None:
            raise ValueError(
                f"a plain Variable has the name {plain.name!r} already, of shape {plain.shape}, made at "
                f"{plain.created_at}: get_variable never renames. Take another name, or make both with get_variable."
            )
        if spec.reuse is True:
            raise ValueError(
                f"variable {name + ':0'!r} does not exist, and with reuse=True none is made."
                f"{close_names(name, self._variables)} Ask for it once without reuse, or open its scope with "
                "reuse=av.AUTO_REUSE, which makes what is not there."
            )
        value, dtype = self._initial_value(name, spec)
        variable = Variable._named(name, value, spec.trainable, dtype, spec.constraint)
        variable.initializer = spec.initializer if callable(spec.initializer) else None  # an array is not held twice
        variable.regularizer = spec.regularizer
        if loose:
            self._warn_of_default_names(variable)
        self._variables[name] = variable
        return variable

    def _initial_value(self, name, spec):
        """(initial value, its dtype or None if the value's own is kept)."""
        shape, initializer = spec.shape, spec.initializer
        if isinstance(initializer, type):
            initializer = initializer()
        check_initializer("variable", name + ":0", initializer)
        if initializer is not None and not callable(initializer):
            if shape is not None:
                raise ValueError(
                    f"variable {name + ':0'!r}: an initializer that is an array has a shape; leave {shape} out"
                )
            return initializer, spec.dtype
        dtype = as_dtype(spec.dtype)
        if shape is None:
            raise ValueError(
                f"variable {name + ':0'!r} does not exist yet: to make it, give a shape, or an array as initializer"
            )
        if initializer is None:
            initializer = glorot_uniform() if is_differentiable(dtype) else zeros()
        try:
            with drawing(self.seed, name):
                value = initializer(shape, dtype)
            value = value.array if isinstance(value, Operand) else backend.as_array(value)
        except TypeError as error:
            raise TypeError(
                f"variable {name + ':0'!r}: its initializer {initializer!r}, called with the shape {shape} and the "
                f"dtype {dtype}, gave no array: {error}. An initializer is a function (shape, dtype) -> array: one of "
                "av.initializers, or your own, `lambda shape, dtype: np.random.randn(*shape)`."
            ) from error
        returned = f"variable {name + ':0'!r}: its initializer {initializer!r} returned"
        if value.shape != shape:
            raise ValueError(f"{returned} shape {value.shape}, asked was {shape}")
        if not np.can_cast(value.dtype, dtype, "same_kind") and not (value.dtype.kind in "iub" and dtype.kind in "iub"):
            raise TypeError(f"{returned} {value.dtype}, asked was {dtype}")
        return value, dtype

    def _warn_of_default_names(self, variable) -> None:
        if self._warned or not any(v.assigned and v.trainable for v in self._variables.values()):
            return
        self._warned = True
        _warn(
            f"variable {variable.name!r} is made under a default name at the root after training has begun. The root "
            "is never entered anew, so a model function that runs again gets new names and new variables each time. "
            "Call it inside of a named scope (with av.variable_scope('model', reuse=av.AUTO_REUSE)), make it a "
            "template (av.make_template), or build each copy in a store of its own (with av.VariableStore()). A "
            "notebook's cell that builds it anew: with av.variable_scope('model', reuse=av.REBUILD)."
        )

    def _exists(self, found) -> str:
        prefix = found.op.name.rpartition("/")[0]
        return (
            f"variable {found.name!r} exists already: shape {found.shape}, dtype {found.dtype}, made at "
            f"{found.created_at}. To share it, open its scope with av.variable_scope({prefix!r}, reuse=True), or "
            "reuse=av.AUTO_REUSE, which makes what is not there. If a notebook cell was run again, and is to build its "
            f"variables anew: av.variable_scope({prefix!r}, reuse=av.REBUILD), or store.reset() before "
            "(av.current_store().reset()). To have the model a second time, give it a store of its own: `with "
            "av.VariableStore() as store:`."
        )

    def note_reader(self, name: str) -> None:
        """Remember who asks for the variable `name`; see `readers`."""
        frame = active()
        path: Any = frame.mark.path[:-1] if frame is not None and frame.mark is not None else ""
        if path in ("", name.rpartition("/")[0]):
            path = _callers()
        readers = self._readers.get(name)
        if readers is None:
            readers = self._readers.setdefault(name, {})
        readers[path] = None

    # ---------------------------------------------------------------- for plain Variables
    def take_name(self, variable: Variable, name: str) -> str:
        """The full name `name`, or the first free of ``name_1``, ``name_2``, ..., now held by `variable` (weakly)."""
        context.check_name(name)
        with self.lock:
            free, count = name, 0
            while free in self._variables or free in self._plain:
                count += 1
                free = f"{name}_{count}"
            self._plain[free] = variable
            return free


def current_store() -> VariableStore:
    """The store in which names are looked up here: that of the innermost ``with store:``, or the default store.

    Examples
    --------
    >>> import autograd_vs as av
    >>> with av.VariableStore() as store:
    ...     print(av.current_store() is store)
    True
    """
    return context.current().store


def global_variables(scope: Any = None) -> list[Variable]:
    """The variables of the current store, in the order of creation: ``current_store().variables(scope)``.

    Examples
    --------
    >>> import autograd_vs as av
    >>> with av.VariableStore():
    ...     v = av.get_variable("step", (), "int64")
    ...     print([v.name for v in av.global_variables()], av.trainable_variables())
    ['step:0'] []
    """
    return current_store().variables(scope)


def trainable_variables(scope: Any = None) -> list[Variable]:
    """The trainable variables of the current store, in the order of creation.

    Examples
    --------
    >>> import autograd_vs as av
    >>> with av.VariableStore():
    ...     v, w = av.get_variable("v", ()), av.get_variable("w", (), trainable=False)
    ...     print([v.name for v in av.trainable_variables()])
    ['v:0']
    """
    return current_store().trainable_variables(scope)


# ---------------------------------------------------------------- small parts


def matcher(scope):
    """Whether a full name lies in `scope`, as a function; see `VariableStore.variables`."""
    if scope is None or scope == "":
        return lambda name: True
    if isinstance(scope, str):
        prefix = scope.removesuffix("/") + "/"
        return lambda name: name.startswith(prefix)
    if hasattr(scope, "match"):
        return scope.match
    raise TypeError(f"a scope is a name prefix or a compiled regular expression, got {scope!r}")


def check_initializer(kind: str, name: Any, initializer: Any) -> None:
    """TypeError for the name of an initializer in its place."""
    if isinstance(initializer, str):
        from . import initializers

        known = initializers.__all__
        plain = initializer.lower().removesuffix("_initializer")
        close = f" Here: av.initializers.{plain}." if plain in known else close_names(plain, known)
        raise TypeError(
            f"{kind} {name!r}: an initializer is a function (shape, dtype) -> array, one of av.initializers, or an "
            f"array; got the string {initializer!r}.{close}"
        )


def _check_fit(found, spec) -> None:
    for what, asked, has in (("shape", spec.shape, found.shape), ("dtype", spec.dtype, found.dtype)):
        if asked is not None and asked != has:
            raise ValueError(
                f"variable {found.name!r} has {what} {has}, asked was {asked}; created at {found.created_at}"
            )


def _warn(message) -> None:
    import warnings

    depth, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        depth, frame = depth + 1, frame.f_back
    warnings.warn(message, ScopeWarning, stacklevel=depth)


def _callers() -> tuple:
    """The last functions of the user's on the way here, four at most: code, place in it, code, place in it, ..."""
    frame = sys._getframe(2)
    found: list = []
    while frame is not None and len(found) < 8:
        code = frame.f_code
        if not code.co_filename.startswith(_PACKAGE):
            found += (code, frame.f_lasti)
            if code.co_name == "<module>":
                break
        frame = frame.f_back  # type: ignore[assignment]
    return tuple(found)


def _in_words(reader) -> str:
    """A name scope as it is, `_callers` as ``"step:60 > encode:12"``."""
    if isinstance(reader, str):
        return reader
    places = zip(reader[::2], reader[1::2], strict=True)
    names = [f"{code.co_name}:{line_of(code, instruction)}" for code, instruction in places]
    return " > ".join(reversed(names)) or "?"


_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
