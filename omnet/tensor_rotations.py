"""Euler angles, quaternions and matrices as tensors, for use inside networks, losses and compiled graphs.

The conventions, and the NumPy forms of the same, are those of ``omnet.rotations``.
"""

from keras import ops


def quaternions_from_euler(euler_rad):
    """Unit quaternions of Bunge Euler angles; any real angles, such as the outputs of a network.

    Args:
        euler_rad: ``(..., 3)`` angles phi1, Phi, phi2 (z-x-z), radians.

    Returns:
        ``(..., 4)`` quaternions, of either sign.
    """
    phi1, phi, phi2 = (euler_rad[..., i] for i in range(3))
    half_sum, half_difference = (phi1 + phi2) / 2, (phi1 - phi2) / 2
    c, s = ops.cos(phi / 2), ops.sin(phi / 2)
    components = [
        c * ops.cos(half_sum),
        -s * ops.cos(half_difference),
        -s * ops.sin(half_difference),
        -c * ops.sin(half_sum),
    ]
    return ops.stack(components, axis=-1)


def matrices_from_quaternions(quaternions):
    """Orientation matrices ``g``, sample to crystal.

    Args:
        quaternions: ``(..., 4)``, of unit length.

    Returns:
        ``(..., 3, 3)``.
    """
    w, x, y, z = (quaternions[..., i] for i in range(4))
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return ops.stack([ops.stack(row, axis=-1) for row in rows], axis=-2)
