"""All optimizers, by one list: PyTorch's trajectories, rows against dense, packs, blocks, copies of old values."""

import gc
import json
import sys
import tracemalloc
import warnings
from importlib import util
from pathlib import Path

import numpy as np
import pytest

import autograd_vs as av
import optim
from autograd_vs.state import packs

GOLDEN = json.loads((Path(__file__).parent / "golden" / "optimizers.json").read_text())
OPTAX = json.loads((Path(__file__).parent / "golden" / "optimizers_optax.json").read_text())


def module_at(path):
    """A file outside of the packages as a module, which copies and pickles find."""
    spec = util.spec_from_file_location(path.stem, path)
    sys.modules[path.stem] = module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


AdaBelief = module_at(Path(__file__).parents[1] / "docs" / "examples" / "add_an_optimizer.py").AdaBelief


class Row:
    """An optimizer in the list: its class, its learning rate, the one for narrow valleys, and other arguments."""

    def __init__(self, kind, rate, valley=0.05, **arguments):
        self.kind, self.rate, self.valley, self.arguments = kind, rate, valley, arguments

    def __call__(self, **options):
        return self.kind(self.rate, **self.arguments, **options)

    def takes(self, shape):
        try:
            return self().slot_shapes is None or bool(self().slot_shapes(shape))
        except ValueError:
            return False


# Every optimizer and variant that the shared tests run over: here, of names, of state, of whole variables, and as
# plans. A row is all that a new optimizer needs in them.
OPTIMIZERS = {
    "sgd": Row(optim.SGD, 0.05, valley=0.002),
    "sgd_momentum": Row(optim.SGD, 0.05, valley=0.0005, momentum=0.9),
    "sgd_nesterov": Row(optim.SGD, 0.05, valley=0.0005, momentum=0.9, nesterov=True),
    "sgd_decay": Row(optim.SGD, 0.05, weight_decay=0.1),
    "sgd_all": Row(optim.SGD, 0.05, momentum=0.9, nesterov=True, weight_decay=0.1),
    "adam": Row(optim.Adam, 0.05),
    "adam_decay": Row(optim.Adam, 0.05, weight_decay=0.1),
    "adam_amsgrad": Row(optim.Adam, 0.05, amsgrad=True),
    "adamw": Row(optim.AdamW, 0.05, weight_decay=0.1),
    "adamw_amsgrad": Row(optim.AdamW, 0.05, amsgrad=True),
    "adagrad": Row(optim.Adagrad, 0.5, valley=0.5),
    "adagrad_all": Row(optim.Adagrad, 0.5, rate_decay=1e-3, initial_accumulator_value=0.1, weight_decay=0.1),
    "rmsprop": Row(optim.RMSprop, 0.01, valley=0.005),
    "rmsprop_momentum": Row(optim.RMSprop, 0.01, valley=0.001, momentum=0.8),
    "rmsprop_all": Row(optim.RMSprop, 0.01, momentum=0.5, centered=True, weight_decay=0.1),
    "adadelta": Row(optim.Adadelta, 1.0, valley=1.0, epsilon=0.01),
    "adadelta_decay": Row(optim.Adadelta, 1.0, epsilon=0.01, weight_decay=0.1),
    "adamax": Row(optim.Adamax, 0.05),
    "adamax_decay": Row(optim.Adamax, 0.05, weight_decay=0.1),
    "nadam": Row(optim.NAdam, 0.05),
    "nadam_decay": Row(optim.NAdam, 0.05, weight_decay=0.1),
    "nadam_decoupled": Row(optim.NAdam, 0.05, weight_decay=0.1, decoupled_weight_decay=True),
    "radam": Row(optim.RAdam, 0.05),
    "radam_decay": Row(optim.RAdam, 0.05, weight_decay=0.1),
    "radam_decoupled": Row(optim.RAdam, 0.05, weight_decay=0.1, decoupled_weight_decay=True),
    "lion": Row(optim.Lion, 0.05, valley=0.004),
    "lion_decay": Row(optim.Lion, 0.05, weight_decay=0.1),
    "lamb": Row(optim.LAMB, 0.05),
    "lamb_decay": Row(optim.LAMB, 0.05, weight_decay=0.1),
    "adafactor": Row(optim.Adafactor, 0.05),
    "adafactor_decay": Row(optim.Adafactor, 0.05, epsilon_1=1e-6, weight_decay=0.1),
    "muon": Row(optim.Muon, 0.05),
    "muon_plain": Row(optim.Muon, 0.05, nesterov=False, weight_decay=0.0),
    "example": Row(AdaBelief, 0.05),
    "example_decay": Row(AdaBelief, 0.05, weight_decay=0.1),
}
ANY_SHAPE = {name: row for name, row in OPTIMIZERS.items() if row.takes((3,))}  # others take matrices only
ELEMENTWISE = {name: row for name, row in OPTIMIZERS.items() if row().slot_shapes is None}
WHOLE = {name: row for name, row in OPTIMIZERS.items() if name not in ELEMENTWISE}
each = pytest.mark.parametrize("make", ANY_SHAPE.values(), ids=ANY_SHAPE.keys())
each_elementwise = pytest.mark.parametrize("make", ELEMENTWISE.values(), ids=ELEMENTWISE.keys())
MATRICES = ((3, 4), (5, 2), (2, 2))


