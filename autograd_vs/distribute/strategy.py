"""DataParallel: what a training script says to the other processes that run it. Floor 3."""

import atexit
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from functools import partial
from typing import Any
from weakref import ref

import numpy as np

from ..base import backend, ranks
from ..base.dtypes import is_differentiable
from ..base.errors import user_level
from ..base.nest import flatten, pack
from ..checkpoint import collect
from ..engine.cotangent import bare
from ..engine.outside import tracing
from ..engine.tensor import Tensor, as_tensor, tensor_of
from ..ops.constants import stop_gradient
from ..transforms.custom import custom_gradient
from ..transforms.grad import alias
from .exchange import Average, Entry, Exchange, number, on_all_ranks, said, sum_dtype
from .mpi import WAIT, abort_on_error, connect, share_cores

__all__ = ["DataParallel"]


class DataParallel:
    """Several processes, each with its part of a batch, make one training step together.

    ``mpiexec -n 4 python train.py`` starts the same script four times. The processes are *ranks*, from 0 on. Each has
    all variables, sees its rows of each batch, and computes their gradients; `average` makes of these the gradient of
    the whole batch, so that all ranks make the same update. Without ``mpiexec`` there is one rank, and everything here
    gives back what it is given.

    Parameters
    ----------
    comm : mpi4py communicator, optional
        Of the ranks that take part; by default all that ``mpiexec`` started.
    wait : float, default 60
        Seconds until all ranks have to be here. One that raised before it imported this package is not missed earlier.

    Attributes
    ----------
    rank, size : int
        The number of this process, and how many there are.
    local_rank : int
        Its number among those on the same machine: ``av.device(f"gpu:{strategy.local_rank}")``.
    is_main : bool
        Whether it is rank 0.

    Raises
    ------
    ImportError
        If ``mpiexec`` started several processes, and mpi4py is missing: ``pip install "autograd-vs[mpi]"``.
    RuntimeError
        If ``mpiexec`` belongs to another MPI than mpi4py.

    Notes
    -----
    All ranks make the same calls of a strategy, in the same order. Each call first compares what the ranks are about to
    do, for which variables, at which step; where they disagree, all raise a RuntimeError that says who is where, and
    nothing has been changed. A rank that is at its end while another goes on is such a case.

    Ranks on the same cores share them, unless ``OMP_NUM_THREADS`` says how many threads each has. As long as there are
    several ranks, an exception that nobody catches is printed with its rank and ends all of them;
    only rank 0 draws progress bars (`autograd_vs.progress`), and writes files (`save`, `CheckpointManager`, `History`):
    on the others these do everything else, and wait for nobody. Streams of `autograd_vs.random` give other numbers on
    each rank (dropout), and have the same states, so checkpoints do not depend on the number of ranks. Initial values
    depend on seed and name as ever.

    What arrays on the host need goes through MPI, in one packed buffer for each dtype; arrays on GPUs go through NCCL.

    References
    ----------
    A. Sergeev, M. Del Balso, "Horovod: fast and easy distributed deep learning in TensorFlow", 2018.
    S. Li et al., "PyTorch Distributed: experiences on accelerating data parallel training", VLDB 2020.

    Examples
    --------
    >>> import optim
    >>> strategy = DataParallel()
    >>> x, y = np.arange(8.0).reshape(4, 2), np.ones((4, 1))
    >>> with av.VariableStore(seed=0) as store:
    ...     model = av.layers.Dense(1, dtype="float64")
    ...     optimizer = optim.SGD(0.01)
    ...     data = av.data.batches((x, y), 2, shuffle=0, shard=strategy)  # 2 rows, for all ranks together
    ...     _ = model(x)
    ...     strategy.broadcast(store, optimizer)
    ...     for x, y in data:
    ...         with av.GradientTape() as tape:
    ...             loss = av.nn.mse(y, model(x))
    ...         gradients = tape.gradient(loss, model.weights)
    ...         gradients = strategy.average(gradients, model.weights, weight=len(x))
    ...         optimizer.apply_gradients(zip(gradients, model.weights))
    ...         loss = strategy.mean(loss, weight=len(x))
    >>> strategy, optimizer.iterations
    (<DataParallel: rank 0 of 1>, 2)
    """

    def __init__(self, comm: Any = None, wait: float = WAIT) -> None:
        link: Any = comm if hasattr(comm, "local_rank") else connect(comm, wait)
        self.rank: int = 0 if link is None else link.rank
        self.size: int = 1 if link is None else link.size
        self.local_rank: int = 0 if link is None else link.local_rank
        self._exchange: Any = None
        self._trained: dict[str, Any] = {}  # name -> weak reference, of the trainable variables that were broadcast
        if self.size > 1:
            self._exchange = Exchange(link)
            self._undo = abort_on_error(link), share_cores(link)
            self._outer = ranks.set_rank(self.rank)
            atexit.register(self._at_exit)

    @property
    def is_main(self) -> bool:
        """Whether this is rank 0."""
        return self.rank == 0

    # ---------------------------------------------------------------- gradients and numbers
    def average(self, gradients: Any, variables: Any, weight: Any = 1.0) -> Any:
        r"""The gradient of the whole batch, of the gradients that each rank has for its part.

        .. math:: \bar g = \sum_r w_r g_r \Big/ \sum_r w_r

        Parameters
        ----------
        gradients : nest of Tensor, array, IndexedSlices or None
            As ``tape.gradient(loss, variables)`` gives them, where the loss is a mean over the rows of this rank. None
            counts as zero where another rank has a gradient.
        variables : nest of Variable
            In the same order. Their names, shapes and dtypes are compared across the ranks.
        weight : float or Tensor, >= 0, default 1
            How many rows (tokens, ...) the mean was taken over: ``len(x)``. With 0 the gradients do not count, even if
            they are NaN.

        Returns
        -------
        nest
            In the structure of `gradients`: the same on all ranks, bit for bit. Tensors; rows stay rows, those of all
            ranks. None where no rank has a gradient. Half precision is added up in float32.

        Raises
        ------
        RuntimeError
            If names, shapes, dtypes or their order differ between ranks, if a gradient is rows on one and dense on
            another, or if ranks are at different steps or do something else: on all ranks, before anything is changed.
        ValueError
            If a gradient has another shape than its variable, there is not one for each, or no weight is positive.

        Notes
        -----
        Clip afterwards (the options of the optimizers do): what is clipped before is not the gradient of the batch. To
        accumulate gradients over several batches, add them up and average the sum.

        Examples
        --------
        >>> w = av.Variable([1.0, 2.0])
        >>> DataParallel().average([np.array([0.5, 0.5])], [w], weight=32)
        [array([0.5, 0.5])]
        """
        each, of = flatten(gradients), flatten(variables)
        if len(each) != len(of):
            raise ValueError(f"one gradient for each variable: got {len(each)} gradients and {len(of)} variables")
        if self._is_alone():
            return gradients
        return pack(gradients, Average(self._exchange, each, of).results(weight))

    def mean(self, value: Any, weight: Any = 1.0) -> Tensor:
        """The weighted mean over all ranks of a number, or of an array element by element. No gradient passes.

        Parameters
        ----------
        value : float, array or Tensor
            Of the same shape on all ranks: the loss. Integers and bools count as float64.
        weight : float or Tensor, >= 0, default 1
            As in `average`; with 0 the value does not count, even if it is NaN.

        Returns
        -------
        Tensor
            Of the same shape and dtype, the same on all ranks.

        Raises
        ------
        RuntimeError, ValueError
            As `average`.

        Examples
        --------
        >>> DataParallel().mean(0.25).item()
        0.25
        """
        value = as_tensor(value)
        if not is_differentiable(value.dtype):
            value = value.astype(np.float64)
        return stop_gradient(value) if self._is_alone() else tensor_of(on_all_ranks(self._mean, value, weight))

    def _mean(self, value, weight):
        array = bare(value)
        what = f"the mean of an array of shape {array.shape} and dtype {array.dtype}"
        share, _ = self._exchange.agree(what, weight=number(weight))
        total = self._scaled(array, share)
        self._exchange.add(total)
        return total.reshape(array.shape).astype(array.dtype)

    @staticmethod
    def _scaled(array, factor: float):
        """A flat copy, times a number; zeros where that is 0, whatever the array holds."""
        dtype, xp = sum_dtype(array.dtype), backend.namespace(array)
        flat = array.reshape(-1)
        return xp.multiply(flat, dtype.type(factor), dtype=dtype) if factor else xp.zeros(flat.shape, dtype)

    def all_reduce(self, x: Any, weight: float = 1.0) -> Tensor:
        """The sum of an array over all ranks, through which gradients pass.

        Parameters
        ----------
        x : array_like, float
            Of the same shape on all ranks.
        weight : float, default 1
            That of this rank in `average`. It matters to gradients only: they are those of the mean of all losses,
            weighted so.

        Returns
        -------
        Tensor

        Raises
        ------
        RuntimeError, ValueError
            As `average`. When a tape walks back: all ranks do so together.
        TypeError
            If `x` has another dtype than float or complex.
        NotImplementedError
            For a second derivative.

        Examples
        --------
        >>> DataParallel().all_reduce(np.array([1.0, 2.0])).tolist()
        [1.0, 2.0]
        """
        x = as_tensor(x)
        if not is_differentiable(x.dtype):
            raise TypeError(f"all_reduce takes float or complex arrays, got {x.dtype}: cast it first")
        return alias(x) if self._is_alone() else self._summed(x, weight)

    def _summed(self, x, weight) -> Tensor:
        # Rank r reads the sum in a loss that counts w_r; what goes back to its part counts w_r, too, in `average`.
        forth, back = partial(self._sum, False), partial(self._sum, True)
        forth.__qualname__, back.__qualname__ = "all_reduce", "all_reduce, back"  # type: ignore[attr-defined]

        @custom_gradient
        def all_reduce(x):
            return tensor_of(on_all_ranks(forth, x, weight)), gradient

        @custom_gradient
        def gradient(g):
            return tensor_of(on_all_ranks(back, g, weight)), no_second_derivative

        def no_second_derivative(_):
            raise NotImplementedError("all_reduce has no second derivative")

        return all_reduce(x)

    def _sum(self, back, x, weight):
        array, weight = bare(x), number(weight)
        what = "the gradient of the sum" if back else "the sum"
        self._exchange.agree(f"{what} of an array of shape {array.shape} and dtype {array.dtype}", weight=weight)
        total = self._scaled(array, weight if back else 1.0)
        self._exchange.add(total)
        if back:
            total *= total.dtype.type(1.0 / weight if weight else 0.0)
        return total.reshape(array.shape).astype(array.dtype)

    @contextmanager
    def synchronized(self, weight: float = 1.0) -> Iterator[None]:
        """A context in which batch normalization takes mean and variance over the whole batch, of all ranks.

        Parameters
        ----------
        weight : float, default 1
            That of this rank in `average`.

        Notes
        -----
        Around the forward pass (what `recompute_grad` runs again is in it, too); the gradients that go through the
        statistics are those of the whole batch. All ranks then have the same running averages. Without it each rank
        normalizes by its own rows, running averages differ, and rank 0 saves its own.

        References
        ----------
        H. Zhang et al., "Context encoding for semantic segmentation", CVPR 2018 (synchronized batch normalization).

        Examples
        --------
        >>> with DataParallel().synchronized():
        ...     y, mean, variance = av.nn.batch_norm_train(np.array([[1.0], [3.0]]))
        >>> mean.tolist()
        [2.0]
        """
        add: Any = None
        if not self._is_alone():
            add = partial(self.all_reduce, weight=weight)
            add.opened_in = tracing()  # what is opened inside of a traced function is open in each replay
        with ranks.summed_by(add):
            yield

    def merge(self, metric: Any) -> Any:
        """A metric that has seen what those of all ranks have.

        Parameters
        ----------
        metric : autograd_vs.metrics.Metric
            It goes on with what this rank sees.

        Returns
        -------
        Metric
            A new one: ``strategy.merge(accuracy).result()``.

        Raises
        ------
        RuntimeError
            If the metrics of the ranks are of different kinds.

        Examples
        --------
        >>> accuracy = av.metrics.Accuracy()
        >>> accuracy.update(np.array([1, 0]), np.array([1, 1]))
        >>> DataParallel().merge(accuracy).result()
        0.5
        """
        self._refuse_trace("merge")
        total = deepcopy(metric)
        if self._is_alone():
            return total
        self._exchange.agree(f"merge {type(metric).__name__} with {metric._settings()}")
        total.reset()
        for state in self._exchange.link.objects(metric.state_dict()):
            other = deepcopy(total)
            other.load_state_dict(state)
            total.merge(other)
        return total

    # ---------------------------------------------------------------- values of variables, states
    def broadcast(self, *objects: Any) -> None:
        """Give all ranks what rank 0 has, and see that it has arrived.

        Parameters
        ----------
        *objects
            What `autograd_vs.save` takes: stores, variables, layers, optimizers, ``av.random``, batches, ... The steps
            of optimizers among them are compared in each later call of the strategy.

        Raises
        ------
        RuntimeError
            If names, shapes or dtypes of variables differ between ranks, or names of other objects.

        Notes
        -----
        Needed where ranks can differ: initial values without a seed, or a checkpoint that only rank 0 has read. Make
        the variables first (call the model once).
        """
        self._refuse_trace("broadcast")
        wanted = collect(objects)
        if self._is_alone():
            return
        link = self._exchange.link
        self._exchange.agree(
            "broadcast", (*_entries(wanted.variables), *(Entry(name, (), "state") for name in wanted.parts))
        )
        for v in wanted.variables.values():
            array = np.array(backend.to_numpy(v.array), order="C")
            link.fill(array)
            v.assign(array)
        for part in wanted.parts.values():
            state = link.share(part.state_dict() if self.is_main else None)
            if not self.is_main:
                part.load_state_dict(state)
        self._exchange.counted = [part for part in wanted.parts.values() if hasattr(part, "iterations")]
        self._trained |= {name: ref(v) for name, v in wanted.variables.items() if v.trainable}
        self.verify(*objects)

    def verify(self, *objects: Any) -> None:
        """See that all ranks have the same values, bit for bit.

        Parameters
        ----------
        *objects
            As for `broadcast`. They are compared by name and hash: cheap enough for each epoch.

        Raises
        ------
        RuntimeError
            Names the variables, and who has what; on all ranks.
        """
        self._refuse_trace("verify")
        wanted = collect(objects)
        if self._is_alone():
            return
        found = {f"variable {name}": _hash(v.array) for name, v in wanted.variables.items()}
        found |= {f"state of {name}": _hash(part.state_dict()) for name, part in wanted.parts.items()}
        self._exchange.agree("verify")
        all_found = self._exchange.link.objects(found)
        names = dict.fromkeys(name for each in all_found for name in each)
        wrong = {name: [each.get(name, "missing") for each in all_found] for name in names}
        wrong = {name: hashes for name, hashes in wrong.items() if len(set(hashes)) > 1}
        if wrong:
            lines = [f"{name}: {said(hashes)}" for name, hashes in [*wrong.items()][:10]]
            more = f"\n... and {len(wrong) - 10} more" if len(wrong) > 10 else ""
            raise RuntimeError("the ranks have different values (by hash):\n" + "\n".join(lines) + more)

    def barrier(self) -> None:
        """Wait until all ranks are here: before others read a file that rank 0 writes."""
        self._refuse_trace("barrier")
        if not self._is_alone():
            self._exchange.agree("barrier")

    def _is_alone(self) -> bool:
        if self._exchange is None and self.size > 1:
            raise RuntimeError(f"{self} was closed: close a strategy when nothing follows that all ranks do together")
        return self.size == 1

    def _refuse_trace(self, what: str) -> None:
        if tracing() is not None:
            raise RuntimeError(f"{what} inside of an av.function would happen at the trace only: call it outside")

    # ---------------------------------------------------------------- the end
    def close(self) -> None:
        """Part from the others, which do the same; called at the end of the script if nobody did before.

        Where trainable variables that were broadcast are no longer equal on all ranks, rank 0 warns: their gradients
        were not averaged.

        Raises
        ------
        RuntimeError
            If another rank is not at its end.
        """
        if self._exchange is None:
            return
        atexit.unregister(self._at_exit)
        self._exchange.agree("the end of the script")
        self._warn_if_apart()
        exchange, self._exchange = self._exchange, None
        for undo in self._undo:
            undo()
        ranks.set_rank(self._outer)
        exchange.close()

    def _warn_if_apart(self) -> None:
        alive = {name: v() for name, v in self._trained.items()}
        found = self._exchange.link.objects({name: _hash(v.array) for name, v in alive.items() if v is not None})
        apart = [name for name in found[0] if len({each.get(name, found[0][name]) for each in found}) > 1]
        if apart and self.is_main:
            more = f" and {len(apart) - 5} more" if len(apart) > 5 else ""
            warnings.warn(
                f"at the end the ranks have different values of {', '.join(apart[:5])}{more}: each was trained by "
                "itself. strategy.average makes gradients equal, before optimizer.apply_gradients; minimize does not",
                UserWarning,
                stacklevel=user_level(),
            )

    def _at_exit(self) -> None:
        try:
            self.close()
        except BaseException:  # here Python would print it and go on, to wait for the others for ever
            sys.excepthook(*sys.exc_info())

    def __enter__(self) -> "DataParallel":
        return self

    def __exit__(self, kind: Any, *_: Any) -> None:
        if kind is None:  # else the others are not at their end
            self.close()

    def __repr__(self) -> str:
        return f"<DataParallel: rank {self.rank} of {self.size}>"


def _entries(variables: dict[str, Any]) -> tuple[Entry, ...]:
    return tuple(Entry(name, v.shape, v.dtype) for name, v in variables.items())


def _hash(x: Any) -> str:
    """A short hash of an array, or of a nest of arrays and of what has a repr."""
    import hashlib

    found = hashlib.blake2b(digest_size=6)

    def take(x: Any) -> None:
        if isinstance(x, dict):
            for key in sorted(x, key=str):
                found.update(f"{key}\0".encode())
                take(x[key])
        elif isinstance(x, (list, tuple)):
            for one in x:
                take(one)
        elif backend.is_array(x) or hasattr(x, "position"):
            array = np.array(backend.to_numpy(bare(x)), order="C")
            found.update(f"{array.dtype} {array.shape}\0".encode())
            found.update(array.tobytes())
        else:
            found.update(f"{x!r}\0".encode())

    take(x)
    return found.hexdigest()
