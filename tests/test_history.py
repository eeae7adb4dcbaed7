"""History: what is logged, the file and what a crash leaves of it, smoothing, state, plots."""

import copy
import json
import pickle
import subprocess
import sys

import numpy as np
import pytest

import autograd_vs as av
from autograd_vs.history import History


class OnDevice:
    """A 0-d array on a device, as strict as CuPy's: no implicit conversion, and it counts how often it was fetched."""

    size, shape, fetched = 1, (), 0

    def __init__(self, value):
        self.value = value

    def __array__(self, *args, **kwargs):
        raise TypeError("Implicit conversion to a NumPy array is not allowed.")

    __float__ = __array__

    def item(self):
        OnDevice.fetched += 1
        return self.value

    def copy(self):
        return OnDevice(self.value)


class Wrapped:
    """What a Tensor looks like from here: an array inside, and conversions that refuse while a tape records."""

    def __init__(self, array):
        self.array = array

    def __float__(self):
        raise TypeError("would drop the gradient")

    item = __float__


@pytest.fixture
def history():
    result = History()
    for step in range(10):
        result.log(step=step, epoch=step // 5, loss=1 / (step + 1))
        if step % 5 == 4:
            result.log(epoch=step // 5, val_loss=2 / (step + 1), val_accuracy=step / 10)
    return result


def test_series_steps_epochs(history):
    np.testing.assert_array_equal(history["loss"], 1 / np.arange(1, 11))
    np.testing.assert_array_equal(history.steps("loss"), np.arange(10))
    np.testing.assert_array_equal(history.epochs("loss"), np.arange(10) // 5)
    np.testing.assert_array_equal(history.steps("val_loss"), [4, 9])
    assert history.names == list(history) == ["loss", "val_loss", "val_accuracy"]
    assert len(history) == 12
    assert "loss" in history
    assert "los" not in history
    assert history.last("val_accuracy") == 0.9


def test_steps_count_by_themselves():
    history = History()
    for loss in (3, 2, 1):
        history.log(loss=loss)
    history.log(val_loss=1)  # belongs to the step that was just logged
    history.log(loss=0.5)
    history.log(loss=0.4, val_loss=0.9)
    np.testing.assert_array_equal(history.steps("loss"), [0, 1, 2, 3, 4])
    np.testing.assert_array_equal(history.steps("val_loss"), [2, 4])
    history.log(step=100, loss=0.1)
    history.log(loss=0.05)
    assert history.steps("loss")[-1] == 101


@pytest.mark.parametrize(
    "value",
    [1, True, 1.0, np.float32(1), np.int64(1), np.bool_(True), np.array(1.0), np.ones((1, 1)), Wrapped(np.array(1.0)),
     OnDevice(1.0), Wrapped(OnDevice(1.0))],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_kinds_of_scalars(value):
    history = History()
    history.log(loss=value)
    assert history["loss"].tolist() == [1.0]


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (np.ones(3), ValueError, r"'loss' has shape \(3,\)"),
        (Wrapped(np.ones((2, 2))), ValueError, r"'loss' has shape \(2, 2\)"),
        ([1.0], TypeError, "'loss' is a list"),
        ("0.5", TypeError, "'loss' is a str"),
        (None, TypeError, "'loss' is a NoneType"),
        (1j, TypeError, "'loss' is a complex"),
        (np.complex64(1), TypeError, "'loss'"),
        (np.array(1j), TypeError, "'loss' has dtype complex128"),
    ],
)
def test_what_is_no_scalar_names_the_series_and_logs_nothing(value, error, text):
    history = History()
    with pytest.raises(error, match=text):
        history.log(accuracy=1.0, loss=value)
    assert history.names == []
    assert len(history) == 0
    with pytest.raises(TypeError, match="no value"):
        history.log(step=1)


@pytest.mark.parametrize(
    ("step", "error", "text"),
    [
        (1.5, TypeError, r"step is an integer, got 1.5 \(float\)"),
        ("x", TypeError, "got 'x'"),
        (1 << 63, ValueError, "2"),
    ],
)
def test_what_is_no_step_logs_nothing(step, error, text):
    history = History()
    history.log(step=np.int32(3), loss=1.0)
    with pytest.raises(error, match=text):
        history.log(step=step, loss=2.0)
    history.log(loss=3.0)
    assert (len(history), history.steps("loss").tolist(), history["loss"].tolist()) == (2, [3, 4], [1.0, 3.0])


def test_inside_of_a_function_each_call_is_logged(tmp_path):
    history = History(tmp_path / "log.jsonl")

    @av.function
    def step(x):
        history.log(loss=av.sum(x), constant=1.0)
        return x * 2.0

    for i in range(4):
        step(np.full(3, float(i)))
    assert step.traces == 1
    history.flush()
    for read in (history, History.load(tmp_path / "log.jsonl")):
        assert read["loss"].tolist() == [0.0, 3.0, 6.0, 9.0] and read.steps("constant").tolist() == [0, 1, 2, 3]


def test_arrays_that_change_later_were_read_at_once():
    history, value = History(), np.array(1.0)
    history.log(loss=value)
    value[...] = 5
    foreign = OnDevice(1.0)
    history.log(loss=foreign)
    foreign.value = 5
    assert history["loss"].tolist() == [1.0, 1.0]


def test_device_values_are_fetched_late_and_in_order(tmp_path):
    OnDevice.fetched = 0
    path = tmp_path / "h.jsonl"
    history = History(path)
    for step in range(127):
        history.log(loss=Wrapped(OnDevice(float(step))))
    assert OnDevice.fetched == 0
    assert path.read_text() == "" if path.exists() else True
    history.log(loss=Wrapped(OnDevice(127.0)))
    assert OnDevice.fetched == 64  # the older half: the newest step is never waited for
    history.log(accuracy=0.5)  # a plain number keeps its place in the line
    history.flush()
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [row["loss"] for row in rows[:-1]] == list(range(128))
    assert rows[-1] == {"step": 127, "accuracy": 0.5}


def test_unknown_series_names_close_ones(history):
    with pytest.raises(KeyError, match=r"'vall_loss'; there are 'loss', .*Did you mean 'val_loss'"):
        history["vall_loss"]
    with pytest.raises(KeyError, match="nothing has been logged"):
        History().last("loss")


def test_file_is_written_at_once_and_read_back(tmp_path, history):
    path = tmp_path / "new" / "folder" / "h.jsonl"
    written = History(path)
    written.log(step=3, epoch=1, loss=0.1, other=float("nan"))
    written.log(step=4, epoch=1.5, loss=float("inf"))
    assert json.loads(path.read_text().splitlines()[1]) == {"step": 4, "epoch": 1.5, "loss": float("inf")}
    loaded = History.load(path)
    assert loaded.path is None
    assert loaded["loss"].tolist() == [0.1, float("inf")]
    assert np.isnan(loaded["other"]).all()
    assert loaded.epochs("loss").tolist() == [1, 1.5]


def test_going_on_with_a_file(tmp_path):
    path = tmp_path / "h.jsonl"
    first = History(path)
    first.log(loss=1.0)
    first.log(loss=0.5)
    first.close()
    second = History(path)
    second.log(val_loss=0.7)
    second.log(loss=0.25)
    both = History.load(path)
    assert both["loss"].tolist() == second["loss"].tolist() == [1.0, 0.5, 0.25]
    assert both.steps("loss").tolist() == [0, 1, 2]
    assert both.steps("val_loss").tolist() == [1]
    with pytest.raises(FileExistsError, match="goes on"):
        History(path, mode="x")
    assert len(History(path, mode="w")) == 0
    assert path.read_text() == ""
    with pytest.raises(ValueError, match="mode is 'r'"):
        History(path, mode="r")


CRASH = """
import os, sys
import autograd_vs as av
from autograd_vs.history import History
history = History(sys.argv[1])
for step in range(5):
    history.log(step=step, loss=step / 4)
os.write(history._file, b'{"step": 5, "lo')  # the machine goes down in the middle of a write
os._exit(1)
"""


def test_a_killed_process_leaves_every_whole_row(tmp_path):
    path = tmp_path / "h.jsonl"
    assert subprocess.run([sys.executable, "-c", CRASH, str(path)], check=False).returncode == 1
    with pytest.warns(UserWarning, match="half written .* 5 whole ones were read"):
        loaded = History.load(path)
    assert loaded["loss"].tolist() == [0, 0.25, 0.5, 0.75, 1]
    with pytest.warns(UserWarning, match="half written"):
        resumed = History(path)
    resumed.log(step=5, loss=2.0)
    assert History.load(path)["loss"].tolist() == [0, 0.25, 0.5, 0.75, 1, 2]


def test_a_broken_line_elsewhere_is_an_error_with_its_number(tmp_path):
    path = tmp_path / "h.jsonl"
    path.write_text('{"step": 0, "loss": 1.0}\n{"step": 1, "lo\n{"step": 2, "loss": 1.0}\n')
    with pytest.raises(ValueError, match=r"Line 2 of .*h\.jsonl"):
        History.load(path)
    path.write_text('{"loss": 1.0}\n')
    with pytest.raises(ValueError, match="Line 1"):
        History(path)
    assert path.read_text() == '{"loss": 1.0}\n'


def test_exponential_smoothing_is_the_plain_formula():
    history, weight = History(), 0.8
    values = np.random.default_rng(0).normal(size=50)
    for value in values:
        history.log(loss=value)
    expected = [
        np.sum(weight ** np.arange(t, -1, -1) * values[: t + 1]) / np.sum(weight ** np.arange(t + 1)) for t in range(50)
    ]
    np.testing.assert_allclose(history.smoothed("loss", weight), expected, rtol=1e-12)
    np.testing.assert_allclose(history.smoothed("loss", 0.0), values, rtol=1e-15)
    means = [values[max(0, t - 4) : t + 1].mean() for t in range(50)]
    np.testing.assert_allclose(history.smoothed("loss", window=5), means, rtol=1e-12)


def test_smoothing_leaves_what_is_not_finite_out():
    history = History()
    for value in (1.0, float("nan"), 3.0, float("inf")):
        history.log(loss=value)
    np.testing.assert_allclose(history.smoothed("loss", 0.5), [1, np.nan, 7 / 3, np.inf])
    np.testing.assert_allclose(history.smoothed("loss", window=3), [1, np.nan, 2, np.inf])
    for arguments in ({"weight": 1.0}, {"weight": -0.1}, {"window": 0}):
        with pytest.raises(ValueError, match=r"must be|at least"):
            history.smoothed("loss", **arguments)
    with pytest.raises(TypeError, match="not both"):
        history.smoothed("loss", 0.5, window=3)


def test_state_returns_and_replaces_the_file(tmp_path, history):
    state = history.state_dict()
    assert state["loss/values"].dtype == np.float64
    other = History(tmp_path / "h.jsonl")
    other.log(step=999, loss=7.0, gone=1.0)
    other.load_state_dict(state)
    other.log(loss=0.01)
    loaded = History.load(tmp_path / "h.jsonl")
    for one in (other, loaded):
        assert one.names == history.names
        np.testing.assert_array_equal(one["loss"], [*history["loss"], 0.01])
        np.testing.assert_array_equal(one.steps("loss"), np.arange(11))
        np.testing.assert_array_equal(one.epochs("val_loss"), [0, 1])
    empty = History()
    empty.load_state_dict(History().state_dict())
    assert empty.names == []


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"loss/value": np.ones(10)}, "'loss/value' is not of a History"),
        ({"extra/values": np.ones(1)}, "'extra' has no epochs, steps"),
        ({"loss/steps": np.arange(3)}, "different length"),
    ],
)
def test_wrong_state_changes_nothing(history, change, text):
    other = History()
    other.log(loss=1.0)
    with pytest.raises(ValueError, match=text):
        other.load_state_dict(history.state_dict() | change)
    assert other["loss"].tolist() == [1.0]


