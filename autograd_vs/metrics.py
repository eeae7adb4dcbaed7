"""Metrics over many batches: mean, accuracy, top-k, confusion matrix, area under the ROC curve. Floor 3.

Sums stay in the library of what they are sums of, so that nobody waits for a device until `result` is asked for.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from .base.backend import beside, namespace, on_host, placed
from .engine.outside import outside
from .engine.protocol import Operand
from .engine.tensor import tensor_of

if TYPE_CHECKING:
    from os import PathLike

__all__ = [
    "AUC", "Accuracy", "ConfusionMatrix", "Mean", "Metric", "TopK", "accuracy", "auc", "confusion_matrix",
    "top_k_accuracy",
]  # fmt: skip


# ---------------------------------------------------------------- functions


def accuracy(predictions: Any, labels: Any) -> Any:
    """The share of predictions that are the label.

    Parameters
    ----------
    predictions : float, shape (..., classes); or int or bool, shape (...)
        Scores, of which the largest counts, or classes.
    labels : int or bool, shape (...)

    Returns
    -------
    Tensor, float64, shape ()
        A constant: no gradient passes. May be returned by an `autograd_vs.function`.

    Raises
    ------
    TypeError
        If labels are no integers, or predictions are floats of the shape of the labels: pass ``predictions > 0.5``.
    ValueError
        If shapes do not fit, or there is nothing in them.

    Examples
    --------
    >>> accuracy(np.array([[0.1, 0.9], [0.8, 0.2]]), np.array([1, 1])).item()
    0.5
    """
    hits = _hits(*_arrays(predictions=predictions, labels=labels))
    return tensor_of(_mean(hits))


def top_k_accuracy(predictions: Any, labels: Any, k: int = 5) -> Any:
    """The share of labels whose score is among the `k` largest.

    Parameters
    ----------
    predictions : float, shape (..., classes)
    labels : int, shape (...)
    k : int, >= 1, default 5

    Returns
    -------
    Tensor, float64, shape ()

    Raises
    ------
    ValueError
        If shapes do not fit, there is nothing in them, or `k` is less than 1.

    Notes
    -----
    As TensorFlow's ``in_top_k``: classes of the same score all count as in; a row with a NaN counts as a miss, and so
    does a label that is none of the classes.

    Examples
    --------
    >>> scores = np.array([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2]])
    >>> top_k_accuracy(scores, np.array([1, 2]), k=2).item()
    0.5
    """
    predictions, labels = _arrays(predictions=predictions, labels=labels)
    return tensor_of(_mean(_among(predictions, labels, k)))


def confusion_matrix(predictions: Any, labels: Any, classes: int | None = None) -> np.ndarray:
    """How often each class was taken for each.

    Parameters
    ----------
    predictions : float, shape (..., classes); or int or bool, shape (...)
        Scores, of which the largest counts, or classes.
    labels : int or bool, shape (...)
    classes : int, optional
        By default as many as scores, or one more than the largest class.

    Returns
    -------
    int64 array, shape (classes, classes)
        Row: the label; column: the prediction.

    Raises
    ------
    ValueError
        If shapes do not fit, or a class is negative or not below `classes`.

    Examples
    --------
    >>> confusion_matrix(np.array([0, 1, 1]), np.array([0, 1, 0]))
    array([[1, 1],
           [0, 1]])
    """
    predictions, labels = _arrays(predictions=predictions, labels=labels)
    if classes is None:
        scores = predictions.ndim > labels.ndim
        largest = max([int(a.max(initial=-1)) for a in map(on_host, [labels] if scores else [labels, predictions])])
        classes = max(predictions.shape[-1] if scores else 0, largest + 1)
    return _confusions(predictions, labels, classes)


def auc(predictions: Any, labels: Any, weights: Any = None) -> float:
    r"""The area under the ROC curve: how probably a positive example has a larger score than a negative one.

    Exact, from ranks; equal scores count one half (Mann and Whitney's U over the number of pairs; Hanley and McNeil,
    "The meaning and use of the area under a receiver operating characteristic (ROC) curve", 1982). With weights
    :math:`w`: :math:`\sum_{i,j} w_i w_j ([s_i > s_j] + [s_i = s_j] / 2) / \sum_{i,j} w_i w_j`, :math:`i` over the
    positive and :math:`j` over the negative examples.

    Parameters
    ----------
    predictions : float, shape (n,)
        Scores: the larger, the more probably positive.
    labels : bool or int, shape (n,), 0 or 1
    weights : float, shape (n,), >= 0, optional

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If shapes do not fit, a score is NaN, a label is neither 0 nor 1, a weight is negative or not finite, or there
        are no positive or no negative examples.

    Examples
    --------
    >>> auc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1]))
    0.75
    """
    metric = AUC()
    metric.update(predictions, labels, weights)
    return metric.result()


def _arrays(**given: Any) -> Any:
    """The arrays of the arguments, all where the first one is."""
    found: list = []
    for name, x in given.items():
        a = x.array if isinstance(x, Operand) else placed(x)
        if name == "labels" and a.dtype.kind not in "biu":
            raise TypeError(f"labels are classes (integers or bools), got dtype {a.dtype}")
        if a.dtype.kind == "c":
            raise TypeError(f"{name} are real numbers, got dtype {a.dtype}")
        found.append(beside(a, found[0]) if found else a)
    return found


def _classes(predictions, labels):
    """The predicted classes, in the shape of the labels."""
    if predictions.shape == labels.shape and predictions.dtype.kind in "biu":
        return predictions
    if predictions.shape == labels.shape:
        raise TypeError(
            f"predictions are classes or have scores in one axis more than the labels; got {predictions.dtype} of the "
            f"same shape {labels.shape}: for two classes pass predictions > 0.5 (logits: > 0)"
        )
    _check_scores(predictions, labels)
    return predictions.argmax(-1)


def _check_scores(predictions, labels):
    if predictions.shape[:-1] != labels.shape or not predictions.ndim:
        raise ValueError(
            f"scores of shape (..., classes) fit labels of shape (...): got {predictions.shape} and {labels.shape}"
        )
    if not predictions.shape[-1]:
        raise ValueError(f"there are no classes: predictions have shape {predictions.shape}")


def _hits(predictions, labels):
    """Where the prediction is the label."""
    return _classes(predictions, labels) == labels


def _among(predictions, labels, k):
    """Where the score of the label is among the k largest."""
    _check_k(k)
    _check_scores(predictions, labels)
    xp = namespace(predictions)
    mine = xp.arange(predictions.shape[-1]) == labels[..., None]
    score = xp.where(mine, predictions, 0).sum(-1, keepdims=True)
    return ((predictions > score).sum(-1) < k) & mine.any(-1) & ~xp.isnan(predictions).any(-1)


def _check_k(k):
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 1:
        raise ValueError(f"k is an integer >= 1, got {k!r}")


def _mean(hits):
    if not hits.size:
        raise ValueError(f"there are no examples: labels have shape {hits.shape}")
    return hits.mean(dtype=np.float64)


def _confusions(predictions, labels, classes) -> np.ndarray:
    found = on_host(_classes(predictions, labels)).ravel().astype(np.int64)
    true = on_host(labels).ravel().astype(np.int64)
    for name, a in (("label", true), ("prediction", found)):
        wrong = (a < 0) | (a >= classes)
        if wrong.any():
            raise ValueError(f"a {name} is {a[wrong][0]}, not one of {classes} classes (0 to {classes - 1})")
    return np.bincount(true * classes + found, minlength=classes * classes).reshape(classes, classes)


# ---------------------------------------------------------------- classes


class Metric:
    """What all metrics have: `update` per batch, `result`, `reset`, `merge`, a state.

    ``update`` inside an `autograd_vs.function` happens at each call of it, not only at the trace.
    """

    _state: dict[str, Any]

    def __init__(self) -> None:
        self.reset()

    def _zero(self) -> dict[str, Any]:
        raise NotImplementedError

    def reset(self) -> None:
        """Forget all updates."""
        self._state = self._zero()

    def _add(self, **parts: Any) -> None:
        """Add to the sums; all or none."""
        self._state = self._state | {name: beside(self._state[name], part) + part for name, part in parts.items()}

    def result(self) -> Any:
        """The value over all updates since the last `reset`."""
        raise NotImplementedError

    def state_dict(self) -> dict[str, np.ndarray]:
        """The sums, as NumPy arrays."""
        return {name: np.array(on_host(value)) for name, value in self._state.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over the sums of a `state_dict`.

        Raises
        ------
        ValueError
            If names or shapes are others than here; nothing has been changed.
        """
        zero = self._zero()
        if state.keys() != zero.keys():
            raise ValueError(f"a state of {type(self).__name__} has {sorted(zero)}, got {sorted(state)}")
        new = {name: np.array(value, zero[name].dtype) for name, value in state.items()}
        for name, value in new.items():
            if not self._fits(value, zero[name]):
                raise ValueError(
                    f"{name!r} of the state of a {type(self).__name__} has shape {value.shape}, here it is "
                    f"{zero[name].shape}"
                )
        self._state = new

    @staticmethod
    def _fits(value, zero) -> bool:
        return value.shape == zero.shape

    def merge(self, other: "Metric") -> None:
        """Add what another metric of this kind has seen: another thread's, process's or device's.

        Raises
        ------
        TypeError, ValueError
            If it is of another kind, or was made with other settings; nothing has been changed.
        """
        if type(other) is not type(self):
            raise TypeError(f"{type(self).__name__} merges with one of its kind, got {type(other).__name__}")
        mine, others = self._settings(), other._settings()
        if mine != others:
            raise ValueError(f"a {type(self).__name__} with {mine} does not merge with one with {others}")
        self._add(**other._state)

    def _settings(self) -> dict[str, Any]:
        return {}

    def __repr__(self) -> str:
        try:
            return f"{type(self).__name__}({self.result()})"
        except ValueError:
            return f"{type(self).__name__}(nothing yet)"


