"""Files that are cut, damaged or hostile; disks that fill up and processes that die while a file is written."""

import contextlib
import json
import os
import signal
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import autograd_vs as av
import optim
from autograd_vs import checkpoint_files as files

pytest.importorskip("safetensors", reason="checkpoints need the extra [train]")
pytestmark = pytest.mark.host("files on the host")

ROOT = Path(__file__).parent.parent
SPEC = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.fixture
def run(tmp_path):
    """(path, store, optimizer) of a small run that is saved at `path`."""
    with av.VariableStore(seed=0) as store:
        for name in ("encoder/kernel", "encoder/bias"):
            av.get_variable(name, (3, 2))
    optimizer = optim.Adam()
    optimizer.minimize(lambda: sum(av.sum(v * v) for v in store.variables()), store.variables())
    path = tmp_path / "run.safetensors"
    av.save(path, store, optimizer)
    return path, store, optimizer


def bits(store, optimizer):
    slots = {k: v.tobytes() if hasattr(v, "tobytes") else v for k, v in optimizer.state_dict().items()}
    return {name: store[name].numpy().tobytes() for name in store} | slots


def refused(path, store, optimizer):
    """The file is refused as one ValueError that names it, and nothing is changed. The text."""
    before = bits(store, optimizer)
    with pytest.raises(ValueError) as error:
        av.load(path, store, optimizer)
    assert bits(store, optimizer) == before
    assert str(path) in str(error.value)
    return str(error.value)


# ---------------------------------------------------------------- cut, damaged, hostile


def test_a_file_cut_at_any_byte_is_refused(run):
    path, *live = run
    whole = path.read_bytes()
    (header,) = struct.unpack("<Q", whole[:8])
    for length in {*range(20), *range(8 + header - 3, len(whole)), *range(20, len(whole), 97)} - {len(whole)}:
        path.write_bytes(whole[:length])
        assert "is not a checkpoint, or not a whole one" in refused(path, *live), length
    path.write_bytes(whole)
    assert av.load(path, *live).complete


def test_a_file_that_goes_on_is_refused(run):
    path, *live = run
    path.write_bytes(path.read_bytes() + b"\0")
    assert "is not a checkpoint" in refused(path, *live)


def header(table, data=b"x" * 8, length=None):
    text = table if isinstance(table, bytes) else json.dumps(table).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


HOSTILE = {
    "length of 2**64 - 1": header({"a": SPEC}, length=2**64 - 1),
    "length of 2**63": header({"a": SPEC}, length=2**63),
    "length one too long": header({"a": SPEC}, b"", length=len(json.dumps({"a": SPEC})) + 1),
    "length 0": header(b"", length=0),
    "no JSON": header(b"{"),
    "JSON of another kind": header([1, 2]),
    "null": header(b"null"),
    "UTF-16": header(json.dumps({"a": SPEC}).encode("utf-16")),
    "deep lists": header(b"[" * 200_000),
    "deep tables": header(b'{"a":' * 200_000),
    "a number of 5000 digits": header(json.dumps({"a": SPEC}).replace("8]", "8" + "0" * 5000 + "]").encode()),
    "a name that comes twice": header(b'{"a":%s,"a":%s}' % ((json.dumps(SPEC).encode(),) * 2)),
    "two arrays in one place": header({"a": SPEC, "b": SPEC}),
    "arrays that overlap": header({"a": SPEC, "b": {**SPEC, "data_offsets": [4, 12]}}, b"x" * 12),
    "a hole": header({"a": SPEC, "b": {**SPEC, "data_offsets": [12, 20]}}, b"x" * 20),
    "an end behind the file": header({"a": {**SPEC, "data_offsets": [0, 2**62]}}),
    "an end before the start": header({"a": {**SPEC, "data_offsets": [8, 0]}}),
    "a negative start": header({"a": {**SPEC, "data_offsets": [-8, 0]}}),
    "a shape that is too large": header({"a": {**SPEC, "shape": [2**40]}}),
    "a shape that overflows": header({"a": {**SPEC, "shape": [2**62, 4]}}),
    "a negative shape": header({"a": {**SPEC, "shape": [-2]}}),
    "a shape of floats": header({"a": {**SPEC, "shape": [2.0]}}),
    "no shape": header({"a": {**SPEC, "shape": None}}),
    "no table": header({"a": 5}),
    "an unknown dtype": header({"a": {**SPEC, "dtype": "Q7"}}),
    "metadata of numbers": header({"__metadata__": {"a": 5}, "a": SPEC}),
    "metadata that are none": header({"__metadata__": 5, "a": SPEC}),
    "a pickle": b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00}\x94\x8c\x01a\x94K\x01s.",
    "text": b"name,value\nw,1.0\n",
    "nothing": b"",
    "an archive cut short": b"PK\x03\x04" + b"\0" * 20,
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_files_are_one_clear_error(run, what):
    path, *live = run
    path.write_bytes(HOSTILE[what])
    assert "is not a checkpoint, or not a whole one" in refused(path, *live)


