"""Properties of the ops, on shapes, axes, indices and subscripts that hypothesis draws.

Each call is made with Tensors and with NumPy's own function: value, shape and dtype must be NumPy's, the gradients must
be the slopes of NumPy's function (difference quotients along random directions), and forward mode must be reverse mode
transposed. A part is checked to second order, too.

`AUTOGRAD_VS_EXAMPLES=5000 pytest tests/test_properties.py` looks longer, and elsewhere each time.
"""

import math
import warnings

import numpy as np
import pytest
from drawn import examples
from hypothesis import given
from hypothesis import strategies as st

import autograd_vs as av
from autograd_vs.engine import registry
from autograd_vs.testing import check_gradients

# ---------------------------------------------------------------- the check


def numbers(draw, shape, low=-2.0, high=2.0):
    """Numbers no two of which are nearer than a hundredth of the range; about one in fifty for each element."""
    rng = np.random.default_rng(draw(st.integers(0, 2**20)))
    size = math.prod(shape)
    places = rng.permutation(max(50, 2 * size))[:size] + 0.5 + rng.uniform(-0.2, 0.2, size)
    return (low + (high - low) * places / max(50, 2 * size)).reshape(shape)


def listed(y):
    return list(y) if isinstance(y, (tuple, list)) else [y]


def agrees(ours, numpys, arrays, second=False, rtol=1e-12):
    """Check `ours` (of Tensors) against `numpys` (of arrays): see the top of this file."""
    tensors = [av.Tensor(a) for a in arrays]
    with av.GradientTape() as tape:
        tape.watch(tensors)
        ys = listed(ours(*tensors))
    wanted = [np.asarray(w) for w in listed(numpys(*arrays))]
    assert len(ys) == len(wanted)
    for y, w in zip(ys, wanted, strict=True):
        assert isinstance(y, av.Tensor)
        assert y.shape == w.shape and y.dtype == w.dtype, f"{y.dtype}{y.shape}, NumPy has {w.dtype}{w.shape}"
        np.testing.assert_allclose(y.numpy(), w, rtol=rtol, atol=1e-12)
    rng = np.random.default_rng(5)
    weights = [rng.uniform(0.5, 1.5, w.shape) for w in wanted]
    directions = [rng.uniform(-1.0, 1.0, a.shape) for a in arrays]
    seeds = [av.Tensor(w) for w in weights]
    gradients = tape.gradient(ys, tensors, output_gradients=seeds, unconnected_gradients="zero")
    for g, a in zip(gradients, arrays, strict=True):
        assert g.shape == a.shape and g.dtype == a.dtype, f"a gradient {g.dtype}{g.shape} for {a.dtype}{a.shape}"

    def moved(h):
        there = [np.asarray(a + h * d) for a, d in zip(arrays, directions, strict=True)]
        return [np.asarray(y) for y in listed(numpys(*there))]

    h = 1e-4
    points = [moved(s * h) for s in (1.0, -1.0, 2.0, -2.0)]
    slopes = [(8 * (a - b) - (c - d)) / (12 * h) for a, b, c, d in zip(*points, strict=True)]
    with av.ForwardAccumulator(tensors, [av.Tensor(d) for d in directions]) as accumulator:
        ys = listed(ours(*tensors))
    for t, slope in zip(accumulator.jvp(ys, unconnected_gradients="zero"), slopes, strict=True):
        np.testing.assert_allclose(t.numpy(), slope, rtol=1e-6, atol=1e-6 * (1 + np.abs(slope).max(initial=0)))
    products = [g.numpy() * d for g, d in zip(gradients, directions, strict=True)]
    back = sum(p.sum() for p in products)
    forth = sum((w * s).sum() for w, s in zip(weights, slopes, strict=True))
    assert abs(back - forth) <= 1e-6 * (1 + sum(np.abs(p).sum() for p in products)), f"{back} where {forth} is right"
    if second:
        check_gradients(lambda *xs: [y * y for y in listed(ours(*xs))], arrays, order=2)


SIDES = st.integers(0, 3)
SHAPES = st.lists(st.sampled_from([0, 1, 2, 2, 3, 3]), max_size=4).map(tuple)
FULL = st.lists(st.integers(1, 3), max_size=4).map(tuple)


def an_axis(draw, ndim):
    return draw(st.integers(-ndim, ndim - 1))


