"""Recurrent layers and attention: states, masks, caches, mistakes. PyTorch's values are in test_layers_values.py."""

import copy
import pickle

import numpy as np
import pytest

import autograd_vs as av

layers = av.layers
RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 5, 3))
CELLS = {"simple": layers.SimpleRNNCell, "gru": layers.GRUCell, "lstm": layers.LSTMCell}


@pytest.fixture(autouse=True)
def store():
    with av.VariableStore(seed=0) as store, av.variable_scope("m", dtype="float64"):
        yield store


def close(a, b):
    np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-12, atol=1e-14)


# ---------------------------------------------------------------- recurrent


@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
def test_states_go_on_where_they_ended(cell):
    rnn = layers.RNN([cell(4), cell(3)], return_sequences=True, return_state=True)
    y, states = rnn(X)
    first, between = rnn(X[:, :2])
    second, end = rnn(X[:, 2:], initial_state=between)
    close(av.concatenate([first, second], axis=1), y)
    assert len(rnn.weights) == len({v.name for v in rnn.weights}) == 2 * (4 if cell is layers.GRUCell else 3)
    for a, b in zip(end, states, strict=True):
        for one, two in zip(*[s if isinstance(s, tuple) else (s,) for s in (a, b)], strict=True):
            close(one, two)


@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
def test_a_mask_is_as_a_shorter_sequence(cell):
    rnn = layers.RNN(cell(4), backward=cell(4), return_state=True)
    mask = np.arange(5) < np.array([[3], [5]])
    y, (there, back) = rnn(X, mask=mask)
    short, (there_short, back_short) = rnn(X[:1, :3])
    close(y[:1], short)
    for a, b in ((there, there_short), (back, back_short)):
        for one, two in zip(*[s if isinstance(s, tuple) else (s,) for s in (a, b)], strict=True):
            close(one[:1], two)
    again, _ = rnn(X, mask=mask, initial_state=(there, back))
    assert not np.array_equal(again.numpy(), y.numpy())


@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
def test_what_lies_in_the_padding_does_not_matter(cell):
    rnn = layers.RNN([cell(2), cell(2)], backward=[cell(2), cell(2)])
    mask, found = np.arange(5) < np.array([[3], [0]]), []
    for padding in (0.0, np.nan):
        x = av.Tensor(np.where(mask[..., None], X, padding))
        with av.GradientTape() as tape:
            tape.watch(x)
            y = rnn(x, mask=mask)
        found.append([y, *tape.gradient(y, [x, *rnn.weights])])
    for a, b in zip(*found, strict=True):
        assert np.array_equal(a.numpy(), b.numpy())
    assert not found[0][0].numpy()[1].any() and not found[0][1].numpy()[~mask].any()


def test_cells_share_their_variables_over_time(store):
    with av.GradientTape() as tape:
        y = layers.RNN(layers.LSTMCell(4))(X)
    assert [v.op.name for v in store.variables()] == [
        "m/rnn/lstm_cell/kernel", "m/rnn/lstm_cell/recurrent_kernel", "m/rnn/lstm_cell/bias"
    ]  # fmt: skip
    assert all(g is not None for g in tape.gradient(y, store.variables()))


def test_functional_forms_of_layers_that_hold_layers(store):
    def model(x):
        y = layers.transformer_block(x, 3, causal=True)
        return layers.rnn(y, [layers.GRUCell(2), layers.GRUCell(2)], mask=np.ones((2, 5), bool), name="r")

    with av.variable_scope("f"):
        y = model(X)
    n = len(store)
    with av.variable_scope("f", reuse=True):
        close(model(X), y)
    assert len(store) == n == 16 + 8 and "m/f/r/gru_cell_1/recurrent_bias" in store


@pytest.mark.parametrize("name", ["simple_rnn_cell", "gru_cell", "lstm_cell"])
def test_functional_cells_are_a_loop_over_time(name):
    function, cell = getattr(layers, name), CELLS[name.partition("_")[0]]
    state = None
    for i in range(5):
        with av.variable_scope("loop/rnn", reuse=i > 0):
            y, state = function(X[:, i], 4, state=state, name="cell")
    with av.variable_scope("loop", reuse=True):
        close(y, layers.RNN(cell(4, name="cell"), name="rnn")(X))


