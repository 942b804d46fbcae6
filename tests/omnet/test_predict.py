"""Orientations for patterns, and what does not fit a network."""

import os

import numpy as np
import pytest

from common import artifacts
from elemnet.predict import PRETRAINED as ELEMNET_WEIGHTS
from omnet import predict
from omnet.predict import load_pretrained


@pytest.fixture(scope="module")
def predictor(trained):
    return trained[0].predictor


@pytest.fixture(scope="module")
def patterns(predictor):
    return np.random.default_rng(0).integers(0, 256, (10, *predictor.detector.shape), dtype=np.uint8)


def test_answers_are_unit_quaternions_in_the_fundamental_zone(predictor, patterns):
    quaternions, confidences = predictor.predict(patterns)
    assert quaternions.shape == (10, 4) and confidences.shape == (10,)
    np.testing.assert_allclose(np.linalg.norm(quaternions, axis=1), 1)
    assert (quaternions[:, 0] > 0.853).all() and ((confidences >= 0) & (confidences <= 1)).all()


@pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.float64])
def test_neither_type_nor_units_nor_batches_change_an_answer(predictor, patterns, dtype, monkeypatch):
    expected = predictor.predict(patterns)
    for answer, same in zip(predictor.predict(patterns.astype(dtype) * dtype(3)), expected, strict=True):
        np.testing.assert_allclose(answer, same, atol=1e-4)
    monkeypatch.setattr(predict, "PATTERNS_PER_BATCH", 3)
    for answer, same in zip(predictor.predict(patterns), expected, strict=True):
        np.testing.assert_allclose(answer, same, atol=1e-4)


def test_no_patterns_have_no_answers(predictor):
    quaternions, confidences = predictor.predict(np.empty((0, *predictor.detector.shape), np.uint8))
    assert quaternions.shape == (0, 4) and confidences.shape == (0,)


@pytest.mark.parametrize("shape", [(3, 60, 60), (20, 20), (3, 20, 20, 1), (3, 400)])
def test_patterns_of_another_size_say_which_is_expected(predictor, shape):
    with pytest.raises(ValueError) as caught:
        predictor.predict(np.zeros(shape, np.uint8))
    text = str(caught.value)
    assert "(n, 20, 20)" in text and str(shape) in text and "Bin them" in text and "\n" not in text


def test_a_pattern_with_nan_costs_its_own_answer_only(predictor, patterns):
    damaged = patterns.astype(np.float32)
    damaged[4, 3, 3] = np.nan
    expected, answers = predictor.predict(patterns)[0], predictor.predict(damaged)[0]
    assert np.isnan(answers[4]).all()
    np.testing.assert_allclose(np.delete(answers, 4, axis=0), np.delete(expected, 4, axis=0), atol=1e-5)


# --------------------------------------------------------------------------------------------------------- models


def test_a_model_of_another_chapter_is_refused():
    with pytest.raises(artifacts.ArtifactError, match=r"not a model of omnet: its card lacks head, detector"):
        load_pretrained(ELEMNET_WEIGHTS)


def test_a_model_that_is_not_there(tmp_path):
    with pytest.raises(artifacts.ArtifactError, match="does not exist"):
        load_pretrained(tmp_path / "none.keras")


def test_a_model_is_read_once_and_again_when_it_changed(trained, predictor, tmp_path):
    path = artifacts.save(tmp_path / "mine.keras", predictor.model, trained[0].card)
    first = load_pretrained(path)
    assert load_pretrained(str(path)) is first and first.weights_hash() == predictor.weights_hash()
    os.utime(path, ns=(1, 1))
    assert load_pretrained(path) is not first
