"""The docs site, `make docs`. The source folder is the root of the checkout, so links between files hold."""

import re
import sys
from pathlib import Path

DOCS = Path(__file__).parent
ROOT = DOCS.parent
sys.path[:0] = [str(DOCS), str(ROOT)]

import latex2mathml.converter
import make_api
from docutils.nodes import SkipNode
from sphinx.addnodes import desc, desc_parameter, pending_xref
from sphinx.ext.napoleon import Config, NumpyDocstring

from autograd_vs import __version__

project = "autograd_vs"
author = "autograd_vs authors"
copyright = "autograd_vs authors; MIT licence"
version = release = __version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
]
html_math_renderer = "mathml"
root_doc = "docs/index"
include_patterns = [
    "*.md",
    "docs/*.md",
    "docs/api/*.rst",
    "bench/README.md",
    "tutorials/*.ipynb",
    "tutorials/data/README.md",
]
exclude_patterns = ["docs/_build", ".*", "out", "tests", "autograd_vs", "optim", "**/__pycache__"]
default_role = "py:obj"  # `name` in docstrings: a link where there is such a name, else code
add_module_names = False
toc_object_entries_show_parents = "hide"

autodoc_typehints = "none"  # types and shapes stand in the docstrings
autosummary_generate = False
docstrings = Config(napoleon_use_rtype=False, napoleon_custom_sections=[("Attributes", "params_style")])

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
nb_merge_streams = True
nb_execution_mode = "off"  # notebooks come with their outputs
nb_ipywidgets_js = {}  # nothing is loaded from elsewhere

html_theme = "furo"
html_title = f"autograd_vs {version}"
html_copy_source = False
html_show_sphinx = False
html_extra_path = [str(DOCS / "site" / "index.html")]  # leads to the first page
html_static_path = [str(DOCS / "site" / "site.css")]
html_css_files = ["site.css"]


def setup(app):
    """Write the pages of the API before the sources are looked for, and lead links of the repository to pages."""
    app.connect("builder-inited", lambda app: make_api.write(DOCS / "api"))
    app.connect("source-read", to_pages)
    app.connect("autodoc-process-docstring", numpy_style)
    app.connect("doctree-read", fewer_links)
    app.add_html_math_renderer("mathml", (formula, None), (formula_of_its_own, None))


def formula(writer, node):
    """A formula as MathML, which browsers draw by themselves: no script is loaded for it."""
    writer.body.append(latex2mathml.converter.convert(node.astext()))
    raise SkipNode


def formula_of_its_own(writer, node):
    """The same on lines of its own."""
    latex = node.astext()
    if "\\\\" in latex:
        latex = rf"\begin{{split}}{latex}\end{{split}}"
    writer.body.append(f'<div class="formula">{latex2mathml.converter.convert(latex, display="block")}</div>')
    raise SkipNode


def to_pages(app, name, content):
    """Links to a folder or a tutorial's script lead to its page."""
    folder = (ROOT / name).parent

    def page(link):
        target = folder / link[1]
        if target.suffix == ".py" and target.with_suffix(".ipynb").exists():
            return f"]({link[1].removesuffix('.py')}.ipynb)"
        if target.is_dir() and link[1]:
            index = "README.md" if (target / "README.md").exists() else f"../docs/{target.name}.md"
            return f"]({link[1].rstrip('/')}/{index})"
        return link[0]

    content[0] = re.sub(r"\]\(([\w./-]*)\)", page, content[0])


def numpy_style(app, what, name, thing, options, lines):
    """NumPy's sections as Sphinx knows them. The extension itself would take "x: y" of a property as type and text."""
    what = "method" if what in ("property", "attribute", "data") else what
    lines[:] = NumpyDocstring(lines, docstrings, app, what, name, thing, options).lines()


def fewer_links(app, doctree):
    """A type links to a class of exactly its name; the name of a parameter to nothing."""
    for node in [*doctree.findall(pending_xref)]:
        if node.attributes.pop("refspecific", False) and not node["reftarget"][:1].isupper():
            node.replace_self(node[0])
    for thing in doctree.findall(desc):
        parameters = {p.astext().partition("=")[0].lstrip("*") for p in thing[0].findall(desc_parameter)}
        for node in [*thing[-1].findall(pending_xref)]:
            if node["reftarget"] in parameters:
                node.replace_self(node[0])
