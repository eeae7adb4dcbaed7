"""One training step of a tiny MLP: 2 -> 32 -> 32 -> 1, tanh, batch 32, MSE, Adam, float32.

Measured: forward, loss, backward, update; the data is in memory. Variants: ours (eager tape), a floor written by hand
in NumPy (hand-derived gradients, preallocated buffers, one packed buffer), PyTorch eager with its default and its fused
Adam. Both libraries in two spellings: their fastest (`linear` and `mse`, `addmm` and `mse_loss`), and plain operators.
The bar: ours at least 4 times faster than PyTorch eager with its fastest Adam::

    python bench/mlp_step.py --torch-python /path/to/python-with-torch
"""

import argparse
import contextlib
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import harness
import numpy as np

SIZES = (2, 32, 32, 1)
BATCH = 32
LEARNING_RATE, BETA_1, BETA_2, EPSILON = 1e-3, 0.9, 0.999, 1e-8
CHECKED_STEPS = 50


def problem(seed=0):
    """Glorot-uniform weights stored (in, out), zero biases, one batch, all float32."""
    rng = np.random.default_rng(seed)
    arrays = {}
    for i, (fan_in, fan_out) in enumerate(pairwise(SIZES), start=1):
        limit = np.sqrt(6 / (fan_in + fan_out))
        arrays[f"w{i}"] = rng.uniform(-limit, limit, size=(fan_in, fan_out)).astype(np.float32)
        arrays[f"b{i}"] = np.zeros(fan_out, np.float32)
    x = rng.normal(size=(BATCH, SIZES[0])).astype(np.float32)
    return arrays | {"x": x, "y": np.sin(x[:, :1] * 2) * x[:, 1:]}


# Each variant: arrays -> step, where step() trains once and returns the loss in whatever form the framework has it.


def ours(arrays, plain=False):
    import autograd_vs as av
    import optim

    variables = [av.Variable(arrays[f"{kind}{i}"]) for i in (1, 2, 3) for kind in "wb"]
    w1, b1, w2, b2, w3, b3 = variables
    x, y = av.Tensor(arrays["x"]), av.Tensor(arrays["y"])
    optimizer = optim.Adam(LEARNING_RATE, beta_1=BETA_1, beta_2=BETA_2, epsilon=EPSILON)

    def step():
        with av.GradientTape() as tape:
            h = av.tanh(av.nn.linear(x, w1, b1))
            h = av.tanh(av.nn.linear(h, w2, b2))
            loss = av.nn.mse(av.nn.linear(h, w3, b3), y)
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss

    def plain_step():
        with av.GradientTape() as tape:
            h = av.tanh(x @ w1 + b1)
            h = av.tanh(h @ w2 + b2)
            loss = av.mean(av.square(h @ w3 + b3 - y))
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss

    return plain_step if plain else step


def floor(arrays):
    """By hand: nothing is allocated in a step but views and scalars."""
    names = [f"{kind}{i}" for i in (1, 2, 3) for kind in "wb"]
    size = sum(arrays[name].size for name in names)
    packed, gradient, m, v, update, root = (np.zeros(size, np.float32) for _ in range(6))
    p, g, start = {}, {}, 0
    for name in names:
        stop = start + arrays[name].size
        p[name] = packed[start:stop].reshape(arrays[name].shape)
        g[name] = gradient[start:stop].reshape(arrays[name].shape)
        p[name][...] = arrays[name]
        start = stop
    x, y = arrays["x"], arrays["y"]
    h1, h2, d1, d2, slope = (np.empty((BATCH, 32), np.float32) for _ in range(5))
    out = np.empty((BATCH, 1), np.float32)
    count = 0

    def step():
        nonlocal count
        np.dot(x, p["w1"], out=h1)
        np.add(h1, p["b1"], out=h1)
        np.tanh(h1, out=h1)
        np.dot(h1, p["w2"], out=h2)
        np.add(h2, p["b2"], out=h2)
        np.tanh(h2, out=h2)
        np.dot(h2, p["w3"], out=out)
        np.add(out, p["b3"], out=out)
        np.subtract(out, y, out=out)
        loss = np.vdot(out, out) / BATCH

        np.multiply(out, 2 / BATCH, out=out)
        np.dot(h2.T, out, out=g["w3"])
        np.add.reduce(out, axis=0, out=g["b3"])
        np.dot(out, p["w3"].T, out=d2)
        np.multiply(h2, h2, out=slope)
        np.subtract(1.0, slope, out=slope)
        np.multiply(d2, slope, out=d2)
        np.dot(h1.T, d2, out=g["w2"])
        np.add.reduce(d2, axis=0, out=g["b2"])
        np.dot(d2, p["w2"].T, out=d1)
        np.multiply(h1, h1, out=slope)
        np.subtract(1.0, slope, out=slope)
        np.multiply(d1, slope, out=d1)
        np.dot(x.T, d1, out=g["w1"])
        np.add.reduce(d1, axis=0, out=g["b1"])

        count += 1
        correction_1, correction_2 = 1 - BETA_1**count, 1 - BETA_2**count
        np.multiply(m, BETA_1, out=m)
        np.multiply(gradient, 1 - BETA_1, out=update)
        np.add(m, update, out=m)
        np.multiply(gradient, gradient, out=update)
        np.multiply(update, 1 - BETA_2, out=update)
        np.multiply(v, BETA_2, out=v)
        np.add(v, update, out=v)
        np.sqrt(v, out=root)
        # lr/c1 * m / (sqrt(v)/sqrt(c2) + eps), both sides of the fraction times sqrt(c2): one pass less
        np.add(root, EPSILON * correction_2**0.5, out=root)
        np.divide(m, root, out=update)
        np.multiply(update, LEARNING_RATE * correction_2**0.5 / correction_1, out=update)
        np.subtract(packed, update, out=packed)
        return loss

    return step


