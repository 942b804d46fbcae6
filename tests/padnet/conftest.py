"""A tiny spread of three phase regions, each with rings of its own, and a network trained on it."""

from dataclasses import replace

import numpy as np
import pytest

from padnet.data import SIMULATED, XrdDataset

RINGS_PX = ((40, 75), (48, 95), (60, 110))  # radii about the middle of the upper edge
IMAGE_PX, SAMPLES = 128, 36


def ring_frames(labels: np.ndarray, seed: int = 0) -> np.ndarray:
    """``(n, 1, 128, 128)`` uint16: rings of each label on a sloping background, with the noise of counting."""
    rng = np.random.default_rng(seed)
    row, column = np.indices((IMAGE_PX, IMAGE_PX))
    radius = np.hypot(row, column - IMAGE_PX / 2)
    frames = []
    for label in labels:
        rings = sum(np.exp(-(((radius - place) / 1.5) ** 2)) for place in RINGS_PX[label])
        frames.append(rng.poisson(40 + 0.2 * row + 60 * rng.uniform(0.5, 1.5) * rings))
    return np.array(frames, np.uint16)[:, None]


@pytest.fixture(scope="session")
def spread():
    """36 samples whose compositions say nothing of their labels."""
    rng = np.random.default_rng(5)
    labels = rng.permutation(np.arange(SAMPLES) % 3)
    composition = rng.dirichlet((2, 2), SAMPLES)
    position = rng.uniform(-30, 30, (SAMPLES, 2))
    return XrdDataset(
        "rings",
        SIMULATED,
        ring_frames(labels),
        composition,
        ("Sn", "Zn"),
        position,
        labels,
        ("a", "b", "a + b"),
        tuple(map(str, range(SAMPLES))),
    )


@pytest.fixture(scope="session")
def parts():
    """Rows that train, choose and test."""
    return np.arange(0, 20), np.arange(20, 26), np.arange(26, 36)


@pytest.fixture(scope="session")
def tiny_config():
    from padnet.config import ROBUST_RECIPE

    return replace(ROBUST_RECIPE, image_px=IMAGE_PX).with_training(max_epochs=40)


@pytest.fixture(scope="session")
def trained(spread, parts, tiny_config, tmp_path_factory):
    """Result and folder of one whole training."""
    from padnet.train import run

    folder = tmp_path_factory.mktemp("padnet")
    return run(spread, *parts[:2], tiny_config, folder, progress=False), folder
