"""make_template: a function that makes its variables at the first call and shares them ever after. Floor 2."""

from collections.abc import Callable
from typing import Any

from .context import check_name, current
from .scope import AUTO_REUSE, VariableScope, variable_scope
from .variable import Variable

__all__ = ["Template", "make_template"]


class Template:
    """A function with a variable scope of its own. Made by `make_template`."""

    def __init__(self, name: str, function: Callable, unique_name: str | None, arguments: dict):
        self._name, self._unique_name = name, unique_name
        self._function, self._arguments = function, arguments
        self._scope: VariableScope | None = None
        self.__name__ = self.__qualname__ = name
        self.__doc__ = function.__doc__

    def __repr__(self):
        return f"<Template {self._name if self._scope is None else self._scope.name!r}>"

    @property
    def variable_scope(self) -> VariableScope:
        """Its scope; made where this is asked for the first time."""
        if self._scope is None:
            with variable_scope(self._unique_name, self._name) as scope:
                pass
            self._scope = scope
        return self._scope

    @property
    def variables(self) -> list[Variable]:
        """Its variables in the current store."""
        return current().store.variables(self.variable_scope.name)

    @property
    def trainable_variables(self) -> list[Variable]:
        """Those of its variables that are trainable."""
        return current().store.trainable_variables(self.variable_scope.name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function in the scope of the template."""
        made = current().store.templates
        reuse = made.get(self)  # None at the first call in this store, AUTO_REUSE until one call came to its end
        with variable_scope(self.variable_scope, reuse=reuse):
            if reuse is None:
                made[self] = AUTO_REUSE
            result = self._function(*args, **{**self._arguments, **kwargs})
        made[self] = True
        return result


def make_template(
    name_: str, func_: Callable, create_scope_now_: bool = False, unique_name_: str | None = None, **kwargs: Any
) -> Template:
    """Wrap a function so that all its calls share the variables which the first call makes.

    Parameters
    ----------
    name_ : str
        The name of its scope, under the scope that is open at the first call; made unique there ("net", "net_1").
    func_ : function
        Calls `get_variable`, itself or through others.
    create_scope_now_ : bool, default False
        Take the scope that is open now, not at the first call.
    unique_name_ : str, optional
        The name as it is, with no number; if two templates share it, the second to make a variable fails.
    **kwargs
        Arguments of the function that are the same in each call.

    Returns
    -------
    Template
        Call it as you would call the function. It has `variable_scope`, `variables` and `trainable_variables`.

    Raises
    ------
    TypeError
        If `name_` is no string, or `func_` no function.
    ValueError
        If a later call asks for a variable that the first one did not make.

    Notes
    -----
    In another store, or after ``store.reset()``, the next call makes the variables there. If the first call fails, the
    next one goes on with what it had made.

    Examples
    --------
    >>> import autograd_vs as av
    >>> with av.VariableStore() as store:
    ...     scale = av.make_template("scale", lambda x: x * av.get_variable("factor", initializer=3.0))
    ...     y, z = scale(1.0), scale(2.0)
    >>> [v.name for v in store.variables()], y.item(), z.item()
    (['scale/factor:0'], 3.0, 6.0)
    """
    check_name(name_, "template")
    if not callable(func_):
        raise TypeError(f"template {name_!r}: make_template takes a name and a function, got {func_!r}")
    template = Template(name_, func_, unique_name_, kwargs)
    if create_scope_now_:
        template.variable_scope  # noqa: B018
    return template
