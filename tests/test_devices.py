"""Devices by name, and training on arrays that refuse to mix with NumPy's, as CuPy's do (`strict_array.py`)."""

import asyncio
import gc
import sys
import threading
import types

import numpy as np
import pytest
from strict_array import OutOfMemoryError, StrictArray, StrictDevices, forbid_transfers, on_device, pool, strict

import autograd_vs as av
import optim
from autograd_vs.base import backend
from autograd_vs.base.devices import register_devices

GPU, CPU = "gpu:0", "cpu"


@pytest.fixture
def gpu():
    """The stand-in is the device "gpu:0", on which nothing lies that is to be collected."""
    gc.collect()
    before, allocator = register_devices("gpu", StrictDevices()), pool.allocate
    yield
    register_devices("gpu", before)
    pool.allocator, pool.limit = allocator, None


def kinds(*values):
    return [type(x.array) for x in values]


# ---------------------------------------------------------------- which device host data goes to


def test_host_data_goes_to_the_open_device(gpu):
    with av.device(GPU) as opened:
        made = [
            av.Tensor([1.0, 2.0]), av.Tensor(np.ones(2)), av.asarray(3.0), av.Variable(np.ones(2)), av.Variable(1),
            av.linspace(0.0, 1.0, 3),
            av.random.normal((2,), stream="d"), av.full((2,), 1.0), np.ones(2) + av.Tensor([1.0, 2.0]),
            av.maximum(np.ones(2), 2.0), av.get_variable("placed", [2]), av.tril(np.ones((2, 2))),
        ]  # fmt: skip
        assert kinds(*made) == [StrictArray] * len(made) and {x.device for x in made} == {GPU}
        with av.device(CPU):
            inside = av.Tensor([1.0]), av.Variable([1.0]), av.get_variable("host", [2]), np.ones(2) + av.Tensor([1.0])
            assert kinds(*inside) == [np.ndarray] * 4 and inside[0].device == CPU
            assert kinds(av.Tensor(on_device([1.0])), made[0] + 1.0) == [StrictArray] * 2  # what is there stays there
        assert kinds(av.Tensor([1.0])) == [StrictArray] and opened.name == GPU
    assert repr(opened) == "av.device('gpu:0')"


def test_one_device_object_opens_again_and_inside_of_itself(gpu):
    place = av.device("gpu")
    before = backend.home()
    for _ in range(2):
        with place, av.device(CPU), place:
            assert backend.home() == GPU
        assert backend.home() == before


def test_an_exception_closes_it_and_disorder_is_refused(gpu):
    before = backend.home()
    with pytest.raises(ZeroDivisionError), av.device(GPU):
        raise ZeroDivisionError
    assert backend.home() == before
    outer, inner = av.device(GPU), av.device(CPU)
    outer.__enter__()
    inner.__enter__()
    with pytest.raises(RuntimeError, match="a device was closed out of order"):
        outer.__exit__(None, None, None)
    assert backend.home() == before
    with pytest.raises(RuntimeError, match="out of order"):
        inner.__exit__(None, None, None)
    assert backend.home() == before


def test_threads_begin_outside_and_tasks_inherit(gpu):
    before, seen = backend.home(), []
    with av.device(GPU):
        thread = threading.Thread(target=lambda: seen.append(backend.home()))
        thread.start()
        thread.join()
    assert seen == [before]

    async def task(name):
        first = backend.home()
        with av.device(name):
            await asyncio.sleep(0)
            return first, backend.home()

    async def both():
        with av.device(GPU):
            return await asyncio.gather(task(CPU), task(GPU), task(CPU))

    assert asyncio.run(both()) == [(GPU, CPU), (GPU, GPU), (GPU, CPU)]


def test_a_function_is_traced_for_each_place(gpu):
    f = av.function(lambda x: av.sum(av.square(x)) + av.sum(av.asarray([1.0, 2.0])))
    for name, kind in ((CPU, np.ndarray), (GPU, StrictArray), (CPU, np.ndarray), (GPU, StrictArray)):
        with av.device(name):
            y = f(av.Tensor([1.0, 3.0]))
            assert y.numpy() == 13.0 and kinds(y) == [kind]


# ---------------------------------------------------------------- which there are


