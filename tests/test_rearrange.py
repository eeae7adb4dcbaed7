"""Borders, scattering, choosing, inserting: against NumPy and PyTorch, beyond the array, where indices repeat.

The ordinary samples run in test_ops.py.
"""

import json
from pathlib import Path

import numpy as np
import pytest

import autograd_vs as av
from autograd_vs.testing import check_gradients

GOLDEN = json.loads((Path(__file__).parent / "golden" / "rearrange.json").read_text(encoding="utf-8"))["cases"]


def gradients(f, *arrays):
    """Value and gradients of f, summed."""
    tensors = [av.Tensor(np.asarray(a, float)) for a in arrays]
    with av.GradientTape() as tape:
        tape.watch(tensors)
        y = f(*tensors)
    return y.numpy(), [g.numpy() for g in tape.gradient(y, tensors)]


@pytest.mark.parametrize("case", GOLDEN, ids=lambda c: f"{c['function']}-{c['mode']}-{c.get('axis', '')}")
def test_values_and_gradients_are_pytorchs(case):
    g = np.array(case["g"])
    names = ["a", "updates"] if case["function"] == "scatter" else ["a"]

    def f(*arrays):
        if case["function"] == "scatter":
            return av.scatter(arrays[0], np.array(case["indices"]), arrays[1], case["axis"], case["mode"])
        return av.pad(arrays[0], case["widths"], case["mode"])

    arrays = [np.array(case[name]) for name in names]
    y, _ = gradients(f, *arrays)
    np.testing.assert_allclose(y, case["y"], rtol=1e-13, atol=1e-13)
    _, found = gradients(lambda *a: f(*a) * g, *arrays)
    for got, want in zip(found, case["gradients"], strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-13, atol=1e-13)


# ---------------------------------------------------------------- pad

LINEAR = [
    ("edge", {}), ("wrap", {}), ("reflect", {}), ("symmetric", {}), ("reflect", {"reflect_type": "odd"}),
    ("symmetric", {"reflect_type": "odd"}), ("linear_ramp", {}), ("mean", {}), ("mean", {"stat_length": 2}),
    ("constant", {}), ("mean", {"stat_length": ((1, 2), (2, 7))}), ("wrap", {}),
]  # fmt: skip


