"""Initializers: functions ``(shape, dtype) -> array`` for the first values of variables. Floor 2.

Each one is a class that can be handed over as it is (``initializer=av.initializers.zeros``), with arguments
(``av.initializers.random_normal(stddev=0.1)``), and called for an array (``av.initializers.zeros((2, 3))``).

While `get_variable` makes a variable, random values come from the generator of (seed, full name): the same whatever
was made before, and on every device. A seed of the initializer's own takes the place of the store's.
"""

import math
from contextvars import ContextVar
from typing import Any

import numpy as np

from ..base.dtypes import as_dtype
from ..base.seeds import generator, global_seed, seeded

__all__ = [
    "Initializer", "constant", "glorot_normal", "glorot_uniform", "he_normal", "he_uniform", "identity",
    "lecun_normal", "lecun_uniform", "ones", "orthogonal", "random_normal", "random_uniform", "truncated_normal",
    "variance_scaling", "zeros",
]  # fmt: skip

# The standard deviation of a normal distribution of deviation 1 that is cut off at -2 and 2:
# sqrt(1 - 4 pdf(2) / (cdf(2) - cdf(-2))).
_TRUNCATED_DEVIATION = 0.87962566103423978

_drawing: ContextVar[Any] = ContextVar("variable being made", default=None)


class drawing:
    """Inside of this ``with`` random initial values belong to the variable of this full name."""

    def __init__(self, seed: int, name: str):
        self.seed, self.name, self.count = seed, name, 0

    def __enter__(self):
        self._token = _drawing.set(self)

    def __exit__(self, kind, value, trace):
        _drawing.reset(self._token)


class Initializer:
    """What all initializers share. Your own needs no base class: any function ``(shape, dtype) -> array`` is one."""

    seed: int | None = None

    def __new__(cls, *args: Any, **options: Any) -> Any:  # noqa: D102
        if args and isinstance(args[0], (tuple, list)) and cls is not constant:  # zeros((2, 3), "float32")
            return cls()(*args, **options)
        return super().__new__(cls)

    def __init__(self) -> None:
        pass  # so that arguments which an initializer does not have are an error

    def __call__(self, shape: Any, dtype: Any = None) -> np.ndarray:
        """The values: an array of this shape and dtype (float32 by default)."""
        shape = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
        dtype = as_dtype(dtype)
        return np.asarray(self.values(shape, dtype)).astype(dtype, copy=False)

    def values(self, shape: tuple[int, ...], dtype: np.dtype) -> Any:
        """The values in any float dtype."""
        raise NotImplementedError

    def random(self) -> "np.random.Generator":
        """The generator for one call: of the variable that is being made, or of the seed alone."""
        variable = _drawing.get()
        if variable is not None:
            variable.count += 1
            seed = variable.seed if self.seed is None else self.seed
            return generator(seed, f"variable {variable.name}", variable.count - 1)  # no stream's name has a space
        if self.seed is not None:
            return generator(self.seed, "initializer")
        seed = global_seed()
        if seed is None:
            return np.random.default_rng()
        return generator(seed, "initializer", _next_call())

    def __repr__(self):
        options = ", ".join(f"{name}={value!r}" for name, value in vars(self).items() if value is not None)
        return f"{type(self).__name__}({options})"


_calls = (0, -1)


def _next_call() -> int:
    """The number of this array among those drawn outside of any variable since the global seed was set."""
    global _calls
    times, count = _calls
    _calls = (seeded(), count + 1 if seeded() == times else 0)
    return _calls[1]


# ---------------------------------------------------------------- fixed values


class zeros(Initializer):
    """Zeros.

    Examples
    --------
    >>> zeros((2,), "int64")
    array([0, 0])
    """

    def values(self, shape, dtype):
        """See `Initializer`."""
        return np.zeros(shape, dtype)


class ones(Initializer):
    """Ones.

    Examples
    --------
    >>> ones((2,))
    array([1., 1.], dtype=float32)
    """

    def values(self, shape, dtype):
        """See `Initializer`."""
        return np.ones(shape, dtype)


