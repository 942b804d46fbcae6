"""Scans of every format against the readers of kikuchipy, and what bad files get."""

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from omnet import master_pattern
from omnet.scans import read_scan

NICKEL = Path(master_pattern.__file__).parent / "bundled" / "nickel_ebsd_small_patterns.h5"
PC = (0.4, 0.2, 0.5)


@pytest.fixture
def kikuchipy():
    return pytest.importorskip("kikuchipy")


@pytest.fixture
def kikuchipy_data(kikuchipy):
    """Folder of the small files that kikuchipy ships."""
    return Path(kikuchipy.__file__).parent / "data"


def copied(tmp_path: Path) -> Path:
    return Path(shutil.copy(NICKEL, tmp_path / "scan.h5"))


def edax_file(path: Path, **header) -> Path:
    """A scan of 2 x 3 points as OIM writes it, with the spaces it puts before some names."""
    rng = np.random.default_rng(0)
    values = {"nRows": 2, "nColumns": 3, "Pattern Height": 20, "Pattern Width": 30, "Step X": 0.5, "Step Y": 0.25}
    values |= {"Sample Tilt": 65.0, "Camera Elevation Angle": 8.0, "Camera Azimuthal Angle": 0.0} | header
    with h5py.File(path, "w") as file:
        file[" Manufacturer"], file[" Version"] = [b"EDAX"], [b"OIM Analysis 8"]
        data, head = file.create_group("Scan 1/EBSD/Data"), file.create_group("Scan 1/EBSD/Header")
        data["Pattern"] = rng.integers(0, 60_000, (6, 20, 30), dtype=np.uint16)
        for i, angle in enumerate(("Phi1", "Phi", "Phi2")):
            data[angle] = np.full(6, 0.1 * (i + 1), np.float32)
        data["CI"] = np.array([0.9, 0.8, -1, 0.7, 0.6, 0.5], np.float32)
        for name, value in values.items():
            head[name] = np.array([value])
        head["Grid Type"] = np.array([b"SqrGrid"])
        for axis, star in zip("xyz", (0.5, 0.7, 0.9), strict=True):
            head[f"Pattern Center Calibration/{axis}-star"] = np.array([star], np.float32)
    return path


def test_a_scan_of_kikuchipy_is_read_as_kikuchipy_reads_it(kikuchipy):
    scan, theirs = read_scan(NICKEL, "Scan 1"), kikuchipy.load(NICKEL, scan_group_names="Scan 1")
    assert scan.source_format == "kikuchipy" and len(scan) == 9 and scan.grid == (3, 3) and scan.notes == ()
    np.testing.assert_array_equal(scan.read(0, 9), theirs.data.reshape(9, 60, 60))
    np.testing.assert_array_equal(scan.static_background, theirs.static_background)
    np.testing.assert_allclose(scan.pc, theirs.detector.pc.reshape(9, 3))
    np.testing.assert_allclose(scan.detector.pc, theirs.detector.pc_average)
    np.testing.assert_allclose(scan.reference_euler_rad, theirs.xmap.rotations.to_euler(), atol=1e-6)
    np.testing.assert_allclose([scan.x_um, scan.y_um], [theirs.xmap.x, theirs.xmap.y])
    assert scan.detector.sample_tilt_deg == theirs.detector.sample_tilt == 70
    np.testing.assert_array_equal(scan.read(4, 6), scan.read(0, 9)[4:6])


def test_a_scan_of_edax_is_read_as_kikuchipy_reads_it(kikuchipy, tmp_path):
    path = edax_file(tmp_path / "edax.h5")
    scan, theirs = read_scan(path), kikuchipy.load(path)
    assert scan.source_format == "EDAX OIM" and scan.patterns.dtype == np.uint16
    np.testing.assert_array_equal(scan.read(0, 6), theirs.data.reshape(6, 20, 30))
    np.testing.assert_allclose(scan.detector.pc, theirs.detector.pc.squeeze(), atol=1e-6)
    assert scan.detector.shape == theirs.detector.shape == (20, 30)
    assert (scan.detector.sample_tilt_deg, scan.detector.tilt_deg) == (65, 8)
    np.testing.assert_allclose([scan.x_um, scan.y_um], [theirs.xmap.x, theirs.xmap.y])
    np.testing.assert_allclose(scan.reference_euler_rad[0], [0.1, 0.2, 0.3], atol=1e-6)
    assert np.isnan(scan.reference_euler_rad[2]).all()  # confidence -1


