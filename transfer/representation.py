"""What the hidden activations of a trained network know of properties that it was never shown.

How well a logistic regression on the activations of a layer (``common.activations``) tells two classes apart, such as
magnetic and non-magnetic compounds.

Reference:
    Section 5.3 of the thesis; figure 9 of D. Jha et al., Nat. Commun. 10, 5316 (2019),
    doi:10.1038/s41467-019-13297-w
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_curve
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from common.activations import check_activations
from common.metrics import bootstrap_difference, bootstrap_interval, roc_auc_score

MIN_ROWS_OF_A_CLASS = 10

# Scikit-learn's C, from strong regularisation to weak; 0.01 is best for 25,000 compounds and ElemNet's first layer.
# At 1, the Newton steps of a thousand units that all say the same would be beyond float32.
_STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1)
_VALIDATION_FRACTION = 0.2


@dataclass(frozen=True)
class Separation:
    """How well a logistic regression on activations tells two classes apart.

    Attributes:
        test_rows: ``(num_test,)`` their row numbers among the activations, ascending.
        y_true: ``(num_test,)`` 0 or 1.
        score: ``(num_test,)`` logarithm of the odds of class 1; above 0 is predicted as 1.
        false_positive_rate: ``(num_points,)`` of the ROC curve, from 0 to 1.
        true_positive_rate: ``(num_points,)`` of the ROC curve, from 0 to 1.
        auc: Area under it, on the test rows: 0.5 knows nothing, 1 separates them all.
        auc_interval: Low and high end of its 95 % bootstrap interval over test rows; the training is not repeated.
        accuracy: Share of test rows predicted rightly.
        num_train: Rows it was fitted on.
        regularisation_c: Scikit-learn's ``C``, chosen within the training rows.
        weights: ``(units,)`` for units scaled to deviation 1 over the training rows.
    """

    test_rows: np.ndarray
    y_true: np.ndarray
    score: np.ndarray
    false_positive_rate: np.ndarray
    true_positive_rate: np.ndarray
    auc: float
    auc_interval: tuple[float, float]
    accuracy: float
    num_train: int
    regularisation_c: float
    weights: np.ndarray

    @property
    def num_test(self) -> int:
        """Number of test rows."""
        return len(self.test_rows)

    @property
    def majority_share(self) -> float:
        """Share of test rows of the larger class: the accuracy of always answering it."""
        share = float(self.y_true.mean())
        return max(share, 1 - share)


def separate(activations: np.ndarray, labels: ArrayLike, *, test_fraction: float = 0.1, seed: int = 0) -> Separation:
    """Fit a logistic regression on activations and see on test rows how well it tells two classes apart.

    The split keeps the shares of the classes. Each unit is scaled to mean 0 and deviation 1 over the training rows.
    The strength of the L2 regularisation is the one with the lowest log loss on a fifth of the training rows, of four
    powers of ten; the fit is then made anew on all of them. The same labels, fraction and seed give the same test
    rows whatever the activations, so networks can be compared by ``auc_difference``.

    Args:
        activations: ``(n, units)``. A composition has to come once: twice, it could be on both sides of the split.
        labels: ``(n,)`` 0 or 1.
        test_fraction: Share of test rows, up to 0.5; the thesis splits 9:1.
        seed: Seed of the split, of the split within the training rows and of the bootstrap.

    Raises:
        ValueError: If labels are not 0 and 1 with ten rows of each, an activation is not finite, or the fraction
            leaves no test row of a class.
    """
    check_activations(activations)
    classes = _checked_labels(labels, len(activations))
    train, test = _split(classes, test_fraction, seed)
    strength = _chosen_strength(activations[train], classes[train], seed)
    scaler = StandardScaler().fit(activations[train])
    regression = _logistic_regression(strength).fit(scaler.transform(activations[train]), classes[train])
    score = regression.decision_function(scaler.transform(activations[test])).astype(np.float64)
    y_true = classes[test]
    false_positive_rate, true_positive_rate, _ = roc_curve(y_true, score)
    return Separation(
        test_rows=test,
        y_true=y_true,
        score=score,
        false_positive_rate=false_positive_rate,
        true_positive_rate=true_positive_rate,
        auc=roc_auc_score(y_true, score),
        auc_interval=bootstrap_interval(roc_auc_score, y_true, score, strata=y_true, num_resamples=2000, seed=seed),
        accuracy=float(np.mean((score > 0) == y_true)),
        num_train=len(train),
        regularisation_c=strength,
        weights=regression.coef_[0],
    )


def auc_difference(
    first: Separation, second: Separation, *, num_resamples: int = 2000, seed: int = 0
) -> tuple[float, float, float]:
    """How much better the activations of one network tell the classes apart than those of another.

    Rows that are hard for one are mostly hard for the other, so resampling them together tells the two apart where
    their own intervals overlap.

    Args:
        first: One network's.
        second: Another's, on the same test rows.
        num_resamples: Number of resamples of the test rows.
        seed: Seed of the resampling.

    Returns:
        AUC of the first less that of the second, and the low and high end of its 95 % bootstrap interval.

    Raises:
        ValueError: If the two have other test rows.
    """
    if not np.array_equal(first.test_rows, second.test_rows) or not np.array_equal(first.y_true, second.y_true):
        raise ValueError(
            f"Expected the same test rows with the same labels, from the same labels, test_fraction and seed; "
            f"received {first.num_test} and {second.num_test} that differ."
        )
    low, high = bootstrap_difference(
        roc_auc_score,
        first.y_true,
        first.score,
        second.score,
        strata=first.y_true,
        num_resamples=num_resamples,
        seed=seed,
    )
    return first.auc - second.auc, low, high


def _split(classes: np.ndarray, test_fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Training and test rows, each ascending, with the shares of the classes kept."""
    if not 0 < test_fraction <= 0.5:
        raise ValueError(f"Expected a test_fraction above 0 and up to 0.5; received {test_fraction}.")
    num_test = int(np.ceil(len(classes) * test_fraction))
    rows = np.arange(len(classes))
    train, test = train_test_split(rows, test_size=max(2, num_test), stratify=classes, random_state=seed)
    if len(np.unique(classes[test])) < 2:
        rare = int(np.argmin(np.bincount(classes)))
        raise ValueError(
            f"Expected test rows of both classes; a test_fraction of {test_fraction} leaves none of the "
            f"{np.count_nonzero(classes == rare)} rows with label {rare}: take a larger one."
        )
    return np.sort(train), np.sort(test)


