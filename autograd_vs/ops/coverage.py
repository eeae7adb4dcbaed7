"""What becomes of NumPy's functions that are no ops: why some are refused, and which take no array to differentiate.

Floor 2; loaded with the families (`later.py`), before anything is refused. The reasons are what the TypeError of a
refusal says. `docs/make_coverage.py` makes a table of these lists and the registry, and `tests/test_coverage.py` wants
every public function of NumPy in exactly one class: whoever adds an op deletes its name here.
"""

from ..engine import registry

__all__ = ["CREATION", "FILES", "REFUSED", "SETTINGS", "TYPES"]

# ---------------------------------------------------------------- they take no array to differentiate: they just work

CREATION = (
    "arange bartlett blackman diag_indices empty eye frombuffer fromfunction fromstring full hamming hanning identity "
    "indices kaiser mask_indices ones tri tril_indices triu_indices zeros fft.fftfreq fft.rfftfreq"
).split()
FILES = "fromfile fromregex genfromtxt load loadtxt".split()
TYPES = (
    "base_repr binary_repr broadcast_shapes datetime_data frompyfunc isdtype isfortran isscalar issubdtype iterable "
    "mintypecode promote_types typename"
).split()
SETTINGS = (
    "get_include get_printoptions getbufsize geterr geterrcall info printoptions set_printoptions setbufsize seterr "
    "seterrcall show_config show_runtime test"
).split()

# ---------------------------------------------------------------- refused

_SET = "Write `t = t.at[index].set(values)` or av.scatter(t, indices, values), which return a new Tensor."
_CONVERTS = "NumPy does not ask the Tensor, and converts it: that raises while a tape records it."
_DATES = "Dates have no gradient."
_OLD = "It is deprecated in NumPy."


def _each(names: str, reason: str) -> dict[str, str]:
    return dict.fromkeys(names.split(), reason)


REFUSED: dict[str, str] = {
    # in place
    "copyto": "A Variable has .assign(value) for that; of a Tensor write av.where(mask, values, t).",
    "fill_diagonal": "Write av.where(np.eye(n, dtype=bool), value, t), or `t = t.at[i, i].set(values)`.",
    **_each("place put put_along_axis putmask", _SET),
    "add.at": "Write `t = t.at[index].add(values)`, which returns a new Tensor.",
    "subtract.at": "Write `t = t.at[index].add(-values)`, which returns a new Tensor.",
    "multiply.at": "Write `t = t.at[index].multiply(values)`, which returns a new Tensor.",
    "maximum.at": "Write `t = t.at[index].max(values)`, which returns a new Tensor.",
    "minimum.at": "Write `t = t.at[index].min(values)`, which returns a new Tensor.",
    # conversions: not asked by NumPy's protocols, they meet Tensor.__array__
    "array": f"{_CONVERTS} Write av.asarray([[t, 0], [0, u]]) for np.array([[t, 0], [0, u]]), t + 0 for a copy.",
    "bmat": f"{_CONVERTS} Write np.block([[t, u]]).",
    "fromiter": f"{_CONVERTS} Write av.stack(list(tensors)).",
    "format_float_positional": f"{_CONVERTS} Write it of t.item().",
    "format_float_scientific": f"{_CONVERTS} Write it of t.item().",
    "nested_iters": "Its arrays are bare, and are written to. Write a loop over the indices.",
    **_each(
        "asanyarray asarray asarray_chkfinite ascontiguousarray asfortranarray asmatrix from_dlpack require",
        f"{_CONVERTS} Use the Tensor itself; t.numpy() is the way out, av.asarray(x) makes a Tensor of anything.",
    ),
    # no numbers with a gradient
    **_each("busday_count busday_offset datetime_as_string is_busday", _DATES),
    # names that NumPy drops
    "in1d": f"{_OLD} Write np.isin.",
    "row_stack": f"{_OLD} Write np.vstack.",
    "trapz": f"{_OLD} Write np.trapezoid.",
}
registry.reasons.update({f"np.{name}": reason for name, reason in REFUSED.items()})
