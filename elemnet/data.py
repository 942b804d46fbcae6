"""ElemNet's rows: loaded, cleaned, split and encoded as element fractions."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from common import cleaning, datasets, splits
from common.elements import ELEMENTS
from elemnet.config import TARGET, ElemNetConfig


@dataclass(frozen=True)
class Rows:
    """Rows of one split: ``frame`` (n rows), ``x`` (n, num_elements) float32 fractions, ``y`` (n,) eV/atom."""

    frame: pd.DataFrame
    x: np.ndarray
    y: np.ndarray

    def __len__(self) -> int:
        return len(self.frame)


@dataclass(frozen=True)
class ElemNetData:
    """All that a training needs.

    Attributes:
        train: Rows whose errors are minimised.
        validation: Rows that decide when to stop; the test rows under protocol ``paper``.
        test: Rows scored once.
        test_with_outliers: The test rows before the 5-sigma rule; published scores keep their outliers.
        elements: Symbols of the input columns: those of the 86 that occur in training rows.
        counts: Rows left out, by reason.
        loaded: Where the table came from.
    """

    train: Rows
    validation: Rows
    test: Rows
    test_with_outliers: Rows
    elements: tuple[str, ...]
    counts: dict[str, int]
    loaded: datasets.LoadedDataset


def load_table(name: str, *, allow_stand_in: bool = True) -> datasets.LoadedDataset:
    """A registered data set by name, or the user's own table by path.

    Raises:
        ValueError: If it is neither.
        DataUnavailableError, CorruptDataError: See ``common.datasets``.
    """
    if name in datasets.DATASETS:
        return datasets.load(name, allow_stand_in=allow_stand_in)
    if not Path(name).is_file():
        raise ValueError(
            f"{name!r} is neither a file nor a registered data set; registered are {', '.join(datasets.DATASETS)}."
        )
    return datasets.load_user_file(Path(name))


def load(config: ElemNetConfig) -> ElemNetData:
    """Load and prepare the rows of a config.

    Cleaning follows thesis 3.2.1: single elements and unknown elements are left out, the lowest enthalpy of a
    composition is kept, and rows beyond 5 sigma of the training rows are dropped. The limits, and the elements, come
    from training rows alone.

    Raises:
        ValueError: If too few rows are left to train, validate and test.
        DataUnavailableError, CorruptDataError: See ``common.datasets``.
    """
    loaded = load_table(config.data, allow_stand_in=config.allow_stand_in)
    cleaned = cleaning.clean_compositions(loaded.frame, target=TARGET)
    split = _assign_splits(cleaned.frame, config)
    is_train = split == "train"
    if not is_train.any():
        raise ValueError(f"{loaded.name} has no training row left after cleaning: {cleaned.counts}.")
    frame, outlier_counts = cleaning.drop_outliers(cleaned.frame, is_train, target=TARGET)
    in_limits = np.zeros(len(split), bool)
    in_limits[frame.index] = True
    seen = (cleaned.fractions[is_train & in_limits] > 0).any(axis=0)  # (86,)
    has_unseen = (cleaned.fractions[:, ~seen] > 0).any(axis=1)
    num_unseen = int((in_limits & has_unseen).sum())  # each row under the first reason that holds
    counts = cleaned.counts | outlier_counts | {"element absent from training rows": num_unseen}
    kept = in_limits & ~has_unseen

    def rows(where: np.ndarray) -> Rows:
        part = cleaned.frame.iloc[np.flatnonzero(where)]
        x = cleaned.fractions[np.ix_(where, seen)].astype(np.float32)
        return Rows(part, x, part[TARGET].to_numpy(np.float32))

    is_val, is_test = split == "val", split == "test"
    parts = {"train": is_train, "validation": is_val, "test": is_test}  # protocol paper has no "val" rows here
    splits.check_disjoint(**{name: cleaned.hashes[kept & part] for name, part in parts.items()})
    train, test = _draw(rows(kept & is_train), config), rows(kept & is_test)
    validation = test if config.protocol == "paper" else rows(kept & is_val)
    for name, part in (("training", train), ("validation", validation), ("test", test)):
        if len(part) == 0:
            raise ValueError(
                f"{loaded.name} leaves no {name} row: {len(loaded.frame)} rows read, left out {counts}. Give more rows."
            )
    elements = tuple(np.asarray(ELEMENTS)[seen])
    return ElemNetData(train, validation, test, rows(is_test & ~has_unseen), elements, counts, loaded)


def _assign_splits(frame: pd.DataFrame, config: ElemNetConfig) -> np.ndarray:
    """``"train"``, ``"val"`` or ``"test"`` for each row; validation rows are cut off where the data has none."""
    seed = config.training.seed
    split = frame["split"].to_numpy(object).copy()
    if config.protocol == "paper":  # the authors train on all that is not test
        split[split == "val"] = "train"
    elif not (split == "val").any():
        train_rows = np.flatnonzero(split == "train")
        split[train_rows[splits.hold_out(len(train_rows), config.validation_fraction, seed)[1]]] = "val"
    return split


def _draw(rows: Rows, config: ElemNetConfig) -> Rows:
    """A seeded draw of ``max_train_rows`` rows, nested: a larger draw contains the smaller."""
    if config.max_train_rows is None or config.max_train_rows >= len(rows):
        return rows
    drawn = np.random.default_rng(config.training.seed).permutation(len(rows))[: config.max_train_rows]
    return Rows(rows.frame.iloc[drawn], rows.x[drawn], rows.y[drawn])
