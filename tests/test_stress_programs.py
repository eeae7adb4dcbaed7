"""Random programs: any op after any other, on shapes with and without elements, in every mode of differentiation.

A program is a list of steps over a pool of values. Reverse mode is compared with central differences, the gradient of
the gradient with differences of the gradient, forward mode with reverse mode, and every way to run the program
(persistent, on Variables, recomputed, in its own `with`) with the plain one.

`AUTOGRAD_VS_EXAMPLES=5000 pytest tests/test_stress_programs.py` looks longer, and elsewhere each time.
"""

import math

import numpy as np
from drawn import examples
from hypothesis import assume, given
from hypothesis import strategies as st

import autograd_vs as av

# ---------------------------------------------------------------- the steps

# name -> where it is smooth, well away from poles
UNARY = {
    "negative": (-3, 3), "sin": (-3, 3), "cos": (-3, 3), "tan": (-1, 1), "tanh": (-2, 2), "exp": (-2, 1),
    "exp2": (-2, 1),
    "expm1": (-2, 1), "log": (0.4, 3), "log2": (0.4, 3), "log10": (0.4, 3), "log1p": (-0.5, 3), "sqrt": (0.4, 3),
    "cbrt": (0.4, 3), "square": (-2, 2), "reciprocal": (0.4, 3), "arctan": (-2, 2), "arcsin": (-0.8, 0.8),
    "arccos": (-0.8, 0.8), "arcsinh": (-2, 2), "arccosh": (1.4, 3), "arctanh": (-0.8, 0.8), "sinh": (-1, 1),
    "cosh": (-1, 1),
    "absolute": (0.3, 2), "sinc": (0.2, 1.5), "deg2rad": (-3, 3), "positive": (-3, 3), "nn.sigmoid": (-3, 3),
    "nn.softplus": (-3, 3), "nn.gelu": (-2, 2), "nn.silu": (-2, 2), "nn.elu": (0.2, 2), "nn.relu": (-2, -0.3),
    "nn.leaky_relu": (-2, -0.3),
}  # fmt: skip
BINARY = {
    "add": None, "subtract": None, "multiply": None, "maximum": None, "minimum": None, "divide": (0.5, 2),
    "power": (0.5, 2), "hypot": (0.4, 2), "arctan2": (0.4, 2), "logaddexp": (-2, 2), "logaddexp2": (-2, 2),
    "float_power": (0.5, 2), "fmax": None, "copysign": (0.3, 2), "remainder": (1.1, 1.4),
}  # fmt: skip


def function(name):
    module = av
    for part in name.split("."):
        module = getattr(module, part, None)
    return module


UNARY = {name: domain for name, domain in UNARY.items() if function(name) is not None}
BINARY = {name: domain for name, domain in BINARY.items() if function(name) is not None}


def into(x, domain):
    """`x` moved smoothly into a domain."""
    low, high = domain
    return (high + low) / 2 + (high - low) / 2 * av.sin(x)


class Step:
    """One op: which values of the pool it takes, and how."""

    def __init__(self, label, operands, call):
        self.label, self.operands, self.call = label, operands, call

    def __repr__(self):
        return f"{self.label}{self.operands}"


def an_axis(draw, shape, several=True):
    """None, an axis, or a tuple of axes."""
    if not shape:
        return None
    axes = st.integers(-len(shape), len(shape) - 1)
    choice = draw(st.integers(0, 2 if several else 1))
    if choice == 0:
        return None if several else draw(axes)
    if choice == 1:
        return draw(axes)
    return tuple(sorted({a % len(shape) for a in draw(st.lists(axes, min_size=1, max_size=len(shape)))}))


def size_along(shape, axis):
    if axis is None:
        return math.prod(shape)
    return math.prod(shape[a] for a in (axis if isinstance(axis, tuple) else (axis,)))


def unary(draw, shapes):
    name = draw(st.sampled_from(sorted(UNARY)))
    i = draw(st.integers(0, len(shapes) - 1))
    f, domain = function(name), UNARY[name]
    return Step(name, (i,), lambda x: f(into(x, domain)))