def some_axes(draw, ndim):
    """None, an axis, or a tuple of different axes, some of them negative."""
    if not ndim or draw(st.integers(0, 3)) == 0:
        return None
    if draw(st.booleans()):
        return an_axis(draw, ndim)
    axes = draw(st.lists(st.integers(0, ndim - 1), unique=True, max_size=ndim))
    return tuple(a - ndim if draw(st.booleans()) else a for a in axes)


# ---------------------------------------------------------------- indexing


def a_slice(draw, n):
    bound = st.none() | st.integers(-n - 2, n + 2)
    return slice(draw(bound), draw(bound), draw(st.sampled_from([None, 1, 2, 3, -1, -2, -3])))


@st.composite
def indices(draw, advanced=True):
    """(shape, index) that NumPy takes: slices, integers, None, an ellipsis, integer and bool arrays, mixed."""
    wide = st.lists(st.sampled_from([1, 2, 3, 3, 4]), min_size=2, max_size=4).map(tuple)
    shape = draw(st.sampled_from([wide, wide, wide, SHAPES]).flatmap(lambda s: s))
    left = list(shape)
    common = draw(st.sampled_from([(2,), (3,), (2, 2), (2,), (), (1,), (0,)]))  # of all integer arrays together
    parts: list = []
    kinds = [
        "slice",
        "slice",
        "slice",
        "int",
        "None",
        *(["ints", "ints", "mask", "list", "number"] if advanced else []),
    ]
    while left and draw(st.integers(0, 9)) < 9:
        kind = draw(st.sampled_from(kinds))
        n = left[0]
        if kind == "None":
            parts.append(None)
            continue
        if kind == "mask":
            width = draw(st.integers(1, min(2, len(left))))
            size = math.prod(left[:width])
            want = common[-1] if len(common) == 1 else 1
            if size < want or len(common) > 1 or (common == (0,)):
                want = 1 if size else 0
            if len(common) == 1 and want not in (1, common[0]):
                continue
            if not want and common not in ((), (0,), (1,)):
                continue
            mask = np.zeros(size, bool)
            mask[draw(st.permutations(range(size)))[:want]] = True
            parts.append(mask.reshape(left[:width]))
            del left[:width]
            if not want:
                common = (0,)
            continue
        del left[0]
        if kind == "int" and n:
            parts.append(draw(st.integers(-n, n - 1)))
        elif kind == "number" and n:
            parts.append(np.array(draw(st.integers(-n, n - 1))))
        elif kind in ("ints", "list") and (n or common == (0,)):
            own = tuple(1 if draw(st.integers(0, 4)) == 0 and m != 0 else m for m in common)
            own = own[draw(st.integers(0, len(own))) if 0 not in own else 0 :]
            size = math.prod(own)
            flat = draw(st.lists(st.integers(-n, n - 1), min_size=size, max_size=size)) if n and size else []
            found = np.array(flat, int).reshape(own)
            parts.append(found.tolist() if kind == "list" and found.ndim and found.size else found)
        else:
            parts.append(a_slice(draw, n))
    if draw(st.integers(0, 3)) == 0:  # what comes after it belongs to the last axes
        parts.append(...)
        if left and draw(st.booleans()):
            parts.append(a_slice(draw, left[-1]))
    if draw(st.integers(0, 5)) == 0:
        parts.append(None)
    index = tuple(parts)
    if len(parts) == 1 and draw(st.booleans()):
        index = parts[0]
    try:
        np.zeros(shape)[index]
    except IndexError:  # masks and arrays that do not broadcast
        index = ...
    return shape, index


@examples(300)
@given(st.data())
def test_an_index_gives_what_numpys_gives(data):
    shape, index = data.draw(indices())
    x = numbers(data.draw, shape)
    agrees(lambda t: t[index], lambda a: a[index], [x], second=data.draw(st.integers(0, 9)) == 0)


@examples(60)
@given(st.data())
def test_an_index_of_an_index(data):
    """A view of a view, and the gradient of both uses of one Tensor."""
    shape, first = data.draw(indices(advanced=False))
    x = numbers(data.draw, shape)
    inner = x[first]
    second = tuple(a_slice(data.draw, n) for n in np.shape(inner))
    agrees(lambda t: (t[first][second] * 2.0, t[first]), lambda a: (np.asarray(a[first])[second] * 2.0, a[first]), [x])


