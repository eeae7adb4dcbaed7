"""Every numbered tutorial runs from a fresh kernel, in a folder of its own; its notebook has its cells and outputs."""

import base64
import importlib.util
import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.host("tutorials run in processes of their own, on NumPy")

TUTORIALS = Path(__file__).parent.parent / "tutorials"
SCRIPTS = sorted(TUTORIALS.glob("[0-9]*.py"))
MOST = 400_000  # bytes of a notebook


def make_notebooks():
    for name in ("jupytext", "nbclient", "ipykernel", "matplotlib", "tqdm", "safetensors"):
        pytest.importorskip(name)
    spec = importlib.util.spec_from_file_location("make_notebooks", TUTORIALS / "make_notebooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def committed(script):
    import nbformat

    return nbformat.read(script.with_suffix(".ipynb"), as_version=4)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # what Jupyter's own libraries warn of
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_it_runs_from_a_fresh_kernel(script, tmp_path):
    notebook = make_notebooks().run(script, tmp_path)
    stored = committed(script)
    for cell, before in zip(notebook.cells, stored.cells, strict=True):
        assert kinds(cell) == kinds(before), f"a cell shows other things than in the notebook:\n{cell.source}"


def kinds(cell):
    """What a cell shows: kinds of outputs and of their data, not their contents."""
    return sorted({kind for output in cell.get("outputs", []) for kind in output.get("data", {"text": None})})


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_the_notebook_is_the_script(script):
    cells = make_notebooks().read(script).cells
    stored = committed(script).cells
    same = [(a.cell_type, a.source) == (b.cell_type, b.source) for a, b in zip(cells, stored, strict=False)]
    assert all(same) and len(cells) == len(stored), f"run `make notebooks`: {script.stem} has changed"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_the_notebook_is_small_and_went_well(script):
    assert script.with_suffix(".ipynb").stat().st_size < MOST
    outputs = [output for cell in committed(script).cells for output in cell.get("outputs", [])]
    assert outputs
    assert not [o for o in outputs if o.output_type == "error" or o.get("name") == "stderr"]


def test_addresses_are_not_stored():
    assert make_notebooks().without_addresses("<function f at 0x7f00> of <Axes at 0x10>") == "<function f> of <Axes>"


def test_pictures_are_stored_in_few_colours():
    tool = make_notebooks()
    noise = np.random.default_rng(0).integers(0, 256, (90, 80, 3)).astype(np.uint8)
    buffer = io.BytesIO()
    tool.Image.fromarray(noise).save(buffer, "png")
    small = base64.b64decode(tool.in_few_colours(base64.b64encode(buffer.getvalue())))
    picture = tool.Image.open(io.BytesIO(small))
    assert picture.size == (80, 90) and len(picture.getcolors()) <= 256
    assert np.abs(np.asarray(picture.convert("RGB")).astype(int) - noise).mean() < 32
    assert len(small) < len(buffer.getvalue()) / 2


def test_a_tutorial_that_raises_is_noticed(tmp_path):
    (tmp_path / "00_wrong.py").write_text("# %%\nraise ArithmeticError('here')\n")
    tool = make_notebooks()
    with pytest.raises(Exception, match="ArithmeticError"):
        tool.run(tmp_path / "00_wrong.py", tmp_path)


def run_script(program, folder):
    """What a program printed, without a screen."""
    environment = os.environ | {"MPLBACKEND": "Agg"}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_demo_runs_as_a_script(tmp_path):
    program = f"import runpy, sys; sys.path.insert(0, {str(TUTORIALS)!r})\n"
    program += f"runpy.run_path({str(SCRIPTS[0])!r})['main'](epochs=1, quiet=True)"
    run_script(program, tmp_path)
    assert (tmp_path / "out" / "loss.png").exists()


@pytest.mark.slow
def test_the_gpu_tutorial_on_the_stand_in(tmp_path):
    """With a device "gpu:0", which it computes on then."""
    program = f"""
import runpy, sys
sys.path[:0] = [{str(TUTORIALS)!r}, {str(Path(__file__).parent)!r}]
from strict_array import StrictDevices
from autograd_vs.base.devices import register_devices
register_devices("gpu", StrictDevices())
runpy.run_path({str(TUTORIALS / "11_gpu.py")!r})
"""
    assert "this notebook computes on gpu:0" in run_script(program, tmp_path)
