"""The options of `av.function`: input signatures, results that are not copied, passes that are left out."""

import contextlib
import copy
import warnings
from collections import namedtuple

import numpy as np
import pytest

import autograd_vs as av
import optim

Batch = namedtuple("Batch", "x y")


# ---------------------------------------------------------------- input_signature


def test_what_fits_a_signature_becomes_a_tensor():
    seen = []

    @av.function(input_signature=[av.TensorSpec((None, 2)), av.TensorSpec((), "int64")])
    def f(x, n):
        seen.append((x.shape, x.dtype, n.dtype))
        return x * n

    for x in ([[1, 2]], np.ones((1, 2)), np.ones((1, 2), np.float16), av.Tensor(np.ones((1, 2), np.float32))):
        assert f(x, 3).dtype == np.float64 and f(x, n=np.int32(2)).shape == (1, 2)
    assert f([[1, 2]], 3).numpy().tolist() == [[3, 6]]
    assert seen == [((1, 2), np.dtype("float32"), np.dtype("int64"))] and f.traces == 1
    assert f(np.ones((5, 2)), 1).shape == (5, 2) and f.traces == 2  # a plan for each size


def test_nests_in_a_signature():
    spec = {"pair": Batch(av.TensorSpec(3), av.TensorSpec(None)), "list": [av.TensorSpec((1,), float)]}

    @av.function(input_signature=(spec,))
    def f(batch):
        assert type(batch["pair"]) is Batch
        return batch["pair"].x * batch["pair"].y + batch["list"][0]

    good = {"pair": Batch([1, 2, 3], 2), "list": [[1]]}
    assert f(good).numpy().tolist() == [3.0, 5.0, 7.0]
    for bad, message in (
        ({"pair": good["pair"]}, r"f: argument batch is a dict with the keys \['pair', 'list'\].*got a dict with the"),
        ({**good, "list": []}, r"f: argument batch\['list'\] is a list of 1 in its input_signature, got a list of 0"),
        ({**good, "pair": 3}, r"f: argument batch\['pair'\] is a Batch of 2 in its input_signature, got a int"),
        (
            {**good, "list": [["a"]]},
            r"f: argument batch\['list'\]\[0\] has dtype <U1, which does not convert to float64",
        ),
    ):
        with pytest.raises(TypeError, match=message):
            f(bad)


def test_what_does_not_fit_a_signature_is_named():
    @av.function(input_signature=[av.TensorSpec((None, 2)), av.TensorSpec((3,), "int32")])
    def step(x, ids):
        return av.sum(x)

    x, ids = np.ones((4, 2), np.float32), [1, 2, 3]
    for args, error, message in (
        ((np.ones(2), ids), ValueError, r"step: argument x has shape \(2,\), its input_signature says \(None, 2\)"),
        ((np.ones((4, 3)), ids), ValueError, r"argument x has shape \(4, 3\), its input_signature says \(None, 2\)"),
        ((x, [1, 2]), ValueError, r"argument ids has shape \(2,\), its input_signature says \(3,\)"),
        ((x, [0.5, 1, 2]), TypeError, r"argument ids has dtype float64, which does not convert to int32"),
        (
            (av.Tensor(np.ones((4, 2))), ids),
            TypeError,
            r"x has dtype float64, its input_signature says float32.*astype",
        ),
        ((x,), TypeError, r"step takes the 2 arguments of its input_signature, got 1"),
        (([[1, 2], [3]], ids), TypeError, r"argument x is no array"),
    ):
        with pytest.raises(error, match=message):
            step(*args)
    with pytest.raises(TypeError, match="unexpected keyword argument 'y'"):
        step(x, ids, y=2)
    assert step.traces == 0 and step(x, ids).item() == 8.0


def test_a_signature_that_is_none():
    for signature in (av.TensorSpec(()), [3], "x"):
        with pytest.raises(TypeError, match=r"<lambda>: .*input_signature"):
            av.function(input_signature=signature)(lambda x: x)
    assert av.TensorSpec([2, None]) == av.TensorSpec((2, None), "float32") != av.TensorSpec((2, None), "float64")
    assert len({av.TensorSpec(2), av.TensorSpec((2,))}) == 1


def test_variables_fit_a_signature_and_outer_tapes_follow():
    v = av.Variable([1.0, 2.0])
    f = av.function(input_signature=[av.TensorSpec((2,))])(lambda x: av.sum(x * x))
    with av.GradientTape() as tape:
        y = f(v)
    assert tape.gradient(y, v).numpy().tolist() == [2.0, 4.0]
    assert f(v).item() == 5.0
    v.assign([2.0, 2.0])
    assert f(v).item() == 8.0 and f.traces == 1


