"""Every block of the README: Python runs, in order, in a fresh interpreter; commands name what is there."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

pytestmark = pytest.mark.host("runs in a process of its own")

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
PYTHON = [text for language, text in BLOCKS if language == "python"]
COMMANDS = [line for language, text in BLOCKS if not language for line in text.splitlines()]
EXTRAS = set(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"])
TARGETS = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def test_every_block_is_python_or_commands():
    assert {language for language, _ in BLOCKS} == {"python", ""}
    assert len(PYTHON) >= 3 and COMMANDS


def test_python_blocks_run(tmp_path):
    script = tmp_path / "readme.py"
    script.write_text("\n".join(PYTHON), encoding="utf-8")
    result = subprocess.run(
        [sys.executable, "-W", "error", str(script)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    printed = result.stdout.splitlines()
    assert float(printed[0].removeprefix("loss ")) < 0.05, "the example learns"
    for said in re.findall(r"#.*?(\[.*\])$", "\n".join(PYTHON), re.MULTILINE):  # results that comments promise
        assert said in printed
    assert "9 waiting" in result.stdout


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_name_what_is_there(line):
    words = line.split()
    if words[0] == "make":
        assert set(words[1:]) <= TARGETS
    elif "install" in words:
        asked = re.search(r"\[([\w,]+)\]", line)
        assert asked is None or set(asked[1].split(",")) <= EXTRAS
    else:
        for word in words:
            if word.endswith(".py"):
                assert (ROOT / word.replace("\\", "/")).exists()
        assert any("python" in word for word in words) and (words[0] == "mpiexec" or "python" in words[0])


def test_the_extras_that_the_text_names_exist():
    install = README.partition("## Install")[2].partition("\n## ")[0]
    named = {name for name in re.findall(r"`(\w+)`", install)} - {"optim"}
    assert named and named <= EXTRAS
