"""Metrics against brute force and published numbers: batches, weights, merging, states, inside of a function."""

import itertools

import numpy as np
import pytest

import autograd_vs as av
from autograd_vs import metrics

rng = np.random.default_rng(0)
SCORES = rng.normal(size=(40, 5)).round(1)  # with ties
LABELS = rng.integers(0, 5, 40)
BINARY = rng.integers(0, 2, 40)


def pairs_auc(scores, labels, weights=None):
    """Scikit-learn's definition for two classes, pair by pair."""
    weights = np.ones(len(scores)) if weights is None else weights
    total = share = 0.0
    for i, j in itertools.product(np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)):
        w = weights[i] * weights[j]
        total += w
        share += w * (1.0 if scores[i] > scores[j] else 0.5 if scores[i] == scores[j] else 0.0)
    return share / total


def top_k(scores, labels, k):
    return np.mean([sum(other > row[label] for other in row) < k for row, label in zip(scores, labels, strict=True)])


CASES = {
    "Mean": (metrics.Mean, lambda s: (SCORES[s],), SCORES.mean()),
    "Accuracy": (metrics.Accuracy, lambda s: (SCORES[s], LABELS[s]), np.mean(SCORES.argmax(1) == LABELS)),
    "Accuracy of classes": (metrics.Accuracy, lambda s: (BINARY[s], LABELS[s]), np.mean(BINARY == LABELS)),
    "TopK": (lambda: metrics.TopK(2), lambda s: (SCORES[s], LABELS[s]), top_k(SCORES, LABELS, 2)),
    "AUC": (metrics.AUC, lambda s: (SCORES[s, 0], BINARY[s]), pairs_auc(SCORES[:, 0], BINARY)),
}
BATCHES = [slice(0, 7), slice(7, 30), slice(30, 40)]


@pytest.mark.parametrize("case", CASES)
def test_over_batches_it_is_the_value_of_the_whole(case):
    make, part, expected = CASES[case]
    whole, one, other, again = make(), make(), make(), make()
    whole.update(*part(slice(None)))
    for batch in BATCHES[:2]:
        one.update(*map(av.Tensor, part(batch)))
    other.update(*part(BATCHES[2]))
    again.update(*part(slice(0, 25)))  # which the state replaces
    again.load_state_dict(one.state_dict())
    for metric in (one, again):
        metric.merge(other)
        assert metric.result() == pytest.approx(expected, rel=1e-12)
        assert type(metric.result()) is float
    assert whole.result() == pytest.approx(expected, rel=1e-12)
    assert f"{whole.result()}" in repr(whole)
    one.reset()
    assert "nothing yet" in repr(one)
    with pytest.raises(ValueError):
        one.result()
    one.update(*part(slice(None)))
    assert one.result() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("case", CASES)
def test_states_are_copies_and_refuse_what_does_not_fit(case):
    make, part, _ = CASES[case]
    metric = make()
    metric.update(*part(slice(None)))
    before, state = metric.result(), metric.state_dict()
    for array in state.values():
        array[...] = 1
    assert metric.result() == before
    for wrong in ({}, {**state, "more": np.ones(1)}, {name: np.ones((3, 3)) for name in state}):
        with pytest.raises(ValueError, match=r"state of (an? )?[A-Z]"):
            metric.load_state_dict(wrong)
    assert metric.result() == before


def test_mean_with_weights():
    values, weights = rng.normal(size=(3, 4)), rng.uniform(size=(4,))
    metric = metrics.Mean()
    metric.update(values, weights)
    assert metric.result() == pytest.approx(np.average(values, weights=np.broadcast_to(weights, (3, 4))))
    metric.reset()
    metric.update(np.array([1.0, np.nan, np.inf]), weights=np.array([2.0, 0.0, 0.0]))  # padding does not count
    metric.update(4.0, weights=1)
    assert metric.result() == 2.0
    with pytest.raises(ValueError, match=r"weights of shape \(3,\) do not broadcast to values of shape \(2,\)"):
        metric.update(np.ones(2), weights=np.ones(3))
    assert metric.result() == 2.0
    metric.reset()
    metric.update(np.ones(2), weights=0.0)
    with pytest.raises(ValueError, match="nothing with a weight"):
        metric.result()


def test_float16_is_summed_in_double():
    metric = metrics.Mean()
    metric.update(np.full(100_000, 0.1, np.float16))
    assert metric.result() == pytest.approx(float(np.float16(0.1)), rel=1e-12)


def test_accuracy_with_weights_of_a_sequence():
    scores, labels, mask = SCORES.reshape(8, 5, 5), LABELS.reshape(8, 5), rng.integers(0, 2, (8, 5))
    metric = metrics.Accuracy()
    metric.update(scores, labels, mask)
    assert metric.result() == pytest.approx((scores.argmax(-1) == labels)[mask == 1].mean())
    assert metrics.accuracy(scores, labels).item() == pytest.approx((scores.argmax(-1) == labels).mean())
    assert metrics.accuracy(SCORES[:, 0] > 0, BINARY).item() == np.mean((SCORES[:, 0] > 0) == BINARY)