def test_methods_with_signatures_and_arguments_beyond():
    class Net:
        @av.function(input_signature=[av.TensorSpec((None,))], without=("place",))
        def call(self, x):
            return x * 2.0

    net = Net()
    assert net.call([1, 2]).numpy().tolist() == [2.0, 4.0] and net.call is net.call
    f = av.function(input_signature=[av.TensorSpec(()), av.TensorSpec(())])(lambda x, *rest: x + rest[0])
    assert f(1, 2).item() == 3.0
    with pytest.raises(ValueError, match=r"argument rest\[0\] has shape \(1,\)"):
        f(1, [2])
    assert f.profile(1, 2).total > 0


# ---------------------------------------------------------------- copy_outputs


@pytest.mark.host("other libraries have no read-only arrays")
def test_outputs_that_are_not_copied():
    v = av.Variable([1.0, 1.0], dtype=float)

    @av.function(copy_outputs=False)
    def f(x):
        v.assign_add(x)
        return {"y": x * 2.0, "x": x, "v": v + 0.0, "constant": av.Tensor(np.ones(2)) * 3.0, "read": av.Tensor(v[:1])}

    x = np.ones(2)
    first, second = f(x), f(x * 2.0)
    kept = {name: t.numpy() for name, t in second.items()}
    third = f(x * 3.0)
    assert first["y"].numpy().tolist() == [2.0, 2.0]  # of the trace
    assert kept["y"].tolist() == [4.0, 4.0] and kept["v"].tolist() == [4.0, 4.0]
    for name in ("y", "x", "v", "constant"):
        np.testing.assert_array_equal(second[name].numpy(), third[name].numpy())  # views of the same memory
        with pytest.raises(ValueError, match="read-only"):
            second[name].array[:] = 0.0
    assert third["x"].numpy().tolist() == [3.0, 3.0] and third["constant"].numpy().tolist() == [3.0, 3.0]


def test_a_view_of_a_variable_is_copied_in_any_case():
    v = av.Variable([1.0, 2.0], dtype=float)

    @av.function(copy_outputs=False)
    def f(x):
        v.assign(x)
        return v[:1], v.T

    f(np.zeros(2))
    one, turned = f(np.ones(2))
    f(np.full(2, 5.0))
    v.assign([7.0, 7.0])
    assert one.numpy().tolist() == [1.0] and turned.numpy().tolist() == [1.0, 1.0]


# ---------------------------------------------------------------- passes


def busy(x):
    a = av.Tensor(np.ones(3))
    unused = av.cos(x)  # noqa: F841
    y = av.sin(x) * av.sin(x) + av.exp(a)
    return av.tanh(y * 2.0 + x) - y


@pytest.mark.host("looks at single calls, which are kernels there")
@pytest.mark.parametrize("name", ["split_versions", "fold_constants", "merge_equal", "drop_unused", "place"])
def test_each_pass_can_be_left_out(name):
    x = np.array([0.1, 0.2, 0.3])
    all_of_them, fewer = av.function(busy), av.function(busy, without=(name,))
    want = busy(av.Tensor(x)).numpy()
    for _ in range(3):
        np.testing.assert_array_equal(all_of_them(x).numpy(), want)
        np.testing.assert_array_equal(fewer(x).numpy(), want)
    full, less = all_of_them.plan(), fewer.plan()
    grown = {
        "fold_constants": "exp" in less and "exp" not in full,
        "merge_equal": str(less).count("sin(") == 2 and str(full).count("sin(") == 1,
        "drop_unused": "cos(" in less and "cos(" not in full,
        "place": less.peak_bytes == less.bytes_without_reuse > full.peak_bytes,
        "split_versions": True,
    }
    assert grown[name]


def test_exact_leaves_out_what_is_not_exact(monkeypatch):
    from autograd_vs.transforms.plans import plan

    seen = []

    def sloppy(program):
        seen.append("sloppy")

    monkeypatch.setattr(plan, "PASSES", [*plan.PASSES, sloppy])
    monkeypatch.setattr(plan, "ROUND", {*plan.ROUND, sloppy})
    av.function(busy, exact=True)(np.ones(3))
    av.function(lambda x: av.cond(av.sum(x) > 0, busy, lambda x: x * 2.0, x), exact=True)(np.ones(3))  # in parts, too
    assert seen == []
    av.function(busy)(np.ones(3)), av.function(busy, without=["sloppy"])(np.ones(3))
    assert seen == ["sloppy"]


def test_a_pass_that_is_not_there():
    with pytest.raises(ValueError, match=r"no pass 'merge'. The passes are split_versions, .*place"):
        av.function(without=("merge",))
    with pytest.raises(ValueError, match="no pass 'x'"):
        av.function(busy, without="x")


def test_exact_contradicts_what_rounds_otherwise():
    for options in ({"jit": True}, {"fast_math": True}):
        with pytest.raises(ValueError, match="exact=True goes without"):
            av.function(busy, exact=True, **options)