@pytest.fixture(autouse=True)
def own_store():
    with av.VariableStore():
        yield


def variables(shapes=((3, 4), (4,), (), (2, 3)), dtype=np.float64, names="abcdefgh", seed=0):
    rng = np.random.default_rng(seed)
    return [av.Variable(rng.normal(size=s).astype(dtype), name=n) for s, n in zip(shapes, names, strict=False)]


def gradients(of, step, dtype=None):
    """Gradients that depend on the name and the step only."""
    made = []
    for v in of:
        rng = np.random.default_rng([step, *v.op.name.encode()])
        made.append(np.asarray(rng.normal(size=v.shape), dtype or v.dtype))
    return made


def run(optimizer, of, steps, start=0):
    for step in range(start, start + steps):
        optimizer.apply_gradients(zip(gradients(of, step), of, strict=True))


def values(of):
    return [v.numpy() for v in of]


def same_bits(a, b):
    return all(x.dtype == y.dtype and x.tobytes() == y.tobytes() for x, y in zip(a, b, strict=True))


# ---------------------------------------------------------------- formulas
@pytest.mark.parametrize("case", [*GOLDEN["cases"], *OPTAX["cases"]])
def test_trajectory_is_the_stored_one(case):
    case, problem = (GOLDEN["cases"] | OPTAX["cases"])[case], GOLDEN["problem"]
    optimizer = getattr(optim, case["optimizer"])(**case["arguments"])
    names = case["params_after_step"]["1"]
    of = [av.Variable(np.array(problem["initial"][name], np.float64), name=name) for name in names]
    cs, ds = ([np.array(problem[k][v.op.name]) for v in of] for k in "cd")
    for step in range(1, 51):
        optimizer.apply_gradients(
            [(c * np.cos(v.numpy()) + 0.2 * d * v.numpy(), v) for v, c, d in zip(of, cs, ds, strict=True)]
        )
        for v in of if str(step) in case["params_after_step"] else ():
            expected = case["params_after_step"][str(step)][v.op.name]
            np.testing.assert_allclose(v.numpy(), expected, rtol=1e-12, atol=1e-12)


def test_every_optimizer_is_in_the_list_and_has_a_stored_trajectory():
    """All that have an update of their own: not what wraps an optimizer, nor what searches along a line."""
    public = [getattr(optim, name) for name in optim.__all__]
    public = [kind for kind in public if isinstance(kind, type) and issubclass(kind, optim.Optimizer)]
    kinds = {kind for kind in public if kind.apply_gradients is optim.Optimizer.apply_gradients} - {optim.Optimizer}
    assert len(kinds) >= 13
    assert kinds <= {row.kind for row in OPTIMIZERS.values()}
    stored = {case["optimizer"] for case in (GOLDEN["cases"] | OPTAX["cases"]).values()}
    assert {kind.__name__ for kind in kinds} == stored


# ---------------------------------------------------------------- convergence, of columns: Muon takes matrices
@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS.keys())
def test_converges_on_a_quadratic(make):
    v = av.Variable(np.array([[3.0], [-2.0]]))
    optimizer = make()
    losses = [optimizer.minimize(lambda: av.sum(v * v), [v]).item() for _ in range(300)]
    assert losses[-1] < 0.01 * losses[0]


WITHOUT_DECAY = {name: row for name, row in OPTIMIZERS.items() if not row().weight_decay}
each_without_decay = pytest.mark.parametrize("row", WITHOUT_DECAY.values(), ids=WITHOUT_DECAY.keys())


def descend(row, loss, start, steps=3000):
    v = av.Variable(np.array(start)[:, None])
    optimizer = row()
    optimizer.learning_rate = optim.schedules.one_cycle(row.valley, steps)
    for _ in range(steps):
        optimizer.minimize(lambda: loss(v[:, 0]), [v])
    return loss(v[:, 0]).item(), v.numpy()


@each_without_decay
def test_converges_on_a_badly_scaled_quadratic(row):
    scales = np.array([1.0, 10.0, 200.0])
    loss, _ = descend(row, lambda x: av.sum(scales * x * x), [2.0, -1.0, 0.5], 1500)
    assert loss < 0.05  # of 64


