"""Nothing escapes: whatever a user does with a recorded Tensor, it is recorded, or refused with the way out, or it is
plain that no gradient can pass. Never is a gradient lost in silence.

The doors stand in tables. Each is tried with a watched Tensor, with a Variable, and with a Tensor that an accumulator
follows; and again outside of any tape, where NumPy's own result is what must come out.
"""

import array
import cmath
import copy
import ctypes
import fractions
import functools
import io
import itertools
import json
import logging
import math
import operator
import pickle
import random
import statistics
import struct

import numpy as np
import pytest

import autograd_vs as av
from autograd_vs.engine import record

pytestmark = [
    pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning"),
    pytest.mark.filterwarnings("ignore:you are shuffling:UserWarning"),
]

A = np.array([[1.0, 0.5], [0.25, 2.0]])


def rng():
    return np.random.default_rng(3)


def fill(change, shape=(2, 2), dtype=float):
    """What is in a buffer after `change`."""
    buffer = np.ones(shape, dtype)
    change(buffer)
    return buffer


def put(index, value, **options):
    return fill(lambda b: operator.setitem(b, index, value), **options)


def objects(*values):
    """An array of dtype object (`np.array` would look into the values)."""
    a = np.empty(len(values), object)
    for i, value in enumerate(values):
        a[i] = value
    return a


def add_in_place(index, value):
    def change(b):
        b[index] += value

    return fill(change)


# ---------------------------------------------------------------- the tables

