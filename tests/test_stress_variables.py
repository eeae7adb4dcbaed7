"""Variables under random interleavings: assignments, views that somebody holds, tapes that walk later, optimizers.

`AUTOGRAD_VS_EXAMPLES=500 pytest tests/test_stress_variables.py` looks longer, elsewhere, and for the shortest failure.

The model beside it is slow and plain: it copies every value it meets. A gradient must be that at the values which the
forward pass read, and what was read before an assignment must not change with it.
"""

import gc

import numpy as np
from drawn import MORE, examples
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import autograd_vs as av
import optim
from autograd_vs.engine import record

SHAPES = [(2, 2), (2, 2), (3,), ()]
number = st.floats(-2.0, 2.0, allow_nan=False).map(lambda x: round(x, 3))
which = st.integers(0, len(SHAPES) - 1)

# How a view of a variable is taken, of the Tensor and of a plain array.
VIEWS = {
    "transposed": lambda x: x.T,
    "reshaped": lambda x: x.reshape(-1),
    "raveled": lambda x: x.ravel(),
    "whole": lambda x: x[...],
    "row": lambda x: x[-1:] if x.ndim else x[None],
    "backwards": lambda x: x[::-1] if x.ndim else x[...],
    "twice": lambda x: x.T.reshape(-1)[:1],
    "swapped": lambda x: np.swapaxes(x, 0, -1) if x.ndim else np.expand_dims(x, 0),
    "broadcast": lambda x: np.broadcast_to(x, (2, *x.shape)),
    "copied": lambda x: x + 0,
}
TERMS = {
    "square": (lambda x: x * x, lambda a: 2 * a),
    "sine": (np.sin, np.cos),
    "product with itself": (lambda x: x * x.T, lambda a: 2 * a.T if a.ndim == 2 else 2 * a),
    "logistic": (lambda x: 1.0 / (1.0 + np.exp(-x)), lambda a: np.exp(-a) / (1 + np.exp(-a)) ** 2),
    "recomputed": (av.recompute_grad(lambda x: np.sin(x) * x), lambda a: np.cos(a) * a + np.sin(a)),
}


def one_of(data, things):
    return things[data.draw(st.integers(0, len(things) - 1))]  # hypothesis holds on to what it draws


class Followed:
    """A tape, the terms recorded on it, and what its gradients must be."""

    def __init__(self, persistent):
        self.tape = av.GradientTape(persistent=persistent)
        self.persistent, self.used = persistent, False
        self.terms = []
        self.want = [np.zeros(shape) for shape in SHAPES]
        self.read = [False] * len(SHAPES)


class PlainOptimizer:
    """An optimizer of the textbook, for one variable at a time, on copies."""

    def __init__(self, kind):
        self.kind, self.state = kind, {}

    def update(self, i, p, g):
        m, v, n = self.state.get(i, (0.0, 0.0, 0))
        n += 1
        if self.kind == "sgd":
            new = p - 0.1 * g
        elif self.kind == "momentum":
            m = 0.9 * m + g
            new = p - 0.1 * m
        else:
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
            new = p - 0.01 * (m / (1 - 0.9**n)) / (np.sqrt(v / (1 - 0.999**n)) + 1e-8)
        self.state[i] = m, v, n
        return new


