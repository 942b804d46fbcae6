"""Orientations to train, validate and test on, and what a network is to predict for them."""

from dataclasses import dataclass

import numpy as np

from omnet import rotations
from omnet.config import OMNetConfig
from omnet.harmonics import harmonics_from_quaternions, quaternions_from_harmonics
from omnet.sampling import cubochoric_grid

NUM_TEST = 1_000
# Streams of random orientations that never meet: the first number of a seed, the second is the training's own.
TRAIN_STREAM, VALIDATION_STREAM, TEST_STREAM = 1, 2, 3


@dataclass(frozen=True)
class OrientationRows:
    """Orientations of one part.

    Attributes:
        x: ``(n, 7)`` float32: unit quaternion, projection centre; what ``augmentation.SimulatedPatterns`` takes.
        y: ``(n, k)`` float32: what the network is to predict.
    """

    x: np.ndarray
    y: np.ndarray

    def __len__(self) -> int:
        return len(self.x)


def test_quaternions() -> np.ndarray:
    """The 1,000 orientations, spread evenly over all rotations, that every figure is reported on; ``(1000, 4)``."""
    return rotations.random_quaternions(NUM_TEST, np.random.default_rng((TEST_STREAM, 0)))


def training_rows(config: OMNetConfig) -> OrientationRows:
    """The dictionary's orientations, or random ones."""
    rng = np.random.default_rng((TRAIN_STREAM, config.training.seed))
    if config.grid_steps is None:
        quaternions = rotations.random_quaternions(config.num_train, rng)
    else:
        quaternions = cubochoric_grid(config.grid_steps)
    pc = np.asarray(config.detector.pc) + config.augmentation.pc_sd * rng.normal(size=(len(quaternions), 3))
    return _rows(config, quaternions, pc)


def validation_rows(config: OMNetConfig) -> OrientationRows:
    """Random orientations at the detector's own projection centre; under protocol ``"paper"`` those of the test."""
    if config.protocol == "paper":
        quaternions = test_quaternions()
    else:
        rng = np.random.default_rng((VALIDATION_STREAM, config.training.seed))
        quaternions = rotations.random_quaternions(config.num_validation, rng)
    return _rows(config, quaternions, np.broadcast_to(config.detector.pc, (len(quaternions), 3)))


def _rows(config: OMNetConfig, quaternions: np.ndarray, pc: np.ndarray) -> OrientationRows:
    x = np.concatenate([quaternions, pc], axis=1).astype(np.float32)
    return OrientationRows(x, targets(quaternions, config.head).astype(np.float32))


def targets(quaternions: np.ndarray, head: str) -> np.ndarray:
    """What a head predicts for orientations.

    Args:
        quaternions: ``(n, 4)``.
        head: A key of ``config.HEADS``.

    Returns:
        ``(n, k)``: harmonics; or, of the symmetric equivalent in the fundamental zone, as in the thesis's dictionary,
        the unit quaternion with ``w > 0`` or the Euler angles in radians.
    """
    if head == "harmonics":
        return harmonics_from_quaternions(quaternions)
    representatives = rotations.cubic_representatives(quaternions)
    return representatives if head == "quaternion" else rotations.euler_from_quaternions(representatives)


def orientations(outputs: np.ndarray, head: str) -> tuple[np.ndarray, np.ndarray]:
    """Orientations that predicted numbers stand for.

    Args:
        outputs: ``(n, k)`` of a network with this head.
        head: A key of ``config.HEADS``.

    Returns:
        ``(n, 4)`` unit quaternions in the fundamental zone and ``(n,)`` confidences from 0 to 1, NaN for heads other
        than the harmonics, which say nothing of it.
    """
    if head == "harmonics":
        return quaternions_from_harmonics(outputs)
    outputs = np.asarray(outputs, np.float64)
    # Nothing keeps a network's angles to one turn.
    quaternions = rotations.quaternions_from_euler(outputs % rotations.TWO_PI) if head == "euler" else outputs
    quaternions = quaternions / np.linalg.norm(quaternions, axis=1, keepdims=True)
    return rotations.cubic_representatives(quaternions), np.full(len(outputs), np.nan)
