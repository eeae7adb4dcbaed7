"""Devices: which there are, which one host data goes to in this thread or task, and how arrays move. Floor 0.

A *kind* of devices is an object of a class like `Devices`, under the first part of their names: "cpu" is here, "gpu" is
CuPy's (`cuda/devices.py`), which is imported when somebody asks for it. `register_devices` puts another in its place.
"""

import os
import re
from collections.abc import Callable
from contextlib import nullcontext
from importlib import import_module
from typing import Any, NamedTuple

from . import backend

__all__ = [
    "Copies", "Device", "Devices", "copies", "device", "devices", "memory_limit", "moved", "name_of",
    "register_devices", "size_text", "watched",
]  # fmt: skip


class Device(NamedTuple):
    """A device as `devices` lists it.

    Attributes
    ----------
    name : str
        "cpu", "gpu:0", "gpu:1", ...: what `device` and ``t.to(...)`` take.
    description : str
        What it is.
    memory : int or None
        Its memory in bytes; None if that is not known.
    """

    name: str
    description: str
    memory: int | None

    def __repr__(self) -> str:
        memory = "" if self.memory is None else f", {size_text(self.memory)}"
        return f"<{self.name}: {self.description}{memory}>"


class Copies:
    """How batches come to a device ahead of the loop that uses them.

    `start` may be called in another thread than `finish`, which belongs to that of the loop.
    """

    def __init__(self, put: Callable):
        self._put = put

    def start(self, arrays: list) -> Any:
        """Begin to copy these arrays; what `finish` needs."""
        return [self._put(a) if backend.has_numbers(a.dtype) else a for a in arrays]  # text stays NumPy's

    def finish(self, started: Any) -> list:
        """The arrays on the device, to be used by whatever is computed from now on."""
        return started


class Devices:
    """The devices of one kind, for `register_devices`: what an array library does for them."""

    def found(self) -> list[Device]:
        """Those that there are; empty where none can be used. Never raises."""
        raise NotImplementedError

    def check(self, number: int) -> None:
        """RuntimeError, or ImportError, with what to do, unless there is a device of this number."""
        raise NotImplementedError

    def put(self, array: Any, number: int) -> Any:
        """A host array, or an array of this kind of devices, as an array on the device of this number."""
        raise NotImplementedError

    def current(self, number: int) -> Any:
        """A ``with`` in which the library computes on the device of this number."""
        return nullcontext()

    def copies(self, number: int) -> Copies:
        """How batches get there."""
        return Copies(lambda a: self.put(a, number))

    def limit(self, size: int | None, number: int) -> int | None:
        """Set the most bytes that its arrays may take (None: no limit), and give what held before."""
        raise NotImplementedError


class _Host(Devices):
    def found(self):
        import platform  # not at import time

        try:
            memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        except (AttributeError, OSError, ValueError):  # no such system call, as on Windows
            memory = None
        return [Device("cpu", f"{platform.machine() or 'host'}, {os.cpu_count()} cores", memory)]

    def check(self, number):
        pass

    def put(self, array, number):
        return backend.on_host(array)

    def limit(self, size, number):
        raise ValueError("memory_limit is for GPUs; the system limits that of a process: resource.setrlimit, ulimit -v")


_kinds: dict[str, Any] = {"cpu": _Host(), "gpu": ".cuda.devices"}  # or the module that has it as `kind`


def register_devices(kind: str, those: "Devices | str") -> "Devices | str":
    """Let `those` be the devices whose names begin with `kind`; returns what was there before.

    Parameters
    ----------
    kind : str
        "gpu" for the names "gpu:0", "gpu:1", ...
    those : Devices
        Their arrays' library must be known: `backend.register_backend`.
    """
    before = _kinds.get(kind, "")
    _kinds[kind] = those
    return before


def _kind(name: str) -> Devices:
    those = _kinds[name]
    if isinstance(those, str):
        those = _kinds[name] = import_module(those, __package__).kind
    return those


_SPELLED = r"(cpu)|([a-z]+)(?::(\d+))?"


