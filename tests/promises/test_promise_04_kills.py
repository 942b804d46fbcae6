"""A run killed with SIGKILL and started again ends with the same weights and metrics as one that was not.

Each run is killed several times in a row at moments drawn by a seeded generator: some between its start and the first
thing that it writes, the others at a random time after it has written something new.
"""

import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest

from common.executor import iterate_tasks, run_tasks
from common.files import TEMPORARY_PREFIX
from tests.promises.nursery import PATIENCE_SECONDS, nursery
from tests.promises.saved_models import card_of, is_pair, weights_of

pytestmark = pytest.mark.skipif(os.name != "posix", reason="SIGKILL")

NUM_KILLS = 5


def files_in(folder: Path) -> dict[str, Path]:
    """All files but what a killed writer leaves behind."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(TEMPORARY_PREFIX))
    return {path.relative_to(folder).as_posix(): path for path in paths}


def marks(folder: Path) -> dict[str, int]:
    """Changes whenever something was written."""
    found = {}
    for name, path in files_in(folder).items():
        try:
            found[name] = path.stat().st_mtime_ns
        except FileNotFoundError:  # replaced or tidied up just now
            found[name] = 0
    return found


def kill_and_start_again(run: str, folder: Path, seed: int, seconds: float) -> int:
    """Kill a run some times, let it end; how often it was killed before its end.

    Args:
        run: A function of ``victims``, of the folder.
        folder: Where the run keeps what it has done.
        seed: Of the moments.
        seconds: The most between something new on disk and the kill.
    """
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    num_killed = 0
    for number in range(NUM_KILLS):
        before = marks(folder)
        victim = nursery().start(run, folder)
        if number == 1:
            time.sleep(rng.uniform(0, 5 * seconds))
        else:
            victim.wait_until(lambda before=before: marks(folder) != before)
            time.sleep(rng.uniform(0, seconds))
        if not victim.kill():
            break
        num_killed += 1
    assert num_killed >= 2, "it ended too early for the kills to mean anything"
    nursery().run(run, folder)
    return num_killed


def assert_same_models(first: Path, second: Path) -> None:
    """Weights to the bit, metrics, learning curve, split and predictions."""
    weights, others = (weights_of(folder / "model.keras") for folder in (first, second))
    assert weights.keys() == others.keys()
    for name, array in weights.items():
        assert np.array_equal(array, others[name]), name
    assert is_pair(first / "model.keras") and is_pair(second / "model.keras")
    assert card_of(first / "model.keras")["metrics"] == card_of(second / "model.keras")["metrics"]
    curves = [pd.read_csv(folder / "history.csv").drop(columns="seconds") for folder in (first, second)]
    pd.testing.assert_frame_equal(*curves, check_exact=True)
    for name in ("split.json", "test_predictions.csv"):
        assert (first / name).exists() == (second / name).exists()
        assert not (first / name).exists() or (first / name).read_bytes() == (second / name).read_bytes()


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A small network and table, and the undisturbed runs that others are held against."""
    folder = tmp_path_factory.mktemp("home")
    nursery().run("prepare_fine_tuning", folder)
    return folder


# --------------------------------------------------------------------------------------------- the run itself is killed


@pytest.mark.parametrize("run", ["train", "fine_tune"])
def test_a_training_killed_again_and_again_ends_with_the_same_weights(run, home, faults):
    whole, killed = home / f"{run} whole", home / f"{run} killed"
    nursery().run(run, whole)
    num_killed = kill_and_start_again(run, killed, seed=len(run), seconds=0.3)
    with faults.inject(num_killed):
        assert_same_models(whole, killed)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_descriptors_killed_again_and_again_end_as_the_same_table(seed, tmp_path, faults):
    nursery().run("describe", tmp_path / "whole")
    num_killed = kill_and_start_again("describe", tmp_path / "killed", seed, seconds=0.05)
    with faults.inject(num_killed):
        table = (tmp_path / "whole" / "table.csv").read_bytes()
        assert table.count(b"\n") == 121 and (tmp_path / "killed" / "table.csv").read_bytes() == table
        assert list(files_in(tmp_path / "killed")) == ["table.csv"]


