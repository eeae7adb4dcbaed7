"""Tables of text. Floor 0."""

from collections.abc import Container, Sequence

__all__ = ["columns"]


def columns(rows: Sequence[Sequence[str]], right: Container[int] = ()) -> str:
    """Rows of cells as lines; the columns with the numbers in `right` end in one line, the others begin in one.

    Examples
    --------
    >>> print(columns([("scope", "norm"), ("a", "10")], right=[1]))
    scope  norm
    a        10
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            [f"{cell:{'>' if i in right else '<'}{w}}" for i, (cell, w) in enumerate(zip(row, widths, strict=True))]
        ).rstrip()
        for row in rows
    )
