"""W4: a training step of a small convolutional network on images of 28 x 28.

Twice a convolution 5 x 5 ("same"), relu, max pooling 2 x 2, with 32 and 64 features; then 512 relu and 10 classes;
softmax cross-entropy of integer labels, Adam, batch 64.
"""

from functools import partial

import numpy as np
import peers
from by_hand import Adam, packed
from numpy.lib.stride_tricks import as_strided

from .workload import Workload, as_function, dense_layers

NAMES = ("k1", "c1", "k2", "c2", "w1", "b1", "w2", "b2")
KERNEL = 5


def problem(small=False):
    size, features, hidden, batch = (8, (4, 6), 16, 6) if small else (28, (32, 64), 512, 64)
    rng = np.random.default_rng(0)
    arrays = {"x": rng.normal(size=(batch, size, size, 1)).astype(np.float32), "labels": rng.integers(0, 10, batch)}
    for i, (channels, count) in enumerate(((1, features[0]), features), start=1):
        limit = np.sqrt(6 / (KERNEL**2 * (channels + count)))
        arrays[f"k{i}"] = rng.uniform(-limit, limit, (KERNEL, KERNEL, channels, count)).astype(np.float32)
        arrays[f"c{i}"] = np.zeros(count, np.float32)
    return arrays | dense_layers(rng, ((size // 4) ** 2 * features[1], hidden, 10))


def ours(arrays):
    import autograd_vs as av
    import optim

    variables = [av.Variable(arrays[name], name=name) for name in NAMES]
    k1, c1, k2, c2, w1, b1, w2, b2 = variables
    x, labels = av.Tensor(arrays["x"]), arrays["labels"]
    optimizer = optim.Adam()

    def step():
        with av.GradientTape() as tape:
            h = av.nn.max_pool2d(av.nn.relu(av.nn.conv2d(x, k1) + c1))
            h = av.nn.max_pool2d(av.nn.relu(av.nn.conv2d(h, k2) + c2))
            h = av.nn.relu(av.nn.linear(h.reshape(len(h), -1), w1, b1))
            loss = av.mean(av.nn.softmax_cross_entropy(av.nn.linear(h, w2, b2), labels))
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss

    return step


class ConvolutionByHand:
    """A convolution "same" with all columns at once, one product for each pass, and what it needs preallocated."""

    def __init__(self, shape, features, kernel, g_kernel, needs_x=True):
        batch, height, width, channels = shape
        taps = KERNEL**2 * channels
        self.kernel, self.g_kernel = kernel.reshape(taps, features), g_kernel.reshape(taps, features)
        self.padded = np.zeros((batch, height + KERNEL - 1, width + KERNEL - 1, channels), np.float32)
        self.inside = self.padded[:, 2:-2, 2:-2]
        b, h, w, c = self.padded.strides
        self.windows = as_strided(
            self.padded, (batch, height, width, KERNEL, KERNEL, channels), (b, h, w, h, w, c), writeable=False
        )
        self.columns = np.empty((batch * height * width, taps), np.float32)
        self.y = np.empty((batch * height * width, features), np.float32)
        self.d_columns = np.empty_like(self.columns) if needs_x else None
        self.d_padded = np.empty_like(self.padded) if needs_x else None
        self.size = height, width

    def forward(self, x):
        np.copyto(self.inside, x)
        np.copyto(self.columns.reshape(self.windows.shape), self.windows)
        np.dot(self.columns, self.kernel, out=self.y)
        return self.y

    def backward(self, g):
        """The gradient of the kernel, into its place; of `x`, returned."""
        np.dot(self.columns.T, g, out=self.g_kernel)
        if self.d_columns is None:
            return None
        np.dot(g, self.kernel.T, out=self.d_columns)
        taps = self.d_columns.reshape(self.windows.shape)
        self.d_padded.fill(0)
        height, width = self.size
        for i in range(KERNEL):
            for j in range(KERNEL):
                place = self.d_padded[:, i : i + height, j : j + width]
                np.add(place, taps[:, :, :, i, j], out=place)
        return self.d_padded[:, 2:-2, 2:-2]


class ReluPoolByHand:
    """Bias, relu and the largest of 2 x 2: the first of equal ones gets the gradient."""

    def __init__(self, shape, bias, g_bias):
        batch, height, width, features = shape
        self.shape, self.bias, self.g_bias = shape, bias, g_bias
        self.h = np.empty(shape, np.float32)
        self.corners = [self.h[:, i::2, j::2] for i in (0, 1) for j in (0, 1)]
        self.y = np.empty((batch, height // 2, width // 2, features), np.float32)
        self.d = np.empty(shape, np.float32)
        self.d_corners = [self.d[:, i::2, j::2] for i in (0, 1) for j in (0, 1)]
        self.won, self.free = np.empty(self.y.shape, bool), np.empty(self.y.shape, bool)
        self.ones = np.ones(batch * height * width, np.float32)

    def forward(self, z):
        np.add(z.reshape(self.shape), self.bias, out=self.h)
        np.maximum(self.h, 0, out=self.h)
        np.maximum(self.corners[0], self.corners[1], out=self.y)
        np.maximum(self.y, self.corners[2], out=self.y)
        np.maximum(self.y, self.corners[3], out=self.y)
        return self.y

    def backward(self, g):
        np.greater(self.y, 0, out=self.free)  # relu: what is not positive got nothing
        for corner, d in zip(self.corners, self.d_corners, strict=True):
            np.equal(corner, self.y, out=self.won)
            np.logical_and(self.won, self.free, out=self.won)
            np.multiply(g, self.won, out=d)
            np.greater(self.free, self.won, out=self.free)
        d = self.d.reshape(-1, self.shape[-1])
        np.dot(self.ones, d, out=self.g_bias)
        return d


def floor(arrays):
    values, p = packed(arrays, NAMES)
    gradient, g = packed(arrays, NAMES)
    adam = Adam([values])
    x, labels = arrays["x"], arrays["labels"]
    batch, size = x.shape[:2]
    few, many = arrays["c1"].size, arrays["c2"].size
    rows = np.arange(batch)
    conv1 = ConvolutionByHand(x.shape, few, p["k1"], g["k1"], needs_x=False)
    pool1 = ReluPoolByHand((batch, size, size, few), p["c1"], g["c1"])
    conv2 = ConvolutionByHand(pool1.y.shape, many, p["k2"], g["k2"])
    pool2 = ReluPoolByHand((batch, size // 2, size // 2, many), p["c2"], g["c2"])
    flat = pool2.y.reshape(batch, -1)
    h, z = (np.empty((batch, p[name].size), np.float32) for name in ("b1", "b2"))
    d_h, d_flat = np.empty_like(h), np.empty_like(flat)
    alive, row, ones = np.empty(h.shape, bool), np.empty((batch, 1), np.float32), np.ones(batch, np.float32)

    def step():
        pool1.forward(conv1.forward(x))
        pool2.forward(conv2.forward(pool1.y))
        np.dot(flat, p["w1"], out=h)
        np.add(h, p["b1"], out=h)
        np.maximum(h, 0, out=h)
        np.dot(h, p["w2"], out=z)
        np.add(z, p["b2"], out=z)

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
        np.dot(h.T, z, out=g["w2"])
        np.dot(ones, z, out=g["b2"])
        np.dot(z, p["w2"].T, out=d_h)
        np.greater(h, 0, out=alive)
        np.multiply(d_h, alive, out=d_h)
        np.dot(flat.T, d_h, out=g["w1"])
        np.dot(ones, d_h, out=g["b1"])
        np.dot(d_h, p["w1"].T, out=d_flat)
        d = conv2.backward(pool2.backward(d_flat.reshape(pool2.y.shape)))
        conv1.backward(pool1.backward(d))

        adam.step([gradient])
        return loss

    return step


def train(step, loss, arrays, **options):
    return step(loss, {name: arrays[name] for name in NAMES}, [(arrays["x"], arrays["labels"])], **options)


def first(arrays):
    """Channels first, as PyTorch and its kin: filters (features, channels, *kernel), and the rows of w1 to match."""
    features, small = arrays["c2"].size, arrays["x"].shape[1] // 4
    w1 = arrays["w1"].reshape(small, small, features, -1).transpose(2, 0, 1, 3).reshape(arrays["w1"].shape)
    moved = {name: np.ascontiguousarray(arrays[name].transpose(3, 2, 0, 1)) for name in ("k1", "k2")}
    x = np.ascontiguousarray(arrays["x"].transpose(0, 3, 1, 2))
    return arrays | moved | {"w1": np.ascontiguousarray(w1), "x": x}


def torch(arrays, step=peers.torch_step, last=False):
    """`last`: the same shapes, channels last in memory."""
    from torch import addmm, channels_last, contiguous_format, relu
    from torch.nn.functional import conv2d, cross_entropy, max_pool2d

    order = channels_last if last else contiguous_format

    def loss(p, x, labels):
        h = max_pool2d(relu(conv2d(x.contiguous(memory_format=order), p["k1"], p["c1"], padding=2)), 2)
        h = max_pool2d(relu(conv2d(h, p["k2"].contiguous(memory_format=order), p["c2"], padding=2)), 2)
        h = relu(addmm(p["b1"], h.flatten(1), p["w1"]))
        return cross_entropy(addmm(p["b2"], h, p["w2"]), labels)

    return train(step, loss, first(arrays))


def jax(arrays):
    import jax
    import jax.numpy as jnp
    from jax import lax

    def pooled(h, kernel, bias):
        h = lax.conv_general_dilated(h, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        return lax.reduce_window(jax.nn.relu(h + bias), -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")

    def loss(p, x, labels):
        h = pooled(pooled(x, p["k1"], p["c1"]), p["k2"], p["c2"])
        h = jax.nn.relu(h.reshape(len(h), -1) @ p["w1"] + p["b1"])
        log_p = jax.nn.log_softmax(h @ p["w2"] + p["b2"])
        return -jnp.mean(jnp.take_along_axis(log_p, labels[:, None], axis=1))

    return train(peers.jax_step, loss, arrays)


def tensorflow(arrays, eager=False):
    import tensorflow as tf

    def pooled(h, kernel, bias):
        return tf.nn.max_pool2d(tf.nn.relu(tf.nn.conv2d(h, kernel, 1, "SAME") + bias), 2, 2, "VALID")

    def loss(p, x, labels):
        h = pooled(pooled(x, p["k1"], p["c1"]), p["k2"], p["c2"])
        h = tf.nn.relu(tf.reshape(h, (len(h), -1)) @ p["w1"] + p["b1"])
        z = h @ p["w2"] + p["b2"]
        return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=z))

    return train(peers.tensorflow_step, loss, arrays, eager=eager)


def autograd(arrays):
    import autograd.numpy as anp
    from autograd.scipy.signal import convolve
    from autograd.scipy.special import logsumexp

    def pooled(h, kernel, bias):
        h = anp.pad(h, ((0, 0), (0, 0), (2, 2), (2, 2)), mode="constant")
        turned = anp.transpose(kernel, (1, 0, 2, 3))[:, :, ::-1, ::-1]
        h = convolve(h, turned, axes=([2, 3], [2, 3]), dot_axes=([1], [0]), mode="valid")
        h = anp.maximum(h + bias[:, None, None], 0)
        batch, features, height, width = h.shape
        h = anp.reshape(h, (batch, features, height // 2, 2, width // 2, 2))
        return anp.max(anp.max(h, axis=5), axis=3)

    def loss(p, x, labels):
        h = pooled(pooled(x, p["k1"], p["c1"]), p["k2"], p["c2"])
        h = anp.maximum(anp.reshape(h, (len(x), -1)) @ p["w1"] + p["b1"], 0)
        z = h @ p["w2"] + p["b2"]
        return anp.mean(logsumexp(z, axis=1) - z[anp.arange(len(labels)), labels])

    return train(peers.autograd_step, loss, first(arrays))


def mygrad(arrays):
    from mygrad.nnet.activations import relu
    from mygrad.nnet.layers import conv_nd, max_pool
    from mygrad.nnet.losses import softmax_crossentropy

    def pooled(h, kernel, bias):
        return max_pool(relu(conv_nd(h, kernel, stride=1, padding=2) + bias.reshape(-1, 1, 1)), (2, 2), 2)

    def loss(p, x, labels):
        h = pooled(pooled(x, p["k1"], p["c1"]), p["k2"], p["c2"])
        h = relu(h.reshape(len(x), -1) @ p["w1"] + p["b1"])
        return softmax_crossentropy(h @ p["w2"] + p["b2"], labels)

    return train(peers.mygrad_step, loss, first(arrays))


def chainer(arrays):
    import chainer.functions as F

    def loss(p, x, labels):
        h = F.max_pooling_2d(F.relu(F.convolution_2d(x, p["k1"], p["c1"], pad=2)), 2)
        h = F.max_pooling_2d(F.relu(F.convolution_2d(h, p["k2"], p["c2"], pad=2)), 2)
        h = F.relu(F.linear(h.reshape(len(x), -1), p["w1"].T, p["b1"]))
        return F.softmax_cross_entropy(F.linear(h, p["w2"].T, p["b2"]), labels.astype(np.int32))

    return train(peers.chainer_step, loss, first(arrays))


VARIANTS = {
    "floor": floor,
    "ours": ours,
    "ours, function": as_function(ours),
    "torch": torch,
    "torch, fused Adam": partial(torch, step=peers.torch_fused),
    "torch, fused Adam, channels last": partial(torch, step=peers.torch_fused, last=True),
    "torch, compiled": partial(torch, step=peers.torch_compiled),
    "torch, compiled model": partial(torch, step=peers.torch_compiled_model),
    "jax": jax,
    "tensorflow, function": tensorflow,
    "tensorflow, eager": partial(tensorflow, eager=True),
    "autograd": autograd,
    "mygrad": mygrad,
    "chainer": chainer,
}


WORKLOADS = [
    Workload("W4", "convolutional network on 28 x 28, batch 64, Adam", problem, VARIANTS, 5, tolerance=1e-3),
]
