"""Generated kernels: every ufunc, every optimizer's rule, with the source that a GPU would get run on the processor."""

import numpy as np
import pytest
from kernels import COMPILER, by_compiler, by_numpy
from strict_array import forbid_transfers, on_device, strict
from test_optim import ELEMENTWISE, OPTIMIZERS, WHOLE

import autograd_vs as av
import optim
from autograd_vs.base import backend, seeds
from autograd_vs.base.cuda import expressions, philox
from autograd_vs.base.cuda.elementwise import Argument, Kernel, NotElementwise, Recorder, Step, Value, loop_dtypes
from autograd_vs.base.cuda.launch import OPTIONS, launch
from autograd_vs.base.cuda.updates import update_kernel
from autograd_vs.state.packs import BLOCK

needs_compiler = pytest.mark.skipif(COMPILER is None, reason="there is no C++ compiler")
REAL = "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64".split()
RUNNERS = [by_numpy, pytest.param(by_compiler, marks=needs_compiler)]


@pytest.fixture(autouse=True)
def own_store():
    with av.VariableStore():
        yield


def nvrtc():
    """The compiler of CUDA, which needs no GPU; skips where it is not there."""
    found = pytest.importorskip("cupy.cuda", reason="NVRTC comes with CuPy, which is not installed").nvrtc
    try:
        found.getVersion()
    except Exception as error:  # its library is missing
        pytest.skip(f"NVRTC cannot be loaded: {error}")
    return found


def to_ptx(source):
    """What NVRTC makes of a source, for an H100."""
    module = nvrtc()
    program = module.createProgram(source, "kernel.cu", (), ())
    try:
        module.compileProgram(program, (*OPTIONS, "--gpu-architecture=compute_90"))
        return module.getPTX(program)
    except module.NVRTCError as error:
        raise AssertionError(f"{error}\n{module.getProgramLog(program)}\n{source}") from None
    finally:
        module.destroyProgram(program)


# ---------------------------------------------------------------- ufuncs


