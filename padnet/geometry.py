"""Where an area detector stands.

Angles and distances are in pyFAI's convention: the point of normal incidence (PONI) is measured from the outer corner
of pixel (0, 0) along rows and columns, then the detector is turned about the sample.

Reference: section 7.2 of the thesis; J. Kieffer, G. Ashiotis, A. Deschildre et al., J. Appl. Cryst. 48, 510 (2015),
doi:10.1107/S1600576715004306, on the convention.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from common.files import atomic_path

NUM_PIXELS = 2048


@dataclass(frozen=True)
class Geometry:
    """A flat detector of square pixels, and the wavelength.

    Attributes:
        name: For results and pictures.
        shape: Rows and columns.
        pixel_size_m: Side of a pixel, metres.
        distance_m: From the sample to the point of normal incidence.
        poni1_m: That point along the rows.
        poni2_m: That point along the columns.
        rot1_rad: First rotation, about the vertical axis.
        rot2_rad: Second rotation, about the horizontal axis.
        rot3_rad: Third rotation, about the beam.
        wavelength_a: Angstrom.

    Raises:
        ValueError: If a length is not positive or a number not finite.
    """

    name: str
    shape: tuple[int, int]
    pixel_size_m: float
    distance_m: float
    poni1_m: float
    poni2_m: float
    rot1_rad: float
    rot2_rad: float
    rot3_rad: float
    wavelength_a: float

    def __post_init__(self):
        if len(self.shape) != 2 or min(self.shape) < 1:
            raise ValueError(f"Expected a detector shape of (rows, columns), each at least 1; received {self.shape!r}.")
        for field in ("pixel_size_m", "distance_m", "wavelength_a"):
            if not 0 < getattr(self, field) < np.inf:  # False for NaN
                raise ValueError(f"Expected a positive {field}; received {getattr(self, field)!r}.")
        for field in ("poni1_m", "poni2_m", "rot1_rad", "rot2_rad", "rot3_rad"):
            if not np.isfinite(getattr(self, field)):
                raise ValueError(f"Expected a finite {field}; received {getattr(self, field)!r}.")

    def binned(self, factor: int) -> Geometry:
        """The same detector read out in blocks of `factor` by `factor` pixels.

        Raises:
            ValueError: If the blocks do not fill the detector.
        """
        if factor < 1 or any(length % factor for length in self.shape):
            raise ValueError(f"Expected a binning that divides {self.shape}; received {factor!r}.")
        rows, columns = (length // factor for length in self.shape)
        return replace(self, shape=(rows, columns), pixel_size_m=self.pixel_size_m * factor)

    def resized(self, image_px: int) -> Geometry:
        """The same detector binned to `image_px` rows.

        Raises:
            ValueError: If that is no whole binning.
        """
        if image_px < 1 or self.shape[0] % image_px:
            raise ValueError(
                f"Expected an image size that divides the {self.shape[0]} rows of {self.name}; received {image_px!r}."
            )
        return self.binned(self.shape[0] // image_px)

    def divided(self, factor: int) -> Geometry:
        """The same detector with each pixel divided into `factor` by `factor`."""
        rows, columns = (length * factor for length in self.shape)
        return replace(self, shape=(rows, columns), pixel_size_m=self.pixel_size_m / factor)

    def integrator(self) -> Any:
        """pyFAI's AzimuthalIntegrator of this detector; made once, as it keeps its look-up tables."""
        return _integrator(self)

    def two_theta_deg(self) -> np.ndarray:
        """``(rows, columns)`` float64: scattering angle at the middle of each pixel, degrees."""
        return self.integrator().center_array(self.shape, unit="2th_deg")

    def directions(self) -> np.ndarray:
        """``(rows, columns, 3)``: unit vectors from the sample to the pixels: along the beam, then along pyFAI's axes 1
        and 2, which are those of rows and columns where nothing is rotated.
        """
        positions = np.stack(self.integrator().calc_pos_zyx(corners=False), axis=-1)
        return positions / np.linalg.norm(positions, axis=-1, keepdims=True)

    def solid_angle(self) -> np.ndarray:
        """``(rows, columns)``: solid angle of each pixel over that of a pixel at the point of normal incidence."""
        return self.integrator().solidAngleArray(self.shape)

    def write_poni(self, path: str | Path) -> None:
        """Write the geometry as pyFAI's calibration does, whole or not at all; an older file is replaced."""
        with atomic_path(path) as temporary:
            self.integrator().write(str(temporary))


