"""Every benchmark still runs: tiny problems, a few rounds, nothing written, no figure looked at."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.host("benchmarks run in processes of their own, on NumPy")

BENCH = Path(__file__).parent.parent / "bench"
SHARED = {"by_hand.py", "harness.py", "peers.py", "places.py", "spent.py"}
COMMANDS = [
    ["import_time.py", "--rounds", "2", "--no-write"],
    ["long_tape.py", "--rounds", "1", "--sizes", "2000", "--no-write"],
    ["op_costs.py", "--rounds", "1", "--no-write"],
    ["windows.py", "--rounds", "1", "--seconds", "0", "--small", "--no-write"],
    ["vocabulary.py", "--rounds", "1", "--steps", "2", "--sizes", "100", "200", "--no-write"],
    ["first_call.py", "--only", "W1", "--frameworks", "ours", "ours_jit", "--rounds", "1", "--small", "--no-write"],
]


def run(script, *arguments):
    command = [sys.executable, str(BENCH / script), *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture
def workloads(monkeypatch):
    """The table of workloads, imported as `run.py` does."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(BENCH)
    import workloads

    yield workloads
    for name in set(sys.modules) - before:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(str(BENCH)):
            del sys.modules[name]


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_benchmark_runs(command):
    assert "median" in run(*command)


@pytest.mark.slow
def test_steps_on_ranks():
    pytest.importorskip("mpi4py", reason="mpi4py is missing: pip install 'autograd-vs[mpi]'")
    assert "median" in run("ranks.py", "--ranks", 1, 2, "--rounds", 1, "--small", "--no-write")


@pytest.mark.slow
def test_workloads_agree_and_are_drawn(tmp_path, workloads):
    run("run.py", "--small", "--frameworks", "ours", "floor", "--rounds", 2, "--results", tmp_path)
    for name, workload in workloads.WORKLOADS.items():
        content = json.loads((tmp_path / f"{name}.json").read_text())
        assert {*workload.of("ours"), *workload.of("floor")} <= set(content["seconds_per_step"])
        assert content["floor"]["bytes"] > 0
        assert len(content["percent_used_by_others"]) == 2
    run("chart.py", "--results", tmp_path)
    assert all((tmp_path / f"{name}.png").stat().st_size > 10_000 for name in ("chart", "summary"))


@pytest.mark.slow
def test_memory_of_steps(tmp_path):
    run("memory.py", "--small", "--only", "W2", "--results", tmp_path)
    content = json.loads((tmp_path / "memory.json").read_text())
    assert all(0 < of["held"] <= of["peak"] for of in content["bytes"]["W2"].values())
    assert {"floor", "ours", "ours, function"} == set(content["to_eager"]["W2"])


def test_every_workload_has_a_plan_and_one_with_the_extra(workloads):
    for workload in workloads.WORKLOADS.values():
        assert "ours, function" in workload.of("ours"), workload.name
        variants = workload.of("ours_jit")
        assert variants[0] == "ours, function [jit]"
        assert {workloads.workload.framework_of(variant) for variant in variants} == {"ours_jit"}


def test_a_compiler_that_gives_up_is_left_out(workloads):
    from run import problem

    class InductorError(RuntimeError):
        __module__ = "torch._inductor.exc"

    assert problem(InductorError("no compiler\nwhere")) == {"left_out": "InductorError: no compiler"}
    assert "ValueError: ours" in problem(ValueError("ours"))["error"]


def test_who_computes_something_else_is_found(workloads):
    from run import difference

    right = {"losses": np.array([1.0, 0.5]), "0": np.array([1e-3])}
    assert difference(dict(right), right) == 0
    assert difference({"losses": right["losses"]}, right) == 0  # what one of them does not have
    assert difference({"losses": np.array([1.0, 0.51])}, right) == pytest.approx(0.01)
    assert difference({"0": np.array([2e-3])}, right) == pytest.approx(1)  # relative to the array, however small
    assert not difference(right | {"0": np.array([np.nan])}, right) <= 1  # what `check` asks


def test_what_a_step_of_a_floor_asks_of_the_machine(workloads):
    from types import SimpleNamespace

    from spent import spent

    a, b, c = np.ones((3, 2)), np.ones((2, 4)), np.empty((3, 4))
    module = SimpleNamespace(np=np)

    def step():
        module.np.dot(a, b, out=c)
        module.np.add(c, 1, out=c)
        module.np.add.reduce(c, axis=0, out=b[0])

    noted = spent(step, [module])
    assert module.np is np and len(noted.products) == 1
    assert noted.bytes == 8 * ((6 + 8 + 12) + (12 + 12) + (12 + 4))


def test_every_benchmark_has_a_smoke_run():
    scripts = {path.name for path in BENCH.glob("*.py")} - SHARED
    assert scripts == {command[0] for command in COMMANDS} | {"run.py", "chart.py", "memory.py", "gpu.py", "ranks.py"}


def test_every_workload_is_in_the_table(workloads):
    files = {path.stem for path in (BENCH / "workloads").glob("w[0-9]*.py")}
    assert files == {module.__name__.rpartition(".")[2] for module in workloads.MODULES}
    listed = [workload.name for module in workloads.MODULES for workload in module.WORKLOADS]
    assert sorted(listed) == sorted(workloads.WORKLOADS)
    for workload in workloads.WORKLOADS.values():
        assert workload.of("floor") and workload.of("ours"), workload.name
        assert all(name in (BENCH / "README.md").read_text() for name in listed)
