"""Background of 1D patterns as their lower envelope, for the classical models of section 7.4.4.

The text names an envelope without its settings; the width is ours. Between peaks a pattern falls to its background, so
its minima, each the lowest within a width that is broader than a peak, lie on it; a curve without overshoot joins them.
"""

from __future__ import annotations

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.signal import find_peaks

WIDTH_SHARE = 1 / 40  # of the points: 1.3 degrees of the SLAC range, three to four peak widths


def lower_envelope(patterns: np.ndarray, width_points: int | None = None) -> np.ndarray:
    """The curve through the minima of each pattern.

    Args:
        patterns: ``(n, num_points)`` intensities, finite.
        width_points: Least distance of two minima, 1 or more; ``None`` for ``WIDTH_SHARE`` of the points.

    Returns:
        ``(n, num_points)`` float64, nowhere above the pattern.

    Raises:
        ValueError: Another shape, fewer than three points, a value that is not finite, or a width below 1.
    """
    patterns = np.asarray(patterns, np.float64)
    if patterns.ndim != 2 or patterns.shape[1] < 3:
        raise ValueError(
            f"Expected patterns of shape (n, num_points) with three points or more; received {patterns.shape}. "
            "Give a single pattern as pattern[None]."
        )
    if not np.isfinite(patterns).all():
        bad = int((~np.isfinite(patterns).all(axis=1)).sum())
        raise ValueError(f"Expected finite intensities; received NaN or infinity in {bad} patterns. Leave them out.")
    width_points = max(1, round(WIDTH_SHARE * patterns.shape[1])) if width_points is None else width_points
    if width_points < 1:
        raise ValueError(f"Expected a width of 1 point or more; received {width_points}. Leave it out for the default.")
    return np.stack([_envelope(pattern, width_points) for pattern in patterns])


def remove_envelope(patterns: np.ndarray, width_points: int | None = None) -> np.ndarray:
    """Patterns less their lower envelope: ``(n, num_points)`` float64, nowhere negative; see ``lower_envelope``."""
    return np.asarray(patterns, np.float64) - lower_envelope(patterns, width_points)


def _envelope(pattern: np.ndarray, width_points: int) -> np.ndarray:
    minima, _ = find_peaks(-pattern, distance=width_points)
    knots = np.union1d(minima, [0, len(pattern) - 1])  # the ends bound the curve, whatever they are
    curve = PchipInterpolator(knots, pattern[knots])(np.arange(len(pattern)))
    return np.minimum(curve, pattern)
