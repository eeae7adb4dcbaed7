"""GradientTape: the contract, sentence by sentence."""

import asyncio
import collections
import gc
import sys
import threading
import warnings
import weakref

import numpy as np
import pytest

import autograd_vs as av
from autograd_vs.engine import record, walk


def watched(value):
    return av.Tensor(np.asarray(value, float))


# ---------------------------------------------------------------- plain gradients


def test_gradient_of_a_variable_read_inside():
    x = av.Variable(3.0)
    with av.GradientTape() as tape:
        y = x * x
    g = tape.gradient(y, x)
    assert g.item() == 6.0
    assert g.dtype == np.float32


def test_gradient_has_the_structure_of_the_sources():
    a, b, c = (av.Variable(float(i)) for i in (2, 3, 4))
    with av.GradientTape() as tape:
        y = a * b * c
    g = tape.gradient(y, {"a": a, "rest": [b, (c,)]})
    assert (g["a"].item(), g["rest"][0].item(), g["rest"][1][0].item()) == (12.0, 8.0, 6.0)
    assert isinstance(g["rest"][1], tuple)


def test_one_source_in_a_list_gives_a_list():
    x = av.Variable(2.0)
    with av.GradientTape() as tape:
        y = x * x
    assert [g.item() for g in tape.gradient(y, [x])] == [4.0]


def test_the_same_source_twice():
    x = av.Variable(2.0)
    with av.GradientTape() as tape:
        y = x * x
    assert [g.item() for g in tape.gradient(y, [x, x])] == [4.0, 4.0]


def test_targets_are_summed():
    x = av.Variable(2.0)
    with av.GradientTape(persistent=True) as tape:
        y, z = x * x, x * 3.0
    assert tape.gradient([y, z], x).item() == 7.0
    assert tape.gradient({"y": y, "again": y}, x).item() == 8.0


def test_elements_of_a_target_are_summed():
    x = watched([1.0, 2.0])
    with av.GradientTape() as tape:
        tape.watch(x)
        y = x * x
    np.testing.assert_array_equal(tape.gradient(y, x).numpy(), [2.0, 4.0])


def test_output_gradients():
    x = watched([1.0, 2.0])
    with av.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = x * x
    np.testing.assert_array_equal(tape.gradient(y, x, output_gradients=np.array([10.0, 1.0])).numpy(), [20.0, 4.0])
    np.testing.assert_array_equal(tape.gradient(y, x, output_gradients=av.Tensor([10.0, 1.0])).numpy(), [20.0, 4.0])
    with pytest.raises(ValueError, match=r"shape \(3,\)"):
        tape.gradient(y, x, output_gradients=np.ones(3))
    with pytest.raises(ValueError, match="2 output_gradients for 1 targets"):
        tape.gradient(y, x, output_gradients=[np.ones(2), np.ones(2)])


def test_a_source_may_be_an_intermediate_value():
    x = av.Variable(3.0)
    with av.GradientTape() as tape:
        h = x * x
        y = h * h
    gx, gh = tape.gradient(y, [x, h])
    assert (gx.item(), gh.item()) == (108.0, 18.0)


def test_a_target_may_be_a_source():
    x = av.Variable(3.0)
    with av.GradientTape(persistent=True) as tape:
        y = x * 2.0
    assert tape.gradient(y, [y, x])[0].item() == 1.0
    assert tape.gradient(x, x).item() == 1.0


def test_unconnected_gradients():
    x, other = av.Variable([1.0, 2.0]), av.Variable([[1.0]])
    with av.GradientTape(persistent=True) as tape:
        y = x * x
    assert tape.gradient(y, other) is None
    zeros = tape.gradient(y, other, unconnected_gradients="zero")
    assert zeros.shape == (1, 1) and zeros.item() == 0.0
    with pytest.raises(ValueError, match="'none' or 'zero'"):
        tape.gradient(y, other, unconnected_gradients="None")


def test_only_what_a_source_reaches_is_walked():
    calls = []
    from autograd_vs.engine.op import op

    def twice(x):
        return x * 2.0

    spy = op(forward=twice, name="spy_twice", vjp={"x": lambda g: calls.append(1) or g * 2.0})
    try:
        v, w = av.Variable(1.0), av.Variable(1.0)
        with av.GradientTape() as tape:
            y = spy(v) * w
        assert tape.gradient(y, w).item() == 2.0
        assert calls == []
    finally:
        from autograd_vs.engine import registry

        del registry.ops["spy_twice"]


