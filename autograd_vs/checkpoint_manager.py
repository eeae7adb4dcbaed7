"""CheckpointManager: a folder of checkpoints of one run, of which the last few and the best are kept. Floor 3.

Nothing beside the files says what there is: the step stands in the name of a file, the metric in its metadata.
"""

import math
import os
import re
import warnings
from operator import index
from typing import Any

from . import checkpoint
from .base.errors import user_level
from .base.ranks import is_main
from .checkpoint_files import TensorFile
from .history import as_float

__all__ = ["CheckpointManager"]


class CheckpointManager:
    """Saves a run every so often, keeps the last few checkpoints and the best one, and goes on where a run stopped.

    Parameters
    ----------
    directory : str or path
        Made when the first checkpoint is written. One process writes to it at a time.
    *objects
        What `autograd_vs.save` takes: stores, optimizers, `History`, `av.random`, ...
    step_interval : int, default 1
        `save` writes at multiples of this number of steps only.
    max_to_keep : int or None, default 5
        How many of the newest checkpoints are kept; None keeps all.
    best : str, optional
        The metric (a keyword of `save`) by which one more is kept: the best that the folder has.
    mode : {"min", "max"}, default "min"
        Which value of the metric is best. NaN never is; of equal ones, the first.
    checkpoint_name : str, default "ckpt"
        The first part of the names of files. Two managers in one folder need two.

    Raises
    ------
    ValueError
        If a number is less than 1, `mode` is neither "min" nor "max", or `checkpoint_name` is no name of a file; if two
        objects have one name.
    TypeError
        If one of the objects has no state.

    Notes
    -----
    A checkpoint is written beside the others, brought to the disk, and only then given its name; older ones go after
    that. So whatever happens, at any byte, the ones before it are whole. The newest is that of the highest step.

    Examples
    --------
    >>> import tempfile, optim
    >>> with av.VariableStore() as store:
    ...     w = av.get_variable("w", initializer=[3.0])
    >>> optimizer = optim.SGD(0.1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     manager = av.CheckpointManager(folder, store, optimizer, step_interval=2, max_to_keep=2, best="loss")
    ...     start = manager.restore() or 0  # None: there is no checkpoint
    ...     for step in range(start + 1, 10):
    ...         loss = optimizer.minimize(lambda: av.sum(w * w))
    ...         path = manager.save(step, loss=loss)
    ...     print(start, list(manager.checkpoints), manager.best_step)
    0 [6, 8] 8
    """

    def __init__(
        self,
        directory: "str | os.PathLike[str]",
        *objects: Any,
        step_interval: int = 1,
        max_to_keep: int | None = 5,
        best: str | None = None,
        mode: str = "min",
        checkpoint_name: str = "ckpt",
    ):
        if step_interval < 1 or (max_to_keep is not None and max_to_keep < 1):
            raise ValueError(
                f"step_interval and max_to_keep (None: all) are at least 1, got {step_interval!r} and {max_to_keep!r}"
            )
        if mode not in ("min", "max"):
            raise ValueError(f"mode is 'min' or 'max', got {mode!r}")
        if not checkpoint_name or os.path.basename(checkpoint_name) != checkpoint_name:
            raise ValueError(f"checkpoint_name is the first part of names of files, got {checkpoint_name!r}")
        checkpoint.collect(objects)  # what cannot be saved is said now, not hours later
        self.directory, self.checkpoint_name = os.fsdecode(directory), checkpoint_name
        # The second part is there after a process that was killed while it wrote.
        self._name = re.compile(re.escape(checkpoint_name) + r"-(\d+)\.safetensors(\.[\d-]+\.tmp)?")
        self._objects = objects
        self.step_interval, self.max_to_keep = step_interval, max_to_keep
        self.best, self.mode = best, mode
        self._metrics: dict[int, float] = {}  # by step, of files that were read or written

    # ---------------------------------------------------------------- what there is
    @property
    def checkpoints(self) -> dict[int, str]:
        """The paths of all checkpoints in the folder by step, the oldest first."""
        found = {int(match[1]): match[0] for match in self._listed() if not match[2]}
        return {step: os.path.join(self.directory, found[step]) for step in sorted(found)}

    @property
    def latest_checkpoint(self) -> str | None:
        """The path of the newest checkpoint, or None."""
        return next(reversed(self.checkpoints.values()), None)

    @property
    def best_step(self) -> int | None:
        """The step of the best checkpoint by the metric `best`, or None."""
        values = {step: self._metric(step, path) for step, path in self.checkpoints.items()}
        values = {step: value for step, value in values.items() if not math.isnan(value)}
        pick = min if self.mode == "min" else max
        return pick(values, key=values.__getitem__, default=None)

    def _listed(self) -> list[re.Match]:
        try:
            names = os.listdir(self.directory)
        except FileNotFoundError:
            return []
        return [match for name in names if (match := self._name.fullmatch(name))]

    def _metric(self, step: int, path: str) -> float:
        """The metric `best` of a checkpoint, NaN where it has none."""
        if self.best is None:
            return math.nan
        if step not in self._metrics:
            try:
                metrics = checkpoint.metadata_of(TensorFile(path)).get("metrics", {})
                self._metrics[step] = as_float(self.best, metrics.get(self.best, math.nan))
            except (ValueError, TypeError, AttributeError):  # damaged: `restore` says so
                self._metrics[step] = math.nan
        return self._metrics[step]

    # ---------------------------------------------------------------- writing
    def save(self, step: int, *, force: bool = False, **metrics: Any) -> str | None:
        """Write a checkpoint if one is due at this step, then remove those that are not to be kept.

        Parameters
        ----------
        step : int, >= 0
            How many steps were made; `restore` gives it back.
        force : bool, default False
            Write it, due or not (at the end of a run, or when it is interrupted).
        **metrics : number
            Kept in the metadata. Where one is due, that by which the best is found must be among them.

        Returns
        -------
        str or None
            Its path; None if none was due.

        Raises
        ------
        OSError
            If it cannot be written. All earlier checkpoints are there, and whole.
        ValueError
            If `step` is negative, or the metric `best` is not given.
        TypeError
            If `step` is no integer.
        """
        step = index(step)
        if step < 0:
            raise ValueError(f"a step is not negative, got {step}")
        if step % self.step_interval and not force:
            return None
        if self.best is not None and self.best not in metrics:
            given = f"got {', '.join(metrics)}" if metrics else "got none"
            raise ValueError(
                f"the best checkpoint is found by {self.best!r}: call save(step, {self.best}=...); {given}"
            )
        numbers = {name: as_float(name, value) for name, value in metrics.items()}
        path = os.path.join(self.directory, f"{self.checkpoint_name}-{step:010d}.safetensors")
        checkpoint.save(path, *self._objects, metadata={"step": step, "metrics": numbers})
        if self.best is not None:
            self._metrics[step] = numbers[self.best]
        self._remove_others(step)
        return path

    def _remove_others(self, new: int) -> None:
        if not is_main():
            return
        there = self.checkpoints
        kept = {*list(there)[-(self.max_to_keep or len(there)) :], self.best_step, new}
        for step, path in there.items():
            if step not in kept:
                os.remove(path)
                self._metrics.pop(step, None)
        for match in self._listed():
            if match[2]:
                os.remove(os.path.join(self.directory, match[0]))

    # ---------------------------------------------------------------- reading
    def restore(self, step: int | None = None, **options: Any) -> int | None:
        """Load the newest checkpoint, or that of `step`, into the objects.

        Parameters
        ----------
        step : int, optional
            ``manager.restore(manager.best_step)`` takes the best one.
        **options
            As `autograd_vs.load` has them: ``hyperparameters=False`` keeps learning rates that were changed,
            ``strict=False`` takes what fits.

        Returns
        -------
        int or None
            Its step; None if the folder has none, and nothing was changed.

        Raises
        ------
        FileNotFoundError
            If there is no checkpoint of `step`.
        ValueError
            If it does not fit the objects, or that of `step` is damaged; nothing is changed then.

        Warns
        -----
        UserWarning
            The newest is damaged (a disk that failed): the one before it is taken.
        """
        there = self.checkpoints
        if step is not None:
            if step not in there:
                steps = ", ".join(map(str, there)) or "none"
                raise FileNotFoundError(f"no checkpoint of step {step} in {self.directory}: there are {steps}")
            checkpoint.load(there[step], *self._objects, **options)
            return step
        damage: ValueError | None = None
        for newest, path in reversed(there.items()):
            try:
                file = TensorFile(path)
            except ValueError as error:
                damage = error
                warnings.warn(f"{error} The checkpoint before it is taken.", UserWarning, stacklevel=user_level())
                continue
            checkpoint.load(file, *self._objects, **options)
            return newest
        if damage is not None:
            raise damage
        return None

    def __repr__(self):
        there = list(self.checkpoints)
        steps = f"{len(there)} checkpoints, the last of step {there[-1]}" if there else "empty"
        return f"<CheckpointManager {self.directory!r}: {steps}>"
