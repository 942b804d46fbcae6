"""Orientations as Bunge Euler angles, unit quaternions and matrices, and the 24 proper operators of the cubic group.

One convention throughout, the field's: an orientation takes sample directions to crystal directions (lab to crystal),
``v_crystal = g v_sample``. Crystal symmetry therefore multiplies from the left, ``o g``. Quaternions are
``(w, x, y, z)`` of unit length; ``q`` and ``-q`` are the same orientation.

Reference: H.-J. Bunge, Texture Analysis in Materials Science (1982); D. Rowenhorst et al., Modelling Simul. Mater.
Sci. Eng. 23, 083501 (2015), doi:10.1088/0965-0393/23/8/083501, with its P = 1.
"""

import itertools
import warnings

import numpy as np

TWO_PI = 2 * np.pi
LARGEST_PLAUSIBLE_RAD = 2 * TWO_PI + 1e-5  # 4 pi, in float32 too, stands for a point that was not indexed


def _cubic_quaternions() -> np.ndarray:
    half, quarter = np.sqrt(0.5), 0.5
    identity_and_halves = list(np.eye(4))  # identity, 180 degrees about <100>
    edges = []  # 90 degrees about <100>, 180 degrees about <110>
    for i, j in itertools.combinations(range(4), 2):
        for sign in (1, -1):
            edge = np.zeros(4)
            edge[i], edge[j] = half, sign * half
            edges.append(edge)
    diagonals = [quarter * np.array([1, *signs]) for signs in itertools.product((1, -1), repeat=3)]  # 120 about <111>
    return np.array(identity_and_halves + edges + diagonals)


CUBIC_QUATERNIONS = _cubic_quaternions()  # (24, 4), the identity first