def torch_eager(arrays, fused, plain=False):
    import torch

    params = [torch.nn.Parameter(torch.tensor(arrays[f"{kind}{i}"])) for i in (1, 2, 3) for kind in "wb"]
    w1, b1, w2, b2, w3, b3 = params
    x, y = torch.tensor(arrays["x"]), torch.tensor(arrays["y"])
    choice = {"fused": True} if fused else {}
    optimizer = torch.optim.Adam(params, lr=LEARNING_RATE, betas=(BETA_1, BETA_2), eps=EPSILON, **choice)

    def step():
        optimizer.zero_grad(set_to_none=True)
        h = torch.tanh(torch.addmm(b1, x, w1))
        h = torch.tanh(torch.addmm(b2, h, w2))
        loss = torch.nn.functional.mse_loss(torch.addmm(b3, h, w3), y)
        loss.backward()
        optimizer.step()
        return loss

    def plain_step():
        optimizer.zero_grad(set_to_none=True)
        h = torch.tanh(x @ w1 + b1)
        h = torch.tanh(h @ w2 + b2)
        loss = torch.mean(torch.square(h @ w3 + b3 - y))
        loss.backward()
        optimizer.step()
        return loss

    return plain_step if plain else step


VARIANTS = {
    "autograd_vs eager": ours,
    "autograd_vs eager, plain operators": lambda arrays: ours(arrays, plain=True),
    "NumPy by hand": floor,
    "torch eager": lambda arrays: torch_eager(arrays, fused=False),
    "torch eager, fused Adam": lambda arrays: torch_eager(arrays, fused=True),
    "torch eager, fused Adam, plain operators": lambda arrays: torch_eager(arrays, fused=True, plain=True),
}
BAR = 4.0


def version(variant):
    if variant.startswith("torch"):
        import torch

        return torch.__version__
    if variant.startswith("autograd_vs"):
        import autograd_vs

        return autograd_vs.__version__
    return np.__version__


def work(variant, data):
    with np.load(data) as file:
        arrays = dict(file)
    step = VARIANTS[variant](arrays)

    def losses(steps):
        return [float(step().item()) for _ in range(steps)]

    def run(steps):
        start = time.perf_counter()
        for _ in range(steps):
            step()
        return (time.perf_counter() - start) / steps

    harness.serve({"losses": losses, "run": run, "version": lambda: version(variant)})


def compare_losses(losses):
    reference = losses["NumPy by hand"]
    for name, values in losses.items():
        np.testing.assert_allclose(values, reference, rtol=1e-4, err_msg=f"{name} trains differently")
    worst = max(np.max(np.abs(np.divide(values, reference) - 1)) for values in losses.values())
    print(f"first {len(reference)} losses agree, {reference[0]:.6f} -> {reference[-1]:.6f}, to {worst:.1e}")


def drive(options):
    pythons = {name: sys.executable for name in VARIANTS if not name.startswith("torch")}
    if options.torch_python:
        pythons |= {name: options.torch_python for name in VARIANTS if name.startswith("torch")}
    if options.only:
        pythons = {name: python for name, python in pythons.items() if any(part in name for part in options.only)}
        pythons.setdefault("NumPy by hand", sys.executable)  # the losses are compared with it
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        data = Path(folder) / "problem.npz"
        np.savez(data, **problem())
        workers = {}
        for name, python in pythons.items():
            arguments = ["--work", name, "--data", data]
            workers[name] = stack.enter_context(harness.Worker(name, python, __file__, arguments, options.threads))
        versions = {name: worker.ask(do="version") for name, worker in workers.items()}
        compare_losses({name: worker.ask(do="losses", steps=CHECKED_STEPS) for name, worker in workers.items()})
        for worker in workers.values():
            worker.ask(do="run", steps=options.steps)
        before = harness.machine()
        times = {name: [] for name in workers}
        for _, name in harness.in_turn(workers, options.rounds):
            times[name].append(workers[name].ask(do="run", steps=options.steps))
    harness.print_times(times)
    mine = next(iter(VARIANTS))
    ratios = {n: harness.ratio(times[n], times[mine]) for n in times if n != mine} if mine in times else {}
    for name, result in ratios.items():
        harness.print_ratio(f"{name} / {mine}", result)
    peers = [result["median"] for name, result in ratios.items() if name.startswith("torch")]
    if peers:
        print(f"faster than the fastest torch by {min(peers):.2f} (bar {BAR})")
    if not options.no_write:
        settings = {"rounds": options.rounds, "steps": options.steps, "threads": options.threads, "versions": versions}
        content = {"machine": before, "settings": settings, "seconds_per_step": times, "ratios": ratios}
        harness.write("mlp_step", content)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torch-python", help="an interpreter with PyTorch; without it PyTorch is left out")
    parser.add_argument("--rounds", type=int, default=30, help="default 30; results need at least 20")
    parser.add_argument("--steps", type=int, default=200, help="steps per round and variant, default 200")
    parser.add_argument("--threads", type=int, default=1, help="BLAS threads of all variants, default 1; 0: its own")
    parser.add_argument("--only", nargs="+", metavar="PART", help="variants whose name contains one of these")
    parser.add_argument("--no-write", action="store_true", help="leave bench/results alone")
    parser.add_argument("--work", choices=VARIANTS, help=argparse.SUPPRESS)
    parser.add_argument("--data", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options.work, options.data)
    else:
        drive(options)


if __name__ == "__main__":
    main()
