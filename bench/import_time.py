"""How long do `import autograd_vs` and the first gradient take, beside `import numpy`?

Each measurement is a fresh interpreter that times its own statements, so the start of Python itself is not in it.
The bars: import at most 1.3 times NumPy's, import and first gradient together at most 1.5 times.
"""

import argparse
import subprocess
import sys

import harness
import numpy as np

GRADIENT = """
x = autograd_vs.Variable(3.0)
with autograd_vs.GradientTape() as tape:
    y = x * x
assert tape.gradient(y, x).item() == 6.0
"""
CODE = {
    "import numpy": "import numpy",
    "import autograd_vs": "import autograd_vs",
    "import autograd_vs + first gradient": "import autograd_vs" + GRADIENT,
}
BARS = {"import autograd_vs": 1.3, "import autograd_vs + first gradient": 1.5}


def seconds(code):
    timed = f"import time\nstart = time.perf_counter()\n{code}\nprint(time.perf_counter() - start)"
    result = subprocess.run(
        [sys.executable, "-c", timed], env=harness.environment(1), capture_output=True, text=True, check=False
    )
    if result.returncode:
        raise RuntimeError(result.stderr)
    return float(result.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30, help="default 30; results need at least 20")
    parser.add_argument("--no-write", action="store_true", help="leave bench/results alone")
    options = parser.parse_args()

    for code in CODE.values():  # compiles what has to be compiled, fills the disk cache
        seconds(code)
    times = {name: [] for name in CODE}
    for _, name in harness.in_turn(CODE, options.rounds):
        times[name].append(seconds(CODE[name]))

    harness.print_times(times, "ms", 1e3)
    ratios = {name: harness.ratio(times[name], times["import numpy"]) for name in BARS}
    for name, result in ratios.items():
        harness.print_ratio(f"{name} / import numpy (bar {BARS[name]})", result)
    over = float(np.median(times["import autograd_vs"])) - float(np.median(times["import numpy"]))
    print(f"import autograd_vs over import numpy: {over * 1e3:.1f} ms")
    if not options.no_write:
        harness.write("import_time", {"machine": harness.machine(), "seconds": times, "ratios": ratios, "bars": BARS})


if __name__ == "__main__":
    main()
