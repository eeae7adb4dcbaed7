"""Training steps of ours, of a NumPy floor written by hand, and of other libraries, side by side.

    python bench/run.py
    python bench/run.py --quick
    python bench/run.py --only W1 W2 --frameworks ours floor torch --python torch=/path/to/python

Each framework runs in a process of its own; they are asked in turn, round after round. Before anything is timed, all
variants of a workload must agree on the losses of their first steps. What counts is the ratio within a round.
"""

import argparse
import contextlib
import importlib
import importlib.metadata
import inspect
import sys
import tempfile
import time
import traceback
from pathlib import Path

import harness
import numpy as np
from peers import LeftOut, as_numpy
from places import Missing, place_of
from workloads import FOR_GPU, WORKLOADS

PRODUCTS = "floor, its products alone"  # timed with the variants, but no variant
QUICK = {"rounds": 5, "frameworks": ["ours", "floor", "torch"], "seconds": 0.08, "skip": ["compiled"]}
FULL = {"rounds": 30, "frameworks": list(harness.FRAMEWORKS), "seconds": 0.3, "skip": []}


# ---------------------------------------------------------------- the worker's side


def blas():
    """The BLAS of NumPy, and how many threads the libraries of this process use, as far as they tell."""
    with contextlib.suppress(ImportError):
        from threadpoolctl import threadpool_info

        return [{key: row.get(key) for key in ("internal_api", "version", "num_threads")} for row in threadpool_info()]
    try:
        found = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    except (TypeError, KeyError):  # before NumPy 1.25
        return None
    return [{key: found.get(key) for key in ("name", "version")}]


def problem(error):
    """The answer where a step fails: a compiler that gives up, or is not there, is no mistake of ours."""
    if isinstance(error, (LeftOut, ImportError)):
        return {"left_out": str(error)}
    if type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
        return {"left_out": f"{type(error).__name__}: {error}".strip().splitlines()[0]}
    return {"error": "".join(traceback.format_exception(error))}


def work(framework, workload, path, device="cpu"):
    """Answer the questions of a driver (this one, `gpu.py`, `first_call.py`, `memory.py`) about one framework."""
    with np.load(path) as file:
        arrays = dict(file)
    workload = (WORKLOADS | FOR_GPU)[workload]
    steps = {}  # by variant
    place = None

    def hello():
        nonlocal place
        try:
            first, *_ = [importlib.import_module(name) for name in harness.FRAMEWORKS[framework]]
            place = place_of(framework, first, device, workload.precision)
        except (ImportError, Missing) as error:
            return {"missing": str(error)}
        version = getattr(first, "__version__", None) or importlib.metadata.version(framework)
        answer = {"version": version, "python": sys.version.split()[0], "numpy": np.__version__, "blas": blas()}
        if framework == "torch":
            answer |= {"threads": first.get_num_threads(), "mkl": first.backends.mkl.is_available()}
        return answer | place.tell()

    def check(variant, out):
        """Make the step, and keep the losses of the first ones, or the arrays of the last of them."""
        try:
            with place.counted() as allocated:
                with place.settled():
                    step = workload.make(variant, arrays)
                results = [kept(step()) for _ in range(workload.checked_steps)]
        except Exception as error:
            return problem(error)
        steps[variant] = step
        if isinstance(results[-1], (list, tuple)):
            found = {str(i): as_numpy(value) for i, value in enumerate(results[-1]) if value is not None}
        else:
            found = {"losses": np.array(results)}
        np.savez(out, **found)
        return {"allocated": allocated}

    def kept(result):
        """A loss before the next step writes over it, as CUDA graphs do; arrays are those of the last step anyway."""
        return result if isinstance(result, (list, tuple)) else float(as_numpy(result))

    def spent():
        """Of a step of the floor: how many products, their operations, the bytes of all operands."""
        import by_hand
        import spent

        floor = workload.of("floor")[0]
        module = inspect.getmodule(getattr(workload.variants[floor], "func", workload.variants[floor]))
        noted = spent.spent(steps[floor], [module, by_hand])
        steps[PRODUCTS] = spent.products_alone(noted)
        flops = sum(2 * np.size(options["out"]) * a.shape[-1] for _, (a, _), options in noted.products)
        return {"products": len(noted.products), "flops": flops, "bytes": noted.bytes}

    def run(variant, count):
        """Seconds per step, by the clock and of all cores."""
        return place.seconds(steps[variant], count)

    def copy(variant, numbers):
        """Make a step, of this name, that copies."""
        steps[variant] = place.copying(numbers)

    def calls(variant, count):
        """Seconds of each of the first calls of a step: the first one traces and compiles."""
        try:
            step, seconds = workload.make(variant, arrays), []
            for _ in range(count):
                clock = time.perf_counter()
                place.wait(step())
                seconds.append(time.perf_counter() - clock)
        except Exception as error:
            return problem(error)
        return {"seconds": seconds}

    def memory(variant, count):
        """Bytes that a step holds between two calls, and the most that it holds during one, of what Python counts."""
        import tracemalloc

        if framework == "ours":  # modules do not count
            sys.modules["autograd_vs"].function(lambda x: x * x)(np.ones(3))
        tracemalloc.start()
        step = workload.make(variant, arrays)
        for _ in range(count):
            step()
        tracemalloc.reset_peak()
        held = tracemalloc.get_traced_memory()[0]
        step()
        return {"held": held, "peak": tracemalloc.get_traced_memory()[1]}

    handlers = (hello, check, spent, run, copy, calls, memory)
    harness.serve({handler.__name__: handler for handler in handlers})


