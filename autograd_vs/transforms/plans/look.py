"""What a plan looks like: its calls, its memory and what they cost, as text and as tables. Floor 3.

A look holds words and numbers only, none of the arrays.
"""

from collections import Counter
from collections.abc import Callable
from html import escape
from typing import Any, NamedTuple

import numpy as np

from ...base.backend import address, is_array, on_host
from .program import Program, arrays_in, owner_of

__all__ = ["Look", "Place", "Profile", "Row", "looked_at"]

_LETTERS = {"result": "t", "constant": "c", "state": "v", "input": "x"}
LONG = 120  # characters of arguments, and
MANY = 300  # rows of a table in a notebook: beyond these the middle is left out


class Place(NamedTuple):
    """A piece of memory.

    kind : "input", "constant", "variable", "state" (of an optimizer: it outlives the call), "result" (of a call)
    buffer : the number of the place in which the result of a call begins, from the first byte on; None for what is no
        result. Results with one number lie in the same memory, one after the other
    uses : the name scope of each op that read the Variable
    line : where in the user's code the array was met that a constant is a copy of
    """

    name: str
    kind: str
    dtype: str
    shape: tuple[int, ...]
    nbytes: int
    buffer: int | None
    uses: tuple[str, ...]
    line: str

    @property
    def shared(self) -> bool:
        """Whether it is a Variable that several ops read: in several scopes, or several times."""
        return len(self.uses) > 1


class Row(NamedTuple):
    """A call: what it gives and takes, in words, and the numbers of the places that it reads and writes.

    inside : lines for the branches of a cond, or the body of a loop
    outside : whether it is a Python function, with effects
    touched : names of the Variables that it is handed, and may write
    """

    scope: str
    result: str
    buffers: str
    function: str
    arguments: str
    reads: tuple[int, ...]
    writes: tuple[int, ...]
    inside: tuple[str, ...]
    outside: bool
    touched: tuple[str, ...]

    @property
    def call(self) -> str:
        """As it would be written."""
        if self.function == "setitem":
            return self.arguments
        return f"{self.result + ' = ' if self.result else ''}{self.function}({self.arguments})"


