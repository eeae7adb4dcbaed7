"""W10: a training step of an embedding of 100,000 x 64: 64 bags of 16 ids, the mean of each bag to one number, MSE.

W10s is SGD (learning rate 0.1), which needs the rows in use only; W10a is Adam as it is defined, which moves every row;
W10l is lazy Adam, on the rows in use. Four batches of ids in turn, so that rows rest in between; the second time with
the opposite targets, so that numbers never become so small that they take longer.
"""

from functools import partial
from itertools import cycle

import numpy as np
import peers
from by_hand import BETA_1, BETA_2, Adam, adam_scalars, add_rows, get_rows, packed, set_rows

from .workload import Workload, glorot

NAMES = ("table", "w", "b")
RATE = 0.1  # of SGD


def problem(small=False):
    rows, units, bags, ids = (40, 4, 5, 3) if small else (100_000, 64, 64, 16)
    rng = np.random.default_rng(0)
    y = rng.normal(size=(4, bags, 1)).astype(np.float32)
    return {
        "table": rng.uniform(-0.05, 0.05, (rows, units)).astype(np.float32),
        "w": glorot(rng, units, 1),
        "b": np.zeros(1, np.float32),
        "ids": np.tile(rng.integers(0, rows, (4, bags, ids)), (2, 1, 1)),
        "y": np.concatenate([y, -y]),
    }


def batches_of(arrays):
    return list(zip(arrays["ids"], arrays["y"], strict=True))


def ours(arrays, make_optimizer, planned=False):
    import autograd_vs as av
    import optim

    variables = [av.Variable(arrays[name], name=name) for name in NAMES]
    table, w, b = variables
    batches = cycle([(ids, av.Tensor(y)) for ids, y in batches_of(arrays)])
    optimizer = make_optimizer(optim)

    def train(ids, y):
        with av.GradientTape() as tape:
            bags = av.mean(av.nn.embedding_lookup(table, ids), axis=1)
            loss = av.nn.mse(av.nn.linear(bags, w, b), y)
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss

    train = av.function(train) if planned else train
    return lambda: train(*next(batches))


