"""``irnet predict``, ``describe``, ``train`` and ``fine-tune`` as a user meets them."""

import re
import subprocess
import sys
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from common import artifacts
from irnet.__main__ import app

ENERGY = "formation_energy_ev_per_atom"


def irnet(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)))


# -------------------------------------------------------------------------------------------------------- predict


def test_a_folder_is_answered_in_a_file(structure_model, folder_with_bad_files, tmp_path):
    command = ("predict", folder_with_bad_files, "--model", structure_model, "--output", tmp_path / "out.csv")
    result = irnet(*command, "--descriptors", tmp_path / "table.csv")
    assert result.exit_code == 0, result.output
    assert "7 rows" in result.stdout and "2 ok, 5 without an answer" in result.stdout
    table = pd.read_csv(tmp_path / "out.csv", keep_default_na=False)
    assert list(table) == ["name", "formula", ENERGY, "status", "reason"] and len(table) == 7
    again = irnet(*command, "--descriptors", tmp_path / "table.csv", "--strict")
    assert again.exit_code == 1 and "3 structures taken from" in again.stdout
    of_table = irnet("predict", tmp_path / "table.csv", "--model", structure_model, "--output", tmp_path / "2.csv")
    assert of_table.exit_code == 0, of_table.output
    assert (tmp_path / "2.csv").read_bytes() == (tmp_path / "out.csv").read_bytes()


def test_formulas_are_answered_in_a_table_and_in_a_file(composition_model, tmp_path):
    result = irnet("predict", "NaCl", "Xx2O3", "K4[Fe(CN)6]", "--model", composition_model)
    assert result.exit_code == 0, result.output
    assert "NaCl" in result.stdout and "not an element" in result.stdout and "K4[Fe(CN)6]" in result.stdout
    out = ("--model", composition_model, "--output", tmp_path / "out.csv", "--strict")
    assert irnet("predict", "NaCl", "Fe2O3", *out).exit_code == 0
    assert pd.read_csv(tmp_path / "out.csv")["formula"].tolist() == ["NaCl", "Fe2O3"]
    assert irnet("predict", "NaCl", "Xx", *out).exit_code == 1


def test_classes_are_shown_as_whole_numbers(classifier):
    result = irnet("predict", "NaCl", "--model", classifier)
    assert result.exit_code == 0 and "probability_1" in result.stdout
    assert any(f"│{cell:>9} │" in result.stdout for cell in (" 0", " 1"))


@pytest.mark.parametrize("name", ["empty", "unreadable", "disordered alone"])
def test_a_folder_with_nothing_readable_is_one_line(name, structure_model, folder_with_bad_files, tmp_path, refused):
    folder = tmp_path / "folder"
    folder.mkdir()
    if name == "unreadable":
        (folder / "x.cif").write_text("nothing")
    elif name == "disordered alone":
        (folder / "x.cif").write_text((folder_with_bad_files / "disordered.cif").read_text())
    result = irnet("predict", folder, "--model", structure_model, "--output", tmp_path / "out.csv")
    refused(result, str(folder))
    refused(irnet("describe", folder, "--output", tmp_path / "table.csv"), str(folder))
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_what_cannot_be_predicted_is_one_line(
    structure_model, composition_model, folder_of_crystals, tmp_path, refused
):
    out = ("--output", tmp_path / "out.csv")
    refused(irnet("predict", tmp_path / "none", "--model", structure_model, *out), "does not exist")
    refused(irnet("predict", "structures/", "--model", composition_model), "structures/ does not exist")
    refused(irnet("predict", "a.cif", "b.cif", "--model", structure_model, *out), "a.cif does not exist")
    refused(irnet("predict", folder_of_crystals, "--model", structure_model), "--output")
    refused(irnet("predict", "NaCl", "--model", structure_model), "attributes of structures")
    refused(irnet("predict", "NaCl", "--model", "irnet_48"), "irnet train --variant irnet_48", "--install")
    refused(irnet("predict", "NaCl", "--model", "resnet"), "'resnet'")
    refused(irnet("predict", "NaCl", "--model", composition_model, "--descriptors", tmp_path / "d.csv"), "structures")
    (tmp_path / "d.csv").write_text("a,b\n1,2\n")
    mine = irnet("predict", folder_of_crystals, "--model", structure_model, *out, "--descriptors", tmp_path / "d.csv")
    refused(mine, "not a descriptor table")
    assert (tmp_path / "d.csv").read_text() == "a,b\n1,2\n" and not (tmp_path / "out.csv").exists()


def test_brackets_of_users_are_not_read_as_markup(composition_model, refused):
    result = irnet("predict", "Na[red]Cl", "--model", composition_model)
    assert result.exit_code == 0 and "Na[red]Cl" in result.stdout
    refused(irnet("predict", "[/]/x.cif", "--model", composition_model), "[/]/x.cif")