# Ways round NumPy's protocols. Recorded: TypeError that says "gradient" and the way out. Otherwise: NumPy's result.
ROUND = {
    # conversions
    "np.asarray(t)": lambda x: np.asarray(x),
    "np.asanyarray(t)": lambda x: np.asanyarray(x),
    "np.ascontiguousarray(t)": lambda x: np.ascontiguousarray(x),
    "np.asfortranarray(t)": lambda x: np.asfortranarray(x),
    "np.asarray_chkfinite(t)": lambda x: np.asarray_chkfinite(x),
    "np.require(t)": lambda x: np.require(x),
    "np.array(t)": lambda x: np.array(x),
    "np.array(t, dtype)": lambda x: np.array(x, np.float32),
    "np.array(t, object)": lambda x: np.array(x, object),
    "np.array([t, t])": lambda x: np.array([x, x]),
    "np.array of a nested list": lambda x: np.array([[x[0, 0], 1.0], [1.0, x[1, 1]]]),
    "np.asmatrix(t)": lambda x: np.asmatrix(x),
    "np.from_dlpack(t)": lambda x: np.from_dlpack(x),
    "np.float32(t)": lambda x: np.float32(x[0, 0]),
    "np.float64(t)": lambda x: np.float64(x),
    "np.complex128(t)": lambda x: np.complex128(x[0, 0]),
    "np.longdouble(t)": lambda x: np.longdouble(x[0, 0]),
    "np.bool_(t)": lambda x: np.bool_(x[0, 0]),
    "np.int64(t)": lambda x: np.int64(x[1, 1]),
    "np.ma.array(t)": lambda x: np.ma.array(x),
    "np.ma.exp(t)": lambda x: np.ma.exp(x),
    "masked array * t": lambda x: np.ma.array(np.ones((2, 2))) * x,
    "ctypes.c_double(t)": lambda x: ctypes.c_double(x[0, 0]).value,
    "array.array('d', t)": lambda x: list(array.array("d", x[0])),
    "array.append(t)": lambda x: array.array("d").append(x[0, 0]),
    # Python's numbers
    "float(t)": lambda x: float(x[0, 0]),
    "complex(t)": lambda x: complex(x[0, 0]),
    "math.exp(t)": lambda x: math.exp(x[0, 0]),
    "math.sqrt(t)": lambda x: math.sqrt(x[0, 0]),
    "math.pow(t, 2)": lambda x: math.pow(x[0, 0], 2),
    "math.log(t, 2)": lambda x: math.log(x[0, 0], 2),
    "math.copysign(t, -1)": lambda x: math.copysign(x[0, 0], -1),
    "math.ldexp(t, 1)": lambda x: math.ldexp(x[0, 0], 1),
    "math.fsum(t)": lambda x: math.fsum(x[0]),
    "math.hypot(*t)": lambda x: math.hypot(*x[0]),
    "math.dist(t, t)": lambda x: math.dist(x[0], x[1]),
    "math.isclose(t, 1)": lambda x: math.isclose(x[0, 0], 1.0),
    "math.isnan(t)": lambda x: math.isnan(x[0, 0]),
    "cmath.exp(t)": lambda x: cmath.exp(x[0, 0]),
    "statistics.fmean(t)": lambda x: statistics.fmean(x[0]),
    "'%.3f' % t": lambda x: "%.3f" % x[0, 0],  # noqa: UP031
    # lists of Tensors in NumPy's functions, which look for protocols at the list only
    "np.sum([t, t])": lambda x: np.sum([x, x]),
    "np.mean([t, t])": lambda x: np.mean([x, x]),
    "np.exp([t, t])": lambda x: np.exp([x, x]),
    "np.max([t, t])": lambda x: np.max([x[0, 0], x[0, 1]]),
    "np.add([t, t], 1)": lambda x: np.add([x, x], 1),
    "np.dot([t, t], a)": lambda x: np.dot([x[0], x[1]], np.ones(2)),
    "np.matmul([t, t], a)": lambda x: np.matmul([x[0], x[1]], np.ones(2)),
    "np.where(c, [t, t], 0)": lambda x: np.where([True, False], [x[0, 0], x[0, 1]], 0),
    "np.clip([t, t], 0, 1)": lambda x: np.clip([x[0, 0], x[0, 1]], 0, 1),
    "np.einsum('i->', [t, t])": lambda x: np.einsum("i->", [x[0, 0], x[0, 1]]),
    "np.linalg.norm([t, t])": lambda x: np.linalg.norm([x[0, 0], x[0, 1]]),
    "np.linalg.inv([t, t])": lambda x: np.linalg.inv([x[0], x[1]]),
    "np.fft.fft([t, t])": lambda x: np.fft.fft([x[0, 0], x[0, 1]]),
    "np.median([t, t])": lambda x: np.median([x[0, 0], x[0, 1]]),
    "np.stack of nested lists": lambda x: np.stack([[x[0, 0], x[0, 1]], [x[1, 0], x[1, 1]]]),
    "np.concatenate of nested lists": lambda x: np.concatenate([[x[0, 0]], [x[0, 1]]]),
    "np.vstack of nested lists": lambda x: np.vstack([[x[0, 0]], [x[0, 1]]]),
    "np.diag([t, t])": lambda x: np.diag([x[0, 0], x[0, 1]]),
    "np.sort([t, t])": lambda x: np.sort([x[0, 0], x[0, 1]]),
    "np.cumsum([t, t])": lambda x: np.cumsum([x[0, 0], x[0, 1]]),
    "np.select of lists": lambda x: np.select([[True, False]], [[x[0, 0], x[0, 1]]], 0.0),
    "np.r_[t, t]": lambda x: np.r_[x[0], x[1]],
    "np.c_[t, t]": lambda x: np.c_[x, x],
    "np.allclose([t, t], a)": lambda x: np.allclose([x, x], 1.0),
    "np.piecewise with values": lambda x: np.piecewise(np.ones(2), [np.array([True, False])], [x[0, 0], 0.0]),
    "np.multiply.outer([t], a)": lambda x: np.multiply.outer([x[0, 0]], np.ones(2)),
    "np.add.reduce([t, t])": lambda x: np.add.reduce([x[0, 0], x[0, 1]]),
    "a.dot(t)": lambda x: np.ones((2, 2)).dot(x),
    "a.put(i, t)": lambda x: fill(lambda b: b.put([0, 1], x[0])),
    "a.searchsorted(t)": lambda x: np.arange(3.0).searchsorted(x[0]),
    "np.histogram(weights=t)": lambda x: np.histogram(np.ones(2), weights=x[0])[0],
    "np.polynomial.Polynomial(t)": lambda x: np.polynomial.Polynomial(x[0]).coef,
    "np.polynomial.Polynomial()(t)": lambda x: np.polynomial.Polynomial([1.0, 2.0])(x),
    # writing into buffers
    "buf[0] = t": lambda x: put(0, x[0]),
    "buf[...] = t": lambda x: put(..., x),
    "buf[mask] = t": lambda x: put(A > 0.4, x.ravel()[:3]),
    "buf[list] = t": lambda x: put([1, 0], x),
    "buf[0] = [t, t]": lambda x: put(0, [x[0, 0], x[0, 1]]),
    "buf['field'] = t": lambda x: put("f", x[0], shape=2, dtype=[("f", float)])["f"],
    "buf.flat = t": lambda x: fill(lambda b: setattr(b, "flat", x)),
    "buf.real = t": lambda x: fill(lambda b: setattr(b, "real", x), dtype=complex),
    "buf[0] += t": lambda x: add_in_place(0, x[0]),
    "np.full(3, t)": lambda x: np.full(3, x[0, 0]),
    "np.pad(a, constant_values=t)": lambda x: np.pad(np.ones(2), 1, constant_values=x[0]),
    "np.fill_diagonal(buf, t)": lambda x: fill(lambda b: np.fill_diagonal(b, x[0])),
    # functions called back, and their results
    "np.vectorize(f)(t)": lambda x: np.vectorize(lambda v: v * 2)(x),
    "np.vectorize(f that gives t)": lambda x: np.vectorize(lambda i: x[0, 0] * i)([1.0, 2.0]),
    "np.frompyfunc(f)([t, t])": lambda x: np.frompyfunc(lambda v: v * 2, 1, 1)([x[0, 0], x[0, 1]]).astype(float),
    "np.apply_along_axis(f that gives t)": lambda x: np.apply_along_axis(lambda r: x[0] * r.sum(), 0, np.ones((2, 2))),
    "np.ndenumerate(t)": lambda x: [v for _, v in np.ndenumerate(x)],
    "np.broadcast(t, 1)": lambda x: [v for v, _ in np.broadcast(x, 1)],
    "as_strided(t)": lambda x: np.lib.stride_tricks.as_strided(x, (2,)),
    # numbers from which arrays or draws are made
    "np.arange(t)": lambda x: np.arange(x[1, 1]),
    "np.tri(t)": lambda x: np.tri(2, k=x[1, 1]),
    "np.mgrid[0:t]": lambda x: np.mgrid[0 : x[1, 1]],
    "rng.normal(t)": lambda x: rng().normal(x[0, 0]),
    "rng.normal(array t)": lambda x: rng().normal(x),
    "rng.normal(scale=t)": lambda x: rng().normal(0.0, x),
    "rng.uniform(0, t)": lambda x: rng().uniform(0, x[1, 1]),
    "rng.poisson(t)": lambda x: rng().poisson(x),
    "rng.choice(t)": lambda x: rng().choice(x[0]),
    "rng.choice(p=t)": lambda x: rng().choice(2, p=x[0] / x[0].sum()),
    "rng.permutation(t)": lambda x: rng().permutation(x),
    "rng.multivariate_normal(t)": lambda x: rng().multivariate_normal(x[0], np.eye(2)),
    "RandomState.normal(t)": lambda x: np.random.RandomState(0).normal(x[0, 0]),
    "random.choices(weights=t)": lambda x: random.Random(0).choices([1, 2], weights=x[1]),
    "np.savetxt of a list": lambda x: np.savetxt(io.StringIO(), [x[0], x[1]]),
}