def test_loops_that_are_asked_for_need_numba(monkeypatch):
    from autograd_vs.transforms.plans import plan

    monkeypatch.setattr(plan, "compiler", lambda: None)
    with pytest.raises(ImportError, match=r"pip install 'autograd-vs\[jit\]'"):
        av.function(busy, jit=True)
    assert av.function(busy, jit=False)(np.ones(3)).shape == (3,)


@pytest.mark.host("where NumPy's sines are slow")
def test_fast_math_takes_sines_by_the_tangent():
    x = np.linspace(-3.0, 3.0, 100)

    def waves(x):
        return av.sin(x) * av.cos(x) + av.sin(2.0 * x)

    fast, plain = av.function(waves, fast_math=True), av.function(waves)
    for _ in range(2):
        np.testing.assert_allclose(fast(x).numpy(), plain(x).numpy(), rtol=0, atol=1e-14)
    assert "tan(" in fast.plan() and "sin(" not in fast.plan() and "tan(" not in plain.plan()


# ---------------------------------------------------------------- methods, copies


def test_an_overridden_method_and_the_one_it_calls():
    class Base:
        @av.function
        def step(self, x):
            return x + 1.0

    class Child(Base):
        @av.function
        def step(self, x):
            return super().step(x) * 10.0

        def plain(self, x):
            return super().step(x)

    for order in (("step", "plain"), ("plain", "step")):
        child = Child()
        for _ in range(2):
            for name in order:
                assert getattr(child, name)(np.ones(1)).item() == {"step": 20.0, "plain": 2.0}[name]


def test_calls_of_an_instance_are_traced_once():
    class Net:
        traces = 0

        @av.function
        def __call__(self, x):
            Net.traces += 1
            return x * 2.0

    net = Net()
    for _ in range(3):
        assert net(np.ones(1)).item() == 2.0
    assert Net.traces == 1


def test_a_copied_object_has_functions_of_its_own():
    class Net:
        def __init__(self):
            self.w = av.Variable([1.0])

        @av.function
        def grow(self, x):
            self.w.assign(self.w + x)
            return self.w * 1.0

    net = Net()
    net.grow(np.float32([1])), net.grow(np.float32([1]))
    other = copy.deepcopy(net)
    assert other.grow(np.float32([10])).item() == 13.0 == other.w.item() and net.w.item() == 3.0
    assert net.grow(np.float32([1])).item() == 4.0


def test_what_has_no_name():
    from functools import partial

    f = av.function(partial(lambda a, x: x * a, 3.0))
    assert f(np.ones(1)).item() == f(np.ones(1)).item() == 3.0
    assert "partial: 1 call " in f.plan() and "args[0]" not in f.plan() and f.__name__ == "partial"


def test_warnings_name_arguments():
    f = av.function(lambda x, options, *rest: x * options["n"] + len(rest))
    for n in range(7):
        f(np.ones(2), {"n": n}, "a")
    with pytest.warns(
        av.RetraceWarning, match=r"argument options\['n'\] is 7, it was 6; argument rest\[0\] is 'b', it was 'a'"
    ):
        f(np.ones(2), {"n": 7}, "b")
    for n in range(7):
        f(np.ones(3 + n), {"n": n}, "a")
    with pytest.warns(av.RetraceWarning, match=r"x is a Tensor of shape \(12,\) and dtype float64, it was a Tensor of"):
        f(np.ones(12), {"n": 6}, "a")


def test_options_do_not_change_training():
    def run(wrap):
        with av.VariableStore():
            w = av.Variable(np.ones((3, 1), np.float32), name="w")
        optimizer = optim.Adam(0.1)

        def step(x, y):
            loss = optimizer.minimize(lambda: av.nn.mse(av.tanh(x @ w), y), [w])
            return loss

        step, rng = wrap(step), np.random.default_rng(0)
        losses = [
            float(step(rng.normal(size=(4, 3)).astype("float32"), np.ones((4, 1), "float32")).numpy()) for _ in range(5)
        ]
        return losses, w.numpy().tolist()

    specs = [av.TensorSpec((None, 3)), av.TensorSpec((None, 1))]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        want = run(lambda f: f)
        for options in (
            {},
            {"copy_outputs": False},
            {"exact": True},
            {"input_signature": specs},
            {"without": ("place",)},
        ):
            assert run(av.function(**options)) == want


def test_warnings_name_what_is_around():
    def retraced(prepare, expected):
        v = av.Variable([1.0, 2.0])
        f = av.function(lambda x: v * x)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for k in range(8):
                with prepare(k, v):
                    f(np.ones(2, np.float32))
        (warning,) = caught
        assert expected in str(warning.message) and warning.filename == __file__

    def freeze(k, v):
        v.trainable = bool(k % 2)
        return contextlib.nullcontext()

    retraced(lambda k, v: av.variable_scope(f"scope{k}"), "the open scope is 'scope7', it was 'scope6'")
    retraced(lambda k, v: av.VariableStore(), "the current store is another one")
    retraced(freeze, "(trainable, which slots) changed")
