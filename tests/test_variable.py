"""Variable: assignment, names, copies."""

import copy
import gc
import pickle
import weakref

import numpy as np
import pytest

import autograd_vs as av


@pytest.fixture(autouse=True)
def fresh_store():
    with av.VariableStore(seed=0) as store:
        yield store


def test_dtypes_of_initial_values():
    assert av.Variable(1.0).dtype == av.Variable([1, 2]).dtype == av.Variable(True).dtype == np.float32
    assert av.Variable(np.arange(3)).dtype == np.int64
    assert av.Variable(np.float64(1)).dtype == np.float64
    assert av.Variable(np.zeros(2), dtype="float32").dtype == np.float32
    assert av.Variable([1, 2], dtype="int32").dtype == np.int32
    assert av.Variable(1j).dtype == np.complex128
    assert av.Variable(lambda: np.ones(2)).numpy().tolist() == [1, 1]
    for wrong in (None, "text", [[1], [1, 2]], object()):
        with pytest.raises(TypeError):
            av.Variable(wrong)


def test_the_value_is_its_own():
    for make in (np.arange(6.0), np.arange(6.0).reshape(2, 3).T, np.arange(6.0)[::2], av.Tensor(np.ones(3))):
        v = av.Variable(make)
        value = v.numpy().copy()
        raw = make.array if isinstance(make, av.Tensor) else make
        raw[...] = -1
        np.testing.assert_array_equal(v.numpy(), value)
        assert v.array.flags.c_contiguous and v.array.flags.owndata
    v = av.Variable([1.0, 2.0])
    w = av.Variable(v)
    w.assign([3.0, 4.0])
    assert v.numpy().tolist() == [1, 2]


def test_assignment_writes_in_place():
    v = av.Variable([1.0, 2.0], name="v")
    buffer = v.array
    assert v.assign([3.0, 4.0]) is v and v.assign_add([1.0, 1.0]) is v and v.assign_sub([2.0, 2.0]) is v
    assert v.numpy().tolist() == [2.0, 3.0] and v.array is buffer
    v.assign(v * 2.0)
    v.assign(np.float64([1.5, 2.5]))
    v.assign_add(v)
    assert v.numpy().tolist() == [3.0, 5.0] and v.array is buffer and v.dtype == np.float32


def test_wrong_values_change_nothing():
    v = av.Variable([1.0, 2.0], name="v")
    for wrong in (3.0, [1.0], [[1.0, 2.0]], np.zeros(3)):
        for method in (v.assign, v.assign_add, v.assign_sub):
            with pytest.raises(ValueError, match=r"v:0.*shape.*test_variable\.py"):
                method(wrong)
    with pytest.raises(TypeError, match="complex"):
        v.assign(np.zeros(2, complex))
    n = av.Variable(np.arange(2), name="n")
    with pytest.raises(TypeError, match=r"n:0.*float64"):
        n.assign(np.zeros(2))
    with pytest.raises(TypeError, match="assign_add"):
        v += 1.0
    with pytest.raises(TypeError, match=r"at\[i\].set"):
        v[0] = 1.0
    assert v.numpy().tolist() == [1, 2] and n.numpy().tolist() == [0, 1]


def test_what_was_read_does_not_change():
    v = av.Variable(np.arange(6.0).reshape(2, 3))
    read = [v.T, v[0], v.reshape(-1), v + 0, v.numpy(), v[1:, ::2]]
    before = [np.array(r) for r in read]
    v.assign_add(np.ones((2, 3)))
    v.assign(np.zeros((2, 3)))
    for r, old in zip(read, before, strict=True):
        np.testing.assert_array_equal(np.array(r), old)


def test_names():
    assert av.Variable(1.0).name == "Variable:0"
    v = av.Variable(1.0, name="v")
    assert (v.name, v.op.name, v.op.type) == ("v:0", "v", "Variable")
    keep = av.Variable(1.0)
    assert keep.name == "Variable:0"  # the first one is gone
    assert av.Variable(1.0).name == "Variable_1:0"
    with av.VariableStore():
        assert av.Variable(1.0, name="v").name == "v:0"
    with av.name_scope("a"), pytest.raises(ValueError):
        av.Variable(1.0, name="")
    with pytest.raises(ValueError, match=r"'v:0' cannot be .* \(write 'v': the ':0' is added\)"):
        av.Variable(1.0, name=v.name)


def test_repr():
    v = av.Variable([1.0, 2.0], name="v", trainable=False)
    device = "" if v.device == "cpu" else f", device={v.device}"
    assert repr(v) == f"Variable('v:0', [1., 2.], shape=(2,), dtype=float32{device}, trainable=False)"
    assert "\n" not in repr(av.Variable(0.5)) and f"{av.Variable(0.5):.2f}" == "0.50"


