"""Learning rates: PyTorch's values iteration by iteration, the paper's where PyTorch has none, and plateaus."""

import copy
import json
import pickle
from math import nan
from pathlib import Path

import numpy as np
import pytest

import autograd_vs as av
import optim
from autograd_vs.base.backend import to_numpy
from optim import schedules

CASES = json.loads((Path(__file__).parent / "golden" / "schedules.json").read_text())["cases"]
SCALER = CASES.pop("scaler")


@pytest.mark.parametrize("case", [name for name, case in CASES.items() if case["schedule"]])
def test_rates_are_pytorchs(case):
    case = CASES[case]
    schedule = getattr(schedules, case["schedule"])(**case["arguments"])
    np.testing.assert_allclose([schedule(i) for i in range(40)], case["rates"], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("case", [name for name, case in CASES.items() if not case["schedule"]])
@pytest.mark.parametrize("as_variable", [False, True])
@pytest.mark.parametrize("resumed_at", [None, 4, 9])
def test_plateaus_are_pytorchs(case, as_variable, resumed_at):
    case = CASES[case]
    optimizer = optim.SGD(av.Variable(np.float64(0.5), trainable=False) if as_variable else 0.5)
    plateau, found = optim.ReduceOnPlateau(optimizer, **case["arguments"]), []
    for i, value in enumerate(case["values"]):
        if i == resumed_at:
            state = plateau.state_dict()
            plateau = optim.ReduceOnPlateau(optimizer, **case["arguments"])
            plateau.load_state_dict(state)
        before = optimizer.current_rate()
        assert plateau.update(av.Tensor(value)) is (optimizer.current_rate() < before)
        found.append(optimizer.current_rate())
    np.testing.assert_allclose(found, case["rates"], rtol=1e-12)


def test_the_inverse_square_root_is_that_of_the_paper():
    d_model, warm = 512, 4000
    schedule = schedules.inverse_square_root((d_model * warm) ** -0.5, warm)
    for step in (1, 10, 3999, 4000, 4001, 100_000):
        np.testing.assert_allclose(schedule(step - 1), d_model**-0.5 * min(step**-0.5, step * warm**-1.5), rtol=1e-14)


def test_restarts_fall_from_lower_values_each_time():
    schedule = schedules.cosine_restarts(1.0, 10, factor=1, shrink=0.5)
    assert [schedule(i) for i in (0, 10, 20)] == [1.0, 0.5, 0.25]
    longer = schedules.cosine_restarts(1.0, 10, factor=1.5, shrink=0.5)
    assert [longer(i) for i in (0, 10, 25)] == [1.0, 0.5, 0.25]


@pytest.mark.parametrize("make", [schedules.cosine, schedules.polynomial, schedules.one_cycle])
def test_the_last_rate_stays(make):
    schedule = make(0.5, steps=40)
    assert schedule(39) < 0.02
    assert schedule(41) == schedule(55) == schedule(10_000) == schedule(40) <= schedule(39)


def test_schedules_are_pure():
    """The same whatever was asked before: a resumed run goes on where it stopped."""
    for case in CASES.values():
        if case["schedule"]:
            schedule = getattr(schedules, case["schedule"])(**case["arguments"])
            forth, back = [schedule(i) for i in range(60)], [schedule(i) for i in reversed(range(60))]
            assert forth == back[::-1]


@pytest.mark.parametrize("case", [name for name, case in CASES.items() if case["schedule"]])
def test_schedules_are_pickled_and_say_what_they_are(case):
    make = getattr(schedules, CASES[case]["schedule"])
    schedule = make(**CASES[case]["arguments"])
    for again in (pickle.loads(pickle.dumps(schedule)), copy.deepcopy(schedule), eval(repr(schedule), vars(schedules))):
        assert [again(i) for i in range(60)] == [schedule(i) for i in range(60)]
    optimizer = pickle.loads(pickle.dumps(optim.Adam(schedules.warm_up(schedule, steps=5))))
    assert optimizer.current_rate() == 0.0
    assert f"learning_rate=warm_up({schedule!r}, steps=5)" in repr(optimizer)


@pytest.mark.parametrize("case", [name for name, case in CASES.items() if case["schedule"]])
def test_a_traced_step_takes_the_rate_of_each_iteration(case):
    """Steps of a gradient of one are the rates; the function is traced once."""
    case = CASES[case]
    v = av.Variable(np.zeros(1), name="v")
    optimizer = optim.SGD(getattr(schedules, case["schedule"])(**case["arguments"]))
    step = av.function(lambda g: optimizer.apply_gradients([(g, v)]))
    for rate in case["rates"]:
        before = v.item()
        step(np.ones(1))
        np.testing.assert_allclose(before - v.item(), rate, rtol=1e-12, atol=1e-14)
    assert step.traces == 1


def test_a_plateau_in_a_traced_step_counts_at_the_next_one():
    v = av.Variable([1.0], name="v")
    optimizer = optim.SGD(0.5)
    plateau = optim.ReduceOnPlateau(optimizer, factor=0.5, patience=0)
    step = av.function(lambda x: optimizer.apply_gradients([(x, v)]))
    step(np.ones(1, np.float32))
    plateau.update(1.0)
    assert plateau.update(1.0)
    step(np.ones(1, np.float32))
    assert v.item() == 0.25


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: schedules.cosine_restarts(1.0, 10, factor=0.5), ValueError, "factor must be 1 or more"),
        (lambda: schedules.cosine_restarts(1.0, 0), ValueError, "steps must be positive"),
        (lambda: schedules.polynomial(1.0, -1), ValueError, "steps must be positive"),
        (lambda: schedules.inverse_square_root(1.0, 0), ValueError, "steps must be positive"),
        (lambda: schedules.one_cycle(1.0, 2), ValueError, "rises for warm"),
        (lambda: schedules.one_cycle(1.0, 10, start_factor=0), ValueError, "start_factor must be positive, got 0"),
        (lambda: schedules.one_cycle(1.0, 10, final_factor=-1), ValueError, "final_factor must be positive, got -1"),
        (lambda: schedules.exponential_decay(1.0, 10, -0.5), ValueError, "rate must be positive, got -0.5"),
        (lambda: schedules.polynomial(1.0, 10, power=0), ValueError, "power must be positive, got 0"),
        (lambda: schedules.cosine("0.1", 10), TypeError, r"^cosine\('0.1', 10\) is no schedule"),
        (lambda: schedules.cosine(np.ones(2), 10), TypeError, "is no schedule"),
        (lambda: schedules.cosine(0.1, steps="10"), TypeError, r"cosine\(0.1, steps='10'\) is no schedule"),
        (lambda: schedules.constant("0.1"), TypeError, "is no schedule"),
        (lambda: schedules.constant(-0.1), ValueError, r"constant\(-0.1\): a learning rate is finite and not negative"),
        (lambda: schedules.warm_up(0.1, 5, start=nan), ValueError, "got nan at iteration 0"),
        (lambda: schedules.warm_up(None, 5), TypeError, "is no schedule"),
        (lambda: optim.ReduceOnPlateau(optim.SGD(schedules.constant(0.1))), TypeError, "'sgd' is a schedule"),
        (lambda: optim.ReduceOnPlateau(optim.SGD(0.1), factor=1.0), ValueError, "factor"),
        (lambda: optim.ReduceOnPlateau(optim.SGD(0.1), mode="low"), ValueError, "mode must be"),
        (lambda: optim.ReduceOnPlateau(optim.SGD(0.1), patience=-1), ValueError, "patience must not be negative"),
    ],
)
def test_wrong_arguments(make, error, words):
    with pytest.raises(error, match=words):
        make()


