"""The rows of a target: loaded, cleaned, turned into the inputs of the source, and cut into folds."""

import itertools
from dataclasses import dataclass

import numpy as np
import pandas as pd

from common import cleaning, datasets, splits
from common.composition import encode, parse_formula
from common.elements import ALL_SYMBOLS
from common.readers import TARGET, LoadedDataset
from common.rows import Rows, assign_splits
from irnet.data import check_classes, clean_rows, is_formation_energy, row_keys
from irnet.predict import Predictor
from transfer.config import FineTuneConfig
from transfer.network import featurize
from transfer.seen import is_seen

NUM_NAMED = 8  # elements or values named in an error


@dataclass(frozen=True)
class TargetData:
    """Rows that a source can be fine-tuned on.

    Attributes:
        rows: All of them; ``x`` is as the source takes it, ``y`` is ``(n,)``.
        split: ``(n,)`` of ``"train"``, ``"val"``, ``"test"``: what the data themselves say.
        seen: ``(n,)`` bool, whether the source has seen the composition; ``None`` where that is not known.
        target: Column of the target.
        counts: Rows left out, each under the first reason that holds.
        loaded: Where the table came from.
    """

    rows: Rows
    split: np.ndarray
    seen: np.ndarray | None
    target: str
    counts: dict[str, int]
    loaded: LoadedDataset

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class Parts:
    """The rows of one split.

    Attributes:
        train: Rows whose errors are minimised.
        validation: Rows that decide on the best weights; the test rows under protocol ``paper``.
        test: Rows scored once.
        test_rows: ``(n_test,)`` numbers of the test rows in ``TargetData.rows``.
        counts: Rows left out, by reason.
    """

    train: Rows
    validation: Rows
    test: Rows
    test_rows: np.ndarray
    counts: dict[str, int]


def load(
    source: Predictor,
    data: str,
    *,
    target: str = TARGET,
    num_classes: int = 0,
    unknown_elements: str = "error",
    seen: np.ndarray | None = None,
    loaded: LoadedDataset | None = None,
    allow_stand_in: bool = False,
) -> TargetData:
    """Load and prepare the rows of a target.

    Of a composition with several rows the lowest target stays, pure elements are left out of formation energies, and so
    are rows without a number; all is counted. The 5-sigma rule is left to each training, for its limits come from
    training rows.

    Args:
        source: The network to start from, whose inputs the rows get.
        data: Name in the dataset registry, or a path to a table with ``formula`` and the target.
        target: Column to predict.
        num_classes: 0, or the number of classes 0, 1, ...
        unknown_elements: As in ``FineTuneConfig``.
        seen: Keys of ``transfer.seen.seen_by``; ``None`` where they are not known.
        loaded: The table, where it is at hand already.
        allow_stand_in: Whether a smaller data set may stand in for one that cannot be had.

    Raises:
        ValueError: If the column is missing, nothing is left, the target is constant or not of the classes, or rows
            have elements that the source does not know.
        DataUnavailableError, CorruptDataError: See ``common.datasets``.
    """
    if loaded is None:
        loaded = datasets.load_table(data, targets=(target,), allow_stand_in=allow_stand_in)
    if target not in loaded.frame:
        raise ValueError(f"Expected a column {target!r} in {loaded.name}; received {', '.join(loaded.frame.columns)}.")
    unknown = has_unknown_elements(source, loaded.frame, target)
    if unknown.any() and unknown_elements == "error":
        raise ValueError(_unknown_elements(source, loaded.frame["formula"][unknown], loaded.name))
    frame, counts = clean_rows(loaded.frame[~unknown], (target,))
    counts["element unknown to the source"] = int(unknown.sum())
    if frame.empty:
        raise ValueError(f"{loaded.name} has no row to train on: {len(unknown)} rows read, left out {counts}.")
    featurized = featurize(source, frame)
    has_inputs = featurized.ok & np.isfinite(featurized.attributes).all(axis=1)
    counts["no attributes"] = int((~has_inputs).sum())
    kept = np.flatnonzero(has_inputs)
    frame = frame.iloc[kept].reset_index(drop=True)
    y = frame[target].to_numpy(np.float64)
    if num_classes:
        check_classes(y, num_classes, target)
    check_targets(y, target, loaded.name)
    rows = Rows(frame, featurized.attributes[kept].astype(np.float32), y)
    seen_rows = None if seen is None else is_seen(frame["formula"], seen)
    return TargetData(rows, frame["split"].to_numpy(object), seen_rows, target, counts, loaded)