UPDATES = {
    "set": lambda a, i, v: a.__setitem__(i, v), "add": np.add.at, "multiply": np.multiply.at,
    "min": np.minimum.at, "max": np.maximum.at,
}  # fmt: skip


@pytest.mark.host("an element that is set twice has no defined value on a device")
@examples(250)
@given(st.data())
def test_updates_at_an_index_are_numpys(data):
    shape, index = data.draw(indices())
    how = data.draw(st.sampled_from(sorted(UPDATES)))
    x = numbers(data.draw, shape)
    place = np.shape(x[index])
    cut = data.draw(st.integers(0, len(place)))
    own = tuple(1 if data.draw(st.integers(0, 3)) == 0 else n for n in place[cut:])
    v = numbers(data.draw, own, 0.31, 2.7)

    def numpys(a, value):
        a = a.copy()
        UPDATES[how](a, index, value)
        return a

    agrees(lambda t, value: getattr(t.at[index], how)(value), numpys, [x, v], second=data.draw(st.integers(0, 9)) == 0)


@examples(60)
@given(st.data())
def test_taking_along_an_axis(data):
    shape = data.draw(FULL.filter(len))
    x = numbers(data.draw, shape)
    axis = an_axis(data.draw, len(shape))
    n = shape[axis]
    k = data.draw(st.integers(0, 3))
    many = [k if i == axis % len(shape) else (1 if data.draw(st.booleans()) else m) for i, m in enumerate(shape)]
    ids = np.random.default_rng(data.draw(st.integers(0, 99))).integers(-n, n, many)
    agrees(lambda t: av.take_along_axis(t, ids, axis), lambda a: np.take_along_axis(a, ids, axis), [x])
    flat = ids.reshape(-1)[:4]
    for axis in (axis, None):  # noqa: B020
        mode = data.draw(st.sampled_from(["raise", "wrap", "clip"]))
        m = math.prod(shape) if axis is None else shape[axis]
        which = flat % m if mode == "raise" else flat * 5
        agrees(lambda t: av.take(t, which, axis, mode=mode), lambda a: np.take(a, which, axis, mode=mode), [x])  # noqa: B023


# ---------------------------------------------------------------- reductions


def sizes_along(shape, axis):
    if axis is None:
        return math.prod(shape)
    return math.prod(shape[a] for a in (axis if isinstance(axis, tuple) else (axis,)))


def logsumexp(a, axis=None, keepdims=False):
    return np.log(np.exp(a).sum(axis=axis, keepdims=keepdims))


REDUCTIONS = {
    name: (getattr(av, name), getattr(np, name))
    for name in ("sum", "mean", "prod", "max", "min", "amax", "amin", "var", "std", "ptp", "average")
} | {"logsumexp": (av.logsumexp, logsumexp)}
NEED_ELEMENTS = set(REDUCTIONS) - {"sum", "prod"}


@pytest.mark.parametrize("name", REDUCTIONS)
@examples(25)
@given(st.data())
def test_reductions_are_numpys(name, data):
    shape = data.draw(FULL if name in NEED_ELEMENTS else SHAPES)
    axis = some_axes(data.draw, len(shape))
    options = {"keepdims": data.draw(st.booleans())}
    if name in ("var", "std") and sizes_along(shape, axis) > 1 and data.draw(st.booleans()):
        options["ddof"] = 1
    if name == "std" and sizes_along(shape, axis) < 2:
        name = "var"  # the slope of a root at 0
    x = numbers(data.draw, shape, *((0.4, 2.0) if name == "prod" else (-2.0, 2.0)))
    ours, numpys = REDUCTIONS[name]
    second = name not in ("max", "min", "amax", "amin", "ptp") and data.draw(st.integers(0, 4)) == 0
    agrees(lambda t: ours(t, axis, **options), lambda a: numpys(a, axis, **options), [x], second, rtol=1e-11)
    if name != "logsumexp":  # under NumPy's own name
        assert numpys(av.Tensor(x), axis=axis, **options).shape == np.shape(numpys(x, axis, **options))


