"""Optimizers and clipping where users go wrong: gradients through clipping, failures halfway, words of the errors."""

import warnings

import numpy as np
import pytest

import autograd_vs as av
import optim


@pytest.fixture(autouse=True)
def own_store():
    with av.VariableStore():
        yield


# ---------------------------------------------------------------- clipping is differentiable
CLIPS = {
    "norm": lambda gs: optim.clip_by_norm(gs, 1.0),
    "global": lambda gs: optim.clip_by_global_norm(gs, 1.0)[0],
    "value": lambda gs: optim.clip_by_value(gs, 1.5),
    "norm_unclipped": lambda gs: optim.clip_by_norm(gs, 1e6),
    "global_unclipped": lambda gs: optim.clip_by_global_norm(gs, 1e6)[0],
    "value_unclipped": lambda gs: optim.clip_by_value(gs, 1e4),
}
clips = pytest.mark.parametrize("clip", CLIPS.values(), ids=CLIPS.keys())


def difference(f, x, h=1e-6):
    g = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[i] = h
        g[i] = (f(x + step) - f(x - step)) / (2 * h)
    return g


@clips
@pytest.mark.parametrize("rows", [False, True])
def test_a_tape_follows_a_clipped_inner_step(clip, rows):
    """One step of MAML: the loss after a clipped step, by the start."""
    start = np.random.default_rng(0).normal(size=(3, 2)) + 0.3

    def after(value):
        v, w = av.Variable(value), av.Variable(np.array([0.7, -0.4]))
        with av.GradientTape() as outer:
            with av.GradientTape() as inner:
                read = av.take(v, np.array([2, 0, 2]), axis=0) if rows else v
                loss = av.sum(read**3) + av.sum(w**2) * av.sum(read)
            g, h = clip(inner.gradient(loss, [v, w]))
            assert isinstance(g, av.IndexedSlices) is rows
            g = g.to_dense() if rows else g
            result = av.sum((v - 0.1 * g) ** 2) + av.sum((w - 0.1 * h) ** 2)
        gradient = outer.gradient(result, v)
        return result.item(), gradient.numpy()

    np.testing.assert_allclose(after(start)[1], difference(lambda x: after(x)[0], start), rtol=1e-6, atol=1e-8)


@clips
def test_clipping_a_variable_gives_a_tensor(clip):
    v = av.Variable(np.array([3.0, 4.0]))
    with av.GradientTape() as tape:
        (g,) = clip([v])
        y = av.sum(g * g * g)
    assert isinstance(g, av.Tensor)
    assert tape.gradient(y, v) is not None
    before = g.numpy()
    v.assign([0.0, 0.0])
    assert np.array_equal(g.numpy(), before)


def test_an_array_beside_recorded_gradients_is_scaled_by_the_recorded_norm():
    v = av.Variable(np.array([3.0]))
    with av.GradientTape() as tape:
        (t, a, none), norm = optim.clip_by_global_norm([v * 1.0, np.array([4.0], np.float32), None], 1.0)
        y = av.sum(a)
    assert none is None
    assert isinstance(norm, av.Tensor)
    assert norm.item() == 5.0
    assert isinstance(t, av.Tensor)
    assert isinstance(a, av.Tensor)
    assert a.dtype == np.float32
    np.testing.assert_allclose(tape.gradient(y, v).numpy(), [-4.0 * 3.0 / 5.0**3], rtol=1e-6)


def test_the_norm_of_tensors_that_nobody_records_is_a_float():
    _, norm = optim.clip_by_global_norm([av.Tensor(np.array([3.0, 4.0]))], 1.0)
    assert type(norm) is float