def binary(draw, shapes):
    name = draw(st.sampled_from(sorted(BINARY)))
    i = draw(st.integers(0, len(shapes) - 1))
    fitting = [j for j, shape in enumerate(shapes) if broadcasts(shapes[i], shape)]
    j = draw(st.sampled_from(fitting))
    f, domain = function(name), BINARY[name]
    if domain is None:
        return Step(name, (i, j), f)
    if name == "remainder":
        return Step(name, (i, j), lambda a, b: f(into(a, (0.1, 0.9)), into(b, domain)))
    return Step(name, (i, j), lambda a, b: f(into(a, domain), into(b, domain)))


def broadcasts(a, b):
    return all(m == n or 1 in (m, n) for m, n in zip(reversed(a), reversed(b), strict=False))


def with_number(draw, shapes):
    i = draw(st.integers(0, len(shapes) - 1))
    number = draw(st.sampled_from([2, -0.5, 3.0, np.float64(1.5), np.array([0.5]), True]))
    call = draw(
        st.sampled_from(["x + n", "n - x", "x * n", "n * x", "x / 2", "2 / cosh", "cosh ** n", "(1 + n*n) ** x"])
    )
    calls = {
        "x + n": lambda x: x + number,
        "n - x": lambda x: number - x if not isinstance(number, bool) else 1 - x,
        "x * n": lambda x: x * number,
        "n * x": lambda x: number * x,
        "x / 2": lambda x: x / 2,
        "2 / cosh": lambda x: 2 / av.cosh(av.sin(x)),
        "cosh ** n": lambda x: av.cosh(av.sin(x)) ** number,
        "(1 + n*n) ** x": lambda x: (1 + number * number) ** av.sin(x),
    }
    call = draw(st.sampled_from(list(calls)))
    return Step(f"{call} with n={number!r}", (i,), calls[call])


def reduction(draw, shapes):
    i = draw(st.integers(0, len(shapes) - 1))
    name = draw(st.sampled_from(["sum", "mean", "prod", "max", "min", "var", "nn.softmax", "nn.log_softmax", "cumsum"]))
    f = function(name)
    if name.startswith("nn."):
        axis = an_axis(draw, shapes[i], several=False)
        if axis is None or not shapes[i][axis]:
            name, f = "sum", av.sum
        else:
            return Step(f"{name} axis={axis}", (i,), lambda x: f(x, axis))
    if name == "cumsum":
        axis = an_axis(draw, shapes[i], several=False)
        return Step(f"cumsum axis={axis}", (i,), lambda x: f(x, axis))
    axis = an_axis(draw, shapes[i])
    keepdims = draw(st.booleans())
    if size_along(shapes[i], axis) == 0 and name not in ("sum", "prod"):
        name, f = "sum", av.sum
    return Step(f"{name} axis={axis} keepdims={keepdims}", (i,), lambda x: f(x, axis, keepdims=keepdims))


