"""Write what other libraries make of one small network on the digits; `13_coming_from.py` shows the functions below.

`pytorch_digits.safetensors` has PyTorch's initial weights, from which all start; `tensorflow1_digits.npz` the arrays of
a checkpoint of TensorFlow 1, under their names there; `peers.json` the losses. Each library runs in a Python that has
it and safetensors (JAX: optax, too), PyTorch first::

    python tutorials/data/make_peers.py pytorch
    python tutorials/data/make_peers.py tensorflow1
    python tutorials/data/make_peers.py keras
    python tutorials/data/make_peers.py jax
"""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
STEPS, CHECKPOINT = 25, 20  # steps in all; after how many TensorFlow 1 writes its checkpoint


def pytorch(images, labels, start):
    import torch

    x, y = torch.tensor(images), torch.tensor(labels)

    def run(make_optimizer):
        model = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.Tanh(), torch.nn.Linear(32, 10))
        model.load_state_dict({name: torch.tensor(a) for name, a in start.items()})
        optimizer = make_optimizer(model.parameters())
        losses = []
        for _ in range(STEPS):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses

    sgd = run(lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9))
    return sgd, run(lambda parameters: torch.optim.Adam(parameters, lr=0.01))


def tensorflow1(images, labels, start):
    import tensorflow.compat.v1 as tf

    def run(optimizer):
        x, y = tf.placeholder(tf.float32, (None, 64)), tf.placeholder(tf.int64, (None,))
        with tf.variable_scope("encoder"):
            w, b = tf.get_variable("kernel", (64, 32)), tf.get_variable("bias", (32,))
            code = tf.tanh(x @ w + b)
        with tf.variable_scope("head"):
            v, c = tf.get_variable("kernel", (32, 10)), tf.get_variable("bias", (10,))
            logits = code @ v + c
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits))
        train = optimizer.minimize(loss)
        losses = []
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            for variable, name in ((w, "0.weight"), (b, "0.bias"), (v, "2.weight"), (c, "2.bias")):
                variable.load(start[name].T, session)
            for step in range(STEPS):
                if step == CHECKPOINT:
                    keep_checkpoint(tf, session)
                losses.append(float(session.run([loss, train], {x: images, y: labels})[0]))
        return losses

    with tf.Graph().as_default():
        sgd = run(tf.train.MomentumOptimizer(0.1, 0.9))
    with tf.Graph().as_default():
        return sgd, run(tf.train.AdamOptimizer(0.01))


def keras(images, labels, start):
    import tensorflow as tf

    def run(optimizer):
        model = tf.keras.Sequential([tf.keras.layers.Dense(32, activation="tanh"), tf.keras.layers.Dense(10)])
        model.build((None, 64))
        model.set_weights([start[name].T for name in ("0.weight", "0.bias", "2.weight", "2.bias")])
        compute_loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        losses = []
        for _ in range(STEPS):
            with tf.GradientTape() as tape:
                loss = compute_loss(labels, model(images, training=True))
            variables = model.trainable_variables
            optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
            losses.append(float(loss))
        return losses

    return run(tf.keras.optimizers.SGD(0.1, momentum=0.9)), run(tf.keras.optimizers.Adam(0.01, epsilon=1e-8))


def jax(images, labels, start):
    import jax
    import optax

    def compute_loss(p):
        logits = jax.numpy.tanh(images @ p["w"] + p["b"]) @ p["v"] + p["c"]
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

    def run(optimizer):
        p = {"w": start["0.weight"].T, "b": start["0.bias"], "v": start["2.weight"].T, "c": start["2.bias"]}
        state = optimizer.init(p)

        @jax.jit
        def step(p, state):
            loss, gradients = jax.value_and_grad(compute_loss)(p)
            updates, state = optimizer.update(gradients, state)
            return optax.apply_updates(p, updates), state, loss

        losses = []
        for _ in range(STEPS):
            p, state, loss = step(p, state)
            losses.append(float(loss))
        return losses

    return run(optax.sgd(0.1, momentum=0.9)), run(optax.adam(0.01))


def keep_checkpoint(tf, session):
    """The arrays of a checkpoint as TensorFlow writes it; that of Adam, which comes last, stays."""
    with tempfile.TemporaryDirectory() as folder:
        reader = tf.train.load_checkpoint(tf.train.Saver().save(session, f"{folder}/model"))
        arrays = {name: reader.get_tensor(name) for name in sorted(reader.get_variable_to_shape_map())}
    np.savez_compressed(HERE / "tensorflow1_digits.npz", **arrays)


def make_start():
    """PyTorch's initial weights, as it saves them."""
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.Tanh(), torch.nn.Linear(32, 10))
    save_file(model.state_dict(), HERE / "pytorch_digits.safetensors")


def main(name):
    sys.path.insert(0, str(HERE.parent))
    from safetensors.numpy import load_file
    from tutorial_data import load_digits

    if name == "pytorch":
        make_start()
    images, labels = (a[:200] for a in load_digits()["train"])
    sgd, adam = globals()[name](images, labels, load_file(HERE / "pytorch_digits.safetensors"))
    version = sys.modules["tensorflow" if name in ("tensorflow1", "keras") else name.replace("py", "")].__version__
    path = HERE / "peers.json"
    peers = json.loads(path.read_text()) if path.exists() else {}
    peers[name] = {"version": version, "sgd": sgd, "adam": adam}
    lines = [f' "{key}": {json.dumps(found)}' for key, found in sorted(peers.items())]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(f"{path.name}: {name} {version}, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])
