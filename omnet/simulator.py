"""Patterns of any orientation: the detector's directions, turned into the crystal, looked up in the master pattern.

    simulator = Simulator(load_master_pattern(), Detector())
    patterns = simulator.simulate(quaternions_from_euler(euler_rad))    # (n, 60, 60)

`project` is the same as a function of tensors, for use inside models; all of it is compiled into one loop over pixels.

Reference: chapter 6 of the thesis; P. G. Callahan, M. De Graef, Microsc. Microanal. 19, 1255 (2013),
doi:10.1017/S1431927613001840; the square projection: D. Rosca, Astron. Astrophys. 520, A63 (2010),
doi:10.1051/0004-6361/201015278.
"""

from __future__ import annotations

import hashlib
import os
from functools import cached_property

import numpy as np
from keras import ops
from tqdm import tqdm

from common.backend import compiled
from omnet.detector import Detector
from omnet.master_pattern import MasterPattern
from omnet.pattern_file import PatternFile
from omnet.tensor_rotations import matrices_from_quaternions

PIXELS_AT_ONCE = 2**20  # some 300 patterns of 60 x 60: a few MB, which stay in the cache


def unit_directions(pc, pixel_rays, pc_rays):
    """`Detector.directions` of tensors, differentiable in the projection centre.

    Args:
        pc: ``(n, 3)`` projection centres.
        pixel_rays: ``(p, 3)``, see `Detector.pixel_rays`.
        pc_rays: ``(3, 3)``, see `Detector.pc_rays`.

    Returns:
        ``(n, p, 3)`` unit vectors in the sample frame.
    """
    rays = pixel_rays[None] + ops.matmul(pc, pc_rays)[:, None]  # (n, p, 3)
    return rays * ops.rsqrt(ops.sum(rays * rays, axis=-1, keepdims=True))


def project(quaternions, directions, upper, lower):
    """Intensities that orientations send in given directions of the sample, by bilinear interpolation.

    Args:
        quaternions: ``(n, 4)`` unit quaternions, sample to crystal.
        directions: ``(p, 3)``, or ``(n, p, 3)`` where they differ between patterns; unit vectors in the sample frame.
        upper: ``(m, m)`` hemisphere of the master pattern.
        lower: ``(m, m)``; the same object where the hemispheres do not differ, which saves work.

    Returns:
        ``(n, p)``, in the intensities of the master pattern.
    """
    matrices = matrices_from_quaternions(quaternions)  # (n, 3, 3)
    d0, d1, d2 = (directions[..., i] for i in range(3))  # (p,) or (n, p)
    # Sums, not a matrix product, which would end the loop over pixels and send its results through memory.
    x, y, z = (
        matrices[:, i, 0:1] * d0 + matrices[:, i, 1:2] * d1 + matrices[:, i, 2:3] * d2  # (n, p)
        for i in range(3)
    )
    num_points = upper.shape[0]
    last = num_points - 1
    column, row = (last / 2 * (1 + place) for place in _lambert_square(x, y, z))  # 0 to last
    # The points on the far edges are corners of the last cells.
    column_0, row_0 = (ops.clip(ops.cast(place, "int32"), 0, last - 1) for place in (column, row))
    right, down = column - ops.cast(column_0, column.dtype), row - ops.cast(row_0, row.dtype)

    corner = row_0 * num_points + column_0
    if lower is upper:
        intensities = ops.reshape(upper, (-1,))
    else:
        intensities = ops.concatenate([ops.reshape(upper, (-1,)), ops.reshape(lower, (-1,))])
        corner = corner + ops.where(z < 0, num_points * num_points, 0)
    first, second = (
        ops.take(intensities, left, axis=0) * (1 - right) + ops.take(intensities, left + 1, axis=0) * right
        for left in (corner, corner + num_points)
    )
    return first * (1 - down) + second * down


def _lambert_square(x, y, z):
    """Where unit vectors lie in the square of their hemisphere; both coordinates from -1 to 1."""
    size_x, size_y = ops.abs(x), ops.abs(y)
    larger, smaller = ops.maximum(size_x, size_y), ops.minimum(size_x, size_y)
    # This is sqrt(1 - |z|), without the rounding of that difference near the pole, and without an infinite gradient.
    radius = ops.sqrt(ops.maximum((x * x + y * y) / (1 + ops.abs(z)), 1e-20))
    across = radius * ops.arctan(smaller / ops.maximum(larger, 1e-20)) * (4 / np.pi)
    is_x_larger = size_x >= size_y
    along_x, along_y = ops.where(is_x_larger, radius, across), ops.where(is_x_larger, across, radius)
    return ops.where(x < 0, -along_x, along_x), ops.where(y < 0, -along_y, along_y)


