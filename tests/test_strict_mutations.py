"""Does the stand-in bite? A NumPy call where a device's is due, or a wait, is put into the library: a check must fail.

Each row changes the text of one function: what is there, and what stands there instead. The check passes on NumPy with
the change, so nobody without a GPU would notice; on the arrays of `strict_array.py` it must fail.
"""

# ruff: noqa: E501  (a row of the table is a line)

import warnings

import numpy as np
import pytest
from strict_array import StrictArray, forbid_transfers
from test_ops import function_of, sampled, value_and_gradients
from test_scopes_mutations import switch

import autograd_vs as av
import optim
from autograd_vs.base import backend
from autograd_vs.engine import call, cotangent, registry, walk
from autograd_vs.history import History
from autograd_vs.ops import activations, index, normalization
from autograd_vs.state import packs, update, variable
from optim import adam, clipping

LIBRARIES = [np.ndarray, StrictArray]


def op(name):
    """The check that runs all samples of an op with their gradients."""

    def check(home):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for sample in sampled(f"op {name}"):
                _, found = value_and_gradients(function_of(registry.ops[name]), sample, lambda x: x)
                assert all(isinstance(t.array, home) for t in found)

    return check


def training(home, make=lambda: optim.Adam(0.01), loss_of=None):
    """Steps of which the last ones must not wait."""
    w = av.Variable(np.ones((3, 2)))
    optimizer = make()

    def step():
        optimizer.minimize(lambda: (loss_of or (lambda w: av.sum(av.tanh(w) ** 2)))(w), [w])

    step()
    with forbid_transfers(uploads=False):
        step()
    assert isinstance(w.array, home)
    return w.numpy()


def clipped(home):
    training(home, lambda: optim.SGD(0.1, global_clipnorm=0.1))


def rows(home):
    ids = np.array([2, 0, 2])

    def loss_of(w):
        return av.sum(av.nn.embedding_lookup(w, ids) ** 2)

    for make in (lambda: optim.Adam(0.1), lambda: optim.Adam(0.1, lazy=True)):
        found = []
        for place in (home, np.ndarray):
            backend.place_host_data(place)
            found.append(training(place, make, loss_of))
        np.testing.assert_allclose(*found, rtol=1e-12)
        backend.place_host_data(home)


def raw_operands(home):
    t = av.add(av.Tensor(np.ones(2)), [1.0, 2.0])
    assert isinstance((t * np.ones(2)).array, home)


def raw_gradients(home):
    w = av.Variable(np.ones(2))
    for g in (np.ones(2), [1.0, 1.0], av.IndexedSlices(np.ones(1), np.array([1]), (2,))):
        optim.SGD(0.1, momentum=0.9).apply_gradients([(g, w)])
    w.assign_add(np.ones(2))
    assert isinstance(w.array, home)


def unconnected(home):
    w = av.Variable(np.ones(2))
    with av.GradientTape() as tape:
        y = av.sum(w)
    u = av.Variable(np.ones(2))
    g, zero = tape.gradient(y, [w, u], unconnected_gradients="zero")
    assert isinstance(g.array, home) and isinstance(zero.array, home)


def out_of_range(home):
    t = av.Tensor(np.ones((2, 3)))
    for wrong in (lambda: t[np.array([2])], lambda: t[[0, 1], [3, 0]], lambda: t.at[np.array([0, -3])].set(0.0)):
        with pytest.raises(IndexError):
            wrong()


def last_value(home):
    t = av.Tensor(np.zeros(2)).at[np.array([1, 1])].set([1.0, 2.0])
    assert t.numpy().tolist() == [0.0, 2.0]


def logged(home):
    t = av.Tensor(np.ones(2)).sum()
    with forbid_transfers():
        History().log(loss=t)


