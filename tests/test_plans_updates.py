"""Updates of optimizers as calls of a plan: whatever happens to an optimizer meanwhile, a plan does what eager does."""

import numpy as np
import pytest
from test_optim import ANY_SHAPE

import autograd_vs as av
import optim
from autograd_vs.base.backend import to_numpy

MAKE = ANY_SHAPE | {
    "scheduled": lambda: optim.AdamW(optim.schedules.cosine(0.05, 6), weight_decay=0.1),
    "clipped": lambda: optim.Adam(0.05, global_clipnorm=0.1),
    "accumulated": lambda: optim.SGD(0.05, accumulate_steps=2),
    "by name": lambda: optim.AdamW(0.05, weight_decay=0.1, exclude=["b"], rates={"^c$": 0.1, "^a": 2.0}),
}


class Both:
    """The same training twice, eagerly and as a function; `both` says what happens to either between steps."""

    def __init__(self, make, dtypes=("float32",) * 3):
        self.sides = []
        for wrap in (lambda f: f, av.function):
            rng = np.random.default_rng(0)
            with av.VariableStore():  # the same names
                variables = [
                    av.Variable(rng.normal(size=shape).astype(dtype), name=name)
                    for name, shape, dtype in zip("abc", ((3, 4), (4,), ()), dtypes, strict=True)
                ]
            optimizer = make()
            self.sides.append((variables, optimizer, wrap(self.step_of(variables, optimizer))))

    @staticmethod
    def step_of(variables, optimizer):
        def step(x):
            with av.GradientTape() as tape:
                a, b, c = [v.real if v.dtype.kind == "c" else v for v in variables]
                loss = av.mean(av.square(av.tanh(x @ a + b) * c))
            optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
            return loss

        return step

    def both(self, change):
        for variables, optimizer, _ in self.sides:
            change(variables, optimizer)

    def steps(self, count=3):
        rng = np.random.default_rng(1)
        for _ in range(count):
            x = rng.normal(size=(5, 3)).astype(np.float32)
            losses = [step(x).numpy() for _, _, step in self.sides]
            assert losses[0] == losses[1]
        (one, eager, _), (other, planned, _) = self.sides
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a.numpy(), b.numpy())
        first, second = eager.state_dict(), planned.state_dict()
        assert first.keys() == second.keys() and eager.iterations == planned.iterations
        for key, value in first.items():
            np.testing.assert_array_equal(to_numpy(value), to_numpy(second[key]), err_msg=key)

    @property
    def traces(self):
        return self.sides[1][2].traces


COMPUTES = pytest.mark.host("its rule computes with the scalars, which are Python's numbers elsewhere, eagerly")


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[COMPUTES] if kind.startswith("example") else []) for kind in MAKE]
)
def test_equal_to_eager(kind):
    training = Both(MAKE[kind])
    training.steps(10)
    assert training.traces == 1


def test_the_update_is_in_the_plan_and_gradients_are_where_it_wants_them():
    training = Both(MAKE["adam"])
    training.steps(2)
    text = str(training.sides[1][2].plan())
    assert "m of a .." in text and "concatenate" not in text and "setitem" not in text


@pytest.mark.parametrize(
    "dtypes", [("float16", "float32", "float32"), ("float64",) * 3, ("complex64",) + ("float32",) * 2]
)
def test_other_dtypes(dtypes):
    Both(MAKE["adam"], dtypes).steps(4)


def test_a_large_variable():
    sides = []
    for wrap in (lambda f: f, av.function):
        v = av.Variable(np.linspace(-1, 1, 300_000, dtype=np.float32), name="large")
        small = av.Variable(np.ones(3, np.float32), name="small")
        optimizer = optim.AdamW(0.1, weight_decay=0.1)

        def step(v=v, small=small, optimizer=optimizer):
            with av.GradientTape() as tape:
                loss = av.sum(v * v) + av.sum(small * 3.0)
            optimizer.apply_gradients(zip(tape.gradient(loss, [v, small]), [v, small], strict=True))
            return loss

        step = wrap(step)
        sides.append(([step().item() for _ in range(3)], v.numpy(), small.numpy(), optimizer.get_slot(v, "v").numpy()))
    for one, other in zip(*sides, strict=True):
        np.testing.assert_array_equal(one, other)


BETWEEN = {
    "the rate": (lambda v, o: setattr(o, "learning_rate", 0.5), 1),
    "another beta": (lambda v, o: setattr(o, "beta_1", 0.5), 1),
    "a schedule": (lambda v, o: setattr(o, "learning_rate", lambda i: 0.1 / (1 + i)), 1),
    "decay from now on": (lambda v, o: setattr(o, "weight_decay", 0.1), 2),
    "clipping from now on": (lambda v, o: setattr(o, "clipvalue", 0.001), 2),
    "accumulation from now on": (lambda v, o: setattr(o, "accumulate_steps", 2), 2),
    "a variable set": (lambda v, o: v[0].assign(np.ones((3, 4))), 1),
    "a variable frozen and thawed": (lambda v, o: [setattr(v[0], "trainable", t) for t in (False, True)], 1),
    "a constraint": (lambda v, o: setattr(v[1], "constraint", lambda x: av.clip(x, -0.1, 0.1)), 2),
    "all state dropped": (lambda v, o: o.reset(), 2),
    "one state dropped": (lambda v, o: o.reset(v[1]), 2),
    "the state of another": (lambda v, o: o.load_state_dict({**o.state_dict(), "adam/iterations": 7}), 2),
    "an update of a part": (lambda v, o: o.apply_gradients([(np.ones(4, np.float32), v[1])]), 2),
    "an update of all": (lambda v, o: o.apply_gradients([(np.ones(x.shape, np.float32), x) for x in v]), 1),
}


