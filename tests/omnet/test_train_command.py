"""``omnet train`` and ``omnet fine-tune`` as a user meets them."""

import shutil

import pytest
from typer.testing import CliRunner

from common import artifacts
from omnet import master_pattern
from omnet.__main__ import app
from omnet.predict import load_pretrained

TINY = ("--hidden-units", "16,8", "--orientations", 1_024, "--epochs", 1, "--shape", "20,20")
SCAN = master_pattern.BUNDLED.parent / "nickel_ebsd_small_patterns.h5"


@pytest.fixture
def omnet():
    def run(*arguments):
        return CliRunner().invoke(app, [*map(str, arguments)])

    return run


@pytest.fixture(scope="module")
def weights(trained):
    return trained[1] / "model.keras"


def test_training_saves_and_exports_a_model_and_shows_its_errors(omnet, tmp_path, refused):
    exported = tmp_path / "exported" / "mine.keras"
    geometry = ("--pc", "0.5,0.3,0.6", "--sample-tilt", 65, "--detector-tilt", 5)
    first = (*TINY, *geometry, "--head", "euler", "--loss", "mae", "--output", tmp_path / "run")
    result = omnet("train", *first, "--export", exported)
    assert result.exit_code == 0, result.output
    assert "head euler, loss mae: trained on 1,024 orientations" in result.stdout
    assert "median" in result.stdout and str(exported) in result.stdout
    card = artifacts.load(exported).card
    assert card["architecture"] == "omnet_small 16-8" and card["training"]["max_epochs"] == 1
    detector = load_pretrained(exported).detector
    assert (detector.shape, detector.pc) == ((20, 20), (0.5, 0.3, 0.6))
    assert (detector.sample_tilt_deg, detector.tilt_deg) == (65, 5)
    assert f"{card['metrics']['test']['mean_deg']:.3f}" in result.stdout
    refused(omnet("train", *first, "--seed", 1), "other settings, seed or data")


def test_fine_tuning_to_a_scan_is_scored_on_it_before_and_after(omnet, weights, tmp_path):
    small = ("--weights", weights, "--orientations", 512, "--output", tmp_path / "run")
    result = omnet("fine-tune", "--scan", SCAN, "--scan-name", "Scan 1", *small)
    assert result.exit_code == 0, result.output
    for name in ("simulated, before", "simulated, after", "scan, before", "scan, after"):
        assert name in result.stdout
    tuned = load_pretrained(tmp_path / "run" / "model.keras")
    assert tuned.detector.shape == (20, 20) and tuned.card["recipe"] == "fine_tune"
    assert tuned.card["started_from"]["recipe"] == "test"
    assert tuned.detector.pc != load_pretrained(weights).detector.pc


def test_fine_tuning_to_a_geometry_without_a_scan(omnet, weights, tmp_path):
    small = ("--weights", weights, "--orientations", 256, "--output", tmp_path / "run")
    result = omnet("fine-tune", "--pc", "0.5,0.3,0.6", *small)
    assert result.exit_code == 0, result.output
    assert "simulated, after" in result.stdout and "scan, after" not in result.stdout
    assert load_pretrained(tmp_path / "run" / "model.keras").detector.pc == (0.5, 0.3, 0.6)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--recipe", "quick"), ("paper", "fast", "'quick'")),
        (("--head", "matrix"), ("harmonics", "'matrix'")),
        (("--head", "quaternion", "--loss", "rmse"), ("mae+mde", "'rmse'")),
        (("--loss", "mde"), ("mse", "'mde'")),
        (("--recipe", "paper", "--head", "harmonics"), ("--hidden-units",)),
        (("--hidden-units", "64,-2"), ("--hidden-units", "64,-2")),
        (("--shape", "60x60"), ("--shape", "60x60")),
        (("--shape", "60"), ("(rows, columns)",)),
        (("--pc", "0.5,0.5"), ("--pc", "0.5,0.5")),
        (("--pc", "0.5,0.5,-1"), ("z > 0",)),
        (("--sample-tilt", "700"), ("sample_tilt_deg", "700")),
        (("--orientations", "5", "--grid-steps", "5"), ("one of the two",)),
        (("--master", "none.h5"), ("none.h5",)),
        (("--export", "mine.h5"), ("NAME.keras",)),
        (("--protocol", "hopeful"), ("'hopeful'",)),
    ],
    ids=lambda value: "=".join(value[-2:]) if value[0].startswith("--") else "",
)
def test_what_cannot_be_trained_is_one_line(omnet, tmp_path, arguments, words, refused):
    refused(omnet("train", "--output", tmp_path / "run", "--hidden-units", 8, *arguments), *words)
    assert not (tmp_path / "run" / "model.keras").exists()


def test_what_cannot_be_fine_tuned_is_one_line(omnet, weights, tmp_path, refused):
    run = ("fine-tune", "--output", tmp_path / "run", "--weights", weights)
    refused(omnet(*run), "--scan FILE")
    refused(omnet(*run, "--scan", tmp_path / "none.h5"), "none.h5")
    refused(omnet(*run, "--scan", shutil.copy(SCAN, tmp_path / "scan.h5"), "--scan-name", "Scan 9"), "Scan 9")
    refused(
        omnet("fine-tune", "--output", tmp_path / "run", "--pc", "0.5,0.3,0.6", "--weights", "no.keras"), "no.keras"
    )
