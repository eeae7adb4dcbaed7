"""Sequential: layers one after the other. Floor 3."""

from collections.abc import Callable, Iterable
from typing import Any

from .base import Layer

__all__ = ["Sequential"]


class Sequential(Layer):
    """Layers and functions, one after the other.

    Parameters
    ----------
    steps : sequence of layers and functions, optional
        Each gets what the one before returns.
    **options
        `name`, `trainable`: see `Layer`.

    Raises
    ------
    TypeError
        If a step is neither a layer nor a function; at a call if no step takes an option.

    Examples
    --------
    >>> with av.VariableStore():
    ...     model = av.layers.Sequential([av.layers.Dense(8), av.nn.relu, av.layers.Dropout(0.1), av.layers.Dense(2)])
    ...     y = model(np.ones((5, 3)), training=False)
    >>> y.shape, [v.name for v in model.weights[:2]], len(model), model[0]
    ((5, 2), ['sequential/dense/kernel:0', 'sequential/dense/bias:0'], 4, <Dense 'sequential/dense'>)
    """

    def __init__(self, steps: Iterable[Callable] = (), *others: Any, **options: Any):
        if others or not isinstance(steps, Iterable) or isinstance(steps, Layer):
            raise TypeError("Sequential takes one list of steps: Sequential([first, second])")
        super().__init__(**options)
        self.steps: list[Callable] = []
        for step in steps:
            self.add(step)

    def add(self, step: Callable) -> None:
        """Append a layer or function; before the first call, which settles the names of all layers.

        Raises
        ------
        TypeError
            If `step` is neither.
        RuntimeError
            After the first call. Make another model of the steps, which keep their variables, and the new one.
        """
        if self._place is not None and isinstance(step, Layer):
            raise RuntimeError(
                f"Sequential {self.name!r} was called already, and its layers have their names: make another one, "
                f"Sequential([*model, {step!r}])"
            )
        if not callable(step) or isinstance(step, type):
            hint = f": write {step.__name__}(...)" if isinstance(step, type) else ""
            raise TypeError(f"Sequential takes layers and functions, step {len(self.steps)} is {step!r}{hint}")
        self.steps.append(step)

    def call(self, x: Any, **options: Any) -> Any:
        """What the last step returns; an option (``training=``, ``mask=``) goes to each step that takes it."""
        for option in options:
            if not self.takes(option):
                raise TypeError(f"no step of Sequential takes {option}=")
        for step in self.steps:
            if isinstance(step, Layer):
                x = step(x, **{key: value for key, value in options.items() if step.takes(key)})
            else:
                x = step(x)
        return x

    def takes(self, option: str) -> bool:
        """Say whether a step has this option; ``training=`` may always be given."""
        return option == "training" or any([step.takes(option) for step in self.steps if isinstance(step, Layer)])

    def __len__(self) -> int:
        return len(self.steps)

    def __bool__(self) -> bool:
        return True

    def __getitem__(self, index: Any) -> Any:
        return self.steps[index]
