"""An exception at any line of a training step leaves nothing open, nothing locked and nothing half made.

Python's tracing raises an interrupt at one line of the library after another, each in a run of its own. (A real Ctrl-C
comes at such places, too: between two lines, most often.) What is promised after it is in `docs/architecture.md`.
"""

import dis
import gc
import os
import sys
import threading
from collections import Counter
from contextlib import nullcontext

import numpy as np
import pytest

import autograd_vs as av
import optim
from autograd_vs.base import backend
from autograd_vs.engine import past, record
from autograd_vs.state import context

FOLDERS = tuple(os.path.dirname(package.__file__) + os.sep for package in (av, optim))
X = np.random.default_rng(0).normal(size=(4, 3))


class Interrupt(KeyboardInterrupt):
    pass


class Failure(Exception):
    pass


# ---------------------------------------------------------------- steps


class Training:
    """Scopes, nested tapes, regularizers, Adam with clipping and constraints, an accumulator, a History."""

    def __init__(self):
        self.store = av.VariableStore(seed=1)
        self.optimizer = optim.Adam(0.05, global_clipnorm=1.0)
        self.history = av.History()
        self.place = av.device("cpu") if backend.home() is np.ndarray else nullcontext()  # --library strict has no name

    def dense(self, h, n, name):
        with av.variable_scope(name, initializer=av.initializers.glorot_uniform()):
            w = av.get_variable("w", (h.shape[-1], n), np.float64, constraint=lambda v: av.clip(v, -0.5, 0.5))
            b = av.get_variable("b", (n,), np.float64, av.initializers.ones(), regularizer=lambda v: av.sum(v * v))
        return h @ w + b

    def step(self):
        x = av.Tensor(X)
        with self.place, self.store:
            with av.variable_scope("net", reuse=av.AUTO_REUSE), av.GradientTape() as tape:
                with av.name_scope("inner"), av.GradientTape() as inner:
                    inner.watch(x)
                    h = av.tanh(self.dense(x, 3, "a"))
                    with av.variable_scope(None, "default"):
                        y = self.dense(h, 1, "b")
                gx = inner.gradient(y, x)
                with tape.stop_recording():
                    av.mean(y)
                loss = (
                    av.mean(av.square(y - X[:, :1])) + av.mean(av.square(gx)) + sum(self.store.regularization_losses())
                )
            variables = self.store.trainable_variables()
            gradients = tape.gradient(loss, variables)
            self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
            with av.ForwardAccumulator(x, np.ones_like(X)) as accumulator:
                z = av.sum(self.store["net/a/w"] * av.mean(x))
            self.history.log(loss=loss)
        return loss.item(), accumulator.jvp(z).item()

    def variables(self):
        return self.store.variables()

    def check(self):
        assert len(self.history["loss"]) == len(self.history.steps("loss")) == len(self.history.epochs("loss"))
        assert all(np.isfinite(t.numpy()).all() for t in self.optimizer.slots.values())


class Recomputing:
    """A tape outermost; recomputed and custom gradients with assignments in between, templates, a Jacobian."""

    def __init__(self):
        self.store = av.VariableStore(seed=1)
        with self.store:
            self.v, self.w = av.Variable(np.ones(3)), av.Variable(np.full(3, 2.0))
        self.scale = av.make_template("t", lambda x: x * av.get_variable("k", (), np.float64, av.initializers.ones()))
        self.optimizer = optim.SGD(0.1, momentum=0.9, accumulate_steps=2)

    def step(self):
        v, w = self.v, self.w
        custom = av.custom_gradient(lambda x: (np.sin(x), lambda g: g * np.cos(x)))

        def moving(z):
            w.assign(w * 0.5 + 0.5)
            return np.tanh(z * v * w)

        x = av.Tensor(X[0])
        with av.GradientTape(persistent=True, check_numerics=True) as tape:
            tape.watch(x)
            h = av.recompute_grad(moving)(x)
            v.assign_sub(v * 0.1)
            y = av.sum(custom(h) * v[::-1])
            with self.store:
                y = self.scale(y)
            gs = tape.gradient(y, [v, x])
            z = y + av.sum(gs[0] * gs[0])
        v.assign_add(np.full(3, 0.01))
        g = tape.gradient(z, [v, w])
        for _ in range(2):
            self.optimizer.apply_gradients([(g[0], v)])
        return z.item(), av.sum(tape.jacobian(h, v)).item()

    def variables(self):
        return [self.v, self.w, *self.store.variables()]

    def check(self):
        assert all(np.isfinite(t.numpy()).all() for t in self.optimizer.slots.values())


# ---------------------------------------------------------------- raising at a line


def _with_exits(code, found={}):  # noqa: B006
    """Where `code` is about to call an ``__exit__``: before that call no signal is looked at, so nothing is raised."""
    if code not in found:
        steps = [i for i in dis.get_instructions(code) if i.opname != "CACHE"]
        none = [i.opname == "LOAD_CONST" and i.argval is None for i in steps]
        starts = {n for n in range(len(steps) - 2) if all(none[n : n + 3])}
        starts |= {n - 1 for n in starts if n and steps[n - 1].opname == "SWAP"}  # a value is being returned
        found[code] = {steps[n].offset for n in starts}
    return found[code]


