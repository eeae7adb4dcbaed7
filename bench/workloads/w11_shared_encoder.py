"""W11: a training step of two autoencoders that share one encoder, 784 -> 128 relu -> 32 and back, 64 + 64 samples.

Ours shares by name, as its users would; "variables held" keeps them in Python variables instead.
"""

from functools import partial

import numpy as np
import peers
from by_hand import Adam, packed

from .workload import Workload, as_function, dense_layers

SCOPES = ("encoder", "left", "right")
LAYER = ("w1", "b1", "w2", "b2")
NAMES = tuple(f"{scope}_{name}" for scope in SCOPES for name in LAYER)


def problem(small=False):
    inputs, hidden, code, batch = (12, 8, 4, 5) if small else (784, 128, 32, 64)
    rng = np.random.default_rng(0)
    arrays = {}
    for scope in SCOPES:
        sizes = (inputs, hidden, code) if scope == "encoder" else (code, hidden, inputs)
        arrays |= {f"{scope}_{name}": array for name, array in dense_layers(rng, sizes).items()}
    return arrays | {f"x_{side}": rng.normal(size=(batch, inputs)).astype(np.float32) for side in ("left", "right")}


def two_layers(relu, linear):
    """The network that the encoder and both decoders are."""
    return lambda x, w1, b1, w2, b2: linear(relu(linear(x, w1, b1)), w2, b2)


def sum_of_errors(network, mse):
    """The loss, for all that take parameters by name."""

    def loss(p, left, right):
        def part(scope, x):
            return network(x, *[p[f"{scope}_{name}"] for name in LAYER])

        errors = [mse(part(scope, part("encoder", x)), x) for scope, x in (("left", left), ("right", right))]
        return errors[0] + errors[1]

    return loss


def ours(arrays):
    import autograd_vs as av
    import optim

    def network(x):
        w1, b1, w2, b2 = [av.get_variable(name) for name in LAYER]
        return av.nn.linear(av.nn.relu(av.nn.linear(x, w1, b1)), w2, b2)

    def error(side, x):
        with av.variable_scope("encoder", reuse=True):
            code = network(x)
        with av.variable_scope(side, reuse=True):
            return av.nn.mse(network(code), x)

    left, right = av.Tensor(arrays["x_left"]), av.Tensor(arrays["x_right"])
    for scope in SCOPES:
        with av.variable_scope(scope):
            for name in LAYER:
                av.get_variable(name, initializer=arrays[f"{scope}_{name}"])
    variables = av.trainable_variables()
    optimizer = optim.Adam()

    def step():
        with av.GradientTape() as tape:
            loss = error("left", left) + error("right", right)
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss

    return step


def ours_held(arrays):
    import autograd_vs as av
    import optim

    p = {name: av.Variable(arrays[name], name=name) for name in NAMES}
    variables = list(p.values())
    left, right = av.Tensor(arrays["x_left"]), av.Tensor(arrays["x_right"])
    loss_of = sum_of_errors(two_layers(av.nn.relu, av.nn.linear), av.nn.mse)
    optimizer = optim.Adam()

    def step():
        with av.GradientTape() as tape:
            loss = loss_of(p, left, right)
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss

    return step


def floor(arrays):
    """Both halves of the batch go through the encoder as one."""
    values, p = packed(arrays, NAMES)
    gradient, g = packed(arrays, NAMES)
    adam = Adam([values])
    x = np.concatenate([arrays["x_left"], arrays["x_right"]])
    batch, inputs = x.shape
    hidden, code = arrays["encoder_b1"].size, arrays["encoder_b2"].size
    h, dh, h_out, dh_out = np.empty((4, batch, hidden), np.float32)
    z, dz = np.empty((2, batch, code), np.float32)
    out = np.empty((batch, inputs), np.float32)
    alive = np.empty((batch, hidden), bool)
    ones = np.ones(batch, np.float32)
    halves = [("left", slice(0, batch // 2)), ("right", slice(batch // 2, batch))]

    def forward(scope, x, h, y):
        w1, b1, w2, b2 = (p[f"{scope}_{name}"] for name in LAYER)
        np.dot(x, w1, out=h)
        np.add(h, b1, out=h)
        np.maximum(h, 0, out=h)
        np.dot(h, w2, out=y)
        np.add(y, b2, out=y)

    def backward(scope, x, h, dy, dh, alive, dx=None):
        w1, b1, w2, b2 = (g[f"{scope}_{name}"] for name in LAYER)
        np.dot(h.T, dy, out=w2)
        np.dot(ones[: len(dy)], dy, out=b2)
        np.dot(dy, p[f"{scope}_w2"].T, out=dh)
        np.greater(h, 0, out=alive)
        np.multiply(dh, alive, out=dh)
        np.dot(x.T, dh, out=w1)
        np.dot(ones[: len(dy)], dh, out=b1)
        if dx is not None:
            np.dot(dh, p[f"{scope}_w1"].T, out=dx)

    def step():
        forward("encoder", x, h, z)
        for scope, half in halves:
            forward(scope, z[half], h_out[half], out[half])
        np.subtract(out, x, out=out)
        count = out.size / 2
        loss = np.vdot(out, out) / count
        np.multiply(out, 2 / count, out=out)
        for scope, half in halves:
            backward(scope, z[half], h_out[half], out[half], dh_out[half], alive[half], dz[half])
        backward("encoder", x, h, dz, dh, alive)
        adam.step([gradient])
        return loss

    return step


def train(step, loss, arrays, **options):
    return step(loss, {name: arrays[name] for name in NAMES}, [(arrays["x_left"], arrays["x_right"])], **options)


def torch(arrays, step=peers.torch_step):
    import torch

    network = two_layers(torch.relu, lambda x, w, b: torch.addmm(b, x, w))
    loss = sum_of_errors(network, torch.nn.functional.mse_loss)
    return train(step, loss, arrays)


def plain_loss(relu, mean, square):
    """With operators."""
    return sum_of_errors(two_layers(relu, lambda x, w, b: x @ w + b), lambda y, x: mean(square(y - x)))


def jax(arrays):
    import jax

    return train(peers.jax_step, plain_loss(jax.nn.relu, jax.numpy.mean, jax.numpy.square), arrays)


def tensorflow(arrays, eager=False):
    import tensorflow as tf

    return train(peers.tensorflow_step, plain_loss(tf.nn.relu, tf.reduce_mean, tf.square), arrays, eager=eager)


def autograd(arrays):
    import autograd.numpy as anp

    return train(peers.autograd_step, plain_loss(lambda x: anp.maximum(x, 0), anp.mean, anp.square), arrays)


def mygrad(arrays):
    import mygrad
    from mygrad.nnet.activations import relu

    return train(peers.mygrad_step, plain_loss(relu, mygrad.mean, mygrad.square), arrays)


def chainer(arrays):
    import chainer.functions as F

    network = two_layers(F.relu, lambda x, w, b: F.linear(x, w.T, b))
    return train(peers.chainer_step, sum_of_errors(network, F.mean_squared_error), arrays)


WORKLOADS = [
    Workload(
        "W11",
        "two autoencoders with one shared encoder, 784-128-32, batch 64 + 64, Adam",
        problem,
        {
            "floor": floor,
            "ours": ours,
            "ours, function": as_function(ours_held),
            "ours, variables held": ours_held,
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
        },
        checked_steps=10,
        tolerance=5e-4,
    )
]
