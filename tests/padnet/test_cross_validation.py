"""Cross-validation around a stand-in for the training, which the network's own tests cover."""

import sys
from dataclasses import replace
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from padnet import cross_validation
from padnet.config import PAPER_RECIPE
from padnet.cross_validation import Job, cross_validate
from padnet.data import SIMULATED, XrdDataset
from padnet.folds import stratified_folds, with_validation


def dataset(seed: int = 0, shift: int = 0) -> XrdDataset:
    """Brightness of the frame is the label, plus a shift."""
    labels = np.random.default_rng(seed).permutation(np.arange(24) % 3)
    frames = np.zeros((24, 1, 4, 4), np.uint16) + labels[:, None, None, None].astype(np.uint16) + np.uint16(shift)
    return XrdDataset(
        "wafer",
        SIMULATED,
        frames,
        np.ones((24, 1)),
        ("Sn",),
        np.zeros((24, 2)),
        labels,
        ("a", "b", "c"),
        tuple(map(str, range(24))),
    )


@pytest.fixture
def trainings(monkeypatch):
    """A network that reads the class off the brightness; what it was trained on is kept."""
    seen = []

    def run(dataset, train_rows, validation_rows, config, folder=None, features=None, progress=True):
        seen.append((train_rows, validation_rows, config))
        if config.recipe == "broken":
            raise ValueError("Expected a network; received none.")
        predictor = SimpleNamespace(predict=lambda dataset: np.eye(3)[np.minimum(dataset.frames[:, 0, 0, 0], 2)])
        return SimpleNamespace(predictor=predictor, training=SimpleNamespace(seconds=2.0))

    module = ModuleType("padnet.train")
    module.run = run
    monkeypatch.setitem(sys.modules, "padnet.train", module)
    monkeypatch.setattr(cross_validation, "_features", lambda dataset, config: dataset.frames)
    return seen


def jobs(data: XrdDataset, name: str = "padnet", config=PAPER_RECIPE, tests: dict | None = None) -> list[Job]:
    folds = with_validation(stratified_folds(data.labels, 4), data.labels)
    return [Job(name, config, data, fold, number, tests or {}) for number, fold in enumerate(folds)]


def test_every_sample_is_predicted_by_the_fold_that_did_not_train_on_it(trainings, tmp_path):
    data = dataset()
    found, failures = cross_validate(jobs(data), tmp_path)
    assert failures == []
    result = found["padnet", ""]
    assert result.accuracy == 1 and result.tested.all() and result.seconds == 8
    for number, (train, validation, _) in enumerate(trainings):
        assert not np.isin(np.flatnonzero(result.fold == number), np.concatenate([train, validation])).any()


def test_other_images_of_the_test_samples_are_scored_apart(trainings, tmp_path):
    data = dataset()
    found, _ = cross_validate(jobs(data, tests={"raw": data, "brighter": dataset(shift=2)}), tmp_path)
    assert found["padnet", "raw"].accuracy == 1
    np.testing.assert_array_equal(found["padnet", "brighter"].predicted, 2)
    assert len(trainings) == 4  # one training for both


def test_finished_folds_are_not_trained_again(trainings, tmp_path):
    first, _ = cross_validate(jobs(dataset())[:3], tmp_path)
    assert len(trainings) == 3 and (first["padnet", ""].fold == -1).sum() == 6
    again, _ = cross_validate(jobs(dataset()), tmp_path)
    assert len(trainings) == 4 and again["padnet", ""].tested.all()
    cross_validate(jobs(dataset(seed=1)), tmp_path)  # other labels and images
    assert len(trainings) == 8
    cross_validate(jobs(dataset(), config=PAPER_RECIPE.with_training(seed=3)), tmp_path)
    assert len(trainings) == 12


def test_a_failure_costs_its_fold_and_is_a_sentence(trainings, tmp_path):
    broken = replace(PAPER_RECIPE, recipe="broken")
    mixed = jobs(dataset())[:3] + jobs(dataset(), config=broken)[3:]
    said = []
    found, failures = cross_validate(mixed, tmp_path, report=said.append)
    assert failures == ["wafer, padnet, fold 4: ValueError: Expected a network; received none."]
    assert found["padnet", ""].tested.sum() == 18 and len(said) == 4
    found, failures = cross_validate(jobs(dataset()) + jobs(dataset(), "other", config=broken), tmp_path)
    assert set(found) == {("padnet", "")} and len(failures) == 4
    found, failures = cross_validate(jobs(dataset(), config=broken), tmp_path)
    assert found == {} and len(failures) == 4
