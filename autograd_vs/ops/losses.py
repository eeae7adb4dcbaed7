"""Losses: cross-entropies and distances. Floor 2."""

from typing import Any

import numpy as np

from ..base.backend import as_array, namespace, placed
from ..base.dtypes import refuse_complex
from ..engine.declare import composed, primitive
from ..engine.protocol import Operand, operand_types
from ..engine.samples import Sample, arrays, integers
from ..engine.tensor import Tensor, as_tensor
from .activations import log_softmax, softmax
from .index import check_ids

__all__ = ["l2_loss", "mse", "softmax_cross_entropy"]

ndarray = np.ndarray


def _cell(labels, axis, shape):
    """The index of the labelled element of each row along `axis` of an array of `shape`."""
    xp = namespace(labels)
    axis %= len(shape)
    rest = shape[:axis] + shape[axis + 1 :]
    parts: list[Any] = [
        xp.arange(n).reshape(tuple(n if j == i else 1 for j in range(len(rest)))) for i, n in enumerate(rest)
    ]
    return (*parts[:axis], labels, *parts[axis:])


def _one_hot(labels, axis, like):
    y = namespace(labels).zeros(like.shape, like.dtype)
    y[_cell(labels, axis, like.shape)] = 1
    return y


def _over(g, axis, shape):
    """`g` with a dimension of size 1 in the place of the axis that was summed."""
    axis %= len(shape)
    return g.reshape((*shape[:axis], 1, *shape[axis + 1 :]))


def _cross_entropy_slope(probabilities, labels, axis):
    """The derivative by the logits."""
    if labels.dtype.kind in "iu":
        if isinstance(probabilities, Operand):
            return probabilities - _one_hot(labels, axis, probabilities)
        slope = probabilities.copy()
        slope[_cell(labels, axis, slope.shape)] -= 1
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
        of_label = z[_cell(labels, axis, z.shape)]
        e = np.exp(z)
        s = e.sum(axis=axis, keepdims=True)
        loss = np.log(s).reshape(of_label.shape) - of_label
    else:
        e = np.exp(z)
        s = e.sum(axis=axis, keepdims=True)
        loss = (labels * (np.log(s) - z)).sum(axis=axis)
    return loss, e / s


@composed(samples=lambda: [*_cross_entropy_samples(), Sample(arrays((2, 3)), integers((2, 3), 0, 2))])
def softmax_cross_entropy(logits, labels, axis=-1) -> Tensor:
    """The cross-entropy of labels and ``softmax(logits)``: the loss of each row, in one op.

    Parameters
    ----------
    logits : array_like, float, shape (..., classes, ...)
    labels : array_like
        Class numbers, integers of the shape of `logits` without `axis`; or probabilities (one-hot or soft) of the shape
        of `logits`. No gradient passes to integers.
    axis : int, default -1
        The axis of the classes.

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

    Examples
    --------
    >>> softmax_cross_entropy(Tensor(np.array([[1e4, 0.0], [0.0, 0.0]])), np.array([1, 0])).round(4).tolist()
    [10000.0, 0.6931]
    """
    logits = as_tensor(logits)
    shape = logits.shape
    if not -len(shape) <= axis < len(shape):
        raise ValueError(f"softmax_cross_entropy: axis {axis} is out of range for logits of shape {shape}")
    i = axis % len(shape)
    labels = labels if isinstance(labels, Operand) else as_array(labels)  # checked where it lies, then placed
    if labels.shape == shape:
        if labels.dtype != logits.dtype:
            labels = labels.astype(logits.dtype)
        return _cross_entropy(logits, labels, axis)
    if labels.dtype.kind not in "iu" or labels.shape != shape[:i] + shape[i + 1 :]:
        raise ValueError(
            f"softmax_cross_entropy: labels of shape {labels.shape} and dtype {labels.dtype} do not fit logits of "
            f"shape {shape} with classes on axis {axis}: they are class numbers of shape {shape[:i] + shape[i + 1 :]}, "
            f"or probabilities of shape {shape}"
        )
    ids = labels.array if isinstance(labels, Operand) else labels
    check_ids(ids, shape[i], "softmax_cross_entropy: class")
    return _cross_entropy(logits, placed(ids), axis)


