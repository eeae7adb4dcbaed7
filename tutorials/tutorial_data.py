"""The handwritten digits of `tutorials/data`, ready to train on (source and licence: `tutorials/data/README.md`)."""

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
