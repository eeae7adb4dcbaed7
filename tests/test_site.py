"""The docs site: every public name is on a page of the API, and the site is built without a warning or the network."""

import importlib.util
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

import autograd_vs as av

pytestmark = pytest.mark.host("about the documents")
pytest.importorskip("scipy", reason="the API has the special functions, too")

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def api():
    spec = importlib.util.spec_from_file_location("make_api", ROOT / "docs" / "make_api.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_api"] = module  # its dataclass looks there
    spec.loader.exec_module(module)
    yield module
    del sys.modules["make_api"]


def test_every_public_name_is_on_one_page(api):
    found = [(page.module, name) for section in api.pages().values() for page in section for name in page.names]
    assert len(found) == len(set(found))
    assert set(found) == set(api.public())
    assert {("autograd_vs", "tanh"), ("autograd_vs.stats", "norm"), ("optim.schedules", "cosine")} <= set(found)


def test_a_public_name_of_an_unknown_module_is_noticed(api, monkeypatch):
    monkeypatch.setattr(av, "__all__", [*av.__all__, "something_new"])
    monkeypatch.setattr(av, "something_new", lambda: None, raising=False)
    with pytest.raises(LookupError, match="something_new"):
        api.pages()


def test_no_page_is_empty_and_every_module_that_is_listed_exists(api):
    for section in api.pages().values():
        for page in section:
            assert page.names, page.file
            for home in page.homes.split():
                assert importlib.util.find_spec(f"autograd_vs.{home}"), f"{page.file}: there is no {home}"


class Loads(HTMLParser):
    """What a page loads, and the links to other pages."""

    def __init__(self):
        super().__init__()
        self.loads, self.links = [], []

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag in ("script", "img", "iframe", "source"):
            self.loads += [given[key] for key in ("src", "srcset") if given.get(key)]
        if tag == "link" and given.get("rel") not in ("index", "search", "next", "prev", "canonical", "author"):
            self.loads.append(given["href"])
        if tag == "a":
            self.links.append(given.get("href", ""))


@pytest.mark.slow
def test_the_site_is_built(api, tmp_path):
    for name in ("sphinx", "myst_nb", "furo", "latex2mathml"):
        pytest.importorskip(name, reason="of the extra [docs]")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-c", "docs", "-d", str(tmp_path / "trees")]
    built = subprocess.run(
        [*command, ".", str(tmp_path / "html")], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr

    from sphinx.util.inventory import InventoryFile

    site = tmp_path / "html"
    inventory = InventoryFile.loads((site / "objects.inv").read_bytes(), uri="").data
    there = {name for kind, names in inventory.items() if kind.startswith("py:") for name in names}
    assert not {f"{module}.{name}" for module, name in api.public()} - there
    assert {path.stem for path in (ROOT / "tutorials").glob("[0-9]*.ipynb")} == {
        path.stem for path in (site / "tutorials").glob("[0-9]*.html")
    }
    for page in site.rglob("*.html"):
        if page.is_relative_to(site / "_modules"):
            continue
        html = page.read_text(encoding="utf-8")
        found = Loads()
        found.feed(html)
        assert not [address for address in found.loads if "//" in address], f"{page.name} loads from elsewhere"
        for link in found.links:
            target = link.partition("#")[0].partition("?")[0]
            if target and not re.match(r"\w+:", target):
                assert (page.parent / target).exists(), f"{page.name}: {link} leads nowhere"
