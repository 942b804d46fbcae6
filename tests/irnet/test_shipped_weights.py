"""The weights that ship with the package: whole, described, and right about crystals that everyone knows."""

import pytest
from pymatgen.core import Lattice, Structure

from irnet.predict import SHIPPED, load_pretrained

# Formation energies in the Materials Project, eV/atom.
KNOWN = {
    "NaCl": (Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.69), ["Na", "Cl"], [[0, 0, 0], [0.5] * 3]), -2.1),
    "MgO": (Structure.from_spacegroup("Fm-3m", Lattice.cubic(4.25), ["Mg", "O"], [[0, 0, 0], [0.5] * 3]), -3.0),
    "NiAl": (Structure.from_spacegroup("Pm-3m", Lattice.cubic(2.89), ["Ni", "Al"], [[0, 0, 0], [0.5] * 3]), -0.66),
}


def test_the_card_tells_data_errors_and_limits():
    card = load_pretrained(SHIPPED / "irnet_10.keras").card
    assert card["data"]["name"] == "mp_structures" and card["protocol"] == "honest"
    assert 0 < card["metrics"]["test"]["formation_energy_ev_per_atom"]["mae"] < 0.2
    assert card["inputs"] == "S+C" and card["limits"]


def test_known_crystals_are_answered():
    answers = load_pretrained(SHIPPED / "irnet_10.keras").predict_structures(
        [structure for structure, _ in KNOWN.values()]
    )
    assert answers["status"].tolist() == ["ok"] * len(KNOWN)
    expected = [energy for _, energy in KNOWN.values()]
    assert answers["formation_energy_ev_per_atom"].tolist() == pytest.approx(expected, abs=0.5)
