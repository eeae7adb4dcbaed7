"""Losses with a margin: hinges, rankings, triplets, and the similarity of directions. Floor 2.

What they return, and ``reduction=``, follow the rule in `losses.py`. All are made of `relu`: where the margin is just
reached the gradient is 0, that of the flat side.
"""

from typing import Any

import numpy as np

from ..base.backend import as_array, beside, namespace
from ..base.precision import in_float32
from ..engine.declare import composed
from ..engine.protocol import Operand
from ..engine.samples import Sample, arrays, integers, values
from ..engine.tensor import Tensor, as_tensor
from .activations import relu
from .elementwise import maximum, minimum, multiply, reciprocal, sqrt, square, subtract
from .index import take
from .losses import (
    cell,
    checked_axis,
    class_numbers,
    labels_beside,
    like,
    number,
    one_hot,
    reduced,
    weighted,
    weighted_rows,
    weights_of_classes,
)
from .reduce import sum as total
from .shape import broadcast_to, squeeze

__all__ = [
    "cosine_embedding", "cosine_similarity", "hinge", "margin_ranking", "multi_margin", "squared_hinge",
    "triplet_margin",
]  # fmt: skip


def _signs(name, labels, x) -> Any:
    """Labels of 1 and -1 of that shape, or one number; True is 1, False is -1.

    Those on a device are not looked at: the host would have to wait.
    """
    a = labels.array if isinstance(labels, Operand) else as_array(labels)
    single = isinstance(labels, (bool, int, float))
    if a.shape != x.shape and not single:
        raise ValueError(f"{name}: labels of shape {a.shape} do not fit {x.shape}: one for each loss")
    if a.dtype.kind == "b":
        return (1.0 if labels else -1.0) if single else beside(a, x.array).astype(x.dtype) * 2.0 - 1.0
    if namespace(a) is np and bool((abs(a) != 1).any()):
        raise ValueError(f"{name}: labels are 1 and -1 (or True and False), got {a[abs(a) != 1].reshape(-1)[0]}")
    return float(labels) if single else like(labels, x)


# ---------------------------------------------------------------- hinges


def _hinge_samples():
    x, y = values([[0.3, -0.4, 2.0], [-1.7, 0.6, -0.2]]), values([[1, -1, 1], [1, -1, -1]])
    return [
        Sample(x, y), Sample(x, y == 1, reduction="mean"), Sample(x, 1, reduction="sum"), Sample(x.T[::-1], y.T[::-1]),
        Sample(x, y, weights=values([0.5, 2.0, 1.5]), reduction="mean"), Sample(values(0.3), -1),
        Sample(x.astype("f"), y, smooth=False),
    ]  # fmt: skip


def _missing(name, scores, labels):
    """By how much scores miss the margin of 1."""
    scores = as_tensor(scores)
    return relu(1.0 - scores * _signs(name, labels, scores))


@composed(samples=_hinge_samples)
@in_float32(narrow=False)
def hinge(scores, labels, *, weights=None, reduction="none") -> Tensor:
    """The hinge loss of support vector machines, ``max(0, 1 - labels * scores)``, of each label.

    Parameters
    ----------
    scores : array_like, float
    labels : array_like, of the shape of `scores`, or a number
        1 and -1, or True and False.
    weights : array_like, optional
        Each loss is multiplied with its weight; broadcasts to the shape of `scores`.
    reduction : {"none", "mean", "sum"}
        By default the loss of each label. With `weights` the mean is divided by their sum.

    Returns
    -------
    Tensor, shape of `scores`

    Raises
    ------
    ValueError
        If the shapes differ, or a label is neither 1 nor -1 (those on a device are not looked at).

    Notes
    -----
    The gradient at ``labels * scores == 1`` is 0.

    References
    ----------
    C. Cortes and V. Vapnik, "Support-vector networks", Machine Learning 20 (1995).

    Examples
    --------
    >>> hinge(Tensor(np.array([0.25, 3.0, 0.5])), np.array([1, 1, -1])).tolist()
    [0.75, 0.0, 1.5]
    """
    return weighted("hinge", _missing("hinge", scores, labels), weights, reduction)