def numbers(dtype):
    """Values of a dtype with what is special about it, each beside each."""
    if dtype.kind == "b":
        some = np.array([False, True])
    elif dtype.kind in "iu":
        info = np.iinfo(dtype)
        some = np.array([0, 1, 2, 3, 7, 100, info.max, info.max - 1, info.min, info.min // 2 + 1], dtype)
        if dtype.kind == "i":
            some = np.concatenate([some, -some[1:6]])
    else:
        tiny, large = np.finfo(dtype).tiny, np.finfo(dtype).max
        some = [0.0, 0.3, 0.5, 1.0, 1.5, 2.5, 3.0, 7.25, 60.0, tiny, large, np.inf]
        some = np.array([*some, *(-x for x in some), np.nan], dtype)
    x, y = np.meshgrid(some, some)
    return x.ravel().copy(), y.ravel().copy()


def all_ufuncs(dtype):
    """One kernel with a step for each ufunc that there is an expression of, and these ufuncs."""
    arguments, steps, found = [Argument(dtype)] * 2, [], []
    for ufunc in expressions._EXPRESSIONS:
        if ufunc is np.where:
            continue
        loop = loop_dtypes(ufunc, [dtype] * ufunc.nin)
        if loop is not None and not (ufunc is np.power and loop[0].kind != "f"):
            found.append(ufunc)
            steps.append((ufunc, loop))
    arguments += [Argument(loop[-1]) for _, loop in steps]
    of_inputs = tuple(Value(n) for n in range(2))
    steps = [Step(ufunc, of_inputs[: ufunc.nin], loop[:-1], loop[-1]) for ufunc, loop in steps]
    stores = [(2 + n, Value(len(arguments) + n)) for n in range(len(steps))]
    return Kernel(arguments, steps, stores), found


@needs_compiler
@pytest.mark.parametrize("name", REAL)
def test_every_ufunc_gives_what_numpy_gives(name):
    dtype = np.dtype(name)
    kernel, ufuncs = all_ufuncs(dtype)
    assert len(ufuncs) > 15
    x, y = numbers(dtype)
    outs = [np.zeros(x.size, argument.dtype) for argument in kernel.arguments[2:]]
    by_compiler(kernel, x.size, [x, y, *outs])
    for ufunc, out in zip(ufuncs, outs, strict=True):
        with np.errstate(all="ignore"):
            expected = ufunc(*(x, y)[: ufunc.nin])
        assert expected.dtype == out.dtype, ufunc
        if out.dtype.kind != "f":
            np.testing.assert_array_equal(out, expected, err_msg=ufunc.__name__)
            continue
        eps = np.finfo(out.dtype).eps
        np.testing.assert_allclose(out, expected, rtol=4 * eps, atol=0, err_msg=ufunc.__name__)
        exact = ufunc in (np.add, np.multiply, np.sqrt, np.sign, np.remainder, np.floor_divide, np.rint)
        if exact:  # the sign of zero, too
            same = np.signbit(out) == np.signbit(expected)
            assert np.all(same | np.isnan(out)), (ufunc, x[~same], y[~same])


@pytest.mark.parametrize("name", [*REAL, "bfloat16"])
def test_the_source_compiles_for_a_gpu(name):
    if name == "bfloat16":
        dtype = np.dtype(pytest.importorskip("ml_dtypes").bfloat16)
    else:
        dtype = np.dtype(name)
    assert b"kernel" in bytes(to_ptx(all_ufuncs(dtype)[0].source))


@needs_compiler
def test_bfloat16_rounds_as_ml_dtypes_does():
    bfloat16 = np.dtype(pytest.importorskip("ml_dtypes").bfloat16)
    x = np.concatenate([np.random.default_rng(0).normal(size=4096) * 10.0 ** np.arange(-20, 20).repeat(103)[:4096]])
    x = np.concatenate([x, [np.inf, -np.inf, np.nan, 0.0, -0.0, 3.4e38]]).astype(np.float32)
    out = np.zeros(x.size, bfloat16)
    cast = Kernel(
        [Argument(x.dtype), Argument(bfloat16)], [Step(None, (Value(0),), (x.dtype,), bfloat16)], [(1, Value(2))]
    )
    by_compiler(cast, x.size, [x, out])
    np.testing.assert_array_equal(out.astype(np.float32), x.astype(bfloat16).astype(np.float32))


@needs_compiler
@pytest.mark.parametrize("to", REAL)
def test_conversions_and_choices(to):
    for name in REAL:
        dtype, target = np.dtype(name), np.dtype(to)
        x = np.array([0, 1, 3, 100, 27], dtype)
        condition, out, chosen = np.array([1, 0, 1, 0, 1], bool), np.zeros(5, target), np.zeros(5, dtype)
        kernel = Kernel(
            [Argument(dtype), Argument(np.dtype(bool)), Argument(target), Argument(dtype)],
            [
                Step(None, (Value(0),), (dtype,), target),
                Step(np.where, (Value(1), Value(0), 1), (np.dtype(bool), dtype, dtype), dtype),
            ],
            [(2, Value(4)), (3, Value(5))],
        )
        by_compiler(kernel, 5, [x, condition, out, chosen])
        np.testing.assert_array_equal(out, x.astype(target))
        np.testing.assert_array_equal(chosen, np.where(condition, x, dtype.type(1)))
        if name not in ("bool", "int64", "float64"):  # a few of the pairs: each is compiled
            break


@needs_compiler
def test_constants_are_rounded_as_numpy_does():
    for name, constants in {
        "float32": [0.1, 1e-45, -np.inf, np.inf, np.nan, -0.0, 16777217.0],
        "float64": [0.1, 5e-324, -np.inf, np.inf, np.nan, -0.0],
        "float16": [0.1, 65504.0, 1e6, 6e-8],
        "int64": [0, -1, 2**63 - 1, -(2**63)],
        "uint64": [0, 2**64 - 1],
        "int8": [-128, 127],
    }.items():
        dtype = np.dtype(name)
        kernel = Kernel([Argument(dtype, place=str(i)) for i in range(len(constants))], [], [*enumerate(constants)])
        out = np.zeros(len(constants), dtype)
        with np.errstate(all="ignore"):
            expected = np.array(constants, dtype if dtype.kind in "iu" else None).astype(dtype)
        by_compiler(kernel, 1, [out] * len(constants))
        np.testing.assert_array_equal(
            out.view(f"u{dtype.itemsize}")[~np.isnan(out)], expected.view(f"u{dtype.itemsize}")[~np.isnan(out)]
        )
        np.testing.assert_array_equal(np.isnan(out), np.isnan(expected))


# ---------------------------------------------------------------- functions on symbols


def symbols(*dtypes):
    return Recorder([Argument(np.dtype(dtype)) for dtype in dtypes])


def test_augmented_assignment_and_functions_are_noted():
    recorder = symbols(np.float32, np.float32)
    x, y = recorder.symbols
    y *= 0.5
    y += np.where(x > 0, np.abs(x), 2.0) ** 2
    a, b = np.array([1.0, -2.0], np.float32), np.array([4.0, 8.0], np.float32)
    by_numpy(recorder.kernel([(1, y)]), 2, [a, b])
    assert b.tolist() == [3.0, 8.0]
    assert y.dtype == np.float32


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.sum(), np.sum, np.linalg.norm, lambda x: x[0], lambda x: float(x), lambda x: 1 if x > 0 else 2,
        lambda x: x + np.ones(3), lambda x: x.reshape(-1), lambda x: np.add.reduce(x), np.asarray, lambda x: x @ x,
        lambda x: x + 1j, lambda x: np.add(x, 1, where=True), len, iter,
    ],
)  # fmt: skip
def test_what_is_not_elementwise_says_so(function):
    with pytest.raises(NotElementwise):
        function(symbols(np.float64).symbols[0])


