"""av.linalg: PyTorch's stored values, results by name, errors, empty and singular matrices, equal eigenvalues, kinks.

Gradient checks by differences, of both orders, are in test_ops.py: they run over the samples beside each op.
"""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from strict_array import StrictArray, forbid_transfers, on_device, strict

import autograd_vs as av
from autograd_vs.engine import registry
from autograd_vs.engine.samples import arrays
from autograd_vs.testing import check_gradients

FOLDER = Path(__file__).parent / "golden"
GOLDEN = json.loads((FOLDER / "linalg.json").read_text())["cases"]
_spec = importlib.util.spec_from_file_location("make_linalg", FOLDER / "make_linalg.py")
make_linalg = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(make_linalg)
LinAlgError = np.linalg.LinAlgError


def gradient(f, *xs):
    """The gradients of the sum of `f`, for one argument bare."""
    tensors = [av.Tensor(np.asarray(x)) for x in xs]
    with av.GradientTape() as tape:
        tape.watch(tensors)
        y = f(*tensors)
    found = [g.numpy() for g in tape.gradient(y, tensors, unconnected_gradients="zero")]
    return found[0] if len(xs) == 1 else found


# ---------------------------------------------------------------- PyTorch's values


class Maths:
    """The functions of the stored losses, by NumPy's names."""

    multi_dot, cholesky_upper = (
        staticmethod(np.linalg.multi_dot),
        staticmethod(lambda x: np.linalg.cholesky(x, upper=True)),
    )

    def __getattr__(self, name):
        return getattr(np.linalg, name)

    def w(self, x):
        return (x * make_linalg.weights(x.shape)).sum()

    def real(self, x):
        return x.real

    def is_complex(self, x):
        return x.dtype.kind == "c"

    def hermitian(self, x):
        return (x + x.mT.conj()) / 2

    def svd(self, x):
        return np.linalg.svd(x, full_matrices=False)

    def projectors(self, v):
        return v[..., :, None, :] * v.conj()[..., None, :, :]

    def pairs(self, u, s, vh):
        return u[..., :, None, :] * vh.mT[..., None, :, :]

    def rising(self, w, v=None):
        order = np.argsort(np.round(w.numpy() + 0j, 9), axis=-1)
        values = np.take_along_axis(w, order, -1)
        if v is None:
            return values
        p = np.take_along_axis(self.projectors(v), order[..., None, None, :], -1)
        return values[..., None, None, :] * 0.5 + p

    def vector_norm(self, x, p):
        return np.linalg.vector_norm(x, ord=float(p), axis=-1)

    def matrix_norm(self, x, p):
        return np.linalg.matrix_norm(x, ord=p if p in ("fro", "nuc") else float(p))

    def cond(self, x, p):
        return np.linalg.cond(x, p if p in ("fro", "nuc") else float(p))


def read(x):
    return np.array(x["complex"][0]) + 1j * np.array(x["complex"][1]) if isinstance(x, dict) else np.array(x)


@pytest.mark.parametrize("name", GOLDEN)
def test_pytorchs_values(name):
    case = GOLDEN[name]
    inputs = [av.Tensor(read(x)) for x in case["inputs"]]
    with av.GradientTape() as tape:
        tape.watch(inputs)
        loss = make_linalg.LOSSES[case["loss"]](Maths(), *inputs, *case["arguments"])
    found = tape.gradient(loss, inputs, unconnected_gradients="zero")
    np.testing.assert_allclose(loss.item(), case["value"], rtol=1e-11, atol=1e-12)
    for g, x, want in zip(found, inputs, case["gradients"], strict=True):
        assert g.dtype == x.dtype
        want = read(want)
        np.testing.assert_allclose(g.numpy(), want, rtol=1e-9, atol=1e-11 * max(1.0, np.abs(want).max()))


# ---------------------------------------------------------------- the names


