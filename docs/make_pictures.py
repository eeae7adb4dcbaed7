"""Draw the pictures of docs/gradients.md from a real tape: `python docs/make_pictures.py` writes docs/images/*.svg."""

import sys
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import FancyBboxPatch

import autograd_vs as av
import optim

IMAGES = Path(__file__).parent / "images"
BLUE, ORANGE, GREY, DARK = "#0072B2", "#D55E00", "#8a8a8a", "#222222"
FILLS = {"variable": "#dcecf7", "op": "#ffffff", "data": "#eeeeee", "memory": "#fbe9d7"}
STYLE = {"font.size": 10, "svg.hashsalt": "gradients", "svg.fonttype": "path", "font.family": "DejaVu Sans"}


class Step:
    """The step of docs/gradients.md, its entries, and what each of them sends back."""

    def __init__(self):
        self.w, self.b = av.Variable(0.5, name="w"), av.Variable(1.0, name="b")
        x, t = np.float32(2.0), np.float32(3.0)
        with av.GradientTape(persistent=True) as self.tape:
            p = self.w * x
            h = p + self.b
            y = self.w * h
            e = y - t
            loss = av.square(e)
        self.tensors = {"w": self.w, "b": self.b, "p": p, "h": h, "y": y, "e": e, "loss": loss}
        self.values = {name: z.item() for name, z in self.tensors.items()}
        self.entries = list(self.tape._record.entries)
        names = {z.position: name for name, z in self.tensors.items()}
        self.outputs = [names[entry[1]] for entry in self.entries]
        self.inputs = [[names[position] for position in entry[2]] for entry in self.entries]
        self.walk()

    def walk(self):
        """Backwards over the entries, as the tape does it; `sent` has (entry, input, gradient) in this order."""
        self.gradients, self.sent = {"loss": 1.0}, []
        for number in reversed(range(len(self.entries))):
            rule, saved = self.entries[number][0], self.entries[number][3]
            g = np.float32(self.gradients[self.outputs[number]])
            for name, vjp, parts in zip(self.inputs[number], rule.vjps, saved, strict=True):
                part = float(vjp(g, *parts))
                self.sent.append((number, name, part))
                self.gradients[name] = self.gradients.get(name, 0.0) + part
        of_tape = self.tape.gradient(self.tensors["loss"], list(self.tensors.values()))
        assert [g.item() for g in of_tape] == [self.gradients[name] for name in self.tensors]

    def rows(self):
        """The entries as the rows of the table in docs/gradients.md."""
        for number, (rule, _, _, saved, _) in enumerate(self.entries):
            parts = zip(self.inputs[number], saved, strict=True)
            kept = [f"for {name}: {', '.join(f'{float(a):g}' for a in part)}" for name, part in parts if part]
            given = ", ".join(self.inputs[number])
            yield f"| {number} | {rule.op.name} | {given} | {self.outputs[number]} | {'; '.join(kept) or 'nothing'} |"


def box(ax, x, y, text, kind="op", width=1.15, height=0.62, edge=DARK):
    """A box with text around (x, y)."""
    corner = (x - width / 2, y - height / 2)
    style = "round,pad=0.02,rounding_size=0.08"
    ax.add_patch(FancyBboxPatch(corner, width, height, boxstyle=style, facecolor=FILLS[kind], edgecolor=edge, zorder=2))
    ax.text(x, y, text, ha="center", va="center", color=DARK, zorder=3)


def arrow(ax, start, end, text="", colour=DARK, bend=0.0, at=0.5, shift=(0, 0.16)):
    """An arrow between two points, with a text beside it."""
    style = {"arrowstyle": "-|>", "color": colour, "linewidth": 1.5, "connectionstyle": f"arc3,rad={bend}"}
    ax.annotate("", xy=end, xytext=start, arrowprops={**style, "shrinkA": 0, "shrinkB": 0}, zorder=1)
    x, y = (start[i] + at * (end[i] - start[i]) + shift[i] for i in (0, 1))
    ax.text(x, y, text, color=colour, ha="center", va="center", fontsize=10)