def _parts(name: Any) -> tuple[str, int]:
    """("gpu", 0) for "gpu:0" and "gpu"."""
    given = name.name if isinstance(name, Device) else name
    if not isinstance(given, str):
        raise TypeError(
            f"a device is named by a string, 'cpu' or 'gpu:0', got {name!r} ({type(name).__name__}); x.astype(dtype) "
            "converts to a dtype"
        )
    found = re.fullmatch(_SPELLED, given)
    kind = found and (found[1] or found[2])
    if not found or kind not in _kinds or (found[2] == "cpu"):
        number = re.search(r"\d+", given)
        likely = f"gpu:{number[0] if number else 0}" if re.search("cuda|gpu", given, re.I) else "cpu"
        raise ValueError(f"{given!r} is not the name of a device: 'cpu', 'gpu:0', 'gpu:1', ... (here, {likely!r}?)")
    return kind, int(found[3] or 0)


def _checked(name: Any) -> tuple[str, Devices, int]:
    """The full name of a device that is there, its kind, its number."""
    kind, number = _parts(name)
    those = _kind(kind)
    those.check(number)
    return (kind if kind == "cpu" else f"{kind}:{number}"), those, number


def name_of(device: "str | Device") -> str:
    """The full name of a device that is there; errors as of `device`."""
    return _checked(device)[0]


def devices() -> tuple[Device, ...]:
    """The devices that can be used here: the processor first, then the GPUs that CuPy sees.

    CuPy is imported by this call, where it is installed; nothing raises where it is not, or sees no GPU (then
    ``av.device("gpu:0")`` says what is missing).

    Returns
    -------
    tuple of Device
        Each with `name`, `description` and `memory` (bytes, in all).

    Examples
    --------
    >>> av.devices()[0].name
    'cpu'
    """
    return tuple([found for kind in _kinds for found in _kind(kind).found()])


class Place(NamedTuple):
    """An open `device`."""

    below: "Place | None"
    name: str
    put: Any  # what brings a host array there; None for the host itself

    def __repr__(self):
        return f"<device {self.name}>"


class device:
    """A ``with`` in which host data goes to this device: what is made of NumPy arrays, lists and numbers lies there.

    Parameters
    ----------
    name : str or Device
        "cpu", "gpu:0", "gpu:1", ... ("gpu" is "gpu:0"), or an element of `devices()`.

    Raises
    ------
    TypeError, ValueError
        If `name` is not the name of a device.
    ImportError
        If CuPy is needed and cannot be imported.
    RuntimeError
        If there is no such device.

    Notes
    -----
    It decides where Tensors, Variables, `get_variable`, initializers, random numbers, `zeros` and batches of host data
    go, and raw NumPy arrays beside Tensors. What is an array on a device already stays where it is, and what is
    computed from it stays there, too: ``t.to("cpu")`` moves. So a model lies where its variables were made.

    It holds for the thread or async task that opens it, and nests. CuPy's current device is set along with it, which
    belongs to the thread: tasks of one thread that use several GPUs must not take turns inside.

    Examples
    --------
    >>> with av.device("cpu"):
    ...     av.Tensor([1.0, 2.0]).device
    'cpu'
    """

    def __init__(self, name: "str | Device") -> None:
        self.name, self._kind, self._number = _checked(name)
        self._open: list[tuple[Place, Any]] = []

    def __enter__(self) -> "device":
        put = None if self.name == "cpu" else lambda array: self._kind.put(array, self._number)
        current = self._kind.current(self._number)
        place = Place(backend.places.top(), self.name, put)
        current.__enter__()
        try:
            self._open.append((place, current))
            backend.open_place(place)
            return self
        except BaseException:  # an interrupt
            backend.places.pop(place, quiet=True)
            current.__exit__(None, None, None)
            raise

    def __exit__(self, kind, value, trace) -> None:
        place, current = self._open[-1]
        try:
            backend.places.leave(place, quiet=kind is not None)
        except BaseException:  # disorder, or an interrupt before the end
            backend.places.pop(place, quiet=True)
            raise
        finally:
            del self._open[-1:]
            current.__exit__(kind, value, trace)

    def __repr__(self) -> str:
        return f"av.device({self.name!r})"


