"""ElemNet's rows: loaded, cleaned, split and encoded as element fractions."""

from dataclasses import dataclass

import numpy as np

from common import cleaning, datasets, splits
from common.elements import ELEMENTS
from common.rows import Rows, assign_splits
from elemnet.config import TARGET, ElemNetConfig


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


def load(config: ElemNetConfig) -> ElemNetData:
    """Load and prepare the rows of a config.

    Cleaning follows thesis 3.2.1: single elements and unknown elements are left out, the lowest enthalpy of a
    composition is kept, and rows beyond 5 sigma of the training rows are dropped. The limits, and the elements, come
    from training rows alone.

    Raises:
        ValueError: If too few rows are left to train, validate and test.
        DataUnavailableError, CorruptDataError: See ``common.datasets``.
    """
    loaded = datasets.load_table(config.data, allow_stand_in=config.allow_stand_in)
    cleaned = cleaning.clean_compositions(loaded.frame, target=TARGET)
    split = assign_splits(
        cleaned.frame["split"],
        protocol=config.protocol,
        validation_fraction=config.validation_fraction,
        seed=config.training.seed,
    )
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
    train, test = rows(kept & is_train).draw(config.max_train_rows, config.training.seed), rows(kept & is_test)
    validation = test if config.protocol == "paper" else rows(kept & is_val)
    for name, part in (("training", train), ("validation", validation), ("test", test)):
        if len(part) == 0:
            raise ValueError(
                f"{loaded.name} leaves no {name} row: {len(loaded.frame)} rows read, left out {counts}. Give more rows."
            )
    elements = tuple(np.asarray(ELEMENTS)[seen])
    return ElemNetData(train, validation, test, rows(is_test & ~has_unseen), elements, counts, loaded)