def test_every_function_of_numpys_linalg_is_there():
    registry.load()
    for name in np.linalg.__all__:
        if name == "LinAlgError":
            assert av.linalg.LinAlgError is LinAlgError
            continue
        function = getattr(np.linalg, name)
        known = registry.functions.get(function) or registry.constants.get(function)
        assert known is not None, name
        assert getattr(av.linalg, name) is known, name
    assert set(av.linalg.__all__) == set(np.linalg.__all__)


def test_results_have_numpys_names():
    a = np.array([[2.0, 0.5], [0.5, 1.0]])
    t = av.Tensor(a)
    for function, names in (
        (np.linalg.eig, ("eigenvalues", "eigenvectors")), (np.linalg.eigh, ("eigenvalues", "eigenvectors")),
        (np.linalg.qr, ("Q", "R")), (np.linalg.svd, ("U", "S", "Vh")), (np.linalg.slogdet, ("sign", "logabsdet")),
    ):  # fmt: skip
        got, want = function(t), function(a)
        assert type(got) is type(want)
        for name in names:
            assert isinstance(getattr(got, name), av.Tensor)
            np.testing.assert_allclose(getattr(got, name).numpy(), getattr(want, name), atol=1e-14)
    with av.GradientTape() as tape:
        tape.watch(t)
        s = np.linalg.svd(t).S
    np.testing.assert_allclose(tape.gradient(s, t).numpy(), np.eye(2), atol=1e-14)


def test_the_rank_is_a_constant():
    t = av.Tensor(np.diag([1.0, 2.0, 0.0]))
    with av.GradientTape() as tape:
        tape.watch(t)
        y = av.linalg.matrix_rank(t) * t.sum()
    assert np.linalg.matrix_rank(t).item() == 2
    assert tape.gradient(y, t).numpy().tolist() == [[2.0] * 3] * 3


def test_tolerances_break_the_path_and_say_so():
    t, tolerance = av.Tensor(np.diag([2.0, 1.0])), av.Tensor(np.array(0.75))
    with av.GradientTape(persistent=True) as tape:
        tape.watch([t, tolerance])
        y = np.linalg.pinv(t, tolerance)
        x = np.linalg.lstsq(t, np.ones(2), tolerance.item())[0]
    assert y.numpy().tolist() == [[0.5, 0.0], [0.0, 0.0]]
    np.testing.assert_allclose(x.numpy(), [0.5, 0.0], atol=1e-15)
    assert tape.gradient(y, tolerance) is None
    assert "tolerance" in tape.explain(y, tolerance)
    np.testing.assert_allclose(
        gradient(lambda a: np.linalg.pinv(a, rtol=0.75), t.numpy()), [[-0.25, 0.25], [0.25, 0.0]]
    )


# ---------------------------------------------------------------- errors


@pytest.mark.host("CuPy does not look at what its solvers found")
@pytest.mark.parametrize(
    "call",
    [
        np.linalg.inv,
        lambda t: np.linalg.solve(t, np.ones(2)),
        np.linalg.tensorinv,
        lambda t: np.linalg.matrix_power(t, -2),
        lambda t: np.linalg.cholesky(-np.ones((2, 2)) * t),
    ],
)
def test_singular_matrices(call):
    with pytest.raises(LinAlgError):
        call(av.Tensor(np.ones((2, 2, 1, 1)) if call is np.linalg.tensorinv else np.ones((2, 2))))


