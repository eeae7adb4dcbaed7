"""NumPy's ufuncs as expressions of CUDA C, for each kind of number. Floor 0.

An expression is that of one element, and rounds as NumPy does: `float16` and `bfloat16` are computed in `float`, and
each result is rounded to its dtype. What the language lacks stands in `PREAMBLE`, which needs no header, so NVRTC takes
it as it is, and a C++ compiler does after ``#define __device__``.
"""

from typing import Any

import numpy as np

__all__ = ["PREAMBLE", "c_type", "converted", "expression", "knows", "literal"]

_TYPES = {
    "bool": "bool", "int8": "signed char", "int16": "short", "int32": "int", "int64": "long long",
    "uint8": "unsigned char", "uint16": "unsigned short", "uint32": "unsigned", "uint64": "unsigned long long",
    "float16": "half_t", "bfloat16": "bfloat_t", "float32": "float", "float64": "double",
}  # fmt: skip
_HALF = ("float16", "bfloat16")

PREAMBLE = r"""
struct half_t {  // numbers of 16 bits are stored as such, and computed as float
    unsigned short bits;
    half_t() = default;
    __device__ half_t(float x) {
#ifdef __CUDACC_RTC__
        asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(x));
#else
        _Float16 y = (_Float16)x;
        __builtin_memcpy(&bits, &y, 2);
#endif
    }
    __device__ operator float() const {
#ifdef __CUDACC_RTC__
        float x;
        asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(bits));
        return x;
#else
        _Float16 y;
        __builtin_memcpy(&y, &bits, 2);
        return (float)y;
#endif
    }
};
union float_bits { float x; unsigned bits; };
struct bfloat_t {
    unsigned short bits;
    bfloat_t() = default;
    __device__ bfloat_t(float x) {  // to the nearest, ties to even; NaN stays NaN
        float_bits y; y.x = x;
        unsigned rounded = x != x ? y.bits | 0x400000u : y.bits + 0x7fffu + ((y.bits >> 16) & 1u);
        bits = (unsigned short)(rounded >> 16);
    }
    __device__ operator float() const { float_bits y; y.bits = (unsigned)bits << 16; return y.x; }
};
template <class T> __device__ T floor_divided(T a, T b) {  // of floats, as NumPy rounds it
    T rest = fmod(a, b);
    if (b == 0) return a / b;
    T quotient = (a - rest) / b;
    if (rest != 0 && ((b < 0) != (rest < 0))) quotient -= 1;
    if (quotient == 0) return copysign((T)0, a / b);
    T whole = floor(quotient);
    return quotient - whole > (T)0.5 ? whole + 1 : whole;
}
template <class T> __device__ T rest_of(T a, T b) {  // it has the sign of b
    T rest = fmod(a, b);
    if (b == 0) return rest;
    if (rest == 0) return copysign((T)0, b);
    return (b < 0) != (rest < 0) ? rest + b : rest;
}
template <class T> __device__ T whole_quotient(T a, T b) {  // of integers
    if (b == 0) return 0;
    if (b == (T)-1 && (T)-1 < 0) return (T)(0 - (unsigned long long)a);
    T quotient = a / b;
    return a % b != 0 && ((a < 0) != (b < 0)) ? quotient - 1 : quotient;
}
template <class T> __device__ T whole_rest(T a, T b) {
    if (b == 0 || (b == (T)-1 && (T)-1 < 0)) return 0;
    T rest = a % b;
    return rest != 0 && ((rest < 0) != (b < 0)) ? rest + b : rest;
}
template <class T> __device__ T log_of_sum(T a, T b) {
    if (a == b) return a + (T)0.693147180559945309417232121458176568;
    T difference = a - b;
    return difference > 0 ? a + log1p(exp(-difference)) : difference <= 0 ? b + log1p(exp(difference)) : difference;
}
"""

