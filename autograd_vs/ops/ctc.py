"""Connectionist temporal classification: the loss of a label sequence that is not aligned with time. Floor 2.

The terms are those of Graves et al. (2006), section 4. A label sequence of length `l` becomes ``2 * l + 1`` *states*:
the classes of the label with a blank before, between and after them. A path through the states takes, at each step in
time, the same state again, the next one, or, where no two equal classes touch, the one after that. The *forward
variable* of (time, state) is the probability of all paths that begin at the start and are in that state at that time;
the *backward variable* that of all ways to go on from there to the end. Their product, over the probability of the
label, is how likely the state is at that time: the gradient by the logits is ``softmax(logits)`` minus that, summed by
class (equation 16).

Everything is done with logarithms, for all sequences and states at once, in one loop over time. Each step is scaled by
its largest variable: in float32 the logarithms of long sequences would have no digits left for the differences between
states, and only these count for the gradient. Minus infinity is a large finite number, so that no difference of
infinities arises, in derivatives neither. The two recursions are written with operators, ufuncs and inner forms: a
second derivative records them.
"""

from typing import Any

import numpy as np

from ..base.backend import as_array, beside, namespace
from ..engine.cotangent import bare
from ..engine.declare import composed, primitive
from ..engine.protocol import Operand
from ..engine.samples import Sample, arrays, values, zeros
from ..engine.tensor import Tensor, as_tensor
from .activations import log_softmax, softmax
from .elementwise import where
from .index import check_ids, scatter_rows
from .losses import number, reduced
from .shape import concatenate, stack

__all__ = ["ctc_loss"]

IMPOSSIBLE = -1e30  # the logarithm of 0; sums of a few of them stay finite in float32


def _of_states(x, states):
    """``x[time, batch, classes]`` at the class of each state: (time, batch, states)."""
    return x[:, namespace(states).arange(states.shape[0])[:, None], states]


def _blocked(states, dtype):
    """Added to steps over a state: impossible into blanks, and between equal classes; (batch, states), and two more."""
    xp = namespace(states)
    dead = xp.ones((states.shape[0], 2), dtype)
    same = (states[:, 2:] == states[:, :-2]).astype(dtype)
    return xp.concatenate((dead, same, dead), 1)[:, : states.shape[1] + 2] * IMPOSSIBLE


def _edge(states, dtype):
    """Two columns of impossible states, to lie beside the others."""
    return namespace(states).full((states.shape[0], 2), IMPOSSIBLE, dtype)


def _either(a, b, c):
    return np.logaddexp(np.logaddexp(a, b), c)


def _scaled(row):
    """Logarithms of which the largest is 0, and what was subtracted: a constant, which the gradient does not see."""
    scale = np.maximum(bare(row).max(axis=1, keepdims=True), IMPOSSIBLE)
    return row - scale, scale


def _forward_variables(logs, states):
    """Logarithms of the forward variables (equation 6), with the probability of the state itself; and their scales."""
    here = _of_states(logs, states)
    n = states.shape[1]
    edge, blocked = _edge(states, logs.dtype), _blocked(states, logs.dtype)[:, :n]
    start = namespace(states).arange(n) >= 2  # a path begins in one of the first two states
    row, scale = _scaled(here[0] + start.astype(logs.dtype) * IMPOSSIBLE)
    rows, scales = [row], [scale]
    for now in range(1, here.shape[0]):
        before = concatenate.inner((edge, row), 1)
        row, scale = _scaled(_either(row, before[:, 1:-1], before[:, :-2] + blocked) + here[now])
        rows.append(row)
        scales.append(scale)
    return stack.inner(rows), scales


def _backward_variables(logs, states, last, final):
    """Logarithms of the backward variables (equation 10), without the probability of the state itself.

    `last` is the number of the last step of each sequence; `final` is 0 in the states in which it may end.
    """
    here = _of_states(logs, states)
    edge, blocked = _edge(states, logs.dtype), _blocked(states, logs.dtype)[:, 2:]
    rows = [final]
    for now in range(here.shape[0] - 2, -1, -1):
        after = concatenate.inner((rows[-1] + here[now + 1], edge), 1)
        going = _either(after[:, :-2], after[:, 1:-1], after[:, 2:] + blocked)
        rows.append(where.inner((last <= now)[:, None], final, _scaled(going)[0]))
    return stack.inner(rows[::-1])


def _final(states, label_lengths, dtype):
    """0 in the last two states of each label (one, where it is empty), impossible elsewhere."""
    order = namespace(states).arange(states.shape[1])
    ends = 2 * label_lengths[:, None]
    return ((order != ends) & (order != ends - 1)).astype(dtype) * IMPOSSIBLE


