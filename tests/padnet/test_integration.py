"""Integration against Bragg's law: the rings of CeO2 on a simulated detector, and on a real one where the file is."""

import os
from pathlib import Path

import numpy as np
import pytest
from pyFAI.integrator.azimuthal import AzimuthalIntegrator

from padnet.geometry import NIST_25, NIST_45, SLAC
from padnet.integration import integrate, integrate_samples, load_integrator
from padnet.readers import flagged_pixels, read_frame

CEO2_A, REFLECTIONS = 5.4112, [(1, 1, 1), (2, 0, 0), (2, 2, 0), (3, 1, 1), (4, 0, 0), (3, 3, 1), (4, 2, 2), (5, 1, 1)]
# read here, at collection: the tests themselves run without a mirror
MIRROR = os.environ.get("MATERIALS_DL_MIRROR")
CEO2 = Path(MIRROR or "missing") / "xrd/dioptas_2d/CeO2_Pilatus1M.tif"


def rings_deg(wavelength_a):
    """2 theta of CeO2's rings by Bragg's law."""
    spacings = CEO2_A / np.linalg.norm(REFLECTIONS, axis=1)
    return 2 * np.degrees(np.arcsin(wavelength_a / (2 * spacings)))


def centres_deg(two_theta, intensity, expected):
    """Centre of mass of the peak around each expected place, above the level between the peaks."""
    centres = []
    for place in expected:
        near = np.abs(two_theta - place) < 0.25
        height = np.clip(intensity[near] - np.median(intensity[near]), 0, None)
        height *= np.abs(two_theta[near] - two_theta[near][height.argmax()]) < 0.1
        centres.append((two_theta[near] * height).sum() / height.sum())
    return np.array(centres)


@pytest.fixture
def poni(tmp_path):
    """A small tilted detector whose rings are where Bragg's law has them."""
    path = tmp_path / "detector.poni"
    integrator = AzimuthalIntegrator(0.2, 0.01, 0.02, 0.05, -0.1, 0.0, 2e-4, 2e-4, wavelength=0.4066e-10)
    integrator.save(str(path))
    return path


def ceo2_frame(poni, shape=(400, 420)):
    integrator = load_integrator(poni)
    two_theta = integrator.center_array(shape, unit="2th_deg")
    rings = sum(np.exp(-(((two_theta - place) / 0.04) ** 2)) for place in rings_deg(integrator.wavelength * 1e10))
    return np.random.default_rng(0).poisson(20 + 500 * rings).astype(np.int32)


def test_simulated_rings_are_found_where_braggs_law_has_them(poni):
    integrator = load_integrator(poni)
    two_theta, intensity = integrate(ceo2_frame(poni), integrator, 1500)
    assert two_theta.shape == intensity.shape == (1500,) and (np.diff(two_theta) > 0).all()
    expected = rings_deg(integrator.wavelength * 1e10)
    expected = expected[(expected > two_theta[0] + 0.3) & (expected < two_theta[-1] - 0.3)]
    assert len(expected) > 3
    assert np.abs(centres_deg(two_theta, intensity, expected) - expected).max() < 0.01


def test_flagged_and_nan_pixels_are_left_out(poni):
    integrator, frame = load_integrator(poni), np.full((400, 420), 100, np.int32)
    clean = integrate(frame, integrator, 200)[1]
    frame[100:130] = -1
    frame[5, 5] = -2
    np.testing.assert_allclose(integrate(frame, integrator, 200)[1], clean, rtol=5e-3)
    np.testing.assert_allclose(
        integrate(np.where(frame < 0, np.nan, frame).astype(np.float32), integrator, 200)[1], clean, rtol=5e-3
    )


def test_bins_without_pixels_are_nan(poni):
    integrator, frame = load_integrator(poni), ceo2_frame(poni)
    pixels_deg = integrator.center_array(frame.shape, unit="2th_deg")
    frame[(pixels_deg > 8) & (pixels_deg < 10)] = -1
    two_theta, intensity = integrate(frame, integrator, 100)
    empty = np.isnan(intensity)
    assert empty.any() and ((two_theta[empty] > 8) & (two_theta[empty] < 10)).all()
    assert empty[(two_theta > 8.3) & (two_theta < 9.7)].all()


def test_what_cannot_be_integrated_is_refused(poni, tmp_path):
    integrator = load_integrator(poni)
    with pytest.raises(ValueError, match=r"\(rows, columns\); received \(2, 3, 4\)"):
        integrate(np.zeros((2, 3, 4)), integrator, 10)
    with pytest.raises(ValueError, match="1 bin; received 0"):
        integrate(np.zeros((4, 4)), integrator, 0)
    with pytest.raises(ValueError, match="does not exist"):
        load_integrator(tmp_path / "missing.poni")
    (tmp_path / "other.poni").write_text("Distance: far\n")
    with pytest.raises(ValueError, match=r"\.poni file"):
        load_integrator(tmp_path / "other.poni")
    (tmp_path / "empty.poni").write_bytes(b"")
    with pytest.raises(ValueError, match=r"\.poni file"):
        load_integrator(tmp_path / "empty.poni")


def test_a_frame_of_another_detector_is_refused(tmp_path):
    AzimuthalIntegrator(0.2, 0.1, 0.1, detector="Pilatus1M").save(str(tmp_path / "pilatus.poni"))
    with pytest.raises(ValueError, match="1043 x 981 pixels; received"):
        integrate(np.zeros((4, 4)), load_integrator(tmp_path / "pilatus.poni"), 10)


@pytest.mark.skipif(not CEO2.is_file(), reason="the mirror of the data lacks the frame of CeO2")
def test_real_ceo2_frame_has_its_rings_within_a_twentieth_of_a_degree():
    integrator, frame = load_integrator(CEO2.with_suffix(".poni")), read_frame(CEO2)
    assert frame.dtype == np.int32 and flagged_pixels(frame).any()
    two_theta, intensity = integrate(frame[::-1], integrator, 2000)  # calibrated by Dioptas, which reverses rows
    expected = rings_deg(integrator.wavelength * 1e10)
    assert np.abs(centres_deg(two_theta, intensity, expected) - expected).max() < 0.05


def test_integration_finds_rings_and_undoes_the_solid_angle():
    detectors = [NIST_25.resized(256), NIST_45.resized(256)]
    frames = np.stack([
        1000 * detector.solid_angle() * (1 + np.exp(-(((detector.two_theta_deg() - 35) / 0.4) ** 2)))
        for detector in detectors
    ])[None]  # fmt: skip
    two_theta_deg, patterns = integrate_samples(np.repeat(frames, 2, axis=0), detectors, 500, (10, 60))
    assert two_theta_deg.shape == (500,) and patterns.shape == (2, 500) and patterns.dtype == np.float32
    assert two_theta_deg[0] == pytest.approx(10.05) and two_theta_deg[patterns[0].argmax()] == pytest.approx(
        35, abs=0.1
    )
    assert patterns[0].max() == pytest.approx(2000, rel=0.1)
    flat = (np.abs(two_theta_deg - 35) > 3) & (two_theta_deg > 10.5) & (two_theta_deg < 59.5)
    np.testing.assert_allclose(patterns[0, flat], 1000, rtol=1e-3)  # in the overlap of both as elsewhere
    np.testing.assert_array_equal(patterns[0], patterns[1])


def test_frames_of_another_size_are_refused():
    with pytest.raises(ValueError, match="bin the geometries"):
        integrate_samples(np.zeros((1, 1, 8, 8)), [SLAC], 10, (5, 60))