def traced(call, target=None, error=Interrupt):
    """Run `call`. Returns the lines it ran through; with a `target` (line, n) the n-th run of that line raises."""
    lines, times = [], 0

    def local(frame, event, arg):
        nonlocal times
        code = frame.f_code
        if event == "line" and frame.f_lasti not in _with_exits(code):
            line = code.co_filename, frame.f_lineno, code.co_qualname, frame.f_back.f_lineno
            if target is None:
                lines.append(line)
            elif line == target[0]:
                times += 1
                if times == target[1]:
                    sys.settrace(None)
                    raise error
        return local

    def start(frame, event, arg):
        # What is raised in a __del__, Python itself throws away.
        foreign = not frame.f_code.co_filename.startswith(FOLDERS) or frame.f_code.co_name == "__del__"
        return None if foreign or _in_del(frame) else local

    before = sys.gettrace()
    sys.settrace(start)
    try:
        call()
    finally:
        sys.settrace(before)
    return lines


def _in_del(frame):
    frame = frame.f_back
    while frame is not None and frame.f_code.co_filename.startswith(FOLDERS):
        if frame.f_code.co_name == "__del__":
            return True
        frame = frame.f_back
    return False


# The first lines of the outermost `__exit__`: an interrupt that comes before they have done anything leaves the `with`
# open, as it does in any `with` of Python's. They are named, so that no line more is excused.
FIRST_LINES = {
    "VariableStore.__exit__": 1, "GradientTape.__exit__": 2, "ForwardAccumulator.__exit__": 2, "close_scope": 2,
    "device.__exit__": 2,
}  # fmt: skip


def is_first_line(line):
    name, number = line[2], line[1]
    if name not in FIRST_LINES:
        return False
    code = {
        "VariableStore.__exit__": av.VariableStore.__exit__, "GradientTape.__exit__": av.GradientTape.__exit__,
        "ForwardAccumulator.__exit__": av.ForwardAccumulator.__exit__, "close_scope": context.close_scope,
        "device.__exit__": av.device.__exit__,
    }[name].__code__  # fmt: skip
    body = sorted({n for _, _, n in code.co_lines() if n is not None and n > code.co_firstlineno})
    return number in body[: FIRST_LINES[name]]


def free(lock):
    got = []

    def take():
        got.append(lock.acquire(blocking=False))
        if got[0]:
            lock.release()

    thread = threading.Thread(target=take)
    thread.start()
    thread.join()
    return got[0]


def run_with_fault(make, target, error):
    """One run that breaks off at `target`, and all that must be as it should be afterwards."""
    model = make()
    traced_to_the_end = True
    try:
        traced(model.step, target, error)
    except BaseException as found:
        # A constraint that raises is told as a ConstraintError: the update was made.
        assert isinstance(found, error) or isinstance(found.__cause__, error)
        traced_to_the_end = False
    if traced_to_the_end:
        return
    try:
        excused = is_first_line(target[0])
        if not excused:
            assert record.active() is None, f"open: {record.active()!r}"
            assert context.scopes.top() is None, f"open: {context.scopes.top()!r}"
            assert backend.places.top() is None, f"open: {backend.places.top()!r}"
        assert past._open.top() is None
    finally:
        record.frames.replace(None)
        context.scopes.replace(None)
        past._open.replace(None)
        backend.places.replace(None)
    assert free(model.store.lock)
    for v in model.variables():
        assert v.position == v.own_position, f"{v.name} was not put back"
        assert id(v.array) in record.lent, f"{v.name} is left in the past"
        assert np.isfinite(v.numpy()).all()
    gc.collect()
    assert not record.live_records and not len(past._present)
    assert np.isfinite(model.step()).all()  # on the same variables, optimizer and History
    model.check()


# What opens, closes or takes something in: all of its lines, at their first run.
CRITICAL = {
    "__enter__", "__exit__", "__init__", "_adopt", "_close", "_enter", "_open", "_open_window", "_opened_by", "_pushed",
    "_use_up", "append", "attract", "bring", "claim", "close_scope", "leave", "on", "open_names", "open_place",
    "opened_whole", "over", "pop", "release", "same_names", "settle",
}  # fmt: skip


def targets(make, every):
    """Lines, told apart by the line that called it, at their first and last run; of most of them every so many."""
    make().step()  # what is made at first use
    counts = Counter(traced(make().step))
    first = [(line, 1) for line in counts]
    last = [(line, n) for line, n in counts.items() if n > 1]
    if every == 1:
        return first + last
    critical = {line[:3]: line for line in reversed(counts) if line[2].split(".")[-1] in CRITICAL}.values()
    return [(line, 1) for line in critical] + (first + last)[::every]


EVERY = int(os.environ.get("AUTOGRAD_VS_FAULTS", "29"))  # 1: all lines, which takes minutes


@pytest.mark.parametrize("error", [Interrupt, Failure], ids=["interrupt", "exception"])
@pytest.mark.parametrize("make", [Training, Recomputing])
def test_an_exception_at_any_line(make, error):
    reference = [make().step()]
    model = make()
    reference += [model.step(), model.step()]
    chosen = targets(make, EVERY)
    assert len(chosen) > 50
    gc.collect()
    gc.freeze()
    try:
        for n, target in enumerate(chosen):
            try:
                run_with_fault(make, target, error)
            except BaseException as found:
                line, times = target
                where = f"{os.path.basename(line[0])}:{line[1]} in {line[2]}, called at {line[3]}, run {times}"
                raise AssertionError(f"after an exception at {where}: {found!r}") from found
            if n % 50 == 0:  # nothing global is left that would change another model
                model = make()
                assert [model.step(), model.step()] == reference[1:]
    finally:
        gc.unfreeze()