# ---------------------------------------------------------------- the driver's side


def difference(found, expected):
    """The largest difference of the arrays that both have, each relative to its largest value."""
    common = [key for key in expected if key in found]
    assert common, "nothing to compare"
    # np.max keeps a NaN, Python's max may drop it
    return float(np.max([np.max(np.abs(found[k] - expected[k])) / np.max(np.abs(expected[k])) for k in common]))


class Run:
    """One workload: its workers, what they say of themselves, and the times of their variants."""

    device = "cpu"
    pause = 0.05  # seconds between two workers: BLAS threads wait busily for a while after their last product

    def __init__(self, workload, options, folder, stack):
        self.workload, self.options, self.folder = workload, options, folder
        self.problem = folder / "problem.npz"
        np.savez(self.problem, **workload.problem(small=options.small))
        self.frameworks, self.workers, self.failed, self.left_out, self.allocated = {}, {}, [], {}, {}
        started = []  # all at once: imports take seconds
        for framework in dict.fromkeys(["floor", *options.frameworks]):  # the floor is what all are compared with
            variants = [v for v in workload.of(framework) if not any(text in v for text in options.skip)]
            if variants:
                started.append((framework, variants, self._start(framework, stack)))
        for framework, variants, worker in started:
            self._greet(framework, variants, worker)

    def _python(self, framework):
        return self.options.python.get(framework, sys.executable)

    def _start(self, framework, stack):
        arguments = ["--work", framework, self.workload.name, self.problem, self.device]
        worker = harness.Worker(framework, self._python(framework), __file__, arguments, self.options.threads)
        return stack.enter_context(worker)

    def _greet(self, framework, variants, worker):
        answer = worker.ask(do="hello")
        if "missing" in answer:
            print(f"{framework} is left out: {answer['missing']} in {self._python(framework)}")
            self.options.frameworks.remove(framework)
            return
        self.frameworks[framework] = answer
        self.workers |= dict.fromkeys(variants, worker)

    def check(self):
        """Who disagrees with the floor (the first one, where there is none), or fails, is not timed."""
        reference, worst = None, 0.0
        for variant, worker in list(self.workers.items()):
            out = self.folder / "result.npz"
            answer = worker.ask(do="check", variant=variant, out=str(out))
            if "left_out" in answer:
                print(f"{variant} is left out: {answer['left_out']}")
                self.left_out[variant] = answer["left_out"]
                del self.workers[variant]
                continue
            problem = answer.get("error")
            if not problem:
                with np.load(out) as file:
                    found = dict(file)
                reference = reference or found
                off = difference(found, reference)
                worst = max(worst, off)
                self.allocated[variant] = answer["allocated"]
                if not off <= self.workload.tolerance:
                    problem = f"computes something else: off by {off:.1e}, allowed are {self.workload.tolerance:.0e}"
            if problem:
                print(f"{self.workload.name} {variant!r} FAILED, not timed: {problem}")
                self.failed.append(variant)
                del self.workers[variant]
        if reference is None:
            print("nobody is left")
            return
        if "losses" in reference:
            losses = reference["losses"]
            what = f"losses of the first {len(losses)} steps, {losses[0]:.6g} -> {losses[-1]:.6g},"
        else:
            what = f"results after {self.workload.checked_steps} steps"
        print(f"{len(self.workers)} variants: {what} agree to {worst:.1e}")

    def timed(self):
        """The workers by what they are asked to time: the variants, and the products of the floor."""
        floor = self.workers[self.workload.of("floor")[0]]
        self.spent = floor.ask(do="spent")
        return self.workers | ({PRODUCTS: floor} if self.spent["products"] else {})

    def time(self):
        """Rounds of all in turn."""
        workers = self.timed()
        self.steps = dict.fromkeys(workers, 1)
        for part in (0.1, 1.0):  # one step tells how many are a tenth of a round, these how many are a whole one
            for name, worker in workers.items():
                seconds = worker.ask(do="run", variant=name, count=self.steps[name])["seconds"]
                self.steps[name] = max(1, round(part * self.options.seconds / seconds))
        answers = {name: [] for name in workers}
        self.others = []  # percent of the machine, of each round
        self.machine = harness.machine()
        others = harness.Others({worker.pid for worker in workers.values()})
        for number, name in harness.in_turn(workers, self.options.rounds):
            if number > len(self.others):
                self.others.append(others.percent())
            time.sleep(self.pause)
            answers[name].append(workers[name].ask(do="run", variant=name, count=self.steps[name]))
        self.others.append(others.percent())
        self.times, self.clock, self.by = (
            {name: [answer[key] for answer in given] for name, given in answers.items()}
            for key in ("seconds", "clock", "by")
        )
        self.cores = {name: [a["cores"] / a["clock"] for a in given] for name, given in answers.items()}

    def ratios(self):
        """Of each variant to our first and to the floor's first."""
        bases = {name: self.workload.of(name)[0] for name in ("ours", "floor")}
        return {
            name: {f"to_{key}": harness.ratio(t, self.times[base]) for key, base in bases.items() if base in self.times}
            for name, t in self.times.items()
        }

    def show(self):
        ratios, scale = self.ratios(), 1e6 / self.workload.operations
        unit = "us an op" if self.workload.operations > 1 else "us"
        width = max(map(len, self.times))
        head = f"{'':{width}}  {'min':>9} {'median':>9}  {unit:8} {'cores':>5} {'/ floor':>8}"
        print(f"{head}  / ours [95 percent] of the minima")
        for name, values in self.times.items():
            row = f"{name:{width}}  {min(values) * scale:9.2f} {float(np.median(values)) * scale:9.2f}  {'':8}"
            row += f" {float(np.median(self.cores[name])):5.1f} {ratios[name]['to_floor']['median']:8.2f}"
            if "to_ours" in ratios[name]:
                r = ratios[name]["to_ours"]
                row += f"  {r['median']:.3f} [{r['interval'][0]:.3f}, {r['interval'][1]:.3f}] {r['of_minima']:.3f}"
            print(row)
        s = self.spent
        text = f"the floor's calls read and write {s['bytes'] / 1e6:.3g} MB"
        if s["products"]:
            rate = s["flops"] / np.median(self.times[PRODUCTS]) / 1e9
            text += f"; its {s['products']} products are {s['flops'] / 1e6:.3g} MFLOP, alone {rate:.3g} GFLOP/s"
        print(text)
        if None not in self.others:
            print(f"others used {np.median(self.others):.0f} percent of the machine, at most {max(self.others):.0f}")

    def content(self):
        """What is stored."""
        settings = {
            "rounds": self.options.rounds, "threads": self.options.threads, "steps_per_round": self.steps,
            "checked_steps": self.workload.checked_steps, "tolerance": self.workload.tolerance,
        }  # fmt: skip
        return {
            "workload": self.workload.name, "title": self.workload.title, "machine": self.machine, "settings": settings,
            "frameworks": self.frameworks, "left_out": self.left_out, "percent_used_by_others": self.others,
            "floor": self.spent, "operations": self.workload.operations, "seconds_per_step": self.times,
            "cores_used": self.cores, "ratios": self.ratios(),
        }  # fmt: skip


