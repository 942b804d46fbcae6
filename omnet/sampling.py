"""Evenly spread orientations: the cubochoric grid in the fundamental zone of the cubic group.

A cube is mapped onto all rotations so that equal volumes hold equal shares of them. Each shell of the cube, the points
of one largest coordinate, becomes the rotations of one angle, and each of its six faces a sixth of all axes.

Reference: chapter 6 of the thesis; D. Rosca, A. Morawiec, M. De Graef, Modelling Simul. Mater. Sci. Eng. 22, 075013
(2014), doi:10.1088/0965-0393/22/7/075013; S. Singh, M. De Graef, Modelling Simul. Mater. Sci. Eng. 24, 085013 (2016),
doi:10.1088/0965-0393/24/8/085013.
"""

import numpy as np

SQRT2 = np.sqrt(2)
LARGEST_ANGLE_RAD = 2 * np.arccos((2 + SQRT2) / 4)  # 62.8 degrees, at the corners of the fundamental zone


def cubochoric_grid(semi_edge_steps: int) -> np.ndarray:
    """The cubochoric grid around the identity, as far as it lies in the fundamental zone of 432.

    Args:
        semi_edge_steps: N, steps from the centre of the cube to a face: 50 gives 41,625 orientations some 2 degrees
            apart, 100 gives 333,227 some 1 degree apart. The grid of N is part of that of 2 N.

    Returns:
        ``(n, 4)`` unit quaternions with ``w > 0.853``, in the order of their points in the cube.

    Raises:
        ValueError: If `semi_edge_steps` is not a positive integer.
    """
    if not isinstance(semi_edge_steps, int | np.integer) or semi_edge_steps < 1:
        raise ValueError(
            f"Expected semi_edge_steps as a positive integer, such as the thesis's 50 or 100; received "
            f"{semi_edge_steps!r}."
        )
    # No shell beyond the farthest corner of the zone is needed: that leaves 7 % of the cube.
    num_shells = int(semi_edge_steps * np.cbrt((LARGEST_ANGLE_RAD - np.sin(LARGEST_ANGLE_RAD)) / np.pi))
    steps = np.arange(-num_shells, num_shells + 1)
    points = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    half_angle = _shell_angles(num_shells, semi_edge_steps)[np.abs(points).max(axis=1)] / 2
    quaternions = np.column_stack([np.cos(half_angle), np.sin(half_angle)[:, None] * _axes(points)])
    return quaternions[_in_fundamental_zone(quaternions)]


def _shell_angles(num_shells: int, semi_edge_steps: int) -> np.ndarray:
    """(num_shells + 1,) rotation angles in radians: the share of rotations up to an angle is that of the cube inside.

    Solves ``angle - sin(angle) = pi (shell / N)^3`` by Newton's method.
    """
    volumes = np.pi * (np.arange(1, num_shells + 1) / semi_edge_steps) ** 3
    angles = np.cbrt(6 * volumes)  # exact for small angles
    for _ in range(4):  # from a start within 2 % a fourth step is below rounding
        angles -= (angles - np.sin(angles) - volumes) / (1 - np.cos(angles))
    return np.concatenate([[0.0], angles])


def _axes(points: np.ndarray) -> np.ndarray:
    """(n, 3) unit axes of integer points: each face of a shell goes to a sixth of the sphere, areas in proportion.

    The middle coordinate over the largest and the smallest over the middle first give a point of Lambert's azimuthal
    equal-area map around the axis of the face.
    """
    order = np.argsort(np.abs(points), axis=1)
    smallest, middle, largest = np.take_along_axis(points, order, axis=1).T  # with their signs
    turn = np.pi / 12 * smallest / np.where(middle == 0, 1, middle)
    radius = 2**0.25 / np.sqrt(SQRT2 - np.cos(turn)) * middle / np.maximum(np.abs(largest), 1)
    across, along = radius * SQRT2 * np.sin(turn), radius * (SQRT2 * np.cos(turn) - 1)
    squared = across**2 + along**2
    shrink = np.sqrt(1 - squared / 4)
    in_order = np.stack([shrink * across, shrink * along, np.sign(largest) * (1 - squared / 2)], axis=1)
    axes = np.empty_like(in_order)
    np.put_along_axis(axes, order, in_order, axis=1)
    return axes


def _in_fundamental_zone(quaternions: np.ndarray) -> np.ndarray:
    """(n,) whether no symmetric equivalent has a smaller angle: between planes normal to <100> and <111>."""
    w, components = quaternions[:, 0], np.abs(quaternions[:, 1:])
    return (components.max(axis=1) <= (SQRT2 - 1) * w) & (components.sum(axis=1) <= w)