class constant(Initializer):
    """One number everywhere, or given numbers.

    Parameters
    ----------
    value : array_like, default 0
        A number, or as many numbers as the variable has, in any shape.

    Raises
    ------
    ValueError
        When called, if the number of values does not fit the shape.

    Examples
    --------
    >>> constant(0.3)((2,))
    array([0.3, 0.3], dtype=float32)
    >>> constant([1, 2, 3, 4])((2, 2))
    array([[1., 2.],
           [3., 4.]], dtype=float32)
    """

    def __init__(self, value: Any = 0):
        self.value = value

    def values(self, shape, dtype):
        """See `Initializer`."""
        value = np.asarray(self.value)
        if value.size == 1:
            return np.full(shape, value.reshape(()), dtype)
        if value.size != math.prod(shape):
            raise ValueError(f"constant has {value.size} values, the shape {shape} takes {math.prod(shape)}")
        return value.reshape(shape)


class identity(Initializer):
    """The identity matrix times `gain`: ones on the main diagonal of a matrix of any shape.

    Parameters
    ----------
    gain : float, default 1

    Raises
    ------
    ValueError
        When called, if the shape is not that of a matrix.

    Examples
    --------
    >>> identity(gain=2.0)((2, 3))
    array([[2., 0., 0.],
           [0., 2., 0.]], dtype=float32)
    """

    def __init__(self, gain: float = 1.0):
        self.gain = gain

    def values(self, shape, dtype):
        """See `Initializer`."""
        if len(shape) != 2:
            raise ValueError(f"identity makes matrices, asked was shape {shape}")
        return self.gain * np.eye(*shape, dtype=dtype)


# ---------------------------------------------------------------- random values


class random_uniform(Initializer):
    """Uniform in [minval, maxval); for integer dtypes the integers in it.

    Parameters
    ----------
    minval, maxval : float, default 0 and 1
    seed : int, optional

    Examples
    --------
    >>> x = random_uniform(-2.0, 2.0, seed=1)((1000,))
    >>> bool(-2 <= x.min() < -1.9 and 1.9 < x.max() < 2)
    True
    """

    def __init__(self, minval: float = 0.0, maxval: float = 1.0, seed: int | None = None):
        self.minval, self.maxval, self.seed = minval, maxval, seed

    def values(self, shape, dtype):
        """See `Initializer`."""
        if dtype.kind in "iu":
            return self.random().integers(int(self.minval), int(self.maxval), shape)
        x = _complex(lambda: self.random().uniform(self.minval, self.maxval, shape), dtype)
        if dtype.kind != "f":
            return x
        return np.minimum(
            x, np.nextafter(dtype.type(self.maxval), dtype.type(self.minval))
        )  # rounding may reach maxval


class random_normal(Initializer):
    """Normal.

    Parameters
    ----------
    mean, stddev : float, default 0 and 1
    seed : int, optional

    Examples
    --------
    >>> x = random_normal(stddev=0.1, seed=1)((10000,))
    >>> bool(0.098 < x.std() < 0.102)
    True
    """

    def __init__(self, mean: float = 0.0, stddev: float = 1.0, seed: int | None = None):
        self.mean, self.stddev, self.seed = mean, stddev, seed

    def values(self, shape, dtype):
        """See `Initializer`."""
        return _complex(lambda: self.random().normal(self.mean, self.stddev, shape), dtype)


class truncated_normal(Initializer):
    """Normal, with values more than two standard deviations from the mean drawn again.

    Parameters
    ----------
    mean, stddev : float, default 0 and 1
        Of the normal distribution before it is cut; the values that come out have 0.88 times this deviation.
    seed : int, optional

    Examples
    --------
    >>> x = truncated_normal(stddev=0.5, seed=1)((10000,))
    >>> bool(abs(x).max() <= 1)
    True
    """

    def __init__(self, mean: float = 0.0, stddev: float = 1.0, seed: int | None = None):
        self.mean, self.stddev, self.seed = mean, stddev, seed

    def values(self, shape, dtype):
        """See `Initializer`."""
        return _complex(lambda: self.mean + self.stddev * _truncated(self.random(), shape), dtype)


