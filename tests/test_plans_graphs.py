"""Plans on a device: which calls become graphs, what stays between them, and what happens where that fails."""

import numpy as np
import pytest
from strict_array import Graphs, StrictArray, on_device

import autograd_vs as av
import optim
from autograd_vs.base import backend
from autograd_vs.base.cuda.graphs import refuses
from autograd_vs.base.cuda.products import product
from autograd_vs.transforms.plans.graphs import why_not
from autograd_vs.transforms.plans.program import Call


@pytest.fixture
def device():
    before = backend.place_host_data(StrictArray)
    yield
    backend.place_host_data(before)


def training():
    w, b = av.Variable(np.ones((3, 2), np.float32), name="w"), av.Variable(np.zeros(2, np.float32), name="b")
    optimizer = optim.Adam(0.1)

    def step(x):
        with av.GradientTape() as tape:
            y = av.nn.dropout(av.tanh(x @ w + b), 0.5, training=True, stream="drop")
            loss = av.mean(av.square(y - 1.0))
        optimizer.apply_gradients(zip(tape.gradient(loss, [w, b]), [w, b], strict=True))
        return loss

    return step, (w, b)


def losses(step, count=5):
    return [step(np.full((4, 3), i / 4, np.float32)).item() for i in range(count)]


def test_a_step_by_graphs_gives_the_bits_of_the_eager_one(device):
    state = av.random.get_state()
    step, variables = training()
    want, held = losses(step), [v.numpy() for v in variables]
    av.random.set_state(state)
    step, variables = training()
    f = av.function(step)
    assert losses(f) == want and f.traces == 1
    for v, value in zip(variables, held, strict=True):
        np.testing.assert_array_equal(v.numpy(), value)
    text = str(f.plan())
    assert "graphs: " in text and "(CuPy does not capture cuBLAS and cuSOLVER)" in text and "(Python decides)" in text


def test_a_graph_is_captured_once_at_the_second_replay(device, monkeypatch):
    seen, of_graphs = [], Graphs.capture

    def capture(run):
        seen.append(run)
        return of_graphs(run)

    monkeypatch.setattr(Graphs, "capture", staticmethod(capture))
    f = av.function(lambda x, y: av.tanh(x * 2.0 + y) @ av.exp(y * 3.0), without="in_kernels")
    x = np.ones((2, 2))
    f(x, x), f(x, x)
    assert len(seen) == 0  # the trace, and a replay by which all kernels are there
    want = f.python_function(av.Tensor(x), av.Tensor(x * 2)).numpy()
    np.testing.assert_array_equal(f(x, x * 2).numpy(), want)
    np.testing.assert_array_equal(f(x, x * 2).numpy(), want)
    assert len(seen) == 1
    assert "graphs: 1 of 5 calls together; calls between: 1 (CuPy does not capture cuBLAS" in str(f.plan())


def test_what_cannot_be_captured_runs_call_by_call_and_says_why(device, monkeypatch):
    def capture(run):
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(Graphs, "capture", staticmethod(capture))
    f = av.function(lambda x: av.tanh(x * 2.0) + 1.0, without="in_kernels")
    for i in range(4):
        np.testing.assert_array_equal(f(np.full(3, float(i))).numpy(), np.tanh(np.full(3, i * 2.0)) + 1.0)
    assert "graphs: 0 of 0 calls together" in str(f.plan())
    assert "not captured: calls 1 to 3: operation not permitted" in str(f.plan())


def test_an_exception_between_graphs_names_its_call(device):
    fails = []

    def check():
        if fails:
            raise ValueError("now")

    v = av.Variable(np.zeros(3), name="counted")

    def step(x):
        v.assign_add(av.exp(x * 2.0))
        av.outside(check)
        v.assign_add(av.exp(x * 3.0))

    f = av.function(step)
    for _ in range(3):
        f(np.ones(3))
    fails.append(1)
    with pytest.raises(ValueError, match="now") as caught:
        f(np.ones(3))
    assert "test_an_exception_between_graphs_names_its_call" in caught.value.__notes__[0]
    assert "check: counted may have been written" in caught.value.__notes__[0]


def test_why_a_call_is_no_part_of_a_graph():
    x, mask, host = on_device(np.ones(3)), on_device(np.array([True, False, True])), np.arange(3)

    def why(function, *args, form="call"):
        return why_not(Call(form, function, args, {}, x), refuses)

    assert why(np.add, x, x) == why(np.ndarray.__getitem__, x, slice(1), form="method") == ""
    assert why(np.ndarray.__getitem__, x, on_device(np.array([0, 2])), form="method") == ""
    for index in (mask, [0, 1], (mask, slice(None))):
        assert "waits" in why(np.ndarray.__getitem__, x, index, form="method")
    for index in (mask, [0, 1]):
        assert "waits" in why(None, x, index, 1.0, form="setitem") and "waits" in why(
            np.add.at, x, index, form="change"
        )
    assert why(None, x, slice(1), 1.0, form="setitem") == ""
    assert "host" in why(np.take, x, host) and "Python" in why(print, x, form="outside")
    assert why(product, x, x) == ""  # by a handle of our own
    assert "cuBLAS" in why(np.dot, x, x) and "cuBLAS" in why(np.linalg.inv, x) and "waits" in why(np.nonzero, x)


@pytest.mark.gpu
def test_a_cuda_graph_of_calls(cupy):
    from autograd_vs.base.cuda.graphs import capture, rehearse

    x, y = cupy.arange(4.0), cupy.zeros(4)

    def run():
        cupy.add(cupy.exp(x), 1.0, out=y)

    rehearse(run)
    np.testing.assert_allclose(y.get(), np.exp(np.arange(4.0)) + 1.0)
    launch = capture(run)
    y.fill(0), x.fill(1)
    launch()
    np.testing.assert_allclose(y.get(), np.e + 1.0)
