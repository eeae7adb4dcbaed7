"""The losses of av.nn against stored PyTorch values, brute force, and their own promises. Differences: test_ops.py."""

import inspect
import itertools
import json
import math
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import autograd_vs as av
from autograd_vs.ops import ctc, losses, margins, regression

GOLDEN = json.loads((Path(__file__).parent / "golden" / "losses.json").read_text())["cases"]


def value_and_gradients(function, inputs, g, arguments):
    tensors = {k: av.Tensor(v) if v.dtype.kind == "f" else v for k, v in inputs.items()}
    sources = {k: t for k, t in tensors.items() if isinstance(t, av.Tensor)}
    with av.GradientTape() as tape:
        tape.watch(sources)
        y = function(**tensors, **arguments)
    return y, tape.gradient(y, sources, output_gradients=g)


def slope(function, x, *args, **options):
    """The gradient of the sum of a loss by its first argument."""
    x = av.Tensor(np.asarray(x, np.float64))
    with av.GradientTape() as tape:
        tape.watch(x)
        y = function(x, *args, **options)
    return tape.gradient(y, x).numpy()


# ---------------------------------------------------------------- PyTorch's values


@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("name", GOLDEN)
def test_pytorchs_values(name, dtype):
    case = GOLDEN[name]
    inputs = {k: np.array(v) for k, v in case["inputs"].items()}
    inputs = {k: v.astype(dtype) if v.dtype.kind == "f" else v for k, v in inputs.items()}
    arguments = {k: np.array(v) if isinstance(v, list) else v for k, v in case["arguments"].items()}
    y, found = value_and_gradients(getattr(av.nn, case["function"]), inputs, np.array(case["g"], dtype), arguments)
    rtol = 1e-10 if dtype is np.float64 else 1e-5
    assert y.dtype == dtype
    np.testing.assert_allclose(y.numpy(), case["value"], rtol=rtol, atol=0.1 * rtol)
    assert set(found) == set(case["gradients"])
    if name == "binary_cross_entropy_edges":
        rtol = max(rtol, 1e-8)  # PyTorch's 1e-12 is a float32 number
    for key, wanted in case["gradients"].items():
        assert found[key].dtype == dtype
        atol = 0.1 * rtol * max(1.0, np.abs(wanted).max())
        np.testing.assert_allclose(found[key].numpy(), wanted, rtol=rtol, atol=atol, err_msg=key)


def test_pytorchs_values_cover_the_losses():
    """All but those that PyTorch does not have, which are compared by hand below."""
    assert {case["function"] for case in GOLDEN.values()} == LOSSES - {"l2_loss", "log_cosh", "squared_hinge"}


# ---------------------------------------------------------------- the rule

LOSSES = {name for module in (losses, regression, margins, ctc) for name in module.__all__}
MEASURES = {"l2_loss", "kl_divergence", "cosine_similarity"}
THREE = np.array([[0.3, -0.2, 1.0], [0.5, -0.5, 0.1]])
CALLS = {
    "softmax_cross_entropy": (THREE, [0, 2]), "nll": (THREE - 2.0, [0, 2]), "multi_margin": (THREE, [0, 2]),
    "sigmoid_cross_entropy": (THREE, THREE > 0), "binary_cross_entropy": (THREE**2, THREE > 0),
    "sigmoid_focal": (THREE, THREE > 0), "hinge": (THREE, THREE > 0.2), "squared_hinge": (THREE, THREE > 0.2),
    "margin_ranking": (THREE, THREE[::-1], THREE > 0.2), "cosine_embedding": (THREE, THREE[::-1], [1, -1]),
    "ctc_loss": (THREE.reshape(3, 1, 2).repeat(2, 1), [[1], [1]]),
    "mse": (THREE, 0.5), "mae": (THREE, 0.5), "huber": (THREE, 0.5), "smooth_l1": (THREE, 0.5),
    "log_cosh": (THREE, 0.5),
    "poisson_nll": (THREE, [[1, 2, 3]] * 2), "gaussian_nll": (THREE, 0.5, 2.0),
    "triplet_margin": (THREE, THREE + 0.1, -THREE),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(LOSSES - MEASURES))
def test_losses_of_labels_are_one_for_each_and_others_a_mean(name):
    loss, args = getattr(av.nn, name), CALLS[name]
    each = loss(*args, reduction="none").numpy()
    assert each.size > 1
    of_labels = "labels" in inspect.signature(loss).parameters
    assert loss(*args).shape == (each.shape if of_labels else ())
    np.testing.assert_allclose(loss(*args).numpy(), each if of_labels else each.mean(), rtol=1e-14)
    np.testing.assert_allclose(loss(*args, reduction="mean").item(), each.mean(), rtol=1e-14)
    np.testing.assert_allclose(loss(*args, reduction="sum").item(), each.sum(), rtol=1e-14)
    with pytest.raises(ValueError, match=f"{name}: reduction is 'none', 'mean' or 'sum', got 'avg'"):
        loss(*args, reduction="avg")
    assert "reduction" in loss.__doc__


