"""Patterns of one detector as another sees them, against patterns simulated on the other."""

import numpy as np
import pytest

from omnet.detector import Detector
from omnet.reprojection import Reprojection

TARGET = Detector()


def smooth(detector: Detector) -> np.ndarray:
    """``(1, rows, columns)``; an intensity that varies slowly with the direction in the sample."""
    x, y, z = detector.directions().T
    return (np.sin(4 * x) + np.cos(3 * y) * z).reshape(1, *detector.shape)


@pytest.mark.parametrize("source", [
    Detector((60, 60), (0.45, 0.25, 0.48)),
    Detector((90, 120), (0.5, 0.3, 0.45)),
    Detector((75, 75), (0.42, 0.21, 0.4), sample_tilt_deg=66.0, tilt_deg=4.0),
    Detector((300, 400), (0.46, 0.25, 0.45)),
])  # fmt: skip
def test_directions_keep_their_intensity(source):
    reprojection = Reprojection(source, TARGET)
    made = reprojection(smooth(source))
    assert made.shape == (1, 60, 60) and made.dtype == np.float32
    assert 0.5 < reprojection.coverage <= 1
    error = np.abs(made - smooth(TARGET))[0][reprojection.seen]
    assert np.median(error) < 0.002 and error.max() < 0.05  # the largest at the edges, where parts are not seen


def test_equal_detectors_change_nothing():
    patterns = np.random.default_rng(0).normal(size=(3, 60, 60))
    np.testing.assert_allclose(Reprojection(TARGET, TARGET)(patterns), patterns, atol=1e-5)


@pytest.mark.parametrize("factor", [2, 3])
def test_a_whole_ratio_of_sizes_is_binning(factor):
    patterns = np.random.default_rng(0).normal(size=(2, 60 * factor, 60 * factor))
    binned = patterns.reshape(2, 60, factor, 60, factor).mean(axis=(2, 4))
    reprojection = Reprojection(Detector((60 * factor, 60 * factor)), TARGET)
    assert reprojection.coverage == 1
    np.testing.assert_allclose(reprojection(patterns), binned, atol=1e-5)


def test_what_is_not_seen_has_the_mean_of_the_rest():
    source = Detector((60, 60), (TARGET.pc[0], TARGET.pc[1], 2 * TARGET.pc[2]))  # twice as far: half the angle
    reprojection = Reprojection(source, TARGET)
    made = reprojection(smooth(source) + 5)[0]
    assert 0.2 < reprojection.coverage < 0.4
    np.testing.assert_allclose(made[~reprojection.seen], made[reprojection.seen].mean(), rtol=1e-5)


def test_detectors_that_see_nothing_in_common_are_refused():
    with pytest.raises(ValueError, match="common directions"):
        Reprojection(Detector(pc=(0.5, 0.5, 3.0), tilt_deg=-90.0), TARGET)
