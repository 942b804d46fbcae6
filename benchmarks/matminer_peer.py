"""The 145 composition and 126 structure attributes as matminer computes them: what ours are timed beside and tested
against."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from common.features.elemental import PROPERTIES

if TYPE_CHECKING:
    from pymatgen.core import Structure

_STATISTIC = {"mean": "mean", "var": "avg_dev", "min": "minimum", "max": "maximum", "range": "range"}
_FOUR = ("mean", "var", "min", "max")

STRUCTURE_LABELS = (
    *(f"{_STATISTIC[s]} CN_VoronoiNN" for s in _FOUR),
    "mean absolute deviation in relative bond length",
    "min relative bond length",
    "max relative bond length",
    *(f"{_STATISTIC[s]} neighbor distance variation" for s in _FOUR),
    "mean absolute deviation in relative cell size",
    *(f"mean ordering parameter shell {shell}" for shell in (1, 2, 3)),
    "max packing efficiency",
    *(f"{_STATISTIC[s]} local difference in {name}" for name in PROPERTIES for s in _STATISTIC),
)
"""matminer's names of the published 126, in the order of ``common.features.voronoi.VORONOI_LABELS``."""


def make_featurizer():
    """matminer's featurizer of the 145 attributes, in one process."""
    # imported here: matminer takes seconds that other benchmarks must not pay
    from matminer.featurizers.base import MultipleFeaturizer
    from matminer.featurizers.composition import ElementProperty, IonProperty, Stoichiometry, ValenceOrbital

    featurizer = MultipleFeaturizer(
        [
            Stoichiometry(),
            ElementProperty.from_preset("magpie"),
            ValenceOrbital(props=["frac"]),
            IonProperty(fast=True),
        ]
    )
    featurizer.set_n_jobs(1)  # matminer forks, which is not safe once TensorFlow has started its threads
    return featurizer


def featurize_with_matminer(formulas: Sequence[str], featurizer=None) -> np.ndarray:
    """The 145 attributes of formulas.

    Args:
        formulas: n formulas that both matminer and ``common.composition`` read.
        featurizer: As `make_featurizer` gives it, to spare making one.

    Returns:
        ``(n, 145)`` float64.
    """
    from pymatgen.core import Composition

    featurizer = featurizer or make_featurizer()
    compositions = [Composition(formula) for formula in formulas]
    return np.array(featurizer.featurize_many(compositions, pbar=False), np.float64)


def make_structure_featurizer() -> tuple[list[str], Callable[[Sequence[Structure]], np.ndarray]]:
    """matminer's five featurizers of Ward 2017.

    Returns:
        The labels of their 128 columns, and a function that gives the 126 attributes of structures, columns as
        `STRUCTURE_LABELS`.
    """
    from matminer.featurizers.structure import (
        ChemicalOrdering,
        MaximumPackingEfficiency,
        SiteStatsFingerprint,
        StructuralHeterogeneity,
    )

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that gaps in Magpie's tables are filled
        parts = [
            SiteStatsFingerprint.from_preset("CoordinationNumber_ward-prb-2017"),
            StructuralHeterogeneity(),
            ChemicalOrdering(),
            MaximumPackingEfficiency(),
            SiteStatsFingerprint.from_preset("LocalPropertyDifference_ward-prb-2017"),
        ]
    labels = [label for part in parts for label in part.feature_labels()]
    columns = [labels.index(label) for label in STRUCTURE_LABELS]

    def featurize_all(crystals: Sequence[Structure]) -> np.ndarray:
        rows = [[value for part in parts for value in part.featurize(crystal)] for crystal in crystals]
        return np.array(rows, float)[:, columns]

    return labels, featurize_all