@pytest.mark.parametrize(
    "name", [n for n in sorted(LOSSES) if "weights" in inspect.signature(getattr(av.nn, n)).parameters]
)
def test_weights_of_items(name):
    loss, args = getattr(av.nn, name), CALLS[name]
    each = loss(*args).numpy()
    w = np.linspace(0.0, 2.0, each.size).reshape(each.shape)
    np.testing.assert_allclose(loss(*args, weights=w).numpy(), w * each, rtol=1e-14)
    np.testing.assert_allclose(loss(*args, weights=w.tolist(), reduction="sum").item(), (w * each).sum(), rtol=1e-14)
    np.testing.assert_allclose(loss(*args, weights=w, reduction="mean").item(), (w * each).sum() / w.sum(), rtol=1e-14)
    broadcast = w[..., :1]
    np.testing.assert_allclose(
        loss(*args, weights=broadcast + 1, reduction="mean").item(),
        ((broadcast + 1) * each).sum() / ((broadcast + 1) + 0 * each).sum(),
        rtol=1e-14,
    )
    weights = av.Tensor(w)
    with av.GradientTape() as tape:
        tape.watch(weights)
        y = loss(*args, weights=weights, reduction="sum")
    np.testing.assert_allclose(tape.gradient(y, weights).numpy(), each, rtol=1e-14)
    with pytest.raises(ValueError, match=rf"{name}: weights has shape \(7,\), which does not broadcast"):
        loss(*args, weights=np.ones(7))
    with pytest.raises(ValueError, match="does not broadcast"):
        loss(*args, weights=np.ones((2, *each.shape)))


PAIRED = ["sigmoid_cross_entropy", "binary_cross_entropy", "sigmoid_focal", *regression.__all__]


@pytest.mark.parametrize("name", sorted(set(PAIRED) - {"l2_loss"}))
def test_nothing_broadcasts_but_a_number(name):
    loss, more = getattr(av.nn, name), ((1.0,) if name == "gaussian_nll" else ())
    x = np.full((3, 1), 0.25)
    with pytest.raises(ValueError, match=rf"{name}: the .* \(3, 1\), the .* \(3,\); reshape"):
        loss(x, np.ones(3), *more)
    with pytest.raises(ValueError, match="reshape"):
        loss(av.Tensor(x), av.Tensor(np.ones((3, 2))), *more)
    np.testing.assert_allclose(loss(x, 1, *more).numpy(), loss(x, np.ones((3, 1)), *more).numpy(), rtol=1e-15)


@pytest.mark.parametrize("name", sorted(LOSSES - {"ctc_loss"}))
def test_integer_labels_and_targets_leave_float32_alone(name):
    args = CALLS.get(name, (THREE**2, THREE**2))
    args = [np.asarray(a) for a in args]
    args = [a.astype(np.float32) if a.dtype.kind == "f" and a.ndim else a for a in args]
    if name in ("mse", "mae", "huber", "smooth_l1", "log_cosh", "gaussian_nll"):
        args[1] = np.ones((2, 3), np.int64)
    if name == "l2_loss":
        args = args[:1]
    y = getattr(av.nn, name)(*args)
    assert y.dtype == np.float32
    tensors = [av.Tensor(a) if a.dtype.kind in "iu" else a for a in args]
    np.testing.assert_array_equal(getattr(av.nn, name)(*tensors).numpy(), y.numpy())


@pytest.mark.parametrize("call", [
    lambda t: av.nn.huber(THREE, 0.5, delta=t), lambda t: av.nn.smooth_l1(THREE, 0.5, beta=t),
    lambda t: av.nn.sigmoid_focal(THREE, 1, gamma=t), lambda t: av.nn.sigmoid_focal(THREE, 1, alpha=t),
    lambda t: av.nn.margin_ranking(THREE, THREE, 1, margin=t), lambda t: av.nn.multi_margin(THREE, [0, 1], margin=t),
    lambda t: av.nn.triplet_margin(THREE, THREE, THREE, margin=t),
    lambda t: av.nn.cosine_similarity(THREE, THREE, eps=t),
    lambda t: av.nn.softmax_cross_entropy(THREE, [0, 1], label_smoothing=t),
    lambda t: av.nn.sigmoid_cross_entropy(THREE, 1, label_smoothing=t),
    lambda t: av.nn.gaussian_nll(THREE, 1, 1.0, eps=t), lambda t: av.nn.poisson_nll(THREE, 1, eps=t),
])  # fmt: skip
def test_settings_are_numbers_without_a_gradient(call):
    call(np.float64(0.5))
    with pytest.raises(TypeError, match="is a number without a gradient, got a Tensor"):
        call(av.Tensor(0.5))


# ---------------------------------------------------------------- classes


