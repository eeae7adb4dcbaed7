"""Averages of weights and slow weights: the formulas by hand, swaps that always end, state, and traced steps."""

import copy

import numpy as np
import pytest
from test_optim import OPTIMIZERS, gradients, same_bits, values, variables

import autograd_vs as av
import optim


@pytest.fixture(autouse=True)
def own_store():
    with av.VariableStore():
        yield


each = pytest.mark.parametrize("name", ["sgd_momentum", "adam", "lion"])


def train(optimizer, of, steps, start=0, after=lambda: None):
    for step in range(start, start + steps):
        optimizer.apply_gradients(zip(gradients(of, step), of, strict=True))
        after()


# ---------------------------------------------------------------- the moving average
def test_the_average_is_the_formula():
    of = variables()
    ema, by_hand = optim.ExponentialMovingAverage(of, 0.8), None

    def after():
        nonlocal by_hand
        ema.update()
        now = values(of)
        by_hand = now if by_hand is None else [0.8 * a + (1 - 0.8) * p for a, p in zip(by_hand, now, strict=True)]

    train(optim.Adam(0.1), of, 10, after=after)
    for v, a in zip(of, by_hand, strict=True):
        np.testing.assert_allclose(ema.average(v).numpy(), a, rtol=1e-13)


def test_averaging_and_swapping_do_not_change_the_training():
    of, plain = variables(), variables(names="stuv")
    for v, w in zip(of, plain, strict=True):
        w.assign(v)
    ema, one, two = optim.ExponentialMovingAverage(of), optim.SGD(0.1, momentum=0.9), optim.SGD(0.1, momentum=0.9)
    for step in range(5):
        gs = gradients(of, step)
        one.apply_gradients(zip(gs, of, strict=True))
        two.apply_gradients(zip(gs, plain, strict=True))
        ema.update()
        with ema.swapped():
            assert all(np.array_equal(v.numpy(), ema.average(v).numpy()) for v in of)
        assert same_bits(values(of), values(plain))


def test_a_swap_ends_after_an_exception():
    of = variables()
    ema = optim.ExponentialMovingAverage(of, 0.5)
    ema.update()
    train(optim.SGD(0.1), of, 1)
    before, averages = values(of), [ema.average(v).numpy() for v in of]
    with pytest.raises(KeyError, match="mine"), ema.swapped():
        of[0].assign(np.zeros(of[0].shape))
        raise KeyError("mine")
    assert same_bits(before, values(of))
    assert same_bits(averages, [ema.average(v).numpy() for v in of])
    with ema.swapped():
        assert same_bits(values(of), averages)
        with pytest.raises(RuntimeError, match="outside of"):
            ema.update()
        with pytest.raises(RuntimeError, match="swapped already"), ema.swapped():
            pass
        assert same_bits(values(of), averages)
    assert same_bits(before, values(of))


def test_what_is_no_average():
    (v,) = variables([(2,)])
    with pytest.raises(TypeError, match="takes Variables"):
        optim.ExponentialMovingAverage([v, np.ones(2)])
    with pytest.raises(ValueError, match="decay must be in"):
        optim.ExponentialMovingAverage([v], 1.0)
    ema = optim.ExponentialMovingAverage([v])
    with pytest.raises(RuntimeError, match="never called"), ema.swapped():
        pass
    with pytest.raises(KeyError, match="first update"):
        ema.average(v)


def test_frozen_variables_keep_their_average():
    a, b = variables([(2,), (3,)])
    ema = optim.ExponentialMovingAverage([a, b], 0.5)
    ema.update()
    b.trainable = False
    kept = ema.average(b).numpy()
    a.assign([5.0, 5.0])
    ema.update()
    assert np.array_equal(ema.average(b).numpy(), kept)


def test_one_variable_and_none_that_is_trainable():
    (v,) = variables([(2,)])
    ema = optim.ExponentialMovingAverage(v)
    v.trainable = False
    ema.update()
    assert not any("average/" in key for key in ema.state_dict())
    v.trainable = True
    ema.update()
    assert np.array_equal(ema.average(v).numpy(), v.numpy())


def test_constraints_are_not_applied_to_what_is_averaged():
    calls = []
    v = av.Variable([1.0], constraint=lambda x: calls.append(1) or x)
    optim.ExponentialMovingAverage([v]).update()
    assert not calls


def test_half_precision_is_averaged_in_single():
    v = av.Variable(np.ones(3, np.float16), name="half")
    ema = optim.ExponentialMovingAverage([v], 0.999)
    for _ in range(3):
        ema.update()
        v.assign(np.full(3, 2, np.float16))
    assert ema.average(v).dtype == np.float32
    with ema.swapped():
        assert v.dtype == np.float16


