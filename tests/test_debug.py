"""check_numerics: the first NaN or Inf, forwards and backwards, and what it says of it."""

import threading
from itertools import count
from pathlib import Path

import numpy as np
import pytest

import autograd_vs as av
import optim
from autograd_vs.engine.record import active

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's own, of what these tests divide by zero

HERE = Path(__file__).name


def line_of(text):
    """``"file:line"`` of the only line here that has this text."""
    (line,) = [
        n for n, line in enumerate(Path(__file__).read_text().splitlines(), 1) if text in line and "(text" not in line
    ]
    return rf"{HERE}:{line}\b"


def test_forward_says_op_scope_line_inputs_and_variables():
    with av.VariableStore():
        with av.variable_scope("encoder"):
            w = av.get_variable("w", (2, 3), initializer=av.initializers.ones)
        x = np.ones((4, 2), np.float32)
        with av.debug.check_numerics(), pytest.raises(FloatingPointError) as caught, av.variable_scope("decoder"):
            h = x @ w - 2.0
            y = av.exp(h) + 1.0
            av.log(h * y)  # forward, here
            raise AssertionError("went on")
    words = str(caught.value)
    assert words.startswith("decoder/log gave the first Inf at ")
    assert caught.match(line_of("av.log(h * y)  # " + "forward, here"))
    assert "(in 12 of 12 elements, the first at [0, 0])" in words
    assert "its inputs: Tensor 'decoder/multiply" in words and "of shape (4, 3) and dtype float32" in words
    assert words.endswith("; it depends on the variables 'encoder/w:0'")


def test_on_a_tape_it_names_the_variables_behind():
    w, b, other = (av.Variable(1.0, name=n) for n in ("w2", "b2", "other"))
    with av.debug.check_numerics(), pytest.raises(FloatingPointError, match=r"'w2:0', 'b2:0'$") as caught:
        with av.GradientTape():
            other * 2.0
            z = w * 3.0 - b * 3.0
            av.sqrt(z - 1.0)
    assert "sqrt gave the first NaN at" in str(caught.value)


def test_an_input_that_is_bad_already_is_said():
    w = av.Variable([np.inf, 1.0], name="w3")
    with av.debug.check_numerics():
        with pytest.raises(FloatingPointError, match=r"Variable 'w3:0' .* \(which has Inf \(in 1 of 2 .* already\)"):
            w * 2.0
        data = av.log(av.Tensor(np.array([-1.0, 1.0])))  # nobody follows this
        with pytest.raises(FloatingPointError, match=r"multiply gave .*which has NaN .* already, as log gave it\)"):
            av.Variable([1.0, 1.0], dtype=np.float64) * data


def test_backward_says_the_line_of_the_op_and_that_of_gradient():
    v = av.Variable([1.0, 0.0], name="v4")
    with av.debug.check_numerics(), pytest.raises(FloatingPointError) as caught:
        with av.GradientTape() as tape, av.name_scope("head"):
            y = av.sqrt(v)  # the op of the backward test
        tape.gradient(y, v)  # the walk of the backward test
    words = str(caught.value)
    assert words.startswith("the gradient of head/sqrt (at ") and "with respect to Variable 'v4:0'" in words
    assert "has the first Inf (in 1 of 2 elements, the first at [1]); the tape walks back at" in words
    assert caught.match(r"head/sqrt \(at \S*" + line_of("# the op of the backward" + " test") + r"\)")
    assert caught.match(r"walks back at \S*" + line_of("# the walk of the backward" + " test"))


def test_backward_in_the_middle():
    """The op whose gradient is the first bad one, not the one that is found last; before anything is assigned."""
    w, x = av.Variable(0.0, name="w5"), av.Variable(3.0)
    with av.debug.check_numerics():
        with av.GradientTape() as tape:
            y = av.square(av.sqrt(w * x) * 2.0)
        with pytest.raises(FloatingPointError, match=r"the gradient of sqrt .*'w5:0'") as caught:
            tape.gradient(y, [w, x])
    assert "first NaN" in str(caught.value)  # 0 * inf


