"""Every benchmark still runs: a few rounds, nothing written, no figure looked at."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.host("benchmarks run in processes of their own, on NumPy")

BENCH = Path(__file__).parent.parent / "bench"
COMMANDS = [
    ["import_time.py", "--rounds", "2", "--no-write"],
    ["long_tape.py", "--rounds", "1", "--sizes", "2000", "--no-write"],
    ["mlp_step.py", "--rounds", "2", "--steps", "2", "--no-write"],
]


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_benchmark_runs(command):
    script, *arguments = command
    result = subprocess.run(
        [sys.executable, str(BENCH / script), *arguments], capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stderr
    assert "median" in result.stdout


def test_every_benchmark_has_a_smoke_run():
    scripts = {path.name for path in BENCH.glob("*.py")} - {"harness.py"}
    assert scripts == {command[0] for command in COMMANDS}