def test_the_devices_that_there_are(gpu):
    host, stand_in = av.devices()
    assert host.name == CPU and (host.memory is None or host.memory > 1 << 20)
    assert stand_in == (GPU, "strict stand-in", 1 << 30) and repr(stand_in) == "<gpu:0: strict stand-in, 1 GiB>"
    with av.device(stand_in):
        assert av.Tensor([1.0]).device == GPU


@pytest.mark.parametrize(
    "name, error, words",
    [
        ("cuda:1", ValueError, "'cuda:1' is not the name of a device.*here, 'gpu:1'"),
        ("/device:GPU:2", ValueError, "here, 'gpu:2'"), ("cpu:0", ValueError, "here, 'cpu'"),
        ("tpu", ValueError, "not the name"), ("", ValueError, "not the name"), (0, TypeError, "named by a string"),
        (np.float32, TypeError, r"x\.astype\(dtype\)"), ("gpu:1", RuntimeError, "no 'gpu:1'"),
    ],
)  # fmt: skip
def test_names_that_are_no_device(gpu, name, error, words):
    for use in (av.device, av.Tensor([1.0]).to, lambda n: av.data.batches(np.ones(2), 1, device=n)):
        with pytest.raises(error, match=words):
            use(name)


def fake_cupy(count, allocate=None):
    """A module `cupy` without arrays: so many devices, or an error of the driver."""

    class CUDARuntimeError(RuntimeError):
        pass

    def counted():
        if isinstance(count, str):
            raise CUDARuntimeError(count)
        return count

    class Device:
        def __init__(self, number):
            self.number = number

        def __enter__(self):
            fake.entered.append(self.number)

        def __exit__(self, *_):
            fake.entered.pop()

    properties = {"name": b"NVIDIA Test", "totalGlobalMem": 1 << 37}
    runtime = types.SimpleNamespace(
        CUDARuntimeError=CUDARuntimeError, getDeviceCount=counted, getDeviceProperties=lambda i: properties,
        getDevice=lambda: fake.entered[-1],
    )  # fmt: skip
    fake = types.ModuleType("cupy")
    fake.__version__, fake.entered, fake.allocators = "14.2.0", [], [allocate]
    fake.cuda = types.SimpleNamespace(
        runtime=runtime, Device=Device, get_allocator=lambda: fake.allocators[-1],
        set_allocator=fake.allocators.append, memory=types.SimpleNamespace(OutOfMemoryError=OutOfMemoryError),
    )  # fmt: skip
    return fake


@pytest.fixture
def cuda():
    """CuPy's devices, fresh, of whatever `cupy` is in `sys.modules`."""
    from autograd_vs.base.cuda.devices import _Gpus

    before = register_devices("gpu", _Gpus())
    yield
    register_devices("gpu", before)


@pytest.mark.parametrize(
    "cupy, names, error, words",
    [
        (None, [CPU], ImportError, r"pip install \"autograd-vs\[cuda13\]\""),
        (
            fake_cupy("cudaErrorInsufficientDriver"),
            [CPU],
            RuntimeError,
            "sees no GPU .cudaErrorInsufficientDriver.*nvidia-smi",
        ),
        (fake_cupy(0), [CPU], RuntimeError, "no 'gpu:2': CuPy sees 0 GPUs"),
        (fake_cupy(1), [CPU, GPU], RuntimeError, "no 'gpu:2': CuPy sees 1 GPU, numbered from 0"),
    ],
    ids=["no CuPy", "no driver", "no GPU", "one GPU"],
)
def test_what_is_missing_is_said(cuda, monkeypatch, cupy, names, error, words):
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    for use in (av.device, lambda name: av.memory_limit("80%", name), av.Tensor([1.0]).to):
        with pytest.raises(error, match=words):
            use("gpu:2")
    assert [d.name for d in av.devices()] == names  # never raises


def test_cupys_current_device_goes_along_and_its_allocator_is_watched(cuda, monkeypatch):
    def full(size):
        raise OutOfMemoryError(f"Out of memory allocating {size} bytes")

    cupy = fake_cupy(3, full)
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    assert repr(av.devices()[2]) == "<gpu:1: NVIDIA Test, 128 GiB>"
    with av.device("gpu:2"), av.device("gpu:1"), av.device(CPU), av.device("gpu:1"):
        assert cupy.entered == [2, 1, 1]
        with pytest.raises(OutOfMemoryError, match=r"allocating 8 bytes\nNo Tensor.*'gpu:1'"):
            cupy.allocators[-1](8)
    assert cupy.entered == [] and len(cupy.allocators) == 2, "watched once"


