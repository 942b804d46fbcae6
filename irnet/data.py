"""Rows of chapter 4: loaded, cleaned, split and turned into attributes."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from common import cleaning, datasets, splits
from common.composition import composition_keys, encode
from common.elements import ALL_SYMBOLS
from common.readers import LoadedDataset
from common.rows import Rows, assign_splits
from common.structure_tables import structures
from irnet import inputs as irnet_inputs
from irnet.config import IRNetConfig


@dataclass(frozen=True)
class IRNetData:
    """All that a training needs.

    Attributes:
        train: Rows whose errors are minimised; ``y`` is ``(n,)`` for one target, ``(n, num_targets)`` for several.
        validation: Rows that decide when to stop; the test rows under protocol ``paper``.
        test: Rows scored once.
        labels: Names of the input columns.
        elements: Symbols that occur in training rows, before any draw of them.
        counts: Rows left out, each under the first reason that holds.
        loaded: Where the table came from.
    """

    train: Rows
    validation: Rows
    test: Rows
    labels: tuple[str, ...]
    elements: tuple[str, ...]
    counts: dict[str, int]
    loaded: LoadedDataset


def load(
    config: IRNetConfig,
    *,
    loaded: LoadedDataset | None = None,
    cache_dir: Path | None = None,
    num_processes: int | None = None,
    progress: bool = False,
) -> IRNetData:
    """Load and prepare the rows of a config.

    Composition tables are cleaned as in chapter 3: unknown elements, and pure elements of formation energies, are left
    out, and of a composition with several rows the lowest target stays. Structure tables keep their polymorphs,
    whatever the inputs, and their splits never part them. Formation energies beyond 5 sigma of the training rows are
    dropped, and so are rows with an element that no training row has: the trained network refuses such materials. All
    is counted.

    Args:
        config: Data, targets, inputs and protocol.
        loaded: The table, where it is at hand already or its splits are of one's own making.
        cache_dir: Keeps attributes of structures.
        num_processes: Structures featurised at a time; ``None`` for one on each core.
        progress: Show a bar while structures are featurised.

    Raises:
        ValueError: If columns are missing, the classes are not 0, 1, ..., or too few rows are left.
        LeakageError: If a row is in two splits.
        DataUnavailableError, CorruptDataError: See ``common.datasets``.
    """
    if loaded is None:
        loaded = datasets.load_table(config.data, targets=config.targets, allow_stand_in=config.allow_stand_in)
    frame = loaded.frame
    if missing := [name for name in config.targets if name not in frame]:
        raise ValueError(f"Expected a column {missing[0]!r} in {loaded.name}; received {', '.join(frame.columns)}.")
    frame, counts = clean_rows(frame, config.targets)
    if frame.empty:
        raise ValueError(f"{loaded.name} has no row left after cleaning: {counts}.")
    if config.needs_structure:
        check_has_structures(frame, config.inputs, loaded.name)
        featurized = irnet_inputs.of_structures(
            config.inputs, structures(frame), cache_dir=cache_dir, num_processes=num_processes, progress=progress
        )
    else:
        featurized = irnet_inputs.of_formulas(config.inputs, frame["formula"])
    has_attributes = featurized.ok & np.isfinite(featurized.attributes).all(axis=1)
    counts["no attributes"] = int((~has_attributes).sum())
    frame = frame[has_attributes].reset_index(drop=True)
    x = featurized.attributes[has_attributes].astype(np.float32)
    y = frame[list(config.targets)].to_numpy(np.float64)
    y = y[:, 0] if len(config.targets) == 1 else y
    if config.num_classes:
        check_classes(y, config.num_classes, config.targets[0])
    split = assign_splits(
        frame["split"],
        protocol=config.protocol,
        validation_fraction=config.validation_fraction,
        seed=config.training.seed,
    )
    fractions = encode(frame["formula"], ALL_SYMBOLS).fractions  # (n, 118)
    kept, is_seen = _choose(frame, split, fractions, config, counts)

    def rows(name: str) -> Rows:
        where = np.flatnonzero(kept & (split == name))
        return Rows(frame.iloc[where], x[where], y[where])

    parts = {name: kept & (split == name) for name in splits.SPLIT_NAMES}  # protocol paper has no "val" rows here
    splits.check_disjoint(**{name: row_keys(fractions[part], x[part]) for name, part in parts.items()})
    train, test = rows("train"), rows("test")
    validation = test if config.protocol == "paper" else rows("val")
    for name, part in (("training", train), ("validation", validation), ("test", test)):
        if len(part) == 0:
            raise ValueError(
                f"{loaded.name} leaves no {name} row: {len(loaded.frame)} rows read, left out {counts}. Give more rows."
            )
    seed = config.training.seed
    train, test = train.draw(config.max_train_rows, seed), test.draw(config.max_test_rows, seed)
    validation = validation.draw(config.max_validation_rows, seed)
    if config.protocol == "paper":
        validation = test
    elements = tuple(np.asarray(ALL_SYMBOLS)[is_seen])
    return IRNetData(train, validation, test, irnet_inputs.labels(config.inputs), elements, counts, loaded)


def check_has_structures(frame: pd.DataFrame, inputs: str, name: str) -> None:
    """Raise a ValueError that names the remedy where a table is of compositions alone."""
    if "species" not in frame:
        raise ValueError(
            f"Expected structures (columns species, lattice, frac) in {name} for inputs {inputs}; received "
            f"{', '.join(map(str, frame.columns))}. Take a data set of structures, or inputs C."
        )


def clean_rows(frame: pd.DataFrame, targets: Sequence[str]) -> tuple[pd.DataFrame, dict[str, int]]:
    """Rows that a network could be trained on, numbered from 0, and the counts of those left out by reason.

    Args:
        frame: n rows with ``formula`` and the targets; a table of structures keeps its polymorphs.
        targets: Columns; the first one's lowest value stays where a composition has several rows.
    """
    values = frame[list(targets)].to_numpy(np.float64)
    has_targets = np.isfinite(values).all(axis=1)
    counts = {"missing target": int((~has_targets).sum())}
    frame = frame[has_targets].reset_index(drop=True)
    if "species" in frame:  # a table of structures, also where the inputs are of their compositions alone
        return frame, counts
    target = targets[0]
    keep_single_elements = not is_formation_energy(target)  # 0 by definition; a gap or a volume says something
    cleaned = cleaning.clean_compositions(frame, target=target, keep_single_elements=keep_single_elements)
    return cleaned.frame, counts | {reason: n for reason, n in cleaned.counts.items() if reason != "missing target"}


def _choose(
    frame: pd.DataFrame, split: np.ndarray, fractions: np.ndarray, config: IRNetConfig, counts: dict[str, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Which rows stay, by what the training rows are like, and which of the 118 elements these have; adds to counts."""
    is_train = split == "train"
    kept = np.isin(split, splits.SPLIT_NAMES)
    counts["in no split"] = int((~kept).sum())

    def drop(reason: str, rows: np.ndarray) -> None:
        counts[reason] = int((rows & kept).sum())
        kept[rows] = False

    for target in config.targets if not config.num_classes else ():
        # Of gaps and distances to the hull, which have one tail, that tail is part of the property.
        if is_formation_energy(target) and is_train.any():
            inside, (reason,) = cleaning.drop_outliers(frame, is_train, target=target)
            drop(f"{target} {reason}", ~frame.index.isin(inside.index))
    is_seen = (fractions[kept & is_train] > 0).any(axis=0)  # (118,)
    drop("element absent from training rows", np.asarray((fractions[:, ~is_seen] > 0).any(axis=1)))
    return kept, is_seen


def is_formation_energy(target: str) -> bool:
    """Whether a column is a formation energy: 0 for pure elements, and rid of outliers."""
    return "formation" in target


def check_classes(y: np.ndarray, num_classes: int, target: str) -> None:
    """Raise a ValueError unless all targets are of the classes 0 to ``num_classes`` - 1."""
    allowed = set(range(num_classes))
    if not set(np.unique(y)) <= allowed:
        raise ValueError(
            f"Expected the classes {sorted(allowed)} in column {target!r}; received {np.unique(y)[:5].tolist()}."
        )


def row_keys(fractions: np.ndarray, x: np.ndarray) -> np.ndarray:
    """(n,) uint64: equal for rows of equal composition and equal inputs, whatever their targets."""
    digests = b"".join(hashlib.blake2b(row.tobytes(), digest_size=8).digest() for row in x)
    return composition_keys(fractions) ^ np.frombuffer(digests, np.uint64)
