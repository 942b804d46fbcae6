"""A whole training of ElemNet on the bundled sample, with a tiny network."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from common import artifacts
from common.metrics import regression_report
from common.training import TrainingConfig
from elemnet import data
from elemnet.config import ElemNetConfig
from elemnet.predict import load_pretrained
from elemnet.train import run

CONFIG = ElemNetConfig(
    recipe="test",
    data="flla",
    architecture="16x1D-8x1-1",
    dropout_rates=(0.1,),
    max_train_rows=500,
    training=TrainingConfig(learning_rate=3e-3, batch_size=64, max_epochs=3, patience_epochs=None),
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return run(CONFIG, folder, progress=False), folder


def test_the_test_report_is_about_the_test_rows(trained):
    result, _ = trained
    assert result.test_report == regression_report(result.data.test.y, result.test_predictions)
    assert result.test_report["n"] == len(result.data.test) == len(result.test_predictions)
    assert result.card["metrics"]["test"] == result.test_report


def test_the_model_saved_is_the_model_scored(trained):
    result, folder = trained
    loaded = load_pretrained(folder / "model.keras")
    answers = loaded.predict(result.data.test.frame["formula"])
    np.testing.assert_allclose(answers["formation_energy_ev_per_atom"], result.test_predictions, atol=1e-6)
    assert loaded.has_dropout and loaded.elements == result.data.elements


def test_the_card_says_what_was_done(trained):
    result, folder = trained
    card = artifacts.load(folder / "model.keras").card
    assert set(artifacts.REQUIRED_CARD_KEYS) <= set(card)
    assert card["architecture"] == CONFIG.architecture and card["protocol"] == "honest" and card["recipe"] == "test"
    assert card["training"]["max_epochs"] == 3 and card["dropout_rates"] == [0.1]
    assert card["data"]["name"] == "flla" and card["data"]["rows_train"] == 500
    assert card["data"]["rows_test"] == len(result.data.test)
    assert card["learning_curve"]["epoch"] == [1, 2, 3]
    assert card["metrics"]["validation_mae"] == result.training.best_validation


def test_the_split_is_saved(trained):
    from common import splits

    result, folder = trained
    ids = splits.load_ids(folder / "split.json")
    assert ids["test"] == result.data.test.frame["formula"].tolist() and len(ids["train"]) == 500


def test_the_same_seed_repeats_to_the_bit_and_another_does_not(trained):
    result, _ = trained
    again = run(CONFIG, data=result.data, progress=False)
    assert np.array_equal(again.test_predictions, result.test_predictions)
    other = run(CONFIG.with_training(seed=1, max_epochs=1), data=result.data, progress=False)
    assert not np.array_equal(other.test_predictions, result.test_predictions)


def test_the_paper_protocol_is_labelled_and_validates_on_test():
    result = run(replace(CONFIG, protocol="paper"), progress=False)
    assert result.card["protocol"] == "paper"
    assert result.test_report["mae"] == pytest.approx(result.training.best_validation, rel=1e-5)


def test_mixed_precision_stays_within_the_run(trained):
    result, _ = trained
    mixed = run(CONFIG.with_training(mixed_precision="mixed_bfloat16", max_epochs=1), data=result.data, progress=False)
    assert keras.config.dtype_policy().name == "float32"
    assert mixed.test_predictions.dtype == np.float32
    with pytest.raises(ValueError):
        run(CONFIG.with_training(mixed_precision="mixed_int3"), data=result.data, progress=False)
    assert keras.config.dtype_policy().name == "float32"


def test_a_table_with_one_test_row_can_be_trained_on(tmp_path):
    lines = [f"Na{i}Cl{j},{-1 + 0.1 * i},train" for i in range(1, 8) for j in range(8, 12)]
    lines += ["KCl,-1,train", "Na11Cl13,-1,val", "Na13Cl11,-1.5,val", "Na13Cl12,-1,test"]
    (tmp_path / "t.csv").write_text("\n".join(["formula,formation_energy_ev_per_atom,split", *lines]) + "\n")
    config = replace(CONFIG, data=str(tmp_path / "t.csv"), max_train_rows=None)
    result = run(config, tmp_path / "run", progress=False)
    assert result.test_report["n"] == 1 and result.test_report["r2"] is None
    assert data.load(config).loaded.tier == "user"
