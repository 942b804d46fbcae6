"""Structures from JSON lines: pymatgen is the oracle for formulas, and rows become its structures again."""

import gzip
import json

import numpy as np
import pandas as pd
import pytest
from pymatgen.core import Composition

from common.datasets import load, structures
from common.structure_tables import StructureReader, reduce_species

PEROVSKITE = {
    "id": "one",
    "species": ["Sr", "Ti", "O", "O", "O"],
    "lattice": [[3.9, 0, 0], [0, 3.9, 0], [0, 0, 3.9]],
    "frac": [[0, 0, 0], [0.5, 0.5, 0.5], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]],
    "energy": -10.0,
    "source": "a",
}


@pytest.fixture(scope="module")
def bundled():
    return load("flla_structures")


def read(tmp_path, items, **options):
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, items)).encode()))
    return StructureReader("value", "energy", **options)([path])


def test_bundled_structures_are_those_of_the_bundled_table(bundled):
    table = load("flla").frame
    frame = bundled.frame
    assert (bundled.tier, bundled.rows) == ("bundled", 3_938)
    expected = ["structure_id", "formula", "formation_energy_ev_per_atom", "num_sites", "split", "prototype"]
    assert frame.columns.tolist() == [*expected, "species", "lattice", "frac"]
    for mine, other in [("structure_id", "material_id"), ("formula", "formula"), ("split", "split")]:
        assert frame[mine].tolist() == table[other].tolist()
    np.testing.assert_allclose(frame["formation_energy_ev_per_atom"], table["formation_energy_ev_per_atom"], atol=1e-9)
    assert frame.groupby("formula")["split"].nunique().max() == 1  # polymorphs stay together


def test_rows_become_pymatgen_structures(bundled):
    frame = bundled.frame.sample(200, random_state=0)
    found = structures(frame)
    assert iter(found) is found  # one at a time
    for row, structure in zip(frame.itertuples(), found, strict=True):
        assert structure.num_sites == row.num_sites and structure.is_ordered
        assert structure.composition.fractional_composition == Composition(row.formula).fractional_composition
        np.testing.assert_array_equal(structure.lattice.matrix, row.lattice)
        np.testing.assert_array_equal(structure.frac_coords, row.frac)
        assert 2 < structure.volume / row.num_sites < 120


def test_distances_are_physical(bundled):
    for structure in structures(bundled.frame.sample(100, random_state=1)):
        if len(structure) > 1:
            distances = structure.distance_matrix + np.eye(len(structure)) * 9
            assert 0.7 < distances.min() < 8


def test_reader(tmp_path):
    unlabelled = PEROVSKITE | {"id": "two", "energy": None}
    other = PEROVSKITE | {"id": "three", "source": "b"}
    frame, notes = read(
        tmp_path, [PEROVSKITE, unlabelled, other], atoms_per_energy=5, extra=("source",), left_out_sources=("b",)
    )
    (row,) = frame.itertuples()
    assert (row.structure_id, row.formula, row.value, row.num_sites) == ("one", "O3SrTi", -2.0, 5)
    assert (row.prototype, row.source) == ("perovskite", "a")
    assert row.lattice.shape == (3, 3) and row.frac.shape == (5, 3)
    assert notes == [
        "1 structures without an energy: left out.",
        "1 structures with energies of another kind (b): left out.",
    ]


def test_stated_prototype_is_not_questioned(tmp_path):
    far = PEROVSKITE | {"frac": np.random.default_rng(0).random((5, 3)).tolist()}
    assert read(tmp_path, [far])[0]["prototype"].tolist() == [""]
    assert read(tmp_path, [far], prototype="perovskite")[0]["prototype"].tolist() == ["perovskite"]


def test_structures_needs_a_table_of_structures():
    with pytest.raises(KeyError, match="species, lattice and frac"):
        structures(pd.DataFrame({"formula": ["NaCl"]}))


@pytest.mark.parametrize("species", [["Fe"] * 4 + ["O"] * 6, ["Na", "Cl"], ["H", "O", "H"], ["Xe"]])
def test_reduced_formula_agrees_with_pymatgen(species):
    expected, _ = Composition("".join(species)).get_integer_formula_and_factor()
    assert Composition(reduce_species(species)) == Composition(expected)
    assert reduce_species(species) == reduce_species(species[::-1])


def test_elements_are_reduced_too():
    assert reduce_species(["O", "O"]) == "O"  # pymatgen keeps O2 as a molecule
