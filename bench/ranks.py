"""Data-parallel steps with 1, 2 and 4 ranks on this machine, and a model of their time: `docs/distribute.md` tells it.

``python bench/ranks.py`` starts itself under the mpiexec beside this Python, prints tables, and writes
`bench/results/ranks.json`. It takes a few minutes, on a machine on which nothing else runs. Each rank has one thread.

Measured, medians over `--rounds`:

- an all-reduce of n bytes, for many n, fitted by a latency and a time per byte for each number of ranks;
- the agreement in front of it, packing (an average that sends nothing), and a whole average of gradients;
- a training step of the whole batch on one rank; on p ranks, each with its part of the batch, computing at the same
  time without an exchange; and with it, eagerly and under `av.function`;
- how much of a non-blocking all-reduce is done beside products of matrices.

The model: a step with p ranks takes what computing its part takes, plus packing, agreement and all-reduce. The fit for
two ranks also predicts the all-reduces of more, by the costs of R. Rabenseifner's algorithm.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np
from harness import add_writing_options, environment, machine, write

MPIEXEC = Path(sys.executable).with_name("mpiexec")
SIZES = [4**k for k in range(1, 13)]  # of float32: 16 bytes to 64 MB
MODELS = {  # widths of the layers, rows of the whole batch
    "narrow": ([64, 64, 64, 10], 256),
    "middle": ([784, 256, 128, 10], 512),
    "wide": ([512, 2048, 2048, 10], 512),
}

# ---------------------------------------------------------------- what a rank does


def timed(function, comm, rounds, least=0.02):
    """Median seconds of a call: those of the slowest rank, all beginning together."""
    function()
    begin = time.perf_counter()
    function()
    once = comm.allreduce(time.perf_counter() - begin) / comm.size
    calls = max(1, min(1000, int(least / once)))
    found = []
    for _ in range(rounds):
        comm.Barrier()
        begin = time.perf_counter()
        for _ in range(calls):
            function()
        found.append((time.perf_counter() - begin) / calls)
    return median([max(each) for each in zip(*comm.allgather(found), strict=True)])


def all_reduces(comm, rounds, sizes):
    from mpi4py import MPI

    found = {}
    for size in sizes:
        array = np.ones(size, np.float32)
        found[array.nbytes] = timed(lambda array=array: comm.Allreduce(MPI.IN_PLACE, array), comm, rounds)
    return found


def steps(comm, rounds, name):
    """Seconds of a step: computing alone, and with the exchange; eagerly and as a function."""
    import autograd_vs as av
    import optim
    from autograd_vs.distribute.exchange import Average, Exchange

    widths, batch = MODELS[name]
    rows = slice(batch * comm.rank // comm.size, batch * (comm.rank + 1) // comm.size)
    rng = np.random.default_rng(0)
    x = av.Tensor(rng.standard_normal((batch, widths[0])).astype(np.float32)[rows])
    y = av.Tensor(rng.integers(0, widths[-1], batch)[rows])
    found = {}
    strategy = av.distribute.DataParallel(comm)
    for exchange in (False, True):
        with av.VariableStore(seed=0) as store:
            model = av.layers.Sequential([av.layers.Dense(width, activation=av.nn.relu) for width in widths[1:]])
            optimizer = optim.SGD(0.01)
            model(x)
            variables = store.variables()

            def step(x, y, exchange=exchange, model=model, optimizer=optimizer, variables=variables):
                with av.GradientTape() as tape:
                    loss = av.nn.softmax_cross_entropy(model(x), y).mean()
                gradients = tape.gradient(loss, variables)
                if exchange:
                    gradients = strategy.average(gradients, variables, weight=len(x))
                optimizer.apply_gradients(zip(gradients, variables, strict=True))

            kind = "step" if exchange else "computing"
            found[kind] = timed(lambda: step(x, y), comm, rounds)
            traced = av.function(step)
            found[f"{kind}, function"] = timed(lambda: traced(x, y), comm, rounds)  # noqa: B023
            found["bytes"] = sum(v.array.nbytes for v in variables)
    if comm.size > 1:
        gradients = [av.Tensor(np.ones(v.shape, np.float32)) for v in variables]
        row, link = np.zeros(4, np.int64), strategy._exchange.link
        found["agreement"] = timed(lambda: link.table(row), comm, rounds)
        found["average"] = timed(lambda: strategy.average(gradients, variables), comm, rounds)
        silent = Exchange(Silent(comm.size))
        found["packing"] = timed(lambda: Average(silent, gradients, variables).results(1.0), comm, rounds)
    strategy.close()
    return found


class Silent:
    """A link that sends nothing: what is left of an average is our own work."""

    rank = 0

    def __init__(self, size):
        self.size = size

    def table(self, row):
        return np.broadcast_to(row, (self.size, row.size))

    def add(self, array):
        pass


def overlap(comm, rounds, size):
    """The share of a non-blocking all-reduce that is hidden behind products of about the same time."""
    from mpi4py import MPI

    array, a = np.ones(size, np.float32), np.ones((256, 256), np.float32)
    send = timed(lambda: comm.Allreduce(MPI.IN_PLACE, array), comm, rounds)
    one = timed(lambda: a @ a, comm, rounds)
    products = max(1, round(send / one))

    def compute():
        for _ in range(products):
            a @ a

    def beside():
        request = comm.Iallreduce(MPI.IN_PLACE, array)
        compute()
        request.Wait()

    alone, both = timed(compute, comm, rounds), timed(beside, comm, rounds)
    return {
        "bytes": array.nbytes,
        "all-reduce": send,
        "products": alone,
        "beside": both,
        "hidden": (send + alone - both) / send,
    }


def work(options):
    from mpi4py import MPI

    comm = MPI.COMM_WORLD
    sizes = SIZES[:4] if options.small else SIZES
    found = {
        "ranks": comm.size,
        "all_reduce": all_reduces(comm, options.rounds, sizes) if comm.size > 1 else {},
        "steps": {name: steps(comm, options.rounds, name) for name in (["narrow"] if options.small else MODELS)},
        "overlap": overlap(comm, options.rounds, sizes[-2]) if comm.size > 1 else {},
    }
    if comm.rank == 0:
        print("FOUND " + json.dumps(found), flush=True)


# ---------------------------------------------------------------- the model


def fitted(all_reduce):
    """(latency, seconds per byte) of an all-reduce: the relative errors have the least squares."""
    nbytes, seconds = (np.array(column, float) for column in zip(*all_reduce.items(), strict=True))
    rows = np.stack([np.ones_like(nbytes), nbytes], 1) / seconds[:, None]
    return np.linalg.lstsq(rows, np.ones(len(rows)), rcond=None)[0]


def predicted(two, ranks, nbytes):
    """Seconds of an all-reduce by `ranks`, from the fit for two: 2 log2(p) latencies, 2 (p - 1) / p of the bytes."""
    latency, per_byte = two["latency"] / 2, two["seconds_per_byte"]
    return 2 * np.log2(ranks) * latency + 2 * (ranks - 1) / ranks * nbytes * per_byte


def interpolated(all_reduce, nbytes):
    """Seconds of an all-reduce of so many bytes, between those measured."""
    sizes = sorted(map(int, all_reduce))
    return float(np.exp(np.interp(np.log(nbytes), np.log(sizes), [np.log(all_reduce[size]) for size in sizes])))


def report(found):
    for each in found:
        each["all_reduce"] = {int(nbytes): seconds for nbytes, seconds in each["all_reduce"].items()}
    print("\nAll-reduce, median us of the slowest rank")
    several = [each for each in found if each["ranks"] > 1]
    for nbytes in several[0]["all_reduce"]:
        print(f"  {nbytes:>10} bytes" + "".join(f"{each['all_reduce'][nbytes] * 1e6:>12.1f}" for each in several))
    for each in several:
        each["latency"], each["seconds_per_byte"] = map(float, fitted(each["all_reduce"]))
        fit, beside = (
            f"{each['latency'] * 1e6:.1f} us + {each['seconds_per_byte'] * 1e9:.3f} ns a byte",
            each["overlap"],
        )
        print(
            f"  {each['ranks']} ranks: {fit}; of {beside['bytes']} bytes {beside['hidden']:.0%} is hidden by products"
        )
    for each in several[1:]:
        ratios = [each["all_reduce"][n] / predicted(several[0], each["ranks"], n) for n in each["all_reduce"]]
        print(f"  {each['ranks']} ranks / what the fit for two predicts: {min(ratios):.2f} to {max(ratios):.2f}")
    print("\nSteps, median ms. exchange: packing + agreement + all-reduce of so many bytes, each measured by itself;")
    print("average: the whole call, measured; predicted: computing + exchange")
    columns = ("computing", "exchange", "average", "predicted", "measured", "speed-up")
    print(f"  {'model':<18}{'ranks':>6}" + "".join(f"{column:>11}" for column in columns))
    alone = found[0]["steps"]
    for name, whole in alone.items():
        for way in ("", ", function"):
            for each in found:
                step = each["steps"][name]
                exchange = 0.0
                if each["ranks"] > 1:
                    exchange = step["packing"] + step["agreement"] + interpolated(each["all_reduce"], step["bytes"])
                computing, measured = step["computing" + way], step["step" + way]
                step["predicted" + way], step["speed_up" + way] = computing + exchange, whole["step" + way] / measured
                times = computing, exchange, step.get("average", 0.0), computing + exchange, measured
                shown = "".join(f"{seconds * 1e3:>11.3f}" for seconds in times)
                print(f"  {name + way:<18}{each['ranks']:>6}{shown}{step['speed_up' + way]:>11.2f}")
    print("\nWith a core for each rank and this machine's messages, the exchange takes as long as computing with")
    for name, whole in alone.items():
        ranks, nbytes = np.arange(2, 4097), whole["bytes"]
        less = predicted(several[0], ranks, nbytes) < whole["computing, function"] / ranks
        print(f"  {name}: {ranks[less].max(initial=1) + 1} ranks")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--small", action="store_true", help="small sizes only: a look whether it runs")
    add_writing_options(parser)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(options)
        return
    if options.ranks[0] != 1:
        parser.error("the first of --ranks is 1: speed-ups are those against one rank")
    found = []
    for n in options.ranks:
        command = [MPIEXEC, "-n", str(n), sys.executable, __file__, "--worker", "--rounds", str(options.rounds)]
        command += ["--small"] if options.small else []
        print(f"{n} ranks ...", flush=True)
        ended = subprocess.run(command, env=environment(1), capture_output=True, text=True, check=False)
        lines = [line for line in ended.stdout.splitlines() if line.startswith("FOUND ")]
        if ended.returncode or not lines:
            sys.exit(ended.stdout + ended.stderr)
        found.append(json.loads(lines[0].removeprefix("FOUND ")))
    report(found)
    if not options.no_write:
        write("ranks", {"machine": machine(), "found": found}, options.results)


if __name__ == "__main__":
    main()