@pytest.mark.parametrize(("mode", "options"), LINEAR, ids=str)
def test_linear_modes_have_the_gradient_that_numpys_pad_of_unit_vectors_gives(mode, options):
    rng = np.random.default_rng(5)
    for _ in range(8):
        shape = tuple(rng.integers(1, 5, 2))
        widths = rng.integers(0, 9, (2, 2))
        x = rng.normal(size=shape)
        want = np.pad(x, widths, mode, **options)
        w = rng.normal(size=want.shape)
        y, (g,) = gradients(lambda t, w=w, p=widths: np.pad(t, p, mode, **options) * w, x)
        np.testing.assert_allclose(y, want * w, rtol=1e-11, atol=1e-11)
        units = np.eye(x.size).reshape(x.size, *shape)
        by_units = [(np.pad(e, widths, mode, **options) * w).sum() for e in units]
        np.testing.assert_allclose(g.ravel(), by_units, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("mode", ["maximum", "minimum", "median"])
def test_statistics_far_beyond_the_array(mode):
    rng = np.random.default_rng(6)
    for length in (None, 1, 3, ((2, 1), (1, 9))):
        x = rng.permutation(12).reshape(3, 4) + rng.uniform(0.1, 0.4, (3, 4))
        widths = rng.integers(0, 9, (2, 2))
        np.testing.assert_allclose(
            av.pad(x, widths, mode, stat_length=length).numpy(), np.pad(x, widths, mode, stat_length=length)
        )
        check_gradients(lambda t, w=widths, n=length: np.pad(t, w, mode, stat_length=n), [x])


def test_pad_of_integers_rounds_as_numpys():
    x = np.array([[1, 2, 4], [8, 3, 5]])
    for mode, options in [*LINEAR, ("maximum", {}), ("median", {}), ("linear_ramp", {"end_values": 7})]:
        if any(isinstance(v, tuple) for v in options.values()) and not isinstance(av.Tensor(x).array, np.ndarray):
            continue  # the stand-in is stricter than CuPy there
        y = av.pad(x, 3, mode, **options)
        assert y.dtype == x.dtype
        np.testing.assert_array_equal(y.numpy(), np.pad(x, 3, mode, **options))


def test_values_of_the_border_have_gradients():
    x, ends = np.ones((2, 3)), np.array([[1.0, 2.0], [3.0, 4.0]])
    y, (gx, ge) = gradients(lambda t, e: av.pad(t, ((1, 0), (2, 3)), constant_values=e), x, ends)
    np.testing.assert_array_equal(y, np.pad(x, ((1, 0), (2, 3)), constant_values=ends))
    assert gx.tolist() == np.ones((2, 3)).tolist() and ge.tolist() == [[3, 0], [6, 9]]
    y, (gx, ge) = gradients(lambda t, e: av.pad(t, (2, 0), "linear_ramp", end_values=e), np.array([4.0]), 2.0)
    assert y.tolist() == [2, 3, 4] and gx.tolist() == [1.5] and ge == 1.5
    one = av.Variable(5.0)
    with av.GradientTape() as tape:
        z = av.pad(np.zeros(2), 1, constant_values=[one, 7.0]) * np.array([1.0, 2.0, 3.0, 4.0])
    assert z.numpy().tolist() == [5, 0, 0, 28] and tape.gradient(z, one).item() == 1
    assert av.pad(np.zeros(1, np.float32), 1, constant_values=one).dtype == np.float32


def test_pad_by_axis():
    x = np.arange(6.0).reshape(2, 3)
    y, (g,) = gradients(lambda t: av.pad(t, {-1: (1, 2), 0: 1}, "edge"), x)
    assert np.array_equal(y, np.pad(x, ((1, 1), (1, 2)), "edge")) and g.tolist() == [[4, 2, 6], [4, 2, 6]]
    with pytest.raises(ValueError, match="axis 2 is out of bounds"):
        av.pad(x, {2: 1})


def test_pad_of_what_is_empty_or_nan():
    assert av.pad(np.zeros((0, 2)), 1).shape == (2, 4)
    assert av.pad(np.zeros((0, 2)), ((0, 0), (1, 2)), "mean").shape == (0, 5)
    assert np.isnan(av.pad(np.array([1.0, np.nan, 2.0]), 1, "median").numpy()).tolist() == [1, 0, 1, 0, 1]
    assert av.pad(np.ones(2), 1, "empty").shape == (4,)
    assert av.pad(3.0, ()).item() == 3
    for mode in ("edge", "wrap", "reflect", "mean", "linear_ramp"):
        with pytest.raises(ValueError, match="axis 0 is empty"):
            av.pad(np.zeros((0, 2)), 1, mode)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda t: np.pad(t, 1, lambda v, w, i, k: None), TypeError, "in place.*av.concatenate"),
        (lambda t: np.pad(t, 1, "mirror"), ValueError, "'mirror'; there are constant"),
        (lambda t: np.pad(t, 1, "edge", stat_length=2), ValueError, "stat_length= does not belong .*takes no option"),
        (lambda t: np.pad(t, 1, constant_value=2), ValueError, "takes constant_values"),
        (lambda t: np.pad(t, 1, "reflect", reflect_type="add"), ValueError, "'even' or 'odd'"),
        (lambda t: np.pad(t, -1), ValueError, "must not be negative"),
        (lambda t: np.pad(t, 1.5), TypeError, "integers"),
        (lambda t: np.pad(t, ((1, 2), (3, 4), (5, 6))), ValueError, r"shape \(3, 2\) does not broadcast to \(2, 2\)"),
        (lambda t: np.pad(t, 1, "maximum", stat_length=0), ValueError, "stat_length of 0"),
        (lambda t: np.pad(t, 1, "mean", stat_length=-1), ValueError, "must not be negative"),
    ],
)
def test_pad_says_what_is_wrong(call, error, words):
    with pytest.raises(error, match=words):
        call(av.Tensor(np.ones((2, 2))))


# ---------------------------------------------------------------- scatter


def test_scatter_is_put_along_axis():
    rng = np.random.default_rng(7)
    for axis in (0, 1, -1, 2):
        x = rng.normal(size=(3, 4, 2))
        ids = np.argsort(rng.normal(size=x.shape), axis)
        ids = np.take(ids, [0, 1], axis) - x.shape[axis] * (rng.uniform(size=1) < 0.5)
        u = rng.normal(size=np.take(x, [0], axis).shape)
        want = x.copy()
        np.put_along_axis(want, ids, u, axis)
        np.testing.assert_array_equal(av.scatter(x, ids, u, axis).numpy(), want)
        assert np.array_equal(av.take_along_axis(av.scatter(x, ids, u, axis), ids, axis), np.broadcast_to(u, ids.shape))
    want = x.copy()
    np.put(want, [[0, 5], [-1, 7]], [1.0, 2.0, 3.0, 4.0])
    got = av.scatter(x, [[0, 5], [-1, 7]], np.array([[1.0, 2.0], [3.0, 4.0]]))
    np.testing.assert_array_equal(got.numpy(), want)


