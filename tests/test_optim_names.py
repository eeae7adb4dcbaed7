"""Weight decay and learning rates by patterns of names: each variable moves as if it had an optimizer of its own."""

import copy

import numpy as np
import pytest
from test_optim import OPTIMIZERS, gradients, run, same_bits, values, variables

import autograd_vs as av
import optim

SHAPES = ((3, 4), (4, 1), (1, 4), (3, 4), (2, 1))
NAMES = ("encoder/kernel", "encoder/bias", "encoder/layer_norm/scale", "head/kernel", "head/bias")
DECAYING = [name for name, make in OPTIMIZERS.items() if make().weight_decay]


@pytest.fixture(autouse=True)
def own_store():
    with av.VariableStore():
        yield


def named():
    return variables(SHAPES, names=NAMES)


@pytest.mark.parametrize("name", DECAYING)
def test_excluded_variables_do_not_decay(name):
    together = named()
    run(OPTIMIZERS[name](exclude=["bias", "norm"]), together, 4)
    with av.VariableStore():
        alone = named()
        for v in alone:
            optimizer = OPTIMIZERS[name]()
            if "bias" in v.name or "norm" in v.name:
                optimizer.weight_decay = 0.0
            run(optimizer, [v], 4)
    assert same_bits(values(together), values(alone))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_rates_are_multiplied(name):
    together = named()
    optimizer = OPTIMIZERS[name](rates={"^encoder/.*norm": 0.0, "^encoder/": 0.25})
    run(optimizer, together, 4)
    with av.VariableStore():
        alone = named()
        for v in alone:
            single = OPTIMIZERS[name]()
            factor = 0.0 if "norm" in v.name else 0.25 if "encoder" in v.name else 1.0
            single.learning_rate *= factor
            run(single, [v], 4)
            assert optimizer.current_rate(v.op.name) == optimizer.current_rate() * factor == single.current_rate()
    assert same_bits(values(together), values(alone))


def test_packs_hold_variables_of_one_sort():
    of = named()
    optimizer = optim.AdamW(exclude=["bias", "norm"], rates={"^encoder": 0.1})
    run(optimizer, of, 1)
    groups = [sorted(cell.name for cell in group.cells) for group in set(optimizer._slots._groups.values())]
    assert sorted(groups) == [
        ["encoder/bias", "encoder/layer_norm/scale"],
        ["encoder/kernel"],
        ["head/bias"],
        ["head/kernel"],
    ]
    plain = optim.AdamW()
    run(plain, of, 1)
    assert len(set(plain._slots._groups.values())) == 1


def test_sorts_survive_what_happens_to_slots():
    """Loading, copies, reset and updates of a part: always as one optimizer for each sort."""

    def make():
        return optim.AdamW(0.1, weight_decay=0.3, exclude=["bias"], rates={"^encoder": 0.1})

    through, again = named(), None
    one = make()
    run(one, through, 3)
    state, at = one.state_dict(), values(through)
    run(one, through[1:3], 1, 3)
    run(one, through, 2, 4)
    with av.VariableStore():
        again = [av.Variable(a, name=name) for a, name in zip(at, NAMES, strict=True)]
        two = make()
        two.load_state_dict(state)
        two = copy.deepcopy(two)
        run(two, again[1:3], 1, 3)
        run(two, again, 2, 4)
        assert same_bits(values(through), values(again))
    one.reset()
    before = through[4].numpy()
    one.apply_gradients([(np.zeros(v.shape), v) for v in through])
    assert np.array_equal(before, through[4].numpy())


def test_rates_of_a_schedule_and_of_rows():
    (v,) = variables([(4, 2)], names=["encoder/table"])
    before = v.numpy()
    optimizer = optim.SGD(optim.schedules.constant(0.5), rates={"table": 0.5})
    optimizer.apply_gradients([(av.IndexedSlices(np.ones((1, 2)), np.array([2]), (4, 2)), v)])
    np.testing.assert_array_equal(before - v.numpy(), np.outer([0, 0, 0.25, 0], [1, 1]))


def test_accumulated_gradients_use_the_rates():
    (v,) = variables([(2,)], names=["encoder/bias"])
    before = v.numpy()
    optimizer = optim.SGD(0.5, rates={"bias": 0.5}, accumulate_steps=2)
    for step in range(2):
        optimizer.apply_gradients([(gradients([v], step)[0], v)])
    mean = (gradients([v], 0)[0] + gradients([v], 1)[0]) / 2
    np.testing.assert_allclose(v.numpy(), before - 0.25 * mean, rtol=1e-14)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"exclude": "bias"}, TypeError, r"list of patterns, got the string 'bias': write \['bias'\]"),
        ({"exclude": [3]}, TypeError, "which are strings, got 3"),
        ({"exclude": ["("]}, ValueError, r"exclude: '\(' is no regular expression"),
        ({"rates": ["encoder"]}, TypeError, "mapping from patterns to factors, got list"),
        ({"rates": {"encoder": "slow"}}, TypeError, r"rates\['encoder'\] is a factor .* got 'slow'"),
        ({"rates": {"encoder": -1.0}}, ValueError, "not negative, got -1.0"),
        ({"rates": {"*": 1.0}}, ValueError, "no regular expression"),
    ],
)
def test_wrong_patterns(arguments, error, words):
    with pytest.raises(error, match=words):
        optim.Adam(**arguments)
