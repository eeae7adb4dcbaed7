"""Every op of the table against NumPy and against differences: the ops, and their samples, are found by themselves."""

import doctest
import importlib.util
import inspect
import warnings

import numpy as np
import pytest
from on_strict import constant_arguments
from strict_array import StrictArray

import autograd_vs as av
from autograd_vs.base.backend import namespace
from autograd_vs.base.nest import flatten, map_nest
from autograd_vs.engine import registry
from autograd_vs.engine.protocol import Operand
from autograd_vs.engine.samples import arrays
from autograd_vs.ops.later import FAMILIES, NEED_SCIPY
from autograd_vs.testing import check_gradients

# Rows that belong to a mechanism, not to a function: they have tests of their own.
NO_SAMPLES = {
    "alias", "alpha_dropout", "dropout", "gamma_at_level", "np.histogram", "np.histogram2d", "np.histogramdd",
}  # fmt: skip
ROWS = {f"op {name}": row for name, row in registry.ops.items()} | {
    f"composed {name}": call for name, call in (registry.composed | registry.numpy_only).items()
}


def function_of(row):
    return row.public if hasattr(row, "public") else row


def sampled(key):
    row = ROWS[key]
    return row.samples() if row.samples else []


def cases(smooth=None):
    return list(_cases(smooth))


def _cases(smooth):
    for key in ROWS:
        for i, sample in enumerate(sampled(key)):
            if smooth is None or sample.smooth is smooth:
                yield pytest.param(key, sample, id=f"{key.replace(' ', '-')}-{i}")


def floats(x):
    return isinstance(x, np.ndarray) and x.dtype.kind in "fc"


def nested(arg):
    """Say whether there are float arrays in a sequence, or in sequences in it."""
    return isinstance(arg, (list, tuple)) and any(map(floats, flatten(list(arg))))


def as_tensors(arg):
    """The float arrays of an argument (or of a sequence of arrays) as Tensors."""
    if nested(arg):
        return [as_tensors(x) for x in arg]
    return av.Tensor(arg) if floats(arg) else arg


def checked(key, sample, order):
    function = function_of(ROWS[key])
    given = list(sample.args)
    places = [i for i, a in enumerate(given) if floats(a) or nested(a)]

    def f(*args):
        full = list(given)
        for i, a in zip(places, args, strict=True):
            full[i] = sample.domain(a) if sample.domain else a
        y = function(*full, **sample.options)
        return sample.seen(y) if sample.seen else y

    check_gradients(f, [given[i] for i in places], order=order)


# ---------------------------------------------------------------- each sample of each op


@pytest.mark.parametrize(("key", "sample"), cases())
def test_the_value_is_numpys(key, sample):
    row = ROWS[key]
    expected_of = row.numpy or getattr(row, "forward", None)
    if expected_of is None:
        pytest.skip("not a function of NumPy")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        want = expected_of(*sample.args, **sample.options)
        got = function_of(row)(*map(as_tensors, sample.args), **sample.options)
        routes = [got]
        if row.numpy is not None:
            routes.append(row.numpy(*map(as_tensors, sample.args), **sample.options))
    if getattr(row, "aux", None):
        want = want[0]
    several = isinstance(want, (list, tuple))
    for route in routes:
        assert isinstance(route, tuple) is several
        for y, w in zip(route if several else [route], want if several else [want], strict=True):
            assert isinstance(y, av.Tensor)
            np.testing.assert_allclose(y.numpy(), w, rtol=2e-6 if y.dtype.char in "fF" else 1e-12, atol=1e-12)
            assert y.shape == np.shape(w)
            complex_there = y.device != "cpu" and key.endswith(("eig", "eigvals"))  # always, in CuPy
            assert y.dtype == np.asarray(w).dtype or complex_there


@pytest.mark.parametrize(("key", "sample"), cases(smooth=True))
def test_gradients_of_first_and_second_order(key, sample):
    checked(key, sample, sample.order)


def single(x):
    """Float64 arrays in float32."""
    if nested(x):
        return [single(i) for i in x]
    return x.astype(np.float32) if isinstance(x, np.ndarray) and x.dtype == np.float64 else x