SWITCHES = [
    (op("softmax"), activations._softmax.formula, "np.exp(x - x.max", "np.exp(np.asarray(x) - x.max"),
    (op("scatter_rows"), index.scatter_rows.op.forward, "y = namespace(values).zeros(shape", "y = np.zeros(shape"),
    (op("scatter_add"), index.scatter_add.op.forward, "y = xp.zeros(shape", "y = np.zeros(shape"),
    (op("index_max"), index._updated, "y = xp.empty(", "y = np.empty("),
    (op("on_diagonal"), registry.ops["on_diagonal"].forward, "namespace(g).zeros(", "np.zeros("),
    (op("softmax_cross_entropy"), registry.ops["softmax_cross_entropy"].forward, "of_label = z[", "of_label = np.array(z)["),
    (op("layer_norm"), normalization.mean_over, "s = sum_over(x, over)", "s = sum_over(np.asarray(x), over)"),
    (op("mse"), registry.ops["mse"].forward, "namespace(d).vdot(d, d)", "np.dot(np.ravel(d), np.array(d).ravel())"),
    (op("where"), registry.ops["where"].forward, "namespace(leading(condition, a, b)).where(condition, a, b)", "np.where(np.array(condition), a, b)"),
    (op("ldexp"), registry.ops["ldexp"].forward, "beside(n, x) if is_array(n) else n", "n"),
    (training, packs.Group.__init__, "cells[0].xp.zeros(self.size", "np.zeros(self.size"),
    (rows, adam.adam_update, "np.sqrt(v if v_max is None else v_max)", "np.sqrt(np.asarray(v))"),
    (rows, adam.adam_update, "delta = m / scale", "delta = m / float(scale.max())"),
    (training, walk.ones_like, "namespace(a).ones(a.shape, a.dtype)", "np.ones(a.shape, a.dtype)"),
    (training, variable.Variable._build, "array = backend.placed(", "array = backend.as_array("),
    (clipped, clipping._squares, "float(squares) if isinstance(a, np.ndarray) else squares", "float(squares)"),
    (rows, cotangent._totals, "sums = xp.zeros(", "sums = np.zeros("),
    (rows, update._checked_rows, "backend.namespace(values) is not np", "False"),
    (rows, update._checked_rows, "and not g.inside", ""),
    (raw_operands, call.unwrap, "a = placed(x)", "a = as_array(x)"),
    (raw_operands, call.unwrap, "placed(x)", "as_array(x)"),
    (raw_gradients, update._checked, "backend.placed(g)", "backend.as_array(g)"),
    (raw_gradients, variable.Variable._add, "new = backend.beside(new, self.array)", "pass"),
    (unconnected, walk.zeros, "namespace(x.array).zeros(", "np.zeros("),
    (out_of_range, index._beside, "check_range(part, a.shape[axis], axis)", "pass"),
    (last_value, index._assign, "if _is_plain(index)", "if True"),
    (last_value, index._last, "last = xp.full(", "last = np.full("),
    (logged, History._log, "_hold(name, value)", "float(value)"),
]  # fmt: skip


@pytest.mark.parametrize("home", LIBRARIES, ids=["numpy", "strict"])
@pytest.mark.parametrize("check", list(dict.fromkeys(row[0] for row in SWITCHES)), ids=lambda f: f.__qualname__)
def test_the_checks_pass(check, home, at):
    at(home)
    check(home)


@pytest.fixture
def at():
    """Let host data go to an array type for one test."""
    before = backend.place_host_data()
    yield backend.place_host_data
    backend.place_host_data(before)


@pytest.mark.parametrize(
    "check, function, old, new", SWITCHES, ids=[f"{i}-{f.__qualname__}" for i, (_, f, *_) in enumerate(SWITCHES)]
)
def test_a_stray_call_is_noticed(check, function, old, new, monkeypatch, at):
    switch(monkeypatch, function, old, new)
    at(np.ndarray)
    check(np.ndarray)
    at(StrictArray)
    with pytest.raises((Exception, pytest.fail.Exception)) as caught:
        check(StrictArray)
    assert not isinstance(caught.value, NameError), "the change itself is broken"
