"""Whether a GPU works here, and transfers of CuPy's arrays, told to those who listen in `strict_array.py`.

`python tests/on_gpu.py` says why no GPU works, and ends with 1; it says nothing and ends with 0 where one does.
"""

import sys
from functools import cache, wraps


@cache
def why_not() -> str | None:
    """Why no GPU can be used, or None. That a device can be seen is not enough: it may refuse to work."""
    try:
        import cupy

        if not cupy.is_available():
            return f"CuPy {cupy.__version__} sees no GPU"
        assert int(cupy.ones(2).sum()) == 2
    except Exception as error:
        return f"no GPU works: {type(error).__name__}: {error}"
    return None


# What makes the host wait for values, of arrays and of the module.
METHODS = (
    "__bool__", "__complex__", "__float__", "__format__", "__int__", "__repr__", "__str__",
    "get", "item", "nonzero", "tobytes", "tolist",
)  # fmt: skip


def tell_of_transfers(cupy, note, waiting) -> None:
    """Tell ``note(what)`` when an array of CuPy goes down, or is waited for; and ``note(what, up=True)`` of uploads.

    `waiting` are the names of functions that look at values before they return. For good: there is no way back.
    """

    def told(function, what, up=False, when=None):
        @wraps(function, updated=())
        def call(*args, **kwargs):
            if when is None or when(*args, **kwargs):
                note(what, up)
            return function(*args, **kwargs)

        return call

    def is_mask(a, index, *value):
        parts = index if isinstance(index, tuple) else (index,)
        return any(getattr(getattr(p, "dtype", None), "kind", "") == "b" for p in parts)

    def from_host(x, *_, **__):
        return not isinstance(x, cupy.ndarray) and getattr(x, "ndim", 1) > 0

    for name in METHODS:
        setattr(cupy.ndarray, name, told(getattr(cupy.ndarray, name), name.strip("_")))
    for name in ("__getitem__", "__setitem__"):
        setattr(cupy.ndarray, name, told(getattr(cupy.ndarray, name), "mask", when=is_mask))
    for name in sorted(waiting & set(dir(cupy))):
        setattr(cupy, name, told(getattr(cupy, name), name))
    cupy.where = told(cupy.where, "where", when=lambda *args, **kwargs: len(args) + len(kwargs) == 1)
    for name in ("array", "asarray", "asanyarray"):
        setattr(cupy, name, told(getattr(cupy, name), name, up=True, when=from_host))


if __name__ == "__main__":
    if reason := why_not():
        print(reason)
        sys.exit(1)
