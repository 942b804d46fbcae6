"""What a network puts out, values or class probabilities: its loss, its targets, and how it is scored."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from common import metrics
from common.training import TrainingResult
from common.training_config import TrainingConfig


def with_loss(training: TrainingConfig, num_classes: int) -> TrainingConfig:
    """The settings of a training, with the cross entropy where classes are to be told apart."""
    if not num_classes:
        return training
    loss = "binary_crossentropy" if num_classes == 2 else "categorical_crossentropy"
    return dataclasses.replace(training, loss=loss, monitor="loss")


def as_outputs(y: np.ndarray, num_classes: int) -> np.ndarray:
    """``(n, num_outputs)`` as the network puts them out: three and more classes one-hot."""
    if num_classes > 2:
        return np.eye(num_classes)[y.astype(int)]
    return y.reshape(len(y), -1)


def in_units(training: TrainingResult, scale: np.ndarray, loss: str) -> TrainingResult:
    """The learning curve of a single scaled target in its unit; that of several stays scaled.

    Args:
        training: Of targets that were divided by ``scale``.
        scale: ``(num_outputs,)``.
        loss: Of the training; only ``"mae"`` has the unit of the target.
    """
    if len(scale) > 1 or loss != "mae":
        return training
    factor = float(scale[0])
    errors = {name: training.history[name] * factor for name in ("train_loss", "validation_mae")}
    return dataclasses.replace(
        training, history=training.history.assign(**errors), best_validation=training.best_validation * factor
    )


def report(y: np.ndarray, predicted: np.ndarray, targets: Sequence[str], num_classes: int) -> dict[str, dict]:
    """By target, ``metrics.regression_report`` or ``metrics.classification_report``.

    Args:
        y: ``(n,)`` or ``(n, num_targets)``.
        predicted: ``(n, num_outputs)``.
        targets: Names of the columns.
        num_classes: 0 for regression.
    """
    if num_classes:
        probability = predicted[:, 0] if num_classes == 2 else predicted
        return {targets[0]: metrics.classification_report(y.astype(int), probability)}
    columns = y.reshape(len(y), -1)
    return {
        target: metrics.regression_report(columns[:, number], predicted[:, number])
        for number, target in enumerate(targets)
    }
