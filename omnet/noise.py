"""What a real camera adds to a simulated pattern, one effect a function, for test sets.

Augmentation inside a training has its own tensor forms; these are the definitions.

Reference: section 8.2.6 of the thesis; P. G. Callahan, M. De Graef, Microsc. Microanal. 19, 1255 (2013),
doi:10.1017/S1431927613001840, on the detector.
"""

import numpy as np
from numpy.typing import ArrayLike

from omnet.background import as_patterns

# Power of the spatial frequency by which the amplitude falls, measured on what simulations leave of real patterns.
AMPLITUDE_DECAY = 0.6


def add_noise(patterns: np.ndarray, snr: ArrayLike, rng: np.random.Generator) -> np.ndarray:
    """Add white Gaussian noise of a stated signal-to-noise ratio.

    The ratio is that of standard deviations: of a pattern over its pixels, and of the noise. So at a ratio of 0.5 the
    noise varies twice as much as the bands.

    Args:
        patterns: ``(n, rows, columns)``.
        snr: One ratio for all, or ``(n,)``.
        rng: Source of randomness.

    Returns:
        ``(n, rows, columns)`` float32, not clipped to the range of the patterns.

    Raises:
        ValueError: If the shape is another, or a ratio is not positive.
    """
    patterns = as_patterns(patterns)
    deviation = patterns.std(axis=(1, 2), keepdims=True) / _each("signal-to-noise ratio", snr, patterns, above=0)
    return patterns + deviation * rng.standard_normal(patterns.shape, np.float32)


def coloured_noise(num: int, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Noise that is stronger at low spatial frequencies, as what a simulation leaves of a measured pattern.

    Args:
        num: How many maps.
        shape: Rows and columns.
        rng: Source of randomness.

    Returns:
        ``(num, rows, columns)`` float32, each of mean 0 and standard deviation 1.
    """
    rows, columns = shape
    cycles_a_pattern = np.hypot(np.fft.fftfreq(rows)[:, None] * rows, np.fft.rfftfreq(columns) * columns)
    cycles_a_pattern[0, 0] = np.inf  # no mean
    spectra = rng.normal(size=(num, *cycles_a_pattern.shape, 2)).view(complex)[..., 0]
    maps = np.fft.irfft2(spectra / cycles_a_pattern**AMPLITUDE_DECAY, s=shape)
    return (maps / maps.std(axis=(1, 2), keepdims=True)).astype(np.float32)


def apply_gain(patterns: np.ndarray, gain: ArrayLike) -> np.ndarray:
    """Amplify as a camera of 8 bits does: what would be brighter than white is white.

    Args:
        patterns: ``(n, rows, columns)``, 0 to 255.
        gain: One factor for all, or ``(n,)``; above 1 the brightest bands lose their structure.

    Returns:
        ``(n, rows, columns)`` float32, 0 to 255.

    Raises:
        ValueError: If the shape is another, or a factor is not positive.
    """
    patterns = as_patterns(patterns)
    return np.clip(patterns * _each("gain", gain, patterns, above=0), 0, 255)


def add_gradient(patterns: np.ndarray, strength: ArrayLike, angle_rad: ArrayLike = np.pi / 2) -> np.ndarray:
    """Add a background that grows linearly across the detector.

    Args:
        patterns: ``(n, rows, columns)``.
        strength: How far the corner that it grows towards lies above the middle, in standard deviations of the pattern;
            one for all, or ``(n,)``.
        angle_rad: Where it grows to, from the right anticlockwise; up by default, where most electrons go. One for
            all, or ``(n,)``.

    Returns:
        ``(n, rows, columns)`` float32, with the mean as before.

    Raises:
        ValueError: If the shape is another, or a number is not finite.
    """
    patterns = as_patterns(patterns)
    x, y = _coordinates(patterns.shape[1:])
    angle_rad = _each("angle", angle_rad, patterns)
    along = x * np.cos(angle_rad) + y * np.sin(angle_rad)  # (n or 1, rows, columns)
    height = _each("strength", strength, patterns) * patterns.std(axis=(1, 2), keepdims=True)
    return patterns + height * along / np.abs(along).max(axis=(1, 2), keepdims=True)


def apply_vignetting(patterns: np.ndarray, corner: ArrayLike) -> np.ndarray:
    """Darken towards the edges as a lens does, with the square of the distance from the middle.

    Args:
        patterns: ``(n, rows, columns)``, from 0 (black).
        corner: Brightness left in the corners, above 0, 1 for none lost; one for all, or ``(n,)``.

    Returns:
        ``(n, rows, columns)`` float32.

    Raises:
        ValueError: If the shape is another, or a brightness is not positive.
    """
    patterns = as_patterns(patterns)
    x, y = _coordinates(patterns.shape[1:])
    lost = 1 - _each("brightness of the corners", corner, patterns, above=0)
    return patterns * (1 - lost * (x * x + y * y) / 2)


def _coordinates(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Of each pixel how far right and how far up it is, -1 to 1 between the outermost pixels."""
    y, x = np.meshgrid(*(np.linspace(-1, 1, length, dtype=np.float32) for length in shape), indexing="ij")
    return x, -y


def _each(name: str, values: ArrayLike, patterns: np.ndarray, above: float = -np.inf) -> np.ndarray:
    """(1, 1, 1) or (n, 1, 1) float32."""
    array = np.asarray(values, np.float32)
    if array.shape not in ((), (len(patterns),)) or not (np.isfinite(array) & (array > above)).all():
        limit = "" if above == -np.inf else f" above {above:g}"
        raise ValueError(
            f"Expected as {name} one finite number{limit}, or one for each of the {len(patterns)} patterns; received "
            f"{values!r}."
        )
    return array.reshape(-1, 1, 1)
