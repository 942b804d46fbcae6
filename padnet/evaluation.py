"""What an accuracy is worth: controls on the same folds, and paired tests against them.

A phase region can be told from composition or from the place on the wafer alone, so every table has the controls
``CONTROLS``. The exact McNemar test on the same samples decides whether two methods differ: it is the headline. The
bootstrap interval of the difference of their accuracies says by how much; it takes samples as independent, which
neighbours on a wafer are not quite.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binomtest

from common import metrics
from padnet.data import XrdDataset

SHUFFLED = "image shuffled"
CONTROLS = {
    "composition only": ("composition",),
    "position only": ("position",),
    "image only": ("image",),
    SHUFFLED: ("image", "composition"),
}
SIGNIFICANCE = 0.05


def shuffled_images(dataset: XrdDataset, seed: int = 0) -> XrdDataset:
    """The same samples, each with the frames and pattern of another; composition, place and label stay.

    One cycle through all samples, so that none keeps its own image.

    Raises:
        ValueError: Fewer than two samples.
    """
    if len(dataset) < 2:
        raise ValueError(f"Expected two samples or more to shuffle images across; received {len(dataset)}.")
    order = np.random.default_rng(seed).permutation(len(dataset))
    other = np.empty(len(dataset), int)
    other[order] = np.roll(order, 1)
    return replace(
        dataset,
        frames=dataset.frames[other],
        patterns=None if dataset.patterns is None else dataset.patterns[other],
    )


@dataclass(frozen=True, eq=False)
class CrossValidated:
    """What a method says of every test sample of every fold.

    Attributes:
        name: Of the method.
        labels: ``(n,)`` true classes.
        probability: ``(n, num_classes)``; NaN in rows that no fold tested.
        fold: ``(n,)`` number of the fold that tested a row, -1 where none did.
        seconds: Of training, all folds together.
    """

    name: str
    labels: np.ndarray
    probability: np.ndarray
    fold: np.ndarray
    seconds: float

    @property
    def tested(self) -> np.ndarray:
        """``(n,)`` bool."""
        return self.fold >= 0

    @property
    def predicted(self) -> np.ndarray:
        """``(n,)`` class of the highest probability, -1 in rows that no fold tested."""
        return np.where(self.tested, np.nan_to_num(self.probability).argmax(axis=1), -1)

    @property
    def is_right(self) -> np.ndarray:
        """``(n,)`` bool."""
        return self.predicted == self.labels

    @property
    def accuracy(self) -> float:
        """Share of tested rows that are right, each row counted once."""
        return float(self.is_right[self.tested].mean())

    @property
    def fold_accuracies(self) -> np.ndarray:
        """``(num_folds,)`` accuracy of each fold; their mean is what the authors report."""
        return np.array([self.is_right[self.fold == number].mean() for number in np.unique(self.fold[self.tested])])

    def interval(self) -> tuple[float, float]:
        """95 % bootstrap interval of the accuracy over samples."""
        return metrics.bootstrap_interval(accuracy, self.labels[self.tested], self.predicted[self.tested])


def gather(
    name: str,
    labels: np.ndarray,
    num_classes: int,
    parts: Sequence[tuple[int, np.ndarray, np.ndarray]],
    seconds: float = 0.0,
) -> CrossValidated:
    """Put the answers of folds together.

    Args:
        name: Of the method.
        labels: ``(n,)`` true classes.
        num_classes: Classes.
        parts: Number of a fold, its ``(n_test,)`` rows, and their probabilities ``(n_test, num_classes)``.
        seconds: Of training.

    Raises:
        ValueError: No fold at all.
    """
    if not parts:
        raise ValueError(f"Expected answers of one fold of {name} at least; received none: every training failed.")
    probability = np.full((len(labels), num_classes), np.nan)
    fold = np.full(len(labels), -1)
    for number, rows, found in parts:
        probability[rows], fold[rows] = found, number
    return CrossValidated(name, np.asarray(labels), probability, fold, seconds)


def accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Share of classes that are right."""
    return float(np.mean(np.asarray(y_true) == np.asarray(y_pred)))


@dataclass(frozen=True)
class PairedTest:
    """Two methods on the same samples.

    Attributes:
        name, against: Of the methods.
        num_samples: Samples that both were tested on.
        difference: Accuracy of the first less that of the second.
        low, high: 95 % bootstrap interval of the difference.
        only_first, only_second: Samples that one alone has right.
        p_value: Exact McNemar test, two-sided.
    """

    name: str
    against: str
    num_samples: int
    difference: float
    low: float
    high: float
    only_first: int
    only_second: int
    p_value: float

    @property
    def verdict(self) -> str:
        """``"better"``, ``"worse"`` or ``"no difference shown"``, by the McNemar test at ``SIGNIFICANCE``."""
        if self.p_value >= SIGNIFICANCE:
            return "no difference shown"
        return "better" if self.difference > 0 else "worse"


def mcnemar_p_value(only_first: int, only_second: int) -> float:
    """Exact two-sided p value that two methods are right equally often, from the samples that one alone has right.

    Reference:
        Q. McNemar, Psychometrika 12, 153 (1947), doi:10.1007/BF02295996, with the binomial distribution itself.
    """
    discordant = only_first + only_second
    return float(binomtest(only_first, discordant, 0.5).pvalue) if discordant else 1.0


def paired_test(first: CrossValidated, second: CrossValidated, *, seed: int = 0) -> PairedTest:
    """Hold two methods against each other on the samples that both were tested on.

    Args:
        first: The method of interest.
        second: Its control.
        seed: Of the bootstrap.

    Raises:
        ValueError: Other samples, or none in common.
    """
    both = first.tested & second.tested if len(first.labels) == len(second.labels) else np.zeros(1, bool)
    if not both.any() or not np.array_equal(first.labels, second.labels):
        raise ValueError(
            f"Expected {first.name} and {second.name} on the same samples; received {len(first.labels)} and "
            f"{len(second.labels)} with {int(both.sum())} tested in both. Cross-validate both on one data set."
        )
    labels, ours, theirs = first.labels[both], first.predicted[both], second.predicted[both]
    only_first = int(((ours == labels) & (theirs != labels)).sum())
    only_second = int(((ours != labels) & (theirs == labels)).sum())
    low, high = metrics.bootstrap_difference(accuracy, labels, ours, theirs, seed=seed)
    return PairedTest(
        first.name,
        second.name,
        int(both.sum()),
        (only_first - only_second) / int(both.sum()),
        low,
        high,
        only_first,
        only_second,
        mcnemar_p_value(only_first, only_second),
    )