@pytest.mark.parametrize("kind", [np.asarray, av.Tensor])
def test_complex_gradients(kind):
    z = kind(np.array([3.0 - 0.5j, 0.1 + 4.0j], np.complex64))
    (cut,) = optim.clip_by_value([z], 1.0)
    assert cut.dtype == np.complex64
    assert type(cut) is type(z)
    np.testing.assert_allclose(np.asarray(cut), [1.0 - 0.5j, 0.1 + 1.0j], rtol=1e-6)
    (short,) = optim.clip_by_norm([z], 1.0)
    assert short.dtype == np.complex64
    np.testing.assert_allclose(np.linalg.norm(np.asarray(short)), 1.0, rtol=1e-6)


@clips
def test_tensors_are_clipped_as_arrays_are(clip):
    rng = np.random.default_rng(1)
    for dtype in (np.float16, np.float32, np.float64, np.complex64):
        arrays = [rng.normal(size=s).astype(dtype) for s in ((3, 2), (), (4,))]
        for a, t in zip(clip(arrays), clip([av.Tensor(a) for a in arrays]), strict=True):
            assert isinstance(t, av.Tensor)
            assert t.dtype == np.asarray(a).dtype
            np.testing.assert_allclose(t.numpy(), a, rtol=1e-3 if dtype == np.float16 else 1e-6)


@clips
def test_no_rows(clip):
    g = av.IndexedSlices(av.Tensor(np.zeros((0, 2))), av.Tensor(np.zeros(0, int)), (3, 2))
    (clipped,) = clip([g])
    assert clipped.to_dense().numpy().tolist() == [[0, 0]] * 3


@pytest.mark.parametrize("kind", ["clipnorm", "clipvalue", "global_clipnorm"])
def test_an_update_with_clipping_records_nothing(kind):
    v = av.Variable(np.ones(3))
    with av.GradientTape() as tape:
        g = v * 5.0
        count = len(tape._record.entries)
        optim.SGD(0.1, **{kind: 1.0}).apply_gradients([(g, v)])
        assert len(tape._record.entries) == count


# ---------------------------------------------------------------- failures halfway
def test_a_schedule_that_raises_adds_nothing_up():
    fail = [True]

    def schedule(iterations):
        if fail[0]:
            raise RuntimeError("no rate")
        return 1.0

    v = av.Variable(np.array([0.0]))
    optimizer = optim.SGD(schedule, accumulate_steps=2)
    optimizer.apply_gradients([(np.array([1.0]), v)])
    with pytest.raises(RuntimeError, match="no rate"):
        optimizer.apply_gradients([(np.array([3.0]), v)])
    assert optimizer.accumulated == 1
    fail[0] = False
    optimizer.apply_gradients([(np.array([3.0]), v)])
    assert v.item() == -2.0
    assert (optimizer.iterations, optimizer.accumulated) == (1, 0)


def test_an_update_that_raises_ends_the_accumulation():
    v = av.Variable(np.array([0.0]))
    optimizer = optim.Adam(1.0, accumulate_steps=2)
    fails = optim.SGD(1.0, accumulate_steps=2)
    fails.scalars = optimizer.scalars  # arguments that the rule does not know
    fails.apply_gradients([(np.array([1.0]), v)])
    with pytest.raises(TypeError, match="unexpected keyword"):
        fails.apply_gradients([(np.array([1.0]), v)])
    assert fails.accumulated == 0
    del fails.scalars
    for _ in range(2):
        fails.apply_gradients([(np.array([1.0]), v)])
    assert v.item() == -1.0


@pytest.mark.parametrize("steps", [1, 2])
def test_a_constraint_that_fails_is_named_and_the_update_counts(steps):
    good = av.Variable(np.array([1.0]), name="good", constraint=lambda v: np.maximum(v.numpy(), 0.9))
    bad = av.Variable(np.array([1.0, 1.0]), name="bad", constraint=lambda v: np.ones(3))
    optimizer = optim.SGD(0.5, momentum=0.9, accumulate_steps=steps)
    pairs = [(np.ones(2), bad), (np.ones(1), good)]
    for _ in range(steps - 1):
        optimizer.apply_gradients(pairs)  # sums, and leaves the constraints alone
    with pytest.raises(ValueError, match=r"constraint of variable 'bad:0' failed.*the update was made"):
        optimizer.apply_gradients(pairs)
    assert bad.numpy().tolist() == [0.5, 0.5]
    assert good.numpy().tolist() == [0.9]
    assert optimizer.iterations == optimizer.get_slot(bad, "step").item() == 1
    assert optimizer.accumulated == 0
    with pytest.raises(ValueError, match="has shape"):
        optimizer.apply_gradients([(np.ones(7), bad)])
    assert optimizer.iterations == 1


