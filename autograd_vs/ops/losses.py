"""Losses of labels: cross-entropies of classes and of yes or no, and what all losses share. Floor 2.

One rule says what a loss returns. A loss of `labels` (classes, signs, sequences) returns one number for each label; a
loss of anything else (a `target`, three points) returns the mean. ``reduction="none"``, ``"mean"`` or ``"sum"`` choose
otherwise. Where there are weights the mean is the weighted one, ``sum(weights * losses) / sum(weights)``: what is left
out, or weighs nothing, does not count. At a kink the gradient is the one that each docstring names.

The losses of targets are in `regression.py`, those with a margin in `margins.py`, that of sequences in `ctc.py`.
"""

from typing import Any

import numpy as np

from ..base.backend import as_array, beside, namespace
from ..base.blocks import in_blocks
from ..base.dtypes import refuse_complex
from ..base.precision import in_float32
from ..engine.declare import composed, primitive
from ..engine.protocol import Operand
from ..engine.samples import Sample, arrays, integers, pairs, values
from ..engine.tensor import Tensor, as_tensor
from .activations import log_softmax, sigmoid, softmax, softplus
from .elementwise import where
from .index import check_ids, take
from .reduce import mean
from .reduce import sum as total
from .shape import broadcast_to, broadcasts_to

__all__ = [
    "binary_cross_entropy",
    "kl_divergence",
    "nll",
    "sigmoid_cross_entropy",
    "sigmoid_focal",
    "softmax_cross_entropy",
]

# ---------------------------------------------------------------- what all losses share


def number(x, what) -> float:
    """A setting of a loss, which is a Python number: it has no gradient, and says so."""
    if isinstance(x, Operand):
        raise TypeError(f"{what} is a number without a gradient, got a {type(x).__name__}: pass its .item()")
    return float(x)


def fraction(x, what) -> float:
    """A number in ``[0, 1]``."""
    x = number(x, what)
    if not 0.0 <= x <= 1.0:
        raise ValueError(f"{what} must be in [0, 1], got {x}")
    return x


def like(x, other) -> Any:
    """`x` beside `other`, in its dtype: labels and weights follow the logits, so that float32 stays float32."""
    x = x if isinstance(x, Operand) else beside(as_array(x), other.array)
    return x if x.dtype == other.dtype else x.astype(other.dtype)


def within(x, shape, what) -> Any:
    """`x`, which must broadcast to `shape`."""
    if not broadcasts_to(x.shape, shape):
        raise ValueError(f"{what} has shape {x.shape}, which does not broadcast to {shape}")
    return x


def paired(name, a, b, words=("logits", "labels"), cast=True) -> Any:
    """The two arguments of a loss: of one shape (nothing broadcasts but a single number), `b` in the dtype of `a`.

    Without `cast` only integers are brought to that dtype.
    """
    a = as_tensor(a)
    refuse_complex(name, a)
    if not isinstance(b, Operand):
        if isinstance(b, (int, float)):
            return a, b
        b = as_array(b)
    if a.shape != b.shape:
        raise ValueError(
            f"{name}: the {words[0]} {_has(words[0])} shape {a.shape}, the {words[1]} {b.shape}; reshape one of them"
        )
    return a, like(b, a) if cast or b.dtype.kind in "biu" else b


def _has(word):
    return "have" if word.endswith("s") else "has"


def reduced(name, losses, reduction, weights=None) -> Tensor:
    """The losses by the rule at the top; `weights` is what they have been multiplied with already."""
    if reduction == "none":
        return losses
    if reduction == "sum":
        return total(losses)
    if reduction == "mean":
        if weights is None:
            return mean(losses)
        return total(losses) / total(broadcast_to(weights, losses.shape))
    raise ValueError(f"{name}: reduction is 'none', 'mean' or 'sum', got {reduction!r}")


def weighted(name, losses, weights, reduction) -> Tensor:
    """The losses, multiplied with the weights of the items, if there are any, and reduced."""
    if weights is None:
        return reduced(name, losses, reduction)
    weights = within(like(weights, losses), losses.shape, f"{name}: weights")
    return reduced(name, losses * weights, reduction, weights)


# ---------------------------------------------------------------- classes


def cell(labels, axis, shape):
    """The index of the labelled element of each row along `axis` of an array of `shape`."""
    xp = namespace(labels)
    axis %= len(shape)
    rest = shape[:axis] + shape[axis + 1 :]
    parts: list[Any] = [
        xp.arange(n).reshape(tuple(n if j == i else 1 for j in range(len(rest)))) for i, n in enumerate(rest)
    ]
    return (*parts[:axis], labels, *parts[axis:])