class variance_scaling(Initializer):
    """Random values whose variance is ``scale / n``, n being the number of inputs or outputs of a unit.

    ``stddev = sqrt(scale / n)`` for both normal forms, and the limits of the uniform one are ``sqrt(3 scale / n)``. For
    a convolution kernel (height, width, in, out) a unit has height x width x in inputs, and outputs likewise.

    Parameters
    ----------
    scale : float, default 1
    mode : {"fan_in", "fan_out", "fan_avg"}
        What n counts: inputs, outputs, or the mean of both.
    distribution : {"truncated_normal", "untruncated_normal", "uniform"}
        "normal" is the truncated one, as in TensorFlow.
    seed : int, optional

    Raises
    ------
    ValueError
        If `scale` is not positive, or one of the words is another.

    Notes
    -----
    The truncated normal is widened by 1 / 0.8796, so that after the cut its standard deviation is the wanted one.

    References
    ----------
    Glorot and Bengio, Understanding the difficulty of training deep feedforward neural networks, AISTATS 2010, eq. 12
    and 16. He et al., Delving deep into rectifiers, ICCV 2015, eq. 10.

    Examples
    --------
    >>> x = variance_scaling(2.0, "fan_in", "uniform", seed=0)((3, 3, 16, 8))
    >>> bool(abs(x.std() - (2 / (3 * 3 * 16)) ** 0.5) < 0.005)
    True
    """

    def __init__(
        self, scale: float = 1.0, mode: str = "fan_in", distribution: str = "truncated_normal", seed: int | None = None
    ):
        if scale <= 0:
            raise ValueError(f"scale must be positive, got {scale}")
        if mode not in ("fan_in", "fan_out", "fan_avg"):
            raise ValueError(f"mode must be 'fan_in', 'fan_out' or 'fan_avg', got {mode!r}")
        if distribution not in ("normal", "truncated_normal", "untruncated_normal", "uniform"):
            words = "'truncated_normal', 'untruncated_normal' or 'uniform'"
            raise ValueError(f"distribution must be {words}, got {distribution!r}")
        self.scale, self.mode, self.distribution, self.seed = scale, mode, distribution, seed

    def values(self, shape, dtype):
        """See `Initializer`."""
        fan_in, fan_out = fans(shape)
        n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        stddev = math.sqrt(self.scale / max(1, n))
        if self.distribution == "uniform":
            limit = math.sqrt(3) * stddev
            return _complex(lambda: self.random().uniform(-limit, limit, shape), dtype)
        if self.distribution == "untruncated_normal":
            return _complex(lambda: self.random().normal(0.0, stddev, shape), dtype)
        return _complex(lambda: stddev / _TRUNCATED_DEVIATION * _truncated(self.random(), shape), dtype)


class _Scaled(variance_scaling):
    """A variance scaling with everything but the seed settled."""

    settled: tuple[float, str, str]

    def __init__(self, seed: int | None = None):
        super().__init__(*self.settled, seed=seed)

    def __repr__(self):
        return f"{type(self).__name__}({'' if self.seed is None else f'seed={self.seed}'})"


class glorot_uniform(_Scaled):
    """Uniform within ``sqrt(6 / (fan_in + fan_out))``: `get_variable`'s choice for floats.

    Parameters
    ----------
    seed : int, optional

    References
    ----------
    Glorot and Bengio, Understanding the difficulty of training deep feedforward neural networks, AISTATS 2010, eq. 16.

    Examples
    --------
    >>> x = glorot_uniform(seed=0)((300, 300))
    >>> bool(0.0995 < x.max() < 0.1)
    True
    """

    settled = (1.0, "fan_avg", "uniform")


class glorot_normal(_Scaled):
    """Truncated normal of standard deviation ``sqrt(2 / (fan_in + fan_out))``.

    Parameters
    ----------
    seed : int, optional

    References
    ----------
    Glorot and Bengio, Understanding the difficulty of training deep feedforward neural networks, AISTATS 2010, eq. 12.

    Examples
    --------
    >>> bool(0.095 < glorot_normal(seed=0)((100, 100)).std() < 0.105)
    True
    """

    settled = (1.0, "fan_avg", "truncated_normal")


class he_uniform(_Scaled):
    """Uniform within ``sqrt(6 / fan_in)``, for layers before a relu.

    Parameters
    ----------
    seed : int, optional

    References
    ----------
    He et al., Delving deep into rectifiers, ICCV 2015, eq. 10.

    Examples
    --------
    >>> bool(abs(he_uniform(seed=0)((600, 10))).max() < 0.1)
    True
    """

    settled = (2.0, "fan_in", "uniform")


