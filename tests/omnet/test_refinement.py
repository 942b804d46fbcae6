"""Refinement from known offsets, on simulated, noisy and real patterns."""

import h5py
import numpy as np
import pytest

from omnet.background import remove_dynamic_background, remove_static_background
from omnet.detector import Detector
from omnet.disorientation import disorientation_deg
from omnet.master_pattern import BUNDLED, load_master_pattern
from omnet.pattern_flow import pattern_flow
from omnet.patterns import unit_vectors
from omnet.refinement import refine, refine_detector
from omnet.rotations import multiply, quaternions_from_euler, quaternions_from_rotation_vectors, random_quaternions
from omnet.simulator import Simulator

NUM = 24
REAL_SCAN = BUNDLED.parent / "nickel_ebsd_small_patterns.h5"


def make_simulator(detector=None):
    simulator = Simulator(load_master_pattern(), detector or Detector())
    simulator.batch_size = 32  # a batch is always filled up, and there are few patterns here
    return simulator


@pytest.fixture(scope="module")
def simulator():
    return make_simulator()


@pytest.fixture(scope="module")
def orientations():
    return random_quaternions(NUM, np.random.default_rng(0))


@pytest.fixture(scope="module")
def patterns(simulator, orientations):
    return simulator.simulate(orientations)


def turned(quaternions, angle_deg, seed=1):
    vectors = np.random.default_rng(seed).normal(size=(len(quaternions), 3))
    vectors *= np.deg2rad(angle_deg) / np.linalg.norm(vectors, axis=1, keepdims=True)
    return multiply(quaternions, quaternions_from_rotation_vectors(vectors))


def with_noise(patterns, noise_to_signal, seed=2):
    """Noise of so many standard deviations of the pattern."""
    noise = np.random.default_rng(seed).normal(size=patterns.shape)
    return patterns + noise_to_signal * patterns.std(axis=(1, 2), keepdims=True) * noise


def test_the_flow_is_how_directions_move():
    detector = Detector(shape=(6, 5), pc=(0.4, 0.3, 0.6), tilt_deg=7)
    pc, small = np.array(detector.pc), 1e-5
    flow = pattern_flow(detector, pc)  # (6, 2, 30)
    pixel = np.arange(30)
    for i, moved in enumerate(
        [
            *(detector.directions() + small * np.cross(axis, detector.directions()) for axis in np.eye(3)),
            *(detector.directions(pc[None] + small * part)[0] for part in np.eye(3)),
        ]
    ):
        # A pixel farther to the right sees what this one does when the centre is farther to the left.
        shifted = np.tile(pc, (30, 1))
        shifted[:, :2] -= small * flow[i].T / [5, 6]
        np.testing.assert_allclose(detector.directions(shifted)[pixel, pixel], moved, rtol=0, atol=1e-8)


def test_clean_patterns_come_out_exactly(simulator, orientations, patterns):
    start = turned(orientations, 2.0)
    refined = refine(np.rint(patterns).astype(np.uint8), start, simulator)
    assert disorientation_deg(refined.quaternions, orientations).max() < 0.03
    assert refined.converged.all()
    assert refined.scores.min() > 0.999
    np.testing.assert_array_equal(refined.pc, np.tile(Detector().pc, (NUM, 1)))


def test_no_orientation_nearby_is_more_like_a_noisy_pattern(simulator, orientations, patterns):
    noisy = with_noise(patterns, 2.0)
    refined = refine(noisy, turned(orientations, 1.5), simulator)
    assert disorientation_deg(refined.quaternions, orientations).mean() < 0.2
    nearby = turned(np.repeat(refined.quaternions, 20, axis=0), np.geomspace(0.02, 1, 20 * NUM).reshape(-1, 1))
    scores = np.einsum("ijk,ik->ij", unit_vectors(simulator.simulate(nearby)).reshape(NUM, 20, -1), unit_vectors(noisy))
    assert (scores.max(axis=1) < refined.scores + 1e-3).all()


