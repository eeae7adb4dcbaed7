"""Variable scopes: where full names come from, and what a scope says about the variables made in it. Floor 2.

TensorFlow's semantics (tf.compat.v1), run eagerly. `context.py` holds what is open, `store.py` the variables.
"""

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ..base.backend import has_numbers
from ..base.dtypes import as_dtype
from ..engine.outside import tracing
from ..engine.record import active, frames
from . import context
from .context import ScopeDefaults, ScopeFrame, changed, current, frame_of
from .policy import Policy, cast, split
from .store import VariableSpec, VariableStore, check_initializer
from .variable import Variable, check_arguments

__all__ = [
    "AUTO_REUSE", "REBUILD", "VariableScope", "get_variable", "get_variable_scope", "name_scope", "no_regularizer",
    "variable_scope",
]  # fmt: skip


class _Reuse:
    """What `reuse` may be beside None, False and True."""

    __slots__ = ("_name",)

    def __init__(self, name):
        self._name = name

    def __repr__(self):
        return self._name

    def __reduce__(self):
        return self._name


AUTO_REUSE = _Reuse("AUTO_REUSE")  #: ``reuse=AUTO_REUSE``: `get_variable` returns what is there, and makes what is not.
REBUILD = _Reuse("REBUILD")  #: ``reuse=REBUILD``: the scope begins empty; the store forgets what is in it from before.


def no_regularizer(variable) -> None:
    """As `regularizer`: this variable, or the variables of this scope, have none.

    Examples
    --------
    >>> import autograd_vs as av
    >>> with av.VariableStore() as store, av.variable_scope("a", regularizer=lambda v: v * v):
    ...     w = av.get_variable("w", ())
    ...     b = av.get_variable("b", (), regularizer=av.no_regularizer)
    >>> len(store.regularization_losses())
    1
    """
    return None


class VariableScope:
    """A scope as the user holds it: what ``with variable_scope(...) as scope`` and `get_variable_scope` give.

    While it is open it shows what holds now; when it was left, what held at the end. Given to `variable_scope` it is
    opened again, from anywhere, with what it holds.

    Attributes
    ----------
    name : str
        The full name, the prefix of the variables in it; "" is the root.
    original_name_scope : str
        The name scope of its ops ("foo/"): ``name_scope(scope.original_name_scope)`` goes back there.
    """

    __slots__ = ("_left", "name", "original_name_scope")

    def __init__(self, name: str, original_name_scope: str, defaults: ScopeDefaults | None = None):
        self.name, self.original_name_scope = name, original_name_scope
        self._left = defaults or ScopeDefaults()

    def __repr__(self):
        return f"<VariableScope {self.name!r}, reuse={self.reuse}>"

    @property
    def defaults(self) -> ScopeDefaults:
        """All that it says about variables."""
        frame = frame_of(self)
        return self._left if frame is None else frame.defaults

    def left_with(self, defaults: ScopeDefaults) -> None:
        """It is being left."""
        self._left = defaults

    @property
    def reuse(self) -> Any:
        """False, True or AUTO_REUSE."""
        return self.defaults.reuse

    @property
    def initializer(self) -> Any:
        """For variables that are made without one."""
        return self.defaults.initializer

    @property
    def regularizer(self) -> Callable | None:
        """For variables that are made without one."""
        return self.defaults.regularizer

    @property
    def constraint(self) -> Callable | None:
        """For variables that are made without one."""
        return self.defaults.constraint

    @property
    def dtype(self) -> np.dtype | None:
        """For variables that are made without one; None is the default dtype."""
        return self.defaults.dtype

    @property
    def compute_dtype(self) -> np.dtype | None:
        """What variables are cast to where they are handed out, by a `Policy`; None where they are not."""
        return self.defaults.compute

    @property
    def trainable(self) -> bool | None:
        """For variables where the call does not say."""
        return self.defaults.trainable

    @property
    def custom_getter(self) -> Callable | None:
        """What wraps `get_variable` here, the getters of the scopes around included."""
        return self.defaults.custom_getter

    def reuse_variables(self) -> None:
        """From here to the end of the scope `get_variable` returns existing variables only.

        Examples
        --------
        >>> import autograd_vs as av
        >>> with av.VariableStore(), av.variable_scope("a"):
        ...     v = av.get_variable("v", ())
        ...     av.get_variable_scope().reuse_variables()
        ...     print(av.get_variable("v") is v)
        True
        """
        self._change(reuse=True)

    def set_initializer(self, initializer: Any) -> None:
        """Set the initializer for the rest of the scope."""
        check_initializer("scope", self.name, initializer)
        self._change(initializer=initializer)

    def set_regularizer(self, regularizer: Callable | None) -> None:
        """Set the regularizer for the rest of the scope."""
        check_arguments("scope", self.name, regularizer=regularizer)
        self._change(regularizer=regularizer)

    def set_dtype(self, dtype: Any) -> None:
        """Set the dtype, or the `Policy`, for the rest of the scope."""
        _check_dtype("scope", self.name, dtype)
        of_variables, compute = split(dtype)
        self._change(dtype=of_variables, compute=compute)

    def set_custom_getter(self, custom_getter: Callable | None) -> None:
        """Set the custom getter for the rest of the scope, in the place of all that hold there."""
        self._change(custom_getter=custom_getter)

    def _change(self, **changes) -> None:
        frame = frame_of(self)
        if frame is None:
            self._left = changed(self._left, **changes)
        else:
            context.replaced(frame, defaults=changed(frame.defaults, **changes))