def _logistic_regression(strength: float) -> LogisticRegression:
    # Five or six Newton steps whatever the conditioning; lbfgs takes hundreds, and where it stops shows in the AUC.
    return LogisticRegression(C=strength, solver="newton-cholesky", warm_start=True)


def _chosen_strength(activations: np.ndarray, classes: np.ndarray, seed: int) -> float:
    """The ``C`` with the lowest log loss on a fifth of these rows when fitted on the others."""
    fitted, held_out = train_test_split(
        np.arange(len(classes)), test_size=_VALIDATION_FRACTION, stratify=classes, random_state=seed
    )
    scaler = StandardScaler().fit(activations[fitted])
    x, x_held_out = scaler.transform(activations[fitted]), scaler.transform(activations[held_out])
    regression = _logistic_regression(_STRENGTHS[0])
    sign = 2 * classes[held_out] - 1
    losses = []
    for strength in _STRENGTHS:  # each fit starts where the one before ended
        score = regression.set_params(C=strength).fit(x, classes[fitted]).decision_function(x_held_out)
        losses.append(np.logaddexp(0, -sign * score).mean())
    return _STRENGTHS[int(np.argmin(losses))]


def _checked_labels(labels: ArrayLike, num_rows: int) -> np.ndarray:
    """The labels as integers 0 and 1."""
    received = np.asarray(labels)
    if received.shape != (num_rows,):
        raise ValueError(f"Expected one label for each of {num_rows} rows; received shape {received.shape}.")
    if not np.isin(received, (0, 1)).all():
        others = received[~np.isin(received, (0, 1))].tolist()
        raise ValueError(f"Expected labels 0 and 1; received {len(others):,} others, such as {others[0]!r}.")
    classes = received.astype(np.int64)
    num_ones = int(classes.sum())
    if min(num_ones, num_rows - num_ones) < MIN_ROWS_OF_A_CLASS:
        raise ValueError(
            f"Expected at least {MIN_ROWS_OF_A_CLASS} rows of each label; received {num_rows - num_ones} of 0 and "
            f"{num_ones} of 1."
        )
    return classes
