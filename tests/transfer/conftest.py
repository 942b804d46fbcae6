"""Tiny sources, not trained, and a small table to fine-tune them on: enough for all but accuracy."""

from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest

from common import artifacts, networks, splits
from common.composition import encode
from common.features import magpie
from common.readers import LoadedDataset
from common.training_config import TrainingConfig
from transfer.config import FineTuneConfig

ENERGY = "formation_energy_ev_per_atom"
ELEMENTS = ("O", "Na", "Mg", "Cl", "K", "Fe", "Ti")  # of the sources; no row of the table has Ti
CARD = {key: key for key in artifacts.REQUIRED_CARD_KEYS} | {
    "elements": list(ELEMENTS),
    "target": ENERGY,
    "training": asdict(TrainingConfig()),
    "metrics": {},
}


def _save(path, model, card):
    kernel, bias = model.get_layer("output").get_weights()
    model.get_layer("output").set_weights([3 * kernel, bias - 1])  # answers that vary, as those of a trained network do
    return artifacts.save(path, model, card)


@pytest.fixture(scope="session")
def quick() -> FineTuneConfig:
    training = TrainingConfig(learning_rate=3e-3, batch_size=16, max_epochs=4, patience_epochs=None)
    return FineTuneConfig(recipe="test", training=training)


@pytest.fixture(scope="session")
def frame() -> pd.DataFrame:
    """72 compounds of six elements: an energy, a modulus of about 1000, and two kinds of classes."""
    ratios = ((1, 1), (1, 2), (1, 3), (1, 4), (1, 5), (2, 1), (2, 3), (3, 1), (3, 2))
    formulas = [
        f"{metal}{i}{anion}{j}" for i, j in ratios for metal in ("Na", "Mg", "K", "Fe") for anion in ("O", "Cl")
    ]
    rng = np.random.default_rng(0)
    fractions = encode(formulas, ELEMENTS).fractions  # (72, 7)
    energy = fractions @ np.array([-2.5, -0.2, -1.5, -1.0, 0.3, 0.5, 0.0]) + rng.normal(0, 0.05, len(formulas))
    return pd.DataFrame(
        {
            "formula": formulas,
            ENERGY: energy,
            "bulk_modulus_gpa": 1000 - 100 * energy,
            "is_metal": (energy > np.median(energy)) * 1.0,
            "phase": np.digitize(energy, np.quantile(energy, [1 / 3, 2 / 3])) * 1.0,
            "split": rng.permutation(["train"] * 48 + ["val"] * 12 + ["test"] * 12),
        }
    )


@pytest.fixture(scope="session")
def table(frame) -> LoadedDataset:
    return LoadedDataset(frame, "made up", "user", len(frame), {}, [])


@pytest.fixture(scope="session")
def csv(frame, tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("table") / "my.csv"
    frame.to_csv(path, index=False)
    return str(path)


@pytest.fixture(scope="session")
def seen_formulas(frame) -> dict[str, list[str]]:
    """The split of the ElemNet source: half of the table, each formula doubled and turned round."""
    order = np.random.default_rng(1).permutation(len(frame))
    fractions = encode(frame["formula"], ELEMENTS).fractions
    written = np.array(
        ["".join(f"{ELEMENTS[e]}{60 * row[e]:.0f}" for e in np.flatnonzero(row)[::-1]) for row in fractions], object
    )
    return {
        "train": [*written[order[:26]], "TiO2"],
        "validation": [*written[order[26:36]]],
        "test": [*written[order[36:]]],
    }


@pytest.fixture(scope="session")
def save_elemnet(tmp_path_factory):
    """Saves an ElemNet in a folder of its own, with dropout and a split where there is one."""

    def save(key="16x2D-8x1-1", split=None, **changes):
        folder = tmp_path_factory.mktemp("elemnet")
        rates = (0.2,) * networks.parse_architecture(key).num_dropouts
        model = networks.build(key, len(ELEMENTS), dropout_rates=rates, seed=1)
        if split is not None:
            splits.save_ids(folder / "split.json", split)
        return str(_save(folder / "model.keras", model, CARD | {"architecture": key} | changes))

    return save


@pytest.fixture(scope="session")
def elemnet_source(save_elemnet, seen_formulas) -> str:
    """Knows what it has seen."""
    return save_elemnet(split=seen_formulas)


@pytest.fixture(scope="session")
def irnet_source(frame, tmp_path_factory) -> str:
    """Shortcuts, norms and scaled inputs: the 145 attributes, in the range of half of the table's compounds."""
    x = magpie.featurize_with_reasons(frame["formula"].tolist()).attributes
    scaling = networks.InputScaling.fit("standard", x)
    model = networks.build("16BARx2-8BARx1-1", x.shape[1], input_scaling=scaling, seed=1)
    half = x[::2].astype(np.float32)
    more = {"inputs": "C", "targets": [ENERGY], "num_classes": 0, "architecture": "16BARx2-8BARx1-1"}
    ends = {"input_range": [half.min(axis=0).tolist(), half.max(axis=0).tolist()]}
    return str(_save(tmp_path_factory.mktemp("irnet") / "model.keras", model, CARD | more | ends))