# The same, but NumPy or Python answers our TypeError with an error of its own. Recorded: (its type, ours is the cause).
ROUND_IN_C = {
    "buf[0, 0] = t": (lambda x: put((0, 0), x[0, 0]), ValueError, True),
    "buf[0] += 0-d t": (lambda x: add_in_place((0, 0), x[0, 0]), ValueError, True),
    "buf[0] = (t,) with fields": (
        lambda x: put(0, (x[0, 0],), shape=2, dtype=[("f", float)])["f"],
        ValueError,
        True,
    ),
    "buf.fill(t)": (lambda x: fill(lambda b: b.fill(x[0, 0])), ValueError, True),
    "buf.flat[0] = t": (lambda x: fill(lambda b: operator.setitem(b.flat, 0, x[0, 0])), ValueError, False),
    "np.fromiter(t)": (lambda x: np.fromiter(x[0], float), ValueError, True),
    "np.fromiter(generator)": (lambda x: np.fromiter((v * 2 for v in x[0]), float), ValueError, True),
    "a.sum(initial=t)": (lambda x: np.ones(2).sum(initial=x[0, 0]), ValueError, True),
    "np.max(a, initial=t)": (lambda x: np.max(np.ones(2), initial=x[1, 1]), ValueError, True),
    "np.array([t, t], object).astype": (
        lambda x: objects(*x[0]).astype(float),
        ValueError,
        True,
    ),
    "np.frompyfunc(f that gives t)": (
        lambda x: np.frompyfunc(lambda i: x[0, 0] * i, 1, 1)([1.0, 2.0]).astype(float),
        ValueError,
        True,
    ),
    "struct.pack('d', t)": (lambda x: struct.pack("d", x[0, 0]), struct.error, False),
    "np.nditer(t)": (lambda x: [float(v) for v in np.nditer(x)], TypeError, False),
}

# Refused with advice, recorded or not: nothing of the kind exists here. (call, words of the message)
REFUSED = {
    "np.put(buf, i, t)": (lambda x: np.put(np.zeros(4), [0, 1], x[0]), "at.index..set"),
    "np.copyto(buf, t)": (lambda x: np.copyto(np.zeros((2, 2)), x), "assign"),
    "np.place(buf, mask, t)": (lambda x: np.place(np.zeros((2, 2)), A > 1, x), "at.index..set"),
    "np.putmask(buf, mask, t)": (lambda x: np.putmask(np.zeros((2, 2)), A > 1, x), "at.index..set"),
    "np.put_along_axis(buf, i, t)": (
        lambda x: np.put_along_axis(np.zeros((2, 2)), np.zeros((1, 2), int), x[:1], 0),
        "at.index..set",
    ),
    "np.add.at(buf, i, t)": (lambda x: np.add.at(np.zeros(2), [0], x[0, 0]), "at.index..add"),
    "np.multiply.reduceat(t)": (lambda x: np.multiply.reduceat(x, [0]), r"numpy\(\)"),
    "np.add(t, t, out=buf)": (lambda x: np.add(x, x, out=np.zeros((2, 2))), "Tensor that it returns"),
    "np.add(a, a, out=t)": (lambda x: np.add(A, A, out=x), "Tensor that it returns"),
    "np.add(a, 1, where=t)": (lambda x: np.add(A, 1, where=x > 0), "av.where"),
    "np.sum(t, out=buf)": (lambda x: np.sum(x, 0, out=np.zeros(2)), "Tensor that it returns"),
    "np.full_like(a, t)": (lambda x: np.full_like(A, x), "np.copyto"),
    "np.frompyfunc(f)(t)": (lambda x: np.frompyfunc(abs, 1, 1)(x), r"numpy\(\)"),
    "np.linalg.qr(t, 'raw')": (lambda x: np.linalg.qr(x, "raw"), r"numpy\(\)"),
    "sliding_window_view(t)": (lambda x: np.lib.stride_tricks.sliding_window_view(x, 2, 0), r"numpy\(\)"),
    "t * masked array": (lambda x: x * np.ma.array(A, mask=A > 1), "filled"),
    "t * matrix": (lambda x: x * np.asmatrix(np.eye(2)), "asarray"),
    "t * array of objects": (lambda x: x[0] * np.array([x[0, 0].item(), None]), "av.stack"),
    "array of objects * t": (lambda x: np.array([1.0, None]) * x[0], "av.stack"),
    "t @ array of objects": (lambda x: x @ np.array([1.0, None]), "av.stack"),
    "av.exp(array of objects)": (lambda x: av.exp(np.array([1.0, None])), "av.stack"),
    "av.concatenate([t, objects])": (lambda x: av.concatenate([x[0], np.array([1.0, None])]), "av.stack"),
    "av.Tensor(array of objects)": (lambda x: av.Tensor(np.array([1.0, None])), "av.stack"),
    "t[0] = 1": (lambda x: operator.setitem(x, 0, 1.0), r"at\[i\].set"),
    "del t[0]": (lambda x: operator.delitem(x, 0), "fixed size"),
    "rng.shuffle(t)": (lambda x: rng().shuffle(x), r"at\[i\].set"),
}

# No conversion exists, for Tensors as for arrays or because they are no bytes: Python's or NumPy's TypeError.
NO_SUCH_THING = {
    "range(t)": lambda x: range(x[1, 1]),
    "list[t]": lambda x: [1, 2, 3][x[0, 0]],
    "operator.index(t)": lambda x: operator.index(x[0, 0]),
    "np.zeros(t)": lambda x: np.zeros(x[1, 1]),
    "np.eye(t)": lambda x: np.eye(x[1, 1]),
    "hex(t)": lambda x: hex(x[1, 1]),
    "memoryview(t)": lambda x: memoryview(x),
    "np.frombuffer(t)": lambda x: np.frombuffer(x),
    "bytes(t)": lambda x: bytes(x),
    "io.BytesIO().write(t)": lambda x: io.BytesIO().write(x),
    "fractions.Fraction(1, 2) * t": lambda x: fractions.Fraction(1, 2) * x,
    "json.dumps(t)": lambda x: json.dumps({"loss": x}),
    "statistics.stdev(t)": lambda x: statistics.stdev(x[0]),
}