def reshaping(draw, shapes):
    i = draw(st.integers(0, len(shapes) - 1))
    shape = shapes[i]
    kinds = "reshape transpose flip roll expand squeeze ravel broadcast pad repeat tile swap move sort diagonal".split()
    kind = draw(st.sampled_from(kinds))
    if kind == "reshape":
        size = math.prod(shape)
        news = [(size,), (1, size), (size, 1, 1), *[(d, size // d) for d in range(2, size) if size % d == 0][:3]]
        new = draw(st.sampled_from([*news, shape[::-1]]))
        order = draw(st.sampled_from("CF"))
        return Step(f"reshape {new} {order}", (i,), lambda x: av.reshape(x, new, order=order))
    if kind == "transpose":
        axes = draw(st.permutations(range(len(shape))))
        return Step(f"transpose {axes}", (i,), lambda x: av.transpose(x, axes))
    if kind == "ravel":
        return Step("ravel", (i,), lambda x: x.ravel())
    if kind == "expand":
        axis = draw(st.integers(0, len(shape)))
        return Step(f"expand_dims {axis}", (i,), lambda x: av.expand_dims(x, axis))
    if kind == "squeeze":
        return Step("squeeze", (i,), lambda x: av.squeeze(x))
    if kind == "broadcast":
        new = (draw(st.integers(0, 2)), *[n if n != 1 else draw(st.integers(0, 3)) for n in shape])
        return Step(f"broadcast_to {new}", (i,), lambda x: av.broadcast_to(x, new))
    if not shape:
        return Step("reshape to one", (i,), lambda x: av.reshape(x, (1,)))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    other = draw(st.integers(-len(shape), len(shape) - 1))
    n = draw(st.integers(-2, 3))
    if kind == "diagonal":
        if axis % len(shape) == other % len(shape):
            return Step("copy", (i,), lambda x: x.copy())
        return Step(f"diagonal {n} {axis} {other}", (i,), lambda x: av.diagonal(x, n, axis, other))
    width = tuple((draw(st.integers(0, 2)), draw(st.integers(0, 2))) for _ in shape)
    call = {
        "flip": lambda x: av.flip(x, axis),
        "roll": lambda x: av.roll(x, n, axis),
        "pad": lambda x: av.pad(x, width),
        "repeat": lambda x: av.repeat(x, abs(n), axis),
        "tile": lambda x: av.tile(x, (abs(n), 1)),
        "swap": lambda x: av.swapaxes(x, axis, other),
        "move": lambda x: av.moveaxis(x, axis, other),
        "sort": lambda x: av.sort(x, axis),
    }[kind]
    return Step(f"{kind} {axis} {other} {n} {width}", (i,), call)


def indexing(draw, shapes):
    i = draw(st.integers(0, len(shapes) - 1))
    shape = shapes[i]
    parts = []
    advanced = False
    for n in shape[: draw(st.integers(0, len(shape)))]:
        kind = draw(st.sampled_from(["slice", "int", "None", "array", "mask", "list"]))
        if kind == "None":
            parts.append(None)
        if kind == "int" and n:
            parts.append(draw(st.integers(-n, n - 1)))
        elif kind in ("array", "list") and n and not advanced:
            advanced = True
            found = draw(st.lists(st.integers(-n, n - 1), max_size=4))
            parts.append(np.array(found, int) if kind == "array" else [*found, 0])
        elif kind == "mask" and not advanced:
            advanced = True
            parts.append(np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)), bool))
        else:
            bound = st.none() | st.integers(-n - 1, n + 1)
            parts.append(slice(draw(bound), draw(bound), draw(st.sampled_from([None, 1, 2, -1, -2]))))
    if draw(st.booleans()):
        parts.append(...)
    index = tuple(parts)
    how = draw(st.sampled_from(["get", "get", "set", "add", "multiply"]))
    if how == "get":
        return Step(f"[{index}]", (i,), lambda x: x[index])
    value = draw(st.sampled_from([j for j, other in enumerate(shapes) if math.prod(other) == 1] or [None]))
    if value is None:
        return Step(f"at[{index}].{how}(2.0)", (i,), lambda x: getattr(x.at[index], how)(2.0))
    return Step(f"at[{index}].{how}", (i, value), lambda x, v: getattr(x.at[index], how)(v.reshape(())))