def canvas(width, height, right, top):
    """A figure without axes, in which one unit is about an inch."""
    figure, ax = plt.subplots(figsize=(width, height))
    ax.set(xlim=(0, right), ylim=(0, top))
    ax.set_aspect("equal")
    ax.axis("off")
    figure.subplots_adjust(0, 0, 1, 1)
    return figure, ax


PLACES = {"x": (0.8, 0.6), "w": (0.8, 2.2), "p": (2.6, 0.6), "b": (2.6, 2.2), "h": (4.4, 0.6), "y": (6.2, 1.4),
          "e": (8.0, 1.4), "loss": (9.8, 1.4)}  # fmt: skip
FORMULAS = {"p": "w * x", "h": "p + b", "y": "w * h", "e": "y - 3", "loss": "square(e)"}


def boxes(ax, step):
    """The values of the step, where both graphs have them."""
    box(ax, *PLACES["x"], "x = 2", "data")
    for name in ("w", "b"):
        box(ax, *PLACES[name], f"{name} = {step.values[name]:g}", "variable", edge=BLUE)
    for name, formula in FORMULAS.items():
        box(ax, *PLACES[name], f"{formula}\n{name} = {step.values[name]:g}", width=1.25, height=0.8)


def forward(step):
    """Which value is computed from which."""
    figure, ax = canvas(8.4, 2.4, 10.5, 3.0)
    boxes(ax, step)
    for start, end in (((0.8, 1.87), (2.2, 1.02)), ((1.4, 0.6), (1.95, 0.6)), ((2.6, 1.87), (4.0, 1.02)),
                       ((3.25, 0.6), (3.75, 0.6)), ((5.05, 0.75), (5.55, 1.2)), ((6.85, 1.4), (7.35, 1.4)),
                       ((8.65, 1.4), (9.15, 1.4))):  # fmt: skip
        arrow(ax, start, end)
    arrow(ax, (1.2, 2.54), (6.2, 1.82), bend=-0.22)
    return figure


def backward(step):
    """The same backwards, with the gradients in the order in which they arrive."""
    figure, ax = canvas(8.4, 2.6, 10.5, 3.25)
    boxes(ax, step)
    parts = {(number, name): part for number, name, part in step.sent}
    say = {key: f"{part:g}" for key, part in parts.items()}
    arrow(ax, (9.15, 1.4), (8.65, 1.4), say[4, "e"], ORANGE)
    arrow(ax, (7.35, 1.4), (6.85, 1.4), say[3, "y"], ORANGE)
    arrow(ax, (5.55, 1.2), (5.05, 0.75), say[2, "h"], ORANGE, shift=(-0.05, 0.25))
    arrow(ax, (6.2, 1.82), (1.4, 2.42), f"first: {say[2, 'w']}", ORANGE, bend=0.22, shift=(0.1, 0.78))
    arrow(ax, (3.75, 0.6), (3.25, 0.6), say[1, "p"], ORANGE, shift=(0, 0.2))
    arrow(ax, (4.0, 1.02), (2.8, 1.87), say[1, "b"], ORANGE, shift=(0.25, 0.15))
    arrow(ax, (2.2, 1.02), (0.9, 1.87), f"then: {say[0, 'w']}", ORANGE, shift=(0.5, 0.2))
    for name in ("w", "b"):
        x, y = PLACES[name]
        beside = (x, y + 0.55) if name == "w" else (x + 1.35, y)
        ax.text(*beside, f"gradient {step.gradients[name]:g}", color=ORANGE, ha="center", va="center", weight="bold")
    return figure


