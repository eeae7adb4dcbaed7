"""What docs/differences.md says, line by line where a line can be run."""

import inspect
import math

import numpy as np
import pytest

import autograd_vs as av
import optim


def gradients(f, *xs):
    tensors = [av.Tensor(np.asarray(x)) for x in xs]
    with av.GradientTape() as tape:
        tape.watch(tensors)
        y = f(*tensors)
    return [None if g is None else g.numpy().tolist() for g in tape.gradient(y, tensors)]


def default(function, name):
    return inspect.signature(function).parameters[name].default


def test_defaults():
    assert (default(optim.Adam, "learning_rate"), default(optim.Adam, "epsilon")) == (1e-3, 1e-8)
    assert default(optim.SGD, "weight_decay") == default(optim.Adam, "weight_decay") == 0
    assert default(optim.AdamW, "weight_decay") == 0.01
    for normalize in (
        av.nn.layer_norm,
        av.nn.group_norm,
        av.nn.instance_norm,
        av.nn.batch_norm,
        av.nn.batch_norm_train,
    ):
        assert default(normalize, "eps") == 1e-5
    assert default(av.nn.rms_norm, "eps") is None
    assert default(av.nn.group_norm, "axis") == default(av.nn.batch_norm, "axis") == -1
    assert default(av.nn.resize, "data_format") == "NHWC" and default(av.nn.one_hot, "dtype") == "float32"
    assert default(av.nn.gelu, "approximate") is False
    assert default(av.nn.dropout, "training") is inspect.Parameter.empty


def test_formulas():
    x = np.array([3.0, 4.0])
    assert av.nn.l2_loss(x).item() == 12.5
    assert av.nn.softmax_cross_entropy(av.Tensor(np.ones((2, 3))), np.array([0, 1])).shape == (2,)
    np.testing.assert_allclose(optim.clip_by_norm([x], 1.0)[0], [0.6, 0.8])
    assert optim.clip_by_norm([x], 5.0)[0].tolist() == [3.0, 4.0]
    assert np.isnan(optim.clip_by_norm([np.array([np.inf, 1.0])], 1.0)[0]).all()
    with av.VariableStore():
        v = av.get_variable("v", initializer=np.array([1.0]))
        optimizer = optim.SGD(0.1, momentum=0.5)
        for g in (1.0, 1.0):
            optimizer.apply_gradients([(np.array([g]), v)])
        assert v.item() == pytest.approx(1.0 - 0.1 - 0.1 * 1.5)
        optimizer = optim.Adam(0.1, epsilon=0.5)
        before = v.item()
        optimizer.apply_gradients([(np.array([2.0]), v)])  # m_hat is 2, the root of v_hat is 2
        assert before - v.item() == pytest.approx(0.1 * 2.0 / (2.0 + 0.5))


def test_layers():
    x = np.array([[1.0], [3.0]])
    assert av.nn.batch_norm_train(x)[2].tolist() == [1.0]
    assert av.nn.scaled_dot_product_attention(x, x, x, np.zeros((2, 2), bool)).tolist() == [[0.0], [0.0]]
    assert av.nn.scaled_dot_product_attention(x, x, x, np.eye(2) > 0).tolist() == x.tolist()
    assert av.nn.resize(np.array([[[1.0], [2.0], [3.0]]]), 1, "nearest").item() == 1.0
    assert av.nn.resize(np.array([[[1.0], [2.0], [3.0]]]), 1, "nearest-exact").item() == 2.0
    assert av.nn.one_hot([-1], 2).tolist() == [[0.0, 0.0]]


def test_dropout_takes_the_probability_of_dropping():
    kept = av.nn.dropout(av.Tensor(np.ones(10_000)), 0.2, training=True).numpy()
    assert 0.75 < np.mean(kept != 0) < 0.85 and kept.max() == 1 / 0.8


def test_variables():
    with av.VariableStore():
        assert av.get_variable("n", (2,), "int32").trainable is False
        assert av.get_variable("n2", (2,), "int32").numpy().tolist() == [0, 0]
        assert av.Variable([1.0]).dtype == np.float32 and av.Variable(np.array([1.0])).dtype == np.float64
        v = av.Variable([1.0])
        with av.GradientTape(), pytest.warns(av.PrecisionWarning):
            assert (v + np.ones(1)).dtype == np.float64


