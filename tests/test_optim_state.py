"""What an optimizer keeps: by name, exactly, and with clear words where it does not fit. And what it refuses."""

import copy
import pickle
import re
import warnings

import numpy as np
import pytest
from test_optim import MATRICES, OPTIMIZERS, each, gradients, rows, run, same_bits, values, variables

import autograd_vs as av
import optim


@pytest.fixture(autouse=True)
def own_store():
    with av.VariableStore():
        yield


def bits(optimizer):
    return {k: v.tobytes() if hasattr(v, "tobytes") else v for k, v in optimizer.state_dict().items()}


# ---------------------------------------------------------------- the way round
@each
def test_n_plus_n_steps_equal_2n_bit_for_bit(make):
    of = variables()
    through = make()
    run(through, of, 5)
    state, at = through.state_dict(), values(of)
    run(through, of, 5, start=5)

    with av.VariableStore():
        order = (2, 0, 3, 1)
        made = {i: av.Variable(at[i], name=of[i].op.name) for i in order}  # in another order
        resumed = make()
        resumed.load_state_dict(state)
        run(resumed, [made[i] for i in (3, 1, 0, 2)], 5, start=5)
        assert same_bits(values(of), [made[i].numpy() for i in range(4)])
        assert bits(resumed) == bits(through)


@each
def test_the_state_survives_a_later_step_unchanged(make):
    of = variables()
    optimizer = make()
    run(optimizer, of, 2)
    state = optimizer.state_dict()
    kept = {k: np.copy(v) for k, v in state.items()}
    run(optimizer, of, 2)
    assert all(np.array_equal(kept[k], state[k]) for k in state)
    other = make()
    other.load_state_dict(state)
    run(other, of, 2)
    assert all(np.array_equal(kept[k], state[k]) for k in state)


@each
def test_state_before_the_first_step(make):
    one, two = make(), make()
    report = two.load_state_dict(one.state_dict())
    assert report.complete
    run(two, variables(), 1)
    two.load_state_dict(one.state_dict())  # back to the start
    assert two.iterations == 0
    assert len(two.slots) == 0


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS.keys())
def test_files_hold_the_state(make, tmp_path):
    of = variables(MATRICES)
    through = make(accumulate_steps=2)
    run(through, of, 5)
    av.save(tmp_path / "state.safetensors", *of, through)
    run(through, of, 5, start=5)
    with av.VariableStore():
        again, resumed = variables(MATRICES, seed=1), make(accumulate_steps=2)
        assert av.load(tmp_path / "state.safetensors", *again, resumed).complete
        run(resumed, again, 5, start=5)
        assert same_bits(values(of), values(again))
        assert bits(resumed) == bits(through)


def test_a_state_taken_before_the_loaded_slots_are_claimed_has_them():
    of = variables()
    one, two, three = optim.Adam(), optim.Adam(), optim.Adam()
    run(one, of, 2)
    two.load_state_dict(one.state_dict())
    three.load_state_dict(two.state_dict())
    assert bits(three) == bits(one)


def test_resume_in_the_middle_of_an_accumulation():
    of = variables()
    through = optim.Adam(accumulate_steps=3)
    run(through, of, 6)
    with av.VariableStore():
        again = variables()
        first, second = optim.Adam(accumulate_steps=3), optim.Adam(accumulate_steps=3)
        run(first, again, 4)
        second.load_state_dict(first.state_dict())
        assert second.accumulated == 1
        run(second, again, 2, start=4)
        assert same_bits(values(of), values(again))


@each
def test_copies_and_pickles_wait_for_the_variables(make):
    of = variables()
    one = make()
    run(one, of, 3)
    for two in (copy.deepcopy(one), pickle.loads(pickle.dumps(one))):
        assert bits(two) == bits(one)
        before = bits(one)
        run(two, of, 1)
        assert bits(one) == before
        assert two.iterations == 4


def test_keys_and_slots():
    with av.variable_scope("dense"):
        v = av.get_variable("kernel", (2,), np.float64)
    optimizer = optim.Adam(0.1)
    with pytest.raises(KeyError, match="first update"):
        optimizer.get_slot(v, "m")
    optimizer.apply_gradients([(np.array([1.0, 2.0]), v)])
    assert list(optimizer.slots) == ["adam/m/dense/kernel", "adam/v/dense/kernel", "adam/step/dense/kernel"]
    np.testing.assert_allclose(optimizer.slots["adam/m/dense/kernel"].numpy(), [0.1, 0.2])
    assert optimizer.get_slot("dense/kernel", "step").item() == 1
    for wrong in ("adam/m/dense", "sgd/m/dense/kernel", "adam/w/dense/kernel", "adam", 3):
        assert wrong not in optimizer.slots
    with pytest.raises(KeyError, match="no slot 'momentum'"):
        optimizer.get_slot(v, "momentum")
    held = optimizer.get_slot(v, "m")
    optimizer.apply_gradients([(np.array([1.0, 2.0]), v)])
    np.testing.assert_allclose(held.numpy(), [0.1, 0.2])
    assert "adam/m/dense/kernel" in repr(optimizer.slots)