@pytest.mark.parametrize("state", [{}, {"best": 1.0}, {"best": nan, "waited": 0, "resting": 0}])
def test_a_state_that_is_none_changes_nothing(state):
    plateau = optim.ReduceOnPlateau(optim.SGD(0.1))
    plateau.update(1.0)
    before = plateau.state_dict()
    with pytest.raises(ValueError, match="best, waited and resting"):
        plateau.load_state_dict(state)
    assert plateau.state_dict() == before


# ---------------------------------------------------------------- the loss scaler
@pytest.mark.parametrize("resumed_at", [None, 2, 5])
def test_scales_are_pytorchs(resumed_at):
    v = av.Variable(np.zeros(1), name="v")
    optimizer = optim.SGD(0.5)
    scaler = optim.LossScaler(optimizer, **SCALER["arguments"])
    for i, (finite, (scale, value)) in enumerate(zip(SCALER["finite"], SCALER["scales"], strict=True)):
        if i == resumed_at:
            state = scaler.state_dict()
            scaler = optim.LossScaler(optimizer, **SCALER["arguments"])
            scaler.load_state_dict(state)
        g = np.full(1, scaler.current_scale() if finite else np.inf)
        assert scaler.apply_gradients([(g, v)]) is bool(finite)
        assert (scaler.current_scale(), v.item()) == (scale, value)
    assert scaler.skipped == SCALER["finite"].count(0)
    assert optimizer.iterations == SCALER["finite"].count(1)


def test_small_gradients_survive_half_precision():
    """A gradient of 2e-8 is 0 in float16, and is not when the loss is scaled."""
    moved = []
    for scale in (1.0, 2.0**15):
        v = av.Variable(np.zeros(4, np.float32), name="v")
        scaler = optim.LossScaler(optim.SGD(1.0), scale=scale)

        def loss(v=v):
            return av.sum((v.astype(np.float16) * np.float16(1.0)).astype(np.float32)) * np.float32(2e-8)

        scaler.minimize(loss, [v])
        moved.append(-v.numpy()[0].item())
    assert moved[0] == 0.0
    np.testing.assert_allclose(moved[1], 2e-8, rtol=1e-3)


