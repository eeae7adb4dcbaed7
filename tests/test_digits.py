"""The shipped data: shapes, values, where they come from, and that the scripts which made files still make them."""

import gzip
import hashlib
import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

TUTORIALS = Path(__file__).parent.parent / "tutorials"
DATA = TUTORIALS / "data"


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def data():
    return load(TUTORIALS / "tutorial_data.py")


def test_every_file_is_small_and_stands_in_the_readme():
    text = (DATA / "README.md").read_text(encoding="utf-8")
    files = [path for path in DATA.iterdir() if path.is_file() and path.name != "README.md"]
    assert len(files) >= 6
    for path in files:
        assert f"`{path.name}`" in text, f"tutorials/data/README.md: where does {path.name} come from?"
        assert path.stat().st_size < 100_000
    for part in text.split("\n## ")[1:]:
        assert "**Source**" in part and "**Licence**" in part, part


# ---------------------------------------------------------------- digits


@pytest.mark.parametrize(("name", "size"), [("train", 1197), ("validation", 300), ("test", 300)])
def test_shapes_and_ranges(data, name, size):
    images, labels = data.load_digits()[name]
    assert images.shape == (size, 64)
    assert images.dtype == np.float32
    assert images.min() == 0
    assert images.max() == 1
    assert labels.shape == (size,)
    assert labels.dtype == np.int64
    assert np.all(np.abs(np.bincount(labels, minlength=10) / size - 0.1) < 0.01)


def test_parts_hold_every_image_once():
    split = json.loads((DATA / "digits_split.json").read_text())
    rows = sorted(split["train"] + split["validation"] + split["test"])
    assert rows == list(range(1797))


def test_split_is_what_its_script_makes(tmp_path):
    shutil.copy(DATA / "digits.csv.gz", tmp_path)
    module = load(DATA / "make_split.py")
    module.FOLDER = tmp_path
    module.main()
    made = (tmp_path / "digits_split.json").read_text()
    assert made == (DATA / "digits_split.json").read_text()


# ---------------------------------------------------------------- sunspots


def test_sunspots_are_those_of_the_source(data):
    years, numbers = data.load_sunspots()
    assert np.array_equal(years, np.arange(1700, 2009)) and years.dtype == np.int64
    assert numbers.shape == (309,) and numbers.dtype == np.float64
    assert numbers[:5].tolist() == [5, 11, 16, 23, 36]
    assert numbers[-3:].tolist() == [15.2, 7.5, 2.9]
    assert (numbers.min(), years[numbers.argmin()]) == (0, 1711)
    assert (numbers.max(), years[numbers.argmax()]) == (190.2, 1957)


# ---------------------------------------------------------------- plays


def test_the_plays_are_whole(data):
    text = data.load_plays()
    assert len(text) == 248_072 and text.isascii()
    assert len(set(text)) == 62 and "\r" not in text
    romeo, shrew = text.split("SLY:\nI'll pheeze you", 1)
    assert romeo.startswith("SAMPSON:\nGregory, o' my word, we'll not carry coals.\n")
    assert romeo.endswith("For never was a story of more woe\nThan this of Juliet and her Romeo.\n\n")
    assert shrew.endswith("LUCENTIO:\n'Tis a wonder, by your leave, she will be tamed so.\n\n")


def test_the_plays_are_what_their_script_cuts(data, tmp_path):
    text = data.load_plays()
    romeo, shrew = text.index("SAMPSON"), text.index("SLY:\nI'll pheeze")
    between = "WARWICK:\nI wonder how the king escaped our hands.\n\n"
    whole = "before\n\n" + text[romeo:shrew] + between + text[shrew:] + "Master:\nBoatswain!\n\nafter"
    module = load(DATA / "make_shakespeare.py")
    assert module.cut(whole) == text

    (tmp_path / "input.txt").write_text(whole, encoding="ascii", newline="")
    module.FOLDER = tmp_path
    with pytest.raises(SystemExit, match="another text"):
        module.main(tmp_path / "input.txt")
    assert not (tmp_path / "shakespeare.txt.gz").exists()
    module.SHA256 = hashlib.sha256(whole.encode("ascii")).hexdigest()
    module.main(tmp_path / "input.txt")
    made = (tmp_path / "shakespeare.txt.gz").read_bytes()
    assert gzip.decompress(made) == gzip.decompress((DATA / "shakespeare.txt.gz").read_bytes())
