"""What a comparison of models hands on: one model's predictions for the test rows, with what they cost."""

from dataclasses import dataclass

import numpy as np

from common import metrics


@dataclass(frozen=True)
class Scored:
    """Predictions of one model.

    Attributes:
        name: As the paper's table names it.
        y_true: ``(n,)`` in the unit of the target.
        y_pred: ``(n,)`` in the same unit.
        rows_train: Number of training rows.
        seconds_train: Wall time of training; ``None`` if it was not trained here.
        seconds_predict: Wall time of predicting the n rows; ``None`` where it was not taken.
        note: What a reader has to know.
        validation_mae: The error that choices rest on; ``None`` where none was made.
    """

    name: str
    y_true: np.ndarray
    y_pred: np.ndarray
    rows_train: int | None
    seconds_train: float | None
    seconds_predict: float | None = None
    note: str = ""
    validation_mae: float | None = None

    @property
    def mae(self) -> float:
        """Mean absolute error on the test rows."""
        return metrics.mean_absolute_error(self.y_true, self.y_pred)