def _logits_rule(g, y, logs, alphas, states, input_lengths, label_lengths):
    states, input_lengths, label_lengths = bare(states), bare(input_lengths), bare(label_lengths)
    final = _final(states, label_lengths, logs.dtype)
    betas = _backward_variables(logs, states, input_lengths - 1, final)
    inside = namespace(states).arange(logs.shape[0])[:, None] < input_lengths
    alive = (inside & (bare(y) != np.inf))[:, :, None]  # the gradient of an impossible label is 0
    likely = softmax.inner(where.inner(alive, alphas + betas, 0.0), -1)  # it sums to the same at all times
    slope = np.exp(logs) - _by_class(likely, states, logs.shape[2])
    return where.inner(alive, slope, 0.0) * g.reshape((1, -1, 1))


def _by_class(likely, states, classes):
    """Sums over the states of each class: (time, batch, states) to (time, batch, classes)."""
    steps, batch, n = likely.shape
    rows = namespace(states).arange(batch)[:, None] * classes + states
    by_row = likely.reshape((steps, batch * n)).T
    summed = scatter_rows.inner(by_row, rows.reshape(-1), (batch * classes, steps))
    return summed.T.reshape((steps, batch, classes))


def _log_probabilities(logits):
    return log_softmax.inner(logits, -1)


def _ctc_samples():
    x = arrays((4, 3, 3))
    states = values([[0, 1, 0, 2, 0], [0, 1, 0, 1, 0], [0, 2, 0, 0, 0]])
    full, part = values([4, 4, 4]), values([3, 4, 0])
    return [
        Sample(x, states, full, values([2, 2, 1])), Sample(x, states, part, values([2, 2, 0])),
        Sample(x[:, :, ::-1][::2], states, values([2, 2, 2]), values([2, 1, 0])),
        Sample(x, states[:, :1], full, values([0, 0, 0])),
        Sample(x[:1], states[:, :3], values([1, 1, 1]), values([1, 1, 0])),
        Sample(x[:, :0], states[:0], full[:0], full[:0]),
        Sample(x.astype(np.float32), states, full, values([2, 2, 1]), smooth=False),
    ]  # fmt: skip


@primitive(
    vjp={"logits": _logits_rule}, arity=4, name="ctc_loss",
    aux={
        "logs": _log_probabilities,
        "alphas": lambda logits, states: _forward_variables(_log_probabilities(logits), bare(states))[0],
    },
    samples=_ctc_samples,
)  # fmt: skip
def _ctc(logits, states, input_lengths, label_lengths):
    """The loss of each sequence, and what its rule wants: the logarithms of probabilities and of forward variables."""
    logs = _log_probabilities(logits)
    alphas, scales = _forward_variables(logs, states)
    xp = namespace(logits)
    rows, last = xp.arange(states.shape[0]), (input_lengths - 1).clip(0)
    ended = alphas[last, rows]  # when the time of each is over
    one, two = ended[rows, 2 * label_lengths], ended[rows, (2 * label_lengths - 1).clip(0)]
    found = np.logaddexp(one, xp.where(label_lengths > 0, two, IMPOSSIBLE))
    found = found + xp.concatenate(scales, 1).cumsum(axis=1)[rows, last]
    found = xp.where(input_lengths > 0, found, (label_lengths > 0) * IMPOSSIBLE)  # no time: only the empty label
    loss = xp.where(found < 0.5 * IMPOSSIBLE, np.inf, -found).astype(logs.dtype)
    return loss, logs, alphas


def _loss_samples():
    x, labels = arrays((5, 3, 4)), values([[1, 2, 1], [2, 2, -1], [3, -1, -1]])
    lengths = values([5, 4, 3]), values([3, 2, 0])
    return [
        Sample(x, labels % 4), Sample(x, labels, *lengths), Sample(x, labels, *lengths, blank=0, reduction="mean"),
        Sample(x, values([[0, 1], [2, 2], [1, 0]]), blank=3, reduction="sum"), Sample(x, zeros((3, 0), int)),
        Sample(x, labels, values([1, 5, 5]), values([3, 2, 1]), zero_infinity=True),
        Sample(x.astype(np.float32), labels, *lengths, smooth=False),
    ]  # fmt: skip


