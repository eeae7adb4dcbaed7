"""Write docs/errors.md from docs/examples/errors.py: each message is the one that its code raises now.

Run it after changing either (`python docs/make_errors.py`): a test compares the page with what this script makes.
"""

import importlib.util
import re
from pathlib import Path

DOCS = Path(__file__).parent
PAGE = DOCS / "errors.md"

TOP = """# Errors

Made by `python docs/make_errors.py` from `docs/examples/errors.py`, whose snippets are run; do not edit.

What raises, why, and what to do. Lines such as `train.py:3` are those of your program. Names and numbers in a message
differ, of course; the table has the beginnings.

| message | what it is |
| --- | --- |
"""
BEGINNING = 64  # characters


def cases():
    """The module with the cases."""
    spec = importlib.util.spec_from_file_location("errors", DOCS / "examples" / "errors.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def page() -> str:
    """The whole of docs/errors.md."""
    errors, index, text = cases(), "", ""
    for section, listed in errors.SECTIONS.items():
        text += f"## {section}\n\n"
        for case in listed:
            message = errors.message(case)
            index += f"| {beginning(message)} | [{case.title}](#{anchor(case.title)}) |\n"
            text += f"### {case.title}\n```python\n{case.code.strip()}\n```\n"
            text += f"```text\n{message}\n```\n{case.why}\n"
            text += f"```python\n{case.fix.strip()}\n```\n\n" if case.fix else "\n"
    return f"{TOP}{index}\n{text.rstrip()}\n"


def beginning(message) -> str:
    """The first words of a message, as code."""
    first = message.splitlines()[0]
    if len(first) > BEGINNING:
        first = first[:BEGINNING].rpartition(" ")[0] + " ..."
    return f"`` {first} ``" if "`" in first else f"`{first}`"


def anchor(title) -> str:
    """The link to a heading, as GitHub and MyST make it."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"written: docs/{PAGE.name}")
