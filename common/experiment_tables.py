"""The registry's tables of measured formation enthalpies at 298 K, in eV per atom, in the form of `composition_tables`.

SSUB is SGTE's compilation, as distributed with qmpy; the JARVIS-Leaderboard scores models on a split of its own of it;
the CRC Handbook's table comes with the package `chemicals`. SSUB's pure elements, at 0 but for their other phases, stay
in the frame: `common.cleaning` drops them, and counts.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import constants

from common.composition import composition_keys, encode, parse_formula
from common.composition_tables import note, one_row_each
from common.elements import ELEMENTS
from common.formula import FormulaError
from common.readers import TARGET, Table, split_by_composition

EV_PER_ATOM_IN_J_PER_MOL = constants.N_A * constants.e  # 96,485.33
MAX_UNZIPPED_BYTES = 16 * 2**20
LEADERBOARD_SPLIT = "ssub_formula_energy.json"


# ---------------------------------------------------------------------------------------------------------------- SSUB


def read_ssub(paths: list[Path]) -> Table:
    """SSUB, the lowest enthalpy of each composition, split by the hash of the composition.

    Some of its values are known to be wrong. Where a second file with literature values is given, its value of a
    composition replaces all those of SSUB; compositions that only the second file has are not added.

    Args:
        paths: `ssub.dat` and, where wanted, `corrections.dat`: lines of a formula, its enthalpy in eV/atom, and what
            else there is.
    """
    frame = _read_lines(paths[0])
    notes: list[str] = []
    if len(paths) > 1:
        frame, notes = _correct(frame, _read_lines(paths[1]))
    frame["split"] = split_by_composition(frame["formula"])
    frame, merged = one_row_each(frame, TARGET, "lowest")
    return frame, [*notes, *merged]


def read_ssub_leaderboard(paths: list[Path]) -> Table:
    """The rows of SSUB that the JARVIS-Leaderboard trains and scores on, all of them, in its order.

    Args:
        paths: `ssub.dat`, and the zipped JSON of the split: `{"train": {row of ssub.dat: eV/atom}, "test": {...}}`.

    Returns:
        Frame with `id` (str, the row of `ssub.dat`, counted from 0), `formula`, the enthalpy and `split` ("train" or
        "test").

    Raises:
        ValueError: the split is not of that form, or not of these rows.
    """
    table, archive = _read_lines(paths[0]), paths[1]
    text = read_zipped(archive, LEADERBOARD_SPLIT)
    try:
        parts = json.loads(text)
        rows = [(name, part, float(value)) for part in ("train", "test") for name, value in parts[part].items()]
        frame = pd.DataFrame(rows, columns=["id", "split", TARGET])
        source = table.iloc[frame["id"].astype(int)].reset_index(drop=True)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f'Expected {{"train": {{row of {paths[0].name}: eV/atom}}, "test": {{...}}}} in {archive}, '
            f"received something else ({type(error).__name__}: {error})."
        ) from error
    others = frame["id"][~np.isclose(frame[TARGET], source[TARGET], rtol=0, atol=1e-9)]
    if len(others):
        raise ValueError(
            f"Expected the values of {paths[0]} in {archive}, received others in {len(others):,} rows, the first of "
            f"them {others.iloc[0]}; the two files do not belong together."
        )
    return frame.assign(formula=source["formula"])[["id", "formula", TARGET, "split"]], []


def _read_lines(path: Path) -> pd.DataFrame:
    table = pd.read_csv(
        path, sep=r"\s+", header=None, usecols=[0, 1], names=["formula", TARGET], keep_default_na=False, dtype=str
    )
    return table.assign(**{TARGET: pd.to_numeric(table[TARGET], errors="coerce").astype(np.float64)})


def _correct(frame: pd.DataFrame, corrections: pd.DataFrame) -> Table:
    keys = _keys(frame["formula"])
    literature = dict(zip(_keys(corrections["formula"]), corrections[TARGET], strict=True))
    literature.pop(None, None)
    values = frame[TARGET].tolist()
    replaced: dict[int | None, tuple[str, float]] = {}  # formula and lowest value of SSUB
    for row, key in enumerate(keys):
        if key in literature:
            formula, lowest = replaced.get(key, (frame["formula"].iat[row], values[row]))
            replaced[key] = (formula, min(lowest, values[row]))
            values[row] = literature[key]
    changes = ", ".join(f"{name} {lowest:.3f} to {literature[key]:.3f}" for key, (name, lowest) in replaced.items())
    text = f"compositions have the literature value of corrections.dat in place of SSUB's (eV/atom): {changes}"
    return frame.assign(**{TARGET: values}), note(len(replaced), text)


def _keys(formulas: pd.Series) -> list[int | None]:
    """(n,) key of each composition; None where the formula cannot be read."""
    encoded = encode(formulas)
    keys = np.full(len(formulas), None, object)
    keys[encoded.ok] = composition_keys(encoded.fractions[encoded.ok]).tolist()
    return keys.tolist()


# ----------------------------------------------------------------------------------------------------------------- CRC


def read_crc(paths: list[Path]) -> Table:
    """Enthalpies of inorganic solids in the CRC Handbook's table, split by the hash of the composition.

    A substance is kept if the enthalpy of its solid is tabulated, its CAS number gives a formula that can be read, and
    it holds two elements or more, all of them among the 86, and not both carbon and hydrogen. Carbides, carbonates and
    cyanides are so kept, and a few halocarbons. A CAS number is not looked for among synonyms, as `chemicals` itself
    does: that adds nine substances, three of them under a wrong formula.

    The table has no polymorphs: where two substances have one composition, the formula of one is wrong (Ti3O5 as TiO).
    No rule tells which, so both are left out.

    Args:
        paths: the table, then lists of identifiers that give the formula to a CAS number. All tab-separated.

    Returns:
        Frame with `formula`, the enthalpy, `split`, and `cas` and `name` of the substance.
    """
    table = pd.read_csv(paths[0], sep="\t", keep_default_na=False, usecols=["CAS", "Chemical", "Hfs"], dtype=str)
    enthalpy_j_per_mol = pd.to_numeric(table["Hfs"], errors="coerce")
    formula = table["CAS"].map(_formulas_by_cas(paths[1:], set(table["CAS"])))
    reason = formula.map(_why_not).where(enthalpy_j_per_mol.notna(), "substances without an enthalpy of the solid")
    kept = reason.isna()
    formula = formula[kept]
    num_atoms = formula.map(lambda text: sum(parse_formula(text).values())).astype(np.float64)
    frame = pd.DataFrame(
        {
            "formula": formula,
            TARGET: enthalpy_j_per_mol[kept] / EV_PER_ATOM_IN_J_PER_MOL / num_atoms,
            "split": split_by_composition(formula),
            "cas": table["CAS"][kept],
            "name": table["Chemical"][kept],
        }
    ).reset_index(drop=True)
    notes = [line for text, num in reason.value_counts().items() for line in note(num, f"{text}: left out")]
    frame, merged = one_row_each(frame, TARGET, "agreed")
    return frame, [*notes, *merged]


def _formulas_by_cas(paths: Sequence[Path], wanted: set[str]) -> dict[str, str]:
    """Formula of each CAS number; the first file that has it decides.

    Columns of the files: PubChem id, CAS number, formula, and much that would be slow to take apart.
    """
    formulas: dict[str, str] = {}
    for path in paths:
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                _, cas, formula, _ = line.split("\t", 3)
                if cas in wanted:
                    formulas.setdefault(cas, formula)
    return formulas


def _why_not(formula: str | float) -> str | None:
    """Why a substance with this formula (NaN: none is known) is left out; None where it is kept."""
    if not isinstance(formula, str):
        return "substances whose formula is not known"
    try:
        amounts = parse_formula(formula)
    except FormulaError:
        return "substances with the formula of an ion"
    if {"C", "H"} <= amounts.keys():
        return "substances of carbon and hydrogen"
    if len(amounts) == 1:
        return "pure elements"
    if not amounts.keys() <= set(ELEMENTS):
        return f"substances with elements beyond the {len(ELEMENTS)}"
    return None


# ------------------------------------------------------------------------------------------------------- zipped files


def read_zipped(path: Path, member: str, max_bytes: int = MAX_UNZIPPED_BYTES) -> bytes:
    """The content of one file in a zip archive, read in memory: nothing is written to disk, whatever its name.

    Args:
        path: the archive.
        member: name of the file in it.
        max_bytes: refuse a larger file.

    Raises:
        ValueError: no zip archive, damaged or encrypted, without that file, or the file is too large.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if member not in archive.namelist():
                raise ValueError(f"Expected the file {member} in {path}, received {archive.namelist()[:5]}.")
            with archive.open(member) as stream:
                content = stream.read(max_bytes + 1)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise ValueError(f"Expected a zip archive with {member} in {path}, but it cannot be read ({error}).") from error
    if len(content) > max_bytes:
        raise ValueError(f"Expected at most {max_bytes:,} bytes of {member} in {path}, received more.")
    return content