class Mean(Metric):
    """The mean of numbers, over all updates.

    Examples
    --------
    >>> loss = Mean()
    >>> loss.update(1.0)
    >>> loss.update(np.array([2.0, 6.0]), weights=np.array([1.0, 0.0]))
    >>> loss.result()
    1.5
    """

    def _zero(self) -> dict[str, Any]:
        return {"total": np.zeros(()), "weight": np.zeros(())}

    def update(self, values: Any, weights: Any = None) -> None:
        """Add values.

        Parameters
        ----------
        values : float, or array of any shape
            A loss per batch counts once for each batch: with ``weights=len(batch)`` a smaller last one counts less.
        weights : float, or array that broadcasts to the shape of values, default 1

        Raises
        ------
        ValueError
            If weights do not broadcast to the values.
        """
        outside(self._update, values, weights)

    def _update(self, values, weights):
        (values,) = _arrays(values=values)
        self._weigh(values, weights)

    def _weigh(self, values, weights):
        xp = namespace(values)
        if weights is None:
            self._add(total=values.sum(dtype=np.float64), weight=xp.asarray(float(values.size)))
            return
        weights = beside(_arrays(weights=weights)[0], values)
        try:
            weights = xp.broadcast_to(weights.astype(np.float64), values.shape)
        except ValueError:
            raise ValueError(
                f"weights of shape {weights.shape} do not broadcast to values of shape {values.shape}"
            ) from None
        # What has the weight 0 does not count, even if it is NaN (padding).
        self._add(total=(xp.where(weights == 0, 0.0, values) * weights).sum(), weight=weights.sum())

    def result(self) -> float:
        """The mean over all updates since the last `reset`.

        Raises
        ------
        ValueError
            If there was none, or all weights were 0.
        """
        total, weight = (float(on_host(self._state[name])) for name in ("total", "weight"))
        if weight == 0:
            raise ValueError(f"{type(self).__name__} has no result: nothing with a weight was added since its reset")
        return total / weight


