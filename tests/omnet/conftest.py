"""A tiny network on patterns of 20 x 20, whose simulation and training take seconds."""

import pytest

from common.training_config import TrainingConfig
from omnet.config import OMNetConfig
from omnet.detector import Detector


@pytest.fixture(scope="session")
def tiny_config():
    return OMNetConfig(
        recipe="test",
        hidden_units=(256, 256),
        num_train=131_072,
        num_validation=200,
        detector=Detector(shape=(20, 20)),
        training=TrainingConfig(
            learning_rate=2e-3,
            schedule="warmup_cosine",
            warmup_epochs=0.1,
            batch_size=256,
            max_epochs=2,
            patience_epochs=None,
            monitor="loss",
            seed=3,
        ),
    )


@pytest.fixture(scope="session")
def trained(tiny_config, tmp_path_factory):
    """Result and folder of one whole training."""
    from omnet.train import run

    folder = tmp_path_factory.mktemp("omnet")
    return run(tiny_config, folder, progress=False), folder
