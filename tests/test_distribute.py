"""Training over several processes: `on_ranks.py` and `train_on_ranks.py` under mpiexec, with two and four ranks."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import autograd_vs as av

HERE = Path(__file__).parent
MPIEXEC = Path(sys.executable).with_name("mpiexec")
pytestmark = pytest.mark.host("starts processes of its own")


def mpi():
    """What starts several processes, or the reason why there is none."""
    pytest.importorskip("mpi4py", reason="mpi4py is missing: pip install 'autograd-vs[mpi]'")
    if not MPIEXEC.exists():
        pytest.skip("there is no mpiexec beside python: pip install mpich")
    return str(MPIEXEC)


def start(n, *command, timeout=60):
    """The process with n ranks when it has ended, and the seconds that it took."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(HERE.parent), os.environ.get("PYTHONPATH")]))
    launch = [mpi(), "-n", str(n)] if n else []
    begin = time.monotonic()
    ended = subprocess.run(
        [*launch, sys.executable, *map(str, command)],
        capture_output=True, text=True, timeout=timeout, env=environment, check=False,
    )  # fmt: skip
    return ended, time.monotonic() - begin


# ---------------------------------------------------------------- checks on ranks


@pytest.fixture(scope="module", params=[2, 4])
def ranks(request, tmp_path_factory):
    """What `on_ranks.py` found with so many ranks, by check; and its folder."""
    folder = tmp_path_factory.mktemp(f"ranks{request.param}")
    ended, _ = start(request.param, HERE / "on_ranks.py", folder)
    lines = [line for line in ended.stdout.splitlines() if line.startswith("FOUND ")]
    assert ended.returncode == 0 and lines, ended.stderr[-5000:]
    found = json.loads(lines[0].removeprefix("FOUND "))
    assert found["size"] == request.param
    return found["checks"], folder, ended


def names_of_checks():
    text = (HERE / "on_ranks.py").read_text()
    return [part.split("(")[0].removeprefix("def ") for part in text.split("\n@check\n")[1:]]


@pytest.mark.parametrize("name", names_of_checks())
def test_on_ranks(ranks, name):
    checks, _, _ = ranks
    assert not checks[name], "\n".join(f"rank {rank}:\n{text}" for rank, text in checks[name].items())


def test_every_check_ran(ranks):
    checks, _, ended = ranks
    assert list(checks) == names_of_checks()
    assert ended.stderr.count("100%") <= 1, "one bar, by rank 0"


def test_a_checkpoint_goes_on_with_one_process(ranks, tmp_path):
    """Saved by two or four ranks after 13 steps, in the middle of an epoch."""
    from on_ranks import Alone, run

    _, folder, _ = ranks
    wanted = np.load(folder / "after20.npz")
    whole = run(Alone(), tmp_path / "whole", 20)
    resumed = run(Alone(), folder / "resumed", 20)
    assert whole.keys() == resumed.keys() == {*wanted}
    for name in wanted:
        np.testing.assert_allclose(resumed[name], wanted[name], atol=1e-10, rtol=0, err_msg=name)
        np.testing.assert_allclose(whole[name], wanted[name], atol=1e-10, rtol=0, err_msg=name)


# ---------------------------------------------------------------- a script, and its faults


def train(n, folder, steps, *fault, timeout=60):
    return start(n, HERE / "train_on_ranks.py", folder, steps, *fault, timeout=timeout)


def test_the_same_script_alone_and_after_a_rank_was_killed(tmp_path):
    """With one process; with two, of which one is killed behind the checkpoint of step 10; and then on four."""
    alone, _ = train(0, tmp_path / "alone", 23)
    assert "trained 23 steps" in alone.stdout, alone.stderr
    killed, seconds = train(2, tmp_path / "killed", 23, "kill", 1, 12)
    assert killed.returncode != 0 and "trained" not in killed.stdout
    assert seconds < 10
    again, _ = train(4, tmp_path / "killed", 23)
    assert again.stdout.count("begins behind step 10") == 4, again.stdout + again.stderr
    assert again.returncode == 0 and again.stdout.count("trained 23 steps") == 1, again.stderr
    assert "trained by itself" not in again.stderr
    found, wanted = (np.load(tmp_path / name / "values.npz") for name in ("killed", "alone"))
    for name in wanted:
        np.testing.assert_allclose(found[name], wanted[name], atol=1e-10, rtol=0, err_msg=name)


@pytest.mark.parametrize(
    "fault, n, said",
    [
        (("raise", 1, 4), 2, ["rank 1 of 2 raised", "ArithmeticError: as it was told", "train_on_ranks.py"]),
        (("raise", 0, 1), 4, ["rank 0 of 4 raised", "ArithmeticError: as it was told"]),
        (("leave", 1, 4), 2, ["the end of the script on rank 1", "on rank 0", "shard"]),
        (("exit", 1, 4), 2, ["the end of the script on rank 1"]),
        (("skip", 1, 4), 2, ["not at the same step", "3 on rank 0; 4 on rank 1"]),
    ],
    ids=lambda x: " ".join(map(str, x)) if isinstance(x, tuple) else None,
)
def test_all_end_when_one_fails(tmp_path, fault, n, said):
    ended, seconds = train(n, tmp_path, 20, *fault, timeout=30)
    assert ended.returncode != 0 and "trained" not in ended.stdout
    for part in said:
        assert part in ended.stderr, ended.stderr
    assert seconds < 10