context.bottom = ScopeFrame(None, None, VariableScope("", ""), ScopeDefaults(), VariableStore(), {}, None)


class name_scope:
    """A name scope: the ops and the plain Variables made inside have it in their names; `get_variable` ignores it.

    Parameters
    ----------
    name : str or None
        Goes under the open one ("a" in "b/" is "b/a/"). Ends it with "/", it is absolute and opens that scope again. ""
        and None are the root.

    Returns
    -------
    str
        ``with name_scope("a") as prefix`` gives the prefix, "a/". While a tape records, a name that was opened on it
        before gets a number ("a_1/"); without a tape nothing is counted.

    Raises
    ------
    ValueError
        When it is opened, if the name has a character that names do not have.

    Examples
    --------
    >>> import autograd_vs as av
    >>> with av.VariableStore(), av.name_scope("a"), av.name_scope("b") as prefix:
    ...     v = av.Variable(1.0, name="v")
    ...     print(prefix, v.name, (v + 1.0).name)
    a/b/ a/b/v:0 a/b/add:0
    """

    def __init__(self, name: str | None):
        if name is not None and not isinstance(name, str):
            raise TypeError(f"the name of a scope is a string, got {name!r} ({type(name).__name__})")
        self.name = name
        self._open: list = []

    def __enter__(self) -> str:
        return context.opened_whole(self._enter)

    def _enter(self) -> str:
        frame = context.open_names(self.name)
        self._open.append(frame)
        return frame.mark.prefix

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None:
        frames.leave(self._open.pop(), quiet=kind is not None)


