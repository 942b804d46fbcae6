"""When a training stops, which weights it hands back, and what it refuses to train on or to hand over."""

import dataclasses

import keras
import numpy as np
import pytest

from common import networks, training
from common.training import CollapsedTrainingError, DivergedTrainingError, TrainingConfig, check_not_collapsed

NUM_ROWS = 41  # of batch 8: five full batches and a rest of one
CONFIG = TrainingConfig(learning_rate=1e-3, batch_size=8, max_epochs=2, patience_epochs=None)


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    x = rng.random((NUM_ROWS, 5)).astype(np.float32)
    return x, (x @ np.array([1, -2, 3, 0, 1]) + 0.1 * x[:, 0]).astype(np.float32)


def network(key: str = "16x2-8x1-1", seed: int = 0, **kwargs) -> keras.Model:
    return networks.build(key, 5, seed=seed, **kwargs)


def with_dropout(seed: int = 0) -> keras.Model:
    return network("16x1D-8BAx1D-1", seed, dropout_rates=(0.4, 0.2))


def fit(model, rows, validation=None, **changes):
    config = dataclasses.replace(CONFIG, **changes)
    return training.fit(model, rows, validation or rows, config, progress=False)


def same(first: keras.Model, second: keras.Model) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(first.get_weights(), second.get_weights(), strict=True))


# ---------------------------------------------------------------------------------- validation and early stopping


@pytest.fixture
def opposite(rows):
    """Validation rows whose error only grows as the training succeeds."""
    x, y = rows
    return x, -y


def test_early_stopping_by_epochs_hands_back_the_best_weights(rows, opposite):
    model, one_epoch = network("16BAx1-1"), network("16BAx1-1")
    result = fit(model, rows, opposite, max_epochs=50, patience_epochs=3)
    assert result.stopped == "patience" and result.history["epoch"].tolist() == [1, 2, 3, 4]
    assert result.best_epoch == 1 and result.best_validation == result.history["validation_mae"].min()
    fit(one_epoch, rows, opposite, max_epochs=1)
    assert same(model, one_epoch)  # moving mean and variance included