@pytest.mark.parametrize("k", [1, 2, 4, 5, 9])
def test_top_k(k):
    assert metrics.top_k_accuracy(SCORES, LABELS, k).item() == pytest.approx(top_k(SCORES, LABELS, k))


def test_top_k_of_nan_is_a_miss():
    scores = np.array([[np.nan, 1.0, 2.0], [0.0, np.nan, 2.0], [0.0, 1.0, np.inf]])
    assert metrics.top_k_accuracy(scores, np.array([0, 2, 2]), 3).item() == pytest.approx(1 / 3)


def test_top_k_of_labels_that_are_no_class_is_a_miss():
    """As `in_top_k` says of them; -1 and -100 stand for padding. Bools and small unsigned integers are classes."""
    for sign in (1, -1):
        signed = np.array([[1, 2, 3]] * 5, np.int8) * sign
        assert metrics.top_k_accuracy(signed, np.array([-1, -100, 3, 0, 2]), 3).item() == 2 / 5
    scores = np.array([[1, 2, 3]] * 3, np.uint8)
    assert metrics.top_k_accuracy(scores, np.array([2, 1, 0], np.uint8), 2).item() == pytest.approx(2 / 3)
    assert metrics.top_k_accuracy(scores[:2, :2], np.array([True, False]), 1).item() == 0.5


def test_confusion_matrix():
    expected = np.zeros((5, 5), int)
    for true, found in zip(LABELS, SCORES.argmax(1), strict=True):
        expected[true, found] += 1
    np.testing.assert_array_equal(metrics.confusion_matrix(SCORES, LABELS), expected)
    one, other = metrics.ConfusionMatrix(5), metrics.ConfusionMatrix(5)
    one.update(SCORES[:10], LABELS[:10])
    other.update(SCORES[10:].argmax(1), LABELS[10:])
    one.merge(other)
    np.testing.assert_array_equal(one.result(), expected)
    assert one.result().dtype == np.int64
    again = metrics.ConfusionMatrix(5)
    again.load_state_dict(one.state_dict())
    np.testing.assert_array_equal(again.result(), expected)
    with pytest.raises(ValueError, match="shape"):
        metrics.ConfusionMatrix(4).load_state_dict(one.state_dict())
    with pytest.raises(ValueError, match="a label is 4, not one of 4 classes"):
        metrics.ConfusionMatrix(4).update(np.zeros(40, int), LABELS)
    with pytest.raises(ValueError, match="a prediction is -1"):
        metrics.confusion_matrix(np.array([-1]), np.array([0]), classes=2)
    with pytest.raises(ValueError, match="does not merge"):
        one.merge(metrics.ConfusionMatrix(list("abcde")))


# Small integers and halves make many ties; extremes are infinite scores.
@pytest.mark.parametrize("seed", range(30))
def test_auc_is_the_share_of_pairs(seed):
    rng = np.random.default_rng(seed)
    n = rng.integers(2, 30)
    scores = rng.integers(0, rng.integers(1, 12), n) / 2 - 1
    scores[0] = rng.choice([-np.inf, np.inf, 0.0])
    labels = np.r_[0, 1, rng.integers(0, 2, n - 2)]
    weights = rng.integers(0, 4, n) + 0.5
    assert metrics.auc(scores, labels) == pytest.approx(pairs_auc(scores, labels), abs=1e-13)
    assert metrics.auc(scores, labels, weights) == pytest.approx(pairs_auc(scores, labels, weights), abs=1e-13)
    assert metrics.auc(-scores, labels) == pytest.approx(1 - metrics.auc(scores, labels), abs=1e-13)


