"""The checkers are checked: a wrong rule must be seen, by `check_gradients` and by each op's own samples."""

import numpy as np
import pytest
from test_ops import NO_SAMPLES, checked, function_of, sampled

import autograd_vs as av
from autograd_vs.engine import registry
from autograd_vs.engine.cotangent import IndexedSlices, bare
from autograd_vs.engine.op import op
from autograd_vs.testing import check_gradients


def arguments():
    """(op, argument) for every rule of the table."""
    return [(name, argument) for name, row in registry.ops.items() if name not in NO_SAMPLES for argument in row.vjps]


def wrong(vjp):
    """The rule, one percent off (or one hundredth, where it is zero)."""

    def scaled(g, *args):
        c = vjp(g, *args)
        if c.__class__ is not IndexedSlices and not bool((bare(c) != 0).any()):
            return c + 0.01
        return c * 1.01

    return scaled


@pytest.mark.parametrize(("name", "argument"), arguments())
def test_a_rule_that_is_one_percent_off_fails_its_own_test(name, argument, monkeypatch):
    row = registry.ops[name]
    samples = [s for s in sampled(f"op {name}") if s.smooth]
    assert samples, "no sample checks a gradient"
    with np.errstate(all="ignore"):
        for sample in samples:  # make all rules that the samples need
            checked(f"op {name}", sample, 1)
    for rule in row._rules.values():
        names = [row.names[i] if row.arity is not None else row.names[0] for i in rule.watched]
        vjps = tuple(wrong(v) if n == argument else v for n, v in zip(names, rule.vjps, strict=True))
        monkeypatch.setattr(rule, "vjps", vjps)
    for sample in samples:
        try:
            checked(f"op {name}", sample, 1)
        except AssertionError:
            return
    pytest.fail(f"no sample of {name} sees a wrong gradient of {argument!r}")


# ---------------------------------------------------------------- check_gradients itself


def test_right_gradients_pass():
    x, y = np.array([[0.3, -0.7], [1.2, 0.4]]), np.array([0.5, 2.0])
    check_gradients(lambda a, b: av.tanh(a @ b) * b.sum(), [x, y])
    check_gradients(lambda nest: nest["a"] * av.exp(nest["b"][0]), [{"a": x, "b": [y, "text"]}])
    check_gradients(lambda z: av.exp(z) * av.conj(z), [x + 1j])
    check_gradients(lambda a, i: a[i] * 2, [x, np.array([1, 1])])
    check_gradients(lambda a: a**3, [np.float32(1.5)])
    check_gradients(lambda v: v * v, [av.Variable(x)], order=3)
    check_gradients(lambda a: {"y": a * 2, "z": av.split(a, 2), "n": av.argmax(a)}, [x])
    assert check_gradients(lambda a: av.sin(a), (0.5,)) is None


def broken(factor=1.0, jvp=None, second=None):
    """exp with a rule that is wrong by `factor`, with a wrong jvp, or right at first order only."""
    if second is None:
        vjp = {"x": lambda g, y: g * y * factor}
    else:
        vjp = {"x": lambda g, x, y: g * y + (x - av.stop_gradient(x)) * second if isinstance(g, av.Tensor) else g * y}
    call = op(
        forward=lambda x: np.exp(x),
        vjp=vjp,
        elementwise=True,
        jvp=jvp or {},
        name="broken_exp",
        summary="For this test.",
    )
    del registry.ops["broken_exp"]
    return call


@pytest.mark.parametrize("x", [np.array([0.5, 1.0]), np.array([0.5], np.float32)], ids=["float64", "float32"])
def test_wrong_gradients_fail(x):
    check_gradients(broken(), [x])
    with pytest.raises(AssertionError, match=r"argument 0, order 1, reverse mode.*largest error"):
        check_gradients(broken(1.01), [x])
    with pytest.raises(AssertionError, match="argument 0, order 1, forward mode"):
        check_gradients(broken(jvp={"x": lambda t, y: t * y * 1.01}), [x])
    with pytest.raises(AssertionError, match="order 2"):
        check_gradients(broken(second=0.01), [x])
    check_gradients(broken(second=0.01), [x], order=1)
    check_gradients(broken(jvp={"x": lambda t, y: t * y * 1.01}), [x], order=1, modes=["reverse"])


def test_it_names_the_argument():
    call = broken(1.5)
    with pytest.raises(AssertionError, match="argument 1, leaf 1"):
        check_gradients(lambda a, b: a * b[0] * call(b[1]), [np.ones(2), [np.ones(2), np.full(2, 0.5)]])


def test_a_missing_path_is_seen():
    with pytest.raises(AssertionError, match="wrong gradient"):
        check_gradients(lambda x: av.stop_gradient(x) * x, [np.array([1.0, 2.0])])


def test_errors():
    with pytest.raises(TypeError, match="none of the arguments"):
        check_gradients(lambda x: x, [np.array([1, 2])])
    with pytest.raises(TypeError, match="no float"):
        check_gradients(lambda x: av.argmax(x), [np.array([1.0, 2.0])])


def test_tolerances_can_be_given():
    check_gradients(broken(1.01), [np.array([0.5])], rtol=0.1, order=1)


def test_functions_of_the_table_are_found():
    assert function_of(registry.ops["add"]) is av.add
    assert sampled("op add")