# ---------------------------------------------------------------- moving


@pytest.mark.parametrize("here, there", [(CPU, GPU), (GPU, CPU)])
def test_to_another_device_and_its_gradient_back(gpu, here, there):
    with av.device(here):
        x, v = av.Tensor([1.0, 2.0]), av.Variable([1.0, 2.0], name="moved")
    assert x.to(here) is x and x.to_device(there).device == there
    with av.GradientTape() as outer:
        outer.watch(x)
        with av.GradientTape() as tape:
            tape.watch(x)
            y = av.sum(x.to(there) ** 3 * v.to(there))
        gx, gv = tape.gradient(y, [x, v])
        z = av.sum(gx)
    assert [t.device for t in (y, gx, gv)] == [there, here, here]
    assert gx.numpy().tolist() == [3.0, 24.0] and gv.numpy().tolist() == [1.0, 8.0]
    assert outer.gradient(z, x).numpy().tolist() == [6.0, 24.0]
    _, tangent = av.jvp(lambda t: t.to(there) * 2.0, (x,), (x,))
    assert tangent.device == there and tangent.numpy().tolist() == [2.0, 4.0]


def test_a_variable_stays_and_gives_its_value(gpu):
    with av.device(CPU):
        v = av.Variable([1.0, 2.0])
    kept = v.to(CPU), v.to(GPU)
    v.assign([5.0, 5.0])
    assert [type(t) for t in kept] == [av.Tensor] * 2 and [t.numpy().tolist() for t in kept] == [[1.0, 2.0]] * 2
    assert v.device == CPU
    v.assign(kept[1])  # writing moves
    assert v.numpy().tolist() == [1.0, 2.0] and v.device == CPU


def test_to_in_a_function(gpu):
    f = av.function(lambda x: av.sum(av.square(x.to(GPU)).to(CPU)))
    with av.device(CPU):
        assert [f(av.Tensor([1.0, i])).numpy().tolist() for i in (2.0, 3.0, 4.0)] == [5.0, 10.0, 17.0]


MIXED = {
    "binary": lambda v, c: v + c, "swapped": lambda v, c: c * v, "two": lambda v, c: av.matmul(c, v),
    "three": lambda v, c: av.where(c > 0, c, v), "sequence": lambda v, c: av.concatenate([v, c]),
    "several": lambda v, c: av.nn.linear(av.expand_dims(v, 0), av.expand_dims(c, 1), c[:1]),
    "constant": lambda v, c: v > c, "einsum": lambda v, c: av.einsum("i,i->", v, c),
}  # fmt: skip


@pytest.mark.parametrize("mix", MIXED.values(), ids=MIXED)
def test_mixing_devices_names_both(gpu, mix):
    with av.device(GPU), av.VariableStore():
        v = av.Variable(np.ones(3), name="kernel")
    with av.device(CPU):
        c = av.Tensor(np.ones(3)) * 2.0
    with pytest.raises(TypeError, match="and an op computes on one device") as error:
        mix(v, c)
    text = str(error.value)
    assert text.count("lies on") == 1 and "'gpu:0'" in text and "'cpu'" in text and "x.to('gpu:0')" in text
    assert ("'kernel:0' of shape (3,)" in text) or ("of shape (1, 3)" in text), text
    assert error.value.__cause__ is not None


def test_mixing_with_a_raw_array_names_both(gpu):
    with av.device(GPU):
        v = av.Variable(np.ones(3), name="kernel")
    with av.device(CPU):
        for mix in (lambda: v + np.ones(3), lambda: np.ones(3) + v, lambda: np.matmul(v, np.ones(3))):
            with pytest.raises(TypeError, match=r"an array of shape \(3,\) and dtype float64"):
                mix()
    with pytest.raises(ValueError, match="broadcast"):  # other errors stay what they are
        v + on_device(np.ones(4))
    with pytest.raises(TypeError, match="Implicit conversion"):
        np.asarray(on_device([1.0]))