class Accuracy(Mean):
    """The share of predictions that are the label, over all updates; see `accuracy`.

    Examples
    --------
    >>> metric = Accuracy()
    >>> metric.update(np.array([[0.1, 0.9], [0.8, 0.2]]), np.array([1, 1]))
    >>> metric.update(np.array([1, 0]), np.array([1, 0]))
    >>> metric.result()
    0.75
    """

    def update(self, predictions: Any, labels: Any, weights: Any = None) -> None:  # type: ignore[override]
        """Add a batch.

        Parameters
        ----------
        predictions : float, shape (..., classes); or int or bool, shape (...)
        labels : int or bool, shape (...)
        weights : float, broadcasts to the shape of the labels, optional
            0 for padding.

        Raises
        ------
        TypeError, ValueError
            As `accuracy`.
        """
        outside(self._update_hits, predictions, labels, weights)

    def _update_hits(self, predictions, labels, weights):
        self._weigh(self._hits(*_arrays(predictions=predictions, labels=labels)), weights)

    def _hits(self, predictions, labels):
        return _hits(predictions, labels)


class TopK(Accuracy):
    """The share of labels whose score is among the `k` largest, over all updates; see `top_k_accuracy`.

    Parameters
    ----------
    k : int, >= 1, default 5

    Examples
    --------
    >>> metric = TopK(2)
    >>> metric.update(np.array([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2]]), np.array([1, 2]))
    >>> metric.result()
    0.5
    """

    def __init__(self, k: int = 5) -> None:
        _check_k(k)
        self.k = int(k)
        super().__init__()

    def _hits(self, predictions, labels):
        return _among(predictions, labels, self.k)

    def _settings(self) -> dict[str, Any]:
        return {"k": self.k}