# ---------------------------------------------------------------- optimizers


@pytest.fixture
def launched(monkeypatch):
    """Kernels that were run, by the runner that a test names."""
    seen = []

    def run_with(runner):
        def launch(kernel, size, arguments):
            seen.append((kernel, size))
            runner(kernel, size, arguments)

        monkeypatch.setitem(backend._launchers, strict, launch)
        return seen

    return run_with


def twins(shapes, dtype):
    """Variables on the host, and the same on the stand-in."""
    random = np.random.default_rng(0)
    arrays = [random.normal(size=shape).astype(dtype) for shape in shapes]
    if np.dtype(dtype).kind == "c":
        arrays = [a + 1j * random.normal(size=a.shape).astype(dtype) for a in arrays]
    before = backend.place_host_data(np.ndarray)
    try:
        host = [av.Variable(a, name=f"host_{i}") for i, a in enumerate(arrays)]
        device = [av.Variable(on_device(a), name=f"device_{i}") for i, a in enumerate(arrays)]
    finally:
        backend.place_host_data(before)
    return host, device


def trained(optimizer, variables, steps=4):
    """The values and slots after some steps with the same gradients."""
    random = np.random.default_rng(1)
    for _ in range(steps):
        gradients = [random.normal(size=v.shape).astype(v.dtype) for v in variables]
        on = [backend.beside(g, v.array) for g, v in zip(gradients, variables, strict=True)]
        optimizer.apply_gradients(zip(on, variables, strict=True))
    slots = [optimizer.get_slot(v, name).numpy() for v in variables for name in optimizer.slot_names]
    return [*(v.numpy() for v in variables), *slots]


@pytest.mark.host("compares the host with the stand-in itself")
@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_an_update_is_one_kernel_of_the_rule(name, dtype, runner, launched):
    seen = launched(runner)
    host, device = twins([(3, 4), (4,), (), (BLOCK + 3,)], dtype)
    expected, found = trained(ELEMENTWISE[name](), host), trained(ELEMENTWISE[name](), device)
    assert [size for _, size in seen] == [17, BLOCK + 3] * 4  # small ones are packed
    tolerance = 1e-6 if dtype is np.float32 else 1e-12
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.host("compares the host with the stand-in itself")
@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize("dtype", [np.float16, np.complex64])
@pytest.mark.parametrize("name", ["sgd", "adamw", "rmsprop"])
def test_half_precision_and_complex_variables(name, dtype, runner, launched):
    seen = launched(runner)
    host, device = twins([(3, 4), (4,)], dtype)
    expected, found = trained(OPTIMIZERS[name](), host), trained(OPTIMIZERS[name](), device)
    assert len(seen) == 4
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)


