"""The passes over a program, each alone: what it takes away, and that the results stay as they were."""

import numpy as np
import pytest

import autograd_vs as av
from autograd_vs.base.nest import flatten
from autograd_vs.transforms.plans import algebra, passes, pieces, products
from autograd_vs.transforms.plans.emit import emit
from autograd_vs.transforms.plans.memory import place
from autograd_vs.transforms.plans.plan import chosen
from autograd_vs.transforms.plans.trace import array_of, trace

pytestmark = pytest.mark.host("passes over NumPy's arrays")


class Planned:
    """A function traced with example arguments, some passes, and the plan that they leave."""

    def __init__(self, function, *args, use=()):
        found, result = trace(function, args, {})
        self.program = found.program
        self.program.outputs = [array_of(x).a for x in flatten(result)]
        self.before = len(self.program.calls)
        for change in use:
            change(self.program)
        self.names = [call.name for call in self.program.calls]
        self.inputs = [s.array for s in self.program.storages.values() if s.kind == "input"]
        self.emitted = emit(self.program, place(self.program))

    def __call__(self, *args):
        for target, x in zip(self.inputs, args, strict=True):
            target[...] = x
        self.emitted.run()
        return [a.copy() for a in self.emitted.outputs]


def agrees(function, *shapes, use):
    """The plan with these passes, after it gave what the function gives, twice, with other numbers."""
    rng = np.random.default_rng(0)
    draw = lambda: [rng.normal(size=shape).astype(np.float32) for shape in shapes]  # noqa: E731
    planned = Planned(function, *draw(), use=use)
    for _ in range(2):
        args = draw()
        want = [x.numpy() for x in flatten(function(*map(av.Tensor, args)))]
        for a, b in zip(planned(*args), want, strict=True):
            np.testing.assert_array_equal(a, b)
    return planned


def test_without_passes_a_plan_is_what_was_called():
    planned = agrees(lambda x: av.tanh(x) * 2.0 + x, (3, 4), use=[])
    assert planned.names == ["tanh", "multiply", "add"]


def test_unused_calls_go():
    def f(x):
        av.exp(x) * 3.0
        return av.tanh(x)

    assert agrees(f, (5,), use=[passes.drop_unused]).names == ["tanh"]


def test_equal_calls_are_made_once_but_not_across_a_write():
    v = av.Variable(np.zeros(3, np.float32))

    def f(x):
        a = av.exp(x) + av.exp(x)
        b = v + 1.0
        v.assign(a)
        return a, b + (v + 1.0)

    planned = Planned(f, np.ones(3, np.float32), use=[passes.merge_equal])
    assert planned.names.count("exp") == 1 and planned.names.count("add") == 4
    v.assign(np.zeros(3))
    a, b = planned(np.zeros(3, np.float32))
    assert a.tolist() == [2.0] * 3 and b.tolist() == [4.0] * 3


def test_what_depends_on_constants_only_is_one():
    c = np.arange(3.0, dtype=np.float32)
    planned = agrees(lambda x: x + av.exp(av.Tensor(c) * 2.0), (3,), use=[passes.fold_constants])
    assert planned.names == ["add"]


def test_what_is_written_over_gets_a_storage_of_its_own():
    def f(x):
        with av.GradientTape() as tape:
            tape.watch(x)
            y = av.sum(av.tanh(x) * x + x)
        return tape.gradient(y, x)

    planned = agrees(f, (4,), use=[passes.split_versions])
    assert not [c for c in planned.program.calls if c.form == "into"]


def joined(planned):
    """The names of the calls that join or copy."""
    return [name for name in planned.names if name in ("concatenate", "setitem")]


def test_what_is_joined_is_computed_in_place():
    planned = agrees(lambda x, y: av.concatenate([av.tanh(x), y @ x]) * 2.0, (3, 4), (3, 3), use=[passes.join_in_place])
    assert joined(planned) == []


def test_what_cannot_be_computed_in_place_is_copied():
    def f(x):
        y = av.tanh(x)
        return av.concatenate([x, y, y, y.T]) * 2.0, av.concatenate([y, x]), y

    planned = agrees(f, (3, 3), use=[passes.join_in_place])
    assert joined(planned) == ["setitem"] * 3 + ["concatenate"]


