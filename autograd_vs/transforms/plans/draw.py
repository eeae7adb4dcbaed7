"""A picture of a plan, as SVG: calls from top to bottom, a column for each scope. Floor 3.

A call stands below the calls whose results it takes; what does not depend on each other stands side by side. Variables
stand above their first reader. One that several ops read has a colour of its own, and so have the lines from it, unless
they are long: then its name stands on a flag at the reader. Plans of more than `MOST` calls show a box for each scope
in the place of its calls.
"""

from collections import Counter
from html import escape
from typing import Any, NamedTuple

__all__ = ["Picture", "drawn"]

MOST = 250  # calls that are drawn one by one
COLUMNS = 8  # of scopes; deeper ones are put together
ACROSS = 5  # boxes side by side in a column
FAR = 4  # rows: a longer line to a Variable is a flag instead
WIDTH, HEIGHT, GAP, ROW, MARGIN, TOP = 118, 34, 12, 58, 16, 74  # pixels

FILLS = {
    "call": "#ffffff",
    "variable": "#e3e8ef",
    "state": "#efe6f4",
    "input": "#d8f0d8",
    "effect": "#fde4d8",
    "scope": "#ffffff",
}
SHARED = ("#f5b942", "#e8709a", "#7c9cf0", "#53b8a5", "#b58ae0", "#d98a4b", "#8fae3f", "#5fb3e0")


class Picture(str):
    """SVG that a notebook shows as the picture."""

    __slots__ = ()

    def __repr__(self):
        return f"<Picture: SVG, {len(self):,} characters>"

    def _repr_svg_(self) -> str:
        return str(self)


class Box(NamedTuple):
    """Something in the picture: two lines of text, the column, the row, what it is, and a longer text to point at."""

    kind: str
    head: str
    below: str
    column: int
    row: int
    title: str
    flags: tuple = ()  # (text, colour)
    fill: str = ""


class Line(NamedTuple):
    """From one box to another, by their numbers."""

    start: int
    end: int
    colour: str = ""


def drawn(look) -> Picture:
    """The picture of a `Look`."""
    columns, column_of = _columns([row.scope for row in look.rows])
    colours: dict[int, str] = {}
    for n, place in enumerate(look.places):
        if place.shared:
            colours[n] = SHARED[len(colours) % len(SHARED)]
    whole = len(look.rows) <= MOST
    boxes, lines = (_calls if whole else _scopes)(look, columns, column_of, colours)
    note = "" if whole else f"{len(look.rows):,} calls are too many to draw: each box is a scope with all of its calls"
    return Picture(_svg(look, columns, boxes, lines, colours, note))


def _columns(scopes) -> tuple[list[str], dict[str, int]]:
    """Names of the columns, and the column of each scope: as deep as there is room for."""
    distinct = [*dict.fromkeys(scopes)]
    for depth in range(max([s.count("/") for s in distinct], default=0), -1, -1):
        column_of = {s: _cut(s, depth) for s in distinct}
        names = [*dict.fromkeys(column_of.values())]
        if len(names) <= COLUMNS:
            break
    else:
        names = [*names[: COLUMNS - 1], "others"]
    names = [*(name for name in names if name), *(name for name in names if not name)] or [""]  # no scope is last
    return names, {s: names.index(name if name in names else "others") for s, name in column_of.items()}


def _cut(scope: str, depth: int) -> str:
    """The first parts of a scope; at the depth 0 scopes that differ by a number at the end are one."""
    if depth:
        return "/".join(scope.split("/")[:depth])
    return scope.split("/")[0].rstrip("0123456789").rstrip("_")


# ---------------------------------------------------------------- call by call