@pytest.mark.host("CuPy does not look at what its solvers found")
@pytest.mark.parametrize(
    "f", [lambda t: np.linalg.slogdet(t).logabsdet, lambda t: np.linalg.qr(t).R, lambda t: np.linalg.cholesky(t * 0)]
)
def test_gradients_that_need_an_inverse_there_is_not(f):
    x = np.array([[0.0, 1.0], [0.0, 0.0]])
    with pytest.raises(LinAlgError):
        gradient(f, x)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda t: np.linalg.matrix_power(t, 2), LinAlgError, "square"),
        (lambda t: np.linalg.matrix_power(t[:, :2], 0.5), TypeError, "integer"),
        (lambda t: np.linalg.cond(t[:0]), LinAlgError, "elements"),
        (lambda t: np.linalg.cond(t, 1), LinAlgError, "square"),
        (lambda t: np.linalg.multi_dot([t]), ValueError, "two"),
        (lambda t: np.linalg.multi_dot([t, t.T, t[None]]), LinAlgError, "array 2 has 3 dim"),
        (lambda t: np.linalg.multi_dot([t, t.T], out=np.zeros((2, 2))), TypeError, "out="),
        (lambda t: np.linalg.tensorsolve(t, np.ones(2)), LinAlgError, r"\(2, 3\)"),
        (lambda t: np.linalg.tensorinv(t, 0), ValueError, "positive"),
        (lambda t: np.linalg.pinv(t, 1e-3, rtol=1e-3), ValueError, "one of them"),
        (lambda t: np.linalg.lstsq(t, np.ones(3)), LinAlgError, "shapes"),
        (lambda t: np.linalg.qr(t, "raw"), TypeError, "'raw' has no gradient"),
        (lambda t: np.linalg.qr(t, "thin"), ValueError, "'thin'"),
        (lambda t: np.linalg.eigh(t @ t.T, "X"), ValueError, "'X'"),
        (lambda t: np.linalg.cross(t, t[:, :2]), ValueError, "3 components"),
        (lambda t: np.cross(t[:, :2], t[:, :2]), ValueError, "3 components"),
        (lambda t: np.linalg.outer(t, t), ValueError, "1-D"),
        (lambda t: np.linalg.norm(t, 3), ValueError, "got 3"),
        (lambda t: np.linalg.norm(t[0], "fro"), ValueError, "'fro' is for matrices"),
        (lambda t: np.linalg.norm(t[None], 2), ValueError, "needs axis="),
        (lambda t: np.linalg.norm(t[None], 2, (0, 1, 2)), ValueError, "one axis or two"),
        (lambda t: np.linalg.norm(t, 2, (0, 0)), ValueError, "repeated"),
        (lambda t: np.linalg.vector_norm(t, ord="nuc"), ValueError, "vector_norm"),
    ],
)
def test_errors_name_what_is_wrong(call, error, words):
    with pytest.raises(error, match=words):
        call(av.Tensor(np.arange(6.0).reshape(2, 3)))


# ---------------------------------------------------------------- nothing, and stacks of nothing


@pytest.mark.parametrize("shape", [(0, 0), (0, 2, 2), (2, 0, 0)])
@pytest.mark.parametrize(
    "f",
    [
        np.linalg.inv,
        np.linalg.pinv,
        np.linalg.det,
        np.linalg.cholesky,
        np.linalg.eigvals,
        np.linalg.eigvalsh,
        np.linalg.svdvals,
        lambda t: np.linalg.slogdet(t).logabsdet,
        lambda t: np.linalg.solve(t, t),
        lambda t: np.linalg.eig(t).eigenvectors,
        lambda t: np.linalg.eigh(t).eigenvectors,
        lambda t: np.linalg.qr(t).Q,
        lambda t: np.linalg.svd(t).U,
        lambda t: np.linalg.matrix_power(t, -3),
        lambda t: np.linalg.matrix_norm(t, ord="nuc"),
    ],
)
def test_empty_matrices(f, shape):
    x = np.zeros(shape)
    assert gradient(f, x).shape == shape
    got, want = f(av.Tensor(x)), f(x)
    assert got.shape == want.shape
    np.testing.assert_array_equal(got.numpy(), want)


