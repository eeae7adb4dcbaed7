"""Recurrent cells with their variables, and RNN, which runs them along time. Floor 3."""

from functools import partial
from typing import Any

from .. import nn
from ..engine.tensor import Tensor, asarray
from ..ops.constants import zeros_like
from ..ops.elementwise import where
from ..ops.shape import broadcast_to, concatenate, stack, unstack
from ..state.initializers import orthogonal, zeros
from .base import Layer, activation_of, check_input, functional, shapes_of

__all__ = ["RNN", "GRUCell", "LSTMCell", "SimpleRNNCell", "gru_cell", "lstm_cell", "rnn", "simple_rnn_cell"]


class _Cell(Layer):
    """What cells share: ``kernel``, ``recurrent_kernel`` and ``bias``, with the gates side by side."""

    gates = 1
    bias: Any = None

    def __init__(
        self,
        units: int,
        use_bias: bool = True,
        kernel_initializer: Any = None,
        recurrent_initializer: Any = orthogonal,
        bias_initializer: Any = zeros,
        **options: Any,
    ):
        super().__init__(**options)
        self.units, self.use_bias = units, use_bias
        self.kernel_initializer, self.recurrent_initializer = kernel_initializer, recurrent_initializer
        self.bias_initializer = bias_initializer

    def build(self, shape: Any) -> None:
        """Make the variables."""
        check_input(self, shape, "(..., inputs)")
        wide = self.gates * self.units
        self.kernel = self.add_weight("kernel", (shape[-1], wide), initializer=self.kernel_initializer)
        recurrent = self.add_weight("recurrent_kernel", (self.units, wide), initializer=self.recurrent_initializer)
        self.recurrent_kernel = recurrent
        if self.use_bias:
            self.bias = self.add_weight("bias", (wide,), initializer=self.bias_initializer)

    def _weights(self) -> tuple[Any, Any, Any]:
        return self.cast(self.kernel), self.cast(self.recurrent_kernel), self.cast(self.bias)

    def zero_state(self, x: Any) -> Any:
        """The state before the first step: zeros of shape (..., units), for inputs of shape (..., inputs)."""
        x = asarray(x)
        return broadcast_to(zeros_like(x[..., :1]), (*x.shape[:-1], self.units))


class SimpleRNNCell(_Cell):
    """One step of a simple recurrent network: `av.nn.simple_rnn_cell`.

    Parameters
    ----------
    units : int
    activation : function or str, default "tanh"
    use_bias : bool, default True
    kernel_initializer, recurrent_initializer, bias_initializer : optional
        By default the scope's or glorot_uniform, orthogonal, and zeros.
    **options
        `name`, `trainable`, `dtype`: see `Layer`.

    Notes
    -----
    Variables: ``kernel`` (inputs, units), PyTorch's ``weight_ih.T``; ``recurrent_kernel`` (units, units), its
    ``weight_hh.T``; ``bias``, the sum of its two.

    Examples
    --------
    >>> with av.VariableStore():
    ...     y, state = av.layers.SimpleRNNCell(4)(np.ones((2, 3)))
    >>> y.shape, state.shape
    ((2, 4), (2, 4))
    """

    def __init__(self, units: int, activation: Any = "tanh", use_bias: bool = True, **options: Any):
        super().__init__(units, use_bias, **options)
        self.activation = activation_of(activation, self)

    def call(self, x: Any, state: Any = None) -> tuple[Tensor, Any]:
        """(output, new state), which are the same; without a state it starts with zeros."""
        h = self.zero_state(x) if state is None else state
        h = self.cast(nn.simple_rnn_cell(x, h, *self._weights(), activation=self.activation))
        return h, h


class GRUCell(_Cell):
    """One step of a gated recurrent unit, with the reset gate after the product: `av.nn.gru_cell`.

    Parameters
    ----------
    units : int
    use_bias : bool, default True
    kernel_initializer, recurrent_initializer, bias_initializer : optional
        By default the scope's or glorot_uniform, orthogonal, and zeros.
    **options
        `name`, `trainable`, `dtype`: see `Layer`.

    Notes
    -----
    Variables, with the gates r, z, n side by side: ``kernel`` (inputs, 3 * units), PyTorch's ``weight_ih.T``;
    ``recurrent_kernel`` (units, 3 * units), its ``weight_hh.T``; ``bias`` and ``recurrent_bias``, its ``bias_ih`` and
    ``bias_hh``.

    Examples
    --------
    >>> with av.VariableStore():
    ...     y, state = av.layers.GRUCell(4)(np.ones((2, 3)))
    >>> y.shape, state.shape
    ((2, 4), (2, 4))
    """

    gates = 3
    recurrent_bias: Any = None

    def build(self, shape: Any) -> None:
        """Make the variables."""
        super().build(shape)
        if self.use_bias:
            wide = (3 * self.units,)
            self.recurrent_bias = self.add_weight("recurrent_bias", wide, initializer=self.bias_initializer)

    def call(self, x: Any, state: Any = None) -> tuple[Tensor, Any]:
        """(output, new state), which are the same; without a state it starts with zeros."""
        h = self.zero_state(x) if state is None else state
        h = self.cast(nn.gru_cell(x, h, *self._weights(), self.cast(self.recurrent_bias)))
        return h, h


