"""The documents: what is made is up to date, code in them runs, links lead somewhere, no path of a machine got in."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.host("reads files, and runs examples in processes of their own")

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted(set((ROOT / "docs" / "examples").glob("*.py")) - {ROOT / "docs" / "examples" / "errors.py"})
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "bench").glob("*.md")])
OURS = {"autograd_vs", "bench", "docs", "optim", "tests", "tutorials", ".ci"}  # else only files at the root
# Assembled, so that this file does not have them itself.
MACHINE_PATHS = re.compile("|".join(rf"(?<![\w.*/]){re.escape('/' + name + '/')}" for name in ("work", "root", "home")))


def files():
    """The text files of the project: those that git knows, or (in an unpacked archive) all but the caches."""
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        found = [ROOT / name for name in listed.split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        found = [p for folder in OURS for p in (ROOT / folder).rglob("*")] + list(ROOT.glob("*"))
        found = [p for p in found if not {"__pycache__", "results"} & set(p.parts)]
    binary = {".png", ".gz", ".npz", ".pyc"}
    return [p for p in found if p.is_file() and p.suffix not in binary]


def test_no_file_has_a_path_of_somebodys_machine():
    wrong = []
    for path in files():
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
            if MACHINE_PATHS.search(line):
                wrong.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}")
    assert not wrong, "\n".join(wrong)


def test_machine_paths_are_noticed():
    for name in ("work", "root", "home"):
        assert MACHINE_PATHS.search(f"see /{name}/somebody/file.py") and MACHINE_PATHS.search(f'"/{name}/"')
    assert not MACHINE_PATHS.search("docs/work/file") and not MACHINE_PATHS.search("../root/file")


def script(name):
    """A script of docs/ as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_of_ops_is_up_to_date():
    pytest.importorskip("scipy", reason="the table has the special functions, too")
    module = script("make_ops_table")
    assert module.PAGE.read_text(encoding="utf-8") == module.page(), "run `python docs/make_ops_table.py`"


def test_the_page_of_errors_is_up_to_date():
    pytest.importorskip("safetensors", reason="among the errors are those of checkpoints")
    module = script("make_errors")
    assert module.PAGE.read_text(encoding="utf-8") == module.page(), "run `python docs/make_errors.py`"


def test_an_error_that_is_not_raised_any_more_is_noticed():
    errors = script("make_errors").cases()
    with pytest.raises(AssertionError, match="raises nothing"):
        errors.message(errors.Case("none", "x = 1", ""))


def test_the_pictures_are_those_of_the_page(tmp_path):
    pytest.importorskip("matplotlib")
    module = script("make_pictures")
    module.draw(tmp_path)
    text = (ROOT / "docs" / "gradients.md").read_text(encoding="utf-8")
    drawn = {path.name for path in tmp_path.glob("*.svg")}
    assert drawn == set(re.findall(r"\(images/(.*?\.svg)\)", text))
    assert all((module.IMAGES / name).exists() for name in drawn)
    assert all(row in text for row in module.Step().rows())


@pytest.mark.parametrize(
    "page", [p for p in PAGES if p.parent == ROOT / "docs" and p.name != "errors.md"], ids=lambda p: p.stem
)
def test_python_blocks_of_pages_run(page, tmp_path):
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    if blocks:
        script = tmp_path / f"{page.stem}.py"
        script.write_text("\n".join(blocks), encoding="utf-8")
        test_example_runs(script, tmp_path)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_example_runs(path, tmp_path):
    result = subprocess.run(
        [sys.executable, "-W", "error", str(path)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_and_named_files_are_there(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)#]+)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), f"link to {target}"
    for name in re.findall(r"`([\w./-]+)`", text):
        first = name.split("/")[0]
        if "/" in name and first in OURS and name.endswith((".py", ".md", ".json", "/")):
            assert (ROOT / name).exists(), f"{name} is named, and is not there"


def test_every_file_of_the_package_is_in_the_map():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    blocks = "\n".join(re.findall(r"^```\n(.*?)^```", text, re.DOTALL | re.MULTILINE))
    names = set(re.findall(r"[\w-]+\.py", blocks))
    missing = {
        os.path.relpath(p, ROOT)
        for folder in ("autograd_vs", "optim")
        for p in (ROOT / folder).rglob("*.py")
        if p.name not in names and p.name != "__init__.py"
    }
    assert not missing, f"not in the file map of docs/architecture.md: {sorted(missing)}"
