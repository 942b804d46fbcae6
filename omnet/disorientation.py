"""The disorientation of two orientations of a cubic crystal: the smallest angle between their symmetric equivalents.

The same angle in three forms, from the thesis's to the fastest, each for NumPy arrays and for tensors, and the errors
of predicted orientations that chapter 6 reports.

    ``"tensor_graph"``  the thesis's: all pairs of 24 x 24 operators in both orders, 1,152 evaluations of
                        ``arccos((trace - 1) / 2)`` with its argument limited to magnitude 1.
    ``"exact"``         ``(O_i a)(O_j b)^-1`` has the angle of ``O_k b a^-1`` with some ``O_k``, and so has its inverse:
                        24 evaluations.
    ``"closed"``        with the components of ``b a^-1`` sorted by magnitude, ``q0 >= q1 >= q2 >= q3``, the cosine of
                        half the angle is the largest of ``q0``, ``(q0 + q1) / sqrt 2``, ``(q0 + q1 + q2 + q3) / 2``.
    ``"released"``      what the authors' code computes, to follow its figures only: its first operator is not the
                        identity, and an argument of magnitude 1 or more, hence a perfect match, counts as 180 degrees.

The second and the third take the angle from sine and cosine by ``arctan2``. They are as exact near 0 as elsewhere, and
their gradient is bounded everywhere, 0 where the angle is 0. The ``arccos`` of the two others errs near 0, by up to
0.05 degrees in float32 and 3e-6 in float64, and their gradient errs there too; it is finite, and taken as 0 where the
argument reaches magnitude 1.

Reference: equations 6.4 and 6.6 to 6.8; D. Jha et al., Microsc. Microanal. 24, 497-502 (2018),
doi:10.1017/S1431927618015131; A. Heinz, P. Neumann, Acta Cryst. A47, 780-789 (1991), doi:10.1107/S0108767391006864;
NU-CUCIS/EBSD-indexing at 0e78a17, ``compute_disorientation.py``.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from omnet import rotations

METHODS = ("closed", "exact", "tensor_graph", "released")
DEGREES = 180 / np.pi
UNIT_LENGTH_TOLERANCE = 1e-3
# Below this squared sine, 1e-13 degrees, an angle is 0: the gradient of the square root has no limit there.
SMALLEST_SQUARED_SINE = 1e-30

RELEASED_MATRICES = rotations.CUBIC_MATRICES.copy()  # (24, 3, 3)
RELEASED_MATRICES[0] = [[0, 0, 0], [1, 1, 0], [0, 0, 1]]  # in place of the identity: no rotation
RELEASED_LARGEST_DEG = 100.0  # where its minimum starts


def disorientation_deg(a: np.ndarray, b: np.ndarray, method: str = "closed") -> np.ndarray:
    """Disorientations of pairs of orientations, in float64.

    Args:
        a: ``(..., 4)`` unit quaternions.
        b: ``(..., 4)`` unit quaternions; leading axes broadcast.
        method: One of ``METHODS``; all but ``"released"`` give the same. ``"tensor_graph"`` and ``"released"`` take
            some 20 kB of memory a pair.

    Returns:
        ``(...)`` degrees, in [0, 62.8].

    Raises:
        ValueError: If the method is unknown, the last axes are not 4, the others do not broadcast, or a quaternion is
            not finite or not of unit length.
    """
    a, b = _checked(a), _checked(b)
    try:
        np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        raise ValueError(
            f"Expected quaternions in pairs; received {a.shape[:-1]} and {b.shape[:-1]} of them."
        ) from None
    return _disorientation_deg(a, b, method, np, rotations)


def tensor_disorientation_deg(a, b, method: str = "closed"):
    """The same for tensors, compiled and differentiated as part of a graph; also a loss or metric as it stands.

    Args:
        a: ``(..., 4)`` quaternions, such as the true ones. For all but ``"closed"`` and ``"exact"``, which do not
            depend on it, they must have unit length.
        b: ``(..., 4)`` quaternions; leading axes broadcast.
        method: One of ``METHODS``.

    Returns:
        ``(...)`` degrees. Keras takes their mean, the thesis's MDE.

    Raises:
        ValueError: If the method is unknown.
    """
    from keras import ops

    from omnet import tensor_rotations

    return _disorientation_deg(a, b, method, ops, tensor_rotations)


def mean_disorientation_error_deg(true: np.ndarray, predicted: np.ndarray) -> float:
    """MDE, the thesis's measure of indexing.

    Args:
        true: ``(n, 4)`` unit quaternions.
        predicted: ``(n, 4)`` unit quaternions.

    Returns:
        Mean of the disorientations, degrees.
    """
    return float(disorientation_deg(true, predicted).mean())


def _checked(quaternions: np.ndarray) -> np.ndarray:
    quaternions = np.asarray(quaternions, np.float64)
    if quaternions.ndim == 0 or quaternions.shape[-1] != 4:
        raise ValueError(f"Expected quaternions of shape (..., 4); received {quaternions.shape}.")
    far = np.abs(np.linalg.norm(quaternions, axis=-1) - 1)
    if not (far <= UNIT_LENGTH_TOLERANCE).all():  # NaN is not
        raise ValueError(
            f"Expected finite quaternions of unit length; received {np.count_nonzero(~(far <= UNIT_LENGTH_TOLERANCE))} "
            "others. Divide each by its norm."
        )
    return quaternions


# ------------------------------------------------------------------- the angle, for NumPy and keras.ops alike: `xp`


def _disorientation_deg(a, b, method: str, xp: Any, conversions: Any):
    if method == "closed":
        return _closed(a, b, xp)
    if method == "exact":
        return _exact(a, b, xp)
    if method not in METHODS:
        raise ValueError(f"Expected a method of {', '.join(METHODS)}; received {method!r}.")
    a, b = conversions.matrices_from_quaternions(a), conversions.matrices_from_quaternions(b)
    if method == "tensor_graph":
        return _all_pairs(a, b, rotations.CUBIC_MATRICES, lambda cosine: _arccos_deg(cosine, xp), xp)
    smallest = _all_pairs(a, b, RELEASED_MATRICES, lambda cosine: _released_arccos_deg(cosine, xp), xp)
    return xp.minimum(smallest, RELEASED_LARGEST_DEG)


def _closed(a, b, xp):
    q0, q1, q2, q3 = _sort_descending([xp.abs(component) for component in _misorientation(a, b)], xp)
    cosine, squared_sine = q0, q1 * q1 + q2 * q2 + q3 * q3
    quarter_turn = (q0 + q1) / np.sqrt(2), (q0 - q1) * (q0 - q1) / 2 + q2 * q2 + q3 * q3
    differences = q0 + q1 - q2 - q3, q0 - q1 + q2 - q3, q0 - q1 - q2 + q3
    third_turn = (q0 + q1 + q2 + q3) / 2, sum(one * one for one in differences) / 4
    for other_cosine, other_squared_sine in (quarter_turn, third_turn):
        nearer = other_cosine > cosine
        cosine = xp.where(nearer, other_cosine, cosine)
        squared_sine = xp.where(nearer, other_squared_sine, squared_sine)
    return _angle_deg(squared_sine, cosine, xp)


def _exact(a, b, xp):
    misorientation = xp.stack(_misorientation(a, b), axis=-1)  # (..., 4)
    products = [xp.matmul(misorientation, xp.array(table, dtype=misorientation.dtype)) for table in LEFT_PRODUCTS]
    w, x, y, z = products  # (..., 24) each
    return xp.min(_angle_deg(x * x + y * y + z * z, xp.abs(w), xp), axis=-1)


# Component of O_k q, component of q, k: O_k q for all k at once.
LEFT_PRODUCTS = rotations.multiply(rotations.CUBIC_QUATERNIONS[:, None], np.eye(4)).transpose(2, 1, 0)  # (4, 4, 24)


def _misorientation(a, b):
    """Components of ``b a^-1``, which takes the crystal in orientation a to that in b."""
    w1, x1, y1, z1 = (a[..., i] for i in range(4))
    w2, x2, y2, z2 = (b[..., i] for i in range(4))
    return [
        w2 * w1 + x2 * x1 + y2 * y1 + z2 * z1,
        -w2 * x1 + x2 * w1 - y2 * z1 + z2 * y1,
        -w2 * y1 + x2 * z1 + y2 * w1 - z2 * x1,
        -w2 * z1 - x2 * y1 + y2 * x1 + z2 * w1,
    ]


def _sort_descending(four, xp):
    """A sorting network; `where` on one condition, for max and min would both give a tie's gradient to one side."""
    four = list(four)
    for i, j in ((0, 1), (2, 3), (0, 2), (1, 3), (1, 2)):
        in_order = four[i] >= four[j]
        four[i], four[j] = xp.where(in_order, four[i], four[j]), xp.where(in_order, four[j], four[i])
    return four


