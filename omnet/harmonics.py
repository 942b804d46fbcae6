"""Orientations of a cubic crystal as nine numbers that have no symmetric equivalents and no seams.

The 24 equivalent orientations of a cubic crystal make every Euler angle or quaternion jump somewhere: no continuous
choice among them exists. A network is continuous, so it must err beside each jump. The sum of the fourth-order
harmonics of the three cube axes,

    h(g) = (16 pi / 189)^(1/2) sum_i Y_4m(g^T e_i),    m = -4 ... 4,    |h| = 1,

is the same for all 24, different for all other orientations, and continuous. Equal small angles move it equally far, in
whatever direction and from wherever. Under a squared error a network predicts the mean of h over the orientations it
cannot tell apart, so that the length of the prediction, 0 to 1, says how sure it is.

Reference: R. Arnold, P. E. Jupp, H. Schaeben, Statistics of ambiguous rotations (2017), arXiv:1701.01579, for the
tensor of order four of three orthogonal axes. Its use in a network for EBSD is ours.
"""

from functools import lru_cache

import numpy as np

from omnet import rotations
from omnet.sampling import cubochoric_grid

NUM_COMPONENTS = 9
# A start within some 5 degrees, from where Gauss-Newton reaches the nearest orientation in a few steps.
START_GRID_STEPS = 20
NUM_NEWTON_STEPS = 6
DIFFERENCE_RAD = 1e-4
LARGEST_STEP_RAD = 0.2
ROWS_PER_BATCH = 4096


def harmonics_from_quaternions(quaternions: np.ndarray) -> np.ndarray:
    """The nine harmonics of orientations.

    Args:
        quaternions: ``(..., 4)`` unit quaternions.

    Returns:
        ``(..., 9)`` of length 1, the same for symmetric equivalents.
    """
    axes = rotations.matrices_from_quaternions(quaternions)  # (..., 3, 3): each row a cube axis, in the sample frame
    return _fourth_order(axes).sum(axis=-2) * np.sqrt(16 * np.pi / 189)


def _fourth_order(vectors: np.ndarray) -> np.ndarray:
    """Real spherical harmonics of order four, ``(..., 3)`` unit vectors -> ``(..., 9)``."""
    x, y, z = np.moveaxis(vectors, -1, 0)
    xx, yy, zz = x * x, y * y, z * z
    root = np.sqrt
    harmonics = [
        root(35) / 2 * x * y * (xx - yy),
        root(35 / 2) / 2 * y * z * (3 * xx - yy),
        root(5) / 2 * x * y * (7 * zz - 1),
        root(5 / 2) / 2 * y * z * (7 * zz - 3),
        (35 * zz * zz - 30 * zz + 3) / 8,
        root(5 / 2) / 2 * x * z * (7 * zz - 3),
        root(5) / 4 * (xx - yy) * (7 * zz - 1),
        root(35 / 2) / 2 * x * z * (xx - 3 * yy),
        root(35) / 8 * (xx * (xx - 3 * yy) - yy * (3 * xx - yy)),
    ]
    return 3 / root(4 * np.pi) * np.stack(harmonics, axis=-1)


def quaternions_from_harmonics(harmonics: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The orientation whose harmonics are nearest to given ones, and how near.

    Args:
        harmonics: ``(n, 9)`` such as a network predicts them, of any length.

    Returns:
        ``(n, 4)`` unit quaternions in the fundamental zone of 432, and ``(n,)`` confidences from 0 to 1: the part of
        the prediction that lies along the harmonics of that orientation.
    """
    harmonics = np.asarray(harmonics, np.float64).reshape(-1, NUM_COMPONENTS)
    parts = [_nearest(harmonics[i : i + ROWS_PER_BATCH]) for i in range(0, len(harmonics), ROWS_PER_BATCH)]
    quaternions = np.concatenate([np.empty((0, 4)), *parts])
    along = np.sum(harmonics * harmonics_from_quaternions(quaternions), axis=1)
    return rotations.cubic_representatives(quaternions), np.clip(along, 0, 1)


@lru_cache(maxsize=1)
def _start_grid() -> tuple[np.ndarray, np.ndarray]:
    grid = cubochoric_grid(START_GRID_STEPS)  # (n, 4)
    return grid, harmonics_from_quaternions(grid).astype(np.float32)  # (n, 9)


def _nearest(harmonics: np.ndarray) -> np.ndarray:
    """Gauss-Newton from the best point of a grid; ``(n, 9)`` -> ``(n, 4)``."""
    lengths = np.linalg.norm(harmonics, axis=1, keepdims=True)
    targets = harmonics / np.maximum(lengths, 1e-12)
    grid, grid_harmonics = _start_grid()
    quaternions = grid[(targets.astype(np.float32) @ grid_harmonics.T).argmax(axis=1)]
    turns = rotations.quaternions_from_rotation_vectors(DIFFERENCE_RAD * np.eye(3))  # (3, 4)
    for _ in range(NUM_NEWTON_STEPS):
        here = harmonics_from_quaternions(quaternions)  # (n, 9)
        turned = harmonics_from_quaternions(rotations.multiply(quaternions[:, None], turns))  # (n, 3, 9)
        jacobian = (turned - here[:, None]) / DIFFERENCE_RAD
        # J J^T is 20/3 of the identity at every orientation, for the cube axes make no direction special.
        steps = np.einsum("nij,nj->ni", jacobian, targets - here) * (3 / 20)
        steps *= np.minimum(1, LARGEST_STEP_RAD / np.maximum(np.linalg.norm(steps, axis=1, keepdims=True), 1e-12))
        quaternions = rotations.multiply(quaternions, rotations.quaternions_from_rotation_vectors(steps))
    return quaternions / np.linalg.norm(quaternions, axis=1, keepdims=True)
