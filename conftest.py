"""For the examples in docstrings: `np` and `av` are there, as in NumPy's own documentation."""

import importlib.util

import numpy as np
import pytest

import autograd_vs as av

if importlib.util.find_spec("scipy") is None:  # an extra
    collect_ignore = [f"autograd_vs/{name}.py" for name in ("special", "stats", "ops/special", "ops/distributions")]


@pytest.fixture(autouse=True)
def names_for_examples(doctest_namespace):
    """Put `np` and `av` into the namespace of every example."""
    doctest_namespace.update(np=np, av=av)
