"""W7: value and gradient of sum(tanh(x) exp(-x^2) + log1p(x^2) sin(3 x)) of a million standard normals, no training."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from by_hand import blocks

from .workload import Workload


def problem(small=False, dtype=np.float64):
    return {"x": np.random.default_rng(0).normal(size=1000 if small else 1_000_000).astype(dtype)}


def formula(library):
    """The function as all of the libraries but TensorFlow can write it."""

    def value(x):
        s = library.square(x)
        return library.sum(library.tanh(x) * library.exp(-s) + library.log1p(s) * library.sin(3 * x))

    return value


def ours(arrays, planned=None):
    """`planned` are the options of the function. `x` is an argument: else all would be a constant of the plan."""
    import autograd_vs as av

    x, function = av.Tensor(arrays["x"]), formula(av)

    def both(x):
        with av.GradientTape() as tape:
            tape.watch(x)
            value = function(x)
        return value, tape.gradient(value, x)

    return partial(both if planned is None else av.function(**planned)(both), x)


def floor(arrays, threads=1):
    """Value and derivative together, block by block."""
    x = arrays["x"]
    gradient = np.empty_like(x)
    places = blocks(x.size, 1 << 14)  # seven arrays of a block stay in the cache
    pool = ThreadPoolExecutor(threads) if threads > 1 else None

    def work(places, s, t, e, u, v, w):
        total = 0.0
        for place in places:
            total += one(x[place], gradient[place], *(a[: place.stop - place.start] for a in (s, t, e, u, v, w)))
        return total

    def one(x, g, s, t, e, u, v, w):
        np.multiply(x, x, out=s)
        np.tanh(x, out=t)
        np.negative(s, out=e)
        np.exp(e, out=e)
        np.log1p(s, out=u)
        np.multiply(x, 3, out=w)
        np.sin(w, out=v)
        np.cos(w, out=w)
        # the derivative: (1 - t^2 - 2 x t) e + 2 x / (1 + s) sin(3 x) + 3 log1p(s) cos(3 x)
        np.multiply(u, w, out=w)
        np.multiply(w, 3, out=w)
        np.multiply(u, v, out=u)
        np.add(s, 1, out=s)
        np.divide(v, s, out=s)
        np.multiply(s, x, out=s)
        np.multiply(s, 2, out=s)
        np.add(w, s, out=w)
        np.multiply(x, 2, out=g)
        np.add(g, t, out=g)
        np.multiply(g, t, out=g)
        np.subtract(1, g, out=g)
        np.multiply(g, e, out=g)
        np.add(g, w, out=g)
        np.multiply(t, e, out=t)
        np.add(t, u, out=t)
        return np.add.reduce(t)

    longest = max(place.stop - place.start for place in places)
    tasks = [(places[i::threads], *np.empty((6, longest), x.dtype)) for i in range(threads)]

    def step():
        if pool:
            return sum(pool.map(lambda task: work(*task), tasks)), gradient
        return work(*tasks[0]), gradient

    return step


def torch(arrays):
    import torch

    x, function = torch.tensor(arrays["x"], requires_grad=True), formula(torch)

    def step():
        x.grad = None
        value = function(x)
        value.backward()
        return value, x.grad

    return step


def torch_compiled(arrays):
    import torch

    x, function = torch.tensor(arrays["x"]), torch.compile(torch.func.grad_and_value(formula(torch)))
    return lambda: function(x)[::-1]


def jax(arrays):
    import jax

    jax.config.update("jax_enable_x64", True)
    x, function = jax.numpy.array(arrays["x"]), jax.jit(jax.value_and_grad(formula(jax.numpy)))
    return lambda: function(x)


def tensorflow(arrays, eager=False):
    import tensorflow as tf

    x = tf.constant(arrays["x"])

    def step():
        with tf.GradientTape() as tape:
            tape.watch(x)
            s = tf.square(x)
            value = tf.reduce_sum(tf.tanh(x) * tf.exp(-s) + tf.math.log1p(s) * tf.sin(3 * x))
        return value, tape.gradient(value, x)

    return step if eager else tf.function(step)


def autograd(arrays):
    import autograd.numpy
    from autograd import value_and_grad

    function = value_and_grad(formula(autograd.numpy))
    return lambda: function(arrays["x"])


def mygrad(arrays):
    import mygrad

    x, function = mygrad.tensor(arrays["x"]), formula(mygrad)

    def step():
        value = function(x)
        value.backward()
        gradient = x.grad
        x.null_grad()
        return value, gradient

    return step


def chainer(arrays):
    import chainer
    import chainer.functions as F

    x = chainer.Variable(arrays["x"])

    def step():
        x.cleargrad()
        s = F.square(x)
        value = F.sum(F.tanh(x) * F.exp(-s) + F.log1p(s) * F.sin(3 * x))
        value.backward()
        return value, x.grad

    return step


VARIANTS = {
    "floor": floor,
    "floor, two threads": partial(floor, threads=2),
    "ours": ours,
    "ours, function": partial(ours, planned={}),
    "ours, function, fast math": partial(ours, planned={"fast_math": True}),
    "torch": torch,
    "torch, compiled": torch_compiled,
    "jax": jax,
    "tensorflow, function": tensorflow,
    "tensorflow, eager": partial(tensorflow, eager=True),
    "autograd": autograd,
    "mygrad": mygrad,
    "chainer": chainer,
}
TITLE = "value and gradient of an elementwise function of 1,000,000 numbers"
WORKLOADS = [
    Workload("W7", f"{TITLE}, float64", problem, VARIANTS, checked_steps=1, tolerance=1e-10),
    Workload("W7f32", f"{TITLE}, float32", partial(problem, dtype=np.float32), VARIANTS, 1, tolerance=1e-4),
]
