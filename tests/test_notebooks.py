"""What a notebook's user meets: cells that are run again, and what a cell shows. Each test runs in a fresh kernel."""

import pytest
from test_tutorials import make_notebooks

pytestmark = [
    pytest.mark.host("a kernel is a process of its own"),
    pytest.mark.slow,
    pytest.mark.filterwarnings("default"),  # what Jupyter's own libraries warn of
]


def run(tmp_path, *cells):
    script = tmp_path / "notebook.py"
    script.write_text("\n\n".join("# %%\n" + cell for cell in cells), encoding="utf-8")
    return [cell.outputs for cell in make_notebooks().run(script, tmp_path).cells]


def printed(outputs):
    return "".join(output.get("text", "") for output in outputs)


def test_a_cell_that_is_run_again(tmp_path):
    model = """\
with av.variable_scope("model"{reuse}):
    w = av.get_variable("w", (2,))
"""
    again = """\
try:
    get_ipython().run_cell(previous, store_history=True).raise_error()
except ValueError as error:
    print(error)
print(len(av.global_variables()), w is before)
before = w
"""
    cells = ["import autograd_vs as av"]
    for reuse in ("", ", reuse=av.AUTO_REUSE", ", reuse=av.REBUILD"):
        text = model.format(reuse=reuse)
        cells += [text + ("before = w\n" if not reuse else ""), f"previous = {text!r}\n{again}"]
    outputs = list(map(printed, run(tmp_path, *cells)))
    error = outputs[2].splitlines()[0]
    assert "'model/w:0' exists already" in error and "made at In[2]:2" in error
    assert "reuse=av.AUTO_REUSE" in error and "reuse=av.REBUILD" in error
    assert [text.splitlines()[-1] for text in (outputs[2], outputs[4], outputs[6])] == ["1 True", "1 True", "1 False"]


def test_what_cells_show(tmp_path):
    shows = {
        "store": "model/w",
        "store['model/w']": "model/w:0, shape (2,), float32",
        "store['model/w'] * 2.0": "min 2",
        "history": "loss",
        "double.plan()": "double",
        "double.profile(store['model/w'])": "multiply",
        "av.summary(store)": "model/w",
        "tape.profile()": "multiply",
        "av.load('w.safetensors', store)": "loaded",
    }
    first = """\
import autograd_vs as av
with av.VariableStore() as store, av.variable_scope("model"):
    av.get_variable("w", (2,), initializer=av.initializers.ones)
history = av.History()
history.log(loss=1.0)
av.save("w.safetensors", store)

@av.function
def double(x):
    return x * 2.0

double(store["model/w"]);
with av.GradientTape(profile=True) as tape:
    y = store["model/w"] * 3.0
tape.gradient(y, store["model/w"]);
"""
    outputs = run(tmp_path, first, *shows)
    for cell, (code, text) in zip(outputs[1:], shows.items(), strict=True):
        assert text in cell[-1].data["text/html"], code