def test_softmax_cross_entropy_means_of_weighted_rows():
    x, labels, w = THREE, np.array([2, 0]), np.array([0.5, 2.0, 1.5])
    each = av.nn.softmax_cross_entropy(x, labels).numpy()
    rows = w[labels] * [1.0, 3.0]
    options = {"class_weights": w, "weights": [1.0, 3.0]}
    want = (rows * each).sum() / rows.sum()
    for given in (labels, np.eye(3)[labels], np.eye(3, dtype=int)[labels]):  # one-hot labels mean what numbers mean
        got = av.nn.softmax_cross_entropy(x, given, **options, reduction="mean")
        np.testing.assert_allclose(got.item(), want, rtol=1e-14)
    smooth = av.nn.softmax_cross_entropy(x, labels, **options, label_smoothing=0.3, reduction="mean").item()
    same = av.nn.softmax_cross_entropy(x, np.eye(3)[labels], **options, label_smoothing=0.3, reduction="mean").item()
    np.testing.assert_allclose(smooth, same, rtol=1e-14)
    assert abs(smooth - want) > 1e-3


def test_weights_of_classes_have_a_gradient():
    w = av.Tensor(np.array([0.5, 2.0, 1.5]))
    for options in ({}, {"label_smoothing": 0.2}, {"reduction": "mean"}):
        loss = partial(av.nn.softmax_cross_entropy, THREE, [2, 0], **options)
        av.testing.check_gradients(lambda w, loss=loss: loss(class_weights=w), [w])
    av.testing.check_gradients(lambda w: av.nn.nll(THREE, [2, 0], class_weights=w, reduction="mean"), [w])
    av.testing.check_gradients(lambda w: av.nn.multi_margin(THREE, [2, 0], class_weights=w, reduction="mean"), [w])
    with pytest.raises(ValueError, match=r"class_weights has shape \(2,\), expected \(3,\)"):
        av.nn.softmax_cross_entropy(THREE, [2, 0], class_weights=[1.0, 2.0])


def test_ignored_rows():
    x = av.Tensor(THREE)
    for ignore in (-100, -1, 3, 0):
        labels = np.array([ignore, 2])
        with av.GradientTape(persistent=True) as tape:
            tape.watch(x)
            each = av.nn.softmax_cross_entropy(x, labels, ignore=ignore)
            mean = av.nn.softmax_cross_entropy(x, labels, ignore=ignore, reduction="mean")
            likelihood = av.nn.nll(x, labels, ignore=ignore, reduction="mean")
        want = av.nn.softmax_cross_entropy(THREE[1:], [2]).item()
        np.testing.assert_allclose(each.numpy(), [0.0, want], rtol=1e-14)
        np.testing.assert_allclose([mean.item(), likelihood.item()], [want, -THREE[1, 2]], rtol=1e-14)
        for y in (each, mean, likelihood):
            g = tape.gradient(y, x).numpy()
            assert (g[0] == 0).all() and (g[1] != 0).any()
    with pytest.raises(IndexError, match="class -100 is out of range"):
        av.nn.softmax_cross_entropy(x, np.array([-100, 2]))
    with pytest.raises(IndexError, match="class -7 is out of range"):
        av.nn.softmax_cross_entropy(x, np.array([-100, -7]), ignore=-100)
    with pytest.raises(ValueError, match="ignore= is for class numbers"):
        av.nn.softmax_cross_entropy(x, THREE, ignore=-100)
    with np.errstate(invalid="ignore"):
        assert math.isnan(av.nn.softmax_cross_entropy(x, [-1, -1], ignore=-1, reduction="mean").item())
    assert av.nn.softmax_cross_entropy(x, [-1, -1], ignore=-1, reduction="sum").item() == 0.0
    unsigned = np.array([255, 2], np.uint8)
    assert av.nn.softmax_cross_entropy(x, unsigned, ignore=255).numpy()[0] == 0.0


def test_label_smoothing_is_a_fraction():
    for name, labels in (("softmax_cross_entropy", [0, 2]), ("sigmoid_cross_entropy", THREE > 0)):
        for wrong in (-0.1, 1.5, math.nan):
            with pytest.raises(ValueError, match=rf"{name}: label_smoothing must be in \[0, 1\]"):
                getattr(av.nn, name)(THREE, labels, label_smoothing=wrong)
    even = av.nn.softmax_cross_entropy(THREE, [0, 2], label_smoothing=1).numpy()
    np.testing.assert_allclose(even, av.nn.softmax_cross_entropy(THREE, np.full((2, 3), 1 / 3)).numpy(), rtol=1e-14)


def test_nll_of_log_softmax_is_softmax_cross_entropy():
    x, labels = np.random.default_rng(0).normal(size=(2, 3, 4)) * 10, np.array([[0, 1, 2, 2], [2, 1, 0, 0]])
    options = {"axis": 1, "class_weights": [0.5, 2.0, 1.0], "weights": [[1.0], [3.0]], "ignore": 1, "reduction": "mean"}
    want = av.nn.softmax_cross_entropy(x, labels, **options)
    got = av.nn.nll(av.nn.log_softmax(x, 1), labels, **options)
    np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-13)
    for wrong in (labels * 1.0, labels[0]):
        with pytest.raises(ValueError, match="nll: labels of shape"):
            av.nn.nll(x, wrong, axis=1)
    with pytest.raises(ValueError, match="nll: axis 3 is out of range for log_probabilities"):
        av.nn.nll(x, labels, axis=3)
    with pytest.raises(IndexError, match="nll: class 3"):
        av.nn.nll(x, labels + 1, axis=1)