def drive(options):
    failed = []
    for name in options.only:
        workload = WORKLOADS[name]
        print(f"\n{name}: {workload.title}" + " (a small one instead)" * options.small, flush=True)
        with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
            run = Run(workload, options, Path(folder), stack)
            run.check()
            failed += [f"{name} {variant}" for variant in run.failed]
            if options.check:
                continue
            run.time()
        run.show()
        if not options.no_write:
            threads = f"_threads{options.threads}" if options.threads else ""
            harness.write(name + threads, run.content(), options.results)
    if options.quick:
        print(
            f"\nThese are no results: {options.rounds} short rounds. Results need at least 20, and nobody else around."
        )
    if failed:
        sys.exit("failed: " + ", ".join(failed))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = ", ".join(harness.FRAMEWORKS)
    parser.add_argument("--only", nargs="+", choices=WORKLOADS, default=list(WORKLOADS), metavar="WORKLOAD")
    parser.add_argument("--frameworks", nargs="+", choices=harness.FRAMEWORKS, metavar="FRAMEWORK", help=f"of {names}")
    parser.add_argument("--skip", nargs="+", metavar="TEXT", help="leave out variants with this in their names")
    harness.add_python_option(parser)
    parser.add_argument("--rounds", type=int, help="default 30; results need at least 20")
    parser.add_argument("--threads", type=int, default=0, help="threads of each framework; default 0: as it chooses")
    parser.add_argument("--check", action="store_true", help="compare the losses, time nothing")
    parser.add_argument("--quick", action="store_true", help="a look: few short rounds, fewer frameworks, not written")
    parser.add_argument("--small", action="store_true", help="tiny problems, for tests of the benchmarks; not written")
    harness.add_writing_options(parser)
    parser.add_argument("--work", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        return work(*options.work)
    defaults = QUICK if options.quick else FULL
    options.seconds = 0.0 if options.small else defaults["seconds"]
    options.rounds = options.rounds or defaults["rounds"]
    options.frameworks = options.frameworks or list(defaults["frameworks"])
    options.skip = defaults["skip"] if options.skip is None else options.skip
    options.no_write |= (options.quick or options.small) and options.results == harness.RESULTS
    options.python = dict(options.python)
    return drive(options)


if __name__ == "__main__":
    main()