@pytest.mark.host("compares the host with the stand-in itself")
@pytest.mark.parametrize("name", WHOLE)
def test_rules_of_whole_variables_stay_calls(name, launched):
    seen = launched(by_numpy)
    host, device = twins([(3, 4)], np.float64)
    for a, b in zip(trained(WHOLE[name](), device), trained(WHOLE[name](), host), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)
    assert not seen


@pytest.mark.host("compares the host with the stand-in itself")
def test_a_rule_that_is_not_elementwise_is_run_on_arrays(launched):
    seen = launched(by_numpy)
    _, (v,) = twins([(4,)], np.float64)
    before = v.numpy()
    av.apply_update(
        lambda p, g, *, rate: (g * (rate * float(g.max().item())),),
        [v],
        [on_device(np.ones(4))],
        av.Slots(()),
        lambda step: {"rate": 0.5},
    )
    assert not seen
    np.testing.assert_allclose(v.numpy(), before - 0.5)


@pytest.mark.host("compares the host with the stand-in itself")
def test_a_rule_that_finds_a_number_elsewhere_has_its_value_of_now(launched):
    seen = launched(by_numpy)
    _, (v,) = twins([(4,)], np.float64)
    before, factor = v.numpy(), 1.0

    def rule(p, g, *, rate):
        return (g * (rate * factor),)

    for now in (1.0, 3.0):
        factor = now
        av.apply_update(rule, [v], [on_device(np.ones(4))], av.Slots(()), lambda step: {"rate": 0.5})
    assert len(seen) == 2
    np.testing.assert_allclose(v.numpy(), before - 2.0)


@pytest.mark.host("compares the host with the stand-in itself")
@pytest.mark.parametrize("number", [np.float32, np.array, int])
def test_scalars_of_a_rule_may_be_any_number(number, launched):
    seen = launched(by_compiler if COMPILER else by_numpy)
    _, (v,) = twins([(4,)], np.float32)
    before = v.numpy()
    rule = optim.sgd.sgd_update
    av.apply_update(
        rule, [v], [on_device(np.ones(4, np.float32))], av.Slots(()), lambda step: {"learning_rate": number(2)}
    )
    assert len(seen) == 1
    np.testing.assert_allclose(v.numpy(), before - 2.0, rtol=1e-6)


@pytest.mark.host("compares the host with the stand-in itself")
def test_gradients_that_are_strided_views(launched):
    launched(by_compiler if COMPILER else by_numpy)
    _, (v,) = twins([(4,)], np.float64)
    before, g = v.numpy(), on_device(np.arange(8.0))[::2]
    optimizer = OPTIMIZERS["sgd"]()
    optimizer.apply_gradients([(g, v)])
    np.testing.assert_allclose(v.numpy(), before - 0.05 * np.arange(0.0, 8.0, 2))


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("kind", ["number", "array"])
@pytest.mark.parametrize("name", ["adam", "adamw", "sgd_all"])
def test_the_kernel_of_an_update_compiles_for_a_gpu(name, kind, several):
    optimizer, f = ELEMENTWISE[name](), np.dtype(np.float32)
    scalars = dict.fromkeys(
        optimizer._scalars(1) if hasattr(optimizer, "_scalars") else optimizer.scalars(1, 0.1), kind
    )
    kernel = update_kernel(optimizer.update, f, f, len(optimizer.slot_names), scalars, False, several)
    assert b"kernel" in bytes(to_ptx(kernel.source))


# ---------------------------------------------------------------- plans


def replayed(function, arrays, launched, runner, **options):
    """The results of a replay of a function on the stand-in, those of the eager call, and the kernels that were run."""
    plan = av.function(function, **options)
    plan(*map(on_device, arrays))
    seen = launched(runner)
    plan = av.function(function, **options)
    plan(*map(on_device, arrays))
    seen.clear()
    results = plan(*[on_device(a * 1) for a in arrays])
    with av.VariableStore():
        eager = function(*[av.Tensor(on_device(a)) for a in arrays])
    both = [x if isinstance(x, tuple) else (x,) for x in (results, eager)]
    return [[t.numpy() for t in some] for some in both], [*seen]