@pytest.mark.parametrize("call", [
    lambda x: av.nn.softmax_cross_entropy(x, np.array([0, 1])), lambda x: av.nn.sigmoid_cross_entropy(x, THREE > 0),
    lambda x: av.nn.softmax_cross_entropy(x, [0, 1], label_smoothing=0.1),
    lambda x: av.nn.sigmoid_cross_entropy(x, THREE > 0, pos_weight=2.0, label_smoothing=0.1),
    lambda x: av.nn.binary_cross_entropy(x, THREE > 0), lambda x: av.nn.sigmoid_focal(x, THREE > 0),
    lambda x: av.nn.ctc_loss(np.ones((3, 2, 1)) * x, [[1], [2]]),
])  # fmt: skip
def test_one_entry(call):
    x = av.Tensor(THREE**2)
    with av.GradientTape() as tape:
        tape.watch(x)
        before = len(tape._record.entries)
        call(x)
        entries = [e[0].op.name for e in tape._record.entries[before:]]
    assert len(entries) - ("ctc_loss" in entries) == 1


# ---------------------------------------------------------------- yes or no


def test_no_warning_and_no_nan_at_the_ends():
    for dtype in (np.float32, np.float64):
        x = np.array([-1e4, -1e4, 1e4, 1e4, 0.0], dtype)
        labels = np.array([0, 1, 0, 1, 1])
        for name in ("sigmoid_cross_entropy", "sigmoid_focal"):
            y, g = getattr(av.nn, name)(x, labels), slope(getattr(av.nn, name), x, labels)
            assert np.isfinite(y.numpy()).all() and np.isfinite(g).all()
        p = np.array([0.0, 0.0, 1.0, 1.0, 0.5], dtype)
        assert av.nn.binary_cross_entropy(p, labels).round(6).tolist()[:4] == [0.0, 100.0, 100.0, 0.0]
        assert slope(av.nn.binary_cross_entropy, p, labels).tolist() == [0.0, -1e12, 1e12, 0.0, -2.0]
    assert av.nn.sigmoid_cross_entropy([1e4], [0]).tolist() == [1e4]
    assert av.nn.sigmoid_cross_entropy([-1e4], [1], pos_weight=3.0).tolist() == [3e4]
    with np.errstate(invalid="ignore"):
        assert np.isnan(av.nn.binary_cross_entropy([-0.1, 1.1], [0, 1]).numpy()).all()


def test_sigmoid_cross_entropy_options():
    p = 1 / (1 + np.exp(-THREE))
    t = (THREE > 0) * 0.9 + 0.05
    want = -(t * np.log(p) * [1.0, 2.0, 3.0] + (1 - t) * np.log(1 - p))
    got = av.nn.sigmoid_cross_entropy(THREE, THREE > 0, label_smoothing=0.1, pos_weight=[1, 2, 3])
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-13)
    np.testing.assert_allclose(
        av.nn.binary_cross_entropy(p, THREE > 0, label_smoothing=0.1).numpy(),
        av.nn.sigmoid_cross_entropy(THREE, THREE > 0, label_smoothing=0.1).numpy(),
        rtol=1e-13,
    )
    w = av.Tensor(np.array([1.0, 2.0, 3.0]))
    av.testing.check_gradients(lambda w: av.nn.sigmoid_cross_entropy(THREE, THREE > 0, pos_weight=w), [w])
    with pytest.raises(ValueError, match=r"pos_weight has shape \(2, 2, 3\)"):
        av.nn.sigmoid_cross_entropy(THREE, THREE > 0, pos_weight=np.ones((2, 2, 3)))


def test_focal_without_focus_is_the_cross_entropy():
    want = av.nn.sigmoid_cross_entropy(THREE, THREE > 0).numpy()
    np.testing.assert_allclose(av.nn.sigmoid_focal(THREE, THREE > 0, alpha=None, gamma=0).numpy(), want, rtol=1e-13)
    np.testing.assert_allclose(av.nn.sigmoid_focal(THREE, THREE > 0, alpha=0.5, gamma=0).numpy(), want / 2, rtol=1e-13)
    with pytest.raises(ValueError, match="gamma must not be negative, got -1"):
        av.nn.sigmoid_focal(THREE, 1, gamma=-1)
    with pytest.raises(ValueError, match="alpha must be in"):
        av.nn.sigmoid_focal(THREE, 1, alpha=-1)