class Look:
    """A plan as people see it: ``print(f.plan())``, a table in a notebook, a picture by `draw`.

    Attributes
    ----------
    name : str
        The function.
    rows : list of Row
        The calls, in their order.
    places : list of Place
        The memory that they use.
    outputs : tuple of int
        The places of what the function returns.
    buffers : dict
        By the numbers of the places in which results begin, the bytes of the largest one there.
    peak_bytes : int
        Bytes of the memory in which all results lie: the most that a replay needs at once.
    trace_seconds, compile_seconds : float
        How long the first call took, and how long it took to make a plan of it.

    Examples
    --------
    >>> import numpy as np, autograd_vs as av
    >>> double = av.function(lambda x: av.exp(x * 2.0) * 2.0)
    >>> _ = double(np.zeros(3))
    >>> look = double.plan()
    >>> len(look), "exp" in look, look.peak_bytes, look.bytes_without_reuse
    (3, True, 24, 72)
    """

    def __init__(
        self, name: str, rows: list[Row], places: list[Place], outputs: tuple[int, ...], buffers: dict, peak_bytes: int
    ):
        self.name, self.rows, self.places, self.outputs, self.buffers = name, rows, places, outputs, buffers
        self.peak_bytes = peak_bytes
        self.trace_seconds = self.compile_seconds = 0.0
        self.more: Callable[[], list[str]] = list  # gives further lines of the summary

    # ---------------------------------------------------------------- figures
    def __len__(self) -> int:
        return len(self.rows)

    def __contains__(self, text: str) -> bool:
        return text in str(self)

    def bytes_of(self, kind: str) -> int:
        """Bytes of all places of a kind: "input", "constant", "variable", "state" or "result"."""
        return sum(place.nbytes for place in self.places if place.kind == kind)

    @property
    def bytes_without_reuse(self) -> int:
        """Bytes of all results, if each had memory of its own."""
        return self.bytes_of("result")

    def variables(self, written: bool = False) -> list[str]:
        """Names of the Variables that are read, or those that are written, directly or by a Python function."""
        numbers = {n for row in self.rows for n in (row.writes if written else row.reads)}
        names = [p.name for n, p in enumerate(self.places) if n in numbers and p.kind == "variable"]
        states = {p.name for p in self.places if p.kind == "state"}
        return [*dict.fromkeys([*names, *(name for row in self.rows for name in row.touched if name not in states)])]

    # ---------------------------------------------------------------- text
    def __str__(self) -> str:
        rows = zip(self._columns(), self.rows, strict=True)
        return "\n".join([*(line for first, row in rows for line in (first, *row.inside)), *self._below()])

    __repr__ = __str__

    def _columns(self) -> list[str]:
        scopes = max([len(row.scope) for row in self.rows], default=0)
        buffers = max([len(row.buffers) for row in self.rows], default=0)
        return [f"{row.scope:{scopes}}  {row.buffers:{buffers}}  {row.call}" for row in self.rows]

    def _below(self) -> list[str]:
        """Constants, and the summary."""
        lines = [f"  {p.name}: {p.dtype}{list(p.shape)}  {p.line}" for p in self._constants()]
        return ["", *(["constants, copied:", *lines] if lines else []), *self.summary()]

    def _constants(self) -> list[Place]:
        return [p for p in self.places if p.kind == "constant" and p.shape]

    def summary(self) -> list[str]:
        """Calls, memory, Variables and times, a line each."""
        functions = Counter(row.function for row in self.rows).most_common(5)
        most = ", ".join(f"{count} {name}" for name, count in functions)
        reuse = self.bytes_without_reuse >= self.peak_bytes  # of small results most is padding
        return [
            f"{self.name}: {_counted(len(self.rows), 'call')} ({most})" if most else f"{self.name}: no calls",
            f"memory: results in {size(self.peak_bytes)}, {_counted(len(self.buffers), 'buffer')}"
            f"{f' ({size(self.bytes_without_reuse)} without reuse)' if reuse else ''}; "
            f"inputs {size(self.bytes_of('input'))}, "
            f"constants {size(self.bytes_of('constant'))}",
            f"reads: {', '.join(self.variables()) or 'no Variable'}",
            f"writes: {', '.join(self.variables(written=True)) or 'no Variable'}",
            f"traced in {self.trace_seconds:.3f} s, compiled in {self.compile_seconds:.3f} s",
            *self.more(),
        ]

    # ---------------------------------------------------------------- notebooks, pictures
    def _repr_html_(self) -> str:
        rows = [(row.scope, row.buffers, row.result, row.function, row.arguments) for row in self.rows]
        return table(("scope", "buffer", "result", "function", "arguments"), rows, self._below())

    def draw(self, path: Any = None) -> Any:
        """A picture of the calls, grouped by scope, with the Variables that several ops read in colour.

        Parameters
        ----------
        path : str or path, optional
            A file to write it to.

        Returns
        -------
        str
            SVG. A notebook shows the picture. Plans of more calls than can be read are drawn scope by scope.

        Examples
        --------
        >>> import numpy as np, autograd_vs as av
        >>> double = av.function(lambda x: x * 2.0)
        >>> _ = double(np.zeros(3))
        >>> double.plan().draw()[:4]
        '<svg'
        """
        from .draw import drawn

        picture = drawn(self)
        if path is not None:
            with open(path, "w", encoding="utf-8") as file:
                file.write(picture)
        return picture