def test_a_sum_that_overflows():
    big = av.Variable(np.float32(1.0), name="big6")
    with av.debug.check_numerics():
        with av.GradientTape(persistent=True) as tape:
            a, b = big * 3e38, big * 3e38
            c = big * 1.0
            d = c * 3e38 - c * -1.0
        with pytest.raises(FloatingPointError, match=r"respect to Variable 'big6:0' .* as a sum of finite ones, at"):
            tape.gradient([a, b], big)
        assert tape.gradient(d, big).item() == np.float32(3e38)
        with pytest.raises(FloatingPointError, match=r"arrives at the output of multiply .* an output gradient"):
            tape.gradient(c, big, output_gradients=np.float32(np.nan))


def test_rows_and_several_outputs():
    table = av.Variable(np.ones((4, 2), np.float32), name="table7")
    with av.debug.check_numerics():
        with av.GradientTape(persistent=True) as tape:
            rows = av.take(table, np.array([1, 1]), axis=0)
            parts = av.split(table * 1.0, 2, axis=0)
            y = av.sqrt(parts[1] - 1.0)
        with pytest.raises(FloatingPointError, match=r"take .*'table7:0'|output gradient"):
            tape.gradient(rows, table, output_gradients=np.full((2, 2), np.inf, np.float32))
        assert isinstance(tape.gradient(rows, table), av.IndexedSlices)
        assert tape.gradient(parts[0], table).numpy().sum() == 4
        with pytest.raises(FloatingPointError, match="gradient of sqrt"):
            tape.gradient(y, table)


def test_higher_orders():
    x = av.Variable(0.0, dtype=np.float64, name="x")

    def second():
        with av.GradientTape() as outer:
            with av.GradientTape() as inner:
                y = x**1.5
            dy = inner.gradient(y, x)
        return outer.gradient(dy, x)

    assert second().item() == np.inf
    with av.debug.check_numerics(), pytest.raises(FloatingPointError, match=r"gradient of .*first Inf"):
        second()
    with av.debug.check_numerics():
        with av.GradientTape() as outer:
            with av.GradientTape() as inner:
                y = av.sqrt(x)
            with pytest.raises(
                FloatingPointError, match=r"gave the first Inf .* while the gradient of sqrt .*computed"
            ):
                inner.gradient(y, x)
    del outer


def test_what_is_finite_goes_on_with_the_same_bits():
    def train(watched):
        w = av.Variable(np.linspace(-1, 1, 6, dtype=np.float32).reshape(3, 2), name="w")
        optimizer = optim.Adam(0.1)
        x = np.linspace(0, 1, 12, dtype=np.float32).reshape(4, 3)

        @av.function
        def step(x):
            with av.GradientTape() as tape:
                loss = av.mean(av.square(np.tanh(x @ w)))
            optimizer.apply_gradients([(tape.gradient(loss, w), w)])
            return loss

        for i in range(4):
            if watched and i % 2:
                with av.debug.check_numerics():
                    loss = step(x)
                    assert isinstance(float(loss), float)  # nobody records it here
                    assert np.asarray(loss).shape == ()
            else:
                step(x)
        return w.numpy().tobytes(), step.traces

    assert train(True) == train(False)
    assert active() is None


def test_functions_run_eagerly_and_raise_there():
    w = av.Variable(0.0, name="w")

    @av.function
    def f(x):
        return av.log(w * x)  # in the function

    f(1.0)
    with av.debug.check_numerics(), pytest.raises(FloatingPointError, match=line_of("# in the" + " function")):
        f(1.0)
    assert f(1.0).item() == -np.inf and f.traces == 1


def test_inside_of_a_traced_function_it_is_refused_with_words():
    @av.function
    def f(x):
        with av.debug.check_numerics():
            return x + 1.0

    with pytest.raises(RuntimeError, match="open it around the call"):
        f(np.zeros(2))


def test_nan_only():
    v = av.Variable([0.0, 1.0])
    with av.debug.check_numerics(inf=False):
        y = av.log(v)
        with pytest.raises(FloatingPointError, match="subtract gave the first NaN"):
            y - y