def test_float64_and_float32_meet_and_each_source_keeps_its_dtype():
    a, b = av.Tensor(np.float32(2.0)), av.Tensor(np.float64(3.0))
    with av.GradientTape() as tape:
        tape.watch([a, b])
        y = a * b
    ga, gb = tape.gradient(y, [a, b])
    assert (y.dtype, ga.dtype, gb.dtype) == (np.float64, np.float32, np.float64)


def test_precision_warning_once_per_line():
    v = av.Variable([1.0, 2.0])

    def mix():
        with av.GradientTape():
            return v * np.ones(2)

    with pytest.warns(av.PrecisionWarning, match="float32 variable"):
        mix()
    mix()  # warnings are errors in this suite: a second one would fail


def test_layers_warn_of_float64_data():
    x = np.ones((2, 3, 4))
    with av.VariableStore(), av.GradientTape():
        with pytest.warns(av.PrecisionWarning, match="dense/kernel"):
            av.layers.Dense(2)(x)
        with pytest.warns(av.PrecisionWarning, match="rnn/lstm_cell"):
            av.layers.RNN(av.layers.LSTMCell(2))(x)


def test_complex_gradients_point_uphill():
    z = av.Tensor(np.array(1.0 + 2.0j))
    with av.GradientTape() as tape:
        tape.watch(z)
        y = (z * av.conj(z)).real
    assert tape.gradient(y, z).item() == 2 * (1.0 + 2.0j)


# ---------------------------------------------------------------- wrong use


def test_second_use_says_where_the_tape_was_used_up():
    x = av.Variable(1.0)
    with av.GradientTape() as tape:
        y = x * x
    tape.gradient(y, x)
    with pytest.raises(RuntimeError, match=r"test_tape.py:\d+.*persistent=True"):
        tape.gradient(y, x)


def test_integer_source_and_target():
    x, i = av.Variable(1.0), av.Tensor(np.arange(3))
    with av.GradientTape(persistent=True) as tape:
        y = x * x
    with pytest.raises(TypeError, match="dtype is not float or complex"):
        tape.gradient(y, i)
    with pytest.raises(TypeError, match="dtype is not float or complex"):
        tape.gradient(i, x)


@pytest.mark.parametrize("bad", [None, 3.0, np.ones(2), "x"])
def test_a_source_must_be_a_tensor(bad):
    x = av.Variable(1.0)
    with av.GradientTape(persistent=True) as tape:
        y = x * x
    with pytest.raises(TypeError, match="a source must be"):
        tape.gradient(y, bad)
    with pytest.raises(TypeError, match="target must be a Tensor"):
        tape.gradient(bad, x)


def test_watch_wants_tensors():
    with av.GradientTape() as tape:
        with pytest.raises(TypeError, match="wrap the array first"):
            tape.watch(np.ones(2))
        with pytest.raises(TypeError, match="only float and complex"):
            tape.watch(av.Tensor(np.arange(2)))
    with pytest.raises(RuntimeError, match="while the tape records"):
        tape.watch(watched(1.0))


def test_a_tape_is_not_entered_twice():
    with av.GradientTape(persistent=True) as tape, pytest.raises(RuntimeError, match="recording already"):
        tape.__enter__()


def test_no_sources():
    x = av.Variable(1.0)
    with av.GradientTape(persistent=True) as tape:
        y = x * x
    with pytest.raises(ValueError, match="no sources"):
        tape.gradient(y, [])
    with pytest.raises(ValueError, match="no targets"):
        tape.gradient([], x)


def test_a_tape_that_recorded_nothing():
    x = av.Variable(1.0)
    tape = av.GradientTape()
    assert tape.gradient(x * x, x) is None
    assert "recorded nothing" in av.GradientTape().explain(x * x, x)


# ---------------------------------------------------------------- watching


def test_watch_accessed_variables_false():
    a, b = av.Variable(2.0), av.Variable(3.0)
    with av.GradientTape(watch_accessed_variables=False, persistent=True) as tape:
        tape.watch(a)
        y = a * b
        only_b = b * b
    assert tape.gradient(y, a).item() == 3.0
    assert tape.gradient(y, b) is None
    assert only_b.position == 0, "what nobody watches is not recorded"
    assert tape.watched_variables() == (a,)
    assert "watch_accessed_variables=False" in tape.explain(y, b)


