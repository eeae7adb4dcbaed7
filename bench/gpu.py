"""Training steps of ours, PyTorch and JAX on one GPU, side by side, beside the bars that they are to reach.

    python bench/gpu.py                     whole, as far as eight minutes go; it says how to go on
    python bench/gpu.py --part 2/4          every fourth workload, from the second on
    python bench/gpu.py --only W1 LM_bf16
    python bench/gpu.py --report            the bars once more, from the results of all parts
    python bench/gpu.py --device cpu --quick    the same without a GPU, in tiny sizes: shows that it works, no more

The workloads are those of run.py, and a language model. Each library runs in a process of its own; they are asked in
turn, round after round. Before anything is timed, all must agree with the NumPy floor on the losses of their first
steps. Times are between events on the device (`places.py`); what counts is the ratio within a round.
"""

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import harness
import numpy as np
import run
from places import GPU
from workloads import FOR_GPU, WORKLOADS

NAMES = ("W1", "W2", "W3", "W4", "W5", "W6", "W9", "W10s", "W10a", "W10l", "W11", "LM_tf32", "LM_bf16")
RESULTS = harness.RESULTS / "gpu"
# spellings and variants that tell nothing on a GPU
SKIP = ["plain operators", "by name", "variables held", "written out", "embedding_bag"]
FULL = {"rounds": 20, "seconds": 0.05, "skip": SKIP}
QUICK = {"rounds": 2, "seconds": 0.0, "skip": [*SKIP, "compiled"]}
COPIED = 1 << 26  # numbers, 256 MB: more than the caches hold
RESERVE = 2.0  # minutes, that the last workload may take
OURS = "ours, function"


# ---------------------------------------------------------------- the bars


@dataclass(frozen=True)
class Bar:
    """What `OURS` is to reach, against the fastest of some variants."""

    text: str
    against: tuple[str, ...]
    limit: float  # at most this multiple of their time
    share: bool = False  # instead: at least this part of the bytes that they move in a second


EAGER = ("torch", "torch, fused Adam")
GRAPHS = ("torch, compiled", "torch, compiled model")
COPIES = ("copy, ours", "copy, torch")  # by those who have arrays of their own
SMALL_STEPS = (
    Bar("5 times faster than PyTorch eager", EAGER, 1 / 5),
    Bar("not slower than torch.compile with CUDA graphs", GRAPHS, 1.0),
)
MODEL = (Bar("at most 1.25 times PyTorch eager in the same precision", EAGER, 1.25),)
BARS = dict.fromkeys(("W1", "W2", "W5", "W11"), SMALL_STEPS) | dict.fromkeys(FOR_GPU, MODEL)
BARS["W9"] = (
    Bar("at most 1.1 times PyTorch's fused Adam", ("torch, fused Adam",), 1.1),
    Bar("at least 70 percent of the copy bandwidth", COPIES, 0.7, share=True),
)


def judged(bar, content):
    """Whether a workload's results reach the bar, and how far; ``met`` is None where something was not measured."""
    times, moved = content["seconds_per_step"], content["bytes"]
    others = [name for name in bar.against if name in times]
    if OURS not in times or not others:
        return {"bar": bar.text, "met": None, "missing": [OURS] if OURS not in times else list(bar.against)}
    best = min(others, key=lambda name: np.median(times[name]))
    if bar.share:
        found = harness.ratio(*(moved[name] / np.array(times[name]) for name in (OURS, best)))
        met = found["median"] >= bar.limit
    else:
        found = harness.ratio(times[OURS], times[best])
        met = found["median"] <= bar.limit
    return {"bar": bar.text, "met": met, "against": best, "share": bar.share} | found


def told(verdict, counts=True):
    """A bar as a line; without a word on whether it is reached, where that does not count."""
    if verdict["met"] is None:
        return f"bar {verdict['bar']}: not measured, without {' and '.join(map(repr, verdict['missing']))}"
    middle, (low, high), against = verdict["median"], verdict["interval"], verdict["against"]
    if verdict["share"]:
        found = f"{middle:.0%} [{low:.0%}, {high:.0%}] of {against!r}"
    elif middle < 1:
        found = f"{1 / middle:.2f} times faster [{1 / high:.2f}, {1 / low:.2f}] than {against!r}"
    else:
        found = f"{middle:.2f} times {against!r} [{low:.2f}, {high:.2f}]"
    return f"bar {verdict['bar']}: {found}" + (": reached" if verdict["met"] else ": MISSED") * counts


# ---------------------------------------------------------------- one workload


