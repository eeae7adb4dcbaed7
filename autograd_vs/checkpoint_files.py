"""Files of named arrays: safetensors, written whole or not at all and read after checks; ``.npz``, read. Floor 3.

Nothing here unpickles. What is in a file is somebody else's word: sizes and offsets are checked before any is believed.
"""

import json
import os
from _thread import get_ident
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np

__all__ = ["TensorFile", "read", "write"]

_DTYPES = {
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64",
    "bfloat16",
}  # fmt: skip
_LONGEST_HEADER = 100_000_000  # what the library takes, too
_PIECE = 1 << 24  # bytes in one write


def _library() -> Any:
    try:
        import safetensors
        import safetensors.numpy
    except ImportError as error:
        raise ImportError(
            "checkpoints are safetensors files, and the library of that name cannot be imported here "
            f'({error}): pip install "autograd-vs[train]"'
        ) from error
    with suppress(ImportError):  # it gives NumPy the dtype bfloat16
        import ml_dtypes  # noqa: F401
    return safetensors


# ---------------------------------------------------------------- writing


def write(path: str, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> None:
    """Write a safetensors file: `path` has the old content or the new one, whatever happens in between.

    The new file is written beside the old one, brought to the disk, and moved over it.

    Raises
    ------
    TypeError
        If the format has no such dtype; nothing is written.
    OSError
        If the disk is full, say. The file that was there is as it was.
    """
    library = _library()  # its own function for files makes them readable for their owner only
    for name, a in arrays.items():
        if a.dtype.name not in _DTYPES:
            raise TypeError(f"{name!r} is of dtype {a.dtype}, which a safetensors file cannot hold")
    # The library writes the bytes as they lie: other orders, of elements and in them, would be wrong data in silence.
    plain = {name: np.asarray(a, a.dtype.newbyteorder("="), order="C") for name, a in arrays.items()}
    content = memoryview(library.numpy.save(plain, dict(metadata)))
    folder = os.path.dirname(path) or "."
    os.makedirs(folder, exist_ok=True)
    temporary = f"{path}.{os.getpid()}-{get_ident()}.tmp"
    try:
        with _opened(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0)) as file:
            while content:
                content = content[os.write(file, content[:_PIECE]) :]
            os.fsync(file)
        os.replace(temporary, path)
    except BaseException as error:
        with suppress(OSError):  # it may not be there
            os.remove(temporary)
        if isinstance(error, OSError):
            raise OSError(error.errno, f"{error.strerror} (what was there is unchanged)", path) from error
        raise
    if os.name == "posix":  # elsewhere a folder cannot be opened
        with _opened(folder, os.O_RDONLY) as file:
            os.fsync(file)


@contextmanager
def _opened(path: str, flags: int) -> Iterator[int]:
    descriptor = os.open(path, flags, 0o666)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


# ---------------------------------------------------------------- reading


class TensorFile(Mapping):
    """The arrays of a safetensors file by name, each read when it is asked for.

    Parameters
    ----------
    path : str

    Attributes
    ----------
    metadata : dict of str

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no safetensors file, or not a whole one. The message says what is wrong.
    """

    def __init__(self, path: str):
        library = _library()
        self.path = path
        _check_header(path)
        try:
            self._file = library.safe_open(path, framework="numpy")
            self.metadata: dict[str, str] = self._file.metadata() or {}
            self._names = dict.fromkeys(self._file.keys())
        except library.SafetensorError as error:
            raise _damaged(path, str(error)) from error

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._names:
            raise KeyError(name)
        try:
            return self._file.get_tensor(name)
        except Exception as error:  # of several types: a dtype that NumPy lacks, say
            raise ValueError(
                f"{self.path}: {name!r} cannot be read as a NumPy array ({type(error).__name__}: {error}). bfloat16 "
                "needs the package ml_dtypes"
            ) from error

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _damaged(path: str, why: str) -> ValueError:
    return ValueError(
        f"{path} is not a checkpoint, or not a whole one: {why}. (Pickled PyTorch files are not read: write them anew "
        "with safetensors.torch.save_file(model.state_dict(), path).)"
    )


def _check_header(path: str) -> None:
    """What the library lets pass, or says less clearly: names that come twice, lengths that the file does not have."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        length = int.from_bytes(file.read(8), "little")
        if size < 8:
            raise _damaged(path, f"it has {size} bytes, and 8 are needed for the length of a header alone")
        if length > min(size - 8, _LONGEST_HEADER):
            raise _damaged(path, f"its header would have {length} bytes, the file has {size}")
        text = file.read(length)
    try:
        header = json.loads(text.decode(), object_pairs_hook=_each_once)
    except (ValueError, RecursionError) as error:
        raise _damaged(path, f"its header is no table of arrays ({error})") from error
    if not isinstance(header, dict):
        raise _damaged(path, "its header is no table of arrays")


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        twice = next(name for i, (name, _) in enumerate(pairs) if name in dict(pairs[:i]))
        raise ValueError(f"{twice!r} is there twice")
    return table


def read(path: str) -> Mapping[str, np.ndarray]:
    """The arrays of a safetensors or ``.npz`` file.

    Raises
    ------
    FileNotFoundError, ValueError
        As `TensorFile`.
    """
    with open(path, "rb") as file:
        is_archive = file.read(4) == b"PK\x03\x04"
    return _read_archive(path) if is_archive else TensorFile(path)


def _read_archive(path: str) -> dict[str, np.ndarray]:
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except Exception as error:  # of many types: of zip files, of compression, of NumPy
        raise _damaged(path, f"{type(error).__name__}: {error}") from error
    other = [name for name, a in arrays.items() if not isinstance(a, np.ndarray)]
    if other:
        raise _damaged(path, f"it is an archive with {other[0]!r} in it, which is no NumPy array")
    return arrays
