"""Tables as text and as HTML, read back by the standard library's parser."""

from html.parser import HTMLParser

import numpy as np
import pytest

from autograd_vs.base.tables import array_as_html, as_html, as_text

ROWS = [("name", "size"), ("a<b & 'c'", "6"), ("", "1,234")]


class Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.found = [], []

    def handle_starttag(self, tag, attributes):
        self.open.append(tag)
        if tag in ("td", "th", "caption"):
            self.found.append([tag, "", dict(attributes)])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.found[-1][1] += data


def read(html):
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert not reader.open
    return reader.found


def test_html_has_each_cell():
    cells = [["th", cell, {}] for cell in ROWS[0]] + [["td", cell, {}] for row in ROWS[1:] for cell in row]
    assert read(as_html(ROWS)) == cells
    above, below = ["caption", "<x>", {}], ["td", "a & b", {"colspan": "2"}]
    assert read(as_html(ROWS, "<x>", "a & b")) == [above, *cells, below]


def test_text_has_columns():
    assert as_text(ROWS, right=(1,)).splitlines() == ["name        size", "a<b & 'c'      6", "           1,234"]
    assert as_text(ROWS).splitlines() == ["name       size", "a<b & 'c'  6", "           1,234"]
    assert as_text([("a", "b")]) == "a  b"


@pytest.mark.parametrize(
    ("a", "said"),
    [
        (np.float32(2), ""),
        (np.arange(4), "min 0, mean 1.5, max 3"),
        (np.full((50, 50), 60000, np.float16), "min 6e+04, mean 6e+04, max 6e+04"),
        (np.array([1.0, np.nan, -np.inf]), "min 1, mean 1, max 1, <b>2 not finite</b>"),
        (np.array([np.nan, np.nan]), "<b>2 not finite</b>"),
        (np.array([True, False, True]), "2 of 3 are True"),
        (np.array([1j, 2.0]), ""),
        (np.zeros((0, 3)), ""),
    ],
    ids=repr,
)
def test_an_array_has_its_range_and_its_values(a, said):
    a = np.asarray(a)
    html = array_as_html("Tensor", ["<name>", str(a.shape)], a)
    head, values = html.split("<pre>")
    assert head == f"<b>Tensor</b> &lt;name&gt;, {a.shape}" + (said and f"<br>{said}")
    assert values.startswith(np.array2string(a, threshold=100)[:20]) and len(values) < 600
