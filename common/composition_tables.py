"""The registry's tables of formulas and one property, whatever their columns were called, in one form.

Every reader returns a frame with `formula` (str), the target (float64), `split` ("train", "val" or "test") and what
else is worth keeping, and notes on what was left out. The readers of the OQMD and of the sample drop nothing:
`common.cleaning` does, and counts. `TableReader` leaves one row of each composition, by a rule the registry names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from common.composition import composition_keys, encode
from common.readers import TARGET, Table, split_by_composition
from common.splits import SPLIT_NAMES

Rule = Literal["lowest", "median", "agreed"]
MAGNETIC_MOMENT_MU_B = 0.05


def is_metal(gap_ev: pd.Series) -> pd.Series:
    """True where there is no band gap; (n,) eV."""
    return gap_ev <= 0


def is_magnetic(moment_mu_b: pd.Series) -> pd.Series:
    """True where the moment of a cell exceeds `MAGNETIC_MOMENT_MU_B` in magnitude; (n,) Bohr magnetons.

    Of JARVIS-DFT's moments 78 % are exactly 0 and 1 % lie between 1e-4 and 0.05, more of them the smaller they are:
    what convergence has left over. Moments begin in earnest above 0.2. Few lie near the cut, so its exact place moves
    hardly a label (0.02 or 0.1 instead change less than 0.1 % of them).
    """
    return moment_mu_b.abs() > MAGNETIC_MOMENT_MU_B


@dataclass(frozen=True)
class TableReader:
    """Reads CSV files with a formula and a number in each row; one row of each composition is left.

    A property of a composition is that of its ground state. Where a table has several rows of one composition,
    `keep` decides:

    - "lowest": the lowest value; for energies, where it belongs to the ground state.
    - "median": the median, for numbers whose ground state the table does not name.
    - "agreed": the common value; compositions whose rows disagree are dropped. For labels.

    A composition with rows in train and test stays in test, so the published test compositions are all scored and
    none is trained on.

    Attributes:
        target: column of the frame, unit in its name.
        keep: the rule above.
        formula_column: column of the files.
        value_column: column of the files.
        split_column: column of the files with train, val and test (an empty cell is train). Without one, `file_splits`
            hold; without both, rows are split 80/10/10 by the hash of the composition.
        file_splits: the split of each file, in the order given. Without a "val" among them, a ninth of the training
            compositions is cut off, by hash.
        label: where the target is a class made of the number: (n,) numbers -> (n,) bool, 1 where true. It comes before
            `keep`, so "agreed" is about the label, not the number.
    """

    target: str
    keep: Rule
    formula_column: str = "formula"
    value_column: str = "target"
    split_column: str | None = None
    file_splits: tuple[str, ...] = field(default=())
    label: Callable[[pd.Series], pd.Series] | None = None

    def __call__(self, paths: list[Path]) -> Table:
        tables = [read_csv(path) for path in paths]
        if self.file_splits:
            tables = [t.assign(split=split) for t, split in zip(tables, self.file_splits, strict=True)]
        table = pd.concat(tables, ignore_index=True)
        formula = table[self.formula_column].astype(str)
        value = pd.to_numeric(table[self.value_column], errors="coerce").astype(np.float64)
        if self.split_column:
            split = table[self.split_column].replace("", "train").to_numpy(object)
        elif self.file_splits:
            split = _with_validation(formula, table["split"].to_numpy(object))
        else:
            split = split_by_composition(formula)
        frame = pd.DataFrame({"formula": formula, self.target: value, "split": split})
        present = np.isfinite(value.to_numpy())
        if self.label:
            frame[self.target] = self.label(value).astype(np.float64)
        notes = note(int((~present).sum()), f"rows without {self.target}: left out")
        frame, merged = one_row_each(frame[present].reset_index(drop=True), self.target, self.keep)
        return frame, [*notes, *merged]


def one_row_each(frame: pd.DataFrame, target: str, keep: Rule) -> Table:
    """One row of each composition; see `TableReader` for the rules.

    Args:
        frame: n rows with columns `formula`, `target` (finite) and `split`.
        target: name of the column.
        keep: "lowest", "median" or "agreed".

    Returns:
        At most n rows in the order of the first row of each composition, and notes on the others. Rows whose formula
        cannot be read are all kept, for `common.cleaning` to report.
    """
    encoded = encode(frame["formula"])
    row = np.arange(len(frame))
    key = row.astype(np.uint64)  # small numbers, which no hash of 64 bits will equal
    key[encoded.ok] = composition_keys(encoded.fractions[encoded.ok])
    groups = frame[target].groupby(key)
    num_rows, lowest, highest = (groups.transform(how).to_numpy() for how in ("size", "min", "max"))
    if (num_rows == 1).all():
        return frame, []

    order = pd.Series([SPLIT_NAMES.index(name) for name in frame["split"]])
    last_split = order.groupby(key).transform("max").to_numpy()  # test before val before train
    value = (groups.transform("median") if keep == "median" else groups.transform("min")).to_numpy()
    names = np.array(SPLIT_NAMES, object)
    is_first = ~pd.Series(key).duplicated().to_numpy()
    agrees = lowest == highest if keep == "agreed" else np.ones(len(frame), bool)
    merged = frame.assign(**{target: value, "split": names[last_split]})[is_first & agrees].reset_index(drop=True)

    several = num_rows > 1
    notes = []
    if keep == "agreed":
        where = f"compositions with contradictory rows ({int((~agrees).sum()):,} rows): left out"
        notes += note(int((is_first & ~agrees).sum()), where)
        several &= agrees
    how = {"lowest": "the lowest value", "median": "the median", "agreed": "the common value"}[keep]
    where = f"compositions with several rows ({int(several.sum()):,} rows): {how} of each kept"
    notes += note(int((several & is_first).sum()), where)
    straddling = is_first & agrees & (order.groupby(key).transform("min").to_numpy() < last_split)
    where = "compositions in several parts of the split: kept in test where they are there, else in val"
    notes += note(int(straddling.sum()), where)
    return merged, notes


def _with_validation(formulas: pd.Series, split: np.ndarray) -> np.ndarray:
    if "val" in split:
        return split
    cut = split_by_composition(formulas, shares=(8 / 9, 1 / 9, 0.0))
    return np.where(split == "train", cut, split)


def note(num: int, text: str) -> list[str]:
    """One sentence, or none where there is nothing to count."""
    return [f"{num:,} {text}."] if num else []


def read_csv(path: Path) -> pd.DataFrame:
    # keep_default_na=False: the formula "NaN" is sodium nitride, not a missing cell
    return pd.read_csv(path, keep_default_na=False)


def _frame(formula: pd.Series, energy: pd.Series, split: object, **extra: pd.Series) -> pd.DataFrame:
    energy = pd.to_numeric(energy, errors="coerce").astype(np.float64)
    return pd.DataFrame({"formula": formula, TARGET: energy, "split": split, **extra})


def read_oqmd(paths: list[Path]) -> Table:
    tables = [read_csv(path) for path in paths]
    parts = [_frame(t["formula"], t["target"], path.stem) for t, path in zip(tables, paths, strict=True)]
    return pd.concat(parts, ignore_index=True), []


def read_oqmd_subset(paths: list[Path]) -> Table:
    table = read_csv(paths[0])
    split = np.where(table["split_v2021_03"] == "test", "test", "train").astype(object)
    return _frame(table["composition"], table["delta_e_ev_per_atom"], split), []


def read_stable_mp(paths: list[Path]) -> Table:
    """Formation energies of the compositions whose decomposition energy is not above 0: what is on the hull.

    Args:
        paths: tables of formation and of decomposition energies with columns `formula`, `target` (eV/atom) and `split`,
            both with one row of each formula, written alike.

    Raises:
        ValueError: the tables do not have the same formulas, each once.
    """
    formation, decomposition = (read_csv(path).set_index("formula") for path in paths)
    unmatched = len(formation.index.symmetric_difference(decomposition.index))
    if unmatched or not (formation.index.is_unique and decomposition.index.is_unique):
        raise ValueError(
            f"Expected the same formulas, each once, in {paths[0]} and {paths[1]}, received {len(formation):,} and "
            f"{len(decomposition):,} rows with {unmatched:,} formulas in one table only."
        )
    stable = (decomposition["target"].reindex(formation.index) <= 0).to_numpy()
    kept = formation[stable].reset_index()
    frame, merged = one_row_each(_frame(kept["formula"], kept["target"], kept["split"]), TARGET, "lowest")
    return frame, [*note(int((~stable).sum()), "compositions with a positive decomposition energy: left out"), *merged]


def read_published_elemnet(paths: list[Path]) -> Table:
    table = read_csv(paths[0])
    return _frame(table["formula"], table["actual"], "test", predicted=table["predicted"].astype(np.float64)), []


def read_flla(paths: list[Path]) -> Table:
    table = read_csv(paths[0])
    frame = _frame(
        table["formula"],
        table[TARGET],
        split_by_composition(table["formula"]),
        material_id=table["material_id"],
        e_above_hull=table["e_above_hull"],
    )
    return frame, []