class Simulator:
    """Simulates patterns of one phase on one detector.

    Args:
        master: The phase.
        detector: Shape and geometry.
    """

    def __init__(self, master: MasterPattern, detector: Detector):
        self.master, self.detector = master, detector
        self.batch_size = max(1, PIXELS_AT_ONCE // (detector.shape[0] * detector.shape[1]))

    def simulate(self, quaternions: np.ndarray, pc: np.ndarray | None = None) -> np.ndarray:
        """Simulate patterns.

        Args:
            quaternions: ``(n, 4)`` unit quaternions.
            pc: ``(n, 3)`` projection centres, one a pattern; the detector's for all where none are given.

        Returns:
            ``(n, rows, columns)`` float32, in the intensities of the master pattern.

        Raises:
            ValueError: If an array has another shape or is not finite, or a quaternion is not of unit length.
        """
        quaternions = _checked_quaternions(quaternions)
        if pc is None:
            return self._in_batches(self.patterns_of_one_pc, np.float32, quaternions)
        pc = self.detector.checked_pc(pc)
        if pc.shape != (len(quaternions), 3):
            raise ValueError(
                f"Expected one projection centre a pattern, shape ({len(quaternions)}, 3), received shape {pc.shape}."
            )
        return self._in_batches(self.patterns_of_each_pc, np.float32, quaternions, pc.astype(np.float32))

    def dictionary(
        self, quaternions: np.ndarray, path: str | os.PathLike[str] | None = None, *, progress: bool = False
    ) -> np.ndarray:
        """Simulate many patterns in a byte a pixel, in memory or in a file that outlives a stop.

        Each pattern is scaled to 0 to 255 by its own minimum and maximum, as cameras do: scores between patterns do
        not see brightness and contrast, and the steps of a byte are finest so.

        Args:
            quaternions: ``(n, 4)`` unit quaternions.
            path: ``.npy`` file to keep them in, with a ``.json`` beside it. A finished file of the same settings is
                taken as it is; a run that was stopped goes on and loses a few seconds of work at most.
            progress: Show a bar on a terminal.

        Returns:
            ``(n, rows, columns)`` uint8; with `path` mapped from the file, for reading.

        Raises:
            ValueError: If quaternions are wrong as in `simulate`, or `path` holds patterns of other settings.
            OSError: If the disk is full; what is done stays.
        """
        quaternions = _checked_quaternions(quaternions)
        with tqdm(
            total=len(quaternions), unit=" patterns", desc="simulating", disable=None if progress else True
        ) as bar:
            if path is None:
                return self._in_batches(self._of_one_pc_as_bytes, np.uint8, quaternions, bar=bar)
            file = PatternFile(path, (len(quaternions), *self.detector.shape), self._settings_hash(quaternions))
            bar.update(file.num_done)
            return file.complete(
                lambda rows: self._in_batches(self._of_one_pc_as_bytes, np.uint8, quaternions[rows], bar=bar)
            )

    def _in_batches(self, function, dtype, *arguments: np.ndarray, bar: tqdm | None = None) -> np.ndarray:
        """(n, rows, columns) of a function of n rows of each argument."""
        num = len(arguments[0])
        patterns = np.empty((num, *self.detector.shape), dtype)
        for start in range(0, num, self.batch_size):
            batch = [argument[start : start + self.batch_size] for argument in arguments]
            num_real = len(batch[0])
            if num_real < self.batch_size:  # filled up, so that only one shape is ever compiled
                batch = [np.resize(rows, (self.batch_size, rows.shape[1])) for rows in batch]
            made = ops.convert_to_numpy(function(*batch))[:num_real]  # (num_real, p)
            patterns[start : start + num_real] = made.reshape(-1, *self.detector.shape)
            if bar is not None:
                bar.update(num_real)
        return patterns

    def _settings_hash(self, quaternions: np.ndarray) -> str:
        digest = hashlib.sha256(repr((len(quaternions), self.detector.shape)).encode())
        for array in (quaternions, self.detector.directions(), self.master.upper, self.master.lower):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    @cached_property
    def patterns_of_one_pc(self):
        return compiled(self._make_of_one_pc(), jit=True)

    @cached_property
    def _of_one_pc_as_bytes(self):
        of_one_pc = self._make_of_one_pc()
        return compiled(lambda quaternions: _as_bytes(of_one_pc(quaternions)), jit=True)

    def _make_of_one_pc(self):
        # Arrays, not tensors: a tensor made while one model is traced cannot be used in another.
        directions = self.detector.directions().astype(np.float32)
        return lambda quaternions: project(quaternions, directions, self.master.upper, self.master.lower)

    @cached_property
    def patterns_of_each_pc(self):
        pixel_rays, pc_rays = self.detector.pixel_rays.astype(np.float32), self.detector.pc_rays.astype(np.float32)
        upper, lower = self.master.upper, self.master.lower
        return compiled(
            lambda quaternions, pc: project(quaternions, unit_directions(pc, pixel_rays, pc_rays), upper, lower),
            jit=True,
        )


def _as_bytes(patterns):
    """Each of (n, p) patterns scaled to 0 to 255 and rounded."""
    lowest = ops.min(patterns, axis=1, keepdims=True)
    span = ops.max(patterns, axis=1, keepdims=True) - lowest
    return ops.cast(ops.round((patterns - lowest) * (255 / ops.maximum(span, 1e-20))), "uint8")


def _checked_quaternions(quaternions: np.ndarray) -> np.ndarray:
    """(n, 4) float32 of unit length."""
    quaternions = np.asarray(quaternions, np.float64)
    if quaternions.ndim != 2 or quaternions.shape[1] != 4:
        raise ValueError(f"Expected quaternions of shape (n, 4), received {quaternions.shape}.")
    lengths = np.linalg.norm(quaternions, axis=1, keepdims=True)
    if not (np.abs(lengths - 1) < 1e-3).all():  # False for NaN
        raise ValueError("Expected finite quaternions of unit length, received others; divide each by its length.")
    return (quaternions / lengths).astype(np.float32)
