"""NumPy's own functions, operators and methods on Tensors and Variables: they are recorded, or refuse by name.

The ways round NumPy's protocols are in test_nothing_escapes.py.
"""

import operator

import numpy as np
import pytest

import autograd_vs as av
from autograd_vs.engine import registry


@pytest.fixture
def recorded():
    """A Tensor that a tape records."""
    x = av.Tensor(np.array([[1.0, -2.0], [0.5, 3.0]]))
    with av.GradientTape() as tape:
        tape.watch(x)
        yield x


# ---------------------------------------------------------------- functions are recorded


def test_numpy_code_as_it_stands():
    def f(x, w):
        h = np.tanh(np.dot(x, w))
        h = np.concatenate([h, np.sin(h)], axis=1)
        h = np.where(h > 0, h, 0.1 * h)
        return np.mean(np.square(h - np.mean(h, axis=0, keepdims=True))) + np.sum(np.sort(h)[..., -1]) / np.size(h)

    x, w = np.random.default_rng(1).normal(size=(2, 4, 4))
    want = f(x, w)
    got = f(av.Tensor(x), av.Variable(w))
    assert isinstance(got, av.Tensor)
    np.testing.assert_allclose(got.numpy(), want)
    av.testing.check_gradients(f, [x, w])


@pytest.mark.parametrize(
    "call",
    [
        lambda x: np.sum(a=x), lambda x: np.sum(x, 0), lambda x: np.sum(x, axis=(0, 1), keepdims=True),
        lambda x: np.sum(x, 0, None, None, True), lambda x: np.take(x, indices=[0], axis=0),
        lambda x: np.clip(x, min=0),
        lambda x: np.clip(x, a_min=None, a_max=1.0), lambda x: np.clip(a=x, a_min=0, a_max=1),
        lambda x: np.reshape(x, -1),
        lambda x: np.reshape(x, shape=(4, 1)), lambda x: np.transpose(x, axes=(1, 0)),
        lambda x: np.moveaxis(x, source=0, destination=1),
        lambda x: np.stack(arrays=[x, x], axis=-1), lambda x: np.concatenate((x, x), 1),
        lambda x: np.tensordot(a=x, b=x, axes=1),
        lambda x: np.linspace(0, 1, 2) @ x, lambda x: np.float64(2) * x, lambda x: np.float32(2) * x,
        lambda x: np.diag(v=x, k=1),
        lambda x: np.cumsum(x, axis=1), lambda x: np.var(x, axis=0, ddof=1), lambda x: np.max(x, axis=1),
        lambda x: np.amin(x),
        lambda x: np.einsum("ij->j", x), lambda x: np.outer(x[0], b=x[1]), lambda x: np.repeat(x, 2, axis=0),
        lambda x: np.ptp(x, 0),
        lambda x: np.tile(x, reps=2), lambda x: np.roll(x, shift=1), lambda x: np.pad(x, pad_width=1),
        lambda x: np.flip(x, axis=0),
        lambda x: np.expand_dims(x, axis=0), lambda x: np.squeeze(x[None]),
        lambda x: np.broadcast_to(x, shape=(3, 2, 2)),
        lambda x: np.add.reduce(x), lambda x: np.add.reduce(x, axis=None),
        lambda x: np.multiply.reduce(x, axis=1, keepdims=True),
        lambda x: np.maximum.reduce(x), lambda x: np.minimum.reduce(x, 1), lambda x: np.add.accumulate(x),
        lambda x: np.logaddexp.reduce(x),
        lambda x: np.multiply.accumulate(x, 1), lambda x: np.exp(x, dtype=np.float64),
        lambda x: np.add(x, 1, dtype=np.float64),
        lambda x: np.modf(x)[0], lambda x: np.divmod(x, 2.0)[1], lambda x: np.average(x, weights=[1.0, 3.0], axis=1),
        lambda x: np.meshgrid(x[0], x[1])[1], lambda x: np.split(x, 2)[1], lambda x: np.nan_to_num(x),
        lambda x: np.real(x),
    ],
)  # fmt: skip
def test_functions_in_numpys_spellings(call, recorded):
    y = call(recorded)
    assert isinstance(y, av.Tensor) and y.position
    want = call(recorded.numpy())
    np.testing.assert_allclose(y.numpy(), want, rtol=1e-12)
    assert y.shape == want.shape


OPERATORS = [
    operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod, operator.pow,
    operator.matmul, operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne, divmod,
]  # fmt: skip