def has_unknown_elements(source: Predictor, frame: pd.DataFrame, target: str) -> np.ndarray:
    """``(n,)`` bool: rows that could be trained on but for an element that the source does not know."""
    fractions = encode(frame["formula"], ALL_SYMBOLS).fractions  # (n, 118), NaN where a formula cannot be read
    usable = np.isfinite(fractions[:, 0]) & np.isfinite(frame[target].to_numpy(np.float64))
    if is_formation_energy(target):  # pure elements are left out of these anyway
        usable &= (fractions > 0).sum(axis=1) > 1
    return usable & ~encode(frame["formula"], source.elements).ok


def _unknown_elements(source: Predictor, formulas: pd.Series, name: str) -> str:
    unknown = sorted({symbol for formula in formulas for symbol in parse_formula(formula)} - set(source.elements))
    return (
        f"{len(formulas):,} rows of {name} have elements that the source model does not know "
        f"({', '.join(unknown[:NUM_NAMED])}{', ...' if len(unknown) > NUM_NAMED else ''}): leave them out "
        "(unknown_elements='drop'), or take a source trained with these elements."
    )


def check_targets(y: np.ndarray, target: str, name: str) -> None:
    """Raise a ValueError where targets leave nothing to learn, or are not numbers.

    Args:
        y: ``(n,)`` targets.
        target: Column.
        name: Of the data.
    """
    if len(y) == 0:
        raise ValueError(f"{name} has no row left that the source model can read.")
    if num_bad := int((~np.isfinite(y)).sum()):
        raise ValueError(f"Expected finite numbers in {target!r} of {name}; received {num_bad:,} NaN or infinite.")
    if np.ptp(y) == 0:
        raise ValueError(f"Expected {target!r} of {name} to vary; received {y[0]:g} in all {len(y):,} rows.")


def folds(num_rows: int, num_folds: int, seed: int, *, take: int | None = None) -> list[np.ndarray]:
    """The splits of a cross-validation.

    Args:
        num_rows: Rows of the data.
        num_folds: As many parts, each tested once; the first of ten, or of five, is also a hold-out of 9:1 or 8:2.
        seed: Of the shuffle.
        take: Only so many of the folds, the first; ``None`` for all.

    Returns:
        For each fold ``(num_rows,)`` of ``"train"`` and ``"test"``.

    Raises:
        ValueError: If there are fewer rows than folds.
    """
    if num_rows < num_folds:
        raise ValueError(f"Expected at least as many rows as folds ({num_folds}); received {num_rows} rows.")
    pairs = itertools.islice(splits.k_fold(num_rows, num_folds, seed), take)
    return [np.where(np.isin(np.arange(num_rows), test), "test", "train").astype(object) for _, test in pairs]


def cut(data: TargetData, split: np.ndarray, config: FineTuneConfig) -> Parts:
    """Training, validation and test rows of a split.

    Formation energies beyond 5 sigma of the training rows are left out of all three, as in chapter 3.

    Args:
        data: All rows.
        split: ``(n,)`` of ``"train"``, ``"val"`` and ``"test"``; rows of any other name are in no part.
        config: Protocol, and the share of the training rows cut off for validation where the split has none.

    Raises:
        ValueError: If a part is left without rows, or the training targets are constant.
        LeakageError: If a row is in two parts, as the polymorphs of a table of structures are without their structure.
    """
    assigned = assign_splits(
        pd.Series(split),
        protocol=config.protocol,
        validation_fraction=config.validation_fraction,
        seed=config.training.seed,
    )
    is_train, in_part = assigned == "train", np.isin(assigned, splits.SPLIT_NAMES)
    counts: dict[str, int] = {}
    if is_train.any():
        check_targets(data.rows.y[is_train], data.target, f"the training rows of {data.loaded.name}")
    if is_formation_energy(data.target) and not config.num_classes and is_train.any():
        inside, counts = cleaning.drop_outliers(data.rows.frame[in_part], is_train[in_part], target=data.target)
        assigned[in_part & ~data.rows.frame.index.isin(inside.index)] = "outlier"
    fractions = encode(data.rows.frame["formula"], ALL_SYMBOLS).fractions  # (n, 118)
    parts = {name: assigned == name for name in splits.SPLIT_NAMES}  # protocol paper has no "val" rows here
    splits.check_disjoint(**{name: row_keys(fractions[part], data.rows.x[part]) for name, part in parts.items()})
    names = ("train", "test" if config.protocol == "paper" else "val", "test")
    numbers = [np.flatnonzero(assigned == name) for name in names]
    for name, part in zip(("training", "validation", "test"), numbers, strict=True):
        if len(part) == 0:
            raise ValueError(f"{data.loaded.name} leaves no {name} row of {len(data)}. Give more rows.")
    train, validation, test = (data.rows.take(part) for part in numbers)
    return Parts(train, validation, test, numbers[2], counts)
