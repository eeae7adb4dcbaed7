"""Make the notebooks from the numbered scripts: `python tutorials/make_notebooks.py [05 06 ...]`, or `make notebooks`.

The scripts are the source (percent format, one `# %%` a cell): they run as they are, and read well in a diff. Each
notebook is its script run in a fresh kernel, with what the cells show. Change a script, never a notebook.
"""

import base64
import io
import os
import re
import sys
import tempfile
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from PIL import Image

FOLDER = Path(__file__).parent
SCRIPTS = sorted(FOLDER.glob("[0-9]*.py"))
WIDGET = "application/vnd.jupyter.widget-view+json"


def read(script):
    """The cells of a script; the same script has the same ids."""
    notebook = jupytext.read(script)
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return notebook


def run(script, folder, timeout=240):
    """The notebook of a script, run in a fresh kernel in the working directory `folder`: what it writes lands there."""
    notebook = read(script)
    environment = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}  # plots go into the cells
    paths = [str(FOLDER), str(FOLDER.parent), environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    client = NotebookClient(notebook, timeout=timeout, record_timing=False, resources={"metadata": {"path": folder}})
    client.execute(env=environment)
    for cell in notebook.cells:
        if "outputs" in cell:
            cell.outputs = [output for output in map(kept, cell.outputs) if output]
    notebook.metadata.pop("widgets", None)
    notebook.metadata.pop("language_info", None)
    return notebook


def kept(output):
    """An output as it is stored: no progress bars (empty without a kernel), no addresses, small pictures."""
    data = output.get("data", {})
    if WIDGET in data or (output.get("name") == "stderr" and "\r" in output.text):
        return None
    if "text" in output:
        output.text = without_addresses(output.text)
    for kind, content in data.items():
        if kind == "image/png":
            data[kind] = in_few_colours(content)
        elif kind.startswith("text/") and isinstance(content, str):
            data[kind] = without_addresses(content)
    return output


def without_addresses(text):
    return re.sub(r" at 0x[0-9a-f]+", "", text)


def in_few_colours(png):
    """A picture (base64) in 256 colours: a plot is as good, and a fourth of the size."""
    buffer = io.BytesIO()
    Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB").quantize(256).save(buffer, "png", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()


def main(numbers):
    """Make the notebooks of the scripts whose names begin with `numbers`; all of them without any."""
    for script in SCRIPTS:
        if not numbers or script.name.startswith(tuple(numbers)):
            with tempfile.TemporaryDirectory() as folder:
                notebook = run(script, folder)
            path = script.with_suffix(".ipynb")
            nbformat.write(notebook, path)
            print(f"{path.name}: {path.stat().st_size // 1024} kB")


if __name__ == "__main__":
    main(sys.argv[1:])