def _angle_deg(squared_sine, cosine, xp):
    """Angles of which sine and cosine of the half are given, up to a common factor."""
    away = squared_sine > SMALLEST_SQUARED_SINE
    # The inner `where` keeps the square root's gradient finite, the outer one its value right.
    sine = xp.where(away, xp.sqrt(xp.where(away, squared_sine, 1.0)), 0.0)
    return 2 * DEGREES * xp.arctan2(sine, cosine)


def _all_pairs(a, b, operators, arccos_deg: Callable, xp):
    """The smallest angle of ``(O_i a)(O_j b)^-1`` and ``(O_j b)(O_i a)^-1``, from (..., 3, 3) matrices."""
    operators = xp.array(operators, dtype=a.dtype)
    a, b = (_as_rows(xp.matmul(operators, one[..., None, :, :]), xp) for one in (a, b))  # (..., 24, 9)
    smallest = []
    for first, second in ((a, b), (b, a)):
        traces = xp.matmul(first, xp.swapaxes(second, -1, -2))  # (..., 24, 24): of A B^T, element by element
        smallest.append(xp.min(arccos_deg((traces - 1) / 2), axis=(-2, -1)))
    return xp.minimum(*smallest)


def _as_rows(matrices, xp):
    return xp.reshape(matrices, (*xp.shape(matrices)[:-2], 9))


