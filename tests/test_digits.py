"""The shipped data: shapes, the stored split, and that the script which made the split still makes it."""

import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

TUTORIALS = Path(__file__).parent.parent / "tutorials"


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def digits():
    return load(TUTORIALS / "tutorial_data.py").load_digits()


@pytest.mark.parametrize(("name", "size"), [("train", 1197), ("validation", 300), ("test", 300)])
def test_shapes_and_ranges(digits, name, size):
    images, labels = digits[name]
    assert images.shape == (size, 64)
    assert images.dtype == np.float32
    assert images.min() == 0
    assert images.max() == 1
    assert labels.shape == (size,)
    assert labels.dtype == np.int64
    assert np.all(np.abs(np.bincount(labels, minlength=10) / size - 0.1) < 0.01)


def test_parts_hold_every_image_once():
    split = json.loads((TUTORIALS / "data" / "digits_split.json").read_text())
    rows = sorted(split["train"] + split["validation"] + split["test"])
    assert rows == list(range(1797))


def test_split_is_what_its_script_makes(tmp_path):
    shutil.copy(TUTORIALS / "data" / "digits.csv.gz", tmp_path)
    module = load(TUTORIALS / "data" / "make_split.py")
    module.FOLDER = tmp_path
    module.main()
    made = (tmp_path / "digits_split.json").read_text()
    assert made == (TUTORIALS / "data" / "digits_split.json").read_text()
