"""The leaderboard's task: posted predictions, the score beside them, the file to submit; most of it on a tiny task."""

import dataclasses
import hashlib
import io
import json
import os
import zipfile

import numpy as np
import pandas as pd
import pytest

from common import datasets
from common.datasets import DATASETS, CorruptDataError, DataUnavailableError
from common.experiment_tables import LEADERBOARD_SPLIT
from common.fetch import DataFile
from transfer import leaderboard
from transfer.leaderboard import CSV_NAME, ZIP_NAME, posted_predictions, score, write_submission

MIRROR = os.environ.get("MATERIALS_DL_MIRROR")  # before conftest.py takes it away
FORMULAS = ["Cu", "NaCl", "MgO", "ZnS", "TiO2", "Fe2O3"]
ENTHALPIES = [0.0, -2.1, -3.1, -1.0, -3.2, -1.7]
TEST_IDS = ["4", "1", "5", "0"]


def zipped(name: str, text: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(name, text)
    return content.getvalue()


def posted_csv(errors, *, ids=TEST_IDS, with_target=True, with_row_number=False) -> bytes:
    table = pd.DataFrame({"id": ids, "target": [ENTHALPIES[int(i)] for i in ids]})
    table["prediction"] = table["target"] + errors
    table = table if with_target else table.drop(columns="target")
    return zipped(CSV_NAME, table.to_csv(index=with_row_number))


@pytest.fixture
def task(monkeypatch, tmp_path):
    """A task of six rows with two posted models, in a mirror; returns the function that posts others."""
    monkeypatch.setenv("MATERIALS_DL_MIRROR", str(tmp_path))

    def put(path: str, content: bytes) -> DataFile:
        (tmp_path / path).write_bytes(content)
        return DataFile(path, sha256=hashlib.sha256(content).hexdigest())

    parts = {
        "train": {name: ENTHALPIES[int(name)] for name in ("2", "3")},
        "test": {name: ENTHALPIES[int(name)] for name in TEST_IDS},
    }
    lines = "".join(f"{formula} {value}\n" for formula, value in zip(FORMULAS, ENTHALPIES, strict=True))
    files = (put("ssub.dat", lines.encode()), put("split.zip", zipped(LEADERBOARD_SPLIT, json.dumps(parts))))
    data = dataclasses.replace(DATASETS["ssub_leaderboard"], files=files)
    monkeypatch.setitem(datasets.DATASETS, "ssub_leaderboard", data)

    def post(**models: bytes) -> None:
        posted = {name: put(f"{name}.zip", content) for name, content in models.items()}
        monkeypatch.setattr(leaderboard, "POSTED", posted)

    post(
        Good=posted_csv([0.1, -0.1, 0.1, 0.1], with_row_number=True),
        Poor=posted_csv([0.4, -0.2, 0.5, 0.5], ids=TEST_IDS[::-1], with_target=False),
    )
    return post


def ours(error: float) -> dict[str, float]:
    return {name: ENTHALPIES[int(name)] + error for name in TEST_IDS}


# --------------------------------------------------------------------------------------------------------- posted


def test_posted_predictions_in_whatever_columns(task):
    table = posted_predictions()
    assert table.index.name == "id" and table.index.tolist() == TEST_IDS and table.columns.tolist() == ["Good", "Poor"]
    assert table.dtypes.unique().tolist() == [np.float64]
    assert table.loc["1"].tolist() == pytest.approx([-2.2, -1.6])  # aligned by id, not by place


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (zipped(CSV_NAME, "id,guess\n1,2\n"), "Expected columns id and prediction .*none named prediction"),
        (zipped("other.csv", "id,prediction\n1,2\n"), "Expected the file AI-SinglePropertyPrediction"),
        (posted_csv([0.1], ids=["4"]), "the posted predictions of Bad, received 3 missing"),
    ],
)
def test_posted_file_of_another_form_is_one_sentence(task, content, message):
    task(Good=posted_csv([0.1, -0.1, 0.1, 0.1]), Bad=content)
    with pytest.raises(ValueError, match=message):
        posted_predictions()


def test_posted_file_with_a_wrong_hash_is_not_read(task, tmp_path):
    (tmp_path / "Poor.zip").write_bytes(posted_csv([0, 0, 0, 0]))
    with pytest.raises(CorruptDataError, match="Poor.zip"):
        score(ours(0))


def test_without_files_the_remedy_is_said():
    with pytest.raises(DataUnavailableError, match="experiment/.*MATERIALS_DL_MIRROR"):
        posted_predictions()


# ---------------------------------------------------------------------------------------------------------- score


@pytest.mark.parametrize("kind", [dict, pd.Series])
def test_score_beside_posted_models(task, kind):
    table = score(kind(ours(0.2)))
    assert table.columns.tolist() == ["model", "mae_ev_per_atom", "interval_low", "interval_high"]
    assert table["model"].tolist() == ["Good", "ours", "Poor"]
    assert table["mae_ev_per_atom"].tolist() == pytest.approx([0.1, 0.2, 0.4])
    assert table[["interval_low", "interval_high"]].iloc[1].tolist() == pytest.approx([0.2, 0.2])  # all errors alike
    poor = table.iloc[2]
    assert 0.2 <= poor["interval_low"] < poor["mae_ev_per_atom"] < poor["interval_high"] <= 0.5


