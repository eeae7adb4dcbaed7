"""W12: time, memory and disk of `import autograd_vs` and the first gradient, beside `import numpy` and other libraries.

Also the size of the wheel and of the sdist, where hatchling is installed.

Each measurement is a fresh interpreter that times its own statements, so the start of Python itself is not in it. The
bars: import at most 1.3 times NumPy's, import and first gradient together at most 1.5 times.

    python bench/import_time.py --python torch=/path/to/python
"""

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
from pathlib import Path

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
MEASURED = """
import time
start = time.perf_counter()
{code}
seconds = time.perf_counter() - start
import json, os
try:
    with open("/proc/self/statm") as file:
        megabytes = int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6
except OSError:
    megabytes = None
print(json.dumps([seconds, megabytes]))
"""
# the distribution and all that it requires; a name on the path, without a distribution, counts by its files
INSTALLED = """
import importlib.metadata as metadata, importlib.util, os, pathlib, re, sys
seen = set()

def size(name):
    name = re.sub("[-_.]+", "-", name).lower()
    if name in seen:
        return 0
    seen.add(name)
    try:
        found = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return 0
    own = sum(path.stat().st_size for path in map(found.locate_file, found.files or []) if os.path.isfile(path))
    needed = [line for line in found.requires or [] if "extra ==" not in line]
    return own + sum(size(re.match(r"[\\w.-]+", line)[0]) for line in needed)

total = 0
for name in sys.argv[1:]:
    total += size(name)
    if name.lower() not in {n.lower() for n in metadata.packages_distributions()}:
        spec = importlib.util.find_spec(name)
        total += sum(p.stat().st_size for p in pathlib.Path(spec.origin).parent.rglob("*.py"))
print(total / 1e6)
"""


def answer(python, code, *arguments):
    command = [python, "-c", code, *arguments]
    result = subprocess.run(command, env=harness.environment(1), capture_output=True, text=True, check=False)
    if result.returncode:
        raise RuntimeError(result.stderr)
    return json.loads(result.stdout)


def built():
    """Megabytes of what is handed to users: the wheel, and the sdist."""
    if importlib.util.find_spec("hatchling") is None:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "hatchling", "build", "-d", folder]
        subprocess.run(command, cwd=Path(__file__).parents[1], check=True, capture_output=True)
        kinds = {"wheel": "*.whl", "sdist": "*.tar.gz"}
        return {kind: next(Path(folder).glob(pattern)).stat().st_size / 1e6 for kind, pattern in kinds.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30, help="default 30; results need at least 20")
    harness.add_python_option(parser)
    harness.add_writing_options(parser)
    options = parser.parse_args()

    code = CODE | {f"import {name}": f"import {name}" for name in dict(options.python)}
    pythons = dict.fromkeys(CODE, sys.executable) | {f"import {name}": path for name, path in options.python}

    def measure(name):
        return answer(pythons[name], MEASURED.format(code=code[name]))

    for name in code:  # compiles what has to be compiled, fills the disk cache
        measure(name)
    times, resident = {name: [] for name in code}, {name: [] for name in code}
    for _, name in harness.in_turn(code, options.rounds):
        seconds, megabytes = measure(name)
        times[name].append(seconds)
        resident[name].append(megabytes)
    packages = {"import numpy": ["numpy"], "import autograd_vs": ["autograd_vs", "optim", "numpy"]}
    packages |= {f"import {name}": [name] for name in dict(options.python)}
    installed = {name: answer(pythons[name], INSTALLED, *names) for name, names in packages.items()}

    harness.print_times(times, "ms", 1e3)
    for name in code:
        memory = "" if None in resident[name] else f"{np.median(resident[name]):.0f} MB resident"
        disk = f", {installed[name]:.0f} MB installed with dependencies" if name in installed else ""
        print(f"{name}: {memory}{disk}")
    sizes = built()
    for kind, megabytes in sizes.items():
        print(f"{kind}: {megabytes:.2f} MB")
    ratios = {name: harness.ratio(times[name], times["import numpy"]) for name in times}
    for name, bar in BARS.items():
        harness.print_ratio(f"{name} / import numpy (bar {bar})", ratios[name])
    over = float(np.median(times["import autograd_vs"])) - float(np.median(times["import numpy"]))
    print(f"import autograd_vs over import numpy: {over * 1e3:.1f} ms")
    if not options.no_write:
        content = {
            "machine": harness.machine(), "seconds": times, "resident_megabytes": resident,
            "installed_megabytes": installed, "built_megabytes": sizes, "ratios": ratios, "bars": BARS,
        }  # fmt: skip
        harness.write("import_time", content, options.results)


if __name__ == "__main__":
    main()
