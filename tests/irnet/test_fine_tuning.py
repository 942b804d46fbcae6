"""A network continued on a small new system."""

from dataclasses import asdict

import keras
import numpy as np
import pandas as pd
import pytest

from common import networks, splits
from common.training_config import TrainingConfig
from irnet import fine_tuning
from irnet.fine_tuning import fine_tune, fine_tune_on_system, new_points_study
from irnet.predict import Predictor
from irnet.system import System

TRAINED = TrainingConfig(
    learning_rate=0.01,
    schedule="warmup",
    warmup_epochs=5.0,
    l2=1e-6,
    batch_size=2_048,
    max_epochs=240,
    patience_epochs=7,
    dropout_free_epochs=3,
)


def predictor(key: str = "16x2D-1", training=TRAINED, **changes) -> Predictor:
    rates = (0.2,) * networks.parse_architecture(key).num_dropouts
    model = networks.build(key, 86, dropout_rates=rates, seed=1)
    kernel, bias = model.get_layer("output").get_weights()
    model.get_layer("output").set_weights([50 * kernel, bias])  # answers that vary, as those of a trained network do
    card = {"name": "tiny", "inputs": "EF", "targets": ["energy"], "elements": ["Na", "Cl"], "metrics": {"test": 1}}
    return Predictor(model, card | {"training": asdict(training)} | changes)


@pytest.fixture
def system():
    rng = np.random.default_rng(0)
    x = rng.dirichlet(np.ones(86), 60).astype(np.float32)
    return x, 3 + 40 * x[:, 0] - 20 * x[:, 1]


def weights(p: Predictor) -> list[np.ndarray]:
    return p.model.get_weights()


def error(p: Predictor, x, y) -> float:
    return float(np.abs(p.predict_attributes(x)[:, 0] - y).mean())


def test_a_part_of_the_system_is_held_out_and_scored_before_and_after(system):
    x, y = system
    rows = System(np.array(["LiF"] * len(x), object), x, y[:, None], {}, "tiny")
    original = predictor()
    tuned = fine_tune_on_system(original, rows, held_out=0.25, epochs=40, learning_rate_ratio=1.0, seed=3)
    assert (tuned.num_new, tuned.num_held_out) == (45, 15)
    new, rest = splits.hold_out(len(x), 0.25, 3)
    assert tuned.mae_before == pytest.approx(error(original, x[rest], y[rest]), rel=1e-6)
    assert tuned.mae_after == pytest.approx(error(tuned.predictor, x[rest], y[rest]), rel=1e-6)
    alone = fine_tune(original, x[new], y[new], epochs=40, learning_rate_ratio=1.0, seed=3)
    assert all(np.array_equal(a, b) for a, b in zip(weights(alone), weights(tuned.predictor), strict=True))
    assert set(tuned.predictor.elements) == {"Na", "Cl", "Li", "F"}
    everything = fine_tune_on_system(original, rows, held_out=0, epochs=1)
    assert (everything.num_new, everything.num_held_out) == (60, 0) and np.isnan(everything.mae_after)


def test_the_new_rows_are_learned_and_the_original_stays(system):
    original = predictor()
    before = weights(original)
    continued = fine_tune(original, *system, epochs=40, learning_rate_ratio=1.0)
    assert error(continued, *system) < 0.5 * error(original, *system)
    assert all(np.array_equal(a, b) for a, b in zip(before, weights(original), strict=True))
    assert [layer.name for layer in continued.model.layers] == [layer.name for layer in original.model.layers]


def test_rate_and_schedule_are_those_of_the_card_slowed_down(system, monkeypatch):
    seen, fit = [], fine_tuning.fit

    def spy(model, train, validation, config, **kwargs):
        seen.append(config)
        return fit(model, train, validation, config, **kwargs)

    monkeypatch.setattr(fine_tuning, "fit", spy)
    fine_tune(predictor(), *system, epochs=8)
    (config,) = seen
    assert config.learning_rate == pytest.approx(0.001)
    assert (config.optimizer, config.schedule, config.l2, config.loss) == ("adam", "warmup", 1e-6, "mae")
    assert config.max_epochs == 8 and config.warmup_epochs == 2 and config.batch_size == len(system[0])
    assert config.patience_epochs is None and config.dropout_free_epochs == 0 and not config.restore_best
    fine_tune(predictor(), *system, epochs=8, learning_rate_ratio=1.0, validation=system)
    assert seen[1].learning_rate == 0.01 and seen[1].restore_best


