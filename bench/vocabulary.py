"""A training step with an embedding whose gradient stays rows: does its time depend on the size of the table?

The steps of W10s (SGD) and W10l (lazy Adam) on 64 bags of 16 ids, with the same ids in tables of different sizes; one
process, in turn::

    python bench/vocabulary.py
"""

import argparse
import time

import harness
import numpy as np

SIZES = 10_000, 100_000, 1_000_000, 4_000_000
UNITS, BAGS, IDS = 64, 64, 16


OPTIMIZERS = {"SGD": lambda optim: optim.SGD(0.01), "lazy Adam": lambda optim: optim.Adam(lazy=True)}


def make(rows, used, optimizer):
    import autograd_vs as av
    import optim

    rng = np.random.default_rng(0)
    table = av.Variable(rng.uniform(-0.05, 0.05, (rows, UNITS)).astype(np.float32))
    w, b = av.Variable(rng.normal(size=(UNITS, 1)).astype(np.float32)), av.Variable(np.zeros(1, np.float32))
    ids, y = rng.integers(0, used, (BAGS, IDS)), av.Tensor(rng.normal(size=(BAGS, 1)).astype(np.float32))
    variables, optimizer = [table, w, b], OPTIMIZERS[optimizer](optim)

    def step():
        with av.GradientTape() as tape:
            bags = av.mean(av.nn.embedding_lookup(table, ids), axis=1)
            loss = av.nn.mse(av.nn.linear(bags, w, b), y)
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))

    return step


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30, help="default 30; results need at least 20")
    parser.add_argument("--steps", type=int, default=100, help="steps per round and size, default 100")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="rows of the tables")
    harness.add_writing_options(parser)
    options = parser.parse_args()
    content = {"machine": harness.machine(), "seconds_per_step": {}, "ratios": {}}
    for name in OPTIMIZERS:
        print(name)
        times, ratios = compared(name, options)
        content["seconds_per_step"][name], content["ratios"][name] = times, ratios
    if not options.no_write:
        harness.write("vocabulary", content, options.results)


def compared(name, options):
    steps = {size: make(size, min(options.sizes), name) for size in options.sizes}
    times = {str(size): [] for size in steps}
    for _, size in harness.in_turn(steps, options.rounds):
        start = time.perf_counter()
        for _ in range(options.steps):
            steps[size]()
        times[str(size)].append((time.perf_counter() - start) / options.steps)
    harness.print_times(times)
    smallest, *others = times
    ratios = {size: harness.ratio(times[size], times[smallest]) for size in others}
    for size, result in ratios.items():
        harness.print_ratio(f"{size} rows / {smallest}", result)
    return times, ratios


if __name__ == "__main__":
    main()