def test_a_frozen_variable_can_be_watched_by_name():
    v = av.Variable(2.0, trainable=False)
    with av.GradientTape(persistent=True) as tape:
        y = v * v
        tape.watch(v)
        z = v * v
    assert tape.gradient(y, v) is None
    assert tape.gradient(z, v).item() == 4.0
    with av.GradientTape() as tape:
        y = v * v
    assert tape.gradient(y, v) is None
    assert "not trainable" in tape.explain(y, v)


def test_trainable_counts_from_the_next_tape_on():
    v = av.Variable(2.0)
    with av.GradientTape() as tape:
        y = v * v
        v.trainable = False
        z = v * 3.0
    assert tape.gradient([y, z], v).item() == 7.0
    with av.GradientTape() as tape:
        y = v * v
    assert tape.gradient(y, v) is None
    v.trainable = True
    with av.GradientTape() as tape:
        y = v * v
    assert tape.gradient(y, v).item() == 4.0


def test_watched_variables_in_order_of_reading():
    a, b, c = av.Variable(1.0), av.Variable(2.0), av.Variable(3.0)
    with av.GradientTape(persistent=True) as tape:
        b * a
        c.numpy()
    assert tape.watched_variables() == (b, a)


def test_a_tensor_watched_by_two_tapes_one_after_the_other():
    x = watched(3.0)
    with av.GradientTape(persistent=True) as first:
        first.watch(x)
        y = x * x
    with av.GradientTape() as second:
        second.watch(x)
        z = x * x * x
    assert first.gradient(y, x).item() == 6.0
    assert second.gradient(z, x).item() == 27.0
    assert first.gradient(y, x).item() == 6.0


def test_a_value_of_an_earlier_tape_is_a_constant():
    v = av.Variable(2.0)
    with av.GradientTape():
        h = v * v
    with av.GradientTape(persistent=True) as tape:
        y = h * v
    assert tape.gradient(y, v).item() == 4.0
    assert tape.gradient(y, h) is None
    assert "call tape.watch(x)" in tape.explain(y, h)


# ---------------------------------------------------------------- persistent, pause, reset, re-entry


def test_persistent():
    x = av.Variable(3.0)
    with av.GradientTape(persistent=True) as tape:
        y = x * x
        z = y * y
    assert [tape.gradient(t, x).item() for t in (y, z, y)] == [6.0, 108.0, 6.0]


def test_persistent_tape_entered_again_goes_on():
    x = av.Variable(3.0)
    with av.GradientTape(persistent=True) as tape:
        y = x * x
    unrecorded = y * 5.0
    with tape:
        z = y * y
    assert tape.gradient(z, x).item() == 108.0
    assert tape.gradient(unrecorded, x) is None


def test_gradient_inside_its_own_with():
    x = av.Variable(3.0)
    with av.GradientTape() as tape:
        y = x * x
        g = tape.gradient(y, x)
        after = x * x
    assert g.item() == 6.0
    assert after.position == 0


def test_second_order_inside_its_own_with():
    x = av.Variable(3.0)
    with av.GradientTape(persistent=True) as tape:
        y = x * x * x
        g = tape.gradient(y, x)
        h = tape.gradient(g, x)
    assert (g.item(), h.item(), tape.gradient(h, x).item()) == (27.0, 18.0, 6.0)


def test_stop_recording():
    x = av.Variable(3.0)
    with av.GradientTape(persistent=True) as tape:
        y = x * x
        with tape.stop_recording():
            hidden = x * x
        z = y * hidden
    assert tape.gradient(z, x).item() == 54.0
    assert tape.gradient(hidden, x) is None
    assert "not recorded" in tape.explain(hidden, x)
    with pytest.raises(RuntimeError, match="while the tape records"):
        tape.stop_recording()


def test_stop_recording_stops_one_tape_only():
    x = av.Variable(3.0)
    with av.GradientTape(persistent=True) as outer, av.GradientTape(persistent=True) as inner:
        with inner.stop_recording():
            y = x * x
        z = y * x
    assert outer.gradient(z, x).item() == 27.0
    assert inner.gradient(z, x).item() == 9.0
    assert inner.gradient(y, x) is None


def test_reset():
    x = av.Variable(3.0)
    with av.GradientTape(persistent=True) as tape:
        y = x * x
        tape.reset()
        z = x * 2.0
    assert tape.gradient(y, x) is None
    assert tape.gradient(z, x).item() == 2.0
    tape.reset()
    assert tape.watched_variables() == ()


