"""What the benchmarks work on: real formulas and energies, and ElemNet with the shipped weights or random ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from common.composition import encode
from common.datasets import load
from common.elements import ELEMENTS
from common.readers import TARGET


@dataclass(frozen=True)
class Rows:
    """Readable formulas with their energies.

    Attributes:
        formulas: n formulas.
        fractions: (n, num_elements) float32.
        energies: (n,) float32, eV/atom.
        data: Name of the data set used.
    """

    formulas: list[str]
    fractions: np.ndarray
    energies: np.ndarray
    data: str


def draw_rows(num_rows: int, *, quick: bool, elements: Sequence[str] = ELEMENTS) -> Rows:
    """Rows of the OQMD (or of what stands in for it) in random order, each used again once all have been.

    Args:
        num_rows: Rows to draw.
        quick: Take the sample in the package, which is read at once.
        elements: Columns of the fractions; formulas with others are left out, so that every side can read all.
    """
    loaded = load("flla" if quick else "oqmd")
    frame = loaded.frame[loaded.frame[TARGET].notna()]
    encoded = encode(frame["formula"], elements, dtype=np.float32)
    places = np.resize(np.random.default_rng(0).permutation(np.flatnonzero(encoded.ok)), num_rows)
    return Rows(
        formulas=frame["formula"].to_numpy()[places].tolist(),
        fractions=encoded.fractions[places],
        energies=frame[TARGET].to_numpy(np.float32)[places],
        data=loaded.name,
    )


def load_predictor():
    """The shipped ElemNet; before weights are shipped the same network with random ones, equally fast.

    Returns:
        `elemnet.Predictor` and which weights it has.
    """
    # Imported here: TensorFlow takes seconds and 500 MB that other benchmarks must not pay.
    from elemnet.config import FAST_RECIPE
    from elemnet.model import build_elemnet
    from elemnet.predict import PRETRAINED, Predictor, load_pretrained

    if PRETRAINED.is_file():
        return load_pretrained(), "shipped weights"
    # This recipe's initialiser keeps energies of the order of 0.1 eV/atom, so that agreement to 1e-5 says something;
    # through the paper recipe's they would shrink to 1e-4.
    return Predictor(build_elemnet(FAST_RECIPE), {"elements": list(ELEMENTS)}), "random weights"


def encode_with_pymatgen(formulas: Sequence[str], elements: Sequence[str] = ELEMENTS) -> np.ndarray:
    """(n, num_elements) float64 element fractions, as one makes them with pymatgen."""
    from pymatgen.core import Composition

    column_of = {symbol: column for column, symbol in enumerate(elements)}
    fractions = np.zeros((len(formulas), len(elements)))
    for row, formula in zip(fractions, formulas, strict=True):
        for element, fraction in Composition(formula).fractional_composition.items():
            row[column_of[element.symbol]] = fraction
    return fractions
