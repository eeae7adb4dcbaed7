"""Tables of text, for prints and for notebooks; an array as a notebook shows it. Floor 0."""

import numpy as np

__all__ = ["array_as_html", "as_html", "as_text"]


def as_text(rows, right=()) -> str:
    """Rows of cells, the first of them the head, in columns as wide as they need; those numbered in `right` end even.

    Examples
    --------
    >>> print(as_text([("name", "size"), ("kernel", "6"), ("b", "12")], right=(1,)))
    name    size
    kernel     6
    b         12
    """
    width = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(f"{cell:{'>' if i in right else '<'}{width[i]}}" for i, cell in enumerate(row)).rstrip()
        for row in rows
    )


def as_html(rows, caption: str = "", foot: str = "") -> str:
    """The same rows as a table of HTML, with a line above and one below.

    Examples
    --------
    >>> as_html([("name",), ("a<b",)])
    '<table><thead><tr><th>name</th></tr></thead><tbody><tr><td>a&lt;b</td></tr></tbody></table>'
    """
    from html import escape  # late: for notebooks only

    def line(cells, tag):
        return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    head, *body = rows
    above = f"<caption>{escape(caption)}</caption>" if caption else ""
    below = f'<tfoot><tr><td colspan="{len(head)}">{escape(foot)}</td></tr></tfoot>' if foot else ""
    lines = "".join(line(cells, "td") for cells in body)
    return f"<table>{above}<thead>{line(head, 'th')}</thead><tbody>{lines}</tbody>{below}</table>"


def array_as_html(kind: str, facts: list[str], a: np.ndarray) -> str:
    """An array of numbers: what it is, its range (and how many are not finite), its values as NumPy prints them.

    Examples
    --------
    >>> array_as_html("Tensor", ["shape (2,)"], np.array([1.0, np.nan]))
    '<b>Tensor</b> shape (2,)<br>min 1, mean 1, max 1, <b>1 not finite</b><pre>[ 1. nan]</pre>'
    """
    from html import escape

    head = f"<b>{kind}</b> " + escape(", ".join(facts))
    above = _range(a) if a.size > 1 else ""
    return f"{head}{above and '<br>' + above}<pre>{escape(np.array2string(a, threshold=100))}</pre>"


def _range(a) -> str:
    if a.dtype.kind == "b":
        return f"{np.count_nonzero(a):,} of {a.size:,} are True"
    values = a if a.dtype.kind in "iuc" else a.astype(np.float64)  # bfloat16, too; the mean of float16 overflows
    finite = values[np.isfinite(values)]
    facts = []
    if finite.size and a.dtype.kind != "c":
        facts = [f"min {finite.min():.4g}", f"mean {finite.mean():.4g}", f"max {finite.max():.4g}"]
    if finite.size < a.size:
        facts.append(f"<b>{a.size - finite.size:,} not finite</b>")
    return ", ".join(facts)
