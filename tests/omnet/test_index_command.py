"""``omnet index`` as a user meets it, on the real scan of nickel that ships with the package and on a small one."""

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from omnet import index_run, master_pattern
from omnet.__main__ import app
from omnet.detector import Detector
from omnet.disorientation import disorientation_deg
from omnet.index_run import FROM_FILE, index_scan
from omnet.indexing import DICTIONARY, NETWORK, OTHERS, Answers, IndexingSettings
from omnet.orientation_maps import EULER_COLUMNS
from omnet.rotations import euler_from_quaternions, quaternions_from_euler, random_quaternions
from omnet.scans import read_scan
from omnet.simulator import Simulator

RUNNER = CliRunner()
NICKEL = Path(master_pattern.__file__).parent / "bundled" / "nickel_ebsd_small_patterns.h5"
DETECTOR = Detector(shape=(24, 24))
COLUMNS = ["x_um", "y_um", *EULER_COLUMNS, "score", "confidence", "start", "status", "reason", FROM_FILE]
BAD = {3: "constant pattern", 5: "NaN or infinite values"}


@pytest.fixture(scope="module")
def small_scan(tmp_path_factory):
    """2 x 4 points with their orientations, two of them without a pattern, as kikuchipy saves it."""
    quaternions = random_quaternions(8, np.random.default_rng(2))
    patterns = Simulator(master_pattern.load_master_pattern(), DETECTOR).simulate(quaternions)
    patterns[3], patterns[5, 0, 0] = 1, np.nan
    header = {"n_rows": 2, "n_columns": 4, "step_x": 0.5, "step_y": 0.5, "sample_tilt": 70.0, "elevation_angle": 0.0}
    header |= dict(zip(("pcx", "pcy", "pcz"), DETECTOR.pc, strict=True)) | {"static_background": -1}
    angles = dict(zip(("phi1", "Phi", "phi2"), euler_from_quaternions(quaternions).T, strict=True))
    path = tmp_path_factory.mktemp("scan") / "small.h5"
    with h5py.File(path, "w") as file:
        file["Scan 1/EBSD/Data/patterns"] = patterns
        for name, value in header.items():
            file[f"Scan 1/EBSD/Header/{name}"] = value
        for name, value in angles.items():
            file[f"Scan 1/EBSD/CrystalMap/crystal_map/data/{name}"] = value
    return path


@pytest.fixture(scope="module")
def indexed(small_scan, tmp_path_factory):
    """What the command printed, and the folder with all it can write."""
    folder = tmp_path_factory.mktemp("out")
    arguments = ["index", str(small_scan), "--method", "dictionary", "--grid-steps", "26", "--strict"]
    files = {"--output": "out.csv", "--ang": "out.ang", "--map": "map.png", "--poles": "poles.png"}
    for option, name in files.items():
        arguments += [option, str(folder / name)]
    return RUNNER.invoke(app, arguments), folder


def test_every_point_has_a_row_in_order_with_an_orientation_or_a_reason(indexed, small_scan):
    result, folder = indexed
    table = pd.read_csv(folder / "out.csv")
    assert table.columns.tolist() == COLUMNS
    np.testing.assert_allclose(table["x_um"], np.tile([0, 0.5, 1, 1.5], 2))
    np.testing.assert_allclose(table["y_um"], np.repeat([0, 0.5], 4))
    bad = table[table["status"] == "error"]
    assert dict(bad["reason"]) == BAD and bad[EULER_COLUMNS].isna().all(axis=None)
    found = table.drop(index=list(BAD))
    assert (found["status"] == "ok").all() and found["reason"].isna().all() and (found["start"] == DICTIONARY).all()
    truth = read_scan(small_scan).reference_euler_rad[found.index]
    errors = disorientation_deg(quaternions_from_euler(found[EULER_COLUMNS]), quaternions_from_euler(truth))
    np.testing.assert_allclose(found[FROM_FILE], errors, atol=1e-6)
    assert np.median(errors) < 0.2
    assert "8 rows written" in result.output and "1 x constant pattern" in result.output


def test_strict_ends_with_an_error_code_after_all_is_written(indexed):
    result, folder = indexed
    assert result.exit_code == 1, result.output
    assert sorted(path.name for path in folder.iterdir()) == ["map.png", "out.ang", "out.csv", "poles.png"]
    for name in ("map.png", "poles.png"):
        assert (folder / name).read_bytes().startswith(b"\x89PNG")


def test_the_ang_file_holds_the_same_orientations(indexed):
    _, folder = indexed
    read = pytest.importorskip("orix.io").load(folder / "out.ang")
    table = pd.read_csv(folder / "out.csv")
    found = (table["status"] == "ok").to_numpy()
    assert (read.phase_id == np.where(found, 1, -1)).all() and read.shape == (2, 4)
    ours = quaternions_from_euler(table.loc[found, EULER_COLUMNS])
    assert disorientation_deg(read.rotations.data[found], ours).max() < 1e-3


def index_nickel(tmp_path, *options) -> pd.DataFrame:
    output = tmp_path / "out.csv"
    result = RUNNER.invoke(app, ["index", str(NICKEL), "--scan", "Scan 1", "--output", str(output), *options])
    assert result.exit_code == 0, result.output
    return pd.read_csv(output)


@pytest.mark.parametrize("method", ["dictionary", "network"])
def test_the_real_scan_lies_within_half_a_degree_of_its_reference(method, tmp_path):
    """The reference is of kikuchipy: dictionary indexing and refinement of orientation and projection centre."""
    table = index_nickel(tmp_path, "--method", method)
    assert len(table) == 9 and (table["status"] == "ok").all()
    assert table[FROM_FILE].mean() < 0.5 and table[FROM_FILE].max() < 0.6
    assert table["score"].between(0.3, 0.6).all()  # wrong answers have 0 to 0.13 here
    starts = {"dictionary": {DICTIONARY}, "network": {NETWORK, OTHERS}}  # the network needs no dictionary here
    assert set(table["start"]) == starts[method]


