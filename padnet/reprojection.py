"""Measured 1D patterns as frames of a 2D detector.

Each pattern is spread evenly over its rings and counted: real peaks and backgrounds with the noise of a detector. What
the azimuth would have told (texture, grains) was integrated away by the measurement and is not made up: the rings are
uniform, so a frame holds no more than its pattern, and in small frames less.
Results from such frames are labelled as re-projected wherever they appear.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from padnet.data import REPROJECTED, XrdDataset
from padnet.geometry import SLAC, Geometry

# Each pixel sums a block of this many by this many points: rings are narrower than the pixels of a small image.
SUBPIXELS = 2


def reprojected(
    dataset: XrdDataset, geometry: Geometry = SLAC, image_px: int = 256, seed: int = 0, counts: float = 480.0
) -> XrdDataset:
    """The samples of a data set with frames made of their patterns.

    Args:
        dataset: With `patterns`.
        geometry: The detector at its full size. It keeps 2theta: as if it had stood at the same source.
        image_px: Rows of the frames; the detector is binned to it, and a binned pixel has the counts of its block.
        seed: Of the counting noise.
        counts: Median counts of a pixel of the full detector over all samples; samples keep their relative brightness.

    Returns:
        The data set with `frames` ``(n, 1, image_px, columns)`` int32; a pixel outside the measured range has 0, as
        behind a beam stop.

    Raises:
        ValueError: If there are no patterns, or none of the detector lies in their range.
    """
    if dataset.patterns is None or dataset.two_theta_deg is None:
        raise ValueError(
            f"Expected patterns to re-project; received none in {dataset.name}: integrate its frames first."
        )
    detector = geometry.resized(image_px)
    fine = detector.divided(SUBPIXELS)
    two_theta_deg, axis = fine.two_theta_deg(), dataset.two_theta_deg
    seen = (two_theta_deg >= axis[0]) & (two_theta_deg <= axis[-1])
    if not seen.any():
        raise ValueError(
            f"Expected a detector that sees 2theta from {axis[0]:.1f} to {axis[-1]:.1f} degrees; received "
            f"{geometry.name}, {two_theta_deg.min():.1f} to {two_theta_deg.max():.1f}: choose another."
        )
    weights = np.where(seen, fine.solid_angle(), 0.0)
    expected = np.stack([
        _binned(weights * np.interp(two_theta_deg, axis, pattern)) for pattern in dataset.patterns
    ])  # fmt: skip
    pixels = (geometry.shape[0] // image_px) ** 2
    expected *= counts * pixels / np.median(expected[:, _binned(weights) > 0])
    frames = np.random.default_rng(seed).poisson(expected).astype(np.int32)
    return replace(dataset, name=f"{dataset.name}, re-projected", origin=REPROJECTED, frames=frames[:, None])


def _binned(image: np.ndarray) -> np.ndarray:
    rows, columns = (length // SUBPIXELS for length in image.shape)
    return image.reshape(rows, SUBPIXELS, columns, SUBPIXELS).sum(axis=(1, 3))
