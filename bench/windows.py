"""Convolutions and pooling, shape by shape, against PyTorch: the forward alone, and forward and backward.

Each library runs in a process of its own; they are asked in turn, round after round, after their results were compared.
PyTorch runs twice, with images in its own order (channels first) and with channels last in memory; the ratio is to the
faster one of the two::

    python bench/windows.py --python torch=/path/to/python
"""

import argparse
import contextlib
import sys
import tempfile
import time
from pathlib import Path

import harness
import numpy as np

# kind, images, size, channels, kernel, features, strides, groups
SHAPES = {
    "W4's first: 28 x 28 x 1, 5 x 5 -> 32": ("conv", 64, 28, 1, 5, 32, 1, 1),
    "W4's second: 14 x 14 x 32, 5 x 5 -> 64": ("conv", 64, 14, 32, 5, 64, 1, 1),
    "32 x 32 x 3, 3 x 3 -> 32": ("conv", 64, 32, 3, 3, 32, 1, 1),
    "32 x 32 x 32, 3 x 3 -> 32": ("conv", 64, 32, 32, 3, 32, 1, 1),
    "112 x 112 x 3, 7 x 7 -> 64, stride 2": ("conv", 8, 112, 3, 7, 64, 2, 1),
    "56 x 56 x 64, 3 x 3 -> 64": ("conv", 8, 56, 64, 3, 64, 1, 1),
    "28 x 28 x 128, 3 x 3 -> 128": ("conv", 8, 28, 128, 3, 128, 1, 1),
    "28 x 28 x 128, 3 x 3 -> 256, stride 2": ("conv", 8, 28, 128, 3, 256, 2, 1),
    "14 x 14 x 256, 3 x 3 -> 256": ("conv", 8, 14, 256, 3, 256, 1, 1),
    "7 x 7 x 512, 3 x 3 -> 512": ("conv", 8, 7, 512, 3, 512, 1, 1),
    "56 x 56 x 64, 1 x 1 -> 256": ("conv", 8, 56, 64, 1, 256, 1, 1),
    "28 x 28 x 128, 3 x 3, depthwise": ("conv", 16, 28, 128, 3, 128, 1, 128),
    "28 x 28 x 32, max 2 x 2": ("max", 64, 28, 32, 2, 32, 2, 1),
    "56 x 56 x 64, max 3 x 3, stride 2": ("max", 8, 56, 64, 3, 64, 2, 1),
    "28 x 28 x 32, mean 2 x 2": ("avg", 64, 28, 32, 2, 32, 2, 1),
    "7 x 7 x 512, mean of all": ("adaptive", 64, 7, 512, 1, 512, 1, 1),
}
SMALL = {
    "conv": ("conv", 2, 6, 3, 3, 4, 1, 1),
    "depthwise": ("conv", 2, 6, 4, 3, 4, 2, 4),
    "max": ("max", 2, 6, 3, 3, 3, 2, 1),
    "mean": ("avg", 2, 6, 3, 2, 3, 2, 1),
    "mean of all": ("adaptive", 2, 6, 3, 1, 3, 1, 1),
}
WORKERS = {"ours": ("ours", {}), "torch": ("torch", {}), "torch, channels last": ("torch", {"last": True})}