def _mse_prediction(g, prediction, target, prediction_dtype):
    d = prediction - target
    scale = 2.0 / (d.size or 1)
    d *= g.item() * scale if g.__class__ is ndarray else g * scale
    return d if d.dtype == prediction_dtype else d.astype(prediction_dtype)


def _mse_target(g, prediction, target, target_dtype):
    return _mse_prediction(g, target, prediction, target_dtype)


def _mse_samples():
    a, b = arrays((3, 4), (3, 4))
    return [
        Sample(a, b), Sample(arrays(()), arrays((), seed=1)),
        Sample(arrays((4, 6))[::2, ::-2].T, arrays((3, 2), seed=1)),
        Sample(a.astype(np.float32), b.astype(np.float32), smooth=False), Sample(a, b.astype(np.float32), smooth=False),
    ]  # fmt: skip


@primitive(
    vjp={"prediction": _mse_prediction, "target": _mse_target},
    jvp={
        "prediction": lambda t, prediction, target: (
            _mse_prediction(1.0, prediction, target, t.dtype).ravel() @ t.ravel()
        ),
        "target": lambda t, prediction, target: _mse_target(1.0, prediction, target, t.dtype).ravel() @ t.ravel(),
    },
    name="mse", samples=_mse_samples,
)  # fmt: skip
def _mse(prediction, target):
    """The mean of the squared differences."""
    d = prediction - target
    refuse_complex("mse", d)
    return as_array(namespace(d).vdot(d, d) * (1.0 / d.size))


@composed(samples=lambda: [*_mse_samples(), Sample(arrays((2, 3)), 0.5)])
def mse(prediction, target) -> Tensor:
    """The mean squared error, ``mean((prediction - target)**2)``.

    Parameters
    ----------
    prediction, target : array_like, float, of one shape
        Nothing broadcasts, except a single number: a mean over all pairs of (n, 1) and (n,) is a popular mistake.

    Returns
    -------
    Tensor, shape ()

    Raises
    ------
    ValueError
        If the shapes differ.

    Examples
    --------
    >>> mse(Tensor(np.array([1.0, 2.0])), np.array([1.0, 4.0])).item()
    2.0
    """
    if prediction.__class__ not in operand_types or target.__class__ not in operand_types:
        prediction = as_tensor(prediction)
        if isinstance(target, (int, float)):
            target = namespace(prediction.array).full(prediction.shape, target, prediction.dtype)
        elif not isinstance(target, Operand):
            target = placed(target)
            if target.dtype.kind in "biu":
                target = target.astype(prediction.dtype)
    if prediction.shape != target.shape:
        raise ValueError(
            f"mse: the prediction has shape {prediction.shape}, the target {target.shape}; reshape one of them"
        )
    return _mse(prediction, target)


@primitive(
    vjp={"x": lambda g, x: g * x}, jvp={"x": lambda t, x: x.ravel() @ t.ravel()},
    samples=lambda: [
        Sample(arrays((3, 4))), Sample(arrays(())), Sample(arrays((0, 3))), Sample(arrays((4, 6))[::2, ::-2].T),
        Sample(arrays((3,), dtype=np.float32), smooth=False),
    ],
)  # fmt: skip
def l2_loss(x):
    """Half the sum of the squares, ``sum(x**2) / 2``.

    Parameters
    ----------
    x : array_like, float

    Returns
    -------
    Tensor, shape ()

    Notes
    -----
    TensorFlow's `tf.nn.l2_loss`: its gradient is `x`.

    Examples
    --------
    >>> l2_loss(Tensor(np.array([3.0, 4.0]))).item()
    12.5
    """
    refuse_complex("l2_loss", x)
    return as_array(namespace(x).vdot(x, x) * 0.5)