class ConfusionMatrix(Metric):
    """How often each class was taken for each, over all updates; see `confusion_matrix`.

    Parameters
    ----------
    classes : int, or sequence of str
        How many there are, or their names, which `plot` shows.

    Raises
    ------
    TypeError, ValueError
        If it is neither, or there are none.

    Examples
    --------
    >>> metric = ConfusionMatrix(["cat", "dog"])
    >>> metric.update(np.array([0, 1, 1]), np.array([0, 1, 0]))
    >>> metric.result().tolist()
    [[1, 1], [0, 1]]
    """

    def __init__(self, classes: Any) -> None:
        if isinstance(classes, (bool, str, float)):
            raise TypeError(f"classes is their number, or a list of their names, got {classes!r}")
        self.names = [*map(str, range(classes) if isinstance(classes, (int, np.integer)) else classes)]
        if not self.names:
            raise ValueError(f"at least one class is needed, got {classes!r}")
        super().__init__()

    def _zero(self) -> dict[str, Any]:
        return {"counts": np.zeros((len(self.names),) * 2, np.int64)}

    def _settings(self) -> dict[str, Any]:
        return {"classes": self.names}

    def update(self, predictions: Any, labels: Any) -> None:
        """Add a batch; it is brought to the host.

        Parameters
        ----------
        predictions : float, shape (..., classes); or int or bool, shape (...)
        labels : int or bool, shape (...)

        Raises
        ------
        TypeError, ValueError
            As `confusion_matrix`.
        """
        outside(self._update, predictions, labels)

    def _update(self, predictions, labels):
        predictions, labels = _arrays(predictions=predictions, labels=labels)
        self._add(counts=_confusions(predictions, labels, len(self.names)))

    def result(self) -> np.ndarray:
        """The counts : int64 array, shape (classes, classes); row: the label, column: the prediction."""
        return self._state["counts"].copy()

    def plot(self, ax: Any = None, path: "str | PathLike[str] | None" = None, normalize: bool = False) -> Any:
        """Draw the matrix with matplotlib.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Draw there.
        path : str or path, optional
            Also save the figure there.
        normalize : bool, default False
            Shares of each label instead of counts.

        Returns
        -------
        matplotlib Axes

        Raises
        ------
        ImportError
            matplotlib is missing: ``pip install "autograd-vs[train]"``.
        """
        from .plot import draw_confusions

        return draw_confusions(self.result(), self.names, ax, path, normalize)