class Profile:
    """How long each call of a plan took, and each scope: ``print(f.profile(x))``, or a table in a notebook.

    Attributes
    ----------
    times : list of float
        Microseconds of each call.
    scopes : dict
        Microseconds of each name scope.
    look : Look
        The plan.
    """

    def __init__(self, look: Look, times: list[float]):
        self.look, self.times = look, times
        self.scopes: dict[str, float] = {}
        for row, taken in zip(look.rows, times, strict=True):
            self.scopes[row.scope] = self.scopes.get(row.scope, 0.0) + taken

    def __contains__(self, text: str) -> bool:
        return text in str(self)

    @property
    def total(self) -> float:
        """Microseconds of all calls."""
        return sum(self.times)

    def _by_scope(self):
        return sorted(self.scopes.items(), key=lambda item: -item[1])

    def __str__(self) -> str:
        rows = [f"{t:9.1f}  {line}" for t, line in zip(self.times, self.look._columns(), strict=True)]
        shares = [f"{t:9.1f}  {scope or '(no scope)'}" for scope, t in self._by_scope()]
        return "\n".join([*rows, f"{self.total:9.1f}  microseconds together", "by scope:", *shares])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = [(f"{t:.1f}", r.scope, r.call) for t, r in zip(self.times, self.look.rows, strict=True)]
        shares = [f"{t:9.1f} µs  {scope or '(no scope)'}" for scope, t in self._by_scope()]
        return table(("µs", "scope", "call"), rows, [f"{self.total:9.1f} µs together", *shares])


def table(head, rows, below) -> str:
    """Rows of text as HTML, and lines below them."""
    if len(rows) > MANY:
        half = MANY // 2
        rest = (f"... {len(rows) - MANY:,} more: print it to see all", *[""] * (len(head) - 1))
        rows = [*rows[:half], rest, *rows[-half:]]

    def row(cells, tag):
        return "<tr>" + "".join(f'<{tag} style="text-align:left">{escape(str(c))}</{tag}>' for c in cells) + "</tr>"

    body = "".join(row(cells, "td") for cells in rows)
    foot = escape("\n".join(below).strip("\n"))
    return f"<table><thead>{row(head, 'th')}</thead><tbody>{body}</tbody></table><pre>{foot}</pre>"


def _counted(n: int, what: str) -> str:
    return f"{n} {what}{'s' * (n != 1)}"


def size(n: float) -> str:
    """Bytes for people."""
    for unit in ("B", "kB", "MB"):
        if n < 1000:
            return f"{n:.3g} {unit}"
        n /= 1000
    return f"{n:.3g} GB"


def _part(a, owner) -> str:
    """Which view of its owner an array is: "" for the whole, ".T", or its shape and where it begins."""
    first = (address(a) - address(owner)) // max(1, owner.itemsize)
    if not first and a.shape == owner.shape and a.strides == owner.strides:
        return ""
    if not first and a.ndim > 1 and a.shape == owner.shape[::-1] and a.strides == owner.strides[::-1]:
        return ".T"
    return f"{list(a.shape)}" + (f"@{first}" if first else "")


def _same(a) -> str:
    """What all numbers of a constant are, if that is one number."""
    a = on_host(a)
    return f", all {a.flat[0]}" if a.size and (a == a.flat[0]).all() else ""


