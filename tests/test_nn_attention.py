"""Attention: PyTorch's values, masks, queries that look nowhere, shared heads, dropout, what it keeps."""

import numpy as np
import pytest
import stored

import autograd_vs as av

attention = av.nn.scaled_dot_product_attention
RNG = np.random.default_rng(0)
Q, K, V = RNG.normal(size=(2, 3, 4, 5)), RNG.normal(size=(2, 3, 6, 5)), RNG.normal(size=(2, 3, 6, 2))


@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("name", stored.names("attention"))
def test_pytorchs_values(name, dtype):
    # scores of up to 8e4 have two digits behind the point in float32
    stored.compare(name, dtype, 1e3 if name.endswith("large") and dtype is np.float32 else 1.0)


@pytest.mark.parametrize("kind", ["bool", "float"])
def test_a_query_that_looks_nowhere_gives_zeros(kind):
    mask = np.ones((4, 6), bool)
    mask[1] = False
    mask = mask if kind == "bool" else np.where(mask, 0.0, -np.inf)
    tensors = [av.Tensor(a) for a in (Q, K, V)]
    with av.GradientTape(persistent=True) as tape:
        tape.watch(tensors)
        y = attention(*tensors, mask)
        g = tape.gradient(y, tensors)
        again = tape.gradient(g[0] * Q, tensors)
    assert (y.numpy()[:, :, 1] == 0).all() and (g[0].numpy()[:, :, 1] == 0).all()
    others = [0, 2, 3]
    np.testing.assert_allclose(y.numpy()[:, :, others], attention(Q[:, :, others], K, V).numpy(), rtol=1e-13)
    assert all(np.isfinite(c.numpy()).all() for c in (*g, *again))
    all_masked = attention(Q, K, V, np.zeros((4, 6), bool))
    assert all_masked.shape == (2, 3, 4, 2) and not np.any(all_masked.numpy())


def test_causal_attention_does_not_see_what_comes_later():
    y = attention(Q, K, V, causal=True).numpy()
    for i in range(4):
        alone = attention(Q[:, :, i : i + 1], K[:, :, : i + 1], V[:, :, : i + 1]).numpy()
        np.testing.assert_allclose(y[:, :, i : i + 1], alone, rtol=1e-13)


def test_a_learned_mask_has_a_gradient():
    bias = av.Variable(np.zeros((3, 1, 6)))
    with av.GradientTape() as tape:
        y = (attention(Q, K, V, bias) * V[:, :, :1]).sum()
    g = tape.gradient(y, bias).numpy()
    step = np.zeros((3, 1, 6))
    step[1, 0, 2] = 1e-6
    difference = (attention(Q, K, V, step) - attention(Q, K, V, -step)) * V[:, :, :1] / 2e-6
    np.testing.assert_allclose(g[1, 0, 2], difference.sum().item(), rtol=1e-6)
    np.testing.assert_allclose(g.sum(-1), 0.0, atol=1e-14)


def test_shared_heads_are_repeated_ones():
    many = RNG.normal(size=(2, 6, 4, 5))
    mask = RNG.normal(size=(6, 4, 6))

    def slopes(shared):
        def loss(q, k, v):
            if not shared:
                k, v = av.repeat(k, 2, axis=1), av.repeat(v, 2, axis=1)
            return (attention(q, k, v, mask, causal=True) ** 2).sum()

        return av.grad(loss, (0, 1, 2))(many, K, V)

    for got, want in zip(slopes(True), slopes(False), strict=True):
        np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-11, atol=1e-13)


def test_it_keeps_the_weights_once():
    tensors = [av.Tensor(a) for a in (Q, K, V)]
    with av.GradientTape() as tape:
        tape.watch(tensors)
        attention(*tensors, RNG.normal(size=(4, 6)) > 0, causal=True)
    entries = tape._record.entries
    assert len(entries) == 4  # the keys transposed, the scores, the weights, the values
    large = {id(a) for entry in entries for args in entry[3] for a in args if getattr(a, "shape", ()) == (2, 3, 4, 6)}
    assert len(large) == 1


def test_dropout_of_weights(seed):
    assert attention(Q, K, V, rate=0.5, training=False).tolist() == attention(Q, K, V).tolist()
    av.random.set_seed(3)
    first = attention(Q, K, V, rate=0.5, training=True, stream="attention").numpy()
    av.random.set_seed(3)
    assert (first == attention(Q, K, V, rate=0.5, training=True, stream="attention").numpy()).all()
    assert not np.allclose(first, attention(Q, K, V).numpy())
    assert not np.any(attention(Q, K, V, rate=1.0, training=True).numpy())
    with pytest.raises(TypeError, match="training"):
        attention(Q, K, V, rate=0.1)
    with pytest.raises(ValueError, match="rate"):
        attention(Q, K, V, rate=1.5, training=True)


@pytest.mark.parametrize(
    "q, k, v, words",
    [
        (Q[0, 0, 0], K, V, "each has a dimension of places"),
        (Q[..., :4], K, V, "the last dimensions of q and k differ"),
        (Q, K, V[:, :, :5], "k and v have different numbers of places"),
        (Q, K, V[:, :2], "k and v have different numbers of heads"),
        (Q, K[:, :2], V[:, :2], "the heads of k do not divide those of q"),
    ],
)
def test_shapes_that_do_not_fit(q, k, v, words):
    with pytest.raises(ValueError, match=words) as error:
        attention(q, k, v)
    assert f"q {q.shape}, k {k.shape}, v {v.shape}" in str(error.value)


def test_masks_that_do_not_fit():
    for mask in (np.ones((6, 4), bool), np.ones((5, 1, 1, 1, 1), bool), np.ones((2, 2, 3, 4, 6), bool)):
        with pytest.raises(ValueError, match="a mask of shape"):
            attention(Q, K, V, mask)
    with pytest.raises(TypeError, match=r"bool \(True: may look\) or float"):
        attention(Q, K, V, np.ones((4, 6), int))
    assert attention(Q.astype(np.float32), K.astype(np.float32), V.astype(np.float32), np.zeros((4, 6))).dtype == "f4"