# Recorded, though not by a function of NumPy's or ours called on the Tensor itself.
RECORDED = {
    "sum(t)": lambda x: sum(x[0]),
    "sum(generator)": lambda x: sum(v * v for v in x[0]),
    "math.prod(t)": lambda x: math.prod(x[0]),
    "max(t)": lambda x: max(x[0]),
    "sorted(t)": lambda x: sorted(x[0])[1],
    "statistics.median(t)": lambda x: statistics.median(x[0]),
    "functools.reduce": lambda x: functools.reduce(operator.mul, x[0], 2.0),
    "itertools.accumulate": lambda x: list(itertools.accumulate(x[0]))[-1],
    "zip": lambda x: sum(a * b for a, b in zip(x[0], x[1], strict=True)),
    "map": lambda x: sum(map(np.exp, x)),
    "reversed": lambda x: next(iter(reversed(list(x)))),
    "operator.matmul": lambda x: operator.matmul(np.ones(2), x),
    "abs": lambda x: abs(-x),
    "divmod": lambda x: divmod(x, 0.3)[1],
    "array of objects, summed": lambda x: objects(*x[0]).sum(),
    "array of objects, squared": lambda x: (objects(*x[0]) ** 2).sum(),
    "c += t": lambda x: operator.iadd(np.ones((2, 2)), x),
    "np.float64 * t": lambda x: np.float64(2.0) * x,
    "np.fromfunction": lambda x: np.fromfunction(lambda i, j: x * i, (2, 2)),
    "np.bincount(weights=t)": lambda x: np.bincount([0, 1], weights=x[0]),
    "np.average(weights=t)": lambda x: np.average([1.0, 5.0], weights=x[0]),
    "np.sum(t, where=)": lambda x: np.sum(x, where=A > 0.4),
    "np.sum(t, initial=t)": lambda x: np.sum(x, initial=x[0, 0]),
    "np.add.reduce(a, where=t > 0)": lambda x: np.add.reduce(x * A, where=x > 0.4),
    "np.add.reduceat(t)": lambda x: np.add.reduceat(x, [0, 1]),
    "np.multiply.outer(a, t)": lambda x: np.multiply.outer(A, x[0]),
    "np.median(t)": lambda x: np.median(x),
    "np.quantile(a, t)": lambda x: np.quantile([1.0, 2.0, 4.0], x[0, 0] / 8),
    "np.cov(a, aweights=t)": lambda x: np.cov(A, bias=True, aweights=x[0]),
    "np.unique(t)": lambda x: np.unique(x),
    "np.select of Tensors": lambda x: np.select([x > 0.4], [x], 0.0),
    "np.full_like(t, t)": lambda x: np.full_like(x, x[0, 0]),
    "np.clip(a, t, 3)": lambda x: np.clip(np.full((2, 2), 0.9), x, 3),
    "np.trapezoid(dx=t)": lambda x: np.trapezoid(np.ones(2), dx=x[0, 0]),
    "np.linspace(t, 1)": lambda x: np.linspace(x[0, 0], 1, 3),
    "np.interp(a, t, t)": lambda x: np.interp(0.5, [0, 1], x[0]),
    "np.polyval(t, a)": lambda x: np.polyval(x[0], 2.0),
    "np.poly1d()(t)": lambda x: np.poly1d([1.0, 2.0])(x),
    "np.convolve(t, a)": lambda x: np.convolve(x[0], [1.0, 2.0]),
    "np.vander(t)": lambda x: np.vander(x[0]),
    "np.diff(prepend=t)": lambda x: np.diff(x[0], prepend=x[1, 1]),
    "np.block": lambda x: np.block([[x, np.ones((2, 1))]]),
    "np.meshgrid": lambda x: np.meshgrid(x[0], x[1])[0],
    "np.broadcast_arrays": lambda x: np.broadcast_arrays(x[0], np.ones((3, 2)))[0],
    "chebval": lambda x: np.polynomial.chebyshev.chebval(x, [1.0, 2.0, 3.0]),
    "np.apply_along_axis(f, 0, t)": lambda x: np.apply_along_axis(np.sum, 0, x),
    "np.apply_over_axes(f, t)": lambda x: np.apply_over_axes(np.sum, x, [0]),
    "np.piecewise(t)": lambda x: np.piecewise(x, [x < 1.5], [lambda v: v]),
    "np.choose(a, t)": lambda x: np.choose([0, 1], x),
    "np.ix_(t)": lambda x: np.ix_(x[0])[0],
    "np.frexp(t)": lambda x: np.frexp(0.9 * x)[0],
    "np.insert(a, i, t)": lambda x: np.insert(np.ones(2), 1, x[0]),
    "av.pad(a, constant_values=t)": lambda x: av.pad(np.ones(2), 1, constant_values=x[0]),
    "np.pad(t, mode)": lambda x: np.pad(x, 1, "median"),
    "t.flat": lambda x: x.flat[3] + sum(x.flat),
    "random.gauss(t)": lambda x: random.Random(0).gauss(x[0, 0], 1.0),
    "t.copy()": lambda x: x.copy() * 2,
    "np.copy(t)": lambda x: np.copy(x) * 2,
    "random.shuffle of a list": lambda x: random.Random(1).sample(list(x), 2)[0],
}

