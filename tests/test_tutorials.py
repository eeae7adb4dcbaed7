"""Every numbered tutorial runs from start to end, in a folder of its own, without a screen."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.host("tutorials run in processes of their own, on NumPy")

TUTORIALS = sorted((Path(__file__).parent.parent / "tutorials").glob("[0-9]*.py"))


@pytest.mark.slow
@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_tutorial_runs(path, tmp_path):
    pytest.importorskip("matplotlib")
    pytest.importorskip("tqdm")
    result = subprocess.run(
        [sys.executable, str(path)],
        cwd=tmp_path,  # what it writes (out/…) lands here
        env=os.environ | {"MPLBACKEND": "Agg"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert result.returncode == 0, f"{result.stdout[-2000:]}\n{result.stderr[-4000:]}"