class LSTMCell(_Cell):
    """One step of a long short-term memory: `av.nn.lstm_cell`.

    Parameters
    ----------
    units : int
    use_bias : bool, default True
    forget_bias : float, default 0.0
        The initial bias of the forget gate; with 1.0 it starts open.
    kernel_initializer, recurrent_initializer, bias_initializer : optional
        By default the scope's or glorot_uniform, orthogonal, and zeros.
    **options
        `name`, `trainable`, `dtype`: see `Layer`.

    Notes
    -----
    Variables, with the gates i, f, g, o side by side: ``kernel`` (inputs, 4 * units), PyTorch's ``weight_ih.T``;
    ``recurrent_kernel`` (units, 4 * units), its ``weight_hh.T``; ``bias``, the sum of its two.

    Examples
    --------
    >>> with av.VariableStore():
    ...     y, (h, c) = av.layers.LSTMCell(4, forget_bias=1.0)(np.ones((2, 3)))
    >>> y is h, c.shape
    (True, (2, 4))
    """

    gates = 4

    def __init__(self, units: int, use_bias: bool = True, forget_bias: float = 0.0, **options: Any):
        super().__init__(units, use_bias, **options)
        if forget_bias:
            self.bias_initializer = partial(_open_gate, self.bias_initializer, forget_bias)

    def zero_state(self, x: Any) -> Any:
        """The state (h, c) before the first step: zeros of shape (..., units)."""
        return super().zero_state(x), super().zero_state(x)

    def call(self, x: Any, state: Any = None) -> tuple[Tensor, Any]:
        """(output, new state): a state is the pair (h, c), and h the output; without one it starts with zeros."""
        h, c = self.zero_state(x) if state is None else _several(state, 2, "LSTMCell: a state is the pair (h, c)")
        h, c = nn.lstm_cell(x, h, c, *self._weights())
        return h, (h, c)


