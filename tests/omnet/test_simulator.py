"""Simulated patterns against kikuchipy's, against symmetry, and against nine real ones."""

import h5py
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from omnet.background import remove_dynamic_background, remove_static_background, stretched
from omnet.detector import Detector
from omnet.master_pattern import BUNDLED, MasterPattern, load_master_pattern
from omnet.rotations import CUBIC_QUATERNIONS, multiply, quaternions_from_euler, random_quaternions
from omnet.simulator import Simulator

NICKEL = load_master_pattern()


def without_symmetry():
    """A master pattern whose hemispheres differ and have no symmetry, so that no mistaken sign goes unseen."""
    noise = np.random.default_rng(0).random((2, 101, 101), np.float32)
    return MasterPattern(*gaussian_filter(noise, [0, 2, 2]), energy_kev=20, phase="none", source="made")


def draw(num, seed=0):
    return random_quaternions(num, np.random.default_rng(seed))


def simulate_with_kikuchipy(master, detector, quaternions, pc=None, dtype="float32"):
    kikuchipy = pytest.importorskip("kikuchipy")
    from orix.crystal_map import Phase
    from orix.quaternion import Rotation

    signal = kikuchipy.signals.EBSDMasterPattern(
        np.stack([master.upper, master.lower]),
        projection="lambert",
        hemisphere="both",
        phase=Phase("ni", space_group=225),
    )
    geometry = kikuchipy.detectors.EBSDDetector(
        detector.shape,
        pc=detector.pc if pc is None else pc,
        sample_tilt=detector.sample_tilt_deg,
        tilt=detector.tilt_deg,
    )
    patterns = signal.get_patterns(
        Rotation(quaternions), geometry, dtype_out=dtype, compute=True, show_progressbar=False
    )
    return patterns.data


@pytest.mark.parametrize("master", [NICKEL, without_symmetry()], ids=["nickel", "without symmetry"])
@pytest.mark.parametrize(
    "detector",
    [
        Detector(),
        Detector((30, 50), pc=(0.45, 0.7, 0.6), sample_tilt_deg=65, tilt_deg=8),
        Detector((50, 30), pc=(0.6, 0.2, 0.4), sample_tilt_deg=75, tilt_deg=-5),
    ],
    ids=["default", "wide", "high"],
)
def test_patterns_are_those_of_kikuchipy(master, detector):
    quaternions = draw(20)
    ours, theirs = (
        Simulator(master, detector).simulate(quaternions),
        simulate_with_kikuchipy(master, detector, quaternions),
    )
    assert ours.shape == theirs.shape and ours.dtype == np.float32
    assert np.abs(ours - theirs).max() < 1e-4 * np.ptp(theirs)
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.9999999


def test_patterns_with_a_centre_each_are_those_of_kikuchipy():
    detector, quaternions = Detector((40, 50)), draw(6)
    pc = np.array(detector.pc) + np.random.default_rng(1).uniform(-0.1, 0.1, (6, 3))
    simulator = Simulator(without_symmetry(), detector)
    ours = simulator.simulate(quaternions, pc)
    theirs = simulate_with_kikuchipy(simulator.master, detector, quaternions, pc)
    assert np.abs(ours - theirs).max() < 1e-4 * np.ptp(theirs)
    np.testing.assert_allclose(
        simulator.simulate(quaternions, np.tile(detector.pc, (6, 1))), simulator.simulate(quaternions), atol=1e-4
    )


@pytest.fixture(scope="module")
def small():
    """A detector of few pixels and a short batch, so that several batches are needed."""
    simulator = Simulator(NICKEL, Detector((12, 14)))
    simulator.batch_size = 16
    return simulator


def test_symmetric_equivalents_give_one_pattern(small):
    equivalents = multiply(CUBIC_QUATERNIONS[:, None], draw(4)[None])  # (24, 4, 4)
    patterns = small.simulate(equivalents.reshape(-1, 4)).reshape(24, 4, 12, 14)
    # The master pattern has the symmetry but for a few of its 255 steps.
    assert patterns.std(axis=0).mean() < 2 < 20 < patterns.std(axis=1).mean()
    np.testing.assert_allclose(small.simulate(-draw(4)), small.simulate(draw(4)), atol=1e-3)


@pytest.mark.parametrize("num", [0, 1, 15, 16, 17, 40])
def test_batches_do_not_show(small, num):
    quaternions = draw(40)
    patterns = small.simulate(quaternions[:num])
    assert patterns.shape == (num, 12, 14)
    np.testing.assert_array_equal(patterns, small.simulate(quaternions)[:num])


