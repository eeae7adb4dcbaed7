"""Seals: a test that leaves a tape, a scope, a store, a seed or a default changed fails. And the array library.

``pytest --library strict`` runs the tests on arrays that are as strict as CuPy's (`strict_array.py`): whatever a test
hands over from the host goes there. ``@pytest.mark.host("reason")`` marks what has no meaning on another library.
"""

import contextlib
import os
import re

import numpy as np
import pytest
from strict_array import StrictArray

from autograd_vs.base import backend, dtypes, seeds
from autograd_vs.engine import record, registry
from autograd_vs.ops.later import FAMILIES, NEED_SCIPY, family
from autograd_vs.state import context

collect_ignore_glob = ["golden/*"]  # scripts that need PyTorch; what they wrote lies beside them

LIBRARIES = {"numpy": np.ndarray, "strict": StrictArray}


def pytest_addoption(parser):
    parser.addoption("--library", choices=list(LIBRARIES), default="numpy", help="where host data goes in the tests")


def pytest_configure(config):
    """Host data goes to the library of ``--library``, also what a test module makes while it is imported."""
    backend.place_host_data(LIBRARIES[config.getoption("--library")])
    os.environ["AUTOGRAD_VS_JIT"] = "0"  # bits are compared; `test_plans_loops.py` asks for loops
    registry.load()  # the tests find every op there
    with contextlib.suppress(ImportError):  # SciPy is an extra
        for home in sorted(NEED_SCIPY):
            for name in FAMILIES[home]:
                family(name)


def pytest_collection_modifyitems(config, items):
    if config.getoption("--library") == "numpy":
        return
    for item in items:
        mark = item.get_closest_marker("host")
        if mark is not None:
            item.add_marker(pytest.mark.skip(reason=f"host: {mark.args[0]}"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """Skip what reaches a special function that CuPy lacks; `tests/test_special.py` says which these are."""
    try:
        return (yield)
    except (NotImplementedError, AssertionError) as error:  # the latter from an example that a test runs
        lacking = re.search(r"scipy\.special\.\w+ has no equivalent for (complex )?arrays of type \w+", str(error))
        if lacking is None:
            raise
        pytest.skip(lacking[0])


@pytest.fixture(autouse=True)
def seals():
    library = set(backend.arrived)
    before = (record.active(), dtypes.default_dtype(), seeds.global_seed(), np.random.get_state()[1].tobytes())
    scope = context.scopes.top()
    yield
    after = (record.active(), dtypes.default_dtype(), seeds.global_seed(), np.random.get_state()[1].tobytes())
    left = context.scopes.top()
    context.scopes.replace(scope)
    seeds.set_seed(before[2])
    dtypes.set_default_dtype(before[1])
    assert backend.arrived == library, f"left host data going to {backend.arrived}"
    assert after[0] is before[0], f"left open: {after[0]!r}"
    assert left is scope, f"left open: {left!r}"
    assert after[1] == before[1], "left another default dtype behind"
    assert after[2] == before[2], "left a seed behind (use the `seed` fixture)"
    assert after[3] == before[3], "touched NumPy's global random state"


@pytest.fixture
def seed():
    """Set the global seed for one test."""
    before = seeds.global_seed()
    yield seeds.set_seed
    seeds.set_seed(before)
