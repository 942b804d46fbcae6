"""Larger pixels see what the small ones in them saw."""

import numpy as np
import pytest

from omnet.binning import binned, binned_detector
from omnet.detector import Detector


@pytest.mark.parametrize("shape", [(130, 130), (131, 187)])
def test_the_directions_of_a_bin_are_those_of_its_pixels(shape):
    """Also where rows and columns are left over."""
    detector = Detector(shape=shape)
    coarse = binned_detector(detector, 2)
    assert coarse.shape == (65, shape[1] // 2)
    for axis in range(3):
        fine = detector.directions()[:, axis].reshape(1, *shape)
        np.testing.assert_allclose(binned(fine, 2)[0].ravel(), coarse.directions()[:, axis], atol=1e-3)


def test_nothing_happens_at_a_factor_of_one():
    patterns = np.random.default_rng(0).random((2, 5, 7))
    np.testing.assert_array_equal(binned(patterns, 1), patterns)
