"""What one step of a floor asks of the machine: its matrix products, and the bytes that its calls read and write."""

import numpy as np


class Spent:
    """Stands in for the module `np` during one step of a floor; notes products and the bytes of operands."""

    def __init__(self):
        self.products = []  # (function, arguments, options)
        self.bytes = 0

    def __getattr__(self, name):
        return _Noted(self, getattr(np, name))

    def note(self, function, arguments, options, result):
        arrays = [a for a in (*arguments, *options.values()) if isinstance(a, np.ndarray)]
        if function.__name__ in ("take", "at", "__setitem__"):  # rows of a table: they are moved, not the table
            arrays = arrays[1:]
            arrays.append(max(arrays, key=lambda a: a.nbytes))
        if isinstance(result, np.ndarray) and "out" not in options:
            arrays.append(result)
        self.bytes += sum(a.nbytes for a in arrays)
        if function.__name__ in ("dot", "matmul"):
            self.products.append((function, arguments, options))


class _Noted:
    def __init__(self, spent, function):
        self.spent, self.function = spent, function

    def __getattr__(self, name):
        return _Noted(self.spent, getattr(self.function, name))

    def __call__(self, *arguments, **options):
        result = self.function(*arguments, **options)
        self.spent.note(self.function, arguments, options, result)
        return result


def spent(step, modules):
    """What one step of a floor asks of the machine: ``products`` to repeat, ``bytes`` that its calls read and write.

    An operand counts once for each call, as if nothing stayed in the cache between two calls.
    """
    noted = Spent()
    for module in modules:
        module.np = noted
    try:
        step()
    finally:
        for module in modules:
            module.np = np
    return noted


def products_alone(noted):
    """A step that repeats these products, the same calls on the same arrays, and does nothing else."""

    def step():
        for function, arguments, options in noted.products:
            function(*arguments, **options)

    return step
