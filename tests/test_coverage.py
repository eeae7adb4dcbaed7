"""Every public function of NumPy, and every method of its arrays, is in exactly one class: see docs/coverage.md.

Whoever adds an op deletes its name in `autograd_vs/ops/coverage.py`; a NumPy that has a new function needs a decision
about it there.
"""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

import autograd_vs as av
from autograd_vs.ops import coverage

ROOT = Path(__file__).parent.parent
_spec = importlib.util.spec_from_file_location("make_coverage", ROOT / "docs" / "make_coverage.py")
made = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(made)

HIPS = json.loads((Path(__file__).parent / "golden" / "hips_autograd.json").read_text(encoding="utf-8"))
# Names that some NumPy from 2.1 on does not have.
SOMETIMES = {"in1d", "row_stack", "trapz"}


# ---------------------------------------------------------------- exactly one class


@pytest.mark.parametrize("home", made.MODULES)
def test_every_function_of_numpy_has_one_class(home):
    found = {name: made.classes_of(home, name) for name in made.functions(made.MODULES[home])}
    none = [name for name, classes in found.items() if not classes]
    assert not none, f"new in NumPy? Say in ops/coverage.py what becomes of {home}: {', '.join(none)}"
    several = {name: classes for name, classes in found.items() if len(classes) > 1}
    assert not several, f"these stand in two lists; delete them from ops/coverage.py: {several}"


def test_every_method_of_arrays_has_a_class():
    none = [name for name in made.methods() if not made.class_of_method(name)]
    assert not none, f"Tensors have no {', '.join(none)}, and say nothing about it (_migration.py)"


def test_the_lists_name_what_numpy_has():
    listed = [*coverage.CREATION, *coverage.FILES, *coverage.TYPES, *coverage.SETTINGS, *coverage.REFUSED]
    assert len(listed) == len(set(listed))
    for name in set(listed) - SOMETIMES:
        thing = np
        for part in name.split("."):
            thing = getattr(thing, part)
        assert callable(thing), name


# ---------------------------------------------------------------- and it is the true one


def dispatched(name):
    """A function that NumPy asks Tensors about, or None."""
    thing = np
    for part in name.split("."):
        thing = getattr(thing, part, None)
    return thing if hasattr(thing, "_implementation") or isinstance(thing, np.ufunc) else None


@pytest.mark.parametrize("name", [name for name in coverage.REFUSED if dispatched(name) is not None])
def test_a_refusal_says_its_reason(name):
    function, t = dispatched(name), av.Tensor(np.ones(2))
    with pytest.raises(TypeError) as error:
        if isinstance(function, np.ufunc):
            function(t)
        else:
            t.__array_function__(function, (av.Tensor,), (t,), {})
    assert f"np.{name}" in str(error.value) and coverage.REFUSED[name] in str(error.value)


@pytest.mark.parametrize("ufunc", ["add", "subtract", "multiply", "maximum", "minimum"])
def test_ufunc_at_says_what_to_write(ufunc):
    with pytest.raises(TypeError, match=rf"np\.{ufunc}\.at .*t\.at\[index\]"):
        getattr(np, ufunc).at(av.Tensor(np.ones(2)), 0, 1.0)


def test_reasons_are_sentences():
    for name, reason in coverage.REFUSED.items():
        assert reason[0].isupper() and reason.endswith("."), name


def test_what_takes_no_array_is_not_dispatched():
    """Else a Tensor could reach it, and the registry had to say what becomes of it."""
    for name in (*coverage.CREATION, *coverage.FILES, *coverage.TYPES, *coverage.SETTINGS):
        assert dispatched(name) is None, name


# ---------------------------------------------------------------- the page


def test_the_page_is_up_to_date():
    text = made.PAGE.read_text(encoding="utf-8")
    if f"with NumPy {made.version()};" not in text:
        pytest.skip("the page is for another NumPy")
    assert text == made.page(), "run `python docs/make_coverage.py`"


# ---------------------------------------------------------------- what HIPS autograd differentiates

# NumPy does not ask Tensors in these; what stands in their place, as av.<name>.
INSTEAD = {"array": "stack", "full": "full", "row_stack": "vstack"}


@pytest.mark.parametrize("home", made.MODULES)
def test_what_hips_autograd_differentiates_is_not_refused(home):
    for name in HIPS[home]:
        if not hasattr(made.MODULES[home], name):
            continue
        classes = made.classes_of(home, name)
        if name in INSTEAD and home == "numpy":
            assert hasattr(av, INSTEAD[name])
        else:
            assert classes == ["differentiable"], f"HIPS autograd differentiates {home}.{name}, here it is {classes}"


# Functions of SciPy that HIPS autograd differentiates: where ours have another name, and those still to come. What is
# there has to leave the second list.
RENAMED = {"special.expit": "nn.sigmoid", "special.logsumexp": "logsumexp", "signal.convolve": "convolve"}
PENDING = {
    "integrate": "odeint",
    "linalg": "solve_banded solve_sylvester solve_triangular sqrtm",
}


def ours(path):
    """What stands for ``scipy.<path>`` here, or None."""
    thing = av
    for part in path.split("."):
        thing = getattr(thing, part, None)
    return thing


@pytest.mark.parametrize("home", [home for home in HIPS if home.startswith("scipy.")])
def test_what_hips_autograd_differentiates_of_scipy(home):
    pytest.importorskip("scipy.special")
    place = home.removeprefix("scipy.")
    missing = []
    for name in HIPS[home]:
        path = f"{place}.{name}"
        places = [RENAMED.get(path, path), *(f"{family}.{name}" for family in ("nn",) if place == "special")]
        if not any(ours(p) is not None for p in places):
            missing.append(name)
    assert missing == PENDING.get(place, "").split(), f"{home}: what is there has to leave PENDING"


def test_the_lists_of_hips_autograd_are_whole():
    assert {"exp", "where", "sort", "pad"} <= set(HIPS["numpy"]) and "svd" in HIPS["numpy.linalg"]
    assert not set(PENDING) - {home.removeprefix("scipy.") for home in HIPS}