def test_the_loss_may_decide_on_the_best_weights():
    """A classifier that grows too sure: the mean error still falls while the cross entropy rises."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 5)).astype(np.float32)
    y = (rng.random(60) < 0.5).astype(np.float32)  # nothing to learn but the training rows themselves
    settings = {"loss": "binary_crossentropy", "max_epochs": 40, "learning_rate": 0.03}
    model = network("32x2-1", output_activation="sigmoid")
    result = fit(model, (x[:40], y[:40]), (x[40:], y[40:]), monitor="loss", **settings)
    history = result.history
    assert result.best_validation == history["validation_loss"].min()
    assert result.best_epoch == 1 + history["validation_loss"].idxmin() < 40
    theirs = keras.losses.BinaryCrossentropy()(y[40:, None], model(x[40:]))
    assert float(theirs) == pytest.approx(result.best_validation, rel=1e-4)
    by_mae = fit(network("32x2-1", output_activation="sigmoid"), (x[:40], y[:40]), (x[40:], y[40:]), **settings)
    assert by_mae.best_validation == by_mae.history["validation_mae"].min()
    assert "validation_loss" not in by_mae.history


def test_an_unknown_monitor_is_named(rows):
    with pytest.raises(ValueError, match="'mae' or 'loss'; received 'accuracy'"):
        fit(network(), rows, monitor="accuracy")


def test_early_stopping_by_steps(rows, opposite):
    model = network()
    result = fit(model, rows, opposite, max_epochs=50, patience_steps=5, validate_every_steps=2)
    # best at the first validation, step 2; 5 steps on is step 7, seen at the validation of step 8
    assert result.stopped == "patience" and result.history["step"].tolist() == [2, 4, 6, 8]
    x, y = opposite
    mae = np.abs(np.asarray(model(x))[:, 0] - y).mean()
    assert mae == pytest.approx(result.best_validation, rel=1e-5)
    assert result.best_validation == result.history["validation_mae"][0]


def test_the_last_weights_are_handed_back_when_asked(rows, opposite):
    model = network()
    result = fit(model, rows, opposite, max_epochs=4, restore_best=False)
    x, y = opposite
    assert np.abs(np.asarray(model(x))[:, 0] - y).mean() == pytest.approx(result.history["validation_mae"][3], rel=1e-5)
    assert result.best_epoch == 1


def test_validation_falls_on_the_steps_asked_for_and_on_ends_of_epochs(rows):
    often, seldom = with_dropout(), with_dropout()
    result = fit(often, rows, validate_every_steps=4, restore_best=False)  # 6 steps an epoch
    assert result.history["step"].tolist() == [4, 6, 8, 12]
    assert result.history["epoch"].tolist() == [0, 1, 1, 2]
    fit(seldom, rows, restore_best=False)
    assert same(often, seldom)  # looking does not change the training


# -------------------------------------------------------------------------------------------------------- alarms


@pytest.mark.parametrize(("spread", "raises"), [(0.0, True), (0.009, True), (0.011, False), (1.0, False)])
def test_the_collapse_alarm_rings_below_one_per_cent(spread, raises):
    target = np.random.default_rng(0).normal(size=(100, 1))
    if raises:
        with pytest.raises(CollapsedTrainingError, match="learning rate"):
            check_not_collapsed(5 + spread * target, target)
    else:
        check_not_collapsed(5 + spread * target, target)


def test_one_collapsed_output_among_several_rings_the_alarm():
    target = np.random.default_rng(0).normal(size=(100, 2))
    check_not_collapsed(target, target)
    with pytest.raises(CollapsedTrainingError):
        check_not_collapsed(target * [1, 0.001], target)


def test_one_value_of_the_target_is_no_collapse():
    check_not_collapsed(np.zeros((5, 1)), np.ones((5, 1)))


def test_a_network_that_learned_a_constant_is_not_handed_over(rows):
    model = network()
    model.set_weights([np.zeros_like(w) for w in model.get_weights()])  # only the last bias can learn
    with pytest.raises(CollapsedTrainingError, match="collapsed"):
        fit(model, rows)


def test_a_diverged_loss_stops_the_training(rows):
    with pytest.raises(DivergedTrainingError, match="learning rate"):
        fit(network(), rows, optimizer="sgd", learning_rate=1e30, max_epochs=20)


@pytest.mark.parametrize("restore_best", [True, False])
def test_divergence_in_the_very_last_step_is_seen_too(rows, restore_best):
    with pytest.raises(DivergedTrainingError, match="validation error"):
        fit(
            network(),
            rows,
            optimizer="sgd",
            learning_rate=1e38,
            max_epochs=1,
            batch_size=NUM_ROWS,
            restore_best=restore_best,
        )


@pytest.mark.parametrize("place", ["training", "validation"])
@pytest.mark.parametrize("fault", ["nan", "infinite target", "empty", "lengths", "two targets"])
def test_rows_that_cannot_be_trained_on_are_refused(rows, place, fault):
    x, y = (part.copy() for part in rows)
    if fault == "nan":
        x[3, 2] = np.nan
    elif fault == "infinite target":
        y[0] = np.inf
    elif fault == "empty":
        x, y = x[:0], y[:0]
    elif fault == "lengths":
        y = y[:-1]
    else:
        y = np.stack([y, y], axis=1)
    bad = {place: (x, y)}
    with pytest.raises(ValueError, match=place):
        training.fit(network(), bad.get("training", rows), bad.get("validation", rows), CONFIG, progress=False)


def test_targets_may_be_columns_or_frames(rows):
    import pandas as pd

    x, y = rows
    arrays, frames = network(), network()
    fit(arrays, (x, y[:, None]))
    fit(frames, (pd.DataFrame(x, index=range(100, 141)), pd.Series(y, index=range(100, 141))), rows)
    assert same(arrays, frames)
