"""Error against training size (figure 3.3): the sizes, a network's settings at each, and where two curves cross.

The training rows of a size are the first of one seeded permutation (`Rows.draw`), so each smaller set lies inside every
larger one, and two sizes differ by the rows added alone.

Reference: thesis figure 3.3; D. Jha et al., Sci. Rep. 8, 17593 (2018), doi:10.1038/s41598-018-35934-y.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from elemnet.config import FAST_RECIPE, SMALL_RECIPE, ElemNetConfig

MIN_STEPS = 2_400


def log_spaced_sizes(smallest: int, largest: int, count: int) -> tuple[int, ...]:
    """``count`` training sizes from ``smallest`` to ``largest``, evenly spaced by their logarithm.

    Returns:
        Whole numbers that rise; fewer than ``count`` where neighbours are the same.

    Raises:
        ValueError: Fewer than two sizes, or ends that are not 1 <= smallest < largest.
    """
    if count < 2 or not 1 <= smallest < largest:
        raise ValueError(
            f"Expected at least two sizes and 1 <= smallest < largest; received {count} sizes from {smallest:,} to "
            f"{largest:,}."
        )
    return tuple(int(size) for size in np.unique(np.geomspace(smallest, largest, count).round().astype(int)))


def network_config(base: ElemNetConfig, size: int) -> ElemNetConfig:
    """The settings of figure 3.3's network on ``size`` training rows.

    Fewer rows give fewer steps, and a network that is hardly trained says nothing of its data. So ``fast`` takes the
    batch that gives at least ``MIN_STEPS`` steps, halved down to that of ``small``; then more epochs, up to those of
    ``small``. The learning rate follows the batch as a power law from the one recipe to the other, and the share of
    epochs without dropout stays. Other recipes are the same at every size.
    """
    config, settings, small = replace(base, max_train_rows=size), base.training, SMALL_RECIPE.training
    batch_size = settings.batch_size
    while batch_size > small.batch_size and settings.max_epochs * size < MIN_STEPS * batch_size:
        batch_size //= 2
    if base.recipe != FAST_RECIPE.recipe or batch_size == settings.batch_size:
        return config
    power = math.log(settings.learning_rate / small.learning_rate, settings.batch_size / small.batch_size)
    epochs = max(settings.max_epochs, min(small.max_epochs, math.ceil(MIN_STEPS * batch_size / size)))
    return config.with_training(
        batch_size=batch_size,
        learning_rate=small.learning_rate * (batch_size / small.batch_size) ** power,
        max_epochs=epochs,
        dropout_free_epochs=round(epochs * settings.dropout_free_epochs / settings.max_epochs),
    )


@dataclass(frozen=True)
class Crossing:
    """Above which training size one model is ahead of another.

    Attributes:
        size: Training rows, between two sizes that were tried; ``None`` if the model is ahead at all of them, or
            behind at the largest.
        ahead_from_start: Whether it is ahead at all of them, so that the crossing lies below the smallest.
        num_changes: How often the order of the two changes; 1 for a clean crossing.
    """

    size: float | None
    ahead_from_start: bool
    num_changes: int


def crossing(sizes: Sequence[float], errors: Sequence[float], other_errors: Sequence[float]) -> Crossing:
    """The training size above which ``errors`` stay below ``other_errors``.

    Both are taken as power laws between neighbouring sizes, which are straight lines of the logarithms. Sizes where
    either is NaN, as after a training that failed, are passed over. Where the order changes more than once, the last
    change counts.

    Args:
        sizes: ``(n,)`` training rows, rising.
        errors: ``(n,)`` errors of the model, above 0.
        other_errors: ``(n,)`` errors of the model to beat, above 0.

    Raises:
        ValueError: No size with both errors, sizes that do not rise, or numbers not above 0.
    """
    points = np.array([sizes, errors, other_errors], float)  # (3, n)
    points = points[:, np.isfinite(points).all(axis=0)]
    if points.shape[1] == 0 or (points <= 0).any() or (np.diff(points[0]) <= 0).any():
        raise ValueError(
            f"Expected rising sizes and errors above 0, of both models at one size at least; received sizes "
            f"{list(sizes)}, errors {list(errors)} and {list(other_errors)}."
        )
    log_size, log_error, log_other = np.log(points)
    gap = log_error - log_other  # below 0 where the model is ahead
    is_ahead = gap < 0
    num_changes = int((is_ahead[1:] != is_ahead[:-1]).sum())
    if not is_ahead[-1] or is_ahead.all():
        return Crossing(None, bool(is_ahead.all()), num_changes)
    before = int(np.flatnonzero(~is_ahead)[-1])
    share = gap[before] / (gap[before] - gap[before + 1])
    size = np.exp(log_size[before] + share * (log_size[before + 1] - log_size[before]))
    return Crossing(float(size), False, num_changes)
