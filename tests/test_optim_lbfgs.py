"""L-BFGS: PyTorch's trajectories, the Wolfe conditions, what goes on between calls, and what it refuses."""

import copy
import json
import pickle
from pathlib import Path

import numpy as np
import pytest

import autograd_vs as av
import optim
from optim.lbfgs import Point, strong_wolfe

GOLDEN = json.loads((Path(__file__).parent / "golden" / "lbfgs.json").read_text())
X, LABELS = (np.array(GOLDEN["inputs"][key]) for key in ("x", "labels"))


@pytest.fixture(autouse=True)
def own_store():
    with av.VariableStore():
        yield


def rosenbrock(x):
    return (1.0 - x[0]) ** 2 + 100.0 * (x[1] - x[0] ** 2) ** 2


def quadratic(x):
    return av.sum(np.array([1.0, 10.0, 200.0, 3000.0]) * (x - 1.0) ** 2)


def logistic(kernel, bias, head, offset):
    x, labels = X.astype(kernel.dtype), LABELS.astype(kernel.dtype)
    z = np.tanh(x @ kernel + bias) @ head + offset
    weights = [av.sum(v**2) for v in (kernel, bias, head, offset)]
    return av.mean(av.nn.softplus(z) - labels * z) + 0.01 * sum(weights)


PROBLEMS = {"rosenbrock": rosenbrock, "quadratic": quadratic, "logistic": logistic}


def start(problem, dtype=np.float64):
    """The variables at the start, and the loss as a function without arguments."""
    of = [av.Variable(np.array(value, dtype), name=name) for name, value in GOLDEN["start"][problem].items()]
    return of, lambda: PROBLEMS[problem](*of)


def here(arguments):
    """PyTorch's arguments as they are spelled here."""
    spelled = {"lr": "learning_rate", "line_search_fn": "line_search"}
    return {"line_search": None} | {spelled.get(key, key): value for key, value in arguments.items()}


# ---------------------------------------------------------------- formulas
@pytest.mark.parametrize("case", GOLDEN["cases"])
def test_trajectory_is_pytorchs(case):
    case = GOLDEN["cases"][case]
    of, loss = start(case["problem"])
    optimizer = optim.LBFGS(**here(case["arguments"]))
    for before, after in zip(case["losses"], case["after"], strict=True):
        np.testing.assert_allclose(optimizer.minimize(loss, of).item(), before, rtol=1e-10, atol=1e-10)
        for v in of:
            np.testing.assert_allclose(v.numpy(), after[v.op.name], rtol=1e-10, atol=1e-10)


def test_evaluations_are_about_as_many_as_scipys():
    scipy = pytest.importorskip("scipy.optimize", reason="SciPy is not installed")
    (x,), loss = start("rosenbrock")
    optimizer = optim.LBFGS(max_iter=100, max_eval=200, tolerance_grad=1e-8, tolerance_change=0.0)
    optimizer.minimize(loss, [x])
    theirs = scipy.minimize(
        scipy.rosen, [-1.2, 1.0], jac=scipy.rosen_der, method="L-BFGS-B",
        options={"maxcor": 10, "gtol": 1e-8, "ftol": 0.0},
    )  # fmt: skip
    ours = optimizer.result
    assert ours.status == "tolerance_grad" and abs(x.numpy() - 1.0).max() < 1e-8
    assert ours.evaluations < 1.3 * theirs.nfev


# As in tests/golden/make_lbfgs.py, and one that ends at a wall. The first is (5.1) of More and Thuente, "Line search
# algorithms with guaranteed sufficient decrease", 1994.
LINES = {
    "flat": (lambda t: -t / (t**2 + 2), lambda t: (t**2 - 2) / (t**2 + 2) ** 2),
    "steep": (lambda t: np.exp(5 * t) - 90 * t, lambda t: 5 * np.exp(5 * t) - 90),
    "power": (lambda t: (t - 1) ** 8 - 1, lambda t: 8 * (t - 1) ** 7),
    "waves": (lambda t: t * t - 4 * t - np.sin(9 * t) / 2, lambda t: 2 * t - 4 - 4.5 * np.cos(9 * t)),
    "kink": (lambda t: 20 * max(t - 0.37, 0.0) ** 1.25 - t, lambda t: 25 * max(t - 0.37, 0.0) ** 0.25 - 1),
    "wall": (
        lambda t: -np.log(1 - t) - 3 * t if t < 1 else np.inf,
        lambda t: 1 / (1 - t) - 3 if t < 1 else np.nan,
    ),
}