def test_repeated_indices():
    x, ids, u = np.full(3, 2.0), [1, 1, 0], np.array([3.0, 5.0, 7.0])
    want = {"set": [7, 5, 2], "add": [9, 10, 2], "multiply": [14, 30, 2], "min": [2, 2, 2], "max": [7, 5, 2]}
    grads = {
        "set": ([0, 0, 1], [0, 1, 1]), "add": ([1, 1, 1], [1, 1, 1]), "multiply": ([7, 15, 1], [10, 6, 2]),
        "min": ([1, 1, 1], [0, 0, 0]), "max": ([0, 0, 1], [0, 1, 1]),
    }  # fmt: skip
    for mode, y in want.items():
        got, (gx, gu) = gradients(lambda a, b, m=mode: av.scatter(a, ids, b, mode=m), x, u)
        assert got.tolist() == y and (gx.tolist(), gu.tolist()) == grads[mode], mode


def test_updates_of_fewer_dimensions_at_repeated_places():
    """NumPy's `ufunc.at` reads beyond the end of such values; `t.at[...]` must not."""
    x, ids, u = np.zeros(6), np.array([[5, 0], [-1, 5], [0, 0]]), np.array([1.0, 2.0])
    for how, want in (("add", [5, 0, 0, 0, 0, 4]), ("max", [2, 0, 0, 0, 0, 2]), ("min", [0] * 6)):
        for y in (getattr(av.Tensor(x).at[ids], how)(av.Tensor(u)), av.scatter(x, ids, u, mode=how)):
            assert y.numpy().tolist() == want, how


@pytest.mark.parametrize("order", [np.asfortranarray, lambda x: np.ascontiguousarray(x[::-1, ::-1])[::-1, ::-1]])
def test_the_last_one_stays_in_every_layout(order):
    """NumPy goes through index and values in the order of the memory where they agree on one."""
    rng = np.random.default_rng(9)
    for _ in range(20):
        ids, u, w = rng.integers(0, 4, (3, 2)), rng.normal(size=(3, 2)), rng.normal(size=4)
        want = np.zeros(4)
        for i, x in zip(ids.ravel(), u.ravel(), strict=True):
            want[i] = x
        for f in (lambda x, v, i: av.scatter(x, i, v), lambda x, v, i: x.at[av.Tensor(i)].set(v)):
            x, v = av.Tensor(np.zeros(4)), av.Tensor(order(u))
            with av.GradientTape() as tape:
                tape.watch(v)
                y = f(x, v, order(ids))
                loss = (y * w).sum()
            np.testing.assert_array_equal(y.numpy(), want)
            np.testing.assert_array_equal(tape.gradient(loss, v).numpy(), w[ids] * (u == want[ids]))


def test_later_writes_to_indices_and_updates_do_not_reach_the_gradient():
    x, ids, u = av.Variable([1.0, 2.0, 3.0], dtype=float), np.array([0, 2]), np.array([5.0, 7.0])
    with av.GradientTape() as tape:
        y = av.scatter(x, ids, u, mode="multiply")
        ids[:], u[:] = 1, 0
    assert tape.gradient(y, x).numpy().tolist() == [5, 1, 7]


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda x: av.scatter(x, [0], 1.0, mode="sub"), ValueError, "mode is 'set'"),
        (lambda x: av.scatter(x, [0.5], 1.0), IndexError, "integers"),
        (lambda x: av.scatter(x, [6], 1.0), IndexError, "out of bounds for axis 0 of size 6"),
        (lambda x: av.scatter(x, [[3]], 1.0, 1), IndexError, "axis 1 of size 3"),
        (lambda x: av.scatter(x, [0], 1.0, 1), ValueError, "1 dimensions, the array has 2"),
        (lambda x: av.scatter(x, [[0], [0], [0]], 1.0, 1), ValueError, r"indices of shape \(3, 1\)"),
        (lambda x: av.scatter(x, [0, 1], np.ones(3)), ValueError, r"updates of shape \(3,\)"),
        (lambda x: av.scatter(x, [0], np.ones((2, 1))), ValueError, r"updates of shape \(2, 1\)"),
        (lambda x: av.scatter(x, [[0]], 1.0, 5), ValueError, "axis 5 is out of bounds"),
    ],
)
def test_scatter_says_what_is_wrong(call, error, words):
    with pytest.raises(error, match=words):
        call(av.Tensor(np.ones((2, 3))))