@examples(60)
@given(st.data())
def test_running_sums_products_and_differences(data):
    shape = data.draw(SHAPES.filter(len))
    axis = an_axis(data.draw, len(shape))
    x = numbers(data.draw, shape, 0.4, 1.7)
    second = x.size < 13 and data.draw(st.integers(0, 4)) == 0
    for name in ("cumsum", "cumprod"):
        for where in (axis, None):
            ours, numpys = getattr(av, name), getattr(np, name)
            agrees(lambda t: ours(t, where), lambda a: numpys(a, where), [x], second)  # noqa: B023
    n = data.draw(st.integers(0, 3))
    agrees(lambda t: av.diff(t, n, axis), lambda a: np.diff(a, n, axis), [x], second)
    weights = numbers(data.draw, (shape[axis],), 0.5, 2.0)
    if all(shape):
        agrees(lambda t, w: av.average(t, axis, w), lambda a, w: np.average(a, axis, w), [x, weights], rtol=1e-11)


# ---------------------------------------------------------------- elementwise

BINARY = sorted(
    n for n, row in registry.ops.items() if row.elementwise and row.arity == 2 and getattr(np, n, 0) is row.numpy
)
UNARY = sorted(n for n, row in registry.ops.items() if row.elementwise and row.arity == 1 and row.numpy is not None)


def in_the_domain(draw, row, shapes):
    """Arrays of some shapes with values of the op's own first sample, which lie where it is smooth."""
    rng = np.random.default_rng(draw(st.integers(0, 2**20)))
    pools = [np.asarray(a, float).reshape(-1) for a in row.samples()[0].args[: row.arity]]
    chosen = [rng.integers(0, pool.size, shape) for pool, shape in zip(pools, shapes, strict=True)]
    return [np.asarray(pool[i]) for pool, i in zip(pools, chosen, strict=True)]


@st.composite
def shapes_that_broadcast(draw, count=2):
    whole = draw(SHAPES.filter(lambda s: len(s) < 4))
    shapes = [tuple(n if draw(st.booleans()) else 1 for n in whole) for _ in range(count)]
    return [s[draw(st.integers(0, len(s))) :] for s in shapes]


@pytest.mark.parametrize("name", BINARY)
@examples(20)
@given(st.data())
def test_binary_ops_broadcast_as_numpys(name, data):
    row = registry.ops[name]
    a, b = in_the_domain(data.draw, row, data.draw(shapes_that_broadcast()))
    second = data.draw(st.integers(0, 4)) == 0
    ours, numpys = data.draw(st.sampled_from([row.public, row.numpy])), row.numpy
    agrees(ours, numpys, [a, b], second)
    agrees(lambda t: ours(t, b), lambda x: numpys(x, b), [a])
    agrees(lambda t: ours(a, t), lambda x: numpys(a, x), [b])
    if a.size and b.size:  # a Python number is weak
        for x, n, swapped in ((a, b, False), (b, a, True)):
            x, n = x.astype(np.float32), float(n.reshape(-1)[0])
            want = numpys(n, x) if swapped else numpys(x, n)
            got = ours(n, av.Tensor(x)) if swapped else ours(av.Tensor(x), n)
            assert got.dtype == want.dtype and got.shape == want.shape
    with av.GradientTape() as tape:  # the same Tensor twice
        t = av.Tensor(a)
        tape.watch(t)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            y = ours(t, t)
            g = tape.gradient(y, t)
    assert g.shape == a.shape and y.shape == a.shape


@pytest.mark.parametrize("name", UNARY)
@examples(5)
@given(st.data())
def test_functions_of_one_array(name, data):
    row = registry.ops[name]
    (a,) = in_the_domain(data.draw, row, [data.draw(SHAPES)])
    agrees(row.public, row.numpy, [a], data.draw(st.integers(0, 4)) == 0)


@examples(40)
@given(st.data())
def test_choices_between_two_arrays(data):
    shapes = data.draw(shapes_that_broadcast(3))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    mask = rng.random(shapes[0]) > 0.5
    a, b = numbers(data.draw, shapes[1]), numbers(data.draw, shapes[2])
    agrees(lambda x, y: av.where(mask, x, y), lambda x, y: np.where(mask, x, y), [a, b])
    x, low, high = (numbers(data.draw, s, *bounds) for s, bounds in zip(shapes, ((-2, 2), (-1.91, -0.5), (0.6, 1.97)),
                                                                        strict=True))  # fmt: skip
    if not set(x.reshape(-1)) & (set(low.reshape(-1)) | set(high.reshape(-1))):
        near = min((np.abs(x - low).min(initial=1.0), np.abs(x - high).min(initial=1.0)))
        if near > 1e-3:
            agrees(av.clip, np.clip, [x, low, high])


# ---------------------------------------------------------------- einsum


