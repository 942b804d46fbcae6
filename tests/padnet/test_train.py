"""A whole training of a tiny PADNet: what it learns and leaves behind, resuming, and the faults that can be shown."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from common import artifacts, backend, progress
from common.training import CollapsedTrainingError
from padnet.config import PAPER_RECIPE, RELEASED_RECIPE, PADNetConfig
from padnet.inputs import peak_area_features
from padnet.predict import load
from padnet.train import make_loss, run


def quick(config: PADNetConfig, epochs: int = 2) -> PADNetConfig:
    return replace(config, image_px=128).with_training(max_epochs=epochs)


def test_it_learns_what_only_the_images_show(trained, spread, parts):
    probabilities = trained[0].predictor.predict(spread, parts[2])
    assert (probabilities.argmax(axis=1) == spread.labels[parts[2]]).mean() >= 0.9


def test_the_control_without_images_knows_nothing_here(spread, parts, tiny_config):
    control = run(spread, *parts[:2], replace(tiny_config, inputs=("composition", "position")), progress=False)
    assert (control.predictor.predict(spread, parts[2]).argmax(axis=1) == spread.labels[parts[2]]).mean() <= 0.7


def test_the_model_saved_is_the_model_trained(trained, spread, parts):
    result, folder = trained
    assert {path.name for path in folder.iterdir()} == {"checkpoint.npz", "history.csv", "model.keras", "model.json"}
    loaded = load(folder / "model.keras")
    assert loaded.weights_hash() == result.predictor.weights_hash() and loaded.config == result.predictor.config
    np.testing.assert_allclose(
        loaded.predict(spread, parts[2]), result.predictor.predict(spread, parts[2]), rtol=1e-5, atol=1e-6
    )


def test_the_card_says_what_was_done(trained, tiny_config):
    card = artifacts.load(trained[1] / "model.keras").card
    assert set(artifacts.REQUIRED_CARD_KEYS) <= set(card)
    assert card["components"] == ["Sn", "Zn"] and card["class_names"] == ["a", "b", "a + b"]
    assert card["data"] == {"name": "rings", "origin": "simulated", "rows_train": 26, "rows_validation": 0}
    assert card["recipe"] == "robust" and card["learning_curve"]["epoch"] == list(range(1, 41))
    assert card["config"]["image_px"] == 128 and card["training"]["max_epochs"] == 40
    assert "validation_accuracy" not in card["metrics"]  # nothing was held back from training


def test_a_recipe_that_chooses_is_scored_on_the_rows_that_chose(spread, parts, tmp_path):
    config = replace(quick(PAPER_RECIPE), inputs=("composition",))
    result = run(spread, *parts[:2], config, tmp_path, progress=False)
    predicted = result.predictor.predict(spread, parts[1]).argmax(axis=1)
    curve = result.training.history
    assert result.card["metrics"]["validation_accuracy"] == (predicted == spread.labels[parts[1]]).mean()
    assert (
        result.card["metrics"]["validation_accuracy"] == curve["validation_accuracy"][curve["validation_loss"].idxmin()]
    )
    assert result.card["data"]["rows_train"] == 20 and result.card["data"]["rows_validation"] == 6


def test_test_rows_and_the_rest_of_the_data_change_nothing(spread, parts, tiny_config):
    """Components, scalings and weights come from training rows alone."""
    config = tiny_config.with_training(max_epochs=2)
    others = spread.with_frames(spread.frames.copy())
    others.frames[parts[2]] = others.frames[parts[2][::-1]] * 3
    first, second = (
        run(data, *parts[:2], config, progress=False).predictor.weights_hash() for data in (spread, others)
    )
    assert first == second


def test_where_validation_is_test_nothing_is_trained_on_it(spread, parts, tiny_config, monkeypatch):
    seen = []

    def fit(model, train, validation, settings, **options):
        seen.append((train[0][:, 0], validation[0][:, 0]))
        raise Killed

    monkeypatch.setattr(sys.modules[run.__module__], "fit", fit)
    for protocol, expected in (("paper", parts[0]), ("honest", np.concatenate([parts[0], parts[2]]))):
        config = replace(tiny_config, inputs=("composition",), protocol=protocol)
        with pytest.raises(Killed):
            run(spread, parts[0], parts[2], config, progress=False)
        np.testing.assert_array_equal(seen[-1][0], expected)
        np.testing.assert_array_equal(seen[-1][1], parts[2])


class Killed(BaseException):
    """Stands in for SIGKILL where starting a process would cost too much."""


def test_a_run_killed_and_started_again_ends_with_the_same_bits(spread, parts, tiny_config, tmp_path, monkeypatch):
    config = tiny_config.with_training(max_epochs=4, checkpoint_seconds=0.0)
    features = peak_area_features(spread, config)
    whole = run(spread, *parts[:2], config, features=features, progress=False)
    calls = iter(range(1, 99))

    def advance(*_):
        if next(calls) == 3:
            raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(progress.TrainingProgress, "advance", advance)
        run(spread, *parts[:2], config, tmp_path, features=features, progress=False)
    resumed = run(spread, *parts[:2], config, tmp_path, features=features, progress=False)
    assert resumed.predictor.weights_hash() == whole.predictor.weights_hash()


def test_trained_filters_are_trained(spread, parts):
    config = replace(quick(PAPER_RECIPE), trainable_filters=True, inputs=("image",))
    result = run(spread, *parts[:2], config, progress=False)
    filters = result.predictor.model.get_layer("tower1_peak_area").filters
    assert not np.isin(np.asarray(filters), (-1, 1)).all()
    assert result.predictor.predict(spread, parts[2]).shape == (10, 3)


def test_filters_of_large_images_are_not_trained_without_a_gpu(spread, parts, monkeypatch):
    config = replace(PAPER_RECIPE, image_px=1024, trainable_filters=True)
    monkeypatch.setattr(backend, "start_devices", lambda: "the CPU")
    with pytest.raises(ValueError, match="at most 512 px to train slope filters on a CPU.* received 1024 px"):
        run(spread, *parts[:2], config, progress=False)
    monkeypatch.setattr(backend, "start_devices", lambda: "1 GPU")
    with pytest.raises(ValueError, match="square frames of 1024 pixels"):  # goes on to the frames
        run(spread, *parts[:2], config, progress=False)


def test_reproductions_may_collapse_and_say_so(spread, parts, tiny_config, monkeypatch):
    def collapsed(*arguments, **options):
        raise CollapsedTrainingError("one answer for all")

    monkeypatch.setattr(sys.modules[run.__module__], "fit", collapsed)
    for recipe in (PAPER_RECIPE, RELEASED_RECIPE):
        result = run(spread, *parts[:2], replace(quick(recipe), inputs=("composition",)), progress=False)
        assert result.training.stopped == "collapsed" and result.card["metrics"]["stopped"] == "collapsed"
    with pytest.raises(CollapsedTrainingError):
        run(spread, *parts[:2], replace(tiny_config, inputs=("composition",)), progress=False)


def test_the_loss_is_cross_entropy_with_weights_of_classes_and_l2_on_kernels(spread):
    from padnet.model import build_padnet

    config = replace(PAPER_RECIPE, inputs=("composition",), class_balanced=True).with_training(l2=0.01)
    network = build_padnet(config, 2, 3)
    labels = np.array([0, 0, 0, 1, 2, 2])
    logits = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    weights = 6 / (3 * np.array([3, 1, 2]))
    kernels = [layer.kernel for layer in network.layers if hasattr(layer, "kernel")]
    penalty = 0.01 * sum(float((np.asarray(kernel) ** 2).sum()) for kernel in kernels)
    expected = -np.log(shares[np.arange(6), labels]) * weights[labels] + penalty
    loss = make_loss(network, config, labels, 3)
    np.testing.assert_allclose(loss(np.eye(3, dtype=np.float32)[labels], logits), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (((), (1,)), "one or more training rows"),
        (((1,), ()), "one or more validation rows"),
        (((1, 2), (2, 3)), "1 in both"),
        (((1, 36), (3,)), "from 0 to 35"),
    ],
)
def test_rows_that_cannot_be_are_refused(spread, tiny_config, rows, words):
    with pytest.raises(ValueError, match=words):
        run(spread, *map(np.array, rows), tiny_config, progress=False)
