"""How a pattern moves over the detector when the crystal turns or the projection centre shifts a little."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from omnet.detector import Detector

SIDE_STEP_PX = 0.15  # some 0.3 degrees: the master pattern, interpolated linearly, has a kink at each of its points


def pattern_flow(detector: Detector, pc: np.ndarray) -> np.ndarray:
    """Pixels by which what each pixel sees moves, for a unit of each parameter.

    The ray of a pixel is ``pixel_rays + pc @ pc_rays``, so what a rotation or a shift adds to it is, but for its
    length, also what some shift of the centre along columns and rows adds; and such a shift is one of pixels.

    Args:
        detector: The geometry.
        pc: ``(3,)`` projection centre.

    Returns:
        ``(6, 2, p)`` float32: pixels along columns and along rows, for rotations about the sample's axes (radians, of
        the sample before its orientation) and for the three parts of the projection centre (fractions). A pattern's
        derivatives are these times its gradients along columns and rows.
    """
    rays = detector.pixel_rays + pc @ detector.pc_rays  # (p, 3)
    num_pixels = len(rays)
    changes = np.concatenate(
        [np.cross(np.eye(3), rays[:, None, :]), np.broadcast_to(detector.pc_rays, (num_pixels, 3, 3))], axis=1
    )  # (p, 6, 3)
    basis = np.stack(
        [*(np.broadcast_to(shift, rays.shape) for shift in detector.pc_rays[:2]), rays], axis=1
    )  # (p, 3, 3)
    shifts = changes @ np.linalg.inv(basis)  # (p, 6, 3): along columns, along rows, and of the length
    rows, columns = detector.shape
    flow = shifts[..., :2] * [-columns, -rows]  # a centre farther right is a pattern farther left
    return np.ascontiguousarray(np.moveaxis(flow, 0, -1), np.float32)


def pixel_gradients(patterns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gradients along columns and along rows, ``(n, rows, columns)`` each, a pixel, from neighbouring pixels."""
    along_rows, along_columns = np.gradient(patterns, axis=(1, 2))
    return along_columns, along_rows


def simulated_gradients(
    simulate: Callable[[np.ndarray, np.ndarray], np.ndarray],
    quaternions: np.ndarray,
    pc: np.ndarray,
    shape: tuple[int, ...],
) -> tuple[np.ndarray, np.ndarray]:
    """The same from patterns that are simulated a fraction of a pixel to each side.

    Args:
        simulate: From ``(n, 4)`` quaternions and ``(n, 3)`` projection centres to ``(n, rows, columns)``.
        quaternions: ``(n, 4)``.
        pc: ``(n, 3)``.
        shape: Rows and columns.

    Returns:
        Gradients along columns and along rows, ``(n, rows, columns)`` each, a pixel.
    """
    rows, columns = shape
    right, down = np.array([-SIDE_STEP_PX / columns, 0, 0]), np.array([0, -SIDE_STEP_PX / rows, 0])
    centres = np.concatenate([pc + right, pc - right, pc + down, pc - down])
    sides = simulate(np.tile(quaternions, (4, 1)), centres)  # in one call, to fill the batches of the simulator
    to_right, to_left, to_bottom, to_top = np.split(sides, 4)
    return (to_right - to_left) / (2 * SIDE_STEP_PX), (to_bottom - to_top) / (2 * SIDE_STEP_PX)
