"""Handwritten digits, trained by one process or several: ``mpiexec -n 2 python tutorials/train_parallel.py``.

`12_data_parallel.py` explains it. The checkpoint and the losses go to the folder that is given, or to ``out/parallel``.
"""

import sys
from pathlib import Path

from tutorial_data import load_digits

import autograd_vs as av
import optim

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "out/parallel")
images, labels = load_digits()["train"]

strategy = av.distribute.DataParallel()  # without mpiexec: one rank
with av.VariableStore(seed=0) as store:
    layers = av.layers
    model = layers.Sequential([layers.Dense(128, activation=av.nn.relu), layers.BatchNorm(), layers.Dense(10)])
    optimizer = optim.Adam(2e-3, global_clipnorm=1.0)  # clips the averaged gradient: that of the whole batch
    data = av.data.batches((images, labels), 64, shuffle=0, shard=strategy)  # 64 for all ranks together
    model(images[:2], training=False)  # makes the variables
    variables = store.trainable_variables()

    history = av.History(folder / "history.jsonl", mode="w")
    manager = av.CheckpointManager(folder, store, optimizer, data, history)
    strategy.broadcast(store, optimizer, data)  # what rank 0 has, everywhere; and seen to be equal

    @av.function
    def step(x, y):
        with av.GradientTape() as tape, strategy.synchronized(len(x)):
            loss = av.mean(av.nn.softmax_cross_entropy(model(x, training=True), y))
        gradients = strategy.average(tape.gradient(loss, variables), variables, weight=len(x))
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return strategy.mean(loss, weight=len(x))

    for epoch in range(5):
        for x, y in av.progress(data, f"epoch {epoch}"):  # rank 0 draws the bar
            history.log(epoch=epoch, loss=step(x, y))
        manager.save(optimizer.iterations)  # rank 0 writes, the others go on
    strategy.verify(store, optimizer)
