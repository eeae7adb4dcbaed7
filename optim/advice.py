"""What other libraries' users write and what to write here instead: the words of the errors."""

import inspect
from collections.abc import Iterable
from typing import Any, NoReturn

import autograd_vs as av

__all__ = ["ON_OPTIMIZERS", "Absent", "Elsewhere", "missing_name", "unknown_arguments", "what_is_no_number"]

_PASSED = "variables go into apply_gradients([(gradient, variable), ...]) or minimize(loss_fn, variables)"
_ARGUMENTS = {  # of other libraries' optimizers
    "lr": "write learning_rate",
    "eta": "write learning_rate",
    "betas": "write beta_1 and beta_2",
    "beta1": "write beta_1",
    "beta2": "write beta_2",
    "b1": "write beta_1",
    "b2": "write beta_2",
    "eps": "write epsilon",
    "params": _PASSED,
    "parameters": _PASSED,
    "variables": _PASSED,
    "var_list": _PASSED,
    "wd": "write weight_decay",
    "l2": "write weight_decay",
    "decay": "for the rate pass a schedule (optim.schedules) as learning_rate, for the variables write weight_decay",
    "line_search_fn": "write line_search",
    "use_nesterov": "write nesterov",
    "max_norm": "write global_clipnorm, clipnorm or clipvalue",
}

ON_OPTIMIZERS = {
    "lr": "write optimizer.learning_rate",
    "step": "write optimizer.apply_gradients(zip(gradients, variables)), or optimizer.minimize(loss_fn, variables)",
    "zero_grad": "there is nothing to reset: tape.gradient returns new gradients each time",
    "param_groups": "rates of their own by names of variables: rates={'encoder/': 0.1}, exclude=[...]",
    "compute_gradients": "record on `with av.GradientTape() as tape:`, then tape.gradient(loss, variables)",
}


class Absent:
    """In the place of an attribute that optimizers do not have: AttributeError, with the way to do it here."""

    def __init__(self, name: str):
        self.name = name

    def __get__(self, x: Any, cls: type | None = None) -> NoReturn:
        kind = (type(x) if cls is None else cls).__name__
        raise AttributeError(f"{kind} has no {self.name!r}: {ON_OPTIMIZERS[self.name]}", name=self.name)


class Elsewhere(Absent):
    """As `Absent`, for what may not be set, either: nobody would read it."""

    def __set__(self, x: Any, value: Any) -> NoReturn:
        self.__get__(x)


_OPTIMIZERS = "docs/examples/add_an_optimizer.py shows how to write one"
_NAMES = {
    "AdamOptimizer": "write optim.Adam",
    "AdamWOptimizer": "write optim.AdamW",
    "GradientDescentOptimizer": "write optim.SGD",
    "lbfgs_minimize": "write optim.LBFGS().minimize(loss_fn, variables)",
    "GradientDescent": "write optim.SGD",
    "MomentumOptimizer": "write optim.SGD(learning_rate, momentum=0.9)",
    "Momentum": "write optim.SGD(learning_rate, momentum=0.9)",
    "clip_grad_norm_": "write gradients, norm = optim.clip_by_global_norm(gradients, max_norm)",
    "clip_grad_value_": "write optim.clip_by_value(gradients, limit)",
    "lr_scheduler": "write optim.schedules: a schedule is passed as learning_rate",
    "LearningRateSchedule": "any function of one int is a schedule, see optim.schedules",
}
_NOT_YET = ("ftrl", "lars", "rprop", "asgd", "sparseadam")


def missing_name(name: str, names: Iterable[str]) -> str:
    """What the AttributeError for the missing name `name` of the package says.

    Examples
    --------
    >>> missing_name("AdamOptimizer", [])
    "optim has no 'AdamOptimizer': write optim.Adam."
    """
    if name in _NAMES:
        return f"optim has no {name!r}: {_NAMES[name]}."
    names = [*names]
    kind = name.lower().removesuffix("optimizer")
    if kind in _NOT_YET:
        return f"optim has no {name!r} yet: there are {', '.join(n for n in names if n[0].isupper())}; {_OPTIMIZERS}."
    meant = next((known for known in names if known.lower() == kind != name.lower()), None)
    if meant is not None:
        return f"optim has no {name!r}: write optim.{meant}."
    return f"module 'optim' has no attribute {name!r}{'' if name.startswith('_') else _near(name, names)}"


def unknown_arguments(kind: type, unknown: Iterable[str], learning_rate: Any) -> str:
    """What the TypeError for arguments that the optimizer class `kind` does not take says."""
    known = _arguments(kind)
    said = [f"no argument {name!r}{f': {_ARGUMENTS[name]}' if name in _ARGUMENTS else _near(name, known)}"
            for name in unknown]  # fmt: skip
    if isinstance(learning_rate, Iterable) and not hasattr(learning_rate, "shape"):
        said.append(f"no variables as its first argument: {_PASSED}")
    return f"{kind.__name__} has {'; '.join(said)}. It takes {', '.join(known)}"


def what_is_no_number(kind: type, value: Any) -> str:
    """What the TypeError for a learning rate that is none says."""
    text = f"{kind.__name__}: learning_rate is one number, a function of iterations, or a Variable"
    if isinstance(value, (str, bytes)):
        return f"{text}, got the string {value!r}"
    if isinstance(value, (av.Tensor, av.Variable)) or (hasattr(value, "shape") and not hasattr(value, "trainable")):
        return f"{text}, got {type(value).__name__} of shape {value.shape}"
    if isinstance(value, Iterable):
        return f"{text}, got {type(value).__name__}; {_PASSED}"
    return f"{text}, got {value!r}"


def _arguments(kind: type) -> list[str]:
    """The names that the class takes, those of its bases included."""
    found: dict[str, None] = {}
    for base in kind.__mro__:
        if "__init__" in vars(base) and base is not object:
            parameters = inspect.signature(vars(base)["__init__"]).parameters.values()
            found.update((p.name, None) for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL))
            if not any(p.kind is p.VAR_KEYWORD for p in parameters):
                break
    return [name for name in found if name not in ("self", "slot_names", *getattr(kind, "refused", ()))]


def _near(name: str, names: Iterable[str]) -> str:
    from difflib import get_close_matches  # late: 5 ms

    spelled = {known.lower(): known for known in names}
    near = get_close_matches(name.lower(), spelled, 1)
    return f" (is {spelled[near[0]]!r} meant?)" if near else ""
