"""Indexing in every NumPy form, updates at an index, gathers; broadcasting, reductions and einsum by drawing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import autograd_vs as av
from autograd_vs.testing import check_gradients

draws = settings(deadline=None, derandomize=True, max_examples=60, database=None)
SHAPES = hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4)


def numbers(shape, seed=0):
    return np.random.default_rng(seed).uniform(-2, 2, shape)


def gradient(f, x, g=None):
    t = av.Tensor(x)
    with av.GradientTape() as tape:
        tape.watch(t)
        y = f(t)
    return tape.gradient(y, t, output_gradients=g)


# ---------------------------------------------------------------- reading


@draws
@given(st.data())
def test_basic_indices(data):
    shape = data.draw(SHAPES)
    index = data.draw(hnp.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True))
    x = numbers(shape)
    np.testing.assert_array_equal(av.Tensor(x)[index].numpy(), x[index])
    check_gradients(lambda t: t[index] ** 2, [x])


@st.composite
def mixed_index(draw):
    """(shape, index): slices, integers, None, Ellipsis, arrays of integers that broadcast, bool masks, in any order."""
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=3))
    common = draw(st.sampled_from([(2,), (3, 1), (1, 2), ()]))
    parts: list = []
    axis, ellipsis = 0, False
    while axis < len(shape):
        n = shape[axis]
        kind = draw(st.sampled_from(["slice", "int", "array", "array", "none", "ellipsis", "tensor", "list"]))
        if kind == "none" and len(parts) < 6:
            parts.append(None)
            continue
        if kind == "ellipsis":
            if ellipsis:
                continue
            ellipsis = True
            parts.append(Ellipsis)
            axis += draw(st.integers(0, len(shape) - axis))
            continue
        if kind == "slice":
            parts.append(draw(st.slices(n)))
        elif kind == "int":
            parts.append(draw(st.integers(-n, n - 1)))
        else:
            values = np.array(draw(st.lists(st.integers(-n, n - 1), min_size=6, max_size=6)))
            values = values[: int(np.prod(common, dtype=int))].reshape(common)
            parts.append(values.tolist() if kind == "list" else av.Tensor(values) if kind == "tensor" else values)
        axis += 1
    return shape, tuple(parts)


@draws
@given(mixed_index())
def test_mixed_indices(drawn):
    shape, index = drawn
    x = numbers(shape)
    bare = tuple(p.numpy() if isinstance(p, av.Tensor) else p for p in index)
    want = x[bare]
    np.testing.assert_array_equal(av.Tensor(x)[index].numpy(), want)
    g = numbers(want.shape, 1)
    dense = np.zeros(shape)
    np.add.at(dense, bare, g)
    np.testing.assert_allclose(gradient(lambda t: t[index], x, g).numpy(), dense, atol=1e-12)
    value = numbers(want.shape, 2)
    got = av.Tensor(x).at[index].add(value)
    expected = x.copy()
    np.add.at(expected, bare, value)
    np.testing.assert_allclose(got.numpy(), expected)


@draws
@given(st.data())
def test_masks(data):
    shape = data.draw(SHAPES)
    mask = data.draw(hnp.arrays(bool, shape[: data.draw(st.integers(1, len(shape)))]))
    x = numbers(shape)
    np.testing.assert_array_equal(av.Tensor(x)[mask].numpy(), x[mask])
    np.testing.assert_array_equal(av.Tensor(x)[av.Tensor(mask)].numpy(), x[mask])
    check_gradients(lambda t: t[mask] ** 2, [x])


def test_python_forms():
    x = av.Tensor(np.arange(12.0).reshape(3, 4))
    a = x.numpy()
    for index in (
        [0, 2],
        [True, False, True],
        np.int64(1),
        (np.int8(1), 2),
        range(2),
        [],
        np.array([], int),
        ((0, 1), (1, 2)),
    ):
        np.testing.assert_array_equal(x[index].numpy(), a[index])
    assert [row.shape for row in x] == [(4,)] * 3
    assert len(x) == 3
    with pytest.raises(IndexError):
        x[3]
    with pytest.raises(IndexError):
        x[np.array([0.5])]
    with pytest.raises(IndexError):
        x[av.Tensor(np.array([0.5]))]
    with pytest.raises(IndexError):
        x[[5]]
    with pytest.raises(TypeError, match=r"at\[i\]"):
        x[0] = 1.0


def test_an_index_buffer_may_be_used_again():
    ids, x = np.array([0, 1]), av.Tensor(np.arange(3.0))
    with av.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = x[ids]
        z = x[ids, None]
        w = x.at[ids].set(np.zeros(2))
    ids[:] = 2
    assert tape.gradient(y, x).numpy().tolist() == [1.0, 1.0, 0.0]
    assert tape.gradient(z, x).numpy().tolist() == [1.0, 1.0, 0.0]
    assert tape.gradient(w, x).numpy().tolist() == [0.0, 0.0, 1.0]


def test_an_integer_variable_as_index():
    i, x = av.Variable(np.array([0, 0])), av.Tensor(np.arange(3.0))
    with av.GradientTape() as tape:
        tape.watch(x)
        y = x[i] * x[i, ...]
    i.assign([2, 2])
    assert tape.gradient(y, x).numpy().tolist() == [0.0, 0.0, 0.0]


# ---------------------------------------------------------------- gathered rows


def test_rows_of_a_variable_stay_sparse():
    v = av.Variable(np.arange(8.0).reshape(4, 2))
    ids = np.array([[1, -1], [1, 0]])
    for gather in (
        lambda: v[ids],
        lambda: av.take(v, ids, axis=0),
        lambda: np.take(v, ids, 0),
        lambda: v[av.Tensor(ids), :],
    ):
        with av.GradientTape() as tape:
            y = gather() * 2.0
        g = tape.gradient(y, v)
        assert isinstance(g, av.IndexedSlices)
        assert g.indices.numpy().tolist() == [1, 3, 1, 0]
        assert g.to_dense().numpy().tolist() == [[2, 2], [4, 4], [0, 0], [2, 2]]


def test_rows_become_dense_where_they_flow_on():
    v = av.Variable(np.arange(8.0).reshape(4, 2))
    with av.GradientTape() as tape:
        y = (v * 3.0)[np.array([1, 1])]
    assert tape.gradient(y, v).numpy().tolist() == [[0, 0], [6, 6], [0, 0], [0, 0]]
    x = np.arange(8.0).reshape(4, 2)
    assert isinstance(gradient(lambda t: t[np.array([1, 1])], x), av.Tensor)


def test_rows_of_variables_at_second_order():
    v = av.Variable(np.arange(6.0).reshape(3, 2))
    ids = np.array([0, 2, 0])
    with av.GradientTape() as outer:
        with av.GradientTape() as inner:
            y = (v[ids] ** 3).sum()
        g = inner.gradient(y, v)
        z = (g.to_dense() ** 2).sum()
    want = np.zeros((3, 2))
    count = np.array([[2.0], [0.0], [1.0]])
    want = 2 * (3 * count * v.numpy() ** 2) * (6 * count * v.numpy())
    got = outer.gradient(z, v)
    got = got.to_dense() if isinstance(got, av.IndexedSlices) else got
    np.testing.assert_allclose(got.numpy(), want)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.uint64])
def test_index_dtypes(dtype):
    v = av.Variable(np.ones((200, 2)))
    with av.GradientTape() as tape:
        y = v[np.array([3, 100, 3], dtype)]
    dense = tape.gradient(y, v).to_dense().numpy()
    assert dense.sum() == 6 and dense[3, 0] == 2 and dense[100, 1] == 1


# ---------------------------------------------------------------- updates


def test_updates_have_numpys_values():
    x = np.arange(6.0).reshape(2, 3)
    t = av.Tensor(x)
    y = x.copy()
    y[0] = [7.0, 8.0, 9.0]
    np.testing.assert_array_equal(t.at[0].set([7.0, 8.0, 9.0]).numpy(), y)
    y = x.copy()
    y[:, 1] *= 2
    np.testing.assert_array_equal(t.at[:, 1].multiply(2.0).numpy(), y)
    np.testing.assert_array_equal(t.at[x > 2].max(4.0).numpy(), np.where(x > 2, np.maximum(x, 4.0), x))
    np.testing.assert_array_equal(t.at[..., 0].min(0.5).numpy(), np.array([[0.0, 1, 2], [0.5, 4, 5]]))
    assert t.numpy().tolist() == x.tolist()
    assert av.Tensor(np.ones(2, np.float32)).at[0].set(0.1).dtype == np.float32
    assert av.Tensor(np.ones(2, np.float32)).at[0].add(np.float64(0.1)).dtype == np.float32
    assert av.Tensor(np.ones(2, int)).at[0].set(0.5).numpy().tolist() == [0.5, 1.0]


def test_updates_at_repeated_indices():
    x, i = np.array([1.0, 2.0, 3.0]), np.array([1, 1, 0])
    value = np.array([5.0, 7.0, 11.0])
    check_gradients(lambda a, b: a.at[i].set(b) ** 2, [x, value])
    check_gradients(lambda a, b: a.at[i].add(b) ** 2, [x, value])
    check_gradients(lambda a, b: a.at[i].multiply(b) ** 2, [x, value])
    check_gradients(lambda a, b: a.at[i].max(b) ** 2, [x, value])
    check_gradients(lambda a, b: a.at[i].min(b) ** 2, [x, value / 4 - 2])
    assert av.Tensor(x).at[i].multiply(value).numpy().tolist() == [11.0, 70.0, 3.0]
    assert av.Tensor(x).at[i].set(value).numpy().tolist() == [11.0, 7.0, 3.0]
    assert gradient(lambda b: av.Tensor(x).at[i].multiply(b), np.array([0.0, 0.0, 1.0])).numpy().tolist() == [
        0.0,
        0.0,
        1.0,
    ]


def test_ties_at_an_index_share():
    x = av.Tensor(np.array([2.0, 2.0]))
    value = av.Tensor(np.array([2.0, 2.0, 1.0]))
    with av.GradientTape() as tape:
        tape.watch((x, value))
        y = x.at[np.array([0, 0, 1])].max(value)
    gx, gv = tape.gradient(y, (x, value))
    np.testing.assert_allclose(gx.numpy(), [1 / 3, 1.0])
    np.testing.assert_allclose(gv.numpy(), [1 / 3, 1 / 3, 0.0])


def test_updates_of_variables():
    v = av.Variable([1.0, 2.0])
    with av.GradientTape() as tape:
        y = v.at[0].set(v[1] * 3.0) * v
    assert tape.gradient(y, v).numpy().tolist() == [6.0, 7.0]
    with pytest.raises(TypeError, match="assign"):
        v[0] = 1.0


# ---------------------------------------------------------------- broadcasting, reductions, einsum


@draws
@given(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3, min_side=0))
def test_broadcasting(drawn):
    a, b = (numbers(s, i) + 3.0 for i, s in enumerate(drawn.input_shapes))
    check_gradients(lambda x, y: x * y / (y + 1.0) - av.maximum(x, y + 10.0) + av.where(a > 3, x, y), [a, b])


REDUCTIONS = ["sum", "mean", "prod", "max", "min", "var", "std", "logsumexp", "ptp"]


@draws
@given(st.data())
def test_reductions_over_any_axes(data):
    name = data.draw(st.sampled_from(REDUCTIONS))
    shape = data.draw(hnp.array_shapes(min_dims=0, max_dims=3, min_side=1, max_side=3))
    axes = st.integers(-len(shape), len(shape) - 1) if shape else st.nothing()
    axis = data.draw(st.one_of(st.none(), axes, hnp.valid_tuple_axes(len(shape))))
    keepdims = data.draw(st.booleans())
    x = np.random.default_rng(1).permutation(int(np.prod(shape, dtype=int))).reshape(shape) * 0.7 - 1.3
    f = getattr(av, name)
    y = f(av.Tensor(x), axis=axis, keepdims=keepdims).numpy()
    if name == "logsumexp":
        want = np.log(np.exp(x).sum(axis=axis, keepdims=keepdims))
    else:
        want = getattr(np, name)(x, axis=axis, keepdims=keepdims)
    np.testing.assert_allclose(y, want, atol=1e-12)
    assert y.shape == want.shape
    if name != "std" or (want > 1e-6).all():
        check_gradients(lambda t: f(t, axis=axis, keepdims=keepdims), [x])


@st.composite
def einsum_specs(draw):
    """(specification, shapes): one to three operands with repeated labels, ellipses and sizes of 1."""
    sizes = {c: draw(st.integers(1, 3)) for c in "abcd"}
    terms, shapes = [], []
    for _ in range(draw(st.integers(1, 3))):
        term = "".join(draw(st.lists(st.sampled_from("abcd"), max_size=3)))
        shape = [1 if term.count(c) == 1 and draw(st.integers(0, 5)) == 0 else sizes[c] for c in term]
        if draw(st.booleans()):
            place = draw(st.integers(0, len(term)))
            dots = draw(st.integers(0, 2))
            term = term[:place] + "..." + term[place:]
            shape[place:place] = [3, 2][2 - dots :] if draw(st.booleans()) else [1] * dots
        terms.append(term)
        shapes.append(tuple(shape))
    spec = ",".join(terms)
    labels = sorted(set(spec) - set(",."))
    if draw(st.booleans()) or (spec.count("...") == 0 and draw(st.booleans())):
        out = "".join(draw(st.permutations(labels))[: draw(st.integers(0, len(labels)))])
        spec += "->" + ("..." if "..." in spec else "") + out
    return spec, shapes


@settings(draws, max_examples=150)
@given(einsum_specs())
def test_einsum(drawn):
    spec, shapes = drawn
    operands = [numbers(s, i) for i, s in enumerate(shapes)]
    want = np.einsum(spec, *operands)
    got = av.einsum(spec, *map(av.Tensor, operands))
    np.testing.assert_allclose(got.numpy(), want, atol=1e-10)
    assert got.shape == want.shape
    check_gradients(lambda *xs: av.einsum(spec, *xs), operands)


@pytest.mark.parametrize(
    ("spec", "shapes"),
    [
        ("ij,jk", ((2, 3), (4, 2))), ("ij->k", ((2, 3),)), ("ij->ii", ((2, 3),)), ("i,j", ((2,),)), ("ijk", ((2, 3),)),
        ("i...", ((),)), ("ii", ((2, 3),)),
    ],
)  # fmt: skip
def test_einsum_errors(spec, shapes):
    with pytest.raises(ValueError):
        av.einsum(spec, *(av.Tensor(numbers(s)) for s in shapes))


def test_a_contraction_is_a_matrix_product():
    a, b = av.Tensor(numbers((3, 4))), av.Tensor(numbers((4, 5)))
    with av.GradientTape() as tape:
        tape.watch(a)
        y = av.einsum("ij,jk->ik", a, b)
    assert len(tape._record.entries) == 1
    np.testing.assert_array_equal(y.numpy(), a.numpy().dot(b.numpy()))