def test_help_does_not_load_a_framework():
    code = (
        "import sys; from typer.testing import CliRunner; from irnet.__main__ import app; "
        "result = CliRunner().invoke(app, ['predict', '--help']); assert 'irnet predict structures/' in result.stdout; "
        "assert not {'keras', 'tensorflow', 'pymatgen', 'pandas'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]


# ------------------------------------------------------------------------------------------------------- describe


def test_descriptors_are_kept_and_used_again(folder_with_bad_files, tmp_path):
    command = ("describe", folder_with_bad_files, "--output", tmp_path / "table.csv")
    result = irnet(*command)
    assert result.exit_code == 0 and "3 ok, 4 without an answer" in result.stdout
    table = pd.read_csv(tmp_path / "table.csv", keep_default_na=False)
    assert table.shape == (7, 271 + 5)
    again = irnet(*command, "--strict")
    assert again.exit_code == 1 and "3 structures were there already" in again.stdout


# ---------------------------------------------------------------------------------------------------------- train

TINY = ("--data", "flla", "--variant", "16BARx2-8BARx1-1", "--epochs", 2, "--max-train-rows", 400)


def test_training_saves_and_exports_a_model_that_predicts(tmp_path, refused):
    exported = tmp_path / "exported" / "mine.keras"
    result = irnet("train", *TINY, "--output", tmp_path / "run", "--export", exported)
    assert result.exit_code == 0, result.output
    assert "400 training rows" in result.stdout and f"{ENERGY}: test MAE" in result.stdout
    card = artifacts.load(exported).card
    assert card["training"]["max_epochs"] == 2 and card["recipe"] == "small" and card["inputs"] == "C"
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {"checkpoint.npz", "history.csv", "split.json", "model.keras", "model.json"}
    assert irnet("predict", "NaCl", "--strict", "--model", exported).exit_code == 0
    refused(irnet("train", *TINY, "--output", tmp_path / "run", "--seed", 1), "other settings, seed or data")


def test_a_table_of_ones_own_with_other_targets_is_learned(tmp_path):
    numbers = np.arange(1, 61)
    table = pd.DataFrame(
        {
            "Formula": [f"NaCl{number}" for number in numbers],
            "band_gap_ev": 9 / numbers,
            "volume_per_atom_a3": 20 + numbers,
            "split": np.array(["train", "train", "train", "val", "test"])[numbers % 5],
        }
    )
    table.loc[0, "band_gap_ev"] = np.nan
    table.to_csv(tmp_path / "my.csv", index=False)
    small = ("--variant", "8BARx1-1", "--epochs", 2, "--output", tmp_path / "run")
    targets = ("--target", "band_gap_ev", "--target", "volume_per_atom_a3")
    result = irnet("train", "--data", tmp_path / "my.csv", *targets, *small)
    assert result.exit_code == 0, result.output
    assert "my.csv: 35 training rows, 12 test rows" in result.stdout
    assert "band_gap_ev: test MAE" in result.stdout and "volume_per_atom_a3: test MAE" in result.stdout
    card = artifacts.load(tmp_path / "run" / "model.keras").card
    assert card["targets"] == ["band_gap_ev", "volume_per_atom_a3"] and card["data"]["left_out"]["missing target"] == 1
    answer = irnet("predict", "NaCl", "--model", tmp_path / "run" / "model.keras", "--strict")
    assert answer.exit_code == 0 and "band_gap_ev" in answer.stdout and "volume_per_atom_a3" in answer.stdout


def test_sipfenn_starts_from_its_paper_on_structures(tmp_path, monkeypatch):
    from common import datasets
    from irnet import sipfenn

    asked = []

    def few_rows(name, **options):
        asked.append(name)
        loaded = load_table(name, **options)
        return replace(loaded, frame=loaded.frame.iloc[::40])

    load_table = datasets.load_table
    monkeypatch.setattr(datasets, "load_table", few_rows)
    monkeypatch.setitem(sipfenn.LAYERS, "sipfenn_nn24", (sipfenn.Layer(8, "softsign"),))
    run = tmp_path / "run"
    result = irnet("train", "--variant", "sipfenn_nn24", "--epochs", 1, "--output", run)
    assert result.exit_code == 0, result.output
    assert asked == ["mp_structures"] and "flla_structures" in result.stdout  # stands in where there is no network
    artifact = artifacts.load(run / "model.keras")
    assert artifact.card["recipe"] == "sipfenn" and artifact.card["inputs"] == "S+C"
    assert artifact.model.input_shape == (None, 271)
    expected = asdict(replace(sipfenn.PAPER_RECIPE.training, max_epochs=1))
    assert artifact.card["training"] == expected and expected["l2"] == 1e-6 and expected["schedule"] == "warmup"


def test_a_named_variant_can_be_installed(tmp_path, monkeypatch, refused):
    from irnet import config

    monkeypatch.setenv("MATERIALS_DL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(config.ARCHITECTURES, "irnet_10", "8BARx1-1")
    small = ("--data", "flla", "--epochs", 1, "--max-train-rows", 200, "--output", tmp_path / "run")
    result = irnet("train", *small, "--variant", "irnet_10", "--inputs", "EF", "--recipe", "fast", "--install")
    assert result.exit_code == 0, result.output
    answer = irnet("predict", "NaCl", "--model", "irnet_10", "--strict")
    assert answer.exit_code == 0 and ENERGY in answer.stdout
    refused(irnet("train", *TINY, "--output", tmp_path / "other", "--install"), "--export")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--recipe", "quick"), ("paper", "fast", "'quick'")),
        (("--variant", "irnet_99"), ("irnet_17", "'irnet_99'")),
        (("--inputs", "C+Z"), ("'C+Z'",)),
        (("--classes", "1"), ("received 1",)),
        (("--data", "flla", "--target", "density"), ("'density'",)),
        (("--data", "flla", "--inputs", "S+C"), ("species", "flla")),
        (("--data", "flla", "--classes", "2"), ("classes [0, 1]",)),
        (("--data", "no/such/file.csv"), ("no/such/file.csv",)),
        (("--variant", "sipfenn_nn24", "--data", "mp_structures"), ("mp_structures",)),
        (("--protocol", "hopeful"), ("'hopeful'",)),
        (("--export", "mine.h5"), ("NAME.keras",)),
    ],
    ids=lambda value: "-".join(value) if value[0].startswith("--") else "",
)
def test_what_cannot_be_trained_is_one_line(tmp_path, arguments, words, refused):
    refused(irnet("train", "--output", tmp_path / "run", *arguments), *words)
    assert not (tmp_path / "run" / "model.keras").exists()


