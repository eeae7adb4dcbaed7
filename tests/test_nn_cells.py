"""Recurrent cells: PyTorch's values, cells written by hand, what they record, broadcast states."""

import numpy as np
import pytest
import stored

import autograd_vs as av

RNG = np.random.default_rng(0)


def drawn(*shapes):
    return [RNG.uniform(-1.0, 1.0, shape) for shape in shapes]


@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("name", stored.names("cells"))
def test_pytorchs_values(name, dtype):
    stored.compare(name, dtype, 30.0 if name.endswith("extreme") and dtype is np.float32 else 1.0)


def by_hand(x, h, c, kernel, recurrent_kernel, bias):
    i, f, g, o = av.split(av.nn.linear(x, kernel, bias) + h @ recurrent_kernel, 4, axis=-1)
    c = av.nn.sigmoid(f) * c + av.nn.sigmoid(i) * av.tanh(g)
    return av.nn.sigmoid(o) * av.tanh(c), c


def unrolled(cell, x, weights):
    """Loss, gradients and entries per step of a loop over the first axis of `x`."""
    weights = [av.Variable(w) for w in weights]
    with av.GradientTape() as tape:
        h = c = np.zeros((x.shape[1], 4))
        for x_t in x:
            h, c = cell(x_t, h, c, *weights)
        loss = (h * h + c).sum()
    entries = len(tape._record.entries) / len(x)
    return loss, tape.gradient(loss, weights), entries


def test_an_unrolled_lstm_is_the_one_written_by_hand():
    x, *weights = drawn((6, 3, 2), (2, 16), (4, 16), (16,))
    loss, gradients, entries = unrolled(av.nn.lstm_cell, x, weights)
    want, wanted, many = unrolled(by_hand, x, weights)
    np.testing.assert_allclose(loss.numpy(), want.numpy(), rtol=1e-13)
    for g, w in zip(gradients, wanted, strict=True):
        np.testing.assert_allclose(g.numpy(), w.numpy(), rtol=1e-11, atol=1e-13)
    assert entries < 6 < 16 < many  # two products, the cell, one for each of its outputs


def entries(cell, *args):
    args = [av.Variable(a) for a in args]
    with av.GradientTape() as tape:
        cell(*args)
    return len(tape._record.entries)


def test_what_the_other_cells_record():
    assert entries(av.nn.gru_cell, *drawn((2, 3), (2, 4), (3, 12), (4, 12), (12,), (12,))) == 3
    assert entries(av.nn.simple_rnn_cell, *drawn((2, 3), (2, 4), (3, 4), (4, 4), (4,))) == 3


def test_only_one_of_the_states_is_used():
    x, h, c, kernel, recurrent = drawn((2, 3), (2, 4), (2, 4), (3, 16), (4, 16))
    for i in range(2):
        av.testing.check_gradients(lambda *args, i=i: av.nn.lstm_cell(*args)[i], [x, h, c, kernel, recurrent])


def test_biases_may_be_absent():
    x, h, c = drawn((2, 3), (2, 4), (2, 4))
    for cell, gates, states in (
        (av.nn.lstm_cell, 4, (h, c)), (av.nn.gru_cell, 3, (h,)), (av.nn.simple_rnn_cell, 1, (h,)),
    ):  # fmt: skip
        kernel, recurrent = drawn((3, 4 * gates), (4, 4 * gates))
        zeros = [np.zeros(4 * gates)] * (2 if gates == 3 else 1)
        plain, biased = cell(x, *states, kernel, recurrent), cell(x, *states, kernel, recurrent, *zeros)
        plain, biased = (plain, biased) if gates == 4 else ((plain,), (biased,))
        assert all(np.array_equal(p, b) for p, b in zip(plain, biased, strict=True))


def test_a_learned_first_state_is_shared_by_the_batch():
    x, h, c, kernel, recurrent = drawn((5, 3), (4,), (4,), (3, 16), (4, 16))
    start = [av.Variable(h), av.Variable(c)]
    with av.GradientTape() as tape:
        y, _ = av.nn.lstm_cell(x, *start, kernel, recurrent)
    shared = tape.gradient(y, start)
    each = [av.Tensor(np.broadcast_to(s, (5, 4))) for s in (h, c)]
    with av.GradientTape() as tape:
        tape.watch(each)
        z, _ = av.nn.lstm_cell(x, *each, kernel, recurrent)
    np.testing.assert_allclose(y.numpy(), z.numpy(), rtol=1e-13)
    for g, w in zip(shared, tape.gradient(z, each), strict=True):
        np.testing.assert_allclose(g.numpy(), w.numpy().sum(0), rtol=1e-12)


def test_a_state_of_another_dtype():
    x, h, c, kernel, recurrent = (a.astype(np.float32) for a in drawn((2, 3), (2, 4), (2, 4), (3, 16), (4, 16)))
    v = av.Variable(c.astype(float))
    with av.GradientTape() as tape:
        new_h, new_c = av.nn.lstm_cell(x, h, v, kernel, recurrent)
    assert new_h.dtype == new_c.dtype == np.float64 and tape.gradient(new_c, v).dtype == np.float64
    assert av.nn.gru_cell(x, h, kernel[:, :12], recurrent[:, :12]).dtype == np.float32


def test_saturated_gates_pass_no_nan():
    x, h, c, kernel, recurrent = drawn((2, 3), (2, 4), (2, 4), (3, 16), (4, 16))
    tensors = [av.Tensor(a) for a in (x * 1e6, h, c)]
    with av.GradientTape() as tape:
        tape.watch(tensors)
        new = av.nn.lstm_cell(*tensors, kernel, recurrent)
    assert all(np.isfinite(g.numpy()).all() for g in tape.gradient(new, tensors))


def test_another_activation():
    x, h, kernel, recurrent = drawn((2, 3), (2, 4), (3, 4), (4, 4))
    y = av.nn.simple_rnn_cell(x, h, kernel, recurrent, activation=av.nn.relu)
    np.testing.assert_allclose(y.numpy(), np.maximum(x @ kernel + h @ recurrent, 0.0), rtol=1e-13)


def test_shapes_that_do_not_fit():
    x, h, c, kernel, recurrent, bias = drawn((2, 3), (2, 4), (2, 4), (3, 16), (4, 16), (16,))
    for wrong in (
        (x, h, c[:, :3], kernel, recurrent, bias), (x, h, c, kernel[:2], recurrent, bias),
        (x, h, c, kernel, recurrent.T, bias), (x, h, c, kernel, recurrent, bias[:4]), (x, h, c[0], kernel, recurrent),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"lstm_cell: the shapes do not fit: x \(2, 3\)"):
            av.nn.lstm_cell(*wrong)
    with pytest.raises(ValueError, match="gru_cell"):
        av.nn.gru_cell(x, h, kernel, recurrent)
    with pytest.raises(ValueError, match="simple_rnn_cell"):
        av.nn.simple_rnn_cell(x, h, kernel, recurrent)