def test_the_average_goes_on_after_loading():
    of = variables()
    optimizer = optim.Adam(0.1)
    one = optim.ExponentialMovingAverage(of, 0.9)
    train(optimizer, of, 3, after=one.update)
    two = optim.ExponentialMovingAverage(of)
    two.load_state_dict(one.state_dict())
    train(optimizer, of, 3, 3, after=lambda: (one.update(), two.update()))
    assert all(np.array_equal(one.average(v).numpy(), two.average(v).numpy()) for v in of)
    assert sorted(one.state_dict())[:3] == ["ema/accumulated", "ema/average/a", "ema/average/b"]


def test_two_averages_in_one_file(tmp_path):
    (v,) = variables([(2,)])
    emas = [optim.ExponentialMovingAverage(v, decay, name) for decay, name in ((0.5, "fast"), (0.9, "slow"))]
    for value in (1.0, 3.0):
        v.assign([value, -value])
        for ema in emas:
            ema.update()
    av.save(tmp_path / "averages.safetensors", *emas)
    again = [optim.ExponentialMovingAverage(v, name=name) for name in ("slow", "fast")]
    assert av.load(tmp_path / "averages.safetensors", *again).problems() == ""
    assert [ema.average(v).numpy().tolist() for ema in again] == [ema.average(v).numpy().tolist() for ema in emas[::-1]]
    assert repr(again[0]) == "<ExponentialMovingAverage 'slow': decay=0.9; 1 variables>"


# ---------------------------------------------------------------- slow weights
@each
def test_lookahead_is_the_algorithm(name):
    """Algorithm 1 of the paper, around an optimizer on variables of its own."""
    of, fast = variables(), variables(names="stuv")
    optimizer, inner = optim.Lookahead(OPTIMIZERS[name](), steps=3, alpha=0.3), OPTIMIZERS[name]()
    slow = values(fast)
    for step in range(10):
        gs = gradients(of, step)
        optimizer.apply_gradients(zip(gs, of, strict=True))
        inner.apply_gradients(zip(gs, fast, strict=True))
        if step % 3 == 2:
            slow = [s + 0.3 * (v.numpy() - s) for s, v in zip(slow, fast, strict=True)]
            for v, s in zip(fast, slow, strict=True):
                v.assign(s)
        for v, w in zip(of, fast, strict=True):
            np.testing.assert_allclose(v.numpy(), w.numpy(), rtol=1e-12)


@each
@pytest.mark.parametrize("at", [2, 3, 4])
def test_lookahead_goes_on_after_loading(name, at):
    def make():
        return optim.Lookahead(OPTIMIZERS[name](), steps=3)

    of, one = variables(), make()
    train(one, of, at)
    state, values_then = one.state_dict(), values(of)
    train(one, of, 5, at)
    with av.VariableStore():
        again = [av.Variable(a, name=v.op.name) for a, v in zip(values_then, of, strict=True)]
        two = make()
        assert two.load_state_dict(state).complete
        two = copy.deepcopy(two)
        train(two, again, 5, at)
        assert same_bits(values(of), values(again))
        first, second = one.state_dict(), two.state_dict()
        assert first.keys() == second.keys()
        assert all(np.array_equal(first[key], second[key]) for key in first)


def test_a_state_that_fits_one_of_both_only_changes_neither():
    of = variables()
    optimizer = optim.Lookahead(optim.Adam(0.1), steps=2)
    train(optimizer, of, 3)
    before = optimizer.state_dict()
    for key in ("lookahead/slow/a", "adam/m/a"):
        state = {k: v * 2 for k, v in before.items() if k != key}
        with pytest.raises(ValueError, match=f"missing: {key}"):
            optimizer.load_state_dict(state)
        assert all(np.array_equal(v, before[k]) for k, v in optimizer.state_dict().items())


@pytest.mark.parametrize(("key", "value"), [("steps", 0), ("steps", 2.5), ("alpha", 0.0), ("alpha", 1.5)])
def test_a_state_with_other_arguments_than_lookahead_takes(key, value):
    optimizer = optim.Lookahead(optim.SGD(0.1))
    with pytest.raises(ValueError, match=f"{key} must be"):
        optimizer.load_state_dict(optimizer.state_dict() | {f"lookahead/{key}": value})
    assert (optimizer.steps, optimizer.alpha) == (5, 0.5)


def test_lookahead_has_the_rate_of_its_optimizer():
    optimizer = optim.Lookahead(optim.SGD(0.5))
    optimizer.learning_rate = 0.25
    assert optimizer.optimizer.current_rate() == optimizer.current_rate() == 0.25
    assert "learning_rate=0.25" in repr(optimizer)
    v = av.Variable([4.0], name="v")
    assert optimizer.minimize(lambda: av.sum(v * v)).item() == 16.0
    assert v.item() == 2.0
    optimizer.reset()
    assert len(optimizer.slots) == len(optimizer.optimizer.slots) == 0


