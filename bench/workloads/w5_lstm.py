"""W5: a training step of an LSTM: one cell over 50 steps, 32 inputs, 128 units, batch 32, the last h to one number.

Everybody loops in Python over a cell written with ops. "native" is a library's own loop: `nn.LSTM`, `lax.scan`. The
gates lie side by side in the order i, f, g, o.
"""

from functools import partial
from itertools import cycle

import numpy as np
import peers
from by_hand import Adam, packed

from .workload import Workload, glorot

NAMES = ("wx", "wh", "b", "w", "c")


def problem(small=False):
    times, batch, inputs, units = (4, 3, 5, 6) if small else (50, 32, 32, 128)
    rng = np.random.default_rng(0)
    arrays = {
        "wx": glorot(rng, inputs, 4 * units),
        "wh": glorot(rng, units, 4 * units),
        "b": np.zeros(4 * units, np.float32),
        "w": glorot(rng, units, 1),
        "c": np.zeros(1, np.float32),
    }
    x = rng.normal(size=(times, batch, inputs)).astype(np.float32)
    y = np.sin(x[-5:].sum(axis=(0, 2)))[:, None]
    # the second batch contradicts the first: numbers never become so small that they take longer
    return arrays | {"x": x, "y": np.stack([y, -y])}


def batches_of(arrays):
    return [(arrays["x"], y) for y in arrays["y"]]


def ours(arrays, by_name=False, written_out=False, planned=False):
    """`by_name` asks for the variables of the cell at each of its steps; `written_out`: a cell of the user's own."""
    import autograd_vs as av
    import optim

    x, targets = [av.Tensor(x_t) for x_t in arrays["x"]], cycle([av.Tensor(y) for y in arrays["y"]])
    start = av.Tensor(np.zeros((x[0].shape[0], arrays["wh"].shape[0]), np.float32))

    def variables(scope, *names):
        with av.variable_scope(scope, reuse=av.AUTO_REUSE):
            return [av.get_variable(name, initializer=arrays[name]) for name in names]

    def own_cell(x_t, h, c, wx, wh, b):
        i, f, g, o = av.split(av.nn.linear(x_t, wx, b) + h @ wh, 4, axis=-1)
        c = av.nn.sigmoid(f) * c + av.nn.sigmoid(i) * av.tanh(g)
        return av.nn.sigmoid(o) * av.tanh(c), c

    cell = own_cell if written_out else av.nn.lstm_cell

    def last(kernels):
        h = c = start
        for x_t in x:
            h, c = cell(x_t, h, c, *kernels())
        return h

    scope = f"{'shared' if by_name else 'held'}{written_out:d}{planned:d}"
    lstm, dense = variables(f"{scope}/lstm", "wx", "wh", "b"), variables(f"{scope}/dense", "w", "c")
    kernels = partial(variables, f"{scope}/lstm", "wx", "wh", "b") if by_name else lambda: lstm
    optimizer = optim.Adam()

    def train(y):
        with av.GradientTape() as tape:
            loss = av.nn.mse(av.nn.linear(last(kernels), *dense), y)
        optimizer.apply_gradients(zip(tape.gradient(loss, lstm + dense), lstm + dense, strict=True))
        return loss

    train = av.function(train) if planned else train
    return lambda: train(next(targets))