def test_gradients_that_nobody_averaged_are_noticed_at_the_end():
    code = """
import numpy as np
import autograd_vs as av
import optim
strategy = av.distribute.DataParallel()
v, fixed = av.Variable([1.0, 2.0], name="v"), av.Variable([0.0], name="fixed", trainable=False)
optimizer = optim.SGD(0.1)
strategy.broadcast(v, fixed, optimizer)
fixed.assign([float(strategy.rank)])  # as running averages may be
optimizer.minimize(lambda: av.sum(v * float(strategy.rank)), [v])
"""
    ended, _ = start(2, "-c", code)
    assert ended.returncode == 0 and ended.stderr.count("UserWarning") == 1, ended.stderr
    assert "different values of v: each was trained by itself. strategy.average" in ended.stderr


def test_a_rank_that_raises_before_it_has_a_strategy():
    code = """
import os
import autograd_vs as av
if os.environ["PMI_RANK"] == "1":
    raise FileNotFoundError("the data of this rank")
av.distribute.DataParallel()
print("began")
"""
    ended, seconds = start(2, "-c", code)
    assert ended.returncode != 0 and seconds < 10
    assert "a rank of 2 raised" in ended.stderr and "the data of this rank" in ended.stderr


def test_a_rank_that_never_comes():
    """It raised before it had a strategy: the others wait so long, and no longer."""
    code = """
import os
if os.environ["PMI_RANK"] == "1":
    raise FileNotFoundError("the data of this rank")
import autograd_vs as av
av.distribute.DataParallel(wait=2)
"""
    ended, seconds = start(2, "-c", code)
    assert ended.returncode != 0 and seconds < 10
    assert "the data of this rank" in ended.stderr and "Timeout (0:00:02)!" in ended.stderr


# ---------------------------------------------------------------- one process


def test_one_process_without_mpi():
    """Nothing of MPI is imported, and each call gives back what it is given."""
    code = """
import sys
import numpy as np
import autograd_vs as av
hook = sys.excepthook
with av.distribute.DataParallel() as strategy:
    v = av.Variable([1.0, 2.0])
    g = [np.ones(2, "f"), None]
    assert strategy.average(g, [v, v], weight=3) is g
    assert strategy.mean(2).item() == 2.0 and strategy.all_reduce(v).tolist() == [1, 2]
    strategy.broadcast(v)
    strategy.verify(v)
    strategy.barrier()
    assert (strategy.rank, strategy.size, strategy.local_rank, strategy.is_main) == (0, 1, 0, True)
assert "mpi4py" not in sys.modules and sys.excepthook is hook
"""
    ended, _ = start(0, "-c", code)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("name", ["PMI_SIZE", "OMPI_COMM_WORLD_SIZE"])
def test_ranks_without_mpi4py(monkeypatch, name):
    """Each would train by itself, and nobody would know."""
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    monkeypatch.delitem(sys.modules, "mpi4py.MPI", raising=False)
    monkeypatch.setenv(name.replace("SIZE", "RANK"), "1")
    monkeypatch.setenv(name, "1")
    assert av.distribute.DataParallel().size == 1
    monkeypatch.setenv(name, "3")
    with pytest.raises(ImportError, match=r"one of 3 processes.*autograd-vs\[mpi\]"):
        av.distribute.DataParallel()


def test_a_launcher_of_another_mpi():
    """Open MPI's mpiexec, say, with an mpi4py that uses MPICH: each rank believes to be alone."""
    mpi()
    code = """
import os
os.environ |= {"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "2"}
import autograd_vs as av
try:
    av.distribute.DataParallel()
except RuntimeError as error:
    assert "2 processes" in str(error) and "MPICH" in str(error), error
    print("refused")
"""
    ended, _ = start(0, "-c", code)
    assert ended.stdout == "refused\n", ended.stderr


def test_what_average_is_given():
    strategy, v = av.distribute.DataParallel(), av.Variable([1.0])
    with pytest.raises(ValueError, match="2 gradients and 1 variables"):
        strategy.average([np.ones(1), np.ones(1)], [v])


def test_a_history_that_is_older_than_the_strategy(monkeypatch, tmp_path):
    history = av.History(tmp_path / "log.jsonl")
    monkeypatch.setattr(av.distribute.strategy.ranks, "_rank", 1)
    history.log(loss=1.0)
    assert history["loss"].tolist() == [1.0] and not (tmp_path / "log.jsonl").exists()
    assert av.History(tmp_path / "log.jsonl")._path is None


# ---------------------------------------------------------------- shards of data, without other processes


def test_shards_make_up_the_batches():
    x = np.arange(23)
    parts = [[b.tolist() for b in av.data.batches(x, 5, shuffle=2, shard=(rank, 3))] for rank in range(3)]
    whole = [b.tolist() for b in av.data.batches(x, 5, shuffle=2)]
    assert [[i for part in each for i in part] for each in zip(*parts, strict=True)] == whole
    assert {len(av.data.batches(x, 5, shard=(rank, 3))) for rank in range(3)} == {5}
    batch = {"a": np.arange(3), "b": [np.ones((3, 2))]}
    found = next(iter(av.data.batches(iter([batch]), None, shard=(2, 3))))
    assert found["a"].tolist() == [2] and found["b"][0].shape == (1, 2)


@pytest.mark.parametrize(
    "shard, kind", [((3, 3), ValueError), ((-1, 2), ValueError), (2, TypeError), ("01", TypeError)]
)
def test_what_is_no_shard(shard, kind):
    with pytest.raises(kind, match="shard"):
        av.data.batches(np.arange(4), 2, shard=shard)


def test_each_process_needs_the_same_order():
    with pytest.raises(ValueError, match="another order in each process"):
        av.data.batches(np.arange(4), 2, shuffle=True, shard=(0, 2))