def test_joined_along_another_axis_is_copied():
    planned = agrees(
        lambda x: av.concatenate([av.tanh(x), av.exp(x)], axis=1) * 2.0, (3, 3), use=[passes.join_in_place]
    )
    assert joined(planned) == ["concatenate"]


def test_joined_twice_lies_in_the_outer_one():
    def f(x):
        inner = av.concatenate([av.tanh(x), av.exp(x)])
        return av.concatenate([inner, av.sin(x), inner + 1.0])

    assert joined(agrees(f, (2, 3), use=[passes.join_in_place])) == []


def test_memory_is_used_again_but_never_what_is_still_read():
    def f(x):
        first = av.tanh(x)
        for _ in range(20):
            x = av.tanh(x * 0.5)
        return x, first

    planned = agrees(f, (100,), use=chosen())
    owners = {a.ctypes.data for a in planned.emitted.results}
    assert len(owners) <= 3


@pytest.fixture
def small_pieces(monkeypatch):
    monkeypatch.setattr(pieces, "LARGE", 160)
    monkeypatch.setattr(pieces, "SHARED", 160)
    monkeypatch.setattr(pieces, "PIECE", 32)


def run_of(planned):
    """The calls in pieces."""
    return [call.function for call in planned.program.calls if call.form == "pieces"]


def test_large_elementwise_calls_run_in_pieces(small_pieces):
    planned = agrees(lambda x, b: av.tanh(x + b) * x - 1.0, (23, 4), (4,), use=[pieces.in_pieces])
    (found,) = run_of(planned)
    assert [call.name for call in found.calls] == ["add", "tanh", "multiply", "subtract"]
    assert found.rows == 23 and len(found.bounds) == 12 and len(found.inner) == 3
    assert len(planned.emitted.results) == 1  # the rest has the memory of a piece


def test_reductions_of_rows_run_in_pieces_with_what_uses_them(small_pieces):
    planned = agrees(lambda x: av.nn.softmax(x) + av.max(x, axis=-1, keepdims=True), (30, 5), use=[pieces.in_pieces])
    (found,) = run_of(planned)
    assert "add.reduce" in [call.name for call in found.calls]


def test_reductions_over_all_rows_end_a_run(small_pieces):
    def f(x):
        y = av.exp(x) * 2.0
        return (y - av.sum(y, axis=0)) * 0.5

    planned = agrees(f, (30, 5), use=[pieces.in_pieces])
    assert planned.names == ["in pieces", "add.reduce", "in pieces"]


def test_what_needs_other_rows_ends_a_run(small_pieces):
    planned = agrees(lambda x: (av.exp(x) * 2.0)[::-1] * 3.0 + 1.0, (60,), use=[pieces.in_pieces])
    assert planned.names == ["in pieces", "in pieces"]
    planned = agrees(lambda x: (av.exp(x).T + x) * 2.0, (7, 7), use=[pieces.in_pieces])
    assert planned.names == ["exp", "in pieces"]


def test_a_result_in_pieces_lies_where_an_argument_dies(small_pieces):
    planned = agrees(lambda x: av.exp(av.cumsum(x)) * 2.0, (60,), use=[pieces.in_pieces])
    assert planned.names == ["cumsum", "in pieces"] and len({id(a.base) for a in planned.emitted.results}) == 1


def test_threads_share_the_pieces(small_pieces, monkeypatch):
    monkeypatch.setattr(pieces, "THREADS_FROM", 160)
    monkeypatch.setattr(pieces.os, "cpu_count", lambda: 3)
    before = av.get_num_threads()
    try:
        for number in (1, 2, 3):
            av.set_num_threads(number)
            planned = agrees(lambda x: av.exp(x) * 2.0 + x, (61,), use=[pieces.in_pieces])
            assert "share(" not in planned.emitted.source and run_of(planned)[0].threads
    finally:
        av.set_num_threads(before)


def test_neutral_operands_go():
    one = av.Tensor(np.ones((3, 4), np.float32))
    planned = agrees(lambda x: (av.tanh(x * 1.0 / 1.0 - 0.0) * one, x + 0.0, 1.0 * x), (3, 4), use=[algebra.simplify])
    assert planned.names == ["tanh", "add"]


def test_what_only_looks_neutral_stays():
    v = av.Variable(1.0, name="one")
    ints = np.arange(3)

    def f(x):
        return x * v, x - (-0.0), av.Tensor(ints) / 1, x[:1] * np.ones(3, np.float32), 1.0 / x

    planned = Planned(f, np.ones(3, np.float32), use=[algebra.simplify])
    assert len(planned.names) == 5
    v.assign(3.0)
    assert planned(np.full(3, 2.0, np.float32))[0].tolist() == [6.0] * 3


