"""CuPy's devices: the order of copies on a simulated device, and what needs a real one (marked `gpu`)."""

import sys
import types
import weakref
from typing import ClassVar

import numpy as np
import pytest

import autograd_vs as av
import optim
from autograd_vs.base.cuda import devices as cuda

pytestmark = pytest.mark.host("about CuPy's arrays, or simulated ones")


# ---------------------------------------------------------------- the order of copies, simulated


class Event:
    done = False


class Stream:
    """Work that waits until the simulation lets it run; an event that is not done stops it."""

    def __init__(self, non_blocking=False):
        self.work = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def record(self):
        event = Event()
        self.work.append((lambda: True, event))
        return event

    def wait_event(self, event):
        self.work.append((lambda: event.done, None))

    def run(self):
        """Run what can run; how much that was."""
        count = 0
        while self.work:
            function, event = self.work[0]
            if function() is False:
                break
            if event is not None:
                event.done = True
            self.work.pop(0)
            count += 1
        return count


class Array:
    """An array on the device: a block of a pool, which gives it to the next one as soon as this one is gone."""

    free: ClassVar[list] = []

    def __init__(self, shape, dtype):
        self.block = Array.free.pop() if Array.free else np.full(shape, -1, dtype)
        weakref.finalize(self, Array.free.append, self.block)

    def set(self, pinned, stream):
        block, memory = self.block, pinned.memory
        stream.work.append((lambda: block.__setitem__(..., memory.reshape(block.shape)), None))


class Held:
    """A pinned host array, whose memory goes to others when it is gone."""

    def __init__(self, shape, dtype):
        self.memory = np.empty(int(np.prod(shape)), dtype)
        weakref.finalize(self, self.memory.fill, -2)

    def __setitem__(self, index, value):
        self.memory[:] = np.ravel(value)


@pytest.mark.parametrize("policy", ["at the end", "copies at once", "all at once"])
@pytest.mark.parametrize("ahead", [0, 1, 3])
def test_copies_and_the_loop_wait_for_one_another(monkeypatch, policy, ahead):
    Array.free.clear()
    loop, made = Stream(), []

    def stream(non_blocking):
        assert non_blocking, "the null stream would wait for it"
        made.append(Stream())
        return made[-1]

    fake = types.SimpleNamespace(
        empty=Array, cuda=types.SimpleNamespace(Device=Stream, Stream=stream, get_current_stream=lambda: loop)
    )
    monkeypatch.setitem(sys.modules, "cupyx", types.SimpleNamespace(empty_pinned=Held))
    copies, seen, waiting = cuda._PinnedCopies(fake, 0), [], []
    (side,) = made

    def use(array):
        block = array.block
        loop.work.append((lambda: seen.append(block.tolist()), None))

    for i in range(12):
        waiting.append(copies.start([np.full(3, i)]))
        if policy != "at the end":
            side.run()
        if len(waiting) > ahead:
            (array,) = copies.finish(waiting.pop(0))
            use(array)
            del array
        if policy == "all at once":
            loop.run()
    while waiting:
        (array,) = copies.finish(waiting.pop(0))
        use(array)
        del array
    while side.run() + loop.run():
        pass
    assert seen == [[i] * 3 for i in range(12)]
    assert not loop.work and not side.work
    copies.start([np.zeros(3, int)])
    assert len(copies._pinned) == 1, "pinned memory is let go of once it is copied"
    assert len(Array.free) <= ahead + 2, "blocks are used again"


# ---------------------------------------------------------------- on a real device


@pytest.fixture
def cupy():
    """CuPy on a device that works, or a skip with the reason."""
    try:
        import cupy

        assert int(cupy.ones(2).sum()) == 2
    except Exception as error:
        pytest.skip(f"no GPU: {type(error).__name__}: {error}")
    yield cupy
    cupy.get_default_memory_pool().set_limit(size=0)


@pytest.mark.gpu
def test_what_there_is(cupy):
    names = [d.name for d in av.devices()]
    assert names[:2] == ["cpu", "gpu:0"] and av.devices()[1].memory > 1 << 30
    with pytest.raises(RuntimeError, match="there is no 'gpu:"):
        av.device(f"gpu:{len(names) - 1}")
    with av.device("gpu:0"):
        made = av.Tensor([1.0]), av.Variable([1.0]), av.Tensor([1.0]) + np.ones(1)
    assert all(type(x.array) is cupy.ndarray and x.device == "gpu:0" for x in made)


@pytest.mark.gpu
def test_a_gradient_passes_between_devices(cupy):
    v = av.Variable([1.0, 2.0], name="v")
    with av.GradientTape() as tape:
        y = av.sum(v.to("gpu:0") ** 3)
    g = tape.gradient(y, v)
    assert y.device == "gpu:0" and g.device == "cpu" and g.numpy().tolist() == [3.0, 12.0]
    with pytest.raises(TypeError, match=r"Variable 'v:0'.*'cpu'.*on 'gpu:0'"):
        v * v.to("gpu:0")


@pytest.mark.gpu
@pytest.mark.parametrize("prefetch", [0, 1, 3])
def test_batches_through_pinned_memory(cupy, prefetch):
    x = np.random.default_rng(0).standard_normal((4000, 64)).astype(np.float32)
    with av.device("gpu:0"):
        w = cupy.asarray(np.random.default_rng(1).standard_normal((64, 64)).astype(np.float32)) / 8
        for _ in range(3):
            for i, batch in enumerate(av.data.batches(x, 100, prefetch=prefetch, device="gpu:0")):
                h = batch.array
                for _ in range(20):  # the loop's stream is behind, and blocks are let go of early
                    h = h @ w
                expected = x[i * 100 : i * 100 + 100]
                assert type(batch.array) is cupy.ndarray
                np.testing.assert_array_equal(cupy.asnumpy(batch.array), expected)


@pytest.mark.gpu
def test_out_of_memory_says_what_is_held(cupy):
    pool = cupy.get_default_memory_pool()
    with av.device("gpu:0"), av.variable_scope("decoder"):
        kernel = av.get_variable("kernel", [1 << 20])
        assert av.memory_limit(pool.total_bytes() + (1 << 20)) is None
        with pytest.raises(cupy.cuda.memory.OutOfMemoryError, match="4 MiB  Variable 'decoder/kernel:0'"):
            av.Tensor(np.zeros(1 << 24))
        assert av.memory_limit(None) == pool.total_bytes() + (1 << 20)
        assert av.Tensor(np.zeros(1 << 20)).device == kernel.device == "gpu:0"


@pytest.mark.gpu
def test_training_and_a_checkpoint(cupy, tmp_path):
    pytest.importorskip("safetensors", reason="checkpoints are its files")
    found = {}
    for name in ("cpu", "gpu:0"):
        with av.device(name), av.VariableStore(seed=1):
            w = av.get_variable("w", [8, 4])
            optimizer = optim.Adam(0.1)
            start = w.numpy()
            for _ in range(3):
                with av.GradientTape() as tape:
                    loss = av.sum(av.square(av.tanh(w)))
                optimizer.apply_gradients([(tape.gradient(loss, w), w)])
            av.save(tmp_path / name.replace(":", "_"), w, optimizer)
            found[name] = start, w, optimizer
    (here, w, optimizer), (there, v, _) = found["cpu"], found["gpu:0"]
    assert here.tobytes() == there.tobytes() and v.device == "gpu:0"
    np.testing.assert_allclose(w.numpy(), v.numpy(), rtol=1e-5)
    av.load(tmp_path / "gpu_0", w, optimizer)
    assert w.device == "cpu" and w.numpy().tobytes() == v.numpy().tobytes()
