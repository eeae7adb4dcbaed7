"""Rules that see whole variables: shapes of their slots, rows, what they refuse, state, and traced steps."""

import copy

import numpy as np
import pytest
from test_optim import MATRICES, WHOLE, dense_of, gradients, rows, run, same_bits, values, variables

import autograd_vs as av
import optim
from autograd_vs.state import packs

each = pytest.mark.parametrize("make", WHOLE.values(), ids=WHOLE.keys())


@pytest.fixture(autouse=True)
def own_store():
    with av.VariableStore():
        yield


@each
def test_variables_do_not_influence_each_other(make):
    of, alone = variables(MATRICES), variables(MATRICES, names="stu")
    together, single = make(), make()
    for step in range(4):
        gs = gradients(of, step)
        together.apply_gradients(zip(gs, of, strict=True))
        for g, v in zip(gs, alone, strict=True):
            single.apply_gradients([(g, v)])
    assert same_bits(values(of), values(alone))


@each
def test_large_variables_are_not_taken_in_blocks(make, monkeypatch):
    of, others = variables(MATRICES), variables(MATRICES, names="stu")
    one, two = make(), make()
    for step in range(3):
        one.apply_gradients(zip(gradients(of, step), of, strict=True))
    monkeypatch.setattr(packs, "BLOCK", 4)
    monkeypatch.setattr("autograd_vs.state.update.BLOCK", 4)
    for step in range(3):
        two.apply_gradients(zip(gradients(of, step), others, strict=True))
    assert same_bits(values(of), values(others))


@each
@pytest.mark.parametrize("block", [4, 1000])
def test_rows_count_as_the_dense_gradient(make, block, monkeypatch):
    monkeypatch.setattr("autograd_vs.state.update.BLOCK", block)
    sparse, dense = variables([(6, 3), (6, 3)])
    dense.assign(sparse)
    one, two = make(), make()
    for step in range(5):
        g = rows(step)
        one.apply_gradients([(g, sparse)])
        two.apply_gradients([(dense_of(g), dense)])
    np.testing.assert_allclose(sparse.numpy(), dense.numpy(), rtol=1e-12)


@each
@pytest.mark.parametrize("options", [{}, {"global_clipnorm": 0.1}, {"accumulate_steps": 2}, {"rates": {"a": 0.1}}])
def test_state_goes_round_at_any_step(make, options):
    of, one = variables(MATRICES), make(**options)
    run(one, of, 3)
    state, at = one.state_dict(), values(of)
    run(one, of, 4, 3)
    with av.VariableStore():
        again = [av.Variable(a, name=v.op.name) for a, v in zip(at, of, strict=True)]
        two = make(**options)
        assert not two.load_state_dict(state).problems()
        two = copy.deepcopy(two)
        run(two, again, 4, 3)
        assert same_bits(values(of), values(again))


def test_slots_have_shapes_of_their_own():
    of = variables([(3, 4), (4,), (), (2, 3, 5)])
    optimizer = optim.Adafactor()
    run(optimizer, of, 2)
    shapes = [[optimizer.get_slot(v, s).shape for s in optimizer.slot_names] for v in of]
    assert shapes == [
        [(3, 1), (1, 4), (0,)],
        [(0,), (0,), (4,)],
        [(0,), (0,), ()],
        [(2, 3, 1), (2, 1, 5), (0,)],
    ]
    wrong = optimizer.state_dict()
    wrong["adafactor/row/a"] = np.ones((4, 1))
    before = {k: np.copy(v) for k, v in optimizer.state_dict().items()}
    with pytest.raises(ValueError, match=r"1 misshapen|mismatched|adafactor/row/a is float64 \(4, 1\)"):
        optimizer.load_state_dict(wrong)
    assert all(np.array_equal(before[k], v) for k, v in optimizer.state_dict().items())
    report = optimizer.load_state_dict(wrong, strict=False)
    assert len(report.mismatched) == 1
    assert optimizer.get_slot(of[0], "row").numpy().tolist() == [[0.0]] * 3


