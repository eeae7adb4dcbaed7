"""Attention: softmax of scaled scores under a mask, and what is made of it. Floor 2."""

from math import sqrt

import numpy as np

from ..base.backend import namespace
from ..base.blocks import in_rows
from ..base.precision import widened
from ..engine.declare import composed, primitive
from ..engine.op import fit
from ..engine.samples import Sample, arrays, integers
from ..engine.tensor import Tensor, as_tensor
from .activations import _softmax_rows_x
from .nn import dropout
from .products import matmul
from .shape import broadcasts_to, reshape, swapaxes

__all__ = ["scaled_dot_product_attention"]


def _scores_x(g, y, scale):
    c = _softmax_rows_x(g, y)
    c *= scale
    return c


def _row_samples(*before):
    s = arrays((2, 3, 4))
    return [
        Sample(s, *before, 0.5, False), Sample(s, *before, 2.0, True), Sample(s[:, ::-1, ::2], *before, 1.0, True),
        Sample(s[:0], *before, 1.0, False), Sample(s[..., :0], *before, 1.0, False),
        Sample(s.astype(np.float32), *before, 0.5, True, smooth=False),
    ]  # fmt: skip


@in_rows
def _shares(z, lowest):
    """The softmax of rows; zeros for one without any number above -inf."""
    e = z - np.maximum(z.max(-1, keepdims=True), lowest)
    np.exp(e, e)
    s = e.sum(-1, keepdims=True)
    s += s == 0
    e /= s
    return e


def _weighted(z, allowed, causal):
    xp = namespace(z)
    if not z.shape[-1]:
        return z
    if causal:
        earlier = xp.arange(z.shape[-2])[:, None] >= xp.arange(z.shape[-1])
        allowed = earlier if allowed is None else allowed & earlier
    if allowed is not None:
        z = xp.where(allowed, z, -np.inf)
    return _shares(z, float(np.finfo(z.dtype).min))


@primitive(
    vjp={"scores": _scores_x}, jvp={"scores": _scores_x}, name="attention_weights", samples=lambda: _row_samples()
)
def _weights(scores, scale, causal):
    """The softmax of ``scale * scores`` in each row, of the columns up to its own number if `causal`."""
    return _weighted(scores * scale, None, causal)


def _masked_samples():
    s, more = arrays((2, 3, 4)), arrays((3, 4), seed=1)
    some = integers((2, 3, 4), 0, 3, seed=2) > 0
    some[0, 1] = False
    return [
        Sample(s, some, 0.5, False), Sample(s, some[0], 2.0, True), Sample(s, more, 0.5, False),
        Sample(s, arrays((2, 1, 4), seed=3), 2.0, True), Sample(s, arrays(()), 1.0, False),
        Sample(s.astype(np.float32), more.astype(np.float32), 0.5, True, smooth=False),
        Sample(s.astype(np.float32), some, 0.5, False, smooth=False),
    ]  # fmt: skip


@primitive(
    vjp={
        "scores": _scores_x,
        "mask": lambda g, y, mask_shape, mask_dtype: fit(_softmax_rows_x(g, y), mask_shape, mask_dtype),
    },
    jvp={"scores": _scores_x, "mask": lambda t, y: _softmax_rows_x(t, y)},
    arity=2, name="masked_attention_weights", samples=_masked_samples,
)  # fmt: skip
def _masked_weights(scores, mask, scale, causal):
    """The same with a mask, of bools (True: counts) or of numbers that are added to the scaled scores."""
    z = scores * scale
    if mask.dtype.kind == "b":
        return _weighted(z, mask, causal)
    z += mask.astype(z.dtype, copy=False)
    return _weighted(z, None, causal)


def _attention_samples():
    q, k, v = arrays((2, 3, 4), (2, 5, 4), (2, 5, 3))
    shared = arrays((4, 3, 2), (2, 3, 2), (2, 3, 2), seed=1)
    return [
        Sample(q, k, v), Sample(q, k, v, arrays((3, 5)) > 0, scale=0.3),
        Sample(q, k, v, arrays((2, 1, 5)), causal=True), Sample(*shared, causal=True),
        Sample(q[0], k[0], v[0]), Sample(q[:, :0], k, v), Sample(q, k[:, :0], v[:, :0]),
        Sample(*[a.astype(np.float32) for a in (q, k, v)], smooth=False),
    ]  # fmt: skip


