"""Tables of text, for prints and for notebooks. Floor 0."""

__all__ = ["as_html", "as_text"]


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