@each_without_decay
def test_gets_down_rosenbrocks_valley(row):
    loss, at = descend(row, lambda x: (1.0 - x[0]) ** 2 + 100.0 * (x[1] - x[0] ** 2) ** 2, [-1.2, 1.0])
    assert loss < 0.2, at  # of 24.2; 4 where the valley begins


# ---------------------------------------------------------------- dtypes
def test_a_centered_spread_that_rounds_below_nothing():
    """Equal gradients have none: the running square and the square of the mean differ by their rounding."""
    v = av.Variable(np.zeros(200))
    optimizer = optim.RMSprop(0.01, rho=0.9, centered=True)
    g = np.random.default_rng(0).normal(size=200)
    for _ in range(400):
        optimizer.apply_gradients([(g, v)])
    assert (optimizer.get_slot(v, "square").numpy() < optimizer.get_slot(v, "mean").numpy() ** 2).any()
    assert np.isfinite(v.numpy()).all()


@pytest.mark.parametrize("kind", [optim.SGD, optim.RMSprop])
def test_momentum_may_be_switched_off(kind):
    (v,) = variables([(3,)])
    optimizer = kind(0.1, momentum=0.9)
    run(optimizer, [v], 3)
    optimizer.momentum, before = 0.0, v.numpy()
    run(optimizer, [v], 1, start=3)
    (g,) = gradients([v], 3)
    scale = 1.0 if kind is optim.SGD else np.sqrt(optimizer.get_slot(v, "square").numpy()) + 1e-8
    np.testing.assert_allclose(before - v.numpy(), 0.1 * g / scale, rtol=1e-12)


@each_elementwise
def test_complex_variables_are_pairs_of_reals(make):
    (real,) = variables([(3, 2)])
    z = av.Variable(real.numpy()[:, 0] + 1j * real.numpy()[:, 1], name="z")
    one, two = make(), make()
    for step in range(5):
        (g,) = gradients([real], step)
        one.apply_gradients([(g, real)])
        two.apply_gradients([(g[:, 0] + 1j * g[:, 1], z)])
    assert np.array_equal(z.numpy().real, real.numpy()[:, 0])
    assert np.array_equal(z.numpy().imag, real.numpy()[:, 1])
    for slot in two.slot_names:
        assert two.get_slot(z, slot).dtype == np.complex128


@each
def test_half_precision_has_single_precision_slots(make):
    (v,) = variables([(5,)], np.float16)
    optimizer = make()
    run(optimizer, [v], 3)
    assert v.dtype == np.float16
    assert np.isfinite(v.numpy()).all()
    assert all(optimizer.get_slot(v, slot).dtype == np.float32 for slot in optimizer.slot_names)


@each_elementwise
def test_the_rule_takes_tensors_and_gives_what_arrays_give(make):
    optimizer = make()
    rng = np.random.default_rng(0)
    arrays = [np.abs(rng.normal(size=7)) for _ in range(2 + len(optimizer.slot_names))]
    scalars = optimizer._all_scalars(0.1, 3)
    on_tensors = optimizer.rule(*map(av.Tensor, arrays), **scalars)
    on_arrays = optimizer.rule(*[a.copy() for a in arrays], **scalars)
    for t, a in zip(on_tensors, on_arrays, strict=True):
        assert isinstance(t, av.Tensor)
        assert np.array_equal(t.numpy(), a)


@each
def test_a_learning_rate_of_zero_changes_nothing(make):
    of = variables()
    optimizer = make()
    optimizer.learning_rate = 0
    before = values(of)
    run(optimizer, of, 3)
    assert same_bits(before, values(of))


# ---------------------------------------------------------------- packs and blocks
@each
def test_packed_equals_one_by_one_bit_for_bit(make):
    together, alone = variables(), variables(names="stuv")
    packed, single = make(), make()
    for step in range(20):
        gs = gradients(together, step)
        packed.apply_gradients(zip(gs, together, strict=True))
        for g, v in zip(gs, alone, strict=True):
            single.apply_gradients([(g, v)])
    assert same_bits(values(together), values(alone))


@each
def test_blocks_equal_the_whole_bit_for_bit(make, monkeypatch):
    of, others = variables([(10, 10), (3,)]), variables([(10, 10), (3,)], names="st")
    whole, blocks = make(), make()
    gs = [gradients(of, step) for step in range(10)]
    for g in gs:
        whole.apply_gradients(zip(g, of, strict=True))
    monkeypatch.setattr(packs, "BLOCK", 32)
    monkeypatch.setattr("autograd_vs.state.update.BLOCK", 32)
    for g in gs:
        blocks.apply_gradients(zip([g[0].T.copy().T, g[1]], others, strict=True))
    assert same_bits(values(of), values(others))


