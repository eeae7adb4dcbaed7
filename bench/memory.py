"""What a step holds in memory: as a plan beside the eager one and the floor, in bytes that Python counts (tracemalloc).

Between two calls a step holds variables and the optimizer's slots, a plan its buffers and constants as well; during a
call the eager step holds what its tape keeps. What is compared is the most that a step holds, less what the eager one
holds between two calls. Each is measured in a process of its own; memory is the same in each run, so there is one.

    python bench/memory.py
"""

import argparse
import sys
import tempfile
from pathlib import Path

import harness
import numpy as np
from workloads import WORKLOADS
from workloads.workload import framework_of

RUN = Path(__file__).with_name("run.py")
CALLS = 4  # before the one that is looked at
USUAL = ("W2", "W4", "W5", "W6", "W11")


def measure(workload, options):
    """Of each variant of ours and the floor: bytes held between two calls, and at most."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        problem = Path(folder) / "problem.npz"
        np.savez(problem, **workload.problem(small=options.small))
        for variant in [*workload.of("ours"), workload.of("floor")[0]]:
            arguments = ["--work", framework_of(variant), workload.name, problem]
            with harness.Worker(variant, sys.executable, RUN, arguments, options.threads) as worker:
                worker.ask(do="hello")
                found[variant] = worker.ask(do="memory", variant=variant, count=CALLS)
    return found


def own(found, workload):
    """Of each variant, the most that it holds beyond what the eager step holds between two calls."""
    held = found[workload.of("ours")[0]]["held"]
    return {variant: bytes["peak"] - held for variant, bytes in found.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=WORKLOADS, default=list(USUAL), metavar="WORKLOAD")
    parser.add_argument("--threads", type=int, default=0, help="default 0: as NumPy chooses")
    parser.add_argument("--small", action="store_true", help="tiny problems, for tests of the benchmarks")
    harness.add_writing_options(parser)
    options = parser.parse_args()
    content = {"machine": harness.machine(), "bytes": {}, "of_the_step": {}, "to_eager": {}}
    for name in options.only:
        workload = WORKLOADS[name]
        found = measure(workload, options)
        of_step, eager = own(found, workload), workload.of("ours")[0]
        content["bytes"][name], content["of_the_step"][name] = found, of_step
        content["to_eager"][name] = {variant: value / of_step[eager] for variant, value in of_step.items()}
        width = max(map(len, found))
        print(f"\n{name}: {workload.title}\n{'':{width}} {'held':>9} {'at most':>9} {'the step':>9}  MB, / eager")
        for variant, bytes in found.items():
            values = [value / 1e6 for value in (bytes["held"], bytes["peak"], of_step[variant])]
            print(f"{variant:{width}}", *[f"{v:9.3f}" for v in values], f"{content['to_eager'][name][variant]:12.2f}")
    if not options.no_write:
        harness.write("memory", content, options.results)


if __name__ == "__main__":
    main()
