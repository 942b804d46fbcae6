"""Backgrounds of diffraction frames and their removal: minimum filter, smoothed minimum, CRBG, and one for counts.

Equations 7.9 and 7.10 as their authors ran them (SciPy, edges mirrored): the minimum M over ``size_px`` x ``size_px``
pixels, i - size/2 to i + size/2 - 1; and its mean S over as many, i - size/2 + 1 to i + size/2 (convolution turns the
window round, so both together are centred on the pixel). I - MF is the image less M, I - CS the image less S.
Extremes take log2(size) comparisons a pixel, means a running sum in float64, in which sums of counts are exact.

Two things the authors' notebook did besides are left out: it set all pixels outside a circle of 814 of 1024 pixels
radius to 0, and it stored I - MF under the name of I - CS for the first of the two NIST frames.

Reference: section 7.2 of the thesis, equations 7.9 and 7.10; bg_process.ipynb of NU-CUCIS/PADNet-XRD.
"""

from collections.abc import Callable

import cv2
import numpy as np

PAPER_SIZE_PX, PAPER_IMAGE_PX = 200, 2048
_STRIP_PX = 64  # rows or columns filtered together: what the processor's cache holds
_BLUR_SHARE = 1 / 50  # of size_px: what counts are blurred with before they are compared
_SIGNAL_SD = 3.0  # above the background, in standard deviations of a blurred count: signal
_SHADOW_SHARE = 0.5  # of the brightest background near by: what is darker lies in the shadow of a beam stop
_ITERATIONS = 4


def background_size_px(shape: tuple[int, ...]) -> int:
    """Size of the filters for frames ``(..., rows, columns)``: 200 at 2,048 pixels, in proportion elsewhere."""
    return max(1, round(PAPER_SIZE_PX * max(shape[-2:]) / PAPER_IMAGE_PX))


def remove_minimum(image: np.ndarray, size_px: int | None = None) -> np.ndarray:
    """I - MF: the image less the minimum around each pixel (equation 7.9).

    Args:
        image: ``(..., rows, columns)`` counts, finite.
        size_px: Width of the window; 200 at 2,048 pixels, in proportion, where none is given.

    Returns:
        ``(..., rows, columns)`` float32, 0 or more; exact for counts up to 2^24.

    Raises:
        ValueError: If the image has another shape or kind of number, is not finite or has flagged pixels.
    """
    return _less_background(image, size_px, _minimum)


def remove_smooth(image: np.ndarray, size_px: int | None = None) -> np.ndarray:
    """I - CS: the image less the mean of the minima around each pixel (equation 7.10).

    Args:
        image: ``(..., rows, columns)`` counts, finite.
        size_px: Width of both windows; 200 at 2,048 pixels, in proportion, where none is given.

    Returns:
        ``(..., rows, columns)`` float32, computed in float64 and rounded once.

    Raises:
        ValueError: If the image has another shape or kind of number, is not finite or has flagged pixels.
    """
    return _less_background(image, size_px, _smooth_minimum)


def remove_crbg(image: np.ndarray, size_px: int | None = None) -> np.ndarray:
    """The image less the background by ratios that the authors released as CRBG.

    The share of the smoothed minimum in each pixel, its minimum over a window of half the size, times the image, its
    maximum over the same window, and never more than the image itself. Windows are cut off at the edges. A pixel
    without counts has share 0, so in frames of few counts most of the image stays as it is.

    Args:
        image: ``(..., rows, columns)`` counts, finite.
        size_px: Width of the smoothed minimum; 200 at 2,048 pixels, in proportion, where none is given.

    Returns:
        ``(..., rows, columns)`` float32, 0 or more.

    Raises:
        ValueError: If the image has another shape or kind of number, is not finite or has flagged pixels.
    """
    return _less_background(image, size_px, _ratio_background)


def remove_poisson(image: np.ndarray, size_px: int | None = None) -> np.ndarray:
    """The image less an estimate of the mean background of photon counts.

    The lowest of 40,000 Poisson counts lies far below their mean, so I - MF and I - CS leave much of the background.
    Here the blurred image is opened (minimum, then maximum), which gives the shape of the background. Its height then
    is the maximum-likelihood scale of Poisson counts, sum of counts over sum of background, around each pixel and over
    the pixels that are not signal: less than three standard deviations of a blurred count above the background.
    Four rounds of this suffice. Shadows of a beam stop and the dark corners of a round detector are kept apart, so that
    they do not pull down the background beside them.

    Error of the background, mean and root mean square, in counts, of simulated frames of 2,048 x 2,048 pixels with air
    scatter and 30 rings: -0.1 and 1.5 at 330 counts (minimum filter, smoothed: -78 and 80; the opening alone: 2.0 and
    3.9), 0.04 and 0.07 at 4 counts (the opening alone: -0.26 and 0.27).

    Args:
        image: ``(..., rows, columns)`` counts, finite.
        size_px: Width of the windows; 200 at 2,048 pixels, in proportion, where none is given.

    Returns:
        ``(..., rows, columns)`` float32.

    Raises:
        ValueError: If the image has another shape or kind of number, is not finite or has flagged pixels.
    """
    return _less_background(image, size_px, _poisson_background)


def keep_raw(image: np.ndarray, size_px: int | None = None) -> np.ndarray:
    """The image as it is, ``(..., rows, columns)`` float32; `size_px` says nothing here."""
    return np.asarray(image).astype(np.float32)


BACKGROUNDS: dict[str, Callable[[np.ndarray, int | None], np.ndarray]] = {
    "raw": keep_raw,
    "mf": remove_minimum,
    "cs": remove_smooth,
    "crbg": remove_crbg,
    "poisson": remove_poisson,
}


