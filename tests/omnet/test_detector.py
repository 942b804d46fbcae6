"""The geometry checked backwards: every direction must meet the detector's plane in the middle of its pixel."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omnet.detector import Detector

fractions = st.floats(0.1, 0.9)
centres = st.tuples(fractions, fractions, fractions)
shapes = st.tuples(st.integers(1, 12), st.integers(1, 12))
detectors = st.builds(
    Detector, shape=shapes, pc=centres, sample_tilt_deg=st.floats(40, 80), tilt_deg=st.floats(-10, 10)
)


@settings(deadline=None, max_examples=50)
@given(detectors)
def test_directions_meet_the_detector_in_the_middle_of_its_pixels(detector):
    directions = detector.directions()
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1, atol=1e-12)
    tilt = np.deg2rad(detector.sample_tilt_deg - detector.tilt_deg)
    right, upward, outward = [0, 1, 0], [-np.sin(tilt), 0, np.cos(tilt)], [np.cos(tilt), 0, np.sin(tilt)]
    x, y, z = np.array([right, upward, outward]) @ directions.T
    rows, columns = detector.shape
    from_left = detector.pc[0] * columns + x / z * detector.pc[2] * rows
    from_top = detector.pc[1] * rows - y / z * detector.pc[2] * rows
    row, column = np.mgrid[:rows, :columns]
    np.testing.assert_allclose(from_left, column.ravel() + 0.5, atol=1e-9)
    np.testing.assert_allclose(from_top, row.ravel() + 0.5, atol=1e-9)


@settings(deadline=None, max_examples=20)
@given(shapes, st.lists(centres, min_size=1, max_size=3))
def test_centres_one_a_pattern_are_those_of_a_detector_each(shape, pc):
    expected = [Detector(shape, one).directions() for one in pc]
    np.testing.assert_allclose(Detector(shape).directions(np.array(pc)), expected, atol=1e-12)


def test_the_centre_of_a_level_view_is_the_normal_of_the_sample():
    detector = Detector(shape=(3, 3), pc=(0.5, 0.5, 1.0), sample_tilt_deg=0, tilt_deg=-90)
    np.testing.assert_allclose(detector.directions()[4], [0, 0, 1], atol=1e-12)


@pytest.mark.parametrize("shape", [(40, 60), (60, 40), (60, 60)])
def test_tsl_centres_are_converted_as_by_kikuchipy(shape):
    kikuchipy = pytest.importorskip("kikuchipy")
    pc = (0.4, 0.7, 0.6)
    expected = kikuchipy.detectors.EBSDDetector(shape, pc=pc, convention="tsl").pc[0]
    detector = Detector.from_tsl(shape, pc, sample_tilt_deg=65)
    np.testing.assert_allclose(detector.pc, expected, atol=1e-12)
    assert detector.sample_tilt_deg == 65


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"shape": (60,)}, "shape"),
        ({"shape": (60, 0)}, "shape"),
        ({"shape": (60.0, 60)}, "shape"),
        ({"pc": (0.5, 0.5)}, r"\(2,\)"),
        ({"pc": (0.5, np.nan, 0.5)}, "finite"),
        ({"pc": (0.5, 0.5, 0.0)}, "z > 0"),
        ({"pc": np.full((2, 3), 0.5)}, "one projection centre"),
        ({"sample_tilt_deg": 100}, "sample_tilt_deg from -90 to 90"),
        ({"tilt_deg": np.nan}, "tilt_deg"),
    ],
)
def test_a_detector_that_cannot_be_is_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        Detector(**arguments)


def test_one_wrong_centre_among_many_is_named():
    with pytest.raises(ValueError, match=r"\[0.5, 0.5, -1.0\]"):
        Detector().directions(np.array([[0.5, 0.5, 0.5], [0.5, 0.5, -1]]))