def test_values_of_nothing():
    x = np.zeros((0, 3))
    assert av.linalg.det(np.zeros((0, 0))).item() == 1
    for ord in (2, 1, np.inf):
        assert av.linalg.matrix_norm(av.Tensor(x), ord=ord).item() == 0
        assert gradient(lambda t, ord=ord: av.linalg.matrix_norm(t, ord=ord), x).shape == (0, 3)
    assert av.linalg.norm(av.Tensor(x), np.inf, axis=0).numpy().tolist() == [0, 0, 0]
    assert gradient(lambda t: av.linalg.norm(t, np.inf, axis=0), x).shape == (0, 3)
    for ord in (-2, -np.inf):
        with pytest.raises(ValueError):
            av.linalg.matrix_norm(av.Tensor(x), ord=ord)


# ---------------------------------------------------------------- singular matrices


def test_determinants_of_singular_matrices():
    """The gradient is the matrix of cofactors, whole numbers here."""
    a = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]])
    np.testing.assert_allclose(gradient(np.linalg.det, a), [[-3, 6, -3], [6, -12, 6], [-3, 6, -3]], atol=1e-12)
    assert np.abs(gradient(np.linalg.det, np.ones((3, 3)))).max() < 1e-14
    assert gradient(np.linalg.det, np.zeros((1, 1))).tolist() == [[1.0]]
    check_gradients(np.linalg.det, [np.ones((3, 3))])  # rank 1: the second derivative is not 0
    check_gradients(np.linalg.det, [np.diag([1.0, 1.0, 2.0])], order=3)


@pytest.mark.host("CuPy does not look at what its solvers found")
def test_third_derivatives_of_determinants_need_an_inverse():
    with pytest.raises(LinAlgError):
        check_gradients(np.linalg.det, [np.ones((3, 3))], order=3)


def test_pseudoinverses_of_lower_rank():
    """Along changes that keep the rank: of the factors of the matrix."""
    b, c, y = arrays((4, 2), (2, 3), (4,))
    check_gradients(lambda b, c: np.linalg.pinv(b @ c, 1e-10), [b, c])
    check_gradients(lambda b, c, y: np.linalg.lstsq(b @ c, y, 1e-10)[0], [b, c, y])
    check_gradients(lambda b, c: np.linalg.pinv(b @ c, 1e-10), [b + 1j, c - 0.5j])


def test_singular_vectors_of_singular_matrices():
    """A square matrix with one singular value of 0 still has derivatives of the spans."""

    def spans(t):
        u, s, vh = np.linalg.svd(t)
        p = u[:, :2] * s[:2]
        return p @ vh[:2], u[:, :2] @ u[:, :2].mT.conj()

    a = arrays((3, 2)) @ arrays((2, 3), seed=1)
    for x in (a, a + 1j * arrays((3, 2)) @ arrays((2, 3), seed=1)):
        check_gradients(spans, [x], order=1)


# ---------------------------------------------------------------- one triangle, and the Hermitian gradient


def test_one_triangle_is_read():
    a = arrays((3, 3)) + 4 * np.eye(3)
    lower, upper = (np.tril(a) + np.tril(a, -1).T, np.triu(a) + np.triu(a, 1).T)
    for function in (np.linalg.eigvalsh, lambda t, *o: np.linalg.eigh(t, *o).eigenvalues):
        np.testing.assert_allclose(function(av.Tensor(a)).numpy(), np.linalg.eigvalsh(lower))
        np.testing.assert_allclose(function(av.Tensor(a), "U").numpy(), np.linalg.eigvalsh(upper))
    np.testing.assert_allclose(np.linalg.cholesky(av.Tensor(a)).numpy(), np.linalg.cholesky(lower))
    np.testing.assert_allclose(np.linalg.cholesky(av.Tensor(a), upper=True).numpy(), np.linalg.cholesky(upper).T)


@pytest.mark.parametrize(
    "f", [np.linalg.cholesky, np.linalg.eigvalsh, lambda t: np.abs(np.linalg.eigh(t).eigenvectors)]
)
def test_the_gradient_is_hermitian(f):
    z = arrays((3, 3), dtype=complex)
    g = gradient(lambda t: np.abs(f(t)) * make_linalg.weights(f(t).shape), z @ z.conj().T + np.eye(3))
    assert np.abs(g).max() > 0.01
    np.testing.assert_allclose(g, g.conj().T, atol=1e-14)


