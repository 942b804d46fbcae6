"""``padnet background`` and ``padnet integrate`` as a user meets them: TIF, GFRM and NumPy in, the same out."""

import numpy as np
import pandas as pd
import pytest
import tifffile
import typer
from fabio.brukerimage import BrukerImage
from pyFAI.integrator.azimuthal import AzimuthalIntegrator
from typer.testing import CliRunner

from padnet import frame_batch
from padnet.background import remove_minimum, remove_poisson, remove_smooth
from padnet.background_command import background
from padnet.frame_batch import COLUMNS, work_on_frames
from padnet.integrate_command import integrate
from padnet.readers import read_frame
from padnet.writers import write_frame

RUNNER = CliRunner()
APP = typer.Typer()
APP.command()(background)
APP.command()(integrate)
SHAPE = (64, 80)


def counts(seed):
    return np.random.default_rng(seed).poisson(300, SHAPE).astype(np.uint16)


@pytest.fixture
def frames(tmp_path):
    """A frame of each format, and one that is empty."""
    folder = tmp_path / "in"
    folder.mkdir()
    tifffile.imwrite(folder / "a.tif", counts(1), photometric="minisblack")
    BrukerImage(data=counts(2), header={"SAMPLE": "wafer 7"}).write(str(folder / "b.gfrm"))
    np.save(folder / "c.npy", counts(3).astype(np.int32))
    (folder / "d.tif").write_bytes(b"")
    return folder


def run(*arguments):
    return RUNNER.invoke(APP, [str(argument) for argument in arguments])


def test_each_format_comes_back_without_background(frames, tmp_path):
    out = tmp_path / "out"
    result = run("background", *sorted(frames.iterdir()), "-o", out, "--size", 9)
    assert result.exit_code == 0 and "3 ok, 1 without an answer" in result.stdout
    table = pd.read_csv(out / "background.csv", keep_default_na=False)
    assert table["status"].tolist() == ["ok", "ok", "ok", "error"] and list(table) == COLUMNS
    assert "d.tif" in table["reason"][3] and table["output"][3] == ""
    for seed, name in enumerate(("a.tif", "b.gfrm", "c.npy"), start=1):
        found = read_frame(out / name)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, remove_smooth(counts(seed), 9), atol=1e-4)
    assert sorted(path.name for path in out.iterdir()) == ["a.tif", "b.gfrm", "background.csv", "c.npy"]


def test_strict_fails_for_a_bad_frame_and_only_then(frames, tmp_path):
    arguments = ("background", frames, "-o", tmp_path / "out", "--method", "mf", "--strict")
    assert run(*arguments).exit_code == 1
    (frames / "d.tif").unlink()
    assert run(*arguments).exit_code == 0
    np.testing.assert_array_equal(read_frame(tmp_path / "out/a.tif"), remove_minimum(counts(1)))


def test_the_same_command_again_does_only_what_is_missing_or_changed(frames, tmp_path, monkeypatch):
    out = tmp_path / "out"
    arguments = ("background", frames, "-o", out, "--method", "poisson")
    run(*arguments)
    written = []
    monkeypatch.setattr("padnet.writers.write_frame", lambda path, *_, **__: written.append(path.name))
    run(*arguments)
    assert written == []
    (out / "b.gfrm").unlink()
    np.save(frames / "c.npy", counts(4))
    run(*arguments)
    assert written == ["b.gfrm", "c.npy"]
    monkeypatch.undo()
    run(*arguments[:-1], "mf")
    np.testing.assert_array_equal(read_frame(out / "a.tif"), remove_minimum(counts(1)))
    run(*arguments)
    np.testing.assert_allclose(read_frame(out / "a.tif"), remove_poisson(counts(1)))


def test_flagged_pixels_become_zero_and_do_not_spread(tmp_path):
    frame = counts(5).astype(np.int32)
    clean = remove_minimum(frame, 9)
    frame[:, 40:43] = -1
    np.save(tmp_path / "gap.npy", frame)
    assert run("background", tmp_path / "gap.npy", "-o", tmp_path / "out", "--method", "mf", "--size", 9).exit_code == 0
    found = read_frame(tmp_path / "out/gap.npy")
    assert (found[:, 40:43] == 0).all() and (found >= 0).all()
    np.testing.assert_array_equal(found[:, :35], clean[:, :35])


def test_results_never_replace_frames_or_each_other(frames, tmp_path):
    result = run("background", frames / "a.tif", "-o", frames, "--strict")
    assert result.exit_code == 1 and "replace the frame" in result.stdout
    np.testing.assert_array_equal(read_frame(frames / "a.tif"), counts(1))
    (tmp_path / "more").mkdir()
    write_frame(tmp_path / "more/a.tif", counts(7))
    result = run("background", frames / "a.tif", tmp_path / "more/a.tif", "-o", tmp_path / "out", "--size", 9)
    assert "1 x Its result would replace that of" in result.stdout
    np.testing.assert_allclose(read_frame(tmp_path / "out/a.tif"), remove_smooth(counts(1), 9))


def test_a_result_never_replaces_another_frame_of_the_run(tmp_path):
    write_frame(tmp_path / "a/x.tif", counts(1))
    write_frame(tmp_path / "b/x.tif", counts(2))
    result = run("background", tmp_path / "a/x.tif", tmp_path / "b/x.tif", "-o", tmp_path / "b", "--strict")
    assert result.exit_code == 1 and "2 without an answer" in result.stdout
    np.testing.assert_array_equal(read_frame(tmp_path / "b/x.tif"), counts(2))


