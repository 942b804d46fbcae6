"""Losses of predicted orientations, one number a pattern, by the names of table 6.1.

    ``"mae"``, ``"mse"``
        the sum of the absolute or squared errors of all outputs, of three Euler angles in radians
    ``"mde"``
        the disorientation in DEGREES (closed form), MDE in the mean over patterns
    ``"mae+mde"``, ``"mse+mde"``
        their weighted sum, weights 1 and 1: the disorientation, in degrees, has the upper hand

Reference: section 6.3.2 and equation 6.4; D. Jha et al., Microsc. Microanal. 24, 497-502 (2018),
doi:10.1017/S1431927618015131.
"""

from collections.abc import Callable

from keras import ops

from omnet import tensor_rotations
from omnet.config import LOSSES
from omnet.disorientation import tensor_disorientation_deg


def summed_absolute(true, predicted):
    """Summed over the outputs, ``(n, k)`` twice -> ``(n,)``, in their units."""
    return ops.sum(ops.abs(true - predicted), axis=-1)


def summed_square(true, predicted):
    """The same of squares, in squared units of the outputs."""
    return ops.sum(ops.square(true - predicted), axis=-1)


_OF_OUTPUTS = {"mae": summed_absolute, "mse": summed_square}


def make_loss(name: str, head: str, *, output_weight: float = 1.0, disorientation_weight: float = 1.0) -> Callable:
    """A loss by name.

    Args:
        name: One of ``LOSSES``.
        head: What the outputs are: ``"euler"``, ``"quaternion"`` or ``"harmonics"``; the last has no disorientation
            short of a search.
        output_weight: Weight of the part in the units of the outputs.
        disorientation_weight: Weight of the disorientation in degrees.

    Returns:
        Function of ``(n, k)`` true and predicted outputs, ``(n,)``.

    Raises:
        ValueError: If the name is unknown or not for this head.
    """
    if name not in LOSSES or (head == "harmonics" and "mde" in name):
        known = LOSSES if head != "harmonics" else tuple(_OF_OUTPUTS)
        raise ValueError(f"Expected a loss of {', '.join(known)} for head {head!r}; received {name!r}.")
    parts = name.split("+")

    def loss(true, predicted):
        value = 0.0
        for part in parts:
            if part == "mde":
                turned = tensor_disorientation_deg(as_quaternions(true, head), as_quaternions(predicted, head))
                value += disorientation_weight * turned
            else:
                value += output_weight * _OF_OUTPUTS[part](true, predicted)
        return value

    return loss


def as_quaternions(outputs, head: str):
    """``(n, k)`` tensors of a head, Euler angles or quaternions, -> ``(n, 4)``."""
    return tensor_rotations.quaternions_from_euler(outputs) if head == "euler" else outputs