def floor(arrays):
    """The products with the inputs, and those of the weights' gradients, are each one product over all times."""
    values, p = packed(arrays, NAMES)
    gradient, g = packed(arrays, NAMES)
    adam = Adam([values])
    x, targets = arrays["x"], cycle(arrays["y"])
    (times, batch, inputs), units = x.shape, len(arrays["wh"])
    flat_x = x.reshape(times * batch, inputs)
    gates, d_gates = np.empty((2, times, batch, 4 * units), np.float32)
    flat_gates, flat_d = (a.reshape(times * batch, 4 * units) for a in (gates, d_gates))
    h, c, tanh_c = np.zeros((3, times + 1, batch, units), np.float32)  # before each time, and after the last
    part, slope = np.empty((2, batch, 4 * units), np.float32)
    dh, dc, one = np.empty((3, batch, units), np.float32)
    out = np.empty((batch, 1), np.float32)
    ones, ones_batch = np.ones(times * batch, np.float32), np.ones(batch, np.float32)
    # sigmoid(z) = tanh(z / 2) / 2 + 1/2: one tanh for all gates, with these factors; the slope is (a + tail) (1 - a)
    per_gate = np.float32([[0.5, 0.5, 1, 0.5], [0.5, 0.5, 0, 0.5], [0, 0, 1, 0]])
    scale, shift, tail = np.repeat(per_gate, units, axis=1)

    def split(a):
        return [a[:, n * units : (n + 1) * units] for n in range(4)]

    parts = [(split(gates[t]), split(d_gates[t])) for t in range(times)]

    def step():
        np.dot(flat_x, p["wx"], out=flat_gates)
        np.add(flat_gates, p["b"], out=flat_gates)
        for t in range(times):
            a, (i, f, g_, o) = gates[t], parts[t][0]
            np.dot(h[t], p["wh"], out=part)
            np.add(a, part, out=a)
            np.multiply(a, scale, out=a)
            np.tanh(a, out=a)
            np.multiply(a, scale, out=a)
            np.add(a, shift, out=a)
            np.multiply(f, c[t], out=c[t + 1])
            np.multiply(i, g_, out=one)
            np.add(c[t + 1], one, out=c[t + 1])
            np.tanh(c[t + 1], out=tanh_c[t + 1])
            np.multiply(o, tanh_c[t + 1], out=h[t + 1])
        np.dot(h[times], p["w"], out=out)
        np.add(out, p["c"], out=out)
        np.subtract(out, next(targets), out=out)
        loss = np.vdot(out, out) / batch

        np.multiply(out, 2 / batch, out=out)
        np.dot(h[times].T, out, out=g["w"])
        np.dot(ones_batch, out, out=g["c"])
        np.dot(out, p["w"].T, out=dh)
        dc.fill(0)
        for t in reversed(range(times)):
            a, ((i, f, g_, o), (di, df, dg, do)) = gates[t], parts[t]
            np.multiply(dh, tanh_c[t + 1], out=do)
            np.multiply(tanh_c[t + 1], tanh_c[t + 1], out=one)
            np.subtract(1, one, out=one)
            np.multiply(one, o, out=one)
            np.multiply(one, dh, out=one)
            np.add(dc, one, out=dc)
            np.multiply(dc, g_, out=di)
            np.multiply(dc, c[t], out=df)
            np.multiply(dc, i, out=dg)
            np.multiply(dc, f, out=dc)
            np.add(a, tail, out=slope)
            np.subtract(1, a, out=part)
            np.multiply(slope, part, out=slope)
            np.multiply(d_gates[t], slope, out=d_gates[t])
            np.dot(d_gates[t], p["wh"].T, out=dh)
        np.dot(flat_x.T, flat_d, out=g["wx"])
        np.dot(h[:times].reshape(times * batch, units).T, flat_d, out=g["wh"])
        np.dot(ones, flat_d, out=g["b"])

        adam.step([gradient])
        return loss

    return step


def train(step, loss, arrays, **options):
    return step(loss, {name: arrays[name] for name in NAMES}, batches_of(arrays), **options)


