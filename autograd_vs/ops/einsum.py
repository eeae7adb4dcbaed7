"""einsum, lowered to matrix products. Floor 2.

Terms
-----
label     A character that names a dimension. Ellipses are given labels of their own (from `SPARE`), so that everything
          below is in labels alone.
term      The labels of one operand.
settled   An operand in which every label occurs once, lives on (in another operand or in the output), and has its full
          size: diagonals are taken, labels of nobody else summed, sizes of 1 that broadcast squeezed away.

Two settled operands are one matrix product: labels of both that live on are its batch, labels of both that do not are
summed over, the others are its rows and columns. More operands are taken pair by pair along `np.einsum_path`.
"""

from functools import lru_cache
from math import prod

import numpy as np

from ..base.backend import matrix_product
from ..engine.declare import composed, primitive
from ..engine.samples import Sample, arrays
from ..engine.tensor import Tensor, as_tensor
from .products import diagonal
from .shape import cast, reshape, transpose, valued

__all__ = ["einsum"]

SPARE = [chr(c) for c in range(0x3B1, 0x3C9 + 1)] + [chr(c) for c in range(0x400, 0x450)]  # for ellipses, right to left


# ---------------------------------------------------------------- two operands


def _pair_a(g, b, a_dtype, terms):
    a_term, b_term, out = terms
    return cast(_pair.inner(g, b, (out, b_term, a_term)), a_dtype)


def _pair_b(g, a, b_dtype, terms):
    a_term, b_term, out = terms
    return cast(_pair.inner(a, g, (a_term, out, b_term)), b_dtype)


@primitive(
    vjp={"a": _pair_a, "b": _pair_b}, arity=2, linear="each", name="einsum",
    samples=lambda: [
        Sample(*arrays((2, 3), (3, 4)), ("ij", "jk", "ki")),
        Sample(*arrays((5, 2, 3), (3, 5, 4)), ("bij", "jbk", "bik")),
        Sample(*arrays((2, 3), (2, 3)), ("ij", "ij", "")),
        Sample(*arrays((2, 3), (3,)), ("ij", "j", "ji")),
        Sample(*arrays((2, 3), (2, 3)), ("bi", "bi", "b")),
        Sample(*arrays((2, 3), (3, 2), dtype=complex), ("ij", "jk", "ik")),
    ],
)  # fmt: skip
def _pair(a, b, terms):
    """Two settled operands: one product."""
    a_term, b_term, out = terms
    batch, summed, rows, columns = _roles(a_term, b_term, out)
    sizes = dict(zip(a_term, a.shape, strict=True)) | dict(zip(b_term, b.shape, strict=True))
    if not summed or not (rows or columns):
        order = out + summed
        product = _aligned(a, a_term, order) * _aligned(b, b_term, order)
        return product.sum(tuple(range(len(out), len(order)))) if summed else product
    shape = [sizes[c] for c in batch + rows + columns]
    n, k, m = (prod([sizes[c] for c in group]) for group in (rows, summed, columns))
    lead = (prod([sizes[c] for c in batch]),) if batch else ()
    left = a.transpose([a_term.index(c) for c in batch + rows + summed]).reshape((*lead, n, k))
    right = b.transpose([b_term.index(c) for c in batch + summed + columns]).reshape((*lead, k, m))
    y = matrix_product(left, right)
    found = batch + rows + columns
    return y.reshape(shape).transpose([found.index(c) for c in out])


@lru_cache(maxsize=1024)
def _roles(a_term, b_term, out):
    """(batch, summed, rows, columns) of a product of two settled operands."""
    batch = "".join(c for c in a_term if c in b_term and c in out)
    summed = "".join(c for c in a_term if c in b_term and c not in out)
    return batch, summed, "".join(c for c in a_term if c not in b_term), "".join(c for c in b_term if c not in a_term)


def _aligned(x, term, order):
    """`x` with its dimensions in the given order of labels, size 1 where it lacks one."""
    x = x.transpose([term.index(c) for c in order if c in term])
    return x[tuple([slice(None) if c in term else None for c in order])]


# ---------------------------------------------------------------- one operand