@composed(samples=_attention_samples)
def scaled_dot_product_attention(
    q, k, v, mask=None, *, causal=False, scale=None, rate=0.0, training=None, stream=""
) -> Tensor:
    """For each query the values, weighted by how well their keys fit: ``softmax(scale * q @ k.T + mask) @ v``.

    Parameters
    ----------
    q : array_like, shape (..., heads, n, d), float
        Leading dimensions are not needed; those of `q`, `k` and `v` broadcast.
    k : array_like, shape (..., heads, m, d), float
        It may have fewer heads, a divisor of those of `q`: each is then shared by as many neighbours of `q`
        (grouped-query attention).
    v : array_like, shape (..., heads, m, e), float
        Of as many heads as `k`.
    mask : array_like, bool or float, optional
        Of a shape that broadcasts to (..., heads, n, m). Bools: True where a query may look. Numbers are added to the
        scaled scores, and get a gradient.
    causal : bool, default False
        Query i looks at keys 0 to i only; with a mask, both count.
    scale : float, optional
        By default ``1 / sqrt(d)``.
    rate : float, default 0.0
        The probability that a weight is dropped, as in `dropout`.
    training : bool
        Whether it is; must be given if `rate` is not 0.
    stream : str, default ""
        The random stream of the dropped weights.

    Returns
    -------
    Tensor, shape (..., heads, n, e)

    Raises
    ------
    ValueError
        If shapes do not fit.
    TypeError
        If the mask is neither bool nor float, or `rate` is given without `training`.

    Notes
    -----
    A query that may look nowhere gives zeros and passes no gradient (in PyTorch it gives NaN). The weights are kept for
    the gradient, once, and nothing else of their size.

    References
    ----------
    A. Vaswani et al., "Attention is all you need", NIPS 2017. J. Ainslie et al., "GQA: training generalized multi-query
    transformer models from multi-head checkpoints", EMNLP 2023.

    Examples
    --------
    >>> q = k = np.array([[100.0, 0.0], [0.0, 100.0]])
    >>> scaled_dot_product_attention(Tensor(q), k, np.array([[1.0], [2.0]])).round(6).tolist()
    [[1.0], [2.0]]
    """
    q, k, v = as_tensor(q), as_tensor(k), as_tensor(v)
    _check(q, k, v)
    n, m, d = q.shape[-2], k.shape[-2], q.shape[-1]
    heads = q.shape[-3] if q.ndim > 2 else 1
    groups = heads // k.shape[-3] if k.ndim > 2 and k.shape[-3] and k.shape[-3] < heads else 1
    lead = q.shape[:-3]
    if groups > 1:  # neighbours in `q` that share a head of `k` lie below one another
        q = reshape(q, (*lead, heads // groups, groups * n, d))
    scores = matmul(q, swapaxes(k, -1, -2))
    if groups > 1:
        scores = reshape(scores, (*scores.shape[:-3], heads, n, m))
    scale = float(scale) if scale is not None else 1.0 / sqrt(d or 1)
    dtype, scores = scores.dtype, widened(scores)  # the softmax is float32, the products are not
    if mask is None:
        weights = _weights(scores, scale, causal)
    else:
        weights = _masked_weights(scores, _fitting(mask, scores.shape), scale, causal)
    if weights.dtype != dtype:
        weights = weights.astype(dtype)
    if rate:
        if training is None:
            raise TypeError("scaled_dot_product_attention: rate= needs training=True or training=False")
        weights = dropout(weights, rate, training=training, stream=stream)
    if groups > 1:
        weights = reshape(weights, (*weights.shape[:-3], heads // groups, groups * n, m))
    y = matmul(weights, v)
    return reshape(y, (*y.shape[:-3], heads, n, v.shape[-1])) if groups > 1 else y


def _check(q, k, v) -> None:
    """ValueError if the shapes do not fit."""
    problem = ""
    if q.ndim < 2 or k.ndim < 2 or v.ndim < 2:
        problem = "each has a dimension of places and one of numbers"
    elif q.shape[-1] != k.shape[-1]:
        problem = "the last dimensions of q and k differ"
    elif k.shape[-2] != v.shape[-2]:
        problem = "k and v have different numbers of places"
    elif k.ndim > 2 and k.shape[-3:-2] != v.shape[-3:-2]:
        problem = "k and v have different numbers of heads"
    elif k.ndim > 2 and q.ndim > 2 and (not k.shape[-3] or q.shape[-3] % k.shape[-3]) and q.shape[-3] != 1:
        problem = "the heads of k do not divide those of q"
    if problem:
        raise ValueError(f"scaled_dot_product_attention: q {q.shape}, k {k.shape}, v {v.shape}: {problem}")


def _fitting(mask, shape) -> Tensor:
    mask = as_tensor(mask)
    if mask.dtype.kind not in "bf":
        raise TypeError(
            f"scaled_dot_product_attention: a mask is bool (True: may look) or float (added to the scores), got dtype "
            f"{mask.dtype}"
        )
    if not broadcasts_to(mask.shape, shape):
        raise ValueError(f"scaled_dot_product_attention: a mask of shape {mask.shape} does not fit scores {shape}")
    return mask
