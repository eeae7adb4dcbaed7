"""`Policy`, half precision in ops and layers, `matmul_precision`: against PyTorch's mixed precision, and float64."""

import asyncio
import copy
import json
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from test_digits import TUTORIALS, load

import autograd_vs as av
import optim

GOLDEN = json.loads((Path(__file__).parent / "golden" / "mixed_precision.json").read_text())
HALF = {"float16": 2.0**-11, "bfloat16": 2.0**-8}  # half a unit in the last place of 1


@pytest.fixture(params=HALF)
def half(request):
    if request.param == "bfloat16":
        pytest.importorskip("ml_dtypes", reason="bfloat16 is a dtype of ml_dtypes")
    return request.param


@pytest.fixture
def store():
    with av.VariableStore(seed=0) as opened:
        yield opened


def numbers(shape, seed=0, dtype=np.float32):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def in_double(x):
    """The numbers of an array or Tensor of any float dtype."""
    x = x.numpy() if isinstance(x, (av.Tensor, av.Variable)) else x
    return x.astype(np.float64)


# ---------------------------------------------------------------- the policy


@pytest.mark.parametrize(
    ("arguments", "compute", "variables"),
    [
        (("float16",), "float16", "float32"), (("mixed_float16",), "float16", "float32"),
        ((np.float16, "float64"), "float16", "float64"), (("float32",), "float32", "float32"),
        (("float64",), "float64", "float64"), (("float16", "float16"), "float16", "float16"),
    ],
)  # fmt: skip
def test_names_of_policies(arguments, compute, variables):
    policy = av.Policy(*arguments)
    assert (policy.compute_dtype, policy.variable_dtype) == (compute, variables)
    assert policy == av.Policy(compute=compute, variables=variables) and hash(policy) == hash(av.Policy(*arguments))
    assert repr(policy) == f"Policy(compute={compute!r}, variables={variables!r})"
    assert policy != av.Policy("float16", "float64") or variables == "float64"


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        (("int32",), TypeError, "compute is a float dtype.*'int32'"), (("mixed",), TypeError, "got 'mixed'"),
        ((None,), TypeError, "got None"), (("float16", "complex64"), TypeError, "variables is a float dtype"),
        (("float32", "float16"), ValueError, "at least the precision"),
    ],
)  # fmt: skip
def test_wrong_policies(arguments, error, says):
    with pytest.raises(error, match=says):
        av.Policy(*arguments)


@pytest.mark.parametrize("name", ["bfloat16", "mixed_bfloat16"])
def test_bfloat16_without_its_package(name, monkeypatch):
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    with pytest.raises(ImportError, match=r'ml_dtypes.*pip install "autograd-vs\[bf16\]"'):
        av.Policy(name)
    with pytest.raises(ImportError, match="ml_dtypes"):
        av.variable_scope("a", dtype="bfloat16")


# ---------------------------------------------------------------- variables by name


def test_get_variable_hands_out_casts_and_gradients_come_back_wide(store, half):
    with av.variable_scope("a", dtype=av.Policy(half)):
        with av.GradientTape() as tape:
            w, b = av.get_variable("w", (3, 2)), av.get_variable("b", (2,), initializer=av.initializers.ones())
            y = av.matmul(av.Tensor(numbers((4, 3))).astype(w.dtype), w) + b
        held = store["a/w"], store["a/b"]
    assert isinstance(w, av.Tensor) and w.dtype == b.dtype == y.dtype == half
    assert [v.dtype for v in held] == ["float32", "float32"]
    np.testing.assert_array_equal(in_double(w), in_double(held[0].numpy().astype(w.dtype)))
    g = tape.gradient(y, held)
    assert [d.dtype for d in g] == ["float32", "float32"]
    np.testing.assert_array_equal(g[1].numpy(), [4, 4])


def test_initial_values_are_those_without_a_policy():
    found = []
    for dtype in ("float32", av.Policy("float16")):
        with av.VariableStore(seed=3) as store, av.variable_scope("a", dtype=dtype):
            av.get_variable("w", (5, 4))
        found.append(store["a/w"].numpy().tobytes())
    assert found[0] == found[1]


def test_what_is_handed_out_as_it_is(store):
    with av.variable_scope("a", dtype=av.Policy("float16")):
        for name, options in {
            "typed": {"dtype": "float32"}, "state": {"trainable": False}, "counter": {"dtype": "int32"},
            "phases": {"dtype": "complex64"},
        }.items():  # fmt: skip
            assert isinstance(av.get_variable(name, (2,), **options), av.Variable), name
    with av.variable_scope("b", dtype=av.Policy("float16"), trainable=False):  # frozen, and computed with
        assert av.get_variable("w", (2,)).dtype == "float16"
    assert not store["b/w"].trainable


