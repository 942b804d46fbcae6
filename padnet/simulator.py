"""Simulated frames of the Sn-Ti-Zn-O wafer, for the images that are not public.

What is real: the places and the label of each, and the geometry as far as the text gives it. What is known of nature:
structures, intensities, the width of lines of small grains, the arcs of textured films. What is assumed: compositions,
which phases a label stands for, and all sizes (see ``wafer.films`` and the constants here); nothing was fitted to a
result. The phases of a label are always all there, so patterns tell labels apart better than real ones need to.
Results from these frames are labelled as simulated wherever they appear.

Reference: section 7.2 of the thesis for the experiment.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy import sparse
from scipy.ndimage import zoom

from padnet.data import SIMULATED, XrdDataset
from padnet.geometry import NIST_25, NIST_45, SLAC, Geometry
from padnet.integration import integrate_samples
from padnet.phases import PHASES, lines, pole_density
from padnet.wafer import COMPONENTS, REGION_PHASES, Films, compositions, films, load_wafer

# Median counts of a pixel of the full detector, as the released code's settings have it.
TYPICAL_COUNTS = {SLAC.name: 480.0, NIST_25.name: 4.0, NIST_45.name: 4.0}
# Of the 1D patterns in section 7.4.4: points and range of 2theta.
_PATTERN_AXES = {
    SLAC.name: (931, (5.365, 58.566)),
    NIST_25.name: (2501, (10.0, 60.0)),
    NIST_45.name: (2501, (10.0, 60.0)),
}

SUBPIXELS = 2  # rings are narrower than the pixels of a small image: each is the mean of a block of points
MAX_TWO_THETA_DEG = 63.0  # beyond the corners of all three detectors
_STEP_DEG = 0.05
_TILT_RAD = np.deg2rad(np.arange(0, 91, 3))

_INCIDENCE_DEG = 3.0  # of the beam on the film
_DIFFRACTED_SHARE = 0.1  # of diffraction in background: a film of a few hundred nm on a thick substrate
_INSTRUMENT_FWHM_DEG = 0.15
_LORENTZIAN_SHARE = 0.5  # of the pseudo-Voigt lines
_SPOT_PATCHES = 256  # patches of ring along the detector: a patch is as large as the beam's image
_AIR_DECAY_DEG = 12.0
_HALO_Q_PER_A, _HALO_WIDTH_PER_A = 1.9, 0.4  # of the amorphous part
_BEAM_STOP_DEG = 7.0
_ACTIVE_RADIUS_MM = {SLAC.name: 82.5}  # the Mar165 is round; its corners stay dark
_COMPOSITION_ERROR = 0.005  # of the measured cation fractions


def simulate_wafer(
    geometries: Sequence[Geometry] = (SLAC,),
    image_px: int = 256,
    seed: int = 0,
    counts: float | None = None,
    data_dir: str | Path | None = None,
) -> XrdDataset:
    """Frames of the 177 places, with labels, compositions and integrated patterns.

    Args:
        geometries: One for each frame of a sample, at full size: ``(SLAC,)`` or ``(NIST_25, NIST_45)``.
        image_px: Rows of the frames; the detector is binned to it, and a binned pixel has the counts of its block.
        seed: Of the films and all noise. Films are those of the seed in whatever geometry and size.
        counts: Median counts of a pixel of the full detector; by default those of ``TYPICAL_COUNTS``.
        data_dir: Folder to look in first for the real labels. Where these cannot be had, labels are a stand-in, which
            the name of the data set says.

    Returns:
        Frames ``(177, num_frames, image_px, columns)`` int32; patterns from these frames of 931 points for SLAC, 2,501
        for NIST.

    Raises:
        ValueError: If the image size is no whole binning, or a geometry is unknown and no counts are given.
    """
    wafer = load_wafer(data_dir)
    film = films(wafer, seed)
    detectors = [geometry.resized(image_px) for geometry in geometries]
    frames = []
    for number, (geometry, detector) in enumerate(zip(geometries, detectors, strict=True)):
        median = TYPICAL_COUNTS.get(geometry.name) if counts is None else counts
        if median is None:
            raise ValueError(
                f"Expected counts for {geometry.name}; received none, and they are known for "
                f"{', '.join(TYPICAL_COUNTS)} only: give them."
            )
        pixels = (geometry.shape[0] // image_px) ** 2
        frames.append(_frames(film, detector, median * pixels, np.random.default_rng((seed, 1, number))))
    stacked = np.stack(frames, axis=1)
    num_points, range_deg = _pattern_axis(geometries[0], detectors)
    two_theta_deg, patterns = integrate_samples(stacked, detectors, num_points, range_deg)
    error = _COMPOSITION_ERROR * np.random.default_rng((seed, 2)).normal(size=(len(wafer.labels), len(COMPONENTS)))
    measured = np.clip(compositions(wafer.position_mm) + error, 0, None)
    return XrdDataset(
        name=f"Sn-Ti-Zn-O wafer, {' and '.join(geometry.name for geometry in geometries)}, {wafer.source}",
        origin=SIMULATED,
        frames=stacked,
        composition=measured / measured.sum(axis=1, keepdims=True),
        components=COMPONENTS,
        position_mm=wafer.position_mm,
        labels=wafer.labels,
        class_names=tuple(" + ".join(names) for names in REGION_PHASES),
        samples=wafer.samples,
        patterns=patterns,
        two_theta_deg=two_theta_deg,
    )


def _pattern_axis(geometry: Geometry, detectors: Sequence[Geometry]) -> tuple[int, tuple[float, float]]:
    if geometry.name in _PATTERN_AXES:
        return _PATTERN_AXES[geometry.name]
    angles = np.concatenate([detector.two_theta_deg().ravel() for detector in detectors])
    return 1000, (float(angles.min()), float(angles.max()))


def _frames(film: Films, detector: Geometry, median_counts: float, rng: np.random.Generator) -> np.ndarray:
    """``(n, rows, columns)`` int32 of one detector."""
    axis_deg, to_pixels = _projection(detector)
    lit = _lit(detector) * detector.solid_angle()
    background = _background(detector, rng)
    diffracted = np.empty((len(film.thickness), *detector.shape), np.float32)
    for row in range(len(diffracted)):
        rings = to_pixels @ rings_by_tilt(film, row, axis_deg, detector.wavelength_a).ravel()
        diffracted[row] = rings.reshape(detector.shape) * _spots(film.spots[row], detector.shape, rng)
    diffracted *= _DIFFRACTED_SHARE * background.mean() / diffracted.mean()
    scale = median_counts / np.median((background * lit)[lit > 0.1])
    frames = np.empty(diffracted.shape, np.int32)
    for row, rings in enumerate(diffracted):
        own = np.exp(0.05 * _irregular(detector.shape, rng)) * np.exp(0.05 * rng.normal())
        frames[row] = rng.poisson(scale * lit * (background * own + rings))
    return frames


def _projection(detector: Geometry) -> tuple[np.ndarray, sparse.csr_array]:
    """2theta of a table of rings by 2theta and tilt, and the matrix that interpolates that table to the pixels.

    Returns:
        ``(num_angles,)`` degrees and ``(rows * columns, num_angles * 31)``: each pixel is the mean of its parts, each
        interpolated linearly between its four neighbours in the table.
    """
    points = detector.divided(SUBPIXELS)
    two_theta_deg, tilt_rad = points.two_theta_deg(), _tilt_rad(points)
    axis_deg = np.arange(two_theta_deg.min() - 1, two_theta_deg.max() + 1, _STEP_DEG)
    along, along_part = np.divmod((two_theta_deg - axis_deg[0]) / _STEP_DEG, 1)
    across, across_part = np.divmod(tilt_rad / _TILT_RAD[1], 1)
    rows, columns = (np.arange(length) // SUBPIXELS for length in points.shape)
    pixel = (rows[:, None] * detector.shape[1] + columns).ravel()
    corners = [(0, 0), (0, 1), (1, 0), (1, 1)]
    weights = [abs(1 - i - along_part) * abs(1 - j - across_part) / SUBPIXELS**2 for i, j in corners]
    # A tilt of 90 degrees has no further neighbour, and gives it no weight.
    places = [(along + i) * len(_TILT_RAD) + np.minimum(across + j, len(_TILT_RAD) - 1) for i, j in corners]
    indices = (np.tile(pixel, 4), np.concatenate([place.ravel() for place in places]).astype(np.int64))
    size = (detector.shape[0] * detector.shape[1], len(axis_deg) * len(_TILT_RAD))
    matrix = sparse.csr_array((np.concatenate([weight.ravel() for weight in weights]), indices), shape=size)
    return axis_deg, matrix


def _tilt_rad(detector: Geometry) -> np.ndarray:
    """``(rows, columns)``: angle between scattering vector and the film's normal."""
    directions = detector.directions()  # along the beam, then the two axes across it
    beam = np.array([1.0, 0, 0])
    # The film looks towards the middle of the detector, and the beam meets it at the angle of incidence.
    across = directions.mean(axis=(0, 1)) * [0, 1, 1]
    incidence = np.deg2rad(_INCIDENCE_DEG)
    normal = np.cos(incidence) * across / np.linalg.norm(across) - np.sin(incidence) * beam
    scattering = directions - beam
    cosine = np.abs(scattering @ normal) / np.linalg.norm(scattering, axis=-1)
    return np.arccos(np.clip(cosine, 0, 1))