class Stopped(Exception):
    """Stands for a kill."""


@pytest.fixture
def counted(monkeypatch):
    """An indexer that answers at once, stops at a call if told so, and remembers how many patterns it saw."""

    class Counted:
        stop_at, seen = None, []

        def __init__(self, *args, **kwargs):
            pass

        def index(self, patterns, pc):
            if len(self.seen) == self.stop_at:
                raise Stopped
            self.seen.append(len(patterns))
            answers = Answers.none(len(patterns))
            answers.quaternions[:] = np.eye(4)[0]
            answers.score[:] = patterns.mean(axis=(1, 2))
            return answers

    monkeypatch.setattr(index_run, "Indexer", Counted)
    monkeypatch.setattr(index_run, "PATTERNS_PER_PART", 4)
    return Counted


def test_a_run_that_was_stopped_goes_on(counted, tmp_path):
    scan, settings = read_scan(NICKEL, "Scan 1"), IndexingSettings(DICTIONARY)
    whole = index_scan(scan, tmp_path / "whole.csv", settings)
    np.testing.assert_allclose(whole["score"], scan.read(0, 9).mean(axis=(1, 2)))
    assert counted.seen == [4, 4, 1]
    counted.seen, counted.stop_at = [], 2
    with pytest.raises(Stopped):
        index_scan(scan, tmp_path / "out.csv", settings)
    assert not (tmp_path / "out.csv").exists()
    counted.seen, counted.stop_at = [], None
    index_scan(scan, tmp_path / "out.csv", settings)
    assert counted.seen == [1]
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.csv", "whole.csv"]


def test_parts_of_another_run_are_not_gone_on_with(counted, tmp_path):
    scan = read_scan(NICKEL, "Scan 1")
    counted.seen, counted.stop_at = [], 1
    with pytest.raises(Stopped):
        index_scan(scan, tmp_path / "out.csv", IndexingSettings(DICTIONARY))
    with pytest.raises(ValueError, match="other settings.*delete that folder"):
        index_scan(scan, tmp_path / "out.csv", IndexingSettings(DICTIONARY, refine=False))
    other = read_scan(NICKEL, "Scan 2", pc=(0.4, 0.2, 0.5))
    with pytest.raises(ValueError, match="other scan, detector"):
        index_scan(other, tmp_path / "out.csv", IndexingSettings(DICTIONARY))


def test_parts_that_lost_their_settings_are_made_anew(counted, tmp_path):
    """As a kill in the middle of the last tidying up leaves them."""
    scan = read_scan(NICKEL, "Scan 1")
    counted.seen, counted.stop_at = [], 1
    with pytest.raises(Stopped):
        index_scan(scan, tmp_path / "out.csv", IndexingSettings(DICTIONARY))
    (tmp_path / "out.csv.parts" / index_run.MANIFEST).unlink()
    counted.seen, counted.stop_at = [], None
    index_scan(scan, tmp_path / "out.csv", IndexingSettings(DICTIONARY, refine=False))
    assert counted.seen == [4, 4, 1]


@pytest.mark.parametrize(("options", "words"), [
    ([], ["'Scan 1', 'Scan 2'", "--scan"]),
    (["--scan", "Scan 1", "--method", "hough"], ["network or dictionary", "'hough'"]),
    (["--scan", "Scan 1", "--pc", "0.5,0.5"], ["--pc", "'0.5,0.5'"]),
    (["--scan", "Scan 1", "--pc", "0.5,0.5,-1"], ["z > 0"]),
    (["--scan", "Scan 1", "--sample-tilt", "170"], ["sample_tilt_deg", "170"]),
    (["--scan", "Scan 1", "--direction", "ND"], ["X, Y, Z", "'ND'"]),
    (["--scan", "Scan 1", "--master", str(master_pattern.BUNDLED)], ["--weights", "--method dictionary"]),
    (["--scan", "Scan 1", "--method", "dictionary", "--master", "none.h5"], ["none.h5"]),
    (["--scan", "Scan 1", "--weights", "none.keras"], ["none.keras does not exist"]),
])  # fmt: skip
def test_bad_input_is_one_sentence(refused, tmp_path, options, words):
    refused(RUNNER.invoke(app, ["index", str(NICKEL), "--output", str(tmp_path / "out.csv"), *options]), *words)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("content", "words"), [
    (b"", "whole HDF5 file"),
    (b"x,y\n1,2\n", "whole HDF5 file"),
    (NICKEL.read_bytes()[:90_000], "truncated"),
])  # fmt: skip
def test_a_file_that_is_no_scan_is_one_sentence(refused, tmp_path, content, words):
    (tmp_path / "scan.h5").write_bytes(content)
    refused(RUNNER.invoke(app, ["index", str(tmp_path / "scan.h5"), "--output", str(tmp_path / "out.csv")]), words)


def test_a_static_background_that_is_asked_for_must_be_there(refused, small_scan, tmp_path):
    arguments = ["index", str(small_scan), "--output", str(tmp_path / "out.csv"), "--method", "dictionary", "--static"]
    refused(RUNNER.invoke(app, arguments), "--no-static")


def test_help_teaches():
    result = RUNNER.invoke(app, ["index", "--help"])
    assert result.exit_code == 0
    for word in ("omnet index scan.h5", "--pc 0.42,0.21,0.50", "radians", "nickel", "goes on"):
        assert word in result.output