@each
def test_a_variable_that_joins_late_starts_at_its_own_step_one(make):
    early, late, fresh = variables([(3,), (2, 2), (2, 2)])
    fresh.assign(late)
    optimizer, other = make(), make()
    run(optimizer, [early], 10)
    for step in range(5):
        (g,) = gradients([late], step)
        optimizer.apply_gradients([(gradients([early], step)[0], early), (g, late)])
        other.apply_gradients([(g, fresh)])
    assert same_bits([late.numpy()], [fresh.numpy()])
    assert optimizer.get_slot(early, "step").item() == 15
    assert optimizer.get_slot(late, "step").item() == 5


@each
def test_changing_sets_of_variables_equal_one_by_one(make):
    of, alone = variables(((3, 4), (4,), (), (2, 3), (5,))), variables(((3, 4), (4,), (), (2, 3), (5,)), names="pqrst")
    packed, single = make(), make()
    rng = np.random.default_rng(5)
    for step in range(30):
        chosen = [i for i in rng.permutation(5) if rng.random() < 0.6] or [0]
        gs = gradients(of, step)
        packed.apply_gradients([(gs[i], of[i]) for i in chosen])
        for i in chosen:
            single.apply_gradients([(gs[i], alone[i])])
    assert same_bits(values(of), values(alone))
    for v, w in zip(of, alone, strict=True):
        for slot in (*packed.slot_names, "step"):
            assert same_bits([packed.get_slot(v, slot).numpy()], [single.get_slot(w, slot).numpy()])


@pytest.mark.parametrize("decoupled", [False, True])
def test_weight_decay_leaves_what_a_rule_returns_alone(decoupled):
    """A rule may return its gradient; the decay is a formula around it."""

    class Plain(optim.Optimizer):
        hyperparameters = ("weight_decay",)
        update = staticmethod(lambda p, g, *, learning_rate: (g,))
        weight_decay, decoupled_weight_decay = 0.5, decoupled

    v, g = av.Variable(np.array([2.0, 4.0])), np.array([1.0, -1.0])
    Plain(0.5).apply_gradients([(g, v)])
    assert g.tolist() == [1.0, -1.0]
    assert v.numpy().tolist() == ([0.5, 4.0] if decoupled else [0.0, 3.0])
    with pytest.raises(ValueError, match="Plain: weight_decay must be in"):
        type("Plain", (Plain,), {"weight_decay": -1.0})(0.5)


@each
def test_two_optimizers_share_a_variable(make):
    a, b, c = variables([(3,), (2,), (4,)])
    one, two = make(name="one"), make(name="two")
    place = b.array
    for step in range(5):
        run(one, [a, b], 1, step)
        run(two, [b, c], 1, step)
    assert b.array is place
    assert one.get_slot(b, "step").item() == two.get_slot(b, "step").item() == 5


def test_parameters_never_move():
    of = variables()
    arrays, views = [v.array for v in of], [v.array[...] for v in of]
    run(optim.Adam(), of, 3)
    for v, array, view in zip(of, arrays, views, strict=True):
        assert v.array is array
        np.testing.assert_array_equal(av.Tensor(view).numpy(), v.numpy())


def test_small_variables_are_one_group_and_large_ones_alone():
    of = variables([(10,), (20,), (packs.BLOCK,)], np.float32)
    optimizer = optim.Adam()
    run(optimizer, of, 1)
    groups = set(optimizer._slots._groups.values())
    assert sorted(len(g.cells) for g in groups) == [1, 2]


# ---------------------------------------------------------------- who needs the old value, keeps it
@each
def test_a_persistent_tape_keeps_its_gradient_after_a_step(make):
    v, w = variables([(3,), (3,)])
    with av.GradientTape(persistent=True) as tape:
        y = av.sum(v * v * w)
    before = tape.gradient(y, [v, w])
    kept = [g.numpy() for g in before]
    view = v.reshape((3, 1))
    value = v.numpy()
    optimizer = make()
    optimizer.apply_gradients(zip(before, [v, w], strict=True))
    assert not np.array_equal(v.numpy(), value)
    assert same_bits([g.numpy() for g in before], kept)
    assert same_bits([g.numpy() for g in tape.gradient(y, [v, w])], kept)
    assert np.array_equal(view.numpy()[:, 0], value)


