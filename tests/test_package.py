"""The wheel and the sdist: what is in them, and that they work where nothing else is installed."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.host("about files")]
pytest.importorskip("hatchling", reason="builds with hatchling, which the extra [test] installs")

ROOT = Path(__file__).parents[1]


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def tracked(*folders):
    """The files of the repository in these folders, as git or, outside of a checkout, the disk has them."""
    if (ROOT / ".git").exists():
        return set(run("git", "ls-files", "--cached", "--others", "--exclude-standard", *folders, cwd=ROOT).split())
    found = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()]
    return {str(path.relative_to(ROOT)) for path in found if path.suffix != ".pyc"}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "-d", str(folder), cwd=ROOT)
    return folder


def test_the_wheel_has_the_packages_and_nothing_else(built):
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        names = set(file.namelist())
        (metadata,) = [n for n in names if n.endswith(".dist-info/METADATA")]
        text = file.read(metadata).decode()
    home = metadata.removesuffix("METADATA")
    about = {home + name for name in ("METADATA", "WHEEL", "RECORD", "licenses/LICENSE")}
    assert names - about == tracked("autograd_vs", "optim")
    assert {"autograd_vs/py.typed", "optim/py.typed"} <= names
    required = [line for line in text.splitlines() if line.startswith("Requires-Dist:") and "extra ==" not in line]
    assert required == ["Requires-Dist: numpy>=2.1"]
    assert wheel.stat().st_size < 1_000_000


def test_the_sdist_can_be_tested_and_has_no_leftovers(built):
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
    folders = ("autograd_vs", "optim", "tests", "tutorials", "docs")
    assert {name for name in names if name.startswith(tuple(f"{f}/" for f in folders))} == tracked(*folders)
    assert {"README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "Makefile", "pyproject.toml"} <= names
    assert not [n for n in names if n.startswith(("out/", "bench/results/", ".ci/")) or "__pycache__" in n]


def test_the_wheel_works_by_itself(built, tmp_path):
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        file.extractall(tmp_path)
    code = (
        "import sys, numpy as np, autograd_vs as av, optim\n"
        "assert av.__file__.startswith(sys.argv[1]) and optim.__file__.startswith(sys.argv[1])\n"
        "v = av.Variable([2.0], name='v')\n"
        "step = av.function(lambda: optimizer.minimize(lambda: av.sum(v * v)))\n"
        "optimizer = optim.SGD(0.25)\n"
        "step(), step()\n"
        "print(v.numpy().tolist(), av.layers.dense(np.ones((1, 2)), 3, name='fc').shape, av.__version__)"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    printed = run(sys.executable, "-P", "-c", code, str(tmp_path), cwd=tmp_path, env=environment)
    assert printed.startswith("[0.5] (1, 3) 0."), printed