def test_reset_makes_a_used_tape_new():
    x = av.Variable(3.0)
    tape = av.GradientTape()
    for value in (3.0, 4.0):
        tape.reset()
        x.assign(value)
        with tape:
            y = x * x
        assert tape.gradient(y, x).item() == 2 * value


# ---------------------------------------------------------------- nesting


def test_second_and_third_order():
    x = watched(0.7)
    with av.GradientTape() as t3:
        t3.watch(x)
        with av.GradientTape() as t2:
            t2.watch(x)
            with av.GradientTape() as t1:
                t1.watch(x)
                y = np.sin(x)
            first = t1.gradient(y, x)
        second = t2.gradient(first, x)
    third = t3.gradient(second, x)
    np.testing.assert_allclose([first.item(), second.item(), third.item()], [np.cos(0.7), -np.sin(0.7), -np.cos(0.7)])


def test_gradient_of_a_gradient_of_variables():
    rng = np.random.default_rng(0)
    w, x = av.Variable(rng.standard_normal((3, 2))), rng.standard_normal((4, 3))

    def norm_of_gradient():
        with av.GradientTape() as tape:
            loss = av.sum(av.tanh(x @ w))
        return av.sum(av.square(tape.gradient(loss, w)))

    with av.GradientTape() as outer:
        penalty = norm_of_gradient()
    g = outer.gradient(penalty, w).numpy()
    base, eps = w.numpy(), 1e-6
    for index in np.ndindex(3, 2):
        step = np.zeros((3, 2))
        step[index] = eps
        w.assign(base + step)
        up = norm_of_gradient().item()
        w.assign(base - step)
        down = norm_of_gradient().item()
        np.testing.assert_allclose(g[index], (up - down) / (2 * eps), rtol=1e-5, atol=1e-7)


def test_inner_tape_does_not_watch_what_the_outer_one_does():
    x = watched(3.0)
    with av.GradientTape(persistent=True) as outer:
        outer.watch(x)
        with av.GradientTape(persistent=True) as inner:
            y = x * x
        assert inner.gradient(y, x) is None
        assert "call tape.watch(x)" in inner.explain(y, x)
    assert outer.gradient(y, x).item() == 6.0


def test_gradient_on_an_earlier_tape_is_a_constant_for_a_later_one():
    v = av.Variable(3.0)
    with av.GradientTape(persistent=True) as first:
        y = v * v * v
    with av.GradientTape(persistent=True) as second:
        g = first.gradient(y, v)
        z = g * v
    assert g.item() == 27.0
    assert second.gradient(z, v).item() == 27.0, "the forward pass was not recorded by the second tape"


def test_a_paused_outer_tape_takes_the_forward_pass_as_constant():
    v = av.Variable(3.0)
    with av.GradientTape(persistent=True) as outer:
        with outer.stop_recording(), av.GradientTape() as inner:
            y = v * v * v
        g = inner.gradient(y, v)
        z = g * v
    assert outer.gradient(z, v).item() == 27.0


def test_closed_in_the_wrong_order():
    outer, inner = av.GradientTape(), av.GradientTape()
    outer.__enter__()
    inner.__enter__()
    with pytest.raises(RuntimeError, match="out of order"):
        outer.__exit__(None, None, None)
    assert record.active() is None
    with pytest.raises(RuntimeError, match="not open here"):
        inner.__exit__(None, None, None)
    assert record.active() is None


def test_an_exception_leaves_nothing_open():
    x = av.Variable(1.0)
    with pytest.raises(KeyError), av.GradientTape() as tape, tape.stop_recording():
        raise KeyError("x")
    assert record.active() is None
    assert (x * x).position == 0


def test_a_generator_that_suspends_inside_a_tape():
    def suspended():
        with av.GradientTape() as tape:
            yield tape

    outer = av.GradientTape()
    with pytest.raises(RuntimeError, match="still open"), outer:
        generator = suspended()
        next(generator)
    assert record.active() is None
    with pytest.raises(RuntimeError, match="not open here"):
        next(generator, None)


# ---------------------------------------------------------------- assignment between forward and gradient


def test_assign_between_forward_and_gradient():
    rng = np.random.default_rng(1)
    w = av.Variable(rng.standard_normal((3, 3)))
    x = rng.standard_normal((2, 3))
    with av.GradientTape(persistent=True) as tape:
        y = av.sum(av.tanh(x @ w) @ w.T)
    before = tape.gradient(y, w).numpy()
    buffer = w.array
    w.assign(np.full((3, 3), 100.0))
    assert w.array is buffer, "the memory of a variable never moves"
    np.testing.assert_array_equal(tape.gradient(y, w).numpy(), before)
    np.testing.assert_array_equal(w.numpy(), np.full((3, 3), 100.0))
    w.assign_sub(np.ones((3, 3)))
    np.testing.assert_array_equal(tape.gradient(y, w).numpy(), before)


