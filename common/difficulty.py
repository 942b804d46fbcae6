"""How large an error a trained network is likely to make for a composition, learned from rows it was not fitted to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from common.composition import encode

PENALTY = 10.0  # of the coefficients: what ten rows with an element say of it counts half
NUM_OTHER_FEATURES = 5


@dataclass(frozen=True)
class Answered:
    """Rows whose truth is known, with a model's answers.

    Attributes:
        y: ``(n,)`` truth.
        predicted: ``(n,)``, in the unit of ``y``.
        fractions: ``(n, num_elements)``, columns in the order of the ``elements`` of the model card.
    """

    y: np.ndarray
    predicted: np.ndarray
    fractions: np.ndarray

    def __len__(self) -> int:
        return len(self.y)

    @classmethod
    def of_formulas(
        cls, y: np.ndarray, predicted: np.ndarray, formulas: Iterable[object], elements: Sequence[str]
    ) -> Answered:
        """The rows whose formulas have no other elements; a model does not answer for the rest."""
        encoded = encode(formulas, elements)
        return cls(y[encoded.ok], predicted[encoded.ok], encoded.fractions[encoded.ok])

    @property
    def errors(self) -> np.ndarray:
        """``(n,)`` absolute errors."""
        return np.abs(np.asarray(self.y, np.float64) - self.predicted)

    def take(self, rows: np.ndarray) -> Answered:
        """Rows by number or by a mask."""
        return Answered(self.y[rows], self.predicted[rows], self.fractions[rows])


@dataclass(frozen=True)
class Difficulty:
    """How large an error is to be expected, from composition and prediction alone.

    The logarithm of the error is a sum: a term for each element present, terms for three and for four and more
    elements, for the largest fraction, and for the prediction with another slope above its median.

    Attributes:
        knots: ``(3,)`` quantiles 0.01, 0.5 and 0.99 of predictions; one beyond the outer two counts as these.
        coefficients: ``(1 + num_elements + 5,)``: intercept, elements, and the other terms in the order above.
        limits: ``(2,)`` lowest and highest logarithm among the rows it was learned from, which it never leaves.
    """

    knots: np.ndarray
    coefficients: np.ndarray
    limits: np.ndarray

    @classmethod
    def fit(cls, rows: Answered) -> Difficulty:
        """Ridge regression of log(error + a quarter of the median error)."""
        errors = rows.errors
        floor = np.median(errors) / 4 or 1.0
        knots = np.quantile(rows.predicted, [0.01, 0.5, 0.99])
        features = _features(rows.predicted, rows.fractions, knots)  # (n, num_elements + 5)
        logs, mean = np.log(errors + floor), features.mean(axis=0)
        centered = features - mean
        slopes = np.linalg.solve(
            centered.T @ centered + PENALTY * np.eye(features.shape[1]), centered.T @ (logs - logs.mean())
        )
        fitted = features @ slopes + logs.mean() - mean @ slopes
        coefficients = np.concatenate([[logs.mean() - mean @ slopes], slopes])
        return cls(knots, coefficients, np.array([fitted.min(), fitted.max()]))

    def __call__(self, predicted: np.ndarray, fractions: np.ndarray) -> np.ndarray:
        """``(n,)`` above 0, in the unit of the target."""
        features = _features(predicted, fractions, self.knots)
        return np.exp(np.clip(self.coefficients[0] + features @ self.coefficients[1:], *self.limits))


def _features(predicted: np.ndarray, fractions: np.ndarray, knots: np.ndarray) -> np.ndarray:
    """``(n, num_elements + 5)``."""
    low, middle, high = knots
    spread = (high - low) / 4 or 1.0  # about a standard deviation
    present = fractions > 0
    number = present.sum(axis=1)
    value = (np.clip(predicted, low, high) - middle) / spread
    largest = fractions.max(axis=1, initial=0.0)
    return np.column_stack([present, number >= 3, number >= 4, largest, value, np.maximum(value, 0)]).astype(np.float64)
