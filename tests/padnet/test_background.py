"""Backgrounds against SciPy's filters and the released loops; what they leave of a simulated background."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from padnet.background import (
    BACKGROUNDS,
    background_size_px,
    remove_crbg,
    remove_minimum,
    remove_poisson,
    remove_smooth,
)

DTYPES = ["uint8", "uint16", "uint32", "int32", "float32", "float64", ">u2"]


def frame(seed=0, shape=(33, 47), mean=300.0, dtype="uint16"):
    return np.random.default_rng(seed).poisson(mean, shape).astype(dtype)


def scipy_smooth_minimum(image, size):
    smallest = ndimage.minimum_filter(image, size=size, mode="mirror").astype(float)
    return ndimage.convolve(smallest, np.full((size, size), size**-2.0), mode="mirror")


def released_crbg(image, size):
    """The released double loop, as it indexes its windows."""
    background, half = scipy_smooth_minimum(image, size), size // 4
    rows, columns = image.shape
    share = np.divide(background, image, out=np.zeros(image.shape), where=image > 0)

    def windows(values, extreme):
        at = [
            [
                extreme(values[max(0, i - half) : min(i + half, rows), max(0, j - half) : min(j + half, columns)])
                for j in range(columns)
            ]
            for i in range(rows)
        ]
        return np.array(at)

    lowest = np.minimum(windows(share, np.min), 1)
    return image - np.minimum(image, windows(lowest * image, np.max))


@settings(max_examples=25, deadline=None)
@given(
    shape=st.tuples(st.integers(2, 150), st.integers(2, 90)),
    size=st.integers(1, 120),
    dtype=st.sampled_from(DTYPES),
    seed=st.integers(0, 2**31),
)
def test_filters_equal_those_of_scipy_at_any_size_and_in_any_dtype(shape, size, dtype, seed):
    image = frame(seed, shape, mean=90, dtype=dtype)
    np.testing.assert_array_equal(
        remove_minimum(image, size), image - ndimage.minimum_filter(image, size=size, mode="mirror").astype(float)
    )
    np.testing.assert_allclose(
        remove_smooth(image, size), image - scipy_smooth_minimum(image, size), rtol=1e-6, atol=1e-5
    )


def test_counts_beyond_float32_are_still_subtracted_exactly():
    image = frame(1, dtype="uint32") + np.uint32(2**31)
    exact = image - ndimage.minimum_filter(image, size=12, mode="mirror")
    np.testing.assert_array_equal(remove_minimum(image, 12), exact)
    np.testing.assert_allclose(remove_smooth(image, 12), image - scipy_smooth_minimum(image, 12), atol=1e-4)


@pytest.mark.parametrize("mean", [2, 300])
@pytest.mark.parametrize("size", [8, 12])
def test_crbg_equals_the_released_loops(mean, size):
    image = frame(2, (30, 30), mean)
    np.testing.assert_allclose(remove_crbg(image, size), released_crbg(image, size), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("name", BACKGROUNDS)
def test_a_stack_is_treated_frame_by_frame(name):
    stack = np.stack([frame(seed) for seed in range(4)]).reshape(2, 2, 33, 47)
    corrected = BACKGROUNDS[name](stack, 10)
    assert corrected.shape == stack.shape and corrected.dtype == np.float32
    np.testing.assert_array_equal(corrected[1, 0], BACKGROUNDS[name](stack[1, 0], 10))


@pytest.mark.parametrize("name", BACKGROUNDS)
def test_dark_frames_and_tiny_frames_stay_finite(name):
    for shape in [(1, 1), (2, 3), (40, 40)]:
        np.testing.assert_array_equal(BACKGROUNDS[name](np.zeros(shape, np.uint16), None), np.zeros(shape))
        assert np.isfinite(BACKGROUNDS[name](frame(3, shape), 200)).all()


def test_size_is_in_proportion_to_the_image():
    assert [background_size_px(shape) for shape in [(2048, 2048), (3, 256, 200), (4, 4)]] == [200, 25, 1]
    image = frame(4, (128, 256))
    np.testing.assert_array_equal(remove_minimum(image), remove_minimum(image, 25))


def scattering(num_px, level, *, with_beam_stop=False):
    """Mean background and counts of a frame with air scatter and rings."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:num_px, :num_px] / num_px
    background = (0.6 + 0.9 * np.exp(-((x - 0.5) ** 2 + (y + 0.1) ** 2) / 0.245)) * (1 - 0.25 * x)
    background *= level / background.mean()
    radius, rings = np.hypot(x - 0.5, y + 0.45), np.zeros_like(background)
    for centre, width, height in zip(
        rng.uniform(0.5, 1.5, 20), rng.uniform(0.002, 0.006, 20), rng.exponential(0.5 * level, 20), strict=True
    ):
        rings += height * np.exp(-((radius - centre) ** 2) / (2 * width**2))
    if with_beam_stop:
        shadow = (np.abs(x - 0.5) < 0.03) & (y < 0.3)
        background, rings = np.where(shadow, 0.02 * level, background), np.where(shadow, 0, rings)
    return background, rng.poisson(background + rings).astype(np.uint16)


@pytest.mark.parametrize(("level", "allowed"), [(330, 5), (4, 0.3)])
def test_estimate_for_counts_is_near_the_mean_where_the_minimum_is_far_below(level, allowed):
    background, counts = scattering(512, level)
    errors = {name: counts - BACKGROUNDS[name](counts, 50) - background for name in ("cs", "poisson")}
    assert abs(errors["poisson"].mean()) < allowed and np.sqrt((errors["poisson"] ** 2).mean()) < 2 * allowed
    assert errors["cs"].mean() < -8 * allowed


def test_estimate_for_counts_is_not_drawn_down_beside_a_beam_stop():
    background, counts = scattering(512, 330, with_beam_stop=True)
    near = np.s_[20:140, 290:330]  # less than half a window from the shadow
    error = (counts - remove_poisson(counts, 50) - background)[near].mean()
    assert abs(error) < 10
    assert (counts - remove_smooth(counts, 50) - background)[near].mean() < -100


@pytest.mark.parametrize("name", ["mf", "cs", "crbg", "poisson"])
@pytest.mark.parametrize(
    ("image", "words"),
    [
        (np.zeros(5, np.uint16), "shape"),
        (np.zeros((0, 5), np.uint16), "shape"),
        (np.zeros((5, 5), bool), "bool"),
        (np.full((5, 5), np.nan), "finite"),
        (np.full((5, 5), -1, np.int32), "fill_flagged"),
    ],
)
def test_what_is_no_frame_is_refused(name, image, words):
    with pytest.raises(ValueError, match=words):
        BACKGROUNDS[name](image, 3)


def test_a_size_below_one_pixel_is_refused():
    with pytest.raises(ValueError, match="1 pixel or more; received 0"):
        remove_minimum(frame(), 0)
