"""Write `rearrange.json`: PyTorch's float64 values and gradients of scattering and padding, with indices that repeat.

Each case holds the arguments, the value, the weights `g` that the value is multiplied with before it is summed, and the
gradients of that sum. Run with a Python that has PyTorch::

    python tests/golden/make_rearrange.py
"""

import json
from pathlib import Path

import torch
import torch.nn.functional as F

REDUCE = {"add": "sum", "multiply": "prod", "min": "amin", "max": "amax"}
MODES = {"edge": "replicate", "reflect": "reflect", "wrap": "circular"}


def scatter(a, indices, updates, axis, mode):
    """As `av.scatter`, but for "set" with indices that repeat, which PyTorch leaves open."""
    if mode == "set":
        return a.scatter(axis, indices, updates)
    return a.scatter_reduce(axis, indices, updates, REDUCE[mode], include_self=True)


def numbers(shape, generator):
    """Values from -1 to 1 in eighths, some of them equal."""
    return (torch.randint(-8, 9, shape, generator=generator) / 8).double()


def case(call, arrays, generator):
    """The value and the gradients of a call with these arrays."""
    arrays = [a.requires_grad_() for a in arrays]
    y = call(*arrays)
    g = numbers(y.shape, generator)
    gradients = torch.autograd.grad((y * g).sum(), arrays)
    return {"y": y.tolist(), "g": g.tolist(), "gradients": [x.tolist() for x in gradients]}


def main():
    """Write the file."""
    generator = torch.Generator().manual_seed(20261121)
    cases = []
    for axis, ids in ((0, [[1, 1, 0, 2], [1, 2, 0, 2]]), (1, [[3, 3], [0, 1], [2, 2]])):
        for mode in ("set", *REDUCE):
            indices = torch.tensor(ids)
            if mode == "set":
                indices = indices[:1] if axis == 0 else indices[:, :1]
            a, updates = numbers((3, 4), generator), numbers(indices.shape, generator)
            found = case(lambda a, u, i=indices, x=axis, m=mode: scatter(a, i, u, x, m), [a, updates], generator)
            arguments = {"a": a.tolist(), "indices": indices.tolist(), "updates": updates.tolist(), "axis": axis}
            cases.append({"function": "scatter", **arguments, "mode": mode, **found})
    for mode, theirs in MODES.items():
        x = numbers((1, 1, 4, 5), generator)
        found = case(lambda x, m=theirs: F.pad(x, (2, 3, 1, 3), mode=m), [x], generator)
        widths = [[0, 0], [0, 0], [1, 3], [2, 3]]
        cases.append({"function": "pad", "a": x.tolist(), "widths": widths, "mode": mode, **found})
    about = f"make_rearrange.py, PyTorch {torch.__version__.split('+')[0]}"
    path = Path(__file__).with_name("rearrange.json")
    lines = ",\n".join("  " + json.dumps(c) for c in cases)
    path.write_text(f'{{"made by": "{about}", "cases": [\n{lines}\n]}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
