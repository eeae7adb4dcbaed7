"""What must hold for every op and composed function, on variants of its samples that are derived by themselves.

Other memory layouts, forward mode against reverse mode, single precision, other sizes (empty, 0-d, one element), and
complex numbers where the samples have real ones. The samples themselves are tested in `test_ops.py`.
"""

import warnings

import numpy as np
import pytest
from test_ops import ROWS, as_tensors, checked, floats, function_of, nested, sampled, single

import autograd_vs as av
from autograd_vs.base.nest import flatten
from autograd_vs.engine.samples import Sample


@pytest.fixture(autouse=True)
def quiet():
    """Values may be NaN and infinite here, and roots of negative numbers: the same as NumPy's, or not looked at."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def changed(arg, change):
    """An argument with its float arrays, also those in sequences, changed."""
    if nested(arg):
        return [changed(x, change) for x in arg]
    return np.asarray(change(arg)) if floats(arg) else arg


def variant(sample, change):
    args = [changed(a, change) for a in sample.args]
    return Sample(*args, smooth=sample.smooth, order=sample.order, **sample.options)


def run(key, sample):
    """Float outputs, the Tensors that went in, and the gradients of a weighted sum of the outputs.

    No gradients where they are refused, as they may be for a sample that is not smooth.
    """
    args = [as_tensors(a) for a in sample.args]
    sources = [t for t in flatten(args) if isinstance(t, av.Tensor)]
    with av.GradientTape() as tape:
        tape.watch(sources)
        outputs = float_outputs(key, args, sample)
    if not sources:  # of integers
        return outputs, [], []
    try:
        gs = tape.gradient(outputs, sources, output_gradients=weights(outputs), unconnected_gradients="zero")
    except TypeError:
        if sample.smooth:
            raise
        sources = gs = []
    return outputs, sources, gs


def float_outputs(key, args, sample):
    y = function_of(ROWS[key])(*args, **sample.options)
    return [t for t in (y if isinstance(y, tuple) else (y,)) if t.dtype.kind in "fc"]


def weights(tensors):
    """Numbers of the kind of some Tensors, others for each."""
    rng = np.random.default_rng(7)

    def like(t):
        w = rng.uniform(0.5, 1.5, t.shape)
        return np.asarray(w + 1j * rng.uniform(-1.0, 1.0, t.shape) if t.dtype.kind == "c" else w)

    return [av.Tensor(like(t).astype(t.dtype)) for t in tensors]


def tolerance(*tensors):
    return 2e-5 if any(t.dtype.char in "fFe" for t in tensors) else 1e-12


# ---------------------------------------------------------------- memory


def backwards(x):
    """The same values, every other element of a larger array, from its end."""
    if not x.ndim:
        return x
    view = np.full([2 * n for n in x.shape], 99.0, x.dtype)[tuple(slice(None, None, -2) for _ in x.shape)]
    view[...] = x
    return view


def columns_first(x):
    return np.array(x, order="F")


@pytest.mark.parametrize("layout", [backwards, columns_first])
@pytest.mark.parametrize("key", list(ROWS))
def test_the_layout_in_memory_does_not_matter(key, layout):
    for sample in sampled(key):
        if {"A", "K"} & {a for a in (*sample.args, *sample.options.values()) if isinstance(a, str)}:
            continue  # an order that asks for the layout
        outputs, _, gs = run(key, sample)
        others, _, other_gs = run(key, variant(sample, layout))
        for a, b in zip([*outputs, *gs], [*others, *other_gs], strict=True):
            assert a.dtype == b.dtype, sample
            tol = tolerance(a)
            np.testing.assert_allclose(b.numpy(), a.numpy(), rtol=tol, atol=tol, err_msg=str(sample))


# ---------------------------------------------------------------- modes


@pytest.mark.parametrize("key", list(ROWS))
def test_forward_mode_is_reverse_mode_transposed(key):
    """On all samples, those at kinks and ties and in single precision, too."""
    for sample in sampled(key):
        outputs, sources, gs = run(key, sample)
        if not sources:
            continue
        args = [as_tensors(a) for a in sample.args]
        sources = [t for t in flatten(args) if isinstance(t, av.Tensor)]
        directions = weights(sources)
        with av.ForwardAccumulator(sources, directions) as accumulator:
            ys = float_outputs(key, args, sample)
        tangents = accumulator.jvp(ys, unconnected_gradients="zero")
        for t, y in zip(tangents, ys, strict=True):
            assert t.shape == y.shape and t.dtype == y.dtype, sample
        parts = [(w.numpy().conj() * t.numpy()).real for w, t in zip(weights(ys), tangents, strict=True)]
        # A result that is NaN may have any slope.
        forward = sum(p[np.isfinite(y.numpy()) | np.isfinite(p)].sum() for p, y in zip(parts, ys, strict=True))
        products = [(g.numpy().conj() * d.numpy()).real for g, d in zip(gs, directions, strict=True)]
        scale = 1.0 + sum(np.abs(p).sum() for p in products)
        backward = sum(p.sum() for p in products)
        if np.isfinite(forward) or np.isfinite(backward):
            assert abs(forward - backward) <= tolerance(*sources, *outputs) * scale, sample


# ---------------------------------------------------------------- single precision


@pytest.mark.parametrize("key", list(ROWS))
def test_single_precision_stays(key):
    """Outputs of NumPy's dtype, which is float32 nearly everywhere, and gradients in that of the argument."""
    numpys = ROWS[key].numpy
    for sample in sampled(key):
        args = [single(np.asarray(a) if isinstance(a, np.float64) else a) for a in sample.args]
        args = [changed(a, lambda x: x.astype(np.complex64) if x.dtype.kind == "c" else x) for a in args]
        options = {k: single(v) for k, v in sample.options.items()}
        outputs, sources, gs = run(key, Sample(*args, smooth=sample.smooth, **options))
        if numpys is not None and getattr(np, numpys.__name__, None) is numpys:
            want = numpys(*args, **options)
            want = [np.asarray(w).dtype for w in (want if isinstance(want, (tuple, list)) else [want])]
            assert [y.dtype for y in outputs] == [d for d in want if d.kind in "fc"], sample
        elif sources and "dtype" not in options and not any(isinstance(a, (type, np.dtype)) for a in args):
            assert all(y.dtype.char in "fF" for y in outputs), f"{sample} gives {[y.dtype for y in outputs]}"
        for x, g in zip(sources, gs, strict=True):
            assert g.dtype == x.dtype, f"{sample}: a gradient of {g.dtype} for {x.dtype}"


