"""Formula tables in one form: one row of each composition, by the rule named, and in one part of the split."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.composition import composition_keys, encode
from common.composition_tables import TableReader, is_magnetic, is_metal, one_row_each, read_stable_mp
from common.elements import ELEMENTS

PARTS = ("train", "val", "test")


def frame_of(*rows) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["formula", "value", "split"])


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


# ------------------------------------------------------------------------------------------------------------- rules

POLYMORPHS = frame_of(
    ("Fe2O3", 3.0, "train"),
    ("NaCl", 1.0, "train"),
    ("Fe4O6", 1.0, "train"),
    ("O3Fe2", 1.5, "train"),
    ("NaN", 7.0, "val"),
)


@pytest.mark.parametrize(("rule", "expected"), [("lowest", 1.0), ("median", 1.5)])
def test_rule_for_numbers(rule, expected):
    frame, notes = one_row_each(POLYMORPHS, "value", rule)
    assert frame["formula"].tolist() == ["Fe2O3", "NaCl", "NaN"]
    assert frame["value"].tolist() == [expected, 1.0, 7.0]
    assert len(notes) == 1 and "1 compositions with several rows (3 rows)" in notes[0]


def test_labels_that_contradict_one_another_are_dropped():
    labels = frame_of(
        ("Fe", 1, "train"), ("NaCl", 0, "train"), ("ClNa", 1, "train"), ("MgO", 0, "test"), ("OMg", 0, "test")
    )
    frame, notes = one_row_each(labels, "value", "agreed")
    assert frame["formula"].tolist() == ["Fe", "MgO"] and frame["value"].tolist() == [1, 0]
    assert "1 compositions with contradictory rows (2 rows): left out." in notes
    assert any("1 compositions with several rows (2 rows): the common value" in note for note in notes)


def test_composition_in_two_parts_stays_in_test():
    frame, notes = one_row_each(
        frame_of(("NaCl", 1.0, "train"), ("ClNa", 2.0, "test"), ("MgO", 1.0, "val"), ("OMg", 0.5, "train")),
        "value",
        "lowest",
    )
    assert dict(zip(frame["formula"], frame["split"], strict=True)) == {"NaCl": "test", "MgO": "val"}
    assert frame["value"].tolist() == [1.0, 0.5]
    assert any("2 compositions in several parts" in note for note in notes)


def test_formulas_that_cannot_be_read_are_left_for_cleaning():
    frame, notes = one_row_each(
        frame_of(("oops(", 1, "train"), ("oops(", 2, "train"), ("HeO", 3, "test")), "value", "lowest"
    )
    assert frame["formula"].tolist() == ["oops(", "oops(", "HeO"] and notes == []


formulas = st.lists(st.tuples(st.sampled_from(ELEMENTS[:4]), st.integers(1, 3)), min_size=1, max_size=3).map(
    lambda parts: "".join(f"{symbol}{amount}" for symbol, amount in parts)
)
rows = st.lists(st.tuples(formulas, st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from(PARTS)), min_size=1, max_size=40)


@settings(max_examples=100, deadline=None)
@given(rows, st.sampled_from(["lowest", "median", "agreed"]))
def test_rules_agree_with_a_loop(table, rule):
    groups: dict[int, list] = {}
    for formula, value, part in table:
        key = int(composition_keys(encode([formula]).fractions)[0])
        groups.setdefault(key, []).append((formula, value, part))
    expected = []
    for group in groups.values():
        values = [value for _, value, _ in group]
        if rule == "agreed" and len(set(values)) > 1:
            continue
        value = np.median(values) if rule == "median" else min(values)
        expected.append((group[0][0], value, max((part for *_, part in group), key=PARTS.index)))
    frame, _ = one_row_each(frame_of(*table), "value", rule)
    assert list(frame.itertuples(index=False, name=None)) == expected


# ------------------------------------------------------------------------------------------------------------ reader


def test_reader_takes_its_columns_and_leaves_missing_numbers_out(tmp_path):
    text = "pretty,gap,split\nNaN,0.5,train\nNaCl,,test\nMgO,n/a,val\nFe2O3,2,\n"
    reader = TableReader("band_gap_ev", "median", "pretty", "gap", "split")
    frame, notes = reader([write(tmp_path / "a.csv", text)])
    assert frame.columns.tolist() == ["formula", "band_gap_ev", "split"]
    assert frame["formula"].tolist() == ["NaN", "Fe2O3"] and frame["band_gap_ev"].dtype == np.float64
    assert frame["split"].tolist() == ["train", "train"]  # an empty cell is train
    assert notes == ["2 rows without band_gap_ev: left out."]


def test_reader_without_splits_splits_by_composition(tmp_path):
    names = [f"{a}{n}{b}" for a in ELEMENTS[:20] for b in ELEMENTS[20:40] for n in (2, 3)]
    text = "formula,target\n" + "".join(f"{name},1\n" for name in names)
    frame, _ = TableReader("value", "lowest")([write(tmp_path / "a.csv", text)])
    shares = frame["split"].value_counts(normalize=True).to_dict()
    assert shares == pytest.approx({"train": 0.8, "val": 0.1, "test": 0.1}, abs=0.04)
    again, _ = TableReader("value", "lowest")([write(tmp_path / "b.csv", "formula,target\n" + text.split("\n", 9)[9])])
    both = frame.merge(again, on="formula")
    assert len(both) == len(again) and (both["split_x"] == both["split_y"]).all()  # whatever other rows there are


def test_reader_of_two_files_cuts_validation_from_training(tmp_path):
    names = [f"{a}{b}" for a in ELEMENTS[:30] for b in ELEMENTS[30:60]]
    train = write(tmp_path / "train.csv", ",formula,target\n" + "".join(f"0,{n},1\n" for n in names))
    test = write(tmp_path / "test.csv", f",formula,target\n0,{names[0]},0.5\n1,ClNa,2\n")
    frame, _ = TableReader("value", "lowest", file_splits=("train", "test"))([train, test])
    counts = frame["split"].value_counts()
    assert counts["test"] == 2 and counts["val"] / counts["train"] == pytest.approx(1 / 8, abs=0.04)
    first = frame.set_index("formula").loc[names[0]]
    assert (first["split"], first["value"]) == ("test", 0.5)


def test_label_is_made_of_the_number_before_rows_are_merged(tmp_path):
    text = "formula,target\nFe2O3,4.1\nFe4O6,-3.9\nNaCl,0\nMgO,0.05\nOMg,0.06\nTiO2,n/a\nCoO,0.2\nZnO,-0.0\n"
    reader = TableReader("is_magnetic", "agreed", label=is_magnetic)
    frame, notes = reader([write(tmp_path / "a.csv", text)])
    assert dict(zip(frame["formula"], frame["is_magnetic"], strict=True)) == {"Fe2O3": 1, "NaCl": 0, "CoO": 1, "ZnO": 0}
    assert frame["is_magnetic"].dtype == np.float64
    assert "1 rows without is_magnetic: left out." in notes  # no number, no label
    assert "1 compositions with contradictory rows (2 rows): left out." in notes  # 0.05 and 0.06


def test_metals_have_no_gap(tmp_path):
    text = "formula,target\nCu,0.0\nSi,1.1\nTi,-0.001\n"
    frame, _ = TableReader("is_metal", "agreed", label=is_metal)([write(tmp_path / "a.csv", text)])
    assert frame["is_metal"].tolist() == [1, 0, 1]


# --------------------------------------------------------------------------------------------------- stable compounds

FORMATION = "formula,target,split\nNaCl,-2.1,train\nMgO,-3.1,val\nNaN,0.4,test\nCuO,-0.8,test\n"


def test_stable_compounds_are_joined_by_formula(tmp_path):
    decomposition = "formula,target,split\nCuO,0,test\nNaN,0.7,test\nMgO,-0.9,val\nNaCl,0.001,train\n"
    paths = [write(tmp_path / "Ef.csv", FORMATION), write(tmp_path / "Ed.csv", decomposition)]
    frame, notes = read_stable_mp(paths)
    assert frame.to_dict("list") == {
        "formula": ["MgO", "CuO"],
        "formation_energy_ev_per_atom": [-3.1, -0.8],
        "split": ["val", "test"],
    }
    assert notes == ["2 compositions with a positive decomposition energy: left out."]


@pytest.mark.parametrize("last", ["CuO", "CuO2,0,test\nNaCl", "NaCl"])
def test_tables_that_do_not_match_are_not_joined(tmp_path, last):
    decomposition = f"formula,target,split\nNaN,0.7,test\nMgO,-0.9,val\n{last},0,test\n"
    paths = [write(tmp_path / "Ef.csv", FORMATION), write(tmp_path / "Ed.csv", decomposition)]
    with pytest.raises(ValueError, match="Expected the same formulas, each once.*Ed.csv, received 4"):
        read_stable_mp(paths)
