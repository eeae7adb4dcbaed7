"""Early stopping, plots of several runs, and of who shares variables."""

import numpy as np
import pytest

import autograd_vs as av


def history_of(values, name="val_loss", steps=None, **epochs):
    history = av.History()
    for i, value in enumerate(values):
        history.log(step=i if steps is None else steps[i], epoch=i if epochs else None, **{name: value})
    return history


@pytest.mark.parametrize(
    ("values", "options", "due_at", "best", "best_step"),
    [
        ([3, 2, 1, 1.5, 1.2, 0.5], {"patience": 2}, 4, 1, 20),
        ([3, 2, 1, 1.0, 1.0], {"patience": 2}, 4, 1, 20),  # equal is no better
        ([3, 2.95, 2.9, 2.85], {"patience": 2, "min_delta": 0.2}, 2, 3, 0),
        ([3, 2.9, 2.75], {"patience": 2, "min_delta": 0.2}, None, 2.75, 20),  # better than the best one, slowly
        ([0.5, 0.7, 0.6, 0.6], {"patience": 2, "mode": "max"}, 3, 0.7, 10),
        ([np.nan, np.nan, np.nan], {"patience": 3}, 2, None, None),
        ([1.0, -np.inf, np.nan, 0.5], {"patience": 2}, 2, 1.0, 0),
        ([], {"patience": 1}, None, None, None),
    ],
)
def test_early_stopping(values, options, due_at, best, best_step):
    history = av.History()
    stopping = av.EarlyStopping(history, "val_loss", **options)
    found = None
    for i, value in enumerate(values):
        history.log(step=10 * i, val_loss=value)
        history.log(loss=9.0)
        if stopping.due():
            found = i
            break
    assert (found, stopping.best, stopping.best_step) == (due_at, best, best_step)


def test_early_stopping_goes_on_with_a_saved_history():
    values = [3, 2, 1, 1.5, 1.2, 0.5]
    for stop in range(1, 5):
        first = history_of(values[:stop])
        history = av.History()
        history.load_state_dict(first.state_dict())
        stopping = av.EarlyStopping(history, "val_loss", patience=2)
        seen = stop
        for value in values[stop:]:
            assert not stopping.due()
            history.log(val_loss=value)
            seen += 1
            if stopping.due():
                break
        assert seen == 5 and stopping.waited == 2


def test_improved_says_when_to_save():
    history = av.History()
    stopping = av.EarlyStopping(history, "val_loss", patience=9)
    assert not stopping.improved()
    found = []
    for value in [3.0, 4.0, 2.0, np.nan, 1.0]:
        history.log(val_loss=value)
        found.append(stopping.improved())
    assert found == [True, False, True, False, True]
    assert repr(stopping) == "EarlyStopping('val_loss': best 1.0 at step 4, waited 0 of 9)"


def test_the_best_weights_come_back(tmp_path):
    """As the docstring says: what was saved where it improved is the best one, by `min_delta`, too."""
    with av.VariableStore() as store:
        w = av.get_variable("w", initializer=[0.0])
    history = av.History()
    stopping = av.EarlyStopping(history, "val_loss", patience=3, min_delta=0.1)
    for value in [3.0, 2.0, 1.0, 0.95, 2.0, 3.0, 4.0]:
        w.assign([value])
        history.log(val_loss=value)
        if stopping.improved():
            av.save(tmp_path / "best.safetensors", store)
        if stopping.due():
            break
    assert w.numpy().tolist() == [3.0]
    av.load(tmp_path / "best.safetensors", store)
    assert w.numpy().tolist() == [stopping.best] == [1.0]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"patience": 0}, "patience is an integer >= 1, got 0"),
        ({"patience": 2.0}, "patience is an integer"),
        ({"patience": 1, "min_delta": -1}, "min_delta is a number >= 0"),
        ({"patience": 1, "min_delta": np.nan}, "min_delta is a number >= 0"),
        ({"patience": 1, "mode": "auto"}, "mode is 'min'"),
    ],
)
def test_early_stopping_errors(options, words):
    with pytest.raises(ValueError, match=words):
        av.EarlyStopping(av.History(), "loss", **options)
    with pytest.raises(TypeError, match=r"is a History, got 'loss' \(str\)"):
        av.EarlyStopping("loss", "loss", patience=1)


# ---------------------------------------------------------------- compare


@pytest.fixture
def compare():
    pytest.importorskip("matplotlib").use("Agg")
    return av.plot.compare