# ---------------------------------------------------------------- reading along an axis


def test_take_along_axis_broadcasts_as_numpys():
    x = np.arange(12.0).reshape(1, 3, 4)
    for ids, axis in (
        (np.array([[[0, 3]], [[1, 1]]]), -1), (np.array([[[2]], [[-1]]]), 1), (np.array([0, 5, -12]), None),
        (np.zeros((2, 3, 4), int), 0),
    ):  # fmt: skip
        want = np.take_along_axis(x, ids, axis)
        np.testing.assert_array_equal(av.take_along_axis(x, ids, axis).numpy(), want)
        _, (g,) = gradients(lambda t, i=ids, a=axis: np.take_along_axis(t, i, a), x)
        counted = np.zeros(12)
        np.add.at(counted, want.astype(int), 1)
        np.testing.assert_array_equal(g.ravel(), counted)
    with pytest.raises(IndexError):
        av.take_along_axis(np.ones((3, 4)), np.zeros((2, 1), int), 1).numpy()


@pytest.mark.parametrize("mode", ["wrap", "clip"])
def test_take_of_indices_out_of_bounds(mode):
    x, ids = np.arange(6.0).reshape(2, 3), np.array([[-7, 5], [3, 0]])
    for axis in (None, 0, 1, -1):
        np.testing.assert_array_equal(np.take(av.Tensor(x), ids, axis, mode=mode).numpy(), x.take(ids, axis, mode=mode))
        check_gradients(lambda t, a=axis: np.take(t, ids, a, mode=mode), [x])


# ---------------------------------------------------------------- choosing


def test_choose_as_a_method_and_of_tensors():
    a, choices = av.Tensor(np.array([[0, 1], [1, 0]])), [av.Variable([1.0, 2.0]), 7.0]
    with av.GradientTape() as tape:
        y = a.choose(choices)
    assert y.numpy().tolist() == [[1, 7], [7, 2]] and tape.gradient(y, choices[0]).numpy().tolist() == [1, 1]
    assert av.Tensor(np.array([3.0, 4.0])).compress([False, True]).numpy().tolist() == [4]
    for call, error, words in (
        (lambda: av.choose([0, 2], choices), ValueError, "out of range for 2"),
        (lambda: av.choose([0.5], choices), TypeError, "integers"),
        (lambda: av.choose([0], choices, mode="mod"), ValueError, "'raise', 'wrap' or 'clip'"),
        (lambda: av.choose([0], []), ValueError, "nothing to choose"),
        (lambda: np.choose(a, choices, out=np.zeros((2, 2))), TypeError, "out="),
        (lambda: np.compress([[True]], choices[0]), ValueError, "1-D"),
        (lambda: np.compress([True] * 3, choices[0]), IndexError, "out of bounds"),
    ):
        with pytest.raises(error, match=words):
            call()


def test_piecewise_never_sees_the_other_branch():
    x = np.array([-1.0, 0.0, 4.0])
    y, (g,) = gradients(lambda t: np.piecewise(t, [t <= 0, t > 0], [0.0, np.sqrt]), x)
    assert y.tolist() == [0, 0, 2] and g.tolist() == [0, 0, 0.25]
    _, (g,) = gradients(lambda v: av.piecewise(x, [x > 1], [v, v * 3]), 2.0)
    assert g == 7
    both = av.piecewise(x, [x < 1, x < 0.5], [1.0, 2.0])
    assert both.numpy().tolist() == np.piecewise(x, [x < 1, x < 0.5], [1.0, 2.0]).tolist() == [2, 2, 0]
    assert av.piecewise(np.array([1, 2]), [np.array([True, False])], [2.7]).numpy().tolist() == [2, 0]
    with pytest.raises(ValueError, match="2 conditions need 2 or 3 functions, got 1"):
        av.piecewise(x, [x > 1, x < 0], [1.0])


# ---------------------------------------------------------------- inserting and deleting