def test_the_plain_header_of_these_is_good(tmp_path):
    (tmp_path / "a").write_bytes(header({"a": SPEC}))
    assert files.read(str(tmp_path / "a"))["a"].shape == (2,)


def test_no_file_and_a_folder(run, tmp_path):
    _, *live = run
    with pytest.raises(FileNotFoundError):
        av.load(tmp_path / "nothing", *live)
    with pytest.raises((IsADirectoryError, PermissionError)):
        av.load(tmp_path, *live)


def test_random_damage_to_the_header_never_gets_past_the_checks(run):
    """A damaged byte is refused, or is a character in a name or number that the load then misses or takes."""
    path, store, optimizer = run
    whole = path.read_bytes()
    (size,) = struct.unpack("<Q", whole[:8])
    rng = np.random.default_rng(0)
    before = bits(store, optimizer)
    refusals = 0
    for at in rng.integers(0, 8 + size, 300):
        data = bytearray(whole)
        data[at] ^= 1 << int(rng.integers(8))
        path.write_bytes(data)
        try:
            av.load(path, store, optimizer)
        except ValueError:
            refusals += 1
            assert bits(store, optimizer) == before
        else:  # back to where it was
            path.write_bytes(whole)
            av.load(path, store, optimizer)
    assert refusals > 200


def test_bfloat16_of_other_programs(tmp_path):
    (tmp_path / "a").write_bytes(
        header({"a": {**SPEC, "dtype": "BF16", "shape": [4]}}, struct.pack("<4H", 0x3F80, 0x4000, 0, 0xBF80))
    )
    with av.VariableStore():
        v = av.get_variable("a", (4,))
    av.load(tmp_path / "a", v, cast=True)
    assert v.numpy().tolist() == [1, 2, 0, -1]


