"""Backgrounds removed against kikuchipy's results on the nine real patterns, and against known backgrounds."""

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omnet.background import remove_dynamic_background, remove_static_background, stretched
from omnet.master_pattern import BUNDLED

REAL = BUNDLED.with_name("nickel_ebsd_small_patterns.h5")


@pytest.fixture(scope="module")
def real():
    """Nine patterns and their static background."""
    with h5py.File(REAL) as file:
        return file["Scan 1/EBSD/Data/patterns"][()], file["Scan 1/EBSD/Header/static_background"][()]


@pytest.fixture
def signal():
    kikuchipy = pytest.importorskip("kikuchipy")
    return kikuchipy.load(str(REAL), scan_group_names="Scan 1")


@pytest.mark.parametrize("operation", ["subtract", "divide"])
def test_static_background_as_by_kikuchipy(real, signal, operation):
    patterns, background = real
    ours = remove_static_background(patterns, background, operation)
    signal.change_dtype("float32")  # whose range is -1 to 1
    signal.remove_static_background(operation, static_bg=background.astype("float32"), show_progressbar=False)
    np.testing.assert_allclose(ours, (signal.data.reshape(ours.shape) + 1) * 127.5, atol=1e-3)
    assert ours.dtype == np.float32


def test_dynamic_background_as_by_kikuchipy_in_its_spatial_domain(real, signal):
    signal.change_dtype("float32")
    signal.remove_dynamic_background(filter_domain="spatial", show_progressbar=False)
    ours = remove_dynamic_background(real[0])
    np.testing.assert_allclose(ours, (signal.data.reshape(ours.shape) + 1) * 127.5, atol=1e-3)


def test_static_then_dynamic_as_by_kikuchipy_in_bytes_but_for_its_rounding(real, signal):
    patterns, background = real
    signal.remove_static_background(show_progressbar=False)
    signal.remove_dynamic_background(filter_domain="spatial", show_progressbar=False)
    ours = remove_dynamic_background(remove_static_background(patterns, background))
    assert np.abs(ours - signal.data.reshape(ours.shape)).max() < 4


images = st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).uniform(0, 255, (2, 16, 24)))


@settings(deadline=None, max_examples=20)
@given(images, st.floats(0.1, 10), st.floats(-100, 100))
def test_brightness_and_contrast_are_gone(patterns, contrast, brightness):
    for function in (stretched, remove_dynamic_background):
        np.testing.assert_allclose(
            function((contrast * patterns + brightness).astype(np.float32)),
            function(patterns.astype(np.float32)),
            atol=0.05,
        )


@settings(deadline=None, max_examples=20)
@given(images)
def test_a_known_background_leaves_no_trace(patterns):
    background = np.random.default_rng(0).uniform(10, 200, patterns.shape[1:])
    np.testing.assert_allclose(
        remove_static_background(patterns + background, background), stretched(patterns), atol=0.01
    )
    np.testing.assert_allclose(
        remove_static_background(patterns * background, background, "divide"), stretched(patterns), atol=0.01
    )


def test_the_width_of_the_blur_is_an_eighth_of_the_pattern(real):
    patterns = real[0][:, :40]
    np.testing.assert_array_equal(remove_dynamic_background(patterns), remove_dynamic_background(patterns, 7.5))
    assert np.abs(remove_dynamic_background(patterns) - remove_dynamic_background(patterns, 5)).max() > 5


def test_patterns_do_not_touch_each_other(real):
    patterns = real[0].astype(np.float32)
    patterns[4] = np.nan
    patterns[5] = 7
    result = remove_dynamic_background(patterns)
    np.testing.assert_array_equal(result[:4], remove_dynamic_background(real[0][:4]))
    assert np.isnan(result[4]).all()
    assert (result[5] == 0).all()  # rounding is not blown up to a pattern


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda p: remove_static_background(p, np.ones((3, 3))), r"\(60, 60\), received \(3, 3\)"),
        (lambda p: remove_static_background(p, np.full((60, 60), np.inf)), "finite"),
        (lambda p: remove_static_background(p, np.zeros((60, 60)), "divide"), "positive background"),
        (lambda p: remove_static_background(p, np.ones((60, 60)), "add"), "'add'"),
        (lambda p: remove_dynamic_background(p, 0), "positive"),
        (lambda p: remove_dynamic_background(p, np.nan), "positive"),
        (lambda p: remove_dynamic_background(p[0]), r"pattern\[None\]"),
    ],
)
def test_wrong_arguments_get_a_sentence(real, call, words):
    with pytest.raises(ValueError, match=words):
        call(real[0])