@backend.kernel
def moved(array, name):
    """A copy of the array on a device; by None where it lies.

    Raises
    ------
    TypeError, ValueError, ImportError, RuntimeError
        As `device` does.
    """
    if name is None:
        return array.copy()
    _, kind, number = _checked(name)
    return kind.put(array, number)


def copies(name: "str | Device | None") -> Copies:
    """How batches get to a device; by default to where host data goes here."""
    place = backend.places.top()
    if name is None and place is None:
        return Copies(backend.placed)
    name, kind, number = _checked(place.name if name is None else name)
    return kind.copies(number)


# ---------------------------------------------------------------- memory


_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_UNITS |= {"KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "TIB": 1 << 40}


def memory_limit(size: "int | str | None", device: "str | Device" = "gpu:0") -> int | None:
    """Limit the memory that arrays may take on a GPU; beyond it an allocation raises MemoryError.

    Parameters
    ----------
    size : int, str or None
        Bytes; or "4 GB", "512 MiB", "80%" of what the device has. None takes the limit away.
    device : str or Device, default "gpu:0"

    Returns
    -------
    int or None
        The limit that held before, in bytes.

    Raises
    ------
    ValueError
        If `size` is not such a size, or the device is the host.
    TypeError, ImportError, RuntimeError
        As `device` does.

    Notes
    -----
    It is the limit of CuPy's default memory pool, which keeps what was freed for the arrays that come next. What the
    driver and the CUDA libraries need (some hundred MB) is not in it.
    """
    name, kind, number = _checked(device)
    return kind.limit(_bytes(size, name), number)


def _bytes(size, name) -> int | None:
    if size is None:
        return None
    if isinstance(size, str):
        found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(%|[KMGT]?i?B)?\s*", size, re.I)
        if found and found[2] == "%":
            whole = next((d.memory for d in devices() if d.name == name), None)
            if whole is not None and 0 < float(found[1]) <= 100:
                return int(whole * float(found[1]) / 100)
        elif found and float(found[1]) > 0:
            return int(float(found[1]) * _UNITS[(found[2] or "").upper()])
    elif isinstance(size, int) and not isinstance(size, bool) and size > 0:
        return size
    raise ValueError(f"a memory limit is a number of bytes above 0, or '4 GB', '512 MiB', '80%', or None; got {size!r}")


def size_text(n: int) -> str:
    """1536 bytes as "1.5 KiB"."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if n < 1024 or unit == "GiB":
            break
        n /= 1024  # type: ignore[assignment]
    return f"{n:.4g} {unit}"


def watched(allocate: Callable[[int], Any], failure: type[MemoryError], where: Callable[[], str]) -> Callable:
    """An allocator of a device whose errors say what the memory is taken by.

    Parameters
    ----------
    allocate : function of a number of bytes
    failure : type
        What it raises where there is no more memory. The same exception comes out, with a longer text.
    where : function
        The name of the device that is current.
    """

    def allocator(size):
        try:
            return allocate(size)
        except failure as error:
            error.args = (_with_what_is_held(str(error), where()), *error.args[1:])
            raise

    return allocator


def _with_what_is_held(text: str, name: str, shown: int = 10) -> str:
    found = sorted(backend.held(name), key=lambda row: -row[0])
    lines = [f"{text}\nThe largest arrays that are held on {name!r} ({size_text(sum(n for n, _ in found))} in all):"]
    lines += [f"  {size_text(n):>10}  {what}" for n, what in found[:shown]]
    if found[shown:]:
        lines.append(f"  {size_text(sum(n for n, _ in found[shown:])):>10}  in {len(found) - shown} others")
    if not found:
        lines[0] = f"{text}\nNo Tensor, Variable, tape or optimizer holds an array on {name!r}: others take the memory."
    lines.append(
        "A smaller batch, `av.recompute_grad`, tapes that are not persistent, and letting go of results of earlier "
        "steps (`del`, `.item()` of a loss) take less."
    )
    return "\n".join(lines)
