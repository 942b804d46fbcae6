"""Promise 4: a run killed with SIGKILL and started again ends with the same weights as one that was not.

This file is also the program that is killed: ``python test_resume.py {network|elemnet|irnet} FOLDER NUM_CALLS``.
"""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from common import checkpoint, networks, progress, training
from common.checkpoint import CheckpointMismatchError
from common.training import TrainingConfig
from elemnet.config import ElemNetConfig
from elemnet.train import run as run_elemnet
from irnet.config import IRNetConfig
from irnet.train import run as run_irnet

# 41 rows of batch 4: 11 steps an epoch, in chunks of 3, 3, 3 and 2, with a checkpoint after each.
SETTINGS = {"batch_size": 4, "checkpoint_seconds": 0.0, "learning_rate": 3e-3, "patience_epochs": None}
ADAM = TrainingConfig(max_epochs=5, **SETTINGS)
FAST = TrainingConfig(
    max_epochs=6,
    optimizer="adamw",
    schedule="warmup_cosine",
    weight_decay=0.1,
    gradient_norm_limit=1.0,
    dropout_free_epochs=2,
    validate_every_steps=7,
    **SETTINGS,
)
STOPPING = replace(ADAM, max_epochs=50, patience_epochs=2, learning_rate=0.03)
ELEMNET = ElemNetConfig(
    recipe="test",
    data="flla",
    architecture="16x1D-8x1-1",
    dropout_rates=(0.2,),
    max_train_rows=600,
    training=replace(ADAM, batch_size=64, max_epochs=3),
)

IRNET = IRNetConfig(
    variant="16BARx1-8BARx1-1",
    recipe="test",
    data="flla",
    inputs="EF",
    target_scaling=True,
    max_train_rows=600,
    training=replace(ADAM, batch_size=64, max_epochs=3),
)


def rows() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.random((41, 5)).astype(np.float32)
    return x, (x @ np.array([1, -2, 3, 0, 1])).astype(np.float32)


def train(folder: Path | None, config: TrainingConfig = FAST, identity: str = ""):
    model = networks.build("16BAx1D-8x1D-1", 5, dropout_rates=(0.3, 0.1), seed=1)
    x, y = rows()
    return model, training.fit(
        model, (x, y), (x[:15], y[:15]), config, folder=folder, identity=identity, progress=False
    )


def train_elemnet(folder: Path | None):
    return run_elemnet(ELEMNET, folder, progress=False)


def train_irnet(folder: Path | None):
    return run_irnet(IRNET, folder, progress=False)


TRAININGS = {"network": train, "elemnet": train_elemnet, "irnet": train_irnet}


def small_chunks(patch) -> None:
    patch(training, "ROWS_PER_CHUNK", 12)


def call_after(num_calls: int, act, patch) -> None:
    """Act in the middle of a training: at that call of `advance`, which comes between a chunk and its checkpoint."""
    calls = iter(range(1, num_calls + 1))
    patch(progress.TrainingProgress, "advance", lambda *_: next(calls) == num_calls and act())


def assert_same(first, second) -> None:
    (first_model, first_result), (second_model, second_result) = first, second
    for a, b in zip(first_model.get_weights(), second_model.get_weights(), strict=True):
        assert np.array_equal(a, b)
    assert first_result.history.drop(columns="seconds").equals(second_result.history.drop(columns="seconds"))
    for name in ("best_epoch", "best_validation", "stopped"):
        assert getattr(first_result, name) == getattr(second_result, name)