def test_blurred_ways_reach_farther(simulator, orientations, patterns):
    start = turned(orientations, 6.0)
    is_found = {
        wide: disorientation_deg(refine(patterns, start, simulator, wide=wide).quaternions, orientations) < 0.1
        for wide in (False, True)
    }
    assert is_found[True].mean() > 0.8 > is_found[False].mean()


def test_projection_centres_come_out_too(simulator, orientations):
    pc = np.array(Detector().pc) + np.random.default_rng(3).uniform(-0.01, 0.01, (NUM, 3))
    patterns = simulator.simulate(orientations, pc)
    fixed = refine(patterns, turned(orientations, 1.0), simulator)
    refined = refine(patterns, turned(orientations, 1.0), simulator, refine_pc=True)
    np.testing.assert_allclose(refined.pc, pc, rtol=0, atol=1e-3)
    errors_deg = [disorientation_deg(found.quaternions, orientations).mean() for found in (fixed, refined)]
    assert errors_deg[0] > 0.3 and errors_deg[1] < 0.05
    known = refine(patterns, turned(orientations, 1.0), simulator, pc=pc)
    assert disorientation_deg(known.quaternions, orientations).max() < 0.03


def test_one_projection_centre_for_a_scan(orientations, patterns):
    off = make_simulator(Detector(pc=(0.43, 0.22, 0.51), tilt_deg=0.0))
    found = refine_detector(patterns, turned(orientations, 1.0), off)
    np.testing.assert_allclose(found.pc, Detector().pc, rtol=0, atol=5e-4)
    assert found.shape == (60, 60)


def test_a_background_removed_from_the_patterns_alone_does_little_harm(simulator, orientations, patterns):
    refined = refine(remove_dynamic_background(patterns), turned(orientations, 1.0), simulator)
    assert disorientation_deg(refined.quaternions, orientations).mean() < 0.05


def test_patterns_that_nothing_can_be_read_from_keep_their_start(simulator, orientations, patterns):
    start = turned(orientations[:3], 1.0)
    broken = patterns[:3].copy()
    broken[0], broken[1, 5, 5] = 3.0, np.nan
    refined = refine(broken, start, simulator)
    np.testing.assert_array_equal(refined.quaternions[:2], start[:2])
    assert np.isnan(refined.scores).tolist() == [True, True, False]
    assert refined.converged.tolist() == [False, False, True]
    with pytest.raises(ValueError, match="something can be read from"):
        refine_detector(broken[:2], start[:2], simulator)


def test_bad_input(simulator, orientations, patterns):
    with pytest.raises(ValueError, match=r"shape \(n, 60, 60\)"):
        refine(patterns[:, :30], orientations, simulator)
    with pytest.raises(ValueError, match="one start a pattern"):
        refine(patterns, orientations[:3], simulator)
    with pytest.raises(ValueError, match="empty scan"):
        refine(patterns[:0], orientations[:0], simulator)
    with pytest.raises(ValueError, match="projection centre"):
        refine(patterns, orientations, simulator, pc=[0.5, 0.5, -1.0])


def test_the_real_scan_of_nickel():
    with h5py.File(REAL_SCAN) as file:
        scan = file["Scan 1/EBSD"]
        stored = scan["CrystalMap/crystal_map/data"]
        reference = quaternions_from_euler(np.stack([stored[name][()] for name in ("phi1", "Phi", "phi2")], axis=1))
        pc = np.stack([scan["Header"][name][()].ravel() for name in ("pcx", "pcy", "pcz")], axis=1)
        flat = remove_static_background(scan["Data/patterns"][()], scan["Header/static_background"][()])
    flat = remove_dynamic_background(flat)
    x, y, z = pc.mean(axis=0)
    simulator, start = make_simulator(Detector(pc=(x, y, z))), turned(reference, 2.0)
    simulator.batch_size = 9
    errors_deg = [
        disorientation_deg(refine(flat, start, simulator, **options).quaternions, reference)
        for options in ({}, {"pc": pc}, {"wide": True})
    ]
    # The reference was refined with a projection centre for each pattern.
    assert errors_deg[0].mean() < 0.4 and errors_deg[1].mean() < 0.1 and errors_deg[2].mean() < 0.4
