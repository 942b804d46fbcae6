"""`padnet simulate`, and that the other commands' readers take what it wrote."""

import numpy as np
import pytest
from typer.testing import CliRunner

from padnet.__main__ import app
from padnet.data import SIMULATED
from padnet.geometry import NIST_25, NIST_45, from_poni
from padnet.readers import read_folder
from padnet.simulator import simulate_wafer


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wafer")
    result = CliRunner().invoke(
        app, ["simulate", str(folder), "--detectors", "nist", "--image-px", "32", "--seed", "3"]
    )
    assert result.exit_code == 0, result.output
    assert "simulated" in result.stdout
    return folder


def test_what_is_read_back_is_what_was_simulated(written):
    read, made = read_folder(written / "samples.csv"), simulate_wafer((NIST_25, NIST_45), 32, 3)
    assert read.origin == SIMULATED
    assert read.samples == made.samples and read.components == made.components
    np.testing.assert_array_equal(read.frames, made.frames)
    np.testing.assert_allclose(read.composition, made.composition, atol=1e-12)
    np.testing.assert_allclose(read.position_mm, made.position_mm)
    assert [read.class_names[n] for n in read.labels] == [made.class_names[n] for n in made.labels]


def test_the_geometries_are_read_back(written):
    for name, geometry in (("nist_25", NIST_25), ("nist_45", NIST_45)):
        detector = geometry.resized(32)
        read = from_poni(written / f"{name}.poni", (32, 32))
        np.testing.assert_allclose(read.two_theta_deg(), detector.two_theta_deg(), atol=1e-6)


def test_an_origin_is_one_of_three_and_the_same_in_all_rows(written):
    table = (written / "samples.csv").read_text()
    for number, wrong in enumerate((table.replace("simulated", "dreamt"), table.replace("simulated", "measured", 1))):
        path = written / f"wrong{number}.csv"
        path.write_text(wrong)
        with pytest.raises(ValueError, match="expected one origin in all rows"):
            read_folder(path)


@pytest.mark.parametrize("options", [["--detectors", "both"], ["--image-px", "100"]])
def test_impossible_wishes_are_refused_in_one_sentence(tmp_path, refused, options):
    result = CliRunner().invoke(app, ["simulate", str(tmp_path / "wafer"), *options])
    refused(result, "received")
    assert not (tmp_path / "wafer").exists()