def joining(draw, shapes):
    i = draw(st.integers(0, len(shapes) - 1))
    same = [j for j, shape in enumerate(shapes) if shape == shapes[i]]
    chosen = (i, *draw(st.lists(st.sampled_from(same), max_size=2)))
    kind = draw(st.sampled_from(["concatenate", "stack", "where", "split", "block"]))
    if kind == "stack":
        axis = draw(st.integers(-len(shapes[i]) - 1, len(shapes[i])))
        return Step(f"stack {axis}", chosen, lambda *xs: av.stack(xs, axis))
    if kind == "where":
        seed = draw(st.integers(0, 99))
        mask = np.random.default_rng(seed).random(shapes[i]) > 0.5
        return Step(f"where {seed}", (chosen[0], chosen[-1]), lambda a, b: av.where(mask, a, b))
    if not shapes[i]:
        return Step("block", chosen, lambda *xs: np.block(list(xs)))
    axis = draw(st.integers(-len(shapes[i]), len(shapes[i]) - 1))
    if kind == "split":
        at = draw(st.integers(0, shapes[i][axis]))
        part = draw(st.integers(0, 1))
        return Step(f"split {at} {axis} part {part}", (i,), lambda x: av.split(x, [at], axis)[part])
    if kind == "block":
        return Step("block", chosen, lambda *xs: np.block(list(xs)))
    return Step(f"concatenate {axis}", chosen, lambda *xs: av.concatenate(xs, axis))


def product(draw, shapes):
    i = draw(st.integers(0, len(shapes) - 1))
    a = shapes[i]
    if not a:
        return Step("outer", (i, i), lambda x, y: av.outer(x, y))
    kind = draw(st.sampled_from(["matmul", "dot", "einsum", "tensordot", "outer", "gram", "inner", "trace"]))
    if kind == "outer":
        j = draw(st.integers(0, len(shapes) - 1))
        return Step("outer", (i, j), lambda x, y: av.outer(x.ravel()[:4], y.ravel()[:4]))
    if kind == "gram" or kind == "matmul":
        fitting = [j for j, b in enumerate(shapes) if b and b[-2 if len(b) > 1 else 0] == a[-1] and stacks(a, b)]
        if kind == "gram" or not fitting:
            return Step("x @ x.mT", (i,), lambda x: x @ x.mT if x.ndim > 1 else x @ x)
        return Step("matmul", (i, draw(st.sampled_from(fitting))), lambda x, y: x @ y)
    if kind == "dot":
        fitting = [j for j, b in enumerate(shapes) if len(b) < 3 and b and b[-2 if len(b) > 1 else 0] == a[-1]]
        if fitting and len(a) < 3:
            return Step("dot", (i, draw(st.sampled_from(fitting))), lambda x, y: np.dot(x, y))
    if kind == "tensordot":
        fitting = [j for j, b in enumerate(shapes) if b and b[0] == a[-1]]
        if fitting:
            return Step("tensordot", (i, draw(st.sampled_from(fitting))), lambda x, y: av.tensordot(x, y, 1))
    if kind == "inner":
        fitting = [j for j, b in enumerate(shapes) if b and b[-1] == a[-1]]
        return Step("inner", (i, draw(st.sampled_from(fitting))), lambda x, y: np.inner(x, y))
    if kind == "trace" and len(a) > 1:
        return Step("trace", (i,), lambda x: av.trace(x))
    letters = "abcd"[: len(a)]
    out = "".join(draw(st.permutations(letters))[: draw(st.integers(0, len(a)))])
    same = [j for j, b in enumerate(shapes) if b == a]
    j = draw(st.sampled_from(same))
    return Step(
        f"einsum {letters},{letters}->{out}", (i, j), lambda x, y: av.einsum(f"{letters},{letters}->{out}", x, y)
    )


def stacks(a, b):
    return broadcasts(a[:-2], b[:-2])


KINDS = [unary, unary, binary, binary, with_number, reduction, reshaping, indexing, joining, product]
SHAPES = [(), (1,), (3,), (2, 3), (3, 1), (1, 3), (3, 2), (2, 2), (2, 1, 3), (0,), (2, 0), (0, 3), (1, 1)]