# ---------------------------------------------------------------- sizes

SIZES = {
    "without rows": lambda x: x[:0] if x.ndim else x,
    "without columns": lambda x: x[:, :0] if x.ndim > 1 else x,
    "0-d": lambda x: x.reshape(-1)[0] if x.size else x,
    "one element": lambda x: x.reshape(-1)[:1],
}
# What NumPy lets pass there, and this library refuses: labels of einsum whose sizes differ, an axis or an index that
# the array does not have, norms that have no gradient. And irfft of nothing is what was in the memory.
LENIENT = {"composed einsum", "composed squeeze", "composed take", "composed linalg.norm", "composed fft.irfft"}


def reference(key):
    """NumPy's function; of an op that NumPy does not have its own forward tells nothing about sizes."""
    return ROWS[key].numpy


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("key", [k for k in ROWS if reference(k) is not None])
def test_every_size_that_numpy_takes(key, size):
    if "linalg.eig" in key and not isinstance(av.Tensor(np.ones(1)).array, np.ndarray):
        pytest.skip("eigenvalues are always complex there, as CuPy's")
    for sample in sampled(key):
        if not sample.smooth:
            continue
        other = variant(sample, SIZES[size])
        if key in LENIENT and any(floats(a) and not a.size for a in flatten(list(other.args))):
            continue
        try:
            want = reference(key)(*other.args, **other.options)
        except Exception:  # the size does not fit the other arguments
            continue
        try:
            is_numpys(key, other, want)
        except np.exceptions.AxisError:
            assert size == "0-d", other  # NumPy takes axis 0 of a 0-d array for its only number, at times
        except (ValueError, IndexError, TypeError):
            assert key in LENIENT, other


def is_numpys(key, sample, want):
    """Value, shape and dtype are `want`, and the gradients right."""
    got = function_of(ROWS[key])(*map(as_tensors, sample.args), **sample.options)
    several = isinstance(want, (tuple, list))
    want = [np.asarray(w) for w in (want if several else [want])]
    for y, w in zip(got if several else [got], want, strict=True):
        assert y.shape == w.shape and y.dtype == w.dtype, sample
        np.testing.assert_allclose(y.numpy(), w, rtol=1e-12, atol=1e-12, err_msg=str(sample))
    if any(w.dtype.kind in "fc" for w in want) and all(np.isfinite(w).all() for w in want):
        checked(key, sample, sample.order)


STRETCHED = [
    key for key, row in ROWS.items() if key.startswith("op ") and row.elementwise and len(row.vjps) == row.arity != 1
]


@pytest.mark.parametrize("key", STRETCHED)
def test_elementwise_samples_broadcast(key):
    """In some sample an argument is smaller than the result."""
    shapes = [[np.shape(a) for a in s.args[: ROWS[key].arity]] for s in sampled(key)]
    assert any(one != np.broadcast_shapes(*own) for own in shapes for one in own), "nothing is stretched"


# ---------------------------------------------------------------- complex numbers


def with_imaginary_part(x):
    return x + 1j * np.random.default_rng(x.size).uniform(0.1, 0.4, x.shape) if x.dtype == np.float64 else x


def says_where_it_is_complex(key):
    """Complex samples of its own, or of the op of that name."""
    samples = [s for k in (key, f"op {key.split()[1].rpartition('.')[2]}") if k in ROWS for s in sampled(k)]
    return any(np.iscomplexobj(a) for s in samples for a in flatten(list(s.args)) if floats(a))


@pytest.mark.parametrize("key", [key for key in ROWS if not says_where_it_is_complex(key)])
def test_complex_numbers_are_differentiated_or_refused(key):
    for sample in sampled(key):
        if not sample.smooth:
            continue
        other = variant(sample, with_imaginary_part)
        try:
            checked(key, other, 1)
        except (TypeError, ValueError):
            continue
