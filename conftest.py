"""For the examples in docstrings: `np` and `av` are there, as in NumPy's own documentation."""

import numpy as np
import pytest

import autograd_vs as av


@pytest.fixture(autouse=True)
def names_for_examples(doctest_namespace):
    """Put `np` and `av` into the namespace of every example."""
    doctest_namespace.update(np=np, av=av)