def test_bfloat16_where_numpy_lacks_it_is_float32_bit_for_bit(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    patterns = np.arange(2**16, dtype="<u2").reshape(256, 256)  # each number there is, and each NaN
    table = {
        "first": {"dtype": "U8", "shape": [3], "data_offsets": [0, 3]},
        "all": {"dtype": "BF16", "shape": [256, 256], "data_offsets": [3, 3 + 2**17]},
        "none": {"dtype": "BF16", "shape": [0, 4], "data_offsets": [3 + 2**17, 3 + 2**17]},
        "single": {"dtype": "BF16", "shape": [], "data_offsets": [3 + 2**17, 5 + 2**17]},
    }
    (tmp_path / "a").write_bytes(header(table, b"123" + patterns.tobytes() + b"\x49\x40"))
    found = files.read(str(tmp_path / "a"))
    assert found["all"].dtype == np.float32 and np.array_equal(
        found["all"].view(np.uint32), patterns.astype(np.uint32) << 16
    )
    assert found["none"].shape == (0, 4) and found["single"].shape == () and found["single"] == 3.140625


def test_bfloat16_of_ml_dtypes_comes_back(tmp_path):
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    files.write(str(tmp_path / "a"), {"a": np.array([1, 3.140625, np.inf], bfloat16)}, {})
    assert files.read(str(tmp_path / "a"))["a"].dtype == bfloat16
    assert files.read(str(tmp_path / "a"))["a"].tolist() == [1, 3.140625, np.inf]


def test_dtypes_that_numpy_lacks_are_said(tmp_path):
    (tmp_path / "a").write_bytes(header({"a": {**SPEC, "dtype": "F8_E4M3", "shape": [8]}}))
    with av.VariableStore():
        v = av.get_variable("a", (8,))
    with pytest.raises(ValueError, match="'a' of dtype F8_E4M3 cannot be read as a NumPy array"):
        av.load(tmp_path / "a", v)


def test_long_headers_are_refused_before_they_are_read_and_never_written(tmp_path, monkeypatch):
    path, length = tmp_path / "a", 100_000_000
    with open(path, "wb") as file:  # a sparse file: as long as its header claims
        file.write(struct.pack("<Q", length))
        file.truncate(8 + length)
    monkeypatch.setattr(files.json, "loads", lambda text: pytest.fail("it was read"))
    with pytest.raises(ValueError, match=r"its header would have 100000000 bytes, .* 16777216 are the most"):
        files.read(str(path))
    path.unlink()
    with pytest.raises(ValueError, match="long lists belong into arrays"):
        files.write(str(path), {"a": np.zeros(1)}, {"text": "x" * 2**24})
    assert os.listdir(tmp_path) == []


def test_which_of_many_names_comes_twice_is_found_at_once(tmp_path):
    empty = b'{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'
    names = [b"n%d" % i for i in range(20_000)] + [b"n19999"]
    (tmp_path / "a").write_bytes(header(b"{" + b",".join(b'"%s":%s' % (name, empty) for name in names) + b"}", b""))
    with pytest.raises(ValueError, match="'n19999' is there twice"):
        files.read(str(tmp_path / "a"))


# ---------------------------------------------------------------- full disks


@contextlib.contextmanager
def disk_of(size):
    """Writes behind the `size`-th byte of any file fail, as on a full disk."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_is_full_at_any_byte_leaves_the_old_file(run):
    path, store, optimizer = run
    old = path.read_bytes()
    store["encoder/kernel"].assign(np.ones((3, 2)))
    for size in {0, 1, 7, 8, 9, len(old) - 1, *range(0, len(old), 41)}:
        with disk_of(size), pytest.raises(OSError, match="what was there is unchanged"):
            av.save(path, store, optimizer)
        assert path.read_bytes() == old and os.listdir(path.parent) == [path.name]
    with disk_of(len(old)):
        av.save(path, store, optimizer)
    assert path.read_bytes() != old


def test_an_error_at_any_write_leaves_the_old_file(run, monkeypatch):
    path, store, optimizer = run
    old = path.read_bytes()
    store["encoder/kernel"].assign(np.ones((3, 2)))
    real, written = os.write, []

    def write(file, data):
        if len(written) == limit:
            raise OSError(28, "No space left on device")
        written.append(len(data))
        return real(file, data[: len(data) // 2 + 1])  # and a system may write less than it is asked to

    monkeypatch.setattr(files, "_PIECE", 100)
    monkeypatch.setattr(files.os, "write", write)
    for limit in range(100):  # noqa: B007  (`write` reads it)
        written.clear()
        try:
            av.save(path, store, optimizer)
        except OSError as error:
            assert error.errno == 28 and error.filename == str(path)
            assert path.read_bytes() == old and os.listdir(path.parent) == [path.name]
        else:
            break
    assert 5 < limit < 99 and len(path.read_bytes()) == len(old) and path.read_bytes() != old


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_others_may_read_what_the_umask_lets_them(run):
    path, *_ = run
    (path.parent / "plain").write_bytes(b"")
    assert path.stat().st_mode == (path.parent / "plain").stat().st_mode


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_a_file_keeps_its_permissions_and_one_that_may_not_be_written_its_content(run, monkeypatch):
    path, store, optimizer = run
    path.chmod(0o600)
    av.save(path, store, optimizer)
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o400)
    old, real = path.read_bytes(), os.open

    def as_a_user(name, flags, *mode):  # root may write all
        if os.fspath(name) == str(path) and flags & os.O_WRONLY:
            raise PermissionError(13, "Permission denied", name)
        return real(name, flags, *mode)

    monkeypatch.setattr(files.os, "open", as_a_user)
    with pytest.raises(PermissionError, match="what was there is unchanged"):
        av.save(path, store)
    assert path.read_bytes() == old and os.listdir(path.parent) == [path.name]


@pytest.mark.skipif(os.name != "posix", reason="links of POSIX")
def test_a_link_stays_and_what_it_points_to_is_replaced(run, tmp_path):
    path, store, _ = run
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    link, dangling = folder / "link", folder / "dangling"
    link.symlink_to(path)
    dangling.symlink_to(tmp_path / "new")
    for each in (link, dangling):
        av.save(each, store["encoder/bias"])
        assert each.is_symlink() and list(files.read(str(each))) == ["encoder/bias"]
    assert not link.samefile(dangling) and sorted(os.listdir(folder)) == ["dangling", "link"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("kind", [OSError, KeyboardInterrupt])
def test_what_fails_before_the_file_has_its_name_leaves_the_old_one(run, monkeypatch, call, kind):
    path, store, optimizer = run
    old = path.read_bytes()
    store["encoder/kernel"].assign(np.ones((3, 2)))

    def fail(*args):
        raise kind("no")

    with monkeypatch.context() as patch:
        patch.setattr(files.os, call, fail)
        with pytest.raises(kind):
            av.save(path, store, optimizer)
    assert path.read_bytes() == old and os.listdir(path.parent) == [path.name]


def test_the_file_is_on_the_disk_before_it_has_its_name_and_the_name_is_after(run, monkeypatch):
    path, store, optimizer = run
    calls = []
    real = {name: getattr(os, name) for name in ("open", "fsync", "replace")}
    opened = {}

    def noted_open(name, *args, **options):
        descriptor = real["open"](name, *args, **options)
        opened[descriptor] = os.fspath(name)
        return descriptor

    monkeypatch.setattr(files.os, "open", noted_open)
    monkeypatch.setattr(files.os, "fsync", lambda fd: (calls.append(("fsync", opened[fd])), real["fsync"](fd)))
    monkeypatch.setattr(files.os, "replace", lambda a, b: (calls.append(("replace", a)), real["replace"](a, b)))
    av.save(path, store, optimizer)
    temporary = calls[0][1]
    assert temporary.startswith(str(path)) and temporary.endswith(".tmp")
    wanted = [("fsync", temporary), ("replace", temporary)]
    assert calls == wanted + [("fsync", str(path.parent))] * (os.name == "posix")


# ---------------------------------------------------------------- processes that die

DIES = """
import os, resource, signal, sys
import numpy as np
import autograd_vs as av
from autograd_vs import checkpoint_files as files

path, how, size = sys.argv[1], sys.argv[2], int(sys.argv[3])
with av.VariableStore(seed=1) as store:
    for name in ("encoder/kernel", "encoder/bias"):
        av.get_variable(name, (3, 2))
av.save(path + ".warm", store)  # what is loaded late is loaded now
die = lambda *args: os.kill(os.getpid(), signal.SIGKILL)
if how == "byte":  # the kernel kills it at the write of this byte
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
elif how == "named":  # the file has its name already
    real = os.replace
    files.os.replace = lambda a, b: (real(a, b), die())
else:
    setattr(files.os, how, die)
av.save(path, store)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="signals of POSIX")
@pytest.mark.parametrize(
    "how, size", [("byte", 5), ("byte", 100), ("byte", 370), ("fsync", 0), ("replace", 0), ("named", 0)]
)
def test_a_process_that_is_killed_while_it_writes_leaves_a_whole_file(run, how, size):
    path, store, _ = run
    av.save(path, store)
    old = path.read_bytes()
    assert len(old) > 370
    process = subprocess.run(
        [sys.executable, "-c", DIES, str(path), how, str(size)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert process.returncode == -(signal.SIGXFSZ if how == "byte" else signal.SIGKILL), process.stderr
    if how != "named":
        assert path.read_bytes() == old
        assert any(name.endswith(".tmp") for name in os.listdir(path.parent)), "it died before it wrote"
    assert av.load(path, store).complete
