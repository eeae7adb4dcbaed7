"""Convolutions and pooling against stored PyTorch values, in blocks and threads, and what their errors say."""

import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest

import autograd_vs as av
from autograd_vs.ops import columns, conv, pool

STORED = json.loads((Path(__file__).parent / "golden" / "windows.json").read_text())
GOLDEN = STORED["cases"]


def drawn(rng, shape, kind):
    """What make_windows.py drew."""
    normal = rng.normal(size=shape)
    return {"normal": normal, "tied": np.round(normal * 2), "zeros": normal * 0}[kind]


def arguments(case):
    return {k: tuple(v) if isinstance(v, list) else v for k, v in case["arguments"].items()}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("number", range(len(GOLDEN)), ids=lambda i: f"{GOLDEN[i]['function']}-{i}")
def test_pytorchs_values(number, dtype):
    case = GOLDEN[number]
    function = getattr(av.nn, case["function"])
    rng = np.random.default_rng([STORED["seed"], number])
    tensors = {key: av.Tensor(drawn(rng, s, case["kind"]).astype(dtype)) for key, s in case["shapes"].items()}
    shape, value = case["value"]
    g = rng.normal(size=shape).astype(dtype)
    with av.GradientTape() as tape:
        tape.watch(tensors)
        y = function(**tensors, **arguments(case))
    found = tape.gradient(y, tensors, output_gradients=g)
    tolerance = 1e-12 if dtype is np.float64 else 1e-5
    assert y.dtype == dtype
    assert y.shape == tuple(shape)
    np.testing.assert_allclose(y.numpy().ravel(), value, rtol=tolerance, atol=tolerance * 10)
    for key, want in case["gradients"].items():
        size = max(1.0, np.abs(want).max())
        assert found[key].dtype == dtype
        np.testing.assert_allclose(found[key].numpy().ravel(), want, rtol=tolerance, atol=tolerance * size * 10)


# ---------------------------------------------------------------- however the work is cut


def by_hand(x, filters, strides, low, dilations, out):
    """The definition, tap by tap and place by place."""
    y = np.zeros((len(x), *out, filters.shape[-1]))
    for place, tap in product(product(*map(range, out)), product(*map(range, filters.shape[:-2]))):
        at = [o * s + t * d - p for o, t, s, p, d in zip(place, tap, strides, low, dilations, strict=True)]
        if all(0 <= i < n for i, n in zip(at, x.shape[1:-1], strict=True)):
            y[(slice(None), *place)] += x[(slice(None), *at)] @ filters[tap]
    return y


@pytest.mark.host("how work is cut into blocks for a cache")
@pytest.mark.parametrize("seed", range(40))
def test_blocks_change_nothing(seed, monkeypatch):
    rng = np.random.default_rng(seed)
    monkeypatch.setattr(columns, "COLUMNS", int(rng.choice([100, 1000, 600_000])))
    monkeypatch.setattr(columns, "WIDE", int(rng.choice([1, 64])))
    monkeypatch.setattr(columns, "ROWS", int(rng.choice([1, 256])))
    axes = int(rng.integers(1, 4))

    def draw(low, high):
        return tuple(int(n) for n in rng.integers(low, high, axes))

    size, kernel, strides, dilations, low, out = (
        draw(*r) for r in ((1, 7), (1, 4), (1, 4), (1, 3), (-1, 3), (1, 6))
    )  # fmt: skip
    images, channels, features = (int(n) for n in rng.integers(1, 5, 3))
    x, filters = rng.normal(size=(images, *size, channels)), rng.normal(size=(*kernel, channels, features))
    geometry = strides, low, dilations
    y = by_hand(x, filters, *geometry, out)
    np.testing.assert_allclose(columns.gather_product(x, filters, *geometry, out), y, atol=1e-12)
    g, x_2, filters_2 = rng.normal(size=y.shape), rng.normal(size=x.shape), rng.normal(size=filters.shape)
    # Transposes, by their definition, along directions that they have not seen.
    of_x = columns.scatter_product(g, filters, *geometry, size)
    of_filters = columns.kernel_product(x, g, kernel, *geometry)
    np.testing.assert_allclose((of_x * x_2).sum(), (g * by_hand(x_2, filters, *geometry, out)).sum(), atol=1e-9)
    np.testing.assert_allclose(
        (of_filters * filters_2).sum(), (g * by_hand(x, filters_2, *geometry, out)).sum(), atol=1e-9
    )