@pytest.mark.parametrize("key", [k for k in ROWS if k.startswith("op ")])
def test_float32_stays_float32(key):
    """The rules themselves, not what the tape makes of them: with the shapes of the samples, and with 0-d arrays."""
    row = ROWS[key]
    found = [s for s in sampled(key) if not any(np.iscomplexobj(a) for a in flatten(list(s.args)))]
    if row.elementwise and row.arity is not None:
        found = [
            type(s)(*(a.reshape(-1)[0] if floats(a) and a.size else a for a in s.args), **s.options) for s in found[:1]
        ] + found
    for sample in found:
        args = [single(np.asarray(a) if isinstance(a, np.float64) else a) for a in sample.args]
        if "complex" in str(sample) or sample.options.get("dtype") or "float64" in str(args):
            continue
        tensors = [as_tensors(a) for a in args]
        leaves = [t for t in flatten(tensors) if isinstance(t, av.Tensor)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with av.GradientTape(persistent=True) as tape:
                tape.watch(leaves)
                y = row.public(*tensors, **sample.options)
            ys = y if isinstance(y, tuple) else (y,)
            entries = [e for e in tape._record.entries if e[0].op is row]
            if row.name != "float_power":
                assert all(t.dtype in (np.float32, np.complex64) for t in ys)  # eigenvalues may be complex
            if row.outputs != 1 or len(entries) != 1:
                continue
            rule, _, _, saved, _ = entries[0]
            g = namespace(ys[0].array).ones(ys[0].shape, ys[0].dtype)
            for vjp, values in zip(rule.vjps, saved, strict=False):
                c = vjp(g, *values)
                assert c.dtype == np.float32 or row.name == "float_power", f"{sample}: the rule gives {c.dtype}"


def on_device(arg):
    """Every array of an argument as one of the stand-in for CuPy."""
    if isinstance(arg, (list, tuple)):
        return type(arg)(map(on_device, arg))
    return StrictArray(arg) if isinstance(arg, np.ndarray) else arg


def value_and_gradients(function, sample, move):
    def lifted(arg):
        if nested(arg):
            return [lifted(x) for x in arg]
        return av.Tensor(move(arg)) if floats(arg) else move(arg)

    args = [lifted(a) for a in sample.args]
    sources = [t for t in flatten(args) if isinstance(t, av.Tensor)]
    with av.GradientTape() as tape:
        tape.watch(sources)
        y = function(*args, **sample.options)
    outputs = [t for t in (y if isinstance(y, tuple) else (y,)) if t.dtype.kind in "fc"]
    found = tape.gradient(outputs, sources, unconnected_gradients="zero") if sources else ()  # a constant: one_hot
    return outputs, [*outputs, *found]


@pytest.mark.parametrize("key", list(ROWS))
def test_it_runs_on_another_array_library(key):
    for sample in sampled(key):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _, want = value_and_gradients(function_of(ROWS[key]), sample, lambda x: x)
            outputs, got = value_and_gradients(function_of(ROWS[key]), sample, on_device)
        assert all(isinstance(y.array, StrictArray) for y in outputs), "the result left the device"
        for g, w in zip(got, want, strict=True):
            np.testing.assert_allclose(g.numpy(), w.numpy(), rtol=1e-6 if w.dtype.char in "fF" else 1e-12, atol=1e-12)


# ---------------------------------------------------------------- the table as a whole


@pytest.mark.parametrize("key", list(ROWS))
def test_every_op_has_samples(key):
    if key.partition(" ")[2] in NO_SAMPLES:
        return
    assert sampled(key), f"{key} has no samples: add samples= beside its rule"


@pytest.mark.parametrize(
    "key", [k for k in ROWS if k.startswith("op ") and ROWS[k].elementwise and ROWS[k].arity in (1, 2)]
)
def test_elementwise_samples_cover_the_shapes(key):
    shapes = [a.shape for s in sampled(key) for a in s.args if floats(a)]
    assert () in shapes, "a 0-d sample"
    assert any(0 in s for s in shapes), "an empty sample"


def test_constants_pass_no_gradient():
    x = av.Tensor(np.array([0.5, -1.5, 2.0]))
    with av.GradientTape() as tape:
        tape.watch(x)
        y = av.floor(x) + x * 0 + av.sign(x)
    assert tape.gradient(y, x).numpy().tolist() == [0.0, 0.0, 0.0]


@pytest.mark.filterwarnings("ignore:.*fix.*:DeprecationWarning")  # NumPy 2.5 says to use trunc
@pytest.mark.parametrize("function", list(registry.constants), ids=lambda f: f.__name__)
def test_constants_have_numpys_values(function):
    args = constant_arguments(function)
    if function is np.isnat and av.Tensor(1.0).device != "cpu":
        pytest.skip("CuPy has no dates")
    want = function(*args)
    tensors = [map_nest(lambda a: av.Tensor(a) if isinstance(a, np.ndarray) else a, a) for a in args]
    for got in (registry.constants[function](*tensors), function(*tensors)):
        if isinstance(want, tuple):
            assert all(np.array_equal(g.numpy(), w) for g, w in zip(got, want, strict=True))
        elif function is not np.empty_like:
            assert isinstance(got, av.Tensor)
            np.testing.assert_array_equal(got.numpy(), want)


def test_queries_just_work():
    x = av.Tensor(np.array([[1.0, 2.0]]))
    with av.GradientTape() as tape:
        tape.watch(x)
        y = x * 2
        assert np.shape(y) == (1, 2) and np.ndim(y) == 2 and np.size(y) == 2
        assert np.allclose(y, [[2.0, 4.0]]) and np.array_equal(y, y) and not np.iscomplexobj(y)
        assert np.result_type(y, np.float32) == np.float64
        assert "2." in np.array2string(y)


HAS_SCIPY = importlib.util.find_spec("scipy") is not None
HOMES = {"av": av} | {
    f"av.{name}": getattr(av, name) for name in FAMILIES if name and (HAS_SCIPY or name not in NEED_SCIPY)
}
DOCUMENTED = [
    pytest.param(getattr(module, name), vars(module), id=f"{home}.{name}")
    for home, module in HOMES.items()
    for name in module.__all__
    if getattr(module, name) in set(map(function_of, ROWS.values()))
]


@pytest.mark.parametrize(("function", "names"), DOCUMENTED)
def test_the_docstring_has_an_example_that_runs(function, names):
    """pytest does not find these by itself: the functions are made inside of the engine."""
    text = function.__doc__
    for section in ("Parameters\n", "Returns\n", "Examples\n"):
        assert section in text, section
    known = {**names, "np": np, "av": av, "Tensor": av.Tensor}
    example = doctest.DocTestParser().get_doctest(text, known, function.__name__, None, 0)
    assert example.examples
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS, verbose=False)
    said = []
    runner.run(example, out=said.append)
    assert not runner.failures, "".join(said)