def test_insert_and_delete_are_numpys():
    rng = np.random.default_rng(8)
    x = rng.normal(size=(3, 4))
    for obj in (0, 3, -1, [1], [0, 2, 2], [3, 0], slice(None), slice(2, 0, -1), slice(0, 0), np.array([], int)):
        for axis in (0, None):
            n = np.insert(x, obj, 9.0, axis).shape[0] - (3 if axis == 0 else 12)
            v = rng.normal(size=(n, 4) if axis == 0 else n) if np.ndim(obj) or isinstance(obj, slice) else 9.0
            np.testing.assert_array_equal(av.insert(x, obj, v, axis).numpy(), np.insert(x, obj, v, axis))
    for obj in (0, -1, [1], [0, 2, 2], slice(None), slice(2, 0, -1), slice(None, None, 2), []):
        for axis in (0, 1, None):
            np.testing.assert_array_equal(np.delete(av.Tensor(x), obj, axis).numpy(), np.delete(x, obj, axis))
    mask = np.array([True, False, True])
    assert av.insert(np.zeros(3), mask, [1.0, 2.0]).numpy().tolist() == [1, 0, 0, 2, 0]
    assert av.delete(np.arange(3.0), av.Tensor(mask)).numpy().tolist() == [1]


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda t: np.insert(t, 4, 1.0, 0), IndexError, "position 4 is out of bounds for axis 0 of size 3"),
        (lambda t: np.insert(t, [0, -9], 1.0, 0), IndexError, "out of bounds"),
        (lambda t: np.insert(t, [[0]], 1.0, 0), ValueError, "0-d or 1-D"),
        (lambda t: np.insert(t, 0.5, 1.0, 0), IndexError, "integers"),
        (lambda t: np.insert(t, 0, np.ones(3), 0), ValueError, "broadcast"),
        (lambda t: np.delete(t, 3, 0), IndexError, "out of bounds"),
        (lambda t: np.delete(t, [True, False], 0), ValueError, r"bools of shape \(2,\) do not fit axis 0 of size 3"),
        (lambda t: np.resize(t, (2, -1)), ValueError, "must not be negative"),
        (lambda t: np.ix_(t), ValueError, "argument 0 must be 1-D"),
    ],
)
def test_what_is_wrong_with_positions(call, error, words):
    with pytest.raises(error, match=words):
        call(av.Tensor(np.ones((3, 2))))


def test_ix_picks_submatrices():
    x = np.arange(12.0).reshape(3, 4)
    rows, columns = [2, 0], np.array([True, False, False, True])
    assert av.Tensor(x)[av.ix_(rows, columns)].numpy().tolist() == x[np.ix_(rows, columns)].tolist()


# ---------------------------------------------------------------- functions along axes


def test_apply_along_axis_differentiates_what_the_function_reads():
    w = av.Variable([1.0, 2.0, 3.0], dtype=float)
    x = np.arange(6.0).reshape(2, 3)
    with av.GradientTape() as tape:
        y = av.apply_along_axis(lambda row: np.stack([row @ w, w[0]]), 1, x)
    assert y.shape == (2, 2) and tape.gradient(y, w).numpy().tolist() == [5, 5, 7]
    with pytest.raises(ValueError, match="nothing to apply it to"):
        av.apply_along_axis(np.sum, 0, np.zeros((2, 0)))
    with pytest.raises(ValueError, match="made shape"):
        av.apply_over_axes(lambda a, axis: a.sum(), av.Tensor(x), 0)


# ---------------------------------------------------------------- the rest


def test_frexp_and_its_gradient():
    x = np.array([6.0, -0.3, 0.0, 1e-310, np.inf])
    mantissa, exponent = av.frexp(av.Tensor(x))
    want = np.frexp(x)
    np.testing.assert_array_equal(mantissa.numpy(), want[0])
    np.testing.assert_array_equal(exponent.numpy()[:4], want[1][:4])
    assert exponent.dtype == want[1].dtype
    _, (g,) = gradients(lambda t: np.frexp(t)[0], [6.0, -0.3])
    assert g.tolist() == [0.125, 2.0]


def test_full_and_resize():
    y, (g,) = gradients(lambda t: av.full((2, 3), t), 4.0)
    assert y.tolist() == [[4.0] * 3] * 2 and g == 6
    y, (g,) = gradients(lambda t: np.resize(t, (2, 2)), [1.0, 2.0, 3.0])
    assert y.tolist() == [[1, 2], [3, 1]] and g.tolist() == [2, 1, 1]


def test_queries_of_indices():
    t = av.Tensor(np.ones((3, 3)))
    for f in (np.diag_indices_from, np.tril_indices_from, np.triu_indices_from):
        for got, want in zip(f(t), f(np.ones((3, 3))), strict=True):
            assert np.array_equal(av.Tensor(got), want)


# ---------------------------------------------------------------- methods and attributes of arrays


