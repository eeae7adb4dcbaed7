"""Drawing a History with matplotlib. Floor 3; imported by `History.plot` on first use, and matplotlib with it.

A series name is read as a role and a quantity: ``val_loss`` is the quantity ``loss`` in the role ``validation``. A
quantity has a colour, a role a line style, a kind of quantity (loss, rate, anything else) a panel.
"""

import os
import re
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .history import History

__all__ = ["draw"]

_COLOURS = ("#2a6fb0", "#e0722d", "#3c9d6d", "#a8518e", "#c9a227", "#6a6fc1", "#5fa8b8", "#8a6d5a")
_INK, _GRID = "#3d4450", "#c9ced6"
_ROLES = {"train": "train", "training": "train"}
_ROLES |= {"val": "validation", "valid": "validation", "validation": "validation", "test": "test", "eval": "validation"}
_STYLES = {"train": ("-", None), "validation": ((0, (4.5, 1.8)), "o"), "test": ((0, (1.2, 1.6)), "s")}
_LOSS = re.compile(r"loss|nll|cross_?entropy|mse|mae", re.IGNORECASE)
_RATE = re.compile(r"acc|accuracy|precision|recall|f1|auc|top_?\d|iou", re.IGNORECASE)


def draw(history: "History", names: list[str], ax: Any, path: Any, log: bool, smoothing: float, x: str | None) -> Any:
    """See `History.plot`; `names` are known and there is at least one."""
    panels = _panels(names)
    if ax is not None:
        panels = [(" / ".join(label for label, _ in panels), [name for _, members in panels for name in members])]
    axes = _new_axes(len(panels), to_file=path is not None) if ax is None else np.array([ax])
    colours = _colours(names)
    x = x or _natural_x(history, names)
    for panel, (kind, members) in zip(axes, panels, strict=True):
        for name in members:
            _draw_series(history, name, panel, colours, smoothing, x)
        _dress(history, panel, kind, members, log, x)
    if path is not None:
        _save(axes[0].figure, os.fspath(path))
    return axes[0] if len(axes) == 1 else axes


def _split(name: str) -> tuple[str, str]:
    """Role and quantity of a series name."""
    match = re.match(r"([A-Za-z]+)[_/. -](.+)", name)
    if match and match[1].lower() in _ROLES:
        return _ROLES[match[1].lower()], match[2]
    return "train", name


def _panels(names: list[str]) -> list[tuple[str, list[str]]]:
    """Label and members of each panel, the roles of a quantity side by side."""
    quantities = list(_colours(names))
    panels: dict[str, list[str]] = {}
    for name in sorted(names, key=lambda name: quantities.index(_split(name)[1])):
        quantity = _split(name)[1]
        kind = "accuracy" if _is_rate(quantity) else "loss" if _LOSS.search(quantity) else quantity
        panels.setdefault(kind, []).append(name)
    return [(_label(kind, members), members) for kind, members in panels.items()]


def _is_rate(quantity: str) -> bool:
    return any(_RATE.fullmatch(word) for word in re.split(r"[_/. -]", quantity))


def _label(kind: str, members: list[str]) -> str:
    quantities = dict.fromkeys(_split(name)[1] for name in members)
    return (next(iter(quantities)) if len(quantities) == 1 else kind).replace("_", " ")


def _colours(names: list[str]) -> dict[str, Any]:
    quantities = dict.fromkeys(_split(name)[1] for name in names)
    return dict(zip(quantities, _palette(len(quantities)), strict=False))


def _palette(count: int) -> Any:
    """At least `count` colours, each once."""
    if count <= len(_COLOURS):
        return _COLOURS
    from matplotlib import colormaps

    return [colormaps["turbo"](i / (count - 1)) for i in range(count)]


def _natural_x(history: "History", names: list[str]) -> str:
    for name in names:
        epochs = history.epochs(name)
        if np.isnan(epochs).any() or np.any(np.diff(epochs) <= 0):
            return "step"
    return "epoch"


def _draw_series(history: "History", name: str, ax: Any, colours: dict[str, Any], smoothing: float, x: str) -> None:
    role, quantity = _split(name)
    colour = colours[quantity]
    where = history.epochs(name) if x == "epoch" else history.steps(name)
    dash, marker = _STYLES[role]
    style: dict[str, Any] = {"color": colour, "linestyle": dash, "label": name.replace("_", " ")}
    if role == "train" and len(where) == 1:
        marker = "o"
    if marker:
        style |= {
            "marker": marker,
            "markersize": 5,
            "markerfacecolor": "white",
            "markeredgewidth": 1.3,
            "markevery": max(1, len(where) // 25),
        }
    if role == "train" and smoothing > 0 and len(where) > 1:
        raw = _strokes(where, history[name])
        ax.plot(*raw, color=colour, alpha=0.22, linewidth=0.9, zorder=2)
        ax.plot(*_strokes(where, history.smoothed(name, smoothing)), linewidth=2.0, zorder=3, **style)
    else:
        ax.plot(*_strokes(where, history[name]), linewidth=1.7, zorder=4 if marker else 3, **style)


def _strokes(where: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The points with a gap wherever the axis runs backwards (a run that was started again)."""
    back = np.flatnonzero(np.diff(where) < 0) + 1
    return np.insert(where.astype(float), back, np.nan), np.insert(values, back, np.nan)


def _dress(history: "History", ax: Any, kind: str, members: list[str], log: bool, x: str) -> None:
    from matplotlib.ticker import MaxNLocator

    rates = all(_is_rate(_split(name)[1]) for name in members)
    if log and not rates and any(np.any(history[name] > 0) for name in members):
        ax.set_yscale("log", nonpositive="mask")
    ax.set_xlabel(x, color=_INK)
    ax.set_ylabel(kind, color=_INK)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True))
    ax.grid(True, which="major", color=_GRID, linewidth=0.6, alpha=0.7)
    ax.set_axisbelow(True)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set_color(_GRID)
    ax.tick_params(which="both", color=_GRID, labelcolor=_INK)
    ax.margins(x=0.02)
    lines = len(ax.get_legend_handles_labels()[0])
    # Beside the curves where it would hide them.
    beside = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0), "fontsize": "small"} if lines > 6 else {}
    ax.legend(frameon=False, labelcolor=_INK, handlelength=2.6, **beside)


def _new_axes(count: int, to_file: bool) -> np.ndarray:
    columns = min(count, 3)
    rows = -(-count // columns)
    size = (6.0 * columns if columns > 1 else 6.8, 3.9 * rows)
    try:
        if to_file and "ipykernel" not in sys.modules:
            # Without pyplot: no window, no list of open figures that grows with every saved plot.
            from matplotlib.figure import Figure

            figure = Figure(figsize=size, layout="constrained")
        else:
            import matplotlib.pyplot as plt

            figure = plt.figure(figsize=size, layout="constrained")
    except ImportError as error:
        raise ImportError('Plots need matplotlib: pip install "autograd-vs[train]".') from error
    return np.array([figure.add_subplot(rows, columns, i + 1) for i in range(count)])


def _save(figure: Any, path: str) -> None:
    folder = os.path.dirname(path)
    if folder:
        os.makedirs(folder, exist_ok=True)
    suffix = os.path.splitext(path)[1]
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        figure.savefig(temporary, format=suffix[1:] or "png", dpi=160, facecolor="white")
        os.replace(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)