# ---------------------------------------------------------------- zeros, kinks and ties, as documented


def gradient(f, x):
    t = av.Tensor(np.asarray(x))
    with av.GradientTape() as tape:
        tape.watch(t)
        y = f(t)
    return tape.gradient(y, t).numpy()


def test_kinks_and_zeros():
    assert gradient(av.abs, 0.0) == 0
    assert gradient(av.abs, 0j) == 0
    assert gradient(lambda x: x**0, 0.0) == 0
    assert gradient(lambda x: av.power(x, 0.0), 0.0) == 0
    assert gradient(lambda x: av.power(x, np.array(0.0)), 0.0) == 0
    assert gradient(lambda p: av.power(0.0, p), 2.0) == 0
    assert gradient(lambda x: x**3, -2.0) == 12
    assert gradient(lambda x: av.hypot(x, 0.0), 0.0) == 0
    assert gradient(lambda x: av.arctan2(x, 0.0), 0.0) == 0
    assert (gradient(av.std, [1.0, 1.0]) == 0).all()
    assert gradient(lambda x: av.logaddexp(x, -np.inf), 1.0) == 1
    assert (gradient(lambda x: av.logsumexp(x), [-np.inf, -np.inf]) == 0).all()
    with np.errstate(divide="ignore"):
        assert gradient(av.sqrt, 0.0) == np.inf


