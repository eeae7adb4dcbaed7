"""Files of named arrays: safetensors, written whole or not at all and read after checks; ``.npz``, read. Floor 3.

Nothing here unpickles. What is in a file is somebody else's word: sizes and offsets are checked before any is believed.
"""

import json
import math
import os
from _thread import get_ident
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np

__all__ = ["TensorFile", "read", "write"]

_DTYPES = {
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64",
    "bfloat16",
}  # fmt: skip
_LONGEST_HEADER = 1 << 24  # bytes: more than a hundred thousand arrays have; a hostile one costs seconds at most
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
    return safetensors


# ---------------------------------------------------------------- writing


def write(path: str, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> None:
    """Write a safetensors file: `path` has the old content or the new one, whatever happens in between.

    The new file is written beside the old one, brought to the disk, and moved over it. It gets the permissions of the
    old one; a symbolic link stays, and what it points to is replaced.

    Raises
    ------
    TypeError
        If the format has no such dtype; nothing is written.
    ValueError
        If names and metadata are longer than a header may be; nothing is written.
    OSError
        If the disk is full, say, or the old file may not be written. The file that was there is as it was.
    """
    library = _library()  # its own function for files makes them readable for their owner only
    for name, a in arrays.items():
        if a.dtype.name not in _DTYPES:
            raise TypeError(f"{name!r} is of dtype {a.dtype}, which a safetensors file cannot hold")
    # The library writes the bytes as they lie: other orders, of elements and in them, would be wrong data in silence.
    plain = {name: np.asarray(a, a.dtype.newbyteorder("="), order="C") for name, a in arrays.items()}
    content = memoryview(library.numpy.save(plain, dict(metadata)))
    length = int.from_bytes(content[:8], "little")
    if length > _LONGEST_HEADER:
        raise ValueError(
            f"names and metadata take {length} bytes, at most {_LONGEST_HEADER} are read: long lists belong into arrays"
        )
    target = os.path.realpath(path)
    folder = os.path.dirname(target)
    temporary = f"{target}.{os.getpid()}-{get_ident()}.tmp"
    try:
        os.makedirs(folder, exist_ok=True)
        mode = _permissions(target)
        with _opened(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0)) as file:
            if mode is not None:
                os.chmod(temporary, mode)
            while content:
                content = content[os.write(file, content[:_PIECE]) :]
            os.fsync(file)
        os.replace(temporary, target)
    except BaseException as error:
        with suppress(OSError):  # it may not be there
            os.remove(temporary)
        if isinstance(error, OSError):
            raise OSError(error.errno, f"{error.strerror} (what was there is unchanged)", path) from error
        raise
    if os.name == "posix":  # elsewhere a folder cannot be opened
        with _opened(folder, os.O_RDONLY) as file:
            os.fsync(file)


def _permissions(path: str) -> int | None:
    """Those of the file that is there, once it is clear that it may be written; None if there is none."""
    try:
        with _opened(path, os.O_WRONLY) as file:
            return os.fstat(file).st_mode & 0o777
    except FileNotFoundError:
        return None


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

    bfloat16, which NumPy lacks, is that of ml_dtypes; where that is not installed, the same numbers in float32.

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
        self._header = _header(path)
        try:
            self._file = library.safe_open(path, framework="numpy")
            self.metadata: dict[str, str] = self._file.metadata() or {}
        except library.SafetensorError as error:
            raise _damaged(path, str(error)) from error

    def __getitem__(self, name: str) -> np.ndarray:
        entry = self._header[name]
        try:
            return self._bfloat16(entry) if entry["dtype"] == "BF16" else self._file.get_tensor(name)
        except Exception as error:  # of several types: a dtype that NumPy lacks, say
            raise ValueError(
                f"{self.path}: {name!r} of dtype {entry['dtype']} cannot be read as a NumPy array "
                f"({type(error).__name__}: {error})"
            ) from error

    def _bfloat16(self, entry: dict[str, Any]) -> np.ndarray:
        with open(self.path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            bits = np.fromfile(file, "<u2", math.prod(entry["shape"]), offset=length + entry["data_offsets"][0])
        bits = bits.astype(np.uint16, copy=False).reshape(entry["shape"])
        try:
            from ml_dtypes import bfloat16
        except ImportError:  # it is the upper half of a float32
            return np.left_shift(bits, 16, dtype=np.uint32).view(np.float32)
        return bits.view(bfloat16)

    def __contains__(self, name: object) -> bool:
        return name in self._header

    def __iter__(self) -> Iterator[str]:
        return iter(self._header)

    def __len__(self) -> int:
        return len(self._header)


def _damaged(path: str, why: str) -> ValueError:
    return ValueError(
        f"{path} is not a checkpoint, or not a whole one: {why}. (Pickled PyTorch files are not read: write them anew "
        "with safetensors.torch.save_file(model.state_dict(), path).)"
    )


def _header(path: str) -> dict[str, Any]:
    """The entries of arrays by name, once more than what the library checks: no name comes twice, lengths are right."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        length = int.from_bytes(file.read(8), "little")
        if size < 8:
            raise _damaged(path, f"it has {size} bytes, and 8 are needed for the length of a header alone")
        if length > min(size - 8, _LONGEST_HEADER):
            raise _damaged(
                path, f"its header would have {length} bytes, the file has {size}, and {_LONGEST_HEADER} are the most"
            )
        text = file.read(length)
    try:
        header = json.loads(text.decode(), object_pairs_hook=_each_once)
    except (ValueError, RecursionError) as error:
        raise _damaged(path, f"its header is no table of arrays ({error})") from error
    if not isinstance(header, dict):
        raise _damaged(path, "its header is no table of arrays")
    header.pop("__metadata__", None)
    return header


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
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