@pytest.mark.parametrize("size", [3, 200])
@pytest.mark.parametrize("bare", [False, True])
def test_gradients_that_are_each_others_values(size, bare, monkeypatch):
    monkeypatch.setattr(packs, "BLOCK", 64)
    monkeypatch.setattr("autograd_vs.state.update.BLOCK", 64)
    v, w = variables([(size,), (size,)])
    expected = [v.numpy() - 0.5 * w.numpy(), w.numpy() - 0.5 * v.numpy()]
    with av.GradientTape() as tape:
        y = av.sum(v * w)
    gs = tape.gradient(y, [v, w])
    if bare:
        gs = [w.array, v.array]
    optim.SGD(0.5).apply_gradients(zip(gs, [v, w], strict=True))
    assert same_bits(values([v, w]), expected)


@each
def test_gradients_are_not_changed(make):
    of = variables()
    gs = [av.Tensor(g) for g in gradients(of, 0)]
    before = [g.numpy() for g in gs]
    optimizer = make(global_clipnorm=0.1)
    for _ in range(3):
        optimizer.apply_gradients(zip(gs, of, strict=True))
    assert same_bits(before, [g.numpy() for g in gs])


def test_nothing_is_recorded_inside_of_a_tape():
    (v,) = variables([(3,)])
    with av.GradientTape() as tape:
        y = av.sum(v * v)
        optim.Adam(weight_decay=0.1).apply_gradients([(np.ones(3), v)])
        count = len(tape._record.entries)
    assert count == 2
    assert tape.gradient(y, v).shape == (3,)


# ---------------------------------------------------------------- rows
def dense_of(g):
    whole = np.zeros(g.dense_shape)
    np.add.at(whole, g.indices, g.values)
    return whole


def rows(step, n=6, width=3, count=4):
    rng = np.random.default_rng(step)
    return av.IndexedSlices(rng.normal(size=(count, width)), rng.integers(0, n - 1, size=count), (n, width))


@each
def test_rows_equal_the_dense_gradient(make):
    sparse, dense, a, b = variables([(6, 3), (6, 3), (4,), (4,)])
    dense.assign(sparse)
    b.assign(a)
    one, two = make(), make()
    for step in range(10):
        g, (h,) = rows(step), gradients([a], step)
        one.apply_gradients([(g, sparse), (h, a)])
        two.apply_gradients([(dense_of(g), dense), (h, b)])
    np.testing.assert_allclose(sparse.numpy(), dense.numpy(), rtol=1e-13)
    assert same_bits([a.numpy()], [b.numpy()])


@each
@pytest.mark.parametrize("block", [4, 7, 1000])
def test_rows_of_large_variables_equal_the_dense_gradient(make, block, monkeypatch):
    monkeypatch.setattr(packs, "BLOCK", block)
    monkeypatch.setattr("autograd_vs.state.update.BLOCK", block)
    sparse, dense = variables([(6, 3), (6, 3)])
    dense.assign(sparse)
    one, two = make(), make()
    for step in range(6):
        g = rows(step)
        one.apply_gradients([(g, sparse)])
        two.apply_gradients([(dense_of(g), dense)])
    np.testing.assert_allclose(sparse.numpy(), dense.numpy(), rtol=1e-13)


@each_elementwise
def test_lazy_changes_the_named_rows_only(make):
    v, other = variables([(6, 3), (4,)])
    optimizer = make(lazy=True)
    run(optimizer, [v, other], 2)
    value, slots = v.numpy(), {s: optimizer.get_slot(v, s).numpy() for s in optimizer.slot_names}
    g = av.IndexedSlices(np.ones((3, 3)), np.array([4, 1, 4]), (6, 3))
    optimizer.apply_gradients([(g, v), (np.ones(4), other)])
    kept = [0, 2, 3, 5]
    assert np.array_equal(v.numpy()[kept], value[kept])
    assert (v.numpy()[[1, 4]] != value[[1, 4]]).all()
    for slot, before in slots.items():
        assert np.array_equal(optimizer.get_slot(v, slot).numpy()[kept], before[kept])


@each_elementwise
def test_lazy_rows_get_the_dense_update_of_these_rows(make):
    v, part = variables([(6, 3), (2, 3)])
    part.assign(v.numpy()[[1, 4]])
    lazy, dense = make(lazy=True), make()
    for step in range(4):
        g = gradients([part], step)[0]
        lazy.apply_gradients([(av.IndexedSlices(np.concatenate([g, g]), np.array([1, 4, 1, 4]), (6, 3)), v)])
        dense.apply_gradients([(g + g, part)])
    assert same_bits([v.numpy()[[1, 4]]], [part.numpy()])


@pytest.mark.parametrize("kind", [optim.SGD, optim.Adagrad])
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_rows_are_enough_where_others_would_not_move(kind, decay):
    """The rule gets the rows that have a gradient, unless all decay."""
    sizes = []

    class Spy(kind):
        @staticmethod
        def update(p, g, *slots, **scalars):
            sizes.append(g.size)
            return kind.update(p, g, *slots, **scalars)

    (v,) = variables([(6, 3)])
    Spy(0.1, weight_decay=decay).apply_gradients([(rows(0, count=1), v)])
    assert sizes == ([18] if decay else [3])