def test_kl_divergence_where_probabilities_are_zero():
    p, q = av.Tensor(np.array([[0.0, 1.0], [0.0, 1.0]])), av.Tensor(np.array([[0.5, 0.5], [0.0, 1.0]]))
    logs = av.Tensor(np.array([[-np.inf, 0.0], [-np.inf, 0.0]])), av.Tensor(np.log([[0.5, 0.5], [1.0, 1.0]]))
    logs[1].array[1, 0] = -np.inf
    for pair, options in (((p, q), {}), (logs, {"logs": True})):
        with av.GradientTape() as tape:
            tape.watch(pair)
            y = av.nn.kl_divergence(*pair, **options)
        np.testing.assert_allclose(y.numpy(), [math.log(2.0), 0.0], atol=1e-15)
        gp, gq = tape.gradient(y, pair)
        assert (gp.numpy()[:, 0] == 0).all() and (gq.numpy()[:, 0] == 0).all()
        assert (gp.numpy()[:, 1] != 0).all() and (gq.numpy()[:, 1] != 0).all()
    with np.errstate(divide="ignore"):
        assert av.nn.kl_divergence([0.5, 0.5], [1.0, 0.0]).item() == math.inf
    assert av.nn.kl_divergence(THREE**2, THREE**2 + 1, axis=None).shape == ()


# ---------------------------------------------------------------- kinks, as documented


def test_gradients_at_kinks():
    assert slope(av.nn.mae, [0.0, 2.0, -2.0], [0.0, 0.0, 0.0], "sum").tolist() == [0.0, 1.0, -1.0]
    points = [-3.0, -0.5, 0.0, 0.5, 3.0]
    assert slope(av.nn.huber, points, 0.0, 0.5, "sum").tolist() == [-0.5, -0.5, 0.0, 0.5, 0.5]
    assert slope(av.nn.smooth_l1, points, 0.0, 0.5, "sum").tolist() == [-1.0, -1.0, 0.0, 1.0, 1.0]
    assert slope(av.nn.smooth_l1, points, 0.0, 0, "sum").tolist() == [-1.0, -1.0, 0.0, 1.0, 1.0]
    second = av.grad(lambda x: av.grad(lambda x: av.nn.huber(x, 0.0, 0.5, "sum"))(x).sum())
    assert second(np.array(points)).tolist() == [0.0, 0.5, 1.0, 0.5, 0.0]
    assert slope(av.nn.hinge, [1.0, 0.5, -1.0], [1, 1, -1]).tolist() == [0.0, -1.0, 0.0]
    assert slope(av.nn.squared_hinge, [1.0, 0.5, -1.0], [1, 1, -1]).tolist() == [0.0, -1.0, 0.0]
    assert slope(av.nn.margin_ranking, [1.0, 1.0], [1.0, 2.0], 1).tolist() == [0.0, -1.0]
    assert slope(av.nn.multi_margin, [0.0, 1.0, 0.5], 1).tolist() == [0.0, -1 / 3, 1 / 3]
    same = np.ones((1, 2))
    assert slope(av.nn.triplet_margin, same, same, same + 1, margin=math.sqrt(2.0), eps=0.0).tolist() == [[0.0, 0.0]]
    found = slope(av.nn.triplet_margin, same, same, same + 1, margin=2.0, eps=0.0)
    np.testing.assert_allclose(found, [[math.sqrt(0.5)] * 2])  # nothing comes from the distance 0
    assert slope(av.nn.cosine_embedding, [[1.0, 0.0]], [[0.0, 1.0]], [-1]).tolist() == [[0.0, 0.0]]


def test_zero_vectors_have_no_direction():
    zero, one = np.zeros((1, 2)), np.array([[3.0, 4.0]])
    assert av.nn.cosine_similarity(zero, one).tolist() == [0.0]
    np.testing.assert_allclose(slope(av.nn.cosine_similarity, zero, one, eps=0.5), [[1.2, 1.6]])
    assert slope(av.nn.cosine_similarity, zero, zero).tolist() == [[0.0, 0.0]]
    np.testing.assert_allclose(av.nn.cosine_similarity([2.0], [[3.0, 4.0]]).numpy(), [math.sqrt(0.98)])
    with pytest.raises(ValueError, match="cosine_similarity: axis 2"):
        av.nn.cosine_similarity(zero, one, axis=2)


def test_variances_below_eps():
    x = np.array([1.0, 1.0])
    value = av.nn.gaussian_nll(x, 0.0, [0.0, 1e-3], eps=1e-2, reduction="none").numpy()
    np.testing.assert_allclose(value, [(math.log(1e-2) + 100) / 2] * 2)
    g = slope(lambda v: av.nn.gaussian_nll(x, 0.0, v, eps=1e-2, reduction="sum"), [0.0, 1e-3])
    np.testing.assert_allclose(g, [(100 - 1e4) / 2] * 2)
    with pytest.raises(ValueError, match=r"gaussian_nll: variance has shape \(3,\)"):
        av.nn.gaussian_nll(x, 0.0, np.ones(3))
    with pytest.raises(ValueError, match="eps must be positive"):
        av.nn.gaussian_nll(x, 0.0, 1.0, eps=0.0)


# ---------------------------------------------------------------- distances and margins