def test_a_screening_killed_again_and_again_ends_with_the_same_parts(home, faults):
    whole, killed = home / "screen whole", home / "screen killed"
    nursery().run("screen", whole)
    num_killed = kill_and_start_again("screen", killed, seed=5, seconds=0.3)
    with faults.inject(num_killed):
        times = pd.read_csv(whole / "stages.csv"), pd.read_csv(killed / "stages.csv")
        assert list(times[0]) == list(times[1])
        assert times[1]["part"].is_unique and set(times[1]["part"]) <= set(times[0]["part"])
        assert len(times[0]) - num_killed <= len(times[1])  # a part is written before its times are
        parts = [{name: path.read_bytes() for name, path in files_in(folder / "parts").items()}
                 for folder in (whole, killed)]  # fmt: skip
        assert len(parts[0]) == len(times[0]) > 20 and parts[0] == parts[1]


@pytest.mark.parametrize("seed", [0])
def test_a_dictionary_killed_again_and_again_ends_with_the_same_patterns(seed, tmp_path, faults):
    nursery().run("make_dictionary", tmp_path / "whole")
    num_killed = kill_and_start_again("make_dictionary", tmp_path / "killed", seed, seconds=0.1)
    with faults.inject(num_killed):
        found = [{name: path.read_bytes() for name, path in files_in(tmp_path / kind).items()}
                 for kind in ("whole", "killed")]  # fmt: skip
        assert set(found[0]) == {"dictionary.npy", "dictionary.npy.json"} and found[0] == found[1]


# --------------------------------------------------------------------------------------------------- a worker is killed


def mean_of_draws(seed: int) -> float:
    """A task of some hundredths of a second."""
    rng = np.random.default_rng(seed)
    return float(np.mean([rng.standard_normal(20_000).mean() for _ in range(40)]))


def outcomes_while(kill, num_tasks: int, **how) -> list[float]:
    """Values by task; a worker is killed after every tenth outcome but the last ones."""
    values = {}
    for number, outcome in enumerate(iterate_tasks(mean_of_draws, range(num_tasks), **how)):
        assert outcome.reason == ""
        values[outcome.index] = outcome.value
        if number % 10 == 5 and number < num_tasks - 10:
            kill()
    return [values[index] for index in sorted(values)]


@pytest.mark.parametrize("seed", [0, 1])
def test_workers_of_the_pool_killed_at_random_cost_no_task(seed, faults):
    rng = np.random.default_rng(seed)

    def kill() -> None:
        living = [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]
        workers = [child for child in living if "spawn_main" in " ".join(child.cmdline())]
        time.sleep(rng.uniform(0, 0.02))
        workers[rng.integers(len(workers))].kill()

    expected = [outcome.value for outcome in run_tasks(mean_of_draws, range(60), num_processes=1)]
    with faults.inject(5):
        assert outcomes_while(kill, 60, num_processes=2) == expected


def test_workers_of_dask_killed_at_random_cost_no_task(faults):
    distributed = pytest.importorskip("distributed")
    import dask

    rng = np.random.default_rng(0)
    expected = [outcome.value for outcome in run_tasks(mean_of_draws, range(40), num_processes=1)]
    with (
        # Dask itself tries nothing again: what a dead worker had in hand is up to the executor
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0") as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):

        def kill() -> None:
            pids: list[int] = []
            while not pids:  # the other one may have been killed just before
                client.wait_for_workers(1, timeout=PATIENCE_SECONDS)
                pids = sorted(client.run(os.getpid, on_error="ignore").values())
            time.sleep(rng.uniform(0, 0.05))
            os.kill(pids[rng.integers(len(pids))], signal.SIGKILL)

        with faults.inject(3):
            assert outcomes_while(kill, 40, scheduler=cluster.scheduler_address) == expected


def test_workers_do_not_outlive_a_killed_driver(tmp_path, faults):
    driver = nursery().start("run_workers_for_ever", tmp_path)
    assert driver.wait_until(lambda: len(list(tmp_path.iterdir())) == 2)
    workers = [int(path.name) for path in tmp_path.iterdir()]
    assert driver.kill()
    with faults.inject():
        deadline = time.monotonic() + 60
        while any(is_running(pid) for pid in workers):
            assert time.monotonic() < deadline, "a worker outlived its driver"
            time.sleep(0.05)


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_finished_run_started_again_is_left_alone(home, faults):
    """Its card holds the time of the training, which is that of the first run."""
    folder = home / "train whole"
    before = json.loads((folder / "model.json").read_text())
    with faults.inject():
        nursery().run("train", folder)
        after = json.loads((folder / "model.json").read_text())
        assert after | {"made_with": 0} == before | {"made_with": 0}
