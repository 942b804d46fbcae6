import os

import numpy as np
import pandas as pd
import pytest

from padnet import stored_results
from padnet.data import STORED_RESULTS, WAFER_LABELS
from padnet.evaluation import paired_test
from padnet.folds import released_folds

MIRROR = os.environ.get("MATERIALS_DL_MIRROR")  # before conftest.py takes it away
needs_files = pytest.mark.skipif(MIRROR is None, reason="needs the stored predictions in a mirror folder")


@pytest.fixture(scope="module")
def stored():
    return stored_results.load(data_dir=MIRROR)


@pytest.fixture
def made_up(tmp_path, monkeypatch):
    """A small wafer, and one configuration that looks at backgrounds while the other does not."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 8, 60)
    blind, seeing = np.where(rng.random(60) < 0.3, 0, labels), labels
    rows = []
    for model, changes in (("SLAC", 0), ("Bruker", 3)):
        for background in stored_results.BACKGROUNDS:
            predicted = (blind if model == "SLAC" else seeing).copy()
            predicted[:changes] = (labels[:changes] + 1) % 8 if background == "TIF-MF" else labels[:changes]
            right = [100 * (predicted[test] == labels[test]).mean() for test in released_folds(60)]
            text = " ".join(map(str, predicted))
            rows.append(("fixed", model, "TIF", background, 0, np.mean(right), np.std(right), text))
    columns = ["filters", "model", "train_input", "test_input", "pooled_acc", "mean_acc", "std_acc", "predictions"]
    paths = {STORED_RESULTS: tmp_path / "stored.csv", WAFER_LABELS: tmp_path / "labels.csv"}
    pd.DataFrame(rows, columns=columns).to_csv(paths[STORED_RESULTS], index=False)
    places = {"sample": range(60), "row": 0, "x": labels, "y": 0, "label0to7": labels}
    pd.DataFrame(places).to_csv(paths[WAFER_LABELS], index=False)
    monkeypatch.setattr(stored_results, "fetch", lambda file, data_dir=None: paths[file])
    return stored_results.load()


def test_a_configuration_that_looks_at_its_images_changes_predictions(made_up):
    table = stored_results.by_configuration(made_up).set_index("detector")
    assert list(table["distinct_predictions"]) == [1, 2]
    assert list(table["samples_changed"]) == [0, 3]
    np.testing.assert_allclose(table["accuracy"], table["stored_accuracy"])
    assert table.loc["NIST", "accuracy"] == 1
    assert set(table["trained_on"]) == {"raw"} and set(table["filters"]) == {"fixed"}


def test_a_forest_on_places_that_tell_the_class_has_all_right(made_up):
    assert stored_results.position_forest(made_up, num_trees=10).accuracy > 0.95


@needs_files
def test_the_released_folds_give_every_stored_mean_and_deviation(stored):
    assert len(stored.runs) == 64
    for run in stored.runs:
        assert run.result.fold_accuracies.mean() == pytest.approx(run.stored_accuracy, abs=1e-12)
        assert run.result.fold_accuracies.std() == pytest.approx(run.stored_sd, abs=1e-12)


@needs_files
def test_slac_predictions_never_depend_on_the_background_of_the_test_images(stored):
    table = stored_results.by_configuration(stored)
    slac = table[table["detector"] == "SLAC"]
    assert len(table) == 16 and len(slac) == 8
    assert (slac["distinct_predictions"] == 1).all() and (slac["samples_changed"] == 0).all()


@needs_files
def test_the_place_alone_does_as_well_as_the_best_stored_network(stored):
    forest = stored_results.position_forest(stored, num_trees=50)
    assert forest.accuracy == pytest.approx(0.847, abs=0.02)
    best = max(stored.runs, key=lambda run: run.stored_accuracy)
    assert paired_test(best.result, forest).verdict == "no difference shown"
