"""`base/cuda/products.py`: on the host against a library with the functions of cuBLAS; on a GPU where there is one."""

import ctypes
import itertools
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from strict_array import StrictArray, strict

import autograd_vs as av
from autograd_vs.base import backend
from autograd_vs.base.cuda import products
from autograd_vs.transforms.plans.traced import traced_class

DTYPES = [np.float32, np.float64]
pytestmark = pytest.mark.host("on NumPy's memory")


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """`fake_cublas.c`, compiled."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("g++")
    if compiler is None:
        pytest.skip("no C compiler here")
    path = tmp_path_factory.mktemp("cublas") / "libfake.so"
    source = Path(__file__).parent / "fake_cublas.c"
    subprocess.run([compiler, "-x", "c", "-O1", "-shared", "-fPIC", str(source), "-o", str(path)], check=True)
    return ctypes.CDLL(str(path))


@pytest.fixture
def cublas(library):
    return products.Cublas(library, np, lambda: (0, 7))


def seen(library):
    names = "trans_a trans_b m n k type lda ldb ldc batch compute algorithm strided".split()
    return dict(zip(names, (ctypes.c_int * 16).in_dll(library, "seen"), strict=False))


def numbers(shape, dtype=np.float64):
    return (np.arange(np.prod(shape, dtype=int)) % 23 - 11).reshape(shape).astype(dtype) / 4


# Ways of lying in memory, for an array of any shape: the last two are copied
WAYS = {
    "c": lambda a: a,
    "transposed": lambda a: np.ascontiguousarray(a.swapaxes(-1, -2)).swapaxes(-1, -2),
    "part_of_rows": lambda a: np.concatenate([a, a + 1], -1)[..., : a.shape[-1]],
    "every_second_row": lambda a: np.repeat(a, 2, -2)[..., ::2, :],
    "part_of_columns": lambda a: (
        np.concatenate([a, a], -2).swapaxes(-1, -2).copy().swapaxes(-1, -2)[..., : a.shape[-2], :]
    ),
    "stack_behind": lambda a: np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 0, -2)), -2, 0),
    "all_reversed": lambda a: np.ascontiguousarray(a.T).T,
    "backwards": lambda a: a[..., ::-1].copy()[..., ::-1],
    "every_second_column": lambda a: np.repeat(a, 2, -1)[..., ::2],
}


@pytest.mark.parametrize("shape", [(3, 4), (1, 4), (4, 1), (1, 1), (2, 3)])
@pytest.mark.parametrize("way", WAYS)
def test_a_matrix_is_read_where_it_lies(way, shape):
    """`matrix` says where each element is, or that no leading dimension does."""
    a = WAYS[way](numbers(shape))
    strides = products.in_elements(a)
    found = products.matrix(a.shape, strides)
    if found is None:
        assert products.readable(a) is not a and (products.readable(a) == a).all()
        assert 1 not in [s for s, n in zip(strides, a.shape, strict=True) if n > 1] or min(strides) < 0
        return
    assert products.readable(a) is a
    assert found.leading >= max(1, shape[0] if found.transposed else shape[1])
    for i, j in itertools.product(*map(range, shape)):
        place = i + j * found.leading if found.transposed else i * found.leading + j
        assert place == i * strides[0] + j * strides[1] or ((shape[0] == 1 or shape[1] == 1) and _there(a, place, i, j))


def _there(a, place, i, j):
    return np.lib.stride_tricks.as_strided(a, (place + 1,), (a.itemsize,))[place] == a[i, j]


@pytest.mark.parametrize("strides", [(0, 1), (1, 0), (0, 0), (-4, 1), (1, -3), (2, 1), (3, 2), (1, 1)])
def test_overlapping_and_negative_strides_are_copied(strides):
    assert products.matrix((3, 4), strides) is None


def test_every_shape_and_stride():
    """Whatever is said to be readable is so: all strides up to 6 of all shapes up to 3."""
    checked = 0
    for shape in itertools.product(range(1, 4), repeat=2):
        for strides in itertools.product(range(-1, 7), repeat=2):
            found = products.matrix(shape, strides)
            assert found is None or found.leading >= max(1, shape[0] if found.transposed else shape[1])
            for i, j in itertools.product(*map(range, shape)):
                if found is not None:
                    place = i + j * found.leading if found.transposed else i * found.leading + j
                    assert place == i * strides[0] + j * strides[1], (shape, strides, found)
                    checked += 1
    assert checked > 500


def test_every_stack():
    """`batch_stride` is right where it is a number, `offsets` always; a C-ordered stack always has one."""
    one = 0
    for shape in itertools.product(range(1, 4), repeat=3):
        for strides in itertools.product((-2, 0, 1, 2, 3, 4, 6, 12), repeat=3):
            wanted = [sum(i * s for i, s in zip(index, strides, strict=True)) for index in np.ndindex(shape)]
            assert products.offsets(shape, strides).tolist() == wanted
            step = products.batch_stride(shape, strides)
            if step is not None:
                assert wanted == [n * step for n in range(len(wanted))] and step >= 0
                one += 1
        assert products.batch_stride(shape, products.in_elements(np.zeros(shape))) is not None
    assert one > 500


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("n", "k", "m"), [(3, 4, 2), (1, 4, 2), (3, 1, 2), (3, 4, 1), (1, 1, 1), (1, 3, 1)])
def test_products_of_all_layouts(cublas, dtype, n, k, m):
    for one, two in itertools.product(WAYS, repeat=2):
        for batch in ((), (2,), (2, 3)):
            a, b = WAYS[one](numbers((*batch, n, k), dtype)), WAYS[two](numbers((*batch, k, m), dtype) + 1)
            found = products.matmul(a, b, cublas=cublas)
            assert found.dtype == dtype and found.flags.c_contiguous
            np.testing.assert_array_equal(found, np.matmul(a, b), err_msg=f"{one} @ {two}, {batch}")


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((2, 3, 4), (4, 5)), ((3, 4), (2, 4, 5)), ((2, 1, 3, 4), (6, 4, 5)), ((1, 3, 4), (2, 4, 5)),
        ((2, 1, 3, 4), (1, 3, 4, 2)),
    ],
)  # fmt: skip
def test_stacks_broadcast_without_copies(cublas, library, a, b):
    a, b = numbers(a), numbers(b)
    np.testing.assert_array_equal(products.matmul(a, b, cublas=cublas), np.matmul(a, b))


def test_heads_are_read_where_they_lie(cublas, library, monkeypatch):
    """The products of attention, forwards and backwards, on heads that were split off: nothing is copied."""
    q, k, v = (numbers((2, 5, 3, 4)) * s for s in (1, 2, 3))  # batch, places, heads, numbers
    q, k, v = (x.swapaxes(1, 2) for x in (q, k, v))
    monkeypatch.setattr(
        products, "readable", lambda a: a if products.matrix(a.shape[-2:], _last(a)) else pytest.fail("copied")
    )

    def check(a, b, strided):
        y = products.matmul(a, b, cublas=cublas)
        np.testing.assert_array_equal(y, np.matmul(a, b))
        assert seen(library)["strided"] == strided and seen(library)["batch"] == 6
        return y

    scores = check(q, k.swapaxes(-1, -2), 0)
    out = check(scores, v, 0)
    check(scores.swapaxes(-1, -2), out, 1)
    check(out, v.swapaxes(-1, -2), 0)
    q, k = q[:1], k[:1]  # one sample: heads at equal distances
    np.testing.assert_array_equal(products.matmul(q, k.swapaxes(-1, -2), cublas=cublas), q @ k.swapaxes(-1, -2))
    asked = seen(library)
    assert (asked["strided"], asked["trans_a"], asked["trans_b"], asked["lda"], asked["ldb"]) == (1, 1, 0, 12, 12)
    assert [*(ctypes.c_longlong * 3).in_dll(library, "seen_strides")] == [4, 4, 25]


def _last(a):
    return products.in_elements(a)[-2:]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 0.0), (1.0, 1.0), (-0.5, 2.0), (0.0, 1.0)])
def test_into_memory_that_is_there(cublas, dtype, alpha, beta):
    a, b = numbers((2, 3, 4), dtype), numbers((2, 4, 5), dtype)
    whole = np.full((2, 3, 9), np.nan if beta == 0 else 3.0, dtype)
    wanted = alpha * (a @ b) + (beta * 3.0 if beta else 0)
    out = whole[..., 2:7]  # rows with gaps
    assert products.matmul(a, b, out, alpha=alpha, beta=beta, cublas=cublas) is out
    np.testing.assert_array_equal(out, wanted.astype(dtype))
    assert np.isnan(whole[..., :2]).all() if beta == 0 else (whole[..., :2] == 3).all()


def test_nothing_to_add_up(cublas):
    out = np.full((2, 3), 4.0)
    assert products.matmul(np.ones((2, 0)), np.ones((0, 3)), out, beta=0.5, cublas=cublas).tolist() == [[2.0] * 3] * 2
    assert products.matmul(np.ones((2, 0)), np.ones((0, 3)), cublas=cublas).tolist() == [[0.0] * 3] * 2
    assert products.matmul(np.ones((0, 2)), np.ones((2, 3)), cublas=cublas).shape == (0, 3)
    assert products.matmul(np.ones((0, 5, 2)), np.ones((2, 3)), cublas=cublas).shape == (0, 5, 3)


def test_of_two_dtypes(cublas):
    a, b = numbers((3, 4), np.float32), numbers((4, 2), np.float64)
    found = products.matmul(a, b, cublas=cublas)
    assert found.dtype == np.float64 and (found == a @ b).all()


def test_mistakes(cublas, library):
    a, b = np.ones((2, 3)), np.ones((3, 4))
    with pytest.raises(ValueError, match=r"a \(2, 3\) and b \(2, 3\).*3 and 2"):
        products.matmul(a, a, cublas=cublas)
    for out, says in (
        (np.ones((4, 2)), "out has shape"), (np.ones((2, 4), "f"), "dtype float32"),
        (np.ones((4, 2)).T, "rows must lie"), (np.ones((2, 8))[:, ::2], "rows must lie"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=says):
            products.matmul(a, b, out, cublas=cublas)
    with pytest.raises(RuntimeError, match="cublasGemmStridedBatchedEx failed: CUBLAS_STATUS_NOT_SUPPORTED"):
        products.matmul(a.astype(np.float16), b.astype(np.float16), cublas=cublas)
    fails = ctypes.c_int.in_dll(library, "fails")
    fails.value = 13
    try:
        with pytest.raises(RuntimeError, match="EXECUTION_FAILED"):
            products.matmul(a, b, cublas=cublas)
    finally:
        fails.value = 0


PRECISIONS = {"highest": 68, "high": 77, "medium": 75}
OF_TYPES = {"float32": 0, "float64": 1, "float16": 2, "complex64": 4, "complex128": 5}


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("dtype", OF_TYPES)
def test_what_is_asked_for(cublas, library, precision, dtype):
    """The numbers of `cudaDataType` and `cublasComputeType_t`; the setting counts for float32 and complex64 only."""
    a = np.ones((2, 2), dtype)
    with av.matmul_precision(precision):
        try:
            products.matmul(a, a, cublas=cublas)
        except RuntimeError as error:
            assert "NOT_SUPPORTED" in str(error)  # by the stand-in
    compute = (
        70 if dtype in ("float64", "complex128") else PRECISIONS[precision] if dtype in ("float32", "complex64") else 68
    )
    assert (seen(library)["compute"], seen(library)["type"]) == (compute, OF_TYPES[dtype])


def test_one_handle_for_each_stream(library):
    stream = [1]
    cublas = products.Cublas(library, np, lambda: (0, stream[0]))
    handles = ctypes.c_int.in_dll(library, "handles")
    before, made = handles.value, []
    for stream[0] in (1, 1, 2, 1, 2):
        products.matmul(np.ones((2, 2)), np.ones((2, 2)), cublas=cublas)
        made.append(handles.value - before)
    assert made == [1, 1, 2, 2, 2]


def test_why_not(monkeypatch, cublas):
    whole, single = np.ones((2, 2), np.int64), np.ones((2, 2), np.float32)
    monkeypatch.setattr(products, "_loaded", None)
    monkeypatch.setattr(products, "_load", lambda: "CuPy cannot load cuBLAS (mine)")
    assert products.why_not(whole, whole) == "cuBLAS has no products of int64"
    assert products.product(whole, whole).tolist() == [[2, 2], [2, 2]]
    assert products.why_not(single, single) == "CuPy cannot load cuBLAS (mine)"
    with pytest.warns(RuntimeWarning, match="products of matrices are CuPy's, in full precision: CuPy cannot load"):
        assert products.product(single, single, "high").tolist() == [[2, 2], [2, 2]]
    monkeypatch.setattr(products, "_loaded", cublas)
    assert products.why_not(single, single) is None
    far = np.lib.stride_tricks.as_strided(np.zeros(1), (1, 2), (2**34, 8))
    assert "above 2147483647" in products.why_not(far, far.T)


@pytest.mark.parametrize(
    ("a", "b"), [((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((2, 2, 3), (3,)), ((3,), (2, 3, 4))]
)
def test_vectors(monkeypatch, cublas, a, b):
    monkeypatch.setattr(products, "_loaded", cublas)
    a, b = numbers(a), numbers(b)
    wanted = np.asarray(np.matmul(a, b))
    for into in (None, np.full(wanted.shape, np.nan)):
        found = products.product(a, b, "highest", into)
        np.testing.assert_array_equal(found, wanted)
        assert found.shape == wanted.shape and (into is None or found is into)


# ---------------------------------------------------------------- where ops go there


@pytest.fixture
def asked(monkeypatch):
    """What the products of strict arrays were asked for: shapes, and the precision that held."""
    found = []

    def note(a, b, into):
        found.append((a.shape, b.shape, av.get_matmul_precision()))
        y = backend.namespace(a).matmul(a, b)
        if into is None:
            return y
        into[...] = y
        return into

    monkeypatch.setitem(backend._products, StrictArray, note)
    return found


PROGRAMS = {
    "matmul": (lambda x, w: av.matmul(x, w), (4, 3), (3, 2), 3),
    "matmul_of_stacks": (lambda x, w: av.matmul(x, w), (2, 4, 3), (2, 3, 2), 3),
    "matmul_of_a_stack": (lambda x, w: av.matmul(x, w), (2, 4, 3), (3, 2), 3),
    "dot": (lambda x, w: av.dot(x, w), (4, 3), (3, 2), 3),
    "tensordot": (lambda x, w: av.tensordot(x, w, 1), (2, 4, 3), (3, 2), 3),
    "einsum": (lambda x, w: av.einsum("bij,bjk->bik", x, w), (2, 4, 3), (2, 3, 2), 3),
    "linear": (lambda x, w: av.nn.linear(x, w, backend.beside(np.zeros(2), x.array)), (4, 3), (3, 2), 3),
    "conv": (lambda x, w: av.nn.conv2d(x, w), (2, 5, 5, 3), (3, 3, 3, 2), 3),
    "attention": (lambda x, w: av.nn.scaled_dot_product_attention(x, w, w), (2, 4, 3), (2, 5, 3), 6),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_products_of_ops_and_gradients_go_there(asked, name):
    """Forwards and backwards; with the values and gradients of NumPy's."""
    function, x, w, least = PROGRAMS[name]
    x, w, found = numbers(x), numbers(w) + 0.5, []
    for place in (np.asarray, strict.asarray):
        one, two = av.Tensor(place(x)), av.Tensor(place(w))
        with av.matmul_precision("medium"), av.GradientTape() as tape:
            tape.watch([one, two])
            y = function(one, two)
            found.append([y, *tape.gradient(y, [one, two])])
    for a, b in zip(*found, strict=True):
        assert isinstance(b.array, StrictArray)
        np.testing.assert_allclose(b.numpy(), a.numpy(), rtol=1e-12, atol=1e-12)
    assert len(asked) == least and {precision for *_, precision in asked} == {"medium"}