def _settle(x, term, sizes, alive):
    """(operand, term), settled; `alive` are the labels that other operands or the output have."""
    for c in dict.fromkeys(term):
        while term.count(c) > 1:
            i = term.index(c)
            j = term.index(c, i + 1)
            if x.shape[i] != x.shape[j]:
                raise ValueError(f"einsum: label {c!r} has sizes {x.shape[i]} and {x.shape[j]} in one operand")
            x, term = diagonal(x, 0, i, j), term[:i] + term[i + 1 : j] + term[j + 1 :] + c
    gone = [i for i, c in enumerate(term) if c not in alive and x.shape[i] == sizes[c]]
    if gone:
        x, term = x.sum(tuple(gone)), "".join(c for i, c in enumerate(term) if i not in gone)
    small = [i for i, c in enumerate(term) if x.shape[i] != sizes[c]]
    if small:
        x = reshape(x, tuple(n for i, n in enumerate(x.shape) if i not in small))
        term = "".join(c for i, c in enumerate(term) if i not in small)
    return x, term


# ---------------------------------------------------------------- what the user wrote


@lru_cache(maxsize=1024)
def _parsed(spec, ndims):
    """(terms of the operands, term of the output), ellipses written out."""
    spec = spec.replace(" ", "")
    left, arrow, out = spec.partition("->")
    terms = left.split(",")
    if len(terms) != len(ndims):
        raise ValueError(f"einsum: {spec!r} has {len(terms)} terms for {len(ndims)} operands")
    longest, full = 0, []
    for term, ndim in zip(terms, ndims, strict=True):
        if "..." in term:
            n = ndim - len(term) + 3
            if n < 0 or term.count(".") != 3:
                raise ValueError(f"einsum: term {term!r} does not fit an operand of {ndim} dimensions")
            longest = n if n > longest else longest
            term = term.replace("...", "".join(reversed(SPARE[:n])))
        if len(term) != ndim or not all(c.isalpha() for c in term):
            raise ValueError(f"einsum: term {term!r} does not fit an operand of {ndim} dimensions")
        full.append(term)
    dots = "".join(reversed(SPARE[:longest]))
    joined = "".join(full)
    if not arrow:
        out = "..." + "".join(sorted(c for c in set(joined) if joined.count(c) == 1 and c not in dots))
    if "..." in spec.partition("->")[2] or not arrow:
        out = out.replace("...", dots)
    if len(set(out)) != len(out) or not set(out) <= set(joined):
        raise ValueError(f"einsum: the output of {spec!r} repeats a label, or has one that no operand has")
    return tuple(full), out


def _sizes(terms, shapes):
    sizes: dict[str, int] = {}
    for term, shape in zip(terms, shapes, strict=True):
        for c, n in zip(term, shape, strict=True):
            if n != sizes.setdefault(c, n):
                if n != 1 and sizes[c] != 1:
                    raise ValueError(f"einsum: label {c!r} has sizes {sizes[c]} and {n}")
                sizes[c] = n if sizes[c] == 1 else sizes[c]
    return sizes


@lru_cache(maxsize=256)
def _path(terms, out, shapes):
    """In which order to take the operands: NumPy's own path."""
    if len(terms) < 3:
        return [tuple(range(len(terms)))]
    letters = {c: chr(ord("A") + i + (6 if i > 25 else 0)) for i, c in enumerate(dict.fromkeys("".join(terms)))}
    spec = ",".join("".join(letters[c] for c in term) for term in terms) + "->" + "".join(letters[c] for c in out)
    return np.einsum_path(spec, *(np.ndarray(s, np.int8) for s in shapes), optimize="greedy")[0][1:]  # shapes only