def _less_background(
    image: np.ndarray, size_px: int | None, background: Callable[[np.ndarray, int], np.ndarray]
) -> np.ndarray:
    image = np.asarray(image)
    if image.ndim < 2 or 0 in image.shape or image.dtype.kind not in "uif":
        raise ValueError(
            f"Expected numbers of shape (..., rows, columns); received {image.dtype} of shape {image.shape}."
        )
    size_px = background_size_px(image.shape) if size_px is None else size_px
    if size_px < 1:
        raise ValueError(f"Expected a size of 1 pixel or more; received {size_px}.")
    if image.dtype.kind == "f" and not np.isfinite(image).all():
        raise ValueError("Expected finite counts; received NaN or infinity, which would spread over whole windows.")
    if image.dtype.kind == "i" and image.min() < 0:
        raise ValueError(
            f"Expected counts of 0 or more; received {image.min()}, with which detectors flag gaps. "
            "Fill them first (padnet.readers.fill_flagged)."
        )
    corrected = np.empty(image.shape, np.float32)
    for place in np.ndindex(image.shape[:-2]):
        # float64 holds counts of 32 bits exactly, which float32 does not
        np.subtract(image[place], background(image[place], size_px), out=corrected[place], casting="same_kind")
    return corrected


def _minimum(image: np.ndarray, size_px: int) -> np.ndarray:
    return _extreme(np.minimum, image, size_px, before=size_px // 2)


def _maximum(image: np.ndarray, size_px: int) -> np.ndarray:
    return _extreme(np.maximum, image, size_px, before=size_px - 1 - size_px // 2)


def _extreme(larger_or_smaller: np.ufunc, image: np.ndarray, size_px: int, before: int, mode: str = "reflect"):
    """The extreme of i - before to i - before + size - 1, along rows and then columns, strip by strip."""
    for axis in (1, 0):
        length = image.shape[axis]
        extreme = np.empty_like(image)
        padding = [(0, 0), (0, 0)]
        padding[axis] = (before, size_px - 1 - before)
        for start in range(0, image.shape[1 - axis], _STRIP_PX):
            strip = _part(1 - axis, start, start + _STRIP_PX)
            values, width = np.pad(image[strip], padding, mode=mode), 1  # type: ignore[call-overload]
            while 2 * width <= size_px:  # twice as wide each time
                values = larger_or_smaller(values[_part(axis, 0, -width)], values[_part(axis, width, None)])
                width *= 2
            last = values[_part(axis, size_px - width, size_px - width + length)]
            extreme[strip] = larger_or_smaller(values[_part(axis, 0, length)], last)
        image = extreme
    return image


def _part(axis: int, start: int, stop: int | None) -> tuple[slice, slice]:
    return (slice(start, stop), slice(None)) if axis == 0 else (slice(None), slice(start, stop))


def _sum(image: np.ndarray, size_px: int) -> np.ndarray:
    """(rows, columns) float64 sums over i - size + 1 + size/2 to i + size/2, edges mirrored."""
    if image.dtype not in (np.uint8, np.uint16, np.float32):  # what OpenCV sums into float64 as it is
        image = image.astype(np.float64)
    anchor = (size_px - 1 - size_px // 2,) * 2
    border = cv2.BORDER_REFLECT_101
    return cv2.boxFilter(image, cv2.CV_64F, (size_px, size_px), anchor=anchor, normalize=False, borderType=border)


def _smooth_minimum(image: np.ndarray, size_px: int) -> np.ndarray:
    sums = _sum(_minimum(image, size_px), size_px)
    sums /= size_px**2
    return sums


def _ratio_background(image: np.ndarray, size_px: int) -> np.ndarray:
    window_px = max(1, size_px // 2)
    before = window_px // 2
    counts = image.astype(np.float64)
    share = np.divide(_smooth_minimum(image, size_px), counts, out=np.zeros_like(counts), where=counts > 0)
    # repeating the edge is as good as cutting the window off there: the edge is in it already
    lowest = _extreme(np.minimum, np.minimum(share, 1), window_px, before, mode="edge")
    return np.minimum(counts, _extreme(np.maximum, lowest * counts, window_px, before, mode="edge"))


def _poisson_background(image: np.ndarray, size_px: int) -> np.ndarray:
    blur_px = max(1.0, _BLUR_SHARE * size_px)
    counts = image.astype(np.float32)
    blurred = cv2.GaussianBlur(counts, (0, 0), blur_px, borderType=cv2.BORDER_REFLECT_101)
    variance_share = 1 / (4 * np.pi * blur_px**2)  # of blurred counts, in that of single ones
    opening = _maximum(_minimum(blurred, size_px), size_px)
    is_lit = opening > _SHADOW_SHARE * _maximum(opening, size_px)
    background = np.where(is_lit, _scale(opening, np.ones_like(opening), is_lit, size_px), opening)  # its mean
    for _ in range(_ITERATIONS):
        spread = np.sqrt(np.float32(variance_share) * np.maximum(background, 0))
        is_background = is_lit & (blurred < background + _SIGNAL_SD * spread)
        scale = _scale(counts, background, is_background, size_px)
        background = np.where(is_lit, background * scale, opening)
    return background


def _scale(counts: np.ndarray, background: np.ndarray, used: np.ndarray, size_px: int) -> np.ndarray:
    """What the background has to be multiplied with around each pixel; 1 where nothing is used."""
    observed, expected = _sum(counts * used, size_px), _sum(background * used, size_px)
    return np.divide(observed, expected, out=np.ones_like(observed), where=expected > 0).astype(np.float32)
