"""The data of the tutorials, ready to train on (sources and licences: `tutorials/data/README.md`)."""

import ast
import gzip
import json
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent / "data"


def load_digits():
    """Images and labels of the stored split.

    Returns
    -------
    dict
        ``{"train": (images, labels), "validation": (images, labels), "test": (images, labels)}`` with 1197, 300 and 300
        samples; images : float32 array, shape (n, 64), from 0 to 1, rows of 8x8 pixels; labels : int64 array, shape
        (n,), from 0 to 9.
    """
    with gzip.open(FOLDER / "digits.csv.gz", "rt") as file:
        table = np.loadtxt(file, delimiter=",", dtype=np.int64)
    split = json.loads((FOLDER / "digits_split.json").read_text())
    images = table[:, :-1].astype(np.float32) / np.float32(16)
    labels = table[:, -1]
    return {name: (images[split[name]], labels[split[name]]) for name in ("train", "validation", "test")}


def load_sunspots():
    """The mean number of sunspots of each year from 1700 to 2008.

    Returns
    -------
    years : int64 array, shape (309,)
    numbers : float64 array, shape (309,), from 0 to 190.2
    """
    table = np.loadtxt(FOLDER / "sunspots.csv", delimiter=",", skiprows=1)
    return table[:, 0].astype(np.int64), table[:, 1]


def load_plays():
    """Two plays of Shakespeare, *Romeo and Juliet* and *The Taming of the Shrew*.

    Returns
    -------
    str
        248,072 characters: each speech is the name of its speaker with a colon, its lines, and an empty line.
    """
    with gzip.open(FOLDER / "shakespeare.txt.gz", "rt", encoding="ascii", newline="") as file:
        return file.read()


def load_peers():
    """What other libraries make of one small network, by `data/make_peers.py`.

    Returns
    -------
    dict
        By "pytorch", "tensorflow1", "keras" and "jax": ``{"version": str, "sgd": losses, "adam": losses}``, with 25
        losses each.
    """
    return json.loads((FOLDER / "peers.json").read_text())


class Source(str):
    """A piece of Python that a notebook shows as such."""

    def __repr__(self):
        return str(self)

    def _repr_markdown_(self):
        return f"```python\n{self}\n```"


def peer_source(name):
    """The function of `data/make_peers.py` that ran with the library of this name."""
    text = (FOLDER / "make_peers.py").read_text()
    found = next(node for node in ast.parse(text).body if getattr(node, "name", None) == name)
    return Source(ast.get_source_segment(text, found))