_f, _iu, _fiu, _b = "f", "iu", "fiu", "b"
_EXPRESSIONS: dict[Any, dict[str, str]] = {
    np.add: {_fiu: "{0} + {1}", _b: "{0} || {1}"},
    np.subtract: {_fiu: "{0} - {1}"},
    np.multiply: {_fiu: "{0} * {1}", _b: "{0} && {1}"},
    np.divide: {_f: "{0} / {1}"},
    np.floor_divide: {_f: "floor_divided({0}, {1})", _iu: "whole_quotient({0}, {1})"},
    np.remainder: {_f: "rest_of({0}, {1})", _iu: "whole_rest({0}, {1})"},
    np.fmod: {_f: "fmod({0}, {1})"},
    np.power: {_f: "pow({0}, {1})"},
    np.float_power: {_f: "pow({0}, {1})"},
    np.negative: {_fiu: "-{0}"},
    np.positive: {_fiu: "{0}"},
    np.conjugate: {_fiu: "{0}"},
    np.absolute: {_f: "fabs({0})", "i": "{0} < 0 ? -{0} : {0}", "u": "{0}", _b: "{0}"},
    np.square: {_fiu: "{0} * {0}"},
    np.reciprocal: {_f: "1 / {0}"},
    np.sign: {_fiu: "{0} > 0 ? ({T})1 : {0} < 0 ? ({T})-1 : {0} == 0 ? ({T})0 : {0}"},
    np.maximum: {_fiu: "{0} >= {1} || {0} != {0} ? {0} : {1}", _b: "{0} || {1}"},
    np.minimum: {_fiu: "{0} <= {1} || {0} != {0} ? {0} : {1}", _b: "{0} && {1}"},
    np.fmax: {_fiu: "{0} >= {1} || {1} != {1} ? {0} : {1}", _b: "{0} || {1}"},
    np.fmin: {_fiu: "{0} <= {1} || {1} != {1} ? {0} : {1}", _b: "{0} && {1}"},
    np.heaviside: {_f: "{0} < 0 ? ({T})0 : {0} > 0 ? ({T})1 : {0} == 0 ? {1} : {0}"},
    np.logaddexp: {_f: "log_of_sum({0}, {1})"},
    np.degrees: {_f: "{0} * ({T})57.295779513082320876798154814105170332"},
    np.rad2deg: {_f: "{0} * ({T})57.295779513082320876798154814105170332"},
    np.radians: {_f: "{0} * ({T})0.017453292519943295769236907684886127134"},
    np.deg2rad: {_f: "{0} * ({T})0.017453292519943295769236907684886127134"},
    np.arctan2: {_f: "atan2({0}, {1})"},
    np.hypot: {_f: "hypot({0}, {1})"},
    np.copysign: {_f: "copysign({0}, {1})"},
    np.signbit: {_f: "({0} < 0 || ({0} == 0 && 1 / {0} < 0) || ({0} != {0} && copysign(({T})1, {0}) < 0))"},
    np.isnan: {_fiu: "{0} != {0}", _b: "false"},
    np.isinf: {_f: "{0} == {0} && {0} - {0} != 0", _iu: "false", _b: "false"},
    np.isfinite: {_f: "{0} - {0} == 0", _iu: "true", _b: "true"},
    np.bitwise_and: {_iu: "{0} & {1}", _b: "{0} && {1}"},
    np.bitwise_or: {_iu: "{0} | {1}", _b: "{0} || {1}"},
    np.bitwise_xor: {_iu: "{0} ^ {1}", _b: "{0} != {1}"},
    np.invert: {_iu: "~{0}", _b: "!{0}"},
    np.logical_and: {"fiub": "{0} && {1}"},
    np.logical_or: {"fiub": "{0} || {1}"},
    np.logical_xor: {"fiub": "!{0} != !{1}"},
    np.logical_not: {"fiub": "!{0}"},
    np.greater: {"fiub": "{0} > {1}"},
    np.greater_equal: {"fiub": "{0} >= {1}"},
    np.less: {"fiub": "{0} < {1}"},
    np.less_equal: {"fiub": "{0} <= {1}"},
    np.equal: {"fiub": "{0} == {1}"},
    np.not_equal: {"fiub": "{0} != {1}"},
    np.where: {"fiub": "{0} ? {1} : {2}"},
} | {
    function: {_f: f"{name}({{0}})"}
    for function, name in {
        np.fabs: "fabs", np.sqrt: "sqrt", np.cbrt: "cbrt", np.exp: "exp", np.exp2: "exp2", np.expm1: "expm1",
        np.log: "log", np.log2: "log2", np.log10: "log10", np.log1p: "log1p", np.sin: "sin", np.cos: "cos",
        np.tan: "tan", np.arcsin: "asin", np.arccos: "acos", np.arctan: "atan", np.sinh: "sinh", np.cosh: "cosh",
        np.tanh: "tanh", np.arcsinh: "asinh", np.arccosh: "acosh", np.arctanh: "atanh", np.floor: "floor",
        np.ceil: "ceil", np.trunc: "trunc", np.rint: "rint",
    }.items()
}  # fmt: skip


def _kind(dtype) -> str:
    return "f" if dtype.name in _HALF else dtype.kind


def c_type(dtype) -> str:
    """The type in which numbers of `dtype` are stored; a KeyError for those that kernels do not know (complex)."""
    return _TYPES[dtype.name]


def computed(dtype) -> str:
    """The type in which numbers of `dtype` are computed."""
    return "float" if dtype.name in _HALF else _TYPES[dtype.name]


def knows(function, dtype) -> bool:
    """Whether there is an expression of a ufunc (or of `np.where`) for operands of this dtype.

    Examples
    --------
    >>> knows(np.tanh, np.dtype(np.float32)), knows(np.tanh, np.dtype(complex)), knows(np.sort, np.dtype(np.float32))
    (True, False, False)
    """
    return dtype.name in _TYPES and any(_kind(dtype) in kinds for kinds in _EXPRESSIONS.get(function, ()))


def expression(function, operands, dtype) -> str:
    """What computes one element: `operands` are expressions of `dtype` (see `computed`).

    Examples
    --------
    >>> expression(np.tanh, ["x"], np.dtype(np.float32))
    'tanh(x)'
    """
    kind = _kind(dtype)
    text = next(text for kinds, text in _EXPRESSIONS[function].items() if kind in kinds)
    return text.format(*operands, T=computed(dtype))


def converted(text: str, dtype, to) -> str:
    """A number of `dtype`, as one for computing in the dtype `to`; from and to half precision, rounded."""
    if dtype == to and dtype.name not in _HALF:
        return text
    return f"({computed(to)})({text})"


def literal(x, dtype) -> str:
    """A Python number as a constant of `dtype`, rounded as NumPy does.

    Examples
    --------
    >>> literal(0.1, np.dtype(np.float32)), literal(float("-inf"), np.dtype(np.float64))
    ('(float)0.10000000149011612', '(double)-(1e300 * 1e300)')
    """
    of = computed(dtype)
    if _kind(dtype) == "f":
        with np.errstate(all="ignore"):
            x = float(np.asarray(x).astype(dtype))
        text = {"inf": "(1e300 * 1e300)", "-inf": "-(1e300 * 1e300)", "nan": "-(1e300 * 1e300 * 0)"}.get(
            repr(x), repr(x)
        )
        return f"({of}){text}"
    if dtype.kind == "b":
        return "true" if x else "false"
    x = int(x)
    return f"({of})({x}ULL)" if x >= 0 else f"({of})(-{-x - 1}LL - 1)"
