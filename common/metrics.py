"""Errors of regressions, scores of classifications, and how sure of them we are.

`*_error` is to be minimised, `*_score` maximised. Every function takes the truth first and the prediction
second, both of shape (n,) and in the unit of the target; errors come back in that unit. Nothing here drops or
repairs rows: a NaN or a shape that does not match is an error, because a metric over silently fewer rows is a
different metric.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import metrics as sklearn_metrics

Metric = Callable[[ArrayLike, ArrayLike], float]

# Resampled indices and errors held at once stay near 64 MB of float64, whatever the number of rows.
_RESAMPLED_VALUES_AT_ONCE = 4_000_000


def mean_absolute_error(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Return the mean of |y_true - y_pred|, the error that the thesis reports throughout.

    Args:
        y_true: True values, shape (n,).
        y_pred: Predicted values, shape (n,).

    Raises:
        ValueError: Shapes differ, no rows, or a value that is not finite.
    """
    y_true, y_pred = _check_pair(y_true, y_pred)
    return float(sklearn_metrics.mean_absolute_error(y_true, y_pred))


def root_mean_squared_error(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Return the square root of the mean squared error; it weighs the worst rows more than the MAE does.

    Args:
        y_true: True values, shape (n,).
        y_pred: Predicted values, shape (n,).

    Raises:
        ValueError: Shapes differ, no rows, or a value that is not finite.
    """
    y_true, y_pred = _check_pair(y_true, y_pred)
    return float(sklearn_metrics.root_mean_squared_error(y_true, y_pred))


def r2_score(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Return the coefficient of determination: 1 is perfect, 0 is no better than the mean of `y_true`.

    Args:
        y_true: True values, shape (n,) with n >= 2.
        y_pred: Predicted values, shape (n,).

    Raises:
        ValueError: Shapes differ, fewer than two rows, a value that is not finite, or a constant `y_true`, for which
            the score is not defined.
    """
    y_true, y_pred = _check_pair(y_true, y_pred)
    if y_true.size < 2 or np.ptp(y_true) == 0:
        raise ValueError(
            f"expected y_true with at least two different values, received {y_true.size} row(s), all "
            f"{y_true[0]:g}; R2 compares with the spread of y_true, so report an absolute error instead"
        )
    return float(sklearn_metrics.r2_score(y_true, y_pred))


def absolute_error_quantile(y_true: ArrayLike, y_pred: ArrayLike, quantile: float) -> float:
    """Return the absolute error that a share `quantile` of the rows does not exceed.

    Args:
        y_true: True values, shape (n,).
        y_pred: Predicted values, shape (n,).
        quantile: Share of rows in [0, 1]: 0.5 is the median absolute error, 0.9 the thesis's 90th percentile.
            Linear interpolation between rows.

    Raises:
        ValueError: Shapes differ, no rows, a value that is not finite, or `quantile` outside [0, 1].

    Reference:
        Thesis Fig. 3.4 and Fig. 4.5 (cumulative distribution of the absolute error).
    """
    y_true, y_pred = _check_pair(y_true, y_pred)
    if not 0 <= quantile <= 1:
        raise ValueError(f"expected a quantile in [0, 1], received {quantile}; write the 90th percentile as 0.9")
    return float(np.quantile(np.abs(y_true - y_pred), quantile))


def mean_absolute_deviation(y_true: ArrayLike) -> float:
    """Return the mean of |y_true - mean(y_true)|: the MAE of always answering the mean.

    The yardstick for an MAE: a model with this error has learnt nothing.

    Args:
        y_true: True values, shape (n,).

    Raises:
        ValueError: Not one-dimensional, no rows, or a value that is not finite.
    """
    y_true = _check_vector(y_true, "y_true")
    return float(np.mean(np.abs(y_true - np.mean(y_true))))


def regression_report(y_true: ArrayLike, y_pred: ArrayLike) -> dict[str, float | int | None]:
    """Return the figures that every regression result of the project carries.

    Args:
        y_true: True values, shape (n,).
        y_pred: Predicted values, shape (n,).

    Returns:
        `mae`, `rmse`, `r2` (None where `y_true` is constant), `median_absolute_error`,
        `p90_absolute_error`, `mean_absolute_deviation` (of `y_true`) and `n`. All but `r2` and `n` are in the
        unit of the target.

    Raises:
        ValueError: Shapes differ, no rows, or a value that is not finite.
    """
    y_true, y_pred = _check_pair(y_true, y_pred)
    return {
        "mae": mean_absolute_error(y_true, y_pred),
        "rmse": root_mean_squared_error(y_true, y_pred),
        "r2": r2_score(y_true, y_pred) if np.ptp(y_true) > 0 else None,
        "median_absolute_error": absolute_error_quantile(y_true, y_pred, 0.5),
        "p90_absolute_error": absolute_error_quantile(y_true, y_pred, 0.9),
        "mean_absolute_deviation": mean_absolute_deviation(y_true),
        "n": int(y_true.size),
    }


def classification_report(y_true: ArrayLike, probability: ArrayLike) -> dict[str, float | int | None]:
    """Return the figures that every classification result of the project carries.

    Args:
        y_true: True classes 0, 1, ..., shape (n,).
        probability: Probability of class 1, shape (n,), or of every class, shape (n, num_classes).

    Returns:
        `accuracy`, `balanced_accuracy`, `f1` (macro average over classes), `roc_auc` (one against the rest where there
        are three and more; None where a class is missing), `log_loss` and `n`.

    Raises:
        ValueError: Shapes differ, no rows, or a value that is not finite.
    """
    classes, shares = np.asarray(y_true), np.asarray(probability, np.float64)
    if len(classes) == 0 or classes.ndim != 1 or len(shares) != len(classes) or not np.isfinite(shares).all():
        raise ValueError(
            f"Expected (n,) classes with a finite probability for each, received shapes {classes.shape} and "
            f"{shares.shape}."
        )
    if shares.ndim == 1:
        shares = np.stack([1 - shares, shares], axis=1)
    shares = shares / shares.sum(axis=1, keepdims=True)  # float32 rounding, which scikit-learn refuses
    num_classes = shares.shape[1]
    predicted = shares.argmax(axis=1)
    roc_auc = None
    if len(np.unique(classes)) == num_classes:
        scores = shares[:, 1] if num_classes == 2 else shares
        roc_auc = float(sklearn_metrics.roc_auc_score(classes, scores, multi_class="ovr"))
    return {
        "accuracy": float(sklearn_metrics.accuracy_score(classes, predicted)),
        "balanced_accuracy": float(sklearn_metrics.balanced_accuracy_score(classes, predicted)),
        "f1": float(sklearn_metrics.f1_score(classes, predicted, average="macro")),
        "roc_auc": roc_auc,
        "log_loss": float(sklearn_metrics.log_loss(classes, shares, labels=np.arange(num_classes))),
        "n": int(classes.size),
    }


def roc_auc_score(y_true: ArrayLike, score: ArrayLike) -> float:
    """Return the area under the ROC curve: the share of pairs of one row of each class that `score` ranks rightly.

    Equal to scikit-learn's, which takes more than ten times as long: too long for a bootstrap.

    Args:
        y_true: True classes, 0 or 1, shape (n,).
        score: Higher for class 1, shape (n,); only its order counts. A tie is half right.

    Raises:
        ValueError: Shapes differ, a value that is not finite, or not rows of both classes and of no other.
    """
    y_true, score = _check_pair(y_true, score)
    ones, zeros = score[y_true == 1], np.sort(score[y_true == 0])
    if not ones.size or not zeros.size or ones.size + zeros.size < score.size:
        raise ValueError(
            f"expected y_true with rows of 0 and of 1, received {zeros.size} of 0, {ones.size} of 1 and "
            f"{score.size - ones.size - zeros.size} of other values"
        )
    below, not_above = (int(np.searchsorted(zeros, ones, side).sum()) for side in ("left", "right"))
    return (below + not_above) / (2 * ones.size * zeros.size)


def bootstrap_interval(
    metric: Metric,
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    strata: ArrayLike | None = None,
    num_resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the percentile bootstrap interval of `metric` over the test rows.

    Rows are drawn with replacement, so the interval speaks of the choice of test rows alone: not of the seed
    of the training, nor of a test set that differs in kind. Rows are taken as independent; compounds of one
    chemical system are not quite, and the true interval is then somewhat wider.

    Args:
        metric: Function of (y_true, y_pred) returning a float. `mean_absolute_error` is computed on all resamples at
            once; any other is called once per resample.
        y_true: True values, shape (n,).
        y_pred: Predicted values, shape (n,).
        strata: Classes whose numbers of rows every resample keeps, shape (n,); a metric that needs rows of each, such
            as `roc_auc_score`, is then always defined.
        num_resamples: Number of resamples, >= 1.
        level: Share of resamples inside the interval, in (0, 1).
        seed: Seed of the resampling; the same seed gives the same interval.

    Returns:
        (low, high), in the unit of the metric.

    Raises:
        ValueError: Shapes differ, no rows, a value that is not finite, `num_resamples` or `level` out of range.

    Reference:
        B. Efron, R. J. Tibshirani, An Introduction to the Bootstrap (1993), section 13.3.
    """
    true, pred = _check_pair(y_true, y_pred)
    if metric is mean_absolute_error and strata is None:
        _check_resampling(num_resamples, level)
        values = _resampled_means(np.abs(true - pred), num_resamples, np.random.default_rng(seed))
        return _percentile_interval(values, level)
    return _bootstrap(
        lambda rows: metric(true[rows], pred[rows]), _strata_rows(strata, true.size), num_resamples, level, seed
    )


def bootstrap_difference(
    metric: Metric,
    y_true: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    *,
    strata: ArrayLike | None = None,
    num_resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the percentile bootstrap interval of `metric` of the first prediction less that of the second.

    Both are scored on the same resampled rows. Rows that are hard for one are mostly hard for the other, so this tells
    two models apart where their own intervals overlap.

    Args:
        metric: Function of (y_true, y_pred) returning a float, called twice per resample.
        y_true: True values, shape (n,).
        first: One model's predictions, shape (n,).
        second: Another model's predictions for the same rows, shape (n,).
        strata: As in `bootstrap_interval`.
        num_resamples: Number of resamples, >= 1.
        level: Share of resamples inside the interval, in (0, 1).
        seed: Seed of the resampling; the same seed gives the same interval.

    Returns:
        (low, high), in the unit of the metric.

    Raises:
        ValueError: As `bootstrap_interval`.
    """
    true, ours = _check_pair(y_true, first)
    true, theirs = _check_pair(y_true, second)
    return _bootstrap(
        lambda rows: metric(true[rows], ours[rows]) - metric(true[rows], theirs[rows]),
        _strata_rows(strata, true.size),
        num_resamples,
        level,
        seed,
    )


def _bootstrap(
    statistic: Callable[[NDArray[np.int64]], float],
    strata_rows: list[NDArray[np.int64]],
    num_resamples: int,
    level: float,
    seed: int,
) -> tuple[float, float]:
    """Return the percentile interval of a function of resampled row numbers, drawn anew within each stratum."""
    _check_resampling(num_resamples, level)
    rng = np.random.default_rng(seed)
    values = np.empty(num_resamples)
    for i in range(num_resamples):
        values[i] = statistic(np.concatenate([rows[rng.integers(rows.size, size=rows.size)] for rows in strata_rows]))
    return _percentile_interval(values, level)


def _strata_rows(strata: ArrayLike | None, n: int) -> list[NDArray[np.int64]]:
    """Return the row numbers of each stratum; all n rows are one where there are none."""
    if strata is None:
        return [np.arange(n)]
    classes = np.asarray(strata)
    if classes.shape != (n,):
        raise ValueError(f"expected strata of shape {(n,)}, received {classes.shape}")
    return [np.flatnonzero(classes == value) for value in np.unique(classes)]


def _percentile_interval(values: NDArray[np.float64], level: float) -> tuple[float, float]:
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _check_resampling(num_resamples: int, level: float) -> None:
    if num_resamples < 1:
        raise ValueError(f"expected num_resamples >= 1, received {num_resamples}")
    if not 0 < level < 1:
        raise ValueError(f"expected a level in (0, 1), received {level}; write 95 % as 0.95")


def _resampled_means(values: NDArray[np.float64], num_resamples: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the means of `num_resamples` resamples of `values`, shape (num_resamples,)."""
    n = values.size
    rows_at_once = max(1, _RESAMPLED_VALUES_AT_ONCE // n)
    means = [
        values[rng.integers(n, size=(min(rows_at_once, num_resamples - start), n))].mean(axis=1)
        for start in range(0, num_resamples, rows_at_once)
    ]
    return np.concatenate(means)


def _check_vector(values: ArrayLike, name: str) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        remedy = "; drop the last axis with y[:, 0]" if array.ndim == 2 and array.shape[1] == 1 else ""
        raise ValueError(f"expected {name} of shape (n,), received {array.shape}{remedy}")
    if array.size == 0:
        raise ValueError(f"expected {name} with at least one row, received none")
    num_bad = int(np.count_nonzero(~np.isfinite(array)))
    if num_bad:
        first = int(np.flatnonzero(~np.isfinite(array))[0])
        raise ValueError(
            f"expected finite values in {name}, received {num_bad} NaN or infinite of {array.size} "
            f"(first at row {first}); count and remove such rows before scoring"
        )
    return array


def _check_pair(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    true = _check_vector(y_true, "y_true")
    pred = _check_vector(y_pred, "y_pred")
    if true.shape != pred.shape:
        raise ValueError(
            f"expected y_pred of the shape of y_true {true.shape}, received {pred.shape}; "
            "predict the same rows, in the same order"
        )
    return true, pred