def test_names_that_are_prefixes_of_others():
    of = [av.Variable([1.0], name=n) for n in ("fire", "fire_bn", "m")]
    one, two = optim.Adam(), optim.Adam()
    run(one, of, 1)
    assert two.load_state_dict(one.state_dict()).complete
    assert bits(two) == bits(one)


# ---------------------------------------------------------------- hyperparameters
def test_hyperparameters_come_along_unless_told_otherwise():
    state = optim.Adam(0.5, beta_1=0.7).state_dict()
    one, two, three = optim.Adam(0.1), optim.Adam(0.1), optim.Adam(lambda i: 0.1)
    one.load_state_dict(state)
    two.load_state_dict(state, hyperparameters=False)
    three.load_state_dict(state)
    assert (one.learning_rate, one.beta_1) == (0.5, 0.7)
    assert (two.learning_rate, two.beta_1) == (0.1, 0.9)
    assert three.current_rate() == 0.1
    assert three.beta_1 == 0.7


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("beta_1", 1.0, r"beta_1 must be in \[0, 1\), got 1.0"),
        ("beta_2", float("nan"), r"beta_2 must be in"),
        ("epsilon", -1e-8, r"epsilon must be in"),
        ("beta_1", np.ones(2), r"adam/beta_1 in the state is no number"),
        ("weight_decay", "x", r"adam/weight_decay in the state is no number"),
        ("learning_rate", -1.0, r"adam/learning_rate in the state is -1.0"),
        ("learning_rate", float("inf"), r"adam/learning_rate in the state is inf"),
        ("iterations", -1, r"adam/iterations in the state is no count"),
        ("iterations", 1.5, r"adam/iterations in the state is no count"),
        ("step/a", -1, r"adam/step/a in the state is no count"),
        ("step/a", [1], r"adam/step/a in the state is no number"),
        ("step/a", "x", r"adam/step/a in the state is no number"),
    ],
)
def test_numbers_that_an_optimizer_would_not_take_change_nothing(key, value, words):
    of, optimizer = variables(), optim.Adam()
    run(optimizer, of, 2)
    before = bits(optimizer)
    for strict in (True, False):
        with pytest.raises(ValueError, match=words):
            optimizer.load_state_dict(optimizer.state_dict() | {f"adam/{key}": value}, strict)
        assert bits(optimizer) == before


def test_a_schedule_goes_on_where_it_was():
    of = variables()
    one = optim.SGD(optim.schedules.exponential_decay(0.1, 1, 0.5))
    run(one, of, 3)
    two = optim.SGD(optim.schedules.exponential_decay(0.1, 1, 0.5))
    two.load_state_dict(one.state_dict())
    assert two.current_rate() == 0.0125
    assert "sgd/learning_rate" not in one.state_dict()


# ---------------------------------------------------------------- what does not fit
def state_of(names="abcd", make=optim.Adam):
    with av.VariableStore():
        optimizer = make()
        run(optimizer, variables(names=names), 2)
        return optimizer.state_dict()


def test_one_error_lists_missing_unexpected_and_misshapen_and_changes_nothing():
    of = variables()
    optimizer = optim.Adam()
    run(optimizer, of, 3)
    state = state_of()
    del state["adam/m/a"]
    state["adam/what/b"] = state["adam/m/b"]
    state["other/m/b"] = state["adam/m/b"]
    state["adam/v/d"] = np.zeros((3, 2))
    before = bits(optimizer)
    with pytest.raises(ValueError, match="nothing was changed") as error:
        optimizer.load_state_dict(state)
    for name in ("1 missing: adam/m/a", "adam/what/b", "other/m/b", "adam/v/d is float64 (3, 2)"):
        assert name in str(error.value)
    assert bits(optimizer) == before

    report = optimizer.load_state_dict(state, strict=False)
    assert report.missing == ["adam/m/a"]
    assert report.unexpected == ["adam/what/b", "other/m/b"]
    assert len(report.mismatched) == 1
    assert optimizer.get_slot(of[0], "step").item() == 0  # started at zero
    assert optimizer.get_slot(of[1], "step").item() == 2
    assert not report.complete
    assert "1 missing" in repr(report)
    assert "<table>" in report._repr_html_()
    run(optimizer, of, 1)


