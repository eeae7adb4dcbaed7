"""MultiHeadAttention and TransformerBlock. Floor 3."""

from typing import Any

import numpy as np

from .. import nn
from ..engine.tensor import Tensor, asarray
from ..ops.constants import logical_and
from ..ops.elementwise import where
from ..ops.shape import concatenate, reshape, swapaxes
from .base import Layer, activation_of, functional
from .dense import Dense, Dropout
from .norm import LayerNorm

__all__ = ["MultiHeadAttention", "TransformerBlock", "multi_head_attention", "transformer_block"]


class MultiHeadAttention(Layer):
    """Attention of several heads, with projections before and after: of a sequence to itself, or to another one.

    Parameters
    ----------
    heads : int
    key_dim : int, optional
        Numbers of each head; by default as many as make up the last dimension of `x`.
    kv_heads : int, optional
        Heads of keys and values, a divisor of `heads`: each is shared by neighbours (grouped-query attention).
    output_dim : int, optional
        By default that of `x`.
    use_bias : bool, default True
    rate : float, default 0.0
        The probability that an attention weight is dropped while training.
    kernel_initializer : optional
        By default the scope's or glorot_uniform.
    **options
        `name`, `trainable`, `dtype`: see `Layer`.

    Raises
    ------
    ValueError
        At the first call, if the heads do not divide the last dimension of `x` and there is no `key_dim`.

    Notes
    -----
    Variables: ``query/kernel`` (inputs, heads * key_dim), ``key/kernel``, ``value/kernel``, ``output/kernel`` and their
    biases. PyTorch's ``in_proj_weight`` is the three transposed kernels below one another, ``out_proj.weight`` that of
    the last.

    References
    ----------
    A. Vaswani et al., "Attention is all you need", NIPS 2017, section 3.2.2.

    Examples
    --------
    >>> with av.VariableStore():
    ...     attention = av.layers.MultiHeadAttention(2)
    ...     x = np.ones((1, 5, 4))
    ...     y, cache = attention(x[:, :3], causal=True, cache=())
    ...     z, cache = attention(x[:, 3:], causal=True, cache=cache)  # two more places, which see the first three
    >>> y.shape, z.shape, cache[0].shape, len(attention.weights)
    ((1, 3, 4), (1, 2, 4), (1, 2, 5, 2), 8)
    """

    def __init__(
        self,
        heads: int,
        key_dim: int | None = None,
        kv_heads: int | None = None,
        output_dim: int | None = None,
        use_bias: bool = True,
        rate: float = 0.0,
        kernel_initializer: Any = None,
        **options: Any,
    ):
        super().__init__(**options)
        self.heads, self.key_dim, self.output_dim, self.rate = heads, key_dim, output_dim, rate
        self.kv_heads = heads if kv_heads is None else kv_heads
        self.use_bias, self.kernel_initializer = use_bias, kernel_initializer

    def build(self, shape: Any) -> None:
        """Make the four projections."""
        if self.key_dim is None:
            if shape[-1] % self.heads:
                raise ValueError(f"MultiHeadAttention: {self.heads} heads do not divide the {shape[-1]} numbers of x")
            self.key_dim = shape[-1] // self.heads
        self.query = self._projection(self.heads * self.key_dim, "query")
        self.key = self._projection(self.kv_heads * self.key_dim, "key")
        self.value = self._projection(self.kv_heads * self.key_dim, "value")
        self.output = self._projection(self.output_dim or shape[-1], "output")

    def _projection(self, units, name) -> Dense:
        return Dense(
            units, None, self.use_bias, self.kernel_initializer, name=name, trainable=self.trainable, dtype=self._dtype
        )

    def call(
        self,
        x: Any,
        key: Any = None,
        value: Any = None,
        *,
        mask: Any = None,
        causal: bool = False,
        cache: Any = None,
        training: bool | None = None,
    ) -> Any:
        """What each place of `x` finds.

        Parameters
        ----------
        x : array_like, shape (batch, n, inputs), float
            The places that look.
        key, value : array_like, shape (batch, m, ...), float, optional
            Where they look, and what they find there; by default `x`, and `key`.
        mask : array_like, bool or float, optional
            Broadcasts to (batch, heads, n, m): True where a place may look, or numbers to add to the scores. For
            padding: ``mask[:, None, None, :]``.
        causal : bool, default False
            Each place looks at itself and those before it only.
        cache : tuple, optional
            ``()`` before the first places of a sequence, later what the call before returned: the keys and values up to
            now. Only of `x` to itself.
        training : bool
            Must be given if `rate` is not 0.

        Returns
        -------
        Tensor, shape (batch, n, output_dim)
            With a cache a pair of it and the new cache: keys and values of shape (batch, kv_heads, places, key_dim).
        """
        if cache is not None and key is not None:
            raise TypeError("MultiHeadAttention: a cache is for attention of x to itself; leave `key` or `cache` out")
        key = x if key is None else key
        q, k = self._split(self.query(x), self.heads), self._split(self.key(key), self.kv_heads)
        v = self._split(self.value(key if value is None else value), self.kv_heads)
        past = 0
        if cache:
            past = cache[0].shape[-2]
            k, v = [concatenate((old, new), axis=-2) for old, new in zip(cache, (k, v), strict=True)]
        if causal and past:
            mask, causal = _later_ones_hidden(mask, q.shape[-2], k.shape[-2]), False
        stream = self.variable_scope.name
        y = nn.scaled_dot_product_attention(
            q, k, v, mask, causal=causal, rate=self.rate, training=training, stream=stream
        )
        y = swapaxes(y, -2, -3)
        y = self.output(reshape(y, (*y.shape[:-2], y.shape[-2] * y.shape[-1])))
        return y if cache is None else (y, (k, v))

    def _split(self, x, heads) -> Tensor:
        """The heads in front of the places."""
        return swapaxes(reshape(x, (*x.shape[:-1], heads, self.key_dim)), -2, -3)