class AUC(Metric):
    """The area under the ROC curve, exact, over all updates; see `auc`. Keeps all scores: 17 bytes for each example.

    Examples
    --------
    >>> metric = AUC()
    >>> metric.update(np.array([0.1, 0.4]), np.array([0, 0]))
    >>> metric.update(np.array([0.35, 0.8]), np.array([1, 1]))
    >>> metric.result()
    0.75
    """

    def _zero(self) -> dict[str, Any]:
        return {"scores": np.zeros(0), "labels": np.zeros(0, np.bool_), "weights": np.zeros(0)}

    def reset(self) -> None:
        """Forget all updates."""
        super().reset()
        self._parts: list[dict[str, Any]] = []

    def update(self, predictions: Any, labels: Any, weights: Any = None) -> None:
        """Add a batch; it is brought to the host.

        Parameters
        ----------
        predictions : float, shape (n,)
        labels : bool or int, shape (n,), 0 or 1
        weights : float, shape (n,), >= 0, optional

        Raises
        ------
        TypeError, ValueError
            As `auc`; nothing has been added.
        """
        outside(self._update, predictions, labels, weights)

    def _update(self, predictions, labels, weights):
        arrays = [on_host(a) for a in _arrays(predictions=predictions, labels=labels)]
        weights = np.ones(arrays[1].shape) if weights is None else on_host(_arrays(weights=weights)[0])
        scores, labels = arrays
        shapes = {a.shape for a in (scores, labels, weights)}
        if len(shapes) > 1 or scores.ndim != 1:
            raise ValueError(
                f"one score, label and weight for each example, shape (n,): got {scores.shape}, {labels.shape} and "
                f"{weights.shape}"
            )
        if np.isnan(scores).any():
            raise ValueError(f"{int(np.isnan(scores).sum())} of {scores.size} scores are NaN")
        if ((labels != 0) & (labels != 1)).any():
            raise ValueError(f"labels are 0 or 1, got {labels[(labels != 0) & (labels != 1)][0]}")
        wrong = ~((weights >= 0) & (weights < np.inf))
        if wrong.any():
            raise ValueError(f"weights are finite and not negative, got {weights[wrong][0]}")
        self._add(scores=scores.astype(np.float64), labels=labels.astype(np.bool_), weights=weights.astype(np.float64))

    def _add(self, **parts: Any) -> None:
        self._parts.append({name: np.array(part) for name, part in parts.items()})

    def merge(self, other: "Metric") -> None:
        """Add what another one has seen."""
        if isinstance(other, AUC):
            other._gather()
        super().merge(other)

    def _gather(self) -> None:
        parts, self._parts = [self._state, *self._parts], []
        self._state = {name: np.concatenate([part[name] for part in parts]) for name in self._state}

    def state_dict(self) -> dict[str, np.ndarray]:
        """All scores, labels and weights."""
        self._gather()
        return super().state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over the examples of a `state_dict`.

        Raises
        ------
        ValueError
            If names are others, or lengths differ; nothing has been changed.
        """
        lengths = {name: np.shape(value) for name, value in state.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"the state of an AUC has arrays of different length: {lengths}")
        super().load_state_dict(state)
        self._parts = []

    @staticmethod
    def _fits(value, zero) -> bool:
        return value.ndim == 1

    def result(self) -> float:
        """The area over all updates since the last `reset`.

        Raises
        ------
        ValueError
            If there are no positive or no negative examples (with a weight).
        """
        self._gather()
        scores, labels, weights = (self._state[name] for name in ("scores", "labels", "weights"))
        _, group = np.unique(scores, return_inverse=True)
        positive = np.bincount(group[labels], weights[labels], minlength=len(group))
        negative = np.bincount(group[~labels], weights[~labels], minlength=len(group))
        pairs = positive.sum() * negative.sum()
        if pairs == 0:
            which = "positive" if positive.sum() == 0 else "negative"
            raise ValueError(f"the area under the ROC curve needs examples of both classes: there are no {which} ones")
        below = np.cumsum(negative) - negative
        return float((positive * (below + negative / 2)).sum() / pairs)
