"""A whole training of a tiny OMNet: what it learns, what it leaves behind, resuming, and going on from it."""

from dataclasses import replace

import numpy as np
import pytest

from common import artifacts, progress, training
from omnet import data
from omnet.disorientation import disorientation_deg
from omnet.predict import Predictor, load_pretrained
from omnet.rotations import random_quaternions
from omnet.train import errors_report, run

CHANCE_DEG = 40.7  # the mean disorientation of two random orientations of a cubic crystal


def test_it_learns(trained):
    result, _ = trained
    assert 0 < result.test_deg.mean() < 0.7 * CHANCE_DEG
    curve = result.training.history["validation_mde_deg"]
    assert curve.iloc[-1] < curve.iloc[0] < CHANCE_DEG


def test_the_test_errors_are_of_clean_patterns_of_the_test_orientations(trained):
    from omnet.master_pattern import load_master_pattern
    from omnet.simulator import Simulator

    result, _ = trained
    patterns = Simulator(load_master_pattern(), result.predictor.detector).simulate(data.test_quaternions())
    answers, confidences = result.predictor.predict(patterns)
    np.testing.assert_allclose(disorientation_deg(data.test_quaternions(), answers), result.test_deg, atol=1e-9)
    assert ((confidences >= 0) & (confidences <= 1)).all()
    unsure = np.argsort(confidences)[:300]
    assert result.test_deg[unsure].mean() > result.test_deg.mean()  # the confidence says where it errs


def test_the_model_saved_is_the_model_scored(trained, tiny_config):
    result, folder = trained
    assert {path.name for path in folder.iterdir()} == {"checkpoint.npz", "history.csv", "model.keras", "model.json"}
    loaded = load_pretrained(folder / "model.keras")
    assert loaded.weights_hash() == result.predictor.weights_hash() and loaded.detector == tiny_config.detector


def test_the_card_says_what_was_done(trained, tiny_config):
    result, folder = trained
    card = artifacts.load(folder / "model.keras").card
    assert set(artifacts.REQUIRED_CARD_KEYS) <= set(card)
    assert card["architecture"] == "omnet_small 256-256" and card["head"] == "harmonics" and card["loss"] == "mse"
    assert card["elements"] == ["ni2"] and card["detector"]["shape"] == [20, 20]
    assert card["data"]["rows_train"] == 131_072 and card["data"]["rows_test"] == 1_000
    assert card["metrics"]["test"] == errors_report(result.test_deg)
    history = result.training.history
    assert card["metrics"]["validation_mde_deg"] == history["validation_mde_deg"][history["validation_loss"].idxmin()]
    assert card["learning_curve"]["epoch"] == history["epoch"].tolist() == [1, 2]


def test_the_report_of_errors():
    report = errors_report(np.array([1.0, 2.0, 3.0, 10.0]))
    assert report == {"mean_deg": 4.0, "median_deg": 2.5, "p95_deg": pytest.approx(8.95), "max_deg": 10.0, "n": 4}


class Killed(BaseException):
    """Stands in for SIGKILL where starting a process would cost too much."""


def test_a_run_killed_and_started_again_ends_with_the_same_bits(tiny_config, tmp_path, monkeypatch):
    """Noise included: its random state is part of the checkpoint."""
    from omnet.config import Augmentation

    config = replace(tiny_config, num_train=1_024, augmentation=Augmentation(noise_sd_max=1.0, high_pass_max=1.0))
    config = config.with_training(batch_size=64, checkpoint_seconds=0.0)
    monkeypatch.setattr(training, "ROWS_PER_CHUNK", 256)  # four chunks an epoch
    whole = run(config, progress=False)
    calls = iter(range(1, 9))

    def advance(*_):
        if next(calls) == 6:
            raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(progress.TrainingProgress, "advance", advance)
        run(config, tmp_path, progress=False)
    resumed = run(config.with_training(checkpoint_seconds=60.0), tmp_path, progress=False)
    assert resumed.predictor.weights_hash() == whole.predictor.weights_hash()
    assert np.array_equal(resumed.test_deg, whole.test_deg)


def test_going_on_from_a_trained_network(trained, tiny_config):
    """One step of almost no length leaves the start as it was; a start of another design is refused."""
    result, _ = trained
    short = replace(tiny_config, num_train=128).with_training(max_epochs=1, learning_rate=1e-9)
    continued = run(short, start=result.predictor, progress=False)
    assert continued.test_deg.mean() == pytest.approx(result.test_deg.mean(), abs=0.01)
    for other in ({"hidden_units": (64,)}, {"head": "quaternion"}):
        with pytest.raises(ValueError, match=r"Expected a start of the same design.*omnet_small 256-256"):
            run(replace(short, **other), start=result.predictor, progress=False)


@pytest.mark.parametrize(("head", "loss"), [("euler", "mae+mde"), ("quaternion", "mde")])
def test_other_heads_train_on_the_losses_of_the_thesis(tiny_config, head, loss):
    config = replace(tiny_config, head=head, loss=loss, num_train=4_096).with_training(batch_size=64)
    result = run(config, progress=False)
    losses = result.training.history["train_loss"]
    assert losses.iloc[-1] < losses.iloc[0]
    assert result.card["head"] == head and np.isnan(confidences_of(result.predictor)).all()


def confidences_of(predictor: Predictor) -> np.ndarray:
    return predictor.predict(np.random.default_rng(0).random((3, *predictor.detector.shape)))[1]


def test_the_paper_protocol_validates_on_the_test(tiny_config):
    config = replace(tiny_config, num_train=512, protocol="paper").with_training(max_epochs=1)
    result = run(config, progress=False)
    assert result.card["protocol"] == "paper"
    assert result.training.history["validation_mde_deg"][0] == pytest.approx(result.test_deg.mean(), abs=1e-3)


def test_chance_is_what_it_is_called():
    a, b = (random_quaternions(20_000, np.random.default_rng(seed)) for seed in (1, 2))
    assert disorientation_deg(a, b).mean() == pytest.approx(CHANCE_DEG, abs=0.3)