def test_slots_of_another_kind_of_number():
    of, optimizer = variables(), optim.Adam()
    run(optimizer, of, 1)
    before, state = bits(optimizer), optimizer.state_dict()
    with pytest.raises(ValueError, match=r"adam/m/b is complex128 \(4,\), the variable float64"):
        optimizer.load_state_dict(state | {"adam/m/b": state["adam/m/b"] * 1j})
    assert bits(optimizer) == before


def test_extra_names():
    state = state_of("abcd")
    fresh, used = optim.Adam(), optim.Adam()
    of = variables()[:3]
    assert len(fresh.load_state_dict(state).waiting) == 12
    run(fresh, of, 1)
    run(used, of, 1)
    before = bits(used)
    with pytest.raises(ValueError, match="3 unexpected: adam/m/d, adam/v/d, adam/step/d"):
        used.load_state_dict(state)
    assert bits(used) == before
    report = used.load_state_dict(state, strict=False)
    assert report.waiting == ["adam/m/d", "adam/v/d", "adam/step/d"]
    run(used, of, 1)
    assert used.get_slot("d", "step").item() == 2


def test_a_state_under_another_name_says_so():
    with pytest.raises(ValueError, match="saved under another name="):
        optim.Adam(name="mine").load_state_dict(state_of())


def test_a_missing_variable_names_the_close_one():
    optimizer = optim.Adam()
    kept = av.Variable(np.ones(2), name="encoder/kernel")
    run(optimizer, [kept], 1)
    with av.VariableStore():
        other = optim.Adam()
        run(other, [av.Variable(np.ones(2), name="encoder_1/kernel")], 1)
    with pytest.raises(ValueError, match=r"is 'adam/./encoder_1/kernel' meant for 'adam/./encoder/kernel'"):
        optimizer.load_state_dict(other.state_dict())


def test_loaded_slots_wait_for_their_variables():
    optimizer = optim.Adam()
    report = optimizer.load_state_dict(state_of())
    assert len(report.waiting) == 12
    assert "waiting" in repr(report)
    of = variables()
    run(optimizer, of[:1], 1)
    assert optimizer.get_slot(of[0], "step").item() == 3
    run(optimizer, of[1:], 1)
    assert optimizer.get_slot(of[3], "step").item() == 3


def test_a_new_variable_while_loaded_slots_are_unclaimed():
    strict, lenient = optim.Adam(), optim.Adam()
    strict.load_state_dict(state_of())
    lenient.load_state_dict(state_of(), strict=False)
    new = av.Variable(np.ones(4), name="aa")
    value, before = new.numpy(), bits(strict)
    with pytest.raises(ValueError, match=re.escape("none for 'aa' Did you mean 'a'?")):
        run(strict, [new], 1)
    assert bits(strict) == before
    assert np.array_equal(new.numpy(), value)
    with pytest.warns(UserWarning, match="'aa'.*started at zero") as caught:
        lenient.apply_gradients([(np.ones(4), new)])
    assert caught[0].filename == __file__
    assert lenient.get_slot(new, "step").item() == 1
    for name in "abcd":
        strict.reset(name)
    run(strict, [new], 1)


def test_waiting_slots_of_another_shape():
    optimizer = optim.Adam()
    optimizer.load_state_dict(state_of())
    v = av.Variable(np.ones((4, 3)), name="a")
    before = bits(optimizer)
    with pytest.raises(ValueError, match=re.escape("'a': slot 'm' has shape (3, 4), the variable (4, 3)")):
        run(optimizer, [v], 1)
    assert bits(optimizer) == before
    assert (v.numpy() == 1).all()


def test_another_variable_under_the_same_name():
    optimizer = optim.Adam()
    run(optimizer, variables(names="ab"), 2)
    with av.VariableStore():
        again = variables(names="ab")
        before = values(again)
        with pytest.raises(ValueError, match=r"another variable named 'a:0'.*optimizer.reset\('a'\)"):
            run(optimizer, again, 1)
        assert same_bits(before, values(again))
        optimizer.reset("a")
        optimizer.reset(again[1])
        run(optimizer, again, 1)
        assert optimizer.get_slot(again[0], "step").item() == 1