def _calls(look, columns, column_of, colours):
    sources = [n for n, p in enumerate(look.places) if p.kind in ("variable", "state", "input")]
    rows: list[int] = []  # of each call
    writer: dict[int, int] = {}  # of each place: the last call that wrote it
    after: list[set[int]] = []
    for number, call in enumerate(look.rows):
        needs = {writer[n] for n in (*call.reads, *call.writes) if n in writer}
        after.append(needs)
        rows.append(1 + max([rows[n] for n in needs], default=0))
        writer.update((n, number) for n in call.writes)
    first = {n: min([k for k, c in enumerate(look.rows) if n in c.reads], default=None) for n in sources}
    boxes: list[Box] = []
    at: dict[Any, int] = {}
    lines: list[Line] = []
    crowd: Counter = Counter()

    def put(key, kind, head, below, column, row, title, flags=(), fill=""):
        while crowd[column, row] >= ACROSS:
            row += 1
        crowd[column, row] += 1
        at[key] = len(boxes)
        boxes.append(Box(kind, head, below, column, row, title, flags, fill))

    for n in sources:
        place, reader = look.places[n], first[n]
        if reader is not None:
            text = f"{place.dtype}{list(place.shape)}"
            column, row = column_of[look.rows[reader].scope], max(0, rows[reader] - 1)
            put(
                ("place", n), place.kind, place.name, text, column, row, f"{place.name}: {text}", (), colours.get(n, "")
            )
    for number, call in enumerate(look.rows):
        flags = [
            (look.places[n].name, colours[n]) for n in call.reads if n in colours and _far(boxes, at, n, rows[number])
        ]
        written = [look.places[n].name for n in call.writes if look.places[n].kind == "variable"] or call.touched
        flags += [(f"writes {name}", "#d65f3c") for name in written[:3]]
        flags += [(f"and {len(written) - 3} more", "#d65f3c")] if len(written) > 3 else []
        if set(call.writes) & set(look.outputs):
            flags.append(("returned", "#3c8d40"))
        shape = look.places[call.writes[0]] if call.writes else None
        below = f"{shape.dtype}{list(shape.shape)} {call.buffers}" if shape else ""
        kind = "effect" if call.outside else "call"
        put(number, kind, call.function, below, column_of[call.scope], rows[number], call.call, tuple(flags))
    for number, call in enumerate(look.rows):
        lines += [Line(at[n], at[number]) for n in sorted(after[number])]
        for n in call.reads:
            key = "place", n
            if n in first and key in at and n not in after[number] and not _far(boxes, at, n, rows[number]):
                lines.append(Line(at[key], at[number], colours.get(n, "")))
    return boxes, lines


def _far(boxes, at, n, row) -> bool:
    return ("place", n) in at and row - boxes[at["place", n]].row > FAR


# ---------------------------------------------------------------- scope by scope


def _scopes(look, columns, column_of, colours):
    """A box for each scope in its column, in the order in which they come; deep ones are put together."""
    names = [*dict.fromkeys(row.scope for row in look.rows)]
    key = {s: s for s in names}
    if len(names) > MOST // 4:
        key = {s: columns[column_of[s]] for s in names}
    calls: dict[str, list] = {}
    for row in look.rows:
        calls.setdefault(key[row.scope], []).append(row)
    columns_of_keys = {key[s]: column_of[s] for s in names}
    boxes: list[Box] = []
    at: dict[str, int] = {}
    lines: Counter = Counter()
    writer: dict[int, str] = {}
    for number, (scope, rows) in enumerate(calls.items()):
        most = ", ".join(f"{n} {name}" for name, n in Counter(r.function for r in rows).most_common(5))
        shared = dict.fromkeys(n for r in rows for n in r.reads if n in colours)
        flags = [(look.places[n].name, colours[n]) for n in list(shared)[:4]]
        flags += [(f"and {len(shared) - 4} more", "#999999")] if len(shared) > 4 else []
        name = scope.rstrip("/") or "(no scope)"
        at[scope] = len(boxes)
        below, head = f"{len(rows):,} calls: {most}", name if len(name) < 19 else "…" + name[-17:]
        boxes.append(Box("scope", head, below, columns_of_keys[scope], number, f"{name}: {below}", tuple(flags)))
    for row in look.rows:
        here = key[row.scope]
        for n in row.reads:
            if n in writer and writer[n] != here:
                lines[at[writer[n]], at[here]] += 1
        writer.update((n, here) for n in row.writes)
    return boxes, [Line(a, b) for a, b in lines]


# ---------------------------------------------------------------- pixels


def _svg(look, columns, boxes, lines, colours, note) -> str:
    wide = [max([1, *Counter(b.row for b in boxes if b.column == c).values()]) for c in range(len(columns))]
    left, x = [], MARGIN
    for count in wide:
        left.append(x)
        x += count * (WIDTH + GAP) + GAP + MARGIN
    legend = _legend(look, colours)
    low = TOP + (max([b.row for b in boxes], default=0) + 1) * ROW + 2 * MARGIN
    width, height = max(x, 720), low + 20 * len(legend) + MARGIN
    places = _placed(boxes, lines, wide, left)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'font-family="Helvetica, Arial, sans-serif" font-size="10">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        _text(MARGIN, 20, look.summary()[0], 13, "bold"),
        _text(MARGIN, 36, note or look.summary()[1], 10, colour="#b03a1e" if note else "#555555"),
    ]
    for name, start, count in zip(columns, left, wide, strict=True):
        span = count * (WIDTH + GAP) + GAP
        parts.append(
            f'<rect x="{start}" y="{TOP - 26}" width="{span}" height="{low - TOP + 18}" rx="6" fill="#f6f7f9" '
            'stroke="#d4d8de"/>'
        )
        parts.append(
            _text(start + 8, TOP - 11, _short(name.rstrip("/") or "(no scope)", span - 12, 7), 12, "bold", "#555555")
        )
    parts += [_curve(places[line.start], places[line.end], line.colour) for line in lines]
    parts += [_box(box, *place) for box, place in zip(boxes, places, strict=True)]
    for number, (fill, text) in enumerate(legend):
        y = low + 20 * number + 6
        parts.append(f'<rect x="{MARGIN}" y="{y - 9}" width="22" height="12" rx="3" fill="{fill}" stroke="#888888"/>')
        parts.append(_text(MARGIN + 30, y + 1, text))
    return "\n".join([*parts, "</svg>"])