# No gradient could pass (truncation, comparison, text), or somebody says so by name. The same recorded or not.
FREE = {
    "int(t)": lambda x: int(x[1, 1]),
    "round(t)": lambda x: round(x[1, 1]),
    "round(t, 1)": lambda x: round(x[1, 1], 1),
    "math.floor(t)": lambda x: float(math.floor(x[1, 1])),
    "math.ceil(t)": lambda x: float(math.ceil(x[1, 1])),
    "math.trunc(t)": lambda x: float(math.trunc(x[1, 1])),
    "integer buffer[0] = t": lambda x: put((0, 0), x[1, 1], dtype=int),
    "bool(t)": lambda x: bool(x[0, 0]),
    "t > 0": lambda x: np.asarray(x > 0.4),
    "any(t)": lambda x: any(x[0]),
    "1.0 in t": lambda x: 1.0 in x,
    "np.argmax": lambda x: [10, 20, 30, 40][np.argmax(x)],
    "np.array([argmax, argmax])": lambda x: np.array([np.argmax(x)] * 2),
    "math.sqrt(argmax)": lambda x: math.sqrt(np.argmax(x)),
    "range(argmax)": lambda x: list(range(np.argmax(x))),
    "a[argsort]": lambda x: A.ravel()[np.argsort(x.ravel())],
    "a[t > 0]": lambda x: A[x > 0.4],
    "np.repeat(a, argmax)": lambda x: np.repeat(1.0, np.argmax(x)),
    "np.isnan": lambda x: np.asarray(np.isnan(x)),
    "np.allclose": lambda x: np.allclose(x, A),
    "np.array_equal": lambda x: np.array_equal(x, A),
    "np.histogram": lambda x: np.histogram(x)[0],
    "np.shape": lambda x: np.shape(x),
    "np.result_type": lambda x: np.result_type(x, np.float32),
    "len": lambda x: len(x),
    "str": lambda x: str(x),
    "f-string": lambda x: f"{x[0, 0]:.4f} {x[0, 0]:+.1e} {x}",
    "str.format": lambda x: "{:.2f} {}".format(x[0, 0], x),  # noqa: UP032
    "format": lambda x: format(x[0, 0], "8.3f"),
    "'%s' % t": lambda x: "%s" % x,  # noqa: UP031
    "'%d' % t": lambda x: "%d" % x[1, 1],  # noqa: UP031
    "np.array2string": lambda x: np.array2string(x),
    "np.array_str": lambda x: np.array_str(x),
    "np.savetxt": lambda x: _written(lambda file: np.savetxt(file, x), io.StringIO()),
    "np.save": lambda x: _written(lambda file: np.save(file, x), io.BytesIO()),
    "json of lists": lambda x: json.dumps(x.tolist()),
    "json of items": lambda x: json.dumps({"loss": x[0, 0].item()}),
    "t.item()": lambda x: x[0, 0].item(),
    "t.item(index)": lambda x: x.item(1, 0),
    "t.tolist()": lambda x: x.tolist(),
    "t.tobytes()": lambda x: x.tobytes("F"),
    "t.dump()": lambda x: pickle.loads(_written(x.dump, io.BytesIO())),
    "t.dumps()": lambda x: pickle.loads(x.dumps()),
    "t.strides": lambda x: x.strides,
    "np.isfortran": lambda x: np.isfortran(x),
    "np.diag_indices_from": lambda x: [i.shape for i in np.diag_indices_from(x)],
}


def _written(write, file):
    write(file)
    return file.getvalue()


# ---------------------------------------------------------------- who listens

LISTENERS = {
    "tensor": lambda: _listened(av.Tensor(A.copy()), lambda x: _watching(x)),
    "variable": lambda: _listened(av.Variable(A), lambda x: av.GradientTape()),
    "accumulator": lambda: _listened(av.Tensor(A.copy()), lambda x: av.ForwardAccumulator(x, np.ones((2, 2)))),
}


def _listened(x, listener):
    return x, listener(x)


class _watching:
    """A tape that watches `x`."""

    def __init__(self, x):
        self.x, self.tape = x, av.GradientTape()

    def __enter__(self):
        self.tape.__enter__()
        self.tape.watch(self.x)

    def __exit__(self, *error):
        self.tape.__exit__(*error)


def same(got, want):
    if isinstance(want, (list, tuple)) and not isinstance(want, str):
        assert len(got) == len(want)
        for g, w in zip(got, want, strict=True):
            same(g, w)
    elif isinstance(want, (str, bytes)) or want is None:
        assert got == want
    else:
        got, want = np.asarray(got), np.asarray(want)
        assert got.dtype == want.dtype and got.shape == want.shape
        np.testing.assert_array_equal(got.astype(want.dtype), want)


def doors(*tables):
    return pytest.mark.parametrize("name", [name for table in tables for name in table])


listeners = pytest.mark.parametrize("listener", LISTENERS)

ADVICE = r"would drop the gradient|a list of Tensors is not an array"
WAYS_OUT = r"t\.numpy\(\)|av\.stack"


@listeners
@doors(ROUND)
def test_ways_round_the_protocols_are_refused_while_recorded(name, listener):
    x, listening = LISTENERS[listener]()
    with listening, pytest.raises(TypeError, match=ADVICE) as error:
        ROUND[name](x)
    assert error.match(WAYS_OUT)


@listeners
@doors(ROUND_IN_C)
def test_ways_through_c_are_refused_while_recorded(name, listener):
    call, kind, cause = ROUND_IN_C[name]
    x, listening = LISTENERS[listener]()
    with listening, pytest.raises(kind) as error:
        call(x)
    if cause:
        assert isinstance(error.value.__cause__, TypeError)
        assert "would drop the gradient" in str(error.value.__cause__)