def run_and_be_killed(what: str, folder: Path, num_calls: int) -> None:
    done = subprocess.run(
        [sys.executable, __file__, what, str(folder), str(num_calls)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == -signal.SIGKILL, done.stderr[-3000:]


@pytest.fixture
def chunks(monkeypatch):
    small_chunks(monkeypatch.setattr)


class Killed(BaseException):
    """Stands in for SIGKILL where starting a process would cost too much."""


def kill():
    raise Killed


# ------------------------------------------------------------------------------------------------------- resuming


def test_a_run_killed_twice_ends_as_one_that_was_not(tmp_path, chunks):
    run_and_be_killed("network", tmp_path, 8)  # in the middle of epoch 2
    state, _ = checkpoint.load(tmp_path / "checkpoint.npz", fingerprint=fingerprint_of(tmp_path))
    assert state["step"] == 17
    run_and_be_killed("network", tmp_path, 12)
    assert_same(train(tmp_path), train(None))


def fingerprint_of(folder: Path) -> str:
    import json

    with np.load(folder / "checkpoint.npz") as file:
        return json.loads(file["header"].tobytes())["fingerprint"]


@pytest.mark.parametrize(
    ("config", "kill_points"),
    [(ADAM, [1, 2, 4, 5]), (STOPPING, [2]), (replace(ADAM, restore_best=False, shuffle=False, max_epochs=2), [5])],
    ids=["adam", "early stopping", "file order"],
)
def test_wherever_it_stops_the_run_ends_the_same(tmp_path, chunks, monkeypatch, config, kill_points):
    expected = train(None, config)
    if config is STOPPING:  # the last kill falls into the last epoch, when the best weights lie in the past
        kill_points = [kill_points[0], 4 * len(expected[1].history) - kill_points[0] - 1]
        assert expected[1].best_epoch < len(expected[1].history) - 1
    for num_calls in kill_points:
        with monkeypatch.context() as patch, pytest.raises(Killed):
            call_after(num_calls, kill, patch.setattr)
            train(tmp_path, config)
    assert_same(train(tmp_path, config), expected)
    if config is STOPPING:
        assert expected[1].stopped == "patience"


@pytest.mark.parametrize("what", ["elemnet", "irnet"])
def test_a_model_killed_and_trained_again_has_the_same_test_errors(what, tmp_path, chunks):
    # chunks of one step: `max(1, 12 // 64)`; ten steps an epoch
    run_and_be_killed(what, tmp_path, 14)
    assert not (tmp_path / "model.keras").exists()
    resumed, whole = TRAININGS[what](tmp_path), TRAININGS[what](None)
    assert np.array_equal(resumed.test_predictions, whole.test_predictions)
    assert resumed.test_report == whole.test_report
    assert_same((resumed.predictor.model, resumed.training), (whole.predictor.model, whole.training))
    assert {p.name for p in tmp_path.iterdir()} >= {"model.keras", "model.json", "split.json", "history.csv"}


def test_a_finished_run_comes_back_at_once(tmp_path, chunks, monkeypatch):
    first = train(tmp_path)
    monkeypatch.setattr(training.backend, "make_chunk_runner", None)  # no training step is even compiled
    again = train(tmp_path)
    assert_same(first, again)
    assert again[1].seconds == first[1].seconds


def test_the_learning_curve_is_on_disk(tmp_path, chunks):
    import pandas as pd

    _, result = train(tmp_path)
    pd.testing.assert_frame_equal(
        pd.read_csv(tmp_path / "history.csv", float_precision="round_trip"), result.history, check_exact=True
    )
    assert sorted(p.name for p in tmp_path.iterdir()) == ["checkpoint.npz", "history.csv"]


# ------------------------------------------------------------------------------------------------------- refusals


def refusal(folder: Path, *args, **kwargs) -> str:
    with pytest.raises(CheckpointMismatchError) as caught:
        train(folder, *args, **kwargs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> bytes:
    folder = tmp_path_factory.mktemp("finished")
    train(folder, replace(ADAM, max_epochs=1))
    return (folder / "checkpoint.npz").read_bytes()


@pytest.fixture
def folder(tmp_path, finished):
    (tmp_path / "checkpoint.npz").write_bytes(finished)
    return tmp_path


@pytest.mark.parametrize("changes", [{"seed": 1}, {"learning_rate": 0.1}, {"max_epochs": 2}, {"batch_size": 5}])
def test_a_checkpoint_of_other_settings_is_not_continued(folder, changes):
    config = replace(ADAM, **({"max_epochs": 1} | changes))
    assert "other settings, seed or data" in refusal(folder, config)


def test_a_checkpoint_of_another_identity_or_other_rows_is_not_continued(folder, monkeypatch):
    assert "other settings" in refusal(folder, replace(ADAM, max_epochs=1), identity="another architecture")
    x, y = rows()
    y[7] += 1e-3
    monkeypatch.setattr(sys.modules[__name__], "rows", lambda: (x, y))
    assert "other settings" in refusal(folder, replace(ADAM, max_epochs=1))


def test_how_often_checkpoints_are_made_may_change(folder):
    train(folder, replace(ADAM, max_epochs=1, checkpoint_seconds=60.0))


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-1], lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"\x80\x04K."]
)
def test_a_damaged_checkpoint_is_refused_and_kept(folder, finished, damage):
    (folder / "checkpoint.npz").write_bytes(damage(finished))
    assert "Delete it to start the run anew" in refusal(folder, replace(ADAM, max_epochs=1))
    assert (folder / "checkpoint.npz").read_bytes() == damage(finished)


def test_a_refused_elemnet_run_leaves_the_folder_as_it_was(tmp_path, monkeypatch):
    train_elemnet(tmp_path)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    with pytest.raises(CheckpointMismatchError):
        run_elemnet(ELEMNET.with_training(seed=9), tmp_path, progress=False)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


if __name__ == "__main__":
    what, folder, num_calls = sys.argv[1:]
    small_chunks(setattr)
    call_after(int(num_calls), lambda: os.kill(os.getpid(), signal.SIGKILL), setattr)
    TRAININGS[what](Path(folder))
