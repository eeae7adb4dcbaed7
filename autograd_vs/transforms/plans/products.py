"""Products with one matrix, over the steps of an unrolled loop, as one product. Floor 3."""

from typing import Any

import numpy as np

from .passes import replaced
from .program import Call, Program

__all__ = ["stack_products"]

FEWEST = 3  # products that are worth stacking
ROWS = 256  # of one product, up to which BLAS gains by more of them


def stack_products(program: Program) -> None:
    """``dot(x1, w), dot(x2, w) ..`` whose left sides are known before the first of them are one product of all rows.

    Not exact: BLAS may add up in another order where there are more rows.
    """
    when: dict[int, list[int]] = {}  # by the id of a storage: the calls that write to it
    for number, call in enumerate(program.calls):
        for storage in program.writes(call) + program.changes(call):
            when.setdefault(id(storage), []).append(number)

    def unchanged(a, begin, end):
        return not any(begin <= n < end for n in when.get(id(program.storage(a)), ()))

    groups: dict[tuple, list[int]] = {}
    for number, call in enumerate(program.calls):
        if call.function is not np.dot or not program.defines(call) or call.options:
            continue
        (x, w), target = call.args, program.storage(call.out)
        if x.ndim == w.ndim == 2 and x.shape[0] <= ROWS and target.kind == "result" and len(when[id(target)]) == 1:
            place = w.__array_interface__["data"][0], w.shape, w.strides
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
        rows = np.empty((len(calls) * shape[0], shape[1]), dtype)
        products = np.empty((len(rows), w.shape[1]), calls[0].out.dtype)
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