def _interleaved(operands):
    """The form ``einsum(a, [0, 1], b, [1, 2], [0, 2])`` as a specification and operands."""
    letters = [chr(ord("A") + i) for i in range(26)] + [chr(ord("a") + i) for i in range(26)]

    def term(labels):
        return "".join("..." if c is Ellipsis else letters[c] for c in labels)

    arrays_, terms = operands[0 : len(operands) // 2 * 2 : 2], operands[1::2]
    spec = ",".join(map(term, terms))
    return (spec + "->" + term(operands[-1]) if len(operands) % 2 else spec), arrays_


def _einsum_samples():
    one = [
        ("ii->i", (3, 3)), ("ii", (3, 3)), ("ij->ji", (2, 3)), ("ij->", (2, 3)), ("ijj->i", (2, 3, 3)),
        ("iii->i", (2, 2, 2)), ("i", (3,)), ("ij->ij", (2, 3)),
        ("...ij->...ji", (2, 2, 3)), ("i...->...", (2, 3)), ("ba", (2, 3)),
    ]  # fmt: skip
    several = [
        ("ij,jk", (2, 3), (3, 4)), ("ij,jk->ki", (2, 3), (3, 4)), ("bij,bjk->bik", (2, 2, 3), (2, 3, 2)),
        ("i,j->ij", (2,), (3,)), ("i,i->", (3,), (3,)), ("ij,ij->ij", (2, 3), (2, 3)),
        ("...ij,...jk->...ik", (2, 1, 2, 3), (3, 3, 2)),
        ("ij,j", (1, 3), (3,)), ("ij,jk->ik", (2, 1), (3, 4)), ("ii,ij->j", (2, 2), (2, 3)),
        ("ij,kl->ik", (2, 3), (2, 2)),
        ("ij,jk,kl->il", (2, 3), (3, 2), (2, 2)), ("ab,ac,ad->bcd", (2, 2), (2, 3), (2, 2)), ("i,,j", (2,), (), (3,)),
        ("bhqd,bhkd->bhqk", (1, 2, 2, 3), (1, 2, 3, 3)), ("ij,ij->", (0, 3), (0, 3)),
    ]  # fmt: skip
    found = [Sample(spec, arrays(shape)) for spec, shape in one]
    found += [Sample(spec, *arrays(*shapes)) for spec, *shapes in several]
    a, b = arrays((2, 3), (3, 2), dtype=complex)
    return [
        *found,
        Sample("ij,jk->ik", a, b),
        Sample("ij,jk->ik", a.real.copy(), b),
        Sample(a.real.copy(), [0, 1], b.real.copy(), [1, 2], [2, 0]),
    ]


@composed(np.einsum, samples=_einsum_samples)
def einsum(*operands, out=None, optimize=True) -> Tensor:
    """Einstein's summation convention: products of arrays, summed over the labels that the output lacks.

    Parameters
    ----------
    *operands : str and array_like
        ``"ij,jk->ik", a, b``: a label for each dimension,
        "..." for dimensions that broadcast. Also in NumPy's other form,
        ``a, [0, 1], b, [1, 2], [0, 2]``.
    out : None
        Not supported.
    optimize : bool or str
        Without meaning here: products of three and more arrays always follow `numpy.einsum_path`.

    Returns
    -------
    Tensor

    Raises
    ------
    ValueError
        If the labels do not fit the shapes.

    Notes
    -----
    Products are done by matrix multiplication.

    Examples
    --------
    >>> a, b = av.Tensor(np.ones((2, 3))), np.ones((3, 4))
    >>> av.einsum("ij,jk->ik", a, b).shape
    (2, 4)
    """
    if out is not None:
        raise TypeError("einsum: out= is not supported for Tensors; use the Tensor that it returns")
    spec, arrays_ = (operands[0], operands[1:]) if isinstance(operands[0], str) else _interleaved(operands)
    parts = [as_tensor(x) for x in arrays_]
    shapes = tuple(x.shape for x in parts)
    terms, result = _parsed(spec, tuple(map(len, shapes)))
    sizes = _sizes(terms, shapes)
    todo = list(zip(parts, terms, strict=True))
    for step in _path(terms, result, shapes):
        chosen = [todo.pop(i) for i in sorted(step, reverse=True)][::-1]
        others = result + "".join(term for _, term in todo)
        todo.append(_product(chosen, sizes, others))
    x, term = todo[0]
    if term != result:
        if len(term) != len(result):  # a label that only operands of size 1 had
            raise ValueError(f"einsum: {spec!r} has an output label that no operand fills")
        x = transpose(x, tuple(term.index(c) for c in result))
    return valued(x)


def _product(chosen, sizes, others):
    """One step of the path: (operand, term) of the product of a few operands; `others` are labels that must live on."""
    x, term = chosen[0]
    x, term = _settle(x, term, sizes, others + "".join(t for _, t in chosen[1:]))
    for i in range(1, len(chosen)):
        b, b_term = chosen[i]
        alive = others + "".join(t for _, t in chosen[i + 1 :])
        b, b_term = _settle(b, b_term, sizes, alive + term)
        x, term = _settle(x, term, sizes, alive + b_term)
        found = "".join(c for c in dict.fromkeys(term + b_term) if c in alive)
        x, term = _pair(x, b, (term, b_term, found)), found
    return x, term