def test_hermitian_is_a_promise_only():
    a = arrays((3, 3))
    a = a + a.T
    w = make_linalg.weights((3, 3))

    def loss(t, **options):
        u, s, vh = np.linalg.svd(t, **options)
        return ((u * s) @ vh * w).sum() + (u[:, :1] @ vh[:1] * w).sum() + s[0] ** 2

    got, want = gradient(lambda t: loss(t, hermitian=True), a), gradient(loss, a)
    np.testing.assert_allclose(got, (want + want.T) / 2, atol=1e-12)
    np.testing.assert_allclose(
        np.linalg.svd(av.Tensor(a), compute_uv=False, hermitian=True).numpy(), np.linalg.svdvals(a)
    )
    np.testing.assert_allclose(
        gradient(lambda t: np.linalg.pinv(t, hermitian=True) * w, a), gradient(lambda t: np.linalg.pinv(t) * w, a)
    )


# ---------------------------------------------------------------- equal eigenvalues and singular values


def test_equal_values_have_finite_gradients():
    w = np.array([1.0, 2.0, 3.0])
    for f in (np.linalg.eigvalsh, np.linalg.svdvals, np.linalg.eigvals, lambda t: np.linalg.eigh(t).eigenvalues):
        np.testing.assert_allclose(gradient(lambda t, f=f: np.exp(f(t)), np.eye(3)), np.eye(3) * np.e, atol=1e-12)
        assert np.isfinite(gradient(lambda t, f=f: f(t) * w, np.eye(3))).all()
    np.testing.assert_allclose(gradient(lambda t: np.linalg.norm(t, "nuc"), np.eye(3)), np.eye(3), atol=1e-12)


@pytest.mark.filterwarnings("ignore:(divide by zero|invalid value):RuntimeWarning")
@pytest.mark.parametrize("f", [lambda t: np.linalg.eigh(t).eigenvectors, lambda t: np.linalg.svd(t).U])
def test_vectors_of_equal_values_have_none(f):
    """No number is right there, and none is given: PyTorch's choice, too."""
    g = gradient(lambda t: f(t) * make_linalg.weights((2, 2)), np.eye(2))
    assert not np.isfinite(g).all()


def test_a_phase_that_nobody_sees_does_not_matter():
    """The same gradient, however an eigenvector is turned."""
    z = arrays((3, 3), dtype=complex)
    z = z + z.conj().T
    turn = np.exp(1j * np.array([0.3, 1.0, -2.0]))
    w = make_linalg.weights((3, 3))

    def loss(t, phase):
        v = np.linalg.eigh(t).eigenvectors * phase
        return ((v * np.arange(3.0)) @ v.mT.conj() * w).real.sum()

    np.testing.assert_allclose(
        gradient(lambda t: loss(t, turn), z), gradient(lambda t: loss(t, 1.0), z), rtol=1e-12, atol=1e-13
    )


# ---------------------------------------------------------------- kinks of norms


@pytest.mark.parametrize("ord", [None, 2, 1, 3, 1.5, np.inf])
def test_the_norm_of_zeros_has_gradient_0(ord):
    assert gradient(lambda t: np.linalg.norm(t, ord), np.zeros(3)).tolist() == [0, 0, 0]
    assert (
        gradient(lambda t: np.linalg.vector_norm(t, ord=ord or 2), np.zeros((2, 2), complex)).tolist() == [[0, 0]] * 2
    )


@pytest.mark.parametrize("ord", ["fro", "nuc", 2, -2, 1, -1, np.inf, -np.inf])
def test_the_norm_of_a_zero_matrix_has_gradient_0(ord):
    assert gradient(lambda t: np.linalg.norm(t, ord), np.zeros((2, 3))).tolist() == [[0] * 3] * 2


