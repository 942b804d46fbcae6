"""Which patterns of a scan can be compared with anything, and patterns as unit vectors that can."""

from __future__ import annotations

import numpy as np

CONSTANT = "constant pattern"
NOT_FINITE = "NaN or infinite values"
_AT_ONCE = 1024  # patterns; a scan may be larger than the memory


def checked_patterns(patterns: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The patterns as they are, if they are a scan of this shape.

    Args:
        patterns: ``(n, rows, columns)``, any integer or floating-point intensities.
        shape: Rows and columns that are expected.

    Raises:
        ValueError: If there is no pattern, or they are of another size or kind.
    """
    patterns = np.asanyarray(patterns)  # a memory map stays one
    if patterns.ndim != 3 or patterns.shape[1:] != tuple(shape):
        raise ValueError(
            f"Expected patterns of shape (n, {shape[0]}, {shape[1]}), received {patterns.shape}; bin or crop them to "
            "this size, or simulate for the detector they came from."
        )
    if len(patterns) == 0:
        raise ValueError("Expected at least one pattern, received an empty scan.")
    if patterns.dtype.kind not in "uif":
        raise ValueError(f"Expected integer or floating-point intensities, received dtype {patterns.dtype}.")
    return patterns


def usable_patterns(patterns: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Find the patterns that nothing can be read from.

    Args:
        patterns: ``(n, rows, columns)``, any integer or floating-point intensities.

    Returns:
        ``(n,)`` bool, False where a pattern is constant or not finite, and n reasons, ``""`` where it is usable.
    """
    reasons: list[str] = []
    for start in range(0, len(patterns), _AT_ONCE):
        part = np.asarray(patterns[start : start + _AT_ONCE]).reshape(-1, int(np.prod(patterns.shape[1:])))
        lowest, highest = part.min(axis=1), part.max(axis=1)  # NaN where there is one
        is_finite = np.isfinite(lowest) & np.isfinite(highest)
        is_constant = lowest == highest
        reasons += np.select([~is_finite, is_constant], [NOT_FINITE, CONSTANT], "").tolist()
    return np.array([not reason for reason in reasons], bool), reasons


def unit_vectors(patterns: np.ndarray, *, subtract_mean: bool = True, dtype: type = np.float32) -> np.ndarray:
    """Patterns as vectors of unit length, so that the product of two is their normalised correlation.

    Args:
        patterns: ``(n, rows, columns)``; constant ones give NaN.
        subtract_mean: False keeps the mean, as the normalised dot product of the thesis does.
        dtype: Of the result and of the arithmetic.

    Returns:
        ``(n, rows * columns)``.
    """
    vectors: np.ndarray = np.array(patterns, dtype).reshape(len(patterns), -1)
    if subtract_mean:
        vectors -= vectors.mean(axis=1, keepdims=True, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def ncc(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Normalised cross-correlation of pairs of patterns, ``(n, rows, columns)`` each, as ``(n,)`` from -1 to 1."""
    deviations = [patterns - patterns.mean(axis=(1, 2), keepdims=True) for patterns in (first, second)]
    lengths = [np.sqrt((deviation**2).sum(axis=(1, 2))) for deviation in deviations]
    return (deviations[0] * deviations[1]).sum(axis=(1, 2)) / (lengths[0] * lengths[1])