def test_each_run_has_a_line(compare, tmp_path):
    runs = [history_of([3.0, 2.0, 1.0], "loss"), history_of([4.0, 1.0], "loss")]
    ax = compare(runs, path=tmp_path / "out" / "runs.png")
    assert (tmp_path / "out" / "runs.png").read_bytes().startswith(b"\x89PNG")
    assert [line.get_label() for line in ax.lines] == ["run 1", "run 2"]
    np.testing.assert_array_equal(ax.lines[0].get_xydata(), [[0, 3], [1, 2], [2, 1]])
    assert ax.lines[0].get_color() != ax.lines[1].get_color() and not ax.collections
    assert ax.get_xlabel() == "step"


def test_seeds_are_a_mean_in_a_band(compare):
    seeds = [history_of([4.0, 2.0], "loss"), history_of([2.0, 1.0, 5.0], "loss"), history_of([3.0, np.nan], "loss")]
    figure = {"Adam": seeds, "SGD": history_of([1.0], "loss")}
    ax = compare(figure, path=None, ax=_axes())
    assert [line.get_label() for line in ax.lines] == ["Adam (3 seeds)", "SGD"]
    np.testing.assert_allclose(ax.lines[0].get_xydata(), [[0, 3], [1, 1.5], [2, 5]])
    edges = [np.std([4, 2, 3], ddof=1), np.std([2, 1], ddof=1), 0.0]
    np.testing.assert_allclose(_band(ax), [[3 - edges[0], 3 + edges[0]], [1.5 - edges[1], 1.5 + edges[1]], [5, 5]])
    ax = compare(figure, band="range", ax=_axes())
    np.testing.assert_allclose(_band(ax), [[2, 4], [1, 2], [5, 5]])


def _axes():
    from matplotlib.figure import Figure

    return Figure().add_subplot()


def _band(ax):
    points = ax.collections[0].get_paths()[0].vertices
    return [[points[points[:, 0] == x, 1].min(), points[points[:, 0] == x, 1].max()] for x in np.unique(points[:, 0])]


def test_panels_epochs_and_common_series(compare, tmp_path):
    one, other = av.History(), av.History()
    for i in range(3):
        one.log(step=5 * i, epoch=i, loss=1.0 / (i + 1), val_loss=1.1, accuracy=0.5, extra=1.0)
        other.log(step=7 * i, epoch=i, loss=2.0 / (i + 1), val_loss=2.1, accuracy=0.6)
    axes = compare({"a": one, "b": other}, path=tmp_path / "runs.png")
    assert [ax.get_ylabel() for ax in axes] == ["loss", "accuracy"] and axes[0].get_xlabel() == "epoch"
    assert [line.get_label() for line in axes[0].lines] == ["a, loss", "a, val loss", "b, loss", "b, val loss"]
    assert axes[0].lines[0].get_color() == axes[0].lines[1].get_color() != axes[0].lines[2].get_color()
    assert axes[0].lines[0].get_linestyle() == "-" and axes[0].lines[1].get_linestyle() == "--"
    (ax,) = [compare([one, other], "loss", x="step", smoothing=0.5, path=tmp_path / "runs.png")]
    np.testing.assert_allclose(ax.lines[1].get_xydata()[:, 0], [0, 7, 14])
    np.testing.assert_allclose(ax.lines[1].get_ydata(), other.smoothed("loss", 0.5))


def test_many_runs_have_colours_of_their_own_and_a_legend_beside_the_curves(compare, tmp_path):
    runs = {f"a run with a long name, number {i}": history_of([3.0, 2.0 - i / 10]) for i in range(12)}
    ax = compare(runs, path=tmp_path / "many.png")
    assert len({line.get_color() for line in ax.lines}) == 12
    ax.figure.draw_without_rendering()
    assert ax.get_legend().get_window_extent().x0 >= ax.get_window_extent().x1
    few = compare(dict(list(runs.items())[:3]), path=tmp_path / "few.png")
    few.figure.draw_without_rendering()
    assert few.get_legend().get_window_extent().x1 <= few.get_window_extent().x1


def test_smoothing_is_of_training_values_and_log_leaves_gaps(compare, tmp_path):
    history = av.History()
    for value in (4.0, -1.0, 3.0):
        history.log(loss=value, val_loss=value)
    ax = compare([history], smoothing=0.5, log=True, path=tmp_path / "smooth.png")
    loss, validation = [line.get_ydata() for line in ax.lines]
    np.testing.assert_array_equal(loss, history.smoothed("loss", 0.5))
    np.testing.assert_array_equal(validation, history["val_loss"])
    assert np.isnan(ax.yaxis.get_transform().transform(np.array([-1.0]))).all()  # no stroke to the bottom