def test_constants_of_one_number_are_numbers():
    c = np.full((3, 4), 2.5, np.float32)
    planned = agrees(lambda x: (x * c, c - x, x * np.eye(4, dtype=np.float32)[:3]), (3, 4), use=[algebra.simplify])
    shapes = [
        a.shape for call in planned.program.calls for a in call.args if planned.program.storage(a).kind == "constant"
    ]
    assert shapes == [(), (), (3, 4)]


@pytest.mark.parametrize("scale", [1.0, 1e-9, 1e3, 1e15])
def test_half_angles(scale):
    x = np.concatenate([np.linspace(-10, 10, 101), np.pi * np.arange(-8, 9) / 4]) * scale

    def f(x):
        with av.GradientTape() as tape:
            tape.watch(x)
            y = av.sin(x)
        return y, av.cos(x), tape.gradient(y, x)

    planned = Planned(f, x, use=[algebra.half_angles, passes.merge_equal])
    assert planned.names.count("tan") == 1 and "sin" not in planned.names and "cos" not in planned.names
    for got, want in zip(planned(x), [np.sin(x), np.cos(x), np.cos(x)], strict=True):
        np.testing.assert_allclose(got, want, rtol=0, atol=6e-16)
    with np.errstate(invalid="ignore"):
        assert np.isnan(Planned(f, np.full(118, np.inf), use=[algebra.half_angles])(np.full(118, np.inf))[0]).all()


def test_products_with_one_matrix_are_one_product():
    w = av.Variable(np.eye(3, dtype=np.float32) * 2.0, name="w")

    def f(x):
        h, found = 0.0, []
        for i in range(4):
            h = av.tanh(x[i] @ w + h)
            found.append(h)
        return found

    planned = agrees(f, (4, 2, 3), use=[products.stack_products])
    assert planned.names.count("dot") == 1 and planned.names.count("concatenate") == 1
    w.assign(np.eye(3))
    x = np.ones((4, 2, 3), np.float32)
    np.testing.assert_array_equal(planned(x)[3], f(av.Tensor(x))[3].numpy())


def test_products_that_need_one_another_or_another_matrix_stay():
    w = av.Variable(np.eye(3, dtype=np.float32) * 2.0, name="w")

    def chain(x):
        for _ in range(4):
            x = av.tanh(x @ w)
        return x

    assert agrees(chain, (2, 3), use=[products.stack_products]).names.count("dot") == 4

    def assigned(x):
        first = [x @ w, x @ w]
        w.assign(w * 0.5)
        return [*first, x @ w, x @ w]

    planned = Planned(assigned, np.ones((2, 3), np.float32), use=[products.stack_products])
    assert planned.names.count("dot") == 3  # two of before, as one, and two of after


def test_products_that_are_added_up_are_one_product():
    rng = np.random.default_rng(0)
    a, b, c, d, e, g = (rng.normal(size=(4, n)).astype(np.float32) for n in (8, 6, 8, 6, 8, 6))

    def f(a, b, c, d, e, g):
        return av.tanh(np.dot(a.T, b) + np.dot(c.T, d) + np.dot(e.T, g))

    planned = Planned(f, a, b, c, d, e, g, use=[products.stack_sums])
    assert planned.names == ["concatenate", "concatenate", "dot", "tanh"]
    np.testing.assert_allclose(planned(a, b, c, d, e, g)[0], f(*map(av.Tensor, (a, b, c, d, e, g))).numpy(), rtol=1e-5)


def test_products_that_are_read_elsewhere_stay():
    def f(a, b):
        first, second = np.dot(a.T, b), np.dot(b.T, a).T
        return first + second, first

    planned = Planned(f, *[np.ones((4, 6), np.float32)] * 2, use=[products.stack_sums])
    assert planned.names.count("dot") == 2

    v = av.Variable(np.ones((4, 6), np.float32))

    def assigned(a):
        first = np.dot(a.T, v)
        v.assign(v * 2.0)
        return first + np.dot(a.T, v)

    planned = Planned(assigned, np.ones((4, 6), np.float32), use=[products.stack_sums])
    assert planned.names.count("dot") == 2
