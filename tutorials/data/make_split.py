"""Make `digits_split.json`: a fixed, stratified split of the digits into train, validation and test.

Run once; kept so that anyone can see where the split comes from::

    python tutorials/data/make_split.py
"""

import gzip
import json
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent
SEED = 20260101
SIZES = {"test": 300, "validation": 300}  # the rest trains


def stratified(labels, size, rng):
    """Positions of `size` samples in which each label has its share, rounded by largest remainders."""
    values, counts = np.unique(labels, return_counts=True)
    exact = counts * size / len(labels)
    take = np.floor(exact).astype(int)
    take[np.argsort(take - exact, kind="stable")[: size - take.sum()]] += 1
    chosen = [rng.choice(np.flatnonzero(labels == v), n, replace=False) for v, n in zip(values, take, strict=True)]
    return np.sort(np.concatenate(chosen))


def main():
    with gzip.open(FOLDER / "digits.csv.gz", "rt") as file:
        labels = np.loadtxt(file, delimiter=",", dtype=np.int64)[:, -1]
    rng = np.random.default_rng(SEED)
    left = np.arange(len(labels))
    parts = {}
    for name, size in SIZES.items():
        chosen = stratified(labels[left], size, rng)
        parts[name] = left[chosen]
        left = np.delete(left, chosen)
    parts["train"] = left
    lines = [f'  "{name}": {json.dumps(parts[name].tolist())}' for name in ("train", "validation", "test")]
    header = f'  "made_by": "tutorials/data/make_split.py", "seed": {SEED}'
    (FOLDER / "digits_split.json").write_text("{\n" + ",\n".join([header, *lines]) + "\n}\n")


if __name__ == "__main__":
    main()
