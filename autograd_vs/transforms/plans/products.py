"""Several products as one of more rows: those with one matrix, and those that are added up. Floor 3.

Neither is exact: BLAS may add up in another order where there are more rows.
"""

from collections import Counter
from typing import Any

import numpy as np

from ...base.backend import address, is_array, namespace
from .passes import replaced
from .program import Call, Program

__all__ = ["stack_products", "stack_sums"]

FEWEST = 2  # products that are worth stacking
ROWS = 256  # of one product, up to which BLAS gains by more of them


def stack_products(program: Program) -> None:
    """``dot(x1, w), dot(x2, w) ..`` whose left sides are known before the first of them are one product of all rows."""
    when = _writes(program)

    def unchanged(a, begin, end):
        return not any(begin <= n < end for n in when.get(id(program.storage(a)), ()))

    groups: dict[tuple, list[int]] = {}
    for number, call in enumerate(program.calls):
        if call.function is not np.dot or not program.defines(call) or call.options:
            continue
        (x, w), target = call.args, program.storage(call.out)
        if x.ndim == w.ndim == 2 and x.shape[0] <= ROWS and target.kind == "result" and len(when[id(target)]) == 1:
            place = address(w), w.shape, w.strides
            groups.setdefault((place, x.shape, x.dtype), []).append(number)
    instead: dict[int, Any] = {}
    inserted: dict[int, list[Call]] = {}
    for (_, shape, dtype), numbers in groups.items():
        begin = numbers[0]
        ready = [n for n in numbers if all(unchanged(a, begin, n) for a in program.calls[n].args)]
        if len(ready) < FEWEST:
            continue
        calls = [program.calls[n] for n in ready]
        w, scope = calls[0].args[1], calls[0].scope
        xp = namespace(w)
        rows = xp.empty((len(calls) * shape[0], shape[1]), dtype)
        products = xp.empty((len(rows), w.shape[1]), calls[0].out.dtype)
        program.add(rows, "result"), program.add(products, "result")
        inserted[begin] = [
            Call("call", np.concatenate, ([call.args[0] for call in calls], 0), {}, rows, scope),
            Call("call", np.dot, (rows, w), {}, products, scope),
        ]
        for i, (number, call) in enumerate(zip(ready, calls, strict=True)):
            instead[id(program.storage(call.out))] = products[i * shape[0] : (i + 1) * shape[0]]
            inserted.setdefault(number, [])
    if not instead:
        return
    program.calls = [c for n, call in enumerate(program.calls) for c in inserted.get(n, [call])]
    for call in program.calls:
        call.args, call.options = replaced(program, call.args, instead), replaced(program, call.options, instead)
        call.out = replaced(program, call.out, instead)
    program.outputs = [replaced(program, a, instead) for a in program.outputs]


def stack_sums(program: Program) -> None:
    """``dot(a.T, b) + dot(c.T, d) ..``, the gradient of a matrix with several uses, is one product of all rows."""
    when, read = _writes(program), Counter(id(s) for call in program.calls for s in program.reads(call))
    read.update(id(program.storage(a)) for a in program.outputs)
    terms: dict[int, tuple[list[int], list[int]]] = {}  # by the id of a storage: the products of a sum, its additions
    sums: dict[int, None] = {}  # those that are no parts of others
    for number, call in enumerate(program.calls):
        if not program.defines(call) or call.options or not is_array(call.out):
            continue
        target = program.storage(call.out)
        if len(when[id(target)]) > 1 or target.kind != "result":
            continue
        if call.function is np.dot and _adds_rows(*call.args):
            terms[id(target)] = [number], []
        elif call.function is np.add and all(is_array(a) and a.shape == call.out.shape for a in call.args):
            left, right = [id(program.storage(a)) for a in call.args]
            if left not in terms or right not in terms or read[left] > 1 or read[right] > 1:
                continue
            products = terms[left][0] + terms[right][0]
            if all(_stays(program, when, program.calls[n], n, number) for n in products):
                terms[id(target)] = products, [*terms[left][1], *terms[right][1], number]
                sums.pop(left, None), sums.pop(right, None)
                sums[id(target)] = None
    changed: dict[int, list[Call]] = {}
    for key in sums:
        products, additions = terms[key]
        total, calls = program.calls[additions[-1]], [program.calls[n] for n in products]
        joined = []
        for parts in ([call.args[0].T for call in calls], [call.args[1] for call in calls]):
            rows = namespace(parts[0]).empty((sum(map(len, parts)), parts[0].shape[1]), parts[0].dtype)
            program.add(rows, "result")
            joined.append(Call("call", np.concatenate, (parts, 0), {}, rows, total.scope))
        product = Call("call", np.dot, (joined[0].out.T, joined[1].out), {}, total.out, total.scope)
        changed |= {n: [] for n in products + additions} | {additions[-1]: [*joined, product]}
    program.calls = [c for n, call in enumerate(program.calls) for c in changed.get(n, [call])]


def _writes(program) -> dict[int, list[int]]:
    """By the id of a storage: the calls that write to it."""
    when: dict[int, list[int]] = {}
    for number, call in enumerate(program.calls):
        for storage in program.writes(call) + program.changes(call):
            when.setdefault(id(storage), []).append(number)
    return when


def _adds_rows(a, b) -> bool:
    """Whether a product is a sum over rows of both, of which there are few."""
    if a.ndim != 2 or b.ndim != 2 or a.dtype != b.dtype or not (a.T.flags.c_contiguous and b.flags.c_contiguous):
        return False
    (m, k), n = a.shape, b.shape[1]
    return k * (m + n) <= 2 * m * n


def _stays(program, when, call, begin, end) -> bool:
    return not any(begin < n < end for a in call.args for n in when.get(id(program.storage(a)), ()))