def test_empty_rows():
    (v,) = variables([(6, 3)])
    before = v.numpy()
    optim.SGD().apply_gradients([(av.IndexedSlices(np.ones((0, 3)), np.zeros(0, int), (6, 3)), v)])
    assert same_bits([before], [v.numpy()])


@pytest.mark.parametrize("shape", [(0, 3), (6, 0), (0,), (0, 0)])
@pytest.mark.parametrize("lazy", [False, True])
def test_rows_of_a_variable_without_elements(shape, lazy):
    (v,) = variables([shape])
    ids = np.zeros(2 if shape[0] else 0, int)
    rows = av.IndexedSlices(np.ones((ids.size, *shape[1:])), ids, shape)
    for optimizer in (optim.Adam(lazy=lazy), optim.SGD(momentum=0.9, lazy=lazy), optim.Adam(clipnorm=1.0, lazy=lazy)):
        optimizer.apply_gradients([(rows, v)])
        assert optimizer.iterations == 1 and v.shape == shape


# ---------------------------------------------------------------- clipping
def norm(gs):
    return np.sqrt(sum((g**2).sum() for g in gs))


@pytest.mark.parametrize("kind", ["clipnorm", "clipvalue", "global_clipnorm"])
def test_clipping_is_the_hand_formula(kind):
    one, two = variables(), variables(names="stuv")
    clipped, plain = optim.SGD(0.1, **{kind: 0.5}), optim.SGD(0.1)
    gs = gradients(one, 0)
    hand = {
        "clipnorm": [g * 0.5 / max(0.5, norm([g])) for g in gs],
        "clipvalue": [np.clip(g, -0.5, 0.5) for g in gs],
        "global_clipnorm": [g * 0.5 / max(0.5, norm(gs)) for g in gs],
    }[kind]
    clipped.apply_gradients(zip(gs, one, strict=True))
    plain.apply_gradients(zip(hand, two, strict=True))
    for v, w in zip(one, two, strict=True):
        np.testing.assert_allclose(v.numpy(), w.numpy(), rtol=1e-14)


def test_clip_by_global_norm_with_none_rows_and_tensors():
    g = av.IndexedSlices(np.array([[3.0], [1.0]]), np.array([1, 1]), (3, 1))
    (clipped, none, t), n = optim.clip_by_global_norm([g, None, av.Tensor(np.array([3.0]))], 1.0)
    assert n == 5.0  # the two rows are one row of 4
    assert none is None
    assert isinstance(clipped, av.IndexedSlices)
    assert dense_of(clipped).tolist() == [[0.0], [0.8], [0.0]]
    assert isinstance(t, av.Tensor)
    np.testing.assert_allclose(t.numpy(), [0.6])


def test_clip_by_global_norm_leaves_short_gradients_alone():
    gs = [np.array([0.3]), np.array([0.4])]
    clipped, n = optim.clip_by_global_norm(gs, 1.0)
    assert clipped[0] is gs[0]
    assert n == 0.5


def test_a_norm_that_is_not_finite_shows():
    with np.errstate(invalid="ignore"):
        clipped, n = optim.clip_by_global_norm([np.array([np.inf]), np.array([1.0])], 1.0)
    assert n == np.inf
    assert np.isnan(clipped[0]).all()
    assert np.isnan(clipped[1]).all()


def test_clipping_half_precision_does_not_overflow():
    clipped, n = optim.clip_by_global_norm([np.full(4, 1000.0, np.float16)], 1.0)
    assert n == 2000.0
    assert clipped[0].dtype == np.float16


# ---------------------------------------------------------------- learning rates
def test_a_schedule_gets_the_iterations():
    seen = []
    optimizer = optim.SGD(lambda i: seen.append(i) or 0.1)
    run(optimizer, variables(), 3)
    assert seen == [0, 1, 2]
    assert optimizer.iterations == 3


def test_a_variable_as_learning_rate():
    rate = av.Variable(0.5, trainable=False)
    v = av.Variable([1.0])
    optimizer = optim.SGD(rate)
    optimizer.apply_gradients([([1.0], v)])
    rate.assign(0.25)
    optimizer.apply_gradients([([1.0], v)])
    assert v.item() == 0.25


def test_the_learning_rate_can_be_set():
    v = av.Variable([1.0])
    optimizer = optim.SGD(0.5)
    optimizer.learning_rate = 0.25
    optimizer.apply_gradients([([1.0], v)])
    assert v.item() == 0.75
    with pytest.raises(ValueError, match="negative"):
        optimizer.learning_rate = -1


