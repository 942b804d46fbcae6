"""Losses and metrics of one's own in the training engine."""

import dataclasses

import keras
import numpy as np
import pandas as pd
import pytest

from common import networks, training
from common.checkpoint import CheckpointMismatchError
from common.training import TrainingConfig

CONFIG = TrainingConfig(learning_rate=1e-2, batch_size=8, max_epochs=3, patience_epochs=None, loss="mae")
RNG = np.random.default_rng(0)
X = RNG.random((40, 5)).astype(np.float32)
Y = np.stack([X @ np.array([1, -2, 3, 0, 1]), X[:, 0] ** 2], axis=1).astype(np.float32)


def fit(folder=None, config=CONFIG, **options):
    model = networks.build("16x1-2", 5, seed=1)
    return model, training.fit(model, (X, Y), (X[:10], Y[:10]), config, folder=folder, progress=False, **options)


def squares(true, predicted):
    """A mean of squares, one a row."""
    return keras.ops.mean(keras.ops.square(true - predicted), axis=-1)


def test_a_loss_given_as_a_function_is_the_one_minimised():
    ours, result = fit(loss=squares)
    keras_own, expected = fit(config=dataclasses.replace(CONFIG, loss="mse"))
    for a, b in zip(ours.get_weights(), keras_own.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    np.testing.assert_allclose(result.history["train_loss"], expected.history["train_loss"], rtol=1e-5)
    assert not np.allclose(ours.get_weights()[0], fit()[0].get_weights()[0], atol=1e-4)


def test_a_loss_given_as_a_function_can_be_followed():
    model, result = fit(loss=squares, config=dataclasses.replace(CONFIG, monitor="loss"))
    predicted = np.asarray(model(X[:10]))
    assert result.best_validation == pytest.approx(((predicted - Y[:10]) ** 2).mean(), rel=1e-4)
    assert result.history["validation_loss"].min() == result.best_validation


def test_metrics_are_columns_of_the_learning_curve(tmp_path):
    seen = []

    def largest(true: np.ndarray, predicted: np.ndarray) -> float:
        seen.append((true, predicted))
        return np.abs(true - predicted).max()

    model, result = fit(tmp_path, metrics={"validation_largest": largest, "two": lambda *_: 2})
    assert len(seen) == 3 and all(true.shape == predicted.shape == (10, 2) for true, predicted in seen)
    assert np.array_equal(seen[0][0], Y[:10])
    best = result.history["validation_mae"].idxmin()
    expected = np.abs(np.asarray(model(X[:10])) - Y[:10]).max()
    assert result.history["validation_largest"][best] == pytest.approx(expected, rel=1e-5)
    assert result.history["two"].tolist() == [2.0] * 3
    assert pd.read_csv(tmp_path / "history.csv").columns.tolist() == result.history.columns.tolist()


def test_the_identity_names_the_loss(tmp_path):
    """A function has no fingerprint: whoever passes one names it."""
    fit(tmp_path, loss=squares, identity="squares")
    with pytest.raises(CheckpointMismatchError):
        fit(tmp_path, identity="absolute")
