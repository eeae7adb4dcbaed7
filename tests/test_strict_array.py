"""The stand-in for CuPy is as strict as CuPy: each line here was read in CuPy's sources, or tried with CuPy 14.2.0."""

import numpy as np
import pytest
from strict_array import MISSING, AmbiguousAssignment, StrictArray, count_transfers, on_device, strict

import autograd_vs as av
from autograd_vs.base import backend


@pytest.fixture
def a():
    return on_device([1.0, 2.0, 3.0])


@pytest.fixture
def i():
    return on_device([0, 2, 5])


REFUSED = {
    "Implicit conversion": [lambda a: np.asarray(a), lambda a: np.array([a]), lambda a: np.array(a, copy=True)],
    "Unsupported type": [
        lambda a: a + np.ones(3), lambda a: np.ones(3) + a, lambda a: np.add(a, np.ones(3)),
        lambda a: a * np.array(2.0), lambda a: strict.exp(np.ones(3)), lambda a: strict.exp([1.0]),
        lambda a: strict.add(a, [1.0, 2.0, 3.0]), lambda a: np.concatenate([a, np.ones(3)]),
        lambda a: strict.concatenate([a, np.ones(3)]), lambda a: a.__iadd__(np.ones(3)),
        lambda a: np.where(a > 1, a, np.ones(3)), lambda a: strict.sum([1.0]), lambda a: strict.add(a, 1.0, np.ones(3)),
        lambda a: strict.where(a > 1, [1.0, 2.0, 3.0], 0.0), lambda a: np.add(a, 1.0, out=np.ones(3)),
    ],
    "NotImplemented": [
        lambda a: a + list("abc"), lambda a: a * [1.0, 2.0, 3.0], np.spacing, np.isnat, lambda a: a @ [1.0, 2.0, 3.0],
        lambda a: a == "x",
    ],
    ".": [
        lambda a: a.sum(where=a > 1), lambda a: a.argsort(stable=True), lambda a: a.take(0, mode="clip"),
        lambda a: np.sum(a, initial=1.0), lambda a: np.argsort(a, stable=True), lambda a: np.add(a, a, where=a > 1),
        lambda a: a.dot(np.ones(3)), lambda a: strict.clip(a, min=0.0), lambda a: a.astype(int, casting="safe"),
        memoryview, lambda a: range(a.argmax()), lambda a: strict.matmul(a, 2.0), lambda a: a.item(0),
        lambda a: np.take(a, 0, mode="wrap"),
        lambda a: np.logical_or(a * 1j, a), lambda a: strict.vdot(a, 1.0), lambda a: np.array([1, 2, 3])[a.argmax()],
    ],
}  # fmt: skip


@pytest.mark.parametrize("words", list(REFUSED))
def test_what_is_refused(words, a):
    for call in REFUSED[words]:
        with pytest.raises(TypeError, match=words):
            call(a)


def test_what_is_not_there(a):
    for name in MISSING:
        assert not hasattr(strict, name), name
    for name in (
        "__array_interface__", "__array_struct__", "__cuda_array_interface__", "__index__", "__contains__",
        "__imatmul__", "ctypes", "setflags", "to_device",
    ):  # fmt: skip
        assert not hasattr(a, name), name
    assert not hasattr(a.flags, "writeable")
    for call in (strict.maximum.accumulate, strict.logical_or.reduce, strict.maximum.reduce):
        with pytest.raises(NotImplementedError):
            call(a)
    for call in (strict.multiply.at, strict.fmax.at):
        with pytest.raises(NotImplementedError):
            call(a, 0, 1.0)
    for dtype in (complex, np.int8, bool):
        with pytest.raises(TypeError, match=r"add\.at"):
            strict.add.at(a.astype(dtype), on_device([0]), 1)
    with pytest.raises(ValueError, match="fill"):
        a[...] = np.ones(3)


def test_results(a):
    for y in (a.sum(), a[0], a.max(), a @ a, a.argmax(), np.sum(a), np.allclose(a, a), a == None, a > 1, 2.0 - a):  # noqa: E711
        assert isinstance(y, StrictArray)
    assert a.sum().shape == ()
    assert isinstance(a.shape, tuple) and len(a) == 3 and [x.shape for x in a] == [(), (), ()]
    with pytest.raises(TypeError):
        len(a.sum())
    y = a.copy()
    before = y
    y += 1.0
    assert y is before and y.get().tolist() == [2.0, 3.0, 4.0]


def test_memory(a):
    view = a[1:]
    assert view.base is a and view[1:].base is a and a.base is None and a.copy().base is None and a[[0]].base is None
    assert backend.memory_owner(view.reshape(2, 1)) is a and backend.is_writable(view)
    assert a.real is a and a.astype(float, copy=False) is a and a.view(np.int64).base is a
    assert backend.same_view(view, a, on_device([4.0, 5.0, 6.0])).get().tolist() == [5.0, 6.0]
    view[0] = 9.0
    assert a.get().tolist() == [1.0, 9.0, 3.0] and a.flags.c_contiguous and not view.flags.owndata


def test_indices_wrap_round(a, i):
    assert a[i].get().tolist() == [1.0, 3.0, 3.0] and a.take(i).get().tolist() == [1.0, 3.0, 3.0]
    with pytest.raises(IndexError):
        a[5]
    strict.add.at(a, i, 1.0)
    assert a.get().tolist() == [2.0, 2.0, 5.0]
    a[i] = on_device([7.0, 8.0, 8.0])
    assert a.get().tolist() == [7.0, 2.0, 8.0]
    with pytest.raises(AmbiguousAssignment):
        a[i] = on_device([7.0, 8.0, 9.0])
    with count_transfers() as seen:
        assert a[[0, 4]].get().tolist() == [7.0, 2.0]
        a[a > 7] = 0.0
    assert seen == ["up: index", "down: get", "down: mask"]


def test_foreign_types_get_their_turn(a):
    t = av.Tensor(a)
    for y in (a + t, t + a, np.add(a, t), np.concatenate([a, t]), a @ t, a**t, a > t):
        assert isinstance(y, av.Tensor) and isinstance(y.array, StrictArray)
    with pytest.raises(TypeError):
        strict.exp(t)


def test_where_host_data_goes(a):
    before = backend.place_host_data(np.ndarray)
    try:
        host = av.Variable(np.ones(3))
        backend.place_host_data(StrictArray)
        assert [type(backend.placed(x)) for x in (1.0, [1.0], np.ones(2), np.float32(1.0), a)] == [StrictArray] * 5
        assert backend.placed(a) is a
        with av.GradientTape() as tape:
            loss = av.sum(host * 2.0) + av.mean(host)
        assert loss.device == "cpu" and tape.gradient(loss, host).device == "cpu", "results stay where they are"
        assert av.Variable([1.0]).device == "gpu:0"
    finally:
        assert backend.place_host_data(before) is StrictArray
    assert backend.place_host_data(before) is before