def test_poles_and_edges_of_the_hemispheres_are_met():
    detector = Detector((1, 1), pc=(0.5, 0.5, 1.0), sample_tilt_deg=0)  # its one pixel sees the sample's x axis
    np.testing.assert_allclose(detector.directions(), [[1, 0, 0]], atol=1e-12)
    half = np.sqrt(0.5)
    to_crystal_axes = {
        (1, 0, 0, 0): "x",
        (half, 0, half, 0): "-z",
        (half, 0, -half, 0): "z",
        (half, 0, 0, half): "y",
        (0, 0, 1, 0): "-x",
        (half, 0, 0, -half): "-y",
    }
    upper, lower = np.random.default_rng(0).random((2, 5, 5), np.float32)
    upper[[0, -1]] = lower[[0, -1]]  # one equator
    upper[:, [0, -1]] = lower[:, [0, -1]]
    expected = {
        "x": upper[2, 4], "-x": upper[2, 0], "y": upper[4, 2], "-y": upper[0, 2], "z": upper[2, 2], "-z": lower[2, 2]
    }  # fmt: skip
    simulator = Simulator(MasterPattern(upper, lower, 20, "none", "made"), detector)
    patterns = simulator.simulate(np.array(list(to_crystal_axes)))
    np.testing.assert_allclose(patterns.ravel(), [expected[axis] for axis in to_crystal_axes.values()], atol=1e-5)


def test_real_patterns_fit_best_at_their_stored_orientations():
    with h5py.File(BUNDLED.with_name("nickel_ebsd_small_patterns.h5")) as file:
        scan = file["Scan 1/EBSD"]
        patterns = remove_static_background(scan["Data/patterns"][()], scan["Header/static_background"][()])
        centres = np.stack([scan[f"Header/{name}"][()].ravel() for name in ("pcx", "pcy", "pcz")], axis=1)
        angles = scan["CrystalMap/crystal_map/data"]
        euler_rad = np.stack([angles[name][()] for name in ("phi1", "Phi", "phi2")], axis=1)
    simulator = Simulator(NICKEL, Detector())

    def unit(images):
        flat = images.reshape(len(images), -1)
        flat = flat - flat.mean(axis=1, keepdims=True)
        return flat / np.linalg.norm(flat, axis=1, keepdims=True)

    real = unit(remove_dynamic_background(patterns))
    at_reference = (real * unit(simulator.simulate(quaternions_from_euler(euler_rad), centres))).sum(axis=1)
    elsewhere = real @ unit(simulator.simulate(draw(500))).T
    assert at_reference.min() > 0.35
    assert (at_reference > elsewhere.max(axis=1) + 0.1).all()


def test_a_dictionary_is_stretched_to_bytes(small):
    quaternions = draw(40)
    patterns = small.dictionary(quaternions)
    assert patterns.dtype == np.uint8
    np.testing.assert_allclose(patterns, stretched(small.simulate(quaternions)), atol=0.501)
    assert (patterns.min(axis=(1, 2)) == 0).all() and (patterns.max(axis=(1, 2)) == 255).all()


def test_bytes_are_those_of_kikuchipy_but_for_its_cutting_off():
    master, quaternions = without_symmetry(), draw(5)
    ours = Simulator(master, Detector()).dictionary(quaternions)
    theirs = simulate_with_kikuchipy(master, Detector(), quaternions, dtype="uint8")
    assert set(np.unique(ours.astype(int) - theirs)) <= {-1, 0, 1}


def test_a_dictionary_on_disk_is_the_same_and_knows_its_settings(small, tmp_path):
    quaternions, path = draw(40), tmp_path / "dictionary.npy"
    in_memory = small.dictionary(quaternions)
    np.testing.assert_array_equal(small.dictionary(quaternions, path), in_memory)
    written = path.stat().st_mtime_ns
    np.testing.assert_array_equal(small.dictionary(quaternions, path), in_memory)
    assert path.stat().st_mtime_ns == written
    others = [
        (small, draw(40, seed=1)),
        (small, quaternions[:39]),
        (Simulator(NICKEL, Detector((12, 14), tilt_deg=1)), quaternions),
        (Simulator(without_symmetry(), Detector((12, 14))), quaternions),
    ]
    for simulator, other_quaternions in others:
        with pytest.raises(ValueError, match="other orientations"):
            simulator.dictionary(other_quaternions, path)


@pytest.mark.parametrize(
    ("quaternions", "pc", "words"),
    [
        (np.zeros(4), None, r"\(n, 4\), received \(4,\)"),
        (np.zeros((2, 3)), None, r"\(n, 4\)"),
        (np.zeros((2, 4)), None, "unit length"),
        (np.full((2, 4), np.nan), None, "finite"),
        (draw(2), np.full((3, 3), 0.5), r"shape \(2, 3\), received shape \(3, 3\)"),
        (draw(2), np.full(3, 0.5), r"received shape \(3,\)"),
        (draw(1), np.array([[0.5, 0.5, 0]]), "z > 0"),
    ],
)
def test_wrong_arguments_get_a_sentence(small, quaternions, pc, words):
    with pytest.raises(ValueError, match=words):
        small.simulate(quaternions, pc)