@pytest.mark.parametrize("make", [av.Tensor, av.Variable])
def test_methods_that_only_look(make, tmp_path):
    a = np.arange(6.0).reshape(2, 3)
    x = make(a)
    assert x.strides == a.strides and x.flags["C_CONTIGUOUS"] and x.to_device("cpu").numpy().tolist() == a.tolist()
    assert x.tobytes() == a.tobytes() and x.tobytes("F") == a.tobytes("F")
    x.tofile(tmp_path / "a")
    assert np.fromfile(tmp_path / "a").tolist() == a.ravel().tolist()
    x.tofile(tmp_path / "b", sep=" ", format="%d")
    assert (tmp_path / "b").read_text() == "0 1 2 3 4 5"
    x.dump(tmp_path / "c")
    assert np.load(tmp_path / "c", allow_pickle=True).tolist() == a.tolist()
    with pytest.raises(ValueError, match="not the name of a device"):
        x.to_device("gpu7")
    with pytest.raises(ValueError, match="current stream"):
        x.to_device("cpu", stream=1)


@pytest.mark.parametrize("make", [av.Tensor, av.Variable])
def test_flat_and_orders(make):
    a = np.arange(6.0).reshape(2, 3)
    x = make(a)
    assert x.flat[4].item() == 4 and len(x.flat) == 6 and [v.item() for v in x.flat] == list(a.flat)
    with av.GradientTape() as tape:
        tape.watch(x)
        y = x.flat[4] * 3
    assert tape.gradient(y, x).numpy().tolist() == [[0, 0, 0], [0, 3, 0]]
    w = np.arange(1.0, 7.0)
    for b in (a, a.T, np.arange(24.0).reshape(2, 3, 4).transpose(1, 0, 2)[:, :1]):
        t = av.Tensor(b)
        for order in "CFAK":
            np.testing.assert_array_equal(t.ravel(order).numpy(), b.ravel(order))
            np.testing.assert_array_equal(t.flatten(order).numpy(), b.flatten(order))
        np.testing.assert_array_equal(t.reshape(-1, order="A").numpy(), b.reshape(-1, order="A"))
    for order in "CFAK":
        t = av.Tensor(a.T)
        with av.GradientTape() as tape:
            tape.watch(t)
            y = (t.ravel(order) * w).sum()
        want = np.zeros(6)
        want[a.T.ravel(order).astype(int)] = w
        np.testing.assert_array_equal(tape.gradient(y, t).numpy(), want.reshape(2, 3).T)
    with pytest.raises(ValueError, match=r"t\.ravel\(order\)"):
        np.reshape(av.Tensor(a), -1, "K")


def test_options_of_methods():
    x = av.Tensor(np.array([[0.0, 1.5], [2.5, 3.0]]))
    assert x.astype("f4", "F", "same_kind", False, True).dtype == np.float32
    assert x.copy("F").numpy().tolist() == x.copy(order="K").numpy().tolist() == np.copy(x, "A").numpy().tolist()
    assert x.reshape(4, copy=False).shape == np.reshape(x, (4,), copy=True).shape == (4,)
    with pytest.raises(TypeError, match="float64 to int64 is no 'safe' cast"):
        x.astype(np.int64, casting="safe")


IN_PLACE = {
    "sort": "av.sort", "put": "av.scatter", "resize": "av.resize", "fill": "x.at", "partition": "av.sort",
    "itemset": "x.at", "setfield": "x.at", "byteswap": "byteswap()", "setflags": "copy", "view": "x.reshape",
    "ctypes": "x.numpy().ctypes", "base": "x.array.base", "getfield": "getfield(dtype",
}  # fmt: skip


@pytest.mark.parametrize("name", IN_PLACE)
def test_methods_that_write_name_the_way_out(name):
    for x in (av.Tensor([1.0, 2.0]), av.Variable([1.0, 2.0])):
        with pytest.raises(AttributeError) as error:
            getattr(x, name)
        assert f"has no {name!r}" in str(error.value) and IN_PLACE[name] in str(error.value)


def test_vectorize_points_to_vmap():
    x = av.Tensor(np.array([1.0, 2.0]))
    with av.GradientTape() as tape:
        tape.watch(x)
        with pytest.raises(TypeError, match=r"av\.vmap\(f\)\(t\) for np\.vectorize"):
            np.vectorize(lambda v: v * 2)(x)
        with pytest.raises(TypeError, match=r"av\.asarray\(\[t, u\]\) for np\.array"):
            np.array([x, x])