def _arccos_deg(cosine, xp):
    at_limit = 90 * (1 - xp.sign(cosine))  # 0 or 180
    inside = xp.abs(cosine) < 1
    # The inner `where` keeps the gradient of arccos finite, the outer one its value right.
    return xp.where(inside, DEGREES * xp.arccos(xp.where(inside, cosine, 0.0)), at_limit)


def _released_arccos_deg(cosine, xp):
    inside = xp.abs(cosine) < 1
    return xp.where(inside, DEGREES * xp.arccos(xp.where(inside, cosine, 0.0)), 180.0)


# ------------------------------------------------------------------------------------------------- Euler angles


def mseae_deg(true: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """MSEAE: mean absolute errors of the Euler angles, each prediction in the equivalent nearest to the true one.

    The true orientations are taken in the fundamental zone of 432 and differences around the circle. Of the ways to
    read the thesis's equations this is the one that comes to its figures for dictionary indexing: with the nearest
    point of the same grid it gives 0.65, 0.35, 0.66 degrees where the thesis has 0.66, 0.35, 0.65. Errors of phi1 and
    phi2 are large where Phi is near 0, for only their sum matters there; the disorientation is the better measure.

    Args:
        true: ``(n, 4)`` unit quaternions.
        predicted: ``(n, 4)`` unit quaternions.

    Returns:
        ``(3,)`` mean absolute errors of phi1, Phi and phi2, degrees.

    Raises:
        ValueError: If the shapes differ, or a quaternion is not finite or not of unit length.

    Reference:
        Equations 6.6 to 6.8.
    """
    true, predicted = _checked(true), _checked(predicted)
    if true.shape != predicted.shape or true.ndim != 2:
        raise ValueError(f"Expected (n, 4) quaternions twice; received {true.shape} and {predicted.shape}.")
    true = rotations.cubic_representatives(true)
    equivalents = rotations.multiply(rotations.CUBIC_QUATERNIONS, predicted[:, None])  # (n, 24, 4)
    nearest = np.abs(np.einsum("nij,nj->ni", equivalents, true)).argmax(axis=1)
    predicted = equivalents[np.arange(len(true)), nearest]
    differences = rotations.euler_from_quaternions(predicted) - rotations.euler_from_quaternions(true)
    around = np.abs((differences + np.pi) % (2 * np.pi) - np.pi)
    return np.rad2deg(around.mean(axis=0))