@lru_cache(maxsize=8)
def _integrator(geometry: Geometry) -> Any:
    from pyFAI.detectors import Detector
    from pyFAI.integrator.azimuthal import AzimuthalIntegrator

    return AzimuthalIntegrator(
        dist=geometry.distance_m,
        poni1=geometry.poni1_m,
        poni2=geometry.poni2_m,
        rot1=geometry.rot1_rad,
        rot2=geometry.rot2_rad,
        rot3=geometry.rot3_rad,
        detector=Detector(geometry.pixel_size_m, geometry.pixel_size_m, max_shape=geometry.shape),
        wavelength=geometry.wavelength_a * 1e-10,
    )


def _centred(
    name: str, pixel_size_m: float, distance_m: float, rot1_deg: float, rot2_deg: float, wavelength_a: float
) -> Geometry:
    """A detector whose middle is the point of normal incidence."""
    middle_m = NUM_PIXELS * pixel_size_m / 2
    return Geometry(
        name=name,
        shape=(NUM_PIXELS, NUM_PIXELS),
        pixel_size_m=pixel_size_m,
        distance_m=distance_m,
        poni1_m=middle_m,
        poni2_m=middle_m,
        rot1_rad=np.deg2rad(rot1_deg),
        rot2_rad=np.deg2rad(rot2_deg),
        rot3_rad=0.0,
        wavelength_a=wavelength_a,
    )


# Not published; these give the ranges of 2theta in section 7.2, along the line through the beam: 5.37 to 58.57 degrees
# for the image of SLAC (a Mar165 read out 2 x 2), 10 to 40 and 30 to 60 for the two of NIST. Corners reach further.
# That NIST used copper K alpha is an assumption.
SLAC = _centred("SLAC", 79e-6, 0.1615, 0.0, 31.97, 0.9744)
NIST_25 = _centred("NIST 25", 68e-6, 0.261, -25.0, 0.0, 1.5406)
NIST_45 = _centred("NIST 45", 68e-6, 0.261, -45.0, 0.0, 1.5406)


def from_poni(path: str | Path, shape: tuple[int, int]) -> Geometry:
    """The geometry that a calibration with pyFAI saved.

    Args:
        path: A ``.poni`` file.
        shape: Rows and columns of the frames, which the file need not say.

    Raises:
        ValueError: If the file is no such calibration, has no wavelength or its pixels are not square.
    """
    from padnet.integration import load_integrator

    path = Path(path)
    calibrated = load_integrator(path)
    pixel1_m, pixel2_m, wavelength_m = calibrated.pixel1, calibrated.pixel2, calibrated.wavelength
    remedy = "give the .poni file that pyFAI-calib2 writes"
    if not np.isclose(pixel1_m, pixel2_m):
        raise ValueError(f"Expected square pixels in {path}; received {pixel1_m} m by {pixel2_m} m: {remedy}.")
    if not wavelength_m:
        raise ValueError(f"Expected a wavelength in {path}; received none: {remedy}.")
    return Geometry(
        name=path.stem,
        shape=shape,
        pixel_size_m=pixel1_m,
        distance_m=calibrated.dist,
        poni1_m=calibrated.poni1,
        poni2_m=calibrated.poni2,
        rot1_rad=calibrated.rot1,
        rot2_rad=calibrated.rot2,
        rot3_rad=calibrated.rot3,
        wavelength_a=wavelength_m * 1e10,
    )
