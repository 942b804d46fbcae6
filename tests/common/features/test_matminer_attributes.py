"""The slow reference for the 145 attributes."""

import numpy as np

from common.features import matminer_attributes


def test_145_attributes_in_the_published_groups():
    attributes = matminer_attributes.featurize(["NaCl", "Fe2O3"])
    assert attributes.shape == (2, matminer_attributes.NUM_ATTRIBUTES)
    num_elements, two_norm = attributes[1, :2]
    assert num_elements == 2
    np.testing.assert_allclose(two_norm, np.hypot(0.4, 0.6))  # the first stoichiometric norms by hand
    assert np.isfinite(attributes).all()
