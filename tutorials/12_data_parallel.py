# %% [markdown]
# # One training run in several processes
#
# A batch can be spread over several processes: each computes the gradients of its rows, and the weighted mean of these
# is the gradient of the batch. After this notebook you can turn your training script into one that runs under
# `mpiexec`, on one machine or on many, with the results of the single process.
#
# It needs MPI, which comes with pip: `pip install "autograd-vs[mpi]"`. Without it the notebook runs with one process.

# %%
import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import tutorial_data

import autograd_vs as av

# %% [markdown]
# ## Parts of a batch
#
# `shard=` gives a process its rows of each batch. The batch size is that of the whole batch, and the order does not
# depend on how many processes there are. They are called ranks, and counted from 0. Here a pair (rank, number of ranks)
# stands in for them; a script passes its `DataParallel`. The last batch has only three examples.

# %%
examples = np.arange(11)
parts = [[b.tolist() for b in av.data.batches(examples, 8, shuffle=1, shard=(rank, 2))] for rank in range(2)]
whole = [b.tolist() for b in av.data.batches(examples, 8, shuffle=1)]
for batch, first, second in zip(whole, *parts, strict=True):
    assert first + second == batch
    print("batch", batch, " rank 0:", first, " rank 1:", second)

# %% [markdown]
# ## Why the mean is weighted
#
# Of three examples one rank has one and the other two. The mean of their two gradients would count that one example
# twice; weighted by the number of rows it is the gradient of the batch. `strategy.average(gradients, variables,
# weight=len(x))` does this over all ranks. By hand, in one process:

# %%
images, labels = tutorial_data.load_digits()["train"]
x, y = images[:3], labels[:3]
w = av.Variable(np.zeros((64, 10), np.float32), name="w")


def gradient(x, y):
    with av.GradientTape() as tape:
        loss = av.mean(av.nn.softmax_cross_entropy(x @ w, y))
    return tape.gradient(loss, w)


first, second = gradient(x[:1], y[:1]), gradient(x[1:], y[1:])
batch = gradient(x, y)
weighted = (1 * first + 2 * second) / 3
print("largest error of the plain mean    ", abs((first + second) / 2 - batch).max().item())
print("largest error of the weighted mean ", abs(weighted - batch).max().item())
assert abs(weighted - batch).max().item() < 1e-7

# %% [markdown]
# ## The script
#
# What a training script says to the other processes are five lines: it makes a strategy, shards its data, gives all
# ranks what rank 0 has, averages gradients, and averages what it reports. `synchronized` is for batch normalization,
# which then takes its statistics over the whole batch.

# %%
script = Path(tutorial_data.__file__).with_name("train_parallel.py")
text = script.read_text()
print(text[text.index("strategy =") :])

# %% [markdown]
# ## With one process and with two
#
# `mpiexec -n 2 python train_parallel.py` is all it takes. The strategy lets each process have its share of the cores:
# two that both use all of them stand in each other's way.

# %%
MPIEXEC = Path(sys.executable).with_name("mpiexec")
folder = Path(tempfile.mkdtemp())


def start(ranks, *command):
    """Run a command as so many processes; what they printed."""
    launch = [MPIEXEC, "-n", str(ranks)] if ranks > 1 else []
    return subprocess.run([*launch, sys.executable, *command], capture_output=True, text=True, check=False)


counts = (1, 2) if MPIEXEC.exists() else (1,)
for ranks in counts:
    ended = start(ranks, str(script), str(folder / f"{ranks}"))
    assert ended.returncode == 0, ended.stderr
histories = {ranks: av.History(folder / f"{ranks}" / "history.jsonl") for ranks in counts}

# %% [markdown]
# The two curves lie on each other: the wide line is the single process, the narrow one two of them. Below is by how
# much they differ. Sums are made in another order, so the last digits of float32 differ, and training lets that grow
# slowly.

# %%
figure, (top, bottom) = plt.subplots(2, 1, figsize=(7, 4), dpi=80, sharex=True, height_ratios=(2, 1))
one = histories[1]["loss"]
for ranks, (colour, width) in zip(counts, (("#56B4E9", 5), ("#000000", 1)), strict=False):
    top.plot(histories[ranks]["loss"], color=colour, linewidth=width, label=f"{ranks} process{'es' * (ranks > 1)}")
top.set(ylabel="loss", title="The same training run")
top.legend()
difference = np.abs(histories[counts[-1]]["loss"] - one)
bottom.semilogy(np.maximum(difference, 1e-9), color="#D55E00")
bottom.set(xlabel="step", ylabel="difference", ylim=(1e-9, 1e-2))
figure.tight_layout()
assert len(one) == 95
assert one[-1] < 0.2 * one[0]
assert difference.max() < 1e-3

# %% [markdown]
# ## Checkpoints do not know how many processes there were
#
# Rank 0 wrote the file, which has the variables, the optimizer's slots and the position in the data, each whole. So it
# can be loaded by any number of processes; here by this one, to look at the test set.

# %%
with av.VariableStore() as store:
    layers = av.layers
    model = layers.Sequential([layers.Dense(128, activation=av.nn.relu), layers.BatchNorm(), layers.Dense(10)])
    model(images[:2], training=False)
    manager = av.CheckpointManager(folder / f"{counts[-1]}", store)
    step = manager.restore()
    test_images, test_labels = tutorial_data.load_digits()["test"]
    accuracy = av.metrics.accuracy(model(test_images, training=False), test_labels).item()
print(f"after step {step}: {accuracy:.1%} of the test images are recognised")
assert accuracy > 0.93

# %% [markdown]
# ## When something is wrong
#
# Processes that wait for each other can wait for ever. Here each call of a strategy first compares what the ranks are
# about to do, so a difference is an error with names, on all of them, before anything is changed. And a process that
# raises, or is killed, ends the others: you see its traceback, not a job that hangs.

# %%
program = """
import numpy as np
import autograd_vs as av
strategy = av.distribute.DataParallel()
w = av.Variable(np.zeros((3, 2 + strategy.rank)), name="decoder/w")
strategy.average([np.ones(w.shape)], [w])
"""
ended = start(2, "-c", program) if MPIEXEC.exists() else None
message = ended.stderr[ended.stderr.find("RuntimeError: ") :].splitlines()[:2] if ended else []
print("\n".join(message))
assert ended is None or (ended.returncode != 0 and "(3, 3) on rank 1" in message[1])

# %% [markdown]
# ## Where it pays
#
# A step takes as long as its part of the batch, plus one exchange of all gradients. The more arithmetic there is for
# each weight, the more processes pay. `docs/distribute.md` says how to estimate it, and `bench/ranks.py` measures it on
# your machine.