# ------------------------------------------------------------------------------------------------------ fine-tune


@pytest.fixture(scope="module")
def system(crystals, tmp_path_factory):
    """A descriptor table of 24 distorted crystals, with energies."""
    folder = tmp_path_factory.mktemp("system")
    (folder / "structures").mkdir()
    for name, crystal in list(crystals.items())[:3]:
        for number in range(8):
            moved = crystal.copy()
            moved.perturb(0.02 * (1 + number), seed=number)
            moved.to(filename=str(folder / "structures" / f"{number}_{name}"))
    assert irnet("describe", folder / "structures", "--output", folder / "table.csv").exit_code == 0
    table = pd.read_csv(folder / "table.csv", keep_default_na=False)
    table[ENERGY] = -1.0 - table["mean_BondLengthVariation"].astype(float)
    table.to_csv(folder / "table.csv", index=False)
    return folder / "table.csv"


def test_a_model_is_continued_on_a_system_of_structures(structure_model, system, tmp_path):
    out = tmp_path / "tuned.keras"
    command = ("fine-tune", "--model", structure_model, "--data", system, "--export", out, "--epochs", 60)
    result = irnet(*command, "--learning-rate-ratio", 10)
    assert result.exit_code == 0, result.output
    assert "continued on 19 rows" in result.stdout and "5 rows held out" in result.stdout
    before, after = re.search(r"held out: (\S+) before, (\S+) after", result.stdout).groups()
    assert float(after) < float(before)
    assert artifacts.load(out).card["fine_tuned"]["rows"] == 19
    answered = irnet("predict", system, "--model", out, "--output", tmp_path / "out.csv", "--strict")
    assert answered.exit_code == 0, answered.output


def test_what_cannot_be_continued_on_is_one_line(structure_model, composition_model, system, tmp_path, refused):
    def tune(model, data, export="tuned.keras"):
        return irnet("fine-tune", "--model", model, "--data", data, "--export", tmp_path / export)

    refused(tune(structure_model, system, "tuned.h5"), "NAME.keras")
    refused(tune("irnet_48", system), "irnet train --variant irnet_48")
    refused(tune(structure_model, "flla"), "structures", "flla")
    refused(tune(structure_model, tmp_path / "none.csv"), "does not exist")
    refused(tune(structure_model, tmp_path), "CSV")
    (tmp_path / "bad.csv").write_text("formula,energy\nNaCl,1\n")
    refused(tune(composition_model, tmp_path / "bad.csv"), f"no column '{ENERGY}'")
    (tmp_path / "none.csv").write_text(f"formula,{ENERGY}\nXx,1\nNaCl,?\n")
    refused(tune(composition_model, tmp_path / "none.csv"), "no row to train on", "'missing target': 1")
    assert not list(tmp_path.glob("tuned*"))


def test_rows_left_out_are_counted(composition_model, tmp_path):
    rows = [f"NaCl{number},{np.log(number)}" for number in range(1, 21)]
    (tmp_path / "s.csv").write_text("\n".join([f"formula,{ENERGY}", *rows, rows[0], "Xx,1", "KCl,"]) + "\n")
    result = irnet(
        *("fine-tune", "--model", composition_model, "--data", tmp_path / "s.csv", "--held-out", 0, "--epochs", 3),
        *("--export", tmp_path / "tuned.keras"),
    )
    assert result.exit_code == 0, result.output
    for reason in ("missing target", "no attributes", "duplicate"):
        assert f"left out for {reason}: 1" in result.stderr
    assert "continued on 20 rows" in result.stdout and "held out" not in result.stdout
