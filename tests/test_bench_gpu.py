"""The benchmark for GPUs without one: tiny problems on the CPU, workloads on the strict stand-in, bars, clocks."""

import json
import subprocess
import sys
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from strict_array import StrictArray, count_transfers

import autograd_vs as av
from autograd_vs.base import backend

pytestmark = pytest.mark.host("benchmarks run in processes of their own, on NumPy; one test here takes the stand-in")

BENCH = Path(__file__).parent.parent / "bench"
LANGUAGE_MODEL = Path(__file__).parent / "golden" / "language_model.json"


def run(*arguments, status=0):
    command = [sys.executable, str(BENCH / "gpu.py"), *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == status, result.stdout + result.stderr
    return result.stdout + result.stderr


@pytest.fixture
def bench(monkeypatch):
    """The modules of `bench`, imported as its scripts do."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(BENCH)
    import gpu
    import places
    import workloads

    yield SimpleNamespace(gpu=gpu, places=places, all=workloads.WORKLOADS | workloads.FOR_GPU)
    for name in set(sys.modules) - before:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(str(BENCH)):
            del sys.modules[name]


@contextmanager
def on_the_stand_in():
    before = backend.place_host_data(StrictArray)
    try:
        yield
    finally:
        backend.place_host_data(before)


# ---------------------------------------------------------------- the command


@pytest.mark.slow
def test_it_runs_without_a_gpu(tmp_path):
    said = run("--device", "cpu", "--quick", "--only", "W1", "W9", "LM", "--results", tmp_path)
    assert "no results" in said and "reached" not in said and "MISSED" not in said
    w9 = json.loads((tmp_path / "W9.json").read_text())
    assert {"ours", "ours, function", "copy, ours"} <= set(w9["seconds_per_step"])
    assert "floor" in w9["frameworks"] and "floor" not in w9["seconds_per_step"]  # compared with, and not timed
    assert w9["bytes"]["ours, function"] == 7 * 4 * 3 * 25 * 40
    assert w9["bars"][1]["against"].startswith("copy") and w9["bars"][1]["median"] > 0
    told = run("--report", "--results", tmp_path)
    assert "bar 5 times faster than PyTorch eager" in told and "not there yet: W2 W3" in told
    assert "LM: language model" in told


def test_every_variant_that_is_to_be_timed_is_there(bench):
    for name in bench.gpu.NAMES:
        workload = bench.all[name]
        assert bench.gpu.OURS in workload.of("ours") and workload.of("torch") and workload.of("jax"), name
        for bar in bench.gpu.BARS.get(name, ()):
            copies = set(bench.gpu.COPIES)
            assert set(bar.against) & (set(workload.variants) | copies), (name, bar)


@pytest.mark.slow
def test_parts_make_up_the_whole(bench):
    parts = [bench.gpu.part(f"{k}/4") for k in (1, 2, 3, 4)]
    assert sorted(name for part in parts for name in bench.gpu.NAMES[part]) == sorted(bench.gpu.NAMES)
    assert "--only W1 W2" in run("--device", "cpu", "--quick", "--only", "W1", "W2", "--minutes", "0")
    assert "no part 5 of 4" in run("--part", "5/4", status=2)


def test_what_is_not_there_is_told(bench):
    fake = SimpleNamespace(__version__="9.9", cuda=SimpleNamespace(is_available=lambda: False))
    with pytest.raises(bench.places.Missing, match=r"PyTorch 9\.9 sees no GPU"):
        bench.places.place_of("torch", fake, bench.places.GPU)

    def none(kind):
        raise RuntimeError(f"Unknown backend {kind}")

    with pytest.raises(bench.places.Missing, match=r"JAX 9\.9 sees no GPU: Unknown backend gpu"):
        bench.places.place_of("jax", SimpleNamespace(__version__="9.9", devices=none), bench.places.GPU)
    with pytest.raises(bench.places.Missing, match="chainer is not timed on a GPU"):
        bench.places.place_of("chainer", fake, bench.places.GPU)
    assert type(bench.places.place_of("floor", np, bench.places.GPU)) is bench.places.Place


@pytest.mark.gpu
@pytest.mark.slow
def test_it_runs_on_a_gpu(tmp_path):
    run("--quick", "--frameworks", "ours", "--only", "W1", "W9", "--results", tmp_path)
    content = json.loads((tmp_path / "W9.json").read_text())
    assert content["peak_bytes"]["ours"]["peak"] >= 4 * 4 * 3 * 25 * 40  # p, g, m, v
    assert content["gpu"] is not None


# ---------------------------------------------------------------- time and bars


class Device:
    """A place with events that see a part of the time that steps take on a clock of its own."""

    def __init__(self, places, monkeypatch, part):
        self.now, self.part = 0.0, part
        monkeypatch.setattr(places.time, "perf_counter", lambda: self.now)
        owner = self

        class Fake(places.Place):
            def event(self):
                return owner.now

            def between(self, start, stop):
                return (stop - start) * owner.part

        self.place = Fake(None)

    def step(self):
        self.now += 2.0


def test_events_count_unless_they_missed_something(bench, monkeypatch):
    device = Device(bench.places, monkeypatch, part=0.95)
    found = device.place.seconds(device.step, 10)
    assert found["by"] == "events" and found["seconds"] == pytest.approx(1.9) and found["clock"] == pytest.approx(2.0)
    device = Device(bench.places, monkeypatch, part=0.5)  # the work was in another stream
    found = device.place.seconds(device.step, 10)
    assert found["by"] == "clock" and found["seconds"] == pytest.approx(2.0)


class Event:
    """Of PyTorch or CuPy: milliseconds of a clock that each record moves on."""

    clock = 0.0

    def __init__(self, enable_timing=True):
        assert enable_timing

    def record(self, stream="current"):
        assert stream == "current"
        Event.clock += 1e6
        self.at = Event.clock

    def elapsed_time(self, stop):
        return stop.at - self.at


class Hook:
    def __enter__(self):
        Hook.open = self
        return self

    def __exit__(self, *error):
        del Hook.open


def a_cupy(monkeypatch):
    """As much of CuPy as a place asks for."""
    runtime = SimpleNamespace(getDeviceProperties=lambda i: {"name": b"H"}, runtimeGetVersion=lambda: 13000)
    cuda = SimpleNamespace(
        Event=Event, get_elapsed_time=Event.elapsed_time, get_current_stream=lambda: "current", runtime=runtime,
        MemoryHook=Hook, Device=lambda: SimpleNamespace(synchronize=lambda: None),
    )  # fmt: skip
    module = SimpleNamespace(
        __version__="14", is_available=lambda: True, cuda=cuda, ones=np.ones, float32=np.float32, copyto=np.copyto
    )
    monkeypatch.setitem(sys.modules, "cupy", module)
    opened = []

    def setting(name):
        opened.append(name)
        return nullcontext()

    return SimpleNamespace(__version__="0", device=setting, matmul_precision=setting), opened


def a_torch():
    cuda = SimpleNamespace(
        Event=Event, is_available=lambda: True, get_device_name=lambda: "H", synchronize=lambda: None,
        reset_peak_memory_stats=lambda: None, memory_allocated=lambda: 10, memory_reserved=lambda: 20,
        max_memory_allocated=lambda: 15, max_memory_reserved=lambda: 40,
    )  # fmt: skip
    said = []
    return SimpleNamespace(
        __version__="2", cuda=cuda, version=SimpleNamespace(cuda="13"), set_float32_matmul_precision=said.append,
        backends=SimpleNamespace(cudnn=SimpleNamespace(version=lambda: 9, allow_tf32=True)), device=nullcontext,
        ones=lambda *shape, device: np.ones(shape, np.float32),
    ), said  # fmt: skip


def test_places_ask_their_libraries(bench, monkeypatch):
    """What only a GPU runs, on stand-ins that have the names and signatures of CuPy 14 and PyTorch 2."""
    ours, opened = a_cupy(monkeypatch)
    place = bench.places.place_of("ours", ours, bench.places.GPU, "tf32")
    assert opened == ["gpu:0", "tensorfloat32"] and place.tell()["device"] == "H"
    found = place.seconds(place.copying(8), 4)
    assert found["by"] == "events" and found["seconds"] == pytest.approx(1e3 / 4)
    with place.counted() as counted:
        for pointer in (8, 16):
            Hook.open.malloc_postprocess(device_id=0, size=3, mem_size=512, mem_ptr=pointer, pmem_id=1)
            Hook.open.free_postprocess(device_id=0, mem_size=512, mem_ptr=pointer, pmem_id=1)
        Hook.open.malloc_postprocess(device_id=0, size=3, mem_size=1024, mem_ptr=24, pmem_id=1)
        Hook.open.malloc_postprocess(device_id=0, size=3, mem_size=4096, mem_ptr=0, pmem_id=0)  # there was no memory
    assert counted == {"peak": 1024}

    torch, said = a_torch()
    place = bench.places.place_of("torch", torch, bench.places.GPU)
    assert said == ["highest"] and torch.backends.cudnn.allow_tf32 is False
    assert place.tell() == {"device": "H", "cuda": "13", "cudnn": 9}
    assert place.seconds(lambda: None, 4)["seconds"] == pytest.approx(1e3 / 4)
    with place.settled(), place.counted() as counted:
        pass
    assert counted == {"peak": 5, "reserved": 20}

    ours = SimpleNamespace(__version__="0")
    with pytest.raises(bench.places.Missing, match=r"has no av\.device"):
        bench.places.place_of("ours", ours, bench.places.GPU)


def test_a_worker_that_stops_costs_one_workload(bench, monkeypatch, capsys):
    def stops(workload, *rest):
        if workload.name == "W1":
            raise RuntimeError("worker 'torch' stopped with status -11")
        return ["torch"]

    monkeypatch.setattr(bench.gpu, "one", stops)
    options = SimpleNamespace(only=["W1", "W2"], minutes=8.0, small=True)
    assert bench.gpu.drive(options) == ["W1", "W2 torch"]
    assert "W1 FAILED: worker 'torch' stopped" in capsys.readouterr().out


def content_of(times, moved=None):
    return {"seconds_per_step": {name: [t] * 20 for name, t in times.items()}, "bytes": moved or {}}


def test_bars(bench):
    eager, graphs = bench.gpu.BARS["W1"]

    def judged(bar, moved=None, **others):
        times = {name.replace("_", ", "): t for name, t in others.items()}
        verdict = bench.gpu.judged(bar, content_of(times, moved))
        json.dumps(verdict)
        return verdict["met"], bench.gpu.told(verdict)

    # the fastest of PyTorch's eager variants is the one to beat
    met, line = judged(eager, ours_function=1.0, torch=9.0, **{"torch_fused Adam": 5.5})
    assert met and line.endswith("5.50 times faster [5.50, 5.50] than 'torch, fused Adam': reached")
    met, line = judged(eager, ours_function=1.0, torch=9.0, **{"torch_fused Adam": 4.5})
    assert not met and line.endswith("MISSED")
    met, line = judged(graphs, ours_function=1.1, torch_compiled=1.0)
    assert not met and "1.10 times 'torch, compiled'" in line
    met, line = judged(graphs, ours_function=1.0, torch=9.0)
    assert met is None and "not measured" in line and "torch, compiled" in line
    assert judged(eager, torch=1.0) == (
        None,
        "bar 5 times faster than PyTorch eager: not measured, without 'ours, function'",
    )

    fused, copy = bench.gpu.BARS["W9"]
    assert judged(fused, ours_function=1.1, **{"torch_fused Adam": 1.0})[0]
    moved = {"ours, function": 70.0, "copy, ours": 100.0, "copy, torch": 100.0}
    # 70 in 1 s against 100 in 1.25 s, the fastest copy: 87.5 percent; then against 100 in 0.9 s
    met, line = judged(copy, moved, ours_function=1.0, copy_ours=1.25, copy_torch=2.0)
    assert met and "88% [88%, 88%] of 'copy, ours'" in line
    assert judged(copy, moved, ours_function=1.0, copy_ours=1.25, copy_torch=0.9)[0] is False


# ---------------------------------------------------------------- the workloads


# What a step copies to the device: ids and labels stay on the host, where they are checked without waiting.
UPLOADS = dict.fromkeys(("W1", "W5", "W6", "W9", "W11"), 0)
UPLOADS |= dict.fromkeys(("W2", "W3", "W4", "W10s", "W10a", "W10l"), 1) | {"LM": 2}


@pytest.mark.parametrize("name", list(UPLOADS))
def test_ours_on_a_device(name, bench):
    """The same losses as on the host; once it runs, nothing makes the host wait, and no more goes up than must."""
    from peers import as_numpy

    workload = bench.all[name]
    arrays = workload.problem(small=True)
    with av.VariableStore():
        step = workload.make("ours", arrays)
        expected = [as_numpy(step()) for _ in range(4)]
    with av.VariableStore(), on_the_stand_in():
        step = workload.make("ours", arrays)
        found = [as_numpy(step()) for _ in range(3)]
        with count_transfers() as seen:
            last = step()
        found.append(as_numpy(last))
    assert seen == ["up: asarray"] * UPLOADS[name]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)


def test_language_model_against_pytorch(bench):
    """Its losses in PyTorch and JAX, from ``golden/make_language_model.py``."""
    stored = json.loads(LANGUAGE_MODEL.read_text())
    workload = bench.all["LM"]
    arrays = workload.problem(small=True)
    for variant in workload.of("ours"):
        step = workload.make(variant, arrays)
        losses = [float(step()) for _ in range(workload.checked_steps)]
        for case in stored["cases"].values():
            np.testing.assert_allclose(losses, case, rtol=1e-5, err_msg=variant)