@pytest.mark.parametrize("case", GOLDEN["searches"], ids=lambda case: f"{case['line']} {case['first']}")
def test_a_line_search_tries_what_pytorchs_tries(case):
    (value, slope), tried = LINES[case["line"]], []

    def at(t):
        tried.append(t)
        return Point(t, float(value(t)), float(slope(t)))

    found = strong_wolfe(at, Point(0.0, float(value(0.0)), float(slope(0.0))), case["first"])
    np.testing.assert_allclose(tried, case["tried"], rtol=1e-9)
    assert found.step == pytest.approx(case["found"], rel=1e-9)


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("first", [1e-3, 0.1, 0.9, 10.0, 1e3])
def test_steps_meet_the_wolfe_conditions(line, first):
    value, slope = LINES[line]
    tried = []

    def at(t):
        tried.append(t)
        with np.errstate(over="ignore"):
            y = float(value(t))
        return Point(t, y if np.isfinite(y) else np.inf, float(slope(t)) if np.isfinite(y) else np.nan)

    zero = Point(0.0, float(value(0.0)), float(slope(0.0)))
    with np.errstate(over="ignore", invalid="ignore"):
        found = strong_wolfe(at, zero, first)
    assert found.loss <= zero.loss + 1e-4 * found.step * zero.slope
    assert abs(found.slope) <= 0.9 * abs(zero.slope)
    assert tried[0] == first and len(tried) <= 25


def test_a_line_search_without_a_lower_point_gives_the_start():
    zero = Point(0.0, 1.0, -1.0)
    tried = []
    assert strong_wolfe(lambda t: tried.append(t) or Point(t, 1.0 + t, 1.0), zero, 1.0) is zero
    assert len(tried) == 25
    assert strong_wolfe(lambda t: tried.append(t) or Point(t, 1.0 + t, 1.0), zero, 1.0, narrowest=0.5) is zero
    assert len(tried) < 25 + 25


def test_a_line_search_goes_far_but_not_for_ever():
    tried = []
    found = strong_wolfe(lambda t: tried.append(t) or Point(t, -t, -1.0), Point(0.0, 0.0, -1.0), 1.0)
    assert len(tried) == 25 and found.step == tried[-1] and np.all(np.diff(tried) > 0)


def test_where_a_line_search_goes_next():
    """Beyond the interval where it falls on, at least a little; into the interval where it has risen."""
    for points, low, high in [
        ([(-0.0002, -0.95)], 1.01, 1.01),  # the cubic has its minimum before 1
        ([(-1.0, -1.0)], 10.0, 10.0),  # a line
        ([(-1.0, -1.0), (-0.95, -1.0)], 1.0, 10.0),  # fallen enough, but higher than at 1
        ([(0.5, 1.0), (-1e-6, 1.0), (1.0, 1.0)], 0.0, 0.116),  # lower, but not enough: no end to keep
        ([(-1.5, 1.0), (-1.2, -1.0)], 0.99, 0.991),  # twice near the right end: a tenth of the interval away from it
    ]:
        tried, left = [], iter(points)

        def at(t, tried=tried, left=left):
            tried.append(t)
            return Point(t, *next(left, (-9e9, 0.0)))

        strong_wolfe(at, Point(0.0, 0.0, -1.0), 1.0)
        assert low <= tried[len(points)] <= high


