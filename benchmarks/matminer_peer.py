"""The 145 composition attributes as matminer computes them: what ours are timed beside and tested against."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


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