def test_a_plan_keeps_the_precision_of_its_trace(monkeypatch):
    """Also the one of a `with` inside of the function; and there is a plan for each that holds around the call."""
    found = []

    @backend.kernel
    def multiply(a, b, precision, into=None):
        found.append(precision)
        return backend.namespace(a).matmul(a, b)

    def asks(a, b, into):
        return multiply(a, b, av.get_matmul_precision())

    for kind in (StrictArray, traced_class(StrictArray)):
        monkeypatch.setitem(backend._products, kind, asks)

    @av.function
    def f(x):
        with av.matmul_precision("medium"):
            y = av.matmul(x, x)
        return av.matmul(y, x)

    x = numbers((3, 3))
    for outer in ("highest", "high", "highest", "high", "highest"):
        found.clear()
        with av.matmul_precision(outer):
            y = f(av.Tensor(strict.asarray(x)))
        np.testing.assert_array_equal(y.numpy(), x @ x @ x)
        assert found == ["medium", outer]
    assert f.traces == 2


# ---------------------------------------------------------------- on a GPU


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64", "complex64", "complex128"])
def test_products_on_a_gpu(cupy, dtype):
    if dtype == "bfloat16":
        dtype = pytest.importorskip("ml_dtypes").bfloat16
    near = {2: 1e-2, 4: 1e-5}.get(np.dtype(dtype).itemsize, 1e-5 if dtype == "complex64" else 1e-12)
    for (name, way), (other, way_b) in itertools.product(WAYS.items(), repeat=2):
        for batch in ((), (2,), (2, 3)):
            host = [numbers((*batch, 8, 16)), numbers((*batch, 16, 4))]
            a, b = (way(host[0]), way_b(host[1]))
            on_device = [_like(cupy, x, dtype) for x in (a, b)]
            assert products.why_not(*on_device) is None
            y = products.matmul(*on_device)
            wanted = a @ b
            assert y.dtype == np.dtype(dtype)
            found = cupy.asnumpy(y.astype("complex128" if np.dtype(dtype).kind == "c" else "float64"))
            np.testing.assert_allclose(
                found, wanted, rtol=near, atol=near * np.abs(wanted).max(), err_msg=f"{name} {other}"
            )