def one_hot(labels, axis, like):
    """1 at the labels, in an array of the shape and dtype of `like`."""
    y = namespace(labels).zeros(like.shape, like.dtype)
    y[cell(labels, axis, like.shape)] = 1
    return y


def checked_axis(name, axis, shape, what="logits") -> int:
    """The axis of the classes, not negative."""
    if not -len(shape) <= axis < len(shape):
        raise ValueError(f"{name}: axis {axis} is out of range for {what} of shape {shape}")
    return axis % len(shape)


def labels_beside(name, labels, axis, x, what) -> Any:
    """The axis of the classes in `x`, which messages call `what`, and the labels: a class number for each row."""
    i = checked_axis(name, axis, x.shape, what)
    labels = labels if isinstance(labels, Operand) else as_array(labels)
    rows = x.shape[:i] + x.shape[i + 1 :]
    if labels.dtype.kind not in "iu" or labels.shape != rows:
        raise ValueError(
            f"{name}: labels of shape {labels.shape} and dtype {labels.dtype} do not fit {what} of shape "
            f"{x.shape} with classes on axis {axis}: they are class numbers of shape {rows}"
        )
    return i, labels


def class_numbers(name, labels, axis, x, ignore=None) -> Any:
    """Checked class numbers, beside the logits `x`, and which of them count (None: all); the others become class 0."""
    ids = labels.array if isinstance(labels, Operand) else labels  # checked where they lie
    if ignore is None:
        check_ids(ids, x.shape[axis], name + ": class")
        return beside(ids, x.array), None
    kept = ids != int(number(ignore, f"{name}: ignore"))
    ids = ids * kept
    check_ids(ids, x.shape[axis], name + ": class")
    return beside(ids, x.array), beside(kept, x.array)


def weights_of_classes(name, class_weights, n, x) -> Any:
    """One weight for each of `n` classes."""
    class_weights = like(class_weights, x)
    if class_weights.shape != (n,):
        raise ValueError(f"{name}: class_weights has shape {class_weights.shape}, expected {(n,)}: one for each class")
    return class_weights


def weighted_rows(name, losses, rows, kept, weights, reduction) -> Tensor:
    """The losses of rows, which carry the weights `rows` already (None: 1), without what is ignored, reduced."""
    if kept is not None:
        losses = where(kept, losses, 0.0)
        rows = kept.astype(losses.dtype) if rows is None else where(kept, rows, 0.0)
    if weights is not None:
        weights = within(like(weights, losses), losses.shape, f"{name}: weights")
        losses, rows = losses * weights, weights if rows is None else rows * weights
    return reduced(name, losses, reduction, rows)


def _over(g, axis, shape):
    """`g` with a dimension of size 1 in the place of the axis that was summed."""
    axis %= len(shape)
    return g.reshape((*shape[:axis], 1, *shape[axis + 1 :]))


def _cross_entropy_slope(probabilities, labels, axis):
    """The derivative by the logits."""
    if labels.dtype.kind in "iu":
        if isinstance(probabilities, Operand):
            return probabilities - one_hot(labels, axis, probabilities)
        slope = probabilities.copy()
        slope[cell(labels, axis, slope.shape)] -= 1
        return slope
    return probabilities * labels.sum(axis=axis, keepdims=True) - labels


def _cross_entropy_labels(g, logits, axis):
    return _over(g, axis, logits.shape) * -log_softmax.inner(logits, axis)


def _cross_entropy_samples():
    x, labels = arrays((2, 3, 4)), integers((2, 3), 0, 4)
    soft = arrays((2, 3, 4), low=0.1, high=1.0, seed=1)
    return [
        Sample(x, labels), Sample(x, integers((2, 4), 0, 3), 1), Sample(x, integers((3, 4), 0, 2), axis=0),
        Sample(x, soft), Sample(x, soft, 1), Sample(x[0, 0], integers((), 2, 3)),
        Sample(x.transpose(2, 0, 1)[::2], integers((2, 2), 0, 3)),
        Sample(arrays((0, 3)), integers((0,), 0, 3)), Sample(x.astype(np.float32), labels, smooth=False),
    ]  # fmt: skip


