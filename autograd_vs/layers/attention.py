"""MultiHeadAttention and TransformerBlock. Floor 3."""

from typing import Any, NamedTuple

import numpy as np

from .. import nn
from ..engine.tensor import Tensor, asarray
from ..ops.constants import logical_and, zeros_like
from ..ops.elementwise import where
from ..ops.index import check_ids
from ..ops.shape import reshape, swapaxes
from .base import Layer, activation_of, check_input, functional
from .dense import Dense, Dropout
from .norm import LayerNorm

__all__ = ["KeyValueCache", "MultiHeadAttention", "TransformerBlock", "multi_head_attention", "transformer_block"]


class KeyValueCache(NamedTuple):
    """Keys and values of the places of a sequence up to now: `MultiHeadAttention.make_cache`.

    Attributes
    ----------
    keys, values : Tensor, shape (batch, kv_heads, length, key_dim)
    used : Tensor, shape (), int64
        How many of the `length` places are filled, from the first on.
    """

    keys: Any
    values: Any
    used: Any


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
        If `heads` or `kv_heads` are none, or do not go together; at the first call, if the heads do not divide the last
        dimension of `x` and there is no `key_dim`.

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
    ...     cache = attention.make_cache(x, 8)
    ...     y, cache = attention(x[:, :3], causal=True, cache=cache)
    ...     z, cache = attention(x[:, 3:], causal=True, cache=cache)  # two more places, which see the first three
    >>> y.shape, z.shape, cache.keys.shape, cache.used.item(), len(attention.weights)
    ((1, 3, 4), (1, 2, 4), (1, 2, 8, 2), 5, 8)
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
        if self.heads < 1 or self.kv_heads < 1 or self.heads % self.kv_heads:
            raise ValueError(
                f"MultiHeadAttention: heads and kv_heads, a divisor of them, are at least 1, got {heads} and {kv_heads}"
            )

    def build(self, shape: Any) -> None:
        """Make the four projections."""
        check_input(self, shape, "(..., n, inputs)")
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
        cache : KeyValueCache, optional
            Of `make_cache`, later what the call before returned: `x` goes on where that ended, and looks at what was
            before as well. All has one shape, so a function of `av.function` decodes under one plan. A mask is
            then of all places of the cache, (batch, heads, n, length). Only of `x` to itself.
        training : bool
            Must be given if `rate` is not 0.

        Returns
        -------
        Tensor, shape (batch, n, output_dim)
            With a cache a pair of it and the new cache.

        Raises
        ------
        TypeError
            If a cache is none, or comes with a `key`; if the mask is neither bool nor float; if `rate` is not 0 and
            `training` is not given.
        ValueError
            If shapes do not fit.
        IndexError
            If the cache is full.
        """
        if cache is not None and key is not None:
            raise TypeError("MultiHeadAttention: a cache is for attention of x to itself; leave `key` or `cache` out")
        key = x if key is None else key
        q, k = self._split(self.query(x), self.heads), self._split(self.key(key), self.kv_heads)
        v = self._split(self.value(key if value is None else value), self.kv_heads)
        if cache is not None:
            cache, seen = _continued(cache, k, v, causal)
            k, v, causal = cache.keys, cache.values, False
            mask = seen if mask is None else _both(asarray(mask), seen)
        stream = self.variable_scope.name
        y = nn.scaled_dot_product_attention(
            q, k, v, mask, causal=causal, rate=self.rate, training=training, stream=stream
        )
        y = swapaxes(y, -2, -3)
        y = self.output(reshape(y, (*y.shape[:-2], y.shape[-2] * y.shape[-1])))
        return y if cache is None else (y, cache)

    def make_cache(self, x: Any, length: int) -> KeyValueCache:
        """A cache for sequences of up to `length` places, with none in it.

        Parameters
        ----------
        x : array_like, shape (batch, n, inputs), float
            As what the layer will be called with: the shape but `n`, and the dtype count.
        length : int

        Returns
        -------
        KeyValueCache

        Raises
        ------
        ValueError
            If `length` is below 1, or `x` has not the shape that the layer takes.
        """
        if length < 1:
            raise ValueError(f"{self!r}: a cache has at least one place, got length={length}")
        x = asarray(x)
        with self._settled():
            self.ensure_built(x.shape)
            none = self._split(self.key(x[..., :0, :]), self.kv_heads)
        empty = zeros_like(none, shape=(*none.shape[:-2], length, self.key_dim))
        return KeyValueCache(empty, empty, zeros_like(none, dtype=np.int64, shape=()))

    def _split(self, x, heads) -> Tensor:
        """The heads in front of the places."""
        return swapaxes(reshape(x, (*x.shape[:-1], heads, self.key_dim)), -2, -3)


def _continued(cache, k, v, causal) -> tuple[KeyValueCache, Any]:
    """The cache with more places in it, and which of its places each new one may look at."""
    if not isinstance(cache, KeyValueCache):
        raise TypeError(f"MultiHeadAttention: a cache is what make_cache(x, length) gives, got {cache!r}")
    n, length = k.shape[-2], cache.keys.shape[-2]
    if cache.keys.shape != (*k.shape[:-2], length, k.shape[-1]):
        raise ValueError(
            f"MultiHeadAttention: keys of shape {k.shape} do not go on in a cache of shape {cache.keys.shape}: batch, "
            "heads and key_dim are those of make_cache"
        )
    places = cache.used + np.arange(n)
    check_ids(places.array, length, "MultiHeadAttention: place of the cache")
    keys, values = cache.keys.at[..., places, :].set(k), cache.values.at[..., places, :].set(v)
    used = cache.used + n
    return KeyValueCache(keys, values, used), np.arange(length) < (places[:, None] + 1 if causal else used)


def _both(mask, seen) -> Any:
    """`mask`, where only some places are seen."""
    if mask.ndim and mask.shape[-1] not in (1, seen.shape[-1]):
        raise ValueError(
            f"MultiHeadAttention: with a cache a mask is of all its {seen.shape[-1]} places, (batch, heads, n, "
            f"{seen.shape[-1]}) or what broadcasts to it; got {mask.shape}"
        )
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
        check_input(self, shape, "(..., n, units)")
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

    def make_cache(self, x: Any, length: int) -> KeyValueCache:
        """As `MultiHeadAttention.make_cache`, of the first attention."""
        with self._settled():
            return self.attention.make_cache(x, length)

    def _dropped(self, x, training) -> Any:
        return x if self.dropout is None else self.dropout(x, training=training)


multi_head_attention = functional(MultiHeadAttention)
transformer_block = functional(TransformerBlock)