def _like(cupy, a, dtype):
    """The numbers of `a` on the device, with its strides."""
    low, high = np.lib.array_utils.byte_bounds(a)
    size = np.dtype(dtype).itemsize
    memory = cupy.zeros((high - low) // a.itemsize, dtype)
    first = (a.ctypes.data - low) // a.itemsize
    view = cupy.ndarray(a.shape, dtype, memory.data + first * size, tuple([s // a.itemsize * size for s in a.strides]))
    view[...] = cupy.asarray(a).astype(dtype)
    return view


@pytest.mark.gpu
def test_precision_on_a_gpu(cupy):
    """TF32 keeps 11 bits, bfloat16 8; float32 all."""
    a = cupy.asarray(np.random.default_rng(0).normal(size=(256, 256)).astype("f"))
    wanted = cupy.asnumpy(a).astype("d") @ cupy.asnumpy(a).astype("d")
    errors = []
    for precision in ("highest", "high", "medium"):
        with av.matmul_precision(precision):
            errors.append(float(np.abs(cupy.asnumpy(products.matmul(a, a)) - wanted).max()))
    assert errors[0] < 1e-4 < errors[1] < errors[2] < 1.0


@pytest.mark.gpu
def test_a_product_is_captured_on_a_gpu(cupy):
    a, b = cupy.ones((3, 4, 5), "f"), cupy.ones((3, 5, 6), "f")
    out, stream = cupy.zeros((3, 4, 6), "f"), cupy.cuda.Stream(non_blocking=True)
    with stream:
        products.matmul(a, b, out)  # makes handle and workspace of this stream
        stream.synchronize()
        stream.begin_capture()
        products.matmul(a, b, out, beta=1.0)
        graph = stream.end_capture()
        for _ in range(3):
            graph.launch(stream)
        stream.synchronize()
    assert (cupy.asnumpy(out) == 20).all()


@pytest.mark.gpu
def test_tensors_on_a_gpu_go_there(cupy, monkeypatch):
    asked = []
    multiply = products.Cublas.multiply
    monkeypatch.setattr(products.Cublas, "multiply", lambda *args: (asked.append(args[-1]), multiply(*args))[1])
    x = av.Tensor(cupy.ones((4, 3), "f"))
    with av.matmul_precision("high"), av.GradientTape() as tape:
        tape.watch(x)
        y = av.matmul(x, cupy.ones((3, 2), "f"))
        tape.gradient(y, x)
    assert asked == [77, 77] and backend.device(y.array) == "gpu:0"