@st.composite
def subscripts(draw):
    """(text, shapes): labels repeated within and between operands, sizes of 1 that broadcast, ellipses, any output."""
    sizes = {label: draw(SIDES) if draw(st.integers(0, 9)) == 0 else draw(st.integers(1, 3)) for label in "abcdE"}
    dots = tuple(draw(st.lists(st.integers(1, 3), max_size=2)))
    terms, shapes, dotted = [], [], False
    for _ in range(draw(st.integers(1, 4))):
        labels = draw(st.lists(st.sampled_from("abcdE"), max_size=3))
        shape = [sizes[label] for label in labels]
        if draw(st.integers(0, 2)) == 0:
            own = [n if draw(st.booleans()) else 1 for n in dots][draw(st.integers(0, len(dots))) :]
            at = draw(st.integers(0, len(labels)))
            labels[at:at] = ["..."]
            shape[at:at] = own
            dotted = True
        terms.append("".join(labels))
        shapes.append(tuple(shape))
    text = ",".join(terms)
    if draw(st.integers(0, 3)):
        there = sorted({c for c in text if c.isalpha()})
        out = draw(st.permutations(there))[: draw(st.integers(0, len(there)))]
        if dotted:
            out.insert(draw(st.integers(0, len(out))), "...")
        text += "->" + "".join(out)
    if draw(st.integers(0, 3)) == 0:
        text = text.replace(",", " , ").replace("->", " -> ")
    return text, shapes


@examples(250)
@given(st.data())
def test_einsum_is_numpys(data):
    text, shapes = data.draw(subscripts())
    arrays = [numbers(data.draw, s) for s in shapes]
    optimize = data.draw(st.booleans())
    second = sum(a.size for a in arrays) < 20 and data.draw(st.integers(0, 7)) == 0
    agrees(
        lambda *ts: av.einsum(text, *ts, optimize=optimize),
        lambda *xs: np.einsum(text, *xs),
        arrays,
        second,
        rtol=1e-11,
    )


# ---------------------------------------------------------------- shapes


def new_shapes(draw, size):
    """A shape of as many elements, perhaps with one -1."""
    shape = []
    rest = size
    while rest > 1 and draw(st.booleans()):
        d = draw(st.sampled_from([d for d in range(1, rest + 1) if rest % d == 0]))
        shape.append(d)
        rest //= d
    shape.insert(draw(st.integers(0, len(shape))), rest)
    if size and draw(st.booleans()):
        shape[draw(st.integers(0, len(shape) - 1))] = -1
    return tuple(shape)


def reshaped(draw, shape):
    new, order = new_shapes(draw, math.prod(shape)), draw(st.sampled_from("CF"))
    return lambda f: lambda x: f.reshape(x, new, order=order)


def transposed(draw, shape):
    axes = draw(st.permutations(range(len(shape))))
    axes = None if draw(st.booleans()) else tuple(a - len(shape) if draw(st.booleans()) else a for a in axes)
    return lambda f: lambda x: f.transpose(x, axes)


def moved(draw, shape):
    k = draw(st.integers(0, len(shape)))
    source, target = (draw(st.permutations(range(len(shape))))[:k] for _ in range(2))
    target = [a - len(shape) if draw(st.booleans()) else a for a in target]
    if k == 1 and draw(st.booleans()):
        source, target = source[0], target[0]
    return lambda f: lambda x: f.moveaxis(x, source, target)


def repeated(draw, shape):
    axis = an_axis(draw, len(shape)) if shape and draw(st.booleans()) else None
    n = math.prod(shape) if axis is None else shape[axis]
    times = draw(st.integers(0, 3))
    if draw(st.booleans()):
        times = np.array(draw(st.lists(st.integers(0, 2), min_size=n, max_size=n)), int)
    return lambda f: lambda x: f.repeat(x, times, axis)


def tiled(draw, shape):
    times = draw(st.integers(0, 2) | st.lists(st.integers(0, 2), max_size=4).map(tuple))
    return lambda f: lambda x: f.tile(x, times)


def rolled(draw, shape):
    axis = some_axes(draw, len(shape))
    shift = draw(st.integers(-4, 4))
    if isinstance(axis, tuple) and draw(st.booleans()):
        shift = tuple(draw(st.integers(-4, 4)) for _ in axis)
    return lambda f: lambda x: f.roll(x, shift, axis)