@pytest.mark.host("threads share NumPy's work only")
@pytest.mark.parametrize("groups", [1, 2, 8])
def test_threads_change_nothing(groups, monkeypatch):
    monkeypatch.setattr(columns, "COLUMNS", 4000)
    monkeypatch.setattr(conv, "NUMBERS", 100)
    monkeypatch.setattr(pool, "NUMBERS", 100)
    rng = np.random.default_rng(0)
    x, filters = av.Tensor(rng.normal(size=(12, 6, 6, 8))), av.Tensor(rng.normal(size=(3, 3, 8 // groups, 8)))

    def found(number):
        av.set_num_threads(number)
        with av.GradientTape() as tape:
            tape.watch([x, filters])
            y = av.nn.max_pool2d(av.nn.conv2d(x, filters, groups=groups)) ** 2
            y += av.nn.avg_pool2d(av.nn.conv2d(x, filters, strides=2, groups=groups), 2, 1, "same")
        return [y, *tape.gradient(y, [x, filters])]

    before = av.get_num_threads()
    try:
        alone, together = found(1), found(3)
    finally:
        av.set_num_threads(before)
    for a, b in zip(alone, together, strict=True):
        np.testing.assert_allclose(b.numpy(), a.numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.host("measures memory of the host")
def test_memory_for_columns_is_bounded():
    import tracemalloc

    x, filters = np.ones((64, 32, 32, 16), np.float32), np.ones((5, 5, 16, 16), np.float32)
    tracemalloc.start()
    av.nn.conv2d(x, filters)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    all_columns = x.nbytes * 25
    assert peak < x.nbytes + 4 * columns.COLUMNS < all_columns / 4  # the result, and a few buffers


# ---------------------------------------------------------------- what is promised


def test_same_padding_is_tensorflows():
    x = np.arange(1.0, 6.0).reshape(1, 5, 1)
    ones = np.ones((2, 1, 1))
    assert av.nn.conv1d(x, ones).numpy().ravel().tolist() == [3, 5, 7, 9, 5]  # the odd zero behind
    assert av.nn.conv1d(x, ones, strides=2).numpy().ravel().tolist() == [3, 7, 5]
    assert av.nn.conv1d(x, np.ones((3, 1, 1)), strides=2).numpy().ravel().tolist() == [3, 9, 9]
    assert av.nn.max_pool1d(x, 2, 2, "same").numpy().ravel().tolist() == [2, 4, 5]
    assert av.nn.avg_pool1d(x, 2, 2, "same").numpy().ravel().tolist() == [1.5, 3.5, 5]
    assert av.nn.avg_pool1d(x, 2, 2, "same", count_padding=True).numpy().ravel().tolist() == [1.5, 3.5, 2.5]


def test_the_transpose_is_the_gradient():
    rng = np.random.default_rng(0)
    x, filters = av.Tensor(rng.normal(size=(2, 7, 6, 3))), rng.normal(size=(3, 2, 3, 4))
    for options in ({}, {"strides": 2}, {"strides": (1, 3), "padding": "valid"}, {"padding": ((2, 0), (0, 1))}):
        with av.GradientTape() as tape:
            tape.watch(x)
            y = av.nn.conv2d(x, filters, **options)
        g = rng.normal(size=y.shape)
        back = av.nn.conv2d_transpose(g, filters, output_size=(7, 6), **options)
        np.testing.assert_allclose(tape.gradient(y, x, output_gradients=g).numpy(), back.numpy(), rtol=1e-12)


def test_sizes_of_transposes_are_tensorflows():
    def size(n, kernel, **options):
        return av.nn.conv1d_transpose(np.ones((1, n, 1)), np.ones((kernel, 1, 1)), **options).shape[1]

    assert size(5, 3, strides=2) == 10
    assert size(5, 3, strides=2, padding="valid") == 11
    assert size(5, 2, strides=3, padding="valid") == 15
    assert size(5, 3, strides=2, padding=1) == 9
    assert size(5, 3, strides=2, padding=1, output_size=10) == 10


def test_the_first_of_equal_values_gets_the_gradient():
    x = av.Tensor(np.zeros((1, 2, 4, 1)))
    with av.GradientTape() as tape:
        tape.watch(x)
        y = av.nn.max_pool2d(x)
    assert tape.gradient(y, x).numpy()[0, :, :, 0].tolist() == [[1, 0, 1, 0], [0, 0, 0, 0]]


def test_nan_wins():
    x = np.array([1.0, np.nan, 3.0, 2.0]).reshape(1, 4, 1)
    y = av.nn.max_pool1d(x).numpy().ravel()
    assert np.isnan(y[0]) and y[1] == 3


def test_a_window_of_many_taps():
    x = np.arange(400.0).reshape(1, 400, 1)
    t = av.Tensor(x)
    with av.GradientTape() as tape:
        tape.watch(t)
        y = av.nn.max_pool1d(t, 400)
    assert y.item() == 399 and tape.gradient(y, t).numpy().ravel().tolist() == [0.0] * 399 + [1.0]


def test_integers_can_be_pooled_and_convolved():
    x = np.arange(6).reshape(1, 6, 1)
    assert av.nn.max_pool1d(x).numpy().ravel().tolist() == [1, 3, 5]
    assert av.nn.max_pool1d(-x, 3, 1, "same").numpy().ravel().tolist() == [0, 0, -1, -2, -3, -4]
    assert av.nn.conv1d(x, np.ones((2, 1, 1), int), padding="valid").numpy().ravel().tolist() == [1, 3, 5, 7, 9]


def test_float32_meets_float64():
    x, filters = av.Tensor(np.ones((1, 3, 1), np.float32)), av.Tensor(np.ones((2, 1, 1)))
    with av.GradientTape() as tape:
        tape.watch([x, filters])
        y = av.nn.conv1d(x, filters)
    assert y.dtype == np.float64
    assert [g.dtype for g in tape.gradient(y, [x, filters])] == [np.float32, np.float64]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x, w: av.nn.conv2d(x[0], w), r"conv2d: x has 4 dimensions \(images, \*size, channels\), got shape"),
        (lambda x, w: av.nn.conv2d(x, w[0]), r"conv2d: filters have 4 dimensions"),
        (lambda x, w: av.nn.conv2d(x, w[:, :, :1]), r"x has 2 channels, filters of shape \(3, 3, 1, 4\).* take 1"),
        (lambda x, w: av.nn.conv2d(x, w, groups=3), r"take 6 with groups=3"),
        (lambda x, w: av.nn.conv2d(x, w, groups=0), r"groups is a positive integer, got 0"),
        (lambda x, w: av.nn.conv2d(x, w, padding="full"), r'conv2d: padding is "same", "valid"'),
        (lambda x, w: av.nn.conv2d(x, w, padding=-1), r"none negative; got -1"),
        (lambda x, w: av.nn.conv2d(x, w, padding=((1, 1),)), r"padding is"),
        (lambda x, w: av.nn.conv2d(x, w, strides=0), r"conv2d: strides is an integer of at least 1, or 2 of them"),
        (lambda x, w: av.nn.conv2d(x, w, dilations=(1, 2, 3)), r"dilations is an integer"),
        (lambda x, w: av.nn.conv2d(x, w, data_format="HWC"), r"data_format is 'NHWC' or 'NCHW', got 'HWC'"),
        (lambda x, w: av.nn.conv2d(x, w, 1, "valid", 3), r"window of \(7, 7\) does not fit into size \(5, 5\)"),
        (lambda x, w: av.nn.conv2d_transpose(x, w), r"conv2d_transpose: x has 2 channels, .* take 4"),
        (lambda x, w: av.nn.conv2d_transpose(x, w[..., :2], output_size=7), r"lead to \(7, 7\), but x has size"),
        (lambda x, w: av.nn.depthwise_conv2d(x, w[:, :, :1]), r"depthwise_conv2d: x has 2 channels"),
        (lambda x, w: av.nn.depthwise_conv2d(x, w[0]), r"\(height, width, channels, multiplier\), got \(3, 2, 4\)"),
        (lambda x, w: av.nn.max_pool2d(x[0]), r"max_pool2d: x has 4 dimensions"),
        (lambda x, w: av.nn.max_pool2d(x, 6), r"max_pool2d: a window of \(6, 6\) does not fit"),
        (lambda x, w: av.nn.avg_pool2d(x, 2, padding=2), r"leaves windows of size \(2, 2\) with nothing but zeros"),
        (lambda x, w: av.nn.adaptive_avg_pool2d(x, 0), r"output_size is an integer of at least 1"),
        (lambda x, w: av.nn.adaptive_avg_pool2d(x[:, :0], 1), r"nothing to take the mean of"),
    ],
)  # fmt: skip
def test_errors_say_what_was_found(call, words):
    with pytest.raises(ValueError, match=words):
        call(np.ones((1, 5, 5, 2)), np.ones((3, 3, 2, 4)))


def test_complex_numbers_have_no_largest():
    with pytest.raises(TypeError, match="max_pool1d: numbers that can be compared"):
        av.nn.max_pool1d(np.ones((1, 4, 1), complex))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("order", [lambda x: x, lambda x: x.swapaxes(1, 2)], ids=["contiguous", "strided"])
def test_the_gradient_of_a_bias(dtype, order):
    """Its rows are summed by BLAS where they lie one behind the other."""
    g = order(np.random.default_rng(0).normal(size=(3, 4, 4, 5)).astype(dtype))
    bias = av.Variable(np.zeros(5, dtype))
    with av.GradientTape() as tape:
        y = av.Tensor(np.zeros(g.shape, dtype)) + bias
    found = tape.gradient(y, bias, output_gradients=g)
    assert found.dtype == dtype
    np.testing.assert_allclose(found.numpy(), g.astype(float).sum(axis=(0, 1, 2)), rtol=1e-5)
