"""Plans as people see them: text, tables, pictures, and the memory that they say they take."""

import gc
import re
import tracemalloc
import xml.etree.ElementTree as ET

import numpy as np
import pytest

import autograd_vs as av
import optim


def dense(name, x, units):
    with av.variable_scope(name, reuse=av.AUTO_REUSE):
        kernel = av.get_variable("kernel", (x.shape[-1], units))
        return x @ kernel + av.get_variable("bias", (units,), initializer=av.initializers.zeros())


def trained(loss_of, optimizer):
    """A training step."""

    def step(*args):
        with av.GradientTape() as tape:
            loss = loss_of(*args)
        variables = av.trainable_variables()
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss

    return step


def mlp(x, y):
    h = av.tanh(dense("one", x, 32))
    return av.nn.mse(dense("three", av.tanh(dense("two", h, 32)), 1), y)


def two_decoders(x):
    losses = []
    for name in ("left", "right"):
        with av.name_scope(name):
            with av.variable_scope("encoder", reuse=av.AUTO_REUSE):
                h = av.tanh(dense("layer", x if name == "left" else x * 2.0, 6))
            losses.append(av.nn.mse(dense(f"decode_{name}", h, 4), x))
    return losses[0] + losses[1]


def rnn(x):
    with av.variable_scope("rnn", reuse=av.AUTO_REUSE):
        w = av.get_variable("hidden", (8, 8))
        u = av.get_variable("input", (4, 8))
    h = x[0] @ u
    for t in range(1, len(x)):
        with av.name_scope("cell"):
            h = av.tanh(x[t] @ u + h @ w)
    return av.mean(av.square(h))


def planned(loss_of, *args, optimizer=None):
    f = av.function(trained(loss_of, optimizer or optim.SGD(0.1)))
    with av.VariableStore(seed=0):
        f(*args)
    return f


X = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
Y = np.ones((5, 1), np.float32)


# ---------------------------------------------------------------- text and tables


@pytest.mark.host("looks at single calls, which are kernels there")
def test_the_text_of_a_plan():
    x = np.ones(3)
    c = np.array([1.0, 2.0, 3.0])

    def f(x):
        with av.name_scope("inner"):
            y = av.exp(x * 2.0)
        return y + c, (av.stack([y, y]) @ y)[1:]

    f = av.function(f)
    f(x)
    look, line = f.plan(), test_the_text_of_a_plan.__code__.co_firstlineno + 8
    text = str(look)
    assert repr(look) == text and len(look) == len(look.rows) and "exp(" in look
    rows = text.split("\n\n")[0].splitlines()
    assert len(rows) == len(look) and rows[0] == "inner/  b0  t1: float64[3] = multiply(x, 2.0)"
    assert rows[1].startswith("inner/  b0  ") and "exp(t1)" in rows[1]
    assert re.search(rf"constants, copied:\n  c\d+: float64\[3\]  .*test_plan_looks\.py:{line}\n", text)
    assert re.search(r"f: \d calls \(1 multiply, 1 exp.*\n", text) and "reads: no Variable" in text
    assert "stack([t3, t3], 0)" in text and re.search(r"traced in 0\.\d+ s, compiled in 0\.\d+ s$", text)
    assert (
        look.bytes_of("input") == 24
        and look.bytes_of("constant") == 24 + 8
        and look.trace_seconds > 0 < look.compile_seconds
    )


def test_the_summary_names_variables():
    look = planned(mlp, X, Y).plan()
    names = [f"{layer}/{part}" for layer in ("one", "two", "three") for part in ("kernel", "bias")]
    assert look.variables() == look.variables(written=True) == names
    assert f"writes: {', '.join(names)}" in look
    v = av.Variable(1.0, name="written")
    f = av.function(lambda x: [v.assign(x), None][1])
    f(np.float32(2)[...])
    assert f.plan().variables() == [] and f.plan().variables(written=True) == ["written"]