@pytest.mark.parametrize(
    "masked",
    [
        lambda s, out: av.where(out, -np.inf, s),
        lambda s, out: s + np.where(out, np.float32(-np.inf), np.float32(0)),
        lambda s, out: av.add(s, [*np.where(out, np.float32(-np.inf), np.float32(0))]),
        lambda s, out: av.stack([s[0], *(av.where(out, av.Tensor(np.float32(-np.inf)), s)[1:])]) * 0.5,
    ],
)
def test_masks_of_minus_inf_pass_and_what_they_spoil_does_not(masked):
    """The gradients are those where nobody looks; rows without anything and overflows beside a mask are errors."""
    v = av.Variable(np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32), name="scores")
    out = np.triu(np.ones((4, 4), bool), 1)

    def gradient(out, scale=1.0):
        with av.GradientTape() as tape:
            loss = av.sum(av.nn.softmax(masked(v @ v.T, out) * scale) @ v)
        return tape.gradient(loss, v).numpy()

    with av.debug.check_numerics():
        found = gradient(out)
        with pytest.raises(FloatingPointError, match="softmax gave the first NaN"):
            gradient(np.ones((4, 4), bool))
        with pytest.raises(FloatingPointError, match="multiply gave the first Inf"):
            gradient(out, np.float32(3e38))
        v.assign(np.full(v.shape, -np.inf))
        with pytest.raises(FloatingPointError, match=r"Variable 'scores.*which has Inf"):
            v + 1.0
    v.assign(np.random.default_rng(0).normal(size=(4, 3)))
    np.testing.assert_array_equal(found, gradient(out))
    assert np.isfinite(found).all()


@pytest.mark.parametrize("rows", [False, True])
def test_updates_by_what_is_bad_and_updates_that_overflow(rows):
    def gradient(x):
        g = np.array([[0.0, x], [1.0, 1.0]], np.float32)
        return av.IndexedSlices(av.Tensor(g), av.Tensor([2, 0]), (3, 2)) if rows else av.Tensor(np.vstack([g, g[:1]]))

    v, other = av.Variable(np.ones((3, 2), np.float32), name="updated"), av.Variable(np.ones(2), name="other")
    g = av.Tensor(np.ones(2, np.float32))
    optimizer = optim.SGD(1e10)
    with av.debug.check_numerics():
        with pytest.raises(
            FloatingPointError, match=r"gradient for Variable 'updated.* has NaN.* nothing has been"
        ) as e:
            optimizer.apply_gradients([(g, other), (gradient(np.nan), v)])  # a bad update
        assert e.match(line_of("# a bad " + "update"))
        assert other.numpy().tolist() == [1, 1] and v.numpy().tolist() == [[1, 1]] * 3
        with pytest.raises(FloatingPointError, match=r"the update at .* gave Variable 'updated\S* .* the first Inf"):
            optimizer.apply_gradients([(g, other), (gradient(1e30), v)])
        assert optimizer.iterations == 1  # this one was made, the one before was not
        with pytest.raises(FloatingPointError, match=r"^Variable 'updated\S* .* has Inf"):
            optimizer.apply_gradients([(gradient(1.0), v)])
    optimizer.apply_gradients([(gradient(np.nan), v)])


def test_what_nobody_follows_and_integers_pass():
    with av.debug.check_numerics():
        assert np.isnan(av.log(av.Tensor(np.array(-1.0))).item())
        v = av.Variable([1.0, 2.0])
        assert av.argmax(v * 1.0).item() == 1
        frozen = av.Variable([-1.0], trainable=False)
        assert np.isnan(av.sqrt(frozen).numpy()).all()


def test_nested_and_closed_again():
    v = av.Variable(0.0)
    with av.debug.check_numerics(inf=False) as watch:
        with av.debug.check_numerics(), pytest.raises(FloatingPointError):
            av.log(v)
        av.log(v)
        with pytest.raises(RuntimeError, match="open already"):
            watch.__enter__()
    with watch:  # once more
        av.log(v)
    assert av.log(v).item() == -np.inf and active() is None


def test_a_tape_may_be_older_than_the_watch():
    v = av.Variable(0.0, name="v")
    with av.GradientTape(persistent=True) as tape:
        y = av.sqrt(v)
        with av.debug.check_numerics(), pytest.raises(FloatingPointError, match="log gave"):
            av.log(v)
    with av.debug.check_numerics():
        with pytest.raises(FloatingPointError, match="the gradient of sqrt, with respect"):  # its line is not known
            tape.gradient(y, v)
        with tape:
            z = v * 2.0
        assert tape.gradient(z, v).item() == 2.0


def test_it_holds_for_its_thread():
    v, found = av.Variable(0.0), []
    with av.debug.check_numerics():
        thread = threading.Thread(target=lambda: found.append(av.log(v).item()))
        thread.start()
        thread.join()
    assert found == [-np.inf]