def looked_at(name: str, program: Program, arrays: dict[int, np.ndarray], uses: dict[int, tuple[str, ...]]) -> Look:
    """What there is to see of a program with its results in `arrays` (see `place`).

    uses : for each Variable, by the id of its array, the name scopes of the ops that read it
    """
    places: list[Place] = []
    numbers: dict[int, int] = {}  # id of a storage -> its place
    memory = _Memory(arrays)
    labels: Counter = Counter()

    def number(storage) -> int:
        if id(storage) not in numbers:
            numbers[id(storage)] = len(places)
            placed = arrays.get(id(storage))
            buffer = None if placed is None else memory.number(placed)
            label = storage.label or f"{_LETTERS[storage.kind]}{len(places)}"
            labels[label] += 1
            label += f"~{labels[label]}" if labels[label] > 1 else ""
            a = storage.array
            kind = "variable" if id(a) in uses else storage.kind
            line = (storage.line or "computed once") + _same(a) if storage.kind == "constant" else ""
            places.append(Place(label, kind, str(a.dtype), a.shape, a.nbytes, buffer, uses.get(id(a), ()), line))
        return numbers[id(storage)]

    def named(a) -> str:
        storage = program.storage(a)
        if storage.kind == "constant" and not storage.array.shape and not a.shape:
            return repr(a.item())
        return places[number(storage)].name + _part(a, storage.array)

    def touched(call) -> tuple[str, ...]:
        if call.form != "outside":
            return ()
        if call.function.writes is None:
            return tuple([v._name for v in call.function.variables])
        return tuple([places[number(s)].name for s in program.changes(call)])

    rows = []
    for storage in program.storages.values():
        if storage.kind == "input":
            number(storage)
    for call in program.calls:
        result, arguments = _words(call, named)
        reads, writes = (tuple(dict.fromkeys(map(number, s))) for s in (program.reads(call), program.writes(call)))
        used = [places[n].buffer for n in writes]
        rows.append(
            Row(
                call.scope,
                result,
                " ".join(f"b{b}" for b in used if b is not None),
                call.name,
                arguments if len(arguments) <= LONG else arguments[: LONG - 4] + " ...",
                reads,
                writes,
                tuple(_inside(call, named, len(program.storages))),
                call.form == "outside",
                touched(call),
            )
        )
    outputs = tuple([number(program.storage(a)) for a in program.outputs])
    return Look(name, rows, places, outputs, memory.sizes, memory.peak_bytes)


class _Memory:
    """Where results lie: numbers for the places in which they begin."""

    def __init__(self, arrays: dict[int, np.ndarray]):
        ends: dict[int, tuple[int, int]] = {}  # the first and the last byte that is used, by the id of the owner
        for a in arrays.values():
            begin, end = ends.get(id(owner_of(a)), (address(a), 0))
            ends[id(owner_of(a))] = min(begin, address(a)), max(end, address(a) + a.nbytes)
        self.peak_bytes = sum(end - begin for begin, end in ends.values())
        self._numbers = {place: n for n, place in enumerate(sorted({address(a) for a in arrays.values()}))}
        self.sizes: dict[int, int] = {}
        for a in arrays.values():
            self.sizes[self.number(a)] = max(self.sizes.get(self.number(a), 0), a.nbytes)

    def number(self, a) -> int:
        """The number of the place in which `a` begins."""
        return self._numbers[address(a)]


def _words(call, named) -> tuple[str, str]:
    """What a call gives, and what it takes; `named` says what to call an array."""

    def shown(x) -> str:
        if is_array(x):
            return named(x)
        if isinstance(x, (list, tuple)):
            return "[" + ", ".join(map(shown, x)) + "]"
        return repr(x) if len(repr(x)) < 40 else type(x).__name__

    result = ", ".join([f"{named(a)}: {a.dtype}{list(a.shape)}" for a in arrays_in(call.out)])
    if call.form == "setitem":
        return result, f"{shown(call.args[0])}[{shown(call.args[1])}] = {shown(call.args[2])}"
    return result, ", ".join([shown(a) for a in call.args] + [f"{k}={shown(v)}" for k, v in call.options.items()])


def _inside(call, named, count: int) -> list[str]:
    """Lines for the parts of a call; their results are numbered from `count` on."""
    lines = []
    for title, part in getattr(call.function, "parts", {}).items():
        captured = call.args[len(call.args) - len(call.function.captured) :]
        names = {id(a): named(x) for a, x in zip(call.function.captured, captured, strict=True)}

        def inner(a, part=part, names=names) -> str:
            storage = part.program.storage(a)
            if storage.kind == "constant" and not storage.array.shape and not a.shape:
                return repr(a.item())
            key = id(storage.array)
            if key not in names:
                names[key] = storage.label or f"{_LETTERS[storage.kind]}{count + len(names)}"
            return names[key] + _part(a, storage.array)

        lines.append(f"      {title}:")
        for one in part.program.calls:
            result, arguments = _words(one, inner)
            lines.append(f"        {result + ' = ' if result else ''}{one.name}({arguments})")
            lines += ["    " + line for line in _inside(one, inner, count + 100)]
        lines.append(f"        -> {', '.join(map(inner, part.program.outputs))}")
    return lines
