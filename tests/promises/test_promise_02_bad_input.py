"""Unknown elements, zero totals, NaN, duplicates: counted and reported by reason.

Tables with a known number of each kind of bad row: what is said of them must be these numbers.
"""

import csv
import re
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from common import artifacts
from common.cleaning import clean_compositions
from common.elements import ELEMENTS
from common.readers import load_user_file
from elemnet.__main__ import app as elemnet
from elemnet.hulls import KnownPhases

ENERGY = "formation_energy_ev_per_atom"
KINDS = {  # what a row holds -> words of its reason
    "Xx2O3": "'Xx' in 'Xx2O3' is not an element",
    "Qq": "'Qq' in 'Qq' is not an element",
    "HeO2": "He is a known element but outside the",
    "OgO": "Og is a known element but outside the",
    "Na0": "The total amount of 'Na0' is zero",
    "(Na0Cl0)2": "The total amount of '(Na0Cl0)2' is zero",
    "": "The formula is empty",
    "nan": "has a symbol without a capital letter",
    "NaCl)": "are unbalanced",
    "Na1e5": "has an exponent",
    "Fe3+": "ions and negative amounts are not supported",
    "CuSO4.5H2O": "looks like a hydrate",
}
GOOD = ["NaCl", "Cl2Na2", "NaN", "Fe2O3", "MgO"]


def drawn(num, seed):
    """Formulas in any order, and how many there are of each."""
    formulas = np.random.default_rng(seed).choice(np.array([*KINDS, *GOOD], object), num).tolist()
    return formulas, Counter(formulas)


@pytest.mark.parametrize("seed", range(3))
def test_a_command_counts_every_kind_of_bad_row(tmp_path, faults, seed):
    formulas, counts = drawn(2_000, seed)
    with (tmp_path / "in.csv").open("w", newline="") as stream:
        csv.writer(stream, quoting=csv.QUOTE_ALL).writerows([["formula"], *([formula] for formula in formulas)])
    num_bad = sum(counts[kind] for kind in KINDS)
    with faults.inject(num_bad):
        files = ["--input", str(tmp_path / "in.csv"), "--output", str(tmp_path / "out.csv")]
        result = CliRunner().invoke(elemnet, ["predict", *files])
        assert result.exit_code == 0, result.output
        table = pd.read_csv(tmp_path / "out.csv", keep_default_na=False)
        assert table["formula"].tolist() == formulas
        for formula, words in KINDS.items():
            reasons = table["reason"][table["formula"] == formula]
            assert len(reasons) == counts[formula] and reasons.nunique() == 1 and words in reasons.iloc[0]
        assert f"{2_000 - num_bad:,} ok, {num_bad:,} without an answer" in result.stdout
        printed = [int(number.replace(",", "")) for number in re.findall(r"^  ([\d,]+) x ", result.stdout, re.M)]
        assert printed == sorted((counts[kind] for kind in KINDS), reverse=True)[:5]
        assert f"and {len(KINDS) - 5} other reasons" in result.stdout
    energies = table[table["status"] == "ok"].groupby("formula")[ENERGY].unique()
    assert all(len(values) == 1 for values in energies)  # rows that occur again are answered again, and alike
    assert float(energies["NaCl"][0]) == pytest.approx(float(energies["Cl2Na2"][0]), abs=1e-5)