def split(draw, shape):
    if not shape:
        return reshaped(draw, shape)
    axis = an_axis(draw, len(shape))
    n = shape[axis]
    name = draw(st.sampled_from(["split", "array_split"]))
    where = sorted(draw(st.lists(st.integers(-n - 1, n + 2), max_size=3)), key=lambda i: slice(None, i).indices(n)[1])
    if draw(st.booleans()):
        where = draw(st.sampled_from([d for d in range(1, n + 1) if n % d == 0 or name == "array_split"] or [1]))
    return lambda f: lambda x: getattr(f, name)(x, where, axis)


def flipped(draw, shape):
    axis = some_axes(draw, len(shape))
    return lambda f: lambda x: f.flip(x, axis)


def expanded(draw, shape):
    ndim = len(shape) + draw(st.integers(1, 2))
    axes = draw(st.permutations(range(ndim)))[: ndim - len(shape)]
    axes = tuple(a - ndim if draw(st.booleans()) else a for a in axes)
    return lambda f: lambda x: f.expand_dims(x, axes if len(axes) > 1 else axes[0])


def squeezed(draw, shape):
    ones = [a for a, n in enumerate(shape) if n == 1]
    axis = tuple(draw(st.permutations(ones))[: draw(st.integers(0, len(ones)))]) if draw(st.booleans()) else None
    return lambda f: lambda x: f.squeeze(x, axis)


def stretched(draw, shape):
    new = [draw(st.integers(0, 3)) if n == 1 else n for n in shape]
    new = tuple(draw(st.lists(st.integers(0, 2), max_size=2)) + new)
    return lambda f: lambda x: f.broadcast_to(x, new)


def turned(draw, shape):
    if len(shape) < 2:
        return flipped(draw, shape)
    axes = tuple(draw(st.permutations(range(len(shape))))[:2])
    n, what = draw(st.integers(-3, 5)), draw(st.sampled_from(["rot90", "swapaxes", "diagonal", "trace"]))
    calls = {
        "rot90": lambda f: lambda x: f.rot90(x, n, axes), "swapaxes": lambda f: lambda x: f.swapaxes(x, *axes),
        "diagonal": lambda f: lambda x: f.diagonal(x, n, *axes), "trace": lambda f: lambda x: f.trace(x, n, *axes),
    }  # fmt: skip
    return calls[what]


def triangles(draw, shape):
    k, name = draw(st.integers(-3, 3)), draw(st.sampled_from(["tril", "triu"]))
    return (lambda f: lambda x: getattr(f, name)(x, k)) if shape else reshaped(draw, shape)


def padded(draw, shape):
    if not shape:
        return reshaped(draw, shape)
    widths = [(draw(st.integers(0, 2)), draw(st.integers(0, 2))) for _ in shape]
    mode = draw(st.sampled_from(["constant", "edge", "reflect", "symmetric", "wrap"]))
    if 0 in shape:
        mode = "constant"
    return lambda f: lambda x: f.pad(x, widths, mode)


RESHAPINGS = [
    reshaped, transposed, moved, repeated, tiled, rolled, split, flipped, expanded, squeezed, stretched, turned,
    triangles, padded,
]  # fmt: skip


@pytest.mark.parametrize("kind", RESHAPINGS, ids=lambda f: f.__name__)
@examples(25)
@given(st.data())
def test_reshaping_is_numpys(kind, data):
    shape = data.draw(SHAPES)
    call = kind(data.draw, shape)
    agrees(call(av), call(np), [numbers(data.draw, shape)], data.draw(st.integers(0, 7)) == 0)
    agrees(call(np), call(np), [numbers(data.draw, shape)])  # NumPy's own function, of Tensors


def test_places_to_cut_that_do_not_rise_are_refused():
    """Their parts overlap; they were cut wrongly once."""
    for call in (av.split, np.split, av.array_split):
        with pytest.raises(ValueError, match=r"the places \[2, 1\] do not rise .*x\[a:b\]"):
            call(av.Tensor(np.arange(4.0)), [2, 1])


