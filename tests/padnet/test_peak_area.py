"""The layers: equal to NumPy before training, their parameters, and that the released settings are blind."""

import keras
import numpy as np
import pytest
from keras import ops

from padnet.peak_area import NormalisedAreas, PeakArea
from padnet.slope_filters import MODES, PAPER, RELEASED, ROBUST, peak_areas, slope_filters

IMAGES = np.random.default_rng(0).poisson(30, (2, 33, 26)).astype(np.uint16)


def rings(radii: tuple[int, ...], side: int = 64) -> np.ndarray:
    """Rings around the lower left corner on a background of some 40 counts, at the angles of some phase."""
    row, column = np.indices((side, side))
    distance = np.hypot(side - row, column)
    expected = 40 + 60 * sum(np.exp(-(((distance - radius) / 1.5) ** 2)) for radius in radii)
    return np.random.default_rng(0).poisson(expected).astype(np.uint16)


TWO_PHASES = np.stack([rings((20, 33, 50)), rings((26, 41, 60))])


# --------------------------------------------------------------------------------------------- the same as NumPy


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("trainable_filters", [False, True])
@pytest.mark.parametrize(("filter_px", "stride_px"), [(8, 1), (7, 1), (8, 3)])
def test_before_training_the_layer_finds_the_areas_of_numpy(mode, trainable_filters, filter_px, stride_px):
    layer = PeakArea(filter_px, mode, trainable_filters, stride_px)
    layer.build((None, *IMAGES.shape[1:]))
    expected = peak_areas(IMAGES, filter_px, mode, stride_px)
    np.testing.assert_allclose(layer.areas(IMAGES), expected, rtol=1e-5, atol=1e-4 * expected.max())
    outputs = layer(IMAGES)
    assert outputs.shape == expected.shape == layer.compute_output_shape(IMAGES.shape)
    np.testing.assert_allclose(ops.sum(outputs, axis=-1), 1, rtol=1e-5)


def test_counts_are_exact_in_the_layer_too():
    """Sums of small whole numbers are exact in float32, so that nothing but another alignment could differ."""
    layer = PeakArea(10, PAPER)
    layer.build((None, *IMAGES.shape[1:]))
    np.testing.assert_array_equal(layer.areas(IMAGES), peak_areas(IMAGES, 10, PAPER))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("training", [False, True])
def test_areas_made_ready_are_normalised_alike(mode, training):
    """Batch normalisation by its formula, on the statistics of the batch in training and of 0 and 1 before it."""
    areas = peak_areas(IMAGES, 8, mode)
    expected = areas.astype(np.float64)
    if training and mode != RELEASED:
        expected = (expected - expected.mean(axis=(0, 1, 2))) / np.sqrt(expected.var(axis=(0, 1, 2)) + 1e-3)
    else:
        expected = expected / np.sqrt(1 + 1e-3)
    expected = np.exp(expected - expected.max(axis=-1, keepdims=True))
    expected /= expected.sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(NormalisedAreas(mode)(areas, training=training), expected, atol=1e-3)


# ------------------------------------------------------------------------------------------------- what is trained


def num_parameters(weights) -> int:
    return sum(int(np.prod(weight.shape)) for weight in weights)


def test_parameters():
    fixed, trained, normalised = PeakArea(50), PeakArea(50, trainable_filters=True), NormalisedAreas()
    fixed.build((None, 64, 64))
    trained.build((None, 64, 64))
    normalised.build((None, 64, 64, 4))
    assert num_parameters(normalised.trainable_weights) == num_parameters(fixed.trainable_weights) == 8
    assert num_parameters(trained.trainable_weights) == 8 + 4 * 50 * 50
    np.testing.assert_array_equal(fixed.filters[:, :, 0, 2], slope_filters(50, ROBUST)[2])


@pytest.mark.parametrize(("trainable_filters", "stride_px"), [(True, 1), (True, 2), (False, 1)])
def test_training_moves_the_filters_only_where_they_are_to_be_trained(trainable_filters, stride_px):
    keras.utils.set_random_seed(0)
    layer = PeakArea(8, ROBUST, trainable_filters, stride_px)
    model = keras.Sequential(
        [keras.Input(IMAGES.shape[1:]), layer, keras.layers.Flatten(), keras.layers.Dense(1, name="class")]
    )
    before = ops.convert_to_numpy(layer.filters)
    scale = ops.convert_to_numpy(layer.normalised.batch_norm.gamma)
    model.compile("sgd", "mse")
    model.fit(IMAGES.astype(np.float32), np.array([[0.0], [1.0]]), epochs=1, verbose=0)
    assert (np.abs(ops.convert_to_numpy(layer.filters) - before).max() > 0) is np.bool_(trainable_filters)
    assert np.abs(ops.convert_to_numpy(layer.normalised.batch_norm.gamma) - scale).max() > 0


@pytest.mark.parametrize("mode", MODES)
def test_statistics_of_batches_are_kept_but_for_the_released_code(mode):
    layer = NormalisedAreas(mode)
    layer(peak_areas(IMAGES, 8, mode), training=True)
    kept = ops.convert_to_numpy(layer.batch_norm.moving_mean)
    assert (kept == 0).all() if mode == RELEASED else (kept > 0).all()


# --------------------------------------------------------------------------------------------------- what is seen


def share_that_differs(mode: str) -> float:
    """Of the pixels of images of two phases, those whose four outputs differ in training."""
    outputs = ops.convert_to_numpy(NormalisedAreas(mode)(peak_areas(TWO_PHASES, 8, mode), training=True))
    return float((np.abs(outputs[0] - outputs[1]).max(axis=-1) > 1e-3).mean())


def test_the_released_code_is_blind_to_the_image():
    """Softmax of counts is 1 for the box sum, the largest wherever there is light, and 0 for the others."""
    outputs = ops.convert_to_numpy(PeakArea(8, RELEASED)(TWO_PHASES))
    inside = outputs[:, 8:-8, 8:-8]
    np.testing.assert_array_equal(inside, np.broadcast_to([0, 1, 0, 0], inside.shape))
    assert share_that_differs(RELEASED) < 0.005
    assert share_that_differs(PAPER) > 0.5
    assert share_that_differs(ROBUST) > 0.5


def test_robust_outputs_do_not_saturate():
    """Not even untrained, where softmax of counts is 1 or 0 everywhere."""
    saturated = {mode: float(np.mean(ops.max(PeakArea(8, mode)(TWO_PHASES), axis=-1) > 0.999)) for mode in MODES}
    assert saturated[PAPER] > 0.9 and saturated[RELEASED] > 0.9
    assert saturated[ROBUST] < 0.05


# ---------------------------------------------------------------------------------------------------- as a layer


def test_a_saved_network_answers_the_same(tmp_path):
    images = keras.Input(IMAGES.shape[1:])
    areas = keras.Input((33, 26, 4))
    outputs = [PeakArea(8, PAPER, True, 2, name="areas")(images), NormalisedAreas(RELEASED, name="ready")(areas)]
    model = keras.Model([images, areas], outputs)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    given = [IMAGES.astype(np.float32), peak_areas(IMAGES, 8, RELEASED)]
    for ours, theirs in zip(model(given), loaded(given), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert loaded.get_layer("areas").get_config() == model.get_layer("areas").get_config()
    assert loaded.get_layer("ready").mode == RELEASED


def test_images_smaller_than_the_filters_are_refused():
    with pytest.raises(ValueError, match="at least 50 x 50"):
        PeakArea(50)(np.zeros((1, 33, 64), np.float32))
    with pytest.raises(ValueError, match="paper, released, robust"):
        NormalisedAreas("fast")