def _option_samples():
    x, labels, soft = arrays((2, 3)), values([2, 0]), arrays((2, 3), low=0.1, high=1.0, seed=1)
    w, rows = values([0.5, 2.0, 1.5]), values([0.3, 1.7])
    return [
        Sample(x, integers((2, 3), 0, 2)), Sample(x, labels, label_smoothing=0.2), Sample(x, labels, class_weights=w),
        Sample(x, soft, label_smoothing=0.2, class_weights=w, weights=rows, reduction="mean"),
        Sample(x, values([1, -100]), ignore=-100, reduction="mean"), Sample(x, labels, weights=rows, reduction="sum"),
        Sample(x.T, labels, 0, class_weights=w, label_smoothing=0.1, reduction="mean"),
    ]  # fmt: skip


@primitive(
    vjp={
        "logits": lambda g, probabilities, labels, axis: (
            _cross_entropy_slope(probabilities, labels, axis) * _over(g, axis, probabilities.shape)
        ),
        "labels": _cross_entropy_labels,
    },
    jvp={
        "logits": lambda t, logits, labels, axis: (
            (_cross_entropy_slope(softmax(logits, axis), labels, axis) * t).sum(axis=axis)
        ),
        "labels": lambda t, logits, axis: -(t * log_softmax(logits, axis)).sum(axis=axis),
    },
    aux={"probabilities": lambda logits, axis: softmax.inner(logits, axis)}, name="softmax_cross_entropy",
    samples=_cross_entropy_samples,
)  # fmt: skip
def _cross_entropy(logits, labels, axis=-1):
    """The loss of each row, and the probabilities."""
    z = logits - logits.max(axis=axis, keepdims=True)
    if labels.dtype.kind in "iu":
        of_label = z[cell(labels, axis, z.shape)]
        e = np.exp(z)
        s = e.sum(axis=axis, keepdims=True)
        loss = np.log(s).reshape(of_label.shape) - of_label
    else:
        e = np.exp(z)
        s = e.sum(axis=axis, keepdims=True)
        loss = (labels * (np.log(s) - z)).sum(axis=axis)
    return loss, e / s


@composed(samples=lambda: [*_cross_entropy_samples(), *_option_samples()])
@in_float32(narrow=False)
def softmax_cross_entropy(
    logits, labels, axis=-1, *, label_smoothing=0.0, class_weights=None, weights=None, ignore=None, reduction="none"
) -> Tensor:
    """The cross-entropy of labels and ``softmax(logits)``: the loss of each row, in one op.

    Parameters
    ----------
    logits : array_like, float, shape (..., classes, ...)
    labels : array_like
        Class numbers, integers of the shape of `logits` without `axis`; or probabilities (one-hot or soft) of the shape
        of `logits`. No gradient passes to integers.
    axis : int, default -1
        The axis of the classes.
    label_smoothing : float, default 0.0
        This part of each label, in ``[0, 1]``, is spread evenly over all classes.
    class_weights : array_like, shape (classes,), optional
        The term of each class is multiplied with its weight (PyTorch's `weight`).
    weights : array_like, optional
        The loss of each row is multiplied with its weight; broadcasts to the shape of the result.
    ignore : int, optional
        Rows with this class number, which may lie outside of the classes, have the loss 0 and no gradient (PyTorch's
        `ignore_index`, whose default is -100). For class numbers only.
    reduction : {"none", "mean", "sum"}
        By default the loss of each row; see Notes for a mean with weights.

    Returns
    -------
    Tensor, shape of `logits` without `axis`
        ``log(sum(exp(logits))) - logits[label]``, or ``-sum(labels * log_softmax(logits))``. Take its mean for a loss.

    Raises
    ------
    ValueError
        If the shapes do not fit.
    IndexError
        If a class number is out of range.

    Notes
    -----
    Stable for logits of any size. The gradient is ``softmax(logits) - labels``, from the probabilities of the forward.

    ``av.mean`` of the result divides by the number of rows, whatever their weights. ``reduction="mean"`` divides by the
    sum of the weights of the rows, as PyTorch does: the weight of a row is its entry of `weights`, times the class
    weight of its label (``sum(labels * class_weights)`` for probabilities, where PyTorch divides by the number of
    rows), and 0 where it is ignored. Where all rows are ignored that mean is NaN.

    References
    ----------
    C. Szegedy et al., "Rethinking the Inception architecture for computer vision", CVPR 2016, section 7 (smoothing).

    Examples
    --------
    >>> softmax_cross_entropy(Tensor(np.array([[1e4, 0.0], [0.0, 0.0]])), np.array([1, 0])).round(4).tolist()
    [10000.0, 0.6931]
    >>> logits = Tensor(np.array([[1e4, 0.0], [0.0, 0.0]]))
    >>> softmax_cross_entropy(logits, np.array([-100, 0]), ignore=-100, reduction="mean").round(4).item()
    0.6931
    """
    name = "softmax_cross_entropy"
    logits = as_tensor(logits)
    shape = logits.shape
    i = checked_axis(name, axis, shape)
    labels = labels if isinstance(labels, Operand) else as_array(labels)
    kept = rows = None
    if labels.shape == shape:
        if ignore is not None:
            raise ValueError(f"{name}: ignore= is for class numbers; rows of probabilities get weights= of 0")
        labels = like(labels, logits)
    else:
        if labels.dtype.kind not in "iu" or labels.shape != shape[:i] + shape[i + 1 :]:
            raise ValueError(
                f"{name}: labels of shape {labels.shape} and dtype {labels.dtype} do not fit logits of "
                f"shape {shape} with classes on axis {axis}: they are class numbers of shape "
                f"{shape[:i] + shape[i + 1 :]}, or probabilities of shape {shape}"
            )
        labels, kept = class_numbers(name, labels, i, logits, ignore)
    if label_smoothing != 0.0 or class_weights is not None:
        labels, rows = _prepared(name, logits, labels, i, label_smoothing, class_weights)
        if labels.dtype.kind in "iu":
            return weighted_rows(name, _cross_entropy(logits, labels, axis) * rows, rows, kept, weights, reduction)
    losses = _cross_entropy(logits, labels, axis)
    if rows is kept is weights is None and reduction == "none":  # the usual case: nothing to pay for the others
        return losses
    return weighted_rows(name, losses, rows, kept, weights, reduction)