@pytest.mark.parametrize("make", [av.Tensor, av.Variable])
@doors(ROUND, ROUND_IN_C)
def test_outside_of_a_tape_they_give_what_numpy_gives(name, make):
    call = ROUND[name] if name in ROUND else ROUND_IN_C[name][0]
    if "dlpack" in name and make(A).device != "cpu":
        pytest.skip("NumPy takes no arrays of a device by DLPack")
    got, want = call(make(A)), call(A.copy())
    if isinstance(want, np.ma.MaskedArray):
        assert isinstance(got, np.ma.MaskedArray)
    same(got, want)


# Nobody listens to this Tensor: conversions are free in the middle of a recording, too.
NOT_RECORDED = {
    "a constant": lambda x: _beside(x, av.GradientTape()),
    "a frozen variable": lambda x: _beside(av.Variable(A, trainable=False), av.GradientTape()),
    "a variable nobody named": lambda x: _beside(av.Variable(A), av.GradientTape(watch_accessed_variables=False)),
    "behind stop_gradient": lambda x: _beside(x, _watching(x), av.stop_gradient),
    "a name scope only": lambda x: _beside(av.Variable(A), av.name_scope("s")),
}


def _beside(x, listening, through=lambda x: x):
    return x, listening, through


@pytest.mark.parametrize("case", NOT_RECORDED)
def test_what_nobody_records_converts(case):
    x, listening, through = NOT_RECORDED[case](av.Tensor(A.copy()))
    with listening:
        y = through(x)
        same(np.asarray(y), A)
        assert float(y[0, 0]) == 1.0 and math.exp(y[0, 0]) == math.e
        same(np.sum([y, y]), np.sum([A, A]))


def test_a_paused_tape_does_not_refuse():
    x = av.Tensor(A)
    with av.GradientTape() as tape:
        tape.watch(x)
        with tape.stop_recording():
            same(np.asarray(x), A)
        with pytest.raises(TypeError, match="gradient"):
            np.asarray(x)


@listeners
@doors(REFUSED)
def test_what_has_no_gradient_is_refused_by_name(name, listener):
    call, words = REFUSED[name]
    x, listening = LISTENERS[listener]()
    with listening, pytest.raises(TypeError, match=words):
        call(x)
    with pytest.raises(TypeError, match=words):  # outside, too: code does not change its meaning under a tape
        call(x)


@listeners
@doors(NO_SUCH_THING)
def test_what_does_not_exist_is_a_type_error(name, listener):
    x, listening = LISTENERS[listener]()
    with listening, pytest.raises(TypeError):
        NO_SUCH_THING[name](x)


@doors(RECORDED)
@pytest.mark.parametrize("make", [av.Tensor, av.Variable])
def test_what_is_recorded_has_its_gradient(name, make):
    call = RECORDED[name]
    x = make(A)
    with av.GradientTape() as tape:
        tape.watch(x)
        y = call(x)
    assert isinstance(y, av.Tensor)
    want = call(A.copy())
    np.testing.assert_allclose(y.numpy(), np.asarray(want, float), rtol=1e-14)
    direction = np.array([[0.3, -0.7], [0.2, 0.9]])
    high, low = (np.sum(np.asarray(call(A + h * direction), float)) for h in (1e-6, -1e-6))
    found = tape.gradient(y, x).numpy()
    assert found.any()
    np.testing.assert_allclose(np.sum(found * direction), (high - low) / 2e-6, rtol=1e-7)


@listeners
@doors(FREE)
def test_what_can_have_no_gradient_is_free(name, listener):
    x, listening = LISTENERS[listener]()
    with listening:
        got = FREE[name](x)
    same(got, FREE[name](A.copy()))
    same(FREE[name](x), got)


def test_numpy_and_item_never_refuse():
    x = av.Tensor(A)
    with av.GradientTape() as tape, av.ForwardAccumulator(x, A):
        tape.watch(x)
        y = x * 2
        same(y.numpy(), A * 2)
        assert y[0, 0].item() == 2.0 and y.item(3) == 4.0 and y.tolist() == (A * 2).tolist()
        same(av.Variable(A).numpy(), A)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        (lambda t: t.numpy().sum(), "numpy"),
        (lambda t: t[0, 0].item(), "item"),
        (lambda t: int(t[1, 1]), "int()"),
        (lambda t: round(t[1, 1], 1), "round()"),
        (lambda t: copy.deepcopy(t).sum(), "deepcopy"),
        (lambda t: pickle.loads(pickle.dumps(t)).sum(), "pickled"),
        (lambda t: av.Tensor(t).sum(), "Tensor()"),
    ],
    ids=["numpy", "item", "int", "round", "deepcopy", "pickle", "Tensor"],
)
def test_where_a_value_leaves_by_name_explain_knows_of_it(how, words):
    x = av.Tensor(A)
    other = av.Tensor(2.0)
    with av.GradientTape() as tape:
        tape.watch([x, other])
        y = other * how(x * 2.0)
    assert words in tape.explain(y, x)
    assert tape.gradient(y, x) is None


def test_a_function_that_runs_again_is_checked_the_first_time():
    """`recompute_grad` records nothing of the first run, and refuses in it what the second would refuse."""
    x = av.Tensor(A)
    with av.GradientTape() as tape:
        tape.watch(x)
        with pytest.raises(TypeError, match="would drop the gradient"):
            av.recompute_grad(lambda z: z * float(z.sum()))(x)
    assert record.active() is None


def test_rows_of_a_gradient():
    v = av.Variable(np.ones((3, 2)))
    with av.GradientTape() as outer:
        with av.GradientTape() as tape:
            y = av.sum(av.nn.embedding_lookup(v, [0, 1]) ** 2)
        rows = tape.gradient(y, v)
        assert isinstance(rows, av.IndexedSlices)
        for call in (np.asarray, lambda g: np.array([g, g]), lambda g: float(g[0, 0]), lambda g: put(0, g[0])):
            with pytest.raises(TypeError, match="would drop the gradient"):
                call(rows)
        assert rows.numpy().shape == (3, 2)
        total = np.sum(rows)
    same(np.asarray(rows), [[2.0, 2.0], [2.0, 2.0], [0.0, 0.0]])
    assert outer.gradient(total, v).numpy().tolist() == [[2.0, 2.0], [2.0, 2.0], [0.0, 0.0]]