class VariablesAndTapes(RuleBasedStateMachine):
    @initialize()
    def start(self):
        self.before = len(record.live_records)
        self.store = av.VariableStore()
        rng = np.random.default_rng(0)
        self.values = [rng.normal(size=shape) for shape in SHAPES]
        with self.store:
            self.variables = [av.Variable(a, name=f"v{i}") for i, a in enumerate(self.values)]
        self.held = []  # (what somebody holds, what it must show)
        self.views = []  # (view, value, variable, kind, the tapes that heard it being taken)
        self.open = []
        self.closed = []
        self.optimizers = [
            (optim.SGD(0.1), PlainOptimizer("sgd")),
            (optim.SGD(0.1, momentum=0.9, name="momentum"), PlainOptimizer("momentum")),
            (optim.Adam(0.01), PlainOptimizer("adam")),
        ]

    # ---------------------------------------------------------------- reading
    @rule(i=which, kind=st.sampled_from(sorted(VIEWS)))
    def take_view(self, i, kind):
        view = VIEWS[kind](self.variables[i])
        value = VIEWS[kind](self.values[i]).copy()
        self.held.append((view, value))
        self.views.append((view, value, i, kind, list(self.open)))

    @rule(i=which)
    def take_numpy(self, i):
        self.held.append((self.variables[i].numpy(), self.values[i].copy()))

    @rule(persistent=st.booleans())
    def open_tape(self, persistent):
        if len(self.open) < 4:
            self.open.append(Followed(persistent))
            self.open[-1].tape.__enter__()

    @rule()
    def close_tape(self):
        if self.open:
            followed = self.open.pop()
            followed.tape.__exit__(None, None, None)
            self.closed.append(followed)

    @rule(i=which, kind=st.sampled_from(sorted(TERMS)), scale=number)
    def read(self, i, kind, scale):
        f, slope = TERMS[kind]
        term = f(self.variables[i]) * scale
        for followed in self.open:
            followed.terms.append(term)
            followed.want[i] = followed.want[i] + scale * slope(self.values[i])
            followed.read[i] = True

    @rule(i=which, j=which)
    def multiply(self, i, j):
        a, b = self.values[i], self.values[j]
        if a.shape != b.shape:
            return
        term = self.variables[i] * self.variables[j]
        for followed in self.open:
            followed.terms.append(term)
            followed.want[i] = followed.want[i] + b
            followed.want[j] = followed.want[j] + a
            followed.read[i] = followed.read[j] = True

    @rule(data=st.data(), scale=number)
    def read_view(self, data, scale):
        """A view that was taken on the tape leads back to the variable, at the value of that time."""
        if not self.views:
            return
        view, value, i, kind, heard = one_of(data, self.views)
        term = view * view * scale
        weights = np.zeros(SHAPES[i])
        if kind in ("row", "twice") and SHAPES[i]:
            index = np.zeros(SHAPES[i])
            VIEWS[kind](index)[...] = 1.0
            weights = index
        else:
            weights = np.full(SHAPES[i], 2.0 if kind == "broadcast" else 1.0)
        for followed in self.open:
            followed.terms.append(term)
            if followed in heard:
                whole = self._variable_at(view, value, i, kind)
                followed.want[i] = followed.want[i] + 2 * scale * weights * whole
                followed.read[i] = True

    def _variable_at(self, view, value, i, kind):
        """The value of the variable when the view was taken, as far as the view shows it."""
        whole = np.zeros(SHAPES[i])
        if kind == "copied":
            return value
        if kind == "broadcast":
            return value[0]
        VIEWS[kind](whole)[...] = value
        return whole

    # ---------------------------------------------------------------- writing
    @rule(i=which, x=number)
    def assign(self, i, x):
        self.variables[i].assign(np.full(SHAPES[i], x))
        self.values[i] = np.full(SHAPES[i], x)

    @rule(i=which, x=number, sign=st.sampled_from([1, -1]))
    def assign_add(self, i, x, sign):
        delta = np.linspace(x, 1.0, self.values[i].size).reshape(SHAPES[i])
        (self.variables[i].assign_add if sign > 0 else self.variables[i].assign_sub)(delta)
        self.values[i] = self.values[i] + sign * delta

    @rule(i=which, j=which)
    def assign_from(self, i, j):
        """From another variable, or from a view of itself."""
        if SHAPES[i] == SHAPES[j]:
            self.variables[i].assign(self.variables[j].T)
            self.values[i] = self.values[j].T.copy()

    @rule(data=st.data())
    def assign_what_is_held(self, data):
        fitting = [(x, a) for x, a in self.held if a.shape == (2, 2)]
        if fitting:
            x, a = one_of(data, fitting)
            self.variables[0].assign(x)
            self.values[0] = a.copy()

    @rule(which_one=st.integers(0, 2), some=st.sets(which, min_size=1), x=number, views=st.booleans())
    def update(self, which_one, some, x, views):
        """By gradients that may be views of the very variables."""
        optimizer, model = self.optimizers[which_one]
        some = sorted(some)
        if views:
            twin = {0: 1, 1: 0}
            gradients = [self.variables[twin.get(i, i)].T for i in some]
            plain = [self.values[twin.get(i, i)].T.copy() for i in some]
        else:
            plain = gradients = [np.linspace(x, 0.5, self.values[i].size).reshape(SHAPES[i]) for i in some]
        optimizer.apply_gradients(zip(gradients, [self.variables[i] for i in some], strict=True))
        for i, g in zip(some, plain, strict=True):
            self.values[i] = model.update(i, self.values[i], g)

    @precondition(lambda self: self.closed)
    @rule(data=st.data(), which_one=st.integers(0, 2))
    def train(self, data, which_one):
        """By the gradients of a tape that was closed some time ago."""
        followed = one_of(data, self.closed)
        found = self._gradients(followed)
        if found is None:
            return
        optimizer, model = self.optimizers[which_one]
        there = [i for i, g in enumerate(found) if g is not None]
        if there:
            optimizer.apply_gradients([(found[i], self.variables[i]) for i in there])
            for i in there:
                self.values[i] = model.update(i, self.values[i], followed.want[i])

    # ---------------------------------------------------------------- gradients
    def _gradients(self, followed):
        if followed.used or not followed.terms:
            return None
        followed.used = not followed.persistent
        found = followed.tape.gradient(followed.terms, self.variables)
        for g, want, read in zip(found, followed.want, followed.read, strict=True):
            assert (g is not None) == read
            if g is not None:
                np.testing.assert_allclose(g.numpy(), want, rtol=1e-9, atol=1e-9)
                self.held.append((g, g.numpy()))
        return found

    @precondition(lambda self: self.closed)
    @rule(data=st.data())
    def gradient(self, data):
        self._gradients(one_of(data, self.closed))

    @precondition(lambda self: self.open)
    @rule()
    def gradient_inside(self):
        self._gradients(self.open[-1])

    @precondition(lambda self: self.closed)
    @rule(data=st.data())
    def drop_tape(self, data):
        i = data.draw(st.integers(0, len(self.closed) - 1))
        followed = self.closed.pop(i)
        self.views = [(view, a, v, k, [f for f in heard if f is not followed]) for view, a, v, k, heard in self.views]

    @rule(data=st.data())
    def let_go(self, data):
        if self.held:
            del self.held[data.draw(st.integers(0, len(self.held) - 1))]

    # ---------------------------------------------------------------- what always holds
    @invariant()
    def variables_have_their_values(self):
        for v, value in zip(getattr(self, "variables", ()), getattr(self, "values", ()), strict=True):
            np.testing.assert_allclose(v.numpy(), value, rtol=1e-9, atol=1e-9)

    @invariant()
    def what_is_held_does_not_change(self):
        for x, value in getattr(self, "held", ()):
            np.testing.assert_allclose(np.asarray(x if isinstance(x, np.ndarray) else x.numpy()), value, rtol=1e-9)

    def teardown(self):
        while getattr(self, "open", ()):
            self.open.pop().tape.__exit__(None, None, None)
        for name in ("held", "views", "open", "closed"):
            self.__dict__.pop(name, None)
        gc.collect()
        assert record.active() is None
        assert len(record.live_records) <= self.before, "a tape that is gone still counts"


VariablesAndTapes.TestCase.settings = settings(
    examples(60),
    stateful_step_count=40,
    phases=[Phase.generate, Phase.shrink] if MORE else [Phase.generate],  # a shorter program takes minutes to find
)
TestVariablesAndTapes = VariablesAndTapes.TestCase
