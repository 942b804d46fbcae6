"""Probabilities for raw frames, and what is no model of this chapter."""

from dataclasses import replace

import numpy as np
import pytest

from common import artifacts
from elemnet.predict import PRETRAINED as ELEMNET_WEIGHTS
from padnet import predict
from padnet.inputs import peak_area_features
from padnet.predict import load


@pytest.fixture(scope="module")
def predictor(trained):
    return trained[0].predictor


def test_probabilities_sum_to_1(predictor, spread):
    probabilities = predictor.predict(spread)
    assert probabilities.shape == (36, 3) and (probabilities >= 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)


def test_raw_frames_features_and_batches_all_give_the_same(predictor, spread, monkeypatch):
    expected = predictor.predict(spread)
    rows = np.array([30, 2, 17])
    same = [
        predictor.predict_frames(spread.frames[rows], spread.composition[rows]),
        predictor.predict(spread, rows, features=peak_area_features(spread, predictor.config)),
    ]
    monkeypatch.setattr(predict, "VALUES_PER_BATCH", 2**15)
    same.append(predictor.predict(spread, rows))
    for probabilities in same:
        np.testing.assert_allclose(probabilities, expected[rows], atol=1e-5)


def test_exposure_changes_little(predictor, spread):
    """Square roots are standardised image by image."""
    brighter = spread.with_frames(spread.frames.astype(np.int32) * 4)
    np.testing.assert_allclose(predictor.predict(brighter), predictor.predict(spread), atol=1e-3)


def test_no_samples_have_no_answers(predictor):
    assert predictor.forward([np.empty((0, 1, 64, 64, 4), np.float32), np.empty((0, 2), np.float32)]).shape == (0, 3)


def test_an_input_that_is_missing_is_named(predictor, spread):
    with pytest.raises(ValueError, match="Expected the composition of each sample"):
        predictor.predict_frames(spread.frames[:2])


def test_frames_of_another_size_say_which_is_expected(predictor, spread):
    with pytest.raises(ValueError, match="square frames of 128 pixels"):
        predictor.predict(spread.with_frames(spread.frames[..., :100]))
    with pytest.raises(ValueError, match="1 frames a sample"):
        predictor.predict(spread.with_frames(np.repeat(spread.frames, 2, axis=1)))


def test_frames_of_another_size_than_those_trained_on_are_refused_though_they_could_be_binned(predictor, spread):
    twice = spread.frames[:2].repeat(2, axis=2).repeat(2, axis=3)
    with pytest.raises(ValueError, match="frames of 128 x 128 pixels, as those of the training; received 256 x 256"):
        predictor.predict_frames(twice, spread.composition[:2])


def test_compositions_in_another_order_are_refused(predictor, spread):
    turned = replace(spread, composition=spread.composition[:, ::-1], components=spread.components[::-1])
    with pytest.raises(ValueError, match="Sn, Zn, in this order; received Zn, Sn"):
        predictor.predict(turned)


# ----------------------------------------------------------------------------------------------------------- models


def test_a_model_of_another_chapter_is_refused():
    with pytest.raises(artifacts.ArtifactError, match="not a model of padnet: its card lacks config, class_names"):
        load(ELEMNET_WEIGHTS)


def test_a_model_that_is_not_there(tmp_path):
    with pytest.raises(artifacts.ArtifactError, match="does not exist"):
        load(tmp_path / "none.keras")


def test_a_model_is_read_once_and_again_when_it_changed(trained, tmp_path):
    path = artifacts.save(tmp_path / "mine.keras", trained[0].predictor.model, trained[0].card)
    first = load(path)
    assert load(str(path)) is first
    artifacts.save(path, trained[0].predictor.model, trained[0].card | {"name": "again"})
    assert load(path).card["name"] == "again"


def change_config(card, **changes):
    return card | {"config": {key: value for key, value in (card["config"] | changes).items() if value is not None}}


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"colour": "red"}, "colour"),
        ({"recipe": None}, "recipe"),
        ({"training": None}, "training"),
        ({"inputs": 3}, "int"),
    ],
)
def test_a_card_with_fields_of_another_version(trained, tmp_path, changes, word):
    card = change_config(trained[0].card, **changes)
    path = artifacts.save(tmp_path / "other.keras", trained[0].predictor.model, card)
    with pytest.raises(artifacts.ArtifactError, match="Train it again") as caught:
        load(path)
    assert word in str(caught.value)


def test_the_config_survives_the_card(predictor):
    assert isinstance(predictor.config.inputs, tuple) and replace(predictor.config) == predictor.config
