"""A small new system of materials, from the user's own tables."""

import numpy as np
import pandas as pd
import pytest

from common.structures import read_structures
from irnet import inputs
from irnet.descriptors import describe_file
from irnet.predict import load_pretrained
from irnet.system import load_system

ENERGY = "formation_energy_ev_per_atom"


def test_a_descriptor_table_with_targets(structure_model, crystals, folder_of_crystals, tmp_path):
    path = tmp_path / "system.csv"
    list(describe_file(read_structures(folder_of_crystals), path))
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    table[ENERGY] = ["0.0", "-1.0", "", "-3.0", "-4.0"]  # Fe, KCl, MgO, NaCl, TiO: in the order of the files
    table = pd.concat([table, table.iloc[[0]]])
    lines = table.to_csv(index=False).splitlines()
    path.write_text("\n".join([lines[0], lines[1], "", *lines[2:]]))  # a blank line, as an editor may leave it
    system = load_system(str(path), load_pretrained(structure_model))
    assert system.formulas.tolist() == ["Fe", "KCl", "NaCl", "TiO"] and system.y[:, 0].tolist() == [0, -1, -3, -4]
    assert system.counts == {"missing target": 2, "no attributes": 0, "duplicate": 1}
    names = [f"{formula}.cif" for formula in system.formulas]
    expected = inputs.of_structures("S+C", [crystals[name] for name in names]).attributes
    np.testing.assert_allclose(system.x, expected, rtol=1e-5, atol=1e-6)
    assert set(system.elements(np.array([0, 2]))) == {"Fe", "Na", "Cl"}


def test_formulas_with_targets(composition_model, tmp_path):
    path = tmp_path / "system.csv"
    path.write_text(f"formula,{ENERGY}\nNaCl,-2\nHe,1\nClNa,-1\nFe2O3,\nKCl,-2.2\n")
    system = load_system(str(path), load_pretrained(composition_model))
    assert system.formulas.tolist() == ["NaCl", "KCl"] and system.y[:, 0].tolist() == [-2, -2.2]
    assert system.counts == {"missing target": 1, "no attributes": 1, "duplicate": 1}
    path.write_text(f"formula,{ENERGY}\nHe,1\n")
    with pytest.raises(ValueError, match="no row to train on"):
        load_system(str(path), load_pretrained(composition_model))