def test_copies_hold_values_and_no_file(tmp_path):
    history = History(tmp_path / "h.jsonl")
    history.log(loss=1.0)
    for twin in (copy.deepcopy(history), pickle.loads(pickle.dumps(history))):
        assert twin.path is None
        twin.log(loss=2.0)
        assert twin["loss"].tolist() == [1, 2]
    assert history["loss"].tolist() == History.load(tmp_path / "h.jsonl")["loss"].tolist() == [1]


def test_repr_and_html(history):
    assert repr(History()) == "History(empty)"
    assert repr(history) == "History(12 rows up to step 9; last loss=0.1, val_loss=0.2, val_accuracy=0.9)"
    history.log(**{"<b>": float("nan")})
    html = history._repr_html_()
    assert "<td>loss</td><td>10</td><td>0.1</td><td>0.1 (9)</td><td>1 (0)</td>" in html
    assert "&lt;b&gt;" in html


def test_importing_it_imports_no_tools():
    code = "import sys, autograd_vs.history; print({'matplotlib', 'json', 'logging', 'tqdm'} & {*sys.modules})"
    before = "import sys, numpy; print({'matplotlib', 'json', 'logging', 'tqdm'} & {*sys.modules})"
    outputs = [subprocess.run([sys.executable, "-c", c], capture_output=True, text=True).stdout for c in (code, before)]
    assert outputs[0] == outputs[1]