def _open_gate(initializer, forget_bias, shape, dtype):
    """What `initializer` gives, and the bias of the forget gate, which is the second quarter."""
    made = asarray(initializer(shape, dtype))
    return made.at[shape[0] // 4 : shape[0] // 2].set(forget_bias)


class RNN(Layer):
    """Cells along time: one or several layers of them, in one or both directions.

    Parameters
    ----------
    cell : layer or list of layers
        `SimpleRNNCell`, `GRUCell`, `LSTMCell`, or a layer with ``call(x, state) -> (output, state)`` and
        ``zero_state(x)``. Those of a list lie above one another.
    backward : layer or list of layers, optional
        As many cells that run from the last step to the first; the outputs of both directions lie side by side.
    return_sequences : bool, default False
        Return the outputs of all steps, not the last one of each direction.
    return_state : bool, default False
        Return ``(outputs, states)``.
    **options
        `name`, `trainable`: see `Layer`.

    Raises
    ------
    ValueError
        If there are not as many backward cells as cells; at a call if `x` has not three dimensions, or no steps, or if
        a mask or a state has another form.
    TypeError
        If a cell is none.

    Notes
    -----
    The states, returned and given, are: that of the cell; with `backward` the pair (forward, backward) of them; for a
    list of cells a list of these. Variables are those of the cells: ``rnn/lstm_cell/kernel``. With all that it is
    PyTorch's ``nn.LSTM(batch_first=True)``, ``nn.GRU`` and ``nn.RNN``; with a mask its packed sequences.

    References
    ----------
    M. Schuster and K. K. Paliwal, "Bidirectional recurrent neural networks", IEEE Trans. Signal Process. 45 (1997).

    Examples
    --------
    >>> with av.VariableStore():
    ...     x = np.ones((2, 5, 3))
    ...     rnn = av.layers.RNN(av.layers.LSTMCell(4), backward=av.layers.LSTMCell(4), return_sequences=True)
    ...     last = av.layers.RNN([av.layers.GRUCell(4), av.layers.GRUCell(6)])
    ...     mask = np.array([[True] * 5, [True] * 3 + [False] * 2])
    ...     print(rnn(x, mask=mask).shape, last(x).shape)
    (2, 5, 8) (2, 6)
    """

    def __init__(
        self,
        cell: Any,
        backward: Any = None,
        return_sequences: bool = False,
        return_state: bool = False,
        **options: Any,
    ):
        super().__init__(**options)
        self._single = not isinstance(cell, (list, tuple))
        self.cells = [cell] if self._single else list(cell)
        several = [] if backward is None else list(backward) if isinstance(backward, (list, tuple)) else [backward]
        if not self.cells or (several and len(several) != len(self.cells)):
            raise ValueError(f"RNN: {len(self.cells)} cells and {len(several)} backward cells do not go together")
        for each in self.cells + several:
            if isinstance(each, type) or not callable(getattr(each, "zero_state", None)):
                hint = f": write {each.__name__}(...)" if isinstance(each, type) else ""
                raise TypeError(f"RNN: a cell has call(x, state) and zero_state(x), got {each!r}{hint}")
        self.backward = several
        self.return_sequences, self.return_state = return_sequences, return_state

    def call(self, x: Any, *, mask: Any = None, initial_state: Any = None) -> Any:
        """The outputs along `x`.

        Parameters
        ----------
        x : array_like, shape (batch, steps, inputs), float
        mask : array_like, shape (batch, steps), bool, optional
            Where False a step is left out: the state stays as it is, and the output is 0.
        initial_state : optional
            In the form in which states are returned; by default zeros.

        Returns
        -------
        Tensor, shape (batch, units) or (batch, steps, units)
            With `return_state` a pair of it and the last states.
        """
        x = asarray(x)
        if x.ndim != 3 or not x.shape[1]:
            raise ValueError(f"RNN takes x of shape (batch, steps, inputs) with at least one step, got {x.shape}")
        kept: list[Any] = [None] * x.shape[1]
        if mask is not None:
            mask = _checked(mask, x.shape)
            x, kept = where(mask, x, zeros_like(x)), list(unstack(mask, axis=1))  # no NaN of padding in any product
        steps = list(unstack(x, axis=1))
        if initial_state is not None:
            given = [initial_state] if self._single else initial_state
            initial_state = _several(given, len(self.cells), "RNN: initial_state has a state for each cell")
        states, last = [], None
        for i, cell in enumerate(self.cells):
            state = None if initial_state is None else initial_state[i]
            if self.backward:
                what = "RNN: with backward a state is the pair (forward, backward)"
                there, back = (None, None) if state is None else _several(state, 2, what)
                one, there, last_one = _along(cell, steps, kept, there)
                two, back, last_two = _along(self.backward[i], steps[::-1], kept[::-1], back)
                steps = [concatenate((a, b), axis=-1) for a, b in zip(one, two[::-1], strict=True)]
                last = concatenate((last_one, last_two), axis=-1)
                states.append((there, back))
            else:
                steps, state, last = _along(cell, steps, kept, state)
                states.append(state)
        y = stack(steps, axis=1) if self.return_sequences else last
        return (y, states[0] if self._single else states) if self.return_state else y


def _several(state, n, what) -> Any:
    """`state` itself if it is a tuple or list of `n`; an array of `n` rows would come apart without a sound."""
    if not isinstance(state, (list, tuple)) or len(state) != n:
        raise ValueError(f"{what}; got {_described(state)}")
    return state


def _described(state) -> str:
    if isinstance(state, (list, tuple)):
        return f"{len(state)}, of shapes {', '.join([str(shapes_of(part)) for part in state])}"
    return f"{type(state).__name__} of shape {shapes_of(state)}"


def _checked(mask, shape) -> Tensor:
    """Whether each step counts, of shape (batch, steps, 1)."""
    mask = asarray(mask)
    if mask.shape != shape[:2] or mask.dtype != bool:
        raise ValueError(f"RNN: a mask is bool, of shape {shape[:2]} (batch, steps); got {mask.dtype} {mask.shape}")
    return mask[..., None]


def _along(cell, steps, kept, state) -> tuple[list, Any, Any]:
    """The outputs of a cell along some steps, its last state, and the output of the last step that counts."""
    if state is None:
        state = cell.zero_state(steps[0])
    outputs, last = [], None
    for x, mask in zip(steps, kept, strict=True):
        y, new = cell(x, state)
        if mask is None:
            state, last = new, y
        else:
            state = _chosen(mask, new, state)
            nothing = zeros_like(y)
            last = where(mask, y, nothing if last is None else last)
            y = where(mask, y, nothing)
        outputs.append(y)
    return outputs, state, last


def _chosen(mask, new, old):
    if isinstance(new, (list, tuple)):
        return type(new)([_chosen(mask, n, o) for n, o in zip(new, old, strict=True)])
    return where(mask, new, old)


gru_cell = functional(GRUCell)
lstm_cell = functional(LSTMCell)
rnn = functional(RNN)
simple_rnn_cell = functional(SimpleRNNCell)
