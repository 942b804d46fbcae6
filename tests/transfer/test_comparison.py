"""Transfer beside scratch on the same splits, and what tables are made of it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from common import artifacts
from common.training import CollapsedTrainingError, TrainingResult
from transfer import comparison
from transfer.comparison import Job, Trained, error_ratio, fold_errors, predictions, train_all
from transfer.config import from_scratch
from transfer.data import TargetData, folds, load
from transfer.fine_tune import Continued
from transfer.network import load_network

ENERGY = "formation_energy_ev_per_atom"


@pytest.fixture(scope="module")
def data(elemnet_source, table) -> TargetData:
    network = load_network(elemnet_source)
    return replace(load(network, "my", loaded=table), seen=np.arange(72) % 3 == 0)


@pytest.fixture(scope="module")
def make_job(data, quick, elemnet_source):
    def make(name="transfer", fold=0, seed=0, **changes) -> Job:
        config = (from_scratch(quick) if name == "scratch" else quick).with_training(max_epochs=2, seed=seed)
        split = folds(len(data), 6, 0)[fold]
        elsewhere = {"others": data.rows.x[:5]}
        return replace(Job(name, config, elemnet_source, data, split, f"{fold + 1} of 6", elsewhere), **changes)

    return make


@pytest.fixture
def untrained(monkeypatch):
    """In place of a training the source itself, and a list of the folders; fails for learning rates above 1."""
    folders: list[Path] = []

    def fine_tune(source, train, validation, config, *, target, folder):
        folder.mkdir(parents=True)
        folders.append(folder)
        if config.training.learning_rate > 1:
            raise CollapsedTrainingError("The training collapsed:\n  predictions are constant.")
        (folder / "checkpoint.npz").write_bytes(b"large")
        return Continued(source, TrainingResult(pd.DataFrame(), 0.1, 7, "max_epochs", 12.5))

    monkeypatch.setattr(comparison, "fine_tune", fine_tune)
    return folders


# ------------------------------------------------------------------------------------------------------------ trained


def test_side_by_side_they_say_what_they_say_alone(make_job, data, tmp_path):
    jobs = [make_job("scratch"), make_job(keep_model=True)]
    said: list[str] = []
    trained, failures = train_all(jobs, tmp_path / "all", num_processes=1, report=said.append)
    assert failures == [] and [one.name for one in trained] == ["scratch", "transfer"]
    assert len(said) == 2 and all("made up, " in text and "trained in" in text for text in said)
    split = jobs[0].split
    for one in trained:
        np.testing.assert_array_equal(one.test_rows, np.flatnonzero(split == "test"))
        assert (one.data, one.label, one.rows_train) == ("made up", "1 of 6", 54)
        assert one.predicted.shape == (12,) and one.elsewhere["others"].shape == (5,) and 1 <= one.best_epoch <= 4
    assert not np.allclose(trained[0].predicted, trained[1].predicted)
    alone = comparison.train(make_job(keep_model=True), tmp_path / "alone")
    np.testing.assert_array_equal(alone.predicted, trained[1].predicted)
    np.testing.assert_array_equal(alone.elsewhere["others"], trained[1].elsewhere["others"])
    network = load_network(trained[1].folder / "model.keras")
    np.testing.assert_allclose(
        network.predict_attributes(data.rows.x[alone.test_rows])[:, 0], alone.predicted, atol=1e-6
    )
    np.testing.assert_allclose(network.predict_attributes(data.rows.x[:5])[:, 0], alone.elsewhere["others"], atol=1e-6)
    assert network.targets == (ENERGY,)
    files = [{path.name for path in one.folder.iterdir()} for one in trained]
    assert files == [{"answers.npz", "history.csv"}, {"answers.npz", "history.csv", "model.keras", "model.json"}]


def test_what_is_finished_is_read_again(make_job, untrained, data, elemnet_source, tmp_path):
    jobs = [make_job("scratch"), make_job()]
    first, _ = train_all(jobs, tmp_path, num_processes=1)
    assert len(untrained) == 2 and not list(tmp_path.glob("*/checkpoint.npz"))
    expected = load_network(elemnet_source).predict_attributes(data.rows.x[first[0].test_rows])[:, 0]
    np.testing.assert_array_equal(first[0].predicted, expected)
    assert (first[0].seconds, first[0].best_epoch, first[0].rows_train) == (12.5, 7, 54)
    again, _ = train_all(jobs[::-1], tmp_path, num_processes=1)
    assert len(untrained) == 2
    for one, other in zip(first, again[::-1], strict=True):
        np.testing.assert_array_equal(one.predicted, other.predicted)
        assert (one.name, one.folder, one.seconds) == (other.name, other.folder, other.seconds)


def test_all_that_decides_the_outcome_names_the_folder(
    make_job, untrained, data, save_elemnet, elemnet_source, tmp_path
):
    model, card = artifacts.load(elemnet_source).model, artifacts.load(elemnet_source).card
    model.set_weights([1.01 * w for w in model.get_weights()])
    other_source = str(artifacts.save(Path(save_elemnet()).with_name("other.keras"), model, card))
    moved = replace(data, rows=replace(data.rows, y=data.rows.y + 0.01))
    job = make_job()
    jobs = [
        job,
        make_job("scratch"),
        make_job(seed=1),
        make_job(fold=1),
        make_job(source=other_source),
        make_job(data=moved),
        make_job(data=replace(data, target="another")),
        make_job(elsewhere={"others": data.rows.x[:6]}),
        make_job(elsewhere={"more": data.rows.x[:5]}),
        make_job(config=replace(job.config, protocol="paper")),
        make_job(config=replace(job.config, frozen_up_to="stack1_block1_dense")),
    ]
    trained, failures = train_all(jobs, tmp_path, num_processes=1)
    assert failures == [] and len(set(untrained)) == len(jobs) == len({one.folder for one in trained})
    for named in (make_job(label="a hold-out"), make_job(source=str(Path(elemnet_source).resolve()))):
        train_all([named], tmp_path, num_processes=1)  # the same training under another name
    assert len(untrained) == len(jobs)


def test_names_of_data_do_not_lead_elsewhere(make_job, untrained, data, tmp_path):
    loaded = replace(data.loaded, name="../a/b.csv")
    train_all([make_job(data=replace(data, loaded=loaded))], tmp_path / "runs", num_processes=1)
    assert untrained[0].parent == tmp_path / "runs"


def test_failures_are_sentences_and_stop_no_other(make_job, untrained, tmp_path):
    failing = make_job("scratch")
    failing = replace(failing, config=failing.config.with_training(learning_rate=2.0))
    without_training_rows = make_job(split=np.full(72, "test", object), label="all")
    said: list[str] = []
    trained, failures = train_all(
        [failing, make_job(), without_training_rows], tmp_path, num_processes=1, report=said.append
    )
    assert [one.name for one in trained] == ["transfer"] and len(said) == 3
    assert failures == [said[0], said[2]] and all("\n" not in text for text in failures)
    assert failures[0].startswith("made up, scratch, 1 of 6: ") and "The training collapsed" in failures[0]
    assert failures[1].startswith("made up, transfer, all: ") and "no training row" in failures[1]
    _, again = train_all([failing], tmp_path / "again", num_processes=1)
    assert again == failures[:1]


def test_classes_are_handed_on_as_scores_or_as_the_likeliest(untrained, make_job, save_elemnet, tmp_path):
    for width in (1, 3):
        source = save_elemnet(f"8x1-{width}")
        (one,), _ = train_all([make_job(source=source)], tmp_path / str(width), num_processes=1)
        outputs = load_network(source).predict_attributes(make_job().data.rows.x[one.test_rows])
        expected = outputs[:, 0] if width == 1 else outputs.argmax(axis=1)
        np.testing.assert_array_equal(one.predicted, expected)


# -------------------------------------------------------------------------------------------------------- predictions


def trained(name: str, label: str, rows: list[int], predicted: list[float]) -> Trained:
    numbers = np.array(rows), np.array(predicted)
    return Trained(
        name, "made up", label, *numbers, elsewhere={}, rows_train=9, seconds=1.0, best_epoch=1, folder=Path()
    )


def test_predictions_stand_side_by_side(data, elemnet_source):
    source = load_network(elemnet_source)
    networks = [
        trained("scratch", "a", [3, 5], [1.0, 2.0]),
        trained("transfer", "a", [3, 5], [1.5, 2.5]),
        trained("transfer", "b", [0, 9], [0.0, 0.1]),
        trained("scratch", "b", [0, 9], [7.0, 8.0]),
    ]
    table = predictions(data, source, networks)
    assert list(table) == ["split", "formula", "true", "seen_by_source", "scratch", "transfer", "source"]
    assert table["split"].tolist() == ["a", "a", "b", "b"]
    assert table["formula"].tolist() == data.rows.frame["formula"][[3, 5, 0, 9]].tolist()
    assert table["true"].tolist() == data.rows.y[[3, 5, 0, 9]].tolist()
    assert table["scratch"].tolist() == [1.0, 2.0, 7.0, 8.0] and table["transfer"].tolist() == [1.5, 2.5, 0.0, 0.1]
    assert table["seen_by_source"].tolist() == [True, False, True, True]
    np.testing.assert_allclose(table["source"], source.predict_attributes(data.rows.x[[3, 5, 0, 9]])[:, 0], atol=1e-6)
    without = predictions(replace(data, seen=None), None, networks)
    assert "source" not in without and without["seen_by_source"].isna().all()


def test_splits_that_one_network_lacks_are_left_out(data):
    networks = [
        trained("scratch", "a", [3], [1.0]),
        trained("transfer", "a", [3], [1.5]),
        trained("transfer", "b", [0], [0.0]),
    ]
    assert predictions(data, None, networks)["split"].tolist() == ["a"]
    with pytest.raises(ValueError, match="made up: no split was trained without failure"):
        predictions(data, None, [networks[0], networks[2]])
    with pytest.raises(ValueError, match="no split"):
        predictions(data, None, [])


def test_rows_that_one_network_lacks_are_left_out(data):
    """Other training rows have other 5-sigma limits, which test rows may or may not lie within."""
    networks = [trained("scratch", "a", [3, 5, 8], [1.0, 2.0, 3.0]), trained("transfer", "a", [5, 8], [2.5, 3.5])]
    table = predictions(data, None, networks)
    assert table["scratch"].tolist() == [2.0, 3.0] and table["transfer"].tolist() == [2.5, 3.5]
    assert table["true"].tolist() == data.rows.y[[5, 8]].tolist()


@pytest.fixture
def by_hand() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    true = rng.normal(size=200)
    splits = np.repeat(["10 of 10", "2 of 10", "1 of 10"], [100, 60, 40])
    noise = rng.normal(size=(200, 2)) * [0.1, 0.2]
    return pd.DataFrame({"split": splits, "true": true, "a": true + noise[:, 0], "b": true + noise[:, 1]})


def test_errors_of_folds_by_hand(by_hand):
    errors = fold_errors(by_hand, ["a", "b"])
    assert list(errors.index) == ["10 of 10", "2 of 10", "1 of 10"] and list(errors) == ["a", "b"]
    for split, group in by_hand.groupby("split"):
        for name in ("a", "b"):
            assert errors.loc[split, name] == pytest.approx(np.mean(np.abs(group[name] - group["true"])), rel=1e-12)


def test_the_ratio_of_errors_by_hand(by_hand):
    a, b = (np.abs(by_hand[name] - by_hand["true"]).to_numpy() for name in ("a", "b"))
    ratio, low, high = error_ratio(by_hand, "a", "b")
    assert ratio == pytest.approx(a.mean() / b.mean(), rel=1e-12)
    rng = np.random.default_rng(7)
    drawn = [rng.integers(0, 200, 200) for _ in range(4000)]
    ends = np.quantile([a[rows].mean() / b[rows].mean() for rows in drawn], [0.025, 0.975])  # rows are drawn in pairs
    assert [low, high] == pytest.approx(ends, abs=0.02) and low < ratio < high
    assert error_ratio(by_hand, "b", "a")[0] == pytest.approx(1 / ratio)
    assert error_ratio(by_hand, "a", "a") == (1, 1, 1)


def test_the_number_of_resamples_is_that_asked_for(by_hand):
    _, low, high = error_ratio(by_hand, "a", "b", num_resamples=1)
    assert low == high