def test_minimize_leaves_its_own_learning_rate_alone():
    rate, v = av.Variable(0.5, name="rate"), av.Variable(2.0, name="v")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        optim.SGD(rate).minimize(lambda: v * v * rate)
    assert rate.item() == 0.5
    assert v.item() == 1.0
    optim.SGD(0.1).minimize(lambda: v * v * rate)  # another optimizer's may be trained
    assert rate.item() != 0.5


# ---------------------------------------------------------------- words
def variable():
    return av.Variable(np.ones(2), name="v")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: optim.SGD(lr=0.1), r"SGD has no argument 'lr': write learning_rate.*momentum"),
        (lambda: optim.Adam(betas=(0.9, 0.99)), r"Adam has no argument 'betas': write beta_1 and beta_2"),
        (lambda: optim.AdamW(eps=1e-8), r"AdamW has no argument 'eps': write epsilon"),
        (lambda: optim.Adam(params=[variable()]), r"Adam has no argument 'params': variables go into apply_gradients"),
        (lambda: optim.SGD([variable()], lr=0.1), r"SGD has no argument 'lr'.*variables go into apply_gradients"),
        (lambda: optim.Adam(learnig_rate=1), r"'learnig_rate' \(is 'learning_rate' meant\?\)"),
        (lambda: optim.Adam(clip_norm=1), r"is 'clipnorm' meant"),
        (lambda: optim.Adam(foo=1), r"Adam has no argument 'foo'. It takes learning_rate, beta_1.*clipnorm"),
        (lambda: optim.Adam([variable()]), r"Adam: learning_rate is one number.*got list; variables go into"),
        (lambda: optim.Adam(v for v in ()), r"Adam: learning_rate .*got generator; variables go into"),
        (lambda: optim.Adam(None), r"Adam: learning_rate .*got None"),
        (lambda: optim.Adam("0.1"), r"Adam: learning_rate .*got the string '0.1'"),
        (lambda: optim.Adam(1j), r"Adam: learning_rate .*got 1j"),
        (lambda: optim.SGD(np.ones(2)), r"SGD: learning_rate is one number.*ndarray of shape \(2,\)"),
        (lambda: optim.SGD(av.Variable([1.0, 2.0])), r"SGD: learning_rate is one number.*Variable of shape \(2,\)"),
        (lambda: optim.Adam(0.1, (0.9, 0.99)), r"Adam: beta_1 is a number in \[0, 1\), got \(0.9, 0.99\)"),
        (lambda: optim.Adam(epsilon="1e-8"), r"Adam: epsilon is a number"),
        (lambda: optim.SGD().minimize(av.Tensor(np.array(1.0))), r"minimize takes a function.*minimize\(lambda: ...\)"),
        (lambda: optim.SGD().apply_gradients([(variable(), np.ones(2))]), r"Pairs are \(gradient, variable\)"),
        (lambda: optim.SGD().apply_gradients([(variable(), None)]), r"Pairs are \(gradient, variable\)"),
        (lambda: optim.SGD().apply_gradients([(None, np.ones(2))]), r"Pairs are \(gradient, variable\)"),
        (lambda: optim.SGD().apply_gradients(None), r"takes pairs \(gradient, variable\).*NoneType"),
        (lambda: optim.SGD().apply_gradients([variable()] * 3), r"takes pairs \(gradient, variable\)|Pairs are"),
        (lambda: optim.SGD().apply_gradients([(1, 2, 3)]), r"takes pairs \(gradient, variable\).*got list"),
        (lambda: optim.SGD().load_state_dict(None), r"load_state_dict takes the mapping.*NoneType"),
        (lambda: optim.SGD().load_state_dict("state.npz"), r"load_state_dict takes the mapping.*str"),
        (lambda: optim.SGD(clipnorm="1"), r"clipnorm is a positive number, got '1'"),
        (lambda: optim.clip_by_norm(np.ones(3), 1.0), r"sequence of gradients, got one ndarray: write \[gradient\]"),
        (lambda: optim.clip_by_value(av.Tensor(np.ones(3)), 1.0), r"sequence of gradients, got one Tensor"),
        (lambda: optim.clip_by_global_norm([np.ones(3)], None), r"max_norm is a positive number, got None"),
        (lambda: optim.SGD(lambda i: None).current_rate(), r"SGD 'sgd': the learning rate at iteration 0 is a number"),
        (lambda: optim.SGD(lambda i: 1j).current_rate(), r"iteration 0 is a number, got 1j"),
        (lambda: optim.NAdam(decoupled_weight_decay="yes"), r"NAdam: decoupled_weight_decay is a number"),
    ],
)
def test_wrong_kinds(make, words):
    with pytest.raises(TypeError, match=words):
        make()