@composed(samples=_hinge_samples)
@in_float32(narrow=False)
def squared_hinge(scores, labels, *, weights=None, reduction="none") -> Tensor:
    """The square of `hinge`: its gradient has no step, and is 0 where ``labels * scores == 1``.

    Parameters
    ----------
    scores, labels, weights, reduction
        As in `hinge`.

    Returns
    -------
    Tensor, shape of `scores`

    Raises
    ------
    ValueError
        As `hinge`.

    Examples
    --------
    >>> squared_hinge(Tensor(np.array([0.5, 3.0, 0.5])), np.array([1, 1, -1])).tolist()
    [0.25, 0.0, 2.25]
    """
    return weighted("squared_hinge", square(_missing("squared_hinge", scores, labels)), weights, reduction)


def _multi_samples():
    x, w = arrays((2, 4), apart=1.0), values([0.5, 2.0, 1.5, 1.0])
    return [
        Sample(x, values([2, 0])), Sample(x, values([1, 0, 1, 1]), 0, margin=0.7), Sample(x, values([3, 3]), power=2),
        Sample(arrays((2, 3, 2), apart=1.0), integers((2, 2), 0, 3), 1, weights=values([0.5, 2.0])),
        Sample(x, values([0, 1]), class_weights=w, reduction="mean"), Sample(x[0], values(1), reduction="sum"),
        Sample(x.astype("f"), values([2, 0]), smooth=False),
    ]  # fmt: skip


@composed(samples=_multi_samples)
@in_float32(narrow=False)
def multi_margin(
    scores, labels, axis=-1, *, margin=1.0, power=1, class_weights=None, weights=None, reduction="none"
) -> Tensor:
    """The hinge loss of several classes: the score of the label shall exceed each other one by `margin`.

    Parameters
    ----------
    scores : array_like, float, shape (..., classes, ...)
    labels : array_like, int, shape of `scores` without `axis`
        Class numbers.
    axis : int, default -1
        The axis of the classes.
    margin : float, default 1.0
    power : {1, 2}
        2 squares each term.
    class_weights : array_like, shape (classes,), optional
        The loss of a row is multiplied with the weight of its label.
    weights : array_like, optional
        The loss of each row is multiplied with its weight.
    reduction : {"none", "mean", "sum"}
        By default the loss of each row. With weights the mean is divided by their sum.

    Returns
    -------
    Tensor, shape of `labels`
        ``sum(max(0, margin - scores[label] + scores[i])**power) / classes`` over all `i` but the label.

    Raises
    ------
    ValueError
        If the shapes do not fit, or `power` is something else.
    IndexError
        If a class number is out of range.

    Notes
    -----
    The gradient is 0 where the margin is just reached.

    References
    ----------
    J. Weston and C. Watkins, "Support vector machines for multi-class pattern recognition", ESANN 1999.

    Examples
    --------
    >>> multi_margin(Tensor(np.array([[0.0, 0.5, 2.0, 1.5]])), np.array([2])).tolist()
    [0.125]
    """
    x = as_tensor(scores)
    i, labels = labels_beside("multi_margin", labels, axis, x, "scores")
    if power not in (1, 2):
        raise ValueError(f"multi_margin: power is 1 or 2, got {power!r}")
    labels, _ = class_numbers("multi_margin", labels, i, x)
    n = x.shape[i]
    wanted = x[cell(labels, i, x.shape)].reshape((*x.shape[:i], 1, *x.shape[i + 1 :]))
    terms = relu(x - (wanted - number(margin, "multi_margin: margin")))
    others = 1.0 - one_hot(labels, i, x)
    losses = total((terms if power == 1 else square(terms)) * others, i) / n
    rows = None
    if class_weights is not None:
        rows = take(weights_of_classes("multi_margin", class_weights, n, x), labels, 0)
        losses = losses * rows
    return weighted_rows("multi_margin", losses, rows, None, weights, reduction)


# ---------------------------------------------------------------- rankings and triplets


def _same(name, *named):
    """Tensors of one shape."""
    found = [as_tensor(x) for _, x in named]
    if any(x.shape != found[0].shape for x in found):
        shapes = ", ".join(f"{word} {x.shape}" for (word, _), x in zip(named, found, strict=True))
        raise ValueError(f"{name}: the shapes differ: {shapes}; reshape or broadcast them")
    return found