class variable_scope:
    """A variable scope: a prefix for the names of variables, their defaults, and whether they are shared.

    Parameters
    ----------
    name_or_scope : str, VariableScope or None
        A name goes under the open scope, as a directory does; "" is the root. A scope object is opened again with its
        own full name, from wherever; its own reuse and defaults come with it.
    default_name : str, optional
        Taken if there is no name, and numbered within its parent: "blk", "blk_1", ... The count begins again each time
        the parent is entered anew.
    reuse : None, False, True, AUTO_REUSE or REBUILD
        False (the default): `get_variable` makes variables, and a name that exists is an error. True: it returns
        existing ones, and one that does not exist is an error. AUTO_REUSE: it does either. Inherited by the scopes
        inside, which cannot switch it off. REBUILD: the store forgets the variables that are in this scope, and then
        it is as with False: for a notebook's cell that builds a model, and is run again.
    initializer, regularizer, constraint, dtype, trainable : optional
        Defaults for the variables that are made inside, in inner scopes too. As `dtype` also a `Policy`, which keeps
        variables in one dtype and hands them out in another; a dtype in an inner scope switches that off.
    custom_getter : function, optional
        ``custom_getter(getter, name, **request)`` is called in the place of the lookup, with the full name, and calls
        on by ``getter(name, **changes)``; what it leaves out stays as requested. The innermost is called first.
    auxiliary_name_scope : bool, default True
        Open a name scope of the same name for ops as well (never for a scope object).

    Raises
    ------
    TypeError
        If there is neither a name nor a default name, if an argument is of the wrong kind, or for the arguments of
        TensorFlow that have no meaning here.
    ValueError
        If `reuse` is another value, or the name has a character that names do not have; when it is opened, if REBUILD
        is inside of a scope that reuses.
    RuntimeError
        When it is opened with REBUILD while a tape records or a function is traced: a training step would begin
        with new variables each time.

    Notes
    -----
    Scopes belong to a thread or async task. They must be closed in the reverse order of opening, or RuntimeError is
    raised: a generator suspended inside a scope breaks this, a function under `contextlib.contextmanager` does not.

    Examples
    --------
    >>> import autograd_vs as av
    >>> with av.VariableStore():
    ...     with av.variable_scope("a"):
    ...         v = av.get_variable("v", (2,))
    ...     with av.variable_scope("a", reuse=True):
    ...         print(av.get_variable("v") is v, v.name)
    ...     with av.variable_scope("a", reuse=av.REBUILD):
    ...         print(av.get_variable("v", (3,)) is v, v.name)
    True a/v:0
    False a/v:0
    """

    def __init__(
        self,
        name_or_scope: "str | VariableScope | None",
        default_name: str | None = None,
        *,
        reuse: Any = None,
        initializer: Any = None,
        regularizer: Callable | None = None,
        constraint: Callable | None = None,
        custom_getter: Callable | None = None,
        dtype: Any = None,
        trainable: bool | None = None,
        auxiliary_name_scope: bool = True,
        **dead: Any,
    ):
        _refuse_dead("variable_scope", dead)
        if name_or_scope is None and default_name is None:
            raise TypeError("variable_scope needs a name, a scope object or a default_name")
        if name_or_scope is not None and not isinstance(name_or_scope, (str, VariableScope)):
            raise TypeError(
                "variable_scope takes a name, or the object that `with variable_scope(...) as scope` gives; "
                f"got {name_or_scope!r}"
            )
        if not any(reuse is value for value in (None, False, True, AUTO_REUSE, REBUILD)):
            raise ValueError(f"reuse must be None, False, True, AUTO_REUSE or REBUILD, got {reuse!r}")
        shown = default_name if name_or_scope is None else getattr(name_or_scope, "name", name_or_scope)
        if default_name is not None and not isinstance(default_name, str):
            context.check_name(default_name, "scope")
        check_initializer("scope", shown, initializer)
        check_arguments("scope", shown, trainable, constraint, regularizer)
        _check_dtype("scope", shown, dtype)
        if custom_getter is not None and not callable(custom_getter):
            raise TypeError(f"scope {shown!r}: a custom getter is a function, got {custom_getter!r}")
        if isinstance(name_or_scope, str):
            name_or_scope = name_or_scope.removesuffix("/")
        self._name_or_scope, self._default_name, self._opens_names = name_or_scope, default_name, auxiliary_name_scope
        of_variables, compute = split(dtype)
        self._given = ScopeDefaults(
            reuse, initializer, regularizer, constraint, of_variables, trainable, custom_getter, compute
        )

    def __enter__(self) -> VariableScope:
        return context.opened_whole(self._open)

    def _open(self) -> VariableScope:
        parent = current()
        target = self._name_or_scope
        if isinstance(target, VariableScope):
            self._forget(target.name, target.reuse)
            scope = VariableScope(target.name, target.original_name_scope, target.defaults)
            self._push(parent, scope, context.same_names(), loose=False)
            return scope
        if target is not None:  # a default name is a new one
            self._forget(context.join(parent.scope.name, target) if target else "", parent.defaults.reuse)
        loose = parent.loose or (target is None and parent.scope.name == "")
        name = self._count(parent, target)
        full_name = context.check_name(context.join(parent.scope.name, name), "scope") if name else ""
        names = context.open_names(name) if name and self._opens_names else context.same_names()
        scope = VariableScope(full_name, names.mark.prefix if names.mark else "", parent.defaults)
        self._push(current(), scope, names, loose)
        return scope

    def _forget(self, full_name, around) -> None:
        """With REBUILD the store forgets what is in the scope."""
        if self._given.reuse is not REBUILD:
            return
        if around:
            raise ValueError(
                f"variable_scope({full_name!r}, reuse=REBUILD) inside of a scope with reuse={around!r}: that one "
                "shares the variables which this one would forget. Rebuild outside of it, or share here, too."
            )
        frame = active()
        if tracing() is not None or (frame is not None and frame.record is not None):
            raise RuntimeError(
                f"variable_scope({full_name!r}, reuse=REBUILD) while a tape records or a function is traced: each "
                "training step would begin with new variables. Build the model before, and take reuse=True or "
                "reuse=av.AUTO_REUSE here."
            )
        current().store.reset(full_name)

    def _count(self, parent, name) -> str:
        """Count this opening in the parent; returns the name, which a default name gets only now."""
        if context.counts_at_store(parent):
            with parent.store.lock:
                return context.opened_once_more(parent.store.opened, name, self._default_name)
        opened = dict(parent.opened)
        name = context.opened_once_more(opened, name, self._default_name)
        context.replaced(parent, opened=opened)
        return name

    def _push(self, parent, scope, names, loose) -> None:
        inherited, given = scope.defaults, self._given
        rows = zip(given._fields, inherited, given, strict=True)
        merged = {key: old if new is None else new for key, old, new in rows}
        # False switches nothing off.
        merged["reuse"] = False if given.reuse is REBUILD else given.reuse or inherited.reuse
        merged["compute"] = inherited.compute if given.dtype is None else given.compute
        if given.custom_getter is not None and inherited.custom_getter is not None:
            merged["custom_getter"] = _around(given.custom_getter, inherited.custom_getter)
        defaults = ScopeDefaults(**merged)
        scope.left_with(defaults)
        context.scopes.push(ScopeFrame(context.scopes.top(), self, scope, defaults, parent.store, {}, names, loose))

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None:
        context.close_scope(self, quiet=kind is not None)


