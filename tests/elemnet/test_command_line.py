"""``elemnet predict`` and ``elemnet train`` as a user meets them."""

import pandas as pd
import pytest
from typer.testing import CliRunner

from common import artifacts
from elemnet.__main__ import app


@pytest.fixture
def elemnet(tiny_model):
    def run(*arguments, model=True):
        more = ["--model", str(tiny_model)] if model and arguments[0] == "predict" else []
        return CliRunner().invoke(app, [*map(str, arguments), *more])

    return run


# -------------------------------------------------------------------------------------------------------- predict


def test_formulas_are_answered_in_a_table(elemnet):
    result = elemnet("predict", "NaCl", "Xx2O3", "K4[Fe(CN)6]")
    assert result.exit_code == 0
    assert "NaCl" in result.stdout and "not an element" in result.stdout and "K4[Fe(CN)6]" in result.stdout


def test_strict_tells_by_the_exit_code(elemnet):
    assert elemnet("predict", "NaCl", "Xx").exit_code == 0
    assert elemnet("predict", "NaCl", "Xx", "--strict").exit_code == 1
    assert elemnet("predict", "NaCl", "MgO", "--strict").exit_code == 0


def test_a_file_is_answered_in_a_file(elemnet, tmp_path):
    (tmp_path / "in.csv").write_text("id,formula\n1,NaN\n2,\n3,Xx\n4,Xx\n")
    files = ("--input", tmp_path / "in.csv", "--output", tmp_path / "out.csv")
    result = elemnet("predict", *files)
    assert result.exit_code == 0 and "4 rows" in result.stdout and "3 without an answer" in result.stdout
    table = pd.read_csv(tmp_path / "out.csv", keep_default_na=False)
    assert table["formula"].tolist() == ["NaN", "", "Xx", "Xx"]
    assert table["status"].tolist() == ["ok", "error", "error", "error"]
    assert elemnet("predict", *files, "--strict").exit_code == 1


def test_monte_carlo_dropout_is_shown(elemnet):
    result = elemnet("predict", "NaCl", "--mc-samples", 3)
    assert result.exit_code == 0 and "sd" in result.stdout


def test_neither_or_both_kinds_of_input(elemnet, tmp_path, refused):
    refused(elemnet("predict"), "--input")
    files = ("--input", tmp_path / "in.csv", "--output", tmp_path / "out.csv")
    refused(elemnet("predict", "NaCl", *files), "one of the two")
    refused(elemnet("predict", "--input", tmp_path / "in.csv"), "--output")


def test_what_cannot_be_predicted_is_one_line(elemnet, tmp_path, tiny_model_without_dropout, refused):
    (tmp_path / "in.csv").write_text("composition\nNaCl\n")
    files = ("--input", tmp_path / "in.csv", "--output", tmp_path / "out.csv")
    refused(elemnet("predict", *files), "no column 'formula'", "composition")
    assert not (tmp_path / "out.csv").exists()
    refused(elemnet("predict", "--input", tmp_path / "none.csv", *files[2:]), "does not exist")
    refused(elemnet("predict", "NaCl", "--model", tmp_path / "no.keras", model=False), "does not exist")
    plain = ("--model", tiny_model_without_dropout, "--mc-samples", 3)
    refused(elemnet("predict", "NaCl", *plain, model=False), "no dropout")
    (tmp_path / "bad.keras").write_text("x")
    (tmp_path / "bad.json").write_text("{}")
    refused(elemnet("predict", "NaCl", "--model", tmp_path / "bad.keras", model=False), "lacks name")


@pytest.mark.parametrize("text", ["NaCl[/b]", "Na[red]Cl", "[/]"])
def test_brackets_of_users_are_not_read_as_markup(elemnet, tmp_path, text, refused):
    result = elemnet("predict", text)
    assert result.exit_code == 0 and text in result.stdout
    files = ("--input", f"{tmp_path}/{text}", "--output", tmp_path / "out.csv")
    refused(elemnet("predict", *files), text)


# ---------------------------------------------------------------------------------------------------------- train

TINY = ("--data", "flla", "--architecture", "16x1D-8x1-1", "--epochs", 2, "--max-train-rows", 400)


def test_training_saves_and_exports_a_model_that_predicts(elemnet, tmp_path, refused):
    exported = tmp_path / "exported" / "mine.keras"
    result = elemnet("train", *TINY, "--output", tmp_path / "run", "--export", exported)
    assert result.exit_code == 0, result.output
    assert "test MAE" in result.stdout and "400 training rows" in result.stdout
    assert artifacts.load(exported).card["training"]["max_epochs"] == 2
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {"checkpoint.npz", "history.csv", "split.json", "model.keras", "model.json"}
    answer = elemnet("predict", "NaCl", "--strict", "--model", exported, model=False)
    assert answer.exit_code == 0
    again = elemnet("train", *TINY, "--output", tmp_path / "run")  # had finished: comes back at once
    assert again.exit_code == 0 and again.stdout == result.stdout
    other = elemnet("train", *TINY, "--output", tmp_path / "run", "--seed", 1)
    refused(other, "other settings, seed or data")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--recipe", "quick"), ("paper", "fast", "'quick'")),
        (("--architecture", "16y2-1"), ("'16y2'", "WIDTH[B][A][R]xREPEAT[D][R]")),
        (("--architecture", "8x1D-8x1D-8x1D-8x1D-8x1D-1", "--data", "flla"), ("5 dropout groups",)),
        (("--data", "no/such/file.csv"), ("no/such/file.csv",)),
        (("--data", "nonsense"), ("nonsense",)),
        (("--protocol", "hopeful"), ("'hopeful'",)),
        (("--data", "oqmd_published_elemnet"), ("MATERIALS_DL_MIRROR",)),
    ],
    ids=lambda value: value[-1] if value[0].startswith("--") else "",
)
def test_what_cannot_be_trained_is_one_line(elemnet, tmp_path, arguments, words, refused):
    refused(elemnet("train", "--output", tmp_path / "run", *arguments), *words)
    assert not (tmp_path / "run" / "model.keras").exists()


def test_a_table_of_the_user_that_lacks_a_column(elemnet, tmp_path, refused):
    (tmp_path / "my.csv").write_text("formula,energy\nNaCl,1\n")
    result = elemnet("train", "--output", tmp_path / "run", "--data", tmp_path / "my.csv")
    refused(result, "formation_energy_ev_per_atom", "energy")
