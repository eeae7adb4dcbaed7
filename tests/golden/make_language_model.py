"""Write language_model.json: the losses of the first steps of `bench/workloads/language_model.py` in a tiny size.

Run with a Python that has PyTorch, then with one that has JAX; each adds its own::

    PYTHONPATH=bench python tests/golden/make_language_model.py
"""

import importlib
import importlib.util
import json
from pathlib import Path

from peers import as_numpy
from workloads import FOR_GPU
from writer import write

PATH = Path(__file__).with_name("language_model.json")
before = json.loads(PATH.read_text()) if PATH.exists() else {"cases": {}, "versions": {}}
cases, versions = before["cases"], before["versions"]
for name in ("torch", "jax"):
    if importlib.util.find_spec(name):
        workload = FOR_GPU["LM"]
        step = workload.make(name, workload.problem(small=True))
        cases[name] = [float(as_numpy(step())) for _ in range(workload.checked_steps)]
        versions[name] = importlib.import_module(name).__version__
write(__file__, {"versions": versions}, cases)