@pytest.mark.parametrize("f", OPERATORS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("other", ["array", "number", "tensor", "variable", "list"])
def test_binary_operators(f, other):
    a = np.array([[1.5, 2.0], [0.5, 3.0]])
    b = np.array([[2.0, 0.5], [1.0, 2.0]])
    kinds = {"array": b, "number": 2.0, "tensor": av.Tensor(b), "variable": av.Variable(b), "list": b.tolist()}
    o = kinds[other]
    bare = 2.0 if other == "number" else b
    if f is operator.matmul and other == "number":
        return
    for got, want in ((f(av.Tensor(a), o), f(a, bare)), (f(o, av.Tensor(a)), f(bare, a))):
        for g, w in zip(got, want, strict=True) if f is divmod else [(got, want)]:
            assert isinstance(g, av.Tensor)
            np.testing.assert_allclose(g.numpy(), w)


def test_unary_operators_and_methods():
    a = np.array([[1.5, -2.0], [0.5, 3.0]])
    t = av.Tensor(a)
    for f in (operator.neg, operator.pos, abs, lambda x: x.T):
        np.testing.assert_array_equal(f(t).numpy(), f(a))
    names = "sum mean max min prod var std cumsum ravel flatten argmax argmin argsort any all round squeeze trace copy"
    for name in names.split():
        np.testing.assert_allclose(getattr(t, name)().numpy(), getattr(a, name)())
    calls = [
        lambda x: x.reshape(4, 1), lambda x: x.reshape((4, 1)), lambda x: x.reshape(-1), lambda x: x.transpose(1, 0),
        lambda x: x.transpose((1, 0)), lambda x: x.transpose(), lambda x: x.swapaxes(0, 1),
        lambda x: x.sum(0, keepdims=True),
        lambda x: x.clip(0, 1), lambda x: x.astype(np.float32), lambda x: x.repeat(2, axis=1),
        lambda x: x.take([0, 1]), lambda x: x.dot(x),
        lambda x: x.conj(), lambda x: x.real, lambda x: x.imag, lambda x: x.mT, lambda x: x.mean(axis=-1),
        lambda x: x.cumprod(0),
    ]  # fmt: skip
    for f in calls:
        np.testing.assert_allclose(f(t).numpy(), f(a))
    assert (~(t > 0)).numpy().tolist() == (~(a > 0)).tolist()
    assert ((t > 0) & (t < 2) | (t > 2.5)).numpy().tolist() == ((a > 0) & (a < 2) | (a > 2.5)).tolist()


def test_weak_numbers_keep_float32():
    t = av.Tensor(np.ones(2, np.float32))
    for y in (
        t * 2.5,
        2 + t,
        t**2.5,
        t / 3,
        np.maximum(t, 0.1),
        av.where(t > 0, t, 0.5),
        av.clip(t, 0.0, 1.5),
        0.5**t,
        t % 0.7,
    ):
        assert y.dtype == np.float32
    assert (t * np.float64(2)).dtype == np.float64
    assert (t * 1j).dtype == np.complex64


def test_in_place_operators_rebind():
    a = np.ones(2)
    t = av.Tensor(np.ones(2))
    c = a
    c += t
    assert isinstance(c, av.Tensor) and a.tolist() == [1.0, 1.0]
    u = t
    u *= 3
    assert t.numpy().tolist() == [1.0, 1.0] and u.numpy().tolist() == [3.0, 3.0]
    with pytest.raises(TypeError, match="out="):
        np.add(t, t, out=a)


def test_the_refusal_names_function_and_neighbours(recorded):
    with pytest.raises(TypeError, match=r"\.sqrt has no gradient.*'sqrt'"):
        np.emath.sqrt(recorded)


# ---------------------------------------------------------------- the table


def test_every_entry_is_reached_through_numpy():
    """functions and constants are what `__array_ufunc__` and `__array_function__` call."""
    for function, call in {**registry.functions, **registry.constants}.items():
        assert callable(function) and callable(call), function
        assert (
            isinstance(function, np.ufunc)
            or hasattr(function, "_implementation")
            or function in (np.astype, np.meshgrid)
        ), function


def test_the_four_classes_do_not_overlap():
    classes = [set(registry.functions), set(registry.constants), set(registry.queries)]
    for i, a in enumerate(classes):
        for b in classes[i + 1 :]:
            assert not a & b


def test_public_names():
    for name in "sum max min abs round any all pow divmod".split():
        assert getattr(av, name) is not getattr(__builtins__, name, None)
    only = {call.numpy for call in registry.numpy_only.values()}
    for function in [*registry.functions, *registry.constants]:
        library, *module, name = registry.numpy_name(function).split(".")  # np.linalg's functions are in av.linalg
        if name not in ("ravel", "copy") and function not in only:
            home = getattr(av, module[0]) if module else av
            assert library == "np" or home is av.special
            assert name in home.__all__ or hasattr(av, name), f"{home}.{name}"
            assert getattr(home, name, registry.find(function)).__doc__, name


def test_looking_for_a_variable_in_a_list():
    a, b = av.Variable([1.0, 2.0]), av.Variable([1.0, 2.0])
    with pytest.raises(ValueError, match=r"av\.index_of\(x, sequence\)"):
        b in [a, b]  # noqa: B015
    assert av.index_of(b, [a, b]) == 1
    assert av.index_of(b, [a]) is None


def test_arrays_by_name():
    v = av.Variable(np.arange(6.0).reshape(2, 3))
    with av.GradientTape(persistent=True) as tape:
        y = av.sum(a=v, axis=0)
        z = av.nn.linear(np.ones((1, 2)), bias=np.zeros(3), kernel=v)
        w = av.matmul(a=np.ones((1, 2)), b=v)
        c = av.concatenate(arrays=[v, v]) if "arrays" in av.concatenate.op.names else av.concatenate([v, v])
    for t in (y, z, w):
        assert tape.gradient(t, v).numpy().tolist() == [[1.0] * 3] * 2
    assert tape.gradient(c, v).numpy().tolist() == [[2.0] * 3] * 2
    with pytest.raises(TypeError, match=r"sum\(\) is missing 'a'"):
        av.sum(axis=0)
    with pytest.raises(TypeError, match=r"linear\(\) is missing 'bias'"):
        av.nn.linear(np.ones((1, 2)), v)


def test_a_tensor_of_integers_beside_a_number():
    n = av.Tensor(np.array([1, 2]))
    for x in (0.5, av.Tensor(0.5), np.array([0.5, 0.5])):
        assert av.ldexp(x, n).numpy().tolist() == np.ldexp(x, n).numpy().tolist() == [1.0, 2.0]