def test_files_that_the_record_does_not_name_are_left_alone(frames, tmp_path):
    out = tmp_path / "out"
    write_frame(out / "a.tif", counts(8))
    assert "background.csv does not name" in run("background", frames, "-o", out, "--method", "mf").stdout
    np.testing.assert_array_equal(read_frame(out / "a.tif"), counts(8))
    (out / "background.csv").write_text("mine\n1\n")
    result = run("background", frames, "-o", out, "--method", "mf")
    assert result.exit_code == 2 and "would be replaced by the record" in result.stderr
    assert (out / "background.csv").read_text() == "mine\n1\n"


def test_a_frame_that_fails_has_no_outdated_result(frames, tmp_path):
    arguments = ("background", frames / "a.tif", "-o", tmp_path / "out", "--method", "mf")
    run(*arguments)
    whole = (frames / "a.tif").read_bytes()
    (frames / "a.tif").write_bytes(whole[:100])
    run(*arguments)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["background.csv"]
    (frames / "a.tif").write_bytes(whole)
    assert run(*arguments, "--strict").exit_code == 0


def test_a_kill_leaves_no_result_of_other_settings_that_passes_for_done(frames, tmp_path):
    """As by SIGKILL: nothing after the loop's first write to the record is there."""
    out, paths = tmp_path / "out", [frames / "a.tif", frames / "b.gfrm", frames / "c.npy"]

    def work_with(settings, of=paths):
        def work(path, output):
            output.write_text(settings)
            if settings == "killed":
                killed.append((out / "record.csv").read_bytes())

        return work_on_frames(of, out, work, record_name="record.csv", settings=settings)

    out.mkdir()
    killed: list[bytes] = []
    work_with("cs")
    work_with("killed", paths[:2])
    (out / "record.csv").write_bytes(killed[0])
    assert (work_with("cs")["status"] == "ok").all()
    assert {path.read_text() for path in out.iterdir() if path.suffix != ".csv"} == {"cs"}


def test_results_of_other_settings_stay_in_the_record(frames, tmp_path):
    run("background", frames, "-o", tmp_path / "out", "--method", "mf")
    run("background", frames / "a.tif", "-o", tmp_path / "out", "--method", "poisson")
    table = pd.read_csv(tmp_path / "out/background.csv", index_col="output")["settings"].str.split().str[0]
    assert table.to_dict() == {"a.tif": "method=poisson", "b.gfrm": "method=mf", "c.npy": "method=mf"}


def test_wrong_arguments_get_one_sentence(frames, tmp_path, refused):
    refused(run("background", frames, "-o", tmp_path / "out", "--method", "best"), "mf, cs, crbg, poisson", "'best'")
    (tmp_path / "nothing").mkdir()
    refused(run("background", tmp_path / "nothing", "-o", tmp_path / "out"), "Expected frames named .tif")
    refused(run("integrate", frames, "--poni", tmp_path / "no.poni", "-o", tmp_path / "out"), "does not exist")


def test_an_interrupted_run_keeps_its_record(frames, tmp_path):
    def work(path, output):
        if path.name == "b.gfrm":
            raise KeyboardInterrupt
        write_frame(output, read_frame(path))

    options = {"record_name": "record.csv", "settings": "none"}
    with pytest.raises(KeyboardInterrupt):
        work_on_frames(sorted(frames.iterdir()), tmp_path / "out", work, **options)
    record = pd.read_csv(tmp_path / "out/record.csv", keep_default_na=False)
    assert record["status"].tolist() == ["ok", "error", "error", "error"]
    assert record["reason"][1:].str.startswith("Not worked on yet").all()
    touched = []
    work_on_frames([frames / "c.npy"], tmp_path / "out", lambda path, _: touched.append(path.name), **options)
    work_on_frames([frames / "a.tif"], tmp_path / "out", lambda path, _: touched.append(path.name), **options)
    assert touched == ["c.npy"]


def test_the_record_is_written_while_frames_are_worked_on(frames, tmp_path, monkeypatch):
    monkeypatch.setattr(frame_batch, "_SECONDS_BETWEEN_RECORDS", -1.0)
    seen = []

    def work(path, output):
        seen.append((pd.read_csv(tmp_path / "out/record.csv")["status"] == "ok").sum())

    work_on_frames(sorted(frames.iterdir()), tmp_path / "out", work, record_name="record.csv", settings="none")
    assert seen == [0, 1, 2, 3]


def test_frames_integrate_to_patterns(frames, tmp_path):
    integrator = AzimuthalIntegrator(0.2, 0.01, 0.02, 0.05, -0.1, 0.0, 1e-3, 1e-3, wavelength=1e-10)
    integrator.save(str(tmp_path / "detector.poni"))
    poni, out = tmp_path / "detector.poni", tmp_path / "out"
    result = run("integrate", frames, "--poni", poni, "-o", out, "--bins", 50, "--strict")
    assert result.exit_code == 1 and "3 ok, 1 without" in result.stdout
    pattern = pd.read_csv(out / "b.csv")
    peer = integrator.integrate1d(counts(2), 50, unit="2th_deg", method=("bbox", "csr", "cython"))
    assert list(pattern) == ["two_theta_deg", "intensity"]
    np.testing.assert_allclose(pattern, np.transpose([peer.radial, peer.intensity]), rtol=1e-5)

    run("integrate", frames, "--poni", poni, "-o", out, "--bins", 50, "--upside-down")
    turned = integrator.integrate1d(counts(2)[::-1].copy(), 50, unit="2th_deg", method=("bbox", "csr", "cython"))
    np.testing.assert_allclose(pd.read_csv(out / "b.csv")["intensity"], turned.intensity, rtol=1e-5)