def test_auc_of_scikit_learns_documentation():
    assert metrics.auc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1])) == 0.75
    assert metrics.auc(np.array([0.5, 0.5, 0.5]), np.array([True, False, False])) == 0.5


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: metrics.auc(np.ones(3), np.array([1, 1, 1])), ValueError, "there are no negative ones"),
        (lambda: metrics.auc(np.ones(0), np.ones(0, int)), ValueError, "there are no positive ones"),
        (lambda: metrics.auc(np.array([np.nan, 1.0]), np.array([0, 1])), ValueError, "1 of 2 scores are NaN"),
        (lambda: metrics.auc(np.ones(2), np.array([0, 2])), ValueError, "labels are 0 or 1, got 2"),
        (lambda: metrics.auc(np.ones(2), np.array([0.0, 1.0])), TypeError, "labels are classes"),
        (lambda: metrics.auc(np.ones(2), np.array([0, 1]), -np.ones(2)), ValueError, "not negative, got -1"),
        (lambda: metrics.auc(np.ones(2), np.array([0, 1]), np.array([1, np.inf])), ValueError, "finite .* got inf"),
        (lambda: metrics.auc(np.ones(2), np.array([0, 1]), np.array([1, np.nan])), ValueError, "finite .* got nan"),
        (lambda: metrics.Mean().update(np.array([1j])), TypeError, "values are real numbers, got dtype complex128"),
        (lambda: metrics.Mean().update(1.0, weights=np.array(1j)), TypeError, "weights are real"),
        (lambda: metrics.auc(np.ones((2, 1)), np.array([0, 1])), ValueError, r"\(2, 1\), \(2,\)"),
        (lambda: metrics.accuracy(SCORES, LABELS[1:]), ValueError, r"got \(40, 5\) and \(39,\)"),
        (lambda: metrics.accuracy(np.ones(3), np.ones(3, int)), TypeError, "pass predictions > 0.5"),
        (lambda: metrics.accuracy(np.ones((0, 3)), np.ones(0, int)), ValueError, "no examples"),
        (lambda: metrics.accuracy(np.ones((3, 0)), np.ones(3, int)), ValueError, "no classes"),
        (lambda: metrics.TopK(0), ValueError, "k is an integer >= 1"),
        (lambda: metrics.top_k_accuracy(SCORES, LABELS, 1.5), ValueError, "k is an integer >= 1"),
        (lambda: metrics.ConfusionMatrix([]), ValueError, "at least one class"),
        (lambda: metrics.ConfusionMatrix("cat"), TypeError, "or a list of their names, got 'cat'"),
        (lambda: metrics.ConfusionMatrix(2.5), TypeError, "got 2.5"),
        (lambda: metrics.ConfusionMatrix(True), TypeError, "got True"),
        (lambda: metrics.TopK(2).merge(metrics.TopK(3)), ValueError, "'k': 2"),
        (lambda: metrics.Mean().merge(metrics.Accuracy()), TypeError, "merges with one of its kind"),
    ],
)
def test_errors(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_inside_of_a_function():
    """Results of functions are values; an update happens at each call, not only at the trace."""
    seen, mean = metrics.Accuracy(), metrics.Mean()

    @av.function
    def step(scores, labels):
        seen.update(scores, labels)
        mean.update(av.mean(scores))
        return metrics.accuracy(scores, labels), metrics.top_k_accuracy(scores, labels, 2)

    for batch in (slice(0, 20), slice(20, 40), slice(0, 20)):
        exact, among = step(SCORES[batch], LABELS[batch])
        assert exact.item() == np.mean(SCORES[batch].argmax(1) == LABELS[batch])
        assert among.item() == pytest.approx(top_k(SCORES[batch], LABELS[batch], 2))
    assert step.traces == 1
    hits = SCORES.argmax(1) == LABELS
    assert seen.result() == pytest.approx((hits.sum() + hits[:20].sum()) / 60)
    assert mean.result() == pytest.approx((2 * SCORES[:20].mean() + SCORES[20:].mean()) / 3)


def test_on_a_tape():
    w = av.Variable(np.ones((5, 5)))
    with av.GradientTape() as tape:
        scores = SCORES @ w
        found = metrics.accuracy(scores, LABELS)
        loss = av.mean(scores)
    assert 0 <= found.item() <= 1
    assert tape.gradient(loss, w) is not None


def test_plot(tmp_path):
    pytest.importorskip("matplotlib").use("Agg")
    metric = metrics.ConfusionMatrix(["cat", "dog", "llama"])
    metric.update(np.array([0, 1, 2, 0]), np.array([0, 1, 2, 2]))
    ax = metric.plot(path=tmp_path / "out" / "confusions.png")
    assert (tmp_path / "out" / "confusions.png").read_bytes().startswith(b"\x89PNG")
    assert [t.get_text() for t in ax.get_yticklabels()] == ["cat", "dog", "llama"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("prediction", "label")
    assert {t.get_position(): t.get_text() for t in ax.texts} == {(0, 0): "1", (1, 1): "1", (2, 2): "1", (0, 2): "1"}
    np.testing.assert_array_equal(ax.images[0].get_array(), [[1, 0, 0], [0, 1, 0], [0.5, 0, 0.5]])
    shares = metric.plot(path=tmp_path / "shares.png", normalize=True)
    assert {t.get_text() for t in shares.texts} == {"1.00", "0.50"}
    assert metric.plot(ax=ax) is ax
    years = metrics.ConfusionMatrix([1999, 2000]).plot(path=tmp_path / "years.png")  # with nothing in it yet
    assert [t.get_text() for t in years.get_xticklabels()] == ["1999", "2000"]
    two = metrics.ConfusionMatrix(2).plot(path=tmp_path / "two.png")
    two.figure.draw_without_rendering()
    assert two.yaxis.label.get_window_extent().x0 >= 0  # inside of the picture
