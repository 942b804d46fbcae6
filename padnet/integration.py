"""Frames integrated to 1D patterns by pyFAI: one by a geometry calibrated elsewhere (``.poni``), or those of samples.

Reference: J. Kieffer et al., J. Synchrotron Rad. 27, 558 (2020), doi:10.1107/S1600577520000776.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common.outcomes import one_line
from padnet.readers import flagged_pixels, library_warnings_silenced

if TYPE_CHECKING:
    from pyFAI.integrator.azimuthal import AzimuthalIntegrator

    from padnet.geometry import Geometry

METHOD = ("bbox", "csr", "cython")  # pixels split over the bins they reach into; the matrix is kept between frames


def load_integrator(poni_path: Path | str) -> "AzimuthalIntegrator":
    """The geometry of a ``.poni`` file as pyFAI's integrator.

    Raises:
        ValueError: If there is no such file, or it is none.
    """
    import pyFAI

    poni_path = Path(poni_path)
    if not poni_path.is_file():
        raise ValueError(f"Expected a .poni file, as pyFAI-calib2 writes it; {poni_path} does not exist or is no file.")
    try:
        with library_warnings_silenced():
            integrator = pyFAI.load(str(poni_path))
    except Exception as error:  # pyFAI raises nearly anything on files of other kinds
        reason = one_line(error)[:160] or type(error).__name__  # it may list all detectors
        raise ValueError(
            f"Expected a .poni file, as pyFAI-calib2 writes it; cannot read {poni_path}: {reason}."
        ) from error
    lengths = [integrator.dist, integrator.pixel1, integrator.pixel2]
    places = [integrator.poni1, integrator.poni2, integrator.rot1, integrator.rot2, integrator.rot3]
    if not all(length and 0 < length < math.inf for length in lengths) or not np.isfinite(places).all():
        raise ValueError(
            f"Expected a .poni file with a distance, pixel sizes, places and rotations; {poni_path} has {lengths} m, "
            f"{places[:2]} m and {places[2:]}. Calibrate the detector with pyFAI-calib2."
        )
    return integrator


def integrate(
    image: np.ndarray,
    integrator: "AzimuthalIntegrator",
    num_bins: int,
    *,
    polarization_factor: float | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Integrate a frame over the azimuth.

    Flagged pixels (negative counts of signed integers) and those not finite are left out. Intensities are corrected for
    the solid angle of the pixels.

    Args:
        image: ``(rows, columns)`` counts.
        integrator: Geometry, from ``load_integrator`` or ``padnet.geometry``.
        num_bins: Points of the pattern, over all that the detector sees.
        polarization_factor: 0.95 to 0.99 at synchrotrons, 0 for unpolarised beams; no correction where none is given.

    Returns:
        2 theta in degrees and intensity, both ``(num_bins,)`` float64; NaN where no pixel is.

    Raises:
        ValueError: If the image is not 2D, has another shape than the geometry's detector, or there are no bins.
    """
    if image.ndim != 2:
        raise ValueError(f"Expected an image of shape (rows, columns); received {image.shape}.")
    shape = integrator.detector.shape
    if shape is not None and tuple(shape) != image.shape:
        raise ValueError(
            f"Expected the detector's {shape[0]} x {shape[1]} pixels; received {image.shape}. Is it another .poni?"
        )
    if num_bins < 1:
        raise ValueError(f"Expected at least 1 bin; received {num_bins}.")
    unusable = flagged_pixels(image) | ~np.isfinite(image)
    pattern = integrator.integrate1d(
        image,
        num_bins,
        unit="2th_deg",
        mask=unusable,
        polarization_factor=polarization_factor,
        correctSolidAngle=True,
        method=METHOD,
    )
    intensity = np.where(pattern.count > 0, pattern.intensity, np.nan)  # pyFAI's own mark of no pixel is a count of 0
    return np.asarray(pattern.radial, np.float64), np.asarray(intensity, np.float64)


def integrate_samples(
    frames: np.ndarray, geometries: "Sequence[Geometry]", num_points: int, range_deg: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Integrate frames over the azimuth, by pyFAI with pixels split between bins; frames of one sample are merged.

    Args:
        frames: ``(n, num_frames, rows, columns)`` counts.
        geometries: One for each of the `num_frames`.
        num_points: Points of a pattern.
        range_deg: First and last 2theta, edges of the outermost bins.

    Returns:
        ``(num_points,)`` 2theta in degrees and ``(n, num_points)`` float32 intensities: mean counts of a pixel,
        corrected for its solid angle; 0 where no pixel is.

    Raises:
        ValueError: If frames and geometries disagree.
    """
    expected = [geometry.shape for geometry in geometries]
    if frames.ndim != 4 or [frames.shape[2:]] * frames.shape[1] != expected:
        raise ValueError(
            f"Expected frames (n, num_frames, rows, columns) of the detectors {expected}; received {frames.shape}: "
            "bin the geometries to the size of the frames."
        )
    signal = np.zeros((len(frames), num_points))
    normalisation = np.zeros_like(signal)
    for number, geometry in enumerate(geometries):
        integrator = geometry.integrator()
        for row, image in enumerate(frames[:, number]):
            result = integrator.integrate1d(image, num_points, unit="2th_deg", radial_range=range_deg, method=METHOD)
            signal[row] += result.sum_signal
            normalisation[row] += result.sum_normalization
    edges = np.linspace(*range_deg, num_points + 1)
    intensities = np.divide(signal, normalisation, out=np.zeros_like(signal), where=normalisation > 0)
    return (edges[:-1] + edges[1:]) / 2, intensities.astype(np.float32)