class Program:
    """Inputs, steps, and a weight for each value that counts in the end."""

    def __init__(self, shapes, steps, seed):
        self.steps = steps
        rng = np.random.default_rng(seed)
        self.inputs = [rng.uniform(-1.5, 1.5, shape) for shape in shapes]
        self.directions = [rng.uniform(-1, 1, shape) for shape in shapes]
        self.seconds = [rng.uniform(-1, 1, shape) for shape in shapes]
        self.weights = rng.uniform(0.5, 1.5, len(shapes) + len(steps))

    def __repr__(self):
        return f"Program({[x.shape for x in self.inputs]}, {self.steps})"

    def __call__(self, *inputs):
        """A scalar, of all values that no step takes."""
        pool = list(inputs)
        taken = set()
        for step in self.steps:
            pool.append(step.call(*[pool[i] for i in step.operands]))
            taken.update(step.operands)
        left = [i for i in range(len(pool)) if i not in taken]
        return sum(av.sum(av.sin(pool[i]) * self.weights[i]) for i in left)


@st.composite
def programs(draw):
    """Steps are drawn with the shapes of the pool at hand; values stay of size one."""
    shapes = draw(st.lists(st.sampled_from(SHAPES), min_size=1, max_size=3))
    pool = [av.Tensor(np.linspace(-0.5, 1.0, math.prod(shape)).reshape(shape)) for shape in shapes]
    steps = []
    for _ in range(draw(st.integers(1, 8))):
        step = draw(st.sampled_from(KINDS))(draw, [x.shape for x in pool])
        y = step.call(*[pool[i] for i in step.operands])
        if y.ndim > 4 or y.size > 64:
            step = Step(f"part of {step.label}", step.operands, lambda *xs, call=step.call: part(call(*xs)))
            y = part(y)
        pool.append(av.sin(y))
        steps.append(Step(step.label, step.operands, lambda *xs, call=step.call: av.sin(call(*xs))))
    return Program(shapes, steps, draw(st.integers(0, 2**16)))


def part(y):
    return y.ravel()[:6]


# ---------------------------------------------------------------- ways to differentiate


def along(gradients, directions):
    return sum(float(np.sum(g * d)) for g, d in zip(gradients, directions, strict=True))


def reverse(f, arrays):
    xs = [av.Tensor(a) for a in arrays]
    with av.GradientTape() as tape:
        tape.watch(xs)
        y = f(*xs)
    return [g.numpy() for g in tape.gradient(y, xs, unconnected_gradients="zero")]


def gradient_along(f, directions):
    """The function that gives the derivative of `f` along `directions`, recorded itself."""

    def slope(*xs):
        with av.GradientTape() as tape:
            tape.watch(xs)
            y = f(*xs)
        gs = tape.gradient(y, list(xs), unconnected_gradients="zero")
        return sum(av.sum(g * d) for g, d in zip(gs, directions, strict=True))

    return slope


def value(f, arrays):
    return f(*map(av.Tensor, arrays)).item()


def quotient(f, arrays, directions, h):
    """Four points; f takes and returns arrays or numbers."""
    p1, m1, p2, m2 = (
        f([a + s * h * d for a, d in zip(arrays, directions, strict=True)]) for s in (1.0, -1.0, 2.0, -2.0)
    )
    return (8 * (p1 - m1) - (p2 - m2)) / (12 * h)


def smooth_quotient(f, arrays, directions):
    """The quotient, where two step sizes agree: no kink (max, sort, maximum) lies between."""
    wide, narrow = quotient(f, arrays, directions, 1e-3), quotient(f, arrays, directions, 1e-4)
    assume(abs(wide - narrow) <= 1e-5 * (1 + abs(wide)))
    return narrow if abs(wide - narrow) > 1e-8 else wide


def close(got, want, rel=1e-5, scale=1.0):
    assert abs(got - want) <= rel * (scale + abs(want)), f"{got!r} where {want!r} is right"


def same(got, want, rtol=1e-11):
    for g, w in zip(got, want, strict=True):
        assert g.shape == w.shape and g.dtype == w.dtype
        np.testing.assert_allclose(g, w, rtol=rtol, atol=1e-11 * (1 + np.max(np.abs(w), initial=0)))


