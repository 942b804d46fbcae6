"""Tables of formulas and formation energies, whatever their columns were called, in one form.

Every reader returns `formula` (str), `formation_energy_ev_per_atom` (float64, NaN where missing), `split` ("train",
"val" or "test") and what else is worth keeping. Nothing is dropped here: that is for `common.cleaning`, which counts.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from common.composition import encode
from common.fetch import hash_file
from common.splits import SPLIT_NAMES, row_hashes, split_by_hash

TARGET = "formation_energy_ev_per_atom"

Tier = Literal["user", "public", "stand-in", "bundled"]

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


def load_user_file(path: str | Path) -> LoadedDataset:
    """Load a CSV file (or CSV.gz) with a formula and a formation energy in eV/atom in each row.

    Column names are matched without regard to case; `FORMULA_COLUMNS` and `ENERGY_COLUMNS` list those accepted, the
    first found is taken. A `split` column is used where there is one; otherwise rows are split 80/10/10 by
    the hash of their composition.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a CSV table, a column is missing, no rows, or a split other than train, val, test.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"Expected a CSV file with formulas and formation energies at {path}; there is none.")
    try:
        table = pd.read_csv(path, keep_default_na=False, dtype=str, encoding="utf-8-sig", index_col=False)
    except (
        pd.errors.ParserError,
        pd.errors.EmptyDataError,
        UnicodeDecodeError,
        csv.Error,
        EOFError,
        OSError,
    ) as error:
        raise ValueError(
            f"Expected a CSV table in {path}, but it cannot be read ({error}); save it as CSV, UTF-8."
        ) from error
    found = {str(column).strip().lower(): column for column in reversed(table.columns)}
    formula_column = _choose_column(FORMULA_COLUMNS, found, table, path)
    energy_column = _choose_column(ENERGY_COLUMNS, found, table, path)
    if table.empty:
        raise ValueError(f"Expected at least one row below the column names in {path}, received none.")

    energies = pd.to_numeric(table[energy_column], errors="coerce").astype(np.float64)
    frame = pd.DataFrame({"formula": table[formula_column], TARGET: energies})
    notes = [f"{path.name}: column {energy_column!r} is read as formation energy in eV/atom."]
    if num_missing := int(energies.isna().sum()):
        notes.append(f"{path.name}: {num_missing:,} of {len(frame):,} rows have no number in column {energy_column!r}.")
    if "split" in found:
        frame["split"] = table[found["split"]].str.strip().str.lower()
        if unknown := sorted(set(frame["split"]) - set(SPLIT_NAMES)):
            raise ValueError(f"Expected {', '.join(SPLIT_NAMES)} in column 'split' of {path}, received {unknown[:5]}.")
    else:
        frame["split"] = _split_by_composition(frame["formula"])
        notes.append(f"{path.name}: split 80/10/10 by the hash of the composition.")
    files = {path.name: f"sha256:{hash_file(path, 'sha256')}"}
    return LoadedDataset(frame, path.name, "user", len(frame), files, notes)


def _read_table(path: Path) -> pd.DataFrame:
    # keep_default_na=False: the formula "NaN" is sodium nitride, not a missing cell
    return pd.read_csv(path, keep_default_na=False)


def _frame(formula: pd.Series, energy: pd.Series, split: object, **extra: pd.Series) -> pd.DataFrame:
    energy = pd.to_numeric(energy, errors="coerce").astype(np.float64)
    return pd.DataFrame({"formula": formula, TARGET: energy, "split": split, **extra})


def _split_by_composition(formulas: pd.Series) -> np.ndarray:
    encoded = encode(formulas)
    split = np.full(len(formulas), "train", object)  # also of unreadable formulas, which cleaning drops
    split[encoded.ok] = split_by_hash(row_hashes(encoded.fractions[encoded.ok]))
    return split


def read_oqmd(paths: list[Path]) -> pd.DataFrame:
    tables = [_read_table(path) for path in paths]
    parts = [_frame(t["formula"], t["target"], path.stem) for t, path in zip(tables, paths, strict=True)]
    return pd.concat(parts, ignore_index=True)


def read_oqmd_subset(paths: list[Path]) -> pd.DataFrame:
    table = _read_table(paths[0])
    split = np.where(table["split_v2021_03"] == "test", "test", "train").astype(object)
    return _frame(table["composition"], table["delta_e_ev_per_atom"], split)


def read_published_elemnet(paths: list[Path]) -> pd.DataFrame:
    table = _read_table(paths[0])
    return _frame(table["formula"], table["actual"], "test", predicted=table["predicted"].astype(np.float64))


def read_flla(paths: list[Path]) -> pd.DataFrame:
    table = _read_table(paths[0])
    split = _split_by_composition(table["formula"])
    return _frame(
        table["formula"],
        table[TARGET],
        split,
        material_id=table["material_id"],
        e_above_hull=table["e_above_hull"],
    )


def _choose_column(accepted: tuple[str, ...], found: dict[str, str], table: pd.DataFrame, path: Path) -> str:
    for name in accepted:
        if name in found:
            return found[name]
    raise ValueError(
        f"Expected a column {accepted[0]!r} (or {', '.join(accepted[1:])}) in {path}, "
        f"received the columns {', '.join(map(str, table.columns))}; rename one."
    )