def bad_table(seed):
    """A table to train on with known numbers of bad rows, in any order, and those numbers."""
    rng = np.random.default_rng(seed)
    wanted = {
        "unreadable formula": int(rng.integers(1, 20)),
        "unknown element": int(rng.integers(1, 20)),
        "missing target": int(rng.integers(1, 20)),
        "single element": int(rng.integers(1, 20)),
        "duplicate composition": int(rng.integers(1, 20)),
    }
    metals, ratios = ("Na", "K", "Mg", "Ca"), ((1, 1), (1, 2), (2, 1))
    good = [f"{metal}{i}{anion}{j}" for metal in metals for anion in ("O", "Cl", "S") for i, j in ratios]
    rows = [(formula, str(rng.normal(-1, 0.2))) for formula in good]
    draws = {
        "unreadable formula": [("Xx2O3", "-1"), ("Na0", "-1"), ("", "-1"), ("nacl", "nan")],
        "unknown element": [("HeO2", "-1"), ("OgO", "inf")],
        "missing target": [("RbBr", cell) for cell in ("", "nan", "inf", "-inf", "low", "1,5", "None")],
        "single element": [("Na", "0"), ("Cl2", "0.1"), ("Fe", "-0.1")],
        "duplicate composition": [("ClNa", "5"), ("(NaCl)2", "5"), ("Na0.5Cl0.5", "5"), ("Cl₂Na₂", "5")],
    }
    for reason, number in wanted.items():
        rows += [draws[reason][draw] for draw in rng.integers(len(draws[reason]), size=number)]
    order = rng.permutation(len(rows))
    return [rows[row] for row in order], wanted, len(good)


@pytest.mark.parametrize("seed", range(5))
def test_cleaning_counts_each_bad_row_once_under_its_reason(tmp_path, faults, seed):
    rows, wanted, num_good = bad_table(seed)
    with (tmp_path / "my.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([("formula", ENERGY), *rows])
    with faults.inject(sum(wanted.values())):
        loaded = load_user_file(tmp_path / "my.csv")
        assert len(loaded.frame) == len(rows)  # nothing goes before it is counted
        cleaned = clean_compositions(loaded.frame)
        assert cleaned.counts == wanted and len(cleaned.frame) == num_good
        not_numbers = sum(not np.isfinite(pd.to_numeric(cell, errors="coerce")) for _, cell in rows)
        not_numbers -= sum("inf" in cell for _, cell in rows)
        assert any(f"{not_numbers:,} of {len(rows):,} rows have no number" in note for note in loaded.notes)


def test_a_training_says_how_many_rows_it_leaves_out_and_why(tmp_path, faults):
    rows, wanted, _ = bad_table(0)
    with (tmp_path / "my.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([("formula", ENERGY), *rows])
    with faults.inject(sum(wanted.values())):
        options = ["--architecture", "8x1D-8x1-1", "--epochs", "8", "--recipe", "small"]
        files = ["--data", str(tmp_path / "my.csv"), "--output", str(tmp_path / "run")]
        result = CliRunner().invoke(elemnet, ["train", *files, *options])
        assert result.exit_code == 0, result.output
        left_out = artifacts.load(tmp_path / "run" / "model.keras").card["data"]["left_out"]
        assert {reason: left_out[reason] for reason in wanted} == wanted
        for reason, number in left_out.items():
            assert (f"left out: {number} {reason}\n" in result.stdout) == (number > 0)


def test_phases_of_a_hull_are_counted_too(faults):
    rows, wanted, num_good = bad_table(1)
    frame = pd.DataFrame(rows, columns=["formula", ENERGY])
    with faults.inject(sum(wanted.values())):
        known = KnownPhases.from_table(frame["formula"], pd.to_numeric(frame[ENERGY], errors="coerce"))
        # hulls know all 118 elements: rows of He and Og are phases there, or have no energy
        others = sum(number for reason, number in wanted.items() if reason != "unknown element")
        counted = sum(known.counts.values())
        assert known.counts["unreadable formula"] == wanted["unreadable formula"]
        assert known.counts["single element"] == wanted["single element"]
        assert counted >= others and counted + len(known) == len(rows)


def test_no_cell_is_guessed_to_be_missing():
    """NaN is sodium nitride; a cell that is missing is counted as such."""
    frame = pd.DataFrame({"formula": ["NaN", None, np.nan, pd.NA, "NaN"], ENERGY: [-1.0, -1, -1, -1, np.nan]})
    cleaned = clean_compositions(frame, elements=ELEMENTS)
    assert cleaned.frame["formula"].tolist() == ["NaN"]
    assert {reason: n for reason, n in cleaned.counts.items() if n} == {"unreadable formula": 3, "missing target": 1}
