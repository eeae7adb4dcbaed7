"""`apply_update` and `Slots`: the engine's side of an optimizer, with rules that are no optimizer's."""

import numpy as np
import pytest

import autograd_vs as av
from autograd_vs.state import packs


@pytest.fixture(autouse=True)
def own_store():
    with av.VariableStore():
        yield


def counting(calls):
    def rule(p, g, total, *, rate):
        calls.append((None if p is None else p.size, g.size, float(rate)))
        total += g
        return total * rate, total

    return rule


def half(step):
    return {"rate": 0.5 / step}


def make(*shapes, dtype=np.float64):
    return [av.Variable(np.ones(s, dtype), name=f"v{i}") for i, s in enumerate(shapes)]


def test_many_small_variables_are_one_call_of_the_rule():
    of, calls, slots = make((2, 3), (4,), ()), [], av.Slots(["total"])
    for _ in range(2):
        av.apply_update(counting(calls), of, [np.ones(v.shape) for v in of], slots, half)
    assert calls == [(None, 11, 0.5), (None, 11, 0.25)]
    assert all((v.numpy() == 1 - 0.5 - 0.5).all() for v in of)


def test_values_come_when_asked_for():
    of, calls, slots = make((2, 3), (4,)), [], av.Slots(["total"])
    av.apply_update(counting(calls), of, [np.ones(v.shape) for v in of], slots, half, reads_value=True)
    assert calls == [(10, 10, 0.5)]


@pytest.mark.host("a device takes a large variable as a whole")
def test_packs_hold_a_block_at_most(monkeypatch):
    monkeypatch.setattr(packs, "BLOCK", 8)
    monkeypatch.setattr("autograd_vs.state.update.BLOCK", 8)
    of, calls = make(3, 3, 3, 8, 20, 2), []
    av.apply_update(counting(calls), of, [np.ones(v.shape) for v in of], av.Slots(["total"]), half)
    assert sorted(size for _, size, _ in calls) == sorted([6, 5, 8, 7, 7, 6])


def test_dtypes_go_apart():
    of = [*make(3), *make(3, dtype=np.float32)]
    of[1] = av.Variable(np.ones(3, np.float32), name="w")
    calls = []
    av.apply_update(counting(calls), of, [np.ones(3), np.ones(3, np.float32)], av.Slots(["total"]), half)
    assert [size for _, size, _ in calls] == [3, 3]


def test_a_rule_that_returns_new_slots_is_as_good():
    def pure(p, g, total, *, rate):
        total = total + g
        return total * rate, total

    one, two = make((2, 3), (4,)), make((2, 3), (4,))
    two = [av.Variable(v, name="w") for v in two]
    first, second = av.Slots(["total"]), av.Slots(["total"])
    for _ in range(3):
        gs = [np.full(v.shape, 0.5) for v in one]
        av.apply_update(counting([]), one, gs, first, half)
        av.apply_update(pure, two, gs, second, half)
    for v, w in zip(one, two, strict=True):
        assert np.array_equal(v.numpy(), w.numpy())


def test_a_rule_that_returns_the_gradient_as_a_slot():
    def last(p, g, previous, *, rate):
        return (g - previous) * rate, g

    (v, w), slots = make(2, 3), av.Slots(["previous"])
    for value in (1.0, 3.0):
        av.apply_update(last, [v, w], [np.full(2, value), np.full(3, value)], slots, half)
    assert slots.get("v0", "previous").tolist() == [3.0, 3.0]
    assert v.numpy().tolist() == [1 - 0.5 - 0.5] * 2


def test_no_delta_leaves_the_variable_alone():
    def add_up(p, g, total):
        total += g
        return None, total

    (v,), slots = make(2), av.Slots(["total"])
    av.apply_update(add_up, [v], [np.ones(2)], slots, lambda step: {})
    assert v.numpy().tolist() == [1.0, 1.0]
    assert slots.view(v, "total").tolist() == [1.0, 1.0]


def test_scalars_reach_the_rule_in_the_dtype_of_the_variables():
    seen = []

    def rule(p, g, *, rate):
        seen.append((g * rate).dtype)
        return (g * rate,)

    (v,) = make(3, dtype=np.float32)
    av.apply_update(rule, [v], [np.ones(3, np.float32)], av.Slots(), lambda step: {"rate": 0.1})
    assert seen == [np.float32]


def test_slots_wait_and_are_claimed():
    slots = av.Slots(["total"])
    slots.put("v0", 4, {"total": np.array([1.0, 2.0])})
    assert slots.waiting == ("v0",)
    (v,) = make(2)
    calls = []
    av.apply_update(counting(calls), [v], [np.zeros(2)], slots, half)
    assert slots.waiting == ()
    assert calls == [(None, 2, 0.1)]  # the fifth update
    assert slots.step("v0") == 5
    assert slots.variable("v0") is v
    np.testing.assert_allclose(v.numpy(), [0.9, 0.8])
    slots.forget("v0")
    assert len(slots) == 0


def test_check_raises_what_an_update_would():
    (v,), slots = make(2), av.Slots()
    slots.check([v])
    with pytest.raises(ValueError, match="occurs twice"):
        slots.check([v, v])
    with pytest.raises(TypeError, match="updates Variables"):
        slots.check([np.ones(2)])
    assert len(slots) == 0


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("size", [4, 300])
def test_gradients_of_any_layout(order, size):
    v = av.Variable(np.zeros((size, size)))
    g = np.asarray(np.arange(size * size, dtype=float).reshape(size, size), order=order)
    av.apply_update(lambda p, g, *, rate: (g * rate,), [v], [g], av.Slots(), lambda step: {"rate": -1.0})
    assert np.array_equal(v.numpy(), g)


def test_a_variable_made_of_a_fortran_array():
    a = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    for v in (av.Variable(a), av.Variable(a, dtype=np.float32), av.Variable(lambda: a.T.copy(order="F"))):
        before = v.numpy()
        av.apply_update(
            lambda p, g, *, rate: (g * rate,), [v], [np.ones(v.shape)], av.Slots(), lambda step: {"rate": 1.0}
        )
        assert np.array_equal(v.numpy(), before - 1)


def test_the_memory_of_dead_variables_is_let_go():
    import gc
    import weakref

    v, w = make(2, 3)
    slots = av.Slots(["total"])
    av.apply_update(counting([]), [v, w], [np.ones(2), np.ones(3)], slots, half)
    memory = weakref.ref(v.array)
    gc.disable()
    try:
        del v
        av.apply_update(counting([]), [w], [np.ones(3)], slots, half)
        assert memory() is None
    finally:
        gc.enable()
