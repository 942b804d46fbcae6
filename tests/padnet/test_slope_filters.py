"""Slope filters and peak areas: against direct convolution by scipy, at every alignment, and what each mode sees."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import correlate, maximum_filter

from padnet.slope_filters import (
    MODES,
    PAPER,
    RELEASED,
    ROBUST,
    maximum_window,
    peak_areas,
    scaled_images,
    slope_filters,
)


def direct_areas(image: np.ndarray, size_px: int, mode: str, stride_px: int = 1) -> np.ndarray:
    """Equations 7.5 to 7.7 by scipy, product by product; its even windows begin one pixel earlier than TensorFlow's."""

    def origin(window):
        return -1 if window % 2 == 0 else 0

    image = scaled_images(image[None].astype(np.float32), mode)[0] if mode == ROBUST else image
    beyond = "reflect" if mode == ROBUST else "constant"
    filters = slope_filters(size_px, mode).astype(np.float64) / (size_px if mode == ROBUST else 1)
    areas = np.abs(
        np.stack(
            [correlate(image.astype(np.float64), one, mode=beyond, origin=origin(size_px)) for one in filters], axis=-1
        )
    )[::stride_px, ::stride_px]
    window = maximum_window(size_px, mode, stride_px)
    shift = (origin(window), origin(window), 0)
    return maximum_filter(areas, (window, window, 1), mode="constant", origin=shift).astype(np.float32)


def rings(radii: tuple[int, ...], side: int = 64, background: int = 40) -> np.ndarray:
    """Rings of 200 counts around the lower left corner, on a flat background."""
    row, column = np.indices((side, side))
    distance = np.hypot(side - row, column)
    return (background + 200 * sum(np.abs(distance - radius) < 1 for radius in radii)).astype(np.uint16)


# --------------------------------------------------------------------------------------------------- the filters


def test_filters_are_those_of_the_equations():
    size_px = 6
    expected = np.ones((4, size_px, size_px))
    for i in range(size_px):  # column
        for j in range(size_px):  # row
            for number, is_negative in enumerate((i < j, i + j > size_px, i < size_px / 2, j < size_px / 2)):
                if is_negative:
                    expected[number, j, i] = -1
    np.testing.assert_array_equal(slope_filters(size_px, PAPER), expected)


def test_what_the_filters_leave_of_a_flat_background():
    sums = {mode: slope_filters(50, mode).sum(axis=(1, 2)).tolist() for mode in MODES}
    assert sums == {PAPER: [50, 148, 0, 0], RELEASED: [50, 2500, 0, 0], ROBUST: [0, 0, 0, 0]}


def test_the_released_code_differs_in_its_second_filter_alone():
    released, paper = slope_filters(7, RELEASED), slope_filters(7, PAPER)
    np.testing.assert_array_equal(released[1], np.ones((7, 7)))
    np.testing.assert_array_equal(released[[0, 2, 3]], paper[[0, 2, 3]])


@pytest.mark.parametrize("size_px", [3, 8, 50])
def test_robust_filters_are_the_papers_but_for_the_line_and_are_antisymmetric(size_px):
    robust, paper = slope_filters(size_px, ROBUST), slope_filters(size_px, PAPER)
    np.testing.assert_array_equal(robust[:, ::-1, ::-1], -robust)
    differs = (robust != paper) & (robust != 0)
    differs[1] &= np.add(*np.indices((size_px, size_px))) != size_px  # i + j > f leaves one more diagonal at +1
    assert not differs.any()


# ------------------------------------------------------------------------------------------------ exact and fast


