"""CheckpointManager: which checkpoints there are, and that a failure costs none of them."""

import errno
import os

import numpy as np
import pytest

import autograd_vs as av
from autograd_vs import checkpoint_files as files

pytest.importorskip("safetensors", reason="checkpoints need the extra [train]")


@pytest.fixture
def w():
    with av.VariableStore():
        yield av.get_variable("w", initializer=np.zeros(100, np.float32))


def train(manager, w, steps, **metrics):
    """Write step numbers into `w`, as training would; metrics are lists by step."""
    for step in steps:
        w.assign(np.full(100, step))
        manager.save(step, **{name: values[step] for name, values in metrics.items()})


def test_every_so_many_steps_and_the_last_few(tmp_path, w):
    manager = av.CheckpointManager(tmp_path / "run", w, step_interval=3, max_to_keep=2)
    assert manager.restore() is None and manager.checkpoints == {} and manager.latest_checkpoint is None
    assert manager.save(1) is None and not (tmp_path / "run").exists()
    train(manager, w, range(1, 15))
    assert list(manager.checkpoints) == [9, 12]
    assert manager.latest_checkpoint == str(tmp_path / "run" / "ckpt-0000000012.safetensors")
    assert manager.save(14, force=True).endswith("14.safetensors")
    assert sorted(os.listdir(tmp_path / "run")) == ["ckpt-0000000012.safetensors", "ckpt-0000000014.safetensors"]
    w.assign(np.zeros(100))
    assert manager.restore() == 14 and w.numpy()[0] == 14
    assert manager.restore(12) == 12 and w.numpy()[0] == 12
    with pytest.raises(FileNotFoundError, match=r"no checkpoint of step 3 in .*: there are 12, 14"):
        manager.restore(3)


@pytest.mark.parametrize("mode, best", [("min", 4), ("max", 2)])
def test_the_best_is_kept_over_restarts_too(tmp_path, w, mode, best):
    losses = [9.0, 5.0, 8.0, float("nan"), 1.0, 1.0, 7.0, 6.0, 5.0, 4.0]
    for steps in (range(1, 6), range(6, 10)):  # two processes
        manager = av.CheckpointManager(tmp_path, w, max_to_keep=2, best="loss", mode=mode)
        train(manager, w, steps, loss=losses)
    assert list(manager.checkpoints) == [best, 8, 9] and manager.best_step == best
    assert manager.restore(manager.best_step) == best and w.numpy()[0] == best


def test_all_are_kept_on_request_and_others_files_are_left_alone(tmp_path, w):
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "ckpt-1.safetensors.bak").write_text("mine")
    (tmp_path / "ckpt-0000000001.safetensors.77-88.tmp").write_text("left by a process that was killed")
    train(av.CheckpointManager(tmp_path, w, max_to_keep=None), w, range(12))
    names = os.listdir(tmp_path)
    assert len(names) == 14 and "notes.txt" in names and "ckpt-1.safetensors.bak" in names


def test_two_managers_in_one_folder_leave_each_other_alone(tmp_path, w):
    with av.VariableStore():
        u = av.get_variable("u", (3,))
    first = av.CheckpointManager(tmp_path, w, max_to_keep=1)
    second = av.CheckpointManager(tmp_path, u, max_to_keep=2, checkpoint_name="ckpt-1")
    left = tmp_path / "ckpt-1-0000000009.safetensors.5-6.tmp"
    left.write_bytes(b"of a process that was killed")
    for step in (1, 2, 3):
        first.save(step)
        assert left.exists() == (step == 1)
        second.save(step)
    assert list(first.checkpoints) == [3] and list(second.checkpoints) == [2, 3]
    assert first.restore() == second.restore() == 3
    for name in ("", "a/b", "../x"):
        with pytest.raises(ValueError, match="checkpoint_name is the first part of names of files"):
            av.CheckpointManager(tmp_path, w, checkpoint_name=name)


def test_options_of_load_are_passed_on(tmp_path, w):
    import optim

    av.CheckpointManager(tmp_path, w, optim.SGD(0.5)).save(1)
    optimizer = optim.SGD(0.25)
    manager = av.CheckpointManager(tmp_path, w, optimizer)
    for step in (None, 1):
        assert manager.restore(step, hyperparameters=False) == 1 and optimizer.learning_rate == 0.25
    assert manager.restore() == 1 and optimizer.learning_rate == 0.5