class he_normal(_Scaled):
    """Truncated normal of standard deviation ``sqrt(2 / fan_in)``, for layers before a relu.

    Parameters
    ----------
    seed : int, optional

    References
    ----------
    He et al., Delving deep into rectifiers, ICCV 2015, eq. 10.

    Examples
    --------
    >>> bool(0.095 < he_normal(seed=0)((200, 50)).std() < 0.105)
    True
    """

    settled = (2.0, "fan_in", "truncated_normal")


class lecun_uniform(_Scaled):
    """Uniform within ``sqrt(3 / fan_in)``.

    Parameters
    ----------
    seed : int, optional

    References
    ----------
    LeCun, Bottou, Orr, Müller, Efficient BackProp, 1998, section 4.6.

    Examples
    --------
    >>> bool(abs(lecun_uniform(seed=0)((300, 10))).max() < 0.1)
    True
    """

    settled = (1.0, "fan_in", "uniform")


class lecun_normal(_Scaled):
    """Truncated normal of standard deviation ``sqrt(1 / fan_in)``, for selu networks.

    Parameters
    ----------
    seed : int, optional

    References
    ----------
    LeCun, Bottou, Orr, Müller, Efficient BackProp, 1998, section 4.6.

    Examples
    --------
    >>> bool(0.095 < lecun_normal(seed=0)((100, 100)).std() < 0.105)
    True
    """

    settled = (1.0, "fan_in", "truncated_normal")


class orthogonal(Initializer):
    """A random matrix with orthonormal columns (or rows, if it is wider than high), times `gain`.

    More than two axes: all but the last are flattened together. From the QR factors of a normal matrix, with the signs
    of the diagonal of R put right so that all orthogonal matrices are equally likely.

    Parameters
    ----------
    gain : float, default 1
    seed : int, optional

    Raises
    ------
    ValueError
        When called, if the shape has fewer than two axes.

    References
    ----------
    Saxe, McClelland, Ganguli, Exact solutions to the nonlinear dynamics of learning in deep linear neural networks,
    ICLR 2014. Mezzadri, How to generate random matrices from the classical compact groups, 2007 (the signs).

    Examples
    --------
    >>> q = orthogonal(seed=0)((4, 2), "float64")
    >>> bool(np.allclose(q.T @ q, np.eye(2)))
    True
    """

    def __init__(self, gain: float = 1.0, seed: int | None = None):
        self.gain, self.seed = gain, seed

    def values(self, shape, dtype):
        """See `Initializer`."""
        if len(shape) < 2:
            raise ValueError(f"orthogonal needs at least two axes, asked was shape {shape}")
        rows, columns = math.prod(shape[:-1]), shape[-1]
        tall = (max(rows, columns), min(rows, columns))
        q, r = np.linalg.qr(_complex(lambda: self.random().normal(size=tall), dtype))
        diagonal = np.diagonal(r)
        q = q * (diagonal / np.abs(diagonal))
        return self.gain * (q if rows >= columns else q.T).reshape(shape)


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """(inputs, outputs) of a unit, for the weights of a dense layer or a convolution.

    Examples
    --------
    >>> fans((5, 7)), fans((3, 3, 16, 8)), fans((4,)), fans(())
    ((5, 7), (144, 72), (4, 4), (1, 1))
    """
    if not shape:
        return 1, 1
    if len(shape) == 1:
        return shape[0], shape[0]
    field = math.prod(shape[:-2])
    return field * shape[-2], field * shape[-1]


def _truncated(random, shape) -> np.ndarray:
    """Normal values of deviation 1 within -2 and 2 (before the cut)."""
    x = random.normal(size=shape)
    x = np.asarray(x)
    while (outside := np.abs(x) > 2).any():
        x[outside] = random.normal(size=int(outside.sum()))
    return x


def _complex(draw, dtype) -> np.ndarray:
    """The draw itself, or for complex dtypes two draws of half the variance each."""
    return (draw() + 1j * draw()) / math.sqrt(2) if dtype.kind == "c" else draw()
