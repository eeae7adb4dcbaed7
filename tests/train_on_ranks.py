"""A training script as a user writes it, which can be told to fail; `test_distribute.py` starts it.

``train_on_ranks.py FOLDER STEPS [what rank step]``: on this rank, before this step, it may "raise", "kill" itself,
"leave" the loop, "exit", or "skip" a step and go on.
"""

import os
import signal
import sys

import numpy as np

import autograd_vs as av
import optim

if __name__ == "__main__":  # else it is being read for doctests
    folder, steps, *fault = sys.argv[1:]
    what, on_rank, at_step = fault or ("nothing", "0", "0")
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((50, 6)), rng.standard_normal((50, 2))

    strategy = av.distribute.DataParallel()
    with av.VariableStore(seed=1) as store:
        layers = [av.layers.Dense(8, activation=av.nn.tanh, dtype="float64"), av.layers.BatchNorm(dtype="float64")]
        model = av.layers.Sequential([*layers, av.layers.Dense(2, dtype="float64")])
        optimizer = optim.Adam(0.01, global_clipnorm=0.5)
        data = av.data.batches((x, y), 16, shuffle=3, shard=strategy)  # the last batch has 2 rows
        model(x[:2], training=False)
        variables = store.trainable_variables()
        manager = av.CheckpointManager(os.path.join(folder, "checkpoints"), store, optimizer, data, step_interval=5)
        done = manager.restore() or 0
        strategy.broadcast(store, optimizer, data)

        @av.function
        def step(x, y):
            with av.GradientTape() as tape, strategy.synchronized(len(x)):
                loss = av.sum((model(x, training=True) - y) ** 2) / max(1, len(x))
            gradients = strategy.average(tape.gradient(loss, variables), variables, weight=len(x))
            optimizer.apply_gradients(zip(gradients, variables, strict=True))
            return strategy.mean(loss, weight=len(x))

        print(f"rank {strategy.rank} begins behind step {done}", flush=True)
        while done < int(steps):
            for batch in data:
                if strategy.rank == int(on_rank) and done + 1 == int(at_step):
                    if what == "raise":
                        raise ArithmeticError("as it was told")
                    if what == "kill":
                        os.kill(os.getpid(), signal.SIGKILL)
                    if what == "exit":
                        sys.exit(3)
                    if what == "leave":
                        steps = done
                        break
                    if what == "skip":
                        optimizer.iterations += 1
                loss = step(*batch)
                done += 1
                manager.save(done)
                if done == int(steps):
                    break
        if strategy.is_main:
            np.savez(
                os.path.join(folder, "values.npz"), loss=loss.numpy(), **{v.name: v.numpy() for v in store.variables()}
            )
            print("trained", done, "steps", flush=True)