def test_assign_between_forward_and_gradient_of_nested_tapes():
    w = av.Variable(np.array([2.0, 3.0]))
    with av.GradientTape() as outer:
        with av.GradientTape() as inner:
            y = av.sum(w * w * w)
        w.assign([10.0, 10.0])
        g = inner.gradient(y, w)
        w.assign([20.0, 20.0])
    np.testing.assert_array_equal(g.numpy(), [12.0, 27.0])
    np.testing.assert_array_equal(outer.gradient(g, w).numpy(), [12.0, 18.0])


def test_read_again_after_an_assignment():
    v = av.Variable(2.0)
    with av.GradientTape() as tape:
        y = v * v
        v.assign(10.0)
        z = v * v
    assert tape.gradient([y, z], v).item() == 24.0


def test_views_that_a_user_holds_keep_their_values():
    v = av.Variable(np.arange(6.0).reshape(2, 3))
    held = [v.T, v[0], v.reshape(6), v.T[1:], v[:, ::-1], v + 0]
    copies = [t.numpy() for t in held]
    v.assign(v * 0)
    for t, expected in zip(held, copies, strict=True):
        np.testing.assert_array_equal(t.numpy(), expected)
    assert not v.numpy().any()


def test_assigning_a_variable_from_a_view_of_itself():
    v = av.Variable(np.arange(4.0))
    v.assign(v[::-1])
    np.testing.assert_array_equal(v.numpy(), [3.0, 2.0, 1.0, 0.0])
    v.assign_add(v[::-1])
    np.testing.assert_array_equal(v.numpy(), [3.0, 3.0, 3.0, 3.0])


def test_a_gradient_that_is_a_buffer_itself_does_not_change():
    v = av.Variable(np.array([1.0, 2.0]))
    x = av.Tensor(np.array(2.0))
    with av.GradientTape() as tape:
        tape.watch(x)
        y = x * v
    g = tape.gradient(y, v)
    v.assign([7.0, 7.0])
    np.testing.assert_array_equal(g.numpy(), [2.0, 2.0])


def test_a_batch_buffer_may_be_used_again():
    w = av.Variable(np.array([[1.0], [2.0]]))
    batch = np.array([[3.0, 4.0]])
    with av.GradientTape(persistent=True) as tape:
        y = batch @ w
        z = av.reshape(batch, (2, 1)) * w
    batch[:] = 0
    np.testing.assert_array_equal(tape.gradient(y, w).numpy(), [[3.0], [4.0]])
    np.testing.assert_array_equal(tape.gradient(z, w).numpy(), [[3.0], [4.0]])


@pytest.mark.host("CuPy has no read-only arrays")
def test_read_only_batches_are_not_copied():
    w = av.Variable(np.ones((2, 1)))
    batch = np.ones((1, 2))
    batch.flags.writeable = False
    with av.GradientTape():
        batch @ w
        entry = record.active().entries[-1]
    assert any(a is batch for args in entry[3] for a in args)


def test_gradients_are_not_shared_between_inputs():
    a, b = av.Variable(np.ones(3)), av.Variable(np.ones(3))
    with av.GradientTape() as tape:
        s = a + b
        y = s + a + a
    ga, gb = tape.gradient(y, [a, b])
    np.testing.assert_array_equal(ga.numpy(), [3.0, 3.0, 3.0])
    np.testing.assert_array_equal(gb.numpy(), [1.0, 1.0, 1.0])


# ---------------------------------------------------------------- jacobians


def test_jacobian_and_batch_jacobian():
    x = watched([[1.0, 2.0], [3.0, 4.0]])
    for chunk in (None, 1, 3):
        with av.GradientTape() as tape:
            tape.watch(x)
            y = x * x * x
        j = tape.jacobian(y, x, chunk_size=chunk).numpy()
        np.testing.assert_array_equal(j.reshape(4, 4), np.diag(3 * x.numpy().ravel() ** 2))
    with av.GradientTape() as tape:
        tape.watch(x)
        y = x * x * x
    b = tape.batch_jacobian(y, x).numpy()
    np.testing.assert_array_equal(b, [np.diag([3.0, 12.0]), np.diag([27.0, 48.0])])
    with pytest.raises(RuntimeError, match="used up"):
        tape.jacobian(y, x)


