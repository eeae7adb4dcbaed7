"""W6: a training step of a pre-LN transformer block: 128 units, 4 heads, feed-forward 512 with tanh-gelu, MSE, Adam.

16 sequences of 64 tokens. Queries, keys and values come from one product with a bias.
"""

from functools import partial

import numpy as np
import peers
from by_hand import Adam, packed

from .workload import Workload, as_function, glorot

NAMES = ("g1", "b1", "w_qkv", "b_qkv", "w_o", "b_o", "g2", "b2", "w_in", "b_in", "w_out", "b_out")
HEADS = 4
EPSILON = 1e-5
ROOT, CUBE = (2 / np.pi) ** 0.5, 0.044715  # of gelu


def block_parameters(rng, units, inner):
    """The parameters of one block, by `NAMES`."""
    arrays = {"g1": np.ones(units), "b1": np.zeros(units), "g2": np.ones(units), "b2": np.zeros(units)}
    for name, shape in {
        "qkv": (units, 3 * units),
        "o": (units, units),
        "in": (units, inner),
        "out": (inner, units),
    }.items():
        arrays |= {f"w_{name}": glorot(rng, *shape), f"b_{name}": np.zeros(shape[1])}
    return arrays


def problem(small=False):
    batch, tokens, units, inner = (2, 3, 8, 12) if small else (16, 64, 128, 512)
    rng = np.random.default_rng(0)
    arrays = block_parameters(rng, units, inner)
    arrays |= {name: rng.normal(size=(batch, tokens, units)) for name in "xy"}
    return {name: array.astype(np.float32) for name, array in arrays.items()}


