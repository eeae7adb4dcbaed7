"""A progress bar for terminals and notebooks: tqdm, imported on first use, that shows Tensors as numbers. Floor 3."""

from collections.abc import Iterable, Iterator
from typing import Any, Generic, TypeVar

from .base.ranks import is_main
from .engine.outside import tracing

__all__ = ["Progress", "progress"]

T = TypeVar("T")

_INTERVAL = 0.1  # seconds between two readings of the metrics: a value on a GPU is not waited for at every step
_hinted = False


def progress(iterable: Iterable[T], desc: str | None = None, total: int | None = None, **metrics: Any) -> "Progress[T]":
    """Iterate with a progress bar (`tqdm.auto`, so it fits terminals and notebooks).

    Parameters
    ----------
    iterable : iterable
        What to walk through.
    desc : str, optional
        The text before the bar.
    total : int, optional
        How many items there are, if ``len(iterable)`` does not tell.
    **metrics : float or Tensor
        Numbers behind the bar; `Progress.set` changes them.

    Returns
    -------
    Progress
        Iterate over it; call ``set(loss=loss)`` inside the loop. Without tqdm it iterates without a bar, and says once
        (through logging) what to install. Of several processes (`DataParallel`) only rank 0 draws one.

    Examples
    --------
    >>> bar = progress(range(3), "training")
    >>> for step in bar:  # doctest: +SKIP
    ...     bar.set(loss=1 / (step + 1))
    training: 100%|██████████| 3/3 [00:00<00:00, 48.91it/s, loss=0.3333]
    """
    return Progress(iterable, desc, total, metrics)


class Progress(Generic[T]):
    """What `progress` returns: iterate over it, `set` numbers behind the bar."""

    def __init__(self, iterable: Iterable[T], desc: str | None, total: int | None, metrics: dict[str, Any]) -> None:
        self._iterable = iterable
        self._desc = desc
        self._total = total
        self._metrics = dict(metrics)
        self._bar: Any = None
        self._due = 0.0

    def __len__(self) -> int:
        return len(self._iterable) if self._total is None else self._total  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[T]:
        self._bar = bar = _make_bar(self._iterable, self._desc, self._total)
        if bar is None:
            yield from self._iterable
            return
        self._due = 0.0
        self._show()
        try:
            for item in self._iterable:
                yield item
                bar.update(1)
        finally:  # also after break, an exception, Ctrl-C: the line ends with the newest numbers
            self._due = 0.0
            try:
                self._show()
            finally:
                bar.close()
                self._bar = None

    def set(self, **metrics: Any) -> None:
        """Show these numbers behind the bar; others that were set before stay.

        Parameters
        ----------
        **metrics : float, Tensor, one-element array, or str
            Numbers get four significant digits. They are read when the bar is about to be drawn, at most ten times a
            second.

        Raises
        ------
        RuntimeError
            In a function that is traced.
        """
        if tracing() is not None:
            raise RuntimeError(
                "set inside of an av.function would show the numbers of the trace only: return them, and set them "
                "outside"
            )
        self._metrics.update(metrics)
        if self._bar is not None:
            self._show()

    def _show(self) -> None:
        from time import monotonic

        now = monotonic()
        if now < self._due or not self._metrics:
            return
        self._due = now + _INTERVAL
        try:
            text = ", ".join(f"{name}={_format(name, value)}" for name, value in self._metrics.items())
        except Exception:
            self._metrics.clear()  # said once, where it was set, and not again when the bar is closed
            raise
        self._bar.set_postfix_str(text, refresh=False)


def _format(name: str, value: Any) -> str:
    if isinstance(value, (str, int)):
        return str(value)
    from .history import as_float

    return f"{as_float(name, value):.4g}"


def _make_bar(iterable: Iterable[Any], desc: str | None, total: int | None) -> Any:
    if not is_main():
        return None
    try:
        from tqdm.auto import tqdm
    except ImportError:
        _hint()
        return None
    if total is None:
        try:
            total = len(iterable)  # type: ignore[arg-type]
        except TypeError:
            pass
    from .data import Batches

    done = iterable.batch if isinstance(iterable, Batches) else 0  # an epoch that is gone on with
    return tqdm(desc=desc, total=total, initial=done, dynamic_ncols=True)


def _hint() -> None:
    global _hinted
    if not _hinted:
        import logging

        _hinted = True
        logging.getLogger("autograd_vs").warning('No progress bar: tqdm is missing; pip install "autograd-vs[train]".')