def test_jacobian_of_several_sources_and_none():
    x, unused, w = watched([1.0, 2.0]), watched([0.0]), av.Variable(np.ones((2, 2)))
    with av.GradientTape(persistent=True) as tape:
        tape.watch([x, unused])
        y = w @ x
    jx, ju, jw = tape.jacobian(y, [x, unused, w])
    np.testing.assert_array_equal(jx.numpy(), np.ones((2, 2)))
    assert ju is None and jw.shape == (2, 2, 2)
    assert tape.jacobian(y, unused, unconnected_gradients="zero").shape == (2, 1)
    with pytest.raises(ValueError, match="one batch size"):
        tape.batch_jacobian(y, unused)


def test_second_order_of_a_jacobian():
    x = watched([1.0, 2.0])
    with av.GradientTape() as outer:
        outer.watch(x)
        with av.GradientTape() as inner:
            inner.watch(x)
            y = x * x * x
        j = inner.jacobian(y, x)
    np.testing.assert_array_equal(outer.gradient(j, x).numpy(), [6.0, 12.0])


# ---------------------------------------------------------------- explain, check_numerics


def test_explain():
    v, w = av.Variable(2.0, name="explained"), av.Variable(2.0)
    with av.GradientTape() as tape:
        y = av.tanh(v * v)
        z = av.floor(v) * 1.0
    assert tape.explain(y, v) == "Connected: explained:0 -> multiply -> tanh."
    assert "never read" in tape.explain(y, w)
    assert "floor passes no gradient" in tape.explain(z, v)
    assert tape.gradient(z, [v, w]) == [None, None]
    assert "floor passes no gradient" in tape.explain(z, v), "the reason outlives the arrays"
    assert "integer" in tape.explain(y, av.Tensor(np.arange(2)))
    assert "not a Tensor" in tape.explain(3.0, v)


def test_explain_what_left_through_numpy():
    v = av.Variable([2.0, 3.0])
    with av.GradientTape() as tape:
        y = av.Tensor(v.numpy()) * 2.0
    assert "converted to NumPy" in tape.explain(y, v)


def test_check_numerics_names_the_op():
    x = av.Variable([0.0, 1.0])
    with pytest.raises(FloatingPointError, match=r"log gave the first Inf at .*test_tape.py"):
        with np.errstate(all="ignore"), av.GradientTape(check_numerics=True):
            av.log(x * 1.0)


# ---------------------------------------------------------------- names of ops


def test_ops_are_numbered_within_a_record():
    v = av.Variable(1.0)
    with av.GradientTape():
        first, second, third = v + 1.0, v + 1.0, v * 1.0
        assert [t.name for t in (first, second, third)] == ["add:0", "add_1:0", "multiply:0"]
    assert (v + 1.0).op.name == "add"


# ---------------------------------------------------------------- threads and tasks


def test_threads_have_tapes_of_their_own():
    v = av.Variable(2.0)
    results, barrier = {}, threading.Barrier(4)

    def work(k):
        for _ in range(200):
            with av.GradientTape() as tape:
                barrier.wait()
                y = v * float(k) * v
            results.setdefault(k, []).append(tape.gradient(y, v).item())

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert results == {k: [4.0 * k] * 200 for k in range(4)}


def test_async_tasks_have_tapes_of_their_own():
    v = av.Variable(2.0)

    async def work(k):
        with av.GradientTape() as tape:
            y = v * float(k)
            await asyncio.sleep(0)
            y = y * v
        await asyncio.sleep(0)
        return tape.gradient(y, v).item()

    async def main():
        return await asyncio.gather(*(work(k) for k in range(10)))

    assert asyncio.run(main()) == [4.0 * k for k in range(10)]


# ---------------------------------------------------------------- memory


def test_a_used_tape_lets_go_without_the_garbage_collector():
    v = av.Variable(np.ones(10))
    gc.collect()  # what other tests have left
    gc.disable()
    try:
        with av.GradientTape() as tape:
            h = v * 2.0
            died = weakref.ref(h)
            y = av.sum(av.tanh(h))
            del h
        tape.gradient(y, v)
        assert died() is None
        assert not record.live_records
        with av.GradientTape() as tape:
            y = av.sum(av.tanh(v * 2.0))
        assert len(record.live_records) == 1
        del tape
        assert not record.live_records, "a tape that nobody walked lets go when it dies, though y is held"
    finally:
        gc.enable()


