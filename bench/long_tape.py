"""A tape of 1,000,000 ops: time and memory per op of recording and walking back, as the tape grows.

The bar: neither grows faster than the number of ops. Each size runs in a process of its own.
"""

import argparse
import json
import subprocess
import sys

import harness

SIZES = 10_000, 100_000, 1_000_000
CODE = """
import json, resource, sys, time
import numpy as np
import autograd_vs as av
ops = int(sys.argv[1])
x = av.Tensor(np.ones(16))

def run(count):
    start = time.perf_counter()
    with av.GradientTape() as tape:
        tape.watch(x)
        y = x
        for _ in range(count // 2):
            y = y * 1.0000001 + 0.0
    middle = time.perf_counter()
    tape.gradient(y, x)
    return middle - start, time.perf_counter() - middle

run(1000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
forward, backward = run(ops)
peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
print(json.dumps([forward / ops, backward / ops, peak / ops]))
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="processes per size, default 5")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="numbers of ops")
    harness.add_writing_options(parser)
    options = parser.parse_args()
    results = {size: [] for size in options.sizes}
    for _ in range(options.rounds):
        for size in options.sizes:
            command = [sys.executable, "-c", CODE, str(size)]
            out = subprocess.run(command, env=harness.environment(1), capture_output=True, text=True, check=True).stdout
            results[size].append(json.loads(out))
    print(f"{'ops':>10}{'forward us/op':>16}{'backward us/op':>16}{'peak bytes/op':>16}   (median of {options.rounds})")
    for size, rows in results.items():
        forward, backward, peak = (sorted(column)[len(rows) // 2] for column in zip(*rows, strict=True))
        print(f"{size:>10}{forward * 1e6:>16.2f}{backward * 1e6:>16.2f}{peak:>16.0f}")
    if not options.no_write:
        content = {"machine": harness.machine(), "seconds_and_bytes_per_op": results}
        harness.write("long_tape", content, options.results)


if __name__ == "__main__":
    main()