def _placed(boxes, lines, wide, left) -> list[tuple[float, float]]:
    """The upper left corner of each box; in a row they stand as what they take stands above them."""
    above: dict[int, list[int]] = {}
    for line in lines:
        above.setdefault(line.end, []).append(line.start)
    found: dict[int, tuple[float, float]] = {}
    cells: dict[Any, list[int]] = {}
    for number, box in enumerate(boxes):
        cells.setdefault((box.row, box.column), []).append(number)
    for (row, column), numbers in sorted(cells.items()):

        def middle(n, column=column):
            known = [found[a][0] for a in above.get(n, ()) if a in found]
            return sum(known) / len(known) if known else left[column] + n

        span = wide[column] * (WIDTH + GAP)
        start = left[column] + GAP + (span - len(numbers) * (WIDTH + GAP)) / 2
        for place, n in enumerate(sorted(numbers, key=middle)):
            found[n] = start + place * (WIDTH + GAP), TOP + row * ROW
    return [found[n] for n in range(len(boxes))]


def _box(box, x, y) -> str:
    shape = 'rx="12"' if box.kind in ("variable", "state", "input") else 'rx="3"'
    fill = box.fill or FILLS[box.kind]
    parts = [
        f"<g><title>{escape(box.title)}</title>",
        f'<rect x="{x:.0f}" y="{y}" width="{WIDTH}" height="{HEIGHT}" {shape} fill="{fill}" stroke="#77808c"/>',
        _text(x + WIDTH / 2, y + 14, _short(box.head, WIDTH - 8, 6.1), 10.5, "bold", middle=True),
        _text(x + WIDTH / 2, y + 27, _short(box.below, WIDTH - 6, 5), 9, colour="#555555", middle=True),
    ]
    for number, (text, colour) in enumerate(box.flags[:6]):
        text = _short(text, WIDTH - 12, 4.8)
        right = x + WIDTH - 3 - (number % 2) * 4
        top = y + HEIGHT - 4 + 11 * number if box.kind in ("effect", "scope") else y - 8 - 10 * number
        wide = 4.8 * len(text) + 8
        parts.append(
            f'<rect x="{right - wide:.0f}" y="{top}" width="{wide:.0f}" height="11" rx="3" fill="{colour}"/>'
            + _text(right - wide / 2, top + 8.5, text, 8, colour="#ffffff", middle=True)
        )
    return "".join(parts) + "</g>"


def _curve(start, end, colour) -> str:
    x1, y1, x2, y2 = start[0] + WIDTH / 2, start[1] + HEIGHT, end[0] + WIDTH / 2, end[1]
    if y2 <= y1:  # back up, by the side
        x1, x2 = start[0] + WIDTH, end[0] + WIDTH
        y1, y2 = start[1] + HEIGHT / 2, end[1] + HEIGHT / 2
        path = f"M{x1:.0f} {y1:.0f} C{x1 + 40:.0f} {y1:.0f} {x2 + 40:.0f} {y2:.0f} {x2:.0f} {y2:.0f}"
    else:
        bend = min(40, (y2 - y1) / 2)
        path = f"M{x1:.0f} {y1:.0f} C{x1:.0f} {y1 + bend:.0f} {x2:.0f} {y2 - bend:.0f} {x2:.0f} {y2:.0f}"
    long = y2 - y1 > 3 * ROW
    style = f'stroke="{colour or "#8a93a0"}" stroke-width="{2 if colour else 1}" opacity="{0.35 if long else 0.9}"'
    return f'<path d="{path}" fill="none" {style}/>'


def _legend(look, colours) -> list[tuple[str, str]]:
    rows = [
        (FILLS["input"], "an argument"),
        (FILLS["variable"], "a Variable"),
        (FILLS["state"], "state of an optimizer"),
        (FILLS["effect"], "a Python function with effects"),
    ]
    for n, colour in list(colours.items())[:12]:
        place = look.places[n]
        scopes = [s.rstrip("/") or "(no scope)" for s in dict.fromkeys(place.uses)]
        where = ", ".join(scopes[:4]) + (f" and {len(scopes) - 4} more" if len(scopes) > 4 else "")
        rows.append((colour, f"shared: {place.name}, read by {len(place.uses)} ops in {where}"))
    if len(colours) > 12:
        rows.append(("#ffffff", f"and {len(colours) - 12} more shared Variables"))
    return rows


def _text(x, y, text, size=10.0, weight="normal", colour="#222222", middle=False) -> str:
    anchor = ' text-anchor="middle"' if middle else ""
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" font-weight="{weight}" fill="{colour}"{anchor}>'
        f"{escape(text)}</text>"
    )


def _short(text, width, each) -> str:
    most = int(width / each)
    return text if len(text) <= most else text[: most - 1] + "…"