def ours(arrays):
    import autograd_vs as av
    import optim

    p = {name: av.Variable(arrays[name], name=name) for name in NAMES}
    variables = list(p.values())
    x, y = av.Tensor(arrays["x"]), av.Tensor(arrays["y"])
    batch, tokens, units = x.shape
    optimizer = optim.Adam()

    def heads(t):
        return av.transpose(av.reshape(t, (batch, tokens, HEADS, units // HEADS)), (0, 2, 1, 3))

    def attention(x):
        q, k, v = map(heads, av.split(av.nn.linear(x, p["w_qkv"], p["b_qkv"]), 3, axis=-1))
        weights = av.nn.softmax(q @ av.matrix_transpose(k) * (units // HEADS) ** -0.5)
        mixed = av.reshape(av.transpose(weights @ v, (0, 2, 1, 3)), (batch, tokens, units))
        return av.nn.linear(mixed, p["w_o"], p["b_o"])

    def feed_forward(x):
        h = av.nn.gelu(av.nn.linear(x, p["w_in"], p["b_in"]), approximate=True)
        return av.nn.linear(h, p["w_out"], p["b_out"])

    def step():
        with av.GradientTape() as tape:
            h = x + attention(av.nn.layer_norm(x, p["g1"], p["b1"]))
            h = h + feed_forward(av.nn.layer_norm(h, p["g2"], p["b2"]))
            loss = av.nn.mse(h, y)
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss

    return step


class LayerNorm:
    """Forward and backward of rows, with buffers."""

    def __init__(self, shape):
        self.normal, self.scratch = np.empty((2, *shape), np.float32)
        self.scale, self.mean = np.empty((2, shape[0], 1), np.float32)
        self.average = np.full((shape[1], 1), 1 / shape[1], np.float32)  # means are products
        self.ones = np.ones(shape[0], np.float32)

    def forward(self, x, gamma, beta, out):
        n, scratch, scale = self.normal, self.scratch, self.scale
        np.dot(x, self.average, out=self.mean)
        np.subtract(x, self.mean, out=n)
        np.multiply(n, n, out=scratch)
        np.dot(scratch, self.average, out=scale)
        np.add(scale, EPSILON, out=scale)
        np.sqrt(scale, out=scale)
        np.divide(1, scale, out=scale)
        np.multiply(n, scale, out=n)
        np.multiply(n, gamma, out=out)
        np.add(out, beta, out=out)

    def backward(self, d, d_gamma, d_beta):
        """The gradients of gamma and beta."""
        np.multiply(d, self.normal, out=self.scratch)
        np.dot(self.ones, self.scratch, out=d_gamma)
        np.dot(self.ones, d, out=d_beta)

    def through(self, d, gamma):
        """d becomes the gradient of the input."""
        n, scratch, mean = self.normal, self.scratch, self.mean
        np.multiply(d, gamma, out=d)
        np.multiply(d, n, out=scratch)
        np.dot(scratch, self.average, out=mean)
        np.multiply(n, mean, out=scratch)
        np.dot(d, self.average, out=mean)
        np.subtract(d, mean, out=d)
        np.subtract(d, scratch, out=d)
        np.multiply(d, self.scale, out=d)


def floor(arrays):
    values, p = packed(arrays, NAMES)
    gradient, g = packed(arrays, NAMES)
    adam = Adam([values])
    batch, tokens, units = arrays["x"].shape
    rows, inner, size = batch * tokens, arrays["b_in"].size, units // HEADS
    x, y = (arrays[name].reshape(rows, units) for name in "xy")
    norm1, norm2 = LayerNorm(x.shape), LayerNorm(x.shape)
    h1, h2, mixed, middle, out, d, d_mixed = np.empty((7, rows, units), np.float32)
    u, tanh_u, active = np.empty((3, rows, inner), np.float32)
    qkv, d_qkv = np.empty((2, rows, 3 * units), np.float32)
    weights, d_weights = np.empty((2, batch, HEADS, tokens, tokens), np.float32)
    row = np.empty((batch, HEADS, tokens, 1), np.float32)
    ones = np.ones(rows, np.float32)
    slices = [slice(start, start + 128) for start in range(0, rows, 128)]  # gelu stays in the cache
    scratch1, scratch2 = np.empty((2, min(rows, 128), inner), np.float32)

    def heads(a):
        """(batch, heads, tokens, size) views of the parts of an array of tokens."""
        parts = a.reshape(batch, tokens, -1, HEADS, size)
        return [parts[:, :, n].transpose(0, 2, 1, 3) for n in range(parts.shape[2])]

    (q, k, v), (dq, dk, dv), (mixed_heads,), (d_mixed_heads,) = map(heads, (qkv, d_qkv, mixed, d_mixed))

    def linear(x, name, out):
        np.dot(x, p[f"w_{name}"], out=out)
        np.add(out, p[f"b_{name}"], out=out)

    def linear_backward(x, d, name, dx):
        np.dot(x.T, d, out=g[f"w_{name}"])
        np.dot(ones, d, out=g[f"b_{name}"])
        np.dot(d, p[f"w_{name}"].T, out=dx)

    def gelu(u, t, a):
        """t is kept: tanh(ROOT (u + CUBE u^3))."""
        np.multiply(u, u, out=t)
        np.multiply(t, ROOT * CUBE, out=t)
        np.add(t, ROOT, out=t)
        np.multiply(t, u, out=t)
        np.tanh(t, out=t)
        np.add(t, 1, out=a)
        np.multiply(a, u, out=a)
        np.multiply(a, 0.5, out=a)

    def gelu_backward(u, t, d, r, s):
        """D becomes ``d ((1 + t) + u (1 - t^2) ROOT (1 + 3 CUBE u^2)) / 2``; r and s are scratch."""
        np.multiply(u, u, out=r)
        np.multiply(r, 3 * ROOT * CUBE, out=r)
        np.add(r, ROOT, out=r)
        np.multiply(r, u, out=r)
        np.multiply(t, t, out=s)
        np.subtract(1, s, out=s)
        np.multiply(r, s, out=r)
        np.add(r, t, out=r)
        np.add(r, 1, out=r)
        np.multiply(r, 0.5, out=r)
        np.multiply(d, r, out=d)

    def step():
        norm1.forward(x, p["g1"], p["b1"], h1)
        linear(h1, "qkv", qkv)
        np.multiply(q, size**-0.5, out=q)
        np.matmul(q, k.transpose(0, 1, 3, 2), out=weights)
        np.maximum.reduce(weights, axis=-1, keepdims=True, out=row)
        np.subtract(weights, row, out=weights)
        np.exp(weights, out=weights)
        np.add.reduce(weights, axis=-1, keepdims=True, out=row)
        np.divide(weights, row, out=weights)
        np.matmul(weights, v, out=mixed_heads)
        linear(mixed, "o", middle)
        np.add(middle, x, out=middle)
        norm2.forward(middle, p["g2"], p["b2"], h2)
        linear(h2, "in", u)
        for part in slices:
            gelu(u[part], tanh_u[part], active[part])
        linear(active, "out", out)
        np.add(out, middle, out=out)
        np.subtract(out, y, out=out)
        loss = np.vdot(out, out) / out.size

        np.multiply(out, 2 / out.size, out=out)
        linear_backward(active, out, "out", active)
        for part in slices:
            n = len(u[part])
            gelu_backward(u[part], tanh_u[part], active[part], scratch1[:n], scratch2[:n])
        linear_backward(h2, active, "in", d)
        norm2.backward(d, g["g2"], g["b2"])
        norm2.through(d, p["g2"])
        np.add(out, d, out=out)
        linear_backward(mixed, out, "o", d_mixed)
        np.matmul(weights.transpose(0, 1, 3, 2), d_mixed_heads, out=dv)
        np.matmul(d_mixed_heads, v.transpose(0, 1, 3, 2), out=d_weights)
        np.multiply(d_weights, weights, out=d_weights)
        np.add.reduce(d_weights, axis=-1, keepdims=True, out=row)
        np.multiply(weights, row, out=weights)
        np.subtract(d_weights, weights, out=d_weights)
        np.matmul(d_weights, k, out=dq)
        np.multiply(dq, size**-0.5, out=dq)
        np.matmul(d_weights.transpose(0, 1, 3, 2), q, out=dk)  # q has its factor already
        linear_backward(h1, d_qkv, "qkv", d)
        norm1.backward(d, g["g1"], g["b1"])

        adam.step([gradient])
        return loss

    return step


def train(step, loss, arrays, **options):
    return step(loss, {name: arrays[name] for name in NAMES}, [(arrays["x"], arrays["y"])], **options)


def block(linear, layer_norm, attention, gelu):
    """The block for all that take parameters by name."""

    def apply(p, x):
        q_k_v = linear(layer_norm(x, p["g1"], p["b1"]), p["w_qkv"], p["b_qkv"])
        x = x + linear(attention(q_k_v), p["w_o"], p["b_o"])
        h = linear(layer_norm(x, p["g2"], p["b2"]), p["w_in"], p["b_in"])
        return x + linear(gelu(h), p["w_out"], p["b_out"])

    return apply


def torch(arrays, step=peers.torch_step, flash=False):
    """`flash` takes PyTorch's own `scaled_dot_product_attention`."""
    import torch
    from torch.nn import functional as F

    batch, tokens, units = arrays["x"].shape

    def attention(q_k_v):
        q, k, v = q_k_v.view(batch, tokens, 3, HEADS, units // HEADS).permute(2, 0, 3, 1, 4)
        if flash:
            mixed = F.scaled_dot_product_attention(q, k, v)
        else:
            mixed = torch.softmax(q @ k.transpose(-1, -2) * (units // HEADS) ** -0.5, -1) @ v
        return mixed.transpose(1, 2).reshape(batch, tokens, units)

    apply = block(
        lambda x, w, b: F.linear(x, w.T, b),
        lambda x, gamma, beta: F.layer_norm(x, (units,), gamma, beta, EPSILON),
        attention,
        partial(F.gelu, approximate="tanh"),
    )
    return train(step, lambda p, x, y: F.mse_loss(apply(p, x), y), arrays)


def plain_block(library, split, swapaxes, softmax, gelu=None):
    """The block out of operators and functions that go by NumPy's names, for the others."""

    def attention(q_k_v):
        batch, tokens, _ = q_k_v.shape
        size = q_k_v.shape[-1] // 3 // HEADS
        q, k, v = (swapaxes(library.reshape(a, (batch, tokens, HEADS, size)), 1, 2) for a in split(q_k_v))
        weights = softmax(library.matmul(q, swapaxes(k, 2, 3)) * size**-0.5)
        return library.reshape(swapaxes(library.matmul(weights, v), 1, 2), (batch, tokens, HEADS * size))

    def layer_norm(x, gamma, beta):
        centred = x - library.mean(x, axis=-1, keepdims=True)
        variance = library.mean(library.square(centred), axis=-1, keepdims=True)
        return centred / library.sqrt(variance + EPSILON) * gamma + beta

    def tanh_gelu(x):
        return 0.5 * x * (1 + library.tanh(ROOT * (x + CUBE * (x * x * x))))

    return block(lambda x, w, b: library.matmul(x, w) + b, layer_norm, attention, gelu or tanh_gelu)


def jax(arrays):
    import jax
    import jax.numpy as jnp

    apply = plain_block(jnp, lambda a: jnp.split(a, 3, axis=-1), jnp.swapaxes, jax.nn.softmax, jax.nn.gelu)
    return train(peers.jax_step, lambda p, x, y: jnp.mean(jnp.square(apply(p, x) - y)), arrays)


def tensorflow(arrays, eager=False):
    import tensorflow as tf

    batch, tokens, units = arrays["x"].shape

    def heads(a):
        return tf.transpose(tf.reshape(a, (batch, tokens, HEADS, units // HEADS)), (0, 2, 1, 3))

    def attention(q_k_v):
        q, k, v = map(heads, tf.split(q_k_v, 3, axis=-1))
        weights = tf.nn.softmax(tf.matmul(q, k, transpose_b=True) * (units // HEADS) ** -0.5)
        return tf.reshape(tf.transpose(weights @ v, (0, 2, 1, 3)), (batch, tokens, units))

    def layer_norm(x, gamma, beta):
        mean, variance = tf.nn.moments(x, axes=[-1], keepdims=True)
        return tf.nn.batch_normalization(x, mean, variance, beta, gamma, EPSILON)

    def linear(x, w, b):
        return tf.reshape(tf.reshape(x, (batch * tokens, -1)) @ w + b, (batch, tokens, -1))

    apply = block(linear, layer_norm, attention, partial(tf.nn.gelu, approximate=True))
    loss = lambda p, x, y: tf.reduce_mean(tf.square(apply(p, x) - y))  # noqa: E731
    return train(peers.tensorflow_step, loss, arrays, eager=eager)


def autograd(arrays):
    import autograd.numpy as anp

    def softmax(x):
        e = anp.exp(x - anp.max(x, axis=-1, keepdims=True))
        return e / anp.sum(e, axis=-1, keepdims=True)

    apply = plain_block(anp, lambda a: anp.split(a, 3, axis=-1), anp.swapaxes, softmax)
    return train(peers.autograd_step, lambda p, x, y: anp.mean(anp.square(apply(p, x) - y)), arrays)


def mygrad(arrays):
    import mygrad
    from mygrad.nnet.activations import softmax

    units = arrays["x"].shape[-1]
    split = lambda a: [a[..., n * units : (n + 1) * units] for n in range(3)]  # noqa: E731
    apply = plain_block(mygrad, split, mygrad.swapaxes, partial(softmax, axis=-1))
    return train(peers.mygrad_step, lambda p, x, y: mygrad.mean(mygrad.square(apply(p, x) - y)), arrays)


def chainer(arrays):
    """Its functions take two-dimensional arrays, so tokens are rows except in the attention."""
    import chainer.functions as F

    batch, tokens, units = arrays["x"].shape

    def heads(a):
        return F.transpose(F.reshape(a, (batch, tokens, HEADS, units // HEADS)), (0, 2, 1, 3))

    def attention(q_k_v):
        q, k, v = map(heads, F.split_axis(q_k_v, 3, axis=1))
        weights = F.softmax(F.matmul(q, k, transb=True) * (units // HEADS) ** -0.5, axis=-1)
        return F.reshape(F.transpose(F.matmul(weights, v), (0, 2, 1, 3)), (batch * tokens, units))

    def gelu(x):
        return 0.5 * x * (1 + F.tanh(ROOT * (x + CUBE * (x * x * x))))

    linear = lambda x, w, b: F.linear(x, w.T, b)  # noqa: E731
    apply = block(linear, partial(F.layer_normalization, eps=EPSILON), attention, gelu)

    def loss(p, x, y):
        return F.mean_squared_error(apply(p, x.reshape(batch * tokens, units)), y.reshape(batch * tokens, units))

    return train(peers.chainer_step, loss, arrays)


WORKLOADS = [
    Workload(
        "W6",
        "transformer block, 128 units, 4 heads, feed-forward 512, 16 x 64 tokens, MSE, Adam",
        problem,
        {
            "floor": floor,
            "ours": ours,
            "ours, function": as_function(ours),
            "torch": torch,
            "torch, fused Adam": partial(torch, step=peers.torch_fused),
            "torch, fused Adam, its attention": partial(torch, step=peers.torch_fused, flash=True),
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
