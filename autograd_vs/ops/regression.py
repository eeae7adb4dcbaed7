"""Losses of targets: distances, and likelihoods of numbers. Their mean, by the rule in `losses.py`. Floor 2."""

from math import log as _ln
from math import pi

import numpy as np

from ..base.backend import as_array, namespace
from ..base.dtypes import refuse_complex
from ..base.precision import in_float32
from ..engine.declare import composed, primitive
from ..engine.protocol import operand_types
from ..engine.samples import Sample, arrays, away, elementwise, values, zeros
from ..engine.tensor import Tensor
from .constants import stop_gradient
from .elementwise import absolute, exp, log, maximum, square, subtract, where
from .losses import like, number, paired, reduced, within

__all__ = ["gaussian_nll", "huber", "l2_loss", "log_cosh", "mae", "mse", "poisson_nll", "smooth_l1"]

ndarray = np.ndarray
_WORDS = "prediction", "target"


def _positive(x, what) -> float:
    x = number(x, what)
    if not x > 0.0:
        raise ValueError(f"{what} must be positive, got {x}")
    return x


def _difference(name, prediction, target) -> Tensor:
    return subtract(*paired(name, prediction, target, _WORDS, cast=False))


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
    return as_array(namespace(d).vdot(d, d) * (1.0 / d.size if d.size else np.nan))