# Plots


@pytest.fixture
def plt():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    yield plt
    plt.close("all")


def labels(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_plot_groups_by_kind(history, plt):
    loss, accuracy = history.plot()
    assert labels(loss) == ["loss", "val loss"]
    assert labels(accuracy) == ["val accuracy"]
    train, validation = loss.get_lines()
    assert train.get_color() == validation.get_color() != accuracy.get_lines()[0].get_color()
    assert train.get_linestyle() == "-"
    assert validation.get_linestyle() == "--"
    assert validation.get_marker() == "o"
    assert (loss.get_xlabel(), loss.get_ylabel()) == ("step", "loss")
    np.testing.assert_array_equal(validation.get_xydata(), [[4, 0.4], [9, 0.2]])


def test_plot_into_given_axes(history, plt):
    _, ax = plt.subplots()
    assert history.plot("loss", "val_accuracy", ax=ax) is ax
    assert labels(ax) == ["loss", "val accuracy"]
    assert ax.get_ylabel() == "loss / accuracy"
    assert len(plt.get_fignums()) == 1


def test_plot_by_epoch(plt):
    history = History()
    for epoch in range(1, 4):
        history.log(epoch=epoch, loss=1 / epoch, val_loss=1.1 / epoch)
    ax = history.plot()
    assert ax.get_xlabel() == "epoch"
    np.testing.assert_array_equal(ax.get_lines()[0].get_xdata(), [1, 2, 3])
    assert history.plot(x="step").get_xlabel() == "step"
    with pytest.raises(ValueError, match="x is 'time'"):
        history.plot(x="time")


def test_plot_log_and_smoothing(history, plt):
    loss, accuracy = history.plot(log=True, smoothing=0.5)
    assert (loss.get_yscale(), accuracy.get_yscale()) == ("log", "linear")
    raw, smooth, validation = loss.get_lines()
    np.testing.assert_array_equal(raw.get_ydata(), history["loss"])
    np.testing.assert_array_equal(smooth.get_ydata(), history.smoothed("loss", 0.5))
    np.testing.assert_array_equal(validation.get_ydata(), history["val_loss"])
    assert raw.get_alpha() < 0.5
    with pytest.raises(ValueError, match="smoothing is 1"):
        history.plot(smoothing=1)


def test_plot_survives_odd_values(plt):
    history = History()
    history.log(loss=float("nan"))
    history.log(loss=-1.0)
    history.log(step=0, loss=-2.0)  # a cell run again
    history.log(single=1.0)
    loss, single = history.plot(log=True)
    assert loss.get_yscale() == "linear"
    assert np.isnan(loss.get_lines()[0].get_xdata()[2])
    assert single.get_ylabel() == "single"


def test_plot_saves_whole_files_and_opens_no_figure(history, plt, tmp_path):
    path = tmp_path / "deep" / "loss.png"
    history.plot(path=path)
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    history.plot("loss", path=tmp_path / "loss.svg")
    assert "<svg" in (tmp_path / "loss.svg").read_text()
    assert plt.get_fignums() == []
    with pytest.raises(ValueError, match="supported"):
        history.plot(path=tmp_path / "loss.xyz")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["deep", "loss.svg"]


def test_plot_errors_name_what_is_missing(history, plt):
    with pytest.raises(KeyError, match="Did you mean 'loss'"):
        history.plot("lossy")
    with pytest.raises(ValueError, match="nothing has been logged"):
        History().plot()


def test_plot_without_matplotlib_says_what_to_install(history, monkeypatch):
    for name in ("matplotlib", "matplotlib.pyplot", "matplotlib.figure", "matplotlib.ticker"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r"autograd-vs\[train\]"):
        history.plot()


def test_tensorboard_events(history, tmp_path):
    """The file is read with the frame of a TFRecord (length, its checksum, data, its checksum), not with the writer."""
    pytest.importorskip("tensorboardX")
    import struct

    from tensorboardX.proto.event_pb2 import Event

    history.to_tensorboard(tmp_path / "runs" / "one")
    (path,) = (tmp_path / "runs" / "one").iterdir()
    data, found, at = path.read_bytes(), {}, 0
    while at < len(data):
        (length,) = struct.unpack_from("<Q", data, at)
        event = Event.FromString(data[at + 12 : at + 12 + length])
        at += 16 + length
        for value in event.summary.value:
            found.setdefault(value.tag, []).append((event.step, value.simple_value))
    assert list(found) == history.names
    for name, rows in found.items():
        steps, values = zip(*rows, strict=True)
        np.testing.assert_array_equal(steps, history.steps(name))
        np.testing.assert_array_equal(np.array(values), history[name].astype(np.float32))


def test_tensorboard_without_the_library_says_what_to_install(history, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ImportError, match=r"pip install .autograd-vs\[tensorboard\]"):
        history.to_tensorboard(tmp_path / "runs")
    assert not (tmp_path / "runs").exists()
