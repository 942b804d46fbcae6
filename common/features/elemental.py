"""What is known of each element: the 22 Magpie properties, Pauling electronegativity, common oxidation states.

Read from the bundled ``magpie_elements.csv``, one row for each element of Magpie's tables (H to Cn). It is data, not
a call of matminer or pymatgen, so that attributes stay the same when those are updated: from 2024.8 to 2026.10
pymatgen changed the oxidation states of six elements.

Source: the tables ``magpie_elementdata/*.table`` of matminer 0.10.1 (BSD-3-Clause-LBNL, ``bundled/LICENSE.matminer``);
electronegativity and oxidation states of pymatgen 2026.10.24 (MIT), which matminer takes for its ionic attributes.

Reference:
    L. Ward et al., npj Comput. Mater. 2, 16028 (2016), doi:10.1038/npjcompumats.2016.28
"""

from __future__ import annotations

import csv
import importlib.resources

import numpy as np

from common.elements import ALL_SYMBOLS, ATOMIC_NUMBER

PROPERTIES: tuple[str, ...] = (
    "Number",
    "MendeleevNumber",
    "AtomicWeight",
    "MeltingT",
    "Column",
    "Row",
    "CovalentRadius",
    "Electronegativity",
    "NsValence",
    "NpValence",
    "NdValence",
    "NfValence",
    "NValence",
    "NsUnfilled",
    "NpUnfilled",
    "NdUnfilled",
    "NfUnfilled",
    "NUnfilled",
    "GSvolume_pa",
    "GSbandgap",
    "GSmagmom",
    "SpaceGroupNumber",
)
"""The 22 elemental properties of Magpie in the published order.

Units: AtomicWeight u, MeltingT K, CovalentRadius pm, GSvolume_pa cubic angstrom/atom, GSbandgap eV, GSmagmom Bohr
magnetons/atom; the others are numbers.
"""


def _read_table() -> tuple[np.ndarray, np.ndarray, tuple[tuple[int, ...], ...]]:
    values = np.full((len(ALL_SYMBOLS), len(PROPERTIES)), np.nan)
    electronegativity = np.full(len(ALL_SYMBOLS), np.nan)
    states: list[tuple[int, ...]] = [()] * len(ALL_SYMBOLS)
    path = importlib.resources.files("common") / "bundled" / "magpie_elements.csv"
    for cells in csv.DictReader(path.read_text(encoding="utf-8").splitlines()):
        index = ATOMIC_NUMBER[cells["symbol"]] - 1
        values[index] = [float(cells[name] or "nan") for name in PROPERTIES]
        electronegativity[index] = float(cells["pauling_electronegativity"] or "nan")
        states[index] = tuple(int(state) for state in cells["common_oxidation_states"].split())
    for array in (values, electronegativity):
        array.flags.writeable = False
    return values, electronegativity, tuple(states)


PROPERTY_VALUES, PAULING_ELECTRONEGATIVITY, OXIDATION_STATES = _read_table()
"""(118, 22) and (118,) float64, NaN where nothing is tabulated, and 118 tuples of int; rows as `ALL_SYMBOLS`."""

HAS_ALL_PROPERTIES: np.ndarray = np.isfinite(PROPERTY_VALUES).all(axis=1)
"""(118,) bool: H to Cm without He, Ne, Ar, At, Rn and Fr. Only these 90 elements can be featurised."""


def missing_properties(symbol: str) -> tuple[str, ...]:
    """Which of the 22 properties Magpie's tables lack for an element; all 22 for one beyond Cn."""
    missing = np.isnan(PROPERTY_VALUES[ATOMIC_NUMBER[symbol] - 1])
    return tuple(name for name, lacks in zip(PROPERTIES, missing, strict=True) if lacks)