class Watch:
    """What nvidia-smi tells once a second: clocks, power, temperature, and who is busy."""

    FIELDS = ("clocks.sm", "clocks.mem", "power.draw", "temperature.gpu", "utilization.gpu")
    ONCE = (
        "name", "driver_version", "memory.total", "clocks.sm", "clocks.mem", "clocks.max.sm", "clocks.max.mem",
        "power.limit",
    )  # fmt: skip

    def __init__(self, folder):
        self._path, self._process = folder / "watch.csv", None

    @staticmethod
    def _command(fields, *more):
        return ["nvidia-smi", "--id=0", f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits", *more]

    def __enter__(self):
        if shutil.which("nvidia-smi"):
            with self._path.open("w") as file:
                self._process = subprocess.Popen(
                    self._command(self.FIELDS, "--loop-ms=1000"), stdout=file, stderr=subprocess.DEVNULL
                )
        return self

    def __exit__(self, *error):
        if self._process is not None:
            self._process.terminate()
            self._process.wait()

    def seen(self):
        """Least, median and most of each field so far."""
        if self._process is None:
            return {}
        rows = [line.split(", ") for line in self._path.read_text().splitlines()]
        rows = [row for row in rows if len(row) == len(self.FIELDS)]  # the last one may be half written
        found = {}
        for i, field in enumerate(self.FIELDS):
            with contextlib.suppress(ValueError):  # "[N/A]", or nothing yet
                numbers = [float(row[i]) for row in rows]
                found[field] = [min(numbers), float(np.median(numbers)), max(numbers)]
        return found

    @classmethod
    def once(cls):
        """What it is, and its clocks just now."""
        if not shutil.which("nvidia-smi"):
            return {}
        answer = subprocess.run(cls._command(cls.ONCE), capture_output=True, text=True, check=False).stdout
        return dict(zip(cls.ONCE, answer.strip().split(", "), strict=False))


class GpuRun(run.Run):
    """The floor is there to be compared with, and not timed."""

    pause = 0.005

    def __init__(self, workload, options, folder, stack):
        self.device = GPU if options.device == "gpu" else "cpu"
        super().__init__(workload, options, folder, stack)
        self.watch = Watch(folder)
        if options.device == "gpu":
            stack.enter_context(self.watch)

    def bytes(self):
        """What is read and written, by a step that does nothing else (Adam: p, g, m, v and p, m, v), and by a copy."""
        if self.workload.name != "W9":
            return {}
        with np.load(self.problem) as file:
            return {OURS: 7 * file["parameters"].nbytes} | dict.fromkeys(COPIES, 2 * 4 * self.copied)

    def timed(self):
        workers = {name: worker for name, worker in self.workers.items() if not name.startswith("floor")}
        self.copied = COPIED >> 10 if self.options.small else COPIED
        if self.workload.name != "W9":
            return workers
        copies = {f"copy, {worker.name}": worker for worker in workers.values()}
        copies = {name: worker for name, worker in copies.items() if name in COPIES}
        for name, worker in copies.items():
            worker.ask(do="copy", variant=name, numbers=self.copied)
        return workers | copies

    def content(self):
        """What is stored."""
        content = {
            "workload": self.workload.name, "title": self.workload.title, "precision": self.workload.precision,
            "machine": self.machine, "gpu": Watch.once() if self.device == GPU else None, "seen": self.watch.seen(),
            "settings": {
                "rounds": self.options.rounds, "seconds_per_round": self.options.seconds, "small": self.options.small,
                "device": self.device, "steps_per_round": self.steps, "checked_steps": self.workload.checked_steps,
                "tolerance": self.workload.tolerance,
            },
            "frameworks": self.frameworks, "left_out": self.left_out, "failed": self.failed,
            "percent_used_by_others": self.others, "seconds_per_step": self.times, "seconds_by_the_clock": self.clock,
            "timed_by": {name: sorted(set(by)) for name, by in self.by.items()},
            "peak_bytes": {name: self.allocated.get(name, {}) for name in self.times}, "bytes": self.bytes(),
        }  # fmt: skip
        content["ratios_to_ours"] = {
            name: harness.ratio(t, self.times[OURS]) for name, t in self.times.items() if OURS in self.times
        }
        return content | {"bars": [judged(bar, content) for bar in BARS.get(self.workload.name, ())]}


def show(content):
    """One workload's table and bars."""
    times, ratios = content["seconds_per_step"], content["ratios_to_ours"]
    width = max(map(len, times))
    print(f"{'':{width}}  {'min':>9} {'median':>9}  us {'peak MB':>9}  / {OURS} [95 percent] of the minima")
    for name, values in times.items():
        peak = content["peak_bytes"][name].get("peak")
        row = f"{name:{width}}  {min(values) * 1e6:9.1f} {float(np.median(values)) * 1e6:9.1f}"
        row += f"     {'' if peak is None else f'{peak / 1e6:.1f}':>9}"
        if name in ratios:
            r = ratios[name]
            row += f"  {r['median']:.3f} [{r['interval'][0]:.3f}, {r['interval'][1]:.3f}] {r['of_minima']:.3f}"
        row += "  by the clock" if content["timed_by"][name] != ["events"] and content["gpu"] is not None else ""
        print(row)
    if "clocks.sm" in content["seen"]:
        low, middle, high = content["seen"]["clocks.sm"]
        print(f"SM clock {low:.0f} to {high:.0f} MHz, median {middle:.0f}")
    counts = content["gpu"] is not None and not content["settings"]["small"]
    for verdict in content["bars"]:
        print(told(verdict, counts))
    if not counts:
        print("These are no results: not a GPU, or tiny problems.")


# ---------------------------------------------------------------- the driver


def one(workload, options, folder, stack):
    """Check, time, show and write; the variants that failed."""
    this = GpuRun(workload, options, folder, stack)
    this.check()
    if set(this.frameworks) <= {"floor"}:
        sys.exit("nothing was timed: no library is left")
    if not options.check and any(worker.name != "floor" for worker in this.workers.values()):
        this.time()
        content = this.content()
        show(content)
        if not options.no_write:
            harness.write(workload.name, content, options.results)
    return this.failed


def drive(options):
    """Each workload as long as there is time; returns those that failed."""
    failed, start = [], time.monotonic()
    for i, name in enumerate(options.only):
        if (time.monotonic() - start) / 60 > options.minutes - RESERVE:
            print(f"\nThe time is over. To go on: python bench/gpu.py --only {' '.join(options.only[i:])}")
            break
        workload = (WORKLOADS | FOR_GPU)[name]
        print(f"\n{name}: {workload.title}" + " (a small one instead)" * options.small, flush=True)
        try:
            with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
                failed += [f"{name} {variant}" for variant in one(workload, options, Path(folder), stack)]
        except RuntimeError as error:  # a worker stopped; the other workloads have workers of their own
            print(f"{name} FAILED: {error}")
            failed.append(name)
        print(f"{time.monotonic() - start:.0f} s since the start", flush=True)
    return failed


def report(folder):
    """The bars, from the results of all parts."""
    unknown = []
    for name in (*NAMES, "LM"):
        path = folder / f"{name}.json"
        if not path.exists():
            unknown += [name] if name in NAMES else []
            continue
        content = json.loads(path.read_text())
        gpu = content["gpu"] or {}
        print(f"\n{name}: {content['title']}")
        print(f"{gpu.get('name', 'no GPU')}, {content['settings']['rounds']} rounds")
        show(content)
    if unknown:
        print(f"\nnot there yet: {' '.join(unknown)}")


def part(text):
    """``"2/4"``."""
    try:
        number, of = map(int, text.split("/"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"a part is written as 2/4, got {text!r}") from None
    if not 1 <= number <= of:
        raise argparse.ArgumentTypeError(f"there is no part {number} of {of}")
    return slice(number - 1, None, of)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=[*NAMES, "LM"], metavar="WORKLOAD")
    parser.add_argument("--part", type=part, default=slice(None), metavar="K/N", help="of the workloads")
    parser.add_argument("--frameworks", nargs="+", choices=("ours", "torch", "jax"), default=["ours", "torch", "jax"])
    parser.add_argument("--skip", nargs="+", metavar="TEXT", help="leave out variants with this in their names")
    harness.add_python_option(parser)
    parser.add_argument("--device", choices=("gpu", "cpu"), default="gpu")
    parser.add_argument("--rounds", type=int, help="default 20, which is the least for results")
    parser.add_argument("--minutes", type=float, default=8.0, help=f"no workload starts in the last {RESERVE:.0f}")
    parser.add_argument("--check", action="store_true", help="compare the losses, time nothing")
    parser.add_argument("--quick", action="store_true", help="tiny problems, few rounds, nothing compiled: no results")
    parser.add_argument("--report", action="store_true", help="print what is in the results, run nothing")
    harness.add_writing_options(parser)
    parser.set_defaults(results=RESULTS, threads=0)
    options = parser.parse_args()
    if options.report:
        return report(options.results)
    defaults = QUICK if options.quick else FULL
    options.small, options.seconds = options.quick, defaults["seconds"]
    options.rounds = options.rounds or defaults["rounds"]
    options.skip = defaults["skip"] if options.skip is None else options.skip
    options.no_write |= (options.quick or options.device == "cpu") and options.results == RESULTS
    options.only = (options.only or list(NAMES))[options.part]
    options.python = dict(options.python)
    os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"  # JAX takes three quarters of the memory for itself otherwise
    failed = drive(options)
    if failed:
        sys.exit("failed: " + ", ".join(failed))
    return None


if __name__ == "__main__":
    main()