def test_kinks_and_ties():
    assert gradients(av.abs, 0.0) == [0.0] and gradients(av.abs, 0j) == [0]
    assert gradients(av.hypot, 0.0, 0.0) == [0.0, 0.0] and gradients(av.arctan2, 0.0, 0.0) == [0.0, 0.0]
    assert gradients(lambda x: x**0, 0.0) == [0.0] and gradients(lambda p: av.power(0.0, p), 2.0) == [0.0]
    with np.errstate(divide="ignore"):
        assert gradients(av.sqrt, 0.0) == [math.inf]
    assert gradients(av.maximum, 1.0, 1.0) == gradients(av.minimum, 1.0, 1.0) == [0.5, 0.5]
    assert gradients(av.max, [2.0, 2.0, 1.0]) == [[0.5, 0.5, 0.0]]
    assert gradients(av.min, [1.0, 1.0, 2.0]) == [[0.5, 0.5, 0.0]]
    assert sorted(gradients(av.median, [2.0, 2.0, 2.0])[0]) == [0.0, 0.0, 1.0]
    assert gradients(av.unique, [2.0, 1.0, 2.0]) == [[1.0, 1.0, 0.0]]
    assert gradients(np.maximum.accumulate, [2.0, 2.0, 1.0]) == [[1.0, 2.0, 0.0]]
    assert gradients(lambda q: av.quantile([1.0, 2.0, 4.0], q), 0.5) == [4.0]
    assert gradients(av.nanmean, [1.0, np.nan, 2.0]) == [[0.5, 0.0, 0.5]]
    assert av.median(av.Tensor(np.array([1.0, 2.0]))).item() == 1.5
    for x in (0.0, 1.0):
        assert gradients(av.clip, x, 0.0, 1.0) == [1.0, 0.0, 0.0]
    assert gradients(av.nn.relu, 0.0) == [0.0]
    for function, at in (
        (av.nn.relu6, [0.0, 6.0]), (av.nn.hardtanh, [-1.0, 1.0]), (av.nn.hardsigmoid, [-3.0, 3.0]),
        (av.nn.softshrink, [-0.5, 0.5]), (av.nn.hardshrink, [-0.5, 0.5]),
    ):  # fmt: skip
        assert gradients(function, at) == [[0.0, 0.0]]
    assert gradients(lambda x: av.nn.threshold(x, 1.0, 2.0), 1.0) == [0.0]
    assert gradients(av.nn.hardswish, [-3.0, 3.0]) == [[0.0, 1.0]]
    assert (
        gradients(lambda x: av.nn.prelu(x, 0.25), 0.0) == gradients(lambda x: av.nn.leaky_relu(x, 0.25), 0.0) == [0.25]
    )
    assert gradients(lambda x: av.nn.elu(x, 0.25), 0.0) == [0.25] and gradients(av.nn.selu, 0.0)[0] > 1.7
    assert gradients(lambda x: av.nn.l2_normalize(x, eps=0.5), [0.0, 0.0]) == [[2.0, 2.0]]
    assert gradients(av.floor, 1.5) == [None]


def test_complex_gradients():
    z = 1.0 + 2.0j
    assert gradients(lambda z: av.abs(z) ** 2, z)[0] == pytest.approx(2 * z)
    assert gradients(lambda z: av.real(z * z), z)[0] == pytest.approx(2 * z.conjugate())


REFUSED = {
    "np.busday_count": lambda t, v: np.busday_count(t, t),
    "np.array": lambda t, v: np.array([t, t]),
    "np.sum of a list": lambda t, v: np.sum([t, t]),
    "float": lambda t, v: float(t[0]),
    "math.exp": lambda t, v: math.exp(t[0]),
    "np.asarray": lambda t, v: np.asarray(t),
    "out=": lambda t, v: np.add(t, t, out=np.zeros(2)),
    "t[i] = x": lambda t, v: t.__setitem__(0, 1.0),
    "v[i] = x": lambda t, v: v.__setitem__(0, 1.0),
    "v += x": lambda t, v: v.__iadd__(1.0),
    "get_variable(collections=)": lambda t, v: av.get_variable("w", (), collections=[]),
    "get_variable(partitioner=)": lambda t, v: av.get_variable("w", (), partitioner=None),
    "get_variable(use_resource=)": lambda t, v: av.get_variable("w", (), use_resource=True),
}


@pytest.mark.parametrize("refused", REFUSED.values(), ids=REFUSED)
def test_what_raises_type_errors(refused):
    with av.VariableStore(), av.GradientTape():
        v = av.Variable(np.array([1.0, 2.0]))
        t = v * 2
        with pytest.raises(TypeError):
            refused(t, v)


def test_what_converts():
    v = av.Variable(np.array([1.0, 2.0]))
    with av.GradientTape():
        t = v * 2
        assert t[0].item() == 2.0 and t.numpy().tolist() == [2.0, 4.0]
    t = v * 2
    assert float(t[0]) == 2.0 and np.array([t, t]).shape == (2, 2)


def test_other_errors():
    with av.VariableStore():
        v, frozen = av.Variable(1.0), av.Variable(1.0, trainable=False)
        with av.GradientTape() as tape:
            y = v * v
        tape.gradient(y, v)
        with pytest.raises(RuntimeError):
            tape.gradient(y, v)
        for pairs in ([(None, v)], [(1.0, v), (1.0, v)], [(1.0, frozen)], [(np.ones(3), v)]):
            with pytest.raises(ValueError):
                optim.SGD().apply_gradients(pairs)
        av.get_variable("w", ())
        with pytest.raises(ValueError, match="exists already"):
            av.get_variable("w", ())
        with av.variable_scope("a", reuse=True), pytest.raises(ValueError, match="does not exist"):
            av.get_variable("w", ())
    for name in ("Session", "placeholder", "get_collection"):
        with pytest.raises(AttributeError, match="autograd_vs has no"):
            getattr(av, name)