def test_ties():
    assert gradient(lambda x: av.maximum(x, 1.0), 1.0) == 0.5
    assert gradient(lambda x: av.maximum(x, x), 1.0) == 1
    assert gradient(lambda x: av.fmin(x, np.nan), 1.0) == 1
    assert gradient(av.max, [2.0, 2.0, 1.0]).tolist() == [0.5, 0.5, 0.0]
    assert gradient(lambda x: av.clip(x, 0.0, 1.0), [-1.0, 0.0, 0.5, 1.0, 2.0]).tolist() == [0.0, 1.0, 1.0, 1.0, 0.0]


def test_where_blocks_what_was_not_chosen():
    with np.errstate(divide="ignore"):
        assert gradient(lambda x: av.where(x > 0, av.log(av.where(x > 0, x, 1.0)), 0.0), [0.0, 2.0]).tolist() == [
            0.0,
            0.5,
        ]


def test_power_operator_is_exact_for_numbers():
    x = np.array([0.3, 1.7])
    for n in (2, 1, 0.5, -1, 3, 2.5, 0):
        np.testing.assert_array_equal((av.Tensor(x) ** n).numpy(), x**n)
    assert (av.Tensor(np.float32(2.0)) ** 3).dtype == np.float32
    assert (2 ** av.Tensor(np.float32(3.0))).numpy() == 8


def test_stop_gradient():
    x = av.Variable([1.0, 2.0])
    with av.GradientTape(persistent=True) as tape:
        nest = av.stop_gradient({"a": x * 2, "b": [x, 3]})
        y = nest["a"] * x
        z = nest["a"] * 2
    assert nest["b"][1] == 3
    assert tape.gradient(y, x).numpy().tolist() == [2.0, 4.0]
    assert tape.gradient(z, x) is None
    assert "stop_gradient" in tape.explain(z, x)
    x.assign([5.0, 5.0])
    assert nest["b"][0].numpy().tolist() == [1.0, 2.0]


def test_a_cast_to_integers_breaks_the_path():
    x = av.Variable(1.5)
    with av.GradientTape() as tape:
        y = x.astype(int).astype(np.float32) * 2
    assert tape.gradient(y, x) is None
    assert "cast" in tape.explain(y, x)


def test_complex_gradients_are_those_of_pytorch():
    """d/dz of a real loss is dL/du + i dL/dv, checked with loops of differences over both parts."""
    z = np.array([0.4 + 0.7j, -1.2 + 0.1j])
    w = np.array([0.3 - 0.5j, 0.8 + 0.2j])

    def loss(t):
        return (av.abs(t * w + av.conj(t) ** 2) * av.real(av.exp(t)) + av.imag(t) * av.angle(t)).sum()

    got = gradient(loss, z)
    h = 1e-6
    for i in range(2):
        for direction in (1.0, 1.0j):
            e = np.zeros(2, complex)
            e[i] = direction * h
            slope = (loss(av.Tensor(z + e)).item() - loss(av.Tensor(z - e)).item()) / (2 * h)
            assert abs((got[i].real if direction == 1 else got[i].imag) - slope) < 1e-8


def test_real_meets_complex():
    def f(x):
        return av.abs(av.matmul(x, np.array([[1j, 2.0], [0.5, 1 - 1j]])) * 1j + x * (1 + 2j)).sum()

    check_gradients(f, [np.array([[0.3, -0.8], [1.1, 0.4]])])
    z = np.array([0.3 + 1j])
    check_gradients(lambda t: av.real(av.real(t) * 1j * t), [z])
    check_gradients(lambda t: av.concatenate([av.real(t), t]) * 2j, [z])


def test_views_of_a_variable_keep_their_value():
    v = av.Variable(np.arange(6.0).reshape(2, 3))
    views = [v.T, v[0], v.reshape(-1), v[:, 1:], av.squeeze(v[:1]), av.diagonal(v), v.real, *av.split(v, 2)]
    before = [t.numpy() for t in views]
    v.assign(np.zeros((2, 3)))
    for t, b in zip(views, before, strict=True):
        np.testing.assert_array_equal(t.numpy(), b)