def test_log_cosh_is_exact_near_and_far():
    d = np.array([1e-8, 1e-3, 0.5, 0.999, 1.0, 1.001, 20.0])
    want = [math.log1p(2 * math.sinh(v / 2) ** 2) for v in d]
    np.testing.assert_allclose(av.nn.log_cosh(d, 0.0, "none").numpy(), want, rtol=1e-14)
    np.testing.assert_allclose(av.nn.log_cosh(-d.astype("f"), 0.0, "none").numpy(), want, rtol=1e-6)
    assert av.nn.log_cosh([1e300, -1e300], 0.0, "none").tolist() == [1e300, 1e300]


def test_huber_does_not_overflow():
    assert av.nn.huber([1e300], 0.0).item() == 1e300 and av.nn.smooth_l1([1e300], 0.0, 0.5).item() == 1e300
    for wrong in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="huber: delta must be positive"):
            av.nn.huber([1.0], 0.0, wrong)
    with pytest.raises(ValueError, match="smooth_l1: beta must be positive, got -1"):
        av.nn.smooth_l1([1.0], 0.0, -1.0)


def test_means_of_nothing_are_nan():
    empty = np.zeros((0, 2))
    for name in ("mse", "mae", "huber", "log_cosh"):
        with pytest.warns(RuntimeWarning) if name != "mse" else np.errstate():
            assert math.isnan(getattr(av.nn, name)(empty, empty).item())


def test_squared_hinge():
    labels = [[1, -1, 1], [-1, 1, 1]]
    want = np.maximum(0.0, 1 - np.array(labels) * THREE) ** 2
    np.testing.assert_allclose(av.nn.squared_hinge(THREE, labels).numpy(), want, rtol=1e-14)


@pytest.mark.parametrize("name", ["hinge", "squared_hinge", "margin_ranking", "cosine_embedding"])
def test_labels_are_signs(name):
    loss = getattr(av.nn, name)
    first = CALLS[name][:-1]
    shape = (2,) if name == "cosine_embedding" else (2, 3)
    signs = np.where(np.arange(math.prod(shape)).reshape(shape) % 2, 1, -1)
    want = loss(*first, signs).numpy()
    for same in (
        signs * 1.0,
        signs == 1,
        av.Tensor(signs),
        av.Tensor(signs == 1),
        signs.tolist(),
        signs.astype(np.int8),
    ):
        np.testing.assert_array_equal(loss(*first, same).numpy(), want)
    for one in (1, True, 1.0):
        np.testing.assert_array_equal(loss(*first, one).numpy(), loss(*first, np.ones(shape)).numpy())
    np.testing.assert_array_equal(loss(*first, False).numpy(), loss(*first, -np.ones(shape)).numpy())
    for wrong in (0, (signs == 1) * 1, signs * 0.5):
        with pytest.raises(ValueError, match=f"{name}: labels are 1 and -1 .or True and False., got"):
            loss(*first, wrong)
    with pytest.raises(ValueError, match=rf"{name}: labels of shape \(5,\)"):
        loss(*first, np.ones(5))


def test_shapes_of_vectors():
    for name, count in (("margin_ranking", 2), ("cosine_embedding", 2), ("triplet_margin", 3)):
        args = [np.ones((2, 3))] * (count - 1) + [np.ones(3)]
        with pytest.raises(
            ValueError, match=rf"{name}: the shapes differ: .*\(2, 3\), .* \(3,\); reshape or broadcast"
        ):
            getattr(av.nn, name)(*args, *([] if count == 3 else [1]))
    with pytest.raises(ValueError, match="power is 1 or 2, got 3"):
        av.nn.multi_margin(THREE, [0, 1], power=3)
    with pytest.raises(ValueError, match="multi_margin: labels of shape"):
        av.nn.multi_margin(THREE, [0.0, 1.0])


# ---------------------------------------------------------------- sequences


def spelled(path, blank):
    """What a path spells: without repetitions, then without blanks."""
    return tuple(c for c, _ in itertools.groupby(path) if c != blank)


@pytest.mark.parametrize("blank", [0, 1, 2])
def test_ctc_counts_all_paths(blank):
    """Graves et al. (2006), equation 3, by brute force: the loss of every label, and its gradient."""
    steps, classes = 4, 3
    logits = np.random.default_rng(blank).normal(size=(steps, classes))
    logs = av.nn.log_softmax(logits).numpy()
    totals, slopes = {}, {}
    for path in itertools.product(range(classes), repeat=steps):
        key, p = spelled(path, blank), math.exp(sum(logs[t, c] for t, c in enumerate(path)))
        totals[key] = totals.get(key, 0.0) + p
        slopes[key] = slopes.get(key, 0.0) + p * (np.exp(logs) - np.eye(classes)[list(path)])
    assert abs(sum(totals.values()) - 1) < 1e-12
    keys = sorted(totals)
    labels = [[*key, *[-7] * (steps - len(key))] for key in keys]
    x = av.Tensor(np.repeat(logits[:, None], len(keys), 1))
    with av.GradientTape() as tape:
        tape.watch(x)
        y = av.nn.ctc_loss(x, labels, label_lengths=[len(key) for key in keys], blank=blank)
    np.testing.assert_allclose(y.numpy(), [-math.log(totals[key]) for key in keys], rtol=1e-12)
    want = np.stack([slopes[key] / totals[key] for key in keys], 1)
    np.testing.assert_allclose(tape.gradient(y, x).numpy(), want, rtol=1e-11, atol=1e-13)