def _prepared(name, logits, labels, i, label_smoothing, class_weights):
    """Labels with smoothing and class weights in them, and the weights of rows (None: 1).

    Class numbers without smoothing come back as they are: the weight of the row does it.
    """
    n = logits.shape[i]
    numbers = labels.dtype.kind in "iu"
    rows = None
    if class_weights is not None:
        class_weights = weights_of_classes(name, class_weights, n, logits)
        along = class_weights.reshape(tuple(n if j == i else 1 for j in range(logits.ndim)))
        rows = take(class_weights, labels, 0) if numbers else (labels * along).sum(axis=i)
    label_smoothing = fraction(label_smoothing, f"{name}: label_smoothing")
    if label_smoothing:
        labels = one_hot(labels, i, logits) if numbers else labels
        labels = labels * (1.0 - label_smoothing) + label_smoothing / n
    elif numbers:
        return labels, rows
    return labels if class_weights is None else labels * along, rows


def _nll_samples():
    x, w = arrays((2, 3), low=-3.0, high=-0.1), values([0.5, 2.0, 1.5])
    return [
        Sample(x, values([2, 0])), Sample(x, values([1, 0, 1]), 0, class_weights=w[:2], reduction="mean"),
        Sample(arrays((2, 3, 2)), integers((2, 2), 0, 3), 1, weights=values([0.5, 2.0])),
        Sample(x, values([1, -1]), ignore=-1, class_weights=w, reduction="mean"),
        Sample(arrays((3,)), values(1), reduction="sum"), Sample(arrays((0, 3)), integers((0,), 0, 3)),
        Sample(x.astype(np.float32), values([2, 0]), smooth=False),
    ]  # fmt: skip


@composed(samples=_nll_samples)
@in_float32(narrow=False)
def nll(
    log_probabilities, labels, axis=-1, *, class_weights=None, weights=None, ignore=None, reduction="none"
) -> Tensor:
    """The negative log-likelihood: minus the logarithm of the probability of each label.

    Parameters
    ----------
    log_probabilities : array_like, float, shape (..., classes, ...)
        For instance `log_softmax` of logits; of logits themselves `softmax_cross_entropy` does both in one op.
    labels : array_like, int, shape of `log_probabilities` without `axis`
        Class numbers.
    axis : int, default -1
        The axis of the classes.
    class_weights, weights, ignore, reduction
        As in `softmax_cross_entropy`.

    Returns
    -------
    Tensor, shape of `labels`

    Raises
    ------
    ValueError
        If the shapes do not fit, or the labels are no integers.
    IndexError
        If a class number is out of range.

    Examples
    --------
    >>> nll(Tensor(np.log([[0.5, 0.5], [0.1, 0.9]])), np.array([0, 1])).round(4).tolist()
    [0.6931, 0.1054]
    """
    x = as_tensor(log_probabilities)
    i, labels = labels_beside("nll", labels, axis, x, "log_probabilities")
    labels, kept = class_numbers("nll", labels, i, x, ignore)
    losses, rows = -x[cell(labels, i, x.shape)], None
    if class_weights is not None:
        rows = take(weights_of_classes("nll", class_weights, x.shape[i], x), labels, 0)
        losses = losses * rows
    return weighted_rows("nll", losses, rows, kept, weights, reduction)