@composed(samples=_loss_samples)
def ctc_loss(
    logits, labels, input_lengths=None, label_lengths=None, *, blank=0, zero_infinity=False, reduction="none"
) -> Tensor:
    """Connectionist temporal classification: minus the logarithm of the probability of each label sequence, in one op.

    Parameters
    ----------
    logits : array_like, float, shape (time, batch, classes)
        Before the softmax, which is part of this op. Logarithms of probabilities, as PyTorch takes them, are logits
        too: they give the same.
    labels : array_like, int, shape (batch, length)
        Class numbers without blanks; what lies behind the length of a label may be anything.
    input_lengths : array_like, int, shape (batch,), optional
        How many steps of time each sequence has; by default all.
    label_lengths : array_like, int, shape (batch,), optional
        The length of each label, 0 for an empty one; by default all are full.
    blank : int, default 0
        The class that stands for no label.
    zero_infinity : bool, default False
        The loss of a label that is impossible, being too long for its time, is 0 instead of infinite.
    reduction : {"none", "mean", "sum"}
        By default the loss of each sequence. (PyTorch's mean divides each loss by the length of its label first.)

    Returns
    -------
    Tensor, shape (batch,)

    Raises
    ------
    ValueError
        If the shapes or the lengths do not fit, or a label contains the blank.
    IndexError
        If a class number is out of range.

    Notes
    -----
    A label needs as many steps as it has classes, and one more between equal neighbours. The gradient of an impossible
    label is 0. Stable for logits of any size; gradients of any order exist (from the second one on, each step in time
    is recorded by itself). Where the batch comes first, pass ``logits.swapaxes(0, 1)``.

    References
    ----------
    A. Graves et al., "Connectionist temporal classification: labelling unsegmented sequence data with recurrent neural
    networks", ICML 2006, sections 4.1 and 4.2.

    Examples
    --------
    Two steps, two classes and the blank, all equally likely: three of the nine paths spell the label (1,).

    >>> loss = ctc_loss(Tensor(np.zeros((2, 1, 3))), np.array([[1]]))
    >>> np.exp(-loss).round(4).tolist()
    [0.3333]
    """
    logits = as_tensor(logits)
    if logits.ndim != 3 or not logits.shape[0] or not logits.shape[2]:
        raise ValueError(
            f"ctc_loss: logits are of shape (time, batch, classes), none of them empty, got {logits.shape}"
        )
    if logits.dtype.itemsize < 4:
        logits = logits.astype(np.float32)
    steps, batch, classes = logits.shape
    blank = int(number(blank, "ctc_loss: blank"))
    if not 0 <= blank < classes:
        raise ValueError(f"ctc_loss: blank is a class number in [0, {classes}), got {blank}")
    labels = _integers("labels", labels)
    if labels.ndim != 2 or labels.shape[0] != batch:
        raise ValueError(
            f"ctc_loss: labels of shape {labels.shape} do not fit {batch} sequences: they are (batch, length), padded "
            "where label_lengths are shorter"
        )
    input_lengths = _lengths("input_lengths", input_lengths, batch, steps, labels)
    label_lengths = _lengths("label_lengths", label_lengths, batch, labels.shape[1], labels)
    states = _states(labels, label_lengths, blank, classes)
    losses = _ctc(logits, *[beside(x, logits.array) for x in (states, input_lengths, label_lengths)])
    if zero_infinity:
        losses = where(losses.array != np.inf, losses, 0.0)
    return reduced("ctc_loss", losses, reduction)


def _integers(name, x) -> Any:
    x = x.array if isinstance(x, Operand) else as_array(x)
    if x.dtype.kind not in "iu" and x.size:
        raise ValueError(f"ctc_loss: {name} must be integers, got dtype {x.dtype}")
    return x.astype(np.intp)


def _lengths(name, lengths, batch, most, labels) -> Any:
    """Checked lengths, beside the labels."""
    if lengths is None:
        return namespace(labels).full(batch, most)
    lengths = beside(_integers(name, lengths), labels)
    if lengths.shape != (batch,):
        raise ValueError(f"ctc_loss: {name} has shape {lengths.shape}, expected {(batch,)}")
    if batch and bool(((lengths < 0) | (lengths > most)).any()):
        wrong = lengths[(lengths < 0) | (lengths > most)][0]
        raise ValueError(f"ctc_loss: {name} must be in [0, {most}], got {int(wrong)}")
    return lengths


def _states(labels, label_lengths, blank, classes) -> Any:
    """The classes of the states, (batch, 2 * length + 1): blanks around all of a label, and behind it."""
    xp = namespace(labels)
    used = xp.arange(labels.shape[1]) < label_lengths[:, None]
    check_ids(labels * used, classes, "ctc_loss: class")
    if bool(((labels == blank) & used).any()):
        raise ValueError(f"ctc_loss: a label contains the blank, class {blank}; blank= says which class that is")
    states = xp.full((labels.shape[0], 2 * labels.shape[1] + 1), blank)
    states[:, 1::2] = xp.where(used, labels, blank)
    return states
