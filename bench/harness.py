"""What the benchmarks share: worker processes asked in turn, ratios within a round, bootstrap intervals, results."""

import contextlib
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results"
# what a worker imports before it says that it is there; the first is what its version means
FRAMEWORKS = {
    "ours": ("autograd_vs", "optim"),
    "ours_jit": ("autograd_vs", "optim", "numba"),  # the extra [jit]
    "floor": ("numpy",),
    "torch": ("torch",),
    "jax": ("jax",),
    "tensorflow": ("tensorflow",),
    "autograd": ("autograd", "autograd.numpy"),
    "mygrad": ("mygrad",),
    "chainer": ("chainer",),
}
THREAD_VARIABLES = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS",
    "NPROC",  # XLA
    "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS",
)  # fmt: skip


def environment(threads):
    """The environment of a worker: this checkout first, as many threads as asked (0: as the libraries choose).

    Compiled modules are kept on disk, whatever the caller's environment says: that is how a package is imported.
    """
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    settings = os.environ | {"PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "", "TF_CPP_MIN_LOG_LEVEL": "3"}
    return settings | dict.fromkeys(THREAD_VARIABLES, str(threads)) if threads else settings


class Worker:
    """A process that answers each line of JSON with a line of JSON."""

    def __init__(self, name, python, script, arguments, threads):
        self.name = name
        command = [python, str(script), *map(str, arguments)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment(threads)
        )
        self.pid = self._process.pid

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
    """The worker's side: answer until the driver hangs up. Requests look like ``{"do": name, ...arguments}``.

    Whatever a library prints goes to stderr: stdout is for answers.
    """
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(handlers[request.pop("do")](**request)), file=answers, flush=True)


def in_turn(names, rounds):
    """(round, name): every name once a round, the first one another each time."""
    names = list(names)
    for number in range(rounds):
        for i in range(len(names)):
            yield number, names[(i + number) % len(names)]


class Others:
    """The share of the machine that other processes used since the last look, in percent; None without /proc."""

    def __init__(self, own):
        self._own = [os.getpid(), *own]
        self._last = self._look()

    def _look(self):
        """(wall time, busy time of all cores, time of our own processes), in seconds."""
        try:
            tick = os.sysconf("SC_CLK_TCK")
            user, nice, system, _, _, irq, soft, stolen = map(int, Path("/proc/stat").read_text().split()[1:9])
            # the fields after the name, which may contain anything but ends with the last parenthesis
            rows = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in self._own]
        except (OSError, ValueError):
            return None
        busy = user + nice + system + irq + soft + stolen
        return time.perf_counter(), busy / tick, sum(int(row[11]) + int(row[12]) for row in rows) / tick

    def percent(self):
        last, self._last = self._last, self._look()
        if last is None or self._last is None:
            return None
        wall, busy, own = np.subtract(self._last, last)
        return round(max(0.0, float((busy - own) / (wall * os.cpu_count()) * 100)), 1)


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


def processor():
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return platform.processor() or platform.machine()


def machine():
    return {
        "platform": platform.platform(),
        "processor": processor(),
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


def add_python_option(parser):
    """--python torch=/path/to/python ...: a dictionary; who is not named runs in the Python of the driver."""
    parser.add_argument(
        "--python", nargs="+", default=[], type=lambda text: text.split("=", 1), metavar="FRAMEWORK=PATH",
        help="interpreters of frameworks that are not installed in this one",
    )  # fmt: skip


def add_writing_options(parser):
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FOLDER", help="default bench/results")
    parser.add_argument("--no-write", action="store_true", help="leave that folder alone")


def write(name, content, folder=RESULTS):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text(json.dumps(content, indent=1) + "\n")
    os.replace(temporary, path)
    print(f"written: {os.path.relpath(path)}")
