"""Whole trainings of chapter 4 on the bundled samples, with a tiny network."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from common import artifacts, splits
from common.checkpoint import CheckpointMismatchError
from common.metrics import classification_report, regression_report
from common.readers import LoadedDataset
from common.training_config import TrainingConfig
from irnet import data, sipfenn
from irnet.config import RECIPES, IRNetConfig
from irnet.predict import load_pretrained
from irnet.train import run

ENERGY = "formation_energy_ev_per_atom"
CONFIG = IRNetConfig(
    variant="16BARx2-8BARx1-1",
    recipe="test",
    data="flla",
    target_scaling=True,
    max_train_rows=500,
    training=TrainingConfig(learning_rate=3e-3, batch_size=64, max_epochs=3, patience_epochs=None),
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return run(CONFIG, folder, progress=False), folder


@pytest.fixture(scope="module")
def with_more_targets():
    """The bundled sample with two targets and classes made of its energies."""
    loaded = data.load(CONFIG).loaded
    energy = loaded.frame[ENERGY]
    frame = loaded.frame.assign(
        thousandfold=1_000 * energy + 5_000,
        is_stable=(energy < -1) * 1.0,
        third=np.digitize(energy, [-1.5, -0.5]) * 1.0,
    )
    return LoadedDataset(frame, "flla and more", "user", len(frame), {}, [])


def test_the_test_report_is_about_the_test_rows(trained):
    result, _ = trained
    assert result.test_report == {ENERGY: regression_report(result.data.test.y, result.test_predictions)}
    assert result.test_report[ENERGY]["n"] == len(result.data.test) == len(result.test_predictions)
    assert result.card["metrics"]["test"] == result.test_report


def test_errors_are_in_units_though_targets_were_scaled(trained):
    result, _ = trained
    answers = result.predictor.predict_attributes(result.data.validation.x)[:, 0]
    assert result.validation_mae == pytest.approx(np.abs(answers - result.data.validation.y).mean(), rel=1e-5)
    assert result.validation_mae == pytest.approx(result.training.best_validation, rel=1e-4)
    assert result.training.best_validation == result.training.history["validation_mae"].min()


def test_the_model_saved_is_the_model_scored(trained):
    result, folder = trained
    loaded = load_pretrained(folder / "model.keras")
    answers = loaded.predict_formulas(result.data.test.frame["formula"])
    assert (answers["status"] == "ok").all()  # what is scored is what users get an answer for
    np.testing.assert_allclose(answers[ENERGY], result.test_predictions, atol=1e-5)
    assert loaded.elements == result.data.elements and not loaded.needs_structure


def test_the_card_says_what_was_done(trained):
    result, folder = trained
    card = artifacts.load(folder / "model.keras").card
    assert set(artifacts.REQUIRED_CARD_KEYS) <= set(card)
    assert card["architecture"] == CONFIG.variant and card["inputs"] == "C" and card["targets"] == [ENERGY]
    assert card["protocol"] == "honest" and card["recipe"] == "test" and card["training"]["max_epochs"] == 3
    assert card["data"]["name"] == "flla" and card["data"]["rows_train"] == 500
    assert card["data"]["rows_test"] == len(result.data.test)
    assert card["learning_curve"]["epoch"] == [1, 2, 3]
    ids = splits.load_ids(folder / "split.json")
    assert ids["test"] == result.data.test.frame["formula"].tolist() and len(ids["train"]) == 500


def test_the_same_seed_repeats_to_the_bit_and_another_does_not(trained):
    result, _ = trained
    again = run(CONFIG, data=result.data, progress=False)
    assert np.array_equal(again.test_predictions, result.test_predictions)
    other = run(CONFIG.with_training(seed=1, max_epochs=1), data=result.data, progress=False)
    assert not np.array_equal(other.test_predictions, result.test_predictions)


def test_the_paper_protocol_is_labelled_and_validates_on_test():
    config = replace(CONFIG, protocol="paper", target_scaling=False)
    result = run(config, progress=False)
    assert result.card["protocol"] == "paper"
    assert result.test_report[ENERGY]["mae"] == pytest.approx(result.training.best_validation, rel=1e-5)


def test_two_targets_are_learned_by_one_network(with_more_targets):
    config = replace(CONFIG, targets=(ENERGY, "thousandfold")).with_training(max_epochs=8)
    result = run(config, data=data.load(config, loaded=with_more_targets), progress=False)
    assert result.test_predictions.shape == (len(result.data.test), 2)
    first, second = result.test_report[ENERGY], result.test_report["thousandfold"]
    # The second is the first on another scale, so scaled targets have both learned alike.
    assert second["mae"] / 1_000 == pytest.approx(first["mae"], rel=0.5)
    answers = result.predictor.predict_formulas(["NaCl"])
    assert list(answers) == ["formula", ENERGY, "thousandfold", "status", "reason"]


@pytest.mark.parametrize(("target", "num_classes"), [("is_stable", 2), ("third", 3)])
def test_classes_are_learned_with_the_cross_entropy(with_more_targets, target, num_classes):
    config = replace(CONFIG, targets=(target,), num_classes=num_classes).with_training(max_epochs=6)
    result = run(config, data=data.load(config, loaded=with_more_targets), progress=False)
    truth = result.data.test.y.astype(int)
    assert result.test_report[target] == classification_report(truth, result.test_predictions)
    assert result.test_report[target]["balanced_accuracy"] > 1.3 / num_classes  # chance is 1 / num_classes
    assert "validation_loss" in result.training.history
    assert result.training.best_validation == result.training.history["validation_loss"].min()
    answers = result.predictor.predict_formulas([*result.data.test.frame["formula"][:20], "Xx"])
    probabilities = answers[[f"probability_{number}" for number in range(num_classes)]].to_numpy()
    np.testing.assert_allclose(probabilities[:-1].sum(axis=1), 1, rtol=1e-5)
    assert (answers[target][:-1] == probabilities[:-1].argmax(axis=1)).all()
    assert answers[target].isna().tolist() == [False] * 20 + [True]


def test_a_constant_target_is_refused_by_name(with_more_targets):
    frame = with_more_targets.frame.assign(thousandfold=1.0)
    config = replace(CONFIG, targets=("thousandfold",))
    with pytest.raises(ValueError, match="'thousandfold' is constant"):
        run(config, data=data.load(config, loaded=replace(with_more_targets, frame=frame)), progress=False)


def test_sipfenn_is_trained_on_the_bundled_structures(monkeypatch):
    narrow = tuple(replace(layer, width=8) for layer in sipfenn.LAYERS["sipfenn_nn24"])
    monkeypatch.setitem(sipfenn.LAYERS, "sipfenn_nn24", narrow)
    loaded = few_structures()
    config = replace(sipfenn.PAPER_RECIPE, data=loaded.name).with_training(max_epochs=30, batch_size=16)
    result = run(config, data=data.load(config, loaded=loaded, num_processes=1), progress=False)
    assert result.card["inputs"] == "S+C" and result.predictor.needs_structure
    assert result.training.history["train_loss"].iloc[-1] < result.training.history["train_loss"].iloc[0]
    assert np.isfinite(result.test_predictions).all()


def few_structures() -> LoadedDataset:
    from common import datasets

    loaded = datasets.load("flla_structures")
    few = loaded.frame[loaded.frame["num_sites"] < 6].groupby("split").head(25)
    return replace(loaded, frame=few.reset_index(drop=True), rows=len(few))


@pytest.mark.parametrize(
    "changes", [{"input_scaling": "maximum"}, {"batch_norm_momentum": 0.5}, {"kernel_initializer": "he_normal"}]
)
def test_a_folder_of_other_settings_is_refused_and_stays_as_it_was(trained, changes):
    result, folder = trained
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(CheckpointMismatchError):
        run(replace(CONFIG, **changes), folder, data=result.data, progress=False)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_trains(name):
    config = replace(RECIPES[name], variant="8BARx1-1", data="flla", max_train_rows=300).with_training(max_epochs=2)
    result = run(config, progress=False)
    assert result.card["recipe"] == name and result.test_report[ENERGY]["n"] > 100
    assert isinstance(result.training.history, pd.DataFrame)
