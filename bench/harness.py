"""What the benchmarks share: worker processes asked in turn, ratios within a round, bootstrap intervals, results."""

import contextlib
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results"
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def environment(threads):
    """The environment of a worker: this checkout first, as many BLAS threads as asked (0: as many as there are cores).

    Compiled modules are kept on disk, whatever the caller's environment says: that is how a package is imported.
    """
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    settings = os.environ | {"PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": ""}
    return settings | dict.fromkeys(THREAD_VARIABLES, str(threads)) if threads else settings


class Worker:
    """A process that answers each line of JSON with a line of JSON."""

    def __init__(self, name, python, script, arguments, threads):
        self.name = name
        command = [python, str(script), *map(str, arguments)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment(threads)
        )

    def ask(self, **request):
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            raise RuntimeError(f"worker {self.name!r} stopped with status {self._process.wait()}; see its output above")
        return json.loads(answer)

    def close(self):
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


def serve(handlers):
    """The worker's side: answer until the driver hangs up. Requests look like ``{"do": name, ...arguments}``."""
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(handlers[request.pop("do")](**request)), flush=True)


def in_turn(names, rounds):
    """(round, name): every name once a round, the first one another each time."""
    names = list(names)
    for number in range(rounds):
        for i in range(len(names)):
            yield number, names[(i + number) % len(names)]


def ratio(ours, theirs, seed=0):
    """Median over the rounds of ours / theirs, its 95 percent bootstrap interval, and the ratio of the minima."""
    within = np.asarray(ours) / np.asarray(theirs)
    rng = np.random.default_rng(seed)
    medians = np.median(rng.choice(within, size=(5000, len(within))), axis=1)
    low, high = np.percentile(medians, [2.5, 97.5])
    return {
        "median": float(np.median(within)),
        "interval": [float(low), float(high)],
        "of_minima": float(np.min(ours) / np.min(theirs)),
    }


def machine():
    return {
        "platform": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "load": os.getloadavg() if hasattr(os, "getloadavg") else None,
        "python": platform.python_version(),
        "numpy": np.__version__,
    }


def print_times(times, unit="us", scale=1e6):
    width = max(map(len, times))
    print(f"{'':{width}}  {'min':>9} {'median':>9}  {unit}")
    for name, values in times.items():
        print(f"{name:{width}}  {min(values) * scale:9.1f} {float(np.median(values)) * scale:9.1f}")


def print_ratio(text, result):
    low, high = result["interval"]
    print(f"{text}: {result['median']:.3f} [{low:.3f}, {high:.3f}], of the minima {result['of_minima']:.3f}")


def write(name, content):
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{name}.json"
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text(json.dumps(content, indent=1) + "\n")
    os.replace(temporary, path)
    print(f"written: {os.path.relpath(path)}")
