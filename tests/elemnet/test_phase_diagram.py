"""Stable sets against pymatgen's, and what counts as spurious and as missed."""

import numpy as np
import pytest
from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
from pymatgen.core import Composition

from elemnet.phase_diagram import ABOVE_HULL, compare_stability, phase_table

TI_O = ["TiO2", "Ti2O3", "TiO", "Ti3O5", "Ti2O", "TiO3"]
DFT = [-3.24, -3.12, -2.75, -3.10, -1.70, -1.0]
ENERGY = "formation_energy_ev_per_atom"


def pymatgen_stable(formulas, energies, elements) -> set[str]:
    compositions = [Composition(formula) for formula in (*formulas, *elements)]
    energies = [*energies, *[0.0] * len(elements)]
    entries = [PDEntry(c, energy * c.num_atoms) for c, energy in zip(compositions, energies, strict=True)]
    return {entry.name for entry in PhaseDiagram(entries).stable_entries if not entry.is_element}


def test_a_perfect_model_has_nothing_spurious_and_nothing_missed():
    comparison = compare_stability(TI_O, DFT, DFT, ["Ti", "O"])
    assert set(comparison.stable_dft) == pymatgen_stable(TI_O, DFT, ["Ti", "O"]) == {"TiO2", "Ti2O3", "TiO"}
    assert comparison.stable_model == comparison.stable_dft
    assert comparison.counts == {"stable_dft": 3, "stable_model": 3, "stable_both": 3, "spurious": 0, "missed": 0}


def test_spurious_and_missed_phases_by_hand():
    predicted = [-3.24, -3.12, -2.0, -3.10, -2.4, -1.0]  # TiO too high, Ti2O too low
    comparison = compare_stability(TI_O, DFT, predicted, ["Ti", "O"])
    assert comparison.spurious == ("Ti2O",) and comparison.missed == ("TiO",)
    assert comparison.counts == {"stable_dft": 3, "stable_model": 3, "stable_both": 2, "spurious": 1, "missed": 1}


def test_every_source_is_judged_on_its_own_hull():
    rng = np.random.default_rng(0)
    elements = ["Na", "Fe", "Mn", "O"]
    amounts = rng.integers(0, 4, (60, 4))
    amounts = np.unique(amounts[(amounts > 0).sum(axis=1) > 1], axis=0)
    formulas = sorted({Composition(dict(zip(elements, row.tolist(), strict=True))).reduced_formula for row in amounts})
    sources = {name: -2 + rng.random(len(formulas)) for name in ("DFT", "forest", "ElemNet")}
    table = phase_table(formulas, sources, elements)
    assert list(dict.fromkeys(table["source"])) == list(sources)
    for source, energies in sources.items():
        rows = table[table["source"] == source]
        assert rows["formula"].tolist() == formulas and np.array_equal(rows[ENERGY], energies)
        assert set(rows.loc[rows["is_stable"], "formula"]) == pymatgen_stable(formulas, energies, elements)
        assert (rows.loc[~rows["is_stable"], ABOVE_HULL] > 0).all() and rows[ABOVE_HULL].min() > -1e-12


def test_phases_above_their_elements_are_never_stable():
    assert compare_stability(["NaK", "NaK2"], [0.2, 0.1], [-0.1, 0.1], ["Na", "K"]).spurious == ("NaK",)


@pytest.mark.parametrize(
    ("formulas", "energies", "message"),
    [
        (["NaCl", "TiO2"], {"DFT": [-1, -1]}, "compounds of Ti-O, received 'NaCl'"),
        (["TiO2", "Ti"], {"DFT": [-1, 0]}, "compounds of Ti-O, received 'Ti'"),
        (["TiO2", "Ti2O4"], {"DFT": [-1, -1]}, "each composition once, received 'Ti2O4' again"),
        (["TiO2"], {"DFT": [np.nan]}, "1 finite energies of DFT, received shape .* 1 that are not finite"),
        (["TiO2"], {"DFT": [-1, -2]}, "1 finite energies of DFT"),
        (["TiO2"], {}, "at least one source"),
    ],
)
def test_tables_that_cannot_be_compared_are_refused(formulas, energies, message):
    with pytest.raises(ValueError, match=message):
        phase_table(formulas, energies, ["Ti", "O"])