def rings_by_tilt(film: Films, row: int, axis_deg: np.ndarray, wavelength_a: float) -> np.ndarray:
    """Intensity of the rings of one sample, ``(len(axis_deg), 31)``: by 2theta, and by tilt in steps of 3 degrees."""
    total = np.zeros((len(axis_deg), len(_TILT_RAD)))
    for number, name in enumerate(PHASES):
        fraction = film.fractions[row, number]
        if not fraction:
            continue
        of_phase = lines(name, wavelength_a, MAX_TWO_THETA_DEG)
        spacings_a = of_phase.spacings_a(film.titanium_share[row]) * (1 + film.strain[row])
        theta = np.arcsin(np.clip(wavelength_a / (2 * spacings_a), 0, 1))
        grain_deg = np.rad2deg(0.9 * wavelength_a / (10 * film.grain_nm[row] * np.cos(theta)))  # Scherrer
        profiles = _pseudo_voigt(
            (axis_deg[:, None] - np.rad2deg(2 * theta)).astype(np.float32), np.hypot(grain_deg, _INSTRUMENT_FWHM_DEG)
        )
        poles = pole_density(of_phase.cos_to_axis, _TILT_RAD, film.texture[row, number])  # (m, 31)
        strengths = of_phase.strengths(film.titanium_share[row])
        total += film.thickness[row] * fraction * (profiles * strengths) @ poles
    return total


