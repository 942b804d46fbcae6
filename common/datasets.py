"""Data sets by name, and what to use when one cannot be had.

`load("oqmd")` uses the public files, else the named stand-in, else the sample in the package. What was used is in
the result, with a plain sentence for every step down; `allow_stand_in=False` pins the choice.

The entries are in `common.composition_sets` and `common.structure_sets`.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path

from common.composition_sets import COMPOSITION_SETS
from common.fetch import CorruptDataError, DataFile, DataUnavailableError, fetch, one_line
from common.readers import TARGET, Dataset, LoadedDataset, Table, load_user_file
from common.structure_sets import STRUCTURE_SETS
from common.structure_tables import structures

__all__ = [
    "DATASETS",
    "CorruptDataError",
    "DataFile",
    "DataUnavailableError",
    "Dataset",
    "LoadedDataset",
    "fetch",
    "load",
    "load_table",
    "load_user_file",
    "structures",
]

DATASETS: dict[str, Dataset] = {dataset.name: dataset for dataset in (*COMPOSITION_SETS, *STRUCTURE_SETS)}


def load(name: str, *, data_dir: str | Path | None = None, allow_stand_in: bool = True) -> LoadedDataset:
    """Load a data set, or its stand-in where it cannot be had.

    Args:
        name: key in `DATASETS`.
        data_dir: a folder to look in first, laid out as the mirror.
        allow_stand_in: False pins the choice: what was asked for, or an error.

    Raises:
        ValueError: no data set of that name.
        DataUnavailableError: neither the data set nor a permitted stand-in can be had.
        CorruptDataError: a file has the wrong content; a stand-in never hides that.
    """
    dataset = _look_up(name)
    notes: list[str] = []
    while True:
        try:
            frame, left_out = _read(dataset, [fetch(file, data_dir=data_dir) for file in dataset.files])
            break
        except DataUnavailableError as error:
            if not allow_stand_in or dataset.stand_in is None:
                raise
            stand_in = _look_up(dataset.stand_in)
            notes.append(f"{dataset.title} ({dataset.rows:,} rows) could not be had: {error}")
            notes.append(f"{stand_in.title} ({stand_in.rows:,} rows) is used in place of {dataset.title}.")
            dataset = stand_in
    notes += [f"{dataset.name}: {note}" for note in left_out]
    files = {file.path: file.expected_hash for file in dataset.files}
    return LoadedDataset(frame, dataset.name, dataset.tier, len(frame), files, [*notes, *dataset.notes])


def _read(dataset: Dataset, paths: list[Path]) -> Table:
    try:
        return dataset.reader(paths)
    except (OSError, EOFError, zlib.error) as error:  # the files had the right hashes a moment ago
        raise DataUnavailableError(
            f"the files of {dataset.name} were there and could not be read to the end ({one_line(error)}); "
            "see that their folder stays, and run again."
        ) from error


def load_table(name: str, *, targets: Sequence[str] = (TARGET,), allow_stand_in: bool = True) -> LoadedDataset:
    """A registered data set by name, or the user's own table, with the targets wanted of it, by path.

    Raises:
        ValueError: If it is neither.
        DataUnavailableError, CorruptDataError: See `load`.
    """
    if name in DATASETS:
        return load(name, allow_stand_in=allow_stand_in)
    if not Path(name).is_file():
        raise ValueError(f"{name!r} is neither a file nor a registered data set; registered are {', '.join(DATASETS)}.")
    return load_user_file(Path(name), targets)


def _look_up(name: str) -> Dataset:
    if name not in DATASETS:
        raise ValueError(f"Expected one of the data sets {', '.join(DATASETS)}, received {name!r}.")
    return DATASETS[name]
