"""Training that is stopped at any step, by a kill too, and resumed is the run that was not stopped."""

import os
import signal
import subprocess
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

import autograd_vs as av
import optim

pytest.importorskip("safetensors", reason="checkpoints need the extra [train]")

ROOT = Path(__file__).parent.parent
STEPS = 11
TRACED = pytest.param(True, id="function")
BOTH_WAYS = pytest.mark.parametrize("traced", [pytest.param(False, id="eager"), TRACED])
KINDS = ["adam", "accumulating", "clipped momentum", "two optimizers", "rows", "scaled", "everything"]


class Run:
    """A small model with dropout, a schedule, shuffled batches and a History; all of its state is in `objects`."""

    def __init__(self, kind, traced):
        self.kind, self.store, self.history = kind, av.VariableStore(seed=3), av.History()
        rate = optim.schedules.cosine(0.1, STEPS)
        self.optimizers = {
            "adam": [optim.Adam(rate, weight_decay=0.01)],
            "accumulating": [optim.Adam(rate, accumulate_steps=3)],
            "clipped momentum": [optim.SGD(rate, momentum=0.9, nesterov=True, global_clipnorm=0.5)],
            "two optimizers": [optim.AdamW(rate, name="body"), optim.SGD(0.1, momentum=0.9, name="head")],
            "scaled": [optim.Adam(rate)],
            "rows": [optim.Adam(rate, lazy=True, accumulate_steps=2)],
            "everything": [optim.Lookahead(optim.Adam(0.1), steps=3)],
        }[kind]
        self.rng = np.random.default_rng(5)
        # grows until gradients overflow: so some of the steps are left out
        self.scaler = optim.LossScaler(self.optimizers[0], scale=2.0**100, growth=2.0**12, growth_steps=2)
        self.objects = [self.store, self.scaler, *self.optimizers, self.history, av.random, {"order": self.rng}]
        data = np.random.default_rng(0)
        self.x, self.y = (
            data.standard_normal((20, 4)).astype(np.float32),
            data.standard_normal((20, 2)).astype(np.float32),
        )
        self.ids = data.integers(0, 9, 20)
        self.update = av.function(self._update) if traced else self._update
        self.stopping = av.EarlyStopping(self.history, "loss", patience=2)
        self.ema = None  # and other things that "everything" has
        if kind == "everything":
            self.batches = av.data.batches(np.arange(20), 6, shuffle=4, drop_last=True, prefetch=2)
            self.mean, self.plateau = av.metrics.Mean(), optim.ReduceOnPlateau(*self.optimizers, patience=1)
            self.objects += [self.batches, self.mean, self.plateau]

    def predict(self, x, ids, training=True):
        with self.store, av.variable_scope("model", reuse=av.AUTO_REUSE):
            table = av.get_variable("table", (9, 4))
            w, b = av.get_variable("w", (4, 8)), av.get_variable("b", (8,), initializer=av.initializers.zeros)
            hidden = np.tanh((x + av.take(table, ids, axis=0)) @ w + b)
            out = av.get_variable("head", (8, 2))
            return av.nn.dropout(hidden, 0.3, training=training) @ out

    def _update(self, x, ids, y):
        with av.GradientTape() as tape:
            loss = av.nn.mse(self.predict(x, ids), y)
            target = self.scaler.scale(loss) if self.kind == "scaled" else loss
        body, head = self.store.trainable_variables(), []
        if len(self.optimizers) == 2:
            body, head = body[:-1], body[-1:]
        gradients = tape.gradient(target, body + head)
        if self.kind == "scaled":
            self.scaler.apply_gradients(zip(gradients, body, strict=True))
            return loss
        for optimizer, part in zip(self.optimizers, (body, head), strict=False):
            pairs = [(g, v) for g, v in zip(gradients, body + head, strict=True) if any(v is one for one in part)]
            optimizer.apply_gradients(pairs)
        if self.ema is not None:
            self.ema.update()
        return loss

    def next_batch(self):
        if self.kind != "everything":
            return self.rng.permutation(20)[:6]
        while True:
            for batch in islice(self.batches, 1):
                return batch.numpy()

    def step(self, number):
        batch = self.next_batch()
        noise = av.random.normal((6, 4), stream="noise").numpy() * np.float32(0.1)
        with np.errstate(over="ignore", invalid="ignore"):  # of the scaled gradients
            loss = self.update(av.Tensor(self.x[batch] + noise), av.Tensor(self.ids[batch]), av.Tensor(self.y[batch]))
        self.history.log(step=number, loss=loss)
        if self.kind == "everything":
            self.mean.update(loss)
            self.plateau.update(loss)

    def make(self):
        """Make the variables, without a draw of any stream."""
        self.predict(self.x[:1], self.ids[:1], training=False)
        if self.kind == "everything":
            self.ema = optim.ExponentialMovingAverage(self.store.variables(), 0.75)
            self.objects.append(self.ema)

    def bits(self):
        state = {name: self.store[name].numpy() for name in self.store}
        for part in self.objects:
            if hasattr(part, "state_dict"):
                state |= {f"{type(part).__name__}/{key}": value for key, value in part.state_dict().items()}
        state["stopping"] = self.stopping.waited
        found = {}
        for name, value in state.items():
            if isinstance(value, (bool, int, float)):
                found[name] = repr(value)
            else:
                found[name] = av.asarray(value).numpy().tobytes().hex()
        return found | {"random": repr(av.random.get_state()), "rng": repr(self.rng.bit_generator.state)}


