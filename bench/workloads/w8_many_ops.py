"""W8: value and gradient of sum(x) after 5,000 times x = x * 1.0001 + 0.0001, of 16 numbers: what recording costs.

Times are per recorded op. The floor makes the same 10,000 calls of NumPy into one buffer; its gradient is by hand. Who
compiles the whole makes one loop of it, after 7 seconds (JAX) or 20 (TensorFlow); PyTorch's compiler takes half a
minute for a tenth of it, and gives up on all.
"""

from functools import partial

import numpy as np

from .workload import Workload

TIMES = 5_000
FACTOR, TERM = 1.0001, 0.0001


def problem(small=False):
    times = 50 if small else TIMES
    return {"x": np.linspace(0, 1, 16, dtype=np.float32), "times": np.array(times)}


def repeated(x, times):
    for _ in range(times):
        x = x * FACTOR + TERM
    return x


def ours(arrays, planned=False):
    """`x` is an argument: else all of it would be a constant of the plan."""
    import autograd_vs as av

    x, times = av.Tensor(arrays["x"]), int(arrays["times"])

    def both(x):
        with av.GradientTape() as tape:
            tape.watch(x)
            value = av.sum(repeated(x, times))
        return value, tape.gradient(value, x)

    return partial(av.function(both) if planned else both, x)


def floor(arrays, backward=True):
    start, times = arrays["x"], int(arrays["times"])
    x, gradient = np.empty_like(start), np.empty_like(start)
    factor, term = np.float32(FACTOR), np.float32(TERM)

    def step():
        np.copyto(x, start)
        for _ in range(times):
            np.multiply(x, factor, out=x)
            np.add(x, term, out=x)
        value = np.add.reduce(x)
        if not backward:
            return value, None
        gradient.fill(1)
        for _ in range(times):
            np.multiply(gradient, factor, out=gradient)
        return value, gradient

    return step


def torch(arrays):
    import torch

    x, times = torch.tensor(arrays["x"], requires_grad=True), int(arrays["times"])

    def step():
        x.grad = None
        value = torch.sum(repeated(x, times))
        value.backward()
        return value, x.grad

    return step


def jax(arrays):
    import jax

    times = int(arrays["times"])
    x = jax.numpy.array(arrays["x"])
    function = jax.jit(jax.value_and_grad(lambda x: jax.numpy.sum(repeated(x, times))))
    return lambda: function(x)


def tensorflow(arrays):
    import tensorflow as tf

    x, times = tf.constant(arrays["x"]), int(arrays["times"])

    @tf.function
    def both(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = tf.reduce_sum(repeated(x, times))
        return value, tape.gradient(value, x)

    return lambda: both(x)


def autograd(arrays):
    import autograd.numpy as anp
    from autograd import value_and_grad

    x, times = arrays["x"], int(arrays["times"])
    function = value_and_grad(lambda x: anp.sum(repeated(x, times)))
    return lambda: function(x)


def mygrad(arrays):
    import mygrad

    x, times = mygrad.tensor(arrays["x"]), int(arrays["times"])

    def step():
        value = mygrad.sum(repeated(x, times))
        value.backward()
        gradient = x.grad
        x.null_grad()
        return value, gradient

    return step


def chainer(arrays):
    import chainer
    import chainer.functions as F

    x, times = chainer.Variable(arrays["x"]), int(arrays["times"])

    def step():
        x.cleargrad()
        value = F.sum(repeated(x, times))
        value.backward()
        return value, x.grad

    return step


WORKLOADS = [
    Workload(
        "W8",
        "value and gradient after 10,000 small ops, time per op",
        problem,
        {
            "floor": floor,
            "floor, forward alone": partial(floor, backward=False),
            "ours": ours,
            "ours, function": partial(ours, planned=True),
            "torch": torch,
            "jax": jax,
            "tensorflow, function": tensorflow,
            "autograd": autograd,
            "mygrad": mygrad,
            "chainer": chainer,
        },
        checked_steps=1,
        tolerance=1e-3,  # 10,000 roundings
        operations=2 * TIMES,
    )
]