def get_variable_scope() -> VariableScope:
    """The scope that is open here.

    Examples
    --------
    >>> import autograd_vs as av
    >>> with av.variable_scope("a"), av.variable_scope("b"):
    ...     av.get_variable_scope().name
    'a/b'
    """
    return current().scope


def get_variable(
    name: str,
    shape: Any = None,
    dtype: Any = None,
    initializer: Any = None,
    *,
    regularizer: Callable | None = None,
    constraint: Callable | None = None,
    trainable: bool | None = None,
    **dead: Any,
) -> Variable:
    """The variable `name` of the open scope: made, or the existing one, as the scope's `reuse` says.

    Parameters
    ----------
    name : str
        Under the open scope: "v" in the scope "a" is "a/v:0". "a/v" at the root is the same variable.
    shape : int or sequence of int, optional
        Needed to make a variable, unless the initializer is an array; on reuse it must fit if it is given.
    dtype : dtype, optional
        The scope's, else float32 (`set_default_dtype`), else that of an initial array. On reuse it must fit if given.
    initializer : function ``(shape, dtype) -> array``, one of `av.initializers`, or array_like, optional
        The scope's, else glorot_uniform for floats and zeros for integers and bool.
    regularizer : function, optional
        ``regularizer(variable)`` is a term of ``store.regularization_losses()``, once however often it is shared.
    constraint : function, optional
        ``constraint(variable)`` is its new value after each update by an optimizer.
    trainable : bool, optional
        The scope's, else True for floats and False for integers and bool.

    Returns
    -------
    Variable
        Always the same object for the same name. (What a custom getter returns, where there is one. Where the scope's
        dtype is a `Policy`, a Tensor that is the variable in its compute dtype; the Variable itself if `dtype` or
        ``trainable=False`` is given here.)

    Raises
    ------
    ValueError
        If it exists and the scope does not reuse, or the other way round; if the shape or dtype does not fit; if there
        is no shape to make it; if the name is not allowed, or a plain Variable has it.
    TypeError
        If an argument is of the wrong kind, or the initializer gives no array; for the arguments of TensorFlow that
        have no meaning here.

    Examples
    --------
    >>> import autograd_vs as av
    >>> def dense(x, units):
    ...     w = av.get_variable("kernel", (x.shape[-1], units))
    ...     return x @ w
    >>> x = av.Tensor(np.ones((5, 3), "float32"))
    >>> with av.VariableStore() as store:
    ...     with av.variable_scope("layer"):
    ...         y = dense(x, 2)
    ...     with av.variable_scope("layer", reuse=True):
    ...         z = dense(2 * x, 2)
    >>> [v.name for v in store.variables()], bool(np.allclose(2 * y.numpy(), z.numpy()))
    (['layer/kernel:0'], True)
    """
    if dead:
        _refuse_dead("get_variable", dead)
    frame = current()
    given = frame.defaults
    if name.__class__ is not str or not name:
        context.check_name(name)
    full_name = context.join(frame.scope.name, name)
    if trainable is not None or constraint is not None or regularizer is not None:
        check_arguments("variable", full_name + ":0", trainable, constraint, regularizer)
    if dtype is not None:
        _check_dtype("variable", full_name + ":0", dtype)
    if regularizer is None:
        regularizer = given.regularizer
    spec = VariableSpec(
        None if shape is None else _shape(shape, full_name),
        given.dtype if dtype is None else as_dtype(dtype),
        given.initializer if initializer is None else initializer,
        None if regularizer is no_regularizer else regularizer,
        given.reuse,
        given.trainable if trainable is None else bool(trainable),
        given.constraint if constraint is None else constraint,
    )
    compute = given.compute if dtype is None and trainable is not False else None
    if given.custom_getter is None:
        variable = frame.store.get(full_name, spec, frame.loose)
        frame.store.note_reader(full_name)
        return variable if compute is None else cast(variable, compute)

    def lookup(name, **request):
        spec = VariableSpec(**request)
        check_arguments("variable", name + ":0", spec.trainable, spec.constraint, spec.regularizer)
        if spec.shape is not None:
            spec = changed(spec, shape=_shape(spec.shape, name))
        found = frame.store.get(name, spec, frame.loose)
        frame.store.note_reader(name)
        return found

    request = spec._asdict()
    found = given.custom_getter(_onward(lookup, full_name, request), name=full_name, **request)
    return found if compute is None else cast(found, compute)