def _ranking_samples():
    a, b = arrays((2, 3), (2, 3), apart=1.0)
    y = values([[1, -1, 1], [1, -1, -1]])
    return [
        Sample(a, b, y), Sample(a, b, y == 1, margin=0.3, reduction="mean"), Sample(a, b, 1, reduction="sum"),
        Sample(values(0.3), values(0.7), 1), Sample(a.astype("f"), b.astype("f"), y, smooth=False),
    ]  # fmt: skip


@composed(samples=_ranking_samples)
@in_float32(narrow=False)
def margin_ranking(a, b, labels, *, margin=0.0, weights=None, reduction="none") -> Tensor:
    """Which of two is larger: ``max(0, margin - labels * (a - b))``, of each label.

    Parameters
    ----------
    a, b : array_like, float, of one shape
    labels : array_like, of the shape of `a`, or a number
        1 (True) where `a` shall be the larger one, -1 (False) where `b` shall.
    margin : float, default 0.0
        By how much.
    weights, reduction
        As in `hinge`.

    Returns
    -------
    Tensor, shape of `a`

    Raises
    ------
    ValueError
        If the shapes differ, or a label is neither 1 nor -1 (those on a device are not looked at).

    Notes
    -----
    The gradient is 0 where the margin is just reached, also between equal numbers without a margin. (PyTorch's is not.)

    Examples
    --------
    >>> margin_ranking(Tensor(np.array([1.0, 2.0])), np.array([3.0, 1.0]), np.array([1, 1])).tolist()
    [2.0, 0.0]
    """
    a, b = _same("margin_ranking", ("a", a), ("b", b))
    d = subtract(a, b)
    signs = _signs("margin_ranking", labels, d)
    losses = relu(number(margin, "margin_ranking: margin") - signs * d)
    return weighted("margin_ranking", losses, weights, reduction)


def _distance(a, b, axis, eps):
    """The Euclidean distance; where it is 0 its gradient is, too."""
    squares = total(square(subtract(a, b) + eps), axis)
    zero = squares.array == 0
    return sqrt(squares + zero) - zero


def _triplet_samples():
    a, p, n = arrays((2, 3), (2, 3), (2, 3))
    return [
        Sample(a, p, n, margin=2.0), Sample(a, p, n, margin=2.0, swap=True, reduction="none"),
        Sample(a, p, n, margin=3.0, axis=0, reduction="sum"), Sample(a[0], p[0], n[0], margin=2.0),
        Sample(a.astype("f"), p.astype("f"), n.astype("f"), smooth=False),
    ]  # fmt: skip


@composed(samples=_triplet_samples)
@in_float32(narrow=False)
def triplet_margin(
    anchor, positive, negative, *, margin=1.0, swap=False, eps=1e-6, axis=-1, reduction="mean"
) -> Tensor:
    """A point shall be nearer to one of its kind than to another one, by a margin; the mean over triplets.

    ``max(0, margin + distance(anchor, positive) - distance(anchor, negative))``, with Euclidean distances.

    Parameters
    ----------
    anchor, positive, negative : array_like, float, of one shape
    margin : float, default 1.0
    swap : bool, default False
        Take the distance from `positive` to `negative` where it is the smaller one.
    eps : float, default 1e-6
        Added to all differences, as in PyTorch, which keeps gradients of equal points finite.
    axis : int, default -1
        The axis of the coordinates.
    reduction : {"mean", "none", "sum"}
        The mean, the loss of each triplet, or their sum.

    Returns
    -------
    Tensor, shape ()

    Raises
    ------
    ValueError
        If the shapes differ.

    Notes
    -----
    The gradient is 0 where the margin is just reached; that of a distance of 0 is 0.

    References
    ----------
    V. Balntas et al., "Learning shallow convolutional feature descriptors with triplet losses", BMVC 2016 (`swap`).

    Examples
    --------
    >>> a = Tensor(np.array([[0.0, 0.0], [0.0, 0.0]]))
    >>> triplet_margin(a, np.array([[3.0, 4.0], [0.0, 1.0]]), np.array([[0.0, 1.0], [3.0, 4.0]])).round(4).item()
    2.5
    """
    name = "triplet_margin"
    anchor, positive, negative = _same(name, ("anchor", anchor), ("positive", positive), ("negative", negative))
    eps = number(eps, f"{name}: eps")
    far = _distance(anchor, negative, axis, eps)
    if swap:
        far = minimum(far, _distance(positive, negative, axis, eps))
    losses = relu(_distance(anchor, positive, axis, eps) - far + number(margin, f"{name}: margin"))
    return reduced(name, losses, reduction)


