"""`python -m autograd_vs` says what a bug report needs."""

import os
import platform
import subprocess
import sys

import numpy as np
import pytest

import autograd_vs as av
from autograd_vs import __main__ as main


def test_it_says_what_is_there():
    environment = {**os.environ, "OMP_NUM_THREADS": "3", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "autograd_vs"], capture_output=True, text=True, check=True, env=environment
    )
    said = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert said["autograd_vs"].startswith(av.__version__) and os.path.dirname(av.__file__) in said["autograd_vs"]
    assert said["Python"].startswith(platform.python_version())
    assert said["NumPy"].startswith(f"{np.__version__}, BLAS: ")
    assert said["threads"].endswith(": 3")
    assert said["devices:"].startswith("cpu")
    assert said["environment:"].startswith("OMP_NUM_THREADS=3, OPENBLAS_NUM_THREADS=1")


def test_extras_have_versions():
    assert main.installed("numpy") == np.__version__ and main.installed("no-such-distribution") is None
    (line,) = [line for line in main.lines() if line.startswith("extras: ")]
    for name in main.EXTRAS:
        assert (f"{name} {main.installed(name)}" in line) == (main.installed(name) is not None)


CASES = [("Haswell", True, True), ("Haswell", False, False), ("SkylakeX", True, False), (None, True, False)]


@pytest.mark.parametrize(("core", "avx512", "advised"), CASES)
def test_advice_is_given_where_it_helps(core, avx512, advised, monkeypatch):
    monkeypatch.setattr(main, "openblas_core", lambda: core)
    monkeypatch.setattr(main, "has_avx512", lambda: avx512)
    assert ("AVX-512" in "\n".join(main.lines())) == advised
