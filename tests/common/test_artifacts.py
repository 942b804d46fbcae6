"""A saved model: the same bits back, or one clear sentence why not."""

import hashlib
import json

import keras
import numpy as np
import pytest

from common import artifacts, networks
from common.artifacts import ArtifactError

CARD = {key: key for key in artifacts.REQUIRED_CARD_KEYS}


@pytest.fixture
def saved(tmp_path):
    model = networks.build("16BAx1D-8x1-1", 5, dropout_rates=(0.3,), seed=1)
    return artifacts.save(tmp_path / "folder" / "tiny.keras", model, CARD), model


def edit_card(path, **changes):
    card_path = path.with_suffix(".json")
    card = json.loads(card_path.read_text()) | changes
    card_path.write_text(json.dumps({key: value for key, value in card.items() if value is not None}))


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def refusal(path) -> str:
    with pytest.raises(ArtifactError) as caught:
        artifacts.load(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_model_comes_back_with_the_same_predictions(saved):
    path, model = saved
    x = np.random.default_rng(0).normal(size=(50, 5)).astype(np.float32)
    loaded = artifacts.load(str(path))
    assert np.array_equal(np.asarray(loaded.model(x)), np.asarray(model(x)))
    assert loaded.card == {**CARD, "sha256": sha256(path)} and loaded.path == path
    assert [layer.name for layer in loaded.model.layers] == [layer.name for layer in model.layers]
    assert [layer.rate for layer in networks.dropout_layers(loaded.model)] == [0.3]
    assert sorted(p.name for p in path.parent.iterdir()) == ["tiny.json", "tiny.keras"]


def test_a_card_of_another_model_is_noticed(saved):
    path, _ = saved
    edit_card(path, sha256="0" * 64)
    message = refusal(path)
    assert "0" * 64 in message and sha256(path) in message


def test_a_missing_file_is_named(saved, tmp_path):
    path, _ = saved
    path.with_suffix(".json").unlink()
    assert "tiny.json does not exist" in refusal(path)
    assert "other.keras does not exist" in refusal(tmp_path / "other.keras")


def test_a_truncated_model_is_noticed(saved):
    path, _ = saved
    path.write_bytes(path.read_bytes()[:-100])
    assert "damaged" in refusal(path)
    edit_card(path, sha256=sha256(path))  # even where the card agrees
    assert "cannot be loaded" in refusal(path)


def test_a_model_that_could_execute_code_is_refused(tmp_path):
    inputs = keras.Input((2,))
    model = keras.Model(inputs, keras.layers.Lambda(lambda x: x * 2)(inputs))
    path = artifacts.save(tmp_path / "lambda.keras", model, CARD)
    assert "cannot be loaded as a safe Keras model" in refusal(path)


def test_a_pickle_is_not_a_model(saved):
    path, _ = saved
    path.write_bytes(b"\x80\x04cos\nsystem\n(S'echo unsafe'\ntR.")
    edit_card(path, sha256=sha256(path))
    assert "cannot be loaded" in refusal(path)


@pytest.mark.parametrize("key", artifacts.REQUIRED_CARD_KEYS)
def test_a_card_without_a_key_is_neither_written_nor_read(saved, tmp_path, key):
    path, model = saved
    with pytest.raises(ArtifactError, match=f"lacks {key}"):
        artifacts.save(tmp_path / "new.keras", model, {k: v for k, v in CARD.items() if k != key})
    assert not (tmp_path / "new.keras").exists()
    edit_card(path, **{key: None})
    assert f"lacks {key}" in refusal(path)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"name"'])
def test_a_card_that_is_no_card(saved, text):
    path, _ = saved
    path.with_suffix(".json").write_text(text)
    assert "model card" in refusal(path)


def test_only_the_keras_format_is_written(saved, tmp_path):
    with pytest.raises(ArtifactError, match=r"\.keras"):
        artifacts.save(tmp_path / "model.h5", saved[1], CARD)
