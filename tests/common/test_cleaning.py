"""Cleaning: what goes, under which reason, and what stays as it was."""

import numpy as np
import pandas as pd
import pytest

from common.cleaning import clean_compositions, drop_outliers
from common.composition import composition_keys, encode
from common.datasets import load

TARGET = "formation_energy_ev_per_atom"


def table(rows):
    return pd.DataFrame(rows, columns=["formula", TARGET, "split"])


MIXED = table(
    [
        ("Fe2O3", -1.0, "train"),
        ("oops(", -1.0, "train"),
        (None, -1.0, "train"),
        ("Xx2O3", -1.0, "train"),
        ("He", 0.0, "train"),  # outside the 86 comes before pure element
        ("NaCl", np.nan, "train"),
        ("KCl", np.inf, "test"),
        ("Fe", 0.0, "train"),
        ("Fe4O6", -1.7, "test"),
        ("O3Fe2", -1.7, "train"),
        ("NaN", -0.5, "val"),
    ]
)


def test_every_row_goes_under_one_reason():
    cleaned = clean_compositions(MIXED)
    assert cleaned.counts == {
        "unreadable formula": 3,
        "unknown element": 1,
        "missing target": 2,
        "single element": 1,
        "duplicate composition": 2,
    }
    assert len(cleaned.frame) + sum(cleaned.counts.values()) == len(MIXED)


def test_lowest_duplicate_stays_with_its_split_in_the_original_order():
    frame = clean_compositions(MIXED).frame
    assert frame["formula"].tolist() == ["Fe4O6", "NaN"]  # the first of two equal energies
    assert frame[TARGET].tolist() == [-1.7, -0.5]
    assert frame["split"].tolist() == ["test", "val"]
    assert frame.index.tolist() == [0, 1]


def test_fractions_and_hashes_are_those_of_the_rows():
    cleaned = clean_compositions(MIXED)
    expected = encode(cleaned.frame["formula"]).fractions
    np.testing.assert_array_equal(cleaned.fractions, expected)
    np.testing.assert_array_equal(cleaned.hashes, composition_keys(expected))
    single = clean_compositions(MIXED, dtype=np.float32)
    assert single.fractions.dtype == np.float32
    np.testing.assert_array_equal(single.hashes, cleaned.hashes)


def test_options():
    assert "Fe" in clean_compositions(MIXED, keep_single_elements=True).frame["formula"].tolist()
    assert clean_compositions(MIXED, elements=["Fe", "O"]).counts["unknown element"] == 4
    renamed = MIXED.rename(columns={TARGET: "gap_ev"})
    assert len(clean_compositions(renamed, target="gap_ev").frame) == 2


def test_original_is_not_changed():
    before = MIXED.copy(deep=True)
    clean_compositions(MIXED)
    pd.testing.assert_frame_equal(MIXED, before)


def test_no_rows():
    cleaned = clean_compositions(MIXED.iloc[:0])
    assert len(cleaned.frame) == 0 and cleaned.fractions.shape == (0, 86) and set(cleaned.counts.values()) == {0}


def test_sample_against_pandas():
    frame = load("flla").frame  # reduced formulas, so pandas can be the oracle
    cleaned = clean_compositions(frame)
    single = frame["formula"].str.fullmatch("[A-Z][a-z]?")
    lowest = frame[~single].groupby("formula")[TARGET].min()
    assert cleaned.frame.set_index("formula")[TARGET].sort_index().to_dict() == lowest.sort_index().to_dict()
    assert cleaned.counts["unknown element"] == 2
    assert cleaned.counts["single element"] == single.sum() - 2


def test_missing_column_is_named():
    with pytest.raises(KeyError, match="formation_energy_ev_per_atom.*not among"):
        clean_compositions(pd.DataFrame({"formula": ["NaCl"]}))


def test_outliers_are_judged_by_training_rows_alone():
    energies = np.array([-1.0, 1.0] * 50 + [5.0, 5.001, -6.0])  # training: mean 0, deviation 1
    frame = pd.DataFrame({TARGET: energies})
    is_train = np.arange(len(energies)) < 100
    kept, counts = drop_outliers(frame, is_train)
    assert kept.index.tolist() == list(range(101)) and counts == {"beyond 5 sigma": 2}
    kept, counts = drop_outliers(frame, pd.Series(is_train), num_sigma=5.5)
    assert len(kept) == 102 and counts == {"beyond 5.5 sigma": 1}


def test_index_finds_the_fractions_again():
    rows = [(f"Na{i}Cl", float(i % 3), "train") for i in range(1, 100)] + [("KBr", 1e6, "test"), ("LiF", 1.0, "test")]
    cleaned = clean_compositions(table(rows))
    kept, _ = drop_outliers(cleaned.frame, cleaned.frame["split"] == "train")
    assert "KBr" not in kept["formula"].tolist() and len(kept) == 100
    np.testing.assert_array_equal(cleaned.fractions[kept.index], encode(kept["formula"]).fractions)


@pytest.mark.parametrize("mask", [[True], [False, False], [0, 1], [0.0, 1.0]])
def test_bad_mask_is_refused(mask):
    with pytest.raises(ValueError, match="boolean mask of 2 rows"):
        drop_outliers(pd.DataFrame({TARGET: [1.0, 2.0]}), mask)


def test_missing_target_is_refused_by_the_outlier_rule():
    with pytest.raises(ValueError, match="finite"):
        drop_outliers(pd.DataFrame({TARGET: [1.0, np.nan]}), [True, True])