def test_arguments_that_cannot_be(tmp_path, w):
    for options in ({"step_interval": 0}, {"max_to_keep": 0}):
        with pytest.raises(ValueError, match="at least 1"):
            av.CheckpointManager(tmp_path, w, **options)
    with pytest.raises(ValueError, match="'min' or 'max'"):
        av.CheckpointManager(tmp_path, w, mode="least")
    manager = av.CheckpointManager(tmp_path, w, best="loss")
    with pytest.raises(ValueError, match=r"save\(step, loss=...\); got accuracy"):
        manager.save(1, accuracy=0.5)
    with pytest.raises(ValueError, match="not negative"):
        manager.save(-1, loss=0.5)
    with pytest.raises(TypeError, match="integer"):
        manager.save(2.7, loss=0.5)
    with pytest.raises(TypeError, match="int has no state"):
        av.CheckpointManager(tmp_path, w, 3)
    with pytest.raises(ValueError, match="two objects are named 'history'"):
        av.CheckpointManager(tmp_path, av.History(), av.History())
    with pytest.raises(TypeError, match="'loss'"):
        manager.save(1, loss="low")
    assert os.listdir(tmp_path) == []


def test_a_failure_at_any_call_of_the_system_leaves_the_earlier_checkpoints_whole(tmp_path, w, monkeypatch):
    """`os.open`, `write`, `fsync`, `replace` fail, the n-th of them in turn."""
    manager = av.CheckpointManager(tmp_path, w, max_to_keep=2)
    train(manager, w, (1, 2))
    before = {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)}
    monkeypatch.setattr(files, "_PIECE", 64)
    calls = 0

    def failing(real, limit):
        def call(*args, **options):
            nonlocal calls
            calls += 1
            if calls > limit:
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(*args, **options)

        return call

    failures = 0
    for limit in range(200):
        calls = 0
        with monkeypatch.context() as patch:
            for name in ("open", "write", "fsync", "replace"):
                patch.setattr(files.os, name, failing(getattr(os, name), limit))
            w.assign(np.full(100, 3))
            try:
                manager.save(3)
            except OSError as error:
                assert error.errno == errno.ENOSPC
                failures += 1
            else:
                break
        now = {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)}
        assert before.items() <= now.items()
        assert len(now) == 2 or list(manager.checkpoints) == [1, 2, 3]  # only the folder was not brought to the disk
        if len(now) == 3:
            os.remove(manager.latest_checkpoint)
    assert failures > 8 and list(manager.checkpoints) == [2, 3]
    assert manager.restore() == 3


def test_a_damaged_newest_file_is_said_and_the_one_before_is_taken(tmp_path, w):
    manager = av.CheckpointManager(tmp_path, w, best="loss")
    train(manager, w, range(1, 4), loss=[0, 3, 2, 1])
    data = (tmp_path / "ckpt-0000000003.safetensors").read_bytes()
    for length in (0, 7, 50, len(data) - 1):
        (tmp_path / "ckpt-0000000003.safetensors").write_bytes(data[:length])
        other = av.CheckpointManager(tmp_path, w, best="loss")
        with pytest.warns(
            UserWarning, match="0003.safetensors is not a checkpoint.* The checkpoint before it is taken"
        ):
            assert other.restore() == 2
        assert w.numpy()[0] == 2 and other.best_step == 2
    for step in (1, 2):
        (tmp_path / f"ckpt-000000000{step}.safetensors").write_bytes(b"")
    w.assign(np.full(100, 8))
    with pytest.warns(UserWarning), pytest.raises(ValueError, match="is not a checkpoint"):
        manager.restore()
    assert w.numpy()[0] == 8


def test_a_checkpoint_of_another_model_is_an_error_and_not_skipped(tmp_path, w):
    train(av.CheckpointManager(tmp_path, w), w, (1, 2))
    with av.VariableStore():
        other = av.get_variable("u", (3,))
    with pytest.raises(ValueError, match=r"0002\.safetensors does not fit"):
        av.CheckpointManager(tmp_path, other).restore()