def test_a_tape_with_check_numerics_looks_at_its_walk_wherever_that_is():
    v = av.Variable(0.0, name="v")
    with av.GradientTape(check_numerics=True) as tape:
        y = av.sqrt(v)
    with pytest.raises(FloatingPointError, match="the gradient of sqrt"):
        tape.gradient(y, v)
    with av.GradientTape(check_numerics=True, persistent=True) as tape:
        y = av.sqrt(v)
        with pytest.raises(FloatingPointError, match="the gradient of sqrt"):
            tape.gradient(y, v)
    with av.GradientTape() as other:
        y = av.sqrt(v)
    assert other.gradient(y, v).item() == np.inf


def test_watching_by_name_only():
    v, w = av.Variable(2.0), av.Variable(3.0)
    with av.debug.check_numerics(), av.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(v)
        y = v * w
        z = w * 2.0
        assert float(z) == 6.0  # not recorded, so it may leave
    assert tape.gradient(y, v).item() == 3.0


def test_custom_gradients_and_recomputed_ones():
    @av.custom_gradient
    def bad(x):
        return x * 1.0, lambda g: g * np.nan

    v = av.Variable([1.0, 0.0], name="v")
    again = av.recompute_grad(lambda x: av.sqrt(x))
    with av.debug.check_numerics():
        for f in (bad, again):
            with av.GradientTape() as tape:
                y = f(v)
            with pytest.raises(FloatingPointError, match="gradient of"):
                tape.gradient(y, v)


def test_what_was_computed_before_a_tape_is_a_constant_in_it():
    """As it is where nobody looks: it may be converted, and nothing of it is recorded."""
    v = av.Variable(2.0)
    with av.debug.check_numerics():
        scale = v * 3.0
        with av.GradientTape() as tape, av.name_scope("inside"):
            assert float(scale) == 6.0
            y = scale * v
        assert tape.gradient(y, v).item() == 6.0


def test_without_a_tape_everything_runs_as_ever():
    @av.custom_gradient
    def cube(x, variables=None):
        return x * x * x, lambda g: g * 3.0 * x * x

    v = av.Variable(2.0, dtype=np.float64)
    with av.debug.check_numerics(), av.name_scope("a"):
        assert cube(v).item() == 8.0
        assert av.recompute_grad(lambda x: x * v)(v).item() == 4.0
        assert float(av.cond(v > 1.0, lambda: v * 2.0, lambda: v)) == 4.0
        assert av.while_loop(lambda x: x < 30.0, lambda x: x * v, v * 1.0).item() == 32.0
        assert av.scan(lambda c, x: (c * v, c), v * 1.0, np.arange(3.0))[0].item() == 16.0
        assert av.hvp(lambda x: x**3, v, av.Tensor(np.array(1.0))).item() == 12.0
        assert av.jvp(lambda x: x**3, v, av.Tensor(np.array(1.0)))[1].item() == 12.0
        with pytest.raises(FloatingPointError, match=r"a/log gave the first Inf"):
            av.recompute_grad(lambda x: av.log(x - v))(v)


def test_nothing_is_kept_of_tapes_that_are_gone():
    v = av.Variable(1.0)
    with av.debug.check_numerics() as watch:
        for _ in range(50):
            with av.GradientTape() as tape:
                y = v * 2.0
            tape.gradient(y, v)
        del tape, y
        assert len(watch.observer.places) <= 1


# ---------------------------------------------------------------- gradient norms


