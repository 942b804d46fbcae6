"""``padnet train`` as a user meets it."""

import numpy as np
import pandas as pd
import pytest
import tifffile
from typer.testing import CliRunner

from padnet.__main__ import app
from padnet.predict import load


@pytest.fixture
def padnet():
    def run(*arguments):
        return CliRunner().invoke(app, [*map(str, arguments)])

    return run


@pytest.fixture(scope="module")
def table(spread, tmp_path_factory):
    """The spread as a folder of TIF with a CSV."""
    folder = tmp_path_factory.mktemp("wafer")
    rows = []
    for number, (frames, composition, place, label) in enumerate(
        zip(spread.frames, spread.composition, spread.position_mm, spread.labels, strict=True)
    ):
        tifffile.imwrite(folder / f"{number}.tif", frames[0])
        rows.append([f"{number}.tif", *place, spread.class_names[label], *composition])
    pd.DataFrame(rows, columns=["file", "x", "y", "label", "Sn", "Zn"]).to_csv(folder / "data.csv", index=False)
    return folder / "data.csv"


def test_training_saves_a_model_and_says_how_good_it_is(padnet, table, tmp_path, refused):
    arguments = ("train", table, "--output", tmp_path / "run", "--image-px", 128, "--epochs", 30, "--folds", 4)
    result = padnet(*arguments)
    assert result.exit_code == 0, result.output
    assert "36 samples of 3 phase regions" in result.stdout and "accuracy on 9 samples held out:" in result.stdout
    accuracy = float(result.stdout.split("held out:")[1].split()[0])
    assert accuracy >= 0.75 and "protocol paper" not in result.stdout
    predictor = load(tmp_path / "run" / "model.keras")
    assert predictor.class_names == ("a", "a + b", "b") and predictor.components == ("Sn", "Zn")
    assert predictor.card["data"]["origin"] == "measured" and predictor.config.recipe == "robust"
    assert predictor.frame_shape == (128, 128)
    refused(padnet(*arguments, "--seed", 1), "other settings, seed or data")


def test_the_paper_protocol_is_labelled_and_small_classes_are_named(padnet, table, tmp_path):
    frame = pd.read_csv(table)
    frame.loc[np.flatnonzero(frame["label"] == "b")[3:], "label"] = "a"
    frame.to_csv(table.parent / "few.csv", index=False)
    short = ("--epochs", 1, "--image-px", 128, "--inputs", "composition,position", "--output", tmp_path / "run")
    result = padnet("train", table.parent / "few.csv", *short, "--recipe", "paper", "--protocol", "paper")
    assert result.exit_code == 0, result.output
    assert "these samples also chose the weights" in result.stdout
    assert "Class b has 3 samples, fewer than the 10 folds" in result.stderr
    assert load(tmp_path / "run" / "model.keras").config.protocol == "paper"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--recipe", "quick"), ("paper, released, robust", "'quick'")),
        (("--inputs", "image,colour"), ("one or more inputs", "colour")),
        (("--background", "none"), ("raw, mf", "'none'")),
        (("--image-px", "100"), ("at least 128",)),
        (("--image-px", "144"), ("144", "squares")),
        (("--trained-filters",), ("fixed filters",)),
        (("--protocol", "hopeful"), ("'hopeful'",)),
        (("--folds", "99"), ("folds", "99")),
    ],
    ids=lambda value: "=".join(value[-2:]) if value[0].startswith("--") else "",
)
def test_what_cannot_be_trained_is_one_line(padnet, table, tmp_path, arguments, words, refused):
    result = padnet("train", table, "--output", tmp_path / "run", "--image-px", 128, *arguments)
    result_lines = [line for line in result.stderr.splitlines() if not line.startswith("note:")]
    assert len(result_lines) == 1 or "Class" in result.stderr
    assert result.exit_code == 2 and all(word in result.stderr for word in words), result.output
    assert not (tmp_path / "run" / "model.keras").exists()


def test_a_network_of_binned_frames_is_for_frames_as_they_are_on_disk(padnet, table, spread, tmp_path):
    large = tmp_path / "large"
    large.mkdir()
    for number, frames in enumerate(spread.frames):
        tifffile.imwrite(large / f"{number}.tif", frames[0].repeat(2, axis=0).repeat(2, axis=1))
    (large / "data.csv").write_text(table.read_text())
    short = ("--epochs", 1, "--image-px", 128, "--inputs", "image", "--output", tmp_path / "run")
    assert padnet("train", large / "data.csv", *short).exit_code == 0
    for folder, status in ((large, "ok"), (table.parent, "error")):
        model = ("--model", tmp_path / "run" / "model.keras")
        padnet("classify", folder / "0.tif", *model, "--output", tmp_path / f"{status}.csv")
        assert pd.read_csv(tmp_path / f"{status}.csv")["status"].tolist() == [status]
    assert "256 x 256 pixels" in pd.read_csv(tmp_path / "error.csv")["reason"][0]


def test_a_table_that_names_a_missing_file_is_one_line(padnet, table, tmp_path, refused):
    broken = pd.read_csv(table)
    broken.loc[3, "file"] = "gone.tif"
    broken.to_csv(table.parent / "broken.csv", index=False)
    short = ("--output", tmp_path / "run", "--image-px", 128)
    refused(padnet("train", table.parent / "broken.csv", *short), "line 5", "gone.tif")
    refused(padnet("train", tmp_path / "none.csv", "--output", tmp_path / "run"), "none.csv")
