"""Tiny networks, not trained, with cards of the real shape, and a few crystals: enough for all but accuracy."""

import warnings
from dataclasses import asdict

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from common import artifacts, networks
from common.elements import ELEMENTS
from common.training_config import TrainingConfig
from irnet import inputs as irnet_inputs

ENERGY = "formation_energy_ev_per_atom"
FEW_ELEMENTS = ("O", "Na", "Mg", "Cl", "K", "Fe", "Ti")


def card(inputs: str, **changes) -> dict:
    training = TrainingConfig(learning_rate=1e-3, batch_size=32, max_epochs=2, patience_epochs=None)
    return (
        {key: key for key in artifacts.REQUIRED_CARD_KEYS}
        | {"inputs": inputs, "targets": [ENERGY], "num_classes": 0, "elements": list(ELEMENTS), "metrics": {}}
        | {"training": asdict(training)}
        | changes
    )


def save_tiny(folder, inputs: str, num_outputs: int = 1, activation: str | None = None, **changes):
    num_inputs = len(irnet_inputs.labels(inputs))
    scaling = networks.InputScaling(np.zeros(num_inputs), np.full(num_inputs, 50.0))
    network = networks.build(
        f"8x1-{num_outputs}", num_inputs, input_scaling=scaling, output_activation=activation, seed=1
    )
    return artifacts.save(folder / f"{inputs.replace('+', '_')}_{num_outputs}.keras", network, card(inputs, **changes))


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="session")
def composition_model(models):
    return save_tiny(models, "C")


@pytest.fixture(scope="session")
def structure_model(models):
    """Answers for the elements of the crystals below, and for no others."""
    return save_tiny(models, "S+C", elements=list(FEW_ELEMENTS))


@pytest.fixture(scope="session")
def classifier(models):
    return save_tiny(models, "EF", activation="sigmoid", targets=["is_metal"], num_classes=2)


@pytest.fixture(scope="session")
def crystals() -> dict[str, Structure]:
    def cubic(length, species, sites):
        return Structure(Lattice.cubic(length), species, sites)

    corner, center = [0, 0, 0], [0.5, 0.5, 0.5]
    return {
        "MgO.cif": Structure.from_spacegroup("Fm-3m", Lattice.cubic(4.21), ["Mg", "O"], [corner, center]),
        "NaCl.cif": Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [corner, center]),
        "KCl.cif": cubic(3.8, ["K", "Cl"], [corner, center]),
        "Fe.cif": cubic(2.87, ["Fe", "Fe"], [corner, center]),
        "TiO.cif": cubic(3.1, ["Ti", "O"], [corner, center]),
    }


@pytest.fixture(scope="session")
def folder_of_crystals(crystals, tmp_path_factory):
    folder = tmp_path_factory.mktemp("crystals")
    for name, structure in crystals.items():
        structure.to(filename=str(folder / name))
    return folder


@pytest.fixture(scope="session")
def folder_with_bad_files(folder_of_crystals, tmp_path_factory):
    """Two good crystals among what users bring."""
    folder = tmp_path_factory.mktemp("mixed")
    corner, center = [0, 0, 0], [0.5, 0.5, 0.5]

    def write(name, lattice, species, sites):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # helium has no electronegativity
            Structure(lattice, species, sites).to(filename=str(folder / name))

    for name in ("MgO.cif", "KCl.cif"):
        (folder / f"good_{name}").write_text((folder_of_crystals / name).read_text())
    (folder / "broken.cif").write_text("data_x\n_cell_length_a what\n")
    write("disordered.cif", Lattice.cubic(3), [{"Na": 0.5, "K": 0.5}, "Cl"], [corner, center])
    write("overlapping.vasp", Lattice.cubic(4), ["Na", "Na", "Cl"], [corner, [0, 0, 1e-9], center])
    write("helium.cif", Lattice.cubic(4), ["He", "O"], [corner, center])
    write("unseen.cif", Lattice.cubic(4), ["La", "O"], [corner, center])
    return folder