def test_the_file_that_kikuchipy_ships_for_edax_has_no_calibration(kikuchipy_data):
    path = kikuchipy_data / "edax_h5ebsd" / "patterns.h5"
    with pytest.raises(ValueError, match="projection centre.*--pc"):
        read_scan(path)
    assert read_scan(path, pc=PC).detector.pc == PC


def test_a_scan_of_nordif_is_read_as_kikuchipy_reads_it(kikuchipy, kikuchipy_data):
    path = kikuchipy_data / "nordif" / "Pattern.dat"
    scan, theirs = read_scan(path, pc=PC), kikuchipy.load(path)
    assert scan.source_format == "NORDIF" and scan.grid == (3, 3) and scan.step_um == (1.5, 1.5)
    np.testing.assert_array_equal(scan.read(0, 9), theirs.data.reshape(9, 60, 60))
    np.testing.assert_array_equal(scan.static_background, theirs.static_background)
    assert (scan.detector.sample_tilt_deg, scan.detector.tilt_deg) == (70, 0)
    with pytest.raises(ValueError, match="--pc"):
        read_scan(path)


def test_kikuchipy_saves_what_can_be_read(kikuchipy, tmp_path):
    """Float patterns of one row of points, with one projection centre, no background and no orientations."""
    patterns = np.random.default_rng(0).random((4, 12, 16), dtype=np.float32)
    signal = kikuchipy.signals.EBSD(patterns)
    signal.save(tmp_path / "line.h5")
    scan = read_scan(tmp_path / "line.h5")
    np.testing.assert_array_equal(scan.read(0, 4), patterns)
    assert scan.grid == (1, 4) and scan.pc is None and scan.static_background is None
    assert scan.reference_euler_rad is None and "calibrated" in scan.notes[0]


def test_what_is_given_of_the_geometry_counts():
    scan = read_scan(NICKEL, "Scan 1", pc=PC, sample_tilt_deg=60.0, tilt_deg=5.0)
    assert scan.pc is None and scan.detector.pc == PC
    assert (scan.detector.sample_tilt_deg, scan.detector.tilt_deg) == (60, 5)


def test_an_azimuth_is_named(tmp_path):
    (note,) = read_scan(edax_file(tmp_path / "edax.h5", **{"Camera Azimuthal Angle": 3.0})).notes
    assert "azimuth of 3" in note


def test_several_scans_need_a_name():
    with pytest.raises(ValueError, match="'Scan 1', 'Scan 2'; name one with --scan"):
        read_scan(NICKEL)
    with pytest.raises(ValueError, match="'Scan 1', 'Scan 2'.*'Scan 3'"):
        read_scan(NICKEL, "Scan 3")


def test_a_scan_deeper_in_the_file_is_found(tmp_path):
    with h5py.File(NICKEL) as source, h5py.File(tmp_path / "deep.h5", "w") as target:
        source.copy("Scan 1", target.create_group("Sample/Area 1"))
    assert read_scan(tmp_path / "deep.h5").name == "Sample/Area 1/Scan 1"


@pytest.mark.parametrize("num_bytes", [0, 100, 70_000])
def test_a_file_cut_short_is_one_sentence(tmp_path, num_bytes):
    path = copied(tmp_path)
    path.write_bytes(path.read_bytes()[:num_bytes])
    with pytest.raises(ValueError, match="Expected a whole HDF5 file.*scan.h5"):
        read_scan(path, "Scan 1")


def test_what_is_no_scan_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match="none.h5"):
        read_scan(tmp_path / "none.h5")
    with pytest.raises(ValueError, match="found none; supported are"):
        read_scan(master_pattern.BUNDLED)
    (tmp_path / "Pattern.dat").write_bytes(bytes(100))
    with pytest.raises(FileNotFoundError, match="Setting.txt"):
        read_scan(tmp_path / "Pattern.dat")


