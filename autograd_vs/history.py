"""History: scalars of a training run, per step and epoch. Floor 3.

In memory each series is three typed arrays (steps, epochs, values). On disk, if a path is given, each call of `log` is
one line of JSON. Values that live on another device are kept as they are and fetched later, in batches, so that
logging never waits for the device. Drawing is in `history_plot.py`, which is imported on first use.
"""

import array
import math
import operator
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from .base.ranks import is_main
from .base.tables import as_html
from .engine.outside import outside

if TYPE_CHECKING:
    from os import PathLike

__all__ = ["EarlyStopping", "History", "as_float"]

# Rows that wait for values on a device: past twice this many, the older half is fetched; those steps are long done.
_BATCH = 64


class History:
    """Scalars per step and epoch, with an optional file that survives a crash.

    Parameters
    ----------
    path : str or path, optional
        A JSON-lines file, one line per call of `log`, written at once. Missing folders are made. Without it everything
        stays in memory.
    mode : {"a", "w", "x"}, default "a"
        What an existing file means, as for `open`: "a" reads it and goes on behind its last line, "w" starts anew,
        "x" raises FileExistsError.

    Notes
    -----
    ``len(history)`` counts calls of `log` and ``for name in history`` walks the names of the series, as with a table
    and its columns. A copied or unpickled History holds the values and no path, so that two never write to one file.

    Values on a GPU are not waited for: they are fetched, and written to the file, at the latest 128 calls later, at
    `flush`, or when something is read. Everything else is in the file when `log` returns. Of several processes
    (`DataParallel`) only rank 0 has a path; on the others values stay in memory.

    Examples
    --------
    >>> history = History()
    >>> for step in range(4):
    ...     history.log(step=step, epoch=step // 2, loss=1 / (step + 1))
    >>> history.log(epoch=1, val_loss=0.3)
    >>> history["loss"]
    array([1.        , 0.5       , 0.33333333, 0.25      ])
    >>> history.names
    ['loss', 'val_loss']
    >>> history.last("val_loss"), history.steps("val_loss")
    (0.3, array([3]))
    """

    def __init__(self, path: "str | PathLike[str] | None" = None, mode: str = "a") -> None:
        if mode not in ("a", "w", "x"):
            raise ValueError(f"mode is {mode!r}; use 'a' (go on), 'w' (start anew) or 'x' (refuse an existing file).")
        self._clear()
        self._path = None if path is None else os.fspath(path)
        self._file: int | None = None
        if self._path is not None:
            self._open(mode)

    def _clear(self) -> None:
        self._series: dict[str, _Series] = {}
        self._rows = 0
        self._step = -1
        self._logged_here: set[str] = set()  # names that have a value at self._step
        self._pending: list[tuple[int, float | None, dict[str, Any]]] = []

    # Writing

    def log(self, step: int | None = None, epoch: float | None = None, **scalars: Any) -> None:
        """Add one value to each named series.

        Parameters
        ----------
        step : int, optional
            Less than 2**63. Default: the current step if none of the names has a value there, else the next one. So a
            loss per step and a validation loss now and then fall into place without counting.
        epoch : int or float, optional
            Kept with the values; `plot` uses it as the axis when there is one value per epoch.
        **scalars : float, NumPy scalar, Tensor, or any one-element array with ``item()``
            The values by series name. Names with other characters: ``log(**{"val/loss": 0.1})``.

        Raises
        ------
        TypeError
            A value is not a real number, or there is none at all, or the step is no integer; the series is named and
            nothing is logged.
        ValueError
            A value has more than one element.

        Notes
        -----
        Inside of an `autograd_vs.function` it logs at each call, not only at the trace.

        Examples
        --------
        >>> history = History()
        >>> history.log(loss=np.float32(0.5), accuracy=np.array(0.75))
        >>> history.log(loss=[0.1, 0.2])
        Traceback (most recent call last):
        TypeError: 'loss' is a list; History takes one number per series and step.
        """
        if not scalars:
            raise TypeError("log() was given no value; use for example history.log(step=0, loss=loss).")
        outside(self._log, step, epoch, scalars)

    def _log(self, step: int | None, epoch: float | None, scalars: dict[str, Any]) -> None:
        row = {name: _hold(name, value) for name, value in scalars.items()}
        epoch = epoch if epoch is None else as_float("epoch", epoch)
        if step is None:
            step = self._step if self._step >= 0 and self._logged_here.isdisjoint(row) else self._step + 1
        else:
            step = _whole(step)
        if step == self._step:
            self._logged_here.update(row)
        else:
            self._step, self._logged_here = step, set(row)
        self._rows += 1
        self._pending.append((step, epoch, row))
        if self._deferred(row):
            if len(self._pending) >= 2 * _BATCH:
                self._settle(_BATCH)
        elif len(self._pending) == 1:
            self._settle(1)

    @staticmethod
    def _deferred(row: dict[str, Any]) -> bool:
        return any(type(value) is not float for value in row.values())

    def _settle(self, count: int | None = None) -> None:
        """Turn the oldest `count` pending rows (all by default) into numbers and write their lines."""
        rows = self._pending[:count]
        if not rows:
            return
        numbers = [{name: as_float(name, value) for name, value in row.items()} for _, _, row in rows]
        del self._pending[: len(rows)]  # from here on an interrupt may cost rows, but doubles none
        lines = []
        for (step, epoch, _), row in zip(rows, numbers, strict=True):
            self._add(step, epoch, row)
            if self._path is not None:
                lines.append(_line(step, epoch, row))
        if lines:
            self._write("".join(lines))

    def _add(self, step: int, epoch: float | None, numbers: dict[str, float]) -> None:
        for name, value in numbers.items():
            series = self._series.get(name)
            if series is None:
                series = self._series[name] = _Series()
            series.append(step, math.nan if epoch is None else epoch, value)

    def flush(self) -> None:
        """Fetch what waits on a device and write it to the file, as reading any series does."""
        self._settle()

    def close(self) -> None:
        """Flush and close the file. A later `log` opens it again."""
        self._settle()
        self._close_file()

    def _close_file(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def __del__(self) -> None:
        if getattr(self, "_path", None) is not None:
            try:
                self.close()
            except Exception:
                pass  # the interpreter is going down, or the device is gone: nobody is left to tell

    # The file

    @property
    def path(self) -> str | None:
        """The file that rows are appended to, or None."""
        return self._path

    def _open(self, mode: str) -> None:
        assert self._path is not None
        if not is_main():  # rank 0 writes the file
            if mode == "a" and os.path.exists(self._path):
                self._read(self._path)
            self._path = None
            return
        folder = os.path.dirname(self._path)
        if folder:
            os.makedirs(folder, exist_ok=True)
        if mode == "x" and os.path.exists(self._path):
            raise FileExistsError(f"{self._path} exists; mode='a' goes on with it, mode='w' starts anew.")
        if mode == "a" and os.path.exists(self._path):
            whole = self._read(self._path)
            with open(self._path, "r+b") as file:  # a torn last line would swallow the next row
                file.truncate(whole)
        elif mode == "w":
            self._rewrite()

    def _write(self, text: str) -> None:
        # A bare descriptor, one write per batch: nothing is left in a buffer of this process when it dies.
        if not is_main():
            return  # this History is older than the strategy
        if self._file is None:
            assert self._path is not None
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
            self._file = os.open(self._path, flags, 0o666)
        data = text.encode()
        while data:
            data = data[os.write(self._file, data) :]

    def _rewrite(self) -> None:
        """Replace the file by what is in memory, in one move."""
        assert self._path is not None
        self._close_file()
        temporary = f"{self._path}.{os.getpid()}.tmp"
        with open(temporary, "w", encoding="utf-8", newline="\n") as file:
            file.writelines(_line(*row) for row in self._table())
        os.replace(temporary, self._path)

    def _table(self) -> Iterator[tuple[int, float | None, dict[str, float]]]:
        """Rows rebuilt from the series: values of one step and epoch that follow each other share a row."""
        rows: dict[tuple[int, float | None, int], dict[str, float]] = {}
        for name, series in self._series.items():
            seen: dict[tuple[int, float | None], int] = {}
            for step, number, value in zip(series.steps, series.epochs, series.values, strict=True):
                epoch = None if math.isnan(number) else number
                again = seen[step, epoch] = seen.get((step, epoch), -1) + 1
                rows.setdefault((step, epoch, again), {})[name] = value
        for (step, epoch, _), numbers in sorted(rows.items(), key=lambda item: item[0][0]):
            yield step, epoch, numbers

    def _read(self, path: str) -> int:
        """Add the rows of a file; the size in bytes of its whole lines."""
        import json

        with open(path, "rb") as file:
            data = file.read()
        whole = data.rfind(b"\n") + 1
        for number, line in enumerate(data[:whole].splitlines(), start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                step, epoch = int(row.pop("step")), row.pop("epoch", None)
                self._add(step, epoch, {name: as_float(name, value) for name, value in row.items()})
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise ValueError(
                    f"Line {number} of {path} is not a row of a History: {line[:80]!r}. Repair or remove that line."
                ) from error
            self._logged_here = {*row} if step != self._step else self._logged_here | {*row}
            self._step = step
            self._rows += 1
        if whole < len(data):
            import warnings

            warnings.warn(
                f"The last line of {path} was half written (the run that wrote it was stopped); that one row is left "
                f"out, {self._rows} whole ones were read.",
                UserWarning,
                stacklevel=4,
            )
        return whole

    @classmethod
    def load(cls, path: "str | PathLike[str]") -> "History":
        """Read a file, for looking at it: nothing will be written to it.

        ``History(path)`` reads it and goes on writing. In both a half-written last line, left by a run that was killed,
        is left out with a warning.

        Raises
        ------
        FileNotFoundError
            There is no such file.
        ValueError
            A line other than a half-written last one is not a row; the message has its number.
        """
        history = cls()
        history._read(os.fspath(path))
        return history

    # Reading

    @property
    def names(self) -> list[str]:
        """The names of the series, in order of their first value."""
        self._settle()
        return list(self._series)

    def __len__(self) -> int:
        return self._rows

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def _get(self, name: str) -> "_Series":
        self._settle()
        if name in self._series:
            return self._series[name]
        if not self._series:
            raise KeyError(f"No series {name!r}: nothing has been logged yet.")
        from difflib import get_close_matches

        close = get_close_matches(str(name), self._series, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise KeyError(f"No series {name!r}; there are {', '.join(map(repr, self._series))}.{hint}")

    def __getitem__(self, name: str) -> np.ndarray:
        return np.array(self._get(name).values, dtype=np.float64)

    def steps(self, name: str) -> np.ndarray:
        """The steps at which a series has its values : int64 array, shape (n,)."""
        return np.array(self._get(name).steps, dtype=np.int64)

    def epochs(self, name: str) -> np.ndarray:
        """The epochs of a series' values : float64 array, shape (n,), NaN where none was given."""
        return np.array(self._get(name).epochs, dtype=np.float64)

    def last(self, name: str) -> float:
        """The newest value of a series.

        Examples
        --------
        >>> history = History()
        >>> history.log(loss=0.5)
        >>> history.last("los")
        Traceback (most recent call last):
        KeyError: "No series 'los'; there are 'loss'. Did you mean 'loss'?"
        """
        return self._get(name).values[-1]

    def smoothed(self, name: str, weight: float | None = None, *, window: int | None = None) -> np.ndarray:
        r"""A series, smoothed: by an exponential average or by the mean of the last few values.

        With `weight` :math:`w`: :math:`m_t = w\,m_{t-1} + (1 - w)\,x_t` from :math:`m_0 = 0`, and the result is
        :math:`m_t / (1 - w^t)`, so that the first values are not pulled to zero. Values that are not finite are left
        out of the average and stay in the result as they are.

        Parameters
        ----------
        name : str
            The series.
        weight : float, 0 <= weight < 1, default 0.9
            The share that the past keeps.
        window : int, >= 1, optional
            Instead of `weight`: the mean of the last `window` values (of fewer at the start).

        Returns
        -------
        float64 array, shape (n,)
            As long as the series.

        References
        ----------
        The correction is that of Kingma and Ba, "Adam: a method for stochastic optimization" (2015), section 3.

        Examples
        --------
        >>> history = History()
        >>> for loss in (4.0, 2.0, 3.0):
        ...     history.log(loss=loss)
        >>> history.smoothed("loss", 0.5)
        array([4.        , 2.66666667, 2.85714286])
        >>> history.smoothed("loss", window=2)
        array([4. , 3. , 2.5])
        """
        values = self[name]
        if window is not None:
            if weight is not None:
                raise TypeError("smoothed() takes a weight or a window, not both.")
            if window < 1:
                raise ValueError(f"window is {window}; at least 1 value is needed.")
            return _moving_mean(values, int(window))
        weight = 0.9 if weight is None else float(weight)
        if not 0 <= weight < 1:
            raise ValueError(f"weight is {weight}; it must be at least 0 (no smoothing) and less than 1.")
        return _exponential_mean(values, weight)

    def plot(
        self,
        *names: str,
        ax: Any = None,
        path: "str | PathLike[str] | None" = None,
        log: bool = False,
        smoothing: float = 0.0,
        x: str | None = None,
    ) -> Any:
        """Draw series with matplotlib; training and validation values of one name share a colour.

        Parameters
        ----------
        *names : str
            The series to draw; default all. ``loss`` and ``val_loss`` (or ``validation_loss``, ``val/loss``,
            ``test_loss`` …) count as the same quantity: the first is a solid line, the others are dashed with markers.
        ax : matplotlib Axes, optional
            Draw everything there. By default losses, rates (accuracy and its kin) and other quantities get a panel
            each.
        path : str or path, optional
            Also save the figure there, in the format of the suffix (PNG without one); folders are made, and
            an existing file is replaced only when the new one is whole.
        log : bool, default False
            Logarithmic vertical axis; rates stay linear, and so does a panel without positive values.
        smoothing : float, 0 <= smoothing < 1, default 0
            The weight of `smoothed`; the raw values stay visible behind it. Applied to solid (training) lines.
        x : {"step", "epoch"}, optional
            The horizontal axis. Default: epochs if every value drawn has one and no series has two in one epoch.

        Returns
        -------
        matplotlib Axes, or an array of them if there are several panels
            Nothing is shown: a notebook does that, and in a script ``matplotlib.pyplot.show()`` is yours to call.

        Raises
        ------
        ImportError
            matplotlib is missing: ``pip install "autograd-vs[train]"``.
        KeyError
            A name is not a series.
        """
        from .history_plot import draw

        for name in names:
            self._get(name)
        if not 0 <= smoothing < 1:
            raise ValueError(f"smoothing is {smoothing}; it must be at least 0 (none) and less than 1.")
        if x not in (None, "step", "epoch"):
            raise ValueError(f"x is {x!r}; use 'step', 'epoch' or None.")
        if not self.names:
            raise ValueError("Nothing to plot: nothing has been logged yet.")
        return draw(self, list(dict.fromkeys(names)) or self.names, ax, path, log, smoothing, x)

    def to_tensorboard(self, folder: "str | PathLike[str]") -> None:
        """Write all series as events that TensorBoard shows, through tensorboardX.

        Parameters
        ----------
        folder : str or path
            Made if it is not there. Each call writes one more file of all values: TensorBoard shows a run per folder.

        Raises
        ------
        ImportError
            tensorboardX is missing: ``pip install "autograd-vs[tensorboard]"``.

        Notes
        -----
        Values are float32 there, and epochs are left out.
        """
        try:
            from tensorboardX import SummaryWriter
        except ImportError as error:
            raise ImportError(
                'Events for TensorBoard need tensorboardX: pip install "autograd-vs[tensorboard]".'
            ) from error
        with SummaryWriter(os.fspath(folder)) as writer:
            for name in self.names:
                for step, value in zip(self.steps(name).tolist(), self[name].tolist(), strict=True):
                    writer.add_scalar(name, value, step)

    # State, copies, printing

    def state_dict(self) -> dict[str, np.ndarray]:
        """Everything as flat arrays: ``"loss/steps"`` int64, ``"loss/epochs"`` and ``"loss/values"`` float64.

        Examples
        --------
        >>> history = History()
        >>> history.log(loss=0.5)
        >>> history.state_dict()["loss/values"]
        array([0.5])
        """
        state = {}
        for name in self.names:
            state[f"{name}/steps"] = self.steps(name)
            state[f"{name}/epochs"] = self.epochs(name)
            state[f"{name}/values"] = self[name]
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over the values of a `state_dict`; what was there before, also in the file, is replaced.

        So a run that goes on from a checkpoint at step 500 loses the rows that a crashed run had written after it.
        Calls of `log` are not part of the state: rows of one step that have the same epoch count as one.

        Raises
        ------
        ValueError
            Keys are missing or unknown, or lengths differ; nothing has been changed.
        """
        series = _series_of(state)
        self._clear()
        self._series = series
        for step, _, numbers in self._table():
            self._rows += 1
            self._logged_here = set(numbers) if step != self._step else self._logged_here | set(numbers)
            self._step = step
        if self._path is not None:
            self._rewrite()

    def __getstate__(self) -> dict[str, Any]:
        self._settle()
        return {**self.__dict__, "_path": None, "_file": None}

    def __repr__(self) -> str:
        if not self.names:
            return "History(empty)"
        values = ", ".join(f"{name}={self.last(name):.4g}" for name in self.names)
        return f"History({self._rows} rows up to step {self._step}; last {values})"

    def _repr_html_(self) -> str:
        rows: list[tuple[str, ...]] = [("series", "values", "last", "min (step)", "max (step)", "mean")]
        for name in self.names:
            values, steps = self[name], self.steps(name)
            finite = np.isfinite(values)
            cells = [f"{len(values)}", f"{values[-1]:.4g}", "", "", ""]
            if finite.any():
                kept, at = values[finite], steps[finite]
                low, high = kept.argmin(), kept.argmax()
                cells[2:] = [f"{kept[low]:.4g} ({at[low]})", f"{kept[high]:.4g} ({at[high]})", f"{kept.mean():.4g}"]
            rows.append((name, *cells))
        return as_html(rows)


class EarlyStopping:
    """Says when a series of a `History` has not become better for a while.

    It has no state of its own: the History is asked each time, so a run that goes on from a saved one stops where the
    run that was not stopped does.

    Parameters
    ----------
    history : History
    name : str
        The series, as ``"val_loss"``.
    patience : int, >= 1
        How many values may follow the best one that are no better.
    min_delta : float, >= 0, default 0
        By how much a value must be better to count.
    mode : {"min", "max"}, default "min"
        Whether smaller or larger is better.

    Raises
    ------
    TypeError, ValueError
        If `history`, `patience`, `min_delta` or `mode` is none of these.

    Notes
    -----
    Values that are not finite are no better than any other, and count towards the patience. For the best weights at the
    end, save where `improved` says so (`autograd_vs.save`, or a `CheckpointManager` with ``best=``) and load that.

    Examples
    --------
    >>> history = History()
    >>> stopping = EarlyStopping(history, "val_loss", patience=2)
    >>> for epoch, loss in enumerate([3.0, 1.0, 1.5, 1.2, 0.9]):
    ...     history.log(step=10 * epoch, val_loss=loss)
    ...     if stopping.due():
    ...         break
    >>> epoch, stopping.best, stopping.best_step, stopping.waited
    (3, 1.0, 10, 2)
    """

    def __init__(self, history: History, name: str, patience: int, min_delta: float = 0.0, mode: str = "min") -> None:
        if not isinstance(history, History):
            raise TypeError(f"the first argument is a History, got {history!r:.60} ({type(history).__name__})")
        if isinstance(patience, bool) or not isinstance(patience, (int, np.integer)) or patience < 1:
            raise ValueError(f"patience is an integer >= 1, got {patience!r}")
        if not 0 <= min_delta < math.inf:
            raise ValueError(f"min_delta is a number >= 0, got {min_delta!r}")
        if mode not in ("min", "max"):
            raise ValueError(f"mode is 'min' (smaller is better) or 'max', got {mode!r}")
        self.history, self.name, self.patience = history, name, int(patience)
        self.min_delta, self.mode = float(min_delta), mode

    def _best(self) -> int | None:
        """The place of the best value in the series."""
        if self.name not in self.history:
            return None
        best = None
        values = self.history[self.name] * (1 if self.mode == "min" else -1)
        for i, value in enumerate(values.tolist()):
            if math.isfinite(value) and (best is None or value < values[best] - self.min_delta):
                best = i
        return best

    def due(self) -> bool:
        """Whether it is time to stop."""
        return self.waited >= self.patience

    @property
    def waited(self) -> int:
        """How many values have followed the best one."""
        if self.name not in self.history:
            return 0
        best = self._best()
        return len(self.history[self.name]) - (0 if best is None else best + 1)

    @property
    def best(self) -> float | None:
        """The best value; None if there is none that is finite."""
        best = self._best()
        return None if best is None else float(self.history[self.name][best])

    @property
    def best_step(self) -> int | None:
        """Its step."""
        best = self._best()
        return None if best is None else int(self.history.steps(self.name)[best])

    def improved(self) -> bool:
        """Whether the latest value is the best: the time to save a checkpoint."""
        return self.waited == 0 and self._best() is not None

    def __repr__(self) -> str:
        waited = f"waited {self.waited} of {self.patience}"
        return f"EarlyStopping({self.name!r}: best {self.best} at step {self.best_step}, {waited})"


class _Series:
    """The columns of one series: typed arrays, 24 bytes a value."""

    __slots__ = ("epochs", "steps", "values")

    def __init__(self) -> None:
        self.steps = array.array("q")
        self.epochs = array.array("d")
        self.values = array.array("d")

    def append(self, step: int, epoch: float, value: float) -> None:
        """Add one row, whole or not at all: after an interrupt no column is longer than the others."""
        length = len(self.values)
        try:
            self.steps.append(step)
            self.epochs.append(epoch)
            self.values.append(value)
        except BaseException:
            del self.steps[length:], self.epochs[length:], self.values[length:]
            raise


def _whole(step: Any) -> int:
    try:
        found = operator.index(step)
    except TypeError:
        raise TypeError(f"step is an integer, got {step!r:.60} ({type(step).__name__}).") from None
    if not -(1 << 63) <= found < 1 << 63:
        raise ValueError(f"step is less than 2**63 in size, got {found}.")
    return found


def as_float(name: str, value: Any) -> float:
    """The number in a scalar of any kind; TypeError or ValueError names the series."""
    held = _hold(name, value)
    if type(held) is float:
        return held
    try:
        return float(held.item())
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name!r} is a {type(value).__name__}; its item() is not a real number.") from error


def _hold(name: str, value: Any) -> Any:
    """A float, or, for an array on a device, something that keeps its value until `as_float` fetches it."""
    if type(value) is float:
        return value
    if isinstance(value, (int, np.bool_, np.integer, np.floating)):
        return float(value)
    content = getattr(value, "array", value)  # a Tensor's or Variable's array: reading it is never "converting"
    size = getattr(content, "size", None)
    if isinstance(size, int) and size != 1:
        raise ValueError(
            f"{name!r} has shape {getattr(content, 'shape', '?')}; History takes one number: use its mean, say."
        )
    if isinstance(content, np.ndarray):
        if content.dtype.kind not in "fiub":
            raise TypeError(f"{name!r} has dtype {content.dtype}; History takes real numbers.")
        return float(content.item())
    if isinstance(value, (str, bytes, complex, np.generic)) or not hasattr(content, "item"):
        raise TypeError(f"{name!r} is a {type(value).__name__}; History takes one number per series and step.")
    # It may be overwritten before it is fetched, as what a plan computes is. Copying it does not wait either.
    copy = getattr(content, "copy", None) or getattr(content, "clone", None)
    return float(content.item()) if copy is None else copy()


def _line(step: int, epoch: float | None, numbers: dict[str, float]) -> str:
    import json

    row: dict[str, Any] = {"step": step}
    if epoch is not None:
        row["epoch"] = int(epoch) if float(epoch).is_integer() else epoch
    return json.dumps(row | numbers) + "\n"


def _series_of(state: dict[str, Any]) -> dict[str, _Series]:
    columns: dict[str, dict[str, np.ndarray]] = {}
    for key, values in state.items():
        name, _, column = key.rpartition("/")
        if not name or column not in _Series.__slots__:
            raise ValueError(f"{key!r} is not of a History's state; keys look like 'loss/steps', 'loss/values'.")
        columns.setdefault(name, {})[column] = np.asarray(values)
    series = {}
    for name, found in columns.items():
        missing = [column for column in _Series.__slots__ if column not in found]
        if missing:
            raise ValueError(f"The state of series {name!r} has no {', '.join(missing)}.")
        lengths = {column: len(values) for column, values in found.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"The state of series {name!r} has columns of different length: {lengths}.")
        one = series[name] = _Series()
        one.steps.extend(found["steps"].astype(int).tolist())
        one.epochs.extend(found["epochs"].astype(float).tolist())
        one.values.extend(found["values"].astype(float).tolist())
    return series


def _exponential_mean(values: np.ndarray, weight: float) -> np.ndarray:
    smooth, mean, past = values.copy(), 0.0, 1.0
    for i, value in enumerate(values.tolist()):
        if math.isfinite(value):
            mean = weight * mean + (1 - weight) * value
            past *= weight
            smooth[i] = mean / (1 - past)
    return smooth


def _moving_mean(values: np.ndarray, window: int) -> np.ndarray:
    finite = np.isfinite(values)
    # Offsetting by the first finite value keeps the running sum small beside the values.
    base = values[finite][0] if finite.any() else 0.0
    sums = np.concatenate([[0.0], np.cumsum(np.where(finite, values - base, 0.0))])
    counts = np.concatenate([[0], np.cumsum(finite)])
    start = np.maximum(np.arange(1, len(values) + 1) - window, 0)
    inside = np.maximum(counts[1:] - counts[start], 1)
    return np.where(finite, base + (sums[1:] - sums[start]) / inside, values)
