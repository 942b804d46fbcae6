"""Whole runs: from a source and a table to a scored model."""

import copy
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from common import artifacts, networks, progress, splits, training
from common.checkpoint import CheckpointMismatchError
from common.features import magpie
from common.metrics import classification_report, regression_report
from elemnet.predict import load_pretrained as load_elemnet
from irnet.predict import load_pretrained as load_irnet
from transfer.config import from_scratch
from transfer.data import cut, load
from transfer.fine_tune import fine_tune, run
from transfer.network import load_network
from transfer.seen import is_seen, seen_by

ENERGY = "formation_energy_ev_per_atom"
ELEMENTS = ["O", "Na", "Mg", "Cl", "K", "Fe", "Ti"]
MODULUS = "bulk_modulus_gpa"
FILES = {"checkpoint.npz", "history.csv", "split.json", "test_predictions.csv", "model.keras", "model.json"}


@pytest.fixture(scope="module")
def finished(quick, csv, elemnet_source, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return run(quick, csv, folder, source=elemnet_source, progress=False), folder


def read(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "test_predictions.csv", keep_default_na=False, float_precision="round_trip")


def weights(network) -> list[np.ndarray]:
    return network.model.get_weights()


def are_equal(first, second) -> list[bool]:
    return [np.array_equal(a, b) for a, b in zip(weights(first), weights(second), strict=True)]


# ------------------------------------------------------------------------------------------------- what a run leaves


def test_the_folder_has_all_of_a_run(finished, frame):
    result, folder = finished
    assert {path.name for path in folder.iterdir()} == FILES
    ids = splits.load_ids(folder / "split.json")
    for name, written in (("train", "train"), ("validation", "val"), ("test", "test")):
        assert ids[name] == frame.loc[frame["split"] == written, "formula"].tolist()
    table = read(folder)
    assert list(table) == ["formula", "true", "predicted", "source", "seen_by_source"]
    assert table["formula"].tolist() == ids["test"]
    np.testing.assert_allclose(table["true"], frame.loc[frame["split"] == "test", ENERGY], rtol=1e-12)
    pd.testing.assert_frame_equal(table, result.predictions, check_dtype=False)


def test_the_card_says_what_was_done(finished, elemnet_source, csv):
    result, folder = finished
    card = artifacts.load(folder / "model.keras").card
    source = card["fine_tuned_from"]
    assert source["path"] == elemnet_source and len(source["weights_sha256"]) == 64
    assert source["frozen_up_to"] is None and not source["new_head"] and not source["freeze_batch_norm"]
    assert card["name"] == "name, fine-tuned" and card["target"] == ENERGY and card["targets"] == [ENERGY]
    assert card["elements"] == card["input_elements"] == ELEMENTS
    assert card["inputs"] == "EF" and card["recipe"] == "test" and card["protocol"] == "honest"
    assert card["training"]["max_epochs"] == 4 and card["learning_curve"]["epoch"] == [1, 2, 3, 4]
    data = card["data"]
    assert data["name"] == Path(csv).name and list(data["files"]) == [Path(csv).name]
    assert (data["rows_train"], data["rows_validation"], data["rows_test"]) == (48, 12, 12)
    assert data["left_out"]["missing target"] == 0 and data["left_out"]["beyond 5 sigma"] == 0
    assert card["metrics"]["test"] == result.report and card["metrics"]["best_epoch"] == result.training.best_epoch
    assert card["made_with"]["versions"]


def test_both_errors_are_those_of_the_saved_predictions(finished, elemnet_source):
    result, folder = finished
    table = read(folder)
    error = (table["true"] - table["predicted"]).abs()
    seen = table["seen_by_source"].map({"True": True, "False": False, True: True, False: False})
    assert 0 < seen.sum() < len(table)
    assert seen.tolist() == is_seen(table["formula"], seen_by(elemnet_source)).tolist()
    assert set(result.report) == {"all", "unseen_by_source"}
    assert result.report["all"]["mae"] == pytest.approx(error.mean(), rel=1e-6)
    assert result.report["unseen_by_source"]["mae"] == pytest.approx(error[~seen].mean(), rel=1e-6)
    assert (result.report["all"]["n"], result.report["unseen_by_source"]["n"]) == (12, (~seen).sum())
    assert result.report["all"] == pytest.approx(regression_report(table["true"], table["predicted"]), rel=1e-6)


def test_the_source_stands_beside_as_it_came(finished, elemnet_source):
    _, folder = finished
    table = read(folder)
    answers = load_elemnet(elemnet_source).predict(table["formula"])
    np.testing.assert_allclose(table["source"], answers[ENERGY], atol=1e-6)
    assert (table["true"] - table["predicted"]).abs().mean() < (table["true"] - table["source"]).abs().mean()


def test_the_model_saved_is_the_model_scored(finished):
    result, folder = finished
    table = read(folder)
    for loaded in (load_network, load_irnet):
        answers = loaded(folder / "model.keras").predict_formulas([*table["formula"], "NaBr"])
        assert answers["status"].tolist() == ["ok"] * 12 + ["error"] and "Br" in answers["reason"].iloc[-1]
        np.testing.assert_allclose(answers[ENERGY][:-1], table["predicted"], atol=1e-6)
    with pytest.raises(artifacts.ArtifactError, match="transfer predict --model") as refusal:
        load_elemnet(folder / "model.keras")
    assert "\n" not in str(refusal.value)


def test_validation_errors_are_of_the_weights_handed_back(finished, csv, quick):
    result, _ = finished
    parts = cut(result.data, result.data.split, quick)
    answers = result.network.predict_attributes(parts.validation.x)[:, 0]
    assert result.training.best_validation == pytest.approx(np.abs(answers - parts.validation.y).mean(), rel=1e-5)
    assert result.training.best_validation == result.training.history["validation_mae"].min()


# ------------------------------------------------------------------------------------------------ once more, and killed


def test_a_finished_run_comes_back_at_once(finished, csv, quick, elemnet_source, monkeypatch):
    result, folder = finished
    before = {name: (folder / name).read_bytes() for name in FILES - {"model.keras", "model.json"}}
    card = artifacts.load(folder / "model.keras").card
    monkeypatch.setattr(training.backend, "make_chunk_runner", None)  # no training step is even compiled
    again = run(quick, csv, folder, source=elemnet_source, progress=False)
    assert all(are_equal(again.network, result.network)) and again.report == result.report
    assert {name: (folder / name).read_bytes() for name in before} == before
    of_both = [saved | {"made_with": 0, "sha256": 0} for saved in (card, artifacts.load(folder / "model.keras").card)]
    assert of_both[0] == of_both[1]


class Killed(BaseException):
    """Stands in for SIGKILL: comes between a chunk of steps and its checkpoint."""


def test_a_run_killed_and_started_again_ends_the_same(tmp_path, csv, quick, irnet_source, monkeypatch):
    """Two kills, one in the middle of an epoch; with norms, which carry a state of their own."""
    monkeypatch.setattr(training, "ROWS_PER_CHUNK", 16)  # a step each: three an epoch
    config = quick.with_training(checkpoint_seconds=0.0)
    for num_calls in (5, 3):

        def advance(*_, calls=iter(range(1, 100)), last=num_calls):
            if next(calls) == last:
                raise Killed

        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(progress.TrainingProgress, "advance", advance)
            run(config, csv, tmp_path, source=irnet_source, target=MODULUS, progress=False)
        assert {path.name for path in tmp_path.iterdir()} <= {"checkpoint.npz", "history.csv"}
    resumed, whole = (
        run(config, csv, folder, source=irnet_source, target=MODULUS, progress=False) for folder in (tmp_path, None)
    )
    assert all(are_equal(resumed.network, whole.network)) and resumed.report == whole.report
    pd.testing.assert_frame_equal(resumed.predictions, whole.predictions)
    curves = [result.training.history.drop(columns="seconds") for result in (resumed, whole)]
    pd.testing.assert_frame_equal(*curves, check_exact=True)


@pytest.mark.parametrize("change", ["seed", "frozen", "source", "data"], ids=lambda change: f"another {change}")
def test_a_folder_of_another_run_is_refused_and_stays_as_it_was(
    change, finished, csv, frame, quick, elemnet_source, save_elemnet, seen_formulas, tmp_path
):
    _, folder = finished
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    if change == "seed":
        quick = quick.with_training(seed=1)
    elif change == "frozen":
        quick = replace(quick, frozen_up_to="stack1_block1_dense")
    elif change == "source":
        elemnet_source = save_elemnet("16x2D-8x1-1", split=seen_formulas, name="moved")
        model, card = artifacts.load(elemnet_source).model, artifacts.load(elemnet_source).card
        model.set_weights([1.01 * w for w in model.get_weights()])
        artifacts.save(elemnet_source, model, card)
    else:
        csv = str(tmp_path / "my.csv")
        frame.assign(**{ENERGY: frame[ENERGY] + 0.01}).to_csv(csv, index=False)
    with pytest.raises(CheckpointMismatchError, match="other settings, seed or data"):
        run(quick, csv, folder, source=elemnet_source, progress=False)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_how_often_checkpoints_are_made_may_change(finished, csv, quick, elemnet_source):
    _, folder = finished
    run(quick.with_training(checkpoint_seconds=1.0), csv, folder, source=elemnet_source, progress=False)


def test_a_model_does_not_write_over_its_source(seen_formulas, save_elemnet, csv, quick):
    source = save_elemnet(split=seen_formulas)
    before = {path.name: path.read_bytes() for path in Path(source).parent.iterdir()}
    with pytest.raises((ValueError, RuntimeError), match="source"):
        run(quick.with_training(max_epochs=1), csv, Path(source).parent, source=source, progress=False)
    assert {path.name: path.read_bytes() for path in Path(source).parent.iterdir()} == before


# ----------------------------------------------------------------------------------------------- starts and protocols


def test_frozen_layers_are_those_of_the_source(csv, quick, elemnet_source, tmp_path):
    config = replace(quick, frozen_up_to="stack1_block2_activation")
    run(config, csv, tmp_path, source=elemnet_source, progress=False)
    network, source = load_network(tmp_path / "model.keras"), load_network(elemnet_source)
    same = are_equal(network, source)
    assert same == [True] * 4 + [False] * 4
    assert network.card["fine_tuned_from"]["frozen_up_to"] == "stack1_block2_activation"


def test_from_scratch_the_source_gives_its_architecture_alone(csv, quick, elemnet_source, tmp_path):
    config = from_scratch(quick).with_training(max_epochs=2)
    result = run(config, csv, tmp_path, source=elemnet_source, progress=False)
    card = artifacts.load(tmp_path / "model.keras").card
    assert card["name"] == "name, from scratch" and "fine_tuned_from" not in card
    assert card["elements"] == ["O", "Na", "Mg", "Cl", "K", "Fe"]  # what its own rows have
    answers = load_network(tmp_path / "model.keras").predict_formulas(["TiO2", "NaCl"])
    assert answers["status"].tolist() == ["error", "ok"]
    assert set(result.report) == {"all", "unseen_by_source"}  # the same rows as those of fine-tuning
    known = seen_by(tmp_path / "model.keras")
    assert len(known) == 60 and is_seen(result.predictions["formula"], known).sum() == 0


def test_a_network_from_scratch_does_not_come_from_the_source_of_its_source(finished, csv, quick, tmp_path):
    _, folder = finished
    path = shutil.copytree(folder, tmp_path / "source") / "model.keras"
    source = load_network(path)
    before = copy.deepcopy(source.card)
    run(from_scratch(quick).with_training(max_epochs=1), csv, tmp_path / "run", source=path, progress=False)
    assert "fine_tuned_from" not in artifacts.load(tmp_path / "run" / "model.keras").card
    assert source.card == before


def test_a_second_fine_tuning_counts_what_the_first_source_has_seen(finished, csv, quick, elemnet_source, tmp_path):
    _, folder = finished
    config = quick.with_training(max_epochs=1)
    second = run(config, csv, tmp_path, source=folder / "model.keras", target=MODULUS, progress=False)
    known = seen_by(tmp_path / "model.keras")
    assert np.isin(seen_by(elemnet_source), known).all() and np.isin(seen_by(folder / "model.keras"), known).all()
    assert is_seen(["TiO2"], known).all()  # of the first source alone
    assert second.network.card["name"] == "name, fine-tuned, fine-tuned"


def test_protocol_paper_is_labelled_and_validates_on_test(csv, quick, elemnet_source):
    config = replace(quick, protocol="paper").with_training(max_epochs=2)
    result = run(config, csv, source=elemnet_source, progress=False)
    assert result.network.card["protocol"] == "paper" and result.network.card["data"]["rows_train"] == 60
    assert result.report["all"]["mae"] == pytest.approx(result.training.best_validation, rel=1e-5)


def test_what_an_unknown_source_has_seen_is_not_reported(csv, quick, save_elemnet, tmp_path):
    result = run(quick.with_training(max_epochs=1), csv, tmp_path, source=save_elemnet(), progress=False)
    assert set(result.report) == {"all"} and result.data.seen is None
    assert (read(tmp_path)["seen_by_source"] == "").all()


def test_the_card_names_the_dropout_that_was_used(csv, quick, save_elemnet):
    source = save_elemnet(dropout_rates=[0.2])
    config = replace(quick, dropout_rates=(0.05,)).with_training(max_epochs=1)
    assert run(config, csv, source=source, progress=False).network.card["dropout_rates"] == [0.05]


# ------------------------------------------------------------------------------------------------- other properties


@pytest.mark.parametrize("start", ["source", "scratch"])
def test_a_new_property_is_answered_in_its_units(start, csv, quick, elemnet_source, tmp_path):
    config = quick if start == "source" else from_scratch(quick)
    result = run(
        config.with_training(learning_rate=1e-2, max_epochs=15),
        csv,
        tmp_path,
        source=elemnet_source,
        target=MODULUS,
        progress=False,
    )
    table = read(tmp_path)
    assert table["true"].between(950, 1300).all() and table["predicted"].between(900, 1350).all()
    assert result.report["all"]["mae"] < 0.8 * table["true"].std()
    assert (table["source"] == "").all()  # the source knows nothing of it
    assert result.training.best_validation < 100 and result.training.history["train_loss"].iloc[-1] < 100
    card = artifacts.load(tmp_path / "model.keras").card
    assert card["targets"] == [MODULUS] and card["metrics"]["best_validation"] == result.training.best_validation
    answers = load_network(tmp_path / "model.keras").predict_formulas(table["formula"])
    np.testing.assert_allclose(answers[MODULUS], table["predicted"], rtol=1e-5)
    if start == "source":
        assert card["fine_tuned_from"]["new_head"]


@pytest.mark.parametrize(("target", "num_classes"), [("is_metal", 2), ("phase", 3)])
def test_classes_are_told_apart(target, num_classes, csv, quick, elemnet_source, tmp_path):
    config = replace(quick, num_classes=num_classes).with_training(learning_rate=1e-2, max_epochs=15)
    result = run(config, csv, tmp_path, source=elemnet_source, target=target, progress=False)
    network, table = load_network(tmp_path / "model.keras"), read(tmp_path)
    answers = network.predict_formulas(table["formula"])
    columns = [f"probability_{number}" for number in range(num_classes)]
    assert list(answers) == ["formula", target, *columns, "status", "reason"]
    np.testing.assert_allclose(answers[columns].sum(axis=1), 1, rtol=1e-5)
    if num_classes == 2:
        np.testing.assert_allclose(table["predicted"], answers["probability_1"], atol=1e-6)
        probabilities = answers["probability_1"]
    else:
        assert table["predicted"].tolist() == answers[target].tolist()
        probabilities = answers[columns]
    report = classification_report(table["true"].astype(int), probabilities)
    for name in ("accuracy", "balanced_accuracy", "f1", "n"):
        assert result.report["all"][name] == pytest.approx(report[name])
    assert result.report["all"]["balanced_accuracy"] > 1.2 / num_classes  # chance is 1 / num_classes
    assert (table["source"] == "").all() and result.report["unseen_by_source"]["n"] < 12
    assert network.num_classes == num_classes
    assert "validation_loss" in result.training.history


def test_a_classifier_is_continued_on_its_own_classes(csv, quick, save_elemnet):
    source = save_elemnet("8x1-3", inputs="EF", input_elements=ELEMENTS, targets=["phase"], num_classes=3)
    config = replace(quick, num_classes=3).with_training(max_epochs=1)
    table = run(config, csv, source=source, target="phase", progress=False).predictions
    said = load_network(source).predict_formulas(table["formula"])["phase"]
    assert table["source"].tolist() == said.tolist()


def test_the_source_also_stands_beside_a_fresh_head_of_its_own_property(csv, quick, elemnet_source):
    config = replace(quick, new_head=True).with_training(max_epochs=1)
    table = run(config, csv, source=elemnet_source, progress=False).predictions
    said = load_network(elemnet_source).predict_formulas(table["formula"])[ENERGY]
    assert table["source"].tolist() == pytest.approx(said.tolist())


def test_one_of_several_targets_of_a_source(csv, quick, save_elemnet):
    source = save_elemnet("8x1-2", inputs="EF", input_elements=ELEMENTS, targets=["band_gap_ev", ENERGY])
    result = run(quick.with_training(max_epochs=1), csv, source=source, progress=False)
    assert result.network.targets == (ENERGY,) and result.network.model.output_shape == (None, 1)
    assert result.network.card["fine_tuned_from"]["new_head"]


def test_numbers_are_not_learned_behind_a_sigmoid(csv, quick, save_elemnet):
    source = save_elemnet("8x1-1", inputs="EF", input_elements=ELEMENTS, targets=[ENERGY], num_classes=2)
    model = networks.build("8x1-1", len(ELEMENTS), output_activation="sigmoid")
    artifacts.save(source, model, artifacts.load(source).card)
    result = run(quick.with_training(max_epochs=1), csv, source=source, progress=False)
    assert result.network.model.output_names == ["output"]


# ---------------------------------------------------------------------------------------------------- chapter 4's kind


@pytest.mark.parametrize("start", ["source", "scratch"])
def test_the_range_of_inputs_is_that_of_all_rows_learned_from(start, csv, frame, quick, irnet_source):
    config = (quick if start == "source" else from_scratch(quick)).with_training(max_epochs=1)
    result = run(config, csv, source=irnet_source, progress=False)
    x = magpie.featurize_with_reasons(frame.loc[frame["split"] == "train", "formula"].tolist()).attributes
    low, high = x.min(axis=0), x.max(axis=0)
    if start == "source":
        before = np.array(load_network(irnet_source).card["input_range"])
        assert (low < before[0]).any() and (low > before[0]).any()
        low, high = np.minimum(low, before[0]), np.maximum(high, before[1])
    np.testing.assert_allclose(result.network.card["input_range"], [low, high], rtol=1e-6, atol=1e-6)
    beyond = np.full((1, 145), 1e9, np.float32)
    np.testing.assert_array_equal(
        result.network.predict_attributes(beyond),
        result.network.predict_attributes(high.astype(np.float32)[None]),
    )


def test_irnet_answers_with_what_was_fine_tuned_from_irnet(csv, quick, irnet_source, tmp_path):
    run(quick.with_training(max_epochs=1), csv, tmp_path, source=irnet_source, progress=False)
    table = read(tmp_path)
    answers = load_irnet(tmp_path / "model.keras").predict_formulas(table["formula"])
    np.testing.assert_allclose(answers[ENERGY], table["predicted"], atol=1e-5)
    assert json.loads((tmp_path / "model.json").read_text())["inputs"] == "C"


# ------------------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"architecture": "32x2-1"}, "The source is not 32x2-1"),
        ({"frozen_up_to": "stack9_dense"}, "received 'stack9_dense'"),
        ({"frozen_up_to": "output"}, "freezes the whole network"),
        ({"dropout_rates": (0.2, 0.1, 0.3, 0.2)}, "Expected 1 dropout rates"),
    ],
)
def test_what_does_not_fit_is_said_before_the_data_are_read(changes, words, quick, elemnet_source, tmp_path):
    with pytest.raises(ValueError, match=words):
        run(replace(quick, **changes), "no/such/file.csv", tmp_path / "run", source=elemnet_source, progress=False)
    assert not (tmp_path / "run").exists()


def test_nothing_is_written_where_the_rows_do_not_do(quick, elemnet_source, frame, tmp_path):
    for name, changed in (
        ("unknown", frame.assign(formula=frame["formula"].str.replace("Cl", "Br"))),
        ("constant", frame.assign(**{ENERGY: 1.0})),
        ("no test rows", frame.assign(split="train")),
    ):
        changed.to_csv(tmp_path / f"{name}.csv", index=False)
        with pytest.raises(ValueError):
            run(quick, str(tmp_path / f"{name}.csv"), tmp_path / "run", source=elemnet_source, progress=False)
    assert not (tmp_path / "run").exists()


def test_rows_are_fine_tuned_on_without_a_table_at_hand(quick, elemnet_source, table):
    """What ``comparison`` does: the parts are cut elsewhere."""
    source = load_network(elemnet_source)
    data = load(source, "my", loaded=table)
    parts = cut(data, data.split, quick)
    done = fine_tune(source, parts.train, parts.validation, quick.with_training(max_epochs=1))
    assert done.network.targets == (ENERGY,) and done.network.card["data"] == {"rows_train": 48}
    with pytest.raises(ValueError):
        fine_tune(source, parts.train, parts.validation.take(np.arange(0)), quick)
