"""The progress bar: what it shows, that it ends well, and that it works without tqdm."""

import logging
import subprocess
import sys

import numpy as np
import pytest

import autograd_vs as av
from autograd_vs.progress import progress


class OnTape:
    """A Tensor that a tape watches: an array inside, and conversions that refuse."""

    array = np.array(0.123456)

    def __float__(self):
        raise TypeError("would drop the gradient")


def test_yields_everything_and_shows_the_last_numbers(capsys):
    pytest.importorskip("tqdm")
    bar = progress(range(5), "training", lr=1e-3)
    assert len(bar) == 5
    seen = []
    for step in bar:
        seen.append(step)
        bar.set(loss=OnTape(), step=step, note="warm")
    assert seen == [0, 1, 2, 3, 4]
    shown = capsys.readouterr().err
    assert "training: 100%" in shown
    assert "5/5" in shown
    assert "lr=0.001, loss=0.1235, step=4, note=warm" in shown


def test_the_last_numbers_show_after_break_and_error(capsys):
    pytest.importorskip("tqdm")
    bar = progress(iter("abc"), total=3)
    assert len(bar) == 3
    with pytest.raises(RuntimeError, match="stop"):
        for item in bar:
            bar.set(item=item)
            if item == "b":
                raise RuntimeError("stop")
    del bar
    assert "item=b" in capsys.readouterr().err


def test_a_bar_can_be_used_again_and_set_outside_of_a_loop(capsys):
    bar = progress([1, 2])
    bar.set(loss=1.0)
    assert list(bar) == list(bar) == [1, 2]
    bar.set(loss=2.0)


def test_a_number_that_is_none_names_itself():
    pytest.importorskip("tqdm")
    bar = progress(range(2))
    with pytest.raises(ValueError, match=r"'loss' has shape \(3,\)"):
        for _ in bar:
            bar.set(loss=np.ones(3))


def test_without_tqdm_it_iterates_and_hints_once(monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    monkeypatch.setattr(sys.modules["autograd_vs.progress"], "_hinted", False)  # `av.progress` is the function
    with caplog.at_level(logging.WARNING, logger="autograd_vs"):
        for _ in range(2):
            bar = progress(range(3))
            for _ in bar:
                bar.set(loss=1.0)
            assert list(bar) == [0, 1, 2]
    assert [record.getMessage() for record in caplog.records] == [
        'No progress bar: tqdm is missing; pip install "autograd-vs[train]".'
    ]


@pytest.mark.host("runs in a process of its own")
def test_importing_it_does_not_import_tqdm():
    code = "import sys, autograd_vs.progress; print('tqdm' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"


def test_an_iterable_with_a_method_batch_is_one_like_others():
    class Dataset(list):
        def batch(self):
            raise AssertionError("not asked for")

    assert list(progress(Dataset([1, 2]))) == [1, 2]


def test_set_inside_of_a_function_is_refused():
    bar = av.progress(range(2))

    @av.function
    def step(x):
        bar.set(loss=av.sum(x))

    with pytest.raises(RuntimeError, match="set them outside"):
        step(np.ones(2))