def test_buffers_show_what_is_used_again():
    f = av.function(lambda x: av.sum(av.tanh(av.tanh(x @ x) @ x) @ x))
    f(np.ones((10, 10)))
    look = f.plan()
    assert 800 <= look.peak_bytes <= 2 * 832 and look.bytes_without_reuse == 5 * 800 + 8
    results = [p for p in look.places if p.kind == "result"]
    assert {p.buffer for p in results} == set(look.buffers) and len(results) > len(look.buffers)
    assert all(p.buffer is None for p in look.places if p.kind != "result")
    assert f"results in {look.peak_bytes / 1000:.3g} kB, {len(look.buffers)} buffers (4.01 kB without reuse)" in look


def test_tables_in_notebooks():
    f = av.function(lambda x: x < 1.0)
    x = np.ones(3)
    f(x)
    html = f.plan()._repr_html_()
    ET.fromstring(f"<div>{html}</div>")
    assert "<td" in html and "less" in html and "memory: results in 3 B, 1 buffer (" in html
    profile = f.profile(x)
    ET.fromstring(f"<div>{profile._repr_html_()}</div>")
    assert len(profile.times) == 1 and profile.total == sum(profile.scopes.values()) and "together" in str(profile)


@pytest.mark.host("looks at single calls, which are kernels there")
def test_a_long_plan_has_a_short_table():
    def many(x):
        for _ in range(700):
            x = av.tanh(x)
        return x

    f = av.function(many)
    f(np.ones(2))
    html = f.plan()._repr_html_()
    assert html.count("<tr>") == 302 and "... 400 more" in html and str(f.plan()).count("\n") > 700


def test_a_profile_counts_every_call_and_scope():
    f = av.function(trained(two_decoders, optim.SGD(0.1)))
    with av.VariableStore(seed=0):
        f(X)
        profile = f.profile(X)
    assert len(profile.times) == len(f.plan()) and min(profile.times) > 0
    assert {"left/encoder/layer/", "right/encoder/layer/", ""} <= set(profile.scopes)
    assert str(profile).index("by scope:") < str(profile).index("(no scope)")


@pytest.mark.host("rules have other calls elsewhere")
def test_the_way_back_counts_for_the_scope_of_its_op_and_the_optimizer_for_one_of_its_own():
    f = av.function(trained(mlp, optim.Adam(0.1)), without=("merge_equal", "join_in_place"))
    with av.VariableStore(seed=0):
        f(X, X[:, :1])
        rows = f.plan().rows
    places = [(row.scope, row.function) for row in rows]
    assert places.count(("one/", "dot")) == 3  # forward, and the gradients of kernel and bias; none to the input
    assert places.count(("two/", "dot")) == 4 and places.count(("three/", "dot")) == 4
    assert {scope for scope, function in places if function in ("sqrt", "_count")} == {"update/"}
    assert [scope for scope, function in places if function == "tanh"] == ["", ""]


@pytest.mark.host("looks at single calls, which are kernels there")
def test_a_walk_inside_of_a_walk_counts_for_the_op_inside():
    @av.recompute_grad
    def block(x):
        with av.name_scope("inner"):
            y = av.exp(x)
        return y * 3.0

    def step(x):
        with av.GradientTape() as tape:
            tape.watch(x)
            with av.name_scope("outer"):
                y = block(x)
            with av.name_scope("last"):
                loss = av.sum(av.square(y))
        return tape.gradient(loss, x)

    f = av.function(step, without=("merge_equal",))
    f(np.ones(3))
    places = [(row.scope, row.function) for row in f.plan().rows]
    assert places.count(("outer/inner/", "exp")) == 2 and ("", "multiply") not in places, places


def test_who_has_no_plan_says_so():
    f = av.function(lambda x, r: x)
    for ask in (f.plan, lambda: f.profile(np.ones(2), 1.0)):
        with pytest.raises(ValueError, match=r"<lambda> has no plan .*: call it once"):
            ask()
    g = av.function(lambda x, r: x if r > 0 else -x)
    g(np.ones(2), 1.0)
    assert len(g.profile(np.ones(2), 1.0).times) == len(g.plan()) == 0
    with pytest.raises(ValueError, match="no plan for such arguments"):
        g.profile(np.ones(2), -1.0)


# ---------------------------------------------------------------- shared variables, pictures


