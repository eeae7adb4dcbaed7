"""Silent transfers: what makes the host wait for a device though nobody asked for a value.

`pytest --library strict --forbid-transfers` (or ``cupy``) raises at each of them in the files of `TRAINING`. What a
test does itself was asked for, and what goes through `ASKED` and `READERS`, by which users look at values. The known
waits of a training step are in `KNOWN`. Uploads are left alone: tests hand over host data all the time.
"""

import sys
from contextlib import contextmanager
from pathlib import Path

import strict_array
from strict_array import Transfer

ROOT = Path(__file__).parent.parent
LIBRARY = (str(ROOT / "autograd_vs"), str(ROOT / "optim"))

TRAINING = {
    f"test_{name}.py"
    for name in (
        "devices digits layers layers_sequences layers_values losses nn nn_attention nn_cells nn_normalization optim "
        "optim_whole tape update variable"
    ).split()
}

# Names of functions by which a user asks for values, and files whose purpose is to bring them to the host.
ASKED = {
    "__array__", "__bool__", "__complex__", "__float__", "__format__", "__int__", "__reduce__", "__reduce_ex__",
    "__repr__", "__str__", "_on_host", "item", "numpy", "to", "tolist",
}  # fmt: skip
READERS = {
    "algebra.py", "look.py",  # of a plan: once, while it is made
    "checkpoint.py", "checkpoint_files.py", "checkpoint_manager.py", "debug.py", "explain.py", "history.py",
    "metrics.py", "numerics.py", "profile.py", "testing.py",
}  # fmt: skip
# CuPy wraps wrong indices round, so ids and labels that lie on the device are looked at before they are used.
KNOWN = {("index.py", "check_ids"), ("index.py", "check_range"), ("ctc.py", "_lengths"), ("update.py", "_checked_rows")}


def _where() -> str | None:
    """The line of the library that waits silently, or None."""
    frame, place = sys._getframe(2), None
    while frame is not None:
        path, name = frame.f_code.co_filename, frame.f_code.co_name
        if path.startswith(LIBRARY):
            key = (Path(path).name, name)
            if name in ASKED or key[0] in READERS or key in KNOWN:
                return None
            if place is None and key[0] != "backend.py":
                place = f"{Path(path).relative_to(ROOT)}:{frame.f_lineno} in {name}"
        elif path.startswith(str(ROOT / "tests")) and Path(path).name.startswith("test_"):
            return place
        frame = frame.f_back
    return place


@contextmanager
def forbidden():
    """A silent wait inside raises `Transfer`, which names the line of the library."""

    def refuse(what):
        place = _where() if what.startswith("down") else None
        if place is not None:
            raise Transfer(f"{what}, silently, at {place}")

    strict_array._listeners.append(refuse)
    try:
        yield
    finally:
        strict_array._listeners.remove(refuse)