def blend(x, row, column):
    """Rows, columns, numbers, comparisons, choices, conversions, several outputs."""
    y = np.tanh(x * 2.0 + row) / (column + 3.0)
    mask = y > 0.1
    z = np.where(mask, np.exp(-y), np.sqrt(np.abs(y)) + 1.0)
    return z * z, mask.astype(np.float32), (z - np.floor(z)).astype(np.float64)


def a_batch(dtype=np.float32):
    random = np.random.default_rng(3)
    return [random.normal(size=shape).astype(dtype) for shape in ((6, 5), (5,), (6, 1))]


@pytest.mark.host("compares the host with the stand-in itself")
@pytest.mark.parametrize("runner", RUNNERS)
def test_elementwise_calls_of_a_plan_are_one_kernel(runner, launched):
    (found, expected), seen = replayed(blend, a_batch(), launched, runner)
    assert len(seen) == 1
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=3e-6)


@pytest.mark.host("compares the host with the stand-in itself")
@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_each_step_rounds_as_the_call_did(dtype, runner, launched):
    def polynomial(x, row, column):
        y = x * row + column
        return (y * y - x) / (y * y + 1.0), np.minimum(y, x)

    (found, expected), seen = replayed(polynomial, a_batch(dtype), launched, runner)
    assert len(seen) == 1
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.host("compares the host with the stand-in itself")
@pytest.mark.parametrize("runner", RUNNERS)
def test_calls_that_need_all_of_a_result_are_between_two_kernels(runner, launched):
    def softmax(x):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True) * 2.0

    (found, expected), seen = replayed(softmax, a_batch()[:1], launched, runner)
    assert len(seen) == 2
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-6)


@pytest.mark.host("compares the host with the stand-in itself")
@pytest.mark.parametrize("runner", RUNNERS)
def test_transposed_and_broken_views(runner, launched):
    def views(x):
        y = np.swapaxes(x, 0, 1) * 2.0
        return y + 1.0, x[::2, 1:4] * 3.0 + x[1::2, :3], (x[:, ::-1] + 1.0) * 2.0

    (found, expected), seen = replayed(views, a_batch()[:1], launched, runner)
    assert seen
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.host("compares the host with the stand-in itself")
@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize("optimizer", ["adam", "sgd_all"])
def test_a_training_step_is_the_eager_one(optimizer, runner, launched):
    random = np.random.default_rng(0)
    x, y = (random.normal(size=shape).astype(np.float32) for shape in ((8, 3), (8, 2)))

    def trained_by(steps_of):
        with av.VariableStore():
            w, b = (av.Variable(on_device(np.full(n, 0.5, np.float32)), name=f"w{len(n)}") for n in ((3, 2), (2,)))
            rule = OPTIMIZERS[optimizer]()

            def step(x, y):
                with av.GradientTape() as tape:
                    error = np.tanh(x @ w + b) - y
                    loss = (error * error).sum()
                rule.apply_gradients(zip(tape.gradient(loss, [w, b]), [w, b], strict=True))
                return loss

            step = steps_of(step)
            losses = [step(av.Tensor(on_device(x)), av.Tensor(on_device(y))).numpy() for _ in range(4)]
            return [*losses, w.numpy(), b.numpy()]

    expected = trained_by(lambda step: step)
    seen = launched(runner)
    found = trained_by(av.function)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-6)
    updates = [kernel for kernel, _ in seen if any(a.kind == "pieces" for a in kernel.arguments)]
    assert len(updates) == 4  # one for each step


@pytest.mark.host("compares the host with the stand-in itself")
def test_a_plan_without_kernels_has_none(launched):
    (found, expected), seen = replayed(blend, a_batch(), launched, by_numpy, without=["in_kernels"])
    assert not seen
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)


def test_kernels_of_a_plan_compile_for_a_gpu(launched):
    _, seen = replayed(blend, a_batch(), launched, by_numpy)
    for kernel, _ in seen:
        assert b"kernel" in bytes(to_ptx(kernel.source))
    assert seen


# ---------------------------------------------------------------- random numbers


@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1, 3, 8, 1001])
def test_uniform_numbers_are_those_of_numpy_bit_for_bit(size, dtype, runner):
    for key, counter in [(1, 0), ((7 << 100) + 5, 3 << 64), (2**128 - 1, 2**256 - 2), (9, (1 << 128) - 2)]:
        source = np.random.Generator(np.random.Philox(key=key, counter=counter))
        out = np.zeros(size, dtype)
        philox.uniforms(runner, source, out)
        assert out.tobytes() == source.random(size, dtype).tobytes()


