"""Prototypes by geometry: spglib is the oracle for B2 and L1_0, crystals that everybody knows for perovskites."""

from collections import Counter

import numpy as np
import pytest
import spglib
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure

from common.datasets import load
from common.prototypes import MAX_SITES, PROTOTYPES, classify

CORNERS = [[0, 0, 0], [0.5, 0.5, 0.5]]
FACES = [[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]
FCC = [[0, 0, 0], *FACES]
CSCL = Structure(Lattice.cubic(4.12), ["Cs", "Cl"], CORNERS)
CUAU = Structure(Lattice.tetragonal(3.97, 3.67), ["Au", "Au", "Cu", "Cu"], [FCC[0], FCC[3], FCC[1], FCC[2]])  # as fcc
SRTIO3 = Structure(Lattice.cubic(3.905), ["Sr", "Ti", "O", "O", "O"], CORNERS + FACES)
# Marezio, Remeika, Dernier, Acta Cryst. B 26, 2008 (1970), doi:10.1107/S0567740870005319
GDFEO3 = Structure.from_spacegroup(
    "Pbnm",  # Pnma in the setting of the paper
    Lattice.orthorhombic(5.349, 5.611, 7.669),
    ["Gd", "Fe", "O", "O"],
    [[-0.0163, 0.0626, 0.25], [0, 0.5, 0], [0.1009, 0.4669, 0.25], [-0.3011, 0.3018, 0.0518]],
)


def prototype_of(structure: Structure) -> str:
    return classify([site.specie.symbol for site in structure], structure.lattice.matrix, structure.frac_coords)


@pytest.fixture(scope="module")
def bundled():
    return load("flla_structures").frame


# ------------------------------------------------------------------------------------------------------- well known


@pytest.mark.parametrize(
    ("structure", "expected"),
    [
        (CSCL, "B2"),
        (CUAU, "L1_0"),
        (SRTIO3, "perovskite"),
        (GDFEO3, "perovskite"),
        (Structure(Lattice.cubic(3.87), ["Ga", "N", "Mn", "Mn", "Mn"], CORNERS + FACES), "perovskite"),  # anti
        (Structure(Lattice.tetragonal(3.99, 4.04), SRTIO3.species, SRTIO3.frac_coords), "perovskite"),
        (Structure(Lattice.cubic(2.87), ["Fe", "Fe"], CORNERS), ""),
        (Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.69), ["Na", "Cl"], CORNERS), ""),  # rock salt
        (Structure.from_spacegroup("F-43m", Lattice.cubic(5.41), ["Zn", "S"], [[0, 0, 0], [0.25] * 3]), ""),
        (Structure(Lattice.tetragonal(4.12, 4.3), ["Cs", "Cl"], CORNERS), ""),  # B2 stretched, not yet L1_0
        (Structure(Lattice.tetragonal(3, 4.2), ["Cu", "Au"], [[0, 0, 0], [0.5, 0.5, 0]]), ""),
        (Structure(Lattice.tetragonal(3, 7), ["Cu", "Au"], CORNERS), ""),  # far beyond fcc
        (Structure(Lattice.cubic(4.12), ["Cs", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.47]]), ""),
        (Structure(Lattice.cubic(3.75), ["Au", "Cu", "Cu", "Cu"], FCC), ""),
        (Structure(Lattice.cubic(3.9), ["Sr", "Ti", "O", "O", "N"], CORNERS + FACES), ""),  # no ABX3
    ],
)
def test_well_known_crystals(structure, expected):
    assert prototype_of(structure) == expected


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("mp-5777", "BaTiO3, rhombohedral"),
        ("mp-7375", "KNbO3, tetragonal"),
        ("mp-19339", "LaNiO3, rhombohedral"),
        ("mp-24990", "NdFeO3, orthorhombic"),
        ("mp-24932", "BiFeO3, polar"),
        ("mp-4681", "NaNbO3"),
        ("mp-616378", "CsSnI3"),
        ("mp-9628", "KCdF3"),
    ],
)
def test_tilted_and_polar_perovskites(bundled, name, what):
    assert bundled.set_index("structure_id").loc[name, "prototype"] == "perovskite", what


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("mp-3731", "LiNbO3"),
        ("mp-19424", "CoTiO3, ilmenite"),
        ("mp-3205", "CaCO3, calcite or aragonite"),
        ("mp-4626", "CaCO3, calcite or aragonite"),
        ("mp-20198", "CaIrO3, post-perovskite"),
        ("mp-19156", "BaMnO3, hexagonal"),
        ("mp-556084", "KClO3, chlorate"),
        ("mp-8110", "AlBO3, calcite type"),
    ],
)
def test_other_crystals_of_abx3(bundled, name, what):
    assert bundled.set_index("structure_id").loc[name, "prototype"] == "", what