def test_lookahead_follows_each_update_once():
    """Calls that only sum up leave alone what somebody else did to the variables."""
    (v,) = variables([(2,)])
    optimizer = optim.Lookahead(optim.SGD(1.0, accumulate_steps=2), steps=2)
    for _ in range(4):
        optimizer.apply_gradients([(np.ones(2), v)])
    v.assign([7.0, 8.0])
    optimizer.apply_gradients([(np.ones(2), v)])
    assert v.numpy().tolist() == [7.0, 8.0]


def test_lookahead_leaves_frozen_variables_alone():
    a, b = variables([(2,), (2,)])
    optimizer = optim.Lookahead(optim.SGD(1.0), steps=2)
    optimizer.apply_gradients([(np.ones(2), a), (np.ones(2), b)])
    b.trainable, before = False, b.numpy()
    optimizer.apply_gradients([(np.ones(2), a), (None, b)])
    assert np.array_equal(b.numpy(), before)


def test_no_swap_in_a_traced_function():
    (v,) = variables([(2,)])
    ema = optim.ExponentialMovingAverage(v)
    ema.update()

    @av.function
    def evaluate(x):
        with ema.swapped():
            return av.sum(v * x)

    with pytest.raises(RuntimeError, match="not in a function that is traced"):
        evaluate(np.ones(2))


@pytest.mark.parametrize("loaded", [False, True])
def test_lookahead_follows_the_first_update_after_a_reset_or_a_load(loaded):
    v = av.Variable(np.array([8.0]), name="v")
    optimizer = optim.Lookahead(optim.SGD(1.0), steps=1)
    state = optimizer.state_dict()
    optimizer.apply_gradients([(np.array([2.0]), v)])
    assert v.item() == 7.0
    if loaded:
        optimizer.load_state_dict(state)
    else:
        optimizer.reset()
    optimizer.apply_gradients([(np.array([2.0]), v)])
    assert v.item() == 6.0


@pytest.mark.parametrize("pairs", [None, [1, 2], [(1, 2, 3)]])
def test_lookahead_says_what_pairs_are(pairs):
    with pytest.raises(TypeError, match=r"takes pairs \(gradient, variable\)"):
        optim.Lookahead(optim.SGD(0.1)).apply_gradients(pairs)


def test_lookahead_counts_updates_and_not_calls():
    (v,) = variables([(2,)])
    start = v.numpy()
    optimizer = optim.Lookahead(optim.SGD(1.0, accumulate_steps=2), steps=2)
    for _ in range(4):
        optimizer.apply_gradients([(np.ones(2), v)])
    np.testing.assert_allclose(v.numpy(), start - 1.0, rtol=1e-15)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: optim.Lookahead(0.1), TypeError, "takes an optimizer, got float"),
        (lambda: optim.Lookahead(optim.SGD(0.1), steps=0), ValueError, "steps must be"),
        (lambda: optim.Lookahead(optim.SGD(0.1), steps=2.5), ValueError, "steps must be"),
        (lambda: optim.Lookahead(optim.SGD(0.1), steps="2"), TypeError, "steps is a number"),
        (lambda: optim.Lookahead(optim.SGD(0.1), alpha=1.1), ValueError, "alpha must be"),
        (lambda: optim.ExponentialMovingAverage([]), ValueError, "got no variables"),
        (lambda: optim.ExponentialMovingAverage([av.Variable([1.0])], "x"), TypeError, "Average: decay is a number"),
        (lambda: optim.ReduceOnPlateau(0.1), TypeError, "takes an optimizer, got float"),
        (lambda: optim.Lookahead(optim.SGD(0.1), alpha=0.0), ValueError, "alpha must be"),
        (lambda: optim.Lookahead(optim.SGD(0.1, name="lookahead")), ValueError, "both named"),
    ],
)
def test_wrong_arguments(make, error, words):
    with pytest.raises(error, match=words):
        make()


# ---------------------------------------------------------------- traced
def test_traced_steps_give_the_same_bits():
    ended = []
    for wrap in (lambda f: f, av.function):
        with av.VariableStore():
            of = variables()
            optimizer = optim.Lookahead(optim.Adam(0.1), steps=2)
            ema = optim.ExponentialMovingAverage(of, 0.9)

            def step(x, of=of, optimizer=optimizer, ema=ema):
                with av.GradientTape() as tape:
                    loss = sum(av.sum(av.square(v) * x) for v in of)
                optimizer.apply_gradients(zip(tape.gradient(loss, of), of, strict=True))
                ema.update()
                return loss

            step = wrap(step)
            for i in range(7):
                step(np.float64(i).reshape(1))
                if i == 3:
                    with ema.swapped():
                        pass
            ended.append(values(of) + [ema.average(v).numpy() for v in of])
    assert same_bits(*ended)
    assert step.traces == 1