def test_ctc_takes_log_probabilities_too():
    x, labels = np.random.default_rng(0).normal(size=(5, 2, 3)) * 3, [[1, 2], [2, 2]]
    loss = lambda x: av.nn.ctc_loss(x, labels).sum()  # noqa: E731
    want, g = av.value_and_grad(loss)(x)
    got, h = av.value_and_grad(lambda x: loss(av.nn.log_softmax(x)))(x)
    np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-14)
    np.testing.assert_allclose(h.numpy(), g.numpy(), atol=1e-14)


def test_ctc_of_impossible_labels():
    x = np.random.default_rng(0).normal(size=(3, 4, 3))
    labels, lengths = [[1, 1, 0], [1, 2, 1], [1, 2, 2], [2, 1, 2]], [2, 3, 3, 3]
    args = labels, [2, 3, 3, 0], lengths
    assert np.isinf(av.nn.ctc_loss(x, *args).numpy()).tolist() == [True, False, True, True]
    zeroed = av.nn.ctc_loss(x, *args, zero_infinity=True).numpy()
    assert (zeroed == 0).tolist() == [True, False, True, True]
    for zero_infinity in (False, True):
        g = slope(av.nn.ctc_loss, x, *args, zero_infinity=zero_infinity)
        assert (g == 0).all(axis=(0, 2)).tolist() == [True, False, True, True]
    assert av.nn.ctc_loss(x, labels, [0] * 4, [0] * 4).tolist() == [0.0] * 4  # no time spells the empty label
    assert (slope(av.nn.ctc_loss, x, labels, [0] * 4, [0] * 4) == 0).all()


def test_ctc_empty_labels():
    x = np.random.default_rng(0).normal(size=(4, 2, 3))
    want = -av.nn.log_softmax(x).numpy()[:, :, 0].sum(axis=0)
    np.testing.assert_allclose(av.nn.ctc_loss(x, np.zeros((2, 0))).numpy(), want, rtol=1e-14)
    np.testing.assert_allclose(av.nn.ctc_loss(x, [[1, 2]] * 2, label_lengths=[0, 0]).numpy(), want, rtol=1e-14)
    assert av.nn.ctc_loss(np.zeros((4, 0, 3)), np.zeros((0, 2), int)).shape == (0,)


def test_ctc_does_not_look_behind_the_lengths():
    x = np.random.default_rng(0).normal(size=(5, 2, 3))
    labels, lengths = np.array([[1, 2, 1], [2, -5, 99]]), ([5, 3], [3, 1])
    want, g = av.nn.ctc_loss(x, labels, *lengths).numpy(), slope(av.nn.ctc_loss, x, labels, *lengths)
    alone = av.nn.ctc_loss(x[:3, 1:], [[2]])
    np.testing.assert_allclose(want[1], alone.item(), rtol=1e-14)
    for filling in (1e4, np.nan):
        x[3:, 1] = filling
        with np.errstate(invalid="ignore"):
            np.testing.assert_array_equal(av.nn.ctc_loss(x, labels, *lengths).numpy(), want)
            np.testing.assert_allclose(slope(av.nn.ctc_loss, x, labels, *lengths), g, rtol=1e-12)
    assert (g[3:, 1] == 0).all() and (g[:3, 1] != 0).all()
    x[0, 1, 0] = np.nan
    with np.errstate(invalid="ignore"):
        assert np.isnan(av.nn.ctc_loss(x, labels, *lengths).numpy()).tolist() == [False, True]
        assert np.isnan(slope(av.nn.ctc_loss, x, labels, *lengths)[:3, 1]).any()


def test_ctc_of_classes_that_are_ruled_out():
    x = np.random.default_rng(0).normal(size=(4, 1, 4))
    x[:, 0, 3] = -np.inf
    np.testing.assert_allclose(av.nn.ctc_loss(x, [[1, 2]]).numpy(), av.nn.ctc_loss(x[:, :, :3], [[1, 2]]).numpy())
    g = slope(av.nn.ctc_loss, x, [[1, 2]])
    np.testing.assert_allclose(g[..., :3], slope(av.nn.ctc_loss, x[:, :, :3], [[1, 2]]), atol=1e-14)
    assert (g[..., 3] == 0).all()
    assert av.nn.ctc_loss(x, [[1, 3]]).tolist() == [np.inf]
    assert (slope(av.nn.ctc_loss, x, [[1, 3]]) == 0).all()


