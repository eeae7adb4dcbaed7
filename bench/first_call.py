"""What the first call of a step takes: trace, passes, compile, one run; and jax.jit, torch.compile, tf.function.

Each time is that of a new process, which has imported its library and made its parameters before; the processes take
turns. The first one of each variant does not count: it fills the disk's caches with modules. What PyTorch compiles is
not kept from one process to the next; numba's compiled functions are.

    python bench/first_call.py --only W1 W6 --python torch=/path/to/python jax=/path/to/python
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

import harness
import numpy as np
from workloads import WORKLOADS
from workloads.workload import framework_of, is_compiled

RUN = Path(__file__).with_name("run.py")
CALLS = 3  # the first, a second where some compile again, and one as all others


def calls(workload, variant, problem, options):
    """Seconds of the first calls in a process of its own; or why there are none."""
    framework = framework_of(variant)
    python = options.python.get(framework, sys.executable)
    with harness.Worker(variant, python, RUN, ["--work", framework, workload.name, problem], options.threads) as worker:
        missing = worker.ask(do="hello").get("missing")
        answer = {"left_out": missing} if missing else worker.ask(do="calls", variant=variant, count=CALLS)
    if "error" in answer:
        raise RuntimeError(f"{workload.name} {variant!r}: {answer['error']}")
    return answer.get("seconds"), answer.get("left_out")


def measure(workload, options):
    """The seconds of the first calls, by variant and round; the variants that are left out, with the reason."""
    names = [v for framework in options.frameworks for v in workload.of(framework) if is_compiled(v)]
    times, left_out = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        problem = Path(folder) / "problem.npz"
        np.savez(problem, **workload.problem(small=options.small))
        for variant in [workload.of("ours")[0], *names]:  # the first one is eager
            _, why = calls(workload, variant, problem, options)
            if why:
                left_out[variant] = why
                print(f"{variant} is left out: {why}")
            else:
                times[variant] = []
        for _, variant in harness.in_turn(times, options.rounds):
            times[variant].append(calls(workload, variant, problem, options)[0])
    return times, left_out


def show(times):
    """Of the first calls minimum and median, and what that is in first calls of ours; what a later call takes."""
    width, ours = max(map(len, times)), "ours, function"
    firsts = {name: [seconds[0] for seconds in rounds] for name, rounds in times.items()}
    print(f"{'':{width}}  {'min':>9} {'median':>9}  s, / ours, function; a later call, ms")
    for name, first in firsts.items():
        ratio = f"{np.median(first) / np.median(firsts[ours]):8.2f}" if ours in firsts else ""
        later = min(seconds[-1] for seconds in times[name]) * 1e3
        print(f"{name:{width}}  {min(first):9.4f} {np.median(first):9.4f}  {ratio} {later:9.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=WORKLOADS, default=list(WORKLOADS), metavar="WORKLOAD")
    parser.add_argument("--frameworks", nargs="+", choices=harness.FRAMEWORKS, default=list(harness.FRAMEWORKS))
    parser.add_argument("--rounds", type=int, default=5, help="processes of each variant, default 5")
    parser.add_argument("--threads", type=int, default=0, help="threads of each framework; default 0: as it chooses")
    parser.add_argument("--small", action="store_true", help="tiny problems, for tests of the benchmarks")
    harness.add_python_option(parser)
    harness.add_writing_options(parser)
    options = parser.parse_args()
    options.python = dict(options.python)
    os.environ["TORCHINDUCTOR_FORCE_DISABLE_CACHES"] = "1"
    for name in options.only:
        print(f"\n{name}: {WORKLOADS[name].title}", flush=True)
        times, left_out = measure(WORKLOADS[name], options)
        show(times)
        if not options.no_write:
            content = {
                "workload": name, "title": WORKLOADS[name].title, "machine": harness.machine(),
                "settings": {"rounds": options.rounds, "threads": options.threads, "small": options.small},
                "left_out": left_out, "seconds": times,
            }  # fmt: skip
            harness.write(f"first_call_{name}", content, options.results)


if __name__ == "__main__":
    main()