def test_a_copy_is_never_promised_to_be_none():
    t = av.Tensor(A)
    with pytest.raises(ValueError, match="copy=False"):
        np.array(t, copy=False)
    out = np.asarray(t)
    out[:] = 0
    same(t.numpy(), A)


# ---------------------------------------------------------------- those who only look: inside of a tape and outside


@pytest.fixture(params=["recorded", "outside"])
def seen(request):
    """A vector of three numbers, recorded or not."""
    x = av.Tensor(np.array([1.0, 0.5, 2.0]))
    if request.param == "outside":
        yield x * 1.0
        return
    with av.GradientTape() as tape:
        tape.watch(x)
        yield x * 1.0


LOOK_TRUE = {
    "t == approx(list)": lambda t: t == pytest.approx([1.0, 0.5, 2.0]),
    "approx(list) == t": lambda t: pytest.approx([1.0, 0.5, 2.0]) == t,
    "t == approx(array)": lambda t: t == pytest.approx(np.array([1.0, 0.5, 2.0])),
    "approx(array) == t": lambda t: pytest.approx(np.array([1.0, 0.5, 2.0])) == t,
    "approx(t) == array": lambda t: pytest.approx(t) == np.array([1.0, 0.5, 2.0]),
    "array == approx(t)": lambda t: np.array([1.0, 0.5, 2.0]) == pytest.approx(t),
    "t == approx(t)": lambda t: t == pytest.approx(t),
    "0-d t == approx(number)": lambda t: t[0] == pytest.approx(1.0),
    "approx(number) == 0-d t": lambda t: pytest.approx(1.0) == t[0],
    "number == approx(0-d t)": lambda t: 1.0 == pytest.approx(t[0]),
    "list of 0-d t": lambda t: [t[0], t[1]] == pytest.approx([1.0, 0.5]),
    "dict of 0-d t": lambda t: {"a": t[0]} == pytest.approx({"a": 1.0}),
    "t != approx(other)": lambda t: t != pytest.approx([1.0, 0.5, 3.0]),
    "not t == approx(other)": lambda t: not (t == pytest.approx([1.0, 0.5, 3.0])),
    "not approx(other) == t": lambda t: not (pytest.approx([1.0, 0.5, 3.0]) == t),
    "not 0-d t == approx(other)": lambda t: not (t[0] == pytest.approx(1.1)),
    "not approx(t) == other": lambda t: not (pytest.approx(t) == np.array([1.0, 0.5, 3.0])),
}


@pytest.mark.parametrize("name", LOOK_TRUE)
def test_approx(name, seen):
    assert LOOK_TRUE[name](seen)


def test_a_variable_and_approx():
    v = av.Variable([1.0, 2.0])
    for listening in (av.GradientTape(), av.name_scope("s")):
        with listening:
            assert v == pytest.approx([1.0, 2.0]) and pytest.approx([1.0, 2.0]) == v
            assert v != pytest.approx([1.0, 3.0])


def test_numpys_own_tests(seen):
    want, testing = np.array([1.0, 0.5, 2.0]), np.testing
    for a, b in ((seen, want), (want, seen)):  # these two look for an ndarray on one of the sides
        testing.assert_equal(a, b)
        testing.assert_almost_equal(a, b)
    for a, b in ((seen, want), (want, seen), (seen, seen), (seen, [1.0, 0.5, 2.0])):
        testing.assert_allclose(a, b)
        testing.assert_array_equal(a, b)
        testing.assert_array_almost_equal(a, b)
        testing.assert_array_max_ulp(a, b)
    testing.assert_almost_equal(seen[0], 1.0)
    testing.assert_array_less(seen, want + 1)
    testing.assert_allclose([seen[0], seen[1]], want[:2])
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        testing.assert_allclose(seen, want + 0.1)
    with pytest.raises(AssertionError):
        testing.assert_array_equal(want, seen * 2)


def test_the_one_who_looks_must_be_the_one_who_converts():
    """Code of the user's that a viewer calls is refused as anywhere else."""
    x = av.Tensor(np.ones(2))

    class Mine:
        def __array__(self, dtype=None, copy=None):
            return np.asarray(x) * 2  # called by np.testing, but it is this line that converts

    with av.GradientTape() as tape:
        tape.watch(x)
        with pytest.raises(TypeError, match="would drop"):
            np.testing.assert_allclose(Mine(), 2)
        np.testing.assert_allclose(x, 1.0)
        y = av.sum(av.Tensor(2.0) * 1.0)
    assert "shown to numpy.testing" in tape.explain(y, x)


PLOTS = {
    "plot": lambda ax, t: ax.plot(t),
    "plot of x and y": lambda ax, t: ax.plot(t, t * 2, "o"),
    "plot of a point": lambda ax, t: ax.plot(t[0], t[1], "o"),
    "plot of a list": lambda ax, t: ax.plot([t[0], t[1]]),
    "step": lambda ax, t: ax.step(t, t),
    "semilogy": lambda ax, t: ax.semilogy(t),
    "scatter": lambda ax, t: ax.scatter(t, t, c=t),
    "bar": lambda ax, t: ax.bar([0, 1, 2], t),
    "stem": lambda ax, t: ax.stem(t),
    "hist": lambda ax, t: ax.hist(t),
    "errorbar": lambda ax, t: ax.errorbar(t, t, yerr=t),
    "fill_between": lambda ax, t: ax.fill_between(np.arange(3), t),
    "imshow": lambda ax, t: ax.imshow(t.reshape(1, 3)),
    "pcolormesh": lambda ax, t: ax.pcolormesh(np.outer(t, t)),
    "contour": lambda ax, t: ax.contour(np.outer(t, t)),
    "quiver": lambda ax, t: ax.quiver(t, t),
    "boxplot": lambda ax, t: ax.boxplot(t),
    "axhline": lambda ax, t: ax.axhline(t[0]),
    "set_xlim": lambda ax, t: ax.set_xlim(t[1], t[2]),
    "text": lambda ax, t: ax.text(t[0], t[1], f"{t[0]:.2f}"),
}


