"""Areas under peaks by four slope filters: exact for counts, by running sums instead of convolution.

A slope filter is a square of -1 and +1 that meet along a line. Its correlation with an image is what lies on one side
of the line less what lies on the other, so that a smooth background cancels and a peak does not. The four lines are the
two diagonals, the vertical and the horizontal. The absolute value and a maximum filter of the same size follow.

``MODES``:

- ``"paper"``: equations 7.1 to 7.7 as the text has them. The diagonal filters are not balanced: at 50 x 50 their
  entries sum to 50 and 148, and that many times a flat background stays.
- ``"released"``: what the authors' code computes. Its second filter is all ones, a box sum; the maximum filter is off.
- ``"robust"``: ours. The line itself is 0, so that each filter is antisymmetric and a flat background gives 0; the
  image is mirrored at its edges instead of dark beyond them; square roots of counts, whose noise is the same in bright
  and dark places, are standardised image by image, so that neither exposure nor detector sets the scale.

Reference: section 7.2 of the thesis; D. Jha et al., IJCNN 2019, doi:10.1109/IJCNN.2019.8852096;
NU-CUCIS/PADNet-XRD at 19fb9d4.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any, Literal

import cv2
import numpy as np

PAPER, RELEASED, ROBUST = "paper", "released", "robust"
MODES = (PAPER, RELEASED, ROBUST)
NUM_FILTERS = 4
PADDING: dict[str, Literal["constant", "symmetric"]] = {PAPER: "constant", RELEASED: "constant", ROBUST: "symmetric"}
_STRIP_ROWS = 256  # at a time: what they need is reused instead of asked of the system anew
_TINY = 1e-6  # deviation of a constant image

Array = Any  # of NumPy, or a tensor


def slope_filters(size_px: int, mode: str = PAPER) -> np.ndarray:
    """The four filters, in the order of equations 7.1 to 7.4: two diagonals, vertical, horizontal.

    With i the column and j the row from 0, f the size, an entry is -1 where i < j; where i + j > f; where i < f/2;
    where j < f/2; else +1.

    Args:
        size_px: Rows and columns f, at least 3: at 2, no i + j exceeds f.
        mode: One of ``MODES``.

    Returns:
        ``(4, size_px, size_px)`` float32 of -1, 0 and +1; 0 only in ``"robust"``.

    Raises:
        ValueError: If the size or the mode is another.

    Reference:
        Equations 7.1 to 7.4.
    """
    check_settings(size_px, mode)
    row, column = np.indices((size_px, size_px))
    if mode == ROBUST:
        last = size_px - 1
        return np.sign([column - row, last - column - row, 2 * column - last, 2 * row - last]).astype(np.float32)
    second = np.zeros_like(row, bool) if mode == RELEASED else column + row > size_px
    is_negative = np.stack([column < row, second, 2 * column < size_px, 2 * row < size_px])
    return np.where(is_negative, -1, 1).astype(np.float32)


def peak_areas(images: np.ndarray, size_px: int, mode: str = ROBUST, stride_px: int = 1) -> np.ndarray:
    """Correlate images with the four fixed filters; take absolute values, and their maximum over as large a square.

    Even sizes reach further right and down, as TensorFlow's padding `same` does: 50 pixels are i - 24 to i + 25.

    Args:
        images: ``(n, rows, columns)``, any integers or floating-point numbers. Areas of whole numbers of at most 32
            bits are exact, rounded once to float32.
        size_px: Rows and columns of the filters and of the maximum filter.
        mode: One of ``MODES``.
        stride_px: Take the correlations at every so many pixels only, and the maximum of those; 1 as in the text.

    Returns:
        ``(n, ceil(rows / stride_px), ceil(columns / stride_px), 4)`` float32: counts, or in ``"robust"`` multiples of
        about what white noise of the image's own variance gives.

    Raises:
        ValueError: If images are not finite, smaller than the filters, or of another shape or dtype; or if the size,
            mode or stride is another than said.

    Reference:
        Equations 7.5 to 7.7.
    """
    images = np.asanyarray(images)
    check_settings(size_px, mode, stride_px)
    if images.ndim != 3 or images.dtype.kind not in "uif":
        raise ValueError(
            "Expected images of shape (n, rows, columns), integers or floating-point numbers; received "
            f"{images.shape} of {images.dtype}; give one image as image[None]."
        )
    check_image_shape(images.shape[1:], size_px)
    window = maximum_window(size_px, mode, stride_px)
    before, _ = reach_px(window)
    response = np.empty((*images.shape[1:], NUM_FILTERS), np.float32)
    areas = np.empty((len(images), *response[::stride_px, ::stride_px].shape), np.float32)
    for number, image in enumerate(images):  # one by one: their doubles together may not fit
        if not np.isfinite(image).all():
            raise ValueError(
                f"Expected finite intensities; received NaN or infinity in image {number}; fill masked pixels first."
            )
        scaled = scaled_images(image[None].astype(np.float32), mode)[0] if mode == ROBUST else image
        padded = np.pad(scaled, reach_px(size_px), mode=PADDING[mode])
        for first in range(0, len(image), _STRIP_ROWS):
            strip = padded[first : first + _STRIP_ROWS + size_px - 1].astype(np.float64)
            found = [np.abs(one).astype(np.float32) for one in _responses(strip, size_px, mode)]
            response[first : first + _STRIP_ROWS] = cv2.merge(found)
        area = np.ascontiguousarray(response[::stride_px, ::stride_px])
        cv2.dilate(area, np.ones((1, window), np.uint8), dst=area, anchor=(before, 0))
        cv2.dilate(area, np.ones((window, 1), np.uint8), dst=areas[number], anchor=(0, before))
    if mode == ROBUST:
        areas /= size_px
    return areas


def scaled_images(images: Array, mode: str, xp: ModuleType = np) -> Array:
    """What the filters are laid on: the counts, in ``"robust"`` their standardised square roots.

    Args:
        images: ``(n, rows, columns)`` floating-point numbers.
        mode: One of ``MODES``.
        xp: ``numpy``, or ``keras.ops`` for tensors.

    Returns:
        ``(n, rows, columns)``, in ``"robust"`` each image of mean 0 and deviation 1, or 0 if it is constant.
    """
    if mode != ROBUST:
        return images
    images = xp.sign(images) * xp.sqrt(xp.abs(images))  # below 0 where a background was subtracted
    images = images - xp.mean(images, axis=(1, 2), keepdims=True)
    return images / xp.maximum(xp.std(images, axis=(1, 2), keepdims=True), _TINY)


def reach_px(size_px: int) -> tuple[int, int]:
    """How far a window reaches before and after its pixel."""
    return (size_px - 1) // 2, size_px // 2


def maximum_window(size_px: int, mode: str, stride_px: int = 1) -> int:
    """Rows and columns of the maximum filter, in steps of the stride; 1 where there is none."""
    return 1 if mode == RELEASED else -(-size_px // stride_px)


def check_mode(mode: str) -> None:
    """Refuse a mode of another name.

    Raises:
        ValueError: If it is none of ``MODES``.
    """
    if mode not in MODES:
        raise ValueError(f"Expected a mode of {', '.join(MODES)}; received {mode!r}.")


def check_settings(size_px: int, mode: str, stride_px: int = 1) -> None:
    """Refuse filters that cannot be.

    Raises:
        ValueError: If the mode is none of ``MODES``, the size is not a whole number of at least 3 pixels, or the stride
            not one from 1 to the size.
    """
    check_mode(mode)
    if size_px != int(size_px) or size_px < 3:
        raise ValueError(
            f"Expected filters of at least 3 x 3 whole pixels; received {size_px!r}; use larger filters or images."
        )
    if stride_px != int(stride_px) or not 1 <= stride_px <= size_px:
        raise ValueError(
            f"Expected a stride of 1 to {size_px} whole pixels, the size of the filters; received {stride_px!r}; a "
            "longer one would skip pixels."
        )


def check_image_shape(shape: tuple[int, ...], size_px: int) -> None:
    """Refuse images that filters do not fit in.

    Raises:
        ValueError: If `shape`, rows and columns, is smaller than the filters.
    """
    if min(shape) < size_px:
        raise ValueError(
            f"Expected images of at least {size_px} x {size_px} pixels, the size of the filters; received {shape[0]} x "
            f"{shape[1]}; scale the filters with the images, as 50 pixels are to 2048."
        )


def _responses(padded: np.ndarray, size_px: int, mode: str) -> list[np.ndarray]:
    """Correlations of the windows of a padded image with the four filters, float64.

    Every sum below is a running one along one line, so that whole numbers of 32 bits stay far below 2**53, up to which
    doubles are exact.
    """
    num_rows, num_columns = (length - size_px + 1 for length in padded.shape)
    half = size_px // 2
    start = size_px - half  # of the right and the lower half
    box = _box_sums(padded, size_px, size_px)[:num_rows, :num_columns]
    columns = _box_sums(padded, size_px, half)[:num_rows]
    right = columns[:, start : start + num_columns]
    rows = _box_sums(padded, half, size_px)[:, :num_columns]
    lower = rows[start : start + num_rows]
    if mode == ROBUST:  # the line is 0: of what is beside it, neither half has the middle of an odd size
        vertical, horizontal = right - columns[:, :num_columns], lower - rows[:num_rows]
        first = box - _triangle_sums(padded, size_px, 0) - _triangle_sums(padded, size_px, 1)
    else:
        vertical, horizontal = 2 * right - box, 2 * lower - box
        first = box - 2 * _triangle_sums(padded, size_px, 1)
    if mode == RELEASED:
        return [first, box, vertical, horizontal]

    mirrored = padded[:, ::-1]
    if mode == ROBUST:
        second = box - _triangle_sums(mirrored, size_px, 0)[:, ::-1] - _triangle_sums(mirrored, size_px, 1)[:, ::-1]
    else:
        second = box - 2 * _triangle_sums(mirrored, size_px, 2)[:, ::-1]
    return [first, second, vertical, horizontal]


def _box_sums(values: np.ndarray, num_rows: int, num_columns: int) -> np.ndarray:
    """Sums of so many rows and columns, at their first entry; those that would reach beyond the end mean nothing."""
    return cv2.boxFilter(
        values, cv2.CV_64F, (num_columns, num_rows), anchor=(0, 0), normalize=False, borderType=cv2.BORDER_CONSTANT
    )


def _triangle_sums(padded: np.ndarray, size_px: int, lag: int) -> np.ndarray:
    """Sums of those entries of each window whose column is at most their row less `lag`.

    From one window to the next on its right, the sum gains a diagonal of the image and loses a column. It starts at 0
    in a margin of zeros on the left.
    """
    height, width = padded.shape[0], padded.shape[1] + size_px
    num_rows, num_steps = height - size_px + 1, width - size_px
    # With rows one entry longer, what stands below one another is a diagonal of the image.
    num_skewed = -(-height * width // (width + 1))
    skewed = np.zeros((num_skewed, width + 1))
    image = skewed.ravel()[: height * width].reshape(height, width)  # the same memory
    image[:, size_px:] = padded
    diagonals = _box_sums(skewed, size_px - lag, 1).ravel()[: height * width].reshape(height, width)
    columns = _box_sums(image, size_px - lag, 1)
    steps = diagonals[lag : lag + num_rows, 1 : num_steps + 1] - columns[lag : lag + num_rows, :num_steps]
    return np.cumsum(steps, axis=1, out=steps)[:, size_px - 1 :]