def _later_ones_hidden(mask, n, m) -> Any:
    """`mask`, with the last `n` of `m` places looking at themselves and earlier ones only."""
    seen = np.tri(n, m, m - n, dtype=bool)
    if mask is None:
        return seen
    mask = asarray(mask)
    return logical_and(mask, seen) if mask.dtype == bool else where(seen, mask, -np.inf)


class TransformerBlock(Layer):
    """Attention and two dense layers, each with a normalization and what came in added.

    Parameters
    ----------
    heads : int
    hidden : int, optional
        Units between the two dense layers; by default four times the last dimension of `x`.
    activation : function or str, default "gelu"
    rate : float, default 0.0
        Of the dropout while training: of attention weights, hidden units and both results, as in PyTorch.
    norm_first : bool, default True
        Normalize what goes into each part, not the sums (as in the paper, and by default in PyTorch).
    cross : bool, default False
        A second attention between the two, to what is given as `memory`: the block of a decoder.
    eps : float, default 1e-5
        Of the normalizations.
    **options
        `name`, `trainable`, `dtype`: see `Layer`.

    Notes
    -----
    Variables: those of ``attention``, ``cross_attention``, ``norm``, ``norm_1`` (``norm_2``), ``hidden`` and
    ``output``. PyTorch's names are ``self_attn``, ``multihead_attn``, ``norm1`` to ``norm3``, ``linear1``, ``linear2``.

    References
    ----------
    A. Vaswani et al., "Attention is all you need", NIPS 2017. R. Xiong et al., "On layer normalization in the
    transformer architecture", ICML 2020 (norm_first).

    Examples
    --------
    >>> with av.VariableStore():
    ...     block = av.layers.TransformerBlock(2, hidden=8)
    ...     y = block(np.ones((1, 5, 4)), causal=True)
    >>> y.shape, len(block.weights)
    ((1, 5, 4), 16)
    """

    def __init__(
        self,
        heads: int,
        hidden: int | None = None,
        activation: Any = "gelu",
        rate: float = 0.0,
        norm_first: bool = True,
        cross: bool = False,
        eps: float = 1e-5,
        **options: Any,
    ):
        super().__init__(**options)
        self.hidden_units, self.activation, self.norm_first = hidden, activation_of(activation, self), norm_first
        within: dict[str, Any] = {"dtype": options.get("dtype")}
        self.attention = MultiHeadAttention(heads, rate=rate, name="attention", **within)
        self.cross_attention: Any = (
            MultiHeadAttention(heads, rate=rate, name="cross_attention", **within) if cross else None
        )
        self.norms = [
            LayerNorm(eps=eps, name=name, **within) for name in ("norm", "norm_1", "norm_2")[: 3 if cross else 2]
        ]
        self.dropout = Dropout(rate, name="dropout") if rate else None

    def build(self, shape: Any) -> None:
        """Make the dense layers, whose sizes are known now."""
        within: dict[str, Any] = {"dtype": self._dtype, "trainable": self.trainable}
        self.hidden = Dense(self.hidden_units or 4 * shape[-1], self.activation, name="hidden", **within)
        self.output = Dense(shape[-1], name="output", **within)

    def call(
        self,
        x: Any,
        memory: Any = None,
        *,
        mask: Any = None,
        memory_mask: Any = None,
        causal: bool = False,
        cache: Any = None,
        training: bool | None = None,
    ) -> Any:
        """One block.

        Parameters
        ----------
        x : array_like, shape (batch, n, units), float
        memory : array_like, shape (batch, m, ...), float
            What the second attention looks at, with ``cross=True``.
        mask, causal, cache, training
            As in `MultiHeadAttention`, for the first attention; `memory_mask` is that of the second.

        Returns
        -------
        Tensor, shape (batch, n, units)
            With a cache a pair of it and the new cache.
        """
        if (memory is None) != (self.cross_attention is None):
            raise TypeError("TransformerBlock: memory goes with cross=True, and with nothing else")

        def attend(x):
            nonlocal cache
            y = self.attention(x, mask=mask, causal=causal, cache=cache, training=training)
            if cache is not None:
                y, cache = y
            return y

        def look(x):
            return self.cross_attention(x, memory, mask=memory_mask, training=training)

        def think(x):
            return self.output(self._dropped(self.hidden(x), training))

        parts = [attend, think] if memory is None else [attend, look, think]
        for part, norm in zip(parts, self.norms, strict=True):
            if self.norm_first:
                x = x + self._dropped(part(norm(x)), training)
            else:
                x = norm(x + self._dropped(part(x), training))
        return x if cache is None else (x, cache)

    def _dropped(self, x, training) -> Any:
        return x if self.dropout is None else self.dropout(x, training=training)


multi_head_attention = functional(MultiHeadAttention)
transformer_block = functional(TransformerBlock)