@examples(250)
@given(programs())
def test_gradients_are_the_slopes(program):
    gradients = reverse(program, program.inputs)
    slope = smooth_quotient(lambda arrays: value(program, arrays), program.inputs, program.directions)
    close(along(gradients, program.directions), slope)


@examples(120)
@given(programs())
def test_second_derivatives_are_the_slopes_of_gradients(program):
    def projected(arrays):
        return along(reverse(program, arrays), program.seconds)

    second = reverse(gradient_along(program, program.seconds), program.inputs)
    slope = smooth_quotient(projected, program.inputs, program.directions)
    close(along(second, program.directions), slope, rel=1e-4)


@examples(120)
@given(programs())
def test_forward_mode_is_reverse_mode(program):
    gradients = reverse(program, program.inputs)
    xs = list(map(av.Tensor, program.inputs))
    with av.ForwardAccumulator(xs, [av.Tensor(d) for d in program.directions]) as accumulator:
        y = program(*xs)
    tangent = accumulator.jvp(y, unconnected_gradients="zero").item()
    scale = 1.0 + sum(float(np.sum(np.abs(g))) for g in gradients)
    close(tangent, along(gradients, program.directions), rel=1e-11, scale=scale)

    # forward over reverse is the product of the Hessian with the direction, as reverse over reverse is; and so is hvp
    with av.ForwardAccumulator(xs, [av.Tensor(d) for d in program.directions]) as accumulator:
        with av.GradientTape() as tape:
            tape.watch(xs)
            y = program(*xs)
        gs = tape.gradient(y, xs, unconnected_gradients="zero")
    want = reverse(gradient_along(program, program.directions), program.inputs)
    same([t.numpy() for t in accumulator.jvp(gs, unconnected_gradients="zero")], want, rtol=1e-9)
    hvp = av.hvp(program, tuple(program.inputs), tuple(program.directions))
    same([g.numpy() for g in hvp], want, rtol=1e-9)


@examples(120)
@given(programs())
def test_every_way_to_run_a_program_gives_the_same_gradients(program):
    want = reverse(program, program.inputs)
    xs = list(map(av.Tensor, program.inputs))
    options = {"unconnected_gradients": "zero"}

    with av.GradientTape(persistent=True) as tape:
        tape.watch(xs)
        y = program(*xs)
        inside = [g.numpy() for g in tape.gradient(y, xs, **options)]
    for found in (inside, *([g.numpy() for g in tape.gradient(y, xs, **options)] for _ in range(2))):
        for g, w in zip(found, want, strict=True):
            assert g.tobytes() == w.tobytes(), "persistent: bit for bit"
    one_by_one = [tape.gradient(y, x, **options).numpy() for x in xs]
    same(one_by_one, want)

    same(reverse(av.recompute_grad(program), program.inputs), want)
    same(reverse(lambda *xs: av.recompute_grad(av.recompute_grad(program))(*xs), program.inputs), want)

    vs = list(map(av.Variable, program.inputs))
    with av.GradientTape() as tape:
        y = program(*vs)
    for v in vs:
        v.assign(v * 0 + 7.0)
    same([g.numpy() for g in tape.gradient(y, vs, **options)], want)
    for v, a in zip(vs, program.inputs, strict=True):
        v.assign(a)
    with av.GradientTape(watch_accessed_variables=False) as tape, av.name_scope("s"), av.GradientTape() as other:
        tape.watch(vs)
        y = program(*vs)
    same([g.numpy() for g in other.gradient(y, vs, **options)], want)
    same([g.numpy() for g in tape.gradient(y, vs, **options)], want)

    y, pull = av.vjp(program, *program.inputs)
    same([g.numpy() for g in pull(1.0)], want)
    assert y.item() == value(program, program.inputs)


@examples(60)
@given(programs())
def test_in_single_precision(program):
    want = reverse(program, program.inputs)
    got = reverse(program, [x.astype(np.float32) for x in program.inputs])
    for g, w in zip(got, want, strict=True):
        assert g.dtype == np.float32 and g.shape == w.shape
