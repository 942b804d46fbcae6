"""Simulated frames: rings where the phases put them, counts of the stated size and noise."""

import numpy as np
import pytest

from padnet import simulator
from padnet.geometry import NIST_25, NIST_45, SLAC
from padnet.phases import lines
from padnet.simulator import rings_by_tilt, simulate_wafer
from padnet.wafer import REGION_PHASES, Wafer, films, stand_in_wafer

IMAGE_PX = 32


@pytest.fixture(scope="module", autouse=True)
def small_wafer():
    """Every fourth place; the simulation is the same."""
    full = stand_in_wafer()
    rows = np.arange(0, len(full.labels), 4)
    samples = tuple(full.samples[row] for row in rows)
    small = Wafer(samples, full.position_mm[rows], full.labels[rows], full.source)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulator, "load_wafer", lambda data_dir: small)
        yield small


@pytest.fixture(scope="module")
def slac(small_wafer):
    return simulate_wafer((SLAC,), IMAGE_PX, seed=1)


@pytest.fixture(scope="module")
def nist(small_wafer):
    return simulate_wafer((NIST_25, NIST_45), IMAGE_PX, seed=1)


def test_a_data_set_is_whole_and_says_what_it_is(slac, nist):
    for dataset, num_frames, num_points in ((slac, 1, 931), (nist, 2, 2501)):
        assert dataset.origin == "simulated" and "stand-in label map" in dataset.name
        assert dataset.frames.shape == (45, num_frames, IMAGE_PX, IMAGE_PX) and dataset.frames.dtype == np.int32
        assert dataset.frames.min() >= 0 and dataset.patterns.shape == (45, num_points)
        assert dataset.two_theta_deg.shape == (num_points,)
        np.testing.assert_allclose(dataset.composition.sum(axis=1), 1)
        assert dataset.class_names == tuple(" + ".join(names) for names in REGION_PHASES)
    np.testing.assert_array_equal(slac.labels, nist.labels)
    np.testing.assert_array_equal(slac.composition, nist.composition)


def test_counts_are_those_of_the_full_detector_times_the_binning(slac, nist):
    pixels = (2048 // IMAGE_PX) ** 2
    lit = slac.frames[slac.frames > 0]
    assert np.median(lit) / pixels == pytest.approx(480, rel=0.15)
    assert np.median(nist.frames) / pixels == pytest.approx(4, rel=0.25)


def test_the_beam_stop_and_the_corners_are_dark_in_every_frame(slac):
    detector = SLAC.resized(IMAGE_PX)
    angles = detector.two_theta_deg()
    mean = slac.frames[:, 0].mean(axis=0)
    assert mean[angles < 6.5].max() < 0.05 * np.median(mean)
    assert (slac.frames[:, 0][:, [0, 0, -1, -1], [0, -1, 0, -1]] == 0).all()


def test_the_seed_decides_everything(slac):
    again, other = (simulate_wafer((SLAC,), IMAGE_PX, seed=seed) for seed in (1, 2))
    np.testing.assert_array_equal(slac.frames, again.frames)
    np.testing.assert_array_equal(slac.patterns, again.patterns)
    assert not np.array_equal(slac.frames, other.frames)


def test_rings_are_where_the_phases_put_them():
    wafer = stand_in_wafer()
    film = films(wafer, seed=0)
    row = int(np.flatnonzero(wafer.labels == 7)[0])  # spinel + wurtzite
    axis_deg = np.arange(5, 60, 0.02)
    profile = rings_by_tilt(film, row, axis_deg, SLAC.wavelength_a).sum(axis=1)
    of_spinel = lines("spinel", SLAC.wavelength_a, simulator.MAX_TWO_THETA_DEG)
    at = of_spinel.hkl.tolist().index([3, 1, 1])
    spacing_a = of_spinel.spacings_a(film.titanium_share[row])[at] * (1 + film.strain[row])
    expected_deg = np.rad2deg(2 * np.arcsin(SLAC.wavelength_a / 2 / spacing_a))
    near = np.abs(axis_deg - expected_deg) < 0.3
    assert axis_deg[near][profile[near].argmax()] == pytest.approx(expected_deg, abs=0.04)


def test_small_grains_broaden_lines_as_scherrer_says():
    wafer = stand_in_wafer()
    film = films(wafer, seed=0)
    row = int(np.flatnonzero(wafer.labels == 0)[0])  # rutile alone
    axis_deg = np.arange(13, 19, 0.005)
    profile = rings_by_tilt(film, row, axis_deg, SLAC.wavelength_a).sum(axis=1)
    above = axis_deg[profile > profile.max() / 2]
    theta = np.deg2rad(axis_deg[profile.argmax()] / 2)
    scherrer_deg = np.rad2deg(0.9 * SLAC.wavelength_a / 10 / film.grain_nm[row] / np.cos(theta))
    assert above[-1] - above[0] == pytest.approx(np.hypot(scherrer_deg, 0.15), rel=0.05)


def test_lines_have_area_1():
    offset_deg = np.linspace(-300, 300, 600_001)[:, None]
    for fwhm_deg in (0.2, 1.0):
        line = simulator._pseudo_voigt(offset_deg, np.array([fwhm_deg]))[:, 0]
        assert np.trapezoid(line, offset_deg[:, 0]) == pytest.approx(1, abs=2e-3)
        assert np.ptp(offset_deg[line[:] > line.max() / 2]) == pytest.approx(fwhm_deg, abs=0.003)


def test_a_table_is_interpolated_to_the_pixels():
    detector = SLAC.resized(16)
    axis_deg, matrix = simulator._projection(detector)
    tilts_deg = np.arange(0, 91, 3)
    table = axis_deg[:, None] * 2 + tilts_deg  # linear, so exact wherever it is asked for
    points = detector.divided(simulator.SUBPIXELS)
    expected = 2 * points.two_theta_deg() + np.rad2deg(simulator._tilt_rad(points))
    expected = expected.reshape(16, 2, 16, 2).mean(axis=(1, 3))
    np.testing.assert_allclose((matrix @ table.ravel()).reshape(16, 16), expected, rtol=1e-6)


def test_the_tilt_in_the_plane_of_incidence_is_theta_less_incidence():
    detector = SLAC.resized(256)
    tilt_deg = np.rad2deg(simulator._tilt_rad(detector))[:, 127:129].mean(axis=1)
    theta_deg = detector.two_theta_deg()[:, 127:129].mean(axis=1) / 2
    away = theta_deg > 6  # else half a pixel to the side is a large turn of the scattering vector
    np.testing.assert_allclose(tilt_deg[away], theta_deg[away] - 3, atol=0.3)


@pytest.mark.parametrize("shape", [(64, 64), (512, 512)])
def test_spots_keep_the_mean_and_many_grains_are_smooth(shape):
    rng = np.random.default_rng(0)
    coarse, fine = (simulator._spots(grains, shape, rng) for grains in (2.0, 200.0))
    assert coarse.shape == fine.shape == shape
    assert coarse.mean() == pytest.approx(1, abs=0.02) and fine.mean() == pytest.approx(1, abs=0.02)
    assert coarse.std() > 5 * fine.std()


def test_an_unknown_detector_needs_counts():
    from dataclasses import replace

    other = replace(SLAC, name="ours")
    with pytest.raises(ValueError, match="Expected counts for ours"):
        simulate_wafer((other,), IMAGE_PX)
    with pytest.raises(ValueError, match="divides the 2048 rows"):
        simulate_wafer((SLAC,), 300)