@pytest.mark.slow
def test_a_million_ops():
    x = watched(np.ones(2))
    with av.GradientTape() as tape:
        tape.watch(x)
        y = x
        for _ in range(500_000):
            y = y * 1.000001 + 0.0
    g = tape.gradient(y, x).numpy()
    np.testing.assert_allclose(g, 1.000001**500_000, rtol=1e-9)


# ---------------------------------------------------------------- found by review


def test_threads_with_variables_of_their_own_assign_before_the_gradient():
    variables = [av.Variable(np.ones(3)) for _ in range(4)]
    wrong = []

    def work(v):
        for i in range(1500):
            old = v.numpy()
            with av.GradientTape() as tape:
                y = av.sum(v * v)
            v.assign(np.full(3, float(i)))
            if not np.array_equal(tape.gradient(y, v).numpy(), 2 * old):
                wrong.append(i)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=work, args=(v,)) for v in variables]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    finally:
        sys.setswitchinterval(before)
    assert not wrong


def test_a_tape_that_the_garbage_collector_takes_during_an_assignment():
    v = av.Variable(np.ones(3))
    before = gc.get_threshold()
    try:
        for threshold in range(1, 120):
            for _ in range(3):
                with av.GradientTape() as lost:
                    lost.me = lost
                    av.sum(v * v)
            del lost
            with av.GradientTape(persistent=True) as tape:
                y = av.sum(v * v)
            gc.set_threshold(threshold)
            old = v.numpy()
            v.assign(np.full(3, float(threshold)))
            gc.set_threshold(*before)
            np.testing.assert_array_equal(tape.gradient(y, v).numpy(), 2 * old)
    finally:
        gc.set_threshold(*before)


def test_an_accumulator_leaves_a_tensor_to_an_earlier_tape():
    x = watched(3.0)
    with av.GradientTape() as tape:
        tape.watch(x)
        y = x * x
    with av.ForwardAccumulator(x, av.Tensor(1.0)) as acc:
        z = x * 3.0
    assert tape.gradient(y, x).item() == 6.0
    assert acc.jvp(z).item() == 3.0


def test_entering_again_after_another_tape_watched_the_same_tensor():
    x = watched(3.0)
    with av.GradientTape(persistent=True) as first:
        first.watch(x)
        y = x * x
    with av.GradientTape() as second:
        second.watch(x)
    with first:
        z = x * 5.0
    assert first.gradient(z, x).item() == 5.0
    assert first.gradient(y, x).item() == 6.0


def test_forward_over_reverse_beside_an_unrelated_tape():
    x = watched(2.0)
    with av.ForwardAccumulator(x, av.Tensor(1.0)) as acc:
        with av.GradientTape() as inner:
            inner.watch(x)
            y = x * x * x
        with av.GradientTape():
            g = inner.gradient(y, x)
    assert acc.jvp(g).item() == 12.0


def test_a_used_tape_starts_anew():
    v = av.Variable(3.0)
    tape = av.GradientTape()
    for value in (3.0, 4.0):
        v.assign(value)
        with tape:
            y = v * v
        assert tape.gradient(y, v).item() == 2 * value
    v.assign(5.0)
    with tape:
        y = v * v
    v.assign(6.0)
    assert tape.gradient(y, v).item() == 10.0


def test_a_tape_is_not_entered_again_inside_of_another_one():
    v = av.Variable(3.0)
    with av.GradientTape(persistent=True) as first:
        v * v
    with av.GradientTape(), pytest.raises(RuntimeError, match="use a new tape here"):
        first.__enter__()


def test_output_gradients_are_copied():
    v = av.Variable(np.zeros(2))
    with av.GradientTape() as tape:
        y = v + 0.0
    given = np.array([1.0, 2.0])
    g = tape.gradient(y, v, output_gradients=given)
    given[:] = 99
    np.testing.assert_array_equal(g.numpy(), [1.0, 2.0])


def test_rows_in_functions_keep_the_gradient():
    table = av.Variable(np.arange(6.0).reshape(3, 2))
    ids = np.array([0, 2, 2])
    with av.GradientTape() as outer:
        with av.GradientTape() as inner:
            y = av.sum(table[ids] * table[ids])
        rows = inner.gradient(y, table)
        assert isinstance(rows, av.IndexedSlices)
        z = av.sum(av.square(rows))
        with pytest.raises(TypeError, match="would drop the gradient"):
            np.asarray(rows)
    counts = np.array([1.0, 0.0, 2.0])[:, None]
    np.testing.assert_allclose(outer.gradient(z, table).numpy(), 8 * counts**2 * table.numpy())
    assert rows.size == 6 and len(rows) == 3
    np.testing.assert_allclose((rows**2).sum().item(), (rows.numpy() ** 2).sum())
    np.testing.assert_allclose(abs(rows)[2].numpy(), abs(rows.numpy())[2])