def test_a_policy_holds_inside_until_it_is_switched_off(store):
    seen = {}

    def look(name):
        seen[name] = (av.get_variable(name, (2,)).dtype.name, av.get_variable_scope().compute_dtype)

    with av.variable_scope("a", dtype=av.Policy("float16")) as scope:
        look("direct")
        with av.variable_scope("inner"):
            look("inherited")
        with av.variable_scope("off", dtype="float32"):
            look("off")
            with av.variable_scope("deep"):
                look("still_off")
            with av.variable_scope("on", dtype=av.Policy("float16", "float64")):
                look("on_again")
        with av.variable_scope("same", dtype=av.Policy("float32")):
            look("same")
        look("after")
        av.get_variable_scope().set_dtype("float64")
        look("set")
        av.get_variable_scope().set_dtype(av.Policy("float16"))
        look("set_back")
    look("outside")
    with av.variable_scope(scope):
        look("reopened")
    assert seen == {
        "direct": ("float16", "float16"), "inherited": ("float16", "float16"), "off": ("float32", None),
        "still_off": ("float32", None), "on_again": ("float16", "float16"), "same": ("float32", None),
        "after": ("float16", "float16"), "set": ("float64", None), "set_back": ("float16", "float16"),
        "outside": ("float32", None), "reopened": ("float16", "float16"),
    }  # fmt: skip
    assert store["a/off/on/on_again"].dtype == "float64"


def test_shared_variables_are_one_under_several_policies(store):
    with av.variable_scope("a", dtype=av.Policy("float16")):
        first = av.get_variable("w", (2,))
    with av.variable_scope("a", reuse=True):
        second = av.get_variable("w", (2,))
    assert second is store["a/w"] and first.dtype == "float16" and len(store) == 1
    with (
        av.variable_scope("a", reuse=True, dtype=av.Policy("float16", "float64")),
        pytest.raises(ValueError, match=r"'a/w:0'.*float32"),
    ):
        av.get_variable("w", (2,))


def test_custom_getters_and_templates(store):
    def getter(getter, name, **request):
        asked.append(request["dtype"].name)
        return getter(name, **request) * 2.0

    asked = []
    with av.variable_scope("a", dtype=av.Policy("float16"), custom_getter=getter):
        w = av.get_variable("w", initializer=[1.0, 2.0])
    assert (w.dtype, w.numpy().tolist(), asked) == ("float16", [2.0, 4.0], ["float32"])

    def net(x):
        return x * av.get_variable("factor", initializer=3.0)

    with av.variable_scope("b", dtype=av.Policy("float16")):
        template = av.make_template("net", net)
        template(np.float16(1.0))
    v = store["b/net/factor"]
    with av.GradientTape() as tape:
        y = template(np.ones(2, np.float16))  # outside of the scope: it has the one of its first call
        z = av.recompute_grad(template)(np.ones(2, np.float16))
    assert (y.dtype, z.dtype) == ("float16", "float16")
    g = tape.gradient([y, z], v)
    assert (g.dtype, g.item()) == ("float32", 4.0)


# ---------------------------------------------------------------- layers