def moves_out(step):
    """What an assignment does to a value that the tape still needs; looks at the memory before and after."""
    kept = step.entries[2][3][1][0]  # what the entry of w * h keeps of w, for the gradient of h
    assert np.shares_memory(kept, step.w.array)
    before = step.w.array.ctypes.data, float(kept)
    step.w.assign(7.0)
    kept_after = step.tape._record.entries[2][3][1][0]
    assert step.w.array.ctypes.data == before[0] and not np.shares_memory(kept_after, step.w.array)
    assert float(kept_after) == before[1] and step.w.item() == 7.0
    assert step.tape.gradient(step.tensors["loss"], step.w).item() == step.gradients["w"]

    figure, ax = canvas(8.4, 2.6, 10.5, 3.25)
    for left, title in ((0.0, "before"), (5.4, "after w.assign(7.0)")):
        ax.text(left + 2.5, 3.0, title, ha="center", va="center", weight="bold", color=DARK)
        box(ax, left + 1.0, 2.2, "Variable w", "variable", width=1.5, edge=BLUE)
        box(ax, left + 1.0, 0.7, "entry 2: w * h\nkeeps w", width=1.6, height=0.8)
    box(ax, 3.9, 2.2, f"memory of w: {before[1]:g}", "memory", width=1.9)
    arrow(ax, (1.78, 2.2), (2.9, 2.2))
    arrow(ax, (1.83, 0.8), (3.4, 1.85))
    box(ax, 9.3, 2.2, f"memory of w: {step.w.item():g}", "memory", width=1.9)
    box(ax, 9.3, 0.7, f"a copy: {float(kept_after):g}", "memory", width=1.9, edge=ORANGE)
    arrow(ax, (7.18, 2.2), (8.3, 2.2))
    arrow(ax, (7.23, 0.7), (8.3, 0.7))
    arrow(ax, (9.3, 1.85), (9.3, 1.05), "the old value\nmoves out", ORANGE, shift=(-0.8, 0))
    return figure


def rows():
    """The gradient of an embedding: rows, and the update that changes these only."""
    table = av.Variable(np.ones((6, 3), np.float32), name="table")
    ids = np.array([1, 4, 1])
    with av.GradientTape() as tape:
        loss = av.sum(av.nn.embedding_lookup(table, ids))
    g = tape.gradient(loss, table)
    assert isinstance(g, av.IndexedSlices) and g.indices.tolist() == [1, 4, 1]
    optim.SGD(0.25).apply_gradients([(g, table)])
    after = table.numpy()
    changed = [i for i in range(6) if (after[i] != 1.0).any()]
    assert changed == [1, 4] and after[1].tolist() == [0.5] * 3 and after[4].tolist() == [0.75] * 3

    figure, ax = canvas(8.4, 2.7, 10.5, 3.4)
    for left, title in ((0.7, "table, before"), (8.3, "table, after")):
        ax.text(left + 0.75, 3.15, title, ha="center", weight="bold", color=DARK)
    ax.text(5.25, 3.15, "gradient: IndexedSlices", ha="center", weight="bold", color=DARK)

    def row(x, y, numbers, fill):
        for k, number in enumerate(numbers):
            ax.add_patch(plt.Rectangle((x + 0.5 * k, y), 0.5, 0.4, facecolor=fill, edgecolor=GREY))
            ax.text(x + 0.5 * k + 0.25, y + 0.2, f"{number:g}", ha="center", va="center", fontsize=8.5)

    for i in range(6):
        y = 2.55 - 0.48 * i
        for x, numbers in ((0.7, [1.0] * 3), (8.3, after[i])):
            ax.text(x - 0.2, y + 0.2, str(i), ha="center", va="center", color=GREY, fontsize=9)
            row(x, y, numbers, FILLS["memory"] if i in changed else "white")
    values = g.values.numpy()
    for k, i in enumerate(g.indices.tolist()):
        y = 2.2 - 0.62 * k
        ax.text(4.2, y + 0.2, f"row {i}:", ha="right", va="center", color=ORANGE, fontsize=9.5)
        row(4.4, y, values[k], FILLS["variable"])
        arrow(ax, (5.95, y + 0.2), (7.75, 2.55 - 0.48 * i + 0.2), colour=ORANGE)
    return figure


def draw(folder):
    """Write all pictures into a folder."""
    with matplotlib.rc_context(STYLE):
        step = Step()
        pictures = {"forward": forward(step), "backward": backward(step)}
        pictures |= {"moves_out": moves_out(step), "rows": rows()}
        for name, figure in pictures.items():
            figure.savefig(Path(folder) / f"gradients_{name}.svg", metadata={"Date": None}, facecolor="white")
            plt.close(figure)


if __name__ == "__main__":
    draw(sys.argv[1] if len(sys.argv) > 1 else IMAGES)
