"""Plots of several runs, of who shares variables, of confusion matrices; matplotlib comes on first use. Floor 3."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .history import History
from .history_plot import (
    _COLOURS,
    _INK,
    _STYLES,
    _dress,
    _natural_x,
    _new_axes,
    _palette,
    _panels,
    _save,
    _split,
    _strokes,
)
from .state.store import VariableStore, current_store

if TYPE_CHECKING:
    from os import PathLike

__all__ = ["compare", "sharing"]


def compare(
    runs: Any,
    *names: str,
    ax: Any = None,
    path: "str | PathLike[str] | None" = None,
    log: bool = False,
    smoothing: float = 0.0,
    x: str | None = None,
    band: str = "std",
) -> Any:
    """Draw the same series of several runs, each run in a colour of its own.

    Parameters
    ----------
    runs : list of History, or dict from label to History or list of History
        A list of Histories in the place of one is the same run with different seeds: their mean is drawn, in a band.
    *names : str
        The series; default all that every run has. Training values are solid, validation values dashed.
    ax : matplotlib Axes, optional
        Draw everything there. By default losses, rates and other quantities get a panel each.
    path : str or path, optional
        Also save the figure there, as `History.plot` does.
    log : bool, default False
        Logarithmic vertical axis.
    smoothing : float, 0 <= smoothing < 1, default 0
        The weight of `History.smoothed`, before means are taken.
    x : {"step", "epoch"}, optional
        The horizontal axis. Default: as `History.plot` picks it, if all agree on epochs.
    band : {"std", "range"}, default "std"
        From one standard deviation (of the sample, ``ddof=1``) below the mean to one above, or from the least value to
        the largest.

    Returns
    -------
    matplotlib Axes, or an array of them if there are several panels

    Raises
    ------
    ImportError
        matplotlib is missing: ``pip install "autograd-vs[train]"``.
    KeyError
        A run does not have one of the series; the run is named.
    TypeError, ValueError
        There is no run or no common series, or `smoothing`, `x` or `band` is none of these.

    Notes
    -----
    Seeds that ended early or were logged at other steps are taken where they have values: a mean is over those that
    have a value at that step.
    """
    groups = _groups(runs)
    if x not in (None, "step", "epoch"):
        raise ValueError(f"x is {x!r}; use 'step', 'epoch' or None.")
    if band not in ("std", "range"):
        raise ValueError(f"band is {band!r}; use 'std' or 'range'.")
    if not 0 <= smoothing < 1:
        raise ValueError(f"smoothing is {smoothing}; it must be at least 0 (none) and less than 1.")
    everyone = [history for histories in groups.values() for history in histories]
    for label, histories in groups.items():
        for name in names:
            for history in histories:
                if name not in history:
                    raise KeyError(
                        f"Run {label!r} has no series {name!r}; it has {', '.join(map(repr, history)) or 'none'}."
                    )
    shown = list(dict.fromkeys(names)) or [n for n in everyone[0] if all(n in history for history in everyone)]
    if not shown:
        raise ValueError("Nothing to plot: there is no series that every run has.")
    if x is None:
        x = "epoch" if {_natural_x(history, shown) for history in everyone} == {"epoch"} else "step"
    panels = _panels(shown)
    if ax is not None:
        panels = [(" / ".join(label for label, _ in panels), [name for _, members in panels for name in members])]
    axes = _new_axes(len(panels), to_file=path is not None) if ax is None else np.array([ax])
    for panel, (kind, members) in zip(axes, panels, strict=True):
        for (label, histories), colour in zip(groups.items(), _palette(len(groups)), strict=False):
            for name in members:
                words = f"{label}, {name.replace('_', ' ')}" if len(members) > 1 else label
                _draw(panel, histories, name, words, colour, smoothing, x, band)
        _dress(everyone[0], panel, kind, members, log, x)
    if path is not None:
        _save(axes[0].figure, os.fspath(path))
    return axes[0] if len(axes) == 1 else axes


def _groups(runs) -> dict[str, list[History]]:
    if isinstance(runs, History):
        runs = [runs]
    if not isinstance(runs, Mapping):
        if not isinstance(runs, Sequence):
            raise TypeError(f"compare takes a list of Histories, or a dict of them, got a {type(runs).__name__}")
        runs = {f"run {i + 1}": run for i, run in enumerate(runs)}
    groups = {str(label): [run] if isinstance(run, History) else list(run) for label, run in runs.items()}
    for label, histories in groups.items():
        wrong = [h for h in histories if not isinstance(h, History)]
        if wrong or not histories:
            found = type(wrong[0]).__name__ if wrong else "no History"
            raise TypeError(f"run {label!r} is a History, or a list of them (one for each seed); got {found}")
    if not groups:
        raise ValueError("Nothing to plot: there is no run.")
    return groups


def _draw(ax, histories, name, words, colour, smoothing, x, band) -> None:
    """One series of one run: a line, and a band if there are several seeds."""
    role, _ = _split(name)
    dash, marker = _STYLES[role]
    style: dict[str, Any] = {"color": colour, "linestyle": dash, "linewidth": 1.7, "label": words}
    curves = [_curve(history, name, smoothing if role == "train" else 0.0, x) for history in histories]
    if len(curves) == 1:
        where, values = _strokes(*curves[0])
    else:
        where, middle, low, high = _band(curves, band)
        values = middle
        ax.fill_between(where, low, high, color=colour, alpha=0.16, linewidth=0, zorder=2)
        style["label"] += f" ({len(curves)} seeds)"
    if marker or len(where) == 1:
        style |= {"marker": marker or "o", "markersize": 4.5, "markerfacecolor": "white", "markeredgewidth": 1.2}
        style["markevery"] = max(1, len(where) // 25)
    ax.plot(where, values, zorder=4 if marker else 3, **style)


def _curve(history, name, smoothing, x):
    where = history.epochs(name) if x == "epoch" else history.steps(name).astype(float)
    return where, history.smoothed(name, smoothing) if smoothing else history[name]


def _band(curves, band):
    """Mean and edges at each place where any of the curves has a value (the last one there, if there are several)."""
    places = np.unique(np.concatenate([where for where, _ in curves]))
    table = np.full((len(curves), len(places)), np.nan)
    for row, (where, values) in zip(table, curves, strict=True):
        row[np.searchsorted(places, where)] = values
    known = np.isfinite(table)
    places, table, known = places[known.any(0)], table[:, known.any(0)], known[:, known.any(0)]
    count = known.sum(0)
    mean = np.where(known, table, 0).sum(0) / count
    if band == "range":
        return places, mean, np.where(known, table, np.inf).min(0), np.where(known, table, -np.inf).max(0)
    squares = np.where(known, (table - mean) ** 2, 0).sum(0)
    spread = np.sqrt(squares / np.maximum(count - 1, 1))
    return places, mean, mean - spread, mean + spread


def sharing(
    store: VariableStore | None = None,
    scope: Any = None,
    *,
    title: str | None = None,
    ax: Any = None,
    path: "str | PathLike[str] | None" = None,
) -> Any:
    """Draw who shares which variables: calls on the left, variables on the right, a line where one asks for the other.

    Parameters
    ----------
    store : VariableStore, optional
        By default the current one.
    scope : str or compiled regular expression, optional
        Only the variables in it, as in `VariableStore.variables`.
    title : str, optional
    ax : matplotlib Axes, optional
    path : str or path, optional
        Also save the figure there.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ImportError
        matplotlib is missing: ``pip install "autograd-vs[train]"``.
    ValueError
        There is no variable to draw, or there are more than 100.

    Notes
    -----
    It draws `VariableStore.readers`. A call is the name scope in which it was made (``with av.name_scope("left"):``),
    without what is the variable's own scope; where there is none, the function at which the ways to the variable part,
    with its line if that is what tells two calls apart. Variables that several calls share stand on a filled ground.

    Examples
    --------
    >>> def encode(x):
    ...     with av.variable_scope("encoder", reuse=av.AUTO_REUSE):
    ...         return x @ av.get_variable("kernel", (4, 2))
    >>> with av.VariableStore() as store:
    ...     for side in ("left", "right"):
    ...         with av.name_scope(side):
    ...             y = encode(np.ones((1, 4)))
    >>> ax = av.plot.sharing(store)
    >>> [text.get_text() for text in ax.texts]
    ['encoder/kernel  (4, 2)', 'left', 'right']
    """
    store = current_store() if store is None else store
    variables = store.variables(scope)
    if not 1 <= len(variables) <= 100:
        count = f"{len(variables)} variables" if variables else "no variable"
        raise ValueError(f"there {'is' if not variables else 'are'} {count} to draw; `scope` picks some of up to 100")
    callers = _calls(store.readers)
    asked = {v: callers[v.op.name] for v in variables}
    calls = list(dict.fromkeys(call for found in asked.values() for call in found))
    colours = dict(zip(calls, _palette(len(calls)), strict=False))
    ink = colours if len(calls) <= len(_COLOURS) else {}  # of more colours some are too pale for words
    rows = max(len(calls), len(variables))
    places = {call: rows * (i + 0.5) / len(calls) for i, call in enumerate(calls)}
    if ax is None:
        ax = _new_axes(1, to_file=path is not None)[0]
        ax.figure.set_size_inches(7, 0.6 + 0.3 * rows)
    for i, (variable, found) in enumerate(asked.items()):
        y = rows * (i + 0.5) / len(variables)
        for call in found:
            ax.plot([0, 1], [places[call], y], color=colours[call], linewidth=1.5)
        ground = {"facecolor": "#ffe9a8" if len(found) > 1 else "white", "edgecolor": "none"}
        ax.text(1.02, y, f"{variable.op.name}  {variable.shape}", va="center", color=_INK, bbox=ground)
    for call, y in places.items():
        ax.text(-0.02, y, call, ha="right", va="center", color=ink.get(call, _INK), weight="bold")
    ax.set(xlim=(-0.6, 2.1), ylim=(rows, 0))
    ax.set_title(title or "", color=_INK)
    ax.axis("off")
    if path is not None:
        _save(ax.figure, os.fspath(path))
    return ax


def _calls(readers: dict[str, list[str]]) -> dict[str, list[str]]:
    """Variable -> the calls behind its entries in `VariableStore.readers`, in a word or two.

    Of functions it is the innermost one at which the ways to some variable part: where ``train > classify > encode``
    and ``train > denoise > encode`` ask for one, ``classify`` and ``denoise``; for all others too, so that they agree.
    """
    ways = {n: [r.split(" > ") if ":" in r else [_outside(r, n)] for r in found] for n, found in readers.items()}
    parting: set[str] = set()
    by_line: set[str] = set()  # functions of which two lines ask for one variable
    for found in ways.values():
        common = next((i for i, calls in enumerate(_columns(found)) if len(set(calls)) > 1), 0)
        functions = Counter(map(_function, {way[-1 - common] for way in found if len(found) > 1}))
        parting.update(functions)
        by_line.update(function for function, lines in functions.items() if lines > 1)

    def word(way):
        inside = [call for call in way if not call.startswith("<module>")]
        call = next((call for call in reversed(way) if _function(call) in parting), (inside or way)[0])
        if _function(call) == "<module>":
            return "line " + call.partition(":")[2]
        return call if _function(call) in by_line else _function(call)

    return {name: list(dict.fromkeys(map(word, found))) for name, found in ways.items()}


def _columns(ways):
    """The innermost calls of all ways, then those around them, as far as the shortest goes."""
    return zip(*map(reversed, ways), strict=False)


def _function(call: str) -> str:
    return call.partition(":")[0]


def _outside(path: str, variable: str) -> str:
    """A name scope without the scope of the variable at its end: where the call was made."""
    names, own = path.split("/"), variable.split("/")[:-1]
    while len(names) > 1 and own and names[-1] == own[-1]:
        names.pop()
        own.pop()
    return "/".join(names)


def draw_confusions(counts: np.ndarray, names: list[str], ax: Any, path: Any, normalize: bool) -> Any:
    """See `metrics.ConfusionMatrix.plot`."""
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    if ax is None:
        ax = _new_axes(1, to_file=path is not None)[0]
        side = max(4.2, 0.42 * len(names) + 2)
        ax.figure.set_size_inches(side + 0.6, side)
        ax.figure.set_layout_engine("compressed")  # knows of squares
    image = ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if len(names) <= 20:
        for i, j in np.ndindex(*counts.shape):
            text = f"{shares[i, j]:.2f}" if normalize else str(counts[i, j])
            if counts[i, j]:
                ax.text(j, i, text, ha="center", va="center", fontsize=8, color="white" if shares[i, j] > 0.5 else _INK)
    ax.set_xticks(range(len(names)), names, rotation=90 if max(map(len, names)) > 3 else 0)
    ax.set_yticks(range(len(names)), names)
    ax.set_xlabel("prediction", color=_INK)
    ax.set_ylabel("label", color=_INK)
    ax.tick_params(length=0, labelcolor=_INK)
    for edge in ax.spines.values():
        edge.set_visible(False)
    ax.figure.colorbar(image, ax=ax, fraction=0.046, pad=0.03, label="share of the label").outline.set_visible(False)
    if path is not None:
        _save(ax.figure, os.fspath(path))
    return ax