@pytest.mark.parametrize("rate", [-0.1, float("nan"), float("inf")])
def test_a_schedule_that_gives_no_rate_changes_nothing(rate):
    v = variable()
    optimizer = optim.SGD(lambda i: rate if i else 0.5)
    optimizer.apply_gradients([(np.ones(2), v)])
    with pytest.raises(ValueError, match="SGD 'sgd': the learning rate at iteration 1 must be finite and not negative"):
        optimizer.apply_gradients([(np.ones(2), v)])
    assert v.numpy().tolist() == [0.5, 0.5]
    assert optimizer.iterations == 1
    with pytest.raises(ValueError, match="finite and not negative"):
        optimizer.learning_rate = rate


@pytest.mark.parametrize("value", [-1, float("nan")])
def test_epsilon_is_not_negative(value):
    with pytest.raises(ValueError, match="Adam: epsilon must be in"):
        optim.Adam(epsilon=value)


def test_what_a_learning_rate_may_be():
    for value in (0, 1, np.float32(0.5), np.array(0.5), np.array([0.5]), np.int64(1)):
        assert type(optim.SGD(value).learning_rate) is float
    for value in (av.Variable(0.5), av.Tensor(np.array([0.5]))):
        assert optim.SGD(value).learning_rate is value
    with pytest.raises(ValueError, match="SGD: learning_rate must be finite and not negative"):
        optim.SGD(av.Variable(-0.5))


def test_an_error_inside_of_the_pairs_stays_as_it_is():
    def pairs():
        yield np.ones(2), variable()
        raise ValueError("mine")

    with pytest.raises(ValueError, match=r"^mine$"):
        optim.SGD().apply_gradients(pairs())


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("AdamOptimizer", "write optim.Adam"),
        ("GradientDescentOptimizer", "write optim.SGD"),
        ("MomentumOptimizer", "momentum=0.9"),
        ("Ftrl", "no 'Ftrl' yet: there are LAMB, LBFGS, SGD, .*RMSprop, "),
        ("RMSPropOptimizer", "write optim.RMSprop"),
        ("AdagradOptimizer", "write optim.Adagrad"),
        ("Adamw", r"is 'AdamW' meant\?"),
        ("nothing_like_it", "has no attribute"),
    ],
)
def test_names_that_are_not_there(name, words):
    with pytest.raises(AttributeError, match=words) as caught:
        getattr(optim, name)
    assert caught.value.name == name
    assert not hasattr(optim, name)
