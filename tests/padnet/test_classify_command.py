"""``padnet classify`` as a user meets it: frames good and bad, with and without a table, stopped and started again."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import tifffile
from typer.testing import CliRunner

from common import artifacts
from padnet import classification
from padnet.__main__ import app

ELEMENTS = ("Sn", "Zn")


@pytest.fixture
def classify():
    def run(*arguments):
        return CliRunner().invoke(app, ["classify", *map(str, arguments)])

    return run


@pytest.fixture(scope="module")
def weights(trained):
    return trained[1] / "model.keras"


@pytest.fixture
def images(spread, tmp_path):
    """Six good frames, then a small, a truncated, an empty, a constant and a NaN one, and one that no row names."""
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(6):
        tifffile.imwrite(folder / f"{number}.tif", spread.frames[number, 0])
    tifffile.imwrite(folder / "small.tif", spread.frames[0, 0, :100, :100])
    tifffile.imwrite(folder / "empty.tif", np.zeros((128, 128), np.uint16))
    tifffile.imwrite(folder / "nan.tif", np.full((128, 128), np.nan, np.float32))
    (folder / "cut.tif").write_bytes((folder / "0.tif").read_bytes()[:5_000])
    tifffile.imwrite(folder / "unnamed.tif", spread.frames[0, 0])
    return folder


@pytest.fixture
def table(images, spread):
    names = [*(f"{number}.tif" for number in range(6)), "small.tif", "empty.tif", "nan.tif", "cut.tif", "gone.tif"]
    composition = np.vstack([spread.composition[:6], np.tile([0.5, 0.5], (5, 1))])
    frame = pd.DataFrame(composition * 3, columns=ELEMENTS, dtype=object)
    frame.insert(0, "file", names)
    frame.loc[len(frame)] = ["5.tif", "much", 1]
    frame.loc[len(frame)] = ["5.tif", -1, 1]
    frame.to_csv(images / "table.csv", index=False)
    return images / "table.csv"


REASONS = {
    6: "frames of 128 x 128 pixels",
    7: "all are zero",
    8: "NaN",
    9: "cut.tif",
    10: "does not exist",
    11: "numbers for Sn, Zn",
    12: "amounts of 0 or more",
    13: "No row of table.csv names this frame",
}


def test_every_row_has_an_answer_or_a_reason(classify, images, table, weights, trained, spread, tmp_path):
    output = tmp_path / "out.csv"
    result = classify(images, "--model", weights, "--composition", table, "--output", output)
    assert result.exit_code == 0, result.output
    assert "14 rows written" in result.stdout and "6 ok, 8 without an answer" in result.stdout
    answers = pd.read_csv(output, keep_default_na=False)
    assert answers["file"].tolist() == [*pd.read_csv(table)["file"], "unnamed.tif"]
    for row, reason in REASONS.items():
        assert reason in answers["reason"][row] and answers["status"][row] == "error", answers["reason"][row]
    ok = answers[answers["status"] == "ok"]
    assert ok.index.tolist() == list(range(6)) and (ok["reason"] == "").all()
    columns = [f"probability {name}" for name in ("a", "b", "a + b")]
    expected = trained[0].predictor.predict(spread, np.arange(6))
    np.testing.assert_allclose(ok[columns].to_numpy(float), expected, atol=1e-5)
    assert ok["class"].tolist() == [spread.class_names[label] for label in expected.argmax(axis=1)]
    assert classify(images, "--model", weights, "--composition", table, "--output", output, "--strict").exit_code == 1


def test_started_again_it_does_only_what_is_missing(classify, images, table, weights, tmp_path, monkeypatch):
    output = tmp_path / "out.csv"
    arguments = (images, "--model", weights, "--composition", table, "--output", output)
    classify(*arguments)
    whole = pd.read_csv(output)
    done, real = [], classification._answer

    def counted(paths, *rest):
        done.append(paths[0].name)
        if len(done) == 4 and stop:
            raise KeyboardInterrupt
        return real(paths, *rest)

    monkeypatch.setattr(classification, "_answer", counted)
    stop = True
    frame = pd.read_csv(table, dtype=str)
    frame.loc[[0, 1, 2, 3], "Sn"] = "0.1"  # another composition is another question
    frame.to_csv(table, index=False)
    stopped = classify(*arguments)
    assert stopped.exit_code == 2 and "the same command goes on" in stopped.stderr
    kept = pd.read_csv(output)  # 3 new answers, and the 6 of before, which the new run had not reached
    assert kept["file"].tolist() == [f"{number}.tif" for number in (0, 1, 2, 0, 1, 2, 3, 4, 5)]
    done.clear()
    stop = False
    assert classify(*arguments).exit_code == 0
    assert done[0] == "3.tif" and not {"0.tif", "1.tif", "2.tif", "4.tif", "5.tif"} & set(done)
    again = pd.read_csv(output)
    pd.testing.assert_frame_equal(again[4:], whole[4:])
    assert again["file"].equals(whole["file"]) and not again["sha256"][:4].equals(whole["sha256"][:4])


def test_a_picture_of_each_answer(classify, images, table, weights, tmp_path, monkeypatch):
    folder = tmp_path / "pictures"
    arguments = (images, "--model", weights, "--composition", table, "--output", tmp_path / "out.csv")
    assert classify(*arguments).exit_code == 0
    assert classify(*arguments, "--saliency", folder).exit_code == 0  # answered rows get their pictures too
    assert {path.name for path in folder.iterdir()} == {f"{n}.tif.{kind}" for n in range(6) for kind in ("png", "csv")}
    changed = pd.read_csv(table, dtype=str)
    changed.loc[2, "Sn"] = "9"
    changed.to_csv(table, index=False)
    assert classify(*arguments).exit_code == 0  # the answers are there, one picture is of another composition
    monkeypatch.setattr(classification, "write_saliency", lambda path, *_, **__: redrawn.append(path.name))
    redrawn: list[str] = []
    assert classify(*arguments, "--saliency", folder).exit_code == 0
    assert redrawn == ["2.tif.png"]


def test_a_network_of_images_alone_needs_no_table(classify, images, trained, spread, parts, tiny_config, tmp_path):
    from padnet.train import run

    config = replace(tiny_config, inputs=("image",)).with_training(max_epochs=1)
    result = run(spread, *parts[:2], config, progress=False)
    path = artifacts.save(tmp_path / "images.keras", result.predictor.model, result.card)
    assert classify(images, "--model", path, "--output", tmp_path / "out.csv").exit_code == 0
    answers = pd.read_csv(tmp_path / "out.csv")
    assert sorted(answers["file"]) == sorted(path.name for path in images.glob("*.tif")) and len(answers) == 11
    assert (answers["status"] == "ok").sum() == 7
    assert classify(images / "3.tif", "--model", path, "--output", tmp_path / "one.csv").exit_code == 0
    assert pd.read_csv(tmp_path / "one.csv")["status"].tolist() == ["ok"]


def test_what_cannot_be_classified_is_one_line(classify, images, table, weights, tmp_path, refused):
    output = ("--output", tmp_path / "out.csv")
    refused(classify(images, "--model", weights, *output), "--composition CSV", "file, Sn, Zn")
    refused(classify(images, "--model", tmp_path / "none.keras", *output), "none.keras")
    refused(classify(tmp_path / "nowhere", "--model", weights, *output), "nowhere")
    refused(classify(images, "--model", weights, "--output", tmp_path), "CSV file to write")
    before = table.read_bytes()
    refused(classify(images, "--model", weights, "--composition", table, "--output", table), "another file to write")
    assert table.read_bytes() == before
    pd.read_csv(table).drop(columns="Zn").to_csv(table, index=False)
    refused(classify(images, "--model", weights, "--composition", table, *output), "no column 'Zn'")


def test_one_frame_and_a_table_are_the_rows_of_that_frame(classify, images, table, weights, tmp_path):
    arguments = ("--model", weights, "--composition", table, "--output", tmp_path / "one.csv")
    assert classify(images / "5.tif", *arguments).exit_code == 0
    answers = pd.read_csv(tmp_path / "one.csv", keep_default_na=False)
    assert answers["file"].tolist() == ["5.tif"] * 3 and answers["status"].tolist() == ["ok", "error", "error"]
    classify(images / "unnamed.tif", *arguments)
    assert "No row" in pd.read_csv(tmp_path / "one.csv")["reason"].item()


def test_frames_in_folders_that_the_table_names(classify, images, table, weights, tmp_path, refused):
    frame = pd.read_csv(table).head(6)
    frame["file_size"] = "large"  # no frame
    frame["file"] = "images/" + frame["file"]
    frame.to_csv(tmp_path / "up.csv", index=False)
    options = ("--model", weights, "--composition", tmp_path / "up.csv", "--output", tmp_path / "out.csv")
    assert classify(tmp_path, *options, "--strict").exit_code == 0
    assert pd.read_csv(tmp_path / "out.csv")["file"].tolist() == frame["file"].tolist()
    frame.head(0).to_csv(tmp_path / "up.csv", index=False)
    refused(classify(tmp_path, *options), "received none of either")


def test_elements_that_the_network_does_not_know_are_refused(classify, images, table, weights, tmp_path, refused):
    pd.read_csv(table).assign(O=3).to_csv(table, index=False)
    result = classify(images, "--model", weights, "--composition", table, "--output", tmp_path / "out.csv")
    refused(result, "amounts of Sn, Zn", "has O too")


def test_a_damaged_output_is_refused(classify, images, table, weights, tmp_path, refused):
    arguments = (images, "--model", weights, "--composition", table, "--output", tmp_path / "out.csv")
    classify(*arguments)
    answers = pd.read_csv(tmp_path / "out.csv")
    answers.loc[1, "probability b"] = np.nan
    answers.to_csv(tmp_path / "out.csv", index=False)
    refused(classify(*arguments), "Expected probabilities in every row", "Delete the file")


def test_help_says_that_no_network_is_shipped(classify):
    assert "None is shipped" in " ".join(classify("--help").stdout.replace("│", " ").split())