# ---------------------------------------------------------------- yes or no


@in_blocks
def _binary_slope(g, logits, labels):
    c = sigmoid.inner(logits) - labels
    return g * c


@primitive(
    vjp={"logits": _binary_slope, "labels": lambda g, logits: -(g * logits)},
    elementwise=True, name="sigmoid_cross_entropy", samples=pairs(-4.0, 4.0, 0.0, 1.0),
)  # fmt: skip
def _binary(logits, labels):
    """The loss of each label."""
    return _binary_value(logits, labels)


@in_blocks
def _binary_value(logits, labels):
    refuse_complex("sigmoid_cross_entropy", logits)
    return np.maximum(logits, 0.0) - logits * labels + np.log1p(np.exp(-np.absolute(logits)))


def _positive_slope(g, logits, labels, pos_weight):
    positive = pos_weight * labels
    return g * (sigmoid.inner(logits) * (1.0 - labels + positive) - positive)


def _triples():
    x, t, w = arrays((2, 3)), arrays((2, 3), low=0.0, high=1.0, seed=1), arrays((3,), low=0.5, high=3.0, seed=2)
    return [
        Sample(x, t, w), Sample(x, t, 2.0), Sample(x, t[0], arrays((2, 1), low=0.5, seed=3)),
        Sample(arrays(()), values(0.3), values(2.0)), Sample(arrays((0, 3)), arrays((0, 3)), w),
        Sample(x.astype(np.float32), t.astype(np.float32), w.astype(np.float32), smooth=False),
    ]  # fmt: skip


@primitive(
    vjp={
        "logits": _positive_slope,
        "labels": lambda g, logits, pos_weight: (
            g * (pos_weight * softplus.inner(-logits) - softplus.inner(logits))
        ),
        "pos_weight": lambda g, logits, labels: g * (labels * softplus.inner(-logits)),
    },
    elementwise=True, name="sigmoid_cross_entropy_positive", samples=_triples,
)  # fmt: skip
def _binary_positive(logits, labels, pos_weight):
    """The loss of each label, with another weight for what is true."""
    rest = np.log1p(np.exp(-np.absolute(logits)))
    return (1.0 - labels) * (rest + np.maximum(logits, 0.0)) + pos_weight * labels * (rest - np.minimum(logits, 0.0))


def _smoothed(name, labels, label_smoothing):
    """Labels of yes or no, moved towards 1/2."""
    label_smoothing = fraction(label_smoothing, f"{name}: label_smoothing")
    return labels * (1.0 - label_smoothing) + 0.5 * label_smoothing if label_smoothing else labels


def _binary_samples():
    x, hard, soft = arrays((2, 3)), integers((2, 3), 0, 2), arrays((2, 3), low=0.1, high=0.9, seed=1)
    w = values([0.5, 2.0, 1.5])
    return [
        Sample(x, hard), Sample(x, soft, label_smoothing=0.2, reduction="mean"), Sample(x, 1.0, reduction="sum"),
        Sample(x, soft, weights=w, reduction="mean"), Sample(x, hard == 1, weights=w[:2, None]),
        Sample(x.astype(np.float32), hard, weights=w, smooth=False),
    ]  # fmt: skip