def test_operands_can_be_any_mixture():
    x, raw, v = av.Tensor(np.ones(2)), np.full(2, 3.0), av.Variable([2.0, 2.0], dtype=np.float64)
    for y in (raw + x, x + raw, v * raw, raw * v, x - v, 2 / x, raw @ x, x @ raw, raw > x, 1 - v):
        assert isinstance(y, Operand)


def test_no_out_and_clear_errors():
    x = av.Tensor(np.ones((2, 2)))
    for call in (
        lambda: np.sum(x, out=np.zeros(())), lambda: np.clip(x, 0, 1, out=np.zeros((2, 2))),
        lambda: np.exp(x, where=np.ones((2, 2), bool)), lambda: np.cumsum(x, out=np.zeros(4)),
        lambda: np.pad(x, 1, lambda *args: None),
        lambda: np.linalg.qr(x, "raw"), lambda: av.where(x > 0, x),
    ):  # fmt: skip
        with pytest.raises(TypeError):
            call()


# ---------------------------------------------------------------- values of Variables


def as_variables(arg, made):
    """The float arrays of an argument (or of a sequence of arrays) as Variables, listed in `made`."""
    if nested(arg):
        return [as_variables(x, made) for x in arg]
    if not floats(arg):
        return arg
    made.append(av.Variable(arg, dtype=arg.dtype))
    return made[-1]


@pytest.mark.parametrize("key", list(ROWS))
def test_no_result_changes_when_a_variable_is_written(key):
    for sample in sampled(key):
        made = []
        args = [as_variables(a, made) for a in sample.args]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            y = function_of(ROWS[key])(*args, **sample.options)
        results = y if isinstance(y, tuple) else (y,)
        assert all(isinstance(t, av.Tensor) for t in results), sample
        before = [t.numpy() for t in results]
        for v in made:
            v.assign(v.numpy() + 1)
        for t, b in zip(results, before, strict=True):
            np.testing.assert_array_equal(t.numpy(), b, str(sample))


def test_what_changes_nothing_is_the_value_at_that_time():
    v = av.Variable(np.arange(4.0).reshape(2, 2))
    with av.GradientTape() as tape:
        found = [
            np.einsum("ij", v), np.einsum("ij->ij", v), np.diff(v, n=0), np.rot90(v, 0), np.rot90(v, 4),
            np.rot90(v, -8),
            av.nn.dropout(v, 0.5, training=False), av.nn.dropout(v, 0.0, training=True), np.pad(v, 0, "edge"),
            np.block(v), np.block([[v]]),
        ]  # fmt: skip
        loss = sum(t.sum() for t in found)
    assert all(isinstance(t, av.Tensor) for t in found)
    assert (tape.gradient(loss, v).numpy() == len(found)).all()
    v.assign(np.zeros((2, 2)))
    assert all(np.array_equal(t, np.arange(4.0).reshape(2, 2)) for t in found)
    scalar = av.Variable(1.0)
    padded = np.pad(scalar, ())
    scalar.assign(2.0)
    assert padded.item() == 1


# ---------------------------------------------------------------- gradients that were dropped


def test_weights_and_filling_values_have_gradients():
    ids, w = np.array([0, 2, 2]), av.Variable([1.0, 2.0, 3.0], dtype=float)
    with av.GradientTape(persistent=True) as tape:
        counted = (np.bincount(ids, weights=w) * np.array([1.0, 5.0, 7.0])).sum()
        step = np.heaviside(np.array([-1.0, 0.0, 2.0]), w).sum()
        filled = (av.full_like(np.zeros((2, 3)), w) * 2).sum()
    assert tape.gradient(counted, w).numpy().tolist() == [1.0, 7.0, 7.0]
    assert tape.gradient(step, w).numpy().tolist() == [0.0, 1.0, 0.0]
    assert tape.gradient(filled, w).numpy().tolist() == [4.0, 4.0, 4.0]
    assert np.bincount(av.Tensor(ids)).numpy().tolist() == [1, 0, 2]
    assert av.bincount(ids, [0.5, 0.5, 1.0], 4).numpy().tolist() == [0.5, 0.0, 1.5, 0.0]
    assert np.full_like(av.Tensor(np.zeros(2, int)), 3).numpy().tolist() == [3, 3]
    for wrong in (lambda: av.bincount([-1, 0, 0], w), lambda: av.bincount([1], w), lambda: av.bincount(ids, w, -1)):
        with pytest.raises(ValueError, match="bincount"):
            wrong()
    with pytest.raises(TypeError, match="integers"):
        av.bincount([0.5, 1.0, 2.0], w)