def test_html():
    v = av.Variable([1.0, 2.0], name="v", trainable=False)
    head = f"shape (2,), float32, {v.device}"
    assert v._repr_html_().startswith(
        f"<b>Variable</b> v:0, {head}, not trainable<br>min 1, mean 1.5, max 2<pre>[1. 2.]"
    )
    assert (v * 2.0)._repr_html_().startswith(f"<b>Tensor</b> multiply:0, {head}<br>min 2")
    assert av.Tensor(v.array)._repr_html_().startswith(f"<b>Tensor</b> {head}<br>")
    found = []

    @av.function
    def f(x):
        found.append(x._repr_html_())
        return x * 2.0

    f(av.Tensor(v.array))
    assert found == [None]


def test_deepcopy_makes_a_plain_variable_beside_it(fresh_store):
    with av.variable_scope("a"):
        v = av.get_variable("v", (2,), regularizer=abs, constraint=abs)
    v.trainable = False
    with av.name_scope("elsewhere"):
        w = copy.deepcopy(v)
        both = copy.deepcopy({"x": v, "y": [v]})
    assert w.name == "a/v_1:0" and "a/v_1" not in fresh_store
    assert both["x"] is both["y"][0] and both["x"].name == "a/v_2:0"
    w.assign([7.0, 7.0])
    assert not np.array_equal(v.numpy(), w.numpy())
    assert (w.trainable, w.regularizer, w.constraint) == (False, abs, abs)
    with av.GradientTape() as tape:
        tape.watch(w)
        y = w * 2.0
    assert tape.gradient(y, w).numpy().tolist() == [2, 2]


def test_an_unpickled_variable_has_its_exact_name_and_no_store(fresh_store):
    v = av.get_variable("a/v", (2,), trainable=False)
    w = pickle.loads(pickle.dumps(v))
    assert w.name == "a/v:0" and w is not v and not w.trainable and w.dtype == v.dtype
    np.testing.assert_array_equal(v.numpy(), w.numpy())
    assert len(fresh_store) == 1 and fresh_store["a/v"] is v
    w.assign_add([1.0, 1.0])
    assert not np.array_equal(v.numpy(), w.numpy())


def test_variables_die_when_nobody_holds_them():
    gc.disable()
    try:
        v = av.Variable(np.zeros(3))
        with av.GradientTape() as tape:
            y = v * 2.0
        tape.gradient(y, v)
        gone = weakref.ref(v)
        del v, y, tape
        assert gone() is None
    finally:
        gc.enable()


def test_trainable_without_a_tape():
    v = av.Variable(1.0)
    v.trainable = False
    with av.GradientTape() as tape:
        y = v * 2.0
    assert tape.gradient(y, v) is None
    v.trainable = True
    with av.GradientTape() as tape:
        y = v * 2.0
    assert tape.gradient(y, v).item() == 2.0
    assert not av.Variable(np.arange(3)).position  # integers are never watched


def test_hash_and_equality():
    v, w = av.Variable([1.0, 2.0]), av.Variable([1.0, 3.0])
    assert (v == w).numpy().tolist() == [True, False]
    assert len({v, w, v}) == 2


def test_constraint_and_creation_line():
    v = av.Variable(1.0, constraint=abs)
    assert v.constraint is abs and v.created_at.startswith(__file__)
    assert v.initializer is None and v.regularizer is None


def test_wrong_kinds_of_arguments():
    for wrong in ({"name": 3}, {"name": 0}, {"trainable": "no"}, {"constraint": 3}):
        (key,) = wrong
        with pytest.raises(TypeError, match=key):
            av.Variable(1.0, **wrong)
    with pytest.raises(TypeError, match="trainable"):
        av.Variable(1.0).trainable = "no"


def test_integers_are_not_trainable_unless_it_is_said():
    assert not av.Variable(np.arange(3)).trainable and not av.Variable(np.ones(3, bool)).trainable
    assert av.Variable(np.ones(3)).trainable and av.Variable(1).trainable  # a Python number takes the default dtype
    v = av.Variable(np.arange(3), trainable=True)
    with av.GradientTape() as tape:
        v * 1
    assert v.trainable and not tape.watched_variables()


def test_only_numbers():
    for wrong in (np.array(["a"]), np.array([1, None]), np.array([(1, 2.0)], "i4,f4"), np.array([b"a"])):
        for make in (av.Tensor, av.Variable, av.asarray):
            with pytest.raises(TypeError, match="numbers"):
                make(wrong)
    with pytest.raises(TypeError, match="numbers"):
        av.Variable(np.ones(2), dtype=object)


def test_views_of_an_empty_variable():
    v = av.Variable(np.zeros((0, 2), complex))
    held = [v.imag, v.T, v[:, 1:]]
    v.assign(np.zeros((0, 2), complex))
    assert [t.shape for t in held] == [(0, 2), (2, 0), (0, 1)]