@each
def test_half_precision_runs_in_single(make):
    v = av.Variable(np.ones((3, 2), np.float16), name="half")
    optimizer = make()
    run(optimizer, [v], 3)
    assert v.dtype == np.float16
    assert np.isfinite(v.numpy()).all()
    assert all(optimizer.get_slot(v, slot).dtype == np.float32 for slot in optimizer.slot_names)


@each
def test_what_is_refused_changes_nothing(make):
    (good,) = variables([(2, 2)])
    z = av.Variable(np.ones((2, 2), complex), name="z")
    before = values([good, z])
    optimizer = make()
    with pytest.raises(TypeError, match="'z:0' has dtype complex128: this rule sees whole"):
        optimizer.apply_gradients([(np.ones((2, 2)), good), (np.ones((2, 2)), z)])
    assert same_bits(before, values([good, z]))
    assert not optimizer.slots
    with pytest.raises(ValueError, match="needs whole variables"):
        make(lazy=True)


def test_muon_takes_matrices():
    good, bad = variables([(2, 2), (3,)])
    before = values([good, bad])
    with pytest.raises(ValueError, match=r"variable 'b:0': Muon updates matrices, this is of shape \(3,\)"):
        optim.Muon().apply_gradients([(np.ones((2, 2)), good), (np.ones(3), bad)])
    assert same_bits(before, values([good, bad]))


@pytest.mark.parametrize("shape", [(4, 4), (3, 8), (8, 3), (1, 5)])
def test_muons_step_is_nearly_orthogonal(shape):
    from optim.muon import orthogonalized

    matrix = np.random.default_rng(0).normal(size=shape)
    u, _, vh = np.linalg.svd(matrix, full_matrices=False)
    singular = np.linalg.svd(orthogonalized(matrix), compute_uv=False)
    assert 0.6 < singular.min() <= singular.max() < 1.25
    assert (
        np.abs(u.T @ orthogonalized(matrix) @ vh.T - np.diag(np.diag(u.T @ orthogonalized(matrix) @ vh.T))).max() < 1e-9
    )


def test_muons_step_does_not_depend_on_the_size_of_the_gradient():
    from optim.muon import orthogonalized

    matrix = np.random.default_rng(0).normal(size=(3, 4))
    for scale in (1e-5, 1e5):
        np.testing.assert_allclose(orthogonalized(matrix * scale), orthogonalized(matrix), rtol=1e-9)
    assert not orthogonalized(np.zeros((3, 4))).any()


def test_adafactors_least_moments_by_hand():
    """Algorithm 4 with moments below `epsilon_1`, and below its square."""
    vector, matrix = av.Variable(np.ones(2)), av.Variable(np.ones((2, 2)))
    optimizer = optim.Adafactor(0.05, epsilon_1=1e-2, clip_threshold=10.0)
    optimizer.apply_gradients([(np.full(2, 1e-3), vector), (np.full((2, 2), 5e-2), matrix)])
    np.testing.assert_allclose(vector.numpy(), 1 - 0.05 * 1e-3 / 1e-2, rtol=1e-13)
    np.testing.assert_allclose(matrix.numpy(), 1 - 0.05 * 5e-2 / np.sqrt(2.5e-3**2 / 1e-2), rtol=1e-13)


def test_zeros_move():
    """LAMB's quotient counts as 1, Adafactor has a least size."""
    for make in (WHOLE["lamb"], WHOLE["adafactor"]):
        v = av.Variable(np.zeros((2, 2)), name="zeros")
        make().apply_gradients([(np.ones((2, 2)), v)])
        assert (v.numpy() < 0).all()
        still = v.numpy()
        make().apply_gradients([(np.zeros((2, 2)), v)])
        assert np.array_equal(v.numpy(), still)


@each
def test_traced_steps_give_the_same_bits(make):
    ended = []
    for wrap in (lambda f: f, av.function):
        with av.VariableStore():
            of, optimizer = variables(MATRICES), make()

            def step(x, of=of, optimizer=optimizer):
                with av.GradientTape() as tape:
                    loss = sum(av.sum(av.square(v) * x) for v in of)
                optimizer.apply_gradients(zip(tape.gradient(loss, of), of, strict=True))
                return loss

            step = wrap(step)
            for i in range(5):
                step(np.float64(i).reshape(1))
            ended.append(values(of))
    assert same_bits(*ended)
    assert step.traces == 1