def test_a_histogram_refuses_weights_with_a_gradient():
    a, w = av.Tensor(np.array([0.5, 1.5, 1.7])), av.Variable([1.0, 2.0, 3.0])
    counts, edges = np.histogram(a, bins=2, weights=w)
    np.testing.assert_allclose(counts, [1, 5])
    with av.GradientTape() as tape:
        tape.watch(a)
        assert np.histogram(a, bins=edges)[0].tolist() == [1, 2]
        with pytest.raises(TypeError, match=r"np\.histogram\(weights=\).*bincount"):
            np.histogram(a, weights=w)


# ---------------------------------------------------------------- arguments by name


def test_arrays_go_by_numpys_names():
    t = av.Tensor(np.arange(6.0).reshape(2, 3))
    assert av.concatenate(arrays=[t, t], axis=1).shape == (2, 6)
    assert av.stack(arrays=[t, t]).shape == np.stack(arrays=[t, t]).shape == (2, 2, 3)
    assert t.reshape(shape=(3, 2)).shape == av.reshape(a=t, shape=6).reshape(shape=(3, 2), order="F").shape == (3, 2)
    assert av.transpose(a=t, axes=(1, 0)).shape == np.transpose(a=t).shape == (3, 2)
    assert np.sum(a=t, axis=0).shape == (3,) and av.tensordot(a=t, b=t, axes=2).shape == ()
    for wrong in (lambda: t.reshape(6, shape=3), lambda: t.reshape(size=6), lambda: av.stack(axis=0)):
        with pytest.raises(TypeError, match=r"shape|arrays"):
            wrong()


@pytest.mark.parametrize(
    "function",
    [f for f in registry.functions if not isinstance(f, np.ufunc) and f is not np.einsum],
    ids=lambda f: f.__name__,
)
def test_parameters_have_numpys_names(function):
    ours = registry.functions[function]
    if function.__module__ == "numpy.linalg" and getattr(ours, "numpy", None) is not function:
        pytest.skip("another function's, with positional parameters")

    def named(f):
        return [p.name for p in inspect.signature(f).parameters.values() if p.kind != p.VAR_KEYWORD]

    try:
        theirs = named(function)
    except ValueError:
        pytest.skip("this NumPy does not tell the signature")
    known = [name for name in named(ours) if name in theirs]
    extra = set(named(ours)) - set(theirs)
    newer = {np.unique: {"sorted"}, np.trim_zeros: {"axis"}}  # than NumPy 2.1
    assert extra <= newer.get(function, set())
    assert known[:1] == theirs[:1]
    if function is not np.meshgrid:
        assert known == [name for name in theirs if name in known]


@pytest.mark.parametrize("function", [np.sum, np.prod, np.max, np.min, np.mean, np.std, np.var, np.any, np.all])
def test_reductions_do_not_take_out(function):
    with pytest.raises(TypeError, match=f"{function.__name__}: out= .*the Tensor that it returns"):
        function(av.Tensor(np.ones(2)), out=np.zeros(()))
    assert function(av.Tensor(np.ones(2)), where=True) == function(np.ones(2))


# ---------------------------------------------------------------- NumPy 2's names


