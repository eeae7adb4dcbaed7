"""W1: one training step of a tiny MLP, 2 -> 32 -> 32 -> 1, tanh, batch 32, MSE, Adam.

Ours and PyTorch in two spellings: their fastest (`linear` and `mse`, `addmm` and `mse_loss`), and plain operators.
The floor is frozen: figures of years are compared with it, so it keeps an Adam of its own.
"""

from functools import partial

import numpy as np
import peers
from by_hand import BETA_1, BETA_2, EPSILON, LEARNING_RATE, packed

from .workload import Workload, as_function, dense_layers

SIZES = (2, 32, 32, 1)
BATCH = 32
NAMES = ("w1", "b1", "w2", "b2", "w3", "b3")


def problem(small=False):
    rng = np.random.default_rng(0)
    arrays = dense_layers(rng, SIZES)
    x = rng.normal(size=(BATCH, SIZES[0])).astype(np.float32)
    return arrays | {"x": x, "y": np.sin(x[:, :1] * 2) * x[:, 1:]}


def ours(arrays, plain=False):
    import autograd_vs as av
    import optim

    variables = [av.Variable(arrays[name], name=name) for name in NAMES]
    w1, b1, w2, b2, w3, b3 = variables
    x, y = av.Tensor(arrays["x"]), av.Tensor(arrays["y"])
    optimizer = optim.Adam()

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
    values, p = packed(arrays, NAMES)
    gradient, g = packed(arrays, NAMES)
    m, v, update, root = (np.zeros_like(values) for _ in range(4))
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
        np.subtract(values, update, out=values)
        return loss

    return step


def torch_loss(p, x, y):
    import torch

    h = torch.tanh(torch.addmm(p["b1"], x, p["w1"]))
    h = torch.tanh(torch.addmm(p["b2"], h, p["w2"]))
    return torch.nn.functional.mse_loss(torch.addmm(p["b3"], h, p["w3"]), y)


def plain_loss(library):
    """With operators, and the functions that NumPy, PyTorch and all the others have under these names."""

    def loss(p, x, y):
        h = library.tanh(x @ p["w1"] + p["b1"])
        h = library.tanh(h @ p["w2"] + p["b2"])
        return library.mean(library.square(h @ p["w3"] + p["b3"] - y))

    return loss


def train(step, loss, arrays, **options):
    return step(loss, {name: arrays[name] for name in NAMES}, [(arrays["x"], arrays["y"])], **options)


def torch(arrays, step=peers.torch_step, plain=False):
    import torch

    loss = plain_loss(torch) if plain else torch_loss
    return train(step, loss, arrays)


def jax(arrays):
    import jax.numpy

    return train(peers.jax_step, plain_loss(jax.numpy), arrays)


def tensorflow(arrays, eager=False):
    import tensorflow as tf

    def loss(p, x, y):
        h = tf.tanh(x @ p["w1"] + p["b1"])
        h = tf.tanh(h @ p["w2"] + p["b2"])
        return tf.reduce_mean(tf.square(h @ p["w3"] + p["b3"] - y))

    return train(peers.tensorflow_step, loss, arrays, eager=eager)


def autograd(arrays):
    import autograd.numpy

    return train(peers.autograd_step, plain_loss(autograd.numpy), arrays)


def mygrad(arrays):
    import mygrad

    return train(peers.mygrad_step, plain_loss(mygrad), arrays)


def chainer(arrays):
    import chainer.functions as F

    def loss(p, x, y):
        h = F.tanh(F.linear(x, p["w1"].T, p["b1"]))
        h = F.tanh(F.linear(h, p["w2"].T, p["b2"]))
        return F.mean_squared_error(F.linear(h, p["w3"].T, p["b3"]), y)

    return train(peers.chainer_step, loss, arrays)


WORKLOADS = [
    Workload(
        "W1",
        "MLP 2-32-32-1, tanh, batch 32, MSE, Adam",
        problem,
        {
            "floor": floor,
            "ours": ours,
            "ours, function": as_function(ours),
            "ours, plain operators": partial(ours, plain=True),
            "torch": torch,
            "torch, fused Adam": partial(torch, step=peers.torch_fused),
            "torch, fused Adam, plain operators": partial(torch, step=peers.torch_fused, plain=True),
            "torch, compiled": partial(torch, step=peers.torch_compiled),
            "torch, compiled model": partial(torch, step=peers.torch_compiled_model),
            "jax": jax,
            "tensorflow, function": tensorflow,
            "tensorflow, eager": partial(tensorflow, eager=True),
            "autograd": autograd,
            "mygrad": mygrad,
            "chainer": chainer,
        },
        checked_steps=50,
    )
]
