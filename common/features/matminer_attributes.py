"""The 145 composition attributes of Ward et al. as matminer computes them: slow, and the field's reference."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

NUM_ATTRIBUTES = 145


def featurize(formulas: Sequence[str], *, progress: bool = False) -> np.ndarray:
    """The attributes of formulas: 6 stoichiometric, 132 elemental statistics, 4 valence orbital, 3 ionic.

    About 150 compositions a second, so give a subsample.

    Args:
        formulas: n formulas that ``common.composition`` accepts.
        progress: Show matminer's bar.

    Returns:
        ``(n, 145)`` float64; NaN where matminer has no elemental value.

    Reference:
        L. Ward et al., npj Comput. Mater. 2, 16028 (2016), doi:10.1038/npjcompumats.2016.28
    """
    from matminer.featurizers.base import MultipleFeaturizer
    from matminer.featurizers.composition import ElementProperty, IonProperty, Stoichiometry, ValenceOrbital
    from pymatgen.core import Composition

    featurizer = MultipleFeaturizer(
        [
            Stoichiometry(),
            ElementProperty.from_preset("magpie"),
            ValenceOrbital(props=["frac"]),
            IonProperty(fast=True),
        ]
    )
    featurizer.set_n_jobs(1)  # matminer forks, which is not safe once TensorFlow has started its threads
    compositions = pd.DataFrame({"composition": [Composition(formula) for formula in formulas]})
    table = featurizer.featurize_dataframe(compositions, "composition", ignore_errors=True, pbar=progress)
    return table.drop(columns="composition").to_numpy(np.float64)