def test_a_cell_of_ones_own():
    class Sum(layers.Layer):
        def zero_state(self, x):
            return {"total": np.zeros_like(x)}["total"]

        def call(self, x, state):
            return x, state + x

    y, total = layers.RNN(Sum(), return_state=True)(X, mask=np.arange(5) < np.array([[2], [0]]))
    assert total.numpy() == pytest.approx(X.sum(1) * 0 + np.stack([X[0, :2].sum(0), np.zeros(3)]))
    assert y.numpy() == pytest.approx(np.stack([X[0, 1], np.zeros(3)]))


def test_forget_bias():
    cell = layers.LSTMCell(2, forget_bias=1.0)
    cell(X[:, 0])
    assert cell.bias.numpy().tolist() == [0, 0, 1, 1, 0, 0, 0, 0] and cell.bias.dtype == np.float64
    other = layers.LSTMCell(2, forget_bias=3.0, bias_initializer=av.initializers.ones())
    other(X[:, 0])
    assert other.bias.numpy().tolist() == [1, 1, 3, 3, 1, 1, 1, 1]
    assert layers.LSTMCell(2, use_bias=False)(X[:, 0])[0].shape == (2, 2)


def test_recurrent_kernels_start_orthogonal():
    cell = layers.SimpleRNNCell(4)
    cell(X[:, 0])
    np.testing.assert_allclose(cell.recurrent_kernel.numpy().T @ cell.recurrent_kernel.numpy(), np.eye(4), atol=1e-12)


def test_mistakes_with_sequences():
    with pytest.raises(ValueError, match="1 cells and 2 backward cells do not go together"):
        layers.RNN(layers.GRUCell(2), [layers.GRUCell(2)] * 2)
    with pytest.raises(ValueError, match=r"at least one step, got \(2, 0, 3\)"):
        layers.RNN(layers.GRUCell(2))(X[:, :0])
    with pytest.raises(ValueError, match=r"a mask is bool, of shape \(2, 5\)"):
        layers.RNN(layers.GRUCell(2))(X, mask=np.ones((2, 5)))
    for cell in (layers.GRUCell, layers.Dense(3), [layers.GRUCell(2), None]):
        with pytest.raises(TypeError, match=r"a cell has call\(x, state\) and zero_state\(x\)"):
            layers.RNN(cell)
    zeros = np.zeros((2, 2))
    with pytest.raises(ValueError, match=r"a state is the pair \(h, c\); got ndarray of shape \(2, 2\)"):
        layers.LSTMCell(2)(X[:, 0], zeros)
    with pytest.raises(ValueError, match=r"a state for each cell; got 1, of shapes \(2, 2\)"):
        layers.RNN([layers.GRUCell(2), layers.GRUCell(2)])(X, initial_state=[zeros])
    with pytest.raises(ValueError, match=r"the pair \(forward, backward\); got ndarray of shape \(2, 2\)"):
        layers.RNN(layers.GRUCell(2), layers.GRUCell(2))(X, initial_state=zeros)
    with pytest.raises(ValueError, match="2 heads do not divide the 3 numbers of x"):
        layers.MultiHeadAttention(2)(X)
    with pytest.raises(TypeError, match="memory goes with cross=True"):
        layers.TransformerBlock(3)(X, X)
    with pytest.raises(TypeError, match="memory goes with cross=True"):
        layers.TransformerBlock(3, cross=True)(X)
    for layer in (layers.MultiHeadAttention(3, rate=0.1), layers.TransformerBlock(3, rate=0.1)):
        with pytest.raises(TypeError, match="training=True or training=False"):
            layer(X)


# ---------------------------------------------------------------- attention


MAKERS = pytest.mark.parametrize(
    "make", [layers.MultiHeadAttention, layers.TransformerBlock], ids=["attention", "block"]
)


def in_pieces(layer, x, pieces, length, causal=True, mask=None):
    """What a layer with a cache gives for a sequence that comes in pieces."""
    cache, found, at = layer.make_cache(x, length), [], 0
    for n in pieces:
        part = None if mask is None else mask[at : at + n]
        y, cache = layer(x[:, at : at + n], causal=causal, cache=cache, mask=part)
        found.append(y)
        at += n
    assert cache.used.item() == at and cache.keys.shape[-2] == cache.values.shape[-2] == length
    return av.concatenate(found, axis=1)


