"""What every loaded data set looks like, and the user's own table of formulas and numbers.

The registry's tables are listed in `common.composition_sets` and read by `common.composition_tables`, its structures
in `common.structure_sets` and `common.structure_tables`.
Nothing of a user's table is dropped here: that is for `common.cleaning`, which counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from common.composition import encode
from common.fetch import DataFile, hash_file
from common.formula import quoted
from common.splits import SPLIT_NAMES, row_hashes, split_by_hash
from common.tables import TableError, columns_in_words, read_text_csv

TARGET = "formation_energy_ev_per_atom"
BAND_GAP = "band_gap_ev"
VOLUME = "volume_per_atom_a3"
ABOVE_HULL = "energy_above_hull_ev_per_atom"
IS_METAL = "is_metal"
IS_MAGNETIC = "is_magnetic"
HEAT = "heat_ev_per_atom"

Tier = Literal["user", "public", "stand-in", "bundled"]
Table = tuple[pd.DataFrame, list[str]]
"""A frame, and plain sentences on what was left out of it."""

FORMULA_COLUMNS = ("formula", "composition", "reduced_formula", "pretty_formula", "pretty_comp")
ENERGY_COLUMNS = (
    TARGET,
    "formation_energy_per_atom",
    "delta_e_ev_per_atom",
    "e_form_ev_per_atom",
    "formation_energy",
    "delta_e",
    "e_form",
    "target",
)


@dataclass(frozen=True)
class Dataset:
    """One entry of the registry.

    Attributes:
        name: key in `DATASETS`.
        title: a few words for sentences and reports.
        tier: "public", "stand-in" or "bundled".
        files: its files, in the order the reader takes them.
        target: target column of the frame.
        unit: unit of the target.
        licence: of the data.
        citation: of the data.
        rows: rows of the frame.
        stand_in: name of the data set to use where this one cannot be had.
        reader: paths in the order of `files` -> frame with `formula`, the target and `split`, and notes on what it left
            out.
        notes: what a user of the data must know.
    """

    name: str
    title: str
    tier: Tier
    files: tuple[DataFile, ...]
    target: str
    unit: str
    licence: str
    citation: str
    rows: int
    stand_in: str | None
    reader: Callable[[list[Path]], Table]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class LoadedDataset:
    """A data set as it was read.

    Attributes:
        frame: `formula` (str), the target (float64, NaN where missing), `split` ("train", "val" or "test"), and
            what else the reader keeps.
        name: of the data set used, which may be a stand-in for the one asked for; file name of a user's file.
        tier: "user", "public", "stand-in" or "bundled".
        rows: rows of the frame, before any cleaning.
        files: hash ("sha256:..." or "git:...") by path.
        notes: plain sentences: what could not be had, what was used instead, and what to know about it.
    """

    frame: pd.DataFrame
    name: str
    tier: Tier
    rows: int
    files: dict[str, str]
    notes: list[str] = field(default_factory=list)


def load_user_file(path: str | Path, targets: Sequence[str] = (TARGET,)) -> LoadedDataset:
    """Load a CSV file (or CSV.gz) with a formula and one or more numbers in each row.

    Column names are matched without regard to case; `FORMULA_COLUMNS` lists those accepted for the formula, the first
    found is taken, and `ENERGY_COLUMNS` those for the formation energy in eV/atom; other targets go by their own name.
    A `split` column is used where there is one; otherwise rows are split 80/10/10 by the hash of their composition.

    Args:
        path: the file.
        targets: columns wanted in the frame.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a CSV table, a column is missing, no rows, or a split other than train, val, test.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"Expected a CSV file with formulas and formation energies at {path}; there is none.")
    try:
        table = read_text_csv(path)
    except TableError as error:
        raise ValueError(f"Expected a CSV table: {error} Save it as CSV, UTF-8.") from error
    found = {str(column).strip().lower(): column for column in reversed(table.columns)}
    formula_column = _choose_column(FORMULA_COLUMNS, found, table, path)
    columns = {
        target: _choose_column(ENERGY_COLUMNS if target == TARGET else (target.lower(),), found, table, path)
        for target in targets
    }
    if table.empty:
        raise ValueError(f"Expected at least one row below the column names in {path}, received none.")

    frame, notes = pd.DataFrame({"formula": table[formula_column]}), []
    for target, column in columns.items():
        frame[target] = pd.to_numeric(table[column], errors="coerce").astype(np.float64)
        if target == TARGET:
            notes.append(f"{path.name}: column {column!r} is read as formation energy in eV/atom.")
        if num_missing := int(frame[target].isna().sum()):
            notes.append(f"{path.name}: {num_missing:,} of {len(frame):,} rows have no number in column {column!r}.")
    if "split" in found:
        frame["split"] = table[found["split"]].str.strip().str.lower()
        if unknown := sorted(set(frame["split"]) - set(SPLIT_NAMES)):
            raise ValueError(
                f"Expected {', '.join(SPLIT_NAMES)} in column 'split' of {path}, received {quoted(unknown[0])}."
            )
    else:
        frame["split"] = split_by_composition(frame["formula"])
        notes.append(f"{path.name}: split 80/10/10 by the hash of the composition.")
    files = {path.name: f"sha256:{hash_file(path, 'sha256')}"}
    return LoadedDataset(frame, path.name, "user", len(frame), files, notes)


def split_by_composition(
    formulas: pd.Series, shares: tuple[float, float, float] = (0.8, 0.1, 0.1), seed: int = 0
) -> np.ndarray:
    """(n,) object array of "train", "val", "test" for n formulas: equal compositions fall in the same part.

    Args:
        formulas: (n,) text; rows whose formula cannot be read are "train", for cleaning drops them.
        shares: expected shares of train, val and test.
        seed: another seed is another split.
    """
    encoded = encode(formulas)
    split = np.full(len(formulas), "train", object)
    split[encoded.ok] = split_by_hash(row_hashes(encoded.fractions[encoded.ok]), shares, seed)
    return split


def _choose_column(accepted: tuple[str, ...], found: dict[str, str], table: pd.DataFrame, path: Path) -> str:
    for name in accepted:
        if name in found:
            if list(table.columns).count(found[name]) > 1:
                raise ValueError(f"{path} has more than one column {found[name]!r}. Rename all but one.")
            return found[name]
    others = f" (or {', '.join(accepted[1:])})" if len(accepted) > 1 else ""
    raise ValueError(
        f"Expected a column {accepted[0]!r}{others} in {path}, "
        f"received the columns {columns_in_words(table)}; rename one."
    )