class Model:
    """Forward and backward of the floors: the loss, and what the gradient of the table is made of."""

    def __init__(self, arrays):
        self.table = arrays["table"].copy()
        self.batches = cycle(batches_of(arrays))
        _, self.bags, self.size = arrays["ids"].shape
        self.values, self.p = packed(arrays, NAMES[1:])
        self.gradient, self.g = packed(arrays, NAMES[1:])
        units = self.table.shape[1]
        self.rows = np.empty((self.bags, self.size, units), np.float32)  # as they were gathered
        self.spare = np.empty((4, self.bags * self.size, units), np.float32)
        self.h, self.dh = np.empty((2, self.bags, units), np.float32)  # dh is the gradient of each row of a bag
        self.out = np.empty((self.bags, 1), np.float32)
        self.ones = np.ones(self.bags, np.float32)

    def loss(self):
        ids, y = next(self.batches)
        self.ids = ids.reshape(-1)
        p, g, h, out = self.p, self.g, self.h, self.out
        get_rows(self.table, ids, self.rows)
        np.add.reduce(self.rows, axis=1, out=h)
        np.multiply(h, 1 / self.size, out=h)
        np.dot(h, p["w"], out=out)
        np.add(out, p["b"], out=out)
        np.subtract(out, y, out=out)
        loss = np.vdot(out, out) / self.bags
        np.multiply(out, 2 / self.bags, out=out)
        np.dot(h.T, out, out=g["w"])
        np.dot(self.ones, out, out=g["b"])
        np.dot(out, p["w"].T, out=self.dh)
        np.multiply(self.dh, 1 / self.size, out=self.dh)
        return loss

    def repeated(self, first):
        """Where ids stand that stand elsewhere as well, but for one of each."""
        rest = np.ones(self.ids.size, bool)
        rest[first] = False
        return np.flatnonzero(rest)

    def merged(self):
        """The rows in use, each once; their gradients, and three arrays of the same shape."""
        unique, first, inverse = np.unique(self.ids, return_index=True, return_inverse=True)
        gradient, *spare = self.spare[:, : len(unique)]
        get_rows(self.dh, first // self.size, gradient)
        rest = self.repeated(first)
        np.add.at(gradient, inverse[rest], np.take(self.dh, rest // self.size, axis=0))
        return unique, gradient, *spare


def floor_sgd(arrays):
    model = Model(arrays)

    def step():
        loss = model.loss()
        np.multiply(model.dh, RATE, out=model.dh)
        # the gathered rows go back, changed; of repeated ids the last one is written, and the others are added to it
        np.subtract(model.rows, model.dh[:, None], out=model.rows)
        set_rows(model.table, model.ids, model.rows.reshape(len(model.ids), -1))
        _, back = np.unique(model.ids[::-1], return_index=True)
        rest = model.repeated(model.ids.size - 1 - back)
        np.subtract.at(model.table, model.ids[rest], np.take(model.dh, rest // model.size, axis=0))
        np.multiply(model.gradient, RATE, out=model.gradient)
        np.subtract(model.values, model.gradient, out=model.values)
        return loss

    return step


def floor_adam(arrays, threads=1):
    """No dense gradient: rows go into the moments, which decay right after that."""
    model = Model(arrays)
    adam = Adam([model.table, model.values], threads)
    m, v = (moments[0].reshape(model.table.shape) for moments in (adam.m, adam.v))

    def step():
        loss = model.loss()
        rows, gradient, change, scratch, _ = model.merged()
        np.multiply(gradient, 1 / BETA_1, out=change)
        add_rows(m, rows, change, scratch)
        np.multiply(gradient, gradient, out=change)
        np.multiply(change, 1 / BETA_2, out=change)
        add_rows(v, rows, change, scratch)
        adam.step([None, model.gradient])
        return loss

    return step


def floor_lazy(arrays):
    model = Model(arrays)
    adam = Adam([model.values])
    m, v = np.zeros_like(model.table), np.zeros_like(model.table)

    def step():
        loss = model.loss()
        adam.step([model.gradient])
        rate, epsilon = adam_scalars(adam.count)
        rows, gradient, m_rows, v_rows, scratch = model.merged()
        get_rows(m, rows, m_rows)
        np.multiply(m_rows, BETA_1, out=m_rows)
        np.add(m_rows, gradient, out=m_rows)
        set_rows(m, rows, m_rows)
        get_rows(v, rows, v_rows)
        np.multiply(v_rows, BETA_2, out=v_rows)
        np.multiply(gradient, gradient, out=gradient)
        np.add(v_rows, gradient, out=v_rows)
        set_rows(v, rows, v_rows)
        np.sqrt(v_rows, out=v_rows)
        np.add(v_rows, epsilon, out=v_rows)
        np.divide(m_rows, v_rows, out=m_rows)
        np.multiply(m_rows, -rate, out=m_rows)
        add_rows(model.table, rows, m_rows, scratch)
        return loss

    return step


def train(step, loss, arrays, **options):
    return step(loss, {name: arrays[name] for name in NAMES}, batches_of(arrays), **options)


def torch(arrays, step, sparse=False, bag=False):
    from torch import addmm
    from torch.nn.functional import embedding, embedding_bag, mse_loss

    def loss(p, ids, y):
        if bag:
            h = embedding_bag(ids, p["table"], mode="mean", sparse=sparse)
        else:
            h = embedding(ids, p["table"], sparse=sparse).mean(1)
        return mse_loss(addmm(p["b"], h, p["w"]), y)

    return train(step, loss, arrays)


def torch_sgd(parameters):
    import torch

    return torch.optim.SGD(parameters, lr=RATE)


class TorchLazy:
    """SparseAdam for the table, Adam for the rest."""

    def __init__(self, parameters):
        import torch

        table, *dense = parameters
        self.both = torch.optim.SparseAdam([table]), peers.torch_adam(dense, fused=True)

    def zero_grad(self, set_to_none):
        for optimizer in self.both:
            optimizer.zero_grad(set_to_none)

    def step(self):
        for optimizer in self.both:
            optimizer.step()


def jax(arrays, sgd=None):
    """The gradient of the table is dense."""
    import jax.numpy as jnp

    def loss(p, ids, y):
        return jnp.mean(jnp.square(jnp.mean(p["table"][ids], axis=1) @ p["w"] + p["b"] - y))

    return train(peers.jax_step, loss, arrays, sgd=sgd)


def jax_rows(arrays, sgd=None):
    """Differentiates by the gathered rows; the table changes in place, SGD or lazy Adam."""
    import jax
    import jax.numpy as jnp

    def loss(rows, dense, y):
        return jnp.mean(jnp.square(jnp.mean(rows, axis=1) @ dense["w"] + dense["b"] - y))

    def value_and_gradients(table, dense, ids, y):
        value, (rows, g) = jax.value_and_grad(loss, argnums=(0, 1))(table[ids], dense, y)
        return value, rows.reshape(ids.size, -1), g

    def train_sgd(state, ids, y):
        table, dense = state
        value, rows, g = value_and_gradients(table, dense, ids, y)
        dense = jax.tree.map(lambda p, g: p - sgd * g, dense, g)
        return (table.at[ids.reshape(-1)].add(-sgd * rows), dense), value

    def train_lazy(state, ids, y):
        (table, m, v), (dense, dense_m, dense_v), count = state
        value, rows, g = value_and_gradients(table, dense, ids, y)
        # as many as there are ids; those that are not needed lie outside of the table, and are dropped
        unique, inverse = jnp.unique(ids.reshape(-1), return_inverse=True, size=ids.size, fill_value=len(table))
        rows = jnp.zeros_like(rows).at[inverse].add(rows)
        found = [a.at[unique].get(mode="fill", fill_value=0) for a in (table, m, v)]
        new = peers.jax_adam(found[0], rows, found[1], found[2], count)
        tables = [a.at[unique].set(b, mode="drop") for a, b in zip((table, m, v), new, strict=True)]
        return (tables, peers.jax_adam(dense, g, dense_m, dense_v, count), count + 1), value

    p, m, v, count = peers.jax_state({name: arrays[name] for name in NAMES})
    tables = [a.pop("table") for a in (p, m, v)]
    if sgd:
        return peers.jax_loop(train_sgd, (tables[0], p), batches_of(arrays))
    return peers.jax_loop(train_lazy, (tables, (p, m, v), count), batches_of(arrays))


def tensorflow(arrays, eager=False, sgd=None):
    import tensorflow as tf

    def loss(p, ids, y):
        h = tf.reduce_mean(tf.nn.embedding_lookup(p["table"], ids), axis=1)
        return tf.reduce_mean(tf.square(h @ p["w"] + p["b"] - y))

    return train(peers.tensorflow_step, loss, arrays, eager=eager, sgd=sgd)


def numpy_like(library):
    """For HIPS autograd and MyGrad."""

    def loss(p, ids, y):
        return library.mean(library.square(library.mean(p["table"][ids], axis=1) @ p["w"] + p["b"] - y))

    return loss


def autograd(arrays, sgd=None):
    import autograd.numpy

    return train(peers.autograd_step, numpy_like(autograd.numpy), arrays, sgd=sgd)


def mygrad(arrays, sgd=None):
    import mygrad

    return train(peers.mygrad_step, numpy_like(mygrad), arrays, sgd=sgd)


def chainer(arrays, optimizer=peers.chainer_adam):
    import chainer.functions as F

    def loss(p, ids, y):
        h = F.mean(F.embed_id(ids.astype(np.int32), p["table"]), axis=1)
        return F.mean_squared_error(F.linear(h, p["w"].T, p["b"]), y)

    return train(peers.chainer_step, loss, arrays, optimizer=optimizer)


def chainer_sgd():
    from chainer import optimizers

    return optimizers.SGD(RATE)


TITLE = "embedding 100,000 x 64, 64 bags of 16, MSE"
sgd_step, lazy_step = (partial(peers.torch_step, optimizer=optimizer) for optimizer in (torch_sgd, TorchLazy))


def variants_of_ours(make_optimizer):
    eager = partial(ours, make_optimizer=make_optimizer)
    return {"ours": eager, "ours, function": partial(eager, planned=True)}


CHECKED = {"checked_steps": 16}  # twice each batch
WORKLOADS = [
    Workload(
        "W10s",
        f"{TITLE}, SGD",
        problem,
        {
            "floor": floor_sgd,
            **variants_of_ours(lambda optim: optim.SGD(RATE)),
            "torch, sparse": partial(torch, step=sgd_step, sparse=True),
            "torch, sparse, embedding_bag": partial(torch, step=sgd_step, sparse=True, bag=True),
            "jax": partial(jax, sgd=RATE),
            "jax, rows by hand": partial(jax_rows, sgd=RATE),
            "tensorflow, function": partial(tensorflow, sgd=RATE),
            "tensorflow, eager": partial(tensorflow, eager=True, sgd=RATE),
            "autograd": partial(autograd, sgd=RATE),
            "mygrad": partial(mygrad, sgd=RATE),
            "chainer": partial(chainer, optimizer=chainer_sgd),
        },
        **CHECKED,
    ),
    Workload(
        "W10a",
        f"{TITLE}, Adam",
        problem,
        {
            "floor": floor_adam,
            "floor, two threads": partial(floor_adam, threads=2),
            **variants_of_ours(lambda optim: optim.Adam()),
            "torch": partial(torch, step=peers.torch_step),
            "torch, fused Adam": partial(torch, step=peers.torch_fused),
            "torch, fused Adam, embedding_bag": partial(torch, step=peers.torch_fused, bag=True),
            "torch, compiled": partial(torch, step=peers.torch_compiled),
            "torch, compiled model": partial(torch, step=peers.torch_compiled_model),
            "jax": jax,
            "tensorflow, function": tensorflow,
            "tensorflow, eager": partial(tensorflow, eager=True),
            "autograd": autograd,
            "mygrad": mygrad,
            "chainer": chainer,
        },
        **CHECKED,
    ),
    Workload(
        "W10l",
        f"{TITLE}, lazy Adam",
        problem,
        {
            "floor": floor_lazy,
            **variants_of_ours(lambda optim: optim.Adam(lazy=True)),
            "torch, SparseAdam": partial(torch, step=lazy_step, sparse=True),
            "torch, SparseAdam, embedding_bag": partial(torch, step=lazy_step, sparse=True, bag=True),
            "jax, rows by hand": jax_rows,
        },
        **CHECKED,
    ),
]