def test_rows_and_none_are_scaled():
    table, other = av.Variable(np.ones((3, 2)), name="table"), av.Variable(np.ones(2), name="other")
    scaler = optim.LossScaler(optim.SGD(1.0), scale=4.0)
    g = av.IndexedSlices(np.full((1, 2), 2.0), np.array([1]), (3, 2))
    with pytest.warns(av.PartialGradientWarning, match="other"):
        assert scaler.apply_gradients([(g, table), (None, other)])
    assert table.numpy().tolist() == [[1, 1], [0.5, 0.5], [1, 1]]
    bad = av.IndexedSlices(np.full((1, 2), np.nan), np.array([1]), (3, 2))
    assert not scaler.apply_gradients([(bad, table)])
    assert table.numpy().tolist() == [[1, 1], [0.5, 0.5], [1, 1]]


def test_wrong_scalers():
    for arguments in ({"scale": 0.0}, {"growth": 0.5}, {"backoff": 1.0}, {"growth_steps": 0}):
        with pytest.raises(ValueError, match="LossScaler"):
            optim.LossScaler(optim.SGD(0.1), **arguments)
    scaler = optim.LossScaler(optim.SGD(0.1))
    with pytest.raises(ValueError, match="scale, good and skipped"):
        scaler.load_state_dict({"scale": 1.0})


class Scaled:
    """Training in half precision on inputs of which some overflow, eagerly or as a function."""

    def __init__(self, wrap=lambda f: f, growth_steps=3):
        rng = np.random.default_rng(0)
        with av.VariableStore():
            self.table = av.Variable(rng.normal(size=(5, 3)).astype(np.float32), name="table")
            self.w = av.Variable(rng.normal(size=(3, 2)).astype(np.float32), name="w")
        self.optimizer = optim.Adam(0.05)
        self.scaler = optim.LossScaler(self.optimizer, scale=1024.0, growth_steps=growth_steps)
        self.step, self.fails = wrap(self._step), False

    def _step(self, x, ids):
        with av.GradientTape() as tape:
            rows = av.take(self.table, ids, axis=0).astype(np.float16)
            loss = av.mean(av.square(((x + rows) @ self.w.astype(np.float16)).astype(np.float32)))
            scaled = self.scaler.scale(loss)
        of = [self.table, self.w]
        updated = self.scaler.apply_gradients(zip(tape.gradient(scaled, of), of, strict=True))
        if self.fails:
            raise KeyError("mine")
        return loss, updated

    def run(self, start, stop):
        """What each step saw and left, bit for bit."""
        seen = []
        for i in range(start, stop):
            rng = np.random.default_rng(i)
            x = rng.normal(size=(4, 3)) * (300 if i % 7 == 5 else 1)
            with np.errstate(over="ignore", invalid="ignore"):
                loss, updated = self.step(x.astype(np.float16), rng.integers(0, 5, 4))
            state = {k: to_numpy(v).tobytes() for k, v in self.optimizer.state_dict().items()}
            values = [v.numpy().tobytes() for v in (self.table, self.w)]
            seen.append((loss.item(), bool(updated), self.scaler.state_dict(), state, values))
        return seen


def test_a_scaler_in_a_traced_function_does_what_it_does_eagerly():
    eager, traced = Scaled(), Scaled(av.function)
    wanted = eager.run(0, 30)
    assert traced.run(0, 30) == wanted
    assert traced.step.traces == 1
    assert eager.scaler.skipped == 4 and len({state["scale"] for _, _, state, _, _ in wanted}) > 3
    for side in (eager, traced):  # what is set between the steps counts for both
        side.scaler.load_state_dict({"scale": 8.0, "good": 1, "skipped": 0})
        side.scaler.growth_steps, side.scaler.backoff = 2, 0.25
    assert traced.run(30, 40) == eager.run(30, 40)
    assert traced.step.traces == 1


def test_a_plan_that_is_traced_on_an_overflow():
    eager, traced = Scaled(), Scaled(av.function)
    assert traced.run(5, 15) == eager.run(5, 15)
    assert eager.scaler.skipped == 2


def test_a_trace_that_fails_gives_the_scale_back():
    traced = Scaled(av.function, growth_steps=1)
    traced.fails, before = True, traced.w.numpy()
    with pytest.raises(KeyError, match="mine"):
        traced.run(0, 1)
    assert traced.scaler.state_dict() == {"scale": 1024.0, "good": 0, "skipped": 0}
    assert traced.optimizer.iterations == 0 and np.array_equal(traced.w.numpy(), before)


def test_the_scale_stays_finite():
    scaler, v = optim.LossScaler(optim.SGD(0.5), scale=2.0**1023, growth_steps=1), av.Variable(np.zeros(1), name="v")
    assert scaler.apply_gradients([(np.ones(1), v)])
    assert scaler.current_scale() == 2.0**1023


def test_a_scaler_without_pairs():
    with pytest.raises(ValueError, match="no pairs"):
        optim.LossScaler(optim.SGD(0.1)).apply_gradients([])