@composed(
    samples=lambda: [
        *_mse_samples(), Sample(arrays((2, 3)), 0.5), Sample(*arrays((2, 3), (2, 3)), "none"),
        Sample(*arrays((2, 3), (2, 3)), reduction="sum"),
    ]
)  # fmt: skip
@in_float32(narrow=False)
def mse(prediction, target, reduction="mean") -> Tensor:
    """The mean squared error, ``mean((prediction - target)**2)``.

    Parameters
    ----------
    prediction, target : array_like, float, of one shape
        Nothing broadcasts, except a single number: a mean over all pairs of (n, 1) and (n,) is a popular mistake.
    reduction : {"mean", "none", "sum"}
        The mean, each square, or their sum.

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
        prediction, target = paired("mse", prediction, target, _WORDS, cast=False)
        if isinstance(target, (int, float)):
            target = namespace(prediction.array).full(prediction.shape, target, prediction.dtype)
    elif prediction.shape != target.shape:
        paired("mse", prediction, target, _WORDS)
    if reduction == "mean":
        return _mse(prediction, target)
    return reduced("mse", square(subtract(prediction, target)), reduction)


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


# ---------------------------------------------------------------- distances


def _pairs(points, **options):
    """Samples of a distance whose kinks are at `points`: options, a number as the target, each reduction, shapes."""

    def samples():
        a, b = away(arrays((2, 3)), points, 0.2), arrays((2, 3), low=-0.05, high=0.05, seed=1)
        return [
            Sample(a, b), Sample(a, b, **options), Sample(a, 0.0), Sample(a, b, reduction="none"),
            Sample(a, b, reduction="sum"), Sample(values(0.5), values(0.2)), Sample(a.T[::-2], b.T[::-2]),
            Sample(zeros((0, 3)), zeros((0, 3)), reduction="sum"),
            Sample(a.astype(np.float32), b.astype(np.float32), smooth=False),
        ]  # fmt: skip

    return samples


@composed(samples=_pairs((0.0,)))
@in_float32(narrow=False)
def mae(prediction, target, reduction="mean") -> Tensor:
    """The mean absolute error, ``mean(abs(prediction - target))``; the gradient at a difference of 0 is 0.

    Parameters
    ----------
    prediction, target : array_like, float, of one shape
        Nothing broadcasts, except a single number.
    reduction : {"mean", "none", "sum"}
        The mean, each distance, or their sum.

    Returns
    -------
    Tensor, shape ()

    Raises
    ------
    ValueError
        If the shapes differ.

    Examples
    --------
    >>> mae(Tensor(np.array([1.0, 2.0])), np.array([1.0, 4.0])).item()
    1.0
    """
    return reduced("mae", absolute(_difference("mae", prediction, target)), reduction)


@primitive(
    vjp={"d": lambda g, d, delta: g * np.minimum(np.maximum(d, -delta), delta)}, elementwise=True, name="huber",
    samples=lambda: [Sample(*s.args, 0.75, smooth=s.smooth) for s in elementwise(cut=(-0.75, 0.75))()],
)  # fmt: skip
def _huber(d, delta):
    """Half the square, and a line where `d` is larger than `delta`."""
    refuse_complex("huber", d)
    a = np.absolute(d)
    c = np.minimum(a, delta)
    return c * (a - 0.5 * c)


@composed(samples=_pairs((-1.0, -0.5, 0.5, 1.0), delta=0.5))
@in_float32(narrow=False)
def huber(prediction, target, delta=1.0, reduction="mean") -> Tensor:
    """Half the squared difference, and a line where the difference is larger than `delta`; the mean of it.

    Parameters
    ----------
    prediction, target : array_like, float, of one shape
        Nothing broadcasts, except a single number.
    delta : float, default 1.0
        Positive.
    reduction : {"mean", "none", "sum"}
        The mean, each loss, or their sum.

    Returns
    -------
    Tensor, shape ()
        The mean of ``d**2 / 2``, or of ``delta * (abs(d) - delta / 2)`` where ``abs(d) > delta``.

    Raises
    ------
    ValueError
        If the shapes differ, or `delta` is not positive.

    Notes
    -----
    The gradient is the difference, held between ``-delta`` and ``delta``; it has no step. Its own derivative at `delta`
    is 1/2, half way between 1 and 0.

    References
    ----------
    P. J. Huber, "Robust estimation of a location parameter", Annals of Mathematical Statistics 35 (1964).

    Examples
    --------
    >>> huber(Tensor(np.array([0.5, 3.0])), np.array([0.0, 0.0]), reduction="none").tolist()
    [0.125, 2.5]
    """
    delta = _positive(delta, "huber: delta")
    return reduced("huber", _huber(_difference("huber", prediction, target), delta), reduction)


@composed(samples=lambda: [*_pairs((-1.0, -0.5, 0.5, 1.0), beta=0.5)(), Sample(away(arrays((2, 3))), 0.0, beta=0)])
@in_float32(narrow=False)
def smooth_l1(prediction, target, beta=1.0, reduction="mean") -> Tensor:
    """`mae` with a parabola in the place of its kink: ``huber(prediction, target, beta) / beta``.

    Parameters
    ----------
    prediction, target : array_like, float, of one shape
        Nothing broadcasts, except a single number.
    beta : float, default 1.0
        Up to which difference it is a parabola; 0 gives `mae`.
    reduction : {"mean", "none", "sum"}
        The mean, each loss, or their sum.

    Returns
    -------
    Tensor, shape ()
        The mean of ``d**2 / (2 * beta)``, or of ``abs(d) - beta / 2`` where ``abs(d) > beta``.

    Raises
    ------
    ValueError
        If the shapes differ, or `beta` is negative.

    References
    ----------
    R. Girshick, "Fast R-CNN", ICCV 2015, equation 3.

    Examples
    --------
    >>> smooth_l1(Tensor(np.array([0.5, 3.0])), np.array([0.0, 0.0]), beta=2.0, reduction="none").tolist()
    [0.0625, 2.0]
    """
    beta = number(beta, "smooth_l1: beta")
    d = _difference("smooth_l1", prediction, target)
    if beta == 0.0:
        return reduced("smooth_l1", absolute(d), reduction)
    return reduced("smooth_l1", _huber(d, _positive(beta, "smooth_l1: beta")), reduction) * (1.0 / beta)


@primitive(vjp={"d": lambda g, d: g * np.tanh(d)}, elementwise=True, name="log_cosh", samples=elementwise(-3.0, 3.0))
def _log_cosh(d):
    """The logarithm of the hyperbolic cosine: exact near 0, without overflow far away."""
    refuse_complex("log_cosh", d)
    a = np.absolute(d)
    half = np.sinh(np.minimum(a, 1.0) * 0.5)
    return namespace(d).where(a < 1.0, np.log1p(2.0 * half * half), a + np.log1p(np.exp(-2.0 * a)) - _ln(2.0))


@composed(samples=_pairs(()))
@in_float32(narrow=False)
def log_cosh(prediction, target, reduction="mean") -> Tensor:
    """The mean of ``log(cosh(prediction - target))``: half the square near 0, a line far away, smooth in between.

    Parameters
    ----------
    prediction, target : array_like, float, of one shape
        Nothing broadcasts, except a single number.
    reduction : {"mean", "none", "sum"}
        The mean, each loss, or their sum.

    Returns
    -------
    Tensor, shape ()

    Raises
    ------
    ValueError
        If the shapes differ.

    Notes
    -----
    Exact near 0, and finite for differences of any size. The gradient is ``tanh(prediction - target)``.

    Examples
    --------
    >>> log_cosh(Tensor(np.array([1e-6, 1e4])), 0.0, "none").round(16).tolist()
    [5e-13, 9999.30685281944]
    """
    return reduced("log_cosh", _log_cosh(_difference("log_cosh", prediction, target)), reduction)


# ---------------------------------------------------------------- likelihoods


def _poisson_samples():
    x, rate, counts = arrays((2, 3)), arrays((2, 3), low=0.2, high=3.0), values([[0.0, 1.0, 2.0], [5.0, 0.5, 3.0]])
    return [
        Sample(x, counts.astype(int)), Sample(rate, counts, log_input=False), Sample(x, 2.0, reduction="sum"),
        Sample(x, counts + 0.1, full=True), Sample(x.astype(np.float32), counts.astype(int), full=True, smooth=False),
        Sample(rate[:, 1:], counts[:, 1:] + 0.1, log_input=False, full=True, reduction="none"),
    ]  # fmt: skip


@composed(samples=_poisson_samples)
@in_float32(narrow=False)
def poisson_nll(prediction, target, *, log_input=True, full=False, eps=1e-8, reduction="mean") -> Tensor:
    """The negative log-likelihood of counts that are Poisson distributed; its mean.

    Parameters
    ----------
    prediction : array_like, float
        The logarithm of the expected count, or the expected count itself, which must be positive.
    target : array_like, of the shape of `prediction`, or a number
        The counts.
    log_input : bool, default True
        Is `prediction` a logarithm?
    full : bool, default False
        Add Stirling's approximation of ``log(target!)``, which matters for the value only:
        ``target * log(target) - target + log(2 * pi * target) / 2`` where the target is larger than 1, else 0.
    eps : float, default 1e-8
        Added to an expected count before its logarithm is taken.
    reduction : {"mean", "none", "sum"}
        The mean, each loss, or their sum.

    Returns
    -------
    Tensor, shape ()
        The mean of ``exp(prediction) - target * prediction``, or of ``prediction - target * log(prediction + eps)``.

    Raises
    ------
    ValueError
        If the shapes differ.

    Examples
    --------
    >>> poisson_nll(Tensor(np.array([0.0, 1.0])), np.array([1, 2])).round(4).item()
    0.8591
    """
    x, target = paired("poisson_nll", prediction, target, _WORDS, cast=False)
    eps = number(eps, "poisson_nll: eps")
    losses = exp(x) - target * x if log_input else x - target * log(x + eps)
    if full:
        large = target > 1
        t = where(large, target, 1.0)
        losses = losses + where(large, t * log(t) - t + 0.5 * log(t * (2.0 * pi)), 0.0).astype(losses.dtype)
    return reduced("poisson_nll", losses, reduction)


def _gaussian_samples():
    a, b = arrays((2, 3), (2, 3))
    variance = arrays((2, 3), low=0.3, high=2.0, seed=1)
    return [
        Sample(a, b, variance), Sample(a, b, variance[:, :1], full=True), Sample(a, 0.5, 2.0, reduction="sum"),
        Sample(a, b, variance[0], reduction="none"), Sample(a, b, values(1e-7), smooth=False),
        Sample(*[x.astype(np.float32) for x in (a, b, variance)], full=True, smooth=False),
    ]  # fmt: skip


@composed(samples=_gaussian_samples)
@in_float32(narrow=False)
def gaussian_nll(prediction, target, variance, *, full=False, eps=1e-6, reduction="mean") -> Tensor:
    """The negative log-likelihood of a target that is normally distributed around the prediction; its mean.

    Parameters
    ----------
    prediction, target : array_like, float, of one shape
        Nothing broadcasts, except a single number.
    variance : array_like, float
        Not negative; broadcasts to the shape of the prediction. It has a gradient.
    full : bool, default False
        Add ``log(2 * pi) / 2``.
    eps : float, default 1e-6
        The smallest variance that counts. Below it the gradient is that at `eps`, as in PyTorch: it is not lost.
    reduction : {"mean", "none", "sum"}
        The mean, each loss, or their sum.

    Returns
    -------
    Tensor, shape ()
        The mean of ``(log(variance) + (prediction - target)**2 / variance) / 2``.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    References
    ----------
    D. A. Nix and A. S. Weigend, "Estimating the mean and variance of the target probability distribution", ICNN 1994.

    Examples
    --------
    >>> gaussian_nll(Tensor(np.array([0.0, 1.0])), np.array([0.0, 3.0]), np.array([1.0, 4.0])).round(4).item()
    0.5966
    """
    d = _difference("gaussian_nll", prediction, target)
    variance = within(like(variance, d), d.shape, "gaussian_nll: variance")
    lifted = maximum(variance, _positive(eps, "gaussian_nll: eps"))
    variance = variance + stop_gradient(lifted - variance)
    losses = 0.5 * (log(variance) + square(d) / variance)
    return reduced("gaussian_nll", losses + 0.5 * _ln(2.0 * pi) if full else losses, reduction)
