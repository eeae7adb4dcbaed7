"""What TensorFlow's users look for and what to write here instead: the words of the AttributeErrors."""

import sys

__all__ = ["advice", "module_getattr"]

_STORE = "`with av.VariableStore() as store:`"
_LISTS = "use store.variables(scope), store.trainable_variables(scope) or store.regularization_losses(scope)"
_RUNS = "everything runs when it is called: there is no graph and no session"
_ADVICE = {
    "Session": f"{_RUNS}. Call your functions; `.numpy()` gives the value of a Tensor or Variable",
    "InteractiveSession": f"{_RUNS}. `.numpy()` gives the value of a Tensor or Variable",
    "Graph": f"{_RUNS}. For a fresh set of names: {_STORE}",
    "get_default_graph": f"{_RUNS}. For the variables: av.current_store()",
    "reset_default_graph": f"forget the variables with av.current_store().reset(), or use {_STORE}",
    "placeholder": "pass arrays to a Python function: `def step(x, y): ...`",
    "placeholder_with_default": "give the parameter of your Python function a default",
    "global_variables_initializer": "a variable has its value from the moment it is made",
    "local_variables_initializer": "a variable has its value from the moment it is made",
    "initialize_all_variables": "a variable has its value from the moment it is made",
    "variables_initializer": "a variable has its value from the moment it is made",
    "local_variables": "make them with trainable=False; av.global_variables() lists all",
    "all_variables": "use av.global_variables()",
    "get_collection": _LISTS,
    "add_to_collection": "keep a Python list",
    "GraphKeys": _LISTS,
    "gradients": "record on `with av.GradientTape() as tape:`, then tape.gradient(target, sources); or av.grad(f)",
    "train": "optimizers are in the package optim: `import optim; optim.Adam(learning_rate=1e-3)`",
    "optimizers": "optimizers are in the package optim: `import optim; optim.Adam(learning_rate=1e-3)`",
    "losses": "the losses are in av.nn; the terms of the regularizers are store.regularization_losses()",
    "layers": "write them as functions with av.variable_scope and av.get_variable",
    "assign": "use variable.assign(value)",
    "assign_add": "use variable.assign_add(value)",
    "assign_sub": "use variable.assign_sub(value)",
    "convert_to_tensor": "use av.asarray(x), or av.Tensor(x) without a copy",
    "cast": "use x.astype(dtype)",
    "reduce_mean": "use av.mean(x, axis)",
    "reduce_sum": "use av.sum(x, axis)",
    "reduce_max": "use av.max(x, axis)",
    "reduce_min": "use av.min(x, axis)",
    "reduce_prod": "use av.prod(x, axis)",
    "concat": "use av.concatenate(arrays, axis)",
    "set_random_seed": "use av.random.set_seed(seed)",
    "constant": "use av.asarray(x) for a Tensor, av.initializers.constant(x) for an initializer",
    "control_dependencies": f"{_RUNS}, in the order in which it is written",
    "while_loop": "use a Python loop",
    "cond": "use a Python `if`",
    "identity": "a Tensor never changes: use it as it is, or x + 0 for a copy of a Variable's value",
}


def advice(name: str, names) -> str:
    """What the AttributeError for the missing name `name` of the package says.

    Examples
    --------
    >>> advice("placeholder", [])
    "autograd_vs has no 'placeholder': pass arrays to a Python function: `def step(x, y): ...`."
    """
    if name in _ADVICE:
        return f"autograd_vs has no {name!r}: {_ADVICE[name]}."
    from .base.errors import close_names

    return f"module 'autograd_vs' has no attribute {name!r}.{'' if name.startswith('_') else close_names(name, names)}"


def module_getattr(name: str):
    """``__getattr__`` of the package: AttributeError, with the way to do it here."""
    names = [n for n in vars(sys.modules[__package__]) if not n.startswith("_")]
    raise AttributeError(advice(name, names), name=name)