# ---------------------------------------------------------------- the same on both


def built(name, seed=3):
    """Variables of a store, in training, on a device."""
    store = av.VariableStore(seed=seed)
    with av.device(name), store, av.variable_scope("net"):
        w = av.get_variable("w", [3, 4])
        b = av.get_variable("b", [4], initializer=av.initializers.truncated_normal(stddev=0.1))
    optimizer = optim.Adam(0.1, name="adam")

    def step(i):
        with av.device(name), av.GradientTape() as tape:
            x = np.random.default_rng(i).standard_normal((5, 3)).astype(np.float32)
            loss = av.mean(av.square(av.tanh(av.Tensor(x) @ w + b) - 0.5))
        optimizer.apply_gradients(zip(tape.gradient(loss, [w, b]), [w, b], strict=True))
        return loss

    return types.SimpleNamespace(store=store, variables=[w, b], optimizer=optimizer, step=step)


def test_initial_weights_and_draws_are_the_same(gpu, seed):
    ours, theirs = built(CPU), built(GPU)
    for v, w in zip(ours.variables, theirs.variables, strict=True):
        assert (v.device, w.device) == (CPU, GPU) and v.numpy().tobytes() == w.numpy().tobytes()
    draws = []
    for name in (CPU, GPU):
        av.random.set_seed(7)  # from the beginning
        with av.device(name):
            drawn = [av.random.normal((3,), stream=f"n{i}") for i in range(2)] + [av.random.uniform((3,), stream="u")]
        draws.append([d.numpy().tobytes() for d in drawn])
        assert {d.device for d in drawn} == {name}
    seed(None)
    assert draws[0] == draws[1]


def test_slots_live_where_the_variable_lives(gpu):
    net = built(GPU)
    net.step(0)
    slots = net.optimizer.get_slot(net.variables[0], "m"), net.optimizer.get_slot(net.variables[0], "v")
    assert {s.device for s in slots} == {GPU}
    with av.device(GPU):
        w, g = av.Variable(np.ones((3, 2)), name="w"), av.Tensor(np.ones((3, 2)))
    for make in (optim.SGD(0.1, momentum=0.9), optim.Adam(0.1), optim.LAMB(0.1)):
        make.apply_gradients([(g, w)])
        with forbid_transfers(uploads=False):  # the scalars of a step go up
            make.apply_gradients([(g, w)])
        assert {t.device for t in (w, make.get_slot(w, make.slot_names[0]))} == {GPU}


@pytest.mark.parametrize("here, there", [(CPU, GPU), (GPU, CPU)])
def test_checkpoints_move(gpu, tmp_path, here, there):
    pytest.importorskip("safetensors", reason="checkpoints are its files")
    saved, loaded = built(here), built(there, seed=4)
    for i in range(3):
        saved.step(i)
    path = tmp_path / "step.npz"
    av.save(path, saved.variables, saved.optimizer)
    loaded.step(9)
    av.load(path, loaded.variables, loaded.optimizer)
    for i in range(3, 6):
        np.testing.assert_allclose(loaded.step(i).numpy(), saved.step(i).numpy(), rtol=1e-6)
    assert {v.device for v in loaded.variables} == {there}
    for v, w in zip(saved.variables, loaded.variables, strict=True):
        np.testing.assert_allclose(v.numpy(), w.numpy(), rtol=1e-6)


def model_arrays():
    rng = np.random.default_rng(0)
    shapes = [(3, 8), (8,), (8, 4), (4,)]
    return [rng.standard_normal(s) for s in shapes], rng.standard_normal((5, 3)), rng.integers(0, 4, 5)


def train(place, optimizer, steps=5):
    parameters, x, labels = model_arrays()
    w1, b1, w2, b2 = variables = [av.Variable(place(p), name=n) for p, n in zip(parameters, "abcd", strict=True)]
    x, labels = av.Tensor(place(x)), av.Tensor(place(labels))
    losses = []
    for _ in range(steps):
        with av.GradientTape() as tape:
            logits = av.nn.relu(x @ w1 + b1) @ w2 + b2
            loss = av.mean(av.nn.softmax_cross_entropy(logits, labels)) + 0.1 * av.sum(av.square(w1.T[1]))
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        losses.append(loss.item())
    return losses, variables