@pytest.mark.parametrize("pieces, length", [([1] * 5, 5), ([3, 2], 7), ([5], 6), ([2, 0, 3], 9)], ids=str)
@MAKERS
def test_a_cache_gives_what_the_whole_sequence_gives(make, pieces, length):
    layer, x = make(3), av.Tensor(X)
    with av.GradientTape(persistent=True) as tape:
        tape.watch(x)
        found = in_pieces(layer, x, pieces, length)  # makes the variables, too
        whole = layer(x, causal=True)
    close(found, whole)
    g = RNG.normal(size=whole.shape)
    of_pieces, of_whole = [tape.gradient(y, [x, *layer.weights], output_gradients=g) for y in (found, whole)]
    for a, b in zip(of_pieces, of_whole, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-10, atol=1e-12)


@MAKERS
def test_decoding_is_one_plan(make):
    layer = make(3)
    whole = layer(X, causal=True)
    decode = av.function(lambda x, cache: layer(x, causal=True, cache=cache))
    cache, found = layer.make_cache(X, 5), []
    for i in range(5):
        y, cache = decode(av.Tensor(X[:, i : i + 1]), cache)
        found.append(y)
    close(av.concatenate(found, axis=1), whole)
    assert decode.traces == 1
    with pytest.raises(IndexError, match="place of the cache 5 is out of range: there are 5"):
        decode(av.Tensor(X[:, :1]), cache)


def test_decoding_in_a_loop_of_a_plan():
    block = layers.TransformerBlock(3)

    def advance(state):
        n, x, cache = state
        return n + 1, *block(x, causal=True, cache=cache)

    @av.function
    def decode(x, cache):
        return av.while_loop(lambda state: state[0] < 4, advance, (av.Tensor(0), x, cache))

    x = av.Tensor(X[:, :1])
    block(x)
    _, found, cache = decode(x, block.make_cache(x, 5))
    state = 0, x, block.make_cache(x, 5)
    for _ in range(4):
        state = advance(state)
    close(found, state[1])
    assert cache.used.item() == 4 and decode.traces == 1


def test_a_cache_without_causal_sees_all_up_to_now():
    attention = layers.MultiHeadAttention(3)
    y, cache = attention(X[:, :3], cache=attention.make_cache(X, 5))
    close(y, attention(X[:, :3]))
    close(attention(X[:, 3:], cache=cache)[0], attention(X[:, 3:], X))


@pytest.mark.parametrize("kind", ["bool", "float"])
def test_a_mask_and_a_cache(kind):
    attention = layers.MultiHeadAttention(1)
    allowed = RNG.uniform(size=(5, 5)) > 0.3
    allowed |= np.eye(5, dtype=bool)
    mask = allowed if kind == "bool" else RNG.normal(size=(5, 5))
    whole = attention(X, mask=mask, causal=True)
    close(in_pieces(attention, X, [3, 2], 5, mask=mask), whole)


def test_caches_are_of_the_dtype_of_the_keys():
    attention = layers.MultiHeadAttention(2, kv_heads=1, key_dim=3, dtype="float32")
    x = X.astype(np.float32)
    cache = attention.make_cache(x, 4)
    assert cache.keys.shape == (2, 1, 4, 3) and cache.keys.dtype == np.float32 and cache.used.dtype == np.int64
    assert not cache.keys.numpy().any() and attention.make_cache(X, 4).keys.dtype == np.float64
    assert attention(x[:, :2], cache=cache)[1].values.dtype == np.float32


def test_mistakes_with_caches():
    attention = layers.MultiHeadAttention(3)
    cache = attention.make_cache(X, 4)
    with pytest.raises(TypeError, match=r"a cache is what make_cache\(x, length\) gives, got \(\)"):
        attention(X, cache=())
    with pytest.raises(TypeError, match="a cache is for attention of x to itself"):
        attention(X, X, cache=cache)
    with pytest.raises(IndexError, match="place of the cache 4 is out of range: there are 4"):
        attention(X, cache=cache)
    with pytest.raises(ValueError, match=r"\(1, 3, 5, 1\) do not go on in a cache of shape \(2, 3, 4, 1\)"):
        attention(X[:1], cache=cache)
    with pytest.raises(ValueError, match=r"a mask is of all its 4 places.*got \(2, 2\)"):
        attention(X[:, :2], cache=cache, mask=np.ones((2, 2), bool))
    with pytest.raises(ValueError, match="at least one place, got length=0"):
        attention.make_cache(X, 0)
    for heads, kv_heads in ((0, None), (3, 2), (2, 4), (2, 0)):
        with pytest.raises(ValueError, match=f"are at least 1, got {heads} and {kv_heads}"):
            layers.MultiHeadAttention(heads, kv_heads=kv_heads)
    with pytest.raises(ValueError, match=r"an array of shape \(..., n, inputs\), got shape \(3,\)"):
        layers.MultiHeadAttention(3)(X[0, 0])


