"""L-BFGS with a strong Wolfe line search: for losses of all data at once, to many digits."""

import warnings
from collections.abc import Callable, Iterable
from functools import partial
from math import inf, isfinite, isnan, nan, sqrt
from typing import Any, NamedTuple

import numpy as np

import autograd_vs as av

from .clipping import plain
from .optimizer import Optimizer

__all__ = ["LBFGS", "LBFGSResult", "Point", "strong_wolfe"]

_TRIALS = 25  # evaluations of one line search, at most
_SUFFICIENT, _CURVATURE = 1e-4, 0.9  # the constants of the Wolfe conditions


class LBFGSResult(NamedTuple):
    """How a call of `LBFGS.minimize` ended."""

    loss: float  # where the variables are now
    iterations: int
    evaluations: int  # of the loss and its gradient
    status: str  # see `LBFGS`


class LBFGS(Optimizer):
    r"""Limited-memory BFGS: steps by the curvature that the last gradients show, with a line search.

    .. math:: p_{k+1} = p_k - t_k H_k \nabla f(p_k)

    :math:`H_k` is made of the last pairs :math:`s = p_{k+1} - p_k`, :math:`y = \nabla f(p_{k+1}) - \nabla f(p_k)` over
    all variables together, and :math:`t_k` such that the loss and its slope fall enough (the strong Wolfe conditions).
    For losses without noise: all data in each evaluation, no dropout. One call of `minimize` makes up to `max_iter`
    iterations; the next one goes on with the same pairs. There is no `apply_gradients`: the loss is needed at several
    points.

    Parameters
    ----------
    learning_rate : float, function of int, or Variable, default 1
        The first :math:`t` that is tried, and without line search the only one. Where there are no pairs yet it is
        times :math:`\min(1, 1 / \lVert g \rVert_1)`.
    max_iter : int, default 20
        Iterations of one call.
    max_eval : int, optional
        A call begins no iteration after so many evaluations of the loss (a line search is not cut off); by default 5/4
        of `max_iter`.
    tolerance_grad : float, default 1e-7
        The call ends where no element of the gradient is larger.
    tolerance_change : float, default 1e-9
        It ends where the loss, all elements of the variables, or the slope along the step change by less.
    history_size : int, default 10
        How many pairs are kept (twice the memory of the variables each).
    line_search : {"strong_wolfe", None}
        None takes steps of length `learning_rate` whatever the loss does.
    name : str, default "lbfgs"
        See `Optimizer`.

    Attributes
    ----------
    result : LBFGSResult or None
        How the last call ended: ``loss`` (at the end), ``iterations``, ``evaluations`` and ``status``, one of
        "tolerance_grad", "tolerance_change", "max_iter", "max_eval", "precision" (no lower loss can be told from
        rounding), "line_search" (it found no lower loss: with a RuntimeWarning). None where it raised.
    iterations : int
        L-BFGS iterations of all calls; what a schedule gets.

    Notes
    -----
    The formulas and their order are those of ``torch.optim.LBFGS``, with these differences: pairs are made of gradients
    of the same call, so a variable may be assigned, and the loss changed, between calls; a pair counts if the cosine of
    :math:`s` and :math:`y` is larger than rounding, whatever its size; a loss or gradient that is not finite is a step
    too long; of an interval the end that has fallen enough is kept, as in the book; a line search that fails with pairs
    is tried again without; without line search the last step is evaluated, too. SciPy's
    ``minimize(method="L-BFGS-B")`` with its ``maxiter`` is one call here.

    The slots "s" and "y" hold the pairs of each variable, of shape ``(history_size, *shape)``; "step" counts its
    iterations. A loss that is an `autograd_vs.function` is compiled together with its gradient; only the first
    evaluation of a call runs as Python, to find out what it depends on.

    References
    ----------
    Liu and Nocedal, "On the limited memory BFGS method for large scale optimization", Mathematical Programming 45,
    1989. Nocedal and Wright, "Numerical Optimization", 2nd edition, algorithms 7.4 and 7.5 (the step), 3.5 and 3.6
    (the line search), (3.59) (cubic interpolation).

    Examples
    --------
    >>> v = av.Variable([-1.2, 1.0], dtype=np.float64, name="lbfgs_example")
    >>> def rosenbrock():
    ...     return (1.0 - v[0]) ** 2 + 100.0 * (v[1] - v[0] ** 2) ** 2
    >>> optimizer = LBFGS(max_iter=100)
    >>> round(optimizer.minimize(rosenbrock, [v]).item(), 6)  # the loss before
    24.2
    >>> optimizer.result.loss < 1e-12, v.numpy().round(5)
    (True, array([1., 1.]))
    """

    hyperparameters = ("max_iter", "max_eval", "tolerance_grad", "tolerance_change")
    refused = dict.fromkeys(  # arguments of other optimizers, and why they are not taken
        ("clipnorm", "clipvalue", "global_clipnorm"),
        "a clipped gradient is not that of the loss, on which the line search and the curvature rest",
    ) | {
        "weight_decay": "add it to the loss, which the line search compares: loss + weight_decay / 2 * sum of squares",
        "exclude": "it has no weight decay",
        "rates": "one step length goes for all variables",
        "accumulate_steps": "add the losses of all batches up in loss_fn",
        "lazy": "it needs whole gradients",
    }

    def __init__(
        self,
        learning_rate: Any = 1.0,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 10,
        line_search: str | None = "strong_wolfe",
        *,
        name: str = "lbfgs",
        **unknown: Any,
    ):
        for option in self.refused.keys() & unknown.keys():
            raise TypeError(f"LBFGS has no {option!r}: {self.refused[option]}")
        if line_search not in ("strong_wolfe", None):
            raise ValueError(f"LBFGS: line_search is 'strong_wolfe' or None, got {line_search!r}")
        self.max_iter, self.max_eval = max_iter, 1 if max_eval is None else max_eval
        self.tolerance_grad, self.tolerance_change = tolerance_grad, tolerance_change
        self.history_size, self.line_search = history_size, line_search
        for what in ("max_iter", "max_eval", "history_size"):
            if not isinstance(getattr(self, what), (int, np.integer)) or getattr(self, what) < 1:
                raise ValueError(f"LBFGS: {what} must be an integer >= 1, got {getattr(self, what)!r}")
        if max_eval is None:
            self.max_eval = max(max_iter + 1, max_iter * 5 // 4)
        self.slot_shapes = partial(_shapes, history_size)
        self.result: LBFGSResult | None = None
        self._latest: tuple | None = None  # the last loss that is a `function`, its variables, and what records both
        super().__init__(learning_rate, ("s", "y"), name=name, **unknown)

    def apply_gradients(self, pairs: Iterable[tuple[Any, Any]]) -> None:
        """Not here: RuntimeError, with the way to do it."""
        raise RuntimeError(
            f"LBFGS {self.name!r} needs the loss at several points, not only a gradient: call "
            "optimizer.minimize(loss_fn, variables) with a function that computes the loss"
        )

    def minimize(self, loss_fn: Callable[[], Any], variables: Any = None) -> Any:
        """Up to `max_iter` iterations; `result` says how they ended.

        Parameters
        ----------
        loss_fn : function without arguments
            Returns the loss, a Tensor with one real number; the same one for the same variables.
        variables : sequence of Variable, optional
            float32 or float64. By default all trainable variables that `loss_fn` reads at the first evaluation.

        Returns
        -------
        Tensor
            The loss before the first iteration. ``result.loss`` is that after the last.

        Raises
        ------
        FloatingPointError
            If the loss or its gradient is not finite at the start or, without line search, after a step. The variables
            are where the loss was finite last.
        RuntimeError
            In a function that is being traced.
        ValueError
            If the loss is not one real number, depends on none of the variables, or a variable has a constraint; as the
            `apply_gradients` of other optimizers, if slots do not fit.
        TypeError
            If `loss_fn` is no function, or a variable is neither float32 nor float64. Whatever `loss_fn` raises in the
            middle of a call: the variables are where the last iteration ended, and its pair is kept.

        Warns
        -----
        RuntimeWarning
            If the line search finds no lower loss: mostly the gradient is not that of the loss, or the loss has noise.
        PartialGradientWarning
            If some of the variables have no gradient: they are left as they are.
        """
        if av.tracer() is not None:
            raise RuntimeError(
                "LBFGS.minimize decides by values that are known at run time only, so it cannot be traced: call it "
                "eagerly, and compile the loss: optimizer.minimize(av.function(loss_fn), variables)"
            )
        self.result = None
        loss, variables, gradients = self._recorded(loss_fn, variables)
        present = [(g, v) for g, v in zip(gradients, variables, strict=True) if g is not None]
        if len(present) < len(variables) or not variables:
            self._report_absent([v for g, v in zip(gradients, variables, strict=True) if g is None], present)
        variables = [v for _, v in present]
        self._check(loss, variables)
        function = _Function(self._compiled(loss_fn, variables), variables)
        here = function.point(0.0, loss, [g for g, _ in present])
        if not isfinite(here.loss):
            raise FloatingPointError(
                f"LBFGS: the loss is {loss.item()} at the start or its gradient is not finite (nothing was changed): "
                "av.debug.check_numerics() finds the op"
            )
        x, pairs, done, status = function.at, self._pairs(function), 0, ""
        eps = max(float(np.finfo(dtype).eps) for dtype in (x.dtype, loss.dtype))
        try:
            while not (status := status or self._reached(here, done, function.evaluations)):
                direction = _direction(here.gradient, pairs)
                here = here._replace(step=0.0, slope=_dot(here.gradient, direction))
                if not here.slope < -self.tolerance_change:
                    status = "tolerance_change"
                    continue
                first = self.current_rate()
                if not pairs:
                    first *= min(1.0, 1.0 / abs(here.gradient).sum().item())
                narrowest = self.tolerance_change / _largest(direction)
                there = self._search(function.along(x, direction), here, first, narrowest)
                if there is None:
                    told = -here.slope * (narrowest or first) > 4 * eps * abs(here.loss)
                    status = "precision" if not told else "" if pairs else "line_search"
                    pairs = []  # it is worth another try without
                    continue
                step = there.step * direction
                x, s, y = x + step, step, there.gradient - here.gradient
                if _dot(s, y) > eps * sqrt(_dot(s, s)) * sqrt(_dot(y, y)):
                    pairs = [*pairs, (s, y)][-self.history_size :]
                change = abs(there.loss - here.loss)
                here, done = there, done + 1
                self.iterations += 1
                if change < self.tolerance_change or _largest(step) <= self.tolerance_change:
                    status = self._reached(here, 0, 0) or "tolerance_change"
        finally:
            function.move(x)
            if done:
                self._keep(function, pairs, done)
        self.result = LBFGSResult(here.loss, done, function.evaluations, status)
        if status == "line_search":
            warnings.warn(
                f"LBFGS {self.name!r}: the line search found no loss lower than {here.loss!r}, where the variables are "
                "now. Is the gradient that of the loss (custom gradients, stop_gradient), "
                "and the loss without noise?",
                RuntimeWarning,
                stacklevel=2,
            )
        return loss

    def _check(self, loss, variables) -> None:
        if loss.size != 1 or loss.dtype.kind != "f":
            raise ValueError(
                f"LBFGS compares losses: loss_fn must return one real number, got {loss.dtype} of shape {loss.shape}"
            )
        for v in variables:
            if v.dtype not in (np.float32, np.float64):
                raise TypeError(
                    f"variable {v.name!r} has dtype {v.dtype}: LBFGS takes float32 and float64 (half precision cannot "
                    "tell the losses of a line search apart; of complex numbers take real and imaginary parts)"
                )
            if v.constraint is not None:
                raise ValueError(
                    f"variable {v.name!r} has a constraint, which LBFGS does not know: write the model in terms of a "
                    "free variable (softplus for what is positive), or use SciPy's L-BFGS-B for bounds"
                )
        self._slots.check(variables)

    def _compiled(self, loss_fn, variables) -> Callable[[], tuple[Any, list]]:
        """What gives loss and gradients; where the loss is an `autograd_vs.function`, that is one, too."""
        if not hasattr(loss_fn, "alike"):
            return partial(_recorded, loss_fn, variables)
        if (
            self._latest is None
            or self._latest[0] is not loss_fn
            or [*map(id, self._latest[1])] != [*map(id, variables)]
        ):
            self._latest = loss_fn, variables, loss_fn.alike(partial(_recorded, loss_fn.python_function, variables))
        return self._latest[2]

    def __getstate__(self):
        """For copies and pickles, which trace anew."""
        return self.__dict__ | {"_latest": None}

    def _reached(self, here, done: int, evaluations: int) -> str:
        """Why to end here, if there is a reason."""
        if _largest(here.gradient) <= self.tolerance_grad:
            return "tolerance_grad"
        if done >= self.max_iter:
            return "max_iter"
        return "max_eval" if done and evaluations >= self.max_eval else ""

    def _search(self, along, here, first: float, narrowest: float):
        """The next point; None if there is none with a lower loss."""
        if self.line_search is not None:
            there = strong_wolfe(along, here, first, narrowest)
            return there if there.loss < here.loss else None
        there = along(first)
        if isfinite(there.loss):
            return there
        raise FloatingPointError(
            f"LBFGS: after a step of length {first} the loss or its gradient is not finite. The variables are where "
            f"the loss was {here.loss}: take a smaller learning_rate, or line_search='strong_wolfe'"
        )

    def _pairs(self, function) -> list[tuple[Any, Any]]:
        """The pairs of earlier calls, the oldest first; zeros for variables that were not there."""
        rows = []
        for slot in self.slot_names:
            rows.append(function.vector([
                self._slots.get(v.op.name, slot) if v.op.name in self._slots
                else np.zeros_like(v.array, shape=(self.history_size, *v.shape))
                for v in function.variables
            ], (self.history_size,)))  # fmt: skip
        return [(s, y) for s, y in zip(*rows, strict=True) if _dot(s, y) > 0]

    def _keep(self, function, pairs, done: int) -> None:
        """Put the pairs into the slots, zeros for those that are not there yet."""
        slots = []
        for k in range(len(self.slot_names)):
            rows = np.zeros_like(function.at, shape=(self.history_size, function.at.size))
            for row, pair in zip(rows[self.history_size - len(pairs) :], pairs, strict=True):
                row[...] = pair[k]
            slots.append(function.parts(rows))
        for v, *arrays in zip(function.variables, *slots, strict=True):
            step = self._slots.step(v.op.name) if v.op.name in self._slots else 0
            self._slots.set(v, step + done, dict(zip(self.slot_names, arrays, strict=True)))


def _shapes(history_size: int, shape: tuple) -> tuple[tuple, tuple]:
    """The shapes of the slots "s" and "y" of a variable."""
    return (history_size, *shape), (history_size, *shape)


def _recorded(loss_fn, variables) -> tuple[Any, list]:
    """The loss, and its gradients."""
    with av.GradientTape() as tape:
        loss = loss_fn()
    return loss, tape.gradient(loss, variables)


class _Function:
    """The loss as a function of one vector, in which the variables lie end to end."""

    def __init__(self, recorded: Callable, variables: list):
        self.recorded, self.variables, self.evaluations = recorded, variables, 1
        self.ends = np.cumsum([v.size for v in variables])[:-1].tolist()
        self.at = self.vector([v.array for v in variables])  # where the variables are

    def vector(self, arrays, rows: tuple = ()):
        """Arrays of the variables' shapes (behind `rows`) as one."""
        return np.concatenate([a.reshape((*rows, v.size)) for a, v in zip(arrays, self.variables, strict=True)], -1)

    def parts(self, vector):
        """The arrays of the variables' shapes that lie in the last axis of `vector`."""
        pieces = np.split(vector, self.ends, -1)
        return [a.reshape((*vector.shape[:-1], *v.shape)) for a, v in zip(pieces, self.variables, strict=True)]

    def move(self, x) -> None:
        """Assign the variables, if they are not there."""
        if x is not self.at:
            self.at = x
            for v, value in zip(self.variables, self.parts(x), strict=True):
                v.assign(value.astype(v.dtype))

    def along(self, x, direction) -> Callable[[float], "Point"]:
        """The function of the step from `x` along `direction`."""

        def at(step: float) -> Point:
            self.move(x + step * direction)
            self.evaluations += 1
            loss, gradients = self.recorded()
            return self.point(step, loss, gradients, direction)

        return at

    def point(self, step: float, loss, gradients, direction=None) -> "Point":
        """What is known at a step; what is not finite counts as too high."""
        gradient = self.vector([_dense(g, v) for g, v in zip(gradients, self.variables, strict=True)])
        value, slope = float(loss.item()), 0.0 if direction is None else _dot(gradient, direction)
        finite = isfinite(value) and bool(np.isfinite(gradient).all())
        return Point(step, value if finite else inf, slope, gradient)


def _dense(g, v):
    """The gradient of `v` as an array."""
    if g is None:
        return np.zeros_like(v.array)
    (g,) = plain([g])
    return g.to_dense() if isinstance(g, av.IndexedSlices) else g


def _dot(a, b) -> float:
    return (a @ b).item()


def _largest(a) -> float:
    return abs(a).max().item() if a.size else 0.0


def _direction(gradient, pairs):
    """The negative gradient times the inverse Hessian that the pairs tell (Nocedal and Wright, algorithm 7.4)."""
    q = -gradient
    shares = []
    for s, y in reversed(pairs):
        shares.append(_dot(s, q) / _dot(y, s))
        q = q - shares[-1] * y
    if pairs:
        s, y = pairs[-1]
        q = q * (_dot(y, s) / _dot(y, y))
    for s, y in pairs:
        q = q + (shares.pop() - _dot(y, q) / _dot(y, s)) * s
    return q


# ---------------------------------------------------------------- the line search
class Point(NamedTuple):
    """A function along a line: the step, its value and slope there (and the whole gradient)."""

    step: float
    loss: float
    slope: float
    gradient: Any = None


def strong_wolfe(at: Callable[[float], Point], start: Point, first: float, narrowest: float = 0.0) -> Point:
    r"""A step :math:`t` at which a function of one variable has fallen enough, and is flat enough.

    .. math:: f(t) \le f(0) + c_1 t f'(0), \qquad |f'(t)| \le c_2 |f'(0)|, \qquad c_1 = 10^{-4}, c_2 = 0.9

    Parameters
    ----------
    at : function of float
        The point at a step. A loss of Inf is a step too long.
    start : Point
        That at step 0, with a negative slope.
    first : float, > 0
        The first step to try.
    narrowest : float, default 0
        The width of an interval that is not divided any more.

    Returns
    -------
    Point
        Where both conditions hold; after 25 trials, or in an interval too narrow, the lowest point at which the first
        holds, or `start`.

    References
    ----------
    Nocedal and Wright, "Numerical Optimization", 2nd edition, algorithms 3.5 and 3.6, with the cubic interpolation and
    the safeguards of PyTorch's (from Schmidt's minFunc).

    Examples
    --------
    >>> parabola = lambda t: Point(t, (t - 3.0) ** 2, 2.0 * (t - 3.0))
    >>> strong_wolfe(parabola, parabola(0.0), 0.1).step
    1.0
    """

    def too_high(point) -> bool:
        return point.loss > start.loss + _SUFFICIENT * point.step * start.slope

    def flat(point) -> bool:
        return abs(point.slope) <= -_CURVATURE * start.slope

    # Go farther until a step is right, or an interval has one in it.
    before, point, trials = start, at(first), 1
    while lowered := not (too_high(point) or (trials > 1 and point.loss >= before.loss)):
        if flat(point):
            return point
        if point.slope >= 0 or trials >= _TRIALS:
            break
        nearest = point.step + 0.01 * (point.step - before.step)
        before, point = point, at(_cubic_minimum(before, point, nearest, 10 * point.step))
        trials += 1

    # Make the interval smaller; `low` is the lowest point so far that has fallen enough (or the start).
    low, high = (point, before) if lowered else (before, point)
    stuck = False
    while trials < _TRIALS:
        left, right = sorted((low.step, high.step))
        if right - left < narrowest:
            break
        step, margin = _cubic_minimum(low, high, left, right), 0.1 * (right - left)
        near = min(right - step, step - left) < margin
        if near and (stuck or step >= right or step <= left):
            step = right - margin if right - step < step - left else left + margin
            near = False
        stuck = near
        point, trials = at(step), trials + 1
        if too_high(point) or point.loss >= low.loss:
            high = point
        elif flat(point):
            return point
        else:
            low, high = point, low if point.slope * (high.step - low.step) >= 0 else high
    return low


def _cubic_minimum(a: Point, b: Point, low: float, high: float) -> float:
    """The minimum, within ``[low, high]``, of the cubic through two points with their slopes.

    Nocedal and Wright, (3.59). The middle where there is none.
    """
    if a.step > b.step:
        a, b = b, a
    width = b.step - a.step
    d1 = a.slope + b.slope - 3 * (b.loss - a.loss) / width if width else nan
    square = d1 * d1 - a.slope * b.slope
    if square >= 0:
        above, below = b.slope + sqrt(square) - d1, b.slope - a.slope + 2 * sqrt(square)
        found = b.step - width * (above / below) if below else -above * inf  # a line: as far as it goes
        if not isnan(found):
            return min(max(found, low), high)
    return (low + high) / 2
