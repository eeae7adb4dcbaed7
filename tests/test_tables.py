"""Tables as text and as HTML, read back by the standard library's parser."""

from html.parser import HTMLParser

from autograd_vs.base.tables import as_html, as_text

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