@examples(80)
@given(st.data())
def test_joining_is_numpys(data):
    shape = data.draw(SHAPES)
    count = data.draw(st.integers(1, 3))
    name = data.draw(st.sampled_from(["concatenate", "stack", "vstack", "hstack", "dstack", "column_stack", "block"]))
    shapes = [shape] * count
    if name == "concatenate":
        axis = an_axis(data.draw, len(shape)) if shape and data.draw(st.booleans()) else None
        if axis is None:
            shapes = [data.draw(SHAPES) for _ in range(count)]
            if not all(shapes):
                shapes = [(1, *s) for s in shapes]
        else:
            shapes = [tuple(data.draw(SIDES) if i == axis % len(shape) else n for i, n in enumerate(shape))
                      for _ in range(count)]  # fmt: skip
        options = {"axis": axis}
    else:
        options = {"axis": data.draw(st.integers(-len(shape) - 1, len(shape)))} if name == "stack" else {}
    f = getattr(av, name, getattr(np, name))
    numpys = getattr(np, name)
    if name == "column_stack" and len(shape) > 2:
        f = numpys = np.concatenate
    arrays = [numbers(data.draw, s) for s in shapes]
    agrees(lambda *ts: f(list(ts), **options), lambda *xs: numpys(list(xs), **options), arrays)


# ---------------------------------------------------------------- products


@pytest.mark.parametrize("ranks", [(m, n) for m in range(1, 5) for n in range(1, 5)], ids=str)
@examples(8)
@given(st.data())
def test_matmul_of_all_ranks(ranks, data):
    k = data.draw(SIDES)
    batch = data.draw(st.lists(st.integers(0, 2), min_size=2, max_size=2))
    shapes = []
    for rank, side in zip(ranks, (0, 1), strict=True):
        own = [n if data.draw(st.integers(0, 3)) else 1 for n in batch][4 - max(rank, 2) :]
        free = data.draw(SIDES)
        shapes.append((*own, *((k,) if rank == 1 else (free, k) if side == 0 else (k, free))))
    arrays = [numbers(data.draw, s) for s in shapes]
    agrees(lambda a, b: a @ b, np.matmul, arrays, data.draw(st.integers(0, 3)) == 0, rtol=1e-11)
    agrees(np.matmul, np.matmul, arrays, rtol=1e-11)


@pytest.mark.parametrize("ranks", [(m, n) for m in range(4) for n in range(4)], ids=str)
@examples(8)
@given(st.data())
def test_tensordot_dot_inner_and_outer_of_all_ranks(ranks, data):
    k = data.draw(st.integers(0, min(ranks)))
    common = data.draw(st.lists(SIDES, min_size=k, max_size=k))
    first = [data.draw(SIDES) for _ in range(ranks[0] - k)] + common
    second = common + [data.draw(SIDES) for _ in range(ranks[1] - k)]
    a, b = numbers(data.draw, first), numbers(data.draw, second)
    agrees(lambda x, y: av.tensordot(x, y, k), lambda x, y: np.tensordot(x, y, k), [a, b], rtol=1e-11)
    if k:
        orders = data.draw(st.permutations(range(ranks[0]))), data.draw(st.permutations(range(ranks[1])))
        axes = [[order.index(i) for i in own] for order, own in
                zip(orders, (range(ranks[0] - k, ranks[0]), range(k)), strict=True)]  # fmt: skip
        moved = [x.transpose(order) for x, order in zip((a, b), orders, strict=True)]
        axes[1] = [i - ranks[1] if data.draw(st.booleans()) else i for i in axes[1]]
        pair = moved
        agrees(
            lambda x, y: av.tensordot(x, y, axes), lambda x, y: np.tensordot(x, y, axes), pair,
            data.draw(st.integers(0, 3)) == 0, rtol=1e-11,
        )  # fmt: skip
    agrees(av.outer, np.outer, [a, b])
    agrees(av.kron, np.kron, [a, b])
    n = data.draw(st.integers(1, 3))
    last = a[..., None] * np.linspace(0.5, 1.0, n), b[..., None] * np.linspace(1.0, 0.3, n)
    agrees(av.inner, np.inner, list(last), rtol=1e-11)
    agrees(lambda x, y: av.dot(x, y.swapaxes(-1, -2) if y.ndim > 1 else y),
           lambda x, y: np.dot(x, y.swapaxes(-1, -2) if y.ndim > 1 else y), list(last), rtol=1e-11)  # fmt: skip
    same = numbers(data.draw, (2, *first)), numbers(data.draw, (2, *first))
    agrees(av.vdot, np.vdot, list(same), rtol=1e-11)
    if first:
        agrees(av.vecdot, np.vecdot, list(same), rtol=1e-11)