def test_gradient_norms_by_scope():
    with av.VariableStore(seed=0) as store:
        for scope in ("encoder/a", "encoder/b", "head"):
            with av.variable_scope(scope):
                av.get_variable("kernel", (3, 4))
                av.get_variable("bias", (4,))
        av.get_variable("scale", ())
        variables = store.variables()
    rng = np.random.default_rng(0)
    gradients = [av.Tensor(rng.normal(size=v.shape).astype(np.float32)) for v in variables]
    gradients[3] = None
    norms = av.debug.gradient_norms(gradients, variables)
    assert list(norms) == ["encoder/a", "encoder/b", "head", ""]
    flat = [np.zeros(0) if g is None else g.numpy().ravel() for g in gradients]
    expected = [np.linalg.norm(np.concatenate(flat[i : i + 2])) for i in (0, 2, 4, 6)]
    np.testing.assert_allclose(list(norms.values()), expected, rtol=1e-6)
    assert norms.total == pytest.approx(np.linalg.norm(np.concatenate(flat)), rel=1e-6)
    lines = str(norms).splitlines()
    assert lines[2].split()[::3] == ["encoder/b", "16"] and lines[2].endswith("  bias")
    assert lines[4].startswith("(none)") and lines[5].split()[0] == "total" and lines[5].split()[3] == "49"
    outer = av.debug.gradient_norms(gradients, variables, depth=1)
    assert list(outer) == ["encoder", "head", ""]
    assert outer["encoder"] == pytest.approx(np.hypot(*expected[:2]), rel=1e-6)


def test_gradient_norms_of_rows_complex_numbers_and_what_overflows():
    table = av.Variable(np.zeros((5, 2), np.float32), name="rows_of_norms")
    with av.GradientTape() as tape:
        y = av.take(table, np.array([1, 1, 3]), axis=0)
    g = tape.gradient(y, table)
    assert isinstance(g, av.IndexedSlices)
    assert av.debug.gradient_norms([g], [table])[""] == pytest.approx(np.sqrt(2 * 4 + 2 * 1))
    wave = av.Variable(np.zeros(1, np.complex64), name="wave_of_norms")
    assert av.debug.gradient_norms(av.Tensor(np.array([3 + 4j], np.complex64)), wave).total == 5
    one = av.Variable(np.zeros(2, np.float32), name="big_of_norms")
    big = av.Tensor(np.array([3e30, 4e30], np.float32))  # whose square is none of float32
    assert av.debug.gradient_norms(big, one).total == pytest.approx(5e30, rel=1e-6)
    bad = av.debug.gradient_norms(av.Tensor(np.array([np.nan, 1], np.float32)), one)
    assert np.isnan(bad.total) and "nan" in str(bad).splitlines()[-1]


def test_gradient_norms_errors():
    v = av.Variable(np.zeros(2), name="v_of_norms")
    g = av.Tensor(np.zeros(2))
    for arguments, error, words in [
        (([g], [v, v]), ValueError, "1 gradients for 2 variables"),
        ((v, g), TypeError, "are the arguments in order"),
        ((av.Tensor(np.zeros(3)), v), ValueError, r"'v_of_norms:0' has shape \(3,\), the variable \(2,\)"),
        ((g, v, 0), ValueError, "depth"),
    ]:
        with pytest.raises(error, match=words):
            av.debug.gradient_norms(*arguments)


# ---------------------------------------------------------------- profile


def cells(text):
    return {tuple(line.split()[:-4]): line.split()[-4:] for line in text.splitlines()}


@pytest.fixture
def clock(monkeypatch):
    """Each look at the clock of profiles is a second later than the one before."""
    monkeypatch.setattr("autograd_vs.engine.profile.perf_counter", map(float, count()).__next__)


def test_profile_of_a_tape(clock):
    w = av.Variable(np.ones((50, 20), np.float32), name="w_of_profile")
    x = av.Tensor(np.ones((10, 50), np.float32))
    with av.GradientTape(profile=True) as tape:
        with av.name_scope("hidden"):
            h = np.tanh(x @ w)
        loss = av.sum(np.tanh(h) * h)
    forward = tape.profile()
    tape.gradient(loss, w)
    profile = tape.profile()
    found = cells(str(profile))
    assert found["tanh",] == ["1", "1000000", "1000000", "800"]  # of hidden, or that outside
    assert found["multiply",] == ["1", "1000000", "2000000", "0"]  # both gradients; what it needs is kept already
    assert found["matmul",][3] == "2,000"  # x; the memory of w does not count
    assert found["hidden",] == ["2", "2000000", "2000000", "2,800"]  # and h
    assert found["total",] == ["5", "5000000", "6000000", "3,600"]
    assert [line.split()[0] for line in str(profile).splitlines()[1:3]] == ["(none)", "multiply"]  # what takes longest
    assert profile.total.seconds == 11 and list(profile.scopes) == ["hidden", ""]
    assert profile.ops["hidden", "matmul"].seconds_back == 1
    assert forward.ops["hidden", "matmul"].seconds_back == 0 and forward.total.seconds_forward == 5  # a copy
    with pytest.raises(RuntimeError, match=r"GradientTape\(profile=True\)"):
        av.GradientTape().profile()