# ------------------------------------------------------------------------------------------------------------ oracle


def spglib_prototype(species, lattice, frac) -> str:
    symbols = sorted(set(species))
    cell = (lattice.tolist(), frac.tolist(), [symbols.index(symbol) for symbol in species])
    found = spglib.get_symmetry_dataset(cell, symprec=0.01)
    if len(found.std_types) != 2 or found.number not in (221, 123):
        return ""
    if found.number == 221:
        return "B2"
    offset = found.std_positions[1] - found.std_positions[0]
    ratio = found.std_lattice[2, 2] / found.std_lattice[0, 0]
    return "L1_0" if np.allclose(np.abs(offset - np.rint(offset)), 0.5) and 2**0.25 < ratio < 2**0.75 else ""


def test_ab_agrees_with_spglib(bundled):
    amounts = bundled["species"].map(lambda species: sorted(Counter(species).values()))
    pairs = bundled[amounts.map(lambda found: len(found) == 2 and found[0] == found[1]) & (bundled["num_sites"] <= 4)]
    expected = [spglib_prototype(*row) for row in zip(pairs["species"], pairs["lattice"], pairs["frac"], strict=True)]
    assert pairs["prototype"].tolist() == expected
    assert Counter(expected)["B2"] > 50 and Counter(expected)["L1_0"] >= 3 and Counter(expected)[""] > 50


def test_cubic_perovskites_are_those_of_space_group_221(bundled):
    cells = bundled[
        (bundled["num_sites"] == 5) & bundled["species"].map(lambda s: sorted(Counter(s).values()) == [1, 1, 3])
    ]
    for row in cells.itertuples():
        symbols = sorted(set(row.species))
        cell = (row.lattice.tolist(), row.frac.tolist(), [symbols.index(symbol) for symbol in row.species])
        if spglib.get_symmetry_dataset(cell, symprec=0.01).number == 221:
            assert row.prototype == "perovskite", row.structure_id


# --------------------------------------------------------------------------------------------------------- any cell


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([(CSCL, "B2"), (CUAU, "L1_0"), (SRTIO3, "perovskite"), (GDFEO3, "perovskite")]),
    st.integers(0, 2**32 - 1),
)
def test_choice_of_cell_does_not_matter(known, seed):
    structure, expected = known
    rng = np.random.default_rng(seed)
    changed = structure.copy()
    if len(changed) <= 5:
        while abs(np.linalg.det(scaling := rng.integers(-2, 3, (3, 3)))) not in (1, 2, 3, 4):
            pass
        changed.make_supercell(scaling)
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    order = rng.permutation(len(changed))
    frac = (changed.frac_coords + rng.uniform(-3, 3, 3))[order]
    species = [changed[number].specie.symbol for number in order]
    assert classify(species, changed.lattice.matrix @ rotation, frac) == expected


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([(1, 1), (2, 2), (1, 1, 3), (2, 2, 6)]))
def test_random_cells_are_no_prototype(seed, amounts):
    rng = np.random.default_rng(seed)
    species = [symbol for symbol, amount in zip(("Na", "K", "O"), amounts, strict=False) for _ in range(amount)]
    lattice = rng.normal(size=(3, 3)) * 5 + 5 * np.eye(3)
    assert classify(species, lattice, rng.random((len(species), 3))) == ""


def test_overlapping_atoms_and_large_cells_are_no_prototype():
    assert classify(["Cs", "Cl"], np.eye(3) * 4, np.zeros((2, 3))) == ""
    assert classify(["Sr", "Ti", "O", "O", "O"], np.eye(3) * 4, np.zeros((5, 3))) == ""
    large = CSCL.copy()
    large.make_supercell([4, 4, 4])
    assert len(large) > MAX_SITES and prototype_of(large) == ""


def test_every_name_is_found_in_the_bundled_structures(bundled):
    assert set(bundled["prototype"]) == {"", *PROTOTYPES}