def test_causal_places_do_not_see_later_ones():
    block = layers.TransformerBlock(3)
    other = X.copy()
    other[:, 3:] += 1.0
    y, z = block(X, causal=True).numpy(), block(other, causal=True).numpy()
    assert np.array_equal(y[:, :3], z[:, :3]) and not np.array_equal(y[:, 3], z[:, 3])


def test_heads_of_keys_that_are_shared():
    x = RNG.normal(size=(2, 5, 8))
    few, many = layers.MultiHeadAttention(4, kv_heads=2), layers.MultiHeadAttention(4)
    y = few(x)
    many(x)
    assert few.key.kernel.shape == (8, 4)
    for name in ("query", "key", "value", "output"):
        for mine, theirs in zip(getattr(few, name).weights, getattr(many, name).weights, strict=True):
            value = mine.numpy()
            if name in ("key", "value"):
                value = np.repeat(value.reshape(*value.shape[:-1], 2, 2), 2, axis=-2).reshape(theirs.shape)
            theirs.assign(value)
    close(many(x), y)


def test_sizes_of_attention():
    attention = layers.MultiHeadAttention(2, key_dim=5, output_dim=7, use_bias=False)
    assert attention(X, RNG.normal(size=(2, 4, 6))).shape == (2, 5, 7)
    assert [v.shape for v in attention.weights] == [(3, 10), (6, 10), (6, 10), (10, 7)]
    assert layers.multi_head_attention(X, 3, causal=True, name="a").shape == X.shape


@pytest.mark.parametrize("norm_first", [True, False])
def test_what_a_block_drops(norm_first):
    """As in PyTorch: the results of both parts, and the hidden units (dropout1, dropout2, dropout)."""
    block, seen = layers.TransformerBlock(3, rate=0.5, norm_first=norm_first), []
    y = block(X, training=False)
    block.dropout = lambda x, training: (seen.append((x.shape, training)), x)[1]
    close(block(X, training=False), y)
    assert seen == [((2, 5, 3), False), ((2, 5, 12), False), ((2, 5, 3), False)]


def test_a_mask_of_the_memory():
    block = layers.TransformerBlock(3, cross=True)
    memory = RNG.normal(size=(2, 4, 6))
    close(block(X, memory, memory_mask=np.arange(4) < 2), block(X, memory[:, :2]))


def test_a_dtype_is_that_of_all_within():
    block = layers.TransformerBlock(3, cross=True, dtype="float32")
    assert block(X, X).dtype == np.float64 and {v.dtype for v in block.weights} == {np.dtype("float32")}
    rnn = layers.RNN(layers.LSTMCell(2, dtype="float32"), layers.GRUCell(2))
    rnn(X)
    assert [v.dtype for v in rnn.weights] == 3 * [np.float32] + 4 * [np.float64]


def test_dropout_of_a_block_draws_while_training(seed):
    seed(3)
    block = layers.TransformerBlock(3, rate=0.5)
    y = block(X, training=False).numpy()
    assert np.array_equal(y, block(X, training=False).numpy())
    a, b = block(X, training=True).numpy(), block(X, training=True).numpy()
    assert not np.array_equal(a, y) and not np.array_equal(a, b)


def test_a_frozen_block_that_is_built_frozen():
    block = layers.TransformerBlock(3, cross=True, trainable=False)
    with av.GradientTape() as tape:
        block(X, X)
    assert not tape.watched_variables() and not block.trainable_weights and len(block.weights) == 26
    block.trainable = True
    assert len(block.trainable_weights) == 26


@pytest.mark.parametrize("twin", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))], ids=["copy", "pickle"])
def test_copies(twin):
    model = layers.Sequential([layers.TransformerBlock(3), layers.RNN(layers.GRUCell(2), layers.GRUCell(2))])
    y = model(X)
    close(twin(model)(X), y)


def test_gradients_of_a_small_model():
    model = layers.Sequential([layers.TransformerBlock(3, hidden=4), layers.RNN(layers.LSTMCell(2))])
    model(X)
    av.testing.check_gradients(lambda x: model(x), [X], order=1)
