"""Where the detector stands: the direction, in the sample frame, from the source point to each of its pixels.

Reference: chapter 6 of the thesis; P. G. Callahan, M. De Graef, Microsc. Microanal. 19, 1255 (2013),
doi:10.1017/S1431927613001840; the makers' conventions for the projection centre: M. A. Jackson, E. Pascal, M. De Graef,
Integr. Mater. Manuf. Innov. 8, 226 (2019), doi:10.1007/s40192-019-00137-4.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class Detector:
    """A flat detector in front of a tilted sample.

    Attributes:
        shape: Rows and columns of a pattern, pixels.
        pc: Projection centre ``(x, y, z)``: x from the left in widths of the detector, y from the TOP in heights, z the
            distance of the source point in heights.
        sample_tilt_deg: Tilt of the sample about the microscope's horizontal axis.
        tilt_deg: Tilt of the detector about the same axis.

    Raises:
        ValueError: If a value is of another kind, or not finite.
    """

    shape: tuple[int, int] = (60, 60)
    pc: tuple[float, float, float] = (0.42514, 0.21337, 0.50071)
    sample_tilt_deg: float = 70.0
    tilt_deg: float = 0.0

    def __post_init__(self):
        if len(self.shape) != 2 or not all(
            isinstance(length, (int, np.integer)) and length >= 1 for length in self.shape
        ):
            raise ValueError(f"Expected a detector shape of whole (rows, columns), received {self.shape!r}.")
        if self.checked_pc(self.pc).ndim != 1:
            raise ValueError("Expected one projection centre (x, y, z) for a detector, received several.")
        for name in ("sample_tilt_deg", "tilt_deg"):
            if not -90 <= getattr(self, name) <= 90:  # False for NaN
                raise ValueError(f"Expected {name} from -90 to 90 degrees, received {getattr(self, name)!r}.")

    @classmethod
    def from_tsl(cls, shape: tuple[int, int], pc: tuple[float, float, float], **tilts: float) -> Detector:
        """A detector whose projection centre is given in the convention of EDAX TSL.

        Args:
            shape: Rows and columns.
            pc: ``(x*, y*, z*)``: x* from the left in widths, y* from the BOTTOM in heights, z* in the shorter of the
                two.
            **tilts: ``sample_tilt_deg``, ``tilt_deg``.
        """
        x, y, z = cls.checked_pc(pc).tolist()
        return cls(shape, (x, 1 - y, z * min(shape) / shape[0]), **tilts)

    @cached_property
    def pixel_rays(self) -> np.ndarray:
        """``(rows * columns, 3)``; the part of the rays that does not depend on the projection centre, in heights.

        The ray of a pixel, not yet of unit length, is ``pixel_rays + pc @ pc_rays``: linear in the projection centre.
        """
        rows, columns = self.shape
        v, u = np.meshgrid((np.arange(rows) + 0.5) / rows, (np.arange(columns) + 0.5) / columns, indexing="ij")
        on_detector = np.stack([u * columns / rows, -v, np.zeros_like(u)], axis=-1)  # (rows, columns, 3)
        return on_detector.reshape(-1, 3) @ self._to_sample.T

    @cached_property
    def pc_rays(self) -> np.ndarray:
        """``(3, 3)``; what the projection centre adds to all rays, see `pixel_rays`."""
        rows, columns = self.shape
        return np.diag([-columns / rows, 1.0, 1.0]) @ self._to_sample.T

    @property
    def _to_sample(self) -> np.ndarray:
        """From the detector's axes (right, up, towards the detector) to the sample's."""
        a = np.deg2rad(90 - self.sample_tilt_deg + self.tilt_deg)
        return np.array([[0, -np.cos(a), np.sin(a)], [1, 0, 0], [0, np.sin(a), np.cos(a)]])

    def directions(self, pc: np.ndarray | None = None) -> np.ndarray:
        """Unit vectors from the source point to all pixels, row by row from the top left, in the sample frame.

        Args:
            pc: ``(n, 3)`` projection centres; the detector's own where none are given.

        Returns:
            ``(rows * columns, 3)`` float64, or ``(n, rows * columns, 3)`` with `pc`.

        Raises:
            ValueError: If `pc` has another shape or is not a projection centre.
        """
        pc = np.asarray(self.pc, np.float64) if pc is None else self.checked_pc(pc)
        rays = self.pixel_rays + (pc @ self.pc_rays)[..., None, :]
        return rays / np.linalg.norm(rays, axis=-1, keepdims=True)

    @staticmethod
    def checked_pc(pc: np.ndarray | tuple[float, float, float]) -> np.ndarray:
        """Projection centres ``(..., 3)`` as float64.

        Raises:
            ValueError: If the last axis is not 3, a number is not finite, or a distance is not positive.
        """
        values = np.asarray(pc, np.float64)
        if values.ndim == 0 or values.shape[-1] != 3:
            raise ValueError(f"Expected a projection centre (x, y, z), received an array of shape {values.shape}.")
        wrong = ~np.isfinite(values).all(axis=-1) | (values[..., 2] <= 0)
        if wrong.any():
            raise ValueError(
                "Expected finite projection centres (x, y, z) with z > 0, in fractions of the detector; received "
                f"{values[wrong][0].tolist()}."
            )
        return values