def test_reset():
    of = variables()
    optimizer = optim.Adam()
    run(optimizer, of, 2)
    with pytest.raises(KeyError, match="no slots for 'nobody'"):
        optimizer.reset("nobody")
    optimizer.reset(of[0])
    run(optimizer, of, 1)
    assert [optimizer.get_slot(v, "step").item() for v in of] == [1, 3, 3, 3]
    optimizer.reset()
    assert optimizer.iterations == 0
    assert len(optimizer.slots) == 0


@pytest.mark.parametrize("everything", [False, True])
def test_reset_forgets_which_rows_were_summed_up(everything):
    """After it, one that was reset goes on as a new one."""
    of, fresh = variables([(6, 3)]), variables([(6, 3)], names="s")
    one, two = (optim.Adam(0.1, weight_decay=0.1, lazy=True, accumulate_steps=2) for _ in range(2))
    one.apply_gradients([(slices(np.ones((1, 3)), [4]), of[0])])
    one.reset(*([] if everything else of))
    two.accumulated = one.accumulated
    for step in (0, 1, 2):
        for optimizer, v in ((one, of[0]), (two, fresh[0])):
            optimizer.apply_gradients([(slices(np.full((1, 3), 1.0 + step), [1]), v)])
    assert same_bits(values(of), values(fresh))
    summed = [o.state_dict() for o in (one, two)]
    ids = [[av.Tensor(x).numpy().tolist() for key, x in s.items() if "accumulated_rows" in key] for s in summed]
    assert ids[0] == ids[1] == ([[1]] if everything else [])


def test_slots_do_not_keep_variables_alive():
    import gc
    import weakref

    v, w = variables([(3,), (2,)])
    optimizer = optim.Adam()
    run(optimizer, [v, w], 2)
    gone = weakref.ref(v)
    gc.disable()
    try:
        del v
        assert gone() is None
    finally:
        gc.enable()
    run(optimizer, [w], 1)
    assert optimizer.get_slot("a", "step").item() == 2  # still in the state
    assert optimizer.get_slot("b", "step").item() == 3


# ---------------------------------------------------------------- wrong use: checked before anything is written
def slices(values, ids, shape=(6, 3)):
    return av.IndexedSlices(np.asarray(values, float), np.asarray(ids), shape)


WRONG = {
    "shape": (
        lambda v: [np.ones(5)],
        ValueError,
        r"gradient of variable 'b:0' has shape \(5,\), the variable \(6, 3\)",
    ),
    "dtype": (lambda v: [np.ones((6, 3), complex)], TypeError, "has dtype complex128"),
    "twice": (lambda v: [np.ones((6, 3)), np.ones((6, 3))], ValueError, "'b:0' occurs twice"),
    "strings": (lambda v: ["no"], TypeError, "array of numbers"),
    "row out of range": (lambda v: [slices(np.ones((1, 3)), [6])], IndexError, "rows 6 to 6, it has 6"),
    "negative row": (lambda v: [slices(np.ones((1, 3)), [-1])], IndexError, "rows -1"),
    "rows of another shape": (lambda v: [slices(np.ones((1, 2)), [0])], ValueError, r"has \(1, 2\) values"),
    "slices of another shape": (lambda v: [slices(np.ones((1, 3)), [0], (7, 3))], ValueError, r"rows of \(7, 3\)"),
}


@pytest.mark.parametrize("updated", [False, True], ids=["fresh", "updated"])
@pytest.mark.parametrize("steps", [1, 2], ids=["", "accumulate"])
@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
@each
def test_wrong_gradients_change_nothing(make, wrong, steps, updated):
    a, b = variables([(4,), (6, 3)])
    optimizer = make(accumulate_steps=steps)
    if updated:
        run(optimizer, [a, b], 2)
    gradient, error, words = wrong
    values_before, state_before = values([a, b]), bits(optimizer)
    pairs = [(np.ones(4), a), *((g, b) for g in gradient(b))]
    with pytest.raises(error, match=words):
        optimizer.apply_gradients(pairs)
    assert same_bits(values_before, values([a, b]))
    assert bits(optimizer) == state_before


def test_frozen_variables():
    a, b = variables([(2,), (3,)])
    optimizer = optim.Adam(weight_decay=0.1)
    run(optimizer, [a, b], 1)
    b.trainable = False
    value = b.numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        optimizer.apply_gradients([(np.ones(2), a), (None, b)])  # skipped, and not shrunk either
    assert np.array_equal(b.numpy(), value)
    before = values([a, b])
    with pytest.raises(ValueError, match="'b:0' is not trainable"):
        optimizer.apply_gradients([(np.ones(2), a), (np.ones(3), b)])
    assert same_bits(before, values([a, b]))
    b.trainable = True
    run(optimizer, [a, b], 1)
    assert optimizer.get_slot(b, "step").item() == 2


