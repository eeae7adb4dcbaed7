"""`GradientTape.explain`: where a path from a source to a target runs, or broke, in words. Floor 1."""

from ..base.dtypes import is_differentiable
from .protocol import Operand, describe
from .record import VARIABLES

__all__ = ["explain"]


def explain(tape, target, source) -> str:
    """See `GradientTape.explain`."""
    for what, x in (("target", target), ("source", source)):
        if not isinstance(x, Operand):
            return f"No gradient: the {what} is a {type(x).__name__}, not a Tensor or Variable."
        if not is_differentiable(x.dtype):
            return f"No gradient: the {what}, {describe(x)}, is not float or complex (an integer cast cuts the path)."
    if tape._record is None:
        return "No gradient: the tape has recorded nothing yet; compute the target inside of `with tape:`."
    bones = tape._bones() if tape._skeleton is None else tape._skeleton
    starts = {p for p in tape._positions(source) if tape._follows(p)}
    read = starts & {p for _, _, inputs, _ in bones for p in inputs}
    if not starts or (hasattr(source, "settle") and not source.trainable and not read):
        return "No gradient: " + _why_not_followed(tape, source)
    reached = _reach(bones, starts)
    ends = {p for p in tape._positions(target) if p}
    if ends & set(reached):
        path = _path(reached, next(iter(ends & set(reached))))
        return f"Connected: {_short(source)} -> {' -> '.join(path) or 'itself'}."
    who = f"{_short(source)} ({describe(source)})"
    breaks = [(what, line) for what, p, line in tape._record.breaks if p in reached]
    if breaks:
        places = "; ".join(dict.fromkeys(f"{what} (at {line})" for what, line in breaks[:-4:-1]))  # the latest first
        return f"No gradient: {who} was read, but the path stops there: {places}."
    if len(reached) == len(starts):
        return f"No gradient: {who} was never read while the tape recorded."
    last = dict.fromkeys(name for name, *_ in list(reached.values())[-3:] if name)
    if not any(tape._follows(p) for p in ends):
        return (
            f"No gradient: {who} was read (last by {', '.join(last)}), but the target {describe(target)} was not "
            "recorded: it was computed outside of the tape, while recording was stopped, or from values that nobody "
            "watches."
        )
    return f"No gradient: {who} was read (last by {', '.join(last)}), but the target does not depend on that."


def _why_not_followed(tape, x) -> str:
    who = f"{_short(x)} ({describe(x)})"
    if hasattr(x, "settle"):
        if not x.trainable:
            return (
                f"{who} is not trainable, so reading it does not watch it; call tape.watch(variable), or set "
                "variable.trainable = True."
            )
        return (
            f"{who} was not watched: the tape was made with watch_accessed_variables=False; call tape.watch(variable)."
        )
    if x.position == 0:
        made = "" if x.source is None else " (`v = v - g` makes a Tensor of a Variable: write v.assign_sub(g).)"
        return f"{who} was never watched: call tape.watch(x) inside of the tape, before computing with it.{made}"
    return (
        f"{who} was not computed inside this tape, and not watched by it (it may have been computed while recording "
        "was stopped, or before the tape was opened): call tape.watch(x) inside of the tape."
    )


def _reach(bones, starts) -> dict:
    """Position -> (name of the op, position it came from) of all that the starts reach, in order."""
    reached: dict[int, tuple] = {p: ("", 0) for p in starts}
    for rule, out, inputs, mark in bones:
        for p in inputs:
            if p in reached:
                reached[out] = ((mark.prefix if mark else "") + rule.op.name, p)
                break
    return reached


def _path(reached, end) -> list[str]:
    names = []
    while reached[end][1]:
        names.append(reached[end][0])
        end = reached[end][1]
    return names[::-1]


def _short(x) -> str:
    return x.name if x.position >= VARIABLES or hasattr(x, "settle") else "x"