@pytest.mark.parametrize("p", [0.5, 1.5, 3, -1, -0.5])
def test_zeros_among_the_elements(p):
    """Their own gradient is 0; with a negative order the norm is 0, too."""
    x = np.array([0.0, 3.0, -1.0])
    got = gradient(lambda t: np.linalg.norm(t, p), x)
    want = [0, *gradient(lambda t: np.linalg.norm(t, p), x[1:])] if p > 0 else [0, 0, 0]
    np.testing.assert_allclose(got, want)
    assert np.linalg.norm(av.Tensor(x), -1).item() == 0


def test_ties_share():
    assert gradient(lambda t: np.linalg.norm(t, np.inf), np.array([2.0, -2.0, 1.0])).tolist() == [0.5, -0.5, 0.0]
    assert gradient(lambda t: np.linalg.norm(t, 1), np.array([[1.0, 1.0]])).tolist() == [[0.5, 0.5]]
    assert np.linalg.norm(av.Tensor(np.array([0.0, 2.0, 3.0])), 0).item() == 2


def test_condition_numbers_of_singular_matrices_are_infinite():
    x = np.stack([np.ones((2, 2)), np.diag([2.0, 1.0])])
    for p in (None, -2, 1, "fro"):
        got = np.linalg.cond(av.Tensor(x), p).numpy()
        np.testing.assert_allclose(got[1], np.linalg.cond(x[1], p))
        assert got[0] > 1e15 or p == -2
    assert np.isinf(np.linalg.cond(av.Tensor(np.zeros((2, 2)))).item())
    assert np.isnan(np.linalg.cond(av.Tensor(np.array([[np.nan, 0.0], [0.0, 1.0]])), 1).item())
    g = gradient(lambda t: np.linalg.cond(t, 1)[1], np.stack([np.diag([1.0, 0.0]), np.diag([2.0, 1.0])]))
    assert np.isfinite(g).all() and g[0].tolist() == [[0, 0], [0, 0]] and g[1].any()


def test_condition_numbers_of_complex_matrices():
    z = arrays((2, 2), dtype=complex) + 3 * np.eye(2)
    for p in ("fro", 1, -np.inf):
        got = np.linalg.cond(av.Tensor(z), p)
        assert got.dtype == np.float64
        np.testing.assert_allclose(got.numpy(), np.linalg.cond(z, p))
        check_gradients(lambda t, p=p: np.linalg.cond(t, p), [z])


# ---------------------------------------------------------------- products


def test_multi_dot_takes_the_cheapest_order():
    """10 x 100, 100 x 5, 5 x 50: 7,500 multiplications against 75,000."""
    a, b, c = arrays((10, 100), (100, 5), (5, 50))
    tensors = [av.Tensor(x) for x in (a, b, c)]
    with av.GradientTape() as tape:
        tape.watch(tensors)
        y = np.linalg.multi_dot(tensors)
        shapes = [t[3][0][0].shape for t in tape._record.entries if t[0].op.name == "dot"]
    assert y.shape == (10, 50)
    assert shapes[0] == (100, 5)  # what the first product keeps is its second factor


def test_a_power_of_0_has_gradient_0_where_there_are_infinities():
    x = np.array([[np.inf, 1.0], [np.nan, 2.0]])
    assert np.linalg.matrix_power(av.Tensor(x), 0).numpy().tolist() == [[1, 0], [0, 1]]
    assert gradient(lambda t: np.linalg.matrix_power(t, 0), x).tolist() == [[0, 0], [0, 0]]


def test_a_variable_to_the_power_of_1_is_its_value_now():
    v = av.Variable(np.eye(2))
    y = np.linalg.matrix_power(v, 1)
    v.assign(np.zeros((2, 2)))
    assert y.numpy().tolist() == [[1, 0], [0, 1]]