def test_profile_takes_the_time_of_ops_and_rules_only(monkeypatch):
    passed = [0.0]
    monkeypatch.setattr("autograd_vs.engine.profile.perf_counter", lambda: passed[0])

    def wait(seconds):
        passed[0] += seconds

    @av.custom_gradient
    def slow(x):
        wait(2)
        return x * 1.0, lambda g: (wait(1), g)[1]

    v = av.Variable(1.0)
    wait(50)
    with av.GradientTape(profile=True, persistent=True) as tape:
        wait(0.5)  # between the ops
        y = slow(v)
    wait(50)
    for _ in range(3):
        tape.gradient(y, v)
    wait(50)
    with tape:
        y * 2.0
    total = tape.profile().total
    assert (total.seconds_forward, total.seconds_back) == (2.5, 3.0)


def test_profile_sums_over_scopes_opened_again_and_changes_no_bit():
    def gradient(**options):
        with av.VariableStore(seed=0):
            with av.GradientTape(**options) as tape:
                h = np.ones((2, 4), np.float32)
                for i in range(6):
                    with av.variable_scope("cell", reuse=i > 0):
                        h = np.tanh(h @ av.get_variable("w", (4, 4)))
                loss = av.sum(h)
            return tape, tape.gradient(loss, tape.watched_variables())[0].numpy().tobytes()

    (tape, watched), (_, plain) = gradient(profile=True), gradient()
    assert watched == plain  # products of several uses are stacked, as ever
    assert {key: row.calls for key, row in tape.profile().ops.items()} == {
        ("cell", "matmul"): 6,
        ("cell", "tanh"): 6,
        ("", "sum"): 1,
    }


def test_profile_of_higher_orders_counts_nothing_twice(clock):
    x = av.Variable(0.5, dtype=np.float64)
    with av.GradientTape(profile=True, persistent=True) as outer:
        with av.GradientTape(profile=True) as inner:
            y = av.sin(x)
        dy = inner.gradient(y, x)
        itself = outer.gradient(dy, x)
        y * 2.0
    assert itself.item() == -np.sin(0.5)
    inside, total = inner.profile().total, outer.profile().total
    assert inside.calls == 1 and inside.seconds_forward >= 1 and inside.seconds_back >= 1
    assert total.calls > 2 and total.seconds_forward == 2 + 1  # sin, and the product: all others are parts of rules
    assert total.seconds_back > inside.seconds_back  # and its own walk


def test_profile_counts_what_the_tape_keeps_and_forgets_at_reset():
    v = av.Variable(np.ones(5, np.float32))
    with av.GradientTape(profile=True, persistent=True) as tape:
        for _ in range(2):
            tape.reset()
            y = av.recompute_grad(lambda x: av.sin(av.cos(x)))(v * np.float32(2)) + av.square(v)
    ops = tape.profile().ops
    assert [ops["", op].bytes for op in ("cos", "square", "multiply")] == [0, 0, 4]  # the Variable is there anyway
    assert ops["", "cos"].calls == 1
    with tape:
        tape.gradient(y, v)  # this tape hears the walk inside of the rule, too
    ops = tape.profile().ops
    assert ops["", "cos"].calls > 1 and tape.profile().total.seconds_back > 0
    assert ops["", "sin"].seconds_back == ops["", "cos"].seconds_back == 0  # it is part of the rule
    tape.reset()
    assert tape.profile().ops == {}


def test_profile_with_numerics_anew_and_in_a_function():
    v = av.Variable(2.0)
    tape = av.GradientTape(profile=True, check_numerics=True)
    for _ in range(2):  # each time anew
        with tape:
            y = av.split(v * np.ones(2, np.float32), 2)[0]
        tape.gradient(y, v)
        assert {op: row.calls for (_, op), row in tape.profile().ops.items()} == {
            "multiply": 1,
            "array_split": 1,
            "item": 0,
        }
    with pytest.raises(FloatingPointError, match="log gave"), tape:
        av.log(v - 2.0)

    @av.function
    def f():
        with av.GradientTape(profile=True):
            return v * 2.0

    with pytest.raises(RuntimeError, match=r"f\.profile\(arguments\)"):
        f()