def test_variables_that_several_ops_read_are_shared():
    def shared(f):
        return {p.name: len(p.uses) for p in f.plan().places if p.shared}

    assert shared(planned(mlp, X, Y)) == {}  # the walk and the update read them, too
    assert shared(planned(two_decoders, X)) == {"encoder/layer/kernel": 2, "encoder/layer/bias": 2}
    assert shared(planned(rnn, np.ones((6, 3, 4), np.float32))) == {"rnn/input": 6, "rnn/hidden": 5}

    def tied(x):
        h = dense("t", x, 3)
        with av.variable_scope("t", reuse=True):
            return av.mean(av.square(h @ av.get_variable("kernel").T - x))

    assert shared(planned(tied, X)) == {"t/kernel": 2}
    assert ".T, " not in planned(mlp, X, Y).plan().rows[0].call and "t/kernel.T)" in planned(tied, X).plan()


def boxes_of(svg):
    """(x, y, width, height) of the boxes of calls and variables, and all texts."""
    tree, space = ET.fromstring(svg), "{http://www.w3.org/2000/svg}"
    rects = [g.find(f"{space}rect") for g in tree.iter(f"{space}g")]
    found = [tuple(float(r.get(k)) for k in ("x", "y", "width", "height")) for r in rects]
    return found, [t.text for t in tree.iter(f"{space}text") if t.text], tree


@pytest.mark.parametrize(
    ("loss", "args"), [(mlp, (X, Y)), (two_decoders, (X,)), (rnn, (np.ones((6, 3, 4), np.float32),))]
)
def test_pictures(loss, args):
    f = planned(loss, *args)
    look, picture = f.plan(), f.plan().draw()
    assert isinstance(picture, str) and picture._repr_svg_() == picture
    assert re.fullmatch(r"<Picture: SVG, [\d,]+ characters>", repr(picture))
    boxes, texts, tree = boxes_of(picture)
    read = {n for row in look.rows for n in row.reads}
    assert len(boxes) == len(look) + len([n for n in read if look.places[n].kind in ("input", "variable", "state")])
    for i, (x, y, w, h) in enumerate(boxes):  # none lies over another one, all are inside
        assert 0 <= x and x + w <= float(tree.get("width")) and 0 <= y and y + h <= float(tree.get("height"))
        for other in boxes[:i]:
            assert x + w <= other[0] or other[0] + other[2] <= x or y + h <= other[1] or other[1] + other[3] <= y
    for place in look.places:
        if place.shared:
            assert any(f"shared: {place.name}, read by {len(place.uses)} ops" in t for t in texts)
    assert any("too many" in t for t in texts) is False
    assert {"mlp": "three", "two_decoders": "left/encoder", "rnn": "cell"}[loss.__name__] in texts


def test_a_picture_is_written_to_a_file(tmp_path):
    f = av.function(lambda x: x * 2.0)
    f(np.ones(2))
    path = tmp_path / "step.svg"
    assert f.plan().draw(path) == path.read_text(encoding="utf-8")


@pytest.mark.host("looks at single calls, which are kernels there")
def test_a_picture_of_a_long_plan_is_by_scope():
    def deep(x):
        for i in range(12):
            with av.name_scope(f"layer_{i}"):
                for _ in range(60):
                    x = av.tanh(x * 1.1)
        return x

    f, g = av.function(deep), av.function(lambda x: [x := av.tanh(x) for _ in range(2500)][-1])
    f(np.ones(3)), g(np.ones(3))
    boxes, texts, _ = boxes_of(f.plan().draw())
    assert len(boxes) == 12 and any("1,440 calls are too many to draw" in t for t in texts) and "layer_11" in texts
    picture = g.plan().draw()
    assert len(boxes_of(picture)[0]) == 1 and len(picture) < 5000


def test_a_picture_of_nothing():
    f = av.function(lambda: 3)
    f()
    assert boxes_of(f.plan().draw())[0] == [] and "no calls" in f.plan()


# ---------------------------------------------------------------- memory


def conv(x, y):
    with av.variable_scope("conv", reuse=av.AUTO_REUSE):
        filters = av.get_variable("filters", (3, 3, 3, 8))
    h = av.nn.max_pool2d(av.nn.relu(av.nn.conv2d(x, filters)), 2)
    return av.nn.softmax_cross_entropy(dense("out", h.reshape(len(x), -1), 5), y).mean()


