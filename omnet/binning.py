"""Patterns of fewer and larger pixels, and where their detector then stands."""

from dataclasses import replace

import numpy as np

from omnet.detector import Detector


def binned(patterns: np.ndarray, factor: int) -> np.ndarray:
    """Means of blocks of pixels; rows and columns at the bottom and the right that fill no block are cut off.

    Args:
        patterns: ``(n, rows, columns)``.
        factor: Edge of a block.

    Returns:
        ``(n, rows // factor, columns // factor)``.
    """
    if factor == 1:
        return patterns
    rows, columns = (length // factor for length in patterns.shape[1:])
    kept = patterns[:, : rows * factor, : columns * factor]
    return kept.reshape(-1, rows, factor, columns, factor).mean(axis=(2, 4))


def binned_detector(detector: Detector, factor: int) -> Detector:
    """The detector of `binned` patterns: its projection centre is in fractions of what is left."""
    rows, columns = (length // factor for length in detector.shape)
    higher, wider = detector.shape[0] / (rows * factor), detector.shape[1] / (columns * factor)
    x, y, z = detector.pc
    return replace(detector, shape=(rows, columns), pc=(x * wider, y * higher, z * higher))