@pytest.mark.parametrize("runner", RUNNERS)
def test_uniform_numbers_of_later_calls(runner):
    out, later = np.zeros(9, np.float32), np.array([5], np.uint64)
    philox.uniforms(runner, seeds.generator(3, "stream", 2), out, later)
    assert out.tobytes() == seeds.generator(3, "stream", 7).random(9, np.float32).tobytes()


def test_a_generator_within_a_block_is_refused():
    source = seeds.generator(0, "x")
    source.random(dtype=np.float32)
    with pytest.raises(ValueError, match="begin of a block"):
        philox.uniforms(by_numpy, source, np.zeros(2))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_kernel_of_uniform_numbers_compiles_for_a_gpu(dtype):
    assert b"kernel" in bytes(to_ptx(philox.Uniforms(np.dtype(dtype)).source))


@pytest.mark.host("compares the host with the stand-in itself")
@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dropout_on_a_device_drops_what_it_drops_on_the_host(dtype, runner, launched, seed):
    x = np.random.default_rng(0).normal(size=(5, 7)).astype(dtype)

    def dropped(x):
        return av.nn.dropout(x, 0.4, training=True, stream="d")

    def thrice(function, x):
        av.random.set_seed(4)
        return [function(x).numpy() for _ in range(3)]

    seed(4)
    expected = thrice(dropped, av.Tensor(x))
    seen = launched(runner)
    device = av.Tensor(on_device(x))
    with forbid_transfers():
        dropped(device)
    for found in (thrice(dropped, device), thrice(av.function(dropped), device)):
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_array_equal(a, b)
    assert sum(isinstance(kernel, philox.Uniforms) for kernel, _ in seen) >= 6


# ---------------------------------------------------------------- CuPy


def test_cupy_has_a_launcher():
    cupy = pytest.importorskip("cupy")
    assert backend._find_cupy(cupy.ndarray)
    assert backend.launcher(cupy) is launch


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_an_update_on_a_gpu_is_that_of_the_host(cupy, name, dtype):
    host, _ = twins([(3, 4), (4,), (), (BLOCK + 3,)], dtype)
    device = [av.Variable(cupy.asarray(v.numpy()), name=f"gpu_{i}") for i, v in enumerate(host)]
    tolerance = 1e-6 if dtype is np.float32 else 1e-12
    for a, b in zip(trained(ELEMENTWISE[name](), device), trained(ELEMENTWISE[name](), host), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.gpu
@pytest.mark.parametrize("name", REAL)
def test_every_ufunc_on_a_gpu(cupy, name):
    kernel, ufuncs = all_ufuncs(np.dtype(name))
    x, y = numbers(np.dtype(name))
    outs = [cupy.zeros(x.size, argument.dtype) for argument in kernel.arguments[2:]]
    launch(kernel, x.size, [cupy.asarray(x), cupy.asarray(y), *outs])
    for ufunc, out in zip(ufuncs, map(cupy.asnumpy, outs), strict=True):
        with np.errstate(all="ignore"):
            expected = ufunc(*(x, y)[: ufunc.nin])
        if out.dtype.kind == "f":
            np.testing.assert_allclose(out, expected, rtol=16 * np.finfo(out.dtype).eps, err_msg=ufunc.__name__)
        else:
            np.testing.assert_array_equal(out, expected, err_msg=ufunc.__name__)


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_uniform_numbers_on_a_gpu_are_those_of_numpy(cupy, dtype):
    source = seeds.generator(1, "x", 3)
    out = cupy.zeros(100_003, dtype)
    philox.uniforms(launch, source, out)
    assert cupy.asnumpy(out).tobytes() == source.random(out.size, dtype).tobytes()


@pytest.mark.gpu
def test_a_plan_on_a_gpu_gives_what_the_stand_in_gives(cupy):
    plan = av.function(blend)
    for _ in range(2):
        found = plan(*map(cupy.asarray, a_batch()))
    for a, b in zip(found, blend(*a_batch()), strict=True):
        np.testing.assert_allclose(a.numpy(), b, rtol=3e-6)
