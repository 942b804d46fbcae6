"""Removal of the background under the bands of real patterns: the camera's own (static) and each pattern's (dynamic).

Real patterns need both before they are compared with simulations, whose master patterns have none. Results are
stretched to 0 to 255 pattern by pattern, the scale of the simulated dictionaries and of the networks' input.

Reference: section 8.2.6 of the thesis, which asks for experimental patterns; M. A. Jackson, E. Pascal, M. De Graef,
Integr. Mater. Manuf. Innov. 8, 226 (2019), doi:10.1007/s40192-019-00137-4, on preparing them.
"""

import numpy as np
from scipy.ndimage import gaussian_filter

BACKGROUND_STD_SHARE = 1 / 8  # of the width: what removal of the dynamic background blurs with


def remove_static_background(patterns: np.ndarray, background: np.ndarray, operation: str = "subtract") -> np.ndarray:
    """Take out what all patterns of a scan have in common.

    Args:
        patterns: ``(n, rows, columns)``, any numbers.
        background: ``(rows, columns)``, in the same intensities: the mean of patterns of many grains.
        operation: ``"subtract"``, or ``"divide"``.

    Returns:
        ``(n, rows, columns)`` float32, 0 to 255.

    Raises:
        ValueError: If shapes differ, the background is not finite, the operation is another, or a division is asked for
            with a background that is not positive everywhere.
    """
    patterns, background = as_patterns(patterns), np.asarray(background, np.float32)
    if background.shape != patterns.shape[1:]:
        raise ValueError(f"Expected a background of shape {patterns.shape[1:]}, received {background.shape}.")
    if not np.isfinite(background).all():
        raise ValueError("Expected a finite background, received NaN or infinity.")
    if operation == "subtract":
        return stretched(patterns - background)
    if operation != "divide":
        raise ValueError(f'Expected the operation "subtract" or "divide", received {operation!r}.')
    if background.min() <= 0:
        raise ValueError('Expected a positive background to divide by, received 0 or less in places; use "subtract".')
    return stretched(patterns / background)


def remove_dynamic_background(patterns: np.ndarray, std_px: float | None = None) -> np.ndarray:
    """Subtract from each pattern its own Gaussian blur.

    Args:
        patterns: ``(n, rows, columns)``, any numbers.
        std_px: Standard deviation of the blur; an eighth of the width where none is given.

    Returns:
        ``(n, rows, columns)`` float32, 0 to 255.

    Raises:
        ValueError: If the shape is another, or the deviation not positive.
    """
    patterns = as_patterns(patterns)
    std_px = BACKGROUND_STD_SHARE * patterns.shape[2] if std_px is None else std_px
    if not 0 < std_px < np.inf:
        raise ValueError(f"Expected a positive standard deviation in pixels, received {std_px!r}.")
    # Cut off after four deviations, edges mirrored: scipy's own defaults, and kikuchipy's in its spatial domain.
    return stretched(patterns - gaussian_filter(patterns, [0, std_px, std_px]))


def stretched(patterns: np.ndarray) -> np.ndarray:
    """Each of ``(n, rows, columns)`` patterns scaled to 0 to 255; one without contrast becomes 0, NaN stays NaN."""
    lowest = patterns.min(axis=(1, 2), keepdims=True)
    span = patterns.max(axis=(1, 2), keepdims=True) - lowest
    return (patterns - lowest) * (255 / np.where(span == 0, 1, span))


def as_patterns(patterns: np.ndarray) -> np.ndarray:
    """Patterns as float32.

    Raises:
        ValueError: If their shape is not ``(n, rows, columns)``.
    """
    patterns = np.asarray(patterns, np.float32)
    if patterns.ndim != 3:
        raise ValueError(
            f"Expected patterns of shape (n, rows, columns), received {patterns.shape}; give one as pattern[None]."
        )
    return patterns
