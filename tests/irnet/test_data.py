"""Rows of chapter 4, from the bundled sample and from tables made up for the purpose."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from pymatgen.core import Structure

from common import cleaning
from common.composition import encode
from common.elements import ELEMENTS
from common.readers import LoadedDataset
from common.splits import LeakageError
from irnet import data, inputs
from irnet.config import IRNetConfig

ENERGY = "formation_energy_ev_per_atom"
FLLA = IRNetConfig(data="flla", inputs="C")


def table(frame: pd.DataFrame) -> LoadedDataset:
    return LoadedDataset(frame, "made up", "user", len(frame), {}, [])


@pytest.fixture(scope="module")
def compositions() -> pd.DataFrame:
    """48 compounds with two targets and a class: 30 train, 8 val, 10 test."""
    formulas = [
        f"{metal}{i}{anion}{j}"
        for i in (1, 2)
        for j in (3, 5, 7, 9)
        for anion in ("O", "Cl")
        for metal in ("Na", "Mg", "Fe")
    ]
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "formula": formulas,
            ENERGY: rng.normal(-1, 0.5, len(formulas)),
            "gap_ev": rng.uniform(0, 5, len(formulas)),
            "is_metal": rng.integers(0, 2, len(formulas)),
            "split": ["train"] * 30 + ["val"] * 8 + ["test"] * 10,
        }
    )  # fmt: skip


@pytest.fixture(scope="module")
def flla():
    return data.load(FLLA)


def test_the_three_parts_share_no_composition_and_all_rows_are_accounted_for(flla):
    parts = [set(map(str, rows.frame["formula"])) for rows in (flla.train, flla.validation, flla.test)]
    assert not (parts[0] & parts[1] or parts[0] & parts[2] or parts[1] & parts[2])
    kept = len(flla.train) + len(flla.validation) + len(flla.test)
    assert kept + sum(flla.counts.values()) == flla.loaded.rows


def test_attributes_are_those_of_the_formulas(flla):
    assert flla.labels == inputs.labels("C") and flla.train.x.dtype == np.float32
    expected = inputs.of_formulas("C", flla.test.frame["formula"]).attributes
    np.testing.assert_array_equal(flla.test.x, expected.astype(np.float32))
    assert np.isfinite(flla.train.x).all()


def test_elements_are_those_of_the_training_rows(flla):
    fractions = encode(flla.train.frame["formula"], ELEMENTS).fractions
    assert set(flla.elements) == {e for e, total in zip(ELEMENTS, fractions.sum(axis=0), strict=True) if total > 0}


def test_rows_with_an_element_that_training_rows_lack_are_counted(compositions):
    frame = compositions.copy()
    frame.loc[[32, 40, 41], "formula"] = ["RbO", "KBr", "NaI"]  # one in validation, two in test
    rows = data.load(FLLA, loaded=table(frame))
    assert rows.elements == ("O", "Na", "Mg", "Cl", "Fe")
    assert rows.counts["element absent from training rows"] == 3
    assert (len(rows.train), len(rows.validation), len(rows.test)) == (30, 7, 8)
    drawn = data.load(replace(FLLA, max_train_rows=1), loaded=table(frame))
    assert drawn.elements == rows.elements  # so that draws of any size are scored on the same rows
    np.testing.assert_array_equal(drawn.test.x, rows.test.x)


def test_rows_in_no_split_are_counted(compositions):
    frame = compositions.assign(split=compositions["split"].where(compositions.index != 2, "set aside"))
    rows = data.load(FLLA, loaded=table(frame))
    assert rows.counts["in no split"] == 1
    assert len(rows.train) + len(rows.validation) + len(rows.test) + sum(rows.counts.values()) == len(frame)


def test_pure_elements_stay_where_their_property_says_something(compositions):
    frame = compositions.copy()
    frame.loc[[0, 1], "formula"] = ["Fe", "Mg"]
    energies, gaps = (data.load(replace(FLLA, targets=(name,)), loaded=table(frame)) for name in (ENERGY, "gap_ev"))
    assert energies.counts["single element"] == 2 and gaps.counts["single element"] == 0
    assert set(gaps.train.frame["formula"]) - set(energies.train.frame["formula"]) == {"Fe", "Mg"}


def test_no_energy_is_far_from_the_training_rows(flla):
    train, everything = flla.train.y, np.concatenate([flla.train.y, flla.validation.y, flla.test.y])
    assert (np.abs(everything - train.mean()) < 6 * train.std()).all()


@pytest.mark.parametrize("target", ["gap_ev", "energy_above_hull_ev_per_atom"])
def test_the_tail_of_a_property_with_one_tail_is_kept(compositions, target):
    values = np.where(np.isin(compositions.index, [3, 45]), 1e3, 0.1 + compositions["gap_ev"] / 1e3)
    rows = data.load(replace(FLLA, targets=(target,)), loaded=table(compositions.assign(**{target: values})))
    assert 1e3 in rows.train.y and 1e3 in rows.test.y


def test_outlying_formation_energies_are_counted(compositions):
    energies = compositions.assign(**{ENERGY: np.where(compositions.index == 3, 1e3, compositions[ENERGY])})
    rows = data.load(FLLA, loaded=table(energies))
    assert 1e3 not in rows.train.y and any("sigma" in reason for reason in rows.counts if rows.counts[reason])


def test_protocol_paper_validates_on_test(compositions):
    honest = data.load(FLLA, loaded=table(compositions))
    paper = data.load(replace(FLLA, protocol="paper"), loaded=table(compositions))
    assert paper.validation is paper.test and len(paper.train) == len(honest.train) + len(honest.validation)
    np.testing.assert_array_equal(paper.test.x, honest.test.x)


def test_several_targets_and_classes(compositions):
    rows = data.load(replace(FLLA, targets=(ENERGY, "gap_ev")), loaded=table(compositions))
    assert rows.train.y.shape == (len(rows.train), 2)
    np.testing.assert_array_equal(rows.test.y, rows.test.frame[[ENERGY, "gap_ev"]])
    classes = replace(FLLA, targets=("is_metal",), num_classes=2)
    assert set(data.load(classes, loaded=table(compositions)).train.y) == {0, 1}
    with pytest.raises(ValueError, match=r"classes \[0, 1\].*'gap_ev'"):
        data.load(replace(classes, targets=("gap_ev",)), loaded=table(compositions))


def test_draws_are_nested_and_leave_the_test_rows(compositions):
    loaded = table(compositions)
    small, large = (data.load(replace(FLLA, max_train_rows=n), loaded=loaded) for n in (5, 12))
    assert set(small.train.frame["formula"]) < set(large.train.frame["formula"]) and len(large.train) == 12
    np.testing.assert_array_equal(small.test.y, large.test.y)
    assert len(data.load(replace(FLLA, max_test_rows=4), loaded=loaded).test) == 4


def test_rows_without_target_or_attributes_are_counted(compositions):
    frame = compositions.copy()
    frame.loc[0, ENERGY] = np.nan
    frame.loc[1, "formula"] = "He2Ne3"  # no attributes of noble gases
    frame.loc[2, "formula"] = "what"
    counts = data.load(FLLA, loaded=table(frame)).counts
    assert counts["missing target"] == 1
    assert sum(counts.values()) == 3


def test_a_row_in_two_parts_is_found(compositions, monkeypatch):
    frame = compositions.copy()
    frame.loc[47, "formula"] = frame.loc[0, "formula"]
    uncleaned = cleaning.Cleaned(frame, np.empty(0), np.empty(0), {})
    monkeypatch.setattr(cleaning, "clean_compositions", lambda frame, **options: uncleaned)
    with pytest.raises(LeakageError):
        data.load(FLLA, loaded=table(frame))


@pytest.mark.parametrize(
    ("changes", "frame_of", "words"),
    [
        ({"targets": ("density",)}, lambda f: f, "'density'.*gap_ev"),
        ({}, lambda f: f[f["split"] != "test"], "no test row"),
        ({}, lambda f: f.assign(formula="what"), "no row left"),
        ({}, lambda f: f.assign(split="test"), "no training row"),
    ],
)
def test_a_table_that_cannot_serve_says_why(compositions, changes, frame_of, words):
    with pytest.raises(ValueError, match=words):
        data.load(replace(FLLA, **changes), loaded=table(frame_of(compositions)))


def test_structures_keep_polymorphs_and_their_attributes(crystals):
    frame = frame_of_structures(crystals)
    config = IRNetConfig(data="made up", inputs="S+C")
    rows = data.load(config, loaded=table(frame))
    assert len(rows.train) + len(rows.validation) + len(rows.test) == len(frame)
    assert rows.labels == inputs.labels("S+C")
    expected = inputs.of_structures("S+C", list(crystals.values())).attributes.astype(np.float32)
    # The attributes do not change with the size of the cell, but for rounding.
    of_test = np.tile(expected, (4, 1))[(frame["split"] == "test").to_numpy()]
    np.testing.assert_allclose(rows.test.x, of_test, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("kind", ["C", "S", "S+C+EF"])
def test_inputs_are_compared_on_the_same_structures(crystals, kind):
    splits = {("K", "Cl"): "train", ("Mg", "O"): "train", ("Mg", "Cl"): "val", ("K", "O"): "test"}
    kcl = crystals["KCl.cif"]
    frame = frame_of_structures({"".join(pair): Structure(kcl.lattice, pair, kcl.frac_coords) for pair in splits})
    frame["split"] = [splits[species] for species in frame["species"]]
    rows = data.load(IRNetConfig(data="made up", inputs=kind), loaded=table(frame))
    for name, part in (("train", rows.train), ("val", rows.validation), ("test", rows.test)):
        expected = frame.loc[frame["split"] == name, "structure_id"].tolist()
        assert part.frame["structure_id"].tolist() == expected


def frame_of_structures(crystals) -> pd.DataFrame:
    """Each crystal in four sizes: 13 train, 2 val, 5 test; compositions cross splits, rows do not."""
    rows = []
    for scale in (1.0, 1.1, 1.2, 1.3):
        for name, crystal in crystals.items():
            rows.append(
                {
                    "structure_id": f"{name}-{scale}",
                    "formula": crystal.composition.reduced_formula,
                    ENERGY: -1.0 - scale + 0.1 * len(rows),
                    "species": tuple(site.specie.symbol for site in crystal),
                    "lattice": crystal.lattice.matrix * scale,
                    "frac": crystal.frac_coords,
                }
            )
    num_rows = len(rows)
    return pd.DataFrame(rows).assign(split=["train"] * (num_rows - 7) + ["val"] * 2 + ["test"] * 5)