@composed(
    samples=lambda: [
        *_binary_samples(),
        Sample(arrays((2, 3)), integers((2, 3), 0, 2), pos_weight=values([1.0, 2.0, 3])),
    ]
)
@in_float32(narrow=False)
def sigmoid_cross_entropy(
    logits, labels, *, pos_weight=None, label_smoothing=0.0, weights=None, reduction="none"
) -> Tensor:
    """The cross-entropy of labels of yes or no and ``sigmoid(logits)``: the loss of each label, in one op.

    Parameters
    ----------
    logits : array_like, float
    labels : array_like, of the shape of `logits`, or a number
        1 (True) for yes, 0 for no, or the probability of yes.
    pos_weight : array_like, optional
        The weight of the term of yes, above 1 where yes is rare; broadcasts to the shape of `logits`.
    label_smoothing : float, default 0.0
        Labels are moved towards 1/2 by this part, in ``[0, 1]``.
    weights : array_like, optional
        Each loss is multiplied with its weight; broadcasts to the shape of `logits`.
    reduction : {"none", "mean", "sum"}
        By default the loss of each label. With `weights` the mean is divided by their sum (PyTorch's divides by the
        number of labels).

    Returns
    -------
    Tensor, shape of `logits`
        ``-pos_weight * labels * log(sigmoid(logits)) - (1 - labels) * log(1 - sigmoid(logits))``.

    Raises
    ------
    ValueError
        If the shapes differ: nothing broadcasts but a single number.
    IndexError
        If labels are integers other than 0 and 1.

    Notes
    -----
    Stable for logits of any size. The gradient is ``sigmoid(logits) - labels``; the labels have theirs, too.

    Examples
    --------
    >>> sigmoid_cross_entropy(Tensor(np.array([1e4, 0.0, -1e4])), np.array([1, 1, 1])).round(4).tolist()
    [0.0, 0.6931, 10000.0]
    """
    name = "sigmoid_cross_entropy"
    given = labels.array if isinstance(labels, Operand) else labels
    if getattr(given, "dtype", np.dtype(bool)).kind in "iu":
        check_ids(given, 2, f"{name}: label")
    logits, labels = paired(name, logits, labels)
    labels = _smoothed(name, labels, label_smoothing)
    if pos_weight is None:
        losses = _binary(logits, labels)
    else:
        pos_weight = within(like(pos_weight, logits), logits.shape, f"{name}: pos_weight")
        losses = _binary_positive(logits, labels, pos_weight)
    return weighted(name, losses, weights, reduction)


def _log_of(p):
    """``max(log(p), -100)``, without a warning at 0."""
    zero = p == 0
    return np.maximum(where.inner(zero, -100.0, np.log(p + zero)), -100.0)


def _log_of_rest(p):
    """``max(log(1 - p), -100)``."""
    one = p == 1
    return np.maximum(where.inner(one, -100.0, np.log1p(-(p - one))), -100.0)


@primitive(
    vjp={
        "probabilities": lambda g, probabilities, labels: (
            g * ((probabilities - labels) / np.maximum(probabilities * (1.0 - probabilities), 1e-12))
        ),
        "labels": lambda g, probabilities: g * (_log_of_rest(probabilities) - _log_of(probabilities)),
    },
    elementwise=True, name="binary_cross_entropy", samples=pairs(0.1, 0.9, 0.0, 1.0),
)  # fmt: skip
def _binary_of_probabilities(probabilities, labels):
    """The loss of each label."""
    return -(labels * _log_of(probabilities) + (1.0 - labels) * _log_of_rest(probabilities))


def _probability_samples():
    return [
        Sample(
            arrays(s.args[0].shape, low=0.1, high=0.9).astype(s.args[0].dtype),
            *s.args[1:],
            smooth=s.smooth,
            **s.options,
        )
        for s in _binary_samples()
    ]


@composed(samples=_probability_samples)
@in_float32(narrow=False)
def binary_cross_entropy(probabilities, labels, *, label_smoothing=0.0, weights=None, reduction="none") -> Tensor:
    """The cross-entropy of labels of yes or no and probabilities.

    Of logits `sigmoid_cross_entropy` is stable, and exact where a probability would round to 0 or 1.

    Parameters
    ----------
    probabilities : array_like, float, in ``[0, 1]``
        NaN comes out elsewhere.
    labels, label_smoothing, weights, reduction
        As in `sigmoid_cross_entropy`.

    Returns
    -------
    Tensor, shape of `probabilities`
        ``-labels * log(p) - (1 - labels) * log(1 - p)``, where no logarithm is less than -100, as in PyTorch.

    Raises
    ------
    ValueError
        If the shapes differ: nothing broadcasts but a single number.

    Notes
    -----
    The gradient is PyTorch's, ``(p - labels) / max(p * (1 - p), 1e-12)``: finite, and not 0 at a probability of 0 or 1
    that is wrong, although the value is constant there.

    Examples
    --------
    >>> binary_cross_entropy(Tensor(np.array([0.5, 0.9, 0.0])), np.array([1, 1, 1])).round(4).tolist()
    [0.6931, 0.1054, 100.0]
    """
    name = "binary_cross_entropy"
    probabilities, labels = paired(name, probabilities, labels, ("probabilities", "labels"))
    losses = _binary_of_probabilities(probabilities, _smoothed(name, labels, label_smoothing))
    return weighted(name, losses, weights, reduction)