def test_compare_errors(compare):
    one, other = history_of([1.0], "loss"), history_of([1.0], "accuracy")
    for arguments, options, error, words in [
        (([one, other],), {}, ValueError, "no series that every run has"),
        (([one, other], "loss"), {}, KeyError, "Run 'run 2' has no series 'loss'; it has 'accuracy'"),
        (([],), {}, ValueError, "there is no run"),
        (({"a": []},), {}, TypeError, "run 'a' is a History, or a list of them .* got no History"),
        (([[one, 3]],), {}, TypeError, "got int"),
        ((3,), {}, TypeError, "got a int"),
        ((one,), {"x": "time"}, ValueError, "x is 'time'"),
        ((one,), {"band": "all"}, ValueError, "band is 'all'"),
        ((one,), {"smoothing": 1.0}, ValueError, "smoothing is 1.0"),
    ]:
        with pytest.raises(error, match=words):
            compare(*arguments, **options)


# ---------------------------------------------------------------- sharing


def encode(name):
    with av.variable_scope("encoder", reuse=av.AUTO_REUSE), av.variable_scope(name):
        return av.get_variable("kernel", (4, 2))


def classify():
    return encode("hidden"), encode("code")


def towers():
    for side in ("left", "right"):
        with av.name_scope(side):
            encode("hidden")


@pytest.fixture
def sharing():
    pytest.importorskip("matplotlib").use("Agg")
    return av.plot.sharing


def lines(ax):
    """The calls and the variables that lines join."""
    heights = {}
    for text in ax.texts:
        heights[text.get_ha() == "right", text.get_position()[1]] = text.get_text().split("  ")[0]
    return {(heights[True, a], heights[False, b]) for (_, a), (_, b) in (line.get_xydata() for line in ax.lines)}


def test_lines_join_calls_and_what_they_share(sharing, tmp_path):
    with av.VariableStore() as store:
        classify(), towers()
        ax = sharing(title="who", path=tmp_path / "out" / "who.png")
    hidden, code = "encoder/hidden/kernel", "encoder/code/kernel"
    wanted = {("left", hidden), ("right", hidden)}
    found = lines(ax)
    assert wanted < found and len(found) == 4
    ((call, _),) = {(a, b) for a, b in found if b == code}
    assert (call, hidden) in found and call not in ("left", "right")
    assert ax.get_title() == "who" and (tmp_path / "out" / "who.png").read_bytes().startswith(b"\x89PNG")
    grounds = {t.get_text(): t.get_bbox_patch().get_facecolor() for t in ax.texts if t.get_bbox_patch()}
    assert grounds[f"{hidden}  (4, 2)"] != grounds[f"{code}  (4, 2)"] == (1, 1, 1, 1)
    assert lines(sharing(store, "encoder/code")) == {(call, code)}


def test_a_call_is_where_the_ways_part():
    readers = {
        "encoder/w": [
            "train:3 > classify:7 > encode:1",
            "test:4 > classify:7 > encode:1",
            "train:3 > denoise:9 > encode:1",
        ],
        "head/w": ["train:3 > classify:8", "test:4 > classify:8"],
        "pixels/w": ["train:3 > denoise:10"],
        "hidden/w": ["left/hidden", "hidden", "right/hidden"],
    }
    calls = av.plot._calls(readers)
    assert calls["hidden/w"] == ["left", "hidden", "right"]
    assert calls["encoder/w"] == ["classify", "denoise"]
    assert (calls["head/w"], calls["pixels/w"]) == (["classify"], ["denoise"])
    twice = {"w": ["<module>:5 > siamese:2 > encode:1", "<module>:5 > siamese:3 > encode:1"]}
    assert av.plot._calls(twice) == {"w": ["siamese:2", "siamese:3"]}
    assert av.plot._calls({"w": ["<module>:5", "<module>:6"], "v": ["?:1"]}) == {"w": ["line 5", "line 6"], "v": ["?"]}
    assert av.plot._calls({"w": ["<module>:1 > train:5 > encode:6"]}) == {"w": ["train"]}


def test_sharing_errors(sharing):
    with av.VariableStore() as store:
        with pytest.raises(ValueError, match="there is no variable to draw"):
            sharing(store)
        for i in range(101):
            av.get_variable(f"v{i}", ())
        with pytest.raises(ValueError, match="101 variables to draw; `scope`"):
            sharing(store)
