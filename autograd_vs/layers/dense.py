"""Dense, Embedding, Dropout, and what only changes shapes: Flatten. Floor 3."""

from collections.abc import Callable
from math import prod
from typing import Any

from .. import nn
from ..engine.tensor import Tensor, asarray
from ..ops.products import matmul
from ..ops.shape import reshape, swapaxes
from ..state.initializers import random_uniform, zeros
from .base import Layer, activation_of, check_input, check_training, functional

__all__ = ["Dense", "Dropout", "Embedding", "Flatten", "dense", "dropout", "embedding", "flatten"]


class Dense(Layer):
    """``activation(x @ kernel + bias)``.

    Parameters
    ----------
    units : int
        How many numbers come out, in the place of the last dimension.
    activation : function or str, optional
        A function, or its name in `av.nn`.
    use_bias : bool, default True
    kernel_initializer, bias_initializer : optional
        By default the scope's or glorot_uniform, and zeros.
    **options
        `name`, `trainable`, `dtype`: see `Layer`.

    Notes
    -----
    Variables: ``kernel`` of shape (inputs, units), PyTorch's ``weight.T``; ``bias`` of shape (units,).

    Examples
    --------
    >>> with av.VariableStore() as store:
    ...     fc = av.layers.Dense(4, activation="relu")
    ...     y = fc(np.ones((2, 3)))
    >>> y.shape, [(v.name, v.shape) for v in fc.weights]
    ((2, 4), [('dense/kernel:0', (3, 4)), ('dense/bias:0', (4,))])
    """

    def __init__(
        self,
        units: int,
        activation: Callable | str | None = None,
        use_bias: bool = True,
        kernel_initializer: Any = None,
        bias_initializer: Any = zeros,
        **options: Any,
    ):
        super().__init__(**options)
        self.units, self.use_bias = units, use_bias
        self.activation = activation_of(activation, self)
        self.kernel_initializer, self.bias_initializer = kernel_initializer, bias_initializer
        self.bias = None

    def build(self, shape: Any) -> None:
        """Make ``kernel`` and ``bias``."""
        check_input(self, shape, "(..., inputs)")
        self.kernel = self.add_weight("kernel", (shape[-1], self.units), initializer=self.kernel_initializer)
        if self.use_bias:
            self.bias = self.add_weight("bias", (self.units,), initializer=self.bias_initializer)

    def call(self, x: Any) -> Tensor:
        """The activations; leading dimensions stay."""
        kernel, bias = self.cast(self.kernel), self.cast(self.bias)
        y = matmul(x, kernel) if bias is None else nn.linear(x, kernel, bias)
        return self.cast(self.activation(y))  # ml_dtypes has no weak numbers: 2.0 * bfloat16 is float32


class Embedding(Layer):
    """A row of a table for each number; the table can also be the projection back.

    Parameters
    ----------
    input_dim : int
        How many rows: ids are in ``[0, input_dim)``.
    output_dim : int
        The length of a row.
    initializer : optional
        By default uniform in [-0.05, 0.05), as in Keras.
    **options
        `name`, `trainable`, `dtype`: see `Layer`.

    Notes
    -----
    Variable: ``embeddings`` of shape (input_dim, output_dim), PyTorch's ``weight``. Its gradient is rows
    (`IndexedSlices`), unless `attend` is used, too.

    Examples
    --------
    >>> with av.VariableStore():
    ...     words = av.layers.Embedding(10, 4)
    ...     h = words(np.array([[1, 2, 3]]))
    ...     logits = words.attend(h)
    >>> h.shape, logits.shape, len(words.weights)
    ((1, 3, 4), (1, 3, 10), 1)
    """

    def __init__(self, input_dim: int, output_dim: int, initializer: Any = None, **options: Any):
        super().__init__(**options)
        self.input_dim, self.output_dim = input_dim, output_dim
        self.initializer = random_uniform(-0.05, 0.05) if initializer is None else initializer

    def build(self, shape: Any) -> None:
        """Make ``embeddings``."""
        table = self.add_weight("embeddings", (self.input_dim, self.output_dim), initializer=self.initializer)
        self.embeddings = table

    def call(self, ids: Any) -> Tensor:
        """The rows of integer `ids`, of shape (..., output_dim)."""
        return self.cast(nn.embedding_lookup(self.embeddings, ids))

    def attend(self, x: Any) -> Tensor:
        """``x @ embeddings.T``: scores of all rows, by the same table (tied weights).

        Parameters
        ----------
        x : array_like, shape (..., output_dim), float

        Returns
        -------
        Tensor, shape (..., input_dim)

        Raises
        ------
        ValueError
            If the last dimension of `x` is not `output_dim`.

        References
        ----------
        O. Press and L. Wolf, "Using the output embedding to improve language models", EACL 2017.
        """
        self.ensure_built(())
        x = self.cast(asarray(x))
        if x.shape[-1:] != (self.output_dim,):
            raise ValueError(f"Embedding.attend takes x of shape (..., {self.output_dim}), got {x.shape}: {self!r}")
        return matmul(x, swapaxes(self.cast(self.embeddings), 0, 1))


class Dropout(Layer):
    """Zeros in the place of random elements while training: `av.nn.dropout`.

    Parameters
    ----------
    rate : float
        The probability that an element is dropped.
    noise_shape : tuple of int or None, optional
        The shape of the mask: ``(None, 1, 1, None)`` drops whole channels of images.
    **options
        `name`: see `Layer`. The mask comes from the random stream of that name (the full name of its scope).

    Examples
    --------
    >>> with av.VariableStore():
    ...     drop = av.layers.Dropout(0.5)
    ...     drop(np.ones(3), training=False).numpy()
    array([1., 1., 1.])
    """

    def __init__(self, rate: float, noise_shape: Any = None, **options: Any):
        super().__init__(**options)
        self.rate, self.noise_shape = rate, noise_shape

    def call(self, x: Any, *, training: bool | None) -> Tensor:
        """`x` with zeros in it if `training`, else `x`. There is no default: a forgotten switch is hard to find."""
        check_training(self, training)
        stream = self.variable_scope.name
        return nn.dropout(x, self.rate, training=training, stream=stream, noise_shape=self.noise_shape)


class Flatten(Layer):
    """All dimensions but the first as one.

    Examples
    --------
    >>> with av.VariableStore():
    ...     av.layers.Flatten()(np.ones((2, 3, 4))).shape
    (2, 12)
    """

    def call(self, x: Any) -> Tensor:
        """`x` of shape (first, rest)."""
        x = asarray(x)
        check_input(self, x.shape, "(batch, ...)")
        return reshape(x, (x.shape[0], prod(x.shape[1:])))


dense = functional(Dense)
embedding = functional(Embedding)
dropout = functional(Dropout)
flatten = functional(Flatten)