@pytest.mark.parametrize(
    ("schedule", "at", "expected"),
    [
        (optim.schedules.constant(0.3), [0, 9], [0.3, 0.3]),
        (optim.schedules.exponential_decay(1.0, 2, 0.25), [0, 1, 2, 4], [1, 0.5, 0.25, 0.0625]),
        (optim.schedules.exponential_decay(1.0, 2, 0.25, staircase=True), [0, 1, 2, 3], [1, 1, 0.25, 0.25]),
        (optim.schedules.cosine(1.0, 4, 0.2), [0, 2, 4, 99], [1, 0.6, 0.2, 0.2]),
        (optim.schedules.piecewise([2, 4], [3, 2, 1]), [0, 1, 2, 3, 4], [3, 3, 2, 2, 1]),
        (optim.schedules.warm_up(optim.schedules.piecewise([1], [8, 4]), 4), [0, 1, 4, 5], [0, 2, 8, 4]),
        (optim.schedules.warm_up(8.0, 4, start=4.0), [0, 2, 4, 50], [4, 6, 8, 8]),
    ],
)
def test_schedules(schedule, at, expected):
    np.testing.assert_allclose([schedule(i) for i in at], expected, rtol=1e-15)


def test_schedules_check_their_arguments():
    with pytest.raises(ValueError, match="one value more"):
        optim.schedules.piecewise([1, 2], [1, 2])
    with pytest.raises(ValueError, match="steps must be positive"):
        optim.schedules.cosine(1.0, 0)


# ---------------------------------------------------------------- accumulation
@each
def test_accumulation_equals_one_step_with_the_mean(make):
    one, two = variables(), variables(names="stuv")
    split, whole = make(accumulate_steps=4), make()
    for step in range(3):
        gs = [gradients(one, 10 * step + part) for part in range(4)]
        before = values(one)
        for part in gs:
            assert same_bits(before, values(one))
            split.apply_gradients(zip(part, one, strict=True))
        mean = [sum(g) / 4 for g in zip(*gs, strict=True)]
        whole.apply_gradients(zip(mean, two, strict=True))
    for v, w in zip(one, two, strict=True):
        np.testing.assert_allclose(v.numpy(), w.numpy(), rtol=1e-12)
    assert split.iterations == 3


def test_accumulation_leaves_variables_without_gradients_alone():
    a, b = variables([(2,), (2,)])
    optimizer = optim.Adam(accumulate_steps=2)
    value = b.numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", av.PartialGradientWarning)
        for _ in range(2):
            optimizer.apply_gradients([(np.ones(2), a), (None, b)])
    assert np.array_equal(b.numpy(), value)
    assert optimizer.get_slot(a, "step").item() == 1


def test_a_variable_that_is_frozen_while_gradients_are_summed_up_stays():
    a, b = variables([(2,), (2,)])
    optimizer = optim.SGD(1.0, accumulate_steps=2)
    before = values([a, b])
    optimizer.apply_gradients([(np.ones(2), a), (np.ones(2), b)])
    b.trainable = False
    optimizer.apply_gradients([(np.ones(2), a), (None, b)])
    assert same_bits(values([a, b]), [before[0] - 1.0, before[1]])


def test_accumulation_of_rows():
    (v,) = variables([(4, 2)])
    before = v.numpy()
    optimizer = optim.SGD(1.0, accumulate_steps=2)
    for ids in ([1, 1], [1, 3]):
        optimizer.apply_gradients([(av.IndexedSlices(np.ones((2, 2)), np.array(ids), (4, 2)), v)])
    np.testing.assert_allclose(before - v.numpy(), np.array([[0, 1.5, 0, 0.5]] * 2).T)


@pytest.mark.parametrize("dtype", [np.int64, np.uint64, np.int32, np.uint8])
@pytest.mark.parametrize("high", [3, 200, 2**7 - 1])
@pytest.mark.parametrize("count", [1, 2, 63, 64, 65, 300])
def test_merged_rows(dtype, high, count):
    """Each index once, ascending, its rows added up in their order."""
    rng = np.random.default_rng(0)
    ids, values = rng.integers(0, high, count).astype(dtype), rng.standard_normal((count, 2)).astype(np.float32)
    merged = av.IndexedSlices(values, ids, (high, 2)).merged()
    unique = np.unique(ids)
    np.testing.assert_array_equal(np.asarray(merged.indices), unique)
    one_by_one = [sum(values[ids == i][1:], values[ids == i][0]) for i in unique]
    np.testing.assert_allclose(np.asarray(merged.values), one_by_one, rtol=1e-5, atol=1e-6)


