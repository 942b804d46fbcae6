"""``.ang`` files, read back by orix."""

import h5py
import numpy as np
import pandas as pd
import pytest

from omnet.ang import Crystal, read_crystal, write_ang
from omnet.detector import Detector
from omnet.disorientation import disorientation_deg
from omnet.master_pattern import BUNDLED
from omnet.rotations import euler_from_quaternions, quaternions_from_euler, random_quaternions

NICKEL = Crystal("ni", "Ni", (3.5236, 3.5236, 3.5236, 90.0, 90.0, 90.0))


@pytest.fixture
def table():
    """Two rows of three points; the fifth has no orientation."""
    euler_rad = euler_from_quaternions(random_quaternions(6, np.random.default_rng(0)))
    columns = dict(zip(("phi1_rad", "Phi_rad", "phi2_rad"), euler_rad.T, strict=True))
    places = {"x_um": np.tile([0.0, 0.5, 1.0], 2), "y_um": np.repeat([0.0, 0.25], 3)}
    made = pd.DataFrame(places | columns | {"score": 0.5, "confidence": 0.75, "status": "ok"})
    made.loc[4, ["phi1_rad", "Phi_rad", "phi2_rad", "score", "confidence"]] = np.nan
    made.loc[4, "status"] = "error"
    return made


def test_orix_reads_what_was_written(table, tmp_path):
    io = pytest.importorskip("orix.io")
    read = io.load(write_ang(tmp_path / "map.ang", table, NICKEL, Detector()))
    found = np.arange(6) != 4
    assert read.shape == (2, 3) and (read.dx, read.dy) == (0.5, 0.25) and read.scan_unit == "um"
    assert read.phase_id.tolist() == [1, 1, 1, 1, -1, 1]
    assert read.phases[1].point_group.name == "432" and read.phases[1].name == "Ni"
    assert read.phases[1].structure.lattice.abcABG() == pytest.approx((3.524, 3.524, 3.524, 90, 90, 90))
    written = quaternions_from_euler(table.loc[found, ["phi1_rad", "Phi_rad", "phi2_rad"]])
    assert disorientation_deg(read.rotations.data[found], written).max() < 1e-3
    assert read.prop["ci"].tolist() == [0.5, 0.5, 0.5, 0.5, -1, 0.5]
    assert read.prop["iq"].tolist() == [0.75, 0.75, 0.75, 0.75, 0, 0.75]


def test_the_projection_centre_is_in_the_convention_of_tsl(table, tmp_path):
    detectors = pytest.importorskip("kikuchipy.detectors")
    detector = Detector((480, 640), (0.5, 0.3, 0.6))
    text = write_ang(tmp_path / "map.ang", table, NICKEL, detector).read_text()
    stars = [float(line.split()[-1]) for line in text.splitlines() if "-star" in line]
    theirs = detectors.EBSDDetector(shape=detector.shape, pc=detector.pc)
    np.testing.assert_allclose(stars, theirs.pc_tsl().squeeze(), atol=1e-6)


def test_the_crystal_comes_from_the_master_pattern(tmp_path):
    assert read_crystal(BUNDLED, "ni") == NICKEL
    h5py.File(tmp_path / "bare.h5", "w").close()
    with pytest.raises(ValueError, match="CrystalData"):
        read_crystal(tmp_path / "bare.h5", "ni")


def test_part_of_a_grid_is_refused(table, tmp_path):
    with pytest.raises(ValueError, match="2 x 3 = 6 points.*received 5"):
        write_ang(tmp_path / "map.ang", table[:5], NICKEL, Detector())
    assert list(tmp_path.iterdir()) == []
