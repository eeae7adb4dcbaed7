"""LoadReport: what a load did with each name. Floor 2."""

from ..base.tables import as_html

__all__ = ["LoadReport"]

_MEANINGS = {
    "loaded": "found and put in place",
    "missing": "not in the file: kept, or started at zero",
    "unexpected": "in the file, and nothing here takes it",
    "mismatched": "of another shape or dtype: left out",
    "renamed": "found under another name",
    "waiting": "kept for variables that are not made yet",
}


class LoadReport:
    """What became of each name in a load.

    Parameters
    ----------
    loaded, missing, unexpected, mismatched, renamed, waiting : iterable of str
        `loaded` was found and put in place; `missing` is here and was not in the state; `unexpected` was in the state
        and nothing takes it; `mismatched` has another shape or dtype (the text says both); `renamed` was found under
        another name (``"old -> new"``); `waiting` is kept for variables that are not made yet.
    metadata : dict, optional
        What `autograd_vs.save` was given to keep beside the arrays.

    Examples
    --------
    >>> LoadReport(loaded=["adam/m/w"], waiting=["adam/m/b"])
    LoadReport: 1 loaded, 1 waiting
      waiting (kept for variables that are not made yet): adam/m/b
    """

    __slots__ = ("loaded", "metadata", "mismatched", "missing", "renamed", "unexpected", "waiting")

    def __init__(self, loaded=(), missing=(), unexpected=(), mismatched=(), renamed=(), waiting=(), metadata=None):
        self.loaded, self.missing, self.unexpected = list(loaded), list(missing), list(unexpected)
        self.mismatched, self.renamed, self.waiting = list(mismatched), list(renamed), list(waiting)
        self.metadata = dict(metadata or {})

    @property
    def complete(self) -> bool:
        """True if nothing is missing, unexpected or mismatched."""
        return not (self.missing or self.unexpected or self.mismatched)

    def merge(self, other: "LoadReport") -> "LoadReport":
        """Another report added to a copy of this one."""
        kinds = (getattr(self, kind) + getattr(other, kind) for kind in _MEANINGS)
        merged = LoadReport(*kinds)
        merged.metadata = self.metadata | other.metadata
        return merged

    def problems(self, most: int = 10) -> str:
        """What a strict load complains about, the first `most` names of each kind, one kind a line."""
        kinds = [kind for kind in ("missing", "unexpected", "mismatched") if getattr(self, kind)]
        return "\n".join(f"  {len(getattr(self, kind))} {kind}: {_listed(getattr(self, kind), most)}" for kind in kinds)

    def __repr__(self):
        counts = ", ".join(f"{len(getattr(self, kind))} {kind}" for kind in _MEANINGS if getattr(self, kind))
        details = [
            f"  {kind} ({_MEANINGS[kind]}): {_listed(getattr(self, kind), 10)}"
            for kind in _MEANINGS
            if kind != "loaded" and getattr(self, kind)
        ]
        return "\n".join([f"LoadReport: {counts or 'nothing to load'}", *details])

    def _repr_html_(self) -> str:
        found = {kind: getattr(self, kind) for kind in _MEANINGS if getattr(self, kind)}
        rows = [(kind, str(len(names)), _MEANINGS[kind], _listed(names, 10)) for kind, names in found.items()]
        return as_html([("what", "count", "meaning", "names"), *rows])


def _listed(names, most) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
