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
        elements: Symbols of the input columns: those of the 86 that occur in training rows.
        counts: Rows left out, by reason.
        loaded: Where the table came from.
    """

    train: Rows
    validation: Rows
    test: Rows
    elements: tuple[str, ...]
    counts: dict[str, int]
    loaded: datasets.LoadedDataset


def load_table(name: str) -> datasets.LoadedDataset:
    """A registered data set by name, or the user's own table by path."""
    return datasets.load(name) if name in datasets.DATASETS else datasets.load_user_file(Path(name))


def load(config: ElemNetConfig) -> ElemNetData:
    """Load and prepare the rows of a config.

    Cleaning follows thesis 3.2.1: single elements and unknown elements are left out, the lowest enthalpy of a
    composition is kept, and rows beyond 5 sigma of the training rows are dropped. The limits, and the elements, come
    from training rows alone.

    Raises:
        ValueError: If too few rows are left to train, validate and test.
        DataUnavailableError, CorruptDataError: See ``common.datasets``.
    """
    loaded = load_table(config.data)
    cleaned = cleaning.clean_compositions(loaded.frame, target=TARGET)
    split = _assign_splits(cleaned.frame, config)
    is_train = split == "train"
    if not is_train.any():
        raise ValueError(f"{loaded.name} has no training row left after cleaning: {cleaned.counts}.")
    seen = (cleaned.fractions[is_train] > 0).any(axis=0)  # (86,)
    has_unseen = (cleaned.fractions[:, ~seen] > 0).any(axis=1)
    frame, outlier_counts = cleaning.drop_outliers(cleaned.frame, is_train, target=TARGET)
    counts = cleaned.counts | outlier_counts | {"element absent from training rows": int(has_unseen.sum())}
    kept = np.zeros(len(split), bool)
    kept[frame.index] = True
    kept &= ~has_unseen

    def rows(name: str) -> Rows:
        where = np.flatnonzero(kept & (split == name))
        part = cleaned.frame.iloc[where]
        x = cleaned.fractions[np.ix_(where, np.flatnonzero(seen))].astype(np.float32)
        return Rows(part, x, part[TARGET].to_numpy(np.float32))

    def hashes(name: str) -> np.ndarray:
        return cleaned.hashes[kept & (split == name)]

    if config.protocol == "honest":
        splits.check_disjoint(train=hashes("train"), validation=hashes("val"), test=hashes("test"))
    train, test = _draw(rows("train"), config), rows("test")
    validation = test if config.protocol == "paper" else rows("val")
    for name, part in (("training", train), ("validation", validation), ("test", test)):
        if len(part) == 0:
            raise ValueError(
                f"{loaded.name} leaves no {name} row: {len(loaded.frame)} rows read, left out {counts}. Give more rows."
            )
    elements = tuple(np.asarray(ELEMENTS)[seen])
    return ElemNetData(train, validation, test, elements, counts, loaded)


def _assign_splits(frame: pd.DataFrame, config: ElemNetConfig) -> np.ndarray:
    """``"train"``, ``"val"`` or ``"test"`` for each row; missing splits are cut off with the config's seed."""
    seed = config.training.seed
    if "split" in frame:
        split = frame["split"].to_numpy(object).copy()
    else:
        split = np.full(len(frame), "train", object)
        split[splits.hold_out(len(frame), config.test_fraction, seed)[1]] = "test"
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
