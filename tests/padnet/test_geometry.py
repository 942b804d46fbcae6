"""Where pixels are, against geometry by hand; integration, against counts put on known rings."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.paper_values import paper_value
from padnet.geometry import NIST_25, NIST_45, SLAC, Geometry, from_poni

PONI = """poni_version: 2.1
Detector: Detector
Detector_config: {{"pixel1": {pixel1}, "pixel2": 0.000172, "max_shape": [1043, 981], "orientation": 3}}
Distance: 0.208651380603
Poni1: 0.0872948482846
Poni2: 0.0799601126306
Rot1: -0.0184422457059
Rot2: 0.00413760084465
Rot3: -2.77645988275e-08
{wavelength}
"""


def two_theta_by_hand(geometry: Geometry) -> np.ndarray:
    """pyFAI's definition written out: pixel from PONI, distance, then the rotations about axes 1, 2 and 3."""
    rows, columns = (geometry.pixel_size_m * (np.arange(length) + 0.5) for length in geometry.shape)
    p1, p2 = np.meshgrid(rows - geometry.poni1_m, columns - geometry.poni2_m, indexing="ij")
    c1, s1 = np.cos(geometry.rot1_rad), np.sin(geometry.rot1_rad)
    c2, s2 = np.cos(geometry.rot2_rad), np.sin(geometry.rot2_rad)
    c3, s3 = np.cos(geometry.rot3_rad), np.sin(geometry.rot3_rad)
    about_1 = np.array([[1, 0, 0], [0, c1, s1], [0, -s1, c1]])
    about_2 = np.array([[c2, 0, -s2], [0, 1, 0], [s2, 0, c2]])
    about_3 = np.array([[c3, -s3, 0], [s3, c3, 0], [0, 0, 1]])
    positions = np.stack([p1, p2, np.full_like(p1, geometry.distance_m)], axis=-1) @ (about_3 @ about_2 @ about_1).T
    return np.rad2deg(np.arctan2(np.hypot(positions[..., 0], positions[..., 1]), positions[..., 2]))


@settings(deadline=None, max_examples=20)
@given(st.floats(-1, 1), st.floats(-1, 1), st.floats(-3, 3), st.floats(0, 0.2), st.floats(0, 0.2))
def test_angles_are_those_of_the_definition(rot1, rot2, rot3, poni1, poni2):
    geometry = replace(
        SLAC, shape=(5, 9), pixel_size_m=0.02, rot1_rad=rot1, rot2_rad=rot2, rot3_rad=rot3, poni1_m=poni1, poni2_m=poni2
    )
    expected = two_theta_by_hand(geometry)
    np.testing.assert_allclose(geometry.two_theta_deg(), expected, atol=1e-6)
    np.testing.assert_allclose(np.rad2deg(np.arccos(geometry.directions()[..., 0])), expected, atol=1e-4)


@pytest.mark.parametrize(("geometry", "expected"), [(SLAC, (5.365, 58.566)), (NIST_25, (10, 40)), (NIST_45, (30, 60))])
def test_the_detectors_see_the_ranges_of_the_text(geometry, expected):
    binned = geometry.resized(256)
    angles = binned.two_theta_deg()
    middle = angles[:, 128] if geometry is SLAC else angles[128]  # the line through the beam
    half = 0.6 * abs(middle[1] - middle[0])  # to the edge of a pixel
    np.testing.assert_allclose((middle.min() - half, middle.max() + half), expected, atol=0.1)


def test_the_range_of_slac_is_that_of_the_paper():
    assert "5.365 to 58.566" in paper_value("chapter7", "data", "SLAC")


def test_binning_keeps_the_detector():
    binned = SLAC.resized(256)
    assert binned.shape == (256, 256) and binned.pixel_size_m == pytest.approx(8 * 79e-6)
    assert binned == SLAC.binned(8) and binned.divided(8) == SLAC
    means = SLAC.binned(4).two_theta_deg().reshape(256, 2, 256, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(binned.two_theta_deg(), means, atol=0.01)


@pytest.mark.parametrize("factor", [0, 3, -1])
def test_a_binning_that_does_not_fit_is_refused(factor):
    with pytest.raises(ValueError, match="Expected a binning that divides"):
        SLAC.binned(factor)
    with pytest.raises(ValueError, match="divides the 2048 rows of SLAC; received 300"):
        SLAC.resized(300)


@pytest.mark.parametrize(
    "change", [{"distance_m": 0.0}, {"wavelength_a": np.nan}, {"rot1_rad": np.inf}, {"shape": (0, 5)}]
)
def test_impossible_geometries_are_refused(change):
    with pytest.raises(ValueError, match=next(iter(change)).split("_")[0]):
        replace(SLAC, **change)


def test_a_calibration_is_read(tmp_path):
    path = tmp_path / "ceo2.poni"
    path.write_text(PONI.format(pixel1=0.000172, wavelength="Wavelength: 4.066e-11"))
    geometry = from_poni(path, (1043, 981))
    assert geometry.name == "ceo2" and geometry.shape == (1043, 981)
    assert geometry.wavelength_a == pytest.approx(0.4066) and geometry.distance_m == 0.208651380603
    np.testing.assert_allclose(geometry.two_theta_deg(), two_theta_by_hand(geometry), atol=1e-5)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (PONI.format(pixel1=0.0002, wavelength="Wavelength: 4.066e-11"), "square pixels"),
        (PONI.format(pixel1=0.000172, wavelength=""), "Expected a wavelength"),
        ("not a calibration", "Expected"),
        (None, "does not exist"),
    ],
)
def test_other_files_are_refused_in_one_sentence(tmp_path, text, words):
    path = tmp_path / "other.poni"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ValueError, match=words) as caught:
        from_poni(path, (1043, 981))
    assert "\n" not in str(caught.value)