def test_ctc_of_long_sequences_in_float32():
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(600, 2, 5)) * 3, rng.integers(1, 5, size=(2, 80))
    single = x.astype(np.float32)
    y = av.nn.ctc_loss(single, labels)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y.numpy(), av.nn.ctc_loss(x, labels).numpy(), rtol=1e-6)
    t = av.Tensor(single)
    with av.GradientTape() as tape:
        tape.watch(t)
        y = av.nn.ctc_loss(t, labels)
    np.testing.assert_allclose(tape.gradient(y, t).numpy(), slope(av.nn.ctc_loss, single, labels), atol=3e-5)
    assert av.nn.ctc_loss(x[:5].astype(np.float16), labels[:, :2]).dtype == np.float32


@pytest.mark.parametrize(
    "args, options, error, words",
    [
        ((np.zeros((5, 3)), [[1]]), {}, ValueError, r"\(time, batch, classes\).* got \(5, 3\)"),
        ((np.zeros((0, 1, 3)), [[1]]), {}, ValueError, "none of them empty"),
        ((np.zeros((5, 1, 3)), [1]), {}, ValueError, r"labels of shape \(1,\) do not fit 1 sequences"),
        ((np.zeros((5, 2, 3)), [[1]]), {}, ValueError, "do not fit 2 sequences"),
        ((np.zeros((5, 1, 3)), [[1.0]]), {}, ValueError, "labels must be integers, got dtype float64"),
        ((np.zeros((5, 1, 3)), [[3]]), {}, IndexError, "class 3 is out of range: there are 3"),
        ((np.zeros((5, 1, 3)), [[-1]]), {}, IndexError, "class -1"),
        ((np.zeros((5, 1, 3)), [[1, 0]]), {}, ValueError, "a label contains the blank, class 0"),
        ((np.zeros((5, 1, 3)), [[1]], [6]), {}, ValueError, r"input_lengths must be in \[0, 5\], got 6"),
        ((np.zeros((5, 1, 3)), [[1]], [-1]), {}, ValueError, "input_lengths must be in"),
        ((np.zeros((5, 1, 3)), [[1]], [5], [2]), {}, ValueError, r"label_lengths must be in \[0, 1\], got 2"),
        ((np.zeros((5, 1, 3)), [[1]], [5, 5]), {}, ValueError, r"input_lengths has shape \(2,\), expected \(1,\)"),
        ((np.zeros((5, 1, 3)), [[1]], [5.0]), {}, ValueError, "input_lengths must be integers"),
        ((np.zeros((5, 1, 3)), [[1]]), {"blank": 3}, ValueError, r"blank is a class number in \[0, 3\), got 3"),
    ],
)
def test_ctc_errors(args, options, error, words):
    with pytest.raises(error, match=f"ctc_loss: .*{words}"):
        av.nn.ctc_loss(*args, **options)


# ---------------------------------------------------------------- another array library


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_what_stands_beside_the_logits_may_come_from_the_host(name):
    """The logits are on a device; labels, targets and weights from the host are brought there."""
    from strict_array import StrictArray

    x, *rest = CALLS.get(name, (THREE**2, THREE**2))
    if name in (
        "l2_loss",
        "kl_divergence",
        "cosine_similarity",
        "margin_ranking",
        "cosine_embedding",
        "triplet_margin",
    ):
        rest = [StrictArray(np.asarray(a)) if np.ndim(a) > 1 else a for a in rest][: 0 if name == "l2_loss" else None]
    loss = getattr(av.nn, name)
    options = {}
    if "weights" in inspect.signature(loss).parameters:
        options["weights"] = np.full(2, 0.5)[:, None] if loss(*CALLS[name]).ndim == 2 else np.full(2, 0.5)
    if "class_weights" in inspect.signature(loss).parameters:
        options["class_weights"] = np.array([1.0, 2.0, 3.0])
    host = [a._a if isinstance(a, StrictArray) else a for a in rest]
    t, u = av.Tensor(StrictArray(x.copy())), av.Tensor(x)
    with av.GradientTape() as tape:
        tape.watch([t, u])
        y, want = loss(t, *rest, **options), loss(u, *host, **options)
    got, expected = tape.gradient([y, want], [t, u])
    assert isinstance(y.array, StrictArray) and isinstance(got.array, StrictArray)
    np.testing.assert_allclose(y.numpy(), want.numpy(), rtol=1e-13)
    np.testing.assert_allclose(got.numpy(), expected.numpy(), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("wrong", [[0, 1, 2], [-1, 1, 1]])
def test_whole_numbers_as_labels_of_yes_or_no_are_0_and_1(wrong):
    x = av.Tensor(np.zeros(3))
    with pytest.raises(IndexError, match=r"sigmoid_cross_entropy: label (2|-1) is out of range: there are 2"):
        av.nn.sigmoid_cross_entropy(x, np.array(wrong))
    right = av.nn.sigmoid_cross_entropy(x, np.array([0, 1, 1]))
    np.testing.assert_array_equal(right.numpy(), av.nn.sigmoid_cross_entropy(x, np.array([0.0, 1.0, 1.0])).numpy())
    f = av.function(av.nn.sigmoid_cross_entropy)
    f(x, np.array([0, 1, 1]))
    with pytest.raises(IndexError, match="label"):
        f(x, np.array(wrong))