def through(kind, traced, steps=STEPS):
    av.random.set_seed(1)
    run = Run(kind, traced)
    run.make()
    for number in range(steps):
        run.step(number)
    return run


@BOTH_WAYS
@pytest.mark.parametrize("kind", KINDS)
def test_stopped_at_any_step_and_resumed_in_a_new_model(kind, traced, tmp_path, seed):
    seed(1)
    run = through(kind, traced)
    wanted = run.bits()
    assert kind != "scaled" or 0 < run.scaler.skipped < STEPS
    for stop in range(STEPS + 1):
        path = tmp_path / f"{stop}.safetensors"
        first = through(kind, traced, stop)
        av.save(path, *first.objects, metadata={"step": stop})
        av.random.set_seed(99)  # another process would have another seed, and other variables
        second = Run(kind, traced)
        second.make()
        for v in second.store.variables():
            v.assign(v * 0 + 7)
        report = av.load(path, *second.objects)
        for number in range(report.metadata["step"], STEPS):
            second.step(number)
        assert second.bits() == wanted, f"stopped at {stop}"


@BOTH_WAYS
def test_led_back_in_the_same_process_a_plan_goes_on_with_what_was_loaded(traced, tmp_path, seed):
    seed(1)
    run = through("adam", traced, 5)
    av.save(tmp_path / "5", *run.objects)
    endings = []
    for _ in range(2):
        for number in range(5, STEPS):
            run.step(number)
        endings.append(run.bits())
        av.load(tmp_path / "5", *run.objects)
    assert endings[0] == endings[1] == through("adam", traced).bits()


@BOTH_WAYS
def test_a_save_changes_nothing(traced, tmp_path, seed):
    seed(1)
    run = through("accumulating", traced, 4)
    for number in range(4, STEPS):
        before = run.bits()
        av.save(tmp_path / "each", *run.objects)
        assert run.bits() == before
        run.step(number)
    assert run.bits() == through("accumulating", traced).bits()


def test_the_file_of_a_history_loses_the_rows_after_the_checkpoint(tmp_path):
    history = av.History(tmp_path / "log.jsonl")
    for step in range(5):
        history.log(step=step, loss=1 / (step + 1))
        if step == 2:
            av.save(tmp_path / "2", history)
    history.close()
    resumed = av.History(tmp_path / "log.jsonl")
    assert len(resumed["loss"]) == 5
    av.load(tmp_path / "2", resumed)
    resumed.log(step=3, loss=0.5)
    resumed.close()
    assert av.History.load(tmp_path / "log.jsonl")["loss"].tolist() == [1, 1 / 2, 1 / 3, 0.5]


SCRIPT = """
import json, os, signal, sys
sys.path.insert(0, "tests")
import autograd_vs as av
from test_resume import STEPS, Run

folder, kind, traced, die_at = sys.argv[1], sys.argv[2], sys.argv[3] == "1", int(sys.argv[4])
av.random.set_seed(1)
run = Run(kind, traced)
run.make()
manager = av.CheckpointManager(folder, *run.objects, step_interval=2, max_to_keep=2)
start = manager.restore() or 0
for step in range(start, STEPS):
    run.step(step)
    if step + 1 == die_at:
        os.kill(os.getpid(), signal.SIGKILL)
    manager.save(step + 1)
print(json.dumps([start, run.bits()]))
"""


@pytest.mark.host("processes of their own, on NumPy")
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="signals of POSIX")
@pytest.mark.parametrize("kind, traced", [("adam", True), ("accumulating", False), ("everything", True)])
def test_a_killed_process_is_resumed_bit_for_bit(kind, traced, tmp_path):
    import json

    def process(folder, die_at):
        command = [sys.executable, "-c", SCRIPT, str(tmp_path / folder), kind, str(int(traced)), str(die_at)]
        return subprocess.run(
            command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
        )

    whole = process("whole", 0)
    assert whole.returncode == 0, whole.stderr
    for die_at in (5, 8):  # twice: in the first run, and in the resumed one
        killed = process("killed", die_at)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
    resumed = process("killed", 0)
    assert resumed.returncode == 0, resumed.stderr
    start, bits = json.loads(resumed.stdout)
    assert start == 6
    assert bits == json.loads(whole.stdout)[1]