LAYERS = {
    "dense": (lambda: av.layers.Dense(3, activation="relu"), (5, 4), {}),
    "dense_plain": (lambda: av.layers.Dense(3, use_bias=False), (5, 4), {}),
    "conv": (lambda: av.layers.Conv2D(3, 3), (2, 5, 5, 2), {}),
    "conv_first": (lambda: av.layers.Conv1D(3, 3, data_format="NCW"), (2, 2, 6), {}),
    "conv_transpose": (lambda: av.layers.Conv1DTranspose(3, 3), (2, 5, 2), {}),
    "layer_norm": (lambda: av.layers.LayerNorm(), (5, 4), {}),
    "group_norm": (lambda: av.layers.GroupNorm(2), (5, 3, 4), {}),
    "rms_norm": (lambda: av.layers.RMSNorm(), (5, 4), {}),
    "batch_norm": (lambda: av.layers.BatchNorm(), (5, 4), {"training": True}),
    "rnn": (lambda: av.layers.RNN(av.layers.SimpleRNNCell(3)), (2, 4, 3), {}),
    "gru": (lambda: av.layers.RNN(av.layers.GRUCell(3)), (2, 4, 3), {}),
    "lstm": (lambda: av.layers.RNN(av.layers.LSTMCell(3), return_sequences=True), (2, 4, 3), {}),
    "attention": (lambda: av.layers.MultiHeadAttention(2), (2, 3, 4), {}),
    "transformer": (lambda: av.layers.TransformerBlock(2), (2, 3, 4), {"causal": True}),
    "flatten": (lambda: av.layers.Flatten(), (5, 2, 2), {}),
    "pool": (lambda: av.layers.MaxPool2D(2), (2, 4, 4, 3), {}),
    "sequential": (lambda: av.layers.Sequential([av.layers.Dense(4, "gelu"), av.layers.Dense(2)]), (5, 4), {}),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_compute_in_half_precision_on_wide_variables(name, half):
    """The result is that of float32, up to rounding; gradients by variables are float32."""
    make, shape, options = LAYERS[name]
    x, found = numbers(shape), []
    for dtype in ("float32", av.Policy(half)):
        with av.VariableStore(seed=1), av.variable_scope("net", dtype=dtype):
            layer = make()
            with av.GradientTape() as tape:
                y = layer(x, **options)
                loss = av.sum(av.square(y.astype(np.float32)))
            weights = layer.trainable_weights
            found.append((y, layer.weights, tape.gradient(loss, weights) if weights else []))
    (y, weights, gradients), (low, low_weights, low_gradients) = found
    assert y.dtype == "float32" and low.dtype == half
    assert [v.dtype for v in low_weights] == ["float32"] * len(weights)
    assert [g.dtype for g in low_gradients] == ["float32"] * len(gradients)
    for a, b in [(y, low), *zip(gradients, low_gradients, strict=True)]:
        a = in_double(a)
        np.testing.assert_allclose(in_double(b), a, atol=40 * HALF[half] * max(1.0, np.abs(a).max()), rtol=0)


def test_embeddings_are_cast_after_the_lookup(store, half):
    with av.variable_scope("net", dtype=av.Policy(half)):
        words = av.layers.Embedding(5, 3)
        with av.GradientTape() as tape:
            rows = words(np.array([0, 0, 4]))
            loss = av.sum(rows)
        assert rows.dtype == words.attend(numbers((2, 3))).dtype == half
    g = tape.gradient(loss, words.embeddings)
    assert g.dtype == "float32" and g.to_dense().numpy().tolist() == [[2] * 3, [0] * 3, [0] * 3, [0] * 3, [1] * 3]


def test_a_layer_keeps_the_policy_of_its_place(store):
    x = numbers((5, 4))
    with av.variable_scope("net", dtype=av.Policy("float16")):
        fc, own = av.layers.Dense(3), av.layers.Dense(3, dtype="float32")
        assert (fc(x).dtype, own(x).dtype) == ("float16", "float32")
        assert own(fc.cast(np.ones((1, 4)))).dtype == "float32"  # NumPy's rule: the wider one
        assert av.layers.dense(x, 2).dtype == "float16"
    assert (fc(x).dtype, own(x).dtype, copy.deepcopy(fc)(x).dtype) == ("float16", "float32", "float32")
    alone = av.layers.Dense(3, dtype=av.Policy("float16"))
    assert (alone(x).dtype, alone.kernel.dtype, alone.cast("x")) == ("float16", "float32", "x")
    with av.variable_scope("net", dtype=av.Policy("float16")):
        assert av.layers.Dropout(0.5)(x, training=True).dtype == "float16"
    assert isinstance(fc.kernel, av.Variable) and fc.cast(fc.kernel).dtype == "float16"


def test_layers_hold_variables_where_a_getter_gives_none(store):
    with (
        av.variable_scope(
            "net", dtype=av.Policy("float16"), custom_getter=lambda getter, name, **_: getter(name) * 1.0
        ),
        pytest.raises(TypeError, match="custom getter of the scope gives a Tensor"),
    ):
        av.layers.Dense(3)(numbers((2, 2)))


# ---------------------------------------------------------------- what is computed in float32


def half_array(x, half):
    return av.Tensor(np.asarray(x, np.float32)).astype(av.Policy(half).compute_dtype)


ROUNDED = {
    "softmax": lambda x: av.nn.softmax(x),
    "softmax_first": lambda x: av.nn.softmax(x, 0),
    "log_softmax": lambda x: av.nn.log_softmax(x),
    "layer_norm": lambda x: av.nn.layer_norm(x),
    "rms_norm": lambda x: av.nn.rms_norm(x, eps=1e-5),
    "group_norm": lambda x: av.nn.group_norm(x, 2),
    "instance_norm": lambda x: av.nn.instance_norm(x.reshape((2, -1, x.shape[1]))),
    "batch_norm": lambda x: av.nn.batch_norm_train(x)[0],
    "l2_normalize": lambda x: av.nn.l2_normalize(x),
    "cosine": lambda x: av.nn.cosine_similarity(x, x[::-1]),
    "sum": lambda x: av.sum(x, 0) / 64.0,
    "mean": lambda x: av.mean(x, 0),
}


@pytest.mark.parametrize("name", ROUNDED)
def test_one_rounding(name, half):
    """In float16 squares of these numbers would overflow, and their sums in both would lose most digits."""
    scale = 3.0 if "softmax" in name else 300.0
    x = half_array(numbers((512, 40)) * scale + scale / 6.0, half)
    wide = av.Tensor(in_double(x))
    with av.GradientTape() as tape:
        tape.watch([x, wide])
        y, wanted = ROUNDED[name](x), ROUNDED[name](wide)
    assert y.dtype == half
    want = in_double(wanted)
    near = HALF[half] * np.abs(want) * 1.01 + 2e-7 * max(1.0, np.abs(want).max())
    assert (np.abs(in_double(y) - want) <= (2 * near if name == "sum" else near)).all()
    seed = numbers(y.shape, 1)
    g = tape.gradient([y, wanted], [x, wide], output_gradients=[half_array(seed, half), half_array(seed, half)])
    want = in_double(g[1])
    assert g[0].dtype == half
    np.testing.assert_allclose(in_double(g[0]), want, rtol=8 * HALF[half], atol=8 * HALF[half] * np.abs(want).max())


def test_long_sums_of_biases(half):
    """The gradient of a bias is a sum over all rows: in half precision it would stop growing at 2048 or 256."""
    x = half_array(np.ones((5000, 3)), half)
    b = half_array(np.zeros(3), half)
    k = half_array(np.eye(3), half)
    for layer in (lambda: x + b, lambda: av.nn.linear(x, k, b)):
        with av.GradientTape() as tape:
            tape.watch(b)
            y = layer()
        g = tape.gradient(y, b)
        assert g.dtype == half and in_double(g).tolist() == [in_double(half_array(5000.0, half)).item()] * 3


LOSSES = {
    "softmax_cross_entropy": lambda x, y: av.nn.softmax_cross_entropy(x, np.arange(40) % 8, label_smoothing=0.1),
    "soft_labels": lambda x, y: av.nn.softmax_cross_entropy(x, av.nn.softmax(y)),
    "nll": lambda x, y: av.nn.nll(av.nn.log_softmax(x), np.zeros(len(x), int)),
    "sigmoid_cross_entropy": lambda x, y: av.nn.sigmoid_cross_entropy(x, (y > 0).astype(x.dtype)),
    "binary_cross_entropy": lambda x, y: av.nn.binary_cross_entropy(av.nn.sigmoid(x), (y > 0).astype(x.dtype)),
    "sigmoid_focal": lambda x, y: av.nn.sigmoid_focal(x, (y > 0).astype(x.dtype)),
    "kl_divergence": lambda x, y: av.nn.kl_divergence(av.nn.log_softmax(x), av.nn.log_softmax(y), logs=True),
    "mse": lambda x, y: av.nn.mse(x * 100.0, y), "mae": av.nn.mae, "huber": av.nn.huber,
    "smooth_l1": av.nn.smooth_l1, "log_cosh": av.nn.log_cosh,
    "poisson_nll": lambda x, y: av.nn.poisson_nll(x, av.abs(y)),
    "gaussian_nll": lambda x, y: av.nn.gaussian_nll(x, y, av.abs(y)),
    "hinge": lambda x, y: av.nn.hinge(x, y > 0),
    "squared_hinge": lambda x, y: av.nn.squared_hinge(x, y > 0),
    "multi_margin": lambda x, y: av.nn.multi_margin(x, np.zeros(len(x), int)),
    "margin_ranking": lambda x, y: av.nn.margin_ranking(x, y, np.ones(x.shape, int)),
    "triplet_margin": lambda x, y: av.nn.triplet_margin(x, y, x * 2.0),
    "cosine_embedding": lambda x, y: av.nn.cosine_embedding(x, y, np.ones(len(x), int)),
    "ctc_loss": lambda x, y: av.nn.ctc_loss(x.reshape((20, 2, 8)), np.array([[1, 2], [3, 4]])),
}  # fmt: skip


@pytest.mark.parametrize("name", LOSSES)
def test_losses_are_float32(name, half):
    x, y = half_array(numbers((40, 8)), half), half_array(numbers((40, 8), 1), half)
    with av.GradientTape() as tape:
        tape.watch(x)
        loss = av.mean(LOSSES[name](x, y))
    assert loss.dtype == "float32" and tape.gradient(loss, x).dtype == half
    wanted = av.mean(LOSSES[name](av.Tensor(in_double(x)), av.Tensor(in_double(y)))).item()
    assert loss.item() == pytest.approx(wanted, rel=2 * HALF[half], abs=2 * HALF[half])


def test_every_loss_is_there():
    """A loss that is added comes into the list above."""
    from autograd_vs.ops import ctc, losses, margins, regression

    known = {*losses.__all__, *regression.__all__, *margins.__all__, *ctc.__all__}
    assert known - {*LOSSES} == {"cosine_similarity", "l2_loss"}  # no loss of predictions


# ---------------------------------------------------------------- whole trainings


@pytest.mark.parametrize("wrap", [lambda f: f, av.function], ids=["eager", "plan"])
def test_three_steps_as_pytorch_takes_them(half, wrap):
    case = GOLDEN["cases"][half]
    x, labels = np.array(case["x"], np.float32), np.array(case["labels"])
    with av.VariableStore() as store, av.variable_scope("net", dtype=av.Policy(half)):
        hidden, norm = av.layers.Dense(16, "relu", name="hidden"), av.layers.LayerNorm(name="norm")
        out = av.layers.Dense(4, use_bias=False, name="out")
        out(norm(hidden(x)))
        variables = {name: store["net/" + name] for name in case["weights"]}
        for name, value in case["weights"].items():
            variables[name].assign(np.array(value, np.float32))
        scaler = optim.LossScaler(optim.SGD(GOLDEN["rate"]), scale=GOLDEN["scale"])

        @wrap
        def step(x):
            with av.GradientTape() as tape:
                logits = out(norm(hidden(x)))
                loss = av.mean(av.nn.softmax_cross_entropy(logits, labels))
                scaled = scaler.scale(loss)
            gradients = tape.gradient(scaled, [*variables.values()])
            scaler.apply_gradients(zip(gradients, variables.values(), strict=True))
            return logits, loss, [g / GOLDEN["scale"] for g in gradients]

        for i, wanted in enumerate(case["steps"]):
            logits, loss, gradients = step(x)
            near = (i + 1) * 8 * HALF[half]
            np.testing.assert_allclose(in_double(logits), wanted["logits"], rtol=near, atol=near)
            assert loss.item() == pytest.approx(wanted["loss"], rel=near)
            for (name, want), got in zip(wanted["gradients"].items(), gradients, strict=True):
                assert got.dtype == "float32", name
                np.testing.assert_allclose(in_double(got), want, rtol=near, atol=near, err_msg=name)
    assert scaler.skipped == 0


class Digits:
    """A small network on the digits: what each step gave, and how often it is right at the end."""

    def __init__(self, dtype, wrap):
        self.data = load(TUTORIALS / "tutorial_data.py").load_digits()
        with av.VariableStore(seed=0), av.variable_scope("net", dtype=dtype):
            self.net = av.layers.Sequential([av.layers.Dense(24, "relu"), av.layers.LayerNorm(), av.layers.Dense(10)])
            self.net(self.data["train"][0][:1])
        self.scaler = optim.LossScaler(optim.Adam(0.01), scale=2.0**24, growth_steps=20)  # too much at first
        self.step = wrap(self._step)

    def _step(self, images, labels):
        with av.GradientTape() as tape:
            loss = av.mean(av.nn.softmax_cross_entropy(self.net(images), labels))
            scaled = self.scaler.scale(loss)
        weights = self.net.trainable_weights
        self.scaler.apply_gradients(zip(tape.gradient(scaled, weights), weights, strict=True))
        return loss

    def train(self, steps):
        images, labels = self.data["train"]
        rng, losses = np.random.default_rng(0), []
        with np.errstate(over="ignore", invalid="ignore"):  # the steps that the scaler leaves out
            for _ in range(steps):
                some = rng.choice(len(images), 48, replace=False)
                losses.append(self.step(images[some], labels[some]).item())
        return losses

    def accuracy(self):
        images, labels = self.data["test"]
        return float((self.net(images).numpy().astype(np.float32).argmax(-1) == labels).mean())

    def state(self):
        slots = {k: np.asarray(v).tobytes() for k, v in self.scaler.optimizer.state_dict().items()}
        return [v.numpy().tobytes() for v in self.net.weights], slots, self.scaler.state_dict()


@pytest.mark.host("plans are NumPy's")
def test_digits_in_mixed_precision():
    """As right as in float32 up to one percent; eagerly and as a plan the same bits, the steps left out included."""
    wide, policy = Digits("float32", av.function), av.Policy("mixed_float16")
    low, plan = Digits(policy, lambda f: f), Digits(policy, av.function)
    wide.train(150)
    losses, again = low.train(150), plan.train(150)
    assert losses == again and low.state() == plan.state() and plan.step.traces == 1
    assert low.scaler.skipped == plan.scaler.skipped > 0
    moments = [np.asarray(v).dtype for k, v in low.scaler.optimizer.state_dict().items() if "/m/" in k]
    assert moments == ["float32"] * 6
    assert wide.accuracy() > 0.9 and low.accuracy() >= wide.accuracy() - 0.01


# ---------------------------------------------------------------- plans


@pytest.mark.host("plans are NumPy's")
def test_a_plan_for_each_policy_and_precision(store):
    @av.function
    def f(x):
        return x * av.get_variable("w", initializer=1.0 + 2.0**-12)

    x, found = np.ones((), np.float16), []
    for dtype in ("float32", av.Policy("float16"), "float32", av.Policy("float16")):
        with av.variable_scope("a", reuse=av.AUTO_REUSE, dtype=dtype):
            found.append(f(x).dtype.name)
    assert found == ["float32", "float16", "float32", "float16"] and f.traces == 2
    for name in ("high", "medium", "tensorfloat32", "highest"):
        with av.matmul_precision(name), av.variable_scope("a", reuse=av.AUTO_REUSE, dtype="float32"):
            f(x)
    assert f.traces == 4


# ---------------------------------------------------------------- matmul_precision


def test_names_of_precisions():
    pairs = {"highest": "highest", "high": "high", "medium": "medium"}
    pairs |= {"float32": "highest", "tensorfloat32": "high", "bfloat16": "medium"}
    for name, shown in pairs.items():
        with av.matmul_precision(name) as given:
            assert given == shown == av.get_matmul_precision()
    assert av.get_matmul_precision() == "highest"


@pytest.mark.parametrize("wrong", ["tf32", "", None, 32, ["high"]])
def test_wrong_precisions(wrong):
    for function in (av.matmul_precision, av.set_matmul_precision):
        with pytest.raises(ValueError, match=r"'highest' .float32., 'high' .TF32. or 'medium' .bfloat16.*got"):
            function(wrong)
    assert av.get_matmul_precision() == "highest"


def test_precisions_nest_and_one_object_opens_twice():
    high = av.matmul_precision("high")
    with high, av.matmul_precision("medium"):
        with high:
            assert av.get_matmul_precision() == "high"
        assert av.get_matmul_precision() == "medium"
    with pytest.raises(KeyError), high:
        raise KeyError
    assert av.get_matmul_precision() == "highest"


def test_out_of_order_is_an_error_and_leaves_nothing():
    outer, inner = av.matmul_precision("high"), av.matmul_precision("medium")
    outer.__enter__()
    inner.__enter__()
    with pytest.raises(RuntimeError, match="matmul_precision was closed out of order"):
        outer.__exit__(None, None, None)
    assert av.get_matmul_precision() == "highest"


def test_a_with_is_of_its_thread_and_task_and_the_setter_of_all():
    seen = []

    def look():
        seen.append(av.get_matmul_precision())

    def in_thread():
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()

    av.set_matmul_precision("medium")
    try:
        with av.matmul_precision("high"):
            look()
            in_thread()
        look()
    finally:
        av.set_matmul_precision("highest")
    assert seen == ["high", "medium", "medium"]

    async def task(precision):
        with av.matmul_precision(precision):
            await asyncio.sleep(0)
            return av.get_matmul_precision()

    async def both():
        return await asyncio.gather(task("high"), task("medium"))

    assert asyncio.run(both()) == ["high", "medium"]


def test_on_the_cpu_it_changes_nothing():
    a, b = numbers((30, 40)), numbers((40, 20), 1)
    found = []
    for name in ("highest", "high", "medium"):
        with av.matmul_precision(name):
            found.append(av.matmul(a, b).numpy().tobytes())
    assert found[0] == found[1] == found[2]