@pytest.mark.parametrize(
    "make", [lambda: optim.SGD(0.1, momentum=0.9), lambda: optim.Adam(0.01), lambda: optim.AdamW(0.01)]
)
def test_a_training_step_on_another_array_library(make):
    expected, on_host = train(np.array, make())
    found, variables = train(on_device, make())
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    for v, w in zip(variables, on_host, strict=True):
        assert isinstance(v.array, StrictArray), "a variable left its device"
        np.testing.assert_allclose(v.numpy(), w.numpy(), rtol=1e-12)


def test_gradients_stay_on_the_device():
    v = av.Variable(on_device([[1.0, 2.0], [3.0, 4.0]]))
    with av.GradientTape() as outer:
        with av.GradientTape() as inner:
            y = av.sum(av.tanh(v) * v)
        g = inner.gradient(y, v)
        z = av.sum(g * g)
    h = outer.gradient(z, v)
    for t in (y, g, h):
        assert isinstance(t.array, StrictArray)
    host = av.Variable(v.numpy())
    with av.GradientTape() as outer:
        with av.GradientTape() as inner:
            y = av.sum(av.tanh(host) * host)
        z = av.sum(av.square(inner.gradient(y, host)))
    np.testing.assert_allclose(h.numpy(), outer.gradient(z, host).numpy(), rtol=1e-12)


def test_the_old_value_moves_out_on_the_device_too():
    v = av.Variable(on_device([[1.0, 2.0], [3.0, 4.0]]))
    row, turned = v[1], v.T
    with av.GradientTape() as tape:
        y = av.sum(v * v.T)
    v.assign(v * 0.0)
    np.testing.assert_array_equal(row.numpy(), [3.0, 4.0])
    np.testing.assert_array_equal(turned.numpy(), [[1.0, 3.0], [2.0, 4.0]])
    np.testing.assert_array_equal(tape.gradient(y, v).numpy(), [[2.0, 6.0], [4.0, 8.0]])


def test_the_namespace_of_an_array():
    assert backend.namespace(on_device([1.0])) is strict
    assert backend.namespace(np.ones(1)) is np
    assert av.Tensor(on_device([1.0])).numpy().tolist() == [1.0]


# ---------------------------------------------------------------- memory


def test_out_of_memory_names_what_is_held(gpu):
    with av.device(GPU), av.VariableStore(), av.variable_scope("decoder"):
        w = av.get_variable("kernel", [50, 40])
        small = av.Variable(np.ones(3), name="small")
        optimizer = optim.Adam(0.1)
        optimizer.apply_gradients([(av.Tensor(np.ones((50, 40), np.float32)), w)])
        with av.GradientTape() as tape, av.name_scope("loss"):
            h = av.tanh(w)
            h = h * h
            x = av.exp(av.Tensor(np.ones((60, 50), np.float32)))
            pool.limit = pool.used() + 1000
            with pytest.raises(MemoryError) as error:
                x @ h
    text = str(error.value)
    assert type(error.value) is OutOfMemoryError
    lines = text.split("\n")
    assert lines[0].startswith("Out of memory allocating 9,600 bytes (allocated so far: ")
    assert "held on 'gpu:0'" in lines[1] and "recompute_grad" in lines[-1]
    sizes = [line.split("  ")[-2].strip() for line in lines[2:-1]]
    assert sizes[0] == "11.72 KiB", "the largest first"
    for words in (
        "7.812 KiB  Variable 'decoder/kernel:0', shape (50, 40), float32", "Tensor 'decoder/loss/multiply:0'",
        "kept by a tape for the gradient of 'decoder/loss/", "of an optimizer, for decoder/kernel",
    ):  # fmt: skip
        assert words in text, words + "\nis not in\n" + text
    pool.limit = None
    assert (x @ h).shape == (60, 40) and small.device == GPU and tape is not None


def test_many_arrays_are_summed_up(gpu):
    with av.device(GPU):
        kept = [av.Tensor(np.ones(10_000 + i)) for i in range(30)]
        pool.limit = pool.used()
        with pytest.raises(MemoryError) as error:
            av.Tensor(np.ones(10))
    lines = str(error.value).split("\n")
    assert len(lines) == 14 and "others" in lines[-2] and "shape (10029,), float64" in lines[2] and len(kept) == 30