def _pseudo_voigt(offset_deg: np.ndarray, fwhm_deg: np.ndarray) -> np.ndarray:
    """Lines of area 1."""
    reduced = (2 * offset_deg / fwhm_deg) ** 2
    gaussian = np.sqrt(np.log(2) / np.pi) * np.exp(-np.log(2) * reduced)
    lorentzian = 1 / (np.pi * (1 + reduced))
    return 2 / fwhm_deg * (_LORENTZIAN_SHARE * lorentzian + (1 - _LORENTZIAN_SHARE) * gaussian)


def _spots(grains: float, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """``(rows, columns)`` of mean 1: how much the grains that happen to be oriented for each patch of ring diffract."""
    side = min(_SPOT_PATCHES, shape[0])
    patches_of_pixel = (_SPOT_PATCHES / side) ** 2
    shape_parameter = grains * patches_of_pixel
    patches = rng.standard_gamma(shape_parameter, (side, side * shape[1] // shape[0]), np.float32) / shape_parameter
    return patches if patches.shape == shape else zoom(patches, np.divide(shape, patches.shape), order=1)


def _background(detector: Geometry, rng: np.random.Generator) -> np.ndarray:
    """Air scatter, a halo of amorphous material and fluorescence, on an irregular field that all samples share."""
    two_theta_deg = detector.two_theta_deg()
    q_per_a = 4 * np.pi / detector.wavelength_a * np.sin(np.deg2rad(two_theta_deg / 2))
    air = np.exp(-two_theta_deg / _AIR_DECAY_DEG)
    halo = np.exp(-(((q_per_a - _HALO_Q_PER_A) / _HALO_WIDTH_PER_A) ** 2) / 2)
    return (0.4 + air + 0.3 * halo) * np.exp(0.15 * _irregular(detector.shape, rng))


def _irregular(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """A smooth field of about unit deviation: random numbers at 5 by 5 places, and a cubic surface through them."""
    along_rows, along_columns = (zoom(np.eye(5), (length / 5, 1), order=3) for length in shape)
    return along_rows @ rng.normal(size=(5, 5)) @ along_columns.T


def _lit(detector: Geometry) -> np.ndarray:
    """``(rows, columns)`` 0 to 1: what beam stop and the outline of the detector leave."""
    two_theta_deg = detector.two_theta_deg()
    passed = 1 / (1 + np.exp(np.clip((_BEAM_STOP_DEG - two_theta_deg) / 0.1, -50, 50)))
    radius_mm = _ACTIVE_RADIUS_MM.get(detector.name)
    if radius_mm is None:
        return passed
    rows, columns = (detector.pixel_size_m * 1e3 * (np.arange(length) + 0.5 - length / 2) for length in detector.shape)
    return passed * (np.hypot(rows[:, None], columns) < radius_mm)
