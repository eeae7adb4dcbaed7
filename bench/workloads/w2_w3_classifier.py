"""W2 and W3: a training step of a classifier, two relu layers, softmax cross-entropy of integer labels, Adam.

W2 is 784-256-128-10 with batch 128, W3 is 1024-2048-2048-10 with batch 256, where products take most of the time.
"""

from functools import partial

import numpy as np
import peers
from by_hand import Adam, packed

from .workload import Workload, as_function, dense_layers

NAMES = ("w1", "b1", "w2", "b2", "w3", "b3")


def problem(sizes, batch):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(batch, sizes[0])).astype(np.float32)
    return dense_layers(rng, sizes) | {"x": x, "labels": rng.integers(0, sizes[-1], batch)}


def ours(arrays):
    import autograd_vs as av
    import optim

    variables = [av.Variable(arrays[name], name=name) for name in NAMES]
    w1, b1, w2, b2, w3, b3 = variables
    x, labels = av.Tensor(arrays["x"]), arrays["labels"]
    optimizer = optim.Adam()

    def step():
        with av.GradientTape() as tape:
            h = av.nn.relu(av.nn.linear(x, w1, b1))
            h = av.nn.relu(av.nn.linear(h, w2, b2))
            loss = av.mean(av.nn.softmax_cross_entropy(av.nn.linear(h, w3, b3), labels))
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss

    return step


def floor(arrays):
    values, p = packed(arrays, NAMES)
    gradient, g = packed(arrays, NAMES)
    adam = Adam([values])
    x, labels = arrays["x"], arrays["labels"]
    batch, rows = len(x), np.arange(len(x))
    h1, h2, z = (np.empty((batch, p[name].size), np.float32) for name in ("b1", "b2", "b3"))
    d1, d2 = np.empty_like(h1), np.empty_like(h2)
    alive1, alive2 = np.empty(h1.shape, bool), np.empty(h2.shape, bool)
    row = np.empty((batch, 1), np.float32)
    ones = np.ones(batch, np.float32)  # a sum over the batch is a product

    def step():
        np.dot(x, p["w1"], out=h1)
        np.add(h1, p["b1"], out=h1)
        np.maximum(h1, 0, out=h1)
        np.dot(h1, p["w2"], out=h2)
        np.add(h2, p["b2"], out=h2)
        np.maximum(h2, 0, out=h2)
        np.dot(h2, p["w3"], out=z)
        np.add(z, p["b3"], out=z)

        np.maximum.reduce(z, axis=1, keepdims=True, out=row)
        np.subtract(z, row, out=z)
        chosen = z[rows, labels]
        np.exp(z, out=z)
        np.add.reduce(z, axis=1, keepdims=True, out=row)
        np.divide(z, row, out=z)
        np.log(row, out=row)
        loss = (np.add.reduce(row, axis=None) - np.add.reduce(chosen)) / batch

        z[rows, labels] -= 1
        np.multiply(z, 1 / batch, out=z)
        np.dot(h2.T, z, out=g["w3"])
        np.dot(ones, z, out=g["b3"])
        np.dot(z, p["w3"].T, out=d2)
        np.greater(h2, 0, out=alive2)
        np.multiply(d2, alive2, out=d2)
        np.dot(h1.T, d2, out=g["w2"])
        np.dot(ones, d2, out=g["b2"])
        np.dot(d2, p["w2"].T, out=d1)
        np.greater(h1, 0, out=alive1)
        np.multiply(d1, alive1, out=d1)
        np.dot(x.T, d1, out=g["w1"])
        np.dot(ones, d1, out=g["b1"])

        adam.step([gradient])
        return loss

    return step


def train(step, loss, arrays, **options):
    return step(loss, {name: arrays[name] for name in NAMES}, [(arrays["x"], arrays["labels"])], **options)


def torch(arrays, step=peers.torch_step):
    from torch import addmm, relu
    from torch.nn.functional import cross_entropy

    def loss(p, x, labels):
        h = relu(addmm(p["b1"], x, p["w1"]))
        h = relu(addmm(p["b2"], h, p["w2"]))
        return cross_entropy(addmm(p["b3"], h, p["w3"]), labels)

    return train(step, loss, arrays)


def jax(arrays):
    import jax
    import jax.numpy as jnp

    def loss(p, x, labels):
        h = jax.nn.relu(x @ p["w1"] + p["b1"])
        h = jax.nn.relu(h @ p["w2"] + p["b2"])
        log_p = jax.nn.log_softmax(h @ p["w3"] + p["b3"])
        return -jnp.mean(jnp.take_along_axis(log_p, labels[:, None], axis=1))

    return train(peers.jax_step, loss, arrays)


def tensorflow(arrays, eager=False):
    import tensorflow as tf

    def loss(p, x, labels):
        h = tf.nn.relu(x @ p["w1"] + p["b1"])
        h = tf.nn.relu(h @ p["w2"] + p["b2"])
        z = h @ p["w3"] + p["b3"]
        return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=z))

    return train(peers.tensorflow_step, loss, arrays, eager=eager)


def autograd(arrays):
    import autograd.numpy as anp
    from autograd.scipy.special import logsumexp

    def loss(p, x, labels):
        h = anp.maximum(x @ p["w1"] + p["b1"], 0)
        h = anp.maximum(h @ p["w2"] + p["b2"], 0)
        z = h @ p["w3"] + p["b3"]
        return anp.mean(logsumexp(z, axis=1) - z[anp.arange(len(labels)), labels])

    return train(peers.autograd_step, loss, arrays)


def mygrad(arrays):
    from mygrad.nnet.activations import relu
    from mygrad.nnet.losses import softmax_crossentropy

    def loss(p, x, labels):
        h = relu(x @ p["w1"] + p["b1"])
        h = relu(h @ p["w2"] + p["b2"])
        return softmax_crossentropy(h @ p["w3"] + p["b3"], labels)

    return train(peers.mygrad_step, loss, arrays)


def chainer(arrays):
    import chainer.functions as F

    def loss(p, x, labels):
        h = F.relu(F.linear(x, p["w1"].T, p["b1"]))
        h = F.relu(F.linear(h, p["w2"].T, p["b2"]))
        return F.softmax_cross_entropy(F.linear(h, p["w3"].T, p["b3"]), labels.astype(np.int32))

    return train(peers.chainer_step, loss, arrays)


VARIANTS = {
    "floor": floor,
    "ours": ours,
    "ours, function": as_function(ours),
    "torch": torch,
    "torch, fused Adam": partial(torch, step=peers.torch_fused),
    "torch, compiled": partial(torch, step=peers.torch_compiled),
    "torch, compiled model": partial(torch, step=peers.torch_compiled_model),
    "jax": jax,
    "tensorflow, function": tensorflow,
    "tensorflow, eager": partial(tensorflow, eager=True),
    "autograd": autograd,
    "mygrad": mygrad,
    "chainer": chainer,
}


def problem_w2(small=False):
    return problem((20, 16, 12, 10), 8) if small else problem((784, 256, 128, 10), 128)


def problem_w3(small=False):
    return problem((64, 48, 48, 10), 16) if small else problem((1024, 2048, 2048, 10), 256)


WORKLOADS = [
    Workload("W2", "classifier 784-256-128-10, relu, batch 128, Adam", problem_w2, VARIANTS),
    Workload("W3", "classifier 1024-2048-2048-10, relu, batch 256, Adam", problem_w3, VARIANTS, 5, tolerance=1e-3),
]
