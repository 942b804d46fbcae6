"""A tiny ElemNet, not trained, with a card: enough for all that is not about accuracy."""

import pytest

from common import artifacts, networks
from common.elements import ELEMENTS

CARD = {key: key for key in artifacts.REQUIRED_CARD_KEYS} | {"elements": list(ELEMENTS), "training": {}}


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    """Path of a model with dropout."""
    network = networks.build("16x2D-8x1-1", len(ELEMENTS), dropout_rates=(0.3,), seed=1)
    return artifacts.save(tmp_path_factory.mktemp("models") / "tiny.keras", network, CARD)


@pytest.fixture(scope="session")
def tiny_model_without_dropout(tmp_path_factory):
    network = networks.build("8x1-1", len(ELEMENTS), seed=1)
    return artifacts.save(tmp_path_factory.mktemp("models") / "plain.keras", network, CARD)