def _focal_parts(x, t, alpha, gamma):
    """The probability of yes and of no, the cross-entropy, how wrong it is, its power, and the balance."""
    p, rest = sigmoid.inner(x), sigmoid.inner(-x)
    miss = p * (1.0 - t) + rest * t
    entropy = softplus.inner(x) * (1.0 - t) + softplus.inner(-x) * t
    return p, rest, entropy, miss, miss**gamma, 1.0 if alpha is None else t * (2.0 * alpha - 1.0) + (1.0 - alpha)


def _focal_logits(g, logits, labels, alpha, gamma):
    p, rest, entropy, miss, power, balance = _focal_parts(logits, labels, alpha, gamma)
    steeper = gamma * entropy * p * rest * (1.0 - 2.0 * labels) / (miss + (miss == 0))
    return g * (balance * power * (p - labels + steeper))


def _focal_labels(g, logits, labels, alpha, gamma):
    p, rest, entropy, miss, power, balance = _focal_parts(logits, labels, alpha, gamma)
    steeper = gamma * entropy * (rest - p) / (miss + (miss == 0))
    return g * power * (balance * (steeper - logits) + (0.0 if alpha is None else 2.0 * alpha - 1.0) * entropy)


def _focal_samples():
    x, t = arrays((2, 3), low=-4.0, high=4.0), arrays((2, 3), low=0.1, high=0.9, seed=1)
    return [
        Sample(x, t, 0.25, 2.0), Sample(x, t, None, 1.5), Sample(x, t[0], 0.7, 0.0), Sample(x, 1.0, 0.25, 2.0),
        Sample(arrays(()), values(0.3), 0.25, 2), Sample(arrays((0, 3)), arrays((0, 3)), 0.25, 1.0),
        Sample(x.T[::-2], t.T[::-2], 0.25, 0.5),
        Sample(x.astype(np.float32), t.astype(np.float32), 0.25, 2.0, smooth=False),
    ]  # fmt: skip


@primitive(
    vjp={"logits": _focal_logits, "labels": _focal_labels}, elementwise=True, name="sigmoid_focal",
    samples=_focal_samples,
)  # fmt: skip
def _focal(logits, labels, alpha, gamma):
    """The loss of each label."""
    _, _, entropy, _, power, balance = _focal_parts(logits, labels, alpha, gamma)
    return balance * power * entropy


@composed(
    samples=lambda: [
        Sample(arrays((2, 3)), integers((2, 3), 0, 2)), Sample(arrays((2, 3)), 1, alpha=None, reduction="mean"),
        Sample(arrays((2, 3)), integers((2, 3), 0, 2), gamma=0.5, weights=values([1.0, 2.0, 0.0]), reduction="sum"),
    ]
)  # fmt: skip
@in_float32(narrow=False)
def sigmoid_focal(logits, labels, *, alpha=0.25, gamma=2.0, weights=None, reduction="none") -> Tensor:
    """The focal loss: `sigmoid_cross_entropy`, less of it where the answer is right already; in one op.

    Parameters
    ----------
    logits, labels, weights, reduction
        As in `sigmoid_cross_entropy`.
    alpha : float or None, default 0.25
        The weight of yes, against ``1 - alpha`` of no; None weighs neither.
    gamma : float, default 2.0
        How much less: 0 gives the cross-entropy.

    Returns
    -------
    Tensor, shape of `logits`
        ``-alpha * (1 - p)**gamma * log(p)`` for yes, ``-(1 - alpha) * p**gamma * log(1 - p)`` for no, where `p` is
        ``sigmoid(logits)``.

    Raises
    ------
    ValueError
        If the shapes differ, `alpha` is not in ``[0, 1]``, or `gamma` is negative.

    References
    ----------
    T.-Y. Lin et al., "Focal loss for dense object detection", ICCV 2017, equation 5.

    Examples
    --------
    >>> sigmoid_focal(Tensor(np.array([0.0, 4.0])), np.array([1, 1])).round(6).tolist()
    [0.043322, 1e-06]
    """
    logits, labels = paired("sigmoid_focal", logits, labels)
    alpha = None if alpha is None else fraction(alpha, "sigmoid_focal: alpha")
    gamma = number(gamma, "sigmoid_focal: gamma")
    if not gamma >= 0.0:
        raise ValueError(f"sigmoid_focal: gamma must not be negative, got {gamma}")
    return weighted("sigmoid_focal", _focal(logits, labels, alpha, gamma), weights, reduction)


