"""Tables of a screening against plain counting of its candidates."""

import numpy as np
import pandas as pd
import pytest
from pymatgen.core import Composition

from elemnet.categories import categories_of_system
from elemnet.composition_space import CompositionSpace
from elemnet.hulls import KnownPhases
from elemnet.predict import ENERGY
from elemnet.screening import DISTANCE, Settings
from elemnet.screening_run import ScreeningError, part_path, screen
from elemnet.screening_tables import (
    best_candidates,
    candidates_of,
    iterate_candidates,
    match_compounds,
    summarise,
)

SPACE = CompositionSpace(("Li", "Na", "Mg", "F", "O", "S", "Fe", "Cl"), max_atoms=6, shares=(1.0, 0.5, 0.3), seed=1)
KNOWN = pd.DataFrame({"formula": ["LiF", "MgO", "Fe2O3", "NaCl", "Na3OCl"], ENERGY: [-0.4, -0.3, -0.2, -0.1, -0.2]})


@pytest.fixture(scope="module")
def known():
    return KnownPhases.from_table(KNOWN["formula"], KNOWN[ENERGY])


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tiny_model, known):
    folder = tmp_path_factory.mktemp("screening")
    screen(folder, Settings(SPACE, -0.25, 300), known, model=tiny_model)
    return folder


@pytest.fixture(scope="module")
def candidates(folder):
    table = pd.concat([candidates for _, candidates in iterate_candidates(folder)], ignore_index=True)
    return table.assign(system=[frozenset(e.symbol for e in Composition(f)) for f in table["formula"]])


def test_the_summary_counts_systems_and_compositions(folder, candidates):
    summary = summarise(folder).set_index(["category", "num_elements"])
    members = [set(categories_of_system(system)) for system in candidates["system"]]
    size = candidates["system"].map(len)
    for (category, num_elements), row in summary.iterrows():
        inside = [category == "all" or category in found for found in members]
        chosen = candidates[np.array(inside) & (size == num_elements)]
        assert row["candidate_compositions"] == len(chosen)
        assert row["candidate_systems"] == chosen["system"].nunique()
        num_ratios = len(SPACE.ratios(num_elements))
        assert row["compositions_screened"] == row["systems_screened"] * num_ratios
    assert summary.loc[("all", 2), "share_screened"] == 1
    assert 0.3 < summary.loc[("all", 3), "share_screened"] < 0.7
    assert summary.loc["metal oxides", "candidate_systems"].sum() > 0


def test_the_best_candidates_lie_deepest(folder, candidates):
    best = best_candidates(folder, 20)
    np.testing.assert_allclose(best[DISTANCE], np.sort(candidates[DISTANCE])[:20])


def test_candidates_of_a_system_hold_its_subsystems_too(folder, candidates):
    found = candidates_of(folder, ("F", "Li", "Mg"))
    inside = candidates[[system <= {"Li", "F", "Mg"} for system in candidates["system"]]]
    assert found["formula"].tolist() == inside["formula"].tolist() and len(found) > 0


def test_candidates_are_held_against_other_known_phases(folder, candidates, known):
    pd.testing.assert_frame_equal(summarise(folder, known), summarise(folder))
    nothing_known = KnownPhases.from_table([], [])
    left = summarise(folder, nothing_known).query("category == 'all'")
    assert left["candidate_compositions"].sum() == (candidates[ENERGY] <= 0.25).sum()
    everything_known = KnownPhases.from_table(["MgO", "LiF", "FeO"], [-9.0, -9.0, -9.0])
    left = summarise(folder, everything_known).query("category == 'all'")
    systems = candidates["system"].map(set)
    covered = [{"Mg", "O"} <= s or {"Li", "F"} <= s or {"Fe", "O"} <= s for s in systems]
    assert left["candidate_compositions"].sum() == len(candidates) - sum(covered)


def test_compounds_are_matched_with_their_nearest_candidate(folder, candidates):
    first = candidates["formula"].iloc[0]
    near = "".join(f"{e.symbol}{100 * n + (i == 0)}" for i, (e, n) in enumerate(Composition(first).items()))
    compounds = [first, near, "UPu", "Xx2", "Fe7Cl3"]
    matches = match_compounds(folder, compounds)
    assert matches["formula"].tolist() == compounds
    assert matches["status"].tolist() == ["ok", "ok", "ok", "error", "ok"]
    assert matches["nearest_candidate"].tolist()[:2] == [first, first]
    assert matches["within_1_percent"].tolist()[:4] == [True, True, False, False]
    assert matches["l2_distance"][0] < 1e-7 and 0 < matches["l2_distance"][1] < 0.01

    def vector(formula):
        fractions = Composition(formula).fractional_composition
        return np.array([fractions[symbol] for symbol in (*SPACE.elements, "U", "Pu")])

    for formula, distance in zip(compounds, matches["l2_distance"], strict=True):
        if formula != "Xx2":
            apart = [np.linalg.norm(vector(formula) - vector(other)) for other in candidates["formula"]]
            assert distance == pytest.approx(min(apart), abs=1e-7)


def test_a_missing_part_is_named(tmp_path, tiny_model, known):
    settings = Settings(SPACE, -0.25, 300)
    screen(tmp_path, settings, known, model=tiny_model)
    part_path(tmp_path, list(SPACE.parts(300))[1]).unlink()
    with pytest.raises(ScreeningError, match="lacks part 1"):
        summarise(tmp_path)