# ---------------------------------------------------------------- directions


def _cosine_samples():
    a, b = arrays((2, 3), (2, 3))
    return [
        Sample(a, b), Sample(a, b[0], 0), Sample(a[:, None], b, -1), Sample(a.T[::-1], b.T[::-1], axis=0),
        Sample(a, b, eps=10.0), Sample(a[0], b[0]), Sample(a.astype("f"), b.astype("f"), smooth=False),
    ]  # fmt: skip


@composed(samples=_cosine_samples)
@in_float32()
def cosine_similarity(a, b, axis=-1, eps=1e-8) -> Tensor:
    """The cosine of the angle between vectors, ``sum(a * b) / (norm(a) * norm(b))``.

    Parameters
    ----------
    a, b : array_like, float, of shapes that broadcast
    axis : int, default -1
        The axis of the coordinates.
    eps : float, default 1e-8
        The smallest norm that counts: with a vector of zeros the result is 0, and gradients are finite.

    Returns
    -------
    Tensor, without `axis`
        In ``[-1, 1]``, up to rounding. As a loss take ``1 - cosine_similarity(a, b)``.

    Examples
    --------
    >>> cosine_similarity(Tensor(np.array([[1.0, 0.0], [0.0, 0.0]])), np.array([1.0, 1.0])).round(4).tolist()
    [0.7071, 0.0]
    """
    least = number(eps, "cosine_similarity: eps") ** 2
    product = multiply(a, b)
    i = checked_axis("cosine_similarity", axis, product.shape, "a * b") - product.ndim
    y = total(product, i, keepdims=True) * _inverse_norm(a, product.shape, i, least)
    return squeeze(y * _inverse_norm(b, product.shape, i, least), i)


def _inverse_norm(x, shape, i, least):
    x = as_tensor(x)
    if x.ndim < -i or x.shape[i] != shape[i]:  # not all coordinates are written out
        x = broadcast_to(x, shape)
    return reciprocal(sqrt(maximum(total(square(x), i, keepdims=True), least)))


def _embedding_samples():
    a, b = arrays((3, 4), (3, 4))
    y = values([1, -1, -1])
    return [
        Sample(a, b, y), Sample(a, -b, y == 1, margin=0.2, reduction="mean"), Sample(a, b, 1, reduction="sum"),
        Sample(a, b, values([1, -1, 1, 1]), axis=0), Sample(a[0], b[0], -1, margin=-0.9),
        Sample(a.astype("f"), b.astype("f"), y, smooth=False),
    ]  # fmt: skip


@composed(samples=_embedding_samples)
@in_float32(narrow=False)
def cosine_embedding(a, b, labels, *, margin=0.0, eps=1e-8, axis=-1, weights=None, reduction="none") -> Tensor:
    """Vectors of one kind shall point the same way, others shall not: a loss by `cosine_similarity`, of each pair.

    Parameters
    ----------
    a, b : array_like, float, of one shape
    labels : array_like, of the shape of `a` without `axis`, or a number
        1 (True) where both shall point the same way, -1 (False) where they shall not.
    margin : float, default 0.0
        The similarity that costs nothing where they shall not.
    eps, axis
        As in `cosine_similarity`.
    weights, reduction
        As in `hinge`.

    Returns
    -------
    Tensor, shape of `a` without `axis`
        ``1 - similarity`` for 1, ``max(0, similarity - margin)`` for -1.

    Raises
    ------
    ValueError
        If the shapes do not fit, or a label is neither 1 nor -1 (those on a device are not looked at).

    Notes
    -----
    The gradient is 0 where the margin is just reached.

    Examples
    --------
    >>> a, b = Tensor(np.array([[1.0, 0.0], [1.0, 0.0]])), np.array([[0.0, 1.0], [3.0, 0.0]])
    >>> cosine_embedding(a, b, np.array([1, -1])).tolist()
    [1.0, 1.0]
    """
    name = "cosine_embedding"
    a, b = _same(name, ("a", a), ("b", b))
    similarity = cosine_similarity(a, b, axis, eps)
    signs = _signs(name, labels, similarity)
    alike = 0.5 * (1.0 + signs)
    apart = relu(similarity - number(margin, f"{name}: margin"))
    return weighted(name, alike * (1.0 - similarity) + (1.0 - alike) * apart, weights, reduction)