def problem(shape):
    """Images and filters, in our order."""
    _, images, size, channels, kernel, features, _, groups = shape
    rng = np.random.default_rng(0)
    x = rng.normal(size=(images, size, size, channels)).astype(np.float32)
    return x, rng.normal(size=(kernel, kernel, channels // groups, features)).astype(np.float32)


def ours(shape, both):
    import autograd_vs as av

    kind, _, _, _, kernel, _, strides, groups = shape
    x, filters = problem(shape)
    x, filters = av.Tensor(x), av.Variable(filters)
    pad = kernel // 2

    def forward():
        if kind == "conv":
            return av.nn.conv2d(x, filters, strides, pad, groups=groups)
        if kind == "max":
            return av.nn.max_pool2d(x, kernel, strides, 0)
        if kind == "avg":
            return av.nn.avg_pool2d(x, kernel, strides)
        return av.nn.adaptive_avg_pool2d(x, 1)

    g = np.ones(forward().shape, np.float32)
    sources = [x, filters] if kind == "conv" else [x]

    def step():
        with av.GradientTape() as tape:
            tape.watch(x)
            y = forward()
        return [y, *tape.gradient(y, sources, output_gradients=g)]

    def results():
        return [t.numpy() for t in step()]

    return (step if both else forward), results


def torch(shape, both, last=False):
    import torch as t
    import torch.nn.functional as F

    kind, _, _, _, kernel, _, strides, groups = shape
    order = t.channels_last if last else t.contiguous_format
    x, filters = problem(shape)
    x = t.tensor(x.transpose(0, 3, 1, 2)).contiguous(memory_format=order).requires_grad_()
    filters = t.tensor(filters.transpose(3, 2, 0, 1)).contiguous(memory_format=order).requires_grad_()
    pad = kernel // 2

    def function():
        if kind == "conv":
            return F.conv2d(x, filters, stride=strides, padding=pad, groups=groups)
        if kind == "max":
            return F.max_pool2d(x, kernel, strides)
        if kind == "avg":
            return F.avg_pool2d(x, kernel, strides)
        return F.adaptive_avg_pool2d(x, 1)

    def forward():
        with t.no_grad():
            return function()

    g = t.ones_like(forward())

    def step():
        x.grad = filters.grad = None
        y = function()
        y.backward(g)
        return y

    def results():
        y = step()
        found = [y.detach(), x.grad] + ([filters.grad] if kind == "conv" else [])
        moved = [a.permute(0, 2, 3, 1) for a in found[:2]] + [a.permute(2, 3, 1, 0) for a in found[2:]]
        return [a.contiguous().numpy() for a in moved]

    return (step if both else forward), results


def work(name, small):
    """Answer the driver's questions."""
    framework, options = WORKERS[name]
    shapes = SMALL if small else SHAPES
    make = {"ours": ours, "torch": torch}[framework]
    made = {}

    def hello():
        try:
            __import__(harness.FRAMEWORKS[framework][0])
        except ImportError as error:
            return {"missing": str(error)}
        return {"version": sys.modules[harness.FRAMEWORKS[framework][0]].__version__}

    def check(shape, out):
        for both in (False, True):
            made[shape, both] = make(shapes[shape], both, **options)
        np.savez(out, *made[shape, True][1]())
        return {}

    def run(shape, both, seconds):
        step = made[shape, both][0]
        start = time.perf_counter()
        step()
        count = max(1, int(seconds / (time.perf_counter() - start)))
        start = time.perf_counter()
        for _ in range(count):
            step()
        return (time.perf_counter() - start) / count

    harness.serve({"hello": hello, "check": check, "run": run})


def off(found, expected):
    return max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in zip(found, expected, strict=True))


def drive(options):
    shapes = SMALL if options.small else SHAPES
    python = dict(options.python)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        workers, versions = {}, {}
        for name, (framework, _) in WORKERS.items():
            arguments = ["--work", name, *(["--small"] if options.small else [])]
            worker = harness.Worker(name, python.get(framework, sys.executable), __file__, arguments, options.threads)
            answer = stack.enter_context(worker).ask(do="hello")
            if "missing" in answer:
                print(f"{name} is left out: {answer['missing']}")
            else:
                workers[name], versions[name] = worker, answer["version"]
        others, used = harness.Others({worker.pid for worker in workers.values()}), []
        rows = {}
        for shape in shapes:
            kept = {}
            for name, worker in workers.items():
                out = folder / "found.npz"
                worker.ask(do="check", shape=shape, out=str(out))
                with np.load(out) as file:
                    kept[name] = list(file.values())
            worst = max(off(found, kept["ours"]) for found in kept.values())
            if worst > 1e-4:
                sys.exit(f"{shape}: results differ by {worst:.1e}")
            rows[shape] = {}
            for both in (False, True):
                times = {name: [] for name in workers}
                for _, name in harness.in_turn(workers, options.rounds):
                    time.sleep(0.02)  # BLAS threads wait busily for a while after their last product
                    times[name].append(workers[name].ask(do="run", shape=shape, both=both, seconds=options.seconds))
                rows[shape]["both" if both else "forward"] = compared(times)
            used.append(others.percent())
            show(shape, rows[shape])
    print(f"others used {used} percent of the machine")
    if not options.no_write:
        content = {
            "machine": harness.machine(), "versions": versions, "rounds": options.rounds, "threads": options.threads,
            "percent_used_by_others": used, "shapes": rows,
        }  # fmt: skip
        harness.write("windows" + (f"_threads{options.threads}" if options.threads else ""), content, options.results)


def compared(times):
    """The times, and our ratio to the faster one of PyTorch's."""
    theirs = [name for name in times if name != "ours"]
    found = {"seconds": times}
    if theirs:
        best = min(theirs, key=lambda name: float(np.median(times[name])))
        found |= {"best": best, "ratio": harness.ratio(times["ours"], times[best])}
    return found


def show(shape, row):
    texts = []
    for what, found in row.items():
        text = f"{what} {float(np.median(found['seconds']['ours'])) * 1e3:.2f} ms"
        if "ratio" in found:
            low, high = found["ratio"]["interval"]
            text += f", {found['ratio']['median']:.2f} [{low:.2f}, {high:.2f}] of {found['best']}"
        texts.append(text)
    print(f"{shape:42} {'; '.join(texts)} (median)", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    harness.add_python_option(parser)
    parser.add_argument("--rounds", type=int, default=20, help="default 20; results need at least 20")
    parser.add_argument("--seconds", type=float, default=0.05, help="a round of one shape takes about so long")
    parser.add_argument("--threads", type=int, default=0, help="threads of each library; default 0: as it chooses")
    parser.add_argument("--small", action="store_true", help="tiny shapes, for tests of the benchmarks")
    harness.add_writing_options(parser)
    parser.add_argument("--work", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options.work, options.small)
    else:
        drive(options)


if __name__ == "__main__":
    main()
