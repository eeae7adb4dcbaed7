"""The main job: `make demo` learns what it promises, and the same each time."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

TUTORIALS = Path(__file__).parent.parent / "tutorials"


@pytest.fixture(scope="module")
def demo():
    spec = importlib.util.spec_from_file_location("digits_demo", TUTORIALS / "01_digits.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_two_runs_with_one_seed_are_one_run(demo):
    first, second = (demo.main(seed=1, epochs=2, plot=None, quiet=True) for _ in range(2))
    assert first == second
    assert demo.main(seed=2, epochs=2, plot=None, quiet=True) != first


def test_it_prints_what_is_shared_and_writes_the_plot(demo, tmp_path, capsys):
    demo.main(epochs=2, plot=str(tmp_path / "out" / "loss.png"))
    printed = capsys.readouterr().out
    assert "encoder/hidden/kernel     (64, 256)   classify, denoise" in printed
    assert (tmp_path / "out" / "loss.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.host("five long trainings for their accuracy; the tests above run the same program")
@pytest.mark.slow
def test_five_seeds(demo):
    accuracy, pixel_error, mean_error = np.array([demo.main(seed=s, plot=None, quiet=True) for s in range(5)]).T
    assert accuracy.mean() >= 0.97, accuracy
    assert accuracy.min() >= 0.96, accuracy
    assert np.all(pixel_error < 0.5 * mean_error), (pixel_error, mean_error)