@pytest.fixture(scope="module")
def axes():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    return Figure(figsize=(1, 1), dpi=30).subplots()


@pytest.mark.parametrize("name", PLOTS)
def test_plots(name, seen, axes):
    axes.clear()
    PLOTS[name](axes, seen)
    axes.figure.canvas.draw()


def test_a_plot_shows_the_values(seen, axes):
    axes.clear()
    (line,) = axes.plot(seen)
    assert line.get_ydata(orig=False).tolist() == [1.0, 0.5, 2.0]


def test_plots_leave_gradients_alone(axes):
    axes.clear()
    x = av.Tensor(np.array([1.0, 0.5, 2.0]))
    with av.GradientTape() as tape:
        tape.watch(x)
        y = x * x
        axes.plot(x, y)
        loss = av.sum(y)
    assert tape.gradient(loss, x).numpy().tolist() == [2.0, 1.0, 4.0]


def test_logs_and_bars(seen, caplog):
    with caplog.at_level(logging.INFO):
        logging.getLogger("nothing_escapes").info("loss %.3f of %s at %d", seen[0], seen, seen[2])
    assert caplog.messages == ["loss 1.000 of [1.  0.5 2. ] at 2"]
    tqdm = pytest.importorskip("tqdm").tqdm
    stream = io.StringIO()
    with tqdm(total=1, file=stream) as bar:
        bar.set_postfix(loss=seen[0], accuracy=seen[1] * 1.0)
    assert "loss=1.0" in stream.getvalue() and "accuracy=0.5" in stream.getvalue()
    history = av.History()
    history.log(loss=seen[0])
    assert history["loss"][-1] == 1.0


def test_copies_and_pickles(seen):
    for made in (copy.deepcopy(seen), pickle.loads(pickle.dumps(seen)), copy.deepcopy([seen])[0]):
        assert made is not seen and made.position == 0
        assert made.numpy().tolist() == [1.0, 0.5, 2.0] and made.array is not seen.array
    assert copy.copy(seen) is seen
    v = av.Variable([1.0, 2.0], name="nothing_escapes")
    for made in (copy.deepcopy(v), copy.copy(v), pickle.loads(pickle.dumps(v))):
        assert made is not v and made.numpy().tolist() == [1.0, 2.0]
        v.assign_add([1.0, 1.0])
        assert made.numpy().tolist() == [1.0, 2.0]
        v.assign([1.0, 2.0])


def test_looks(seen):
    assert "Tensor(" in repr(seen) and "Tensor(" in f"{[seen, {'a': seen}]!r}"
    if seen[0] > 0.5:
        pass
    assert len(seen) == 3 and max(seen).item() == 2.0
    with pytest.raises(TypeError, match="unsupported format string"):
        f"{seen:.3f}"


def test_integers_convert_freely():
    i = av.Tensor(np.arange(4).reshape(2, 2))
    b = av.Tensor(np.array([True, False]))
    v = av.Variable(np.arange(3))
    x = av.Tensor(A)
    with av.GradientTape() as tape:
        tape.watch(x)
        same(np.asarray(i), [[0, 1], [2, 3]])
        same(np.array([i, i]).sum(), np.int64(12))
        same(np.asarray(b), np.array([True, False]))
        same(np.asarray(v), np.arange(3))
        assert float(i[1, 1]) == 3.0 and int(v[2]) == 2 and math.sqrt(v[1]) == 1.0
        same(np.arange(4)[i], np.arange(4).reshape(2, 2))
        assert [10, 20][i[0, 1]] == 20 and list(range(v[2])) == [0, 1]
        same(np.asarray(np.argsort(x)), np.argsort(A))
        same(np.asarray(x.astype(int)), A.astype(int))


def test_lists_with_tensors_in_them_are_arrays_by_asarray():
    """What numpy.array does of numbers: nests of Tensors, Variables, arrays and numbers."""

    def turned(angle, x):
        turn = av.asarray([[np.cos(angle), -np.sin(angle)], (np.sin(angle), np.cos(angle))])
        return av.asarray([turn @ x, [1, 2.0], np.zeros(2)])

    x = np.array([1.0, 2.0])
    wanted = [[np.cos(0.3) - 2 * np.sin(0.3), np.sin(0.3) + 2 * np.cos(0.3)], [1, 2], [0, 0]]
    np.testing.assert_allclose(turned(av.Tensor(0.3), av.Tensor(x)).numpy(), wanted)
    av.testing.check_gradients(turned, [np.array(0.3), x])
    t, v = av.Tensor(np.float32([1, 2])), av.Variable([3.0, 4.0])
    assert av.asarray([t, v]).dtype == av.asarray([t[0], 0, 1.5]).dtype == np.float32
    assert av.asarray([t, [True, 2]]).tolist() == [[1, 2], [1, 2]] and av.asarray([t, np.ones(2)]).dtype == np.float64
    assert av.asarray([t[0], 1], dtype="float64").dtype == np.float64
    assert av.asarray([]).shape == (0,) and av.asarray([[1, 2]]).shape == (1, 2)
    with pytest.raises(ValueError, match="shape"):
        av.asarray([t, t[0]])