def test_merged_rows_of_enormous_indices():
    ids = np.array([2**61, 5, 2**61, 2**40])
    merged = av.IndexedSlices(np.ones((4, 1)), ids, (2**62, 1)).merged()
    np.testing.assert_array_equal(np.asarray(merged.indices), [5, 2**40, 2**61])
    np.testing.assert_array_equal(np.asarray(merged.values), [[1.0], [1.0], [2.0]])


@pytest.mark.parametrize("resumed", [False, True], ids=["", "resumed"])
def test_accumulated_rows_stay_rows(resumed):
    """Lazy Adam leaves alone what none of the accumulated gradients names, and moves the others by the mean."""
    through, whole = variables([(6, 2), (6, 2)])
    whole.assign(through)
    optimizer, at_once = optim.Adam(0.1, lazy=True, accumulate_steps=3), optim.Adam(0.1, lazy=True)
    for step in range(2):
        parts = [rows(3 * step + i, 6, 2, 2) for i in range(3)]
        for i, g in enumerate(parts):
            if resumed and i == 2 and step:
                state = optimizer.state_dict()
                optimizer = optim.Adam(0.1, lazy=True, accumulate_steps=3)
                optimizer.load_state_dict(state)
            optimizer.apply_gradients([(g, through)])
        at_once.apply_gradients([((parts[0] + parts[1] + parts[2]) * (1 / 3), whole)])
    np.testing.assert_allclose(through.numpy(), whole.numpy(), rtol=1e-12)
    np.testing.assert_allclose(
        optimizer.get_slot(through, "m").numpy(), at_once.get_slot(whole, "m").numpy(), rtol=1e-12
    )


def test_rows_and_a_dense_gradient_accumulate_to_a_dense_one():
    (v,) = variables([(4, 2)])
    before = v.numpy()
    optimizer = optim.SGD(1.0, accumulate_steps=2)
    optimizer.apply_gradients([(av.IndexedSlices(np.ones((1, 2)), np.array([1]), (4, 2)), v)])
    optimizer.apply_gradients([(np.full((4, 2), 3.0), v)])
    np.testing.assert_allclose(before - v.numpy(), [[1.5, 1.5], [2.0, 2.0], [1.5, 1.5], [1.5, 1.5]])


# ---------------------------------------------------------------- the rest
def test_minimize_finds_the_variables():
    v, w = av.Variable(2.0), av.Variable(3.0)
    loss = optim.SGD(0.1).minimize(lambda: v * w)
    assert loss.item() == 6.0
    assert (v.item(), w.item()) == pytest.approx((1.7, 2.8))


def test_constraints_are_applied_after_the_update():
    v = av.Variable([1.0, 1.0], constraint=lambda value: np.maximum(value.numpy(), 0.9))
    optim.SGD(0.5).apply_gradients([([1.0, -1.0], v)])
    np.testing.assert_allclose(v.numpy(), [0.9, 1.5])


def test_reprs():
    assert "learning_rate=0.1" in repr(optim.SGD(0.1))
    assert "amsgrad" not in repr(optim.Adam())
    assert "cosine" in repr(optim.Adam(optim.schedules.cosine(0.1, 10)))


@pytest.mark.slow
def test_memory_stays():
    of = variables([(2, 32), (32,), (32, 32)], np.float32)
    optimizers = [optim.Adam(lambda i: 1e-3 / (i + 1)), optim.SGD(0.01, momentum=0.9)]
    gs = gradients(of, 0)

    def steps(count):
        for _ in range(count):
            for optimizer in optimizers:
                optimizer.apply_gradients(zip(gs, of, strict=True))

    gc.collect()
    gc.disable()
    try:
        tracemalloc.start()
        steps(100)
        grown: list = []
        objects = len(gc.get_objects())
        for _ in range(3):  # a dict of the process may grow once, for what tests before this one left in it
            memory = tracemalloc.get_traced_memory()[0]
            steps(1000)
            grown.append(tracemalloc.get_traced_memory()[0] - memory)
        assert len(gc.get_objects()) <= objects + 1
        assert min(grown) < 300, grown
    finally:
        tracemalloc.stop()
        gc.enable()


def test_an_optimizer_goes_without_the_garbage_collector():
    import weakref

    of = variables()
    optimizer = optim.Adam()
    run(optimizer, of, 2)
    run(optimizer, of[:2], 2)
    gone = weakref.ref(optimizer)
    slots = weakref.ref(optimizer._slots)
    array = weakref.ref(optimizer._slots._groups["a"].slots[0])
    gc.disable()
    try:
        del optimizer
        assert gone() is None
        assert slots() is None
        assert array() is None
    finally:
        gc.enable()