def torch(arrays, step=peers.torch_step):
    import torch

    def loss(p, x, y):
        h = c = x.new_zeros(x.shape[1], p["wh"].shape[0])
        for x_t in x:
            i, f, g, o = torch.chunk(torch.addmm(p["b"], x_t, p["wx"]) + h @ p["wh"], 4, dim=-1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
        return torch.nn.functional.mse_loss(torch.addmm(p["c"], h, p["w"]), y)

    return train(step, loss, arrays)


def torch_native(arrays):
    """`nn.LSTM` has two biases; the second one stays zero."""
    import torch

    x, targets = torch.tensor(arrays["x"]), cycle(torch.tensor(arrays["y"]))
    lstm, dense = torch.nn.LSTM(arrays["wx"].shape[0], arrays["wh"].shape[0]), torch.nn.Linear(len(arrays["w"]), 1)
    initial = {
        lstm.weight_ih_l0: "wx",
        lstm.weight_hh_l0: "wh",
        lstm.bias_ih_l0: "b",
        dense.weight: "w",
        dense.bias: "c",
    }
    with torch.no_grad():
        for parameter, name in initial.items():
            parameter.copy_(torch.tensor(arrays[name].T))
        lstm.bias_hh_l0.zero_()
    lstm.bias_hh_l0.requires_grad_(False)
    optimizer = peers.torch_adam(list(initial), fused=True)

    def step():
        optimizer.zero_grad(set_to_none=True)
        value = torch.nn.functional.mse_loss(dense(lstm(x)[0][-1]), next(targets))
        value.backward()
        optimizer.step()
        return value

    return step


def jax(arrays, native=False):
    import jax
    import jax.numpy as jnp

    def cell(p, state, x_t):
        h, c = state
        i, f, g, o = jnp.split(x_t @ p["wx"] + h @ p["wh"] + p["b"], 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        return (jax.nn.sigmoid(o) * jnp.tanh(c), c), None

    def loss(p, x, y):
        state = (jnp.zeros((x.shape[1], p["wh"].shape[0]), jnp.float32),) * 2
        if native:
            state, _ = jax.lax.scan(partial(cell, p), state, x)
        else:
            for x_t in x:
                state, _ = cell(p, state, x_t)
        return jnp.mean(jnp.square(state[0] @ p["w"] + p["c"] - y))

    return train(peers.jax_step, loss, arrays)


def tensorflow(arrays, eager=False):
    import tensorflow as tf

    def loss(p, x, y):
        h = c = tf.zeros((x.shape[1], p["wh"].shape[0]))
        for x_t in tf.unstack(x):
            i, f, g, o = tf.split(x_t @ p["wx"] + h @ p["wh"] + p["b"], 4, axis=-1)
            c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
            h = tf.sigmoid(o) * tf.tanh(c)
        return tf.reduce_mean(tf.square(h @ p["w"] + p["c"] - y))

    return train(peers.tensorflow_step, loss, arrays, eager=eager)


def numpy_like(library, sigmoid, split):
    """For HIPS autograd and MyGrad."""

    def loss(p, x, y):
        h = c = np.zeros((x.shape[1], p["wh"].shape[0]), np.float32)
        for x_t in x:
            i, f, g, o = split(x_t @ p["wx"] + h @ p["wh"] + p["b"])
            c = sigmoid(f) * c + sigmoid(i) * library.tanh(g)
            h = sigmoid(o) * library.tanh(c)
        return library.mean(library.square(h @ p["w"] + p["c"] - y))

    return loss


def autograd(arrays):
    import autograd.numpy as anp

    loss = numpy_like(anp, lambda x: 0.5 * (anp.tanh(0.5 * x) + 1), lambda z: anp.split(z, 4, axis=-1))
    return train(peers.autograd_step, loss, arrays)


def mygrad(arrays):
    """It has no `split`."""
    import mygrad
    from mygrad.nnet.activations import sigmoid

    units = len(arrays["wh"])
    loss = numpy_like(mygrad, sigmoid, lambda z: [z[:, n * units : (n + 1) * units] for n in range(4)])
    return train(peers.mygrad_step, loss, arrays)


def chainer(arrays):
    import chainer.functions as F

    def loss(p, x, y):
        h = c = np.zeros((x.shape[1], p["wh"].shape[0]), np.float32)
        wx, wh = p["wx"].T, p["wh"].T
        for x_t in x:
            i, f, g, o = F.split_axis(F.linear(x_t, wx, p["b"]) + F.linear(h, wh), 4, axis=1)
            c = F.sigmoid(f) * c + F.sigmoid(i) * F.tanh(g)
            h = F.sigmoid(o) * F.tanh(c)
        return F.mean_squared_error(F.linear(h, p["w"].T, p["c"]), y)

    return train(peers.chainer_step, loss, arrays)


WORKLOADS = [
    Workload(
        "W5",
        "LSTM, 50 steps, 32 inputs, 128 units, batch 32, MSE, Adam",
        problem,
        {
            "floor": floor,
            "ours": ours,
            "ours, function": partial(ours, planned=True),
            "ours, shared by name": partial(ours, by_name=True),
            "ours, the cell written out": partial(ours, written_out=True),
            "torch": torch,
            "torch, fused Adam": partial(torch, step=peers.torch_fused),
            "torch, compiled": partial(torch, step=peers.torch_compiled),
            "torch, compiled model": partial(torch, step=peers.torch_compiled_model),
            "torch, fused Adam, native": torch_native,
            "jax": jax,
            "jax, native": partial(jax, native=True),
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