def test_whole_numbers_will_do_as_ids(task):
    by_number = {int(name): value for name, value in reversed(ours(0.2).items())}  # nor does their order matter
    assert score(by_number, "mine").equals(score(ours(0.2), "mine"))


@pytest.mark.parametrize(
    ("predictions", "message"),
    [
        ({}, "Expected each of the 4 ids of the test rows once in the predictions, received 4 missing"),
        ({"4": 1.0, "1": 1.0, "5": 1.0}, r"received 1 missing \(such as 0\)"),
        (ours(0) | {"2": -3.1}, r"received 1 unknown \(such as 2\)"),
        (pd.Series([*ours(0).values(), 1.0], index=[*TEST_IDS, "5"]), r"received 1 given twice \(such as 5\)"),
        (ours(0) | {"5": np.nan}, "Expected finite predictions, received nan for id 5"),
        (ours(0) | {"1": -np.inf}, "Expected finite predictions, received -inf for id 1"),
    ],
)
def test_predictions_that_cannot_be_scored_are_one_sentence(task, predictions, message):
    with pytest.raises(ValueError, match=message) as caught:
        score(predictions)
    assert "\n" not in str(caught.value)


def test_name_of_a_posted_model_is_refused(task):
    with pytest.raises(ValueError, match="received that of a posted model, 'Good'"):
        score(ours(0), "Good")


# ----------------------------------------------------------------------------------------------------- submission


def test_submission_has_the_leaderboards_form(tmp_path):
    ids, targets, predictions = ["12", "3"], [-1.5, 0.0], np.array([-1.25, 0.1], np.float32)
    path = write_submission(tmp_path / "new" / "ours", ids, targets, predictions)
    assert path == tmp_path / "new" / "ours" / ZIP_NAME
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == [CSV_NAME] and archive.testzip() is None
        lines = archive.read(CSV_NAME).decode().splitlines()
    assert lines[:2] == ["id,target,prediction", "12,-1.5,-1.25"]
    table = pd.read_csv(path)  # how the leaderboard reads it
    assert table.columns.tolist() == ["id", "target", "prediction"]
    assert table["prediction"].to_numpy(np.float32).tolist() == predictions.tolist()


def test_submission_is_the_same_to_the_byte(tmp_path):
    rows = (["12", "3"], [-1.5, 0.0], [-1.25, 0.1])
    first = write_submission(tmp_path / "a", *rows)
    assert write_submission(tmp_path / "b" / ZIP_NAME, *rows).read_bytes() == first.read_bytes()
    with zipfile.ZipFile(first) as archive:
        assert archive.infolist()[0].date_time == (1980, 1, 1, 0, 0, 0)  # the earliest that zip can say


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ((["1", "1"], [0, 0], [0, 0]), "Expected each id once, received 1 twice"),
        ((["1", "2"], [0, 0], [0, np.nan]), "Expected a finite prediction for each of the 2 ids.*1 not finite"),
        ((["1", "2"], [0, 0], [0]), r"received shape \(1,\)"),
        ((["1", "2"], [0, np.inf], [0, 0]), "Expected a finite target"),
    ],
)
def test_rows_that_cannot_be_submitted_write_nothing(tmp_path, rows, message):
    with pytest.raises(ValueError, match=message):
        write_submission(tmp_path, *rows)
    assert list(tmp_path.iterdir()) == []


def test_another_file_name_is_refused(tmp_path):
    with pytest.raises(
        ValueError, match="Expected a folder, or a file named AI-SinglePropertyPrediction.*received ours.csv.zip"
    ):
        write_submission(tmp_path / "ours.csv.zip", ["1"], [0], [0])


# ------------------------------------------------------------------------------------------------------ real files

# MAE on the leaderboard's own page, docs/AI/SinglePropertyPrediction/ssub_formula_energy.md at 4bf6968a
ON_THE_LEADERBOARD = {
    "ElemNet2_TL": 0.0924,
    "BRNet": 0.1143,
    "matminer_xgboost": 0.1244,
    "BNet": 0.1286,
    "IRNet_EF": 0.1319,
    "ElemNet2_SC": 0.2064,
    "ElemNet1": 0.2068,
}


@pytest.mark.skipif(MIRROR is None, reason="needs the public files in a mirror folder")
def test_posted_scores_are_those_of_the_leaderboard(monkeypatch, tmp_path):
    monkeypatch.setenv("MATERIALS_DL_MIRROR", MIRROR)
    posted = posted_predictions()
    assert posted.shape == (345, 7) and np.isfinite(posted).all(axis=None)
    frame = datasets.load("ssub_leaderboard", allow_stand_in=False).frame
    frame = frame[frame["split"] == "test"]
    median = posted.median(axis=1)
    table = score(median).set_index("model")
    assert table["mae_ev_per_atom"].drop("ours").round(4).to_dict() == ON_THE_LEADERBOARD
    target = frame["formation_energy_ev_per_atom"]
    path = write_submission(tmp_path, frame["id"], target, median.reindex(frame["id"]))
    submitted = pd.read_csv(path)
    mae = (submitted["target"] - submitted["prediction"]).abs().mean()
    assert mae == pytest.approx(table["mae_ev_per_atom"]["ours"])