def test_none_gradients():
    a, b = variables([(2,), (3,)])
    optimizer = optim.Adam()
    with pytest.raises(ValueError, match=r"all gradients are None.*a:0, b:0.*explain"):
        optimizer.apply_gradients([(None, a), (None, b)])
    with pytest.raises(ValueError, match="no pairs"):
        optimizer.apply_gradients([])
    with pytest.warns(av.PartialGradientWarning, match="b:0") as caught:
        optimizer.apply_gradients([(np.ones(2), a), (None, b)])
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        optimizer.apply_gradients([(np.ones(2), a), (None, b)])  # once is enough
    assert list(optimizer.slots) == ["adam/m/a", "adam/v/a", "adam/step/a"]
    with pytest.warns(av.PartialGradientWarning, match="b:0") as caught:
        optim.SGD(0.1).minimize(lambda: av.sum(a), [a, b])
    assert caught[0].filename == __file__


@pytest.mark.parametrize("thing", [np.ones(2), av.Tensor(np.ones(2)), "a", None])
def test_what_is_no_variable(thing):
    (a,) = variables([(2,)])
    before = values([a])
    with pytest.raises(TypeError, match="updates Variables"):
        optim.SGD().apply_gradients([(np.ones(2), a), (np.ones(2), thing)])
    with pytest.raises(TypeError, match="updates Variables"):
        optim.SGD().apply_gradients([(np.ones(2), a), (None, thing)])
    assert same_bits(before, values([a]))


def test_integer_variables():
    n = av.Variable(np.array([1, 2]), trainable=True)
    with pytest.raises(TypeError, match="only float and complex variables"):
        optim.SGD().apply_gradients([(np.array([1, 2]), n)])


def test_two_variables_of_one_name_in_one_call():
    (a,) = variables([(2,)])
    with av.VariableStore():
        (b,) = variables([(2,)])
    with pytest.raises(ValueError, match="two different variables are named 'a:0'"):
        optim.SGD().apply_gradients([(np.ones(2), a), (np.ones(2), b)])


def test_a_double_gradient_is_taken_in_the_dtype_of_the_variable():
    v = av.Variable([1.0, 2.0])
    optimizer = optim.Adam()
    optimizer.apply_gradients([(np.array([1.0, 1.0]), v)])
    assert v.dtype == np.float32
    assert optimizer.get_slot(v, "m").dtype == np.float32


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: optim.SGD(-0.1), "negative"),
        (lambda: optim.SGD(nesterov=True), "momentum"),
        (lambda: optim.SGD(momentum=1.0), r"\[0, 1\)"),
        (lambda: optim.Adam(beta_2=1.5), "beta_2"),
        (lambda: optim.Adam(weight_decay=-1.0), "weight_decay"),
        (lambda: optim.Adam(name="a/b"), "without '/'"),
        (lambda: optim.Adam(clipnorm=1, clipvalue=1), "one of"),
        (lambda: optim.Adam(clipnorm=0), "positive"),
        (lambda: optim.Adam(accumulate_steps=0), "accumulate_steps"),
        (lambda: optim.clip_by_global_norm([np.ones(1)], -1), "positive"),
    ],
)
def test_wrong_arguments(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_rows_wait_and_split_like_anything_else():
    a, b = variables([(6, 3), (2,)])
    optimizer = optim.Adam(lazy=True)
    run(optimizer, [a, b], 2)
    for step in range(3):
        optimizer.apply_gradients([(rows(step), a), (gradients([b], step)[0], b)])
        run(optimizer, [a, b], 1, step)
    assert optimizer.get_slot(a, "step").item() == optimizer.get_slot(b, "step").item() == 8


@pytest.mark.parametrize("highest", [1, 2, 10, 10_000])
def test_merged_rows(highest):
    rng = np.random.default_rng(highest)
    for count in (0, 1, 50, 200):
        ids, rows_ = rng.integers(0, highest, count), rng.normal(size=(count, 3))
        merged = av.IndexedSlices(rows_, ids, (highest, 3)).merged()
        dense = np.zeros((highest, 3))
        np.add.at(dense, ids, rows_)
        assert np.array_equal(merged.indices, np.unique(ids))
        np.testing.assert_allclose(merged.values, dense[merged.indices], rtol=1e-12, atol=1e-12)