def test_linalg_has_the_products():
    a, b = arrays((2, 2, 3), (2, 3, 2))
    v = a[0, 0]
    for function, *args in (
        (np.linalg.matmul, a, b), (np.linalg.outer, v, v), (np.linalg.trace, a), (np.linalg.diagonal, a),
        (np.linalg.vecdot, a, a), (np.linalg.tensordot, a, b), (np.linalg.matrix_transpose, a),
    ):  # fmt: skip
        options = {"axes": ((2,), (1,))} if function is np.linalg.tensordot else {}
        got = function(*map(av.Tensor, args), **options)
        assert isinstance(got, av.Tensor)
        np.testing.assert_allclose(got.numpy(), function(*args, **options), rtol=1e-14)
    with pytest.raises(ValueError, match="1-D"):
        np.linalg.outer(av.Tensor(a), v)


def test_the_norm_has_gradient_0_at_0():
    x = np.array([[0.0, 0.0], [3.0, 4.0]])
    assert gradient(np.linalg.norm, np.zeros(3)).tolist() == [0, 0, 0]
    np.testing.assert_allclose(gradient(lambda t: np.linalg.norm(t, axis=1).sum(), x), [[0, 0], [0.6, 0.8]])
    np.testing.assert_allclose(gradient(lambda t: np.linalg.norm(t, axis=1).sum(), x * 1j), [[0, 0], [0.6j, 0.8j]])
    assert np.linalg.norm(av.Tensor(np.array([3, 4]))).item() == 5


def test_block_append_and_select_say_what_is_wrong():
    t = av.Tensor(np.ones(2))
    for wrong in (
        lambda: np.block([[t], t]), lambda: np.block([t, []]), lambda: np.select([t > 0], [t, t]),
        lambda: np.append(t, np.ones((2, 2)), 0), lambda: np.cumulative_sum(av.Tensor(np.ones((2, 2)))),
    ):  # fmt: skip
        with pytest.raises(ValueError):
            wrong()
    with pytest.raises(TypeError, match="bool"):
        np.select([np.ones(2)], [t])
    assert np.append(t, [2, 3.5]).numpy().tolist() == [1, 1, 2, 3.5]


# ---------------------------------------------------------------- what a refusal says


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda t: np.add.at(t, 0, 1.0), r"np\.add\.at .*t\.at\[index\]\.add"),
        (lambda t: np.copyto(np.ones((2, 2)), t), r"\.assign\(value\)"),
    ],
)
def test_a_refusal_says_what_to_write(call, words):
    with pytest.raises(TypeError, match=words):
        call(av.Tensor(np.ones((2, 2))))


@pytest.mark.parametrize(
    "call",
    [
        lambda t: np.multiply.reduceat(t, [0]),
        lambda t: np.subtract.reduce(t),
        lambda t: np.busday_count(t, t),
    ],
)
def test_a_refusal_guesses_no_names(call):
    with pytest.raises(TypeError) as caught:
        call(av.Tensor(np.ones(2)))
    assert "Did you mean" not in str(caught.value)


# ---------------------------------------------------------------- queries and checks


def test_array_equal_is_a_query():
    t, v, a = av.Tensor(np.ones(2)), av.Variable([1.0, 1.0], dtype=float), np.ones(2)
    for x, y in ((t, a), (a, t), (v, t), (t, [1.0, 1.0]), (v, v)):
        assert np.array_equal(x, y) is np.array_equal(a1=x, a2=y, equal_nan=True) is True
    with av.GradientTape() as tape:
        tape.watch(t)
        y = t * v
        assert np.array_equal(y, a) and np.array_equal(a, y) and np.array_equal(v, y) and np.array_equal([v[0], 1.0], y)
        assert np.array_equal(y, t + 1) is False
    assert np.array_equal(y, a)
    assert tape.gradient(y, t).numpy().tolist() == [1.0, 1.0]


def test_check_gradients_takes_one_argument_as_it_is():
    check_gradients(np.sin, np.ones(2))
    check_gradients(np.sin, av.Tensor(np.ones(2)))
    check_gradients(np.sin, 0.5)
    with pytest.raises(AssertionError, match="argument 0"):
        check_gradients(lambda x: x + av.stop_gradient(x), np.ones(2))
    with pytest.raises(TypeError, match="none of the arguments"):
        check_gradients(np.sin, np.ones(2, int))
