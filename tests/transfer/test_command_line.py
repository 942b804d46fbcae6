"""``transfer fine-tune``, ``predict`` and ``activations`` as a user meets them."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from common import artifacts
from transfer.__main__ import app
from transfer.network import load_network

ENERGY = "formation_energy_ev_per_atom"
QUICK = ("--epochs", 2, "--batch-size", 16)


def transfer(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)))


@pytest.fixture(scope="module")
def tuned(csv, elemnet_source, tmp_path_factory):
    """A finished run: its command, what it said, its folder."""
    folder = tmp_path_factory.mktemp("tuned") / "run"
    command = ("fine-tune", "--data", csv, "--source", elemnet_source, "--output", folder, *QUICK)
    result = transfer(*command, "--learning-rate", 0.003)
    assert result.exit_code == 0, result.output
    return (*command, "--learning-rate", 0.003), result, folder


# ---------------------------------------------------------------------------------------------------------- fine-tune


def test_a_table_of_ones_own_is_fine_tuned_on(tuned, elemnet_source):
    _, result, folder = tuned
    assert f"from {elemnet_source}, recipe small, on " in result.stdout
    assert "my.csv: 48 training rows\n" in result.stdout
    scores = re.findall(r"  (all test rows|test rows unseen by the source): MAE (\S+) \((\d+) rows\)", result.stdout)
    assert [which for which, *_ in scores] == ["all test rows", "test rows unseen by the source"]
    table = pd.read_csv(folder / "test_predictions.csv", keep_default_na=False)
    errors = (table["true"] - table["predicted"]).abs()
    seen = table["seen_by_source"].astype(str) == "True"
    assert [float(mae) for _, mae, _ in scores] == pytest.approx([errors.mean(), errors[~seen].mean()], abs=1e-4)
    assert [int(n) for *_, n in scores] == [12, (~seen).sum()]
    card = artifacts.load(folder / "model.keras").card
    assert card["training"]["max_epochs"] == 2 and card["training"]["learning_rate"] == 0.003
    assert card["training"]["batch_size"] == 16 and card["recipe"] == "small"
    assert "left out" not in result.stderr


def test_the_same_command_again_says_the_same(tuned, refused):
    command, result, folder = tuned
    again = transfer(*command)
    assert again.exit_code == 0 and again.stdout == result.stdout
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    refused(transfer(*command, "--seed", 1), "other settings, seed or data")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_all_that_can_be_chosen(csv, save_elemnet, tmp_path):
    result = transfer(
        *("fine-tune", "--data", csv, "--source", save_elemnet(), "--output", tmp_path, "--target", "is_metal"),
        *("--classes", 2, "--recipe", "fast", "--freeze-to", "stack1_block1_dense", "--architecture", "16x2-8x1-1"),
        *("--protocol", "paper", "--learning-rate", 0.01, "--schedule", "constant", "--epochs", 4, "--seed", 3),
    )
    assert result.exit_code == 0, result.output
    assert "60 training rows (protocol paper: these test rows also chose the weights)" in result.stdout
    assert re.search(r"all test rows: accuracy [01]\.\d{4} \(12 rows\)", result.stdout)
    assert "what the source has seen is not known" in result.stderr and "unseen by the source" not in result.stdout
    card = artifacts.load(tmp_path / "model.keras").card
    assert card["fine_tuned_from"]["frozen_up_to"] == "stack1_block1_dense" and card["fine_tuned_from"]["new_head"]
    assert (card["protocol"], card["recipe"], card["num_classes"]) == ("paper", "fast", 2)
    assert (card["training"]["schedule"], card["training"]["seed"]) == ("constant", 3)


def test_from_scratch_and_what_is_left_out(frame, elemnet_source, tmp_path):
    more = pd.DataFrame({"formula": ["NaBr", "Xx", "Fe", "MgCl7"], ENERGY: [-1.0, 1.0, 0.0, np.nan], "split": "train"})
    pd.concat([frame, more]).to_csv(tmp_path / "my.csv", index=False)
    result = transfer(
        *("fine-tune", "--data", tmp_path / "my.csv", "--source", elemnet_source, "--output", tmp_path / "run"),
        *("--scratch", "--unknown-elements", "drop", *QUICK),
    )
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("from scratch, recipe small")
    assert "1 of 76 rows have no number" in result.stdout  # what the reader says
    for reason in ("element unknown to the source", "unreadable formula", "single element", "missing target"):
        assert f"left out: 1 {reason}" in result.stderr
    card = artifacts.load(tmp_path / "run" / "model.keras").card
    assert "fine_tuned_from" not in card and card["training"]["max_epochs"] == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--recipe", "quick"), ("paper", "fast", "small", "'quick'")),
        (("--source", "resnet"), ("elemnet", "irnet_17", "'resnet'")),
        (("--source", "no/such/model.keras"), ("no/such/model.keras", "does not exist")),
        (("--source", "irnet_48"), ("irnet train --variant irnet_48",)),
        (("--source", "irnet_10"), ("Expected structures",)),
        (("--freeze-to", "stack1_block9_dense"), ("'stack1_block9_dense'", "closest: stack1_block")),
        (("--freeze-to", "output"), ("'output' freezes the whole network",)),
        (("--architecture", "irnet_17"), ("The source is not irnet_17", "of 7 to 1024 units", "of 7 to 16 units")),
        (("--architecture", "16y2-1"), ("'16y2-1'",)),
        (("--recipe", "paper"), ("Expected 1 dropout rates", "received 4")),
        (("--classes", 1), ("received 1",)),
        (("--target", "phase", "--classes", 2), ("classes [0, 1]", "'phase'")),
        (("--target", "density"), ("'density'", "bulk_modulus_gpa")),
        (("--protocol", "hopeful"), ("'hopeful'",)),
        (("--unknown-elements", "keep"), ("error or drop", "'keep'")),
        (("--schedule", "sudden"), ("'sudden'", "warmup_cosine")),
        (("--data", "no/such/file.csv"), ("no/such/file.csv",)),
        (("--data", "ssub"), ("MATERIALS_DL_MIRROR",)),
    ],
    ids=lambda value: "-".join(map(str, value)) if str(value[0]).startswith("--") else "",
)
def test_what_cannot_be_fine_tuned_is_one_line(arguments, words, csv, elemnet_source, tmp_path, refused):
    given = ("--data", csv, "--source", elemnet_source, "--output", tmp_path / "run", *QUICK, *arguments)
    refused(transfer("fine-tune", *given), *words)
    assert not list(tmp_path.iterdir())


TABLES = {
    "other elements": (lambda frame: frame.assign(formula=frame["formula"].str.replace("Cl", "Br")), ("(Br)", "drop")),
    "one value": (lambda frame: frame.assign(**{ENERGY: 1.5}), ("to vary; received 1.5",)),
    "one value in training": (
        lambda frame: frame.assign(**{ENERGY: frame[ENERGY].where(frame["split"] == "test", 1.5)}),
        ("training rows of my.csv to vary",),
    ),
    "no numbers": (lambda frame: frame.assign(**{ENERGY: "?"}), ("no row to train on", "'missing target': 72")),
    "no column": (lambda frame: frame.drop(columns=ENERGY), (f"'{ENERGY}'", "is_metal")),
    "no formulas": (lambda frame: frame.drop(columns="formula"), ("'formula'",)),
    "no rows": (lambda frame: frame[:0], ("at least one row",)),
    "no test rows": (lambda frame: frame.assign(split="train"), ("no test row of 72",)),
    "nothing but test rows": (lambda frame: frame.assign(split="test"), ("no training row of 72",)),
    "other splits": (lambda frame: frame.assign(split="fold 1"), ("train, val, test", "fold 1")),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_that_does_not_do_is_one_line(name, frame, elemnet_source, tmp_path, refused):
    change, words = TABLES[name]
    change(frame).to_csv(tmp_path / "my.csv", index=False)
    given = ("--data", tmp_path / "my.csv", "--source", elemnet_source, "--output", tmp_path / "run", *QUICK)
    refused(transfer("fine-tune", *given), *words)
    assert [path.name for path in tmp_path.iterdir()] == ["my.csv"]


def test_fresh_weights_cannot_be_frozen(csv, elemnet_source, tmp_path, refused):
    given = ("--data", csv, "--source", elemnet_source, "--output", tmp_path / "run", *QUICK)
    refused(
        transfer("fine-tune", *given, "--scratch", "--freeze-to", "stack1_block1_dense"), "--scratch", "--freeze-to"
    )


# ------------------------------------------------------------------------------------------------------------ predict


def test_formulas_are_answered_in_a_table(tuned):
    *_, folder = tuned
    result = transfer("predict", "NaCl", "Fe2O3", "Xx2O3", "NaBr", "--model", folder / "model.keras")
    assert result.exit_code == 0, result.output
    answers = load_network(folder / "model.keras").predict_formulas(["NaCl", "Fe2O3"])[ENERGY]
    for text in ("NaCl", "Xx2O3", "not an element", "Br", ENERGY, *(f"{answer:.4f}" for answer in answers)):
        assert text in result.stdout
    assert transfer("predict", "NaCl", "Xx", "--model", folder / "model.keras", "--strict").exit_code == 1
    assert transfer("predict", "NaCl", "--model", folder / "model.keras", "--strict").exit_code == 0


def test_a_file_is_answered_in_a_file(tuned, tmp_path):
    *_, folder = tuned
    (tmp_path / "in.csv").write_text("id,substance\n1,NaCl\n2,\n3,Xx\n4,NaN\n5,FeO\n")
    files = ("--input", tmp_path / "in.csv", "--output", tmp_path / "out.csv", "--column", "substance")
    result = transfer("predict", "--model", folder / "model.keras", *files)
    assert result.exit_code == 0, result.output
    assert "5 rows written to" in result.stdout and "2 ok, 3 without an answer" in result.stdout
    table = pd.read_csv(tmp_path / "out.csv", keep_default_na=False)
    assert list(table) == ["id", "substance", ENERGY, "status", "reason"]
    assert table["substance"].tolist() == ["NaCl", "", "Xx", "NaN", "FeO"]
    assert table["status"].tolist() == ["ok", "error", "error", "error", "ok"]
    assert transfer("predict", "--model", folder / "model.keras", *files, "--strict").exit_code == 1


def test_what_cannot_be_predicted_is_one_line(tuned, tmp_path, refused):
    *_, folder = tuned
    model = ("--model", folder / "model.keras")
    (tmp_path / "in.csv").write_text("composition\nNaCl\n")
    files = ("--input", tmp_path / "in.csv", "--output", tmp_path / "out.csv")
    refused(transfer("predict", *model), "--input")
    refused(transfer("predict", "NaCl", *files, *model), "one of the two")
    refused(transfer("predict", "NaCl", "--output", tmp_path / "out.csv", *model), "belong together")
    refused(transfer("predict", *files[:2], *model), "belong together")
    refused(transfer("predict", *files, *model), "no column 'formula'", "composition")
    refused(transfer("predict", "--input", tmp_path / "none.csv", *files[2:], *model), "does not exist")
    refused(transfer("predict", "NaCl", "--model", folder), "path that ends in .keras")
    refused(transfer("predict", "NaCl", "--model", tmp_path / "no.keras"), "does not exist")
    refused(transfer("predict", "NaCl", "--model", "irnet_10"), "attributes of structures")
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    (broken / "model.keras").write_bytes((folder / "model.keras").read_bytes()[:-1])
    refused(transfer("predict", "NaCl", "--model", broken / "model.keras"), "damaged")
    assert not (tmp_path / "out.csv").exists()


def test_other_commands_say_whose_model_it_is(tuned, refused):
    from elemnet.__main__ import app as elemnet
    from irnet.__main__ import app as irnet

    model = ["predict", "NaCl", "--model", str(tuned[2] / "model.keras")]
    refused(CliRunner().invoke(elemnet, model), "transfer predict")
    assert CliRunner().invoke(irnet, model).exit_code == 0


# -------------------------------------------------------------------------------------------------------- activations

LAYER = "stack2_block1_activation"


def test_activations_are_columns_of_a_file(elemnet_source, tmp_path):
    (tmp_path / "in.csv").write_text("id,formula\n7,NaCl\n8,Xx\n9,NaN\n10,FeO\n")
    files = ("--input", tmp_path / "in.csv", "--output", tmp_path / "out.csv")
    result = transfer("activations", *files, "--layer", LAYER, "--model", elemnet_source)
    assert result.exit_code == 0, result.output
    assert "4 rows written to" in result.stdout and "2 ok, 2 without an answer" in result.stdout
    table = pd.read_csv(tmp_path / "out.csv", keep_default_na=False)
    units = [f"{LAYER}_{number}" for number in range(1, 9)]
    assert list(table) == ["id", "formula", *units, "status", "reason"]
    assert table["id"].tolist() == [7, 8, 9, 10] and table["status"].tolist() == ["ok", "error", "error", "ok"]
    assert (table.loc[[1, 2], units] == "").all(axis=None)
    model = load_network(elemnet_source).model
    kernel, bias = model.get_layer("output").get_weights()
    by_hand = table.loc[[0, 3], units].astype(float).to_numpy() @ kernel + bias
    answers = load_network(elemnet_source).predict_formulas(["NaCl", "FeO"])[ENERGY]
    np.testing.assert_allclose(by_hand[:, 0], answers, atol=1e-5)


def test_what_cannot_be_read_out_is_one_line(elemnet_source, tmp_path, refused):
    (tmp_path / "in.csv").write_text("formula\nNaCl\n")
    (tmp_path / "taken.csv").write_text("formula,status\nNaCl,1\n")
    output = ("--output", tmp_path / "out.csv", "--model", elemnet_source)
    files = ("--input", tmp_path / "in.csv", *output)
    refused(transfer("activations", *files, "--layer", "stack9"), "'stack9'", "'inputs' to 'output'")
    named = ("--layer", LAYER)
    refused(transfer("activations", "--input", tmp_path / "none.csv", *output, *named), "does not exist")
    refused(transfer("activations", *files, *named, "--column", "name"), "no column 'name'")
    refused(
        transfer("activations", "--input", tmp_path / "taken.csv", *output, *named), "already has a column 'status'"
    )
    of_structures = ("--input", tmp_path / "in.csv", "--output", tmp_path / "out.csv", "--model", "irnet_10")
    refused(transfer("activations", *of_structures, "--layer", "stack1_block1_activation"), "Expected structures")
    assert not (tmp_path / "out.csv").exists()


def test_layers_are_listed_where_none_is_named(elemnet_source, tmp_path, refused):
    (tmp_path / "in.csv").write_text("formula\nNaCl\n")
    files = ("--input", tmp_path / "in.csv", "--output", tmp_path / "out.csv")
    names = ("stack1_block1_activation", "stack1_block2_activation", LAYER)
    refused(transfer("activations", *files, "--model", elemnet_source), "--layer", *names)


# --------------------------------------------------------------------------------------------------------------- help


def test_help_does_not_load_a_framework():
    code = (
        "import sys; from typer.testing import CliRunner; from transfer.__main__ import app; "
        "results = [CliRunner().invoke(app, [name, '--help']) for name in ('fine-tune', 'predict', 'activations')]; "
        "assert all(result.exit_code == 0 for result in results); "
        "assert 'transfer fine-tune --data my.csv' in results[0].stdout; "
        "assert not {'keras', 'tensorflow', 'pymatgen', 'pandas'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_command_is_installed():
    command = Path(sys.executable).with_name("transfer")
    if not command.is_file():
        pytest.skip("the package is not installed with its commands")
    done = subprocess.run([command, "predict"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 2 and done.stderr.startswith("error: Give formulas, or a table with --input")
