"""Inputs of the commands at their smallest, for the tests of several promises."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile

ENERGY = "formation_energy_ev_per_atom"
METALS, ANIONS = ("Na", "Mg", "K", "Fe"), ("O", "Cl")
IMAGE_PX = 128
RINGS_PX = ((40, 75), (48, 95))  # of the two phase regions


def write_formulas(path: Path) -> Path:
    """72 compounds with a split: energies that follow from composition, with noise."""
    ratios = ((1, 1), (1, 2), (1, 3), (1, 4), (1, 5), (2, 1), (2, 3), (3, 1), (3, 2))
    rows = [(metal, i, anion, j) for i, j in ratios for metal in METALS for anion in ANIONS]
    rng = np.random.default_rng(0)
    slopes = dict(zip((*METALS, *ANIONS), (-0.2, -1.5, 0.3, -1.0, -2.5, 0.5), strict=True))
    energies = [(i * slopes[metal] + j * slopes[anion]) / (i + j) for metal, i, anion, j in rows]
    table = pd.DataFrame({"formula": [f"{metal}{i}{anion}{j}" for metal, i, anion, j in rows]})
    table[ENERGY] = (energies + rng.normal(0, 0.05, len(rows))).round(4)
    table["split"] = rng.permutation(["train"] * 48 + ["val"] * 12 + ["test"] * 12)
    table.to_csv(path, index=False)
    return path


def write_known_phases(path: Path) -> Path:
    """Two phases that a screening finds something below."""
    pd.DataFrame({"formula": ["LiF", "Na2O"], ENERGY: [-0.05, -0.05]}).to_csv(path, index=False)
    return path


def write_crystals(folder: Path) -> Path:
    """Four crystals of two atoms, as POSCAR."""
    folder.mkdir(parents=True)
    for number, pair in enumerate((("Na", "Cl"), ("Mg", "O"), ("K", "Cl"), ("Fe", "O"))):
        lattice = f"{4 + 0.1 * number}\n1 0 0\n0 1 0\n0 0 1\n"
        sites = f"{' '.join(pair)}\n1 1\ndirect\n0 0 0\n0.5 0.5 0.5\n"
        (folder / f"{''.join(pair)}.vasp").write_text(f"{''.join(pair)}\n{lattice}{sites}")
    return folder


def write_wafer(folder: Path, num_samples: int = 20) -> Path:
    """Frames with the rings of two phase regions, and the CSV that names them."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    row, column = np.indices((IMAGE_PX, IMAGE_PX))
    radius = np.hypot(row, column - IMAGE_PX / 2)
    rows = []
    for number in range(num_samples):
        rings = sum(np.exp(-(((radius - place) / 1.5) ** 2)) for place in RINGS_PX[number % 2])
        tifffile.imwrite(folder / f"{number}.tif", rng.poisson(40 + 60 * rings).astype(np.uint16))
        share = rng.uniform(0.1, 0.9)
        rows.append([f"{number}.tif", *rng.uniform(-30, 30, 2), "ab"[number % 2], share, 1 - share])
    table = folder / "data.csv"
    pd.DataFrame(rows, columns=["file", "x", "y", "label", "Sn", "Zn"]).to_csv(table, index=False)
    return table


def save_network(path: Path, key: str = "16x2-1") -> Path:
    """A network of element fractions with its card, not trained."""
    from common import artifacts, networks  # slow to import, and not needed by all who write inputs
    from common.elements import ELEMENTS
    from common.training_config import TrainingConfig

    about = {"elements": list(ELEMENTS), "target": ENERGY, "training": asdict(TrainingConfig())}
    card = {name: name for name in artifacts.REQUIRED_CARD_KEYS} | about
    return artifacts.save(path, networks.build(key, len(ELEMENTS), seed=1), card)
