"""`python -m autograd_vs` says what NumPy multiplies with."""

import subprocess
import sys

import numpy as np
import pytest

from autograd_vs import __main__ as main


def test_it_runs():
    found = subprocess.run([sys.executable, "-m", "autograd_vs"], capture_output=True, text=True, check=True).stdout
    assert f"NumPy {np.__version__}" in found and "OpenBLAS kernels: " in found


CASES = [("Haswell", True, True), ("Haswell", False, False), ("SkylakeX", True, False), (None, True, False)]


@pytest.mark.parametrize(("core", "avx512", "advised"), CASES)
def test_advice_is_given_where_it_helps(core, avx512, advised, monkeypatch):
    monkeypatch.setattr(main, "openblas_core", lambda: core)
    monkeypatch.setattr(main, "has_avx512", lambda: avx512)
    assert ("OPENBLAS_CORETYPE" in "\n".join(main.lines())) == advised