# ---------------------------------------------------------------- uses
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("problem", PROBLEMS)
def test_gets_to_the_minimum(problem, dtype):
    of, loss = start(problem, dtype)
    optimizer = optim.LBFGS(max_iter=200, max_eval=400, tolerance_grad=0.0, tolerance_change=0.0)
    before = optimizer.minimize(loss, of)
    assert before.item() == pytest.approx(PROBLEMS[problem](*start(problem)[0]).item(), rel=1e-5)
    assert optimizer.result.status in ("precision", "tolerance_grad")
    assert optimizer.result.loss == loss().item()
    with av.GradientTape() as tape:
        y = loss()
    assert max(abs(g.numpy()).max() for g in tape.gradient(y, of)) < (1e-2 if dtype == np.float32 else 1e-6)
    assert all(v.dtype == dtype for v in of)


def test_another_call_in_single_precision_ends_without_a_warning():
    """Where the first optimizer ended, a fresh one finds no lower loss along the gradient: rounding, not a mistake."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-2, 2, (64, 1)).astype(np.float32)
    y = np.sin(2 * x)
    hidden = av.Variable(rng.normal(size=(1, 16)).astype(np.float32), name="hidden")
    bias = av.Variable(np.zeros(16, np.float32), name="bias")
    head = av.Variable(rng.normal(size=(16, 1)).astype(np.float32) / 4, name="head")

    def loss():
        return av.mean((np.tanh(x @ hidden + bias) @ head - y) ** 2)

    optim.LBFGS(max_iter=300, max_eval=400).minimize(loss)
    again = optim.LBFGS(max_iter=50, tolerance_grad=0.0)
    for _ in range(3):
        again.minimize(loss)
    assert again.result.loss < 1e-3


def test_float32_and_float64_variables_together():
    (x,), _ = start("quadratic")
    y = av.Variable(np.float32([3.0]), name="y")
    optimizer = optim.LBFGS(max_iter=50, tolerance_grad=1e-5)
    optimizer.minimize(lambda: quadratic(x) + av.sum((y.astype(np.float64) - x[0]) ** 2), [y, x])
    np.testing.assert_allclose(x.numpy(), 1.0, atol=1e-5)
    np.testing.assert_allclose(y.numpy(), 1.0, atol=1e-5)
    assert (x.dtype, y.dtype) == (np.float64, np.float32)


def test_a_compiled_loss_gives_the_same_bits():
    ended = []
    for wrap in (lambda f: f, av.function):
        with av.VariableStore():
            of, loss = start("logistic")
            loss = wrap(loss)
            optimizer = optim.LBFGS(max_iter=15)
            losses = [optimizer.minimize(loss, of).item() for _ in range(3)]
            ended.append((losses, [v.numpy().tolist() for v in of], optimizer.result))
    assert ended[0] == ended[1]
    assert optimizer._latest[2].traces == 1
    assert bits(pickle.loads(pickle.dumps(optimizer)), of) == bits(optimizer, of)


def test_compiled_losses_and_variables_may_change():
    (x,), _ = start("quadratic")
    y = av.Variable(np.array([4.0, 5.0]), name="y")
    one = av.function(lambda: quadratic(x) + av.sum((y - x[0]) ** 2))
    other = av.function(lambda: quadratic(x) + av.sum((y - 7.0) ** 2))
    rows = av.function(lambda: av.sum((av.take(y, np.array([1, 1]), axis=0) - 9.0) ** 2))
    optimizer = optim.LBFGS(max_iter=40)
    optimizer.minimize(one, [x])
    assert y.numpy().tolist() == [4.0, 5.0]
    optimizer.minimize(one, [x, y])
    np.testing.assert_allclose(y.numpy(), 1.0, atol=1e-5)
    optimizer.minimize(other, [x, y])
    np.testing.assert_allclose(y.numpy(), 7.0, atol=1e-5)
    optimizer.minimize(rows, [y])
    np.testing.assert_allclose(y.numpy(), [7.0, 9.0], atol=1e-5)
    signed = av.function(input_signature=())(lambda: quadratic(x))
    optimizer.minimize(signed, [x])


def test_the_step_itself_cannot_be_traced():
    of, loss = start("rosenbrock")
    before = of[0].numpy()
    optimizer = optim.LBFGS()
    with pytest.raises(RuntimeError, match=r"minimize\(av.function\(loss_fn\), variables\)"):
        av.function(lambda: optimizer.minimize(loss, of))()
    assert np.array_equal(of[0].numpy(), before) and optimizer.iterations == 0


def test_variables_are_found_and_frozen_ones_left_alone():
    (x,), _ = start("quadratic")
    frozen = av.Variable(np.array(2.0), trainable=False, name="frozen")
    optimizer = optim.LBFGS()
    optimizer.minimize(lambda: quadratic(x) * frozen)
    optimizer.minimize(lambda: quadratic(x) * frozen, [x, frozen])
    assert frozen.item() == 2.0 and list(optimizer._slots) == ["x"]
    other = av.Variable(np.ones(2), name="other")
    with pytest.warns(av.PartialGradientWarning, match="other"):
        optimizer.minimize(lambda: quadratic(x), [other, x])
    with pytest.raises(ValueError, match="all gradients are None"):
        optimizer.minimize(lambda: quadratic(x), [other])


def test_rows_and_variables_without_elements():
    table, empty = av.Variable(np.ones((3, 2)), name="table"), av.Variable(np.ones((0, 2)), name="empty")

    def loss():
        rows = av.take(table, np.array([0, 2, 2]), axis=0)
        return av.sum((rows - np.arange(6.0).reshape(3, 2)) ** 2) + av.sum(empty)

    optim.LBFGS().minimize(loss, [empty, table])
    np.testing.assert_allclose(table.numpy(), [[0.0, 1.0], [1.0, 1.0], [3.0, 4.0]], atol=1e-6)


def test_a_schedule_gets_the_iterations():
    seen = []
    of, loss = start("rosenbrock")
    optimizer = optim.LBFGS(lambda i: seen.append(i) or 1.0, max_iter=3, max_eval=30)
    optimizer.minimize(loss, of)
    optimizer.minimize(loss, of)
    assert seen == [*range(6)] and optimizer.iterations == 6
    assert optimizer.get_slot(of[0], "step").item() == 6


def test_a_learning_rate_of_zero_changes_nothing():
    of, loss = start("rosenbrock")
    optimizer = optim.LBFGS(0.0)
    with pytest.warns(RuntimeWarning, match="no loss lower"):
        optimizer.minimize(loss, of)
    assert of[0].numpy().tolist() == GOLDEN["start"]["rosenbrock"]["x"] and optimizer.iterations == 0


def test_one_iteration_is_made_whatever_max_eval_is():
    of, loss = start("rosenbrock")
    optimizer = optim.LBFGS(max_eval=1)
    optimizer.minimize(loss, of)
    assert optimizer.result.iterations == 1 and optimizer.result.status == "max_eval"


@pytest.mark.parametrize(("slope", "rate"), [(0.5, 0.3), (10.0, 0.05)], ids=["loss", "step"])
def test_a_small_change_ends_a_call(slope, rate):
    """Of the loss by 0.075 in a step of 0.15, and by 0.5 in a step of 0.05."""
    x = av.Variable(np.array(3.0), name="x")
    optimizer = optim.LBFGS(rate, tolerance_change=0.1, line_search=None)
    optimizer.minimize(lambda: slope * x, [x])
    assert optimizer.result[1:] == (1, 2, "tolerance_change")


def test_a_small_gradient_counts_before_a_small_change():
    x = av.Variable(np.array(0.5), name="x")
    optimizer = optim.LBFGS(tolerance_change=0.2)
    optimizer.minimize(lambda: x * x / 2, [x])
    assert optimizer.result == (0.0, 1, 2, "tolerance_grad")


def test_max_eval_ends_a_call():
    of, loss = start("rosenbrock")
    optimizer = optim.LBFGS(max_eval=5)
    optimizer.minimize(loss, of)
    assert optimizer.result.status == "max_eval" and 5 <= optimizer.result.evaluations <= 7


def test_a_call_at_the_minimum_does_nothing():
    of, loss = start("quadratic")
    optimizer = optim.LBFGS()
    of[0].assign(np.ones(4))
    optimizer.minimize(loss, of)
    assert optimizer.result == (0.0, 0, 1, "tolerance_grad")
    assert of[0].numpy().tolist() == [1.0] * 4 and len(optimizer.slots) == 0


# ---------------------------------------------------------------- state
def bits(optimizer, of):
    state = {k: v.tobytes() if hasattr(v, "tobytes") else v for k, v in optimizer.state_dict().items()}
    return state | {v.op.name: v.numpy().tobytes() for v in of}


@pytest.mark.parametrize("line_search", ["strong_wolfe", None])
def test_stopped_after_any_call_and_resumed(line_search, tmp_path):
    pytest.importorskip("safetensors", reason="checkpoints need the extra [train]")

    def make():
        of, loss = start("logistic")
        return of, loss, optim.LBFGS(0.9, max_iter=3, history_size=4, line_search=line_search)

    of, loss, optimizer = make()
    with av.VariableStore():
        wanted_of, wanted_loss, wanted = make()
        for _ in range(6):
            wanted.minimize(wanted_loss, wanted_of)
    for stop in range(6):
        av.save(tmp_path / f"{stop}.safetensors", of, optimizer)
        with av.VariableStore():
            others, again, resumed = make()
            for v in others:
                v.assign(v * 0 + 7)
            av.load(tmp_path / f"{stop}.safetensors", others, resumed)
            for _ in range(stop, 6):
                resumed.minimize(again, others)
            assert bits(resumed, others) == bits(wanted, wanted_of), f"stopped at {stop}"
        optimizer.minimize(loss, of)


def test_state_goes_by_name():
    of, loss = start("logistic")
    optimizer = optim.LBFGS(max_iter=3, history_size=4)
    optimizer.minimize(loss, of)
    state = optimizer.state_dict()
    assert state["lbfgs/s/kernel"].shape == (4, 4, 3) and state["lbfgs/y/offset"].shape == (4,)
    assert not state["lbfgs/s/kernel"][0].any() and state["lbfgs/s/kernel"][1:].any((1, 2)).all()
    s, y = (np.concatenate([state[f"lbfgs/{k}/{v.op.name}"].reshape(4, -1) for v in of], 1) for k in "sy")
    assert ((s * y).sum(1)[1:] > 0).all()
    for two in (copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
        assert bits(two, of) == bits(optimizer, of)
    other = optim.LBFGS(max_iter=3, history_size=3)
    with pytest.raises(ValueError, match=r"'kernel': slot 's' has shape \(4, 4, 3\)"):
        other.load_state_dict(state)
        other.minimize(loss, of)
    renamed = optim.LBFGS(max_iter=3, history_size=4)
    renamed.load_state_dict({key.replace("kernel", "colonel"): value for key, value in state.items()})
    before = bits(renamed, of)
    with pytest.raises(ValueError, match=r"unclaimed \('colonel'\)"):
        renamed.minimize(loss, of)
    assert bits(renamed, of) == before


def test_variables_may_be_assigned_and_join_between_calls():
    """The pairs stay true: from another place, and with more variables, it gets to the minimum as well."""
    (x,), _ = start("quadratic")
    optimizer = optim.LBFGS(max_iter=30)
    optimizer.minimize(lambda: quadratic(x), [x])
    x.assign(np.array([50.0, -20.0, 3.0, -1.0]))
    optimizer.minimize(lambda: quadratic(x), [x])
    np.testing.assert_allclose(x.numpy(), 1.0, atol=1e-5)
    y = av.Variable(np.array([4.0, 5.0]), name="y")
    x.assign(np.zeros(4))
    optimizer.minimize(lambda: quadratic(x) + 7 * av.sum((y - x[0]) ** 2), [y, x])
    np.testing.assert_allclose(y.numpy(), 1.0, atol=1e-5)
    assert [optimizer.get_slot(v, "s").shape for v in (x, y)] == [(10, 4), (10, 2)]


def test_reset_forgets_the_pairs():
    of, loss = start("rosenbrock")
    optimizer = optim.LBFGS(max_iter=5)
    optimizer.minimize(loss, of)
    optimizer.reset()
    assert len(optimizer.slots) == optimizer.iterations == 0
    of[0].assign(np.array(GOLDEN["start"]["rosenbrock"]["x"]))
    fresh = optim.LBFGS(max_iter=5)
    optimizer.minimize(loss, of)
    at = of[0].numpy()
    of[0].assign(np.array(GOLDEN["start"]["rosenbrock"]["x"]))
    fresh.minimize(loss, of)
    assert np.array_equal(at, of[0].numpy())


# ---------------------------------------------------------------- what goes wrong
@pytest.mark.parametrize(
    ("value", "words"), [(-1.0, "the loss is nan"), (0.0, "the loss is 0.0 at .* or its gradient")]
)
def test_what_is_not_finite_at_the_start_changes_nothing(value, words):
    x = av.Variable(np.array([value]), name="x")
    optimizer = optim.LBFGS()
    with np.errstate(invalid="ignore", divide="ignore"), pytest.raises(FloatingPointError, match=words):
        optimizer.minimize(lambda: av.sum(np.sqrt(x)), [x])
    assert x.item() == value and optimizer.iterations == 0 and optimizer.result is None and not len(optimizer.slots)


def test_a_variable_that_later_evaluations_do_not_need():
    x, y = av.Variable(np.array(3.0), name="x"), av.Variable(np.array(0.0), name="y")
    optimizer = optim.LBFGS()
    optimizer.minimize(lambda: x * x + y if x.item() > 2 else x * x - 5.0, [x, y])
    np.testing.assert_allclose(x.numpy(), 0.0, atol=1e-6)
    assert y.item() < 0


def test_a_wall_of_nan_is_a_step_too_long():
    x = av.Variable(np.array([1e-3, 5.0]), name="x")  # log(x) beyond 0 is NaN
    optimizer = optim.LBFGS(max_iter=60, max_eval=200)
    with np.errstate(invalid="ignore"):
        optimizer.minimize(lambda: av.sum(x - np.log(x)), [x])
    np.testing.assert_allclose(x.numpy(), 1.0, atol=1e-5)


def test_without_line_search_a_step_to_nan_is_taken_back():
    x = av.Variable(np.array([2.0]), name="x")
    optimizer = optim.LBFGS(5.0, line_search=None)
    with np.errstate(invalid="ignore"), pytest.raises(FloatingPointError, match=r"loss was 1\.306.*smaller learning"):
        optimizer.minimize(lambda: av.sum(x - np.log(x)), [x])
    assert x.numpy().tolist() == [2.0] and optimizer.iterations == 0 and optimizer.result is None


def test_an_exception_in_the_middle_leaves_the_last_iteration():
    of, loss = start("rosenbrock")
    (x,) = of
    calls = []

    def failing():
        calls.append(x.numpy())
        if len(calls) == 9:
            raise KeyError("mine")
        return loss()

    optimizer = optim.LBFGS(max_iter=30)
    with pytest.raises(KeyError, match="mine"):
        optimizer.minimize(failing, of)
    done = optimizer.iterations
    reference = optim.LBFGS(max_iter=done, max_eval=99)
    with av.VariableStore():
        others, again = start("rosenbrock")
        reference.minimize(again, others)
        at = others[0].numpy()
    assert 0 < done < 9 and np.array_equal(x.numpy(), at)
    assert not np.array_equal(x.numpy(), calls[-1])
    assert np.array_equal(optimizer.get_slot(x, "s").numpy(), reference.get_slot("x", "s").numpy())
    optimizer.minimize(loss, of)
    assert optimizer.result.loss < 1e-3


def test_a_wrong_gradient_is_told():
    x = av.Variable(np.array([3.0, 4.0]), name="x")

    @av.custom_gradient
    def wrong(v):
        return av.sum(v * v), lambda g: -2.0 * v * g

    optimizer = optim.LBFGS()
    with pytest.warns(RuntimeWarning, match="found no loss lower than 25.0"):
        optimizer.minimize(lambda: wrong(x), [x])
    assert x.numpy().tolist() == [3.0, 4.0] and optimizer.result.status == "line_search"


def test_pairs_of_another_loss_are_dropped_where_they_mislead():
    """The curvature of a flat loss makes steps so long that no trial lands before the wall of the next loss."""
    x = av.Variable(np.array([3.0]), name="x")
    optimizer = optim.LBFGS(max_eval=100, tolerance_grad=1e-15, tolerance_change=0.0)
    optimizer.minimize(lambda: 1e-12 * av.sum((x - 2.5) ** 2), [x])
    assert optimizer.get_slot(x, "s").numpy().any()
    with np.errstate(invalid="ignore"):
        optimizer.minimize(lambda: av.sum(x - np.log(x)), [x])
    assert optimizer.result.evaluations > 25
    np.testing.assert_allclose(x.numpy(), 1.0, atol=1e-6)


CONSTRAINED = {"constraint": lambda v: np.maximum(v.numpy(), 0.0)}


@pytest.mark.parametrize(
    ("variable", "error", "words"),
    [
        ({"initial_value": np.ones(2, np.float16)}, TypeError, "'bad:0' has dtype float16.*half precision"),
        ({"initial_value": np.ones(2, complex)}, TypeError, "'bad:0' has dtype complex128.*real and imaginary"),
        ({"initial_value": np.ones(2)} | CONSTRAINED, ValueError, "'bad:0' has a constraint.*softplus"),
    ],
)
def test_variables_that_it_does_not_take(variable, error, words):
    good = av.Variable(np.ones(2), name="good")
    bad = av.Variable(variable.pop("initial_value"), name="bad", **variable)
    optimizer = optim.LBFGS()
    with pytest.raises(error, match=words):
        optimizer.minimize(lambda: av.sum(good**2) + av.sum(np.abs(bad) ** 2).astype(np.float64), [good, bad])
    assert good.numpy().tolist() == [1.0, 1.0] and not len(optimizer.slots)


def test_losses_that_it_does_not_take():
    x = av.Variable(np.ones(2), name="x")
    with pytest.raises(ValueError, match=r"one real number, got float64 of shape \(2,\)"):
        optim.LBFGS().minimize(lambda: x * x, [x])
    with pytest.raises(TypeError, match="minimize takes a function"):
        optim.LBFGS().minimize(av.sum(x * x), [x])
    with pytest.raises(RuntimeError, match=r"'lbfgs' needs the loss at several points.*minimize\(loss_fn"):
        optim.LBFGS().apply_gradients([(np.ones(2), x)])
    assert x.numpy().tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"clipnorm": 1.0}, TypeError, "no 'clipnorm': a clipped gradient"),
        ({"weight_decay": 0.1}, TypeError, "no 'weight_decay': add it to the loss"),
        ({"accumulate_steps": 2}, TypeError, "no 'accumulate_steps': add the losses"),
        ({"rates": {"a": 1.0}}, TypeError, "no 'rates': one step length"),
        ({"lr": 1.0}, TypeError, "no argument 'lr': write learning_rate.*line_search, name$"),
        ({"line_search_fn": "strong_wolfe"}, TypeError, "write line_search"),
        ({"line_search": "armijo"}, ValueError, "'strong_wolfe' or None, got 'armijo'"),
        ({"max_iter": "a"}, ValueError, "max_iter must be an integer >= 1, got 'a'"),
        ({"max_iter": 0}, ValueError, "max_iter must be an integer >= 1, got 0"),
        ({"history_size": 2.5}, ValueError, "history_size must be an integer >= 1, got 2.5"),
        ({"tolerance_grad": -1.0}, ValueError, "tolerance_grad must be in"),
        ({"learning_rate": -1.0}, ValueError, "learning_rate must be finite and not negative"),
    ],
)
def test_arguments_that_it_does_not_take(arguments, error, words):
    with pytest.raises(error, match=words):
        optim.LBFGS(**arguments)
