"""What a workload is."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

JIT = " [jit]"  # our plans once more, in a process that has the extra of this name


@dataclass(frozen=True)
class Workload:
    """One line of the table.

    `problem(small)` gives the arrays that all variants start from; a variant makes a step of them. A step trains once
    and returns what is compared: its loss, or a list of arrays (None: not compared). The name of a variant starts
    with its framework; the first variant of "floor" is what the others are compared with, the first of all where there
    is none.
    """

    name: str
    title: str
    problem: Callable[[bool], dict[str, np.ndarray]]
    variants: dict[str, Callable[[dict[str, np.ndarray]], Callable[[], Any]]]
    checked_steps: int = 20  # their losses are compared, or the arrays after the last of them
    tolerance: float = 1e-4  # the largest difference, relative to the largest value
    operations: int = 1  # a step's time is given per operation, if there are more
    precision: str = "float32"  # of products on a GPU; or "tf32", "bf16"

    def of(self, framework):
        """The variants of one framework."""
        if framework == "ours_jit":
            return [name + JIT for name in self.of("ours") if "function" in name]
        return [name for name in self.variants if framework_of(name) == framework]

    def make(self, variant, arrays):
        """The step of a variant."""
        return self.variants[variant.removesuffix(JIT)](arrays)


def framework_of(variant):
    return "ours_jit" if variant.endswith(JIT) else variant.partition(",")[0]


def is_compiled(variant):
    """Whether its first call is not as all others: it traces or compiles."""
    return any(text in variant for text in ("function", "compiled", "jax"))


def as_function(make):
    """The same steps, traced and replayed as plans."""

    def planned(arrays):
        import autograd_vs as av

        return av.function(make(arrays))

    return planned


def glorot(rng, fan_in, fan_out):
    """Glorot-uniform weights, stored (in, out)."""
    limit = np.sqrt(6 / (fan_in + fan_out))
    return rng.uniform(-limit, limit, size=(fan_in, fan_out)).astype(np.float32)


def dense_layers(rng, sizes):
    """w1, b1, w2, ...: Glorot-uniform weights and zero biases of a chain of dense layers."""
    arrays = {}
    for i, (fan_in, fan_out) in enumerate(pairwise(sizes), start=1):
        arrays[f"w{i}"] = glorot(rng, fan_in, fan_out)
        arrays[f"b{i}"] = np.zeros(fan_out, np.float32)
    return arrays