def test_a_primal_given_twice():
    x = watched(1.0)
    with pytest.raises(ValueError, match="given twice"):
        av.ForwardAccumulator([x, x], [x, x])


def test_lists_of_tensors_in_a_scope_without_a_tape():
    t = watched([1.0, 2.0])
    with av.name_scope("n"):
        assert av.mean([t, t]).item() == 1.5


@pytest.mark.parametrize("bad", [0, -1, 1.5])
def test_chunk_size(bad):
    x = watched([1.0])
    with av.GradientTape() as tape:
        tape.watch(x)
        y = x * x
    with pytest.raises(ValueError, match="chunk_size"):
        tape.jacobian(y, x, chunk_size=bad)


def test_the_precision_warning_names_the_line_of_the_user(recwarn):
    v = av.Variable([1.0, 2.0])
    with warnings.catch_warnings(record=True) as caught, av.GradientTape():
        warnings.simplefilter("always")
        v * np.ones(2)
        v @ np.ones(2)
        np.multiply(v, np.ones(2))
    assert [w.filename for w in caught] == [__file__] * 3


def test_a_named_tuple_in_a_list_of_sources():
    Pair = collections.namedtuple("Pair", "w b")
    w, b = av.Variable(2.0), av.Variable(3.0)
    with av.GradientTape() as tape:
        y = w * b
    (pair,) = tape.gradient(y, [Pair(w, b)])
    assert isinstance(pair, Pair)
    assert (pair.w.item(), pair.b.item()) == (3.0, 2.0)


# ---------------------------------------------------------------- one variable, used many times


@pytest.mark.parametrize("rows", [1, 7, 40, 10_000])
@pytest.mark.parametrize("size", [1, 3])
def test_gradients_of_many_uses_are_those_of_each_added_up(rows, size, monkeypatch):
    """However many rows of uses are put together; products with leading dimensions and broadcast ones in between."""
    rng = np.random.default_rng(0)
    w, b = av.Variable(rng.standard_normal((4, 4))), av.Variable(rng.standard_normal(4))
    xs = [rng.standard_normal((size + i % 3, 4)) for i in range(20)]

    def loss():
        h, total = av.Tensor(xs[0]), 0.0
        for i, x in enumerate(xs):
            h = av.tanh(av.nn.linear(x, w, b)[:1] + h[:1] @ w)
            total = total + av.sum(h * h) * (i + 1.0) + av.sum(av.Tensor(x)[:, None] @ w) + av.sum(x[0] @ w)
        return total

    monkeypatch.setattr(walk, "ROWS", rows)
    with av.GradientTape(persistent=True) as tape:
        y = loss()
    found, again = tape.gradient(y, [w, b]), tape.gradient(y, [w, b])
    put_off = []

    def at_once(postponed, grads, owned, p, vjp, g, args):
        put_off.append(p)
        walk.accumulate(grads, owned, p, vjp(g, *args), False)

    monkeypatch.setattr(walk, "postpone", at_once)
    each = tape.gradient(y, [w, b])
    assert len(put_off) > 50  # or the test shows nothing
    for g, h, k in zip(found, again, each, strict=True):
        np.testing.assert_array_equal(g.numpy(), h.numpy())
        np.testing.assert_allclose(g.numpy(), k.numpy(), rtol=1e-12)


def test_what_is_put_off_keeps_the_value_of_a_variable_that_the_walk_writes():
    a, w = av.Variable(np.arange(4.0).reshape(2, 2)), av.Variable(np.eye(2))
    first, x = a.numpy(), np.ones((2, 2))

    @av.custom_gradient
    def writes(h):
        def back(g):
            a.assign(np.zeros((2, 2)))
            return g

        return h, back

    with av.GradientTape() as tape:
        y = av.sum(writes(a @ w)) + av.sum(a @ w) + av.sum(av.Tensor(x) @ w)
    g = tape.gradient(y, w)
    np.testing.assert_array_equal(a.numpy(), 0.0)
    np.testing.assert_allclose(g.numpy(), 2 * first.T @ x + x.T @ x)
