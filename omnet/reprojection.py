"""Patterns of one detector as another detector would have seen them, so that a network can answer for any geometry.

A network knows the one detector that it was trained on. Each pixel of that detector looks into a direction of the
sample; where the actual detector sees the same direction, its intensity is taken. Differences in size, projection
centre and tilt go away together, as far as the actual detector covers the other's field of view.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from omnet.detector import Detector


class Reprojection:
    """From the pixels of one detector to those of another, as one sparse matrix.

    Pixels of the target that are larger than those of the source average them: with equal geometry and a whole ratio of
    sizes this is plain binning, with equal detectors it changes nothing.

    Args:
        source: Detector of the patterns, at least 2 x 2 pixels.
        target: Detector to be imitated.

    Attributes:
        seen: ``(rows, columns)``, which of the target's pixels the source sees.
        coverage: Share of them.

    Raises:
        ValueError: If the source sees nothing of it.
    """

    def __init__(self, source: Detector, target: Detector):
        self.source, self.target = source, target
        places = _places(source, target, 1)  # (rows, columns, 2)
        size = np.abs(np.diff(places, axis=1)).max(axis=2)  # source pixels that a target pixel spans
        num = max(1, int(np.ceil(np.median(size) - 1e-6)))
        places = _places(source, target, num)
        weights = _bilinear(places.reshape(-1, 2), source.shape)
        self.weights = _block_sums(target.shape, num) @ weights / num**2  # (target pixels, source pixels)
        parts_seen = np.asarray(self.weights.sum(axis=1)).ravel()  # of each target pixel, 1 where all of it is seen
        is_seen = parts_seen > 0.5
        if not is_seen.any():
            raise ValueError(f"Expected detectors that see common directions; {source} and {target} see none.")
        self.weights = sparse.diags_array(np.where(is_seen, 1 / np.maximum(parts_seen, 0.5), 0)) @ self.weights
        self.seen = is_seen.reshape(target.shape)
        self.coverage = float(is_seen.mean())

    def __call__(self, patterns: np.ndarray) -> np.ndarray:
        """Reproject patterns.

        Args:
            patterns: ``(n, rows, columns)`` of the source.

        Returns:
            ``(n, rows, columns)`` float32 of the target; where the source sees nothing, the mean of the rest.
        """
        flat = np.asarray(patterns, np.float32).reshape(len(patterns), -1)
        made = np.asarray((self.weights @ flat.T).T, np.float32).reshape(-1, *self.target.shape)
        made[:, ~self.seen] = made[:, self.seen].mean(axis=1, keepdims=True)
        return made


def _ray_matrix(detector: Detector) -> np.ndarray:
    """``(3, 3)`` that takes (column, row, 1) of a pixel to its ray: rays are linear in places on a flat detector."""
    rays = (detector.pixel_rays + np.asarray(detector.pc) @ detector.pc_rays).reshape(*detector.shape, 3)
    return np.column_stack([rays[0, 1] - rays[0, 0], rays[1, 0] - rays[0, 0], rays[0, 0]])


def _places(source: Detector, target: Detector, num: int) -> np.ndarray:
    """``(rows * num, columns * num, 2)``; column and row in the source of the parts of the target's pixels."""
    rows, columns = ((np.arange(length * num) + 0.5) / num - 0.5 for length in target.shape)
    grid = np.stack([*np.meshgrid(columns, rows), np.ones((len(rows), len(columns)))], axis=-1)
    to_source = np.linalg.solve(_ray_matrix(source), _ray_matrix(target))
    column, row, depth = np.moveaxis(grid @ to_source.T, -1, 0)
    behind = depth <= 0  # the source's plane, where no place is the right one
    depth = np.where(behind, 1.0, depth)
    return np.where(behind[..., None], -1e6, np.stack([column / depth, row / depth], axis=-1))


def _bilinear(places: np.ndarray, shape: tuple[int, int]) -> sparse.csr_array:
    """``(places, pixels)``; nothing for places outside all pixels."""
    rows, columns = shape
    inside = np.all((places > -0.5 - 1e-6) & (places < np.array([columns, rows]) - 0.5 + 1e-6), axis=1)
    number = np.flatnonzero(inside)
    column, row = (
        np.clip(place, 0, length - 1) for place, length in zip(places[inside].T, (columns, rows), strict=True)
    )
    left, top = (np.minimum(place.astype(int), length - 2) for place, length in ((column, columns), (row, rows)))
    right_share, bottom_share = column - left, row - top
    entries = [
        ((top + down) * columns + left + right, _share(right_share, right) * _share(bottom_share, down))
        for right in (0, 1)
        for down in (0, 1)
    ]
    pixels, shares = (np.concatenate(parts) for parts in zip(*entries, strict=True))
    return sparse.csr_array((shares, (np.tile(number, 4), pixels)), shape=(len(places), rows * columns))


def _share(share: np.ndarray, is_far: int) -> np.ndarray:
    return share if is_far else 1 - share


def _block_sums(shape: tuple[int, int], num: int) -> sparse.csr_array:
    """``(pixels, pixels * num * num)``; sums the parts of each pixel."""
    sums = [sparse.kron(sparse.eye_array(length), np.ones((1, num))) for length in shape]
    return sparse.csr_array(sparse.kron(sums[0], sums[1]))