@settings(deadline=None, max_examples=60)
@given(
    size_px=st.integers(3, 14),
    more_rows=st.integers(0, 9),
    more_columns=st.integers(0, 9),
    mode=st.sampled_from([PAPER, RELEASED]),
    dtype=st.sampled_from(["uint8", "int16", "uint16", "int32", "uint32", "float64"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_areas_of_counts_are_exactly_those_of_direct_convolution(size_px, more_rows, more_columns, mode, dtype, seed):
    whole = np.iinfo("int32" if dtype == "float64" else dtype)
    shape = (1, size_px + more_rows, size_px + more_columns)
    images = np.random.default_rng(seed).integers(whole.min, whole.max, shape, endpoint=True).astype(dtype)
    np.testing.assert_array_equal(peak_areas(images, size_px, mode)[0], direct_areas(images[0], size_px, mode))


@pytest.mark.parametrize("size_px", [3, 8, 11])
@pytest.mark.parametrize("shape", [(12, 31), (31, 12)])
def test_robust_areas_are_those_of_direct_convolution(size_px, shape):
    images = np.random.default_rng(0).normal(20, 30, (3, *shape)).astype(np.float32)
    areas = peak_areas(images, size_px, ROBUST)
    assert areas.shape == (3, *shape, 4) and areas.dtype == np.float32
    for image, area in zip(images, areas, strict=True):
        np.testing.assert_allclose(area, direct_areas(image, size_px, ROBUST), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("mode", [PAPER, RELEASED])
def test_images_longer_than_a_strip_have_no_seam(mode, monkeypatch):
    image = np.random.default_rng(0).poisson(30, (33, 40)).astype(np.uint16)
    monkeypatch.setitem(peak_areas.__globals__, "_STRIP_ROWS", 8)  # padnet.slope_filters is the function by that name
    np.testing.assert_array_equal(peak_areas(image[None], 10, mode)[0], direct_areas(image, 10, mode))


@pytest.mark.parametrize("stride_px", [2, 3, 7])
def test_a_stride_takes_the_maximum_of_every_so_many_correlations(stride_px):
    image = np.random.default_rng(0).poisson(30, (23, 40)).astype(np.uint16)
    areas = peak_areas(image[None], 7, PAPER, stride_px)[0]
    assert areas.shape == (-(-23 // stride_px), -(-40 // stride_px), 4)
    np.testing.assert_array_equal(areas, direct_areas(image, 7, PAPER, stride_px))


def test_even_sizes_are_aligned_as_in_tensorflow():
    """One bright pixel is seen by the windows that reach it, from 24 + 24 pixels before it to 25 + 25 after."""
    image = np.zeros((1, 160, 160))
    image[0, 80, 80] = 1
    box = peak_areas(image, 50, RELEASED)[0, :, :, 1]  # no maximum filter: the box sum alone, i - 24 to i + 25
    assert np.flatnonzero(box.any(axis=0)).tolist() == np.flatnonzero(box.any(axis=1)).tolist() == [*range(55, 105)]
    for area in np.moveaxis(peak_areas(image, 50, PAPER)[0], -1, 0):
        assert (
            np.flatnonzero(area.any(axis=0)).tolist() == np.flatnonzero(area.any(axis=1)).tolist() == [*range(30, 129)]
        )


# ------------------------------------------------------------------------------------------- what the modes see


def test_a_flat_background_is_seen_by_the_papers_filters_and_not_by_ours():
    flat = np.full((1, 40, 40), 480, np.uint16)
    np.testing.assert_allclose(peak_areas(flat, 10, ROBUST), 0, atol=1e-6)
    inside = peak_areas(flat, 10, PAPER)[0, 20, 20]
    np.testing.assert_array_equal(inside, 480 * np.abs(slope_filters(10, PAPER).sum(axis=(1, 2))))


def test_robust_areas_depend_on_neither_exposure_nor_the_other_images():
    images = np.stack([rings((20,)), rings((20, 33))])
    alone = np.concatenate([peak_areas(image[None], 8) for image in images])
    np.testing.assert_array_equal(peak_areas(images, 8), alone)
    np.testing.assert_allclose(peak_areas(images * 9.0, 8), alone, rtol=1e-5, atol=1e-6)


def test_white_noise_gives_robust_areas_near_one_at_any_size():
    """The unit that they are in: before the maximum the deviation of a correlation is that of the noise."""
    noise = np.random.default_rng(0).poisson(400, (1, 200, 200))
    for size_px in (10, 40):
        correlations = peak_areas(noise, size_px, ROBUST, stride_px=size_px)  # one in each window: no maximum
        assert maximum_window(size_px, ROBUST, size_px) == 1
        assert 0.6 < np.sqrt(np.mean(correlations**2)) < 1.4


# ------------------------------------------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"images": np.zeros((8, 8))}, r"image\[None\]"),
        ({"images": np.zeros((1, 8, 8), complex)}, "complex128"),
        ({"images": np.zeros((1, 8, 3))}, "8 x 3"),
        ({"images": np.full((1, 8, 8), np.nan)}, "NaN or infinity in image 0"),
        ({"size_px": 2}, "at least 3 x 3"),
        ({"size_px": 4.5}, "4.5"),
        ({"mode": "Paper"}, "paper, released, robust"),
        ({"stride_px": 0}, "stride of 1 to 4"),
        ({"stride_px": 5}, "stride of 1 to 4"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(given, words):
    arguments = {"images": np.zeros((1, 8, 8)), "size_px": 4, "mode": PAPER} | given
    with pytest.raises(ValueError, match=words):
        peak_areas(**arguments)


def test_a_stack_without_images_has_no_areas():
    assert peak_areas(np.zeros((0, 9, 8), np.uint16), 4).shape == (0, 9, 8, 4)
