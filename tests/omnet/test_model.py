"""The networks: layers and parameters of the thesis's, outputs of ours, and what they do not see of a pattern."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from scipy.ndimage import uniform_filter

from omnet.config import HEADS, PAPER_RECIPE, OMNetConfig
from omnet.detector import Detector
from omnet.model import build_omnet, omnet_paper

SHAPE = (12, 16)
PATTERNS = np.random.default_rng(0).random((5, *SHAPE)).astype(np.float32)


def small(head: str = "harmonics", local_mean_px: int = 0) -> keras.Model:
    keras.utils.set_random_seed(0)
    loss = "mse" if head == "harmonics" else "mde"
    config = OMNetConfig("test", head=head, loss=loss, hidden_units=(16, 8), detector=Detector(SHAPE))
    config = replace(config, local_mean_px=local_mean_px)
    return build_omnet(config)


# ---------------------------------------------------------------------------------------------- the thesis's


@pytest.fixture(scope="module")
def paper():
    """At 8 x 8, where its first dense layer has 384 inputs in place of 21,600."""
    return omnet_paper((8, 8))


def test_the_papers_network_has_its_207_million_parameters(paper):
    """Nothing but the first dense layer depends on the size of the pattern."""
    num_inputs = {shape: shape[0] // 4 * (shape[1] // 4) * 96 for shape in ((8, 8), (60, 60))}
    assert num_inputs[60, 60] == 21_600 and paper.get_layer("dense1").kernel.shape == (num_inputs[8, 8], 8192)
    assert paper.count_params() + (21_600 - num_inputs[8, 8]) * 8192 == 207_024_067


def test_the_papers_network_is_built_as_released(paper):
    convolutions = [layer for layer in paper.layers if isinstance(layer, keras.layers.Conv2D)]
    assert [layer.filters for layer in convolutions] == [256, 256, 512, 512, 256, 256, 96, 96]
    assert all(layer.kernel_size == (3, 3) and layer.padding == "same" for layer in convolutions)
    dense = {layer.name: layer.units for layer in paper.layers if isinstance(layer, keras.layers.Dense)}
    assert dense.pop("dense1") == 8192 and dense.pop("dense2") == 2048
    branch = {"{}_dense1": 1024, "{}_dense2": 256, "{}": 1}
    assert dense == {name.format(angle): units for angle in ("phi1", "Phi", "phi2") for name, units in branch.items()}
    activations = {layer.activation.__name__ for layer in paper.layers if hasattr(layer, "units") and layer.units > 1}
    assert activations == {layer.activation.__name__ for layer in convolutions} == {"relu"}
    assert {paper.get_layer(angle).activation.__name__ for angle in ("phi1", "Phi", "phi2")} == {"linear"}
    names = {type(layer).__name__ for layer in paper.layers}
    assert not names & {"Dropout", "BatchNormalization"}


def test_the_papers_network_answers_with_angles_in_their_order(paper):
    patterns = np.random.default_rng(1).integers(0, 256, (3, 8, 8)).astype(np.float32)
    angles = keras.Model(paper.input, [paper.get_layer(angle).output for angle in ("phi1", "Phi", "phi2")])(patterns)
    np.testing.assert_allclose(paper(patterns), np.concatenate(angles, axis=1), rtol=1e-6)


def test_the_papers_network_sees_bytes_from_0_to_1_and_anything_else_alike(paper):
    patterns = np.random.default_rng(2).integers(1, 255, (3, 8, 8)).astype(np.float32)
    patterns[:, 0, 0], patterns[:, 0, 1] = 0, 255
    seen = keras.Model(paper.input, paper.get_layer("channel").output)
    np.testing.assert_allclose(seen(patterns)[..., 0], patterns / 255, atol=1e-6)
    np.testing.assert_allclose(seen(0.01 * patterns - 3)[..., 0], patterns / 255, atol=1e-5)
    assert np.isfinite(seen(np.full((1, 8, 8), 7.0, np.float32))).all()


def test_the_papers_network_has_one_head():
    with pytest.raises(ValueError, match="three branches"):
        replace(PAPER_RECIPE, head="quaternion")


# --------------------------------------------------------------------------------------------------------- ours


@pytest.mark.parametrize("head", HEADS)
def test_the_outputs_are_those_of_the_head(head):
    network = small(head)
    outputs = np.asarray(network(PATTERNS))
    assert network.output_shape == (None, HEADS[head]) and np.isfinite(outputs).all()
    if head == "quaternion":
        np.testing.assert_allclose(np.linalg.norm(outputs, axis=1), 1, atol=1e-6)


@pytest.mark.parametrize(("gain", "offset"), [(255, 0), (1e-3, 0), (3, 1000), (1e4, -5e3)])
def test_brightness_and_contrast_are_not_seen(gain, offset):
    network = small()
    np.testing.assert_allclose(network(gain * PATTERNS + offset), network(PATTERNS), atol=2e-4)
    assert np.abs(np.diff(network(PATTERNS), axis=0)).min() > 2e-4  # other patterns are


def test_it_sees_the_mean_of_four_pixels():
    checkerboard = np.indices(SHAPE).sum(axis=0) % 2 - 0.5
    network = small()
    np.testing.assert_allclose(network(PATTERNS + checkerboard.astype(np.float32)), network(PATTERNS), atol=1e-5)


def test_for_measured_patterns_it_sees_neither_slow_background_nor_edges():
    """Against scipy's box filter."""
    network = small(local_mean_px=5)
    seen = keras.Model(network.input, network.get_layer("standardise").output)(PATTERNS)
    size = (1, 5, 5)
    inside = uniform_filter(np.ones_like(PATTERNS), size, mode="constant")
    detail = PATTERNS - uniform_filter(PATTERNS, size, mode="constant") / inside
    halves = detail.reshape(5, 6, 2, 8, 2).mean(axis=(2, 4))
    window = np.outer(*(np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 2 for n in (6, 8)))
    expected = (halves * window).reshape(5, -1)
    expected -= expected.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(seen, expected / expected.std(axis=1, keepdims=True), atol=1e-4)


def test_widths_are_those_of_the_config():
    dense = [layer.units for layer in small().layers if isinstance(layer, keras.layers.Dense)]
    assert dense == [16, 8, 9]


def test_a_constant_pattern_has_an_answer():
    assert np.isfinite(small()(np.full((1, *SHAPE), 7.0, np.float32))).all()