def test_the_card_says_what_it_was_continued_on(system):
    continued = fine_tune(predictor(), *system, epochs=2, elements=("Cl", "Ti"), validation=system)
    assert continued.elements == ("Na", "Cl", "Ti")
    note = continued.card["fine_tuned"]
    assert note["rows"] == 60 and note["epochs"] == 2 and note["learning_rate"] == pytest.approx(0.001)
    assert note["from"] == "tiny" and note["metrics_before"] == {"test": 1}
    assert continued.card["metrics"]["validation_mae"] == pytest.approx(error(continued, *system), rel=1e-4)


def test_the_same_seed_repeats_to_the_bit_and_another_does_not(system):
    first, again, other = (weights(fine_tune(predictor(), *system, epochs=3, seed=seed))[0] for seed in (1, 1, 2))
    assert (first == again).all() and not (first == other).all()


def test_batch_norms_stay_as_they_are(system):
    original = predictor("16BARx2-1")
    continued = fine_tune(original, *system, epochs=5)
    for before, after in zip(original.model.layers, continued.model.layers, strict=True):
        if isinstance(before, keras.layers.BatchNormalization):
            assert all(np.array_equal(a, b) for a, b in zip(before.get_weights(), after.get_weights(), strict=True))
        elif isinstance(before, keras.layers.Dense):
            assert not np.array_equal(before.get_weights()[0], after.get_weights()[0])


def test_a_killed_fine_tuning_is_continued_for_the_same_network_alone(system, tmp_path):
    from common.checkpoint import CheckpointMismatchError

    original = predictor()
    first = fine_tune(original, *system, epochs=3, folder=tmp_path)
    again = fine_tune(original, *system, epochs=3, folder=tmp_path)
    assert all(np.array_equal(a, b) for a, b in zip(weights(first), weights(again), strict=True))
    with pytest.raises(CheckpointMismatchError):
        fine_tune(first, *system, epochs=3, folder=tmp_path)


def test_what_cannot_be_continued_is_refused(system):
    with pytest.raises(ValueError, match="classifier of 2 classes"):
        fine_tune(predictor(num_classes=2), *system)
    with pytest.raises(ValueError, match="settings of a training.*speed"):
        fine_tune(Predictor(predictor().model, predictor().card | {"training": {"speed": 1}}), *system)


def test_the_study_scores_every_number_on_the_same_rows(system, monkeypatch):
    x, y = system
    seen = []
    tune = fine_tuning.fine_tune
    monkeypatch.setattr(fine_tuning, "fine_tune", lambda p, x, y, **kw: seen.append(x) or tune(p, x, y, **kw))
    original = predictor()
    table = new_points_study(original, x, y, numbers=(0, 5, 40), rounds=2, epochs=40, learning_rate_ratio=1.0)
    assert list(table) == ["num_points", "round", "test_mae", "num_test"]
    assert table[["num_points", "round"]].to_numpy().tolist() == [[n, r] for r in (0, 1) for n in (0, 5, 40)]
    assert (table["num_test"] == 20).all()
    mean = table.groupby("num_points")["test_mae"].mean()
    assert mean[40] < mean[0]
    assert len(seen) == 4
    few, many = ({row.tobytes() for row in rows} for rows in seen[:2])
    assert few < many
    rest = np.array([row.tobytes() not in many for row in x])
    assert rest.sum() == 20
    assert table["test_mae"][0] == pytest.approx(error(original, x[rest], y[rest]), rel=1e-5)
    first, again = (new_points_study(original, x, y, numbers=(5,), rounds=1, epochs=2) for _ in range(2))
    pd.testing.assert_frame_equal(first, again)


@pytest.mark.parametrize("numbers", [(), (0, 60), (-1, 3)])
def test_numbers_that_leave_nothing_to_score_on_are_refused(system, numbers):
    with pytest.raises(ValueError, match="60 rows"):
        new_points_study(predictor(), *system, numbers=numbers)