def lstm(x):
    with av.variable_scope("lstm", reuse=av.AUTO_REUSE):
        w = av.get_variable("kernel", (8 + 16, 64))
        b = av.get_variable("bias", (64,), initializer=av.initializers.zeros())
    h = c = av.Tensor(np.zeros((x.shape[1], 16), np.float32))
    for t in range(len(x)):
        i, f, g, o = np.split(av.concatenate([x[t], h], axis=1) @ w + b, 4, axis=1)
        c = av.nn.sigmoid(f) * c + av.nn.sigmoid(i) * av.tanh(g)
        h = av.nn.sigmoid(o) * av.tanh(c)
    return av.mean(av.square(h))


def attention(x):
    q, k, v = (dense(name, x, 32) for name in "qkv")
    weights = av.nn.softmax(q @ av.swapaxes(k, -1, -2) / 32**0.5)
    h = av.nn.layer_norm(x + dense("out", weights @ v, 32), np.ones(32, np.float32), np.zeros(32, np.float32))
    return av.mean(av.square(x + dense("down", av.nn.gelu(dense("up", h, 128)), 32)))


def inputs(*shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


MODELS = {
    "mlp": (mlp, (inputs(256, 64), inputs(256, 1))),
    "conv": (conv, (inputs(8, 16, 16, 3), np.arange(8) % 5)),
    "lstm": (lstm, (inputs(12, 32, 8),)),
    "attention": (attention, (inputs(4, 24, 32),)),
    "two decoders": (two_decoders, (inputs(512, 4),)),
}


def peak(f, *args):
    """The most memory that a call takes beyond what was taken before it."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        f(*args)
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


# Where a plan takes more than the eager step, by which factor. All buffers of a plan are there all the time; what a
# convolution computes in between (its columns), and what an optimizer does, comes on top of them.
MORE = {"conv": 1.05, "mlp": 1.05}


@pytest.mark.host("memory of NumPy's arrays")
@pytest.mark.parametrize("name", MODELS)
def test_a_plan_takes_no_more_memory_than_the_eager_step(name):
    """What a plan holds (buffers, copies of inputs, constants), and what a replay takes beside that, for a moment."""
    loss, args = MODELS[name]
    with av.VariableStore(seed=0):
        eager = trained(loss, optim.SGD(0.1))
        eager(*args), eager(*args)
        by_tape = peak(eager, *args)
        f = av.function(trained(loss, optim.SGD(0.1)))
        f(*args), f(*args)
        replay = peak(f, *args)
    look = f.plan()
    assert f.traces == 1 and look.peak_bytes < look.bytes_without_reuse
    held = look.peak_bytes + look.bytes_of("input") + look.bytes_of("constant")
    assert look.peak_bytes <= by_tape
    assert held + replay <= MORE.get(name, 1.0) * by_tape


@pytest.mark.host("memory of NumPy's arrays")
@pytest.mark.parametrize("name", MODELS)
def test_a_plan_holds_what_it_says(name):
    loss, args = MODELS[name]
    held = []
    with av.VariableStore(seed=0):
        for _ in range(3):  # the first time makes Variables, and what the engine keeps
            f = av.function(trained(loss, optim.SGD(0.1)))
            gc.collect()
            tracemalloc.start()
            try:
                before = tracemalloc.get_traced_memory()[0]
                f(*args)
                gc.collect()
                held.append(tracemalloc.get_traced_memory()[0] - before)
            finally:
                tracemalloc.stop()
    look = f.plan()
    said = look.peak_bytes + look.bytes_of("input") + look.bytes_of("constant")
    assert said <= min(held) <= said + 2500 * len(look) + 20_000  # and words, code, wrappers


def test_programs_inside_are_shown():
    w = av.Variable(np.ones((2, 2), np.float32), name="w")

    def f(x):
        return av.cond(av.sum(x) > 0, lambda x: av.tanh(x @ w), lambda x: x * 2.0, x)

    f = av.function(f)
    x = np.ones((2, 2), np.float32)
    f(x), f(-x)
    text = str(f.plan())
    assert "= cond(" in text and re.search(r"yes:\n +t\d+.*= dot\(x, w\)\n +t\d+.*tanh\(.*\n +-> t\d+\n +no:", text)
    assert f.plan().variables() == ["w"] and f.traces == 1 and f.plan().draw().count("cond") >= 1
    assert len(f.profile(x).times) == len(f.plan())
