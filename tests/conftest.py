"""Seals: a test that leaves a tape, a scope, a store, a seed or a default changed fails. And the array library.

``pytest --library strict`` runs the tests on arrays as strict as CuPy's (`strict_array.py`), ``--library cupy``
on CuPy's own (all are skipped where no GPU works): whatever a test hands over from the host goes there.
``@pytest.mark.host("reason")`` marks what has no meaning on another library, ``@pytest.mark.gpu`` what needs a GPU.
With ``--forbid-transfers`` silent transfers raise in the training suite (`silent.py`). ``--part 2/4`` runs the second
quarter, ``--minutes 7`` stops after that time.
"""

import contextlib
import os
import re
import time

import numpy as np
import on_gpu
import pytest
import silent
import strict_array
from strict_array import StrictArray

from autograd_vs.base import backend, dtypes, precision, seeds
from autograd_vs.engine import record, registry
from autograd_vs.ops.later import FAMILIES, NEED_SCIPY, family
from autograd_vs.state import context

collect_ignore_glob = ["golden/*"]  # scripts that need PyTorch; what they wrote lies beside them


def cupys():
    """CuPy's type of arrays, which tell of their transfers as the stand-in does."""
    import cupy

    backend.namespace(cupy.empty(0))  # now it is known
    on_gpu.tell_of_transfers(cupy, strict_array._note, strict_array.WAITING)
    return cupy.ndarray


LIBRARIES = {"numpy": lambda: np.ndarray, "strict": lambda: StrictArray, "cupy": cupys}


@pytest.fixture
def cupy():
    """CuPy, for tests that are marked `gpu`: where no GPU works they are skipped before this is asked for."""
    import cupy

    assert backend._find_cupy(cupy.ndarray)
    return cupy


def part(text):
    """``"2/4"``: which of how many."""
    number, of = map(int, text.split("/"))
    if not 1 <= number <= of:
        raise ValueError(f"there is no part {text}")
    return number, of


def pytest_addoption(parser):
    parser.addoption("--library", choices=list(LIBRARIES), default="numpy", help="where host data goes in the tests")
    parser.addoption("--forbid-transfers", action="store_true", help="silent transfers raise in the training suite")
    parser.addoption("--part", type=part, default=(1, 1), help="which part of the tests: 2/4")
    parser.addoption("--minutes", type=float, default=0.0, help="stop when these are over")


def pytest_configure(config):
    """Host data goes to the library of ``--library``, also what a test module makes while it is imported."""
    library = config.getoption("--library")
    if library != "cupy" or on_gpu.why_not() is None:
        backend.place_host_data(LIBRARIES[library]())
    os.environ["AUTOGRAD_VS_JIT"] = "0"  # bits are compared; `test_plans_loops.py` asks for loops
    registry.load()  # the tests find every op there
    with contextlib.suppress(ImportError):  # SciPy is an extra
        for home in sorted(NEED_SCIPY):
            for name in FAMILIES[home]:
                family(name)


def pytest_collection_modifyitems(config, items):
    library = config.getoption("--library")
    number, of = config.getoption("--part")
    config.hook.pytest_deselected(items=[item for i, item in enumerate(items) if i % of != number - 1])
    items[:] = items[number - 1 :: of]
    for item in items:
        mark = item.get_closest_marker("host")
        if (library == "cupy" or item.get_closest_marker("gpu")) and on_gpu.why_not() is not None:
            item.add_marker(pytest.mark.skip(reason=on_gpu.why_not()))
        elif library != "numpy" and mark is not None:
            item.add_marker(pytest.mark.skip(reason=f"host: {mark.args[0]}"))


START = time.monotonic()


def pytest_runtest_teardown(item):
    minutes = item.config.getoption("--minutes")
    if minutes and time.monotonic() - START > 60 * minutes:
        item.session.shouldstop = f"{minutes:g} minutes are over; run smaller parts"


@pytest.fixture(autouse=True)
def no_silent_transfers(request):
    """With ``--forbid-transfers``, in the files of the training suite."""
    path = request.node.path
    if not request.config.getoption("--forbid-transfers") or path.name not in silent.TRAINING:
        yield
        return
    with silent.forbidden():
        yield


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
    library = backend.home()
    before = (record.active(), dtypes.default_dtype(), seeds.global_seed(), np.random.get_state()[1].tobytes())
    scope, products = context.scopes.top(), precision.get_matmul_precision()
    yield
    after = (record.active(), dtypes.default_dtype(), seeds.global_seed(), np.random.get_state()[1].tobytes())
    left = context.scopes.top()
    context.scopes.replace(scope)
    seeds.set_seed(before[2])
    dtypes.set_default_dtype(before[1])
    left_products = precision.get_matmul_precision()
    precision.set_matmul_precision(products)
    assert left_products == products, f"left the matmul precision {left_products!r}"
    assert backend.home() == library, f"left host data going to {backend.home()}"
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
