"""W9: Adam alone, on 100 parameters of 250 x 400. The gradients lie in 100 arrays of their own."""

from functools import partial

import numpy as np
import peers
from by_hand import Adam

from .workload import Workload


def problem(small=False):
    rng = np.random.default_rng(0)
    shape = (3, 25, 40) if small else (100, 250, 400)
    arrays = {name: rng.normal(size=shape).astype(np.float32) for name in ("parameters", "gradients")}
    # away from zero, where it matters that some count epsilon in the root of the uncorrected moment
    arrays["gradients"] += np.copysign(np.float32(0.1), arrays["gradients"])
    return arrays


def ours(arrays, planned=False):
    """A plan copies its arguments, and takes what is held for constant; it reads Variables where they lie."""
    import autograd_vs as av
    import optim

    variables = [av.Variable(p) for p in arrays["parameters"]]
    gradients = [av.Variable(g, trainable=False) if planned else av.Tensor(g) for g in arrays["gradients"]]
    optimizer = optim.Adam()

    def step():
        optimizer.apply_gradients(zip(gradients, variables, strict=True))

    train = av.function(step) if planned else step

    def trained():
        train()
        return variables

    return trained


def floor(arrays, threads=1):
    parameters = arrays["parameters"].copy()
    gradients = [g.copy() for g in arrays["gradients"]]
    adam = Adam(list(parameters), threads)

    def step():
        adam.step(gradients)
        return list(parameters)

    return step


def torch(arrays, fused=False):
    import torch

    parameters = [torch.nn.Parameter(torch.tensor(p)) for p in arrays["parameters"]]
    for p, g in zip(parameters, arrays["gradients"], strict=True):
        p.grad = torch.tensor(g)
    optimizer = peers.torch_adam(parameters, fused)

    def step():
        optimizer.step()
        return parameters

    return step


def torch_compiled(arrays):
    import torch

    p, m, v, count = peers.torch_state({i: p for i, p in enumerate(arrays["parameters"])})
    gradients = {i: torch.tensor(g) for i, g in enumerate(arrays["gradients"])}
    peers.torch_static(gradients.values())
    train = peers.torch_compile(peers.torch_adam_in_place)

    def step():
        train(p, gradients, m, v, count)
        return list(p.values())

    return step


def jax(arrays):
    import jax

    @partial(jax.jit, donate_argnums=0)
    def train(state, gradients):
        p, m, v, count = state
        p, m, v = peers.jax_adam(p, gradients, m, v, count)
        return p, m, v, count + 1

    state = peers.jax_state({i: p for i, p in enumerate(arrays["parameters"])})
    gradients = {i: jax.numpy.array(g) for i, g in enumerate(arrays["gradients"])}

    def step():
        nonlocal state
        state = train(state, gradients)
        return list(state[0].values())

    return step


def tensorflow(arrays, eager=False):
    import tensorflow as tf

    parameters = [tf.Variable(p) for p in arrays["parameters"]]
    gradients = [tf.constant(g) for g in arrays["gradients"]]
    update = peers.tensorflow_adam(parameters)
    update = update if eager else tf.function(update)

    def step():
        update(gradients)
        return parameters

    return step


def chainer(arrays):
    import chainer

    link = chainer.Link()
    with link.init_scope():
        for i, (p, g) in enumerate(zip(arrays["parameters"], arrays["gradients"], strict=True)):
            setattr(link, f"p{i:03}", chainer.Parameter(p.copy()))
            getattr(link, f"p{i:03}").grad = g
    optimizer = peers.chainer_adam().setup(link)

    def step():
        optimizer.update()
        return list(link.params())

    return step


WORKLOADS = [
    Workload(
        "W9",
        "Adam alone, 100 parameters of 250 x 400",
        problem,
        {
            "floor": floor,
            "floor, two threads": partial(floor, threads=2),
            "ours": ours,
            "ours, function": partial(ours, planned=True),
            "torch": torch,
            "torch, fused Adam": partial(torch, fused=True),
            "torch, compiled": torch_compiled,
            "jax": jax,
            "tensorflow, function": tensorflow,
            "tensorflow, eager": partial(tensorflow, eager=True),
            "chainer": chainer,
        },
        checked_steps=10,
        tolerance=1e-6,
    )
]