@pytest.mark.parametrize("what", BETWEEN)
def test_what_happens_between_the_calls_is_seen(what):
    change, traces = BETWEEN[what]
    training = Both(MAKE["adam"])
    training.steps()
    training.both(change)
    training.steps()
    assert training.traces == traces


def test_a_rate_that_is_a_variable():
    training = Both(lambda: optim.Adam(av.Variable(0.1, name="rate", trainable=False)))
    training.steps()
    training.both(lambda v, o: o.learning_rate.assign(0.01))
    training.steps()
    assert training.traces == 1


def test_a_rate_assigned_in_the_step_itself():
    results = []
    for wrap in (lambda f: f, av.function):
        v, rate = av.Variable([1.0, 2.0], name="v"), av.Variable(0.1, name="rate", trainable=False)
        optimizer = optim.SGD(rate)

        def step(x, v=v, rate=rate, optimizer=optimizer):
            rate.assign(x)
            optimizer.apply_gradients([(v * 1.0, v)])

        step = wrap(step)
        for x in (0.1, 0.5, 0.25):
            step(np.float32([x])[0:1].reshape(()))
        results.append(v.numpy())
    np.testing.assert_array_equal(*results)


def test_a_failed_trace_leaves_the_optimizer_as_it_was():
    v = av.Variable([1.0, 2.0], name="v")
    optimizer = optim.Adam(0.1)
    optimizer.apply_gradients([([1.0, 1.0], v)])
    state, value = optimizer.state_dict(), v.numpy()

    @av.function
    def step(x):
        optimizer.apply_gradients([(x, v)])
        raise ValueError("after the update")

    with pytest.raises(ValueError, match="after the update"):
        step(np.ones(2, np.float32))
    after = optimizer.state_dict()
    np.testing.assert_array_equal(v.numpy(), value)
    assert all(np.array_equal(after[key], state[key]) for key in state) and after.keys() == state.keys()


def test_a_bad_gradient_changes_nothing_at_the_trace():
    v, w = av.Variable([1.0, 2.0], name="v"), av.Variable([1.0], name="w")
    optimizer = optim.Adam(0.1)

    @av.function
    def step(x):
        optimizer.apply_gradients([(x[0], w), (x, v)])

    with pytest.raises(ValueError, match=r"gradient of variable 'w\w*:0' has shape"):
        step(np.ones(2, np.float32))
    assert v.numpy().tolist() == [1.0, 2.0] and optimizer.iterations == 0


def test_an_optimizer_of_the_users_own_whose_scalars_change_their_names():
    class Odd(optim.Optimizer):
        def scalars(self, step, rate):
            return {"rate": rate} if step < 3 else {"rate": rate, "more": 1.0}

        @staticmethod
        def update(p, g, *, rate, more=0.0):
            return (g * (rate + more),)

    v, optimizer = av.Variable([1.0], name="v"), Odd(0.5, name="odd")
    step = av.function(lambda x: optimizer.apply_gradients([(x, v)]))
    step(np.ones(1, np.float32)), step(np.ones(1, np.float32))
    with pytest.raises(
        RuntimeError, match="the scalars rate when the function was traced, now it would get rate, more"
    ):
        step(np.ones(1, np.float32))
    assert v.numpy().tolist() == [0.0]


def test_two_optimizers_in_one_step_and_one_over_two_functions():
    a, b = av.Variable([1.0, 2.0], name="a"), av.Variable([3.0], name="b")
    both, alone = optim.Adam(0.1, name="both"), optim.SGD(0.1, name="alone")
    first = av.function(lambda x: (both.apply_gradients([(x, a), (x[:1], b)]), alone.apply_gradients([(x, a)]))[0])
    second = av.function(lambda x: both.apply_gradients([(x[1:], b), (x, a)]))
    x = np.array([0.5, -1.0], np.float32)
    first(x), second(x), first(x), second(x)
    c, d = av.Variable([1.0, 2.0], name="a"), av.Variable([3.0], name="b")
    both_too, alone_too = optim.Adam(0.1, name="both"), optim.SGD(0.1, name="alone")
    for _ in range(2):
        both_too.apply_gradients([(x, c), (x[:1], d)]), alone_too.apply_gradients([(x, c)])
        both_too.apply_gradients([(x[1:], d), (x, c)])
    np.testing.assert_array_equal(a.numpy(), c.numpy())
    np.testing.assert_array_equal(b.numpy(), d.numpy())