@pytest.mark.parametrize(
    "size, expected",
    [(1000, 1000), ("2 KB", 2000), ("1.5MiB", 3 << 19), ("50%", 1 << 29), ("3gb", 3 * 10**9), ("64", 64), (None, None)],
)
def test_memory_limits(gpu, size, expected):
    assert av.memory_limit(size) is None
    assert pool.limit == expected and av.memory_limit(None, GPU) == expected and pool.limit is None


@pytest.mark.parametrize("size", [0, -1, "0%", "120%", "much", 1.5, True, "5 dB"])
def test_sizes_that_are_none(gpu, size):
    with pytest.raises(ValueError, match="a memory limit is"):
        av.memory_limit(size)
    with pytest.raises(ValueError, match="for GPUs"):
        av.memory_limit(1000, CPU)
    assert pool.limit is None


# ---------------------------------------------------------------- batches


@pytest.mark.parametrize("prefetch", [0, 1, 3])
@pytest.mark.parametrize("by", ["argument", "with", "examples"])
def test_batches_come_to_the_device(gpu, prefetch, by):
    x, words = np.arange(10.0).reshape(5, 2), np.array(["a", "b", "c", "d", "e"])
    source = (x, words) if by != "examples" else [*zip(x, words, strict=True)].__iter__
    data = av.data.batches(source, 2, prefetch=prefetch, device=None if by == "with" else GPU)
    with av.device(GPU if by == "with" else CPU):
        found = [(a, b) for a, b in data]
    assert kinds(*[a for a, _ in found]) == [StrictArray] * 3 and all(type(b) is np.ndarray for _, b in found)
    assert np.concatenate([a.numpy() for a, _ in found]).tolist() == x.tolist()
    assert data.epoch == 1


@pytest.mark.parametrize("prefetch", [0, 2])
def test_batches_of_a_device_come_to_the_host(gpu, prefetch):
    data = av.data.batches(on_device(np.arange(6.0)), 2, shuffle=1, prefetch=prefetch, device=CPU)
    with av.device(GPU):
        assert kinds(*data) == [np.ndarray] * 3
    with av.device(GPU):
        assert kinds(*av.data.batches(np.arange(6.0), 2, prefetch=prefetch)) == [StrictArray] * 3


BYTES = np.random.default_rng(0).integers(0, 256, (3, 5)).astype(np.uint8)
REALS = np.array([1.0, -1.0, 0.0, np.inf, np.nan, -3e10, 1e-310])


@pytest.mark.parametrize(
    ("function", "x", "options"),
    [(np.unpackbits, BYTES, o) for o in (
        {}, {"axis": 0}, {"axis": 1, "count": 17}, {"axis": 0, "count": -3}, {"count": 200}, {"count": 0},
        {"axis": -1, "bitorder": "little"},
    )]
    + [(np.packbits, BYTES > 99, o) for o in ({}, {"axis": 0}, {"axis": -1, "bitorder": "little"})]
    + [(np.spacing, REALS, {}), (np.spacing, REALS.astype(np.float32), {})]
    + [(f, np.array([[1j, 0, 2.0], [0, 0, np.nan]]), {}) for f in (np.logical_not, np.any, np.all)],
)  # fmt: skip
def test_what_cupy_lacks_is_made_of_others(function, x, options):
    with np.errstate(all="ignore"):
        want, got = function(x, **options), function(av.Tensor(on_device(x)), **options)
    assert got.device == "gpu:0" and got.dtype == np.asarray(want).dtype
    np.testing.assert_array_equal(got.numpy(), want)
    assert not av.logical_and(av.Tensor(on_device([1j, 0])), av.Tensor(on_device([0j, 1]))).numpy().any()


def test_second_derivatives_of_what_was_set_on_a_device():
    x = av.Variable(on_device([1.0, 2.0, 3.0]))
    with av.GradientTape() as outer:
        with av.GradientTape() as inner:
            y = av.sum(x.at[1].set(x[0]) ** 3)
        g = inner.gradient(y, x)
    assert g.device == "gpu:0" and g.numpy().tolist() == [6.0, 0.0, 27.0]
    assert outer.gradient(g, x).numpy().tolist() == [12.0, 0.0, 18.0]