def multiply(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Hamilton product: the rotation ``second``, then ``first``.

    Args:
        first: ``(..., 4)`` quaternions.
        second: ``(..., 4)`` quaternions; leading axes broadcast.

    Returns:
        ``(..., 4)`` quaternions.
    """
    w1, x1, y1, z1 = np.moveaxis(np.asarray(first), -1, 0)
    w2, x2, y2, z2 = np.moveaxis(np.asarray(second), -1, 0)
    return np.stack(
        [
            w1 * w2 - x1 * x2 - y1 * y2 - z1 * z2,
            w1 * x2 + x1 * w2 + y1 * z2 - z1 * y2,
            w1 * y2 - x1 * z2 + y1 * w2 + z1 * x2,
            w1 * z2 + x1 * y2 - y1 * x2 + z1 * w2,
        ],
        axis=-1,
    )


def conjugate(quaternions: np.ndarray) -> np.ndarray:
    """The inverse rotations, ``(..., 4)``."""
    return np.asarray(quaternions) * np.array([1.0, -1.0, -1.0, -1.0])


def check_euler_rad(euler_rad: np.ndarray) -> np.ndarray:
    """Euler angles as a float64 array, with a warning where they look like degrees.

    Args:
        euler_rad: ``(..., 3)`` Bunge angles phi1, Phi, phi2, radians.

    Raises:
        ValueError: If the last axis is not 3 or an angle is not finite.

    Warns:
        UserWarning: If an angle is beyond 4 pi, which no indexing program writes in radians.
    """
    euler_rad = np.asarray(euler_rad, np.float64)
    if euler_rad.ndim == 0 or euler_rad.shape[-1] != 3:
        raise ValueError(f"Expected Euler angles of shape (..., 3); received {euler_rad.shape}.")
    if not np.isfinite(euler_rad).all():
        raise ValueError("Expected finite Euler angles; received NaN or infinity.")
    if euler_rad.size and np.abs(euler_rad).max() > LARGEST_PLAUSIBLE_RAD:
        warnings.warn(
            f"Expected Euler angles in radians; the largest received is {np.abs(euler_rad).max():.1f}, which looks "
            "like degrees. Convert them with numpy.deg2rad.",
            stacklevel=3,
        )
    return euler_rad


def quaternions_from_euler(euler_rad: np.ndarray) -> np.ndarray:
    """Unit quaternions of Bunge Euler angles.

    Args:
        euler_rad: ``(..., 3)`` angles phi1, Phi, phi2 (z-x-z), radians.

    Returns:
        ``(..., 4)`` quaternions with ``w >= 0``.

    Raises:
        ValueError: If the last axis is not 3 or an angle is not finite.
    """
    phi1, phi, phi2 = np.moveaxis(check_euler_rad(euler_rad), -1, 0)
    half_sum, half_difference = (phi1 + phi2) / 2, (phi1 - phi2) / 2
    c, s = np.cos(phi / 2), np.sin(phi / 2)
    quaternions = np.stack(
        [c * np.cos(half_sum), -s * np.cos(half_difference), -s * np.sin(half_difference), -c * np.sin(half_sum)],
        axis=-1,
    )
    return np.where(quaternions[..., :1] < 0, -quaternions, quaternions)


def euler_from_quaternions(quaternions: np.ndarray) -> np.ndarray:
    """Bunge Euler angles of unit quaternions.

    Args:
        quaternions: ``(..., 4)``.

    Returns:
        ``(..., 3)`` angles, radians: phi1 and phi2 in [0, 2 pi), Phi in [0, pi]. Where Phi is 0 or pi only the sum or
        the difference of the others is known; phi2 is 0 then.
    """
    w, x, y, z = np.moveaxis(np.asarray(quaternions, np.float64), -1, 0)
    sum_axis, tilt = np.hypot(w, z), np.hypot(x, y)  # cos(Phi / 2), sin(Phi / 2)
    half_sum = np.arctan2(-z, w)
    half_difference = np.arctan2(-y, -x)
    phi1, phi2 = half_sum + half_difference, half_sum - half_difference
    tiny = 1e-12
    phi1 = np.where(tilt < tiny, 2 * half_sum, np.where(sum_axis < tiny, 2 * half_difference, phi1))
    phi2 = np.where((tilt < tiny) | (sum_axis < tiny), 0.0, phi2)
    euler_rad = np.stack([phi1 % TWO_PI, 2 * np.arctan2(tilt, sum_axis), phi2 % TWO_PI], axis=-1)
    # A tiny negative angle comes out of % as 2 pi itself.
    euler_rad[..., ::2] = np.where(euler_rad[..., ::2] >= TWO_PI, 0.0, euler_rad[..., ::2])
    return euler_rad


def matrices_from_quaternions(quaternions: np.ndarray) -> np.ndarray:
    """Orientation matrices ``g``, sample to crystal.

    Args:
        quaternions: ``(..., 4)``, of unit length.

    Returns:
        ``(..., 3, 3)``.
    """
    w, x, y, z = np.moveaxis(np.asarray(quaternions), -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


CUBIC_MATRICES = np.rint(matrices_from_quaternions(CUBIC_QUATERNIONS))  # (24, 3, 3), signed permutations


def quaternions_from_rotation_vectors(vectors_rad: np.ndarray) -> np.ndarray:
    """Unit quaternions of rotation vectors (axis times angle).

    Args:
        vectors_rad: ``(..., 3)``, radians.

    Returns:
        ``(..., 4)`` quaternions.
    """
    vectors_rad = np.asarray(vectors_rad, np.float64)
    half = np.linalg.norm(vectors_rad, axis=-1, keepdims=True) / 2
    return np.concatenate([np.cos(half), np.sinc(half / np.pi) * vectors_rad / 2], axis=-1)


def random_quaternions(num: int, rng: np.random.Generator) -> np.ndarray:
    """Orientations spread evenly over all rotations.

    Args:
        num: How many.
        rng: Source of randomness.

    Returns:
        ``(num, 4)`` unit quaternions.
    """
    quaternions = rng.normal(size=(num, 4))
    return quaternions / np.linalg.norm(quaternions, axis=1, keepdims=True)


def cubic_representatives(quaternions: np.ndarray) -> np.ndarray:
    """The symmetric equivalent with the smallest rotation angle: the one in the fundamental zone of 432.

    Args:
        quaternions: ``(n, 4)``.

    Returns:
        ``(n, 4)`` with the largest ``w`` of the 24, ``w >= (2 + sqrt 2) / 4 = 0.854``.
    """
    quaternions = np.asarray(quaternions)
    w = quaternions @ conjugate(CUBIC_QUATERNIONS).T  # (n, 24), of all equivalents
    chosen = multiply(CUBIC_QUATERNIONS[np.abs(w).argmax(axis=1)], quaternions)  # (n, 4)
    return np.where(chosen[:, :1] < 0, -chosen, chosen)