def test_integers_become_floats():
    a = np.array([[2, 1], [1, 3]])
    for f in (np.linalg.inv, np.linalg.det, np.linalg.svdvals, lambda t: np.linalg.norm(t, "nuc"), np.linalg.cond):
        got = f(av.Tensor(a))
        assert got.dtype == np.float64
        np.testing.assert_allclose(got.numpy(), f(a))


def test_least_squares_say_the_rank():
    a, b = arrays((4, 1)) * arrays((1, 2), seed=1), arrays((4, 3), seed=2)
    for matrix, rank in ((a, 1), (arrays((4, 2), seed=3), 2)):
        got, want = np.linalg.lstsq(av.Tensor(matrix), b), np.linalg.lstsq(matrix, b)
        assert got[2].item() == want[2] == rank
        assert got[1].shape == want[1].shape == ((0,) if rank < 2 else (3,))
    w = np.linalg.lstsq(av.Tensor(np.eye(3)[:, :2]), np.ones(3), -1)
    np.testing.assert_allclose(w[1].numpy(), [1.0])


# ---------------------------------------------------------------- the stand-in for CuPy


def test_nobody_waits_for_a_device():
    """Forwards and backwards; `lstsq` does wait, in CuPy itself: for the rank."""
    a, b = on_device(arrays((2, 3, 3)) + 3 * np.eye(3)), on_device(arrays((3, 2)))
    t, v = av.Tensor(a), av.Tensor(b)
    with forbid_transfers(uploads=False), av.GradientTape() as tape:
        tape.watch([t, v])
        w, u = np.linalg.eig(t)
        hermitian = t @ t.mT
        found = [
            np.linalg.inv(t), np.linalg.solve(t, v), np.linalg.pinv(t), np.linalg.det(t), np.linalg.slogdet(t)[1],
            np.linalg.cholesky(hermitian), *np.linalg.qr(t), *np.linalg.eigh(hermitian), np.abs(w), np.abs(u),
            *np.linalg.svd(t), *np.linalg.svd(hermitian, hermitian=True), np.linalg.svdvals(v), np.linalg.cond(t, 1),
            np.linalg.norm(v, 3, 0), np.linalg.norm(v, "nuc"), np.linalg.norm(v, -np.inf), np.linalg.matrix_power(t, 3),
            np.linalg.norm(v, -1.5, 1), np.linalg.cond(t), np.linalg.cross(v.T, v.T), np.linalg.matrix_rank(t),
        ]  # fmt: skip
        loss = sum((y * y).sum() for y in found)
        g = tape.gradient(loss, [t, v])
    assert np.isfinite(g[0].numpy()).all() and np.isfinite(g[1].numpy()).all()


def test_the_stand_in_has_cupys_linalg():
    a = on_device(np.diag([1.0, 2.0]))
    w, v = strict.linalg.eig(a)
    assert w.dtype == v.dtype == np.complex128 and strict.linalg.eigvals(a).dtype == np.complex128
    assert type(strict.linalg.svd(a)) is tuple and isinstance(strict.linalg.qr(a)[0], StrictArray)
    assert bool(strict.isnan(strict.linalg.inv(on_device(np.ones((2, 2))))).all())
    assert strict.linalg.solve(on_device(np.ones((2, 2))), on_device(np.ones(2))).shape == (2,)
    for refused in (
        lambda: strict.linalg.cholesky(a, upper=True), lambda: strict.linalg.pinv(a, hermitian=True),
        lambda: strict.linalg.pinv(a, rtol=0.1), lambda: strict.linalg.svd(a, hermitian=True),
    ):  # fmt: skip
        with pytest.raises(TypeError, match="keyword"):
            refused()
    with pytest.raises(ValueError, match="must have"):
        strict.linalg.solve(a, on_device(np.ones((3, 2, 1))))
    with pytest.raises(ValueError, match="UPLO"):
        strict.linalg.eigh(a, "l")
    with pytest.raises(LinAlgError):
        strict.linalg.inv(on_device(np.ones((2, 3))))
    with pytest.raises(AttributeError, match="svdvals"):
        strict.linalg.svdvals(a)