# ---------------------------------------------------------------- small parts


def _onward(lookup, name, request):
    """The `getter` that a custom getter is given: `lookup` with what it leaves out filled in from the request."""

    def getter(name=name, *args, **changes):
        changes.update(zip(VariableSpec._fields, args, strict=False))
        return lookup(name, **{**request, **changes})

    return getter


def _around(inner, outer):
    """The custom getter `inner`, which calls on to that of the scope around it."""

    def both(getter, name, **request):
        def lookup(name, **changed):
            return outer(_onward(getter, name, changed), name=name, **changed)

        return inner(_onward(lookup, name, request), name=name, **request)

    return both


def _shape(shape, name) -> tuple[int, ...]:
    variable = f"variable {name + ':0'!r}"
    try:
        shape = tuple([operator.index(n) for n in (shape if hasattr(shape, "__len__") else (shape,))])
    except TypeError:
        raise ValueError(f"{variable}: a shape is an integer or a sequence of integers, got {shape!r}") from None
    if any(n < 0 for n in shape):
        raise ValueError(f"{variable}: a shape has no negative numbers, got {shape}")
    return shape


def _check_dtype(kind, name, dtype) -> None:
    if dtype is None or (kind == "scope" and isinstance(dtype, Policy)):
        return
    try:
        fits = has_numbers(as_dtype(dtype))  # a class that is no dtype, of an initializer say, is NumPy's "object"
    except TypeError:
        fits = False
    if not fits:
        hint = ""
        if callable(dtype) and dtype is not object:
            hint = f" As initializer it goes by name: initializer={getattr(dtype, '__name__', repr(dtype))}."
        raise TypeError(f"{kind} {name!r}: the dtype is one of numbers, such as 'float32'; got {dtype!r}.{hint}")


_DEAD = {
    "collections": "list variables with store.variables(scope) or av.trainable_variables(scope)",
    "use_resource": "every Variable is one buffer that is updated in place",
    "partitioner": "variables are not split",
    "values": "eager code needs no graph of its inputs",
    "caching_device": "variables are not cached on another device",
    "validate_shape": "the shape is always checked",
    "aggregation": "gradients of copies are combined by the training step",
    "synchronization": "gradients of copies are combined by the training step",
}


def _refuse_dead(function, dead) -> None:
    for key in dead:
        if key in _DEAD:
            raise TypeError(f"{function} has no argument {key!r} of TensorFlow's: {_DEAD[key]}. Leave it out.")
        raise TypeError(f"{function}() got an unexpected keyword argument {key!r}")
