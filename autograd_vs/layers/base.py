"""Layer: what a layer is, and where its variables are; the functional form of layers. Floor 3.

A layer has a variable scope, as a template has: it is taken where the layer is first called, under the scope that is
open there, and opened again at each call. Its variables come from `get_variable`, so names, sharing and defaults are
those of scopes; then the layer holds them itself.
"""

import inspect
import re
from _thread import RLock  # `threading` itself costs import time
from collections.abc import Callable
from functools import cache
from typing import Any

from .. import nn
from .._migration import ON_LAYERS, Absent
from ..base.backend import is_array
from ..base.dtypes import is_differentiable
from ..base.errors import close_names
from ..base.nest import flatten, map_nest
from ..engine.protocol import Operand
from ..engine.tensor import Tensor, asarray
from ..state.context import ScopeAgain, check_name, current, join, replaced
from ..state.policy import cast
from ..state.scope import AUTO_REUSE, VariableScope, get_variable, name_scope, variable_scope
from ..state.variable import Variable, check_arguments

__all__ = ["Layer", "activation_of", "functional"]

_making = RLock()  # one for all: a layer makes those it holds, and may be called from several threads


class Layer:
    """A function of arrays with variables of its own, which all its calls share.

    A layer of your own has `build`, which makes the variables, and `call`, which computes; either may be left out.
    Layers that it holds in attributes, lists, tuples or dicts belong to it.

    Parameters
    ----------
    name : str, optional
        The name of its scope, as it is: two layers of one name in one scope share if the scope reuses, and are an error
        if it does not. By default that of the class (`dense`), made unique where it is first called (`dense_1`).
    trainable : bool, default True
        With False all variables in it, and in the layers it holds, are frozen.
    dtype : dtype or Policy, optional
        Of its variables; by default the scope's. Where that is a `Policy`, the layer casts its variables and the first
        argument of a call to the compute dtype. With a dtype here it does not.

    Raises
    ------
    TypeError, ValueError
        If the name is none, or another argument is of the wrong kind.

    Notes
    -----
    The scope is taken at the first call, under the one that is open there, as that of `make_template`; layers that it
    holds take theirs right then, in the order of the attributes, so their names do not depend on which is called first.
    Reuse, initializer, dtype and store are those of that place: wherever the layer is called later, it has the same
    variables. An exception in a call gets a note that names the layer.

    A `build` that fails leaves the layer as it was, without variables: the next call runs it again. Layers that come
    into a layer after its first call have no place there; make a new layer that holds the old ones and the new one.

    Copies by `copy.deepcopy` and pickles have variables of their own with the same values, and take a scope anew, with
    a number if the name is taken. What `call` gets by `get_variable` stays in the store, and is not in them.

    Examples
    --------
    >>> class Scale(av.layers.Layer):
    ...     def build(self, shape):
    ...         self.factor = self.add_weight("factor", shape[-1:], initializer=av.initializers.ones())
    ...
    ...     def call(self, x):
    ...         return x * self.factor
    >>> class Net(av.layers.Layer):
    ...     def __init__(self):
    ...         self.steps = [Scale(), av.layers.Dense(2), av.layers.Dense(1)]
    ...
    ...     def call(self, x):
    ...         for step in self.steps:
    ...             x = step(x)
    ...         return x
    >>> with av.VariableStore():
    ...     net = Net()
    ...     y, z = net(np.ones((4, 3))), net(np.zeros((4, 3)))
    >>> [v.name for v in net.weights][:3]
    ['net/scale/factor:0', 'net/dense/kernel:0', 'net/dense/bias:0']
    >>> net.steps[1].trainable = False
    >>> [v.name for v in net.trainable_weights]
    ['net/scale/factor:0', 'net/dense_1/kernel:0', 'net/dense_1/bias:0']
    """

    _given_name: str | None
    _dtype: Any
    _trainable: bool
    _built: bool
    _passing: bool  # lives for one call: the functional form
    _place: ScopeAgain | None
    _own: dict[str, Variable]
    _frozen: list[Variable]

    def __new__(cls, *args: Any, **kwargs: Any) -> "Layer":
        """Make what each layer has; so a class that does not call ``super().__init__`` works, too."""
        layer = super().__new__(cls)
        layer._given_name = layer._dtype = layer._place = None
        layer._trainable, layer._built, layer._passing = True, False, False
        layer._own, layer._frozen = {}, []
        return layer

    def __init__(self, *, name: str | None = None, trainable: bool = True, dtype: Any = None, **unknown: Any):
        if unknown:
            option, known = next(iter(unknown)), [*options_of(type(self).__init__, 1), "name", "trainable", "dtype"]
            raise TypeError(f"{type(self).__name__} has no option {option!r}.{close_names(option, known)}")
        if name is not None:
            check_name(name, "layer")
        check_arguments("layer", name or type(self).__name__, trainable)
        self._given_name, self._trainable, self._dtype = name, bool(trainable), dtype

    # ---------------------------------------------------------------- to be written by a layer
    def build(self, shape: Any) -> None:
        """Make the variables, at the first call: `shape` is that of its first argument (a nest has a nest of them)."""

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Compute: what a call of the layer returns."""
        named = ": rename `forward`" if hasattr(self, "forward") else ""
        raise NotImplementedError(
            f"{type(self).__name__} has no method `call`, which computes what the layer returns{named}"
        )

    def takes(self, option: str) -> bool:
        """Say whether `call` has this option: what `Sequential` asks before it hands it on."""
        return option in options_of(type(self).call)

    def add_weight(
        self,
        name: str,
        shape: Any = None,
        dtype: Any = None,
        initializer: Any = None,
        *,
        regularizer: Callable | None = None,
        constraint: Callable | None = None,
        trainable: bool = True,
    ) -> Any:
        """The variable `name` of this layer: `get_variable` in the layer's scope. For `build`, and ``__init__``.

        Parameters
        ----------
        name, shape, dtype, initializer, regularizer, constraint
            As in `get_variable`; what is left out is the scope's.
        trainable : bool, default True
            With False it stays out of training, whatever the layer's `trainable` is.

        Returns
        -------
        Variable

        Raises
        ------
        ValueError, TypeError
            As `get_variable` raises; TypeError if a custom getter gives something else than a Variable, which would be
            of the first call only. (The functional forms ask at each call, and take it.)
        """
        place = self._settled()
        with place:
            if dtype is None:
                dtype = current().defaults.dtype  # asked for by name: the Variable itself, not its cast
            known = join(place.scope.name, name) in place.store
            thaws = trainable and not known and current().defaults.trainable is not False
            found = get_variable(
                name, shape, dtype, initializer,
                regularizer=regularizer, constraint=constraint,
                trainable=None if trainable and self._trainable else False,
            )  # fmt: skip
        if isinstance(found, Variable):
            self._own[name] = found
            if not self._trainable:
                self._freeze([found])  # one that was there already
                if thaws and is_differentiable(found.dtype):
                    self._frozen.append(found)
        elif not self._passing:
            raise TypeError(
                f"layer {self.name!r}: the custom getter of the scope gives a {type(found).__name__} for {name!r}, and "
                f"a layer holds Variables. Take the functional form, av.layers.{default_name(type(self))}, or "
                "get_variable in `call`: both ask the getter at each call"
            )
        return found

    def cast(self, x: Any) -> Any:
        """In the dtype in which the layer computes, if a `Policy` says one: for the variables that `call` uses.

        Parameters
        ----------
        x : array, Tensor, Variable or anything else
            What is no array of floats comes back as it is.

        Examples
        --------
        >>> class Scale(av.layers.Layer):
        ...     def build(self, shape):
        ...         self.factor = self.add_weight("factor", shape[-1:])
        ...
        ...     def call(self, x):
        ...         return x * self.cast(self.factor)
        >>> with av.VariableStore(), av.variable_scope("net", dtype=av.Policy("float16")):
        ...     scale = Scale()
        ...     y = scale(np.ones((4, 3)))
        >>> y.dtype, scale.factor.dtype
        (dtype('float16'), dtype('float32'))
        """
        compute = None if self._place is None else self._place.compute
        return cast(x, compute) if compute is not None and (isinstance(x, Operand) or is_array(x)) else x

    # ---------------------------------------------------------------- a call
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Compute, in the scope of the layer; the first call takes the scope and makes the variables."""
        place = self._settled()
        try:
            with place, name_scope(self.name):
                if self._built:
                    for variable in self._own.values():
                        place.store.note_reader(variable.op.name)
                else:
                    self.ensure_built(shapes_of(args[0]) if args else None)
                if place.reuse is not True:
                    place.reuse = AUTO_REUSE  # until a call came to its end
                if place.compute is not None and args:
                    args = (map_nest(self.cast, args[0]), *args[1:])
                result = self.call(*args, **kwargs)
        except Exception as error:
            self._note(error, args)
            raise
        if place.reuse is not True:
            place.reuse = True
            if not self._trainable:
                self.trainable = False  # what this call made in other ways
        return result

    def ensure_built(self, shape: Any) -> None:
        """Make the variables for a first argument of this shape, if they are not made yet."""
        with _making:
            if not self._built:
                place = self._settled()
                n, before = len(place.store), {**vars(self), "_own": dict(self._own), "_frozen": list(self._frozen)}
                held = self.layers
                try:
                    with place:
                        self.build(shape)
                except BaseException as error:
                    if place.reuse is True and not self._passing:
                        error.add_note(
                            "Does the layer come into another one after the first call of that one? It has no place "
                            "there: make a new layer that holds the old ones and this one"
                        )
                    self._undo_build(before, list(place.store)[n:])
                    raise
                if self._passing:
                    self._pass(held)
                self._built = True

    def _pass(self, held: "list[Layer]") -> None:
        """Live for one call, as the layers that it made do: all but those of `held`, which it was given."""
        self._passing = True
        for layer in self.layers:
            if not any([layer is other for other in held]):
                layer._pass(held)

    def _undo_build(self, before, made) -> None:
        """Bring back the attributes, and take its own of the names `made` out of the store."""
        self._settled().store.forget([v for v in self._own.values() if v.op.name in made])
        for name in vars(self).keys() - before.keys():
            del vars(self)[name]
        vars(self).update(before)

    def _settled(self) -> ScopeAgain:
        """The place of the layer, taken here if it has none."""
        if self._place is None:
            with _making:
                if self._place is None:
                    self._settle()
        assert self._place is not None
        return self._place

    def _settle(self) -> None:
        around = current()
        name, default = self._given_name, default_name(type(self))
        if self._built:  # a copy: it has its variables, and shares none by its name
            name, default = None, name or default
        with variable_scope(name, default, dtype=self._dtype, auxiliary_name_scope=False):
            if not self._passing:  # a layer that lives on keeps its name
                replaced(current(), loose=around.loose)
            self._place = ScopeAgain(current().defaults.reuse)
            for layer in self.layers:
                if not self._trainable:
                    layer.trainable = False
                if layer._place is None:
                    layer._settle()
            self._place = ScopeAgain(current().defaults.reuse)  # with their names counted

    def __dir__(self) -> list[str]:
        """What there is: not the names that only say what to write here instead."""
        return [name for name in object.__dir__(self) if name not in ON_LAYERS or hasattr(self, name)]

    def _note(self, error, args) -> None:
        """Say in an exception which layer it comes from: the innermost one."""
        if not any([note.startswith("in layer ") for note in getattr(error, "__notes__", ())]):
            given = ", ".join([str(shapes_of(a)) for a in args])
            has = ", ".join([f"{name} {v.shape}" for name, v in self._own.items()])
            error.add_note(
                f"in layer {self.variable_scope.name!r} ({type(self).__name__}), called with shapes {given or 'none'}"
                + (f"; it has {has}" if has else "")
            )

    # ---------------------------------------------------------------- what it has
    @property
    def name(self) -> str:
        """The last part of the name of its scope; before the first call what it was given, or the name of the class."""
        if self._place is not None:
            return self._place.scope.name.rpartition("/")[2]
        return self._given_name or default_name(type(self))

    @property
    def variable_scope(self) -> VariableScope:
        """Its scope; taken where this is asked for the first time."""
        return self._settled().scope

    @property
    def built(self) -> bool:
        """Whether its variables are made."""
        return self._built

    @property
    def layers(self) -> "list[Layer]":
        """The layers that it holds in attributes, lists, tuples and dicts, each once, in this order."""
        return list({id(layer): layer for layer in _held(self, Layer)}.values())

    def tree(self) -> "list[Layer]":
        """The layer itself and all below it, each once; those that hold others come first."""
        found: dict[int, Layer] = {}

        def visit(layer):
            if id(layer) not in found:
                found[id(layer)] = layer
                for inner in layer.layers:
                    visit(inner)

        visit(self)
        return list(found.values())

    @property
    def own_weights(self) -> list[Variable]:
        """Its own variables: of `add_weight`, and those it holds in attributes, lists, tuples and dicts."""
        return list({id(v): v for v in [*self._own.values(), *_held(self, Variable)]}.values())

    @property
    def weights(self) -> list[Variable]:
        """All variables of this layer and those below it, each once; last what `call` got by `get_variable`."""
        found = [v for layer in self.tree() for v in layer.own_weights]
        if self._place is not None:
            names = {v.op.name for v in found}  # one of another model is there if the scope was built anew
            found += [v for v in self._place.store.variables(self._place.scope.name) if v.op.name not in names]
        return list({id(v): v for v in found}.values())

    @property
    def trainable_weights(self) -> list[Variable]:
        """Those of its `weights` that are trainable: what to differentiate by, and to hand to an optimizer."""
        return [v for v in self.weights if v.trainable]

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """Those of its `weights` that are not trainable: frozen ones, and running statistics."""
        return [v for v in self.weights if not v.trainable]

    variables = weights
    trainable_variables = trainable_weights

    @property
    def trainable(self) -> bool:
        """False freezes the layer and all below it; True thaws all, but what was made with ``trainable=False``."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        check_arguments("layer", self.name, value)
        for layer in self.tree():
            layer._trainable = bool(value)
            if value:
                for variable in layer._frozen:
                    variable.trainable = True
                layer._frozen = []
        if not value:
            for layer in self.tree():
                layer._freeze(layer.own_weights)
            self._freeze(self.weights)

    def _freeze(self, variables) -> None:
        for variable in variables:
            if variable.trainable:
                variable.trainable = False
                self._frozen.append(variable)

    # ---------------------------------------------------------------- looks, copies, pickles
    def __repr__(self):
        where = self.name if self._place is None else self._place.scope.name
        return f"<{type(self).__name__} {where!r}{'' if self._built else ', not built'}>"

    def __getstate__(self):
        return {**vars(self), "_place": None, "_own": dict(self._own), "_frozen": list(self._frozen)}


_INTERNAL = ("_own", "_frozen")


for _name, _text in ON_LAYERS.items():
    setattr(Layer, _name, Absent(_name, _text))


def _held(layer, kind) -> list[Any]:
    """What of a kind lies in the attributes of a layer."""
    return _inside({name: value for name, value in vars(layer).items() if name not in _INTERNAL}, kind)


def _inside(nest, kind) -> list[Any]:
    """What of a kind lies in dicts, lists and tuples."""
    return [leaf for leaf in flatten(nest) if isinstance(leaf, kind)]


def shapes_of(x: Any) -> Any:
    """The shape of an array; of a nest with arrays in it the nest of their shapes; () for what has none."""
    if hasattr(x, "shape"):
        return tuple(x.shape)
    if isinstance(x, dict):
        return {key: shapes_of(part) for key, part in x.items()}
    if isinstance(x, (list, tuple)):
        if any([hasattr(leaf, "shape") for leaf in flatten(x)]):
            return tuple([shapes_of(part) for part in x])
        return asarray(x).shape
    return ()


def check_input(layer: Layer, shape: Any, form: str) -> None:
    """ValueError if the first argument of a layer, of this shape, is no array of such a `form`: "(..., inputs)"."""
    least = len([part for part in form.strip("()").split(", ") if part != "..."])
    if not isinstance(shape, tuple) or len(shape) < least or not all([isinstance(n, int) for n in shape]):
        got = "nothing" if shape is None else f"shape {shape}"
        raise ValueError(f"{type(layer).__name__} takes as its first argument an array of shape {form}, got {got}")


def check_training(layer: Layer, training: Any) -> None:
    """TypeError if a layer that is another one while training is not told."""
    if training is None:
        raise TypeError(f"{type(layer).__name__} needs training=True or training=False")


def check_options(layer: Layer, function: Callable, options: Any) -> None:
    """TypeError for options that `function`, which the layer will call, has not."""
    known = options_of(function, 1)
    for option in options:
        if option not in known:
            raise TypeError(f"{type(layer).__name__} has no option {option!r}.{close_names(option, known)}")


def default_name(cls: Any) -> str:
    """The name of a class as that of a scope: "dense", "lstm_cell", "conv2d_transpose"."""
    name = re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", cls.__name__.strip("_"))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower() or "layer"


@cache
def options_of(function: Any, first: int = 2) -> frozenset[str]:
    """What a function takes by name behind its `first` arguments; those of the `call` of a class are self and x."""
    parameters = list(inspect.signature(function).parameters.values())[first:]
    return frozenset(p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY))


def functional(cls: type[Layer], name: str | None = None) -> Callable[..., Any]:
    """The functional form of a class of layers: its variables are shared by name, as in any function of `get_variable`.

    Parameters
    ----------
    cls : class of layers
    name : str, optional
        Of the function; by default that of the class (`dense` for Dense).

    Returns
    -------
    function
        ``f(x, ..., name=None)``: `x` is the argument of the layer; what `call` takes by name goes there
        (``training=``, ``state=``), all else to the class. With a name its variables are in the scope of that name, and
        ``variable_scope(..., reuse=...)`` says whether they are shared; without one they get a default name.

    Examples
    --------
    >>> x = np.ones((5, 3))
    >>> with av.VariableStore() as store:
    ...     for reuse in (False, True):
    ...         with av.variable_scope("model", reuse=reuse):
    ...             y = av.layers.dense(x, 64, activation="relu", name="fc")
    ...             z = av.layers.dense(y, 1)
    >>> [v.name for v in store.variables()]
    ['model/fc/kernel:0', 'model/fc/bias:0', 'model/dense/kernel:0', 'model/dense/bias:0']
    """

    def function(x: Any, *args: Any, **options: Any) -> Any:
        of_call = {key: options.pop(key) for key in list(options) if key in options_of(cls.call)}
        layer = cls(*args, **options)
        layer._pass(_inside((args, options), Layer))
        return layer(x, **of_call)

    label = default_name(cls) if name is None else name
    function.__name__ = function.__qualname__ = label
    function.__module__ = cls.__module__
    function.__doc__ = f"`{cls.__name__}` as a function of `x`, whose variables are shared by name; see `functional`."
    return function


def _same(x):
    return x


def activation_of(activation: Any, layer: Any) -> Callable[[Any], Tensor]:
    """The function of an activation given as a function, by its name in `av.nn`, or None for none."""
    if activation is None or (callable(activation) and not isinstance(activation, type)):
        return activation or _same
    name = activation if isinstance(activation, str) else ""
    if isinstance(activation, int):  # Linear(4, 3)
        why = " The number of inputs is not said: it is that of the first call."
    elif name not in nn.__all__:
        why = close_names(name, nn.__all__)
    else:
        found = getattr(nn, name)
        if all([p.default is not p.empty for p in list(inspect.signature(found).parameters.values())[1:]]):
            return found
        why = f" For none write None: av.nn.{name} takes more than one array."
    raise ValueError(
        f"{type(layer).__name__}: an activation is a function of one array, or its name in av.nn ('relu'), got "
        f"{activation!r}.{why}"
    )
