"""Passes that know what a function computes: neutral operands, constants that are one number. Floor 3.

`simplify` is exact, `half_angles` is not.
"""

from typing import Any

import numpy as np

from ...base.backend import beside, is_array, on_host
from .passes import replaced, writes
from .program import Call, Program

__all__ = ["half_angles", "simplify"]

NEUTRAL_RIGHT = {np.multiply: 1, np.divide: 1, np.subtract: 0}
NEUTRAL_LEFT = {np.multiply: 1}
ELEMENTWISE = {np.add, np.subtract, np.multiply, np.divide, np.maximum, np.minimum}


def simplify(program: Program) -> None:
    """``x * 1``, ``x / 1`` and ``x - 0`` are `x`; a constant array of equal elements beside a whole one is a number.

    Not ``x + 0``: the sum of -0.0 and 0.0 is 0.0.
    """
    written = writes(program)
    instead: dict[int, Any] = {}  # id of a storage -> the array that takes its place
    kept = []
    for call in program.calls:
        if instead:
            call.args, call.options = replaced(program, call.args, instead), replaced(program, call.options, instead)
        if call.function in ELEMENTWISE and program.defines(call) and not call.options:
            call.args = tuple(
                [_as_number(program, a, other) for a, other in zip(call.args, call.args[::-1], strict=True)]
            )
            left, right = call.args
            same = None
            if _is(program, right, NEUTRAL_RIGHT.get(call.function)):
                same = left
            elif _is(program, left, NEUTRAL_LEFT.get(call.function)):
                same = right
            if same is not None and _can_stand_for(program, same, call.out, written):
                instead[id(program.storage(call.out))] = same
                continue
        kept.append(call)
    program.calls = kept
    program.outputs = [replaced(program, a, instead) for a in program.outputs]


def _as_number(program, a, other):
    """A constant array of equal elements as a 0-d one, beside an array of its shape and dtype."""
    if not (is_array(a) and is_array(other) and a.size > 1):
        return a
    if program.storage(a).kind != "constant" or a.shape != other.shape or a.dtype != other.dtype or a.dtype.kind == "c":
        return a
    values = on_host(a)
    first = values[(0,) * a.ndim]
    if not (values == first).all() or (first == 0 and np.signbit(values).any()):
        return a
    number = beside(np.array(first), a)
    program.add(number, "constant")
    return number


def _is(program, x, number):
    """Whether an operand is this number, in every replay."""
    if number is None or (is_array(x) and (x.ndim or program.storage(x).kind != "constant")):
        return False
    x = on_host(x)
    return not np.iscomplexobj(x) and bool(x == number) and not np.signbit(x)


def _can_stand_for(program, x, out, written):
    """Whether `x` is as `out` would be, and stays so."""
    if not is_array(x) or x.dtype != out.dtype or x.shape != out.shape or x.strides != out.strides:
        return False
    storage = program.storage(x)
    return written[id(program.storage(out))] == 1 and storage.kind != "state" and written[id(storage)] <= 1


def half_angles(program: Program) -> None:
    r"""Sines and cosines of float64 arrays by the tangent of half the angle, of which there is one for both.

    .. math:: \sin x = \frac{2t}{1 + t^2}, \qquad \cos x = \frac{1 - t^2}{1 + t^2}, \qquad t = \tan(x / 2)

    NumPy's loops for the tangent take a fifth of the time of those for sine and cosine. The error is a few units in the
    last place; Inf gives NaN, as ever.
    """
    kept: list[Call] = []
    for call in program.calls:
        out, x = call.out, call.args[0] if call.args else None
        sine = call.function is np.sin
        if (
            not (sine or call.function is np.cos) or call.form != "call" or call.options or not out.flags.c_contiguous
            or not isinstance(x, np.ndarray) or x.dtype != np.float64 or out.size < 64
        ):  # fmt: skip
            kept.append(call)
            continue

        def made(function, *args, like=out, scope=call.scope):
            y = np.empty_like(like)
            program.add(y, "result")
            kept.append(Call("call", function, args, {}, y, scope))
            return y

        t = made(np.tan, made(np.multiply, x, 0.5))
        square = made(np.multiply, t, t)
        below = made(np.add, square, 1.0)
        above = made(np.multiply, t, 2.0) if sine else made(np.subtract, 1.0, square)
        kept.append(Call("call", np.divide, (above, below), {}, out, call.scope))
    program.calls = kept