@pytest.mark.parametrize(("data", "words"), [
    (np.zeros((0, 60, 60), np.uint8), "at least one"),
    (np.zeros((9, 3600), np.uint8), "shape"),
    (np.zeros((9, 60, 60), np.int32), "int32"),
    (np.zeros((9, 60, 60), complex), "complex"),
    (np.zeros((8, 60, 60), np.uint8), "3 x 3 = 9 patterns.*holds 8"),
    (np.zeros((9, 50, 60), np.uint8), "static background"),
    (np.zeros((9, 1, 60), np.uint8), "2 x 2"),
])  # fmt: skip
def test_patterns_that_cannot_be_taken_are_said(tmp_path, data, words):
    path = copied(tmp_path)
    with h5py.File(path, "r+") as file:
        del file["Scan 1/EBSD/Data/patterns"]
        file["Scan 1/EBSD/Data/patterns"] = data
    with pytest.raises(ValueError, match=words):
        read_scan(path, "Scan 1")


@pytest.mark.parametrize(("name", "value", "words"), [
    ("n_rows", None, "n_rows"),
    ("n_rows", "three", "one number"),
    ("pcz", [-1.0] * 9, "projection centre"),
    ("sample_tilt", 700.0, "sample_tilt_deg"),
])  # fmt: skip
def test_a_header_that_is_wrong_is_said(tmp_path, name, value, words):
    path = copied(tmp_path)
    with h5py.File(path, "r+") as file:
        header = file["Scan 1/EBSD/Header"]
        del header[name]
        if value is not None:
            header[name] = value
    with pytest.raises(ValueError, match=words):
        read_scan(path, "Scan 1")


def test_orientations_that_are_not_one_a_pattern_are_said(tmp_path):
    path = copied(tmp_path)
    with h5py.File(path, "r+") as file:
        data = file["Scan 1/EBSD/CrystalMap/crystal_map/data"]
        for name in ("phi1", "Phi", "phi2", "phase_id"):
            values = data[name][:8]
            del data[name]
            data[name] = values
    with pytest.raises(ValueError, match="each of the 9 patterns.*holds 8"):
        read_scan(path, "Scan 1")


def test_a_projection_centre_that_is_missing_can_be_given(tmp_path):
    path = copied(tmp_path)
    with h5py.File(path, "r+") as file:
        for axis in ("pcx", "pcy", "pcz"):
            del file[f"Scan 1/EBSD/Header/{axis}"]
    with pytest.raises(ValueError, match="it has 0. Give one with --pc"):
        read_scan(path, "Scan 1")
    assert read_scan(path, "Scan 1", pc=PC).detector.pc == PC


def test_a_hexagonal_grid_is_refused(tmp_path):
    path = edax_file(tmp_path / "edax.h5")
    with h5py.File(path, "r+") as file:
        file["Scan 1/EBSD/Header/Grid Type"][...] = b"HexGrid"
    with pytest.raises(ValueError, match="SqrGrid.*HexGrid"):
        read_scan(path)


def test_damage_among_the_patterns_is_one_sentence(tmp_path):
    with h5py.File(NICKEL) as file:
        patterns = file["Scan 1/EBSD/Data/patterns"][()]
    path = copied(tmp_path)
    with h5py.File(path, "r+") as file:
        del file["Scan 1/EBSD/Data/patterns"]
        dataset = file.create_dataset(
            "Scan 1/EBSD/Data/patterns", data=patterns, chunks=(3, 60, 60), compression="gzip", fletcher32=True
        )
        place = dataset.id.get_chunk_info(1).byte_offset
    content = bytearray(path.read_bytes())
    content[place + 50 : place + 90] = bytes(40)
    path.write_bytes(content)
    scan = read_scan(path, "Scan 1")
    np.testing.assert_array_equal(scan.read(0, 3), patterns[:3])
    with pytest.raises(ValueError, match="patterns 3 to 5 of .* damaged"):
        scan.read(3, 6)


@pytest.mark.parametrize(("old", "new", "words"), [
    ("Number of samples\t3x3", "Number of samples\t30x3", "bytes"),
    ("Number of samples\t3x3", "Number of samples\tmany", "'many'"),
    ("Step size", "Stride", "received nothing"),
    ("Tilt angle\t70", "Tilt angle\tsteep", "'Tilt angle' under \\[Microscope\\].*'steep'"),
])  # fmt: skip
def test_settings_of_nordif_that_are_wrong_are_said(kikuchipy_data, tmp_path, old, new, words):
    folder = Path(shutil.copytree(kikuchipy_data / "nordif", tmp_path / "nordif"))
    text = (folder / "Setting.txt").read_text(encoding="latin-1")
    assert old in text
    (folder / "Setting.txt").write_text(text.replace(old, new), encoding="latin-1")
    with pytest.raises(ValueError, match=words):
        read_scan(folder / "Pattern.dat", pc=PC)
