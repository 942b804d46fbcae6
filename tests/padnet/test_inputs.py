"""What networks are given: binning, flagged pixels, backgrounds, peak areas, and rows of what is stored."""

from dataclasses import replace

import numpy as np
import pytest

from padnet.background import remove_minimum
from padnet.config import PAPER_RECIPE, ROBUST_RECIPE
from padnet.inputs import StoredInputs, image_features, network_inputs, peak_area_features
from padnet.readers import fill_flagged
from padnet.slope_filters import peak_areas

SMALL = replace(PAPER_RECIPE, image_px=128)
RNG = np.random.default_rng(0)


def test_features_are_the_peak_areas_of_each_frame():
    frames = RNG.poisson(30, (2, 3, 128, 128)).astype(np.uint16)
    features = image_features(frames, replace(SMALL, num_frames=3))
    assert features.shape == (2, 3, 128, 128, 4) and features.dtype == np.float32
    np.testing.assert_array_equal(features[1, 2], peak_areas(frames[1, 2][None], 3, "paper")[0])


def test_features_of_the_robust_recipe_are_maps_of_64_pixels():
    frames = RNG.poisson(30, (1, 1, 256, 256))
    features = image_features(frames, replace(ROBUST_RECIPE, image_px=256))
    np.testing.assert_array_equal(features[0, 0], peak_areas(frames[0], 6, "robust", 4)[0])
    assert features.shape == (1, 1, 64, 64, 4)


def test_trained_filters_are_given_images():
    frames = RNG.poisson(30, (2, 1, 128, 128)).astype(np.int32)
    np.testing.assert_array_equal(image_features(frames, replace(SMALL, trainable_filters=True)), frames)


def test_larger_frames_are_binned_and_flagged_pixels_filled_before():
    frames = RNG.poisson(30, (1, 1, 256, 256)).astype(np.int32)
    sums = frames.reshape(1, 1, 128, 2, 128, 2).sum(axis=(3, 5))
    config = replace(SMALL, trainable_filters=True)
    np.testing.assert_array_equal(image_features(frames, config), sums)
    flagged = frames.copy()
    flagged[0, 0, 40:45, 40:45] = -1  # four blocks whole, five in part
    filled = fill_flagged(flagged[0, 0])
    assert (filled >= 0).all()
    expected = filled.reshape(128, 2, 128, 2).sum(axis=(1, 3))
    np.testing.assert_array_equal(image_features(flagged, config)[0, 0], expected)
    changed = np.argwhere(expected != sums[0, 0])
    assert len(changed) and ((changed >= 20) & (changed <= 22)).all()


def test_the_background_is_removed_first():
    frames = RNG.poisson(30, (1, 1, 128, 128))
    config = replace(SMALL, trainable_filters=True, background="mf")
    np.testing.assert_array_equal(image_features(frames, config)[0, 0], remove_minimum(frames[0, 0]))


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((1, 2, 128, 128), "1 frames a sample"),
        ((128, 128), "1 frames a sample"),
        ((1, 1, 128, 256), "square frames of 128 pixels"),
        ((1, 1, 200, 200), "a multiple; received 200 x 200"),
    ],
)
def test_frames_of_another_shape_are_refused(shape, words):
    with pytest.raises(ValueError, match=words):
        image_features(np.ones(shape), SMALL)


def test_all_inputs_come_in_one_order(spread):
    config = replace(SMALL, inputs=("position", "composition", "image"))
    features = peak_area_features(spread, config)
    images, composition, position = network_inputs(spread, config, features)
    assert images is features
    np.testing.assert_allclose(composition, spread.composition, rtol=1e-6)
    np.testing.assert_allclose(position, spread.position_mm, rtol=1e-6)
    with pytest.raises(ValueError, match="features of all 36 samples; received 35"):
        network_inputs(spread, config, features[1:])


def test_rows_of_what_is_stored():
    arrays = [RNG.random((9, 4, 4)).astype(np.float32), RNG.random((9, 2)).astype(np.float32)]
    layer = StoredInputs(arrays)
    for array, answer in zip(arrays, layer(np.array([[7.0], [0.0], [7.0]], np.float32)), strict=True):
        np.testing.assert_array_equal(answer, array[[7, 0, 7]])
    assert not layer.weights  # a checkpoint holds no images