# ---------------------------------------------------------------- distributions


def _log_ratio(p, q, zero):
    return np.log(p + zero) - np.log(q + zero)


def _entropy_p(g, p, q):
    zero = p == 0
    return g * ((_log_ratio(p, q, zero) + 1.0) * (p != 0))


def _entropy_q(g, p, q):
    return g * -(p / (q + (p == 0)))


@primitive(
    vjp={"p": _entropy_p, "q": _entropy_q}, elementwise=True, name="relative_entropy", samples=pairs(0.1, 1.0, 0.1, 1.0)
)
def _relative_entropy(p, q):
    """``p * log(p / q)``, and 0 where `p` is 0."""
    return p * _log_ratio(p, q, p == 0)


def _finite_logs(p, q):
    """Both, with 0 where `p` is minus infinity: the probability 0 counts for nothing."""
    zero = p == -np.inf
    return where.inner(zero, 0.0, p), where.inner(zero, 0.0, q)


def _entropy_of_logs_p(g, p, q):
    a, b = _finite_logs(p, q)
    return g * (np.exp(p) * (a - b + 1.0))


@primitive(
    vjp={"p": _entropy_of_logs_p, "q": lambda g, p: g * -np.exp(p)}, elementwise=True, arity=2,
    name="relative_entropy_of_logs", samples=pairs(-2.0, 0.0),
)  # fmt: skip
def _relative_entropy_of_logs(p, q):
    """``exp(p) * (p - q)``, and 0 where `p` is minus infinity."""
    a, b = _finite_logs(p, q)
    return np.exp(p) * (a - b)


@composed(
    samples=lambda: [
        Sample(*arrays((2, 3), (2, 3), low=0.1, high=1.0)), Sample(*arrays((2, 3), (3,), low=0.1, high=1.0), 0),
        Sample(*arrays((2, 3), (2, 3), low=-3.0, high=0.0), logs=True),
        Sample(values([0.0, 1.0]), values([0.5, 0.5]), smooth=False),
        Sample(*arrays((2, 3), (2, 3), low=0.1, high=1.0), axis=(0, 1)),
        Sample(*arrays((2, 3), (2, 3), low=0.1, high=1.0, dtype=np.float32), smooth=False),
    ]
)  # fmt: skip
@in_float32(narrow=False)
def kl_divergence(p, q, axis=-1, *, logs=False) -> Tensor:
    """The Kullback-Leibler divergence of `q` from `p`, ``KL(p || q) = sum(p * log(p / q))``, of each row.

    Parameters
    ----------
    p : array_like, float
        The probabilities that are true (of the data, of the teacher), not negative.
    q : array_like, float, of a shape that broadcasts with that of `p`
        The probabilities that stand for them (of the model).
    axis : int, tuple of int or None, default -1
        Over which to sum; None for all.
    logs : bool, default False
        Both are logarithms of probabilities, as `log_softmax` gives them, which is stable: ``sum(exp(p) * (p - q))``.

    Returns
    -------
    Tensor, without `axis`
        0 or more where both sum to 1. Infinite where `q` is 0 and `p` is not.

    Notes
    -----
    Where `p` is 0 it adds 0, and the gradients of both are 0. PyTorch's ``kl_div(log_q, p, reduction="batchmean")`` is
    ``kl_divergence(p, np.exp(log_q)).mean()`` for rows, and with ``log_target=True`` it is
    ``kl_divergence(log_p, log_q, logs=True).mean()``. Both arguments have a gradient.

    References
    ----------
    S. Kullback and R. A. Leibler, "On information and sufficiency", Annals of Mathematical Statistics 22 (1951).

    Examples
    --------
    >>> kl_divergence(np.array([0.5, 0.5]), Tensor(np.array([0.25, 0.75]))).round(4).item()
    0.1438
    """
    return total((_relative_entropy_of_logs if logs else _relative_entropy)(p, q), axis)
