"""Which samples train, choose and test: the released ten folds, stratified folds, and contiguous blocks of the wafer.

Neighbours on a wafer have nearly the same composition and mostly the same phases. Random folds leave neighbours of
every test sample in training; blocks do not, and so ask whether a network knows patterns or places.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import StratifiedKFold

NUM_FOLDS = 10
RELEASED_SEED = 1234567
VALIDATION_SHARE = 0.1


@dataclass(frozen=True, eq=False)
class Fold:
    """Rows of one fold; no row is in two parts, but where validation is test on purpose (protocol ``"paper"``).

    Attributes:
        train: ``(n_train,)`` ascending row numbers.
        validation: ``(n_validation,)`` rows that choose epochs and grid points.
        test: ``(n_test,)`` rows that are only predicted.
    """

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def released_folds(num_samples: int, num_folds: int = NUM_FOLDS) -> list[np.ndarray]:
    """Test rows of each fold as the released code draws them: one shuffle with its seed, then cut in the order drawn.

    All mean accuracies and standard deviations that the authors stored come out exactly with these folds.

    Args:
        num_samples: 177 on the authors' wafer.
        num_folds: From 2 to ``num_samples``.

    Returns:
        ``num_folds`` arrays of ascending row numbers; every row is in one of them.

    Raises:
        ValueError: Fewer than two folds, or more folds than samples.

    Reference:
        ``train_model_cv`` in ``model.py`` of NU-CUCIS/PADNet-XRD.
    """
    _check_num_folds(num_samples, num_folds)
    order = np.arange(num_samples)
    np.random.RandomState(RELEASED_SEED).shuffle(order)  # the legacy generator, as there
    ends = [int(fold / num_folds * num_samples) for fold in range(1, num_folds)]
    return [np.sort(rows) for rows in np.split(order, ends)]


def stratified_folds(labels: np.ndarray, num_folds: int = NUM_FOLDS, seed: int = 0) -> list[np.ndarray]:
    """Test rows of each fold, every class spread as evenly over the folds as its size allows.

    Of a class with fewer samples than folds some folds test none, see ``small_classes``.

    Args:
        labels: ``(n,)`` class numbers.
        num_folds: From 2 to n.
        seed: The same seed gives the same folds.

    Returns:
        ``num_folds`` arrays of ascending row numbers; every row is in one of them.

    Raises:
        ValueError: Fewer than two folds, or more folds than samples.
    """
    labels = np.asarray(labels)
    _check_num_folds(len(labels), num_folds)
    if np.unique(labels, return_counts=True)[1].max() < num_folds:
        # scikit-learn refuses to stratify where no class reaches every fold; rows in class order are dealt out instead
        order = np.random.default_rng(seed).permutation(len(labels))
        order = order[np.argsort(labels[order], kind="stable")]
        return [np.sort(order[fold::num_folds]) for fold in range(num_folds)]
    splitter = StratifiedKFold(num_folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class")  # `small_classes` says it
        return [test for _, test in splitter.split(np.zeros(len(labels)), labels)]


def spatial_folds(position_mm: np.ndarray, num_folds: int = NUM_FOLDS) -> list[np.ndarray]:
    """Test rows of each fold as a contiguous block of the wafer, of equal sizes but for one sample.

    The wafer is cut across its longer side into parts in proportion to the folds each is to hold, and the parts again.

    Args:
        position_mm: ``(n, 2)`` places of the samples.
        num_folds: From 2 to n.

    Returns:
        ``num_folds`` arrays of ascending row numbers; every row is in one of them.

    Raises:
        ValueError: Fewer than two folds, more folds than samples, or a place that is not finite.
    """
    position_mm = np.asarray(position_mm, float)
    _check_num_folds(len(position_mm), num_folds)
    if not np.isfinite(position_mm).all():
        raise ValueError(
            "Expected a finite place of every sample to cut blocks of the wafer; received NaN or infinity. "
            "Give positions, or take stratified folds."
        )
    return _blocks(position_mm, np.arange(len(position_mm)), num_folds)


def with_validation(
    test_folds: Sequence[np.ndarray], labels: np.ndarray, seed: int = 0, share: float = VALIDATION_SHARE
) -> list[Fold]:
    """Cut validation rows from what each fold leaves for training, class by class.

    Args:
        test_folds: Test rows of each fold.
        labels: ``(n,)`` class numbers.
        seed: Of the draw.
        share: Of the rows of each class, rounded; a class of one or two rows stays in training whole.

    Returns:
        A fold for each.
    """
    labels = np.asarray(labels)
    folds = []
    for number, test in enumerate(test_folds):
        rng = np.random.default_rng((seed, number))
        rest = np.setdiff1d(np.arange(len(labels)), test)
        drawn = []
        for label in np.unique(labels[rest]):
            members = rng.permutation(rest[labels[rest] == label])
            wanted = max(1, round(share * len(members))) if len(members) > 2 else 0
            drawn.append(members[:wanted])
        validation = np.sort(np.concatenate(drawn))
        folds.append(Fold(np.setdiff1d(rest, validation), validation, np.sort(test)))
    return folds


def small_classes(labels: np.ndarray, num_folds: int, class_names: Sequence[str] = ()) -> list[str]:
    """A sentence for each class that has fewer samples than there are folds.

    Args:
        labels: ``(n,)`` class numbers.
        num_folds: Folds.
        class_names: Name of each class; their numbers by default.
    """
    numbers, counts = np.unique(labels, return_counts=True)
    return [
        f"Class {class_names[number] if class_names else number} has {count} samples, fewer than the {num_folds} folds."
        for number, count in zip(numbers, counts, strict=True)
        if count < num_folds
    ]


def unseen_test_rows(folds: Sequence[Fold], labels: np.ndarray) -> int:
    """How many test rows are of a class that their fold does not train on, and so cannot be right."""
    labels = np.asarray(labels)
    return sum(int((~np.isin(labels[fold.test], labels[fold.train])).sum()) for fold in folds)


def _blocks(position_mm: np.ndarray, rows: np.ndarray, num_blocks: int) -> list[np.ndarray]:
    if num_blocks == 1:
        return [np.sort(rows)]
    places = position_mm[rows]
    longer = int(np.ptp(places, axis=0).argmax())
    order = rows[np.lexsort((places[:, 1 - longer], places[:, longer]))]
    num_first = num_blocks // 2
    cut = round(len(rows) * num_first / num_blocks)
    return _blocks(position_mm, order[:cut], num_first) + _blocks(position_mm, order[cut:], num_blocks - num_first)


def _check_num_folds(num_samples: int, num_folds: int) -> None:
    if not 2 <= num_folds <= num_samples:
        raise ValueError(
            f"Expected from 2 folds to one a sample ({num_samples}); received {num_folds}. Take fewer folds."
        )
